/* SPDX-License-Identifier: Apache-2.0 */
/* A grid as a sheet. */
#include "sheet_internal.h"

#include <errno.h>
#include <libintl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

struct grid_sheet_state {
    struct grid *grid;
    int header;
    char *cells[SHEET_MAX_COLUMNS];
    enum grid_type types[SHEET_MAX_COLUMNS];
};

static char empty[] = "";

static void shown(char *out, size_t cap, const struct grid_row *row)
{
    size_t n = 0;

    out[0] = 0;
    for (size_t i = 0; i < row->n && n + 1 < cap; i++)
        n += (size_t)snprintf(out + n, cap - n, "%s%s", i ? "," : "", row->cells[i].text);
}

static enum sheet_result broken(struct sheet *s, const struct grid_row *from, struct sheet_row *row)
{
    broken_set(&s->broken, from->bad_text, strlen(from->bad_text), "%s", from->bad);
    return sheet_broken(s, row, from->bad_column < (int)s->n_header ? from->bad_column : -1);
}

/* Cells behind the last column; those that are empty are what spreadsheets leave there. */
static size_t filled(const struct sheet *s, const struct grid_row *row)
{
    size_t n = row->n;

    while (n > s->n_header && !row->cells[n - 1].text[0])
        n--;
    return n;
}

static enum sheet_result next_row(struct sheet *s, void *state, struct sheet_row *row)
{
    struct grid_sheet_state *c = state;
    struct grid_row from;
    enum grid_result r = grid_next(c->grid, &from);
    char text[sizeof(s->broken.text) * 2];

    if (r != GRID_ROW) {
        sheet_fail(s, "%s", grid_why(c->grid));
        return r == GRID_END ? SHEET_END : SHEET_FAILED;
    }
    s->row = from.number;
    if (from.bad)
        return broken(s, &from, row);
    size_t n = filled(s, &from);
    if (n > s->n_header || (n < s->n_header && !grid_ragged(c->grid))) {
        shown(text, sizeof(text), &from);
        broken_set(&s->broken, text, strlen(text), _("the row has %zu cells, the header %zu"), n,
                   s->n_header);
        return sheet_broken(s, row, -1);
    }
    for (size_t i = 0; i < s->n_header; i++) {
        c->cells[i] = i < n ? (char *)(uintptr_t)from.cells[i].text : empty;
        c->types[i] = i < n ? from.cells[i].type : GRID_EMPTY;
    }
    *row = (struct sheet_row){.number = from.number,
                              .n = s->n_header,
                              .cells = c->cells,
                              .types = c->types,
                              .group = "",
                              .title = ""};
    return SHEET_ROW;
}

static bool skip_to_header(struct sheet *s, struct grid_sheet_state *c, struct grid_row *row)
{
    enum grid_result r;

    grid_rewind(c->grid);
    while ((r = grid_next(c->grid, row)) == GRID_ROW && row->number < c->header)
        continue;
    if (r == GRID_ROW && row->number == c->header && !row->bad)
        return true;
    if (r == GRID_FAILED)
        sheet_fail(s, "%s", grid_why(c->grid));
    else if (r == GRID_ROW && row->number == c->header)
        sheet_fail(s,
                   _("row %d can't be read as the header: %s (if the encoding %s is wrong, name it with "
                     "--encoding)"),
                   c->header, row->bad, s->encoding);
    else
        sheet_fail(s, _("row %d can't be the header: it is empty"), c->header);
    return false;
}

static bool read_header(struct sheet *s, struct grid_sheet_state *c)
{
    struct grid_row row;

    if (!skip_to_header(s, c, &row))
        return false;
    while (row.n > 1 && !row.cells[row.n - 1].text[0])
        row.n--;
    for (size_t i = 0; i < row.n; i++)
        if (!sheet_add_column(s, row.cells[i].text, (int)i))
            return false;
    s->header_row = c->header;
    return true;
}

static void close_grid(void *state)
{
    struct grid_sheet_state *c = state;

    grid_close(c->grid);
    free(c);
}

static void *open_grid(struct sheet *s, FILE *file, const struct sheet_options *o)
{
    struct grid_sheet_state *c = calloc(1, sizeof(*c));
    struct grid_options go = {o->name, o->encoding, o->separator, o->sheet};

    if (!c) {
        fclose(file);
        sheet_fail(s, "%s", strerror(ENOMEM));
        return NULL;
    }
    c->header = o->header > 0 ? o->header : 1;
    if ((c->grid = grid_open(file, &go, s->why))) {
        snprintf(s->encoding, sizeof(s->encoding), "%s", grid_encoding(c->grid));
        if (read_header(s, c))
            return c;
    }
    close_grid(c);
    return NULL;
}

static void rewind_grid(struct sheet *s, void *state)
{
    struct grid_row row;

    skip_to_header(s, state, &row);
}

static const struct grid *grid_of(const void *state)
{
    const struct grid_sheet_state *c = state;

    return c->grid;
}

const struct sheet_kind sheet_of_grid = {open_grid, close_grid, next_row, rewind_grid, grid_of};
