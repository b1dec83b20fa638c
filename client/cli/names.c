/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include "labels.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 1024 /* then they are forgotten, and asked for again */
#define ASK_MAX  80   /* at once: see NamesRequest */

struct names {
    char *codes[KEPT_MAX];
    const char *texts[KEPT_MAX]; /* NULL: has none */
    size_t n, asked;             /* the first `asked` have their answer */
    struct arena arena;
};

/* `account` is told as it is: officers give roles to codes, and an audit tells exactly whom it means. */
bool names_field(const ProtobufCMessageDescriptor *desc, const char *field)
{
    static const char *const fields[] = {
        "actor",     "approved_by", "asked_by",   "asker",        "chain",     "decided_actor", "decider",
        "deputy_of", "ended_by",    "enterprise", "escalated_to", "giver",     "granted_by",    "issuer",
        "meeting",   "mover",       "origin",     "parent",       "person",    "plot",          "present",
        "previous",  "reporter",    "reviewer",   "round",        "scored_by", "signer",        "superior",
        "survivor",  "taker",       NULL};

    for (size_t i = 0; fields[i] && desc != &qipan__audit_row__descriptor; i++)
        if (strcmp(fields[i], field) == 0)
            return true;
    return false;
}

/* Codes of accounts and ids, no names that people typed. */
static bool is_code(const char *text)
{
    return *text && strlen(text) <= 64 && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-")];
}

static void forget(struct names *x)
{
    arena_free(&x->arena);
    arena_init(&x->arena, CLI_ARENA);
    x->n = x->asked = 0;
}

static struct names *kept(struct cli *cli)
{
    if (!cli->names && (cli->names = calloc(1, sizeof *cli->names)))
        arena_init(&cli->names->arena, CLI_ARENA);
    return cli->names;
}

static bool find(const struct names *x, const char *code, size_t *ret)
{
    for (*ret = 0; *ret < x->n; ++*ret)
        if (strcmp(x->codes[*ret], code) == 0)
            return true;
    return false;
}

static void want(struct names *x, const char *code)
{
    size_t at;

    if (!is_code(code) || x->n == KEPT_MAX || find(x, code, &at))
        return;
    x->texts[x->n] = NULL;
    x->codes[x->n] = arena_strdup(&x->arena, code);
    x->n += x->codes[x->n] != NULL;
}

static void take(struct names *x, const Qipan__NamesReply *reply)
{
    size_t at;

    for (size_t i = 0; i < reply->n_rows; i++)
        if (reply->rows[i]->code && reply->rows[i]->text && find(x, reply->rows[i]->code, &at))
            x->texts[at] = arena_strdup(&x->arena, reply->rows[i]->text);
}

/* A failure is no matter: codes are shown. */
static void ask(struct cli *cli, struct names *x)
{
    const struct qipan_call_options options = {.deadline_ms = 2000};
    struct qipan *link = x->asked < x->n ? cli_lookup(cli) : NULL;

    for (size_t n; x->asked < x->n; x->asked += n) {
        Qipan__NamesRequest request = QIPAN__NAMES_REQUEST__INIT;
        struct qipan_result r;

        n = x->n - x->asked < ASK_MAX ? x->n - x->asked : ASK_MAX;
        request.ids = x->codes + x->asked;
        request.n_ids = n;
        if (!link || qipan_call_wait(link, OP_names, &request.base, &options, &r) != QIPAN_DONE)
            continue;
        take(x, (const Qipan__NamesReply *)r.message);
        qipan_result_free(&r);
    }
}

static void want_field(struct names *x, const ProtobufCMessage *row, const ProtobufCFieldDescriptor *f)
{
    const void *at = (const char *)row + f->offset;
    bool many = f->label == PROTOBUF_C_LABEL_REPEATED;
    size_t n = many ? *(const size_t *)((const char *)row + f->quantifier_offset) : 1;
    char *const *items = many ? *(char *const *const *)at : (char *const *)at;

    for (size_t i = 0; i < n; i++)
        if (items[i])
            want(x, items[i]);
}

void names_ask(struct cli *cli, ProtobufCMessage *const *rows, size_t n)
{
    struct names *x = kept(cli);
    const ProtobufCMessageDescriptor *desc = n ? rows[0]->descriptor : NULL;

    if (x && x->n > KEPT_MAX / 2)
        forget(x);
    for (unsigned k = 0; x && desc && k < desc->n_fields; k++)
        if (desc->fields[k].type == PROTOBUF_C_TYPE_STRING && names_field(desc, desc->fields[k].name))
            for (size_t i = 0; i < n; i++)
                want_field(x, rows[i], &desc->fields[k]);
    if (x)
        ask(cli, x);
}

const char *names_text(struct cli *cli, const char *code)
{
    struct names *x = kept(cli);
    size_t at;

    if (!x || !is_code(code))
        return NULL;
    if (!find(x, code, &at)) {
        if (x->n == KEPT_MAX)
            forget(x);
        want(x, code);
        ask(cli, x);
    }
    return find(x, code, &at) ? x->texts[at] : NULL;
}

const char *names_label(struct cli *cli, const char *field, const char *code)
{
    const char *name = names_field(NULL, field) ? names_text(cli, code) : NULL;

    return name ? name : labels_of_field(cli, field, code);
}

void names_free(struct cli *cli)
{
    if (cli->names)
        arena_free(&cli->names->arena);
    free(cli->names);
    cli->names = NULL;
}
