/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of messages as cells of a table: for programs (canonical text under the field's name), or for people (labels, units,
 * words of the county under the field's label). An import reads both. */
#ifndef QIPAN_CELLS_H
#define QIPAN_CELLS_H

#include "cli.h"
#include "table_write.h"

/* What amounts for people are in. */
#define CELLS_UNIT "万元"

/* A list's codes each by its label; the label of a code; the facts of a case. NULL: nothing of the kind, the value stands
 * for itself. `kind` of a record, NULL: the message is no record. In cli->scratch. */
const char *cells_words(struct cli *cli, const char *kind, const ProtobufCMessage *row,
                        const ProtobufCFieldDescriptor *f);

/* For programs; "" when the field is absent. In cli->scratch. */
const char *cells_canonical(struct cli *cli, const ProtobufCMessage *row, const ProtobufCFieldDescriptor *f);

/* For people, as a workbook takes it: exact plain numbers, amounts in `unit` (元 万元 亿元), days and times in the zone of TZ.
 * "" when the field is absent. In cli->scratch. */
const char *cells_text(struct cli *cli, const char *kind, const ProtobufCMessage *row,
                       const ProtobufCFieldDescriptor *f, const char *unit);

/* The column of a field in a workbook: its type and width; the heading is `label`, for an amount with the unit behind it.
 * In cli->arena; false when that is full. */
bool cells_column(struct cli *cli, const ProtobufCFieldDescriptor *f, const char *label, const char *unit,
                  struct table_column *ret_column);

/* Power of ten of a unit of money; -1 for an unknown one. */
int cells_unit(const char *unit);

/* 350000000.00 as a multiple of 10^power yuan, exact, shortest: 35000. In buf, which it fits when the text has at most size - 40
 * characters. */
const char *cells_scaled(const char *yuan, int power, char *buf, size_t size);

#endif
