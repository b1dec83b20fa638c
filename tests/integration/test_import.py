# SPDX-License-Identifier: Apache-2.0
"""Import and export: real files of others, broken rows, the same file twice, watchers, a client killed half-way."""
import csv
import datetime
import io
import json
import os
import pathlib
import re
import socket
import subprocess
import time
import zipfile

import openpyxl
import pytest
from peer import Refused

TOP = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("QIPAN_TEST_DATA", TOP.parent / "shared/data"))
EXAMPLES = TOP / "deploy/examples"
COUNTS = ("new", "updated", "unchanged", "duplicates", "conflicts", "rejected", "skipped")


def adds_up(summary, **want):
    assert sum(summary[c] for c in COUNTS) == summary["rows"], summary
    assert {k: summary[k] for k in want} == want, summary
    return summary


def run(county, context, *args, code=0, timeout=240, **how):
    return county.qipan(context, "-o", "json", "import", *args, ok=code, timeout=timeout, **how)


def total(county, *filters):
    return int(county.qipan("bureau", "-o", "csv", "--fields", "id", "export", *filters, ok=True).stdout.count("\n")) - 1


def watcher(county, context, n):
    child = county.popen(context, "-o", "jsonl", "watch", "-n", str(n), "--timeout", "240")
    assert json.loads(child.stdout.readline())["type"] in ("bookmark", "state")
    return child


def rows_of(child):
    out, err = child.communicate(timeout=250)
    assert child.returncode == 0, err
    return [e for e in map(json.loads, out.splitlines()) if e["type"] == "project.changed"]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def sheet(path, n, prefix="批量项目", broken=()):
    lines = ["项目名称,投资方,总投资(万元),阶段,签约日期"]
    for i in range(n):
        lines.append(f"{prefix}{i},公司{i},{i + 1},在谈,2026-03" if i not in broken else f"{prefix}{i},公司")
    return write(path, "\n".join(lines) + "\n")


# ---------------------------------------------------------------- files of others


def edit_text(source, to, encoding, edits):
    """The CSV with other texts in some cells: (row, column from 0, text)."""
    rows = list(csv.reader(io.StringIO(source.read_bytes().decode(encoding), newline="")))
    for row, column, text in edits:
        assert rows[row - 1][column] != text
        rows[row - 1][column] = text
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    to.write_bytes(out.getvalue().encode(encoding))
    return to


def edited_again(county, tmp_path, how, rows, want, **others):
    """The edited file changes what was edited, nothing else: want is {row: {(field, old, new), …}}; once more it changes nothing."""
    counts = dict({"rejected": 0, "skipped": 0} | others, rows=rows, new=0)
    good = rows - counts["rejected"] - counts["skipped"]
    code = 9 if counts["rejected"] else 0
    report = tmp_path / "edited.jsonl"
    adds_up(run(county, "robot", *how, "--commit", "--report", report, code=code).json, updated=len(want), unchanged=good - len(want), **counts)
    lines = [line for line in map(json.loads, report.read_text().splitlines()) if line["verdict"] == "update"]
    assert {line["row"]: {(c["field"], c.get("old"), c.get("new")) for c in line["changes"]} for line in lines} == want
    adds_up(run(county, "robot", *how, "--commit", code=code).json, updated=0, unchanged=good, **counts)


@pytest.mark.parametrize("name, mapping, rows, encoding, edits, changes", [
    ("adb-projects-geocoded-1.0.csv", "adb.map", 2935, "utf-8",
     [(3, 2, "Secured Transactions, revised"), (7, 5, "2001-12-31"), (183, 19, "7410535.5"), (184, 9, "Nepal")],
     {3: {("name", "Secured Transactions", "Secured Transactions, revised")}, 7: {("completed_on", None, "2001-12-31")},
      183: {("amount_total", "7410534.00", "7410535.50")}, 184: {("site", "Regional", "Nepal")}}),
    ("cn-land-supply-2017-01.gb18030.csv", "land.map", 2158, "gb18030",
     [(2, 18, "25"), (2, 27, "2017/1/4"), (3, 11, "11.223300"), (3, 20, "格尔木清源水务有限公司")],
     {2: {("amount_total", "249480.00", "250000.00"), ("signed_on", "2017-01-03", "2017-01-04")},
      3: {("land_mu", "168.348", "168.3495"), ("investor", "西藏藏青工业园清源水务有限公司", "格尔木清源水务有限公司")}}),
])
def test_real_file(new_county, tmp_path, name, mapping, rows, encoding, edits, changes):
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not here: set QIPAN_TEST_DATA to the folder that holds it")
    county = new_county("--bare")
    how = (DATA / name, "--map", EXAMPLES / mapping)
    seen = adds_up(run(county, "robot", *how).json, rows=rows, new=rows, committed=False)
    assert total(county) == 0, "a preview writes nothing"

    watchers = [watcher(county, c, rows) for c in ("dongshan", "fagai")]
    report = tmp_path / "report.jsonl"
    done = adds_up(run(county, "robot", *how, "--commit", "--report", report).json, committed=True)
    assert [done[c] for c in COUNTS] == [seen[c] for c in COUNTS]
    assert total(county) == rows
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["row"] for line in lines] == list(range(2, rows + 2))
    assert all(line["no"] for line in lines)

    ids = {line["project"] for line in lines}
    for child in watchers:
        events = rows_of(child)
        assert [e["rev"] for e in events] == [done["rev"]] * rows
        assert [e["idx"] for e in events] == list(range(rows))
        assert {e["project"] for e in events} == ids, "every row, once"

    again = adds_up(run(county, "robot", *how, "--commit").json, unchanged=rows, new=0, updated=0)
    assert "rev" not in again, "nothing was written"
    run(county, "robot", *how, "--exit-code")
    other = edit_text(DATA / name, tmp_path / "edited.csv", encoding, edits)
    edited_again(county, tmp_path, (other, *how[1:]), rows, changes)


def test_land_file_is_read_exactly(new_county):
    if not (DATA / "cn-land-supply-2017-01.gb18030.csv").exists():
        pytest.skip("the land file is not here: set QIPAN_TEST_DATA to the folder that holds it")
    county = new_county("--bare")
    source = DATA / "cn-land-supply-2017-01.gb18030.csv"
    run(county, "robot", source, "--map", EXAMPLES / "land.map", "--commit")
    wanted = list(csv.reader(io.StringIO(source.read_bytes().decode("gb18030"))))[1:]
    got = {p["external_id"]: p for p in map(json.loads, county.qipan(
        "bureau", "export", "-o", "jsonl", ok=True, timeout=120).stdout.splitlines())}
    assert len(got) == len(wanted) == 2158
    private = 0
    for row in wanted:
        p = got[row[4].split("recorderguid=")[1]]
        price = row[18].strip()
        fen = int(price.replace(".", "")) * 100 if price else None  # 万元 with four decimals
        assert p.get("amount_total") == (f"{fen // 100}.{fen % 100:02}" if price else None), row
        hectares = (row[11] or row[5]).strip()
        assert round(float(p["land_mu"]) / 15, 6) == float(hectares), row
        day = (row[27] or row[8]).replace("年", "/").replace("月", "/").replace("日", "").split("/")
        assert p["signed_on"] == f"{int(day[0])}-{int(day[1]):02}-{int(day[2]):02}"
        assert p["name"].replace(" ", "") == (row[9].strip() or row[3].strip() + row[6]).replace("\xa0", "").replace(" ", "")
        private += "\ue1da" in p["site"]
    assert private == 4


