/* SPDX-License-Identifier: Apache-2.0 */
#include "quota.h"

#include <stdlib.h>

#define FULL_MS  2000
#define CALL     1000 /* what a call costs: a bucket fills by `rate` each millisecond */
#define PAUSE_MS 100  /* shorter ones would only bring the same call again */

struct quota_account {
    struct quota_account *next;
    int32_t account;
    int sessions;
    int64_t level;
    uint64_t at_ms;
};

static struct quota_account **find(struct quota *q, int32_t account)
{
    struct quota_account **at = &q->chains[(uint32_t)account % QUOTA_CHAINS];
    while (*at && (*at)->account != account)
        at = &(*at)->next;
    return at;
}

struct quota_account *quota_join(struct quota *q, int32_t account)
{
    struct quota_account **at = find(q, account);
    if (!*at && (*at = calloc(1, sizeof **at))) {
        (*at)->account = account;
        (*at)->level = (int64_t)*q->rate * FULL_MS;
    }
    if (*at)
        (*at)->sessions++;
    return *at;
}

void quota_leave(struct quota *q, struct quota_account *a)
{
    if (!a || --a->sessions > 0)
        return;
    *find(q, a->account) = a->next;
    free(a);
}

uint32_t quota_take(struct quota *q, struct quota_account *a, uint64_t now_ms)
{
    int64_t rate = *q->rate, full = rate * FULL_MS;
    uint64_t passed = now_ms - a->at_ms;
    a->level = passed >= FULL_MS ? full : a->level + (int64_t)passed * rate;
    a->level = a->level > full ? full : a->level;
    a->at_ms = now_ms;
    if (a->level >= CALL) {
        a->level -= CALL;
        return 0;
    }
    uint32_t wait = (uint32_t)((CALL - a->level + rate - 1) / rate);
    return wait < PAUSE_MS ? PAUSE_MS : wait;
}
