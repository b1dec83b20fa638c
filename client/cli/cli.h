/* SPDX-License-Identifier: Apache-2.0 */
/* What every command of `qipan` works with. */
#ifndef QIPAN_CLI_H
#define QIPAN_CLI_H

#include "arena.h"
#include "settings.h"
#include "msg.h"
#include "qipan.h"
#include "value.h"

#include <libintl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#define _(text)  gettext(text)
#define N_(text) text

enum cli_output { OUT_TABLE, OUT_WIDE, OUT_JSON, OUT_JSONL, OUT_CSV, OUT_TSV, OUT_XLSX, OUT_NAME };

/* Exit codes; those of errors are in errors.def. */
enum {
    EXIT_FINE = 0,
    EXIT_DIFFERENT = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 5,
    EXIT_INVALID = 7,
    EXIT_PARTIAL = 9,
    EXIT_TIMEOUT = 124,
    EXIT_SIGINT = 130,
    EXIT_SIGTERM = 143,
};

#define CLI_ARENA    (4 * 1024 * 1024)
#define CLI_SLICE_MS 500 /* a signal that comes just before poll() is seen after this */

struct cli {
    enum cli_output output;
    bool output_given;        /* -o was there */
    bool color;               /* decided: colours may be used on stdout */
    const char *lang;         /* "zh" or "en" */
    const char *fields;       /* --fields, or NULL */
    const char *request;      /* --request, or NULL */
    const char *context_name; /* --context or QIPAN_CONTEXT, or NULL */
    struct settings settings; /* settings file, once read */
    const struct settings_context *context;
    struct qipan *q;            /* NULL before cli_connect() */
    struct arena arena;         /* lives as long as the command */
    struct arena scratch;       /* texts of one row: emptied after each */
    struct qipan_result labels; /* the glossary, once asked for: see labels.h */
    bool labels_asked;
    struct label_index *label_index;          /* of the glossary */
    struct label_kind *kinds;                 /* the same of records, one for each kind asked for */
    struct names *names;                      /* see names.h; NULL until one was asked for */
    struct qipan *lookup;                     /* see cli_lookup() */
    const char *form;                         /* of the command, for who got it wrong; NULL = none */
    const char *place;                        /* FILE:LINE, said before an error's sentence; NULL = none */
    const ProtobufCMessageDescriptor *record; /* what the command is about, NULL = projects */
    /* Set by main: what people call a code of a field (labels.h is above this file). NULL = codes are shown. */
    const char *(*label)(struct cli *cli, const char *field, const char *code);
};

/* Set by SIGINT or SIGTERM: the signal's number. Long work looks at it. */
extern volatile sig_atomic_t cli_signal;

#define CLI_CERT_WARN_S (30 * 24 * 3600) /* from here on people are told that their certificate ends */

/* Reads the settings and chooses the context. 0, or an exit code after a report on stderr. */
int cli_choose(struct cli *cli);

/* The same, and opens the connection (it is made by the first call). 0, or an exit code after a report on stderr. */
int cli_connect(struct cli *cli);

/* The connection for a look-up: from inside a callback a second one of the same settings. NULL when there is none. */
struct qipan *cli_lookup(struct cli *cli);

/* One call. 0 with *ret_result to be freed, or an exit code after a report on stderr (nothing to free then).
 * `options` may be NULL; its `request` stays NULL for a new id, otherwise pass cli->request. */
int cli_call(struct cli *cli, unsigned op, const ProtobufCMessage *request,
             const struct qipan_call_options *options, struct qipan_result *ret_result);

/* After a signal: says how to learn what became of the request, if it is one; 130/143. */
int cli_interrupted(struct cli *cli, const char *request);

/* Runs callbacks of calls made by qipan_call() until *done; 0, or 130/143 after a signal. */
int cli_run(struct cli *cli, const bool *done);

/* Reports on stderr in the manner of the output mode, returns the exit code. */
int cli_error(struct cli *cli, const Qipan__Error *error, const char *request); /* request may be NULL */
int cli_fail(struct cli *cli, const char *code, const char *field, const char *hint, const char *format, ...)
    __attribute__((format(printf, 5, 6))); /* code: a name of errors.def; field, hint may be NULL */
