/* SPDX-License-Identifier: Apache-2.0 */
/* Little sheets drawn as text, and what layout and body make of them. A line is a row, | stands between cells; < is merged
 * with the cell to its left, ^ with the one above, and #12 is a number, !#REF! an error. */
#include "body.h"
#include "form.h"
#include "grid_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_ROWS  64
#define MAX_CELLS 16

/* ---------------------------------------------------------------- a drawn grid */

static struct drawing {
    char text[8192];
    struct grid_cell cells[MAX_ROWS][MAX_CELLS];
    char mark[MAX_ROWS][MAX_CELLS];
    size_t n_cells[MAX_ROWS];
    int n, next;
    struct grid_merge merges[64];
    size_t n_merges;
} drawing;

static void draw_cell(struct grid_cell *c, char *mark, char *text)
{
    static const struct {
        char mark;
        enum grid_type type;
    } types[] = {{'#', GRID_NUMBER}, {'!', GRID_ERROR}, {'@', GRID_DATE}};

    *mark = (!strcmp(text, "<") || !strcmp(text, "^")) ? *text : 0;
    *c = (struct grid_cell){*mark ? "" : text, *text && !*mark ? GRID_TEXT : GRID_EMPTY};
    for (size_t i = 0; i < 3; i++)
        if (*text == types[i].mark)
            *c = (struct grid_cell){text + 1, types[i].type};
}

static void find_merges(void)
{
    struct drawing *d = &drawing;

    for (int r = 0; r < d->n; r++) {
        for (int c = 0; c < (int)d->n_cells[r]; c++) {
            int rows = 1, columns = 1;
            if (d->mark[r][c])
                continue;
            while (c + columns < MAX_CELLS && d->mark[r][c + columns] == '<')
                columns++;
            while (r + rows < d->n && d->mark[r + rows][c] == '^')
                rows++;
            if (rows > 1 || columns > 1)
                d->merges[d->n_merges++] = (struct grid_merge){r + 1, rows, c, columns};
        }
    }
}

static void draw(const char *text)
{
    memset(&drawing, 0, sizeof(drawing));
    snprintf(drawing.text, sizeof(drawing.text), "%s", text);
    for (char *line = drawing.text, *next; line; line = next) {
        size_t n = 0;
        if ((next = strchr(line, '\n')))
            *next++ = 0;
        for (char *cell = line, *end; cell; cell = end) {
            if ((end = strchr(cell, '|')))
                *end++ = 0;
            draw_cell(&drawing.cells[drawing.n][n], &drawing.mark[drawing.n][n], cell);
            n++;
        }
        drawing.n_cells[drawing.n++] = n;
    }
    find_merges();
}

static enum grid_result next_drawn(struct grid *g, void *state, struct grid_row *row)
{
    struct drawing *d = state;

    (void)g;
    if (d->next == d->n)
        return GRID_END;
    *row = (struct grid_row){.number = d->next + 1, .n = d->n_cells[d->next], .cells = d->cells[d->next]};
    d->next++;
    return GRID_ROW;
}

static bool rewind_drawn(struct grid *g, void *state)
{
    struct drawing *d = state;

    (void)g;
    d->next = 0;
    return true;
}

static const struct grid_kind drawn = {.next = next_drawn, .rewind = rewind_drawn, .ragged = true};

/* ---------------------------------------------------------------- what is made of it */

static char out[16384];
static size_t out_n;

static void say(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    out_n += (size_t)vsnprintf(out + out_n, sizeof(out) - out_n, format, ap);
    va_end(ap);
}

static void say_layout(const struct layout *l)
{
    say("%d-%d", l->first, l->last);
    if (*l->title)
        say(" [%s]", l->title);
    if (l->beside)
        say(" +%zu", l->beside);
    if (*l->unit || *l->area_unit)
        say(" {%s%s%s}", l->unit, *l->unit && *l->area_unit ? " " : "", l->area_unit);
    for (size_t i = 0; i < l->width; i++)
        say("%s%s", i ? "|" : ": ", l->columns[i].name);
    say("\n");
}

