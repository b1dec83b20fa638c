/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include "decode.h"

#include <errno.h>
#include <libintl.h>
#include <string.h>
#include <strings.h>

#define _(text) dgettext("qipan", text)

static bool to_utf8(struct lines *l, char *why, size_t size)
{
    long at;

    fseek(l->file, l->start, SEEK_SET);
    FILE *text = decode_utf16(l->file, l->encoding, &at);
    if (!text) {
        snprintf(why, size, _("the file can't be read as %s (from byte offset %ld on)"), l->encoding, at);
        return false;
    }
    fclose(l->file);
    *l = (struct lines){.file = text, .encoding = "UTF-8", .converted = true};
    return true;
}

bool lines_open(struct lines *l, const char *forced, char *why, size_t size)
{
    size_t mark = 0;
    const char *found = decode_detect(l->file, &mark);

    if (!found) {
        snprintf(why, size, "%s", strerror(errno));
        return false;
    }
    snprintf(l->encoding, sizeof(l->encoding), "%s", forced && !mark ? forced : found);
    l->start = (long)mark;
    if (!strncasecmp(l->encoding, "utf-16", 6) && !to_utf8(l, why, size))
        return false;
    return lines_rewind(l);
}

bool lines_rewind(struct lines *l)
{
    clearerr(l->file);
    return fseek(l->file, l->start, SEEK_SET) == 0;
}

enum lines_result lines_read(struct lines *l, char *buf, size_t *ret_n)
{
    size_t n = 0;
    bool over = false;
    int c;

    while ((c = getc_unlocked(l->file)) != EOF) {
        if (n < LINES_MAX)
            buf[n++] = (char)c;
        else
            over = true;
        if (c == '\n')
            break;
        if (c == '\r') {
            if ((c = getc_unlocked(l->file)) == '\n')
                buf[n++] = (char)c;
            else if (c != EOF)
                ungetc(c, l->file);
            break;
        }
    }
    *ret_n = n;
    return over ? LINES_LONG : n ? LINES_LINE : LINES_END;
}
