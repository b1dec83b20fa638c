/* SPDX-License-Identifier: Apache-2.0 */
/* The history of one object: all pages of it, as lines for people or the lines of a watch. */
#ifndef QIPAN_STORY_H
#define QIPAN_STORY_H

#include "cli.h"

/* op: project_log or record_log; request: whose story, behind which revision, of which field. title: what people call the object, asked for
 * once the first page is there; NULL = by its first event. */
int story_print(struct cli *cli, uint32_t op, Qipan__ProjectLogRequest *request,
                const char *(*title)(struct cli *cli, const char *id));

#endif
