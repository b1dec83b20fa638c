/* SPDX-License-Identifier: Apache-2.0 */
#include "qipan.h"

#include "address.h"
#include "call.h"
#include "limits.h"
#include "link.h"
#include "watch.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#ifndef QIPAN_VERSION
#define QIPAN_VERSION "0"
#endif

#define AGAIN_FIRST_MS 50 /* a call that was answered "later" or UNKNOWN is asked again within its deadline */
#define AGAIN_LAST_MS  1000
#define ELSEWHERE_MS   250 /* not all to the same daemon at once */

struct qipan {
    SSL_CTX *ctx;
    struct addresses addresses;
    struct backoff backoff;
    struct link link;
    Qipan__Hello hello; /* its texts are the fields below */
    char client[64], lang[3], instance[17];
    char account[128], office[64];
    bool inside;       /* qipan_process() is running */
    bool refused;      /* will not try again */
    int64_t retry_ms;  /* link down: when to try */
    uint64_t requests; /* request ids made */
    uint32_t last_id;
    struct calls calls;
    struct qipan_watch *watches;
    size_t n_watches;
    struct arena refusal_memory;
    const Qipan__Error *refusal;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const Qipan__Error no_refusal = {PROTOBUF_C_MESSAGE_INIT(&qipan__error__descriptor),
                                        .code = (char *)"INTERNAL", .message = (char *)"no memory"};

static void refuse(struct qipan *q, const char *code, const char *detail, const char *field)
{
    Qipan__Error *error;

    arena_free(&q->refusal_memory);
    arena_init(&q->refusal_memory, LIMIT_ARENA);
    error = call_error(&q->refusal_memory, code, detail, q->lang);
    if (error && field)
        error->field = arena_strdup(&q->refusal_memory, field);
    q->refusal = error;
}

const Qipan__Error *qipan_refusal(const struct qipan *q)
{
    return q->refusal ? q->refusal : &no_refusal;
}

/* ---------------------------------------------------------------- link */

static void on_up(void *owner, const Qipan__Welcome *welcome)
{
    struct qipan *q = owner;

    snprintf(q->account, sizeof q->account, "%s", welcome->account ? welcome->account : "");
    snprintf(q->office, sizeof q->office, "%s", welcome->office ? welcome->office : "");
    q->addresses.at = q->addresses.n; /* the next round is a new one, in a new order */
}

static void schedule(struct qipan *q, uint32_t wait_ms)
{
    int64_t now = now_ms();

    if (wait_ms > 0) {
        if (wait_ms > 60000)
            wait_ms = 60000;
        q->retry_ms = now + backoff_random(&q->backoff, wait_ms) + 1;
    } else if (q->addresses.at < q->addresses.n) {
        q->retry_ms = now; /* the others of this round first */
    } else {
        q->retry_ms = now + backoff_next(&q->backoff);
    }
}

static void on_down(void *owner, enum link_end end, uint32_t wait_ms)
{
    struct qipan *q = owner;

    calls_link_lost(&q->calls);
    for (struct qipan_watch *w = q->watches; w; w = w->next)
        w->state = WATCH_IDLE;
    if (end == LINK_END_REFUSED)
        q->refused = true;
    else
        schedule(q, wait_ms);
}

static void connect_when_due(struct qipan *q, int64_t now)
{
    const struct address *a;

    if (q->refused || q->link.state != LINK_DOWN || now < q->retry_ms)
        return;
    a = addresses_next(&q->addresses, &q->backoff);
    if (!a)
        a = addresses_next(&q->addresses, &q->backoff);
    if (a)
        link_start(&q->link, a->host, a->port, now);
}

/* ---------------------------------------------------------------- watches */

static struct qipan_watch *find_watch(struct qipan *q, uint32_t id)
{
    for (struct qipan_watch *w = q->watches; w; w = w->next)
        if (w->state != WATCH_IDLE && w->id == id)
            return w;
    return NULL;
}

static void drop_watch(struct qipan *q, struct qipan_watch *watch)
{
    struct qipan_watch **at = &q->watches;

    while (*at && *at != watch)
        at = &(*at)->next;
    if (*at) {
        *at = watch->next;
        q->n_watches--;
    }
    watch_free(watch);
}

static void cancel_watch(struct qipan *q, const struct qipan_watch *w)
{
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Cancel cancel = QIPAN__CANCEL__INIT;

    if (w->state == WATCH_IDLE)
        return;
    cancel.has_call = true;
    cancel.call = w->id;
    frame.cancel = &cancel;
    link_send(&q->link, &frame);
}

static void go_elsewhere(struct qipan *q)
{
    bool other = addresses_elsewhere(&q->addresses, &q->backoff);

    link_drop(&q->link, "RETRY_ELSEWHERE");
    if (other)
        q->retry_ms = now_ms() + backoff_random(&q->backoff, ELSEWHERE_MS);
}

static void judge(struct qipan *q, struct qipan_watch *w, enum watch_verdict v)
{
    if (v == WATCH_AGAIN) {
        cancel_watch(q, w);
        w->state = WATCH_IDLE;
    }
    if (v == WATCH_OVER || w->closed)
        drop_watch(q, w);
    if (v == WATCH_GAP)
        link_drop(&q->link, "the feed did not join");
    else if (v == WATCH_ELSEWHERE)
        go_elsewhere(q);
}

static uint32_t new_id(struct qipan *q)
{
    do {
        if (++q->last_id == 0)
            q->last_id = 1;
    } while (calls_find(&q->calls, q->last_id) || find_watch(q, q->last_id));
    return q->last_id;
}

static void ask_watches(struct qipan *q, int64_t now)
{
    for (struct qipan_watch *w = q->watches; w; w = w->next)
        if (w->state == WATCH_IDLE && w->retry_ms <= now && !watch_ask(w, &q->link, new_id(q)))
            return;
}

static void grant_credit(struct qipan *q)
{
    for (struct qipan_watch *w = q->watches; w; w = w->next)
        if (watch_wants_credit(w) && !watch_grant(w, &q->link))
            return;
}

static size_t watches_asked(const struct qipan *q)
{
    size_t n = 0;

    for (const struct qipan_watch *w = q->watches; w; w = w->next)
        n += w->state == WATCH_ASKED;
    return n;
}

struct qipan_watch *qipan_watch(struct qipan *q, const struct qipan_watch_options *options,
                                qipan_watch_fn *fn, void *arg)
{
    const char *code = "BUSY", *field = NULL;
    struct qipan_watch *w = NULL, **at = &q->watches;

    if (q->n_watches < QIPAN_WATCHES_MAX)
        w = watch_new(options, fn, arg, &code, &field);
    if (!w) {
        refuse(q, code, NULL, field);
        return NULL;
    }
    while (*at)
        at = &(*at)->next;
    *at = w;
    q->n_watches++;
    return w;
}

void qipan_watch_close(struct qipan *q, struct qipan_watch *w)
{
    if (w->closed)
        return;
    cancel_watch(q, w);
    if (w->busy)
        w->closed = true; /* judge() frees it */
    else
        drop_watch(q, w);
}

/* ---------------------------------------------------------------- frames */

/* Locked by whom is said when that is an import: it may take minutes, and whoever waits wants to know. */
static bool held_by_import(const Qipan__Error *error)
{
    return error->code && strcmp(error->code, "LOCKED") == 0 && error->by && *error->by;
}

/* True when it goes out once more. */
static bool ask_again(struct qipan *q, struct call *call, const Qipan__Error *error, int64_t now)
{
    int retry = error_info(error->code ? error->code : "INTERNAL")->retry;
    unsigned pause;

    if (retry == ERROR_NEVER || retry == ERROR_CARE || (held_by_import(error) && !call->unsure))
        return false;
    if (retry == ERROR_ASK && call_changes(call->op))
        call->unsure = true;
    pause = backoff_pause(&q->backoff, call->pauses, AGAIN_FIRST_MS, AGAIN_LAST_MS);
    if (error->has_retry_after_ms)
        pause += error->retry_after_ms;
    if (now + pause >= call->due_ms)
        return false;
    calls_pause(&q->calls, call, now + pause);
    return true;
}

static const ProtobufCFieldDescriptor *object_of(const ProtobufCMessageDescriptor *reply)
{
    for (unsigned i = 0; i < reply->n_fields; i++)
        if (reply->fields[i].type == PROTOBUF_C_TYPE_MESSAGE &&
            reply->fields[i].label != PROTOBUF_C_LABEL_REPEATED)
            return &reply->fields[i];
    return NULL;
}

/* Text of a field, NULL when there is none. */
static const char *text_field(const ProtobufCMessage *m, const char *name)
{
    const ProtobufCFieldDescriptor *f =
        m ? protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name) : NULL;

