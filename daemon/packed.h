/* SPDX-License-Identifier: Apache-2.0 */
/* Revisions packed once for all their readers. An event has a few forms, by what it means to a watch; each is made when
 * first wanted, as the bytes of the `events` field of a Feed, and every frame copies them. What differs from watch to watch
 * is a small head; neighbours for whom even that is the same get the very frame made last. */
#ifndef QIPAN_PACKED_H
#define QIPAN_PACKED_H

#include "frame.h"
#include "grants.h"
#include "journal.h"
#include "limits.h"
#include "view.h"

/* A place in the feed: all before rev, and of rev the changes up to idx, or (whole) all of them. */
struct place {
    int64_t epoch, rev;
    uint64_t tag;
    int32_t idx; /* meaningless when whole */
    bool whole;
};

bool place_same(const struct place *a, const struct place *b);
void place_cursor(const struct place *p, Qipan__Cursor *ret_cursor);

enum packed_form {
    PACKED_ENTER = VIEW_ENTER,
    PACKED_UPDATE = VIEW_UPDATE,
    PACKED_LEAVE = VIEW_LEAVE,
    PACKED_SUMMARY, /* of the import that the event belongs to */
    PACKED_REVEAL,  /* an enter of what the reader might not see before: the row, no changes */
    PACKED_VANISH,  /* a leave of what he may not see any more: nothing of who hid it, when and why */
    PACKED_FORMS
};

struct piece {
    const uint8_t *bytes;
    size_t n;
};

struct audience {
    const int32_t *tokens; /* NULL = every reader */
    size_t n;
};

struct packed_event {
    const Qipan__Event *event;
    bool open;           /* every reader may see it, before and after and now */
    struct audience now; /* of the object, as far as this daemon has heard */
    struct view_facts facts;
    uint32_t actor;  /* hash of the name */
    bool ends_batch; /* the last one of its import here */
    struct piece forms[PACKED_FORMS];
};

/* The one counted type of the feed: the ring and the page cache share it. It holds the rows it points into. */
struct packed {
    int refs;
    struct journal_rows *rows;
    struct place at;      /* its end */
    bool large;           /* its events are not here, but the last if everybody may see all of them */
    const char *subjects; /* of a large one, see view_chance(); NULL = not known */
    size_t weight;        /* bytes of memory, with the forms it will have, about */
    size_t n;
    struct packed_event events[];
};

struct packed *packed_new(struct journal_rows *rows, const Qipan__Revision *revision); /* NULL: no memory */
void packed_hold(struct packed *p);
void packed_drop(struct packed *p);

/* The form in which somebody with these grants gets what his terms give him as `form`: content only if he might see the
 * object at that revision and may now. False: he gets nothing. */
bool packed_in_sight(const struct packed_event *e, const struct grants *grants, enum packed_form form,
                     enum packed_form *ret_form);
/* The object that `by` is about has another audience from now on: for all that p holds before it. */
void packed_turn(struct packed *p, const struct packed_event *by);

/* The event's bytes in that form; none when memory is out. */
struct piece packed_piece(struct packed_event *e, enum packed_form form);
struct place packed_place(const struct packed_event *e); /* behind the event */
uint32_t packed_hash(const char *text);

#define PACKED_PIECES 128                  /* of one frame */
#define PACKED_BYTES  (LIMIT_FRAME - 1024) /* of all pieces of a frame; the rest is its head */
#define PACKED_OBJECT 64                   /* longest id in a cursor */

struct feed_head {
    uint32_t call;
    struct place after, upto;
    const char *after_object, *upto_object; /* inside a snapshot; NULL = outside */
    const char *state;                      /* NULL = as before */
    int64_t behind;                         /* goes with state */
};

/* Builds frames, header included, and keeps the last one: asked for the same again it isn't built. */
struct framer {
    struct feed_head head;
    struct piece pieces[PACKED_PIECES];
    size_t n_pieces, n;
    uint8_t bytes[FRAME_HEADER + LIMIT_FRAME];
};

void framer_forget(struct framer *f); /* before pieces it was given may die */
const uint8_t *framer_frame(struct framer *f, const struct feed_head *head, const struct piece *pieces,
                            size_t n_pieces, size_t *ret_n);

#endif
