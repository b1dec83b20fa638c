/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "limits.h"
#include "log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_MS 500 /* between questions about an account that the registry didn't answer */

static char daemon_name[] = "qipand/" QIPAN_VERSION;

/* ---- life */

static void free_if_done(struct session *s)
{
    if (s->state != SESSION_GONE || s->refs || s->query || s->conn)
        return;
    free(s);
}

static void end_query(struct session *s)
{
    free(s->query);
    s->query = NULL;
}

static void on_closed(struct conn *c)
{
    struct session *s = c->owner;
    if (!s)
        return;
    if (s->state < SESSION_GREETING)
        s->shared->n_unknown--;
    s->shared->n--;
    *s->back = s->next;
    if (s->next)
        s->next->back = s->back;
    deadline_clear(s->shared->deadlines, &s->greeting);
    deadline_clear(s->shared->deadlines, &s->ping);
    if (s->query && pool_cancel(s->shared->pool, &s->query->job)) /* nobody waits for the answer any more */
        end_query(s);
    s->conn = NULL;
    s->state = SESSION_GONE;
    s->refs++; /* what forgets it now may hold the last reference */
    s->shared->handler->gone(s);
    session_unref(s);
}

void session_ref(struct session *s)
{
    s->refs++;
}

void session_unref(struct session *s)
{
    s->refs--;
    free_if_done(s);
}

/* ---- output */

bool session_send(struct session *s, const Qipan__Frame *frame)
{
    return s->conn && conn_send(s->conn, frame);
}

void session_fill_error(Qipan__Error *error, const char *code, const char *lang)
{
    const struct error_info *info = error_info(code);
    error->code = (char *)info->name;
    error->has_status = true;
    error->status = info->status;
    if (!error->message)
        error->message = (char *)(strcmp(lang, "en") == 0 ? info->text_en : info->text_zh);
    if (info->retry != ERROR_NEVER && !error->has_retry_after_ms) {
        error->has_retry_after_ms = true;
        error->retry_after_ms = 500;
    }
}

/* An error carries values as long as fields may be: what doesn't fit goes, the code and the sentence stay. */
static void fit_error(Qipan__Error *error)
{
    if (qipan__error__get_packed_size(error) > LIMIT_FRAME - 64)
        error->n_fields = 0;
    if (qipan__error__get_packed_size(error) > LIMIT_FRAME - 64)
        error->base_value = error->theirs = error->yours = NULL;
}

void session_reply(struct session *s, uint32_t call, const ProtobufCMessage *message, Qipan__Error *error)
{
    Qipan__Reply reply = QIPAN__REPLY__INIT;
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    reply.has_call = true;
    reply.call = call;
    reply.error = error;
    if (error)
        fit_error(error);
    frame.reply = &reply;
    uint8_t *payload = NULL;
    if (message && !error) {
        size_t n = protobuf_c_message_get_packed_size(message);
        if (n > LIMIT_FRAME - 64) {
            session_refuse(s, call, "TOO_LARGE", NULL);
            return;
        }
        if (!(payload = malloc(n + 1)))
            return;
        reply.has_payload = true;
        reply.payload.len = protobuf_c_message_pack(message, payload);
        reply.payload.data = payload;
    }
    session_send(s, &frame);
    free(payload);
}

void session_refuse(struct session *s, uint32_t call, const char *code, const char *field)
{
    Qipan__Error error = QIPAN__ERROR__INIT;
    error.field = (char *)field;
    session_fill_error(&error, code, s->lang);
    session_reply(s, call, NULL, &error);
}

void session_goodbye(struct session *s, const char *code, const char *field, uint32_t reconnect_after_ms)
{
    Qipan__Error error = QIPAN__ERROR__INIT;
    error.field = (char *)field;
    if (!s->conn)
        return;
    if (code)
        session_fill_error(&error, code, s->lang);
    conn_goodbye(s->conn, code ? &error : NULL, reconnect_after_ms);
}

/* ---- flow of calls */

void session_call_begins(struct session *s)
{
    if (++s->in_flight == LIMIT_IN_FLIGHT && s->conn)
        conn_pause(s->conn);
}

void session_call_ends(struct session *s)
{
    if (s->in_flight-- == LIMIT_IN_FLIGHT && s->conn && s->state == SESSION_OPEN)
        conn_resume(s->conn);
    if (s->in_flight == 0 && s->ended)
        session_goodbye(s, NULL, NULL, 0);
}

/* ---- signing in */

static void let_in(struct session *s)
{
    s->state = SESSION_GREETING;
    s->shared->n_unknown--;
    size_t n = strlen(s->conn->name);
    snprintf(s->conn->name + n, sizeof s->conn->name - n, " %.40s", s->principal.name);
    conn_resume(s->conn);
}

