/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"
#include "limits.h"
#include "msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define VECTORS "tests/unit/vectors/" /* tests run from the top of the tree */

/* ---------------------------------------------------------------- helpers */

/* A wire writer that can write what no encoder would. */
struct wire {
    uint8_t bytes[1 << 17];
    size_t n;
};

static void put(struct wire *w, const void *bytes, size_t n)
{
    assert_true(n <= sizeof(w->bytes) - w->n);
    memcpy(w->bytes + w->n, bytes, n);
    w->n += n;
}

static void put_varint(struct wire *w, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put(w, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
    put(w, &(uint8_t){(uint8_t)value}, 1);
}

static void put_field(struct wire *w, unsigned number, const void *bytes, size_t n)
{
    put_varint(w, number << 3 | 2);
    put_varint(w, n);
    put(w, bytes, n);
}

static enum msg_result scan(const ProtobufCMessageDescriptor *desc, const struct wire *w,
                            struct msg_fault *fault)
{
    uint8_t *copy = malloc(w->n + 1); /* exact size: the sanitizer sees a step too far */
    enum msg_result result;

    memcpy(copy, w->bytes, w->n);
    copy = realloc(copy, w->n ? w->n : 1);
    result = msg_scan(desc, copy, w->n, fault);
    free(copy);
    return result;
}

static struct wire *fresh(void)
{
    static struct wire w;

    w.n = 0;
    return &w;
}

/* ---------------------------------------------------------------- tables */

static void operations_are_found(void **state)
{
    int n = 0;

    (void)state;
    for (const struct op_info *op = op_table; op->name; op++, n++) {
        assert_ptr_equal(op_by_number(op->number), op); /* so no number and no name is there twice */
        assert_ptr_equal(op_by_name(op->name), op);
        assert_string_equal(op->request->package_name, "qipan");
        assert_non_null(strstr(op->reply->short_name, "Reply"));
        assert_true(op->right[0] && op->cli[0]);
    }
    assert_true(n > 15);
    assert_int_equal(OP_project_edit, 13);
    assert_ptr_equal(op_by_number(13)->request, &qipan__project_edit_request__descriptor);
    assert_ptr_equal(op_by_number(13)->reply, &qipan__project_reply__descriptor);
    assert_int_equal(op_by_number(13)->lane, LANE_EDIT);
    assert_null(op_by_number(0));
    assert_null(op_by_number(4000000000u));
    assert_null(op_by_name("project"));
    assert_null(op_by_name(NULL));
}

static void errors_are_found(void **state)
{
    (void)state;
    assert_int_equal(error_info("CONFLICT")->status, 10);
    assert_int_equal(error_info("CONFLICT")->exit_code, 6);
    assert_int_equal(error_info("UNKNOWN")->retry, ERROR_ASK);
    assert_int_equal(error_info("BUSY")->retry, ERROR_LATER);
    assert_int_equal(error_info("STORAGE_FULL")->retry, ERROR_CARE);
    assert_string_equal(error_info("NOT_FOUND")->text_zh, "没有找到");
    assert_string_equal(error_info("no such")->name, "INTERNAL");
    assert_string_equal(error_info(NULL)->name, "INTERNAL");
#define ERR(known, status, exit_code, retry, en, zh) assert_string_equal(error_info(#known)->name, #known);
#include "errors.def"
#undef ERR
}

/* Depth of a type; fails when a type is inside itself. */
static unsigned walk(const ProtobufCMessageDescriptor *desc, const ProtobufCMessageDescriptor **above,
                     unsigned depth)
{
    unsigned deepest = depth;

    for (unsigned i = 0; i < depth; i++)
        assert_ptr_not_equal(above[i], desc);
    assert_true(depth <= LIMIT_DEPTH);
    above[depth] = desc;
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &desc->fields[i];
        unsigned below = depth;

        assert_int_not_equal(field->label, PROTOBUF_C_LABEL_REQUIRED);
        assert_int_not_equal(field->type, PROTOBUF_C_TYPE_ENUM);
        assert_int_not_equal(field->type, PROTOBUF_C_TYPE_DOUBLE);
        assert_int_not_equal(field->type, PROTOBUF_C_TYPE_FLOAT);
        assert_false(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            below = walk(field->descriptor, above, depth + 1);
        deepest = below > deepest ? below : deepest;
    }
    return deepest;
}

static void no_message_contains_itself(void **state)
{
    const ProtobufCMessageDescriptor *above[LIMIT_DEPTH + 1];

    (void)state;
    assert_int_equal(walk(&qipan__frame__descriptor, above, 0), 3); /* frame, reply, error, clash */
    for (const struct op_info *op = op_table; op->name; op++) {
        walk(op->request, above, 0);
        walk(op->reply, above, 0);
    }
}

/* ---------------------------------------------------------------- attacks */

/* Our messages can't nest without end; a type that can shows that the scan wouldn't mind. */
static ProtobufCMessageDescriptor endless;
static const ProtobufCFieldDescriptor endless_fields[] = {
    {.name = "inner",
     .id = 1,
     .label = PROTOBUF_C_LABEL_OPTIONAL,
     .type = PROTOBUF_C_TYPE_MESSAGE,
     .descriptor = &endless},
    {.name = "numbers", .id = 2, .label = PROTOBUF_C_LABEL_REPEATED, .type = PROTOBUF_C_TYPE_INT32},
    {.name = "text", .id = 3, .label = PROTOBUF_C_LABEL_OPTIONAL, .type = PROTOBUF_C_TYPE_STRING},
    {.name = "a_name_as_long_as_some_generated_field",
     .id = 4,
     .label = PROTOBUF_C_LABEL_OPTIONAL,
     .type = PROTOBUF_C_TYPE_MESSAGE,
     .descriptor = &endless},
};
static const ProtobufCIntRange endless_ranges[] = {{1, 0}, {0, 4}};
static ProtobufCMessageDescriptor endless = {.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
                                             .name = "Endless",
                                             .short_name = "Endless",
                                             .n_fields = 4,
                                             .fields = endless_fields,
                                             .n_field_ranges = 1,
                                             .field_ranges = endless_ranges};

static void nest(struct wire *w, unsigned number, unsigned depth, const void *core, size_t n)
{
    struct wire *inner = malloc(sizeof(*inner));

    inner->n = 0;
    put(inner, core, n);
    for (; depth; depth--) {
        w->n = 0;
        put_field(w, number, inner->bytes, inner->n);
        memcpy(inner, w, sizeof(*inner));
    }
    free(inner);
}

static void nesting_is_bounded(void **state)
{
    struct wire *w = fresh();

    (void)state;
    nest(w, 1, LIMIT_DEPTH, "", 0);
    assert_int_equal(scan(&endless, w, NULL), MSG_OK);
    nest(w, 1, LIMIT_DEPTH + 1, "", 0);
    assert_int_equal(scan(&endless, w, NULL), MSG_MALFORMED);
    nest(w, 1, 12000, "", 0);
    assert_true(w->n > 40000);
    assert_int_equal(scan(&endless, w, NULL), MSG_MALFORMED);
}

static void packed_items_are_counted(void **state)
{
    static uint8_t items[LIMIT_ELEMENTS];
    struct wire *w = fresh();

    (void)state;
    put_field(w, 2, items, LIMIT_ELEMENTS - 1);
    assert_int_equal(scan(&endless, w, NULL), MSG_OK);
    put_field(w, 2, items, 1);
    assert_int_equal(scan(&endless, w, NULL), MSG_MALFORMED);
    w->n = 0;
    put_field(w, 2, "\x80", 1); /* a number that doesn't end */
    assert_int_equal(scan(&endless, w, NULL), MSG_MALFORMED);
}

static void empty_sub_messages_are_bounded(void **state)
{
    const ProtobufCMessageDescriptor *put_rows = &qipan__import_put_request__descriptor;
    struct wire *w = fresh();
    ProtobufCMessage *message = (ProtobufCMessage *)w;
    struct arena arena;

    (void)state;
    for (int i = 0; i < LIMIT_ELEMENTS; i++)
        put_field(w, 3, "", 0);
    assert_int_equal(scan(put_rows, w, NULL), MSG_OK);
    arena_init(&arena, LIMIT_ARENA); /* 16 KiB of wire want more than 512 KiB of structs */
    assert_int_equal(msg_unpack(put_rows, w->bytes, w->n, &arena, &message, NULL), MSG_NO_MEMORY);
    assert_null(message);
    assert_true(arena.used <= LIMIT_ARENA);
    arena_free(&arena);
    put_field(w, 3, "", 0);
    assert_int_equal(scan(put_rows, w, NULL), MSG_MALFORMED);
}

static void unknown_fields_are_bounded(void **state)
{
    struct wire *w = fresh();
    struct wire *inner = malloc(sizeof(*inner));

    (void)state;
    inner->n = 0;
    for (int i = 0; i < LIMIT_UNKNOWN; i++)
        put_field(inner, 1000u + (unsigned)i, "x", 1);
    put_field(w, 1, inner->bytes, inner->n); /* they count wherever they are */
    assert_int_equal(scan(&qipan__frame__descriptor, w, NULL), MSG_OK);
    put_field(w, 99, "x", 1);
    assert_int_equal(scan(&qipan__frame__descriptor, w, NULL), MSG_MALFORMED);
    free(inner);
}

static void repeated_strings_are_bounded(void **state)
{
    struct wire *w = fresh();

    (void)state;
    for (int i = 0; i <= LIMIT_ELEMENTS; i++) /* one singular field, again and again */
        put_field(w, 1, "a", 1);
    assert_int_equal(scan(&qipan__project_show_request__descriptor, w, NULL), MSG_MALFORMED);
}

static void broken_wire(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"\x0a", 1}, /* no length */
        {"\x0a\x05"
         "abc",
         5},                                                  /* cut */
        {"\x0a\xff\xff\xff\xff\x0f", 6},                      /* 4 GiB announced */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* 2^64 - 1 announced */
        {"\x0b\x0c", 2},                                      /* a group */
        {"\x0e\x00", 2},                                      /* wire type 6 */
        {"\x02\x00", 2},                                      /* field 0 */
        {"\x8a\x80\x80\x80\x80\x00\x00", 7},                  /* field 1, its tag padded to six bytes */
        {"\x80\x80\x80\x80\x80\x01", 6},                      /* a tag of six bytes */
        {"\xf8\xff\xff\xff\x7f\x00", 6},                      /* a number over 2^29 */
        {"\x0d"
         "abcd",
         5},             /* a string as fixed32 */
        {"\x08\x01", 2}, /* a string as varint */
        {"\x09"
         "abc",
         4},                                                          /* fixed64, cut */
        {"\x98\x06\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 13}, /* a varint of eleven bytes */
        {"\x98\x06\x80", 3},                                          /* a varint that doesn't end */
    };
    struct wire *w = fresh();

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        w->n = 0;
        put(w, bad[i].bytes, bad[i].n);
        if (scan(&qipan__project_show_request__descriptor, w, NULL) != MSG_MALFORMED)
            fail_msg("case %zu passes", i);
    }
    w->n = 0;
    assert_int_equal(scan(&qipan__frame__descriptor, w, NULL), MSG_OK);
    assert_int_equal(msg_scan(&qipan__frame__descriptor, NULL, 0, NULL), MSG_OK);
}

