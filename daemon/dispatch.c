/* SPDX-License-Identifier: Apache-2.0 */
#include "dispatch.h"

#include "log.h"
#include "quota.h"
#include "scheduler.h"
#include "walker.h"
#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_VERSION 30
#define ALARM_MS       10000 /* between lines about one thing that lasts */

/* Operations, and with their twins twice as many statements; those at the end of the table are the daemon's own. */
enum {
    OPS_COUNT = 0
#define OP(number, name, request, reply, lane, right, cli) +1
#include "ops.def"
#undef OP
};
_Static_assert(2 * OPS_COUNT + 64 <= PG_STATEMENTS,
               "a link holds a statement for each operation and its twin");

struct dispatch {
    struct loop *loop;
    struct deadlines *deadlines;
    const struct config *config;
    struct dispatch_events events;
    struct pool *pool;
    struct hub *hub;
    struct journal *journal;
    struct scheduler *scheduler;
    struct walker *walker;
    struct bind_op ops[OPS_COUNT]; /* by index of op_table */
    struct journal_ops journal_ops;
    struct pool_job catalog;
    struct deadline retry;
    struct quota quota;
    bool bound;
    int64_t epoch; /* the highest any link has seen */
    uint64_t alarmed_ms;
    int32_t schema;    /* big-endian, the greeting's parameters: … */
    uint64_t place[3]; /* … epoch, rev and tag of the newest revision we know, so that its loss is noticed */
    struct pg_params greeting;
};

static struct dispatch
    *the_dispatch; /* sessions carry no pointer to their floor above; there is one per process */

static const Oid greeting_types[] = {23, 20, 20, 20};
static const struct pg_statement greeting_sql = {
    PG_STATEMENTS - 7, "SELECT ok, message, epoch FROM api.link_open($1, $2, $3, $4)", 4, greeting_types};

/* ---- the registry's answers */

static bool on_greeted(void *owner, PGresult *row)
{
    struct dispatch *d = owner;
    if (PQntuples(row) != 1 || PQgetisnull(row, 0, 0) || PQgetvalue(row, 0, 0)[0] != 1) {
        d->events.fatal(d->events.owner, PQntuples(row) == 1 && !PQgetisnull(row, 0, 1)
                                             ? PQgetvalue(row, 0, 1)
                                             : "the registry gives no answer");
        return false;
    }
    uint64_t big;
    memcpy(&big, PQgetvalue(row, 0, 2), sizeof big);
    int64_t epoch = (int64_t)be64toh(big);
    if (epoch < d->epoch) { /* an old primary came back by itself: what it writes would be lost */
        if (d->alarmed_ms && loop_now_ms(d->loop) - d->alarmed_ms < ALARM_MS)
            return false;
        d->alarmed_ms = loop_now_ms(d->loop);
        log_error("registry",
                  "SPLIT_BRAIN: a PostgreSQL in epoch %lld accepts writes, but epoch %lld has begun",
                  (long long)epoch, (long long)d->epoch);
        return false;
    }
    d->epoch = epoch;
    pool_set_epoch(d->pool, epoch);
    if (d->journal)
        journal_doubt(d->journal);
    return true;
}

static bool bind_all(struct dispatch *d, const PGresult *rows, char err[BIND_ERR_SIZE])
{
    struct bind_catalog *catalog = bind_catalog(rows);
    bool ok = catalog != NULL;
    for (int i = 0; ok && op_table[i].name; i++)
        if (op_table[i].lane != LANE_FEED)
            ok = bind_op(catalog, op_table[i].name, i, op_table[i].request, op_table[i].reply, &d->ops[i],
                         err) &&
                 (op_table[i].lane != LANE_EDIT || bind_twin(catalog, OPS_COUNT + i, &d->ops[i], err));
    ok = ok && journal_bind(catalog, &d->journal_ops, err);
    bind_catalog_free(catalog);
    return ok;
}

static void know_place(struct dispatch *d, int64_t epoch, int64_t rev, uint64_t tag)
{
    d->place[0] = htobe64((uint64_t)epoch);
    d->place[1] = htobe64((uint64_t)rev);
    d->place[2] = htobe64(tag);
    for (int i = 0; i < 3; i++) {
        d->greeting.values[1 + i] = tag ? (char *)&d->place[i] : NULL;
        d->greeting.lengths[1 + i] = sizeof d->place[i];
    }
}

static void tell_accounts(struct dispatch *d, const Qipan__Revision *revision)
{
    if (revision->has_rights && revision->rights)
        d->events.account(d->events.owner, NULL);
    for (size_t i = 0; i < revision->n_events; i++)
        if (revision->events[i]->kind && strcmp(revision->events[i]->kind, "account") == 0)
            d->events.account(d->events.owner, revision->events[i]->object);
}

static void on_revision(void *owner, struct journal_rows *rows, const Qipan__Revision *revision)
{
    struct dispatch *d = owner;
    know_place(d, revision->epoch, revision->rev, revision->tag);
    tell_accounts(d, revision);
    hub_publish(d->hub, rows, revision);
}

static void on_begins(void *owner, int64_t epoch, int64_t rev, uint64_t tag)
{
    struct dispatch *d = owner;
    know_place(d, epoch, rev, tag);
    d->events.account(d->events.owner, NULL); /* what happened between the histories isn't told one by one */
    hub_begin(d->hub, epoch, rev, tag);
}

