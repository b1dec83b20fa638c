/* SPDX-License-Identifier: Apache-2.0 */
/* A workbook read twice: the same rows, in order, of valid texts, and what is said about them holds. */
#ifndef QIPAN_FUZZ_GRID_H
#define QIPAN_FUZZ_GRID_H

#include "fuzz.h"
#include "grid.h"
#include "utf8.h"

#include <string.h>

#define FUZZ_MAX_ROWS 2000

static inline uint64_t fuzz_mix(uint64_t h, const char *text)
{
    size_t n = strlen(text);

    MUST(utf8_valid((const uint8_t *)text, n));
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)text[i]) * 1099511628211u;
    return h;
}

static inline uint64_t fuzz_row(uint64_t h, const struct grid_row *row)
{
    if (row->bad)
        return fuzz_mix(fuzz_mix(h, row->bad), row->bad_text);
    MUST(row->n > 0 && row->n <= GRID_MAX_COLUMNS && row->cells[row->n - 1].type != GRID_EMPTY);
    for (size_t i = 0; i < row->n; i++) {
        const struct grid_cell *c = &row->cells[i];
        MUST((c->type == GRID_EMPTY) == (c->text[0] == 0));
        MUST(c->type <= GRID_NO_VALUE);
        h = fuzz_mix(h + c->type, c->text);
    }
    return h;
}

static inline uint64_t fuzz_rows(struct grid *g)
{
    uint64_t h = 1469598103934665603u;
    struct grid_row row;
    int before = 0;

    for (int i = 0; i < FUZZ_MAX_ROWS && grid_next(g, &row) == GRID_ROW; i++) {
        MUST(row.number > before);
        before = row.number;
        h = fuzz_row(h * 31 + (uint64_t)row.number, &row);
    }
    return fuzz_mix(h, grid_why(g));
}

static inline void fuzz_merges(const struct grid *g)
{
    size_t n;
    const struct grid_merge *m = grid_merges(g, &n);

    for (size_t i = 0; i < n; i++) {
        MUST(m[i].n_rows > 0 && m[i].n_columns > 0 && m[i].row > 0 && m[i].column >= 0);
        MUST(!i || m[i].row > m[i - 1].row || (m[i].row == m[i - 1].row && m[i].column >= m[i - 1].column));
    }
}

/* Takes the file. No converter is ever found. */
static inline void fuzz_grid(FILE *file)
{
    char why[GRID_WHY_SIZE] = "";
    size_t sheets;

    setenv("PATH", "/nonexistent", 1);
    struct grid *g = grid_open(file, &(struct grid_options){.name = "a.xlsx"}, why);
    if (!g) {
        MUST(why[0]);
        return;
    }
    grid_sheets(g, &sheets);
    MUST(!sheets || grid_sheet_chosen(g) < sheets);
    fuzz_merges(g);
    grid_property(g, "qipan.kind");
    uint64_t once = fuzz_rows(g);
    grid_rewind(g);
    MUST(fuzz_rows(g) == once);
    grid_close(g);
}

#endif
