/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a mapping file: its sections, the lines of each. */
#include "layout.h"
#include "mapping_internal.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VALUES 8192

static bool columns_line(struct mapping *m, const char *key, const char *value)
{
    struct field *f = mapping_add_field(m, key);

    return f && mapping_take_expr(m, value, &f->expr) && mapping_check_unit(m, f->f, f->expr.unit);
}

static bool check_value(struct mapping *m, const ProtobufCFieldDescriptor *f, const char *text)
{
    struct value_error e;

    return value_canonical(f, text, &m->arena, &e) ? true : mapping_fail(m, "%s: %s", f->name, e.message);
}

static bool constants_line(struct mapping *m, const char *key, const char *value)
{
    struct field *f = mapping_add_field(m, key);

    if (!f)
        return false;
    f->constant = mapping_rest(m, value);
    return f->constant && check_value(m, f->f, f->constant);
}

static bool key_line(struct mapping *m, const char *key, const char *value)
{
    if (strcmp(key, "column"))
        return mapping_fail(m, _("the section [key] has lines \"column = HEADER\" only, not \"%.40s\""), key);
    if (m->n_keys == MAX_KEYS)
        return mapping_fail(m, _("more than %d columns joined"), MAX_KEYS);
    return mapping_take_expr(m, value, &m->keys[m->n_keys++]);
}

/* HEADER = TEXT or HEADER ~ TEXT */
static bool skip_line(struct mapping *m, const char *value)
{
    struct skip *k = &m->skips[m->n_skips];
    const char *p = value;

    if (m->n_skips == MAX_SKIPS)
        return mapping_fail(m, _("more than %d lines that skip rows"), MAX_SKIPS);
    k->term.column = -1;
    k->reason = mapping_copy(m, value, value + strlen(value));
    if (*p == '"') {
        if (!(k->term.header = mapping_quoted(m, &p)))
            return false;
    } else {
        p += strcspn(p, "=~");
        char *header = mapping_copy(m, value, p);
        if (!header)
            return false;
        mapping_take_occurrence(&k->term, header);
        k->term.header = header;
    }
    p = mapping_skip_spaces(p);
    if (*p != '=' && *p != '~')
        return mapping_fail(m, "%s", _("write skip = HEADER ~ TEXT or skip = HEADER = TEXT"));
    k->contains = *p == '~';
    p = mapping_skip_spaces(p + 1);
    k->text = mapping_rest(m, p);
    if (!k->text || !k->reason)
        return false;
    if (k->contains && !*k->text)
        return mapping_fail(m, "%s", _("write skip = HEADER ~ TEXT or skip = HEADER = TEXT"));
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
               : mapping_fail(m, _("unknown separator \"%.20s\": comma, semicolon, tab or bar"), value);
}

/* header = 3, headers = 3-5 */
static bool header_line(struct mapping *m, const char *text)
{
    char *end;
    long first = strtol(text, &end, 10), last = first;

    end += strspn(end, " ");
    if (*end == '-')
        last = strtol(end + 1, &end, 10);
    if (*end || first < 1 || last < first || last > 100 || last - first >= LAYOUT_LEVELS)
        return mapping_fail(m, "%s", _("header is a row from 1 to 100, headers = 3-5 are at most six rows"));
    m->source.header = (int)first;
    m->source.header_last = (int)last;
    return true;
}

static bool kind_line(struct mapping *m, const char *text)
{
    if (m->kind_given && strcmp(m->kind, text))
        return mapping_fail(m, _("the mapping is for the kind %.40s, the file was said to be %s"), text,
                            m->kind);
    return mapping_set_kind(m, text);
}

static bool unit_line(struct mapping *m, const char *like, const char *text, const char **ret)
{
    *ret = text;
    return mapping_check_unit(m, value_field(&qipan__project__descriptor, like), text);
}

