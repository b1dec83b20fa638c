/* SPDX-License-Identifier: Apache-2.0 */
/* Files up to the registry. */
#ifndef QIPAN_EVIDENCE_H
#define QIPAN_EVIDENCE_H

#include "cli.h"

/* Uploads one file as evidence of `about` (project, of, stage, note, media; name, size and hash are the file's), or goes on with
 * an upload of it that was broken off. `n`: which file of the command, for request ids. 0 and the answer, its message an
 * EvidenceReply, to be freed; or an exit code after a report. */
int evidence_upload(struct cli *cli, const Qipan__Evidence *about, const char *path, int n,
                    struct qipan_result *ret_result);

#endif
