/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include "failpoint.h"
#include "log.h"
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINKS_MAX  8   /* of one lane */
#define READ_DEPTH 8   /* reads in flight on one link … */
#define FLOW_DEPTH 2   /* … and of one account, so that nobody finds all links filled by another's */
#define FLOWS      256 /* that are told apart */
#define TRIES_MAX  6   /* of a job, before its error is final */
#define STUCK_MS   500 /* a fence that waits for so long has its blockers looked for */
#define FOLD_MIN   6   /* jobs: a twin has a cost of its own, that of three or four single calls */
#define RING_MS    5   /* between two rings */
#define END_MS     500 /* until a statement that should have ended is told so again */
#define LOSSES_MAX 3   /* of a job's links: then it goes alone, in case it is what kills them */

struct lane {
    const char *name;
    /* for an answer. FEED asks all the time, so it finds a silent registry for all; the others' is for a process
     * that stands still alone. Changes: a COMMIT may wait for its standby without limit, and a link given up there
     * leaves its server process behind, with its locks. */
    uint64_t patience_ms;
    const char *options; /* of the server process: a stopped daemon or a long wait must not hold others up */
    int links, depth;
    bool change; /* jobs go with a seal, as a group */
    bool
        locks; /* behind the lock against changes of rights; those of BULK and OFFICE see to that themselves */
};

static const struct lane lanes[POOL_LANES] = {
    [POOL_READ] = {"read", 18000, "-c statement_timeout=15s", 2, READ_DEPTH, false},
    [POOL_EDIT] = {"edit", 310000, "-c statement_timeout=15s -c lock_timeout=20ms", 2, 1, true, true},
    [POOL_SOLO] = {"solo", 310000, "-c statement_timeout=15s -c lock_timeout=3s", 3, 1, true, true},
    [POOL_CHUNK] = {"chunk", 310000, "-c statement_timeout=15s -c lock_timeout=3s", 1, 1, true, true},
    /* what an import works on stays in memory: written to files it would take the disk from everybody's commits */
    [POOL_BULK] = {"bulk", 310000,
                   "-c statement_timeout=300s -c lock_timeout=10s -c temp_buffers=128MB -c work_mem=32MB", 1,
                   1, true, false},
    [POOL_OFFICE] = {"office", 310000, "-c statement_timeout=15s -c lock_timeout=5s", 1, 1, true, false},
    [POOL_FEED] = {"feed", 8000, "-c statement_timeout=5s -c synchronous_commit=off", 1, 4, false},
    [POOL_FENCE] = {"fence", 20000, "-c statement_timeout=15s -c lock_timeout=10s", 2, 1, false},
};

struct pool_link {
    struct pg_link pg;
    struct pool *pool;
    struct flight *flight; /* lanes of changes: the one in the air */
    enum pool_lane lane;
    char application[48];
    struct pg_batch end; /* of the statement in the air; its answer comes by the feed's link … */
    bool ending;         /* … and before that nothing else takes off, for the end would be its */
    uint32_t end_pid;    /* big-endian, the parameter */
    struct pg_params end_params;
};

/* A batch in flight and the jobs it carries, in the order of its calls. */
struct flight {
    struct pg_batch batch;
    struct pool_link *link;
    struct pool_job *jobs[POOL_GROUP];
    int n;
    struct run {
        int first, n;             /* jobs that go as one call */
        struct pg_params *folded; /* theirs, when they are several */
    } runs[POOL_GROUP];
    int n_runs;
    struct pg_params seal;
    int64_t epoch; /* big-endian, the seal's parameter */
};

struct queue {
    struct pool_job *first, **last;
};

