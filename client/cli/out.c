/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"

#include "cells.h"
#include "json.h"
#include "labels.h"
#include "listing.h"
#include "names.h"

#include <errno.h>
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

static const char *label_of(const struct out_style *style, struct cli *cli, const char *field)
{
    for (const struct out_label *l = style->labels; l && l->field; l++)
        if (strcmp(l->field, field) == 0)
            return gettext(l->label);
    if (style->kind)
        return labels_record_field(cli, style->kind, field);
    return style->labels ? field : value_label(field, cli->lang);
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

/* In a table of people the id of a project that stands there by its number. */
static bool is_doubled(const struct out *o, const ProtobufCFieldDescriptor *f)
{
    return o->cli->output <= OUT_WIDE && strcmp(f->name, "project") == 0 &&
           protobuf_c_message_descriptor_get_field_by_name(o->style->desc, "no");
}

static void add_all(struct out *o)
{
    const ProtobufCMessageDescriptor *desc = o->style->desc;

    for (unsigned i = 0; i < desc->n_fields && o->n_columns < OUT_MAX_COLUMNS; i++)
        if (value_kind(&desc->fields[i]) != VALUE_OTHER && !is_doubled(o, &desc->fields[i]))
            o->columns[o->n_columns++] = &desc->fields[i];
}

int out_find_field(struct cli *cli, const struct out_style *style, const char *name,
                   const ProtobufCFieldDescriptor **ret)
{
    *ret = field_of(style, name);
    return *ret ? 0 : unknown_field(cli, style, name);
}

/* Fields joined by commas; NULL = all. */
static int add_columns(struct out *o, const char *names)
{
    if (!names)
        add_all(o);
    while (names && *names) {
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
        return add_columns(o, NULL);
    }
}

/* ---------------------------------------------------------------- cells */

/* Those that a field names by code or id; `text` when it is none that does. */
static const char *names_of(struct cli *cli, const ProtobufCMessage *row, const ProtobufCFieldDescriptor *f,
                            const char *text)
{
    const char *const at = (const char *)row + f->offset, *name, *list = NULL;

    if (f->type != PROTOBUF_C_TYPE_STRING || !names_field(row->descriptor, f->name))
        return text;
    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return (name = names_text(cli, *(char *const *)at)) ? name : text;
    for (size_t i = 0; i < *(const size_t *)((const char *)row + f->quantifier_offset); i++) {
        char *item = (*(char *const *const *)at)[i], *longer;

        name = names_text(cli, item);
        name = name ? name : item;
        longer = arena_alloc(&cli->scratch, (list ? strlen(list) : 0) + strlen(name) + sizeof "、");
        if (!longer)
            return text;
        sprintf(longer, "%s%s%s", list ? list : "", list ? "、" : "", name);
        list = longer;
    }
    return list ? list : text;
}

/* For people: codes as labels. Safe for a terminal; in cli->scratch. */
static const char *people(struct cli *cli, const struct out_style *style, const ProtobufCMessage *row,
                          const ProtobufCFieldDescriptor *f)
{
    const ProtobufCFieldDescriptor *currency =
        protobuf_c_message_descriptor_get_field_by_name(row->descriptor, "currency");
    const char *text;

    if (!value_has(row, f))
        return "";
    text = cells_words(cli, style->kind, row, f);
    text = names_of(cli, row, f, text);
    if (!text)
        text = value_people(row, f, currency ? value_text(row, currency, &cli->scratch) : NULL, cli->lang,
                            &cli->scratch);
    return cli_safe(&cli->scratch, text);
}

/* ---------------------------------------------------------------- CSV, TSV, workbooks */

int out_sheet_failed(struct cli *cli)
{
    if (errno == EFBIG)
        return cli_fail(cli, "INVALID_ARGUMENT", NULL, _("use -o csv"), _("a sheet has no more than %d rows"),
                        TABLE_MAX_ROWS);
    return errno == EPIPE ? EXIT_DIFFERENT
                          : cli_fail(cli, "INTERNAL", NULL, NULL, "%s: %s", _("can't write the output"),
                                     strerror(errno ? errno : ENOMEM));
}

/* The columns an import finds the row by stand first, and nobody sees them. */
static bool is_hidden(const ProtobufCFieldDescriptor *f)
{
    return strcmp(f->name, "id") == 0 || strcmp(f->name, "version") == 0;
}

static bool is_chosen(const struct out *o, const char *name)
{
    for (size_t i = 0; i < o->n_columns; i++)
        if (strcmp(o->columns[i]->name, name) == 0)
            return true;
    return false;
}

static void put_first(struct out *o, const char *name)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(o->style->desc, name);
    size_t at = 0;

    if (!f || (!is_chosen(o, name) && o->n_columns == OUT_MAX_COLUMNS))
        return;
    while (at < o->n_columns && o->columns[at] != f)
        at++;
    o->n_columns += at == o->n_columns;
    memmove(o->columns + 1, o->columns, at * sizeof *o->columns);
    o->columns[0] = f;
}

