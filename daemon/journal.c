/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include "failpoint.h"
#include "log.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_ARENA (16 * 1024 * 1024)
#define READ_ROWS  JOURNAL_PAGE
#define SEEK_ARENA (256 * 1024)
#define FENCES_MAX 8
#define SOON_MS    20 /* news that nobody watches for */

/* ---- rows */

void journal_hold(struct journal_rows *rows)
{
    rows->refs++;
}

void journal_drop(struct journal_rows *rows)
{
    if (!rows || --rows->refs > 0)
        return;
    arena_free(&rows->arena);
    free(rows);
}

static struct journal_rows *rows_new(void)
{
    struct journal_rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        return NULL;
    rows->refs = 1;
    arena_init(&rows->arena, ROWS_ARENA);
    return rows;
}

/* ---- binding */

enum { SNAPSHOT_ID = PG_STATEMENTS - 14, READ_ID = PG_STATEMENTS - 10, PAGE_ID, SEEK_ID };

bool journal_bind(const struct bind_catalog *catalog, struct journal_ops *ops, char err[BIND_ERR_SIZE])
{
    return bind_op(catalog, "journal_read", READ_ID, &qipan__journal_read_request__descriptor,
                   &qipan__journal_read_reply__descriptor, &ops->read, err) &&
           bind_op(catalog, "journal_page", PAGE_ID, &qipan__journal_page_request__descriptor,
                   &qipan__journal_page_reply__descriptor, &ops->page, err) &&
           bind_op(catalog, "journal_seek", SEEK_ID, &qipan__journal_seek_request__descriptor,
                   &qipan__journal_seek_reply__descriptor, &ops->seek, err) &&
           bind_op(catalog, "snapshot_page", SNAPSHOT_ID, &qipan__snapshot_page_request__descriptor,
                   &qipan__snapshot_page_reply__descriptor, &ops->snapshot, err);
}

void journal_unbind(struct journal_ops *ops)
{
    bind_op_free(&ops->read);
    bind_op_free(&ops->page);
    bind_op_free(&ops->seek);
    bind_op_free(&ops->snapshot);
}

/* ---- following */

struct fence {
    struct pool_job job;
    struct journal *journal;
    int64_t rev, big; /* big: in network order */
    bool busy;
};

struct journal {
    struct loop *loop;
    struct deadlines *deadlines;
    struct pool *pool;
    const struct journal_ops *ops;
    struct journal_events events;
    uint64_t poll_ms;
    struct sequencer sequencer;
    int64_t epoch;
    uint64_t tag; /* of the watermark's revision, when it is known */
    bool begun, reading, again;
    bool doubt,
        looked_back; /* is this still the registry we knew? looked_back: the read in flight asks that */
    bool tagged;
    int32_t limit; /* revisions of the next read; less after a page that didn't fit */
    struct journal_query query;
    struct pool_job start;
    struct deadline poll, gap;
    struct fence fences[FENCES_MAX];
};

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

static const Oid fence_types[] = {20};
static const struct pg_statement fence_sql = {PG_STATEMENTS - 11, "SELECT api.journal_fence($1)", 1,
                                              fence_types};
static const struct pg_statement start_sql = {PG_STATEMENTS - 12,
                                              "SELECT epoch, rev, tag FROM api.journal_watermark()", 0, NULL};

static void read_on(struct journal *j);

static int64_t int8_at(const PGresult *row, int column)
{
    uint64_t big = 0;
    if (!PQgetisnull(row, 0, column) && PQgetlength(row, 0, column) == 8)
        memcpy(&big, PQgetvalue(row, 0, column), 8);
    return (int64_t)be64toh(big);
}

static void on_start(struct pool_job *job, const struct pool_answer *a)
{
    struct journal *j = container_of(job, struct journal, start);
    j->reading = false;
    if (!a->row || PQntuples(a->row) != 1) {
        log_warn("journal", "cannot find the watermark: %s", a->code ? a->code : "no row");
        return; /* the poll tries again */
    }
    j->epoch = int8_at(a->row, 0);
    j->tag = (uint64_t)int8_at(a->row, 2);
    j->tagged = !PQgetisnull(a->row, 0, 2); /* an epoch's very beginning has none */
    sequencer_init(&j->sequencer, int8_at(a->row, 1));
    j->begun = true;
    log_info("journal", "epoch %lld, watermark %lld", (long long)j->epoch, (long long)j->sequencer.watermark);
    j->events.begins(j->events.owner, j->epoch, j->sequencer.watermark, j->tag);
    read_on(j);
}

