/* SPDX-License-Identifier: Apache-2.0 */
/* What a watch remembers so that a fork costs little: places of its history at growing distance, and which objects it was
 * told of behind them. Bounded: what doesn't fit raises `floor`, and a fork before that is repaired by a whole snapshot.
 *
 * As text: a line "PLACE ID ID …" for each place, newest first, with the ids told behind it (and not behind a newer one);
 * then lines "+REV ID" for objects that a snapshot told as of a revision the tail has not reached yet. */
#ifndef QIPAN_MEMORY_H
#define QIPAN_MEMORY_H

#include "cursor.h"
#include "limits.h"
#include "told.h"

#define MEMORY_SHOWN_MAX 65536 /* objects that change while a snapshot is told */

struct memory {
    struct cursor places[LIMIT_KNOWN]; /* newest first, none below `floor` */
    size_t n_places;
    int64_t floor; /* all ids told behind this revision are known */
    struct told
        told; /* at most LIMIT_OBJECTS; their revisions never fall: rather too many ids behind a place */
    struct told shown; /* by a snapshot, newer than its place */
    int64_t shown_upto;
};

void memory_init(struct memory *m);
void memory_clear(struct memory *m, int64_t floor); /* begins anew */

void memory_told(struct memory *m, const char *id, int64_t rev);
void memory_place(struct memory *m, const struct cursor *c); /* inside a revision, or not newer: ignored */

void memory_forget_behind(struct memory *m, int64_t rev); /* the places; ids stay until they are told again */
bool memory_told_behind(const struct memory *m, int64_t rev);
size_t memory_behind(const struct memory *m, int64_t rev, char *ret_ids[LIMIT_OBJECTS]);
size_t memory_known(const struct memory *m, const struct cursor *before,
                    const struct cursor *ret_places[LIMIT_KNOWN]); /* newest first */

/* A snapshot told an object in a later state than its own place. False: too many. */
bool memory_show(struct memory *m, const char *id, int64_t rev);
/* The tail tells of a change that this state contained already. */
bool memory_was_shown(const struct memory *m, const char *id, int64_t rev);
void memory_reached(struct memory *m, int64_t rev); /* the tail did, wholly */

char *memory_text(const struct memory *m);            /* to be freed; NULL: memory is out */
bool memory_read(struct memory *m, const char *text); /* false: not such a text */

#endif