def data(name):
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not here: set QIPAN_TEST_DATA to the folder that holds it")
    return DATA / name


def exported(county, *filters):
    lines = county.qipan("bureau", "export", "-o", "jsonl", *filters, ok=True, timeout=240).stdout.splitlines()
    return {p["external_id"]: p for p in map(json.loads, lines)}


def test_plan_with_three_levels_of_headers(new_county, tmp_path):
    """An old workbook: title, header of three levels, headings that say stage and trade, sums, months as text and as numbers."""
    source = data("cn-project-reserve-plan-template.xls")
    county = new_county("--bare")
    how = (source, "--map", EXAMPLES / "reserve.map")
    adds_up(run(county, "robot", *how).json, rows=7, new=3, skipped=4)
    shown = county.qipan("robot", "import", *how, ok=True).stdout
    assert "总投资 28.8714亿元" in shown, "of the first new rows amounts are shown, however many texts they have"
    report = tmp_path / "report.jsonl"
    adds_up(run(county, "robot", *how, "--commit", "--report", report).json, new=3, skipped=4, committed=True)
    lines = {line["row"]: line for line in map(json.loads, report.read_text().splitlines())}
    assert sorted(lines) == list(range(5, 12))
    assert lines[5]["message"] == "合计行" and lines[8]["message"] == "分组标题:在建一批 / 农林水利 / 水利"
    got = exported(county)
    assert {k: (p["amount_total"], p["stage"], p["planned_start_on"], p["planned_complete_on"], p["tags"]) for k, p in got.items()} == {
        "2020-530100-76-01-041471": ("2887140000.00", "started", "2022-04", "2025-12", ["农林水利", "水利"]),
        "2020-530229-76-01-045542": ("1399950000.00", "started", "2022-04", "2024-03", ["农林水利", "水利"]),
        "2020-530124-76-01-045091": ("374590000.00", "started", "2021-06", "2024-12", ["农林水利", "水利"])}
    adds_up(run(county, "robot", *how, "--commit").json, unchanged=3, skipped=4, new=0)

    subprocess.run(["ssconvert", "--export-type=Gnumeric_Excel:xlsx2", source, tmp_path / "edited.xlsx"], check=True, capture_output=True, timeout=60)
    book = openpyxl.load_workbook(tmp_path / "edited.xlsx")
    plan = book["项目总表"]
    plan["G9"], plan["J10"], plan["K11"], plan["A6"] = 288715, 2022.05, "2025.1.5", "新开工一批"
    plan["B11"] = "某某县城市供水工程"
    book.save(tmp_path / "edited.xlsx")
    edited_again(county, tmp_path, (tmp_path / "edited.xlsx", *how[1:]), 7, {
        9: {("amount_total", "2887140000.00", "2887150000.00")}, 10: {("planned_start_on", "2022-04", "2022-05")},
        11: {("planned_complete_on", "2024-12", "2025-01-05"), ("name", "某某省某某县城市供水工程项目", "某某县城市供水工程")}}, skipped=4)


def edit_workbook(source, to, part, edits, before=None):
    """The workbook with other values in some cells of a sheet, cut before a row, all else byte for byte."""
    with zipfile.ZipFile(source) as was, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as now:
        for name in was.namelist():
            content = was.read(name)
            if name == part:
                cut = content.index(f'<row r="{before}"'.encode()) if before else content.index(b"</sheetData>")
                content = content[:cut] + content[content.index(b"</sheetData>"):]
                for cell, xml in edits.items():
                    content, n = re.subn(rf'<c r="{cell}"( s="\d+")?[^>]*>.*?</c>'.encode(), rf'<c r="{cell}"\1{xml}</c>'.encode(), content, count=1)
                    assert n == 1, cell
            now.writestr(name, content)
    return to


def test_a_workbook_of_others_edited(new_county, tmp_path):
    """The first 1 500 rows: as they are, again, and with four cells edited by another program."""
    county, part = new_county("--bare"), "xl/worksheets/sheet2.xml"
    source = edit_workbook(data("koica-projects-1991-2008.xlsx"), tmp_path / "first.xlsx", part, {}, before=1502)
    how = ("--map", EXAMPLES / "koica.map", "--keep-going")
    taken = run(county, "robot", source, *how, "--commit", code=None).json
    good, bad = taken["new"], taken["rejected"]
    assert good + bad == 1500 and good > 1400
    adds_up(run(county, "robot", source, *how, "--commit", code=None).json, unchanged=good, rejected=bad)
    was = exported(county)
    text = ' t="inlineStr"><is><t>{}</t></is>'
    other = edit_workbook(source, tmp_path / "edited.xlsx", part, {
        "H3": "><v>185784</v>", "D4": text.format("New name"), "B6": "><v>1993</v>", "I9": text.format("1990-07-09~1992-11")})
    name = was["5"]["name"]
    edited_again(county, tmp_path, (other, *how), 1500, {
        3: {("amount_total", "185783.00", "185784.00")}, 4: {("name", "Serologic Test for Syphilis", "New name")},
        6: {("started_on", "1991", "1993"), ("name", name, name.replace("1991", "1993"))},
        9: {("completed_on", "1992-10-31", "1992-11")}}, rejected=bad)


def test_large_workbook_of_others(new_county):
    """29 549 rows: those with days before 1990, years that never were and negative amounts are refused, the others stand, once."""
    source = data("koica-projects-1991-2008.xlsx")
    county = new_county("--bare")
    how = (source, "--map", EXAMPLES / "koica.map", "--commit", "--keep-going")
    bad = adds_up(run(county, "robot", *how, code=9, timeout=600).json, rows=29549, new=29383, rejected=166)["rejections"]
    assert {r["column"] for r in bad} == {"duration", "usd_amount"}
    got = exported(county)
    rows = list(openpyxl.load_workbook(source, read_only=True)["Data"].iter_rows(values_only=True))[1:]
    refused = {r["row"] for r in bad}
    assert len(got) == 29383
    for number, row in enumerate(rows, 2):
        if number in refused:
            continue
        p = got[str(row[0])]
        assert p["amount_total"] == f"{row[7]}.00" and p["currency"] == "USD"
        assert (p["started_on"], p.get("completed_on")) == (tuple(row[8].split("~")) if row[8] else (str(row[1]), None))
        assert p["name"] == (row[3].replace("\xa0", " ").strip() if row[3] else f"{row[2]} {row[5]} {row[1]}")
    adds_up(run(county, "robot", *how, code=9, timeout=600).json, unchanged=29383, rejected=166, new=0, updated=0)


