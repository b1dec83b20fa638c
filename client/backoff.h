/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before the next attempt: doubling, jittered so that thousands of clients don't come back at once. */
#ifndef QIPAN_BACKOFF_H
#define QIPAN_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS  5000

struct backoff {
    unsigned failures; /* in a row */
    uint64_t seed;     /* state of the generator, never 0 */
};

/* Milliseconds, between half and the whole of a span that doubles with each failure, from first to last. */
unsigned backoff_pause(struct backoff *random, unsigned failures, unsigned first_ms, unsigned last_ms);

void backoff_init(struct backoff *b, uint64_t seed);
void backoff_reset(struct backoff *b);

/* Milliseconds until the next attempt. */
unsigned backoff_next(struct backoff *b);

/* Evenly distributed in 0 … limit-1; 0 for a limit of 0. Not for secrets. */
uint32_t backoff_random(struct backoff *b, uint32_t limit);

#endif
