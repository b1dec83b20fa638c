/* SPDX-License-Identifier: Apache-2.0 */
/* Annotations in a text with separators: its bytes as they are, and a cell more at the end of each row, or the copy could not be read again. */
#include "annotate.h"

#include "csv_write.h"
#include "grid_internal.h"

#include <errno.h>
#include <iconv.h>
#include <libintl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _(text) dgettext("qipan", text)

struct copy {
    const struct annotate *what;
    struct grid *grid;
    FILE *to;
    iconv_t code; /* from UTF-8 */
    size_t width; /* cells of the header, ours not counted */
    size_t next;  /* of the annotations */
    char *row;    /* its bytes */
    size_t room;
};

/* What the file's encoding doesn't have becomes a question mark. */
static void put_encoded(struct copy *c, const char *text)
{
    char *in = (char *)(uintptr_t)text, block[4096];
    size_t left = strlen(text);

    iconv(c->code, NULL, NULL, NULL, NULL);
    while (left > 0) {
        char *out = block;
        size_t room = sizeof block, odd = iconv(c->code, &in, &left, &out, &room);

        fwrite(block, 1, sizeof block - room, c->to);
        if (odd == (size_t)-1 && errno != E2BIG && left > 0) {
            fputc('?', c->to);
            do {
                in++;
                left--;
            } while (left > 0 && ((unsigned char)*in & 0xc0) == 0x80);
        }
    }
}

/* As a cell of a spreadsheet's CSV, on one line. */
static void put_cell(struct copy *c, const char *text)
{
    char *cell = NULL;
    size_t n;
    FILE *memory = open_memstream(&cell, &n);

    if (!memory)
        return;
    csv_write_cell(memory, text, true);
    if (fclose(memory) == 0) {
        for (char *p = cell; (p = strchr(p, '\n'));)
            *p = ' ';
        put_encoded(c, cell);
    }
    free(cell);
}

static size_t line_end(const char *row, size_t n)
{
    size_t k = 0;

    while (k < n && k < 2 && strchr("\r\n", row[n - 1 - k]))
        k++;
    return k == 2 && row[n - 1] != '\n' ? 1 : k;
}

/* Where the last separator stands that is not inside quotes. */
static size_t last_cell(const char *row, size_t n, char separator)
{
    size_t at = n;
    bool quoted = false;

    for (size_t i = 0; i < n; i++) {
        quoted ^= row[i] == '"';
        if (!quoted && row[i] == separator)
            at = i;
    }
    return at;
}

static const char *text_of(struct copy *c, int row)
{
    const struct annotate *w = c->what;

    if (row == w->header_row)
        return w->heading;
    while (c->next < w->n && w->rows[c->next].row < row)
        c->next++;
    return c->next < w->n && w->rows[c->next].row == row ? w->rows[c->next].text : NULL;
}

static void put_row(struct copy *c, const struct grid_row *row, size_t n)
{
    const char *text = text_of(c, row->number);
    size_t end = line_end(c->row, n), body = n - end, cells = row->n;
    bool below = c->what->header_row > 0 && row->number > c->what->header_row;

    if (c->what->column >= 0 && row->n == (size_t)c->what->column + 1 && row->number >= c->what->header_row) {
        body = last_cell(c->row, body, c->what->separator);
        cells--;
    }
    if (row->number == c->what->header_row)
        c->width = cells;
    if (body)
        fwrite(c->row, 1, body, c->to);
    for (; text && cells < c->width && !row->bad; cells++)
        fputc(c->what->separator, c->to);
    if (text || (below && cells == c->width && !row->bad))
        fputc(c->what->separator, c->to);
    if (text)
        put_cell(c, text);
    if (end)
        fwrite(c->row + n - end, 1, end, c->to);
}

static bool read_bytes(struct copy *c, long from, size_t n)
{
    char *more = n > c->room ? realloc(c->row, n) : c->row;

    if (n > c->room && !more)
        return false;
    c->row = more;
    c->room = n > c->room ? n : c->room;
    return n == 0 || pread(fileno(c->grid->file), c->row, n, from) == (ssize_t)n;
}

static bool copy_rows(struct copy *c, char *why)
{
    long from = ftell(c->grid->file), to;
    enum grid_result r = GRID_ROW;
    struct grid_row row;

    if (!read_bytes(c, 0, (size_t)from))
        return false;
    if (from && c->row)
        fwrite(c->row, 1, (size_t)from, c->to);
    while (r == GRID_ROW && (r = grid_next(c->grid, &row)) == GRID_ROW) {
        to = ftell(c->grid->file);
        if (!read_bytes(c, from, (size_t)(to - from)))
            return false;
        put_row(c, &row, (size_t)(to - from));
        from = to;
    }
    if (r == GRID_FAILED)
        snprintf(why, GRID_WHY_SIZE, "%s", grid_why(c->grid));
    return r == GRID_END && !ferror(c->to) && fflush(c->to) == 0;
}

/* UTF-16 is read as UTF-8 and stays that, with the mark that spreadsheets want. */
static void put_mark(FILE *from, FILE *to)
{
    unsigned char mark[2] = {0};

    if (pread(fileno(from), mark, 2, 0) == 2 &&
        ((mark[0] == 0xff && mark[1] == 0xfe) || (mark[0] == 0xfe && mark[1] == 0xff)))
        fputs("\xEF\xBB\xBF", to);
}

bool annotate_text(FILE *from, FILE *to, const struct annotate *what, char why[GRID_WHY_SIZE])
{
    struct grid_options options = {
        .name = "text.csv", .encoding = what->encoding, .separator = what->separator};
    struct copy c = {.what = what, .to = to, .code = (iconv_t)-1};
    int fd = dup(fileno(from));
    FILE *own = fd >= 0 ? fdopen(fd, "r") : NULL;
    bool ok = false;

    why[0] = '\0';
    if (!own && fd >= 0)
        close(fd);
    if (own)
        rewind(own);
    c.grid = own ? grid_open(own, &options, why) : NULL;
    if (c.grid)
        c.code = iconv_open(grid_encoding(c.grid), "UTF-8");
    if (c.code != (iconv_t)-1) {
        put_mark(from, to);
        ok = copy_rows(&c, why);
        iconv_close(c.code);
    }
    if (!ok && !why[0])
        snprintf(why, GRID_WHY_SIZE, "%s", strerror(errno ? errno : ENOMEM));
    grid_close(c.grid);
    free(c.row);
    return ok;
}
