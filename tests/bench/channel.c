/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 1024
#define PIECE  16384

static int epoll;
static SSL_CTX *contexts[2];
static struct sockaddr_in servers[2];
static uint8_t window[1 << 20]; /* what is being parsed: rest of the link, then a record */

uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

static SSL_CTX *make_context(const char *cert, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, 32 * 1024);
    if (cert && (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
                 SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1))
        die("%s: no certificate with its key", cert);
    if (speech->alpn &&
        SSL_CTX_set_alpn_protos(ctx, (const uint8_t *)speech->alpn, (unsigned)strlen(speech->alpn)))
        die("no ALPN");
    return ctx; /* the server isn't verified: who it is doesn't matter here, and the load shall be thin */
}

static struct sockaddr_in parse_address(const char *text)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || colon - text >= (int)sizeof host)
        die("%s is no host:port", text);
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
        die("%s is no host:port", text);
    return a;
}

void channels_init(void)
{
    servers[SUBSCRIBER] = parse_address(options.address);
    servers[PUBLISHER] = parse_address(options.pub_address ? options.pub_address : options.address);
    epoll = epoll_create1(0);
    contexts[SUBSCRIBER] = make_context(options.sub_cert, options.sub_key);
    contexts[PUBLISHER] = make_context(options.pub_cert, options.pub_key);
}

static void watch_for(struct channel *l, bool writing, int op)
{
    struct epoll_event e = {.events = (l->stopped || l->trickle ? 0 : EPOLLIN) | (writing ? EPOLLOUT : 0),
                            .data.ptr = l};
    if (epoll_ctl(epoll, op, l->fd, &e) < 0)
        die("epoll: %s", strerror(errno));
    l->wants_write = writing;
}

struct channel *channel_open(enum role role, int number)
{
    struct channel *l = calloc(1, sizeof *l);
    int one = 1;
    if (!l)
        die("out of memory");
    l->role = role;
    l->number = number;
    l->begun_us = now_us();
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (l->fd < 0 ||
        (connect(l->fd, (struct sockaddr *)&servers[role], sizeof servers[role]) < 0 && errno != EINPROGRESS))
        die("connect: %s", strerror(errno));
    l->ssl = SSL_new(contexts[role]);
    SSL_set_fd(l->ssl, l->fd);
    SSL_set_connect_state(l->ssl);
    l->plain = speech->plain_first;
    watch_for(l, true, EPOLL_CTL_ADD);
    return l;
}

void channel_close(struct channel *l)
{
    if (l->dead)
        return;
    l->dead = true;
    SSL_free(l->ssl);
    close(l->fd);
    free(l->in.data);
    free(l->out.data);
    l->in = l->out = (struct bytes){0};
    bench_closed(l);
}

static void append(struct bytes *b, const void *bytes, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = 2 * (b->n + n);
        b->data = realloc(b->data, b->cap);
        if (!b->data)
            die("out of memory");
    }
    memcpy(b->data + b->n, bytes, n);
    b->n += n;
}

void channel_put(struct channel *l, const void *bytes, size_t n)
{
    if (!l->dead)
        append(&l->out, bytes, n);
}

/* False: the link is gone. */
static bool settle(struct channel *l, int ret)
{
    int what = SSL_get_error(l->ssl, ret);
    ERR_clear_error();
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) {
        if ((what == SSL_ERROR_WANT_WRITE) != l->wants_write)
            watch_for(l, what == SSL_ERROR_WANT_WRITE, EPOLL_CTL_MOD);
        return true;
    }
    channel_close(l);
    return false;
}

void channel_flush(struct channel *l)
{
    size_t done = 0;
    while (!l->dead && l->secured && done < l->out.n) {
        int n = SSL_write(l->ssl, l->out.data + done, (int)(l->out.n - done));
        if (n <= 0) {
            if (!settle(l, n))
                return;
            break;
        }
        done += (size_t)n;
    }
    if (l->dead)
        return;
    l->out.n -= done;
    memmove(l->out.data, l->out.data + done, done ? l->out.n : 0);
    if (l->out.n == 0 && l->wants_write)
        watch_for(l, false, EPOLL_CTL_MOD);
}

static void shake(struct channel *l)
{
    if (l->plain) { /* the server's greeting ends with a line feed; what follows is TLS */
        char c = 0;
        while (c != '\n') {
            if (read(l->fd, &c, 1) != 1) {
                watch_for(l, false, EPOLL_CTL_MOD);
                return;
            }
        }
        l->plain = false;
    }
    int ret = SSL_do_handshake(l->ssl);
    if (ret != 1) {
        settle(l, ret);
        return;
    }
    l->secured = true;
    watch_for(l, false, EPOLL_CTL_MOD);
    speech->greet(l);
    channel_flush(l);
}

static void drink(struct channel *l)
{
    for (;;) {
        size_t had = l->in.n;
        if (had + PIECE > sizeof window)
            die("a message that never ends");
        if (had)
            memcpy(window, l->in.data, had);
        int n = SSL_read(l->ssl, window + had, l->trickle ? l->trickle : PIECE);
        if (n <= 0) {
            settle(l, n);
            return;
        }
        size_t all = had + (size_t)n, used = speech->take(l, window, all);
        if (l->dead)
            return;
        l->in.n = 0;
        if (used < all)
            append(&l->in, window + used, all - used);
        if (l->trickle || l->stopped)
            return;
    }
}

void channels_turn(uint64_t wait_us)
{
    struct timespec wait = {(time_t)(wait_us / 1000000), (long)(wait_us % 1000000) * 1000};
    static struct epoll_event events[EVENTS];
    int n = epoll_pwait2(epoll, events, EVENTS, &wait, NULL);
    for (int i = 0; i < n; i++) {
        struct channel *l = events[i].data.ptr;
        if (!l->dead && !l->secured)
            shake(l);
        if (!l->dead && l->secured && !l->stopped && !l->trickle)
            drink(l);
        if (!l->dead && l->out.n)
            channel_flush(l);
    }
}

void channel_sip(struct channel *l)
{
    if (!l->dead)
        drink(l);
    if (!l->dead && l->out.n)
        channel_flush(l);
}

void channel_slow(struct channel *l, bool stopped, int trickle)
{
    int small = 4096; /* else the kernel's megabytes hide that nobody reads */
    setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    l->stopped = stopped;
    l->trickle = trickle;
    watch_for(l, l->wants_write, EPOLL_CTL_MOD);
}

const char *message_text(uint32_t seq)
{
    static char text[65536];
    if (!text[0]) { /* differs from run to run: an edit that changes nothing is no event */
        memset(text, 'x', (size_t)options.size);
        snprintf(text + 10, 10, "%09llx", (unsigned long long)now_us() & 0xfffffffff);
        text[19] = 'x';
    }
    char end = text[10];
    snprintf(text, 11, "#@%08u", seq % 100000000);
    text[10] = end;
    return text;
}

uint32_t message_seq(const uint8_t *bytes, size_t n)
{
    const uint8_t *mark = memmem(bytes, n, "#@", 2), *next = mark;
    for (; next; next = memmem(mark + 2, n - (size_t)(mark + 2 - bytes), "#@", 2))
        mark = next; /* what it was before stands before what it is now */
    uint32_t seq = 0;
    if (!mark || mark + 10 > bytes + n)
        return UINT32_MAX;
    for (int i = 2; i < 10; i++)
        seq = seq * 10 + (uint32_t)(mark[i] - '0');
    return seq;
}
