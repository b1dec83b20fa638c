/* SPDX-License-Identifier: Apache-2.0 */
#include "mapping.h"

#include "csv_write.h"
#include "utf8.h"
#include "value.h"

#include <libintl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

#define MEMORY     (8 * 1024 * 1024) /* of one mapping */
#define MAX_TERMS  8                 /* columns joined in one value */
#define MAX_ALTS   4                 /* fallbacks of one value */
#define MAX_FIELDS 64
#define MAX_KEYS   4
#define MAX_SKIPS  32
#define MAX_VALUES 8192
#define MAX_TEXT   32768 /* of one cell after joining */
#define SHOWN_TEXT 200   /* characters of a cell that a message repeats */

/* A column, or a text between columns. */
struct term {
    const char *literal; /* NULL = a column */
    const char *header;
    const char *after; /* only what stands behind this, or NULL */
    int occurrence;    /* from 1, 0 = the header occurs once */
    int column;        /* bound; -1 = not yet */
};

struct alt {
    struct term terms[MAX_TERMS];
    int n;
};

struct expr {
    struct alt alts[MAX_ALTS];
    int n;
    const char *unit;
};

enum outcome { TAKE, KEEP, SKIP_ROW };

struct map_value {
    const char *cell, *text;
    enum outcome outcome;
};

struct field {
    const ProtobufCFieldDescriptor *f;
    const char *constant; /* or the columns: */
    struct expr expr;
    struct map_value *values; /* sorted by cell; NULL = cells are values themselves */
    int n_values;
    const struct map_value *other; /* for cells that are not listed */
};

struct skip {
    struct term term;
    bool contains;
    const char *text;
    const char *reason;
};

struct mapping {
    struct arena arena;
    struct mapping_source source;
    const char *unit, *area_unit;
    bool clear; /* an empty cell empties the field */
    struct field fields[MAX_FIELDS];
    int n_fields;
    struct expr keys[MAX_KEYS];
    int n_keys;
    struct skip skips[MAX_SKIPS];
    int n_skips;
    char *const *headers; /* of the sheet it is bound to, as they are there */
    size_t n_headers;
    char *why;
    int line;
};

#define PROJECT (&qipan__project__descriptor)

__attribute__((format(printf, 2, 3))) static bool fail(struct mapping *m, const char *format, ...)
{
    va_list ap;
    int n = m->line ? snprintf(m->why, MAPPING_WHY_SIZE, _("line %d: "), m->line) : 0;

    va_start(ap, format);
    vsnprintf(m->why + n, MAPPING_WHY_SIZE - (size_t)n, format, ap);
    va_end(ap);
    return false;
}

static struct mapping *create(char *why)
{
    struct mapping *m = calloc(1, sizeof(*m));

    why[0] = 0;
    if (!m) {
        snprintf(why, MAPPING_WHY_SIZE, "%s", _("out of memory"));
        return NULL;
    }
    arena_init(&m->arena, MEMORY);
    m->why = why;
    m->source.header = 1;
    return m;
}

void mapping_free(struct mapping *m)
{
    if (m)
        arena_free(&m->arena);
    free(m);
}

const struct mapping_source *mapping_source(const struct mapping *m)
{
    return &m->source;
}

/* ---------------------------------------------------------------- words of a line */

static const char *skip_spaces(const char *p)
{
    return p + strspn(p, " \t");
}

static char *copy(struct mapping *m, const char *from, const char *to)
{
    while (to > from && strchr(" \t", to[-1]))
        to--;
    char *s = arena_strndup(&m->arena, from, (size_t)(to - from));
    if (!s)
        fail(m, "%s", _("the mapping is too large"));
    return s;
}

/* "…" or '…' at *p, a doubled quote stands for one. NULL after a report. */
static char *quoted(struct mapping *m, const char **p)
{
    char quote = **p, *out = copy(m, *p + 1, *p + strlen(*p)), *w = out;
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
        fail(m, _("a closing %c is missing"), quote);
    return NULL;
}

static bool is_word(const char *p, const char *word)
{
    size_t n = strlen(word);

    return !strncmp(p, word, n) && strchr(" \t", p[n]) && p[n];
}

