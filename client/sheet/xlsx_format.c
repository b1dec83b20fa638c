/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_format.h"

#include "xlsx_number.h"

#include <stdbool.h>
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
