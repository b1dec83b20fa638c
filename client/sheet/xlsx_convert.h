/* SPDX-License-Identifier: Apache-2.0 */
/* Old workbooks (.xls of Excel, .et of WPS) and those of other programs (.ods), read by way of a converter that is installed:
 * ssconvert of gnumeric, or soffice of LibreOffice. */
#ifndef QIPAN_XLSX_CONVERT_H
#define QIPAN_XLSX_CONVERT_H

#include <stdbool.h>
#include <stdio.h>

/* Is it a compound file (OLE)? Then an old workbook, or a new one behind a password. */
bool xlsx_is_compound(FILE *file);

/* What a compound file holds, by its directory: false with a sentence when that is no workbook without a password. */
bool xlsx_compound_is_workbook(FILE *file, char *why);

/* The same as .xlsx, in a file that is unlinked already; NULL with a sentence. `ending` tells the converter what it gets.
 * It runs without a shell, in a folder of its own that is removed, for xlsx_convert_ms at most. */
FILE *xlsx_convert(FILE *file, const char *ending, char *why);
extern int xlsx_convert_ms; /* a minute */

#endif
