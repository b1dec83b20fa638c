# SPDX-License-Identifier: Apache-2.0
"""The reader of workbooks: what it makes of every kind of cell, which files it refuses, and whether it agrees with openpyxl."""
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import time
import zipfile

import pytest

from conftest import BUILD, SEED, SLOW, TOP
from workbook import MAIN, RELS, STRICT, make, parts, run, see, sheet_xml, write

DATA = pathlib.Path(os.environ.get("QIPAN_TEST_DATA", TOP.parent / "shared/data"))


@pytest.fixture(scope="module", autouse=True)
def tool():
    if not (BUILD / "tests/show_grid").exists():
        subprocess.run(["make", "-s", "-C", TOP, *(["SAN=1"] if SLOW > 1 else []), BUILD.relative_to(TOP) / "tests/show_grid"], check=True)


@pytest.fixture
def book(tmp_path):
    return lambda *args, **how: make(tmp_path / "a.xlsx", *args, **how)


# ---------------------------------------------------------------- cells

def test_texts(book):
    seen = see(book('<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c><c r="D1" t="s"><v>3</v></c>'
                    '<c r="E1" t="inlineStr"><is><t>直</t><rPh sb="0" eb="1"><t>zhi</t></rPh></is></c>'
                    '<c r="F1" t="inlineStr"><is><r><rPr><b/></rPr><t>粗</t></r><r><t xml:space="preserve"> 细</t></r></is></c>'
                    '<c r="G1" t="str"><f>A1&amp;"x"</f><v>共享x_x000D_</v></c></row>',
                    strings=["共享", "<si><r><t>富</t></r><r><rPr><b/></rPr><t>文本</t></r><rPh sb='0' eb='1'><t>fu</t></rPh><phoneticPr fontId='1'/></si>",
                             "a_x000D_\n&lt;&amp;b _x005F_x000D_", "<si><t xml:space='preserve'>  两端  </t></si>", "<si/>"]))
    assert seen.rows == {1: [("text", t) for t in ["共享", "富文本", "a\r\n<&b _x000D_", "  两端  ", "直", "粗 细", "共享x\r"]]}


def test_numbers_dates_and_the_rest(book):
    seen = see(book('<row r="2"><c r="A2"><v>2022.1</v></c><c r="B2"><v>3.5000000000000003E-2</v></c><c r="C2" s="5"><v>1.5E8</v></c>'
                    '<c r="D2" s="1"><v>44931</v></c><c r="E2" s="2"><v>44931.354166666664</v></c><c r="F2" s="3"><v>44652</v></c>'
                    '<c r="G2" s="4"><v>0.354166666666667</v></c><c r="H2" s="6"><v>1.5</v></c><c r="I2" s="8"><v>60</v></c><c r="J2" s="9"><v>44653</v></c>'
                    '<c r="K2" t="b"><v>1</v></c><c r="L2" t="b"><v>0</v></c><c r="M2" t="e"><v>#REF!</v></c><c r="N2" t="d"><v>2023-01-05T00:00:00</v></c>'
                    '<c r="O2"><f>SUM(A1:A2)</f><v>3</v></c><c r="P2"><f>SUM(A1:A2)</f></c><c r="Q2"><f>SUM(A1:A3)</f><v></v></c>'
                    '<c r="R2" t="str"><f>""</f><v></v></c><c r="S2" s="1"><v>-5</v></c><c r="T2" s="1"/><c r="U2" t="n"><v>7</v></c></row>'))
    assert seen.rows == {2: [
        ("number", "2022.1"), ("number", "0.035"), ("number", "150000000"), ("date", "2023-01-05"), ("date", "2023-01-05 08:30:00"), ("date", "2022-04"),
        ("date", "08:30:00"), ("number", "1.5"), ("date", "1900-02-29"), ("date", "2022-04-02"), ("bool", "true"), ("bool", "false"), ("error", "#REF!"),
        ("date", "2023-01-05"), ("number", "3"), ("no value", "=SUM(A1:A2)"), ("no value", "=SUM(A1:A3)"), ("empty", ""), ("error", "########"),
        ("empty", ""), ("number", "7")]}


