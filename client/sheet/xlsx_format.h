/* SPDX-License-Identifier: Apache-2.0 */
/* What number formats show: dates, and numbers that are not what they seem. */
#ifndef QIPAN_XLSX_FORMAT_H
#define QIPAN_XLSX_FORMAT_H

#include "grid.h"

/* What the format shows of a date, of XLSX_YEAR …; 0 = a number, a text, or a span of time ([h]:mm). */
unsigned xlsx_format_shows(const char *code);

/* Of the formats that have a number only, with those of Chinese programs (27-36, 50-58). */
unsigned xlsx_format_built_in(unsigned id);

/* How it shows a number that is positive. False = as it is. */
bool xlsx_format_number(const char *code, struct grid_format *ret);
const struct grid_format *xlsx_format_number_built_in(unsigned id); /* NULL = as it is */

#endif
