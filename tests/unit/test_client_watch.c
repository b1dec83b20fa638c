/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of a watch: frames that don't join are refused, delivered places are never told twice. */
#include "limits.h"
#include "watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char told[1000]; /* what the host heard: e<rev>.<idx>, b, s, x<code> */
static struct qipan_watch *close_at_event;

static void on_notice(const struct qipan_notice *n, void *arg)
{
    size_t at = strlen(told);

    (void)arg;
    if (n->kind == QIPAN_EVENT)
        snprintf(told + at, sizeof told - at, "e%lld.%d ", (long long)n->event->rev, n->event->idx);
    else if (n->kind == QIPAN_ENDED)
        snprintf(told + at, sizeof told - at, "x%s ", n->error->code);
    else
        snprintf(told + at, sizeof told - at, "%s%lld ", n->kind == QIPAN_BOOKMARK ? "b" : "s",
                 (long long)n->rev);
    if (n->kind == QIPAN_EVENT && close_at_event)
        close_at_event->closed = true;
}

static struct qipan_watch *watch(const char *since)
{
    struct qipan_watch_options options = {.since = since};
    const char *code;

    told[0] = '\0';
    close_at_event = NULL;
    return watch_new(&options, on_notice, NULL, &code);
}

static Qipan__Cursor place(int64_t rev, int32_t idx)
{
    struct cursor c = {.epoch = 1, .rev = rev, .idx = idx, .tag = 5};
    Qipan__Cursor m;

    cursor_put(&c, &m);
    return m;
}

static enum watch_verdict answer(struct qipan_watch *w, int64_t rev, int32_t idx)
{
    Qipan__WatchReply at = QIPAN__WATCH_REPLY__INIT;
    Qipan__Reply reply = QIPAN__REPLY__INIT;
    Qipan__Cursor c = place(rev, idx);
    uint8_t bytes[100];

    at.at = &c;
    reply.payload.len = qipan__watch_reply__pack(&at, bytes);
    reply.payload.data = bytes;
    w->state = WATCH_ASKED;
    return watch_reply(w, &reply, 0, "en");
}

/* Events as text: "7.0 7.1! 9.0!", ! = the revision's last. */
static enum watch_verdict feed(struct qipan_watch *w, int64_t after, int32_t after_idx, const char *events,
                               int64_t upto, int32_t upto_idx)
{
    Qipan__Feed f = QIPAN__FEED__INIT;
    Qipan__Event all[8], *list[8];
    Qipan__Cursor from = place(after, after_idx), to = place(upto, upto_idx);
    int used;

    f.after = &from;
    f.upto = &to;
    f.events = list;
    while (*events) {
        Qipan__Event *e = list[f.n_events] = &all[f.n_events];
        long long rev;

        qipan__event__init(e);
        sscanf(events, "%lld.%d%n", &rev, &e->idx, &used);
        events += used;
        e->rev = rev;
        e->has_rev = e->has_idx = e->has_last = true;
        e->last = *events == '!';
        events += e->last;
        events += *events == ' ';
        f.n_events++;
    }
    return watch_feed(w, &f, 100, 0, "en");
}

#define ALL CURSOR_ALL

static void test_frames_join(void **state)
{
    struct qipan_watch *w = watch("now");

    (void)state;
    assert_int_equal(answer(w, 6, ALL), WATCH_FINE);
    assert_int_equal(feed(w, 6, ALL, "7.0 7.1! 9.0!", 9, ALL), WATCH_FINE);
    assert_int_equal(feed(w, 9, ALL, "", 12, ALL), WATCH_FINE);
    assert_int_equal(feed(w, 12, ALL, "13.4", 13, 7), WATCH_FINE);
    assert_int_equal(feed(w, 13, 7, "13.8 13.9!", 13, ALL), WATCH_FINE);
    /* full in the middle: the frame calls the end of revision 14 by its index */
    assert_int_equal(feed(w, 13, ALL, "14.0 14.1!", 14, 1), WATCH_FINE);
    assert_int_equal(feed(w, 14, 1, "15.0!", 15, ALL), WATCH_FINE);
    assert_string_equal(told, "b6 e7.0 e7.1 e9.0 b12 e13.4 e13.8 e13.9 e14.0 e14.1 e15.0 ");
    watch_free(w);
}

