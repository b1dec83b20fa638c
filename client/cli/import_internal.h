/* SPDX-License-Identifier: Apache-2.0 */
/* An import, between its parts: the file, its way up, what is said of it. */
#ifndef QIPAN_IMPORT_INTERNAL_H
#define QIPAN_IMPORT_INTERNAL_H

#include "cli.h"
#include "import_profile.h"
#include "json.h"
#include "limits.h"
#include "mapping.h"
#include "sheet.h"
#include "whole_file.h"

#include <stdio.h>
#include <sys/stat.h>

struct import {
    struct cli *cli;
    const char *file, *map, *profile, *encoding, *sheet_name, *kind, *report;
    const char *without; /* columns, one a line */
    const char *reason;  /* of a commit */
    bool commit, keep_going, exit_code, opening;
    FILE *in;
    struct stat before;
    unsigned char sha[32], profile_sha[32];
    char *map_text; /* of the mapping file */
    size_t map_n;
    struct mapping *mapping;
    struct sheet *sheet;
    char profile_name[200];
    char headers[PROFILE_DIGEST];    /* of the headings */
    bool known;                      /* the registry has the mapping already, or need not keep it */
    char base[LIMIT_REQUEST_ID + 1]; /* the request ids of this run begin with it */
    char request[LIMIT_REQUEST_ID + 16];
    int rows, sent;
    char id[64];
    int next_chunk;
    int64_t begun_ms, shown_ms; /* of what is going on; of what was said of it last */
    int heard;                  /* rows that were through when it was last heard, and when that was */
    int64_t heard_ms;
    int sent_before;     /* rows of chunks that were there already */
    int done;            /* rows the registry has judged or written by now */
    uint32_t asking;     /* the open call that asks it how many; 0 = none */
    const char *trouble; /* why that isn't known now; NULL = it is */
    bool told;           /* it is what was said last */
    int64_t end_ms;      /* of what is going on: waited for no longer */
    int64_t answered_ms; /* when the registry was heard last */
    bool committing;     /* the commit was asked for */
    int64_t asked_ms;
    int looked_at; /* row of the sheet, while what was judged is shown */
    json_t *rejects;
    struct whole_file report_file;
    Qipan__ImportReply counts;
};

const char *import_base_name(const char *path);
int import_invalid(struct import *im, const char *what, const char *why);

/* import_file.c */
int import_prepare(
    struct import
        *im); /* everything that can be wrong with file and mapping is found before a byte is sent */
int import_unchanged(struct import *im); /* the file, since it was prepared */
void import_remember(struct import *im); /* the mapping */

/* import_send.c */
#define IMPORT_REFUSED (-1) /* a commit, because of its rows; anything else has been reported */
int import_open(struct import *im);
int import_put(struct import *im);
int import_judge(struct import *im);
int import_commit(struct import *im);
void import_interrupted(const struct import *im);
int import_counts(struct import *im); /* of a batch that was judged */

/* import_verdicts.c */
typedef int import_verdict_fn(struct import *im, const Qipan__Verdict *v, void *arg);
extern const char *const import_refused[]; /* verdicts of rows that aren't taken, NULL at the end */
/* Page by page, `most` at most; `only` NULL = every verdict. */
int import_verdicts(struct import *im, const char *const *only, int most, import_verdict_fn *fn, void *arg);
const char *import_column(struct import *im, const Qipan__Verdict *v); /* it is about; NULL = none */
json_t *import_verdict_json(struct import *im, const Qipan__Verdict *v);

/* import_report.c */
int import_open_report(struct import *im);
int import_report(struct import *im);

/* import_show.c */
int import_show(struct import *im, bool written);

#endif