static void say_rows(const struct layout *l, struct grid *g)
{
    struct body b;
    struct grid_row row;

    grid_rewind(g);
    body_start(&b, l, g);
    while (grid_next(g, &row) == GRID_ROW) {
        if (row.number < l->data)
            continue;
        const char *skip = body_take(&b, &row);
        say("%d", row.number);
        if (skip)
            say(" - %s\n", skip);
        else
            say("%s%s%s", *b.groups[0] ? " <" : "", b.groups[0], *b.groups[0] ? ">" : "");
        for (size_t i = 0; !skip && i < b.n; i++)
            say("%s%s", i ? "|" : ": ", b.cells[i].text);
        say("%s", skip ? "" : "\n");
    }
    body_stop(&b);
}

/* Layout and rows, a line each. */
static const char *read_drawn(const char *text, int header, int header_last)
{
    struct grid g = {.kind = &drawn, .state = &drawing};
    static struct layout l;
    char why[GRID_WHY_SIZE];

    draw(text);
    g.merges = drawing.merges;
    g.n_merges = drawing.n_merges;
    out_n = 0;
    out[0] = 0;
    if (layout_find(&l, &g, header, header_last, why)) {
        say_layout(&l);
        say_rows(&l, &g);
    } else {
        say("%s\n", why);
    }
    layout_free(&l);
    return out;
}

static void check(const char *sheet, const char *want)
{
    assert_string_equal(read_drawn(sheet, 0, 0), want);
}

static void promotion(void **state)
{
    (void)state;
    check("某县招商引资项目统计表|<|<|<|<|<|<\n"
          "单位：万元|<|<|<|<|<|<\n"
          "序号|项目名称|投资方|总投资|县外资金|签约时间|备注\n"
          "一、工业项目|<|<|<|<|<|<\n"
          "1|光伏组件|某公司|#12000|#8000|2024.3|\n"
          "2|储能电池|某某公司|#5000|#5000|2024.5.6|\n"
          "小计|<|<|#17000|#13000||\n"
          "二、农业项目|<|<|<|<|<|<\n"
          "3|种植|农业公司|#300|#300|2024.1|\n"
          "合计|||#17300|#13300||\n"
          "填表人：张三||审核人：李四||||",
          "3-3 [某县招商引资项目统计表] {万元}: 序号|项目名称|投资方|总投资|县外资金|签约时间|备注\n"
          "4 - a heading: 工业项目\n"
          "5 <工业项目>: 1|光伏组件|某公司|12000|8000|2024.3|\n"
          "6 <工业项目>: 2|储能电池|某某公司|5000|5000|2024.5.6|\n"
          "7 - a sum\n"
          "8 - a heading: 农业项目\n"
          "9 <农业项目>: 3|种植|农业公司|300|300|2024.1|\n"
          "10 - a sum\n"
          "11 - a remark outside the table\n");
}

static void dispatch(void **state)
{
    (void)state;
    check("2024年重点项目调度表|<|<|<|<|<|<|<\n"
          "|||||||单位：亿元、亩\n"
          "序号|项目名称|建设内容|投资情况|<|<|用地|责任单位\n"
          "^|^|^|总投资|其中：固投|累计完成|面积|^\n"
          "|（一）续建项目（2个）|||||\n"
          "1|光伏组件|年产1GW|#12.5|#8|#3|#120|城关镇\n"
          "2|冷链物流|冷库三万吨|#3|#2|#1|#60|东山乡\n"
          "（二）新建项目|<|<|<|<|<|<|<\n"
          "1|储能|年产2GWh|#20|#15|!#DIV/0!|#200|经开区\n"
          "小计（1个）||||||#200|\n"
          "总计：3个项目||#35.5||||#380|",
          "3-4 [2024年重点项目调度表] {亿元 亩}: 序号|项目名称|建设内容|投资情况 / 总投资|投资情况 / "
          "其中：固投|投资情况 / 累计完成|用地 / 面积|责任单位\n"
          "5 - a heading: 续建项目（2个）\n"
          "6 <续建项目（2个）>: 1|光伏组件|年产1GW|12.5|8|3|120|城关镇\n"
          "7 <续建项目（2个）>: 2|冷链物流|冷库三万吨|3|2|1|60|东山乡\n"
          "8 - a heading: 新建项目\n"
          "9 <新建项目>: 1|储能|年产2GWh|20|15|#DIV/0!|200|经开区\n"
          "10 - a sum\n"
          "11 - a sum\n");
}