struct pool {
    struct loop *loop;
    struct deadlines *deadlines;
    struct pool_events events;
    struct pg_target target;
    struct pool_link links[POOL_LANES][LINKS_MAX];
    int n_links[POOL_LANES];
    struct queue queues[POOL_LANES];
    struct task pump;
    int64_t epoch;
    uint64_t arrivals, turn;    /* the turn of the read that was sent last */
    unsigned char reads[FLOWS]; /* in flight */
    bool was_ready, closing, ringing;
    struct pg_batch bell, unblock;
    uint64_t rung_ms;
    struct deadline ring;  /* the next one, for what was written since the last */
    struct deadline stuck; /* while numbers are being fenced */
    bool unblocking;
    struct deadline end; /* while previews fly that nobody waits for */
};

/* Ids of the pool's own statements stand at the end of the range; operations count from 0. */
static const Oid seal_types[] = {20};
static const struct pg_statement seal_sql = {PG_STATEMENTS - 3, "SELECT rev, tag FROM api.seal($1)", 1,
                                             seal_types};
static const struct pg_statement lock_sql = {PG_STATEMENTS - 4, "SELECT api.rights_lock()", 0, NULL};
static const struct pg_statement unblock_sql = {
    PG_STATEMENTS - 13, "SELECT pid::text, application, ended FROM api.journal_unblock()", 0, NULL};
/* By its name, too: after a failover the number may be another's. */
static const Oid end_types[] = {23};
static const struct pg_statement end_sql = {PG_STATEMENTS - 15,
                                            "SELECT pg_cancel_backend(a.pid) FROM pg_stat_activity a WHERE "
                                            "a.pid = $1 AND a.application_name LIKE 'qipand bulk %'",
                                            1, end_types};
static const struct pg_statement bell_sql = {PG_STATEMENTS - 5, "SELECT pg_notify('qipan', '')", 0, NULL};

/* ---- queues */

/* Where a read of its flow belongs: one turn after its last that waits, behind everybody's of the same turn. */
static struct pool_job **place_of(struct pool *pool, struct pool_job *job)
{
    struct queue *q = &pool->queues[job->lane];
    job->turn = pool->turn;
    for (const struct pool_job *other = q->first; other && job->flow; other = other->next)
        if (other->flow == job->flow && other->turn >= job->turn)
            job->turn = other->turn + 1;
    struct pool_job **place = &q->first;
    while (*place && (*place)->turn <= job->turn)
        place = &(*place)->next;
    return place;
}

static void append(struct pool *pool, struct pool_job *job)
{
    struct queue *q = &pool->queues[job->lane];
    struct pool_job **place = job->lane == POOL_READ ? place_of(pool, job) : q->last;
    job->next = *place;
    job->queued = true;
    *place = job;
    if (!job->next)
        q->last = &job->next;
    loop_touch(pool->loop, &pool->pump);
}

/* Older than what waits: it was in the air already. */
static void put_back(struct pool *pool, struct pool_job *job)
{
    struct queue *q = &pool->queues[job->lane];
    job->next = q->first;
    job->queued = true;
    q->first = job;
    if (!job->next)
        q->last = &job->next;
    loop_touch(pool->loop, &pool->pump);
}

/* Takes out the job that *place points to. */
static struct pool_job *take_at(struct queue *q, struct pool_job **place)
{
    struct pool_job *job = *place;
    *place = job->next;
    if (q->last == &job->next)
        q->last = place;
    job->queued = false;
    return job;
}

static struct pool_job *take(struct queue *q)
{
    return q->first ? take_at(q, &q->first) : NULL;
}

static bool flies(const struct pool *pool, enum pool_lane lane, uint64_t object)
{
    for (int i = 0; i < pool->n_links[lane]; i++) {
        const struct flight *f = pool->links[lane][i].flight;
        for (int k = 0; f && k < f->n; k++)
            if (f->jobs[k]->object == object)
                return true;
    }
    return false;
}

static bool older_waits(const struct pool *pool, enum pool_lane lane, const struct pool_job *job)
{
    for (const struct pool_job *other = pool->queues[lane].first; other; other = other->next)
        if (other->object == job->object && other->order < job->order)
            return true;
    return false;
}

