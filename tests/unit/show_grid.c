/* SPDX-License-Identifier: Apache-2.0 */
/* A file as the reader sees it, for tests and measurements.
 *
 *   show_grid FILE [SHEET]           JSON Lines: the workbook, then each row with its cells as [type, text]
 *   show_grid --count FILE [SHEET]   one line: rows, cells, and what it cost
 *
 * The cost: seconds of the processor, peak memory in kB. A file that can't be read: {"why": …} with the cost, exit code 1. */
#include "grid.h"

#include <jansson.h>
#include <locale.h>
#include <string.h>
#include <time.h>

static const char *const types[] = {"empty", "text", "number", "date", "bool", "error", "no value"};

static void print(json_t *j)
{
    json_dumpf(j, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(j);
}

/* Of this program alone, not of the one that started it (as getrusage would have it). */
static int peak_kb(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    int kb = 0;

    while (f && fgets(line, sizeof(line), f) && sscanf(line, "VmHWM: %d", &kb) != 1)
        ;
    if (f)
        fclose(f);
    return kb;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(const char *why)
{
    print(json_pack("{s:s,s:f,s:i}", "why", why, "seconds", seconds(), "peak_kb", peak_kb()));
    return 1;
}

static void show_book(struct grid *g)
{
    json_t *sheets = json_array(), *merges = json_array(), *hidden = json_array();
    size_t n;
    const struct grid_sheet *s = grid_sheets(g, &n);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(sheets, json_pack("[s,b]", s[i].name, s[i].hidden));
    const struct grid_merge *m = grid_merges(g, &n);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(merges,
                              json_pack("[i,i,i,i]", m[i].row, m[i].n_rows, m[i].column, m[i].n_columns));
    for (size_t c = 0; c < GRID_MAX_COLUMNS; c++)
        if (grid_column_hidden(g, c))
            json_array_append_new(hidden, json_integer((json_int_t)c));
    const char *kind = grid_property(g, "qipan.kind");
    print(json_pack("{s:s,s:o,s:i,s:o,s:o,s:s?}", "encoding", grid_encoding(g), "sheets", sheets, "chosen",
                    (int)grid_sheet_chosen(g), "merges", merges, "hidden_columns", hidden, "kind", kind));
}

static void show_row(const struct grid_row *row)
{
    json_t *cells = json_array();

    for (size_t i = 0; i < row->n; i++)
        json_array_append_new(cells, json_pack("[s,s]", types[row->cells[i].type], row->cells[i].text));
    json_t *j = json_pack("{s:i,s:b,s:o}", "row", row->number, "hidden", row->hidden, "cells", cells);
    if (row->bad)
        json_object_update_new(j, json_pack("{s:s,s:s,s:i}", "bad", row->bad, "bad_text", row->bad_text,
                                            "column", row->bad_column));
    print(j);
}

int main(int argc, char **argv)
{
    bool count = argc > 1 && !strcmp(argv[1], "--count");
    const char *path = argc > 1 + count ? argv[1 + count] : "";
    struct grid_options options = {.name = path, .sheet = argc > 2 + count ? argv[2 + count] : NULL};
    char why[GRID_WHY_SIZE];
    struct grid_row row;
    enum grid_result r;
    long rows = 0, cells = 0;

    setlocale(LC_ALL, "C.UTF-8");
    FILE *f = fopen(path, "rb");
    struct grid *g = f ? grid_open(f, &options, why) : NULL;
    if (!g)
        return fail(f ? why : "no such file");
    if (!count)
        show_book(g);
    while ((r = grid_next(g, &row)) == GRID_ROW) {
        rows++;
        for (size_t i = 0; i < row.n; i++)
            cells += row.cells[i].type != GRID_EMPTY;
        if (!count)
            show_row(&row);
    }
    if (r == GRID_FAILED)
        fail(grid_why(g));
    grid_close(g);
    if (count)
        print(json_pack("{s:I,s:I,s:f,s:i}", "rows", (json_int_t)rows, "cells", (json_int_t)cells, "seconds",
                        seconds(), "peak_kb", peak_kb()));
    return r == GRID_FAILED;
}
