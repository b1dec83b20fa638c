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

static const char *label_of(const struct out_style *style, struct cli *cli, const char *field)
{
    if (style->kind)
        return labels_record_field(cli, style->kind, field);
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

static void add_all(struct out *o)
{
    for (unsigned i = 0; i < o->style->desc->n_fields && o->n_columns < OUT_MAX_COLUMNS; i++)
        if (value_kind(&o->style->desc->fields[i]) != VALUE_OTHER)
            o->columns[o->n_columns++] = &o->style->desc->fields[i];
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

static bool is_coded(const ProtobufCMessageDescriptor *d)
{
    return d == &qipan__project__descriptor || d == &qipan__due__descriptor ||
           d == &qipan__receipt__descriptor || d == &qipan__signature__descriptor;
}

/* Codes of a list each by its label. */
static const char *record_list(struct cli *cli, const char *kind, const ProtobufCMessage *row,
                               const ProtobufCFieldDescriptor *f)
{
    size_t n = *(const size_t *)((const char *)row + f->quantifier_offset), size = 1;
    char *const *items = *(char *const *const *)((const char *)row + f->offset), *text, *end;
    const char **labels = arena_alloc(&cli->scratch, n * sizeof *labels);

    for (size_t i = 0; labels && i < n; i++) {
        labels[i] = labels_record_code(cli, kind, f->name, items[i]);
        labels[i] = labels[i] ? labels[i] : items[i];
        size += strlen(labels[i]) + strlen("、");
    }
    text = end = labels ? arena_alloc(&cli->scratch, size) : NULL;
    for (size_t i = 0; text && i < n; i++)
        end += sprintf(end, "%s%s", i ? "、" : "", labels[i]);
    return text;
}

/* A fact of a case by its label, with its value. */
static const char *fact_text(struct cli *cli, json_t *fact)
{
    const char *name = json_string_value(json_object_get(fact, "fact"));
    const char *value = json_string_value(json_object_get(fact, "value"));
    const char *kind = json_string_value(json_object_get(fact, "kind"));
    const char *label = name ? labels_record_code(cli, "case", "facts", name) : NULL;
    const char *word = value && kind ? labels_record_code(cli, "case", kind, value) : NULL;
    char *text;

    label = label ? label : name ? name : "";
    word = word ? word : value ? value : "—";
    text = arena_alloc(&cli->scratch, strlen(label) + strlen(word) + 2);
    if (text)
        sprintf(text, "%s %s", label, word);
    return text ? text : "";
}

/* What a case knows: [{"fact", "value", "kind"}]; `case facts` shows the limits, too. */
static const char *facts_text(struct cli *cli, const char *json)
{
    json_t *facts = json_loads(json, 0, NULL), *fact;
    const char *mark = "; ";
    char *text = arena_strdup(&cli->scratch, "");
    size_t i;

    json_array_foreach(facts, i, fact)
    {
        const char *one = fact_text(cli, fact);
        char *longer =
            text ? arena_alloc(&cli->scratch, strlen(text) + strlen(mark) + strlen(one) + 1) : NULL;
        if (longer)
            sprintf(longer, "%s%s%s", text, i ? mark : "", one);
        text = longer;
    }
    json_decref(facts);
    return text ? text : "";
}

/* NULL: a field without codes. */
static const char *record_text(struct cli *cli, const char *kind, const ProtobufCMessage *row,
                               const ProtobufCFieldDescriptor *f)
{
    if (f->type != PROTOBUF_C_TYPE_STRING)
        return NULL;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return record_list(cli, kind, row, f);
    if (row->descriptor == &qipan__case__descriptor && strcmp(f->name, "facts") == 0)
        return facts_text(cli, *(char *const *)((const char *)row + f->offset));
    return labels_record_code(cli, kind, f->name, *(char *const *)((const char *)row + f->offset));
}

/* For people: codes as labels. Safe for a terminal; in cli->scratch. */
static const char *people(struct cli *cli, const struct out_style *style, const ProtobufCMessage *row,
                          const ProtobufCFieldDescriptor *f)
{
    const ProtobufCFieldDescriptor *currency =
        protobuf_c_message_descriptor_get_field_by_name(row->descriptor, "currency");
    bool coded = is_coded(row->descriptor);
    const char *kind = coded ? labels_kind(f->name) : NULL, *text = NULL;

    if (!value_has(row, f))
        return "";
    if (style->kind)
        text = record_text(cli, style->kind, row, f);
    if (kind && f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED)
        text = labels_text(cli, kind, *(char *const *)((const char *)row + f->offset));
    else if (!text)
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

static void table_row(struct out *o, const ProtobufCMessage *row)
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
    memset(o, 0, sizeof *o);
    o->cli = cli;
    o->style = style;
    return choose_columns(o);
}

/* Late, so that a call that fails leaves stdout empty, and asks for no labels. */
static void print_head_once(struct out *o)
{
    if (!o->headed && o->cli->output <= OUT_WIDE && !open_table(o))
        o->cli->arena.refused = true;
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

static int print_object_table(struct out *o, const ProtobufCMessage *object)
{
    struct libscols_table *t = out_table(o->cli, false);

    if (!t || !scols_table_new_column(t, "field", 0, 0) ||
        !scols_table_new_column(t, "value", 0, SCOLS_FL_WRAP))
        return cli_no_memory(o->cli);
    for (size_t i = 0; i < o->n_columns; i++) {
        struct libscols_line *line;
        const char *text = people(o->cli, o->style, object, o->columns[i]);

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
    struct out o = {.cli = cli, .style = style};
    int code = add_columns(&o, cli->fields ? cli->fields : cli->output == OUT_NAME ? style->name : NULL);

    if (code)
        return code;
    if (cli_json(cli))
        return print_object_json(&o, object, reply, rev, request);
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

static void ask_whole_pages(ProtobufCMessage *request)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "limit");

    *(protobuf_c_boolean *)((char *)request + f->quantifier_offset) = true;
    *(int32_t *)((char *)request + f->offset) = LIMIT_PAGE_ROWS;
}

static size_t count_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return *(const size_t *)((const char *)m + f->quantifier_offset);
}

static void add_rows(struct out *o, const ProtobufCMessage *page, const ProtobufCFieldDescriptor *f)
{
    ProtobufCMessage *const *rows = *(ProtobufCMessage *const *const *)((const char *)page + f->offset);

    for (size_t i = 0; i < count_of(page, f); i++)
        out_row(o, rows[i]);
}

int out_pages(struct cli *cli, const struct out_style *style, unsigned op, ProtobufCMessage *request)
{
    char **after = member(request, "after"), *more = NULL;
    struct out o;
    int code = out_open(&o, cli, style);

    if (code)
        return code;
    if (after)
        ask_whole_pages(request);
    do {
        const char *const *next;
        struct qipan_result r;

        if ((code = cli_call(cli, op, request, NULL, &r)))
            return code;
        add_rows(&o, r.message,
                 protobuf_c_message_descriptor_get_field_by_name(r.message->descriptor, "rows"));
        next = member(r.message, "next");
        more = after && next && *next ? arena_strdup(&cli->arena, *next) : NULL;
        if (after)
            *after = more;
        qipan_result_free(&r);
    } while (more);
    return out_close(&o);
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
    add_rows(&o, reply, f);
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
