/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include <libintl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define _(text)  dgettext("qipan", text)
#define N_(text) text

const struct filter_help filter_help[] = {
    {"=", N_("is one of the values"), "stage=talks,signed", "stage=talks,signed"},
    {"!=", N_("is none of the values"), "stage!=suspended", "stage!=suspended"},
    {">=", N_("at least"), "amount_total>=1亿", "amount_total>=1亿"},
    {"<=", N_("at most"), "signed_on<=2026-06-30", "amount_total<=5亿"},
    {">", N_("more than, later than"), "jobs>200", "amount_total>1亿"},
    {"<", N_("less than, earlier than"), "land_mu<50", "amount_total<5000万"},
    {"~", N_("contains the text"), "name~光伏", NULL},
    {NULL, NULL, NULL, NULL},
};

/* Spellings of the operators, longer ones first. */
static const struct {
    const char *text, *op;
} spellings[] = {
    {"!=", "!="}, {">=", ">="}, {"<=", "<="}, {"=", "="},  {">", ">"},  {"<", "<"},  {"~", "~"},
    {"≠", "!="},  {"≥", ">="},  {"≤", "<="},  {"＝", "="}, {"＞", ">"}, {"＜", "<"}, {"～", "~"},
};

#define N(array) (sizeof(array) / sizeof((array)[0]))

const char *const filter_watchable[] = {"project",  "office", "stage", "tags",         "kind",
                                        "industry", "region", "park",  "amount_total", NULL};

/* What a watch knows beside the fields of Project. */
static const ProtobufCFieldDescriptor watch_fields[] = {
    {.name = "project", .label = PROTOBUF_C_LABEL_OPTIONAL, .type = PROTOBUF_C_TYPE_STRING},
    {.name = "kind", .label = PROTOBUF_C_LABEL_OPTIONAL, .type = PROTOBUF_C_TYPE_STRING},
};

struct parser {
    const char *p;
    const ProtobufCMessageDescriptor *desc; /* whose fields; NULL: what a watch knows */
    struct arena *arena;
    struct value_error *e;
};

__attribute__((format(printf, 3, 4))) static bool fail(struct parser *x, const char *hint, const char *fmt,
                                                       ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(x->e->message, sizeof(x->e->message), fmt, ap);
    va_end(ap);
    snprintf(x->e->hint, sizeof(x->e->hint), "%s", hint);
    return false;
}

static void skip_spaces(struct parser *x)
{
    x->p += strspn(x->p, " \t\n");
}

static const char *find_op(const char *p, size_t *len)
{
    for (size_t i = 0; i < N(spellings); i++) {
        *len = strlen(spellings[i].text);
        if (!strncmp(p, spellings[i].text, *len))
            return spellings[i].op;
    }
    return NULL;
}

static bool unknown_field(struct parser *x, const char *word, const char *near)
{
    char hint[128] = "";

    if (near)
        snprintf(hint, sizeof(hint), _("did you mean %s?"), near);
    return fail(x, hint, _("unknown field \"%.60s\" in the filter"), word);
}

static const ProtobufCFieldDescriptor *watch_field(struct parser *x, const char *word)
{
    const ProtobufCFieldDescriptor *f = value_field(&qipan__project__descriptor, word);
    const char *near;

    for (size_t i = 0; i < N(watch_fields); i++)
        if (!strcmp(word, watch_fields[i].name))
            return &watch_fields[i];
    for (const char *const *w = filter_watchable; f && *w; w++)
        if (!strcmp(*w, f->name))
            return f;
    near = value_nearest(word, filter_watchable);
    if (!f) {
        unknown_field(x, word, near);
        return NULL;
    }
    fail(x, _("watchable: project office stage tags kind industry region park amount_total"),
         _("a watch can't be filtered by %s"), f->name);
    return NULL;
}

static const ProtobufCFieldDescriptor *list_field(struct parser *x, const char *word)
{
    const ProtobufCMessageDescriptor *d = x->desc;
    bool itself = d == &qipan__project__descriptor && !strcmp(word, "project");
    const ProtobufCFieldDescriptor *f = value_field(d, itself ? "id" : word);

    if (!f)
        unknown_field(x, word, value_nearest_field(d, word, false));
    return f;
}

/* The word before an operator. */
static const ProtobufCFieldDescriptor *take_field(struct parser *x)
{
    const char *start = x->p;
    size_t len;

    while (*x->p && !strchr(" \t\n", *x->p) && !find_op(x->p, &len))
        x->p++;
    char *word = arena_strndup(x->arena, start, (size_t)(x->p - start));
    if (!word) {
        fail(x, "", "%s", _("the filter is too long"));
        return NULL;
    }
    if (!*word) {
        fail(x, _("for example stage=talks,signed amount_total>=1亿"),
             _("a field's name is missing before \"%.30s\""), x->p);
        return NULL;
    }
    return x->desc ? list_field(x, word) : watch_field(x, word);
}

static bool op_fits(struct parser *x, const ProtobufCFieldDescriptor *f, const char *op)
{
    enum value_kind k = value_kind(f);
    bool ordered =
        k == VALUE_MONEY || k == VALUE_DATE || k == VALUE_INSTANT || k == VALUE_AREA || k == VALUE_INT;

    if (op[0] == '~' && ordered)
        return fail(x, _("use = != >= <= > <"), _("%s does not apply to %s"), op, f->name);
    if ((op[0] == '<' || op[0] == '>') && !ordered)
        return fail(x, _("use = != ~"), _("%s does not apply to %s"), op, f->name);
    return true;
}

