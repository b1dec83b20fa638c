/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* memmem */
#include "xlsx_outline.h"

#include "xlsx_xml.h"

#include <ctype.h>
#include <errno.h>
#include <libintl.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

#define MAX_MERGES 262144
#define MAX_PREFIX 40

/* ---------------------------------------------------------------- names of cells */

const char *xlsx_cell_read(const char *ref, int *ret_row, int *ret_column)
{
    int row = 0, column = 0;

    for (; (*ref | 0x20) >= 'a' && (*ref | 0x20) <= 'z'; ref++)
        if ((column = column * 26 + (*ref | 0x20) - 'a' + 1) > XLSX_MAX_COLUMN)
            return NULL;
    for (; *ref >= '0' && *ref <= '9'; ref++)
        if ((row = row * 10 + *ref - '0') > XLSX_MAX_ROW)
            return NULL;
    if (!row || !column)
        return NULL;
    *ret_row = row;
    *ret_column = column - 1;
    return ref;
}

const char *xlsx_cell_name(int row, int column, char out[16])
{
    char letters[4];
    int n = 0;

    for (int c = column + 1; c > 0 && n < (int)sizeof(letters); c = (c - 1) / 26)
        letters[n++] = (char)('A' + (c - 1) % 26);
    char *w = out;
    while (n)
        *w++ = letters[--n];
    snprintf(w, 12, "%d", row);
    return out;
}

/* ---------------------------------------------------------------- what stands there */

enum { SHEET = 1, COLUMNS, COLUMN, MERGES, MERGE };

static const struct xlsx_step steps[] = {
    {0, "worksheet", SHEET, false},      {SHEET, "cols", COLUMNS, false},
    {COLUMNS, "col", COLUMN, false},     {SHEET, "mergeCells", MERGES, false},
    {MERGES, "mergeCell", MERGE, false}, {0}};

static void hide_columns(struct xlsx_outline *o, const char *const *attributes)
{
    const char *min = xlsx_attribute(attributes, "min"), *max = xlsx_attribute(attributes, "max");
    long from = min ? strtol(min, NULL, 10) : 0, to = max ? strtol(max, NULL, 10) : from;

    if (xlsx_true(xlsx_attribute(attributes, "hidden")))
        for (long c = from > 0 ? from - 1 : 0; c < to && c < GRID_MAX_COLUMNS; c++)
            o->hidden[c] = true;
}

static bool read_range(const char *ref, struct grid_merge *m)
{
    int row, column;
    const char *p = ref ? xlsx_cell_read(ref, &m->row, &m->column) : NULL;

    if (!p)
        return false;
    row = m->row;
    column = m->column;
    if (*p == ':' && !(p = xlsx_cell_read(p + 1, &row, &column)))
        return false;
    m->n_rows = row - m->row + 1;
    m->n_columns = column - m->column + 1;
    return !*p && m->n_rows > 0 && m->n_columns > 0;
}

static void add_merge(struct xlsx_xml *x, struct xlsx_outline *o, const char *const *attributes)
{
    const char *ref = xlsx_attribute(attributes, "ref");
    struct grid_merge m, *more = o->merges;

    if (!read_range(ref, &m)) {
        xlsx_xml_fail(x, _("the workbook is damaged: merged cells \"%.40s\""), ref ? ref : "");
        return;
    }
    if (m.column >= GRID_MAX_COLUMNS || (m.n_rows == 1 && m.n_columns == 1))
        return;
    if (o->n_merges == MAX_MERGES) {
        xlsx_xml_fail(x, _("the sheet has more than %d merged cells"), MAX_MERGES);
        return;
    }
    if (!(o->n_merges & (o->n_merges - 1)))
        more = realloc(o->merges, (o->n_merges ? 2 * o->n_merges : 1) * sizeof(m));
    if (!more) {
        xlsx_xml_fail(x, "%s", strerror(ENOMEM));
        return;
    }
    o->merges = more;
    o->merges[o->n_merges++] = m;
}

static int by_place(const void *a, const void *b)
{
    const struct grid_merge *p = a, *q = b;

    return p->row != q->row ? (p->row < q->row ? -1 : 1) : p->column < q->column ? -1 : p->column > q->column;
}

/* ---------------------------------------------------------------- passing over the rows */

