/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of result rows: composite types compared with the messages they become. */
#include "bind_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bind_shape_free(struct bind_shape *shape)
{
    for (int i = 0; shape && i < shape->n; i++)
        bind_shape_free(shape->columns[i].sub);
    free(shape);
}

const char *bind_sql_type(const ProtobufCFieldDescriptor *f)
{
    size_t n = strlen(f->name);
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return "text";
    case PROTOBUF_C_TYPE_BYTES:
        return "bytea";
    case PROTOBUF_C_TYPE_BOOL:
        return "bool";
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        return "int4";
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return strcmp(f->name, "at") == 0 || (n > 3 && strcmp(f->name + n - 3, "_at") == 0) ? "timestamptz"
                                                                                            : "int8";
    case PROTOBUF_C_TYPE_MESSAGE:
        return "message";
    default:
        return "unsupported";
    }
}

static enum bind_column_kind kind_of(const ProtobufCFieldDescriptor *f)
{
    const char *type = bind_sql_type(f);
    if (strcmp(type, "text") == 0)
        return COLUMN_TEXT;
    if (strcmp(type, "bytea") == 0)
        return COLUMN_BYTES;
    if (strcmp(type, "bool") == 0)
        return COLUMN_BOOL;
    if (strcmp(type, "int4") == 0)
        return COLUMN_INT4;
    if (strcmp(type, "timestamptz") == 0)
        return COLUMN_INSTANT;
    return strcmp(type, "message") == 0 ? COLUMN_MESSAGE : COLUMN_INT8;
}

/* Rows that come as they are sent (record_send), "bytea[]", are read like the rows themselves, "api.project[]": PostgreSQL
 * passes an array of these on at a fraction of the cost. */
static void take_sent(const ProtobufCFieldDescriptor *f, char type[80])
{
    const ProtobufCMessageDescriptor *message = f->descriptor;
    if (f->type != PROTOBUF_C_TYPE_MESSAGE || strcmp(type, "bytea") != 0)
        return;
    size_t n = (size_t)snprintf(type, 80, "api.%.60s", message->short_name);
    for (size_t i = 0; i < n; i++)
        type[i] = (char)tolower((unsigned char)type[i]);
}

static bool fill_column(const struct bind_catalog *c, const struct bind_entry *e,
                        const ProtobufCFieldDescriptor *f, struct bind_column *column, const char *composite,
                        char err[])
{
    bool array = f->label == PROTOBUF_C_LABEL_REPEATED;
    char type[80];
    snprintf(type, sizeof type, "%.60s", e->type);
    size_t n = strlen(type);
    bool is_array = n > 2 && strcmp(type + n - 2, "[]") == 0;
    if (is_array)
        type[n - 2] = '\0';
    take_sent(f, type);
    bool composite_type = strncmp(type, "api.", 4) == 0;
    const char *wanted = bind_sql_type(f);
    if (array != is_array || (strcmp(wanted, "message") == 0) != composite_type ||
        (!composite_type && strcmp(wanted, type) != 0)) {
        snprintf(err, BIND_ERR_SIZE, "api.%s.%s is %s, but field %s.%s needs %s%s", composite, e->name,
                 e->type, f->name, e->name, wanted, array ? "[]" : "");
        return false;
    }
    column->field = f;
    column->kind = kind_of(f);
    column->array = array;
    if (composite_type && !(column->sub = bind_shape_of(c, type + 4, f->descriptor, false, err)))
        return false;
    return true;
}

static bool fields_covered(const struct bind_shape *shape, const char *composite, char err[])
{
    for (unsigned i = 0; i < shape->message->n_fields; i++) {
        bool found = false;
        for (int k = 0; k < shape->n; k++)
            found |= shape->columns[k].field == &shape->message->fields[i];
        if (!found) {
            snprintf(err, BIND_ERR_SIZE, "api.%s has no attribute %s, which message %s has", composite,
                     shape->message->fields[i].name, shape->message->short_name);
            return false;
        }
    }
    return true;
}

struct bind_shape *bind_shape_of(const struct bind_catalog *c, const char *composite,
                                 const ProtobufCMessageDescriptor *message, bool with_error, char err[])
{
    int n;
    const struct bind_entry *e = bind_find(c, 'a', composite, &n);
    struct bind_shape *shape = calloc(1, sizeof *shape + (size_t)n * sizeof shape->columns[0]);
    if (!shape)
        return NULL;
    shape->message = message;
    for (; shape->n < n; shape->n++, e++) {
        struct bind_column *column = &shape->columns[shape->n];
        if (with_error && strcmp(e->name, "error") == 0) {
            column->kind = COLUMN_MESSAGE;
            column->sub = bind_shape_of(c, "error", &qipan__error__descriptor, false, err);
            if (column->sub)
                continue;
            break;
        }
        const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(message, e->name);
        if (!f) {
            snprintf(err, BIND_ERR_SIZE, "api.%s.%s: message %s has no such field", composite, e->name,
                     message->short_name);
            break;
        }
        if (!fill_column(c, e, f, column, composite, err))
            break;
    }
    if (shape->n == n && n > 0 && fields_covered(shape, composite, err))
        return shape;
    if (n == 0)
        snprintf(err, BIND_ERR_SIZE, "type api.%s is missing", composite);
    shape->n = shape->n < n ? shape->n + 1 : n;
    bind_shape_free(shape);
    return NULL;
}