static void bad_text_is_named(void **state)
{
    struct msg_fault fault;
    struct wire *w = fresh();
    struct wire *row = malloc(sizeof(*row)), *set = malloc(sizeof(*set));

    (void)state;
    row->n = set->n = 0;
    put_field(set, 4, "光\0伏", 7);
    put_field(row, 2, set->bytes, set->n);
    put_field(w, 1, "id", 2);
    put_field(w, 3, row->bytes, row->n);
    assert_int_equal(scan(&qipan__import_put_request__descriptor, w, &fault), MSG_INVALID_TEXT);
    assert_string_equal(fault.field, "rows.set.name");

    put_field(w, 1, "\xc0\x80", 2); /* the first one is named */
    assert_int_equal(scan(&qipan__import_put_request__descriptor, w, &fault), MSG_INVALID_TEXT);
    assert_string_equal(fault.field, "rows.set.name");

    put(w, "\x0b", 1); /* but what is no message at all is no bad text */
    assert_int_equal(scan(&qipan__import_put_request__descriptor, w, &fault), MSG_MALFORMED);
    assert_string_equal(fault.field, "");

    w->n = 0;
    put_field(w, 17, "新", 3);
    put_field(w, 17, "\xff", 1);
    assert_int_equal(scan(&qipan__project__descriptor, w, &fault), MSG_INVALID_TEXT);
    assert_string_equal(fault.field, "tags");

    nest(w, 4, 3, "\x1a\x01\xff", 3); /* a long path is cut, not overrun */
    assert_int_equal(scan(&endless, w, &fault), MSG_INVALID_TEXT);
    assert_int_equal(strlen(fault.field), sizeof(fault.field) - 1);
    free(row);
    free(set);
}

