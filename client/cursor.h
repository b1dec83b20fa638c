/* SPDX-License-Identifier: Apache-2.0 */
/* Places in the feed, by value. */
#ifndef QIPAN_CURSOR_H
#define QIPAN_CURSOR_H

#include "qipan.h"

struct cursor {
    int64_t epoch, rev;
    int32_t idx; /* CURSOR_ALL: the whole revision */
    uint64_t tag;
    bool inside;                    /* a snapshot as of `rev`: told are the objects up to … */
    char object[QIPAN_OBJECT_SIZE]; /* … this id */
};

#define CURSOR_ALL INT32_MAX

struct cursor cursor_of(const Qipan__Cursor *message);               /* the message may be NULL: all zero */
void cursor_put(const struct cursor *c, Qipan__Cursor *ret_message); /* its object points into *c */
void cursor_text(const struct cursor *c, char ret_text[QIPAN_CURSOR_SIZE]);

bool cursor_object_fits(const char *id); /* into a cursor, and into a line of a watch's memory */

struct cursor cursor_of_event(const Qipan__Event *event,
                              int64_t epoch); /* epoch: when the event names none */

bool cursor_same(const struct cursor *a, const struct cursor *b);   /* the same place: all but the tag */
bool cursor_before(const struct cursor *a, const struct cursor *b); /* strictly */

#endif
