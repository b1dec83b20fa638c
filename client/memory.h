/* SPDX-License-Identifier: Apache-2.0 */
/* What a host was told lately: enough to put right what it holds when the registry falls back to an earlier state.
 * Places at growing distance find the fork; the objects told of behind it are those that need another look. */
#ifndef QIPAN_MEMORY_H
#define QIPAN_MEMORY_H

#include "cursor.h"
#include "limits.h"

#define MEMORY_ID 40 /* of an object, its final NUL counted */

struct told {
    int64_t rev;
    char id[MEMORY_ID];
};

struct memory {
    int n_places;
    struct cursor places[LIMIT_KNOWN]; /* newest first */
    struct told *objects;              /* ring of LIMIT_OBJECTS, made with the first one */
    size_t first, n;
    int64_t forgotten; /* not every object told of up to this revision is kept; -1: all are */
};

void memory_init(struct memory *m);
void memory_free(struct memory *m);

void memory_place(struct memory *m, const struct cursor *c); /* ends of revisions only */
void memory_object(struct memory *m, int64_t rev, const char *id);

/* The ids told of behind rev, each once; at most LIMIT_OBJECTS. They stay the memory's. */
size_t memory_behind(const struct memory *m, int64_t rev, char *ret_ids[LIMIT_OBJECTS]);
static inline bool memory_covers(const struct memory *m, int64_t rev)
{
    return rev >= m->forgotten;
}

void memory_cut(struct memory *m, int64_t rev); /* what was told behind rev is put right */

/* Lines "known CURSOR", "told REV ID", "forgotten REV", to be freed by the caller; NULL when memory is out. */
char *memory_text(const struct memory *m);
bool memory_parse(struct memory *m, const char *text); /* false: not such lines; m is empty then */

#endif
