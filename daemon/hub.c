/* SPDX-License-Identifier: Apache-2.0 */
/* Slow readers. A watch holds no queue: it has a place, and the journal is the buffer. Those in step with the daemon (LIVE)
 * have not even that of their own; the rest (CATCHUP) are fed one by one, from the ring of recent revisions (at most
 * RING_REVISIONS or RING_BYTES) or, when that doesn't reach back far enough or a large revision concerns them, from pages of the
 * journal that all of them share (PAGES_BYTES). A watch is fed while
 *   - its connection owes less than CONN_HIGH: then it waits until that has fallen to CONN_LOW, and
 *   - it has credit, in bytes of frames, which the client grants: the last frame may overdraw it by less than 64 KiB.
 * Otherwise it simply isn't fed and goes on where it stopped. In one turn those behind get TURN_BYTES together, so that a
 * thousand of them don't hold up the LIVE ones and the calls. So a reader that stops costs its connection's buffers and
 * a place, delays nobody, and misses nothing; each frame that says CATCHUP says how far it is behind. One that stood still for
 * LAPSE_MS and whose place is older than the registry's min_rev is LAPSED: told so, with COMPACTED, and forgotten.
 *
 * Proof of completeness: every frame says after which place it begins and up to which it speaks; `told` is the end of
 * the last one. Revisions that don't concern the watch only move the place; a bookmark tells it now and then. */
#include "hub.h"

#include "failpoint.h"
#include "limits.h"
#include "log.h"
#include "resume.h"
#include "snapshot.h"
#include <stdlib.h>
#include <string.h>

#define RING_BYTES     (8 * 1024 * 1024)
#define TURN_BYTES     (1024 * 1024)
#define FAN_EVENTS     512 /* judged before they are sent: bounds what waits in between */
#define BOOKMARK_MS    5000
#define BOOKMARK_PARTS 20 /* not all at once */
#define AGAIN_MS       1
#define LAPSE_MS       5000

static const char LIVE[] = "LIVE", CATCHUP[] = "CATCHUP";

/* ---- the ring */

static void forget_oldest(struct hub *hub)
{
    struct packed **slot = &hub->ring[hub->oldest++ % RING_REVISIONS];
    hub->ring_bytes -= (*slot)->weight;
    packed_drop(*slot);
    *slot = NULL;
}

static void empty_ring(struct hub *hub)
{
    while (hub->oldest <= hub->newest.rev)
        forget_oldest(hub);
}

static struct packed *ring_get(const struct hub *hub, int64_t rev)
{
    return rev >= hub->oldest && rev <= hub->newest.rev ? hub->ring[rev % RING_REVISIONS] : NULL;
}

/* Places at growing distance: what a watch was told may be behind a fork, one of these is before it. */
static void remember_places(struct hub *hub)
{
    hub->n_known = 0;
    for (int64_t back = 0; hub->n_known < KNOWN_PLACES; back = back ? back * 2 : 1) {
        const struct packed *p = ring_get(hub, hub->newest.rev - back);
        if (!p)
            break;
        hub->known[hub->n_known++] = p->at;
    }
}

void hub_begin(struct hub *hub, int64_t epoch, int64_t rev, uint64_t tag)
{
    struct watch *w, *next;
    remember_places(hub);
    empty_ring(hub);
    if (hub->pages)
        pages_forget(hub->pages);
    hub->newest = hub->here = (struct place){.epoch = epoch, .rev = rev, .tag = tag, .whole = true};
    hub->oldest = rev + 1;
    loop_touch(hub->loop, &hub->pump);
    if (hub->begun) {
        for (w = TAILQ_FIRST(&hub->watches); w; w = next) {
            next = TAILQ_NEXT(w, all);
            resume_again(w);
        }
    }
    hub->begun = true;
}

/* A project is hidden, or shown: what waits here about it is told, or not, as it may be seen now. */
static void turn_audiences(struct hub *hub, const struct packed *by)
{
    for (size_t i = 0; i < by->n; i++) {
        if (!by->events[i].event->n_audience_old)
            continue;
        for (int64_t rev = hub->oldest; rev <= hub->newest.rev; rev++)
            packed_turn(hub->ring[rev % RING_REVISIONS], &by->events[i]);
        if (hub->pages)
            pages_forget(hub->pages);
    }
}

