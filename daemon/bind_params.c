/* SPDX-License-Identifier: Apache-2.0 */
/* A request and what the daemon knows of it, as the parameters of a statement. */
#include "bind_internal.h"

#include "buf.h"
#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_HEADER 20

/* ---- messages to JSON, for jsonb parameters */

static bool json_value(struct buf *b, const ProtobufCFieldDescriptor *f, const void *member);

static bool put(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static bool json_string(struct buf *b, const char *s)
{
    bool ok = put(b, "\"");
    while (*s && ok) {
        char escaped[8];
        size_t n = 0;
        while (is_plain((unsigned char)s[n]))
            n++;
        ok = buf_append(b, s, n);
        s += n;
        if (*s) {
            snprintf(escaped, sizeof escaped, (unsigned char)*s < 0x20 ? "\\u%04x" : "\\%c", *s);
            ok = ok && put(b, escaped);
            s++;
        }
    }
    return ok && put(b, "\"");
}

static const void *member_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return (const char *)m + f->offset;
}

static bool is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)((const char *)m + f->quantifier_offset) > 0;
    if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(void *const *)member_of(m, f) != NULL;
    return *(const protobuf_c_boolean *)((const char *)m + f->quantifier_offset);
}

static bool json_message(struct buf *b, const ProtobufCMessage *m)
{
    bool ok = put(b, "{"), first = true;
    for (unsigned i = 0; i < m->descriptor->n_fields && ok; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        if (!is_set(m, f))
            continue;
        ok = put(b, first ? "\"" : ",\"") && put(b, f->name) && put(b, "\":");
        first = false;
        const void *member = member_of(m, f);
        if (f->label != PROTOBUF_C_LABEL_REPEATED) {
            ok = ok && json_value(b, f, member);
            continue;
        }
        size_t n = *(const size_t *)((const char *)m + f->quantifier_offset);
        size_t step =
            f->type == PROTOBUF_C_TYPE_INT32 ? sizeof(int32_t) : sizeof(void *); /* no other kinds are used */
        ok = ok && put(b, "[");
        for (size_t k = 0; k < n && ok; k++)
            ok = (k == 0 || put(b, ",")) && json_value(b, f, *(const char *const *)member + k * step);
        ok = ok && put(b, "]");
    }
    return ok && put(b, "}");
}

static bool json_value(struct buf *b, const ProtobufCFieldDescriptor *f, const void *member)
{
    char number[32];
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return json_string(b, *(char *const *)member);
    case PROTOBUF_C_TYPE_MESSAGE:
        return json_message(b, *(ProtobufCMessage *const *)member); /* depth: no message contains itself */
    case PROTOBUF_C_TYPE_BOOL:
        return put(b, *(const protobuf_c_boolean *)member ? "true" : "false");
    case PROTOBUF_C_TYPE_INT32:
        snprintf(number, sizeof number, "%d", *(const int32_t *)member);
        return put(b, number);
    case PROTOBUF_C_TYPE_UINT32:
        snprintf(number, sizeof number, "%u", *(const uint32_t *)member);
        return put(b, number);
    default:
        snprintf(number, sizeof number, "%lld", (long long)*(const int64_t *)member);
        return put(b, number);
    }
}

/* jsonb on the wire is a version byte and the text. NULL: out of memory. */
static char *jsonb_param(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct arena *arena,
                         int *ret_n)
{
    struct buf b;
    buf_init(&b, 1024 * 1024);
    bool ok = put(&b, "\1");
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)((const char *)m + f->quantifier_offset);
        ProtobufCMessage **items = *(ProtobufCMessage * *const *)member_of(m, f);
        ok = ok && put(&b, "[");
        for (size_t i = 0; i < n && ok; i++)
            ok = (i == 0 || put(&b, ",")) && json_message(&b, items[i]);
        ok = ok && put(&b, "]");
    } else {
        ok = ok && json_message(&b, *(ProtobufCMessage *const *)member_of(m, f));
    }
    char *copy = ok ? arena_alloc(arena, buf_len(&b)) : NULL;
    if (copy)
        memcpy(copy, buf_head(&b), buf_len(&b));
    *ret_n = (int)buf_len(&b);
    buf_free(&b);
    return copy;
}

