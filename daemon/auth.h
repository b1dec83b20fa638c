/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end: certificate → identity → account. The TLS context, and the look-up in the registry. */
#ifndef QIPAN_AUTH_H
#define QIPAN_AUTH_H

#include "config.h"
#include "grants.h"
#include "pool.h"
#include "tls.h"

#define AUTH_IDENTITY_SIZE 128

struct principal {
    int32_t account;
    char name[64], office[64];
    char object[32]; /* id of the account in the journal */
    struct grants grants;
    char identity[AUTH_IDENTITY_SIZE];
};

/* A new context from the files of the settings, or NULL with a sentence. */
SSL_CTX *auth_context(const struct config *config, char err[TLS_ERR_SIZE]);

#define AUTH_LOOK_MS (24 * 3600 * 1000) /* from one auth_warn() to the next */
/* What ends soon goes to the log: our own certificate from 30 days on, the lists from a week on; an expired list is an
 * alarm, for after its day of grace nobody is let in. */
void auth_warn(SSL_CTX *ctx);

struct auth_query {
    struct pool_job job;
    struct principal principal; /* identity is set by the caller */
    const char *peer; /* where he comes from; NULL: he has signed in before, and his account changed */
    void *owner;      /* of done */
    /* code: NULL = known, principal is filled; UNAUTHENTICATED, or why the registry couldn't say */
    void (*done)(struct auth_query *q, const char *code);
};

void auth_look_up(struct pool *pool, struct auth_query *q);

#endif
