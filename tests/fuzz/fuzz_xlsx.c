/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a workbook, the archive and all. */
#include "fuzz_file.h"
#include "fuzz_grid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = size >= 4 && (!memcmp(data, "PK\3\4", 4) || !memcmp(data, "PK\5\6", 4))
                 ? fuzz_file(data, size, path)
                 : -1;
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");

    if (f) {
        rewind(f);
        fuzz_grid(f);
    }
    return 0;
}
