/* SPDX-License-Identifier: Apache-2.0 */
#include "layout.h"

#include "form.h"
#include "headers.h"
#include "scan.h"

#include <errno.h>
#include <libintl.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

#define NAME_SIZE   (SCAN_TEXT + 64)
#define LONG_HEADER 120 /* bytes; longer texts are contents */
#define FAR_HEADER  20  /* a header given by hand below this row is looked for without what stands above */

struct block {
    int first, last; /* indices of scan rows */
};

static const struct scan_cell *cell(const struct scan *s, int row, size_t column)
{
    return &s->rows[row].cells[column];
}

static bool stands(const struct scan_cell *c)
{
    return c->place == SCAN_OWN && c->key[0];
}

static bool follows(const struct scan *s, int row)
{
    return row > 0 && row < s->n && !s->rows[row].bad && !s->rows[row - 1].bad &&
           s->rows[row].number == s->rows[row - 1].number + 1;
}

/* ---------------------------------------------------------------- which row */

static bool occurs_before(const struct scan *s, int row, size_t column)
{
    for (size_t i = 0; i < column; i++)
        if (stands(cell(s, row, i)) && !strcmp(cell(s, row, i)->key, cell(s, row, column)->key))
            return true;
    return false;
}

bool layout_is_header(const char *text)
{
    char key[FORM_KEY];

    strcpy(key, text);
    form_cut_marks(key);
    if (headers_known(key))
        return true;
    return (form_cut_unit(key) || form_cut_brackets(key)) && headers_known(key);
}

/* +1 for a short text that isn't there twice, +3 more when it is known, -2 for a figure. */
static int cell_score(const struct scan *s, int row, size_t column)
{
    const struct scan_cell *c = cell(s, row, column);

    if (!stands(c))
        return 0;
    if (form_is_figure(c->key))
        return -2;
    if (strlen(c->key) > LONG_HEADER || occurs_before(s, row, column))
        return 0;
    return layout_is_header(c->key) ? 4 : 1;
}

/* Is it a row of sums? 合计 stands first; further right it names a column. */
static bool is_sums(const struct scan *s, int row)
{
    bool whole;

    for (size_t i = 0; i < s->width; i++)
        if (stands(cell(s, row, i)))
            return form_is_sum(cell(s, row, i)->key, &whole) && whole;
    return false;
}

/* A title, a line about the table (单位:万元) or a row of sums is no row of a header. */
static bool may_be_header(const struct scan *s, int row)
{
    if (s->rows[row].bad || s->rows[row].filled == 0 || (s->rows[row].filled == 1 && s->width > 1) ||
        is_sums(s, row))
        return false;
    for (size_t i = 0; i < s->width; i++)
        if (stands(cell(s, row, i)) && form_is_remark(cell(s, row, i)->key))
            return false;
    return true;
}

static int row_score(const struct scan *s, int row)
{
    int score = 0;

    for (size_t i = 0; may_be_header(s, row) && i < s->width; i++)
        score += cell_score(s, row, i);
    return score;
}

static int known_cells(const struct scan *s, int row)
{
    int n = 0;

    for (size_t i = 0; i < s->width; i++)
        n += cell_score(s, row, i) > 1;
    return n;
}

static bool has_text(const struct scan *s, int row)
{
    for (size_t i = 0; i < s->width; i++)
        if (stands(cell(s, row, i)) && !form_is_figure(cell(s, row, i)->key))
            return true;
    return false;
}

/* Of a sheet without words that are known: the first row that is more than half full, unless figures are all it has. */
static int first_full_row(const struct scan *s)
{
    int most = 0;

    for (int i = 0; i < s->n; i++)
        most = s->rows[i].filled > most ? s->rows[i].filled : most;
    for (int i = 0; i < s->n; i++)
        if (may_be_header(s, i) && s->rows[i].filled * 2 > most)
            return has_text(s, i) ? i : 0;
    return 0;
}

/* The first row with at least half of the best score: rows of data may be fuller than the header, not earlier. */
static int choose_row(const struct scan *s)
{
    int best = 0, scores[SCAN_ROWS] = {0};

    for (int i = 0; i < s->n; i++) {
        scores[i] = row_score(s, i);
        best = scores[i] > scores[best] ? i : best;
    }
    if (scores[best] <= 0 || known_cells(s, best) < 2)
        return first_full_row(s);
    for (int i = 0; i < best; i++)
        if (2 * scores[i] >= scores[best])
            return i;
    return best;
}

/* ---------------------------------------------------------------- rows above and below */

