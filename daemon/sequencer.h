/* SPDX-License-Identifier: Apache-2.0 */
/* Which revisions may be delivered: pure, no clock, no I/O; events in, decisions out.
 *
 * Numbers are drawn before commits, so a reader may see 7 before 6. Everything up to the watermark is settled: each
 * number is a commit or a tombstone. A missing number above it is a gap: first it gets patience (its writer is
 * usually about to commit), then it is fenced (a tombstone is written, which waits for exactly that writer), then the
 * journal is read again. Time is any monotonic count of microseconds. */
#ifndef QIPAN_SEQUENCER_H
#define QIPAN_SEQUENCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEQUENCER_GAPS        64 /* gaps looked after at once; more wait for their turn */
#define SEQUENCER_PATIENCE_US 2000

struct sequencer_gap {
    int64_t rev;
    uint64_t seen_us;
    bool fencing;
};

struct sequencer {
    int64_t watermark;
    struct sequencer_gap gaps[SEQUENCER_GAPS]; /* ascending */
    int n;
};

void sequencer_init(struct sequencer *s, int64_t watermark);

/* What one read of "everything above the watermark" found, ascending. Returns how many of them, from the first, may
 * be delivered now; the watermark stands behind them afterwards. The numbers missing between the others are gaps. */
size_t sequencer_read(struct sequencer *s, const int64_t *revs, size_t n, uint64_t now_us);

/* Gaps whose patience is over and that nobody fences yet: at most max, marked as being fenced. */
size_t sequencer_fence(struct sequencer *s, uint64_t now_us, int64_t *ret_revs, size_t max);

/* The fence of rev ended, whatever came of it: read again; if rev is still missing it is fenced again. */
void sequencer_fenced(struct sequencer *s, int64_t rev, uint64_t now_us);

/* When sequencer_fence() will have something to say; UINT64_MAX = not before the next event. */
uint64_t sequencer_due(const struct sequencer *s);

#endif
