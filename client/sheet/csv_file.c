/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: libcsv splits the raw bytes, then each cell is decoded by itself. In UTF-8, GB18030 and the like no separator,
 * quote or line end is part of a longer character, so broken bytes cost one cell and are reported with their column. */
#include "decode.h"
#include "sheet_internal.h"

#include <csv.h>
#include <errno.h>
#include <libintl.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

#define TEXT_SIZE (SHEET_MAX_ROW * 4 + SHEET_MAX_COLUMNS) /* decoding makes cells longer */

struct csv_file {
    struct csv_parser parser;
    struct decode *decode;
    char separator;
    int header; /* its row */
    char line[SHEET_MAX_ROW + 2];
    char raw[SHEET_MAX_ROW + SHEET_MAX_COLUMNS]; /* cells as they are in the file, one after another */
    size_t raw_n;
    size_t begin[SHEET_MAX_COLUMNS + 1]; /* of each cell in raw, and behind the last */
    size_t n;  /* cells so far, may exceed the maximum: then they are only counted */
    bool done; /* the row is whole */
    char text[TEXT_SIZE];
    char *cells[SHEET_MAX_COLUMNS];
};

static void on_cell(void *bytes, size_t n, void *arg)
{
    struct csv_file *c = arg;

    if (c->n < SHEET_MAX_COLUMNS && c->raw_n + n <= sizeof(c->raw)) {
        c->begin[c->n] = c->raw_n;
        memcpy(c->raw + c->raw_n, bytes, n);
        c->raw_n += n;
        c->begin[c->n + 1] = c->raw_n;
    }
    c->n++;
}

static void on_row(int end, void *arg)
{
    struct csv_file *c = arg;

    (void)end;
    c->done = true;
}

static int only_blank(unsigned char b)
{
    return b == ' ';
}

