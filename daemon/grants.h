/* SPDX-License-Identifier: Apache-2.0 */
/* What an account may see, as tokens: an object may be seen by whoever holds one of its audience. The registry makes both
 * (sql/functions/42_rights.sql); here they are only compared. */
#ifndef QIPAN_GRANTS_H
#define QIPAN_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRANTS_MAX    62
#define GRANTS_READER 1 /* the token that every unrestricted object has for its audience */

struct grants {
    int n;
    bool reader;
    int32_t tokens[GRANTS_MAX]; /* ascending */
};

/* "1,2,17". What doesn't fit is not granted. False: it is no such list, and nothing is granted. */
bool grants_parse(const char *text, struct grants *ret_grants);
bool grants_same(const struct grants *a, const struct grants *b);
bool grants_meet(const struct grants *g, const int32_t *audience, size_t n);

#endif
