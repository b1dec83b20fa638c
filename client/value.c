/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"

#include "decimal.h"
#include "utf8.h"

#include <ctype.h>
#include <libintl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define _(text) dgettext("qipan", text)

#define TEXT_MAX       16384 /* bytes of one value */
#define LIST_MAX       64    /* values of one list */
#define AREA_DECIMALS  6
#define LOCAL_OFFSET_S (8 * 3600) /* a date alone is a day of China */

__attribute__((format(printf, 3, 4))) static bool fail(struct value_error *e, const char *hint,
                                                       const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
    snprintf(e->hint, sizeof(e->hint), "%s", hint);
    return false;
}

/* The value as it appears in a sentence: short, whole characters. */
struct shown {
    char text[100];
};

static struct shown shown(const char *text)
{
    struct shown s;
    size_t n = strlen(text);

    if (n >= sizeof(s.text)) {
        for (n = sizeof(s.text) - 4; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80;)
            n--;
        snprintf(s.text, sizeof(s.text), "%.*s…", (int)n, text);
    } else {
        memcpy(s.text, text, n + 1);
    }
    return s;
}

static bool no_memory(struct value_error *e)
{
    return fail(e, "", "%s", _("the values need too much memory"));
}

/* ---------------------------------------------------------------- fields */

static const struct {
    const char *name, *zh, *en;
} labels[] = {
#define FIELD(name, zh, en) {#name, zh, en},
#define OTHER(name, zh)
#include "fields.def"
#undef FIELD
#undef OTHER
};

static const struct {
    const char *name, *other;
} others[] = {
#define FIELD(name, zh, en)
#define OTHER(name, zh) {#name, zh},
#include "fields.def"
#undef FIELD
#undef OTHER
};

#define N(array) (sizeof(array) / sizeof((array)[0]))

static bool one_of(const char *name, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(name, *words))
            return true;
    return false;
}

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);

    return n > m && !strcmp(s + n - m, tail);
}

enum value_kind value_kind(const ProtobufCFieldDescriptor *f)
{
    static const char *const codes[] = {
        "id",          "no",   "code",   "credit_code", "currency", "industry", "stage",         "office",
        "host_office", "park", "region", "class",       "kind",     "project",  "contact_phone", NULL};

    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return f->type == PROTOBUF_C_TYPE_STRING ? VALUE_LIST : VALUE_OTHER;
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
        return !strncmp(f->name, "amount_", 7) ? VALUE_MONEY
               : ends_with(f->name, "_at")     ? VALUE_INSTANT
                                               : VALUE_INT;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        return VALUE_INT;
    case PROTOBUF_C_TYPE_BOOL:
        return VALUE_BOOL;
    case PROTOBUF_C_TYPE_STRING:
        if (ends_with(f->name, "_on"))
            return VALUE_DATE;
        if (ends_with(f->name, "_mu"))
            return VALUE_AREA;
        return one_of(f->name, codes) ? VALUE_CODE : VALUE_TEXT;
    default:
        return VALUE_OTHER;
    }
}

bool value_writable(const ProtobufCFieldDescriptor *f)
{
    static const char *const fixed[] = {"id", "no", "version", "registered_at", "changed_at", NULL};

    return !one_of(f->name, fixed);
}

const char *value_label(const char *field, const char *lang)
{
    for (size_t i = 0; i < N(labels); i++)
        if (!strcmp(labels[i].name, field))
            return lang && !strncmp(lang, "en", 2) ? labels[i].en : labels[i].zh;
    return field;
}

const ProtobufCFieldDescriptor *value_field(const ProtobufCMessageDescriptor *desc, const char *name)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(desc, name);

    for (size_t i = 0; !f && i < N(labels); i++)
        if (!strcmp(labels[i].zh, name) || !strcasecmp(labels[i].en, name))
            f = protobuf_c_message_descriptor_get_field_by_name(desc, labels[i].name);
    for (size_t i = 0; !f && i < N(others); i++)
        if (!strcmp(others[i].other, name))
            f = protobuf_c_message_descriptor_get_field_by_name(desc, others[i].name);
    return f;
}

/* ---------------------------------------------------------------- nearest word */

#define WORD_MAX 48

static size_t code_points(const char *text, uint32_t *out)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    size_t n = 0;

    if (!utf8_valid(p, end - p))
        return 0;
    while (p < end && n < WORD_MAX)
        out[n++] = utf8_next(&p, end);
    return n;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;

    return m < c ? m : c;
}

