/* SPDX-License-Identifier: Apache-2.0 */
#include "doorstep.h"

#include "log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000

static const Oid types[] = {3802}; /* jsonb, in binary format: a 1 before the text */
static const struct pg_statement audit_sql = {PG_STATEMENTS - 24, "SELECT api.audit_doorstep($1)", 1, types};

static void tell(const struct doorstep *d)
{
    for (int i = 0; i < d->n; i++)
        if (d->rows[i].count > DOORSTEP_LINES)
            log_warn("doorstep", "%s: %s, %lu times in a minute", d->rows[i].source, d->rows[i].reason,
                     d->rows[i].count);
}

static void on_handed(struct pool_job *job, const struct pool_answer *a)
{
    struct doorstep *d = container_of(job, struct doorstep, job);
    d->flying = false;
    if (!a->row) {
        log_warn("doorstep", "the audit of who was turned away waits: %s", a->code);
        return; /* with the next minute's */
    }
    free(d->handed);
    d->handed = NULL;
}

static void submit(struct doorstep *d)
{
    d->job = (struct pool_job){.lane = POOL_EDIT, .statement = &audit_sql, .done = on_handed};
    d->job.params.values[0] = d->handed;
    d->job.params.lengths[0] = (int)strlen(d->handed);
    pool_submit(d->pool, &d->job);
}

/* Sources and reasons need no escapes. */
static char *as_json(const struct doorstep *d)
{
    size_t size = 8 + (size_t)d->n * (sizeof d->rows[0].source + 192), n = 2;
    char *text = malloc(size);
    if (!text)
        return NULL;
    strcpy(text, "\1[");
    for (int i = 0; i < d->n; i++)
        n += (size_t)snprintf(
            text + n, size - n, "%s{\"source\":\"%s\",\"account\":%d,\"reason\":\"%s\",\"count\":%lu}",
            i ? "," : "", d->rows[i].source, d->rows[i].account, d->rows[i].reason, d->rows[i].count);
    snprintf(text + n, size - n, "]");
    return text;
}

void doorstep_hand_over(struct doorstep *d)
{
    if (!d->handed && d->pool && d->n && (d->handed = as_json(d)))
        d->n = 0;
    if (d->handed && !d->flying) {
        d->flying = true;
        submit(d);
    }
}

static void on_minute(struct deadline *deadline)
{
    struct doorstep *d = container_of(deadline, struct doorstep, minute);
    tell(d);
    doorstep_hand_over(d);
    if (d->n || d->handed)
        deadline_set(d->deadlines, &d->minute, MINUTE_MS);
}

void doorstep_init(struct doorstep *d, struct deadlines *deadlines)
{
    *d = (struct doorstep){.deadlines = deadlines, .minute.fire = on_minute};
}

void doorstep_free(struct doorstep *d)
{
    deadline_clear(d->deadlines, &d->minute);
    free(d->handed);
}

/* The last row is everybody's for whom there is none of his own. */
static struct doorstep_row *row_of(struct doorstep *d, const char *source, int32_t account,
                                   const char *reason)
{
    for (int i = 0; i < d->n; i++)
        if (d->rows[i].account == account && strcmp(d->rows[i].reason, reason) == 0 &&
            strcmp(d->rows[i].source, source) == 0)
            return &d->rows[i];
    if (d->n == DOORSTEP_ROWS)
        return &d->rows[DOORSTEP_ROWS - 1];
    if (d->n == DOORSTEP_ROWS - 1) {
        source = reason = "others";
        account = 0;
    }
    struct doorstep_row *row = &d->rows[d->n++];
    *row = (struct doorstep_row){.account = account, .reason = reason};
    snprintf(row->source, sizeof row->source, "%s", source);
    return row;
}

bool doorstep_count(struct doorstep *d, const char *source, int32_t account, const char *reason)
{
    if (!d->minute.slot)
        deadline_set(d->deadlines, &d->minute, MINUTE_MS);
    d->total++;
    return ++row_of(d, source, account, reason)->count <= DOORSTEP_LINES;
}
