/* SPDX-License-Identifier: Apache-2.0 */
/* Result rows as replies. */
#include "bind_internal.h"

#include <arpa/inet.h>
#include <string.h>

struct cursor {
    const uint8_t *p, *end;
};

static bool take_be32(struct cursor *c, int32_t *ret)
{
    uint32_t v;
    if (c->end - c->p < 4)
        return false;
    memcpy(&v, c->p, 4);
    *ret = (int32_t)ntohl(v);
    c->p += 4;
    return true;
}

static int64_t big_endian(const uint8_t *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return n == 4 ? (int32_t)v : (int64_t)v;
}

static bool read_record(const struct bind_shape *shape, const uint8_t *bytes, int n, struct arena *arena,
                        ProtobufCMessage **ret);

/* One value into the place of a member (of the message, or of a repeated field's array). */
static bool read_value(const struct bind_column *column, const uint8_t *bytes, int n, struct arena *arena,
                       void *to)
{
    switch (column->kind) {
    case COLUMN_BOOL:
        *(protobuf_c_boolean *)to = n == 1 && bytes[0];
        return n == 1;
    case COLUMN_INT4:
        *(int32_t *)to = n == 4 ? (int32_t)big_endian(bytes, 4) : 0;
        return n == 4;
    case COLUMN_INT8:
        *(int64_t *)to = n == 8 ? big_endian(bytes, 8) : 0;
        return n == 8;
    case COLUMN_INSTANT:
        *(int64_t *)to = n == 8 ? big_endian(bytes, 8) + BIND_EPOCH_US : 0;
        return n == 8;
    case COLUMN_TEXT:
        return (*(char **)to = arena_strndup(arena, (const char *)bytes, (size_t)n)) != NULL;
    case COLUMN_BYTES: {
        ProtobufCBinaryData *data = to;
        data->len = (size_t)n;
        data->data = (uint8_t *)arena_strndup(arena, (const char *)bytes, (size_t)n);
        return data->data != NULL;
    }
    case COLUMN_MESSAGE:
        return read_record(column->sub, bytes, n, arena, to);
    }
    return false;
}

static size_t element_size(enum bind_column_kind kind)
{
    switch (kind) {
    case COLUMN_BOOL:
        return sizeof(protobuf_c_boolean);
    case COLUMN_INT4:
        return 4;
    case COLUMN_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 8;
    }
}

static bool read_array(const struct bind_column *column, struct cursor c, struct arena *arena,
                       ProtobufCMessage *m)
{
    int32_t dimensions, flags, type, n = 0, bound;
    if (!take_be32(&c, &dimensions) || !take_be32(&c, &flags) || !take_be32(&c, &type) || dimensions > 1)
        return false;
    if (dimensions == 1 && (!take_be32(&c, &n) || !take_be32(&c, &bound)))
        return false;
    if (n < 0 || n > (c.end - c.p) / 4)
        return false;
    size_t step = element_size(column->kind);
    char *items = arena_zalloc(arena, (size_t)n * step + 1);
    if (!items)
        return false;
    for (int32_t i = 0; i < n; i++) {
        int32_t length;
        if (!take_be32(&c, &length) || length < 0 || length > c.end - c.p)
            return false;
        if (!read_value(column, c.p, length, arena, items + (size_t)i * step))
            return false;
        c.p += length;
    }
    *(size_t *)((char *)m + column->field->quantifier_offset) = (size_t)n;
    *(void **)((char *)m + column->field->offset) = n ? items : NULL;
    return true;
}

static bool read_member(const struct bind_column *column, const uint8_t *bytes, int n, struct arena *arena,
                        ProtobufCMessage *m)
{
    if (column->array)
        return read_array(column, (struct cursor){bytes, bytes + n}, arena, m);
    const ProtobufCFieldDescriptor *f = column->field;
    if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_MESSAGE)
        *(protobuf_c_boolean *)((char *)m + f->quantifier_offset) = 1;
    return read_value(column, bytes, n, arena, (char *)m + f->offset);
}

static ProtobufCMessage *new_message(const struct bind_shape *shape, struct arena *arena)
{
    ProtobufCMessage *m = arena_alloc(arena, shape->message->sizeof_message);
    if (m)
        protobuf_c_message_init(shape->message, m);
    return m;
}

/* record_send: number of columns, then of each its type, length (-1 = null) and bytes. */
static bool read_record(const struct bind_shape *shape, const uint8_t *bytes, int n, struct arena *arena,
                        ProtobufCMessage **ret)
{
    struct cursor c = {bytes, bytes + n};
    int32_t columns, type, length;
    ProtobufCMessage *m = new_message(shape, arena);
    if (!m || !take_be32(&c, &columns) || columns != shape->n)
        return false;
    for (int i = 0; i < columns; i++) {
        if (!take_be32(&c, &type) || !take_be32(&c, &length) || length > c.end - c.p)
            return false;
        if (length < 0)
            continue;
        if (!read_member(&shape->columns[i], c.p, length, arena, m))
            return false;
        c.p += length;
    }
    *ret = m;
    return true;
}

bool bind_reply(const struct bind_op *op, const PGresult *rows, int row, struct arena *arena,
                ProtobufCMessage **ret_reply, Qipan__Error **ret_error)
{
    ProtobufCMessage *reply = new_message(op->shape, arena);
    *ret_error = NULL;
    if (!reply || PQntuples(rows) <= row || PQnfields(rows) != op->shape->n)
        return false;
    for (int i = 0; i < op->shape->n; i++) {
        const struct bind_column *column = &op->shape->columns[i];
        const uint8_t *bytes = (const uint8_t *)PQgetvalue(rows, row, i);
        int n = PQgetlength(rows, row, i);
        if (PQgetisnull(rows, row, i))
            continue;
        bool ok = column->field ? read_member(column, bytes, n, arena, reply)
                                : read_record(column->sub, bytes, n, arena, (ProtobufCMessage **)ret_error);
        if (!ok)
            return false;
    }
    *ret_reply = reply;
    return true;
}

void bind_fill_rev(ProtobufCMessage *reply, int64_t rev)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(reply->descriptor, "rev");
    if (!f || f->type != PROTOBUF_C_TYPE_INT64 || f->label == PROTOBUF_C_LABEL_REPEATED)
        return;
    int64_t *value = (int64_t *)((char *)reply + f->offset);
    protobuf_c_boolean *has = (protobuf_c_boolean *)((char *)reply + f->quantifier_offset);
    if (*has && *value == 0) {
        *value = rev;
        *has = rev != 0;
    }
}
