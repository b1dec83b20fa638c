/* SPDX-License-Identifier: Apache-2.0 */
/* A file that appears whole or not at all: written without a name, which whoever is killed leaves nothing of, and given one when it is
 * done; where the file system knows no such files, under a temporary name beside it. A symlink is followed, the mode of the old file
 * stays. What is no regular file (a device, a FIFO) is written to as it stands. */
#ifndef QIPAN_WHOLE_FILE_H
#define QIPAN_WHOLE_FILE_H

#include <stdbool.h>
#include <stdio.h>

struct whole_file {
    FILE *to;
    bool is_new;                /* replaces nothing */
    bool in_place;              /* no regular file */
    char path[4096], tmp[4128]; /* tmp "": it has no name */
};

/* All: false with errno set. */
bool whole_file_open(struct whole_file *w, const char *path);
/* One that must not be there yet, neither now (EEXIST) nor when it is done; its owner's alone (0600). */
bool whole_file_create(struct whole_file *w, const char *path);
bool whole_file_done(
    struct whole_file *w); /* on failure the temporary file is gone, the old file is as it was */
void whole_file_drop(struct whole_file *w); /* NULL-safe for a file that was never opened or is done */

#endif
