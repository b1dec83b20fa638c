/* SPDX-License-Identifier: Apache-2.0 */
/* What the board shows: projects by id, newest change first. No terminal, no network. */
#ifndef QIPAN_BOARD_ROWS_H
#define QIPAN_BOARD_ROWS_H

#include "qipan.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOARD_ROWS_MAX 20000

struct board_row {
    char id[64];
    char no[32], name[160], stage[32], office[64], amount[48];
    int64_t version, changed_at;
    int64_t lit_ms; /* monotonic: changed before our eyes at; 0 = not */
};

struct board_rows {
    struct board_row *list;
    size_t n, cap;
    bool sorted;
};

void board_rows_free(struct board_rows *rows);

/* Adds or replaces; an older version than the one held is ignored. NULL when ignored, full, or memory is out. */
struct board_row *board_rows_put(struct board_rows *rows, const Qipan__Project *project, const char *amount);
void board_rows_remove(struct board_rows *rows, const char *id);
void board_rows_sort(struct board_rows *rows); /* newest change first */
size_t board_rows_count(const struct board_rows *rows, const char *stage);

#endif
