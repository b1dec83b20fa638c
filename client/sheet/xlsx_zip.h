/* SPDX-License-Identifier: Apache-2.0 */
/* The archive that a workbook is, and its members as streams of bytes. Nothing is ever unpacked to a disk.
 *
 * What a hostile archive can cost is bounded before its first byte is inflated: how many members, how large each says it
 * is, how far it expands, and that members don't share their bytes; while reading, that a member is what it said. */
#ifndef QIPAN_XLSX_ZIP_H
#define QIPAN_XLSX_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct xlsx_zip;
struct xlsx_part;

/* Reads the file from its start; it stays the caller's, who leaves it alone until the archive is closed.
 * `why`, here and in all of xlsx*: GRID_WHY_SIZE bytes for a sentence. */
struct xlsx_zip *xlsx_zip_open(FILE *file, char *why);
void xlsx_zip_close(struct xlsx_zip *z); /* NULL-safe */

bool xlsx_zip_has(const struct xlsx_zip *z, const char *name); /* large and small letters are the same */

struct xlsx_part *xlsx_part_open(struct xlsx_zip *z, const char *name, char *why);
void xlsx_part_close(struct xlsx_part *p); /* NULL-safe */
const char *xlsx_part_name(const struct xlsx_part *p);

/* Up to n bytes, 0 at the end, -1 with a sentence. */
long xlsx_part_read(struct xlsx_part *p, char *out, size_t n, char *why);

/* Writes the sentence; false. */
bool xlsx_fail(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
