/* SPDX-License-Identifier: Apache-2.0 */
/* The relationships of a part: which other parts it means by which id. Those that lead out of the workbook are left out:
 * nothing outside of it is ever opened. */
#ifndef QIPAN_XLSX_RELS_H
#define QIPAN_XLSX_RELS_H

#include "arena.h"
#include "xlsx_zip.h"

struct xlsx_rel {
    const char *id, *type; /* type: the last word, "worksheet" */
    const char *part;
};

struct xlsx_rels {
    struct xlsx_rel *rels;
    size_t n;
};

/* Of the part, or of the package when it is ""; all in the arena. */
bool xlsx_rels_read(struct xlsx_rels *r, struct xlsx_zip *zip, const char *part, struct arena *arena,
                    char *why);

const char *xlsx_rels_by_type(const struct xlsx_rels *r, const char *type); /* the part, or NULL */
const struct xlsx_rel *xlsx_rels_by_id(const struct xlsx_rels *r, const char *id);

#endif
