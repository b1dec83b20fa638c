/* SPDX-License-Identifier: Apache-2.0 */
/* One change as a line for people. */
#ifndef QIPAN_EVENT_H
#define QIPAN_EVENT_H

#include "cli.h"

/* `title`: what people call the object, NULL = its id. To stdout, with newline. */
void event_print(struct cli *cli, const Qipan__Event *event, const char *title);

/* Its number and name (title, subject or text) out of the row of an event, NULL when it has neither. In cli->scratch. */
const char *event_title(struct cli *cli, const Qipan__Event *event);

#endif
