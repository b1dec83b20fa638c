/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of tables share. */
#ifndef QIPAN_TABLE_INTERNAL_H
#define QIPAN_TABLE_INTERNAL_H

#include "table_write.h"

struct table {
    const struct table_layout *layout;
    FILE *to;
    enum table_kind kind;
    int levels;  /* of the headings */
    size_t rows; /* written so far, titles and headings counted */
    void *book;  /* of table_xlsx.c */
};

/* The heading of a column on a level counted from the top; "" where it has none of its own there. */
const char *table_heading(const struct table *t, size_t column, int level);

/* table_xlsx.c; false with errno. */
bool table_xlsx_open(struct table *t);
bool table_xlsx_row(struct table *t, enum table_row_kind kind, const char *const *cells,
                    const enum table_type *types);
bool table_xlsx_close(struct table *t, bool write);

#endif