static void talks(void **state)
{
    (void)state;
    check("附件1\n"
          "在谈项目清单|<|<|<|<|<\n"
          "填报单位：城关镇||填报时间：2024年3月|||\n"
          "序号|项目名称|投资方（企业）名称|投资额/亿元|联系人及电话|项目进展\n"
          "1|新能源汽车配件|浙江某公司|#3|王某 13900000000|2月份已到现场考察\n"
          "2|预制菜|福建某公司|约1.5|李某|初步洽谈\n"
          "|||||\n"
          "注：本表每月5日前报送||||| ",
          "4-4 [在谈项目清单]: 序号|项目名称|投资方（企业）名称|投资额/亿元|联系人及电话|项目进展\n"
          "5: 1|新能源汽车配件|浙江某公司|3|王某 13900000000|2月份已到现场考察\n"
          "6: 2|预制菜|福建某公司|约1.5|李某|初步洽谈\n"
          "8 - a remark outside the table\n");
}

static void arrivals(void **state)
{
    (void)state;
    check("某县2024年6月到位资金月报表（单位：万元）|<|<|<|<|<\n"
          "单位|项目名称|到位资金|<|<|备注\n"
          "^|^|本月|累计|完成率%|^\n"
          "甲|乙|1|2|3|4\n"
          "合计||#1500|#9300|#62|\n"
          "城关镇|光伏组件|#500|#3300|#66|\n"
          "^|冷链|#200|#1000|#50|\n"
          "^|小计|#700|#4300|#60|\n"
          "经开区|储能|#800|#5000|#64|",
          "2-3 [某县2024年6月到位资金月报表（单位：万元）] {万元}: 单位|项目名称|到位资金 / 本月|到位资金 / "
          "累计|到位资金 / 完成率%|备注\n"
          "4 - a row about the columns\n"
          "5 - a sum\n"
          "6: 城关镇|光伏组件|500|3300|66|\n"
          "7: 城关镇|冷链|200|1000|50|\n"
          "8 - a sum\n"
          "9: 经开区|储能|800|5000|64|\n");
}

static void csv_titles(void **state)
{
    (void)state;
    check("招商引资签约项目情况表||||\n"
          "||||单位：万元\n"
          "序号|项目名称|投资方|总投资|签约时间\n"
          "1|光伏|甲公司|1200|2024/3/5\n"
          "2|风电|乙公司|300|2024/3/6\n"
          "合计|||1500|",
          "3-3 [招商引资签约项目情况表] {万元}: 序号|项目名称|投资方|总投资|签约时间\n"
          "4: 1|光伏|甲公司|1200|2024/3/5\n"
          "5: 2|风电|乙公司|300|2024/3/6\n"
          "6 - a sum\n");
}

static void advice(void **state)
{
    (void)state;
    assert_string_equal(form_advice_unit("必填,万元"), "万元");
    assert_string_equal(form_advice_unit("必填,单位:千万元"), "千万元");
    assert_string_equal(form_advice_unit("数字,亩"), "亩");
    assert_string_equal(form_advice_unit("如:100万元"), "如:100万元"); /* an example, perhaps */
    assert_string_equal(form_advice_unit("填写元或万元"), "填写元或万元");
    assert_string_equal(form_advice_unit("必填,万美元"), "必填,万美元");
    assert_null(form_advice_unit("必填,50字以内"));
}

static void units_of(const char *key, const char *money, const char *area)
{
    char m[FORM_UNIT], a[FORM_UNIT];

    assert_int_equal(form_units(key, m, a), *money || *area);
    assert_string_equal(m, money);
    assert_string_equal(a, area);
}

