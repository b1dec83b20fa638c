/* SPDX-License-Identifier: Apache-2.0 */
/* What a TLS client may begin with, in one piece and byte by byte. */
#include "opening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static uint8_t bytes[70000];
static size_t n;

static void put(const void *more, size_t length)
{
    memcpy(bytes + n, more, length);
    n += length;
}

static void record(int type, size_t length)
{
    put((uint8_t[]){(uint8_t)type, 3, 1, (uint8_t)(length >> 8), (uint8_t)length}, 5);
}

/* A hello of so many bytes, in a record of as many more or fewer. */
static void hello(size_t length, int more)
{
    record(22, length + 4 + (size_t)more);
    put((uint8_t[]){1, (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length}, 4);
    memset(bytes + n, 22, length);
    n += length;
}

static bool take(size_t piece, struct opening *o)
{
    bool good = true;

    *o = (struct opening){0};
    for (size_t i = 0; i < n && good; i += piece)
        good = opening_take(o, bytes + i, n - i < piece ? n - i : piece);
    return good;
}

/* Empties what was put, and looks at it in pieces of every size. */
static void expect(bool good, bool ready)
{
    for (size_t piece = 1; piece <= n + 1; piece = piece < 7 ? piece + 1 : piece * 3) {
        struct opening o;

        assert_int_equal(take(piece, &o), good);
        if (good)
            assert_int_equal(opening_ready(&o), ready);
    }
    n = 0;
}

static void a_client_begins(void **state)
{
    (void)state;
    hello(300, 0);
    expect(true, true);
    hello(OPENING_HELLO, 0);
    expect(true, true);
    hello(300, 0);
    n--;
    expect(true, false);
    hello(300, 0); /* asked for another key share, then the rest */
    record(20, 1), put("\1", 1);
    hello(400, 0);
    record(23, 60000), memset(bytes + n, 0, 5000), n += 5000;
    expect(true, true);
    hello(300, 0);
    record(21, 2), put("\2\50", 2);
    expect(true, true);
}

static void others_are_refused(void **state)
{
    static const char *const words[] = {"GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
                                        "\r\n\r\n\0\r\nQUIT\n", "SSH-2.0-x\r\n", "\200\56\1\0\2"};

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        put(words[i], strlen(words[i]));
        expect(false, false);
    }
    record(23, 40), memset(bytes + n, 0, 40), n += 40; /* encrypted, before any hello */
    expect(false, false);
    record(20, 1), put("\1", 1);
    expect(false, false);
    put("\26\2", 2), memset(bytes + n, 0, 20), n += 20; /* another version's record */
    expect(false, false);
}

static void what_is_announced_counts(void **state)
{
    (void)state;
    hello(OPENING_HELLO + 1, 0);
    expect(false, false);
    put("\26\3\1\2\0\1\2\0\0", 9); /* 128 KiB in a record of 512 bytes */
    expect(false, false);
    hello(300, 1); /* two messages in one record, or one in two */
    expect(false, false);
    hello(300, -1);
    expect(false, false);
    put("\26\3\1\0\2\1\0", 7); /* a header in two records */
    put("\26\3\1\0\2\1\0", 7);
    expect(false, false);
    put("\26\3\1\0\0", 5);
    put("\26\3\1\0\0", 5);
    expect(false, false);
    put("\26\3\1\1\4\2\0\1\0", 9); /* a ServerHello */
    expect(false, false);
    hello(300, 0), hello(300, 0), hello(300, 0);
    expect(false, false);
    hello(300, 0);
    record(20, 2), put("\1\1", 2);
    expect(false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_begins),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(what_is_announced_counts),
    };

    return cmocka_run_group_tests_name("opening", tests, NULL, NULL);
}
