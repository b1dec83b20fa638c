/* SPDX-License-Identifier: Apache-2.0 */
/* A list in an office's own layout (plan.h). */
#ifndef QIPAN_PLANNED_H
#define QIPAN_PLANNED_H

#include "plan.h"
#include "record.h"

/* Reads the file; 0 with *ret_plan, to be freed, or an exit code after a report. */
int planned_read(struct cli *cli, const char *path, struct plan **ret_plan);

/* The list's request is made already. Writes CSV, tabs or a workbook, as cli->output says; an exit code. */
int planned_write(struct cli *cli, const struct plan *plan, const struct verb *list,
                  ProtobufCMessage *request, FILE *to, size_t *ret_rows);

#endif
