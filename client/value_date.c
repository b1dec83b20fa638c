/* SPDX-License-Identifier: Apache-2.0 */
/* Days and instants out of text, and back. */
#include "value_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIGURES        "0123456789"
#define DAY_SIZE       80
#define LOCAL_OFFSET_S (8 * 3600) /* a date alone is a day of China */

static int month_days(int y, int m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 29 : days[m - 1];
}

/* Bytes of what dates are made of: figures, and marks between them. */
static size_t date_bytes(const char *p)
{
    static const char *const marks[] = {"年", "月", "日", "号", ".", "/", " "};
    size_t n = 0, before;

    do {
        before = n;
        n += strspn(p + n, FIGURES);
        for (size_t i = 0; i < N(marks); i++)
            if (!strncmp(p + n, marks[i], strlen(marks[i])))
                n += strlen(marks[i]);
    } while (n > before);
    return n;
}

/* 2024.2.18-2.20, 2024年3月~5月, 2001-07-16~2004-03-15: a day or month, a mark, something like it. */
static bool is_period(const char *text)
{
    static const char *const marks[] = {"~", "～", "—", "–", "至", "到", "-"};
    size_t n = date_bytes(text);

    if (n == strspn(text, FIGURES)) /* 2001-07-16: a dash is its own mark */
        n = strspn(text, FIGURES "-");
    for (size_t i = 0; i < N(marks); i++) {
        const char *rest = text + n + strlen(marks[i]);
        if (n > 4 && !strncmp(text + n, marks[i], strlen(marks[i])) && *rest)
            return !rest[date_bytes(rest)] || !rest[strspn(rest, FIGURES "-")];
    }
    return false;
}

static bool bad_date(struct value_error *e, const char *text)
{
    if (is_period(text))
        return value_fail(e,
                          _("write one day; a mapping file reads the two of a period (before 至, after 至)"),
                          _("\"%s\" is a period"), value_brief(text).text);
    return value_fail(e, _("for example 2023-01-05, 2023年1月5日, 2023-01 or 2023"),
                      _("\"%s\" is not a date"), value_brief(text).text);
}

/* At most `max` digits as a number; 0 when there is none. */
static int take_number(const char **p, int max, int *ret_len)
{
    int v = 0, n = 0;

    while (n < max && (*p)[n] >= '0' && (*p)[n] <= '9')
        v = v * 10 + ((*p)[n++] - '0');
    *p += n;
    *ret_len = n;
    return v;
}

/* A clock behind the date, as spreadsheets write it, says nothing of the day. In UTC it does, but for midnight. */
static bool is_clock(const char *p)
{
    int h, m, s, n = 0;

    p += *p == ' ' || *p == 'T';
    if (sscanf(p, "%2d:%2d%n", &h, &m, &n) != 2)
        return false;
    p += n;
    if (sscanf(p, ":%2d%n", &s, &n) == 1)
        p += n;
    else
        s = 0;
    if (*p == '.')
        p += 1 + strspn(p + 1, "0");
    return h >= 0 && h < 24 && m >= 0 && m < 60 && s >= 0 && s < 60 &&
           (!*p || (!strcmp(p, "Z") && !h && !m && !s));
}

static bool check_ymd(const char *text, struct value_day v, struct value_error *e)
{
    if (v.y < 1800 || v.y > 2199)
        return value_fail(e, "", _("\"%s\": the year must be from 1800 to 2199"), value_brief(text).text);
    if (v.m > 12 || v.d > (v.m ? month_days(v.y, v.m) : 0))
        return value_fail(e, "", _("\"%s\": there is no such day"), value_brief(text).text);
    return true;
}

static bool digits_only(const char *text, size_t n, struct value_day *v, struct value_error *e)
{
    if (n == 4 || n == 8) {
        int all = atoi(text);
        *v = n == 4 ? (struct value_day){all, 0, 0}
                    : (struct value_day){all / 10000, all / 100 % 100, all % 100};
        return n == 4 || (v->m && v->d) ? check_ymd(text, *v, e) : bad_date(e, text);
    }
    if (n == 5)
        return value_fail(e, _("format the column as a date before saving the sheet"),
                          _("\"%s\" looks like the serial number of a day in a spreadsheet"),
                          value_brief(text).text);
    return bad_date(e, text);
}

