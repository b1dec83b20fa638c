/* SPDX-License-Identifier: Apache-2.0 */
/* Text into the fields of a message, and canonical text out of them. */
#include "value_internal.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void *member(const ProtobufCMessage *m, unsigned offset)
{
    return (char *)(uintptr_t)m + offset;
}

static void set_has(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->type != PROTOBUF_C_TYPE_STRING)
        *(protobuf_c_boolean *)member(m, f->quantifier_offset) = 1;
}

static bool read_bool(const char *text, int *ret, struct value_error *e)
{
    static const char *const words[][2] = {{"true", "false"}, {"yes", "no"}, {"y", "n"},   {"1", "0"},
                                           {"是", "否"},      {"有", "无"},  {"对", "错"}, {"√", "×"},
                                           {"✓", "✗"},        {"✔", "✘"},    {"☑", "☐"}};

    for (size_t i = 0; i < N(words); i++) {
        for (*ret = 1; *ret >= 0; --*ret)
            if (!strcasecmp(text, words[i][!*ret]))
                return true;
    }
    return value_fail(e, _("write 是 or 否"), _("\"%s\" is neither true nor false"), value_brief(text).text);
}

static int64_t int_max(const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_INT32    ? INT32_MAX
           : f->type == PROTOBUF_C_TYPE_UINT32 ? UINT32_MAX
                                               : INT64_MAX;
}

static bool set_number(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const char *text,
                       const char *unit, struct value_error *e)
{
    int64_t v = 0;
    bool ok;

    switch (value_kind(f)) {
    case VALUE_MONEY:
        ok = value_read_money(text, unit, &v, e);
        break;
    case VALUE_INSTANT:
        ok = value_read_instant(text, &v, e);
        break;
    default:
        ok = value_read_int(text, int_max(f), &v, e);
    }
    if (!ok)
        return false;
    if (f->type == PROTOBUF_C_TYPE_INT64)
        *(int64_t *)member(m, f->offset) = v;
    else
        *(uint32_t *)member(m, f->offset) = (uint32_t)v;
    set_has(m, f);
    return true;
}

static char *figures(const char *clean, bool yuan, struct arena *arena)
{
    char *s = value_fold(clean, arena);

    return s ? value_figures(s, yuan, arena) : NULL;
}

static char *read_string(const ProtobufCFieldDescriptor *f, char *clean, const char *unit,
                         struct arena *arena, struct value_error *e)
{
    struct value_day day;
    char *s = clean;

    switch (value_kind(f)) {
    case VALUE_DATE:
        if (!(s = figures(clean, false, arena)))
            break;
        if (!value_read_day(s, &day, e))
            return NULL;
        s = value_day_text(day, arena);
        break;
    case VALUE_AREA:
        s = figures(clean, false, arena);
        return s ? value_read_area(s, unit, arena, e) : NULL;
    case VALUE_CODE:
        s = value_clean_code(f->name, clean, arena);
        break;
    default:
        break;
    }
    if (!s)
        value_no_memory(e);
    return s;
}

/* Only the summary has lines, and a list may be written as some. */
static void one_line(const ProtobufCFieldDescriptor *f, char *text)
{
    if (strcmp(f->name, "summary") && value_kind(f) != VALUE_LIST)
        for (; (text = strpbrk(text, "\n\t")); text++)
            *text = ' ';
}

bool value_set(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const char *text, const char *unit,
               struct arena *arena, struct value_error *e)
{
    char *clean = value_clean(text, arena, e), *s;
    int b;

    if (!clean)
        return false;
    if (!*clean)
        return value_fail(e, "", "%s", _("the value is empty"));
    one_line(f, clean);
    switch (value_kind(f)) {
    case VALUE_MONEY:
    case VALUE_INT:
    case VALUE_INSTANT:
        s = figures(clean, value_kind(f) == VALUE_MONEY, arena);
        return s ? set_number(m, f, s, unit, e) : value_no_memory(e);
    case VALUE_BOOL:
        if (!(s = value_fold(clean, arena)))
            return value_no_memory(e);
        if (!read_bool(s, &b, e))
            return false;
        *(protobuf_c_boolean *)member(m, f->offset) = b;
        set_has(m, f);
        return true;
    case VALUE_LIST:
        return value_read_list(clean, arena, member(m, f->offset), member(m, f->quantifier_offset), e);
    case VALUE_OTHER:
        return value_fail(e, "", _("%s can't be written as text"), f->name);
    default:
        s = read_string(f, clean, unit, arena, e);
        *(char **)member(m, f->offset) = s;
        return s != NULL;
    }
}

bool value_has(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *(size_t *)member(m, f->quantifier_offset) > 0;
    if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE) {
        void *p = *(void **)member(m, f->offset);
        return p && p != f->default_value;
    }
    return f->label == PROTOBUF_C_LABEL_REQUIRED || *(protobuf_c_boolean *)member(m, f->quantifier_offset);
}

static int64_t number_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    void *p = member(m, f->offset);

    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
        return *(int64_t *)p;
    case PROTOBUF_C_TYPE_UINT32:
        return *(uint32_t *)p;
    default:
        return *(int32_t *)p;
    }
}

/* By hand: an export has millions of these. */
static char *number_text(int64_t number, int decimals, struct arena *arena)
{
    uint64_t v = value_magnitude(number);
    char buf[32], *w = buf + sizeof(buf);

    *--w = '\0';
    for (int i = 0; v || i <= decimals; i++, v /= 10) {
        if (decimals && i == decimals)
            *--w = '.';
        *--w = (char)('0' + v % 10);
    }
    if (number < 0)
        *--w = '-';
    return arena_strdup(arena, w);
}

char *value_text(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct arena *arena)
{
    if (!value_has(m, f))
        return NULL;
    switch (value_kind(f)) {
    case VALUE_MONEY:
        return number_text(number_of(m, f), 2, arena);
    case VALUE_INSTANT:
        return value_instant_text(number_of(m, f), arena);
    case VALUE_INT:
        return number_text(number_of(m, f), 0, arena);
    case VALUE_BOOL:
        return arena_strdup(arena, *(protobuf_c_boolean *)member(m, f->offset) ? "true" : "false");
    case VALUE_LIST:
        return value_join(*(char ***)member(m, f->offset), *(size_t *)member(m, f->quantifier_offset), ",",
                          arena);
    case VALUE_OTHER:
        return NULL;
    default:
        return arena_strdup(arena, *(char **)member(m, f->offset));
    }
}

char *value_canonical(const ProtobufCFieldDescriptor *f, const char *text, struct arena *arena,
                      struct value_error *e)
{
    struct {
        ProtobufCMessage base;
        union {
            int64_t number;
            char *string;
        } value;
        size_t quantifier; /* a size_t or a boolean: both are read where they were written */
    } box = {0};
    ProtobufCFieldDescriptor lone = *f;

    lone.offset = (unsigned)offsetof(__typeof__(box), value);
    lone.quantifier_offset = (unsigned)offsetof(__typeof__(box), quantifier);
    if (!value_set(&box.base, &lone, text, NULL, arena, e))
        return NULL;
    char *s = value_text(&box.base, &lone, arena);
    if (!s)
        value_no_memory(e);
    return s;
}
