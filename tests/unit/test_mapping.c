/* SPDX-License-Identifier: Apache-2.0 */
#include "chunk.h"
#include "headers.h"
#include "limits.h"
#include "mapping.h"
#include "utf8.h"
#include "value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char why[MAPPING_WHY_SIZE];
static const char *kind; /* NULL = not given */

#define MAX_OUT 8192

/* A row as "field=value field=value", "skip: …" or "!column|text|message". */
static void show(const Qipan__ImportRow *r, char *out)
{
    const ProtobufCMessageDescriptor *d = &qipan__project__descriptor;
    struct arena a;
    size_t n = 0;

    arena_init(&a, 1 << 20);
    out[0] = 0;
    if (r->skip)
        n += (size_t)snprintf(out + n, MAX_OUT - n, "skip: %s ", r->skip);
    for (size_t i = 0; i < r->n_bad; i++)
        n +=
            (size_t)snprintf(out + n, MAX_OUT - n, "!%s|%s|%s|%s ", r->bad[i]->field ? r->bad[i]->field : "",
                             r->bad[i]->column ? r->bad[i]->column : "", r->bad[i]->text, r->bad[i]->message);
    for (unsigned i = 0; r->set && i < d->n_fields; i++) {
        char *s = value_text(&r->set->base, &d->fields[i], &a);
        if (s)
            n += (size_t)snprintf(out + n, MAX_OUT - n, "%s=%s ", d->fields[i].name, s);
    }
    for (size_t i = 0; i < r->n_values; i++)
        n += (size_t)snprintf(
            out + n, MAX_OUT - n, "%s=%s ",
            protobuf_c_message_descriptor_get_field(headers_kind(kind), r->values[i]->number)->name,
            r->values[i]->value);
    if (r->has_version)
        n += (size_t)snprintf(out + n, MAX_OUT - n, "@%lld ", (long long)r->version);
    for (size_t i = 0; i < r->n_clear; i++)
        n += (size_t)snprintf(out + n, MAX_OUT - n, "-%s ", r->clear[i]);
    if (n)
        out[n - 1] = 0;
    arena_free(&a);
}

static struct sheet *sheet_of(const char *csv)
{
    struct sheet_options o = {.name = "a.csv"};
    FILE *f = tmpfile();

    fputs(csv, f);
    rewind(f);
    return sheet_open(f, &o, why);
}

/* All rows of the sheet under the mapping (NULL: none), joined by "; "; "!" and the sentence when it can't be used. */
static const char *run(const char *map, const char *csv)
{
    static char out[4 * MAX_OUT];
    struct sheet *s = sheet_of(csv);
    struct sheet_row row;
    size_t n;
    char *const *h = sheet_header(s, &n);
    struct mapping *m =
        map ? mapping_read(map, strlen(map), kind, why) : mapping_auto(kind ? kind : "project", h, n, why);

    if (!m || (map && !mapping_bind(m, h, n, why))) {
        snprintf(out, sizeof(out), "!%s", why);
    } else {
        out[0] = 0;
        mapping_default_units(m, sheet_unit(s), sheet_area_unit(s));
        while (sheet_next(s, &row) == SHEET_ROW) {
            struct arena a;
            arena_init(&a, 1 << 20);
            Qipan__ImportRow *r = mapping_row(m, &row, &a);
            assert_non_null(r);
            assert_int_equal(r->row, row.number);
            if (out[0])
                strcat(out, "; ");
            show(r, out + strlen(out));
            arena_free(&a);
        }
    }
    char *text = m && !map ? mapping_auto_text(m) : NULL;
    mapping_free(m);
    sheet_close(s);
    if (text) { /* as a file, it reads the sheet alike */
        char *first = strdup(out);
        assert_string_equal(run(text, csv), first);
        free(first);
        free(text);
    }
    return out;
}

#define same(map, csv, want) assert_string_equal(run(map, csv), want)

static void refused(const char *map, const char *csv, const char *part)
{
    const char *s = run(map, csv);

    if (s[0] != '!' || !strstr(s, part))
        fail_msg("\"%s\" does not say \"%s\"", s, part);
}

static void columns(void **state)
{
    (void)state;
    same("[columns]\nname = 名\namount_total = 价 unit 万元\nland_mu = 面积(公顷) unit 公顷\n",
         "名,价,面积（公顷）\n甲,24.9480,11.2232\n", "name=甲 amount_total=249480.00 land_mu=168.348");
    same("[columns]\nname = a | b + ' ' + c#2\n", "a,b,c,c\nx,1,2,3\n,1,2,3\n,1,2,\n,,,\n",
         "name=x; name=1 3; name=1");
    same("[columns]\nname = a\nsummary = '用途:' + b + '。'\n", "a,b\nx,1\ny,\n",
         "name=x summary=用途:1。; name=y");
    same("[columns]\nname = a + ', ' + b + ', ' + c\n", "a,b,c\nx,1,2\nx,1,\nx,,\n",
         "name=x, 1, 2; name=x, 1; name=x");
    same("[columns]\nname = a | '无名'\n", "a,b\n,1\n", "name=无名");
    same("[columns]\n项目名称 = \"总 | 价\"\n", "总 | 价\nx\n", "name=x");
    same("[source]\nunit = 万元\narea_unit = 公顷\n[columns]\nname = a\namount_total = b\nland_mu = c\n",
         "a,b,c\nx,1,1\n", "name=x amount_total=10000.00 land_mu=15");
    same("[columns]\nname = a\n[constants]\ncurrency = usd\ntags = 大,链\n", "a\nx\n",
         "name=x tags=大,链 currency=USD");
}

