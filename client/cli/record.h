/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of verbs.def, driven by the messages of their operations. */
#ifndef QIPAN_RECORD_H
#define QIPAN_RECORD_H

#include "cli.h"
#include "out.h"

struct verb {
    const char *family, *word;
    unsigned op;
    const char *positional, *columns;
};

extern const struct verb record_verbs[]; /* ends with family NULL */

/* NULL when there is none; both words may be NULL. */
const struct verb *record_verb(const char *family, const char *word);

/* What the words of a command come to; everything in the arena. */
struct record_call {
    ProtobufCMessage *request;
    int64_t base; /* --base, 0 = not given */
};

/* 0, or an exit code after a report. Asks nobody. */
int record_take(struct cli *cli, const struct verb *verb, int argc, char **argv, struct record_call *ret);

/* Does this word ("--reason") take the next one as its value? */
bool record_takes_value(const struct verb *verb, const char *word);

/* "qipan activity edit ID FIELD=VALUE… [--base VERSION] …" */
const char *record_form(struct arena *arena, const struct verb *verb);

/* The list of a kind, by the family's word or as the registry calls its records; NULL when there is none. */
const struct verb *record_list(struct cli *cli, const char *word);
bool record_is_projects(const struct verb *list);

/* The message the verb is about; how it is shown. */
struct out_style record_style(struct cli *cli, const struct verb *verb);

/* Rows of the reply; NULL when it has none. */
const ProtobufCMessageDescriptor *record_rows(const struct verb *verb);

/* What the conditions of a list are on: its rows, if those are objects, else the projects that the rows tell of. NULL: takes none. */
const ProtobufCMessageDescriptor *record_terms(const struct verb *verb);

/* The field of a message by name; NULL when there is none. `at`: where its value is. */
static inline const ProtobufCFieldDescriptor *record_field(const ProtobufCMessageDescriptor *desc,
                                                           const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(desc, name);
}

static inline void *record_at(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return (char *)m + f->offset;
}

#endif
