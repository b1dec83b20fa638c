/* SPDX-License-Identifier: Apache-2.0 */
/* One heap of due times on one timer. Times are those of the loop, in milliseconds, monotonic. */
#ifndef QIPAN_DEADLINE_H
#define QIPAN_DEADLINE_H

#include "loop.h"

struct deadline {
    uint64_t at_ms;
    size_t slot; /* place in the heap + 1; 0 = not set */
    void (*fire)(struct deadline *d);
};

struct deadlines {
    struct loop *loop;
    uv_timer_t timer;
    struct deadline **heap;
    size_t n, cap;
};

void deadlines_init(struct deadlines *all, struct loop *loop);
void deadlines_free(struct deadlines *all); /* closes the timer; the loop must turn once more */

void deadline_set(struct deadlines *all, struct deadline *d, uint64_t in_ms); /* set again = moved */
void deadline_clear(struct deadlines *all, struct deadline *d);

#endif