/* Cells that say "nothing" in their way are empty ones. */
static void nothing(void **state)
{
    const char *map = "[source]\nempty = clear\n[columns]\nname = a\nsigned_on = b\namount_total = c\n";

    (void)state;
    same(map, "a,b,c\nx,1900-01-01,——\n", "name=x -signed_on -amount_total");
    same(map, "a,b,c\n无,1900/1/1,N/A\n", "name=无 -signed_on -amount_total");
}

static void periods(void **state)
{
    static const char map[] = "[columns]\nname = n\nstarted_on = p before ~\ncompleted_on = p after "
                              "~\nsummary = p after ( before )\n";

    (void)state;
    same(map, "n,p\na,2001-07-16~2004-03-15\nb,2001\nc,\nd,2001-07~2002(试运行)x\n",
         "name=a started_on=2001-07-16 completed_on=2004-03-15; name=b started_on=2001; name=c; "
         "!completed_on|p|2002(试运行)x|\"2002(试运行)x\" is not a date (for example 2023-01-05, "
         "2023年1月5日, 2023-01 or 2023) "
         "name=d summary=试运行 started_on=2001-07");
}

static void keys(void **state)
{
    (void)state;
    same("[source]\nname = land\n[key]\ncolumn = link after guid=\n[columns]\nname = a\n",
         "a,link\nx,http://h?guid=7e\ny,\n",
         "name=x source=land external_id=7e; !external_id|link||the key of the row is empty name=y");
    same("[source]\nname = s\n[key]\ncolumn = a\ncolumn = b\n[columns]\nname = c\n", "a,b,c\n1,2,x\n",
         "name=x source=s external_id=1/2");
    refused("[key]\ncolumn = a\n[columns]\nname = b\n", "a,b\n1,2\n", "name of its register");
    refused("[source]\nname = s\n[key]\ncolumn = a\n[columns]\nname = b\nexternal_id = a\n", "a,b\n1,2\n",
            "exclude each other");
}

static void values(void **state)
{
    static const char map[] = "[columns]\nname = a\nstage = b\n[values stage]\n在谈 = talks\n\"\" = "
                              "lead\n合计 = skip row\n不详 = \"\"\n* = intent\n";

    (void)state;
    same(map, "a,b\n1,在谈\n2,\n3,合计\n4,不详\n5,什么\n",
         "name=1 stage=talks; name=2 stage=lead; skip: the mapping skips rows with stage = 合计; name=4; "
         "name=5 stage=intent");
    same("[columns]\nname = a\nstage = b\n[values stage]\n在谈 = talks\n", "a,b\n1,签约\n2,\n",
         "!stage|b|签约|\"签约\" is not in the list [values stage] of the mapping name=1; name=2");
    same("[columns]\nname = a\nstage = b\n[values stage]\n* = *\n", "a,b\n1,signed\n", "name=1 stage=signed");
    refused("[columns]\nname = a\n[values stage]\nx = y\n", "a\n1\n",
            "line 3: [values stage] without a line stage");
    refused("[columns]\nname = a\nstage = b\n[values stage]\nx = y\nx = z\n", "a,b\n1,2\n",
            "\"x\" is there twice");
    refused("[columns]\nname = a\nsigned_on = b\n[values signed_on]\nx = soon\n", "a,b\n1,2\n", "not a date");
}

static void skips(void **state)
{
    (void)state;
    same("[source]\nskip = no ~ 小计\nskip = a = \"\"\n[columns]\nname = a\n", "no,a\n1,x\n小计:,y\n3,\n",
         "name=x; skip: the mapping skips rows with no ~ 小计; skip: the mapping skips rows with a = \"\"");
    same("[source]\nempty = clear\n[columns]\nname = a\npark = b\n", "a,b\nx,\n", "name=x -park");
}

static void bad_cells(void **state)
{
    (void)state;
    same("[columns]\nname = a\namount_total = 价\nsigned_on = d\n", "a,价,d\nx,约3亿,2022.1\n",
         "!amount_total|价|约3亿|\"约3亿\" is not exact (约) (write one exact figure) "
         "!signed_on|d|2022.1|\"2022.1\" may be month 1 or 10: a cell kept as a number loses its last zero "
         "(write the month with two "
         "digits: 01 or 10) name=x");
    same("[columns]\nname = a\n", "a,b\nx\n", "!||x|the row has 1 cells, the header 2");
}

