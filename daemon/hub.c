/* SPDX-License-Identifier: Apache-2.0 */
/* Slow readers. A watch holds no queue: it has a position. While its connection owes less than CONN_HIGH (192 KiB)
 * it is fed from the ring of recent revisions, which all watches share, or, when the ring no longer reaches back that
 * far or a revision is large, from pages of the journal, one page in flight per watch. Above CONN_HIGH it is simply
 * not fed; it goes on where it stopped when the connection is writable again. So a reader that stops costs its
 * connection's buffers and a position, delays nobody, and misses nothing. The client is told CATCHUP and how far it
 * is behind, then LIVE.
 *
 * Proof of completeness: every frame says after which position it begins and up to which it speaks; `told` is the end
 * of the last one. Revisions that don't concern the watch only move the position; a bookmark tells it now and then. */
#include "hub.h"

#include "failpoint.h"
#include "view.h"
#include "limits.h"
#include "log.h"
#include <stdlib.h>
#include <string.h>

#define RING_REVISIONS 4096
#define RING_BYTES     (8 * 1024 * 1024)
#define FRAME_EVENTS   128
#define FRAME_BYTES    (LIMIT_FRAME - 1024) /* of events in one frame; the rest is its head */
#define BOOKMARK_MS    5000
#define AGAIN_MS       1
#define AWAIT_MS       1000 /* for the hub to learn what the registry knows already */
#define PAGE_FAILED_MS 500

struct position {
    int64_t epoch, rev;
    uint64_t tag;
    int32_t idx; /* last change of rev that is done; meaningless when whole */
    bool whole;  /* all of rev is done */
};

struct watch {
    struct hub *hub;
    struct session *session;
    struct watch *next, **back; /* of the hub */
    struct watch *session_next; /* of the session */
    uint32_t call;
    struct arena arena; /* of the view */
    struct view view;
    bool echo, summary, from_start;
    bool started, live, paging, cancelled;
    struct position at, told;
    int64_t large; /* this revision must be paged */
    bool overdue;  /* don't wait for `awaited` any longer */
    int64_t
        awaited; /* from now: begins when the hub knows this revision, so that nothing older than the call comes */
    bool batch_seen;    /* summary: a change of the current revision's batch concerned the watch */
    int32_t page_limit; /* of the next page; less after one that didn't fit */
    uint32_t patience_ms;
    struct deadline late; /* the call that began the watch must be answered by then */
    struct journal_query page;
    struct journal_seek seek;
};

struct slot {
    struct journal_rows *rows;
    const Qipan__Revision *revision;
    size_t bytes;
};

struct hub {
    struct loop *loop;
    struct deadlines *deadlines;
    struct journal *journal;
    struct watch *watches;
    struct slot
        ring[RING_REVISIONS]; /* revision r stands at r % RING_REVISIONS, for oldest <= r <= newest.rev */
    int64_t oldest;
    size_t ring_bytes;
    struct position newest;
    struct task pump;
    struct deadline again, bookmarks;
    /* the frame being built; one thread, so one is enough */
    struct watch *filling;
    Qipan__Event events[FRAME_EVENTS], *pointers[FRAME_EVENTS];
    size_t n, bytes;
};

/* ---- the ring */

static void forget_oldest(struct hub *hub)
{
    struct slot *slot = &hub->ring[hub->oldest++ % RING_REVISIONS];
    hub->ring_bytes -= slot->bytes;
    journal_drop(slot->rows);
    *slot = (struct slot){0};
}

static void empty_ring(struct hub *hub)
{
    while (hub->oldest <= hub->newest.rev)
        forget_oldest(hub);
}

void hub_begin(struct hub *hub, int64_t epoch, int64_t rev, uint64_t tag)
{
    empty_ring(hub);
    hub->newest = (struct position){.epoch = epoch, .rev = rev, .tag = tag, .whole = true};
    hub->oldest = rev + 1;
    loop_touch(hub->loop, &hub->pump);
}

