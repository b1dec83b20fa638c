/* SPDX-License-Identifier: Apache-2.0 */
/* What a workbook holds: its sheets and where their parts are, by the relationships, never by the names of files. */
#ifndef QIPAN_XLSX_BOOK_H
#define QIPAN_XLSX_BOOK_H

#include "arena.h"
#include "grid.h"
#include "xlsx_zip.h"

#define XLSX_MAX_SHEETS     1024
#define XLSX_MAX_PROPERTIES 16

struct xlsx_property {
    const char *name, *value;
};

struct xlsx_book {
    struct arena arena;
    struct grid_sheet sheets[XLSX_MAX_SHEETS]; /* worksheets only, in the order of their tabs */
    const char *parts[XLSX_MAX_SHEETS];        /* of the sheets */
    size_t n_sheets;
    const char *strings, *styles; /* parts, NULL = the workbook has none */
    bool since_1904;
    struct xlsx_property properties[XLSX_MAX_PROPERTIES]; /* defined names "qipan.…" that are texts */
    size_t n_properties;
};

/* NULL with a sentence. */
struct xlsx_book *xlsx_book_read(struct xlsx_zip *zip, char *why);
void xlsx_book_free(struct xlsx_book *b); /* NULL-safe */

#endif
