/* SPDX-License-Identifier: Apache-2.0 */
/* Names of those whom a cell means by code or id: people, firms, chains, meetings. Asked for by the page, for tables of people
 * only; what the registry has no name for, or may not tell, stays as it is. */
#ifndef QIPAN_NAMES_H
#define QIPAN_NAMES_H

#include "cli.h"

/* Does a message's field of this name hold such codes or ids? */
bool names_field(const ProtobufCMessageDescriptor *desc, const char *field);

/* Asks for all that stand in these rows and aren't known yet. */
void names_ask(struct cli *cli, ProtobufCMessage *const *rows, size_t n);

/* NULL: no name. */
const char *names_text(struct cli *cli, const char *code);

/* labels_of_field(), and of those who acted their names. For cli->label. */
const char *names_label(struct cli *cli, const char *field, const char *code);

void names_free(struct cli *cli);

#endif
