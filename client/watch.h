/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: where each one is, and the proof that nothing was missed.
 *
 * `at` is the last place delivered to the host; it only moves behind a callback that returned. Each frame must begin
 * where the one before ended and go forward; the first must begin at `at`. If not, the link is given up and the watch
 * goes on from `at` on the next one.
 *
 * Two places: `at` is where the next frame must join, `safe` is what the host is given. They differ while something is
 * put right: then `safe` stays where the watch was before.
 *
 *   TAIL ── DIVERGED, COMPACTED ──▶ MENDING (what changed) or MENDING_ALL ── all told ──▶ TAIL ◀── all told ── SNAPSHOT */
#ifndef QIPAN_WATCH_H
#define QIPAN_WATCH_H

#include "cursor.h"
#include "link.h"
#include "memory.h"
#include "qipan.h"

#define WATCH_RETRY_MS  1000 /* after an answer that says "later" */
#define WATCH_MENDS_MAX 3    /* in a row */
#define WATCH_GAPS_MAX  5    /* in a row, without one good frame between */

#define WATCH_FRESH_MAX 65536 /* objects that change while a snapshot is told; more: it begins anew */

enum watch_state { WATCH_IDLE, WATCH_ASKED, WATCH_ON };
enum watch_phase { WATCH_TAIL, WATCH_SNAPSHOT, WATCH_MENDING, WATCH_MENDING_ALL };

struct qipan_watch {
    struct qipan_watch *next;
    uint32_t id; /* of the present call; new for each attempt */
    enum watch_state state;
    int64_t retry_ms; /* IDLE: not before */
    enum watch_phase phase;
    struct cursor at, safe;
    struct cursor since;  /* MENDING: what changed behind it */
    struct memory memory; /* of what the host was told */
    struct told *fresh;   /* of the snapshot: objects that had changed behind its place already */
    size_t n_fresh;
    uint64_t taken; /* bytes of frames since credit was last given */
    bool paused;
    bool placed;     /* `at` is set */
    bool announced;  /* the host was told where it began */
    bool from_start; /* only while not placed */
    bool echo, summary, snapshot;
    unsigned gaps, mended; /* in a row */
    bool busy;             /* its callback is running */
    bool closed;           /* closed meanwhile: freed after the callback */
    struct arena arena;    /* the terms */
    Qipan__Term **terms;
    size_t n_terms;
    qipan_watch_fn *fn;
    void *arg;
};

enum watch_verdict {
    WATCH_FINE,
    WATCH_GAP,       /* give the link up */
    WATCH_ELSEWHERE, /* the same, this daemon is behind */
    WATCH_OVER,      /* take it out of the list and free it */
};

/* NULL when memory is out or the cursor can't be read (*ret_code). */
struct qipan_watch *watch_new(const struct qipan_watch_options *options, qipan_watch_fn *fn, void *arg,
                              const char **ret_code);
void watch_free(struct qipan_watch *w);

bool watch_ask(struct qipan_watch *w, struct link *l, uint32_t id); /* false: queue full, later */
enum watch_verdict watch_reply(struct qipan_watch *w, const Qipan__Reply *reply, int64_t now_ms,
                               const char *lang);
/* n: bytes of the frame, for the credit that is given back. */
enum watch_verdict watch_feed(struct qipan_watch *w, const Qipan__Feed *feed, size_t n, int64_t now_ms,
                              const char *lang);
void watch_lost(struct qipan_watch *w);                        /* the link: ask again on the next one */
void watch_give_credit(struct qipan_watch *w, struct link *l); /* when half is used and the host wants more */
void watch_end(struct qipan_watch *w, const char *code, const char *detail,
               const char *lang); /* tells the host */

#endif
