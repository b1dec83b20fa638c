/* SPDX-License-Identifier: Apache-2.0 */
/* Which number formats show a number as a date. */
#ifndef QIPAN_XLSX_FORMAT_H
#define QIPAN_XLSX_FORMAT_H

/* What the format shows of a date, of XLSX_YEAR …; 0 = a number, a text, or a span of time ([h]:mm). */
unsigned xlsx_format_shows(const char *code);

/* Of the formats that have a number only, with those of Chinese programs (27-36, 50-58). */
unsigned xlsx_format_built_in(unsigned id);

#endif