static bool start_parser(struct csv_file *c)
{
    csv_free(&c->parser);
    if (csv_init(&c->parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return false;
    csv_set_delim(&c->parser, (unsigned char)c->separator);
    if (c->separator == '\t')
        csv_set_space_func(&c->parser, only_blank);
    return true;
}

static bool is_blank_line(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n", line[i]))
            return false;
    return true;
}

/* The bytes are shown as far as they can be decoded. */
static enum sheet_result broken(struct sheet *s, struct csv_file *c, struct sheet_row *row, int column,
                                const char *bytes, size_t n, const char *why)
{
    decode_lossy(c->decode, bytes, n, c->text, TEXT_SIZE);
    return sheet_broken(s, row, column, c->text, strlen(c->text), "%s", why);
}

/* Cells next to each other, as they are in the file but for the quotes. */
static size_t join_raw(struct csv_file *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n && i < SHEET_MAX_COLUMNS && n < sizeof(c->line) / 2; i++) {
        size_t len = c->begin[i + 1] - c->begin[i], room = sizeof(c->line) / 2 - n;
        if (i)
            c->line[n++] = c->separator;
        len = len < room ? len : room;
        memcpy(c->line + n, c->raw + c->begin[i], len);
        n += len;
    }
    return n;
}

/* Passes over the first line of a row that can't be parsed: the next one may be whole again. */
static enum sheet_result give_up(struct sheet *s, struct csv_file *c, long start, struct sheet_row *row,
                                 const char *why)
{
    size_t n;

    start_parser(c);
    clearerr(s->file);
    if (fseek(s->file, start, SEEK_SET) != 0) {
        sheet_fail(s, "%s", strerror(errno));
        return SHEET_FAILED;
    }
    sheet_read_line(s->file, c->line, &n);
    while (n && strchr("\r\n", c->line[n - 1]))
        n--;
    return broken(s, c, row, c->n < s->n_header ? (int)c->n : -1, c->line, n, why);
}

/* Reads lines until a row is whole. */
static enum sheet_result read_row(struct sheet *s, struct csv_file *c, struct sheet_row *row)
{
    long start = ftell(s->file);
    size_t total = 0, n;

    c->raw_n = c->n = 0;
    c->done = false;
    s->row++;
    while (!c->done) {
        enum sheet_line got = sheet_read_line(s->file, c->line, &n);
        if (ferror(s->file)) {
            sheet_fail(s, "%s", strerror(errno));
            return SHEET_FAILED;
        }
        if (got == SHEET_LINE_END && total == 0)
            return SHEET_END;
        total += n;
        if (got == SHEET_LINE_LONG || total > SHEET_MAX_ROW)
            return give_up(s, c, start, row,
                           total > n ? _("a quote is not closed") : _("the row is too long"));
        if (got == SHEET_LINE_END) {
            if (csv_fini(&c->parser, on_cell, on_row, c) != 0)
                return give_up(s, c, start, row, _("a quote is not closed"));
            break;
        }
        if (total == n && is_blank_line(c->line, n))
            break; /* as libcsv sees it, no row at all */
        if (csv_parse(&c->parser, c->line, n, on_cell, on_row, c) != n)
            return give_up(s, c, start, row, _("a quote in the middle of a cell"));
    }
    return SHEET_ROW;
}

static bool cell_is_empty(const struct csv_file *c, size_t i)
{
    return i < SHEET_MAX_COLUMNS && c->begin[i] == c->begin[i + 1];
}

/* Empty cells behind the last column are what spreadsheets leave there. */
static void drop_empty_tail(struct csv_file *c, size_t columns)
{
    while (c->n > columns && c->n <= SHEET_MAX_COLUMNS && cell_is_empty(c, c->n - 1))
        c->n--;
}

/* Cells as UTF-8; -1, or the first that can't be decoded. */
static int decode_cells(struct csv_file *c, size_t *ret_bad)
{
    size_t w = 0;

    for (size_t i = 0; i < c->n; i++) {
        size_t len = c->begin[i + 1] - c->begin[i];
        c->cells[i] = c->text + w;
        if (!decode_text(c->decode, c->raw + c->begin[i], len, c->text + w, TEXT_SIZE - w, ret_bad))
            return (int)i;
        w += strlen(c->text + w) + 1;
    }
    return -1;
}

static enum sheet_result csv_next(struct sheet *s, void *state, struct sheet_row *row)
{
    struct csv_file *c = state;
    char why[SHEET_WHY_SIZE];
    size_t bad;
    int i;

    *row = (struct sheet_row){0};
    enum sheet_result r = read_row(s, c, row);
    if (r != SHEET_ROW || row->bad)
        return r;
    *row = (struct sheet_row){.number = s->row};
    if (c->n == 0)
        return SHEET_ROW;
    drop_empty_tail(c, s->n_header);
    if (c->n != s->n_header) {
        snprintf(why, sizeof(why), _("the row has %zu cells, the header %zu"), c->n, s->n_header);
        return broken(s, c, row, -1, c->line, join_raw(c), why);
    }
    if ((i = decode_cells(c, &bad)) >= 0) {
        const char *cell = c->raw + c->begin[i];
        size_t len = c->begin[i + 1] - c->begin[i];
        snprintf(why, sizeof(why), _("byte %zu of the cell (0x%02X) is not %s"), bad + 1,
                 bad < len ? (unsigned char)cell[bad] : 0u, s->encoding);
        return broken(s, c, row, i, cell, len, why);
    }
    row->n = c->n;
    row->cells = c->cells;
    return SHEET_ROW;
}

/* ---------------------------------------------------------------- opening */

/* The candidate that stands most often outside quotes. */
static char sniff(const char *line, size_t n)
{
    static const char marks[] = {',', ';', '\t'};
    size_t count[sizeof(marks)] = {0}, best = 0;
    bool quoted = false;

    for (size_t i = 0; i < n; i++) {
        quoted ^= line[i] == '"';
        for (size_t k = 0; !quoted && k < sizeof(marks); k++)
            count[k] += line[i] == marks[k];
    }
    for (size_t k = 1; k < sizeof(marks); k++)
        if (count[k] > count[best])
            best = k;
    return marks[best];
}

static bool find_separator(struct sheet *s, struct csv_file *c)
{
    size_t n = 0;

    for (int i = 0; i < c->header; i++) {
        if (sheet_read_line(s->file, c->line, &n) == SHEET_LINE_END) {
            sheet_fail(s, _("the file ends before row %d, the header"), c->header);
            return false;
        }
    }
    c->separator = sniff(c->line, n);
    return true;
}

static bool skip_to_header(struct sheet *s, struct csv_file *c)
{
    struct sheet_row row = {0};

    clearerr(s->file);
    fseek(s->file, s->start, SEEK_SET);
    s->row = 0;
    if (!start_parser(c))
        return false;
    while (s->row < c->header) {
        row.bad = NULL;
        enum sheet_result r = read_row(s, c, &row);
        if (r == SHEET_FAILED)
            return false;
        if (r == SHEET_END || (row.bad && s->row == c->header)) {
            sheet_fail(s, _("row %d can't be read as the header: %s"), c->header,
                       row.bad ? row.bad : _("the file ends before it"));
            return false;
        }
    }
    return true;
}

static bool read_header(struct sheet *s, struct csv_file *c)
{
    size_t bad;

    if (!skip_to_header(s, c))
        return false;
    drop_empty_tail(c, 1);
    if (c->n == 0 || c->n > SHEET_MAX_COLUMNS) {
        sheet_fail(s, _("row %d can't be the header: it has %zu cells"), c->header, c->n);
        return false;
    }
    if (decode_cells(c, &bad) >= 0) {
        sheet_fail(s, _("the header is not %s: name the encoding with --encoding"), s->encoding);
        return false;
    }
    for (size_t i = 0; i < c->n; i++)
        if (!sheet_add_column(s, c->cells[i]))
            return false;
    return true;
}

static void csv_close(void *state)
{
    struct csv_file *c = state;

    csv_free(&c->parser);
    decode_close(c->decode);
    free(c);
}

static void *csv_open(struct sheet *s, const struct sheet_options *o)
{
    struct csv_file *c = calloc(1, sizeof(*c));

    if (!c) {
        sheet_fail(s, "%s", strerror(ENOMEM));
        return NULL;
    }
    c->separator = o->separator ? o->separator : ',';
    c->header = o->header > 0 ? o->header : 1;
    if (!(c->decode = decode_open(s->encoding)))
        sheet_fail(s, _("unknown encoding \"%s\", for example utf-8 or gb18030"), s->encoding);
    else if ((o->separator || find_separator(s, c)) && read_header(s, c))
        return c;
    csv_close(c);
    return NULL;
}

static void csv_rewind(struct sheet *s, void *state)
{
    skip_to_header(s, state);
}

const struct sheet_kind sheet_csv = {csv_open, csv_close, csv_next, csv_rewind, true};
