/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include "frame.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <libintl.h>

#define _(text) dgettext("qipan", text)

#define READ_BYTES   (16 * 1024)
#define READS_A_TURN 16

static void down(struct link *l, enum link_end end, uint32_t wait_ms);

void link_init(struct link *l, SSL_CTX *ctx, const Qipan__Hello *hello, const struct link_events *events,
               void *owner)
{
    memset(l, 0, sizeof *l);
    l->fd = -1;
    l->ctx = ctx;
    l->hello = hello;
    l->events = events;
    l->owner = owner;
    buf_init(&l->out, LINK_OUT_MAX);
    buf_init(&l->plain, 2 * (LIMIT_FRAME + FRAME_HEADER));
    buf_init(&l->packed, LINK_OUT_MAX);
}

static void forget_addresses(struct link *l)
{
    if (l->found)
        freeaddrinfo(l->found);
    l->found = l->next = NULL;
}

static void close_socket(struct link *l)
{
    tls_free(&l->tls);
    memset(&l->tls, 0, sizeof l->tls);
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    buf_consume(&l->out, buf_len(&l->out));
    buf_consume(&l->plain, buf_len(&l->plain));
    buf_consume(&l->packed, buf_len(&l->packed));
    l->send_failed = l->more = false;
}

static void say_why(struct link *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say_why(struct link *l, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(l->why, sizeof l->why, format, args);
    va_end(args);
}

static void down(struct link *l, enum link_end end, uint32_t wait_ms)
{
    if (l->state == LINK_DOWN)
        return;
    close_socket(l);
    forget_addresses(l);
    l->state = LINK_DOWN;
    l->events->down(l->owner, end, wait_ms);
}

void link_drop(struct link *l, const char *why)
{
    say_why(l, "%s", why);
    down(l, LINK_END_CLOSED, 0);
}

/* ---------------------------------------------------------------- output */

static void send_bytes(struct link *l)
{
    while (buf_len(&l->out) > 0 && !l->send_failed) {
        ssize_t n = send(l->fd, buf_head(&l->out), buf_len(&l->out), MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0) {
            say_why(l, "%s: %s", l->address, strerror(errno));
            l->send_failed = true;
            return;
        }
        buf_consume(&l->out, (size_t)n);
    }
}

/* Plaintext becomes ciphertext here and nowhere else, so that small frames share records. */
void link_flush(struct link *l)
{
    size_t n = buf_len(&l->packed);

    if (l->fd < 0 || l->state < LINK_SECURING)
        return;
    if (n > 0 && l->tls.state == TLS_OPEN && buf_len(&l->out) < LINK_OUT_MAX / 2) {
        if (n > LINK_OUT_MAX / 4)
            n = LINK_OUT_MAX / 4;
        if (tls_write(&l->tls, buf_head(&l->packed), n))
            buf_consume(&l->packed, n);
    }
    send_bytes(l);
}

bool link_send(struct link *l, const Qipan__Frame *frame)
{
    return l->state >= LINK_GREETING && msg_put_frame(&l->packed, frame);
}

bool link_send_bytes(struct link *l, const uint8_t *frame, size_t n)
{
    return l->state == LINK_UP && buf_append(&l->packed, frame, n);
}

/* ---------------------------------------------------------------- frames */

static void take_error(struct link *l, const Qipan__Error *e)
{
    snprintf(l->code, sizeof l->code, "%s", e && e->code ? e->code : "");
    if (e && (e->message || e->code))
        say_why(l, "%s: %s", l->address, e->message ? e->message : e->code);
    else
        say_why(l, "%s: %s", l->address, _("the daemon said goodbye"));
}

static void on_goodbye(struct link *l, const Qipan__Goodbye *g)
{
    bool refused;

    take_error(l, g->error);
    refused = strcmp(l->code, "UNAUTHENTICATED") == 0 || strcmp(l->code, "CERT_REVOKED") == 0;
    down(l, refused ? LINK_END_REFUSED : LINK_END_CLOSED,
         g->has_reconnect_after_ms ? g->reconnect_after_ms : 0);
}

static void on_welcome(struct link *l, const Qipan__Welcome *w)
{
    if (l->state != LINK_GREETING) {
        link_drop(l, "PROTOCOL_ERROR: welcome");
        return;
    }
    l->state = LINK_UP;
    if (w->has_dead_ms && w->dead_ms >= 1000)
        l->dead_ms = w->dead_ms;
    forget_addresses(l);
    l->events->up(l->owner, w);
}

static void on_ping(struct link *l, Qipan__Ping *ping)
{
    Qipan__Frame pong = QIPAN__FRAME__INIT;

    pong.pong = ping;
    link_send(l, &pong);
}

static void on_frame(struct link *l, const Qipan__Frame *f, size_t n)
{
    if (f->goodbye)
        on_goodbye(l, f->goodbye);
    else if (f->welcome)
        on_welcome(l, f->welcome);
    else if (f->ping)
        on_ping(l, f->ping);
    else if (f->pong)
        return;
    else if (l->state == LINK_UP && (f->reply || f->feed))
        l->events->frame(l->owner, f, n);
    else
        link_drop(l, "PROTOCOL_ERROR");
}

/* False when the link ended. */
static bool unpack_frame(struct link *l, const uint8_t *body, size_t n)
{
    struct arena arena;
    ProtobufCMessage *message = NULL;
    struct msg_fault fault;

    arena_init(&arena, LIMIT_ARENA);
    if (msg_take(&qipan__frame__descriptor, body, n, &arena, &message, &fault) != MSG_OK ||
        msg_frame_parts((Qipan__Frame *)message) != 1)
        link_drop(l, "MALFORMED");
    else
        on_frame(l, (Qipan__Frame *)message, n);
    arena_free(&arena);
    return l->state != LINK_DOWN;
}

/* Whole frames out of `plain`; false when the link ended or the turn's share is used up. */
static bool take_frames(struct link *l, int *left)
{
    const uint8_t *body;
    size_t n;

    for (;;) {
        enum frame_result r = frame_peek(&l->plain, &body, &n);

        if (r == FRAME_WAIT)
            return true;
        if (r != FRAME_READY) {
            link_drop(l, "MALFORMED");
            return false;
        }
        if ((*left)-- <= 0) {
            l->more = true;
            return false;
        }
        if (!unpack_frame(l, body, n))
            return false;
        buf_consume(&l->plain, FRAME_HEADER + n);
    }
}

/* ---------------------------------------------------------------- input */

static void say_hello(struct link *l)
{
    Qipan__Frame frame = QIPAN__FRAME__INIT;

    l->state = LINK_GREETING;
    frame.hello = (Qipan__Hello *)l->hello;
    link_send(l, &frame);
}

static void tls_ended(struct link *l)
{
    if (l->tls.state == TLS_FAILED) {
        say_why(l, "%s: %s", l->address, l->tls.err);
        down(l, l->tls.cert_refused ? LINK_END_REFUSED : LINK_END_CLOSED, 0);
    } else {
        say_why(l, "%s: %s", l->address, _("closed by the daemon"));
        down(l, LINK_END_CLOSED, 0);
    }
}

/* Ciphertext to frames. False when the link ended or the turn is over. */
static bool feed(struct link *l, const uint8_t *bytes, size_t n, int *frames_left)
{
    for (;;) {
        size_t before = buf_len(&l->plain);
        enum tls_state s = tls_feed(&l->tls, bytes, n, &l->plain);
        bool grew = buf_len(&l->plain) > before;

        if (s == TLS_OPEN && l->state == LINK_SECURING)
            say_hello(l);
        if (!take_frames(l, frames_left))
            return false;
        if (s == TLS_FAILED || s == TLS_PEER_CLOSED) {
            tls_ended(l);
            return false;
        }
        if (!grew)
            return true;
        bytes = NULL;
        n = 0;
    }
}

static void read_socket(struct link *l, int64_t now_ms)
{
    uint8_t bytes[READ_BYTES];
    int frames_left = LINK_TURN_FRAMES;

    if (l->more) {
        l->more = false;
        if (!take_frames(l, &frames_left) || !feed(l, NULL, 0, &frames_left))
            return;
    }
    for (int i = 0; i < READS_A_TURN; i++) {
        ssize_t n = recv(l->fd, bytes, sizeof bytes, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            if (n < 0 || !l->send_failed)
                say_why(l, "%s: %s", l->address, n < 0 ? strerror(errno) : _("closed by the daemon"));
            down(l, LINK_END_CLOSED, 0);
            return;
        }
        l->heard_ms = now_ms;
        if (!feed(l, bytes, (size_t)n, &frames_left))
            return;
    }
    l->more = true;
}

/* ---------------------------------------------------------------- connecting */

static int open_socket(struct link *l, const struct addrinfo *a)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    int on = 1;

    if (fd < 0) {
        say_why(l, "%s: %s", l->address, strerror(errno));
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS)
        return fd;
    say_why(l, "%s: %s", l->address, strerror(errno));
    close(fd);
    return -1;
}