static void units_above(void **state)
{
    (void)state;
    units_of("单位:万元、亩", "万元", "亩");
    units_of("单位:亿元亩", "亿元", "亩");
    units_of("(单位:个、人民币万元)", "万元", "");
    units_of("2024年6月单位:元", "元", "");
    units_of("金额单位:万填报时间:2024年3月", "万", "");
    units_of("填报单位:元坝镇单位:万元", "万元", ""); /* names of places */
    units_of("填报单位:万年县招商局", "", "");
    units_of("填报单位:亩桥镇、万源市", "", "");
    units_of("单位:万美元", "万美元", ""); /* no yuan */
    units_of("单位:百万美元、公顷", "百万美元", "公顷");
    units_of("单位:美元", "美元", "");
    units_of("2023年项目表(万元)", "万元", ""); /* without 单位: */
    units_of("项目表(人民币亿元、亩)", "亿元", "亩");
    units_of("(单位万元)", "万元", "");
    units_of("单位(万元)", "万元", "");
    units_of("项目表单位万元", "万元", "");
    units_of("金额单位为万元", "万元", "");
    units_of("单位﹕万元", "万元", "");
    units_of("金额:万元", "万元", "");
    units_of("万元", "万元", "");
    units_of("亿元以上项目(5000万元以上)", "", "");
    units_of("千亿工程(100亿)", "", "");
    units_of("填报单位万年县(盖章)", "", "");
    units_of("单位:10万元", "10万元", ""); /* no unit that is known: amounts are refused */
    units_of("单位:百亿元、亩", "百亿元", "亩");
    units_of("单位:元、万元", "元、万元", "");
    units_of("单位:万元、元/亩", "万元", "亩");
    check("项目名称|投资方\n第五代网页|甲\n样例工厂|乙\n第2页|\n第二页，共三页|\n样例：丙|丁\n示例1|戊",
          "1-1: 项目名称|投资方\n"
          "2: 第五代网页|甲\n"
          "3: 样例工厂|乙\n"
          "4 - a remark outside the table\n"
          "5 - a remark outside the table\n"
          "6 - an example\n"
          "7 - an example\n");
}

static void three_levels(void **state)
{
    (void)state;
    check("某某市2022年项目储备计划表|<|<|<|<|<|<|<|<\n"
          "|项目基本情况|<|<|项目投资情况|<|开工、入库|<|其他\n"
          "||||||是否开工|是否已入库|\n"
          "序号|项目名称|代码|建设地点|总投资（万元）|累计完成投资（万元）|^|^|备注\n"
          "合计||||||||\n"
          "在建一批|<||#3|#4|#5|||\n"
          "一|农林水利||#3||#4|||\n"
          "（一）|水利||#3|#4|#4|||\n"
          "|水库工程|2020-1|某市|#2887|#1|是|否|已纳入\n"
          "|供水工程|2020-2|某市|#2887|#1|是|否|\n"
          "二|综合交通||#1||#4|||\n"
          "|公路|2020-3|某县|#5|#1|是|否|",
          "2-4 [某某市2022年项目储备计划表]: 序号|项目基本情况 / 项目名称|项目基本情况 / 代码|项目基本情况 / "
          "建设地点|项目投资情况 / 总投资（万元）|项目投资情况 / 累计完成投资（万元）|开工、入库 / "
          "是否开工|开工、入库 / 是否已入库|其他 / 备注\n"
          "5 - a sum\n"
          "6 - a heading: 在建一批\n"
          "7 - a heading: 在建一批 / 农林水利\n"
          "8 - a heading: 在建一批 / 农林水利 / 水利\n"
          "9 <在建一批 / 农林水利 / 水利>: |水库工程|2020-1|某市|2887|1|是|否|已纳入\n"
          "10 <在建一批 / 农林水利 / 水利>: |供水工程|2020-2|某市|2887|1|是|否|\n"
          "11 - a heading: 在建一批 / 综合交通\n"
          "12 <在建一批 / 综合交通>: |公路|2020-3|某县|5|1|是|否|\n");
}

