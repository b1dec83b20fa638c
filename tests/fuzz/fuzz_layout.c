/* SPDX-License-Identifier: Apache-2.0 */
/* Random grids, of pieces that sheets are made of: cells of every kind, merges anywhere. Whatever comes, the table is found or
 * refused with a reason; reading twice gives the same; every row is data, or says why not; a mapping takes each. */
#include "body.h"
#include "form.h"
#include "fuzz.h"
#include "grid_internal.h"
#include "mapping.h"
#include "utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS   48
#define MAX_CELLS  24
#define MAX_MERGES 32

struct bytes {
    const uint8_t *p, *end;
};

static unsigned take(struct bytes *b)
{
    return b->p < b->end ? *b->p++ : 0;
}

/* ---------------------------------------------------------------- a grid out of bytes */

static const struct grid_cell pieces[] = {
    {"", GRID_EMPTY},
    {"序号", GRID_TEXT},
    {"项目名称", GRID_TEXT},
    {"投资方", GRID_TEXT},
    {"总投资", GRID_TEXT},
    {"总投资（万元）", GRID_TEXT},
    {"投资情况", GRID_TEXT},
    {"开工时间", GRID_TEXT},
    {"计划", GRID_TEXT},
    {"备注", GRID_TEXT},
    {"万元", GRID_TEXT},
    {"（亩）", GRID_TEXT},
    {"单位：万元", GRID_TEXT},
    {"合计", GRID_TEXT},
    {"城关镇小计", GRID_TEXT},
    {"一、工业项目", GRID_TEXT},
    {"（二）新建", GRID_TEXT},
    {"一", GRID_TEXT},
    {"续表", GRID_TEXT},
    {"注：无", GRID_TEXT},
    {"光伏组件项目", GRID_TEXT},
    {"某公司", GRID_TEXT},
    {"1", GRID_TEXT},
    {"2", GRID_NUMBER},
    {"12000", GRID_NUMBER},
    {"2024.1", GRID_NUMBER},
    {"44931", GRID_NUMBER},
    {"2024-03-05", GRID_DATE},
    {"#REF!", GRID_ERROR},
    {"A1+B1", GRID_NO_VALUE},
    {"true", GRID_BOOL},
    {"id", GRID_TEXT},
    {"甲", GRID_TEXT},
    {"乙", GRID_TEXT},
    {"3", GRID_TEXT},
    {" \n ", GRID_TEXT},
    {"a / b / ", GRID_TEXT},
    {"()", GRID_TEXT},
    {"/万元", GRID_TEXT},
    {"version", GRID_TEXT},
    {"(单位:", GRID_TEXT},
    {"第1页", GRID_TEXT},
    {"２０２３年", GRID_TEXT},
    {"、", GRID_TEXT},
};

struct drawn {
    struct grid_cell cells[MAX_ROWS][MAX_CELLS];
    size_t n_cells[MAX_ROWS];
    char texts[MAX_ROWS][16]; /* a cell of the input's own bytes, one a row */
    int n, next;
    struct grid_merge merges[MAX_MERGES];
    size_t n_merges;
};

static void draw_row(struct drawn *d, struct bytes *b)
{
    size_t n = take(b) % (MAX_CELLS + 1);
    char *own = d->texts[d->n];
    bool used = false;

    for (size_t i = 0; i < n; i++) {
        unsigned c = take(b);
        d->cells[d->n][i] = pieces[c % (sizeof(pieces) / sizeof(pieces[0]))];
        if (c < 250 || used)
            continue;
        used = true;
        for (size_t k = 0; k < 15; k++)
            own[k] = (char)take(b);
        if (utf8_valid((uint8_t *)own, strlen(own)))
            d->cells[d->n][i] = (struct grid_cell){own, *own ? GRID_TEXT : GRID_EMPTY};
    }
    d->n_cells[d->n++] = n;
}

static int by_place(const void *a, const void *b)
{
    const struct grid_merge *m = a, *n = b;

    return m->row != n->row ? (m->row > n->row) - (m->row < n->row)
                            : (m->column > n->column) - (m->column < n->column);
}

static void draw(struct drawn *d, struct bytes *b)
{
    int n = 1 + (int)(take(b) % MAX_ROWS);
    size_t merges = take(b) % MAX_MERGES;

    for (; d->n_merges < merges; d->n_merges++) {
        struct grid_merge *m = &d->merges[d->n_merges];
        *m = (struct grid_merge){1 + (int)(take(b) % MAX_ROWS), 1 + (int)(take(b) % 6),
                                 (int)(take(b) % MAX_CELLS), 1};
        m->n_columns = 1 + (int)(take(b) % 20);
    }
    qsort(d->merges, d->n_merges, sizeof(d->merges[0]), by_place);
    while (d->n < n)
        draw_row(d, b);
}

