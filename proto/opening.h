/* SPDX-License-Identifier: Apache-2.0 */
/* The first bytes of a TLS 1.3 client, looked at before anything is made for them: OpenSSL reserves room for a message as
 * long as its header announces, and 40 KiB for whoever says anything at all.
 *
 * Until its first encrypted record a client may send: one ClientHello, a second one if it is asked for another key share,
 * ChangeCipherSpec, an alert. Each hello must be one whole record of its own, within OPENING_HELLO. */
#ifndef QIPAN_OPENING_H
#define QIPAN_OPENING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPENING_HELLO 8192 /* bytes of a ClientHello; ours have 300, with a post-quantum key share 1 700 */

struct opening {
    uint8_t head[9]; /* of the record, and of the message in it */
    uint8_t have;    /* bytes of it */
    uint8_t hellos;  /* that are whole */
    bool sealed;     /* what comes now is encrypted */
    uint32_t left;   /* bytes of the record behind its head */
};

/* Follows along; o begins zeroed. False: this is no client of ours. */
bool opening_take(struct opening *o, const uint8_t *bytes, size_t n);

/* A whole hello has come: worth an engine. */
static inline bool opening_ready(const struct opening *o)
{
    return o->hellos > 0;
}

#endif