/* Does a bare header end at this space? */
static bool header_ends(const char *p)
{
    p = skip_spaces(p);
    return !*p || *p == '|' || *p == '+' || is_word(p, "unit") || is_word(p, "after");
}

/* 土地用途#2 → the second column of that name. */
static void take_occurrence(struct term *t, char *header)
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
        if (!(s = quoted(m, p)))
            return false;
        if (**p == '#')
            t->occurrence = (int)strtol(*p + 1, (char **)p, 10);
    } else {
        while (**p && !(strchr(" \t", **p) && header_ends(*p)))
            ++*p;
        if (!(s = copy(m, start, *p)))
            return false;
        take_occurrence(t, s);
    }
    t->header = s;
    return *s ? true : fail(m, "%s", _("the name of a column is missing"));
}

static char *take_word(struct mapping *m, const char **p)
{
    const char *start = *p = skip_spaces(*p);

    if (*start == '"' || *start == '\'')
        return quoted(m, p);
    *p += strcspn(start, " \t");
    return copy(m, start, *p);
}

static bool take_term(struct mapping *m, const char **p, struct term *t)
{
    *t = (struct term){.column = -1};
    *p = skip_spaces(*p);
    if (**p == '\'')
        return (t->literal = quoted(m, p)) != NULL;
    if (!take_header(m, p, t))
        return false;
    *p = skip_spaces(*p);
    if (!is_word(*p, "after"))
        return true;
    *p += strlen("after");
    return (t->after = take_word(m, p)) != NULL;
}

static bool take_alt(struct mapping *m, const char **p, struct alt *a)
{
    for (;;) {
        if (a->n == MAX_TERMS)
            return fail(m, _("more than %d columns joined"), MAX_TERMS);
        if (!take_term(m, p, &a->terms[a->n++]))
            return false;
        *p = skip_spaces(*p);
        if (**p != '+')
            return true;
        ++*p;
    }
}

/* COLUMN [after TEXT] [+ 'text' + COLUMN …] [| …] [unit UNIT] */
static bool take_expr(struct mapping *m, const char *p, struct expr *x)
{
    for (;;) {
        if (x->n == MAX_ALTS)
            return fail(m, _("more than %d fallbacks"), MAX_ALTS);
        if (!take_alt(m, &p, &x->alts[x->n++]))
            return false;
        if (*p != '|')
            break;
        p++;
    }
    if (is_word(p, "unit")) {
        p += strlen("unit");
        if (!(x->unit = take_word(m, &p)))
            return false;
        p = skip_spaces(p);
    }
    return *p ? fail(m, _("unexpected \"%.40s\""), p) : true;
}

/* ---------------------------------------------------------------- sections */

static struct field *find_field(struct mapping *m, const char *name)
{
    for (int i = 0; i < m->n_fields; i++)
        if (!strcmp(m->fields[i].f->name, name))
            return &m->fields[i];
    return NULL;
}

/* id and no find the project again, the other fields of the registry can't be written. */
static bool may_map(const ProtobufCFieldDescriptor *f)
{
    return value_writable(f) || !strcmp(f->name, "id") || !strcmp(f->name, "no");
}

static bool unknown(struct mapping *m, const char *what, const char *word, const char *near)
{
    return near ? fail(m, _("unknown %s \"%.60s\", did you mean \"%.60s\"?"), what, word, near)
                : fail(m, _("unknown %s \"%.60s\""), what, word);
}

static struct field *add_field(struct mapping *m, const char *name)
{
    const ProtobufCFieldDescriptor *f = value_field(PROJECT, name);

    if (!f) {
        unknown(m, _("field"), name, value_nearest_field(PROJECT, name, true));
        return NULL;
    }
    if (!may_map(f)) {
        fail(m, _("the field %s is written by the registry only"), f->name);
        return NULL;
    }
    if (find_field(m, f->name)) {
        fail(m, _("the field %s is there twice"), f->name);
        return NULL;
    }
    struct field *field = &m->fields[m->n_fields++];
    field->f = f;
    return field;
}

