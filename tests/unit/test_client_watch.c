/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of a watch: frames that don't join are refused, delivered places are never told twice; what is told anew when
 * the registry fell back, and what is not. */
#include "limits.h"
#include "watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* What the host heard: e<rev>.<idx>, +<id> or -<id> of a snapshot, b<rev>, s<state>, d<fork's rev>, x<code>; of a repair the
 * cursor's revision behind @. */
static char told[4000];
static struct qipan_watch *close_at_event;
static char last_cursor[QIPAN_CURSOR_SIZE];

static void on_notice(const struct qipan_notice *n, void *arg)
{
    size_t at = strlen(told);

    (void)arg;
    if (n->kind == QIPAN_EVENT && n->event->view)
        snprintf(told + at, sizeof told - at, "%s%s@%lld ", *n->event->view == 'l' ? "-" : "+",
                 n->event->object, (long long)n->rev);
    else if (n->kind == QIPAN_EVENT)
        snprintf(told + at, sizeof told - at, "e%lld.%d ", (long long)n->event->rev, n->event->idx);
    else if (n->kind == QIPAN_ENDED)
        snprintf(told + at, sizeof told - at, "x%s ", n->error->code);
    else if (n->kind == QIPAN_DIVERGED)
        snprintf(told + at, sizeof told - at, "d%s ", n->fork ? n->fork : "");
    else if (n->kind == QIPAN_STATE)
        snprintf(told + at, sizeof told - at, "s%s ", n->state);
    else
        snprintf(told + at, sizeof told - at, "b%lld ", (long long)n->rev);
    if (n->cursor)
        snprintf(last_cursor, sizeof last_cursor, "%s", n->cursor);
    if (n->kind == QIPAN_EVENT && close_at_event)
        close_at_event->closed = true;
}

static struct qipan_watch *watch_with(const char *since, const char *memory, bool snapshot)
{
    struct qipan_watch_options options = {.since = since, .memory = memory, .snapshot = snapshot};
    const char *code, *field;

    told[0] = '\0';
    close_at_event = NULL;
    return watch_new(&options, on_notice, NULL, &code, &field);
}

static struct qipan_watch *watch(const char *since)
{
    return watch_with(since, NULL, false);
}

static Qipan__Cursor place(int64_t rev, int32_t idx)
{
    struct cursor c = {.epoch = 1, .rev = rev, .idx = idx, .tag = 5};
    Qipan__Cursor m;

    cursor_put(&c, &m);
    return m;
}

static Qipan__Cursor inside(int64_t rev, const char *object)
{
    Qipan__Cursor m = place(rev, CURSOR_ALL);

    m.object = (char *)object;
    return m;
}

static enum watch_verdict answer_with(struct qipan_watch *w, Qipan__Cursor c)
{
    Qipan__WatchReply at = QIPAN__WATCH_REPLY__INIT;
    Qipan__Reply reply = QIPAN__REPLY__INIT;
    uint8_t bytes[200];

    at.at = &c;
    reply.payload.len = qipan__watch_reply__pack(&at, bytes);
    reply.payload.data = bytes;
    w->state = WATCH_ASKED;
    return watch_reply(w, &reply, 0, "en");
}

static enum watch_verdict answer(struct qipan_watch *w, int64_t rev, int32_t idx)
{
    return answer_with(w, place(rev, idx));
}

/* Events as text: "7.0 7.1! 9.0!", ! = the revision's last. Each is of the object "o<rev>". */
static enum watch_verdict feed(struct qipan_watch *w, int64_t after, int32_t after_idx, const char *events,
                               int64_t upto, int32_t upto_idx)
{
    Qipan__Feed f = QIPAN__FEED__INIT;
    Qipan__Event all[8], *list[8];
    Qipan__Cursor from = place(after, after_idx), to = place(upto, upto_idx);
    char objects[8][32];
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
        e->has_rev = e->has_idx = e->has_last = e->has_tag = true;
        e->tag = 5;
        e->last = *events == '!';
        events += e->last;
        events += *events == ' ';
        snprintf(objects[f.n_events], sizeof *objects, "o%lld", rev);
        e->object = objects[f.n_events];
        f.n_events++;
    }
    return watch_feed(w, &f, 100, 0, "en");
}

