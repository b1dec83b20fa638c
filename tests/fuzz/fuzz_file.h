/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a file with a name, without a disk. */
#ifndef QIPAN_FUZZ_FILE_H
#define QIPAN_FUZZ_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Its descriptor, to be closed, and a path to it; -1 when the machine has no room. */
static inline int fuzz_file(const uint8_t *bytes, size_t n, char path[64])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd >= 0 && write(fd, bytes, n) != (ssize_t)n) {
        close(fd);
        fd = -1;
    }
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

#endif
