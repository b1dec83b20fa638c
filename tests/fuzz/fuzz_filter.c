/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions of --filter. What is accepted must be terms a daemon accepts: known operators, clean values. */
#include "filter.h"
#include "utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const Qipan__Term *t)
{
    bool known = false;

    for (const struct filter_help *h = filter_help; h->op; h++)
        known |= !strcmp(h->op, t->op);
    if (!known || !t->field || t->n_values == 0 || t->n_values > FILTER_MAX_VALUES)
        abort();
    for (size_t i = 0; i < t->n_values; i++)
        if (!utf8_clean((const uint8_t *)t->values[i], strlen(t->values[i])))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct filter f;
    struct value_error e = {0};

    if (size < 1)
        return 0;
    arena_init(&a, 4 * 1024 * 1024);
    char *text = arena_strndup(&a, (const char *)data + 1, size - 1);
    if (text && filter_parse(text, data[0] & 1 ? FILTER_WATCH : FILTER_LIST, &a, &f, &e)) {
        for (size_t i = 0; i < f.n_terms; i++)
            check(f.terms[i]);
    } else if (text && !*e.message) {
        abort();
    }
    arena_free(&a);
    return 0;
}