/* What follows the year: month and perhaps day, each with its own mark. */
static bool month_and_day(const char *text, const char *p, struct value_day *v, struct value_error *e)
{
    bool chinese = value_starts(p, "年");
    char mark = *p;
    int n;

    p += chinese ? strlen("年") : 1;
    if (chinese && !*p)
        return true;
    v->m = take_number(&p, 2, &n);
    if (!v->m)
        return bad_date(e, text);
    bool more = chinese ? value_starts(p, "月") : *p == mark;
    if (!more && *p)
        return bad_date(e, text);
    if (!more && !chinese && mark == '.' && n == 1 && v->m == 1) /* there is no month 20 */
        return value_fail(e, _("write the month with two digits: 01 or 10"),
                          _("\"%s\" may be month %d or %d: a cell kept as a number loses its last zero"),
                          value_brief(text).text, 1, 10);
    if (!more)
        return chinese ? bad_date(e, text) : true;
    p += chinese ? strlen("月") : 1;
    if (chinese && !*p)
        return true;
    v->d = take_number(&p, 2, &n);
    if (value_starts(p, "日") || value_starts(p, "号"))
        p += strlen("日");
    if (*p && !is_clock(p))
        *v = (struct value_day){0}; /* it only begins like a day */
    return v->d ? true : bad_date(e, text);
}

/* 2023 年 1 月 5 日, 2023. 1. 5: blanks that part no figures. False when the text is too long for a date. */
static bool without_spaces(const char *text, char out[DAY_SIZE])
{
    size_t n = 0;

    for (const char *p = text; *p; p++) {
        if (*p == ' ' && !(n && strchr(FIGURES, out[n - 1]) && p[1] && strchr(FIGURES, p[1])))
            continue;
        if (n + 1 >= DAY_SIZE)
            return false;
        out[n++] = *p;
    }
    out[n] = 0;
    return true;
}

bool value_read_day(const char *text, struct value_day *v, struct value_error *e)
{
    static const char *const vague[] = {"约", "底", "初",   "旬", "季",   "半年", "左右",
                                        "前", "后", "年内", "Q",  "待定", NULL};
    char close[DAY_SIZE];
    const char *p = close, *w;
    int len;

    *v = (struct value_day){0};
    if (!without_spaces(text, close))
        return bad_date(e, text);
    size_t n = strspn(close, FIGURES);
    if (!close[n])
        return digits_only(close, n, v, e);
    if (strpbrk(close, FIGURES) && (w = value_find_any(text, vague))) /* 已签约 is no day at all */
        return value_fail(e, _("write year, year and month, or the day"), _("\"%s\" is not exact (%s)"),
                          value_brief(text).text, w);
    if (n < 3 && value_starts(close + n, "月"))
        return value_fail(e, _("write the year, too: 2023年1月5日"), _("\"%s\" has no year"),
                          value_brief(text).text);
    v->y = take_number(&p, 4, &len);
    if (len != 4 || n != 4 || !(value_starts(p, "年") || strchr("-/.", *p)))
        return bad_date(e, text);
    return month_and_day(text, p, v, e) && check_ymd(text, *v, e);
}

char *value_day_text(struct value_day v, struct arena *arena)
{
    char buf[48];

    if (v.d)
        snprintf(buf, sizeof(buf), "%04d-%02d-%02d", v.y, v.m, v.d);
    else if (v.m)
        snprintf(buf, sizeof(buf), "%04d-%02d", v.y, v.m);
    else
        snprintf(buf, sizeof(buf), "%04d", v.y);
    return arena_strdup(arena, buf);
}

/* ---------------------------------------------------------------- instants */

