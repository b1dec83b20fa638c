/* SPDX-License-Identifier: Apache-2.0 */
/* From words to the request of an operation, by its descriptor. */
#include "record.h"

#include "filter.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define REST     "…" /* behind a positional's name: all words that are left */
#define OPTIONAL "?" /* it may be left out */

static const ProtobufCMessageDescriptor *request_of(const struct verb *v)
{
    return op_by_number(v->op)->request;
}

const ProtobufCMessageDescriptor *record_rows(const struct verb *v)
{
    const ProtobufCFieldDescriptor *f = record_field(op_by_number(v->op)->reply, "rows");

    return f ? f->descriptor : NULL;
}

static bool has_base(const struct verb *v)
{
    enum op_lane lane = op_by_number(v->op)->lane;

    return lane != LANE_READ && lane != LANE_FEED;
}

static bool repeats(const ProtobufCFieldDescriptor *f)
{
    return f->label == PROTOBUF_C_LABEL_REPEATED;
}

static bool is_named(const char *word, size_t n, const char *name)
{
    return strlen(name) == n && strncmp(word, name, n) == 0;
}

/* What may stand behind a positional's name. */
enum mark { MARK_NONE, MARK_REST, MARK_OPTIONAL };

/* The next name in a list; NULL at its end. */
static const char *next_name(const char **at, size_t *ret_n, enum mark *ret_mark)
{
    static const char *const marks[] = {[MARK_REST] = REST, [MARK_OPTIONAL] = OPTIONAL};
    const char *name = *at + strspn(*at, " ");
    size_t n = strcspn(name, " ");

    *at = name + n;
    *ret_n = n;
    *ret_mark = MARK_NONE;
    for (enum mark m = MARK_REST; m <= MARK_OPTIONAL; m++) {
        size_t length = strlen(marks[m]);

        if (n > length && strncmp(name + n - length, marks[m], length) == 0) {
            *ret_n = n - length;
            *ret_mark = m;
        }
    }
    return n ? name : NULL;
}

static bool is_positional(const struct verb *v, const char *field)
{
    const char *at = v->positional, *name;
    size_t n;
    enum mark mark;

    while ((name = next_name(&at, &n, &mark)))
        if (is_named(name, n, field))
            return true;
    return false;
}

/* An amount that looks odd is insisted on, of a new one too. */
static bool has_amounts(const struct verb *v)
{
    const ProtobufCFieldDescriptor *set = record_field(request_of(v), "set");
    const ProtobufCMessageDescriptor *desc = set ? set->descriptor : NULL;

    for (unsigned i = 0; desc && i < desc->n_fields; i++)
        if (strncmp(desc->fields[i].name, "amount_", 7) == 0)
            return true;
    return false;
}

/* Pages are asked for by out_pages(); an object is named by its place. */
static bool is_option(const struct verb *v, const ProtobufCFieldDescriptor *f)
{
    bool pages = record_field(request_of(v), "after") || record_field(request_of(v), "after_rev");
    bool fresh = record_field(request_of(v), "id") && !is_positional(v, "id") &&
                 !has_amounts(v); /* nothing to overwrite */

    return !(fresh && strcmp(f->name, "force") == 0) && value_kind(f) != VALUE_OTHER &&
           strcmp(f->name, "id") != 0 && strcmp(f->name, "clear") != 0 && strcmp(f->name, "after") != 0 &&
           !(pages && strcmp(f->name, "limit") == 0) && !is_positional(v, f->name);
}

/* "some_name" as "--some-name". */
static char *option_name(struct arena *arena, const char *field)
{
    char *name = arena_alloc(arena, strlen(field) + 3);

    if (!name)
        return NULL;
    sprintf(name, "--%s", field);
    for (char *p = name; *p; p++)
        if (*p == '_')
            *p = '-';
    return name;
}

static bool same_option(const char *word, const char *field)
{
    for (word += 2; *word && *field; word++, field++)
        if (*word != (*field == '_' ? '-' : *field))
            return false;
    return !*word && !*field;
}

