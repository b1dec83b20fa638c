/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of verbs.def: the table fits the messages, and words become the request. */
#include "cli/record.h"

#include "cli/help.h"
#include "cli/out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MOST 12 /* words of a test */

static struct cli cli;
static struct record_call call;
static char *said; /* on stderr */

static int take(const char *family, const char *word, ...)
{
    char *argv[MOST + 2] = {(char *)word}, *next;
    FILE *real = stderr;
    size_t size;
    int argc = 1, code;
    va_list words;

    va_start(words, word);
    while ((next = va_arg(words, char *)) && argc <= MOST)
        argv[argc++] = next;
    va_end(words);
    free(said);
    said = NULL;
    stderr = open_memstream(&said, &size);
    code = record_take(&cli, record_verb(family, word), argc, argv, &call);
    fclose(stderr);
    stderr = real;
    return code;
}

static void told(int code, int wanted, const char *part)
{
    assert_int_equal(code, wanted);
    if (!strstr(said, part))
        fail_msg("\"%s\" does not say \"%s\"", said, part);
}

static int fresh(void **state)
{
    (void)state;
    cli = (struct cli){.output = OUT_TABLE, .lang = "en"};
    arena_init(&cli.arena, CLI_ARENA);
    return 0;
}

static int over(void **state)
{
    (void)state;
    arena_free(&cli.arena);
    free(said);
    said = NULL;
    return 0;
}

/* ---------------------------------------------------------------- the table */

static void has_fields(const struct verb *v, const ProtobufCMessageDescriptor *desc, const char *names,
                       const char *between)
{
    char copy[1000], *save, *name, *rest;

    snprintf(copy, sizeof copy, "%s", names);
    for (char *p = copy; (name = strtok_r(p, between, &save)); p = NULL) {
        if ((rest = strstr(name, "…")) || (rest = strchr(name, '?')))
            *rest = '\0';
        if (!desc || !record_field(desc, name))
            fail_msg("%s %s: no field %s", v->family, v->word, name);
    }
}

static void table(void **state)
{
    (void)state;
    for (const struct verb *v = record_verbs; v->family; v++) {
        const struct op_info *op = op_by_number(v->op);
        char words[100];

        snprintf(words, sizeof words, "%s %s", v->family, v->word);
        assert_ptr_equal(record_verb(v->family, v->word), v); /* once */
        assert_non_null(help_find(v->family));
        has_fields(v, op->request, v->positional, " ");
        has_fields(v, record_rows(v), v->columns, ",");
        assert_true(strncmp(record_form(&cli.arena, v) + 6, words, strlen(words)) == 0);
        if (record_field(op->request, "terms"))
            assert_non_null(record_terms(v));
    }
    assert_ptr_equal(record_terms(record_verb("project", "pipeline")), &qipan__project__descriptor);
    assert_ptr_equal(record_terms(record_verb("matter", "list")), &qipan__matter__descriptor);
    assert_null(record_terms(record_verb("matter", "show")));
    assert_null(record_verb("activity", "nothing"));
    assert_null(record_verb("activity", NULL));
    assert_null(record_verb(NULL, NULL));
}

static void forms(void **state)
{
    (void)state;
    assert_string_equal(record_form(&cli.arena, record_verb("activity", "add")),
                        "qipan activity add FIELD=VALUE… [--reason TEXT]");
    assert_string_equal(record_form(&cli.arena, record_verb("activity", "edit")),
                        "qipan activity edit ID FIELD=VALUE… [--reason TEXT] [--force] [--base VERSION]");
    assert_string_equal(record_form(&cli.arena, record_verb("activity", "list")),
                        "qipan activity list [FIELD=VALUE…] [--filter EXPR] [--sort [-]FIELD]");
    assert_string_equal(record_form(&cli.arena, record_verb("activity", "show")), "qipan activity show ID");
    assert_string_equal(record_form(&cli.arena, record_verb("matter", "mine")),
                        "qipan matter mine [WHAT] [FIELD=VALUE…] [--filter EXPR]");
    assert_string_equal(record_form(&cli.arena, record_verb("matter", "split")),
                        "qipan matter split ID OFFICES… [--reason TEXT] [--base VERSION]");
    assert_true(record_takes_value(record_verb("activity", "edit"), "--reason"));
    assert_true(record_takes_value(record_verb("activity", "edit"), "--base"));
    assert_false(record_takes_value(record_verb("activity", "edit"), "--force"));
    assert_false(record_takes_value(record_verb("activity", "show"), "--sort"));
    assert_true(record_takes_value(record_verb("activity", "list"), "--sort"));
}

/* ---------------------------------------------------------------- words */

