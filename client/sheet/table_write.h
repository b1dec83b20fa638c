/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people and their spreadsheets, row by row: CSV, text with tabs, or a workbook. Memory does not grow with the
 * rows; a workbook's are kept in a file of $TMPDIR until it is closed. */
#ifndef QIPAN_TABLE_WRITE_H
#define QIPAN_TABLE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum table_kind { TABLE_CSV, TABLE_TSV, TABLE_XLSX };

/* What a workbook makes of a cell's text; text files take it as it is. */
enum table_type {
    TABLE_TEXT,
    TABLE_NUMBER, /* -12.50; a number only while it is exact, otherwise text */
    TABLE_DATE,   /* 2026-05-01; what is less exact (2026-05) stays text */
    TABLE_TIME,   /* 2026-05-01 08:30 */
};

enum table_row_kind {
    TABLE_DATA,
    TABLE_GROUP, /* a heading inside: the first cell that has text, over all columns */
    TABLE_SUM,
    TABLE_EXAMPLE, /* shown as no data */
};

#define TABLE_LEVELS      3 /* of headings */
#define TABLE_MAX_COLUMNS 128
#define TABLE_SAID        240     /* bytes that an import can be told under a name */
#define TABLE_MAX_ROWS    1048576 /* of a sheet of a workbook, headings counted */

struct table_column {
    const char *
        heading[TABLE_LEVELS]; /* the lowest first, NULL above the last; equal ones side by side become one */
    enum table_type type;
    int decimals; /* of numbers, at least; negative: as they come, without marks between thousands */
    double width; /* of a workbook, in characters; 0 = by the type */
    bool hidden;  /* of a workbook; text files show it */

    /* of a workbook that people fill in; all may be left out */
    const char *note;           /* shown at the heading */
    bool required;              /* its heading is red */
    bool checked;               /* what is no day, no number from 0 on, is asked about */
    const char *const *choices; /* offered */
    size_t n_choices;
    bool closed; /* nothing else is taken */
};

/* Everything it points to lives as long as the table. */
struct table_layout {
    const struct table_column *columns;
    size_t n_columns;
    const char *const *titles; /* over all columns, the first one large */
    size_t n_titles;
    const char *sheet; /* name of a workbook's sheet */
    const char *kind;  /* of the records, told to an import by the defined name qipan.kind; or NULL */
    const char *
        made; /* headings of columns that no field is read back from, parted by |, by the name qipan.made; or NULL */
    bool mark; /* CSV begins with a byte order mark */
};

struct table;

/* NULL when memory or disk is out (errno). Titles and headings are written at once. */
struct table *table_open(enum table_kind kind, FILE *to, const struct table_layout *layout);

/* A cell for each column, NULL = an empty one. Characters that no field may hold are shown as \u{…}, texts that look like
 * formulas stay texts. False: errno says why (EFBIG: more rows than a sheet may have). */
bool table_row(struct table *t, enum table_row_kind kind, const char *const *cells);

/* Frees it. False, with errno, when it could not be written whole. */
bool table_close(struct table *t);
void table_drop(struct table *t); /* without writing what is missing; NULL-safe */

/* The same with a type for each cell, for rows that don't follow their columns; `types` NULL: they do. */
bool table_typed_row(struct table *t, enum table_row_kind kind, const char *const *cells,
                     const enum table_type *types);

#endif
