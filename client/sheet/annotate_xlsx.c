/* SPDX-License-Identifier: Apache-2.0 */
/* Annotations in a workbook: the archive is copied, two of its parts are put into it anew. */
#include "annotate.h"

#include "xlsx_book.h"
#include "xlsx_edit.h"
#include "xlsx_outline.h"

#include <errno.h>
#include <libintl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#define _(text) dgettext("qipan", text)

#define WIDTH      "48" /* of the column, in characters */
#define MAX_STYLES 65536

/* The styles of the cells that are wrong, and what they look like in red. */
struct reds {
    bool wanted[MAX_STYLES];
    int style[MAX_STYLES]; /* -1 = there is none */
};

/* ---------------------------------------------------------------- styles */

/* Adds a font, a fill and the style of both; and of each style that is wanted one like it with that fill. */
struct style {
    int fonts, fills, styles; /* there were */
    int depth;                /* inside one of the lists: 1 its tag, 2 its members */
    int aside;                /* depth of what is left out of a copy, 0 = nothing is */
    char list[16];
    struct reds *reds;
    FILE *copies; /* into the next two; NULL = no memory */
    char *bytes;
    size_t n_bytes;
    bool done;
};

static bool is_list(const char *name)
{
    return strcmp(name, "fonts") == 0 || strcmp(name, "fills") == 0 || strcmp(name, "cellXfs") == 0;
}

/* A tag with another value of some attributes: NULL ends their names and values. */
static void put_tag(struct xlsx_edit *e, const char *name, const char *const *attributes,
                    const char *const *instead, bool closed)
{
    xlsx_edit_put(e, "<%s%s", e->prefix, name);
    for (const char *const *a = attributes; *a; a += 2) {
        if (xlsx_edit_attribute(instead, a[0]))
            continue;
        xlsx_edit_put(e, " %s=\"", a[0]);
        xlsx_edit_put_text(e, a[1]);
        xlsx_edit_put(e, "\"");
    }
    for (const char *const *a = instead; *a; a += 2)
        xlsx_edit_put(e, " %s=\"%s\"", a[0], a[1]);
    xlsx_edit_put(e, closed ? "/>" : ">");
}

/* How many the list will have. */
static int longer(const struct style *s, const char *name, int count)
{
    int more = 1;

    for (int i = 0; strcmp(name, "cellXfs") == 0 && i < count && i < MAX_STYLES; i++)
        more += s->reds->wanted[i];
    return count + more;
}

static void start_list(struct xlsx_edit *e, struct style *s, const char *name, const char *const *attributes)
{
    const char *count = xlsx_edit_attribute(attributes, "count");
    char text[16];
    const char *const instead[] = {"count", text, NULL};

    snprintf(s->list, sizeof s->list, "%s", name);
    if (!count || xlsx_edit_closed(e))
        return;
    snprintf(text, sizeof text, "%d", longer(s, name, atoi(count)));
    xlsx_edit_copy(e);
    xlsx_edit_drop(e);
    put_tag(e, name, attributes, instead, false);
}

static bool is_copied(const struct style *s)
{
    return s->copies && s->depth > 1 && strcmp(s->list, "cellXfs") == 0 && s->styles > 0 &&
           s->styles <= MAX_STYLES && s->reds->wanted[s->styles - 1] && (!s->aside || s->depth < s->aside);
}

/* Of one style and what stands in it; extensions are left out. */
static void copy_start(struct xlsx_edit *e, struct style *s, const char *name, const char *const *attributes)
{
    char fill[16];
    const char *const red[] = {"fillId", fill, "applyFill", "1", NULL}, *const same[] = {NULL};
    FILE *out = e->out;

    if (strcmp(name, "extLst") == 0)
        s->aside = s->depth;
    if (!is_copied(s))
        return;
    snprintf(fill, sizeof fill, "%d", s->fills);
    e->out = s->copies;
    put_tag(e, name, attributes, s->depth == 2 ? red : same, false);
    e->out = out;
}

