/* SPDX-License-Identifier: Apache-2.0 */
/* qipan template: a workbook with the columns of a kind, as the registry describes its fields, for people to fill in. */
#include "cells.h"
#include "cli.h"
#include "headers.h"
#include "labels.h"
#include "out.h"
#include "record.h"
#include "whole_file.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define MAX_GLOSSARIES 8
#define MARK           N_("example: ") /* an import passes over a row that begins so */

struct template
{
    struct cli *cli;
    const char *word, *kind; /* kind: as glossaries are asked for it, with a dot behind */
    const ProtobufCMessageDescriptor *desc;
    struct qipan_result
        glossaries[MAX_GLOSSARIES]; /* the kind's, the county's, then long lists by their names */
    const char *names[MAX_GLOSSARIES];
    size_t n_glossaries;
    struct table_column columns[TABLE_MAX_COLUMNS];
    const char *example[TABLE_MAX_COLUMNS];
    size_t n;
};

static const Qipan__GlossaryReply *reply(const struct qipan_result *r)
{
    return (const Qipan__GlossaryReply *)r->message;
}

/* NULL after a report. name NULL: the county's. */
static const Qipan__GlossaryReply *glossary(struct template *t, const char *name, int *ret_code)
{
    Qipan__GlossaryRequest request = QIPAN__GLOSSARY_REQUEST__INIT;
    size_t i = 0;

    while (i < t->n_glossaries &&
           (name ? !t->names[i] || strcmp(t->names[i], name) != 0 : t->names[i] != NULL))
        i++;
    if (i < t->n_glossaries)
        return reply(&t->glossaries[i]);
    request.kind = (char *)name;
    if (i == MAX_GLOSSARIES)
        *ret_code = cli_no_memory(t->cli);
    else
        *ret_code = cli_call(t->cli, OP_glossary, &request.base, NULL, &t->glossaries[i]);
    if (*ret_code)
        return NULL;
    t->names[t->n_glossaries++] = name;
    return reply(&t->glossaries[i]);
}

/* ---------------------------------------------------------------- what may stand in a column */

/* The labels of a kind of codes; NULL when there are none. */
static const char *const *choices_of(struct template *t, const Qipan__GlossaryReply *g, const char *kind,
                                     size_t *ret_n)
{
    const char **list = arena_alloc(&t->cli->arena, (g->n_rows + 1) * sizeof *list);
    size_t n = 0;

    for (size_t i = 0; list && i < g->n_rows; i++)
        if (g->rows[i]->kind && g->rows[i]->text && strcmp(g->rows[i]->kind, kind) == 0)
            list[n++] = g->rows[i]->text;
    if (list)
        list[n] = NULL;
    *ret_n = n;
    return n ? list : NULL;
}

/* Codes of one kind of record come with its fields, those of many with the county's, the longest ones by themselves. */
static int take_choices(struct template *t, const Qipan__Label *field, struct table_column *c)
{
    const Qipan__GlossaryReply *g;
    int code = 0;

    if (!(g = glossary(t, t->kind, &code)))
        return code;
    c->choices = choices_of(t, g, field->code, &c->n_choices);
    if (!c->choices && (g = glossary(t, NULL, &code)))
        c->choices = choices_of(t, g, field->codes, &c->n_choices);
    if (!code && !c->choices && strcmp(field->codes, "industry") == 0 &&
        (g = glossary(t, field->codes, &code)))
        c->choices = choices_of(t, g, field->codes, &c->n_choices);
    /* of industries and regions there are more than are offered */
    c->closed = strcmp(field->codes, "industry") != 0 && strcmp(field->codes, "region") != 0;
    return code;
}

static int take_yes_no(struct template *t, struct table_column *c)
{
    const char **list = arena_alloc(&t->cli->arena, 3 * sizeof *list);

    if (!list)
        return cli_no_memory(t->cli);
    list[0] = _("yes");
    list[1] = _("no");
    list[2] = NULL;
    c->choices = list;
    c->n_choices = 2;
    c->closed = true;
    return 0;
}

/* ---------------------------------------------------------------- notes and examples */