/* Objects of a snapshot: "a5 b9 -c", the revision of their last change behind each; - = leave. upto NULL = complete. */
static enum watch_verdict shows(struct qipan_watch *w, int64_t rev, const char *after, const char *objects,
                                const char *upto)
{
    Qipan__Feed f = QIPAN__FEED__INIT;
    Qipan__Event all[8], *list[8];
    Qipan__Cursor from = inside(rev, after), to = inside(rev, upto);
    char ids[8][8];

    f.after = &from;
    f.upto = &to;
    f.events = list;
    for (const char *at = objects; *at; at += strcspn(at, " "), at += *at == ' ') {
        Qipan__Event *e = list[f.n_events] = &all[f.n_events];
        bool leave = *at == '-';

        qipan__event__init(e);
        e->view = (char *)(leave ? "leave" : "enter");
        snprintf(ids[f.n_events], 2, "%c", at[leave]);
        e->object = ids[f.n_events++];
        e->has_rev = !leave;
        e->rev = leave ? 0 : atoi(at + 1);
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
    assert_int_equal(refuse(w, "FUTURE_REVISION"), WATCH_OVER);
    assert_string_equal(told, "xFUTURE_REVISION ");
    watch_free(w);
}

/* ---------------------------------------------------------------- snapshots and repairs */

/* What a watch asks for next, as text: "all after 9+b", "changed after 4 known 4,1 objects o7,o9". */
static const char *asks(struct qipan_watch *w)
{
    static char text[500];
    char *at = text;
    struct link l;
    struct arena arena;
    ProtobufCMessage *frame, *m;
    struct msg_fault fault;

    link_init(&l, NULL, NULL, NULL, NULL);
    l.state = LINK_UP;
    assert_true(watch_ask(w, &l, 1));
    arena_init(&arena, 10 * LIMIT_ARENA);
    assert_int_equal(msg_unpack(&qipan__frame__descriptor, buf_head(&l.packed) + 4, buf_len(&l.packed) - 4,
                                &arena, &frame, &fault),
                     MSG_OK);
    ProtobufCBinaryData payload = ((Qipan__Frame *)frame)->call->payload;
    assert_int_equal(
        msg_unpack(&qipan__watch_request__descriptor, payload.data, payload.len, &arena, &m, &fault), MSG_OK);
    const Qipan__WatchRequest *r = (Qipan__WatchRequest *)m;
    at += sprintf(at, "%s", r->snapshot ? r->snapshot : "tail");
    if (r->after)
        at += sprintf(at, " after %lld%s%s", (long long)r->after->rev, r->after->object ? "+" : "",
                      r->after->object ? r->after->object : "");
    for (size_t i = 0; i < r->n_known; i++)
        at += sprintf(at, "%s%lld", i ? "," : " known ", (long long)r->known[i]->rev);
    for (size_t i = 0; i < r->n_objects; i++)
        at += sprintf(at, "%s%s", i ? "," : " objects ", r->objects[i]);
    arena_free(&arena);
    link_free(&l);
    return text;
}

static Qipan__Error falls_back(int64_t fork, Qipan__Cursor *c)
{
    Qipan__Error e = QIPAN__ERROR__INIT;

    *c = place(fork, CURSOR_ALL);
    e.code = (char *)"DIVERGED";
    e.fork = fork ? c : NULL;
    return e;
}

static enum watch_verdict refuse_forked(struct qipan_watch *w, int64_t fork)
{
    Qipan__Cursor c;
    Qipan__Error e = falls_back(fork, &c);
    Qipan__Reply reply = QIPAN__REPLY__INIT;

    reply.error = &e;
    w->state = WATCH_ASKED;
    return watch_reply(w, &reply, 1000, "en");
}

static enum watch_verdict end_forked(struct qipan_watch *w, int64_t fork)
{
    Qipan__Cursor c;
    Qipan__Error e = falls_back(fork, &c);
    Qipan__Feed f = QIPAN__FEED__INIT;

    f.error = &e;
    return watch_feed(w, &f, 100, 1000, "en");
}

static void test_a_snapshot_then_the_tail(void **state)
{
    struct qipan_watch *w = watch_with("now", NULL, true);

    (void)state;
    assert_string_equal(asks(w), "all");
    assert_int_equal(answer_with(w, inside(10, "")), WATCH_FINE);
    assert_string_equal(last_cursor, "1-10--0000000000000005+");
    assert_int_equal(shows(w, 10, "", "a5 b12", "b"), WATCH_FINE);
    assert_string_equal(last_cursor, "1-10--0000000000000005+b");
    w->state = WATCH_IDLE; /* the link is lost */
    assert_string_equal(asks(w), "all after 10+b");
    assert_int_equal(answer_with(w, inside(10, "b")), WATCH_FINE);
    assert_int_equal(shows(w, 10, "b", "o11", NULL), WATCH_FINE);
    assert_string_equal(told, "b10 +a@10 +b@10 +o@10 b10 ");
    assert_string_equal(last_cursor, "1-10--0000000000000005");
    watch_free(w);
}

static void test_the_tail_tells_nothing_a_snapshot_told(void **state)
{
    struct qipan_watch *w = watch_with("now", NULL, true);
    char *memory;

    (void)state;
    assert_int_equal(answer_with(w, inside(10, "")), WATCH_FINE);
    memory_show(&w->memory, "o12", 12);
    memory_show(&w->memory, "o13", 11);
    assert_int_equal(shows(w, 10, "", "", NULL), WATCH_FINE);
    told[0] = '\0';
    assert_int_equal(feed(w, 10, ALL, "11.0! 12.0", 12, 0), WATCH_FINE);
    assert_string_equal(told, "e11.0 ");
    memory = qipan_watch_memory(w);
    watch_free(w);
    w = watch_with("1-12-0-0000000000000005", memory, false); /* stopped and started again there */
    free(memory);
    assert_int_equal(answer(w, 12, 0), WATCH_FINE);
    told[0] = '\0';
    assert_int_equal(feed(w, 12, 0, "12.1!", 12, ALL), WATCH_FINE);
    assert_int_equal(feed(w, 12, ALL, "13.0!", 13, ALL), WATCH_FINE);
    assert_string_equal(told, "b12 e13.0 ");
    assert_int_equal(w->memory.shown.n, 0);
    watch_free(w);
}

static void test_snapshots_that_cannot_be(void **state)
{
    static const struct {
        const char *after, *objects, *upto;
    } bad[] = {{"a", "b5", NULL}, {"", "b5 a5", NULL}, {"", "a5 a5", NULL}, {"", "b5", "a"}};
    struct qipan_watch *w;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        w = watch_with("now", NULL, true);
        assert_int_equal(answer_with(w, inside(10, "")), WATCH_FINE);
        assert_int_equal(shows(w, 10, bad[i].after, bad[i].objects, bad[i].upto), WATCH_GAP);
        assert_string_equal(told, "b10 ");
        watch_free(w);
    }
    w = watch_with("now", NULL, true);
    assert_int_equal(answer(w, 10, ALL), WATCH_GAP); /* a daemon that knows of no snapshots */
    watch_free(w);
    assert_null(watch_with("0", NULL, true));
}

