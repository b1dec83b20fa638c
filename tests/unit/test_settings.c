/* SPDX-License-Identifier: Apache-2.0 */
/* The client's settings file. */
#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char path[] = "/tmp/qipan-settings-XXXXXX", err[SETTINGS_ERR_SIZE];

static bool read_text(const char *text, struct settings *s)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    err[0] = '\0';
    memset(s, 0, sizeof *s);
    return settings_read(path, s, err);
}

#define GOOD                                                                                                 \
    "[client]\ndefault_context = b\nlang = en\n"                                                             \
    "[context a]\naddress = h:1, h:2\nca = ca.pem\ncert = /x/a.pem\nkey = a.key\n"                           \
    "[context b]\naddress = h\nca = ca.pem\ncert = b.pem\nkey = b.key\ncrl = crl.pem\n"

static void test_contexts(void **state)
{
    const struct settings_context *c;
    struct settings s;

    (void)state;
    assert_true(read_text(GOOD, &s));
    assert_int_equal(s.n_contexts, 2);
    assert_string_equal(s.lang, "en");
    c = settings_choose(&s, NULL, err);
    assert_string_equal(c->name, "b");
    assert_string_equal(c->crl, "/tmp/crl.pem");
    c = settings_choose(&s, "a", err);
    assert_string_equal(c->address, "h:1, h:2");
    assert_string_equal(c->cert, "/x/a.pem");
    assert_string_equal(c->key, "/tmp/a.key");
    assert_null(c->crl);
    assert_null(settings_choose(&s, "c", err));
    assert_non_null(strstr(err, "a b"));
    settings_free(&s);
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "context"},
        {"[context a]\naddress = h\n", "\"a\""},
        {"[context a]\nadress = h\n", "line 2: unknown key \"adress\""},
        {"[client]\nlanguage = h\n", "line 2"},
        {"[clint]\nlang = zh\n", "[clint]"},
        {"[client]\nlang\n", "line 2"},
    };
    struct settings s;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(read_text(bad[i].text, &s));
        if (!strstr(err, bad[i].says))
            fail_msg("\"%s\" doesn't say \"%s\"", err, bad[i].says);
    }
    assert_false(settings_read("/nowhere/qipan.ini", &s, err));
    assert_non_null(strstr(err, "/nowhere/qipan.ini"));
}

static void test_path(void **state)
{
    char *p;

    (void)state;
    setenv("QIPAN_CONFIG", "/a/b.ini", 1);
    p = settings_path();
    assert_string_equal(p, "/a/b.ini");
    free(p);
    unsetenv("QIPAN_CONFIG");
    setenv("XDG_CONFIG_HOME", "/x", 1);
    p = settings_path();
    assert_string_equal(p, "/x/qipan/qipan.ini");
    free(p);
    unsetenv("XDG_CONFIG_HOME");
    setenv("HOME", "/h", 1);
    p = settings_path();
    assert_string_equal(p, "/h/.config/qipan/qipan.ini");
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_path),
    };
    int failed;

    close(mkstemp(path));
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