static const char *take_op(struct parser *x, const ProtobufCFieldDescriptor *f)
{
    size_t len;

    skip_spaces(x);
    const char *op = find_op(x->p, &len), *shown = x->p;
    if (!op) {
        fail(x, _("operators: = != >= <= > < ~"), _("no operator after \"%s\""), f->name);
        return NULL;
    }
    x->p += len;
    if (find_op(x->p, &len)) {
        fail(x, _("operators: = != >= <= > < ~"), _("unknown operator \"%.*s\", the nearest is %s"),
             (int)(x->p - shown + (int)len), shown, op);
        return NULL;
    }
    return op_fits(x, f, op) ? op : NULL;
}

/* "…" or '…', a doubled quote stands for one. */
static char *take_quoted(struct parser *x)
{
    char quote = *x->p++, *out = arena_alloc(x->arena, strlen(x->p) + 1), *w = out;

    if (!out) {
        fail(x, "", "%s", _("the filter is too long"));
        return NULL;
    }
    for (; *x->p; x->p++) {
        if (*x->p == quote && *++x->p != quote) {
            *w = 0;
            return out;
        }
        *w++ = *x->p;
    }
    fail(x, "", _("a closing %c is missing"), quote);
    return NULL;
}

static bool at_comma(const char *p)
{
    return *p == ',' || !strncmp(p, "，", strlen("，")) || !strncmp(p, "、", strlen("、"));
}

/* A comma inside an amount belongs to the amount: 1,200万 is one value, stage=talks,signed are two. */
static bool in_amount(const char *start, const char *p, enum value_kind k)
{
    if ((k != VALUE_MONEY && k != VALUE_AREA && k != VALUE_INT) || p == start || *p != ',' || p[-1] < '0' ||
        p[-1] > '9')
        return false;
    return strspn(p + 1, "0123456789") == 3;
}

static char *take_bare(struct parser *x, enum value_kind k)
{
    const char *start = x->p;
    size_t len;

    while (*x->p && !strchr(" \t\n", *x->p) && (!at_comma(x->p) || in_amount(start, x->p, k))) {
        if (find_op(x->p, &len) || *x->p == '"') {
            fail(x, _("put the value into \"…\""), _("\"%.*s\" inside a value"), *x->p == '"' ? 1 : (int)len,
                 x->p);
            return NULL;
        }
        x->p++;
    }
    char *s = arena_strndup(x->arena, start, (size_t)(x->p - start));
    if (!s)
        fail(x, "", "%s", _("the filter is too long"));
    return s;
}

static char *take_value(struct parser *x, const ProtobufCFieldDescriptor *f, const char *op)
{
    bool quoted = *x->p == '"' || *x->p == '\'';
    char *s = quoted ? take_quoted(x) : take_bare(x, value_kind(f));

    if (!s)
        return NULL;
    if (!*s && quoted && (op[0] == '=' || op[0] == '!'))
        return s; /* has no value */
    if (!*s) {
        fail(x, _("write \"\" to find those without a value"), _("a value is missing after %s%s"), f->name,
             op);
        return NULL;
    }
    return value_canonical(f, s, x->arena, x->e);
}

static bool take_values(struct parser *x, const ProtobufCFieldDescriptor *f, Qipan__Term *term)
{
    skip_spaces(x);
    for (;;) {
        if (term->n_values == FILTER_MAX_VALUES)
            return fail(x, "", _("more than %d values for %s"), FILTER_MAX_VALUES, f->name);
        char *s = take_value(x, f, term->op);
        if (!s)
            return false;
        term->values[term->n_values++] = s;
        if (!at_comma(x->p))
            break;
        x->p += *x->p == ',' ? 1 : strlen("，");
    }
    if (*x->p && !strchr(" \t\n", *x->p))
        return fail(x, _("conditions are separated by spaces"), _("unexpected \"%.30s\""), x->p);
    if (term->n_values > 1 && (term->op[0] == '<' || term->op[0] == '>'))
        return fail(x, "", _("%s takes one value"), term->op);
    return true;
}

static Qipan__Term *take_term(struct parser *x)
{
    const ProtobufCFieldDescriptor *f = take_field(x);
    const char *op = f ? take_op(x, f) : NULL;
    Qipan__Term *term = op ? arena_alloc(x->arena, sizeof(*term)) : NULL;

    if (!op)
        return NULL;
    if (term) {
        qipan__term__init(term);
        term->field = arena_strdup(x->arena, f->name);
        term->op = arena_strdup(x->arena, op);
        term->values = arena_alloc(x->arena, FILTER_MAX_VALUES * sizeof(char *));
    }
    if (!term || !term->field || !term->op || !term->values) {
        fail(x, "", "%s", _("the filter is too long"));
        return NULL;
    }
    return take_values(x, f, term) ? term : NULL;
}

bool filter_parse_of(const char *text, const ProtobufCMessageDescriptor *desc, struct arena *arena,
                     struct filter *ret, struct value_error *e)
{
    struct parser x = {.desc = desc, .arena = arena, .e = e};

    *ret = (struct filter){0};
    if (!text)
        return true;
    if (!(x.p = value_clean(text, arena, e)))
        return false;
    if (!(ret->terms = arena_alloc(arena, FILTER_MAX_TERMS * sizeof(*ret->terms))))
        return fail(&x, "", "%s", _("the filter is too long"));
    for (skip_spaces(&x); *x.p; skip_spaces(&x)) {
        Qipan__Term *term;
        if (ret->n_terms == FILTER_MAX_TERMS)
            return fail(&x, "", _("more than %d conditions"), FILTER_MAX_TERMS);
        if (!(term = take_term(&x)))
            return false;
        ret->terms[ret->n_terms++] = term;
    }
    return true;
}

bool filter_parse(const char *text, enum filter_use use, struct arena *arena, struct filter *ret,
                  struct value_error *e)
{
    return filter_parse_of(text, use == FILTER_WATCH ? NULL : &qipan__project__descriptor, arena, ret, e);
}
