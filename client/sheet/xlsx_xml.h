/* SPDX-License-Identifier: Apache-2.0 */
/* XML of a workbook's parts, by a small grammar: only the elements it names are seen, all others are passed over with what
 * they hold. Prefixes and the two families of namespaces (transitional, strict) are the same. No document type, no entities. */
#ifndef QIPAN_XLSX_XML_H
#define QIPAN_XLSX_XML_H

#include "xlsx_zip.h"

#include <expat.h>
#include <stdbool.h>
#include <stddef.h>

#define XLSX_MAX_TEXT (128 * 1024) /* bytes of one text: a cell holds 32 767 characters */
#define XLSX_NEST     16           /* deepest grammar */

/* `name` inside `in` leads to `to`; places are numbered from 1, the root stands in 0. */
struct xlsx_step {
    unsigned char in;
    const char *name;
    unsigned char to;
    bool text; /* its character data is added to xml.text */
};

struct xlsx_xml;

struct xlsx_reading {
    void *owner;
    const struct xlsx_step *steps; /* the root first; ends with a name of NULL */
    void (*enter)(struct xlsx_xml *x, int place, const char *const *attributes); /* may be NULL */
    void (*leave)(struct xlsx_xml *x, int place);                                /* likewise */
    /* bytes on their way into the parser may be dropped: n bytes stand in `block`, which has XLSX_SLACK more of room;
     * returns how many are left. NULL = none are */
    size_t (*filter)(struct xlsx_xml *x, char *block, size_t n);
    char *why;
};

struct xlsx_xml {
    struct xlsx_reading how;
    bool collects; /* enter() may set it to false: this text is not wanted */
    size_t n_text; /* the owner sets it to 0 where a new text begins */
    char text[XLSX_MAX_TEXT + 1];

    /* private */
    XML_Parser parser;
    struct xlsx_part *part;
    unsigned char places[XLSX_NEST];
    int depth, skipped; /* elements inside the grammar; outside of it */
    size_t n_space;
    char space[80]; /* of the root: the first guess for all others */
    bool failed, ended;
    unsigned long long fed;
};

#define XLSX_SLACK 256

/* NULL with a sentence in how->why. */
struct xlsx_xml *xlsx_xml_new(const struct xlsx_reading *how);
void xlsx_xml_free(struct xlsx_xml *x); /* NULL-safe; closes */

/* The part stays open until it is closed or another one is opened. */
bool xlsx_xml_open(struct xlsx_xml *x, struct xlsx_zip *zip, const char *part);
void xlsx_xml_close(struct xlsx_xml *x); /* may be called twice, or without an open */

enum xlsx_read { XLSX_PAUSED, XLSX_ENDED, XLSX_FAILED };
enum xlsx_read xlsx_xml_read(struct xlsx_xml *x); /* goes on until a pause or the end */
void xlsx_xml_pause(struct xlsx_xml *x);          /* from leave() only */
void xlsx_xml_fail(struct xlsx_xml *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* All of a part, from new to free. */
bool xlsx_xml_all(const struct xlsx_reading *how, struct xlsx_zip *zip, const char *part);

/* Of an element; NULL when it isn't there. "r:id" = in the namespace of relationships. */
const char *xlsx_attribute(const char *const *attributes, const char *name);
bool xlsx_true(const char *value); /* of an attribute: 1, true, on; NULL is false */

/* x->text, ended by NUL. */
const char *xlsx_text(struct xlsx_xml *x);

#endif