static bool check_unit(struct mapping *m, const char *field, const char *unit)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(PROJECT, field);
    enum value_kind kind = value_kind(f);
    Qipan__Project probe = QIPAN__PROJECT__INIT;
    struct value_error e;

    if (!unit)
        return true;
    if (kind != VALUE_MONEY && kind != VALUE_AREA)
        return fail(m, _("the field %s has no unit"), field);
    return value_set(&probe.base, f, "1", unit, &m->arena, &e) ? true : fail(m, "%s (%s)", e.message, e.hint);
}

static bool columns_line(struct mapping *m, const char *key, const char *value)
{
    struct field *f = add_field(m, key);

    return f && take_expr(m, value, &f->expr) && check_unit(m, f->f->name, f->expr.unit);
}

static bool check_value(struct mapping *m, const ProtobufCFieldDescriptor *f, const char *text)
{
    struct value_error e;

    return value_canonical(f, text, &m->arena, &e) ? true : fail(m, "%s: %s", f->name, e.message);
}

static bool constants_line(struct mapping *m, const char *key, const char *value)
{
    struct field *f = add_field(m, key);

    if (!f)
        return false;
    f->constant = *value == '"' || *value == '\'' ? quoted(m, &value) : copy(m, value, value + strlen(value));
    return f->constant && check_value(m, f->f, f->constant);
}

static bool key_line(struct mapping *m, const char *key, const char *value)
{
    if (strcmp(key, "column"))
        return fail(m, _("the section [key] has lines \"column = HEADER\" only, not \"%.40s\""), key);
    if (m->n_keys == MAX_KEYS)
        return fail(m, _("more than %d columns joined"), MAX_KEYS);
    return take_expr(m, value, &m->keys[m->n_keys++]);
}

/* HEADER = TEXT or HEADER ~ TEXT */
static bool skip_line(struct mapping *m, const char *value)
{
    struct skip *k = &m->skips[m->n_skips];
    const char *p = value;

    if (m->n_skips == MAX_SKIPS)
        return fail(m, _("more than %d lines that skip rows"), MAX_SKIPS);
    k->term.column = -1;
    k->reason = copy(m, value, value + strlen(value));
    if (*p == '"') {
        if (!(k->term.header = quoted(m, &p)))
            return false;
    } else {
        p += strcspn(p, "=~");
        char *header = copy(m, value, p);
        if (!header)
            return false;
        take_occurrence(&k->term, header);
        k->term.header = header;
    }
    p = skip_spaces(p);
    if (*p != '=' && *p != '~')
        return fail(m, "%s", _("write skip = HEADER ~ TEXT or skip = HEADER = TEXT"));
    k->contains = *p == '~';
    p = skip_spaces(p + 1);
    k->text = *p == '"' || *p == '\'' ? quoted(m, &p) : copy(m, p, p + strlen(p));
    if (!k->text || !k->reason)
        return false;
    if (k->contains && !*k->text)
        return fail(m, "%s", _("write skip = HEADER ~ TEXT or skip = HEADER = TEXT"));
    m->n_skips++;
    return true;
}

static bool separator_line(struct mapping *m, const char *value)
{
    static const struct {
        const char *word;
        char separator;
    } words[] = {{"comma", ','}, {"semicolon", ';'}, {"tab", '\t'}, {",", ','},
                 {";", ';'},     {"|", '|'},         {"bar", '|'}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(value, words[i].word))
            m->source.separator = words[i].separator;
    return m->source.separator
               ? true
               : fail(m, _("unknown separator \"%.20s\": comma, semicolon, tab or bar"), value);
}

static bool source_line(struct mapping *m, const char *key, const char *value)
{
    static const char *const keys[] = {"name", "encoding",  "separator", "header", "empty",
                                       "unit", "area_unit", "skip",      NULL};
    const char *text = copy(m, value, value + strlen(value));

    if (!text)
        return false;
    if (!strcmp(key, "name"))
        return m->source.name = text, true;
    if (!strcmp(key, "encoding"))
        return m->source.encoding = text, true;
    if (!strcmp(key, "separator"))
        return separator_line(m, text);
    if (!strcmp(key, "unit"))
        return m->unit = text, check_unit(m, "amount_total", text);
    if (!strcmp(key, "area_unit"))
        return m->area_unit = text, check_unit(m, "land_mu", text);
    if (!strcmp(key, "skip"))
        return skip_line(m, value);
    if (!strcmp(key, "header")) {
        m->source.header = atoi(text);
        return m->source.header >= 1 && m->source.header <= 100
                   ? true
                   : fail(m, "%s", _("header is a row from 1 to 100"));
    }
    if (!strcmp(key, "empty")) {
        m->clear = !strcmp(text, "clear");
        return m->clear || !strcmp(text, "keep") ? true : fail(m, "%s", _("empty is keep or clear"));
    }
    return unknown(m, _("setting"), key, value_nearest(key, keys));
}

