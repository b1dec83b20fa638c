/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of grids share. A kind keeps its own state; grid.c has the rest. */
#ifndef QIPAN_GRID_INTERNAL_H
#define QIPAN_GRID_INTERNAL_H

#include "broken.h"
#include "grid.h"

struct grid_kind {
    /* State, before the first row, or NULL after grid_fail(). May put another file in the place of g->file. A workbook
     * sets merges, hidden columns, sheets and properties here. */
    void *(*open)(struct grid *g, const struct grid_options *options);
    void (*close)(void *state);
    enum grid_result (*next)(struct grid *g, void *state, struct grid_row *ret_row); /* empty rows may come */
    bool (*rewind)(struct grid *g, void *state); /* false after grid_fail() */
    bool (*choose)(struct grid *g, void *state,
                   size_t sheet); /* false after grid_fail(); NULL = there are none */
    const char *(*property)(void *state, const char *name); /* NULL = the kind has none */
    bool disarmed, ragged;
};

struct grid {
    const struct grid_kind *kind;
    void *state;
    FILE *file;
    char encoding[40];
    char separator;                  /* of text */
    const struct grid_merge *merges; /* the kind's */
    size_t n_merges;
    const struct grid_sheet *sheets; /* the kind's */
    size_t n_sheets, chosen;
    bool hidden[GRID_MAX_COLUMNS];
    bool since_1904, failed;
    int rows; /* that held anything so far */
    char why[GRID_WHY_SIZE];
    struct broken broken; /* of the row given last */
};

extern const struct grid_kind grid_text, grid_xlsx;

void grid_fail(struct grid *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
