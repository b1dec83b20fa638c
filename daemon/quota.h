/* SPDX-License-Identifier: Apache-2.0 */
/* How many calls an account may make: a bucket for each account that has a session, whatever number of sessions. It fills at
 * `rate` calls a second and holds two seconds' worth, so that a page that loads twenty things at once notices nothing. */
#ifndef QIPAN_QUOTA_H
#define QIPAN_QUOTA_H

#include <stdint.h>

#define QUOTA_CHAINS 256 /* accounts with sessions: some hundreds */

struct quota_account;

struct quota {
    const int *rate; /* looked at with each call: it may change */
    struct quota_account *chains[QUOTA_CHAINS];
};

/* The account's bucket, for one more session; NULL when memory is out. */
struct quota_account *quota_join(struct quota *q, int32_t account);
void quota_leave(struct quota *q, struct quota_account *a); /* NULL is nothing */

/* Takes one call: 0, or in how many milliseconds the next may come. */
uint32_t quota_take(struct quota *q, struct quota_account *a, uint64_t now_ms);

#endif