static void faults(void **state)
{
    (void)state;
    refused("[columns]\nnmae = a\n", "a\n1\n", "line 2: unknown field \"nmae\", did you mean \"name\"?");
    refused("[columns]\nname = 项目名\n", "项目名称\n1\n",
            "unknown column \"项目名\", did you mean \"项目名称\"?");
    refused("[columns]\nname = c\n", "c,c\n1,2\n", "occurs 2 times: write c#1 to c#2");
    refused("[columns]\nname = c#3\n", "c,c\n1,2\n", "occurs 2 times only");
    refused("[columns]\nname = a\nname = b\n", "a,b\n1,2\n", "line 3: the field name is there twice");
    refused("[columns]\nname = a\nversion = b\n", "a,b\n1,2\n", "written by the registry only");
    refused("[colums]\nname = a\n", "a\n1\n", "unknown section \"colums\", did you mean \"columns\"?");
    refused("[columns]\nname = a unit 万元\n", "a\n1\n", "has no unit");
    refused("[columns]\nname = a\namount_total = b unit 斤\n", "a,b\n1,2\n", "unknown unit");
    refused("[source]\nencodng = gbk\n", "a\n1\n", "unknown setting \"encodng\", did you mean \"encoding\"?");
    refused("[source]\nrows = some\n", "a\n1\n", "rows is data or all");
    refused("[source]\nheader = 0\n", "a\n1\n", "header is a row");
    refused("[columns]\nname\n", "a\n1\n", "NAME = VALUE");
    refused("name = a\n", "a\n1\n", "must be a section");
    refused("[columns]\nname = \"a\n", "a\n1\n", "closing");
    refused("[constants]\namount_total = viel\n", "a\n1\n", "not a number");
    refused("# nothing\n", "a\n1\n", "names no column");
    refused("[columns]\nname = a\xFF\n", "a\n1\n", "not UTF-8");
}

