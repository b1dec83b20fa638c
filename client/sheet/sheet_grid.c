/* SPDX-License-Identifier: Apache-2.0 */
/* A grid as a sheet: the columns that its layout names, the rows that its body holds. */
#include "body.h"
#include "sheet_internal.h"

#include <errno.h>
#include <libintl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define _(text) dgettext("qipan", text)

struct table {
    struct grid *grid;
    struct layout layout;
    bool all_rows; /* every one is data */
    struct body body;
    char *cells[SHEET_MAX_COLUMNS];
    enum grid_type types[SHEET_MAX_COLUMNS];
    const struct grid_format *formats[SHEET_MAX_COLUMNS];
    bool shared[SHEET_MAX_COLUMNS];
    int hidden, unnamed; /* rows that are hidden; with something in a column without a name */
    bool counted;        /* the notes say so */
    size_t better;       /* a sheet that is a table, where this one is none; 0 = none is known */
    char tables[160];    /* their names, where several are; "" = one at most */
};

static void show(char *out, size_t cap, const struct grid_row *row)
{
    size_t n = 0;

    out[0] = 0;
    for (size_t i = 0; i < row->n && n + 1 < cap; i++)
        n += (size_t)snprintf(out + n, cap - n, "%s%s", i ? "," : "", row->cells[i].text);
}

/* Of a column of the file the index in the header; -1 = it has none. */
static int index_of(const struct sheet *s, int column)
{
    for (size_t i = 0; i < s->n_header; i++)
        if (s->column[i] == column)
            return (int)i;
    return -1;
}

/* Cells behind the last column; those that are empty are what spreadsheets leave there. */
static size_t filled(const struct table *t, const struct grid_row *row)
{
    size_t n = row->n;

    while (n > t->layout.width && !row->cells[n - 1].text[0])
        n--;
    return n;
}

/* In text a row must have as many cells as the header: otherwise its cells may stand below the wrong names. */
static bool check_width(struct sheet *s, const struct table *t, const struct grid_row *row)
{
    size_t n = filled(t, row);
    char text[sizeof(s->broken.text) * 2];

    if (grid_ragged(t->grid) || n == t->layout.width)
        return true;
    show(text, sizeof(text), row);
    broken_set(&s->broken, text, strlen(text), _("the row has %zu cells, the header %zu"), n,
               t->layout.width);
    return false;
}

static void take_format(struct table *t, const struct grid_row *from, size_t i, size_t column)
{
    t->formats[i] = from->formats && column < from->n && !t->shared[i] ? from->formats[column] : NULL;
}

static void take_cells(struct sheet *s, struct table *t, const struct grid_row *from)
{
    const struct body *b = &t->body;
    bool named[SHEET_MAX_COLUMNS] = {false};

    for (size_t i = 0; i < s->n_header; i++) {
        size_t column = (size_t)s->column[i];
        bool there = column < b->n;
        t->cells[i] = (char *)(uintptr_t)(there ? b->cells[column].text : "");
        t->types[i] = there ? b->cells[column].type : GRID_EMPTY;
        t->shared[i] = there && b->shared[column];
        take_format(t, from, i, column);
        named[column] = true;
    }
    for (size_t i = 0; i < b->n; i++) {
        if (!named[i] && b->cells[i].text[0]) {
            t->unnamed++;
            return;
        }
    }
}

static void count(struct sheet *s, struct table *t)
{
    if (t->counted)
        return;
    if (t->hidden)
        sheet_note(s, _("%d rows are hidden in the sheet; they count like the others"), t->hidden);
    if (t->unnamed)
        sheet_note(s, _("%d rows have something in columns without a header; it is left out"), t->unnamed);
    t->counted = true;
}

/* Its columns mean something else: nothing of it is read by the headings of this one. */
static void refuse_another(struct sheet *s, const struct table *t, const struct grid_row *row)
{
    char text[sizeof(s->broken.text) * 2];

    show(text, sizeof(text), row);
    broken_set(&s->broken, text, strlen(text),
               _("another table begins in row %d: put it on a sheet or into a file of its own, or delete it"),
               t->body.another);
}

static enum sheet_result take_row(struct sheet *s, struct table *t, const struct grid_row *from,
                                  struct sheet_row *row)
{
    const char *what = body_take(&t->body, from), *skip = t->all_rows ? NULL : what;

