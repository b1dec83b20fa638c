/* SPDX-License-Identifier: Apache-2.0 */
#include "xlsx_xml.h"

#include "grid.h"

#include <errno.h>
#include <libintl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define _(text) dgettext("qipan", text)

#define BLOCK     (64 * 1024)
#define MAX_TOKEN (256 * 1024) /* one tag; text comes in pieces */
#define MAX_DEPTH 100
#define MARK      '|' /* between namespace and name */

/* Elements that count live in one of these. */
static const char *const element_spaces[] = {
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main|",
    "http://schemas.openxmlformats.org/package/2006/relationships|",
    "http://purl.oclc.org/ooxml/spreadsheetml/main|",
};

static const char *const reference_spaces[] = {
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships|",
    "http://purl.oclc.org/ooxml/officeDocument/relationships|",
};

/* What stands behind one of the prefixes, or NULL. */
static const char *behind(const char *name, const char *const *prefixes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(prefixes[i]);
        if (!strncmp(name, prefixes[i], len))
            return name + len;
    }
    return NULL;
}

void xlsx_xml_fail(struct xlsx_xml *x, const char *format, ...)
{
    va_list ap;

    if (x->failed)
        return;
    va_start(ap, format);
    vsnprintf(x->how.why, GRID_WHY_SIZE, format, ap);
    va_end(ap);
    x->failed = true;
    XML_StopParser(x->parser, XML_FALSE);
}

void xlsx_xml_pause(struct xlsx_xml *x)
{
    if (!x->failed)
        XML_StopParser(x->parser, XML_TRUE);
}

static const struct xlsx_step *find_step(const struct xlsx_xml *x, const char *name)
{
    unsigned char in = x->depth ? x->places[x->depth - 1] : 0;
    const char *local =
        x->n_space && !strncmp(name, x->space, x->n_space)
            ? name + x->n_space
            : behind(name, element_spaces, sizeof(element_spaces) / sizeof(element_spaces[0]));

    for (const struct xlsx_step *s = x->how.steps; local && s->name; s++)
        if (s->in == in && !strcmp(s->name, local))
            return s;
    return NULL;
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
    struct xlsx_xml *x = arg;
    const struct xlsx_step *step = x->skipped ? NULL : find_step(x, name);

    if (x->failed)
        return;
    if (!step) {
        if (x->depth == 0)
            xlsx_xml_fail(x,
                          _("%.80s is not what it should be: this is no workbook that Excel would open; save "
                            "it as .xlsx"),
                          xlsx_part_name(x->part));
        else if (++x->skipped + x->depth > MAX_DEPTH)
            xlsx_xml_fail(x,
                          _("%.80s: elements inside elements, over %d deep: refused; ask for a copy that a "
                            "spreadsheet program saved"),
                          xlsx_part_name(x->part), MAX_DEPTH);
        return;
    }
    if (x->depth == 0) {
        x->n_space = strlen(name) - strlen(step->name);
        memcpy(x->space, name, x->n_space); /* one of element_spaces */
    }
    x->places[x->depth++] = step->to;
    x->collects = step->text;
    if (x->how.enter)
        x->how.enter(x, step->to, (const char *const *)attributes);
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct xlsx_xml *x = arg;

    (void)name;
    if (x->failed)
        return;
    if (x->skipped) {
        x->skipped--;
        return;
    }
    x->collects = false;
    x->depth--;
    if (x->how.leave)
        x->how.leave(x, x->places[x->depth]);
}

static void XMLCALL on_text(void *arg, const char *s, int n)
{
    struct xlsx_xml *x = arg;

    if (!x->collects || x->skipped || x->failed)
        return;
    if (x->n_text + (size_t)n > XLSX_MAX_TEXT) {
        xlsx_xml_fail(x, _("%.80s, line %lu: a text of more than %d bytes: no cell holds that"),
                      xlsx_part_name(x->part), (unsigned long)XML_GetCurrentLineNumber(x->parser),
                      XLSX_MAX_TEXT);
        return;
    }
    memcpy(x->text + x->n_text, s, (size_t)n);
    x->n_text += (size_t)n;
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system, const char *public,
                               int subset)
{
    struct xlsx_xml *x = arg;

    (void)name, (void)system, (void)public, (void)subset;
    xlsx_xml_fail(x,
                  _("%.80s declares a document type, which no spreadsheet program does: refused; ask for a "
                    "copy that a spreadsheet program saved"),
                  xlsx_part_name(x->part));
}

struct xlsx_xml *xlsx_xml_new(const struct xlsx_reading *how)
{
    struct xlsx_xml *x = calloc(1, sizeof(*x));

