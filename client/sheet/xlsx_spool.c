/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* mkostemp */
#include "xlsx_spool.h"

#include "xlsx_zip.h"

#include <errno.h>
#include <fcntl.h>
#include <libintl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _(text) dgettext("qipan", text)

#define FIRST_ROOM 4096
#define PAGE       16384
#define PAGES      64

void xlsx_spool_init(struct xlsx_spool *s, size_t bound)
{
    *s = (struct xlsx_spool){.bound = bound, .fd = -1};
}

void xlsx_spool_free(struct xlsx_spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->memory);
    free(s->pages);
    free(s->page_numbers);
    xlsx_spool_init(s, s->bound);
}

static const char *folder(void)
{
    const char *tmp = getenv("TMPDIR");

    return tmp && *tmp ? tmp : "/tmp";
}

static bool no_room(char *why)
{
    return xlsx_fail(why, _("the texts of the workbook need room in %s: %s"), folder(), strerror(errno));
}

static bool open_file(struct xlsx_spool *s, char *why)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/qipan.XXXXXX", folder());
    if ((s->fd = mkostemp(path, O_CLOEXEC)) < 0)
        return no_room(why);
    unlink(path);
    return true;
}

static bool to_file(struct xlsx_spool *s, char *why)
{
    size_t done = 0;

    if (s->fd < 0 && !open_file(s, why))
        return false;
    while (done < s->in_memory) {
        ssize_t n = pwrite(s->fd, s->memory + done, s->in_memory - done, (off_t)(s->in_file + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return no_room(why);
        done += (size_t)n;
    }
    s->in_file += done;
    s->in_memory = 0;
    return true;
}

static bool make_room(struct xlsx_spool *s, size_t n, char *why)
{
    size_t room = s->room ? s->room : FIRST_ROOM;

    if (s->in_memory + n > s->bound && !to_file(s, why))
        return false;
    while (room < s->in_memory + n)
        room *= 2;
    if (room > s->bound && s->bound >= s->in_memory + n)
        room = s->bound;
    if (room > s->room) {
        char *memory = realloc(s->memory, room);
        if (!memory)
            return xlsx_fail(why, "%s", strerror(ENOMEM));
        s->memory = memory;
        s->room = room;
    }
    return true;
}

bool xlsx_spool_add(struct xlsx_spool *s, const void *bytes, size_t n, char *why)
{
    if (s->in_memory + n > s->room && !make_room(s, n, why))
        return false;
    memcpy(s->memory + s->in_memory, bytes, n);
    s->in_memory += n;
    s->size += n;
    return true;
}

bool xlsx_spool_done(struct xlsx_spool *s, char *why)
{
    if (s->fd < 0)
        return true;
    if (!to_file(s, why))
        return false;
    free(s->memory);
    s->memory = NULL;
    s->room = 0;
    s->pages = malloc(PAGES * PAGE);
    s->page_numbers = malloc(PAGES * sizeof(*s->page_numbers));
    if (!s->pages || !s->page_numbers)
        return xlsx_fail(why, "%s", strerror(ENOMEM));
    memset(s->page_numbers, 0xFF, PAGES * sizeof(*s->page_numbers));
    return true;
}

/* The page with that number, NULL when it can't be read. */
static const char *page(struct xlsx_spool *s, uint64_t number, char *why)
{
    size_t slot = number % PAGES;
    char *at = s->pages + slot * PAGE;

    if (s->page_numbers[slot] == number)
        return at;
    s->page_numbers[slot] = UINT64_MAX;
    ssize_t n;
    do
        n = pread(s->fd, at, PAGE, (off_t)(number * PAGE));
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        no_room(why);
        return NULL;
    }
    s->page_numbers[slot] = number;
    return at;
}

bool xlsx_spool_get(struct xlsx_spool *s, uint64_t offset, void *out, size_t n, char *why)
{
    char *to = out;

    if (s->fd < 0) {
        memcpy(out, s->memory + offset, n);
        return true;
    }
    while (n) {
        size_t from = offset % PAGE, some = PAGE - from < n ? PAGE - from : n;
        const char *p = page(s, offset / PAGE, why);
        if (!p)
            return false;
        memcpy(to, p + from, some);
        to += some;
        offset += some;
        n -= some;
    }
    return true;
}
