/* SPDX-License-Identifier: Apache-2.0 */
/* What of a workbook needs no file: numbers, dates, formats, escapes, names of cells, texts above the bound. */
#include "grid.h"
#include "xlsx_convert.h"
#include "xlsx_format.h"
#include "xlsx_number.h"
#include "xlsx_outline.h"
#include "xlsx_spool.h"
#include "xlsx_strings.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DATE (XLSX_YEAR | XLSX_MONTH | XLSX_DAY)

static void numbers(void **state)
{
    static const char *const good[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"0.000", "0"},
        {"2022.1", "2022.1"},
        {" 5\n", "5"},
        {"+5", "5"},
        {"00012", "12"},
        {".5", "0.5"},
        {"-1.50", "-1.5"},
        {"350000000", "350000000"},
        {"3.5E8", "350000000"},
        {"3.5000000000000003E-2", "0.035"},
        {"0.30000000000000004", "0.3"},
        {"1.1000000000000001", "1.1"},
        {"82225.00", "82225"},
        {"1E-3", "0.001"},
        {"1.2e+3", "1200"},
        {"0.1234567890123456", "0.123456789012346"},
        {"9.9999999999999999", "10"},
        {"0.99999999999999999", "1"},
        {"3000000000.0000005", "3000000000"},
        {"110101199001011234", "110101199001011234"}, /* written out: nothing is lost */
        {"1.1010119900101123E17", "110101199001011000"},
        {"1e20", "100000000000000000000"},
    };
    static const char *const bad[] = {"",    "x",   "1x",  "1.2.3", "-",          ".",    "1e",  "1e+",
                                      "NaN", "INF", "1,5", "1e999", "1e99999999", "0x10", "1 2", "--1"};
    char out[XLSX_NUMBER_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!xlsx_number(good[i][0], out))
            fail_msg("%s is no number", good[i][0]);
        assert_string_equal(out, good[i][1]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (xlsx_number(bad[i], out))
            fail_msg("%s is a number: %s", bad[i], out);
    assert_true(xlsx_number("1.7976931348623157E308", out));
    assert_int_equal(strlen(out), 309);
    assert_true(xlsx_number("-2.2250738585072014E-308", out));
    assert_true(strlen(out) < XLSX_NUMBER_SIZE);
}

static void dates(void **state)
{
    static const struct {
        const char *number;
        unsigned shown;
        bool since_1904;
        const char *want; /* NULL: no date */
    } cases[] = {
        {"44931", DATE, false, "2023-01-05"},
        {"44931.354166666664", DATE | XLSX_TIME, false, "2023-01-05 08:30:00"},
        {"44931.354166666664", XLSX_TIME, false, "2023-01-05 08:30:00"},
        {"44931.99999999999", DATE, false, "2023-01-06"},
        {"0.354166666666667", XLSX_TIME, false, "08:30:00"},
        {"0.5", DATE, false, "12:00:00"},
        {"0", XLSX_TIME, false, "00:00:00"},
        {"0", DATE, false, "1900-01-00"},
        {"1", DATE, false, "1900-01-01"},
        {"59", DATE, false, "1900-02-28"},
        {"60", DATE, false, "1900-02-29"},
        {"61", DATE, false, "1900-03-01"},
        {"0", DATE, true, "1904-01-01"},
        {"43469", DATE, true, "2023-01-05"},
        {"0.25", XLSX_TIME, true, "06:00:00"},
        {"0.25", DATE, true, "1904-01-01 06:00:00"},
        {"2958465", DATE, false, "9999-12-31"},
        {"2958466", DATE, false, NULL},
        {"2957004", DATE, true, NULL},
        {"99999999999999999999", DATE, false, NULL},
        {"-1", DATE, false, NULL},
        {"44652", XLSX_YEAR | XLSX_MONTH, false, "2022-04"}, /* 2022年4月 */
        {"44653", XLSX_YEAR | XLSX_MONTH, false, "2022-04-02"},
        {"44652", XLSX_MONTH | XLSX_DAY, false, "2022-04-01"}, /* 4月1日 */
        {"44562", XLSX_YEAR, false, "2022"},
        {"44652", XLSX_YEAR, false, "2022-04-01"},
    };
    char out[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is = xlsx_date(cases[i].number, cases[i].shown, cases[i].since_1904, out);
        assert_int_equal(is, cases[i].want != NULL);
        if (is)
            assert_string_equal(out, cases[i].want);
    }
}

