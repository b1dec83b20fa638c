/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"

#include "csv_write.h"

#include "json.h"
#include "labels.h"
#include "limits.h"

#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct out_style out_project = {
    .desc = &qipan__project__descriptor,
    .table = "no,name,investor,stage,office,amount_total,changed_at",
    .wide = "no,name,investor,stage,office,park,industry,tags,amount_total,amount_fixed,land_mu,signed_on,"
            "started_on,"
            "version,changed_at",
    .name = "id",
};

/* ---------------------------------------------------------------- columns */

static const char *label_of(const struct out_style *style, const struct cli *cli, const char *field)
{
    if (!style->labels)
        return value_label(field, cli->lang);
    for (const struct out_label *l = style->labels; l->field; l++)
        if (strcmp(l->field, field) == 0)
            return gettext(l->label);
    return field;
}

static const ProtobufCFieldDescriptor *field_of(const struct out_style *style, const char *name)
{
    if (!style->labels)
        return value_field(style->desc, name);
    return protobuf_c_message_descriptor_get_field_by_name(style->desc, name);
}

static int unknown_field(struct cli *cli, const struct out_style *style, const char *name)
{
    const char *near = value_nearest_field(style->desc, name, false);
    char hint[200] = "";

    if (near)
        snprintf(hint, sizeof hint, _("did you mean \"%s\"?"), near);
    return cli_fail(cli, "INVALID_ARGUMENT", name, hint, _("unknown field \"%s\""), name);
}

static int add_columns(struct out *o, const char *names)
{
    while (*names) {
        size_t n = strcspn(names, ",");
        char *name = arena_strndup(&o->cli->arena, names, n);
        const ProtobufCFieldDescriptor *f = name ? field_of(o->style, name) : NULL;

        if (!f)
            return unknown_field(o->cli, o->style, name ? name : "");
        if (o->n_columns < OUT_MAX_COLUMNS)
            o->columns[o->n_columns++] = f;
        names += n + (names[n] == ',');
    }
    return 0;
}

static void add_all(struct out *o)
{
    for (unsigned i = 0; i < o->style->desc->n_fields && o->n_columns < OUT_MAX_COLUMNS; i++)
        if (value_kind(&o->style->desc->fields[i]) != VALUE_OTHER)
            o->columns[o->n_columns++] = &o->style->desc->fields[i];
}

static int choose_columns(struct out *o)
{
    if (o->cli->fields)
        return add_columns(o, o->cli->fields);
    switch (o->cli->output) {
    case OUT_TABLE:
        return add_columns(o, o->style->table);
    case OUT_WIDE:
        return add_columns(o, o->style->wide);
    case OUT_NAME:
        return add_columns(o, o->style->name);
    default:
        add_all(o);
        return 0;
    }
}

/* ---------------------------------------------------------------- cells */

static bool is_coded(const ProtobufCMessageDescriptor *d)
{
    return d == &qipan__project__descriptor || d == &qipan__enterprise__descriptor ||
           d == &qipan__due__descriptor || d == &qipan__receipt__descriptor ||
           d == &qipan__signature__descriptor;
}

const char *out_people(struct cli *cli, const ProtobufCMessage *row, const ProtobufCFieldDescriptor *f)
{
    const ProtobufCFieldDescriptor *currency =
        protobuf_c_message_descriptor_get_field_by_name(row->descriptor, "currency");
    bool coded = is_coded(row->descriptor);
    const char *kind = coded ? labels_kind(f->name) : NULL, *text;

    if (!value_has(row, f))
        return "";
    if (kind && f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED)
        text = labels_text(cli, kind, *(char *const *)((const char *)row + f->offset));
    else
        text = value_people(row, f, currency ? value_text(row, currency, &cli->scratch) : NULL, cli->lang,
                            &cli->scratch);
    return cli_safe(&cli->scratch, text);
}

static const char *canonical(struct cli *cli, const ProtobufCMessage *row, const ProtobufCFieldDescriptor *f)
{
    const char *text = value_has(row, f) ? value_text(row, f, &cli->scratch) : NULL;

    return text ? text : "";
}

