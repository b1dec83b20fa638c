/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "mapping_internal.h"

#include <stdlib.h>
#include <string.h>

#define LEVELS " / " /* between the levels of a heading */

/* The plan with what reads it, whose memory its texts live in. */
struct reading {
    struct plan plan;
    struct mapping *m;
    enum { NOWHERE, TABLE, COLUMNS } section;
};

static bool one_of(struct mapping *m, const char *what, const char *word, const char *const *words, int *ret)
{
    for (*ret = 0; words[*ret]; ++*ret)
        if (!strcmp(words[*ret], word))
            return true;
    return mapping_unknown(m, what, word, value_nearest(word, words));
}

static bool table_line(struct reading *r, const char *key, const char *value)
{
    static const char *const words[] = {"kind", "unit", "filter", "sort", "group", "title", "total", NULL};
    struct plan *p = &r->plan;
    const char **const texts[] = {&p->kind, &p->unit, &p->filter, &p->sort, &p->group};
    const char *text = mapping_rest(r->m, value);
    int i;

    if (!text || !one_of(r->m, _("line"), key, words, &i))
        return false;
    if (i < 5)
        return *texts[i] = text, true;
    if (i == 6) {
        p->total = !strcmp(text, "yes");
        return p->total || !strcmp(text, "no") ? true : mapping_fail(r->m, "%s", _("total is yes or no"));
    }
    if (p->n_titles == PLAN_MAX_TITLES)
        return mapping_fail(r->m, _("more than %d titles"), PLAN_MAX_TITLES);
    p->titles[p->n_titles++] = text;
    return true;
}

/* 投资情况 / 总投资: the lowest level first. */
static bool take_heading(struct reading *r, struct plan_column *c, char *key)
{
    int n = 0;

    for (char *at; n < TABLE_LEVELS; n++) {
        char *last = NULL;

        for (at = strstr(key, LEVELS); at; at = strstr(at + strlen(LEVELS), LEVELS))
            last = at;
        c->heading[n] = last ? last + strlen(LEVELS) : key;
        if (!last)
            return true;
        *last = 0;
    }
    return mapping_fail(r->m, _("a heading has at most %d levels"), TABLE_LEVELS);
}

static bool take_number(struct reading *r, const char **p, int *ret)
{
    char *end;
    long n = strtol(*p, &end, 10);

    if (end == *p || n < 1 || n > 999)
        return mapping_fail(r->m, "%s", _("a number from 1 to 999 is missing"));
    *ret = (int)n;
    *p = end;
    return true;
}

/* unit U, width N, last N, sum: in any order behind the fields. */
static bool take_options(struct reading *r, struct plan_column *c, const char *p)
{
    static const char *const words[] = {"unit", "width", "last", "sum", NULL};
    int i;

    while (*(p = mapping_skip_spaces(p))) {
        const char *word = mapping_copy(r->m, p, p + strcspn(p, " \t"));

        if (!word || !one_of(r->m, _("word"), word, words, &i))
            return false;
        p = mapping_skip_spaces(p + strlen(word));
        if (i == 3) {
            c->sum = true;
        } else if (i > 0) {
            if (!take_number(r, &p, i == 1 ? &c->width : &c->last))
                return false;
        } else {
            c->unit = mapping_copy(r->m, p, p + strcspn(p, " \t"));
            if (!c->unit || !*c->unit)
                return c->unit ? mapping_fail(r->m, "%s", _("the unit is missing")) : false;
            p += strlen(c->unit);
        }
    }
    return true;
}

static bool take_parts(struct reading *r, struct plan_column *c, const char **p)
{
    for (;; ++*p) {
        struct plan_part *part = &c->parts[c->n_parts++];

        if (c->n_parts > PLAN_MAX_PARTS)
            return mapping_fail(r->m, _("more than %d columns joined"), PLAN_MAX_PARTS);
        *p = mapping_skip_spaces(*p);
        if (**p == '\'' || **p == '"') {
            if (!(part->literal = mapping_quoted(r->m, p)))
                return false;
        } else {
            size_t n = strcspn(*p, " \t+");

            if (!n)
                return mapping_fail(r->m, "%s", _("the name of a field is missing"));
            if (!(part->field = mapping_copy(r->m, *p, *p + n)))
                return false;
            *p += n;
        }
        *p = mapping_skip_spaces(*p);
        if (**p != '+')
            return true;
    }
}

/* HEADING = # | "" | [KIND:] FIELD [+ 'text' + FIELD …] [unit U] [width N] [last N] [sum] */
static bool column_line(struct reading *r, const char *key, const char *value)
{
    struct plan_column *c = &r->plan.columns[r->plan.n_columns];
    size_t n = strcspn(value, " \t:'\"");
    char *heading = mapping_copy(r->m, key, key + strlen(key));

    if (r->plan.n_columns == TABLE_MAX_COLUMNS - 2)
        return mapping_fail(r->m, _("more than %d columns"), TABLE_MAX_COLUMNS - 2);
    if (!heading || !take_heading(r, c, heading))
        return false;
    r->plan.n_columns++;
    c->line = r->m->line;
    if (*value == '#') {
        c->number = true;
        return take_options(r, c, value + 1);
    }
    if (!strncmp(value, "\"\"", 2))
        return take_options(r, c, value + 2);
    if (value[n] == ':') {
        if (!(c->kind = mapping_copy(r->m, value, value + n)))
            return false;
        value += n + 1;
    }
    return take_parts(r, c, &value) && take_options(r, c, value);
}

static bool take_line(struct mapping *m, const char *line, void *arg)
{
    struct reading *r = arg;
    const char *key = "", *value = "";
    bool quoted;

    if (!strcmp(line, "[table]"))
        return r->section = TABLE, true;
    if (!strcmp(line, "[columns]"))
        return r->section = COLUMNS, true;
    if (*line == '[' || r->section == NOWHERE)
        return mapping_fail(m, "%s", _("the sections of a layout are [table] and [columns]"));
    if (!mapping_split(m, line, &key, &quoted, &value))
        return false;
    return r->section == TABLE ? table_line(r, key, value) : column_line(r, key, value);
}

struct plan *plan_read(const char *text, size_t n, char why[PLAN_WHY_SIZE])
{
    struct reading *r = calloc(1, sizeof *r);

    if (r && !(r->m = mapping_create(NULL, why))) {
        free(r);
        return NULL;
    }
    if (!r)
        return NULL;
    r->plan.unit = "万元";
    if (mapping_lines(r->m, text, n, take_line, r) &&
        (r->plan.n_columns > 0 || mapping_fail(r->m, "%s", _("the layout names no column"))))
        return &r->plan;
    plan_free(&r->plan);
    return NULL;
}

void plan_free(struct plan *p)
{
    struct reading *r = (struct reading *)p; /* its first member */

    if (r)
        mapping_free(r->m);
    free(r);
}