    if (x)
        x->how = *how;
    else
        xlsx_fail(how->why, "%s", strerror(ENOMEM));
    return x;
}

void xlsx_xml_free(struct xlsx_xml *x)
{
    if (x)
        xlsx_xml_close(x);
    free(x);
}

bool xlsx_xml_open(struct xlsx_xml *x, struct xlsx_zip *zip, const char *part)
{
    xlsx_xml_close(x);
    x->n_text = 0;
    x->collects = x->failed = x->ended = false;
    x->depth = x->skipped = 0;
    x->n_space = 0;
    x->fed = 0;
    if (!(x->part = xlsx_part_open(zip, part, x->how.why)))
        return false;
    if (!(x->parser = XML_ParserCreateNS(NULL, MARK)))
        return xlsx_fail(x->how.why, "%s", strerror(ENOMEM));
    XML_SetUserData(x->parser, x);
    XML_SetElementHandler(x->parser, on_start, on_end);
    XML_SetCharacterDataHandler(x->parser, on_text);
    XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
    return true;
}

void xlsx_xml_close(struct xlsx_xml *x)
{
    XML_ParserFree(x->parser);
    x->parser = NULL;
    xlsx_part_close(x->part);
    x->part = NULL;
}

/* Has a tag been growing that never ends? */
static bool token_is_long(const struct xlsx_xml *x)
{
    XML_Index at = XML_GetCurrentByteIndex(x->parser);

    return at >= 0 && x->fed - (unsigned long long)at > MAX_TOKEN;
}

static enum XML_Status feed(struct xlsx_xml *x)
{
    char *block = XML_GetBuffer(x->parser, BLOCK + XLSX_SLACK);

    if (!block) {
        xlsx_xml_fail(x, "%s", strerror(ENOMEM));
        return XML_STATUS_ERROR;
    }
    long n = xlsx_part_read(x->part, block, BLOCK, x->how.why);
    if (n < 0) {
        x->failed = true;
        return XML_STATUS_ERROR;
    }
    x->ended = n == 0;
    if (x->how.filter && n > 0)
        n = (long)x->how.filter(x, block, (size_t)n);
    x->fed += (unsigned long long)n;
    return XML_ParseBuffer(x->parser, (int)n, x->ended);
}

static void say_broken(struct xlsx_xml *x)
{
    xlsx_fail(
        x->how.why,
        _("%.80s is damaged in line %lu (%s): open the workbook in a spreadsheet program and save it again"),
        xlsx_part_name(x->part), (unsigned long)XML_GetCurrentLineNumber(x->parser),
        XML_ErrorString(XML_GetErrorCode(x->parser)));
    x->failed = true;
}

enum xlsx_read xlsx_xml_read(struct xlsx_xml *x)
{
    XML_ParsingStatus status;

    while (!x->failed) {
        XML_GetParsingStatus(x->parser, &status);
        if (status.parsing == XML_FINISHED)
            return XLSX_ENDED;
        enum XML_Status r = status.parsing == XML_SUSPENDED ? XML_ResumeParser(x->parser) : feed(x);
        if (r == XML_STATUS_SUSPENDED)
            return XLSX_PAUSED;
        if (r == XML_STATUS_ERROR && !x->failed)
            say_broken(x);
        else if (r == XML_STATUS_OK && token_is_long(x))
            xlsx_xml_fail(x,
                          _("%.80s has an element without end: refused; ask for a copy that a spreadsheet "
                            "program saved"),
                          xlsx_part_name(x->part));
    }
    return XLSX_FAILED;
}

bool xlsx_xml_all(const struct xlsx_reading *how, struct xlsx_zip *zip, const char *part)
{
    struct xlsx_xml *x = xlsx_xml_new(how);
    bool ok = x && xlsx_xml_open(x, zip, part) && xlsx_xml_read(x) == XLSX_ENDED;

    xlsx_xml_free(x);
    return ok;
}

const char *xlsx_attribute(const char *const *attributes, const char *name)
{
    bool reference = !strncmp(name, "r:", 2);

    for (; *attributes; attributes += 2) {
        const char *plain = attributes[0];
        if (reference)
            plain = behind(plain, reference_spaces, sizeof(reference_spaces) / sizeof(reference_spaces[0]));
        if (plain && !strcmp(plain, reference ? name + 2 : name))
            return attributes[1];
    }
    return NULL;
}

bool xlsx_true(const char *value)
{
    return value && (!strcmp(value, "1") || !strcasecmp(value, "true") || !strcasecmp(value, "on"));
}

const char *xlsx_text(struct xlsx_xml *x)
{
    x->text[x->n_text] = 0;
    return x->text;
}