/* Changes of one object go one after the other, in the order of arrival, on whichever link; of one account's reads only some. */
static bool must_wait(const struct pool *pool, const struct pool_job *job)
{
    if (job->lane == POOL_READ && job->flow)
        return pool->reads[(unsigned)job->flow % FLOWS] >= FLOW_DEPTH * pool->n_links[POOL_READ];
    if (!job->object || !lanes[job->lane].change)
        return false;
    return flies(pool, POOL_EDIT, job->object) || flies(pool, POOL_SOLO, job->object) ||
           older_waits(pool, job->lane == POOL_EDIT ? POOL_SOLO : POOL_EDIT, job);
}

/* The next from *place on that need not wait; *place stands behind it afterwards. */
static struct pool_job *take_free(struct pool *pool, enum pool_lane lane, struct pool_job ***place)
{
    for (; **place; *place = &(**place)->next) {
        if (must_wait(pool, **place))
            continue;
        if (lane == POOL_READ && (**place)->turn > pool->turn)
            pool->turn = (**place)->turn;
        return take_at(&pool->queues[lane], *place);
    }
    return NULL;
}

void pool_submit(struct pool *pool, struct pool_job *job)
{
    job->tries = job->losses = 0;
    job->flying = job->ambiguous = job->unfolded = job->abandoned = false;
    job->order = ++pool->arrivals;
    append(pool, job);
}

bool pool_cancel(struct pool *pool, struct pool_job *job)
{
    struct queue *q = &pool->queues[job->lane];
    if (!job->queued)
        return false;
    struct pool_job **place = &q->first;
    while (*place != job)
        place = &(*place)->next;
    take_at(q, place);
    return true;
}

static bool is_change(const struct pool_job *job)
{
    return lanes[job->lane].change;
}

bool pool_unresolved(const struct pool_job *job)
{
    return is_change(job) && !job->preview && (job->flying || job->ambiguous) && !BUG("ack-lost");
}

static void fail(struct pool_job *job, const char *code)
{
    job->done(job, &(struct pool_answer){.code = pool_unresolved(job) ? "UNKNOWN" : code});
}

/* ---- what a failure means */

enum verdict { RETRY, RETRY_ALONE, RETRY_NEW_LINK, FINAL };

static const struct meaning {
    const char *prefix; /* of the SQLSTATE; the first that fits */
    enum verdict verdict;
    const char *code; /* when tries are used up, or final */
} meanings[] = {
    {"55P03", RETRY_ALONE, "LOCKED"},
    {"40P01", RETRY, "LOCKED"},
    {"40001", RETRY, "LOCKED"},
    {"23505", RETRY, "INTERNAL"}, /* two carriers of one request id: the second finds the first's outcome */
    {"57014", FINAL, "UNAVAILABLE"},
    {"53100", FINAL, "STORAGE_FULL"},
    {"53", RETRY_NEW_LINK, "BUSY"},
    {"25006", RETRY_NEW_LINK, "UNAVAILABLE"},
    {"57P", RETRY_NEW_LINK, "UNAVAILABLE"},
    {"0A000", RETRY_NEW_LINK, "INTERNAL"}, /* a plan from before a migration */
    {"26000", RETRY_NEW_LINK, "INTERNAL"},
    {"08", RETRY_NEW_LINK, "UNAVAILABLE"},
    {"55000", RETRY_NEW_LINK,
     "UNAVAILABLE"}, /* the seal: another timeline than the epoch's, or another epoch */
    {"", FINAL, "INTERNAL"},
};

static const struct meaning *meaning_of(const char *sqlstate)
{
    const struct meaning *m = meanings;
    while (strncmp(m->prefix, sqlstate, strlen(m->prefix)) != 0)
        m++;
    return m;
}

/* Who waits for an object that stays locked would wait just as long, one after the other, for nothing. */
static void fail_waiting(struct pool *pool, enum pool_lane lane, uint64_t object)
{
    struct queue *q = &pool->queues[lane];
    for (struct pool_job **place = &q->first; object && *place;) {
        if ((*place)->object == object)
            fail(take_at(q, place), "LOCKED");
        else
            place = &(*place)->next;
    }
}

