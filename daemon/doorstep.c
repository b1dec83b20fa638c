/* SPDX-License-Identifier: Apache-2.0 */
#include "doorstep.h"

#include "log.h"
#include <stdio.h>
#include <string.h>

#define MINUTE_MS 60000

static void on_minute(struct deadline *deadline)
{
    struct doorstep *d = container_of(deadline, struct doorstep, minute);
    for (int i = 0; i < d->n; i++)
        if (d->rows[i].count > DOORSTEP_LINES)
            log_warn("doorstep", "%s: %s, %lu times in a minute", d->rows[i].source, d->rows[i].reason,
                     d->rows[i].count);
    d->n = 0;
}

void doorstep_init(struct doorstep *d, struct deadlines *deadlines)
{
    *d = (struct doorstep){.deadlines = deadlines, .minute.fire = on_minute};
}

void doorstep_free(struct doorstep *d)
{
    deadline_clear(d->deadlines, &d->minute);
}

/* The last row is everybody's for whom there is none of his own. */
static struct doorstep_row *row_of(struct doorstep *d, const char *source, const char *reason)
{
    for (int i = 0; i < d->n; i++)
        if (d->rows[i].reason == reason && strcmp(d->rows[i].source, source) == 0)
            return &d->rows[i];
    if (d->n == DOORSTEP_ROWS)
        return &d->rows[DOORSTEP_ROWS - 1];
    if (d->n == DOORSTEP_ROWS - 1)
        source = reason = "others";
    struct doorstep_row *row = &d->rows[d->n++];
    *row = (struct doorstep_row){.reason = reason};
    snprintf(row->source, sizeof row->source, "%s", source);
    return row;
}

bool doorstep_count(struct doorstep *d, const char *source, const char *reason)
{
    if (!d->minute.slot)
        deadline_set(d->deadlines, &d->minute, MINUTE_MS);
    d->total++;
    return ++row_of(d, source, reason)->count <= DOORSTEP_LINES;
}