    if (t->body.failed) {
        sheet_fail(s, "%s", strerror(ENOMEM));
        return SHEET_FAILED;
    }
    if (t->body.another && !t->all_rows) {
        refuse_another(s, t, from);
        return sheet_broken(s, row, -1);
    }
    if (!skip && !check_width(s, t, from))
        return sheet_broken(s, row, -1);
    take_cells(s, t, from);
    t->hidden += from->hidden;
    *row = (struct sheet_row){.number = from->number,
                              .n = s->n_header,
                              .cells = t->cells,
                              .types = t->types,
                              .formats = t->formats,
                              .shared = t->shared,
                              .disarmed = grid_disarmed(t->grid),
                              .since_1904 = grid_since_1904(t->grid),
                              .groups = t->body.groups,
                              .title = t->layout.title,
                              .skip = skip,
                              .unit = t->body.unit};
    return SHEET_ROW;
}

static enum sheet_result next_row(struct sheet *s, void *state, struct sheet_row *row)
{
    struct table *t = state;
    struct grid_row from;
    enum grid_result r;

    do
        r = grid_next(t->grid, &from);
    while (r == GRID_ROW && from.number < t->layout.data);
    if (r == GRID_FAILED) {
        sheet_fail(s, "%s", grid_why(t->grid));
        return SHEET_FAILED;
    }
    if (r == GRID_END) {
        count(s, t);
        return SHEET_END;
    }
    s->row = from.number;
    if (from.bad) {
        broken_set(&s->broken, from.bad_text, strlen(from.bad_text), "%s", from.bad);
        return sheet_broken(s, row, index_of(s, from.bad_column));
    }
    return take_row(s, t, &from, row);
}

static bool name_columns(struct sheet *s, const struct layout *l)
{
    for (size_t i = 0; i < l->width; i++)
        if (l->columns[i].name[strspn(l->columns[i].name, " \t\r\n")] &&
            !sheet_add_column(s, l->columns[i].name, (int)i))
            return false;
    if (s->n_header == 0)
        sheet_fail(s, _("row %d can't be the header: it is empty"), l->last);
    s->header_row = l->last;
    return s->n_header > 0;
}

/* Does the ending promise something else than the bytes are? */
static void note_ending(struct sheet *s, const struct grid *g, const char *name)
{
    static const char *const workbooks[] = {".xlsx", ".xlsm", ".xltx", ".xls", ".et", ".ods", NULL};
    const char *dot = name ? strrchr(name, '.') : NULL;
    bool promised = false;

    for (const char *const *w = workbooks; dot && *w; w++)
        promised |= !strcasecmp(dot, *w);
    if (dot && promised && !grid_ragged(g))
        sheet_note(s, _("the file is called %s but is text; it is read as text"), dot);
    if (dot && !promised && grid_ragged(g))
        sheet_note(s, _("the file is called %s but is a workbook; it is read as one"), dot);
}

static void note_layout(struct sheet *s, const struct layout *l)
{
    if (*l->title)
        sheet_note(s, _("title: %s"), l->title);
    if (l->first < l->last)
        sheet_note(s, _("the header is in rows %d to %d"), l->first, l->last);
    else if (l->last > 1)
        sheet_note(s, _("the header is in row %d"), l->last);
    if (*l->unit)
        sheet_note(s, _("amounts without a unit of their own are in %s, as the sheet says"), l->unit);
    if (*l->area_unit)
        sheet_note(s, _("areas without a unit of their own are in %s, as the sheet says"), l->area_unit);
}

/* Which sheet is read, where a workbook has several that are shown. */
static void note_sheets(struct sheet *s, const struct grid *g)
{
    size_t n, n_shown = 0, w = 0;
    const struct grid_sheet *sheets = grid_sheets(g, &n);
    char names[160] = "";

    for (size_t i = 0; i < n; i++) {
        if (sheets[i].hidden || i == grid_sheet_chosen(g))
            continue;
        n_shown++;
        if (w + strlen(sheets[i].name) + strlen("、") < sizeof(names))
            w += (size_t)sprintf(names + w, "%s%s", w ? "、" : "", sheets[i].name);
    }
    if (n_shown)
        sheet_note(s, _("sheet \"%s\" is read; --sheet names another: %s"), sheets[grid_sheet_chosen(g)].name,
                   names);
}

#define MANY_SHEETS 16 /* that are looked at */
#define FEW_WORDS   2  /* known headings of what may be no table */

/* Words of the header that are known; 0 = it has none. */
static int known_words(struct table *t, size_t sheet)
{
    char why[GRID_WHY_SIZE];
    struct layout l;
    int known = 0;

    if (!grid_choose(t->grid, sheet))
        return 0;
    if (layout_find(&l, t->grid, 0, 0, why))
        known = l.known;
    layout_free(&l);
    return known;
}

/* The other sheet that is shown and has a header nobody doubts. Of several the one that has more than twice the words of each other one;
 * without such a one they are named. The grid is where it was, or failed. */
