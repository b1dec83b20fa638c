/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of one message type on stdout, in the output mode of the command. */
#ifndef QIPAN_OUT_H
#define QIPAN_OUT_H

#include "cli.h"
#include "table_write.h"

struct libscols_table;

#define OUT_MAX_COLUMNS 64

struct out_label {
    const char *field, *label; /* label is a msgid */
};

/* How a message type is shown. */
struct out_style {
    const ProtobufCMessageDescriptor *desc;
    const char *table, *wide;       /* fields joined by commas */
    const char *name;               /* field of -o name */
    const struct out_label *labels; /* ends with NULL; NULL: fields of a project */
    const char
        *kind; /* of records: labels of fields and codes are the registry's. `table`, `wide` NULL: all */
};

struct out {
    struct cli *cli;
    const struct out_style *style;
    FILE *to;
    bool file; /* that comes back by an import: CSV has its mark, a workbook id and version */
    const ProtobufCFieldDescriptor *columns[OUT_MAX_COLUMNS];
    size_t n_columns;
    size_t n_rows;
    bool headed;
    struct libscols_table *table;
    struct table *sheet; /* csv, tsv, xlsx */
    struct table_layout layout;
    struct table_column shown[OUT_MAX_COLUMNS];
};

extern const struct out_style out_project;

/* 0, or an exit code after a report (unknown name in --fields). */
int out_open(struct out *o, struct cli *cli, const struct out_style *style);
int out_row(struct out *o, const ProtobufCMessage *row);
int out_close(struct out *o); /* prints what was collected; flushes stdout */
void out_drop(struct out *o); /* when something went wrong: nothing more is written */

/* The same into another file than stdout, one that comes back by an import. */
int out_open_file(struct out *o, struct cli *cli, const struct out_style *style, FILE *to);

/* A field of the message by name or label. 0, or an exit code after a report. */
int out_find_field(struct cli *cli, const struct out_style *style, const char *name,
                   const ProtobufCFieldDescriptor **ret);

/* Rows of all pages of a list. An exit code. */
int out_fill(struct out *o, unsigned op, ProtobufCMessage *request);

/* Whether a list of that length, where its first page tells it, is no longer than a workbook's sheet: else errno says so. */
bool out_fits_sheet(const struct cli *cli, const ProtobufCMessage *reply);

/* By errno, after a table could not be written. An exit code after a report. */
int out_sheet_failed(struct cli *cli);

/* An empty table for people, in the manner of the terminal; NULL when memory is out. */
struct libscols_table *out_table(struct cli *cli, bool headings);

/* All pages of a list: the request has `after` and `limit`, the reply `rows` and `next`; or the one page of a reply that has
 * `rows` alone. An exit code. */
int out_pages(struct cli *cli, const struct out_style *style, unsigned op, ProtobufCMessage *request);

/* One object. `rev` and `request` are added in JSON when not 0 and not NULL. */
int out_object(struct cli *cli, const struct out_style *style, const ProtobufCMessage *object, int64_t rev,
               const char *request);

/* The field that holds the object of a reply, its first message; NULL when there is none. */
const ProtobufCFieldDescriptor *out_object_field(const ProtobufCMessageDescriptor *reply);

/* What an operation answered: the first message in it as an object, lists of messages beside that as tables below (in JSON as
 * fields of it); an answer without any is the object itself. An exit code. */
int out_reply(struct cli *cli, const struct out_style *style, const ProtobufCMessage *reply,
              const char *request);

#endif
