/* SPDX-License-Identifier: Apache-2.0 */
/* Messages and events as JSON, as interface.md has them. */
#include "json.h"
#include "qipan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void expect(char *line, const char *wanted)
{
    assert_non_null(line);
    assert_string_equal(line, wanted);
    free(line);
}

static void test_a_project(void **state)
{
    Qipan__Project p = QIPAN__PROJECT__INIT;
    char *tags[] = {(char *)"链", (char *)"a\"b"};

    (void)state;
    expect(qipan_json(&p.base), "{}");
    p.id = (char *)"p1";
    p.has_version = p.has_amount_total = p.has_amount_tax = p.has_jobs = p.has_changed_at = true;
    p.version = INT64_MAX;
    p.amount_total = 35000000000;
    p.amount_tax = 7;
    p.jobs = 12;
    p.changed_at = 1767225600123456;
    p.tags = tags;
    p.n_tags = 2;
    expect(qipan_json(&p.base),
           "{\"id\":\"p1\",\"version\":\"9223372036854775807\",\"tags\":[\"链\",\"a\\\"b\"],"
           "\"amount_total\":\"350000000.00\",\"amount_tax\":\"0.07\",\"jobs\":12,"
           "\"changed_at\":\"2026-01-01T00:00:00.123456Z\"}");
}

static void test_messages_inside(void **state)
{
    Qipan__OfficeListReply list = QIPAN__OFFICE_LIST_REPLY__INIT;
    Qipan__Office a = QIPAN__OFFICE__INIT, *rows[] = {&a};

    (void)state;
    a.code = (char *)"chengguan";
    a.has_projects = true;
    a.projects = 3;
    list.rows = rows;
    list.n_rows = 1;
    expect(qipan_json(&list.base), "{\"rows\":[{\"code\":\"chengguan\",\"projects\":3}]}");
}

static Qipan__Event event(void)
{
    Qipan__Event e = QIPAN__EVENT__INIT;

    e.type = (char *)"project.changed";
    e.kind = (char *)"project";
    e.object = (char *)"p1";
    e.view = (char *)"update";
    e.has_rev = e.has_epoch = e.has_version = e.has_at = e.has_idx = e.has_tag = true;
    e.rev = 1042;
    e.epoch = 1;
    e.version = 7;
    e.idx = 2;
    e.tag = 0xab;
    e.at = 1767225600000000;
    return e;
}

static void test_every_key_is_there(void **state)
{
    Qipan__Event e = event();

    (void)state;
    expect(qipan_json_event(&e, "c"),
           "{\"type\":\"project.changed\",\"rev\":\"1042\",\"epoch\":\"1\",\"cursor\":\"c\",\"entry\":0,"
           "\"idx\":2,"
           "\"project\":\"p1\",\"view\":\"update\",\"version\":\"7\",\"actor\":null,\"office\":null,"
           "\"reason\":null,"
           "\"request\":null,\"batch\":null,\"at\":\"2026-01-01T00:00:00Z\",\"changes\":{}}");
}

static Qipan__FieldChange change(uint32_t number, const char *old, const char *new)
{
    Qipan__FieldChange c = QIPAN__FIELD_CHANGE__INIT;

    c.has_number = true;
    c.number = number;
    c.old = (char *)old;
    c.new_ = (char *)new;
    return c;
}

static void test_changes(void **state)
{
    Qipan__Event e = event();
    Qipan__FieldChange stage = change(50, "talks", "signed"), tags = change(17, NULL, "大,链"),
                       jobs = change(37, "1", "2"), amount = change(20, "1.00", NULL),
                       phone = change(45, NULL, NULL), newer = change(9999, "a", "b"),
                       *all[] = {&stage, &tags, &jobs, &amount, &phone, &newer};
    char *line;

    (void)state;
    phone.has_masked = phone.masked = true;
    e.changes = all;
    e.n_changes = 6;
    line = qipan_json_event(&e, "c");
    assert_non_null(strstr(
        line, "\"changes\":{\"stage\":[\"talks\",\"signed\"],\"tags\":[null,[\"大\",\"链\"]],\"jobs\":[1,2],"
              "\"amount_total\":[\"1.00\",null],\"contact_phone\":{\"masked\":true},"
              "\"#9999\":[\"a\",\"b\"]}"));
    free(line);
}