static bool values_line(struct mapping *m, struct field *f, const char *key, bool key_quoted,
                        const char *value)
{
    struct map_value *v;

    if (f->n_values == MAX_VALUES)
        return fail(m, _("more than %d values"), MAX_VALUES);
    v = &f->values[f->n_values];
    v->cell = key;
    v->outcome = !strcmp(value, "*") ? KEEP : !strcmp(value, "skip row") ? SKIP_ROW : TAKE;
    v->text = *value == '"' || *value == '\'' ? quoted(m, &value) : copy(m, value, value + strlen(value));
    if (!v->text || (v->outcome == TAKE && *v->text && !check_value(m, f->f, v->text)))
        return false;
    if (key_quoted || strcmp(key, "*")) {
        f->n_values++;
        return true;
    }
    if (f->other)
        return fail(m, "%s", _("* is there twice"));
    struct map_value *other = arena_alloc(&m->arena, sizeof(*other));
    if (!other)
        return fail(m, "%s", _("the mapping is too large"));
    *other = *v;
    f->other = other;
    return true;
}

/* ---------------------------------------------------------------- the file */

enum section { NO_SECTION, SOURCE, COLUMNS, CONSTANTS, KEY, VALUES };

static bool open_values(struct mapping *m, const char *name, struct field **ret)
{
    const ProtobufCFieldDescriptor *f = value_field(PROJECT, name);

    if (!f)
        return unknown(m, _("field"), name, value_nearest_field(PROJECT, name, true));
    *ret = find_field(m, f->name);
    if (!*ret || (*ret)->constant)
        return fail(m, _("[values %s] without a line %s in [columns] before it"), f->name, f->name);
    if ((*ret)->values)
        return fail(m, _("[values %s] is there twice"), f->name);
    (*ret)->values = arena_alloc(&m->arena, MAX_VALUES * sizeof(struct map_value));
    return (*ret)->values ? true : fail(m, "%s", _("the mapping is too large"));
}

static bool open_section(struct mapping *m, const char *line, enum section *section, struct field **field)
{
    static const char *const names[] = {"source", "columns", "constants", "key", "values FIELD", NULL};
    const char *end = strchr(line, ']');
    char *name;

    if (!end || *skip_spaces(end + 1))
        return fail(m, "%s", _("a section is a name in [ ]"));
    if (!(name = copy(m, skip_spaces(line + 1), end)))
        return false;
    for (int i = 0; i < 4; i++) {
        if (!strcmp(name, names[i])) {
            *section = (enum section)(i + 1);
            return true;
        }
    }
    if (!is_word(name, "values"))
        return unknown(m, _("section"), name, value_nearest(name, names));
    *section = VALUES;
    return open_values(m, skip_spaces(name + strlen("values")), field);
}

/* Key and value of a line; the key may be quoted. */
static bool split(struct mapping *m, const char *line, const char **key, bool *key_quoted, const char **value)
{
    const char *p = line;

    *key_quoted = *p == '"' || *p == '\'';
    if (*key_quoted) {
        if (!(*key = quoted(m, &p)))
            return false;
        p = skip_spaces(p);
    } else {
        p += strcspn(p, "=");
        if (!(*key = copy(m, line, p)))
            return false;
    }
    if (*p != '=')
        return fail(m, "%s", _("a line is NAME = VALUE"));
    *value = skip_spaces(p + 1);
    return **value ? true : fail(m, "%s", _("the value is missing; \"\" is the empty one"));
}

