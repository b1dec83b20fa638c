/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as JSON values, by descriptor: amounts and int64 are strings, absent fields are left out. */
#ifndef QIPAN_JSON_H
#define QIPAN_JSON_H

#include "qipan.h"

#include <jansson.h>

/* New values, NULL when memory is out: whole or not at all. */
json_t *json_of_message(const ProtobufCMessage *message);
json_t *json_of_event(const Qipan__Event *event, const char *cursor);
json_t *json_of_error(const Qipan__Error *error); /* what stands behind "error" */
json_t *json_of_clash(const Qipan__Clash *clash);

/* A field, if it is there, into an object; without memory *object becomes NULL. NULL stays NULL. */
void json_put_field(json_t **object, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

/* One line without the newline, to be freed; takes the value over. Control, direction and unseen characters are written in
 * ASCII (\u202E): exact for a program, harmless on a terminal. NULL when memory is out. */
char *json_line(json_t *value);

/* The field a change of an event speaks about; NULL when this version doesn't know it. */
const ProtobufCFieldDescriptor *json_event_field(const Qipan__Event *event, uint32_t number);

#endif
