/* SPDX-License-Identifier: Apache-2.0 */
/* One client: TCP + TLS + frames. Turns libuv's callbacks into "you have one complete frame".
 *
 * Output: conn_send() only packs; at the end of the turn everything is encrypted and written with one system call, at
 * most one write is in flight. What a slow reader costs is bounded: conn_owed() counts every byte that isn't with
 * the kernel yet; above CONN_HIGH nobody should feed it and nothing is read from it; at CONN_CEILING it is closed.
 *
 * Life: conn_new … conn_goodbye or conn_kill … the closed event, then the conn is freed. Nothing is freed earlier, and
 * after goodbye or kill no frame event comes. */
#ifndef QIPAN_CONN_H
#define QIPAN_CONN_H

#include "deadline.h"
#include "msg.h"
#include "opening.h"
#include "tls.h"

#define CONN_HIGH    (192 * 1024)
#define CONN_LOW     (64 * 1024)
#define CONN_CEILING (1024 * 1024)

struct conn;

struct conn_events {
    void (*begun)(struct conn *c);   /* its first flight is whole, and was answered */
    void (*secured)(struct conn *c); /* handshake done, the peer's chain is good */
    void (*frame)(struct conn *c, const uint8_t *body,
                  size_t n);                          /* only between conn_resume and conn_pause */
    void (*broken)(struct conn *c, const char *code); /* what came is no frame: say goodbye with this error */
    void (*ended)(struct conn *c);                    /* the peer will send no more; it may still read */
    void (*writable)(struct conn *c);                 /* owed fell to CONN_LOW after it was above CONN_HIGH */
    void (*closed)(struct conn *c);                   /* last event; c is freed right after */
};

struct conn {
    struct loop *loop;
    struct deadlines *deadlines;
    const struct conn_events *events;
    void *owner; /* of the events' receiver */

    /* private; what each delivery looks at stands together */
    bool paused, stalled, ended, writing, congested, secured, closing, shut, dead;
    struct buf out;  /* plaintext to be encrypted at the end of the turn */
    struct buf rest; /* ciphertext the kernel didn't take */
    struct tls tls;
    uv_tcp_t tcp;
    union { /* shutdown comes when nothing is left to write */
        uv_write_t write;
        uv_shutdown_t shutdown;
    };
    struct buf in;       /* plaintext, at most one frame and a little */
    SSL_CTX *const *ctx; /* of handshakes that begin */
    struct opening opening;
    uint32_t early; /* bytes before the handshake was done */
    struct task flush, shake;
    struct deadline patience; /* handshake, silence, or goodbye, whichever is due in this state */
    uint64_t heard_ms;

    const char *why, *word; /* it ended before it was secured: as a sentence, and as a word for counting */
    char peer[64];          /* the peer's address */
    char source[64];        /* what its sort is counted by: the address, of IPv6 the network of 64 bits */
    char name[128];         /* for the log: number, peer's address, then the account */
};

/* Accepts from the listener; NULL when memory or descriptors are out, and then the client may still wait there: try
 * again. *ctx is looked at when the client's first flight is whole, and nothing but those bytes is kept until then. */
struct conn *conn_new(struct loop *loop, struct deadlines *deadlines, uv_stream_t *listener,
                      SSL_CTX *const *ctx, const struct conn_events *events, void *owner,
                      bool *ret_still_waits);

void conn_resume(struct conn *c);
void conn_pause(struct conn *c);

/* False when it can't be sent (closing, over the ceiling or the frame limit). Over the ceiling the conn is killed. */
bool conn_send(struct conn *c, const Qipan__Frame *frame);

/* The same for frames that are packed already, headers included: n bytes to be written at the place returned, then
 * conn_reserved() with as many as were; NULL as above. Nothing else is sent in between. */
uint8_t *conn_reserve(struct conn *c, size_t n);
void conn_reserved(struct conn *c, size_t n);
/* The feed's: goes to the kernel at once when nothing waits before it, without a copy. */
bool conn_send_bytes(struct conn *c, const void *frames, size_t n);

size_t conn_owed(const struct conn *c);

/* Orderly end: the goodbye frame, close_notify, flush, shutdown; at most GOODBYE_MS. error NULL = no reason to give. */
void conn_goodbye(struct conn *c, Qipan__Error *error, uint32_t reconnect_after_ms);
void conn_kill(struct conn *c, const char *why); /* at once; why goes to the log, or to the owner: c->why */
void conn_refuse(struct conn *c, const char *word, const char *why); /* the same, before it is secured */
void conn_hurry(struct conn *c, uint64_t ms); /* after goodbye: less patience than usual */

/* A flight of the peer waits for our handshake work: it isn't the silent one. */
static inline bool conn_owes_answer(const struct conn *c)
{
    return c->shake.queue != NULL;
}

#endif
