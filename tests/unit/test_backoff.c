/* SPDX-License-Identifier: Apache-2.0 */
/* Reconnecting: pauses double, are jittered and bounded; addresses take turns in random order. */
#include "address.h"
#include "backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_pauses_grow_to_a_ceiling(void **state)
{
    unsigned span = BACKOFF_FIRST_MS;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++, span = BACKOFF_FIRST_MS) {
        struct backoff b;

        backoff_init(&b, seed);
        for (int i = 0; i < 40; i++) {
            unsigned ms = backoff_next(&b);

            assert_in_range(ms, span / 2, span);
            span = span * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : span * 2;
        }
        backoff_reset(&b);
        assert_in_range(backoff_next(&b), BACKOFF_FIRST_MS / 2, BACKOFF_FIRST_MS);
    }
}

static void test_two_clients_differ(void **state)
{
    struct backoff a, b;
    int same = 0;

    (void)state;
    backoff_init(&a, 1);
    backoff_init(&b, 2);
    for (int i = 0; i < 20; i++)
        same += backoff_next(&a) == backoff_next(&b);
    assert_true(same < 10);
}

static void test_addresses(void **state)
{
    static const char *const bad[] = {"",      " , ",  "host:",     "host:0",  "host:65536", "host:12x",
                                      ":7465", "[::1", "[::1]7465", "ho st:x", "a/b:1",      "host:1:2"};
    struct addresses a;
    char what[64];

    (void)state;
    assert_true(addresses_parse(&a, "10.0.0.1:1234, county.example ,[fd00::1]:99,[::1]", what, sizeof what));
    assert_int_equal(a.n, 4);
    assert_string_equal(a.list[0].host, "10.0.0.1");
    assert_string_equal(a.list[0].port, "1234");
    assert_string_equal(a.list[1].port, "7465");
    assert_string_equal(a.list[2].host, "fd00::1");
    assert_string_equal(a.list[2].port, "99");
    assert_string_equal(a.list[3].host, "::1");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (addresses_parse(&a, bad[i], what, sizeof what))
            fail_msg("taken: \"%s\"", bad[i]);
}

static void test_each_address_once_a_round(void **state)
{
    struct addresses a;
    struct backoff random;
    char what[64];
    int first_is_a = 0;

    (void)state;
    backoff_init(&random, 7);
    assert_true(addresses_parse(&a, "a,b,c", what, sizeof what));
    for (int round = 0; round < 300; round++) {
        char seen[4] = "";

        assert_null(addresses_next(&a, &random));
        for (int i = 0; i < 3; i++) {
            const char *host = addresses_next(&a, &random)->host;

            assert_null(strstr(seen, host));
            first_is_a += i == 0 && *host == 'a';
            strcat(seen, host);
        }
    }
    assert_in_range(first_is_a, 60, 140);
}

static void test_elsewhere_comes_last(void **state)
{
    struct addresses a;
    struct backoff random;
    char what[64], here;

    (void)state;
    backoff_init(&random, 7);
    assert_true(addresses_parse(&a, "a,b,c", what, sizeof what));
    addresses_next(&a, &random);
    for (int i = 0; i < 100; i++) {
        here = *addresses_next(&a, &random)->host;
        a.at = a.n; /* it answered: the round is over */
        assert_true(addresses_elsewhere(&a, &random));
        assert_int_not_equal(*addresses_next(&a, &random)->host, here);
        addresses_next(&a, &random);
        assert_int_equal(*addresses_next(&a, &random)->host, here);
        assert_null(addresses_next(&a, &random));
    }
    assert_true(addresses_parse(&a, "a", what, sizeof what));
    assert_false(addresses_elsewhere(&a, &random));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses_grow_to_a_ceiling),
        cmocka_unit_test(test_two_clients_differ),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_each_address_once_a_round),
        cmocka_unit_test(test_elsewhere_comes_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