/* Column behind those that the text at `column` stands above: up to the next text, at most the width. */
static size_t span_end(const struct scan *s, int row, size_t column)
{
    const struct scan_cell *c = cell(s, row, column);
    size_t end = column + (size_t)c->across;

    for (; c->across == 1 && end < s->width && !cell(s, row, end)->key[0]; end++)
        continue;
    return end < s->width ? end : s->width;
}

static bool text_between(const struct scan *s, int above, int last, size_t from, size_t to)
{
    for (int r = above + 1; r <= last; r++)
        for (size_t i = from; i < to; i++)
            if (stands(cell(s, r, i)))
                return true;
    return false;
}

/* Does the row give names to groups of columns of the rows below? At least two of them, or one merged over some. */
static bool is_above(const struct scan *s, int row, int last)
{
    bool some = s->rows[row].filled > 1;

    if (!follows(s, row + 1) || s->rows[row].filled == 0)
        return false;
    for (size_t i = 0; i < s->width; i++) {
        const struct scan_cell *c = cell(s, row, i);
        if (!stands(c))
            continue;
        if (form_is_figure(c->key) || form_is_remark(c->key) || form_is_unit(c->key) ||
            strlen(c->key) > LONG_HEADER)
            return false;
        if (c->down == 1 && !text_between(s, row, last, i, span_end(s, row, i)))
            return false;
        some |= c->across > 1 && (size_t)c->across * 5 < s->width * 4;
    }
    return some;
}

/* Last row that a merge of the block reaches. */
static int reach(const struct scan *s, const struct block *b)
{
    int last = b->last;

    for (int r = b->first; r <= b->last; r++)
        for (size_t i = 0; i < s->width; i++)
            if (cell(s, r, i)->place == SCAN_OWN && cell(s, r, i)->key[0])
                while (last + 1 < s->n && s->rows[last + 1].number < s->rows[r].number + cell(s, r, i)->down)
                    last++;
    return last;
}

/* May the cell below this one divide it? It is empty, or the next one is and has a text below, too. */
static bool is_divided(const struct scan *s, int row, size_t column)
{
    const struct scan_cell *c = cell(s, row, column);

    return !c->key[0] || c->across > 1 ||
           (column + 1 < s->width && !cell(s, row, column + 1)->key[0] &&
            stands(cell(s, row + 1, column + 1)));
}

/* Does the row only divide columns of the row above it? */
static bool is_below(const struct scan *s, int row)
{
    bool under_blank = false;

    if (!follows(s, row) || s->rows[row].filled == 0 || is_sums(s, row))
        return false;
    for (size_t i = 0; i < s->width; i++) {
        const struct scan_cell *c = cell(s, row, i);
        if (!stands(c))
            continue;
        if (form_is_figure(c->key) || strlen(c->key) > LONG_HEADER || !is_divided(s, row - 1, i))
            return false;
        under_blank |= !stands(cell(s, row - 1, i));
    }
    return under_blank && cell(s, row - 1, 0)->key[0];
}

static struct block find_block(const struct scan *s)
{
    struct block b = {choose_row(s), 0};
    bool more = true;

    b.last = b.first;
    if (s->rows[b.first].bad)
        return b;
    while (b.first > 0 && b.last - b.first + 1 < LAYOUT_LEVELS && is_above(s, b.first - 1, b.last))
        b.first--;
    while (more && b.last - b.first + 1 < LAYOUT_LEVELS) {
        int last = reach(s, &b);
        last = last > b.last ? last : b.last + is_below(s, b.last + 1);
        more = last > b.last;
        b.last = last;
    }
    if (b.last - b.first + 1 > LAYOUT_LEVELS)
        b.last = b.first + LAYOUT_LEVELS - 1;
    return b;
}

/* A row of units: 万元 亩 个, with dashes where there is none. */
static bool is_units(const struct scan *s, int row)
{
    static const char *const dashes[] = {"-", "--", "—", "——", "/"};
    bool some = false;

    for (size_t i = 0; follows(s, row) && i < s->width; i++) {
        const char *key = cell(s, row, i)->key;
        bool unit = form_is_unit(key), dash = false;
        for (size_t k = 0; k < sizeof(dashes) / sizeof(dashes[0]); k++)
            dash |= !strcmp(key, dashes[k]);
        if (stands(cell(s, row, i)) && !unit && !dash)
            return false;
        some |= unit && stands(cell(s, row, i));
    }
    return some;
}