static bool take_line(struct mapping *m, const char *line, enum section *section, struct field **field)
{
    const char *key = "", *value = "";
    bool key_quoted;

    if (!*line || *line == '#' || *line == ';')
        return true;
    if (*line == '[')
        return open_section(m, line, section, field);
    if (!split(m, line, &key, &key_quoted, &value))
        return false;
    switch (*section) {
    case SOURCE:
        return source_line(m, key, value);
    case COLUMNS:
        return columns_line(m, key, value);
    case CONSTANTS:
        return constants_line(m, key, value);
    case KEY:
        return key_line(m, key, value);
    case VALUES:
        return values_line(m, *field, key, key_quoted, value);
    default:
        return fail(m, "%s", _("the first line must be a section, for example [columns]"));
    }
}

static int by_cell(const void *a, const void *b)
{
    return strcmp(((const struct map_value *)a)->cell, ((const struct map_value *)b)->cell);
}

static bool finish(struct mapping *m)
{
    m->line = 0;
    for (int i = 0; i < m->n_fields; i++) {
        struct field *f = &m->fields[i];
        if (f->n_values)
            qsort(f->values, (size_t)f->n_values, sizeof(*f->values), by_cell);
        for (int k = 1; k < f->n_values; k++)
            if (!by_cell(&f->values[k - 1], &f->values[k]))
                return fail(m, _("[values %s]: \"%.60s\" is there twice"), f->f->name, f->values[k].cell);
    }
    if (m->n_keys && find_field(m, "external_id"))
        return fail(m, "%s", _("[key] and a line external_id exclude each other"));
    if (m->n_keys && !m->source.name && !find_field(m, "source"))
        return fail(m, "%s", _("a key needs the name of its register: name = … in [source]"));
    return m->n_fields > 0 ? true : fail(m, "%s", _("the mapping names no column"));
}

static bool read_lines(struct mapping *m, char *text)
{
    enum section section = NO_SECTION;
    struct field *field = NULL;

    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        m->line++;
        line += strspn(line, " \t\r");
        for (size_t n = strlen(line); n && strchr(" \t\r", line[n - 1]); n--)
            line[n - 1] = 0;
        if (!take_line(m, line, &section, &field))
            return false;
    }
    return finish(m);
}

struct mapping *mapping_read(const char *text, size_t n, char why[MAPPING_WHY_SIZE])
{
    struct mapping *m = create(why);

    if (!m)
        return NULL;
    if (n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) {
        text += 3;
        n -= 3;
    }
    char *lines = n <= MAPPING_MAX_FILE ? arena_strndup(&m->arena, text, n) : NULL;
    if (!lines)
        fail(m, "%s", _("the mapping is too large"));
    else if (strlen(lines) != n || !utf8_valid((const uint8_t *)lines, n))
        fail(m, "%s", _("the mapping file is not UTF-8"));
    else if (read_lines(m, lines))
        return m;
    mapping_free(m);
    return NULL;
}

/* ---------------------------------------------------------------- binding to a sheet */

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
        return fail(m, "%s", _("the mapping is too large"));
    t->column = -1;
    for (size_t i = 0; i < h->n; i++)
        if (h->keys[i] && !strcmp(h->keys[i], key) && ++seen == (t->occurrence ? t->occurrence : 1))
            t->column = (int)i;
    if (seen > 1 && !t->occurrence)
        return fail(m, _("the column \"%.60s\" occurs %d times: write %.60s#1 to %.60s#%d"), t->header, seen,
                    t->header, t->header, seen);
    if (t->column >= 0)
        return true;
    if (seen > 0)
        return fail(m, _("the column \"%.60s\" occurs %d times only"), t->header, seen);
    return unknown(m, _("column"), t->header, value_nearest(key, (const char *const *)h->keys));
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
        return fail(m, "%s", _("the mapping is too large"));
    for (size_t i = 0; i < n; i++)
        if (!(h.keys[i] = header_key(headers[i], &m->arena)))
            return fail(m, "%s", _("the header is not valid text"));
    m->headers = headers;
    m->n_headers = n;
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

