/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include "frame.h"
#include "limits.h"
#include "log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EARLY_PIECE     (16 * 1024) /* one read before a connection is secured */
#define EARLY_MOST      (32 * 1024) /* all of them: two hellos and a chain take less than four KiB */
#define FRAMES_PER_TURN 64          /* fairness: a client with a full buffer lets others have a turn */

static void read_socket(struct conn *c);

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    loop_forget(c->loop, &c->flush);
    loop_forget(c->loop, &c->shake);
    c->events->closed(c);
    tls_free(&c->tls);
    buf_free(&c->in);
    buf_free(&c->out);
    buf_free(&c->rest);
    free(c);
}

void conn_kill(struct conn *c, const char *why)
{
    if (c->dead)
        return;
    c->dead = true;
    c->why = why;
    if (!c->word)
        c->word = c->tls.word ? c->tls.word : "hung_up";
    if (c->secured)
        log_info(c->name, "closed: %s", why);
    deadline_clear(c->deadlines, &c->patience);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void conn_refuse(struct conn *c, const char *word, const char *why)
{
    c->word = word;
    conn_kill(c, why);
}

size_t conn_owed(const struct conn *c)
{
    return buf_len(&c->out) + buf_len(&c->rest);
}

/* ---- output */

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct conn *c = req->data;
    (void)status;
    conn_kill(c, "goodbye said");
}

static void after_output(struct conn *c)
{
    size_t owed = conn_owed(c);
    if (owed > CONN_HIGH)
        c->congested = true;
    if (owed == 0 && c->closing && !c->shut) {
        c->shut = true;
        c->shutdown.data = c;
        if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) != 0)
            conn_kill(c, "goodbye said");
    } else if (c->congested && owed <= CONN_LOW && !c->dead) {
        c->congested = false;
        read_socket(c);
        c->events->writable(c);
    }
}

static void on_written(uv_write_t *req, int status)
{
    struct conn *c = req->data;
    c->writing = false;
    if (c->dead)
        return;
    if (status < 0) {
        conn_kill(c, uv_strerror(status));
        return;
    }
    buf_free(&c->rest);
    loop_touch(c->loop, &c->flush); /* what came meanwhile, and after_output() */
}

/* One write in flight (libuv 1.44 doesn't join them): while it is, c->rest isn't touched. */
static void write_rest(struct conn *c)
{
    uv_buf_t piece = uv_buf_init((char *)buf_head(&c->rest), (unsigned)buf_len(&c->rest));
    c->writing = true;
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &piece, 1, on_written) != 0) {
        c->writing = false;
        conn_kill(c, "cannot write");
    }
}

/* Ciphertext in the scratch goes to the kernel, or to c->rest. Leaves the scratch empty. */
static void push(struct conn *c)
{
    struct buf *scratch = &c->loop->scratch;
    size_t n = buf_len(scratch);
    if (n && !c->dead && !c->writing) {
        uv_buf_t piece = uv_buf_init((char *)buf_head(scratch), (unsigned)n);
        int wrote = uv_try_write((uv_stream_t *)&c->tcp, &piece, 1);
        if (wrote > 0)
            buf_consume(scratch, (size_t)wrote);
        else if (wrote != UV_EAGAIN)
            conn_kill(c, uv_strerror(wrote));
        n = buf_len(scratch);
        if (n && !c->dead) {
            if (buf_append(&c->rest, buf_head(scratch), n))
                write_rest(c);
            else
                conn_kill(c, "out of memory");
        }
    } else if (n && !c->dead) {
        /* engine output outside flush() while a write is in flight: alerts and key updates; put behind, bounded */
        conn_kill(c, "the peer makes us talk while it does not read");
    }
    buf_consume(scratch, buf_len(scratch));
}

/* Into the scratch. */
static bool encrypt(struct conn *c, const uint8_t *bytes, size_t n)
{
    if (tls_write(&c->tls, bytes, n))
        return true;
    buf_consume(&c->loop->scratch, buf_len(&c->loop->scratch));
    conn_kill(c, c->tls.state == TLS_PEER_CLOSED ? "closed by the peer" : c->tls.err);
    return false;
}