static void a_change(void **state)
{
    const Qipan__ActivitySetRequest *r;

    (void)state;
    assert_int_equal(take("activity", "edit", "av1", "held_on=2026年5月1日", "--base", "7", "result=a=b",
                          "next_step=", "--reason", "r", "--force", NULL),
                     0);
    r = (const Qipan__ActivitySetRequest *)call.request;
    assert_string_equal(r->id, "av1");
    assert_string_equal(r->set->held_on, "2026-05-01");
    assert_string_equal(r->set->result, "a=b");
    assert_int_equal(r->n_clear, 1);
    assert_string_equal(r->clear[0], "next_step");
    assert_string_equal(r->reason, "r");
    assert_true(r->has_force && r->force);
    assert_int_equal(call.base, 7);
}

static void a_new_one(void **state)
{
    const Qipan__ActivitySetRequest *r;

    (void)state;
    assert_int_equal(take("activity", "add", "class=talk", "系统编号=x", NULL),
                     EXIT_INVALID); /* the registry's */
    assert_int_equal(take("activity", "add", "class=talk", "project=2026-0042", NULL), 0);
    r = (const Qipan__ActivitySetRequest *)call.request;
    assert_null(r->id);
    assert_string_equal(r->set->project, "2026-0042");
    assert_int_equal(r->n_clear, 0);
    assert_false(r->has_force);
    assert_int_equal(call.base, 0);
}

static void a_list(void **state)
{
    const Qipan__RecordListRequest *r;

    (void)state;
    assert_int_equal(take("activity", "list", "class=talk", "--filter", "held_on>=2026", "result~意向",
                          "--sort", "-held_on", NULL),
                     0);
    r = (const Qipan__RecordListRequest *)call.request;
    assert_int_equal(r->n_terms, 3);
    assert_string_equal(r->terms[0]->field, "class");
    assert_string_equal(r->terms[1]->op, "~");
    assert_string_equal(r->terms[2]->values[0], "2026");
    assert_string_equal(r->sort, "-held_on");
    assert_int_equal(take("activity", "list", NULL), 0);
    assert_int_equal(((const Qipan__RecordListRequest *)call.request)->n_terms, 0);
}

static void a_word_that_may_be_left_out(void **state)
{
    const Qipan__MatterMineRequest *r;

    (void)state;
    assert_int_equal(take("matter", "mine", NULL), 0);
    r = (const Qipan__MatterMineRequest *)call.request;
    assert_null(r->what);
    assert_int_equal(take("matter", "mine", "class=order", NULL), 0);
    r = (const Qipan__MatterMineRequest *)call.request;
    assert_null(r->what);
    assert_int_equal(r->n_terms, 1);
    assert_int_equal(take("matter", "mine", "sign", "class=order", NULL), 0);
    r = (const Qipan__MatterMineRequest *)call.request;
    assert_string_equal(r->what, "sign");
    assert_int_equal(r->n_terms, 1);
}

static void wrong_words(void **state)
{
    (void)state;
    told(take("activity", "edit", NULL), EXIT_USAGE, "activity edit needs ID");
    told(take("activity", "edit", "result=x", NULL), EXIT_USAGE, "activity edit needs ID");
    told(take("activity", "edit", "av1", NULL), EXIT_USAGE, "needs FIELD=VALUE words");
    told(take("activity", "edit", "av1", "word", NULL), EXIT_USAGE, "\"word\"");
    told(take("activity", "edit", "av1", "reslt=x", NULL), EXIT_INVALID, "\"result\"");
    told(take("activity", "edit", "av1", "result=x", "result=y", NULL), EXIT_INVALID, "given twice");
    told(take("activity", "edit", "av1", "result=x", "--reson", "y", NULL), EXIT_USAGE, "\"--reason\"");
    told(take("activity", "edit", "av1", "result=x", "--force", NULL), EXIT_USAGE, "--force needs --reason");
    told(take("activity", "edit", "av1", "result=x", "--base", "0", NULL), EXIT_USAGE,
         "--base needs a version");
    told(take("activity", "edit", "av1", "version=3", NULL), EXIT_INVALID, "the registry itself sets");
    told(take("activity", "add", "result=x", "--force", NULL), EXIT_USAGE, "--force");
    told(take("activity", "add", "held_on=2026-02-30", NULL), EXIT_INVALID, "2026-02-30");
    told(take("activity", "list", "reslt=x", NULL), EXIT_INVALID, "result");
    told(take("activity", "list", "word", NULL), EXIT_INVALID, "word");
    told(take("activity", "show", "a", "b", NULL), EXIT_USAGE, "too many words: \"b\"");
    told(take("activity", "show", "a", "--base", "1", NULL), EXIT_USAGE, "--base");
    cli.form = "the form";
    told(take("activity", "show", NULL), EXIT_USAGE, "the form");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(table, fresh, over),
        cmocka_unit_test_setup_teardown(forms, fresh, over),
        cmocka_unit_test_setup_teardown(a_change, fresh, over),
        cmocka_unit_test_setup_teardown(a_new_one, fresh, over),
        cmocka_unit_test_setup_teardown(a_list, fresh, over),
        cmocka_unit_test_setup_teardown(a_word_that_may_be_left_out, fresh, over),
        cmocka_unit_test_setup_teardown(wrong_words, fresh, over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
