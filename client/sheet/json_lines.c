/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Lines: an object a line; the columns are all keys that occur. Numbers stay the digits they are: a fraction would
 * have gone through binary floating point, so it is refused. */
#include "lines.h"
#include "sheet_internal.h"

#include <errno.h>
#include <jansson.h>
#include <libintl.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

#define JOINED_SIZE 4096

struct json_lines {
    struct lines lines;
    char line[LINES_MAX + 2];
    size_t read;    /* bytes of the line in the file */
    json_t *object; /* of the row read last */
    char *cells[SHEET_MAX_COLUMNS];
    char store[LINES_MAX * 2]; /* cells that are no strings in the object */
    size_t used;
};

static char empty[] = "";

static int find_column(const struct sheet *s, const char *key)
{
    for (size_t i = 0; i < s->n_header; i++)
        if (!strcmp(s->header[i], key))
            return (int)i;
    return -1;
}

static char *keep(struct json_lines *j, const char *text)
{
    size_t n = strlen(text) + 1;

    if (n > sizeof(j->store) - j->used)
        return NULL;
    char *at = memcpy(j->store + j->used, text, n);
    j->used += n;
    return at;
}

/* ["大","链"] → 大,链; NULL when it holds anything but texts. */
static char *join_array(struct json_lines *j, const json_t *array)
{
    char joined[JOINED_SIZE] = "";
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *item = json_string_value(json_array_get(array, i));
        if (!item || n + strlen(item) + 2 > sizeof(joined))
            return NULL;
        n += (size_t)sprintf(joined + n, "%s%s", i ? "," : "", item);
    }
    return keep(j, joined);
}

static char *cell_text(struct json_lines *j, const json_t *v)
{
    char digits[32];

    switch (json_typeof(v)) {
    case JSON_STRING:
        return keep(j, json_string_value(v));
    case JSON_INTEGER:
        snprintf(digits, sizeof(digits), "%lld", (long long)json_integer_value(v));
        return keep(j, digits);
    case JSON_TRUE:
    case JSON_FALSE:
        return keep(j, json_is_true(v) ? "true" : "false");
    case JSON_NULL:
        return empty;
    case JSON_ARRAY:
        return join_array(j, v);
    default:
        return NULL;
    }
}

/* Shows the text, says why not. */
#define broken(s, row, column, text, n, ...)                                                                 \
    (broken_set(&(s)->broken, text, n, __VA_ARGS__), sheet_broken(s, row, column))

static enum sheet_result fill(struct sheet *s, struct json_lines *j, struct sheet_row *row)
{
    const char *key;
    json_t *v;

    j->used = 0;
    for (size_t i = 0; i < s->n_header; i++)
        j->cells[i] = empty;
    json_object_foreach(j->object, key, v)
    {
        int i = find_column(s, key);
        if (i < 0) {
            sheet_fail(s, "%s", _("the file changed while it was read"));
            return SHEET_FAILED;
        }
        if (json_is_real(v))
            return broken(s, row, i, "", 0,
                          _("write a number with a fraction as text, in quotes: it would lose digits"));
        if (!(j->cells[i] = cell_text(j, v)))
            return broken(s, row, i, "", 0, _("only texts, whole numbers and lists of texts can be read"));
    }
    *row = (struct sheet_row){.number = s->row, .n = s->n_header, .cells = j->cells};
    return SHEET_ROW;
}

/* A NUL, where text ends for most programs: told by its place in the file, as far as people have it. */
static enum sheet_result broken_by_nul(struct sheet *s, struct json_lines *j, struct sheet_row *row, size_t n,
                                       size_t nul)
{
    long end = ftell(j->lines.file);

    if (j->lines.converted || end < 0)
        return broken(s, row, -1, j->line, n, _("byte %zu of the line is NUL"), nul + 1);
    return broken(s, row, -1, j->line, n, _("byte %zu of the line is NUL, byte offset %ld of the file"),
                  nul + 1, end - (long)j->read + (long)nul);
}

