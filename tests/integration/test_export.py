# SPDX-License-Identifier: Apache-2.0
"""Lists as files that people edit and send in again: workbooks, CSV, JSON Lines."""
import contextlib
import csv
import datetime
import decimal
import io
import itertools
import json
import pathlib
import subprocess

import openpyxl
import pytest


def imported(county, path, *args, code=0, context="bureau"):
    return county.qipan(context, "-o", "json", "import", path, *args, ok=code, timeout=240).json


def workbook(path):
    book = openpyxl.load_workbook(path)
    return book, book.worksheets[0]


def rows_of(sheet):
    """Rows by heading, from the header row down."""
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(head, row)) for row in rows]


def as_csv(sheet, path):
    """What a person makes of a workbook who saves it as CSV."""
    def text(v):
        if isinstance(v, datetime.datetime):
            return v.strftime("%Y-%m-%d" if v.time() == datetime.time() else "%Y-%m-%d %H:%M")
        return "" if v is None else format(decimal.Decimal(repr(v)), "f") if isinstance(v, float) else str(v)
    out = io.StringIO(newline="")
    csv.writer(out).writerows([text(v) for v in row] for row in sheet.iter_rows(values_only=True))
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def defined(book, name):
    found = book.defined_names
    return found[name].attr_text if name in [d.name for d in getattr(found, "definedName", [])] else None


def test_a_workbook_is_for_people(county, tmp_path):
    """Labels, exact numbers, days as days; less exact days and what looks like a formula stay text; id and version hidden."""
    p = county.qipan("chengguan", "-o", "json", "project", "add", "name==1+1 工作簿项目", "investor=_x41_公司", "amount_total=35000.55万元",
                     "amount_fixed=0.01", "contact_phone=013800000000", "signed_on=2026-03", "planned_sign_on=2026-05-06",
                     "summary=第一行\n\"第二行\", 三", "restricted=true", "tags=大、链", "land_mu=85.5", ok=True).json
    path = tmp_path / "项目.xlsx"
    county.qipan("bureau", "export", path, "--filter", f"project={p['id']}", ok=True)
    book, sheet = workbook(path)
    assert defined(book, "qipan.kind") == '"project"'
    assert sheet.freeze_panes == "A2" and sheet.auto_filter.ref.startswith("A1:")
    assert sheet.column_dimensions["A"].hidden and [sheet["A1"].value, sheet["B1"].value] == ["id", "version"]
    row, = rows_of(sheet)
    assert (row["id"], row["version"], row["项目名称"], row["投资方"]) == (p["id"], 1, "=1+1 工作簿项目", "_x41_公司")
    assert (row["总投资(万元)"], row["固定资产投资(万元)"], row["用地(亩)"]) == (35000.55, 0.000001, 85.5)
    assert (row["签约日期"], row["计划签约日期"]) == ("2026-03", datetime.datetime(2026, 5, 6))
    assert (row["责任单位"], row["限制范围"], row["标签"], row["联系电话"]) == ("城关镇", "是", "大、链", "013800000000")
    assert row["建设内容"] == "第一行\n\"第二行\", 三"
    name = next(c for c in sheet[1] if c.value == "项目名称")
    assert sheet.cell(2, name.column).data_type in ("s", "inlineStr"), "a text, not a formula"
    seen = imported(county, as_csv(sheet, tmp_path / "again.csv"))
    assert (seen["unchanged"], seen["rows"]) == (1, 1)


def test_all_projects_come_back_unchanged(new_county, tmp_path):
    county = new_county()
    county.psql("UPDATE registry.project SET admitted_on = '2026-03-05' WHERE no = '2026-0001'")  # what edits can't say comes back, too
    county.qipan("bureau", "export", tmp_path / "all.xlsx", ok=True)
    _, sheet = workbook(tmp_path / "all.xlsx")
    rows = sheet.max_row - 1
    assert rows > 60
    seen = imported(county, as_csv(sheet, tmp_path / "all.csv"), "--commit")
    assert (seen["unchanged"], seen["rows"]) == (rows, rows) and "rev" not in seen
    ids = [row["id"] for row in rows_of(sheet)]
    assert len(set(ids)) == rows


