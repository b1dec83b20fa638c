/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool call_changes(const struct op_info *op)
{
    return op->lane != LANE_READ && op->lane != LANE_FEED;
}

bool call_request_valid(const char *request)
{
    size_t n = strlen(request);

    return n >= 1 && n <= LIMIT_REQUEST_ID &&
           strspn(request, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") == n;
}

void calls_init(struct calls *c)
{
    memset(c, 0, sizeof *c);
    c->last = &c->first;
}

void call_free(struct call *call)
{
    if (!call)
        return;
    free(call->frame);
    free(call);
}

void calls_free(struct calls *c)
{
    while (c->first) {
        struct call *call = c->first;

        calls_take(c, call);
        call_free(call);
    }
}

/* ---------------------------------------------------------------- the list */

static bool pack(struct call *call, const Qipan__Call *message)
{
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    struct buf b;

    frame.call = (Qipan__Call *)message;
    buf_init(&b, LIMIT_FRAME + 64);
    if (!msg_put_frame(&b, &frame)) {
        buf_free(&b);
        return false;
    }
    call->n = buf_len(&b);
    call->frame = malloc(call->n);
    if (call->frame)
        memcpy(call->frame, buf_head(&b), call->n);
    buf_free(&b);
    return call->frame != NULL;
}

struct call *calls_add(struct calls *c, const Qipan__Call *message, const struct op_info *op,
                       const char **ret_code)
{
    struct call *call = calloc(1, sizeof *call);

    *ret_code = "BUSY";
    if (!call)
        return NULL;
    if (!pack(call, message)) {
        *ret_code = "TOO_LARGE";
        call_free(call);
        return NULL;
    }
    if (c->n >= QIPAN_CALLS_MAX || c->bytes + call->n > QIPAN_BYTES_MAX) {
        call_free(call);
        return NULL;
    }
    call->id = message->call;
    call->op = op;
    snprintf(call->request, sizeof call->request, "%s", message->request ? message->request : "");
    *c->last = call;
    c->last = &call->next;
    c->n++;
    c->bytes += call->n;
    return call;
}

struct call *calls_find(struct calls *c, uint32_t id)
{
    for (struct call *call = c->first; call; call = call->next)
        if (call->id == id)
            return call;
    return NULL;
}

void calls_take(struct calls *c, struct call *call)
{
    struct call **at = &c->first;

    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (c->last == &call->next)
        c->last = at;
    c->n--;
    c->bytes -= call->n;
    c->in_flight -= call->in_flight;
    call->next = NULL;
}

void calls_send(struct calls *c, struct link *l, size_t others_in_flight, int64_t now_ms)
{
    for (struct call *call = c->first; call; call = call->next) {
        if (call->in_flight || call->pause_ms > now_ms)
            continue;
        if (c->in_flight + others_in_flight >= LIMIT_IN_FLIGHT || !link_send_bytes(l, call->frame, call->n))
            return;
        call->in_flight = true;
        c->in_flight++;
    }
}

void calls_pause(struct calls *c, struct call *call, int64_t until_ms)
{
    c->in_flight -= call->in_flight;
    call->in_flight = false;
    call->pause_ms = until_ms;
    call->pauses++;
}

void calls_link_lost(struct calls *c)
{
    for (struct call *call = c->first; call; call = call->next) {
        call->unsure = call->unsure || (call->in_flight && call_changes(call->op));
        call->in_flight = false;
    }
    c->in_flight = 0;
}

struct call *calls_expired(struct calls *c, int64_t now_ms)
{
    for (struct call *call = c->first; call; call = call->next)
        if (call->due_ms <= now_ms)
            return call;
    return NULL;
}

int64_t calls_due(const struct calls *c)
{
    int64_t due = INT64_MAX;

    for (const struct call *call = c->first; call; call = call->next)
        if (call->due_ms < due)
            due = call->due_ms;
    return due;
}

int64_t calls_next(const struct calls *c)
{
    int64_t next = INT64_MAX;

    for (const struct call *call = c->first; call; call = call->next)
        if (!call->in_flight && call->pause_ms < next)
            next = call->pause_ms;
    return next;
}

/* ---------------------------------------------------------------- answers */

static char *default_text(struct arena *arena, const char *code, const char *lang)
{
    const struct error_info *info = error_info(code);

    return arena_strdup(arena, strcmp(lang, "en") == 0 ? info->text_en : info->text_zh);
}

Qipan__Error *call_error(struct arena *arena, const char *code, const char *detail, const char *lang)
{
    Qipan__Error *e = arena_alloc(arena, sizeof *e);
    char text[600];

    if (!e)
        return NULL;
    qipan__error__init(e);
    e->code = arena_strdup(arena, code);
    e->has_status = true;
    e->status = error_info(code)->status;
    e->message = default_text(arena, code, lang);
    if (detail && *detail && e->message) {
        snprintf(text, sizeof text, strcmp(lang, "en") == 0 ? "%s (%s)" : "%s(%s)", e->message, detail);
        e->message = arena_strdup(arena, text);
    }
    return e;
}

Qipan__Error *call_error_copy(struct arena *arena, const Qipan__Error *error, const char *lang)
{
    size_t n = qipan__error__get_packed_size(error);
    uint8_t *bytes = arena_alloc(arena, n + 1);
    ProtobufCMessage *copy = NULL;
    struct msg_fault fault;
    Qipan__Error *e;

    if (!bytes)
        return NULL;
    qipan__error__pack(error, bytes);
    if (msg_take(&qipan__error__descriptor, bytes, n, arena, &copy, &fault) != MSG_OK)
        return NULL;
    e = (Qipan__Error *)copy;
    if (!e->code)
        e->code = arena_strdup(arena, "INTERNAL");
    if (!e->message)
        e->message = default_text(arena, e->code, lang);
    return e;
}

/* Memory for these few words can't run out in an arena of that size unless the machine's has. */
static const Qipan__Error no_memory = {PROTOBUF_C_MESSAGE_INIT(&qipan__error__descriptor),
                                       .code = (char *)"INTERNAL", .message = (char *)"no memory"},
                          unread = {PROTOBUF_C_MESSAGE_INIT(&qipan__error__descriptor),
                                    .code = (char *)"UNKNOWN", .message = (char *)"no memory"};

/* Does it say what became of the change, whenever it was asked for? That is what the registry keeps with the request; the rest
 * speaks of one asking: "later", or what a daemon itself says, which may be another than the one before. */
static bool settles(const char *code)
{
    static const char *const daemons[] = {"INTERNAL", "UNIMPLEMENTED", "TOO_LARGE"};

    for (size_t i = 0; i < sizeof daemons / sizeof *daemons; i++)
        if (strcmp(code, daemons[i]) == 0)
            return false;
    return error_info(code)->retry == ERROR_NEVER;
}

static void finish(struct call *call, struct call_reply *r)
{
    if (!r->reply.message && !r->reply.error)
        r->reply.error = call_changes(call->op) ? &unread : &no_memory;
    r->reply.request = call->request;
    r->reply.unsure = call->unsure;
    call->done(&r->reply, call->arg);
    if (r->memory) {
        arena_free(&r->memory->arena);
        free(r->memory);
    }
    call_free(call);
}

static struct call_memory *new_memory(void)
{
    struct call_memory *m = malloc(sizeof *m);

    if (m)
        arena_init(&m->arena, 2 * LIMIT_ARENA);
    return m;
}

void call_refuse(struct call *call, const char *code, const char *detail, const char *lang)
{
    struct call_reply r = {.memory = new_memory()};

    if (r.memory)
        r.reply.error = call_error(&r.memory->arena, code, detail, lang);
    finish(call, &r);
}

void call_answer(struct call *call, const Qipan__Reply *reply, const char *lang, call_done_fn *done,
                 void *owner)
{
    struct call_reply r = {.memory = new_memory()};
    struct msg_fault fault = {""};
    ProtobufCMessage *message = NULL;
    const char *code = reply->error && reply->error->code ? reply->error->code : "INTERNAL";

    if (r.memory && reply->error && call->unsure && !settles(code))
        r.reply.error = call_error(&r.memory->arena, "UNKNOWN", code, lang);
    else if (r.memory && reply->error)
        r.reply.error = call_error_copy(&r.memory->arena, reply->error, lang);
    else if (r.memory && msg_take(call->op->reply, reply->payload.data, reply->payload.len, &r.memory->arena,
                                  &message, &fault) == MSG_OK)
        r.reply.message = message;
    else if (r.memory)
        r.reply.error =
            call_error(&r.memory->arena, call_changes(call->op) ? "UNKNOWN" : "MALFORMED", fault.field, lang);
    if (message && done)
        done(owner, message);
    finish(call, &r);
}
