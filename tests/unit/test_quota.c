/* SPDX-License-Identifier: Apache-2.0 */
#include "quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>

/* Calls that go in one millisecond after the other. */
static int taken(struct quota *q, struct quota_account *a, uint64_t *now, int ms)
{
    int n = 0;

    for (uint64_t end = *now + (uint64_t)ms; *now < end; ++*now)
        for (int i = 0; i < 5; i++)
            n += quota_take(q, a, *now) == 0;
    return n;
}

static void a_flood_is_held_to_the_rate(void **state)
{
    int rate = 100;
    struct quota whole = {.rate = &rate}, *q = &whole;
    struct quota_account *a = quota_join(q, 7);
    uint64_t now = 1000000;
    int n;

    (void)state;
    n = taken(q, a, &now, 10000); /* two seconds' worth at once, then the rate */
    assert_in_range(n, 200 + 1000 - 2, 200 + 1000 + 2);
    quota_take(q, a, now);
    assert_in_range(quota_take(q, a, now), 100, 1000);
    now += 500;
    n = taken(q, a, &now, 1);
    assert_int_equal(n, 5);
    rate = 1000; /* a reload */
    n = taken(q, a, &now, 1000);
    assert_in_range(n, 1000, 1100);
    quota_leave(q, a);
}

static void sessions_share_accounts_do_not(void **state)
{
    int rate = 1;
    struct quota whole = {.rate = &rate}, *q = &whole;
    struct quota_account *a = quota_join(q, 7), *again = quota_join(q, 7), *other = quota_join(q, 7 + 256);

    (void)state;
    assert_ptr_equal(a, again);
    assert_ptr_not_equal(a, other);
    assert_int_equal(quota_take(q, a, 5), 0);
    assert_int_equal(quota_take(q, again, 5), 0);
    assert_in_range(quota_take(q, a, 5), 900, 1000);
    assert_int_equal(quota_take(q, other, 5), 0);
    quota_leave(q, a);
    assert_in_range(quota_take(q, again, 5), 900,
                    1000); /* leaving and coming back fills nothing while another stays */
    quota_leave(q, again);
    quota_leave(q, other);
    quota_leave(q, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_is_held_to_the_rate),
        cmocka_unit_test(sessions_share_accounts_do_not),
    };

    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
