/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_styles.h"

#include "xlsx_format.h"
#include "xlsx_xml.h"

#include <errno.h>
#include <libintl.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

#define MAX_STYLES 65536 /* Excel: 65 490 */

struct format {
    unsigned id;
    unsigned char shows;
    bool has_number;
    struct grid_format number;
};

/* Formats may stand behind the styles that use them. */
struct found {
    struct format *formats;
    unsigned *ids; /* format of each style */
    size_t n_formats, n_ids;
};

enum { SHEET = 1, FORMATS, FORMAT, STYLES, STYLE };

static const struct xlsx_step steps[] = {
    {0, "styleSheet", SHEET, false},   {SHEET, "numFmts", FORMATS, false}, {FORMATS, "numFmt", FORMAT, false},
    {SHEET, "cellXfs", STYLES, false}, {STYLES, "xf", STYLE, false},       {0}};

/* Room for one more, in steps of a doubling; NULL when there is none. */
static void *grow(void *items, size_t n, size_t size)
{
    return n & (n - 1) ? items : realloc(items, (n ? 2 * n : 1) * size);
}

static bool add_format(struct found *f, unsigned id, const char *code)
{
    struct format *more = f->n_formats < MAX_STYLES ? grow(f->formats, f->n_formats, sizeof(*more)) : NULL;

    if (!more)
        return false;
    f->formats = more;
    more += f->n_formats++;
    *more = (struct format){.id = id, .shows = (unsigned char)xlsx_format_shows(code)};
    more->has_number = !more->shows && xlsx_format_number(code, &more->number);
    return true;
}

static bool add_style(struct found *f, unsigned id)
{
    unsigned *more = f->n_ids < MAX_STYLES ? grow(f->ids, f->n_ids, sizeof(*more)) : NULL;

    if (!more)
        return false;
    f->ids = more;
    more[f->n_ids++] = id;
    return true;
}

static void on_enter(struct xlsx_xml *x, int place, const char *const *attributes)
{
    const char *id = xlsx_attribute(attributes, "numFmtId"), *code = xlsx_attribute(attributes, "formatCode");
    unsigned number = id ? (unsigned)strtoul(id, NULL, 10) : 0;

    if (!(place == FORMAT  ? add_format(x->how.owner, number, code ? code : "")
          : place == STYLE ? add_style(x->how.owner, number)
                           : true))
        xlsx_xml_fail(
            x, _("the workbook has more than %d styles: open it in a spreadsheet program and save it again"),
            MAX_STYLES);
}

static int by_id(const void *a, const void *b)
{
    const struct format *p = a, *q = b;

    return p->id < q->id ? -1 : p->id > q->id;
}

static struct xlsx_style style_of(const struct found *f, unsigned id)
{
    struct format key = {.id = id}, *own = NULL;

    if (f->n_formats)
        own = bsearch(&key, f->formats, f->n_formats, sizeof(key), by_id);
    return own ? (struct xlsx_style){own->shows, own->has_number ? &own->number : NULL}
               : (struct xlsx_style){(unsigned char)xlsx_format_built_in(id),
                                     xlsx_format_number_built_in(id)};
}

static bool settle(struct xlsx_styles *s, const struct found *f, char *why)
{
    if (f->n_ids && !(s->styles = malloc(f->n_ids * sizeof(*s->styles))))
        return xlsx_fail(why, "%s", strerror(ENOMEM));
    if (f->n_formats)
        qsort(f->formats, f->n_formats, sizeof(*f->formats), by_id);
    for (size_t i = 0; i < f->n_ids; i++)
        s->styles[i] = style_of(f, f->ids[i]);
    s->n = f->n_ids;
    return true;
}

bool xlsx_styles_read(struct xlsx_styles *s, struct xlsx_zip *zip, const char *part, char *why)
{
    struct found f = {0};
    struct xlsx_reading how = {.owner = &f, .steps = steps, .enter = on_enter, .why = why};
    bool ok = xlsx_xml_all(&how, zip, part) && settle(s, &f, why);

    s->formats = f.formats;
    free(f.ids);
    return ok;
}

void xlsx_styles_free(struct xlsx_styles *s)
{
    free(s->styles);
    free(s->formats);
    *s = (struct xlsx_styles){0};
}
