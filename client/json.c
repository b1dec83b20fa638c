/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "arena.h"
#include "msg.h"
#include "utf8.h"
#include "value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *number_text(int64_t n)
{
    return json_sprintf("%" PRId64, n);
}

/* Bytes that are no UTF-8 come from the command line at most. */
static json_t *text_or_null(const char *text)
{
    size_t n = text ? strlen(text) : 0, size = n * UTF8_SHOWN + 1;
    json_t *v;
    char *shown;

    if (!text || utf8_valid((const uint8_t *)text, n))
        return text ? json_string(text) : json_null();
    if (!(shown = malloc(size)))
        return NULL;
    utf8_show(shown, size, text);
    v = json_string(shown);
    free(shown);
    return v;
}

/* What can't be made makes the whole NULL: an object without one of its fields would say something else. */
static void set(json_t **object, const char *key, json_t *v)
{
    if (!*object) {
        json_decref(v);
    } else if (!v || json_object_set_new(*object, key, v) != 0) {
        json_decref(*object);
        *object = NULL;
    }
}

static void append(json_t **array, json_t *v)
{
    if (!*array) {
        json_decref(v);
    } else if (!v || json_array_append_new(*array, v) != 0) {
        json_decref(*array);
        *array = NULL;
    }
}

/* Canonical text of a money or instant field. */
static json_t *canonical(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    struct arena arena;
    char *text;
    json_t *v;

    arena_init(&arena, 4096);
    text = value_text(m, f, &arena);
    v = text ? json_string(text) : NULL;
    arena_free(&arena);
    return v;
}

static json_t *instant(int64_t at)
{
    Qipan__Project p = QIPAN__PROJECT__INIT;

    p.has_changed_at = true;
    p.changed_at = at;
    return canonical(&p.base, value_field(p.base.descriptor, "changed_at"));
}

/* ---------------------------------------------------------------- messages */

static json_t *hex(const ProtobufCBinaryData *bytes)
{
    char *text = malloc(bytes->len * 2 + 1);
    json_t *v = NULL;

    if (!text)
        return NULL;
    for (size_t i = 0; i < bytes->len; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes->data[i]);
    v = json_stringn(text, bytes->len * 2);
    free(text);
    return v;
}