static void copy_end(struct xlsx_edit *e, struct style *s, const char *name)
{
    if (is_copied(s))
        fprintf(s->copies, "</%s%s>", e->prefix, name);
    if (s->aside && s->depth <= s->aside)
        s->aside = 0;
}

static void style_start(struct xlsx_edit *e, const char *name, const char *const *attributes)
{
    struct style *s = e->owner;

    if (s->depth == 0 && !is_list(name))
        return;
    if (s->depth++ == 0) {
        start_list(e, s, name, attributes);
        return;
    }
    if (s->depth == 2)
        ++*(strcmp(s->list, "fonts") == 0   ? &s->fonts
            : strcmp(s->list, "fills") == 0 ? &s->fills
                                            : &s->styles);
    copy_start(e, s, name, attributes);
}

/* The copies stand behind our own style, in their order. */
static void put_copies(struct xlsx_edit *e, struct style *s)
{
    int next = s->styles + 1;

    if (!s->copies || fflush(s->copies) != 0)
        return;
    xlsx_edit_put(e, "%s", s->bytes);
    for (int i = 0; i < s->styles && i < MAX_STYLES; i++)
        if (s->reds->wanted[i])
            s->reds->style[i] = next++;
}

static void style_end(struct xlsx_edit *e, const char *name)
{
    struct style *s = e->owner;
    const char *p = e->prefix;
    size_t n;

    if (s->depth == 0)
        return;
    copy_end(e, s, name);
    if (--s->depth > 0)
        return;
    xlsx_edit_tag(e, &n);
    if (!n) /* an empty list: nothing to add to */
        return;
    xlsx_edit_copy(e);
    if (strcmp(name, "fonts") == 0)
        xlsx_edit_put(e, "<%sfont><%ssz val=\"11\"/><%scolor rgb=\"FFC00000\"/></%sfont>", p, p, p, p);
    else if (strcmp(name, "fills") == 0)
        xlsx_edit_put(e,
                      "<%sfill><%spatternFill patternType=\"solid\"><%sfgColor rgb=\"FFFFC7CE\"/><%sbgColor "
                      "indexed=\"64\"/></%spatternFill></%sfill>",
                      p, p, p, p, p, p);
    else
        xlsx_edit_put(
            e,
            "<%sxf numFmtId=\"0\" fontId=\"%d\" fillId=\"%d\" borderId=\"0\" xfId=\"0\" applyFont=\"1\" "
            "applyFill=\"1\" applyAlignment=\"1\"><%salignment vertical=\"center\" wrapText=\"1\"/></%sxf>",
            p, s->fonts, s->fills, p, p);
    if (strcmp(name, "cellXfs") != 0 || !s->fonts || !s->fills)
        return;
    s->done = true;
    put_copies(e, s);
}

/* ---------------------------------------------------------------- the sheet */

struct sheet {
    const struct annotate *what;
    int style; /* -1 = none */
    struct reds *reds;
    int column;
    bool looking; /* the first pass: which columns are filled */
    int last;     /* of the columns that are, -1 = none */
    /* where the reading stands */
    int row, cell;                           /* row from 1, cell from 0 */
    bool in_cell, in_cols, has_cols, placed; /* placed: our column stands in <cols> */
    size_t next;                             /* of the annotations */
    bool headed;
    const char *text; /* for this row, NULL = nothing, or written already */
    int wrong;        /* column of the cell of this row that is, -1 = none, or written already */
    bool dropping;    /* the cell that is in the way */
};

static void put_cell(struct xlsx_edit *e, struct sheet *s, const char *text)
{
    const char *p = e->prefix;
    char name[16];

    xlsx_edit_put(e, "<%sc r=\"%s\"", p, xlsx_cell_name(s->row, s->column, name));
    if (s->style >= 0)
        xlsx_edit_put(e, " s=\"%d\"", s->style);
    xlsx_edit_put(e, " t=\"inlineStr\"><%sis><%st xml:space=\"preserve\">", p, p);
    xlsx_edit_put_text(e, text);
    xlsx_edit_put(e, "</%st></%sis></%sc>", p, p, p);
}