def office_sheet(path, rows, title="城关镇招商引资项目统计表"):
    """A workbook as an office keeps it: title, unit, two levels of headers, headings, sums, a remark."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([title])
    sheet.append([None] * 6 + ["单位：万元"])
    sheet.append(["序号", "项目名称", "投资方", "投资情况", None, "签约时间", "备注"])
    sheet.append([None, None, None, "总投资", "其中：固投", None, None])
    for row in rows:
        sheet.append(row)
    sheet.append(["合计", None, None, 17300, None, None, None])
    sheet.append(["注：本表每月5日前报送"])
    for area in ("A1:G1", "D3:E3", "A3:A4", "B3:B4", "C3:C4", "F3:F4", "G3:G4", "A5:G5"):
        sheet.merge_cells(area)
    book.save(path)
    return path


def test_office_workbook_needs_no_mapping(county, tmp_path):
    rows = [["一、工业项目"], [1, "办公表项目甲", "办公公司", 12000, 8000, "2024.03", "x"],
            [2, "办公表项目乙", "办公公司二", 350.5, None, datetime.datetime(2024, 3, 5), None]]
    path = office_sheet(tmp_path / "a.xlsx", rows)
    seen = adds_up(run(county, "chengguan", path).json, rows=5, new=2, skipped=3)
    assert seen["left_out"] == ["序号", "备注"]
    assert seen["notes"] == ["标题:城关镇招商引资项目统计表", "表头在第 3 至 4 行", "未注明单位的金额按表中所写的万元计"]
    text = county.qipan("chengguan", "import", path, ok=True).stdout.splitlines()
    assert text[:4] == seen["notes"] + ["未读入的列: 序号、备注"]
    first = text.index("新登记:") + 1
    assert text[first:first + 2] == ["  第 6 行 · 办公表项目甲 · 办公公司 · 总投资 1.2亿元 · 固定资产投资 8,000万元 · 签约日期 2024-03",
                                     "  第 7 行 · 办公表项目乙 · 办公公司二 · 总投资 350.5万元 · 签约日期 2024-03-05"]
    adds_up(run(county, "chengguan", path, "--commit").json, new=2)
    got = json.loads("[" + ",".join(county.qipan("bureau", "export", "-o", "jsonl", "--filter", "name~办公表项目", "--sort", "name",
                                                 ok=True).stdout.splitlines()) + "]")
    assert sorted((p["name"], p["amount_total"], p.get("amount_fixed"), p["signed_on"]) for p in got) == [
        ("办公表项目乙", "3505000.00", None, "2024-03-05"), ("办公表项目甲", "120000000.00", "80000000.00", "2024-03")]
    adds_up(run(county, "chengguan", path, "--commit").json, unchanged=2, new=0)
    rows[1][3], rows[2][5] = 13000, 2024
    adds_up(run(county, "chengguan", office_sheet(tmp_path / "b.xlsx", rows), "--commit").json, updated=2)
    rows[1][3] = "约1.3亿"
    bad = run(county, "chengguan", office_sheet(tmp_path / "c.xlsx", rows), code=7).json["rejections"]
    assert [(r["row"], r["column"], r["text"]) for r in bad] == [(6, "投资情况 / 总投资", "约1.3亿")]
    lost = write(tmp_path / "d.csv", "项目名称,投资方,责任单位\n办公表项目丙,办公公司三,不知道的局\n")
    shown = county.qipan("chengguan", "import", lost).stdout
    assert "(可用:" in shown and "城关镇" in shown and "chengguan" not in shown, "the registry's hint is shown, in people's words"
    maybe = write(tmp_path / "e.csv", "项目名称,投资方,限制范围\n办公表项目丁,办公公司四,也许\n")
    assert "第 2 行 · 限制范围 · 也许: " in county.qipan("chengguan", "import", maybe).stdout, "what can't be read is shown as it is"


def test_another_sheet_is_another_import(county, tmp_path):
    """A sheet for each month, alike but for what stands in them: what was sent of one is not taken for the other."""
    book = openpyxl.Workbook()
    for month in ("一月", "二月"):
        sheet = book.create_sheet(month)
        sheet.append(["项目名称", "投资方"])
        sheet.append([f"分月表项目{month}", f"分月表公司{month}"])
    book.remove(book.worksheets[0])
    book.save(tmp_path / "a.xlsx")
    for month in ("一月", "二月"):
        run(county, "chengguan", tmp_path / "a.xlsx", "--sheet", month)
    for month in ("一月", "二月"):
        adds_up(run(county, "chengguan", tmp_path / "a.xlsx", "--sheet", month, "--commit").json, new=1)
    assert total(county, "--filter", "name~分月表项目") == 2


def test_figures_that_could_mean_something_else_are_refused(county, tmp_path):
    """One amount merged over several rows, a title with another currency, a place whose name begins like a unit."""
    head = ["序号", "项目名称", "投资方", "总投资"]

    def book(name, rows, *merged):
        made = openpyxl.Workbook()
        for row in rows:
            made.active.append(row)
        for area in merged:
            made.active.merge_cells(area)
        made.save(tmp_path / name)
        return tmp_path / name

    rows = [head, [1, "合并数一期", "合并公司", 90000], [2, "合并数二期", "合并公司", None], [3, "不合并", "合并公司", 3]]
    bad = run(county, "chengguan", book("merged.xlsx", rows, "D2:D3", "C2:C4"), code=7).json
    adds_up(bad, rows=3, new=1, rejected=2)
    assert {(r["row"], r["text"]) for r in bad["rejections"]} == {(2, "90000"), (3, "90000")}
    assert "合并在几行上" in bad["rejections"][0]["message"]
    rows = [["在谈项目表"], ["单位：万美元"], head, [1, "美元计项目", "外资公司", 1200]]
    bad = run(county, "chengguan", book("dollar.xlsx", rows), code=7).json["rejections"]
    assert "其他币种(万美元)" in bad[0]["message"]
    rows = [head, [1, "单位错项目", "单位公司", 1200], [2, "单位对项目", "单位公司", 12000]]
    taken = "%d 行(首见于第 %d 行)的金额没有注明单位,按元计;若不是元,请在表头上方写“单位：万元”,或在列名后写(万元)"
    assert run(county, "chengguan", book("unit.xlsx", rows)).json["notes"] == [taken % (2, 2), "1 行(首见于第 2 行)的总投资在 100 亿元以上或不足 1 万元,请核对单位"]
    rows = [head, [1, "无单位项目", "无单位公司", "3.5亿元"], [2, "没写单位的", "另一公司", 35000]]
    assert run(county, "chengguan", book("silent.xlsx", rows)).json["notes"] == [taken % (1, 3)], "35000 is 3.5万元 and looks like it"
    rows = [head, [1, "有主项目", "有主公司", "3亿元"], [2, "无主项目", None, "3亿元"], [3, "无主二期", " ", "3亿元"]]
    assert run(county, "chengguan", book("nobody.xlsx", rows)).json["notes"] == ["2 行(首见于第 3 行)没有投资方"]
    rows = [["项目名称", "总投资(亿元)"], ["无主一期", 3], ["没有主的", 5]]
    assert run(county, "chengguan", book("nowhere.xlsx", rows)).json["notes"] == [
        "表中没有“投资方”一列:其中 2 个项目只凭名称识别,别的单位已首报的可能认不出来"]
    rows = [head[1:], ["村里甲", "甲公司", "1.1亿元"], ["村里乙", "乙公司", "2.2亿元"], ["城关镇", None, "3.3亿元"]]
    assert run(county, "chengguan", book("summed.xlsx", rows)).json["notes"][-1] == (
        "有 1 行的金额恰好等于其上各行之和(首见于第 4 行“城关镇”,其上 2 行);如是合计行,请删除或注明“合计”")
    rows = [["在谈项目表"], ["填报单位：元坝镇  单位：万元"], head, [1, "元坝镇项目", "元坝公司", 1200]]
    run(county, "chengguan", book("place.xlsx", rows), "--commit")
    got = json.loads(county.qipan("bureau", "export", "-o", "jsonl", "--filter", "name=元坝镇项目", ok=True).stdout)
    assert got["amount_total"] == "12000000.00"


def workbook(path, *sheets, merged=()):
    """Sheets of rows: (name, [row, …])."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        made = book.create_sheet(name)
        for row in rows:
            made.append(row)
        for area in merged:
            made.merge_cells(area)
    book.save(path)
    return path