static void bytes_may_hold_anything(void **state)
{
    struct wire *w = fresh();

    (void)state;
    put_field(w, 3, "\0\xff\xfe", 3); /* Call.payload */
    assert_int_equal(scan(&qipan__call__descriptor, w, NULL), MSG_OK);
    w->n = 0;
    put_field(w, 4, "\0\xff\xfe", 3); /* Call.request */
    assert_int_equal(scan(&qipan__call__descriptor, w, NULL), MSG_INVALID_TEXT);
}

/* What the scan lets through, the decoder takes: MSG_NO_MEMORY would be a lie otherwise. */
static void scan_is_as_strict_as_the_decoder(void **state)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    int taken = 0;

    (void)state;
    for (int turn = 0; turn < 100000; turn++) {
        uint8_t bytes[40];
        size_t n;
        struct arena arena;
        ProtobufCMessage *message;

        for (n = 0; n < sizeof(bytes); n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[n] = (uint8_t)(seed >> 33);
            if (seed >> 62) /* small numbers make plausible messages */
                bytes[n] &= 0x1f;
        }
        n = (size_t)(seed >> 40) % 12;
        arena_init(&arena, 8u << 20);
        assert_int_not_equal(msg_unpack(&qipan__project__descriptor, bytes, n, &arena, &message, NULL),
                             MSG_NO_MEMORY);
        taken += message != NULL && n > 2;
        arena_free(&arena);
    }
    assert_true(taken > 100);
}