def test_records_come_back_unchanged(new_county, tmp_path):
    """Kinds that sheets hold, in every form: nothing to write, labels with a 、 of their own (计算机、通信和其他…) included."""
    county = new_county("--bare")

    def add(context, *words):
        return county.qipan(context, *words, "-o", "name", ok=True).stdout.strip()

    project = add("chengguan", "project", "add", "name=来回项目", "investor=来回公司", "stage=lead")
    add("chengguan", "enterprise", "add", "name=来回公司", "region=福建省")
    add("bureau", "park", "add", "no=xinqu", "name=新材料园", "office=jingkai", "class=工业园区", "trades=C38、C39", "area_mu=3200",
        "amount_per_mu=300万元")
    add("bureau", "plot", "add", "park=xinqu", "name=A-12", "class=地块", "area_mu=150", "office=jingkai")
    add("chengguan", "arrival", "add", f"project={project}", "amount_arrived=1200.5万", "arrived_on=2026-03", "class=fixed",
        "origin=province_outside", "voucher=0001234")
    add("chengguan", "activity", "add", f"project={project}", "class=洽谈", "held_on=2026-03-05", "result=谈妥\n用地规模")
    add("chengguan", "milestone", "add", f"project={project}", "class=start", "planned_on=2026-12", "person=李工")
    for kind in ("enterprise", "arrival", "activity", "milestone", "park", "plot"):
        for ending in ("xlsx", "csv", "jsonl"):
            path = tmp_path / f"{kind}.{ending}"
            county.qipan("bureau", "export", kind, path, ok=True)
            seen = imported(county, path, *(() if ending == "xlsx" else ("--kind", kind)))
            assert (seen["unchanged"], seen["rows"]) == (1, 1), (kind, ending, seen)


@pytest.mark.parametrize("words", [("project", "list"), ("activity", "list"), ("matter", "list"), ("rules", "show", "stage"), ("whoami",)])
def test_any_list_is_a_workbook(county, tmp_path, words):
    path = tmp_path / "list.xlsx"
    with path.open("wb") as out:
        subprocess.run(county._command("bureau", (*words, "-o", "xlsx")), stdout=out, env=county._environment(), timeout=60, check=True)
    _, sheet = workbook(path)
    plain = list(csv.reader(io.StringIO(county.qipan("bureau", *words, "-o", "csv", ok=True).stdout)))
    assert sheet.max_row == len(plain) and sheet.max_column == len(plain[0])


def test_every_kind_with_a_list_is_exported(county, tmp_path):
    county.qipan("chengguan", "enterprise", "add", "name=导出示例有限公司", "region=安徽省", ok=True)
    for kind in ("activity", "arrival", "enterprise", "milestone", "plot", "park", "land", "chain", "valuechain", "matter"):
        text = county.qipan("bureau", "export", kind, ok=True).stdout
        assert text.startswith("\ufeffid,version,"), kind
        county.qipan("bureau", "export", kind, tmp_path / f"{kind}.xlsx", ok=True)
        book, sheet = workbook(tmp_path / f"{kind}.xlsx")
        assert defined(book, "qipan.kind") == f'"{"valuechain" if kind == "chain" else kind}"'
        assert sheet.max_row == len(list(csv.reader(io.StringIO(text))))
    lines = county.qipan("bureau", "export", "enterprise", "-o", "jsonl", "--filter", "name~导出示例", ok=True).lines
    assert [line["name"] for line in lines] == ["导出示例有限公司"]


