/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping that was made from a header, as a mapping file. */
#include "mapping_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In quotes, a quote doubled; a header of several lines on one. */
static void write_quoted(FILE *to, const char *text)
{
    putc('"', to);
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            putc('"', to);
        putc(strchr("\r\n", *p) ? ' ' : *p, to);
    }
    putc('"', to);
}

static void write_field(FILE *to, const struct mapping *m, const struct field *f)
{
    fprintf(to, "%s = ", f->f->name);
    for (int i = 0; i < f->expr.n; i++) {
        if (i)
            fputs(" | ", to);
        write_quoted(to, m->headers[f->expr.alts[i].terms[0].column]);
    }
    if (f->expr.alts[0].unit)
        fprintf(to, " unit %s", f->expr.alts[0].unit);
    putc('\n', to);
}

char *mapping_auto_text(const struct mapping *m)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);

    if (!to)
        return NULL;
    fprintf(to, "[source]\nkind = %s\n\n[columns]\n", m->kind);
    for (int i = 0; i < m->n_fields; i++)
        write_field(to, m, &m->fields[i]);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}
