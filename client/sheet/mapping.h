/* SPDX-License-Identifier: Apache-2.0 */
/* From the columns of a sheet to the fields of a project. The grammar of mapping files is in deploy/examples/README.md. */
#ifndef QIPAN_MAPPING_H
#define QIPAN_MAPPING_H

#include "arena.h"
#include "qipan.pb-c.h"
#include "sheet.h"

#include <stdbool.h>
#include <stddef.h>

#define MAPPING_MAX_FILE (512 * 1024)
#define MAPPING_WHY_SIZE 512

struct mapping;

/* What the file says about the sheet; texts NULL when it doesn't. */
struct mapping_source {
    const char *name; /* of the register the keys come from */
    const char *encoding;
    char separator; /* 0 = not said */
    int header;     /* row of the header, default 1 */
};

/* Reads a mapping file. NULL with a sentence in why that names the line. */
struct mapping *mapping_read(const char *text, size_t n, char why[MAPPING_WHY_SIZE]);

/* Without a mapping file: headers that are names or labels of fields map themselves; "总投资(万元)" brings its unit. */
struct mapping *mapping_auto(char *const *headers, size_t n, char why[MAPPING_WHY_SIZE]);
void mapping_free(struct mapping *m); /* NULL-safe */

const struct mapping_source *mapping_source(const struct mapping *m);

/* Finds the columns of a sheet; false with a sentence that names an unknown header and the nearest one. */
bool mapping_bind(struct mapping *m, char *const *headers, size_t n, char why[MAPPING_WHY_SIZE]);

/* The header a field is read from, NULL when it comes from no column. */
const char *mapping_column(const struct mapping *m, const char *field);

/* One row; everything in the arena. NULL when the arena is full. `disarmed`: see sheet_disarmed(). */
Qipan__ImportRow *mapping_row(const struct mapping *m, const struct sheet_row *row, bool disarmed,
                              struct arena *arena);

/* A row that is refused as a whole, with its number only. */
Qipan__ImportRow *mapping_refuse(int row, const char *column, const char *text, const char *message,
                                 struct arena *arena);

#endif
