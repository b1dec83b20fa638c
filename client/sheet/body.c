/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include "form.h"

#include <libintl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

static void name_groups(struct body *b)
{
    size_t n = 0, place = 0;

    b->joined[0] = 0;
    b->groups[0] = b->joined;
    for (int i = 0; i < BODY_LEVELS; i++) {
        b->groups[i + 1] = "";
        if (!b->levels[i][0])
            continue;
        n += (size_t)sprintf(b->joined + n, "%s%s", n ? LAYOUT_SEPARATOR : "", b->levels[i]);
        b->groups[++place] = b->levels[i];
    }
}

void body_start(struct body *b, const struct layout *l, const struct grid *g)
{
    *b = (struct body){.layout = l};
    b->merges = grid_merges(g, &b->n_merges);
    name_groups(b);
}

void body_stop(struct body *b)
{
    for (size_t i = 0; i < GRID_MAX_COLUMNS; i++)
        free(b->held[i].text);
    *b = (struct body){0};
}

/* ---------------------------------------------------------------- merged cells */

static void hold(struct body *b, const struct grid_merge *m, const struct grid_row *row)
{
    struct held *h = &b->held[m->column];

    free(h->text);
    h->text = (size_t)m->column < row->n ? strdup(row->cells[m->column].text) : NULL;
    b->failed |= !h->text && (size_t)m->column < row->n;
    h->type = h->text ? row->cells[m->column].type : GRID_EMPTY;
    h->until = m->row + m->n_rows - 1;
}

static void fill(struct body *b, const struct grid_row *row)
{
    b->n = row->n;
    for (size_t i = 0; i < row->n; i++)
        b->cells[i] = row->cells[i];
    for (size_t i = 0; i < b->layout->width; i++) {
        const struct held *h = &b->held[i];
        b->shared[i] = false;
        if (i >= b->n)
            b->cells[i] = (struct grid_cell){"", GRID_EMPTY};
        if (h->text && h->until >= row->number && !b->cells[i].text[0]) {
            b->cells[i] = (struct grid_cell){h->text, h->type};
            b->shared[i] = true;
        }
        if (b->cells[i].text[0] && i >= b->n)
            b->n = i + 1;
    }
    for (; b->next_merge < b->n_merges && b->merges[b->next_merge].row <= row->number; b->next_merge++) {
        const struct grid_merge *m = &b->merges[b->next_merge];
        if (m->row == row->number && m->n_rows > 1 && m->column >= 0 && m->column < GRID_MAX_COLUMNS) {
            hold(b, m, row);
            b->shared[m->column] = true;
        }
    }
}

/* Columns that a cell is merged over. */
static int across(const struct body *b, int row, size_t column)
{
    for (size_t i = b->next_merge; i-- > 0 && b->merges[i].row == row;)
        if ((size_t)b->merges[i].column == column)
            return b->merges[i].n_columns;
    return 1;
}

/* ---------------------------------------------------------------- what a row is */

struct looks {
    int filled, texts;   /* cells; those of them that are no figures */
    size_t first;        /* column of the first that is filled */
    char key[FORM_KEY];  /* of it */
    char next[FORM_KEY]; /* of the next that is filled, "" = none */
    size_t second;       /* its column */
};

static bool is_text(const struct grid_cell *c, const char *key)
{
    return c->type == GRID_TEXT && !form_is_figure(key);
}

static struct looks look(const struct body *b)
{
    struct looks k = {.filled = 0};
    char key[FORM_KEY];

    for (size_t i = 0; i < b->n; i++) {
        form_key(b->cells[i].text, key, sizeof(key));
        if (!*key)
            continue;
        if (k.filled++ == 0) {
            k.first = i;
            memcpy(k.key, key, sizeof(key));
        } else if (k.filled == 2) {
            k.second = i;
            memcpy(k.next, key, sizeof(key));
        }
        k.texts += is_text(&b->cells[i], key);
    }
    return k;
}

/* Do all cells say what the header says in one of its rows? One may differ where there are four. */
static bool is_header(const struct body *b, int level)
{
    int same = 0, other = 0;
    char key[FORM_KEY];

    for (size_t i = 0; i < b->n && i < b->layout->width; i++) {
        form_key(b->cells[i].text, key, sizeof(key));
        if (!*key)
            continue;
        bool equal = !strcmp(key, b->layout->columns[i].keys[level]);
        same += equal;
        other += !equal;
    }
    return same > 1 && other <= same / 4;
}

static bool is_header_again(const struct body *b)
{
    for (int k = 0; k < b->layout->n_levels; k++)
        if (is_header(b, k))
            return true;
    return false;
}

/* Is it the header of another table: words that are known above columns, and little else? */
static bool is_another_header(const struct body *b, const struct looks *k)
{
    char key[FORM_KEY];
    int known = 0;

    if (k->filled < 2 || k->texts < k->filled)
        return false;
    for (size_t i = 0; i < b->n; i++) {
        form_key(b->cells[i].text, key, sizeof(key));
        known += *key && !b->shared[i] && layout_is_header(key);
    }
    return known > 1 && known * 2 >= k->filled;
}

