/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_strings.h"

#include "xlsx_xml.h"

#include <errno.h>
#include <libintl.h>
#include <stdlib.h>
#include <string.h>

#define _(text) dgettext("qipan", text)

#define IN_MEMORY   ((size_t)8 << 20) /* of the texts; of their ends half of it */
#define MAX_STRINGS ((size_t)16 << 20)
#define MAX_BYTES   UINT32_MAX

void xlsx_strings_init(struct xlsx_strings *s)
{
    s->n = 0;
    xlsx_spool_init(&s->texts, IN_MEMORY);
    xlsx_spool_init(&s->ends, IN_MEMORY / 2);
}

void xlsx_strings_free(struct xlsx_strings *s)
{
    xlsx_spool_free(&s->texts);
    xlsx_spool_free(&s->ends);
    s->n = 0;
}

/* ---------------------------------------------------------------- escapes */

/* The four digits of _xHHHH_, -1 when it isn't one. */
static long escaped(const char *p, const char *end)
{
    unsigned long unit = 0;

    if (end - p < 7 || p[0] != '_' || p[1] != 'x' || p[6] != '_')
        return -1;
    for (int i = 2; i < 6; i++) {
        const char *digits = "0123456789abcdef",
                   *d = p[i] ? strchr(digits, p[i] >= 'A' && p[i] <= 'F' ? p[i] | 0x20 : p[i]) : NULL;
        if (!d)
            return -1;
        unit = unit * 16 + (unsigned long)(d - digits);
    }
    return (long)unit;
}

static char *put(char *w, unsigned long c)
{
    if (c < 0x80) {
        *w++ = (char)c;
        return w;
    }
    if (c >= 0x10000)
        *w++ = (char)(0xF0 | c >> 18);
    if (c >= 0x800)
        *w++ = (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3F) : 0xE0 | c >> 12);
    *w++ = (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3F) : 0xC0 | c >> 6);
    *w++ = (char)(0x80 | (c & 0x3F));
    return w;
}

size_t xlsx_unescape(char *text, size_t n)
{
    const char *p = memchr(text, '_', n), *end = text + n;
    char *w = (char *)(uintptr_t)p;

    if (!p)
        return n;
    while (p < end) {
        long c = escaped(p, end), low;
        size_t used = 7;
        if (c >= 0xD800 && c < 0xDC00 && (low = escaped(p + used, end)) >= 0xDC00 && low < 0xE000) {
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            used += 7;
        }
        if (c <= 0 || (c >= 0xD800 && c < 0xE000)) { /* NUL, and half a character, stay what they are */
            *w++ = *p++;
            continue;
        }
        p += used;
        w = put(w, (unsigned long)c);
    }
    return (size_t)(w - text);
}

/* ---------------------------------------------------------------- reading */

enum { SST = 1, ITEM, TEXT, RUN };

static const struct xlsx_step steps[] = {{0, "sst", SST, false},  {SST, "si", ITEM, false},
                                         {ITEM, "t", TEXT, true}, {ITEM, "r", RUN, false},
                                         {RUN, "t", TEXT, true},  {0}};

static void on_enter(struct xlsx_xml *x, int place, const char *const *attributes)
{
    (void)attributes;
    if (place == ITEM)
        x->n_text = 0;
}

static void on_leave(struct xlsx_xml *x, int place)
{
    struct xlsx_strings *s = x->how.owner;
    char why[512];

    if (place != ITEM)
        return;
    size_t n = xlsx_unescape(x->text, x->n_text);
    if (s->n == MAX_STRINGS || s->texts.size + n > MAX_BYTES) {
        xlsx_xml_fail(x, _("the workbook has more than %zu different texts: split it"), s->n);
        return;
    }
    uint32_t end = (uint32_t)(s->texts.size + n);
    if (!xlsx_spool_add(&s->texts, x->text, n, why) || !xlsx_spool_add(&s->ends, &end, sizeof(end), why))
        xlsx_xml_fail(x, "%s", why);
    s->n++;
}

bool xlsx_strings_read(struct xlsx_strings *s, struct xlsx_zip *zip, const char *part, char *why)
{
    struct xlsx_reading how = {.owner = s, .steps = steps, .enter = on_enter, .leave = on_leave, .why = why};

    return xlsx_xml_all(&how, zip, part) && xlsx_spool_done(&s->texts, why) && xlsx_spool_done(&s->ends, why);
}

long xlsx_strings_get(struct xlsx_strings *s, size_t i, char *out, size_t room, char *why)
{
    uint32_t at[2] = {0, 0}; /* where the one before ends, where this one does */
    bool ok = i ? xlsx_spool_get(&s->ends, (i - 1) * sizeof(at[0]), at, sizeof(at), why)
                : xlsx_spool_get(&s->ends, 0, &at[1], sizeof(at[1]), why);
    size_t n = at[1] - at[0];

    if (!ok || (n <= room && !xlsx_spool_get(&s->texts, at[0], out, n, why)))
        return -1;
    return (long)n;
}