def test_1904(book):
    row = '<row r="1"><c r="A1" s="1"><v>43469</v></c><c r="B1" s="1"><v>0</v></c></row>'
    assert see(book(row, settings='<workbookPr date1904="1"/>')).rows == {1: [("date", "2023-01-05"), ("date", "1904-01-01")]}


def test_places(book):
    """Without r, with gaps, empty rows and cells, phantom ranges."""
    seen = see(book('<row><c><v>1</v></c><c/><c><v>3</v></c></row><row r="5" hidden="1"><c r="C5"><v>5</v></c><c><v>6</v></c></row>'
                    '<row r="6"/><row r="7"><c r="XFD7" s="2"/></row><row><c r="B8"><v>8</v></c></row><row r="1048576"><c r="A1048576" s="1"/></row>',
                    before='<dimension ref="A1:XFD1048576"/><cols><col min="2" max="3" hidden="1"/><col min="5" max="16384" hidden="0"/></cols>'))
    assert seen.texts() == {1: ["1", "", "3"], 5: ["", "", "5", "6"], 8: ["", "8"]}
    assert seen.hidden == [5] and seen.book["hidden_columns"] == [1, 2]


MERGES = '<mergeCells count="3"><mergeCell ref="B2:C3"/><mergeCell ref="A1:C1"/><mergeCell ref="D9"/></mergeCells>'
# Whoever looks for the end of the rows without knowing XML finds other merged cells, and a whole document.
TRICK = '<?x </sheetData><mergeCells><mergeCell ref="Y1:Z9"/></mergeCells><extLst><![CDATA[ ?>'


@pytest.mark.parametrize("inside", ["", "<!-- </sheetData> -->", "<?x </sheetData>?>", '<row r="2"><c r="A2" t="inlineStr"><is><t><![CDATA[</sheetData>]]></t></is></c></row>',
                                    '<row r="2">' + "<c><v>1</v></c>" * 400 + "</row>", TRICK],
                         ids=["plain", "comment", "instruction", "cdata", "long", "trick"])
def test_merges_are_known_before_the_rows(book, inside):
    seen = see(book(f'<row r="1"><c r="A1"><v>1</v></c></row>{inside}', after=MERGES + "<extLst><![CDATA[ ]]></extLst>"))
    assert seen.book["merges"] == [[1, 1, 0, 3], [2, 2, 1, 2]]
    assert seen.texts()[1] == ["1"]


def test_prefixes_and_unknown_elements(book):
    xml = (f'<x:worksheet xmlns:x="{MAIN}" xmlns:y="urn:y"><y:sheetData><y:row r="9"/></y:sheetData><x:sheetData y:a="1"><x:row r="1"><x:c r="A1" t="inlineStr">'
           '<y:v>9</y:v><x:is><x:t>好</x:t></x:is><x:extLst><x:v>8</x:v></x:extLst></x:c></x:row></x:sheetData >'
           '<x:mergeCells><x:mergeCell ref="A1:B1"/></x:mergeCells></x:worksheet>')
    seen = see(book(sheets=[("a", "", "worksheet", xml)]))
    assert seen.rows == {1: [("text", "好")]} and seen.book["merges"] == [[1, 1, 0, 2]]


def test_strict(book):
    main, rels = STRICT
    assert see(book('<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" s="1"><v>44931</v></c></row>', strings=["严"], main=main, rels=rels)).texts() == {1: ["严", "2023-01-05"]}