static void digest(struct conn *c, const uint8_t *bytes, size_t n);

static void flush(struct task *task)
{
    struct conn *c = container_of(task, struct conn, flush);
    if (c->stalled && !c->paused && !c->dead && !c->closing) {
        c->stalled = false;
        digest(c, NULL, 0);
        if (!c->stalled)
            read_socket(c);
    }
    if (c->dead || c->writing)
        return;
    size_t n = buf_len(&c->out);
    if (n && c->secured) {
        bool written = encrypt(c, buf_head(&c->out), n);
        buf_free(&c->out); /* idle clients hold no buffer */
        if (!written)
            return;
    }
    if (c->closing && c->secured && c->tls.state != TLS_FAILED)
        tls_close(&c->tls);
    push(c);
    if (!c->dead && !c->writing)
        after_output(c);
    else if (conn_owed(c) > CONN_HIGH)
        c->congested = true;
    if (c->congested && !c->dead)
        uv_read_stop((uv_stream_t *)&c->tcp);
}

static bool may_send(const struct conn *c)
{
    return !c->dead && !c->closing && c->secured;
}

/* What didn't fit: a frame over the limit is the caller's mistake, a full queue the peer's. A frame that nobody will ever get
 * must end the connection: the peer would wait for it. */
static void refused(struct conn *c)
{
    bool slow = conn_owed(c) > CONN_CEILING / 2;
    conn_kill(c, slow ? "too slow: the ceiling of its buffer is reached" : "out of memory");
}

bool conn_send(struct conn *c, const Qipan__Frame *frame)
{
    if (!may_send(c))
        return false;
    if (!msg_put_frame(&c->out, frame)) {
        if (qipan__frame__get_packed_size(frame) <= LIMIT_FRAME)
            refused(c);
        return false;
    }
    loop_touch(c->loop, &c->flush);
    return true;
}

uint8_t *conn_reserve(struct conn *c, size_t n)
{
    uint8_t *room = may_send(c) ? buf_reserve(&c->out, n) : NULL;
    if (!room && may_send(c))
        refused(c);
    return room;
}

void conn_reserved(struct conn *c, size_t n)
{
    buf_grow(&c->out, n);
    loop_touch(c->loop, &c->flush);
}

bool conn_send_bytes(struct conn *c, const void *frames, size_t n)
{
    if (may_send(c) && !c->writing && buf_len(&c->out) == 0) {
        if (!encrypt(c, frames, n))
            return false;
        push(c);
        if (conn_owed(c) > CONN_HIGH)
            loop_touch(c->loop, &c->flush); /* which sees the congestion */
        return !c->dead;
    }
    uint8_t *room = conn_reserve(c, n);
    if (!room)
        return false;
    memcpy(room, frames, n);
    conn_reserved(c, n);
    return true;
}

void conn_goodbye(struct conn *c, Qipan__Error *error, uint32_t reconnect_after_ms)
{
    if (c->dead || c->closing)
        return;
    Qipan__Goodbye goodbye = QIPAN__GOODBYE__INIT;
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    goodbye.error = error;
    goodbye.has_reconnect_after_ms = reconnect_after_ms > 0;
    goodbye.reconnect_after_ms = reconnect_after_ms;
    frame.goodbye = &goodbye;
    conn_send(c, &frame);
    if (c->dead)
        return;
    if (error)
        log_info(c->name, "goodbye: %s", error->code);
    c->closing = true;
    deadline_set(c->deadlines, &c->patience, GOODBYE_MS);
    loop_touch(c->loop, &c->flush);
}

void conn_hurry(struct conn *c, uint64_t ms)
{
    if (!c->dead && c->closing)
        deadline_set(c->deadlines, &c->patience, ms);
}

/* ---- input */

