# SPDX-License-Identifier: Apache-2.0
"""What the registry holds can't attack those who read it: no terminal, log, spreadsheet, script or file name obeys it."""
import csv
import io
import json
import os
import pathlib
import re
import subprocess
import time
import unicodedata

import pytest
from peer import Refused, pb
from steps import refusal, wait_for

ESC, BEL, CSI = "\x1b", "\x07", "\x9b"
HOSTILE = {
    "osc": f"{ESC}]0;owned{BEL}", "clear": f"{ESC}[2J{ESC}[H", "csi": f"{CSI}31m", "lines": "a\r\n2026-01-01T00:00:00.000Z error x: forged",
    "bidi": "\u202egnp.exe\u202c", "isolate": "\u2067abc\u2069", "mark": "\u200f\u061c", "unseen": "a\u200bb\u00ad\u2060c",
    "tags": "\U000e0041\U000e0042", "del": "\x7f\x08\x08", "separators": "\u2028\u2029\ufeff",
}
BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_made = {}


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def is_shown(text, of=HOSTILE.values()):
    """Nothing raw is left, and nothing is hidden: every code point is there in writing."""
    assert not BAD.search(text), ascii(BAD.search(text)[0])
    for word in of:
        for c in word:
            if BAD.match(c):
                assert f"\\u{{{ord(c):X}}}" in text, ascii(c)


@pytest.fixture(scope="module")
def poisoned(county):
    """A project into which somebody wrote by hand, past the daemon, what the daemon would have refused."""
    name = f"毒项目{os.getpid()}"
    p = county.qipan("chengguan", "project", "add", f"name={name}", f"investor={name}公司", "-o", "json", ok=True).json
    office = county.psql("SELECT code || '|' || name FROM registry.office WHERE code = 'fagai'")[0][0].split("|")[1]
    bad = name + "".join(HOSTILE.values())
    county.psql(f"UPDATE registry.project SET name = {quoted(bad)}, summary = {quoted(''.join(HOSTILE.values()))}, version = version + 1 "
                f"WHERE id = {quoted(p['id'])}; UPDATE registry.office SET name = {quoted(office + HOSTILE['osc'] + HOSTILE['bidi'])} "
                f"WHERE code = 'fagai'")
    yield {**p, "name": bad}
    county.psql(f"UPDATE registry.project SET name = {quoted(name)}, summary = NULL, version = version + 1 WHERE id = {quoted(p['id'])}; "
                f"UPDATE registry.office SET name = {quoted(office)} WHERE code = 'fagai'")


@pytest.mark.parametrize("how", [("project", "list", "毒项目"), ("project", "list", "毒项目", "-o", "wide"), ("project", "list", "毒项目", "--fields", "no,name,summary"),
                                 ("project", "show", "ID"), ("project", "log", "ID"), ("project", "list", "毒项目", "-o", "csv"),
                                 ("project", "list", "毒项目", "-o", "tsv"), ("export", "-", "--filter", "name~毒项目"), ("office", "list"),
                                 ("project", "show", "ID", "--lang", "en"), ("project", "show", "ID", "-o", "name")])
def test_people_see_what_is_there(county, poisoned, how):
    words = [poisoned["id"] if word == "ID" else word for word in how]
    done = county.qipan("leader", *words, ok=True)
    text = done.stdout.removeprefix("\ufeff")  # the mark that spreadsheets want at the start of a file
    if "csv" in how or "export" in how:
        text = text.replace("\r\n", "\n")  # the end of a row
        text = re.sub("[\u00ad\u200b\u2060]", lambda m: f"\\u{{{ord(m[0]):X}}}", text)  # may be stored: an import takes them
    if "tsv" in how:
        text = re.sub("[\u00ad\u200b\u2060]", lambda m: f"\\u{{{ord(m[0]):X}}}", text)
    # within a table a cell may be cut
    whole = "list" not in how and "name" not in how
    is_shown(text + done.stderr, HOSTILE.values() if whole and how[0] == "project" and how[1] == "show" else ())


@pytest.mark.parametrize("how", [("project", "list", "毒项目", "-o", "jsonl"), ("project", "list", "毒项目", "-o", "json"),
                                 ("export", "-", "--filter", "name~毒项目", "-o", "jsonl"), ("project", "show", "ID", "-o", "json"),
                                 ("project", "log", "ID", "-o", "jsonl")])
def test_programs_get_it_exactly(county, poisoned, how):
    out = county.qipan("leader", *[poisoned["id"] if word == "ID" else word for word in how], ok=True).stdout
    assert not BAD.search(out)
    found = json.dumps([json.loads(line) for line in out.splitlines()] if "jsonl" in how else json.loads(out), ensure_ascii=False)
    assert json.dumps(poisoned["name"], ensure_ascii=False)[1:-1] in found
    assert "毒项目" in out  # Chinese stays readable


