/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    setenv("TZ", "Asia/Shanghai", 1);
    arena_init(&arena, 8 * 1024 * 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static const ProtobufCFieldDescriptor *field(const char *name)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(&qipan__project__descriptor, name);

    assert_non_null(f);
    return f;
}

/* Reads the text into the field, with a unit, and gives it back in canonical form; "!…" is the sentence of a refusal. */
static const char *read_unit(const char *name, const char *text, const char *unit)
{
    Qipan__Project p = QIPAN__PROJECT__INIT;
    struct value_error e = {0};

    if (!value_set(&p.base, field(name), text, unit, &arena, &e)) {
        char *s = arena_alloc(&arena, 600);
        assert_true(e.message[0] != 0);
        assert_false(value_has(&p.base, field(name)));
        strcpy(s, "!");
        return strcat(s, e.message);
    }
    assert_true(value_has(&p.base, field(name)));
    return value_text(&p.base, field(name), &arena);
}

static const char *read(const char *name, const char *text)
{
    return read_unit(name, text, NULL);
}

static const char *written(const char *name, int64_t v)
{
    Qipan__Project p = QIPAN__PROJECT__INIT;

    p.amount_total = p.changed_at = v;
    p.has_amount_total = p.has_changed_at = 1;
    return value_text(&p.base, field(name), &arena);
}

#define same(name, text, want) assert_string_equal(read(name, text), want)

static void refused(const char *name, const char *text, const char *part)
{
    const char *s = read(name, text);

    assert_int_equal(s[0], '!');
    if (!strstr(s, part))
        fail_msg("%s=%s: \"%s\" does not say \"%s\"", name, text, s, part);
}

