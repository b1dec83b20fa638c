/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: who gets which change, in order, without a gap. The policy for slow readers stands in hub.c. */
#ifndef QIPAN_HUB_H
#define QIPAN_HUB_H

#include "journal.h"
#include "session.h"

struct hub;
struct hub *hub_new(struct loop *loop, struct deadlines *deadlines);
void hub_free(struct hub *hub);
void hub_attach(struct hub *hub, struct journal *journal); /* once, before the first watch */

bool hub_watched(const struct hub *hub); /* by anybody, be it one who is only beginning */

/* From the journal. Another beginning is another history: all watches are compared with it. */
void hub_begin(struct hub *hub, int64_t epoch, int64_t rev, uint64_t tag);
void hub_publish(struct hub *hub, struct journal_rows *rows, const Qipan__Revision *revision);

/* What the session's account may see was looked up anew. */
void hub_rights(struct hub *hub, struct session *s, bool changed);

/* From sessions. */
void hub_watch(struct hub *hub, struct session *s, const Qipan__Call *call);
void hub_cancel(struct hub *hub, struct session *s, uint32_t call);
void hub_credit(struct hub *hub, struct session *s, const Qipan__Credit *credit);
void hub_writable(struct hub *hub, struct session *s);
void hub_farewell(struct hub *hub,
                  struct session *s); /* a last bookmark for each of its watches, before a goodbye */
void hub_gone(struct hub *hub, struct session *s);

#endif
