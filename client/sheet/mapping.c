/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping as it grows: its memory, its reports, its fields. */
#include "headers.h"
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

bool mapping_set_kind(struct mapping *m, const char *kind)
{
    const ProtobufCMessageDescriptor *desc = headers_kind(kind);

    if (!desc)
        return mapping_fail(m, _("unknown kind \"%.40s\", for example project, enterprise or arrival"), kind);
    if (m->n_fields > 0 && desc != m->desc)
        return mapping_fail(m, "%s", _("the kind stands in [source], before all columns"));
    m->desc = desc;
    m->kind = desc == &qipan__project__descriptor ? "project" : arena_strdup(&m->arena, kind);
    return m->kind ? true : mapping_too_large(m);
}

struct mapping *mapping_create(const char *kind, char *why)
{
    struct mapping *m = calloc(1, sizeof(*m));

    why[0] = 0;
    if (!m) {
        snprintf(why, MAPPING_WHY_SIZE, "%s", _("out of memory"));
        return NULL;
    }
    arena_init(&m->arena, MEMORY);
    m->why = why;
    m->version.column = -1;
    if (mapping_set_kind(m, kind ? kind : "project"))
        return m;
    mapping_free(m);
    return NULL;
}

void mapping_free(struct mapping *m)
{
    if (m)
        arena_free(&m->arena);
    free(m);
}

const char *mapping_kind(const struct mapping *m)
{
    return m->kind;
}

static bool is_unit_of(struct mapping *m, const char *field, const char *unit)
{
    const ProtobufCFieldDescriptor *f = value_field(&qipan__project__descriptor, field);
    char why[MAPPING_WHY_SIZE], *kept = m->why;

    m->why = why;
    bool ok = mapping_check_unit(m, f, unit);
    m->why = kept;
    return ok;
}

void mapping_default_units(struct mapping *m, const char *unit, const char *area_unit)
{
    if (unit && !m->unit) /* one that is no unit of yuan (万美元) is refused cell by cell */
        m->unit = arena_strdup(&m->arena, unit);
    if (area_unit && !m->area_unit && is_unit_of(m, "land_mu", area_unit))
        m->area_unit = arena_strdup(&m->arena, area_unit);
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

/* id and no find the object again, the other fields of the registry can't be written. */
bool mapping_may_map(const struct mapping *m, const ProtobufCFieldDescriptor *f)
{
    if (headers_fixed(m->kind, f->name) || headers_shown(m->kind, f->name))
        return false;
    return value_writable(f) || !strcmp(f->name, "id") || !strcmp(f->name, "no");
}

const ProtobufCFieldDescriptor *mapping_desc_field(struct mapping *m, const char *name)
{
    const ProtobufCFieldDescriptor *f = headers_field(m->kind, name);

    if (!f)
        mapping_unknown(m, _("field"), name, headers_nearest(m->kind, name));
    return f;
}

struct field *mapping_add_field(struct mapping *m, const char *name)
{
    const ProtobufCFieldDescriptor *f = mapping_desc_field(m, name);

    if (!f)
        return NULL;
    if (!mapping_may_map(m, f)) {
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

/* Units are the same for every field of money, and of area. */
bool mapping_check_unit(struct mapping *m, const ProtobufCFieldDescriptor *f, const char *unit)
{
    enum value_kind kind = value_kind(f);
    const char *like = kind == VALUE_MONEY ? "amount_total" : kind == VALUE_AREA ? "land_mu" : NULL;
    Qipan__Project probe = QIPAN__PROJECT__INIT;
    struct value_error e;

    if (!unit)
        return true;
    if (!like)
        return mapping_fail(m, _("the field %s has no unit"), f->name);
    return value_set(&probe.base, value_field(probe.base.descriptor, like), "1", unit, &m->arena, &e)
               ? true
               : mapping_fail(m, "%s (%s)", e.message, e.hint);
}

int mapping_by_cell(const void *a, const void *b)
{
    return strcmp(((const struct map_value *)a)->cell, ((const struct map_value *)b)->cell);
}