/* Edits (a swap of neighbours is one) that lead from one word to the other. */
static unsigned distance(const char *left, const char *right)
{
    uint32_t a[WORD_MAX], b[WORD_MAX];
    size_t n = code_points(left, a), m = code_points(right, b);
    unsigned d[WORD_MAX + 1][WORD_MAX + 1];

    for (size_t i = 0; i <= n; i++)
        d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            d[i][j] = least(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1, d[i][j]);
        }
    }
    return d[n][m];
}

/* How far a word may be to count as meant: a third of it, or when one begins the other. */
static unsigned score(const char *written, const char *word)
{
    uint32_t a[WORD_MAX];
    size_t n = code_points(written, a), w = strlen(written);
    unsigned d = distance(written, word);

    if (n == 0)
        return 1000;
    if (w > 2 && strlen(word) > w && !strncmp(written, word, w))
        return 1;
    return d <= (n + 2) / 3 ? d : 1000;
}

const char *value_nearest(const char *written, const char *const *words)
{
    const char *best = NULL;
    unsigned best_score = 1000;

    for (; *words; words++) {
        unsigned s = score(written, *words);
        if (s < best_score) {
            best_score = s;
            best = *words;
        }
    }
    return best;
}

const char *value_nearest_field(const ProtobufCMessageDescriptor *desc, const char *written, bool writable)
{
    const char *best = NULL;
    unsigned best_score = 1000;

    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &desc->fields[i];
        unsigned s = score(written, f->name), t = score(written, value_label(f->name, "zh"));
        if (writable && !value_writable(f))
            continue;
        s = s < t ? s : t;
        if (s < best_score) {
            best_score = s;
            best = f->name;
        }
    }
    return best;
}

/* ---------------------------------------------------------------- text */

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0xA0 || c == 0x3000 || c == 0x2009 ||
           c == 0x202F;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static bool check_text(const char *text, struct value_error *e)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);

    if ((size_t)(end - p) > TEXT_MAX)
        return fail(e, "", _("the text is longer than %d bytes"), TEXT_MAX);
    if (!utf8_valid(p, end - p))
        return fail(e, _("save the file in UTF-8, or name its encoding"), "%s",
                    _("the text is not valid UTF-8"));
    while (p < end) {
        uint32_t c = utf8_next(&p, end);
        if (c != '\r' && utf8_forbidden(c))
            return fail(e, _("retype the text by hand"),
                        _("the text has a character that may not be stored (U+%04X)"), c);
    }
    return true;
}

/* CRLF becomes a newline, other rare spaces a plain one; both ends are trimmed. */
char *value_clean(const char *text, struct arena *arena, struct value_error *e)
{
    if (!check_text(text, e))
        return NULL;
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    char *out = arena_alloc(arena, (size_t)(end - p) + 1);
    size_t n = 0, keep = 0;

    if (!out) {
        no_memory(e);
        return NULL;
    }
    while (p < end) {
        uint32_t c = utf8_next(&p, end);
        if (is_space(c)) {
            bool plain = c == '\t' || c == '\n';
            if (n > 0 && !(c == '\r' && p < end && *p == '\n'))
                out[n++] = plain ? (char)c : ' ';
        } else {
            n += put_utf8(out + n, c);
            keep = n;
        }
    }
    out[keep] = 0;
    if (!utf8_clean((const uint8_t *)out, keep)) {
        fail(e, _("retype the text by hand"), "%s", _("the text has too many combining marks in a row"));
        return NULL;
    }
    return out;
}

char *value_fold(const char *text, struct arena *arena)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    char *out = arena_alloc(arena, (size_t)(end - p) + 1);
    size_t n = 0;

    if (!out || !utf8_valid(p, end - p))
        return NULL;
    while (p < end) {
        uint32_t c = utf8_next(&p, end);
        if (c >= 0xFF01 && c <= 0xFF5E)
            c -= 0xFEE0;
        else if (c == 0xFFE5)
            c = 0xA5;
        else if (is_space(c))
            c = ' ';
        n += put_utf8(out + n, c);
    }
    out[n] = 0;
    return out;
}