/* Figures and instants at their ends. */
static void ends(void **state)
{
    (void)state;
    assert_string_equal(written("amount_total", 0), "0.00");
    assert_string_equal(written("amount_total", -5), "-0.05");
    assert_string_equal(written("amount_total", 1234567), "12345.67");
    assert_string_equal(written("amount_total", INT64_MIN), "-92233720368547758.08");
    assert_string_equal(written("changed_at", 0), "1970-01-01T00:00:00Z");
    assert_string_equal(written("changed_at", -1), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(written("changed_at", 1000), "1970-01-01T00:00:00.001000Z");
    assert_string_equal(written("changed_at", INT64_C(253402300799000000)), "9999-12-31T23:59:59Z");
    assert_string_equal(written("changed_at", INT64_C(253402300800000000)), "?");
    assert_string_equal(written("changed_at", INT64_MIN), "?");
}

static void money(void **state)
{
    (void)state;
    same("amount_total", "3.5亿元", "350000000.00");
    same("amount_total", "1200万", "12000000.00");
    same("amount_total", "1,200万", "12000000.00");
    same("amount_total", "12000000", "12000000.00");
    same("amount_total", "82，225.00元", "82225.00");
    same("amount_total", "１２００．５万元", "12005000.00");
    same("amount_total", " ¥ 1 200 000.10 ", "1200000.10");
    same("amount_total", "人民币3亿元整", "300000000.00");
    same("amount_total", "3亿5000万元", "350000000.00");
    same("amount_total", "1.23456万", "12345.60");
    same("amount_total", "0.000001亿元", "100.00");
    same("amount_total", "0.00", "0.00");
    same("amount_total", "2.5 million", "2500000.00");
    same("amount_total", "90071992547409.93", "90071992547409.93");
    same("amount_total", "三亿", "300000000.00");
    same("amount_total", "三亿五千万元", "350000000.00");
    same("amount_total", "叁佰贰拾万零伍元整", "3200005.00");
    same("amount_total", "三点五亿元", "350000000.00");
    same("amount_total", "十二万", "120000.00");
    same("amount_total", "5十万", "500000.00");
    same("amount_total", "3亿五千万", "350000000.00");
    same("amount_total",
         "3\xE2\x80\x8B"
         "00万",
         "3000000.00");
    assert_string_equal(read_unit("amount_total", "24.9480", "万元"), "249480.00");
    assert_string_equal(read_unit("amount_total", "24.948亿", "万元"), "2494800000.00");
    /* a number that names its unit is not in the column's, whatever it is written with */
    assert_string_equal(read_unit("amount_total", "两亿", "万元"), "200000000.00");
    assert_string_equal(read_unit("amount_total", "五千万", "万元"), "50000000.00");
    assert_string_equal(read_unit("amount_total", "一亿二千万", "亿元"), "120000000.00");
    assert_string_equal(read_unit("amount_total", "五千", "万元"), "50000000.00");
    assert_string_equal(read_unit("amount_total", "三点五亿", "万元"), "350000000.00");
    assert_string_equal(read_unit("amount_total", "3.5 2000万", "亿元") + 1,
                        "\"3.5 2000万\" is not a number");
    assert_string_equal(read_unit("amount_total", "1,5", "万元") + 1, "\"1,5\" can be read in two ways");
}

static void money_refused(void **state)
{
    (void)state;
    refused("amount_total", "约3亿", "not exact");
    refused("amount_total", "3亿左右", "not exact");
    refused("amount_total", "1-2亿", "range");
    refused("amount_total", "1～2亿", "range");
    refused("amount_total", "1亿至2亿", "range");
    refused("amount_total", "2024-03-05", "is a date");
    refused("amount_total", "2024年3月", "is a date");
    refused("jobs", "2024/3/5", "is a date");
    refused("amount_total", "2023-2024", "range");
    refused("amount_total", "0.001元", "two decimals");
    refused("amount_total", "1.23456789万", "two decimals");
    refused("amount_total", "-5万", "negative");
    refused("amount_total", "1.2E+08", "exponent");
    refused("amount_total", "1E-06", "exponent");
    refused("jobs", "3e2", "exponent");
    refused("amount_total", "500万美元", "currency");
    refused("amount_total", "1,23,456", "two ways");
    refused("amount_total", "1.2.3", "not a number");
    refused("amount_total", "3亿5", "two ways");
    refused("amount_total", "三十多亿", "not exact");
    refused("amount_total", "两三亿", "not a number");
    refused("amount_total", "一百二万", "not a number");
    refused("amount_total", "三亿五", "not a number");
    refused("amount_total", "3亿五千", "two ways");
    refused("amount_total", "3万五千万", "two ways");
    refused("amount_total", "两3亿", "not a number");
    refused("amount_total", "二十5万", "not a number");
    refused("amount_total", "一百2十万", "not a number");
    refused("amount_total", "三亿2000万", "not a number");
    refused("amount_total", "三点五6亿", "not a number");
    refused("jobs", "二十5人", "not a number");
    refused("land_mu", "三十5亩", "not a number");
    refused("amount_total", "3亿5千", "two ways"); /* 3.5亿 is meant, or 3亿零5千 */
    refused("amount_total", "三亿五千", "not a number");
    refused("amount_total", "三亿五百元", "not a number");
    same("amount_total", "三亿零五千元", "300005000.00");
    same("amount_total", "三亿五千万三千元", "350003000.00");
    refused("amount_total", "5000万3亿", "not a number");
    refused("amount_total", "99999999999999999999", "too large");
    refused("amount_total", "123456789012345678901234567890123", "too many digits");
    refused("amount_total", "92233720368547758.08", "too large");
    refused("amount_total", "", "empty");
    refused("amount_total", " \xC2\xA0 ", "empty");
    assert_true(strstr(read_unit("amount_total", "1", "斤"), "unknown unit") != NULL);
}

static void dates(void **state)
{
    (void)state;
    same("signed_on", "2023年1月5日", "2023-01-05");
    same("signed_on", "2017年01月31日", "2017-01-31");
    same("signed_on", "2023.1.5", "2023-01-05");
    same("signed_on", "2023-01-05", "2023-01-05");
    same("signed_on", "2023/1/5", "2023-01-05");
    same("signed_on", "2023/1/5 0:00:00", "2023-01-05");
    same("signed_on", "2023-01-05T00:00:00Z", "2023-01-05");
    same("signed_on", "2022.04", "2022-04");
    same("signed_on", "2022.10", "2022-10");
    same("signed_on", "2022年4月", "2022-04");
    same("signed_on", "2022-4", "2022-04");
    same("signed_on", "20230105", "2023-01-05");
    same("signed_on", "2023", "2023");
    same("signed_on", "２０２３年", "2023");
    same("signed_on", "2024-02-29", "2024-02-29");
    same("signed_on", "2023 年 1 月 5 日", "2023-01-05");
    same("signed_on", "2023. 1. 5", "2023-01-05");
    same("signed_on", "2023年1月5日 09:30", "2023-01-05");
    same("signed_on", "2023-01-05 13:20:59", "2023-01-05");
    same("signed_on", "二〇二三年十二月三十一日", "2023-12-31");
    same("signed_on", "二○二三年十二月三十一日", "2023-12-31");
    same("signed_on", "二零二三年一月", "2023-01");
    refused("signed_on", "2023-01-05T20:00:00Z", "not a date"); /* the next day in China */
    refused("signed_on", "2023-01-05 25:00", "not a date");
    refused("signed_on", "2023年1月至3月", "is a period");
    refused("signed_on", "2024.2.18-2.20", "is a period");
    refused("signed_on", "2024年3月-5月", "is a period");
    refused("signed_on", "2001-07-16~2004-03-15", "is a period");
    refused("signed_on", "2024年3月中旬至4月", "not exact");
    refused("signed_on", "2024-03-055", "not a date");
    refused("signed_on", "2024.3.5-", "not a date");
    refused("signed_on", "2024.3.5-x", "not a date");
    refused("signed_on", "2023 1 5", "not a date");
    refused("signed_on", "一月五日", "has no year");
    refused("signed_on", "3月15日", "has no year");
    refused("signed_on", "已签约", "not a date");
    refused("amount_total", "签约后定", "not a number");
    refused("signed_on", "03月", "has no year");
    refused("signed_on", "2022.1", "may be month 1 or 10");
    same("signed_on", "2022.3", "2022-03");
    refused("signed_on", "2023-02-29", "no such day");
    refused("signed_on", "2023-13-01", "no such day");
    refused("signed_on", "44931", "serial number");
    refused("signed_on", "202301", "not a date");
    refused("signed_on", "2023年底", "not exact");
    refused("signed_on", "31/12/2020", "not a date");
    refused("signed_on", "1066-10-14", "year");
}

static void instants(void **state)
{
    (void)state;
    same("changed_at", "2026-01-01T08:00:00+08:00", "2026-01-01T00:00:00Z");
    same("changed_at", "2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123456Z");
    same("changed_at", "2026-01-01", "2025-12-31T16:00:00Z");
    same("changed_at", "1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z");
    same("changed_at", "2026-01-01 08:30", "2026-01-01T00:30:00Z");
    refused("changed_at", "2026-01-01 08:30x", "point in time");
    refused("changed_at", "yesterday", "point in time");
    refused("changed_at", "2026-01-01T25:00:00Z", "point in time");
}

static void areas(void **state)
{
    (void)state;
    same("land_mu", "120亩", "120");
    same("land_mu", "8公顷", "120");
    same("land_mu", "2000平方米", "3");
    same("land_mu", "0.50", "0.5");
    assert_string_equal(read_unit("land_mu", "11.223200", "公顷"), "168.348");
    refused("land_mu", "0.0000001", "decimals");
    refused("land_mu", "约100亩", "not exact");
}

static void others(void **state)
{
    (void)state;
    same("jobs", "1,200人", "1200");
    refused("jobs", "1.5", "whole");
    refused("jobs", "3000000000", "too large");
    same("tags", "大、链, 大 ，智", "大,链,智");
    same("credit_code", "９１３３０１００ma27y5fh2x ", "91330100MA27Y5FH2X");
    same("tags", "大\n链 ;\t智", "大,链,智");
    same("restricted", "√", "true");
    same("restricted", "ＮＯ", "false");
    same("restricted", "无", "false");
    refused("restricted", "也许", "neither");
    same("currency", "人民币", "CNY");
    same("currency", "rmb", "CNY");
    same("currency", "￥", "CNY");
    same("currency", " 美元 ", "USD");
    same("currency", "eur", "EUR");
    same("currency", "万美元", "万美元"); /* no currency: refused by the registry */
    same("jobs", "五十人", "50");
    same("land_mu", "三十亩", "30");
    same("name", "三号厂房", "三号厂房");
    same("industry", "c3825", "C3825");
    same("stage", "signed", "signed");
    same("name", "\xC2\xA0光伏\n组件\xE3\x80\x80", "光伏 组件");
    same("summary", "一\r\n二", "一\n二");
    refused("name",
            "a\xE2\x80\xAE"
            "b",
            "U+202E");
    refused("name", "a\x1B[31m", "U+001B");
    refused("name", "\xFF", "UTF-8");
    refused("name", "项\xE7\x9B", "UTF-8"); /* the last character is cut */
    refused("name",
            "项\xE7\x9B"
            "a目",
            "UTF-8");
    refused("name", "项目\x7F", "U+007F");
    refused("name", "项目\xEF\xBB\xBF", "U+FEFF");
    same("name", "项目\xE9\xBF\xBF\xE4\x80\x80", "项目\xE9\xBF\xBF\xE4\x80\x80");
    char *longest = arena_alloc(&arena, 16386);
    memset(longest, 'a', 16385);
    longest[16385] = 0;
    refused("name", longest, "16384");
    longest[16384] = 0;
    same("name", longest, longest);
}

static void nothing(void **state)
{
    (void)state;
    assert_true(value_is_none(field("signed_on"), "1900-01-01"));
    assert_true(value_is_none(field("signed_on"), "1900-01-00 00:00:00"));
    assert_true(value_is_none(field("signed_on"), "1900年1月1日"));
    assert_true(value_is_none(field("signed_on"), "1900.1.1"));
    assert_true(value_is_none(field("signed_on"), "1904/1/1"));
    assert_true(value_is_none(field("signed_on"), "0000-00-00"));
    assert_false(value_is_none(field("signed_on"), "1900"));
    assert_false(value_is_none(field("signed_on"), "1900-01-01/2023-05-01"));
    assert_false(value_is_none(field("signed_on"), "1900年1月1日至2023年5月"));
    assert_false(value_is_none(field("signed_on"), "1900-01-01至今"));
    assert_false(value_is_none(field("signed_on"), "19000101/2023-05-01"));
    assert_true(value_is_none(field("signed_on"), "暂无"));
    assert_true(value_is_none(field("planned_start_on"), "待定"));
    assert_true(value_is_none(field("amount_total"), "——"));
    assert_true(value_is_none(field("amount_total"), "N/A"));
    assert_true(value_is_none(field("name"), "/"));
    assert_false(value_is_none(field("name"), "无"));
    assert_false(value_is_none(field("name"), "1900-01-01"));
    assert_false(value_is_none(field("restricted"), "无"));
    assert_false(value_is_none(field("signed_on"), "1900-01-02"));
    assert_false(value_is_none(field("amount_total"), "0"));
}

static const char *people(const char *name, const char *text, const char *currency, const char *lang)
{
    return value_people_text(field(name), text, currency, lang, &arena);
}

static void for_people(void **state)
{
    (void)state;
    assert_string_equal(people("amount_total", "350000000.00", NULL, "zh"), "3.5亿元");
    assert_string_equal(people("amount_total", "12000000.00", NULL, "zh"), "1,200万元");
    assert_string_equal(people("amount_total", "82225.00", NULL, "zh"), "8.2225万元");
    assert_string_equal(people("amount_total", "123456789.12", NULL, "zh"), "123,456,789.12元");
    assert_string_equal(people("amount_total", "0.00", NULL, "zh"), "0元");
    assert_string_equal(people("amount_total", "350000000.00", "USD", "zh"), "3.5亿美元");
    assert_string_equal(people("amount_total", "350000000.00", NULL, "en"), "CNY 350 million");
    assert_string_equal(people("amount_total", "12.50", "USD", "en"), "USD 12.50");
    assert_string_equal(people("tags", "大,链", NULL, "zh"), "大、链");
    assert_string_equal(people("restricted", "true", NULL, "zh"), "是");
    assert_string_equal(people("changed_at", "2026-01-01T00:00:00Z", NULL, "zh"), "2026-01-01 08:00");
}

static void fields(void **state)
{
    (void)state;
    assert_ptr_equal(value_field(&qipan__project__descriptor, "总投资"), field("amount_total"));
    assert_ptr_equal(value_field(&qipan__project__descriptor, "tag"), field("tags"));
    assert_null(value_field(&qipan__project__descriptor, "总投"));
    assert_string_equal(value_nearest_field(&qipan__project__descriptor, "amuont_total", true),
                        "amount_total");
    assert_string_equal(value_nearest_field(&qipan__project__descriptor, "总投资额度", true), "amount_total");
    assert_null(value_nearest_field(&qipan__project__descriptor, "xyzzy", true));
    static const char *const words[] = {"规模", "总投资", "法人", "stage", "no", NULL};
    assert_null(value_nearest("规划", words));
    assert_null(value_nearest("人", words));
    assert_null(value_nearest("on2", words));
    assert_null(value_nearest("na", words));
    assert_string_equal(value_nearest("模规", words), "规模");
    assert_string_equal(value_nearest("总规模", words), "规模");
    assert_string_equal(value_nearest("投资", words), "总投资");
    assert_string_equal(value_nearest("stge", words), "stage");
    assert_false(value_writable(field("version")));
    /* Every field of a project has labels. */
    for (unsigned i = 0; i < qipan__project__descriptor.n_fields; i++) {
        const char *name = qipan__project__descriptor.fields[i].name;
        assert_string_not_equal(value_label(name, "zh"), name);
        assert_string_not_equal(value_label(name, "en"), name);
    }
}

/* What was read is read again as the same. */
static void round_trip(void **state)
{
    static const char *const samples[] = {"3.5亿元", "2023年1月5日", "2023", "8公顷",
                                          "120",     "大、链",       "a b",  "2026-01-01T00:00:00Z"};

    (void)state;
    for (unsigned i = 0; i < qipan__project__descriptor.n_fields; i++) {
        for (size_t k = 0; k < sizeof(samples) / sizeof(samples[0]); k++) {
            struct value_error e;
            char *once = value_canonical(&qipan__project__descriptor.fields[i], samples[k], &arena, &e);
            if (once)
                assert_string_equal(value_canonical(&qipan__project__descriptor.fields[i], once, &arena, &e),
                                    once);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money),      cmocka_unit_test(money_refused), cmocka_unit_test(dates),
        cmocka_unit_test(instants),   cmocka_unit_test(areas),         cmocka_unit_test(others),
        cmocka_unit_test(nothing),    cmocka_unit_test(for_people),    cmocka_unit_test(fields),
        cmocka_unit_test(round_trip), cmocka_unit_test(ends),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
