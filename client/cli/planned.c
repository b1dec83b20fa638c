/* SPDX-License-Identifier: Apache-2.0 */
#include "planned.h"

#include "cells.h"
#include "labels.h"
#include "layout.h"
#include "listing.h"
#include "out.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_FILE    (256 * 1024)
#define PAGE_MEMORY (16 * 1024 * 1024) /* lines of the lists in cells, for the rows of one page */
#define IDS_AT_ONCE 100                /* values of one condition */
#define SCALE       8                  /* decimals of sums; money has 2, areas no more */

/* A record in a cell, one of the page's rows. */
struct line {
    const char *project, *text;
};

struct shown {
    const struct plan_column *plan;
    const ProtobufCFieldDescriptor *fields[PLAN_MAX_PARTS]; /* NULL = literal */
    const struct verb *list;                                /* of the records in the cell */
    struct out_style style;                                 /* of what the fields belong to */
    const char *unit;
    __int128 group, all; /* sums, × 10^SCALE */
    struct line *lines;
    size_t n_lines, room;
};

struct planned {
    struct cli *cli;
    const struct plan *plan;
    const struct verb *list;
    struct out_style style;
    FILE *to;
    struct shown shown[TABLE_MAX_COLUMNS];
    const ProtobufCFieldDescriptor *hidden[2], *group; /* id and version, of a workbook */
    size_t n_hidden;
    struct table_column columns[TABLE_MAX_COLUMNS];
    struct table_layout layout;
    char made[TABLE_SAID + 1]; /* headings of columns that hold more than one field */
    const char *titles[PLAN_MAX_TITLES];
    struct table *table;
    char *office; /* of the group that is open; NULL = none */
    size_t rows;
    struct arena page;
    struct shown *taking; /* records come for it */
};

/* ---------------------------------------------------------------- the file */

int planned_read(struct cli *cli, const char *path, struct plan **ret)
{
    char why[PLAN_WHY_SIZE] = "", *text = arena_alloc(&cli->arena, MAX_FILE + 1);
    FILE *f = fopen(path, "re");
    size_t n = f && text ? fread(text, 1, MAX_FILE + 1, f) : 0;
    bool ok = f && text && !ferror(f) && n <= MAX_FILE;

    if (!ok)
        snprintf(why, sizeof why, "%s", n > MAX_FILE ? _("the layout is too large") : strerror(errno));
    if (f)
        fclose(f);
    *ret = ok ? plan_read(text, n, why) : NULL;
    if (!*ret)
        return cli_fail(cli, "INVALID_ARGUMENT", NULL, _("see deploy/examples/README.md"), "%s: %s", path,
                        why);
    (*ret)->path = path;
    return 0;
}

/* ---------------------------------------------------------------- columns */

static int find_fields(struct planned *x, struct shown *s)
{
    int code = 0;

    for (size_t i = 0; i < s->plan->n_parts && !code; i++)
        if (s->plan->parts[i].field)
            code = out_find_field(x->cli, &s->style, s->plan->parts[i].field, &s->fields[i]);
    return code;
}

/* One field alone is a figure or a day, joined ones are text. */
static const ProtobufCFieldDescriptor *lone_field(const struct shown *s)
{
    return !s->list && s->plan->n_parts == 1 ? s->fields[0] : NULL;
}

static int take_column(struct planned *x, const struct plan_column *c, struct shown *s,
                       struct table_column *t)
{
    const ProtobufCFieldDescriptor *f;
    int code;

    *s = (struct shown){.plan = c, .style = x->style, .unit = c->unit ? c->unit : x->plan->unit};
    if (cells_unit(s->unit) < 0)
        return cli_usage(x->cli, _("unknown unit \"%s\" of an amount"), s->unit);
    if (c->kind && !(s->list = record_list(x->cli, c->kind)))
        return cli_usage(x->cli, _("there is no list \"%s\""), c->kind);
    if (s->list &&
        (!record_field(record_rows(s->list), "project") ||
         !record_field(op_by_number(s->list->op)->request, "terms") || !record_is_projects(x->list)))
        return cli_usage(x->cli, _("\"%s\" does not belong to projects"), c->kind);
    if (s->list)
        s->style = record_style(x->cli, s->list);
    if ((code = find_fields(x, s)))
        return code;
    *t = (struct table_column){.decimals = -1, .width = c->number ? 6 : 0};
    f = lone_field(s);
    if (f && !cells_column(x->cli, f, "", s->unit, t))
        return cli_no_memory(x->cli);
    if (c->sum && t->type != TABLE_NUMBER)
        return cli_usage(x->cli, _("\"%s\" is nothing that has a sum"), c->heading[0]);
    memcpy(t->heading, c->heading, sizeof t->heading);
    if (c->width)
        t->width = c->width;
    if (c->number)
        t->type = TABLE_NUMBER;
    return 0;
}

