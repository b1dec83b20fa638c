/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_book.h"

#include "xlsx_rels.h"
#include "xlsx_xml.h"

#include <errno.h>
#include <libintl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define _(text) dgettext("qipan", text)

#define MAX_MEMORY (2 << 20) /* names and paths */
#define PREFIX     "qipan."  /* of the names that say something to us */

struct reading {
    struct xlsx_book *book;
    struct xlsx_rels rels;
    const char *property; /* the name being read */
};

enum { BOOK = 1, SETTINGS, SHEETS, SHEET, NAMES, NAME };

static const struct xlsx_step steps[] = {{0, "workbook", BOOK, false},
                                         {BOOK, "workbookPr", SETTINGS, false},
                                         {BOOK, "sheets", SHEETS, false},
                                         {SHEETS, "sheet", SHEET, false},
                                         {BOOK, "definedNames", NAMES, false},
                                         {NAMES, "definedName", NAME, true},
                                         {0}};

/* Charts, dialogs and macros have tabs, too, but no cells. */
static void add_sheet(struct xlsx_xml *x, const char *const *attributes)
{
    struct reading *r = x->how.owner;
    struct xlsx_book *b = r->book;
    const char *id = xlsx_attribute(attributes, "r:id"), *name = xlsx_attribute(attributes, "name");
    const char *state = xlsx_attribute(attributes, "state");
    const struct xlsx_rel *rel = id ? xlsx_rels_by_id(&r->rels, id) : NULL;

    if (!name || !rel || strcmp(rel->type, "worksheet"))
        return;
    if (b->n_sheets == XLSX_MAX_SHEETS || !(name = arena_strdup(&b->arena, name))) {
        xlsx_xml_fail(x, _("the workbook has more than %d sheets"), XLSX_MAX_SHEETS);
        return;
    }
    b->parts[b->n_sheets] = rel->part;
    b->sheets[b->n_sheets++] = (struct grid_sheet){name, state && strcmp(state, "visible") != 0};
}

static void on_enter(struct xlsx_xml *x, int place, const char *const *attributes)
{
    struct reading *r = x->how.owner;
    const char *name = xlsx_attribute(attributes, "name");

    if (place == SETTINGS)
        r->book->since_1904 = xlsx_true(xlsx_attribute(attributes, "date1904"));
    else if (place == SHEET)
        add_sheet(x, attributes);
    else if (place == NAME) {
        x->n_text = 0;
        x->collects =
            name && !strncasecmp(name, PREFIX, strlen(PREFIX)) && r->book->n_properties < XLSX_MAX_PROPERTIES;
        r->property = x->collects ? arena_strdup(&r->book->arena, name) : NULL;
    }
}

/* "arrival" in quotes: a constant text, not a place in a sheet. */
static void on_leave(struct xlsx_xml *x, int place)
{
    struct reading *r = x->how.owner;
    char *text = x->text, *w = text;

    if (place != NAME || !r->property || x->n_text < 2 || text[0] != '"' || text[x->n_text - 1] != '"')
        return;
    for (size_t i = 1; i < x->n_text - 1; i++) {
        *w++ = text[i];
        i += text[i] == '"' && text[i + 1] == '"';
    }
    char *value = arena_strndup(&r->book->arena, text, (size_t)(w - text));
    if (value)
        r->book->properties[r->book->n_properties++] = (struct xlsx_property){r->property, value};
}

/* The part of the workbook itself. */
static const char *find_book(struct xlsx_book *b, struct xlsx_zip *zip, char *why)
{
    struct xlsx_rels package;
    const char *part, *dot;

    if (xlsx_zip_has(zip, "OFD.xml")) {
        xlsx_fail(why, "%s",
                  _("this is an OFD, not a sheet: ask for the sheet it was printed from (.xlsx or .csv)"));
        return NULL;
    }
    if (!xlsx_zip_has(zip, "_rels/.rels")) {
        xlsx_fail(why, "%s", _("this is an archive, but no workbook: unpack it and send the sheet itself"));
        return NULL;
    }
    if (!xlsx_rels_read(&package, zip, "", &b->arena, why))
        return NULL;
    if (!(part = xlsx_rels_by_type(&package, "officeDocument"))) {
        xlsx_fail(why, "%s", _("this is an archive, but no workbook: unpack it and send the sheet itself"));
        return NULL;
    }
    if (!strncasecmp(part, "word/", strlen("word/")) || !strncasecmp(part, "ppt/", strlen("ppt/"))) {
        xlsx_fail(why, "%s", _("this is a text document, not a workbook: copy its table into one"));
        return NULL;
    }
    if ((dot = strrchr(part, '.')) && !strcasecmp(dot, ".bin")) {
        xlsx_fail(why, "%s", _("this is a binary workbook (.xlsb): save it as .xlsx"));
        return NULL;
    }
    return part;
}

static bool read_book(struct xlsx_book *b, struct xlsx_zip *zip, char *why)
{
    struct reading r = {.book = b};
    struct xlsx_reading how = {.owner = &r, .steps = steps, .enter = on_enter, .leave = on_leave, .why = why};
    const char *part = find_book(b, zip, why);

    if (!part || !xlsx_rels_read(&r.rels, zip, part, &b->arena, why) || !xlsx_xml_all(&how, zip, part))
        return false;
    b->strings = xlsx_rels_by_type(&r.rels, "sharedStrings");
    b->styles = xlsx_rels_by_type(&r.rels, "styles");
    return b->n_sheets > 0 || xlsx_fail(why, "%s", _("the workbook has no sheet with cells"));
}

struct xlsx_book *xlsx_book_read(struct xlsx_zip *zip, char *why)
{
    struct xlsx_book *b = calloc(1, sizeof(*b));

    if (!b) {
        xlsx_fail(why, "%s", strerror(ENOMEM));
        return NULL;
    }
    arena_init(&b->arena, MAX_MEMORY);
    if (read_book(b, zip, why))
        return b;
    xlsx_book_free(b);
    return NULL;
}

void xlsx_book_free(struct xlsx_book *b)
{
    if (b)
        arena_free(&b->arena);
    free(b);
}