static void automatic(void **state)
{
    (void)state;
    same(NULL, "项目名称,投资方,总投资（万元）,标签,用地(亩)\n甲,乙,1200,大,30\n",
         "name=甲 investor=乙 tags=大 amount_total=12000000.00 land_mu=30");
    same(NULL, "id,no,version,name,stage,changed_at\nx1,2026-0001,3,'=甲,signed,2026-01-01T00:00:00Z\n",
         "id=x1 no=2026-0001 name==甲 stage=signed @3");
    same(NULL, "项目名称,总投资(亿)\n甲,1.5\n", "name=甲 amount_total=150000000.00");
    same(NULL, "no,name\n2026-0001,甲\n", "no=2026-0001 name=甲");
    same(NULL, "\"项目\n名称\",\"总投资\n(万元)\"\n甲,1\n", "name=甲 amount_total=10000.00");
    refused(NULL, "项目名称,总投\n甲,1\n", "did you mean 总投资 (amount_total)?");
    same(NULL, "项目名称,年度目标,投资方,存在问题,下步打算\n甲,1,2,3,4\n",
         "!the column \"年度目标\" is no field of a project; a mapping file says what it is; also unknown: "
         "存在问题、下步打算");
    refused(NULL, "name,名称\n甲,1\n", "the columns \"name\" and \"名称\" both mean 项目名称 (name)");
    refused(NULL, "项目名称,投资方\n甲,#N/A\n", "the cell holds an error: #N/A");
    refused(NULL, "项目名称,投资方\n#REF!,乙\n", "the cell holds an error: #REF!");
    same(NULL, "id,version,name,investor\nx1,3,甲,#N/A\n", "id=x1 name=甲 investor=#N/A @3");
    same(NULL, "项目名称,投资方\n#1厂房,乙\n", "name=#1厂房 investor=乙");
    refused(NULL, "项目名称,就业人数（万人）\n甲,3\n", "is in 万人");
    refused(NULL, "项目名称,就业人数\n,万人\n甲,3\n", "is in 万人");
    same(NULL, "项目名称,就业人数（人）\n甲,3\n", "name=甲 jobs=3");
    /* the unit stands in the advice */
    same(NULL, "项目名称,总投资（必填，万元）\n甲,1\n", "name=甲 amount_total=10000.00");
    same(NULL, "项目名称,总投资（必填）（亿元）\n甲,1\n", "name=甲 amount_total=100000000.00");
    refused(NULL, "项目名称,总投资（如：100万元）\n甲,1\n", "unknown unit of money \"如:100万元\"");
    same(NULL, "项目名称,投资方,总投资\n必填,文本,数字（万元）\n甲,乙,1\n",
         "skip: a row about the columns; name=甲 investor=乙 amount_total=10000.00");
    same(NULL, "项目名称,投资方,总投资\n必填,必填,万元\n甲,乙,1\n",
         "skip: a row about the columns; name=甲 investor=乙 amount_total=10000.00");
    same("[columns]\nname = 项目名称\namount_total = 总投资（含税，万元）\n",
         "项目名称,总投资（含税，万元）\n甲,1\n", "name=甲 amount_total=10000.00");
    refused("[columns]\nname = 项目名称\namount_total = 总投资（如：100万元）\n",
            "项目名称,总投资（如：100万元）\n甲,1\n", "unknown unit of money");
    same("[columns]\nname = 项目名称\namount_total = 总投资（如：100万元） unit 元\n",
         "项目名称,总投资（如：100万元）\n甲,1\n", "name=甲 amount_total=1.00");
    /* the unit comes too late: what stands above was read in yuan */
    refused(NULL, "项目名称,投资方,总投资\n注：金额单位为万元,,\n甲,乙,1\n", "amounts are in 万元");
    same(NULL, "项目名称,投资方,总投资（万元）\n注：金额单位为万元,,\n甲,乙,1\n",
         "skip: a remark outside the table; name=甲 investor=乙 amount_total=10000.00");
    same("[source]\nunit = 亿元\n[columns]\nname = 项目名称\namount_total = 总投资\n",
         "项目名称,投资方,总投资\n注：金额单位为亿元,,\n甲,乙,1\n",
         "skip: a remark outside the table; name=甲 amount_total=100000000.00");
    same(NULL, "项目名称,投资方,总投资\n-,—,万元\n甲,乙,1\n", "name=甲 investor=乙 amount_total=10000.00");
    same(NULL, "序号,项目名称,投资方,总投资\n甲,乙,丙,1\n,,,万元\n1,甲,乙,1\n",
         "skip: a row about the columns; skip: a row about the columns; name=甲 investor=乙 "
         "amount_total=10000.00");
    same(NULL, "序号,项目名称,投资方,总投资\n1,2,3,4\n,,,（万元）\n1,甲,乙,1\n",
         "skip: a row about the columns; skip: a row about the columns; name=甲 investor=乙 "
         "amount_total=10000.00");
    refused(NULL, "项目名称,投资方,总投资（万元）\n,,亿元\n甲,乙,1\n", "unknown unit of money \"万元/亿元\"");
    same(NULL, "项目名称,投资方,总投资（万元）\n,,万元\n甲,乙,1\n",
         "name=甲 investor=乙 amount_total=10000.00");
    refused(NULL, "项目名称,投资方,总投资\n必填,必填,填写元或万元\n甲,乙,1\n", "unknown unit of money");
    same(NULL,
         "*项目名称,★投资方,联系电话（必填）,总投资（选填）\n必填,必填,格式：手机号,数字\n示例：光伏,甲,1,"
         "2\n光,甲,1,2\n其中：工业,,,5\n",
         "skip: a row about the columns; skip: an example; name=光 investor=甲 amount_total=2.00 "
         "contact_phone=1; skip: a sum");
}

/* Levels of a header: all of them, then the last ones while nothing else ends so. */
static void levels(void **state)
{
    (void)state;
    same(NULL,
         "序号,项目名称,投资情况（万元）,,计划时间,,备注\n,,总投资,固定资产投资,开工时间,竣工时间,\n1,甲,12,"
         "3,2024-03,2025,x\n",
         "name=甲 amount_total=120000.00 amount_fixed=30000.00 planned_start_on=2024-03 "
         "planned_complete_on=2025");
    same(NULL,
         "项目名称,计划,,实际,\n,开工时间,竣工时间,开工时间,竣工时间\n甲,2024-03,2025-01,2024-04,2025-02\n",
         "name=甲 planned_start_on=2024-03 planned_complete_on=2025-01 started_on=2024-04 "
         "completed_on=2025-02");
    same(NULL,
         "项目名称,开工时间,,竣工时间,\n,计划,实际,预计,实际（年月）\n甲,2024-03,2024-04,2025-01,"
         "2025-02\n",
         "name=甲 planned_start_on=2024-03 planned_complete_on=2025-01 started_on=2024-04 "
         "completed_on=2025-02");
    same(NULL, "项目名称,联系人,\n,姓名,电话\n甲,王某,139\n", "name=甲 contact_name=王某 contact_phone=139");
    refused(NULL, "项目名称,2024年完成情况,,备注\n,投资额,用工,\n甲,1,2,\n", "2024年完成情况 / 投资额");
    refused(NULL, "项目名称,累计到位资金,,备注\n,总投资,用工,\n甲,1,2,\n", "累计到位资金 / 总投资");
    refused(NULL, "项目名称,一期,,备注\n,总投资（万元）,开工时间,\n甲,1,2024,\n", "一期 / 总投资");
    refused(NULL, "项目名称,甲方,,乙方,\n,电话,人数,电话,人数\n光,1,2,3,4\n", "甲方 / 电话");
    same("[columns]\nname = 项目名称\namount_total = 投资 / 总投资\namount_fixed = 固投 unit 亿元\n",
         "项目名称,投资,,备注\n,总投资（万元）,固投,\n甲,1,2,\n",
         "!unknown column \"投资 / 总投资\", did you mean \"投资/总投资(万元)\"?");
    same("[columns]\nname = 项目名称\namount_total = 总投资（万元）\namount_fixed = 固投 unit 亿元\n",
         "项目名称,投资,,备注\n,总投资（万元）,固投,\n甲,1,2,\n",
         "name=甲 amount_total=10000.00 amount_fixed=200000000.00");
    refused("[columns]\nname = 名\ncontact_phone = 电话\n",
            "名,甲方,,乙方,\n,电话,人数,电话,人数\n光,1,2,3,4\n", "occurs 2 times");
    same("[columns]\nname = 名\ncontact_phone = 电话#2\n",
         "名,甲方,,乙方,\n,电话,人数,电话,人数\n光,1,2,3,4\n", "name=光 contact_phone=3");
}

