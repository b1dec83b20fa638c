/* SPDX-License-Identifier: Apache-2.0 */
#include "csv_write.h"
#include "decode.h"
#include "sheet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char why[SHEET_WHY_SIZE];

static bool all_rows;

static struct sheet *open_bytes(const char *name, const void *bytes, size_t n, const char *encoding,
                                int header)
{
    struct sheet_options o = {.name = name, .encoding = encoding, .header = header, .all_rows = all_rows};
    FILE *f = tmpfile();

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    rewind(f);
    return sheet_open(f, &o, why);
}

/* All rows as "number:cell|cell" or "number!column reason", one after another by "; ". */
static const char *rows_of(struct sheet *s)
{
    static char out[8192];
    struct sheet_row row;
    enum sheet_result r;
    size_t n = 0;

    out[0] = 0;
    while ((r = sheet_next(s, &row)) == SHEET_ROW) {
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%d", n ? "; " : "", row.number);
        if (row.bad)
            n += (size_t)snprintf(out + n, sizeof(out) - n, "!%d %s", row.bad_column, row.bad);
        for (size_t i = 0; i < row.n; i++)
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%c%s", i ? '|' : ':', row.cells[i]);
    }
    assert_int_equal(r, SHEET_END);
    return out;
}

static void check(const char *name, const char *text, const char *want)
{
    struct sheet *s = open_bytes(name, text, strlen(text), NULL, 0);

    if (!s)
        fail_msg("%s", why);
    assert_string_equal(rows_of(s), want);
    sheet_rewind(s);
    assert_string_equal(rows_of(s), want);
    sheet_close(s);
}

static void plain(void **state)
{
    (void)state;
    check("a.csv", "a,b\n1,2\n3,4\n", "2:1|2; 3:3|4");
    check("a.csv", "a,b\r\n1,2\r\n3,4", "2:1|2; 3:3|4");
    check("a.csv", "a,b\r1,2\r3,4\r", "2:1|2; 3:3|4");
    check("a.csv",
          "\xEF\xBB\xBF"
          "a;b\n1,5;2\n",
          "2:1,5|2");
    check("a.tsv", "a\tb\n1\t2 3\n\t4\n", "2:1|2 3; 3:|4");
    check("a.csv", "a,b\n\"x\r\ny\",\"say \"\"hi\"\"\"\n3,4\n", "2:x\r\ny|say \"hi\"; 3:3|4");
    check("a.csv", "a,b\n\n1,2\n,\n\n3,4\n", "3:1|2; 6:3|4");
    check("a.csv", "a,b\n1,2,,\n", "2:1|2");
    check("a.csv", "\"a,x\";b\n1;2\n", "2:1|2");
}

/* Found in many lines, not in the first alone; title rows have none, texts have others. */
static void separators(void **state)
{
    (void)state;
    check("a.csv", "a|b\n1,5|2\n", "2:1,5|2");
    check("a.csv", "a b c\n1;2\n3;4\n",
          "2!-1 the row has 2 cells, the header 1; 3!-1 the row has 2 cells, the header 1");
    check("a.csv", "a;b\nx,y,z;1\nx,y,z;2\n", "2:x,y,z|1; 3:x,y,z|2");
    check("a.csv", "a,b\n1,x;y;z\n\"3\n;\n;\n;\",4\n", "2:1|x;y;z; 3:3\n;\n;\n;|4");
    check("a.csv", "a | b\n1\n", "2:1");
}

/* Skipped rows have a reason, unless every row is data. */
static void every_row(void **state)
{
    static const char text[] = "项目名称,投资方\n甲,A\n合计,2\n";
    struct sheet *s = open_bytes("a.csv", text, strlen(text), NULL, 0);
    struct sheet_row row;

    (void)state;
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    assert_null(row.skip);
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    assert_string_equal(row.skip, "a sum");
    sheet_close(s);
    all_rows = true;
    s = open_bytes("a.csv", text, strlen(text), NULL, 0);
    all_rows = false;
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    assert_null(row.skip);
    assert_string_equal(row.cells[0], "合计");
    sheet_close(s);
}

