/* SPDX-License-Identifier: Apache-2.0 */
/* Text with separators: libcsv splits the raw bytes, then each cell is decoded by itself. In UTF-8, GB18030 and the like no
 * separator, quote or line end is part of a longer character, so broken bytes cost one cell and are reported with their column. */
#include "decode.h"
#include "grid_internal.h"
#include "lines.h"
#include "utf8.h"

#include <csv.h>
#include <errno.h>
#include <libintl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define _(text) dgettext("qipan", text)

#define TEXT_SIZE   (LINES_MAX * 4 + GRID_MAX_COLUMNS) /* decoding makes cells longer */
#define SNIFF_LINES 100

struct text {
    struct csv_parser parser;
    struct decode *decode,
        *gb18030; /* the second to tell what broken bytes are, opened when there are some */
    struct lines lines;
    char separator;
    int row;    /* read last */
    long start; /* where it begins */
    char line[LINES_MAX + 2];
    char raw[LINES_MAX + GRID_MAX_COLUMNS]; /* cells as they are in the file, one after another */
    size_t raw_n;
    size_t begin[GRID_MAX_COLUMNS + 1]; /* of each cell in raw, and behind the last */
    size_t n;                           /* cells so far, may exceed the maximum: then they are only counted */
    bool done;                          /* the row is whole */
    char text[TEXT_SIZE];
    struct grid_cell cells[GRID_MAX_COLUMNS];
};

static void on_cell(void *bytes, size_t n, void *arg)
{
    struct text *c = arg;

    if (c->n < GRID_MAX_COLUMNS && c->raw_n + n <= sizeof(c->raw)) {
        c->begin[c->n] = c->raw_n;
        memcpy(c->raw + c->raw_n, bytes, n);
        c->raw_n += n;
        c->begin[c->n + 1] = c->raw_n;
    }
    c->n++;
}

static void on_row(int end, void *arg)
{
    struct text *c = arg;

    (void)end;
    c->done = true;
}

static int only_blank(unsigned char b)
{
    return b == ' ';
}

static bool start_parser(struct text *c)
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
static enum grid_result broken(struct grid *g, struct text *c, struct grid_row *row, int column,
                               const char *bytes, size_t n, const char *why)
{
    decode_lossy(c->decode, bytes, n, c->text, TEXT_SIZE);
    broken_set(&g->broken, c->text, strlen(c->text), "%s", why);
    *row = (struct grid_row){
        .number = c->row, .bad = g->broken.why, .bad_text = g->broken.text, .bad_column = column};
    return GRID_ROW;
}

static enum grid_result file_failed(struct grid *g)
{
    grid_fail(g, "%s", strerror(errno));
    return GRID_FAILED;
}

/* Passes over the first line of a row that can't be parsed: the next one may be whole again. */
static enum grid_result give_up(struct grid *g, struct text *c, struct grid_row *row, const char *why)
{
    size_t n;

    start_parser(c);
    clearerr(c->lines.file);
    if (fseek(c->lines.file, c->start, SEEK_SET) != 0)
        return file_failed(g);
    lines_read(&c->lines, c->line, &n);
    while (n && strchr("\r\n", c->line[n - 1]))
        n--;
    return broken(g, c, row, (int)c->n, c->line, n, why);
}

/* ="0012" without quotes around it: what programs write for a spreadsheet that would take 0012 for 12. The mark becomes a blank, which
 * libcsv passes over. *quoted goes on from line to line of a row. */
static void blank_marks(const struct text *c, char *line, size_t n, bool *quoted)
{
    bool begins = !*quoted;

    for (size_t i = 0; i < n; i++) {
        if (begins && line[i] == '=' && i + 1 < n && line[i + 1] == '"')
            line[i] = ' ';
        *quoted ^= line[i] == '"';
        begins = !*quoted && (line[i] == c->separator || (begins && line[i] == ' '));
    }
}

/* Reads lines until a row is whole. */
static enum grid_result read_row(struct grid *g, struct text *c, struct grid_row *row)
{
    size_t total = 0, n;
    bool quoted = false;

    c->start = ftell(c->lines.file);
    c->raw_n = c->n = 0;
    c->done = false;
    c->row++;
    while (!c->done) {
        enum lines_result got = lines_read(&c->lines, c->line, &n);
        if (ferror(c->lines.file))
            return file_failed(g);
        if (got == LINES_END && total == 0)
            return GRID_END;
        total += n;
        if (got == LINES_LONG || total > LINES_MAX)
            return give_up(g, c, row, total > n ? _("a quote is not closed") : _("the row is too long"));
        if (got == LINES_END) {
            if (csv_fini(&c->parser, on_cell, on_row, c) != 0)
                return give_up(g, c, row, _("a quote is not closed"));
            break;
        }
        if (total == n && is_blank_line(c->line, n))
            break; /* as libcsv sees it, no row at all */
        blank_marks(c, c->line, n, &quoted);
        if (csv_parse(&c->parser, c->line, n, on_cell, on_row, c) != n)
            return give_up(g, c, row, _("a quote in the middle of a cell"));
    }
    return GRID_ROW;
}