def test_events_arrive_and_are_shown(county, poisoned, tmp_path):
    """One poisoned row ends nobody's watch."""
    words = ("watch", "--since", "0", "--filter", f"project={poisoned['id']}", "--timeout", "8")
    lines = county.popen("leader", *words, "-o", "jsonl")
    people = county.popen("leader", *words)
    seen = tmp_path / "seen"
    run = county.popen("leader", *words, "--exec", f"cat >> {seen}; env | grep -c 毒项目 >> {tmp_path}/env; true")
    out, _ = lines.communicate(timeout=40)
    text, err = people.communicate(timeout=40)
    run.communicate(timeout=40)
    assert not BAD.search(out)
    names = [c[1] for line in out.splitlines() for c in [json.loads(line).get("changes", {}).get("name")] if c]
    assert poisoned["name"] in names
    is_shown(text + err)
    assert "毒项目" in text and "\\u{202E}gnp.exe" in text
    given = seen.read_text()
    assert not BAD.search(given) and "毒项目" in given
    assert set((tmp_path / "env").read_text().split()) == {"0"}  # the line comes on stdin, nothing in the environment


def test_the_board_shows_it(county, poisoned, tmp_path):
    tmux = ["tmux", "-L", f"qipan-out-{os.getpid()}", "-f", "/dev/null"]
    raw = tmp_path / "raw"
    command = subprocess.list2cmdline(county._command("leader", ["board"]))
    subprocess.run([*tmux, "new-session", "-d", "-x", "200", "-y", "30", command], check=True, env=county._environment())
    try:
        subprocess.run([*tmux, "pipe-pane", "-o", f"cat > {raw}"], check=True)

        def screen():
            return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, encoding="utf-8").stdout

        wait_for(lambda: "\\u{1B}]0;owned\\u{7}" in screen())  # the screen may be looked at while it is drawn
        title = subprocess.run([*tmux, "display-message", "-p", "#{pane_title}"], capture_output=True, text=True).stdout
        assert "owned" not in title
        assert "owned\x07" not in raw.read_bytes().decode(errors="replace")
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True)


def test_errors_and_hints_are_shown(county, poisoned):
    """Who was first, who changed it meanwhile: the names of others, on one's own terminal."""
    done = county.qipan("chengguan", "project", "edit", poisoned["id"], "name=" + poisoned["name"].split(ESC)[0] + "甲", "--base", "1", ok=6)
    is_shown(done.stdout + done.stderr, [poisoned["name"][:40]])
    done = county.qipan("chengguan", "project", "edit", poisoned["id"], "name=乙", "--base", "1", "-o", "json", ok=6)
    assert not BAD.search(done.stderr) and poisoned["name"] == done.error["theirs"]
    for words in (("project", "show", HOSTILE["osc"]), ("project", "list", "--sort", HOSTILE["bidi"]), (HOSTILE["csi"],),
                  ("project", "list", "--filter", HOSTILE["bidi"] + "=x"), ("project", "add", HOSTILE["osc"] + "=x"),
                  ("--context", HOSTILE["osc"], "whoami"), ("import", HOSTILE["osc"]), ("watch", "--since", HOSTILE["clear"]),
                  ("project", "list", "--" + HOSTILE["csi"]), ("watch", "--cursor-file", "/nowhere/" + HOSTILE["lines"]),
                  ("export", "/nowhere/" + HOSTILE["osc"]), ("import", "/dev/null", "--profile", HOSTILE["osc"])):
        for mode in ((), ("-o", "json")):
            done = county.qipan("chengguan", *words, *mode)
            assert done.returncode and done.stderr and not BAD.search(done.stdout + done.stderr), words


def test_the_daemons_log_is_one_line_each(county):
    """Whatever a peer calls itself, and whatever PostgreSQL answers."""
    for n, text in enumerate(("\u200bx", "y\u00adz")):
        with county.peer("bureau", instance=f"log{n}") as peer:
            peer.do("whoami")
    from peer import Link, tls_context
    link = Link(county.addresses[0], tls_context(**county.files("bureau")))
    before = len(county.log().splitlines())
    link.send(pb.Frame(hello=pb.Hello(version_min=1, version_max=1, client="evil\t\n2026-01-01T00:00:00.000Z error forged: line\u200b\u2060")))
    assert link.receive().HasField("welcome")
    link.close()
    wait_for(lambda: "forged" in county.log())
    new = county.log().splitlines()[before:]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info |warn |error) \S", line) for line in new)
    assert not BAD.search("".join(new))
    assert any("evil\\u{9}\\u{A}2026" in line and "\\u{200B}\\u{2060}" in line for line in new)


