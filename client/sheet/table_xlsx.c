/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as workbooks, by libxlsxwriter: each row goes to a file as it comes. */
#include "table_internal.h"

#include "utf8.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xlsxwriter.h>

#define MAX_TEXT    32767 /* characters of a cell; ours are counted in bytes, which is on the safe side */
#define MAX_DIGITS  15    /* that a spreadsheet's number holds for certain */
#define HEAD_FILL   0xDDEBF7
#define SUM_FILL    0xF2F2F2
#define GROUP_FILL  0xFFF2CC
#define NUMBER_WIDE 14
#define DATE_WIDE   12
#define TIME_WIDE   18
#define LINE_HIGH   15
#define MOST_HIGH   409
#define TEXT_WIDE   18
#define PAGE_WIDE   320 /* characters that can still be read when they share a page's width */

struct book {
    lxw_workbook *workbook;
    lxw_worksheet *sheet, *codes; /* codes: lists too long for a cell's own, hidden; or NULL */
    FILE *made;                   /* the file that libxlsxwriter writes: it wants a name, and to seek */
    lxw_format *title, *subtitle, *head, *required, *group;
    lxw_format *formats[TABLE_MAX_COLUMNS][4]; /* by enum table_row_kind */
    lxw_format *dates[4], *times[4], *texts[4];
    char text[MAX_TEXT + 16];
};

/* ---------------------------------------------------------------- texts */

/* _x0041_ would be read as A. */
static bool is_escape(const char *s)
{
    return s[0] == '_' && s[1] == 'x' && strspn(s + 2, "0123456789abcdefABCDEF") >= 4 && s[6] == '_';
}

/* One character fit for a cell, in at most UTF8_SHOWN bytes; moves *s on. */
static size_t put_character(const uint8_t **s, const uint8_t *end, char out[UTF8_SHOWN])
{
    const uint8_t *from = *s;
    size_t n = utf8_show_one(s, end, out), own = (size_t)(*s - from);

    if (*from != '\t' && *from != '\n' && !(utf8_valid(from, own) && utf8_unseen(utf8_next(&from, *s))))
        return n;
    memcpy(out, *s - own, own);
    return own;
}

/* Cut where a cell is full, which the last characters say. */
static const char *fit_text(struct book *b, const char *text)
{
    const uint8_t *s = (const uint8_t *)text, *end = s + strlen(text);
    size_t n = 0;

    while (s < end && n + UTF8_SHOWN + 8 < MAX_TEXT) {
        if (is_escape((const char *)s)) {
            n += (size_t)sprintf(b->text + n, "_x005F_");
            s++;
        } else {
            n += put_character(&s, end, b->text + n);
        }
    }
    strcpy(b->text + n, s < end ? "……" : "");
    return b->text;
}

/* At most 15 digits that count, and nothing but a decimal. */
static bool is_exact(const char *text)
{
    const char *p = text + (*text == '-'), *end;
    size_t whole = strspn(p, "0123456789"), n = 0;

    if (!whole || (whole > 1 && *p == '0'))
        return false;
    end = p + whole;
    if (*end == '.') {
        size_t fraction = strspn(end + 1, "0123456789");

        end += fraction ? fraction + 1 : 0;
    }
    if (*end)
        return false;
    for (; p[whole] && (end[-1] == '0' || end[-1] == '.') && end > p + whole; end--)
        ;
    for (p += strspn(p, "0."); p < end; p++) /* those before only place the others */
        n += *p != '.';
    return n <= MAX_DIGITS;
}

static bool read_date(const char *text, lxw_datetime *ret)
{
    int used = 0;

    *ret = (lxw_datetime){0};
    return sscanf(text, "%4d-%2d-%2d%n", &ret->year, &ret->month, &ret->day, &used) == 3 && used == 10 &&
           ret->year > 1900;
}

static bool read_time(const char *text, lxw_datetime *ret)
{
    int used = 0, n;

    if (!read_date(text, ret) || text[10] != ' ')
        return false;
    n = sscanf(text + 11, "%2d:%2d%n", &ret->hour, &ret->min, &used);
    return n == 2 && used == 5;
}

/* ---------------------------------------------------------------- the book */

