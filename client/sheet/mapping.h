/* SPDX-License-Identifier: Apache-2.0 */
/* From the columns of a sheet to the fields of a kind: projects, enterprises, arrived money …. The grammar of mapping files is in deploy/examples/README.md. */
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
    const char *sheet;       /* of a workbook */
    char separator;          /* 0 = not said */
    int header, header_last; /* rows of the header; 0 = found out */
    bool all_rows;           /* below it every row is data */
};

/* Reads a mapping file. `kind` (proto/kinds.def) is what the rows are; NULL = as the file says, else projects. NULL with a
 * sentence in why that names the line. */
struct mapping *mapping_read(const char *text, size_t n, const char *kind, char why[MAPPING_WHY_SIZE]);

/* Without a mapping file: headers that are names, labels or other known names of fields map themselves; "总投资(万元)" brings
 * its unit, of a header of several levels its last ones are enough while no other column ends so. */
struct mapping *mapping_auto(const char *kind, char *const *headers, size_t n, char why[MAPPING_WHY_SIZE]);
/* Are its headers the names of fields, as programs write them? */
bool mapping_is_plain(const struct mapping *m);
/* What mapping_auto() made, as a mapping file that reads the sheet alike. To be freed; NULL when memory is out. */
char *mapping_auto_text(const struct mapping *m);
void mapping_free(struct mapping *m); /* NULL-safe */

const struct mapping_source *mapping_source(const struct mapping *m);
const char *mapping_kind(const struct mapping *m);

/* What bare amounts and areas are in, unless the mapping says it; NULL = 元, 亩. Texts that mean no unit change nothing. */
void mapping_default_units(struct mapping *m, const char *unit, const char *area_unit);

/* Finds the columns of a sheet; false with a sentence that names an unknown header and the nearest one. */
bool mapping_bind(struct mapping *m, char *const *headers, size_t n, char why[MAPPING_WHY_SIZE]);

/* Of a header of several levels; NULL = this is the last. */
const char *mapping_next_level(const char *header);

/* The header a field is read from, NULL when it comes from no column. */
const char *mapping_column(const struct mapping *m, const char *field);
int mapping_column_index(const struct mapping *m, const char *field); /* in the headers; -1 = none */

bool mapping_reads(const struct mapping *m, size_t column); /* of the headers, by any field */
/* Money under a heading in people's words that says no unit, nor does the sheet: a bare figure there is taken for yuan. */
bool mapping_guesses_unit(const struct mapping *m, size_t column);

/* Headers that no field is read from, in the order of the sheet. */
const char *const *mapping_left_out(const struct mapping *m, size_t *ret_n);

/* One row; everything in the arena. NULL when the arena is full. */
Qipan__ImportRow *mapping_row(const struct mapping *m, const struct sheet_row *row, struct arena *arena);

/* A row that is refused as a whole, with its number only. */
Qipan__ImportRow *mapping_refuse(int row, const char *column, const char *text, const char *message,
                                 struct arena *arena);

#endif
