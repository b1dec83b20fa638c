/* SPDX-License-Identifier: Apache-2.0 */
/* enter, update, leave: what a change means to a watch with a filter. */
#include "view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { NO = 2, INDUSTRY = 15, TAGS = 17, AUTO_TAGS = 19, AMOUNT_TOTAL = 20, OFFICE = 40, STAGE = 50 };

static struct arena arena;

static struct view compile(const char *field, const char *op, const char *value, const char **ret_code)
{
    static struct view filter;
    Qipan__Term term = QIPAN__TERM__INIT, *terms[] = {&term};
    char *values[] = {(char *)value};
    const char *wrong;
    term.field = (char *)field;
    term.op = (char *)op;
    term.n_values = 1;
    term.values = values;
    *ret_code = view_compile(terms, 1, &arena, &filter, &wrong);
    return filter;
}

/* A change of one field; `other` is a second, unchanged one. */
static const char *view_of(const char *field, const char *op, const char *value, uint32_t number,
                           const char *old, const char *new, int64_t version)
{
    const char *code;
    struct view filter = compile(field, op, value, &code);
    assert_null(code);
    Qipan__FieldChange change = QIPAN__FIELD_CHANGE__INIT, *changes[] = {&change};
    Qipan__FieldValue after = QIPAN__FIELD_VALUE__INIT, no = QIPAN__FIELD_VALUE__INIT, *row[] = {&after, &no};
    Qipan__Event event = QIPAN__EVENT__INIT;
    change.number = after.number = number;
    change.old = (char *)old;
    change.new_ = (char *)new;
    after.value = (char *)new;
    no.number = NO;
    no.value = (char *)"2026-0001";
    event.object = (char *)"p1";
    event.kind = (char *)"project";
    event.version = version;
    event.n_changes = 1;
    event.changes = changes;
    event.n_row = 2;
    event.row = row;
    return view_judge(&filter, &event);
}

static void views(void **state)
{
    const char *code;
    (void)state;
    arena_init(&arena, 64 * 1024);
    assert_string_equal(view_of("stage", "=", "signed", STAGE, "talks", "signed", 3), "enter");
    assert_string_equal(view_of("stage", "=", "talks", STAGE, "talks", "signed", 3), "leave");
    assert_null(view_of("stage", "=", "landed", STAGE, "talks", "signed", 3));
    assert_string_equal(view_of("stage", "!=", "landed", STAGE, "talks", "signed", 3), "update");
    assert_string_equal(view_of("stage", "=", "lead", STAGE, NULL, "lead", 1), "enter"); /* registered */
    assert_string_equal(view_of("stage", "!=", "landed", STAGE, NULL, "lead", 1), "enter");
    assert_string_equal(
        view_of("amount_total", ">=", "100000000", AMOUNT_TOTAL, "99999999.99", "100000000.00", 2), "enter");
    assert_string_equal(
        view_of("amount_total", "<", "100000000.00", AMOUNT_TOTAL, "99999999.99", "100000000.00", 2),
        "leave");
    assert_string_equal(view_of("industry", "=", "C38", INDUSTRY, "C39", "C3825", 2),
                        "enter"); /* all below it */
    assert_string_equal(view_of("tags", "=", "链", TAGS, "大", "大,链", 2), "enter");
    assert_null(view_of("tags", "=", "链", TAGS, "大", "大,产业链", 2)); /* a whole tag, not a part */
    assert_string_equal(view_of("project", "=", "2026-0001", STAGE, "talks", "signed", 2), "update");
    assert_string_equal(view_of("kind", "=", "project", OFFICE, "a", "b", 2), "update");
    assert_string_equal(view_of("park", "=", "", 30, NULL, NULL, 2), "update"); /* "" = has none */
    assert_string_equal(view_of("park", "!=", "", 30, NULL, "jingkai", 2), "enter");
    assert_string_equal(view_of("tags", "=", "", TAGS, "大", NULL, 2), "enter");
    assert_string_equal(view_of("tags", "=", "链", AUTO_TAGS, "二产", "链,二产", 2),
                        "enter"); /* tags by rule */
    assert_string_equal(view_of("tags", "=", "", AUTO_TAGS, NULL, "二产", 2), "leave");
    assert_string_equal(view_of("tags", "!=", "二产", AUTO_TAGS, NULL, "二产", 2), "leave");
    assert_non_null((compile("auto_tags", "=", "二产", &code), code)); /* asked for by tags alone */
    assert_string_equal(view_of("industry", "=", "", INDUSTRY, NULL, "C38", 2), "leave");
    assert_string_equal(view_of("amount_total", "=", "350000000", AMOUNT_TOTAL, NULL, "350000000.00", 2),
                        "enter");
    assert_null(view_of("kind", "=", "matter", OFFICE, "a", "b", 2));
    arena_free(&arena);
}