/* ---------------------------------------------------------------- frames */

static void frames_are_put_whole_or_not(void **state)
{
    static uint8_t payload[LIMIT_FRAME];
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Reply reply = QIPAN__REPLY__INIT;
    const uint8_t *body;
    struct buf out;
    size_t n;

    (void)state;
    reply.has_payload = true;
    reply.payload = (ProtobufCBinaryData){.data = payload, .len = LIMIT_FRAME - 8};
    frame.reply = &reply;
    assert_int_equal(qipan__frame__get_packed_size(&frame), LIMIT_FRAME);
    buf_init(&out, 2 * LIMIT_FRAME);
    assert_true(msg_put_frame(&out, &frame));
    assert_int_equal(frame_peek(&out, &body, &n), FRAME_READY);
    assert_int_equal(n, LIMIT_FRAME);
    assert_false(msg_put_frame(&out, &frame)); /* the queue is full */
    assert_int_equal(buf_len(&out), FRAME_HEADER + LIMIT_FRAME);
    buf_consume(&out, FRAME_HEADER + LIMIT_FRAME);
    reply.payload.len++;
    assert_false(msg_put_frame(&out, &frame)); /* the frame is too large */
    assert_int_equal(buf_len(&out), 0);
    buf_free(&out);
}

static void parts_are_counted(void **state)
{
    Qipan__Frame frame = QIPAN__FRAME__INIT;
    Qipan__Hello hello = QIPAN__HELLO__INIT;
    Qipan__Goodbye goodbye = QIPAN__GOODBYE__INIT;

    (void)state;
    assert_int_equal(msg_frame_parts(&frame), 0);
    frame.hello = &hello;
    assert_int_equal(msg_frame_parts(&frame), 1);
    frame.goodbye = &goodbye;
    assert_int_equal(msg_frame_parts(&frame), 2);
}

/* ---------------------------------------------------------------- frozen bytes */

static void read_vector(const char *name, struct buf *ret)
{
    char path[128], line[512];
    unsigned byte;
    FILE *file;

    snprintf(path, sizeof(path), VECTORS "%s.hex", name);
    file = fopen(path, "r");
    if (!file)
        fail_msg("no %s", path);
    buf_init(ret, 1 << 16);
    while (fgets(line, sizeof(line), file)) {
        int step;

        for (const char *p = line; *p != '#' && sscanf(p, "%2x%n", &byte, &step) == 1; p += step)
            assert_true(buf_append(ret, &(uint8_t){(uint8_t)byte}, 1));
    }
    fclose(file);
}

struct vector {
    struct buf in;
    struct arena arena;
    Qipan__Frame *frame;
};

/* Decodes it, and finds that we would write the very same bytes. */
static void open_vector(struct vector *v, const char *name)
{
    const uint8_t *body;
    ProtobufCMessage *message;
    struct buf again;
    size_t n;

    read_vector(name, &v->in);
    arena_init(&v->arena, LIMIT_ARENA);
    assert_int_equal(frame_peek(&v->in, &body, &n), FRAME_READY);
    assert_int_equal(buf_len(&v->in), FRAME_HEADER + n);
    assert_int_equal(msg_unpack(&qipan__frame__descriptor, body, n, &v->arena, &message, NULL), MSG_OK);
    v->frame = (Qipan__Frame *)message;
    assert_int_equal(msg_frame_parts(v->frame), 1);
    buf_init(&again, 1 << 17);
    assert_true(msg_put_frame(&again, v->frame));
    assert_int_equal(buf_len(&again), buf_len(&v->in));
    assert_memory_equal(buf_head(&again), buf_head(&v->in), buf_len(&again));
    buf_free(&again);
}