/* An error that was this job's own, or that everybody in the batch answers for. False: it ended here. */
static bool survives(struct pool *pool, struct pool_job *job, const struct pg_batch *b)
{
    const struct meaning *m = meaning_of(b->sqlstate);
    if (m->verdict != FINAL && ++job->tries < TRIES_MAX &&
        !(m->verdict == RETRY_ALONE && job->lane == POOL_SOLO))
        return true;
    if (strcmp(m->code, "INTERNAL") == 0)
        log_error("pool", "%s: %s %s", job->statement->sql, b->sqlstate, b->message);
    if (job->lane == POOL_SOLO && strcmp(m->code, "LOCKED") == 0)
        fail_waiting(pool, POOL_EDIT, job->object);
    fail(job, m->code);
    return false;
}

/* Puts a job whose batch did not succeed where it goes next. */
static void again(struct pool *pool, struct pool_job *job, const struct pg_batch *b, bool guilty)
{
    bool doubt = b->lost || b->ok; /* ok, but without its standby */
    job->ambiguous |= doubt && is_change(job);
    if (pool->closing || job->abandoned) {
        fail(job, "UNAVAILABLE");
        return;
    }
    if (guilty && !survives(pool, job, b))
        return;
    if (BUG("retry-new-id") && job->ambiguous && job->params.values[2]) /* p_request, by convention */
        *(char *)job->params.values[2] = (char)('a' + job->losses % 26);
    if (job->lane == POOL_EDIT && (guilty || (doubt && ++job->losses >= LOSSES_MAX)))
        job->lane = POOL_SOLO;
    put_back(pool, job);
}

static bool wants_new_link(const struct pg_batch *b)
{
    return !b->ok && !b->lost && meaning_of(b->sqlstate)->verdict == RETRY_NEW_LINK;
}

/* ---- flights */

static void ring(struct pool *pool);

static void answer_run(struct flight *f, const struct run *run, const PGresult *rows,
                       struct pool_answer answer)
{
    bool good = !run->folded || PQntuples(rows) == run->n;
    if (!good)
        log_error("pool", "%s: %d rows for %d calls", f->jobs[run->first]->twin->statement.sql,
                  PQntuples(rows), run->n);
    answer.row = rows;
    for (int i = 0; i < run->n; i++) {
        struct pool_job *job = f->jobs[run->first + i];
        answer.index = i;
        job->ambiguous |= !good; /* committed, but who got what? */
        if (good)
            job->done(job, &answer);
        else
            fail(job, "INTERNAL");
    }
}

static void answer_all(struct flight *f, const struct lane *lane)
{
    struct pool *pool = f->link->pool;
    struct pool_answer answer = {0};
    const PGresult *seal = lane->change ? f->batch.results[f->n_runs + lane->locks] : NULL;
    if (seal && PQntuples(seal) == 1 && !PQgetisnull(seal, 0, 0)) {
        int64_t big;
        memcpy(&big, PQgetvalue(seal, 0, 0), sizeof big);
        answer.rev = (int64_t)be64toh((uint64_t)big);
        answer.sealed = true;
    }
    for (int i = 0; i < f->n_runs; i++)
        answer_run(f, &f->runs[i], f->batch.results[i + lane->locks], answer);
    if (answer.sealed) {
        FAILPOINT("unrung");
        pool->events.committed(pool->events.owner);
        ring(pool);
    }
}

/* From the last to the first: each goes to the head of its queue, and the order of arrival stays. */
static void sort_again(struct flight *f, const struct lane *lane)
{
    struct pg_batch *b = &f->batch;
    bool failed = !b->lost && !b->ok;
    int guilty = b->failed - lane->locks;
    bool blame_all = guilty < 0 || guilty >= f->n_runs; /* lock, seal or commit: everybody counts a try */
    for (int i = f->n_runs - 1; i >= 0; i--) {
        bool folded =
            failed && i == guilty && f->runs[i].folded; /* one of them: it shows when they go apart */
        for (int k = f->runs[i].first + f->runs[i].n - 1; k >= f->runs[i].first; k--) {
            f->jobs[k]->unfolded |= folded;
            again(f->link->pool, f->jobs[k], b, failed && !folded && (blame_all || i == guilty));
        }
    }
}

