/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: a function of the api schema compared with its messages, and the statement that calls it. */
#include "bind_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parameters */

static const struct {
    const char *name, *type;
    enum bind_from from;
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
        snprintf(out, 32, "%s%s", bind_sql_type(f), array ? "[]" : "");
}

static bool resolve_source(const struct bind_entry *e, const ProtobufCMessageDescriptor *request,
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
static const char *argument(const struct bind_entry *e, int n, const char *name, bool twin, char out[32])
{
    snprintf(out, 32, "NULL");
    for (int i = 0; i < n; i++)
        if (strcmp(e[i].name, name) == 0)
            snprintf(out, 32, twin ? "$%d[q.n]" : "$%d", i + 1);
    return out;
}

/* "SELECT … FROM api.name(p_account => $1, …)": an overload by position could never be called by mistake. Whoever is
 * refused has a row in the audit, in the same statement (api.audit_refused is always true). */
static char *statement_sql(const char *name, const char *op, const struct bind_entry *e, int n)
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
    const struct bind_entry *returns = bind_find(catalog, 'f', name, &functions);
    if (functions != 1) {
        snprintf(err, BIND_ERR_SIZE, "there must be one function api.%s, there are %d", name, functions);
        return false;
    }
    const struct bind_entry *params = bind_find(catalog, 'p', name, &n);
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
    op->shape = bind_shape_of(catalog, returns->type + 4, reply, true, err);
    return op->shape != NULL;
}

/* ---- twins */

/* The parameter of the single call that an array of the twin stands for. */
static int twin_source(const struct bind_entry *array, const struct bind_entry *single, int n)
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
    const struct bind_entry *single = bind_find(catalog, 'p', op->name, &n_single);
    const struct bind_entry *params = bind_find(catalog, 'p', name, &n);
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
    const struct bind_entry *single = bind_find(catalog, 'f', op->name, &n_single);
    const struct bind_entry *returns = bind_find(catalog, 'f', name, &n);
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
    bind_shape_free(op->shape);
    *op = (struct bind_op){0};
}
