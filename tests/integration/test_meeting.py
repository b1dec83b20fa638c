# SPDX-License-Identifier: Apache-2.0
"""Meetings, inspection rounds, offices and people that change: as the bureau, a township and a leader type it."""
import hashlib
import time

import pytest
from conftest import SLOW, County
from steps import new_account, set_role, wait_for


@pytest.fixture(scope="module")
def town():
    one = County("--bare")
    try:
        yield one.up()
    finally:
        one.down()


def do(county, who, *words, ok=True):
    return county.qipan(who, *words, "-o", "json", ok=ok).json


def add(county, who, name, **fields):
    return do(county, who, "project", "add", f"name={name}", f"investor={name}公司", *(f"{k}={v}" for k, v in fields.items()))


def test_a_regular_meeting_and_the_next(town):
    today = town.psql("SELECT registry.today()")[0][0]
    meeting = do(town, "bureau", "meeting", "add", "class=例会", f"held_on={today}", "chair=张县长", "name=项目调度例会")
    assert (meeting["state"], meeting["class"], meeting["office"]) == ("planned", "regular", "bureau")
    # a project of which nobody heard for three months is on the agenda; drawing again adds nothing
    stale = add(town, "chengguan", "久无进展项目", stage="talks")
    town.psql("UPDATE registry.pace SET stage_on = (registry.today() - 90)::text, active_on = (registry.today() - 90)::text "
              f"WHERE project = '{stale['id']}'")
    watch = town.popen("leader", "watch", "--filter", "kind=agenda", "-n", "2", "-o", "jsonl")
    time.sleep(0.5)
    for _ in range(2):
        do(town, "bureau", "meeting", "draw", meeting["id"])
    item = do(town, "bureau", "meeting", "item", f"meeting={meeting['id']}", "subject=下月招商安排", "office=fagai")
    agenda = do(town, "leader", "meeting", "agenda", f"meeting={meeting['id']}")
    assert [(a["source"], a["office"], a.get("no")) for a in agenda] == [("stale", "chengguan", stale["no"]), ("manual", "fagai", None)]
    assert "久无进展项目" in town.qipan("chengguan", "meeting", "agenda", f"meeting={meeting['id']}", ok=True).stdout
    out, _ = watch.communicate(timeout=20 * SLOW)
    assert [line.split('"type":"')[1].split('"')[0] for line in out.splitlines() if '"view"' in line] == ["agenda.added", "agenda.added"]
    # it cannot close before it was held; a clerk holds none of the bureau's
    assert "筹备" in town.qipan("bureau", "meeting", "close", meeting["id"], ok=7).stderr
    assert town.qipan("chengguan", "meeting", "hold", meeting["id"], ok=8).stderr
    do(town, "bureau", "meeting", "hold", meeting["id"])
    do(town, "bureau", "meeting", "edit", meeting["id"], "minutes=听取汇报,议定事项见清单", "attendees=各乡镇、园区")
    decided = do(town, "bureau", "meeting", "decide", item["id"], "制定下月外出招商计划", "--office", "fagai", "--due-on", "2027-12-20")
    assert (decided["state"], decided["decision"]) == ("decided", "制定下月外出招商计划")
    matter, = do(town, "leader", "matter", "list", f"of={item['id']}")
    assert (matter["class"], matter["office"], matter["state"], matter["due_on"]) == ("decision", "fagai", "issued", "2027-12-20")
    do(town, "bureau", "meeting", "close", meeting["id"])
    assert town.qipan("bureau", "meeting", "edit", meeting["id"], "minutes=改", ok=7).stderr
    following = do(town, "bureau", "meeting", "next", meeting["id"], "--on", "2027-12-06")
    assert (following["previous"], following["chair"], following["state"]) == (meeting["id"], "张县长", "planned")
    assert [(a["source"], a["of"]) for a in do(town, "leader", "meeting", "agenda", f"meeting={following['id']}")] == [
        ("unfinished", matter["id"]), ("unfinished", stale["id"])]