static void try_next_address(struct link *l, int64_t now_ms)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    while (l->next && l->fd < 0) {
        l->fd = open_socket(l, l->next);
        l->next = l->next->ai_next;
    }
    if (l->fd < 0)
        down(l, LINK_END_CLOSED, 0);
    else
        l->due_ms = now_ms + LINK_CONNECT_MS;
}

static void secure(struct link *l, int64_t now_ms)
{
    /* the daemon's clock for all this runs from its accept */
    l->due_ms = now_ms + HANDSHAKE_MS;
    l->state = LINK_SECURING;
    l->heard_ms = now_ms;
    if (!tls_init(&l->tls, l->ctx, l->tls_host)) {
        link_drop(l, "no memory for TLS");
        return;
    }
    l->tls.out = &l->out;
    tls_start(&l->tls);
}

static void connected(struct link *l, int64_t now_ms)
{
    int err = 0;
    socklen_t n = sizeof err;

    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
        err = errno;
    if (err == 0) {
        secure(l, now_ms);
        return;
    }
    say_why(l, "%s: %s", l->address, strerror(err));
    try_next_address(l, now_ms);
}

void link_start(struct link *l, const char *host, const char *port, int64_t now_ms)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int err;

    l->code[0] = '\0';
    snprintf(l->tls_host, sizeof l->tls_host, "%s", host);
    snprintf(l->address, sizeof l->address, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    l->dead_ms = DEAD_MS;
    l->state = LINK_CONNECTING;
    err = getaddrinfo(host, port, &hints, &l->found);
    if (err) {
        l->found = NULL;
        say_why(l, "%s: %s", l->address, gai_strerror(err));
        down(l, LINK_END_CLOSED, 0);
        return;
    }
    l->next = l->found;
    try_next_address(l, now_ms);
}