static json_t *scalar(const ProtobufCFieldDescriptor *f, const void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
        return number_text(*(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
        return json_sprintf("%" PRIu64, *(const uint64_t *)at);
    case PROTOBUF_C_TYPE_FIXED64:
        return json_sprintf("%016" PRIx64, *(const uint64_t *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_STRING:
        return json_string(*(char *const *)at);
    case PROTOBUF_C_TYPE_BYTES:
        return hex(at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return json_of_message(*(ProtobufCMessage *const *)at);
    default:
        return json_null(); /* no such type in qipan.proto */
    }
}

static size_t element_size(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        return 4;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 8; /* 64 bits and pointers */
    }
}

static json_t *list(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *base = (const char *)m;
    size_t n = *(const size_t *)(base + f->quantifier_offset);
    const char *items = *(char *const *)(base + f->offset);
    json_t *array = n > 0 ? json_array() : NULL;

    for (size_t i = 0; array && i < n; i++)
        append(&array, scalar(f, items + i * element_size(f)));
    return array;
}

static json_t *json_of_field(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    enum value_kind kind = value_kind(f);

    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return list(m, f);
    if (!value_has(m, f))
        return NULL;
    if (kind == VALUE_MONEY || kind == VALUE_INSTANT)
        return canonical(m, f);
    return scalar(f, (const char *)m + f->offset);
}

static bool is_there(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)((const char *)m + f->quantifier_offset) > 0;
    return value_has(m, f);
}

void json_put_field(json_t **object, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (is_there(m, f))
        set(object, f->name, json_of_field(m, f));
}

json_t *json_of_message(const ProtobufCMessage *m)
{
    json_t *object = json_object();

    for (unsigned i = 0; object && i < m->descriptor->n_fields; i++)
        json_put_field(&object, m, &m->descriptor->fields[i]);
    return object;
}

/* \uXXXX, twice above U+FFFF. */
static char *put_escaped(char *at, uint32_t c)
{
    if (c < 0x10000)
        return at + sprintf(at, "\\u%04X", (unsigned)c);
    c -= 0x10000;
    return at + sprintf(at, "\\u%04X\\u%04X", 0xd800u + (unsigned)(c >> 10), 0xdc00u + (unsigned)(c & 0x3ff));
}

/* The same JSON, with what may not reach a terminal written in ASCII: such characters stand in strings only. Takes text. */
static char *escape_unsafe(char *text)
{
    const uint8_t *s = (const uint8_t *)text, *end = s + strlen(text);
    size_t unsafe = 0;
    char *out, *at;

    while (s < end)
        unsafe += !utf8_is_safe(utf8_next(&s, end));
    if (!unsafe)
        return text;
    at = out = malloc(strlen(text) + unsafe * strlen("\\uXXXX\\uXXXX") + 1);
    for (s = (const uint8_t *)text; out && s < end;) {
        const uint8_t *from = s;
        uint32_t c = utf8_next(&s, end);

        if (!utf8_is_safe(c)) {
            at = put_escaped(at, c);
            continue;
        }
        memcpy(at, from, (size_t)(s - from));
        at += s - from;
    }
    if (out)
        *at = '\0';
    free(text);
    return out;
}

char *json_line(json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

    json_decref(value);
    return text ? escape_unsafe(text) : NULL;
}

char *qipan_json(const ProtobufCMessage *message)
{
    return json_line(json_of_message(message));
}

static void put_text(json_t **o, const char *key, const char *text)
{
    if (text)
        set(o, key, text_or_null(text));
}

/* ---------------------------------------------------------------- events */

static const ProtobufCMessageDescriptor *kind_descriptor(const char *kind)
{
    const struct kind_info *known = kind_by_name(kind);

    if (kind && strcmp(kind, "import") == 0) /* of its summary, which a daemon makes */
        return &qipan__import_reply__descriptor;
    return known ? known->message : NULL;
}

const ProtobufCFieldDescriptor *json_event_field(const Qipan__Event *e, uint32_t number)
{
    const ProtobufCMessageDescriptor *desc = kind_descriptor(e->kind);

    return desc ? protobuf_c_message_descriptor_get_field(desc, number) : NULL;
}

static json_t *split(const char *text)
{
    json_t *array = json_array();

    while (array && *text) {
        size_t n = strcspn(text, ",");

        append(&array, json_stringn(text, n));
        text += n + (text[n] == ',');
    }
    return array;
}

/* Canonical text as the JSON value that the field has in an object, too. */
static json_t *typed(const ProtobufCFieldDescriptor *f, const char *text)
{
    if (!text)
        return json_null();
    if (f && f->label == PROTOBUF_C_LABEL_REPEATED)
        return split(text);
    if (f && (f->type == PROTOBUF_C_TYPE_INT32 || f->type == PROTOBUF_C_TYPE_UINT32))
        return json_integer(strtoll(text, NULL, 10));
    if (f && f->type == PROTOBUF_C_TYPE_BOOL)
        return json_boolean(strcmp(text, "true") == 0 || strcmp(text, "t") == 0);
    return json_string(text);
}

static const char *field_name(const ProtobufCFieldDescriptor *f, uint32_t number, char own[16])
{
    snprintf(own, 16, "#%" PRIu32, number); /* a newer daemon's field */
    return f ? f->name : own;
}

static json_t *changes_of(const Qipan__Event *e)
{
    json_t *object = json_object();
    char own[16];

    for (size_t i = 0; object && i < e->n_changes; i++) {
        const Qipan__FieldChange *c = e->changes[i];
        const ProtobufCFieldDescriptor *f = json_event_field(e, c->number);
        json_t *v = c->masked ? json_pack("{s:b}", "masked", 1)
                              : json_pack("[o,o]", typed(f, c->old), typed(f, c->new_));

        set(&object, field_name(f, c->number, own), v);
    }
    return object;
}

static json_t *row_of(const Qipan__Event *e)
{
    json_t *object = json_object();
    char own[16];

    for (size_t i = 0; object && i < e->n_row; i++) {
        const ProtobufCFieldDescriptor *f = json_event_field(e, e->row[i]->number);

        set(&object, field_name(f, e->row[i]->number, own), typed(f, e->row[i]->value));
    }
    return object;
}

static json_t *number_or_null(bool has, int64_t n)
{
    return has ? number_text(n) : json_null();
}

/* The project a record belongs to, as far as the event says. */
static const char *project_of(const Qipan__Event *e)
{
    for (size_t i = 0; i < e->n_row; i++) {
        const ProtobufCFieldDescriptor *f = json_event_field(e, e->row[i]->number);

        if (f && strcmp(f->name, "project") == 0)
            return e->row[i]->value;
    }
    return NULL;
}

static bool brings_row(const Qipan__Event *e)
{
    bool enter = e->view && strcmp(e->view, "enter") == 0;
    const struct kind_info *kind = kind_by_name(e->kind);

    return enter || (kind && kind->whole && e->n_row);
}

json_t *json_of_event(const Qipan__Event *e, const char *cursor)
{
    json_t *o = json_object();

    if (!o)
        return NULL;
    set(&o, "type", text_or_null(e->type));
    set(&o, "rev", number_or_null(e->has_rev, e->rev));
    set(&o, "epoch", number_or_null(e->has_epoch, e->epoch));
    set(&o, "cursor", text_or_null(cursor));
    set(&o, "entry", json_integer(e->entry));
    set(&o, "idx", json_integer(e->idx));
    set(&o, e->kind && *e->kind ? e->kind : "object", text_or_null(e->object));
    put_text(&o, "project", project_of(e));
    set(&o, "view", text_or_null(e->view));
    set(&o, "version", number_or_null(e->has_version, e->version));
    set(&o, "actor", text_or_null(e->actor));
    set(&o, "office", text_or_null(e->office));
    set(&o, "reason", text_or_null(e->reason));
    set(&o, "request", text_or_null(e->request));
    set(&o, "batch", text_or_null(e->batch));
    set(&o, "at", e->has_at ? instant(e->at) : json_null());
    set(&o, "changes", changes_of(e));
    if (brings_row(e))
        set(&o, "row", row_of(e));
    return o;
}

char *qipan_json_event(const Qipan__Event *event, const char *cursor)
{
    return json_line(json_of_event(event, cursor));
}

/* ---------------------------------------------------------------- errors */

json_t *json_of_clash(const Qipan__Clash *c)
{
    json_t *o = json_object();

    if (!o)
        return NULL;
    put_text(&o, "field", c->field);
    set(&o, "base", text_or_null(c->base_value));
    set(&o, "theirs", text_or_null(c->theirs));
    set(&o, "yours", text_or_null(c->yours));
    put_text(&o, "by", c->by);
    if (c->has_at)
        set(&o, "at", instant(c->at));
    return o;
}

static void put_fields(json_t **o, const Qipan__Error *e)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < e->n_fields; i++)
        append(&array, json_of_clash(e->fields[i]));
    set(o, "fields", array);
}