static void start(struct journal *j)
{
    j->reading = true;
    j->start = (struct pool_job){.lane = POOL_FEED, .statement = &start_sql, .done = on_start};
    pool_submit(j->pool, &j->start);
}

static void on_fenced(struct pool_job *job, const struct pool_answer *a)
{
    struct fence *f = container_of(job, struct fence, job);
    struct journal *j = f->journal;
    f->busy = false;
    FAILPOINT("fenced");
    if (!a->row)
        log_warn("journal", "revision %lld could not be fenced: %s", (long long)f->rev, a->code);
    sequencer_fenced(&j->sequencer, f->rev, now_us());
    journal_kick(j);
}

static void fence_gaps(struct journal *j)
{
    for (int i = 0; i < FENCES_MAX; i++) {
        struct fence *f = &j->fences[i];
        if (f->busy)
            continue;
        if (sequencer_fence(&j->sequencer, now_us(), &f->rev, 1) == 0)
            return;
        f->busy = true;
        f->journal = j;
        f->big = (int64_t)htobe64((uint64_t)f->rev);
        f->job = (struct pool_job){.lane = POOL_FENCE, .statement = &fence_sql, .done = on_fenced};
        f->job.params.values[0] = (char *)&f->big;
        f->job.params.lengths[0] = sizeof f->big;
        log_debug("journal", "fencing revision %lld", (long long)f->rev);
        FAILPOINT("fence-unsent");
        pool_submit(j->pool, &f->job);
    }
}

static void on_gap_due(struct deadline *d)
{
    struct journal *j = container_of(d, struct journal, gap);
    fence_gaps(j);
    journal_kick(j);
}

static void arm_gap(struct journal *j)
{
    uint64_t due = sequencer_due(&j->sequencer), now = now_us();
    bool free_fence = false; /* without one it is the end of a fence that goes on */
    for (int i = 0; i < FENCES_MAX; i++)
        free_fence |= !j->fences[i].busy;
    if (due != UINT64_MAX && free_fence)
        deadline_set(j->deadlines, &j->gap, due > now ? (due - now) / 1000 + 1 : 1);
}

/* Another epoch has begun: numbers jump, so the watermark is looked up anew. Or the registry isn't the one we knew: a restored
 * one may have the same epoch, but not our last revision. */
static bool epoch_moved(struct journal *j, const Qipan__JournalReadReply *reply)
{
    bool moved = reply->has_epoch && reply->epoch != j->epoch;
    for (size_t i = 0; i < reply->n_rows; i++)
        moved |= reply->rows[i]->epoch != j->epoch;
    if (j->looked_back)
        moved |= reply->n_rows == 0 || reply->rows[0]->rev != j->sequencer.watermark ||
                 reply->rows[0]->tag != j->tag;
    return moved;
}

static void take_rows(struct journal *j, struct journal_rows *rows)
{
    Qipan__JournalReadReply *reply = rows->reply;
    if (epoch_moved(j, reply)) {
        j->again = false;
        start(j);
        return;
    }
    int64_t revs[READ_ROWS];
    Qipan__Revision **fresh = reply->rows + j->looked_back;
    size_t n = reply->n_rows - j->looked_back;
    n = n < READ_ROWS ? n : READ_ROWS;
    for (size_t i = 0; i < n; i++)
        revs[i] = fresh[i]->rev;
    if (n)
        FAILPOINT("journal-read");
    size_t good = sequencer_read(&j->sequencer, revs, n, now_us());
    for (size_t i = 0; i < good; i++)
        j->events.revision(j->events.owner, rows, fresh[i]);
    if (good) {
        FAILPOINT("journal-published");
        j->tag = fresh[good - 1]->tag;
        j->tagged = true;
    }
    if (good && good == n)
        j->again = true; /* there may be more: the page ends by size as well as by number */
    arm_gap(j);
}