def test_tables_are_told_apart(county, tmp_path):
    """Instructions before the table are passed over; two tables of one sheet are never mixed."""
    head = ["序号", "项目名称", "投资方", "总投资(万元)"]
    rows = [[i, f"分表项目{i}", f"分表公司{i}", 1000 + i] for i in range(1, 4)]
    told = [["填报说明"], ["一、本表由各乡镇填报，每月5日前报送。"], ["二、金额单位为万元。"]]
    seen = run(county, "chengguan", workbook(tmp_path / "a.xlsx", ("说明", told), ("字段", [["字段", "要求"], ["项目名称", "必填"]]), ("在谈", [head, *rows]))).json
    adds_up(seen, rows=3, new=3)
    assert "工作表“说明”中没有认得的表头,已跳过" in seen["notes"] and any("“在谈”" in n and "说明" in n for n in seen["notes"])
    more = head + ["联系人", "联系电话", "备注"]
    months = workbook(tmp_path / "d.xlsx", ("说明", told), ("一月", [more, rows[0]]), ("二月", [more, *rows[1:]]), ("字典", [["阶段", "行业", "园区"], ["在谈", "C38", None]]))
    done = run(county, "chengguan", months, code=7)
    assert done.error["message"].endswith("请用 --sheet 指定一张:一月、二月"), "which one is not ours to say"
    adds_up(run(county, "chengguan", months, "--sheet", "二月").json, rows=2, new=2)
    two = workbook(tmp_path / "b.xlsx", ("在谈", [head, *rows, ["合计", None, None, 3006], [], ["序号", "项目名称", "签约时间", "投资方"], [1, "另表项目", "2024.3", "另表公司"]]))
    bad = adds_up(run(county, "chengguan", two, code=7).json, rows=6, new=3, rejected=2, skipped=1)["rejections"]
    assert [r["row"] for r in bad] == [7, 8] and all("第 7 行起是另一张表" in r["message"] for r in bad)
    beside = workbook(tmp_path / "c.xlsx", ("在谈", [head + [None, "序号", "联系人"], *(row + [None, 1, "王"] for row in rows)]))
    done = run(county, "chengguan", beside, code=7)
    assert "并排有两张表" in done.error["message"] and "--map" in done.stderr
    mapping = write(tmp_path / "c.map", "[columns]\nname = 项目名称\ninvestor = 投资方\namount_total = 总投资(万元)\n")
    adds_up(run(county, "chengguan", beside, "--map", mapping).json, rows=3, new=3)


def test_a_number_format_may_say_another_currency_or_unit(county, tmp_path):
    """What the cell holds counts. What it shows may contradict the sheet: then nobody guesses. The preview says where they differ."""
    shows = [(1200, '$#,##0', None), (1200, '[$€-407] #,##0', None), (0.05, '0.00%', None), (datetime.date(2024, 3, 5), 'yyyy-mm-dd', None),
             (12345678, '0.0,,"百万"', "12345678.00"), (123456, '0\\.0,"万"', "123456.00"), (1200, '#,##0"万元"', "12000000.00"),
             (1200000, '_ "￥"* #,##0.00_ ', "1200000.00")]

    def book(name, currency):
        made = openpyxl.Workbook()
        made.active.append(["项目名称", "投资方", "总投资", "币种"])
        for i, (value, code, _) in enumerate(shows):
            made.active.append([f"{currency}格式项目{i}", f"格式公司{i}", value, currency])
            made.active.cell(i + 2, 3).number_format = code
        made.save(tmp_path / name)
        return tmp_path / name

    seen = run(county, "chengguan", book("yuan.xlsx", "CNY"), "--commit", "--keep-going", code=9).json
    assert [(r["row"], r["column"]) for r in seen["rejections"]] == [(2, "总投资"), (3, "总投资"), (4, "总投资"), (5, "总投资")]
    assert [w in r["message"] for w, r in zip(("USD", "EUR", "百分比", "日期"), seen["rejections"])] == [True] * 4, seen["rejections"]
    assert seen["notes"][0].startswith("有 3 个单元格(首见于第 4 行,总投资)")
    got = {p["name"]: p["amount_total"] for p in map(json.loads, county.qipan(
        "bureau", "export", "-o", "jsonl", "--filter", "name~格式项目", ok=True).stdout.splitlines())}
    assert got == {f"CNY格式项目{i}": want for i, (_, _, want) in enumerate(shows) if want}
    seen = run(county, "chengguan", book("dollar.xlsx", "USD"), code=7).json
    assert [r["row"] for r in seen["rejections"]] == [3, 4, 5, 9], "dollars are dollars where the row says so"


def test_zeros_that_a_number_format_shows(county, tmp_path):
    """055165312345 kept as a number shown with its zero: that is the telephone. Of an amount zeros in front say nothing."""
    made = openpyxl.Workbook()
    made.active.append(["项目名称", "投资方", "总投资（万元）", "联系电话"])
    made.active.append(["补零项目", "补零公司", 12, 55165312345])
    made.active["C2"].number_format, made.active["D2"].number_format = "0000", "000000000000"
    made.save(tmp_path / "a.xlsx")
    run(county, "chengguan", tmp_path / "a.xlsx", "--commit")
    got = json.loads(county.qipan("chengguan", "export", "-o", "jsonl", "--filter", "name=补零项目", ok=True).stdout)
    assert (got["contact_phone"], got["amount_total"]) == ("055165312345", "120000.00")


def test_every_label_of_the_registry_is_a_header():
    """What an export writes above a column is read back: labels of sql/data, in both languages, stand in headers.def; fields.def has the
    projects'."""
    headers = set(re.findall(r'^HEADER\((\w+), (\w+), "(.*)"\)$', (TOP / "client/sheet/headers.def").read_text(), re.M))
    headers |= {("project", f, label) for f, label in re.findall(r'^FIELD\((\w+), "(.*?)",', (TOP / "client/fields.def").read_text(), re.M)}
    kinds = {kind for kind, _, _ in headers}
    row = re.compile(r"^ +\('(\w+)', +\d+, '(\w+)', +'\w+', .*?(?:true|false), *'([^']+)', '([^']+)'\)[,;]", re.M)
    rows = [m for path in (TOP / "sql/data").glob("field*.sql") for m in row.findall(path.read_text()) if m[0] in kinds]
    labels = {(kind, field, label) for kind, field, label, _ in rows}
    labels |= {(kind, field, english.replace(" ", "")) for kind, field, _, english in rows if kind != "project" and english != field}
    assert len(labels) > 400
    assert not labels - headers