static lxw_format *format(struct book *b, enum table_row_kind kind, const char *number)
{
    lxw_format *f = workbook_add_format(b->workbook);

    format_set_num_format(f, number);
    format_set_align(f, LXW_ALIGN_VERTICAL_CENTER);
    format_set_border(f, LXW_BORDER_HAIR);
    if (kind == TABLE_SUM) {
        format_set_bold(f);
        format_set_bg_color(f, SUM_FILL);
    } else if (kind == TABLE_EXAMPLE) {
        format_set_italic(f);
        format_set_font_color(f, LXW_COLOR_GRAY);
    }
    if (strcmp(number, "@") == 0)
        format_set_text_wrap(f);
    return f;
}

static const char *number_format(int decimals, char text[32])
{
    if (decimals < 0)
        return "General";
    snprintf(text, 32, "#,##0%s%.*s", decimals ? "." : "", decimals < 6 ? decimals : 6, "000000");
    return text;
}

static lxw_format *head_format(struct book *b)
{
    lxw_format *f = workbook_add_format(b->workbook);

    format_set_bold(f);
    format_set_text_wrap(f);
    format_set_align(f, LXW_ALIGN_CENTER);
    format_set_align(f, LXW_ALIGN_VERTICAL_CENTER);
    format_set_border(f, LXW_BORDER_THIN);
    format_set_bg_color(f, HEAD_FILL);
    return f;
}

static void make_formats(struct table *t, struct book *b)
{
    char number[32];

    b->title = workbook_add_format(b->workbook);
    format_set_bold(b->title);
    format_set_font_size(b->title, 16);
    format_set_align(b->title, LXW_ALIGN_CENTER);
    b->subtitle = workbook_add_format(b->workbook);
    format_set_align(b->subtitle, LXW_ALIGN_RIGHT);
    b->head = head_format(b);
    b->required = head_format(b);
    format_set_font_color(b->required, LXW_COLOR_RED);
    b->group = workbook_add_format(b->workbook);
    format_set_bold(b->group);
    format_set_border(b->group, LXW_BORDER_HAIR);
    format_set_bg_color(b->group, GROUP_FILL);
    for (int k = 0; k < 4; k++) {
        b->dates[k] = format(b, (enum table_row_kind)k, "yyyy-mm-dd");
        b->times[k] = format(b, (enum table_row_kind)k, "yyyy-mm-dd hh:mm");
        b->texts[k] = format(b, (enum table_row_kind)k, "@");
        for (size_t i = 0; i < t->layout->n_columns; i++)
            if (t->layout->columns[i].type == TABLE_NUMBER)
                b->formats[i][k] =
                    format(b, (enum table_row_kind)k, number_format(t->layout->columns[i].decimals, number));
    }
}

static lxw_format *format_of(const struct book *b, size_t column, enum table_row_kind kind,
                             enum table_type type)
{
    switch (type) {
    case TABLE_NUMBER:
        return b->formats[column][kind] ? b->formats[column][kind] : b->texts[kind];
    case TABLE_DATE:
        return b->dates[kind];
    case TABLE_TIME:
        return b->times[kind];
    default:
        return b->texts[kind];
    }
}

static double width_of(const struct table_column *c)
{
    static const double wide[] = {TEXT_WIDE, NUMBER_WIDE, DATE_WIDE, TIME_WIDE};

    return c->width > 0 ? c->width : wide[c->type];
}

static void lay_columns(struct table *t, struct book *b)
{
    double sum = 0;

    for (size_t i = 0; i < t->layout->n_columns; i++) {
        const struct table_column *c = &t->layout->columns[i];
        lxw_row_col_options options = {.hidden = c->hidden};

        worksheet_set_column_opt(b->sheet, (lxw_col_t)i, (lxw_col_t)i, width_of(c),
                                 format_of(b, i, TABLE_DATA, c->type), &options);
        sum += c->hidden ? 0 : width_of(c);
    }
    worksheet_set_landscape(b->sheet);
    worksheet_set_paper(b->sheet, 9); /* A4 */
    if (sum <= PAGE_WIDE)
        worksheet_fit_to_pages(b->sheet, 1, 0);
}

/* libxlsxwriter's own function writes the cells, too, into rows that are gone by then. */
static bool merge(struct book *b, size_t row, size_t to_row, size_t column, size_t to_column)
{
    lxw_merged_range *m;

    if (row == to_row && column == to_column)
        return true;
    if (!(m = calloc(1, sizeof *m)))
        return false;
    m->first_row = (lxw_row_t)row;
    m->last_row = (lxw_row_t)to_row;
    m->first_col = (lxw_col_t)column;
    m->last_col = (lxw_col_t)to_column;
    STAILQ_INSERT_TAIL(b->sheet->merged_ranges, m, list_pointers);
    b->sheet->merged_range_count++;
    return true;
}