    return f ? *(char *const *)((const char *)m + f->offset) : NULL;
}

/* A reply with `rev` is a change that the watches won't tell of: they must know it should the registry fall back. */
static void on_done(void *owner, const ProtobufCMessage *m)
{
    const struct qipan *q = owner;
    const ProtobufCFieldDescriptor *rev =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "rev");
    const ProtobufCFieldDescriptor *object = object_of(m->descriptor);
    const char *base = (const char *)m;

    if (!rev || !*(const protobuf_c_boolean *)(base + rev->quantifier_offset))
        return;
    for (struct qipan_watch *w = q->watches; w; w = w->next)
        watch_own_change(
            w, object ? text_field(*(ProtobufCMessage *const *)(base + object->offset), "id") : NULL,
            *(const int64_t *)(base + rev->offset));
}

static void answer(struct qipan *q, struct call *call, const Qipan__Reply *reply)
{
    bool change = call_changes(call->op);

    if (reply->error && ask_again(q, call, reply->error, now_ms()))
        return;
    calls_take(&q->calls, call);
    call_answer(call, reply, q->lang, change ? on_done : NULL, q);
}

static void on_reply(struct qipan *q, const Qipan__Reply *reply)
{
    struct call *call = calls_find(&q->calls, reply->call);
    struct qipan_watch *w = call ? NULL : find_watch(q, reply->call);

    if (!reply->error)
        backoff_reset(&q->backoff);
    if (call && call->in_flight) {
        answer(q, call, reply);
    } else if (w) {
        judge(q, w, watch_reply(w, reply, now_ms(), q->lang));
    }
}

