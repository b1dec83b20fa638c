/* SPDX-License-Identifier: Apache-2.0 */
#include "bind.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_2000_US 946684800000000LL /* PostgreSQL counts timestamptz from 2000-01-01 */
#define ARRAY_HEADER  20

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

/* ---- catalogue */

struct entry {
    char kind;
    char owner[64], name[64],
        type[64]; /* type: base name; "[]" behind it for arrays; "api." before composites */
};

struct bind_catalog {
    struct entry *entries;
    int n;
};

const struct pg_statement bind_catalog_sql = {
    .id = PG_STATEMENTS - 2,
    .sql =
        "WITH RECURSIVE base(oid, t) AS ("
        "  SELECT oid, oid FROM pg_type WHERE typtype <> 'd'"
        "  UNION ALL SELECT d.oid, b.t FROM pg_type d JOIN base b ON d.typbasetype = b.oid WHERE d.typtype = "
        "'d'),"
        " named AS ("
        "  SELECT b.oid, CASE WHEN e.oid IS NOT NULL THEN"
        "      CASE WHEN e.typtype = 'c' THEN 'api.' ELSE '' END || e.typname || '[]'"
        "    ELSE CASE WHEN t.typtype = 'c' THEN 'api.' ELSE '' END || t.typname END AS name"
        "  FROM base b JOIN pg_type t ON t.oid = b.t"
        "  LEFT JOIN base eb ON t.typcategory = 'A' AND eb.oid = t.typelem"
        "  LEFT JOIN pg_type e ON e.oid = eb.t)"
        " SELECT 'p', p.proname::text, a.ord::text, coalesce(p.proargnames[a.ord], ''), n.name::text"
        "  FROM pg_proc p CROSS JOIN LATERAL unnest(p.proargtypes::oid[]) WITH ORDINALITY a(type, ord)"
        "  JOIN named n ON n.oid = a.type WHERE p.pronamespace = 'api'::regnamespace"
        " UNION ALL SELECT 'f', p.proname::text, '0',"
        "   CASE WHEN p.proretset THEN 'set' ELSE 'row' END, n.name::text FROM pg_proc p"
        "  JOIN named n ON n.oid = p.prorettype WHERE p.pronamespace = 'api'::regnamespace"
        " UNION ALL SELECT 'a', c.relname::text, row_number() OVER (PARTITION BY c.oid ORDER BY "
        "a.attnum)::text,"
        "   a.attname::text, n.name::text"
        "  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        "  JOIN named n ON n.oid = a.atttypid WHERE c.relnamespace = 'api'::regnamespace AND c.relkind = 'c'"
        " ORDER BY 1, 2, 3",
};

static int by_position(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = x->kind - y->kind;
    return order ? order : strcmp(x->owner, y->owner);
}

struct bind_catalog *bind_catalog(const PGresult *rows)
{
    struct bind_catalog *catalog = calloc(1, sizeof *catalog);
    int n = PQntuples(rows);
    if (!catalog || !(catalog->entries = calloc((size_t)n + 1, sizeof *catalog->entries))) {
        free(catalog);
        return NULL;
    }
    /* positions are dense per owner: put each entry where its position says */
    for (int i = 0, start = 0; i < n; i++) {
        if (i && (strcmp(PQgetvalue(rows, i, 1), PQgetvalue(rows, i - 1, 1)) != 0 ||
                  PQgetvalue(rows, i, 0)[0] != PQgetvalue(rows, i - 1, 0)[0]))
            start = i;
        int position = atoi(PQgetvalue(rows, i, 2));
        int slot = start + (position ? position - 1 : 0);
        if (slot >= n)
            slot = i;
        struct entry *e = &catalog->entries[slot];
        e->kind = PQgetvalue(rows, i, 0)[0];
        snprintf(e->owner, sizeof e->owner, "%s", PQgetvalue(rows, i, 1));
        snprintf(e->name, sizeof e->name, "%s", PQgetvalue(rows, i, 3));
        snprintf(e->type, sizeof e->type, "%s", PQgetvalue(rows, i, 4));
    }
    catalog->n = n;
    return catalog;
}

void bind_catalog_free(struct bind_catalog *catalog)
{
    if (catalog)
        free(catalog->entries);
    free(catalog);
}