static int first_column(const struct expr *x)
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
        int column = f->constant ? -1 : first_column(&f->expr);
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
        return fail(m, "%s", _("the header is not valid text"));
    if (!*key)
        return true;
    const ProtobufCFieldDescriptor *f = header_field(m, key, &unit);
    if (!f) {
        const char *near = value_nearest_field(PROJECT, key, true);
        return near ? fail(m,
                           _("the column \"%.60s\" is no field of a project; did you mean %s (%s)? A mapping "
                             "file says what it is"),
                           header, value_label(near, "zh"), near)
                    : fail(m,
                           _("the column \"%.60s\" is no field of a project; a mapping file says what it is"),
                           header);
    }
    if (!may_map(f) || (!strcmp(f->name, "no") && find_field(m, "id")))
        return true;
    struct field *field = add_field(m, f->name);
    if (!field || !check_unit(m, f->name, unit))
        return false;
    field->expr.n = field->expr.alts[0].n = 1;
    field->expr.unit = unit;
    field->expr.alts[0].terms[0] = (struct term){.header = m->headers[column], .column = column};
    return true;
}

struct mapping *mapping_auto(char *const *headers, size_t n, char why[MAPPING_WHY_SIZE])
{
    struct mapping *m = create(why);
    bool ok = m != NULL;

    if (m) {
        m->headers = headers;
        m->n_headers = n;
    }
    for (size_t i = 0; ok && i < n; i++)
        ok = auto_column(m, headers[i], (int)i);
    if (ok && m->n_fields == 0)
        ok = fail(m, "%s", _("the file has no column that is a field of a project"));
    if (ok)
        return m;
    mapping_free(m);
    return NULL;
}

/* ---------------------------------------------------------------- rows */

struct work {
    const struct mapping *m;
    const struct sheet_row *row;
    bool disarmed;
    struct arena *arena;
    Qipan__ImportRow *out;
    bool full; /* the arena */
};

static const char *cell_of(const struct work *w, const struct term *t)
{
    const char *cell = w->row->cells[t->column], *at;

    if (w->disarmed)
        cell = csv_rearm(cell);
    cell += strspn(cell, " \t\r\n");
    if (t->after)
        cell = (at = strstr(cell, t->after)) ? at + strlen(t->after) : "";
    return cell;
}

struct joined {
    char text[MAX_TEXT];
    size_t n;
    int column; /* the first with content */
    bool over;
};

static void append(struct joined *j, const char *text)
{
    size_t n = strlen(text);

    if (j->n + n >= sizeof(j->text)) {
        j->over = true;
        return;
    }
    memcpy(j->text + j->n, text, n + 1);
    j->n += n;
}

static size_t trimmed_length(const char *s)
{
    size_t n = strlen(s);

    while (n && strchr(" \t\r\n", s[n - 1]))
        n--;
    return n;
}

/* Texts between columns are kept only where a column with content follows; those at the end, after one. */
static bool join_alt(const struct work *w, const struct alt *a, struct joined *j)
{
    int from = 0;

    *j = (struct joined){.column = -1};
    for (int i = 0; i < a->n; i++) {
        const char *cell = a->terms[i].literal ? "" : cell_of(w, &a->terms[i]);
        if (!trimmed_length(cell))
            continue;
        for (int k = from; k < i; k++)
            if (a->terms[k].literal)
                append(j, a->terms[k].literal);
        append(j, cell);
        j->n = trimmed_length(j->text);
        j->text[j->n] = 0;
        if (j->column < 0)
            j->column = a->terms[i].column;
        from = i + 1;
    }
    bool only_text = from == 0;
    for (int k = 0; only_text && k < a->n; k++)
        only_text = a->terms[k].literal != NULL;
    for (int k = from; (from > 0 || only_text) && k < a->n; k++)
        if (a->terms[k].literal)
            append(j, a->terms[k].literal);
    return j->n > 0;
}

static void join_expr(const struct work *w, const struct expr *x, struct joined *j)
{
    for (int a = 0; a < x->n; a++)
        if (join_alt(w, &x->alts[a], j))
            break;
    if (j->column < 0)
        j->column = first_column(x);
}

static char *keep(struct work *w, const char *text)
{
    char *s = arena_strdup(w->arena, text);

    w->full |= s == NULL;
    return s;
}

