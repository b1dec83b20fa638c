/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a line of a mapping file, and the expressions they make. */
#include "mapping_internal.h"

#include <stdlib.h>
#include <string.h>

const char *mapping_skip_spaces(const char *p)
{
    return p + strspn(p, " \t");
}

char *mapping_copy(struct mapping *m, const char *from, const char *to)
{
    while (to > from && strchr(" \t", to[-1]))
        to--;
    char *s = arena_strndup(&m->arena, from, (size_t)(to - from));
    if (!s)
        mapping_too_large(m);
    return s;
}

char *mapping_quoted(struct mapping *m, const char **p)
{
    char quote = **p, *out = mapping_copy(m, *p + 1, *p + strlen(*p)), *w = out;
    const char *r = *p + 1;

    for (; out && *r; r++) {
        if (*r == quote && *++r != quote) {
            *w = 0;
            *p = r;
            return out;
        }
        *w++ = *r;
    }
    if (out)
        mapping_fail(m, _("a closing %c is missing"), quote);
    return NULL;
}

char *mapping_rest(struct mapping *m, const char *p)
{
    return *p == '"' || *p == '\'' ? mapping_quoted(m, &p) : mapping_copy(m, p, p + strlen(p));
}

bool mapping_is_word(const char *p, const char *word)
{
    size_t n = strlen(word);

    return !strncmp(p, word, n) && strchr(" \t", p[n]) && p[n];
}

/* Does a bare header end at this space? */
static bool header_ends(const char *p)
{
    p = mapping_skip_spaces(p);
    return !*p || *p == '|' || *p == '+' || mapping_is_word(p, "unit") || mapping_is_word(p, "after") ||
           mapping_is_word(p, "before");
}

void mapping_take_occurrence(struct term *t, char *header)
{
    char *hash = strrchr(header, '#');

    if (hash && hash[1] && hash[strspn(hash + 1, "0123456789") + 1] == 0 && strlen(hash) < 5) {
        t->occurrence = atoi(hash + 1);
        *hash = 0;
    }
}

static bool take_header(struct mapping *m, const char **p, struct term *t)
{
    const char *start = *p;
    char *s;

    if (*start == '"') {
        if (!(s = mapping_quoted(m, p)))
            return false;
        if (**p == '#')
            t->occurrence = (int)strtol(*p + 1, (char **)p, 10);
    } else {
        while (**p && !(strchr(" \t", **p) && header_ends(*p)))
            ++*p;
        if (!(s = mapping_copy(m, start, *p)))
            return false;
        mapping_take_occurrence(t, s);
    }
    t->header = s;
    return *s ? true : mapping_fail(m, "%s", _("the name of a column is missing"));
}

static char *take_word(struct mapping *m, const char **p)
{
    const char *start = *p = mapping_skip_spaces(*p);

    if (*start == '"' || *start == '\'')
        return mapping_quoted(m, p);
    *p += strcspn(start, " \t");
    return mapping_copy(m, start, *p);
}

/* [after TEXT], [before TEXT] */
static bool take_part(struct mapping *m, const char **p, const char *word, const char **ret)
{
    *p = mapping_skip_spaces(*p);
    if (!mapping_is_word(*p, word))
        return true;
    *p += strlen(word);
    return (*ret = take_word(m, p)) != NULL;
}

static bool take_term(struct mapping *m, const char **p, struct term *t)
{
    *t = (struct term){.column = -1};
    *p = mapping_skip_spaces(*p);
    if (**p == '\'')
        return (t->literal = mapping_quoted(m, p)) != NULL;
    return take_header(m, p, t) && take_part(m, p, "after", &t->after) &&
           take_part(m, p, "before", &t->before);
}

static bool take_alt(struct mapping *m, const char **p, struct alt *a)
{
    for (;;) {
        if (a->n == MAX_TERMS)
            return mapping_fail(m, _("more than %d columns joined"), MAX_TERMS);
        if (!take_term(m, p, &a->terms[a->n++]))
            return false;
        *p = mapping_skip_spaces(*p);
        if (**p != '+')
            return true;
        ++*p;
    }
}

/* COLUMN [after TEXT] [before TEXT] [+ 'text' + COLUMN …] [| …] [unit UNIT] */
bool mapping_take_expr(struct mapping *m, const char *p, struct expr *x)
{
    for (;;) {
        if (x->n == MAX_ALTS)
            return mapping_fail(m, _("more than %d fallbacks"), MAX_ALTS);
        if (!take_alt(m, &p, &x->alts[x->n++]))
            return false;
        if (*p != '|')
            break;
        p++;
    }
    if (mapping_is_word(p, "unit")) {
        p += strlen("unit");
        if (!(x->unit = take_word(m, &p)))
            return false;
        p = mapping_skip_spaces(p);
    }
    return *p ? mapping_fail(m, _("unexpected \"%.40s\""), p) : true;
}