static void on_rows(struct journal_query *q, struct journal_rows *rows, const char *code, Qipan__Error *error)
{
    struct journal *j = container_of(q, struct journal, query);
    j->reading = false;
    j->limit = rows ? READ_ROWS : j->limit > 8 ? j->limit / 8 : 1;
    j->doubt |= !rows && j->looked_back;
    if (rows)
        take_rows(j, rows);
    else
        log_warn("journal", "cannot read: %s", error && error->message ? error->message : code ? code : "?");
    if (j->again && !j->reading)
        read_on(j);
}

static void read_on(struct journal *j)
{
    j->again = false;
    j->reading = true;
    j->query.done = on_rows;
    j->query.job.lane = POOL_FEED;
    j->looked_back = j->doubt && j->tagged;
    j->doubt = false;
    journal_read(j, &j->query, j->sequencer.watermark - j->looked_back, j->limit + j->looked_back);
}

void journal_doubt(struct journal *j)
{
    j->doubt = true;
    journal_kick(j);
}

void journal_kick(struct journal *j)
{
    if (j->reading)
        j->again = true;
    else if (!j->begun)
        start(j);
    else
        read_on(j);
}

void journal_kick_soon(struct journal *j)
{
    if (!j->begun || j->poll.at_ms <= loop_now_ms(j->loop) + SOON_MS)
        return;
    deadline_set(j->deadlines, &j->poll, SOON_MS);
}

static void on_poll(struct deadline *d)
{
    struct journal *j = container_of(d, struct journal, poll);
    deadline_set(j->deadlines, &j->poll, j->poll_ms);
    if (!j->reading)
        journal_kick(j);
}

struct journal *journal_new(struct loop *loop, struct deadlines *deadlines, struct pool *pool,
                            const struct journal_ops *ops, uint64_t poll_ms,
                            const struct journal_events *events)
{
    struct journal *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->loop = loop;
    j->deadlines = deadlines;
    j->pool = pool;
    j->ops = ops;
    j->poll_ms = poll_ms;
    j->limit = READ_ROWS;
    j->events = *events;
    j->poll.fire = on_poll;
    j->gap.fire = on_gap_due;
    deadline_set(deadlines, &j->poll, poll_ms);
    journal_kick(j);
    return j;
}

void journal_free(struct journal *j)
{
    if (!j)
        return;
    deadline_clear(j->deadlines, &j->poll);
    deadline_clear(j->deadlines, &j->gap);
    free(j);
}

int64_t journal_watermark(const struct journal *j)
{
    return j->sequencer.watermark;
}

/* ---- queries */

/* Some pages come as events; they are handed on as those of one revision. */
static bool wrap_page(struct journal_rows *rows, Qipan__Event **events, size_t n)
{
    Qipan__Revision *revision = arena_alloc(&rows->arena, sizeof *revision);
    Qipan__Revision **list = arena_alloc(&rows->arena, sizeof *list);
    rows->reply = arena_alloc(&rows->arena, sizeof *rows->reply);
    if (!revision || !list || !rows->reply)
        return false;
    qipan__journal_read_reply__init(rows->reply);
    qipan__revision__init(revision);
    revision->n_events = n;
    revision->events = events;
    list[0] = revision;
    rows->reply->n_rows = 1;
    rows->reply->rows = list;
    return true;
}

static void on_query(struct pool_job *job, const struct pool_answer *a)
{
    struct journal_query *q = container_of(job, struct journal_query, job);
    struct journal_rows *rows = a->row ? rows_new() : NULL;
    ProtobufCMessage *reply = NULL;
    Qipan__Error *error = NULL;
    const char *code = a->code;
    bool ok = rows && bind_reply(q->op, a->row, 0, &rows->arena, &reply, &error) && !error;
    if (ok && reply->descriptor == &qipan__journal_page_reply__descriptor) {
        Qipan__JournalPageReply *page = (Qipan__JournalPageReply *)reply;
        ok = wrap_page(rows, page->rows, page->n_rows);
    } else if (ok && reply->descriptor == &qipan__snapshot_page_reply__descriptor) {
        Qipan__SnapshotPageReply *page = (Qipan__SnapshotPageReply *)reply;
        rows->next = page->next;
        ok = wrap_page(rows, page->rows, page->n_rows);
    } else if (ok)
        rows->reply = (Qipan__JournalReadReply *)reply;
    arena_free(&q->arena);
    q->done(q, ok ? rows : NULL, ok ? NULL : code ? code : "INTERNAL", error);
    journal_drop(rows);
}