void hub_publish(struct hub *hub, struct journal_rows *rows, const Qipan__Revision *revision)
{
    size_t bytes = rows->arena.used / rows->reply->n_rows;
    while (hub->oldest <= hub->newest.rev &&
           (hub->ring_bytes + bytes > RING_BYTES || hub->newest.rev - hub->oldest + 1 >= RING_REVISIONS))
        forget_oldest(hub);
    struct slot *slot = &hub->ring[revision->rev % RING_REVISIONS];
    journal_hold(rows);
    *slot = (struct slot){rows, revision, bytes};
    hub->ring_bytes += bytes;
    hub->newest.rev = revision->rev;
    hub->newest.tag = revision->tag;
    loop_touch(hub->loop, &hub->pump);
}

static const Qipan__Revision *ring_get(const struct hub *hub, int64_t rev)
{
    return rev >= hub->oldest && rev <= hub->newest.rev ? hub->ring[rev % RING_REVISIONS].revision : NULL;
}

/* ---- frames */

static void cursor_of(const struct position *p, Qipan__Cursor *c)
{
    qipan__cursor__init(c);
    c->has_epoch = c->has_rev = c->has_tag = true;
    c->epoch = p->epoch;
    c->rev = p->rev;
    c->tag = p->tag;
    c->has_idx = !p->whole;
    c->idx = p->idx;
}

static bool same_position(const struct position *a, const struct position *b)
{
    return a->rev == b->rev && a->whole == b->whole && (a->whole || a->idx == b->idx);
}

/* Sends what was gathered, or a bookmark when there is nothing but a new position, or a change of state. */
static void send_feed(struct watch *w, const char *state)
{
    struct hub *hub = w->hub;
    Qipan__Feed feed = QIPAN__FEED__INIT;
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Cursor after, upto;
    size_t n = hub->n;
    if (n && BUG("feed-bookmark-early")) {
        hub->n = 0;
        send_feed(w, NULL);
        hub->n = n;
    }
    if (n > 1 && BUG("feed-swap")) {
        hub->pointers[0] = &hub->events[1];
        hub->pointers[1] = &hub->events[0];
    }
    if (!state && hub->n == 0 && (same_position(&w->at, &w->told) || (w->summary && !w->at.whole)))
        return; /* a summary is due at the end of its revision: a place inside would lose it at resume */
    cursor_of(&w->told, &after);
    cursor_of(&w->at, &upto);
    feed.has_call = true;
    feed.call = w->call;
    feed.after = &after;
    feed.upto = &upto;
    feed.state = (char *)state;
    feed.has_behind = state != NULL;
    feed.behind = hub->newest.rev > w->at.rev ? hub->newest.rev - w->at.rev : 0;
    feed.n_events = hub->n;
    feed.events = hub->pointers;
    frame.feed = &feed;
    session_send(w->session, &frame);
    w->told = w->at;
    hub->n = hub->bytes = 0;
}

static void add_event(struct watch *w, const Qipan__Event *event, const char *view)
{
    struct hub *hub = w->hub;
    if (BUG_EACH("feed-drop", 1000))
        return;
    Qipan__Event *copy = &hub->events[hub->n];
    *copy = *event; /* the parts stay the ring's or the page's */
    copy->view = (char *)view;
    copy->has_epoch = true;
    copy->epoch = w->at.epoch;
    if (strcmp(view, "enter") != 0)
        copy->n_row = 0;
    if (strcmp(view, "leave") == 0)
        copy->n_changes = 0;
    size_t bytes = qipan__event__get_packed_size(copy) + 8;
    if (hub->n && (hub->bytes + bytes > FRAME_BYTES || hub->n == FRAME_EVENTS - 1)) {
        struct position here = w->at;
        Qipan__Event moved = *copy;
        w->at = w->told; /* the frame speaks up to the event before this one */
        w->at.rev = hub->events[hub->n - 1].rev;
        w->at.tag = hub->events[hub->n - 1].tag;
        w->at.idx = hub->events[hub->n - 1].idx;
        w->at.whole = false;
        w->at.epoch = here.epoch;
        send_feed(w, NULL);
        w->at = here;
        copy = &hub->events[0];
        *copy = moved;
    }
    hub->pointers[hub->n++] = copy;
    hub->bytes += bytes;
}

