/* SPDX-License-Identifier: Apache-2.0 */
/* Where in a grid the table is: its title, the rows of its header, the first row behind.
 *
 * Header: of the first rows that one is taken which looks most like a header, by words that are known to stand above columns and
 * by the form of its cells; the rows above and below that divide its columns belong to it. Every rule is a function of layout.c. */
#ifndef QIPAN_LAYOUT_H
#define QIPAN_LAYOUT_H

#include "form.h"
#include "grid.h"

#include <stdbool.h>
#include <stddef.h>

#define LAYOUT_LEVELS    6 /* rows of one header */
#define LAYOUT_SEPARATOR " / "

struct layout_column {
    char
        *name; /* its levels, joined by LAYOUT_SEPARATOR, "(万元)" behind it from a row of units; "" = none */
    char **keys; /* of each row of the header, form_key(): to know it when it comes again */
};

struct layout {
    int first, last; /* rows of the header */
    int data;        /* rows before this one belong to the header: units */
    int body;        /* rows before this one are about the columns: 1 2 3 …, 必填 */
    int n_levels;
    size_t width; /* columns up to the last that has a name */
    struct layout_column columns[GRID_MAX_COLUMNS];
    int ordinal, id; /* columns 序号 and id; -1 = none */
    int known;       /* cells of the header with words that are known above columns */
    size_t beside;   /* from this column on another table stands beside it; 0 = none */
    int usual_texts; /* each of the first numbered rows has so many texts beside figures; 0 = unknown */
    char *title;     /* "" = none */
    char unit[FORM_UNIT], area_unit[FORM_UNIT]; /* that the title gives: 单位:万元; "" = none */
};

/* `header` > 0: the header is that row, up to `header_last` if that is greater; 0 = found. False with a sentence in why.
 * The grid stands somewhere behind. */
bool layout_find(struct layout *l, struct grid *g, int header, int header_last, char why[GRID_WHY_SIZE]);
void layout_free(struct layout *l); /* and once more, if need be */

/* Is the key a word known to stand above columns, whatever unit or remark stands behind it? */
bool layout_is_header(const char *key);

#endif
