/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that wait for their reply, oldest first. Each keeps its packed frame, so that what is sent again after a lost
 * link are the very same bytes. */
#ifndef QIPAN_CALL_H
#define QIPAN_CALL_H

#include "link.h"
#include "qipan.h"

struct call {
    struct call *next;
    uint32_t id;
    const struct op_info *op;
    bool in_flight; /* sent on the present link */
    bool
        unsure; /* a link was lost before the answer, or the answer was UNKNOWN: a change may have happened */
    int64_t due_ms, pause_ms; /* monotonic: the end; not sent before */
    unsigned pauses;
    qipan_reply_fn *done;
    void *arg;
    char request[LIMIT_REQUEST_ID + 1]; /* "" for reads */
    uint8_t *frame;                     /* header included */
    size_t n;
};

struct calls {
    struct call *first, **last;
    size_t n, bytes, in_flight;
};

/* What a reply's texts live in; a blocking caller takes it over. */
struct call_memory {
    struct arena arena;
};
struct call_reply {
    struct qipan_reply reply;   /* first: the callback gets a pointer to it */
    struct call_memory *memory; /* set NULL by who takes it over */
};

bool call_changes(const struct op_info *op); /* needs a request id */
bool call_request_valid(const char *request);

void calls_init(struct calls *c);
void calls_free(struct calls *c); /* callbacks are not called */

/* Packs and appends. NULL: too large for a frame, or memory is out (errors MSG in *ret_code: name of errors.def). */
struct call *calls_add(struct calls *c, const Qipan__Call *call, const struct op_info *op,
                       const char **ret_code);
struct call *calls_find(struct calls *c, uint32_t id);
void calls_take(struct calls *c,
                struct call *call); /* out of the list; the caller frees it with call_free() */
void call_free(struct call *call);

void calls_send(struct calls *c, struct link *l, size_t others_in_flight, int64_t now_ms);
void calls_pause(struct calls *c, struct call *call, int64_t until_ms); /* to be sent again */
void calls_link_lost(struct calls *c);
struct call *calls_expired(struct calls *c, int64_t now_ms); /* the first that is due, or NULL */
int64_t calls_due(const struct calls *c);                    /* INT64_MAX = none */
int64_t calls_next(const struct calls *c); /* when one may be sent; INT64_MAX = none waits for that */

/* The end of a call: calls its callback. The call must be taken out before; it is freed. A change in doubt is told as UNKNOWN,
 * unless the answer settles what became of it. */
typedef void call_done_fn(void *owner, const ProtobufCMessage *message);
void call_answer(struct call *call, const Qipan__Reply *reply, const char *lang, call_done_fn *done,
                 void *owner); /* done: hears of a good reply before the callback */
void call_refuse(struct call *call, const char *code, const char *detail, const char *lang);

/* An error made here: the default sentence of the code, then `detail` in brackets (may be NULL). In the arena. */
Qipan__Error *call_error(struct arena *arena, const char *code, const char *detail, const char *lang);
/* A received one copied, with code and message filled in when absent. */
Qipan__Error *call_error_copy(struct arena *arena, const Qipan__Error *error, const char *lang);

#endif
