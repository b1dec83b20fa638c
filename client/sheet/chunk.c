/* SPDX-License-Identifier: Apache-2.0 */
#include "chunk.h"

#include "limits.h"
#include "sheet_internal.h"
#include "utf8.h"
#include "value.h"

#include <libintl.h>
#include <stdio.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

#define MEMORY       (64 * 1024 * 1024) /* of one chunk's rows before packing */
#define MAX_ROW      (LIMIT_CHUNK * 3 / 4)
#define OTHER_BYTES  128 /* of a chunk beside its rows: the import's id and number */
#define ROW_BYTES    4   /* tag and length before each row */
#define MAX_ELEMENTS (LIMIT_ELEMENTS - 64)
#define LARGEST_FEN  INT64_C(1000000000000) /* 100亿元: no project of a county */
#define SMALLEST_FEN 1000000                /* 1万元 */

void chunk_start(struct chunker *c, struct sheet *sheet, const struct mapping *mapping)
{
    *c = (struct chunker){.sheet = sheet, .mapping = mapping, .number = -1};
    arena_init(&c->arena, MEMORY);
    sheet_rewind(sheet);
}

void chunk_stop(struct chunker *c)
{
    arena_free(&c->arena);
}

/* Fields on the wire. */
static size_t elements(const Qipan__ImportRow *row)
{
    const ProtobufCMessageDescriptor *d = &qipan__project__descriptor;
    size_t n = 5 + row->n_clear + row->n_bad * 5 + row->n_values * 3;

    for (unsigned i = 0; row->set && i < d->n_fields; i++)
        n += value_has(&row->set->base, &d->fields[i]);
    return row->set ? n + row->set->n_tags : n;
}

static Qipan__ImportRow *map_row(struct chunker *c)
{
    Qipan__ImportRow *row = mapping_row(c->mapping, &c->row, &c->arena);

    if (row && qipan__import_row__get_packed_size(row) > MAX_ROW)
        row = mapping_refuse(c->row.number, NULL, "", _("the row is too long"), &c->arena);
    return row;
}

/* 万元 read as 元, or the other way round: nothing that a refusal could be built on. */
static void weigh(struct chunker *c, const Qipan__ImportRow *row)
{
    const Qipan__Project *p = row->set;

    if (!p || !p->has_amount_total || (p->currency && strcmp(p->currency, "CNY") != 0) ||
        (p->amount_total >= SMALLEST_FEN && p->amount_total < LARGEST_FEN))
        return;
    if (c->odd++ == 0)
        c->first_odd = row->row;
}

/* #,##0, shows 12000 as 12: what people see isn't what is read. */
static void count_scaled(struct chunker *c)
{
    const struct sheet_row *r = &c->row;

    for (size_t i = 0; r->formats && !r->skip && i < r->n; i++) {
        const struct grid_format *f = r->formats[i];
        if (!f || (!f->scale && !f->percent) || !mapping_reads(c->mapping, i) || c->scaled.n++)
            continue;
        c->scaled.row = r->number;
        c->scaled.column = i;
    }
}

/* 35000 may well be 35000万元: whoever looks at the preview is told what it was taken for. */
static void count_bare(struct chunker *c)
{
    const struct sheet_row *r = &c->row;
    bool some = false;

    for (size_t i = 0; r->types && !r->skip && i < r->n && !some; i++) {
        const char *text = r->cells[i];
        bool shown = r->formats && r->formats[i] && r->formats[i]->unit[0];
        some = *text && !text[strspn(text, "0123456789., ")] && !shown && mapping_guesses_unit(c->mapping, i);
    }
    if (some && c->bare.n++ == 0)
        c->bare.row = r->number;
}

/* Without an investor a project is known by its name alone, unless the row has a key. Exported rows have an id. */
static void count_uninvested(struct chunker *c, const Qipan__ImportRow *row)
{
    const Qipan__Project *p = row->set;
    bool asked = mapping_column(c->mapping, "investor") != NULL;

    if (!p || row->skip || p->id || p->no || (p->investor && *p->investor) || (!asked && p->external_id))
        return;
    if (c->uninvested.n++ == 0)
        c->uninvested.row = row->row;
}

static int said(const Qipan__Project *p)
{
    const ProtobufCMessageDescriptor *d = p->base.descriptor;
    int n = 0;

    for (unsigned i = 0; i < d->n_fields; i++)
        n += value_has(&p->base, &d->fields[i]);
    return n;
}

#define FEWEST_SUMMED 2 /* rows, where the sum says less than each of them */
#define MANY_SUMMED   4 /* where it says as much: fewer may come out so by chance */