/* The entries of one owner stand together, in order of position. */
static const struct entry *find(const struct bind_catalog *c, char kind, const char *owner, int *ret_n)
{
    struct entry key = {.kind = kind};
    snprintf(key.owner, sizeof key.owner, "%s", owner);
    *ret_n = 0;
    const struct entry *first = NULL;
    for (int i = 0; i < c->n; i++) {
        if (by_position(&c->entries[i], &key) == 0) {
            first = first ? first : &c->entries[i];
            ++*ret_n;
        }
    }
    return first;
}

/* ---- result shapes */

enum column_kind {
    COLUMN_BOOL,
    COLUMN_INT4,
    COLUMN_INT8,
    COLUMN_INSTANT,
    COLUMN_TEXT,
    COLUMN_BYTES,
    COLUMN_MESSAGE
};

struct column {
    const ProtobufCFieldDescriptor *field; /* NULL: the column `error` */
    enum column_kind kind;
    bool array;
    struct bind_shape *sub;
};

struct bind_shape {
    const ProtobufCMessageDescriptor *message;
    int n;
    struct column columns[];
};

static void shape_free(struct bind_shape *shape)
{
    for (int i = 0; shape && i < shape->n; i++)
        shape_free(shape->columns[i].sub);
    free(shape);
}

/* SQL type by which a field travels; in requests messages go as jsonb. */
static const char *sql_type(const ProtobufCFieldDescriptor *f)
{
    size_t n = strlen(f->name);
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return "text";
    case PROTOBUF_C_TYPE_BYTES:
        return "bytea";
    case PROTOBUF_C_TYPE_BOOL:
        return "bool";
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        return "int4";
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return strcmp(f->name, "at") == 0 || (n > 3 && strcmp(f->name + n - 3, "_at") == 0) ? "timestamptz"
                                                                                            : "int8";
    case PROTOBUF_C_TYPE_MESSAGE:
        return "message";
    default:
        return "unsupported";
    }
}

static enum column_kind kind_of(const ProtobufCFieldDescriptor *f)
{
    const char *type = sql_type(f);
    if (strcmp(type, "text") == 0)
        return COLUMN_TEXT;
    if (strcmp(type, "bytea") == 0)
        return COLUMN_BYTES;
    if (strcmp(type, "bool") == 0)
        return COLUMN_BOOL;
    if (strcmp(type, "int4") == 0)
        return COLUMN_INT4;
    if (strcmp(type, "timestamptz") == 0)
        return COLUMN_INSTANT;
    return strcmp(type, "message") == 0 ? COLUMN_MESSAGE : COLUMN_INT8;
}

static struct bind_shape *shape_of(const struct bind_catalog *c, const char *composite,
                                   const ProtobufCMessageDescriptor *message, bool with_error, char err[]);

static bool fill_column(const struct bind_catalog *c, const struct entry *e,
                        const ProtobufCFieldDescriptor *f, struct column *column, const char *composite,
                        char err[])
{
    bool array = f->label == PROTOBUF_C_LABEL_REPEATED;
    char type[80];
    snprintf(type, sizeof type, "%.60s", e->type);
    size_t n = strlen(type);
    bool is_array = n > 2 && strcmp(type + n - 2, "[]") == 0;
    if (is_array)
        type[n - 2] = '\0';
    bool composite_type = strncmp(type, "api.", 4) == 0;
    const char *wanted = sql_type(f);
    if (array != is_array || (strcmp(wanted, "message") == 0) != composite_type ||
        (!composite_type && strcmp(wanted, type) != 0)) {
        snprintf(err, BIND_ERR_SIZE, "api.%s.%s is %s, but field %s.%s needs %s%s", composite, e->name,
                 e->type, f->name, e->name, wanted, array ? "[]" : "");
        return false;
    }
    column->field = f;
    column->kind = kind_of(f);
    column->array = array;
    if (composite_type && !(column->sub = shape_of(c, type + 4, f->descriptor, false, err)))
        return false;
    return true;
}

static bool fields_covered(const struct bind_shape *shape, const char *composite, char err[])
{
    for (unsigned i = 0; i < shape->message->n_fields; i++) {
        bool found = false;
        for (int k = 0; k < shape->n; k++)
            found |= shape->columns[k].field == &shape->message->fields[i];
        if (!found) {
            snprintf(err, BIND_ERR_SIZE, "api.%s has no attribute %s, which message %s has", composite,
                     shape->message->fields[i].name, shape->message->short_name);
            return false;
        }
    }
    return true;
}

