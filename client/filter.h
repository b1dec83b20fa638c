/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions: stage=talks,signed office=chengguan amount_total>=1亿 name~光伏 tag=链
 *
 * Conditions are separated by spaces and joined by "and"; values of one condition are separated by commas, any of them
 * will do. A value with spaces or commas goes into "…" or '…', a quote inside is doubled. */
#ifndef QIPAN_FILTER_H
#define QIPAN_FILTER_H

#include "arena.h"
#include "qipan.pb-c.h"
#include "value.h"

enum filter_use {
    FILTER_LIST, /* every field of Project */
    FILTER_WATCH, /* only what is watchable: project office stage tags kind industry region park amount_total */
};

struct filter {
    Qipan__Term **terms; /* in the arena */
    size_t n_terms;
};

#define FILTER_MAX_TERMS  32
#define FILTER_MAX_VALUES 64

/* NULL or blank text is no condition. False with *ret_error set when it can't be read. */
bool filter_parse(const char *text, enum filter_use use, struct arena *arena, struct filter *ret_filter,
                  struct value_error *ret_error);

/* The same for every field of this message; NULL = what is watchable. */
bool filter_parse_of(const char *text, const ProtobufCMessageDescriptor *desc, struct arena *arena,
                     struct filter *ret_filter, struct value_error *ret_error);

/* One line of help per operator; ends with op NULL. `meaning` is a msgid. */
struct filter_help {
    const char *op, *meaning, *example, *watch; /* watch: an example for a watch, NULL where it takes none */
};
extern const struct filter_help filter_help[];

extern const char *const filter_watchable[]; /* fields of FILTER_WATCH; ends with NULL */

#endif