static void broken(void **state)
{
    (void)state;
    check("a.csv", "a,b\n1\n2,3\n", "2!-1 the row has 1 cells, the header 2; 3:2|3");
    check("a.csv", "a,b\n1,2,3\n2,3\n", "2!-1 the row has 3 cells, the header 2; 3:2|3");
    check("a.csv", "a,b\n1,\"open\n2,3\n4,5\n", "2!1 a quote is not closed; 3:2|3; 4:4|5");
    check("a.csv", "a,b\n\"x\"y,1\n2,3\n", "2!0 a quote in the middle of a cell; 3:2|3");
    check("a.csv", "a,b\n=\"001\",\"=\"\"002\"\"\"\n =\"a,b\",\"x\n=\"\"1\"\",\"\n=\"1\"&\"2\",=A1\n",
          "2:001|002; 3:a,b|x\n=\"1\",; 4!0 a quote in the middle of a cell");
    check("a.csv",
          "a,b\n项目,\xFF\xFE\n光伏组件项目光伏组件项目光伏组件项目光伏组件项目光伏组件项目,"
          "3\n光伏组件项目光伏组件项目光伏组件,4\n",
          "2!1 byte 1 of the cell (0xFF), byte offset 11 of the file, is not UTF-8; "
          "3:光伏组件项目光伏组件项目光伏组件项目光伏组件项目光伏组件项目|3; "
          "4:光伏组件项目光伏组件项目光伏组件|4");
}

static void long_row(void **state)
{
    char *text = malloc(300000);

    (void)state;
    strcpy(text, "a,b\n");
    memset(text + 4, 'x', 200000);
    strcpy(text + 200004, ",1\n2,3\n");
    check("a.csv", text, "2!0 the row is too long; 3:2|3");
    strcpy(text, "a,b\n\"");
    for (size_t i = 5; i < 200000; i += 2)
        memcpy(text + i, "y\n", 3);
    struct sheet *s = open_bytes("a.csv", text, strlen(text), NULL, 1);
    struct sheet_row row;
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    assert_string_equal(row.bad, "a quote is not closed");
    sheet_close(s);
    free(text);
}

static void encodings(void **state)
{
    static const char gb[] = "\xCF\xEE\xC4\xBF,b\n\xB9\xE2\xB7\xFC,2\n"; /* 项目, 光伏 */
    static const char utf16[] = "\xFF\xFE"
                                "a\0,\0b\0\n\0\x79\x98,\0002\0\n\0";
    struct sheet *s;
    struct sheet_row row;
    size_t n;

    (void)state;
    s = open_bytes("a.csv", gb, sizeof(gb) - 1, NULL, 1);
    assert_string_equal(sheet_encoding(s), "GB18030");
    assert_string_equal(sheet_header(s, &n)[0], "项目");
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    assert_null(row.bad);
    assert_string_equal(row.cells[0], "光伏");
    sheet_close(s);

    s = open_bytes("a.csv", gb, sizeof(gb) - 1, "utf-8", 1);
    assert_null(s);
    assert_non_null(strstr(why, "--encoding"));
    assert_null(open_bytes("a.csv", gb, sizeof(gb) - 1, "klingon", 1));
    assert_non_null(strstr(why, "klingon"));

    s = open_bytes("a.csv", utf16, sizeof(utf16) - 1, NULL, 1);
    assert_non_null(s);
    assert_string_equal(rows_of(s), "2:项|2");
    sheet_close(s);
}

static void check_bytes(const char *bytes, size_t n, const char *encoding, const char *want)
{
    struct sheet *s = open_bytes("a.csv", bytes, n, NULL, 0);

    if (!s)
        fail_msg("%s", why);
    assert_string_equal(sheet_encoding(s), encoding);
    assert_string_equal(rows_of(s), want);
    sheet_close(s);
}

#define bytes_are(bytes, encoding, want) check_bytes(bytes, sizeof(bytes) - 1, encoding, want)