# ---------------------------------------------------------------- broken rows


def test_broken_row_stops_everything(county, tmp_path):
    path = sheet(tmp_path / "broken.csv", 50, "停止项目", broken=(7, 20))
    before = county.psql("SELECT count(*), max(version) FROM registry.project")
    for args in ((), ("--commit",)):
        done = run(county, "chengguan", path, *args, code=7)
        summary = adds_up(done.json, rows=50, new=48, rejected=2, committed=False)
        assert [r["row"] for r in summary["rejections"]] == [9, 22]
        assert all("单元格" in r["message"] for r in summary["rejections"])
        assert done.error["code"] == "INVALID_ARGUMENT"
    assert county.psql("SELECT count(*), max(version) FROM registry.project") == before


def test_keep_going_takes_exactly_the_good_rows(county, tmp_path):
    path = sheet(tmp_path / "partly.csv", 40, "部分项目", broken=(3, 39))
    adds_up(run(county, "chengguan", path, "--commit", "--keep-going", code=9).json, new=38, rejected=2, committed=True)
    assert total(county, "--filter", "name~部分项目") == 38
    adds_up(run(county, "chengguan", path, "--commit", "--keep-going", code=9).json, new=0, unchanged=38, rejected=2)


@pytest.mark.parametrize("row, column, text, words", [
    ('坏行一,甲,约300,在谈,2026-03', "总投资(万元)", "约300", "约300"),
    ('坏行二,甲,300,在谈,2022.1', "签约日期", "2022.1", "2022.1"),
    ('坏行三,甲,300,谈着呢,2026', "阶段", "谈着呢", "谈着呢"),
    ('坏行四,甲,1-2,在谈,2026', "总投资(万元)", "1-2", "1-2"),
    ('坏行五,甲,0.0000001,在谈,2026', "总投资(万元)", "0.0000001", "0.0000001"),
    ('坏行六,甲,300,在谈', None, None, "4"),
    ('坏行七,"甲,300,在谈,2026', "投资方", None, "引号"),
    ('坏行八\u202e,甲,300,在谈,2026', "项目名称", None, "U+202E"),
])
def test_bad_cell_names_row_column_and_reason(county, tmp_path, row, column, text, words):
    head = "项目名称,投资方,总投资(万元),阶段,签约日期\n好的行甲,乙,1,在谈,2026\n"
    done = run(county, "chengguan", write(tmp_path / "bad.csv", head + row + "\n"), code=7)
    bad = done.json["rejections"]
    assert len(bad) == 1 and bad[0]["row"] == 3
    assert bad[0].get("column") == column
    assert text is None or bad[0]["text"] == text
    assert words in bad[0]["message"]


def test_rows_of_another_encoding_are_named(county, tmp_path):
    """Two offices' files pasted together: the odd row is blamed, with its place in the file; the copy of it is whole."""
    head, rows = "项目名称,投资方\n", ["混编项目甲,混编公司甲\n", "混编项目乙,混编公司乙\n", "混编项目丙,混编公司丙\n"]
    for odd, rest in (("gb18030", "utf-8"), ("utf-8", "gb18030")):
        path = tmp_path / f"{rest}.csv"
        parts = [head.encode(rest), rows[0].encode(rest), rows[1].encode(odd), rows[2].encode(rest)]
        path.write_bytes(b"".join(parts))
        bad = adds_up(run(county, "chengguan", path, "--report", tmp_path / "copy.csv", code=7).json, rows=3, rejected=1, new=2)["rejections"]
        assert (bad[0]["row"], bad[0]["column"]) == (3, "项目名称")
        assert f"文件第 {len(parts[0] + parts[1])} 字节" in bad[0]["message"] and odd.upper() in bad[0]["message"], bad
        kept = (tmp_path / "copy.csv").read_bytes().split(b"\n")
        assert kept[2].startswith(parts[2].rstrip(b"\n") + b",") and kept[1] == parts[1].rstrip(b"\n") + b","
    for code in ("utf-16-le", "utf-16-be"):
        (tmp_path / "wide.csv").write_bytes((head + "".join(rows)).encode(code))
        adds_up(run(county, "chengguan", tmp_path / "wide.csv").json, rows=3, new=3)


def test_undecodable_bytes_cost_one_row(county, tmp_path):
    good = "项目名称,投资方\n" + "".join(f"编码项目{i},编码公司{i}\n" for i in range(20))
    path = tmp_path / "bytes.csv"
    path.write_bytes(good.encode() + b"\xff\xfe,x\n" + "编码项目尾,编码公司\n".encode())
    bad = run(county, "chengguan", path, code=7).json
    adds_up(bad, rows=22, rejected=1, new=21)
    assert bad["rejections"][0]["row"] == 22 and bad["rejections"][0]["column"] == "项目名称"
    assert "0xFF" in bad["rejections"][0]["message"]


def test_nothing_is_sent_for_a_file_that_cannot_be_read(county, tmp_path):
    before = county.psql("SELECT count(*) FROM registry.import")
    plain = write(tmp_path / "plain.csv", "项目名称,投资方\n甲,乙\n")

    def error(path, *args, code=7):
        return run(county, "chengguan", path, *args, code=code).error

    assert "项目名称" in error(write(tmp_path / "a.csv", "项目名,投资方\n甲,乙\n"))["message"]
    mapping = write(tmp_path / "a.map", "[columns]\nname = 项目名\n")
    assert "项目名称" in error(plain, "--map", mapping)["message"]
    assert "amount_total" in error(plain, "--map", write(tmp_path / "b.map", "[columns]\namuont_total = 投资方\n"))["message"]
    assert "工作簿" in error(write(tmp_path / "a.xlsx", "PK\3\4rest"))["message"]
    error(tmp_path / "absent.csv")
    error(write(tmp_path / "empty.csv", ""))
    error(write(tmp_path / "header.csv", "项目名称,投资方\n"))
    error(plain, "--encoding", "klingon")
    error(plain, "--comit", code=2)
    error(plain, "--profile", "../x", code=2)
    assert county.psql("SELECT count(*) FROM registry.import") == before


# ---------------------------------------------------------------- again and again


def test_encodings_and_forms_are_one(county, tmp_path):
    """The same rows in four files: the first brings them, the others change nothing."""
    text = "项目名称,投资方,总投资(万元),签约日期\n形式项目一,形式公司,\"1,200\",2026年3月5日\n形式项目二,形式公司,１３００,2026.3.6\n"
    semi = "项目名称;投资方;总投资（元）;签约日期\r\n形式项目一;形式公司;12000000.00;2026/3/5\r\n形式项目二;形式公司;1300万;20260306\r\n"
    lines = ('{"name":"形式项目一","investor":"形式公司","amount_total":12000000,"signed_on":"2026-03-05"}\n'
             '{"name":"形式项目二","investor":"形式公司","amount_total":"1300万元","signed_on":"2026-03-06"}\n')
    adds_up(run(county, "dongshan", write(tmp_path / "a.csv", text, "gb18030"), "--commit").json, new=2)
    for path in (write(tmp_path / "b.csv", text, "utf-8-sig"), write(tmp_path / "c.csv", semi, "utf-16"),
                 write(tmp_path / "d.jsonl", lines)):
        adds_up(run(county, "dongshan", path, "--commit").json, unchanged=2)


