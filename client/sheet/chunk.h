/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a sheet as chunks of an import. The same file under the same mapping always gives the same chunks, so that an
 * interrupted import goes on at the chunk where it stopped. */
#ifndef QIPAN_CHUNK_H
#define QIPAN_CHUNK_H

#include "arena.h"
#include "mapping.h"
#include "sheet.h"

#define CHUNK_NAME     100
#define CHUNK_MAX_ROWS 256 /* keeps the unpacked chunk far below LIMIT_ARENA */

struct chunker {
    struct sheet *sheet;
    const struct mapping *mapping;
    Qipan__ImportRow *rows[CHUNK_MAX_ROWS]; /* of the chunk */
    size_t n_rows;
    int number; /* of the chunk, from 0; -1 before the first */
    int total;  /* rows so far */
    const char *why;
    /* private */
    struct arena arena;
    struct sheet_row row;
    bool again;         /* row did not fit into the chunk before */
    int odd, first_odd; /* rows whose amount speaks of a wrong unit; number of the first */
    struct {
        int n, row; /* cells that show another number than they hold; row and column of the first */
        size_t column;
    } scaled;
    struct {
        int n, row; /* rows with a figure that is taken for yuan since nothing says otherwise; the first */
    } bare;
    struct {
        int n, row; /* rows of projects whose investor is left empty; the first */
    } uninvested;
    struct {
        int64_t fen;   /* of the rows since the header, a heading or a sum */
        int n, fields; /* those with an amount; the least that one of them says */
    } group;
    struct {
        int n, row, of; /* rows whose amount is the sum of the group above; the first; rows of its group */
        char name[CHUNK_NAME];
    } sums;
};

enum chunk_result { CHUNK_READY, CHUNK_END, CHUNK_FAILED };

void chunk_start(struct chunker *c, struct sheet *sheet, const struct mapping *mapping);
enum chunk_result
chunk_next(struct chunker *c); /* rows[0 … n_rows-1], valid until the next call; FAILED: why */
/* After CHUNK_END the notes of the sheet tell of amounts that are too large or too small for a project, of those that nothing
 * says the unit of, of rows without an investor, of rows that may be sums, and of numbers that are shown as others. */
void chunk_stop(struct chunker *c);

#endif