def test_the_operators_lists_show_it(county, poisoned):
    admin = pathlib.Path(__file__).resolve().parents[2] / "deploy/admin/qipan-admin"
    done = subprocess.run([admin, "office", "list"], capture_output=True, encoding="utf-8", env={**os.environ, **county.env})
    assert done.returncode == 0 and "fagai" in done.stdout
    assert not BAD.search(done.stdout) and "\\u{202E}gnp.exe" in done.stdout


# ---------------------------------------------------------------- spreadsheets


CELLS = ["=1+1", "=cmd|' /C calc'!A0", "@SUM(A1)", "+86 138 0013 8000", "-5", "-2+3", "＝1＋1", "＠x", "＋86", "－5", '"=1"', "'=1", "''=1", "'旧厂'",
         "普通", "a,b;c", '引"号', "=1\n第二行", "- 项目一\n- 项目二", "\u200b=1", "制\t表"]


def flat(cell):
    return cell.replace("\n", " ").replace("\t", " ")  # a place has one line


def test_cells_run_nothing_and_come_back(county, tmp_path):
    peer = county.peer("chengguan")
    made = {}
    for i, cell in enumerate(CELLS):
        name = f"表格{os.getpid()}之{i}"
        p = peer.do("project_add", set=pb.Project(name=name, investor=name + "公司", summary=cell, site=flat(cell))).project
        made[p.no] = (p.id, p.version, cell)
    one_filter = f"name~表格{os.getpid()}"
    sheet = tmp_path / "out.csv"
    county.qipan("chengguan", "export", sheet, "--filter", one_filter, ok=True)
    rows = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"), newline="")))
    assert len(rows) == len(CELLS)
    for row in rows:
        cell = made[row["no"]][2]
        for value in row.values():
            first = unicodedata.normalize("NFKC", value.lstrip(" \"\u3000\u200b"))[:1]
            assert first not in set("=+-@\t\r\n") or not value, (cell, value)
        assert row["summary"] in (cell, "'" + cell)
    for mode in ("csv", "tsv"):
        out = county.qipan("chengguan", "project", "list", "--filter", one_filter, "-o", mode, "--fields", "summary", ok=True).stdout
        cells = [row[0] for row in csv.reader(io.StringIO(out, newline=""))] if mode == "csv" else out.splitlines()
        assert len(cells) == 1 + len(CELLS) and not any(re.match(r"[ \"\u200b]*[=+@＝＋－＠-]", cell) for cell in cells)
    # unchanged: an import finds no difference
    done = county.qipan("chengguan", "import", sheet, "-o", "json", ok=True).json
    assert (done["unchanged"], done["rejected"], done["updated"]) == (len(CELLS), 0, 0)
    # after everything was changed it still changes nothing, for it says what stood at its versions; without them it brings every cell back
    for id, version, _ in made.values():
        peer.do("project_edit", base=version, id=id, set=pb.Project(summary="别的", site="别的"))
    assert county.qipan("chengguan", "import", sheet, "-o", "json", ok=True).json["unchanged"] == len(CELLS)
    thin = tmp_path / "thin.csv"
    with thin.open("w", encoding="utf-8-sig", newline="") as to:
        writer = csv.DictWriter(to, ["no", "summary", "site"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    county.qipan("chengguan", "import", thin, "--commit", "-o", "json", ok=True)
    for id, _, cell in made.values():
        project = peer.do("project_show", id=id).project
        assert (project.summary, project.site) == (cell, flat(cell))


# ---------------------------------------------------------------- file names


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", ".", "a/b.csv"])
def test_a_peers_file_name_is_no_path(county, name):
    peer = county.peer("chengguan")
    error = refusal(lambda: peer.do("import_open", file_sha256=os.urandom(32), profile_sha256=os.urandom(32), file_name=name, rows=1,
                                    profile="auto"))
    assert (error.code, error.field) == ("INVALID_ARGUMENT", "file_name")


def test_reports_go_where_the_user_says(county, tmp_path):
    """A file whose name wants to be elsewhere, imported from where it lies, leaves nothing but the report."""
    folder = tmp_path / "in"
    folder.mkdir()
    sheet = folder / f"{ESC}]0;x{BEL}..\\evil\u202e.csv"
    sheet.write_text(f"name,investor\n报告{os.getpid()},甲公司\n")
    report = tmp_path / "report.jsonl"
    done = county.qipan("chengguan", "import", sheet, "--report", report, cwd=folder, ok=True)
    assert not BAD.search(done.stdout + done.stderr)
    assert json.loads(report.read_text().splitlines()[0])["verdict"] == "new"
    assert sorted(os.listdir(tmp_path)) == ["in", "report.jsonl"] and os.listdir(folder) == [sheet.name]
    for batch in county.psql("SELECT file_name FROM registry.import ORDER BY opened_at DESC LIMIT 1") or []:
        assert "/" not in batch[0]
