/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of files share. */
#ifndef QIPAN_SHEET_INTERNAL_H
#define QIPAN_SHEET_INTERNAL_H

#include "sheet.h"

struct sheet_kind {
    /* State, or NULL with s->why set. Reads the header into s->header by sheet_add_column(). */
    void *(*open)(struct sheet *s, const struct sheet_options *options);
    void (*close)(void *state);
    enum sheet_result (*next)(struct sheet *s, void *state, struct sheet_row *ret_row);
    void (*rewind)(struct sheet *s, void *state);
    bool disarmed;
};

struct sheet {
    const struct sheet_kind *kind;
    void *state;
    FILE *file;
    long start; /* offset of the first byte behind a byte order mark */
    char encoding[40];
    char *header[SHEET_MAX_COLUMNS];
    size_t n_header;
    int row; /* number of the row read last */
    char why[SHEET_WHY_SIZE];
    char bad[SHEET_WHY_SIZE]; /* reason of a broken row */
    char bad_text[256];
};

extern const struct sheet_kind sheet_csv, sheet_jsonl;

bool sheet_add_column(struct sheet *s, const char *name);
void sheet_fail(struct sheet *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes *row a broken one; the text is shortened and made valid. Always SHEET_ROW. */
enum sheet_result sheet_broken(struct sheet *s, struct sheet_row *row, int column, const char *text, size_t n,
                               const char *format, ...) __attribute__((format(printf, 6, 7)));

enum sheet_line { SHEET_LINE, SHEET_LINE_LONG, SHEET_LINE_END };
/* The next line with its end into buf (size SHEET_MAX_ROW + 2); of a longer one the beginning, the rest is passed over. */
enum sheet_line sheet_read_line(FILE *file, char *buf, size_t *ret_n);

#endif
