/* SPDX-License-Identifier: Apache-2.0 */
/* One signed-in client: handshake → look-up of the account → hello → calls → goodbye.
 *
 *   SECURING ── handshake ──▶ SIGNING_IN ── account known ──▶ GREETING ── hello ──▶ OPEN ──▶ (closed)
 *
 * Not a byte of a peer is decoded before its account is known: the connection is paused until then.
 *
 * The hall holds those in handshake. When it is full, or one source's share of it, the one that has been silent for longest
 * goes; when nobody is silent there, arrivals wait in the listener's backlog until our own work gets on. Who is in has left the
 * hall; an account has so many sessions and no more, so that nobody takes all the room there is. */
#ifndef QIPAN_SESSION_H
#define QIPAN_SESSION_H

#include "auth.h"
#include "conn.h"
#include "doorstep.h"
#include "listen.h"
#include <sys/queue.h>

enum session_state { SESSION_SECURING, SESSION_SIGNING_IN, SESSION_GREETING, SESSION_OPEN, SESSION_GONE };

struct session;

/* What the floors above do with an open session. */
struct session_handler {
    void (*call)(struct session *s, const Qipan__Call *call);
    void (*cancel)(struct session *s, uint32_t call);
    void (*credit)(struct session *s, const Qipan__Credit *credit);
    void (*writable)(struct session *s);
    void (*rights)(struct session *s, bool changed); /* what its account may see was looked up anew */
    void (*gone)(struct session *s);                 /* forget it: no frame can be sent any more */
};

struct session_shared {
    struct loop *loop;
    struct deadlines *deadlines;
    struct pool *pool;
    SSL_CTX *ctx; /* of handshakes from now on; session_renew() changes it */
    const struct session_handler *handler;
    struct session *first;
    TAILQ_HEAD(hall, session) hall; /* longest silence first */
    int n, n_unknown, n_hall;       /* sessions, those not signed in yet, those in handshake */
    int max, max_each;              /* settings: sessions, those of one account */
    int max_hall, max_hall_each;    /* in handshake, those of one source */
    struct doorstep doorstep;
    uint64_t undue;                   /* bytes decoded of peers that were not known: none, ever */
    uv_stream_t *waiting[LISTEN_MAX]; /* listeners where somebody waits for room in the hall */
    int n_waiting;
    struct deadline admit, sweep; /* those who wait; the next look at live sessions' certificates */
    struct session *unswept;      /* the first that hasn't been looked at */
    int n_swept, n_expelled;
    bool sweep_again;
    bool open; /* calls can be carried out; before session_open_doors() nobody is let in */
};

struct session {
    struct session_shared *shared;
    struct session *next, **back;
    struct conn *conn; /* NULL once closed */
    enum session_state state;
    struct principal principal;
    char serial[TRUST_SERIAL_SIZE]; /* of its certificate */
    char lang[3];                   /* zh or en */
    char instance[33];
    int in_flight;                  /* calls that wait for their reply */
    int refs;                       /* requests that still point here */
    struct deadline greeting, ping; /* greeting: also when an account must be asked for again */
    struct deadline expiry;         /* of its certificate */
    TAILQ_ENTRY(session) place;     /* in the hall */
    bool in_hall;
    void *watches;                         /* of the hub */
    LIST_HEAD(previews, request) previews; /* that only its peer waits for */
    struct quota_account *quota;           /* of dispatch */
    bool ended;                            /* the peer sends no more; the last reply ends the session */
    bool known;                            /* the account is */
    bool unsure; /* its account changed: no news until the registry has said what it may see now */
    bool stale;  /* the account changed while it was asked for */
    struct auth_query *query; /* while the account is asked for */
};

void session_init(struct session_shared *shared, struct loop *loop, struct deadlines *deadlines,
                  const struct session_handler *handler);
void session_shut(struct session_shared *shared); /* when the last session is gone */

/* Takes over the context: from now on for handshakes, and for live sessions as soon as they have been looked at, a few
 * milliseconds a turn. Whose certificate isn't good under it, or any more, is told so and gone within two seconds. */
void session_renew(struct session_shared *shared, SSL_CTX *ctx);

/* Somebody waits at the listener. Over the caps somebody goes: see the hall. */
void session_accept(struct session_shared *shared, uv_stream_t *listener);

/* The account with this id in the journal changed (NULL: any may have): its sessions are asked for anew, and ended if it may
 * not sign in any more. */
void session_account_changed(struct session_shared *shared, const char *object);

/* From now on clients are welcome; those who waited come in. */
void session_open_doors(struct session_shared *shared);

bool session_send(struct session *s, const Qipan__Frame *frame);
/* False: the reply is larger than a frame, nothing was said. Errors always fit. */
bool session_reply(struct session *s, uint32_t call, const ProtobufCMessage *reply, Qipan__Error *error);
/* An error with the list's own sentence, in the session's language. */
void session_refuse(struct session *s, uint32_t call, const char *code, const char *field);

/* The daemon itself refuses something of a known account: counted for the audit. session_refuse does so, too. */
void session_refused(struct session *s, const char *code);

void session_call_begins(struct session *s); /* counts; at LIMIT_IN_FLIGHT reading stops */
void session_call_ends(struct session *s);
void session_ref(struct session *s);
void session_unref(struct session *s); /* the last one frees a session that is gone */

/* code NULL = orderly; field: what the error is about, or NULL */
void session_goodbye(struct session *s, const char *code, const char *field, uint32_t reconnect_after_ms);

/* Fills code, status, message of an Error in the language. */
void session_fill_error(Qipan__Error *error, const char *code, const char *lang);

#endif
