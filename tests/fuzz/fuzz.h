/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QIPAN_FUZZ_H
#define QIPAN_FUZZ_H

#include "msg.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Like assert(), whatever NDEBUG says. */
#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#define FUZZ_ROOM (size_t)(64 << 20) /* more than any frame can ask for: only the scan may refuse */

static inline unsigned fuzz_n_ops(void)
{
    unsigned n = 0;

    while (op_table[n].name)
        n++;
    return n;
}

#endif
