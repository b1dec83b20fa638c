/* SPDX-License-Identifier: Apache-2.0 */
/* A file as rows of cells, before anybody knows which row is what: text with separators, or one sheet of a workbook.
 *
 * Floor below sheet.h. Memory does not grow with the file, except for the workbook's shared texts, which are bounded. */
#ifndef QIPAN_GRID_H
#define QIPAN_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define GRID_MAX_COLUMNS 512
#define GRID_MAX_ROWS    2000000 /* rows that hold anything */
#define GRID_WHY_SIZE    320

enum grid_type {
    GRID_EMPTY, /* the text is "" */
    GRID_TEXT,
    GRID_NUMBER, /* a workbook's number, exact to the 15 digits it has: 2022.1, 350000000, 0.05 */
    GRID_DATE, /* a number shown as a date, in either date system: 2023-01-05, 2023-01-05 08:30:00, 08:30:00; 2022-04
                   * where only the month is shown; 1900-01-00 and 1900-02-29, as Excel has them */
    GRID_BOOL,    /* true, false */
    GRID_ERROR,   /* #REF!, #N/A … */
    GRID_NO_VALUE /* a formula that no program has computed yet; the text is the formula */
};

/* How a number is shown, where that is more than its digits. */
struct grid_format {
    char currency[4];  /* ISO 4217: $#,##0; "" = not said */
    char unit[16];     /* what stands behind the digits: 0.0,,"百万"; "" = nothing */
    signed char scale; /* what is shown is the number divided by 10^scale: 6; negative = multiplied */
    bool percent;
    unsigned char
        zeros; /* digits it is shown with at least, zeros in front: 0000 shows 12 as 0012; 0 = not said */
};

struct grid_cell {
    const char *text; /* UTF-8, never NULL */
    enum grid_type type;
};

struct grid_row {
    int number; /* in the file, from 1; rows without any cell may be left out */
    bool hidden;
    size_t n; /* cells up to the last one that holds anything; of text as many as the row has */
    const struct grid_cell *cells;
    const struct grid_format *const
        *formats; /* of the cells; each NULL = nothing to be said; NULL = of all */
    /* a broken row (an open quote, bytes that can't be decoded) has a reason instead of cells */
    const char *bad;      /* in the caller's language, NULL = not broken */
    const char *bad_text; /* the cell or the beginning of the row, never NULL with a reason */
    int bad_column;       /* from 0, -1 = the row as a whole */
};

/* Cells shown as one: its text stands in the first. */
struct grid_merge {
    int row, n_rows;       /* row as in grid_row.number */
    int column, n_columns; /* from 0 */
};

struct grid_sheet {
    const char *name;
    bool hidden;
};

struct grid_options {
    const char *name;     /* of the file, for its ending */
    const char *encoding; /* of text; NULL = found out */
    char separator;       /* of text; 0 = found out: , ; TAB or | */
    const char *
        sheet; /* of a workbook: name, or number from 1; NULL = the first that isn't hidden and isn't empty */
};

enum grid_result { GRID_ROW, GRID_END, GRID_FAILED };

struct grid;

/* Do the first bytes of a file (some 8) say that it is a workbook, new or old? */
bool grid_is_workbook(const char *head);

/* Takes the file over (closed by grid_close, and on failure). NULL with a sentence in why: what is wrong, and what to do. */
struct grid *grid_open(FILE *file, const struct grid_options *options, char why[GRID_WHY_SIZE]);
void grid_close(struct grid *g); /* NULL-safe */

/* The next row that holds anything, in the order of the file, valid until the next call. GRID_FAILED: grid_why(). */
enum grid_result grid_next(struct grid *g, struct grid_row *ret_row);
const char *grid_why(const struct grid *g);
void grid_rewind(struct grid *g); /* before the first row again; a failure is told by the next grid_next() */

const char *grid_encoding(const struct grid *g); /* "UTF-8", "GB18030" …, "xlsx" for workbooks */
char grid_separator(const struct grid *g);       /* of text; 0 for workbooks */
bool grid_disarmed(
    const struct grid *g); /* CSV: a leading ' before = + - @ or 9.13E+17 was put there for spreadsheets */

bool grid_since_1904(const struct grid *g); /* of a workbook: its day 0 is 1904-01-01 */
bool grid_ragged(
    const struct grid *g); /* of a workbook: rows end at their last cell, a short one is no fault */

/* What a workbook says about itself under a name (a defined name such as "qipan.kind"); NULL when it says nothing. */
const char *grid_property(const struct grid *g, const char *name);

/* Of a workbook, known before its first row; none for text. In the order of row, then column. */
const struct grid_merge *grid_merges(const struct grid *g, size_t *ret_n);
bool grid_column_hidden(const struct grid *g, size_t column);
const struct grid_sheet *grid_sheets(const struct grid *g, size_t *ret_n);
size_t grid_sheet_chosen(const struct grid *g); /* index in grid_sheets() */
/* Another one, before its first row; false: grid_why(). What was told of the one before is void. */
bool grid_choose(struct grid *g, size_t sheet);

#endif