/* Chinese in UTF-8: two characters of three bytes at least, which text in another encoding doesn't look like. */
static bool is_chinese_utf8(const char *cell, size_t n)
{
    int three = 0;

    for (size_t i = 0; i < n; i++)
        three += ((unsigned char)cell[i] & 0xF0) == 0xE0;
    return three > 1 && utf8_valid((const uint8_t *)cell, n);
}

/* The same in quotes: "=""0012""". */
static void cut_text_mark(const char **cell, size_t *n)
{
    if (*n < 3 || memcmp(*cell, "=\"", 2) != 0 || (*cell)[*n - 1] != '"' || memchr(*cell + 2, '"', *n - 3))
        return;
    *cell += 2;
    *n -= 3;
}

/* Cells as UTF-8; -1, or the first that can't be decoded or is in UTF-8 in a file that isn't (*ret_bad: its first byte). */
static int decode_cells(struct text *c, size_t *ret_bad)
{
    bool utf8 = !strcasecmp(c->lines.encoding, "utf-8");
    size_t w = 0;

    for (size_t i = 0; i < c->n; i++) {
        size_t len = c->begin[i + 1] - c->begin[i];
        const char *cell = c->raw + c->begin[i];
        cut_text_mark(&cell, &len);
        c->cells[i] = (struct grid_cell){c->text + w, len ? GRID_TEXT : GRID_EMPTY};
        if (!decode_text(c->decode, cell, len, c->text + w, TEXT_SIZE - w, ret_bad))
            return (int)i;
        if (!utf8 && is_chinese_utf8(cell, len)) {
            *ret_bad = 0;
            return (int)i;
        }
        w += strlen(c->text + w) + 1;
    }
    return -1;
}

/* ---------------------------------------------------------------- bytes that are not text */

/* The bytes of a cell in the row as it stands in the file, quotes and blanks around it included. */
static const char *find_raw(const struct text *c, size_t n, int cell, size_t *ret_n)
{
    bool quoted = false;
    size_t from = 0;

    *ret_n = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i < n)
            quoted ^= c->line[i] == '"';
        if (i < n && (quoted || c->line[i] != c->separator))
            continue;
        *ret_n = i - from;
        if (cell-- == 0)
            break;
        from = i + 1;
    }
    return c->line + from;
}

/* Offset in the file of the bytes of the cell that can't be decoded, or of its first that isn't ASCII; -1 = of none that people have. The file stands behind the row
 * again. */
static long offset_of(struct text *c, int cell, bool first)
{
    long end = ftell(c->lines.file);
    size_t n = end > c->start ? (size_t)(end - c->start) : 0, len, bad = 0;

    if (c->lines.converted || n > LINES_MAX || fseek(c->lines.file, c->start, SEEK_SET) != 0)
        return -1;
    n = fread(c->line, 1, n, c->lines.file);
    fseek(c->lines.file, end, SEEK_SET);
    const char *raw = find_raw(c, n, cell, &len);
    while (first && bad < len && !((unsigned char)raw[bad] & 0x80))
        bad++;
    if (!first && decode_text(c->decode, raw, len, c->text, TEXT_SIZE, &bad))
        return -1;
    return c->start + (raw - c->line) + (long)bad;
}

/* What the cell may be instead; NULL = nothing that is known. */
static const char *other_encoding(struct text *c, const char *cell, size_t n)
{
    size_t bad;

    if (strcasecmp(c->lines.encoding, "utf-8") != 0)
        return is_chinese_utf8(cell, n) ? "UTF-8" : NULL;
    if (!c->gb18030 && !(c->gb18030 = decode_open("GB18030")))
        return NULL;
    return decode_text(c->gb18030, cell, n, c->text, TEXT_SIZE, &bad) ? "GB18030" : NULL;
}

static enum grid_result not_text(struct grid *g, struct text *c, struct grid_row *row, int cell, size_t bad)
{
    const char *bytes = c->raw + c->begin[cell];
    size_t len = c->begin[cell + 1] - c->begin[cell];
    const char *other = other_encoding(c, bytes, len);
    long at = offset_of(c, cell, other && strcmp(other, "UTF-8") == 0);
    char why[GRID_WHY_SIZE], where[80] = "";

