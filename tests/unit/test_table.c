/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cells.h"
#include "table_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_amounts_in_units(void **state)
{
    static const struct {
        const char *yuan;
        int power;
        const char *want;
    } cases[] = {{"350000000.00", 4, "35000"}, {"350000000.00", 8, "3.5"},
                 {"0.01", 4, "0.000001"},      {"0.00", 4, "0"},
                 {"12.00", 4, "0.0012"},       {"-12345.67", 4, "-1.234567"},
                 {"10000.00", 4, "1"},         {"99999.99", 0, "99999.99"},
                 {"100.00", 0, "100"},         {"92233720368547758.07", 8, "922337203.6854775807"}};
    char buf[96];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(cells_scaled(cases[i].yuan, cases[i].power, buf, sizeof buf), cases[i].want);
    assert_int_equal(cells_unit("万元"), 4);
    assert_int_equal(cells_unit("两"), -1);
}

static char *written(enum table_kind kind, const struct table_layout *layout, const char *const *cells)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    struct table *t = table_open(kind, to, layout);

    assert_non_null(t);
    assert_true(table_row(t, TABLE_DATA, cells));
    assert_true(table_close(t));
    fclose(to);
    return text;
}

static void test_headings_of_several_levels(void **state)
{
    static const struct table_column columns[] = {{.heading = {"序号"}},
                                                  {.heading = {"合计", "投资"}},
                                                  {.heading = {"到位", "投资"}},
                                                  {.heading = {"备注"}}};
    static const char *const titles[] = {"项目表", "2026 年"}, *const cells[] = {"1", "=2", "a\x01,b", NULL};
    const struct table_layout layout = {
        .columns = columns, .n_columns = 4, .titles = titles, .n_titles = 2, .sheet = "表", .mark = true};
    char *csv = written(TABLE_CSV, &layout, cells), *tsv = written(TABLE_TSV, &layout, cells);

    (void)state;
    assert_string_equal(csv, "\xEF\xBB\xBF项目表,,,\r\n2026 年,,,\r\n序号,投资,投资,备注\r\n,合计,到位,\r\n"
                             "1,'=2,\"a\\u{1},b\",\r\n");
    assert_string_equal(
        tsv, "项目表\t\t\t\n2026 年\t\t\t\n序号\t投资\t投资\t备注\n\t合计\t到位\t\n1\t'=2\ta\\u{1},b\t\n");
    free(csv);
    free(tsv);
    free(written(TABLE_XLSX, &layout, cells));
}

static void test_a_full_disk_is_told(void **state)
{
    static const struct table_column columns[] = {{.heading = {"甲"}}};
    const struct table_layout layout = {.columns = columns, .n_columns = 1, .sheet = "表"};
    FILE *full = fopen("/dev/full", "w");
    struct table *t = table_open(TABLE_XLSX, full, &layout);

    (void)state;
    assert_non_null(t);
    table_drop(t);
    setvbuf(full, NULL, _IONBF, 0);
    t = table_open(TABLE_XLSX, full, &layout);
    assert_false(table_close(t));
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_amounts_in_units),
                                       cmocka_unit_test(test_headings_of_several_levels),
                                       cmocka_unit_test(test_a_full_disk_is_told)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
