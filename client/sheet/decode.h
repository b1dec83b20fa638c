/* SPDX-License-Identifier: Apache-2.0 */
/* Which encoding a file is in, and its bytes as UTF-8. */
#ifndef QIPAN_DECODE_H
#define QIPAN_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct decode;

/* By name ("gb18030", "utf-8", "big5" …); NULL when iconv doesn't know it. */
struct decode *decode_open(const char *encoding);
void decode_close(struct decode *d); /* NULL-safe */

/* Strict: false at the first bytes that are not text of the encoding, *ret_bad = their offset, or n when out is full.
 * The result ends with NUL; NUL inside is refused. */
bool decode_text(struct decode *d, const char *in, size_t n, char *out, size_t cap, size_t *ret_bad);

/* For messages: what can't be decoded becomes "?", what doesn't fit is left out. */
void decode_lossy(struct decode *d, const char *in, size_t n, char *out, size_t cap);

/* Reads the file from its start: a byte order mark decides, or NUL bytes as UTF-16 has them, then whether it is UTF-8 (broken
 * characters, or some lines in another encoding, don't make a UTF-8 file another one), then GB18030. *ret_bom = bytes of the mark. NULL when it can't be read. */
const char *decode_detect(FILE *file, size_t *ret_bom);

/* The rest of a UTF-16 file as UTF-8 in an unlinked file; NULL when it is broken or can't be written. *ret_at: offset of the bytes
 * that were to be read then. */
FILE *decode_utf16(FILE *file, const char *encoding, long *ret_at);

#endif