static const char *rule_of(const Qipan__Label *f, bool choices, enum value_kind kind, char *buf, size_t size)
{
    static const struct {
        const char *type, *sentence;
    } types[] = {{"credit_code", N_("18 characters, both check digits are looked at")},
                 {"project_code", N_("24 characters, as 2020-530100-76-01-041471")},
                 {"currency", N_("three letters, CNY unless said otherwise")},
                 {"mu", N_("a number, with as many decimals as it has")},
                 {"int", N_("a whole number")},
                 {"ymd", N_("a day, 2026-05-01; if only the month is known 2026-05, if only the year 2026")},
                 {"tags", N_("several are separated by commas")},
                 {"list", N_("several are separated by commas")}};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].type, f->type) == 0)
            return gettext(types[i].sentence);
    if (kind == VALUE_MONEY)
        snprintf(buf, size, _("in %s; a unit in the cell goes before: 3.5亿元"), CELLS_UNIT);
    else if (choices && f->codes && *f->codes)
        snprintf(buf, size, "%s", _("choose from the list; the code does as well"));
    else if (f->max)
        snprintf(buf, size, _("at most %d characters"), (int)f->max);
    else
        return "";
    return buf;
}

/* What an empty cell of a field that must not be empty becomes; NULL = it is refused. */
static const char *default_of(const struct template *t, const Qipan__Label *f)
{
    bool begins = strcmp(f->code, t->desc == &qipan__project__descriptor ? "stage" : "state") == 0;

    return strcmp(f->code, "office") == 0     ? _("left empty: your own office")
           : strcmp(f->type, "currency") == 0 ? ""
           : t->desc == &qipan__matter__descriptor && strcmp(f->code, "due_on") == 0
               ? _("left empty: counted in working days")
           : begins ? _("left empty: as of something new")
                    : NULL;
}

static const char *note_of(struct template *t, const Qipan__Label *f, const struct table_column *c,
                           enum value_kind kind)
{
    char buf[200], note[400];
    const char *rule = rule_of(f, c->n_choices > 0, kind, buf, sizeof buf),
               *must = c->required   ? _("required")
                       : f->required ? default_of(t, f)
                                     : "";

    snprintf(note, sizeof note, "%s%s%s", must, *must && *rule ? _("; ") : "", rule);
    return *note ? arena_strdup(&t->cli->arena, note) : NULL;
}

static const char *today(struct template *t)
{
    char day[16];
    time_t now = time(NULL);
    struct tm tm;

    localtime_r(&now, &tm);
    strftime(day, sizeof day, "%Y-%m-%d", &tm);
    return arena_strdup(&t->cli->arena, day);
}

/* What people call the caller's own office. */
static const char *own_office(struct template *t)
{
    int code = 0;
    const Qipan__GlossaryReply *g = glossary(t, NULL, &code);

    for (size_t i = 0; g && i < g->n_rows; i++)
        if (strcmp(g->rows[i]->kind, "office") == 0 && strcmp(g->rows[i]->code, qipan_office(t->cli->q)) == 0)
            return g->rows[i]->text;
    return NULL;
}

static const char *example_of(struct template *t, const Qipan__Label *f, enum value_kind kind,
                              const struct table_column *c)
{
    const char *own = f->codes && strcmp(f->codes, "office") == 0 ? own_office(t) : NULL;
    char number[32];

    if (own)
        return own;
    if (c->n_choices)
        return c->choices[kind == VALUE_BOOL]; /* no, rather than yes */
    switch (kind) {
    case VALUE_MONEY:
        return "35000";
    case VALUE_AREA:
        return "85.5";
    case VALUE_INT:
        return strcmp(f->code, "year") == 0 ? arena_strndup(&t->cli->arena, today(t), 4) : "120";
    case VALUE_DATE:
        return today(t);
    default:
        break;
    }
    snprintf(number, sizeof number, "%.4s-0001", today(t));
    if (strcmp(f->code, "project") == 0)
        return arena_strdup(&t->cli->arena, number);
    if (strcmp(f->type, "currency") == 0)
        return "CNY";
    return f->required || t->n == 2 ? f->text : "";
}

/* ---------------------------------------------------------------- the columns */

