/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include "call.h"
#include "limits.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- life */

static bool place(struct qipan_watch *w, const char *since)
{
    Qipan__Cursor c;

    if (!since || strcmp(since, "now") == 0)
        return true;
    if (strcmp(since, "0") == 0) {
        w->from_start = true;
        return true;
    }
    if (!qipan_cursor_parse(since, &c) || (c.object && !w->snapshot))
        return false;
    w->at = w->safe = cursor_of(&c);
    w->placed = true;
    w->phase = c.object ? WATCH_SNAPSHOT : WATCH_TAIL;
    w->memory.forgotten = c.rev;
    return true;
}

/* The place itself counts as known, with or without what was kept beside it. */
static bool remember(struct qipan_watch *w, const char *memory)
{
    if (!w->placed)
        return true;
    if (memory && *memory && !memory_parse(&w->memory, memory))
        return false;
    memory_place(&w->memory, &w->at);
    return true;
}

static bool copy_terms(struct qipan_watch *w, Qipan__Term *const *terms, size_t n)
{
    Qipan__WatchRequest all = QIPAN__WATCH_REQUEST__INIT;
    ProtobufCMessage *copy = NULL;
    struct msg_fault fault;
    uint8_t *bytes;
    size_t size;

    all.terms = (Qipan__Term **)terms;
    all.n_terms = n;
    size = qipan__watch_request__get_packed_size(&all);
    if (size > LIMIT_FRAME || !(bytes = arena_alloc(&w->arena, size + 1)))
        return false;
    qipan__watch_request__pack(&all, bytes);
    if (msg_unpack(&qipan__watch_request__descriptor, bytes, size, &w->arena, &copy, &fault) != MSG_OK)
        return false;
    w->terms = ((Qipan__WatchRequest *)copy)->terms;
    w->n_terms = ((Qipan__WatchRequest *)copy)->n_terms;
    return true;
}

struct qipan_watch *watch_new(const struct qipan_watch_options *options, qipan_watch_fn *fn, void *arg,
                              const char **ret_code)
{
    struct qipan_watch *w = calloc(1, sizeof *w);

    *ret_code = "BUSY";
    if (!w)
        return NULL;
    arena_init(&w->arena, LIMIT_ARENA);
    w->fn = fn;
    w->arg = arg;
    w->echo = options->echo;
    w->summary = options->summary;
    w->snapshot = options->snapshot;
    memory_init(&w->memory);
    *ret_code = "INVALID_ARGUMENT";
    if (!place(w, options->since) || !remember(w, options->memory) ||
        !copy_terms(w, options->terms, options->n_terms)) {
        watch_free(w);
        return NULL;
    }
    return w;
}

void watch_free(struct qipan_watch *w)
{
    if (!w)
        return;
    arena_free(&w->arena);
    memory_free(&w->memory);
    free(w->fresh);
    free(w);
}

/* ---------------------------------------------------------------- asking */

static bool send_request(struct link *l, uint32_t id, const Qipan__WatchRequest *request)
{
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Call call = QIPAN__CALL__INIT;
    size_t n = qipan__watch_request__get_packed_size(request);
    uint8_t *bytes = n <= LIMIT_FRAME ? malloc(n + 1) : NULL;
    bool sent;

    if (!bytes)
        return false;
    qipan__watch_request__pack(request, bytes);
    call.has_call = call.has_op = call.has_payload = true;
    call.call = id;
    call.op = OP_watch;
    call.payload.data = bytes;
    call.payload.len = n;
    frame.call = &call;
    sent = link_send(l, &frame);
    free(bytes);
    return sent;
}

/* What a resumed tail is known by, should the registry have fallen back meanwhile. */
struct places {
    Qipan__Cursor after, known[LIMIT_KNOWN], *list[LIMIT_KNOWN];
    char *objects[LIMIT_OBJECTS];
};

static void ask_for_tail(const struct qipan_watch *w, Qipan__WatchRequest *request, struct places *p)
{
    if (!w->placed) {
        request->has_from_start = request->from_start = w->from_start;
        return;
    }
    cursor_put(&w->at, &p->after);
    request->after = &p->after;
    for (int i = 0; i < w->memory.n_places; i++) {
        cursor_put(&w->memory.places[i], &p->known[i]);
        p->list[i] = &p->known[i];
    }
    request->n_known = (size_t)w->memory.n_places;
    request->known = p->list;
}