def test_export_is_told_what_is_wrong(county, tmp_path):
    for words in (("nosuch", "x.csv"), ("project", "a.csv", "b.csv"), ("-o", "json"), ("activity", "a.csv", "b.csv")):
        county.qipan("bureau", "export", *words, ok=2)
    bad = county.qipan("bureau", "export", "arrival", tmp_path / "a.csv", "--filter", "nosuch=1", "-o", "jsonl", ok=7)
    assert json.loads(bad.stderr)["error"]["field"] == "filter" and not list(tmp_path.iterdir())
    county.qipan("bureau", "export", tmp_path / "no/such/a.xlsx", ok=7)
    assert "空间" in county.qipan("bureau", "export", "-o", "xlsx", "/dev/full", ok=1).stderr


def test_a_list_longer_than_a_sheet_is_told_at_once(county, tmp_path):
    """A workbook's sheet has 1 048 576 rows, its heading among them: nothing is read in vain, and CSV has no such limit."""
    def more(n):
        county.psql(f"""INSERT INTO registry.tally_news (n, audience, stage, office, month, dated, counted, merged, amount, tag)
                        VALUES ({n}, '{{1}}', 'zz', 'dongshan', '2026-01', false, true, false, 0, '{{}}')""")
    more(1_048_576)
    try:
        told = county.qipan("bureau", "export", tmp_path / "a.xlsx", ok=7).stderr
        assert "1048576" in told and "csv" in told and not list(tmp_path.iterdir())
        (tmp_path / "plan").write_text("[table]\nkind = project\n[columns]\n项目 = name\n", encoding="utf-8")
        assert "1048576" in county.qipan("bureau", "export", "--layout", tmp_path / "plan", tmp_path / "a.xlsx", ok=7).stderr
        county.qipan("bureau", "export", tmp_path / "a.csv", ok=True)
    finally:
        more(-1_048_576)


def test_edits_meanwhile_lose_and_double_nothing(new_county, tmp_path):
    """Pages by number: while offices edit every project, what is exported is each project once."""
    county = new_county("--bare")
    lines = "".join(f"导出期间项目{i},导出公司{i},{'长' * 200}\n" for i in range(900))
    (tmp_path / "in.csv").write_text("项目名称,投资方,建设内容\n" + lines, encoding="utf-8")
    imported(county, tmp_path / "in.csv", "--commit")
    ids = county.qipan("bureau", "project", "list", "-o", "name", ok=True).stdout.split()
    edits = [county.popen("bureau", "project", "edit", i, "summary=改过了", "investor=改名公司") for i in ids[:25]]
    for n in range(3):
        text = county.qipan("bureau", "export", "-o", "jsonl", ok=True).lines
        assert sorted(line["id"] for line in text) == sorted(ids), f"export {n}"
        assert [line["no"] for line in text] == sorted(line["no"] for line in text)
    for edit in edits:
        edit.communicate(timeout=60)
    rows = county.psql("SELECT count(*), sum((detail ->> 'rows')::int) FROM registry.audit WHERE op = 'export'")
    assert int(rows[0][0]) >= 3 * 3 and int(rows[0][1]) == 3 * 900, "every page is told to the audit"


# ---------------------------------------------------------------- templates


def filled(path, to, **values):
    """The template with a row below its example, by heading; fills in what the example says for the rest that is required."""
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    for cell in sheet[1]:
        red = cell.font.color and cell.font.color.rgb == "FFFF0000"
        sheet.cell(3, cell.column, values.get(cell.value, sheet.cell(2, cell.column).value if red else None))
    book.save(to)
    return to


