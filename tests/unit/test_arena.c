/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void pieces_are_aligned_and_apart(void **state)
{
    struct arena a;
    uint8_t *pieces[200];

    (void)state;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_alloc(&a, i + 1);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        memset(pieces[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j <= i; j++)
            assert_int_equal(pieces[i][j], i);
    arena_free(&a);
}

static void holds_its_ceiling(void **state)
{
    struct arena a;
    size_t got = 0;

    (void)state;
    arena_init(&a, 10000);
    while (arena_alloc(&a, 16))
        got += 16;
    assert_int_equal(got, 10000);
    assert_int_equal(a.used, 10000);
    assert_null(arena_alloc(&a, 1));
    arena_free(&a);

    arena_init(&a, 10000);
    assert_null(arena_alloc(&a, 10001));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_strndup(&a, "", SIZE_MAX));
    assert_non_null(arena_alloc(&a, 10000));
    arena_free(&a);
}

static void nothing_costs_something(void **state)
{
    struct arena a;
    int n = 0;

    (void)state;
    arena_init(&a, 4096); /* else empty sub-messages would be free of charge */
    while (n < 5000 && arena_alloc(&a, 0))
        n++;
    assert_true(n > 0 && n <= 4096);
    arena_free(&a);
}

static void copies_and_zeroes(void **state)
{
    struct arena a;
    static const char zeros[300];
    char *s;

    (void)state;
    arena_init(&a, 4096);
    memset(arena_alloc(&a, 300), 0xff, 300);
    arena_free(&a);
    assert_memory_equal(arena_zalloc(&a, sizeof(zeros)), zeros, sizeof(zeros));
    assert_string_equal(arena_strndup(&a, "一盘棋", 6), "一盘");
    s = arena_strdup(&a, "棋盘");
    assert_string_equal(s, "棋盘");
    arena_free(&a);
}

static void serves_the_decoder(void **state)
{
    struct arena a;
    ProtobufCAllocator *hook;
    void *p;

    (void)state;
    arena_init(&a, 1000);
    hook = &a.allocator;
    p = hook->alloc(hook->allocator_data, 900);
    assert_non_null(p);
    hook->free(hook->allocator_data, p); /* does nothing: the arena dies at once */
    assert_null(hook->alloc(hook->allocator_data, 200));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart), cmocka_unit_test(holds_its_ceiling),
        cmocka_unit_test(nothing_costs_something),      cmocka_unit_test(copies_and_zeroes),
        cmocka_unit_test(serves_the_decoder),
    };

    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
