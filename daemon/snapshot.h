/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as they are, before the tail: page by page from the registry, each in a statement of its own, none of them held. The place W
 * where the tail begins was noted before the first page, so what changes meanwhile comes again; the reader drops what isn't newer.
 * At most SNAPSHOTS_ASKED pages are asked for at once; a reader without room holds no page: it is asked for again. */
#ifndef QIPAN_SNAPSHOT_H
#define QIPAN_SNAPSHOT_H

#include "hub_internal.h"

#define SNAPSHOTS_ASKED 4

/* Of a watch that asks for one; false: no memory. */
bool snapshot_new(struct watch *w, const Qipan__WatchRequest *request);
void snapshot_drop(struct snapshot *s);
bool snapshot_of_changed(const struct snapshot *s);
const char *snapshot_told(const struct snapshot *s); /* the id told last, "" at first */

void snapshot_feed(struct watch *w); /* one that is off all lists */

#endif
