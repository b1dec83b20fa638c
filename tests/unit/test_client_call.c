/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: what is sent again are the same bytes; limits; what an unanswered one is called. */
#include "call.h"
#include "frame.h"
#include "limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char answered[200];
static bool was_unsure;

static void on_reply(const struct qipan_reply *r, void *arg)
{
    (void)arg;
    was_unsure = r->unsure;
    snprintf(answered, sizeof answered, "%s %s|%s|%s", r->error ? r->error->code : "done", r->request,
             r->error ? r->error->message : "", r->message ? r->message->descriptor->short_name : "");
}

static struct call *add(struct calls *c, uint32_t id, enum op_number op, const char *request, size_t payload)
{
    static uint8_t bytes[LIMIT_FRAME];
    Qipan__Call m = QIPAN__CALL__INIT;
    const char *code;
    struct call *call;

    m.has_call = m.has_op = m.has_payload = true;
    m.call = id;
    m.op = op;
    m.request = (char *)request;
    m.payload.data = bytes;
    m.payload.len = payload;
    call = calls_add(c, &m, op_by_number(op), &code);
    if (call)
        call->done = on_reply;
    else
        snprintf(answered, sizeof answered, "%s", code);
    return call;
}

static struct link *up_link(void)
{
    static struct link l;

    link_init(&l, NULL, NULL, NULL, NULL);
    l.state = LINK_UP;
    return &l;
}

static void test_the_same_bytes_again(void **state)
{
    struct calls c;
    struct link *l = up_link();
    uint8_t first[200];
    size_t n;

    (void)state;
    calls_init(&c);
    add(&c, 1, OP_project_edit, "abc-1", 20);
    add(&c, 2, OP_whoami, NULL, 0);
    calls_send(&c, l, 0, 0);
    n = buf_len(&l->packed);
    assert_in_range(n, 20, sizeof first);
    memcpy(first, buf_head(&l->packed), n);
    assert_int_equal(c.in_flight, 2);
    calls_send(&c, l, 0, 0);
    assert_int_equal(buf_len(&l->packed), n); /* not twice on one link */

    buf_consume(&l->packed, n);
    calls_link_lost(&c);
    assert_int_equal(c.in_flight, 0);
    calls_send(&c, l, 0, 0);
    assert_int_equal(buf_len(&l->packed), n);
    assert_memory_equal(buf_head(&l->packed), first, n);
    calls_free(&c);
    buf_free(&l->packed);
}

static void test_asked_again_after_a_pause(void **state)
{
    struct calls c;
    struct link *l = up_link();
    struct call *call;
    size_t n;

    (void)state;
    calls_init(&c);
    assert_true(calls_next(&c) == INT64_MAX);
    call = add(&c, 1, OP_project_edit, "abc-1", 20);
    assert_int_equal(calls_next(&c), 0);
    calls_send(&c, l, 0, 100);
    n = buf_len(&l->packed);
    assert_true(calls_next(&c) == INT64_MAX);
    calls_pause(&c, call, 150);
    assert_int_equal(c.in_flight, 0);
    assert_int_equal(calls_next(&c), 150);
    calls_send(&c, l, 0, 149);
    assert_int_equal(buf_len(&l->packed), n);
    assert_false(call->unsure);
    calls_send(&c, l, 0, 150);
    assert_int_equal(buf_len(&l->packed), 2 * n);
    calls_link_lost(&c);
    assert_true(call->unsure);
    calls_free(&c);
    buf_free(&l->packed);
}

static void test_in_flight_is_bounded(void **state)
{
    struct calls c;
    struct link *l = up_link();

    (void)state;
    calls_init(&c);
    for (uint32_t i = 1; i <= 100; i++)
        add(&c, i, OP_whoami, NULL, 0);
    calls_send(&c, l, 3, 0);
    assert_int_equal(c.in_flight, LIMIT_IN_FLIGHT - 3);
    for (uint32_t i = 1; i <= 10; i++) {
        struct call *call = calls_find(&c, i);

        calls_take(&c, call);
        call_free(call);
    }
    calls_send(&c, l, 3, 0);
    assert_int_equal(c.in_flight, LIMIT_IN_FLIGHT - 3);
    assert_int_equal(c.n, 90);
    calls_free(&c);
    assert_int_equal(c.bytes, 0);
    buf_free(&l->packed);
}

static void test_ceilings(void **state)
{
    struct calls c;
    uint32_t id = 1;

    (void)state;
    calls_init(&c);
    assert_null(add(&c, id, OP_import_put, "a", LIMIT_FRAME));
    assert_string_equal(answered, "TOO_LARGE");
    while (add(&c, id, OP_import_put, "a", 60000))
        id++;
    assert_string_equal(answered, "BUSY");
    assert_in_range(c.bytes, QIPAN_BYTES_MAX - 70000, QIPAN_BYTES_MAX);
    calls_free(&c);
    for (id = 1; add(&c, id, OP_whoami, NULL, 0); id++)
        ;
    assert_int_equal(id, QIPAN_CALLS_MAX + 1);
    calls_free(&c);
}

