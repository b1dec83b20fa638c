/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a file of rows: the first byte chooses kind and encoding. Reading twice must give the same rows, each with
 * as many cells as the header. */
#include "sheet.h"
#include "utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_ROWS 2000

static uint64_t digest(struct sheet *s)
{
    uint64_t h = 1469598103934665603u;
    struct sheet_row row;
    size_t columns;
    int rows = 0;

    sheet_header(s, &columns);
    while (rows++ < MAX_ROWS && sheet_next(s, &row) == SHEET_ROW) {
        if (row.bad ? !*row.bad || !row.bad_text || row.bad_column >= (int)columns : row.n != columns)
            abort();
        h = (h ^ (uint64_t)row.number) * 1099511628211u;
        for (size_t i = 0; i < row.n; i++) {
            size_t n = strlen(row.cells[i]);
            if (!utf8_valid((const uint8_t *)row.cells[i], n))
                abort();
            for (size_t k = 0; k < n; k++)
                h = (h ^ (uint8_t)row.cells[i][k]) * 1099511628211u;
        }
    }
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a.csv", "a.jsonl"};
    static const char *const encodings[] = {NULL, "utf-8", "gb18030", "utf-16le", "big5"};
    static const char separators[] = {0, ',', ';', '\t'};
    char why[SHEET_WHY_SIZE];

    if (size < 2)
        return 0;
    struct sheet_options o = {.name = names[data[0] & 1],
                              .encoding = encodings[(data[0] >> 1) % 5],
                              .separator = separators[data[0] >> 4 & 3],
                              .header = 1 + (data[0] >> 6)};
    FILE *f = fmemopen((void *)(uintptr_t)(data + 1), size - 1, "r");
    if (!f)
        return 0;
    struct sheet *s = sheet_open(f, &o, why);
    if (!s)
        return 0;
    uint64_t once = digest(s);
    sheet_rewind(s);
    if (digest(s) != once)
        abort();
    sheet_close(s);
    return 0;
}