static struct bind_shape *shape_of(const struct bind_catalog *c, const char *composite,
                                   const ProtobufCMessageDescriptor *message, bool with_error, char err[])
{
    int n;
    const struct entry *e = find(c, 'a', composite, &n);
    struct bind_shape *shape = calloc(1, sizeof *shape + (size_t)n * sizeof shape->columns[0]);
    if (!shape)
        return NULL;
    shape->message = message;
    for (; shape->n < n; shape->n++, e++) {
        struct column *column = &shape->columns[shape->n];
        if (with_error && strcmp(e->name, "error") == 0) {
            column->kind = COLUMN_MESSAGE;
            column->sub = shape_of(c, "error", &qipan__error__descriptor, false, err);
            if (column->sub)
                continue;
            break;
        }
        const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(message, e->name);
        if (!f) {
            snprintf(err, BIND_ERR_SIZE, "api.%s.%s: message %s has no such field", composite, e->name,
                     message->short_name);
            break;
        }
        if (!fill_column(c, e, f, column, composite, err))
            break;
    }
    if (shape->n == n && n > 0 && fields_covered(shape, composite, err))
        return shape;
    if (n == 0)
        snprintf(err, BIND_ERR_SIZE, "type api.%s is missing", composite);
    shape->n = shape->n < n ? shape->n + 1 : n;
    shape_free(shape);
    return NULL;
}

/* ---- parameters */

enum server_value {
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
    enum server_value from;
    const ProtobufCFieldDescriptor *field;
    Oid type;
};

static const struct {
    const char *name, *type;
    enum server_value from;
} server_values[] = {
    {"p_account", "int4", FROM_ACCOUNT}, {"p_lang", "text", FROM_LANG}, {"p_request", "text", FROM_REQUEST},
    {"p_digest", "bytea", FROM_DIGEST},  {"p_base", "int8", FROM_BASE}, {"p_identity", "text", FROM_IDENTITY},
    {"p_serial", "text", FROM_SERIAL},
};

static const struct {
    const char *name;
    Oid oid, array;
} param_types[] = {
    {"bool", OID_BOOL, OID_BOOL_ARRAY},    {"bytea", OID_BYTEA, OID_BYTEA_ARRAY},
    {"int8", OID_INT8, OID_INT8_ARRAY},    {"int4", OID_INT4, OID_INT4_ARRAY},
    {"text", OID_TEXT, OID_TEXT_ARRAY},    {"text[]", OID_TEXT_ARRAY, 0},
    {"jsonb", OID_JSONB, OID_JSONB_ARRAY}, {"timestamptz", OID_TIMESTAMPTZ, OID_TIMESTAMPTZ_ARRAY},
};

static Oid oid_of(const char *type)
{
    for (size_t i = 0; i < sizeof param_types / sizeof param_types[0]; i++)
        if (strcmp(param_types[i].name, type) == 0)
            return param_types[i].oid;
    return 0;
}

static Oid array_of(Oid element)
{
    for (size_t i = 0; i < sizeof param_types / sizeof param_types[0]; i++)
        if (param_types[i].oid == element)
            return param_types[i].array;
    return 0;
}

static void wanted_type(const ProtobufCFieldDescriptor *f, char out[32])
{
    bool array = f->label == PROTOBUF_C_LABEL_REPEATED;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        snprintf(out, 32, "jsonb");
    else
        snprintf(out, 32, "%s%s", sql_type(f), array ? "[]" : "");
}

static bool resolve_source(const struct entry *e, const ProtobufCMessageDescriptor *request,
                           struct bind_source *s, char err[])
{
    char wanted[32] = "";
    for (size_t i = 0; i < sizeof server_values / sizeof server_values[0]; i++) {
        if (strcmp(e->name, server_values[i].name) == 0) {
            s->from = server_values[i].from;
            snprintf(wanted, sizeof wanted, "%s", server_values[i].type);
        }
    }
    if (!wanted[0] && request) {
        s->from = FROM_FIELD;
        s->field = protobuf_c_message_descriptor_get_field_by_name(request, e->name);
        if (s->field)
            wanted_type(s->field, wanted);
    }
    s->type = oid_of(wanted);
    if (s->type && strcmp(wanted, e->type) == 0)
        return true;
    snprintf(err, BIND_ERR_SIZE, "api.%s: parameter %s is %s, but %s", e->owner, e->name, e->type,
             wanted[0] ? wanted : "the request has no such field");
    return false;
}