static void merged_body(void **state)
{
    (void)state;
    check("单位|外出时间|去往地区|拜访企业|成效\n"
          "城关镇|3月5日|杭州|某公司|达成意向\n"
          "^|3月6日|宁波|某某公司|\n"
          "东山乡|3月|深圳|甲企业|考察\n"
          "^|^|^|乙企业|无",
          "1-1: 单位|外出时间|去往地区|拜访企业|成效\n"
          "2: 城关镇|3月5日|杭州|某公司|达成意向\n"
          "3: 城关镇|3月6日|宁波|某某公司|\n"
          "4: 东山乡|3月|深圳|甲企业|考察\n"
          "5: 东山乡|3月|深圳|乙企业|无\n");
}

static void shifted(void **state)
{
    (void)state;
    check("|||||\n"
          "|县招商项目表||||\n"
          "|||||\n"
          "||序号|项目名称|投资方|总投资\n"
          "|||||万元\n"
          "||1|甲|A|#1\n"
          "\n"
          "||2|乙|B|#2",
          "4-4 [县招商项目表]: ||序号|项目名称|投资方|总投资(万元)\n"
          "6: ||1|甲|A|1\n"
          "8: ||2|乙|B|2\n");
}

static void pages(void **state)
{
    (void)state;
    check("项目台账|<|<|<\n"
          "序号|项目名称|投资方|总投资（万元）\n"
          "1|甲|A|#1\n"
          "第1页，共2页|<|<|<\n"
          "项目台账（续表）|<|<|<\n"
          "序号|项目名称|投资方|总投资（万元）\n"
          "2|乙|B|#2\n"
          "3|||\n"
          "第2页，共2页|<|<|<",
          "2-2 [项目台账]: 序号|项目名称|投资方|总投资（万元）\n"
          "3: 1|甲|A|1\n"
          "4 - a remark outside the table\n"
          "5 - a remark outside the table\n"
          "6 - the header again\n"
          "7: 2|乙|B|2\n"
          "8 - nothing but a running number\n"
          "9 - a remark outside the table\n");
}

static void foreign(void **state)
{
    (void)state;
    check("Project ID|Title|Country|Amount (USD)|Start\n"
          "P1|Roads of the north|Nepal|#1200000|@2010-01-05\n"
          "P2|Water|Laos|#55000|\n"
          "P3|Schools|Laos|#55000|@2011-01-05",
          "1-1: Project ID|Title|Country|Amount (USD)|Start\n"
          "2: P1|Roads of the north|Nepal|1200000|2010-01-05\n"
          "3: P2|Water|Laos|55000|\n"
          "4: P3|Schools|Laos|55000|2011-01-05\n");
}

static void years(void **state)
{
    (void)state;
    check("项目名称|投资计划|<|<|责任单位\n"
          "^|#2023|#2024|#2025|^\n"
          "甲|#1|#2|#3|城关镇\n"
          "乙|#1|#2|#3|城关镇",
          "1-2: 项目名称|投资计划 / 2023|投资计划 / 2024|投资计划 / 2025|责任单位\n"
          "3: 甲|1|2|3|城关镇\n"
          "4: 乙|1|2|3|城关镇\n");
}

static void unmerged_levels(void **state)
{
    (void)state;
    check("项目名称|投资|||进度\n"
          "|总投资|固投|到位|\n"
          "甲|1|2|3|在建\n"
          "乙|1|2|3|在建",
          "1-2: 项目名称|投资 / 总投资|投资 / 固投|投资 / 到位|进度\n"
          "3: 甲|1|2|3|在建\n"
          "4: 乙|1|2|3|在建\n");
}

static void groups_above(void **state)
{
    (void)state;
    check("项目情况|||资金|\n"
          "序号|名称|地点|总投资|到位\n"
          "1|甲|城关|1|2\n"
          "2|乙|东山|1|2",
          "1-2: 项目情况 / 序号|项目情况 / 名称|项目情况 / 地点|资金 / 总投资|资金 / 到位\n"
          "3: 1|甲|城关|1|2\n"
          "4: 2|乙|东山|1|2\n");
}

