/* SPDX-License-Identifier: Apache-2.0 */
/* Rows below the header: which are data, and what the others are: headings of groups (一、工业项目), sums, the header once
 * more, remarks. Merged cells give their text to each row they reach. */
#ifndef QIPAN_BODY_H
#define QIPAN_BODY_H

#include "layout.h"

#define BODY_LEVELS 4 /* of headings inside each other */
#define BODY_TEXT   200

struct body {
    const struct layout *layout;
    const struct grid_merge *merges; /* the grid's; those of several rows count */
    size_t n_merges, next_merge;
    struct held {
        char *text; /* NULL = none */
        enum grid_type type;
        int until; /* last row */
    } held[GRID_MAX_COLUMNS];
    struct grid_cell cells[GRID_MAX_COLUMNS]; /* of the row, merges filled in */
    bool shared[GRID_MAX_COLUMNS];            /* by several rows: merged */
    size_t n;
    char levels[BODY_LEVELS][BODY_TEXT]; /* headings that count, outermost first */
    char joined[BODY_LEVELS * (BODY_TEXT + 3)];
    const char *groups[BODY_LEVELS + 1]; /* all joined, then each from the outermost; "" = none */
    bool some;                           /* rows of data have come */
    int another; /* the row in which another table begins, below this one; 0 = none has */
    char
        unit[FORM_UNIT]; /* of money, that the row names outside the table and the title doesn't; "" = none */
    char why[BODY_TEXT + 100];
    bool failed; /* no memory */
};

void body_start(struct body *b, const struct layout *l, const struct grid *g);
void body_stop(struct body *b);

/* Takes the next row of the grid into b->cells. NULL = it is data, else what it is, in the caller's language. Rows of another table
 * are neither: b->another. */
const char *body_take(struct body *b, const struct grid_row *row);

#endif