/* A unit in the header, in the title, in the mapping: the nearest one counts. */
static void units(void **state)
{
    (void)state;
    same(NULL, "招商项目表,,\n,,单位：万元、公顷\n项目名称,总投资,用地面积\n甲,1,1\n乙,1亿元,2亩\n",
         "name=甲 amount_total=10000.00 land_mu=15; name=乙 amount_total=100000000.00 land_mu=2");
    same(NULL, "项目名称,投资额/亿元,用地（亩）,联系电话（手机）,建设内容（50字以内）\n光,1,2,3,4\n",
         "name=光 summary=4 amount_total=100000000.00 land_mu=2 contact_phone=3");
    same("[source]\nunit = 亿元\n[columns]\nname = 项目名称\namount_total = 总投资\n",
         "单位：万元,\n项目名称,总投资\n甲,1\n", "name=甲 amount_total=100000000.00");
    refused(NULL, "项目名称,总投资（含设备）\n甲,1\n", "unknown unit");
    refused(NULL, "项目名称,总投资（万美元）\n甲,1\n", "another currency");
}

static void groups(void **state)
{
    static const char map[] =
        "[columns]\nname = 项目名称\nindustry = @group#1\nsummary = @group\nsite = @title\n"
        "[values industry]\n工业项目 = C\n\"\" = \"\"\n";

    (void)state;
    same(map,
         "重点项目表,,\n序号,项目名称,投资方\n0,早,A\n一、工业项目,,\n（一）续建,,\n1,甲,A\n小计,1,"
         "\n（二）新建,,\n2,乙,B\n注：无,,\n",
         "name=早 site=重点项目表; skip: a heading: 工业项目; skip: a heading: 工业项目 / 续建; "
         "name=甲 industry=C summary=工业项目 / 续建 site=重点项目表; skip: a sum; skip: a heading: 工业项目 "
         "/ 新建; "
         "name=乙 industry=C summary=工业项目 / 新建 site=重点项目表; skip: a remark outside the table");
    refused("[columns]\nname = @gruop\n", "a\n1\n", "neither @title nor @group");
}

static void kinds(void **state)
{
    (void)state;
    kind = "arrival";
    same(NULL,
         "项目编号,项目名称,到位资金（万元）,到位时间,资金来源,凭证号,备注,填报人\n2026-0001,甲,12,2024-03-"
         "05,省外,P1,x,王\n,乙,1,2024,,P2,,\n",
         "project=2026-0001 amount_arrived=120000.00 arrived_on=2024-03-05 origin=省外 voucher=P1 note=x; "
         "project=乙 amount_arrived=10000.00 arrived_on=2024 voucher=P2");
    same(NULL, "id,version,project,no,amount_arrived\nar1,7,p9,2026-0001,5\n",
         "id=ar1 project=2026-0001 amount_arrived=5.00 @7");
    refused(NULL, "项目,到位资\n1,2\n", "no field of arrived money; did you mean 到位资金 (amount_arrived)?");
    refused("[columns]\nname = a\n", "a\n1\n", "unknown field \"name\"");
    refused("[source]\nname = s\n[key]\ncolumn = a\n[columns]\nproject = a\n", "a\n1\n", "only projects");
    refused("[source]\nkind = plot\n[columns]\nname = a\n", "a\n1\n", "is for the kind plot");
    kind = "land";
    same("[source]\nkind = land\n[columns]\nproject = a\narea_mu = b\n[constants]\nstate = paying\n",
         "a,b（公顷）\nX,1\n", "!unknown column \"b\"");
    same("[source]\nkind = land\n[columns]\nproject = a\narea_mu = b（公顷）\n[constants]\nstate = paying\n",
         "a,b（公顷）\nX,1\n", "project=X area_mu=15 state=paying");
    kind = "enterprise";
    same(NULL, "企业名称,信用代码,所在地,备注\n甲公司,91340100MA2N0W1X9B,浙江,\n",
         "name=甲公司 credit_code=91340100MA2N0W1X9B region=浙江");
    kind = "none";
    refused(NULL, "a\n1\n", "unknown kind");
    kind = NULL;
}