void hub_publish(struct hub *hub, struct journal_rows *rows, const Qipan__Revision *revision)
{
    struct packed *p = packed_new(rows, revision);
    if (!p)
        log_die("out of memory"); /* going on would break the promise of the feed */
    while (hub->oldest <= hub->newest.rev &&
           (hub->ring_bytes + p->weight > RING_BYTES || hub->newest.rev - hub->oldest + 1 >= RING_REVISIONS))
        forget_oldest(hub);
    if (p->large && !p->n) { /* it may hide what waits here, and doesn't say what: the journal is read anew */
        empty_ring(hub);
        if (hub->pages)
            pages_forget(hub->pages);
    }
    hub->ring[p->at.rev % RING_REVISIONS] = p;
    hub->ring_bytes += p->weight;
    hub->newest = p->at;
    turn_audiences(hub, p);
    loop_touch(hub->loop, &hub->pump);
}

/* ---- frames */

bool watch_room(const struct watch *w)
{
    return !w->session->unsure && w->credit > 0 && conn_owed(w->session->conn) < CONN_HIGH;
}

void watch_emit(struct watch *w, struct place upto, const char *upto_object, const char *state)
{
    struct hub *hub = w->hub;
    struct feed_head head = {.call = w->call, .after = w->told, .upto = upto, .state = state};
    head.after_object = w->told_object;
    head.upto_object = upto_object;
    size_t n, n_pieces = hub->n;
    if (n_pieces && BUG("feed-bookmark-early")) {
        hub->n = 0;
        watch_emit(w, upto, upto_object, NULL);
        hub->n = n_pieces;
        head.after = upto;
    }
    if (n_pieces > 1 && BUG("feed-swap")) {
        struct piece first = hub->pieces[0];
        hub->pieces[0] = hub->pieces[1];
        hub->pieces[1] = first;
    }
    head.behind = hub->newest.rev > upto.rev ? hub->newest.rev - upto.rev : 0;
    const uint8_t *frame = framer_frame(&hub->framer, &head, hub->pieces, n_pieces, &n);
    conn_send_bytes(w->session->conn, frame, n);
    w->credit -= (int64_t)(n - FRAME_HEADER);
    w->told = upto;
    w->told_object = upto_object;
    w->moved = true;
    hub->turn_bytes += n;
    hub->n = hub->bytes = 0;
}

static void emit(struct watch *w, struct place upto, const char *state)
{
    watch_emit(w, upto, NULL, state);
}

/* Known by the account and by the request id. */
static bool is_echo(const struct watch *w, const struct packed_event *e)
{
    const Qipan__Event *event = e->event;
    size_t n = strlen(w->session->instance);
    return e->actor == w->actor && n && event->request &&
           strncmp(event->request, w->session->instance, n) == 0 && event->request[n] == '-' &&
           event->actor && strcmp(event->actor, w->session->principal.name) == 0;
}

/* False: no room left, and the hit isn't taken. */
static bool gather(struct watch *w, const struct hit *hit)
{
    struct hub *hub = w->hub;
    enum packed_form form;
    if (!packed_in_sight(hit->event, &w->session->principal.grants, hit->form, &form) ||
        (w->actor && is_echo(w, hit->event)) || BUG_EACH("feed-drop", 1000))
        return true;
    struct piece piece = packed_piece(hit->event, form);
    if (!piece.bytes) {
        conn_kill(w->session->conn, "out of memory");
        return true;
    }
    if (hub->n && (hub->n >= PACKED_PIECES - 1 || hub->bytes + piece.n > PACKED_BYTES)) {
        emit(w, hub->last, NULL);
        if (!watch_room(w))
            return false;
    }
    for (int times = BUG_EACH("feed-twice", 1000) ? 2 : 1; times; times--)
        hub->pieces[hub->n++] = piece;
    hub->bytes += piece.n;
    hub->last = packed_place(hit->event);
    return true;
}

static void say(struct watch *w, const char *state, struct place upto)
{
    if (w->said == state)
        return;
    w->said = state;
    emit(w, upto, state);
}

/* ---- lists */