    if (at >= 0)
        snprintf(where, sizeof(where), _(", byte offset %ld of the file,"), at);
    if (other)
        snprintf(why, sizeof(why), _("the cell%s is %s, the file is %s: save it in one encoding"), where,
                 other, g->encoding);
    else if (bad < len && !bytes[bad])
        snprintf(why, sizeof(why), _("byte %zu of the cell%s is NUL, which no text holds"), bad + 1, where);
    else
        snprintf(why, sizeof(why), _("byte %zu of the cell (0x%02X)%s is not %s"), bad + 1,
                 bad < len ? (unsigned char)bytes[bad] : 0u, where, g->encoding);
    return broken(g, c, row, cell, bytes, len, why);
}

static enum grid_result text_next(struct grid *g, void *state, struct grid_row *row)
{
    struct text *c = state;
    char why[GRID_WHY_SIZE];
    size_t bad;
    int i;

    if (c->row == INT_MAX) {
        grid_fail(g, _("the file has more than %d rows"), INT_MAX);
        return GRID_FAILED;
    }
    *row = (struct grid_row){0};
    enum grid_result r = read_row(g, c, row);
    if (r != GRID_ROW || row->bad)
        return r;
    if (c->n > GRID_MAX_COLUMNS) {
        snprintf(why, sizeof(why), _("the row has more than %d cells"), GRID_MAX_COLUMNS);
        return broken(g, c, row, -1, c->raw, c->raw_n, why);
    }
    if ((i = decode_cells(c, &bad)) >= 0)
        return not_text(g, c, row, i, bad);
    *row = (struct grid_row){.number = c->row, .n = c->n, .cells = c->cells};
    return GRID_ROW;
}

/* ---------------------------------------------------------------- opening */

static const char marks[] = {',', ';', '\t', '|'};
#define N_MARKS sizeof(marks)

struct sniff {
    size_t lines[N_MARKS], all[N_MARKS]; /* that it stands in; how often */
    bool quoted;
};

static void sniff_line(struct sniff *s, const char *line, size_t n)
{
    size_t here[N_MARKS] = {0};

    for (size_t i = 0; i < n; i++) {
        s->quoted ^= line[i] == '"';
        for (size_t k = 0; !s->quoted && k < N_MARKS; k++)
            here[k] += line[i] == marks[k];
    }
    for (size_t k = 0; k < N_MARKS; k++) {
        s->lines[k] += here[k] > 0;
        s->all[k] += here[k];
    }
}

/* The mark that stands, outside quotes, in most lines; of several the one that stands there most often. A bar alone in one
 * line is part of a text. */
static char find_separator(struct text *c)
{
    struct sniff s = {.quoted = false};
    size_t n, best = 0;

    for (int i = 0; i < SNIFF_LINES && lines_read(&c->lines, c->line, &n) != LINES_END; i++)
        sniff_line(&s, c->line, n);
    for (size_t k = 1; k < N_MARKS; k++)
        if (s.lines[k] > s.lines[best] || (s.lines[k] == s.lines[best] && s.all[k] > s.all[best]))
            best = k;
    return marks[best] == '|' && s.lines[best] < 2 ? ',' : marks[best];
}

static bool text_rewind(struct grid *g, void *state)
{
    struct text *c = state;

    c->row = 0;
    if (lines_rewind(&c->lines) && start_parser(c))
        return true;
    grid_fail(g, "%s", strerror(errno));
    return false;
}

static void text_close(void *state)
{
    struct text *c = state;

    csv_free(&c->parser);
    decode_close(c->decode);
    decode_close(c->gb18030);
    free(c);
}

static bool open_text(struct grid *g, struct text *c, const struct grid_options *o)
{
    c->lines.file = g->file;
    bool ok = lines_open(&c->lines, o->encoding, g->why, sizeof(g->why));
    g->file = c->lines.file;
    memcpy(g->encoding, c->lines.encoding, sizeof(g->encoding));
    if (!ok)
        return false;
    if (!(c->decode = decode_open(g->encoding))) {
        grid_fail(g, _("unknown encoding \"%s\", for example utf-8 or gb18030"), g->encoding);
        return false;
    }
    g->separator = c->separator = o->separator ? o->separator : find_separator(c);
    return text_rewind(g, c);
}

static void *text_open(struct grid *g, const struct grid_options *o)
{
    struct text *c = calloc(1, sizeof(*c));

    if (!c)
        grid_fail(g, "%s", strerror(ENOMEM));
    else if (open_text(g, c, o))
        return c;
    else
        text_close(c);
    return NULL;
}

const struct grid_kind grid_text = {
    .open = text_open, .close = text_close, .next = text_next, .rewind = text_rewind, .disarmed = true};