static bool requests_covered(const struct bind_op *op, const ProtobufCMessageDescriptor *request, char err[])
{
    for (unsigned i = 0; request && i < request->n_fields; i++) {
        bool found = false;
        for (int k = 0; k < op->statement.n; k++)
            found |= op->sources[k].field == &request->fields[i];
        if (!found) {
            snprintf(err, BIND_ERR_SIZE, "api.%s has no parameter %s, which message %s has", op->name,
                     request->fields[i].name, request->short_name);
            return false;
        }
    }
    return true;
}

/* The parameter of that name as an argument: "$3", in a twin this row's element of it; "NULL" if there is none. */
static const char *argument(const struct entry *e, int n, const char *name, bool twin, char out[32])
{
    snprintf(out, 32, "NULL");
    for (int i = 0; i < n; i++)
        if (strcmp(e[i].name, name) == 0)
            snprintf(out, 32, twin ? "$%d[q.n]" : "$%d", i + 1);
    return out;
}

/* "SELECT … FROM api.name(p_account => $1, …)": an overload by position could never be called by mistake. Whoever is
 * refused has a row in the audit, in the same statement (api.audit_refused is always true). */
static char *statement_sql(const char *name, const char *op, const struct entry *e, int n)
{
    char sql[4096], account[32], request[32], object[32];
    bool twin = strcmp(name, op) != 0;
    const char *error = twin ? "(q.x).error" : "x.error";
    size_t used = (size_t)snprintf(sql, sizeof sql, "SELECT %s FROM api.%s(",
                                   twin ? "(q.x).* FROM (SELECT x, row_number() OVER () AS n" : "x.*", name);
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(sql + used, sizeof sql - used, "%s\"%s\" => $%d", i ? ", " : "", e[i].name,
                                 i + 1);
    used += (size_t)snprintf(sql + used, sizeof sql - used, twin ? ") x OFFSET 0) q" : ") x");
    if (strcmp(argument(e, n, "p_account", twin, account), "NULL") != 0)
        snprintf(sql + used, sizeof sql - used,
                 " WHERE CASE WHEN (%s).code IS NULL THEN true"
                 " ELSE api.audit_refused(%s, '%s', %s, %s, %s) END",
                 error, account, op, argument(e, n, "p_request", twin, request),
                 argument(e, n, "id", twin, object), error);
    return strdup(sql);
}

bool bind_op(const struct bind_catalog *catalog, const char *name, int id,
             const ProtobufCMessageDescriptor *request, const ProtobufCMessageDescriptor *reply,
             struct bind_op *op, char err[BIND_ERR_SIZE])
{
    int n, functions;
    *op = (struct bind_op){.name = name, .request = request, .reply = reply};
    const struct entry *returns = find(catalog, 'f', name, &functions);
    if (functions != 1) {
        snprintf(err, BIND_ERR_SIZE, "there must be one function api.%s, there are %d", name, functions);
        return false;
    }
    const struct entry *params = find(catalog, 'p', name, &n);
    Oid *types = calloc((size_t)n + 1, sizeof *types);
    op->sources = calloc((size_t)n + 1, sizeof *op->sources);
    op->statement = (struct pg_statement){id, statement_sql(name, name, params, n), n, types};
    if (!types || !op->sources || !op->statement.sql)
        return false;
    if (n > PG_PARAMS_MAX || strncmp(returns->type, "api.", 4) != 0 || strcmp(returns->name, "row") != 0) {
        snprintf(err, BIND_ERR_SIZE, "api.%s returns %s %s, or has more than %d parameters", name,
                 returns->name, returns->type, PG_PARAMS_MAX);
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (!resolve_source(&params[i], request, &op->sources[i], err))
            return false;
        types[i] = op->sources[i].type;
    }
    if (!requests_covered(op, request, err))
        return false;
    op->shape = shape_of(catalog, returns->type + 4, reply, true, err);
    return op->shape != NULL;
}

/* ---- twins */

