/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines in one process, over certificates made here: what the units of TLS share. */
#ifndef QIPAN_TLS_PAIR_H
#define QIPAN_TLS_PAIR_H

#include "tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define DAY (24 * 3600L)

struct holder {
    X509 *cert;
    EVP_PKEY *key;
};

struct wish {
    const char *name;
    const struct holder *issuer; /* NULL: itself */
    const char *san, *eku;       /* NULL: without the extension */
    bool ca;
    long from, to;     /* seconds from now; both 0: a day before to a day after */
    bool rsa, sha1;    /* a small key; an old digest */
    const char *curve; /* of the key; NULL: P-256 */
    const char *more;  /* an extension nobody knows, critical: its value */
};

/* Made by tls_set_up(): the folder of all files, and whom they are of. */
extern char dir[64];
extern struct holder root, issuing, other_root, daemon_leaf, person;

int tls_set_up(void **state);
int tls_tear_down(void **state);

struct holder make(const struct wish *wish);
struct holder clerk(const char *san); /* with a good certificate of this name */
void drop(struct holder *h);
X509 *blank_cert(const char *name, EVP_PKEY *key, long from, long to);
void extend(X509 *cert, X509 *issuer, int nid, const char *value);
X509_CRL *make_crl(const struct holder *ca, const X509 *revoked, long until);

/* Path of a file of the test's folder, out of a few that may be in use at once. The next ones write it first; both
 * revocation lists are freed. */
const char *path_of(const char *name);
const char *write_certs(const char *name, X509 *first, X509 *second);
const char *write_key(const char *name, EVP_PKEY *key, mode_t mode);
const char *write_crls(X509_CRL *of_root, X509_CRL *of_issuing);

/* Files of one end; its chain goes with the leaf. */
struct tls_files files_of(const struct holder *who, const char *crl);
SSL_CTX *server_with(const char *crl);

struct end {
    SSL_CTX *ctx;
    struct tls tls;
    struct buf out, plain;
};

struct pair {
    struct end server, client;
};

void open_end(struct end *e, SSL_CTX *ctx, const char *host);
void close_end(struct end *e);
void open_pair(struct pair *p, const struct holder *server, const struct holder *client, const char *crl);
void close_pair(struct pair *p);

bool carry(struct end *from, struct end *to, size_t most); /* false: there was nothing */
void pump(struct pair *p, size_t most);                    /* until both are silent */

void expect_open(struct pair *p);
/* The server refuses the client's certificate, says why, and the client knows whose fault it was. */
void expect_refusal(struct pair *p, const char *why);
void refuse_client(const struct holder *client, const char *crl, const char *why);

#endif