/* Frames that are whole. False when it stopped early: paused, closing, or enough for this turn. */
static bool take_frames(struct conn *c)
{
    const uint8_t *body;
    size_t n;
    for (int i = 0; i < FRAMES_PER_TURN; i++) {
        if (c->paused || c->closing || c->dead)
            return false;
        switch (frame_peek(&c->in, &body, &n)) {
        case FRAME_WAIT:
            return true;
        case FRAME_READY:
            c->events->frame(c, body, n);
            buf_consume(&c->in, FRAME_HEADER + n);
            break;
        case FRAME_EMPTY:
            c->events->broken(c, "MALFORMED");
            return false;
        case FRAME_TOO_LARGE:
            c->events->broken(c, "TOO_LARGE");
            return false;
        }
    }
    return false;
}

static void become_secured(struct conn *c)
{
    c->secured = true;
    c->events->secured(c);
}

/* No more requests will come, but what was asked may still be answered. */
static void end_input(struct conn *c, const char *how)
{
    if (!c->secured || c->closing) {
        conn_kill(c, how);
        return;
    }
    c->ended = true;
    uv_read_stop((uv_stream_t *)&c->tcp);
    log_debug(c->name, "%s", how);
    c->events->ended(c);
}

/* Works through what the engine holds. bytes may be empty: after a pause there is plaintext and no readiness event. */
static void digest(struct conn *c, const uint8_t *bytes, size_t n)
{
    for (;;) {
        size_t before = buf_len(&c->in);
        enum tls_state state = tls_feed(&c->tls, bytes, n, &c->in);
        bool more = buf_len(&c->in) > before;
        bytes = NULL;
        n = 0;
        push(c);
        if (c->dead)
            return;
        if (state == TLS_OPEN && !c->secured)
            become_secured(c);
        bool all = take_frames(c);
        if (c->dead || c->closing)
            return;
        if (state == TLS_FAILED) {
            conn_kill(c, c->tls.err);
            return;
        }
        if (state == TLS_PEER_CLOSED && all) {
            end_input(c, "closed by the peer");
            return;
        }
        if (!c->secured) /* no frame can have come yet */
            return;
        if (!all) {
            c->stalled = true;
            uv_read_stop((uv_stream_t *)&c->tcp); /* else libuv goes on reading in this very turn */
            if (!c->paused)
                loop_touch(c->loop, &c->flush);
            return;
        }
        if (!more)
            break;
    }
    if (buf_len(&c->in) == 0)
        buf_free(&c->in);
}

static void give_input(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct conn *c = handle->data;
    (void)suggested;
    *ret = uv_buf_init(c->loop->input, c->secured ? sizeof c->loop->input : EARLY_PIECE);
}