/* The parameter of the single call that an array of the twin stands for. */
static int twin_source(const struct entry *array, const struct entry *single, int n)
{
    char wanted[sizeof single->type + 2];
    for (int i = 0; i < n; i++) {
        snprintf(wanted, sizeof wanted, "%s[]", single[i].type);
        if (strcmp(single[i].name, array->name) == 0 && strcmp(array->type, wanted) == 0)
            return i;
    }
    return -1;
}

static bool twin_params(const struct bind_catalog *catalog, const char *name, struct bind_op *op, char err[])
{
    struct fold *twin = op->twin;
    int n, n_single;
    const struct entry *single = find(catalog, 'p', op->name, &n_single);
    const struct entry *params = find(catalog, 'p', name, &n);
    Oid *types = calloc((size_t)n + 1, sizeof *types);
    twin->statement.types = types;
    twin->statement.sql = n <= PG_PARAMS_MAX ? statement_sql(name, op->name, params, n) : NULL;
    if (!types || !twin->statement.sql)
        return false;
    for (int i = 0; i < n_single; i++)
        twin->alone[i] = true;
    for (int i = 0; i < n; i++) {
        int from = twin_source(&params[i], single, n_single);
        if (from < 0 || !(types[i] = array_of(op->sources[from].type))) {
            snprintf(err, BIND_ERR_SIZE,
                     "api.%.50s: parameter %.40s is %.40s, which is no array of api.%.50s's", name,
                     params[i].name, params[i].type, op->name);
            return false;
        }
        twin->from[i] = from;
        twin->element[i] = op->sources[from].type;
        twin->alone[from] = false;
    }
    twin->statement.n = n;
    for (int i = 0; i < n_single; i++) {
        if (!twin->alone[i] || op->sources[i].type == OID_TEXT_ARRAY)
            continue;
        snprintf(err, BIND_ERR_SIZE, "api.%.60s has no parameter %.60s, which api.%.60s has", name,
                 single[i].name, op->name);
        return false;
    }
    return true;
}

bool bind_twin(const struct bind_catalog *catalog, int id, struct bind_op *op, char err[BIND_ERR_SIZE])
{
    char name[64];
    int n, n_single;
    snprintf(name, sizeof name, "%ss", op->name);
    const struct entry *single = find(catalog, 'f', op->name, &n_single);
    const struct entry *returns = find(catalog, 'f', name, &n);
    if (n == 0)
        return true;
    if (n > 1 || strcmp(returns->name, "set") != 0 || strcmp(returns->type, single->type) != 0) {
        snprintf(err, BIND_ERR_SIZE, "there are %d functions api.%s; it returns %.3s %.60s, not set %.60s", n,
                 name, returns->name, returns->type, single->type);
        return false;
    }
    op->twin = calloc(1, sizeof *op->twin);
    if (!op->twin)
        return false;
    op->twin->statement.id = id;
    return twin_params(catalog, name, op, err);
}

void bind_op_free(struct bind_op *op)
{
    if (op->twin) {
        free((char *)op->twin->statement.sql);
        free((Oid *)op->twin->statement.types);
        free(op->twin);
    }
    free((char *)op->statement.sql);
    free((Oid *)op->statement.types);
    free(op->sources);
    shape_free(op->shape);
    *op = (struct bind_op){0};
}

/* ---- messages to JSON, for jsonb parameters */

static bool json_value(struct buf *b, const ProtobufCFieldDescriptor *f, const void *member);

static bool put(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

static bool json_string(struct buf *b, const char *s)
{
    bool ok = put(b, "\"");
    for (; *s && ok; s++) {
        char escaped[8];
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", c);
        else if (c < 0x20)
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
        else
            snprintf(escaped, sizeof escaped, "%c", c);
        ok = put(b, escaped);
    }
    return ok && put(b, "\"");
}

static const void *member_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return (const char *)m + f->offset;
}

static bool is_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)((const char *)m + f->quantifier_offset) > 0;
    if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(void *const *)member_of(m, f) != NULL;
    return *(const protobuf_c_boolean *)((const char *)m + f->quantifier_offset);
}

