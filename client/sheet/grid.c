/* SPDX-License-Identifier: Apache-2.0 */
#include "grid.h"

#include "grid_internal.h"

#include <errno.h>
#include <libintl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define _(text)  dgettext("qipan", text)
#define N_(text) text

void grid_fail(struct grid *g, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(g->why, sizeof(g->why), format, ap);
    va_end(ap);
    g->failed = true;
}

/* Many programs export a web page, or XML, under the name of a workbook. */
static bool is_markup(const char *head, size_t n)
{
    static const char *const begins[] = {"<html", "<!doctype", "<?xml", "<table", "<meta", "mime-version:"};
    size_t i = n >= 3 && !memcmp(head, "\xEF\xBB\xBF", 3) ? 3 : 0;

    while (i < n && strchr(" \t\r\n", head[i]))
        i++;
    for (size_t k = 0; k < sizeof(begins) / sizeof(begins[0]); k++)
        if (!strncasecmp(head + i, begins[k], strlen(begins[k])))
            return true;
    return false;
}

bool grid_is_workbook(const char *head)
{
    return !memcmp(head, "PK\3\4", 4) || !memcmp(head, "PK\5\6", 4) || !memcmp(head, "\xD0\xCF\x11\xE0", 4);
}

enum other { PICTURE, PAPER, DOCUMENT, PACKED, N_OTHERS };

/* What else people send, under whatever name; N_OTHERS = none of it. */
static enum other other_kind(const char *head)
{
    static const struct {
        enum other kind;
        unsigned char at, n;
        const char *bytes;
    } heads[] = {
        {PICTURE, 0, 4, "\x89PNG"},
        {PICTURE, 0, 3, "\xFF\xD8\xFF"},
        {PICTURE, 0, 4, "GIF8"},
        {PICTURE, 0, 4, "II*\0"},
        {PICTURE, 0, 4, "MM\0*"},
        {PICTURE, 8, 4, "WEBP"},
        {PICTURE, 4, 4, "ftyp"},
        {PAPER, 0, 4, "%PDF"},
        {DOCUMENT, 0, 5, "{\\rtf"},
        {PACKED, 0, 4, "Rar!"},
        {PACKED, 0, 4, "7z\xBC\xAF"},
        {PACKED, 0, 2, "\x1F\x8B"},
        {PACKED, 0, 4,
         "\xFD"
         "7zX"},
    };

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        if (!memcmp(head + heads[i].at, heads[i].bytes, heads[i].n))
            return heads[i].kind;
    return !memcmp(head, "BM", 2) && !memcmp(head + 6, "\0\0\0\0", 4) ? PICTURE : N_OTHERS;
}

static const char *const others[N_OTHERS] = {
    N_("this is a picture, not a sheet: ask for the sheet it was taken of (.xlsx or .csv)"),
    N_("this is a PDF, not a sheet: ask for the sheet it was printed from (.xlsx or .csv)"),
    N_("this is a text document, not a workbook: copy its table into one"),
    N_("this is an archive, but no workbook: unpack it and send the sheet itself"),
};

/* By the first bytes, never by the name. */
static const struct grid_kind *kind_of(struct grid *g)
{
    enum other other;
    char head[64] = "";
    size_t n = fread(head, 1, sizeof(head) - 1, g->file);

    rewind(g->file);
    if (ferror(g->file))
        grid_fail(g, "%s", strerror(errno));
    else if (n == 0)
        grid_fail(g, "%s", _("the file is empty"));
    else if (grid_is_workbook(head))
        return &grid_xlsx;
    else if ((other = other_kind(head)) != N_OTHERS)
        grid_fail(g, "%s", _(others[other]));
    else if (is_markup(head, n))
        grid_fail(g, "%s",
                  _("this is a web page or XML, not a sheet: open it in a spreadsheet program and save it as "
                    ".xlsx"));
    else
        return &grid_text;
    return NULL;
}

struct grid *grid_open(FILE *file, const struct grid_options *options, char why[GRID_WHY_SIZE])
{
    struct grid *g = calloc(1, sizeof(*g));

    if (!g) {
        fclose(file);
        snprintf(why, GRID_WHY_SIZE, "%s", strerror(ENOMEM));
        return NULL;
    }
    g->file = file;
    if ((g->kind = kind_of(g)) && (g->state = g->kind->open(g, options)))
        return g;
    memcpy(why, g->why, GRID_WHY_SIZE);
    grid_close(g);
    return NULL;
}

void grid_close(struct grid *g)
{
    if (!g)
        return;
    if (g->kind && g->state)
        g->kind->close(g->state);
    fclose(g->file);
    free(g);
}

static bool is_empty(const struct grid_row *row)
{
    for (size_t i = 0; i < row->n; i++)
        if (row->cells[i].text[0])
            return false;
    return !row->bad;
}

enum grid_result grid_next(struct grid *g, struct grid_row *ret_row)
{
    enum grid_result r;

    if (g->failed)
        return GRID_FAILED;
    do
        r = g->kind->next(g, g->state, ret_row);
    while (r == GRID_ROW && is_empty(ret_row));
    if (r == GRID_ROW && ++g->rows > GRID_MAX_ROWS) {
        grid_fail(g, _("the file has more than %d rows"), GRID_MAX_ROWS);
        return GRID_FAILED;
    }
    return r;
}

const char *grid_why(const struct grid *g)
{
    return g->why;
}

void grid_rewind(struct grid *g)
{
    g->rows = 0;
    g->failed = false;
    if (!g->kind->rewind(g, g->state))
        g->failed = true;
}

char grid_separator(const struct grid *g)
{
    return g->separator;
}

const char *grid_encoding(const struct grid *g)
{
    return g->encoding;
}

bool grid_disarmed(const struct grid *g)
{
    return g->kind->disarmed;
}

bool grid_since_1904(const struct grid *g)
{
    return g->since_1904;
}

bool grid_ragged(const struct grid *g)
{
    return g->kind->ragged;
}

const char *grid_property(const struct grid *g, const char *name)
{
    return g->kind->property ? g->kind->property(g->state, name) : NULL;
}

const struct grid_merge *grid_merges(const struct grid *g, size_t *ret_n)
{
    *ret_n = g->n_merges;
    return g->merges;
}

bool grid_column_hidden(const struct grid *g, size_t column)
{
    return column < GRID_MAX_COLUMNS && g->hidden[column];
}

const struct grid_sheet *grid_sheets(const struct grid *g, size_t *ret_n)
{
    *ret_n = g->n_sheets;
    return g->sheets;
}

bool grid_choose(struct grid *g, size_t sheet)
{
    g->rows = 0;
    g->failed = false;
    if (g->kind->choose && sheet < g->n_sheets && g->kind->choose(g, g->state, sheet))
        return true;
    g->failed = true;
    return false;
}

size_t grid_sheet_chosen(const struct grid *g)
{
    return g->chosen;
}
