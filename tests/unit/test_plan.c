/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts of exports: what a file says, and the sentence with the line when it says nothing that can be. */
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char out[8192];
static size_t out_n;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    out_n += (size_t)vsnprintf(out + out_n, sizeof(out) - out_n, format, ap);
    va_end(ap);
}

static void say_word(const char *name, const char *text)
{
    if (text)
        say(" %s=%s", name, text);
}

/* heading<above<…: KIND: 'text'+field (options) */
static void say_column(const struct plan_column *c)
{
    say("%s", c->heading[0]);
    for (int i = 1; i < TABLE_LEVELS && c->heading[i]; i++)
        say("<%s", c->heading[i]);
    say(":%s", c->number ? " #" : "");
    if (c->kind)
        say(" %s:", c->kind);
    for (size_t i = 0; i < c->n_parts; i++)
        say(c->parts[i].literal ? "%s'%s'" : "%s%s", i ? "+" : " ",
            c->parts[i].literal ? c->parts[i].literal : c->parts[i].field);
    say_word("unit", c->unit);
    if (c->width)
        say(" width=%d", c->width);
    if (c->last)
        say(" last=%d", c->last);
    say("%s; ", c->sum ? " sum" : "");
}

/* All of it on one line, or "!" and the sentence. */
static const char *read_plan(const char *text)
{
    char why[PLAN_WHY_SIZE] = "";
    struct plan *p = plan_read(text, strlen(text), why);

    out_n = 0;
    out[0] = 0;
    if (!p) {
        assert_true(why[0] != 0);
        say("!%s", why);
        return out;
    }
    say_word("kind", p->kind);
    say_word("unit", p->unit);
    say_word("filter", p->filter);
    say_word("sort", p->sort);
    say_word("group", p->group);
    for (size_t i = 0; i < p->n_titles; i++)
        say(" [%s]", p->titles[i]);
    say("%s | ", p->total ? " total" : "");
    for (size_t i = 0; i < p->n_columns; i++)
        say_column(&p->columns[i]);
    plan_free(p);
    return out;
}

#define same(text, want) assert_string_equal(read_plan(text), want)

static void tables(void **state)
{
    (void)state;
    same("[columns]\n名称 = name\n", " unit=万元 | 名称: name; ");
    same("# a\n\n[table]\nkind = matter\nunit = 亿元\nfilter = state=open office=a\nsort = no\ngroup = "
         "office\ntitle = {year}年表\n"
         "title = \"  二 \"\ntotal = yes\n[columns]\n事项 = subject\n",
         " kind=matter unit=亿元 filter=state=open office=a sort=no group=office [{year}年表] [  二 ] total "
         "| 事项: subject; ");
    same("[columns]\n名称 = name\n[table]\ntotal = no\n", " unit=万元 | 名称: name; ");
}

static void columns(void **state)
{
    (void)state;
    same("[columns]\n序号 = #\n备注 = \"\" width 24\n", " unit=万元 | 序号: #; 备注: width=24; ");
    same("[columns]\n投资 / 其中 / 总投资 = amount_total unit 亿元 width 12 sum\n",
         " unit=万元 | 总投资<其中<投资: amount_total unit=亿元 width=12 sum; ");
    same("[columns]\n投资方 = investor + '(' + region + ')'\n",
         " unit=万元 | 投资方: investor+'('+region+')'; ");
    same("[columns]\n洽谈 = activity: held_on + ' ' + result last 3 width 44\n",
         " unit=万元 | 洽谈: activity: held_on+' '+result width=44 last=3; ");
    same("[columns]\n说明 = '用途:' + site\n", " unit=万元 | 说明: '用途:'+site; ");
    same("[columns]\n\"a = b\" = name\n", " unit=万元 | a = b: name; ");
}

static void refusals(void **state)
{
    (void)state;
    same("", "!the layout names no column");
    same("[table]\nkind = project\n", "!the layout names no column");
    same("名称 = name\n", "!line 1: the sections of a layout are [table] and [columns]");
    same("[source]\n", "!line 1: the sections of a layout are [table] and [columns]");
    same("[table]\nkin = x\n", "!line 2: unknown line \"kin\", did you mean \"kind\"?");
    same("[table]\ntotal = ja\n", "!line 2: total is yes or no");
    same("[table]\ntitle = 1\ntitle = 2\ntitle = 3\ntitle = 4\ntitle = 5\n", "!line 6: more than 4 titles");
    same("[columns]\na / b / c / d = name\n", "!line 2: a heading has at most 3 levels");
    same("[columns]\na = name xyzzy\n", "!line 2: unknown word \"xyzzy\"");
    same("[columns]\na = name widht 3\n", "!line 2: unknown word \"widht\", did you mean \"width\"?");
    same("[columns]\na = name width\n", "!line 2: a number from 1 to 999 is missing");
    same("[columns]\na = name width 1000\n", "!line 2: a number from 1 to 999 is missing");
    same("[columns]\na = name last 99999999999999999999\n", "!line 2: a number from 1 to 999 is missing");
    same("[columns]\na = name unit\n", "!line 2: the unit is missing");
    same("[columns]\na = name +\n", "!line 2: the name of a field is missing");
    same("[columns]\na = 'x\n", "!line 2: a closing ' is missing");
    same("[columns]\na = a+b+c+d+e+f+g+h+i\n", "!line 2: more than 8 columns joined");
    same("[columns]\na\n", "!line 2: a line is NAME = VALUE");
    same("[columns]\na = \xFF\n", "!the mapping file is not UTF-8");
}

static void bounds(void **state)
{
    static char text[1 << 20];
    char why[PLAN_WHY_SIZE];
    size_t n = (size_t)sprintf(text, "[columns]\n");

    (void)state;
    for (int i = 0; i < TABLE_MAX_COLUMNS - 2; i++)
        n += (size_t)sprintf(text + n, "c%d = name\n", i);
    struct plan *p = plan_read(text, n, why);
    assert_non_null(p);
    assert_int_equal(p->n_columns, TABLE_MAX_COLUMNS - 2);
    plan_free(p);
    strcpy(text + n, "one = more\n");
    assert_null(plan_read(text, strlen(text), why));
    assert_non_null(strstr(why, "more than 126 columns"));
    memset(text, '#', sizeof(text));
    assert_null(plan_read(text, sizeof(text), why));
    assert_non_null(strstr(why, "too large"));
}

/* Those that are shipped are read. */
static void examples(void **state)
{
    static const char *const names[] = {"assigned", "dispatch", "intents", "leads", "signed", "talks"};
    static char text[8192];
    char path[64];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "deploy/examples/%s.layout", names[i]);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        text[fread(text, 1, sizeof(text) - 1, f)] = 0;
        fclose(f);
        if (*read_plan(text) == '!')
            fail_msg("%s: %s", path, out);
        memset(text, 0, sizeof(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables), cmocka_unit_test(columns),  cmocka_unit_test(refusals),
        cmocka_unit_test(bounds), cmocka_unit_test(examples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