static void ask_for_changed(const struct qipan_watch *w, Qipan__WatchRequest *request, struct places *p)
{
    request->snapshot = (char *)"changed";
    cursor_put(&w->since, &p->after);
    request->after = &p->after;
    request->n_objects = memory_behind(&w->memory, w->since.rev, p->objects);
    request->objects = p->objects;
}

static void ask_for_all(const struct qipan_watch *w, Qipan__WatchRequest *request, struct places *p)
{
    request->snapshot = (char *)"all";
    if (w->phase == WATCH_SNAPSHOT && w->placed) {
        cursor_put(&w->at, &p->after);
        request->after = &p->after;
    }
}

bool watch_ask(struct qipan_watch *w, struct link *l, uint32_t id)
{
    Qipan__WatchRequest request = QIPAN__WATCH_REQUEST__INIT;
    struct places places;

    if (w->phase == WATCH_MENDING)
        ask_for_changed(w, &request, &places);
    else if (w->phase == WATCH_MENDING_ALL || w->phase == WATCH_SNAPSHOT || (w->snapshot && !w->placed))
        ask_for_all(w, &request, &places);
    else
        ask_for_tail(w, &request, &places);
    request.has_echo = request.echo = w->echo;
    request.has_summary = request.summary = w->summary;
    request.has_credit = true;
    request.credit = w->paused ? 0 : CREDIT_DEFAULT;
    w->taken = w->paused ? CREDIT_DEFAULT : 0; /* given when the pause ends */
    request.terms = w->terms;
    request.n_terms = w->n_terms;
    if (!send_request(l, id, &request))
        return false;
    w->id = id;
    w->state = WATCH_ASKED;
    return true;
}

void watch_give_credit(struct qipan_watch *w, struct link *l)
{
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Credit credit = QIPAN__CREDIT__INIT;

    if (w->state != WATCH_ON || w->paused || w->taken < CREDIT_DEFAULT / 2)
        return;
    credit.has_call = credit.has_bytes = true;
    credit.call = w->id;
    credit.bytes = w->taken;
    frame.credit = &credit;
    if (link_send(l, &frame))
        w->taken = 0;
}

/* ---------------------------------------------------------------- telling */

/* False when the host closed the watch meanwhile. */
static bool tell(struct qipan_watch *w, struct qipan_notice *notice)
{
    Qipan__Cursor c;
    char text[QIPAN_CURSOR_SIZE];

    if (notice->kind != QIPAN_ENDED && notice->kind != QIPAN_DIVERGED) {
        cursor_put(&w->safe, &c);
        qipan_cursor_text(&c, text);
        notice->cursor = text;
        notice->rev = w->safe.rev;
    }
    w->busy = true;
    w->fn(notice, w->arg);
    w->busy = false;
    return !w->closed;
}

static bool tell_bookmark(struct qipan_watch *w)
{
    struct qipan_notice notice = {.kind = QIPAN_BOOKMARK};

    w->announced = true;
    return tell(w, &notice);
}

static void end_with(struct qipan_watch *w, const Qipan__Error *error)
{
    struct qipan_notice notice = {.kind = QIPAN_ENDED, .error = error};

    tell(w, &notice);
}

void watch_end(struct qipan_watch *w, const char *code, const char *detail, const char *lang)
{
    struct arena arena;

    arena_init(&arena, LIMIT_ARENA);
    end_with(w, call_error(&arena, code, detail, lang));
    arena_free(&arena);
}

static enum watch_verdict gap(struct qipan_watch *w, const char *lang)
{
    if (++w->gaps <= WATCH_GAPS_MAX)
        return WATCH_GAP;
    watch_end(w, "INTERNAL", "the feed has a gap", lang);
    return WATCH_OVER;
}

/* ---------------------------------------------------------------- putting right */

/* What was told behind `fork` belongs to a history that is gone. */
static enum watch_verdict diverged(struct qipan_watch *w, const Qipan__Error *error)
{
    struct qipan_notice notice = {.kind = QIPAN_DIVERGED};
    char text[QIPAN_CURSOR_SIZE];
    bool covered = error->fork && error->fork->has_rev && memory_covers(&w->memory, error->fork->rev);

    w->phase = covered ? WATCH_MENDING : WATCH_MENDING_ALL;
    w->since = cursor_of(error->fork);
    if (covered) {
        qipan_cursor_text(error->fork, text);
        notice.cursor = text;
        notice.rev = w->since.rev;
    }
    return tell(w, &notice) ? WATCH_FINE : WATCH_OVER;
}

