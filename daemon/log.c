/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include "utf8.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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
    n += utf8_show(line + n, 200, subject);
    line[n++] = ':';
    line[n++] = ' ';
    n += utf8_show(line + n, sizeof line - n - 1, raw);
    line[n++] = '\n';
    ssize_t ignored = write(out, line, n); /* a full log disk must not stop the registry */
    (void)ignored;
}

void log_die(const char *why)
{
    log_error("qipand", "cannot go on: %s", why);
    _exit(EXIT_FAILURE);
}
