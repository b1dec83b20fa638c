/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of what somebody sent, with a column at the right that says what is wrong with which row. All else stays as it is:
 * of a workbook every other part byte for byte, and cells that are wrong but for their colour. */
#ifndef QIPAN_ANNOTATE_H
#define QIPAN_ANNOTATE_H

#include "grid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct annotation {
    int row;    /* as in grid_row.number */
    int column; /* from 0, of the cell that is wrong: red in a workbook; -1 = the row as a whole */
    const char *text;
};

struct annotate {
    const char *heading;
    int header_row;                /* where the heading goes, 0 = nowhere */
    const struct annotation *rows; /* by row, each once, behind the header row */
    size_t n;
    int column; /* one that an earlier copy has already, from 0: it is written anew; -1 = none has */

    size_t sheet; /* of a workbook: index in grid_sheets() */

    const char *encoding; /* of a text: grid_encoding() */
    char separator;
};

/* Both read `from` from its start and leave it open; `to` is written from where it is. False with a sentence in why, and `to`
 * is not whole. */
bool annotate_xlsx(FILE *from, FILE *to, const struct annotate *what, char why[GRID_WHY_SIZE]);
bool annotate_text(FILE *from, FILE *to, const struct annotate *what, char why[GRID_WHY_SIZE]);

#endif