@pytest.mark.parametrize("code", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_encodings_of_parts(tmp_path, code):
    xml = sheet_xml('<row r="1"><c r="A1" t="inlineStr"><is><t>项目</t></is></c></row>', after=MERGES)
    xml = xml.replace('encoding="UTF-8"', f'encoding="{"UTF-16" if "16" in code else "UTF-8"}"')
    content = (b"\xfe\xff" if code == "utf-16-be" else b"") + xml.encode(code)
    found = parts() | {"xl/sheets/1.xml": content}
    seen = see(write(tmp_path / "a.xlsx", found))
    assert seen.texts() == {1: ["项目"]} and len(seen.book["merges"]) == 2


# ---------------------------------------------------------------- sheets

def one(text):
    return sheet_xml(f'<row r="1"><c r="A1" t="inlineStr"><is><t>{text}</t></is></c></row>')


def test_choice_of_sheet(book, tmp_path):
    path = book(sheets=[("藏", ' state="hidden"', "worksheet", one("藏")), ("空", "", "worksheet", sheet_xml('<row r="1"><c r="A1" s="1"/></row>')),
                        ("图", "", "chartsheet", "<chartsheet/>"), ("2", "", "worksheet", one("数")), ("深藏", ' state="veryHidden"', "worksheet", one("深"))])
    seen = see(path)
    assert seen.book["sheets"] == [["藏", True], ["空", False], ["2", False], ["深藏", True]] and seen.book["chosen"] == 2
    for sheet, text in {"藏": "藏", "1": "藏", "2": "数", "4": "深", "深藏": "深"}.items():
        assert see(path, sheet).texts() == {1: [text]}, sheet
    assert "藏, 空, 2, 深藏" in see(path, "无").why and see(path, "0").why and see(path, "5").why
    empty = write(tmp_path / "b.xlsx", parts(sheets=[("a", "", "worksheet", sheet_xml()), ("b", ' state="hidden"', "worksheet", one("x"))]))
    assert "--sheet" in see(empty).why and see(empty, "a").rows == {}


def test_what_a_workbook_says_of_itself(book):
    seen = see(book('<row r="1"><c r="A1"><v>1</v></c></row>', names='<definedName name="_xlnm.Print_Area">A!$A$1</definedName>'
                    '<definedName name="qipan.other">表一!$A$1</definedName><definedName name="qipan.kind" hidden="1">"arri""val"</definedName>'))
    assert seen.book["kind"] == 'arri"val'


# ---------------------------------------------------------------- broken ones

@pytest.mark.parametrize("rows, word", [
    ('<row r="1"><c r="B1"><v>1</v></c><c r="A1"><v>1</v></c></row>', "A1"),
    ('<row r="1"><c r="B1"><v>1</v></c><c r="B1"><v>1</v></c></row>', "B1"),
    ('<row r="1"><c r="B2"><v>1</v></c></row>', "B2"),
    ('<row r="2"><c r="A2"><v>1</v></c></row><row r="2"/>', "row 2 follows row 2"),
    ('<row r="2"/><row r="1"><c r="A1"/></row>', "row 1 follows row 2"),
    ('<row r="1048577"/>', "1048577"), ('<row r="x"/>', "row x"), ('<row r="0"/>', "row 0"),
    ('<row r="1"><c r="XFE1"><v>1</v></c></row>', "XFE1"), ('<row r="1"><c r="SS1"><v>1</v></c></row>', "SS1 holds something, but only 512"),
    ('<row r="1"><c r="A1" t="s"><v>0</v></c></row>', "A1 means text 0 of 0"), ('<row r="1"><c r="A1" t="s"><v>-1</v></c></row>', "A1 means"),
    ('<row r="1"><c r="A1"><v>1</v></row>', "line 1"), ('<row r="1"><c r="A1" t="inlineStr"><is><t>\x01</t></is></c></row>', "line 1"),
    ('<row r="1"><c r="A1" t="inlineStr"><is><t>&unknown;</t></is></c></row>', "line 1"),
    ('<row r="1"><c r="A1" t="inlineStr"><is><t>' + "x" * 140000 + "</t></is></c></row>", "no cell holds"),
    ("<row>" + "<a>" * 200 + "</a>" * 200 + "</row>", "100 deep"),
    ('<row r="1" a="' + "x" * 500000 + '"/>', "without end"),
], ids=lambda value: value[:40])
def test_broken_sheets_are_named(book, rows, word):
    seen = see(book(rows))
    assert word in (seen.why or ""), seen.why


def test_a_broken_cell_costs_its_row_only(book):
    seen = see(book('<row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>x1</v></c></row><row r="2"><c r="A2"><v>2</v></c></row><row r="3"><c r="A3" t="d"><v>今天</v></c></row>'
                    + '<row r="4">' + "".join(f'<c t="s"><v>0</v></c>' for _ in range(12)) + '</row><row r="5"><c t="s"><v>0</v></c></row>', strings=["文" * 40000]))
    assert seen.bad.keys() == {1, 3, 4} and "x1" in seen.bad[1] and "1048576" in seen.bad[4]
    assert seen.texts()[2] == ["2"] and len(seen.texts()[5][0]) == 40000


# ---------------------------------------------------------------- hostile ones

def directory(path):
    """The bytes of a zip file: members, directory, end record."""
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    start = struct.unpack("<I", data[end + 16:end + 20])[0]
    return data[:start], data[start:end], data[end:]


def bomb(path):
    """100 MB of blanks in a member that nobody would open."""
    write(path, parts() | {"xl/media/a.xml": b" " * 100_000_000})


def lying(path, size, real=40_000_000):
    """A sheet that is longer, or shorter, than the directory says."""
    write(path, parts(sheet_xml() + " " * real))
    members, names, end = directory(path)
    with zipfile.ZipFile(path) as archive:
        was = archive.getinfo("xl/sheets/1.xml").file_size
    assert struct.pack("<I", was) in names
    path.write_bytes(members.replace(struct.pack("<I", was), struct.pack("<I", size)) + names.replace(struct.pack("<I", was), struct.pack("<I", size)) + end)


def overlapping(path):
    """A hundred names for one member of 20 MB."""
    write(path, {"a": b"x" * 20_000_000} | parts())
    members, names, end = directory(path)
    length = names.index(b"PK\1\2", 4)
    first, rest = names[:length], names[length:]
    names = rest + b"".join(first[:46] + bytes([i]) + first[47:] for i in range(128, 228))
    count = struct.pack("<H", struct.unpack("<H", end[8:10])[0] + 99)
    path.write_bytes(members + names + end[:8] + count * 2 + struct.pack("<II", len(names), len(members)) + end[20:])


def crowd(path):
    write(path, parts() | {f"m/{i}": "" for i in range(10_000)})


def crowd_64(path):
    """A count of members that only the 64-bit record holds."""
    write(path, parts())
    members, names, end = directory(path)
    at = len(members) + len(names)
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 10_000_000, 10_000_000, len(names), len(members))
    path.write_bytes(members + names + record + b"PK\6\7" + struct.pack("<IQI", 0, at, 1) + end[:8] + b"\xff" * 12 + end[20:])