/* A header given by hand is taken as it is. */
static void given(void **state)
{
    (void)state;
    assert_string_equal(read_drawn("a|b\n项目名称|投资方\n甲|A", 1, 0),
                        "1-1: a|b\n2: 项目名称|投资方\n3: 甲|A\n");
    assert_string_equal(read_drawn("x|y\na|b\nc|d\n甲|A", 2, 3), "2-3 [x]: a / c|b / d\n4: 甲|A\n");
    assert_string_equal(read_drawn("a|b\n\n甲|A", 2, 0), "row 2 can't be the header: it is empty\n");
    assert_string_equal(read_drawn("", 0, 0), "there is nothing in the sheet\n");
}

static void names_with_numbers(void **state)
{
    (void)state;
    check("项目名称|总投资\n"
          "一、二期扩建|#3\n"
          "三一重工|#4",
          "1-1: 项目名称|总投资\n"
          "2: 一、二期扩建|3\n"
          "3: 三一重工|4\n");
}

/* Without a word that is known the first full row is the header, whatever its cells are. */
static void unknown_words(void **state)
{
    (void)state;
    check("Report|||||\nX|2019|2020|2021|2022|2023\nfoo|#1|#2|#3|#4|#5\nbar|none|none|-|-|no",
          "2-2 [Report]: X|2019|2020|2021|2022|2023\n3: foo|1|2|3|4|5\n4: bar|none|none|-|-|no\n");
}

static void sums_as_columns(void **state)
{
    (void)state;
    check("单位|合计|工业|农业\n城关镇|#3|#1|#2\n合计|#3|#1|#2",
          "1-1: 单位|合计|工业|农业\n2: 城关镇|3|1|2\n3 - a sum\n");
    check("项目名称|投资|||备注\n|总投资|其中：固投|累计|\n甲|#1|#2|#3|\n其中：工业|#1|#2|#3|",
          "1-2: 项目名称|投资 / 总投资|投资 / 其中：固投|投资 / 累计|备注\n3: 甲|1|2|3|\n4 - a sum\n");
}

static void sums_in_english(void **state)
{
    (void)state;
    check("Project|Sector|Amount\nRoads|Transport|#5\nSubtotal||#5\nSub-total:||#5\nTransport "
          "Total||#5\nTotal Energies plant|Energy|#7\n"
          "Subtotal Inc|Energy|#8\nGRAND TOTAL (2)||#12",
          "1-1: Project|Sector|Amount\n"
          "2: Roads|Transport|5\n"
          "3 - a sum\n"
          "4 - a sum\n"
          "5 - a sum\n"
          "6: Total Energies plant|Energy|7\n"
          "7: Subtotal Inc|Energy|8\n"
          "8 - a sum\n");
    check("name|investor|amount_total\nTotal|TotalEnergies SE|#3\nMetrototal|A|#3",
          "1-1: name|investor|amount_total\n2 - a sum\n3: Metrototal|A|3\n");
}

/* Another header below is the end of the table, until the first comes again. */
static void one_below_the_other(void **state)
{
    (void)state;
    check("序号|项目名称|投资方|总投资\n1|甲|A|#1\n2|乙|B|#2\n\n签约项目|<|<|<\n序号|企业名称|信用代码|"
          "联系电话\n1|丙公司|9134|139\n"
          "序号|项目名称|投资方|总投资\n3|丁|C|#3",
          "1-1: 序号|项目名称|投资方|总投资\n2: 1|甲|A|1\n3: 2|乙|B|2\n5 - a heading: 签约项目\n"
          "6 - another table\n7 - another table\n8 - the header again\n9 <签约项目>: 3|丁|C|3\n");
    /* data that looks a little like it */
    check("项目名称|投资方|备注\n甲|A|项目名称\n产品|C|年产一万吨\n填表人|张三|联系电话",
          "1-1: 项目名称|投资方|备注\n2: 甲|A|项目名称\n3: 产品|C|年产一万吨\n4: 填表人|张三|联系电话\n");
}