static void close_vector(struct vector *v)
{
    arena_free(&v->arena);
    buf_free(&v->in);
}

static void frozen_greetings(void **state)
{
    struct vector v;

    (void)state;
    open_vector(&v, "hello");
    assert_int_equal(v.frame->hello->version_min, 1);
    assert_int_equal(v.frame->hello->version_max, 1);
    assert_string_equal(v.frame->hello->client, "peer.py 1");
    assert_string_equal(v.frame->hello->lang, "zh");
    assert_string_equal(v.frame->hello->instance, "peer-7f");
    close_vector(&v);

    open_vector(&v, "welcome");
    assert_int_equal(v.frame->welcome->version, 1);
    assert_string_equal(v.frame->welcome->daemon, "qipand 0.1.0");
    assert_string_equal(v.frame->welcome->account, "dongshan");
    assert_string_equal(v.frame->welcome->office, "dongshan");
    assert_int_equal(v.frame->welcome->ping_ms, 10000);
    assert_int_equal(v.frame->welcome->dead_ms, 25000);
    assert_int_equal(v.frame->welcome->frame_bytes, 65536);
    close_vector(&v);

    open_vector(&v, "goodbye");
    assert_string_equal(v.frame->goodbye->error->code, "UNAVAILABLE");
    assert_int_equal(v.frame->goodbye->reconnect_after_ms, 3000);
    close_vector(&v);
}

static void frozen_link(void **state)
{
    struct vector v;

    (void)state;
    open_vector(&v, "ping");
    assert_true(v.frame->ping->token == UINT64_MAX);
    close_vector(&v);
    open_vector(&v, "pong");
    assert_true(v.frame->pong->token == UINT64_MAX);
    close_vector(&v);
    open_vector(&v, "cancel");
    assert_int_equal(v.frame->cancel->call, 3);
    close_vector(&v);
}

static void frozen_call(void **state)
{
    struct vector v;
    const Qipan__Call *call;
    ProtobufCMessage *message;
    const Qipan__ProjectAddRequest *add;

    (void)state;
    open_vector(&v, "call");
    call = v.frame->call;
    assert_int_equal(call->call, 1);
    assert_int_equal(call->op, OP_project_add);
    assert_string_equal(call->request, "peer-7f-1");
    assert_int_equal(call->deadline_ms, 5000);
    assert_false(call->has_base_version);
    assert_int_equal(msg_unpack(op_by_number(call->op)->request, call->payload.data, call->payload.len,
                                &v.arena, &message, NULL),
                     MSG_OK);
    add = (const Qipan__ProjectAddRequest *)message;
    assert_string_equal(add->set->name, "光伏组件二期");
    assert_string_equal(add->set->investor, "远山新能源");
    assert_true(add->set->has_amount_total && add->set->amount_total == 35000000000);
    assert_false(add->set->has_amount_fixed);
    assert_string_equal(add->set->stage, "lead");
    assert_int_equal(add->set->n_tags, 2);
    assert_string_equal(add->set->tags[1], "新");
    assert_string_equal(add->reason, "首报");
    close_vector(&v);
}

static void frozen_edit(void **state)
{
    struct vector v;
    const Qipan__Call *call;
    ProtobufCMessage *message;
    const Qipan__ProjectEditRequest *edit;

    (void)state;
    open_vector(&v, "edit");
    call = v.frame->call;
    assert_int_equal(call->op, OP_project_edit);
    assert_true(call->has_base_version && call->base_version == 7);
    assert_int_equal(msg_unpack(op_by_number(call->op)->request, call->payload.data, call->payload.len,
                                &v.arena, &message, NULL),
                     MSG_OK);
    edit = (const Qipan__ProjectEditRequest *)message;
    assert_string_equal(edit->id, "2026-0042");
    assert_string_equal(edit->set->land_mu, "86.5");
    assert_null(edit->set->name);
    assert_int_equal(edit->n_clear, 1);
    assert_string_equal(edit->clear[0], "park");
    assert_true(edit->has_force && edit->force);
    close_vector(&v);
}

