/* SPDX-License-Identifier: Apache-2.0 */
/* Fields as people read them: 3.5亿元, 大、链. */
#include "value_internal.h"

#include <stdio.h>
#include <string.h>

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
    uint64_t v = value_magnitude(fen);
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
        if (!value_read_money(canonical + minus, NULL, &v, &e))
            break;
        return money_people(minus ? -v : v, currency, zh, arena);
    case VALUE_INSTANT:
        return value_read_instant(canonical, &v, &e) ? value_instant_people(v, arena)
                                                     : arena_strdup(arena, canonical);
    case VALUE_LIST:
        if (!zh || !value_read_list(canonical, arena, &items, &n, &e))
            break;
        return value_join(items, n, "、", arena);
    default:
        if (f->type == PROTOBUF_C_TYPE_BOOL && zh)
            return arena_strdup(arena, strcmp(canonical, "true") == 0 ? "是" : "否");
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
