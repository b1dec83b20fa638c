/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_rows.h"

#include "broken.h"
#include "xlsx_number.h"
#include "xlsx_outline.h"
#include "xlsx_xml.h"

#include <errno.h>
#include <libintl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

#define MAX_ROW_TEXT ((size_t)1 << 20)
#define MAX_FORMULA  512                             /* bytes shown of one that has no value */
#define MAX_BLANK    ((unsigned long long)256 << 20) /* bytes of rows that hold nothing but colours and lines */
#define OUT_OF_RANGE "########"                      /* what spreadsheets show */

enum cell_kind { NUMBER, SHARED, TEXT, BOOL, ERROR, ISO_DATE };

struct xlsx_rows {
    const struct xlsx_source *from;
    struct xlsx_xml *xml;
    unsigned long long content_at; /* bytes of the part until the last row that held anything */

    int number; /* of the row, 0 before the first */
    bool hidden, ready;
    size_t n;
    struct grid_cell cells[GRID_MAX_COLUMNS];
    const struct grid_format *formats[GRID_MAX_COLUMNS];
    char *text; /* of the row's cells */
    size_t n_text;
    bool bad;
    int bad_column;
    struct broken broken;

    int column; /* of the cell, -1 before the first of the row */
    enum cell_kind kind;
    size_t style;
    bool has_value, has_formula;
    char formula[MAX_FORMULA + 2];
};

enum { SHEET = 1, DATA, ROW, CELL, VALUE, FORMULA, INLINE, PIECE, RUN };

static const struct xlsx_step steps[] = {{CELL, "v", VALUE, true},
                                         {ROW, "c", CELL, false},
                                         {CELL, "f", FORMULA, true},
                                         {DATA, "row", ROW, false},
                                         {CELL, "is", INLINE, false},
                                         {INLINE, "t", PIECE, true},
                                         {INLINE, "r", RUN, false},
                                         {RUN, "t", PIECE, true},
                                         {SHEET, "sheetData", DATA, false},
                                         {0, "worksheet", SHEET, false},
                                         {0}};

/* ---------------------------------------------------------------- cells into the row */