/* ---- one watch */

static bool is_echo(const struct watch *w, const Qipan__Event *e)
{
    size_t n = strlen(w->session->instance);
    return !w->echo && n && e->request && strncmp(e->request, w->session->instance, n) == 0 &&
           e->request[n] == '-' && e->actor && strcmp(e->actor, w->session->principal.name) == 0;
}

/* Of an import that concerns the watch it gets one line, at the end of the revision. */
static void summarise(struct watch *w, const Qipan__Event *event, const char *view)
{
    w->batch_seen |= view != NULL;
    if (!event->last || !w->batch_seen)
        return;
    Qipan__Event summary = *event;
    summary.type = (char *)"import.summary";
    summary.kind = (char *)"import";
    summary.object = event->batch;
    summary.has_version = false;
    summary.n_changes = 0;
    w->batch_seen = false;
    add_event(w, &summary, "update");
}

static void take_event(struct watch *w, const Qipan__Event *event)
{
    const char *view = is_echo(w, event) ? NULL : view_judge(&w->view, event);
    w->at = (struct position){event->epoch, event->rev, event->tag, event->idx, false};
    if (w->summary && event->batch)
        summarise(w, event, view);
    else if (view)
        add_event(w, event, view);
    else if (BUG_EACH("feed-leak", 100))
        add_event(w, event, "update");
    if (view && BUG_EACH("feed-twice", 1000))
        add_event(w, event, view);
    if (event->last)
        w->at.whole = true;
}

static bool room(const struct watch *w)
{
    return w->session->conn && !w->cancelled && conn_owed(w->session->conn) < CONN_HIGH;
}

/* False: the connection is full, the position stands between two changes. */
static bool take_events(struct watch *w, Qipan__Event *const *events, size_t n)
{
    bool inside = !w->at.whole;
    int64_t rev = w->at.rev;
    int32_t idx = w->at.idx;
    for (size_t i = 0; i < n; i++) {
        if (inside && events[i]->rev == rev && events[i]->idx <= idx)
            continue;
        if (!w->summary && !room(w))
            return false;
        take_event(w, events[i]);
    }
    return true;
}

static bool take_revision(struct watch *w, const Qipan__Revision *revision)
{
    if (!take_events(w, revision->events, revision->n_events))
        return false;
    w->at = (struct position){revision->epoch, revision->rev, revision->tag, 0, true};
    return true;
}

static void say_live(struct watch *w, bool live)
{
    if (w->live == live)
        return;
    w->live = live;
    send_feed(w, live ? "LIVE" : "CATCHUP");
}

static void fetch(struct watch *w, int64_t large_rev);

/* Feeds one watch as far as its connection has room. False: it must be looked at again without an event. */
static bool feed_watch(struct watch *w)
{
    struct hub *hub = w->hub;
    while (room(w)) {
        if (w->at.whole && w->at.rev >= hub->newest.rev) {
            say_live(w, true);
            break;
        }
        int64_t next = w->at.whole ? w->at.rev + 1 : w->at.rev;
        const Qipan__Revision *revision = ring_get(hub, next);
        if (!revision || revision->large) {
            send_feed(w, NULL);
            say_live(w, false);
            fetch(w, w->at.whole && w->large > w->at.rev ? w->large : revision || !w->at.whole ? next : 0);
            return true;
        }
        if (!take_revision(w, revision))
            break;
        if (hub->bytes > FRAME_BYTES / 2)
            send_feed(w, NULL);
    }
    if (hub->n)
        send_feed(w, NULL);
    return room(w) || !w->session->conn || w->session->conn->congested || w->cancelled;
}

static void watch_free(struct watch *w);
static void begin_when_known(struct watch *w);

/* ---- pages */