static void flight_free(struct flight *f)
{
    for (int i = 0; i < f->n_runs; i++)
        free(f->runs[i].folded);
    free(f);
}

static void landed(struct pg_batch *b)
{
    struct flight *f = container_of(b, struct flight, batch);
    struct pool_link *link = f->link;
    struct pool *pool = link->pool;
    const struct lane *lane = &lanes[link->lane];
    link->flight = NULL;
    for (int i = 0; i < f->n; i++) {
        f->jobs[i]->flying = false;
        if (link->lane == POOL_READ)
            pool->reads[(unsigned)f->jobs[i]->flow % FLOWS]--;
    }
    if (b->ok && b->unsure)
        log_warn(link->pg.name, "%d changes are committed, but the wait for their standby was cancelled",
                 f->n);
    if (lane->change && b->ok)
        FAILPOINT("group-landed");
    if (b->ok && (!b->unsure || BUG("ack-unsure")))
        answer_all(f, lane);
    else
        sort_again(f, lane);
    if (wants_new_link(b) && link->pg.state == PG_UP && !pool->closing)
        log_warn(link->pg.name, "the link is no longer good: %s %s", b->sqlstate, b->message);
    if (lane->change && b->ok)
        FAILPOINT("group-answered");
    bool renew = wants_new_link(b);
    flight_free(f);
    if (renew)
        pg_refuse(&link->pg, "renewed after an error");
    loop_touch(pool->loop, &pool->pump);
}

static int by_object(const void *a, const void *b)
{
    const struct pool_job *x = *(struct pool_job *const *)a, *y = *(struct pool_job *const *)b;
    return x->object < y->object ? -1 : x->object > y->object;
}

/* Stable, so that two edits of one object keep the order of arrival; n is at most POOL_GROUP. */
static void sort_jobs(struct pool_job **jobs, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && by_object(&jobs[k - 1], &jobs[k]) > 0; k--) {
            struct pool_job *swap = jobs[k];
            jobs[k] = jobs[k - 1];
            jobs[k - 1] = swap;
        }
}

static void add_call(struct pg_batch *b, const struct pg_statement *statement, const struct pg_params *params)
{
    b->calls[b->n++] = (struct pg_call){statement, params};
}

/* How many jobs from the i-th on can be one call. */
static int run_from(const struct flight *f, int i)
{
    const struct fold *twin = f->jobs[i]->twin;
    int n = 0;
    for (int bytes = 0; i + n < f->n && f->jobs[i + n]->twin == twin; n++) {
        int size = twin && !f->jobs[i + n]->unfolded ? fold_size(twin, &f->jobs[i + n]->params) : -1;
        if (size < 0 || (bytes += size) > FOLD_BYTES)
            break;
    }
    return n;
}

static void add_run(struct flight *f, int first)
{
    struct run *run = &f->runs[f->n_runs++];
    const struct pg_params *calls[POOL_GROUP];
    *run = (struct run){.first = first, .n = run_from(f, first)};
    for (int i = 0; i < run->n; i++)
        calls[i] = &f->jobs[first + i]->params;
    if (run->n >= FOLD_MIN)
        run->folded = fold_calls(f->jobs[first]->twin, calls, run->n);
    if (run->folded) {
        add_call(&f->batch, &f->jobs[first]->twin->statement, run->folded);
    } else {
        run->n = 1;
        add_call(&f->batch, f->jobs[first]->statement, &f->jobs[first]->params);
    }
}