void watch_unlist(struct watch *w)
{
    struct hub *hub = w->hub;
    if (w->state == WATCH_LIVE) {
        TAILQ_REMOVE(&w->interest->members, w, queue);
        interest_part(hub->interests, w->interest);
        w->state = WATCH_BEHIND;
    } else if (w->state == WATCH_WAITING) {
        TAILQ_REMOVE(&hub->waiting, w, queue);
        w->state = WATCH_SEEKING;
    } else if (w->queued != OFF) {
        TAILQ_REMOVE(w->queued == READY ? &hub->ready : &hub->for_page, w, queue);
    }
    w->queued = OFF;
}

void watch_queue(struct watch *w, enum watch_state state)
{
    struct hub *hub = w->hub;
    watch_unlist(w);
    w->state = state;
    if (state == WATCH_WAITING) {
        TAILQ_INSERT_TAIL(&hub->waiting, w, queue);
    } else {
        TAILQ_INSERT_TAIL(&hub->ready, w, queue);
        w->queued = READY;
    }
    loop_touch(hub->loop, &hub->pump);
}

/* Sooner stays: one watch's pause must not delay the others. */
void hub_look_again(struct hub *hub, uint64_t in_ms)
{
    if (!hub->again.slot || hub->again.at_ms > loop_now_ms(hub->loop) + in_ms)
        deadline_set(hub->deadlines, &hub->again, in_ms);
}

static void fall_behind(struct watch *w, struct place at)
{
    watch_queue(w, WATCH_BEHIND);
    w->at = at;
    w->batch_seen = false;
}

/* ---- those in step */

static void tell_live(struct watch *w, const struct hits *hits, struct place before)
{
    struct hub *hub = w->hub;
    if (!watch_room(w)) {
        fall_behind(w, before);
        return;
    }
    for (size_t i = 0; i < hits->n; i++) {
        if (!gather(w, &hits->v[i])) {
            fall_behind(w, w->told);
            return;
        }
    }
    if (hub->n)
        emit(w, hub->here, NULL);
}

static void tell_hits(struct hub *hub, struct place before)
{
    struct interest *i;
    while ((i = interests_next(hub->interests))) {
        for (struct watch *w = TAILQ_FIRST(&i->members), *next; w; w = next) {
            next = TAILQ_NEXT(w, queue);
            tell_live(w, &i->hits, before);
        }
        interest_done(i);
    }
}

/* Does a large revision pass a watch by, with nothing or with the summary of its import? (Were all of its objects hidden since,
 * that would be a large revision, too, and not pass.) */
static bool passes(const struct watch *w, struct packed *p, struct hit *ret_hit)
{
    const struct interest *i = w->interest;
    enum view_chance chance = p->subjects ? view_chance(&i->view, p->subjects) : VIEW_PERHAPS;
    bool sums_up =
        i->summary && chance == VIEW_SURELY && p->n && p->events[0].ends_batch && p->events[0].open;
    *ret_hit = (struct hit){sums_up ? &p->events[0] : NULL, PACKED_SUMMARY};
    return chance == VIEW_NEVER || sums_up;
}

/* It isn't packed: whom it concerns gets it by pages. */
static void tell_large(struct hub *hub, struct packed *p, struct place before)
{
    struct watch *w;
    for (w = TAILQ_FIRST(&hub->watches); w; w = TAILQ_NEXT(w, all)) {
        struct hit hit;
        if (w->state != WATCH_LIVE)
            continue;
        if (!passes(w, p, &hit))
            fall_behind(w, before);
        else if (hit.event)
            tell_live(w, &(struct hits){&hit, 1, 1}, before);
    }
}

/* What came between is no longer here: everybody gets it by pages. */
static void all_fall_behind(struct hub *hub)
{
    struct watch *w;
    for (w = TAILQ_FIRST(&hub->watches); w; w = TAILQ_NEXT(w, all))
        if (w->state == WATCH_LIVE)
            fall_behind(w, hub->here);
    hub->here = hub->newest;
}

static void fan_out(struct hub *hub)
{
    struct place before = hub->here;
    size_t events = 0;
    while (hub->here.rev < hub->newest.rev) {
        struct packed *p = ring_get(hub, hub->here.rev + 1);
        if (!p || p->large || events >= FAN_EVENTS) {
            tell_hits(hub, before);
            before = hub->here;
            events = 0;
        }
        if (!p) {
            all_fall_behind(hub);
            return;
        }
        if (!p->large)
            interests_take(hub->interests, p);
        hub->here = p->at;
        events += p->n;
        if (p->large) {
            tell_large(hub, p, before);
            before = hub->here;
            events = 0;
        }
    }
    tell_hits(hub, before);
}