bool record_takes_value(const struct verb *v, const char *word)
{
    const ProtobufCMessageDescriptor *d = request_of(v);

    if (strncmp(word, "--", 2) != 0)
        return false;
    if (strcmp(word, "--filter") == 0 || strcmp(word, "--base") == 0)
        return true;
    for (unsigned i = 0; i < d->n_fields; i++)
        if (is_option(v, &d->fields[i]) && same_option(word, d->fields[i].name))
            return d->fields[i].type != PROTOBUF_C_TYPE_BOOL;
    return false;
}

/* ---------------------------------------------------------------- how it is written */

static void add(char **at, const char *end, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add(char **at, const char *end, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(*at, (size_t)(end - *at), format, args);
    va_end(args);
    *at += n < end - *at ? n : end - *at - 1;
}

static void add_capitals(char **at, const char *end, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(at, end, "%c", toupper((unsigned char)name[i]));
}

static void add_option(struct arena *arena, char **at, const char *end, const ProtobufCFieldDescriptor *f)
{
    static const char *const values[] = {
        [VALUE_TEXT] = "TEXT",    [VALUE_LIST] = "TEXT", [VALUE_MONEY] = "AMOUNT", [VALUE_DATE] = "DATE",
        [VALUE_INSTANT] = "TIME", [VALUE_AREA] = "AREA", [VALUE_INT] = "N",        [VALUE_CODE] = NULL};
    enum value_kind kind = value_kind(f);

    add(at, end, " [%s", option_name(arena, f->name));
    if (strcmp(f->name, "sort") == 0)
        add(at, end, " [-]FIELD");
    else if (kind == VALUE_CODE) {
        add(at, end, " ");
        add_capitals(at, end, f->name, strlen(f->name));
    } else if (kind != VALUE_BOOL)
        add(at, end, " %s", values[kind]);
    add(at, end, repeats(f) ? "]…" : "]");
}

const char *record_form(struct arena *arena, const struct verb *v)
{
    const ProtobufCMessageDescriptor *d = request_of(v);
    const char *names = v->positional, *name;
    char text[1000], *at = text, *end = text + sizeof text;
    size_t n;
    enum mark mark;

    add(&at, end, "qipan %s %s", v->family, v->word);
    while ((name = next_name(&names, &n, &mark))) {
        add(&at, end, mark == MARK_OPTIONAL ? " [" : " ");
        add_capitals(&at, end, name, n);
        add(&at, end, "%s", mark == MARK_OPTIONAL ? "]" : mark == MARK_REST ? REST : "");
    }
    if (record_field(d, "set"))
        add(&at, end, " FIELD=VALUE…");
    if (record_field(d, "terms"))
        add(&at, end, " [FIELD=VALUE…] [--filter EXPR]");
    for (unsigned i = 0; i < d->n_fields; i++)
        if (is_option(v, &d->fields[i]))
            add_option(arena, &at, end, &d->fields[i]);
    if (has_base(v) && is_positional(v, "id"))
        add(&at, end, " [--base VERSION]");
    name = arena_strdup(arena, text);
    return name ? name : "";
}

/* ---------------------------------------------------------------- reading it */

struct taking {
    struct cli *cli;
    const struct verb *verb;
    const ProtobufCMessageDescriptor *desc;
    struct record_call *call;
    char **words; /* positional ones, taken from the front */
    int n;
    struct cli_option *options;
    const char **values; /* of options, by field */
    bool *given;
    const char *filter, *base;
};

static const ProtobufCFieldDescriptor *request_field(const struct taking *t, const char *name)
{
    return record_field(t->desc, name);
}

static int set_field(struct taking *t, const ProtobufCFieldDescriptor *f, const char *text)
{
    struct value_error error;

    if (value_set(t->call->request, f, text, NULL, &t->cli->arena, &error))
        return 0;
    return cli_invalid(t->cli, f->name, &error);
}

/* A word that is one item as it stands, commas and all. */
static int append_item(struct taking *t, const ProtobufCFieldDescriptor *f, const char *text)
{
    size_t *n = (size_t *)((char *)t->call->request + f->quantifier_offset);
    char ***items = record_at(t->call->request, f), *clean, **more;
    struct value_error error;

    if (!(clean = value_clean(text, &t->cli->arena, &error)))
        return cli_invalid(t->cli, f->name, &error);
    if (!(more = arena_alloc(&t->cli->arena, (*n + 1) * sizeof *more)))
        return cli_no_memory(t->cli);
    if (*n)
        memcpy(more, *items, *n * sizeof *more);
    more[(*n)++] = clean;
    *items = more;
    return 0;
}

/* Options by descriptor; behind those of the fields, the two of the call. */
static bool make_options(struct taking *t)
{
    unsigned n = t->desc->n_fields, k = 0;
    struct arena *arena = &t->cli->arena;

    t->options = arena_zalloc(arena, (n + 3) * sizeof *t->options);
    t->values = arena_zalloc(arena, n * sizeof *t->values);
    t->given = arena_zalloc(arena, n * sizeof *t->given);
    if (!t->options || !t->values || !t->given)
        return false;
    for (unsigned i = 0; i < n; i++) {
        const ProtobufCFieldDescriptor *f = &t->desc->fields[i];
        bool flag = f->type == PROTOBUF_C_TYPE_BOOL;

        if (!is_option(t->verb, f))
            continue;
        t->options[k++] = (struct cli_option){option_name(arena, f->name), flag ? NULL : &t->values[i],
                                              flag || repeats(f) ? &t->given[i] : NULL};
        if (!t->options[k - 1].name)
            return false;
    }
    if (request_field(t, "terms"))
        t->options[k++] = (struct cli_option){"--filter", &t->filter, NULL};
    if (has_base(t->verb))
        t->options[k++] = (struct cli_option){"--base", &t->base, NULL};
    return true;
}

static int take_list(struct taking *t, const ProtobufCFieldDescriptor *f, char *lines)
{
    int code = 0;

    for (char *line, *save; !code && (line = strtok_r(lines, "\n", &save)); lines = NULL)
        code = append_item(t, f, line);
    return code;
}

static int fill_option(struct taking *t, unsigned i)
{
    const ProtobufCFieldDescriptor *f = &t->desc->fields[i];
    char *copy;

    if (f->type == PROTOBUF_C_TYPE_BOOL)
        return t->given[i] ? set_field(t, f, "true") : 0;
    if (!t->values[i])
        return 0;
    if (!repeats(f))
        return set_field(t, f, t->values[i]);
    copy = arena_strdup(&t->cli->arena, t->values[i]);
    return copy ? take_list(t, f, copy) : cli_no_memory(t->cli);
}

static int fill_options(struct taking *t)
{
    const ProtobufCFieldDescriptor *force = request_field(t, "force"), *reason = request_field(t, "reason");
    char *end = NULL;
    int code = 0;

    for (unsigned i = 0; i < t->desc->n_fields && !code; i++)
        code = fill_option(t, i);
    if (code)
        return code;
    if (force && reason && value_has(t->call->request, force) && !value_has(t->call->request, reason))
        return cli_usage(t->cli, _("--force needs --reason"));
    if (!t->base)
        return 0;
    t->call->base = strtoll(t->base, &end, 10);
    return t->call->base >= 1 && !*end ? 0
                                       : cli_usage(t->cli, _("--base needs a version, not \"%s\""), t->base);
}

static int missing(struct taking *t, const char *name, size_t n)
{
    char text[100], *at = text;

    add_capitals(&at, text + sizeof text, name, n);
    return cli_usage(t->cli, _("%s %s needs %s"), t->verb->family, t->verb->word, text);
}

/* Where FIELD=VALUE words may follow, one of those is no positional word. */
static bool has_word(const struct taking *t)
{
    bool pairs = request_field(t, "set") || request_field(t, "terms");

    return t->n > 0 && !(pairs && strchr(t->words[0], '='));
}

static int take_positional(struct taking *t)
{
    const char *names = t->verb->positional, *name;
    size_t n;
    enum mark mark;
    int code = 0;

    while (!code && (name = next_name(&names, &n, &mark))) {
        char *field = arena_strndup(&t->cli->arena, name, n);
        const ProtobufCFieldDescriptor *f = field ? request_field(t, field) : NULL;

        if (!f)
            return cli_no_memory(t->cli); /* a unit test looks at the table */
        if (!has_word(t) && mark == MARK_OPTIONAL)
            continue;
        if (!has_word(t))
            return missing(t, name, n);
        do {
            code = repeats(f) ? append_item(t, f, t->words[0]) : set_field(t, f, t->words[0]);
            t->words++;
            t->n--;
        } while (!code && mark == MARK_REST && t->n > 0);
    }
    return code;
}

static int take_set(struct taking *t, const ProtobufCFieldDescriptor *f)
{
    const ProtobufCFieldDescriptor *clear = request_field(t, "clear");
    const ProtobufCMessageDescriptor *desc = f->descriptor;
    struct cli_values values = {.set = arena_alloc(&t->cli->arena, desc->sizeof_message)};
    int code = 0;

    if (t->n == 0)
        return cli_usage(t->cli, _("%s %s needs FIELD=VALUE words"), t->verb->family, t->verb->word);
    if (clear)
        values.clear = arena_alloc(&t->cli->arena, (size_t)t->n * sizeof *values.clear);
    if (!values.set || (clear && !values.clear))
        return cli_no_memory(t->cli);
    desc->message_init(values.set);
    for (int i = 0; i < t->n && !code; i++)
        code = cli_take_value(t->cli, &values, t->words[i]);
    *(ProtobufCMessage **)record_at(t->call->request, f) = values.set;
    if (clear) {
        *(char ***)record_at(t->call->request, clear) = values.clear;
        *(size_t *)((char *)t->call->request + clear->quantifier_offset) = values.n_clear;
    }
    return code;
}

const ProtobufCMessageDescriptor *record_terms(const struct verb *v)
{
    if (!record_field(request_of(v), "terms"))
        return NULL;
    for (const struct kind_info *k = kind_table; k->name; k++)
        if (k->message == record_rows(v))
            return k->message;
    return &qipan__project__descriptor;
}

/* All words and --filter as one expression. */
static int take_terms(struct taking *t, const ProtobufCFieldDescriptor *f)
{
    size_t size = t->filter ? strlen(t->filter) + 1 : 1;
    struct filter filter;
    struct value_error error;
    char *text, *at;

    for (int i = 0; i < t->n; i++)
        size += strlen(t->words[i]) + 1;
    if (!(text = at = arena_alloc(&t->cli->arena, size)))
        return cli_no_memory(t->cli);
    *at = '\0';
    for (int i = 0; i < t->n; i++)
        at += sprintf(at, "%s ", t->words[i]);
    strcpy(at, t->filter ? t->filter : "");
    if (!filter_parse_of(text, record_terms(t->verb), &t->cli->arena, &filter, &error))
        return cli_invalid(t->cli, "filter", &error);
    *(Qipan__Term ***)record_at(t->call->request, f) = filter.terms;
    *(size_t *)((char *)t->call->request + f->quantifier_offset) = filter.n_terms;
    return 0;
}

static int take_pairs(struct taking *t)
{
    const ProtobufCFieldDescriptor *set = request_field(t, "set"), *terms = request_field(t, "terms");

    if (set)
        return take_set(t, set);
    if (terms)
        return take_terms(t, terms);
    return t->n > 0 ? cli_usage(t->cli, _("too many words: \"%s\""), t->words[0]) : 0;
}

int record_take(struct cli *cli, const struct verb *v, int argc, char **argv, struct record_call *ret)
{
    struct taking t = {.cli = cli, .verb = v, .desc = request_of(v), .call = ret, .words = argv + 1};
    int code;

    *ret = (struct record_call){.request = arena_alloc(&cli->arena, t.desc->sizeof_message)};
    if (!ret->request || !make_options(&t))
        return cli_no_memory(cli);
    t.desc->message_init(ret->request);
    if ((code = cli_options(cli, argc, argv, t.options, &t.n)) || (code = take_positional(&t)) ||
        (code = take_pairs(&t)))
        return code;
    return fill_options(&t);
}
