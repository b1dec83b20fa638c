# SPDX-License-Identifier: Apache-2.0
"""Sheets that go out and come back: previewed, committed, edited, edited by others meanwhile, by two offices at once, struck on the
way, taken back; and sheets of other things than projects."""
import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import time

import openpyxl
import pytest
from conftest import SLOW, County
from interruptions import PHASES, VICTIMS, run_through
from peer import Refused, pb
from steps import connect, wait_for
from test_audit import admin
from test_import import adds_up, run, sheet, write


@pytest.fixture(scope="module")
def here():
    one = County("--bare")
    try:
        yield one.up()
    finally:
        one.down()


@pytest.fixture
def say(capsys):
    def tell(**what):
        with capsys.disabled():
            print(f"\n{what}")
    return tell


def export(county, context, path, prefix):
    county.qipan(context, "export", path, "--filter", f"name~{prefix}", ok=True)
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def give_back(path, rows):
    out = io.StringIO()
    w = csv.DictWriter(out, rows[0].keys())
    w.writeheader()
    w.writerows(rows)
    return write(path, out.getvalue(), "utf-8-sig")


def verdicts(county, context, tmp_path, path, *args, code=0):
    report = tmp_path / "verdicts.jsonl"
    run(county, context, path, "--report", report, *args, code=code)
    return {row["row"]: row for row in map(json.loads, report.read_text().splitlines())}


def batch_of(county, context, name):
    return next(b for b in county.qipan(context, "-o", "jsonl", "batch", "list", ok=True).lines if b["file_name"] == name)


def test_preview_commit_again_edited_again(here, tmp_path):
    path = sheet(tmp_path / "一轮.csv", 12, "一轮项目")
    shown = here.qipan("chengguan", "import", path, ok=True).stdout
    assert "新增 12" in shown and "第 2 行" in shown and "预览" in shown
    adds_up(run(here, "chengguan", path, "--commit").json, new=12)
    adds_up(run(here, "chengguan", path, "--commit").json, unchanged=12)
    rows = export(here, "chengguan", tmp_path / "出.csv", "一轮项目")
    here.qipan("bureau", "project", "edit", rows[3]["no"], "summary=招商局写的", ok=True)
    adds_up(run(here, "chengguan", tmp_path / "出.csv", "--commit").json, unchanged=12)
    rows[3]["amount_total"] = "77.00"
    done = verdicts(here, "chengguan", tmp_path, give_back(tmp_path / "改.csv", rows), "--commit")
    changed = [v for v in done.values() if v["verdict"] == "update"]
    assert [c["field"] for v in changed for c in v["changes"]] == ["amount_total"] and changed[0]["changes"][0]["new"] == "77.00"
    project = here.qipan("chengguan", "-o", "json", "project", "show", rows[3]["no"], ok=True).json
    assert (project["summary"], project["amount_total"]) == ("招商局写的", "77.00"), "the other's edit stands"


def test_conflict_since_the_export(here, tmp_path):
    run(here, "chengguan", sheet(tmp_path / "冲突.csv", 3, "冲突项目"), "--commit")
    rows = export(here, "chengguan", tmp_path / "出.csv", "冲突项目")
    here.qipan("bureau", "project", "edit", rows[1]["no"], "jobs=40", ok=True)
    rows[1]["jobs"], rows[2]["jobs"] = "30", "20"
    path = give_back(tmp_path / "改.csv", rows)
    told = verdicts(here, "chengguan", tmp_path, path, "--commit", code=7)
    conflict = next(v for v in told.values() if v["verdict"] == "conflict")
    clash = conflict["clashes"][0]
    assert {**clash, "at": bool(clash["at"])} == {"field": "jobs", "base": None, "theirs": "40", "yours": "30", "by": "bureau", "at": True}
    assert conflict["no"] == rows[1]["no"]
    text = here.qipan("chengguan", "import", path, ok=7).stdout
    assert "冲突" in text and "bureau" in text and "40" in text
    adds_up(run(here, "chengguan", path, "--commit", "--keep-going", code=9).json, updated=1, conflicts=1, unchanged=1)