/* The feed doesn't reach back that far any more; the objects changed since are known. */
static enum watch_verdict lapsed(struct qipan_watch *w)
{
    struct qipan_notice notice = {.kind = QIPAN_STATE, .state = "LAPSED"};

    w->phase = WATCH_MENDING;
    w->since = w->at;
    return tell(w, &notice) ? WATCH_FINE : WATCH_OVER;
}

/* The first frame behind a snapshot: from now on the host's place is ours again. */
static bool all_told(struct qipan_watch *w)
{
    bool mended = w->phase == WATCH_MENDING || w->phase == WATCH_MENDING_ALL;

    if (w->phase == WATCH_MENDING)
        memory_cut(&w->memory, w->since.rev);
    else if (w->phase == WATCH_MENDING_ALL)
        memory_free(&w->memory);
    w->phase = WATCH_TAIL;
    w->safe = w->at;
    return !mended || tell_bookmark(w);
}

/* ---------------------------------------------------------------- hearing */

void watch_lost(struct qipan_watch *w)
{
    w->state = WATCH_IDLE;
}

static enum watch_verdict ended(struct qipan_watch *w, const Qipan__Error *error, const char *lang)
{
    struct arena arena;

    arena_init(&arena, 2 * LIMIT_ARENA);
    end_with(w, call_error_copy(&arena, error, lang));
    arena_free(&arena);
    return WATCH_OVER;
}

static enum watch_verdict refused(struct qipan_watch *w, const Qipan__Error *error, int64_t now_ms,
                                  const char *lang)
{
    const char *code = error->code ? error->code : "INTERNAL";
    bool tail = w->phase == WATCH_TAIL && w->placed;

    w->state = WATCH_IDLE;
    if (strcmp(code, "RETRY_ELSEWHERE") == 0)
        return WATCH_ELSEWHERE;
    if (error_info(code)->retry == ERROR_LATER) {
        w->retry_ms = now_ms + WATCH_RETRY_MS;
        return WATCH_FINE;
    }
    if (strcmp(code, "DIVERGED") == 0 && w->phase != WATCH_MENDING_ALL && ++w->mended <= WATCH_MENDS_MAX)
        return diverged(w, error);
    if (strcmp(code, "COMPACTED") == 0 && tail && ++w->mended <= WATCH_MENDS_MAX)
        return lapsed(w);
    return ended(w, error, lang);
}

static void begin_snapshot(struct qipan_watch *w)
{
    w->n_fresh = 0;
    if (w->phase == WATCH_TAIL)
        w->phase = WATCH_SNAPSHOT;
}

enum watch_verdict watch_reply(struct qipan_watch *w, const Qipan__Reply *reply, int64_t now_ms,
                               const char *lang)
{
    struct arena arena;
    ProtobufCMessage *message = NULL;
    struct msg_fault fault;
    struct cursor begin = {0};
    bool good, mending = w->phase == WATCH_MENDING || w->phase == WATCH_MENDING_ALL;

    if (reply->error)
        return refused(w, reply->error, now_ms, lang);
    arena_init(&arena, LIMIT_ARENA);
    good = msg_unpack(&qipan__watch_reply__descriptor, reply->payload.data, reply->payload.len, &arena,
                      &message, &fault) == MSG_OK &&
           ((Qipan__WatchReply *)message)->at;
    if (good)
        begin = cursor_of(((Qipan__WatchReply *)message)->at);
    arena_free(&arena);
    if (!good || w->state != WATCH_ASKED || (w->placed && !mending && !cursor_same(&begin, &w->at)))
        return gap(w, lang);
    w->state = WATCH_ON;
    w->at = begin;
    if (!mending)
        w->safe = begin;
    w->placed = true;
    if (begin.inside && begin.object[0] == '\0')
        begin_snapshot(w);
    if (!w->announced && !mending && !tell_bookmark(w))
        return WATCH_OVER;
    return WATCH_FINE;
}

/* Where an event of this frame stands. Objects of a snapshot stand by their ids, whatever their revisions are. */
static struct cursor place_of(const Qipan__Event *e, const struct cursor *after, const struct cursor *upto)
{
    struct cursor c;

    if (!after->inside)
        return cursor_of_event(e, upto->epoch);
    c = *after;
    snprintf(c.object, sizeof c.object, "%s", e->object ? e->object : "");
    return c;
}

