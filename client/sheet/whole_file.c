/* SPDX-License-Identifier: Apache-2.0 */
#include "whole_file.h"

#include <errno.h>
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

bool whole_file_open(struct whole_file *w, const char *path)
{
    struct stat old;
    bool exists = stat(path, &old) == 0;
    int fd;

    w->to = NULL;
    if (exists && !S_ISREG(old.st_mode))
        return open_in_place(w, path);
    if (!find_path(w, path))
        return false;
    snprintf(w->tmp, sizeof(w->tmp), "%s.XXXXXX", w->path);
    if ((fd = mkstemp(w->tmp)) < 0)
        return false;
    if (fchmod(fd, exists ? old.st_mode & 0777 : usual_mode()) != 0 || !(w->to = fdopen(fd, "w"))) {
        int why = errno;
        close(fd);
        unlink(w->tmp);
        errno = why;
        return false;
    }
    return true;
}

bool whole_file_done(struct whole_file *w)
{
    bool aside = w->tmp[0] != '\0';
    bool ok = !ferror(w->to) && fflush(w->to) == 0 && (!aside || fsync(fileno(w->to)) == 0);
    int why = ok ? 0 : errno;

    ok = fclose(w->to) == 0 && ok;
    w->to = NULL;
    if (ok && (!aside || rename(w->tmp, w->path) == 0))
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