def test_names_of_files_in_another_encoding(county, tmp_path):
    """As archives of other programs leave them: the file is taken, remembered and reported, its mapping too, however long their names."""
    name, mapping = (os.fsdecode(n.encode("gb18030")) for n in ("六月.csv", "读法.map"))
    write(tmp_path / mapping, "[columns]\nname = 名\ninvestor = 方\n")
    write(tmp_path / name, "名,方\n异名项目,异名公司\n")
    write(tmp_path / ("长" * 80 + ".map"), "[columns]\nname = 名\ninvestor = 方\n")
    for words in (("--map", tmp_path / mapping), ("--map", tmp_path / ("长" * 80 + ".map")), ("--map", tmp_path / mapping, "--commit")):
        done = run(county, "fagai", tmp_path / name, *words)
        assert done.json["file"] == r"\xc1\xf9\xd4\xc2.csv"
    assert "导入方案" in done.stderr and "未能" not in done.stderr
    adds_up(run(county, "fagai", tmp_path / name).json, unchanged=1)


def test_export_comes_back_unchanged(new_county, tmp_path):
    county = new_county()
    write(tmp_path / "odd.csv", '项目名称,投资方,建设内容,联系电话,标签\n"=1+1",甲公司,"一行\n""二""行, 三",+86 10 1234,大、链\n'
                                "'=x,乙公司,@SUM(A1),-5,新\n")
    run(county, "bureau", tmp_path / "odd.csv", "--commit")
    n = total(county)
    assert n > 60
    for name, form in (("all.csv", "csv"), ("all.jsonl", "jsonl")):
        county.qipan("bureau", "-o", form, "export", tmp_path / name, ok=True)
        adds_up(run(county, "bureau", tmp_path / name, "--commit").json, rows=n, unchanged=n)
    body = (tmp_path / "all.csv").read_bytes()
    assert body.startswith(b"\xef\xbb\xbf")
    cells = [cell for row in csv.reader(io.StringIO(body.decode("utf-8-sig"))) for cell in row]
    assert not [cell for cell in cells if cell and cell[0] in "=+-@\t\r"], "nothing a spreadsheet would run"
    assert "'=1+1" in cells and "'+86 10 1234" in cells


def test_an_odd_export_comes_back_unchanged(new_county, tmp_path):
    """A name that looks like a shortened number; a currency as older clients wrote it; headings in English."""
    county = new_county("--bare")
    for name in ("9.13E+17", "'9.13E+18", "旧币项目"):
        county.qipan("bureau", "project", "add", f"name={name}", f"investor=投资{name}", "amount_total=5亿元", ok=True)
    county.psql("UPDATE registry.project SET currency = 'RMB' WHERE name = '旧币项目'")
    for lang in ("zh", "en"):
        for name in ("all.csv", "all.xlsx", "all.jsonl"):
            county.qipan("bureau", "--lang", lang, "export", tmp_path / name, ok=True)
            adds_up(run(county, "bureau", tmp_path / name, "--commit").json, rows=3, unchanged=3)
    text = (tmp_path / "all.csv").read_text(encoding="utf-8-sig")
    bad = write(tmp_path / "saved.csv", text.replace("'9.13E+17", "9.13E+17"))
    assert [r["text"] for r in run(county, "bureau", bad, code=7).json["rejections"]] == ["9.13E+17"], "as a spreadsheet program saves it"
    edited = write(tmp_path / "edited.csv", text.replace("500000000.00", "600000000.00"))
    adds_up(run(county, "bureau", edited, "--commit").json, updated=3)
    assert county.psql("SELECT currency FROM registry.project WHERE name = '旧币项目'") == [["RMB"]], "and nothing else was changed"


def test_an_edited_export_updates_what_was_edited(county, tmp_path):
    sheet(tmp_path / "a.csv", 5, "改名项目")
    run(county, "jingkai", tmp_path / "a.csv", "--commit")
    county.qipan("jingkai", "export", tmp_path / "b.csv", "--filter", "name~改名项目", ok=True)
    text = (tmp_path / "b.csv").read_text(encoding="utf-8-sig")
    edited = text.replace("改名项目2,", "改了名的项目2,").replace("40000.00", "50000.00")
    adds_up(run(county, "jingkai", write(tmp_path / "b.csv", edited, "utf-8-sig"), "--commit").json, updated=2, unchanged=3)


def test_a_cell_of_an_export_that_is_emptied(county, tmp_path):
    """It empties the field, unless that is a contact: a sheet shows those only to who may see them. What was empty all along says nothing."""
    text = "项目名称,投资方,总投资(万元),用地(亩),联系电话\n"
    made = write(tmp_path / "a.csv", text + "".join(f"清空项目{i},清空公司{i},{i + 1},{i + 5},0551-{i}\n" for i in range(4)))
    run(county, "jingkai", made, "--commit")
    county.qipan("jingkai", "export", tmp_path / "b.xlsx", "--filter", "name~清空项目", "--sort", "name", ok=True)
    book = openpyxl.load_workbook(tmp_path / "b.xlsx")
    sheet = book.active
    column = {cell.value: cell.column for cell in sheet[1]}
    row = {sheet.cell(r, column["项目名称"]).value: r for r in range(2, 6)}
    for name, label, value in (("清空项目0", "总投资(万元)", None), ("清空项目0", "联系电话", None), ("清空项目1", "用地(亩)", "无"), ("清空项目1", "建设内容", "—"), ("清空项目3", "建设内容", "-"),
                               ("清空项目2", "总投资(万元)", None)):
        sheet.cell(row[name], column[label]).value = value
    book.save(tmp_path / "b.xlsx")
    county.qipan("bureau", "project", "edit", sheet.cell(row["清空项目2"], column["项目编号"]).value, "amount_total=9亿元", ok=True)
    county.qipan("bureau", "project", "edit", sheet.cell(row["清空项目3"], column["项目编号"]).value, "summary=后来写的", ok=True)
    adds_up(run(county, "jingkai", tmp_path / "b.xlsx", "--commit", "--keep-going", code=9).json, updated=2, conflicts=2)
    county.qipan("jingkai", "export", tmp_path / "c.jsonl", "--filter", "name~清空项目", "--sort", "name", ok=True)
    got = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(p.get("amount_total"), p.get("land_mu"), p.get("contact_phone"), p.get("summary")) for p in got] == [
        (None, "5", "0551-0", None), ("20000.00", None, "0551-1", "—"), ("900000000.00", "7", "0551-2", None), ("40000.00", "8", "0551-3", "后来写的")]


