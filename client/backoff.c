/* SPDX-License-Identifier: Apache-2.0 */
#include "backoff.h"

void backoff_init(struct backoff *b, uint64_t seed)
{
    b->failures = 0;
    b->seed = seed ? seed : 1;
}

void backoff_reset(struct backoff *b)
{
    b->failures = 0;
}

/* xorshift64*: good enough to spread load */
uint32_t backoff_random(struct backoff *b, uint32_t limit)
{
    b->seed ^= b->seed >> 12;
    b->seed ^= b->seed << 25;
    b->seed ^= b->seed >> 27;
    return (uint32_t)(((b->seed * 2685821657736338717ULL >> 32) * (uint64_t)limit) >> 32);
}

unsigned backoff_pause(struct backoff *random, unsigned failures, unsigned first_ms, unsigned last_ms)
{
    unsigned span = first_ms;

    for (unsigned i = 0; i < failures && span < last_ms; i++)
        span *= 2;
    if (span > last_ms)
        span = last_ms;
    return span / 2 + backoff_random(random, span / 2 + 1);
}

unsigned backoff_next(struct backoff *b)
{
    return backoff_pause(b, b->failures++, BACKOFF_FIRST_MS, BACKOFF_LAST_MS);
}