static void put_conflict(json_t **o, const Qipan__Error *e)
{
    set(o, "base", text_or_null(e->base_value));
    set(o, "theirs", text_or_null(e->theirs));
    set(o, "yours", text_or_null(e->yours));
    put_text(o, "by", e->by);
    if (e->has_at)
        set(o, "at", instant(e->at));
    put_fields(o, e);
}

static void put_other(json_t **o, const Qipan__Error *e)
{
    put_text(o, "other_no", e->other_no);
    put_text(o, "other_office", e->other_office);
    put_text(o, "by", e->by);
    if (e->has_at)
        set(o, "at", instant(e->at));
    if (e->n_fields > 0) /* what is in a batch's way */
        put_fields(o, e);
}

json_t *json_of_error(const Qipan__Error *e)
{
    json_t *o = json_object();

    if (!o)
        return NULL;
    put_text(&o, "code", e->code ? e->code : "INTERNAL");
    put_text(&o, "message", e->message);
    put_text(&o, "field", e->field);
    if (e->code && strcmp(e->code, "CONFLICT") == 0)
        put_conflict(&o, e);
    else
        put_other(&o, e);
    if (e->n_allowed > 0) {
        json_t *array = json_array();

        for (size_t i = 0; array && i < e->n_allowed; i++)
            append(&array, json_string(e->allowed[i]));
        set(&o, "allowed", array);
    }
    if (e->has_retry_after_ms)
        set(&o, "retry_after_ms", json_integer(e->retry_after_ms));
    set(&o, "hint", text_or_null(e->hint));
    return o;
}
