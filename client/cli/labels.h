/* SPDX-License-Identifier: Apache-2.0 */
/* Codes of the county and what people call them, by one `glossary` call when first needed
 * (after cli_connect(); without a connection, or when the call fails, codes have no labels). */
#ifndef QIPAN_LABELS_H
#define QIPAN_LABELS_H

#include "cli.h"

/* Kind of code a field of Project holds ("stage", "office" …), or NULL. */
const char *labels_kind(const char *field);

/* For people; the code itself when there is no label (or no glossary). Never NULL. */
const char *labels_text(struct cli *cli, const char *kind, const char *code);

/* The same by field of what the command is about (cli->record); NULL for a field without codes. Of a record, with "field":
 * what people call this field. For cli->label. */
const char *labels_of_field(struct cli *cli, const char *field, const char *code);

/* Kinds whose labels the registry keeps, by one `glossary` call for each when first needed; otherwise they are here. */
bool labels_is_record(const char *kind);

/* Kind that the registry knows a record's message by: "activity". */
const char *labels_record_kind(struct cli *cli, const ProtobufCMessageDescriptor *desc);

/* What people call a kind of record; its code when there is no label. Never NULL. */
const char *labels_record_name(struct cli *cli, const char *kind);

/* Has the registry words for it? Answers that are no objects may have them, too. */
bool labels_knows(struct cli *cli, const char *kind);

/* What people call a field of a record; the field's own name when there is no label. Never NULL. */
const char *labels_record_field(struct cli *cli, const char *kind, const char *field);

/* A code in a field of a record; NULL when it is none. */
const char *labels_record_code(struct cli *cli, const char *kind, const char *field, const char *code);

void labels_free(struct cli *cli);

/* The code for a word that is a code or a label; NULL when it is neither. */
const char *labels_code(struct cli *cli, const char *kind, const char *word);

/* A code in canonical form, for fields whose codes people may write as labels. An unknown stage is reported (exit 7, with
 * the nearest one), other unknown words are left for the registry to judge. 0 or an exit code. */
int labels_resolve(struct cli *cli, const char *field, const char *word, const char **ret_code);

/* The same for all values of conditions. */
int labels_resolve_terms(struct cli *cli, Qipan__Term **terms, size_t n);

/* Stage labels in their order: i from 0, NULL behind the last. */
const Qipan__Label *labels_stage(struct cli *cli, size_t i);

#endif
