/* SPDX-License-Identifier: Apache-2.0 */
/* A new key and certificate beside the ones in use, until they take their place:
 *   KEY.new    the fresh key; CERT.new its certificate, once issued     CERT.asked   id of the request that waits */
#ifndef QIPAN_RENEWAL_H
#define QIPAN_RENEWAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RENEWAL_ERR_SIZE 512
#define RENEWAL_CSR_MOST 4096

struct renewal {
    const char *ca, *cert, *key; /* files in use */
    char err[RENEWAL_ERR_SIZE];  /* of what returned false */
};

/* Seconds until the certificate in use ends; false: it can't be read. */
bool renewal_ends_in(const char *cert, int64_t *ret_seconds);

/* Finishes a replacement that was cut off between its two files. Before the files are used. */
bool renewal_recover(struct renewal *r);

/* The id of the request that waits; false: none does. */
bool renewal_asked(const struct renewal *r, char *ret_id, size_t size);

/* Makes KEY.new (P-256, mode 0600), in place of an earlier one, and the request for it, DER. */
bool renewal_begin(struct renewal *r, uint8_t csr[RENEWAL_CSR_MOST], size_t *ret_n);
bool renewal_note(struct renewal *r, const char *id); /* the request was sent: keep its id */
void renewal_forget(const struct renewal *r);         /* it came to nothing */

/* The chain must be the new key's, for the identity in use, and hold under our CA. Then both files are replaced;
 * else the request is forgotten. */
bool renewal_finish(struct renewal *r, const char *chain);

#endif
