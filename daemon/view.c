/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include "msg.h"

#include <stdio.h>
#include <string.h>

const char *const view_fields[] = {"project",  "office", "stage", "tags",         "kind",
                                   "industry", "region", "park",  "amount_total", NULL};

static const char *const operators[] = {"=", "!=", ">=", "<=", ">", "<"};

const char *const view_words[] = {"enter", "update", "leave", NULL};

#define NUMBERS 64 /* of a message's fields */

/* What a field number of a kind's message is to us: 1 + view_field, FACT_NO, or 0. */
#define FACT_NO (VIEW_FACTS + 1)
static uint8_t facts_of[KINDS][NUMBERS];

static int field_named(const char *name)
{
    for (int f = 0; view_fields[f]; f++)
        if (strcmp(view_fields[f], name) == 0)
            return f;
    return -1;
}

static int fact_named(const char *name)
{
    return strcmp(name, "no") == 0          ? FACT_NO - 1
           : strcmp(name, "helpers") == 0   ? VIEW_HELPERS
           : strcmp(name, "auto_tags") == 0 ? VIEW_AUTO_TAGS
                                            : field_named(name);
}

static void learn_kinds(void)
{
    for (size_t k = 0; k < KINDS; k++) {
        for (unsigned i = 0; i < kind_table[k].message->n_fields; i++) {
            const ProtobufCFieldDescriptor *f = &kind_table[k].message->fields[i];
            int field = fact_named(f->name);
            if (field >= 0 && field != VIEW_KIND && f->id < NUMBERS)
                facts_of[k][f->id] = (uint8_t)(field + 1);
        }
    }
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
    bool amount = t->field == VIEW_AMOUNT;
    if (compile_op(term->op, t) || (t->op > VIEW_NE && !amount) || term->n_values == 0 ||
        term->n_values > VIEW_VALUES)
        return "INVALID_ARGUMENT";
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
    ret_view->terms = arena_alloc(arena, n * sizeof *ret_view->terms);
    if (!ret_view->terms)
        return "TOO_LARGE";
    for (size_t i = 0; i < n; i++) {
        int field = terms[i]->field ? field_named(terms[i]->field) : -1;
        *ret_field = terms[i]->field ? terms[i]->field : "terms";
        if (field < 0)
            return "INVALID_ARGUMENT";
        *ret_field = view_fields[field];
        ret_view->terms[i].field = (enum view_field)field;
        const char *code = compile_term(terms[i], arena, &ret_view->terms[i]);
        if (code)
            return code;
    }
    return NULL;
}

static uint32_t fact(size_t kind, uint32_t number)
{
    return kind < KINDS && number < NUMBERS ? facts_of[kind][number] : 0;
}

/* Before = after overlaid with the olds. */
void view_learn(const Qipan__Event *e, struct view_facts *ret_facts)
{
    static bool learnt;
    const struct kind_info *known = kind_by_name(e->kind);
    size_t kind = known ? (size_t)(known - kind_table) : KINDS;
    if (!learnt)
        learn_kinds();
    learnt = true;
    *ret_facts = (struct view_facts){.object = e->object, .existed = e->version > 1};
    const char **after = ret_facts->after, **before = ret_facts->before;
    after[VIEW_PROJECT] = before[VIEW_PROJECT] = e->object; /* what belongs to one names it in a field */
    after[VIEW_KIND] = before[VIEW_KIND] = e->kind;
    for (size_t i = 0; i < e->n_row; i++) {
        uint32_t f = fact(kind, e->row[i]->number);
        if (f == FACT_NO)
            ret_facts->no = e->row[i]->value;
        else if (f)
            after[f - 1] = before[f - 1] = e->row[i]->value;
    }
    for (size_t i = 0; i < e->n_changes; i++) {
        uint32_t f = fact(kind, e->changes[i]->number);
        if (f && f != FACT_NO)
            before[f - 1] = e->changes[i]->old;
    }
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
    if (t->field == VIEW_TAGS)
        return list_has(value, wanted);
    return view_is_prefix(t->field) ? strncmp(value, wanted, strlen(wanted)) == 0
                                    : strcmp(value, wanted) == 0;
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
    if (t->field != VIEW_AMOUNT)
        return equals(t, value, wanted);
    return compares(t->op == VIEW_NE ? VIEW_EQ : t->op, value, wanted);
}