static void on_feed(struct qipan *q, const Qipan__Feed *feed, size_t n)
{
    struct qipan_watch *w = find_watch(q, feed->call);

    if (!w)
        return; /* cancelled meanwhile */
    backoff_reset(&q->backoff);
    judge(q, w, watch_feed(w, feed, n, now_ms(), q->lang));
}

static void on_frame(void *owner, const Qipan__Frame *frame, size_t n)
{
    if (frame->reply)
        on_reply(owner, frame->reply);
    else if (frame->feed)
        on_feed(owner, frame->feed, n);
}

static const struct link_events link_events = {.up = on_up, .frame = on_frame, .down = on_down};

/* ---------------------------------------------------------------- calls */

static const char *choose_request(struct qipan *q, const struct op_info *op, const char *given, char own[40])
{
    if (!call_changes(op))
        return NULL;
    if (given)
        return given;
    snprintf(own, 40, "%s-%llu", q->instance, (unsigned long long)++q->requests);
    return own;
}

/* The daemon gives up a little earlier than we do, so that what arrives is its own account of what happened. */
static uint32_t daemon_deadline(const struct op_info *op, unsigned deadline_ms)
{
    unsigned margin = deadline_ms / 20, longest = op_longest_ms(op);

    if (margin > 500)
        margin = 500;
    return deadline_ms - margin > longest ? longest : deadline_ms - margin;
}

static struct call *queue(struct qipan *q, const struct op_info *op, const ProtobufCMessage *request,
                          Qipan__Call *message, const char **ret_code)
{
    size_t n = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes;
    struct call *call;

    *ret_code = "TOO_LARGE";
    bytes = n <= LIMIT_FRAME ? malloc(n + 1) : NULL;
    if (!bytes)
        return NULL;
    message->payload.len = protobuf_c_message_pack(request, bytes);
    message->payload.data = bytes;
    message->has_payload = true;
    call = calls_add(&q->calls, message, op, ret_code);
    free(bytes);
    return call;
}

