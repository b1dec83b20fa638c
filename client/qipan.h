/* SPDX-License-Identifier: Apache-2.0 */
/* libqipan: a client of the Qipan registry.
 *
 * The library owns no loop, no thread, no global state, and touches no signals. Its host asks for a descriptor, the
 * events wanted and the next time-out, and calls qipan_process() when one of them came; or it uses the blocking calls
 * at the end of this file. One `struct qipan` belongs to one thread at a time.
 *
 * It keeps one link to one of several addresses (random order, jittered back-off) and makes losing that link invisible:
 * unanswered calls are sent again, byte for byte, under the same request id, so that a change happens once; watches go
 * on from the last place that was delivered, and every frame of a watch must join the one before it, so that nothing is
 * skipped unseen. Should the registry itself fall back to an earlier state, a watch says so and repairs what it told.
 *
 *     struct qipan_settings s = {.addresses = "10.0.0.1:7465,10.0.0.2", .ca = "ca.pem", .cert = "me.pem", .key = "me.key"};
 *     char why[QIPAN_WHY_SIZE];
 *     struct qipan *q = qipan_open(&s, why);
 *     Qipan__ProjectShowRequest request = QIPAN__PROJECT_SHOW_REQUEST__INIT;
 *     request.id = "2026-0042";
 *     struct qipan_result r;
 *     if (qipan_call_wait(q, QIPAN_OP_project_show, &request.base, NULL, &r) == QIPAN_DONE)
 *         puts(((const Qipan__ProjectReply *)r.message)->project->name);
 *     else
 *         fprintf(stderr, "%s: %s\n", r.error->code, r.error->message);
 *     qipan_result_free(&r);
 *     qipan_free(q);
 *
 * Messages are those of qipan.proto. Texts of errors are in the language of the settings. */
#ifndef QIPAN_H
#define QIPAN_H

#include "qipan.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QIPAN_WHY_SIZE    256
#define QIPAN_CURSOR_SIZE 144
#define QIPAN_OBJECT_SIZE 65                 /* of an object's id in a cursor */
#define QIPAN_CALLS_MAX   1024               /* calls waiting at one time, sent or not */
#define QIPAN_BYTES_MAX   (16 * 1024 * 1024) /* their bytes together */
#define QIPAN_WATCHES_MAX 16
#define QIPAN_DEADLINE_MS 10000 /* of a call that names none */

/* Operations: QIPAN_OP_whoami, QIPAN_OP_project_edit … with the request and reply messages of ops.def. */
enum qipan_op {
#define OP(number, name, request, reply, lane, right, cli) QIPAN_OP_##name = number,
#include "ops.def"
#undef OP
};

struct qipan;

/* ---------------------------------------------------------------- life */

/* All texts are copied. Files are read once, by qipan_open(). */
struct qipan_settings {
    const char *addresses; /* host, host:port or [v6]:port, joined by commas; default port 7465 */
    const char *ca;        /* PEM file: who may sign the daemon's certificate */
    const char *cert;      /* PEM file: own certificate and its chain */
    const char *key;       /* PEM file, refused when group or others can read it */
    const char *crl;       /* PEM file, or NULL: revocations are not checked */
    const char *client;    /* program and version for the daemon's log; NULL = "libqipan/<version>" */
    const char *lang;      /* "zh" (also NULL) or "en" */
};

/* NULL with a sentence in `why` when the settings can't be used. Connects to nothing yet: the first qipan_process()
 * does. Host names are looked up by getaddrinfo(), which may block; numeric addresses never do. */
struct qipan *qipan_open(const struct qipan_settings *settings, char why[QIPAN_WHY_SIZE]);

/* Says goodbye as far as that goes without waiting, closes, frees. Callbacks of open calls are not called any more.
 * Never from inside a callback. NULL is fine. */
void qipan_free(struct qipan *q);

/* ---------------------------------------------------------------- driving it */

int qipan_fd(const struct qipan *q); /* -1 while there is no socket; may change with every qipan_process() */
short qipan_events(const struct qipan *q); /* POLLIN, POLLOUT or both, as for poll(2) */
int qipan_timeout_ms(
    const struct qipan *q); /* call qipan_process() at the latest then; 0 = at once, -1 = no need */
void qipan_process(struct qipan *q,
                   short revents); /* what poll(2) said, 0 for a time-out; calls the callbacks */

