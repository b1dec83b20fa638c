/* SPDX-License-Identifier: Apache-2.0 */
/* What a sheet says around its rows: hidden columns before them, merged cells behind them. */
#ifndef QIPAN_XLSX_OUTLINE_H
#define QIPAN_XLSX_OUTLINE_H

#include "grid.h"
#include "xlsx_zip.h"

struct xlsx_outline {
    struct grid_merge *merges; /* in the order of row, then column */
    size_t n_merges;
    bool hidden[GRID_MAX_COLUMNS];
};

/* False with a sentence; what is there must be freed in any case. The rows themselves are not parsed, only passed over. */
bool xlsx_outline_read(struct xlsx_outline *o, struct xlsx_zip *zip, const char *part, char *why);
void xlsx_outline_free(struct xlsx_outline *o);

/* "AB12" → row 12, column 27 (from 0) and what stands behind; NULL when it is no cell. */
const char *xlsx_cell_read(const char *ref, int *ret_row, int *ret_column);
const char *xlsx_cell_name(int row, int column, char out[16]);

#define XLSX_MAX_ROW    1048576
#define XLSX_MAX_COLUMN 16384

#endif