def link(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts().items():
            archive.writestr(name, content)
        info = zipfile.ZipInfo("xl/link")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")


def doctype(part, how):
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "ha"}">' for i in range(12))
    entity = {"laughs": laughs, "file": '<!ENTITY l11 SYSTEM "file:///etc/passwd">', "none": ""}[how]

    def build(path):
        found = parts('<row r="1"><c r="A1" t="s"><v>0</v></c></row>', strings=["x"])
        body = found[part].replace('<?xml version="1.0" encoding="UTF-8"?>', "").replace(">x<", ">&l11;<" if entity else ">x<")
        write(path, found | {part: f"<!DOCTYPE x [{entity}]>{body}"})
    return build


def encrypted(path):
    data = bytearray(parts_bytes(path))
    for at in range(len(data) - 8):
        if data[at:at + 4] == b"PK\1\2":
            data[at + 8] |= 1
        elif data[at:at + 4] == b"PK\3\4":
            data[at + 6] |= 1
    path.write_bytes(data)


def parts_bytes(path):
    return write(path, parts('<row r="1"><c r="A1"><v>1</v></c></row>')).read_bytes()


def cut(share):
    return lambda path: path.write_bytes(parts_bytes(path)[:int(len(parts_bytes(path)) * share)])


def many_bombs(path):
    """Members that each are small enough, 200 MB together, of nothing."""
    write(path, parts() | {f"xl/sheets/x{i}.xml": b" " * 20_000_000 for i in range(10)})


