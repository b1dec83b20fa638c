/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* renameat2, O_TMPFILE */
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_TRIES 8

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
    w->in_place = true;
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

/* How a file that has no name is named. */
static void name_of_fd(int fd, char ret[32])
{
    snprintf(ret, 32, "/proc/self/fd/%d", fd);
}

/* -1 where there are no files without names, or nothing that could name one. */
static int open_unnamed(const char *path)
{
    char folder[sizeof(((struct whole_file *)NULL)->path)], self[32];
    const char *slash = strrchr(path, '/');
    int fd;

    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
    if ((fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)) < 0)
        return -1;
    name_of_fd(fd, self);
    if (access(self, F_OK) == 0)
        return fd;
    close(fd);
    return -1;
}

static void forget(const struct whole_file *w)
{
    if (w->tmp[0])
        unlink(w->tmp);
}

static bool open_beside(struct whole_file *w, mode_t mode)
{
    int fd = open_unnamed(w->path);

    if (fd < 0) {
        snprintf(w->tmp, sizeof(w->tmp), "%s.XXXXXX", w->path);
        if ((fd = mkstemp(w->tmp)) < 0)
            return false;
    }
    if (fchmod(fd, mode) != 0 || !(w->to = fdopen(fd, "w"))) {
        int why = errno;
        close(fd);
        forget(w);
        errno = why;
        return false;
    }
    return true;
}

bool whole_file_open(struct whole_file *w, const char *path)
{
    struct stat old;
    bool exists = stat(path, &old) == 0;

    *w = (struct whole_file){.is_new = false};
    if (exists && !S_ISREG(old.st_mode))
        return open_in_place(w, path);
    return find_path(w, path) && open_beside(w, exists ? old.st_mode & 0777 : usual_mode());
}

bool whole_file_create(struct whole_file *w, const char *path)
{
    struct stat old;

    *w = (struct whole_file){.is_new = true};
    if (lstat(path, &old) == 0) {
        errno = EEXIST;
        return false;
    }
    return find_path(w, path) && open_beside(w, 0600);
}

/* A name beside the file's own that nobody has. */
static bool name_beside(struct whole_file *w, const char *self)
{
    unsigned random;

    for (int i = 0; i < NAME_TRIES; i++) {
        if (getentropy(&random, sizeof(random)) != 0)
            return false;
        snprintf(w->tmp, sizeof(w->tmp), "%s.%08x", w->path, random);
        if (linkat(AT_FDCWD, self, AT_FDCWD, w->tmp, AT_SYMLINK_FOLLOW) == 0)
            return true;
        w->tmp[0] = '\0'; /* somebody else's */
        if (errno != EEXIST)
            return false;
    }
    return false;
}

/* A link replaces nothing: where there is something it goes the way of a rename, whose name lasts no longer than that. */
static bool give_name(struct whole_file *w)
{
    char self[32];

    name_of_fd(fileno(w->to), self);
    if (linkat(AT_FDCWD, self, AT_FDCWD, w->path, AT_SYMLINK_FOLLOW) == 0)
        return true;
    return errno == EEXIST && !w->is_new && name_beside(w, self) && rename(w->tmp, w->path) == 0;
}

/* A file system that can't rename without replacing can link (NFS). */
static bool move_into_place(struct whole_file *w)
{
    if (!w->tmp[0])
        return give_name(w);
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
    bool ok = !ferror(w->to) && fflush(w->to) == 0 &&
              (w->in_place || (fsync(fileno(w->to)) == 0 && move_into_place(w)));
    int why = ok ? 0 : errno;

    if (fclose(w->to) != 0 && ok) {
        ok = false;
        why = errno;
    }
    w->to = NULL;
    if (!ok) {
        forget(w);
        errno = why ? why : EIO;
    }
    return ok;
}

void whole_file_drop(struct whole_file *w)
{
    if (!w->to)
        return;
    fclose(w->to);
    w->to = NULL;
    forget(w);
}