/* A row that says how to fill the columns: 必填 格式:…. */
static bool is_advice(const struct scan *s, int row)
{
    bool some = false;

    for (size_t i = 0; follows(s, row) && i < s->width; i++) {
        const char *key = cell(s, row, i)->key;
        bool advice = form_is_advice(key);
        if (stands(cell(s, row, i)) && !advice && !form_is_unit(key))
            return false;
        some |= advice;
    }
    return some;
}

/* A row that numbers the columns: 1 2 3 4, 甲 1 2 3 4, 甲 乙 1 2, 甲 乙 丙 1. */
static bool is_numbers(const struct scan *s, int row)
{
    static const char order[] = "甲乙丙丁戊ABCDE";
    int letters = 0, n = 0;

    for (size_t i = 0; follows(s, row) && i < s->width; i++) {
        const char *key = cell(s, row, i)->key;
        if (!stands(cell(s, row, i)))
            continue;
        if (n == 0 && strlen(key) <= 3 && strstr(order, key))
            letters++;
        else if (atoi(key) != ++n || key[strspn(key, "0123456789")])
            return false;
    }
    return n > 3 || (n > 1 && letters > 1) || (n > 0 && letters > 2);
}

/* ---------------------------------------------------------------- names */

/* The text above a column in a row of the header, "" when there is none or it stands further up. */
static const char *level_text(const struct scan *s, const struct block *b, int row, size_t column)
{
    const struct scan_cell *c = cell(s, row, column);

    if (c->place == SCAN_DOWN)
        return "";
    if (c->key[0] || row == b->last || !text_between(s, row, b->last, column, column + 1))
        return c->text;
    /* Not merged, but left empty beside the text that is meant: that one has something below it, too. */
    for (size_t i = column; i-- > 0;) {
        c = cell(s, row, i);
        if (c->key[0] || c->place != SCAN_OWN)
            return c->place == SCAN_OWN && c->across == 1 && text_between(s, row, b->last, i, i + 1) ? c->text
                                                                                                     : "";
    }
    return "";
}

static bool same_key(const char *a, const char *b)
{
    char x[FORM_KEY], y[FORM_KEY];

    form_key(a, x, sizeof(x));
    form_key(b, y, sizeof(y));
    return !strcmp(x, y);
}

/* A unit goes into brackets behind what it is the unit of. */
static void append(char name[NAME_SIZE], const char *text)
{
    const char *format = LAYOUT_SEPARATOR "%s";
    char key[FORM_KEY];
    size_t n = strlen(name);

    form_key(text, key, sizeof(key));
    if (form_is_unit(key))
        format = key[0] == '(' ? "%s" : "(%s)";
    snprintf(name + n, NAME_SIZE - n, n ? format : "%s", text);
}

/* The unit that stands below the header: alone, or in advice (数字，万元). */
static const char *unit_below(const struct scan *s, int row, size_t column)
{
    const struct scan_cell *c = row < 0 ? NULL : cell(s, row, column);
    const char *unit;

    if (!c || form_is_unit(c->key))
        return c ? c->text : "";
    unit = form_is_advice(c->key) ? form_advice_unit(c->key) : NULL;
    return unit ? unit : "";
}

static char *column_name(const struct scan *s, const struct block *b, int units, size_t column)
{
    char name[NAME_SIZE] = "";
    const char *before = "", *unit = unit_below(s, units, column);

    for (int r = b->first; r <= b->last; r++) {
        const char *text = level_text(s, b, r, column);
        if (!*text || same_key(text, before))
            continue;
        append(name, text);
        before = text;
    }
    size_t n = strlen(name);
    if (*unit && n)
        snprintf(name + n, NAME_SIZE - n, *unit == '(' || !strncmp(unit, "（", strlen("（")) ? "%s" : "(%s)",
                 unit);
    return strdup(name);
}

static bool name_column(struct layout *l, const struct scan *s, const struct block *b, int units, size_t i)
{
    struct layout_column *c = &l->columns[i];
    const char *key = "";

    if (!(c->name = column_name(s, b, units, i)) || !(c->keys = calloc((size_t)l->n_levels, sizeof(char *))))
        return false;
    for (int k = 0; k < l->n_levels; k++) {
        const struct scan_cell *from = cell(s, b->first + k, i);
        if (!(c->keys[k] = strdup(stands(from) ? from->key : "")))
            return false;
        key = stands(from) ? from->key : key;
    }
    if (*c->name)
        l->width = i + 1;
    if (l->ordinal < 0 && form_is_ordinal(key))
        l->ordinal = (int)i;
    if (l->id < 0 && !strcmp(key, "id"))
        l->id = (int)i;
    return true;
}

