/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses a client may use: "10.0.0.1:7465, county.example, [fd00::1]:7465". */
#ifndef QIPAN_ADDRESS_H
#define QIPAN_ADDRESS_H

#include "backoff.h"

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_MAX 32

struct address {
    char host[256];
    char port[6];
};

struct addresses {
    struct address list[ADDRESS_MAX];
    size_t n, at; /* at: the one to try next; n = round finished */
    size_t given; /* the last one given */
};

/* False when a part can't be read; `ret_bad` (32 bytes at least) names it. */
bool addresses_parse(struct addresses *a, const char *text, char *ret_bad, size_t bad_size);

/* The next one of a round in random order; NULL when each had its turn (then a new round begins). */
const struct address *addresses_next(struct addresses *a, struct backoff *random);

/* Begins a round in which the one given last comes last; false when there is no other. */
bool addresses_elsewhere(struct addresses *a, struct backoff *random);

#endif
