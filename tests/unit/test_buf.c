/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void keeps_order_over_many_turns(void **state)
{
    struct buf b;
    uint8_t next_in = 0, next_out = 0;

    (void)state;
    buf_init(&b, 1000);
    for (int turn = 0; turn < 5000; turn++) {
        size_t n = (size_t)(turn * 7 % 90);

        for (size_t i = 0; i < n && buf_len(&b) < 1000; i++, next_in++)
            assert_true(buf_append(&b, &next_in, 1));
        for (n = (size_t)(turn * 5 % 97); n && buf_len(&b); n--, next_out++) {
            assert_int_equal(*buf_head(&b), next_out);
            buf_consume(&b, 1);
        }
        assert_true(b.cap <= 1000);
    }
    buf_free(&b);
}

static void refuses_more_than_its_limit(void **state)
{
    struct buf b;
    char bytes[100] = {0};

    (void)state;
    buf_init(&b, 150);
    assert_true(buf_append(&b, bytes, 100));
    assert_false(buf_append(&b, bytes, 51));
    assert_int_equal(buf_len(&b), 100);
    assert_true(buf_append(&b, bytes, 50));
    assert_null(buf_reserve(&b, 1));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_consume(&b, 60);
    assert_true(buf_append(&b, bytes, 60)); /* what was consumed counts no more */
    assert_false(buf_append(&b, bytes, 1));
    buf_free(&b);
}

static void reserved_room_counts_only_when_grown(void **state)
{
    struct buf b;
    uint8_t *room;

    (void)state;
    buf_init(&b, 4096);
    assert_true(buf_append(&b, "ab", 2));
    room = buf_reserve(&b, 1000);
    assert_non_null(room);
    memset(room, 'x', 1000);
    assert_int_equal(buf_len(&b), 2);
    buf_grow(&b, 3);
    assert_int_equal(buf_len(&b), 5);
    assert_memory_equal(buf_head(&b), "abxxx", 5);
    buf_free(&b);
}

static void gives_large_memory_back_when_empty(void **state)
{
    struct buf b;
    static char bytes[100000];

    (void)state;
    buf_init(&b, 200000);
    assert_true(buf_append(&b, bytes, 1000));
    buf_consume(&b, 1000);
    assert_true(b.cap > 0);
    assert_true(buf_append(&b, bytes, sizeof(bytes)));
    buf_consume(&b, sizeof(bytes) - 1);
    assert_true(b.cap >= sizeof(bytes));
    buf_consume(&b, 1);
    assert_int_equal(b.cap, 0);
    assert_null(b.data);
    assert_true(buf_append(&b, "again", 5));
    assert_memory_equal(buf_head(&b), "again", 5);
    buf_free(&b);
    buf_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_over_many_turns),
        cmocka_unit_test(refuses_more_than_its_limit),
        cmocka_unit_test(reserved_room_counts_only_when_grown),
        cmocka_unit_test(gives_large_memory_back_when_empty),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