/* A cell that the row doesn't have, where it is wrong that it hasn't. */
static void put_wrong(struct xlsx_edit *e, struct sheet *s)
{
    char name[16];

    if (s->reds->style[0] >= 0)
        xlsx_edit_put(e, "<%sc r=\"%s\" s=\"%d\"/>", e->prefix, xlsx_cell_name(s->row, s->wrong, name),
                      s->reds->style[0]);
    s->wrong = -1;
}

/* What the row should have before the column and hasn't. */
static void put_missing_cells(struct xlsx_edit *e, struct sheet *s, int before)
{
    if (s->wrong >= 0 && s->wrong < before && s->wrong < s->column)
        put_wrong(e, s);
    if (s->text && s->column <= before) {
        put_cell(e, s, s->text);
        s->text = NULL;
    }
    if (s->wrong >= 0 && s->wrong < before)
        put_wrong(e, s);
}

/* What belongs to a row; each row is asked for once, in their order. */
static const char *text_of(struct sheet *s, int row)
{
    const struct annotate *w = s->what;

    s->wrong = -1;
    if (row == w->header_row && !s->headed) {
        s->headed = true;
        return w->heading;
    }
    while (s->next < w->n && w->rows[s->next].row < row)
        s->next++; /* while the cells are looked at: rows that the file leaves out */
    if (s->next == w->n || w->rows[s->next].row != row)
        return NULL;
    s->wrong = w->rows[s->next].column;
    return w->rows[s->next++].text;
}

/* Rows that the file leaves out. */
static void put_missing_rows(struct xlsx_edit *e, struct sheet *s, int before)
{
    const struct annotate *w = s->what;

    while (s->next < w->n && w->rows[s->next].row < before) {
        s->row = w->rows[s->next].row;
        s->text = text_of(s, s->row);
        xlsx_edit_put(e, "<%srow r=\"%d\">", e->prefix, s->row);
        put_missing_cells(e, s, GRID_MAX_COLUMNS);
        xlsx_edit_put(e, "</%srow>", e->prefix);
    }
}

/* The tag without what it says of the columns that are used. */
static void put_row_tag(struct xlsx_edit *e, const char *const *attributes)
{
    xlsx_edit_put(e, "<%srow", e->prefix);
    for (; *attributes; attributes += 2) {
        if (strcmp(attributes[0], "spans") == 0)
            continue;
        xlsx_edit_put(e, " %s=\"", attributes[0]);
        xlsx_edit_put_text(e, attributes[1]);
        xlsx_edit_put(e, "\"");
    }
    xlsx_edit_put(e, ">");
}

static void start_row(struct xlsx_edit *e, struct sheet *s, const char *const *attributes)
{
    const char *r = xlsx_edit_attribute(attributes, "r");
    int row = r ? atoi(r) : s->row + 1;
    bool closed = xlsx_edit_closed(e);

    s->cell = -1;
    if (s->looking) {
        s->row = row;
        text_of(s, row);
        return;
    }
    if (s->next < s->what->n && s->what->rows[s->next].row < row)
        xlsx_edit_copy(e);
    put_missing_rows(e, s, row);
    s->row = row;
    if (!(s->text = text_of(s, row)))
        return;
    xlsx_edit_copy(e);
    xlsx_edit_drop(e);
    put_row_tag(e, attributes);
    if (!closed)
        return;
    put_missing_cells(e, s, GRID_MAX_COLUMNS);
    xlsx_edit_put(e, "</%srow>", e->prefix);
}

