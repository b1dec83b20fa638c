/* SPDX-License-Identifier: Apache-2.0 */
/* Dear work waits its turn, and others have theirs meanwhile. */
#include "loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define DEAR    50
#define DEAR_NS 1000000

static struct loop loop;
static uv_check_t check;
static struct task dear[DEAR], quick;
static int done, turns, most_in_a_turn, in_this_turn, quick_runs, forgotten_runs;

static void spend(struct task *task)
{
    assert_ptr_equal(task, &dear[done == DEAR / 2 ? ++done : done]); /* in order, but for the one forgotten */
    done++;
    in_this_turn++;
    for (uint64_t end = uv_hrtime() + DEAR_NS; uv_hrtime() < end;)
        ;
    if (done == DEAR)
        uv_close((uv_handle_t *)&check, NULL); /* the end */
}

static void run_quick(struct task *task)
{
    (void)task;
    quick_runs++;
}

static void on_turn(uv_check_t *handle)
{
    turns++;
    if (in_this_turn > most_in_a_turn)
        most_in_a_turn = in_this_turn;
    in_this_turn = 0;
    (void)handle;
    loop_touch(&loop, &quick);
}

static void forgotten(struct task *task)
{
    (void)task;
    forgotten_runs++;
}

static void dear_work_is_spread(void **state)
{
    (void)state;
    loop_init(&loop);
    uv_check_init(&loop.uv, &check);
    uv_check_start(&check, on_turn);
    quick.run = run_quick;
    for (int i = 0; i < DEAR; i++) {
        dear[i].run = i == DEAR / 2 ? forgotten : spend;
        loop_later(&loop, &dear[i]);
        loop_later(&loop, &dear[i]); /* once is enough */
    }
    loop_forget(&loop, &dear[DEAR / 2]);
    uv_run(&loop.uv, UV_RUN_DEFAULT); /* would sleep for ever if it were not told that work waits */
    assert_int_equal(done, DEAR);
    assert_int_equal(forgotten_runs, 0);
    assert_true(most_in_a_turn <= 3);
    assert_true(turns >= DEAR / 3 - 1);
    assert_true(quick_runs >= turns - 1);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dear_work_is_spread)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
