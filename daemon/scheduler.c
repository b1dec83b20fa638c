/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler.h"

#include "log.h"
#include <stdlib.h>

#define LOOK_MS   1000 /* a deadline that somebody sets is seen after this */
#define HASTE_MS  20   /* no two looks nearer than this */
#define RETAIN_MS (3600 * 1000)

static const struct pg_statement look_sql = {
    PG_STATEMENTS - 20, "SELECT next_ms::text, rights, offices, clocks FROM api.due_next()", 0, NULL};
static const struct pg_statement fire_sql = {PG_STATEMENTS - 21, "SELECT fired::text FROM api.due_fire(64)",
                                             0, NULL};
static const struct pg_statement turn_sql = {PG_STATEMENTS - 23, "SELECT turned::text FROM api.rights_turn()",
                                             0, NULL};
static const struct pg_statement office_sql = {PG_STATEMENTS - 25,
                                               "SELECT turned::text, failed FROM api.office_turn()", 0, NULL};
static const struct pg_statement clock_sql = {
    PG_STATEMENTS - 24, "SELECT changes::text, more FROM api.clock_turn(2000)", 0, NULL};
static const struct pg_statement retain_sql = {PG_STATEMENTS - 22, "SELECT api.journal_retain()", 0, NULL};

struct scheduler {
    struct deadlines *deadlines;
    struct pool *pool;
    struct deadline look, retain;
    struct pool_job looking, firing, retaining, turning, carrying, clocking; /* one at a time each */
    bool is_retaining, is_turning, is_carrying, is_clocking;
};

/* The number of a one-column row; `none` for null and for no row. */
static long long number_of(const struct pool_answer *a, long long none)
{
    return a->row && !PQgetisnull(a->row, a->index, 0) ? strtoll(PQgetvalue(a->row, a->index, 0), NULL, 10)
                                                       : none;
}

/* A column of the row says that there is something to do. */
static bool says(const struct pool_answer *a, int column)
{
    return a->row && !PQgetisnull(a->row, a->index, column) && PQgetvalue(a->row, a->index, column)[0];
}

static void look_again(struct scheduler *s, long long in_ms)
{
    deadline_set(s->deadlines, &s->look,
                 (uint64_t)(in_ms < HASTE_MS  ? HASTE_MS
                            : in_ms > LOOK_MS ? LOOK_MS
                                              : in_ms));
}

static void on_fired(struct pool_job *job, const struct pool_answer *a)
{
    struct scheduler *s = container_of(job, struct scheduler, firing);
    long long fired = number_of(a, 0);
    if (!a->row)
        log_warn("scheduler", "deadlines could not be fired: %s", a->code);
    else if (fired)
        log_info("scheduler", "deadlines fired: %lld", fired);
    look_again(s, fired ? 0 : LOOK_MS); /* none: another daemon has them */
}

static void on_turned(struct pool_job *job, const struct pool_answer *a)
{
    struct scheduler *s = container_of(job, struct scheduler, turning);
    long long turned = number_of(a, 0);
    s->is_turning = false;
    if (!a->row)
        log_warn("scheduler", "roles could not be brought up to the day: %s", a->code);
    else if (turned)
        log_info("scheduler", "roles that begin or end today: %lld", turned);
}

/* A day of the county has begun: roles held for a time may begin or end. */
static void turn_rights(struct scheduler *s)
{
    if (s->is_turning)
        return;
    s->is_turning = true;
    s->turning = (struct pool_job){.lane = POOL_OFFICE, .statement = &turn_sql, .done = on_turned};
    pool_submit(s->pool, &s->turning);
}

static void carry_on(struct scheduler *s);

static void on_carried(struct pool_job *job, const struct pool_answer *a)
{
    struct scheduler *s = container_of(job, struct scheduler, carrying);
    s->is_carrying = false;
    if (!a->row)
        log_warn("scheduler", "a change of offices stands still: %s", a->code);
    if (a->row && !PQgetisnull(a->row, a->index, 1))
        log_warn("scheduler", "a change of offices is set aside: %s", PQgetvalue(a->row, a->index, 1));
    if (number_of(a, 0))
        carry_on(s); /* a large one takes many steps */
}

/* One step of what changes offices, or hands over a person's work: behind whatever else is bulky. */
static void carry_on(struct scheduler *s)
{
    if (s->is_carrying)
        return;
    s->is_carrying = true;
    s->carrying = (struct pool_job){.lane = POOL_BULK, .statement = &office_sql, .done = on_carried};
    pool_submit(s->pool, &s->carrying);
}

static void run_clocks(struct scheduler *s);

static void on_clocked(struct pool_job *job, const struct pool_answer *a)
{
    struct scheduler *s = container_of(job, struct scheduler, clocking);
    long long changes = number_of(a, 0);

    s->is_clocking = false;
    if (!a->row)
        log_warn("scheduler", "clocks could not be run: %s", a->code);
    else if (changes)
        log_info("scheduler", "alerts and protections changed by time: %lld", changes);
    if (says(a, 1))
        run_clocks(s);
}

/* A step of the day's run over all projects; the next one when that is done. */
static void run_clocks(struct scheduler *s)
{
    if (s->is_clocking)
        return;
    s->is_clocking = true;
    s->clocking = (struct pool_job){.lane = POOL_BULK, .statement = &clock_sql, .done = on_clocked};
    pool_submit(s->pool, &s->clocking);
}

static void on_looked(struct pool_job *job, const struct pool_answer *a)
{
    struct scheduler *s = container_of(job, struct scheduler, looking);
    long long next_ms = number_of(a, LOOK_MS);
    if (says(a, 1))
        turn_rights(s);
    if (says(a, 2))
        carry_on(s);
    if (says(a, 3))
        run_clocks(s);
    if (next_ms > 0) {
        look_again(s, next_ms);
        return;
    }
    s->firing = (struct pool_job){.lane = POOL_EDIT, .statement = &fire_sql, .done = on_fired};
    pool_submit(s->pool, &s->firing);
}

static void on_look(struct deadline *d)
{
    struct scheduler *s = container_of(d, struct scheduler, look);
    s->looking = (struct pool_job){.lane = POOL_READ, .statement = &look_sql, .done = on_looked};
    pool_submit(s->pool, &s->looking);
}

static void on_retained(struct pool_job *job, const struct pool_answer *a)
{
    container_of(job, struct scheduler, retaining)->is_retaining = false;
    if (!a->row)
        log_warn("scheduler", "the feed's retention could not be moved: %s", a->code);
}

static void on_retain(struct deadline *d)
{
    struct scheduler *s = container_of(d, struct scheduler, retain);
    deadline_set(s->deadlines, &s->retain, RETAIN_MS);
    if (s->is_retaining)
        return;
    s->is_retaining = true;
    s->retaining = (struct pool_job){.lane = POOL_BULK, .statement = &retain_sql, .done = on_retained};
    pool_submit(s->pool, &s->retaining);
}

struct scheduler *scheduler_new(struct deadlines *deadlines, struct pool *pool)
{
    struct scheduler *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->deadlines = deadlines;
    s->pool = pool;
    s->look.fire = on_look;
    s->retain.fire = on_retain;
    look_again(s, 0);
    deadline_set(deadlines, &s->retain, LOOK_MS);
    return s;
}

void scheduler_free(struct scheduler *s)
{
    if (!s)
        return;
    deadline_clear(s->deadlines, &s->look);
    deadline_clear(s->deadlines, &s->retain);
    free(s);
}
