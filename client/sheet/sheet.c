/* SPDX-License-Identifier: Apache-2.0 */
#include "sheet.h"

#include "sheet_internal.h"

#include <errno.h>
#include <libintl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define _(text) dgettext("qipan", text)

void sheet_fail(struct sheet *s, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(s->why, sizeof(s->why), format, ap);
    va_end(ap);
}

void sheet_note(struct sheet *s, const char *format, ...)
{
    char text[SHEET_WHY_SIZE];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    for (size_t i = 0; i < s->n_notes; i++)
        if (!strcmp(s->notes[i], text))
            return;
    if (s->n_notes < SHEET_MAX_NOTES && (s->notes[s->n_notes] = strdup(text)))
        s->n_notes++;
}

enum sheet_result sheet_broken(struct sheet *s, struct sheet_row *row, int column)
{
    *row = (struct sheet_row){.number = s->row,

                              .bad = s->broken.why,
                              .bad_text = s->broken.text,
                              .bad_column = column};
    return SHEET_ROW;
}

bool sheet_add_column(struct sheet *s, const char *name, int column)
{
    if (s->n_header == SHEET_MAX_COLUMNS) {
        sheet_fail(s, _("the file has more than %d columns"), SHEET_MAX_COLUMNS);
        return false;
    }
    if (!(s->header[s->n_header] = strdup(name))) {
        sheet_fail(s, "%s", strerror(ENOMEM));
        return false;
    }
    s->column[s->n_header++] = column;
    return true;
}

/* JSON Lines by their ending; but a workbook is one whatever it is called. */
static const struct sheet_kind *kind_of(FILE *file, const char *name)
{
    static const char *const json[] = {".jsonl", ".ndjson", ".json", NULL};
    const char *dot = name ? strrchr(name, '.') : NULL;
    char head[8] = "";

    for (const char *const *j = json; dot && *j; j++) {
        if (strcasecmp(dot, *j))
            continue;
        bool workbook = fread(head, 1, sizeof(head), file) > 0 && grid_is_workbook(head);
        rewind(file);
        return workbook ? &sheet_of_grid : &sheet_jsonl;
    }
    return &sheet_of_grid;
}

struct sheet *sheet_open(FILE *file, const struct sheet_options *options, char why[SHEET_WHY_SIZE])
{
    struct sheet *s = calloc(1, sizeof(*s));

    if (!s) {
        fclose(file);
        snprintf(why, SHEET_WHY_SIZE, "%s", strerror(ENOMEM));
        return NULL;
    }
    s->kind = kind_of(file, options->name);
    if (!(s->state = s->kind->open(s, file, options))) {
        memcpy(why, s->why, SHEET_WHY_SIZE);
        sheet_close(s);
        return NULL;
    }
    sheet_rewind(s);
    return s;
}

void sheet_forget(struct sheet *s)
{
    for (size_t i = 0; i < s->n_header; i++)
        free(s->header[i]);
    for (size_t i = 0; i < s->n_notes; i++)
        free(s->notes[i]);
    s->n_header = s->n_notes = 0;
    s->doubt[0] = 0;
}

void sheet_close(struct sheet *s)
{
    if (!s)
        return;
    if (s->state)
        s->kind->close(s->state);
    sheet_forget(s);
    free(s);
}

const char *sheet_doubt(const struct sheet *s)
{
    return s->doubt[0] ? s->doubt : NULL;
}

bool sheet_pass_over(struct sheet *s)
{
    if (!s->kind->pass_over || !s->kind->pass_over(s, s->state))
        return false;
    sheet_rewind(s);
    return true;
}

const char *sheet_encoding(const struct sheet *s)
{
    return s->encoding;
}

char *const *sheet_header(const struct sheet *s, size_t *ret_n)
{
    *ret_n = s->n_header;
    return s->header;
}

const struct grid *sheet_grid(const struct sheet *s)
{
    return s->kind->grid ? s->kind->grid(s->state) : NULL;
}

bool sheet_disarmed(const struct sheet *s)
{
    const struct grid *g = sheet_grid(s);

    return g && grid_disarmed(g);
}

int sheet_header_row(const struct sheet *s)
{
    return s->header_row;
}

int sheet_column(const struct sheet *s, size_t index)
{
    return s->column[index];
}

const char *sheet_unit(const struct sheet *s)
{
    return s->unit && *s->unit ? s->unit : NULL;
}

const char *sheet_area_unit(const struct sheet *s)
{
    return s->area_unit && *s->area_unit ? s->area_unit : NULL;
}

const char *const *sheet_notes(const struct sheet *s, size_t *ret_n)
{
    *ret_n = s->n_notes;
    return (const char *const *)s->notes;
}

static bool is_blank(const struct sheet_row *row)
{
    for (size_t i = 0; i < row->n; i++)
        if (row->cells[i][0])
            return false;
    return !row->bad && !row->skip;
}

enum sheet_result sheet_next(struct sheet *s, struct sheet_row *ret_row)
{
    enum sheet_result r;

    do {
        if (s->row >= SHEET_MAX_ROWS) {
            sheet_fail(s, _("the file has more than %d rows"), SHEET_MAX_ROWS);
            return SHEET_FAILED;
        }
        r = s->kind->next(s, s->state, ret_row);
    } while (r == SHEET_ROW && is_blank(ret_row));
    return r;
}

const char *sheet_why(const struct sheet *s)
{
    return s->why;
}

void sheet_rewind(struct sheet *s)
{
    s->row = 0;
    s->kind->rewind(s, s->state);
}
