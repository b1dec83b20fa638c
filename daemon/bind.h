/* SPDX-License-Identifier: Apache-2.0 */
/* Message fields ↔ SQL parameters and result columns, by name, in binary, driven by the protobuf-c descriptors.
 *
 * The catalogue of the api schema is read once at start; every operation is compared with it and a mismatch is a
 * sentence that names it (the daemon then refuses to run). The convention is written down in sql/README.md. */
#ifndef QIPAN_BIND_H
#define QIPAN_BIND_H

#include "arena.h"
#include "msg.h"
#include "fold.h"

#define BIND_ERR_SIZE 256

/* What the daemon knows about a call, for parameters named p_…; unused ones may stay 0. */
struct bind_server {
    int32_t account;
    const char *identity;  /* that the session has shown */
    const char *serial;    /* of the certificate it has shown */
    const char *lang;      /* zh or en */
    const char *request;   /* request id */
    const uint8_t *digest; /* 32 bytes, SHA-256 of the payload */
    bool has_base;
    int64_t base; /* version the edit was made on */
};

struct bind_shape;

struct bind_op {
    const char *name;
    struct pg_statement statement;
    const ProtobufCMessageDescriptor *request, *reply;
    struct bind_source *sources; /* one per parameter */
    struct bind_shape *shape;    /* of the result row */
    struct fold *twin;           /* NULL: there is none */
};

/* The query whose rows bind_catalog() takes: kind ('p' parameter, 'a' attribute), owner, position, name, type. */
extern const struct pg_statement bind_catalog_sql;

struct bind_catalog;
struct bind_catalog *bind_catalog(const PGresult *rows);
void bind_catalog_free(struct bind_catalog *catalog);

/* Fills op for api.<name>. id: of the statement. False with a sentence in err. */
bool bind_op(const struct bind_catalog *catalog, const char *name, int id,
             const ProtobufCMessageDescriptor *request, const ProtobufCMessageDescriptor *reply,
             struct bind_op *op, char err[BIND_ERR_SIZE]);

/* Finds the set-based twin api.<name>s of op, if there is one: the same parameters as arrays, but for those that are
 * arrays already, and a row of op's result for each element. False with a sentence in err: there is one, unfit. */
bool bind_twin(const struct bind_catalog *catalog, int id, struct bind_op *op, char err[BIND_ERR_SIZE]);
void bind_op_free(struct bind_op *op);

/* Parameters point into the message, the server's values or the arena. False: out of memory. */
bool bind_params(const struct bind_op *op, const ProtobufCMessage *request, const struct bind_server *server,
                 struct arena *arena, struct pg_params *ret);

/* That row of the result. *ret_error is NULL when the function did not refuse. False: the row isn't as agreed,
 * or out of memory. */
bool bind_reply(const struct bind_op *op, const PGresult *rows, int row, struct arena *arena,
                ProtobufCMessage **ret_reply, Qipan__Error **ret_error);

/* `rev` = 0 in a reply means: this call changed something, the revision is the one its group is sealed with. */
void bind_fill_rev(ProtobufCMessage *reply, int64_t rev);

#endif