static bool put_text(struct book *b, size_t row, size_t column, const char *text, lxw_format *f)
{
    lxw_error e =
        *text ? worksheet_write_string(b->sheet, (lxw_row_t)row, (lxw_col_t)column, fit_text(b, text), f)
              : worksheet_write_blank(b->sheet, (lxw_row_t)row, (lxw_col_t)column, f);

    return e == LXW_NO_ERROR;
}

/* The first column that is shown: what stands over all columns begins there. */
static size_t first_shown(const struct table *t)
{
    size_t i = 0;

    while (i + 1 < t->layout->n_columns && t->layout->columns[i].hidden)
        i++;
    return i;
}

static bool put_titles(struct table *t, struct book *b)
{
    size_t from = first_shown(t), to = t->layout->n_columns - 1;
    bool ok = true;

    for (size_t i = 0; i < t->layout->n_titles; i++) {
        lxw_format *f = i == 0 ? b->title : b->subtitle;

        worksheet_set_row(b->sheet, (lxw_row_t)t->rows, i == 0 ? 30 : 18, NULL);
        for (size_t k = 0; k <= to; k++)
            ok &= put_text(b, t->rows, k, k == from ? t->layout->titles[i] : "", f);
        ok &= merge(b, t->rows, t->rows, from, to);
        t->rows++;
    }
    return ok;
}

/* Up to which column the headings from the top down to this level are the same. */
static size_t same_until(const struct table *t, size_t column, int level)
{
    size_t to = column;

    while (to + 1 < t->layout->n_columns && level + 1 < t->levels &&
           t->layout->columns[to + 1].hidden == t->layout->columns[column].hidden) {
        for (int k = 0; k <= level; k++)
            if (strcmp(table_heading(t, to + 1, k), table_heading(t, column, k)) != 0)
                return to;
        to++;
    }
    return to;
}

/* One whose heading has nothing below it reaches down to the data. */
static bool ends_here(const struct table *t, size_t column, int level)
{
    return level + 1 < t->levels && !*table_heading(t, column, level + 1);
}

static bool merge_headings(struct table *t, struct book *b, int level, size_t top)
{
    size_t last = top + (size_t)t->levels - 1;
    bool ok = true;

    for (size_t i = 0, to; i < t->layout->n_columns; i = to + 1) {
        to = same_until(t, i, level);
        if (!*table_heading(t, i, level))
            continue;
        if (ends_here(t, i, level))
            ok &= merge(b, top + (size_t)level, last, i, to = i);
        else
            ok &= merge(b, top + (size_t)level, top + (size_t)level, i, to);
    }
    return ok;
}

static bool put_headings(struct table *t, struct book *b)
{
    size_t top = t->rows, last = top + (size_t)t->levels - 1;
    bool ok = true;

    for (int level = 0; level < t->levels; level++, t->rows++) {
        for (size_t i = 0; i < t->layout->n_columns; i++)
            ok &= put_text(b, t->rows, i, table_heading(t, i, level),
                           t->layout->columns[i].required ? b->required : b->head);
        ok &= merge_headings(t, b, level, top);
    }
    worksheet_freeze_panes(b->sheet, (lxw_row_t)(last + 1), 0);
    worksheet_repeat_rows(b->sheet, (lxw_row_t)top, (lxw_row_t)last);
    return ok;
}

/* ---------------------------------------------------------------- what people may fill in */

#define LIST_BYTES                                                                                           \
    255 /* of a list inside its cell, commas counted; a spreadsheet counts characters, we bytes */

static bool is_long(const struct table_column *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_choices; i++)
        n += strlen(c->choices[i]) + 1;
    return n > LIST_BYTES;
}

/* Long lists stand side by side on a sheet of their own, row by row as they are written. */
static void put_codes(struct table *t, struct book *b)
{
    size_t most = 0;

    for (size_t i = 0; i < t->layout->n_columns; i++)
        if (is_long(&t->layout->columns[i]) && t->layout->columns[i].n_choices > most)
            most = t->layout->columns[i].n_choices;
    if (!most || !(b->codes = workbook_add_worksheet(b->workbook, "codes")))
        return;
    worksheet_hide(b->codes);
    for (size_t row = 0; row < most; row++)
        for (size_t i = 0; i < t->layout->n_columns; i++) {
            const struct table_column *c = &t->layout->columns[i];

            if (is_long(c) && row < c->n_choices)
                worksheet_write_string(b->codes, (lxw_row_t)row, (lxw_col_t)i, fit_text(b, c->choices[row]),
                                       NULL);
        }
}