/* Of a workbook, so that it can come back. */
static void hide_columns(struct planned *x)
{
    static const char *const names[] = {"id", "version"};

    for (size_t i = 0; i < 2 && x->cli->output == OUT_XLSX; i++) {
        const ProtobufCFieldDescriptor *f = record_field(x->style.desc, names[i]);

        if (!f)
            continue;
        x->columns[x->n_hidden] = (struct table_column){.heading = {names[i]}, .hidden = true};
        x->hidden[x->n_hidden++] = f;
    }
}

/* 投资方(来源地) below the heading 投资方 is no name of an investor: an import is to pass over it. */
static void note_made(struct planned *x, const struct plan_column *c, const struct shown *s)
{
    size_t n = strlen(x->made), from = n;

    if (!c->n_parts || lone_field(s))
        return;
    for (int level = TABLE_LEVELS - 1; level >= 0; level--) {
        const char *text = c->heading[level], *mark = n == from ? (n ? "|" : "") : LAYOUT_SEPARATOR;
        if (!text)
            continue;
        if (strpbrk(text, "\"|") || n + strlen(mark) + strlen(text) >= sizeof(x->made)) {
            x->made[from] = 0;
            return;
        }
        n += (size_t)sprintf(x->made + n, "%s%s", mark, text);
    }
}

static int take_columns(struct planned *x)
{
    int code = 0;

    hide_columns(x);
    for (size_t i = 0; i < x->plan->n_columns && !code; i++) {
        const struct plan_column *c = &x->plan->columns[i];
        char place[400];

        snprintf(place, sizeof place, "%s:%d", x->plan->path, c->line);
        x->cli->place = place;
        code = take_column(x, c, &x->shown[i], &x->columns[x->n_hidden + i]);
        x->cli->place = NULL;
    }
    for (size_t i = 0; i < x->plan->n_columns && !code; i++)
        note_made(x, &x->plan->columns[i], &x->shown[i]);
    if (!code && x->plan->group)
        code = out_find_field(x->cli, &x->style, x->plan->group, &x->group);
    x->layout = (struct table_layout){.columns = x->columns,
                                      .n_columns = x->n_hidden + x->plan->n_columns,
                                      .made = *x->made ? x->made : NULL,
                                      .mark = true};
    return code;
}

/* ---------------------------------------------------------------- titles */

static const char *own_office(struct planned *x)
{
    Qipan__WhoamiRequest request = QIPAN__WHOAMI_REQUEST__INIT;
    struct qipan_result r;
    const char *office = "";

    if (qipan_call_wait(x->cli->q, OP_whoami, &request.base, NULL, &r) == QIPAN_DONE) {
        const char *code = ((const Qipan__WhoamiReply *)r.message)->office;

        office = arena_strdup(&x->cli->arena, labels_text(x->cli, "office", code ? code : ""));
    }
    qipan_result_free(&r);
    return office ? office : "";
}

/* Of what stands in braces; NULL for an unknown word. */
static const char *placeholder(struct planned *x, const char *word, size_t n, long count, char buf[64])
{
    static const char *const words[] = {"date", "year", "month", "office", "count", "unit"};
    static const char *const formats[] = {"%Y-%m-%d", "%Y", "%m"};
    time_t now = time(NULL);
    struct tm tm;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i]) != n || strncmp(words[i], word, n) != 0)
            continue;
        if (i == 3)
            return own_office(x);
        if (i == 5)
            return x->plan->unit;
        if (i < 3)
            strftime(buf, 64, formats[i], localtime_r(&now, &tm));
        else
            snprintf(buf, 64, "%ld", count);
        return buf;
    }
    return NULL;
}