static bool lay_sheet(struct out *o)
{
    bool ok = true;

    if (o->cli->output == OUT_XLSX && o->file) {
        put_first(o, "version");
        put_first(o, "id");
    }
    for (size_t i = 0; i < o->n_columns; i++) {
        const ProtobufCFieldDescriptor *f = o->columns[i];
        bool hidden = o->cli->output == OUT_XLSX && o->file && is_hidden(f);

        if (o->cli->output != OUT_XLSX)
            o->shown[i] = (struct table_column){.heading = {f->name}};
        else
            ok &= cells_column(o->cli, f, hidden ? f->name : label_of(o->style, o->cli, f->name), CELLS_UNIT,
                               &o->shown[i]);
        o->shown[i].hidden = hidden;
    }
    return ok;
}

static const char *sheet_name(struct out *o)
{
    return o->style->kind                                  ? labels_record_name(o->cli, o->style->kind)
           : o->style->desc == &qipan__project__descriptor ? _("projects")
                                                           : "Qipan";
}

static bool open_sheet(struct out *o)
{
    static const enum table_kind kinds[] = {
        [OUT_CSV] = TABLE_CSV, [OUT_TSV] = TABLE_TSV, [OUT_XLSX] = TABLE_XLSX};

    if (!lay_sheet(o))
        return false;
    o->layout = (struct table_layout){.columns = o->shown, .n_columns = o->n_columns, .mark = o->file};
    if (o->cli->output == OUT_XLSX) {
        o->layout.sheet = sheet_name(o);
        o->layout.kind = o->file ? labels_record_kind(o->cli, o->style->desc) : NULL;
    }
    o->sheet = table_open(kinds[o->cli->output], o->to, &o->layout);
    return o->sheet != NULL;
}

static bool sheet_row(struct out *o, const ProtobufCMessage *row)
{
    const char *cells[OUT_MAX_COLUMNS];

    for (size_t i = 0; i < o->n_columns; i++)
        cells[i] = o->cli->output == OUT_XLSX
                       ? cells_text(o->cli, o->style->kind, row, o->columns[i], CELLS_UNIT)
                       : cells_canonical(o->cli, row, o->columns[i]);
    return table_row(o->sheet, TABLE_DATA, cells);
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
        fputs(o->n_rows ? ",\n" : "[", o->to);
    fputs(line, o->to);
    if (o->cli->output == OUT_JSONL)
        putc('\n', o->to);
    free(line);
}

/* ---------------------------------------------------------------- tables */

struct libscols_table *out_table(struct cli *cli, bool headings)
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
    o->table = out_table(o->cli, true);
    for (size_t i = 0; o->table && i < o->n_columns; i++)
        if (!scols_table_new_column(o->table, label_of(o->style, o->cli, o->columns[i]->name), 0,
                                    column_flags(o->columns[i])))
            return false;
    return o->table != NULL;
}

static void table_row_of(struct out *o, const ProtobufCMessage *row)
{
    struct libscols_line *line = o->table ? scols_table_new_line(o->table, NULL) : NULL;

    o->cli->arena.refused |= !line;
    for (size_t i = 0; line && i < o->n_columns; i++)
        if (scols_line_set_data(line, i, people(o->cli, o->style, row, o->columns[i])) != 0)
            o->cli->arena.refused = true;
}

/* ---------------------------------------------------------------- rows */

int out_open(struct out *o, struct cli *cli, const struct out_style *style)
{
    *o = (struct out){.cli = cli, .style = style, .to = stdout};
    if (cli->output == OUT_XLSX && isatty(STDOUT_FILENO))
        return cli_usage(cli, "%s", _("-o xlsx is for a file: write it with > FILE.xlsx"));
    return choose_columns(o);
}

int out_open_file(struct out *o, struct cli *cli, const struct out_style *style, FILE *to)
{
    *o = (struct out){.cli = cli, .style = style, .to = to, .file = true};
    return add_columns(o, cli->fields);
}