def test_copies_of_one_export_take_nothing_back(here, tmp_path):
    """Copies of one sheet went to several people, each filled in his rows, and one clerk imports them all: what a copy says as the export
    said it takes nothing back, and its row tells who has been there."""
    run(here, "chengguan", sheet(tmp_path / "分发.csv", 2, "分发项目"), "--commit")
    rows = export(here, "chengguan", tmp_path / "出.csv", "分发项目")
    before = rows[1]["amount_total"]

    def send(n, first, second):
        rows[0]["amount_total"], rows[1]["amount_total"] = first, second
        return here.qipan("chengguan", "import", give_back(tmp_path / f"副本{n}.csv", rows), "--commit", ok=True).stdout

    exported = rows[0]["amount_total"]
    assert "更新 1" in send(1, "77.00", before)
    said = send(2, exported, "88.00")
    assert "更新 1" in said and "跳过 1" in said and "“总投资”与导出时相同,而登记库已由" in said and "要改回,请重新导出" in said, said
    assert [row["amount_total"] for row in export(here, "chengguan", tmp_path / "后.csv", "分发项目")] == ["77.00", "88.00"]


def test_duplicates_are_told_apart(here, tmp_path):
    run(here, "dongshan", write(tmp_path / "甲.csv", "项目名称,投资方\n重名项目,重名公司\n"), "--commit")
    path = write(tmp_path / "乙.csv", "项目名称,投资方\n重名项目,重名公司\n另一个项目,另一家\n")
    adds_up(run(here, "chengguan", path, "--commit", code=7).json, new=1, duplicates=1)
    told = verdicts(here, "chengguan", tmp_path, path, code=7)
    assert (told[2]["rule"], told[2]["other_office"]) == ("same_name", "dongshan") and told[2]["other_no"] and told[2]["other_on"]
    adds_up(run(here, "chengguan", path, "--commit", "--keep-going", code=9).json, new=1, duplicates=1)


def test_a_copy_of_their_own_file_says_what_is_wrong(here, tmp_path):
    path = write(tmp_path / "错.csv", "项目名称,投资方,总投资(万元)\n报告好项目,甲,1\n报告坏项目,甲,约3\n", "gb18030")
    run(here, "chengguan", path, "--report", tmp_path / "改.csv", code=7)
    head, good, bad = (tmp_path / "改.csv").read_bytes().decode("gb18030").splitlines()
    assert head.endswith(",错误") and good == "报告好项目,甲,1," and bad.startswith("报告坏项目,甲,约3,") and "约3" in bad[12:]
    mended = write(tmp_path / "改好.csv", (tmp_path / "改.csv").read_bytes().decode("gb18030").replace("甲,约3", "甲,3"), "gb18030")
    adds_up(run(here, "chengguan", mended).json, new=2, rejected=0)
    assert "扩展名" in run(here, "chengguan", path, "--report", tmp_path / "改.xlsx", code=7).error["message"]
    book = openpyxl.Workbook()
    for cells in (("项目名称", "投资方", "阶段"), ("簿中好", "乙", "在谈"), ("簿中坏", "乙", "谈着呢")):
        book.active.append(cells)
    book.save(tmp_path / "表.xlsx")
    run(here, "chengguan", tmp_path / "表.xlsx", "--report", tmp_path / "表改.xlsx", code=7)
    cells = [[c.value for c in row] for row in openpyxl.load_workbook(tmp_path / "表改.xlsx").active.iter_rows()]
    assert cells[0] == ["项目名称", "投资方", "阶段", "错误"] and cells[1][3] is None and "谈着呢" in cells[2][3]
    copy = openpyxl.load_workbook(tmp_path / "表改.xlsx").active
    assert [c.coordinate for c in copy[3] if c.fill.fgColor.rgb == "FFFFC7CE"] == ["C3", "D3"], "the cell that is wrong is red, too"


