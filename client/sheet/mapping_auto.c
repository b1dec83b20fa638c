/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping made from the header of a sheet. */
#include "form.h"
#include "headers.h"
#include "mapping_internal.h"

#include <stdio.h>
#include <string.h>

struct found {
    const ProtobufCFieldDescriptor *f;
    const char *unit; /* NULL = none */
};

/* How much of a header is cut off before it is looked up. */
enum cut { NOTHING_CUT, UNITS_CUT, BRACKETS_CUT };

/* One that is unknown, and so refused. */
static const char *both_units(struct mapping *m, const char *a, const char *b)
{
    char *both = arena_alloc(&m->arena, strlen(a) + strlen(b) + 2);

    if (both)
        sprintf(both, "%s/%s", a, b);
    return both;
}

/* The levels of a header from here on as one key: 计划 / 开工时间（年月） → 计划开工时间. */
static char *joined_key(struct mapping *m, const char *header, enum cut cut, const char **ret_unit)
{
    size_t size = strlen(header) + 1, n = 0;
    char *key = arena_alloc(&m->arena, size);

    *ret_unit = NULL;
    for (const char *h = header, *next; key && h; h = next) {
        next = mapping_next_level(h);
        char *level = mapping_copy(m, h, next ? next : h + strlen(h)), *unit;
        if (!level)
            return NULL;
        form_key(level, level, strlen(level) + 1);
        if (!strncmp(level, "其中", strlen("其中")) && level[strlen("其中")])
            level += strlen("其中") + (level[strlen("其中")] == ':');
        if (next && *level)
            level[strlen(level) - 1] = 0; /* the separator's mark */
        form_cut_marks(level);
        if (cut != NOTHING_CUT && (unit = form_cut_unit(level)))
            *ret_unit = unit;
        if (cut == BRACKETS_CUT && !next && (unit = form_cut_brackets(level))) {
            const char *says = form_is_advice(unit) ? form_advice_unit(unit) : unit; /* 必填,万元 */
            if (says && *ret_unit && strcmp(says, *ret_unit) != 0) /* 总投资(万元)(亿元) */
                says = both_units(m, says, *ret_unit);
            *ret_unit = says ? says : *ret_unit; /* of an amount or an area it must be a unit */
        }
        n += (size_t)sprintf(key + n, "%s", level);
    }
    return key;
}

/* Do the same levels stand at the end of another column, too? */
static bool is_ambiguous(const struct mapping *m, const char *last, size_t column)
{
    for (size_t i = 0; i < m->n_headers; i++)
        for (const char *h = m->headers[i]; i != column && h; h = mapping_next_level(h))
            if (!strcmp(h, last))
                return true;
    return false;
}

/* Above 开工时间 stands 计划 or the like: it is another field than without. */
static const ProtobufCFieldDescriptor *planned_field(struct mapping *m, const char *header, const char *last,
                                                     const char *key)
{
    static const char *const words[] = {"计划", "预计", "拟"};
    char *above = mapping_copy(m, header, last),
         *planned = arena_alloc(&m->arena, strlen("计划") + strlen(key) + 1);

    for (size_t i = 0; above && planned && i < sizeof(words) / sizeof(words[0]); i++) {
        if (!strstr(above, words[i]))
            continue;
        sprintf(planned, "计划%s", key);
        return headers_field(m->kind, planned);
    }
    return NULL;
}

/* The unit of the levels before the last ones. */
static const char *unit_above(struct mapping *m, const char *header, const char *last)
{
    const char *unit = NULL;
    char *above = mapping_copy(m, header, last);

    if (above && last > header) {
        above[strlen(above) - 1] = 0; /* the separator's mark */
        joined_key(m, above, UNITS_CUT, &unit);
    }
    return unit;
}

/* The levels from `last` on: as they are, without units, without remarks in brackets. */
static struct found find_last(struct mapping *m, const char *header, const char *last)
{
    struct found found = {NULL, NULL};

    for (enum cut cut = NOTHING_CUT; cut <= BRACKETS_CUT && !found.f; cut++) {
        char *key = joined_key(m, last, cut, &found.unit);
        if (!key || !*key)
            continue;
        found.f = planned_field(m, header, last, key);
        found.f = found.f ? found.f : headers_field(m->kind, key);
    }
    found.unit = found.unit ? found.unit : unit_above(m, header, last);
    return found;
}

