/* SPDX-License-Identifier: Apache-2.0 */
#include "scan.h"

#include "form.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY (64 * 1024 * 1024)

static const struct scan_cell nothing = {.text = "", .key = "", .across = 1, .down = 1};

/* On one line, blanks at the ends and in rows gone, cut at a whole character. */
static char *one_line(struct arena *a, const char *text)
{
    size_t n = strlen(text), w = 0;
    char *out;

    if (n > SCAN_TEXT)
        for (n = SCAN_TEXT; n > 0 && ((uint8_t)text[n] & 0xC0) == 0x80;)
            n--;
    if (!(out = arena_alloc(a, n + 1)))
        return NULL;
    for (size_t i = 0; i < n; i++) {
        bool blank = strchr(" \t\r\n", text[i]) != NULL;
        if (!blank)
            out[w++] = text[i];
        else if (w && out[w - 1] != ' ')
            out[w++] = ' ';
    }
    out[w - (w && out[w - 1] == ' ')] = 0;
    return out;
}

static bool take_cell(struct arena *a, const char *text, struct scan_cell *ret)
{
    char key[FORM_KEY];

    *ret = nothing;
    if (!(ret->text = one_line(a, text)))
        return false;
    form_key(ret->text, key, sizeof(key));
    return (ret->key = arena_strdup(a, key)) != NULL;
}

static bool take_row(struct scan *s, const struct grid_row *from)
{
    struct scan_row *row = &s->rows[s->n++];

    *row = (struct scan_row){.number = from->number, .n = from->n};
    if (from->bad)
        return (row->bad = arena_strdup(&s->arena, from->bad)) != NULL;
    if (!(row->cells = arena_alloc(&s->arena, GRID_MAX_COLUMNS * sizeof(*row->cells))))
        return false;
    for (size_t i = 0; i < GRID_MAX_COLUMNS; i++) {
        row->cells[i] = nothing;
        if (i < from->n && !take_cell(&s->arena, from->cells[i].text, &row->cells[i]))
            return false;
        if (row->cells[i].key[0]) {
            row->filled++;
            s->width = i + 1 > s->width ? i + 1 : s->width;
        }
    }
    return true;
}

static struct scan_row *find_row(struct scan *s, int number)
{
    for (int i = 0; i < s->n; i++)
        if (s->rows[i].number == number && !s->rows[i].bad)
            return &s->rows[i];
    return NULL;
}

/* The text of a merge in each of its cells. */
static void lay_out(struct scan *s, const struct grid_merge *m)
{
    struct scan_row *top = find_row(s, m->row);

    if (!top || m->column < 0 || m->column + m->n_columns > GRID_MAX_COLUMNS)
        return;
    struct scan_cell cell = top->cells[m->column];
    cell.across = m->n_columns;
    cell.down = m->n_rows;
    for (struct scan_row *row = top; row < s->rows + s->n && row->number - m->row < m->n_rows; row++) {
        for (int c = m->column; !row->bad && c < m->column + m->n_columns; c++) {
            bool own = row == top && c == m->column;
            cell.place = own ? SCAN_OWN : row == top ? SCAN_ACROSS : SCAN_DOWN;
            row->filled -= !own && row->cells[c].key[0];
            row->cells[c] = cell;
        }
    }
}

bool scan_read(struct scan *s, struct grid *g, int from, char why[GRID_WHY_SIZE])
{
    enum grid_result r = GRID_ROW;
    struct grid_row row;
    size_t n;

    *s = (struct scan){.n = 0};
    arena_init(&s->arena, MEMORY);
    grid_rewind(g);
    while (s->n < SCAN_ROWS && (r = grid_next(g, &row)) == GRID_ROW) {
        if (row.number >= from && !take_row(s, &row)) {
            snprintf(why, GRID_WHY_SIZE, "%s", strerror(ENOMEM));
            return false;
        }
    }
    if (r == GRID_FAILED) {
        snprintf(why, GRID_WHY_SIZE, "%s", grid_why(g));
        return false;
    }
    const struct grid_merge *m = grid_merges(g, &n);
    for (size_t i = 0; s->n && i < n && m[i].row <= s->rows[s->n - 1].number; i++)
        lay_out(s, &m[i]);
    return true;
}

void scan_free(struct scan *s)
{
    arena_free(&s->arena);
}
