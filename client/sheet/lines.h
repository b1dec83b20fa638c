/* SPDX-License-Identifier: Apache-2.0 */
/* Text files, a line at a time. */
#ifndef QIPAN_LINES_H
#define QIPAN_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define LINES_MAX 65536 /* bytes of one line */

struct lines {
    FILE *file;
    char encoding[40]; /* that its bytes are in */
    long start;        /* offset of the first byte behind a byte order mark */
    bool converted;    /* `file` was made of one in UTF-16: its offsets are not the file's */
};

/* Finds the encoding: a byte order mark, then `forced` if given, then what decode_detect() finds. Of UTF-16 an unlinked
 * UTF-8 file takes the place of `file`. False with a sentence in why. */
bool lines_open(struct lines *l, const char *forced, char *why, size_t size);

/* Before the first line again. */
bool lines_rewind(struct lines *l);

enum lines_result { LINES_LINE, LINES_LONG, LINES_END };
/* The next line with its end into buf (size LINES_MAX + 2); of a longer one the beginning, the rest is passed over. An
 * error of the file is an end with ferror(). */
enum lines_result lines_read(struct lines *l, char *buf, size_t *ret_n);

#endif