static int make_title(struct planned *x, const char *text, long count, const char **ret)
{
    char out[1000], buf[64];
    size_t n = 0;

    while (*text && n < sizeof out - 200) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL, *word;

        if (!end) {
            out[n++] = *text++;
            continue;
        }
        word = placeholder(x, text + 1, (size_t)(end - text - 1), count, buf);
        if (!word)
            return cli_usage(x->cli,
                             _("unknown placeholder %.*s: {date} {year} {month} {office} {count} {unit}"),
                             (int)(end - text + 1), text);
        n += (size_t)snprintf(out + n, sizeof out - n, "%.190s", word);
        text = end + 1;
    }
    out[n] = '\0';
    *ret = arena_strdup(&x->cli->arena, out);
    return *ret ? 0 : cli_no_memory(x->cli);
}

static int begin(struct planned *x, const ProtobufCMessage *reply, size_t n)
{
    static const enum table_kind kinds[] = {
        [OUT_CSV] = TABLE_CSV, [OUT_TSV] = TABLE_TSV, [OUT_XLSX] = TABLE_XLSX};
    const ProtobufCFieldDescriptor *total = record_field(reply->descriptor, "total"),
                                   *next = record_field(reply->descriptor, "next");
    bool more = next && *(char **)record_at(reply, next);
    long count = total && value_has(reply, total) ? (long)*(int64_t *)record_at(reply, total) : (long)n;
    int code = 0;

    for (size_t i = 0; i < x->plan->n_titles && !code; i++) {
        if (more && !total && strstr(x->plan->titles[i], "{count}"))
            return cli_usage(x->cli, _("how long this list is is not known before its end: no {count}"));
        code = make_title(x, x->plan->titles[i], count, &x->titles[i]);
    }
    if (code)
        return code;
    x->layout.titles = x->titles;
    x->layout.n_titles = x->plan->n_titles;
    x->layout.sheet = labels_record_name(x->cli, labels_record_kind(x->cli, x->style.desc));
    x->layout.kind = labels_record_kind(x->cli, x->style.desc);
    x->table = table_open(kinds[x->cli->output], x->to, &x->layout);
    return x->table ? 0 : out_sheet_failed(x->cli);
}

/* ---------------------------------------------------------------- texts */

static const char *append(struct arena *arena, const char *text, const char *more)
{
    size_t n = strlen(text) + strlen(more) + 1;
    char *longer = *more ? arena_alloc(arena, n) : NULL;

    if (!*more)
        return text;
    if (!longer)
        return NULL;
    snprintf(longer, n, "%s%s", text, more);
    return longer;
}

/* A text between two fields stands only where both are filled, one at the end behind a filled one. */
static const char *join(struct planned *x, const struct shown *s, const ProtobufCMessage *row)
{
    const char *text = "", *between = "";
    bool filled = false, some = false;

    for (size_t i = 0; i < s->plan->n_parts && text; i++) {
        const char *literal = s->plan->parts[i].literal;
        const char *value = literal ? "" : cells_text(x->cli, s->style.kind, row, s->fields[i], s->unit);

        if (literal) {
            between = some || i == 0 ? literal : "";
            if (i + 1 == s->plan->n_parts && filled)
                text = append(&x->cli->scratch, text, between);
            continue;
        }
        filled = *value;
        if (filled) {
            text = append(&x->cli->scratch, text, between);
            text = text ? append(&x->cli->scratch, text, value) : NULL;
            some = true;
            between = "";
        }
    }
    x->cli->scratch.refused |= !text;
    return text ? text : "";
}

/* ---------------------------------------------------------------- records in a cell */

static int take_records(void *arg, const ProtobufCMessage *reply, ProtobufCMessage *const *rows, size_t n)
{
    struct planned *x = arg;
    struct shown *s = x->taking;
    const ProtobufCFieldDescriptor *project = record_field(record_rows(s->list), "project");

    (void)reply;
    for (size_t i = 0; i < n; i++) {
        const char *owner = *(char **)record_at(rows[i], project);

        if (s->n_lines == s->room) {
            size_t room = s->room ? s->room * 2 : 256;
            struct line *more = realloc(s->lines, room * sizeof *more);

            if (!more)
                return cli_no_memory(x->cli);
            s->lines = more;
            s->room = room;
        }
        s->lines[s->n_lines].project = arena_strdup(&x->page, owner ? owner : "");
        s->lines[s->n_lines].text = arena_strdup(&x->page, join(x, s, rows[i]));
        if (!s->lines[s->n_lines].project || !s->lines[s->n_lines].text)
            return cli_no_memory(x->cli);
        s->n_lines++;
    }
    return 0;
}

