/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_format.h"

#include "utf8.h"
#include "value.h"
#include "xlsx_number.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct scan {
    unsigned shows;
    bool digits; /* a placeholder of a number */
    bool month;  /* an m that is a month unless an s follows */
    bool hour;   /* the letter before was an h: the next m are minutes */
    bool seconds, span;
};

static size_t behind_quote(const char *p, char quote)
{
    const char *end = strchr(p + 1, quote);

    return end ? (size_t)(end - p) + 1 : strlen(p);
}

/* [Red], [>=100], [$-804] mean nothing here; [h] is a span of time. */
static size_t take_bracket(struct scan *s, const char *p)
{
    size_t n = behind_quote(p, ']'), letters = strspn(p + 1, "hHmMsS");

    s->span |= n > 2 && letters == n - 2;
    return n;
}

static void settle_month(struct scan *s)
{
    if (s->month)
        s->shows |= XLSX_MONTH;
    s->month = false;
}

static void take_letter(struct scan *s, char letter, size_t n)
{
    bool after_hour = s->hour;

    if (letter == 's') {
        if (s->month) /* mm:ss */
            s->shows |= XLSX_TIME;
        s->month = false;
    }
    settle_month(s);
    s->hour = letter == 'h';
    switch (letter) {
    case 'y':
    case 'e':
    case 'b':
        s->shows |= XLSX_YEAR;
        break;
    case 'm':
        if (after_hour && n < 3)
            s->shows |= XLSX_TIME;
        else
            s->month = true;
        break;
    case 'd':
    case 'a': /* aaaa: the weekday */
        s->shows |= XLSX_DAY;
        break;
    case 's':
        s->seconds = true; /* fall through */
    case 'h':
        s->shows |= XLSX_TIME;
        break;
    default: /* g: the era, beside a year */
        break;
    }
}

/* Bytes at p that are one token. */
static size_t take(struct scan *s, const char *p)
{
    char letter = (char)(*p | 0x20);
    size_t n = 1;

    if (*p == '"')
        return behind_quote(p, '"');
    if (*p == '[')
        return take_bracket(s, p);
    if (strchr("\\_*", *p))
        return p[1] ? 2 : 1;
    if (!strncasecmp(p, "general", 7))
        return 7;
    if (!strncasecmp(p, "g/", 2)) /* G/通用格式 */
        return 2;
    if (!strncasecmp(p, "am/pm", 5) || !strncasecmp(p, "a/p", 3)) {
        s->shows |= XLSX_TIME;
        return p[1] == '/' ? 3 : 5;
    }
    if (strchr("0#?", *p)) {
        s->digits = true;
        return 1;
    }
    if (letter == 'e' && (p[1] == '+' || p[1] == '-'))
        return 2;
    if (letter < 'a' || !strchr("yebmdahsg", letter))
        return 1;
    while ((p[n] | 0x20) == letter)
        n++;
    take_letter(s, letter, n);
    return n;
}

unsigned xlsx_format_shows(const char *code)
{
    struct scan s = {0};

    for (const char *p = code; *p && *p != ';'; p += take(&s, p))
        ;
    settle_month(&s);
    return s.span || (s.digits && !s.seconds) ? 0 : s.shows;
}

unsigned xlsx_format_built_in(unsigned id)
{
    enum {
        DATE = XLSX_YEAR | XLSX_MONTH | XLSX_DAY,
        MONTH = XLSX_YEAR | XLSX_MONTH,
        PART = XLSX_MONTH | XLSX_DAY
    };
    static const unsigned char shows[] = {
        [14] = DATE,      [15] = DATE,      [16] = PART,
        [17] = MONTH,     [18] = XLSX_TIME, [19] = XLSX_TIME,
        [20] = XLSX_TIME, [21] = XLSX_TIME, [22] = DATE | XLSX_TIME,
        [27] = MONTH,     [28] = PART,      [29] = PART,
        [30] = DATE,      [31] = DATE,      [32] = XLSX_TIME,
        [33] = XLSX_TIME, [34] = XLSX_TIME, [35] = XLSX_TIME,
        [36] = MONTH,     [45] = XLSX_TIME, [47] = XLSX_TIME,
        [50] = MONTH,     [51] = PART,      [52] = MONTH,
        [53] = PART,      [54] = PART,      [55] = XLSX_TIME,
        [56] = XLSX_TIME, [57] = MONTH,     [58] = PART,
    };

    return id < sizeof(shows) ? shows[id] : 0;
}

/* ---------------------------------------------------------------- numbers */

#define MAX_SHOWN 64