static enum grid_result next_drawn(struct grid *g, void *state, struct grid_row *row)
{
    struct drawn *d = state;

    (void)g;
    if (d->next == d->n)
        return GRID_END;
    *row = (struct grid_row){.number = d->next + 1, .n = d->n_cells[d->next], .cells = d->cells[d->next]};
    d->next++;
    return GRID_ROW;
}

static bool rewind_drawn(struct grid *g, void *state)
{
    (void)g;
    ((struct drawn *)state)->next = 0;
    return true;
}

static const struct grid_kind drawn_kind = {.next = next_drawn, .rewind = rewind_drawn, .ragged = true};

/* ---------------------------------------------------------------- what must be so */

static void check_text(const char *text)
{
    MUST(text && utf8_valid((const uint8_t *)text, strlen(text)));
}

static void check_layout(const struct layout *l)
{
    MUST(l->first >= 1 && l->first <= l->last && l->last < l->data && l->data <= l->body &&
         l->width <= MAX_CELLS + 20 && l->n_levels >= 1 && l->n_levels <= LAYOUT_LEVELS);
    check_text(l->title);
    for (size_t i = 0; i < l->width; i++)
        check_text(l->columns[i].name);
}

static void map_row(const struct mapping *m, const struct layout *l, const struct body *b,
                    const struct grid_row *from, const char *skip)
{
    char *cells[GRID_MAX_COLUMNS];
    enum grid_type types[GRID_MAX_COLUMNS];
    struct sheet_row row = {.number = from->number,
                            .n = l->width,
                            .cells = cells,
                            .types = types,
                            .groups = b->groups,
                            .title = l->title,
                            .skip = skip};
    struct arena a;

    for (size_t i = 0; i < l->width; i++) {
        cells[i] = (char *)(uintptr_t)(i < b->n ? b->cells[i].text : "");
        types[i] = i < b->n ? b->cells[i].type : GRID_EMPTY;
    }
    arena_init(&a, 8 << 20);
    Qipan__ImportRow *r = mapping_row(m, &row, &a);
    MUST(r && (r->skip != NULL) == (skip != NULL) && r->row == from->number);
    arena_free(&a);
}

/* A sum over everything that is said of the rows. */
static uint64_t read_body(const struct layout *l, struct grid *g, const struct mapping *m)
{
    static struct body b;
    struct grid_row row;
    uint64_t h = 1469598103934665603u;

    grid_rewind(g);
    body_start(&b, l, g);
    while (grid_next(g, &row) == GRID_ROW) {
        if (row.number < l->data)
            continue;
        const char *skip = body_take(&b, &row);
        MUST(!b.failed && b.n <= GRID_MAX_COLUMNS && (!skip || *skip));
        for (size_t i = 0; i < b.n; i++)
            check_text(b.cells[i].text);
        for (int i = 0; i <= BODY_LEVELS; i++)
            check_text(b.groups[i]);
        if (m)
            map_row(m, l, &b, &row, skip);
        h = (h ^ (uint64_t)row.number ^ (skip ? 1u << 20 : 0) ^ strlen(b.groups[0])) * 1099511628211u;
    }
    body_stop(&b);
    return h;
}

static void use(struct layout *l, struct grid *g)
{
    char *headers[GRID_MAX_COLUMNS], why[MAPPING_WHY_SIZE] = "";

    check_layout(l);
    for (size_t i = 0; i < l->width; i++)
        headers[i] = l->columns[i].name;
    struct mapping *m = mapping_auto("project", headers, l->width, why);
    MUST(m || *why);
    if (m)
        mapping_default_units(m, *l->unit ? l->unit : NULL, *l->area_unit ? l->area_unit : NULL);
    uint64_t once = read_body(l, g, m);
    MUST(read_body(l, g, m) == once);
    mapping_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct drawn d;
    static struct layout l;
    struct grid g = {.kind = &drawn_kind, .state = &d};
    struct bytes b = {data, data + size};
    char why[GRID_WHY_SIZE] = "";
    int header = (int)(take(&b) % 12), levels = (int)(take(&b) % 4);

    memset(&d, 0, sizeof(d));
    draw(&d, &b);
    g.merges = d.merges;
    g.n_merges = d.n_merges;
    bool found = layout_find(&l, &g, header < 8 ? 0 : header - 7, header - 7 + levels, why);
    MUST(found || *why);
    if (found)
        use(&l, &g);
    layout_free(&l);
    return 0;
}