/* Of all a sheet's bytes the rows are nearly all. They are dropped before the parser: from behind <sheetData> to </sheetData>.
 * Only where that can't be mistaken: a comment, a CDATA section or an instruction may hold anything, so a sheet with one of
 * them is parsed whole; elsewhere "<" begins a tag. */
struct passing {
    struct xlsx_outline *outline;
    enum { HEAD, ROWS, TAIL } at;
    bool odd; /* the rows can't be passed over */
    char end[MAX_PREFIX + sizeof("</sheetData")];
    size_t n_end, matched;
};

static bool has_oddity(const char *block, size_t n)
{
    const char *question = n > 1 ? memmem(block + 1, n - 1, "<?", 2) : NULL; /* one may be the first */

    return (n > 1 && (!block[0] || !block[1])) || memmem(block, n, "<!", 2) || question;
}

/* Offset behind <sheetData …> or <x:sheetData …>, 0 when it isn't in the block as it should be; sets how it ends. */
static size_t find_rows(struct passing *p, const char *block, size_t n)
{
    static const char name[] = "sheetData";
    const char *at = memmem(block, n, name, sizeof(name) - 1), *tag = at, *close;

    while (tag && tag > block && tag[-1] != '<')
        tag = isalnum((unsigned char)tag[-1]) || strchr(":_-.", tag[-1]) ? tag - 1 : NULL;
    if (!tag || tag == block || at - tag > MAX_PREFIX || (at > tag && at[-1] != ':') ||
        has_oddity(block, (size_t)(at - block)) || !(close = memchr(at, '>', n - (size_t)(at - block))) ||
        close[-1] == '/' || !strchr("> \t\r\n", at[sizeof(name) - 1]))
        return 0;
    p->n_end = (size_t)snprintf(p->end, sizeof(p->end), "</%.*s%s", (int)(at - tag), tag, name);
    return (size_t)(close - block) + 1;
}

static size_t pass_rows(struct passing *p, char *block, size_t from, size_t n)
{
    for (size_t i = from; i < n;) {
        if (p->matched == 0) {
            const char *tag = memchr(block + i, '<', n - i);
            if (!tag)
                return from;
            i = (size_t)(tag - block) + 1;
            p->matched = 1;
            continue;
        }
        char c = block[i++];
        p->odd |= p->matched == 1 && (c == '!' || c == '?');
        if (c != p->end[p->matched]) {
            p->matched = c == '<';
        } else if (++p->matched == p->n_end) {
            memmove(block + from + p->n_end, block + i, n - i);
            memcpy(block + from, p->end, p->n_end);
            p->at = TAIL;
            return from + p->n_end + n - i;
        }
    }
    return from;
}

static size_t on_block(struct xlsx_xml *x, char *block, size_t n)
{
    struct passing *p = x->how.owner;
    size_t from = 0;

    if (p->at == HEAD) {
        from = find_rows(p, block, n);
        p->at = from ? ROWS : TAIL;
    }
    return p->at == ROWS ? pass_rows(p, block, from, n) : n;
}

/* ---------------------------------------------------------------- reading */

static void on_enter(struct xlsx_xml *x, int place, const char *const *attributes)
{
    struct passing *p = x->how.owner;

    if (place == COLUMN)
        hide_columns(p->outline, attributes);
    else if (place == MERGE)
        add_merge(x, p->outline, attributes);
}

void xlsx_outline_free(struct xlsx_outline *o)
{
    free(o->merges);
    *o = (struct xlsx_outline){0};
}

static bool read_once(struct xlsx_outline *o, struct xlsx_zip *zip, const char *part, bool whole, char *why)
{
    struct passing p = {.outline = o};
    struct xlsx_reading how = {
        .owner = &p, .steps = steps, .enter = on_enter, .filter = whole ? NULL : on_block, .why = why};

    xlsx_outline_free(o);
    return xlsx_xml_all(&how, zip, part) && !p.odd;
}

bool xlsx_outline_read(struct xlsx_outline *o, struct xlsx_zip *zip, const char *part, char *why)
{
    if (!read_once(o, zip, part, false, why) && !read_once(o, zip, part, true, why))
        return false;
    if (o->n_merges)
        qsort(o->merges, o->n_merges, sizeof(*o->merges), by_place);
    return true;
}
