/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of objects, each with a revision, in the order in which they were put. */
#ifndef QIPAN_TOLD_H
#define QIPAN_TOLD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct told_id {
    TAILQ_ENTRY(told_id) order;
    int64_t rev;
    char id[];
};

struct told {
    TAILQ_HEAD(told_list, told_id) ids;
    void *by_id; /* tree of tsearch(3) */
    size_t n;
};

void told_init(struct told *t);
void told_clear(struct told *t);

struct told_id *told_find(const struct told *t, const char *id);
struct told_id *told_put(struct told *t, const char *id, int64_t rev); /* at the end; NULL: memory is out */
void told_drop(struct told *t, struct told_id *e);

#endif
