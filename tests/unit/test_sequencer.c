/* SPDX-License-Identifier: Apache-2.0 */
/* The sequencer by hand; tests/sim puts it through millions of mixtures. */
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

static void a_page_says_nothing_about_what_is_behind_it(void **state)
{
    (void)state;
    struct sequencer s;
    int64_t out[4];
    sequencer_init(&s, 0);
    sequencer_read(&s, (int64_t[]){2, 4}, 2, 0);
    assert_int_equal(sequencer_fence(&s, SEQUENCER_PATIENCE_US, out, 4), 2);
    sequencer_read(&s, (int64_t[]){2}, 1, SEQUENCER_PATIENCE_US);                /* a smaller page */
    assert_int_equal(sequencer_fence(&s, 9 * SEQUENCER_PATIENCE_US, out, 4), 0); /* 3 is being fenced still */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_a_dense_run),
        cmocka_unit_test(holds_back_behind_a_gap),
        cmocka_unit_test(a_gap_keeps_its_clock),
        cmocka_unit_test(a_page_says_nothing_about_what_is_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
