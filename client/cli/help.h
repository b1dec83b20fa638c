/* SPDX-License-Identifier: Apache-2.0 */
/* The command table, and what each family says about itself. */
#ifndef QIPAN_HELP_H
#define QIPAN_HELP_H

#include "cli.h"

struct command {
    const char *name;
    int (*run)(struct cli *, int, char **);
    const char *usage;   /* grammar, one form a line; not translated */
    const char *summary; /* msgid, one line */
    const char *text;    /* msgid, may be NULL */
    const char *example; /* not translated */
};

extern const struct command help_commands[]; /* ends with name NULL */

const struct command *help_find(const char *name);
int help_unknown(struct cli *cli, const char *word); /* reports, exit 2 */
int help_overview(struct cli *cli);
int help_command(struct cli *cli, const struct command *command);

#endif
