/* SPDX-License-Identifier: Apache-2.0 */
/* The peers' languages, each as far as the bench needs it. Splitting input into messages is all a subscriber does. */
#include "channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_text(struct channel *l, const char *text)
{
    channel_put(l, text, strlen(text));
}

/* ---------------------------------------------------------------- nothing but bytes: the bare broadcaster
 * A message is options.size bytes. The publisher's go out to everybody. */

static void bare_greet(struct channel *l)
{
    put_text(l, l->role == SUBSCRIBER ? "S" : "P");
    if (l->role == PUBLISHER)
        bench_ready(l);
}

static size_t bare_take(struct channel *l, const uint8_t *bytes, size_t n)
{
    size_t used = 0, size = (size_t)options.size;
    if (!l->ready && n) { /* the server's 'R': it knows this subscriber */
        bench_ready(l);
        used = 1;
    }
    for (; n - used >= size; used += size)
        bench_arrived(l, bytes + used, size);
    return used;
}

static void bare_publish(struct channel *l, uint32_t seq)
{
    channel_put(l, message_text(seq), (size_t)options.size);
    bench_acked(l, UINT32_MAX, true);
}

const struct speech speak_bare = {"bare", NULL, false, bare_greet, bare_take, bare_publish};

/* ---------------------------------------------------------------- a handshake and no more: the server hangs up */

static void none_greet(struct channel *l)
{
    (void)l;
}

static size_t none_take(struct channel *l, const uint8_t *bytes, size_t n)
{
    (void)l;
    (void)bytes;
    return n;
}

const struct speech speak_none = {"none", NULL, false, none_greet, none_take, NULL};

/* ---------------------------------------------------------------- MQTT 3.1.1 */

static void mqtt_greet(struct channel *l)
{
    uint8_t hello[64] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0};
    int n = snprintf((char *)hello + 14, 40, "%d%c%d", (int)getpid(), l->role == SUBSCRIBER ? 's' : 'p',
                     l->number);
    hello[13] = (uint8_t)n;
    hello[1] = (uint8_t)(12 + n);
    channel_put(l, hello, (size_t)(14 + n));
}

static void mqtt_publish(struct channel *l, uint32_t seq)
{
    uint8_t head[9] = {(uint8_t)(0x30 | options.qos << 1)};
    size_t left = (size_t)options.size + 3 + (options.qos ? 2 : 0), n = 1;
    for (size_t rest = left; n == 1 || rest; rest >>= 7)
        head[n++] = (uint8_t)((rest & 127) | (rest > 127 ? 128 : 0));
    memcpy(head + n, "\0\1t", 3);
    n += 3;
    if (options.qos) {
        uint32_t id = seq % 60000 + 1;
        head[n++] = (uint8_t)(id >> 8);
        head[n++] = (uint8_t)id;
    }
    channel_put(l, head, n);
    channel_put(l, message_text(seq), (size_t)options.size);
    if (!options.qos)
        bench_acked(l, UINT32_MAX, true);
}

static void mqtt_packet(struct channel *l, uint8_t type, const uint8_t *body, size_t n)
{
    uint8_t ack[4] = {0x40, 2, 0, 0};
    static const uint8_t subscribe[] = {0x82, 6, 0, 1, 0, 1, 't', 0};
    switch (type >> 4) {
    case 2: /* CONNACK */
        if (l->role == PUBLISHER) {
            bench_ready(l);
        } else {
            channel_put(l, subscribe, sizeof subscribe - 1);
            channel_put(l, &(uint8_t){(uint8_t)options.qos}, 1);
        }
        break;
    case 3: /* PUBLISH */
        if (type & 6) {
            memcpy(ack + 2, body + 3, 2);
            channel_put(l, ack, sizeof ack);
        }
        bench_arrived(l, body + 3, n - 3);
        break;
    case 4: /* PUBACK */
        bench_acked(l, UINT32_MAX, true);
        break;
    case 9: /* SUBACK */
        bench_ready(l);
        break;
    default:
        break;
    }
}