static void test_due_times(void **state)
{
    struct calls c;

    (void)state;
    calls_init(&c);
    assert_true(calls_due(&c) == INT64_MAX);
    add(&c, 1, OP_whoami, NULL, 0)->due_ms = 50;
    add(&c, 2, OP_whoami, NULL, 0)->due_ms = 20;
    assert_int_equal(calls_due(&c), 20);
    assert_null(calls_expired(&c, 19));
    assert_int_equal(calls_expired(&c, 20)->id, 2);
    calls_free(&c);
}

static struct call *taken(enum op_number op, const char *request)
{
    struct calls c;
    struct call *call;

    calls_init(&c);
    call = add(&c, 1, op, request, 0);
    calls_take(&c, call);
    return call;
}

static void test_answers(void **state)
{
    Qipan__Reply reply = QIPAN__REPLY__INIT;
    Qipan__Error error = QIPAN__ERROR__INIT;

    (void)state;
    call_answer(taken(OP_whoami, NULL), &reply, "en", NULL, NULL);
    assert_string_equal(answered, "done ||WhoamiReply");
    reply.payload.data = (uint8_t *)"\xff";
    reply.payload.len = 1;
    call_answer(taken(OP_whoami, NULL), &reply, "en", NULL, NULL);
    assert_memory_equal(answered, "MALFORMED ", 10);
    error.code = (char *)"CONFLICT";
    reply.error = &error;
    call_answer(taken(OP_project_edit, "r-1"), &reply, "zh", NULL, NULL);
    assert_string_equal(answered, "CONFLICT r-1|他人已同时修改了此项|");
    error.code = NULL;
    call_answer(taken(OP_whoami, NULL), &reply, "en", NULL, NULL);
    assert_memory_equal(answered, "INTERNAL |", 10);
    call_refuse(taken(OP_project_edit, "r-2"), "UNKNOWN", "link", "en");
    assert_string_equal(answered,
                        "UNKNOWN r-2|the outcome is not known: ask again with the same request id (link)|");
}

static const char *told(bool unsure, const char *code)
{
    Qipan__Reply reply = QIPAN__REPLY__INIT;
    Qipan__Error error = QIPAN__ERROR__INIT;
    struct call *call = taken(OP_project_edit, "r-1");

    call->unsure = unsure;
    error.code = (char *)code;
    reply.error = code ? &error : NULL;
    call_answer(call, &reply, "en", NULL, NULL);
    *strpbrk(answered, " ") = '\0';
    return answered;
}

static void test_doubt(void **state)
{
    static const char *const kept[] = {"CONFLICT",          "ALREADY_EXISTS",      "NOT_FOUND",
                                       "PERMISSION_DENIED", "FAILED_PRECONDITION", "INVALID_ARGUMENT",
                                       "KEY_REUSED"},
                             *const other[] = {
                                 "DEADLINE_EXCEEDED", "UNAVAILABLE", "LOCKED",        "BUSY",
                                 "STORAGE_FULL",      "INTERNAL",    "UNIMPLEMENTED", "TOO_LARGE"};

    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_string_equal(told(true, kept[i]), kept[i]);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        assert_string_equal(told(false, other[i]), other[i]);
        assert_false(was_unsure);
        assert_string_equal(told(true, other[i]), "UNKNOWN");
        assert_true(was_unsure);
    }
    assert_string_equal(told(true, NULL), "done");
    assert_true(was_unsure);
}

static void test_done_but_unreadable(void **state)
{
    Qipan__Reply reply = QIPAN__REPLY__INIT;

    (void)state;
    reply.payload.data = (uint8_t *)"\xff";
    reply.payload.len = 1;
    call_answer(taken(OP_project_edit, "r-1"), &reply, "en", NULL, NULL);
    assert_memory_equal(answered, "UNKNOWN r-1|", 12);
}

static void test_request_ids(void **state)
{
    char longest[LIMIT_REQUEST_ID + 2];

    (void)state;
    assert_true(call_request_valid("0123456789abcdef-1"));
    assert_true(call_request_valid("A.b_c:d-e"));
    assert_false(call_request_valid(""));
    assert_false(call_request_valid("a b"));
    assert_false(call_request_valid("编号"));
    memset(longest, 'a', sizeof longest);
    longest[LIMIT_REQUEST_ID] = '\0';
    assert_true(call_request_valid(longest));
    longest[LIMIT_REQUEST_ID] = 'a';
    longest[LIMIT_REQUEST_ID + 1] = '\0';
    assert_false(call_request_valid(longest));
    assert_true(call_changes(op_by_number(OP_project_add)));
    assert_true(call_changes(op_by_number(OP_import_judge)));
    assert_false(call_changes(op_by_number(OP_project_list)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_bytes_again),
        cmocka_unit_test(test_asked_again_after_a_pause),
        cmocka_unit_test(test_in_flight_is_bounded),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_due_times),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_done_but_unreadable),
        cmocka_unit_test(test_request_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