/* Those of these projects of the page. */
static int ask_records(struct planned *x, struct shown *s, char **ids, size_t n)
{
    const ProtobufCMessageDescriptor *desc = op_by_number(s->list->op)->request;
    const ProtobufCFieldDescriptor *terms = record_field(desc, "terms");
    ProtobufCMessage *request = arena_alloc(&x->page, desc->sizeof_message);
    Qipan__Term term = QIPAN__TERM__INIT, *list[] = {&term};

    if (!request || !terms)
        return cli_no_memory(x->cli);
    desc->message_init(request);
    term.field = (char *)(uintptr_t) "project";
    term.op = (char *)(uintptr_t) "=";
    term.values = ids;
    term.n_values = n;
    *(Qipan__Term ***)record_at(request, terms) = list;
    *(size_t *)((char *)request + terms->quantifier_offset) = 1;
    x->taking = s;
    return listing_each(x->cli, s->list->op, request, take_records, x);
}

static int ask_column(struct planned *x, struct shown *s, ProtobufCMessage *const *rows, size_t n)
{
    const ProtobufCFieldDescriptor *id = record_field(x->style.desc, "id");
    char *ids[IDS_AT_ONCE];
    int code = 0;

    s->n_lines = 0;
    for (size_t i = 0; i < n && !code;) {
        size_t k = 0;

        while (k < IDS_AT_ONCE && i < n)
            ids[k++] = *(char **)record_at(rows[i++], id);
        code = ask_records(x, s, ids, k);
    }
    return code;
}

static const char *records_of(struct planned *x, const struct shown *s, const char *project)
{
    const char *text = "";
    int n = 0;

    for (size_t i = 0; i < s->n_lines && text; i++) {
        if (strcmp(s->lines[i].project, project) != 0 || !*s->lines[i].text ||
            (s->plan->last && n == s->plan->last))
            continue;
        text = n++ ? append(&x->cli->scratch, text, "\n") : text;
        text = text ? append(&x->cli->scratch, text, s->lines[i].text) : NULL;
    }
    x->cli->scratch.refused |= !text;
    return text ? text : "";
}

/* ---------------------------------------------------------------- sums */

/* Plain decimal text × 10^SCALE. */
static __int128 scaled(const char *text)
{
    bool minus = *text == '-', fraction = false;
    __int128 v = 0;
    int decimals = 0;

    for (text += minus; *text && decimals < SCALE; text++) {
        if (*text == '.') {
            fraction = true;
            continue;
        }
        v = v * 10 + (*text - '0');
        decimals += fraction;
    }
    for (; decimals < SCALE; decimals++)
        v *= 10;
    return minus ? -v : v;
}

static const char *sum_text(struct planned *x, const struct shown *s, __int128 sum)
{
    char digits[64], *w = digits + sizeof digits - 1, buf[160];
    __int128 v = sum < 0 ? -sum : sum;
    bool money = value_kind(s->fields[0]) == VALUE_MONEY;

    *w = '\0';
    for (int i = 0; i <= SCALE || v; i++, v /= 10) {
        *--w = (char)('0' + (int)(v % 10));
        if (i == SCALE - 1)
            *--w = '.';
    }
    if (sum < 0)
        *--w = '-';
    return arena_strdup(&x->cli->scratch, cells_scaled(w, money ? cells_unit(s->unit) : 0, buf, sizeof buf));
}

static bool write_sums(struct planned *x, const char *word, bool group)
{
    const char *cells[TABLE_MAX_COLUMNS] = {NULL};
    bool said = false;

    for (size_t i = 0; i < x->plan->n_columns; i++) {
        struct shown *s = &x->shown[i];

        if (s->plan->sum) {
            cells[x->n_hidden + i] = sum_text(x, s, group ? s->group : s->all);
            s->group = 0;
        } else if (!said && !s->plan->number) {
            cells[x->n_hidden + i] = word;
            said = true;
        }
    }
    return table_row(x->table, TABLE_SUM, cells);
}