static bool json_message(struct buf *b, const ProtobufCMessage *m)
{
    bool ok = put(b, "{"), first = true;
    for (unsigned i = 0; i < m->descriptor->n_fields && ok; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        if (!is_set(m, f))
            continue;
        ok = put(b, first ? "\"" : ",\"") && put(b, f->name) && put(b, "\":");
        first = false;
        const void *member = member_of(m, f);
        if (f->label != PROTOBUF_C_LABEL_REPEATED) {
            ok = ok && json_value(b, f, member);
            continue;
        }
        size_t n = *(const size_t *)((const char *)m + f->quantifier_offset);
        size_t step =
            f->type == PROTOBUF_C_TYPE_INT32 ? sizeof(int32_t) : sizeof(void *); /* no other kinds are used */
        ok = ok && put(b, "[");
        for (size_t k = 0; k < n && ok; k++)
            ok = (k == 0 || put(b, ",")) && json_value(b, f, *(const char *const *)member + k * step);
        ok = ok && put(b, "]");
    }
    return ok && put(b, "}");
}

static bool json_value(struct buf *b, const ProtobufCFieldDescriptor *f, const void *member)
{
    char number[32];
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return json_string(b, *(char *const *)member);
    case PROTOBUF_C_TYPE_MESSAGE:
        return json_message(b, *(ProtobufCMessage *const *)member); /* depth: no message contains itself */
    case PROTOBUF_C_TYPE_BOOL:
        return put(b, *(const protobuf_c_boolean *)member ? "true" : "false");
    case PROTOBUF_C_TYPE_INT32:
        snprintf(number, sizeof number, "%d", *(const int32_t *)member);
        return put(b, number);
    default:
        snprintf(number, sizeof number, "%lld", (long long)*(const int64_t *)member);
        return put(b, number);
    }
}

/* jsonb on the wire is a version byte and the text. NULL: out of memory. */
static char *jsonb_param(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct arena *arena,
                         int *ret_n)
{
    struct buf b;
    buf_init(&b, 1024 * 1024);
    bool ok = put(&b, "\1");
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)((const char *)m + f->quantifier_offset);
        ProtobufCMessage **items = *(ProtobufCMessage * *const *)member_of(m, f);
        ok = ok && put(&b, "[");
        for (size_t i = 0; i < n && ok; i++)
            ok = (i == 0 || put(&b, ",")) && json_message(&b, items[i]);
        ok = ok && put(&b, "]");
    } else {
        ok = ok && json_message(&b, *(ProtobufCMessage *const *)member_of(m, f));
    }
    char *copy = ok ? arena_alloc(arena, buf_len(&b)) : NULL;
    if (copy)
        memcpy(copy, buf_head(&b), buf_len(&b));
    *ret_n = (int)buf_len(&b);
    buf_free(&b);
    return copy;
}

static const char *put_int(struct arena *arena, int64_t value, int bytes)
{
    char *p = arena_alloc(arena, 8);
    uint64_t big = htobe64((uint64_t)value);
    if (p)
        memcpy(p, (char *)&big + 8 - bytes, (size_t)bytes);
    return p;
}

static void put_be32(char **p, uint32_t v)
{
    v = htonl(v);
    memcpy(*p, &v, 4);
    *p += 4;
}

static char *text_array(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct arena *arena,
                        int *ret_n)
{
    size_t n = *(const size_t *)((const char *)m + f->quantifier_offset);
    char **items = *(char **const *)member_of(m, f);
    size_t size = ARRAY_HEADER;
    for (size_t i = 0; i < n; i++)
        size += 4 + strlen(items[i]);
    char *out = arena_alloc(arena, size), *p = out;
    if (!out)
        return NULL;
    put_be32(&p, 1); /* dimensions */
    put_be32(&p, 0); /* no nulls */
    put_be32(&p, OID_TEXT);
    put_be32(&p, (uint32_t)n);
    put_be32(&p, 1); /* lower bound */
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(items[i]);
        put_be32(&p, (uint32_t)length);
        memcpy(p, items[i], length);
        p += length;
    }
    *ret_n = (int)size;
    return out;
}