/* ---- those behind */

/* False: no room; `at` stands before the event that wasn't taken. */
static bool take_events(struct watch *w, struct packed *p)
{
    struct place inside = w->at;
    for (size_t i = 0; i < p->n; i++) {
        struct packed_event *e = &p->events[i];
        struct hit hit;
        if (!inside.whole && e->event->rev == inside.rev && e->event->idx <= inside.idx)
            continue;
        if (!watch_room(w))
            return false;
        if (interest_judge(w->interest, &w->batch_seen, e, &hit) && !gather(w, &hit))
            return false;
        w->at = packed_place(e);
    }
    return true;
}

static void flush(struct watch *w)
{
    if (w->hub->n)
        emit(w, w->batch_seen ? w->hub->last : w->at, NULL);
}

static bool take_revision(struct watch *w, struct packed *p)
{
    if (!take_events(w, p))
        return false;
    w->at = p->at;
    if (w->hub->bytes > PACKED_BYTES / 2)
        flush(w);
    return true;
}

static void take_page(struct watch *w, const struct page *page)
{
    if (page->n == 0) /* the void between two epochs */
        w->at = page->settled;
    for (size_t i = 0; i < page->n; i++) {
        struct packed *p = page->revisions[i];
        if (p->at.rev <= w->at.rev)
            continue;
        if (p->large || !take_revision(w, p))
            break;
    }
}

static bool take_part(struct watch *w, const struct page *page, int64_t rev)
{
    struct packed *p = page->revisions[0];
    if (p->n == 0) { /* its place was behind the last change */
        w->at.rev = rev;
        w->at.whole = true;
        return true;
    }
    return take_events(w, p);
}

/* What stands behind its place in the page, if that is a large revision. */
static const struct packed *large_next(const struct watch *w, const struct page *page)
{
    for (size_t i = 0; i < page->n; i++)
        if (page->revisions[i]->at.rev > w->at.rev)
            return page->revisions[i]->large ? page->revisions[i] : NULL;
    return NULL;
}

/* From the journal. False: the page isn't there yet. */
static bool take_from_pages(struct watch *w, const struct packed *in_ring)
{
    struct hub *hub = w->hub;
    const struct packed *large = w->at.whole ? in_ring : NULL;
    if (w->at.whole && !large) {
        const struct page *page = pages_behind(hub->pages, w->at.rev, hub->newest);
        large = page ? large_next(w, page) : NULL;
        if (page && !large)
            take_page(w, page);
        if (!large)
            return page != NULL;
    }
    if (large && large->subjects && view_chance(&w->interest->view, large->subjects) == VIEW_NEVER) {
        w->at = large->at;
        return true;
    }
    int64_t part = large ? large->at.rev : w->at.rev;
    const struct page *page = pages_part(hub->pages, part, w->at.whole ? -1 : w->at.idx);
    if (page)
        take_part(w, page, part);
    return page != NULL;
}

/* In step, if it can be told so. */
static bool go_live(struct watch *w)
{
    struct hub *hub = w->hub;
    flush(w);
    if (!watch_room(w))
        return false;
    w->at = hub->here;
    say(w, LIVE, w->at);
    if (!interest_join(hub->interests, w->interest))
        return false;
    w->state = WATCH_LIVE;
    TAILQ_INSERT_TAIL(&w->interest->members, w, queue);
    return true;
}

void watch_wait_for_page(struct watch *w)
{
    w->queued = FOR_PAGE;
    TAILQ_INSERT_TAIL(&w->hub->for_page, w, queue);
}

/* Without credit or with a congested connection it is woken; else the connection may have room again in a moment. */
void watch_wait_for_room(struct watch *w)
{
    if (watch_room(w) || (w->credit > 0 && !w->session->conn->congested)) {
        watch_queue(w, w->state);
        loop_forget(w->hub->loop, &w->hub->pump);
        hub_look_again(w->hub, AGAIN_MS);
    }
}