static int add_field(struct template *t, const Qipan__Label *f)
{
    const ProtobufCFieldDescriptor *field = record_field(t->desc, f->code);
    struct table_column *c = &t->columns[t->n];
    char text[300];
    int code = 0;

    if (!field || !f->editable || !f->type || headers_fixed(t->word, f->code) || t->n == TABLE_MAX_COLUMNS)
        return 0;
    if (!cells_column(t->cli, field, f->text ? f->text : f->code, CELLS_UNIT, c))
        return cli_no_memory(t->cli);
    c->required = f->required && !default_of(t, f);
    c->checked = true;
    if (f->codes && *f->codes && value_kind(field) != VALUE_LIST)
        code = take_choices(t, f, c);
    else if (value_kind(field) == VALUE_BOOL)
        code = take_yes_no(t, c);
    if (code)
        return code;
    c->note = note_of(t, f, c, value_kind(field));
    t->example[t->n] = example_of(t, f, value_kind(field), c);
    if (t->n == 2) {
        snprintf(text, sizeof text, "%s%s", gettext(MARK), t->example[t->n]);
        t->example[t->n] = arena_strdup(&t->cli->arena, text);
    }
    t->n++;
    return 0;
}

/* Which fields there are is the registry's to say. */
static int make_columns(struct template *t)
{
    static const char *const hidden[] = {"id", "version"};
    const Qipan__GlossaryReply *g;
    int code = 0;

    for (; t->n < 2; t->n++)
        t->columns[t->n] = (struct table_column){.heading = {hidden[t->n]}, .hidden = true};
    if (!(g = glossary(t, t->kind, &code)))
        return code;
    for (size_t i = 0; i < g->n_rows && !code; i++)
        if (g->rows[i]->kind && g->rows[i]->code && strcmp(g->rows[i]->kind, "field") == 0)
            code = add_field(t, g->rows[i]);
    if (!code && t->n == 2)
        code = cli_usage(t->cli, _("there is nothing to fill in of \"%s\""), t->word);
    return code;
}

static int write_to(struct template *t, FILE *to)
{
    struct table_layout layout = {.columns = t->columns,
                                  .n_columns = t->n,
                                  .kind = t->word,
                                  .sheet = labels_record_name(t->cli, t->word)};
    struct table *table;

    table = table_open(TABLE_XLSX, to, &layout);
    if (table && !table_row(table, TABLE_EXAMPLE, t->example)) {
        table_drop(table);
        table = NULL;
    }
    if (table && table_close(table))
        return 0;
    return cli_fail(t->cli, "INTERNAL", NULL, NULL, "%s: %s", _("can't write the output"), strerror(errno));
}

static int to_file(struct template *t, const char *path)
{
    struct whole_file w;
    int code;

    if (!whole_file_open(&w, path))
        return cli_fail(t->cli, "INVALID_ARGUMENT", NULL, NULL, "%s: %s", path, strerror(errno));
    code = write_to(t, w.to);
    if (!code && !whole_file_done(&w))
        code = cli_fail(t->cli, "INVALID_ARGUMENT", NULL, NULL, "%s: %s", path, strerror(errno));
    whole_file_drop(&w);
    return code;
}

/* A workbook that no import would take is a trap. */
static int unless_imported(struct template *t, const char *word)
{
    char hint[200];

    if (labels_record_code(t->cli, "batch", "kind", t->word))
        return 0;
    snprintf(hint, sizeof hint, _("they are recorded one by one: qipan help %s"), word);
    return cli_fail(t->cli, "INVALID_ARGUMENT", NULL, hint,
                    _("\"%s\" is nothing that sheets are imported of"), word);
}

static int make(struct template *t, const char *word, const char *path)
{
    const struct verb *list = record_list(t->cli, word);
    char text[100];
    int code;

    if (!list)
        return cli_usage(t->cli, _("there is no list \"%s\""), word);
    t->desc = record_rows(list);
    t->word = labels_record_kind(t->cli, t->desc);
    snprintf(text, sizeof text, "%s.", t->word);
    t->kind = arena_strdup(&t->cli->arena, text);
    snprintf(text, sizeof text, "%s.xlsx", word);
    if ((code = cli_connect(t->cli)) || (code = unless_imported(t, word)) || (code = make_columns(t)))
        return code;
    if (path && strcmp(path, "-") == 0)
        return (code = write_to(t, stdout)) ? code : cli_flush(t->cli);
    return to_file(t, path ? path : text);
}

int cmd_template(struct cli *cli, int argc, char **argv)
{
    struct template t = {.cli = cli};
    const struct cli_option options[] = {{NULL, NULL, NULL}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n < 1 || n > 2)
        return cli_usage(cli, "qipan template KIND [FILE.xlsx]");
    code = make(&t, argv[1], n == 2 ? argv[2] : NULL);
    for (size_t i = 0; i < t.n_glossaries; i++)
        qipan_result_free(&t.glossaries[i]);
    return code;
}
