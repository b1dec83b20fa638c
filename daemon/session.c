/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "limits.h"
#include "log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define SWEEP_NS   5000000 /* of a turn, for looking at live sessions' certificates */
#define EXPEL_MS   1000    /* for the last bytes of whose certificate is no good any more */
#define LOOK_MS    3600000 /* longest wait before an end date is looked at again: clocks are set */
#define RETRY_MS   100     /* after memory was out */
#define FULL_MS    5000    /* over which those come again whose account has no session left */
#define PROBE_MS   1000    /* between pings of a peer that sends no more: does it still read? */
#define FD_RESERVE 64      /* descriptors that no client gets: the registry's links and files need some */

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

static void turned_away(const struct session *s, const char *word, const char *why)
{
    if (doorstep_count(&s->shared->doorstep, s->conn->source, 0, word))
        log_info(s->conn->name, "turned away (%s): %s", word, why);
}

static void leave_hall(struct session *s)
{
    struct session_shared *shared = s->shared;
    if (!s->in_hall)
        return;
    s->in_hall = false;
    TAILQ_REMOVE(&shared->hall, s, place);
    shared->n_hall--;
    if (shared->n_waiting)
        deadline_set(shared->deadlines, &shared->admit, 1);
}

static void on_closed(struct conn *c)
{
    struct session *s = c->owner;
    if (!s)
        return;
    if (s->state == SESSION_SECURING)
        turned_away(s, c->word, c->why);
    leave_hall(s);
    if (s->shared->unswept == s)
        s->shared->unswept = s->next;
    if (s->state < SESSION_GREETING)
        s->shared->n_unknown--;
    s->shared->n--;
    *s->back = s->next;
    if (s->next)
        s->next->back = s->back;
    deadline_clear(s->shared->deadlines, &s->greeting);
    deadline_clear(s->shared->deadlines, &s->ping);
    deadline_clear(s->shared->deadlines, &s->expiry);
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

static const char *sentence(const struct error_info *info, const char *lang)
{
    return strcmp(lang, "en") == 0 ? info->text_en : info->text_zh;
}

void session_fill_error(Qipan__Error *error, const char *code, const char *lang)
{
    const struct error_info *info = error_info(code);
    error->code = (char *)info->name;
    error->has_status = true;
    error->status = info->status;
    if (!error->message)
        error->message = (char *)sentence(info, lang);
    if (info->retry != ERROR_NEVER && !error->has_retry_after_ms) {
        error->has_retry_after_ms = true;
        error->retry_after_ms = 500;
    }
}

/* An error carries values as long as fields may be: what doesn't fit goes, the code and a sentence stay. */
static void fit_error(Qipan__Error *error, const char *lang)
{
    const size_t most = LIMIT_FRAME - 64;
    if (qipan__error__get_packed_size(error) > most)
        error->n_fields = 0;
    if (qipan__error__get_packed_size(error) > most)
        error->base_value = error->theirs = error->yours = NULL;
    if (qipan__error__get_packed_size(error) > most) {
        error->field = error->hint = NULL;
        error->n_allowed = 0;
        error->message = (char *)sentence(error_info(error->code), lang);
    }
}

bool session_reply(struct session *s, uint32_t call, const ProtobufCMessage *message, Qipan__Error *error)
{
    Qipan__Reply reply = QIPAN__REPLY__INIT;
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    reply.has_call = true;
    reply.call = call;
    reply.error = error;
    if (error)
        fit_error(error, s->lang);
    frame.reply = &reply;
    uint8_t *payload = NULL;
    if (message && !error) {
        size_t n = protobuf_c_message_get_packed_size(message);
        if (n > LIMIT_FRAME - 64)
            return false;
        if (!(payload = malloc(n + 1))) { /* the peer asks again; of a change he learns what became of it */
            if (s->conn)
                conn_kill(s->conn, "out of memory for a reply");
            return true;
        }
        reply.has_payload = true;
        reply.payload.len = protobuf_c_message_pack(message, payload);
        reply.payload.data = payload;
    }
    session_send(s, &frame);
    free(payload);
    return true;
}

/* What only says "later" is no refusal. */
void session_refused(struct session *s, const char *code)
{
    if (s->known && s->conn && strcmp(code, "UNAVAILABLE") != 0 && strcmp(code, "UNAUTHENTICATED") != 0)
        doorstep_count(&s->shared->doorstep, s->conn->source, s->principal.account, code);
}

void session_refuse(struct session *s, uint32_t call, const char *code, const char *field)
{
    Qipan__Error error = QIPAN__ERROR__INIT;
    session_refused(s, code);
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
    if (code) {
        session_refused(s, code);
        session_fill_error(&error, code, s->lang);
    }
    conn_goodbye(s->conn, code ? &error : NULL, reconnect_after_ms);
}

/* ---- certificates of those who are in */

static void expel(struct session *s, long verdict)
{
    Qipan__Error error = QIPAN__ERROR__INIT;
    bool zh = strcmp(s->lang, "en") != 0;
    if (verdict == X509_V_ERR_CERT_HAS_EXPIRED)
        error.message = (char *)(zh ? "此证书已过期" : "this certificate has expired");
    else if (verdict != X509_V_ERR_CERT_REVOKED)
        error.message = (char *)(zh ? "此证书不再被信任" : "this certificate isn't trusted any more");
    session_fill_error(&error, verdict == X509_V_ERR_CERT_REVOKED ? "CERT_REVOKED" : "UNAUTHENTICATED",
                       s->lang);
    log_info(s->conn->name, "expelled, %s: %s", s->principal.identity, trust_text(verdict));
    doorstep_count(&s->shared->doorstep, s->conn->source, 0, trust_word(verdict));
    s->shared->n_expelled++;
    conn_goodbye(s->conn, &error, 0);
    conn_hurry(s->conn, EXPEL_MS);
}

/* False: he had to go. */
static bool still_good(struct session *s)
{
    long verdict = tls_peer_verify(&s->conn->tls, s->shared->ctx);
    if (verdict == X509_V_ERR_OUT_OF_MEM)
        s->shared->sweep_again = true;
    else if (verdict != X509_V_OK)
        expel(s, verdict);
    return verdict == X509_V_OK || verdict == X509_V_ERR_OUT_OF_MEM;
}

static bool under_old_context(const struct session *s)
{
    return s->conn && s->conn->secured && !s->conn->closing && !s->conn->dead;
}

static void sweep_from_the_start(struct session_shared *shared, uint64_t in_ms)
{
    shared->unswept = shared->first;
    shared->n_swept = shared->n_expelled = 0;
    shared->sweep_again = false;
    deadline_set(shared->deadlines, &shared->sweep, in_ms);
}

static void on_sweep(struct deadline *d)
{
    struct session_shared *shared = container_of(d, struct session_shared, sweep);
    uint64_t begun = uv_hrtime();
    while (shared->unswept && uv_hrtime() - begun < SWEEP_NS) {
        struct session *s = shared->unswept;
        shared->unswept = s->next;
        if (under_old_context(s)) {
            shared->n_swept++;
            still_good(s);
        }
    }
    if (shared->unswept) {
        deadline_set(shared->deadlines, &shared->sweep, 1);
        return;
    }
    log_info("qipand", "certificates of %d sessions looked at, %d expelled", shared->n_swept,
             shared->n_expelled);
    if (shared->sweep_again)
        sweep_from_the_start(shared, RETRY_MS);
}

void session_renew(struct session_shared *shared, SSL_CTX *ctx)
{
    SSL_CTX_free(shared->ctx); /* live sessions hold references of their own */
    shared->ctx = ctx;
    sweep_from_the_start(shared, 1);
}

static void wait_for_expiry(struct session *s)
{
    int64_t in_s = tls_peer_ends_in(&s->conn->tls);
    uint64_t in_ms = in_s < LOOK_MS / 1000 ? (uint64_t)(in_s < 0 ? 0 : in_s + 1) * 1000 : LOOK_MS;
    deadline_set(s->shared->deadlines, &s->expiry, in_ms);
}

static void on_expiry(struct deadline *d)
{
    struct session *s = container_of(d, struct session, expiry);
    if (tls_peer_ends_in(&s->conn->tls) >= 0)
        wait_for_expiry(s);
    else
        expel(s, X509_V_ERR_CERT_HAS_EXPIRED);
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

static int inside_of(const struct session_shared *shared, int32_t account)
{
    int n = 0;
    for (const struct session *s = shared->first; s; s = s->next)
        n += s->state >= SESSION_GREETING && s->principal.account == account;
    return n;
}

static void let_in(struct session *s)
{
    if (inside_of(s->shared, s->principal.account) >= s->shared->max_each) {
        log_info(s->conn->name, "not signed in: %s has as many sessions as it may", s->principal.name);
        session_goodbye(s, "BUSY", NULL, FULL_MS);
        return;
    }
    s->state = SESSION_GREETING;
    s->shared->n_unknown--;
    size_t n = strlen(s->conn->name);
    snprintf(s->conn->name + n, sizeof s->conn->name - n, " %.40s", s->principal.name);
    conn_resume(s->conn);
}

void session_open_doors(struct session_shared *shared)
{
    shared->open = true;
    for (struct session *s = shared->first, *next; s; s = next) {
        next = s->next;
        if (s->known && s->state == SESSION_SIGNING_IN)
            let_in(s);
    }
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
        doorstep_count(&s->shared->doorstep, s->conn->source, 0,
                       strcmp(code, "UNAUTHENTICATED") == 0 ? "no_account" : "unavailable");
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
    leave_hall(s);
    s->state = SESSION_SIGNING_IN;
    conn_pause(c);
    if (SSL_get_SSL_CTX(c->tls.ssl) != s->shared->ctx && !still_good(s)) /* renewed meanwhile */
        return;
    wait_for_expiry(s);
    if (!tls_peer_identity(&c->tls, s->principal.identity, sizeof s->principal.identity) ||
        !tls_peer_serial(&c->tls, s->serial, sizeof s->serial)) {
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
    else if (s->state == SESSION_SECURING)
        conn_refuse(s->conn, "silence", "handshake not done in time");
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
    deadline_set(s->shared->deadlines, &s->ping, s->ended ? PROBE_MS : PING_MS);
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
    if (s->state < SESSION_GREETING)
        s->shared->undue += n;
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
    else if (!LIST_EMPTY(&s->previews)) /* does it still read? If not, its system refuses what it is sent */
        on_ping_due(&s->ping);
}

/* From here on its silence counts anew: not every byte that drips in does that. */
static void on_begun(struct conn *c)
{
    struct session *s = c->owner;
    if (!s->in_hall)
        return;
    TAILQ_REMOVE(&s->shared->hall, s, place);
    TAILQ_INSERT_TAIL(&s->shared->hall, s, place);
}

static const struct conn_events events = {on_begun, on_secured,  on_frame, on_broken,
                                          on_ended, on_writable, on_closed};

/* ---- accepting */

/* Of the source, or of all when that is NULL. False: nobody is silent there. */
static bool evict_silent(struct session_shared *shared, const char *source)
{
    struct session *s;
    TAILQ_FOREACH(s, &shared->hall, place)
    {
        if (conn_owes_answer(s->conn) || (source && strcmp(s->conn->source, source) != 0))
            continue;
        leave_hall(s);
        conn_refuse(s->conn, "evicted", "it said nothing while others waited");
        return true;
    }
    return false;
}

static int in_hall_of(const struct session_shared *shared, const char *source)
{
    const struct session *s;
    int n = 0;
    TAILQ_FOREACH(s, &shared->hall, place)
    n += strcmp(s->conn->source, source) == 0;
    return n;
}

/* The kernel gives the lowest number that is free. */
static bool few_descriptors(const struct conn *c)
{
    struct rlimit files;
    uv_os_fd_t fd;
    if (uv_fileno((const uv_handle_t *)&c->tcp, &fd) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0)
        return false;
    rlim_t reserve = files.rlim_cur / 4 < FD_RESERVE ? files.rlim_cur / 4 : FD_RESERVE;
    return (rlim_t)fd >= files.rlim_cur - reserve;
}

static void enter_hall(struct session *s)
{
    struct session_shared *shared = s->shared;
    struct conn *c = s->conn;
    if (few_descriptors(c) && !evict_silent(shared, NULL))
        conn_refuse(c, "descriptors", "no descriptors left for clients");
    else if (shared->n >= shared->max && !evict_silent(shared, NULL))
        conn_refuse(c, "full", "as many connections as there may be");
    else if (in_hall_of(shared, c->source) >= shared->max_hall_each)
        evict_silent(shared, c->source);
    s->in_hall = true;
    TAILQ_INSERT_TAIL(&shared->hall, s, place);
    shared->n_hall++;
    if (c->dead)
        leave_hall(s);
}

/* uv_accept() wakes a listener that wasn't taken from. */
static void let_wait(struct session_shared *shared, uv_stream_t *listener)
{
    for (int i = 0; i < shared->n_waiting; i++)
        if (shared->waiting[i] == listener)
            return;
    if (shared->n_waiting < LISTEN_MAX)
        shared->waiting[shared->n_waiting++] = listener;
}

static void on_admit(struct deadline *d)
{
    struct session_shared *shared = container_of(d, struct session_shared, admit);
    int n = shared->n_waiting;
    uv_stream_t *waiting[LISTEN_MAX];
    memcpy(waiting, shared->waiting, sizeof waiting);
    shared->n_waiting = 0;
    for (int i = 0; i < n; i++)
        if (!uv_is_closing((uv_handle_t *)waiting[i]))
            session_accept(shared, waiting[i]);
}

void session_accept(struct session_shared *shared, uv_stream_t *listener)
{
    bool still_waits = true;
    if (shared->n_hall >= shared->max_hall && !evict_silent(shared, NULL)) {
        let_wait(shared, listener);
        return;
    }
    struct session *s = calloc(1, sizeof *s);
    if (s)
        s->conn = conn_new(shared->loop, shared->deadlines, listener, &shared->ctx, &events, s, &still_waits);
    if (!s || !s->conn) {
        log_error("listen", "out of memory, an arrival %s", still_waits ? "waits" : "was lost");
        free(s);
        if (still_waits) {
            let_wait(shared, listener);
            deadline_set(shared->deadlines, &shared->admit, RETRY_MS);
        }
        return;
    }
    s->shared = shared;
    strcpy(s->lang, "zh");
    s->greeting.fire = on_greeting_late;
    s->ping.fire = on_ping_due;
    s->expiry.fire = on_expiry;
    s->next = shared->first;
    s->back = &shared->first;
    if (s->next)
        s->next->back = &s->next;
    shared->first = s;
    s->conn->paused = true; /* frames wait until the account is known; the handshake goes on */
    deadline_set(shared->deadlines, &s->greeting, HANDSHAKE_MS);
    enter_hall(s);
    shared->n++;
    shared->n_unknown++;
}

/* ---- life of all */

void session_init(struct session_shared *shared, struct loop *loop, struct deadlines *deadlines,
                  const struct session_handler *handler)
{
    *shared = (struct session_shared){.loop = loop, .deadlines = deadlines, .handler = handler};
    TAILQ_INIT(&shared->hall);
    shared->admit.fire = on_admit;
    shared->sweep.fire = on_sweep;
    doorstep_init(&shared->doorstep, deadlines);
}

void session_shut(struct session_shared *shared)
{
    deadline_clear(shared->deadlines, &shared->admit);
    deadline_clear(shared->deadlines, &shared->sweep);
    doorstep_free(&shared->doorstep);
    SSL_CTX_free(shared->ctx);
}