static bool field_param(const ProtobufCMessage *m, const struct bind_source *s, struct arena *arena,
                        const char **value, int *length)
{
    const ProtobufCFieldDescriptor *f = s->field;
    const void *member = member_of(m, f);
    if (!is_set(m, f))
        return true;
    switch (s->type) {
    case OID_TEXT:
        *value = *(char *const *)member;
        *length = (int)strlen(*value);
        return true;
    case OID_BYTEA:
        *value = (const char *)((const ProtobufCBinaryData *)member)->data;
        *length = (int)((const ProtobufCBinaryData *)member)->len;
        return true;
    case OID_BOOL:
        *length = 1;
        return (*value = put_int(arena, *(const protobuf_c_boolean *)member != 0, 1)) != NULL;
    case OID_INT4:
        *length = 4;
        return (*value = put_int(arena, *(const int32_t *)member, 4)) != NULL;
    case OID_TIMESTAMPTZ:
        *length = 8;
        return (*value = put_int(arena, *(const int64_t *)member - EPOCH_2000_US, 8)) != NULL;
    case OID_INT8:
        *length = 8;
        return (*value = put_int(arena, *(const int64_t *)member, 8)) != NULL;
    case OID_TEXT_ARRAY:
        return (*value = text_array(m, f, arena, length)) != NULL;
    default:
        return (*value = jsonb_param(m, f, arena, length)) != NULL;
    }
}

static bool server_param(const struct bind_server *server, enum server_value from, struct arena *arena,
                         const char **value, int *length)
{
    switch (from) {
    case FROM_ACCOUNT:
        *length = 4;
        return (*value = put_int(arena, server->account, 4)) != NULL;
    case FROM_BASE:
        *length = 8;
        return !server->has_base || (*value = put_int(arena, server->base, 8)) != NULL;
    case FROM_DIGEST:
        *value = (const char *)server->digest;
        *length = server->digest ? 32 : 0;
        return true;
    default:
        *value = from == FROM_LANG       ? server->lang
                 : from == FROM_IDENTITY ? server->identity
                 : from == FROM_SERIAL   ? server->serial
                                         : server->request;
        *length = *value ? (int)strlen(*value) : 0;
        return true;
    }
}

bool bind_params(const struct bind_op *op, const ProtobufCMessage *request, const struct bind_server *server,
                 struct arena *arena, struct pg_params *ret)
{
    for (int i = 0; i < op->statement.n; i++) {
        const struct bind_source *s = &op->sources[i];
        ret->values[i] = NULL;
        ret->lengths[i] = 0;
        bool ok = s->from == FROM_FIELD
                      ? field_param(request, s, arena, &ret->values[i], &ret->lengths[i])
                      : server_param(server, s->from, arena, &ret->values[i], &ret->lengths[i]);
        if (!ok)
            return false;
    }
    return true;
}

/* ---- rows to messages */

struct cursor {
    const uint8_t *p, *end;
};

static bool take_be32(struct cursor *c, int32_t *ret)
{
    uint32_t v;
    if (c->end - c->p < 4)
        return false;
    memcpy(&v, c->p, 4);
    *ret = (int32_t)ntohl(v);
    c->p += 4;
    return true;
}

static int64_t big_endian(const uint8_t *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return n == 4 ? (int32_t)v : (int64_t)v;
}

static bool read_record(const struct bind_shape *shape, const uint8_t *bytes, int n, struct arena *arena,
                        ProtobufCMessage **ret);

/* One value into the place of a member (of the message, or of a repeated field's array). */
static bool read_value(const struct column *column, const uint8_t *bytes, int n, struct arena *arena,
                       void *to)
{
    switch (column->kind) {
    case COLUMN_BOOL:
        *(protobuf_c_boolean *)to = n == 1 && bytes[0];
        return n == 1;
    case COLUMN_INT4:
        *(int32_t *)to = n == 4 ? (int32_t)big_endian(bytes, 4) : 0;
        return n == 4;
    case COLUMN_INT8:
        *(int64_t *)to = n == 8 ? big_endian(bytes, 8) : 0;
        return n == 8;
    case COLUMN_INSTANT:
        *(int64_t *)to = n == 8 ? big_endian(bytes, 8) + EPOCH_2000_US : 0;
        return n == 8;
    case COLUMN_TEXT:
        return (*(char **)to = arena_strndup(arena, (const char *)bytes, (size_t)n)) != NULL;
    case COLUMN_BYTES: {
        ProtobufCBinaryData *data = to;
        data->len = (size_t)n;
        data->data = (uint8_t *)arena_strndup(arena, (const char *)bytes, (size_t)n);
        return data->data != NULL;
    }
    case COLUMN_MESSAGE:
        return read_record(column->sub, bytes, n, arena, to);
    }
    return false;
}

static size_t element_size(enum column_kind kind)
{
    switch (kind) {
    case COLUMN_BOOL:
        return sizeof(protobuf_c_boolean);
    case COLUMN_INT4:
        return 4;
    case COLUMN_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 8;
    }
}

