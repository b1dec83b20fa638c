/* SPDX-License-Identifier: Apache-2.0 */
#include "decimal.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int count_digits(const char *s)
{
    int n = 0;

    while (n <= DECIMAL_MAX_DIGITS && is_digit(s[n]))
        n++;
    return n;
}

static bool take_digits(struct decimal *d, const char *s, int n, int *used)
{
    for (int i = 0; i < n; i++) {
        if (*used > 0 || s[i] != '0')
            ++*used;
        if (*used > DECIMAL_MAX_DIGITS)
            return false;
        d->digits = d->digits * 10 + (s[i] - '0');
    }
    return true;
}

enum decimal_result decimal_read(const char **s, struct decimal *ret)
{
    const char *p = *s;
    int used = 0, n = count_digits(p);
    bool grouped = false;
    char mark = 0;

    *ret = (struct decimal){0};
    if (n == 0)
        return DECIMAL_NONE;
    if (n > DECIMAL_MAX_DIGITS || !take_digits(ret, p, n, &used))
        return DECIMAL_LONG;
    const char *first = p;
    int first_n = n;
    for (p += n; (*p == ',' || *p == ' ') && is_digit(p[1]); p += 4) {
        if (count_digits(p + 1) != 3 || first_n > 3 || first[0] == '0' || (mark && *p != mark))
            return DECIMAL_GROUPING;
        mark = *p;
        grouped = true;
        if (!take_digits(ret, p + 1, 3, &used))
            return DECIMAL_LONG;
    }
    if (*p == ',' && grouped)
        return DECIMAL_GROUPING;
    if (*p == '.' && is_digit(p[1])) {
        n = count_digits(p + 1);
        if (n > DECIMAL_MAX_DIGITS || !take_digits(ret, p + 1, n, &used))
            return DECIMAL_LONG;
        ret->scale = n;
        p += 1 + n;
    }
    while (ret->scale > 0 && ret->digits % 10 == 0) {
        ret->digits /= 10;
        ret->scale--;
    }
    *s = p;
    return DECIMAL_OK;
}

bool decimal_to_int(struct decimal d, int power, int64_t *ret, bool *ret_fits)
{
    __int128 v = d.digits;

    *ret_fits = true;
    for (power -= d.scale; power < 0; power++) {
        if (v % 10)
            return false;
        v /= 10;
    }
    for (; power > 0 && v <= INT64_MAX; power--)
        v *= 10;
    *ret_fits = v <= INT64_MAX;
    *ret = *ret_fits ? (int64_t)v : 0;
    return *ret_fits;
}

bool decimal_to_text(struct decimal d, int64_t num, int64_t den, int max_scale, char *buf, size_t n)
{
    __int128 v = d.digits, limit = 1;
    int scale = d.scale;

    for (int i = 0; i < DECIMAL_MAX_DIGITS; i++)
        limit *= 10;
    if (num > 1000000 || v > limit / 10000000)
        return false;
    v *= num;
    while (v % den) {
        if (scale > max_scale || v > limit)
            return false;
        v *= 10;
        scale++;
    }
    v /= den;
    for (; scale > 0 && v % 10 == 0; scale--)
        v /= 10;
    if (scale > max_scale)
        return false;
    __int128 one = 1;
    for (int i = 0; i < scale; i++)
        one *= 10;
    if (v / one > INT64_C(1000000000000000))
        return false;
    int w = snprintf(buf, n, "%lld", (long long)(v / one));
    if (scale > 0 && w > 0 && (size_t)w < n)
        w += snprintf(buf + w, n - w, ".%0*lld", scale, (long long)(v % one));
    return w > 0 && (size_t)w < n;
}