static enum view_chance chance_of(const char *field, const char *op, const char *value, const char *subjects)
{
    const char *code;
    struct view filter = compile(field, op, value, &code);
    assert_null(code);
    return view_chance(&filter, subjects);
}

/* What a watch learns from the subjects of many changes, without reading them. */
static void many_at_once(void **state)
{
    static const char subjects[] =
        "2026-0001\n2026-0010\nindustry=C3825\nkind=project\np1\np12\np3\nstage=lead\ntags=大\ntags=链";
    static const struct {
        const char *field, *op, *value;
        enum view_chance chance;
    } terms[] = {
        {"project", "=", "p1", VIEW_SURELY},
        {"project", "=", "p12", VIEW_SURELY},
        {"project", "=", "2026-0001", VIEW_SURELY},
        {"project", "=", "p", VIEW_NEVER},
        {"project", "=", "p2", VIEW_NEVER},
        {"project", "=", "2026-001", VIEW_NEVER},
        {"project", "=", "z", VIEW_NEVER},
        {"project", "=", "1", VIEW_NEVER},
        {"industry", "=", "C38", VIEW_SURELY},
        {"industry", "=", "C38251", VIEW_NEVER},
        {"industry", "=", "C39", VIEW_NEVER},
        {"kind", "=", "project", VIEW_SURELY},
        {"kind", "=", "proj", VIEW_NEVER},
        {"stage", "=", "lead", VIEW_SURELY},
        {"stage", "=", "leads", VIEW_NEVER},
        {"stage", "!=", "lead", VIEW_PERHAPS},
        {"stage", "=", "", VIEW_PERHAPS},
        {"tags", "=", "链", VIEW_SURELY},
        {"tags", "=", "新", VIEW_NEVER},
        {"amount_total", ">=", "1", VIEW_PERHAPS},
        {"office", "=", "a\nstage", VIEW_PERHAPS},
        {"office", "=", "chengguan", VIEW_NEVER},
    };
    (void)state;
    arena_init(&arena, 64 * 1024);
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++)
        assert_int_equal(chance_of(terms[i].field, terms[i].op, terms[i].value, subjects), terms[i].chance);
    assert_int_equal(chance_of("stage", "=", "lead", ""), VIEW_NEVER);
    assert_int_equal(chance_of("stage", "=", "lead", "stage=lead"), VIEW_SURELY);
    struct view all = {0};
    assert_int_equal(view_chance(&all, subjects), VIEW_SURELY);
    arena_free(&arena);
}

/* Two terms that hold may do so for two changes; one that doesn't is enough. */
static void many_by_two_terms(void **state)
{
    static const char subjects[] = "office=jingkai\np1\nstage=lead";
    Qipan__Term office = QIPAN__TERM__INIT, stage = QIPAN__TERM__INIT, *terms[] = {&office, &stage};
    char *jingkai = (char *)"jingkai", *lead = (char *)"lead";
    const char *wrong;
    struct view view;
    (void)state;
    arena_init(&arena, 64 * 1024);
    office.field = (char *)"office";
    stage.field = (char *)"stage";
    office.op = stage.op = (char *)"=";
    office.n_values = stage.n_values = 1;
    office.values = &jingkai;
    stage.values = &lead;
    assert_null(view_compile(terms, 2, &arena, &view, &wrong));
    assert_int_equal(view_chance(&view, subjects), VIEW_PERHAPS);
    assert_int_equal(view_chance(&view, "office=jingkai\np1\nstage=talks"), VIEW_NEVER);
    arena_free(&arena);
}

/* The same word is another number in another message, and some kinds have no such field. */
static void fields_of_another_kind(void **state)
{
    (void)state;
    const char *code;
    Qipan__FieldValue region = QIPAN__FIELD_VALUE__INIT, industry = QIPAN__FIELD_VALUE__INIT;
    Qipan__FieldValue *row[] = {&region, &industry};
    Qipan__Event event = QIPAN__EVENT__INIT;
    arena_init(&arena, 64 * 1024);
    region.number = 5;
    region.value = (char *)"340000";
    industry.number = 6;
    industry.value = (char *)"C38";
    event.object = (char *)"e1";
    event.kind = (char *)"enterprise";
    event.version = 1;
    event.n_row = 2;
    event.row = row;
    struct view c = compile("industry", "=", "C", &code), not_c = compile("industry", "!=", "C", &code);
    assert_string_equal(view_judge(&c, &event), "enter");
    assert_null(view_judge(&not_c, &event));
    struct view stage = compile("stage", "=", "lead", &code);
    assert_null(view_judge(&stage, &event));
    arena_free(&arena);
}

