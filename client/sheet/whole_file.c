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

bool whole_file_open(struct whole_file *w, const char *path)
{
    int fd;

    w->to = NULL;
    if (strlen(path) >= sizeof(w->path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(w->path, path);
    snprintf(w->tmp, sizeof(w->tmp), "%s.XXXXXX", path);
    if ((fd = mkstemp(w->tmp)) < 0)
        return false;
    if (fchmod(fd, usual_mode()) != 0 || !(w->to = fdopen(fd, "w"))) {
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
    bool ok = !ferror(w->to) && fflush(w->to) == 0 && fsync(fileno(w->to)) == 0;
    int why = ok ? 0 : errno;

    ok = fclose(w->to) == 0 && ok;
    w->to = NULL;
    if (ok && rename(w->tmp, w->path) == 0)
        return true;
    why = why ? why : errno;
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
    unlink(w->tmp);
}
