/* SPDX-License-Identifier: Apache-2.0 */
/* One libpq link in pipeline mode. A batch is some prepared calls and one sync, so one implicit transaction; its
 * outcome is known only at the sync (a commit can still fail after the last row), and only then it is announced.
 *
 * The link connects by itself, again and again with backoff, and starts every life with the same greeting call. */
#ifndef QIPAN_PG_H
#define QIPAN_PG_H

#include "deadline.h"
#include <libpq-fe.h>

#define PG_BATCH_MAX  66 /* calls of one batch: a group of 64, the lock before, the seal behind */
#define PG_PARAMS_MAX 24
#define PG_STATEMENTS 512 /* different statements a link can hold */

struct pg_statement {
    int id; /* unique, below PG_STATEMENTS */
    const char *sql;
    int n;            /* parameters */
    const Oid *types; /* n of them */
};

struct pg_params {
    const char
        *values[PG_PARAMS_MAX]; /* binary, big-endian; NULL = null. Must live until the batch is done */
    int lengths[PG_PARAMS_MAX];
};

struct pg_call {
    const struct pg_statement *statement;
    const struct pg_params *params; /* NULL when it has none */
};

struct pg_batch {
    /* in */
    struct pg_call calls[PG_BATCH_MAX];
    int n;
    void (*done)(struct pg_batch *b);
    void *owner;

    /* out, valid inside done() only */
    PGresult *results[PG_BATCH_MAX]; /* NULL: aborted because an earlier call failed */
    bool ok;                         /* committed, every call succeeded */
    bool lost;                       /* the link died: whether it was committed is not known */
    bool unsure; /* committed here, but the wait for the standby was cancelled: no acknowledgement */
    int failed;  /* when !ok && !lost: the call that failed, or n when the commit did */
    char sqlstate[6];
    char message[256];

    /* private */
    struct pg_batch *next;
    enum pg_parse { PARSE_NONE, PARSE_SENT, PARSE_DONE } parse[PG_BATCH_MAX]; /* before the call */
    int at, part;
};

struct pg_link;

enum pg_state { PG_DOWN, PG_CONNECTING, PG_GREETING, PG_UP };

struct pg_events {
    void (*greeted)(struct pg_link *link,
                    PGresult *greeting); /* may pg_refuse(); otherwise the link is up after it */
    void (*down)(struct pg_link *link);  /* batches in flight were announced as lost before */
    void (*doorbell)(struct pg_link *link);
};

/* The registry as all links of a pool look for it together: while it cannot be had, they knock seldom and by turns,
 * each beginning with another of its hosts (libpq would wait for a silent first one for ever). */
struct pg_target {
    const char *conninfo; /* libpq; several hosts separated by commas */
    unsigned first;       /* host to begin with, counted on at each failure */
    bool failing;
    uint64_t tried_ms, logged_ms;
    int unlogged;
};

struct pg_link {
    char name[48];
    struct loop *loop;
    struct deadlines *deadlines;
    const struct pg_events *events;
    void *owner;
    enum pg_state state;
    int depth;            /* batches in flight */
    uint64_t patience_ms; /* a batch unanswered for this long: the link is given up */
    char problem[320];    /* why it is down, last known */
    uint64_t heard_ms;    /* last sign of life */
    bool silent;          /* given up for want of an answer */

    /* private */
    struct pg_target *target;
    const char *options, *application;
    const struct pg_statement *greeting;
    const struct pg_params *greeting_params;
    bool listen;
    PGconn *conn;
    uv_poll_t *poll;
    int fd, wanted;
    struct task task;
    struct deadline timer;
    unsigned failures;
    bool prepared[PG_STATEMENTS], closing;
    struct pg_batch *first, **last;
    struct pg_batch hello;
};

/* target and the strings must outlive the link. listen: also LISTEN qipan, announced as doorbell. */
void pg_open(struct pg_link *link, struct pg_target *target, const char *application, const char *options,
             const struct pg_statement *greeting, const struct pg_params *greeting_params, bool listen);
void pg_hurry(struct pg_link *link);                   /* another link just came up: don't wait any longer */
void pg_close(struct pg_link *link);                   /* batches in flight are announced as lost */
void pg_refuse(struct pg_link *link, const char *why); /* inside greeted(): close, try again later */

int pg_pid(const struct pg_link *link); /* of its server process, while it is up */

/* Only on a link that is up. The batch is sent at once; done() comes from the loop, never from inside. */
void pg_send(struct pg_link *link, struct pg_batch *b);

#endif