/* False: nothing that waits may go now. */
static bool take_off(struct pool_link *link, int most)
{
    struct pool *pool = link->pool;
    bool change = lanes[link->lane].change;
    struct flight *f = calloc(1, sizeof *f);
    if (!f)
        return false;
    f->link = link;
    f->batch.done = landed;
    struct pool_job **place = &pool->queues[link->lane].first;
    while (f->n < most && (f->jobs[f->n] = take_free(pool, link->lane, &place)))
        f->jobs[f->n++]->flying = true;
    for (int i = 0; i < f->n && link->lane == POOL_READ; i++)
        pool->reads[(unsigned)f->jobs[i]->flow % FLOWS]++;
    if (f->n == 0) {
        free(f);
        return false;
    }
    if (change)
        link->flight = f;
    sort_jobs(f->jobs, f->n);
    if (lanes[link->lane].locks)
        add_call(&f->batch, &lock_sql, NULL);
    for (int i = 0; i < f->n; i += f->runs[f->n_runs - 1].n)
        add_run(f, i);
    if (change) {
        f->epoch = (int64_t)htobe64((uint64_t)pool->epoch);
        f->seal.values[0] = (char *)&f->epoch;
        f->seal.lengths[0] = sizeof f->epoch;
        add_call(&f->batch, &seal_sql, &f->seal);
    }
    if (change)
        FAILPOINT("group-unsent");
    pg_send(&link->pg, &f->batch);
    if (link->lane == POOL_FENCE && !pool->stuck.slot)
        deadline_set(pool->deadlines, &pool->stuck, STUCK_MS);
    if (change)
        FAILPOINT("group-sent");
    return true;
}

static struct pool_link *idlest(struct pool *pool, enum pool_lane lane)
{
    struct pool_link *best = NULL;
    for (int i = 0; i < pool->n_links[lane]; i++) {
        struct pool_link *link = &pool->links[lane][i];
        if (link->pg.state == PG_UP && !link->ending && link->pg.depth < lanes[lane].depth &&
            (!best || link->pg.depth < best->pg.depth))
            best = link;
    }
    return best;
}

/* End of turn: what came in this turn goes out together. */
static void pump(struct task *task)
{
    struct pool *pool = container_of(task, struct pool, pump);
    for (int lane = 0; lane < POOL_LANES; lane++) {
        struct pool_link *link;
        while (pool->queues[lane].first && (link = idlest(pool, (enum pool_lane)lane)) &&
               take_off(link, lane == POOL_EDIT ? POOL_GROUP : 1))
            ;
    }
}

/* ---- fences that wait */

static bool fences_fly(const struct pool *pool)
{
    for (int i = 0; i < pool->n_links[POOL_FENCE]; i++)
        if (pool->links[POOL_FENCE][i].pg.state == PG_UP && pool->links[POOL_FENCE][i].pg.depth > 0)
            return true;
    return false;
}

static void unblocked(struct pg_batch *b)
{
    struct pool *pool = b->owner;
    pool->unblocking = false;
    for (int i = 0; b->ok && i < PQntuples(b->results[0]); i++)
        log_warn("pool", "a missing revision is held by process %s, '%s'%s", PQgetvalue(b->results[0], i, 0),
                 PQgetvalue(b->results[0], i, 1),
                 PQgetvalue(b->results[0], i, 2)[0] ? ": ended, its daemon doesn't move" : "");
}

/* A daemon that was stopped between the calls and the sync of a group holds its number where no time limit of
 * PostgreSQL counts, and with it every feed. */
static void on_stuck(struct deadline *d)
{
    struct pool *pool = container_of(d, struct pool, stuck);
    struct pool_link *link = &pool->links[POOL_FEED][0];
    if (!fences_fly(pool))
        return;
    deadline_set(pool->deadlines, &pool->stuck, STUCK_MS);
    if (pool->unblocking || link->pg.state != PG_UP)
        return;
    pool->unblocking = true;
    pool->unblock = (struct pg_batch){.done = unblocked, .owner = pool};
    add_call(&pool->unblock, &unblock_sql, NULL);
    pg_send(&link->pg, &pool->unblock);
}

