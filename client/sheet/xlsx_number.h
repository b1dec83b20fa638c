/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as a workbook writes them, and the dates that some of them are. Decimal arithmetic only. */
#ifndef QIPAN_XLSX_NUMBER_H
#define QIPAN_XLSX_NUMBER_H

#include <stdbool.h>

#define XLSX_NUMBER_SIZE 400

/* What a number format shows of a number; 0 = it is no date. */
enum { XLSX_YEAR = 1, XLSX_MONTH = 2, XLSX_DAY = 4, XLSX_TIME = 8 };

/* "3.5000000000000003E-2" → "0.035": plain, rounded to the 15 digits that a spreadsheet's number has. A whole number that is
 * written out keeps all its digits. False when it is no number. */
bool xlsx_number(const char *text, char out[XLSX_NUMBER_SIZE]);

/* A number from xlsx_number() as people see it, to the second: 2023-01-05, 2023-01-05 08:30:00, 08:30:00. The first day of a
 * month of which only the month is shown is that month, 2022-04; likewise a year. As in Excel there are a 1900-01-00 and a
 * 1900-02-29. False when no date has that number. */
bool xlsx_date(const char *number, unsigned shown, bool since_1904, char out[32]);

/* The same for a date that is written out (ISO 8601). */
bool xlsx_date_iso(const char *text, char out[32]);

#endif
