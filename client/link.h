/* SPDX-License-Identifier: Apache-2.0 */
/* One TLS link to one daemon at a time: connect, handshake, hello, frames, end. Decides nothing about what comes next:
 * it tells its owner by three callbacks, and the owner says link_start() again.
 *
 *   DOWN → CONNECTING → SECURING → GREETING → UP → DOWN        (any of them → DOWN, with a reason) */
#ifndef QIPAN_LINK_H
#define QIPAN_LINK_H

#include "msg.h"
#include "tls.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_SECURING, LINK_GREETING, LINK_UP };

enum link_end {
    LINK_END_CLOSED,  /* could not be made, was lost, or ended orderly: try again */
    LINK_END_REFUSED, /* not authenticated: trying again is no use */
};

struct link;
struct link_events {
    void (*up)(void *owner, const Qipan__Welcome *welcome);
    void (*frame)(void *owner, const Qipan__Frame *frame, size_t n); /* reply or feed, and its body's bytes */
    /* `wait_ms`: the daemon asks to come back at a random time within it, 0 = nothing said */
    void (*down)(void *owner, enum link_end end, uint32_t wait_ms);
};

#define LINK_WHY_SIZE    256
#define LINK_CONNECT_MS  3000
#define LINK_OUT_MAX     (1024 * 1024) /* bytes waiting to be sent */
#define LINK_TURN_FRAMES 256           /* frames handled before the host's loop gets its turn */

struct link {
    enum link_state state;
    int fd;                           /* -1 in DOWN */
    struct addrinfo *found, *next;    /* all addresses of the host; the one to try next */
    char tls_host[256], address[280]; /* name its certificate must carry; both for people */
    struct tls tls;
    struct buf out, plain, packed; /* ciphertext to send; plaintext received; frames not yet encrypted */
    int64_t due_ms;                /* connecting … greeting: give up then */
    int64_t heard_ms;
    uint32_t dead_ms;
    bool send_failed; /* only reading goes on: the peer's last words say why */
    bool more;        /* a turn ended with input left */
    char why[LINK_WHY_SIZE];
    char code[32]; /* of an error the peer sent, or "" */
    const struct link_events *events;
    void *owner;
    const Qipan__Hello *hello; /* the owner's, sent at each start */
    SSL_CTX *ctx;              /* the owner's */
};

void link_init(struct link *l, SSL_CTX *ctx, const Qipan__Hello *hello, const struct link_events *events,
               void *owner);
void link_free(struct link *l); /* says goodbye as far as that goes without waiting */

/* Begins with `host` and `port`. Failing at once is reported by `down` from inside too. */
void link_start(struct link *l, const char *host, const char *port, int64_t now_ms);
void link_drop(struct link *l, const char *why); /* ends it, `down` is called */

/* Queues a frame; false when the queue is full: try again after the next turn. Only while UP. */
bool link_send(struct link *l, const Qipan__Frame *frame);
bool link_send_bytes(struct link *l, const uint8_t *frame, size_t n); /* packed before, header included */

short link_wants(const struct link *l);
int64_t link_due(
    const struct link *l); /* monotonic ms when link_process() is needed at the latest; INT64_MAX = never */
void link_process(struct link *l, short revents, int64_t now_ms);
void link_flush(struct link *l); /* encrypts and sends what is queued, as far as the socket takes it */

#endif