/* ---------------------------------------------------------------- turns */

short link_wants(const struct link *l)
{
    bool unsent = buf_len(&l->out) > 0 || buf_len(&l->packed) > 0;

    if (l->state == LINK_DOWN)
        return 0;
    if (l->state == LINK_CONNECTING)
        return POLLOUT;
    return (short)(POLLIN | (unsent && !l->send_failed ? POLLOUT : 0));
}

int64_t link_due(const struct link *l)
{
    if (l->state == LINK_DOWN)
        return INT64_MAX;
    if (l->more)
        return 0;
    return l->state == LINK_UP ? l->heard_ms + l->dead_ms : l->due_ms;
}

static void check_time(struct link *l, int64_t now_ms)
{
    if (l->state == LINK_DOWN || l->more || now_ms < link_due(l))
        return;
    say_why(l, "%s: %s", l->address, l->state == LINK_UP ? _("silent for too long") : _("no answer"));
    if (l->state == LINK_CONNECTING && l->next)
        try_next_address(l, now_ms);
    else
        down(l, LINK_END_CLOSED, 0);
}

void link_process(struct link *l, short revents, int64_t now_ms)
{
    if (l->state == LINK_CONNECTING && (revents & (POLLOUT | POLLERR | POLLHUP)))
        connected(l, now_ms);
    else if (l->state > LINK_CONNECTING && ((revents & (POLLIN | POLLERR | POLLHUP)) || l->more))
        read_socket(l, now_ms);
    check_time(l, now_ms);
    if (l->state > LINK_CONNECTING)
        link_flush(l);
}

static void part(struct link *l)
{
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Goodbye bye = QIPAN__GOODBYE__INIT;

    frame.goodbye = &bye;
    link_send(l, &frame);
    link_flush(l);
    if (l->tls.state == TLS_OPEN) {
        tls_close(&l->tls);
        send_bytes(l);
    }
}

void link_free(struct link *l)
{
    if (l->state == LINK_UP)
        part(l);
    close_socket(l);
    forget_addresses(l);
    buf_free(&l->out);
    buf_free(&l->plain);
    buf_free(&l->packed);
    l->state = LINK_DOWN;
}