static void frozen_replies(void **state)
{
    struct vector v;
    ProtobufCMessage *message;
    const Qipan__ProjectReply *done;
    const Qipan__Error *error;

    (void)state;
    open_vector(&v, "reply");
    assert_int_equal(v.frame->reply->call, 1);
    assert_null(v.frame->reply->error);
    assert_int_equal(msg_unpack(&qipan__project_reply__descriptor, v.frame->reply->payload.data,
                                v.frame->reply->payload.len, &v.arena, &message, NULL),
                     MSG_OK);
    done = (const Qipan__ProjectReply *)message;
    assert_string_equal(done->project->no, "2026-0042");
    assert_true(done->rev == 1042 && done->project->version == 1);
    close_vector(&v);

    open_vector(&v, "refusal");
    error = v.frame->reply->error;
    assert_int_equal(v.frame->reply->call, 2);
    assert_string_equal(error->code, "CONFLICT");
    assert_int_equal(error->status, 10);
    assert_string_equal(error->message, error_info("CONFLICT")->text_zh);
    assert_string_equal(error->hint, "--force");
    assert_string_equal(error->field, "stage");
    assert_string_equal(error->base_value, "lead");
    assert_string_equal(error->theirs, "talks");
    assert_string_equal(error->yours, "signed");
    assert_string_equal(error->by, "chengguan");
    assert_true(error->at == 1767225600000000);
    assert_int_equal(error->n_fields, 1);
    assert_string_equal(error->fields[0]->base_value, "lead");
    assert_true(error->fields[0]->at == 1767225600000000);
    assert_string_equal(error->allowed[0], "talks");
    assert_string_equal(error->other_no, "2026-0001");
    assert_string_equal(error->other_office, "jingkai");
    assert_int_equal(error->retry_after_ms, 250);
    close_vector(&v);
}

static void frozen_feed(void **state)
{
    struct vector v;
    const Qipan__Feed *feed;
    const Qipan__Event *event;

    (void)state;
    open_vector(&v, "feed");
    feed = v.frame->feed;
    assert_int_equal(feed->call, 3);
    assert_true(feed->after->epoch == 1 && feed->after->rev == 1041 && !feed->after->has_idx);
    assert_true(feed->after->tag == 0x0123456789abcdef);
    assert_true(feed->upto->has_idx && feed->upto->idx == 0 && feed->upto->tag == 0xfedcba9876543210);
    assert_string_equal(feed->state, "LIVE");
    assert_true(feed->has_behind && feed->behind == 0);
    assert_int_equal(feed->n_events, 1);
    event = feed->events[0];
    assert_string_equal(event->type, "project.changed");
    assert_true(event->rev == 1042 && event->tag == 0xfedcba9876543210 && event->epoch == 1);
    assert_true(event->has_entry && event->has_idx && event->last && event->version == 2);
    assert_string_equal(event->kind, "project");
    assert_string_equal(event->object, "p1");
    assert_string_equal(event->view, "update");
    assert_string_equal(event->actor, "chengguan");
    assert_string_equal(event->office, "chengguan");
    assert_string_equal(event->reason, "面谈");
    assert_string_equal(event->request, "cg-1");
    assert_null(event->batch);
    assert_true(event->at == 1767225600000000);
    assert_int_equal(event->n_changes, 2);
    assert_int_equal(event->changes[0]->number, 50);
    assert_string_equal(event->changes[0]->old, "lead");
    assert_string_equal(event->changes[0]->new_, "talks");
    assert_true(event->changes[1]->masked && !event->changes[1]->old);
    assert_string_equal(event->row[0]->value, "光伏组件二期");
    close_vector(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_are_found),
        cmocka_unit_test(errors_are_found),
        cmocka_unit_test(no_message_contains_itself),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(packed_items_are_counted),
        cmocka_unit_test(empty_sub_messages_are_bounded),
        cmocka_unit_test(unknown_fields_are_bounded),
        cmocka_unit_test(repeated_strings_are_bounded),
        cmocka_unit_test(broken_wire),
        cmocka_unit_test(bad_text_is_named),
        cmocka_unit_test(bytes_may_hold_anything),
        cmocka_unit_test(scan_is_as_strict_as_the_decoder),
        cmocka_unit_test(frames_are_put_whole_or_not),
        cmocka_unit_test(parts_are_counted),
        cmocka_unit_test(frozen_greetings),
        cmocka_unit_test(frozen_link),
        cmocka_unit_test(frozen_call),
        cmocka_unit_test(frozen_edit),
        cmocka_unit_test(frozen_replies),
        cmocka_unit_test(frozen_feed),
    };

    return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
