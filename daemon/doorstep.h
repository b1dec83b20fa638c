/* SPDX-License-Identifier: Apache-2.0 */
/* Who was turned away before he was known, and whom the daemon refused without asking the registry: counted by source,
 * account and reason, in a table that doesn't grow, for a minute at a time, then handed to the audit. While the registry is away it keeps counting in the same table. Sources are addresses as the kernel says them, reasons are words of ours: nothing a peer wrote is in here. */
#ifndef QIPAN_DOORSTEP_H
#define QIPAN_DOORSTEP_H

#include "deadline.h"
#include "pool.h"

#define DOORSTEP_ROWS  256 /* of a minute; what comes above counts as "others" */
#define DOORSTEP_LINES 10  /* of the log, for each row */

struct doorstep_row {
    char source[64];
    int32_t account;    /* 0: nobody known */
    const char *reason; /* constant */
    unsigned long count;
};

struct doorstep {
    struct deadlines *deadlines;
    struct deadline minute;
    struct doorstep_row rows[DOORSTEP_ROWS];
    int n;
    unsigned long total; /* since the start */
    struct pool *pool;   /* NULL: nobody to hand it to */
    struct pool_job job;
    char *handed; /* rows that the audit hasn't got yet … */
    bool flying;  /* … but will have soon */
};

void doorstep_init(struct doorstep *d, struct deadlines *deadlines);
void doorstep_free(struct doorstep *d);      /* the pool must be gone */
void doorstep_hand_over(struct doorstep *d); /* now: before the daemon stops */

/* True: worth a line of its own in the log; the rest of its sort is only counted. */
bool doorstep_count(struct doorstep *d, const char *source, int32_t account, const char *reason);

#endif
