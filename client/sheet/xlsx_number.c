/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_number.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static char *write_digits(char *w, long value, int digits)
{
    for (int i = digits; i-- > 0; value /= 10)
        w[i] = (char)('0' + value % 10);
    w[digits] = 0;
    return w + digits;
}

/* Year, month and day of a number of days; the year is counted from March, so that a leap day is its last. */
static void calendar(long day, long *ret_year, long *ret_month, long *ret_day)
{
    enum { CENTURIES = 146097, CENTURY = 36524, FOUR_YEARS = 1461, YEAR = 365 };
    long n = day + 693900 - (day > LEAP_DAY); /* days since 0000-03-01 */
    long centuries = n / CENTURIES * 4, year;

    n %= CENTURIES;
    long c = n / CENTURY < 3 ? n / CENTURY : 3;
    n -= c * CENTURY;
    long four = n / FOUR_YEARS;
    n -= four * FOUR_YEARS;
    long y = n / YEAR < 3 ? n / YEAR : 3;
    n -= y * YEAR;
    year = (centuries + c) * 100 + four * 4 + y;
    long month = (5 * n + 2) / 153; /* March is 0 */
    *ret_day = n - (153 * month + 2) / 5 + 1;
    *ret_month = month < 10 ? month + 3 : month - 9;
    *ret_year = year + (month >= 10);
}

static char *write_day(char *w, long day, unsigned shown, bool has_time)
{
    long year = 1900, month = 1, date = 0; /* 1900-01-00 */

    if (day == LEAP_DAY) {
        month = 2;
        date = 29;
    } else if (day > 0) {
        calendar(day, &year, &month, &date);
    }
    bool first = date == 1 && !has_time;
    w = write_digits(w, year, 4);
    if (first && month == 1 && shown == XLSX_YEAR)
        return w;
    *w++ = '-';
    w = write_digits(w, month, 2);
    if (first && shown == (XLSX_YEAR | XLSX_MONTH))
        return w;
    *w++ = '-';
    return write_digits(w, date, 2);
}

static void write_time(char *w, long seconds)
{
    w = write_digits(w, seconds / 3600, 2);
    *w++ = ':';
    w = write_digits(w, seconds / 60 % 60, 2);
    *w++ = ':';
    write_digits(w, seconds % 60, 2);
}

bool xlsx_date(const char *number, unsigned shown, bool since_1904, char out[32])
{
    long day, seconds;
    char *w = out;

    if (!split(number, &day, &seconds))
        return false;
    bool only_time = day == 0 && (shown == XLSX_TIME || (!since_1904 && seconds > 0));
    if (since_1904)
        day += DAYS_TO_1904;
    if (day > LAST_DAY)
        return false;
    if (!only_time)
        w = write_day(w, day, shown, seconds > 0);
    if (!only_time && seconds > 0)
        *w++ = ' ';
    if (only_time || seconds > 0)
        write_time(w, seconds);
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