static struct qipan_watch *watch_up_to_9(void)
{
    struct qipan_watch *w = watch("now");

    assert_int_equal(answer(w, 3, ALL), WATCH_FINE);
    assert_int_equal(feed(w, 3, ALL, "4.0! 5.0! 7.0! 9.0!", 9, ALL), WATCH_FINE);
    told[0] = '\0';
    return w;
}

static void test_a_fork_is_repaired(void **state)
{
    struct qipan_watch *w = watch_up_to_9();

    (void)state;
    assert_string_equal(asks(w), "tail after 9 known 7,5,4,3");
    assert_int_equal(refuse_forked(w, 5), WATCH_FINE);
    assert_string_equal(told, "d1-5--0000000000000005 ");
    for (int again = 0; again < 2; again++) { /* it begins anew when it is cut short */
        told[0] = '\0';
        assert_string_equal(asks(w), again ? "changed after 5 known 4,3 objects a,o9,o7"
                                           : "changed after 5 known 4,3 objects o9,o7");
        assert_int_equal(answer_with(w, inside(60, "")), WATCH_FINE);
        assert_int_equal(shows(w, 60, "", "a55", "a"), WATCH_FINE);
        assert_string_equal(told, "+a@9 "); /* who stops here begins at 9 again */
        w->state = again ? WATCH_ON : WATCH_IDLE;
    }
    assert_int_equal(shows(w, 60, "a", "-b p7", NULL), WATCH_FINE);
    assert_string_equal(told, "+a@9 -b@9 +p@9 b60 ");
    assert_int_equal(feed(w, 60, ALL, "61.0!", 61, ALL), WATCH_FINE);
    assert_string_equal(asks(w), "tail after 61 known 60,5,4,3");
    watch_free(w);
}