static void find_better(struct table *t)
{
    size_t n, best = 0, w = 0, here = grid_sheet_chosen(t->grid);
    const struct grid_sheet *sheets = grid_sheets(t->grid, &n);
    int known[MANY_SHEETS + 1] = {0}, several = 0;

    for (size_t k = 1; k <= MANY_SHEETS && here + k < n; k++) {
        if (!sheets[here + k].hidden && (known[k] = known_words(t, here + k)) <= FEW_WORDS)
            known[k] = 0;
        best = known[k] > known[best] ? k : best;
    }
    for (size_t k = 1; best && k <= MANY_SHEETS; k++) {
        const char *name = known[k] && 2 * known[k] >= known[best] ? sheets[here + k].name : NULL;
        if (name && ++several && w + strlen(name) + strlen("、") < sizeof(t->tables))
            w += (size_t)sprintf(t->tables + w, "%s%s", w ? "、" : "", name);
    }
    if (several < 2)
        t->tables[0] = 0;
    t->better = grid_choose(t->grid, here) && best ? here + best : 0;
}

static void note_beside(struct sheet *s, const struct layout *l)
{
    size_t left = l->beside - 1;

    while (left > 0 && !*l->columns[left].name)
        left--;
    snprintf(s->doubt, sizeof(s->doubt),
             _("two tables stand side by side: one ends with the column \"%.60s\", the other begins with "
               "\"%.60s\""),
             l->columns[left].name, l->columns[l->beside].name);
}

static bool read_layout(struct sheet *s, struct table *t, int header, int header_last)
{
    const struct layout *l = &t->layout;

    if (!layout_find(&t->layout, t->grid, header, header_last, s->why) || !name_columns(s, l))
        return false;
    note_sheets(s, t->grid);
    note_layout(s, l);
    if (l->beside)
        note_beside(s, l);
    s->unit = l->unit;
    s->area_unit = l->area_unit;
    return true;
}

static bool open_table(struct sheet *s, struct table *t, FILE *file, const struct sheet_options *o)
{
    struct grid_options go = {o->name, o->encoding, o->separator, o->sheet};

    t->all_rows = o->all_rows;
    if (!(t->grid = grid_open(file, &go, s->why)))
        return false;
    snprintf(s->encoding, sizeof(s->encoding), "%s", grid_encoding(t->grid));
    note_ending(s, t->grid, o->name);
    if (!read_layout(s, t, o->header, o->header_last))
        return false;
    if (!o->sheet && !o->header && t->layout.known < FEW_WORDS)
        find_better(t);
    return true;
}

static bool pass_over(struct sheet *s, void *state)
{
    struct table *t = state;
    size_t n, passed = grid_sheet_chosen(t->grid), better = t->better;
    const struct grid_sheet *sheets = grid_sheets(t->grid, &n);

    t->better = 0;
    if (!better)
        return false;
    sheet_forget(s);
    layout_free(&t->layout);
    t->counted = false;
    if (t->tables[0]) {
        sheet_fail(s,
                   _("sheet \"%s\" has no heading that is known, and several others have: name one with "
                     "--sheet: %s"),
                   sheets[passed].name, t->tables);
        return false;
    }
    if (!grid_choose(t->grid, better))
        sheet_fail(s, "%s", grid_why(t->grid));
    else if (read_layout(s, t, 0, 0)) {
        sheet_note(s, _("sheet \"%s\" is passed over: it has no heading that is known"), sheets[passed].name);
        return true;
    }
    return false;
}

static void close_grid(void *state)
{
    struct table *t = state;

    body_stop(&t->body);
    layout_free(&t->layout);
    grid_close(t->grid);
    free(t);
}

static void *open_grid(struct sheet *s, FILE *file, const struct sheet_options *o)
{
    struct table *t = calloc(1, sizeof(*t));

    if (!t) {
        fclose(file);
        sheet_fail(s, "%s", strerror(ENOMEM));
        return NULL;
    }
    if (open_table(s, t, file, o))
        return t;
    close_grid(t);
    return NULL;
}

static void rewind_grid(struct sheet *s, void *state)
{
    struct table *t = state;

    (void)s;
    grid_rewind(t->grid);
    body_stop(&t->body);
    body_start(&t->body, &t->layout, t->grid);
    t->hidden = t->unnamed = 0;
}

static const struct grid *grid_of(const void *state)
{
    const struct table *t = state;

    return t->grid;
}

const struct sheet_kind sheet_of_grid = {open_grid, close_grid, next_row, rewind_grid, grid_of, pass_over};