/* ---- previews that nobody waits for */

static void ended(struct pg_batch *b)
{
    struct pool_link *link = b->owner;
    link->ending = false;
    loop_touch(link->pool->loop, &link->pool->pump);
}

static void end_flight(struct pool_link *link)
{
    struct pg_link *feed = &link->pool->links[POOL_FEED][0].pg;
    if (link->ending || link->pg.state != PG_UP || feed->state != PG_UP)
        return;
    log_info(link->pg.name, "nobody waits for its preview any more: ended");
    link->ending = true;
    link->end_pid = htobe32((uint32_t)pg_pid(&link->pg));
    link->end_params.values[0] = (char *)&link->end_pid;
    link->end_params.lengths[0] = sizeof link->end_pid;
    link->end = (struct pg_batch){.done = ended, .owner = link};
    add_call(&link->end, &end_sql, &link->end_params);
    pg_send(feed, &link->end);
}

/* The lane has one job on a link. An end that came before its statement had begun was in vain, so it is sent again. */
static void on_end(struct deadline *d)
{
    struct pool *pool = container_of(d, struct pool, end);
    for (int i = 0; i < pool->n_links[POOL_BULK]; i++) {
        struct pool_link *link = &pool->links[POOL_BULK][i];
        if (!link->flight || !link->flight->jobs[0]->preview || !link->flight->jobs[0]->abandoned)
            continue;
        end_flight(link);
        deadline_set(pool->deadlines, &pool->end, END_MS);
    }
}

void pool_abandon(struct pool *pool, struct pool_job *job)
{
    job->abandoned = true;
    if (job->preview)
        on_end(&pool->end);
}

/* ---- the bell */

static void rung(struct pg_batch *b)
{
    ((struct pool *)b->owner)->ringing = false;
}

/* Tells the other daemons that there is news: at once, but not again within RING_MS. They read all that is new, so that
 * more rings would tell them little and cost the writers much. */
static void ring(struct pool *pool)
{
    struct pool_link *link = &pool->links[POOL_FEED][0];
    uint64_t now = loop_now_ms(pool->loop), due = pool->rung_ms + RING_MS;
    if (pool->ring.slot || pool->closing || link->pg.state != PG_UP)
        return;
    if (pool->ringing || now < due) {
        deadline_set(pool->deadlines, &pool->ring, now < due ? due - now : 1);
        return;
    }
    pool->ringing = true;
    pool->rung_ms = now;
    pool->bell = (struct pg_batch){.done = rung, .owner = pool};
    add_call(&pool->bell, &bell_sql, NULL);
    pg_send(&link->pg, &pool->bell);
}

static void on_ring(struct deadline *d)
{
    ring(container_of(d, struct pool, ring));
}

/* ---- links */

static void hurry(struct pool *pool)
{
    for (int lane = 0; lane < POOL_LANES; lane++)
        for (int i = 0; i < pool->n_links[lane]; i++)
            pg_hurry(&pool->links[lane][i].pg);
}

static void on_greeted(struct pg_link *pg, PGresult *row)
{
    struct pool_link *link = pg->owner;
    struct pool *pool = link->pool;
    if (!pool->events.greeted(pool->events.owner, row)) {
        pool->target.failing = true;
        pool->target.first++;
        pg_refuse(pg, "the registry is not for this daemon");
        return;
    }
    pg->failures = 0;
    log_info(pg->name, "link is up");
    if (pool->target.failing)
        hurry(pool);
    pool->target.failing = false;
    if (!pool->was_ready && link->lane == POOL_READ) {
        pool->was_ready = true;
        pool->events.ready(pool->events.owner);
    }
    if (link->lane == POOL_FEED)
        pool->events.doorbell(pool->events.owner); /* what rang while it was down was not heard */
    loop_touch(pool->loop, &pool->pump);
}

