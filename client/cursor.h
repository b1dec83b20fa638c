/* SPDX-License-Identifier: Apache-2.0 */
/* Places in the feed, by value. */
#ifndef QIPAN_CURSOR_H
#define QIPAN_CURSOR_H

#include "qipan.h"

#define CURSOR_OBJECT 40 /* an id with its NUL; "" = none yet */

struct cursor {
    int64_t epoch, rev;
    int32_t idx; /* CURSOR_ALL: the whole revision */
    uint64_t tag;
    bool inside; /* a snapshot as of rev: objects up to this one were told */
    char object[CURSOR_OBJECT];
};

#define CURSOR_ALL INT32_MAX

struct cursor cursor_of(const Qipan__Cursor *message);               /* the message may be NULL: all zero */
void cursor_put(const struct cursor *c, Qipan__Cursor *ret_message); /* `object` points into c */

struct cursor cursor_of_event(const Qipan__Event *event,
                              int64_t epoch); /* epoch: when the event names none */

bool cursor_same(const struct cursor *a,
                 const struct cursor *b); /* the same place: epoch, rev, idx, object */
bool cursor_before(const struct cursor *a, const struct cursor *b); /* strictly */

#endif