/* One row of cells with types under the mapping: "text:type|…". */
static const char *typed(const char *map, bool since_1904, size_t n, char **cells,
                         const enum grid_type *types)
{
    static char out[MAX_OUT], *headers[] = {(char *)"a", (char *)"b", (char *)"c"};
    struct sheet_row row = {.number = 2, .n = n, .cells = cells, .types = types, .since_1904 = since_1904};
    struct mapping *m = mapping_read(map, strlen(map), NULL, why);
    struct arena a;

    assert_non_null(m);
    assert_true(mapping_bind(m, headers, n, why));
    arena_init(&a, 1 << 20);
    show(mapping_row(m, &row, &a), out);
    arena_free(&a);
    mapping_free(m);
    return out;
}

static void one(const char *field, const char *text, enum grid_type type, const char *want)
{
    char map[64], *cells[] = {(char *)(uintptr_t)text};

    snprintf(map, sizeof(map), "[columns]\n%s = a\n", field);
    assert_string_equal(typed(map, false, 1, cells, &type), want);
}

static void types(void **state)
{
    static const enum grid_type two[] = {GRID_TEXT, GRID_NUMBER};
    char *date[] = {(char *)"x", (char *)"43466"};

    (void)state;
    one("signed_on", "44931", GRID_NUMBER, "signed_on=2023-01-05");
    one("signed_on", "44931.354", GRID_NUMBER, "signed_on=2023-01-05");
    one("signed_on", "2023", GRID_NUMBER, "signed_on=2023");
    one("signed_on", "2022.04", GRID_NUMBER, "signed_on=2022-04");
    one("signed_on", "2022.1", GRID_NUMBER,
        "!signed_on|a|2022.1|\"2022.1\" may be month 1 or 10: a cell kept as a number loses its last zero "
        "(write the "
        "month with two digits: 01 or 10)");
    one("signed_on", "123456", GRID_NUMBER,
        "!signed_on|a|123456|\"123456\" is not a date (for example 2023-01-05, "
        "2023年1月5日, 2023-01 or 2023)");
    one("signed_on", "2023-01-05 08:30:00", GRID_DATE, "signed_on=2023-01-05");
    one("signed_on", "2023-01", GRID_DATE, "signed_on=2023-01");
    one("amount_total", "#REF!", GRID_ERROR,
        "!amount_total|a|#REF!|the cell holds an error: #REF! (repair the formula, or write the value)");
    one("name", "A1&B1", GRID_NO_VALUE,
        "!name|a|A1&B1|nothing has computed the formula yet: A1&B1 (open the workbook in a spreadsheet "
        "program and save it)");
    one("restricted", "true", GRID_BOOL, "restricted=true");
    one("contact_phone", "13900000000", GRID_NUMBER, "contact_phone=13900000000");
    one("credit_code", "123417006868633950", GRID_NUMBER,
        "!credit_code|a|123417006868633950|the cell is a number of 18 digits; the sheet has lost those "
        "behind the 15th "
        "(format the column as text and type the value again)");
    one("contact_phone", "1.39E+10", GRID_TEXT,
        "!contact_phone|a|1.39E+10|\"1.39E+10\" is written with an exponent (format the column as text and "
        "type "
        "the value again)");
    one("name", "3E+5号地", GRID_TEXT, "name=3E+5号地");
    assert_string_equal(typed("[columns]\nname = a\nsigned_on = b\n", true, 2, date, two),
                        "name=x signed_on=2023-01-02");
    assert_string_equal(typed("[columns]\nname = a + b\n", false, 2, date, two), "name=x43466");
}

/* A number that is shown in some way under the mapping: of a column without a unit, of one in 万元, of dollars. */
static void shown(struct grid_format format, const char *text, const char *bare, const char *wan,
                  const char *usd)
{
    static const char *const maps[] = {"[columns]\namount_total = a\n",
                                       "[columns]\namount_total = a unit 万元\n",
                                       "[columns]\namount_total = a\n[constants]\ncurrency = USD\n"};
    const char *const want[] = {bare, wan, usd};
    const struct grid_format *formats[] = {&format};
    char out[MAX_OUT], *headers[] = {(char *)"a"}, *cells[] = {(char *)(uintptr_t)text};
    enum grid_type type = GRID_NUMBER;
    struct sheet_row row = {.number = 2, .n = 1, .cells = cells, .types = &type, .formats = formats};

    for (int i = 0; i < 3; i++) {
        struct mapping *m = mapping_read(maps[i], strlen(maps[i]), NULL, why);
        struct arena a;
        assert_non_null(m);
        assert_true(mapping_bind(m, headers, 1, why));
        arena_init(&a, 1 << 20);
        show(mapping_row(m, &row, &a), out);
        if (*want[i] == '!'
                ? *out != '!' || !strstr(out, want[i] + 1)
                : strncmp(out, "amount_total=", 13) != 0 || strncmp(out + 13, want[i], strlen(want[i])) != 0)
            fail_msg("map %d: %s, not %s", i, out, want[i]);
        arena_free(&a);
        mapping_free(m);
    }
}

