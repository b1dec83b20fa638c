/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of sheets share. */
#ifndef QIPAN_SHEET_INTERNAL_H
#define QIPAN_SHEET_INTERNAL_H

#include "broken.h"
#include "sheet.h"

#define SHEET_MAX_NOTES 16

struct sheet_kind {
    /* State, or NULL with s->why set; the file is the state's, and closed on failure. Reads the header by
     * sheet_add_column(). */
    void *(*open)(struct sheet *s, FILE *file, const struct sheet_options *options);
    void (*close)(void *state);
    enum sheet_result (*next)(struct sheet *s, void *state, struct sheet_row *ret_row);
    void (*rewind)(struct sheet *s, void *state);
    const struct grid *(*grid)(const void *state);   /* NULL = there is none */
    bool (*pass_over)(struct sheet *s, void *state); /* as sheet_pass_over(); NULL = never */
};

struct sheet {
    const struct sheet_kind *kind;
    void *state;
    char encoding[40];
    char *header[SHEET_MAX_COLUMNS];
    int column[SHEET_MAX_COLUMNS]; /* of the file */
    size_t n_header;
    int header_row;
    const char *unit, *area_unit; /* the kind's; NULL or "" = not said */
    char doubt[SHEET_WHY_SIZE];   /* "" = none */
    int row;                      /* number of the row read last */
    char why[SHEET_WHY_SIZE];
    struct broken broken; /* of the row given last */
    char *notes[SHEET_MAX_NOTES];
    size_t n_notes;
};

extern const struct sheet_kind sheet_of_grid, sheet_jsonl;

/* Header, notes and doubts, before another sheet of the workbook is read. */
void sheet_forget(struct sheet *s);
bool sheet_add_column(struct sheet *s, const char *name, int column);
void sheet_fail(struct sheet *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same note once; more than SHEET_MAX_NOTES are left out. */
void sheet_note(struct sheet *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes *row a broken one, of what broken_set() was told. Always SHEET_ROW. */
enum sheet_result sheet_broken(struct sheet *s, struct sheet_row *row, int column);

#endif
