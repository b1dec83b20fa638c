/* SPDX-License-Identifier: Apache-2.0 */
/* A workbook by libxlsxwriter with every kind of cell it can write, the same for the same seed.
 *
 *   write_xlsx FILE SEED ROWS COLUMNS [inline]      inline: texts in their cells, as writers do that keep no table of them */
#include <stdlib.h>
#include <string.h>
#include <xlsxwriter.h>

static const char *const formats[] = {"General",
                                      "0.00",
                                      "#,##0\"元\"",
                                      "[Red]#,##0;[Blue]-#,##0",
                                      "yyyy-mm-dd",
                                      "yyyy\"年\"m\"月\"d\"日\"",
                                      "[$-804]yyyy\"年\"m\"月\"",
                                      "m\"月\"d\"日\"",
                                      "h:mm",
                                      "yyyy/m/d h:mm:ss",
                                      "[h]:mm:ss",
                                      "0.00E+00",
                                      "\"yyyy\"0",
                                      "mmm-yy"};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]), BUILT_IN = 59 };

static const char *const texts[] = {
    "光伏组件", " 两端 ", "a\nb",      "",          "<&>\"'", "_x000D_ 字面", "😀𠮷",          "=1+1",
    "2022.04",  "0012",   "e\xCC\x81", "tab\there", "合  计", "3.5亿元",      "82，225.00元", "true"};

static void write_cell(lxw_workbook *book, lxw_worksheet *sheet, lxw_format *const styles[], lxw_row_t r,
                       lxw_col_t c)
{
    double number = rand() % 4 ? rand() % 60000 + rand() % 1000000 / 1e6
                               : (rand() - rand()) / 1e3 * (rand() % 2 ? 1e6 : 1e-6);
    lxw_format *style = styles[rand() % (FORMATS + BUILT_IN)];
    lxw_rich_string_tuple one = {styles[0], (char[]){"富"}}, two = {styles[FORMATS - 1], (char[]){"文 本"}},
                          *rich[] = {&one, &two, NULL};

    (void)book;
    switch (rand() % 12) {
    case 0:
    case 1:
    case 2:
    case 3:
        worksheet_write_number(sheet, r, c, number, style);
        break;
    case 4:
    case 5:
    case 6:
        worksheet_write_string(sheet, r, c, texts[rand() % (sizeof(texts) / sizeof(texts[0]))], style);
        break;
    case 7:
        worksheet_write_boolean(sheet, r, c, rand() % 2, NULL);
        break;
    case 8:
        worksheet_write_formula_num(sheet, r, c, "=1+2*A1", style, number);
        break;
    case 9:
        worksheet_write_formula_str(sheet, r, c, "=\"a\"&\"b\"", NULL, texts[rand() % 3]);
        break;
    case 10:
        worksheet_write_rich_string(sheet, r, c, rich, NULL);
        break;
    default:
        worksheet_write_blank(sheet, r, c, style);
    }
}

static void fill(lxw_workbook *book, lxw_worksheet *sheet, lxw_format *const styles[], lxw_row_t rows,
                 lxw_col_t columns)
{
    lxw_row_col_options hidden = {.hidden = 1};

    worksheet_set_column_opt(sheet, 2, 3, 10, NULL, &hidden);
    for (lxw_row_t r = 0; r < rows; r++) {
        if (rand() % 10 == 0)
            worksheet_set_row_opt(sheet, r, 15, NULL, &hidden);
        for (lxw_col_t c = 0; c < columns; c++)
            if (rand() % 5)
                write_cell(book, sheet, styles, r, c);
    }
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    lxw_workbook_options options = {.constant_memory = argc > 5 ? LXW_TRUE : LXW_FALSE};
    lxw_workbook *book = workbook_new_opt(argv[1], &options);
    lxw_format *styles[FORMATS + BUILT_IN];
    lxw_row_t rows = (lxw_row_t)atoi(argv[3]);
    lxw_col_t columns = (lxw_col_t)atoi(argv[4]);

    srand((unsigned)atoi(argv[2]));
    for (size_t i = 0; i < FORMATS + BUILT_IN; i++) {
        styles[i] = workbook_add_format(book);
        if (i < FORMATS)
            format_set_num_format(styles[i], formats[i]);
        else
            format_set_num_format_index(styles[i], (uint8_t)(i - FORMATS));
    }
    lxw_worksheet *first = workbook_add_worksheet(book, "明细 & <一>");
    fill(book, first, styles, rows, columns);
    lxw_worksheet *second = workbook_add_worksheet(book, "藏");
    fill(book, second, styles, 5, 3);
    worksheet_hide(second);
    if (argc <= 5)
        worksheet_merge_range(first, rows + 1, 0, rows + 3, 2, "合并", NULL);
    workbook_define_name(book, "qipan.kind", "=\"arrival\"");
    return workbook_close(book) == LXW_NO_ERROR ? 0 : 1;
}