static bool source_line(struct mapping *m, const char *key, const char *value)
{
    static const char *const keys[] = {"name",  "encoding", "separator", "header", "headers",
                                       "empty", "unit",     "area_unit", "skip",   "sheet",
                                       "kind",  "rows",     NULL};
    const char *text = mapping_copy(m, value, value + strlen(value));

    if (!text)
        return false;
    if (!strcmp(key, "name"))
        return m->source.name = text, true;
    if (!strcmp(key, "encoding"))
        return m->source.encoding = text, true;
    if (!strcmp(key, "separator"))
        return separator_line(m, text);
    if (!strcmp(key, "sheet"))
        return (m->source.sheet = mapping_rest(m, value)) != NULL;
    if (!strcmp(key, "kind"))
        return kind_line(m, text);
    if (!strcmp(key, "unit"))
        return unit_line(m, "amount_total", text, &m->unit);
    if (!strcmp(key, "area_unit"))
        return unit_line(m, "land_mu", text, &m->area_unit);
    if (!strcmp(key, "skip"))
        return skip_line(m, value);
    if (!strcmp(key, "header") || !strcmp(key, "headers"))
        return header_line(m, text);
    if (!strcmp(key, "rows")) {
        m->source.all_rows = !strcmp(text, "all");
        return m->source.all_rows || !strcmp(text, "data") ? true
                                                           : mapping_fail(m, "%s", _("rows is data or all"));
    }
    if (!strcmp(key, "empty")) {
        m->clear = !strcmp(text, "clear");
        return m->clear || !strcmp(text, "keep") ? true : mapping_fail(m, "%s", _("empty is keep or clear"));
    }
    return mapping_unknown(m, _("setting"), key, value_nearest(key, keys));
}

static bool values_line(struct mapping *m, struct field *f, const char *key, bool key_quoted,
                        const char *value)
{
    struct map_value *v;

    if (f->n_values == MAX_VALUES)
        return mapping_fail(m, _("more than %d values"), MAX_VALUES);
    v = &f->values[f->n_values];
    v->cell = key;
    v->outcome = !strcmp(value, "*") ? KEEP : !strcmp(value, "skip row") ? SKIP_ROW : TAKE;
    v->text = mapping_rest(m, value);
    if (!v->text || (v->outcome == TAKE && *v->text && !check_value(m, f->f, v->text)))
        return false;
    if (key_quoted || strcmp(key, "*")) {
        f->n_values++;
        return true;
    }
    if (f->other)
        return mapping_fail(m, "%s", _("* is there twice"));
    struct map_value *other = arena_alloc(&m->arena, sizeof(*other));
    if (!other)
        return mapping_too_large(m);
    *other = *v;
    f->other = other;
    return true;
}

/* ---------------------------------------------------------------- the file */

enum section { NO_SECTION, SOURCE, COLUMNS, CONSTANTS, KEY, VALUES };

static bool open_values(struct mapping *m, const char *name, struct field **ret)
{
    const ProtobufCFieldDescriptor *f = mapping_desc_field(m, name);

    if (!f)
        return false;
    *ret = mapping_find_field(m, f->name);
    if (!*ret || (*ret)->constant)
        return mapping_fail(m, _("[values %s] without a line %s in [columns] before it"), f->name, f->name);
    if ((*ret)->values)
        return mapping_fail(m, _("[values %s] is there twice"), f->name);
    (*ret)->values = arena_alloc(&m->arena, MAX_VALUES * sizeof(struct map_value));
    return (*ret)->values ? true : mapping_too_large(m);
}

static bool open_section(struct mapping *m, const char *line, enum section *section, struct field **field)
{
    static const char *const names[] = {"source", "columns", "constants", "key", "values FIELD", NULL};
    const char *end = strchr(line, ']');
    char *name;

    if (!end || *mapping_skip_spaces(end + 1))
        return mapping_fail(m, "%s", _("a section is a name in [ ]"));
    if (!(name = mapping_copy(m, mapping_skip_spaces(line + 1), end)))
        return false;
    for (int i = 0; i < 4; i++) {
        if (!strcmp(name, names[i])) {
            *section = (enum section)(i + 1);
            return true;
        }
    }
    if (!mapping_is_word(name, "values"))
        return mapping_unknown(m, _("section"), name, value_nearest(name, names));
    *section = VALUES;
    return open_values(m, mapping_skip_spaces(name + strlen("values")), field);
}