static void spoil_row(struct xlsx_rows *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The row is told with a reason, the others go on. */
static void spoil_row(struct xlsx_rows *r, const char *format, ...)
{
    char why[GRID_WHY_SIZE];
    va_list ap;

    if (r->bad)
        return;
    va_start(ap, format);
    vsnprintf(why, sizeof(why), format, ap);
    va_end(ap);
    broken_set(&r->broken, r->xml->text, r->xml->n_text, "%s", why);
    r->bad = true;
    r->bad_column = r->column;
}

/* Where a text of n bytes may stand; NULL when the row has no place for it. */
static char *make_cell(struct xlsx_rows *r, size_t n)
{
    char name[16];

    if (r->column >= GRID_MAX_COLUMNS) {
        xlsx_xml_fail(r->xml,
                      _("%s holds something, but only %d columns are read: delete what stands right of them"),
                      xlsx_cell_name(r->number, r->column, name), GRID_MAX_COLUMNS);
        return NULL;
    }
    if (r->n_text + n + 1 > MAX_ROW_TEXT) {
        spoil_row(r, _("the row holds more than %zu bytes of text"), MAX_ROW_TEXT);
        return NULL;
    }
    return r->text + r->n_text;
}

static struct xlsx_style style_of(const struct xlsx_rows *r)
{
    return r->style < r->from->styles->n ? r->from->styles->styles[r->style] : (struct xlsx_style){0};
}

static void keep_cell(struct xlsx_rows *r, enum grid_type type, size_t n)
{
    char *text = r->text + r->n_text;

    while (r->n < (size_t)r->column) {
        r->formats[r->n] = NULL;
        r->cells[r->n++] = (struct grid_cell){"", GRID_EMPTY};
    }
    text[n] = 0;
    r->n_text += n + 1;
    r->formats[r->n] = type == GRID_NUMBER ? style_of(r).format : NULL;
    r->cells[r->n++] = (struct grid_cell){text, type};
}

static void add_cell(struct xlsx_rows *r, enum grid_type type, const char *text, size_t n)
{
    char *to = n ? make_cell(r, n) : NULL;

    if (!to)
        return;
    memcpy(to, text, n);
    keep_cell(r, type, n);
}

static void add_shared(struct xlsx_rows *r)
{
    const char *text = xlsx_text(r->xml), *p = text;
    char name[16], why[GRID_WHY_SIZE];
    size_t i = 0;

    while (*p >= '0' && *p <= '9' && i < r->from->strings->n)
        i = i * 10 + (size_t)(*p++ - '0');
    if (*p || p == text || i >= r->from->strings->n) {
        xlsx_xml_fail(r->xml, _("the workbook is damaged: %s means text %.20s of %zu"),
                      xlsx_cell_name(r->number, r->column, name), text, r->from->strings->n);
        return;
    }
    size_t room = MAX_ROW_TEXT - r->n_text - 1;
    long n = xlsx_strings_get(r->from->strings, i, r->text + r->n_text, room, why);
    if (n < 0)
        xlsx_xml_fail(r->xml, "%s", why);
    else if (n > 0 && make_cell(r, (size_t)n))
        keep_cell(r, GRID_TEXT, (size_t)n);
}

static void add_number(struct xlsx_rows *r)
{
    unsigned shows = style_of(r).shows;
    char number[XLSX_NUMBER_SIZE], date[32];
    const char *text = xlsx_text(r->xml);

    if (!xlsx_number(text, number))
        spoil_row(r, _("%.40s is not a number, but the workbook says it is one"), text);
    else if (!shows)
        add_cell(r, GRID_NUMBER, number, strlen(number));
    else if (xlsx_date(number, shows, r->from->since_1904, date))
        add_cell(r, GRID_DATE, date, strlen(date));
    else
        add_cell(r, GRID_ERROR, OUT_OF_RANGE, strlen(OUT_OF_RANGE));
}

static void add_iso_date(struct xlsx_rows *r)
{
    char date[32];

    if (xlsx_date_iso(xlsx_text(r->xml), date))
        add_cell(r, GRID_DATE, date, strlen(date));
    else
        spoil_row(r, _("%.40s is not a date, but the workbook says it is one"), xlsx_text(r->xml));
}

/* A value that is only blanks is none, except of a text. */
static bool is_blank(struct xlsx_rows *r)
{
    const char *text = xlsx_text(r->xml);

    return r->xml->n_text == 0 || (r->kind != TEXT && *text <= ' ' && text[strspn(text, " \t\r\n")] == 0);
}

static void add_value(struct xlsx_rows *r)
{
    struct xlsx_xml *x = r->xml;

    switch (r->kind) {
    case SHARED:
        add_shared(r);
        break;
    case TEXT:
        x->n_text = xlsx_unescape(x->text, x->n_text);
        add_cell(r, GRID_TEXT, x->text, x->n_text);
        break;
    case BOOL:
        add_cell(r, GRID_BOOL, xlsx_true(xlsx_text(x)) ? "true" : "false", xlsx_true(xlsx_text(x)) ? 4 : 5);
        break;
    case ERROR:
        add_cell(r, GRID_ERROR, x->text, x->n_text);
        break;
    case ISO_DATE:
        add_iso_date(r);
        break;
    case NUMBER:
        add_number(r);
        break;
    }
}

static void finish_cell(struct xlsx_rows *r)
{
    if (r->bad)
        return;
    if (r->has_value && !is_blank(r))
        add_value(r);
    else if (r->has_formula && !(r->has_value && r->kind == TEXT))
        add_cell(r, GRID_NO_VALUE, r->formula, strlen(r->formula));
}

/* ---------------------------------------------------------------- elements */

static enum cell_kind kind_of(const char *t)
{
    static const struct {
        const char *name;
        enum cell_kind kind;
    } kinds[] = {{"s", SHARED}, {"n", NUMBER}, {"str", TEXT},  {"inlineStr", TEXT},
                 {"b", BOOL},   {"e", ERROR},  {"d", ISO_DATE}};

    for (size_t i = 0; t && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(t, kinds[i].name))
            return kinds[i].kind;
    return NUMBER;
}

static void begin_row(struct xlsx_rows *r, const char *const *attributes)
{
    const char *at = xlsx_attribute(attributes, "r");
    char *end = NULL;
    long number = at ? strtol(at, &end, 10) : r->number + 1L;

    if (number <= r->number || number > XLSX_MAX_ROW || (end && (*end || end == at))) {
        xlsx_xml_fail(r->xml, _("the workbook is damaged: row %.20s follows row %d"), at ? at : "?",
                      r->number);
        return;
    }
    if (r->xml->fed - r->content_at > MAX_BLANK)
        xlsx_xml_fail(r->xml, _("the sheet has too many empty rows before row %ld: delete them"), number);
    r->number = (int)number;
    r->hidden = xlsx_true(xlsx_attribute(attributes, "hidden"));
    r->n = r->n_text = 0;
    r->bad = false;
    r->column = -1;
}

static void begin_cell(struct xlsx_rows *r, const char *const *attributes)
{
    const char *at = NULL, *type = NULL, *style = NULL;
    int row = r->number, column = r->column + 1;

    for (; *attributes; attributes += 2) { /* hot: no look-ups by name */
        const char *name = attributes[0];
        if (name[0] && name[1])
            continue;
        if (name[0] == 'r')
            at = attributes[1];
        else if (name[0] == 't')
            type = attributes[1];
        else if (name[0] == 's')
            style = attributes[1];
    }
    const char *end = at ? xlsx_cell_read(at, &row, &column) : "";
    if (!end || *end || row != r->number || column <= r->column) {
        char last[16];
        xlsx_xml_fail(r->xml, _("the workbook is damaged: cell %.20s stands in row %d behind %s"),
                      at ? at : "?", r->number,
                      r->column < 0 ? "-" : xlsx_cell_name(r->number, r->column, last));
        return;
    }
    r->column = column;
    r->kind = kind_of(type);
    r->style = style ? strtoul(style, NULL, 10) : 0;
    r->has_value = r->has_formula = false;
    r->formula[0] = 0;
}

static void on_enter(struct xlsx_xml *x, int place, const char *const *attributes)
{
    struct xlsx_rows *r = x->how.owner;

    if (place == CELL)
        begin_cell(r, attributes);
    else if (place == ROW)
        begin_row(r, attributes);
    else if (place == VALUE || place == FORMULA || place == INLINE)
        x->n_text = 0;
}

/* "=…", cut at a whole character. */
static void keep_formula(struct xlsx_rows *r)
{
    const char *text = xlsx_text(r->xml);
    size_t n = r->xml->n_text < MAX_FORMULA ? r->xml->n_text : MAX_FORMULA;

    while (n && ((unsigned char)text[n] & 0xC0) == 0x80)
        n--;
    r->formula[0] = '=';
    memcpy(r->formula + 1, text, n);
    r->formula[n + 1] = 0;
    r->has_formula = true;
    r->xml->n_text = 0;
}

static void on_leave(struct xlsx_xml *x, int place)
{
    struct xlsx_rows *r = x->how.owner;

    if (place == CELL)
        finish_cell(r);
    else if (place == FORMULA)
        keep_formula(r);
    else if (place == VALUE || place == INLINE)
        r->has_value = true;
    else if (place == ROW && (r->n || r->bad)) {
        r->content_at = x->fed;
        r->ready = true;
        xlsx_xml_pause(x);
    }
}

/* ---------------------------------------------------------------- reading */

struct xlsx_rows *xlsx_rows_open(const struct xlsx_source *from, char *why)
{
    struct xlsx_rows *r = calloc(1, sizeof(*r));
    struct xlsx_reading how = {.owner = r, .steps = steps, .enter = on_enter, .leave = on_leave, .why = why};

    if (!r || !(r->text = malloc(MAX_ROW_TEXT))) {
        xlsx_fail(why, "%s", strerror(ENOMEM));
    } else {
        r->from = from;
        if ((r->xml = xlsx_xml_new(&how)) && xlsx_rows_rewind(r))
            return r;
    }
    xlsx_rows_close(r);
    return NULL;
}

void xlsx_rows_close(struct xlsx_rows *r)
{
    if (!r)
        return;
    xlsx_xml_free(r->xml);
    free(r->text);
    free(r);
}

bool xlsx_rows_rewind(struct xlsx_rows *r)
{
    r->number = 0;
    r->content_at = 0;
    r->ready = false;
    return xlsx_xml_open(r->xml, r->from->zip, r->from->part);
}

enum grid_result xlsx_rows_next(struct xlsx_rows *r, struct grid_row *ret_row)
{
    r->ready = false;
    enum xlsx_read got = xlsx_xml_read(r->xml);
    if (got == XLSX_FAILED)
        return GRID_FAILED;
    if (!r->ready)
        return GRID_END;
    *ret_row = (struct grid_row){.number = r->number, .hidden = r->hidden};
    if (r->bad) {
        ret_row->bad = r->broken.why;
        ret_row->bad_text = r->broken.text;
        ret_row->bad_column = r->bad_column;
    } else {
        ret_row->n = r->n;
        ret_row->cells = r->cells;
        ret_row->formats = r->formats;
    }
    return GRID_ROW;
}
