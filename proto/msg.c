/* SPDX-License-Identifier: Apache-2.0 */
#include "msg.h"
#include "descriptors.h"
#include "frame.h"
#include "limits.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- scan */

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LENGTH = 2, WIRE_32 = 5 };

#define TAG_BYTES    5
#define VARINT_BYTES 10
#define FIELD_MOST   ((1u << 29) - 1)

/* Where the scan stands: the fields that lead to the current message. */
struct scan_path {
    const struct scan_path *parent;
    const char *field;
};

struct scan {
    unsigned elements, unknown; /* seen in the whole frame */
    bool taken;                 /* text need only be UTF-8 */
    bool bad_text;              /* the first one is in fault */
    struct msg_fault *fault;
};

struct span {
    const uint8_t *p, *end;
};

static bool scan_message(struct scan *s, const ProtobufCMessageDescriptor *desc, struct span in,
                         const struct scan_path *path, unsigned depth);

static bool read_varint(struct span *in, int most, uint64_t *ret)
{
    uint64_t value = 0;

    for (int i = 0; i < most && in->p < in->end; i++) {
        uint8_t byte = *in->p++;

        value |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool take(struct span *in, uint64_t n, struct span *ret)
{
    if (n > (uint64_t)(in->end - in->p))
        return false;
    *ret = (struct span){in->p, in->p + n};
    in->p += n;
    return true;
}

/* The bytes of one value, without the length before it. */
static bool read_value(struct span *in, unsigned wire, struct span *ret)
{
    const uint8_t *start = in->p;
    uint64_t n;

    switch (wire) {
    case WIRE_VARINT:
        if (!read_varint(in, VARINT_BYTES, &n))
            return false;
        *ret = (struct span){start, in->p};
        return true;
    case WIRE_64:
        return take(in, 8, ret);
    case WIRE_32:
        return take(in, 4, ret);
    case WIRE_LENGTH:
        return read_varint(in, TAG_BYTES, &n) && take(in, n, ret);
    default: /* groups, and what doesn't exist */
        return false;
    }
}

static enum wire wire_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LENGTH;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32;
    default:
        return WIRE_VARINT;
    }
}

/* The path's fields from the outside in; what doesn't fit is cut. */
static size_t fault_name(char *out, size_t size, const struct scan_path *path)
{
    size_t used = 0;

    if (path->parent)
        used = fault_name(out, size, path->parent);
    used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "." : "", path->field);
    return used < size ? used : size - 1;
}

/* Goes on after the first bad text: whether the rest is a message decides what becomes of the connection. */
static void scan_text(struct scan *s, struct span text, const struct scan_path *path)
{
    if (s->bad_text || (s->taken ? utf8_valid : utf8_clean)(text.p, (size_t)(text.end - text.p)))
        return;
    s->bad_text = true;
    fault_name(s->fault->field, sizeof(s->fault->field), path);
}

static bool scan_packed(struct scan *s, struct span items, enum wire wire)
{
    struct span item;

    while (items.p < items.end)
        if (++s->elements > LIMIT_ELEMENTS || !read_value(&items, wire, &item))
            return false;
    return true;
}

static bool scan_field(struct scan *s, const ProtobufCFieldDescriptor *field, unsigned wire,
                       struct span value, const struct scan_path *parent, unsigned depth)
{
    const struct scan_path path = {parent, field->name};
    enum wire own = wire_of(field->type);

    if (wire == WIRE_LENGTH && own != WIRE_LENGTH && field->label == PROTOBUF_C_LABEL_REPEATED)
        return scan_packed(s, value, own);
    if (wire != own)
        return false;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        scan_text(s, value, &path);
    else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return scan_message(s, field->descriptor, value, &path, depth + 1);
    return true;
}

static bool scan_message(struct scan *s, const ProtobufCMessageDescriptor *desc, struct span in,
                         const struct scan_path *path, unsigned depth)
{
    const ProtobufCFieldDescriptor *field;
    struct span value;
    uint64_t tag;

    if (depth > LIMIT_DEPTH)
        return false;
    while (in.p < in.end) {
        if (++s->elements > LIMIT_ELEMENTS || !read_varint(&in, TAG_BYTES, &tag))
            return false;
        if (tag >> 3 == 0 || tag >> 3 > FIELD_MOST || !read_value(&in, tag & 7, &value))
            return false;
        field = protobuf_c_message_descriptor_get_field(desc, (unsigned)(tag >> 3));
        if (!field) {
            if (++s->unknown > LIMIT_UNKNOWN)
                return false;
        } else if (!scan_field(s, field, tag & 7, value, path, depth)) {
            return false;
        }
    }
    return true;
}

const char *msg_code(enum msg_result result)
{
    static const char *const codes[] = {
        [MSG_MALFORMED] = "MALFORMED", [MSG_INVALID_TEXT] = "INVALID_TEXT", [MSG_NO_MEMORY] = "TOO_LARGE"};
    return codes[result];
}

