/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.3 as an engine: bytes in, bytes out, no sockets. Used by both ends.
 *
 * Contexts: mutual certificates, depth 2, ALPN qipan/1 enforced, no tickets, no session cache, no early data,
 * CRL checked for the whole chain when a list is given. Errors are sentences in `err` (without a newline). */
#ifndef QIPAN_TLS_H
#define QIPAN_TLS_H

#include "buf.h"
#include "trust.h"

#define TLS_ERR_SIZE TRUST_ERR_SIZE

struct tls_files {
    const char *ca;   /* PEM: root and issuing CA that peers' chains must end in */
    const char *cert; /* PEM: our leaf, then its issuing CA */
    const char *key;  /* PEM, refused when group or others can read it */
    const char *crl;  /* PEM with the lists of all CAs, or NULL: not checked (clients without one) */
};

/* The key in a PEM file; NULL when there is none, or when others than its owner can read it. */
EVP_PKEY *tls_private_key(const char *path, char err[TLS_ERR_SIZE]);

/* A complete new context or NULL. Never half-configured; a server's is one that can work: its own chain and every CA's
 * list are there, fit and in date (a list: within its day of grace). */
SSL_CTX *tls_server_context(const struct tls_files *files, char err[TLS_ERR_SIZE]);
SSL_CTX *tls_client_context(const struct tls_files *files, char err[TLS_ERR_SIZE]);

int64_t tls_own_ends_in(SSL_CTX *ctx); /* seconds, of our own chain */

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_PEER_CLOSED, TLS_FAILED };

struct tls {
    SSL *ssl;
    enum tls_state state;
    struct buf *out;   /* ciphertext to send: not owned, several engines may share a scratch buffer */
    const uint8_t *in; /* ciphertext given to the current call */
    size_t in_left;
    struct buf rest;        /* ciphertext of earlier calls that `plain` had no room for */
    bool out_full;          /* `out` refused bytes: the connection can't go on */
    bool cert_refused;      /* it failed because of a certificate (ours or the peer's), by alert or check */
    const char *word;       /* the same as err in one constant word, for counting */
    char err[TLS_ERR_SIZE]; /* why state is TLS_FAILED */
};

/* host: the name or address the server's certificate must carry; NULL for the server's end. False: no memory.
 * Keeps t->out (set it before or after, but before any other call) and what was held.  The struct must not move afterwards. */
bool tls_init(struct tls *t, SSL_CTX *ctx, const char *host);
void tls_free(struct tls *t); /* NULL-safe, works on a zeroed struct */

/* Everything below appends ciphertext to t->out as a side effect: always look there afterwards. */

/* Ciphertext from the socket. Drives the handshake and reads all plaintext there is into `plain`, until plain is
 * at its limit. The rest stays inside (at most TLS_REST bytes, more is TLS_FAILED): stop reading the socket, consume
 * from plain, call again with n = 0 while tls_pending(), then read on. Returns the state. */
#define TLS_REST (128 * 1024)
enum tls_state tls_feed(struct tls *t, const uint8_t *bytes, size_t n, struct buf *plain);
bool tls_pending(const struct tls *t); /* tls_feed with n = 0 may bring more */

/* Ciphertext for a later tls_feed with n = 0; of a server also before tls_init. False: more than TLS_REST. */
bool tls_hold(struct tls *t, const uint8_t *bytes, size_t n);

/* Client: starts the handshake (nothing else would). */
enum tls_state tls_start(struct tls *t);

/* Plaintext to send, in records of at most 16 KiB. Also after the peer closed its direction. */
bool tls_write(struct tls *t, const uint8_t *bytes, size_t n);

void tls_close(struct tls *t); /* close_notify; not after a failure */

/* Who the peer's leaf says it is: trust_identity(). */
bool tls_peer_identity(const struct tls *t, char *uri, size_t size);
bool tls_peer_serial(const struct tls *t, char *hex, size_t size); /* of its leaf: trust_serial() */

/* An open engine's peer under another context, today: X509_V_OK, or why it wouldn't be let in any more. */
long tls_peer_verify(const struct tls *t, SSL_CTX *ctx);
int64_t tls_peer_ends_in(const struct tls *t); /* seconds, of its chain */

#endif