/* 开工时间 / 计划, 开工时间 / 实际: which of two days it is may stand below, too. */
static const ProtobufCFieldDescriptor *find_below(struct mapping *m, const char *header)
{
    static const char *const words[] = {"计划", "预计", "拟", "实际"};
    const char *above = header, *last = mapping_next_level(header), *next, *none;
    char *what, *which, *key;

    for (; last && (next = mapping_next_level(last)); last = next)
        above = last;
    if (!last || !(what = joined_key(m, above, UNITS_CUT, &none)) ||
        !(which = joined_key(m, last, UNITS_CUT, &none)))
        return NULL;
    what[strlen(what) - strlen(which)] = 0; /* both levels are in it */
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(which, words[i]) != 0 ||
            !(key = arena_alloc(&m->arena, strlen("计划") + strlen(what) + 1)))
            continue;
        sprintf(key, "%s%s", strcmp(which, "实际") ? "计划" : which, what);
        return headers_field(m->kind, key);
    }
    return NULL;
}

/* 累计到位资金 / 总投资, 一期 / 总投资: of a project another figure than the last level alone says. */
static bool is_another_figure(struct mapping *m, const char *header, const char *last, const struct found *f)
{
    static const char *const words[] = {"完成", "到位", "累计", "年度", "本年", "当年",
                                        "上年", "去年", "今年", "本月", "上月", "本季",
                                        "实际", "外资", "一期", "二期", "三期", "首期"};
    enum value_kind kind = value_kind(f->f);
    char *above = mapping_copy(m, header, last);

    if (m->desc != &qipan__project__descriptor ||
        (kind != VALUE_MONEY && kind != VALUE_AREA && kind != VALUE_INT))
        return false;
    for (size_t i = 0; above && i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(above, words[i]))
            return true;
    return false;
}

/* All levels first, then fewer and fewer of the last ones. */
static struct found find_field(struct mapping *m, size_t column)
{
    struct found found = {NULL, NULL};
    const char *header = m->headers[column];

    for (const char *h = header; h && !found.f; h = mapping_next_level(h))
        if (h == header || !is_ambiguous(m, h, column)) {
            found = find_last(m, header, h);
            if (found.f && is_another_figure(m, header, h, &found))
                found.f = NULL;
        }
    found.f = found.f ? found.f : find_below(m, header);
    return found;
}

static const char *last_level(const char *header)
{
    const char *next;

    while ((next = mapping_next_level(header)))
        header = next;
    return header;
}

static bool unknown_header(struct mapping *m, const char *header, const char *key)
{
    const char *near = headers_nearest(m->kind, key), *what = headers_kind_name(m->kind);

    return near ? mapping_fail(m,
                               _("the column \"%.60s\" is no field of %s; did you mean %s (%s)? A mapping "
                                 "file says what it is"),
                               header, what, headers_label(m->kind, near), near)
                : mapping_fail(m, _("the column \"%.60s\" is no field of %s; a mapping file says what it is"),
                               header, what);
}

/* Two columns may say what a row is about, its number first. */
static struct field *add_shown(struct mapping *m, const ProtobufCFieldDescriptor *f, const char *of,
                               struct alt **ret)
{
    struct field *field = mapping_find_field(m, of);

    if (!field && !(field = mapping_add_field(m, of)))
        return NULL;
    if (field->expr.n == MAX_ALTS) {
        mapping_fail(m, _("more than %d fallbacks"), MAX_ALTS);
        return NULL;
    }
    bool first = !strcmp(f->name, "no");
    if (first)
        memmove(&field->expr.alts[1], &field->expr.alts[0],
                (size_t)field->expr.n * sizeof(field->expr.alts[0]));
    *ret = &field->expr.alts[first ? 0 : field->expr.n];
    field->expr.n++;
    return field;
}

static bool is_shown_of(const struct mapping *m, const char *field)
{
    for (unsigned i = 0; i < m->desc->n_fields; i++) {
        const char *of = headers_shown(m->kind, m->desc->fields[i].name);
        if (of && !strcmp(of, field))
            return true;
    }
    return false;
}

/* Two columns for one field: which one is meant is not ours to say. */
static bool is_taken(struct mapping *m, const ProtobufCFieldDescriptor *f, size_t column)
{
    const struct field *other = mapping_find_field(m, f->name);

    if (other)
        mapping_fail(
            m, _("the columns \"%.60s\" and \"%.60s\" both mean %s (%s); a mapping file says which one"),
            m->headers[other->expr.alts[0].terms[0].column], m->headers[column],
            headers_label(m->kind, f->name), f->name);
    return other != NULL;
}

/* 万人, 千吨, %: what stands below is no count. */
static bool is_scaled(const char *unit)
{
    return strstr(unit, "万") || strstr(unit, "亿") || strstr(unit, "千") || strstr(unit, "百") ||
           strchr(unit, '%');
}