def test_a_template_is_filled_in_and_imported(county, tmp_path):
    path = tmp_path / "登记表.xlsx"
    county.qipan("chengguan", "template", "project", path, ok=True)
    book, sheet = workbook(path)
    head = {c.value: c for c in sheet[1]}
    assert defined(book, "qipan.kind") == '"project"' and sheet.title == "项目"
    assert sheet.column_dimensions["A"].hidden and sheet.column_dimensions["B"].hidden and list(head)[:2] == ["id", "version"]
    assert "必填" in head["项目名称"].comment.text and head["项目名称"].font.color.rgb == "FFFF0000"
    for optional, why in (("责任单位", "留空则为本单位"), ("阶段", "留空则按新登记处理"), ("币种", "CNY")):
        assert why in head[optional].comment.text and head[optional].font.color.rgb != "FFFF0000", optional
    assert sheet.cell(2, head["责任单位"].column).value == "城关镇", "the example is the office's own"
    assert "万元" in head["总投资(万元)"].comment.text and "更新时间" not in head and "项目编号" not in head
    lists = {v.sqref.ranges[0].min_col: v for v in sheet.data_validations.dataValidation}
    assert "在谈" in lists[head["阶段"].column].formula1 and lists[head["签约日期"].column].type == "custom"
    long = lists[head["行业"].column]
    assert long.formula1.startswith("codes!$") and book["codes"].sheet_state == "hidden" and long.errorStyle == "warning"
    column = long.formula1.split("$")[1]
    assert [book["codes"][f"{column}{r}"].value for r in (1, 2)] == ["农、林、牧、渔业", "农业"]
    seen = imported(county, path, context="chengguan")
    assert (seen["rows"], seen["skipped"]) == (1, 1), "the example is no data"
    full = filled(path, tmp_path / "填好.xlsx", **{"项目名称": "模板登记项目", "责任单位": "城关镇", "总投资(万元)": 3500.5, "阶段": "在谈", "签约日期": "2026-05",
                                              "行业": "农业", "限制范围": "否"})
    done = imported(county, full, "--commit", context="chengguan")
    assert (done["new"], done["skipped"]) == (1, 1)
    row, = county.qipan("bureau", "project", "list", "--filter", "name=模板登记项目", "-o", "jsonl", ok=True).lines
    assert (row["amount_total"], row["stage"], row["signed_on"], row["industry"], row["office"]) == ("35005000.00", "talks", "2026-05", "A01", "chengguan")


# What a person writes beside copying the example, and what he corrects afterwards in the export.
TEMPLATES = {
    "enterprise": ({"企业名称": "手填企业"}, "所在地", "安徽省"), "recognition": ({"企业": "手填企业", "认定文件或榜单": "手填榜单"}, "备注", "补"),
    "arrival": ({"项目": "手填项目", "凭证号": "手填1"}, "付款方", "某公司"), "activity": ({"项目": "手填项目"}, "结果", "谈了用地"),
    "milestone": ({"项目": "手填项目"}, "责任人", "李某"), "stagedate": ({"项目": "手填项目"}, "依据", "改文号"), "land": ({"项目": "手填项目", "位置": "手填东区"}, "说明", "补"),
    "park": ({"园区名称": "手填园区", "园区代码": "shoutian"}, "功能定位", "补"), "plot": ({"园区": "手填园区", "地块(厂房)名称": "手填地块", "面积(亩)": 30}, "规划用途", "工业"),
    "station": ({"驻点": "手填驻点"}, "备注", "补"), "matter": ({"事项": "手填督办事项", "牵头单位": "城关镇", "协办单位": "东山镇", "工作日": 5}, "要求", "三日内报送"),
    "meeting": ({"会议名称": "手填调度会"}, "地点", "三楼"),
}


def test_templates_of_all_kinds_are_filled_in(county, tmp_path):
    """Required cells as the example has them, but for what names a record; sent in, exported, one cell changed: that and nothing else."""
    county.qipan("chengguan", "project", "add", "name=手填项目", "investor=手填公司", ok=True)
    for kind, (mine, column, text) in TEMPLATES.items():
        path, back = tmp_path / f"{kind}.xlsx", tmp_path / f"{kind}-导出.xlsx"
        county.qipan("bureau", "template", kind, path, ok=True)
        done = imported(county, filled(path, tmp_path / f"{kind}-填好.xlsx", **mine), "--commit")
        assert (done["new"], done["skipped"], done["rejected"]) == (1, 1, 0), (kind, done)
        made = county.qipan("bureau", "-o", "jsonl", "batch", "rows", done["id"], "--verdicts", "new", ok=True).lines[0]["object"]
        county.qipan("bureau", "export", kind, back, ok=True)
        book, sheet = workbook(back)
        row, = (r for r in sheet.iter_rows(min_row=2) if r[0].value == made)
        head = {c.value: c.column for c in sheet[1]}
        sheet.cell(row[0].row, head[column], text)
        book.save(back)
        done = imported(county, back, "--commit")
        assert (done["updated"], done["unchanged"], done["rows"]) == (1, done["rows"] - 1, done["rows"]), (kind, done)
        changed, = county.qipan("bureau", "-o", "jsonl", "batch", "rows", done["id"], "--verdicts", "update", ok=True).lines
        assert (changed["object"], len(changed["changes"])) == (made, 1), changed