/* The title again, as it is or with (续) or a page behind it; 城关镇光伏 below the title 城关镇 is a name. */
static bool is_title(const struct body *b, const char *key)
{
    char title[FORM_KEY];
    size_t n;

    form_key(b->layout->title, title, sizeof(title));
    n = strlen(title);
    return n && !strncmp(key, title, n) && (!key[n] || key[n] == '(' || form_is_again(key + n));
}

/* Lines that are printed on every page, or below the table. */
static bool is_aside(const struct body *b, const struct looks *k)
{
    if (k->filled <= 2 && (form_is_again(k->key) || is_title(b, k->key)))
        return true;
    return form_is_remark(k->key) && (size_t)k->filled * 2 <= b->layout->width + 1;
}

/* 注：金额单位为万元 below the table: what stands above it was read without. */
static void hear_unit(struct body *b)
{
    char key[FORM_KEY], money[FORM_UNIT], area[FORM_UNIT];

    for (size_t i = 0; i < b->n; i++) {
        form_key(b->cells[i].text, key, sizeof(key));
        if (form_units(key, money, area) && *money && strcmp(money, b->layout->unit) != 0)
            strcpy(b->unit, money);
    }
}

/* Figures alone in a table whose rows are numbered. */
static bool is_unnamed_sum(const struct body *b, const struct looks *k)
{
    return b->layout->ordinal >= 0 && k->texts == 0 && (int)k->first != b->layout->ordinal;
}

/* 合计 in the first cell, or in the second behind a running number or a word (城关镇 | 小计); a text that ends so (工业小计)
 * only beside figures. */
static bool is_sum(const struct body *b, const struct looks *k)
{
    bool whole, sum = form_is_sum(k->key, &whole);

    if (!sum && k->texts <= 3 && ((int)k->first == b->layout->ordinal || !form_is_figure(k->key)))
        sum = form_is_sum(k->next, &whole);
    return sum && (whole || k->texts <= 2);
}

/* Which cell is the heading; -1 = the row is none. */
static int heading(const struct body *b, const struct grid_row *row, const struct looks *k)
{
    const char *rest;
    const struct layout *l = b->layout;
    bool ordinal = (int)k->first == l->ordinal, figure = !is_text(&b->cells[k->first], k->key);
    int level = form_level(k->key, &rest);

    if (figure || l->width < 3 || strlen(b->cells[k->first].text) >= BODY_TEXT)
        return -1;
    if (ordinal && level && !*rest && k->texts == 2 && strlen(b->cells[k->second].text) < BODY_TEXT)
        return (int)k->second; /* 一 | 工业项目 */
    if (ordinal && !k->key[strcspn(k->key, "0123456789")] && k->texts == 1)
        return (int)k->first;
    if (k->texts > 1)
        return -1;
    if (l->ordinal >= 0 && !ordinal && (k->filled == 1 || l->usual_texts > 1))
        return (int)k->first; /* what is data has a number, or more than a name and figures */
    if (across(b, row->number, k->first) > 1 || (level > 0 && level < 3 && *rest))
        return (int)k->first;
    return -1;
}

/* 一、 stands below what has no number, (一) below 一、 */
static void take_heading(struct body *b, const struct looks *k, size_t column)
{
    const char *text;
    int level = form_level(k->key, &text);

    form_level(b->cells[column].text, &text);
    snprintf(b->levels[level], BODY_TEXT, "%s", text);
    for (int i = level + 1; i < BODY_LEVELS; i++)
        b->levels[i][0] = 0;
    name_groups(b);
}

const char *body_take(struct body *b, const struct grid_row *row)
{
    b->unit[0] = 0;
    fill(b, row);
    struct looks k = look(b);
    int column;

    if (row->number < b->layout->body)
        return _("a row about the columns");
    if (b->layout->id >= 0 && (size_t)b->layout->id < b->n && b->cells[b->layout->id].text[0])
        return NULL; /* an exported row, whatever it is called */
    if (k.filled == 1 && (int)k.first == b->layout->ordinal && form_is_figure(k.key))
        return _("nothing but a running number");
    if (is_header_again(b)) {
        b->another = 0;
        return _("the header again");
    }
    if (b->some && !b->another && is_another_header(b, &k))
        b->another = row->number;
    if (b->another)
        return _("another table");
    if (is_sum(b, &k) || is_unnamed_sum(b, &k))
        return _("a sum");
    if (form_is_example(k.key) && k.filled > 0)
        return _("an example");
    if (is_aside(b, &k)) {
        hear_unit(b);
        return _("a remark outside the table");
    }
    if ((column = heading(b, row, &k)) < 0) {
        b->some = true;
        return NULL;
    }
    take_heading(b, &k, (size_t)column);
    snprintf(b->why, sizeof(b->why), _("a heading: %s"), b->joined);
    return b->why;
}
