/* SPDX-License-Identifier: Apache-2.0 */
#include "csv_write.h"

#include <string.h>

/* Also in full width: spreadsheets set to Chinese take them for the same. */
static bool starts_formula(const char *text)
{
    static const char *const marks[] = {"=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠", NULL};

    for (const char *const *m = marks; *m; m++)
        if (!strncmp(text, *m, strlen(*m)))
            return true;
    return false;
}

bool csv_runs(const char *text)
{
    return starts_formula(text + strspn(text, "'"));
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

void csv_write_cell(FILE *to, const char *text, bool first)
{
    if (!first)
        fputc(',', to);
    if (!text)
        return;
    bool quote = needs_quotes(text);
    if (quote)
        fputc('"', to);
    if (csv_runs(text))
        fputc('\'', to);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    if (quote)
        fputc('"', to);
}
