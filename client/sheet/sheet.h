/* SPDX-License-Identifier: Apache-2.0 */
/* Files of rows, one row at a time: CSV in any encoding iconv knows, and JSON Lines.
 *
 * A broken row (wrong number of cells, a quote that isn't closed, bytes that can't be decoded) is a row with a reason;
 * reading goes on behind it. Memory does not grow with the file. */
#ifndef QIPAN_SHEET_H
#define QIPAN_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SHEET_MAX_COLUMNS 512
#define SHEET_MAX_ROW     65536 /* bytes of one row in the file */
#define SHEET_MAX_ROWS    2000000
#define SHEET_WHY_SIZE    320

struct sheet_options {
    const char *name;     /* of the file: .jsonl .ndjson .json are JSON Lines, all others CSV */
    const char *encoding; /* NULL = found out */
    char separator;       /* 0 = found out: , ; or TAB */
    int header;           /* row of the header, from 1; rows before it are not data */
};

struct sheet_row {
    int number;   /* in the file, from 1, the header counted */
    size_t n;     /* cells = columns of the header */
    char **cells; /* UTF-8 */
    /* a broken row has a reason instead of cells */
    const char *bad;      /* in the caller's language, NULL = not broken */
    const char *bad_text; /* the cell or the beginning of the row, never NULL with a reason */
    int bad_column;       /* from 0, -1 = the row as a whole */
};

enum sheet_result { SHEET_ROW, SHEET_END, SHEET_FAILED };

struct sheet;

/* Takes the file over (it is closed by sheet_close, and on failure). NULL with a sentence in why.
 * The header is read at once. */
struct sheet *sheet_open(FILE *file, const struct sheet_options *options, char why[SHEET_WHY_SIZE]);
void sheet_close(struct sheet *s); /* NULL-safe */

const char *sheet_encoding(const struct sheet *s);
char *const *sheet_header(const struct sheet *s, size_t *ret_n);
bool sheet_disarmed(
    const struct sheet *s); /* CSV: a leading ' before = + - @ was put there for spreadsheets */

/* The next row that holds anything; valid until the next call. SHEET_FAILED: *why of sheet_why(). */
enum sheet_result sheet_next(struct sheet *s, struct sheet_row *ret_row);
const char *sheet_why(const struct sheet *s);

/* Before the first row again. */
void sheet_rewind(struct sheet *s);

#endif