/* Feeds one that is off all lists as far as it goes, and puts it where it belongs then. */
static void feed_behind(struct watch *w)
{
    struct hub *hub = w->hub;
    while (watch_room(w) && hub->turn_bytes < TURN_BYTES) {
        if (w->at.whole && w->at.rev >= hub->here.rev) {
            if (go_live(w))
                return;
            break;
        }
        struct packed *p = ring_get(hub, w->at.whole ? w->at.rev + 1 : w->at.rev);
        if (p && !p->large) {
            take_revision(w, p);
            continue;
        }
        flush(w);
        if (!watch_room(w))
            break;
        say(w, CATCHUP, w->batch_seen ? w->told : w->at);
        if (!take_from_pages(w, p)) {
            watch_wait_for_page(w);
            return;
        }
    }
    flush(w);
    watch_wait_for_room(w);
}

void watch_start(struct watch *w, bool fresh)
{
    struct hub *hub = w->hub;
    w->started = true;
    watch_queue(w, w->snapshot ? WATCH_SNAPSHOT : WATCH_BEHIND);
    if (fresh && !w->snapshot && (!w->at.whole || w->at.rev < hub->newest.rev) && watch_room(w))
        say(w, CATCHUP, w->at);
}

/* ---- all of them */

static void feed_ready(struct hub *hub)
{
    struct watch *last = TAILQ_LAST(&hub->ready, watch_list), *w = NULL;
    while (last && w != last) {
        w = TAILQ_FIRST(&hub->ready);
        watch_unlist(w);
        if (w->state == WATCH_SNAPSHOT)
            snapshot_feed(w);
        else
            feed_behind(w);
    }
}

static void pump(struct task *task)
{
    struct hub *hub = container_of(task, struct hub, pump);
    framer_forget(&hub->framer);
    hub->turn_bytes = 0;
    fan_out(hub);
    for (struct watch *w = TAILQ_FIRST(&hub->waiting), *next; w; w = next) {
        next = TAILQ_NEXT(w, queue);
        resume_look(w);
    }
    hub->turn_bytes = 0;
    feed_ready(hub);
}

static void on_again(struct deadline *d)
{
    struct hub *hub = container_of(d, struct hub, again);
    loop_touch(hub->loop, &hub->pump);
}

static void on_page(void *owner)
{
    hub_pages_arrived(owner);
}

void hub_pages_arrived(struct hub *hub)
{
    struct watch *w;
    while ((w = TAILQ_FIRST(&hub->for_page)))
        watch_queue(w, w->state);
}

/* A summary is due at the end of its revision: a place inside would lose it at resume. */
static void bookmark(struct watch *w)
{
    struct place upto = w->state == WATCH_LIVE ? w->hub->here : w->at;
    if ((w->state == WATCH_LIVE || w->state == WATCH_BEHIND) && w->started && !w->batch_seen &&
        watch_room(w) && !place_same(&upto, &w->told))
        emit(w, upto, NULL);
}

static void on_bookmarks(struct deadline *d)
{
    struct hub *hub = container_of(d, struct hub, bookmarks);
    deadline_set(hub->deadlines, &hub->bookmarks, BOOKMARK_MS / BOOKMARK_PARTS);
    for (size_t n = (hub->n_watches + BOOKMARK_PARTS - 1) / BOOKMARK_PARTS; n; n--) {
        struct watch *w = TAILQ_FIRST(&hub->watches);
        TAILQ_REMOVE(&hub->watches, w, all);
        TAILQ_INSERT_TAIL(&hub->watches, w, all);
        bookmark(w);
    }
}

static void end_lapsed(struct watch *w)
{
    Qipan__Error error = QIPAN__ERROR__INIT;
    error.has_rev = true;
    error.rev = w->hub->min_rev;
    session_fill_error(&error, "COMPACTED", w->session->lang);
    watch_end(w, "LAPSED", &error);
}

/* The registry is asked about the one that is furthest behind; its answer is for all. */
static void on_lapse(struct deadline *d)
{
    struct hub *hub = container_of(d, struct hub, lapse);
    struct watch *oldest = NULL;
    deadline_set(hub->deadlines, &hub->lapse, LAPSE_MS);
    for (struct watch *w = TAILQ_FIRST(&hub->watches), *next; w; w = next) {
        next = TAILQ_NEXT(w, all);
        bool stands = w->started && !w->moved && w->queued == OFF &&
                      (w->state == WATCH_BEHIND || w->state == WATCH_SNAPSHOT);
        w->moved = false;
        if (stands && w->told.rev < hub->min_rev - 1)
            end_lapsed(w);
        else if (stands && (!oldest || w->told.rev < oldest->told.rev))
            oldest = w;
    }
    if (oldest)
        resume_probe(oldest);
}

