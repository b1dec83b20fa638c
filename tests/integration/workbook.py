# SPDX-License-Identifier: Apache-2.0
"""Workbooks made by hand, part by part, and what the reader sees of a file (tests/unit/show_grid)."""
import collections
import json
import subprocess
import zipfile

from conftest import BUILD

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT = ("http://purl.oclc.org/ooxml/spreadsheetml/main", "http://purl.oclc.org/ooxml/officeDocument/relationships")
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
DATE_STYLES = "".join(f'<numFmt numFmtId="{164 + i}" formatCode="{code}"/>' for i, code in enumerate(
    ["yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;", "[$-804]yyyy年m月", "h:mm", "[Red]0.00", "[h]:mm", "yyyy-mm-dd hh:mm"]))
STYLE_IDS = [0, 14, 164, 165, 166, 167, 168, 169, 31, 57]  # of the styles 0, 1, 2 …


class Seen:
    """What show_grid printed: book, rows {number: [(type, text)]}, bad {number: reason}, hidden rows, why."""

    def __init__(self, out):
        self.why, self.book, self.rows, self.bad, self.hidden = None, None, {}, {}, []
        for line in map(json.loads, out.splitlines()):
            if "why" in line:
                self.why = line["why"]
            elif "sheets" in line:
                self.book = line
            elif "bad" in line:
                self.bad[line["row"]] = line["bad"]
            else:
                self.rows[line["row"]] = [tuple(c) for c in line["cells"]]
                self.hidden += [line["row"]] if line["hidden"] else []

    def texts(self):
        return {number: [text for _, text in cells] for number, cells in self.rows.items()}


# Seconds of the processor and memory are known of what was counted, or refused.
Ran = collections.namedtuple("Ran", "code out seconds peak_mb")


def run(*args, env=None, timeout=60):
    done = subprocess.run([BUILD / "tests/show_grid", *map(str, args)], stdout=subprocess.PIPE, text=True, env=env, timeout=timeout)
    assert done.returncode in (0, 1), done
    told = json.loads(done.stdout.splitlines()[-1])
    return Ran(done.returncode, done.stdout, told.get("seconds"), told.get("peak_kb", 0) / 1024)


def see(path, *sheet, env=None):
    return Seen(run(path, *sheet, env=env).out)


def sheet_xml(rows="", before="", after="", main=MAIN, root="worksheet"):
    return f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{main}">{before}<sheetData>{rows}</sheetData>{after}</{root}>'


def strings_xml(*items, main=MAIN):
    return f'<sst xmlns="{main}">' + "".join(i if i.startswith("<si") else f"<si><t>{i}</t></si>" for i in items) + "</sst>"


def styles_xml(main=MAIN):
    return (f'<styleSheet xmlns="{main}"><numFmts>{DATE_STYLES}</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs>'
            + "".join(f'<xf numFmtId="{i}"/>' for i in STYLE_IDS) + "</cellXfs></styleSheet>")


def parts(rows="", strings=(), names="", settings="", sheets=None, main=MAIN, rels=RELS, **how):
    """All parts of a workbook with one sheet, or with `sheets`: [(name, state, relationship type, xml)]."""
    sheets = sheets or [("表一", "", "worksheet", rows if rows.startswith("<?xml") else sheet_xml(rows, main=main, **how))]
    found = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="a" Type="{rels}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{rels}">{settings}<sheets>' + "".join(
            f'<sheet name="{name}" sheetId="{i}" r:id="s{i}"{state}/>' for i, (name, state, _, _) in enumerate(sheets, 1))
            + f"</sheets><definedNames>{names}</definedNames></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">' + "".join(
            f'<Relationship Id="s{i}" Type="{rels}/{kind}" Target="sheets/{i}.xml"/>' for i, (_, _, kind, _) in enumerate(sheets, 1))
            + f'<Relationship Id="t" Type="{rels}/sharedStrings" Target="/xl/strings.xml"/>'
              f'<Relationship Id="f" Type="{rels}/styles" Target="./x/../styles.xml"/></Relationships>',
        "xl/strings.xml": strings_xml(*strings, main=main),
        "xl/styles.xml": styles_xml(main),
    }
    found.update({f"xl/sheets/{i}.xml": xml for i, (_, _, _, xml) in enumerate(sheets, 1)})
    return found


def write(path, found, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return path


def make(path, *args, **how):
    return write(path, parts(*args, **how))
