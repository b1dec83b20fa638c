# SPDX-License-Identifier: Apache-2.0
"""Matters as offices live with them: issued, signed for, sent back, closed; asked for more time; overdue by time alone."""
import concurrent.futures
import time

import pytest
from conftest import County
from peer import pb


@pytest.fixture(scope="module")
def town():
    one = County("--daemons", "2")
    try:
        yield one.up()
    finally:
        one.down()


def q(town, who, *words, ok=True):
    done = town.qipan(who, *words, "-o", "json", ok=ok)
    return done.json if ok is True else done.error


def issue(town, who, office, subject, *words, sort="order"):
    return q(town, who, "matter", "add", f"office={office}", f"class={sort}", f"subject={subject}", *words)


def mine(town, who, *words):
    return [m["subject"] for m in q(town, who, "matter", "mine", *words)]


def day(town, after):
    return town.psql(f"SELECT registry.today() + {after}")[0][0]


def told(town, who, n, filter_text):
    return [e for e in town.qipan(who, "watch", "--since", "0", "--filter", filter_text, "-n", n, "-o", "jsonl", ok=True).lines if "view" in e]


def test_an_assignment_from_issue_to_closing(town):
    no = q(town, "chengguan", "project", "add", "name=闭环项目", "investor=闭环公司")["no"]
    watch = town.peer("leader", 2).watch(terms=[pb.Term(field="project", op="=", values=[no]), pb.Term(field="kind", op="=", values=["matter"])])
    made = issue(town, "bureau", "城关镇", "报送用地红线图", f"project={no}", "demand=附坐标", "days=5", sort="交办")
    assert (made["state"], made["issuer_office"], made["light"], made["office"]) == ("issued", "bureau", "none", "chengguan")
    assert mine(town, "chengguan", "sign") == ["报送用地红线图"] and mine(town, "dongshan", "sign") == []
    id = made["id"]
    assert "承办单位" in town.qipan("dongshan", "matter", "sign", id, ok=8).stderr
    signed = q(town, "chengguan", "matter", "sign", id)
    assert (signed["signer"], signed["sign_minutes"]) == ("chengguan", 0)
    watch.until(lambda e: e.type == "matter.signed" and e.object == id)  # pushed at once, through the other daemon
    q(town, "chengguan", "matter", "report", id, "红线图已报")
    assert mine(town, "bureau", "review") == ["报送用地红线图"]
    assert "不能复核" in town.qipan("chengguan", "matter", "close", id, ok=8).stderr
    assert town.qipan("bureau", "matter", "return", id, ok=7).stderr
    assert q(town, "bureau", "matter", "return", id, "--reason", "缺坐标")["returns"] == 1
    q(town, "chengguan", "matter", "report", id, "已补坐标")
    assert q(town, "bureau", "matter", "close", id)["state"] == "closed"
    story = town.qipan("leader", "matter", "log", id, "-o", "jsonl", ok=True).lines
    assert [e["type"].partition(".")[2] for e in story] == ["added", "signed", "reported", "working", "reported", "closed"]
    said = town.qipan("leader", "matter", "log", id, ok=True).stdout
    assert "缺坐标" in said and "已销号" in said and "报送用地红线图" in said
    later = town.qipan("leader", "matter", "log", id, "--after-rev", story[3]["rev"], "-o", "jsonl", ok=True).lines
    assert later == story[4:]
    assert town.qipan("leader", "matter", "log", "mt000000000000000", ok=5)


def test_two_at_once_one_wins(town):
    id = issue(town, "duban", "chengguan", "二人同时复核")["id"]
    q(town, "chengguan", "matter", "sign", id)
    q(town, "chengguan", "matter", "report", id, "好了")
    with concurrent.futures.ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda who: town.qipan(who[0], "matter", *who[1]),
                             [("bureau", ("close", id)), ("duban", ("return", id, "--reason", "不实"))]))
    assert sorted(d.returncode for d in done) == [0, 7], [d.stderr for d in done]
    lost = next(d for d in done if d.returncode).stderr
    winner = "bureau" if done[0].returncode == 0 else "duban"
    assert winner in lost and day(town, 0) in lost


def test_an_enterprise_is_answered(town):
    id = issue(town, "dongshan", "ziran", "用地手续何时办结", "enterprise=示例公司", sort="企业诉求")["id"]
    assert issue_refused(town, "dongshan", "ziran")["code"] == "PERMISSION_DENIED"
    q(town, "ziran", "matter", "sign", id)
    q(town, "ziran", "matter", "report", id, "月底前办结")
    assert q(town, "dongshan", "matter", "close", id, "--satisfaction", "5")["satisfaction"] == 5
    found = q(town, "leader", "matter", "list", "class=企业诉求", "state=已销号")
    assert [m["id"] for m in found] == [id]


def issue_refused(town, who, office):
    return q(town, who, "matter", "add", f"office={office}", "class=order", "subject=越权", ok=8)


def test_who_helps_and_who_watches_one_is_told_at_once(town):
    def watch(who, field, value):
        return town.peer(who).watch(terms=[pb.Term(field=field, op="=", values=[value])])

    helping, other = watch("leader", "office", "fagai"), watch("leader", "office", "ziran")
    id = issue(town, "bureau", "chengguan", "会办件", "helpers=fagai")["id"]
    one = watch("duban", "project", id)
    q(town, "chengguan", "matter", "sign", id)
    for told_at_once in (helping, one):
        assert told_at_once.until(lambda e: e.type == "matter.signed")[-1].object == id
    last = issue(town, "bureau", "ziran", "另一件")["id"]
    assert [e.object for e in other.until(lambda e: e.kind == "matter")] == [last]


