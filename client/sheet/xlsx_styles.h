/* SPDX-License-Identifier: Apache-2.0 */
/* What a workbook's cell styles show of a number. */
#ifndef QIPAN_XLSX_STYLES_H
#define QIPAN_XLSX_STYLES_H

#include "grid.h"
#include "xlsx_zip.h"

struct xlsx_style {
    unsigned char shows; /* of a date: XLSX_YEAR … */
    const struct grid_format *format;
};

struct xlsx_styles {
    struct xlsx_style *styles; /* by the number that cells name */
    size_t n;
    void *formats; /* what styles point into */
};

/* False with a sentence; what is there must be freed in any case. */
bool xlsx_styles_read(struct xlsx_styles *s, struct xlsx_zip *zip, const char *part, char *why);
void xlsx_styles_free(struct xlsx_styles *s);

#endif