/* The column behind the gap; without a sign that there are two it is one table with an empty column. */
static void side_by_side(void **state)
{
    (void)state;
    check("序号|项目名称|投资方||序号|企业名称\n1|甲|A||1|丙公司",
          "1-1 +4: 序号|项目名称|投资方||序号|企业名称\n2: 1|甲|A||1|丙公司\n");
    check("项目名称|投资方||企业名称|联系电话\n甲|A||丙公司|139\n|||丁公司|138",
          "1-1 +3: 项目名称|投资方||企业名称|联系电话\n2: 甲|A||丙公司|139\n3: |||丁公司|138\n");
    check("项目名称|投资方||单位|联系电话\n甲|A||城关|139\n乙|B\n丙|C\n丁|D",
          "1-1 +3: 项目名称|投资方||单位|联系电话\n2: 甲|A||城关|139\n3: 乙|B\n4: 丙|C\n5: 丁|D\n");
    check("项目名称|投资方||企业名称|联系电话\n甲|A||丙公司|139\n乙|B||丁公司|138",
          "1-1 +3: 项目名称|投资方||企业名称|联系电话\n2: 甲|A||丙公司|139\n3: 乙|B||丁公司|138\n");
    check("序号|项目名称||No.|联系电话\n1|甲||1|139\n2|乙||2|138",
          "1-1 +3: 序号|项目名称||No.|联系电话\n2: 1|甲||1|139\n3: 2|乙||2|138\n");
    check("序号|统一社会信用代码||企业名称|联系电话\n1|91A||甲|139\n2|91B||乙|138",
          "1-1: 序号|统一社会信用代码||企业名称|联系电话\n2: 1|91A||甲|139\n3: 2|91B||乙|138\n");
    check("项目名称|总投资||投资方名称|联系电话\n甲|#1||A|139\n乙|#2||B|138",
          "1-1: 项目名称|总投资||投资方名称|联系电话\n2: 甲|1||A|139\n3: 乙|2||B|138\n");
    check("项目名称|投资方||联系人|联系电话\n甲|A||王|139\n乙|B||李|\n丙|C\n丁|D||赵|137",
          "1-1: 项目名称|投资方||联系人|联系电话\n2: 甲|A||王|139\n3: 乙|B||李|\n4: 丙|C\n5: 丁|D||赵|137\n");
    check("序号|项目名称||总投资|联系电话\n1|甲||#1|139\n2|乙||#2|138\n合计|||#3|\n|||#3|",
          "1-1: 序号|项目名称||总投资|联系电话\n2: 1|甲||1|139\n3: 2|乙||2|138\n4 - a sum\n5 - a sum\n");
}

/* In a table whose rows are numbered a text alone, merged or not, is a heading. */
static void heading_among_numbers(void **state)
{
    (void)state;
    check("序号|项目名称|投资方\n1|甲|A\n|新建项目|\n2|乙|B",
          "1-1: 序号|项目名称|投资方\n2: 1|甲|A\n3 - a heading: 新建项目\n"
          "4 <新建项目>: 2|乙|B\n");
    check("项目名称|投资方|地点\n甲|A|x\n新建项目||\n乙|B|y",
          "1-1: 项目名称|投资方|地点\n2: 甲|A|x\n3: 新建项目||\n4: 乙|B|y\n");
}

/* Without a number and with figures alone beside its name a row is a heading with its sums, where rows have more texts. */
static void sums_without_a_word(void **state)
{
    (void)state;
    check("序号|项目名称|投资方|总投资\n|工业项目||#3\n1|甲|A|#1\n2|乙|B|#2\n|丙|C|#2\n|||#5",
          "1-1: 序号|项目名称|投资方|总投资\n2 - a heading: 工业项目\n3 <工业项目>: 1|甲|A|1\n4 <工业项目>: "
          "2|乙|B|2\n"
          "5 <工业项目>: |丙|C|2\n6 - a sum\n");
    check("序号|项目名称|总投资\n1|甲|#1\n2|乙|#2\n|丙|#2",
          "1-1: 序号|项目名称|总投资\n2: 1|甲|1\n3: 2|乙|2\n4: |丙|2\n");
}