/* 城关镇 | 8000 below rows that make 8000: a sum that doesn't call itself one. */
static void count_sums(struct chunker *c, const Qipan__ImportRow *row)
{
    const Qipan__Project *p = row->set;
    int fields = p ? said(p) : 0;
    bool sum = p && p->has_amount_total && p->amount_total > 0 && p->amount_total == c->group.fen &&
               c->group.n >= (fields < c->group.fields ? FEWEST_SUMMED : MANY_SUMMED);

    if (sum && c->sums.n++ == 0) {
        c->sums.row = row->row;
        c->sums.of = c->group.n;
        const char *name = p->name ? p->name : "";
        snprintf(c->sums.name, sizeof(c->sums.name), "%.*s", (int)utf8_fit(name, CHUNK_NAME - 1), name);
    }
    if (sum || !p || row->skip || row->n_bad || p->id)
        memset(&c->group, 0, sizeof(c->group));
    else if (p->has_amount_total && !__builtin_add_overflow(c->group.fen, p->amount_total, &c->group.fen))
        c->group.fields = c->group.n++ == 0 || fields < c->group.fields ? fields : c->group.fields;
}

static enum chunk_result end(struct chunker *c)
{
    size_t n;

    if (c->scaled.n)
        sheet_note(
            c->sheet,
            _("%d cells, the first in row %d (%.60s), show another number than they hold, by their number "
              "format; the one they hold counts"),
            c->scaled.n, c->scaled.row, sheet_header(c->sheet, &n)[c->scaled.column]);
    c->scaled.n = 0;
    if (c->bare.n)
        sheet_note(
            c->sheet,
            _("amounts of %d rows, row %d first, have no unit and are taken for yuan; if they are not, "
              "write 单位：万元 above the table, or (万元) into the heading"),
            c->bare.n, c->bare.row);
    c->bare.n = 0;
    if (c->uninvested.n && mapping_column(c->mapping, "investor"))
        sheet_note(c->sheet, _("%d rows, row %d first, have no investor"), c->uninvested.n,
                   c->uninvested.row);
    else if (c->uninvested.n)
        sheet_note(c->sheet,
                   _("the sheet has no column of investors: its %d projects are known by their names alone, "
                     "and one that another office has reported may not be found"),
                   c->uninvested.n);
    c->uninvested.n = 0;
    if (c->sums.n)
        sheet_note(c->sheet,
                   _("the amounts of %d rows are exactly the sum of the rows above, the first in row %d "
                     "(\"%.99s\") of %d rows; if they are sums, delete them or write 合计 before them"),
                   c->sums.n, c->sums.row, c->sums.name, c->sums.of);
    c->sums.n = 0;
    if (c->odd)
        sheet_note(
            c->sheet,
            _("the total investment of %d rows, row %d first, is 10 billion yuan or more, or less than 10 "
              "thousand: are the units right?"),
            c->odd, c->first_odd);
    c->odd = 0;
    return CHUNK_END;
}

static enum chunk_result next_row(struct chunker *c)
{
    enum sheet_result r = c->again ? SHEET_ROW : sheet_next(c->sheet, &c->row);

    c->again = false;
    c->why = r == SHEET_FAILED ? sheet_why(c->sheet) : NULL;
    return r == SHEET_ROW ? CHUNK_READY : r == SHEET_END ? CHUNK_END : CHUNK_FAILED;
}

enum chunk_result chunk_next(struct chunker *c)
{
    size_t bytes = OTHER_BYTES, count = 4;
    enum chunk_result r = CHUNK_READY;

    arena_free(&c->arena);
    arena_init(&c->arena, MEMORY);
    c->n_rows = 0;
    c->number++;
    while (c->n_rows < CHUNK_MAX_ROWS && (r = next_row(c)) == CHUNK_READY) {
        Qipan__ImportRow *row = map_row(c);
        if (!row) {
            c->why = _("the values need too much memory");
            return CHUNK_FAILED;
        }
        bytes += qipan__import_row__get_packed_size(row) + ROW_BYTES;
        count += elements(row);
        if (c->n_rows > 0 && (bytes > LIMIT_CHUNK || count > MAX_ELEMENTS)) {
            c->again = true;
            break;
        }
        c->rows[c->n_rows++] = row;
        weigh(c, row);
        count_scaled(c);
        count_bare(c);
        count_uninvested(c, row);
        count_sums(c, row);
    }
    c->total += (int)c->n_rows;
    return r == CHUNK_FAILED ? r : c->n_rows > 0 ? CHUNK_READY : end(c);
}