def test_who_inspects_whom_anybody_can_recompute(town):
    offices = ["chengguan", "dongshan", "jingkai"]
    wheel = do(town, "duban", "inspection", "round", "name=四季度互查", "class=互查", "begin_on=2026-10-01", "until_on=2026-12-31", f"offices={','.join(offices)}")
    project = add(town, "jingkai", "互查提名项目", stage="signed")
    do(town, "jingkai", "inspection", "nominate", f"round={wheel['id']}", f"project={project['no']}")
    assert town.qipan("chengguan", "inspection", "draw", wheel["id"], ok=8).stderr
    assert do(town, "duban", "inspection", "draw", wheel["id"], "--seed", "2026Q4")["seed"] == "2026Q4"
    order = sorted(offices, key=lambda o: hashlib.sha256(f"2026Q4 {o}".encode()).hexdigest())
    rows = do(town, "leader", "inspection", "list", f"round={wheel['id']}")
    assert {(r["inspector"], r["office"]) for r in rows} == {(a, order[(n + 1) % 3]) for n, a in enumerate(order)}
    assert town.qipan("duban", "inspection", "draw", wheel["id"], "--seed", "again", ok=7).stderr
    mine = next(r for r in rows if r["office"] == "jingkai")
    assert mine["no"] == project["no"]
    marks = ["progress=85", "evidence=90", "跟踪服务=80", "site=95"]
    assert "本单位" in town.qipan("jingkai", "inspection", "score", mine["id"], *marks, ok=8).stderr
    assert "默认规则" in town.qipan(mine["inspector"], "inspection", "score", mine["id"], *marks[:3], ok=7).stderr
    scored = do(town, mine["inspector"], "inspection", "score", mine["id"], *marks)
    assert (scored["score"], scored["state"]) == ("87", "scored")
    results = do(town, "leader", "inspection", "results", wheel["id"])
    assert {r["office"]: r.get("score_mean") for r in results} == {"jingkai": "87", "chengguan": None, "dongshan": None}
    assert "平均得分" in town.qipan("leader", "inspection", "results", wheel["id"], ok=True).stdout
    do(town, mine["inspector"], "inspection", "score", mine["id"], *marks, "--finding", "台账不全")
    assert do(town, "duban", "inspection", "close", mine["id"], "--due-on", "2027-12-31")["state"] == "closed"
    matter, = do(town, "leader", "matter", "list", "class=整改")
    assert (matter["office"], matter["no"], matter["subject"]) == ("jingkai", project["no"], "台账不全")
    assert "2" in town.qipan("duban", "inspection", "finish", wheel["id"], ok=7).stderr


def test_a_person_hands_over(town):
    new_account(town, "wang.min", "dongshan", certificate=False)
    held = [add(town, "dongshan", f"移交项目{n}", lead_person="赵六") for n in range(3)]
    elsewhere = add(town, "chengguan", "他处项目", lead_person="赵六")
    assert town.qipan("dongshan", "account", "handover", "赵六", "wang.min", ok=8).stderr
    set_role(town, "dongshan", "approver", "dongshan")
    assert "招商局" in town.qipan("dongshan", "account", "handover", "赵六", "chengguan", ok=8).stderr
    done = do(town, "dongshan", "account", "handover", "赵六", "wang.min", "--reason", "工作调动")
    assert (done["moved"], done["state"], done["office"]) == (3, "done", "dongshan")
    for project in held:
        assert do(town, "leader", "project", "show", project["id"])["lead_person"] == "账号wang.min"
    last = town.qipan("leader", "project", "log", held[0]["id"], "-o", "jsonl", ok=True).lines[-1]
    assert (last["actor"], last["changes"]["lead_person"], last["reason"]) == ("dongshan", ["赵六", "账号wang.min"], "工作调动")
    assert do(town, "leader", "project", "show", elsewhere["id"])["lead_person"] == "赵六"
    people = do(town, "leader", "people", "list", "--office", "dongshan")
    assert next(p["projects"] for p in people if p.get("account") == "wang.min") == 3
    assert "在手项目" in town.qipan("leader", "people", "list", ok=True).stdout


def settled(town, id):
    return lambda: next(c for c in do(town, "bureau", "office", "changes") if c["id"] == id)["state"] == "done"


def test_an_office_gets_another_name_and_a_part_of_it_leaves(town):
    moved = [add(town, "jingkai", f"划出项目{n}") for n in range(2)]
    assert town.qipan("jingkai", "office", "rename", "jingkai", "棋山高新区", ok=8).stderr
    change = do(town, "bureau", "office", "rename", "jingkai", "棋山高新区", "--on", "2026-01-01", "--note", "县编办〔2026〕3号")
    assert (change["state"], change["was"]) == ("done", "棋山经济开发区")
    assert {o["code"]: o["name"] for o in do(town, "leader", "office", "list")}["jingkai"] == "棋山高新区"
    assert len(do(town, "leader", "project", "list", "--filter", "office=棋山经济开发区")) >= 2  # the old name finds it
    change = do(town, "bureau", "office", "split", "jingkai", "lingang", *(p["no"] for p in moved), "--name", "临港园区")
    wait_for(settled(town, change["id"]))
    assert {p["id"] for p in do(town, "leader", "project", "list", "--filter", "office=lingang")} == {p["id"] for p in moved}