def test_names_without_their_investors_are_asked_about(county, tmp_path):
    """A month's sheet of names and figures, or one that writes the investor otherwise, would make an office's projects a second time."""
    run(county, "jingkai", write(tmp_path / "a.csv", "项目名称,投资方,总投资(万元)\n同名阀门厂,同名阀门(集团)有限公司,1000\n同名皮革厂,,1000\n"), "--commit")
    text = "项目名称,投资方,总投资(万元)\n同名阀门厂,同名阀门公司,1001\n同名皮革厂,同名皮革有限公司,1001\n"
    said = county.qipan("jingkai", "import", write(tmp_path / "b.csv", text), ok=True).stdout
    assert said.count("同名,投资方不同或未填:若是同一个项目,请改为修改它(写项目编号 20") == 2, said


def test_a_row_speaks_of_the_project_it_names(county, tmp_path):
    """Rows with an id: other offices' rows may come back as they were, not changed; an unknown or repeated id is refused."""
    sheet(tmp_path / "a.csv", 3, "他人项目")
    run(county, "jingkai", tmp_path / "a.csv", "--commit")
    county.qipan("dongshan", "export", tmp_path / "b.csv", "--filter", "name~他人项目", ok=True)
    adds_up(run(county, "dongshan", tmp_path / "b.csv", "--commit").json, unchanged=3)
    text = (tmp_path / "b.csv").read_text(encoding="utf-8-sig")
    changed = write(tmp_path / "c.csv", text.replace("他人项目1,", "我的项目1,"), "utf-8-sig")
    bad = adds_up(run(county, "dongshan", changed, code=7).json, unchanged=2, rejected=1)
    assert [r["code"] for r in bad["rejections"]] == ["PERMISSION_DENIED"]
    head, first, *rest = text.splitlines(keepends=True)
    bad = run(county, "jingkai", write(tmp_path / "d.csv", head + first + "p404" + first[first.index(","):] + first), code=7).json
    assert [(r["row"], r["code"]) for r in bad["rejections"]] == [(3, "NOT_FOUND"), (4, "ALREADY_EXISTS")]
    by_number = json.dumps({"no": first.split(",")[1], "amount_total": "7亿元"})
    adds_up(run(county, "jingkai", write(tmp_path / "e.jsonl", by_number + "\n"), "--commit").json, updated=1)


