/* SPDX-License-Identifier: Apache-2.0 */
/* Whose certificates are believed: the CAs' store with their revocation lists, and who a client's leaf says it is.
 * Certificates in, verdicts out; no engine, no sockets. Verdicts are X509_V_… codes. */
#ifndef QIPAN_TRUST_H
#define QIPAN_TRUST_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define TRUST_ERR_SIZE 256
#define TRUST_DEPTH    2           /* certificates between the leaf and the root */
#define TRUST_LEVEL    2           /* OpenSSL's: no RSA below 2048 bits, no SHA-1 */
#define TRUST_GRACE_S  (24 * 3600) /* an expired list serves for this long, with an alarm */
#define TRUST_NAMES    8           /* most alternative names of a client's leaf */

/* "file: what: OpenSSL's reason" into err. Returns false. */
bool trust_complain(char err[TRUST_ERR_SIZE], const char *file, const char *what);

/* Lists of all CAs: from now on whole chains are checked against them. */
bool trust_load_lists(X509_STORE *store, const char *path, char err[TRUST_ERR_SIZE]);

/* Is everything there that verifying needs? Each certificate is a CA's, each CA has a list that is good and serves, no
 * list is of anybody else. `lists`: whether there are any. */
bool trust_check_store(X509_STORE *store, bool lists, char err[TRUST_ERR_SIZE]);

/* X509_V_OK when the chain of `leaf` holds, by today's date. `others`: issuers to try; as a client's it must also name
 * an identity and have a P-256 key. */
long trust_verify(X509_STORE *store, X509 *leaf, STACK_OF(X509) * others, bool client);

/* The same for handshakes; tells them apart by where it is set. */
int trust_judge(int good, X509_STORE_CTX *ctx);
int trust_judge_client(int good, X509_STORE_CTX *ctx);

/* A verdict in words: `trust_word` for counting, without spaces. */
const char *trust_text(long verdict);
const char *trust_word(long verdict);

/* Seconds from now until the first of the chain ends; until the first CA is without a list in date. Negative: since. */
#define TRUST_NO_LISTS INT32_MIN /* a CA has none */
int64_t trust_ends_in(X509 *cert);
int64_t trust_chain_ends_in(STACK_OF(X509) * chain);
int64_t trust_lists_end_in(X509_STORE *store);

/* The one URI among the leaf's alternative names, exact. False when there is none, more than one, more than TRUST_NAMES
 * names, a NUL, blank or non-ASCII byte inside, it is longer than size - 1, the leaf is a CA, or its extended key usage
 * isn't exactly clientAuth. */
bool trust_identity(X509 *leaf, char *uri, size_t size);

/* The leaf's serial in hexadecimal, as the authority's index has it. False: longer than size - 1. */
#define TRUST_SERIAL_SIZE 43
bool trust_serial(X509 *leaf, char *hex, size_t size);

#endif
