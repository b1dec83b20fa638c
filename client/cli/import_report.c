/* SPDX-License-Identifier: Apache-2.0 */
/* --report FILE: a line of JSON for each row; or, by the ending, a copy of the workbook or the text that was sent with a column at
 * the right that says what is wrong with which row. */
#include "import_internal.h"

#include "annotate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FAULT_BYTES 1500 /* of a cell that says what is wrong */

static bool ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path), k = strlen(ending);

    return n > k && strcasecmp(path + n - k, ending) == 0;
}

static bool is_copy(const struct import *im)
{
    return ends_in(im->report, ".xlsx") || ends_in(im->report, ".csv") || ends_in(im->report, ".tsv");
}

/* Before anything is sent: a name that can't be written is no reason to fail after a commit. */
int import_open_report(struct import *im)
{
    const struct grid *g = sheet_grid(im->sheet);
    bool workbook = g && grid_separator(g) == 0;

    if (is_copy(im) && (!g || ends_in(im->report, ".xlsx") != workbook))
        return import_invalid(im, im->report,
                              _("a report is a copy of what was sent, with the same ending, or .jsonl"));
    return whole_file_open(&im->report_file, im->report) ? 0
                                                         : import_invalid(im, im->report, strerror(errno));
}

static int write_line(struct import *im, const Qipan__Verdict *v, void *arg)
{
    char *line = json_line(import_verdict_json(im, v));
    bool bad = !line || fprintf(arg, "%s\n", line) < 0;

    free(line);
    return bad ? import_invalid(im, im->report, strerror(errno)) : 0;
}

/* ---------------------------------------------------------------- a copy of theirs */

struct faults {
    struct annotation *rows;
    size_t n, room;
};

/* Of the file, from 0; -1 = the verdict is about the row. */
static int wrong_column(struct import *im, const Qipan__Verdict *v)
{
    size_t n;
    char *const *headers = sheet_header(im->sheet, &n);
    const char *name = import_column(im, v);
    int i = v->field ? mapping_column_index(im->mapping, v->field) : -1;

    if (i >= 0 && name && strcmp(headers[i], name) == 0)
        return sheet_column(im->sheet, (size_t)i);
    for (size_t k = 0; name && k < n; k++)
        if (strcmp(headers[k], name) == 0)
            return sheet_column(im->sheet, k);
    return -1;
}

static int take_fault(struct import *im, const Qipan__Verdict *v, void *arg)
{
    struct faults *f = arg;
    const char *column = import_column(im, v);
    char text[FAULT_BYTES];

    if (f->n == f->room) {
        size_t room = f->room ? f->room * 2 : 256;
        struct annotation *rows = realloc(f->rows, room * sizeof(*rows));
        if (!rows)
            return cli_no_memory(im->cli);
        f->rows = rows;
        f->room = room;
    }
    snprintf(text, sizeof(text), column ? "%s: %s%s%s%s" : "%s%s%s%s%s", column ? column : "",
             v->message ? v->message : "", v->hint ? " (" : "", v->hint ? v->hint : "", v->hint ? ")" : "");
    char *kept = strdup(text);
    if (!kept)
        return cli_no_memory(im->cli);
    f->rows[f->n++] = (struct annotation){.row = (int)v->row, .column = wrong_column(im, v), .text = kept};
    return 0;
}

/* The column that an earlier report has left in the sheet, -1 = none. */
static int old_column(const struct import *im, const char *heading)
{
    size_t n;
    char *const *headers = sheet_header(im->sheet, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(headers[i], heading) == 0)
            return sheet_column(im->sheet, i);
    return -1;
}

static int copy(struct import *im, const struct faults *f)
{
    const struct grid *g = sheet_grid(im->sheet);
    const char *heading = _("errors");
    struct annotate what = {.heading = heading,
                            .header_row = sheet_header_row(im->sheet),
                            .rows = f->rows,
                            .n = f->n,
                            .column = old_column(im, heading),
                            .sheet = grid_sheet_chosen(g),
                            .encoding = grid_encoding(g),
                            .separator = grid_separator(g)};
    char why[GRID_WHY_SIZE];
    FILE *from = fopen(im->file, "re");

    if (!from)
        return import_invalid(im, im->file, strerror(errno));
    bool ok = (grid_separator(g) ? annotate_text : annotate_xlsx)(from, im->report_file.to, &what, why);
    fclose(from);
    return ok ? 0 : import_invalid(im, im->report, why);
}

static int write_copy(struct import *im)
{
    struct faults f = {0};
    int code = import_verdicts(im, import_refused, INT_MAX, take_fault, &f);

    if (!code)
        code = copy(im, &f);
    for (size_t i = 0; i < f.n; i++)
        free((char *)(uintptr_t)f.rows[i].text);
    free(f.rows);
    return code;
}

int import_report(struct import *im)
{
    int code =
        is_copy(im) ? write_copy(im) : import_verdicts(im, NULL, INT_MAX, write_line, im->report_file.to);

    if (!code && !whole_file_done(&im->report_file))
        code = import_invalid(im, im->report, strerror(errno));
    return code;
}
