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

#define FILE_MAX (8 * 1024 * 1024) /* more than a watch remembers */

/* The whole file with a NUL behind it; NULL with errno. */
static char *read_whole(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = f ? malloc(FILE_MAX + 1) : NULL;
    size_t n = text ? fread(text, 1, FILE_MAX, f) : 0;
    int failed = errno;

    if (f)
        fclose(f);
    if (text)
        text[n] = '\0';
    errno = failed;
    return text;
}

/* Its first line, cut off, is a cursor. */
static bool take_cursor(char *text, char ret[QIPAN_CURSOR_SIZE], char **ret_memory)
{
    size_t n = strcspn(text, "\n");
    const char *rest = text[n] ? text + n + 1 : "";
    Qipan__Cursor c;

    text[n] = '\0';
    text[strcspn(text, "\r")] = '\0';
    if (!qipan_cursor_parse(text, &c))
        return false;
    qipan_cursor_text(&c, ret);
    *ret_memory = strdup(rest);
    return *ret_memory != NULL;
}

enum cursor_file_read cursor_file_read(const char *path, char ret[QIPAN_CURSOR_SIZE], char **ret_memory,
                                       char *err, size_t err_size)
{
    struct stat st;
    bool other = stat(path, &st) == 0 && !S_ISREG(st.st_mode), good;
    char *text = other ? NULL : read_whole(path);

    if (other) {
        snprintf(err, err_size, _("%s: not a regular file"), path);
        return CURSOR_FILE_BAD;
    }
    if (!text && errno == ENOENT)
        return CURSOR_FILE_MISSING;
    if (!text) {
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
        return CURSOR_FILE_BAD;
    }
    good = take_cursor(text, ret, ret_memory);
    free(text);
    if (!good)
        snprintf(err, err_size, _("%s: holds no cursor"), path);
    return good ? CURSOR_FILE_READ : CURSOR_FILE_BAD;
}

static bool write_all(int fd, const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t k = write(fd, text, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        text += k;
        n -= (size_t)k;
    }
    return true;
}

static bool write_new(const char *path, const char *cursor, const char *memory, bool sync)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                  0600); /* whatever the umask: it names projects */
    bool good;

    if (fd < 0)
        return false;
    good = write_all(fd, cursor) && write_all(fd, "\n") && write_all(fd, memory) && (!sync || fsync(fd) == 0);
    return close(fd) == 0 && good;
}

static bool is_symlink(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

bool cursor_file_write(const char *path, const char *cursor, const char *memory, bool sync, char *err,
                       size_t err_size)
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
        write_new(aside, cursor, memory, sync) && rename(aside, to) == 0)
        return true;
    snprintf(err, err_size, "%s: %s", path, strerror(errno));
    return false;
}
