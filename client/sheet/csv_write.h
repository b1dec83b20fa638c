/* SPDX-License-Identifier: Apache-2.0 */
/* CSV that spreadsheets open without running anything, and that an import reads back unchanged. */
#ifndef QIPAN_CSV_WRITE_H
#define QIPAN_CSV_WRITE_H

#include <stdbool.h>
#include <stdio.h>

/* Would a spreadsheet run it (= + - @ tab line end, also in full width, also behind blanks and quotes), or would an import
 * take a ' away? Then export puts a ' before it. */
bool csv_runs(const char *text);

/* 9.13E+17: what a spreadsheet makes of a long number, and would make of a name that looks so; export puts a ' before it, too. */
bool csv_is_power(const char *text);

/* The cell, quoted where needed, with a comma before it unless it is the row's first. NULL is an empty one. Characters that
 * no field may hold are shown as \u{…}. */
void csv_write_cell(FILE *to, const char *text, bool first);

/* The same for a row that programs split at tabs: no quotes, a tab or line end in the text becomes a space. */
void tsv_write_cell(FILE *to, const char *text, bool first);

/* The opposite: without the ' that csv_write_cell() put there. */
const char *csv_rearm(const char *cell);

#endif