def test_taken_back(here, tmp_path):
    path = sheet(tmp_path / "撤销.csv", 4, "撤销项目")
    run(here, "chengguan", path, "--commit")
    batch = batch_of(here, "chengguan", "撤销.csv")
    shown = here.qipan("chengguan", "-o", "json", "batch", "show", batch["id"], ok=True).json
    assert (shown["status"], shown["added"], shown["account"], shown["kind"]) == ("done", 4, "chengguan", "project") and shown["wrote_rev"]
    assert len(here.qipan("chengguan", "-o", "jsonl", "batch", "rows", batch["id"], "--verdicts", "new", ok=True).lines) == 4
    assert here.qipan("dongshan", "batch", "show", batch["id"]).returncode == 5
    no = json.loads(here.qipan("chengguan", "-o", "jsonl", "project", "list", "--filter", "name~撤销项目", ok=True).stdout.splitlines()[0])["no"]
    here.qipan("bureau", "project", "edit", no, "jobs=1", ok=True)
    refused = here.qipan("chengguan", "-o", "json", "batch", "revert", batch["id"], "--reason", "导错了表", ok=7).error
    assert refused["code"] == "FAILED_PRECONDITION" and refused["message"].startswith("导入之后有人改动或引用,整批都不撤销:第 ") and f"行 {no} 由 " in refused["message"], refused
    assert [(f["field"], f["theirs"], f["by"]) for f in refused["fields"]] == [("project", no, "bureau")] and int(refused["fields"][0]["yours"]) >= 2
    assert len(here.qipan("chengguan", "-o", "jsonl", "project", "list", "--filter", "name~撤销项目", ok=True).lines) == 4, "none of it is taken back"
    other = sheet(tmp_path / "再撤.csv", 5, "再撤项目")
    run(here, "chengguan", other, "--commit")
    batch = batch_of(here, "chengguan", "再撤.csv")
    watch = here.popen("dongshan", "-o", "jsonl", "watch", "-n", "5", "--timeout", "60")
    assert json.loads(watch.stdout.readline())["type"] in ("bookmark", "state")
    here.qipan("chengguan", "batch", "revert", batch["id"], "--reason", "导错了表", ok=True)
    told = [json.loads(line) for line in watch.communicate(timeout=60)[0].splitlines()]
    assert {e.get("view") for e in told if e["type"] == "project.changed"} == {"leave"}
    assert here.qipan("bureau", "-o", "jsonl", "project", "list", "--filter", "name~再撤项目", ok=True).stdout == ""
    adds_up(run(here, "chengguan", other, "--commit").json, new=5)


def test_changes_in_peoples_words(here, tmp_path):
    run(here, "chengguan", write(tmp_path / "词前.csv", "项目名称,投资方,总投资(万元),阶段\n词语项目,词语公司,100,在谈\n"), "--commit")
    said = here.qipan("chengguan", "import", write(tmp_path / "词后.csv", "项目名称,投资方,总投资(万元),阶段,币种,限制范围\n词语项目,词语公司,200,意向,USD,是\n"), ok=True).stdout
    assert "总投资 100万元 → 200万美元" in said and "阶段 在谈 → 意向" in said and "限制范围 ∅ → 是" in said and "映射 按表头" in said, said
    said = here.qipan("chengguan", "import", write(tmp_path / "词无.csv", "项目名称,投资方,总投资(万元)\n词语项目,词语公司,300\n"), ok=True).stdout
    assert "总投资 100万元 → 300万元" in said, "in the currency that the registry has"
    here.qipan("chengguan", "export", tmp_path / "词出.xlsx", "--filter", "name=词语项目", ok=True)
    book = openpyxl.load_workbook(tmp_path / "词出.xlsx")
    column = {cell.value: cell.column for cell in book.active[1]}
    book.active.cell(2, column["联系人"]).value, book.active.cell(2, column["总投资(万元)"]).value = "王五", 150
    book.save(tmp_path / "词出.xlsx")
    said = here.qipan("chengguan", "import", tmp_path / "词出.xlsx", ok=True).stdout
    assert "总投资 100万元 → 150万元" in said and "联系人:有改动(内容不显示)" in said and "王五" not in said, said
    no = book.active.cell(2, column["项目编号"]).value
    here.qipan("bureau", "project", "edit", no, "amount_total=120万元", "contact_name=郑某", ok=True)
    done = here.qipan("chengguan", "import", tmp_path / "词出.xlsx", ok=7)
    assert "登记库现为 120 万(" in done.stdout and "总投资:导出时为“100万元”,登记库现为“120万元”" in done.stdout, done.stdout
    assert "都改了,内容不显示" in done.stdout and "郑某" not in done.stdout
    assert "1 行中有 1 行未接受(拒绝 0、疑似重复 0、冲突 1)" in done.stderr and "导出最新的表" in done.stderr