/* Each event behind the one before, none behind `upto`. A frame may end with the last change of a revision and call that
 * place by its index: so the ends are compared by index, the order by what the event's own cursor says. */
static bool in_order(const Qipan__Feed *feed, const struct cursor *after, const struct cursor *upto)
{
    struct cursor at = *after, end = at;

    for (size_t i = 0; i < feed->n_events; i++) {
        struct cursor c = place_of(feed->events[i], after, upto);

        end = c;
        if (!after->inside)
            end.idx = feed->events[i]->idx;
        if (!feed->events[i]->has_rev || !cursor_before(&at, &end) || cursor_before(upto, &end))
            return false;
        at = c;
    }
    return !cursor_before(upto, &end);
}

/* An object that a snapshot told as of a revision behind its place: the tail will bring that change again. */
static bool keep_fresh(struct qipan_watch *w, const Qipan__Event *e)
{
    struct told *t;

    if (e->rev <= w->at.rev || !e->object || strlen(e->object) >= MEMORY_ID)
        return true;
    if (w->n_fresh == WATCH_FRESH_MAX)
        return false;
    if ((w->n_fresh & (w->n_fresh - 1)) == 0) { /* full: a power of two */
        t = realloc(w->fresh, (w->n_fresh ? 2 * w->n_fresh : 1) * sizeof *t);
        if (!t)
            return false;
        w->fresh = t;
    }
    t = &w->fresh[w->n_fresh++];
    t->rev = e->rev;
    strcpy(t->id, e->object);
    return true;
}

static bool told_already(struct qipan_watch *w, const Qipan__Event *e)
{
    bool ahead = false;

    for (size_t i = 0; i < w->n_fresh; i++) {
        if (e->rev <= w->fresh[i].rev && e->object && strcmp(w->fresh[i].id, e->object) == 0)
            return true;
        ahead |= w->fresh[i].rev > e->rev;
    }
    if (!ahead)
        w->n_fresh = 0;
    return false;
}

/* The host gets it, unless it has it already. False: the watch is over. */
static bool deliver_one(struct qipan_watch *w, const Qipan__Event *e, const struct cursor *place)
{
    struct qipan_notice notice = {.kind = QIPAN_EVENT, .event = e};
    bool known = !place->inside && told_already(w, e);

    w->at = *place;
    if (w->phase == WATCH_TAIL || w->phase == WATCH_SNAPSHOT)
        w->safe = w->at;
    if (e->object)
        memory_object(&w->memory, e->rev, e->object);
    return known || tell(w, &notice);
}

static bool deliver(struct qipan_watch *w, const Qipan__Feed *feed, const struct cursor *upto)
{
    struct cursor after = w->at;

    for (size_t i = 0; i < feed->n_events; i++) {
        struct cursor place = place_of(feed->events[i], &after, upto);

        if (!deliver_one(w, feed->events[i], &place))
            return false;
    }
    w->at = *upto;
    if (w->phase == WATCH_TAIL || w->phase == WATCH_SNAPSHOT)
        w->safe = w->at;
    memory_place(&w->memory, upto);
    return !after.inside || upto->inside || all_told(w);
}

static bool fresh_fits(struct qipan_watch *w, const Qipan__Feed *feed, const struct cursor *after)
{
    for (size_t i = 0; after->inside && i < feed->n_events; i++)
        if (!keep_fresh(w, feed->events[i]))
            return false;
    return true;
}

enum watch_verdict watch_feed(struct qipan_watch *w, const Qipan__Feed *feed, size_t n, int64_t now_ms,
                              const char *lang)
{
    struct cursor after = cursor_of(feed->after), upto = cursor_of(feed->upto);
    struct qipan_notice state = {.kind = QIPAN_STATE, .state = feed->state, .behind = feed->behind};

    w->taken += n;
    if (feed->error)
        return refused(w, feed->error, now_ms, lang);
    if (w->state != WATCH_ON || !feed->after || !feed->upto || !cursor_same(&after, &w->at) ||
        !in_order(feed, &after, &upto) || !fresh_fits(w, feed, &after))
        return gap(w, lang);
    w->gaps = w->mended = 0;
    if (!deliver(w, feed, &upto))
        return WATCH_OVER;
    if (feed->state && !tell(w, &state))
        return WATCH_OVER;
    if (feed->n_events == 0 && !feed->state && !tell_bookmark(w))
        return WATCH_OVER;
    return WATCH_FINE;
}