def test_a_merger_stops_nobody_and_grants_nothing(town):
    """Seven hundred projects change hands while others edit; roles end, and only the security officer gives others."""
    hidden = add(town, "dongshan", "东山机密项目", restricted="true")
    town.psql("SELECT count((api.project_add(a.id, 'zh', 'many-' || n, '\\x00', jsonb_build_object('name', '东山第' || n, 'investor', '东山' || n), NULL)).rev) "
              "FROM registry.account a, generate_series(1, 700) n WHERE a.code = 'dongshan'")
    busy = add(town, "chengguan", "合并中编辑项目")
    matter = do(town, "duban", "matter", "add", "class=督办", "office=dongshan", "subject=报送材料", "days=20")
    change = do(town, "bureau", "office", "merge", "dongshan", "chengguan")
    assert "account grant dongshan clerk --office chengguan" in change["proposed"]
    slowest = 0
    for n in range(10):
        begun = time.monotonic()
        do(town, "chengguan", "project", "edit", busy["id"], f"jobs={n}")
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 1.5 * SLOW
    wait_for(settled(town, change["id"]))
    assert town.psql("SELECT count(*) FROM registry.project WHERE office = 'dongshan'") == [["0"]]
    assert do(town, "leader", "matter", "show", matter["id"])["office"] == "chengguan"
    most = town.psql("SELECT max(t.changes) FROM registry.entry e JOIN registry.txn t USING (grp) WHERE e.op = 'office_turn'")
    assert int(most[0][0]) <= 530  # in batches
    old = next(o for o in do(town, "leader", "office", "list") if o["code"] == "dongshan")
    assert old["until_on"] and old["successor"] == "chengguan"
    assert "chengguan" in town.qipan("bureau", "project", "edit", busy["id"], "office=dongshan", ok=7).stderr
    # its people lost what they had, and have nothing until they are given it
    assert town.qipan("dongshan", "project", "edit", hidden["id"], "jobs=1", ok=8).stderr
    town.qipan("secadmin", "account", "grant", "dongshan", "clerk", "--office", "chengguan", ok=True)
    assert do(town, "dongshan", "project", "edit", hidden["id"], "jobs=1")["office"] == "chengguan"


def test_what_was_before_the_county_went_live(town):
    project = add(town, "chengguan", "早年项目", stage="producing", amount_total="2亿元")
    assert town.qipan("chengguan", "project", "backdate", project["no"], "signed", "--on", "2019-05-06", ok=8).stderr
    for stage, day in (("signed", "2019-05-06"), ("started", "2019-11"), ("producing", "2021-03-01")):
        step = do(town, "bureau", "project", "backdate", project["no"], stage, "--on", day)
        assert (step["state"], step["counted_on"], step["opening"]) == ("approved", day, True)
    money = do(town, "bureau", "arrival", "backdate", f"project={project['no']}", "class=fixed", "amount_arrived=3000万元", "arrived_on=2020-08-01",
               "origin=county_outside", "voucher=2020-17")
    assert (money["counted_on"], money["opening"], money["office"]) == ("2020-08-01", True, "chengguan")
    shown = do(town, "leader", "project", "show", project["id"])
    assert (shown["signed_on"], shown["started_on"], shown["produced_on"]) == ("2019-05-06", "2019-11", "2021-03-01")
    assert "期初补录" in town.qipan("leader", "stage", "list", project["no"], "--fields", "stage,reached_on,opening", ok=True).stdout
    assert do(town, "leader", "arrival", "list", f"project={project['no']}", "opening=false") == []
    # behind the day the county went live it takes a reason
    yesterday = town.psql("SELECT registry.today() - 1")[0][0]
    town.qipan("chengguan", "rules", "live", yesterday, ok=8)
    assert "2021-03-01" in town.qipan("bureau", "rules", "live", "2021-03-01", ok=7).stderr  # of that day something is there from before
    assert do(town, "bureau", "rules", "live", yesterday)["live_on"] == yesterday
    assert f"上线日期:{yesterday}\n" in town.qipan("chengguan", "rules", "show", "stage", ok=True).stdout
    assert [row["status"] for row in do(town, "auditor", "audit", "list", "--person", "bureau") if row["op"] == "live_set"] == ["FAILED_PRECONDITION", "OK"]
    assert "理由" in town.qipan("bureau", "project", "backdate", project["no"], "landed", "--on", "2019-09-01", ok=7).stderr
    do(town, "bureau", "project", "backdate", project["no"], "landed", "--on", "2019-09-01", "--reason", "上线时漏报")