int cli_no_memory(struct cli *cli);        /* INTERNAL */
int cli_invalid(struct cli *cli, const char *field,
                const struct value_error *error); /* INVALID_ARGUMENT, exit 7 */
int cli_usage(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3))); /* exit 2 */
/* Exit 2: an unknown word, with the nearest valid one. `what` is a msgid: "command", "option" … */
int cli_unknown(struct cli *cli, const char *what, const char *word, const char *const *words);
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline bool cli_json(const struct cli *cli)
{
    return cli->output == OUT_JSON || cli->output == OUT_JSONL;
}

/* Text from outside made fit for a terminal by utf8_show(), the gate; tab and newline become spaces. Whatever the registry,
 * a daemon, a file or its name says goes through here before it is printed. Always in the arena; `text` may be NULL. */
const char *cli_safe(struct arena *arena, const char *text);

/* An instant by the clock on the wall. */
const char *cli_local_time(struct arena *arena, int64_t at);

/* The texts of a row were printed or copied. */
void cli_scratch_over(struct cli *cli);

/* Flushes stdout; 0, or an exit code: 1 when it can't be written or isn't whole because memory was out, silent when the reader
 * is gone. */
int cli_flush(struct cli *cli);

/* The command's own options; those of all commands (-o, --fields, --context …) are taken out of argv before.
 * A new option with a value is also entered in the list `with_value` of main.c. */
struct cli_option {
    const char *name;   /* "--base", "-n" */
    const char **value; /* where its value goes, or NULL: a switch */
    bool *set;          /* switches: set true. With a value: it may stand several times, joined by newlines */
};
/* Goes through argv[1…], moves the positional words to the front (argv[1…*ret_n]) and fills in the options (table ends
 * with name NULL; "--name=value" and "--name value"; "--" ends options;
 * several --filter are joined, what isn't said to stand several times is refused then). 0, or 2 after a report. */
int cli_options(struct cli *cli, int argc, char **argv, const struct cli_option *table, int *ret_n);

/* Words FIELD=VALUE into a message. */
struct cli_values {
    ProtobufCMessage *set;
    char *
        *clear; /* takes the names of fields to empty (FIELD=), room for one a word; NULL = that is refused */
    size_t n_clear;
    int (*resolve)(struct cli *cli, const char *field, const char *word, const char **ret); /* or NULL */
    bool *seen;                                                                             /* own */
};
/* 0, or an exit code after a report. */
int cli_take_value(struct cli *cli, struct cli_values *values, const char *word);

/* Splits a family's second word off: fills *ret_index with its place in `words` (ended by NULL). 0, or 2 after a report. */
int cli_subcommand(struct cli *cli, int argc, char **argv, const char *const *words, int *ret_index);

/* Commands: argv[0] is the command's first word ("import", "project"), argv[argc] is NULL. They return the exit code. */
int cmd_account(struct cli *cli, int argc, char **argv);
int cmd_audit(struct cli *cli, int argc, char **argv);
int cmd_board(struct cli *cli, int argc, char **argv);
int cmd_cert(struct cli *cli, int argc, char **argv);
int cmd_due(struct cli *cli, int argc, char **argv);
int cmd_evidence(struct cli *cli, int argc, char **argv);
int cmd_export(struct cli *cli, int argc, char **argv);
int cmd_help(struct cli *cli, int argc, char **argv);
int cmd_import(struct cli *cli, int argc, char **argv);
int cmd_office(struct cli *cli, int argc, char **argv);
int cmd_project(struct cli *cli, int argc, char **argv);
int cmd_receipt(struct cli *cli, int argc, char **argv);
int cmd_record(struct cli *cli, int argc, char **argv); /* the families of verbs.def */
int cmd_rules(struct cli *cli, int argc, char **argv);
int cmd_template(struct cli *cli, int argc, char **argv);
int cmd_version(struct cli *cli, int argc, char **argv);
int cmd_watch(struct cli *cli, int argc, char **argv);
int cmd_whoami(struct cli *cli, int argc, char **argv);

#endif
