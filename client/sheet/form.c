/* SPDX-License-Identifier: Apache-2.0 */
#include "form.h"

#include "utf8.h"
#include "value.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const char *const money_units[] = {"千万元", "百万元", "万元", "亿元", "千元", "元", "亿", "万"};
static const char *const area_units[] = {"平方公里", "平方米", "公顷", "万亩", "亩", "㎡", "m2", "m²"};
static const char *const other_units[] = {"人", "个", "家", "户", "次",   "台",     "套",   "天",
                                          "%",  "年", "月", "日", "年月", "万美元", "美元", "人次",
                                          "栋", "间", "宗", "吨", "公里", "万人",   "项"};

static bool one_of(const char *key, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(key, words[i]))
            return true;
    return false;
}

static bool starts_with(const char *key, const char *head)
{
    return *key == *head && !strncmp(key, head, strlen(head));
}

/* The longest word that the text begins with; NULL = none. */
static const char *begins_with(const char *text, const char *const *words, size_t n)
{
    const char *best = NULL;

    for (size_t i = 0; i < n; i++)
        if (starts_with(text, words[i]) && (!best || strlen(words[i]) > strlen(best)))
            best = words[i];
    return best;
}

static bool ends_with(const char *key, const char *tail)
{
    size_t n = strlen(key), m = strlen(tail);

    return n >= m && !strcmp(key + n - m, tail);
}

static bool is_blank(uint32_t c)
{
    return c <= ' ' || c == 0xA0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200B) || c == 0x202F || c == 0xFEFF;
}

size_t form_key(const char *text, char *out, size_t size)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    size_t n = 0, whole = 0;
    bool cut = false;

    while (p < end) {
        const uint8_t *from = p;
        uint32_t c = utf8_next(&p, end);
        bool wide = c >= 0xFF01 && c <= 0xFF5E;
        char folded = (char)(c - 0xFEE0);
        size_t len = wide ? 1 : (size_t)(p - from);
        if (is_blank(c))
            continue;
        whole += len;
        cut |= n + len >= size;
        if (cut)
            continue;
        memmove(out + n, wide ? (const void *)&folded : from, len); /* the text may be folded in its place */
        n += len;
    }
    out[n] = 0;
    return whole;
}

bool form_is_figure(const char *key)
{
    static const char *const marks[] = {"年", "月", "日", "号", "万", "亿", "元", "亩", "至", "¥", "—", "～"};
    bool digit = false;

    while (*key) {
        size_t i = 0;
        digit |= *key >= '0' && *key <= '9';
        if (strchr("0123456789.,+-/:%~()", *key)) {
            key++;
            continue;
        }
        while (i < N(marks) && !starts_with(key, marks[i]))
            i++;
        if (i == N(marks))
            return false;
        key += strlen(marks[i]);
    }
    return digit;
}

bool form_is_ordinal(const char *key)
{
    static const char *const words[] = {"序号", "序", "项次", "行号", "No.", "NO.", "NO", "№", "#"};

    return one_of(key, words, N(words));
}

/* The unit that the text is, in brackets or not; NULL when it is none. */
static const char *unit_of(const char *key, size_t n)
{
    const struct {
        const char *const *units;
        size_t n;
    } lists[] = {{money_units, N(money_units)}, {area_units, N(area_units)}, {other_units, N(other_units)}};

    if (n > 2 && key[0] == '(' && key[n - 1] == ')') {
        key++;
        n -= 2;
    }
    if (starts_with(key, "单位:") && n > strlen("单位:")) {
        n -= strlen("单位:");
        key += strlen("单位:");
    }
    for (size_t l = 0; l < N(lists); l++)
        for (size_t i = 0; i < lists[l].n; i++)
            if (strlen(lists[l].units[i]) == n && !memcmp(lists[l].units[i], key, n))
                return lists[l].units[i];
    return NULL;
}

bool form_is_unit(const char *key)
{
    return unit_of(key, strlen(key)) != NULL;
}

/* Total, SUB-TOTAL, Grand total alone; at the end of a text as a word of its own: 2023total, RoadsTotal. */
static bool is_english_sum(const char *key, size_t n, bool *ret_whole)
{
    static const char *const words[] = {"total", "subtotal", "sub-total", "grandtotal", "sum"};
    const char *tail = n > 5 ? key + n - 5 : key;

    for (size_t i = 0; i < N(words); i++)
        *ret_whole |= strlen(words[i]) == n && !strncasecmp(key, words[i], n);
    return *ret_whole ||
           (n > 5 && !strncasecmp(tail, "total", 5) && (*tail == 'T' || !isalpha((unsigned char)tail[-1])));
}

