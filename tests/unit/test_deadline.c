/* SPDX-License-Identifier: Apache-2.0 */
/* Due times fire once, in order, also when callbacks set, move and clear others. */
#include "deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define N 500

struct item {
    struct deadline d;
    uint64_t due;
    int fired;
};

static struct loop loop;
static struct deadlines all;
static struct item items[N];
static uint64_t last_due;
static int fired;

static void on_fire(struct deadline *d)
{
    struct item *item = container_of(d, struct item, d);
    assert_true(d->at_ms >= last_due); /* in order */
    assert_true(loop_now_ms(&loop) >= d->at_ms);
    last_due = d->at_ms;
    item->fired++;
    fired++;
}

static void many_in_order(void **state)
{
    (void)state;
    unsigned seed = 20261123;
    loop_init(&loop);
    deadlines_init(&all, &loop);
    for (int i = 0; i < N; i++) {
        items[i].d.fire = on_fire;
        deadline_set(&all, &items[i].d, 1 + (uint64_t)rand_r(&seed) % 50);
    }
    for (int i = 0; i < N; i += 3) /* moved */
        deadline_set(&all, &items[i].d, 1 + (uint64_t)rand_r(&seed) % 50);
    int cleared = 0;
    for (int i = 1; i < N; i += 7, cleared++)
        deadline_clear(&all, &items[i].d);
    uv_run(&loop.uv, UV_RUN_DEFAULT);
    assert_int_equal(fired, N - cleared);
    for (int i = 0; i < N; i++)
        assert_int_equal(items[i].fired, i % 7 == 1 ? 0 : 1);
    deadlines_free(&all);
    loop_free(&loop);
}

static int rounds;

static void set_again(struct deadline *d)
{
    if (++rounds < 5)
        deadline_set(&all, d, 0);
}

static void a_callback_may_set_itself_again(void **state)
{
    (void)state;
    struct deadline d = {.fire = set_again};
    loop_init(&loop);
    deadlines_init(&all, &loop);
    deadline_set(&all, &d, 0);
    uv_run(&loop.uv, UV_RUN_DEFAULT);
    assert_int_equal(rounds, 5);
    deadlines_free(&all);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_in_order),
        cmocka_unit_test(a_callback_may_set_itself_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
