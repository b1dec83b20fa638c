/* SPDX-License-Identifier: Apache-2.0 */
/* What hub.c (feeding) and resume.c (beginnings, and beginnings again when the history changed) share. */
#ifndef QIPAN_HUB_INTERNAL_H
#define QIPAN_HUB_INTERNAL_H

#include "hub.h"
#include "interest.h"
#include "pages.h"

#define RING_REVISIONS 4096
#define KNOWN_PLACES   LIMIT_KNOWN

/*   SEEKING ──▶ WAITING ──▶ (SNAPSHOT) ──▶ BEHIND ◀──▶ LIVE          any of them ──▶ SEEKING when the history changed */
enum watch_state {
    WATCH_SEEKING,  /* the registry is asked for its place */
    WATCH_WAITING,  /* for this daemon to come as far */
    WATCH_SNAPSHOT, /* is told objects as they are */
    WATCH_BEHIND,   /* fed by itself, from `at` on */
    WATCH_LIVE      /* in step with the hub, a member of its interest: `at` is the hub's */
};

struct watch {
    struct hub *hub;
    struct session *session;
    TAILQ_ENTRY(watch) all;               /* of the hub */
    TAILQ_ENTRY(watch) queue;             /* LIVE: members; WAITING: waiting; BEHIND, SNAPSHOT: see queued */
    struct watch *session_next;           /* of the session */
    enum { OFF, READY, FOR_PAGE } queued; /* OFF: until credit or room comes */
    enum watch_state state;
    uint32_t call;
    uint32_t actor; /* hash of the account, when its echo is left out; 0 otherwise */
    struct interest *interest;
    const char *said;                /* the state told last */
    bool started, batch_seen, moved; /* moved: since it was last looked for stalled ones */
    int64_t credit;
    struct place at;         /* judged up to here; LIVE ones stand where the hub stands */
    struct place told;       /* end of the last frame */
    int64_t seen_rev;        /* newest revision of an object told in a snapshot */
    const char *told_object; /* inside a snapshot: the last one told, as the frames say it; NULL outside */
    struct beginning *beginning;
    struct snapshot *snapshot;
};

struct hub {
    struct loop *loop;
    struct deadlines *deadlines;
    struct journal *journal;
    struct pages *pages;
    struct interests *interests;
    struct watch_list watches, waiting, ready, for_page;
    size_t n_watches;
    struct packed
        *ring[RING_REVISIONS]; /* revision r stands at r % RING_REVISIONS, for oldest <= r <= newest.rev */
    int64_t oldest;
    size_t ring_bytes;
    struct place newest; /* published */
    struct place here;   /* the LIVE ones' */
    bool begun;
    int64_t min_rev; /* as far as it was heard of */
    struct place known[KNOWN_PLACES];
    int n_known; /* places of the history before the change, newest first */
    struct task pump;
    struct deadline again, bookmarks, lapse;
    int snapshots_asked;
    struct beginning *probe; /* asks whether a stalled watch's place is kept */
    /* the frame being gathered */
    struct piece pieces[PACKED_PIECES];
    size_t n, bytes, turn_bytes;
    struct place last; /* behind the last piece */
    struct framer framer;
};

/* hub.c */
void watch_free(struct watch *w);
void watch_start(struct watch *w, bool fresh); /* its place is good: feed it */
void watch_end(struct watch *w, const char *state,
               Qipan__Error *error);                       /* the last frame, then it is freed */
void watch_queue(struct watch *w, enum watch_state state); /* to be looked at in the next pump */
bool watch_room(const struct watch *w);
/* Sends what was gathered, up to that place; a bookmark when nothing was. */
void watch_emit(struct watch *w, struct place upto, const char *upto_object, const char *state);
void watch_wait_for_page(struct watch *w); /* one that is off all lists … */
void watch_wait_for_room(struct watch *w); /* … and has no room, or has had its share of this turn */
void hub_pages_arrived(struct hub *hub);
void watch_unlist(struct watch *w); /* out of all queues and of its interest */
void hub_look_again(struct hub *hub, uint64_t in_ms);

#endif
