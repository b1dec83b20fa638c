/* SPDX-License-Identifier: Apache-2.0 */
#include "fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct fold twin = {
    .statement = {.n = 2}, .from = {2, 0}, .element = {25, 23}, .alone = {[1] = true}};

static struct pg_params call(const char *number, const char *text)
{
    struct pg_params p = {.values = {number, NULL, text}};
    p.lengths[0] = 4;
    p.lengths[2] = text ? (int)strlen(text) : 0;
    return p;
}

static void arrays_are_those_of_postgresql(void **state)
{
    (void)state;
    struct pg_params a = call("\0\0\0\1", "甲"), b = call("\0\0\0\2", NULL), c = call("\0\0\0\3", "");
    const struct pg_params *calls[] = {&a, &b, &c};
    struct pg_params *all = fold_calls(&twin, calls, 3);
    static const char texts[] =
        "\0\0\0\1\0\0\0\1\0\0\0\31\0\0\0\3\0\0\0\1" /* one dimension, nulls, text, three from 1 */
        "\0\0\0\3甲\377\377\377\377\0\0\0\0";
    static const char numbers[] = "\0\0\0\1\0\0\0\0\0\0\0\27\0\0\0\3\0\0\0\1"
                                  "\0\0\0\4\0\0\0\1\0\0\0\4\0\0\0\2\0\0\0\4\0\0\0\3";
    assert_int_equal(all->lengths[0], sizeof texts - 1);
    assert_memory_equal(all->values[0], texts, sizeof texts - 1);
    assert_int_equal(all->lengths[1], sizeof numbers - 1);
    assert_memory_equal(all->values[1], numbers, sizeof numbers - 1);
    free(all);
}

static void what_the_twin_cannot_take_stays_alone(void **state)
{
    (void)state;
    struct pg_params p = call("\0\0\0\1", "four");
    assert_int_equal(fold_size(&twin, &p), 8);
    p.values[1] = "an array";
    assert_int_equal(fold_size(&twin, &p), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(arrays_are_those_of_postgresql),
                                       cmocka_unit_test(what_the_twin_cannot_take_stays_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