enum qipan_link {
    QIPAN_LINK_DOWN,       /* waiting to try again */
    QIPAN_LINK_CONNECTING, /* until the daemon's welcome */
    QIPAN_LINK_UP,
    QIPAN_LINK_REFUSED, /* not authenticated: will not try again */
};
enum qipan_link qipan_link(const struct qipan *q);
const char *
qipan_link_text(const struct qipan *q);           /* why it is down, or the address it is up on; never NULL */
const char *qipan_account(const struct qipan *q); /* as the daemon named it; "" before the first welcome */
const char *qipan_office(const struct qipan *q);
const char *qipan_instance(const struct qipan *q); /* prefix of the request ids made here */

/* ---------------------------------------------------------------- calls */

struct qipan_call_options {
    int64_t base; /* edits: version the edit was made on; 0 = none */
    const char *
        request; /* request id, [A-Za-z0-9._:-], at most 64; NULL = a new one for operations that change something */
    unsigned deadline_ms; /* 0 = QIPAN_DEADLINE_MS */
};

/* What became of a call. Everything in it is gone when the callback returns. */
struct qipan_reply {
    const ProtobufCMessage *message; /* the reply message of the operation, or NULL with an error */
    const Qipan__Error *error;       /* NULL = done. `code` and `message` are always set */
    const char *request;             /* the request id used, "" for reads */
    bool
        unsure; /* a change that was in doubt meanwhile, so that it may have been done before the last asking */
};
typedef void qipan_reply_fn(const struct qipan_reply *reply, void *arg);

/* Queues a call and returns its number, or 0 when it is refused: queue full, too large, bad request id; then
 * qipan_refusal() says why. The message is packed at once and may be freed. The callback is called exactly once, from
 * qipan_process(), at the latest when the deadline passes. Within it, answers that say "later" (BUSY, LOCKED,
 * UNAVAILABLE …) or UNKNOWN make the library ask again under the same request id, after 50 ms to 1 s, at random; the
 * last of them is what the callback gets. A LOCKED that names its author (`by`: an import holds the object) is passed on at
 * once: it did nothing, and the same request id may be used again later. So is STORAGE_FULL: no pause makes room.
 *   UNAVAILABLE        never reached a daemon (or, for a read, the link was lost and did not come back in time)
 *   DEADLINE_EXCEEDED  a read was sent and not answered
 *   UNKNOWN            a change was or may have been sent and not answered: ask again with the same request id
 *   UNAUTHENTICATED    refused by certificate or account
 * and every error of errors.def that a daemon may answer. */
uint32_t qipan_call(struct qipan *q, unsigned op, const ProtobufCMessage *request,
                    const struct qipan_call_options *options, qipan_reply_fn *done, void *arg);
const Qipan__Error *
qipan_refusal(const struct qipan *q); /* of the last call or watch that was refused; never NULL */
void qipan_forget(struct qipan *q,
                  uint32_t call); /* the callback is not called any more; the change may happen */
const char *qipan_call_request(struct qipan *q,
                               uint32_t call); /* request id of an open call, "" for a read or a closed one */
int qipan_calls_open(const struct qipan *q);

/* ---------------------------------------------------------------- watches */

/* A place in the feed as text, "epoch-rev-idx-tag", inside a snapshot with "+id" behind it: `object` points into the text. */
bool qipan_cursor_parse(const char *text, Qipan__Cursor *ret_cursor);
void qipan_cursor_text(const Qipan__Cursor *cursor, char ret_text[QIPAN_CURSOR_SIZE]);

/* Where an event stands: start there again and the next one comes. For events of `project log`. */
void qipan_event_cursor(const Qipan__Event *event, char ret_text[QIPAN_CURSOR_SIZE]);

struct qipan_watch_options {
    const char *since;         /* "now" (also NULL), "0" = the first that is kept, or a cursor */
    Qipan__Term *const *terms; /* conditions, copied; NULL = everything */
    size_t n_terms;
    bool echo;    /* also what this instance changed itself */
    bool summary; /* of an import only its summary */
    bool
        snapshot; /* first every object as it is now, as `enter` in the order of their ids; not with "0"; with a
                    * cursor: only what was left of it */
    const char *memory; /* qipan_watch_memory() as it was at that cursor, or NULL */
    size_t credit;      /* bytes of frames that may be on their way at one time; 0 = 256 KiB, at most 8 MiB */
};

