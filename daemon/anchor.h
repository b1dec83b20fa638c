/* SPDX-License-Identifier: Apache-2.0 */
/* Anchors: where the registry's chains stood, signed, a line a minute in a file outside the database.
 *
 * {"n":…,"at":"…","key":"…","epoch":…,"rev":…,"link":"…","closing":…,"closing_link":"…","prev":"…","sig":"…"}
 * prev is the SM3 of the line before (without its newline), sig signs everything before `,"sig":` and a `}`. */
#ifndef QIPAN_ANCHOR_H
#define QIPAN_ANCHOR_H

#include "tls.h"
#include <stdint.h>

#define ANCHOR_KEY_SIZE  17 /* fingerprint: 16 hex digits */
#define ANCHOR_HASH_SIZE 65 /* 64 hex digits, or none */
#define ANCHOR_TEXT_SIZE 256

struct anchor_signer {
    const char *path;
    EVP_PKEY *key;
    char fingerprint[ANCHOR_KEY_SIZE];
};

struct anchor_head {
    char at[40];
    int64_t epoch, rev, closing; /* rev, closing: 0 = none yet */
    char link[ANCHOR_HASH_SIZE], closing_link[ANCHOR_HASH_SIZE];
};

struct anchor_place { /* the newest anchor of a key */
    int64_t n;        /* 0 = none */
    char hash[ANCHOR_HASH_SIZE];
};

enum anchor_result { ANCHOR_WRITTEN, ANCHOR_RECENT /* somebody else just did */, ANCHOR_FAILED };

/* False with a sentence in err: no such key, or one that others can read. */
bool anchor_signer_init(struct anchor_signer *s, const char *path, const char *key, char err[TLS_ERR_SIZE]);
void anchor_signer_free(struct anchor_signer *s);

/* Appends a line and brings it to the disk (so it may take long). `known` is the newest anchor the registry or this
 * daemon has seen; if the file ends before it, or with another one, ret_alarm says so, and the file goes on behind it. */
enum anchor_result anchor_write(const struct anchor_signer *s, const struct anchor_head *head,
                                const struct anchor_place *known, struct anchor_place *ret_place,
                                char ret_alarm[ANCHOR_TEXT_SIZE]);

#endif
