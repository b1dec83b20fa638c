/* SPDX-License-Identifier: Apache-2.0 */
/* A sheet of a workbook as a grid. */
#include "grid_internal.h"
#include "xlsx_book.h"
#include "xlsx_convert.h"
#include "xlsx_outline.h"
#include "xlsx_rows.h"
#include "xlsx_strings.h"
#include "xlsx_styles.h"
#include "xlsx_zip.h"

#include <errno.h>
#include <libintl.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

struct xlsx {
    struct xlsx_zip *zip;
    struct xlsx_book *book;
    struct xlsx_strings strings;
    struct xlsx_styles styles;
    struct xlsx_outline outline;
    struct xlsx_source source;
    struct xlsx_rows *rows;
    struct grid_row first; /* read when the sheet was chosen */
    bool first_waits;
};

static void xlsx_close(void *state)
{
    struct xlsx *x = state;

    xlsx_rows_close(x->rows);
    xlsx_outline_free(&x->outline);
    xlsx_styles_free(&x->styles);
    xlsx_strings_free(&x->strings);
    xlsx_book_free(x->book);
    xlsx_zip_close(x->zip);
    free(x);
}

/* ---------------------------------------------------------------- which sheet */

static bool open_rows(struct grid *g, struct xlsx *x, size_t sheet)
{
    xlsx_rows_close(x->rows);
    x->source.part = x->book->parts[sheet];
    x->rows = xlsx_rows_open(&x->source, g->why);
    g->chosen = sheet;
    return x->rows;
}

/* By name, then by number from 1; n_sheets when there is none. */
static size_t find_sheet(const struct xlsx_book *b, const char *wanted)
{
    char *end;
    unsigned long number = strtoul(wanted, &end, 10);

    for (size_t i = 0; i < b->n_sheets; i++)
        if (!strcmp(b->sheets[i].name, wanted))
            return i;
    return *wanted >= '0' && *wanted <= '9' && !*end && number >= 1 && number <= b->n_sheets ? number - 1
                                                                                             : b->n_sheets;
}

static bool choose_by_name(struct grid *g, struct xlsx *x, const char *wanted)
{
    const struct xlsx_book *b = x->book;
    size_t i = find_sheet(b, wanted), n = 0;
    char names[160] = "";

    if (i < b->n_sheets)
        return open_rows(g, x, i);
    for (i = 0; i < b->n_sheets && n + strlen(b->sheets[i].name) + 3 < sizeof(names); i++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", b->sheets[i].name);
    grid_fail(g, _("the workbook has no sheet \"%.60s\", it has: %s%s"), wanted, names,
              i < b->n_sheets ? " …" : "");
    return false;
}

/* The first that isn't hidden and isn't empty. */
static bool choose(struct grid *g, struct xlsx *x)
{
    for (size_t i = 0; i < x->book->n_sheets; i++) {
        if (x->book->sheets[i].hidden)
            continue;
        if (!open_rows(g, x, i))
            return false;
        enum grid_result r = xlsx_rows_next(x->rows, &x->first);
        x->first_waits = r == GRID_ROW;
        if (r != GRID_END)
            return r == GRID_ROW;
    }
    grid_fail(g, "%s", _("all sheets of the workbook are empty or hidden: name a hidden one with --sheet"));
    return false;
}

static bool read_outline(struct grid *g, struct xlsx *x)
{
    bool ok = xlsx_outline_read(&x->outline, x->zip, x->source.part, g->why);

    g->merges = x->outline.merges;
    g->n_merges = x->outline.n_merges;
    memcpy(g->hidden, x->outline.hidden, sizeof(g->hidden));
    return ok;
}

static bool xlsx_choose(struct grid *g, void *state, size_t sheet)
{
    struct xlsx *x = state;

    x->first_waits = false;
    return open_rows(g, x, sheet) && read_outline(g, x);
}

/* ---------------------------------------------------------------- the kind */

/* The file as .xlsx in the place of the file. */
static bool convert(struct grid *g, const char *ending)
{
    FILE *converted = xlsx_convert(g->file, ending, g->why);

    if (converted) {
        fclose(g->file);
        g->file = converted;
    }
    return converted;
}

/* The archive, of a converted file where need be. */
static bool open_zip(struct grid *g, struct xlsx *x)
{
    if (xlsx_is_compound(g->file) && (!xlsx_compound_is_workbook(g->file, g->why) || !convert(g, "xls")))
        return false;
    if (!(x->zip = xlsx_zip_open(g->file, g->why)))
        return false;
    if (!xlsx_zip_has(x->zip, "META-INF/manifest.xml") || !xlsx_zip_has(x->zip, "content.xml"))
        return true;
    xlsx_zip_close(x->zip);
    x->zip = NULL;
    return convert(g, "ods") && (x->zip = xlsx_zip_open(g->file, g->why));
}

static bool open_book(struct grid *g, struct xlsx *x, const struct grid_options *o)
{
    if (!open_zip(g, x) || !(x->book = xlsx_book_read(x->zip, g->why)))
        return false;
    const struct xlsx_book *b = x->book;
    if ((b->styles && !xlsx_styles_read(&x->styles, x->zip, b->styles, g->why)) ||
        (b->strings && !xlsx_strings_read(&x->strings, x->zip, b->strings, g->why)))
        return false;
    x->source = (struct xlsx_source){x->zip, NULL, &x->strings, &x->styles, b->since_1904};
    return (o->sheet ? choose_by_name(g, x, o->sheet) : choose(g, x)) && read_outline(g, x);
}

static void *xlsx_open(struct grid *g, const struct grid_options *o)
{
    struct xlsx *x = calloc(1, sizeof(*x));

    if (!x) {
        grid_fail(g, "%s", strerror(ENOMEM));
        return NULL;
    }
    xlsx_strings_init(&x->strings);
    if (!open_book(g, x, o)) {
        g->failed = true;
        xlsx_close(x);
        return NULL;
    }
    strcpy(g->encoding, "xlsx");
    g->since_1904 = x->book->since_1904;
    g->sheets = x->book->sheets;
    g->n_sheets = x->book->n_sheets;
    return x;
}

static enum grid_result xlsx_next(struct grid *g, void *state, struct grid_row *ret_row)
{
    struct xlsx *x = state;

    if (x->first_waits) {
        x->first_waits = false;
        *ret_row = x->first;
        return GRID_ROW;
    }
    enum grid_result r = xlsx_rows_next(x->rows, ret_row);
    g->failed |= r == GRID_FAILED;
    return r;
}

static bool xlsx_rewind(struct grid *g, void *state)
{
    struct xlsx *x = state;

    x->first_waits = false;
    g->failed |= !xlsx_rows_rewind(x->rows);
    return !g->failed;
}

static const char *xlsx_property(void *state, const char *name)
{
    const struct xlsx_book *b = ((struct xlsx *)state)->book;

    for (size_t i = 0; i < b->n_properties; i++)
        if (!strcmp(b->properties[i].name, name))
            return b->properties[i].value;
    return NULL;
}

const struct grid_kind grid_xlsx = {.open = xlsx_open,
                                    .close = xlsx_close,
                                    .next = xlsx_next,
                                    .rewind = xlsx_rewind,
                                    .choose = xlsx_choose,
                                    .property = xlsx_property,
                                    .ragged = true};
