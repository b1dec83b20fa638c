/* SPDX-License-Identifier: Apache-2.0 */
/* Files of rows with named columns, one row at a time: grids (text with separators, workbooks) and JSON Lines.
 *
 * A broken row (wrong number of cells, a quote that isn't closed, bytes that can't be decoded) is a row with a reason;
 * reading goes on behind it. Memory does not grow with the file. */
#ifndef QIPAN_SHEET_H
#define QIPAN_SHEET_H

#include "grid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SHEET_MAX_COLUMNS GRID_MAX_COLUMNS
#define SHEET_MAX_ROWS    GRID_MAX_ROWS
#define SHEET_WHY_SIZE    GRID_WHY_SIZE
#define SHEET_GROUPS      5

struct sheet_options {
    const char *name; /* of the file: .jsonl .ndjson .json are JSON Lines unless its bytes are a workbook's */
    const char *encoding; /* NULL = found out */
    char separator;       /* 0 = found out */
    const char *sheet;    /* of a workbook, as in grid.h */
    int header;           /* first row of the header, from 1; 0 = found out (layout.h) */
    int header_last;      /* of a header of several rows given by hand */
    bool all_rows;        /* below the header every row is data */
};

struct sheet_row {
    int number;                               /* in the file, from 1, the header counted */
    size_t n;                                 /* cells = columns of the header */
    char **cells;                             /* UTF-8 */
    const enum grid_type *types;              /* of the cells; NULL = all of them text */
    const struct grid_format *const *formats; /* as in grid.h; NULL = none */
    const bool *shared;                       /* cells merged over several rows; NULL = none */
    bool disarmed, since_1904;                /* as in grid.h */
    const char *const
        *groups;       /* headings above it: all joined, then each, SHEET_GROUPS in all; NULL = none */
    const char *title; /* of the sheet; NULL = none */
    const char *skip;  /* no data, and why; NULL = data */
    const char *unit;  /* of money, that such a row names and the title doesn't; "" or NULL = none */
    /* a broken row has a reason instead of cells */
    const char *bad;      /* in the caller's language, NULL = not broken */
    const char *bad_text; /* the cell or the beginning of the row, never NULL with a reason */
    int bad_column;       /* from 0, -1 = the row as a whole */
};

enum sheet_result { SHEET_ROW, SHEET_END, SHEET_FAILED };

struct sheet;

/* Takes the file over (it is closed by sheet_close, and on failure). NULL with a sentence in why.
 * The header is read at once. */
struct sheet *sheet_open(FILE *file, const struct sheet_options *options, char why[SHEET_WHY_SIZE]);
void sheet_close(struct sheet *s); /* NULL-safe */

const char *sheet_encoding(const struct sheet *s);
char *const *sheet_header(const struct sheet *s, size_t *ret_n);
bool sheet_disarmed(const struct sheet *s); /* see grid_disarmed() */

/* What lies below, for its sheets, properties and date system; NULL for JSON Lines. */
const struct grid *sheet_grid(const struct sheet *s);
int sheet_header_row(const struct sheet *s); /* the last of the header; 0 for JSON Lines */
int sheet_column(const struct sheet *s,
                 size_t index); /* of the file, from 0, that a column of the header is */

/* What bare amounts and areas are in, as the sheet's title says: 万元, 亩; NULL when it doesn't. */
const char *sheet_unit(const struct sheet *s);
const char *sheet_area_unit(const struct sheet *s);

/* Two tables side by side: a sentence that says so; NULL when it is one. Which columns count is for a mapping file to say. */
const char *sheet_doubt(const struct sheet *s);

/* Of a workbook whose first sheet is no table (instructions): reads the first that is, instead, with a note. False = there is none, or
 * one was named; false without a header: it failed, or several are, sheet_why(). */
bool sheet_pass_over(struct sheet *s);

/* What people should know of how the file was understood, in the caller's language; complete after the last row. */
const char *const *sheet_notes(const struct sheet *s, size_t *ret_n);

/* The next row that holds anything; valid until the next call. SHEET_FAILED: *why of sheet_why(). */
enum sheet_result sheet_next(struct sheet *s, struct sheet_row *ret_row);
const char *sheet_why(const struct sheet *s);

/* Before the first row again. */
void sheet_rewind(struct sheet *s);

#endif
