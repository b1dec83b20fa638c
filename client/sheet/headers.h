/* SPDX-License-Identifier: Apache-2.0 */
/* Which field of which kind a header of a sheet means: names, labels, and other names people write (headers.def). */
#ifndef QIPAN_HEADERS_H
#define QIPAN_HEADERS_H

#include "qipan.pb-c.h"

#include <stdbool.h>

/* The message of a kind of proto/kinds.def; NULL when there is none. */
const ProtobufCMessageDescriptor *headers_kind(const char *kind);

/* Kinds that sheets are read of, one after another; NULL behind the last. */
const char *headers_kind_at(size_t i);

/* As a word of a sentence, in the language of the caller: 项目, a project. */
const char *headers_kind_name(const char *kind);

/* `key` is a form_key(). NULL when no field is called so. */
const ProtobufCFieldDescriptor *headers_field(const char *kind, const char *key);

/* What people call a field of the kind, for the nearest to an unknown header: label and name. */
const char *headers_label(const char *kind, const char *field);

/* The field whose name, label or other name is nearest to the key; NULL when none is near. */
const char *headers_nearest(const char *kind, const char *key);

bool headers_fixed(const char *kind, const char *field); /* an import leaves it out */
/* The field that this one, shown for people, says which one is meant of: no → project; NULL = none. */
const char *headers_shown(const char *kind, const char *field);

bool headers_known(const char *key);   /* a field of any kind, or nothing */
bool headers_nothing(const char *key); /* 序号, 备注: left out where it is no field */

#endif
