/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the feed, put together from packed parts, are the very bytes that protobuf-c makes of the same Feed. */
#include "packed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define EVENTS 5

/* A revision as the journal hands it over; the strings are the test's own. */
static struct journal_rows *rows_of(Qipan__Event *events, size_t n, Qipan__Revision **ret_revision)
{
    struct journal_rows *rows = calloc(1, sizeof *rows);
    rows->refs = 1;
    arena_init(&rows->arena, 64 * 1024);
    rows->reply = arena_zalloc(&rows->arena, sizeof *rows->reply);
    rows->reply->n_rows = 1;
    Qipan__Revision *revision = arena_alloc(&rows->arena, sizeof *revision);
    qipan__revision__init(revision);
    revision->rev = 42;
    revision->epoch = 3;
    revision->tag = 0x0123456789abcdef;
    revision->n_events = n;
    revision->events = arena_alloc(&rows->arena, n * sizeof(Qipan__Event *));
    for (size_t i = 0; i < n; i++) {
        Qipan__Event *e = revision->events[i] = arena_alloc(&rows->arena, sizeof *e);
        *e = events[i];
    }
    *ret_revision = revision;
    return rows;
}

static Qipan__FieldChange change = {.base = PROTOBUF_C_MESSAGE_INIT(&qipan__field_change__descriptor)};
static Qipan__FieldValue value = {.base = PROTOBUF_C_MESSAGE_INIT(&qipan__field_value__descriptor)};
static Qipan__FieldChange *changes[] = {&change};
static Qipan__FieldValue *row[] = {&value};

static void make_events(Qipan__Event events[EVENTS])
{
    change.has_number = value.has_number = true;
    change.number = value.number = 50;
    change.old = (char *)"talks";
    change.new_ = value.value = (char *)"signed";
    for (int i = 0; i < EVENTS; i++) {
        Qipan__Event *e = &events[i];
        qipan__event__init(e);
        e->type = (char *)"project.changed";
        e->has_rev = e->has_tag = e->has_idx = e->has_version = e->has_epoch = e->has_last = true;
        e->epoch = 3;
        e->rev = 42;
        e->tag = 0x0123456789abcdef;
        e->idx = i;
        e->last = i == EVENTS - 1;
        e->kind = (char *)"project";
        e->object = (char *)"p1";
        e->version = i + 1;
        e->actor = (char *)"dongshan";
        e->request = (char *)"cli-1";
        e->batch = (char *)"b1";
        e->n_changes = e->n_row = 1;
        e->changes = changes;
        e->row = row;
    }
}

/* What a daemon without any of this would send. */
static size_t plain_frame(uint8_t *out, const struct feed_head *h, Qipan__Event *events, size_t n)
{
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Feed feed = QIPAN__FEED__INIT;
    Qipan__Cursor after, upto;
    Qipan__Event *list[EVENTS];
    place_cursor(&h->after, &after);
    place_cursor(&h->upto, &upto);
    after.object = (char *)h->after_object;
    upto.object = (char *)h->upto_object;
    feed.has_call = true;
    feed.call = h->call;
    feed.after = &after;
    feed.upto = &upto;
    feed.state = (char *)h->state;
    feed.has_behind = h->state != NULL;
    feed.behind = h->behind;
    for (size_t i = 0; i < n; i++)
        list[i] = &events[i];
    feed.n_events = n;
    feed.events = list;
    frame.feed = &feed;
    size_t size = qipan__frame__get_packed_size(&frame);
    frame_put_header(out, size);
    return FRAME_HEADER + qipan__frame__pack(&frame, out + FRAME_HEADER);
}

static void same_bytes(struct framer *framer, const struct feed_head *h, const struct piece *pieces,
                       Qipan__Event *events, size_t n)
{
    static uint8_t wanted[FRAME_HEADER + LIMIT_FRAME];
    size_t got_n, wanted_n = plain_frame(wanted, h, events, n);
    const uint8_t *got = framer_frame(framer, h, pieces, n, &got_n);
    assert_int_equal(got_n, wanted_n);
    assert_memory_equal(got, wanted, wanted_n);
}

/* The forms in the words of the protocol: enter brings the row, update none, leave id and version only. */
static void as_form(Qipan__Event *e, enum packed_form form)
{
    static char *const words[] = {(char *)"enter", (char *)"update", (char *)"leave", (char *)"update"};
    e->view = words[form];
    e->n_row = form == PACKED_ENTER;
    e->n_changes = form == PACKED_ENTER || form == PACKED_UPDATE;
    if (form == PACKED_SUMMARY) {
        e->type = (char *)"import.summary";
        e->kind = (char *)"import";
        e->object = e->batch;
        e->has_version = false;
    }
}