static char *clean_code(const char *name, char *text, struct arena *arena)
{
    static const char *const upper[] = {"code", "credit_code", "currency", "industry", NULL};
    char *s = value_fold(text, arena), *w = s;

    if (!s || !one_of(name, upper))
        return s;
    for (const char *r = s; *r; r++)
        if (*r != ' ')
            *w++ = (char)toupper((unsigned char)*r);
    *w = 0;
    return s;
}

/* ---------------------------------------------------------------- money, areas, whole numbers */

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

static bool starts(const char *s, const char *head)
{
    return !strncasecmp(s, head, strlen(head));
}

static const char *skip_spaces(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

static const char *find_any(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strstr(text, *words))
            return *words;
    return NULL;
}

/* What is wrong with a text that is no plain number; `what` is the noun. */
static bool bad_number(struct value_error *e, const char *text)
{
    static const char *const vague[] = {"约",     "近",   "余",   "多",   "左右",  "以上", "以下", "超",
                                        "不低于", "上下", "大概", "预计", "about", "ca.",  NULL};
    static const char *const range[] = {"-", "~", "至", "到", "–", "—", "～", NULL};
    static const char *const money[] = {"美元", "美金", "港元",   "港币", "欧元", "日元",
                                        "英镑", "韩元", "新台币", "台币", "$",    "€",
                                        "£",    "USD",  "EUR",    "HKD",  "JPY",  NULL};
    struct shown s = shown(text);
    const char *w;

    if ((w = find_any(text, vague)))
        return fail(e, _("write one exact figure"), _("\"%s\" is not exact (%s)"), s.text, w);
    if (text[0] == '-' || text[0] == '(')
        return fail(e, "", _("\"%s\" is negative"), s.text);
    if ((w = find_any(text, range)))
        return fail(e, _("write one exact figure"), _("\"%s\" is a range (%s)"), s.text, w);
    if ((w = find_any(text, money)))
        return fail(e, _("write the amount without it, and the field currency beside it"),
                    _("\"%s\" names a currency (%s)"), s.text, w);
    if (strpbrk(text, "eE") && strpbrk(text, "+0123456789"))
        return fail(e, _("format the column as text or number before saving the sheet"),
                    _("\"%s\" is written with an exponent"), s.text);
    return fail(e, _("for example 3.5亿元, 1200万 or 12,000,000"), _("\"%s\" is not a number"), s.text);
}

static bool read_decimal(const char **p, const char *whole, struct decimal *d, struct value_error *e)
{
    switch (decimal_read(p, d)) {
    case DECIMAL_OK:
        return true;
    case DECIMAL_GROUPING:
        return fail(e, _("commas belong between thousands only"), _("\"%s\" can be read in two ways"),
                    shown(whole).text);
    case DECIMAL_LONG:
        return fail(e, "", _("\"%s\" has too many digits"), shown(whole).text);
    default:
        return bad_number(e, whole);
    }
}

/* Moves *p behind a unit of money; false when there is none. */
static bool take_money_unit(const char **p, int *power)
{
    for (size_t i = 0; i < N(money_units); i++) {
        if (!starts(*p, money_units[i].text))
            continue;
        *power = money_units[i].power;
        *p += strlen(money_units[i].text);
        if (*power > 0 && (starts(*p, "元") || starts(*p, "圆")))
            *p += strlen("元");
        return true;
    }
    return false;
}

static const char *skip_money_prefix(const char *p)
{
    static const char *const heads[] = {"人民币", "RMB", "CNY", "¥", NULL};

    for (const char *const *h = heads; *h; h++)
        if (starts(p, *h))
            p = skip_spaces(p + strlen(*h));
    return p;
}

static const char *skip_money_suffix(const char *p)
{
    static const char *const tails[] = {"整", "人民币", "RMB", "CNY", NULL};

    p = skip_spaces(p);
    for (const char *const *t = tails; *t; t++)
        if (starts(p, *t))
            p = skip_spaces(p + strlen(*t));
    return p;
}

/* Adds number and unit at *p to *fen. A part without a unit is in `base`, and then the only one. */
static bool money_part(const char **p, const char *whole, int base, int *last, int64_t *fen,
                       struct value_error *e)
{
    struct decimal d;
    int64_t part;
    int power;
    bool fits;