static bool any_of(const struct view_term *t, const char *value)
{
    bool any = false;
    for (size_t i = 0; value && i < t->n && !any; i++)
        any = matches(t, value, t->values[i]);
    return any;
}

static bool any_in(const struct view_term *t, const char *list)
{
    bool any = false;
    for (size_t i = 0; list && i < t->n && !any; i++)
        any = list_has(list, t->values[i]);
    return any;
}

/* A project is meant by its number, too, and what belongs to it by its own id; an office also where it helps; and tags by
 * rule are tags. */
static bool term_holds(const struct view_term *t, const char *const *values, const struct view_facts *facts)
{
    const char *value = values[t->field];
    if (t->field == VIEW_TAGS && !value)
        value = values[VIEW_AUTO_TAGS];
    bool any = any_of(t, value ? value : "");
    if (t->field == VIEW_TAGS)
        any = any || any_in(t, values[VIEW_AUTO_TAGS]);
    if (t->field == VIEW_PROJECT)
        any = any || any_of(t, facts->no) || any_of(t, facts->object);
    if (t->field == VIEW_OFFICE)
        any = any || any_in(t, values[VIEW_HELPERS]);
    return t->op == VIEW_NE ? !any : any;
}

static bool holds(const struct view *view, const char *const *values, const struct view_facts *facts)
{
    for (int i = 0; i < view->n; i++)
        if (!term_holds(&view->terms[i], values, facts))
            return false;
    return true;
}

enum view_verdict view_judge_facts(const struct view *view, const struct view_facts *facts)
{
    bool before = facts->existed && holds(view, facts->before, facts);
    bool after = holds(view, facts->after, facts);
    return before ? (after ? VIEW_UPDATE : VIEW_LEAVE) : after ? VIEW_ENTER : VIEW_NOTHING;
}

/* ---- many changes at once */

static int compare(const char *line, size_t n, const char *wanted, size_t n_wanted)
{
    int order = memcmp(line, wanted, n < n_wanted ? n : n_wanted);
    return order ? order : n < n_wanted ? -1 : n > n_wanted;
}

/* Is it one of the sorted lines, or the beginning of one? */
static bool has_line(const char *lines, const char *wanted, bool prefix)
{
    const char *from = lines, *to = lines + strlen(lines), *end = to;
    size_t n_wanted = strlen(wanted);
    while (from < to) { /* what stands before `from` is less, what from `to` on is not */
        const char *line = from + (to - from) / 2;
        while (line > from && line[-1] != '\n')
            line--;
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop ? stop : end;
        if (compare(line, (size_t)(stop - line), wanted, n_wanted) >= 0)
            to = line;
        else
            from = stop < end ? stop + 1 : end;
    }
    size_t n = strcspn(from, "\n");
    return n >= n_wanted && memcmp(from, wanted, n_wanted) == 0 && (prefix || n == n_wanted);
}

#define LINE_MOST 400

static enum view_chance value_chance(enum view_field field, const char *value, const char *subjects)
{
    char line[LINE_MOST];
    int n = field == VIEW_PROJECT ? snprintf(line, sizeof line, "%s", value)
                                  : snprintf(line, sizeof line, "%s=%s", view_fields[field], value);
    if (!*value || strchr(value, '\n') || n >= LINE_MOST)
        return VIEW_PERHAPS;
    return has_line(subjects, line, view_is_prefix(field)) ? VIEW_SURELY : VIEW_NEVER;
}

static enum view_chance term_chance(const struct view_term *t, const char *subjects)
{
    enum view_chance best = VIEW_NEVER;
    if (t->op != VIEW_EQ || t->field == VIEW_AMOUNT)
        return VIEW_PERHAPS;
    for (size_t i = 0; i < t->n; i++) {
        enum view_chance chance = value_chance(t->field, t->values[i], subjects);
        best = chance > best ? chance : best;
    }
    return best;
}

/* Two terms may be met by two changes. */
enum view_chance view_chance(const struct view *view, const char *subjects)
{
    enum view_chance worst = view->n > 1 ? VIEW_PERHAPS : VIEW_SURELY;
    for (int i = 0; i < view->n; i++) {
        enum view_chance chance = term_chance(&view->terms[i], subjects);
        worst = chance < worst ? chance : worst;
    }
    return worst;
}

const char *view_judge(const struct view *view, const Qipan__Event *event)
{
    struct view_facts facts;
    view_learn(event, &facts);
    return view_words[view_judge_facts(view, &facts)];
}