void session_open_doors(struct session_shared *shared)
{
    shared->open = true;
    for (struct session *s = shared->first; s; s = s->next)
        if (s->known && s->state == SESSION_SIGNING_IN)
            let_in(s);
}

static bool ask_account(struct session *s, const char *peer,
                        void (*done)(struct auth_query *q, const char *code));
static void on_account_again(struct auth_query *q, const char *code);

static void on_account(struct auth_query *q, const char *code)
{
    struct session *s = q->owner;
    s->principal = q->principal;
    end_query(s);
    if (s->state == SESSION_GONE) {
        free_if_done(s);
        return;
    }
    if (s->stale && !code) {
        s->stale = false;
        if (!ask_account(s, NULL, on_account))
            session_goodbye(s, "UNAVAILABLE", NULL, 1000);
        return;
    }
    if (code) {
        log_info(s->conn->name, "not signed in: %s is %s", s->principal.identity, code);
        session_goodbye(s, code, NULL, 0);
        return;
    }
    s->known = true;
    if (s->shared->open)
        let_in(s);
}

static void on_secured(struct conn *c)
{
    struct session *s = c->owner;
    s->state = SESSION_SIGNING_IN;
    conn_pause(c);
    if (!tls_peer_identity(&c->tls, s->principal.identity, sizeof s->principal.identity)) {
        log_info(c->name, "not signed in: the certificate has no usable identity");
        session_goodbye(s, "UNAUTHENTICATED", NULL, 0);
    } else if (!ask_account(s, c->peer, on_account)) {
        session_goodbye(s, "UNAVAILABLE", NULL, 1000);
    }
}

/* ---- an account that changed while its sessions live */

static bool ask_account(struct session *s, const char *peer,
                        void (*done)(struct auth_query *q, const char *code))
{
    struct auth_query *q = s->query = calloc(1, sizeof *q);
    if (!q)
        return false;
    strcpy(q->principal.identity, s->principal.identity);
    q->peer = peer;
    q->owner = s;
    q->done = done;
    auth_look_up(s->shared->pool, q);
    return true;
}

static void look_again(struct session *s)
{
    s->unsure = true;
    if (s->query)
        s->stale = true;
    else if (!ask_account(s, NULL, on_account_again))
        deadline_set(s->shared->deadlines, &s->greeting, LOOK_AGAIN_MS);
}

static void on_account_again(struct auth_query *q, const char *code)
{
    struct session *s = q->owner;
    struct principal fresh = q->principal;
    bool stale = s->stale;
    end_query(s);
    s->stale = false;
    if (s->state == SESSION_GONE) {
        free_if_done(s);
    } else if (stale) {
        look_again(s);
    } else if (code ? strcmp(code, "UNAUTHENTICATED") == 0 : fresh.account != s->principal.account) {
        session_goodbye(s, "UNAUTHENTICATED", NULL, 0);
    } else if (code) {
        deadline_set(s->shared->deadlines, &s->greeting, LOOK_AGAIN_MS);
    } else {
        bool changed = !grants_same(&fresh.grants, &s->principal.grants);
        s->principal = fresh;
        s->unsure = false;
        s->shared->handler->rights(s, changed);
    }
}

void session_account_changed(struct session_shared *shared, const char *object)
{
    for (struct session *s = shared->first, *next; s; s = next) {
        next = s->next;
        if (s->known ? !object || strcmp(s->principal.object, object) == 0 : s->query != NULL) {
            if (s->known)
                look_again(s);
            else
                s->stale = true;
        }
    }
}

static void on_greeting_late(struct deadline *d)
{
    struct session *s = container_of(d, struct session, greeting);
    if (s->unsure)
        look_again(s);
    else if (s->state == SESSION_SIGNING_IN)
        session_goodbye(s, "UNAVAILABLE", NULL, 1000);
    else if (s->conn)
        conn_kill(s->conn, "no hello in time");
}

static void on_ping_due(struct deadline *d)
{
    struct session *s = container_of(d, struct session, ping);
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Ping ping = QIPAN__PING__INIT;
    ping.has_token = true;
    ping.token = uv_hrtime();
    frame.ping = &ping;
    session_send(s, &frame);
    deadline_set(s->shared->deadlines, &s->ping, PING_MS);
}

static void send_welcome(struct session *s)
{
    Qipan__Welcome w = QIPAN__WELCOME__INIT;
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    w.has_version = w.has_ping_ms = w.has_dead_ms = w.has_frame_bytes = true;
    w.version = QIPAN_PROTOCOL_VERSION;
    w.daemon = daemon_name;
    w.account = s->principal.name;
    w.office = s->principal.office;
    w.ping_ms = PING_MS;
    w.dead_ms = DEAD_MS;
    w.frame_bytes = LIMIT_FRAME;
    frame.welcome = &w;
    session_send(s, &frame);
}