/* The first section of a format, read for what it makes of a number. */
struct shown {
    char before[MAX_SHOWN], behind[MAX_SHOWN]; /* texts around the digits */
    bool digits, point;
    int zeros;        /* places that show a digit in any case; -1 = some don't */
    int commas;       /* since the last digit: each divides by a thousand */
    int behind_point; /* digits behind a point that is only a text: 0\.0,"万" shows 12345 as 1.2万 */
    bool text_point, percent;
    bool yen; /* [$¥-411] */
};

static void add_text(struct shown *s, const char *text, size_t n)
{
    char *to = s->digits ? s->behind : s->before;
    size_t used = strlen(to);

    s->text_point |= n == 1 && *text == '.' && s->digits && !s->point;
    if (used + n < MAX_SHOWN)
        snprintf(to + used, MAX_SHOWN - used, "%.*s", (int)n, text);
}

/* [$€-407]: what stands before the dash. Colours and conditions are no texts. */
static size_t take_currency(struct shown *s, const char *p)
{
    size_t n = behind_quote(p, ']'), text = strcspn(p + 2, "-]");

    if (p[1] != '$')
        return n;
    s->yen |= !strncmp(p + 2, "¥-411", strlen("¥-411"));
    add_text(s, p + 2, text < n ? text : 0);
    return n;
}

static void take_digit(struct shown *s, bool zero)
{
    s->zeros = zero && s->zeros >= 0 && s->zeros < 99 ? s->zeros + 1 : -1;
    s->digits = true;
    s->commas = 0;
    s->behind_point += s->text_point;
    s->behind[0] = 0;
}

static size_t character(const char *p)
{
    const uint8_t *at = (const uint8_t *)p;

    utf8_next(&at, at + strlen(p));
    return (size_t)((const char *)at - p);
}

static size_t take_shown(struct shown *s, const char *p)
{
    size_t n = character(p);

    switch (*p) {
    case '"':
        n = behind_quote(p, '"');
        add_text(s, p + 1, n - 1 - (n > 1 && p[n - 1] == '"'));
        return n;
    case '[':
        return take_currency(s, p);
    case '\\':
    case '!': /* in Chinese programs */
        n = p[1] ? character(p + 1) : 0;
        add_text(s, p + 1, n);
        return n + 1;
    case '_':
    case '*':
        return p[1] ? 1 + character(p + 1) : 1;
    case '0':
    case '#':
    case '?':
        take_digit(s, *p == '0');
        break;
    case '.':
        s->point = true;
        break;
    case ',':
        s->commas += s->digits;
        break;
    case '%':
        s->percent = true;
        break;
    default:
        if (!strncasecmp(p, "general", 7)) {
            take_digit(s, false);
            return 7;
        }
        add_text(s, p, n);
    }
    return n;
}

/* Blanks, and signs and brackets that stand around negative numbers, say nothing. */
static char *trimmed(char *text)
{
    static const char nothing[] = " ()+-/:";
    size_t n;

    text += strspn(text, nothing);
    for (n = strlen(text); n && strchr(nothing, text[n - 1]); n--)
        text[n - 1] = 0;
    return text;
}

/* Cuts the currency out of the text. */
static void find_currency(char *text, bool yen, struct grid_format *f)
{
    static const char *const own[] = {"人民币", "RMB", "CNY", "¥", "￥"};
    const char *word, *code;
    size_t n;

    code = value_currency(text, &word, &n);
    for (size_t i = 0; !code && i < sizeof(own) / sizeof(own[0]); i++) {
        if ((word = strstr(text, own[i])))
            code = yen ? "JPY" : "CNY";
        n = strlen(own[i]);
    }
    if (!code)
        return;
    strcpy(f->currency, code);
    memmove(text + (word - text), word + n, strlen(word + n) + 1);
}

bool xlsx_format_number(const char *code, struct grid_format *f)
{
    struct shown s = {.digits = false};
    char *unit;

    *f = (struct grid_format){.scale = 0};
    for (const char *p = code; *p && *p != ';'; p += take_shown(&s, p))
        ;
    if (!s.digits)
        return false;
    find_currency(s.before, s.yen, f);
    find_currency(s.behind, s.yen, f);
    unit = trimmed(s.behind);
    snprintf(f->unit, sizeof(f->unit), "%s", strlen(unit) < sizeof(f->unit) ? unit : "");
    f->percent = s.percent;
    f->scale = (signed char)(s.commas < 9 ? 3 * s.commas + (s.behind_point < 9 ? s.behind_point : 9) : 36);
    if (s.zeros > 1 && !s.point && !f->currency[0] && !f->unit[0] && !f->scale && !f->percent)
        f->zeros = (unsigned char)s.zeros;
    return f->currency[0] || f->unit[0] || f->scale || f->percent || f->zeros;
}

const struct grid_format *xlsx_format_number_built_in(unsigned id)
{
    static const struct grid_format percent = {.percent = true};

    return id == 9 || id == 10 ? &percent : NULL; /* 5 to 8 show the currency of who looks at them */
}
