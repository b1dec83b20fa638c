/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of the journal for those who catch up, shared: readers at about the same place take the same page, packed once.
 * At most PAGES_BYTES are kept and PAGES_ASKED asked for at once; whoever finds none ready is told when to look again. */
#ifndef QIPAN_PAGES_H
#define QIPAN_PAGES_H

#include "packed.h"

#define PAGES_BYTES (4 * 1024 * 1024)
#define PAGES_ASKED 4

struct page {
    struct packed *
        *revisions; /* dense within an epoch, in order; of a part just the one, with the events asked for */
    size_t n;
    struct place settled; /* when it was asked for; with n = 0 nothing stands before that */
};

struct pages;
struct pages *pages_new(struct loop *loop, struct deadlines *deadlines, struct journal *journal,
                        void (*arrived)(void *owner), void *owner);
void pages_free(struct pages *pages);
void pages_forget(struct pages *pages); /* the history changed: what was read or asked for is void */

/* A page with the first revision behind after_rev in it, none above settled, the daemon's own watermark. NULL:
 * not there yet, arrived() will be called. Valid until the next call. */
const struct page *pages_behind(struct pages *pages, int64_t after_rev, struct place settled);
/* Events of one large revision behind after_idx (-1: from its start); no events: that was its last. */
const struct page *pages_part(struct pages *pages, int64_t rev, int32_t after_idx);

#endif