struct hub *hub_new(struct loop *loop, struct deadlines *deadlines)
{
    struct hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return NULL;
    hub->loop = loop;
    hub->deadlines = deadlines;
    if (!(hub->interests = interests_new())) {
        free(hub);
        return NULL;
    }
    hub->oldest = 1;
    TAILQ_INIT(&hub->watches);
    TAILQ_INIT(&hub->waiting);
    TAILQ_INIT(&hub->ready);
    TAILQ_INIT(&hub->for_page);
    hub->pump.run = pump;
    hub->again.fire = on_again;
    hub->bookmarks.fire = on_bookmarks;
    hub->lapse.fire = on_lapse;
    deadline_set(deadlines, &hub->bookmarks, BOOKMARK_MS / BOOKMARK_PARTS);
    deadline_set(deadlines, &hub->lapse, LAPSE_MS);
    return hub;
}

void hub_attach(struct hub *hub, struct journal *journal)
{
    hub->journal = journal;
    hub->pages = pages_new(hub->loop, hub->deadlines, journal, on_page, hub);
}

bool hub_watched(const struct hub *hub)
{
    return hub->n_watches > 0;
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    deadline_clear(hub->deadlines, &hub->again);
    deadline_clear(hub->deadlines, &hub->bookmarks);
    deadline_clear(hub->deadlines, &hub->lapse);
    loop_forget(hub->loop, &hub->pump);
    pages_free(hub->pages);
    empty_ring(hub);
    interests_free(hub->interests);
    free(hub);
}

/* ---- begin and end of a watch */

void watch_free(struct watch *w)
{
    watch_unlist(w);
    for (struct watch **p = (struct watch **)&w->session->watches; *p; p = &(*p)->session_next) {
        if (*p == w) {
            *p = w->session_next;
            break;
        }
    }
    TAILQ_REMOVE(&w->hub->watches, w, all);
    w->hub->n_watches--;
    resume_drop(w->beginning);
    snapshot_drop(w->snapshot);
    interest_put(w->hub->interests, w->interest);
    session_unref(w->session);
    free(w);
}

void watch_end(struct watch *w, const char *state, Qipan__Error *error)
{
    Qipan__Feed feed = QIPAN__FEED__INIT;
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Cursor at;
    place_cursor(&w->told, &at);
    at.object = (char *)w->told_object;
    feed.has_call = true;
    feed.call = w->call;
    feed.after = feed.upto = &at;
    feed.state = (char *)state;
    feed.error = error;
    frame.feed = &feed;
    log_info(w->session->conn->name, "watch %u ends: %s", w->call, error->code);
    session_send(w->session, &frame);
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
    session_ref(s);
    w->session_next = s->watches;
    s->watches = w;
    TAILQ_INSERT_TAIL(&hub->watches, w, all);
    hub->n_watches++;
    return w;
}

static struct watch *find(struct session *s, uint32_t call, int *ret_n)
{
    struct watch *found = NULL;
    *ret_n = 0;
    for (struct watch *w = s->watches; w; w = w->session_next, ++*ret_n)
        if (w->call == call)
            found = w;
    return found;
}

static bool impossible(const Qipan__Cursor *c)
{
    return c->epoch < 0 || c->rev < 0 || (c->has_idx && c->idx < 0) ||
           (c->object && strlen(c->object) > PACKED_OBJECT);
}

/* The field that can't be, or NULL. */
static const char *fault_of(const Qipan__WatchRequest *r)
{
    if (r->after && impossible(r->after))
        return "after";
    if (r->n_known > LIMIT_KNOWN)
        return "known";
    for (size_t i = 0; i < r->n_known; i++)
        if (impossible(r->known[i]))
            return "known";
    if (r->has_credit && r->credit > LIMIT_CREDIT)
        return "credit";
    if (r->n_objects > LIMIT_OBJECTS)
        return "objects";
    if (!r->snapshot || (strcmp(r->snapshot, "all") == 0 && !r->from_start))
        return r->snapshot || !r->n_objects ? NULL : "objects";
    return strcmp(r->snapshot, "changed") != 0 || r->from_start ? "snapshot" : r->after ? NULL : "after";
}