static void check_column(struct table *t, struct book *b, size_t i, lxw_data_validation *v)
{
    const struct table_column *c = &t->layout->columns[i];
    char formula[200], column[8];

    v->ignore_blank = v->show_error = v->dropdown = LXW_VALIDATION_ON;
    v->error_type = c->closed ? LXW_VALIDATION_ERROR_TYPE_STOP : LXW_VALIDATION_ERROR_TYPE_WARNING;
    if (c->n_choices && is_long(c)) {
        lxw_col_to_name(column, (lxw_col_t)i, LXW_TRUE);
        snprintf(formula, sizeof formula, "=codes!%s$1:%s$%zu", column, column, c->n_choices);
        v->validate = LXW_VALIDATION_TYPE_LIST_FORMULA;
    } else if (c->n_choices) {
        v->validate = LXW_VALIDATION_TYPE_LIST;
        v->value_list = (char **)(uintptr_t)c->choices; /* ends with NULL */
    } else if (c->type == TABLE_DATE) {
        /* a day, or a text that begins with a year: a month is as exact as it is known */
        lxw_rowcol_to_cell(column, (lxw_row_t)t->rows, (lxw_col_t)i);
        snprintf(formula, sizeof formula,
                 "=OR(AND(ISNUMBER(%s),%s>18264,%s<73416),AND(ISTEXT(%s),ISNUMBER(VALUE(LEFT(%s,4)))))",
                 column, column, column, column, column);
        v->validate = LXW_VALIDATION_TYPE_CUSTOM_FORMULA;
    } else {
        v->validate = LXW_VALIDATION_TYPE_DECIMAL;
        v->criteria = LXW_VALIDATION_CRITERIA_GREATER_THAN_OR_EQUAL_TO;
        v->value_number = 0;
    }
    if (v->validate == LXW_VALIDATION_TYPE_LIST_FORMULA || v->validate == LXW_VALIDATION_TYPE_CUSTOM_FORMULA)
        v->value_formula = formula;
    worksheet_data_validation_range(b->sheet, (lxw_row_t)t->rows, (lxw_col_t)i, TABLE_MAX_ROWS - 1,
                                    (lxw_col_t)i, v);
}

static void add_help(struct table *t, struct book *b)
{
    put_codes(t, b);
    for (size_t i = 0; i < t->layout->n_columns; i++) {
        const struct table_column *c = &t->layout->columns[i];
        lxw_data_validation v = {0};
        lxw_comment_options note = {.author = (char *)(uintptr_t) "Qipan", .width = 220, .height = 90};

        if (c->note)
            worksheet_write_comment_opt(b->sheet, (lxw_row_t)(t->rows - 1), (lxw_col_t)i, c->note, &note);
        if (c->n_choices || (c->checked && c->type != TABLE_TEXT && c->type != TABLE_TIME))
            check_column(t, b, i, &v);
    }
}

/* ---------------------------------------------------------------- the beginning */

/* What an import is told: a text may hold 255 characters. */
static void say(struct book *b, const char *name, const char *text)
{
    char formula[TABLE_SAID + 4];

    snprintf(formula, sizeof formula, "=\"%.*s\"", TABLE_SAID, text);
    workbook_define_name(b->workbook, name, formula);
}

static bool open_sheet(struct table *t, struct book *b)
{
    char path[40];
    lxw_workbook_options options = {.constant_memory = 1, .tmpdir = getenv("TMPDIR"), .use_zip64 = 1};

    if (!(b->made = lxw_tmpfile(options.tmpdir)))
        return false;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(b->made));
    if (!(b->workbook = workbook_new_opt(path, &options)) ||
        !(b->sheet = workbook_add_worksheet(b->workbook, t->layout->sheet)))
        return false;
    make_formats(t, b);
    lay_columns(t, b);
    if (t->layout->kind)
        say(b, "qipan.kind", t->layout->kind);
    if (t->layout->made)
        say(b, "qipan.made", t->layout->made);
    if (!put_titles(t, b) || !put_headings(t, b))
        return false;
    add_help(t, b);
    return true;
}

bool table_xlsx_open(struct table *t)
{
    struct book *b = t->book = calloc(1, sizeof *b);

    errno = 0;
    if (b && open_sheet(t, b))
        return true;
    errno = errno ? errno : ENOMEM;
    return false;
}