/* Against the C library's calendar. */
static void every_day(void **state)
{
    char number[16], out[32], want[32];

    (void)state;
    for (long day = 1; day <= 2958465; day += day < 100000 ? 1 : 13) {
        time_t t = (day - 25569 + (day < 60)) * 86400;
        struct tm tm;
        if (day == 60)
            continue;
        strftime(want, sizeof(want), "%Y-%m-%d", gmtime_r(&t, &tm));
        snprintf(number, sizeof(number), "%ld", day);
        assert_true(xlsx_date(number, DATE, false, out));
        if (strcmp(out, want) != 0)
            fail_msg("day %ld is %s, not %s", day, want, out);
    }
}

static void iso_dates(void **state)
{
    static const char *const cases[][2] = {{"2023-01-05", "2023-01-05"},
                                           {"2023-01-05T00:00:00", "2023-01-05"},
                                           {"2023-01-05T08:30:00Z", "2023-01-05 08:30:00"},
                                           {"2023-01-05T08:30:00.125", "2023-01-05 08:30:00"},
                                           {"08:30:00", "08:30:00"}};
    static const char *const bad[] = {
        "", "2023", "2023-1-5", "2023-01-05T", "2023-01-05 x", "08:30", "2023-01-05T08:30:00+08"};
    char out[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(xlsx_date_iso(cases[i][0], out));
        assert_string_equal(out, cases[i][1]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(xlsx_date_iso(bad[i], out));
}

static void formats(void **state)
{
    static const struct {
        const char *code;
        unsigned shows;
    } cases[] = {
        {"General", 0},
        {"G/通用格式", 0},
        {"G/通用格式\"元\"", 0},
        {"0", 0},
        {"#,##0.00", 0},
        {"0.00E+00", 0},
        {"@", 0},
        {";;;", 0},
        {"", 0},
        {"0\"年\"", 0},
        {"0年", 0},
        {"\"yyyy\"0", 0},
        {"#,##0\\d", 0},
        {"[Red]#,##0", 0},
        {"[Yellow]0;[Red]-0", 0},
        {"_-* #,##0_d", 0},
        {"[$￥-804]#,##0", 0},
        {"[h]:mm:ss", 0},
        {"[mm]:ss", 0},
        {"yyyy-mm-dd", DATE},
        {"YYYY/M/D", DATE},
        {"yyyy\"年\"m\"月\"d\"日\"", DATE},
        {"yyyy年m月d日", DATE},
        {"yyyy\"年\"m\"月\"", XLSX_YEAR | XLSX_MONTH},
        {"[$-804]yyyy年m月", XLSX_YEAR | XLSX_MONTH},
        {"[DBNum1][$-804]yyyy\"年\"m\"月\"d\"日\";@", DATE},
        {"[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", DATE},
        {"[$-x-sysdate]dddd, mmmm dd, yyyy", DATE},
        {"mmm-yy", XLSX_YEAR | XLSX_MONTH},
        {"m\"月\"d\"日\"", XLSX_MONTH | XLSX_DAY},
        {"yyyy", XLSX_YEAR},
        {"e\"年\"", XLSX_YEAR},
        {"h:mm", XLSX_TIME},
        {"mm:ss.0", XLSX_TIME},
        {"h:mm:ss AM/PM", XLSX_TIME},
        {"上午/下午h\"时\"mm\"分\"", XLSX_TIME},
        {"yyyy/m/d h:mm", DATE | XLSX_TIME},
        {"[$-804]aaaa", XLSX_DAY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (xlsx_format_shows(cases[i].code) != cases[i].shows)
            fail_msg("%s shows %u", cases[i].code, xlsx_format_shows(cases[i].code));
    assert_int_equal(xlsx_format_built_in(0), 0);
    assert_int_equal(xlsx_format_built_in(4), 0);
    assert_int_equal(xlsx_format_built_in(14), DATE);
    assert_int_equal(xlsx_format_built_in(31), DATE);
    assert_int_equal(xlsx_format_built_in(46), 0);
    assert_int_equal(xlsx_format_built_in(57), XLSX_YEAR | XLSX_MONTH);
    assert_int_equal(xlsx_format_built_in(4000000000u), 0);
}

/* Currency, unit, scale; "%" = a percentage; NULL = as it is. */
static void number_formats(void **state)
{
    static const struct {
        const char *code, *currency, *unit;
        int scale;
    } cases[] = {
        {"General", NULL, NULL, 0},
        {"#,##0.00", NULL, NULL, 0},
        {"#,##0_);[Red]\\(#,##0\\)", NULL, NULL, 0},
        {"0_ ", NULL, NULL, 0},
        {"@", NULL, NULL, 0},
        {"\"\"", NULL, NULL, 0},
        {"\"$", NULL, NULL, 0},
        {"[$", NULL, NULL, 0},
        {"$#,##0", "USD", "", 0},
        {"\"US$\"#,##0", "USD", "", 0},
        {"\\$#,##0;-\\$#,##0", "USD", "", 0},
        {"[$€-407] #,##0", "EUR", "", 0},
        {"#,##0 [$€-1]", "EUR", "", 0},
        {"[$HK$-C04]#,##0", "HKD", "", 0},
        {"[$¥-411]#,##0", "JPY", "", 0},
        {"[$￥-804]#,##0", "CNY", "", 0},
        {"_ \"￥\"* #,##0.00_ ", "CNY", "", 0},
        {"0\"万美元\"", "USD", "万", 0},
        {"#,##0\"万元\"", "", "万元", 0},
        {"0.00亿元", "", "亿元", 0},
        {"0\"人\"", "", "人", 0},
        {"#,##0,", "", "", 3},
        {"0.0,,\"百万\"", "", "百万", 6},
        {"0\\.0,\"万\"", "", "万", 4},
        {"0!.00,\"万元\"", "", "万元", 5},
        {"0.00%", "%", "", 0},
        {"[>=10000]0\\.0,\"万\";0", "", "万", 4},
    };
    static const struct {
        const char *code;
        int zeros;
    } padded[] = {{"0000", 4}, {"0000-00000000", 12}, {"000;-000", 3}, {"0", 0},
                  {"#000", 0}, {"00.0", 0},           {"00\"号\"", 0}};
    struct grid_format f;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool shows = xlsx_format_number(cases[i].code, &f), percent = shows && f.percent;
        if (shows != (cases[i].currency != NULL) ||
            (shows &&
             (percent != (*cases[i].currency == '%') || strcmp(f.unit, cases[i].unit) != 0 ||
              (!percent && strcmp(f.currency, cases[i].currency) != 0) || f.scale != cases[i].scale)))
            fail_msg("%s: \"%s\" \"%s\" %d", cases[i].code, f.currency, f.unit, f.scale);
    }
    for (size_t i = 0; i < sizeof(padded) / sizeof(padded[0]); i++) {
        xlsx_format_number(padded[i].code, &f);
        assert_int_equal(f.zeros, padded[i].zeros);
    }
    assert_true(xlsx_format_number_built_in(9)->percent);
    assert_null(xlsx_format_number_built_in(5));
}

static void escapes(void **state)
{
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"a_x000D_\nb", "a\r\nb"},
        {"_x005F_x000D_", "_x000D_"},
        {"_x4E2D_", "中"},
        {"_xD83D__xDE00_", "😀"},
        {"_xD83D_!", "_xD83D_!"},
        {"_xDE00__xD83D__x4E2D_", "_xDE00__xD83D_中"},
        {"_x0000_", "_x0000_"},
        {"_x00G0_ _x000D", "_x00G0_ _x000D"},
        {"a_b_", "a_b_"},
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        strcpy(text, cases[i][0]);
        text[xlsx_unescape(text, strlen(text))] = 0;
        assert_string_equal(text, cases[i][1]);
    }
}

static void cells(void **state)
{
    int row, column;
    char name[16];

    (void)state;
    assert_string_equal(xlsx_cell_read("A1", &row, &column), "");
    assert_int_equal(row, 1);
    assert_int_equal(column, 0);
    assert_string_equal(xlsx_cell_read("XFD1048576:B2", &row, &column), ":B2");
    assert_int_equal(column, XLSX_MAX_COLUMN - 1);
    assert_string_equal(xlsx_cell_name(row, column, name), "XFD1048576");
    assert_string_equal(xlsx_cell_name(12, 26, name), "AA12");
    assert_string_equal(xlsx_cell_name(12, 25, name), "Z12");
    assert_null(xlsx_cell_read("XFE1", &row, &column));
    assert_null(xlsx_cell_read("A1048577", &row, &column));
    assert_null(xlsx_cell_read("A0", &row, &column));
    assert_null(xlsx_cell_read("12", &row, &column));
    assert_null(xlsx_cell_read("AAAAAAAAAAAAAAAAAA1", &row, &column));
    assert_null(xlsx_cell_read("A99999999999999999999", &row, &column));
}

static void fill(struct xlsx_spool *s, size_t bound, int n)
{
    char why[GRID_WHY_SIZE];

    xlsx_spool_init(s, bound);
    for (int i = 0; i < n; i++)
        assert_true(xlsx_spool_add(s, &i, sizeof(i), why));
    assert_true(xlsx_spool_done(s, why));
    assert_int_equal(s->size, (size_t)n * sizeof(int));
}

/* Anywhere, also across pages. */
static void spool(void **state)
{
    enum { COUNT = 1000000 };
    char why[GRID_WHY_SIZE];
    struct xlsx_spool s;

    (void)state;
    for (size_t bound = 64 << 20; bound; bound = bound > 5000 ? 5000 : 0) {
        fill(&s, bound, COUNT);
        for (int i = 0; i < COUNT - 1; i = i * 3 / 2 + 1) {
            int got[2];
            assert_true(xlsx_spool_get(&s, (uint64_t)i * sizeof(int), got, sizeof(got), why));
            assert_int_equal(got[0], i);
            assert_int_equal(got[1], i + 1);
        }
        for (int i = COUNT - 1; i > 0; i -= 4000) {
            char got[40000];
            size_t n = i > 10000 ? sizeof(got) : (size_t)i * sizeof(int), first;
            int k;
            first = ((size_t)i + 1) * sizeof(int) - n;
            assert_true(xlsx_spool_get(&s, first, got, n, why));
            memcpy(&k, got + n - sizeof(k), sizeof(k));
            assert_int_equal(k, i);
        }
        xlsx_spool_free(&s);
    }
}

/* A disk without room, and a folder that isn't there. */
static void spool_full(void **state)
{
    struct rlimit before, small;
    char why[GRID_WHY_SIZE] = "", block[4096] = "";
    struct xlsx_spool s;
    bool ok = true;

    (void)state;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    xlsx_spool_init(&s, 8192);
    for (int i = 0; i < 100 && ok; i++)
        ok = xlsx_spool_add(&s, block, sizeof(block), why);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_false(ok);
    assert_non_null(strstr(why, "need room in /tmp"));
    xlsx_spool_free(&s);

    setenv("TMPDIR", "/nonexistent", 1);
    xlsx_spool_init(&s, 8);
    assert_true(xlsx_spool_add(&s, block, 8, why));
    assert_false(xlsx_spool_add(&s, block, 8, why));
    assert_non_null(strstr(why, "/nonexistent"));
    xlsx_spool_free(&s);
    unsetenv("TMPDIR");
}

/* A converter that doesn't end is ended, with what it started, and its folder goes. */
static void converter_hangs(void **state)
{
    char folder[] = "/tmp/test_xlsx.XXXXXX", path[64], why[GRID_WHY_SIZE] = "";
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/ssconvert", folder);
    assert_non_null(f = fopen(path, "w"));
    fputs("#!/bin/sh\nsleep 100 & sleep 100\n", f);
    fclose(f);
    chmod(path, 0755);
    setenv("PATH", folder, 1);
    setenv("TMPDIR", folder, 1);
    xlsx_convert_ms = 300;
    assert_non_null(f = tmpfile());
    assert_null(xlsx_convert(f, "xls", why));
    assert_non_null(strstr(why, "could not convert"));
    fclose(f);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else was in it */
    unsetenv("TMPDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),    cmocka_unit_test(dates),           cmocka_unit_test(every_day),
        cmocka_unit_test(iso_dates),  cmocka_unit_test(formats),         cmocka_unit_test(number_formats),
        cmocka_unit_test(escapes),    cmocka_unit_test(cells),           cmocka_unit_test(spool),
        cmocka_unit_test(spool_full), cmocka_unit_test(converter_hangs),
    };

    unsetenv("TMPDIR");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
