/* SPDX-License-Identifier: Apache-2.0 */
/* Between what people write and what the registry stores, field by field.
 *
 * The kind of a field follows from its name and type, as proto/qipan.proto has it. Amounts and areas are exact: a text
 * that can be read in two ways is an error with a sentence, never a guess. */
#ifndef QIPAN_VALUE_H
#define QIPAN_VALUE_H

#include "arena.h"
#include "qipan.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

enum value_kind {
    VALUE_TEXT,    /* cleaned text */
    VALUE_CODE,    /* text with full-width characters folded, see value_names.c for the fields */
    VALUE_LIST,    /* repeated text, written with , or 、 between */
    VALUE_MONEY,   /* amount_*, int64 in fen */
    VALUE_DATE,    /* *_on, YYYY, YYYY-MM or YYYY-MM-DD */
    VALUE_INSTANT, /* *_at, int64 microseconds UTC; without a zone +08:00, a date alone is its midnight */
    VALUE_AREA,    /* *_mu, decimal text */
    VALUE_INT,     /* int32, int64, uint32 */
    VALUE_BOOL,
    VALUE_OTHER, /* messages and bytes: can't be written as text */
};

/* Both texts in the caller's language; hint may be empty. */
struct value_error {
    char message[256];
    char hint[256];
};

enum value_kind value_kind(const ProtobufCFieldDescriptor *field);

/* Text into a field of a message; what it points to lives in the arena. `unit` is what a bare number means (元 万元 亿元 million …,
 * for areas 亩 公顷 平方米), NULL = 元 or 亩; a unit in the text itself goes before. Empty text is an error: clear a field by name. */
bool value_set(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *text,
               const char *unit, struct arena *arena, struct value_error *ret_error);

/* The same text in canonical form, as terms and events have it: "350000000.00", "2023-01", "2026-01-01T00:00:00Z",
 * "大,链". NULL with *ret_error set when it can't be read. */
char *value_canonical(const ProtobufCFieldDescriptor *field, const char *text, struct arena *arena,
                      struct value_error *ret_error);

/* A field in canonical text; NULL when it is absent, or when the arena is full. */
char *value_text(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, struct arena *arena);

/* The same for people: 3.5亿元, 2026-01-01 08:00 (in the zone of TZ), 大、链. `currency` (ISO 4217, NULL = CNY) for amounts. */
char *value_people(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                   const char *currency, const char *lang, struct arena *arena);

/* Canonical text of a field, as events carry it, for people. */
char *value_people_text(const ProtobufCFieldDescriptor *field, const char *canonical, const char *currency,
                        const char *lang, struct arena *arena);

bool value_has(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

/* May a client set this field of a Project? id, no, version and instants are the registry's. */
bool value_writable(const ProtobufCFieldDescriptor *field);

/* What people call a field of a Project; `lang` "zh" or "en". The field's own name when there is no label. */
const char *value_label(const char *field, const char *lang);

/* The field of a message by name, by its label, or by another name that is known for it; NULL if none. */
const ProtobufCFieldDescriptor *value_field(const ProtobufCMessageDescriptor *desc, const char *name);

/* Text trimmed, NBSP and ideographic spaces made plain; NULL when it is not UTF-8 or has characters that may not be
 * stored. */
char *value_clean(const char *text, struct arena *arena, struct value_error *ret_error);

/* Does the cleaned text of a cell say that there is nothing: a dash, 暂无, or a day that programs write for none (1900-01-01)? In a field
 * of plain text words mean what they say. */
bool value_is_none(const ProtobufCFieldDescriptor *field, const char *text);

/* Full-width ASCII (ＡＢＣ１２３，．) made plain ASCII, without the characters that nobody sees. */
char *value_fold(const char *text, struct arena *arena);

/* The currency (ISO 4217) that a text names, 500万美元, US$; NULL = none. The second and third, unless NULL: where, and how many bytes of it. */
const char *value_currency(const char *text, const char **ret_word, size_t *ret_n);

/* Is it a unit of yuan: 元 is 0, 万元 4? Is it one of area? */
bool value_money_unit(const char *unit, int *ret_power);
bool value_area_unit(const char *unit);

/* The word of the list (ended by NULL) that is nearest to what was written; NULL when none is near. */
const char *value_nearest(const char *written, const char *const *words);

/* The field of a message whose name or label is nearest; NULL when none is near. Only writable ones if asked. */
const char *value_nearest_field(const ProtobufCMessageDescriptor *desc, const char *written, bool writable);

#endif
