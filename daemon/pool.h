/* SPDX-License-Identifier: Apache-2.0 */
/* Links to the registry in lanes, and the jobs that wait for them.
 *
 * EDIT  changes, in groups: what arrives while a group is in flight goes as the next one, at most POOL_GROUP jobs
 *       sorted by object, in one implicit transaction: rights lock, n calls, seal. When idle a group of one goes at
 *       once. Neighbours of one operation that has a set-based twin go as one call of it. A job that fails unexpectedly is run again alone; its neighbours again together.
 * SOLO  one change at a time with a longer lock timeout: where edits go that met a lock.
 * CHUNK pieces of sheets and files, one at a time: large, and many of them; an edit would wait behind those of its group.
 * BULK  imports and reports: alone, may take long, delays nobody. A preview that nobody waits for is ended in the registry.
 * OFFICE changes of rights: alone, and behind nothing that takes long.
 * READ  reads, pipelined, each with its own sync; of whoever asks for many at once the later ones wait for others' first.
 * FEED  the journal; also the doorbell's ear and bell.   FENCE  settles missing numbers, one statement at a time.
 *
 * A job whose link died is sent again: changes are found by their request id. Jobs end exactly once.
 *
 * A change whose batch was lost in flight, or was committed without its standby, is *ambiguous* from then on: its first
 * attempt may still come to stand. It is sent again until its owner gives up; the same request id makes the second
 * attempt wait for the first, find it, or take its place for good. So a result row is final, and nothing else is: every
 * failure of an ambiguous change is told as UNKNOWN. */
#ifndef QIPAN_POOL_H
#define QIPAN_POOL_H

#include "fold.h"

#define POOL_GROUP 64

enum pool_lane {
    POOL_READ,
    POOL_EDIT,
    POOL_SOLO,
    POOL_CHUNK,
    POOL_BULK,
    POOL_OFFICE,
    POOL_FEED,
    POOL_FENCE,
    POOL_LANES
};

struct pool_answer {
    const PGresult *row; /* valid inside done() only; NULL when it failed */
    int index;           /* of the job's own row in it */
    const char *code;    /* when row is NULL: name of errors.def */
    int64_t rev;         /* of the group, when `sealed` */
    bool sealed;
};

struct pool_job {
    /* in */
    enum pool_lane lane;
    const struct pg_statement *statement;
    const struct fold *twin; /* NULL: it is never folded */
    struct pg_params params; /* the values must live until done() */
    uint64_t object;         /* edits of one object keep their order */
    int32_t flow;            /* reads: whose they are; everybody with waiting reads gets turns. 0: nobody's */
    void (*done)(struct pool_job *job, const struct pool_answer *answer);
    bool preview; /* nothing stays of it: its statement is ended when it is abandoned */

    /* private */
    struct pool_job *next;
    uint64_t order; /* of arrival */
    uint64_t turn;  /* of a read */
    int tries, losses;
    bool queued, flying, ambiguous, unfolded, abandoned;
};

struct pool;

struct pool_config {
    const char *database; /* libpq connection string */
    int edit_links, read_links;
    const struct pg_statement *greeting; /* link_open */
    const struct pg_params *greeting_params;
};

struct pool_events {
    bool (*greeted)(void *owner,
                    PGresult *row); /* false: this registry is not for us, keep the link closed */
    void (*ready)(void *owner);     /* the first link of the read lane came up */
    void (*committed)(void *owner); /* one of our groups is in the journal */
    void (*doorbell)(void *owner);
    void *owner;
};

struct pool *pool_new(struct loop *loop, struct deadlines *deadlines, const struct pool_config *config,
                      const struct pool_events *events);
void pool_set_epoch(struct pool *pool, int64_t epoch); /* what the seal claims to write under */
void pool_free(struct pool *pool);                     /* ends all jobs with UNAVAILABLE or UNKNOWN */

void pool_submit(struct pool *pool, struct pool_job *job);

/* Takes back a job that waits. False: it is being run, done() will come. */
bool pool_cancel(struct pool *pool, struct pool_job *job);

/* Nobody waits any more for a job that is being run: it isn't tried again. done() will come. */
void pool_abandon(struct pool *pool, struct pool_job *job);

/* A change that the registry may have carried out, or may yet, without a word of it so far. */
bool pool_unresolved(const struct pool_job *job);

const char *pool_problem(const struct pool *pool); /* why no link is up; NULL when one is */

#endif