/* Rows of another encoding than the file's are named, wherever they are; the others stand. */
static void mixed_encodings(void **state)
{
    (void)state;
    bytes_are("名称,方\n\"\xB9\xE2\xB7\xFC\",2\n风电,3\n", "UTF-8",
              "2!0 the cell, byte offset 12 of the file, is GB18030, the file is UTF-8: save it in one "
              "encoding; 3:风电|3");
    bytes_are(
        "名称,方\n\xB9\xE2\xB7\xFC,2\n", "UTF-8",
        "2!0 the cell, byte offset 11 of the file, is GB18030, the file is UTF-8: save it in one encoding");
    bytes_are("\xCF\xEE\xC4\xBF,b\n\xB9\xE2\xB7\xFC,2\nx,\"风电, 风\"\n\xB9\xE2,4\n", "GB18030",
              "2:光伏|2; 3!1 the cell, byte offset 17 of the file, is UTF-8, the file is GB18030: save it in "
              "one encoding; 4:光|4");
    assert_null(open_bytes("a.csv", "名称,b\n\xB9\xE2,2\n\xB9\xE2,2\n\xB9\xE2,2\n", 24, NULL, 0));
    assert_non_null(
        strstr(why, "row 1 can't be read as the header: the cell, byte offset 0 of the file, is UTF-8"));
}

static void utf16_without_a_mark(void **state)
{
    (void)state;
    bytes_are("a\0,\0b\0\n\0\x79\x98,\0002\0\n\0", "UTF-8", "2:项|2");
    bytes_are("\0a\0,\0b\0\n\x98\x79\0,\0002\0\n", "UTF-8", "2:项|2");
    bytes_are("a,b\n1,x\0y\n", "UTF-8",
              "2!1 byte 2 of the cell, byte offset 7 of the file, is NUL, which no text holds");
    assert_null(open_bytes("a.csv", "a\0,\0b\0\n\0\x01\xD8,\0002\0\n\0", 16, NULL, 0)); /* half a pair */
    assert_non_null(strstr(why, "from byte offset 8 on"));
}

/* What can't be shown leaves nothing of an earlier text behind it. */
static void shown_lossily(void **state)
{
    static const char in[] = "a\xDF\x13\0b\xFF\0";
    struct decode *d = decode_open("GB18030");
    char out[64];

    (void)state;
    memset(out, 'z', sizeof(out));
    decode_lossy(d, in, sizeof(in) - 1, out, sizeof(out));
    assert_string_equal(out, "a?\x13?b??");
    decode_close(d);
}

/* Cells as the land register has them: U+E1DA exists in GB18030 only. */
static void private_character(void **state)
{
    static const char gb[] = "a,b\n\xB9\xAB\xC2\xB7\xAF\xA5,2\n";
    struct sheet *s = open_bytes("a.csv", gb, sizeof(gb) - 1, NULL, 1);
    struct sheet_row row;

    (void)state;
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    assert_null(row.bad);
    assert_string_equal(row.cells[0], "公路\xEE\x87\x9A");
    sheet_close(s);
}

static void headers(void **state)
{
    struct sheet *s = open_bytes("a.csv", "title\n\na,b,\n1,2\n", 17, NULL, 3);
    size_t n;

    (void)state;
    assert_non_null(s);
    assert_string_equal(sheet_header(s, &n)[1], "b");
    assert_int_equal(n, 2);
    assert_string_equal(rows_of(s), "4:1|2");
    sheet_close(s);
    assert_null(open_bytes("a.csv", "a,b\n", 4, NULL, 5));
    assert_non_null(strstr(why, "row 5"));
    assert_null(open_bytes("a.csv", "", 0, NULL, 1));
    assert_non_null(strstr(why, "empty"));
    assert_null(open_bytes("a.jsonl", "\xD0\xCF\x11\xE0xxxx", 8, NULL, 0));
    assert_null(strstr(why, "JSON"));
    assert_null(open_bytes("a.csv", "PK\3\4xxxx", 8, NULL, 1));
    assert_non_null(strstr(why, "workbook"));
}

