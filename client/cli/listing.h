/* SPDX-License-Identifier: Apache-2.0 */
/* Lists, page by page, in their order. */
#ifndef QIPAN_LISTING_H
#define QIPAN_LISTING_H

#include "cli.h"

/* A page: the reply and its rows, gone when it returns. An exit code; the first that isn't 0 ends the list. */
typedef int listing_fn(void *arg, const ProtobufCMessage *reply, ProtobufCMessage *const *rows, size_t n);

/* All pages of a list, the first one even if it is empty: the request has `after` and `limit`, the reply `rows` and `next`; or
 * the one page of a reply that has `rows` alone. Later pages are on their way meanwhile: one, or of a long list that tells
 * places (`ahead`) several, each a part between two places. An exit code. */
int listing_each(struct cli *cli, unsigned op, ProtobufCMessage *request, listing_fn *take, void *arg);

#endif
