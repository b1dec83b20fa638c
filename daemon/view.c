/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <string.h>

const char *const view_fields[] = {"project",  "office", "stage", "tags",         "kind",
                                   "industry", "region", "park",  "amount_total", NULL};

static const char *const operators[] = {"=", "!=", ">=", "<=", ">", "<"};

/* Our own copy of the name, or NULL. */
static const char *watchable(const char *field)
{
    for (const char *const *f = view_fields; *f; f++)
        if (strcmp(*f, field) == 0)
            return *f;
    return NULL;
}

/* 0: objects of this kind have no such field. */
static uint32_t number_of(const char *kind, const char *field)
{
    const ProtobufCMessageDescriptor *message = strcmp(kind, "project") == 0 ? &qipan__project__descriptor
                                                : strcmp(kind, "enterprise") == 0
                                                    ? &qipan__enterprise__descriptor
                                                    : NULL;
    const ProtobufCFieldDescriptor *f =
        message ? protobuf_c_message_descriptor_get_field_by_name(message, field) : NULL;
    return f ? f->id : 0;
}

/* Yuan with up to two decimals to fen; false when it isn't a number. */
static bool fen_of(const char *text, int64_t *ret)
{
    int64_t fen = 0;
    int decimals = -1;
    bool minus = *text == '-';
    for (const char *p = text + minus; *p; p++) {
        if (*p == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (*p < '0' || *p > '9' || decimals == 2 || fen > (INT64_MAX - 9) / 1000)
            return false;
        fen = fen * 10 + (*p - '0');
        decimals += decimals >= 0;
    }
    for (int i = decimals < 0 ? 0 : decimals; i < 2; i++)
        fen *= 10;
    *ret = minus ? -fen : fen;
    return text[minus] != '\0';
}

static const char *compile_op(const char *op, struct view_term *t)
{
    for (size_t i = 0; op && i < sizeof operators / sizeof operators[0]; i++) {
        if (strcmp(op, operators[i]) == 0) {
            t->op = (enum view_op)i;
            return NULL;
        }
    }
    return "INVALID_ARGUMENT";
}

static const char *compile_term(const Qipan__Term *term, struct arena *arena, struct view_term *t)
{
    bool amount = strcmp(term->field, "amount_total") == 0;
    if (compile_op(term->op, t) || (t->op > VIEW_NE && !amount) || term->n_values == 0)
        return "INVALID_ARGUMENT";
    t->field = watchable(term->field);
    t->of = strcmp(term->field, "project") == 0 ? VIEW_OBJECT
            : strcmp(term->field, "kind") == 0  ? VIEW_KIND
                                                : VIEW_FIELD;
    t->prefix = strcmp(term->field, "industry") == 0 || strcmp(term->field, "region") == 0;
    t->list = strcmp(term->field, "tags") == 0;
    t->amount = amount;
    t->n = term->n_values;
    t->values = arena_alloc(arena, t->n * sizeof *t->values);
    for (size_t i = 0; t->values && i < t->n; i++) {
        int64_t fen;
        bool none = !*term->values[i] && t->op <= VIEW_NE;
        if (amount && !none && !fen_of(term->values[i], &fen))
            return "INVALID_ARGUMENT";
        if (!(t->values[i] = arena_strdup(arena, term->values[i])))
            return "TOO_LARGE";
    }
    return t->values ? NULL : "TOO_LARGE";
}

const char *view_compile(Qipan__Term *const *terms, size_t n, struct arena *arena, struct view *ret_view,
                         const char **ret_field)
{
    *ret_field = "terms";
    if (n > VIEW_TERMS)
        return "TOO_LARGE";
    ret_view->n = (int)n;
    for (size_t i = 0; i < n; i++) {
        if (!terms[i]->field || !watchable(terms[i]->field)) {
            *ret_field = terms[i]->field ? terms[i]->field : "terms";
            return "INVALID_ARGUMENT";
        }
        *ret_field = terms[i]->field;
        const char *code = compile_term(terms[i], arena, &ret_view->terms[i]);
        if (code)
            return code;
    }
    return NULL;
}

static const char *value_after(const Qipan__Event *e, uint32_t number)
{
    for (size_t i = 0; i < e->n_row; i++)
        if (e->row[i]->number == number)
            return e->row[i]->value;
    return NULL;
}

/* Before = after overlaid with the olds. */
static const char *value_before(const Qipan__Event *e, uint32_t number)
{
    for (size_t i = 0; i < e->n_changes; i++)
        if (e->changes[i]->number == number)
            return e->changes[i]->old;
    return value_after(e, number);
}

static bool list_has(const char *list, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (strncmp(p, value, n) == 0 && (p[n] == ',' || p[n] == '\0'))
            return true;
    return false;
}

static bool equals(const struct view_term *t, const char *value, const char *wanted)
{
    if (t->list)
        return list_has(value, wanted);
    return t->prefix ? strncmp(value, wanted, strlen(wanted)) == 0 : strcmp(value, wanted) == 0;
}

static bool compares(enum view_op op, const char *value, const char *wanted)
{
    int64_t a, b;
    if (!fen_of(value, &a) || !fen_of(wanted, &b))
        return false;
    switch (op) {
    case VIEW_GE:
        return a >= b;
    case VIEW_LE:
        return a <= b;
    case VIEW_GT:
        return a > b;
    case VIEW_LT:
        return a < b;
    default:
        return a == b;
    }
}

/* "" stands for no value, on either side. */
static bool matches(const struct view_term *t, const char *value, const char *wanted)
{
    if (!*value || !*wanted)
        return !*value && !*wanted;
    if (!t->amount)
        return equals(t, value, wanted);
    return compares(t->op == VIEW_NE ? VIEW_EQ : t->op, value, wanted);
}

static bool term_holds(const struct view_term *t, const char *value)
{
    bool any = false;
    for (size_t i = 0; i < t->n && !any; i++)
        any = matches(t, value ? value : "", t->values[i]);
    return t->op == VIEW_NE ? !any : any;
}

static bool id_holds(const struct view_term *t, const Qipan__Event *e)
{
    const char *no = value_after(e, number_of("project", "no"));
    bool any = false;
    for (size_t i = 0; i < t->n && !any; i++)
        any = strcmp(t->values[i], e->object) == 0 || (no && strcmp(t->values[i], no) == 0);
    return t->op == VIEW_NE ? !any : any;
}

static bool holds(const struct view *f, const Qipan__Event *e, bool before)
{
    for (int i = 0; i < f->n; i++) {
        const struct view_term *t = &f->terms[i];
        uint32_t number = t->of == VIEW_FIELD ? number_of(e->kind, t->field) : 0;
        bool good = t->of == VIEW_OBJECT ? id_holds(t, e)
                    : t->of == VIEW_KIND ? term_holds(t, e->kind)
                                         : term_holds(t, !number  ? NULL
                                                         : before ? value_before(e, number)
                                                                  : value_after(e, number));
        if (!good)
            return false;
    }
    return true;
}

const char *view_judge(const struct view *view, const Qipan__Event *event)
{
    bool before = event->version > 1 && holds(view, event, true);
    bool after = holds(view, event, false);
    return before ? (after ? "update" : "leave") : after ? "enter" : NULL;
}
