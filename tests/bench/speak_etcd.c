/* SPDX-License-Identifier: Apache-2.0 */
/* etcd's own protocol, gRPC on HTTP/2: as much as puts and a watch need. Headers are sent without compression and
 * never read: a call that brought a message before its trailers went well. */
#include "channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_HEAD 9
#define KEYS       100000
enum { DATA, HEADERS, SETTINGS = 4, PING = 6, GOAWAY, WINDOW_UPDATE };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static void put_head(struct channel *l, size_t n, uint8_t type, uint8_t flags, uint32_t stream)
{
    uint8_t head[FRAME_HEAD] = {
        (uint8_t)(n >> 16),      (uint8_t)(n >> 8),      (uint8_t)n,     type, flags, (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    channel_put(l, head, sizeof head);
}

static uint8_t *literal(uint8_t *p, const char *text)
{
    size_t n = strlen(text);
    *p = (uint8_t)n;
    memcpy(p + 1, text, n);
    return p + 1 + n;
}

/* POST https; path, authority, content-type and te as literals (HPACK 6.2.2) */
static void begin_call(struct channel *l, const char *path, uint32_t stream)
{
    uint8_t block[256] = {0x83, 0x87, 0x04}, *p = literal(block + 3, path);
    *p++ = 0x01;
    p = literal(p, "etcd");
    *p++ = 0x0f;
    *p++ = 0x10;
    p = literal(p, "application/grpc");
    *p++ = 0x00;
    p = literal(literal(p, "te"), "trailers");
    put_head(l, (size_t)(p - block), HEADERS, END_HEADERS, stream);
    channel_put(l, block, (size_t)(p - block));
}

static void put_message(struct channel *l, const uint8_t *message, size_t n, uint8_t flags, uint32_t stream)
{
    uint8_t prefix[5] = {0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n};
    put_head(l, n + sizeof prefix, DATA, flags, stream);
    channel_put(l, prefix, sizeof prefix);
    channel_put(l, message, n);
}

static void greet(struct channel *l)
{
    static const uint8_t wide[] = {0, 4, 0x40, 0, 0, 0}, more[] = {0x40, 0, 0, 0};
    channel_put(l, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    put_head(l, sizeof wide, SETTINGS, 0, 0);
    channel_put(l, wide, sizeof wide);
    put_head(l, sizeof more, WINDOW_UPDATE, 0, 0);
    channel_put(l, more, sizeof more);
    if (l->role == PUBLISHER) {
        bench_ready(l);
        return;
    }
    static const uint8_t create[] = {0x0a, 3, 0x0a, 1, 't'};
    begin_call(l, "/etcdserverpb.Watch/Watch", 1);
    put_message(l, create, sizeof create, 0, 1);
}

/* Watched puts go to one key, others over many. */
static void publish(struct channel *l, uint32_t seq)
{
    static uint8_t request[65536];
    uint32_t stream = 2 * l->calls++ + 1;
    size_t n = (size_t)options.size,
           at = (size_t)sprintf((char *)request, "\x0a%c%s", options.subs ? 1 : 6, options.subs ? "t" : "k");
    if (!options.subs)
        at += (size_t)sprintf((char *)request + at, "%05u", seq % KEYS);
    request[at++] = 0x12;
    if (n > 127)
        request[at++] = (uint8_t)(n | 128);
    request[at++] = (uint8_t)(n > 127 ? n >> 7 : n);
    memcpy(request + at, message_text(seq), n);
    begin_call(l, "/etcdserverpb.KV/Put", stream);
    put_message(l, request, at + n, END_STREAM, stream);
}

/* WatchResponse: created = 3, events = 11 */
static void take_watch(struct channel *l, const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n;
    if (n < 5 || ((size_t)p[3] << 8 | p[4]) + 5 != n)
        die("a watch's message over several frames");
    for (p += 5; p < end;) {
        uint8_t tag = *p++;
        size_t value = 0;
        for (int shift = 0; p < end; shift += 7) {
            value |= (size_t)(*p & 127) << shift;
            if (!(*p++ & 128))
                break;
        }
        if (tag >> 3 == 3 && value && !l->ready)
            bench_ready(l);
        if (tag >> 3 == 11)
            bench_arrived(l, p, value);
        if ((tag & 7) == 2)
            p += value;
    }
}

static void take_frame(struct channel *l, const uint8_t *head, const uint8_t *body, size_t n)
{
    uint8_t type = head[3], flags = head[4];
    uint32_t stream =
        (uint32_t)(head[5] & 127) << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
    if (type == DATA && l->role == SUBSCRIBER) {
        take_watch(l, body, n);
    } else if (type == DATA) {
        l->spent++;
    } else if (type == HEADERS && (flags & END_STREAM)) {
        bench_acked(l, (stream - 1) / 2, l->spent > 0);
        l->spent -= l->spent > 0;
    } else if (type == SETTINGS && !(flags & ACK)) {
        put_head(l, 0, SETTINGS, ACK, 0);
    } else if (type == PING && !(flags & ACK)) {
        put_head(l, n, PING, ACK, 0);
        channel_put(l, body, n);
    } else if (type == GOAWAY) {
        die("etcd says goodbye");
    }
}

static size_t take(struct channel *l, const uint8_t *bytes, size_t n)
{
    size_t used = 0;
    while (n - used >= FRAME_HEAD) {
        const uint8_t *head = bytes + used;
        size_t body = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (n - used - FRAME_HEAD < body)
            break;
        take_frame(l, head, head + FRAME_HEAD, body);
        used += FRAME_HEAD + body;
    }
    return used;
}

const struct speech speak_etcd = {"etcd", "\x02h2", false, greet, take, publish};