enum qipan_notice_kind {
    QIPAN_EVENT, /* event, cursor. An object told in a snapshot or repair has no changes: enter with its row, or leave */
    QIPAN_BOOKMARK, /* cursor, rev: everything up to here was delivered. The first one says where the watch began */
    QIPAN_STATE, /* state, behind, cursor. SNAPSHOT, CATCHUP, LIVE, or LAPSED: the place is older than the feed keeps, so
                  * what changed since is told as a repair, as it is now, instead of every change */
    QIPAN_DIVERGED, /* fork, cursor: the registry fell back to an earlier state. What was told up to the fork stands; the
                     * rest is told anew as a repair. No fork: drop everything, all there is is told as `enter` */
    QIPAN_ENDED, /* error: the watch is over and its handle is gone when the callback returns */
};

/* Everything in it is gone when the callback returns. */
struct qipan_notice {
    enum qipan_notice_kind kind;
    const Qipan__Event *event;
    const char *
        cursor; /* start here again and nothing is missed and nothing comes twice; NULL with an error. During a repair
                 * still that from before it: who stops then gets the repair again. The bookmark behind it moves on */
    int64_t rev;
    const char *state;
    int64_t behind; /* revisions still to come */
    const char *fork;
    const Qipan__Error *error;
};
typedef void qipan_watch_fn(const struct qipan_notice *notice, void *arg);

struct qipan_watch;

/* NULL when refused (too many, bad cursor or memory): see qipan_refusal(). Lives over lost links until it ends with an
 * error or is closed. Closing from inside a callback is allowed, of this watch too. */
struct qipan_watch *qipan_watch(struct qipan *q, const struct qipan_watch_options *options,
                                qipan_watch_fn *fn, void *arg);
void qipan_watch_close(struct qipan *q, struct qipan_watch *watch);

/* The daemon sends no more than it may already, `credit` bytes at most, until the watch goes on. Other watches and calls
 * are not held up. */
void qipan_watch_pause(struct qipan_watch *watch, bool pause);

/* What a watch that starts at the present cursor must remember to be repaired with little, should the registry fall back:
 * lines of text, 64 KiB at most but for the moments behind a snapshot. To be freed by the caller; NULL when memory is out. */
char *qipan_watch_memory(const struct qipan_watch *watch);

/* ---------------------------------------------------------------- blocking */

/* Runs until *done, or `timeout_ms` passed (negative: no end), or a signal handler ran (EINTR).
 * True if *done is set; `done` may be NULL: just run for that long. Never from inside a callback. */
bool qipan_wait(struct qipan *q, const bool *done, int timeout_ms);

enum qipan_outcome {
    QIPAN_DONE,   /* message */
    QIPAN_FAILED, /* error */
    QIPAN_INTERRUPTED, /* a signal handler ran; neither is set; a change may or may not happen: `request` says which */
};

struct qipan_result {
    const ProtobufCMessage *message;
    const Qipan__Error *error;
    char request[72]; /* request id used, "" for reads */
    void *memory;     /* what the two point into */
};

/* Within the callback of a call: its answer, for afterwards. To be given to qipan_result_free(). */
void qipan_keep(const struct qipan_reply *reply, struct qipan_result *ret_result);

/* A callback is running: nothing may block now. */
bool qipan_inside(const struct qipan *q);

/* One call, from beginning to end; never from inside a callback (fails with INTERNAL). Always give the result to qipan_result_free(). */
enum qipan_outcome qipan_call_wait(struct qipan *q, unsigned op, const ProtobufCMessage *request,
                                   const struct qipan_call_options *options, struct qipan_result *ret_result);
void qipan_result_free(struct qipan_result *result);

/* ---------------------------------------------------------------- JSON */

/* A message as JSON text, to be freed by the caller; NULL when memory is out. Amounts are decimal strings in yuan, int64
 * are strings, instants RFC 3339 in UTC, absent fields are left out. */
char *qipan_json(const ProtobufCMessage *message);

/* One event as one line of `watch -o jsonl`, without the newline. */
char *qipan_json_event(const Qipan__Event *event, const char *cursor);

#ifdef __cplusplus
}
#endif

#endif
