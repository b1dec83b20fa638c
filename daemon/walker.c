/* SPDX-License-Identifier: Apache-2.0 */
#include "walker.h"

#include "anchor.h"
#include "log.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define WALK_MS  1000
#define AGAIN_MS 20
#define CHECK_MS (60 * 1000)
#define FIRST_MS 2000
#define LATE_S   60 /* an older revision has its link, an audit row its closing a minute later */
#define STILL    3  /* checks that found no newer anchor */

static const struct pg_statement walk_sql = {PG_STATEMENTS - 40, "SELECT more::text FROM api.audit_walk()", 0,
                                             NULL};
static const Oid check_types[] = {25, 20, 25}, note_types[] = {25, 20, 25};
static const struct pg_statement check_sql = {
    PG_STATEMENTS - 41,
    "SELECT bad::text, epoch::text, rev::text, link, closing::text, closing_link, at, n::text, hash,"
    " behind::text"
    " FROM api.audit_head($1, $2, $3)",
    3, check_types};
static const struct pg_statement note_sql = {PG_STATEMENTS - 42, "SELECT api.audit_anchored($1, $2, $3)", 3,
                                             note_types};

enum { BAD, EPOCH, REV, LINK, CLOSING, CLOSING_LINK, AT, N, HASH, BEHIND };

struct walker {
    struct loop *loop;
    struct deadlines *deadlines;
    struct pool *pool;
    struct deadline walk, check;
    struct pool_job walking, checking, noting;
    bool checks;    /* one at a time, from the question to the note */
    bool gone;      /* freed while the file was being written */
    int unanswered; /* checks, in a row */
    int still;      /* checks since there was a new anchor, in a row */
    int64_t seen_n;
    uint64_t big_rev, big_n;

    struct anchor_signer signer; /* key NULL: no anchors */
    struct anchor_head head;     /* as this daemon saw it last */
    struct anchor_place last;    /* the newest anchor known */
    uv_work_t work;
    enum anchor_result result;
    char alarm[ANCHOR_TEXT_SIZE];
};

static void put_text(struct pg_params *p, int i, const char *text)
{
    p->values[i] = text;
    p->lengths[i] = (int)strlen(text);
}

static void put_number(struct pg_params *p, int i, int64_t number, uint64_t *big)
{
    *big = htobe64((uint64_t)number);
    p->values[i] = number ? (char *)big : NULL;
    p->lengths[i] = sizeof *big;
}

/* ---- walking */

static void on_walked(struct pool_job *job, const struct pool_answer *a)
{
    struct walker *w = container_of(job, struct walker, walking);
    bool more = a->row && !PQgetisnull(a->row, a->index, 0) && *PQgetvalue(a->row, a->index, 0) == 't';
    if (!a->row)
        log_warn("audit", "the chains could not be walked: %s", a->code);
    deadline_set(w->deadlines, &w->walk, more ? AGAIN_MS : WALK_MS);
}

static void on_walk(struct deadline *d)
{
    struct walker *w = container_of(d, struct walker, walk);
    w->walking = (struct pool_job){.lane = POOL_READ, .statement = &walk_sql, .done = on_walked};
    pool_submit(w->pool, &w->walking);
}

/* ---- anchors */

static void on_noted(struct pool_job *job, const struct pool_answer *a)
{
    struct walker *w = container_of(job, struct walker, noting);
    w->checks = false;
    if (!a->row)
        log_warn("audit", "the registry doesn't know of anchor %lld: %s", (long long)w->last.n, a->code);
}

static void discard(struct walker *w)
{
    anchor_signer_free(&w->signer);
    free(w);
}

/* In a thread of libuv's pool: a disk may take its time. Nothing else touches the walker's anchor meanwhile. */
static void write_anchor(uv_work_t *work)
{
    struct walker *w = container_of(work, struct walker, work);
    struct anchor_place place = w->last;
    w->result = anchor_write(&w->signer, &w->head, &w->last, &place, w->alarm);
    if (w->result == ANCHOR_WRITTEN)
        w->last = place;
}

static void on_written(uv_work_t *work, int status)
{
    struct walker *w = container_of(work, struct walker, work);
    (void)status;
    if (w->gone) {
        discard(w);
        return;
    }
    w->checks = false;
    if (w->alarm[0])
        log_error("audit", "AUDIT_ANCHOR: %s", w->alarm);
    else if (w->result == ANCHOR_FAILED)
        log_error("audit", "AUDIT_ANCHOR: no anchor could be signed");
    if (w->result != ANCHOR_WRITTEN)
        return;
    w->checks = true;
    w->noting = (struct pool_job){.lane = POOL_READ, .statement = &note_sql, .done = on_noted};
    put_text(&w->noting.params, 0, w->signer.fingerprint);
    put_number(&w->noting.params, 1, w->last.n, &w->big_n);
    put_text(&w->noting.params, 2, w->last.hash);
    pool_submit(w->pool, &w->noting);
}

