/* SPDX-License-Identifier: Apache-2.0 */
/* Chinese numerals, where they can be read in one way only: 三亿五千万, 叁拾贰, 三点五, 二〇二三年. */
#include "value_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CHARACTER 3 /* bytes of each of them in UTF-8 */
#define SECTION   10000

/* Value of the numeral at p; -1 when there is none. */
static int digit_at(const char *p)
{
    static const char *const digits[] = {"〇零○", "一壹", "二贰两", "三叁", "四肆",
                                         "五伍",  "六陆", "七柒",   "八捌", "九玖"};

    for (int v = 0; v < 10 && (unsigned char)*p >= 0x80; v++)
        for (const char *d = digits[v]; *d; d += CHARACTER)
            if (!strncmp(p, d, CHARACTER))
                return v;
    return -1;
}

static uint64_t unit_at(const char *p)
{
    static const struct {
        const char *names;
        uint64_t value;
    } units[] = {{"十拾", 10}, {"百佰", 100}, {"千仟", 1000}, {"万萬", SECTION}, {"亿億", 100000000}};

    for (size_t i = 0; i < N(units); i++)
        for (const char *u = units[i].names; *u; u += CHARACTER)
            if (!strncmp(p, u, CHARACTER))
                return units[i].value;
    return 0;
}

struct reading {
    uint64_t sum, section;
    uint64_t large, small; /* units taken last: none at or above them may follow */
    int digit;             /* waiting for its unit, -1 = none */
    bool zero;             /* stood before it */
    bool vague;            /* 三亿五千: of what? */
};

/* A digit at an end belongs to the ones. Behind 百 without 零 it may as well mean tens: 一百二. */
static bool take_ones(struct reading *r)
{
    bool behind = r->small < SECTION ? r->small > 10 : r->sum > 0;

    if (r->digit > 0 && behind && !r->zero)
        return false;
    r->section += r->digit > 0 ? (uint64_t)r->digit : 0;
    r->digit = -1;
    return true;
}

static bool take_small_unit(struct reading *r, uint64_t unit)
{
    if (r->digit < 0 && unit == 10 && r->small == SECTION && !r->sum)
        r->digit = 1; /* 十二 */
    if (r->digit <= 0 || unit >= r->small)
        return false;
    r->vague |= r->large == 100000000 && !r->zero;
    r->section += (uint64_t)r->digit * unit;
    r->small = unit;
    r->digit = -1;
    r->zero = false;
    return true;
}

static bool take_large_unit(struct reading *r, uint64_t unit)
{
    if (!take_ones(r) || !r->section || unit >= r->large)
        return false;
    r->sum += r->section * unit;
    *r = (struct reading){.sum = r->sum, .large = unit, .small = SECTION, .digit = -1};
    return true;
}

static bool take_digit(struct reading *r, int digit)
{
    if (r->digit >= 0 && !(r->digit == 0 && digit))
        return false;
    r->zero = r->digit == 0;
    r->digit = digit;
    return true;
}

/* Moves *p behind the numerals, whatever they mean. *ret_large: 万 or 亿 is one of them. */
static bool read_whole(const char **p, uint64_t *ret, bool *ret_large)
{
    struct reading r = {.large = UINT64_MAX, .small = SECTION, .digit = -1};
    bool clear = true;

    for (;; *p += CHARACTER) {
        int digit = digit_at(*p);
        uint64_t unit = digit < 0 ? unit_at(*p) : 0;
        if (digit < 0 && !unit)
            break;
        clear = clear && (digit >= 0       ? take_digit(&r, digit)
                          : unit < SECTION ? take_small_unit(&r, unit)
                                           : take_large_unit(&r, unit));
    }
    clear = clear && take_ones(&r) && !r.vague;
    *ret = r.sum + r.section;
    *ret_large = r.large != UINT64_MAX;
    return clear;
}

static size_t digits_in_a_row(const char *p)
{
    size_t n = 0;

    while (digit_at(p + n * CHARACTER) >= 0)
        n++;
    return n;
}

static char *put_digits(char *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *out++ = (char)('0' + digit_at(p + i * CHARACTER));
    return out;
}

static char *put_as_is(char *out, const char *from, const char *to)
{
    memcpy(out, from, (size_t)(to - from));
    return out + (to - from);
}

/* 两3亿, 二十5万: numerals and figures side by side are no number. */
static bool goes_on(const char *p)
{
    return (*p >= '0' && *p <= '9') || *p == '.';
}

/* The numerals at *p as figures; as they are when they could mean several things. */
static char *put_number(char *out, const char **p, bool yuan)
{
    const char *from = *p;
    size_t row = digits_in_a_row(from);
    bool large;
    uint64_t v;

    if (row == 4 && value_starts(from + row * CHARACTER, "年")) {
        *p += row * CHARACTER;
        return put_digits(out, from, row);
    }
    if (!read_whole(p, &v, &large) || goes_on(*p))
        return put_as_is(out, from, *p);
    if (value_starts(*p, "点") && (row = digits_in_a_row(*p + CHARACTER))) {
        const char *fraction = *p + CHARACTER;
        *p = fraction + row * CHARACTER;
        if (goes_on(*p))
            return put_as_is(out, from, *p);
        out += sprintf(out, "%" PRIu64 ".", v);
        return put_digits(out, fraction, row);
    }
    out += sprintf(out, "%" PRIu64, v);
    if (yuan && large && !value_starts(*p, "元") && !value_starts(*p, "圆"))
        out += sprintf(out, "元");
    return out;
}

char *value_figures(const char *text, bool yuan, struct arena *arena)
{
    /* the longest figures: of 九亿, ten and a unit for six bytes */
    char *whole = arena_alloc(arena, strlen(text) * 4 + 1), *out = whole;
    bool may = true; /* no number has begun: what follows 5 in 5十万 is its unit */

    if (!whole)
        return NULL;
    for (const char *p = text; *p;) {
        if (may && (digit_at(p) >= 0 || unit_at(p) == 10)) {
            out = put_number(out, &p, yuan);
            may = false;
        } else {
            may = !(*p >= '0' && *p <= '9') && *p != '.';
            *out++ = *p++;
        }
    }
    *out = 0;
    return whole;
}