def test_a_helping_office_signs_for_its_part_and_shows_what_it_did(town, tmp_path):
    no = q(town, "chengguan", "project", "add", "name=协办项目", "investor=协办公司")["no"]
    id = issue(town, "bureau", "chengguan", "协办事项", f"project={no}", "helpers=fagai")["id"]
    assert "协办事项" in mine(town, "fagai", "sign")
    signed = q(town, "fagai", "matter", "sign", id)
    assert (signed["state"], signed["helpers_signed"], signed["helper_signers"], signed["helper_minutes"]) == ("issued", ["fagai"], ["fagai"], ["0"])
    assert "协办事项" not in mine(town, "fagai", "sign") and "协办事项" in mine(town, "chengguan", "sign")
    assert "牵头单位签收" in town.qipan("fagai", "matter", "sign", id, ok=7).stderr
    (tmp_path / "批复.txt").write_text("同意")
    assert q(town, "fagai", "evidence", "add", no, tmp_path / "批复.txt", f"of={id}")["state"] == "ready"
    town.qipan("fagai", "evidence", "add", no, tmp_path / "批复.txt", ok=8)
    assert q(town, "chengguan", "matter", "sign", id)["state"] == "signed"


def test_no_report_without_evidence_where_it_is_asked_for(town, tmp_path):
    no = q(town, "chengguan", "project", "add", "name=佐证事项项目", "investor=佐证公司")["no"]
    id = issue(town, "duban", "chengguan", "消防整改", f"project={no}", "needs_evidence=true", sort="整改")["id"]
    q(town, "chengguan", "matter", "sign", id)
    assert "佐证" in town.qipan("chengguan", "matter", "report", id, "已整改", ok=7).stderr
    (tmp_path / "整改照片.txt").write_text("照片说明")
    town.qipan("chengguan", "evidence", "add", no, tmp_path / "整改照片.txt", f"of={id}", ok=True)
    assert q(town, "chengguan", "matter", "report", id, "已整改")["state"] == "reported"


def test_more_time_and_parts(town):
    id = issue(town, "bureau", "chengguan", "拆迁扫尾", f"due_on={day(town, 6)}", "helpers=fagai,ziran")["id"]
    assert "拆迁扫尾" in mine(town, "ziran", "sign")
    later = day(town, 20)
    assert q(town, "chengguan", "matter", "extend", id, later, "--reason", "等评估")["asked_on"] == later
    assert "拆迁扫尾" in mine(town, "bureau", "review")
    granted = q(town, "bureau", "matter", "grant", id)
    assert (granted["due_on"], granted["extensions"], granted.get("asked_on")) == (later, 1, None)
    assert q(town, "chengguan", "matter", "split", id, town.psql("SELECT name FROM registry.office WHERE code = 'fagai'")[0][0], "ziran")["parts"] == ["fagai", "ziran"]
    assert "、" in town.qipan("chengguan", "matter", "show", id, ok=True).stdout  # offices by their names
    parts = q(town, "leader", "matter", "list", f"whole={id}")
    assert {p["office"]: p["issuer_office"] for p in parts} == {"fagai": "chengguan", "ziran": "chengguan"}
    q(town, "chengguan", "matter", "sign", id)
    q(town, "chengguan", "matter", "report", id, "汇总")
    assert "2 项分解事项未销号" in town.qipan("bureau", "matter", "close", id, ok=7).stderr
    for part in parts:
        q(town, part["office"], "matter", "sign", part["id"])
        q(town, part["office"], "matter", "report", part["id"], "办妥")
        q(town, "chengguan", "matter", "close", part["id"])
    assert q(town, "bureau", "matter", "close", id)["state"] == "closed"


def test_the_calendar_is_the_countys(town):
    off = {d["day"]: d["note"] for d in q(town, "chengguan", "calendar", "list", "2026-10") if d["kind"] == "off"}
    assert off["2026-10-01"] == "国庆节" and len(off) == 7
    assert q(town, "chengguan", "calendar", "set", "2030-01-08", "off", ok=8)["code"] == "PERMISSION_DENIED"
    assert q(town, "bureau", "calendar", "set", "2030-01-08", "off", "--note", "县庆")["kind"] == "off"
    shown = town.qipan("chengguan", "calendar", "list", "2030", ok=True).stdout
    assert "县庆" in shown and "放假" in shown and "安排" in shown


def test_time_alone_reminds_and_turns_the_light(town):
    made = issue(town, "bureau", "dongshan", "到期亮灯", f"due_on={day(town, 40)}", "superior=leader")
    town.clock("+38d")
    deadline = time.monotonic() + 20
    while q(town, "bureau", "matter", "show", made["id"]).get("reminders") != 1:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    town.clock("+41d")
    while q(town, "bureau", "matter", "show", made["id"])["light"] != "blue":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    town.clock("+42d")
    events = told(town, "chengguan", 4, f"project={made['id']}")[1:]
    assert [e["type"] for e in events] == ["matter.reminded", "matter.overdue", "matter.overdue"]
    assert events[2]["changes"]["light"] == ["blue", "yellow"] and events[2]["changes"]["escalated_to"] == [None, "leader"]
    assert {e["actor"] for e in events} == {"registry"}
    assert "到期亮灯" in mine(town, "dongshan", "overdue") and "到期亮灯" in mine(town, "bureau", "overdue")
    assert "黄灯" in town.qipan("dongshan", "matter", "mine", "overdue", ok=True).stdout