bool form_is_sum(const char *key, bool *ret_whole)
{
    static const char *const words[] = {"合计", "小计",   "总计",     "累计",
                                        "共计", "总合计", "本页小计", "全县合计"};
    size_t n = strcspn(key, "(:");

    *ret_whole = false;
    if (starts_with(key, "其中:"))
        return true; /* a part of the sum above */
    for (size_t i = 0; i < N(words); i++) {
        size_t len = strlen(words[i]);
        if (n < len || memcmp(key + n - len, words[i], len))
            continue;
        *ret_whole |= n == len;
        return true;
    }
    return is_english_sum(key, n, ret_whole);
}

/* 一 … 九十九 at the start; bytes of it. */
static size_t chinese_number(const char *key)
{
    static const char digits[] = "一二三四五六七八九十";
    size_t n = 0;

    while (n < 9) {
        char digit[4] = "";
        memcpy(digit, key + n, strnlen(key + n, 3));
        if (strlen(digit) < 3 || !strstr(digits, digit))
            break;
        n += 3;
    }
    return n;
}

/* Bytes of the numbering at the start of a key. */
static size_t numbering(const char *key, int *ret_level)
{
    bool open = *key == '(';
    size_t n = chinese_number(key + open), digits = strspn(key + open, "0123456789"), end;

    *ret_level = 0;
    if (!n && !digits)
        return 0;
    end = open + (n ? n : digits);
    if (open) {
        *ret_level = n ? 2 : 3;
        return key[end] == ')' ? end + 1 : (*ret_level = 0, 0);
    }
    if (starts_with(key + end, "、") && !chinese_number(key + end + strlen("、"))) /* 一、二期 is a name */
        end += strlen("、");
    else if (key[end] == '.' && !(key[end + 1] >= '0' && key[end + 1] <= '9'))
        end++;
    else if (!n || key[end])
        return 0;
    *ret_level = n ? 1 : 3;
    return end;
}

int form_level(const char *text, const char **ret_rest)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text), *from = p;
    char key[FORM_KEY];
    int level, chars = 0;

    form_key(text, key, sizeof(key));
    size_t n = numbering(key, &level);
    for (size_t i = 0; i < n; i++)
        chars += ((uint8_t)key[i] & 0xC0) != 0x80;
    while (p < end) {
        from = p;
        uint32_t c = utf8_next(&p, end);
        if (is_blank(c))
            continue;
        if (chars-- == 0)
            break;
        from = p;
    }
    *ret_rest = (const char *)from;
    return level;
}

bool form_is_remark(const char *key)
{
    static const char *const heads[] = {
        "注",   "备注", "说明", "填表",     "填报", "制表",     "审核",     "审签", "负责人", "单位", "联系",
        "报送", "日期", "统计", "分管",     "编制", "主管",     "复核",     "截至", "截止",   "时间", "盖章",
        "签字", "附",   "报表", "主要负责", "经办", "单位负责", "数据来源", "Note", "Source"};
    const char *colon = strchr(key, ':');

    for (size_t i = 0; i < N(heads); i++)
        if (starts_with(key, heads[i]) && colon && colon - key <= 24)
            return true;
    return starts_with(key, "(单位:");
}

/* 第2页, 第二页,共三页; 第五代网页 is a name. */
static bool is_page(const char *key)
{
    const char *p = key + strlen("第");

    if (!starts_with(key, "第"))
        return false;
    p += strspn(p, "0123456789");
    p += chinese_number(p);
    return starts_with(p, "页");
}

bool form_is_again(const char *key)
{
    return starts_with(key, "续表") || ends_with(key, "(续)") || ends_with(key, "(续表)") || is_page(key);
}

/* 示例 alone, 示例1, 样例:…; 示例工厂 is a name. */
static bool is_example_word(const char *key)
{
    static const char *const words[] = {"示例", "样例"}, *const behind[] = {":", "(", "行", "项目", "数据"};
    const char *word = begins_with(key, words, N(words)), *rest = word ? key + strlen(word) : NULL;

    return rest && (!*rest || (*rest >= '0' && *rest <= '9') || begins_with(rest, behind, N(behind)));
}

bool form_is_example(const char *key)
{
    static const char *const heads[] = {"例:", "例如", "(例)", "(示例)", "example:", "……", "..."};

    return is_example_word(key) || begins_with(key, heads, N(heads)) || !strcmp(key, "例") ||
           !strcmp(key, "…");
}