/* The cell as it is, but for the colour. */
static void put_red(struct xlsx_edit *e, struct sheet *s, const char *const *attributes, size_t style)
{
    char text[16];
    const char *const instead[] = {"s", text, NULL};
    bool closed = xlsx_edit_closed(e);

    s->wrong = -1;
    if (style >= MAX_STYLES || s->reds->style[style] < 0)
        return;
    snprintf(text, sizeof text, "%d", s->reds->style[style]);
    xlsx_edit_copy(e);
    xlsx_edit_drop(e);
    put_tag(e, "c", attributes, instead, closed);
}

static void start_cell(struct xlsx_edit *e, struct sheet *s, const char *const *attributes)
{
    const char *r = xlsx_edit_attribute(attributes, "r"), *style = xlsx_edit_attribute(attributes, "s");
    size_t number = style ? strtoul(style, NULL, 10) : 0;
    int row;

    if (!r || !xlsx_cell_read(r, &row, &s->cell))
        s->cell++;
    s->in_cell = true;
    if (s->looking) {
        if (s->cell == s->wrong && number < MAX_STYLES)
            s->reds->wanted[number] = true;
        return;
    }
    if ((s->text && s->cell >= s->column) || (s->wrong >= 0 && s->cell > s->wrong)) {
        xlsx_edit_copy(e);
        put_missing_cells(e, s, s->cell);
    }
    if (s->cell == s->wrong && s->cell != s->column)
        put_red(e, s, attributes, number);
    s->dropping = s->cell == s->column && s->row >= s->what->header_row;
    if (s->dropping)
        xlsx_edit_copy(e);
}

static void put_column(struct xlsx_edit *e, struct sheet *s)
{
    xlsx_edit_put(e, "<%scol min=\"%d\" max=\"%d\" width=\"" WIDTH "\" customWidth=\"1\"/>", e->prefix,
                  s->column + 1, s->column + 1);
    s->placed = true;
}

static void put_columns_like(struct xlsx_edit *e, const char *const *attributes, int min, int max)
{
    if (min > max)
        return;
    xlsx_edit_put(e, "<%scol min=\"%d\" max=\"%d\"", e->prefix, min, max);
    for (; *attributes; attributes += 2)
        if (strcmp(attributes[0], "min") != 0 && strcmp(attributes[0], "max") != 0) {
            xlsx_edit_put(e, " %s=\"", attributes[0]);
            xlsx_edit_put_text(e, attributes[1]);
            xlsx_edit_put(e, "\"");
        }
    xlsx_edit_put(e, "/>");
}

/* Ours is wide and to be seen, whatever was said of the columns behind the last one. */
static void start_column(struct xlsx_edit *e, struct sheet *s, const char *const *attributes)
{
    const char *from = xlsx_edit_attribute(attributes, "min"), *to = xlsx_edit_attribute(attributes, "max");
    int min = from ? atoi(from) : 0, max = to ? atoi(to) : 0, own = s->column + 1;

    if (s->placed || max < own)
        return;
    xlsx_edit_copy(e);
    if (min <= own) {
        xlsx_edit_drop(e);
        put_columns_like(e, attributes, min, own - 1);
    }
    put_column(e, s);
    if (min <= own)
        put_columns_like(e, attributes, own + 1, max);
}

static void start_dimension(struct xlsx_edit *e, struct sheet *s, const char *const *attributes)
{
    const char *ref = xlsx_edit_attribute(attributes, "ref"), *rest;
    int row = 0, column = 0, to_row, to_column;
    char from[16], to[16];

    if (!ref || !xlsx_edit_closed(e) || !(rest = xlsx_cell_read(ref, &row, &column)))
        return;
    to_row = row;
    to_column = column;
    if (*rest == ':' && !xlsx_cell_read(rest + 1, &to_row, &to_column))
        return;
    xlsx_edit_copy(e);
    xlsx_edit_drop(e);
    xlsx_edit_put(e, "<%sdimension ref=\"%s:%s\"/>", e->prefix, xlsx_cell_name(row, column, from),
                  xlsx_cell_name(to_row, to_column > s->column ? to_column : s->column, to));
}

