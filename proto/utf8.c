/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <stdio.h>
#include <string.h>

#define MARKS_IN_A_ROW 32

/* Length of the well-formed sequence at s, or 0. The table is that of the Unicode standard (3-7): only the second
 * byte has a range that depends on the first. */
static size_t utf8_sequence(const uint8_t *s, const uint8_t *end)
{
    uint8_t first = s[0], low = 0x80, high = 0xbf;
    size_t n;

    if (first < 0x80)
        return first != 0;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if ((size_t)(end - s) < n)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool utf8_valid(const uint8_t *s, size_t n)
{
    const uint8_t *end = s + n;
    size_t step;

    for (; s < end; s += step) {
        step = utf8_sequence(s, end);
        if (!step)
            return false;
    }
    return true;
}

uint32_t utf8_next(const uint8_t **s, const uint8_t *end)
{
    const uint8_t *p = *s;
    uint32_t c = *p++;
    int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

    if (more)
        c &= 0x3fu >> more;
    for (; more && p < end; more--)
        c = c << 6 | (*p++ & 0x3f);
    *s = p;
    return c;
}

struct range { /* in lists that rise */
    uint32_t first, last;
};

static bool within(const struct range *ranges, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n && c >= ranges[i].first; i++)
        if (c <= ranges[i].last)
            return true;
    return false;
}

bool utf8_forbidden(uint32_t c)
{
    static const struct range ranges[] = {
        {0x00, 0x08},       {0x0b, 0x1f},        {0x7f, 0x9f},     {0x61c, 0x61c},   {0x200e, 0x200f},
        {0x2028, 0x202e},   {0x2066, 0x206f},    {0xfdd0, 0xfdef}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
        {0xe0000, 0xe007f}, {0xf0000, 0x10ffff}, /* tags; the large private planes */
    };

    return within(ranges, sizeof(ranges) / sizeof(*ranges), c) || (c & 0xfffe) == 0xfffe;
}

bool utf8_unseen(uint32_t c)
{
    static const struct range ranges[] = {{0xad, 0xad},     {0x34f, 0x34f},    {0x115f, 0x1160},
                                          {0x17b4, 0x17b5}, {0x180b, 0x180f},  {0x200b, 0x200d},
                                          {0x2060, 0x2065}, {0x3164, 0x3164},  {0xffa0, 0xffa0},
                                          {0xfff0, 0xfff8}, {0xe0080, 0xe00ff}};

    return within(ranges, sizeof(ranges) / sizeof(*ranges), c);
}

bool utf8_is_safe(uint32_t c)
{
    return c >= 0x20 && !utf8_forbidden(c) && !utf8_unseen(c);
}

size_t utf8_show_one(const uint8_t **s, const uint8_t *end, char out[UTF8_SHOWN])
{
    size_t n = utf8_sequence(*s, end);
    const uint8_t *from = *s;
    uint32_t c;

    if (!n)
        return (size_t)snprintf(out, UTF8_SHOWN, "\\x%02x", (unsigned)*(*s)++);
    c = utf8_next(s, end);
    if (!utf8_is_safe(c))
        return (size_t)snprintf(out, UTF8_SHOWN, "\\u{%X}", (unsigned)c);
    memcpy(out, from, n);
    return n;
}

size_t utf8_show(char *out, size_t size, const char *text)
{
    const uint8_t *s = (const uint8_t *)text, *end = s + strlen(text);
    size_t used = 0;

    while (s < end) {
        char one[UTF8_SHOWN];
        size_t n = utf8_show_one(&s, end, one);

        if (used + n >= size)
            break;
        memcpy(out + used, one, n);
        used += n;
    }
    if (size)
        out[used] = '\0';
    return used;
}

static bool utf8_mark(uint32_t c)
{
    return (c >= 0x300 && c <= 0x36f) || (c >= 0x1ab0 && c <= 0x1aff) || (c >= 0x20d0 && c <= 0x20ff);
}

bool utf8_clean(const uint8_t *s, size_t n)
{
    const uint8_t *end = s + n;
    unsigned marks = 0;
    uint32_t c;

    while (s < end) {
        if (!utf8_sequence(s, end))
            return false;
        c = utf8_next(&s, end);
        marks = utf8_mark(c) ? marks + 1 : 0;
        if (utf8_forbidden(c) || marks > MARKS_IN_A_ROW)
            return false;
    }
    return true;
}

size_t utf8_fit(const char *text, size_t most)
{
    size_t n = strnlen(text, most + 1);

    if (n > most)
        for (n = most; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80;)
            n--;
    return n;
}