static void print_cells(struct out *o, const ProtobufCMessage *row)
{
    for (size_t i = 0; i < o->n_columns; i++) {
        const char *text = row ? canonical(o->cli, row, o->columns[i]) : o->columns[i]->name;

        (o->cli->output == OUT_CSV ? csv_write_cell : tsv_write_cell)(stdout, text, i == 0);
    }
    fputs(o->cli->output == OUT_CSV ? "\r\n" : "\n", stdout);
}

/* ---------------------------------------------------------------- JSON */

static json_t *chosen(struct out *o, const ProtobufCMessage *row)
{
    json_t *object;

    if (!o->cli->fields)
        return json_of_message(row);
    object = json_object();
    for (size_t i = 0; object && i < o->n_columns; i++)
        json_put_field(&object, row, o->columns[i]);
    return object;
}

/* NULL: memory is out, which the end of the output says. */
static char *line_of(struct cli *cli, json_t *value)
{
    char *line = json_line(value);

    cli->arena.refused |= !line;
    return line;
}

static void print_json_row(struct out *o, const ProtobufCMessage *row)
{
    char *line = line_of(o->cli, chosen(o, row));

    if (!line)
        return;
    if (o->cli->output == OUT_JSON)
        fputs(o->n_rows ? ",\n" : "[", stdout);
    fputs(line, stdout);
    if (o->cli->output == OUT_JSONL)
        putchar('\n');
    free(line);
}

/* ---------------------------------------------------------------- tables */

static struct libscols_table *new_table(struct cli *cli, bool headings)
{
    struct libscols_table *t = scols_new_table();

    if (!t)
        return NULL;
    scols_table_enable_noheadings(t, !headings);
    if (!isatty(STDOUT_FILENO))
        scols_table_set_termforce(t, SCOLS_TERMFORCE_NEVER);
    scols_table_enable_colors(t, cli->color);
    scols_table_set_column_separator(t, "  ");
    return t;
}

static int column_flags(const ProtobufCFieldDescriptor *f)
{
    if (value_kind(f) == VALUE_MONEY || value_kind(f) == VALUE_INT || value_kind(f) == VALUE_AREA)
        return SCOLS_FL_RIGHT;
    return strcmp(f->name, "name") == 0 || strcmp(f->name, "investor") == 0 || strcmp(f->name, "summary") == 0
               ? SCOLS_FL_TRUNC
               : 0;
}

static bool open_table(struct out *o)
{
    o->table = new_table(o->cli, true);
    for (size_t i = 0; o->table && i < o->n_columns; i++)
        if (!scols_table_new_column(o->table, label_of(o->style, o->cli, o->columns[i]->name), 0,
                                    column_flags(o->columns[i])))
            return false;
    return o->table != NULL;
}

static void table_row(struct out *o, const ProtobufCMessage *row)
{
    struct libscols_line *line = scols_table_new_line(o->table, NULL);

    o->cli->arena.refused |= !line;
    for (size_t i = 0; line && i < o->n_columns; i++)
        if (scols_line_set_data(line, i, out_people(o->cli, row, o->columns[i])) != 0)
            o->cli->arena.refused = true;
}

/* ---------------------------------------------------------------- rows */

int out_open(struct out *o, struct cli *cli, const struct out_style *style)
{
    int code;

    memset(o, 0, sizeof *o);
    o->cli = cli;
    o->style = style;
    code = choose_columns(o);
    if (code)
        return code;
    if (cli->output <= OUT_WIDE && !open_table(o))
        return cli_no_memory(cli);
    return 0;
}

/* Late, so that a call that fails leaves stdout empty. */
static void print_head_once(struct out *o)
{
    if (!o->headed && (o->cli->output == OUT_CSV || o->cli->output == OUT_TSV))
        print_cells(o, NULL);
    o->headed = true;
}

int out_row(struct out *o, const ProtobufCMessage *row)
{
    struct cli *cli = o->cli;

    print_head_once(o);
    if (cli->output <= OUT_WIDE)
        table_row(o, row);
    else if (cli_json(cli))
        print_json_row(o, row);
    else if (cli->output == OUT_NAME)
        printf("%s\n", cli_safe(&cli->scratch, canonical(cli, row, o->columns[0])));
    else
        print_cells(o, row);
    o->n_rows++;
    /* its texts were printed or copied */
    cli_scratch_over(cli);
    if (cli->arena.refused)
        return cli_flush(cli); /* which says so */
    return ferror(stdout) ? EXIT_DIFFERENT : 0;
}

