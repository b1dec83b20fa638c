/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* "field op a|b; field op a" of what was understood, or "!" and the sentence and the hint. */
static const char *parse(const char *text, enum filter_use use)
{
    static char out[2000];
    struct arena arena;
    struct filter f;
    struct value_error e = {0};
    size_t n = 0;

    arena_init(&arena, 1024 * 1024);
    out[0] = 0;
    if (!filter_parse(text, use, &arena, &f, &e)) {
        snprintf(out, sizeof(out), "!%s / %s", e.message, e.hint);
    } else {
        for (size_t i = 0; i < f.n_terms; i++) {
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s %s ", i ? "; " : "", f.terms[i]->field,
                                  f.terms[i]->op);
            for (size_t k = 0; k < f.terms[i]->n_values; k++)
                n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", k ? "|" : "", f.terms[i]->values[k]);
        }
    }
    arena_free(&arena);
    return out;
}

#define same(text, want) assert_string_equal(parse(text, FILTER_LIST), want)

static void refused(const char *text, enum filter_use use, const char *part)
{
    const char *s = parse(text, use);

    if (s[0] != '!' || !strstr(s, part))
        fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, s, part);
}

/* Every field of another message, with the values in their canonical form. */
static void of_a_record(void **state)
{
    struct arena arena;
    struct filter f;
    struct value_error e = {0};

    (void)state;
    arena_init(&arena, 1024 * 1024);
    assert_true(filter_parse_of("project=2026-0042 class=talk,拜访 held_on>=2026年5月 counterpart~公司",
                                &qipan__activity__descriptor, &arena, &f, &e));
    assert_int_equal(f.n_terms, 4);
    assert_string_equal(f.terms[0]->field, "project");
    assert_string_equal(f.terms[0]->values[0], "2026-0042");
    assert_string_equal(f.terms[1]->values[1], "拜访"); /* the registry knows the codes */
    assert_string_equal(f.terms[2]->values[0], "2026-05");
    assert_false(filter_parse_of("reslt~x", &qipan__activity__descriptor, &arena, &f, &e));
    assert_non_null(strstr(e.hint, "result"));
    assert_false(filter_parse_of("stage=talks", &qipan__activity__descriptor, &arena, &f, &e));
    arena_free(&arena);
}

static void understood(void **state)
{
    (void)state;
    same("stage=talks,signed office=chengguan amount_total>=1亿 name~光伏 tag=链",
         "stage = talks|signed; office = chengguan; amount_total >= 100000000.00; name ~ 光伏; tags = 链");
    same("", "");
    assert_string_equal(parse(NULL, FILTER_LIST), "");
    same("  stage!=suspended　park=jingkai", "stage != suspended; park = jingkai");
    same("amount_total >= 1,200万", "amount_total >= 12000000.00");
    same("总投资≥3.5亿元", "amount_total >= 350000000.00");
    same("name=\"光伏 组件, 二期\"", "name = 光伏 组件, 二期");
    same("name='say \"hi\"'", "name = say \"hi\"");
    same("name=\"a \"\"b\"\" c\",x", "name = a \"b\" c|x");
    same("park=\"\"", "park = ");
    same("signed_on>=2026.03", "signed_on >= 2026-03");
    same("changed_at<2026-01-01T00:00:00Z", "changed_at < 2026-01-01T00:00:00Z");
    same("stage=talks，signed、landed", "stage = talks|signed|landed");
    same("jobs>200 land_mu<50亩", "jobs > 200; land_mu < 50");
    same("project=abc", "id = abc");
    assert_string_equal(parse("project=abc kind=project tag=大", FILTER_WATCH),
                        "project = abc; kind = project; tags = 大");
}

static void refusals(void **state)
{
    (void)state;
    refused("stge=talks", FILTER_LIST, "did you mean stage?");
    refused("xyzzy=1", FILTER_LIST, "unknown field \"xyzzy\"");
    refused("stage", FILTER_LIST, "no operator");
    refused("stage=>talks", FILTER_LIST, "unknown operator \"=>\"");
    refused("name==x", FILTER_LIST, "unknown operator \"==\"");
    refused("stage>=talks", FILTER_LIST, "does not apply");
    refused("amount_total~1", FILTER_LIST, "does not apply");
    refused("amount_total>=约1亿", FILTER_LIST, "not exact");
    refused("amount_total>=1亿,2亿", FILTER_LIST, "one value");
    refused("name=\"open", FILTER_LIST, "closing");
    refused("name=", FILTER_LIST, "value is missing");
    refused("park= office=x", FILTER_LIST, "\"=\" inside a value");
    refused("name=\"a\"b", FILTER_LIST, "unexpected");
    refused("=talks", FILTER_LIST, "name is missing");
    refused("signed_on>=2022.1", FILTER_LIST, "month 1 or 10");
    refused("name~\xFF", FILTER_LIST, "UTF-8");
}

static void watchable(void **state)
{
    (void)state;
    refused("name~光伏", FILTER_WATCH, "can't be filtered by name");
    refused("ofice=x", FILTER_WATCH, "did you mean office?");
    assert_string_equal(parse("amount_total>=1亿", FILTER_WATCH), "amount_total >= 100000000.00");
}

static void bounds(void **state)
{
    char text[4000] = "";

    (void)state;
    for (int i = 0; i < FILTER_MAX_TERMS + 1; i++)
        strcat(text, "stage=a ");
    refused(text, FILTER_LIST, "more than 32 conditions");
    strcpy(text, "stage=");
    for (int i = 0; i < FILTER_MAX_VALUES + 1; i++)
        strcat(text, i ? ",a" : "a");
    refused(text, FILTER_LIST, "more than 64 values");
}

static void help(void **state)
{
    int n = 0;

    (void)state;
    for (const struct filter_help *h = filter_help; h->op; h++, n++)
        if (parse(h->example, FILTER_LIST)[0] == '!')
            fail_msg("%s: %s", h->example, parse(h->example, FILTER_LIST));
    assert_int_equal(n, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understood),  cmocka_unit_test(refusals), cmocka_unit_test(watchable),
        cmocka_unit_test(of_a_record), cmocka_unit_test(bounds),   cmocka_unit_test(help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