    if (!read_decimal(p, whole, &d, e))
        return false;
    *p = skip_spaces(*p);
    if (!take_money_unit(p, &power)) {
        if (*last < 99)
            return fail(e, _("write one number with one unit"), _("\"%s\" can be read in two ways"),
                        shown(whole).text);
        power = base;
    }
    if (power >= *last)
        return bad_number(e, whole);
    *last = power;
    if (decimal_to_int(d, power + 2, &part, &fits) && !__builtin_add_overflow(*fen, part, fen))
        return true;
    return fits ? fail(e, "", _("\"%s\" has more than two decimals of a yuan"), shown(whole).text)
                : fail(e, "", _("\"%s\" is too large"), shown(whole).text);
}

static bool unit_power(const char *unit, int *power, struct value_error *e)
{
    const char *p = unit;

    *power = 0;
    if (!unit || (take_money_unit(&p, power) && !*p))
        return true;
    return fail(e, _("known units: 元 千元 万元 百万元 千万元 亿元 thousand million billion"),
                _("unknown unit of money \"%s\""), shown(unit).text);
}

static bool read_money(const char *text, const char *unit, int64_t *ret, struct value_error *e)
{
    const char *p = skip_money_prefix(text);
    int base, last = 99;

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
        if (starts(*p, area_units[i].text)) {
            *p += strlen(area_units[i].text);
            return &area_units[i];
        }
    }
    return NULL;
}

static char *read_area(const char *text, const char *unit, struct arena *arena, struct value_error *e)
{
    const char *p = unit ? unit : "亩", *q = text;
    const struct area_unit *base = find_area_unit(&p), *own;
    struct decimal d;
    char buf[64], *s;

    if (!base || *p) {
        fail(e, _("known units: 亩 公顷 平方米 平方公里"), _("unknown unit of area \"%s\""),
             shown(unit).text);
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
        fail(e, "", _("\"%s\" is too large or has more than %d decimals of a mu"), shown(text).text,
             AREA_DECIMALS);
        return NULL;
    }
    if (!(s = arena_strdup(arena, buf)))
        no_memory(e);
    return s;
}

static bool read_int(const char *text, int64_t max, int64_t *ret, struct value_error *e)
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
        return fail(e, "", _("\"%s\" is not a whole number"), shown(text).text);
    return fits && *ret <= max ? true : fail(e, "", _("\"%s\" is too large"), shown(text).text);
}

/* ---------------------------------------------------------------- dates */

struct ymd {
    int y, m, d; /* m, d 0 = not known */
};

static int month_days(int y, int m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 29 : days[m - 1];
}

static bool bad_date(struct value_error *e, const char *text)
{
    return fail(e, _("for example 2023-01-05, 2023年1月5日, 2023-01 or 2023"), _("\"%s\" is not a date"),
                shown(text).text);
}

/* One or two digits (`max` more) as a number; 0 when there is none. */
static int take_number(const char **p, int max, int *ret_len)
{
    int v = 0, n = 0;

    while (n < max && (*p)[n] >= '0' && (*p)[n] <= '9')
        v = v * 10 + ((*p)[n++] - '0');
    *p += n;
    *ret_len = n;
    return v;
}

/* A midnight behind the date, as spreadsheets write it, says nothing. */
static bool is_midnight(const char *p)
{
    int n = 0;

    if (*p != ' ' && *p != 'T')
        return false;
    for (p++; *p && strchr("0:.", *p); p++)
        n++;
    return n >= 4 && (!*p || !strcmp(p, "Z"));
}

static bool check_ymd(const char *text, struct ymd v, struct value_error *e)
{
    if (v.y < 1800 || v.y > 2199)
        return fail(e, "", _("\"%s\": the year must be from 1800 to 2199"), shown(text).text);
    if (v.m > 12 || v.d > (v.m ? month_days(v.y, v.m) : 0))
        return fail(e, "", _("\"%s\": there is no such day"), shown(text).text);
    return true;
}

static bool digits_only(const char *text, size_t n, struct ymd *v, struct value_error *e)
{
    if (n == 4 || n == 8) {
        int all = atoi(text);
        *v = n == 4 ? (struct ymd){all, 0, 0} : (struct ymd){all / 10000, all / 100 % 100, all % 100};
        return n == 4 || (v->m && v->d) ? check_ymd(text, *v, e) : bad_date(e, text);
    }
    if (n == 5)
        return fail(e, _("format the column as a date before saving the sheet"),
                    _("\"%s\" looks like the serial number of a day in a spreadsheet"), shown(text).text);
    return bad_date(e, text);
}

