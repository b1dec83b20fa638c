/* SPDX-License-Identifier: Apache-2.0 */
#include "table_internal.h"

#include "csv_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int heading_levels(const struct table_column *c)
{
    int n = 1;

    while (n < TABLE_LEVELS && c->heading[n])
        n++;
    return n;
}

const char *table_heading(const struct table *t, size_t column, int level)
{
    const struct table_column *c = &t->layout->columns[column];
    int from_below = t->levels - 1 - level;

    /* one that has fewer levels stands as high as it can: what is below belongs to it */
    from_below -= t->levels - heading_levels(c);
    return from_below < 0 ? "" : c->heading[from_below];
}

/* ---------------------------------------------------------------- text */

static void put_line(struct table *t, const char *const *cells)
{
    bool csv = t->kind == TABLE_CSV;

    for (size_t i = 0; i < t->layout->n_columns; i++)
        (csv ? csv_write_cell : tsv_write_cell)(t->to, cells[i], i == 0);
    fputs(csv ? "\r\n" : "\n", t->to);
    t->rows++;
}

static void put_head(struct table *t)
{
    const char *cells[TABLE_MAX_COLUMNS] = {NULL};

    if (t->layout->mark && t->kind == TABLE_CSV)
        fputs("\xEF\xBB\xBF", t->to);
    for (size_t i = 0; i < t->layout->n_titles; i++) {
        cells[0] = t->layout->titles[i];
        put_line(t, cells);
    }
    for (int level = 0; level < t->levels; level++) {
        for (size_t i = 0; i < t->layout->n_columns; i++)
            cells[i] = table_heading(t, i, level);
        put_line(t, cells);
    }
}

/* ---------------------------------------------------------------- either */

struct table *table_open(enum table_kind kind, FILE *to, const struct table_layout *layout)
{
    struct table *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    *t = (struct table){.layout = layout, .to = to, .kind = kind, .levels = 1};
    for (size_t i = 0; i < layout->n_columns; i++) {
        int n = heading_levels(&layout->columns[i]);

        t->levels = n > t->levels ? n : t->levels;
    }
    if (kind != TABLE_XLSX) {
        put_head(t);
    } else if (!table_xlsx_open(t)) {
        table_drop(t);
        return NULL;
    }
    return t;
}

bool table_typed_row(struct table *t, enum table_row_kind kind, const char *const *cells,
                     const enum table_type *types)
{
    if (t->kind == TABLE_XLSX)
        return table_xlsx_row(t, kind, cells, types);
    put_line(t, cells);
    return !ferror(t->to);
}

bool table_row(struct table *t, enum table_row_kind kind, const char *const *cells)
{
    return table_typed_row(t, kind, cells, NULL);
}

static bool finish(struct table *t, bool write)
{
    bool ok = t->kind == TABLE_XLSX ? table_xlsx_close(t, write) : !ferror(t->to);
    int why = errno;

    free(t);
    errno = why;
    return ok;
}

bool table_close(struct table *t)
{
    return finish(t, true);
}

void table_drop(struct table *t)
{
    if (t)
        finish(t, false);
}