def test_records_taken_back(here, tmp_path):
    """Records that know of no withdrawal leave: a leave in the feed, nothing in lists, nothing that the audit would miss; and the sheet can
    come again."""
    run(here, "chengguan", write(tmp_path / "访项目.csv", "项目名称,投资方,阶段\n走访项目,走访公司,在谈\n"), "--commit")
    path = write(tmp_path / "走访.csv", "项目,活动类别,日期,结果\n走访项目,来访考察,2026-01-05,谈了用地\n走访项目,洽谈,2026-01-06,谈了价格\n")
    adds_up(run(here, "chengguan", path, "--kind", "activity", "--commit").json, new=2)
    batch = batch_of(here, "chengguan", "走访.csv")
    watch = here.popen("dongshan", "-o", "jsonl", "watch", "--filter", "kind=activity", "-n", "2", "--timeout", "60")
    assert json.loads(watch.stdout.readline())["type"] in ("bookmark", "state")
    here.qipan("chengguan", "batch", "revert", batch["id"], "--reason", "导错了表", ok=True)
    told = [json.loads(line) for line in watch.communicate(timeout=60)[0].splitlines()]
    assert [(e["type"], e["view"], e["version"]) for e in told if "view" in e] == [("activity.withdrawn", "leave", "2")] * 2
    assert here.qipan("bureau", "-o", "jsonl", "activity", "list", "result~谈了", ok=True).stdout == ""
    verified = admin(here, "audit", "verify")
    assert verified.returncode == 0, verified.stdout
    adds_up(run(here, "chengguan", path, "--kind", "activity", "--commit").json, new=2)


def test_arrivals_by_sheet(here, tmp_path):
    run(here, "chengguan", write(tmp_path / "项目.csv", "项目名称,投资方,阶段\n到账项目,到账公司,签约\n"), "--commit")
    path = write(tmp_path / "到账.csv", "项目,到位资金(万元),到位日期,资金类别,资金来源,凭证号\n到账项目,12,2026-01-05,固定资产,县外,甲1\n没有这个,3,2026-01-05,固定资产,县外,甲2\n")
    how = (path, "--kind", "arrival")
    told = run(here, "chengguan", *how, code=7).json
    if told["rejected"] == 2:  # the county's own words for kinds of money
        words = write(path, path.read_text().replace("固定资产", "fixed").replace("县外", "county_outside"))
        how = (words, "--kind", "arrival")
    adds_up(run(here, "chengguan", *how, "--commit", code=7).json, new=1, rejected=1)
    adds_up(run(here, "chengguan", *how, "--commit", "--keep-going", code=9).json, new=1, rejected=1)
    adds_up(run(here, "chengguan", *how, "--commit", "--keep-going", code=9).json, unchanged=1, rejected=1)
    arrivals = here.qipan("chengguan", "-o", "jsonl", "arrival", "list", "voucher=甲1", ok=True).lines
    assert [(a["amount_arrived"], a["state"]) for a in arrivals] == [("120000.00", "reported")]


def test_opening_sheet(here, tmp_path):
    path = write(tmp_path / "期初.csv", "项目名称,投资方,责任单位,阶段,签约日期,开工日期\n期初甲,期初公司,chengguan,开工,2024-03-05,2024-09\n")
    assert run(here, "chengguan", path, "--opening", code=8).error["code"] == "PERMISSION_DENIED"
    adds_up(run(here, "bureau", path, "--opening", "--commit").json, new=1)
    no = json.loads(here.qipan("bureau", "-o", "jsonl", "project", "list", "--filter", "name=期初甲", ok=True).stdout)["no"]
    steps = here.qipan("bureau", "-o", "jsonl", "stage", "list", no, ok=True).lines
    assert [(s["stage"], s["reached_on"]) for s in steps if s.get("opening")] == [("signed", "2024-03-05"), ("started", "2024-09")]
    adds_up(run(here, "bureau", path, "--opening", "--commit").json, unchanged=1)


def opened(county, name):
    """Days of stages that hold, of before the county went live, and what the project says itself."""
    project, = county.qipan("bureau", "-o", "jsonl", "project", "list", "--filter", f"name={name}", ok=True).lines
    steps = county.qipan("bureau", "-o", "jsonl", "stage", "list", project["no"], ok=True).lines
    return ({s["stage"]: s["counted_on"] for s in steps if s.get("opening") and s["state"] == "approved"},
            *(project.get(f) for f in ("stage", "signed_on", "started_on")))


