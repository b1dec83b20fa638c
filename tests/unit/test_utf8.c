/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* Encodes any number below 2^21, right or wrong: the reference the decoder is held against. */
static size_t encode(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x1fffff; c++) {
        uint8_t bytes[4];
        const uint8_t *p = bytes;
        size_t n = encode(c, bytes);
        bool good = c != 0 && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);

        if (utf8_valid(bytes, n) != good)
            fail_msg("U+%04X", c);
        if (!good)
            continue;
        assert_int_equal(utf8_next(&p, bytes + n), c);
        assert_ptr_equal(p, bytes + n);
    }
}

static bool valid(const char *s)
{
    return utf8_valid((const uint8_t *)s, strlen(s));
}

static void broken_sequences(void **state)
{
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc3",
                                      "\xc3(",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe4\xb8",
                                      "\xe0\x80\x80",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf0\x9f\x98",
                                      "\xf8",
                                      "\xf4\x90\x80\x80",
                                      "\xff",
                                      "\xfe",
                                      "ab\xe4\xb8"
                                      "c",
                                      "\xf0\x80\x80\x80"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (valid(bad[i]))
            fail_msg("case %zu passes", i);
    assert_true(valid("棋盘 🀄 plain"));
    assert_true(utf8_valid(NULL, 0));
    assert_false(utf8_valid((const uint8_t *)"a\0b", 3));
}

static bool clean(const char *s)
{
    return utf8_clean((const uint8_t *)s, strlen(s));
}

static void characters_that_lie(void **state)
{
    static const char *const bad[] = {
        "a\x01",  "\r",         "\x1b[2J",    "\x7f",       "\xc2\x80",     "\xc2\x9f", /* C1 */
        "\u2028", "\u2029",     "\u200e",     "\u200f",     "\u202a",       "\u202e",
        "\u2066", "\u2069",     "\u061c",     "\ufeff",     "\ufffe",       "\uffff",
        "\ufdd0", "\ufdef",     "\U0001fffe", "\U0010ffff", "\xed\xa0\x80", "\u206a",
        "\ufff9", "\U000e0001", "\U000e0041", "\U000f0000", "\U00100000"};
    static const char *const good[] = {"",
                                       "\t\n",
                                       "~",
                                       "\u00a0",
                                       "\u200b",
                                       "\u2027",
                                       "\u202f",
                                       "\ue1da",       /* private, as GB18030 files have it */
                                       "葛\U000e0100", /* a variant of a character */
                                       "\ufdcf",
                                       "\ufdf0",
                                       "\ufffd",
                                       "3.5亿元，“一盘棋”",
                                       "\U00020000",
                                       "\U0001fffd"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (clean(bad[i]))
            fail_msg("bad %zu passes", i);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!clean(good[i]))
            fail_msg("good %zu is refused", i);
    assert_false(utf8_clean((const uint8_t *)"a\0b", 3));
}

static void towers_of_marks(void **state)
{
    char s[256] = "e";

    (void)state;
    for (int i = 0; i < 32; i++)
        strcat(s, i % 2 ? "\u0301" : "\u20d0");
    assert_true(clean(s));
    strcat(s, "\u1ab0");
    assert_false(clean(s));
    strcpy(s, "e"); /* any letter between begins a new count */
    for (int i = 0; i < 60; i++)
        strcat(s, i == 30 ? "x" : "\u0301");
    assert_true(clean(s));
}

/* The text as people get it; room one byte short of `size` cuts before a character, never in it. */
static const char *shown(const char *text, size_t size)
{
    static char out[400];

    size_t n = utf8_show(out, size, text);

    assert_int_equal(n, strlen(out));
    assert_true(strlen(out) < size);
    return out;
}

static void shown_to_people(void **state)
{
    (void)state;
    assert_string_equal(shown("棋盘 plain = +1", 400), "棋盘 plain = +1");
    assert_string_equal(shown("a\x1b]0;x\x07 b\r\n\t\x7f", 400),
                        "a\\u{1B}]0;x\\u{7} b\\u{D}\\u{A}\\u{9}\\u{7F}");
    assert_string_equal(shown("\xc2\x9b\u202e\u200b\U000e0041\u2066", 400),
                        "\\u{9B}\\u{202E}\\u{200B}\\u{E0041}\\u{2066}");
    assert_string_equal(shown("x\x9b\xe6\xa3", 400), "x\\x9b\\xe6\\xa3"); /* no UTF-8 */
    assert_string_equal(shown("ab棋", 5), "ab");
    assert_string_equal(shown("ab棋", 6), "ab棋");
    assert_string_equal(shown("a\u202e", 9), "a");
    assert_string_equal(shown("", 1), "");
}

/* Whatever is shown is clean, and none of its characters needs to be shown again. */
static void shown_is_safe(void **state)
{
    (void)state;
    for (uint32_t c = 1; c < 0x1fffff; c++) {
        uint8_t bytes[5];
        char out[5 * UTF8_SHOWN], again[5 * UTF8_SHOWN];

        bytes[encode(c, bytes)] = '\0';
        utf8_show(out, sizeof(out), (const char *)bytes);
        utf8_show(again, sizeof(again), out);
        if (!clean(out) || strpbrk(out, "\t\n") || strcmp(out, again) != 0)
            fail_msg("U+%04X", c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point),    cmocka_unit_test(broken_sequences),
        cmocka_unit_test(characters_that_lie), cmocka_unit_test(towers_of_marks),
        cmocka_unit_test(shown_to_people),     cmocka_unit_test(shown_is_safe),
    };

    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
