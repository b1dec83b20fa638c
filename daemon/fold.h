/* SPDX-License-Identifier: Apache-2.0 */
/* Several calls of one statement as one call of its set-based twin: an array for each parameter, an element for each
 * call, a row of the result for each element. Built from parameters that are bound already. */
#ifndef QIPAN_FOLD_H
#define QIPAN_FOLD_H

#include "pg.h"
#include <stdbool.h>

#define FOLD_BYTES (1024 * 1024) /* of values in one call */

struct fold {
    struct pg_statement statement; /* of the twin */
    int from[PG_PARAMS_MAX];    /* for each array: the parameter of the single call that its elements are */
    Oid element[PG_PARAMS_MAX]; /* its type */
    bool alone[PG_PARAMS_MAX];  /* parameters of the single call that the twin has no array for */
};

/* Bytes of a call's values; -1: it sets something the twin cannot take. */
int fold_size(const struct fold *fold, const struct pg_params *call);

/* The twin's parameters and their values in one piece for free(); NULL: out of memory. */
struct pg_params *fold_calls(const struct fold *fold, const struct pg_params *const calls[], int n);

#endif
