/* SPDX-License-Identifier: Apache-2.0 */
/* One line per event: instant, level, subject (which connection or link), sentence. Peers' bytes are escaped. */
#ifndef QIPAN_LOG_H
#define QIPAN_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

bool log_open(
    const char *path); /* "" = stderr; call again to follow a rotated file. False: the old one stays */
void log_set_level(enum log_level level);
bool log_level_parse(const char *name, enum log_level *ret_level);

__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *subject,
                                                    const char *fmt, ...);

#define log_debug(subject, ...) log_line(LOG_DEBUG, subject, __VA_ARGS__)
#define log_info(subject, ...)  log_line(LOG_INFO, subject, __VA_ARGS__)
#define log_warn(subject, ...)  log_line(LOG_WARN, subject, __VA_ARGS__)
#define log_error(subject, ...) log_line(LOG_ERROR, subject, __VA_ARGS__)

/* Where the daemon can't go on: one line, then it ends with 1. Connections break, what was asked is asked again by request id. */
__attribute__((noreturn)) void log_die(const char *why);

#endif
