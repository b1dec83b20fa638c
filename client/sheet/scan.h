/* SPDX-License-Identifier: Apache-2.0 */
/* The first rows of a grid, kept for finding the header: texts with merges laid out. */
#ifndef QIPAN_SCAN_H
#define QIPAN_SCAN_H

#include "arena.h"
#include "grid.h"

#define SCAN_ROWS 30  /* that hold anything */
#define SCAN_TEXT 600 /* bytes of a cell that are looked at */

enum scan_place {
    SCAN_OWN,    /* the text stands here */
    SCAN_ACROSS, /* it stands to the left, in the cell this one is merged with */
    SCAN_DOWN    /* it stands above */
};

struct scan_cell {
    const char *text, *key; /* on one line; as in form.h; "" = empty */
    enum scan_place place;
    int across, down; /* cells that its merge takes, 1 = only itself; of the place where the text stands */
};

struct scan_row {
    int number;
    char *bad; /* why the row can't be read, NULL = it can */
    size_t n;
    struct scan_cell *cells; /* scan.width of them */
    int filled;              /* cells whose text stands here */
};

struct scan {
    struct arena arena;
    struct scan_row rows[SCAN_ROWS];
    int n;
    size_t width;
};

/* From the row `from` on; leaves the grid somewhere behind. False with a sentence in why. */
bool scan_read(struct scan *s, struct grid *g, int from, char why[GRID_WHY_SIZE]);
void scan_free(struct scan *s);

#endif