static enum msg_result scan(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
                            bool taken, struct msg_fault *fault)
{
    struct scan s = {.fault = fault, .taken = taken};

    s.fault->field[0] = '\0';
    if (n && !scan_message(&s, desc, (struct span){bytes, bytes + n}, NULL, 0)) {
        s.fault->field[0] = '\0';
        return MSG_MALFORMED;
    }
    return s.bad_text ? MSG_INVALID_TEXT : MSG_OK;
}

enum msg_result msg_scan(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
                         struct msg_fault *ret_fault)
{
    struct msg_fault unused;

    return scan(desc, bytes, n, false, ret_fault ? ret_fault : &unused);
}

static enum msg_result unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
                              bool taken, struct arena *arena, ProtobufCMessage **ret_message,
                              struct msg_fault *ret_fault)
{
    struct msg_fault unused;
    enum msg_result result = scan(desc, bytes, n, taken, ret_fault ? ret_fault : &unused);

    *ret_message = NULL;
    if (result != MSG_OK)
        return result;
    /* The scan is stricter than the decoder (a fuzzer compares them): only memory is left to fail. */
    *ret_message = protobuf_c_message_unpack(desc, &arena->allocator, n, bytes);
    return *ret_message ? MSG_OK : MSG_NO_MEMORY;
}

enum msg_result msg_unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
                           struct arena *arena, ProtobufCMessage **ret_message, struct msg_fault *ret_fault)
{
    return unpack(desc, bytes, n, false, arena, ret_message, ret_fault);
}

enum msg_result msg_take(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
                         struct arena *arena, ProtobufCMessage **ret_message, struct msg_fault *ret_fault)
{
    return unpack(desc, bytes, n, true, arena, ret_message, ret_fault);
}

/* ---------------------------------------------------------------- frames */

bool msg_put_frame(struct buf *out, const Qipan__Frame *frame)
{
    size_t n = qipan__frame__get_packed_size(frame);
    uint8_t *room = n <= LIMIT_FRAME ? buf_reserve(out, FRAME_HEADER + n) : NULL;

    if (!room)
        return false;
    frame_put_header(room, n);
    qipan__frame__pack(frame, room + FRAME_HEADER);
    buf_grow(out, FRAME_HEADER + n);
    return true;
}

int msg_frame_parts(const Qipan__Frame *frame)
{
    const ProtobufCMessageDescriptor *desc = frame->base.descriptor;
    int parts = 0;

    for (unsigned i = 0; i < desc->n_fields; i++) { /* every field of Frame is a message */
        void *part;

        memcpy(&part, (const char *)frame + desc->fields[i].offset, sizeof(part));
        parts += part != NULL;
    }
    return parts;
}

/* ---------------------------------------------------------------- tables */

static const struct error_info error_table[] = {
#define ERR(name, status, exit_code, retry, text_en, text_zh)                                                \
    {#name, status, exit_code, ERROR_##retry, text_en, text_zh},
#include "errors.def"
#undef ERR
};

#define N_ERRORS (sizeof(error_table) / sizeof(error_table[0]))

const struct error_info *error_info(const char *name)
{
    const struct error_info *internal = &error_table[N_ERRORS - 1];

    for (size_t i = 0; i < N_ERRORS; i++) {
        if (name && strcmp(error_table[i].name, name) == 0)
            return &error_table[i];
        if (strcmp(error_table[i].name, "INTERNAL") == 0)
            internal = &error_table[i];
    }
    return internal;
}

const struct op_info op_table[] = {
#define OP(number, name, request, reply, lane, right, cli)                                                   \
    {number, #name, &DESCRIPTOR_##request, &DESCRIPTOR_##reply, LANE_##lane, #right, cli},
#include "ops.def"
#undef OP
    {0},
};

const struct op_info *op_by_number(unsigned number)
{
    for (const struct op_info *op = op_table; op->name; op++)
        if (op->number == number)
            return op;
    return NULL;
}

const struct op_info *op_by_name(const char *name)
{
    for (const struct op_info *op = op_table; op->name; op++)
        if (name && strcmp(op->name, name) == 0)
            return op;
    return NULL;
}

unsigned op_longest_ms(const struct op_info *op)
{
    return op->lane == LANE_BULK || op->lane == LANE_PREVIEW ? LIMIT_BULK_MS : LIMIT_DEADLINE_MS;
}

const struct kind_info kind_table[] = {
/* Projects, firms and accounts are large, and known to whoever watches them. */
#define KIND(name, message)                                                                                  \
    {#name, &DESCRIPTOR_##message,                                                                           \
     KIND_##name != KIND_project && KIND_##name != KIND_enterprise && KIND_##name != KIND_account},
#include "kinds.def"
#undef KIND
    {0},
};

const struct kind_info *kind_by_name(const char *name)
{
    for (const struct kind_info *k = kind_table; k->name; k++)
        if (name && strcmp(k->name, name) == 0)
            return k;
    return NULL;
}