/* A line into j->object, NULL when it is blank or broken. */
static enum sheet_result read_object(struct sheet *s, struct json_lines *j, struct sheet_row *row)
{
    json_error_t e;
    const char *nul;
    size_t n;
    enum lines_result got = lines_read(&j->lines, j->line, &n);

    j->read = n;
    json_decref(j->object);
    j->object = NULL;
    *row = (struct sheet_row){.number = ++s->row};
    if (ferror(j->lines.file)) {
        sheet_fail(s, "%s", strerror(errno));
        return SHEET_FAILED;
    }
    if (got == LINES_END)
        return SHEET_END;
    while (n && strchr(" \t\r\n", j->line[n - 1]))
        n--;
    if (got == LINES_LONG)
        return broken(s, row, -1, j->line, n, "%s", _("the row is too long"));
    if (n == 0)
        return SHEET_ROW;
    if ((nul = memchr(j->line, 0, n)))
        return broken_by_nul(s, j, row, n, (size_t)(nul - j->line));
    j->object = json_loadb(j->line, n, JSON_REJECT_DUPLICATES, &e);
    if (!j->object)
        return broken(s, row, -1, j->line, n, _("not JSON at character %d: %s"), e.column, e.text);
    if (!json_is_object(j->object)) {
        json_decref(j->object);
        j->object = NULL;
        return broken(s, row, -1, j->line, n, "%s", _("the line is not a JSON object"));
    }
    return SHEET_ROW;
}

static enum sheet_result jsonl_next(struct sheet *s, void *state, struct sheet_row *row)
{
    struct json_lines *j = state;
    enum sheet_result r = read_object(s, j, row);

    return r == SHEET_ROW && j->object ? fill(s, j, row) : r;
}

static bool collect_keys(struct sheet *s, struct json_lines *j)
{
    enum sheet_result r;
    struct sheet_row row;
    int bad = 0, first = 0;
    const char *key;
    json_t *v;

    while (s->row < SHEET_MAX_ROWS && (r = read_object(s, j, &row)) != SHEET_END) {
        if (r == SHEET_FAILED)
            return false;
        if (row.bad && bad++ == 0) {
            first = row.number;
            snprintf(j->store, sizeof(j->store), "%s", row.bad);
        }
        json_object_foreach(j->object, key, v)
        {
            if (find_column(s, key) < 0 && !sheet_add_column(s, key, -1))
                return false;
        }
    }
    if (s->n_header > 0)
        return true;
    if (bad)
        sheet_fail(s,
                   _("no line of the file is a JSON object with fields: %d are refused, line %d first: %s"),
                   bad, first, j->store);
    else
        sheet_fail(s, "%s", _("no line of the file is a JSON object with fields"));
    return false;
}

static void jsonl_close(void *state)
{
    struct json_lines *j = state;

    json_decref(j->object);
    fclose(j->lines.file);
    free(j);
}

static void *jsonl_open(struct sheet *s, FILE *file, const struct sheet_options *o)
{
    struct json_lines *j = calloc(1, sizeof(*j));

    if (!j) {
        fclose(file);
        sheet_fail(s, "%s", strerror(ENOMEM));
        return NULL;
    }
    j->lines.file = file;
    snprintf(s->encoding, sizeof(s->encoding), "UTF-8");
    if (lines_open(&j->lines, o->encoding, s->why, sizeof(s->why)) && collect_keys(s, j))
        return j;
    jsonl_close(j);
    return NULL;
}

static void jsonl_rewind(struct sheet *s, void *state)
{
    struct json_lines *j = state;

    if (!lines_rewind(&j->lines))
        sheet_fail(s, "%s", strerror(errno));
}

const struct sheet_kind sheet_jsonl = {jsonl_open, jsonl_close, jsonl_next, jsonl_rewind, NULL, NULL};