HOSTILE = {
    "bombs": (many_bombs, "zip bomb"),
    "bomb": (bomb, "zip bomb"), "overlap": (overlapping, "overlap"), "crowd": (crowd, "4096 members"), "crowd64": (crowd_64, "4096 members"),
    "shorter": (lambda path: lying(path, 1000), "not as long"), "longer": (lambda path: lying(path, 30_000_000, 20_000_000), "not as long"),
    "huge": (lambda path: lying(path, 0xFFFFFFF0), "zip bomb"),
    "up": (lambda path: write(path, parts() | {"xl/../../../etc/x": ""}), "leads out"), "rooted": (lambda path: write(path, parts() | {"/etc/x": ""}), "leads out"),
    "backslash": (lambda path: write(path, parts() | {"..\\x": ""}), "leads out"), "link": (link, "leads out"),
    "twice": (lambda path: write(path, parts() | {"XL/workbook.xml": ""}), "two members"),
    **{f"{how}-{part[3:-4]}": (doctype(part, how), "document type") for part in ("xl/strings.xml", "xl/workbook.xml", "xl/sheets/1.xml", "xl/styles.xml") for how in ("laughs", "file", "none")},
    "encrypted": (encrypted, "password"), "lzma": (lambda path: write(path, parts(), zipfile.ZIP_LZMA), "packed"),
    "cut": (cut(0.5), "damaged or incomplete"), "cut-end": (cut(0.98), "damaged or incomplete"), "head": (lambda path: path.write_bytes(b"PK\3\4"), "damaged or incomplete"),
    "empty": (lambda path: write(path, {}), "workbook"), "archive": (lambda path: write(path, {"项目.csv": "a,b"}), "unpack it"),
    "document": (lambda path: write(path, parts() | {"xl/workbook.xml": "<w:document xmlns:w='urn:w'/>"}), "no workbook"),
    "binary": (lambda path: write(path, {k: v.replace("workbook.xml", "workbook.bin") for k, v in parts().items()}), ".xlsb"),
    "columns": (lambda path: make(path, '<row r="1">' + "<c><v>1</v></c>" * 16384 + "</row>"), "only 512"),
    "no-part": (lambda path: write(path, {k: v for k, v in parts().items() if k != "xl/sheets/1.xml"}), "has no xl/sheets/1.xml"),
    "outside": (lambda path: write(path, {k: v.replace('Target="sheets/1.xml"', 'Target="file:///etc/passwd" TargetMode="External"') for k, v in parts().items()}), "no sheet"),
    "above": (lambda path: write(path, {k: v.replace('Target="sheets/1.xml"', 'Target="../../../sheets/1.xml"') for k, v in parts().items()}), "no sheet"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_workbooks_are_refused_at_once(tmp_path, name):
    build, word = HOSTILE[name]
    build(tmp_path / "a.xlsx")
    (tmp_path / "tmp").mkdir()
    ran = run(tmp_path / "a.xlsx", env=os.environ | {"TMPDIR": str(tmp_path / "tmp")})
    assert ran.code and word in ran.out, ran
    assert ran.seconds < 2 * SLOW and (SLOW > 1 or ran.peak_mb < 64), ran
    assert os.listdir(tmp_path / "tmp") == []


def test_a_million_blank_rows(book):
    path = book("".join(f'<row r="{i}" spans="1:30" ht="15" customHeight="1"/>' for i in range(1, 1_000_001)) + '<row r="1000001"><c><v>1</v></c></row>')
    ran = run("--count", path)
    assert ran.code == 0 and '"rows":1,"cells":1,' in ran.out and ran.seconds < 2 * SLOW, ran


def test_damage_anywhere_is_never_taken_for_good(tmp_path):
    """Each byte of a small workbook in turn: refused, or the same cells."""
    rows = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1"><v>2022.1</v></c></row>'
    path = make(tmp_path / "a.xlsx", rows, strings=["项目"])
    good, want = path.read_bytes(), see(path).rows
    for at in random.Random(SEED).sample(range(len(good)), 150):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1:])
        seen = see(path)
        assert seen.why or seen.bad or seen.rows == want, at


# ---------------------------------------------------------------- workbooks of other programs

OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


