/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a workbook's cell styles show a date. */
#ifndef QIPAN_XLSX_STYLES_H
#define QIPAN_XLSX_STYLES_H

#include "xlsx_zip.h"

struct xlsx_styles {
    unsigned char *shows; /* by the number that cells name: XLSX_YEAR … */
    size_t n;
};

/* False with a sentence; what is there must be freed in any case. */
bool xlsx_styles_read(struct xlsx_styles *s, struct xlsx_zip *zip, const char *part, char *why);
void xlsx_styles_free(struct xlsx_styles *s);

#endif