/* ---- checking */

static void take_text(const struct pool_answer *a, int column, char *out, size_t size)
{
    snprintf(out, size, "%s", PQgetvalue(a->row, a->index, column));
}

static int64_t take_number(const struct pool_answer *a, int column)
{
    return strtoll(PQgetvalue(a->row, a->index, column), NULL, 10);
}

/* What the registry has of our anchors counts when it knows more than we do: another daemon writes them too. */
static void take_head(struct walker *w, const struct pool_answer *a)
{
    struct anchor_place known = {.n = take_number(a, N)};
    take_text(a, HASH, known.hash, sizeof known.hash);
    w->head.epoch = take_number(a, EPOCH);
    w->head.rev = take_number(a, REV);
    w->head.closing = take_number(a, CLOSING);
    take_text(a, AT, w->head.at, sizeof w->head.at);
    take_text(a, LINK, w->head.link, sizeof w->head.link);
    take_text(a, CLOSING_LINK, w->head.closing_link, sizeof w->head.closing_link);
    if (known.n > w->last.n)
        w->last = known;
}

/* Whoever walks the chains or signs, in this daemon or another one, does it no more. */
static void look_for_standstill(struct walker *w, int64_t behind_s)
{
    bool signs = w->signer.key && (w->head.rev || w->head.closing);
    w->still = signs && w->last.n == w->seen_n ? w->still + 1 : 0;
    w->seen_n = w->last.n;
    if (behind_s >= LATE_S)
        log_error("audit", "ALARM: AUDIT_CHAIN: the chains stand still, %lld s behind the journal",
                  (long long)behind_s);
    if (w->still >= STILL)
        log_error("audit", "ALARM: AUDIT_ANCHOR: no new anchor for %d minutes, the last one is %lld",
                  w->still, (long long)w->last.n);
}

static void on_checked(struct pool_job *job, const struct pool_answer *a)
{
    struct walker *w = container_of(job, struct walker, checking);
    w->checks = false;
    if (!a->row) {
        log_warn("audit", "the chains could not be checked: %s", a->code);
        return;
    }
    w->unanswered = 0;
    if (!PQgetisnull(a->row, a->index, BAD))
        log_error("audit", "AUDIT_CHAIN: revision %s is not what it was: qipan-admin audit verify says more",
                  PQgetvalue(a->row, a->index, BAD));
    take_head(w, a);
    look_for_standstill(w, take_number(a, BEHIND));
    w->checks = w->signer.key && (w->head.rev || w->head.closing) &&
                uv_queue_work(&w->loop->uv, &w->work, write_anchor, on_written) == 0;
}

static void on_check(struct deadline *d)
{
    struct walker *w = container_of(d, struct walker, check);
    deadline_set(w->deadlines, &w->check, CHECK_MS);
    if (w->unanswered++ > 0)
        log_error("audit", "ALARM: AUDIT_CHAIN: the chains could not be checked for %d minutes",
                  w->unanswered - 1);
    if (w->checks)
        return;
    w->checks = true;
    w->checking = (struct pool_job){.lane = POOL_READ, .statement = &check_sql, .done = on_checked};
    put_text(&w->checking.params, 0, w->signer.fingerprint);
    put_number(&w->checking.params, 1, w->head.rev, &w->big_rev);
    put_text(&w->checking.params, 2, w->head.link);
    pool_submit(w->pool, &w->checking);
}

struct walker *walker_new(struct loop *loop, struct deadlines *deadlines, struct pool *pool,
                          const struct config *config, char err[TLS_ERR_SIZE])
{
    struct walker *w = calloc(1, sizeof *w);
    if (!w || (config->audit_key[0] && config->audit_anchor_file[0] &&
               !anchor_signer_init(&w->signer, config->audit_anchor_file, config->audit_key, err))) {
        free(w);
        return NULL;
    }
    w->loop = loop;
    w->deadlines = deadlines;
    w->pool = pool;
    w->walk.fire = on_walk;
    w->check.fire = on_check;
    deadline_set(deadlines, &w->walk, AGAIN_MS);
    deadline_set(deadlines, &w->check, FIRST_MS);
    return w;
}

void walker_free(struct walker *w)
{
    if (!w)
        return;
    deadline_clear(w->deadlines, &w->walk);
    deadline_clear(w->deadlines, &w->check);
    if (w->checks) /* the pool is gone: only the file can be at work */
        w->gone = true;
    else
        discard(w);
}