/* ---------------------------------------------------------------- what stands above */

/* The longest line of its own is the title; 单位:万元 may stand anywhere. */
static bool read_title(struct layout *l, const struct scan *s, int until)
{
    const char *title = "";
    char money[FORM_UNIT], area[FORM_UNIT];

    for (int r = 0; r < until; r++) {
        for (size_t i = 0; !s->rows[r].bad && i < s->width; i++) {
            const struct scan_cell *c = cell(s, r, i);
            if (!stands(c))
                continue;
            if (form_units(c->key, money, area)) {
                snprintf(l->unit, sizeof(l->unit), "%s", *money ? money : l->unit);
                snprintf(l->area_unit, sizeof(l->area_unit), "%s", *area ? area : l->area_unit);
            }
            if (s->rows[r].filled <= 2 && !form_is_remark(c->key) && strlen(c->text) > strlen(title))
                title = c->text;
        }
    }
    return (l->title = strdup(title)) != NULL;
}

/* Of the rows that have a running number, the fewest texts; two of them at least must be seen. */
static int count_texts(const struct layout *l, const struct scan *s, int from)
{
    int fewest = 0, rows = 0;

    for (int r = from; l->ordinal >= 0 && r < s->n; r++) {
        int texts = 0;
        if (s->rows[r].bad || !stands(cell(s, r, (size_t)l->ordinal)) ||
            !form_is_figure(cell(s, r, (size_t)l->ordinal)->key))
            continue;
        for (size_t i = 0; i < s->width; i++)
            texts += stands(cell(s, r, i)) && !form_is_figure(cell(s, r, i)->key);
        fewest = rows++ == 0 || texts < fewest ? texts : fewest;
    }
    return rows > 1 ? fewest : 0;
}

/* ---------------------------------------------------------------- two tables side by side */

/* Columns without a name and without any cell, below the header's first row. */
static bool is_gap(const struct layout *l, const struct scan *s, const struct block *b, size_t column)
{
    if (*l->columns[column].name)
        return false;
    for (int r = b->first; r < s->n; r++)
        if (!s->rows[r].bad && cell(s, r, column)->key[0])
            return false;
    return true;
}

static size_t named(const struct layout *l, size_t from, size_t to)
{
    size_t n = 0;

    for (size_t i = from; i < to; i++)
        n += *l->columns[i].name != 0;
    return n;
}

static bool has_a_name_twice(const struct layout *l, size_t gap)
{
    for (size_t i = 0; i < gap; i++)
        for (size_t k = gap + 1; k < l->width; k++)
            if (*l->columns[i].name && same_key(l->columns[i].name, l->columns[k].name))
                return true;
    return false;
}

static size_t filled(const struct scan *s, int row, size_t from, size_t to, size_t *ret_texts)
{
    size_t n = 0;

    for (size_t i = from; i < to; i++) {
        const char *key = cell(s, row, i)->key;
        n += key[0] != 0;
        *ret_texts += key[0] && !form_is_figure(key);
    }
    return n;
}

/* Rows that only the right one has; or rows that are full right of the gap, and below them none that has anything there. */
static bool differ_in_rows(const struct layout *l, const struct scan *s, int from, size_t gap)
{
    size_t right = named(l, gap + 1, l->width), full = 0, rows = 0, after = 0, texts;

    for (int r = from; r < s->n; r++) {
        if (s->rows[r].bad || is_sums(s, r))
            continue;
        size_t n = filled(s, r, gap + 1, l->width, (texts = 0, &texts)), left_texts = 0;
        if (texts > 0 && filled(s, r, 0, gap, &left_texts) == 0)
            return true;
        rows++;
        full += n == right && after == 0;
        after += n == 0;
    }
    return full > 0 && after > 1 && full + after == rows;
}

/* What the column is called in the lowest row that says so. */
static const char *last_key(const struct layout *l, size_t column)
{
    for (int k = l->n_levels - 1; k >= 0; k--)
        if (l->columns[column].keys[k][0])
            return l->columns[column].keys[k];
    return "";
}

static bool is_name(const char *key)
{
    static const char *const words[] = {"项目名称", "企业名称", "公司名称", "单位名称",
                                        "园区名称", "名称",     "姓名"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(key, words[i]))
            return true;
    return false;
}

