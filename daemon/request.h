/* SPDX-License-Identifier: Apache-2.0 */
/* One call on its way through SQL: decoded, bound, queued, answered exactly once, at the latest at its deadline. */
#ifndef QIPAN_REQUEST_H
#define QIPAN_REQUEST_H

#include "bind.h"
#include "session.h"

/* op is bound; info is its line in ops.def. Answers by itself, also when the call is bad. */
void request_start(struct session *s, const Qipan__Call *call, const struct op_info *info,
                   const struct bind_op *op);

/* The session can't be answered any more: its previews are given up. Changes go on, for their outcome will be asked for. */
void request_gone(struct session *s);

#endif
