/* SPDX-License-Identifier: Apache-2.0 */
#include "sequencer.h"

#include "failpoint.h"
#include <string.h>

void sequencer_init(struct sequencer *s, int64_t watermark)
{
    memset(s, 0, sizeof *s);
    s->watermark = watermark;
}

static const struct sequencer_gap *known(const struct sequencer_gap *gaps, int n, int64_t rev)
{
    for (int i = 0; i < n; i++)
        if (gaps[i].rev == rev)
            return &gaps[i];
    return NULL;
}

/* The gaps anew from what is missing now; those known already keep their clock. A page ends somewhere: it says nothing
 * about the gaps behind its last row. */
static void find_gaps(struct sequencer *s, const int64_t *revs, size_t n, uint64_t now_us)
{
    struct sequencer_gap old[SEQUENCER_GAPS];
    int n_old = s->n;
    memcpy(old, s->gaps, sizeof old);
    s->n = 0;
    int64_t expected = s->watermark + 1;
    for (size_t i = 0; i < n; expected = revs[i++] + 1) {
        for (int64_t rev = expected; rev < revs[i] && s->n < SEQUENCER_GAPS; rev++) {
            const struct sequencer_gap *before = known(old, n_old, rev);
            s->gaps[s->n++] = before ? *before : (struct sequencer_gap){rev, now_us, false};
        }
    }
    for (int i = 0; i < n_old && s->n < SEQUENCER_GAPS; i++)
        if (old[i].rev >= expected)
            s->gaps[s->n++] = old[i];
}

size_t sequencer_read(struct sequencer *s, const int64_t *revs, size_t n, uint64_t now_us)
{
    size_t good = 0;
    while (good < n && revs[good] == s->watermark + 1) {
        s->watermark++;
        good++;
    }
    find_gaps(s, revs + good, n - good, now_us);
    return good;
}

size_t sequencer_fence(struct sequencer *s, uint64_t now_us, int64_t *ret_revs, size_t max)
{
    size_t n = 0;
    for (int i = 0; i < s->n && n < max; i++) {
        struct sequencer_gap *gap = &s->gaps[i];
        if (gap->fencing || now_us - gap->seen_us < SEQUENCER_PATIENCE_US)
            continue;
        if (BUG("gap-skip") && gap->rev == s->watermark + 1)
            s->watermark++;
        gap->fencing = true;
        ret_revs[n++] = gap->rev;
    }
    return n;
}

void sequencer_fenced(struct sequencer *s, int64_t rev, uint64_t now_us)
{
    for (int i = 0; i < s->n; i++) {
        if (s->gaps[i].rev == rev)
            s->gaps[i] = (struct sequencer_gap){rev, now_us, false};
    }
}

uint64_t sequencer_due(const struct sequencer *s)
{
    uint64_t due = UINT64_MAX;
    for (int i = 0; i < s->n; i++) {
        uint64_t at = s->gaps[i].seen_us + SEQUENCER_PATIENCE_US;
        if (!s->gaps[i].fencing && at < due)
            due = at;
    }
    return due;
}