static void test_row_on_enter_only(void **state)
{
    Qipan__Event e = event();
    Qipan__FieldValue v = QIPAN__FIELD_VALUE__INIT, *row[] = {&v};
    char *line;

    (void)state;
    v.has_number = true;
    v.number = 50;
    v.value = (char *)"signed";
    e.row = row;
    e.n_row = 1;
    line = qipan_json_event(&e, "c");
    assert_null(strstr(line, "\"row\""));
    free(line);
    e.view = (char *)"enter";
    line = qipan_json_event(&e, "c");
    assert_non_null(strstr(line, "\"row\":{\"stage\":\"signed\"}"));
    free(line);
}

/* What is short brings it with every change, and its own fields have their names. */
static void test_row_of_a_record(void **state)
{
    Qipan__Event e = event();
    Qipan__FieldValue project = QIPAN__FIELD_VALUE__INIT, result = QIPAN__FIELD_VALUE__INIT,
                      *row[] = {&project, &result};
    char *line;

    (void)state;
    project.has_number = result.has_number = true;
    project.number = 3;
    project.value = (char *)"p1";
    result.number = 13;
    result.value = (char *)"有意向";
    e.kind = (char *)"activity";
    e.object = (char *)"av1";
    e.row = row;
    e.n_row = 2;
    line = qipan_json_event(&e, "c");
    assert_non_null(strstr(line, "\"activity\":\"av1\",\"project\":\"p1\""));
    assert_non_null(strstr(line, "\"row\":{\"project\":\"p1\",\"result\":\"有意向\"}"));
    free(line);
}

static void test_a_conflict(void **state)
{
    Qipan__Error e = QIPAN__ERROR__INIT;
    Qipan__Clash c = QIPAN__CLASH__INIT, *clashes[] = {&c};

    (void)state;
    e.code = (char *)"CONFLICT";
    e.message = (char *)"m";
    e.field = c.field = (char *)"stage";
    e.base_value = c.base_value = (char *)"talks";
    e.theirs = c.theirs = (char *)"signed";
    e.yours = c.yours = (char *)"landed";
    e.by = c.by = (char *)"li";
    e.fields = clashes;
    e.n_fields = 1;
    expect(json_line(json_of_error(&e)), "{\"code\":\"CONFLICT\",\"message\":\"m\",\"field\":\"stage\","
                                         "\"base\":\"talks\",\"theirs\":\"signed\","
                                         "\"yours\":\"landed\",\"by\":\"li\",\"fields\":[{\"field\":"
                                         "\"stage\",\"base\":\"talks\",\"theirs\":\"signed\","
                                         "\"yours\":\"landed\",\"by\":\"li\"}],\"hint\":null}");
}

static void test_cursors(void **state)
{
    static const char *const good[] = {"1-1042--00000000000000ab", "1-1042-0-ffffffffffffffff",
                                       "0-0--0000000000000000",
                                       "9223372036854775807-9223372036854775807-2147483646-0123456789abcdef"};
    static const char *const bad[] = {"",
                                      "now",
                                      "1-2",
                                      "1-2-3-abc",
                                      "-1-2--0000000000000000",
                                      "1--2-0000000000000000",
                                      "1-2--000000000000000G",
                                      "1-2--00000000000000000",
                                      "9223372036854775808-2--0000000000000000",
                                      "1-2-2147483647-0000000000000000",
                                      "1-2--0000000000000000 "};
    char text[QIPAN_CURSOR_SIZE];
    Qipan__Cursor c;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(qipan_cursor_parse(good[i], &c));
        qipan_cursor_text(&c, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (qipan_cursor_parse(bad[i], &c))
            fail_msg("taken: \"%s\"", bad[i]);
}

/* `at` is an instant where it is a number only. */
static void test_a_place(void **state)
{
    Qipan__WatchReply reply = QIPAN__WATCH_REPLY__INIT;
    Qipan__Cursor cursor = QIPAN__CURSOR__INIT;

    (void)state;
    reply.at = &cursor;
    cursor.has_rev = true;
    cursor.rev = 7;
    expect(qipan_json(&reply.base), "{\"at\":{\"rev\":\"7\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_project),
        cmocka_unit_test(test_messages_inside),
        cmocka_unit_test(test_every_key_is_there),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_row_on_enter_only),
        cmocka_unit_test(test_row_of_a_record),
        cmocka_unit_test(test_a_conflict),
        cmocka_unit_test(test_cursors),
        cmocka_unit_test(test_a_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
