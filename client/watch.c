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
        return w->part == WATCH_TAIL;
    }
    if (!qipan_cursor_parse(since, &c))
        return false;
    w->at = cursor_of(&c);
    w->placed = true;
    w->part = w->at.inside ? WATCH_SNAPSHOT : WATCH_TAIL;
    return true;
}

/* A cursor alone says nothing of what was told before it. */
static bool recall(struct qipan_watch *w, const char *memory)
{
    if (!w->placed || !memory || !*memory) {
        memory_clear(&w->memory, w->at.rev);
        memory_place(&w->memory, &w->at);
        return true;
    }
    if (!memory_read(&w->memory, memory))
        return false;
    if (w->memory.n_places == 0)
        w->memory.floor = w->at.rev;
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

static const char *fault(struct qipan_watch *w, const struct qipan_watch_options *o)
{
    if (!place(w, o->since))
        return "since";
    if (!recall(w, o->memory))
        return "memory";
    if (o->credit > WATCH_CREDIT_MAX)
        return "credit";
    return copy_terms(w, o->terms, o->n_terms) ? NULL : "terms";
}

struct qipan_watch *watch_new(const struct qipan_watch_options *options, qipan_watch_fn *fn, void *arg,
                              const char **ret_code, const char **ret_field)
{
    struct qipan_watch *w = calloc(1, sizeof *w);

    *ret_code = "BUSY";
    *ret_field = NULL;
    if (!w)
        return NULL;
    arena_init(&w->arena, LIMIT_ARENA);
    memory_init(&w->memory);
    w->fn = fn;
    w->arg = arg;
    w->echo = options->echo;
    w->summary = options->summary;
    w->part = options->snapshot ? WATCH_SNAPSHOT : WATCH_TAIL;
    w->credit = options->credit ? (int64_t)options->credit : CREDIT_DEFAULT;
    *ret_code = "INVALID_ARGUMENT";
    *ret_field = fault(w, options);
    if (!*ret_field)
        return w;
    watch_free(w);
    return NULL;
}

void watch_free(struct qipan_watch *w)
{
    if (!w)
        return;
    memory_clear(&w->memory, 0);
    arena_free(&w->arena);
    free(w);
}

void qipan_watch_pause(struct qipan_watch *w, bool pause)
{
    w->paused = pause;
}

char *qipan_watch_memory(const struct qipan_watch *w)
{
    return memory_text(&w->memory);
}

void watch_own_change(struct qipan_watch *w, const char *id, int64_t rev)
{
    if (w->echo || !w->placed)
        return;
    if (id)
        memory_told(&w->memory, id, rev);
    else
        memory_clear(&w->memory, rev);
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

/* The places a request points to: they live as long as it. */
struct places {
    Qipan__Cursor after, known[LIMIT_KNOWN], *list[LIMIT_KNOWN];
    char *objects[LIMIT_OBJECTS];
};

static void name_known(const struct qipan_watch *w, Qipan__WatchRequest *r, struct places *p)
{
    const struct cursor *known[LIMIT_KNOWN];

    r->n_known = memory_known(&w->memory, w->part == WATCH_TAIL ? &w->at : &w->from, known);
    r->known = p->list;
    for (size_t i = 0; i < r->n_known; i++) {
        cursor_put(known[i], &p->known[i]);
        p->list[i] = &p->known[i];
    }
}

static void name_places(const struct qipan_watch *w, Qipan__WatchRequest *r, struct places *p)
{
    bool repair = w->part == WATCH_CHANGED || w->part == WATCH_FORKED;

    if (w->part != WATCH_TAIL)
        r->snapshot = (char *)(repair ? "changed" : "all");
    if (!w->placed || (w->part == WATCH_SNAPSHOT && !w->at.inside))
        return;
    cursor_put(repair ? &w->from : &w->at, &p->after);
    r->after = &p->after;
    if (w->part != WATCH_SNAPSHOT)
        name_known(w, r, p);
    if (repair) /* also what a repair that was cut short told, under other rights perhaps */
        r->n_objects = memory_behind(&w->memory, w->from.rev, r->objects = p->objects);
}

bool watch_ask(struct qipan_watch *w, struct link *l, uint32_t id)
{
    Qipan__WatchRequest request = QIPAN__WATCH_REQUEST__INIT;
    struct places places;

    name_places(w, &request, &places);
    request.has_from_start = request.from_start = w->from_start && !w->placed;
    request.has_echo = request.echo = w->echo;
    request.has_summary = request.summary = w->summary;
    request.terms = w->terms;
    request.n_terms = w->n_terms;
    request.has_credit = true;
    request.credit = w->paused ? 0 : (uint64_t)w->credit;
    if (!send_request(l, id, &request))
        return false;
    w->id = id;
    w->state = WATCH_ASKED;
    w->credit_left = (int64_t)request.credit;
    return true;
}

bool watch_wants_credit(const struct qipan_watch *w)
{
    return w->state == WATCH_ON && !w->paused && w->credit_left <= w->credit / 2;
}

bool watch_grant(struct qipan_watch *w, struct link *l)
{
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Credit credit = QIPAN__CREDIT__INIT;

    credit.has_call = credit.has_bytes = true;
    credit.call = w->id;
    credit.bytes = (uint64_t)(w->credit - w->credit_left);
    frame.credit = &credit;
    if (!link_send(l, &frame))
        return false;
    w->credit_left = w->credit;
    return true;
}

/* ---------------------------------------------------------------- telling */

/* False when the host closed the watch meanwhile. */
static bool tell(struct qipan_watch *w, struct qipan_notice *notice)
{
    const struct cursor *c = w->holding ? &w->held : &w->at;
    char text[QIPAN_CURSOR_SIZE];

    if (notice->kind != QIPAN_ENDED) {
        cursor_text(c, text);
        notice->cursor = text;
        notice->rev = c->rev;
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

static enum watch_verdict end_with(struct qipan_watch *w, const Qipan__Error *error, const char *lang)
{
    struct qipan_notice notice = {.kind = QIPAN_ENDED};
    struct arena arena;

    arena_init(&arena, 2 * LIMIT_ARENA);
    notice.error = call_error_copy(&arena, error, lang);
    tell(w, &notice);
    arena_free(&arena);
    return WATCH_OVER;
}

void watch_end(struct qipan_watch *w, const char *code, const char *detail, const char *lang)
{
    struct qipan_notice notice = {.kind = QIPAN_ENDED};
    struct arena arena;

    arena_init(&arena, LIMIT_ARENA);
    notice.error = call_error(&arena, code, detail, lang);
    tell(w, &notice);
    arena_free(&arena);
}

static enum watch_verdict gap(struct qipan_watch *w, const char *lang)
{
    if (++w->gaps <= WATCH_GAPS_MAX)
        return WATCH_GAP;
    watch_end(w, "INTERNAL", "the feed has a gap", lang);
    return WATCH_OVER;
}

/* ---------------------------------------------------------------- repairs */

static void hold(struct qipan_watch *w)
{
    if (!w->holding)
        w->held = w->at;
    w->holding = true;
}

static bool tell_diverged(struct qipan_watch *w, const struct cursor *fork)
{
    struct qipan_notice notice = {.kind = QIPAN_DIVERGED};
    char text[QIPAN_CURSOR_SIZE];

    if (fork) {
        cursor_text(fork, text);
        notice.fork = text;
    }
    return tell(w, &notice);
}

/* All that was told is void. */
static enum watch_verdict start_over(struct qipan_watch *w)
{
    hold(w);
    memory_clear(&w->memory, 0);
    w->part = WATCH_SNAPSHOT;
    w->at.inside = false;
    return tell_diverged(w, NULL) ? WATCH_FINE : WATCH_OVER;
}

/* When nothing was told behind the fork, there is nothing to repair and nothing to say. */
static enum watch_verdict go_back(struct qipan_watch *w, const struct cursor *fork)
{
    memory_forget_behind(&w->memory, fork->rev);
    if (!w->holding && !memory_told_behind(&w->memory, fork->rev)) {
        w->at = *fork;
        w->part = WATCH_TAIL;
        return WATCH_FINE;
    }
    hold(w);
    w->from = *fork;
    w->part = WATCH_FORKED;
    return tell_diverged(w, fork) ? WATCH_FINE : WATCH_OVER;
}

/* A running watch may be told so by a daemon that knows fewer places than we: then our own decide. */
static enum watch_verdict diverged(struct qipan_watch *w, const Qipan__Error *error, bool running)
{
    struct cursor fork = cursor_of(error->fork);

    if (running && (!error->fork || fork.rev < w->memory.floor))
        return WATCH_FINE;
    if (!error->fork || fork.inside || w->part == WATCH_SNAPSHOT || fork.rev < w->memory.floor)
        return start_over(w);
    return go_back(w, &fork);
}

/* What was told up to here stands, but not all of it will be told on: too old, or our rights are others now. */
static enum watch_verdict catch_up(struct qipan_watch *w, const char *state)
{
    struct qipan_notice lapsed = {.kind = QIPAN_STATE, .state = state};

    if (w->part != WATCH_TAIL)
        return start_over(w);
    hold(w);
    w->from = w->at;
    w->part = WATCH_CHANGED;
    return tell(w, &lapsed) ? WATCH_FINE : WATCH_OVER;
}

/* ---------------------------------------------------------------- hearing */

static enum watch_verdict refused(struct qipan_watch *w, const Qipan__Error *error, int64_t now_ms,
                                  const char *lang)
{
    const char *code = error->code ? error->code : "INTERNAL";
    bool fell_back = strcmp(code, "DIVERGED") == 0, turned = strcmp(code, "RIGHTS_CHANGED") == 0;
    bool lapsed = strcmp(code, "COMPACTED") == 0;
    bool running = w->state == WATCH_ON;

    w->state = WATCH_IDLE;
    if (strcmp(code, "RETRY_ELSEWHERE") == 0)
        return WATCH_ELSEWHERE;
    if (error_info(code)->retry == ERROR_LATER || error_info(code)->retry == ERROR_CARE) {
        w->retry_ms = now_ms + (error->has_retry_after_ms ? error->retry_after_ms : WATCH_RETRY_MS);
        return WATCH_FINE;
    }
    if (!(fell_back || lapsed || turned) || !w->placed || ++w->repairs > WATCH_REPAIRS_MAX)
        return end_with(w, error, lang);
    return fell_back ? diverged(w, error, running) : catch_up(w, turned ? "RIGHTS" : "LAPSED");
}

static bool unpack_begin(const Qipan__Reply *reply, struct cursor *ret)
{
    struct arena arena;
    ProtobufCMessage *message = NULL;
    struct msg_fault fault;
    bool good;

    arena_init(&arena, LIMIT_ARENA);
    good = msg_take(&qipan__watch_reply__descriptor, reply->payload.data, reply->payload.len, &arena,
                    &message, &fault) == MSG_OK &&
           ((Qipan__WatchReply *)message)->at;
    if (good)
        *ret = cursor_of(((Qipan__WatchReply *)message)->at);
    arena_free(&arena);
    return good;
}

/* Is this where what was asked for begins? */
static bool begins_right(const struct qipan_watch *w, const struct cursor *begin)
{
    if (w->part == WATCH_TAIL ? w->placed : w->part == WATCH_SNAPSHOT && w->at.inside)
        return cursor_same(begin, &w->at);
    return w->part == WATCH_TAIL ? !begin->inside : begin->inside && !*begin->object;
}

/* The first place of all, or of a snapshot: nothing told before it matters but what a repair needs. */
static void begin_at(struct qipan_watch *w, const struct cursor *begin)
{
    bool repair = w->part == WATCH_CHANGED || w->part == WATCH_FORKED;

    if (!w->placed || (w->part == WATCH_SNAPSHOT && !*begin->object))
        memory_clear(&w->memory, begin->rev);
    else if (repair)
        memory_reached(&w->memory, INT64_MAX);
    w->at = *begin;
    w->placed = true;
    if (!w->holding)
        memory_place(&w->memory, begin);
}

enum watch_verdict watch_reply(struct qipan_watch *w, const Qipan__Reply *reply, int64_t now_ms,
                               const char *lang)
{
    struct cursor begin;

    if (reply->error)
        return refused(w, reply->error, now_ms, lang);
    if (!unpack_begin(reply, &begin) || w->state != WATCH_ASKED || !begins_right(w, &begin))
        return gap(w, lang);
    w->state = WATCH_ON;
    begin_at(w, &begin);
    if (!w->announced && !tell_bookmark(w))
        return WATCH_OVER;
    return WATCH_FINE;
}

/* Each event behind the one before, none behind `upto`. A frame may end with the last change of a revision and call that
 * place by its index: so the ends are compared by index, the order by what the event's own cursor says. */
static bool in_order(const Qipan__Feed *feed, struct cursor at, const struct cursor *upto)
{
    struct cursor end = at;

    for (size_t i = 0; i < feed->n_events; i++) {
        struct cursor c = cursor_of_event(feed->events[i], upto->epoch);

        end = c;
        end.idx = feed->events[i]->idx;
        if (!feed->events[i]->has_rev || !cursor_before(&at, &end) || cursor_before(upto, &end))
            return false;
        at = c;
    }
    return !cursor_before(upto, &end);
}

/* Objects of a snapshot come in the order of their ids; its last frame ends outside, at the snapshot's revision. */
static bool objects_in_order(const Qipan__Feed *feed, const struct cursor *at, const struct cursor *upto)
{
    const char *last = at->object;

    for (size_t i = 0; i < feed->n_events; i++) {
        const char *id = feed->events[i]->object;

        if (!id || strlen(id) >= QIPAN_OBJECT_SIZE || strcmp(last, id) >= 0)
            return false;
        last = id;
    }
    return upto->epoch == at->epoch && (!upto->inside || strcmp(last, upto->object) <= 0);
}

static bool deliver(struct qipan_watch *w, const Qipan__Event *event)
{
    struct qipan_notice notice = {.kind = QIPAN_EVENT, .event = event};

    if (event->object)
        memory_told(&w->memory, event->object, event->rev > w->at.rev ? event->rev : w->at.rev);
    if (!w->at.inside)
        memory_place(&w->memory, &w->at);
    return tell(w, &notice);
}

/* Too much changes meanwhile: from the beginning. */
static enum watch_verdict again(struct qipan_watch *w, const char *lang)
{
    if (++w->repairs <= WATCH_REPAIRS_MAX)
        return start_over(w) == WATCH_FINE ? WATCH_AGAIN : WATCH_OVER;
    watch_end(w, "INTERNAL", "the snapshot is overtaken", lang);
    return WATCH_OVER;
}

static enum watch_verdict take_objects(struct qipan_watch *w, const Qipan__Feed *feed, const char *lang)
{
    for (size_t i = 0; i < feed->n_events; i++) {
        const Qipan__Event *e = feed->events[i];

        if (e->has_rev && e->rev > w->at.rev && !memory_show(&w->memory, e->object, e->rev))
            return again(w, lang);
        snprintf(w->at.object, sizeof w->at.object, "%s", e->object);
        if (!deliver(w, e))
            return WATCH_OVER;
    }
    return WATCH_FINE;
}

/* What a snapshot told already is left out. */
static bool take_changes(struct qipan_watch *w, const Qipan__Feed *feed, const struct cursor *upto,
                         bool *ret_told)
{
    *ret_told = false;
    for (size_t i = 0; i < feed->n_events; i++) {
        const Qipan__Event *e = feed->events[i];

        w->at = cursor_of_event(e, upto->epoch);
        if (e->object && memory_was_shown(&w->memory, e->object, e->rev))
            continue;
        *ret_told = true;
        if (!deliver(w, e))
            return false;
    }
    w->at = *upto;
    memory_place(&w->memory, upto);
    memory_reached(&w->memory, upto->idx == CURSOR_ALL ? upto->rev : upto->rev - 1);
    return true;
}

/* The snapshot or repair is complete. */
static bool settle(struct qipan_watch *w)
{
    w->at.inside = w->holding = false;
    w->at.object[0] = '\0';
    w->part = WATCH_TAIL;
    memory_place(&w->memory, &w->at);
    return tell_bookmark(w);
}

static enum watch_verdict take_snapshot(struct qipan_watch *w, const Qipan__Feed *feed,
                                        const struct cursor *upto, const char *lang)
{
    enum watch_verdict v = take_objects(w, feed, lang);

    if (v != WATCH_FINE)
        return v;
    if (upto->inside)
        w->at = *upto;
    else if (!settle(w))
        return WATCH_OVER;
    return WATCH_FINE;
}

static enum watch_verdict take_tail(struct qipan_watch *w, const Qipan__Feed *feed, const struct cursor *upto)
{
    bool told;

    w->repairs = 0;
    if (!take_changes(w, feed, upto, &told))
        return WATCH_OVER;
    if (!told && !feed->state && !tell_bookmark(w))
        return WATCH_OVER;
    return WATCH_FINE;
}

static bool joins(const struct qipan_watch *w, const Qipan__Feed *feed, const struct cursor *upto)
{
    struct cursor after = cursor_of(feed->after);

    if (!feed->after || !feed->upto || !cursor_same(&after, &w->at))
        return false;
    if (w->at.inside)
        return upto->rev == w->at.rev && objects_in_order(feed, &w->at, upto);
    return !upto->inside && in_order(feed, after, upto);
}

enum watch_verdict watch_feed(struct qipan_watch *w, const Qipan__Feed *feed, size_t frame_bytes,
                              int64_t now_ms, const char *lang)
{
    struct cursor upto = cursor_of(feed->upto);
    struct qipan_notice state = {.kind = QIPAN_STATE, .state = feed->state, .behind = feed->behind};
    bool inside = w->at.inside;
    enum watch_verdict v;

    w->credit_left -= (int64_t)frame_bytes;
    if (feed->error && w->state == WATCH_ON)
        return refused(w, feed->error, now_ms, lang);
    if (w->state != WATCH_ON || !joins(w, feed, &upto))
        return gap(w, lang);
    w->gaps = 0;
    if (inside && feed->state && !tell(w, &state))
        return WATCH_OVER;
    v = inside ? take_snapshot(w, feed, &upto, lang) : take_tail(w, feed, &upto);
    if (v == WATCH_FINE && !inside && feed->state && !tell(w, &state))
        return WATCH_OVER;
    return v;
}