def with_converter(tmp_path, *script):
    """Where ssconvert is this script, and nothing else is installed."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    if script:
        (tmp_path / "bin/ssconvert").write_text("#!/bin/sh\n" + "\n".join(script) + "\n")
        (tmp_path / "bin/ssconvert").chmod(0o755)
    return os.environ | {"PATH": str(tmp_path / "bin"), "TMPDIR": str(tmp_path / "tmp")}


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_gone(status):
    """Ended, though perhaps not buried yet."""
    try:
        return "\nState:\tZ" in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def old_book(tmp_path, stream="Workbook"):
    (tmp_path / "a.xls").write_bytes(OLD + stream.encode("utf-16-le") + bytes(70_000))
    return tmp_path / "a.xls"


@pytest.mark.parametrize("stream, word", [("EncryptedPackage", "password"), ("WordDocument", "text document"), ("Anything", "no workbook")])
def test_compound_files_are_told_apart(tmp_path, stream, word):
    assert word in see(old_book(tmp_path, stream)).why


@pytest.mark.parametrize("content", ["<html><table><tr><td>1</td></tr></table></html>", '\n <TABLE border="1">', "MIME-Version: 1.0\nX: y",
                                     '\ufeff<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>'])
def test_web_pages_under_the_name_of_a_workbook(tmp_path, content):
    (tmp_path / "a.xls").write_text(content)
    assert "save it as .xlsx" in see(tmp_path / "a.xls").why


@pytest.mark.parametrize("head, word", [
    (b"\x89PNG\r\n\x1a\n", "picture"), (b"\xff\xd8\xff\xe0\0\x10JFIF", "picture"), (b"GIF89a", "picture"), (b"BM\x36\x10\0\0\0\0\0\0", "picture"),
    (b"RIFF\x10\0\0\0WEBPVP8 ", "picture"), (b"\0\0\0\x18ftypheic", "picture"), (b"%PDF-1.7\n", "PDF"), (b"{\\rtf1\\ansi", "text document"),
    (b"Rar!\x1a\7\0", "unpack it"), (b"7z\xbc\xaf\x27\x1c", "unpack it"), (b"\x1f\x8b\x08\0", "unpack it")])
def test_what_is_no_sheet_is_called_by_its_name(tmp_path, head, word):
    (tmp_path / "a.xlsx").write_bytes(head + bytes(range(256)) * 300_000)
    ran = run(tmp_path / "a.xlsx")
    assert ran.code and word in ran.out and ran.seconds < 2 * SLOW and (SLOW > 1 or ran.peak_mb < 64), ran


@pytest.mark.parametrize("member, word", [("word/document.xml", "text document"), ("ppt/presentation.xml", "text document"), ("OFD.xml", "OFD")])
def test_documents_of_the_same_make(tmp_path, member, word):
    found = {k: v.replace("xl/workbook.xml", member) for k, v in parts().items()}
    assert word in see(write(tmp_path / "a.xlsx", found | {member: "<w:document xmlns:w='urn:w'/>"})).why


@pytest.mark.parametrize("name, content", [("a.xlsx", "a,b\n1,2\n"), ("a.csv", None), ("b.csv", "BM,MZ\n1,2\n")])
def test_bytes_decide_not_names(tmp_path, name, content):
    if content:
        (tmp_path / name).write_text(content)
    else:
        make(tmp_path / name, '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>')
    assert see(tmp_path / name).texts()[1][0] == (content or "a").split(",")[0]


def test_without_a_converter_there_is_a_hint(tmp_path):
    assert "gnumeric" in see(old_book(tmp_path), env=with_converter(tmp_path)).why


def test_a_converter_runs_apart(tmp_path):
    """Exact arguments, a folder and surroundings of its own, nothing inherited; what it leaves running is ended."""
    make(tmp_path / "made.xlsx", '<row r="1"><c r="A1"><v>7</v></c></row>')
    env = with_converter(tmp_path, f'echo "$@" "$HOME" "$SECRET" "$(ls)" "$(stat -c %a .)" >{tmp_path}/told', f"cp {tmp_path}/made.xlsx in.xlsx",
                         f"sleep 300 & echo $! >{tmp_path}/left")
    seen = see(old_book(tmp_path), env=env | {"SECRET": "1"})
    assert seen.texts() == {1: ["7"]}, seen.why
    told = (tmp_path / "told").read_text().split()
    assert told[:3] == ["--export-type=Gnumeric_Excel:xlsx2", "in.xls", "in.xlsx"] and told[3].startswith(str(tmp_path / "tmp/qipan.")) and told[4:] == ["in.xls", "700"]
    left = pathlib.Path("/proc", (tmp_path / "left").read_text().strip(), "status")
    wait_until(lambda: is_gone(left))
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_end_while_converting_leaves_nothing(tmp_path, how):
    env = with_converter(tmp_path, f"echo $$ >{tmp_path}/pid", "sleep 300")
    child = subprocess.Popen([BUILD / "tests/show_grid", old_book(tmp_path)], env=env, stdout=subprocess.PIPE,
                             preexec_fn=lambda: signal.signal(how, signal.SIG_DFL))  # a background shell has its programs ignore some
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    child.send_signal(how)
    child.communicate(timeout=20)
    assert child.returncode == -how and os.listdir(tmp_path / "tmp") == []
    assert not pathlib.Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


@pytest.mark.parametrize("script", ["exit 1", "exit 0", "ln -s /etc/passwd in.xlsx", "echo x >in.xlsx", "kill -9 $$"])
def test_a_converter_that_fails(tmp_path, script):
    assert see(old_book(tmp_path), env=with_converter(tmp_path, script)).why
    assert os.listdir(tmp_path / "tmp") == []


def test_the_plan_of_a_city():
    """Old .xls: 2022.04 once as a text and once as a number, errors, merged headers."""
    path = DATA / "cn-project-reserve-plan-template.xls"
    if not path.exists():
        pytest.skip(f"{path} is not here: QIPAN_TEST_DATA names the folder")
    seen = see(path, "项目总表")
    assert seen.book["sheets"] == [["汇总表", False], ["项目总表", False]] and [1, 1, 0, 38] in seen.book["merges"]
    cells = [cell for row in seen.rows.values() for cell in row]
    assert ("text", "2022.04") in cells and ("number", "2022.04") in cells


# ---------------------------------------------------------------- memory

COLUMNS, MANY = 10, 600_000


@pytest.fixture(scope="module")
def many_texts(tmp_path_factory):
    """600 000 cells, each with a text of its own: twice what stays in memory."""
    rows = "".join(f'<row r="{r + 1}">' + "".join(f'<c t="s"><v>{r * COLUMNS + c}</v></c>' for c in range(COLUMNS)) + "</row>" for r in range(MANY // COLUMNS))
    return make(tmp_path_factory.mktemp("many") / "a.xlsx", rows, strings=[f"第{i}个项目{i * 7919:019}" for i in range(MANY)])


def test_memory_does_not_grow_with_the_workbook(many_texts, tmp_path):
    ran = run("--count", many_texts, env=os.environ | {"TMPDIR": str(tmp_path)})
    assert f'"cells":{MANY}' in ran.out and (SLOW > 1 or ran.peak_mb < 30), ran
    assert os.listdir(tmp_path) == []
    for line in subprocess.run([BUILD / "tests/show_grid", many_texts], stdout=subprocess.PIPE, text=True).stdout.splitlines()[1::997]:
        row = json.loads(line)
        assert [t for _, t in row["cells"]] == [f"第{i}个项目{i * 7919:019}" for i in range((row["row"] - 1) * COLUMNS, row["row"] * COLUMNS)]


def test_a_full_disk_is_told(many_texts, tmp_path):
    """The texts that don't fit into memory have nowhere to go."""
    done = subprocess.run(["bash", "-c", 'ulimit -f 4000; trap "" XFSZ; exec "$0" --count "$1"', BUILD / "tests/show_grid", many_texts],
                          env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1 and f"need room in {tmp_path}" in done.stdout, done
    assert os.listdir(tmp_path) == []


def test_a_large_workbook_of_others():
    path = DATA / "koica-projects-1991-2008.xlsx"
    if not path.exists():
        pytest.skip(f"{path} is not here: QIPAN_TEST_DATA names the folder")
    ran = run("--count", path, "Data")
    assert '"rows":29550,"cells":585691' in ran.out and (SLOW > 1 or ran.peak_mb < 30), ran