static bool submit_query(struct journal *j, struct journal_query *q, const ProtobufCMessage *request)
{
    struct bind_server server = {.account = q->account, .lang = q->lang ? q->lang : "zh"};
    arena_init(&q->arena, SEEK_ARENA);
    q->job.statement = &q->op->statement;
    q->job.done = on_query;
    if (!bind_params(q->op, request, &server, &q->arena, &q->job.params)) {
        arena_free(&q->arena);
        return false;
    }
    pool_submit(j->pool, &q->job);
    return true;
}

void journal_read(struct journal *j, struct journal_query *q, int64_t after_rev, int32_t limit)
{
    Qipan__JournalReadRequest request = QIPAN__JOURNAL_READ_REQUEST__INIT;
    request.has_after_rev = request.has_limit = true;
    request.after_rev = after_rev;
    request.limit = limit;
    q->op = &j->ops->read;
    if (!submit_query(j, q, &request.base))
        log_die("out of memory"); /* a handful of integers */
}

void journal_page(struct journal *j, struct journal_query *q, int64_t rev, int32_t after_idx, int32_t limit)
{
    Qipan__JournalPageRequest request = QIPAN__JOURNAL_PAGE_REQUEST__INIT;
    request.has_rev = request.has_limit = true;
    request.rev = rev;
    request.has_after_idx = after_idx >= 0;
    request.after_idx = after_idx;
    request.limit = limit;
    q->op = &j->ops->page;
    if (!submit_query(j, q, &request.base))
        log_die("out of memory"); /* a handful of integers */
}

bool journal_snapshot(struct journal *j, struct journal_query *q, const Qipan__SnapshotPageRequest *request)
{
    q->op = &j->ops->snapshot;
    return submit_query(j, q, &request->base);
}

static void on_seek(struct pool_job *job, const struct pool_answer *a)
{
    struct journal_seek *q = container_of(job, struct journal_seek, job);
    struct arena arena;
    ProtobufCMessage *reply = NULL;
    Qipan__Error *error = NULL;
    arena_init(&arena, 64 * 1024);
    bool ok = a->row && bind_reply(q->op, a->row, 0, &arena, &reply, &error) && !error;
    arena_free(&q->arena);
    q->done(q, ok ? (Qipan__JournalSeekReply *)reply : NULL,
            ok        ? NULL
            : a->code ? a->code
                      : "INTERNAL",
            error);
    arena_free(&arena);
}

bool journal_seek_cancel(struct journal *j, struct journal_seek *q)
{
    if (!pool_cancel(j->pool, &q->job))
        return false;
    arena_free(&q->arena);
    return true;
}

bool journal_seek(struct journal *j, struct journal_seek *q, const Qipan__Cursor *cursor,
                  const Qipan__WatchRequest *watch, bool begins, int32_t account, const char *lang)
{
    Qipan__JournalSeekRequest request = QIPAN__JOURNAL_SEEK_REQUEST__INIT;
    struct bind_server server = {.account = account, .lang = lang};
    if (cursor) {
        request.has_epoch = cursor->has_epoch;
        request.epoch = cursor->epoch;
        request.has_rev = true;
        request.rev = cursor->rev;
        request.has_tag = cursor->has_tag;
        request.tag = cursor->tag;
        request.has_idx = cursor->has_idx;
        request.idx = cursor->idx;
    }
    request.n_terms = watch->n_terms;
    request.terms = watch->terms;
    request.n_known = watch->n_known;
    request.known = watch->known;
    request.has_begins = request.begins = begins;
    q->op = &j->ops->seek;
    arena_init(&q->arena, SEEK_ARENA);
    q->job = (struct pool_job){.lane = POOL_READ, .statement = &q->op->statement, .done = on_seek};
    if (!bind_params(q->op, &request.base, &server, &q->arena, &q->job.params)) {
        arena_free(&q->arena);
        return false;
    }
    pool_submit(j->pool, &q->job);
    return true;
}
