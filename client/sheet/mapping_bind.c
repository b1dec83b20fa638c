/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping meets the header of a sheet. */
#include "form.h"
#include "layout.h"
#include "mapping_internal.h"

#include <stdlib.h>
#include <string.h>

char *mapping_key(struct mapping *m, const char *text)
{
    size_t size = strlen(text) + 1;
    char *key = arena_alloc(&m->arena, size);

    if (key)
        form_key(text, key, size);
    return key;
}

const char *mapping_next_level(const char *header)
{
    const char *mark = strstr(header, LAYOUT_SEPARATOR);

    return mark ? mark + strlen(LAYOUT_SEPARATOR) : NULL;
}

#define HEADER_KEY 1024 /* longer ones are found by nobody */

/* Does the header say this, or (`last` levels are enough) do its last levels? */
static bool says(const char *header, const char *key, bool last)
{
    char other[HEADER_KEY];

    for (const char *h = last ? mapping_next_level(header) : header; h;
         h = last ? mapping_next_level(h) : NULL) {
        form_key(h, other, sizeof(other));
        if (!strcmp(other, key))
            return true;
    }
    return false;
}

/* Columns whose header says it; t->column is the one that is meant, -1 when there is none. */
static int find_columns(const struct mapping *m, struct term *t, const char *key, bool last)
{
    int seen = 0;

    t->column = -1;
    for (size_t i = 0; i < m->n_headers; i++)
        if (says(m->headers[i], key, last) && ++seen == (t->occurrence ? t->occurrence : 1))
            t->column = (int)i;
    return seen;
}

static bool unknown_column(struct mapping *m, const struct term *t, const char *key)
{
    const char **words = arena_zalloc(&m->arena, (m->n_headers + 1) * sizeof(*words));

    for (size_t i = 0; words && i < m->n_headers; i++)
        if (!(words[i] = mapping_key(m, m->headers[i])))
            return mapping_too_large(m);
    return words ? mapping_unknown(m, _("column"), t->header, value_nearest(key, words))
                 : mapping_too_large(m);
}

/* @title, @group, @group#2: what stands above the row. */
static bool bind_above(struct mapping *m, struct term *t)
{
    if (!strcmp(t->header, "@title"))
        t->column = COLUMN_TITLE;
    else if (!strcmp(t->header, "@group") && t->occurrence < SHEET_GROUPS)
        t->column = COLUMN_GROUP - t->occurrence;
    else
        return mapping_fail(m, _("\"%.60s\" is neither @title nor @group, @group#1 to @group#%d"), t->header,
                            SHEET_GROUPS - 1);
    return true;
}

static bool bind_term(struct mapping *m, struct term *t)
{
    char *key;
    int seen;

    if (t->literal)
        return true;
    if (t->header[0] == '@')
        return bind_above(m, t);
    if (!(key = mapping_key(m, t->header)))
        return mapping_too_large(m);
    if (!(seen = find_columns(m, t, key, false)))
        seen = find_columns(m, t, key, true);
    if (seen > 1 && !t->occurrence)
        return mapping_fail(m, _("the column \"%.60s\" occurs %d times: write %.60s#1 to %.60s#%d"),
                            t->header, seen, t->header, t->header, seen);
    if (t->column >= 0)
        return true;
    if (seen > 0)
        return mapping_fail(m, _("the column \"%.60s\" occurs %d times only"), t->header, seen);
    return unknown_column(m, t, key);
}

/* The unit that a header names is meant, unless the mapping says another. */
static bool bind_unit(struct mapping *m, struct alt *a)
{
    char *key = a->n == 1 && a->terms[0].column >= 0 ? mapping_key(m, m->headers[a->terms[0].column]) : NULL;
    const char *remark;

    a->unit = key ? form_cut_unit(key) : NULL;
    if (key && !a->unit && (remark = form_cut_brackets(key))) /* 总投资(含税,万元) */
        a->unit = form_advice_unit(remark);
    return true;
}

