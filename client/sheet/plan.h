/* SPDX-License-Identifier: Apache-2.0 */
/* An office's own layout of a list, as a file says: titles, columns with headings of their own, groups with sums, lists inside a
 * cell. The grammar is in deploy/examples/README.md. Names of fields and kinds are not judged here. */
#ifndef QIPAN_PLAN_H
#define QIPAN_PLAN_H

#include "table_write.h"

#include <stdbool.h>
#include <stddef.h>

#define PLAN_MAX_TITLES 4
#define PLAN_MAX_PARTS  8
#define PLAN_WHY_SIZE   512 /* MAPPING_WHY_SIZE */

struct plan_part {
    const char *literal; /* or: */
    const char *field;
};

struct plan_column {
    const char *heading[TABLE_LEVELS]; /* as in table_column */
    bool number;                       /* 1, 2, 3 … */
    const char *kind; /* of the records listed in the cell, a line each; NULL = the row's own fields */
    struct plan_part parts[PLAN_MAX_PARTS];
    size_t n_parts;   /* 0: an empty column, to be filled in by hand */
    const char *unit; /* of amounts; NULL = the plan's */
    int width;        /* 0 = by the field */
    int last;         /* so many records at most, the newest; 0 = all */
    bool sum;
    int line; /* of the file, from 1 */
};

struct plan {
    const char *path;                                /* of the file, where its reader says so */
    const char *kind, *unit, *filter, *sort, *group; /* NULL but unit: not said */
    const char *titles[PLAN_MAX_TITLES];
    size_t n_titles;
    bool total; /* a last row with the sums of all */
    struct plan_column columns[TABLE_MAX_COLUMNS];
    size_t n_columns;
};

/* NULL with a sentence in why that names the line. */
struct plan *plan_read(const char *text, size_t n, char why[PLAN_WHY_SIZE]);
void plan_free(struct plan *p); /* NULL-safe */

#endif