int out_close(struct out *o)
{
    print_head_once(o);
    if (o->table) {
        scols_print_table(o->table);
        scols_unref_table(o->table);
        o->table = NULL;
    }
    if (o->cli->output == OUT_JSON)
        puts(o->n_rows ? "]" : "[]");
    return cli_flush(o->cli);
}

/* ---------------------------------------------------------------- one object */

static int print_object_json(struct out *o, const ProtobufCMessage *object, int64_t rev, const char *request)
{
    json_t *v = chosen(o, object);
    char *line;

    if (v && rev && json_object_set_new(v, "rev", json_sprintf("%lld", (long long)rev)) != 0)
        o->cli->arena.refused = true;
    if (v && request && *request && json_object_set_new(v, "request", json_string(request)) != 0)
        o->cli->arena.refused = true;
    line = line_of(o->cli, v);
    if (line)
        puts(line);
    free(line);
    return cli_flush(o->cli);
}

static int print_object_table(struct out *o, const ProtobufCMessage *object)
{
    struct libscols_table *t = new_table(o->cli, false);

    if (!t || !scols_table_new_column(t, "field", 0, 0) ||
        !scols_table_new_column(t, "value", 0, SCOLS_FL_WRAP))
        return cli_no_memory(o->cli);
    for (size_t i = 0; i < o->n_columns; i++) {
        struct libscols_line *line;
        const char *text = out_people(o->cli, object, o->columns[i]);

        if (!*text || !(line = scols_table_new_line(t, NULL)))
            continue;
        scols_line_set_data(line, 0, label_of(o->style, o->cli, o->columns[i]->name));
        scols_line_set_data(line, 1, text);
    }
    scols_print_table(t);
    scols_unref_table(t);
    return cli_flush(o->cli);
}

/* ---------------------------------------------------------------- lists */

static void *member(const ProtobufCMessage *m, const char *name)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);

    return (char *)m + f->offset;
}

static void ask_whole_pages(ProtobufCMessage *request)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "limit");

    *(protobuf_c_boolean *)((char *)request + f->quantifier_offset) = true;
    *(int32_t *)((char *)request + f->offset) = LIMIT_PAGE_ROWS;
}

static void add_rows(struct out *o, const ProtobufCMessage *page)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(page->descriptor, "rows");
    size_t n = *(const size_t *)((const char *)page + f->quantifier_offset);
    ProtobufCMessage *const *rows = *(ProtobufCMessage *const *const *)member(page, "rows");

    for (size_t i = 0; i < n; i++)
        out_row(o, rows[i]);
}

int out_pages(struct cli *cli, const struct out_style *style, unsigned op, ProtobufCMessage *request)
{
    char **after = member(request, "after");
    struct out o;
    int code = out_open(&o, cli, style);

    if (code)
        return code;
    ask_whole_pages(request);
    do {
        const char *next;
        struct qipan_result r;

        if ((code = cli_call(cli, op, request, NULL, &r)))
            return code;
        add_rows(&o, r.message);
        next = *(const char *const *)member(r.message, "next");
        *after = next ? arena_strdup(&cli->arena, next) : NULL;
        qipan_result_free(&r);
    } while (*after);
    return out_close(&o);
}

int out_object(struct cli *cli, const struct out_style *style, const ProtobufCMessage *object, int64_t rev,
               const char *request)
{
    struct out o = {.cli = cli, .style = style};
    int code = 0;

    if (cli->fields)
        code = add_columns(&o, cli->fields);
    else if (cli->output == OUT_NAME)
        code = add_columns(&o, style->name);
    else
        add_all(&o);
    if (code)
        return code;
    if (cli_json(cli))
        return print_object_json(&o, object, rev, request);
    if (cli->output <= OUT_WIDE)
        return print_object_table(&o, object);
    if (cli->output == OUT_NAME) {
        puts(cli_safe(&cli->scratch, canonical(cli, object, o.columns[0])));
        return cli_flush(cli);
    }
    print_cells(&o, NULL);
    print_cells(&o, object);
    return cli_flush(cli);
}