/* Behind the gap stands what a table begins with: the name of what its rows are, where one stands before the gap, too; or a running number. */
static bool begins_anew(const struct layout *l, size_t gap)
{
    size_t first = gap + 1;
    bool named = false, numbered = false;

    for (size_t i = 0; i < gap; i++) {
        named |= is_name(last_key(l, i));
        numbered |= form_is_ordinal(last_key(l, i));
    }
    while (first < l->width && !*l->columns[first].name)
        first++;
    if (first == l->width)
        return false;
    return (named && is_name(last_key(l, first))) ||
           ((named || numbered) && form_is_ordinal(last_key(l, first)));
}

static size_t find_beside(const struct layout *l, const struct scan *s, const struct block *b, int body)
{
    for (size_t i = 1; i + 1 < l->width; i++)
        if (is_gap(l, s, b, i) && named(l, 0, i) > 1 && named(l, i, l->width) > 1 &&
            (has_a_name_twice(l, i) || differ_in_rows(l, s, body, i) || begins_anew(l, i)))
            return i + 1;
    return 0;
}

/* ---------------------------------------------------------------- all of it */

static bool make(struct layout *l, const struct scan *s, const struct block *b)
{
    int units = is_units(s, b->last + 1) ? b->last + 1 : -1, next = units < 0 ? b->last + 1 : units + 1;

    l->first = s->rows[b->first].number;
    l->last = s->rows[b->last].number;
    l->data = s->rows[next - 1].number + 1;
    for (; is_numbers(s, next) || is_advice(s, next) || (units < 0 && is_units(s, next)); next++)
        if (units < 0 && !is_numbers(s, next))
            units = next;
    l->body = s->rows[next - 1].number + 1;
    l->n_levels = b->last - b->first + 1;
    for (size_t i = 0; i < s->width; i++)
        if (!name_column(l, s, b, units, i))
            return false;
    for (int r = b->first; r <= b->last; r++)
        l->known += known_cells(s, r);
    l->beside = find_beside(l, s, b, next);
    l->usual_texts = count_texts(l, s, next);
    return read_title(l, s, b->first);
}

static bool find_given(const struct scan *s, int header, int header_last, struct block *b,
                       char why[GRID_WHY_SIZE])
{
    *b = (struct block){-1, -1};
    for (int i = 0; i < s->n; i++) {
        if (s->rows[i].number == header)
            b->first = b->last = i;
        else if (b->first >= 0 && s->rows[i].number <= header_last && i - b->first < LAYOUT_LEVELS)
            b->last = i;
    }
    if (b->first < 0)
        snprintf(why, GRID_WHY_SIZE, _("row %d can't be the header: it is empty"), header);
    return b->first >= 0;
}

/* The first row that can't be read up to the header. */
static const struct scan_row *unreadable(const struct scan *s, const struct block *b, int header)
{
    for (int i = header ? b->first : 0; i <= b->last; i++)
        if (s->rows[i].bad)
            return &s->rows[i];
    return NULL;
}

static bool find(struct layout *l, const struct scan *s, struct grid *g, int header, int header_last,
                 char why[GRID_WHY_SIZE])
{
    const struct scan_row *bad;
    struct block b = {0, 0};

    if (s->n == 0) {
        snprintf(why, GRID_WHY_SIZE, "%s", _("there is nothing in the sheet"));
        return false;
    }
    if (header && !find_given(s, header, header_last, &b, why))
        return false;
    if (!header)
        b = find_block(s);
    if ((bad = unreadable(s, &b, header))) {
        snprintf(why, GRID_WHY_SIZE,
                 _("row %d can't be read as the header: %s (if the encoding %s is wrong, name it with "
                   "--encoding)"),
                 bad->number, bad->bad, grid_encoding(g));
        return false;
    }
    if (make(l, s, &b))
        return true;
    snprintf(why, GRID_WHY_SIZE, "%s", strerror(ENOMEM));
    return false;
}

bool layout_find(struct layout *l, struct grid *g, int header, int header_last, char why[GRID_WHY_SIZE])
{
    struct scan s;

    *l = (struct layout){.ordinal = -1, .id = -1};
    bool ok =
        scan_read(&s, g, header > FAR_HEADER ? header : 1, why) && find(l, &s, g, header, header_last, why);
    scan_free(&s);
    return ok;
}

void layout_free(struct layout *l)
{
    for (size_t i = 0; i < GRID_MAX_COLUMNS; i++) {
        for (int k = 0; l->columns[i].keys && k < l->n_levels; k++)
            free(l->columns[i].keys[k]);
        free(l->columns[i].keys);
        free(l->columns[i].name);
    }
    free(l->title);
    *l = (struct layout){.ordinal = -1, .id = -1};
}
