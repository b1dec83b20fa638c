/* SPDX-License-Identifier: Apache-2.0 */
/* What watches are interested in, and the index that finds for a change those it concerns, so that its cost follows
 * them and not the number of watches.
 *
 * Watches with the same terms share one interest. One with members is filed under the values of its most selective
 * equality term, or among those without such a term, who are judged one by one. For an event the values before and after it are looked
 * up; what is found is only a candidate, the view has the last word. */
#ifndef QIPAN_INTEREST_H
#define QIPAN_INTEREST_H

#include "packed.h"
#include <sys/queue.h>

struct watch;
TAILQ_HEAD(watch_list, watch);

struct hit {
    struct packed_event *event;
    enum packed_form form;
};

struct hits {
    struct hit *v;
    size_t n, cap;
};

struct interest {
    struct view view;
    bool summary;              /* of an import one event, at the end of its revision */
    struct watch_list members; /* the hub's: those that are in step */
    struct hits hits;          /* since the last interests_next() */

    /* private */
    struct arena arena;
    uint8_t *key;
    size_t key_n;
    uint32_t hash;
    int refs, members_n;
    struct interest *next;
    struct filing *filings;
    size_t n_filings;
    LIST_ENTRY(interest) plain;
    uint64_t stamp;
    bool batch_seen, queued;
    TAILQ_ENTRY(interest) hit_link;
    STAILQ_ENTRY(interest) batch_link;
};

struct interests;
struct interests *interests_new(void);
void interests_free(struct interests *all); /* every interest must be given back by then */

/* One more reference to the interest with these terms. NULL: *ret_code and *ret_field say what is wrong with them. */
struct interest *interest_get(struct interests *all, Qipan__Term *const *terms, size_t n, bool summary,
                              const char **ret_code, const char **ret_field);
void interest_put(struct interests *all, struct interest *i);

/* It counts (and is filed) while it has members. False: no memory. */
bool interest_join(struct interests *all, struct interest *i);
void interest_part(struct interests *all, struct interest *i);

/* Judges the events for whom they may concern: those get hits. */
void interests_take(struct interests *all, struct packed *p);

/* The next one with hits, which it keeps until interest_done(); NULL: no more. */
struct interest *interests_next(struct interests *all);
void interest_done(struct interest *i);

/* One event for one interest, whether filed or not; batch_seen belongs to the reader. False: nothing for it. */
bool interest_judge(const struct interest *i, bool *batch_seen, struct packed_event *e, struct hit *ret_hit);

#endif