@pytest.mark.parametrize("kind", ["enterprise", "arrival", "activity", "milestone", "plot", "park", "land"])
def test_templates_of_other_kinds(county, tmp_path, kind):
    path = tmp_path / f"{kind}.xlsx"
    county.qipan("bureau", "template", kind, path, ok=True)
    book, sheet = workbook(path)
    assert defined(book, "qipan.kind") == f'"{kind}"' and sheet.max_row == 2 and sheet.max_column > 5
    assert [c.value for c in sheet[2]][2].startswith("示例:")
    assert not [c.value for c in sheet[1] if c.value and c.value.isascii() and c.value not in ("id", "version")], "labels, not names"
    county.qipan("bureau", "template", "nosuch", tmp_path / "x.xlsx", ok=2)
    assert not (tmp_path / "x.xlsx").exists()


@pytest.mark.parametrize("kind", ["case", "inspection", "evidence", "return", "reward", "alias", "profile"])
def test_no_template_of_what_is_not_imported(county, tmp_path, kind):
    said = county.qipan("bureau", "template", kind, tmp_path / "x.xlsx", ok=7).stderr
    assert f"“{kind}”不能按表导入" in said and f"qipan help {kind}" in said, said
    assert not (tmp_path / "x.xlsx").exists()


# ---------------------------------------------------------------- layouts

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "deploy/examples"


@pytest.fixture(scope="module")
def offices(county):
    """Projects of two offices in every stage of the five lists, with what belongs to them."""
    made = {}
    for office in ("chengguan", "dongshan"):
        for stage in ("lead", "intent", "talks", "signed"):
            p = county.qipan(office, "-o", "json", "project", "add", f"name=版式{office}{stage}项目", f"investor=版式{office}{stage}公司", f"stage={stage}",
                             "amount_total=12345.67万元", "amount_fixed=1亿元", "land_mu=10.5", "region=安徽省", ok=True).json
            made[office, stage] = p["id"]
        for day in ("2026-03-01", "2026-04-02", "2026-05-03", "2026-06-04"):
            county.qipan(office, "activity", "add", f"project={made[office, 'talks']}", "class=talk", f"held_on={day}", "counterpart=对方", f"result=谈于{day}",
                         "next_step=再谈", "next_on=2026-12-01", ok=True)
        county.qipan(office, "arrival", "add", f"project={made[office, 'signed']}", "amount_arrived=1200.5万", "arrived_on=2026-05-06", "class=fixed",
                     "origin=province_outside", f"voucher=版式{office}", ok=True)
    return made


def by_layout(county, path, layout, *words, code=0):
    county.qipan("bureau", "export", "--layout", layout, path, *words, ok=code)
    return workbook(path)[1] if not code else None


