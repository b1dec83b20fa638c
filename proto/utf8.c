/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

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

bool utf8_forbidden(uint32_t c)
{
    if (c < 0x20)
        return c != '\t' && c != '\n';
    if (c < 0x7f)
        return false;
    if (c <= 0x9f)
        return true;
    if (c == 0x61c || c == 0x200e || c == 0x200f || c == 0x2028 || c == 0x2029 || c == 0xfeff)
        return true;
    if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
        return true;
    return (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
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
