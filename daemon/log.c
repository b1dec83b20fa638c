/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static enum log_level threshold = LOG_INFO;
static int out = STDERR_FILENO;

bool log_open(const char *path)
{
    int fd = STDERR_FILENO;
    if (path[0]) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0)
            return false;
    }
    if (out != STDERR_FILENO)
        close(out);
    out = fd;
    return true;
}

void log_set_level(enum log_level level)
{
    threshold = level;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Control characters would let a peer forge lines or drive the terminal. Bytes from 0x80 stay: they are UTF-8 text
 * that was checked before, and 0x80-0x9f as characters only come as two bytes, 0xc2 first. */
static size_t escape(const char *in, char *to, size_t size)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)in; *p && n + 5 < size; p++) {
        bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
        if (*p < 0x20 || *p == 0x7f || c1)
            n += (size_t)snprintf(to + n, size - n, "\\x%02x", c1 ? *++p : *p);
        else
            to[n++] = (char)*p;
    }
    return n;
}

static size_t stamp(char *to, size_t size, enum log_level level)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return n + (size_t)snprintf(to + n, size - n, ".%03ldZ %-5s ", now.tv_nsec / 1000000, level_names[level]);
}

void log_line(enum log_level level, const char *subject, const char *fmt, ...)
{
    if (level < threshold)
        return;
    char raw[LINE_MAX_BYTES / 2], line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(raw, sizeof raw, fmt, args);
    va_end(args);

    size_t n = stamp(line, sizeof line, level);
    n += escape(subject, line + n, 200);
    line[n++] = ':';
    line[n++] = ' ';
    n += escape(raw, line + n, sizeof line - n - 1);
    line[n++] = '\n';
    ssize_t ignored = write(out, line, n); /* a full log disk must not stop the registry */
    (void)ignored;
}