/* Late, so that a call that fails leaves stdout empty, and asks for no labels. */
static bool head_once(struct out *o)
{
    bool ok = o->headed || cli_json(o->cli) || o->cli->output == OUT_NAME;

    if (!ok)
        ok = o->cli->output <= OUT_WIDE ? open_table(o) : open_sheet(o);
    if (!ok && o->cli->output <= OUT_WIDE)
        ok = o->cli->arena.refused = true; /* said at the end */
    o->headed = true;
    return ok;
}

int out_row(struct out *o, const ProtobufCMessage *row)
{
    struct cli *cli = o->cli;
    bool ok = head_once(o);

    if (cli->output <= OUT_WIDE)
        table_row_of(o, row);
    else if (cli_json(cli))
        print_json_row(o, row);
    else if (cli->output == OUT_NAME)
        fprintf(o->to, "%s\n", cli_safe(&cli->scratch, cells_canonical(cli, row, o->columns[0])));
    else
        ok = ok && sheet_row(o, row);
    o->n_rows++;
    /* its texts were printed or copied */
    cli_scratch_over(cli);
    if (cli->arena.refused)
        return cli_flush(cli); /* which says so */
    if (!ok)
        return out_sheet_failed(cli);
    return ferror(o->to) ? EXIT_DIFFERENT : 0;
}

void out_drop(struct out *o)
{
    table_drop(o->sheet);
    scols_unref_table(o->table);
    o->sheet = NULL;
    o->table = NULL;
}

int out_close(struct out *o)
{
    bool ok = head_once(o);

    if (o->table) {
        scols_print_table(o->table);
        scols_unref_table(o->table);
        o->table = NULL;
    }
    if (o->sheet)
        ok = table_close(o->sheet);
    o->sheet = NULL;
    if (!ok)
        return out_sheet_failed(o->cli);
    if (o->cli->output == OUT_JSON)
        fputs(o->n_rows ? "]\n" : "[]\n", o->to);
    return cli_flush(o->cli);
}

/* ---------------------------------------------------------------- one object */

static bool is_part(const ProtobufCFieldDescriptor *f)
{
    return f->label == PROTOBUF_C_LABEL_REPEATED && f->type == PROTOBUF_C_TYPE_MESSAGE;
}

static void put_parts(json_t **object, const ProtobufCMessage *reply)
{
    for (unsigned i = 0; i < reply->descriptor->n_fields; i++)
        if (is_part(&reply->descriptor->fields[i]))
            json_put_field(object, reply, &reply->descriptor->fields[i]);
}

static int print_object_json(struct out *o, const ProtobufCMessage *object, const ProtobufCMessage *reply,
                             int64_t rev, const char *request)
{
    json_t *v = chosen(o, object);
    char *line;

    if (reply && !o->cli->fields)
        put_parts(&v, reply);
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

/* The other project of a case, whose number stands beside it; its facts, which have a table of their own. */
static bool is_said(const ProtobufCMessage *object, const ProtobufCFieldDescriptor *f)
{
    return object->descriptor == &qipan__case__descriptor &&
           (strcmp(f->name, "facts") == 0 ||
            (strcmp(f->name, "other_project") == 0 && ((const Qipan__Case *)object)->other_no));
}

static int print_object_table(struct out *o, const ProtobufCMessage *object)
{
    struct libscols_table *t = out_table(o->cli, false);

    names_ask(o->cli, (ProtobufCMessage *const *)&object, 1);
    if (!t || !scols_table_new_column(t, "field", 0, 0) ||
        !scols_table_new_column(t, "value", 0, SCOLS_FL_WRAP))
        return cli_no_memory(o->cli);
    for (size_t i = 0; i < o->n_columns; i++) {
        struct libscols_line *line;
        const char *text = is_said(object, o->columns[i]) && !o->cli->fields
                               ? ""
                               : people(o->cli, o->style, object, o->columns[i]);

        if (!*text || !(line = scols_table_new_line(t, NULL)))
            continue;
        scols_line_set_data(line, 0, label_of(o->style, o->cli, o->columns[i]->name));
        scols_line_set_data(line, 1, text);
    }
    scols_print_table(t);
    scols_unref_table(t);
    return cli_flush(o->cli);
}

/* `reply`: what the object came in, when its parts are to be shown too; or NULL. */
static int print_object(struct cli *cli, const struct out_style *style, const ProtobufCMessage *object,
                        const ProtobufCMessage *reply, int64_t rev, const char *request)
{
    struct out o = {.cli = cli, .style = style, .to = stdout};
    int code = add_columns(&o, cli->fields ? cli->fields : cli->output == OUT_NAME ? style->name : NULL);

    if (code)
        return code;
    if (cli_json(cli))
        return print_object_json(&o, object, reply, rev, request);
    if (cli->output <= OUT_WIDE)
        return print_object_table(&o, object);
    if (cli->output == OUT_NAME) {
        puts(cli_safe(&cli->scratch, cells_canonical(cli, object, o.columns[0])));
        return cli_flush(cli);
    }
    code = out_row(&o, object);
    if (!code)
        code = out_close(&o);
    out_drop(&o);
    return code;
}

int out_object(struct cli *cli, const struct out_style *style, const ProtobufCMessage *object, int64_t rev,
               const char *request)
{
    return print_object(cli, style, object, NULL, rev, request);
}

/* ---------------------------------------------------------------- lists */

/* NULL when there is no such field. */
static void *member(const ProtobufCMessage *m, const char *name)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);

    return f ? (char *)m + f->offset : NULL;
}