/* What is to be written: 数字 alone, 数字,万元, 日期格式; 数字安徽 is a name. */
static bool is_form_word(const char *key)
{
    static const char *const words[] = {"格式", "下拉", "文本", "数字", "日期", "单选", "多选", "可选"};
    static const char *const behind[] = {",",    ";",    ":",    "(",  ")",    "/",    "、",
                                         "。",   "格式", "类型", "型", "选择", "选项", "列表",
                                         "菜单", "框",   "填",   "项", "为",   "或",   "值"};
    const char *word = begins_with(key, words, N(words)), *rest = word ? key + strlen(word) : NULL;

    return rest && (!*rest || begins_with(rest, behind, N(behind)));
}

bool form_is_advice(const char *key)
{
    static const char *const heads[] = {"必填",   "选填",   "非必填", "请填", "填写",
                                        "(必填)", "(选填)", "例:",    "例如", "如:"};

    return is_form_word(key) || begins_with(key, heads, N(heads));
}

void form_cut_marks(char *key)
{
    static const char *const marks[] = {"*", "★", "☆", "※", "▲", "●"};

    for (size_t i = 0; i < N(marks); i++) {
        size_t n = strlen(marks[i]);
        while (starts_with(key, marks[i]))
            memmove(key, key + n, strlen(key + n) + 1);
        while (ends_with(key, marks[i]))
            key[strlen(key) - n] = 0;
    }
}

static size_t separator(const char *p)
{
    return starts_with(p, "、") || starts_with(p, "和") ? strlen("、") : *p && strchr(",;/(", *p) ? 1 : 0;
}

/* 万 and 元 begin names of places, too (填报单位:万年县): a unit of one character must end here. */
static bool is_whole(const char *unit, const char *rest)
{
    static const char *const next[] = {"填", "制", "报", "截", "日期", "时间"};

    return strlen(unit) > strlen("万") || !*rest || *rest == ')' || separator(rest) || form_is_figure(rest) ||
           begins_with(rest, next, N(next)) || begins_with(rest, area_units, N(area_units));
}

/* Takes the unit at p, if it is one; the bytes of it. */
static size_t take_unit(const char *p, const char *const *units, size_t n, char ret[FORM_UNIT])
{
    const char *unit = begins_with(p, units, n);

    if (!unit || !is_whole(unit, p + strlen(unit)))
        return 0;
    if (!*ret)
        strcpy(ret, unit);
    return strlen(unit);
}

static size_t item_length(const char *p)
{
    size_t n = 0;

    while (p[n] && p[n] != ')' && !separator(p + n))
        n++;
    return n;
}

/* 万美元 is told as it is: nobody may take it for yuan. */
static bool take_currency(const char *p, char ret[FORM_UNIT])
{
    char item[FORM_KEY];
    const char *word;
    size_t n;

    snprintf(item, sizeof(item), "%.*s", (int)item_length(p), p);
    if (!value_currency(item, &word, &n))
        return false;
    n += (size_t)(word - item);
    snprintf(ret, FORM_UNIT, "%.*s", (int)n, n < FORM_UNIT ? item : word);
    return true;
}

/* 10万元, 百亿元: nothing but figures and units, yet no unit that is known. */
static bool is_strange(const char *item)
{
    static const char *const parts[] = {"元", "亿", "万", "千", "百", "十", "人民币"};
    const char *p = item, *part = NULL;

    while (*p && ((*p >= '0' && *p <= '9') || (part = begins_with(p, parts, N(parts)))))
        p += *p >= '0' && *p <= '9' ? 1 : strlen(part);
    return !*p && (ends_with(item, "元") || ends_with(item, "亿") || ends_with(item, "万"));
}

/* Of two units of money nobody knows which one is meant: both are told, as one that is unknown. 元/亩 is a rate. */
static void add_money(const char *unit, const char *rest, char money[FORM_UNIT])
{
    size_t n = strlen(money);

    if (!n || (strcmp(unit, money) != 0 && *rest != '/'))
        snprintf(money + n, FORM_UNIT - n, n ? "、%s" : "%s", unit);
}

static size_t take_money(const char *p, char money[FORM_UNIT])
{
    char unit[FORM_UNIT] = "";
    size_t n = take_unit(p, money_units, N(money_units), unit);

    if (n)
        add_money(unit, p + n, money);
    return n;
}

static size_t take_strange(const char *p, char money[FORM_UNIT])
{
    char item[FORM_UNIT];
    size_t n = item_length(p);

    snprintf(item, sizeof(item), "%.*s", (int)n, p);
    if (n >= sizeof(item) || !is_strange(item))
        return 0;
    add_money(item, p + n, money);
    return n;
}