static void formats(void **state)
{
    (void)state;
    shown((struct grid_format){.currency = "USD"}, "1200", "!in USD, the row says CNY", "!in USD", "1200.00");
    shown((struct grid_format){.currency = "CNY"}, "1200", "1200.00", "12000000.00",
          "!in CNY, the row says USD");
    shown((struct grid_format){.unit = "万元"}, "12", "120000.00", "120000.00", "120000.00");
    shown((struct grid_format){.unit = "亿元"}, "12", "1200000000.00",
          "!shows it in 亿元, the sheet says 万元", "1200000000.00");
    shown((struct grid_format){.unit = "万", .scale = 4}, "120000", "120000.00", "120000.00", "120000.00");
    shown((struct grid_format){.unit = "百万", .scale = 6}, "12345678", "12345678.00", "!in 百万",
          "12345678.00");
    shown((struct grid_format){.unit = "万", .scale = 6}, "12345678", "!in 万", "!in 万", "!in 万");
    shown((struct grid_format){.scale = 3}, "12000", "12000.00", "!another number, the sheet says 万元",
          "12000.00");
    shown((struct grid_format){.unit = "个"}, "12", "12.00", "120000.00", "12.00");
    shown((struct grid_format){.percent = true}, "0.05", "!percentage", "!percentage", "!percentage");
}

static void left_out(void **state)
{
    struct sheet *s = sheet_of("序号,项目名称,投资方,备注,changed_at\n1,甲,A,x,2026-01-01\n");
    size_t n;
    char *const *h = sheet_header(s, &n);
    struct mapping *m = mapping_auto("project", h, n, why);
    const char *const *out = mapping_left_out(m, &n);

    (void)state;
    assert_int_equal(n, 3);
    assert_string_equal(out[0], "序号");
    assert_string_equal(out[1], "备注");
    assert_string_equal(out[2], "changed_at");
    mapping_free(m);
    sheet_close(s);
}

static void another_kind(void **state)
{
    struct sheet *s = sheet_of("project,amount_arrived,arrived_on,voucher\np1,1,2026-01-01,3\n");
    size_t n;
    char *const *h = sheet_header(s, &n);

    (void)state;
    assert_null(mapping_auto("project", h, n, why));
    assert_string_equal(why, "the columns are those of arrived money, not of a project: --kind arrival");
    assert_null(mapping_auto("project", h, 1, why));
    assert_null(strstr(why, "--kind"));
    sheet_close(s);
}

static void chunks(void **state)
{
    FILE *f = tmpfile();
    struct sheet_options o = {.name = "a.csv"};
    struct chunker c;
    size_t n;
    int rows = 0, last = 1;

    (void)state;
    fputs("name,summary\n", f);
    for (int i = 0; i < 3000; i++) {
        fprintf(f, "项目%d,", i);
        for (int k = 0; k < (i % 50) * 12; k++)
            fputs("字", f);
        fputs("\n", f);
    }
    fputs("大,", f);
    for (int k = 0; k < 20000; k++)
        fputs("字", f);
    fputs("\n", f);
    rewind(f);
    struct sheet *s = sheet_open(f, &o, why);
    char *const *h = sheet_header(s, &n);
    struct mapping *m = mapping_auto("project", h, n, why);
    chunk_start(&c, s, m);
    for (int i = 0; chunk_next(&c) == CHUNK_READY; i++) {
        Qipan__ImportPutRequest put = QIPAN__IMPORT_PUT_REQUEST__INIT;
        put.rows = c.rows;
        put.n_rows = c.n_rows;
        put.id = (char *)(uintptr_t) "12345678901234567890123456789012";
        put.has_chunk = 1;
        put.chunk = c.number;
        assert_int_equal(c.number, i);
        assert_true(qipan__import_put_request__get_packed_size(&put) <= LIMIT_CHUNK);
        for (size_t k = 0; k < c.n_rows; k++)
            assert_int_equal(c.rows[k]->row, ++last);
        rows += (int)c.n_rows;
        if (rows == 3001)
            assert_int_equal(c.rows[c.n_rows - 1]->n_bad, 1);
    }
    assert_null(c.why);
    assert_int_equal(rows, 3001);
    assert_int_equal(c.total, 3001);
    chunk_stop(&c);
    mapping_free(m);
    sheet_close(s);
}

