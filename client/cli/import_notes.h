/* SPDX-License-Identifier: Apache-2.0 */
/* How a sheet was understood: what was found above its table, what was left out. */
#ifndef QIPAN_IMPORT_NOTES_H
#define QIPAN_IMPORT_NOTES_H

#include "cli.h"
#include "mapping.h"

#include <jansson.h>

/* Complete after the last row. As lines on stdout; as lists "notes" and "left_out" of an object, absent when empty. */
void import_notes_print(struct cli *cli, const struct sheet *s, const struct mapping *m);
void import_notes_json(struct cli *cli, json_t *object, const struct sheet *s, const struct mapping *m);

#endif
