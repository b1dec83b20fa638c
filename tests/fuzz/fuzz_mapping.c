/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping file, a NUL byte, then a header line and a row with cells separated by tabs. */
#include "mapping.h"
#include "utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t split(char *line, char **cells, size_t max)
{
    size_t n = 0;

    for (char *p = line; p && n < max; n++) {
        cells[n] = p;
        if ((p = strchr(p, '\t')))
            *p++ = 0;
    }
    return n;
}

static void use(struct mapping *m, char **headers, size_t n, char **cells, size_t n_cells)
{
    char why[MAPPING_WHY_SIZE] = "", blank[] = "";
    struct sheet_row row = {.number = 2, .n = n, .cells = cells, .disarmed = true};
    struct arena a;

    for (size_t i = n_cells; i < n; i++)
        cells[i] = blank;
    if (!mapping_bind(m, headers, n, why)) {
        if (!*why)
            abort();
        return;
    }
    arena_init(&a, 8 * 1024 * 1024);
    Qipan__ImportRow *r = mapping_row(m, &row, &a);
    if (r && qipan__import_row__get_packed_size(r) == 0)
        abort();
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[MAPPING_WHY_SIZE] = "", *headers[64], *cells[64];
    const uint8_t *nul = memchr(data, 0, size);
    char *rest;

    if (!nul)
        return 0;
    size_t n = (size_t)(nul - data);
    rest = strndup((const char *)nul + 1, size - n - 1);
    char *line = rest ? strchr(rest, '\n') : NULL;
    if (line && utf8_valid((const uint8_t *)rest, strlen(rest))) {
        *line++ = 0;
        size_t columns = split(rest, headers, 64), given = split(line, cells, 64);
        struct mapping *m = mapping_read((const char *)data, n, NULL, why);
        if (!m && !*why)
            abort();
        if (m)
            use(m, headers, columns, cells, given);
        mapping_free(m);
        mapping_free(mapping_auto("project", headers, columns, why));
        mapping_free(mapping_auto("arrival", headers, columns, why));
    }
    free(rest);
    return 0;
}
