/* SPDX-License-Identifier: Apache-2.0 */
/* A file that always holds one whole cursor. */
#ifndef QIPAN_CURSOR_FILE_H
#define QIPAN_CURSOR_FILE_H

#include "qipan.h"

enum cursor_file_read { CURSOR_FILE_READ, CURSOR_FILE_MISSING, CURSOR_FILE_BAD };

/* BAD with a sentence in err. */
enum cursor_file_read cursor_file_read(const char *path, char ret_cursor[QIPAN_CURSOR_SIZE], char *err,
                                       size_t err_size);

/* Replaces it: written aside, synced, renamed. The old one stays when that fails. */
bool cursor_file_write(const char *path, const char *cursor, char *err, size_t err_size);

#endif
