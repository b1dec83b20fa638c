/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of mapping.h share: the mapping itself, and what its makers need. */
#ifndef QIPAN_MAPPING_INTERNAL_H
#define QIPAN_MAPPING_INTERNAL_H

#include "mapping.h"
#include "value.h"

#include <libintl.h>

#define _(text) dgettext("qipan", text)

#define MAX_TERMS  8 /* columns joined in one value */
#define MAX_ALTS   4 /* fallbacks of one value */
#define MAX_FIELDS 64
#define MAX_KEYS   4
#define MAX_SKIPS  32

#define COLUMN_TITLE (-2) /* columns of term: @title, and @group with its levels behind */
#define COLUMN_GROUP (-3) /* all levels; -4 the first … */

/* A column, or a text between columns. */
struct term {
    const char *literal; /* NULL = a column */
    const char *header;
    const char *after;  /* only what stands behind this, or NULL */
    const char *before; /* only what stands before this, if it is there, or NULL */
    int occurrence;     /* from 1, 0 = the header occurs once */
    int column;         /* bound; -1 = not yet; COLUMN_… */
};

struct alt {
    struct term terms[MAX_TERMS];
    int n;
    const char *unit; /* that the header of its only column names */
};

struct expr {
    struct alt alts[MAX_ALTS];
    int n;
    const char *unit;
};

enum outcome { TAKE, KEEP, SKIP_ROW };

struct map_value {
    const char *cell, *text;
    enum outcome outcome;
};

struct field {
    const ProtobufCFieldDescriptor *f;
    const char *constant; /* or the columns: */
    struct expr expr;
    struct map_value *values; /* sorted by cell; NULL = cells are values themselves */
    int n_values;
    const struct map_value *other; /* for cells that are not listed */
};

struct skip {
    struct term term;
    bool contains;
    const char *text;
    const char *reason;
};

struct mapping {
    struct arena arena;
    const char *kind;
    bool kind_given; /* by the caller */
    const ProtobufCMessageDescriptor *desc;
    struct mapping_source source;
    const char *unit, *area_unit;
    bool clear; /* an empty cell empties the field */
    bool own;   /* headers say it all, and the versions that an export was made from stand beside the rows */
    struct field fields[MAX_FIELDS];
    int n_fields;
    struct expr keys[MAX_KEYS];
    int n_keys;
    struct skip skips[MAX_SKIPS];
    int n_skips;
    char *const *headers; /* of the sheet it is bound to, as they are there */
    size_t n_headers;
    bool *used; /* of the headers */
    const char **left_out;
    size_t n_left_out;
    struct term version; /* the column of that name; none: column -1 */
    char *why;
    int line;
};

/* mapping.c. What reports writes the sentence and returns false or NULL. */
struct mapping *mapping_create(const char *kind, char *why); /* NULL kind: projects */
bool mapping_set_kind(struct mapping *m, const char *kind);
bool mapping_fail(struct mapping *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool mapping_too_large(struct mapping *m);
bool mapping_unknown(struct mapping *m, const char *what, const char *word, const char *near);
const ProtobufCFieldDescriptor *mapping_desc_field(struct mapping *m, const char *name);
bool mapping_may_map(const struct mapping *m, const ProtobufCFieldDescriptor *f);
struct field *mapping_find_field(struct mapping *m, const char *name); /* NULL if none, without a report */
struct field *mapping_add_field(struct mapping *m, const char *name);
bool mapping_check_unit(struct mapping *m, const ProtobufCFieldDescriptor *f, const char *unit);
int mapping_by_cell(const void *a, const void *b); /* order of map_value */

/* mapping_file.c. Lines that say something, without blanks around them; m->line tells which. */
typedef bool mapping_line(struct mapping *m, const char *line, void *arg);
bool mapping_lines(struct mapping *m, const char *text, size_t n, mapping_line *take, void *arg);
/* Key and value of a line; the key may be quoted. */
bool mapping_split(struct mapping *m, const char *line, const char **key, bool *key_quoted,
                   const char **value);

/* mapping_words.c. *p moves behind what is taken. */
const char *mapping_skip_spaces(const char *p);
bool mapping_is_word(const char *p, const char *word); /* with a space behind it */
/* Without blanks at the end. */
char *mapping_copy(struct mapping *m, const char *from, const char *to);
/* "…" or '…' at *p, a doubled quote stands for one. */
char *mapping_quoted(struct mapping *m, const char **p);
/* The text at p: what is quoted, or all of it. */
char *mapping_rest(struct mapping *m, const char *p);
/* 土地用途#2 → the second column of that name. */
void mapping_take_occurrence(struct term *t, char *header);
bool mapping_take_expr(struct mapping *m, const char *p, struct expr *x);

/* mapping_bind.c */
char *mapping_key(struct mapping *m, const char *text); /* form_key(), of any length */
bool mapping_note_left_out(struct mapping *m);
int mapping_first_column(const struct expr *x); /* -1 = none */

#endif
