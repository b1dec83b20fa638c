/* SPDX-License-Identifier: Apache-2.0 */
/* A row that can't be read: why, and what can be shown of it. */
#ifndef QIPAN_BROKEN_H
#define QIPAN_BROKEN_H

#include <stddef.h>

struct broken {
    char why[320];
    char text[256];
};

/* The text is shortened at a whole character, what is no text of it becomes "?". */
void broken_set(struct broken *b, const char *text, size_t n, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