static void take_hello(struct session *s, const Qipan__Hello *hello)
{
    if (s->state != SESSION_GREETING || hello->version_min > QIPAN_PROTOCOL_VERSION ||
        hello->version_max < QIPAN_PROTOCOL_VERSION) {
        session_goodbye(s, "PROTOCOL_ERROR", NULL, 0);
        return;
    }
    if (hello->lang && strcmp(hello->lang, "en") == 0)
        strcpy(s->lang, "en");
    snprintf(s->instance, sizeof s->instance, "%s", hello->instance ? hello->instance : "");
    s->state = SESSION_OPEN;
    deadline_clear(s->shared->deadlines, &s->greeting);
    deadline_set(s->shared->deadlines, &s->ping, PING_MS);
    log_info(s->conn->name, "signed in with %.60s", hello->client ? hello->client : "an unnamed client");
    send_welcome(s);
}

/* ---- frames */

static void take_ping(struct session *s, Qipan__Ping *ping)
{
    Qipan__Frame pong = QIPAN__FRAME__INIT;
    pong.pong = ping;
    session_send(s, &pong);
}

static void take_frame(struct session *s, Qipan__Frame *frame)
{
    const struct session_handler *handler = s->shared->handler;
    bool open = s->state == SESSION_OPEN;
    if (msg_frame_parts(frame) != 1)
        session_goodbye(s, "PROTOCOL_ERROR", NULL, 0);
    else if (frame->hello)
        take_hello(s, frame->hello);
    else if (frame->call && open)
        handler->call(s, frame->call);
    else if (frame->cancel && open)
        handler->cancel(s, frame->cancel->call);
    else if (frame->credit && open && frame->credit->call)
        handler->credit(s, frame->credit);
    else if (frame->ping && open)
        take_ping(s, frame->ping);
    else if (frame->goodbye)
        session_goodbye(s, NULL, NULL, 0);
    else if (!frame->pong || !open)
        session_goodbye(s, "PROTOCOL_ERROR", NULL, 0);
}

static void on_frame(struct conn *c, const uint8_t *body, size_t n)
{
    struct session *s = c->owner;
    struct arena arena;
    struct msg_fault fault;
    ProtobufCMessage *frame;
    arena_init(&arena, LIMIT_ARENA);
    enum msg_result result = msg_unpack(&qipan__frame__descriptor, body, n, &arena, &frame, &fault);
    if (result == MSG_OK)
        take_frame(s, (Qipan__Frame *)frame);
    else
        session_goodbye(s, msg_code(result), result == MSG_INVALID_TEXT ? fault.field : NULL, 0);
    arena_free(&arena);
}

static void on_writable(struct conn *c)
{
    struct session *s = c->owner;
    if (s->state == SESSION_OPEN)
        s->shared->handler->writable(s);
}

static void on_broken(struct conn *c, const char *code)
{
    session_goodbye(c->owner, code, NULL, 0);
}

static void on_ended(struct conn *c)
{
    struct session *s = c->owner;
    s->ended = true;
    if (s->in_flight == 0)
        session_goodbye(s, NULL, NULL, 0);
}

static const struct conn_events events = {on_secured, on_frame, on_broken, on_ended, on_writable, on_closed};

/* ---- accepting */

static void on_refused_closed(uv_handle_t *handle)
{
    free(handle);
}

static void refuse_arrival(struct session_shared *shared, uv_stream_t *listener)
{
    uv_tcp_t *tcp = calloc(1, sizeof *tcp);
    if (!tcp)
        return;
    uv_tcp_init(&shared->loop->uv, tcp);
    uv_accept(listener, (uv_stream_t *)tcp);
    uv_close((uv_handle_t *)tcp, on_refused_closed);
}

void session_accept(struct session_shared *shared, uv_stream_t *listener)
{
    struct session *s = NULL;
    if (shared->n >= shared->max || shared->n_unknown >= shared->max_unknown || !(s = calloc(1, sizeof *s))) {
        log_warn("listen", "closed an arrival: %d connections, %d not signed in", shared->n,
                 shared->n_unknown);
        refuse_arrival(shared, listener);
        return;
    }
    s->conn = conn_new(shared->loop, shared->deadlines, listener, shared->ctx, &events, s);
    if (!s->conn) {
        free(s);
        return;
    }
    s->shared = shared;
    strcpy(s->lang, "zh");
    s->greeting.fire = on_greeting_late;
    s->ping.fire = on_ping_due;
    s->next = shared->first;
    s->back = &shared->first;
    if (s->next)
        s->next->back = &s->next;
    shared->first = s;
    shared->n++;
    shared->n_unknown++;
    s->conn->paused = true; /* frames wait until the account is known; the handshake goes on */
    deadline_set(shared->deadlines, &s->greeting, HANDSHAKE_MS);
}
