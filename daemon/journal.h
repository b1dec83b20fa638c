/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of the registry, read in order. Revisions are announced once, densely, as the sequencer lets them go;
 * pages of older ones are read on demand for those who catch up. */
#ifndef QIPAN_JOURNAL_H
#define QIPAN_JOURNAL_H

#include "arena.h"
#include "bind.h"
#include "pool.h"
#include "sequencer.h"

/* The decoded rows of one answer, shared by reference: the ring and every page hold it. */
struct journal_rows {
    int refs;
    struct arena arena;
    Qipan__JournalReadReply *reply;
    const char *next; /* of a page of a snapshot: there is more behind this id */
};

void journal_hold(struct journal_rows *rows);
void journal_drop(struct journal_rows *rows);

struct journal_ops {
    struct bind_op read, page, seek, snapshot;
};

bool journal_bind(const struct bind_catalog *catalog, struct journal_ops *ops, char err[BIND_ERR_SIZE]);
void journal_unbind(struct journal_ops *ops);

struct journal_events {
    /* The next revision; rows is held by the caller only during the call. */
    void (*revision)(void *owner, struct journal_rows *rows, const Qipan__Revision *revision);
    void (*begins)(void *owner, int64_t epoch, int64_t rev, uint64_t tag); /* the position before the first */
    void *owner;
};

struct journal;
struct journal *journal_new(struct loop *loop, struct deadlines *deadlines, struct pool *pool,
                            const struct journal_ops *ops, uint64_t poll_ms,
                            const struct journal_events *events);
void journal_free(struct journal *j);
void journal_kick(struct journal *j); /* there is news, probably */
/* The same when nobody waits for it: one reading for all the news of 20 ms costs writers a tenth of one for each. */
void journal_kick_soon(struct journal *j);
void journal_doubt(struct journal *j); /* a link is new: is it the history we know that it leads to? */

int64_t journal_watermark(const struct journal *j);

/* ---- pages for those who catch up */

struct journal_query {
    struct pool_job job;
    struct arena arena; /* parameters */
    const struct bind_op *op;
    const char *lang;
    int32_t account;
    /* rows is NULL when it failed (code says why) or was refused (error); dropped after the call unless held */
    void (*done)(struct journal_query *q, struct journal_rows *rows, const char *code, Qipan__Error *error);
};

#define JOURNAL_PAGE 256 /* revisions or events of one page, at most; the registry ends it earlier by bytes */

/* Revisions after after_rev. A page that doesn't fit fails: ask again with a smaller limit. */
void journal_read(struct journal *j, struct journal_query *q, int64_t after_rev, int32_t limit);
/* The events of one revision after after_idx (-1 = from its start), as one Revision in the reply. */
void journal_page(struct journal *j, struct journal_query *q, int64_t rev, int32_t after_idx, int32_t limit);

/* Objects as they are, as the events of one Revision. False: the words are too many. */
bool journal_snapshot(struct journal *j, struct journal_query *q, const Qipan__SnapshotPageRequest *request);

/* Where a cursor stands; NULL = the newest position. */
struct journal_seek {
    struct pool_job job;
    struct arena arena;
    const struct bind_op *op;
    void (*done)(struct journal_seek *q, const Qipan__JournalSeekReply *reply, const char *code,
                 Qipan__Error *error);
};
/* The terms are looked at, too; they are not needed after the call. begins: a watch does, and doesn't only look again.
 * False: too many of them. */
bool journal_seek(struct journal *j, struct journal_seek *q, const Qipan__Cursor *cursor,
                  const Qipan__WatchRequest *watch, bool begins, int32_t account, const char *lang);
bool journal_seek_cancel(struct journal *j, struct journal_seek *q); /* false: it is being answered */

#endif
