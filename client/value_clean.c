/* SPDX-License-Identifier: Apache-2.0 */
/* Texts before a field takes them: cleaned, folded, looked through for words. */
#include "value_internal.h"

#include "utf8.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX 16384 /* bytes of one value */

bool value_one_of(const char *name, const char *const *words)
{
    for (; *words; words++)
        if (*name == **words && !strcmp(name, *words))
            return true;
    return false;
}

bool value_starts(const char *s, const char *head)
{
    return !strncasecmp(s, head, strlen(head));
}

const char *value_find_any(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strstr(text, *words))
            return *words;
    return NULL;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0xA0 || c == 0x3000 || c == 0x2009 ||
           c == 0x202F;
}

/* Visible ASCII and Chinese characters (U+4000 to U+9FFF) only, as most cells: nothing to be cleaned, refused or folded. */
static bool is_plain(const char *text)
{
    const uint8_t *p = (const uint8_t *)text, *from = p;

    for (; *p; p++)
        if (*p >= 0xe4 && *p <= 0xe9 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80)
            p += 2;
        else if (*p <= ' ' || *p >= 0x7f)
            return false;
    return p - from <= TEXT_MAX;
}

static size_t put(char *out, const void *from, size_t n)
{
    memcpy(out, from, n);
    return n;
}

static bool check_text(const char *text, struct value_error *e)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);

    if ((size_t)(end - p) > TEXT_MAX)
        return value_fail(e, "", _("the text is longer than %d bytes"), TEXT_MAX);
    if (!utf8_valid(p, end - p))
        return value_fail(e, _("save the file in UTF-8, or name its encoding"), "%s",
                          _("the text is not valid UTF-8"));
    while (p < end) {
        uint32_t c = utf8_next(&p, end);
        if (c != '\r' && utf8_forbidden(c))
            return value_fail(e, _("retype the text by hand"),
                              _("the text has a character that may not be stored (U+%04X)"), c);
    }
    return true;
}

/* CRLF becomes a newline, other rare spaces a plain one; both ends are trimmed. */
char *value_clean(const char *text, struct arena *arena, struct value_error *e)
{
    char *same = is_plain(text) ? arena_strdup(arena, text) : NULL;

    if (same)
        return same;
    if (!check_text(text, e))
        return NULL;
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    char *out = arena_alloc(arena, (size_t)(end - p) + 1);
    size_t n = 0, keep = 0;

    if (!out) {
        value_no_memory(e);
        return NULL;
    }
    while (p < end) {
        const uint8_t *from = p;
        uint32_t c = utf8_next(&p, end);
        if (is_space(c)) {
            bool plain = c == '\t' || c == '\n';
            if (n > 0 && !(c == '\r' && p < end && *p == '\n'))
                out[n++] = plain ? (char)c : ' ';
        } else {
            n += put(out + n, from, (size_t)(p - from));
            keep = n;
        }
    }
    out[keep] = 0;
    if (!utf8_clean((const uint8_t *)out, keep)) {
        value_fail(e, _("retype the text by hand"), "%s",
                   _("the text has too many combining marks in a row"));
        return NULL;
    }
    return out;
}

char *value_fold(const char *text, struct arena *arena)
{
    if (is_plain(text))
        return arena_strdup(arena, text);
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    char *out = arena_alloc(arena, (size_t)(end - p) + 1);
    size_t n = 0;

    if (!out || !utf8_valid(p, end - p))
        return NULL;
    while (p < end) {
        const uint8_t *from = p;
        uint32_t c = utf8_next(&p, end);
        if (c >= 0xFF01 && c <= 0xFF5E)
            out[n++] = (char)(c - 0xFEE0);
        else if (c == 0xFFE5)
            n += put(out + n, "¥", strlen("¥"));
        else if (is_space(c))
            out[n++] = ' ';
        else if (!utf8_unseen(c))
            n += put(out + n, from, (size_t)(p - from));
    }
    out[n] = 0;
    return out;
}

/* A day that programs write for none, in whatever shape. */
static bool is_no_day(const char *text)
{
    static const struct value_day days[] = {{1900, 1, 1}, {1900, 1, 0}, {1899, 12, 30}, {1899, 12, 31},
                                            {1904, 1, 1}, {1970, 1, 1}, {9999, 12, 31}, {1, 1, 1}};
    struct value_day day;
    struct value_error e;

    if (!strncmp(text, "0000-00-00", 10))
        return true;
    value_read_day(text, &day, &e); /* an impossible day is told, and refused */
    for (size_t i = 0; i < N(days); i++)
        if (day.y == days[i].y && day.m == days[i].m && day.d == days[i].d)
            return true;
    return false;
}

bool value_is_none(const ProtobufCFieldDescriptor *f, const char *text)
{
    static const char *const marks[] = {"-", "--", "—", "——", "－", "/", "／", "\\", NULL};
    static const char *const words[] = {"无", "暂无", "待定", "未知", "n/a", "null", "none", NULL};
    enum value_kind kind = value_kind(f);

    if (value_one_of(text, marks))
        return true;
    for (const char *const *w = words; kind != VALUE_TEXT && kind != VALUE_BOOL && *w; w++)
        if (!strcasecmp(text, *w))
            return true;
    return kind == VALUE_DATE && is_no_day(text);
}

/* 人民币 and RMB are CNY, 美元 is USD: amounts in a currency of another name would be in no sum. */
static const char *currency_code(const char *text)
{
    static const char *const own[] = {"人民币", "人民币元", "元", "RMB", "¥", NULL};
    const char *word, *code;
    size_t n;

    if (value_one_of(text, own))
        return "CNY";
    code = value_currency(text, &word, &n);
    return code && word == text && !text[n] ? code : text;
}

char *value_clean_code(const char *name, const char *text, struct arena *arena)
{
    static const char *const upper[] = {"code", "credit_code", "currency", "industry", NULL};
    char *s = value_fold(text, arena), *w = s;

    if (!s || !value_one_of(name, upper))
        return s;
    for (const char *r = s; *r; r++)
        if (*r != ' ')
            *w++ = (char)toupper((unsigned char)*r);
    *w = 0;
    return strcmp(name, "currency") ? s : arena_strdup(arena, currency_code(s));
}