static void take_page_of_revision(struct watch *w, const Qipan__Revision *page, int64_t rev)
{
    take_events(w, page->events, page->n_events);
    if (page->n_events == 0) { /* the cursor stood behind its last change */
        w->at.rev = rev;
        w->at.whole = true;
    }
}

static void take_page(struct watch *w, const Qipan__JournalReadReply *page)
{
    for (size_t i = 0; i < page->n_rows; i++) {
        const Qipan__Revision *revision = page->rows[i];
        if (revision->rev > w->hub->newest.rev)
            return;
        if (revision->large) {
            w->large = revision->rev;
            return;
        }
        if (!take_revision(w, revision))
            return;
    }
}

/* Sooner stays: one watch's pause must not delay the others. */
static void look_again(struct hub *hub, uint64_t in_ms)
{
    if (!hub->again.slot || hub->again.at_ms > loop_now_ms(hub->loop) + in_ms)
        deadline_set(hub->deadlines, &hub->again, in_ms);
}

static void on_page(struct journal_query *q, struct journal_rows *rows, const char *code, Qipan__Error *error)
{
    struct watch *w = container_of(q, struct watch, page);
    (void)error;
    w->paging = false;
    if (w->cancelled || !w->session->conn) {
        watch_free(w);
        return;
    }
    if (!rows) {
        log_warn(w->session->conn->name, "watch %u: no page: %s", w->call, code);
    } else if (rows->reply->n_rows == 1 && !rows->reply->rows[0]->has_rev) {
        take_page_of_revision(w, rows->reply->rows[0], w->large);
        send_feed(w, NULL);
    } else {
        take_page(w, rows->reply);
        send_feed(w, NULL);
    }
    w->page_limit = rows ? JOURNAL_PAGE : w->page_limit > 8 ? w->page_limit / 8 : 1;
    look_again(w->hub, rows ? AGAIN_MS : PAGE_FAILED_MS);
}

/* large_rev: a page of that revision; 0: the next revisions. */
static void fetch(struct watch *w, int64_t large_rev)
{
    w->paging = true;
    w->page.done = on_page;
    w->page.account = w->session->principal.account;
    w->page.lang = w->session->lang;
    w->page.job.lane = POOL_READ;
    w->large = large_rev;
    if (large_rev)
        journal_page(w->hub->journal, &w->page, large_rev, w->at.whole ? -1 : w->at.idx, w->page_limit);
    else
        journal_read(w->hub->journal, &w->page, w->at.rev, w->page_limit);
}

/* ---- all watches */

static void pump(struct task *task)
{
    struct hub *hub = container_of(task, struct hub, pump);
    bool again = false;
    for (struct watch *w = hub->watches; w; w = w->next) {
        if (!w->started && !w->paging && w->session->conn)
            begin_when_known(w);
        if (w->started && !w->paging)
            again |= !feed_watch(w);
    }
    if (again)
        look_again(hub, AGAIN_MS);
}

static void on_again(struct deadline *d)
{
    struct hub *hub = container_of(d, struct hub, again);
    loop_touch(hub->loop, &hub->pump);
}

static void on_bookmarks(struct deadline *d)
{
    struct hub *hub = container_of(d, struct hub, bookmarks);
    deadline_set(hub->deadlines, &hub->bookmarks, BOOKMARK_MS);
    for (struct watch *w = hub->watches; w; w = w->next)
        if (w->started && !w->paging && room(w))
            send_feed(w, NULL);
}

struct hub *hub_new(struct loop *loop, struct deadlines *deadlines)
{
    struct hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return NULL;
    hub->loop = loop;
    hub->deadlines = deadlines;
    hub->oldest = 1;
    hub->pump.run = pump;
    hub->again.fire = on_again;
    hub->bookmarks.fire = on_bookmarks;
    deadline_set(deadlines, &hub->bookmarks, BOOKMARK_MS);
    return hub;
}

void hub_attach(struct hub *hub, struct journal *journal)
{
    hub->journal = journal;
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    deadline_clear(hub->deadlines, &hub->again);
    deadline_clear(hub->deadlines, &hub->bookmarks);
    loop_forget(hub->loop, &hub->pump);
    empty_ring(hub);
    free(hub);
}