static void test_a_fork_behind_nothing_is_not_told(void **state)
{
    struct qipan_watch *w = watch_up_to_9();

    (void)state;
    assert_int_equal(feed(w, 9, ALL, "", 20, ALL), WATCH_FINE); /* all that was behind 9 is of no concern */
    told[0] = '\0';
    assert_int_equal(end_forked(w, 9), WATCH_FINE);
    assert_string_equal(asks(w), "tail after 9 known 7,5,4,3");
    assert_string_equal(told, "");
    watch_free(w);
}

static void test_a_fork_nobody_knows(void **state)
{
    struct qipan_watch *w = watch_up_to_9();

    (void)state;
    assert_int_equal(end_forked(w, 0), WATCH_FINE); /* perhaps our own places help */
    assert_string_equal(told, "");
    assert_string_equal(asks(w), "tail after 9 known 7,5,4,3");
    assert_int_equal(refuse_forked(w, 0), WATCH_FINE);
    assert_string_equal(told, "d ");
    assert_string_equal(asks(w), "all");
    told[0] = '\0';
    assert_int_equal(answer_with(w, inside(60, "")), WATCH_FINE);
    assert_int_equal(shows(w, 60, "", "a5", "a"), WATCH_FINE);
    w->state = WATCH_IDLE;
    assert_string_equal(asks(w), "all after 60+a");
    assert_int_equal(answer_with(w, inside(60, "a")), WATCH_FINE);
    assert_int_equal(shows(w, 60, "a", "", NULL), WATCH_FINE);
    assert_string_equal(told, "+a@9 b60 ");
    assert_int_equal(refuse_forked(w, 2), WATCH_FINE); /* before what is remembered: as good as unknown */
    assert_string_equal(asks(w), "all");
    watch_free(w);
}

/* A daemon that began late may end a running watch with a place older than what the watch remembers. */
static void test_a_fork_that_is_too_old(void **state)
{
    struct qipan_watch *w = watch_up_to_9();

    (void)state;
    assert_int_equal(end_forked(w, 1), WATCH_FINE);
    assert_string_equal(told, "");
    assert_string_equal(asks(w), "tail after 9 known 7,5,4,3");
    assert_int_equal(refuse_forked(w, 5), WATCH_FINE);
    assert_string_equal(told, "d1-5--0000000000000005 ");
    assert_string_equal(asks(w), "changed after 5 known 4,3 objects o9,o7");
    watch_free(w);
}