/* What follows the year: month and perhaps day, each with its own mark. */
static bool month_and_day(const char *text, const char *p, struct ymd *v, struct value_error *e)
{
    bool chinese = starts(p, "年");
    char mark = *p;
    int n;

    p += chinese ? strlen("年") : 1;
    if (chinese && !*p)
        return true;
    v->m = take_number(&p, 2, &n);
    if (!v->m)
        return bad_date(e, text);
    bool more = chinese ? starts(p, "月") : *p == mark;
    if (!more && *p)
        return bad_date(e, text);
    if (!more && !chinese && mark == '.' && n == 1)
        return fail(e,
                    v->m == 1 ? _("write the month with two digits: 01 or 10")
                              : _("write the month with two digits"),
                    _("\"%s\" may be month %d or %d: a cell kept as a number loses its last zero"),
                    shown(text).text, v->m, v->m == 1 ? 10 : v->m);
    if (!more)
        return chinese ? bad_date(e, text) : true;
    p += chinese ? strlen("月") : 1;
    if (chinese && !*p)
        return true;
    v->d = take_number(&p, 2, &n);
    if (starts(p, "日") || starts(p, "号"))
        p += strlen("日");
    return v->d && (!*p || is_midnight(p)) ? true : bad_date(e, text);
}

static bool read_ymd(const char *text, struct ymd *v, struct value_error *e)
{
    static const char *const vague[] = {"约", "底", "初", "旬", "季", "半年", "左右", "前", "后", "Q", NULL};
    const char *p = text, *w;
    size_t n = strspn(text, "0123456789");
    int len;

    *v = (struct ymd){0};
    if (!text[n])
        return digits_only(text, n, v, e);
    if ((w = find_any(text, vague)))
        return fail(e, _("write year, year and month, or the day"), _("\"%s\" is not exact (%s)"),
                    shown(text).text, w);
    v->y = take_number(&p, 4, &len);
    if (len != 4 || n != 4 || !(starts(p, "年") || strchr("-/.", *p)))
        return bad_date(e, text);
    return month_and_day(text, p, v, e) && check_ymd(text, *v, e);
}

static char *date_text(struct ymd v, struct arena *arena)
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
    return fail(e, _("for example 2026-01-31 or 2026-01-31T08:30:00+08:00"),
                _("\"%s\" is not a point in time"), shown(text).text);
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