static bool take_column(struct mapping *m, const struct found *found, size_t column)
{
    const char *shown = headers_shown(m->kind, found->f->name);
    struct field *field;
    struct alt *a;

    if (!shown && is_shown_of(m, found->f->name))
        shown = found->f->name;
    if (shown) {
        if (!add_shown(m, found->f, shown, &a))
            return false;
    } else {
        if (is_taken(m, found->f, column) || !(field = mapping_add_field(m, found->f->name)))
            return false;
        field->expr.n = 1;
        a = &field->expr.alts[0];
    }
    enum value_kind kind = value_kind(found->f);
    bool measured = kind == VALUE_MONEY || kind == VALUE_AREA;
    *a = (struct alt){.n = 1, .unit = measured ? found->unit : NULL};
    a->terms[0] = (struct term){.header = m->headers[column], .column = (int)column};
    if (kind == VALUE_INT && found->unit && is_scaled(found->unit))
        return mapping_fail(
            m,
            _("the column \"%.60s\" is in %.30s, but %s is a whole number: write it out, or leave "
              "the column out"),
            m->headers[column], found->unit, headers_label(m->kind, found->f->name));
    return !measured || mapping_check_unit(m, found->f, found->unit);
}

static bool auto_column(struct mapping *m, size_t column)
{
    const char *header = m->headers[column], *none;
    char *key = joined_key(m, last_level(header), NOTHING_CUT, &none);

    if (!key)
        return mapping_too_large(m);
    if (!*key)
        return true;
    struct found found = find_field(m, column);
    if (!found.f)
        return headers_nothing(key) ? true : unknown_header(m, header, key);
    if (!strcmp(found.f->name, "version")) {
        m->version.column = (int)column;
        return true;
    }
    if (!headers_shown(m->kind, found.f->name) && !mapping_may_map(m, found.f))
        return true;
    return take_column(m, &found, column);
}

static bool is_unknown(struct mapping *m, size_t column)
{
    const char *none, *key = joined_key(m, last_level(m->headers[column]), NOTHING_CUT, &none);

    return key && *key && !headers_nothing(key) && !find_field(m, column).f;
}

/* After the sentence on the first column that nobody knows, the names of the others. */
static void name_unknown(struct mapping *m, size_t from)
{
    const char *mark = _("; also unknown: ");

    for (size_t i = from; i < m->n_headers; i++) {
        size_t n = strlen(m->why);
        if (!is_unknown(m, i) || n + strlen(mark) + strlen(m->headers[i]) >= MAPPING_WHY_SIZE)
            continue;
        sprintf(m->why + n, "%s%s", mark, m->headers[i]);
        mark = "、";
    }
}

static struct mapping *find_all(const char *kind, char *const *headers, size_t n, char why[MAPPING_WHY_SIZE])
{
    struct mapping *m = mapping_create(kind, why);
    bool ok = m != NULL;

    if (m) {
        m->headers = headers;
        m->n_headers = n;
    }
    for (size_t i = 0; ok && i < n; i++)
        if (!(ok = auto_column(m, i)) && is_unknown(m, i))
            name_unknown(m, i + 1);
    if (ok && m->n_fields == 0)
        ok = mapping_fail(m, _("the file has no column that is a field of %s"), headers_kind_name(m->kind));
    if (ok && mapping_note_left_out(m)) {
        m->own = m->version.column >= 0;
        return m;
    }
    mapping_free(m);
    return NULL;
}

#define SIGN_FIELDS 3 /* so many fields say of which kind a sheet is */

/* The kind that knows all of the columns; NULL = none. */
static const char *kind_of_all(char *const *headers, size_t n)
{
    char nothing[MAPPING_WHY_SIZE];
    const char *kind;

    for (size_t i = 0; (kind = headers_kind_at(i)); i++) {
        struct mapping *m = find_all(kind, headers, n, nothing);
        bool all = m && m->n_fields >= SIGN_FIELDS;

        mapping_free(m);
        if (all)
            return kind;
    }
    return NULL;
}

struct mapping *mapping_auto(const char *kind, char *const *headers, size_t n, char why[MAPPING_WHY_SIZE])
{
    struct mapping *m = find_all(kind, headers, n, why);
    const char *other = m ? NULL : kind_of_all(headers, n);

    if (other)
        snprintf(why, MAPPING_WHY_SIZE, _("the columns are those of %s, not of %s: --kind %s"),
                 headers_kind_name(other), headers_kind_name(kind), other);
    return m;
}

bool mapping_is_plain(const struct mapping *m)
{
    for (int i = 0; i < m->n_fields; i++)
        if (strcmp(m->headers[m->fields[i].expr.alts[0].terms[0].column], m->fields[i].f->name))
            return false;
    return true;
}