/* The first SHOWN_TEXT characters, with "?" for those that may not be sent. */
static char *keep_shown(struct work *w, const char *text)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    char *out = arena_alloc(w->arena, SHOWN_TEXT * 4 + 1);
    size_t n = 0;

    w->full |= out == NULL;
    if (!out || !utf8_valid(p, (size_t)(end - p)))
        end = p;
    for (int chars = 0; p < end && chars < SHOWN_TEXT; chars++) {
        const uint8_t *from = p;
        if (utf8_forbidden(utf8_next(&p, end))) {
            out[n++] = '?';
        } else {
            memcpy(out + n, from, (size_t)(p - from));
            n += (size_t)(p - from);
        }
    }
    if (out)
        out[utf8_clean((const uint8_t *)out, n) ? n : 0] = 0;
    return out;
}

static bool add_bad(struct work *w, const char *field, int column, const char *text, const char *message)
{
    Qipan__ImportRow *r = w->out;
    Qipan__BadValue *b = arena_alloc(w->arena, sizeof(*b));

    if (!r->bad)
        r->bad = arena_alloc(w->arena, (MAX_FIELDS + 2) * sizeof(*r->bad));
    if (!b || !r->bad) {
        w->full = true;
        return false;
    }
    qipan__bad_value__init(b);
    b->field = field ? keep(w, field) : NULL;
    b->column = column >= 0 ? keep_shown(w, w->m->headers[column]) : NULL;
    b->text = keep_shown(w, text);
    b->message = keep(w, message);
    r->bad[r->n_bad++] = b;
    return true;
}

static bool add_bad_value(struct work *w, const struct field *f, const struct joined *j,
                          const struct value_error *e)
{
    char message[sizeof(e->message) + sizeof(e->hint) + 8];

    snprintf(message, sizeof(message), e->hint[0] ? "%s (%s)" : "%s", e->message, e->hint);
    return add_bad(w, f->f->name, j->column, j->text, message);
}

static void add_clear(struct work *w, const struct field *f)
{
    Qipan__ImportRow *r = w->out;

    if (!r->clear)
        r->clear = arena_alloc(w->arena, MAX_FIELDS * sizeof(*r->clear));
    if (r->clear)
        r->clear[r->n_clear++] = keep(w, f->f->name);
    else
        w->full = true;
}

static const struct map_value *look_up(const struct field *f, const char *cell)
{
    struct map_value wanted = {.cell = cell};
    const struct map_value *v = bsearch(&wanted, f->values, (size_t)f->n_values, sizeof(*f->values), by_cell);

    return v || !*cell ? v : f->other;
}

/* Replaces the cell by what its list says. False when that ends the work on the field. */
static bool map_cell(struct work *w, const struct field *f, struct joined *j)
{
    struct value_error e = {0};
    char *clean = value_clean(j->text, w->arena, &e);
    const struct map_value *v = clean ? look_up(f, clean) : NULL;

    if (!clean)
        return add_bad_value(w, f, j, &e), false;
    if (!v && !*clean)
        return true;
    if (!v) {
        snprintf(e.message, sizeof(e.message), _("\"%.80s\" is not in the list [values %s] of the mapping"),
                 clean, f->f->name);
        return add_bad_value(w, f, j, &e), false;
    }
    if (v->outcome == SKIP_ROW) {
        snprintf(j->text, sizeof(j->text), _("the mapping skips rows with %s = %.200s"), f->f->name, clean);
        w->out->skip = keep(w, j->text);
        return false;
    }
    if (v->outcome == TAKE) {
        j->n = 0;
        j->text[0] = 0;
        append(j, v->text);
    }
    return true;
}

static const char *default_unit(const struct mapping *m, const struct field *f)
{
    enum value_kind kind = value_kind(f->f);

    return f->expr.unit          ? f->expr.unit
           : kind == VALUE_MONEY ? m->unit
           : kind == VALUE_AREA  ? m->area_unit
                                 : NULL;
}