/* ---- begin and end of a watch */

static void watch_free(struct watch *w)
{
    for (struct watch **p = (struct watch **)&w->session->watches; *p; p = &(*p)->session_next) {
        if (*p == w) {
            *p = w->session_next;
            break;
        }
    }
    if (w->back) {
        *w->back = w->next;
        if (w->next)
            w->next->back = w->back;
    }
    deadline_clear(w->hub->deadlines, &w->late);
    arena_free(&w->arena);
    session_unref(w->session);
    free(w);
}

static void refuse_watch(struct watch *w, const char *code, const char *field, Qipan__Error *error)
{
    Qipan__Error fresh = QIPAN__ERROR__INIT;
    if (!error) {
        fresh.field = (char *)field;
        error = &fresh;
    }
    if (field && strcmp(code, "INVALID_ARGUMENT") == 0) {
        size_t n = 0;
        while (view_fields[n])
            n++;
        error->n_allowed = n;
        error->allowed = (char **)view_fields;
    }
    session_fill_error(error, code, w->session->lang);
    session_reply(w->session, w->call, NULL, error);
    watch_free(w);
}

static void begin(struct watch *w)
{
    Qipan__WatchReply reply = QIPAN__WATCH_REPLY__INIT;
    Qipan__Cursor at;
    w->told = w->at;
    cursor_of(&w->at, &at);
    reply.at = &at;
    session_reply(w->session, w->call, &reply.base, NULL);
    w->started = true;
    deadline_clear(w->hub->deadlines, &w->late);
    if (!w->at.whole || w->at.rev < w->hub->newest.rev)
        send_feed(w, "CATCHUP");
    loop_touch(w->hub->loop, &w->hub->pump);
}

/* Now is not simply the newest number: a lower one may still be on its way. */
static void begin_when_known(struct watch *w)
{
    if (w->at.rev < 0 && w->hub->newest.rev < w->awaited && !w->overdue) {
        journal_kick(w->hub->journal);
        return;
    }
    if (w->at.rev < 0)
        w->at = w->hub->newest;
    begin(w);
}

static void on_seek(struct journal_seek *q, const Qipan__JournalSeekReply *reply, const char *code,
                    Qipan__Error *error)
{
    struct watch *w = container_of(q, struct watch, seek);
    FAILPOINT("watch-sought");
    w->paging = false;
    if (w->cancelled || !w->session->conn) {
        watch_free(w);
    } else if (!reply) {
        refuse_watch(w, error && error->code ? error->code : code, NULL, error);
    } else if (!reply->answer || strcmp(reply->answer, "OK") != 0) {
        refuse_watch(w, reply->answer ? reply->answer : "INTERNAL", "after", NULL);
    } else {
        if (w->from_start)
            w->at = (struct position){reply->epoch, reply->rev, reply->tag, 0, true};
        else if (w->at.rev < 0)
            w->awaited = reply->rev;
        deadline_set(w->hub->deadlines, &w->late, AWAIT_MS);
        begin_when_known(w);
    }
}

/* Either the registry doesn't say where the watch stands: then the call is answered all the same. Or a number below the
 * newest hangs: then the watch begins where this daemon is. */
static void on_late(struct deadline *d)
{
    struct watch *w = container_of(d, struct watch, late);
    if (!w->paging) {
        w->overdue = true;
        begin_when_known(w);
        return;
    }
    session_refuse(w->session, w->call, "UNAVAILABLE", NULL);
    w->cancelled = true;
    if (journal_seek_cancel(w->hub->journal, &w->seek))
        watch_free(w);
}

static struct watch *watch_new(struct hub *hub, struct session *s, uint32_t call)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->hub = hub;
    w->session = s;
    w->call = call;
    arena_init(&w->arena, 64 * 1024);
    session_ref(s);
    w->session_next = s->watches;
    s->watches = w;
    w->next = hub->watches;
    w->back = &hub->watches;
    if (w->next)
        w->next->back = &w->next;
    hub->watches = w;
    return w;
}