/* The feed's link, which is never idle, heard nothing: whoever heard nothing for as long is not waited for either. */
static void on_down(struct pg_link *pg)
{
    struct pool_link *feed = pg->owner;
    struct pool *pool = feed->pool;
    uint64_t now = loop_now_ms(pool->loop);
    if (feed->lane != POOL_FEED || !pg->silent || pool->closing)
        return;
    for (int lane = 0; lane < POOL_LANES; lane++)
        for (int i = 0; i < pool->n_links[lane]; i++) {
            struct pg_link *other = &pool->links[lane][i].pg;
            if (other->state == PG_UP && now - other->heard_ms >= lanes[POOL_FEED].patience_ms)
                pg_refuse(other, "silent for as long as the feed's link");
        }
}

static void on_doorbell(struct pg_link *pg)
{
    struct pool *pool = ((struct pool_link *)pg->owner)->pool;
    pool->events.doorbell(pool->events.owner);
}

static const struct pg_events link_events = {on_greeted, on_down, on_doorbell};

static void open_link(struct pool *pool, const struct pool_config *config, enum pool_lane lane, int i)
{
    struct pool_link *link = &pool->links[lane][i];
    link->pool = pool;
    link->lane = lane;
    snprintf(link->pg.name, sizeof link->pg.name, "pg %s %d", lanes[lane].name, i + 1);
    snprintf(link->application, sizeof link->application, "qipand %s %d", lanes[lane].name, i + 1);
    link->pg.patience_ms = lanes[lane].patience_ms;
    link->pg.loop = pool->loop;
    link->pg.deadlines = pool->deadlines;
    link->pg.events = &link_events;
    link->pg.owner = link;
    pg_open(&link->pg, &pool->target, link->application, lanes[lane].options, config->greeting,
            config->greeting_params, lane == POOL_FEED);
}

static int links_of(const struct pool_config *config, enum pool_lane lane)
{
    int n = lane == POOL_EDIT   ? config->edit_links
            : lane == POOL_READ ? config->read_links
                                : lanes[lane].links;
    return n < LINKS_MAX ? n : LINKS_MAX;
}

struct pool *pool_new(struct loop *loop, struct deadlines *deadlines, const struct pool_config *config,
                      const struct pool_events *events)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->loop = loop;
    pool->deadlines = deadlines;
    pool->events = *events;
    pool->pump.run = pump;
    pool->stuck.fire = on_stuck;
    pool->ring.fire = on_ring;
    pool->end.fire = on_end;
    pool->target.conninfo = config->database;
    for (int lane = 0; lane < POOL_LANES; lane++) {
        pool->queues[lane].last = &pool->queues[lane].first;
        pool->n_links[lane] = links_of(config, (enum pool_lane)lane);
        for (int i = 0; i < pool->n_links[lane]; i++)
            open_link(pool, config, (enum pool_lane)lane, i);
    }
    return pool;
}

void pool_set_epoch(struct pool *pool, int64_t epoch)
{
    pool->epoch = epoch;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    pool->closing = true;
    for (int lane = 0; lane < POOL_LANES; lane++)
        for (int i = 0; i < pool->n_links[lane]; i++)
            pg_close(&pool->links[lane][i].pg);
    for (int lane = 0; lane < POOL_LANES; lane++)
        for (struct pool_job *job; (job = take(&pool->queues[lane]));)
            fail(job, "UNAVAILABLE");
    loop_forget(pool->loop, &pool->pump);
    deadline_clear(pool->deadlines, &pool->stuck);
    deadline_clear(pool->deadlines, &pool->ring);
    deadline_clear(pool->deadlines, &pool->end);
    free(pool);
}

const char *pool_problem(const struct pool *pool)
{
    const char *problem = "not connected yet";
    for (int lane = 0; lane < POOL_LANES; lane++)
        for (int i = 0; i < pool->n_links[lane]; i++) {
            if (pool->links[lane][i].pg.state == PG_UP)
                return NULL;
            if (pool->links[lane][i].pg.problem[0])
                problem = pool->links[lane][i].pg.problem;
        }
    return problem;
}
