/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry does by its own clock, asked for by every daemon: fires deadlines, runs the clocks of
 * projects once a day, moves the feed's retention.
 *
 * Any number of daemons may do so: the registry hands each deadline to one of them. Each looks in time for the next
 * one it knows of, at least once a second for those it doesn't; only who sees one due begins a change. */
#ifndef QIPAN_SCHEDULER_H
#define QIPAN_SCHEDULER_H

#include "pool.h"

struct scheduler;
struct scheduler *scheduler_new(struct deadlines *deadlines, struct pool *pool);
void scheduler_free(struct scheduler *s); /* after the pool */

#endif