/* ---- parameters */

static const char *put_int(struct arena *arena, int64_t value, int bytes)
{
    char *p = arena_alloc(arena, 8);
    uint64_t big = htobe64((uint64_t)value);
    if (p)
        memcpy(p, (char *)&big + 8 - bytes, (size_t)bytes);
    return p;
}

static void put_be32(char **p, uint32_t v)
{
    v = htonl(v);
    memcpy(*p, &v, 4);
    *p += 4;
}

static char *text_array(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct arena *arena,
                        int *ret_n)
{
    size_t n = *(const size_t *)((const char *)m + f->quantifier_offset);
    char **items = *(char **const *)member_of(m, f);
    size_t size = ARRAY_HEADER;
    for (size_t i = 0; i < n; i++)
        size += 4 + strlen(items[i]);
    char *out = arena_alloc(arena, size), *p = out;
    if (!out)
        return NULL;
    put_be32(&p, 1); /* dimensions */
    put_be32(&p, 0); /* no nulls */
    put_be32(&p, OID_TEXT);
    put_be32(&p, (uint32_t)n);
    put_be32(&p, 1); /* lower bound */
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(items[i]);
        put_be32(&p, (uint32_t)length);
        memcpy(p, items[i], length);
        p += length;
    }
    *ret_n = (int)size;
    return out;
}

static bool field_param(const ProtobufCMessage *m, const struct bind_source *s, struct arena *arena,
                        const char **value, int *length)
{
    const ProtobufCFieldDescriptor *f = s->field;
    const void *member = member_of(m, f);
    if (!is_set(m, f))
        return true;
    switch (s->type) {
    case OID_TEXT:
        *value = *(char *const *)member;
        *length = (int)strlen(*value);
        return true;
    case OID_BYTEA:
        *value = (const char *)((const ProtobufCBinaryData *)member)->data;
        *length = (int)((const ProtobufCBinaryData *)member)->len;
        return true;
    case OID_BOOL:
        *length = 1;
        return (*value = put_int(arena, *(const protobuf_c_boolean *)member != 0, 1)) != NULL;
    case OID_INT4:
        *length = 4;
        return (*value = put_int(arena, *(const int32_t *)member, 4)) != NULL;
    case OID_TIMESTAMPTZ:
        *length = 8;
        return (*value = put_int(arena, *(const int64_t *)member - BIND_EPOCH_US, 8)) != NULL;
    case OID_INT8:
        *length = 8;
        return (*value = put_int(arena, *(const int64_t *)member, 8)) != NULL;
    case OID_TEXT_ARRAY:
        return (*value = text_array(m, f, arena, length)) != NULL;
    default:
        return (*value = jsonb_param(m, f, arena, length)) != NULL;
    }
}

static bool server_param(const struct bind_server *server, enum bind_from from, struct arena *arena,
                         const char **value, int *length)
{
    switch (from) {
    case FROM_ACCOUNT:
        *length = 4;
        return (*value = put_int(arena, server->account, 4)) != NULL;
    case FROM_BASE:
        *length = 8;
        return !server->has_base || (*value = put_int(arena, server->base, 8)) != NULL;
    case FROM_DIGEST:
        *value = (const char *)server->digest;
        *length = server->digest ? 32 : 0;
        return true;
    default:
        *value = from == FROM_LANG       ? server->lang
                 : from == FROM_IDENTITY ? server->identity
                 : from == FROM_SERIAL   ? server->serial
                                         : server->request;
        *length = *value ? (int)strlen(*value) : 0;
        return true;
    }
}

bool bind_params(const struct bind_op *op, const ProtobufCMessage *request, const struct bind_server *server,
                 struct arena *arena, struct pg_params *ret)
{
    for (int i = 0; i < op->statement.n; i++) {
        const struct bind_source *s = &op->sources[i];
        ret->values[i] = NULL;
        ret->lengths[i] = 0;
        bool ok = s->from == FROM_FIELD
                      ? field_param(request, s, arena, &ret->values[i], &ret->lengths[i])
                      : server_param(server, s->from, arena, &ret->values[i], &ret->lengths[i]);
        if (!ok)
            return false;
    }
    return true;
}