static void json_lines(void **state)
{
    (void)state;
    check("a.jsonl",
          "{\"name\":\"光伏\",\"amount_total\":12000000}\n\n{\"tags\":[\"大\",\"链\"],\"name\":null,\"x\":"
          "true}\n",
          "1:光伏|12000000||; 3:||大,链|true");
    check("a.jsonl", "{\"a\":9007199254740993}\n", "1:9007199254740993");
    check("a.jsonl", "{\"a\":1.5}\n{\"a\":\"1.5\"}\n{\"a\":{}}\n",
          "1!0 write a number with a fraction as text, in quotes: it would lose digits; 2:1.5; "
          "3!0 only texts, whole numbers and lists of texts can be read");
    struct sheet *s = open_bytes("a.jsonl", "[1]\n{\"a\":\"1\"}\n{\"a\n", 19, NULL, 1);
    struct sheet_row row;
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    assert_string_equal(row.bad, "the line is not a JSON object");
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    assert_null(row.bad);
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    assert_non_null(strstr(row.bad, "not JSON"));
    assert_int_equal(sheet_next(s, &row), SHEET_END);
    sheet_close(s);
    assert_null(open_bytes("a.jsonl", "\n[1]\n{\"a\n", 9, NULL, 1));
    assert_string_equal(why, "no line of the file is a JSON object with fields: 2 are refused, line 2 first: "
                             "the line is not a JSON object");
    assert_null(open_bytes("a.jsonl", "{}\n", 3, NULL, 1));
    assert_string_equal(why, "no line of the file is a JSON object with fields");
    s = open_bytes("a.jsonl", "\xEF\xBB\xBF{\"a\":1}\r\n{\"a\":\"\0\"}\r\n", 23, NULL, 1);
    assert_string_equal(rows_of(s), "1:1; 2!-1 byte 7 of the line is NUL, byte offset 18 of the file");
    sheet_close(s);
}

/* What is written is read back as it was, and runs nothing in a spreadsheet. */
static void writing(void **state)
{
    static const char *const cells[] = {
        "=1+1", "+86 10", "-5",   "@SUM",     "'=x",     "''=x",   "'quoted'", "a,b",   "a\"b",     "a\nb",
        " a ",  "＝1",    "",     "a;b",      " =1",     "\"=1\"", "\t=1",     "　＠x", "\u200b+1", "\n-1",
        "'",    "''",     "9E+1", "'9.1E+17", "''9E+17", "9.E+x",  "E+1",      "'E+1"};
    const size_t count = sizeof(cells) / sizeof(cells[0]);
    FILE *f = tmpfile();
    struct sheet_options o = {.name = "a.csv", .header = 1};
    struct sheet_row row;

    (void)state;
    for (size_t i = 0; i < count; i++)
        csv_write_cell(f, "h", i == 0);
    fputs("\r\n", f);
    for (size_t i = 0; i < count; i++)
        csv_write_cell(f, cells[i], i == 0);
    fputs("\r\n", f);
    rewind(f);
    struct sheet *s = sheet_open(f, &o, why);
    assert_non_null(s);
    assert_true(sheet_disarmed(s));
    assert_int_equal(sheet_next(s, &row), SHEET_ROW);
    for (size_t i = 0; i < count; i++) {
        assert_true(row.cells[i][0] == '\'' || !(csv_runs(row.cells[i]) || csv_is_power(row.cells[i])));
        assert_string_equal(csv_rearm(row.cells[i]), cells[i]);
    }
    sheet_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),           cmocka_unit_test(separators),
        cmocka_unit_test(every_row),       cmocka_unit_test(broken),
        cmocka_unit_test(long_row),        cmocka_unit_test(encodings),
        cmocka_unit_test(mixed_encodings), cmocka_unit_test(utf16_without_a_mark),
        cmocka_unit_test(shown_lossily),   cmocka_unit_test(private_character),
        cmocka_unit_test(headers),         cmocka_unit_test(json_lines),
        cmocka_unit_test(writing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
