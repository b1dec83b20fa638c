/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of bytes with a ceiling: appended at the end, consumed at the front. */
#ifndef QIPAN_BUF_H
#define QIPAN_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data; /* start of the allocation */
    size_t start;  /* first byte not consumed yet */
    size_t end;    /* behind the last byte */
    size_t cap;
    size_t limit; /* most bytes it may hold */
};

void buf_init(struct buf *b, size_t limit);
void buf_free(struct buf *b); /* NULL-safe; gives the memory back, may be used again after buf_init */

static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}

static inline uint8_t *buf_head(const struct buf *b)
{
    return b->data + b->start;
}

/* Room for n more bytes at the end, or NULL when that would pass the limit or memory is out.
 * What was written there counts only after buf_grow(). */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_grow(struct buf *b, size_t n);
bool buf_append(struct buf *b, const void *bytes, size_t n);
void buf_consume(struct buf *b, size_t n); /* an emptied queue over 64 KiB gives its memory back */

#endif
