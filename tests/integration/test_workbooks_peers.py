# SPDX-License-Identifier: Apache-2.0
"""The reader of workbooks against openpyxl, cell by cell, value and type: workbooks of every writer that is here, and every
workbook on this machine (`pytest -s` prints the list). A difference has a name below, or is a failure."""
import collections
import datetime
import decimal
import os
import pathlib
import random
import re
import shutil
import subprocess
import warnings

import openpyxl
import pytest

from conftest import BUILD, SEED, SLOW, TOP
from workbook import see

DATA = pathlib.Path(os.environ.get("QIPAN_TEST_DATA", TOP.parent / "shared/data"))
SPAN = re.compile(r"\[(h+|m+|s+)\]", re.I)
EPOCH = datetime.datetime(1899, 12, 30)
MONTH = re.compile(r"^\d{4}(-\d\d)?$")

pytestmark = pytest.mark.filterwarnings("ignore")


def unescape(text):
    """openpyxl leaves _x000D_ as it stands, but takes x005F_ away."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda m: m[0] if m[1] == "0000" else chr(int(m[1], 16)), text)


def same_number(text, number):
    """A whole number as it is, others to 15 digits. Between two of them it may be either: a digit more decides, or the binary number."""
    if isinstance(number, int):
        return text == str(number)
    ours, theirs = decimal.Decimal(text), decimal.Decimal(repr(number))
    return len(ours.normalize().as_tuple().digits) <= 15 and abs(ours - theirs) <= decimal.Decimal("0.51").scaleb(theirs.adjusted() - 14) and "E" not in text


def moment(text):
    """Of ours, as a datetime; a time is on day 0."""
    if MONTH.match(text):
        text += "-01" if "-" in text else "-01-01"
    if re.match(r"^\d\d:", text):
        text = "1899-12-30 " + text
    return datetime.datetime.fromisoformat(text)


def as_moment(value):
    if isinstance(value, datetime.datetime):
        return value
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time())
    return EPOCH + datetime.timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)


def differs(ours, cell):
    """None when both mean the same, else what for."""
    (kind, text), value = ours, cell.value
    if value is None or value == "":
        return None if kind == "empty" else "formula without a value: openpyxl shows none" if kind == "no value" else "openpyxl has nothing"
    if kind == "date" and text in ("1900-01-00", "1900-02-29"):
        return "days that only Excel has"
    if text == "########" and kind == "error":
        return "a date no calendar has"
    if kind == "number" and SPAN.search(cell.number_format):
        return "a span of time, which openpyxl takes for a date"
    if cell.data_type == "e":
        return None if (kind, text) == ("error", value) else "error"
    if isinstance(value, bool):
        return None if (kind, text) == ("bool", str(value).lower()) else "bool"
    if isinstance(value, (datetime.date, datetime.time)):
        if kind == "number":
            return "openpyxl: a date; the format has no date in its first section" if ";" in cell.number_format else "number, not date"
        if kind != "date":
            return "date"
        if isinstance(value, datetime.time) and text.startswith("1904-01"):
            return "the first day of the other calendar"
        away = abs((moment(text) - as_moment(value)).total_seconds())
        return None if away <= 1 else "a day before March 1900" if as_moment(value) < datetime.datetime(1900, 3, 2) and away <= 86401 else "date"
    if isinstance(value, (int, float)):
        if kind == "date":
            return "built-in date formats of Chinese programs" if cell.number_format == "General" else "date, not number"
        return None if kind == "number" and same_number(text, value) else "number"
    return None if kind == "text" and text in (unescape(value), value) else "text"


EXPLAINED = {"the first day of the other calendar", "a span of time, which openpyxl takes for a date", "formula without a value: openpyxl shows none", "days that only Excel has", "a date no calendar has", "a day before March 1900",
             "built-in date formats of Chinese programs"}


def compare_sheet(path, name, sheet, found):
    seen = see(path, name)
    assert seen.why is None, (path, name, seen.why)
    assert not seen.bad, (path, name, seen.bad)
    sheet.reset_dimensions()
    cells = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        ours = seen.rows.pop(number, [])
        for column, cell in enumerate(row):
            mine = ours[column] if column < len(ours) else ("empty", "")
            what = differs(mine, cell)
            assert what is None or what in EXPLAINED, (what, mine, cell.value, cell.data_type, cell.number_format, number, column, name, str(path))
            found[what] += what is not None
            cells += cell.value is not None
        assert all(kind == "empty" for kind, _ in ours[len(row):]), (path, name, number, ours[len(row):])
    assert not seen.rows, (path, name, seen.rows)
    return cells


def compare(path):
    """How many cells there were, and the explained differences."""
    found = collections.Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheets = [s for s in book.worksheets if hasattr(s, "iter_rows")]
        seen = see(path, "1")
        assert [name for name, _ in seen.book["sheets"]] == [s.title for s in sheets], path
        assert [hidden for _, hidden in seen.book["sheets"]] == [s.sheet_state != "visible" for s in sheets], path
        cells = sum(compare_sheet(path, s.title, s, found) for s in sheets)
    book.close()
    return cells, dict(found)


def compare_outline(path):
    """Merged cells, hidden rows and columns; openpyxl needs the whole workbook in memory for them."""
    book = openpyxl.load_workbook(path)
    for sheet in book.worksheets:
        seen = see(path, sheet.title)
        merges = sorted([m.min_row, m.max_row - m.min_row + 1, m.min_col - 1, m.max_col - m.min_col + 1] for m in sheet.merged_cells.ranges if m.size["rows"] * m.size["columns"] > 1)
        assert seen.book["merges"] == merges, (path, sheet.title)
        hidden = {c - 1 for d in sheet.column_dimensions.values() if d.hidden for c in range(d.min or 0, (d.max or 0) + 1)}
        assert set(seen.book["hidden_columns"]) == {c for c in hidden if c < 512}, (path, sheet.title)
        assert set(seen.hidden) == {r for r, d in sheet.row_dimensions.items() if d.hidden} & set(seen.rows), (path, sheet.title)


# ---------------------------------------------------------------- writers

def by_openpyxl(path, rng):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "表 <&> '一'"
    formats = ["General", "yyyy-mm-dd", 'yyyy"年"m"月"', "h:mm:ss", "[h]:mm", "#,##0.00", '"d"0', "[$-804]yyyy年m月d日", "@", "mm-dd-yy", "0%", "[Red]0;[Blue]-0"]
    makers = [lambda: rng.choice(["项目", " x ", "a\r\nb", "_x0041_", "=1+1", "#REF!", "true", "😀", "x" * 32767]), lambda: rng.random() < 0.5,
              lambda: rng.randrange(-10**15, 10**15), lambda: rng.uniform(0, 60000), lambda: rng.uniform(-1, 1) * 10.0 ** rng.randrange(-20, 20),
              lambda: datetime.datetime(1901, 1, 1) + datetime.timedelta(seconds=rng.randrange(5 * 10**9)), lambda: datetime.time(rng.randrange(24), rng.randrange(60), rng.randrange(60)),
              lambda: datetime.date(2000 + rng.randrange(50), 1, 1), lambda: datetime.timedelta(hours=rng.randrange(100)), lambda: None, lambda: 110101199001011234]
    for _ in range(300):
        cell = sheet.cell(rng.randrange(1, 60), rng.choice([rng.randrange(1, 20), 400]), rng.choice(makers)())
        if isinstance(cell.value, (int, float)) and not isinstance(cell.value, bool) and rng.random() < 0.5:
            cell.number_format = rng.choice(formats)
    for i in range(4):
        sheet.merge_cells(start_row=70 + 5 * i, end_row=70 + 5 * i + rng.randrange(4), start_column=1, end_column=1 + rng.randrange(1, 5))
        sheet.cell(70 + 5 * i, 1, "合并")
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["C"].hidden = True
    book.create_sheet("藏").sheet_state = "veryHidden"
    book.create_sheet("公式")["B2"] = "=SUM(A1:A9)"
    if rng.random() < 0.5:
        book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.save(path)


def by_libxlsxwriter(path, rng):
    subprocess.run([BUILD / "tests/write_xlsx", path, str(rng.randrange(1 << 30)), "60", "20", *rng.choice([[], ["inline"]])], check=True)


WRITERS = {"openpyxl": by_openpyxl, "libxlsxwriter": by_libxlsxwriter}


@pytest.fixture(scope="module", autouse=True)
def tools():
    tools = [BUILD / "tests" / t for t in ("show_grid", "write_xlsx")]
    if not all(t.exists() for t in tools):
        subprocess.run(["make", "-s", "-C", TOP, *(["SAN=1"] if SLOW > 1 else []), *(t.relative_to(TOP) for t in tools)], check=True)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("n", range(3))
def test_generated_workbooks(tmp_path, writer, n):
    path = tmp_path / "a.xlsx"
    WRITERS[writer](path, random.Random(f"{SEED}-{writer}-{n}"))
    cells, found = compare(path)
    compare_outline(path)
    print(writer, cells, "cells", found)
    assert cells > 100


@pytest.mark.parametrize("writer", WRITERS)
def test_saved_again_by_gnumeric(tmp_path, writer):
    """As .xlsx; and as .xls and .ods, which come back by the converter."""
    WRITERS[writer](tmp_path / "a.xlsx", random.Random(f"{SEED}-{writer}"))
    for type_, name in (("xlsx2", "b.xlsx"), ("xlsx", "c.xlsx")):
        subprocess.run(["ssconvert", f"--export-type=Gnumeric_Excel:{type_}", "a.xlsx", name], cwd=tmp_path, check=True, capture_output=True)
        print(writer, "by ssconvert:", *compare(tmp_path / name))
    for type_, name in (("Gnumeric_Excel:excel_biff8", "b.xls"), ("Gnumeric_OpenCalc:odf", "b.ods")):
        subprocess.run(["ssconvert", f"--export-type={type_}", "b.xlsx", name], cwd=tmp_path, check=True, capture_output=True)
        subprocess.run(["ssconvert", "--export-type=Gnumeric_Excel:xlsx2", name, "back.xlsx"], cwd=tmp_path, check=True, capture_output=True)
        ours, theirs = ({(row, i): cell for row, cells in see(tmp_path / n, "1").rows.items() for i, cell in enumerate(cells)}
                        for n in (name, "back.xlsx"))
        # ssconvert itself gives of one .ods now an error, now nothing, and then not the empty cells before it either
        told = {i: cell for i, cell in ours.items() if cell[0] not in ("error", "empty")}
        same = sum(cell == theirs.get(i) for i, cell in told.items())
        assert same > 100 and same > 0.97 * len(told), (name, same, len(told))


def test_saved_again_by_libreoffice(tmp_path):
    if not shutil.which("soffice"):
        print("soffice is not installed: LibreOffice's workbooks are not compared")
        return
    by_libxlsxwriter(tmp_path / "a.xlsx", random.Random(SEED))
    subprocess.run(["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", "--convert-to", "xlsx", "--outdir", tmp_path / "out", "a.xlsx"],
                   cwd=tmp_path, check=True, capture_output=True, timeout=120)
    print("by LibreOffice:", *compare(tmp_path / "out/a.xlsx"))


# ---------------------------------------------------------------- what is here

def found_here(most=200):
    """Every .xlsx of this machine that openpyxl opens, the folder of test data first; bounded."""
    places = [DATA, pathlib.Path("/usr"), pathlib.Path("/opt"), pathlib.Path("/var/lib")]
    for place in places:
        for folder, _, names in os.walk(place):
            for name in sorted(names):
                if name.lower().endswith((".xlsx", ".xlsm", ".xltx")) and most > 0:
                    most -= 1
                    yield pathlib.Path(folder, name)


def test_every_workbook_on_this_machine():
    for path in found_here():
        print(path, path.stat().st_size, "bytes:", *compare(path))