static bool take_zone(const char **p, int *offset_s)
{
    int h, m, s;
    char sign = **p;

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

static bool read_instant(const char *text, int64_t *ret, struct value_error *e)
{
    int y, mo, d, h = 0, mi = 0, s = 0, n = 0, us = 0, offset = LOCAL_OFFSET_S;
    const char *p = text;

    if (strspn(text, "0123456789") != 4 || sscanf(text, "%4d-%2d-%2d%n", &y, &mo, &d, &n) != 3 || n != 10)
        return bad_instant(e, text);
    if (mo < 1 || d < 1 || !check_ymd(text, (struct ymd){y, mo, d}, e))
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

static char *instant_text(int64_t us, struct arena *arena)
{
    time_t t = (time_t)floor_div(us, 1000000);
    int frac = (int)(us - (int64_t)t * 1000000);
    struct tm tm;
    char buf[64];

    if (!gmtime_r(&t, &tm) || tm.tm_year > 8099)
        return arena_strdup(arena, "?");
    size_t n = strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
    if (frac)
        n += (size_t)snprintf(buf + n, sizeof(buf) - n, ".%06d", frac);
    snprintf(buf + n, sizeof(buf) - n, "Z");
    return arena_strdup(arena, buf);
}

/* ---------------------------------------------------------------- lists */

static const char *list_mark(const char *p, size_t *len)
{
    static const char *const marks[] = {",", ";", "、", "，", "；", NULL};

    for (; *p; p++) {
        for (const char *const *m = marks; *m; m++) {
            if (!strncmp(p, *m, *len = strlen(*m)))
                return p;
        }
    }
    *len = 0;
    return p;
}

static char *trimmed(const char *p, const char *end, struct arena *arena)
{
    while (p < end && *p == ' ')
        p++;
    while (end > p && end[-1] == ' ')
        end--;
    return arena_strndup(arena, p, (size_t)(end - p));
}

/* Items in the order written, each once. */
static bool read_list(const char *text, struct arena *arena, char ***ret, size_t *ret_n,
                      struct value_error *e)
{
    char **items = arena_alloc(arena, LIST_MAX * sizeof(*items));
    size_t n = 0, len;

    if (!items)
        return no_memory(e);
    for (const char *p = text, *end; *p; p = end + len) {
        end = list_mark(p, &len);
        char *item = trimmed(p, end, arena);
        bool known = !item || !*item;
        for (size_t i = 0; !known && i < n; i++)
            known = !strcmp(items[i], item);
        if (!item)
            return no_memory(e);
        if (known)
            continue;
        if (n == LIST_MAX)
            return fail(e, "", _("more than %d values in one list"), LIST_MAX);
        items[n++] = item;
    }
    *ret = items;
    *ret_n = n;
    return n > 0 ? true : fail(e, "", "%s", _("the value is empty"));
}

static char *join(char **items, size_t n, const char *mark, struct arena *arena)
{
    size_t size = 1;

    for (size_t i = 0; i < n; i++)
        size += strlen(items[i]) + strlen(mark);
    char *out = arena_alloc(arena, size), *p = out;
    if (!out)
        return NULL;
    *p = 0;
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "%s%s", i ? mark : "", items[i]);
    return out;
}

/* ---------------------------------------------------------------- into messages */

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
    static const char *const yes[] = {"true", "yes", "1", "是", NULL}, *const no[] = {"false", "no", "0",
                                                                                      "否", NULL};

    *ret = one_of(text, yes);
    return *ret || one_of(text, no)
               ? true
               : fail(e, "true, false", _("\"%s\" is neither true nor false"), shown(text).text);
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
        ok = read_money(text, unit, &v, e);
        break;
    case VALUE_INSTANT:
        ok = read_instant(text, &v, e);
        break;
    default:
        ok = read_int(text, int_max(f), &v, e);
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

static char *read_string(const ProtobufCFieldDescriptor *f, char *clean, const char *unit,
                         struct arena *arena, struct value_error *e)
{
    struct ymd day;
    char *s = clean;

    switch (value_kind(f)) {
    case VALUE_DATE:
        if (!(s = value_fold(clean, arena)))
            break;
        if (!read_ymd(s, &day, e))
            return NULL;
        s = date_text(day, arena);
        break;
    case VALUE_AREA:
        s = value_fold(clean, arena);
        return s ? read_area(s, unit, arena, e) : NULL;
    case VALUE_CODE:
        s = clean_code(f->name, clean, arena);
        break;
    default:
        break;
    }
    if (!s)
        no_memory(e);
    return s;
}

/* Only the summary has lines. */
static void one_line(const char *field, char *text)
{
    if (strcmp(field, "summary"))
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
        return fail(e, "", "%s", _("the value is empty"));
    one_line(f->name, clean);
    switch (value_kind(f)) {
    case VALUE_MONEY:
    case VALUE_INT:
    case VALUE_INSTANT:
        s = value_fold(clean, arena);
        return s ? set_number(m, f, s, unit, e) : no_memory(e);
    case VALUE_BOOL:
        if (!read_bool(clean, &b, e))
            return false;
        *(protobuf_c_boolean *)member(m, f->offset) = b;
        set_has(m, f);
        return true;
    case VALUE_LIST:
        return read_list(clean, arena, member(m, f->offset), member(m, f->quantifier_offset), e);
    case VALUE_OTHER:
        return fail(e, "", _("%s can't be written as text"), f->name);
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

static char *money_text(int64_t fen, struct arena *arena)
{
    uint64_t v = fen < 0 ? -(uint64_t)fen : (uint64_t)fen;
    char buf[40];

    snprintf(buf, sizeof(buf), "%s%llu.%02llu", fen < 0 ? "-" : "", (unsigned long long)(v / 100),
             (unsigned long long)(v % 100));
    return arena_strdup(arena, buf);
}

static char *int_text(int64_t v, struct arena *arena)
{
    char buf[24];

    snprintf(buf, sizeof(buf), "%lld", (long long)v);
    return arena_strdup(arena, buf);
}

char *value_text(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct arena *arena)
{
    if (!value_has(m, f))
        return NULL;
    switch (value_kind(f)) {
    case VALUE_MONEY:
        return money_text(number_of(m, f), arena);
    case VALUE_INSTANT:
        return instant_text(number_of(m, f), arena);
    case VALUE_INT:
        return int_text(number_of(m, f), arena);
    case VALUE_BOOL:
        return arena_strdup(arena, *(protobuf_c_boolean *)member(m, f->offset) ? "true" : "false");
    case VALUE_LIST:
        return join(*(char ***)member(m, f->offset), *(size_t *)member(m, f->quantifier_offset), ",", arena);
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
        no_memory(e);
    return s;
}

/* ---------------------------------------------------------------- for people */

static const char *currency_word(const char *code, bool zh)
{
    static const struct {
        const char *code, *zh;
    } words[] = {{"CNY", "元"},   {"USD", "美元"}, {"EUR", "欧元"}, {"HKD", "港元"},
                 {"JPY", "日元"}, {"GBP", "英镑"}, {"KRW", "韩元"}};

    if (!code || !*code)
        code = "CNY";
    for (size_t i = 0; zh && i < N(words); i++)
        if (!strcmp(words[i].code, code))
            return words[i].zh;
    return code;
}

static void thousands(char *out, size_t size, uint64_t v)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v);
    size_t w = 0;

    for (int i = 0; i < n && w + 2 < size; i++) {
        if (i && (n - i) % 3 == 0)
            out[w++] = ',';
        out[w++] = digits[i];
    }
    out[w] = 0;
}

/* fen as a multiple of a unit when four decimals hold it exactly. */
static bool in_unit(uint64_t fen, uint64_t unit_fen, char *out, size_t size)
{
    uint64_t rest = fen % unit_fen, step = unit_fen / 10000;

    if (fen < unit_fen || rest % step)
        return false;
    thousands(out, size, fen / unit_fen);
    size_t n = strlen(out);
    if (rest) {
        snprintf(out + n, size - n, ".%04llu", (unsigned long long)(rest / step));
        for (n = strlen(out); out[n - 1] == '0'; n--)
            out[n - 1] = 0;
    }
    return true;
}

static char *money_people(int64_t fen, const char *currency, bool zh, struct arena *arena)
{
    uint64_t v = fen < 0 ? -(uint64_t)fen : (uint64_t)fen;
    const char *sign = fen < 0 ? "-" : "", *word = currency_word(currency, zh), *scale = "";
    char number[48], out[96];

    if (zh && in_unit(v, UINT64_C(10000000000), number, sizeof(number))) {
        scale = "亿";
    } else if (zh && in_unit(v, UINT64_C(1000000), number, sizeof(number))) {
        scale = "万";
    } else if (!zh && in_unit(v, UINT64_C(100000000), number, sizeof(number))) {
        scale = " million";
    } else {
        thousands(number, sizeof(number), v / 100);
        if (v % 100)
            snprintf(number + strlen(number), 4, ".%02u", (unsigned)(v % 100));
    }
    if (zh)
        snprintf(out, sizeof(out), "%s%s%s%s", sign, number, scale, word);
    else
        snprintf(out, sizeof(out), "%.10s %s%s%s", word, sign, number, scale);
    return arena_strdup(arena, out);
}

static char *instant_people(int64_t us, struct arena *arena)
{
    time_t t = (time_t)floor_div(us, 1000000);
    struct tm tm;
    char buf[64];

    if (!localtime_r(&t, &tm) || !strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M", &tm))
        return arena_strdup(arena, "?");
    return arena_strdup(arena, buf);
}

char *value_people_text(const ProtobufCFieldDescriptor *f, const char *canonical, const char *currency,
                        const char *lang, struct arena *arena)
{
    struct value_error e;
    int64_t v = 0;
    bool zh = !lang || strncmp(lang, "en", 2), minus = canonical[0] == '-';
    char **items;
    size_t n;

    switch (value_kind(f)) {
    case VALUE_MONEY:
        if (!read_money(canonical + minus, NULL, &v, &e))
            break;
        return money_people(minus ? -v : v, currency, zh, arena);
    case VALUE_INSTANT:
        return read_instant(canonical, &v, &e) ? instant_people(v, arena) : arena_strdup(arena, canonical);
    case VALUE_LIST:
        if (!zh || !read_list(canonical, arena, &items, &n, &e))
            break;
        return join(items, n, "、", arena);
    default:
        break;
    }
    return arena_strdup(arena, canonical);
}

char *value_people(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const char *currency,
                   const char *lang, struct arena *arena)
{
    char *s = value_text(m, f, arena);

    return s ? value_people_text(f, s, currency, lang, arena) : NULL;
}
