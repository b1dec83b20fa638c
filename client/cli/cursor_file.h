/* SPDX-License-Identifier: Apache-2.0 */
/* A file that always holds one whole cursor, on its first line, and what the watch remembered there on those behind it. */
#ifndef QIPAN_CURSOR_FILE_H
#define QIPAN_CURSOR_FILE_H

#include "qipan.h"

enum cursor_file_read { CURSOR_FILE_READ, CURSOR_FILE_MISSING, CURSOR_FILE_BAD };

/* BAD with a sentence in err. */
enum cursor_file_read cursor_file_read(const char *path, char ret_cursor[QIPAN_CURSOR_SIZE],
                                       char **ret_memory, char *err,
                                       size_t err_size); /* memory: to be freed */

/* Replaces it (a symlink is followed, what is no regular file refused): written aside, renamed; the old one stays when that fails. The rename alone outlives the process; sync
 * (over a millisecond) is for outliving the machine, and is asked for where a pause comes anyway. */
bool cursor_file_write(const char *path, const char *cursor, const char *memory, bool sync, char *err,
                       size_t err_size);

#endif
