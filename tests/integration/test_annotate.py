# SPDX-License-Identifier: Apache-2.0
"""A copy of what somebody sent, with what is wrong at the right: of workbooks of several writers, of CSV in their encoding."""
import csv
import io
import shutil
import subprocess
import zipfile

import openpyxl
import pytest
from openpyxl.worksheet.table import Table

from conftest import BUILD

SAYS = ["3:2", "总投资:“约3亿”不是一个确切的数 <&>\"", "5", "日期\n写法不对"]
RED = "FFFFC7CE"


def annotate(path, to, header=2, column=-1, says=SAYS, sheet=0, code=0):
    done = subprocess.run([BUILD / "tests/annotate", path, to, str(sheet), str(header), str(column), *says], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done
    return done.stdout


def by_openpyxl(path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "在谈"
    sheet.append(["在谈项目进展表"])
    sheet.merge_cells("A1:D1")
    sheet.append(["序号", "项目名称", "总投资(万元)", "日期"])
    for i in range(6):
        sheet.append([i + 1, f"项目{i}", 100.5 * i, "2026-01"])
    sheet["B4"].font = openpyxl.styles.Font(bold=True)
    sheet["C3"].number_format, sheet["C3"].alignment = "#,##0.00", openpyxl.styles.Alignment(horizontal="center")
    sheet["C3"].border = openpyxl.styles.Border(left=openpyxl.styles.Side("thin"))
    sheet.conditional_formatting.add("C3:C8", openpyxl.formatting.rule.CellIsRule(operator="greaterThan", formula=["200"]))
    sheet.add_table(Table(displayName="t1", ref="A2:D8"))
    sheet.column_dimensions["E"].hidden = True
    book.create_sheet("别的")["A1"] = "=SUM(1,2)"
    book.save(path)


def converted(path, program, *words):
    if not shutil.which(program):
        pytest.skip(f"{program} is not here")
    first = path.parent / "by_openpyxl.xlsx"
    by_openpyxl(first)
    subprocess.run([program, *(str(w) for w in words)], cwd=path.parent, check=True, capture_output=True, timeout=120)


def by_gnumeric(path):
    converted(path, "ssconvert", "by_openpyxl.xlsx", path.name)


def by_libreoffice(path):
    (path.parent / "lo").mkdir()
    converted(path, "soffice", f"-env:UserInstallation=file://{path.parent}/profile", "--headless", "--convert-to", "xlsx", "--outdir", "lo", "by_openpyxl.xlsx")
    shutil.move(path.parent / "lo/by_openpyxl.xlsx", path)


def by_libxlsxwriter(path):
    subprocess.run([BUILD / "tests/write_xlsx", path, "7", "40", "6"], check=True, timeout=60)


def cells(path):
    """Of the first sheet: what each cell shows, and the style of each."""
    sheet = openpyxl.load_workbook(path).worksheets[0]
    return {c.coordinate: (c.value, c.number_format, c.font.b, c.data_type) for row in sheet.iter_rows() for c in row if c.value is not None}, sheet


def red_cells(sheet):
    return {c.coordinate for row in sheet.iter_rows() for c in row if c.fill.fgColor.rgb == RED}


@pytest.mark.parametrize("writer", [by_openpyxl, by_libxlsxwriter, by_gnumeric, by_libreoffice])
def test_a_workbook_gets_a_red_column_and_nothing_else(tmp_path, writer):
    path, copy = tmp_path / "sheet.xlsx", tmp_path / "copy.xlsx"
    writer(path)
    annotate(path, copy)
    old, before = cells(path)
    new, after = cells(copy)
    added = {k: v for k, v in new.items() if k not in old}
    assert {k: v for k, v in new.items() if k in old} == old
    column = openpyxl.utils.get_column_letter(max(before[k].column for k in old) + 1)
    assert {k: v[0] for k, v in added.items()} == {f"{column}2": "错误", f"{column}3": SAYS[1], f"{column}5": SAYS[3]}
    assert after[f"{column}3"].font.color.rgb == "FFC00000" and after.column_dimensions[column].width == 48
    assert not after.column_dimensions[column].hidden
    looks = [(repr(c.alignment), repr(c.border), repr(c.font), c.protection.locked) for c in (before["C3"], after["C3"])]
    assert looks[0] == looks[1], "the cell that is wrong is red, and as it was"
    assert red_cells(after) == {"C3", f"{column}2", f"{column}3", f"{column}5"}
    assert after.merged_cells.ranges == before.merged_cells.ranges and list(after.tables) == list(before.tables)
    with zipfile.ZipFile(path) as was, zipfile.ZipFile(copy) as now:
        assert now.testzip() is None and sorted(now.namelist()) == sorted(was.namelist())
        differ = [n for n in was.namelist() if was.read(n) != now.read(n)]
        assert all("styles" in n or "worksheets/" in n for n in differ) and len(differ) == 2, differ


def test_cells_that_are_not_there_may_be_wrong(tmp_path):
    """Left out by the file, with its row or alone; two of one style; the heading's row keeps its looks."""
    path, copy = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    book = openpyxl.Workbook()
    for row in (["名称", "投资", "日期"], ["甲"], ["乙", 5], ["丙", None, 7], ["丁", 8, 9]):
        book.active.append(row)
    book.save(path)
    annotate(path, copy, header=1, says=["2:1", "缺投资", "3:0", "改", "4:1", "缺", "5:0", "改", "9:2", "此行没有"])
    new, sheet = cells(copy)
    assert red_cells(sheet) == {"B2", "A3", "B4", "A5", "C9"} | {f"D{r}" for r in (1, 2, 3, 4, 5, 9)}
    assert {k: v for k, v in new.items() if not k.startswith("D")} == cells(path)[0]


def test_the_copy_of_a_copy_has_one_such_column(tmp_path):
    path, copy, third = tmp_path / "a.xlsx", tmp_path / "b.xlsx", tmp_path / "c.xlsx"
    by_openpyxl(path)
    annotate(path, copy)
    annotate(copy, third, column=4, says=["4", "又错了"])
    new, sheet = cells(third)
    assert [sheet.cell(r, 5).value for r in range(2, 6)] == ["错误", None, "又错了", None] and sheet.max_column == 5
    assert cells(path)[0] == {k: v for k, v in new.items() if not k.startswith("E")}


def test_an_office_program_opens_the_copy(tmp_path):
    if not shutil.which("soffice"):
        pytest.skip("soffice is not here")
    by_openpyxl(tmp_path / "a.xlsx")
    annotate(tmp_path / "a.xlsx", tmp_path / "b.xlsx")
    subprocess.run(["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76", "b.xlsx"], cwd=tmp_path,
                   check=True, capture_output=True, timeout=120)
    rows = list(csv.reader((tmp_path / "b.csv").open(encoding="utf-8")))
    assert rows[1][-1] == "错误" and rows[2][-1] == SAYS[1]


def test_rows_that_the_file_leaves_out_and_columns_without_names(tmp_path):
    """Writers may say neither rows nor cells by name, use a prefix, and hide all columns behind the last."""
    path, copy = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    by_openpyxl(tmp_path / "whole.xlsx")
    sheet = ('<?xml version="1.0" encoding="UTF-8"?><x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><x:dimension ref="A1"/>'
             '<x:cols><x:col min="1" max="1" width="9"/><x:col min="2" max="16384" width="1" hidden="1"/></x:cols><x:sheetData>'
             '<x:row/><x:row spans="1:2"><x:c t="inlineStr"><x:is><x:t>名称</x:t></x:is></x:c><x:c><x:v>5</x:v></x:c><x:c/><x:c/></x:row>'
             '<x:row r="8"><x:c r="B8"><x:v>1</x:v></x:c></x:row></x:sheetData></x:worksheet>')
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as whole, zipfile.ZipFile(path, "w") as out:
        for n in whole.namelist():
            if "tables" not in n and "rels/sheet1" not in n:
                out.writestr(n, sheet if n.endswith("sheet1.xml") else whole.read(n).replace(b'<Override PartName="/xl/tables/table1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.table+xml" />', b""))
    annotate(path, copy, header=1, says=["2", "甲", "5", "乙", "9", "丙"])
    after = openpyxl.load_workbook(copy).worksheets[0]
    assert [after.cell(r, 3).value for r in (1, 2, 5, 8, 9)] == ["错误", "甲", "乙", None, "丙"]
    assert (after["A2"].value, after["B2"].value, after["B8"].value) == ("名称", 5, 1)
    assert after.column_dimensions["C"].width == 48 and not after.column_dimensions["C"].hidden


def test_what_is_no_workbook_is_told(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"PK\3\4 rest")
    assert annotate(tmp_path / "a.xlsx", tmp_path / "b.xlsx", code=1).strip()
    by_openpyxl(tmp_path / "c.xlsx")
    assert annotate(tmp_path / "c.xlsx", tmp_path / "b.xlsx", sheet=9, code=1).strip()


@pytest.mark.parametrize("encoding, separator, end", [("utf-8", ",", "\n"), ("utf-8-sig", ";", "\r\n"), ("gb18030", "\t", "\r\n"), ("utf-16", ",", "\n")])
def test_a_text_keeps_its_bytes(tmp_path, encoding, separator, end):
    path, copy, third = tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.csv"
    rows = ["名称|总投资|日期", '甲|"1|2""三"|2026', "乙|3", "丙|4|2027", '"两' + end + '行"|5|2028']
    text = end.join(rows).replace("|", separator)
    path.write_bytes(text.encode(encoding))
    annotate(path, copy, header=1, sheet=separator, says=["2", "错,在\"此\"", "3", "=缺一格"])
    body = copy.read_bytes()
    kept = "utf-8-sig" if encoding == "utf-16" else encoding
    cells_of = list(csv.reader(io.StringIO(body.decode(kept), newline=""), delimiter=separator))
    assert [row[3:] for row in cells_of] == [["错误"], ["错,在\"此\""], ["'=缺一格"], [""], [""]]
    assert [row[:3] for row in cells_of] == [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)][:2] + [["乙", "3", ""]] + \
        [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)][3:]
    annotate(copy, third, header=1, sheet=separator, column=3, says=["4", "丙错"])
    again = list(csv.reader(io.StringIO(third.read_bytes().decode(kept), newline=""), delimiter=separator))
    assert [row[3:] for row in again] == [["错误"], [""], [""], ["丙错"], [""]]