static struct watch *find(struct session *s, uint32_t call, int *ret_n)
{
    struct watch *found = NULL;
    *ret_n = 0;
    for (struct watch *w = s->watches; w; w = w->session_next, ++*ret_n)
        if (w->call == call && !w->cancelled)
            found = w;
    return found;
}

static void start_watch(struct watch *w, const Qipan__WatchRequest *request)
{
    const char *field = NULL;
    const char *code = view_compile(request->terms, request->n_terms, &w->arena, &w->view, &field);
    if (code) {
        refuse_watch(w, code, field, NULL);
        return;
    }
    w->echo = request->has_echo && request->echo;
    w->summary = request->has_summary && request->summary;
    Qipan__Cursor start = QIPAN__CURSOR__INIT; /* rev 0: before the first that is kept */
    w->from_start = request->has_from_start && request->from_start;
    const Qipan__Cursor *cursor = w->from_start ? &start : request->after;
    w->at = (struct position){.rev = -1, .whole = true};
    if (request->after && !w->from_start)
        w->at = (struct position){request->after->epoch, request->after->rev, request->after->tag,
                                  request->after->idx, !request->after->has_idx};
    if (BUG("feed-resume-late") && w->at.rev > 0)
        w->at.rev++;
    w->paging = true;
    w->page_limit = JOURNAL_PAGE;
    w->late.fire = on_late;
    deadline_set(w->hub->deadlines, &w->late, w->patience_ms);
    w->seek.done = on_seek;
    if (!journal_seek(w->hub->journal, &w->seek, cursor, request, w->session->principal.account,
                      w->session->lang))
        refuse_watch(w, "TOO_LARGE", "terms", NULL);
}

void hub_watch(struct hub *hub, struct session *s, const Qipan__Call *call)
{
    struct arena arena;
    struct msg_fault fault;
    ProtobufCMessage *message;
    int n;
    arena_init(&arena, LIMIT_ARENA);
    enum msg_result result = msg_unpack(&qipan__watch_request__descriptor, call->payload.data,
                                        call->has_payload ? call->payload.len : 0, &arena, &message, &fault);
    bool taken = find(s, call->call, &n) != NULL;
    struct watch *w = NULL;
    if (result != MSG_OK)
        session_refuse(s, call->call, result == MSG_INVALID_TEXT ? "INVALID_TEXT" : "MALFORMED", fault.field);
    else if (taken || n >= LIMIT_WATCHES)
        session_refuse(s, call->call, taken ? "PROTOCOL_ERROR" : "BUSY", "call");
    else if (!hub->journal || !(w = watch_new(hub, s, call->call)))
        session_refuse(s, call->call, "UNAVAILABLE", NULL);
    else {
        w->patience_ms = call->has_deadline_ms && call->deadline_ms && call->deadline_ms < LIMIT_DEADLINE_MS
                             ? call->deadline_ms
                             : LIMIT_DEADLINE_MS;
        start_watch(w, (Qipan__WatchRequest *)message);
    }
    arena_free(&arena);
}

static void end_watch(struct watch *w)
{
    w->cancelled = true;
    if (!w->paging)
        watch_free(w);
}

void hub_cancel(struct hub *hub, struct session *s, uint32_t call)
{
    int n;
    struct watch *w = find(s, call, &n);
    (void)hub;
    if (w)
        end_watch(w);
}

void hub_writable(struct hub *hub, struct session *s)
{
    if (s->watches)
        loop_touch(hub->loop, &hub->pump);
}

void hub_farewell(struct hub *hub, struct session *s)
{
    (void)hub;
    for (struct watch *w = s->watches; w; w = w->session_next)
        if (w->started && !w->cancelled && room(w))
            send_feed(w, NULL);
}

void hub_gone(struct hub *hub, struct session *s)
{
    (void)hub;
    for (struct watch *w = s->watches, *next; w; w = next) {
        next = w->session_next;
        if (!w->cancelled)
            end_watch(w);
    }
}