static size_t mqtt_take(struct channel *l, const uint8_t *bytes, size_t n)
{
    size_t used = 0;
    for (;;) {
        size_t body = 0, at = used + 1, shift = 0;
        for (; at < n; shift += 7) {
            body |= (size_t)(bytes[at] & 127) << shift;
            if (!(bytes[at++] & 128))
                break;
        }
        if (at >= n + 1 || used + 1 >= n || (bytes[at - 1] & 128) || n - at < body)
            return used;
        mqtt_packet(l, bytes[used], bytes + at, body);
        used = at + body;
    }
}

const struct speech speak_mqtt = {"mqtt", NULL, false, mqtt_greet, mqtt_take, mqtt_publish};

/* ---------------------------------------------------------------- NATS */

static void nats_greet(struct channel *l)
{
    put_text(l, "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"protocol\":0}\r\n");
    put_text(l, l->role == SUBSCRIBER ? "SUB t 1\r\nPING\r\n" : "PING\r\n");
}

static void nats_publish(struct channel *l, uint32_t seq)
{
    char head[32];
    channel_put(l, head, (size_t)snprintf(head, sizeof head, "PUB t %d\r\n", options.size));
    channel_put(l, message_text(seq), (size_t)options.size);
    put_text(l, "\r\n");
    bench_acked(l, UINT32_MAX, true);
}

static size_t nats_take(struct channel *l, const uint8_t *bytes, size_t n)
{
    size_t used = 0;
    for (;;) {
        const uint8_t *line = bytes + used, *end = memchr(line, '\n', n - used);
        if (!end)
            return used;
        size_t at = (size_t)(end + 1 - bytes);
        if (line[0] == 'M') { /* MSG t 1 SIZE */
            size_t size = strtoul((const char *)line + 8, NULL, 10);
            if (n - at < size + 2)
                return used;
            bench_arrived(l, bytes + at, size);
            at += size + 2;
        } else if (line[0] == 'P' && line[1] == 'I') {
            put_text(l, "PONG\r\n");
        } else if (line[0] == 'P' && !l->ready) {
            bench_ready(l);
        } else if (line[0] == '-') {
            die("nats: %.*s", (int)(end - line), (const char *)line);
        }
        used = at;
    }
}

const struct speech speak_nats = {"nats", NULL, true, nats_greet, nats_take, nats_publish};

/* ---------------------------------------------------------------- Redis */

static void resp_greet(struct channel *l)
{
    put_text(l, l->role == SUBSCRIBER ? "SUBSCRIBE t\r\n" : "PING\r\n");
}

static void resp_publish(struct channel *l, uint32_t seq)
{
    char head[64];
    channel_put(
        l, head,
        (size_t)snprintf(head, sizeof head, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nt\r\n$%d\r\n", options.size));
    channel_put(l, message_text(seq), (size_t)options.size);
    put_text(l, "\r\n");
}

/* A line, and behind "$n" its n bytes; returns what it takes, 0 when it isn't whole. */
static size_t resp_item(const uint8_t *bytes, size_t n, const uint8_t **text, size_t *ret_n)
{
    const uint8_t *end = memchr(bytes, '\n', n);
    if (!end)
        return 0;
    size_t at = (size_t)(end + 1 - bytes);
    *text = bytes;
    *ret_n = at - 2;
    if (bytes[0] != '$')
        return at;
    *ret_n = strtoul((const char *)bytes + 1, NULL, 10);
    *text = bytes + at;
    return n - at < *ret_n + 2 ? 0 : at + *ret_n + 2;
}

static size_t resp_take(struct channel *l, const uint8_t *bytes, size_t n)
{
    size_t used = 0;
    for (;;) {
        const uint8_t *text[4];
        size_t size[4], at = used;
        int parts = used < n && bytes[used] == '*' ? 4 : 1; /* "*3", then three items */
        for (int i = 0; i < parts; i++) {
            size_t step = at < n ? resp_item(bytes + at, n - at, &text[i], &size[i]) : 0;
            if (!step)
                return used;
            at += step;
        }
        used = at;
        if (parts == 4 && text[1][0] == 'm')
            bench_arrived(l, text[3], size[3]);
        else if (parts == 4 || text[0][0] == '+')
            bench_ready(l);
        else
            bench_acked(l, UINT32_MAX, text[0][0] == ':');
    }
}

const struct speech speak_resp = {"resp", NULL, false, resp_greet, resp_take, resp_publish};