static void take_field(struct work *w, const struct field *f, struct joined *j)
{
    struct value_error e = {0};

    if (f->constant) {
        w->full |= !value_set(&w->out->set->base, f->f, f->constant, NULL, w->arena, &e);
        return;
    }
    join_expr(w, &f->expr, j);
    if (j->over) {
        snprintf(e.message, sizeof(e.message), _("the text is longer than %d bytes"), MAX_TEXT);
        add_bad_value(w, f, j, &e);
        return;
    }
    if (f->values && !map_cell(w, f, j))
        return;
    if (!trimmed_length(j->text)) {
        if (w->m->clear)
            add_clear(w, f);
        return;
    }
    if (!value_set(&w->out->set->base, f->f, j->text, default_unit(w->m, f), w->arena, &e))
        add_bad_value(w, f, j, &e);
}

/* The columns of [key], all of them filled, joined by a slash. */
static void take_key(struct work *w, struct joined *j)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(PROJECT, "external_id");
    char key[MAX_TEXT];
    struct value_error e = {0};
    size_t n = 0;

    for (int i = 0; i < w->m->n_keys; i++) {
        join_expr(w, &w->m->keys[i], j);
        if (!j->n) {
            add_bad(w, f->name, j->column, "", _("the key of the row is empty"));
            return;
        }
        int len = snprintf(key + n, MAX_TEXT - n, "%s%s", i ? "/" : "", j->text);
        if (j->over || len < 0 || (size_t)len >= MAX_TEXT - n) {
            add_bad(w, f->name, j->column, j->text, _("the key of the row is too long"));
            return;
        }
        n += (size_t)len;
    }
    if (!value_set(&w->out->set->base, f, key, NULL, w->arena, &e))
        add_bad(w, f->name, j->column, key, e.message);
}

static const struct skip *skips(const struct work *w)
{
    for (int i = 0; i < w->m->n_skips; i++) {
        const struct skip *k = &w->m->skips[i];
        const char *cell = cell_of(w, &k->term);
        size_t n = trimmed_length(cell);
        if (k->contains ? strstr(cell, k->text) != NULL : n == strlen(k->text) && !strncmp(cell, k->text, n))
            return k;
    }
    return NULL;
}

static bool start_row(struct work *w)
{
    w->out = arena_alloc(w->arena, sizeof(*w->out));
    Qipan__Project *set = arena_alloc(w->arena, sizeof(*set));
    if (!w->out || !set)
        return false;
    qipan__import_row__init(w->out);
    qipan__project__init(set);
    w->out->set = set;
    w->out->has_row = 1;
    w->out->row = w->row->number;
    return true;
}

static void take_row(struct work *w)
{
    const struct skip *k = skips(w);
    struct joined j;

    if (k) {
        snprintf(j.text, sizeof(j.text), _("the mapping skips rows with %.200s"), k->reason);
        w->out->skip = keep(w, j.text);
        return;
    }
    for (int i = 0; i < w->m->n_fields && !w->out->skip; i++)
        take_field(w, &w->m->fields[i], &j);
    if (w->m->n_keys && !w->out->skip)
        take_key(w, &j);
    if (w->m->source.name && !w->out->set->source && w->out->set->external_id)
        w->out->set->source = keep(w, w->m->source.name);
}

Qipan__ImportRow *mapping_row(const struct mapping *m, const struct sheet_row *row, bool disarmed,
                              struct arena *arena)
{
    struct work w = {.m = m, .row = row, .disarmed = disarmed, .arena = arena};

    if (!start_row(&w))
        return NULL;
    if (row->bad)
        add_bad(&w, NULL, row->bad_column, row->bad_text, row->bad);
    else
        take_row(&w);
    if (w.out->skip || row->bad)
        w.out->set = NULL;
    return w.full ? NULL : w.out;
}

Qipan__ImportRow *mapping_refuse(int row, const char *column, const char *text, const char *message,
                                 struct arena *arena)
{
    char *headers[1] = {(char *)(uintptr_t)(column ? column : "")};
    struct mapping m = {.headers = headers};
    struct sheet_row r = {.number = row};
    struct work w = {.m = &m, .row = &r, .arena = arena};

    if (!start_row(&w) || !add_bad(&w, NULL, column ? 0 : -1, text, message) || w.full)
        return NULL;
    w.out->set = NULL;
    return w.out;
}