static void test_own_changes_are_repaired_too(void **state)
{
    struct qipan_watch *w = watch_up_to_9();

    (void)state;
    watch_own_change(w, "mine", 10);
    assert_int_equal(refuse_forked(w, 9), WATCH_FINE);
    assert_string_equal(asks(w), "changed after 9 known 7,5,4,3 objects mine");
    watch_free(w);
}

static void test_compacted_is_repaired_once(void **state)
{
    struct qipan_watch *w = watch_up_to_9();

    (void)state;
    assert_int_equal(refuse(w, "COMPACTED"), WATCH_FINE);
    assert_string_equal(told, "sLAPSED ");
    assert_string_equal(asks(w), "changed after 9 known 7,5,4,3");
    told[0] = '\0';
    assert_int_equal(answer_with(w, inside(99, "")), WATCH_FINE);
    assert_int_equal(shows(w, 99, "", "a95", NULL), WATCH_FINE);
    assert_string_equal(told, "+a@9 b99 ");
    for (int i = 0; i < 9 && refuse(w, "COMPACTED") == WATCH_FINE; i++)
        ;
    assert_string_equal(told + strlen(told) - 11, "xCOMPACTED "); /* no endless loop */
    watch_free(w);
    w = watch("0");
    assert_int_equal(refuse(w, "COMPACTED"), WATCH_OVER);
    watch_free(w);
}

/* Rights that were taken meanwhile may be back when it goes on: what it told as gone is then no change since the place. */
static void test_a_repair_cut_short_names_what_it_told(void **state)
{
    struct qipan_watch *w = watch_up_to_9();

    (void)state;
    assert_int_equal(refuse(w, "RIGHTS_CHANGED"), WATCH_FINE);
    assert_string_equal(asks(w), "changed after 9 known 7,5,4,3");
    assert_int_equal(answer_with(w, inside(60, "")), WATCH_FINE);
    assert_int_equal(shows(w, 60, "", "-a b55", "b"), WATCH_FINE);
    w->state = WATCH_IDLE;
    assert_string_equal(asks(w), "changed after 9 known 7,5,4,3 objects b,a");
    watch_free(w);
}

static void test_memory_over_a_restart(void **state)
{
    struct qipan_watch *w = watch_up_to_9();
    char *memory = qipan_watch_memory(w);

    (void)state;
    watch_free(w);
    assert_string_equal(memory, "1-9--0000000000000005\n1-7--0000000000000005 o9\n1-5--0000000000000005 o7\n"
                                "1-4--0000000000000005 o5\n1-3--0000000000000005 o4\n");
    w = watch_with("1-9--0000000000000005", memory, false);
    free(memory);
    assert_int_equal(refuse_forked(w, 5), WATCH_FINE);
    assert_string_equal(asks(w), "changed after 5 known 4,3 objects o9,o7");
    watch_free(w);
    assert_null(watch_with("1-9--0000000000000005", "1-9--0000000000000005\n1-9--0000000000000005\n", false));
    assert_null(watch_with("1-9--0000000000000005", "rubbish\n", false));
}

/* Whatever was told: the places stay few and reach far, the ids stay few, and a fork at a place that is still known finds
 * every id that was told behind it. */
