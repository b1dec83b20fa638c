/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that dies at once, with a ceiling: the decoder's memory is bound to the request's. */
#ifndef QIPAN_ARENA_H
#define QIPAN_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used;                  /* bytes handed out, alignment included */
    size_t limit;                 /* most it will hand out */
    bool refused;                 /* something it was asked for: what was made of it isn't whole */
    ProtobufCAllocator allocator; /* hand &allocator to protobuf-c; its free does nothing */
};

void arena_init(struct arena *a,
                size_t limit); /* the arena must not move afterwards: allocator points to it */
void arena_free(struct arena *a);

void *arena_alloc(struct arena *a, size_t n);  /* aligned for any type, not zeroed; NULL above the limit */
void *arena_zalloc(struct arena *a, size_t n); /* zeroed */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_strdup(struct arena *a, const char *s);

#endif