/* Days since 1970-01-01 of the proleptic Gregorian calendar. */
static int64_t days_of(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400, doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool bad_instant(struct value_error *e, const char *text)
{
    return value_fail(e, _("for example 2026-01-31, 2026-01-31 08:30 or 2026-01-31T08:30:00+08:00"),
                      _("\"%s\" is not a point in time"), value_brief(text).text);
}

static bool take_clock(const char **p, int *h, int *min, int *s)
{
    int n = 0;

    *s = 0;
    if (sscanf(*p, "%2d:%2d%n", h, min, &n) != 2 || n != 5)
        return false;
    *p += n;
    if (**p == ':') {
        if (sscanf(*p, ":%2d%n", s, &n) != 1 || n != 3)
            return false;
        *p += n;
    }
    return *h >= 0 && *h < 24 && *min >= 0 && *min < 60 && *s >= 0 && *s < 60;
}

/* None: *offset_s stays. */
static bool take_zone(const char **p, int *offset_s)
{
    int h, m, s;
    char sign = **p;

    if (!sign)
        return true;
    *offset_s = 0;
    if (sign == 'Z' || sign == 'z') {
        ++*p;
        return true;
    }
    if (sign != '+' && sign != '-')
        return false;
    ++*p;
    if (!take_clock(p, &h, &m, &s) || s)
        return false;
    *offset_s = (h * 3600 + m * 60) * (sign == '-' ? -1 : 1);
    return true;
}

static int take_micros(const char **p)
{
    int us = 0, scale = 100000;

    if (**p != '.')
        return 0;
    for (++*p; **p >= '0' && **p <= '9'; ++*p, scale /= 10)
        us += (**p - '0') * scale;
    return us;
}

bool value_read_instant(const char *text, int64_t *ret, struct value_error *e)
{
    int y, mo, d, h = 0, mi = 0, s = 0, n = 0, us = 0, offset = LOCAL_OFFSET_S;
    const char *p = text;

    if (strspn(text, FIGURES) != 4 || sscanf(text, "%4d-%2d-%2d%n", &y, &mo, &d, &n) != 3 || n != 10)
        return bad_instant(e, text);
    if (mo < 1 || d < 1 || !check_ymd(text, (struct value_day){y, mo, d}, e))
        return mo < 1 || d < 1 ? bad_instant(e, text) : false;
    p += n;
    if (*p) {
        if ((*p != 'T' && *p != 't' && *p != ' ') || (p++, !take_clock(&p, &h, &mi, &s)))
            return bad_instant(e, text);
        us = take_micros(&p);
        if (!take_zone(&p, &offset) || *p)
            return bad_instant(e, text);
    }
    *ret = ((days_of(y, mo, d) * 86400 + h * 3600 + mi * 60 + s) - offset) * 1000000 + us;
    return true;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The mark, and v in so many figures; where it ends. */
static char *put_figures(char *to, const char *mark, int figures, int v)
{
    for (; *mark; mark++)
        *to++ = *mark;
    for (int i = figures; i-- > 0; v /= 10)
        to[i] = (char)('0' + v % 10);
    return to + figures;
}

char *value_instant_text(int64_t us, struct arena *arena)
{
    time_t t = (time_t)floor_div(us, 1000000);
    int frac = (int)(us - (int64_t)t * 1000000);
    struct tm tm;
    char buf[64], *w;

    if (!gmtime_r(&t, &tm) || tm.tm_year > 8099 || tm.tm_year < -1900)
        return arena_strdup(arena, "?");
    w = put_figures(buf, "", 4, tm.tm_year + 1900);
    w = put_figures(w, "-", 2, tm.tm_mon + 1);
    w = put_figures(w, "-", 2, tm.tm_mday);
    w = put_figures(w, "T", 2, tm.tm_hour);
    w = put_figures(w, ":", 2, tm.tm_min);
    w = put_figures(w, ":", 2, tm.tm_sec);
    if (frac)
        w = put_figures(w, ".", 6, frac);
    return arena_strndup(arena, buf, (size_t)(put_figures(w, "Z", 0, 0) - buf));
}

char *value_instant_people(int64_t us, struct arena *arena)
{
    time_t t = (time_t)floor_div(us, 1000000);
    struct tm tm;
    char buf[64];

    if (!localtime_r(&t, &tm) || !strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M", &tm))
        return arena_strdup(arena, "?");
    return arena_strdup(arena, buf);
}