/* A unit, or what stands between two of them; 0 = something else. */
static size_t take_listed(const char *p, char money[FORM_UNIT], char area[FORM_UNIT])
{
    static const char *const words[] = {"人民币", "RMB", "CNY", "单位:", "单位"};
    const char *word = begins_with(p, words, N(words));
    size_t n = separator(p);

    if (n || word)
        return n ? n : strlen(word);
    if (!*money && take_currency(p, money))
        return item_length(p);
    if ((n = take_money(p, money)))
        return n;
    return take_unit(p, area_units, N(area_units), area);
}

/* What stands behind 单位: 万元、亩. Others, and names, are passed over. */
static void list_units(const char *p, char money[FORM_UNIT], char area[FORM_UNIT])
{
    while (*p && *p != ')') {
        size_t n = take_listed(p, money, area);
        n = n ? n : take_strange(p, money);
        p += n ? n : item_length(p);
    }
}

/* Nothing but units that are known, up to the end or a bracket: (万元), (人民币万元、亩), 亿元. (亿元以上) is none. */
static void lone_units(const char *p, char money[FORM_UNIT], char area[FORM_UNIT])
{
    char m[FORM_UNIT] = "", a[FORM_UNIT] = "";
    size_t n;

    for (; *p && *p != ')' && *p != '('; p += n)
        if (!(n = take_listed(p, m, a)))
            return;
    if (*p == '(')
        return;
    if (*m && !*money)
        strcpy(money, m);
    if (*a && !*area)
        strcpy(area, a);
}

/* Behind 单位 and 金额: a mark, or the unit at once: 单位:万元, 单位(万元), 单位为万元, 单位万元. */
static const char *behind_label(const char *p, const char *label)
{
    static const char *const marks[] = {":", ";", "为", "是", "︰", "﹕", "("};
    const char *rest = p + strlen(label), *mark = begins_with(rest, marks, N(marks));
    char unit[FORM_UNIT] = "";

    if (mark)
        return rest + strlen(mark);
    return take_unit(rest, money_units, N(money_units), unit) ? rest : NULL;
}

static void labelled_units(const char *key, const char *label, char money[FORM_UNIT], char area[FORM_UNIT])
{
    for (const char *p = key; (p = strstr(p, label)); p += strlen(label)) {
        char names[FORM_KEY];
        const char *list = behind_label(p, label), *next = strstr(p + strlen(label), label);
        if (!list || (next && next < list))
            continue;
        snprintf(names, sizeof(names), "%.*s", (int)(next ? (size_t)(next - list) : strlen(list)), list);
        list_units(names, money, area);
    }
}

bool form_units(const char *key, char money[FORM_UNIT], char area[FORM_UNIT])
{
    money[0] = area[0] = 0;
    labelled_units(key, "单位", money, area);
    if (!*money)
        labelled_units(key, "金额", money, area);
    lone_units(key, money, area);
    for (const char *p = key; (p = strchr(p, '(')); p++)
        lone_units(p + 1, money, area);
    return money[0] || area[0];
}

const char *form_advice_unit(const char *key)
{
    const char *found = NULL, *unit, *money;

    if (value_currency(key, NULL, NULL))
        return key;
    for (const char *p = key; *p; p += unit ? strlen(unit) : 1) {
        money = begins_with(p, money_units, N(money_units));
        unit = money ? money : begins_with(p, area_units, N(area_units));
        if (unit && ((found && strcmp(found, unit) != 0) || (p > key && p[-1] >= '0' && p[-1] <= '9')))
            return key;
        found = unit ? unit : found;
    }
    return found;
}

char *form_cut_unit(char *key)
{
    size_t n = strlen(key);
    char *mark = n && key[n - 1] == ')' ? strrchr(key, '(') : strrchr(key, '/');
    const char *unit;

    if (!mark || mark == key)
        return NULL;
    size_t len = n - (size_t)(mark + 1 - key) - (*mark == '(');
    if (!(unit = unit_of(mark + 1, len)))
        return NULL;
    *mark = 0;
    memmove(mark + 1, unit, strlen(unit) + 1);
    return mark + 1;
}

char *form_cut_brackets(char *key)
{
    size_t n = strlen(key);
    char *open = n && key[n - 1] == ')' ? strrchr(key, '(') : NULL;

    if (!open || open == key)
        return NULL;
    *open = key[n - 1] = 0;
    return open + 1;
}
