/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a sheet, one at a time. */
#ifndef QIPAN_XLSX_ROWS_H
#define QIPAN_XLSX_ROWS_H

#include "grid.h"
#include "xlsx_strings.h"
#include "xlsx_styles.h"
#include "xlsx_zip.h"

/* Outlives the rows. */
struct xlsx_source {
    struct xlsx_zip *zip;
    const char *part;
    struct xlsx_strings *strings;
    const struct xlsx_styles *styles;
    bool since_1904;
};

struct xlsx_rows;

/* NULL with a sentence in why, where later ones go, too. */
struct xlsx_rows *xlsx_rows_open(const struct xlsx_source *from, char *why);
void xlsx_rows_close(struct xlsx_rows *r); /* NULL-safe */

/* Rows that hold anything, as grid_next() gives them. */
enum grid_result xlsx_rows_next(struct xlsx_rows *r, struct grid_row *ret_row);
bool xlsx_rows_rewind(struct xlsx_rows *r);

#endif
