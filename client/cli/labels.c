/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- looking up */

/* A code of millions of rows is looked for once in each. */
struct label_index {
    Qipan__Label **rows; /* by kind, then code */
    size_t n;
    bool made;
};

static int by_code(const void *a, const void *b)
{
    const Qipan__Label *x = *(Qipan__Label *const *)a, *y = *(Qipan__Label *const *)b;
    int d = strcmp(x->kind, y->kind);

    return d ? d : strcmp(x->code, y->code);
}

static void index_rows(struct cli *cli, struct label_index *x, const Qipan__GlossaryReply *g)
{
    x->made = true;
    x->rows = arena_alloc(&cli->arena, (g->n_rows + 1) * sizeof *x->rows);
    for (size_t i = 0; x->rows && i < g->n_rows; i++)
        if (g->rows[i]->kind && g->rows[i]->code)
            x->rows[x->n++] = g->rows[i];
    if (x->rows)
        qsort(x->rows, x->n, sizeof *x->rows, by_code);
}

/* NULL when there is none. */
static const char *index_text(const struct label_index *x, const char *kind, const char *code)
{
    Qipan__Label wanted = QIPAN__LABEL__INIT, *key = &wanted, **found;

    wanted.kind = (char *)(uintptr_t)kind;
    wanted.code = (char *)(uintptr_t)code;
    found = x->n ? bsearch(&key, x->rows, x->n, sizeof *x->rows, by_code) : NULL;
    return found ? (*found)->text : NULL;
}

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
        {"stage", "stage"},         {"office", "office"},     {"host_office", "office"},
        {"park", "park"},           {"region", "region"},     {"method", "method"},
        {"class", "class"},         {"industry", "industry"}, {"role", "role"},
        {"state", "due"},           {"node", "node"},         {"node_role", "node_role"},
        {"agreement", "agreement"},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].field, field) == 0)
            return kinds[i].kind;
    return NULL;
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
    const char *label;

    if (strcmp(kind, "due") == 0)
        return state_text(code);
    if (g && !cli->label_index && (cli->label_index = arena_zalloc(&cli->arena, sizeof *cli->label_index)))
        index_rows(cli, cli->label_index, g);
    label = cli->label_index ? index_text(cli->label_index, kind, code) : NULL;
    return label ? label : code;
}

/* ---------------------------------------------------------------- records */

struct label_kind {
    struct label_kind *next;
    char *kind;
    struct qipan_result result; /* empty when the call failed */
    struct label_index index;
};

bool labels_is_record(const char *kind)
{
    const struct kind_info *k = kind_by_name(kind);

    return k && k->whole && strcmp(kind, "due") != 0 && strcmp(kind, "receipt") != 0;
}

const char *labels_record_kind(struct cli *cli, const ProtobufCMessageDescriptor *desc)
{
    char *kind = arena_strdup(&cli->arena, desc->short_name);

    for (char *p = kind; p && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return kind ? kind : "";
}

static struct label_kind *ask_kind(struct cli *cli, const char *kind)
{
    Qipan__GlossaryRequest request = QIPAN__GLOSSARY_REQUEST__INIT;
    const struct qipan_call_options options = {.deadline_ms = 2000};
    struct label_kind *k = arena_zalloc(&cli->arena, sizeof *k);
    struct qipan *link = cli_lookup(cli);
    char name[80];

    if (!k || !link || !(k->kind = arena_strdup(&cli->arena, kind)))
        return NULL;
    snprintf(name, sizeof name, "%s.", kind);
    request.kind = name;
    if (qipan_call_wait(link, OP_glossary, &request.base, &options, &k->result) != QIPAN_DONE)
        qipan_result_free(&k->result);
    k->next = cli->kinds;
    cli->kinds = k;
    return k;
}

static const char *record_label(struct cli *cli, const char *kind, const char *group, const char *code)
{
    struct label_kind *k = cli->kinds;
    const Qipan__GlossaryReply *g;

    while (k && strcmp(k->kind, kind) != 0)
        k = k->next;
    if (!k)
        k = ask_kind(cli, kind);
    g = k ? (const Qipan__GlossaryReply *)k->result.message : NULL;
    if (g && !k->index.made)
        index_rows(cli, &k->index, g);
    return k ? index_text(&k->index, group, code) : NULL;
}

const char *labels_record_name(struct cli *cli, const char *kind)
{
    const char *label = strcmp(kind, "project") == 0 ? _("projects") : record_label(cli, kind, "kind", kind);

    return label ? label : kind;
}

bool labels_knows(struct cli *cli, const char *kind)
{
    return record_label(cli, kind, "kind", kind) != NULL;
}

const char *labels_record_field(struct cli *cli, const char *kind, const char *field)
{
    const char *label = record_label(cli, kind, "field", field);

    return label ? label : value_label(field, cli->lang);
}

const char *labels_record_code(struct cli *cli, const char *kind, const char *field, const char *code)
{
    static const char *const county[] = {"office", "region", "stage"}; /* lead_office, stages too */
    const char *label = record_label(cli, kind, field, code);

    for (size_t i = 0; !label && i < sizeof county / sizeof *county; i++) {
        size_t n = strlen(field), m = strlen(county[i]);

        n -= n > 0 && field[n - 1] == 's';
        if (n >= m && strncmp(field + n - m, county[i], m) == 0)
            label = labels_text(cli, county[i], code);
    }
    return label;
}

void labels_free(struct cli *cli)
{
    qipan_result_free(&cli->labels);
    for (struct label_kind *k = cli->kinds; k; k = k->next)
        qipan_result_free(&k->result);
}

const char *labels_of_field(struct cli *cli, const char *field, const char *code)
{
    const char *kind = labels_kind(field);

    if (cli->record && strcmp(field, "field") == 0)
        return labels_record_field(cli, labels_record_kind(cli, cli->record), code);
    if (cli->record)
        return labels_record_code(cli, labels_record_kind(cli, cli->record), field, code);
    return kind ? labels_text(cli, kind, code) : NULL;
}

/* ---------------------------------------------------------------- words of people */

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