@pytest.mark.parametrize("name, stage, sums", [("leads", "lead", 1), ("intents", "intent", 2), ("talks", "talks", 3), ("signed", "signed", 2), ("dispatch", "signed", 3)])
def test_lists_in_an_office_s_own_layout(county, offices, tmp_path, name, stage, sums):
    sheet = by_layout(county, tmp_path / "a.xlsx", EXAMPLES / f"{name}.layout", "--filter", "name~版式")
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][2].endswith(("表",)) and "县招商局" in rows[1][2] and rows[1][2] != rows[0][2]
    texts = [[c for c in row if c is not None] for row in rows]
    groups = [row for row in texts if row in (["城关镇"], ["东山镇"])]
    assert len(groups) == 2 and [row[0] for row in texts].count("小计") == 2 and texts[-1][0] == "合计"
    data = [row for row in rows if row[0] in (offices["chengguan", stage], offices["dongshan", stage])]
    assert len(data) == 2 and [row[2] for row in data] == [1, 2], "the running number goes on"
    total = [c for c in texts[-1] if not isinstance(c, str)]
    each = [[c for c in row if isinstance(c, (int, float)) and not isinstance(c, bool)][1:] for row in data]
    assert len(total) == sums
    amount = 1.234567 if name == "signed" else 12345.67
    assert any(amount in row for row in each) and any(t == pytest.approx(2 * amount, abs=1e-12) for t in total)
    assert sheet.merged_cells.ranges and sheet.column_dimensions["A"].hidden
    if name == "talks":
        assert "2026-06-04 对方 谈于2026-06-04\n2026-05-03 对方 谈于2026-05-03\n2026-04-02 对方 谈于2026-04-02" in data[0]
        assert "2026-12-01 再谈" in data[0] and any(m.min_row == 3 and m.max_row == 3 and m.max_col > m.min_col for m in sheet.merged_cells.ranges)
    if name == "signed":
        assert any(isinstance(c, str) and c.startswith("2026-05-06 1200.5 ") for c in data[0])


def test_matters_in_a_layout_and_as_text(county, offices, tmp_path):
    county.qipan("bureau", "matter", "add", "class=assignment", "office=chengguan", "subject=版式交办事项", "days=5", ok=True)
    sheet = by_layout(county, tmp_path / "a.xlsx", EXAMPLES / "assigned.layout")
    assert "版式交办事项" in [c for row in sheet.iter_rows(values_only=True) for c in row]
    text = county.qipan("bureau", "export", "--layout", EXAMPLES / "talks.layout", "--filter", "name~版式", ok=True).stdout
    rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff"))))
    assert rows[2][:4] == ["序号", "项目名称", "投资方", "投资"] and rows[3][3] == "总投资" and rows[-1][1] == "合计"
    assert rows[-1][3] == "24691.34", "exact"


def test_sums_and_headings_of_groups_are_no_data(county, offices, tmp_path):
    (tmp_path / "own.layout").write_text("[table]\nfilter = name~版式 stage=talks\ngroup = office\ntotal = yes\ntitle = 在谈\n[columns]\n序号 = #\n"
                                         "项目名称 = name\n投资方 = investor\n总投资(万元) = amount_total sum\n阶段 = stage\n", encoding="utf-8")
    by_layout(county, tmp_path / "a.xlsx", tmp_path / "own.layout")
    seen = imported(county, tmp_path / "a.xlsx")
    assert (seen["unchanged"], seen["new"], seen["updated"], seen["rejected"]) == (2, 0, 0, 0)


def test_a_column_of_several_fields_is_not_read_back(county, offices, tmp_path):
    """版式公司(城关镇) stands below 投资方 and is nobody's name; records in a cell have a heading that no field has."""
    (tmp_path / "own.layout").write_text("[table]\nfilter = name~版式 stage=talks\n[columns]\n项目名称 = name\n投资方 = investor + '(' + office + ')'\n"
                                         "洽谈 / 进展 = activity: held_on + ' ' + result\n", encoding="utf-8")
    by_layout(county, tmp_path / "a.xlsx", tmp_path / "own.layout")
    done = county.qipan("bureau", "-o", "json", "import", tmp_path / "a.xlsx", ok=True)
    assert (done.json["unchanged"], done.json["rows"]) == (2, 2)
    assert "投资方" in done.stderr and "洽谈 / 进展" in done.stderr, "and that is said"


