/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"

#include <stdlib.h>
#include <string.h>

#define BUF_FIRST (size_t)512         /* smallest allocation */
#define BUF_KEEP  (size_t)(64 * 1024) /* an empty queue holds no more than this */

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_free(struct buf *b)
{
    if (!b)
        return;
    free(b->data);
    *b = (struct buf){.limit = b->limit};
}

/* Moves what is queued to the front of an allocation of `cap` bytes. */
static bool buf_resize(struct buf *b, size_t cap)
{
    size_t len = buf_len(b);
    uint8_t *data = malloc(cap);

    if (!data)
        return false;
    if (len)
        memcpy(data, buf_head(b), len);
    free(b->data);
    b->data = data;
    b->start = 0;
    b->end = len;
    b->cap = cap;
    return true;
}

static size_t buf_next_cap(const struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : BUF_FIRST;

    while (cap < need)
        cap = cap > b->limit / 2 ? b->limit : cap * 2;
    return cap;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    size_t len = buf_len(b);

    if (len > b->limit || n > b->limit - len)
        return NULL;
    if (b->data && b->cap - b->end >= n)
        return b->data + b->end;
    /* Closing the gap in front costs a move of len bytes: only when that frees at least as much. */
    if (b->data && b->start >= len && b->cap - len >= n) {
        memmove(b->data, buf_head(b), len);
        b->start = 0;
        b->end = len;
    } else if (!buf_resize(b, buf_next_cap(b, len + n))) {
        return NULL;
    }
    return b->data + b->end;
}

void buf_grow(struct buf *b, size_t n)
{
    b->end += n;
}

bool buf_append(struct buf *b, const void *bytes, size_t n)
{
    uint8_t *room = buf_reserve(b, n);

    if (!room)
        return false;
    if (n)
        memcpy(room, bytes, n);
    b->end += n;
    return true;
}

void buf_consume(struct buf *b, size_t n)
{
    b->start += n;
    if (b->start < b->end)
        return;
    b->start = b->end = 0;
    if (b->cap > BUF_KEEP)
        buf_free(b);
}