/* ---------------------------------------------------------------- rows */

static bool put_cell(struct table *t, size_t column, enum table_row_kind kind, const char *text,
                     enum table_type type)
{
    struct book *b = t->book;
    lxw_format *f = format_of(b, column, kind, type);
    lxw_row_t row = (lxw_row_t)t->rows;
    lxw_col_t col = (lxw_col_t)column;
    lxw_datetime at;

    if (!text || !*text)
        return kind == TABLE_DATA || put_text(b, row, col, "", f);
    if (type == TABLE_NUMBER && is_exact(text))
        return worksheet_write_number(b->sheet, row, col, strtod(text, NULL), f) == LXW_NO_ERROR;
    if (type == TABLE_DATE ? read_date(text, &at) && !text[10] : type == TABLE_TIME && read_time(text, &at))
        return worksheet_write_datetime(b->sheet, row, col, &at, f) == LXW_NO_ERROR;
    return put_text(b, row, col, text, b->texts[kind]);
}

static bool put_group(struct table *t, const char *const *cells)
{
    struct book *b = t->book;
    size_t from = first_shown(t), n = t->layout->n_columns, i = 0;
    bool ok = true;

    while (i + 1 < n && !(cells[i] && *cells[i]))
        i++;
    for (size_t k = from; k < n; k++)
        ok &= put_text(b, t->rows, k, k == from && cells[i] ? cells[i] : "", b->group);
    return ok && merge(b, t->rows, t->rows, from, n - 1);
}

/* Not every program makes a row as high as its lines ask for. */
static void set_height(struct table *t, const char *const *cells)
{
    struct book *b = t->book;
    int most = 1;

    for (size_t i = 0; i < t->layout->n_columns; i++) {
        int lines = 1;

        for (const char *p = cells[i]; p && (p = strchr(p, '\n')); p++)
            lines++;
        most = lines > most ? lines : most;
    }
    if (most > 1)
        worksheet_set_row(b->sheet, (lxw_row_t)t->rows, most < 27 ? most * LINE_HIGH : MOST_HIGH, NULL);
}

bool table_xlsx_row(struct table *t, enum table_row_kind kind, const char *const *cells,
                    const enum table_type *types)
{
    struct book *b = t->book;
    bool ok = true;

    errno = 0;
    if (t->rows >= TABLE_MAX_ROWS) {
        errno = EFBIG;
        return false;
    }
    set_height(t, cells);
    if (kind == TABLE_GROUP)
        ok = put_group(t, cells);
    for (size_t i = 0; kind != TABLE_GROUP && i < t->layout->n_columns; i++)
        ok &= put_cell(t, i, kind, cells[i], types ? types[i] : t->layout->columns[i].type);
    t->rows++;
    if (ok && !ferror(b->sheet->optimize_tmpfile))
        return true;
    errno = errno ? errno : ENOSPC;
    return false;
}

/* ---------------------------------------------------------------- the end */

static bool copy_out(struct book *b, FILE *to)
{
    char block[65536];
    size_t n;

    rewind(b->made);
    while ((n = fread(block, 1, sizeof block, b->made)) > 0)
        if (fwrite(block, 1, n, to) != n)
            return false;
    return !ferror(b->made);
}

/* An autofilter over the lowest headings, if there is anything to filter. */
static void add_filter(struct table *t, struct book *b)
{
    size_t head = t->layout->n_titles + (size_t)t->levels - 1;

    if (t->rows > head + 1)
        worksheet_autofilter(b->sheet, (lxw_row_t)head, 0, (lxw_row_t)(t->rows - 1),
                             (lxw_col_t)(t->layout->n_columns - 1));
}

bool table_xlsx_close(struct table *t, bool write)
{
    struct book *b = t->book;
    bool ok = true;

    if (!b)
        return false;
    errno = 0;
    if (write && b->sheet) {
        add_filter(t, b);
        ok = fflush(b->sheet->optimize_tmpfile) == 0 && !ferror(b->sheet->optimize_tmpfile);
    }
    if (b->workbook)
        ok = (write ? workbook_close(b->workbook) == LXW_NO_ERROR : (lxw_workbook_free(b->workbook), true)) &&
             ok;
    ok = ok && (!write || copy_out(b, t->to));
    if (!ok && !errno)
        errno = ENOSPC;
    if (b->made)
        fclose(b->made);
    free(b);
    return ok;
}
