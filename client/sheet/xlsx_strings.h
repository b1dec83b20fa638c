/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that cells share. */
#ifndef QIPAN_XLSX_STRINGS_H
#define QIPAN_XLSX_STRINGS_H

#include "xlsx_spool.h"
#include "xlsx_zip.h"

struct xlsx_strings {
    size_t n;
    struct xlsx_spool texts, ends; /* one behind the other; where each ends */
};

void xlsx_strings_init(struct xlsx_strings *s);
void xlsx_strings_free(struct xlsx_strings *s);
bool xlsx_strings_read(struct xlsx_strings *s, struct xlsx_zip *zip, const char *part, char *why);

/* Text i < n into out, without NUL; its length, or -1 with a sentence. At most XLSX_MAX_TEXT bytes; `room` of less leaves
 * out empty and returns the length as well. */
long xlsx_strings_get(struct xlsx_strings *s, size_t i, char *out, size_t room, char *why);

/* _x000D_ stands for a carriage return, _x005F_ for the underscore of a text that looks like that. In place; returns the
 * new length. */
size_t xlsx_unescape(char *text, size_t n);

#endif
