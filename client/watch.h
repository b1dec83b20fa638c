/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: where each one is, and the proof that nothing was missed.
 *
 * `at` is the last place delivered to the host; it only moves behind a callback that returned. Each frame must begin
 * where the one before ended and go forward; the first must begin at `at`. If not, the link is given up and the watch
 * goes on from `at` on the next one.
 *
 * When the registry fell back behind `at`, or keeps too little, the watch repairs what it told (see enum watch_part). Until
 * that is complete the host is given the cursor `held`. */
#ifndef QIPAN_WATCH_H
#define QIPAN_WATCH_H

#include "cursor.h"
#include "link.h"
#include "memory.h"
#include "qipan.h"

#define WATCH_RETRY_MS    1000              /* after an answer that says "later" */
#define WATCH_GAPS_MAX    5                 /* in a row, without one good frame between */
#define WATCH_REPAIRS_MAX 5                 /* likewise */
#define WATCH_CREDIT_MAX  (8 * 1024 * 1024) /* twice that may be owed at a time */

enum watch_state { WATCH_IDLE, WATCH_ASKED, WATCH_ON };

/* What is asked for. A SNAPSHOT goes on where it stopped, the two repairs begin anew. */
enum watch_part {
    WATCH_TAIL,
    WATCH_SNAPSHOT, /* every object, then the tail */
    WATCH_CHANGED,  /* those changed behind `from`: the place was COMPACTED, or our rights changed */
    WATCH_FORKED,   /* the same, and those told of behind it: DIVERGED */
};

struct qipan_watch {
    struct qipan_watch *next;
    uint32_t id; /* of the present call; new for each attempt */
    enum watch_state state;
    enum watch_part part;
    int64_t retry_ms; /* IDLE: not before */
    struct cursor at;
    struct cursor from; /* CHANGED, FORKED */
    struct cursor held;
    bool holding;    /* the host's cursor is `held` */
    bool placed;     /* `at` is set */
    bool announced;  /* the host was told where it began */
    bool from_start; /* only while not placed */
    bool echo, summary;
    bool paused;
    int64_t credit, credit_left; /* wanted; what the daemon may still send */
    unsigned gaps, repairs;
    bool busy;   /* its callback is running */
    bool closed; /* closed meanwhile: freed after the callback */
    struct memory memory;
    struct arena arena; /* the terms */
    Qipan__Term **terms;
    size_t n_terms;
    qipan_watch_fn *fn;
    void *arg;
};

enum watch_verdict {
    WATCH_FINE,
    WATCH_AGAIN,     /* cancel it and ask again */
    WATCH_GAP,       /* give the link up */
    WATCH_ELSEWHERE, /* the same, this daemon is behind */
    WATCH_OVER,      /* take it out of the list and free it */
};

/* NULL when memory is out or the options can't be (*ret_code, *ret_field). */
struct qipan_watch *watch_new(const struct qipan_watch_options *options, qipan_watch_fn *fn, void *arg,
                              const char **ret_code, const char **ret_field);
void watch_free(struct qipan_watch *w);

bool watch_ask(struct qipan_watch *w, struct link *l, uint32_t id); /* false: queue full, later */
enum watch_verdict watch_reply(struct qipan_watch *w, const Qipan__Reply *reply, int64_t now_ms,
                               const char *lang);
enum watch_verdict watch_feed(struct qipan_watch *w, const Qipan__Feed *feed, size_t frame_bytes,
                              int64_t now_ms, const char *lang);
void watch_end(struct qipan_watch *w, const char *code, const char *detail,
               const char *lang); /* tells the host */

bool watch_wants_credit(const struct qipan_watch *w);
bool watch_grant(struct qipan_watch *w, struct link *l); /* false: queue full, later */

/* The host knows of this change by its reply. `id` NULL: of which objects can't be said. */
void watch_own_change(struct qipan_watch *w, const char *id, int64_t rev);

#endif
