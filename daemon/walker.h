/* SPDX-License-Identifier: Apache-2.0 */
/* The audit's chains: every daemon asks the registry once a second to walk on (it lets one do so at a time), once a
 * minute looks whether the newest links still hold, and, with audit_anchor_file and audit_key, signs where they stand. */
#ifndef QIPAN_WALKER_H
#define QIPAN_WALKER_H

#include "config.h"
#include "pool.h"
#include "tls.h"

struct walker;
/* NULL with a sentence in err: the key won't do. */
struct walker *walker_new(struct loop *loop, struct deadlines *deadlines, struct pool *pool,
                          const struct config *config, char err[TLS_ERR_SIZE]);
void walker_free(struct walker *w); /* after the pool */

#endif
