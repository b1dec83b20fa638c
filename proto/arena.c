/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_FIRST (size_t)(2 * 1024)
#define BLOCK_MOST  (size_t)(32 * 1024)
#define ALIGN       alignof(max_align_t)

struct arena_block {
    struct arena_block *next;
    size_t size, fill;
    alignas(max_align_t) uint8_t bytes[];
};

static void *arena_hook_alloc(void *data, size_t n)
{
    return arena_alloc(data, n);
}

static void arena_hook_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

void arena_init(struct arena *a, size_t limit)
{
    *a = (struct arena){.limit = limit};
    a->allocator = (ProtobufCAllocator){arena_hook_alloc, arena_hook_free, a};
}

void arena_free(struct arena *a)
{
    struct arena_block *next;

    for (struct arena_block *block = a->blocks; block; block = next) {
        next = block->next;
        free(block);
    }
    a->blocks = NULL;
    a->used = 0;
}

/* Blocks double, so that a small request costs little and a large one few calls. */
static struct arena_block *arena_add_block(struct arena *a, size_t n)
{
    size_t size = a->blocks ? a->blocks->size * 2 : BLOCK_FIRST;
    struct arena_block *block;

    if (size > BLOCK_MOST)
        size = BLOCK_MOST;
    if (size < n)
        size = n;
    block = malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    *block = (struct arena_block){.next = a->blocks, .size = size};
    a->blocks = block;
    return block;
}

static void *take(struct arena *a, size_t n)
{
    struct arena_block *block = a->blocks;
    void *p;

    if (n > a->limit) /* also keeps the rounding below from wrapping */
        return NULL;
    n = n ? (n + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    if (n > a->limit - a->used)
        return NULL;
    if (!block || block->size - block->fill < n)
        block = arena_add_block(a, n);
    if (!block)
        return NULL;
    p = block->bytes + block->fill;
    block->fill += n;
    a->used += n;
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p = take(a, n);

    a->refused |= !p;
    return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);

    return p ? memset(p, 0, n) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *copy = n < SIZE_MAX ? arena_alloc(a, n + 1) : NULL;

    if (!copy)
        return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}