uint32_t qipan_call(struct qipan *q, unsigned number, const ProtobufCMessage *request,
                    const struct qipan_call_options *options, qipan_reply_fn *done, void *arg)
{
    static const struct qipan_call_options none;
    const struct op_info *op = op_by_number(number);
    Qipan__Call message = QIPAN__CALL__INIT;
    const char *code = "INVALID_ARGUMENT";
    struct call *call = NULL;
    unsigned deadline_ms;
    char own[40];

    options = options ? options : &none;
    deadline_ms = options->deadline_ms ? options->deadline_ms : QIPAN_DEADLINE_MS;
    if (op && op->lane != LANE_FEED && request->descriptor == op->request &&
        (!options->request || call_request_valid(options->request))) {
        message.has_call = message.has_op = message.has_deadline_ms = true;
        message.call = new_id(q);
        message.op = number;
        message.request = (char *)choose_request(q, op, options->request, own);
        message.deadline_ms = daemon_deadline(op, deadline_ms);
        message.has_base_version = options->base != 0;
        message.base_version = options->base;
        call = queue(q, op, request, &message, &code);
    }
    if (!call) {
        refuse(q, code, op ? op->name : NULL, NULL);
        return 0;
    }
    call->done = done;
    call->arg = arg;
    call->due_ms = now_ms() + deadline_ms;
    return call->id;
}

void qipan_forget(struct qipan *q, uint32_t id)
{
    struct call *call = calls_find(&q->calls, id);

    if (!call)
        return;
    calls_take(&q->calls, call);
    call_free(call);
}

const char *qipan_call_request(struct qipan *q, uint32_t id)
{
    const struct call *call = calls_find(&q->calls, id);

    return call ? call->request : "";
}

int qipan_calls_open(const struct qipan *q)
{
    return (int)q->calls.n;
}

static void expire(struct qipan *q, struct call *call)
{
    const char *code = "DEADLINE_EXCEEDED", *why = NULL;

    if (call_changes(call->op) && (call->unsure || call->in_flight))
        code = "UNKNOWN";
    else if (q->link.state != LINK_UP || !call->in_flight)
        code = "UNAVAILABLE";
    if (q->link.state != LINK_UP)
        why = q->link.why;
    calls_take(&q->calls, call);
    call_refuse(call, code, why, q->lang);
}

static void fail_all(struct qipan *q)
{
    const char *code = strcmp(q->link.code, "CERT_REVOKED") == 0 ? "CERT_REVOKED" : "UNAUTHENTICATED";

    /* counted first: callbacks may add new ones, which have their turn next time */
    for (size_t n = q->calls.n; n > 0 && q->calls.first; n--) {
        struct call *call = q->calls.first;

        calls_take(&q->calls, call);
        call_refuse(call, call->unsure ? "UNKNOWN" : code, q->link.why, q->lang);
    }
    for (size_t n = q->n_watches; n > 0 && q->watches; n--) {
        watch_end(q->watches, code, q->link.why, q->lang);
        drop_watch(q, q->watches);
    }
}

/* ---------------------------------------------------------------- turns */

void qipan_process(struct qipan *q, short revents)
{
    int64_t now = now_ms();
    struct call *call;

    if (q->inside)
        return;
    q->inside = true;
    link_process(&q->link, revents, now);
    while ((call = calls_expired(&q->calls, now)))
        expire(q, call);
    connect_when_due(q, now);
    if (q->refused)
        fail_all(q);
    if (q->link.state == LINK_UP) {
        ask_watches(q, now);
        grant_credit(q);
        calls_send(&q->calls, &q->link, watches_asked(q), now);
        link_flush(&q->link);
    }
    q->inside = false;
}

bool qipan_inside(const struct qipan *q)
{
    return q->inside;
}

int qipan_fd(const struct qipan *q)
{
    return q->link.fd;
}

static bool has_unsent(const struct qipan *q, int64_t now)
{
    if (q->calls.in_flight + watches_asked(q) < LIMIT_IN_FLIGHT && calls_next(&q->calls) <= now)
        return true;
    for (const struct qipan_watch *w = q->watches; w; w = w->next)
        if ((w->state == WATCH_IDLE && w->retry_ms <= now) || watch_wants_credit(w))
            return true;
    return false;
}

short qipan_events(const struct qipan *q)
{
    return link_wants(&q->link);
}