@pytest.mark.parametrize("text, words", [("项目 = name\n", "[table]"), ("[columns]\n甲 = nosuch\n", "bad.layout:2: 未知的字段“nosuch”"), ("[columns]\n甲 = name sum\n", "甲"),
                                         ("[columns]\n甲 = name wide 3\n", "wide"), ("[table]\ntitle = {nosuch}\n[columns]\n甲 = name\n", "nosuch"),
                                         ("[columns]\n甲 = nosuch: name\n", "bad.layout:2: "), ("[table]\ntotla = yes\n[columns]\n甲 = name\n", "total"), ("", "列"),
                                         ("[columns]\n\n甲 = amount_total unit 两\n", "bad.layout:3: "), ("[columns]\n甲 / 乙 / 丙 / 丁 = name\n", "3")])
def test_a_layout_that_is_wrong_is_told(county, tmp_path, text, words):
    (tmp_path / "bad.layout").write_text(text, encoding="utf-8")
    done = county.qipan("bureau", "export", "--layout", tmp_path / "bad.layout", tmp_path / "a.xlsx")
    assert done.returncode in (2, 7) and words in done.stderr and not (tmp_path / "a.xlsx").exists()


# ---------------------------------------------------------------- and in again

@pytest.mark.parametrize("kind", ["project", "enterprise", "arrival", "activity", "milestone", "plot", "park", "land", "valuechain", "node", "link", "matter", "meeting"])
def test_an_unedited_export_changes_nothing(county, offices, tmp_path, kind):
    talks = offices["chengguan", "talks"]
    with contextlib.suppress(AssertionError):  # those of an earlier kind stand already
        county.qipan("chengguan", "enterprise", "add", "name=回来示例有限公司", "region=安徽省", "industry=C38", ok=True)
        county.qipan("bureau", "park", "add", "no=huilai", "name=回来园区", "office=jingkai", "class=industry", "trades=C38,C39", "area_mu=320.5", ok=True)
        county.qipan("bureau", "plot", "add", "park=huilai", "name=H-1", "class=land", "area_mu=85.5", "office=jingkai", ok=True)
        county.qipan("chengguan", "milestone", "add", f"project={talks}", "class=start", "planned_on=2026-05", ok=True)
        county.qipan("chengguan", "land", "add", f"project={talks}", "area_mu=40", "households=12", "due_on=2026-12-31", ok=True)
        county.qipan("bureau", "chain", "add", "name=回来产业链", "office=jingkai", "lead_person=链长", ok=True)
        county.qipan("bureau", "node", "add", "chain=回来产业链", "name=上游材料", "part=upstream", "present=回来示例有限公司", "missing=缺的企业", ok=True)
        county.qipan("bureau", "node", "add", "chain=回来产业链", "name=其下", "parent=上游材料", "part=upstream", ok=True)
        county.qipan("bureau", "matter", "add", f"project={talks}", "class=order", "office=chengguan", "helpers=东山镇,fagai", "subject=回来的事项", "days=7", ok=True)
        county.qipan("bureau", "meeting", "add", "class=dispatch", "held_on=2026-12-01", "name=回来调度会", ok=True)
        county.qipan("chengguan", "link", "add", f"project={talks}", "origin=回来示例有限公司", "class=introduced", ok=True)
    if kind != "project":
        county.qipan("bureau", "export", kind, tmp_path / "a.csv", ok=True)
        told = county.qipan("bureau", "import", tmp_path / "a.csv", ok=7).stderr
        assert f"--kind {kind}" in told, told
    for ending, lang in itertools.product(("xlsx", "csv", "jsonl"), ("zh", "en")):
        path = tmp_path / f"{kind}.{lang}.{ending}"
        county.qipan("bureau", "--lang", lang, "export", kind, path, ok=True)
        seen = imported(county, path, "--kind", kind, "--commit")
        assert seen["rows"] > 0 and seen["unchanged"] == seen["rows"], (ending, lang, seen)