static void refuse_terms(struct watch *w, const char *code, const char *field)
{
    Qipan__Error error = QIPAN__ERROR__INIT;
    error.field = (char *)field;
    if (strcmp(code, "INVALID_ARGUMENT") == 0) {
        error.n_allowed = VIEW_FIELDS;
        error.allowed = (char **)view_fields;
    }
    resume_refuse(w, code, NULL, &error);
}

static void start_watch(struct watch *w, const Qipan__WatchRequest *request, uint64_t patience_ms)
{
    const char *code, *field = fault_of(request);
    if (field) {
        resume_refuse(w, "INVALID_ARGUMENT", field, NULL);
        return;
    }
    w->interest = interest_get(w->hub->interests, request->terms, request->n_terms,
                               request->has_summary && request->summary, &code, &field);
    if (!w->interest) {
        refuse_terms(w, code, field);
        return;
    }
    if (!(request->has_echo && request->echo))
        w->actor = packed_hash(w->session->principal.name);
    if (request->snapshot && !snapshot_new(w, request)) {
        resume_refuse(w, "UNAVAILABLE", NULL, NULL);
        return;
    }
    w->credit = request->has_credit ? (int64_t)request->credit : CREDIT_DEFAULT;
    resume_begin(w, request, patience_ms);
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
    bool timed = call->has_deadline_ms && call->deadline_ms && call->deadline_ms < LIMIT_DEADLINE_MS;
    struct watch *w = NULL;
    if (result != MSG_OK)
        session_refuse(s, call->call, msg_code(result), fault.field);
    else if (taken || n >= LIMIT_WATCHES)
        session_refuse(s, call->call, taken ? "PROTOCOL_ERROR" : "BUSY", "call");
    else if (!hub->journal || !(w = watch_new(hub, s, call->call)))
        session_refuse(s, call->call, "UNAVAILABLE", NULL);
    else
        start_watch(w, (Qipan__WatchRequest *)message, timed ? call->deadline_ms : LIMIT_DEADLINE_MS);
    arena_free(&arena);
}

void hub_cancel(struct hub *hub, struct session *s, uint32_t call)
{
    int n;
    struct watch *w = find(s, call, &n);
    (void)hub;
    if (w)
        watch_free(w);
}

/* A number that is no watch's is let pass: its watch may just have ended here. */
void hub_credit(struct hub *hub, struct session *s, const Qipan__Credit *credit)
{
    int n;
    struct watch *w = find(s, credit->call, &n);
    (void)hub;
    if (!w)
        return;
    if (credit->bytes > LIMIT_CREDIT || w->credit + (int64_t)credit->bytes > LIMIT_CREDIT) {
        Qipan__Error error = QIPAN__ERROR__INIT;
        error.field = (char *)"credit";
        session_fill_error(&error, "INVALID_ARGUMENT", s->lang);
        if (w->started)
            watch_end(w, NULL, &error);
        else
            resume_refuse(w, "INVALID_ARGUMENT", NULL, &error);
        return;
    }
    w->credit += (int64_t)credit->bytes;
    if ((w->state == WATCH_BEHIND || w->state == WATCH_SNAPSHOT) && w->queued == OFF)
        watch_queue(w, w->state);
}

void hub_writable(struct hub *hub, struct session *s)
{
    (void)hub;
    for (struct watch *w = s->watches; w; w = w->session_next)
        if ((w->state == WATCH_BEHIND || w->state == WATCH_SNAPSHOT) && w->queued == OFF)
            watch_queue(w, w->state);
}

static void end_turned(struct watch *w)
{
    Qipan__Error error = QIPAN__ERROR__INIT;
    session_fill_error(&error, "RIGHTS_CHANGED", w->session->lang);
    watch_end(w, "RIGHTS", &error);
}

/* What a watch was told was chosen under the old rights: it begins anew from its place, where the registry says what has
 * come into sight since and what has gone. */
void hub_rights(struct hub *hub, struct session *s, bool changed)
{
    if (!changed) {
        hub_writable(hub, s);
        return;
    }
    for (struct watch *w = s->watches, *next; w; w = next) {
        next = w->session_next;
        if (w->started)
            end_turned(w);
        else
            resume_again(w);
    }
}

void hub_farewell(struct hub *hub, struct session *s)
{
    (void)hub;
    for (struct watch *w = s->watches; w; w = w->session_next)
        bookmark(w);
}

void hub_gone(struct hub *hub, struct session *s)
{
    (void)hub;
    while (s->watches)
        watch_free(s->watches);
}