/* ---------------------------------------------------------------- rows */

static bool change_group(struct planned *x, const char *office)
{
    const char *cells[TABLE_MAX_COLUMNS] = {NULL};
    bool ok = true;

    if (x->office && strcmp(x->office, office) == 0)
        return true;
    if (x->office)
        ok = write_sums(x, _("subtotal"), true);
    free(x->office);
    cells[x->n_hidden] = *office ? office : "—";
    return (x->office = strdup(office)) && ok && table_row(x->table, TABLE_GROUP, cells);
}

static const char *cell_of(struct planned *x, struct shown *s, const ProtobufCMessage *row)
{
    const ProtobufCFieldDescriptor *lone = lone_field(s);
    char number[24];

    if (s->plan->number) {
        snprintf(number, sizeof number, "%zu", x->rows);
        return arena_strdup(&x->cli->scratch, number);
    }
    if (s->list)
        return records_of(x, s, *(char **)record_at(row, record_field(x->style.desc, "id")));
    if (!lone)
        return join(x, s, row);
    if (s->plan->sum && value_has(row, lone)) {
        __int128 v = scaled(cells_canonical(x->cli, row, lone));

        s->group += v;
        s->all += v;
    }
    return cells_text(x->cli, s->style.kind, row, lone, s->unit);
}

static bool write_row(struct planned *x, const ProtobufCMessage *row)
{
    const char *cells[TABLE_MAX_COLUMNS];
    bool ok = !x->group || change_group(x, cells_text(x->cli, x->style.kind, row, x->group, x->plan->unit));

    x->rows++;
    for (size_t i = 0; i < x->n_hidden; i++)
        cells[i] = cells_canonical(x->cli, row, x->hidden[i]);
    for (size_t i = 0; i < x->plan->n_columns; i++)
        cells[x->n_hidden + i] = cell_of(x, &x->shown[i], row);
    return table_row(x->table, TABLE_DATA, cells) && ok;
}

static int write_rows(void *arg, const ProtobufCMessage *reply, ProtobufCMessage *const *rows, size_t n)
{
    struct planned *x = arg;
    int code = x->table ? 0 : out_fits_sheet(x->cli, reply) ? begin(x, reply, n) : out_sheet_failed(x->cli);

    arena_free(&x->page);
    arena_init(&x->page, PAGE_MEMORY);
    for (size_t i = 0; i < x->plan->n_columns && !code; i++)
        if (x->shown[i].list)
            code = ask_column(x, &x->shown[i], rows, n);
    for (size_t i = 0; i < n && !code; i++) {
        if (!write_row(x, rows[i]))
            code = out_sheet_failed(x->cli);
        cli_scratch_over(x->cli);
        if (!code && x->cli->arena.refused)
            code = cli_no_memory(x->cli);
    }
    return code;
}

static int finish(struct planned *x)
{
    bool ok = true;

    if (x->office)
        ok = write_sums(x, _("subtotal"), true);
    if (x->plan->total)
        ok &= write_sums(x, _("total"), false);
    ok &= table_close(x->table);
    x->table = NULL;
    return ok ? cli_flush(x->cli) : out_sheet_failed(x->cli);
}

int planned_write(struct cli *cli, const struct plan *plan, const struct verb *list,
                  ProtobufCMessage *request, FILE *to, size_t *ret_rows)
{
    struct planned *x = calloc(1, sizeof *x);
    int code;

    if (!x)
        return cli_no_memory(cli);
    *x = (struct planned){.cli = cli, .plan = plan, .list = list, .to = to};
    x->style = record_is_projects(list) ? out_project : record_style(cli, list);
    arena_init(&x->page, PAGE_MEMORY);
    code = take_columns(x);
    if (!code)
        code = listing_each(cli, list->op, request, write_rows, x);
    if (!code)
        code = finish(x);
    *ret_rows = x->rows;
    table_drop(x->table);
    for (size_t i = 0; i < plan->n_columns; i++)
        free(x->shown[i].lines);
    free(x->office);
    arena_free(&x->page);
    free(x);
    return code;
}