def test_opening_sheets_again_and_edited(here, tmp_path):
    """Again: nothing. Edited: days move, together too, for a reason; what can't be is told row by row, in the preview or for want of a reason in
    the commit."""
    head = "项目名称,投资方,责任单位,阶段,签约日期,开工日期\n"

    def told(n, text, *args, **how):
        return run(here, "bureau", write(tmp_path / f"期{n}.csv", head + text), "--opening", *args, **how).json

    first = "再期甲,再期公司,chengguan,开工,2024-03-05,2024-09\n再期乙,再期公司二,chengguan,签约,2024-05,\n"
    adds_up(told(1, first, "--commit"), new=2)
    adds_up(told(1, first, "--commit"), unchanged=2)
    later = "再期甲,再期公司,chengguan,开工,2025-01-02,2025-06-03\n再期乙,再期公司二,chengguan,开工,2024-05,2024-12-01\n"
    adds_up(told(2, later), updated=2)
    refused = told(2, later, "--commit", code=7)
    assert [r["message"] for r in refused["rejections"]] == ["“签约”已补录为 2024-03-05,改为 2025-01-02 须写明理由"], refused
    adds_up(told(2, later, "--commit", "--reason", "合同日期抄错"), updated=2)
    assert opened(here, "再期甲") == ({"signed": "2025-01-02", "started": "2025-06-03"}, "started", "2025-01-02", "2025-06-03")
    assert opened(here, "再期乙") == ({"signed": "2024-05", "started": "2024-12-01"}, "started", "2024-05", "2024-12-01")
    adds_up(told(3, "再期甲,再期公司,chengguan,开工,2023-01-02,2023-06-03\n", "--commit", "--reason", "又错"), updated=1)
    assert opened(here, "再期甲")[0] == {"signed": "2023-01-02", "started": "2023-06-03"}, "and back"
    wrong = told(4, "再期甲,再期公司,chengguan,开工,2024-01-02,\n", "--reason", "错", code=7)
    assert "与已补录的“开工”2023-06-03 先后不符" in wrong["rejections"][0]["message"], "with what the row says nothing of"


def test_opening_after_a_usual_import(here, tmp_path):
    """The office's sheet came first: the opening sheet gives its projects their days, and what the office sends again takes none away."""
    own = "项目名称,投资方,阶段,总投资(万元)\n先有项目,先有公司,开工,100\n"
    run(here, "chengguan", write(tmp_path / "先有.csv", own), "--commit")
    days = "项目名称,投资方,责任单位,签约日期,开工日期\n先有项目,先有公司,chengguan,2024-03-05,2024-09\n"
    adds_up(run(here, "bureau", write(tmp_path / "后补.csv", days), "--opening", "--commit").json, updated=1)
    wanted = ({"signed": "2024-03-05", "started": "2024-09"}, "started", "2024-03-05", "2024-09")
    assert opened(here, "先有项目") == wanted
    adds_up(run(here, "chengguan", write(tmp_path / "先有二.csv", own.replace(",100", ",120")), "--commit").json, updated=1)
    assert opened(here, "先有项目") == wanted
    adds_up(run(here, "bureau", tmp_path / "后补.csv", "--opening", "--commit").json, unchanged=1)


