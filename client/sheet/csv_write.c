/* SPDX-License-Identifier: Apache-2.0 */
/* Without locks: a file is written by one thread. */
#include "csv_write.h"

#include "utf8.h"

#include <string.h>

/* What an import, or a spreadsheet, may pass over before it looks: blanks, quotes, and what nobody sees. */
static const char *skip_lead(const char *text)
{
    const uint8_t *s = (const uint8_t *)text, *end = s + strlen(text);

    while (s < end) {
        const uint8_t *next = s;
        uint32_t c = utf8_next(&next, end);

        if (!(c == ' ' || c == '\'' || c == '"' || c == 0xa0 || c == 0x3000 || c == 0xfeff || utf8_unseen(c)))
            break;
        s = next;
    }
    return (const char *)s;
}

#define DIGITS "0123456789"

bool csv_is_power(const char *text)
{
    const char *p = text + strspn(text, DIGITS);

    if (p == text)
        return false;
    p += *p == '.' ? 1 + strspn(p + 1, DIGITS) : 0;
    return (p[0] == 'E' || p[0] == 'e') && p[1] == '+' && p[2] && !p[2 + strspn(p + 2, DIGITS)];
}

/* Behind marks that stand there already, too: each import takes one away. */
static bool has_power(const char *text)
{
    return csv_is_power(text + strspn(text, "'"));
}

/* Also in full width: spreadsheets set to Chinese take them for the same. */
bool csv_runs(const char *text)
{
    static const char *const marks[] = {"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", NULL};

    const uint8_t c = (uint8_t)*text;

    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'z') || (c >= 0xe4 && c <= 0xe9))
        return false; /* what most cells begin with */
    text = skip_lead(text);
    for (const char *const *m = marks; *m; m++)
        if (!strncmp(text, *m, strlen(*m)))
            return true;
    return false;
}

const char *csv_rearm(const char *cell)
{
    return *cell == '\'' && (csv_runs(cell) || has_power(cell)) ? cell + 1 : cell;
}

static bool needs_quotes(const char *text, size_t n)
{
    return text[strcspn(text, ",;\t\"\r\n")] || (n && (strchr(" \t", text[0]) || strchr(" \t", text[n - 1])));
}

/* Bytes at the start that stand for themselves in every cell: ASCII but controls and quotes, and ideographs. */
static size_t plain_span(const uint8_t *s, const uint8_t *end)
{
    const uint8_t *p = s;

    while (p < end) {
        if (*p >= ' ' && *p < 0x7f && *p != '"')
            p++;
        else if (*p >= 0xe4 && *p <= 0xe9 && end - p > 2 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80)
            p += 3;
        else
            break;
    }
    return (size_t)(p - s);
}

/* One character as it is, or shown when no field may hold it. */
static void put_character(FILE *to, const uint8_t **s, const uint8_t *end)
{
    const uint8_t *from = *s;
    char shown[UTF8_SHOWN];
    size_t n = utf8_show_one(s, end, shown), own = (size_t)(*s - from);

    if (*from == '\t' || *from == '\n' || (utf8_valid(from, own) && utf8_unseen(utf8_next(&from, *s))))
        fwrite_unlocked(*s - own, 1, own, to);
    else
        fwrite_unlocked(shown, 1, n, to);
}

/* special: what to do with those characters, each in its own way. */
static void put_text(FILE *to, const char *text, size_t n,
                     void (*special)(FILE *, const uint8_t **, const uint8_t *))
{
    const uint8_t *s = (const uint8_t *)text, *end = s + n;

    if (csv_runs(text) || has_power(text))
        putc_unlocked('\'', to);
    while (s < end) {
        size_t plain = plain_span(s, end);

        if (plain)
            fwrite_unlocked(s, 1, plain, to);
        s += plain;
        if (s < end)
            special(to, &s, end);
    }
}

static void csv_special(FILE *to, const uint8_t **s, const uint8_t *end)
{
    if (**s == '"')
        putc_unlocked('"', to);
    put_character(to, s, end);
}

void csv_write_cell(FILE *to, const char *text, bool first)
{
    size_t n = text ? strlen(text) : 0;
    bool quote = n && needs_quotes(text, n);

    if (!first)
        putc_unlocked(',', to);
    if (quote)
        putc_unlocked('"', to);
    if (n)
        put_text(to, text, n, csv_special);
    if (quote)
        putc_unlocked('"', to);
}

static void tsv_special(FILE *to, const uint8_t **s, const uint8_t *end)
{
    if (strchr("\t\r\n", **s)) {
        putc_unlocked(' ', to);
        ++*s;
    } else {
        put_character(to, s, end);
    }
}

void tsv_write_cell(FILE *to, const char *text, bool first)
{
    if (!first)
        putc_unlocked('\t', to);
    if (text && *text)
        put_text(to, text, strlen(text), tsv_special);
}
