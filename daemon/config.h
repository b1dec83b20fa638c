/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the daemon, driven by options.def. */
#ifndef QIPAN_CONFIG_H
#define QIPAN_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#define CONFIG_ERR_SIZE 256

struct config {
#define FIELD_TEXT(name)                        char *name;
#define FIELD_INT(name)                         int name;
#define OPTION(name, kind, value, reload, help) FIELD_##kind(name)
#include "options.def"
#undef OPTION
};

/* Defaults, then the file. False with a sentence in err: nothing in ret_config then. */
bool config_load(const char *path, struct config *ret_config, char err[CONFIG_ERR_SIZE]);
void config_free(struct config *c);

/* Takes over the LIVE options of `from` (which is freed), leaves the START ones; names those that differ in a log line. */
void config_reload(struct config *c, struct config *from);

void config_help(FILE *to); /* the table, for --help */

#endif
