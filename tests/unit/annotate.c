/* SPDX-License-Identifier: Apache-2.0 */
/* annotate FROM TO SHEET HEADER_ROW COLUMN [ROW[:CELL] TEXT]…: what annotate.h makes of a file; SHEET of a .csv is its separator,
 * COLUMN -1 = a new one. Prints why
 * and ends with 1 when it can't. */
#include "annotate.h"

#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct annotation rows[1000];
    struct annotate what = {.heading = "错误", .rows = rows};
    char why[GRID_WHY_SIZE] = "";
    FILE *from, *to;
    bool ok;

    if (argc < 6 || !(from = fopen(argv[1], "r")) || !(to = fopen(argv[2], "w")))
        return 2;
    what.sheet = (size_t)atoi(argv[3]);
    what.header_row = atoi(argv[4]);
    what.column = atoi(argv[5]);
    for (int i = 6; i + 1 < argc && what.n < 1000; i += 2)
        rows[what.n++] = (struct annotation){
            atoi(argv[i]), strchr(argv[i], ':') ? atoi(strchr(argv[i], ':') + 1) : -1, argv[i + 1]};
    what.separator = argv[3][0];
    ok = (strstr(argv[1], ".csv") ? annotate_text : annotate_xlsx)(from, to, &what, why);
    fclose(from);
    if (fclose(to) != 0 || !ok)
        puts(why);
    return ok ? 0 : 1;
}
