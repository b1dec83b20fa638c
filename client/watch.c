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
    if (!qipan_cursor_parse(since, &c))
        return false;
    w->at = cursor_of(&c);
    w->placed = true;
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
    *ret_code = "INVALID_ARGUMENT";
    if (!place(w, options->since) || !copy_terms(w, options->terms, options->n_terms)) {
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

bool watch_ask(struct qipan_watch *w, struct link *l, uint32_t id)
{
    Qipan__WatchRequest request = QIPAN__WATCH_REQUEST__INIT;
    Qipan__Cursor after;

    if (w->placed) {
        cursor_put(&w->at, &after);
        request.after = &after;
    }
    request.has_from_start = request.from_start = w->from_start && !w->placed;
    request.has_echo = request.echo = w->echo;
    request.has_summary = request.summary = w->summary;
    request.terms = w->terms;
    request.n_terms = w->n_terms;
    if (!send_request(l, id, &request))
        return false;
    w->id = id;
    w->state = WATCH_ASKED;
    return true;
}

/* ---------------------------------------------------------------- telling */

/* False when the host closed the watch meanwhile. */
static bool tell(struct qipan_watch *w, struct qipan_notice *notice)
{
    Qipan__Cursor c;
    char text[QIPAN_CURSOR_SIZE];

    if (notice->kind != QIPAN_ENDED) {
        cursor_put(&w->at, &c);
        qipan_cursor_text(&c, text);
        notice->cursor = text;
        notice->rev = w->at.rev;
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

/* ---------------------------------------------------------------- hearing */

static enum watch_verdict refused(struct qipan_watch *w, const Qipan__Error *error, int64_t now_ms,
                                  const char *lang)
{
    struct arena arena;
    const char *code = error->code ? error->code : "INTERNAL";

    w->state = WATCH_IDLE;
    if (strcmp(code, "RETRY_ELSEWHERE") == 0)
        return WATCH_ELSEWHERE;
    if (error_info(code)->retry == ERROR_LATER) {
        w->retry_ms = now_ms + WATCH_RETRY_MS;
        return WATCH_FINE;
    }
    arena_init(&arena, 2 * LIMIT_ARENA);
    end_with(w, call_error_copy(&arena, error, lang));
    arena_free(&arena);
    return WATCH_OVER;
}

enum watch_verdict watch_reply(struct qipan_watch *w, const Qipan__Reply *reply, int64_t now_ms,
                               const char *lang)
{
    struct arena arena;
    ProtobufCMessage *message = NULL;
    struct msg_fault fault;
    struct cursor begin = {0};
    bool good;

    if (reply->error)
        return refused(w, reply->error, now_ms, lang);
    arena_init(&arena, LIMIT_ARENA);
    good = msg_unpack(&qipan__watch_reply__descriptor, reply->payload.data, reply->payload.len, &arena,
                      &message, &fault) == MSG_OK &&
           ((Qipan__WatchReply *)message)->at;
    if (good)
        begin = cursor_of(((Qipan__WatchReply *)message)->at);
    arena_free(&arena);
    if (!good || w->state != WATCH_ASKED || (w->placed && !cursor_same(&begin, &w->at)))
        return gap(w, lang);
    w->state = WATCH_ON;
    w->at = begin;
    w->placed = true;
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

static bool deliver(struct qipan_watch *w, const Qipan__Feed *feed, const struct cursor *upto)
{
    for (size_t i = 0; i < feed->n_events; i++) {
        struct qipan_notice notice = {.kind = QIPAN_EVENT, .event = feed->events[i]};

        w->at = cursor_of_event(feed->events[i], upto->epoch);
        if (!tell(w, &notice))
            return false;
    }
    w->at = *upto;
    return true;
}

enum watch_verdict watch_feed(struct qipan_watch *w, const Qipan__Feed *feed, const char *lang)
{
    struct cursor after = cursor_of(feed->after), upto = cursor_of(feed->upto);
    struct qipan_notice state = {.kind = QIPAN_STATE, .state = feed->state, .behind = feed->behind};

    if (w->state != WATCH_ON || !feed->after || !feed->upto || !cursor_same(&after, &w->at) ||
        !in_order(feed, after, &upto))
        return gap(w, lang);
    w->gaps = 0;
    if (!deliver(w, feed, &upto))
        return WATCH_OVER;
    if (feed->state && !tell(w, &state))
        return WATCH_OVER;
    if (feed->n_events == 0 && !feed->state && !tell_bookmark(w))
        return WATCH_OVER;
    return WATCH_FINE;
}
