/* SPDX-License-Identifier: Apache-2.0 */
/* The sequencer alone, then against a simulated journal: writers draw numbers, commit late, never, or out of order;
 * whatever happens, what is delivered is every settled number once and in order, and nothing waits for ever. */
#include "sequencer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void delivers_a_dense_run(void **state)
{
    (void)state;
    struct sequencer s;
    sequencer_init(&s, 10);
    assert_int_equal(sequencer_read(&s, (int64_t[]){11, 12, 13}, 3, 0), 3);
    assert_int_equal(s.watermark, 13);
    assert_int_equal(sequencer_due(&s), UINT64_MAX);
}

static void holds_back_behind_a_gap(void **state)
{
    (void)state;
    struct sequencer s;
    int64_t out[4];
    sequencer_init(&s, 10);
    assert_int_equal(sequencer_read(&s, (int64_t[]){11, 13, 15}, 3, 100), 1);
    assert_int_equal(s.watermark, 11);
    assert_int_equal(sequencer_fence(&s, 100 + SEQUENCER_PATIENCE_US - 1, out, 4), 0);
    assert_int_equal(sequencer_fence(&s, 100 + SEQUENCER_PATIENCE_US, out, 4), 2);
    assert_int_equal(out[0], 12);
    assert_int_equal(out[1], 14);
    assert_int_equal(sequencer_fence(&s, 100 + 9 * SEQUENCER_PATIENCE_US, out, 4), 0); /* each once */
    sequencer_fenced(&s, 12, 9999);
    assert_int_equal(sequencer_read(&s, (int64_t[]){12, 13, 15}, 3, 10000), 2);
    assert_int_equal(s.watermark, 13);
}

static void a_gap_keeps_its_clock(void **state)
{
    (void)state;
    struct sequencer s;
    sequencer_init(&s, 0);
    sequencer_read(&s, (int64_t[]){2}, 1, 1000);
    sequencer_read(&s, (int64_t[]){2, 4}, 2, 2500);
    assert_int_equal(sequencer_due(&s), 1000 + SEQUENCER_PATIENCE_US);
}

/* ---- simulation */

#define NUMBERS 4000
enum fate { UNDRAWN, IN_FLIGHT, COMMITTED, ABORTED, TOMBSTONE };

struct world {
    enum fate fate[NUMBERS + 1];
    uint64_t commit_at[NUMBERS + 1];
    int64_t drawn;
};

static void draw_some(struct world *w, uint64_t now, unsigned *seed)
{
    for (int n = rand_r(seed) % 4; n > 0 && w->drawn < NUMBERS; n--) {
        int64_t rev = ++w->drawn;
        w->fate[rev] = IN_FLIGHT;
        unsigned kind = (unsigned)rand_r(seed) % 100;
        /* most commit at once, some late (beyond the patience), a few never on their own */
        uint64_t wait = kind < 80 ? (uint64_t)rand_r(seed) % 500 : (uint64_t)rand_r(seed) % 9000;
        w->commit_at[rev] = now + wait;
        if (kind >= 97)
            w->fate[rev] = ABORTED;
    }
}

static void commit_due(struct world *w, uint64_t now)
{
    for (int64_t rev = 1; rev <= w->drawn; rev++)
        if (w->fate[rev] == IN_FLIGHT && w->commit_at[rev] <= now)
            w->fate[rev] = COMMITTED;
}

/* The primary key makes the fence wait for the writer in flight; of an aborted one a tombstone stays. */
static void fence(struct world *w, int64_t rev)
{
    if (w->fate[rev] == IN_FLIGHT)
        w->fate[rev] = COMMITTED;
    else if (w->fate[rev] == ABORTED)
        w->fate[rev] = TOMBSTONE;
}

static size_t read_journal(const struct world *w, int64_t after, int64_t *revs, size_t max)
{
    size_t n = 0;
    for (int64_t rev = after + 1; rev <= w->drawn && n < max; rev++)
        if (w->fate[rev] == COMMITTED || w->fate[rev] == TOMBSTONE)
            revs[n++] = rev;
    return n;
}

static void simulate(unsigned seed)
{
    static struct world w;
    struct sequencer s;
    int64_t revs[256], fences[8], last = 0;
    unsigned random = seed;
    uint64_t now = 0;
    memset(&w, 0, sizeof w);
    sequencer_init(&s, 0);
    for (int step = 0; step < 200000 && last < NUMBERS; step++, now += 100) {
        draw_some(&w, now, &random);
        if (w.drawn == NUMBERS && w.fate[NUMBERS] == ABORTED)
            w.fate[NUMBERS] = TOMBSTONE; /* nothing above it would ever make it a gap */
        commit_due(&w, now);
        size_t n = read_journal(&w, s.watermark, revs, 256);
        size_t good = sequencer_read(&s, revs, n, now);
        for (size_t i = 0; i < good; i++) {
            assert_int_equal(revs[i], last + 1); /* every number once, in order */
            assert_true(w.fate[revs[i]] == COMMITTED || w.fate[revs[i]] == TOMBSTONE);
            last = revs[i];
        }
        assert_int_equal(s.watermark, last);
        size_t f = sequencer_fence(&s, now, fences, 8);
        for (size_t i = 0; i < f; i++) {
            if (rand_r(&random) % 10) /* one fence in ten fails */
                fence(&w, fences[i]);
            sequencer_fenced(&s, fences[i], now);
        }
    }
    if (last != NUMBERS)
        print_message("seed %u stuck at %lld\n", seed, (long long)last);
    assert_int_equal(last, NUMBERS);
}

static void simulation(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++)
        simulate(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_a_dense_run),
        cmocka_unit_test(holds_back_behind_a_gap),
        cmocka_unit_test(a_gap_keeps_its_clock),
        cmocka_unit_test(simulation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
