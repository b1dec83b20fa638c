/* SPDX-License-Identifier: Apache-2.0 */
#include "grants.h"

#include <stdlib.h>
#include <string.h>

bool grants_parse(const char *text, struct grants *g)
{
    *g = (struct grants){0};
    while (*text) {
        char *end;
        long token = strtol(text, &end, 10);
        if (end == text || token < 1 || token > INT32_MAX || (*end && *end != ',')) {
            *g = (struct grants){0};
            return false;
        }
        if (g->n < GRANTS_MAX)
            g->tokens[g->n++] = (int32_t)token;
        g->reader |= token == GRANTS_READER;
        text = *end ? end + 1 : end;
    }
    return true;
}

bool grants_same(const struct grants *a, const struct grants *b)
{
    return a->n == b->n && memcmp(a->tokens, b->tokens, (size_t)a->n * sizeof a->tokens[0]) == 0;
}

bool grants_meet(const struct grants *g, const int32_t *audience, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < g->n; k++)
            if (audience[i] == g->tokens[k])
                return true;
    return false;
}
