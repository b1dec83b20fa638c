/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include <string.h>

static const Qipan__GlossaryReply *glossary(struct cli *cli)
{
    Qipan__GlossaryRequest request = QIPAN__GLOSSARY_REQUEST__INIT;

    if (!cli->labels_asked && cli->q && !qipan_inside(cli->q)) {
        cli->labels_asked = true;
        if (qipan_call_wait(cli->q, OP_glossary, &request.base, NULL, &cli->labels) != QIPAN_DONE)
            qipan_result_free(&cli->labels); /* codes are shown instead */
    }
    return (const Qipan__GlossaryReply *)cli->labels.message;
}

const char *labels_kind(const char *field)
{
    static const struct {
        const char *field, *kind;
    } kinds[] = {
        {"stage", "stage"},   {"office", "office"}, {"host_office", "office"}, {"park", "park"},
        {"region", "region"}, {"method", "method"}, {"class", "class"},        {"industry", "industry"},
        {"role", "role"},     {"state", "due"},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].field, field) == 0)
            return kinds[i].kind;
    return NULL;
}

const char *labels_of_field(struct cli *cli, const char *field, const char *code)
{
    const char *kind = labels_kind(field);

    return kind ? labels_text(cli, kind, code) : NULL;
}

static bool is_kind(const Qipan__Label *l, const char *kind)
{
    return l->kind && l->code && strcmp(l->kind, kind) == 0;
}

/* Of deadlines: not the county's words, but the program's. */
static const char *state_text(const char *code)
{
    static const char *const states[] = {N_("open"), N_("fired"), N_("cleared")};

    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strcmp(states[i], code) == 0)
            return gettext(states[i]);
    return code;
}

const char *labels_text(struct cli *cli, const char *kind, const char *code)
{
    const Qipan__GlossaryReply *g = glossary(cli);

    if (strcmp(kind, "due") == 0)
        return state_text(code);
    for (size_t i = 0; g && i < g->n_rows; i++)
        if (is_kind(g->rows[i], kind) && strcmp(g->rows[i]->code, code) == 0)
            return g->rows[i]->text ? g->rows[i]->text : code;
    return code;
}

const char *labels_code(struct cli *cli, const char *kind, const char *word)
{
    const Qipan__GlossaryReply *g = glossary(cli);

    for (size_t i = 0; g && i < g->n_rows; i++)
        if (is_kind(g->rows[i], kind) && (strcmp(g->rows[i]->code, word) == 0 ||
                                          (g->rows[i]->text && strcmp(g->rows[i]->text, word) == 0)))
            return g->rows[i]->code;
    return NULL;
}

const Qipan__Label *labels_stage(struct cli *cli, size_t at)
{
    const Qipan__GlossaryReply *g = glossary(cli);

    for (size_t i = 0; g && i < g->n_rows; i++)
        if (is_kind(g->rows[i], "stage") && at-- == 0)
            return g->rows[i];
    return NULL;
}

/* As glossary(), but a failure is reported: the command can't go on without the daemon anyway. */
static int load(struct cli *cli)
{
    Qipan__GlossaryRequest request = QIPAN__GLOSSARY_REQUEST__INIT;
    int code;

    if (cli->labels_asked)
        return 0;
    code = cli_call(cli, OP_glossary, &request.base, NULL, &cli->labels);
    cli->labels_asked = code == 0;
    return code;
}

static int unknown_stage(struct cli *cli, const char *word)
{
    const char *words[129] = {NULL}, *near;
    char hint[256];
    size_t n = 0;

    for (const Qipan__Label *l; n + 1 < 128 && (l = labels_stage(cli, n / 2));) {
        words[n++] = l->code;
        words[n++] = l->text ? l->text : l->code;
    }
    if (n == 0)
        return 0; /* no glossary: the registry will judge */
    near = value_nearest(word, words);
    snprintf(hint, sizeof hint, near ? _("did you mean \"%s\"?") : _("see: qipan rules show"), near);
    return cli_fail(cli, "INVALID_ARGUMENT", "stage", hint, _("unknown stage \"%s\""), word);
}

int labels_resolve(struct cli *cli, const char *field, const char *word, const char **ret_code)
{
    const char *kind = labels_kind(field), *code;
    int failed;

    *ret_code = word;
    if (!kind || strcmp(kind, "industry") == 0)
        return 0;
    if ((failed = load(cli)))
        return failed;
    code = labels_code(cli, kind, word);
    if (code)
        *ret_code = code;
    else if (strcmp(kind, "stage") == 0)
        return unknown_stage(cli, word);
    return 0;
}

int labels_resolve_terms(struct cli *cli, Qipan__Term **terms, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < terms[i]->n_values && strcmp(terms[i]->op, "~") != 0; k++) {
            const char *code;
            int failed = labels_resolve(cli, terms[i]->field, terms[i]->values[k], &code);

            if (failed)
                return failed;
            terms[i]->values[k] = (char *)code;
        }
    }
    return 0;
}
