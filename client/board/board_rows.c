/* SPDX-License-Identifier: Apache-2.0 */
#include "board_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void board_rows_free(struct board_rows *rows)
{
    free(rows->list);
    memset(rows, 0, sizeof *rows);
}

static struct board_row *find(struct board_rows *rows, const char *id)
{
    for (size_t i = 0; i < rows->n; i++)
        if (strcmp(rows->list[i].id, id) == 0)
            return &rows->list[i];
    return NULL;
}

static struct board_row *add(struct board_rows *rows, const char *id)
{
    struct board_row *row;

    if (rows->n == rows->cap) {
        size_t cap = rows->cap ? rows->cap * 2 : 256;
        struct board_row *grown = rows->n < BOARD_ROWS_MAX ? realloc(rows->list, cap * sizeof *grown) : NULL;

        if (!grown)
            return NULL;
        rows->list = grown;
        rows->cap = cap;
    }
    row = &rows->list[rows->n++];
    memset(row, 0, sizeof *row);
    snprintf(row->id, sizeof row->id, "%s", id);
    return row;
}

/* Whole characters only. */
static void copy(char *to, size_t size, const char *text)
{
    size_t n = text ? strlen(text) : 0;

    if (n >= size)
        for (n = size - 1; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80;)
            n--;
    if (n > 0)
        memcpy(to, text, n);
    to[n] = '\0';
}

struct board_row *board_rows_put(struct board_rows *rows, const Qipan__Project *p, const char *amount)
{
    struct board_row *row = p->id ? find(rows, p->id) : NULL;

    if (!p->id || (row && row->version > p->version))
        return NULL;
    if (!row && !(row = add(rows, p->id)))
        return NULL;
    copy(row->no, sizeof row->no, p->no);
    copy(row->name, sizeof row->name, p->name);
    copy(row->stage, sizeof row->stage, p->stage);
    copy(row->office, sizeof row->office, p->office);
    copy(row->amount, sizeof row->amount, amount);
    row->version = p->version;
    row->changed_at = p->changed_at;
    rows->sorted = false;
    return row;
}

void board_rows_remove(struct board_rows *rows, const char *id)
{
    struct board_row *row = find(rows, id);

    if (row)
        memmove(row, row + 1, (size_t)(rows->list + --rows->n - row) * sizeof *row);
}

static int newer_first(const void *a, const void *b)
{
    const struct board_row *x = a, *y = b;

    if (x->changed_at != y->changed_at)
        return x->changed_at < y->changed_at ? 1 : -1;
    return strcmp(y->no, x->no);
}

void board_rows_sort(struct board_rows *rows)
{
    if (!rows->sorted && rows->n > 1)
        qsort(rows->list, rows->n, sizeof *rows->list, newer_first);
    rows->sorted = true;
}

size_t board_rows_count(const struct board_rows *rows, const char *stage)
{
    size_t n = 0;

    for (size_t i = 0; i < rows->n; i++)
        n += strcmp(rows->list[i].stage, stage) == 0;
    return n;
}