static bool bind_expr(struct mapping *m, struct expr *x)
{
    for (int a = 0; a < x->n; a++) {
        for (int i = 0; i < x->alts[a].n; i++)
            if (!bind_term(m, &x->alts[a].terms[i]))
                return false;
        bind_unit(m, &x->alts[a]);
    }
    return true;
}

static void mark(bool *used, const struct expr *x)
{
    for (int a = 0; a < x->n; a++)
        for (int i = 0; i < x->alts[a].n; i++)
            if (!x->alts[a].terms[i].literal && x->alts[a].terms[i].column >= 0)
                used[x->alts[a].terms[i].column] = true;
}

bool mapping_note_left_out(struct mapping *m)
{
    bool *used = m->used = arena_zalloc(&m->arena, m->n_headers + 1);

    m->n_left_out = 0;
    m->left_out = arena_alloc(&m->arena, (m->n_headers + 1) * sizeof(*m->left_out));
    if (!used || !m->left_out)
        return mapping_too_large(m);
    for (int i = 0; i < m->n_fields; i++)
        if (!m->fields[i].constant)
            mark(used, &m->fields[i].expr);
    for (int i = 0; i < m->n_keys; i++)
        mark(used, &m->keys[i]);
    if (m->version.column >= 0)
        used[m->version.column] = true;
    for (size_t i = 0; i < m->n_headers; i++)
        if (!used[i] && *m->headers[i])
            m->left_out[m->n_left_out++] = m->headers[i];
    return true;
}

bool mapping_bind(struct mapping *m, char *const *headers, size_t n, char why[MAPPING_WHY_SIZE])
{
    m->why = why;
    m->line = 0;
    m->headers = headers;
    m->n_headers = n;
    for (int i = 0; i < m->n_fields; i++)
        if (!m->fields[i].constant && !bind_expr(m, &m->fields[i].expr))
            return false;
    for (int i = 0; i < m->n_keys; i++)
        if (!bind_expr(m, &m->keys[i]))
            return false;
    for (int i = 0; i < m->n_skips; i++)
        if (!bind_term(m, &m->skips[i].term))
            return false;
    if (mapping_find_field(m, "id"))
        find_columns(m, &m->version, "version", false);
    return mapping_note_left_out(m);
}

int mapping_first_column(const struct expr *x)
{
    for (int i = 0; i < x->alts[0].n; i++)
        if (!x->alts[0].terms[i].literal)
            return x->alts[0].terms[i].column;
    return -1;
}

int mapping_column_index(const struct mapping *m, const char *field)
{
    for (int i = 0; i < m->n_fields; i++) {
        const struct field *f = &m->fields[i];
        int column = f->constant ? -1 : mapping_first_column(&f->expr);
        if (!strcmp(f->f->name, field) && column >= 0)
            return column;
    }
    return -1;
}

const char *mapping_column(const struct mapping *m, const char *field)
{
    int column = mapping_column_index(m, field);

    return column >= 0 ? m->headers[column] : NULL;
}

bool mapping_reads(const struct mapping *m, size_t column)
{
    return column < m->n_headers && m->used[column];
}

bool mapping_guesses_unit(const struct mapping *m, size_t column)
{
    for (int i = 0; i < m->n_fields && !m->unit; i++) {
        const struct field *f = &m->fields[i];
        for (int a = 0; !f->constant && !f->expr.unit && value_kind(f->f) == VALUE_MONEY && a < f->expr.n;
             a++)
            if (f->expr.alts[a].n == 1 && f->expr.alts[a].terms[0].column == (int)column &&
                !f->expr.alts[a].unit)
                return strcmp(m->headers[column], f->f->name) != 0;
    }
    return false;
}

const char *const *mapping_left_out(const struct mapping *m, size_t *ret_n)
{
    *ret_n = m->n_left_out;
    return m->left_out;
}