def test_a_row_inside_a_running_commit_is_locked(here, tmp_path):
    """The commit stands still at its last row, which somebody holds; the others of it answer who has them, and a person is told so long before
    his deadline; all else goes on. What was refused did nothing: the same request does it later, once."""
    run(here, "chengguan", sheet(tmp_path / "锁.csv", 6, "锁住项目"), "--commit")
    rows = export(here, "chengguan", tmp_path / "出.csv", "锁住项目")
    for row in rows:
        row["jobs"] = "9"
    path = give_back(tmp_path / "改锁.csv", rows)
    first, *_, last = sorted(row["id"] for row in rows)

    def edit():
        return here.qipan("bureau", "-o", "json", "--request", "held-1", "project", "edit", first, "site=锁后")

    with connect(here) as db, db.cursor() as c:
        c.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", [last])
        child = here.popen("chengguan", "-o", "json", "import", path, "--commit")
        wait_for(lambda: here.psql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7466")[0][0] == "1")
        wait_for(lambda: here.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")[0][0] != "0")
        here.qipan("bureau", "project", "add", "name=锁外项目", "investor=锁外", ok=True)
        with pytest.raises(Refused) as refused:
            here.peer("bureau").do("project_edit", id=first, set=pb.Project(jobs=7))
        begun = time.monotonic()
        told = edit()
        waited = time.monotonic() - begun
        db.rollback()
    out, err = child.communicate(timeout=60 * SLOW)
    assert child.returncode == 0, err
    e = refused.value.error
    batch = json.loads(out)["id"]
    assert (e.code, e.by) == ("LOCKED", "chengguan") and batch in e.message, e
    assert told.returncode == 6 and waited < 3 + 4 * SLOW, (waited, told.stderr)
    assert (told.error["code"], told.error["by"]) == ("LOCKED", "chengguan") and batch in told.stderr, told.stderr
    done, again = edit(), edit()
    assert done.json["rev"] == again.json["rev"] and done.json["site"] == "锁后", (done.stderr, again.stderr)


def test_who_interrupts_a_commit_can_ask_what_became_of_it(here, tmp_path):
    run(here, "chengguan", sheet(tmp_path / "断.csv", 2, "中断项目"), "--commit")
    rows = export(here, "chengguan", tmp_path / "出.csv", "中断项目")
    path = give_back(tmp_path / "改断.csv", [row | {"jobs": "9"} for row in rows])
    with connect(here) as db, db.cursor() as c:
        c.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", [rows[0]["id"]])
        child = here.popen("chengguan", "--request", "halt-1", "import", path, "--commit")
        wait_for(lambda: here.psql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7466")[0][0] == "1")
        done = here.stop(child, signal.SIGINT)
        assert done.returncode == 130 and "qipan receipt show halt-1" in done.stderr, done
        db.rollback()
    wait_for(lambda: here.qipan("chengguan", "receipt", "show", "halt-1").returncode == 0, 20 * SLOW)
    assert [p["jobs"] for p in export(here, "chengguan", tmp_path / "后.csv", "中断项目")] == ["9", "9"], "the daemon carried it out"


def test_who_is_killed_leaves_no_half_report(here, tmp_path):
    run(here, "chengguan", sheet(tmp_path / "杀.csv", 2, "杀掉项目"), "--commit")
    held = here.psql("SELECT id FROM registry.project WHERE name ~ '^杀掉项目' LIMIT 1")[0][0]
    again = tmp_path / "报告"
    again.mkdir()
    try:
        os.close(os.open(again, os.O_TMPFILE | os.O_WRONLY))
    except OSError:
        pytest.skip("the file system has no files without names")
    path = sheet(tmp_path / "再杀.csv", 1, "杀掉项目")
    with connect(here) as db, db.cursor() as c:
        c.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", [held])
        child = here.popen("chengguan", "import", path, "--commit", "--report", again / "行.jsonl")
        wait_for(lambda: here.psql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7466")[0][0] == "1")
        here.stop(child, signal.SIGKILL)
        assert list(again.iterdir()) == []
        db.rollback()
    (again / "行.jsonl").write_text("旧\n")
    (again / "行.jsonl").chmod(0o640)
    for _ in range(2):
        run(here, "chengguan", path, "--report", again / "行.jsonl")
    assert [f.name for f in again.iterdir()] == ["行.jsonl"] and len((again / "行.jsonl").read_text().splitlines()) == 1
    assert (again / "行.jsonl").stat().st_mode & 0o777 == 0o640, "the mode of the old one"


def test_another_run_of_the_file_was_quicker(here, tmp_path):
    """Between the opening of a batch and its commit somebody else commits it: a trigger does, to hit that moment."""
    path = sheet(tmp_path / "同时.csv", 2, "同时项目")
    run(here, "chengguan", path)
    here.psql("""CREATE FUNCTION public.quicker() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            NEW.status := 'done'; NEW.rows := 2; NEW.added := 2; NEW.updated := 0; RETURN NEW; END $$;
        CREATE TRIGGER quicker BEFORE UPDATE ON registry.import FOR EACH ROW WHEN (NEW.request LIKE 'slow-%') EXECUTE FUNCTION public.quicker()""")
    try:
        for words in (("--request", "slow-1", "import", path, "--commit"), ("--request", "slow-2", "import", path)):
            said = here.qipan("chengguan", *words, ok=True).stdout.splitlines()[-1]
            assert said.startswith("另一次运行已将其写入,批次 i"), said
    finally:
        here.psql("DROP TRIGGER quicker ON registry.import; DROP FUNCTION public.quicker")


def test_a_large_import_passes_by_whom_it_does_not_concern(here, tmp_path):
    """Who watches something else, or takes imports as a summary, need not page through all rows to hear of the next edit; who wants them
    gets each, in order; and so does whoever comes later to the same place."""
    other = here.peer("bureau").do("project_add", set={"name": "旁观项目", "investor": "旁观"}).project
    run(here, "robot", sheet(tmp_path / "先.csv", 1, "大批先行"), "--commit")  # its mapping is known from now on
    mine = {"field": "project", "op": "=", "values": [other.no]}
    kinds = {"beside": {"terms": [mine]}, "another": {"terms": [{"field": "stage", "op": "=", "values": ["full"]}, {"field": "kind", "op": "=", "values": ["project"]}]},
             "summary": {"summary": True}, "office": {"summary": True, "terms": [{"field": "office", "op": "=", "values": ["bureau"]}]}, "all": {}}

    def edit(n):
        return here.peer("bureau").do("project_edit", id=other.id, set=pb.Project(jobs=n)).rev

    with here.peer("dongshan") as reader:
        watches = {name: reader.watch(**how) for name, how in kinds.items()}
        start = watches["all"].at
        first = edit(1)
        batch = run(here, "robot", sheet(tmp_path / "大批.csv", 400, "大批项目"), "--commit").json
        last = edit(2)
        wanted = {"beside": [first, last], "another": [], "summary": [first, batch["id"], last], "office": [first, batch["id"], last], "all": [first, *["row"] * 400, last]}

        def told(watch, until):
            events = watch.events(until, timeout=20 * SLOW)
            said = [e.object if e.type == "import.summary" else "row" if e.batch else e.rev for e in events]
            assert [e.idx for e in events if e.batch] in (list(range(400)), [399], []), said
            return said

        for name, watch in watches.items():
            assert told(watch, len(wanted[name])) == wanted[name], name
            assert watch.states[:2] == (["LIVE", "CATCHUP"] if name == "all" else ["LIVE"]), (name, watch.states)
        for name, how in kinds.items():
            assert told(reader.watch(after=start, **how), len(wanted[name])) == wanted[name], name


def seen_on_terminal(here, until, *args):
    """What the client shows on a terminal's stderr, up to some words; then the process."""
    mine, its = pty.openpty()
    child = subprocess.Popen(here._command("chengguan", args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=its, env=here._environment())
    here.children.append(child)
    os.close(its)
    shown = b""
    while until.encode() not in shown:
        shown += os.read(mine, 4096)
    return shown.decode(), child, mine


def test_progress_of_judging_and_writing(here, tmp_path):
    """Rows that are through, of all, while the registry is at it: of records each, of projects by the steps it takes them in."""
    n = 60
    run(here, "chengguan", sheet(tmp_path / "进项目.csv", n, "进度项目"), "--commit")
    plan = "项目,节点,计划日期,责任单位,说明\n" + "".join(f"进度项目{i},立项备案,2026-12,城关镇,%s\n" for i in range(n))
    run(here, "chengguan", write(tmp_path / "节点.csv", plan.replace("%s", "一")), "--kind", "milestone", "--commit")
    held = here.psql("SELECT m.id FROM registry.milestone m JOIN registry.project p ON p.id = m.project WHERE p.name ~ '^进度项目' ORDER BY p.no OFFSET 40 LIMIT 1")[0][0]
    with connect(here) as db, db.cursor() as c:
        c.execute("SELECT FROM registry.milestone WHERE id = %s FOR UPDATE", [held])
        shown, child, mine = seen_on_terminal(here, "第 40 行,共 60 行", "import", write(tmp_path / "节点二.csv", plan.replace("%s", "二")), "--kind", "milestone", "--commit")
        assert "正在写入:第 40 行,共 60 行,每秒 " in shown and "还需 " in shown
        pace = {shown.partition("每秒 ")[2].partition(" ")[0]}
        while shown.count("第 40 行") < 8:  # it stands still: the pace is that of when it was heard, whatever goes by meanwhile
            shown += os.read(mine, 4096).decode(errors="replace")
        pace |= {line.partition("每秒 ")[2].partition(" ")[0] for line in shown.split("\r") if "第 40 行" in line and line.endswith("\x1b[?7h")}
        assert len(pace) == 1, pace
        assert here.qipan("chengguan", "-o", "json", "batch", "show", batch_of(here, "chengguan", "节点二.csv")["id"], ok=True).json["done"] == 40
        assert here.qipan("dongshan", "batch", "show", batch_of(here, "chengguan", "节点二.csv")["id"]).returncode == 5
    assert child.wait(timeout=60) == 0
    os.close(mine)
    assert "done" not in here.qipan("chengguan", "-o", "json", "batch", "show", batch_of(here, "chengguan", "节点二.csv")["id"], ok=True).json
    held = here.psql("SELECT id FROM registry.project WHERE name ~ '^进度项目' LIMIT 1")[0][0]
    with connect(here) as db, db.cursor() as c:
        c.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", [held])
        shown, child, mine = seen_on_terminal(here, "正在写入:第 12 行,共 59 行", "import", sheet(tmp_path / "进二.csv", n - 1, "进度项目"), "--commit")
    os.close(mine)
    child.wait(timeout=60)


def test_what_keeps_it_is_told(new_county, tmp_path):
    """A commit whose registry goes away: said at once, with how long is waited; back again, it goes through."""
    county = new_county("--bare")
    run(county, "chengguan", sheet(tmp_path / "进.csv", 60, "待项目"), "--commit")
    holder = connect(county)
    holder.cursor().execute("SELECT FROM registry.project WHERE name ~ '^待项目' LIMIT 1 FOR UPDATE")
    shown, child, mine = seen_on_terminal(county, "正在写入:第 12 行,共 59 行", "import", sheet(tmp_path / "进二.csv", 59, "待项目"), "--commit")
    county.pg("stop")
    told = re.compile("正在写入:登记库暂时无法访问,仍在等待,最多再等 [0-9]+ 秒")
    while not told.search(shown):
        shown += os.read(mine, 4096).decode(errors="replace")
    county.pg("start")
    os.close(mine)
    assert child.wait(timeout=60 * SLOW) == 0
    assert batch_of(county, "chengguan", "进二.csv")["status"] == "done"


def test_interrupted_says_what_is_certain(new_county, tmp_path):
    """Before the commit nothing is written; in it the rows are there, and what became of them can be asked."""
    county = new_county("--bare")
    run(county, "chengguan", sheet(tmp_path / "断.csv", 60, "断项目"), "--commit")

    def interrupted(locked, until, *args):
        with connect(county) as db, db.cursor() as c:
            c.execute(locked)
            shown, child, mine = seen_on_terminal(county, until, "import", *args)
            child.send_signal(signal.SIGINT)
            while "已中断" not in shown or not shown.endswith("\n"):
                shown += os.read(mine, 4096).decode(errors="replace")
            assert child.wait(timeout=60) == 130
            os.close(mine)
        return shown

    again = sheet(tmp_path / "断二.csv", 59, "断项目")
    assert "未写入任何内容,再执行同一命令即从中断处继续" in interrupted("LOCK registry.import", "正在打开", again, "--commit")
    told = interrupted("SELECT FROM registry.project WHERE name ~ '^断项目' LIMIT 1 FOR UPDATE", "正在写入:第 12 行,共 59 行", again, "--commit")
    batch = batch_of(county, "chengguan", "断二.csv")
    assert f"批次 {batch['id']}:是否已写入,查 qipan batch show {batch['id']} 或 qipan receipt show import-" in told
    run(county, "chengguan", again, "--commit")
    assert batch_of(county, "chengguan", "断二.csv")["status"] == "done"


def test_struck_on_the_way(new_county, tmp_path, rng, say):
    phases = rng.sample(PHASES, len(VICTIMS))
    run_through(new_county("--bare"), rng, tmp_path, say, list(zip(VICTIMS, phases, strict=True)), rows=1200)
