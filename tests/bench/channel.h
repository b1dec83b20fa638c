/* SPDX-License-Identifier: Apache-2.0 */
/* Thousands of TLS connections to one server, on one epoll, in one thread; as thin as it goes, so that the server is
 * what is measured. A `speech` says how a server is talked to: it sees whole input only, and tells the bench what
 * it found by the three bench_* functions. */
#ifndef BENCH_CHANNEL_H
#define BENCH_CHANNEL_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum role { SUBSCRIBER, PUBLISHER };

struct bytes {
    uint8_t *data;
    size_t n, cap;
};

struct channel {
    int fd, number; /* number among its role's links */
    enum role role;
    bool secured, ready, dead, wants_write, plain; /* plain: the server talks first, before TLS */
    bool stopped;                                  /* reads no more */
    int trickle;                                   /* reads at most so many bytes a second */
    SSL *ssl;
    struct bytes in, out; /* not parsed, not written yet */
    uint64_t got;         /* messages */
    uint64_t spent;       /* of the speech: credit, window */
    uint32_t calls;       /* of the speech */
    uint64_t begun_us;
};

struct speech {
    const char *name, *alpn; /* alpn as on the wire; NULL: none */
    bool plain_first;
    void (*greet)(struct channel *l);                                  /* TLS is there */
    size_t (*take)(struct channel *l, const uint8_t *bytes, size_t n); /* how many bytes were dealt with */
    void (*publish)(struct channel *l,
                    uint32_t seq); /* one message of options.size bytes, "#@" and seq first */
};

struct options {
    const char *address, *pub_address; /* host:port; pub_address: of the publishers, if another */
    const char *ca, *sub_cert, *sub_key, *pub_cert, *pub_key;
    int subs, pubs, inflight, rate, size, parallel, topics, stopped, trickle, qos;
    double seconds;
    uint64_t credit;
    const char *project_file; /* ids of projects, one a line */
};
extern struct options options;
extern const struct speech *speech;

uint64_t now_us(void);
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

void channels_init(void);
struct channel *channel_open(enum role role, int number);
void channel_put(struct channel *l, const void *bytes, size_t n);
void channel_flush(struct channel *l);
void channel_close(struct channel *l);
void channel_slow(struct channel *l, bool stopped,
                  int trickle);       /* a small window; stopped, or channel_sip() only */
void channel_sip(struct channel *l);  /* one read of `trickle` bytes */
void channels_turn(uint64_t wait_us); /* one round of epoll */

/* A message as all speeches carry it: exactly options.size bytes of text. The buffer is static. */
const char *message_text(uint32_t seq);
/* The number in a message, or UINT32_MAX. */
uint32_t message_seq(const uint8_t *bytes, size_t n);

/* Told by speeches. */
void bench_ready(struct channel *l);
void bench_arrived(struct channel *l, const uint8_t *bytes, size_t n); /* one message */
void bench_acked(struct channel *l, uint32_t nth,
                 bool good); /* the publisher's nth, from 0; UINT32_MAX: its oldest */
/* Told by links. */
void bench_closed(struct channel *l);

extern const struct speech speak_qipan, speak_mqtt, speak_nats, speak_resp, speak_etcd, speak_bare,
    speak_none;

#endif
