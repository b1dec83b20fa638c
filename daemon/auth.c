/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include "log.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

SSL_CTX *auth_context(const struct config *config, char err[TLS_ERR_SIZE])
{
    struct tls_files files = {config->ca, config->cert, config->key, config->crl[0] ? config->crl : NULL};
    return tls_server_context(&files, err);
}

#define DAY_S      (24 * 3600)
#define CERT_WARN  (30 * DAY_S)
#define LISTS_WARN (7 * DAY_S)

void auth_warn(SSL_CTX *ctx)
{
    int64_t cert = tls_own_ends_in(ctx), lists = trust_lists_end_in(SSL_CTX_get_cert_store(ctx));
    if (cert < 0)
        log_error("auth", "ALARM: the daemon's certificate has expired: no client will trust it");
    else if (cert < CERT_WARN)
        log_warn("auth", "the daemon's certificate, or its issuer's, ends in %lld days",
                 (long long)cert / DAY_S);
    if (lists == TRUST_NO_LISTS)
        log_warn("auth", "there are no revocation lists: a stolen certificate can't be shut out");
    else if (lists < 0)
        log_error("auth", "ALARM: a revocation list has expired; nobody is let in from %lld hours on",
                  (long long)(TRUST_GRACE_S + lists) / 3600);
    else if (lists < LISTS_WARN)
        log_warn("auth", "a revocation list ends in %lld days: qipan-ca crl makes the next",
                 (long long)lists / DAY_S);
}

static const Oid types[] = {25, 25};
static const struct pg_statement sign_in_sql = {
    PG_STATEMENTS - 6, "SELECT account, name, office, object, grants FROM api.sign_in($1, $2)", 2, types};

static void copy_text(const PGresult *row, int column, char *to, size_t size)
{
    snprintf(to, size, "%.*s", PQgetlength(row, 0, column), PQgetvalue(row, 0, column));
}

static void on_row(struct pool_job *job, const struct pool_answer *answer)
{
    struct auth_query *q = container_of(job, struct auth_query, job);
    const PGresult *row = answer->row;
    if (!row) {
        q->done(q, answer->code);
        return;
    }
    if (PQntuples(row) != 1 || PQgetisnull(row, 0, 0) || PQgetlength(row, 0, 0) != 4) {
        q->done(q, "UNAUTHENTICATED");
        return;
    }
    uint32_t account;
    memcpy(&account, PQgetvalue(row, 0, 0), sizeof account);
    q->principal.account = (int32_t)ntohl(account);
    copy_text(row, 1, q->principal.name, sizeof q->principal.name);
    copy_text(row, 2, q->principal.office, sizeof q->principal.office);
    copy_text(row, 3, q->principal.object, sizeof q->principal.object);
    if (!grants_parse(PQgetvalue(row, 0, 4), &q->principal.grants)) {
        q->done(q, "INTERNAL");
        return;
    }
    q->done(q, NULL);
}

void auth_look_up(struct pool *pool, struct auth_query *q)
{
    q->job = (struct pool_job){.lane = POOL_READ, .statement = &sign_in_sql, .done = on_row};
    q->job.params.values[0] = q->principal.identity;
    q->job.params.lengths[0] = (int)strlen(q->principal.identity);
    q->job.params.values[1] = (char *)q->peer;
    q->job.params.lengths[1] = q->peer ? (int)strlen(q->peer) : 0;
    pool_submit(pool, &q->job);
}