static void frames(void **state)
{
    static struct framer framer;
    static const enum packed_form forms[EVENTS] = {PACKED_ENTER, PACKED_UPDATE, PACKED_LEAVE, PACKED_SUMMARY,
                                                   PACKED_UPDATE};
    Qipan__Event events[EVENTS];
    Qipan__Revision *revision;
    struct piece pieces[EVENTS];
    (void)state;
    make_events(events);
    struct journal_rows *rows = rows_of(events, EVENTS, &revision);
    struct packed *p = packed_new(rows, revision);
    journal_drop(rows); /* the packed revision holds them */
    for (int i = 0; i < EVENTS; i++) {
        pieces[i] = packed_piece(&p->events[i], forms[i]);
        as_form(&events[i], forms[i]);
        assert_ptr_equal(packed_piece(&p->events[i], forms[i]).bytes, pieces[i].bytes); /* made once */
    }
    assert_true(p->events[EVENTS - 1].ends_batch);
    assert_false(p->events[0].ends_batch);
    struct feed_head head = {.call = 300, .after = {3, 41, 7, 0, true}, .upto = packed_place(&p->events[1])};
    same_bytes(&framer, &head, pieces, events, 2);
    same_bytes(&framer, &head, pieces, events, EVENTS);
    same_bytes(&framer, &head, pieces, events, EVENTS); /* from memory */
    head.call = 1;
    same_bytes(&framer, &head, pieces, events, EVENTS);
    head.after.tag = UINT64_MAX;
    head.after.rev = INT64_MAX;
    same_bytes(&framer, &head, pieces, events, EVENTS);
    head.upto = p->at;
    same_bytes(&framer, &head, NULL, NULL, 0); /* a bookmark */
    head.state = "CATCHUP";
    head.behind = 1000000;
    same_bytes(&framer, &head, pieces, events, 3);
    head.behind = 0;
    head.state = "LIVE";
    same_bytes(&framer, &head, pieces, events, 3);
    head.state = NULL;
    head.after_object = "";
    head.upto_object = "01jd0000000000000000000000";
    same_bytes(&framer, &head, pieces + 2, events + 2, 1);
    head.after_object = head.upto_object;
    same_bytes(&framer, &head, pieces + 2, events + 2, 1);
    packed_drop(p);
}

/* What is short comes whole with every change; what is large, and what only a daemon makes, doesn't. */
static void whole(void **state)
{
    static const struct {
        const char *kind;
        bool whole;
    } kinds[EVENTS] = {
        {"project", false}, {"enterprise", false}, {"account", false}, {"due", true}, {"activity", true}};
    Qipan__Event events[EVENTS];
    Qipan__Revision *revision;
    (void)state;
    make_events(events);
    for (int i = 0; i < EVENTS; i++)
        events[i].kind = (char *)kinds[i].kind;
    struct journal_rows *rows = rows_of(events, EVENTS, &revision);
    struct packed *p = packed_new(rows, revision);
    journal_drop(rows);
    for (int i = 0; i < EVENTS; i++) {
        struct piece piece = packed_piece(&p->events[i], PACKED_UPDATE);
        events[i].view = (char *)"update";
        events[i].n_row = kinds[i].whole;
        size_t n = qipan__event__get_packed_size(&events[i]);
        uint8_t wanted[1024];
        assert_true(n < sizeof wanted && n < piece.n);
        qipan__event__pack(&events[i], wanted);
        assert_memory_equal(piece.bytes + piece.n - n, wanted, n);
    }
    packed_drop(p);
}

/* Other pieces of the same number are another frame, though the head is the same. */
static void not_mistaken(void **state)
{
    static struct framer framer;
    Qipan__Event events[EVENTS];
    Qipan__Revision *revision;
    (void)state;
    make_events(events);
    struct journal_rows *rows = rows_of(events, EVENTS, &revision);
    struct packed *p = packed_new(rows, revision);
    struct feed_head head = {.call = 1, .after = {3, 41, 7, 0, true}, .upto = p->at};
    for (int i = 0; i < EVENTS; i++) {
        struct piece piece = packed_piece(&p->events[i], PACKED_ENTER);
        as_form(&events[i], PACKED_ENTER);
        same_bytes(&framer, &head, &piece, &events[i], 1);
    }
    packed_drop(p);
    journal_drop(rows);
}

/* The longest frame there can be fits: as many bytes of events as are gathered, behind the longest head. */
static void longest(void **state)
{
    static struct framer framer;
    static uint8_t bytes[PACKED_BYTES];
    char object[PACKED_OBJECT + 1];
    size_t n;
    (void)state;
    memset(object, 'x', PACKED_OBJECT);
    object[PACKED_OBJECT] = '\0';
    struct place far = {INT64_MAX, INT64_MAX, UINT64_MAX, INT32_MAX, false};
    struct feed_head head = {UINT32_MAX, far, far, object, object, "SNAPSHOT", INT64_MAX};
    struct piece piece = {bytes, sizeof bytes};
    framer_frame(&framer, &head, &piece, 1, &n);
    assert_in_range(n, sizeof bytes, FRAME_HEADER + LIMIT_FRAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(frames), cmocka_unit_test(not_mistaken),
                                       cmocka_unit_test(longest), cmocka_unit_test(whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
