/* SPDX-License-Identifier: Apache-2.0 */
/* `project show --full`: all there is about one project, on one page. */
#ifndef QIPAN_PAGE_H
#define QIPAN_PAGE_H

#include "cli.h"

/* rows: of a section; 0 = as many as the registry thinks fit. An exit code. */
int page_show(struct cli *cli, const char *id, long rows);

/* A project alone, its industry in words; in project.c. An exit code. */
int project_print(struct cli *cli, const Qipan__Project *project, int64_t rev, const char *request);

#endif
