/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes written once and read in any order: in memory up to a bound, above it in an unlinked temporary file. */
#ifndef QIPAN_XLSX_SPOOL_H
#define QIPAN_XLSX_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xlsx_spool {
    uint64_t size; /* bytes so far */
    /* private */
    size_t bound;
    char *memory;
    size_t in_memory, room;
    uint64_t in_file;
    int fd;
    char *pages; /* of the file, read last */
    uint64_t *page_numbers;
};

void xlsx_spool_init(struct xlsx_spool *s, size_t bound);
void xlsx_spool_free(struct xlsx_spool *s);

bool xlsx_spool_add(struct xlsx_spool *s, const void *bytes, size_t n, char *why);
bool xlsx_spool_done(struct xlsx_spool *s, char *why); /* all is written; reading may begin */
bool xlsx_spool_get(struct xlsx_spool *s, uint64_t offset, void *out, size_t n, char *why);

#endif
