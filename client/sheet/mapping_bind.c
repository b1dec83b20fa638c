/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping meets the header of a sheet, or is made from it. */
#include "mapping_internal.h"

#include <string.h>

/* Headers are compared without spaces and line breaks, full-width characters folded. */
static char *header_key(const char *header, struct arena *arena)
{
    char *s = value_fold(header, arena), *w = s;

    for (const char *r = s; r && *r; r++)
        if (!strchr(" \t\r\n", *r))
            *w++ = *r;
    if (s)
        *w = 0;
    return s;
}

struct headers {
    char **keys;
    size_t n;
};

static bool bind_term(struct mapping *m, struct term *t, const struct headers *h)
{
    char *key = t->literal ? NULL : header_key(t->header, &m->arena);
    int seen = 0;

    if (t->literal)
        return true;
    if (!key)
        return mapping_too_large(m);
    t->column = -1;
    for (size_t i = 0; i < h->n; i++)
        if (h->keys[i] && !strcmp(h->keys[i], key) && ++seen == (t->occurrence ? t->occurrence : 1))
            t->column = (int)i;
    if (seen > 1 && !t->occurrence)
        return mapping_fail(m, _("the column \"%.60s\" occurs %d times: write %.60s#1 to %.60s#%d"),
                            t->header, seen, t->header, t->header, seen);
    if (t->column >= 0)
        return true;
    if (seen > 0)
        return mapping_fail(m, _("the column \"%.60s\" occurs %d times only"), t->header, seen);
    return mapping_unknown(m, _("column"), t->header, value_nearest(key, (const char *const *)h->keys));
}

static bool bind_expr(struct mapping *m, struct expr *x, const struct headers *h)
{
    for (int a = 0; a < x->n; a++)
        for (int i = 0; i < x->alts[a].n; i++)
            if (!bind_term(m, &x->alts[a].terms[i], h))
                return false;
    return true;
}

bool mapping_bind(struct mapping *m, char *const *headers, size_t n, char why[MAPPING_WHY_SIZE])
{
    struct headers h = {.keys = arena_zalloc(&m->arena, (n + 1) * sizeof(char *)), .n = n};

    m->why = why;
    m->line = 0;
    if (!h.keys)
        return mapping_too_large(m);
    for (size_t i = 0; i < n; i++)
        if (!(h.keys[i] = header_key(headers[i], &m->arena)))
            return mapping_fail(m, "%s", _("the header is not valid text"));
    m->headers = headers;
    for (int i = 0; i < m->n_fields; i++)
        if (!m->fields[i].constant && !bind_expr(m, &m->fields[i].expr, &h))
            return false;
    for (int i = 0; i < m->n_keys; i++)
        if (!bind_expr(m, &m->keys[i], &h))
            return false;
    for (int i = 0; i < m->n_skips; i++)
        if (!bind_term(m, &m->skips[i].term, &h))
            return false;
    return true;
}

int mapping_first_column(const struct expr *x)
{
    for (int i = 0; i < x->alts[0].n; i++)
        if (!x->alts[0].terms[i].literal)
            return x->alts[0].terms[i].column;
    return -1;
}

const char *mapping_column(const struct mapping *m, const char *field)
{
    for (int i = 0; i < m->n_fields; i++) {
        const struct field *f = &m->fields[i];
        int column = f->constant ? -1 : mapping_first_column(&f->expr);
        if (!strcmp(f->f->name, field) && column >= 0)
            return m->headers[column];
    }
    return NULL;
}

/* ---------------------------------------------------------------- without a mapping file */

/* "总投资(万元)" → field and unit. */
static const ProtobufCFieldDescriptor *header_field(struct mapping *m, char *key, const char **ret_unit)
{
    const ProtobufCFieldDescriptor *f = value_field(PROJECT, key);
    char *open = strrchr(key, '(');
    size_t n = strlen(key);

    *ret_unit = NULL;
    if (f || !open || open == key || key[n - 1] != ')')
        return f;
    *ret_unit = arena_strndup(&m->arena, open + 1, n - (size_t)(open - key) - 2);
    *open = 0;
    f = value_field(PROJECT, key);
    if (!f)
        *open = '(';
    return f;
}

static bool auto_column(struct mapping *m, const char *header, int column)
{
    char *key = header_key(header, &m->arena);
    const char *unit;

    if (!key)
        return mapping_fail(m, "%s", _("the header is not valid text"));
    if (!*key)
        return true;
    const ProtobufCFieldDescriptor *f = header_field(m, key, &unit);
    if (!f) {
        const char *near = value_nearest_field(PROJECT, key, true);
        return near ? mapping_fail(
                          m,
                          _("the column \"%.60s\" is no field of a project; did you mean %s (%s)? A mapping "
                            "file says what it is"),
                          header, value_label(near, "zh"), near)
                    : mapping_fail(
                          m,
                          _("the column \"%.60s\" is no field of a project; a mapping file says what it is"),
                          header);
    }
    if (!mapping_may_map(f) || (!strcmp(f->name, "no") && mapping_find_field(m, "id")))
        return true;
    struct field *field = mapping_add_field(m, f->name);
    if (!field || !mapping_check_unit(m, f->name, unit))
        return false;
    field->expr.n = field->expr.alts[0].n = 1;
    field->expr.unit = unit;
    field->expr.alts[0].terms[0] = (struct term){.header = m->headers[column], .column = column};
    return true;
}

struct mapping *mapping_auto(char *const *headers, size_t n, char why[MAPPING_WHY_SIZE])
{
    struct mapping *m = mapping_create(why);
    bool ok = m != NULL;

    if (m)
        m->headers = headers;
    for (size_t i = 0; ok && i < n; i++)
        ok = auto_column(m, headers[i], (int)i);
    if (ok && m->n_fields == 0)
        ok = mapping_fail(m, "%s", _("the file has no column that is a field of a project"));
    if (ok)
        return m;
    mapping_free(m);
    return NULL;
}