static void test_gaps_and_disorder_are_seen(void **state)
{
    static const struct {
        int64_t after;
        const char *events;
        int64_t upto;
    } bad[] = {
        {7, "8.0!", 8},      /* skips 7 */
        {5, "7.0!", 7},      /* goes back */
        {6, "6.0!", 7},      /* an event that was before */
        {6, "8.0! 7.0!", 8}, /* disorder */
        {6, "7.0! 7.0!", 8}, /* twice */
        {6, "9.0!", 8},      /* beyond its own end */
        {6, "7.1! 7.2!", 8}, /* after the revision's last */
        {6, "", 5},          /* ends before it begins */
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct qipan_watch *w = watch("1-6--0000000000000005");

        assert_int_equal(answer(w, 6, ALL), WATCH_FINE);
        told[0] = '\0';
        assert_int_equal(feed(w, bad[i].after, ALL, bad[i].events, bad[i].upto, ALL), WATCH_GAP);
        assert_string_equal(told, "");
        assert_int_equal(w->at.rev, 6);
        watch_free(w);
    }
}

static void test_resumes_where_it_was(void **state)
{
    struct qipan_watch *w = watch("now");

    (void)state;
    assert_int_equal(answer(w, 6, ALL), WATCH_FINE);
    assert_int_equal(feed(w, 6, ALL, "7.0 7.1", 7, 3), WATCH_FINE);
    assert_int_equal(answer(w, 7, 3), WATCH_FINE); /* after a reconnect */
    assert_int_equal(feed(w, 7, 3, "7.4!", 7, ALL), WATCH_FINE);
    assert_string_equal(told, "b6 e7.0 e7.1 e7.4 ");
    assert_int_equal(answer(w, 9, ALL), WATCH_GAP); /* the daemon begins elsewhere */
    watch_free(w);
}

static void test_gives_up_after_many_gaps(void **state)
{
    struct qipan_watch *w = watch("1-6--0000000000000005");

    (void)state;
    for (int i = 0; i < WATCH_GAPS_MAX; i++)
        assert_int_equal(answer(w, 7, ALL), WATCH_GAP);
    assert_int_equal(answer(w, 7, ALL), WATCH_OVER);
    assert_string_equal(told, "xINTERNAL ");
    watch_free(w);
}

static enum watch_verdict refuse(struct qipan_watch *w, const char *code)
{
    Qipan__Error e = QIPAN__ERROR__INIT;
    Qipan__Reply reply = QIPAN__REPLY__INIT;

    e.code = (char *)code;
    reply.error = &e;
    w->state = WATCH_ASKED;
    return watch_reply(w, &reply, 1000, "en");
}

static void test_refusals(void **state)
{
    struct qipan_watch *w = watch("0");

    (void)state;
    assert_int_equal(refuse(w, "UNAVAILABLE"), WATCH_FINE);
    assert_int_equal(w->state, WATCH_IDLE);
    assert_int_equal(w->retry_ms, 1000 + WATCH_RETRY_MS);
    assert_int_equal(refuse(w, "RETRY_ELSEWHERE"), WATCH_ELSEWHERE);
    assert_string_equal(told, "");
    assert_int_equal(refuse(w, "COMPACTED"), WATCH_OVER);
    assert_string_equal(told, "xCOMPACTED ");
    watch_free(w);
}

static void test_closed_inside_its_callback(void **state)
{
    struct qipan_watch *w = watch("now");

    (void)state;
    assert_int_equal(answer(w, 6, ALL), WATCH_FINE);
    close_at_event = w;
    assert_int_equal(feed(w, 6, ALL, "7.0! 8.0!", 8, ALL), WATCH_OVER);
    assert_string_equal(told, "b6 e7.0 ");
    watch_free(w);
}

static void test_bad_since(void **state)
{
    (void)state;
    assert_null(watch("yesterday"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_join),
        cmocka_unit_test(test_gaps_and_disorder_are_seen),
        cmocka_unit_test(test_resumes_where_it_was),
        cmocka_unit_test(test_gives_up_after_many_gaps),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_closed_inside_its_callback),
        cmocka_unit_test(test_bad_since),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