static int64_t due(const struct qipan *q, int64_t now)
{
    int64_t t = link_due(&q->link), calls = calls_due(&q->calls);

    if (q->refused)
        return q->calls.n || q->watches ? now : INT64_MAX;
    if (q->link.state == LINK_DOWN && q->retry_ms < t)
        t = q->retry_ms;
    if (q->link.state == LINK_UP) {
        /* what was queued since the last turn goes out at once, unless the socket is what it waits for */
        if (has_unsent(q, now) && !(link_wants(&q->link) & POLLOUT))
            t = now;
        for (const struct qipan_watch *w = q->watches; w; w = w->next)
            if (w->state == WATCH_IDLE && w->retry_ms < t)
                t = w->retry_ms;
        if (calls_next(&q->calls) > now && calls_next(&q->calls) < t)
            t = calls_next(&q->calls);
    }
    return calls < t ? calls : t;
}

int qipan_timeout_ms(const struct qipan *q)
{
    int64_t now = now_ms(), t = due(q, now);

    if (t == INT64_MAX)
        return -1;
    if (t <= now)
        return 0;
    return t - now > 3600000 ? 3600000 : (int)(t - now);
}

enum qipan_link qipan_link(const struct qipan *q)
{
    if (q->refused)
        return QIPAN_LINK_REFUSED;
    if (q->link.state == LINK_UP)
        return QIPAN_LINK_UP;
    return q->link.state == LINK_DOWN ? QIPAN_LINK_DOWN : QIPAN_LINK_CONNECTING;
}

const char *qipan_link_text(const struct qipan *q)
{
    return q->link.state == LINK_UP ? q->link.address : q->link.why;
}

const char *qipan_account(const struct qipan *q)
{
    return q->account;
}

const char *qipan_office(const struct qipan *q)
{
    return q->office;
}

const char *qipan_instance(const struct qipan *q)
{
    return q->instance;
}

/* ---------------------------------------------------------------- life */

static bool draw_random(struct qipan *q)
{
    uint64_t r[2];

    if (getrandom(r, sizeof r, 0) != sizeof r)
        return false;
    snprintf(q->instance, sizeof q->instance, "%016llx", (unsigned long long)r[0]);
    backoff_init(&q->backoff, r[1]);
    return true;
}

static void write_hello(struct qipan *q, const struct qipan_settings *s)
{
    snprintf(q->client, sizeof q->client, "%s", s->client ? s->client : "libqipan/" QIPAN_VERSION);
    snprintf(q->lang, sizeof q->lang, "%s", s->lang && strcmp(s->lang, "en") == 0 ? "en" : "zh");
    qipan__hello__init(&q->hello);
    q->hello.has_version_min = q->hello.has_version_max = true;
    q->hello.version_min = q->hello.version_max = QIPAN_PROTOCOL_VERSION;
    q->hello.client = q->client;
    q->hello.lang = q->lang;
    q->hello.instance = q->instance;
}

struct qipan *qipan_open(const struct qipan_settings *s, char why[QIPAN_WHY_SIZE])
{
    struct tls_files files = {.ca = s->ca, .cert = s->cert, .key = s->key, .crl = s->crl};
    struct qipan *q = calloc(1, sizeof *q);
    char bad[64];

    if (!q || !draw_random(q)) {
        snprintf(why, QIPAN_WHY_SIZE, "no memory");
        free(q);
        return NULL;
    }
    if (!addresses_parse(&q->addresses, s->addresses ? s->addresses : "", bad, sizeof bad)) {
        snprintf(why, QIPAN_WHY_SIZE, "not an address: \"%s\"", bad);
        free(q);
        return NULL;
    }
    q->ctx = tls_client_context(&files, why);
    if (!q->ctx) {
        free(q);
        return NULL;
    }
    write_hello(q, s);
    arena_init(&q->refusal_memory, LIMIT_ARENA);
    calls_init(&q->calls);
    link_init(&q->link, q->ctx, &q->hello, &link_events, q);
    return q;
}

void qipan_free(struct qipan *q)
{
    if (!q)
        return;
    link_free(&q->link);
    calls_free(&q->calls);
    while (q->watches)
        drop_watch(q, q->watches);
    arena_free(&q->refusal_memory);
    SSL_CTX_free(q->ctx);
    free(q);
}