static void sheet_start(struct xlsx_edit *e, const char *name, const char *const *attributes)
{
    struct sheet *s = e->owner;

    if (strcmp(name, "row") == 0) {
        start_row(e, s, attributes);
    } else if (strcmp(name, "c") == 0) {
        start_cell(e, s, attributes);
    } else if (s->looking) {
        if (s->in_cell && s->cell > s->last &&
            (strcmp(name, "v") == 0 || strcmp(name, "is") == 0 || strcmp(name, "f") == 0))
            s->last = s->cell;
    } else if (strcmp(name, "cols") == 0) {
        s->has_cols = true;
    } else if (strcmp(name, "col") == 0) {
        start_column(e, s, attributes);
    } else if (strcmp(name, "dimension") == 0) {
        start_dimension(e, s, attributes);
    } else if (strcmp(name, "sheetData") == 0 && !s->has_cols) {
        xlsx_edit_copy(e);
        xlsx_edit_put(e, "<%scols>", e->prefix);
        put_column(e, s);
        xlsx_edit_put(e, "</%scols>", e->prefix);
    }
}

static void sheet_end(struct xlsx_edit *e, const char *name)
{
    struct sheet *s = e->owner;

    if (strcmp(name, "c") == 0) {
        s->in_cell = false;
        if (s->dropping)
            xlsx_edit_drop(e);
        s->dropping = false;
    } else if (s->looking) {
        return;
    } else if (strcmp(name, "row") == 0 && (s->text || s->wrong >= 0)) {
        xlsx_edit_copy(e);
        put_missing_cells(e, s, GRID_MAX_COLUMNS);
    } else if (strcmp(name, "cols") == 0 && !s->placed) {
        xlsx_edit_copy(e);
        put_column(e, s);
    } else if (strcmp(name, "sheetData") == 0) {
        xlsx_edit_copy(e);
        put_missing_rows(e, s, XLSX_MAX_ROW + 1);
    }
}

/* ---------------------------------------------------------------- the archive */

/* A part edited into a temporary file; NULL with a sentence. */
static FILE *edited(struct xlsx_edit *e, struct xlsx_zip *zip, const char *part)
{
    e->out = tmpfile();
    if (!e->out) {
        xlsx_fail(e->why, "%s", strerror(errno));
    } else if (!xlsx_edit_run(e, zip, part) || fflush(e->out) != 0) {
        fclose(e->out);
        e->out = NULL;
    } else {
        rewind(e->out);
    }
    return e->out;
}

/* Takes the file over. */
static bool replace(zip_t *zip, const char *part, FILE *with, char *why)
{
    zip_int64_t i = zip_name_locate(zip, part, ZIP_FL_NOCASE | ZIP_FL_ENC_GUESS);
    zip_source_t *source = with && i >= 0 ? zip_source_filep(zip, with, 0, -1) : NULL;

    if (source && zip_file_replace(zip, (zip_uint64_t)i, source, 0) == 0)
        return true;
    if (source)
        zip_source_free(source);
    else if (with)
        fclose(with);
    return xlsx_fail(why, "%s: %s", part, zip_strerror(zip));
}

static bool copy_file(FILE *from, FILE *to, char *why)
{
    char block[65536];
    size_t n;

    rewind(from);
    while ((n = fread(block, 1, sizeof block, from)) > 0)
        if (fwrite(block, 1, n, to) != n)
            return xlsx_fail(why, "%s", strerror(errno));
    return (!ferror(from) && fflush(to) == 0) || xlsx_fail(why, "%s", strerror(errno));
}

static bool rewrite(struct xlsx_zip *zip, const struct xlsx_book *book, const struct annotate *what,
                    struct style *style, FILE *ret[2], char *why)
{
    struct sheet sheet = {
        .what = what, .reds = style->reds, .looking = true, .last = -1, .style = -1, .wrong = -1};
    struct xlsx_edit look = {.owner = &sheet, .start = sheet_start, .end = sheet_end, .why = why},
                     edit = look,
                     paint = {.owner = style, .start = style_start, .end = style_end, .why = why};

