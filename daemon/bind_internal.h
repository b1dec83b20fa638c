/* SPDX-License-Identifier: Apache-2.0 */
/* What the modules behind bind.h share. */
#ifndef QIPAN_BIND_INTERNAL_H
#define QIPAN_BIND_INTERNAL_H

#include "bind.h"

#define BIND_EPOCH_US 946684800000000LL /* PostgreSQL counts timestamptz from 2000-01-01 */

enum {
    OID_BOOL = 16,
    OID_BOOL_ARRAY = 1000,
    OID_BYTEA_ARRAY = 1001,
    OID_INT4_ARRAY = 1007,
    OID_INT8_ARRAY = 1016,
    OID_TIMESTAMPTZ_ARRAY = 1185,
    OID_JSONB_ARRAY = 3807,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_TEXT_ARRAY = 1009,
    OID_TIMESTAMPTZ = 1184,
    OID_JSONB = 3802
};

/* ---- the catalogue of the api schema */

struct bind_entry {
    char kind;
    char owner[64], name[64],
        type[64]; /* type: base name; "[]" behind it for arrays; "api." before composites */
};

struct bind_catalog {
    struct bind_entry *entries;
    int n;
};

/* The entries of one owner stand together, in order of position. */
const struct bind_entry *bind_find(const struct bind_catalog *c, char kind, const char *owner, int *ret_n);

/* ---- shapes of result rows */

enum bind_column_kind {
    COLUMN_BOOL,
    COLUMN_INT4,
    COLUMN_INT8,
    COLUMN_INSTANT,
    COLUMN_TEXT,
    COLUMN_BYTES,
    COLUMN_MESSAGE
};

struct bind_column {
    const ProtobufCFieldDescriptor *field; /* NULL: the column `error` */
    enum bind_column_kind kind;
    bool array;
    struct bind_shape *sub;
};

struct bind_shape {
    const ProtobufCMessageDescriptor *message;
    int n;
    struct bind_column columns[];
};

/* The shape of a composite type, compared with the message it becomes. with_error: a column `error` may be among
 * its own. NULL with a sentence in err. */
struct bind_shape *bind_shape_of(const struct bind_catalog *c, const char *composite,
                                 const ProtobufCMessageDescriptor *message, bool with_error, char err[]);
void bind_shape_free(struct bind_shape *shape);

/* SQL type by which a field travels; in requests messages go as jsonb. */
const char *bind_sql_type(const ProtobufCFieldDescriptor *f);

/* ---- where parameters come from */

enum bind_from {
    FROM_FIELD,
    FROM_ACCOUNT,
    FROM_IDENTITY,
    FROM_SERIAL,
    FROM_LANG,
    FROM_REQUEST,
    FROM_DIGEST,
    FROM_BASE
};

struct bind_source {
    enum bind_from from;
    const ProtobufCFieldDescriptor *field;
    Oid type;
};

#endif