/* A record names its project, with the number, and its office. */
static void of_a_record(void **state)
{
    (void)state;
    const char *code;
    Qipan__FieldValue values[3], *row[3];
    static const struct {
        uint32_t number;
        const char *value;
    } wanted[] = {{3, "p1"}, {4, "chengguan"}, {8, "2026-0042"}};
    for (int i = 0; i < 3; i++) {
        qipan__field_value__init(row[i] = &values[i]);
        values[i].number = wanted[i].number;
        values[i].value = (char *)wanted[i].value;
    }
    Qipan__Event event = QIPAN__EVENT__INIT;
    event.object = (char *)"av1";
    event.kind = (char *)"activity";
    event.version = 2;
    event.n_row = 3;
    event.row = row;
    arena_init(&arena, 64 * 1024);
    struct view id = compile("project", "=", "p1", &code), no = compile("project", "=", "2026-0042", &code);
    struct view kind = compile("kind", "=", "activity", &code), own = compile("project", "=", "av1", &code);
    struct view office = compile("office", "=", "chengguan", &code);
    assert_string_equal(view_judge(&id, &event), "update");
    assert_string_equal(view_judge(&no, &event), "update");
    assert_string_equal(view_judge(&kind, &event), "update");
    assert_string_equal(view_judge(&office, &event), "update");
    assert_string_equal(view_judge(&own, &event), "update"); /* itself */
    arena_free(&arena);
}

/* An office that helps is told, too: it came by this change, another went. */
static void helping_offices(void **state)
{
    (void)state;
    const char *code;
    Qipan__FieldValue office = QIPAN__FIELD_VALUE__INIT, helpers = QIPAN__FIELD_VALUE__INIT;
    Qipan__FieldValue *row[] = {&office, &helpers};
    Qipan__FieldChange change = QIPAN__FIELD_CHANGE__INIT, *changes[] = {&change};
    Qipan__Event event = QIPAN__EVENT__INIT;
    office.number = 4;
    office.value = (char *)"chengguan";
    helpers.number = change.number = 10;
    helpers.value = change.new_ = (char *)"fagai,ziran";
    change.old = (char *)"fagai,shuju";
    event.object = (char *)"mt1";
    event.kind = (char *)"matter";
    event.version = 2;
    event.n_row = 2;
    event.row = row;
    event.n_changes = 1;
    event.changes = changes;
    arena_init(&arena, 64 * 1024);
    struct view lead = compile("office", "=", "chengguan", &code),
                stays = compile("office", "=", "fagai", &code);
    assert_string_equal(view_judge(&lead, &event), "update");
    assert_string_equal(view_judge(&stays, &event), "update");
    struct view comes = compile("office", "=", "ziran", &code), goes = compile("office", "=", "shuju", &code);
    assert_string_equal(view_judge(&comes, &event), "enter");
    assert_string_equal(view_judge(&goes, &event), "leave");
    struct view others = compile("office", "!=", "fagai", &code), part = compile("office", "=", "fag", &code);
    assert_null(view_judge(&others, &event));
    assert_null(view_judge(&part, &event));
    arena_free(&arena);
}

static void bad_terms(void **state)
{
    (void)state;
    const char *code;
    arena_init(&arena, 64 * 1024);
    compile("name", "=", "x", &code); /* a field, but not a watchable one */
    assert_string_equal(code, "INVALID_ARGUMENT");
    compile("stage", "~", "x", &code);
    assert_string_equal(code, "INVALID_ARGUMENT");
    compile("amount_total", ">=", "much", &code);
    assert_string_equal(code, "INVALID_ARGUMENT");
    compile("stage", ">=", "talks", &code);
    assert_string_equal(code, "INVALID_ARGUMENT");
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(views),
                                       cmocka_unit_test(bad_terms),
                                       cmocka_unit_test(fields_of_another_kind),
                                       cmocka_unit_test(of_a_record),
                                       cmocka_unit_test(helping_offices),
                                       cmocka_unit_test(many_at_once),
                                       cmocka_unit_test(many_by_two_terms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