bool mapping_split(struct mapping *m, const char *line, const char **key, bool *key_quoted,
                   const char **value)
{
    const char *p = line;

    *key_quoted = *p == '"' || *p == '\'';
    if (*key_quoted) {
        if (!(*key = mapping_quoted(m, &p)))
            return false;
        p = mapping_skip_spaces(p);
    } else {
        p += strcspn(p, "=");
        if (!(*key = mapping_copy(m, line, p)))
            return false;
    }
    if (*p != '=')
        return mapping_fail(m, "%s", _("a line is NAME = VALUE"));
    *value = mapping_skip_spaces(p + 1);
    return **value ? true : mapping_fail(m, "%s", _("the value is missing; \"\" is the empty one"));
}

/* Where the reading stands. */
struct place {
    enum section section;
    struct field *field; /* of VALUES */
};

static bool take_line(struct mapping *m, const char *line, void *arg)
{
    struct place *at = arg;
    const char *key = "", *value = "";
    bool key_quoted;

    if (*line == '[')
        return open_section(m, line, &at->section, &at->field);
    if (!mapping_split(m, line, &key, &key_quoted, &value))
        return false;
    switch (at->section) {
    case SOURCE:
        return source_line(m, key, value);
    case COLUMNS:
        return columns_line(m, key, value);
    case CONSTANTS:
        return constants_line(m, key, value);
    case KEY:
        return key_line(m, key, value);
    case VALUES:
        return values_line(m, at->field, key, key_quoted, value);
    default:
        return mapping_fail(m, "%s", _("the first line must be a section, for example [columns]"));
    }
}

static bool finish(struct mapping *m)
{
    for (int i = 0; i < m->n_fields; i++) {
        struct field *f = &m->fields[i];
        if (f->n_values)
            qsort(f->values, (size_t)f->n_values, sizeof(*f->values), mapping_by_cell);
        for (int k = 1; k < f->n_values; k++)
            if (!mapping_by_cell(&f->values[k - 1], &f->values[k]))
                return mapping_fail(m, _("[values %s]: \"%.60s\" is there twice"), f->f->name,
                                    f->values[k].cell);
    }
    if (m->n_keys && strcmp(m->kind, "project"))
        return mapping_fail(m, "%s", _("only projects have keys of a register: id finds other rows again"));
    if (m->n_keys && mapping_find_field(m, "external_id"))
        return mapping_fail(m, "%s", _("[key] and a line external_id exclude each other"));
    if (m->n_keys && !m->source.name && !mapping_find_field(m, "source"))
        return mapping_fail(m, "%s", _("a key needs the name of its register: name = … in [source]"));
    return m->n_fields > 0 ? true : mapping_fail(m, "%s", _("the mapping names no column"));
}

bool mapping_lines(struct mapping *m, const char *text, size_t n, mapping_line *take, void *arg)
{
    char *lines;

    if (n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) {
        text += 3;
        n -= 3;
    }
    if (n > MAPPING_MAX_FILE || !(lines = arena_strndup(&m->arena, text, n)))
        return mapping_too_large(m);
    if (strlen(lines) != n || !utf8_valid((const uint8_t *)lines, n))
        return mapping_fail(m, "%s", _("the mapping file is not UTF-8"));
    for (char *line = lines, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        m->line++;
        line += strspn(line, " \t\r");
        for (size_t k = strlen(line); k && strchr(" \t\r", line[k - 1]); k--)
            line[k - 1] = 0;
        if (*line && *line != '#' && *line != ';' && !take(m, line, arg))
            return false;
    }
    m->line = 0;
    return true;
}

struct mapping *mapping_read(const char *text, size_t n, const char *kind, char why[MAPPING_WHY_SIZE])
{
    struct mapping *m = mapping_create(kind, why);
    struct place at = {NO_SECTION, NULL};

    if (!m)
        return NULL;
    m->kind_given = kind != NULL;
    if (mapping_lines(m, text, n, take_line, &at) && finish(m))
        return m;
    mapping_free(m);
    return NULL;
}