static void headings_without_numbers(void **state)
{
    (void)state;
    check("项目名称|投资方|总投资|备注\n"
          "工业项目|<|<|<\n"
          "甲|A|#1|\n"
          "农业项目（1个）|<|<|<\n"
          "乙|B|#2|",
          "1-1: 项目名称|投资方|总投资|备注\n"
          "2 - a heading: 工业项目\n"
          "3 <工业项目>: 甲|A|1|\n"
          "4 - a heading: 农业项目（1个）\n"
          "5 <农业项目（1个）>: 乙|B|2|\n");
}

static void plain(void **state)
{
    (void)state;
    check("name|investor|amount_total\n"
          "foo|bar|1\n"
          "baz|qux|2",
          "1-1: name|investor|amount_total\n"
          "2: foo|bar|1\n"
          "3: baz|qux|2\n");
}

static void one_column(void **state)
{
    (void)state;
    check("项目名称\n"
          "甲\n"
          "乙",
          "1-1: 项目名称\n"
          "2: 甲\n"
          "3: 乙\n");
}

static void odd_names(void **state)
{
    (void)state;
    check("id|name|investor\n"
          "p1|合计|甲\n"
          "p2|小计|\n"
          "|一、二期扩建|乙\n"
          "|合计服务中心|丙",
          "1-1: id|name|investor\n"
          "2: p1|合计|甲\n"
          "3: p2|小计|\n"
          "4: |一、二期扩建|乙\n"
          "5: |合计服务中心|丙\n");
}

static void numbered_by_letters(void **state)
{
    (void)state;
    check("序号|项目名称|投资方|总投资\n"
          "一|甲项目|某公司|#1\n"
          "二|乙项目|某某公司|#2\n"
          "①|丙|丁|#3\n"
          "1-1|戊|己|#3",
          "1-1: 序号|项目名称|投资方|总投资\n"
          "2: 一|甲项目|某公司|1\n"
          "3: 二|乙项目|某某公司|2\n"
          "4: ①|丙|丁|3\n"
          "5: 1-1|戊|己|3\n");
}

/* Names that begin as advice or the title does; a row of advice, and the title again, stay what they are. */
static void names_like_advice(void **state)
{
    (void)state;
    check("企业名称|投资方\n"
          "数字安徽有限公司|\n"
          "日期科技|",
          "1-1: 企业名称|投资方\n"
          "2: 数字安徽有限公司|\n"
          "3: 日期科技|\n");
    check("城关镇|<\n"
          "项目名称|投资方\n"
          "文本，必填|下拉选择\n"
          "城关镇光伏项目|甲\n"
          "城关镇（续）|",
          "2-2 [城关镇]: 项目名称|投资方\n"
          "3 - a row about the columns\n"
          "4: 城关镇光伏项目|甲\n"
          "5 - a remark outside the table\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promotion),
        cmocka_unit_test(dispatch),
        cmocka_unit_test(talks),
        cmocka_unit_test(arrivals),
        cmocka_unit_test(csv_titles),
        cmocka_unit_test(advice),
        cmocka_unit_test(units_above),
        cmocka_unit_test(three_levels),
        cmocka_unit_test(merged_body),
        cmocka_unit_test(shifted),
        cmocka_unit_test(pages),
        cmocka_unit_test(foreign),
        cmocka_unit_test(years),
        cmocka_unit_test(unmerged_levels),
        cmocka_unit_test(groups_above),
        cmocka_unit_test(given),
        cmocka_unit_test(names_with_numbers),
        cmocka_unit_test(unknown_words),
        cmocka_unit_test(sums_as_columns),
        cmocka_unit_test(sums_in_english),
        cmocka_unit_test(one_below_the_other),
        cmocka_unit_test(side_by_side),
        cmocka_unit_test(heading_among_numbers),
        cmocka_unit_test(sums_without_a_word),
        cmocka_unit_test(headings_without_numbers),
        cmocka_unit_test(plain),
        cmocka_unit_test(one_column),
        cmocka_unit_test(odd_names),
        cmocka_unit_test(numbered_by_letters),
        cmocka_unit_test(names_like_advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
