/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts of money, areas and whole numbers out of text. */
#include "value_internal.h"

#include "decimal.h"

#include <string.h>

#define AREA_DECIMALS 6

struct unit {
    const char *text;
    int power;
};

/* Longer ones first: the first that fits is taken. */
static const struct unit money_units[] = {
    {"万亿", 12}, {"千万", 7}, {"百万", 6}, {"十万", 5}, {"亿", 8},      {"億", 8},      {"万", 4},
    {"萬", 4},    {"千", 3},   {"元", 0},   {"圆", 0},   {"billion", 9}, {"million", 6}, {"thousand", 3},
};

static const struct area_unit {
    const char *text;
    int64_t num, den; /* × num / den = mu */
} area_units[] = {
    {"平方公里", 1500, 1}, {"平方千米", 1500, 1}, {"平方米", 3, 2000}, {"公顷", 15, 1},
    {"万亩", 10000, 1},    {"亩", 1, 1},          {"㎡", 3, 2000},     {"m²", 3, 2000},
    {"m2", 3, 2000},       {"ha", 15, 1},         {"mu", 1, 1},
};

static const char *skip_spaces(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

const char *value_currency(const char *text, const char **ret_word, size_t *ret_n)
{
    static const struct {
        const char *word, *code;
    } words[] = {
        /* the first that occurs: those that hold another one before it */
        {"美元", "USD"},   {"美金", "USD"}, {"港元", "HKD"}, {"港币", "HKD"},   {"欧元", "EUR"},
        {"日元", "JPY"},   {"英镑", "GBP"}, {"韩元", "KRW"}, {"新台币", "TWD"}, {"台币", "TWD"},
        {"澳门元", "MOP"}, {"US$", "USD"},  {"HK$", "HKD"},  {"NT$", "TWD"},    {"MOP$", "MOP"},
        {"A$", "AUD"},     {"C$", "CAD"},   {"S$", "SGD"},   {"$", "USD"},      {"€", "EUR"},
        {"£", "GBP"},      {"₩", "KRW"},    {"USD", "USD"},  {"EUR", "EUR"},    {"HKD", "HKD"},
        {"JPY", "JPY"},    {"GBP", "GBP"},  {"KRW", "KRW"},  {"TWD", "TWD"},
    };
    const char *at;

    for (size_t i = 0; i < N(words); i++) {
        if (!(at = strstr(text, words[i].word)))
            continue;
        if (ret_word)
            *ret_word = at;
        if (ret_n)
            *ret_n = strlen(words[i].word);
        return words[i].code;
    }
    return NULL;
}

/* As it stands there, or with a clock behind it. */
static bool is_day(const char *text)
{
    struct value_day day;
    struct value_error e;

    return value_read_day(text, &day, &e) && day.m > 0;
}

/* 1E-06, 1.2E+08: a minus in it makes no range. */
static bool has_exponent(const char *text)
{
    const char *e = strpbrk(text, "eE");

    return e && e > text && strchr("0123456789.", e[-1]) && e[1] && strchr("+-0123456789", e[1]);
}

/* What is wrong with a text that is no plain number. */
static bool bad_number(struct value_error *e, const char *text)
{
    static const char *const vague[] = {"约",     "近",   "余",   "多",   "左右",  "以上", "以下", "超",
                                        "不低于", "上下", "大概", "预计", "about", "ca.",  NULL};
    static const char *const range[] = {"-", "~", "至", "到", "–", "—", "～", NULL};
    struct value_brief s = value_brief(text);
    const char *w;

    if (strpbrk(text, "0123456789") && (w = value_find_any(text, vague)))
        return value_fail(e, _("write one exact figure"), _("\"%s\" is not exact (%s)"), s.text, w);
    if (text[0] == '-' || text[0] == '(')
        return value_fail(e, "", _("\"%s\" is negative"), s.text);
    if (is_day(text))
        return value_fail(e, _("write the figure, and give the cell a number format instead of a date's"),
                          _("\"%s\" is a date"), s.text);
    if (has_exponent(text))
        return value_fail(e, _("format the column as text or number before saving the sheet"),
                          _("\"%s\" is written with an exponent"), s.text);
    if ((w = value_find_any(text, range)))
        return value_fail(e, _("write one exact figure"), _("\"%s\" is a range (%s)"), s.text, w);
    if ((w = value_currency(text, NULL, NULL)))
        return value_fail(e, _("write the amount without it, and the field currency beside it"),
                          _("\"%s\" names a currency (%s)"), s.text, w);
    return value_fail(e, _("for example 3.5亿元, 1200万 or 12,000,000"), _("\"%s\" is not a number"), s.text);
}

static bool read_decimal(const char **p, const char *whole, struct decimal *d, struct value_error *e)
{
    switch (decimal_read(p, d)) {
    case DECIMAL_OK:
        return true;
    case DECIMAL_GROUPING:
        return value_fail(e, _("commas belong between thousands only"), _("\"%s\" can be read in two ways"),
                          value_brief(whole).text);
    case DECIMAL_LONG:
        return value_fail(e, "", _("\"%s\" has too many digits"), value_brief(whole).text);
    default:
        return bad_number(e, whole);
    }
}

/* Moves *p behind a unit of money; false when there is none. */
static bool take_money_unit(const char **p, int *power)
{
    for (size_t i = 0; i < N(money_units); i++) {
        if (!value_starts(*p, money_units[i].text))
            continue;
        *power = money_units[i].power;
        *p += strlen(money_units[i].text);
        if (*power > 0 && (value_starts(*p, "元") || value_starts(*p, "圆")))
            *p += strlen("元");
        return true;
    }
    return false;
}

static const char *skip_money_prefix(const char *p)
{
    static const char *const heads[] = {"人民币", "RMB", "CNY", "¥", NULL};

    for (const char *const *h = heads; *h; h++)
        if (value_starts(p, *h))
            p = skip_spaces(p + strlen(*h));
    return p;
}

static const char *skip_money_suffix(const char *p)
{
    static const char *const tails[] = {"整", "人民币", "RMB", "CNY", NULL};

    p = skip_spaces(p);
    for (const char *const *t = tails; *t; t++)
        if (value_starts(p, *t))
            p = skip_spaces(p + strlen(*t));
    return p;
}

static bool two_ways(struct value_error *e, const char *whole)
{
    return value_fail(e, _("write one number with one unit"), _("\"%s\" can be read in two ways"),
                      value_brief(whole).text);
}

/* Is it less than one of the unit before? 3亿5000万 is one number, 3万5000万 is none. */
static bool is_below(int64_t fen, int power)
{
    for (power += 2; power > 0; power--)
        fen /= 10;
    return fen == 0;
}

#define FIRST_PART 99 /* as the unit before */

/* Adds number and unit at *p to *fen. A part without a unit is in `base`, and then the only one. */
static bool money_part(const char **p, const char *whole, int base, int *last, int64_t *fen,
                       struct value_error *e)
{
    struct decimal d;
    int64_t part;
    int power, before = *last;
    bool fits, bare, first = before == FIRST_PART;

    if (!read_decimal(p, whole, &d, e))
        return false;
    *p = skip_spaces(*p);
    bare = !take_money_unit(p, &power);
    power = bare ? base : power;
    if (bare && !first)
        return two_ways(e, whole);
    if (power >= before)
        return bad_number(e, whole);
    if (before == 8 && power == 3) /* 3亿5千: people mean 3.5亿 */
        return two_ways(e, whole);
    *last = bare ? 0 : power;
    if (decimal_to_int(d, power + 2, &part, &fits) && !__builtin_add_overflow(*fen, part, fen))
        return first || is_below(part, before) ? true : two_ways(e, whole);
    return fits ? value_fail(e, _("a formula's figure is rounded by ROUND; or write the figure itself"),
                             _("\"%s\" has more than two decimals of a yuan"), value_brief(whole).text)
                : value_fail(e, "", _("\"%s\" is too large"), value_brief(whole).text);
}

static bool unit_power(const char *unit, int *power, struct value_error *e)
{
    const char *p = unit;

    *power = 0;
    if (!unit || (take_money_unit(&p, power) && !*p))
        return true;
    if (value_currency(unit, NULL, NULL))
        return value_fail(e,
                          _("a mapping file says the unit (unit = 万元) and the currency (currency = USD)"),
                          _("the amounts are in another currency (%s)"), value_brief(unit).text);
    return value_fail(e, _("known units: 元 千元 万元 百万元 千万元 亿元 thousand million billion"),
                      _("unknown unit of money \"%s\""), value_brief(unit).text);
}

bool value_money_unit(const char *unit, int *ret_power)
{
    struct value_error e;

    return unit && unit_power(unit, ret_power, &e);
}

bool value_read_money(const char *text, const char *unit, int64_t *ret, struct value_error *e)
{
    const char *p = skip_money_prefix(text);
    int base, last = FIRST_PART;

    *ret = 0;
    if (!unit_power(unit, &base, e) || !money_part(&p, text, base, &last, ret, e))
        return false;
    while (p = skip_spaces(p), *p >= '0' && *p <= '9')
        if (!money_part(&p, text, base, &last, ret, e))
            return false;
    return *skip_money_suffix(p) ? bad_number(e, text) : true;
}

static const struct area_unit *find_area_unit(const char **p)
{
    for (size_t i = 0; i < N(area_units); i++) {
        if (value_starts(*p, area_units[i].text)) {
            *p += strlen(area_units[i].text);
            return &area_units[i];
        }
    }
    return NULL;
}

bool value_area_unit(const char *unit)
{
    return find_area_unit(&unit) && !*unit;
}

char *value_read_area(const char *text, const char *unit, struct arena *arena, struct value_error *e)
{
    const char *p = unit ? unit : "亩", *q = text;
    const struct area_unit *base = find_area_unit(&p), *own;
    struct decimal d;
    char buf[64], *s;

    if (!base || *p) {
        value_fail(e, _("known units: 亩 公顷 平方米 平方公里"), _("unknown unit of area \"%s\""),
                   value_brief(unit).text);
        return NULL;
    }
    if (!read_decimal(&q, text, &d, e))
        return NULL;
    q = skip_spaces(q);
    own = *q ? find_area_unit(&q) : base;
    if (!own || *q) {
        bad_number(e, text);
        return NULL;
    }
    if (!decimal_to_text(d, own->num, own->den, AREA_DECIMALS, buf, sizeof(buf))) {
        value_fail(e, _("a formula's figure is rounded by ROUND; or write the figure itself"),
                   _("\"%s\" is too large or has more than %d decimals of a mu"), value_brief(text).text,
                   AREA_DECIMALS);
        return NULL;
    }
    if (!(s = arena_strdup(arena, buf)))
        value_no_memory(e);
    return s;
}

bool value_read_int(const char *text, int64_t max, int64_t *ret, struct value_error *e)
{
    const char *p = text;
    struct decimal d;
    bool fits;

    if (!read_decimal(&p, text, &d, e))
        return false;
    if (!strcmp(p, "人") || !strcmp(p, "名") || !strcmp(p, "个"))
        p = "";
    if (*p)
        return bad_number(e, text);
    if (!decimal_to_int(d, 0, ret, &fits) && fits)
        return value_fail(e, "", _("\"%s\" is not a whole number"), value_brief(text).text);
    return fits && *ret <= max ? true : value_fail(e, "", _("\"%s\" is too large"), value_brief(text).text);
}
