/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_edit.h"

#include "utf8.h"

#include <errno.h>
#include <libintl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define _(text) dgettext("qipan", text)

#define BLOCK      (64 * 1024)
#define MAX_WINDOW (4 * 1024 * 1024) /* between two tags */

static void fail(struct xlsx_edit *e, const char *sentence)
{
    if (!e->failed)
        xlsx_fail(e->why, "%s", sentence);
    e->failed = true;
    XML_StopParser(e->parser, XML_FALSE);
}

/* ---------------------------------------------------------------- bytes on their way */

/* All before this place of the part leaves the window. */
static void leave(struct xlsx_edit *e, long long upto, bool write)
{
    size_t n = upto > e->base ? (size_t)(upto - e->base) : 0;

    n = n < e->n ? n : e->n;
    if (write && e->out && n && fwrite(e->window + e->head, 1, n, e->out) != n)
        fail(e, strerror(errno));
    e->head += n;
    e->n -= n;
    e->base += (long long)n;
}

static long long tag_start(struct xlsx_edit *e)
{
    return XML_GetCurrentByteIndex(e->parser);
}

void xlsx_edit_copy(struct xlsx_edit *e)
{
    leave(e, tag_start(e), true);
}

void xlsx_edit_drop(struct xlsx_edit *e)
{
    leave(e, tag_start(e) + XML_GetCurrentByteCount(e->parser), false);
}

const char *xlsx_edit_tag(struct xlsx_edit *e, size_t *ret_n)
{
    *ret_n = (size_t)XML_GetCurrentByteCount(e->parser);
    return e->window + e->head + (tag_start(e) - e->base);
}

bool xlsx_edit_closed(struct xlsx_edit *e)
{
    size_t n;
    const char *tag = xlsx_edit_tag(e, &n);

    return n > 1 && tag[n - 2] == '/';
}

void xlsx_edit_put(struct xlsx_edit *e, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (e->out && vfprintf(e->out, format, args) < 0)
        fail(e, strerror(errno));
    va_end(args);
}

void xlsx_edit_put_text(struct xlsx_edit *e, const char *text)
{
    const uint8_t *s = (const uint8_t *)text, *end = s + strlen(text);

    while (e->out && s < end) {
        char shown[UTF8_SHOWN];
        size_t n = *s == '\n' ? 1 : 0;

        if (n)
            shown[0] = (char)*s++;
        else
            n = utf8_show_one(&s, end, shown);
        if (n == 1 && strchr("<>&\"", shown[0]))
            fprintf(e->out, "&#%d;", shown[0]);
        else
            fwrite(shown, 1, n, e->out);
    }
}

/* ---------------------------------------------------------------- the parser */

static const char *local_name(const char *name)
{
    const char *colon = strchr(name, ':');

    return colon ? colon + 1 : name;
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
    struct xlsx_edit *e = arg;
    const char *local = local_name(name);

    if (e->failed)
        return;
    if (!e->rooted && local != name && (size_t)(local - name) < sizeof e->prefix)
        memcpy(e->prefix, name, (size_t)(local - name));
    e->rooted = true;
    e->last = tag_start(e);
    e->start(e, local, (const char *const *)attributes);
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct xlsx_edit *e = arg;

    if (e->failed)
        return;
    e->last = tag_start(e);
    e->end(e, local_name(name));
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system, const char *public,
                               int internal)
{
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    fail(arg, _("the workbook has a document type, which none has"));
}

/* Offsets are those of the bytes, and what we put in is UTF-8. */
static void XMLCALL on_declaration(void *arg, const char *version, const char *encoding, int standalone)
{
    (void)standalone;
    if (version && encoding && strcasecmp(encoding, "UTF-8") != 0 && strcasecmp(encoding, "US-ASCII") != 0)
        fail(arg, _("a part of the workbook is not UTF-8"));
}

static bool add(struct xlsx_edit *e, const char *block, size_t n)
{
    if (e->head)
        memmove(e->window, e->window + e->head, e->n);
    e->head = 0;
    if (e->n + n > MAX_WINDOW)
        return xlsx_fail(e->why, "%s", _("a text in the workbook is too long"));
    if (e->n + n > e->room) {
        char *more = realloc(e->window, e->n + n + BLOCK);

        if (!more)
            return xlsx_fail(e->why, "%s", _("out of memory"));
        e->window = more;
        e->room = e->n + n + BLOCK;
    }
    memcpy(e->window + e->n, block, n);
    e->n += n;
    return true;
}

static bool feed(struct xlsx_edit *e, struct xlsx_part *part)
{
    char block[BLOCK];
    long n;

    do {
        if ((n = xlsx_part_read(part, block, sizeof block, e->why)) < 0 || !add(e, block, (size_t)n))
            return false;
        if (XML_Parse(e->parser, block, (int)n, n == 0) != XML_STATUS_OK)
            return e->failed ? false
                             : xlsx_fail(e->why, "%s: %s", xlsx_part_name(part),
                                         XML_ErrorString(XML_GetErrorCode(e->parser)));
        leave(e, e->last, true);
    } while (n > 0);
    leave(e, e->base + (long long)e->n, true);
    return !e->failed;
}

bool xlsx_edit_run(struct xlsx_edit *e, struct xlsx_zip *zip, const char *name)
{
    struct xlsx_part *part = xlsx_part_open(zip, name, e->why);
    bool ok = part && (e->parser = XML_ParserCreate(NULL));

    e->window = NULL;
    e->head = e->n = e->room = 0;
    e->base = e->last = 0;
    e->failed = false;
    memset(e->prefix, 0, sizeof e->prefix);
    e->rooted = false;
    if (ok) {
        XML_SetUserData(e->parser, e);
        XML_SetElementHandler(e->parser, on_start, on_end);
        XML_SetStartDoctypeDeclHandler(e->parser, on_doctype);
        XML_SetXmlDeclHandler(e->parser, on_declaration);
        ok = feed(e, part);
        XML_ParserFree(e->parser);
    }
    xlsx_part_close(part);
    free(e->window);
    return ok;
}

const char *xlsx_edit_attribute(const char *const *attributes, const char *name)
{
    for (; *attributes; attributes += 2)
        if (strcmp(attributes[0], name) == 0)
            return attributes[1];
    return NULL;
}