static void on_catalog(struct pool_job *job, const struct pool_answer *a)
{
    struct dispatch *d = container_of(job, struct dispatch, catalog);
    char err[BIND_ERR_SIZE] = "out of memory";
    if (!a->row) {
        log_warn("registry", "cannot read the catalogue: %s", a->code);
        deadline_set(d->deadlines, &d->retry, 1000);
        return;
    }
    if (!bind_all(d, a->row, err)) {
        d->events.fatal(d->events.owner, err);
        return;
    }
    d->bound = true;
    struct journal_events events = {on_revision, on_begins, d};
    d->journal =
        journal_new(d->loop, d->deadlines, d->pool, &d->journal_ops, (uint64_t)d->config->poll_ms, &events);
    hub_attach(d->hub, d->journal);
    d->scheduler = scheduler_new(d->deadlines, d->pool);
    if (!d->journal || !d->scheduler) {
        d->events.fatal(d->events.owner, "out of memory");
        return;
    }
    if (!(d->walker = walker_new(d->loop, d->deadlines, d->pool, d->config, err))) {
        d->events.fatal(d->events.owner, err);
        return;
    }
    d->events.ready(d->events.owner);
}

static void read_catalog(struct dispatch *d)
{
    d->catalog = (struct pool_job){.lane = POOL_READ, .statement = &bind_catalog_sql, .done = on_catalog};
    pool_submit(d->pool, &d->catalog);
}

static void on_retry(struct deadline *deadline)
{
    read_catalog(container_of(deadline, struct dispatch, retry));
}

static void on_ready(void *owner)
{
    read_catalog(owner);
}

static void on_news(void *owner)
{
    struct dispatch *d = owner;
    if (d->journal && hub_watched(d->hub))
        journal_kick(d->journal);
    else if (d->journal)
        journal_kick_soon(d->journal);
}

/* ---- sessions */

/* An account over its rate is told when to come again, and costs no more than that. */
static bool over_rate(struct session *s, uint32_t call)
{
    struct dispatch *d = the_dispatch;
    Qipan__Error error = QIPAN__ERROR__INIT;
    uint32_t wait_ms = 1000;
    if (!s->quota)
        s->quota = quota_join(&d->quota, s->principal.account);
    if (s->quota && !(wait_ms = quota_take(&d->quota, s->quota, loop_now_ms(d->loop))))
        return false;
    error.has_retry_after_ms = true;
    error.retry_after_ms = wait_ms;
    session_fill_error(&error, "BUSY", s->lang);
    session_reply(s, call, NULL, &error);
    return true;
}

static void take_call(struct session *s, const Qipan__Call *call)
{
    const struct op_info *info = op_by_number(call->has_op ? call->op : 0);
    if (!call->has_call || call->call == 0)
        session_goodbye(s, "PROTOCOL_ERROR", NULL, 0);
    else if (over_rate(s, call->call))
        return;
    else if (!info)
        session_refuse(s, call->call, "UNIMPLEMENTED", "op");
    else if (!the_dispatch->bound)
        session_refuse(s, call->call, "UNAVAILABLE", NULL);
    else if (info->lane == LANE_FEED)
        hub_watch(the_dispatch->hub, s, call);
    else
        request_start(s, call, info, &the_dispatch->ops[info - op_table]);
}

static void take_cancel(struct session *s, uint32_t call)
{
    hub_cancel(the_dispatch->hub, s, call);
}

static void take_credit(struct session *s, const Qipan__Credit *credit)
{
    hub_credit(the_dispatch->hub, s, credit);
}

static void on_writable(struct session *s)
{
    hub_writable(the_dispatch->hub, s);
}

static void on_rights(struct session *s, bool changed)
{
    hub_rights(the_dispatch->hub, s, changed);
}

static void on_gone(struct session *s)
{
    hub_gone(the_dispatch->hub, s);
    request_gone(s);
    quota_leave(&the_dispatch->quota, s->quota);
    s->quota = NULL;
}

const struct session_handler dispatch_handler = {take_call,   take_cancel, take_credit,
                                                 on_writable, on_rights,   on_gone};

void dispatch_goodbye(struct dispatch *d, struct session *s, uint32_t reconnect_after_ms)
{
    hub_farewell(d->hub, s);
    session_goodbye(s, NULL, NULL, reconnect_after_ms);
}

struct pool *dispatch_pool(struct dispatch *d)
{
    return d->pool;
}

/* ---- life */

struct dispatch *dispatch_new(struct loop *loop, struct deadlines *deadlines, const struct config *config,
                              const struct dispatch_events *events)
{
    struct dispatch *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    the_dispatch = d;
    d->loop = loop;
    d->deadlines = deadlines;
    d->config = config;
    d->quota.rate = &config->account_rate;
    d->events = *events;
    d->retry.fire = on_retry;
    d->schema = (int32_t)htonl(SCHEMA_VERSION);
    d->greeting.values[0] = (char *)&d->schema;
    d->greeting.lengths[0] = sizeof d->schema;
    d->hub = hub_new(loop, deadlines);
    struct pool_config pool = {config->database, config->edit_links, config->read_links, &greeting_sql,
                               &d->greeting};
    struct pool_events news = {on_greeted, on_ready, on_news, on_news, d};
    d->pool = pool_new(loop, deadlines, &pool, &news);
    if (d->hub && d->pool)
        return d;
    dispatch_free(d);
    return NULL;
}

void dispatch_free(struct dispatch *d)
{
    if (!d)
        return;
    deadline_clear(d->deadlines, &d->retry);
    pool_free(d->pool);
    scheduler_free(d->scheduler);
    walker_free(d->walker);
    journal_free(d->journal);
    hub_free(d->hub);
    for (int i = 0; i < OPS_COUNT; i++)
        bind_op_free(&d->ops[i]);
    journal_unbind(&d->journal_ops);
    free(d);
}
