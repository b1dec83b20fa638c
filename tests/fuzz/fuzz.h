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

/* The message that two bytes name: twice an operation's number, and one more for its reply; 0 for the other. Numbers stay, so a
 * kept input means tomorrow what it does today; what is no operation's number stands for some operation, too. */
static inline const ProtobufCMessageDescriptor *fuzz_choose(const uint8_t bytes[2],
                                                            const ProtobufCMessageDescriptor *other)
{
    unsigned which = (unsigned)bytes[0] << 8 | bytes[1];
    const struct op_info *op = op_by_number(which / 2);

    if (which == 0)
        return other;
    op = op ? op : &op_table[which / 2 % fuzz_n_ops()];
    return which % 2 ? op->reply : op->request;
}

#endif
