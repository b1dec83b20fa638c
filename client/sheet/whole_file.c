/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* renameat2 */
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a file of this user would get without us. */
static mode_t usual_mode(void)
{
    mode_t mask = umask(0);

    umask(mask);
    return 0666 & ~mask;
}

/* A device or a pipe is nothing that could be replaced. */
static bool open_in_place(struct whole_file *w, const char *path)
{
    w->tmp[0] = '\0';
    w->to = fopen(path, "we");
    return w->to != NULL;
}

/* Where a symlink leads; a name that isn't there yet stays as it is. */
static bool find_path(struct whole_file *w, const char *path)
{
    struct stat link;

    if (strlen(path) >= sizeof(w->path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (lstat(path, &link) == 0 && S_ISLNK(link.st_mode))
        return realpath(path, w->path) != NULL;
    strcpy(w->path, path);
    return true;
}

static bool open_beside(struct whole_file *w, mode_t mode)
{
    int fd;

    snprintf(w->tmp, sizeof(w->tmp), "%s.XXXXXX", w->path);
    if ((fd = mkstemp(w->tmp)) < 0)
        return false;
    if (fchmod(fd, mode) != 0 || !(w->to = fdopen(fd, "w"))) {
        int why = errno;
        close(fd);
        unlink(w->tmp);
        errno = why;
        return false;
    }
    return true;
}

bool whole_file_open(struct whole_file *w, const char *path)
{
    struct stat old;
    bool exists = stat(path, &old) == 0;

    w->to = NULL;
    w->is_new = false;
    if (exists && !S_ISREG(old.st_mode))
        return open_in_place(w, path);
    return find_path(w, path) && open_beside(w, exists ? old.st_mode & 0777 : usual_mode());
}

bool whole_file_create(struct whole_file *w, const char *path)
{
    struct stat old;

    w->to = NULL;
    w->is_new = true;
    if (lstat(path, &old) == 0) {
        errno = EEXIST;
        return false;
    }
    return find_path(w, path) && open_beside(w, 0600);
}

/* A file system that can't rename without replacing can link (NFS). */
static bool move_into_place(const struct whole_file *w)
{
    if (!w->is_new)
        return rename(w->tmp, w->path) == 0;
    if (renameat2(AT_FDCWD, w->tmp, AT_FDCWD, w->path, RENAME_NOREPLACE) == 0)
        return true;
    if ((errno != EINVAL && errno != ENOSYS) || link(w->tmp, w->path) != 0)
        return false;
    unlink(w->tmp);
    return true;
}

bool whole_file_done(struct whole_file *w)
{
    bool aside = w->tmp[0] != '\0';
    bool ok = !ferror(w->to) && fflush(w->to) == 0 && (!aside || fsync(fileno(w->to)) == 0);
    int why = ok ? 0 : errno;

    ok = fclose(w->to) == 0 && ok;
    w->to = NULL;
    if (ok && (!aside || move_into_place(w)))
        return true;
    why = why ? why : errno;
    if (aside)
        unlink(w->tmp);
    errno = why ? why : EIO;
    return false;
}

void whole_file_drop(struct whole_file *w)
{
    if (!w->to)
        return;
    fclose(w->to);
    w->to = NULL;
    if (w->tmp[0])
        unlink(w->tmp);
}