    if (!xlsx_edit_run(&look, zip, book->parts[what->sheet]))
        return false;
    if (sheet.last + 2 > GRID_MAX_COLUMNS)
        return xlsx_fail(why, "%s", _("the sheet has no room for another column"));
    if (book->styles && !(ret[1] = edited(&paint, zip, book->styles)))
        return false;
    sheet = (struct sheet){.what = what,
                           .reds = style->reds,
                           .style = style->done ? style->styles : -1,
                           .wrong = -1,
                           .column = what->column >= 0 ? what->column : sheet.last + 1};
    return (ret[0] = edited(&edit, zip, book->parts[what->sheet])) != NULL;
}

static bool put_parts(const char *path, const struct xlsx_book *book, size_t sheet, FILE *parts[2], char *why)
{
    int code;
    zip_t *zip = zip_open(path, 0, &code);
    bool ok = zip || xlsx_fail(why, "%s", _("the workbook can't be read"));

    ok = ok && replace(zip, book->parts[sheet], parts[0], why);
    if (ok)
        parts[0] = NULL;
    if (ok && parts[1]) {
        ok = replace(zip, book->styles, parts[1], why);
        parts[1] = NULL;
    }
    if (zip && ok && zip_close(zip) != 0) {
        ok = xlsx_fail(why, "%s", zip_strerror(zip));
        zip_discard(zip);
    } else if (zip && !ok) {
        zip_discard(zip);
    }
    return ok;
}

/* A cell that isn't there has the first style. */
static struct reds *new_reds(void)
{
    struct reds *r = calloc(1, sizeof *r);

    for (int i = 0; r && i < MAX_STYLES; i++)
        r->style[i] = -1;
    if (r)
        r->wanted[0] = true;
    return r;
}

static bool annotate_copy(FILE *from, const char *path, FILE *copy, const struct annotate *what, char *why)
{
    struct xlsx_zip *zip = xlsx_zip_open(from, why);
    struct xlsx_book *book = zip ? xlsx_book_read(zip, why) : NULL;
    FILE *parts[2] = {NULL};
    struct style style = {.reds = new_reds()};

    style.copies = open_memstream(&style.bytes, &style.n_bytes);
    bool ok = book && (style.reds || xlsx_fail(why, "%s", strerror(ENOMEM))) &&
              (what->sheet < book->n_sheets || xlsx_fail(why, "%s", _("the workbook has no such sheet"))) &&
              rewrite(zip, book, what, &style, parts, why) && copy_file(from, copy, why) &&
              put_parts(path, book, what->sheet, parts, why);

    for (int i = 0; i < 2; i++)
        if (parts[i])
            fclose(parts[i]);
    if (style.copies)
        fclose(style.copies);
    free(style.bytes);
    free(style.reds);
    xlsx_book_free(book);
    xlsx_zip_close(zip);
    return ok;
}

/* libzip wants a name, and writes beside it. */
bool annotate_xlsx(FILE *from, FILE *to, const struct annotate *what, char why[GRID_WHY_SIZE])
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    FILE *copy;
    int fd;
    bool ok;

    snprintf(path, sizeof path, "%s/qipan-XXXXXX", folder && *folder ? folder : "/tmp");
    fd = mkstemp(path);
    copy = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (!copy) {
        if (fd >= 0)
            close(fd);
        return xlsx_fail(why, "%s: %s", path, strerror(errno));
    }
    ok = annotate_copy(from, path, copy, what, why);
    fclose(copy);
    copy = ok ? fopen(path, "re") : NULL;
    ok = ok && copy && copy_file(copy, to, why);
    if (copy)
        fclose(copy);
    unlink(path);
    return ok;
}