/* What is said of the sheet once all rows are read; "" = nothing. */
static const char *notes(const char *csv)
{
    static char out[MAX_OUT];
    struct sheet *s = sheet_of(csv);
    struct chunker c;
    size_t n;
    char *const *h = sheet_header(s, &n);
    struct mapping *m = mapping_auto("project", h, n, why);

    out[0] = 0;
    chunk_start(&c, s, m);
    while (chunk_next(&c) == CHUNK_READY)
        continue;
    const char *const *texts = sheet_notes(s, &n);
    for (size_t i = 0; i < n; i++)
        sprintf(out + strlen(out), "%s%s", i ? "; " : "", texts[i]);
    chunk_stop(&c);
    mapping_free(m);
    sheet_close(s);
    return out;
}

#define notes_are(csv, want) assert_string_equal(notes(csv), want)

#define NAME     "a中心城区统建安置小区"
#define INVESTED "项目名称,投资方,总投资(亿元)\n"

/* Exact sums of all rows above, up to the header or the sum before; by chance a row may be that, too. */
static void sums(void **state)
{
    static const char also[] = "; if they are sums, delete them or write 合计 before them";
    char want[MAX_OUT];

    (void)state;
    snprintf(want, sizeof(want),
             "2 rows, row 4 first, have no investor; the amounts of 2 rows are exactly the sum of the rows "
             "above, the first in row 4 (\"城关镇\") of 2 rows%s",
             also);
    notes_are(INVESTED "a,A,0.1\nb,B,0.2\n城关镇,,0.3\nc,C,1\nd,D,2\ne,E,4\n大桥镇,,7\n", want);
    snprintf(want, sizeof(want),
             "the amounts of 1 rows are exactly the sum of the rows above, the first in row 6 (\"e\") of 4 "
             "rows%s",
             also);
    notes_are(INVESTED "a,A,1\nb,B,2\nc,C,3\nd,D,4\ne,E,10\nf,F,20\n", want);
    const char *s = notes(INVESTED "a,A,1\nb,B,2\n" NAME NAME NAME NAME ",,3\n");
    assert_non_null(strstr(s, NAME NAME));
    assert_true(utf8_valid((const uint8_t *)s, strlen(s))); /* long names are cut between characters */
    notes_are(INVESTED "a,A,1\nb,B,1\nc,C,2\nd,D,4\n", "");
    notes_are(INVESTED "a,A,1\nb,,1\n", "1 rows, row 3 first, have no investor");
    notes_are(INVESTED "a,A,1\nb,B,2\nc,,3.000001\n", "1 rows, row 4 first, have no investor");
    notes_are(INVESTED "a,A,1\n合计,,1\nb,B,2\nc,,3\n", "1 rows, row 5 first, have no investor");
}

static void without_investors(void **state)
{
    (void)state;
    notes_are("项目名称,总投资(亿元)\na,1\nb,5\n",
              "the sheet has no column of investors: its 2 projects are known by their names alone, and one "
              "that another office has reported may not be found");
    notes_are("id,项目名称,总投资(亿元)\np1,a,1\np2,b,5\n", "");
    notes_are("项目编号,项目名称\n2026-0001,a\n", "");
    notes_are("external_id,项目名称\nx,a\n", "");
}

/* A name that looks like what a spreadsheet makes of a long number: refused, but not where the registry wrote it. */
static void powers(void **state)
{
    (void)state;
    same(NULL, "项目名称,投资方\n9.13E+17,a\n",
         "!name|项目名称|9.13E+17|\"9.13E+17\" is written with an exponent (format the column as text and "
         "type the "
         "value again) investor=a");
    same(NULL, "id,version,项目名称\np1,1,9.13E+17\n",
         "!name|项目名称|9.13E+17|\"9.13E+17\" is written with an exponent (format the column as text and "
         "type the "
         "value again) id=p1 @1");
    same(NULL, "id,version,项目名称\np1,1,'9.13E+17\np2,1,''9.13E+17\n",
         "id=p1 name=9.13E+17 @1; id=p2 name='9.13E+17 @1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns),      cmocka_unit_test(nothing), cmocka_unit_test(keys),
        cmocka_unit_test(periods),      cmocka_unit_test(values),  cmocka_unit_test(skips),
        cmocka_unit_test(bad_cells),    cmocka_unit_test(faults),  cmocka_unit_test(automatic),
        cmocka_unit_test(levels),       cmocka_unit_test(units),   cmocka_unit_test(groups),
        cmocka_unit_test(kinds),        cmocka_unit_test(types),   cmocka_unit_test(left_out),
        cmocka_unit_test(another_kind), cmocka_unit_test(chunks),  cmocka_unit_test(formats),
        cmocka_unit_test(sums),         cmocka_unit_test(powers),  cmocka_unit_test(without_investors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