static size_t count_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return *(const size_t *)((const char *)m + f->quantifier_offset);
}

bool out_fits_sheet(const struct cli *cli, const ProtobufCMessage *reply)
{
    const int64_t *total = member(reply, "total");

    errno = EFBIG;
    return cli->output != OUT_XLSX || !total || *total < TABLE_MAX_ROWS;
}

static int add_rows(void *arg, const ProtobufCMessage *reply, ProtobufCMessage *const *rows, size_t n)
{
    struct out *o = arg;
    int code = 0;

    if (!out_fits_sheet(o->cli, reply))
        return out_sheet_failed(o->cli);
    if (o->cli->output <= OUT_WIDE)
        names_ask(o->cli, rows, n);
    for (size_t i = 0; i < n && !code; i++)
        code = out_row(o, rows[i]);
    return code;
}

int out_fill(struct out *o, unsigned op, ProtobufCMessage *request)
{
    return listing_each(o->cli, op, request, add_rows, o);
}

int out_pages(struct cli *cli, const struct out_style *style, unsigned op, ProtobufCMessage *request)
{
    struct out o;
    int code = out_open(&o, cli, style);

    if (!code)
        code = out_fill(&o, op, request);
    if (!code)
        code = out_close(&o);
    out_drop(&o);
    return code;
}

/* ---------------------------------------------------------------- answers */

const ProtobufCFieldDescriptor *out_object_field(const ProtobufCMessageDescriptor *reply)
{
    for (unsigned i = 0; i < reply->n_fields; i++)
        if (reply->fields[i].type == PROTOBUF_C_TYPE_MESSAGE && !is_part(&reply->fields[i]))
            return &reply->fields[i];
    return NULL;
}

static int print_part(struct cli *cli, const struct out_style *style, const ProtobufCMessage *reply,
                      const ProtobufCFieldDescriptor *f)
{
    const char *own = labels_record_kind(cli, f->descriptor);
    bool known = count_of(reply, f) && labels_knows(cli, own);
    const struct out_style part = {.desc = f->descriptor, .kind = known ? own : style->kind};
    struct out o;
    int code = count_of(reply, f) ? out_open(&o, cli, &part) : 0;

    if (code || !count_of(reply, f))
        return code;
    printf("\n%s\n",
           cli_safe(&cli->scratch, known ? labels_record_name(cli, own) : label_of(style, cli, f->name)));
    add_rows(&o, reply, *(ProtobufCMessage *const *const *)((const char *)reply + f->offset),
             count_of(reply, f));
    return out_close(&o);
}

int out_reply(struct cli *cli, const struct out_style *style, const ProtobufCMessage *reply,
              const char *request)
{
    const ProtobufCMessageDescriptor *desc = reply->descriptor;
    const ProtobufCFieldDescriptor *f = out_object_field(desc);
    const ProtobufCMessage *object =
        f ? *(ProtobufCMessage *const *)((const char *)reply + f->offset) : reply;
    const int64_t *rev = member(reply, "rev"); /* 0 when it is absent */
    int code = object ? print_object(cli, style, object, f ? reply : NULL, f && rev ? *rev : 0, request) : 0;

    for (unsigned i = 0; i < desc->n_fields && !code && cli->output <= OUT_WIDE && !cli->fields; i++)
        if (is_part(&desc->fields[i]))
            code = print_part(cli, style, reply, &desc->fields[i]);
    return code;
}
