/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void byte_by_byte(void **state)
{
    static const uint8_t two[] = {0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'z'};
    struct buf in;
    const uint8_t *body;
    size_t n;

    (void)state;
    buf_init(&in, 100);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(frame_peek(&in, &body, &n), FRAME_WAIT);
        assert_true(buf_append(&in, &two[i], 1));
    }
    assert_true(buf_append(&in, two + 7, 5));
    assert_int_equal(frame_peek(&in, &body, &n), FRAME_READY);
    assert_int_equal(n, 3);
    assert_memory_equal(body, "abc", 3);
    buf_consume(&in, FRAME_HEADER + n);
    assert_int_equal(frame_peek(&in, &body, &n), FRAME_READY);
    assert_int_equal(n, 1);
    assert_int_equal(*body, 'z');
    buf_consume(&in, FRAME_HEADER + n);
    assert_int_equal(frame_peek(&in, &body, &n), FRAME_WAIT);
    buf_free(&in);
}

static enum frame_result peek_header(const uint8_t header[FRAME_HEADER])
{
    struct buf in;
    const uint8_t *body;
    size_t n;
    enum frame_result result;

    buf_init(&in, 100);
    assert_true(buf_append(&in, header, FRAME_HEADER));
    result = frame_peek(&in, &body, &n);
    buf_free(&in);
    return result;
}

static void lengths_at_the_edge(void **state)
{
    uint8_t header[FRAME_HEADER];

    (void)state;
    frame_put_header(header, LIMIT_FRAME);
    assert_memory_equal(header, "\x00\x01\x00\x00", 4);
    assert_int_equal(peek_header(header), FRAME_WAIT);
    frame_put_header(header, LIMIT_FRAME + 1);
    assert_int_equal(peek_header(header), FRAME_TOO_LARGE);
    assert_int_equal(peek_header((const uint8_t *)"\0\0\0\0"), FRAME_EMPTY);
    assert_int_equal(peek_header((const uint8_t *)"\xff\xff\xff\xff"), FRAME_TOO_LARGE);
    assert_int_equal(peek_header((const uint8_t *)"GET "), FRAME_TOO_LARGE);
    assert_int_equal(peek_header((const uint8_t *)"\x16\x03\x01\x02"), FRAME_TOO_LARGE);
    frame_put_header(header, 0x01020304);
    assert_memory_equal(header, "\x01\x02\x03\x04", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(lengths_at_the_edge),
    };

    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
