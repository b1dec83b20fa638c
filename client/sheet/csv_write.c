/* SPDX-License-Identifier: Apache-2.0 */
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

/* Also in full width: spreadsheets set to Chinese take them for the same. */
bool csv_runs(const char *text)
{
    static const char *const marks[] = {"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", NULL};

    text = skip_lead(text);
    for (const char *const *m = marks; *m; m++)
        if (!strncmp(text, *m, strlen(*m)))
            return true;
    return false;
}

const char *csv_rearm(const char *cell)
{
    return *cell == '\'' && csv_runs(cell) ? cell + 1 : cell;
}

static bool needs_quotes(const char *text)
{
    size_t n = strlen(text);

    return text[strcspn(text, ",;\t\"\r\n")] || (n && (strchr(" \t", text[0]) || strchr(" \t", text[n - 1])));
}

/* One character as it is, or shown when no field may hold it. */
static void put_character(FILE *to, const uint8_t **s, const uint8_t *end)
{
    const uint8_t *from = *s;
    char shown[UTF8_SHOWN];
    size_t n = utf8_show_one(s, end, shown), own = (size_t)(*s - from);

    if (*from == '\t' || *from == '\n' || (utf8_valid(from, own) && utf8_unseen(utf8_next(&from, *s))))
        fwrite(*s - own, 1, own, to);
    else
        fwrite(shown, 1, n, to);
}

void csv_write_cell(FILE *to, const char *text, bool first)
{
    const uint8_t *s = (const uint8_t *)(text ? text : ""), *end = s + strlen((const char *)s);
    bool quote = text && needs_quotes(text);

    if (!first)
        fputc(',', to);
    if (quote)
        fputc('"', to);
    if (text && csv_runs(text))
        fputc('\'', to);
    while (s < end) {
        if (*s == '"')
            fputc('"', to);
        put_character(to, &s, end);
    }
    if (quote)
        fputc('"', to);
}

void tsv_write_cell(FILE *to, const char *text, bool first)
{
    const uint8_t *s = (const uint8_t *)(text ? text : ""), *end = s + strlen((const char *)s);

    if (!first)
        fputc('\t', to);
    if (text && csv_runs(text))
        fputc('\'', to);
    while (s < end) {
        if (strchr("\t\r\n", *s)) {
            fputc(' ', to);
            s++;
        } else {
            put_character(to, &s, end);
        }
    }
}