static bool read_array(const struct column *column, struct cursor c, struct arena *arena, ProtobufCMessage *m)
{
    int32_t dimensions, flags, type, n = 0, bound;
    if (!take_be32(&c, &dimensions) || !take_be32(&c, &flags) || !take_be32(&c, &type) || dimensions > 1)
        return false;
    if (dimensions == 1 && (!take_be32(&c, &n) || !take_be32(&c, &bound)))
        return false;
    if (n < 0 || n > (c.end - c.p) / 4)
        return false;
    size_t step = element_size(column->kind);
    char *items = arena_zalloc(arena, (size_t)n * step + 1);
    if (!items)
        return false;
    for (int32_t i = 0; i < n; i++) {
        int32_t length;
        if (!take_be32(&c, &length) || length < 0 || length > c.end - c.p)
            return false;
        if (!read_value(column, c.p, length, arena, items + (size_t)i * step))
            return false;
        c.p += length;
    }
    *(size_t *)((char *)m + column->field->quantifier_offset) = (size_t)n;
    *(void **)((char *)m + column->field->offset) = n ? items : NULL;
    return true;
}

static bool read_member(const struct column *column, const uint8_t *bytes, int n, struct arena *arena,
                        ProtobufCMessage *m)
{
    if (column->array)
        return read_array(column, (struct cursor){bytes, bytes + n}, arena, m);
    const ProtobufCFieldDescriptor *f = column->field;
    if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_MESSAGE)
        *(protobuf_c_boolean *)((char *)m + f->quantifier_offset) = 1;
    return read_value(column, bytes, n, arena, (char *)m + f->offset);
}

static ProtobufCMessage *new_message(const struct bind_shape *shape, struct arena *arena)
{
    ProtobufCMessage *m = arena_alloc(arena, shape->message->sizeof_message);
    if (m)
        protobuf_c_message_init(shape->message, m);
    return m;
}

/* record_send: number of columns, then of each its type, length (-1 = null) and bytes. */
static bool read_record(const struct bind_shape *shape, const uint8_t *bytes, int n, struct arena *arena,
                        ProtobufCMessage **ret)
{
    struct cursor c = {bytes, bytes + n};
    int32_t columns, type, length;
    ProtobufCMessage *m = new_message(shape, arena);
    if (!m || !take_be32(&c, &columns) || columns != shape->n)
        return false;
    for (int i = 0; i < columns; i++) {
        if (!take_be32(&c, &type) || !take_be32(&c, &length) || length > c.end - c.p)
            return false;
        if (length < 0)
            continue;
        if (!read_member(&shape->columns[i], c.p, length, arena, m))
            return false;
        c.p += length;
    }
    *ret = m;
    return true;
}

bool bind_reply(const struct bind_op *op, const PGresult *rows, int row, struct arena *arena,
                ProtobufCMessage **ret_reply, Qipan__Error **ret_error)
{
    ProtobufCMessage *reply = new_message(op->shape, arena);
    *ret_error = NULL;
    if (!reply || PQntuples(rows) <= row || PQnfields(rows) != op->shape->n)
        return false;
    for (int i = 0; i < op->shape->n; i++) {
        const struct column *column = &op->shape->columns[i];
        const uint8_t *bytes = (const uint8_t *)PQgetvalue(rows, row, i);
        int n = PQgetlength(rows, row, i);
        if (PQgetisnull(rows, row, i))
            continue;
        bool ok = column->field ? read_member(column, bytes, n, arena, reply)
                                : read_record(column->sub, bytes, n, arena, (ProtobufCMessage **)ret_error);
        if (!ok)
            return false;
    }
    *ret_reply = reply;
    return true;
}

void bind_fill_rev(ProtobufCMessage *reply, int64_t rev)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(reply->descriptor, "rev");
    if (!f || f->type != PROTOBUF_C_TYPE_INT64 || f->label == PROTOBUF_C_LABEL_REPEATED)
        return;
    int64_t *value = (int64_t *)((char *)reply + f->offset);
    protobuf_c_boolean *has = (protobuf_c_boolean *)((char *)reply + f->quantifier_offset);
    if (*has && *value == 0) {
        *value = rev;
        *has = rev != 0;
    }
}
