/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping as it grows: its memory, its reports, its fields. */
#include "mapping_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY (8 * 1024 * 1024) /* of one mapping */

bool mapping_fail(struct mapping *m, const char *format, ...)
{
    va_list ap;
    int n = m->line ? snprintf(m->why, MAPPING_WHY_SIZE, _("line %d: "), m->line) : 0;

    va_start(ap, format);
    vsnprintf(m->why + n, MAPPING_WHY_SIZE - (size_t)n, format, ap);
    va_end(ap);
    return false;
}

struct mapping *mapping_create(char *why)
{
    struct mapping *m = calloc(1, sizeof(*m));

    why[0] = 0;
    if (!m) {
        snprintf(why, MAPPING_WHY_SIZE, "%s", _("out of memory"));
        return NULL;
    }
    arena_init(&m->arena, MEMORY);
    m->why = why;
    return m;
}

void mapping_free(struct mapping *m)
{
    if (m)
        arena_free(&m->arena);
    free(m);
}

const struct mapping_source *mapping_source(const struct mapping *m)
{
    return &m->source;
}

bool mapping_too_large(struct mapping *m)
{
    return mapping_fail(m, "%s", _("the mapping is too large"));
}

bool mapping_unknown(struct mapping *m, const char *what, const char *word, const char *near)
{
    return near ? mapping_fail(m, _("unknown %s \"%.60s\", did you mean \"%.60s\"?"), what, word, near)
                : mapping_fail(m, _("unknown %s \"%.60s\""), what, word);
}

struct field *mapping_find_field(struct mapping *m, const char *name)
{
    for (int i = 0; i < m->n_fields; i++)
        if (!strcmp(m->fields[i].f->name, name))
            return &m->fields[i];
    return NULL;
}

/* id and no find the project again, the other fields of the registry can't be written. */
bool mapping_may_map(const ProtobufCFieldDescriptor *f)
{
    return value_writable(f) || !strcmp(f->name, "id") || !strcmp(f->name, "no");
}

const ProtobufCFieldDescriptor *mapping_project_field(struct mapping *m, const char *name)
{
    const ProtobufCFieldDescriptor *f = value_field(PROJECT, name);

    if (!f)
        mapping_unknown(m, _("field"), name, value_nearest_field(PROJECT, name, true));
    return f;
}

struct field *mapping_add_field(struct mapping *m, const char *name)
{
    const ProtobufCFieldDescriptor *f = mapping_project_field(m, name);

    if (!f)
        return NULL;
    if (!mapping_may_map(f)) {
        mapping_fail(m, _("the field %s is written by the registry only"), f->name);
        return NULL;
    }
    if (mapping_find_field(m, f->name)) {
        mapping_fail(m, _("the field %s is there twice"), f->name);
        return NULL;
    }
    struct field *field = &m->fields[m->n_fields++];
    field->f = f;
    return field;
}

bool mapping_check_unit(struct mapping *m, const char *field, const char *unit)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(PROJECT, field);
    enum value_kind kind = value_kind(f);
    Qipan__Project probe = QIPAN__PROJECT__INIT;
    struct value_error e;

    if (!unit)
        return true;
    if (kind != VALUE_MONEY && kind != VALUE_AREA)
        return mapping_fail(m, _("the field %s has no unit"), field);
    return value_set(&probe.base, f, "1", unit, &m->arena, &e)
               ? true
               : mapping_fail(m, "%s (%s)", e.message, e.hint);
}

int mapping_by_cell(const void *a, const void *b)
{
    return strcmp(((const struct map_value *)a)->cell, ((const struct map_value *)b)->cell);
}
