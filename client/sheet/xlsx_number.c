/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_number.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PRECISION 15 /* digits of a number in a spreadsheet */
#define MAX_WHOLE 64 /* digits of a whole number that is written out */
#define MAX_POWER 310

/* 0.d1d2d3… × 10^point */
struct decimal_digits {
    char digit[MAX_WHOLE + 1]; /* characters 0-9; the first isn't 0 */
    int n;
    int point;
    bool negative, whole;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_exponent(const char **p, struct decimal_digits *d)
{
    char *end;

    if (**p != 'e' && **p != 'E')
        return true;
    const char *sign = *p + 1, *digits = sign + (*sign == '+' || *sign == '-');
    if (!is_digit(*digits))
        return false;
    long power = strtol(sign, &end, 10);
    *p = end;
    if (power > 100000 || power < -100000)
        return false;
    d->point += (int)power;
    d->whole = false;
    return true;
}

static bool parse(const char *p, struct decimal_digits *d)
{
    bool any = false, fraction = false, more = true;

    *d = (struct decimal_digits){.whole = true};
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
        p++;
    d->negative = *p == '-';
    p += *p == '-' || *p == '+';
    for (; is_digit(*p) || (*p == '.' && !fraction); p++) {
        if (*p == '.') {
            fraction = true;
            d->whole = false;
            continue;
        }
        any = true;
        if (d->n == 0 && *p == '0') { /* no digit that counts */
            d->point -= fraction;
            continue;
        }
        more = d->n < MAX_WHOLE;
        if (more)
            d->digit[d->n++] = *p;
        d->point += !fraction;
        d->whole &= more;
    }
    if (!any || !take_exponent(&p, d))
        return false;
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
        p++;
    return *p == 0;
}

static void round_digits(struct decimal_digits *d)
{
    if (d->n > PRECISION && !d->whole) {
        bool up = d->digit[PRECISION] >= '5';
        d->n = PRECISION;
        while (up && d->n && ++d->digit[d->n - 1] > '9')
            d->n--;
        if (up && d->n == 0) { /* 999… became 1000… */
            d->digit[d->n++] = '1';
            d->point++;
        }
    }
    while (d->n && d->digit[d->n - 1] == '0')
        d->n--;
}

bool xlsx_number(const char *text, char out[XLSX_NUMBER_SIZE])
{
    struct decimal_digits d;
    char *w = out;

    if (!parse(text, &d))
        return false;
    round_digits(&d);
    if (d.n == 0) {
        strcpy(out, "0");
        return true;
    }
    if (d.point > MAX_POWER || d.point < -MAX_POWER)
        return false;
    if (d.negative)
        *w++ = '-';
    if (d.point <= 0)
        *w++ = '0';
    for (int i = d.point < 0 ? d.point : 0; i < d.n || i < d.point; i++) {
        if (i == (d.point < 0 ? d.point : 0) && d.point <= 0)
            *w++ = '.';
        else if (i == d.point)
            *w++ = '.';
        *w++ = i >= 0 && i < d.n ? d.digit[i] : '0';
    }
    *w = 0;
    return true;
}

/* ---------------------------------------------------------------- dates */

#define DAY_SECONDS  86400
#define LAST_DAY     2958465 /* 9999-12-31 */
#define LEAP_DAY     60      /* 1900-02-29, which never was */
#define UNIX_DAY     25569   /* 1970-01-01, of days behind the leap day */
#define DAYS_TO_1904 1462

/* Days and seconds of a plain decimal that isn't negative. */
static bool split(const char *number, long *ret_day, long *ret_seconds)
{
    char *dot;
    uint64_t part = 0, whole = 1;

    if (*number == '-')
        return false;
    *ret_day = strtol(number, &dot, 10);
    if (*ret_day > LAST_DAY)
        return false;
    for (int i = 1; *dot && dot[i] && i <= 12; i++) {
        part = part * 10 + (uint64_t)(dot[i] - '0');
        whole *= 10;
    }
    *ret_seconds = (long)((part * DAY_SECONDS + whole / 2) / whole);
    if (*ret_seconds == DAY_SECONDS) {
        *ret_seconds = 0;
        ++*ret_day;
    }
    return true;
}

static void write_day(char *out, long day, unsigned shown, bool has_time)
{
    time_t t = (time_t)(day - UNIX_DAY + (day < LEAP_DAY)) * DAY_SECONDS;
    struct tm tm;

    if (day == 0 || day == LEAP_DAY) {
        strcpy(out, day ? "1900-02-29" : "1900-01-00");
        return;
    }
    gmtime_r(&t, &tm);
    bool only_year = shown == XLSX_YEAR && tm.tm_mon == 0, only_month = shown == (XLSX_YEAR | XLSX_MONTH);
    const char *format = has_time || tm.tm_mday != 1 ? "%Y-%m-%d"
                         : only_year                 ? "%Y"
                         : only_month                ? "%Y-%m"
                                                     : "%Y-%m-%d";
    strftime(out, 16, format, &tm);
}

bool xlsx_date(const char *number, unsigned shown, bool since_1904, char out[32])
{
    long day, seconds;

    if (!split(number, &day, &seconds))
        return false;
    bool only_time = day == 0 && (shown == XLSX_TIME || (!since_1904 && seconds > 0));
    if (since_1904)
        day += DAYS_TO_1904;
    if (day > LAST_DAY)
        return false;
    out[0] = 0;
    if (!only_time)
        write_day(out, day, shown, seconds > 0);
    if (only_time || seconds > 0)
        snprintf(out + strlen(out), 16, "%s%02ld:%02ld:%02ld", only_time ? "" : " ", seconds / 3600 % 24,
                 seconds / 60 % 60, seconds % 60);
    return true;
}

/* Digits where the pattern has 0, the character itself elsewhere. */
static bool fits(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++)
        if (*pattern == '0' ? !is_digit(*text) : *text != *pattern)
            return false;
    return true;
}

bool xlsx_date_iso(const char *text, char out[32])
{
    const char *time = text;

    out[0] = 0;
    if (fits(text, "0000-00-00")) {
        snprintf(out, 32, "%.10s", text);
        time = text + 10 + (text[10] == 'T');
        if (!text[10])
            return true;
    }
    if (!fits(time, "00:00:00"))
        return false;
    const char *end = time + 8;
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    end += *end == 'Z';
    if (!out[0] || strncmp(time, "00:00:00", 8))
        snprintf(out + strlen(out), 16, "%s%.8s", out[0] ? " " : "", time);
    return *end == 0;
}
