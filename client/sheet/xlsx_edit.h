/* SPDX-License-Identifier: Apache-2.0 */
/* A part of a workbook copied byte by byte, except where its editor cuts something out or puts something in. */
#ifndef QIPAN_XLSX_EDIT_H
#define QIPAN_XLSX_EDIT_H

#include "xlsx_zip.h"

#include <expat.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct xlsx_edit {
    void *owner;
    /* The name without its prefix. All of a part is copied when they do nothing. */
    void (*start)(struct xlsx_edit *e, const char *name, const char *const *attributes);
    void (*end)(struct xlsx_edit *e, const char *name);
    FILE *out;       /* NULL: the part is only looked at */
    char prefix[32]; /* of the part's elements, "x:" or "" */
    char *why;

    /* private */
    XML_Parser parser;
    char *
        window; /* from `head` on n bytes, the part's from `base` on, that are neither written nor dropped yet */
    size_t head, n, room;
    long long base, last; /* last: where the latest tag began */
    bool rooted, failed;
};

/* False with a sentence in why. */
bool xlsx_edit_run(struct xlsx_edit *e, struct xlsx_zip *zip, const char *part);

/* From start() or end(), about the tag they were called for: */
void xlsx_edit_copy(struct xlsx_edit *e); /* writes all before it */
void xlsx_edit_drop(struct xlsx_edit *e); /* leaves it out, and what before it isn't written yet */
const char *xlsx_edit_tag(struct xlsx_edit *e,
                          size_t *ret_n);   /* as it stands there; n 0 for the end of <a/> */
bool xlsx_edit_closed(struct xlsx_edit *e); /* start(): it is <a/>; end() is called all the same */
void xlsx_edit_put(struct xlsx_edit *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
void xlsx_edit_put_text(struct xlsx_edit *e, const char *text); /* escaped */

/* NULL when it isn't there; names without a prefix only. */
const char *xlsx_edit_attribute(const char *const *attributes, const char *name);

#endif