static void test_memory_is_bounded_and_right(void **state)
{
    static int64_t last[3000];
    static char *ids[LIMIT_OBJECTS];
    struct memory m;
    unsigned seed = 7;

    (void)state;
    memory_init(&m);
    memory_clear(&m, 1);
    for (int64_t rev = 2; rev < 200000; rev++) {
        struct cursor c = {.epoch = 1, .rev = rev, .idx = CURSOR_ALL, .tag = 5};
        unsigned objects = rev < 100000 ? 500 : 3000, o;
        char id[16];

        o = (seed = seed * 1103515245 + 12345) / 65536 % objects;
        snprintf(id, sizeof id, "o%u", o);
        last[o] = rev;
        memory_told(&m, id, rev);
        memory_place(&m, &c);
        assert_in_range(m.n_places, 1, LIMIT_KNOWN);
        assert_in_range(m.told.n, 1, LIMIT_OBJECTS);
        if (rev == 99999)
            assert_true(m.places[m.n_places - 1].rev < 50 && m.places[1].rev > rev - 10);
        if (rev % 9973)
            continue;
        for (size_t i = 0; i < m.n_places; i++) {
            size_t n = memory_behind(&m, m.places[i].rev, ids), expected = 0;

            for (size_t k = 0; k < 3000; k++)
                expected += last[k] > m.places[i].rev;
            assert_int_equal(n, expected);
        }
    }
    memory_clear(&m, 0);
}

static void test_credit(void **state)
{
    struct qipan_watch *w = watch("now");
    struct link l;

    (void)state;
    link_init(&l, NULL, NULL, NULL, NULL);
    l.state = LINK_UP;
    asks(w);
    assert_int_equal(w->credit_left, CREDIT_DEFAULT);
    assert_int_equal(answer(w, 6, ALL), WATCH_FINE);
    w->credit_left = CREDIT_DEFAULT / 2 + 150;
    assert_int_equal(feed(w, 6, ALL, "", 7, ALL), WATCH_FINE);
    assert_false(watch_wants_credit(w));
    assert_int_equal(feed(w, 7, ALL, "", 8, ALL), WATCH_FINE);
    assert_true(watch_wants_credit(w));
    qipan_watch_pause(w, true);
    assert_false(watch_wants_credit(w));
    w->credit_left = -60000; /* the last frame overdrew */
    qipan_watch_pause(w, false);
    assert_true(watch_wants_credit(w) && watch_grant(w, &l));
    assert_int_equal(w->credit_left, CREDIT_DEFAULT);
    assert_false(watch_wants_credit(w));
    qipan_watch_pause(w, true);
    asks(w);
    assert_int_equal(w->credit_left, 0);
    link_free(&l);
    watch_free(w);
}

static void test_cursor_texts(void **state)
{
    static const char *const good[] = {"1-2-3-00000000000000ff", "1-2--00000000000000ff",
                                       "1-2--00000000000000ff+", "1-2--00000000000000ff+p12"};
    static const char *const bad[] = {
        "1-2--00000000000000ff+p 1", "1-2-3-00000000000000ff+p", "1-2--00000000000000ff-p",
        "1-2--00000000000000ffp",    "1-2--00000000000000f+p",   "-1-2--00000000000000ff",
        "1-2--00000000000000FF",     "1-2-00000000000000ff",     "1-99999999999999999999--00000000000000ff"};
    char text[QIPAN_CURSOR_SIZE];
    Qipan__Cursor c;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(qipan_cursor_parse(good[i], &c));
        qipan_cursor_text(&c, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(qipan_cursor_parse(bad[i], &c));
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
        cmocka_unit_test(test_a_snapshot_then_the_tail),
        cmocka_unit_test(test_the_tail_tells_nothing_a_snapshot_told),
        cmocka_unit_test(test_snapshots_that_cannot_be),
        cmocka_unit_test(test_a_fork_is_repaired),
        cmocka_unit_test(test_a_fork_behind_nothing_is_not_told),
        cmocka_unit_test(test_a_fork_nobody_knows),
        cmocka_unit_test(test_a_fork_that_is_too_old),
        cmocka_unit_test(test_own_changes_are_repaired_too),
        cmocka_unit_test(test_compacted_is_repaired_once),
        cmocka_unit_test(test_a_repair_cut_short_names_what_it_told),
        cmocka_unit_test(test_memory_over_a_restart),
        cmocka_unit_test(test_memory_is_bounded_and_right),
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_cursor_texts),
        cmocka_unit_test(test_closed_inside_its_callback),
        cmocka_unit_test(test_bad_since),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