def test_a_confirmed_mapping_reads_the_next_sheet(new_county, tmp_path):
    """Told once by --map, or found out and confirmed: the office's next sheet with these headings needs no word. The bureau shares one."""
    county = new_county()
    month = "工程,业主,规模(亿)\n%s,甲公司,%d\n"
    told = write(tmp_path / "月报.map", "[columns]\nname = 工程\ninvestor = 业主\namount_total = 规模(亿)\n[constants]\nstage = talks\n")
    first = write(tmp_path / "1月.csv", month % ("一月工程", 1))
    assert "1月.csv" in run(county, "dongshan", first, code=7).error["message"], "its headings mean nothing yet"
    run(county, "dongshan", first, "--map", told)
    assert run(county, "dongshan", first, code=7), "a preview confirms nothing"
    said = run(county, "dongshan", first, "--map", told, "--commit")
    assert "月报" in said.stderr and said.json["new"] == 1
    second = run(county, "dongshan", write(tmp_path / "2月.csv", month % ("二月工程", 2)), "--commit").json
    assert (second["new"], second["profile"]) == (1, "月报")
    made = county.qipan("dongshan", "-o", "json", "project", "list", "--filter", "name=二月工程", ok=True).json[0]
    assert (made["stage"], made["amount_total"]) == ("talks", "200000000.00")
    adds_up(run(county, "dongshan", first, "--commit").json, unchanged=1)
    assert run(county, "jingkai", first, code=7), "another office has not said what they mean"
    profile = county.qipan("dongshan", "-o", "json", "profile", "list", ok=True).json[0]
    assert (profile["name"], profile["office"], profile["shared"]) == ("月报", "dongshan", False)
    county.qipan("dongshan", "profile", "edit", profile["id"], "shared=true", ok=8)
    county.qipan("bureau", "profile", "edit", profile["id"], "shared=true", ok=True)
    assert run(county, "jingkai", write(tmp_path / "3月.csv", month % ("三月工程", 3))).json["profile"] == "月报"
    assert run(county, "jingkai", first, "--profile", "月报", code=None).json["profile"] == "月报"
    assert "qipan profile list" in run(county, "jingkai", first, "--profile", "年报", code=7).stderr
    # what the headings say by themselves is kept, too, for people to look at
    sheet(tmp_path / "自明.csv", 2, "自明项目")
    assert run(county, "jingkai", tmp_path / "自明.csv", "--commit").json["profile"] == "auto"
    kept = county.qipan("jingkai", "-o", "json", "profile", "list", "name=自明", ok=True).json[0]
    assert 'amount_total = "总投资(万元)" unit 万元' in kept["map"]
    adds_up(run(county, "jingkai", tmp_path / "自明.csv", "--commit").json, unchanged=2)
    assert len(county.qipan("bureau", "-o", "json", "profile", "list", ok=True).json) == 2
    # the bureau's own, which it shares, is told anew like any other
    for n in (1, 2):
        told = write(tmp_path / "县表.map", f"[columns]\nname = 名\ninvestor = 主\n[constants]\nsummary = 第{n}版\n")
        said = run(county, "bureau", write(tmp_path / "县.csv", f"名,主\n县表工程{n},甲公司\n"), "--map", told, "--commit")
        assert said.json["new"] == 1 and "县表" in said.stderr and "未能保存" not in said.stderr, said.stderr
        kept = county.qipan("bureau", "-o", "json", "profile", "list", "name=县表", ok=True).json
        assert [(p["shared"], f"第{n}版" in p["map"]) for p in kept] == [(n == 2, True)]
        county.qipan("bureau", "profile", "edit", kept[0]["id"], "shared=true", ok=True)
    # what is too long to be kept is told, and the import stands
    for n, size in enumerate((40_000, 200_000)):
        long = write(tmp_path / "长.map", "[columns]\nname = 工程\ninvestor = 业主\n" + "# 说明\n" * (size // 9))
        said = run(county, "dongshan", write(tmp_path / "长.csv", f"工程,业主,另{n}\n长表{n},甲公司,\n"), "--map", long, "--commit")
        assert said.json["new"] == 1 and "未能保存" in said.stderr, said.stderr


def test_a_column_left_out(county, tmp_path):
    """A column that is no field stops the sheet until somebody says that it may be left out; then nobody asks again."""
    path = write(tmp_path / "左列.csv", "项目名称,其中:固定资产投资(万元),领导包联情况\n留列一,5,张县长\n")
    assert "领导包联情况" in run(county, "dongshan", path, code=7).stderr
    assert "没有列" in run(county, "dongshan", path, "--without", "包联", code=7).stderr
    run(county, "dongshan", path, "--without", "领导包联情况", "--commit")
    made = county.qipan("dongshan", "-o", "json", "project", "list", "--filter", "name=留列一", ok=True).json[0]
    assert made["amount_fixed"] == "50000.00"
    next_month = write(tmp_path / "下月.csv", path.read_text() + "留列二,6,\n")
    adds_up(run(county, "dongshan", next_month).json, new=1, unchanged=1)
    run(county, "dongshan", path, "--without", "领导包联情况", "--profile", "左列", code=2)


def test_request_ids(county, tmp_path):
    path = sheet(tmp_path / "a.csv", 3, "编号项目")
    first = run(county, "dongshan", path, "--commit", "--request", "import-test-1").json
    second = run(county, "dongshan", path, "--commit", "--request", "import-test-1").json
    assert second["replayed"] and (first["id"], first["rev"], first["new"]) == (second["id"], second["rev"], second["new"])
    other = sheet(tmp_path / "b.csv", 4, "编号项目")
    assert run(county, "dongshan", other, "--commit", "--request", "import-test-1", code=6).error["code"] == "KEY_REUSED"


def test_more_rows_than_an_import_takes(county, tmp_path):
    error = run(county, "dongshan", sheet(tmp_path / "a.csv", 200001, "太多项目"), "--commit", code=7).error
    assert error["field"] == "rows" and "200000" in error["message"]


def test_report_appears_whole(county, tmp_path):
    path = sheet(tmp_path / "a.csv", 700, "报告项目", broken=(699,))
    report = tmp_path / "report.jsonl"
    run(county, "dongshan", path, "--report", report, code=7)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["row"] for line in lines] == list(range(2, 702))
    assert lines[-1]["verdict"] == "rejected" and lines[-1]["message"]
    assert [p.name for p in tmp_path.iterdir() if "report" in p.name] == ["report.jsonl"]
    run(county, "dongshan", path, "--report", tmp_path / "no/such/folder", code=7)


def test_report_that_cannot_be_written(county, tmp_path):
    path = sheet(tmp_path / "a.csv", 3, "报告不成项目")
    run(county, "dongshan", path, "--commit", "--report", tmp_path / "no/such/folder", code=7)
    assert total(county, "--filter", "name~报告不成项目") == 0
    done = run(county, "dongshan", path, "--commit", "--report", "/dev/full", code=1)
    assert done.json["committed"] and done.json["rev"] and "/dev/full" in done.error["message"]
    told = county.qipan("dongshan", "import", path, "--commit", "--report", "/dev/full", ok=1)
    assert "没有需要写入" in told.stdout and "/dev/full" not in told.stdout, "nobody is sent to a report that isn't there"
    assert "/dev/full" in told.stderr and f"batch rows {done.json['id'][0]}" in told.stderr
    link, kept = tmp_path / "link", tmp_path / "kept"
    kept.touch(0o600)
    link.symlink_to(kept)
    run(county, "dongshan", path, "--report", link)
    assert link.is_symlink() and kept.stat().st_mode & 0o777 == 0o600 and kept.read_text().count("\n") == 3


# ---------------------------------------------------------------- killed half-way


def test_killed_client_goes_on_where_it_stopped(county, tmp_path):
    rows = 6000
    path = sheet(tmp_path / "long.csv", rows, "中断项目")
    child = county.popen("dongshan", "import", path, "--commit")
    deadline = time.monotonic() + 60
    kept = 0
    while kept < 3 and time.monotonic() < deadline and child.poll() is None:
        kept = int(county.psql("SELECT count(*) FROM registry.import_chunk c JOIN registry.import i ON i.id = c.import "
                               "WHERE i.file_name = 'long.csv'")[0][0])
    child.kill()
    child.communicate()
    assert kept >= 3 and total(county, "--filter", "name~中断项目") == 0
    report = tmp_path / "report.jsonl"
    done = adds_up(run(county, "dongshan", path, "--commit", "--report", report).json, rows=rows, new=rows)
    assert total(county, "--filter", "name~中断项目") == rows
    assert county.psql("SELECT count(*) FROM registry.import WHERE file_name = 'long.csv'") == [["1"]]
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert len({line["project"] for line in lines}) == rows and all(line["verdict"] == "new" for line in lines)
    adds_up(run(county, "dongshan", path, "--commit").json, unchanged=rows)
    assert done["rev"]


def judging_stands_still(county, seconds):
    """From now on a sheet with the investor 慢 takes so long to judge."""
    county.psql("CREATE OR REPLACE FUNCTION registry.import_alike() RETURNS void LANGUAGE plpgsql AS $$ "
                f"BEGIN PERFORM pg_sleep({seconds}) FROM draft WHERE investor_key = '慢'; END $$")


def is_judging(county):
    return county.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == [["1"]]


def until(what, seconds=15):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_preview_ends_with_its_client(new_county, tmp_path):
    """Who was killed while his preview was judged keeps nobody waiting, nor does one whose deadline is over; a commit goes on."""
    county = new_county("--bare")
    judging_stands_still(county, 100)
    slow = write(tmp_path / "slow.csv", "项目名称,投资方\n慢项目,慢\n")
    child = county.popen("chengguan", "import", slow)
    behind = county.popen("chengguan", "import", write(tmp_path / "behind.csv", "项目名称,投资方\n另一慢项目,慢\n"))
    until(lambda: is_judging(county))
    until(lambda: county.psql("SELECT count(*) FROM registry.import_chunk") == [["2"]])
    child.kill()
    behind.kill()
    adds_up(run(county, "dongshan", sheet(tmp_path / "other.csv", 3, "别镇项目"), timeout=20).json, rows=3, new=3)
    assert not is_judging(county)

    peer = county.peer("chengguan")
    batch = county.psql("SELECT id FROM registry.import WHERE file_name = 'slow.csv'")[0][0]
    with pytest.raises(Refused) as e:
        peer.do("import_judge", id=batch, deadline_ms=1000)
    assert e.value.code == "DEADLINE_EXCEEDED"
    until(lambda: not is_judging(county))

    peer.start("import_judge", id=batch)
    until(lambda: is_judging(county))
    peer.link.close()  # nothing is on its way to it that its system could refuse
    until(lambda: not is_judging(county), 8)

    peer = county.peer("chengguan")
    judging_stands_still(county, 4)
    peer.start("import_commit", id=batch)
    until(lambda: is_judging(county))
    peer.link.close()
    until(lambda: total(county) == 1)


def test_half_closed_peer_has_its_preview(new_county, tmp_path):
    """Who says no more may still read: his preview goes on."""
    county = new_county("--bare")
    judging_stands_still(county, 4)
    path = write(tmp_path / "slow.csv", "项目名称,投资方\n慢项目,慢\n")
    run(county, "chengguan", path)
    batch = county.psql("SELECT id FROM registry.import")[0][0]
    peer = county.peer("chengguan")
    started = peer.start("import_judge", id=batch)
    until(lambda: is_judging(county))
    socket.socket.shutdown(peer.link.tls, socket.SHUT_WR)
    peer.link.send = lambda frame: None  # no answer to pings
    assert peer.finish(started).added == 1


def test_killed_daemon_in_the_middle(new_county, tmp_path):
    """The daemon dies while rows go up and is started again: the client goes on by itself, every row is there once."""
    county = new_county("--bare")
    path = sheet(tmp_path / "long.csv", 4000, "断线项目")
    child = county.popen("dongshan", "-o", "json", "import", path, "--commit")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        if int(county.psql("SELECT count(*) FROM registry.import_chunk")[0][0]) >= 2:
            break
    county.kill()
    time.sleep(0.5)
    county.start()
    out, err = child.communicate(timeout=240)
    assert child.returncode == 0, err
    adds_up(json.loads(out), new=4000, committed=True)
    assert total(county) == 4000
