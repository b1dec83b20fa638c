/* SPDX-License-Identifier: Apache-2.0 */
#include "sheet.h"

#include "decode.h"
#include "sheet_internal.h"
#include "utf8.h"

#include <errno.h>
#include <libintl.h>
#include <stdarg.h>
#include <stdint.h>
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

/* Bytes that are not text are shown as "?", the rest is shortened at a whole character. */
static void show_bytes(char *out, size_t cap, const char *in, size_t n)
{
    size_t w = 0;

    for (size_t i = 0; i < n && w + 5 < cap;) {
        size_t len = 1;
        while (len < 4 && i + len < n && ((uint8_t)in[i + len] & 0xC0) == 0x80)
            len++;
        if (utf8_clean((const uint8_t *)in + i, len)) {
            memcpy(out + w, in + i, len);
            w += len;
            i += len;
        } else {
            out[w++] = '?';
            i++;
        }
    }
    out[w] = 0;
}

enum sheet_result sheet_broken(struct sheet *s, struct sheet_row *row, int column, const char *text, size_t n,
                               const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(s->bad, sizeof(s->bad), format, ap);
    va_end(ap);
    show_bytes(s->bad_text, sizeof(s->bad_text), text, n);
    *row = (struct sheet_row){.number = s->row, .bad = s->bad, .bad_text = s->bad_text, .bad_column = column};
    return SHEET_ROW;
}

bool sheet_add_column(struct sheet *s, const char *name)
{
    if (s->n_header == SHEET_MAX_COLUMNS) {
        sheet_fail(s, _("the file has more than %d columns"), SHEET_MAX_COLUMNS);
        return false;
    }
    if (!(s->header[s->n_header] = strdup(name))) {
        sheet_fail(s, "%s", strerror(ENOMEM));
        return false;
    }
    s->n_header++;
    return true;
}

enum sheet_line sheet_read_line(FILE *file, char *buf, size_t *ret_n)
{
    size_t n = 0;
    bool over = false;
    int c;

    while ((c = getc_unlocked(file)) != EOF) {
        if (n < SHEET_MAX_ROW)
            buf[n++] = (char)c;
        else
            over = true;
        if (c == '\n')
            break;
        if (c == '\r') {
            if ((c = getc_unlocked(file)) == '\n')
                buf[n++] = (char)c;
            else if (c != EOF)
                ungetc(c, file);
            break;
        }
    }
    *ret_n = n;
    return over ? SHEET_LINE_LONG : n ? SHEET_LINE : SHEET_LINE_END;
}

static const struct sheet_kind *kind_of(const char *name)
{
    static const char *const json[] = {".jsonl", ".ndjson", ".json", NULL};
    const char *dot = name ? strrchr(name, '.') : NULL;

    for (const char *const *j = json; dot && *j; j++)
        if (!strcasecmp(dot, *j))
            return &sheet_jsonl;
    return &sheet_csv;
}

/* Workbooks are told by their first bytes. */
static bool is_table_text(struct sheet *s)
{
    char head[8] = "";
    size_t n = fread(head, 1, sizeof(head), s->file);

    rewind(s->file);
    if (ferror(s->file))
        sheet_fail(s, "%s", strerror(errno));
    else if (n == 0)
        sheet_fail(s, "%s", _("the file is empty"));
    else if (!memcmp(head, "PK\3\4", 4) || !memcmp(head, "\xD0\xCF\x11\xE0", 4))
        sheet_fail(s, "%s", _("this is a workbook, not text: save the sheet as CSV first"));
    else
        return true;
    return false;
}

static bool find_encoding(struct sheet *s, const char *forced)
{
    size_t bom = 0;
    const char *found = decode_detect(s->file, &bom);

    if (!found) {
        sheet_fail(s, "%s", strerror(errno));
        return false;
    }
    snprintf(s->encoding, sizeof(s->encoding), "%s", forced && !bom ? forced : found);
    s->start = (long)bom;
    if (!strncasecmp(s->encoding, "utf-16", 6)) {
        fseek(s->file, s->start, SEEK_SET);
        FILE *text = decode_utf16(s->file, s->encoding);
        if (!text) {
            sheet_fail(s, _("the file can't be read as %s"), s->encoding);
            return false;
        }
        fclose(s->file);
        s->file = text;
        s->start = 0;
        strcpy(s->encoding, "UTF-8");
    }
    return fseek(s->file, s->start, SEEK_SET) == 0;
}

struct sheet *sheet_open(FILE *file, const struct sheet_options *options, char why[SHEET_WHY_SIZE])
{
    struct sheet *s = calloc(1, sizeof(*s));

    if (!s) {
        fclose(file);
        snprintf(why, SHEET_WHY_SIZE, "%s", strerror(ENOMEM));
        return NULL;
    }
    s->file = file;
    s->kind = kind_of(options->name);
    if (!is_table_text(s) || !find_encoding(s, options->encoding) ||
        !(s->state = s->kind->open(s, options))) {
        memcpy(why, s->why, SHEET_WHY_SIZE);
        sheet_close(s);
        return NULL;
    }
    sheet_rewind(s);
    return s;
}

void sheet_close(struct sheet *s)
{
    if (!s)
        return;
    if (s->state)
        s->kind->close(s->state);
    for (size_t i = 0; i < s->n_header; i++)
        free(s->header[i]);
    fclose(s->file);
    free(s);
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

bool sheet_disarmed(const struct sheet *s)
{
    return s->kind->disarmed;
}

static bool is_blank(const struct sheet_row *row)
{
    for (size_t i = 0; i < row->n; i++)
        if (row->cells[i][0])
            return false;
    return !row->bad;
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
    clearerr(s->file);
    fseek(s->file, s->start, SEEK_SET);
    s->row = 0;
    s->kind->rewind(s, s->state);
}