/* Once a flight may be whole nothing more is read until the handshake work has seen it: a piece is all that waits. */
static void take_early(struct conn *c, const uint8_t *bytes, size_t n)
{
    c->early += (uint32_t)n;
    if (!opening_take(&c->opening, bytes, n)) {
        conn_refuse(c, "not_tls", "what it sends is no TLS client's beginning");
    } else if (c->early > EARLY_MOST || !tls_hold(&c->tls, bytes, n)) {
        conn_refuse(c, "flood", "more than a handshake takes");
    } else if (opening_ready(&c->opening)) {
        uv_read_stop((uv_stream_t *)&c->tcp);
        loop_later(c->loop, &c->shake);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *input)
{
    struct conn *c = stream->data;
    if (n == 0 || c->dead || (c->closing && n > 0)) /* a closing connection only waits for the peer's end */
        return;
    c->heard_ms = loop_now_ms(c->loop);
    if (n == UV_EOF) {
        end_input(c, "the peer hung up");
        return;
    }
    if (n < 0) {
        conn_kill(c, uv_strerror((int)n));
        return;
    }
    if (c->secured)
        digest(c, (const uint8_t *)input->base, (size_t)n);
    else
        take_early(c, (const uint8_t *)input->base, (size_t)n);
}

/* Reads while neither paused (which is for frames: a handshake goes on) nor congested; a closing connection reads only to notice the peer's end. */
static void read_socket(struct conn *c)
{
    if (!c->dead && !(c->paused && c->secured) && !c->congested && !c->stalled && !c->ended)
        uv_read_start((uv_stream_t *)&c->tcp, give_input, on_read);
}

void conn_pause(struct conn *c)
{
    c->paused = true;
    if (c->secured && !c->dead)
        uv_read_stop((uv_stream_t *)&c->tcp);
}

void conn_resume(struct conn *c)
{
    if (!c->paused || c->dead)
        return;
    c->paused = false;
    read_socket(c);
    loop_touch(c->loop, &c->flush);
}

/* ---- time */

static void out_of_patience(struct deadline *d)
{
    struct conn *c = container_of(d, struct conn, patience);
    uint64_t silent = loop_now_ms(c->loop) - c->heard_ms;
    if (c->closing)
        conn_kill(c, "goodbye not taken in time");
    else if (!c->secured)
        conn_refuse(c, "silence", "handshake not done in time");
    else if (silent >= DEAD_MS && !c->paused)
        conn_kill(c, "silent for too long");
    else
        deadline_set(c->deadlines, &c->patience, c->paused ? DEAD_MS : DEAD_MS - silent);
}

static void shake(struct task *task)
{
    struct conn *c = container_of(task, struct conn, shake);
    bool first = !c->tls.ssl;
    if (c->dead)
        return;
    if (first && !tls_init(&c->tls, *c->ctx, NULL)) {
        conn_refuse(c, "memory", "out of memory");
        return;
    }
    digest(c, NULL, 0);
    if (c->dead || c->secured)
        return;
    read_socket(c);
    if (first)
        c->events->begun(c);
}

static void name_it(struct conn *c)
{
    static unsigned long counter;
    struct sockaddr_storage peer = {0};
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&peer;
    int size = sizeof peer;
    int port = 0;
    strcpy(c->peer, "?");
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&peer, &size) == 0) {
        uv_ip_name((struct sockaddr *)&peer, c->peer, sizeof c->peer);
        port = ntohs(peer.ss_family == AF_INET6 ? v6->sin6_port : ((struct sockaddr_in *)&peer)->sin_port);
    }
    strcpy(c->source, c->peer);
    if (peer.ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        memset(v6->sin6_addr.s6_addr + 8, 0, 8);
        uv_ip6_name(v6, c->source, sizeof c->source - 3);
        strcat(c->source, "/64");
    }
    snprintf(c->name, sizeof c->name, "conn %lu %s %d", ++counter, c->peer, port);
}

static void abandon(uv_handle_t *handle)
{
    free(handle->data);
}

struct conn *conn_new(struct loop *loop, struct deadlines *deadlines, uv_stream_t *listener,
                      SSL_CTX *const *ctx, const struct conn_events *events, void *owner,
                      bool *ret_still_waits)
{
    struct conn *c = calloc(1, sizeof *c);
    *ret_still_waits = !c;
    if (!c)
        return NULL;
    c->loop = loop;
    c->deadlines = deadlines;
    c->events = events;
    c->owner = owner;
    c->ctx = ctx;
    c->flush.run = flush;
    c->shake.run = shake;
    c->patience.fire = out_of_patience;
    c->heard_ms = loop_now_ms(loop);
    buf_init(&c->in, LIMIT_FRAME + FRAME_HEADER);
    buf_init(&c->out, CONN_CEILING);
    buf_init(&c->rest, 2 * CONN_CEILING);
    uv_tcp_init(&loop->uv, &c->tcp);
    c->tcp.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
        uv_close((uv_handle_t *)&c->tcp, abandon);
        return NULL;
    }
    c->tls.out = &loop->scratch;
    name_it(c);
    uv_tcp_nodelay(&c->tcp, 1);
    deadline_set(deadlines, &c->patience, HANDSHAKE_MS);
    read_socket(c);
    return c;
}
