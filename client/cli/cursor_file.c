/* SPDX-License-Identifier: Apache-2.0 */
#include "cursor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libintl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define _(text) gettext(text)

enum cursor_file_read cursor_file_read(const char *path, char ret[QIPAN_CURSOR_SIZE], char *err,
                                       size_t err_size)
{
    char text[QIPAN_CURSOR_SIZE + 2];
    struct stat st;
    bool other = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    FILE *f = other ? NULL : fopen(path, "re");
    Qipan__Cursor c;
    size_t n;

    if (other) {
        snprintf(err, err_size, _("%s: not a regular file"), path);
        return CURSOR_FILE_BAD;
    }
    if (!f && errno == ENOENT)
        return CURSOR_FILE_MISSING;
    if (!f) {
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
        return CURSOR_FILE_BAD;
    }
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (!qipan_cursor_parse(text, &c)) {
        snprintf(err, err_size, _("%s: holds no cursor"), path);
        return CURSOR_FILE_BAD;
    }
    qipan_cursor_text(&c, ret);
    return CURSOR_FILE_READ;
}

static bool write_new(const char *path, const char *cursor, bool sync)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    char line[QIPAN_CURSOR_SIZE + 1];
    int n = snprintf(line, sizeof line, "%s\n", cursor);
    bool good;

    if (fd < 0)
        return false;
    good = write(fd, line, (size_t)n) == n && (!sync || fsync(fd) == 0);
    return close(fd) == 0 && good;
}

static bool is_symlink(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

bool cursor_file_write(const char *path, const char *cursor, bool sync, char *err, size_t err_size)
{
    char target[PATH_MAX], aside[PATH_MAX];
    const char *to = is_symlink(path) ? realpath(path, target) : path;
    struct stat old;

    if (to && stat(to, &old) == 0 && !S_ISREG(old.st_mode)) {
        snprintf(err, err_size, _("%s: not a regular file"), path);
        return false;
    }
    errno = to ? ENAMETOOLONG : errno;
    if (to && snprintf(aside, sizeof aside, "%s.new", to) < (int)sizeof aside &&
        write_new(aside, cursor, sync) && rename(aside, to) == 0)
        return true;
    snprintf(err, err_size, "%s: %s", path, strerror(errno));
    return false;
}
