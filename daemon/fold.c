/* SPDX-License-Identifier: Apache-2.0 */
#include "fold.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_HEADER 20

int fold_size(const struct fold *fold, const struct pg_params *call)
{
    int size = 0;
    for (int i = 0; i < PG_PARAMS_MAX; i++)
        if (fold->alone[i] && call->values[i])
            return -1;
    for (int i = 0; i < fold->statement.n; i++)
        size += call->values[fold->from[i]] ? call->lengths[fold->from[i]] : 0;
    return size;
}

static char *put_be32(char *p, int32_t value)
{
    uint32_t big = htonl((uint32_t)value);
    memcpy(p, &big, sizeof big);
    return p + sizeof big;
}

/* array_recv: dimensions, whether there are nulls, element type, length, lower bound; then each element's length
 * (-1 = null) and bytes. */
static char *put_array(char *p, Oid element, const struct pg_params *const calls[], int n, int from)
{
    bool nulls = false;
    for (int i = 0; i < n; i++)
        nulls |= !calls[i]->values[from];
    p = put_be32(p, 1);
    p = put_be32(p, nulls);
    p = put_be32(p, (int32_t)element);
    p = put_be32(p, n);
    p = put_be32(p, 1);
    for (int i = 0; i < n; i++) {
        const char *value = calls[i]->values[from];
        int length = calls[i]->lengths[from];
        p = put_be32(p, value ? length : -1);
        if (!value)
            continue;
        memcpy(p, value, (size_t)length);
        p += length;
    }
    return p;
}

struct pg_params *fold_calls(const struct fold *fold, const struct pg_params *const calls[], int n)
{
    size_t size = (size_t)fold->statement.n * (size_t)(ARRAY_HEADER + 4 * n);
    for (int i = 0; i < n; i++)
        size += (size_t)fold_size(fold, calls[i]);
    struct pg_params *params = calloc(1, sizeof *params + size);
    char *p = (char *)(params + 1);
    for (int i = 0; params && i < fold->statement.n; i++) {
        params->values[i] = p;
        p = put_array(p, fold->element[i], calls, n, fold->from[i]);
        params->lengths[i] = (int)(p - params->values[i]);
    }
    return params;
}
