# SPDX-License-Identifier: Apache-2.0
"""Stages, money and plans, as clerks report them and others approve them, by the client."""
import threading

import pytest
from conftest import County


@pytest.fixture(scope="module")
def county():
    one = County("--bare")
    try:
        yield one.up()
    finally:
        one.down()


@pytest.fixture
def project(county, request):
    return county.qipan("chengguan", "project", "add", f"name={request.node.name}", "investor=晴空新能源", "amount_total=3.5亿", "stage=talks",
                        "-o", "json", ok=True).json


def stages(county, project, context="leader"):
    rows = county.qipan(context, "stage", "list", project["no"], "-o", "jsonl", ok=True).lines
    return [(r["stage"], r["state"], r.get("counted_on")) for r in rows]


def today(county):
    return county.psql("SELECT registry.today()")[0][0]


def test_a_signing_counts_when_it_is_approved(county, project, tmp_path):
    """The clerk brings the contract with the signing; the bureau approves it; it counts from that day, once."""
    no, contract = project["no"], tmp_path / "投资合同.pdf"
    contract.write_bytes(b"%PDF-1.7 contract")
    county.qipan("chengguan", "project", "advance", no, "签约", "--on", "2026-01-05", "--evidence", contract, ok=True)
    assert stages(county, project) == [("talks", "recorded", None), ("signed", "pending", None)]
    assert project["no"] in county.qipan("bureau", "stage", "waiting", ok=True).stdout
    assert county.qipan("chengguan", "stage", "approve", no, ok=8).stderr
    done = county.qipan("bureau", "stage", "approve", no, "--stage", "签约", "--request", "ap-once", "-o", "json", ok=True).json
    assert (done["state"], done["decided_actor"], done["counted_on"], len(done["evidence"])) == ("approved", "bureau", today(county), 1)
    assert county.qipan("bureau", "stage", "approve", no, "--stage", "签约", "--request", "ap-once", "-o", "json", ok=True).json["version"] == done["version"]
    late = county.qipan("leader", "stage", "approve", no, "--stage", "signed", ok=7).stderr
    assert "已计入" in late and "周先行" in late
    assert project["no"] not in county.qipan("bureau", "stage", "waiting", ok=True).stdout
    told = county.qipan("fagai", "watch", "--since", "0", "--filter", f"project={no} kind=step", "-n", "2", "-o", "jsonl", ok=True).lines
    assert [e["type"] for e in told if "view" in e] == ["step.added", "step.approved"]


def test_what_is_missing_is_said_whole(county, project):
    """Without the contract it doesn't count; the refusal names the rules and everything that is missing."""
    no = project["no"]
    county.qipan("chengguan", "project", "edit", no, "investor=", ok=True)
    county.qipan("chengguan", "project", "advance", no, "signed", ok=True)
    error = county.qipan("bureau", "stage", "approve", no, "-o", "json", ok=7).error
    assert error["allowed"] == ["evidence", "investor"] and "默认规则 2026" in error["message"] and "投资方" in error["message"]
    county.psql("INSERT INTO registry.stage_need (rule_set, stage, need, what, blocks) VALUES (1, 'landed', 'field', 'site', true), (1, 'landed', 'evidence', '', true)")
    error = county.qipan("chengguan", "project", "advance", no, "落地", "-o", "json", ok=7).error
    assert error["allowed"] == ["evidence", "site"] and "默认规则 2026" in error["message"] and "evidence add" in error["hint"]
    county.psql("DELETE FROM registry.stage_need WHERE stage = 'landed'")
    assert county.qipan("bureau", "stage", "reject", no, ok=7).stderr
    county.qipan("bureau", "stage", "reject", no, "--reason", "缺合同", ok=True)
    assert stages(county, project)[-1][:2] == ("signed", "rejected")


def test_a_mistake_stays_visible(county, project):
    """A start that didn't happen: taken back with a reason, and still there for everybody to see."""
    no = project["no"]
    for stage in ("signed", "started"):
        county.qipan("chengguan", "project", "advance", no, stage, ok=True)
    assert county.qipan("chengguan", "stage", "correct", no, ok=7).stderr
    back = county.qipan("chengguan", "stage", "correct", no, "--reason", "误报开工", "-o", "json", ok=True).json
    assert back["stage"] == "signed" and "started_on" not in back
    assert [s[:2] for s in stages(county, project)] == [("talks", "recorded"), ("signed", "pending"), ("started", "corrected"), ("signed", "recorded")]
    assert "误报开工" in county.qipan("fagai", "stage", "list", no, ok=True).stdout
    assert any(e.get("reason") == "误报开工" for e in county.qipan("fagai", "project", "log", no, "-o", "jsonl", ok=True).lines)
    county.qipan("chengguan", "project", "advance", no, "suspended", ok=True)
    assert county.qipan("chengguan", "project", "advance", no, "talks", "-o", "json", ok=7).error["allowed"] == ["signed", "exited"]
    county.qipan("chengguan", "project", "advance", no, "signed", ok=True)


def test_two_approve_at_once(county, project, tmp_path):
    """Bureau and leader in the same moment: one decides, the other is told who was first."""
    no = project["no"]
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7 two")
    county.qipan("chengguan", "project", "advance", no, "signed", "--evidence", tmp_path / "a.pdf", ok=True)
    done = {}

    def decide(who):
        done[who] = county.qipan(who, "stage", "approve", no, "--stage", "signed")

    threads = [threading.Thread(target=decide, args=(who,)) for who in ("bureau", "leader")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(d.returncode for d in done.values()) == [0, 7], done
    winner, = (who for who, d in done.items() if d.returncode == 0)
    assert {"bureau": "周先行", "leader": "郑观局"}[winner] in next(d.stderr for d in done.values() if d.returncode == 7)


def test_money_that_arrived(county, project, tmp_path):
    """Reported with its voucher, approved by another, summed from then on; an amount in the wrong unit is asked about."""
    no = project["no"]
    words = [f"project={no}", "arrived_on=2026-01-06", "class=固定资产投资", "origin=省外", "voucher=0001234"]
    odd = county.qipan("chengguan", "arrival", "add", *words, "amount_arrived=3.5万", "-o", "json", ok=7).error
    assert odd["field"] == "amount_arrived" and "万元还是元" in odd["message"]
    made = county.qipan("chengguan", "arrival", "add", *words, "amount_arrived=1200万", "-o", "json", ok=True).json
    assert (made["amount_arrived"], made["state"], made["origin"]) == ("12000000.00", "reported", "province_outside")
    assert "佐证材料" in county.qipan("bureau", "arrival", "approve", made["id"], ok=7).stderr
    (tmp_path / "回单.pdf").write_bytes(b"%PDF-1.7 voucher")
    county.qipan("chengguan", "evidence", "add", no, tmp_path / "回单.pdf", f"of={made['id']}", ok=True)
    assert county.qipan("chengguan", "arrival", "approve", made["id"], ok=8).stderr
    done = county.qipan("bureau", "arrival", "approve", made["id"], "-o", "json", ok=True).json
    assert (done["state"], done["counted_on"]) == ("approved", today(county))
    assert county.psql(f"SELECT registry.arrived('{project['id']}')") == [["1200000000"]]
    assert county.qipan("chengguan", "arrival", "edit", made["id"], "amount_arrived=1300万", ok=7).stderr
    assert "佐证" in county.qipan("leader", "arrival", "show", made["id"], ok=True).stdout
    assert "1200万" in county.qipan("leader", "arrival", "list", f"project={no}", "state=已计入", ok=True).stdout.replace(",", "")
    county.qipan("bureau", "arrival", "withdraw", made["id"], "--reason", "重复填报", ok=True)
    assert county.psql(f"SELECT registry.arrived('{project['id']}')") == [["0"]]
    assert county.qipan("chengguan", "arrival", "add", *words, "amount_arrived=3.5万", "--force", ok=2).stderr
    county.qipan("chengguan", "arrival", "add", *words, "amount_arrived=3.5万", "--force", "--reason", "定金", ok=True)


def test_a_plan_and_its_delay(county, project):
    """A milestone for another office; the plan moves with a reason only; this week's and last year's are lists."""
    no = project["no"]
    made = county.qipan("chengguan", "milestone", "add", f"project={no}", "class=开工", "planned_on=2026-05", "office=ziran", "person=李工", "-o", "json", ok=True).json
    assert "planned_on" in county.qipan("chengguan", "milestone", "edit", made["id"], "planned_on=2026-06-15", ok=7).stderr
    county.qipan("chengguan", "milestone", "edit", made["id"], "planned_on=2026-06-15", "--reason", "供地推迟", ok=True)
    due = county.qipan("ziran", "milestone", "list", "planned_on>=2026-06-15", "planned_on<=2026-06-21", 'done_on=""', "-o", "jsonl", ok=True).lines
    assert [m["id"] for m in due] == [made["id"]]
    county.qipan("ziran", "milestone", "edit", made["id"], "done_on=2026-06-20", ok=True)
    assert county.qipan("ziran", "milestone", "list", "planned_on=2026-06", 'done_on=""', "-o", "json", ok=True).json == []
    told = county.qipan("fagai", "watch", "--since", "0", "--filter", f"project={no} kind=milestone", "-n", "3", "-o", "jsonl", ok=True).lines
    assert any(e.get("reason") == "供地推迟" and e["changes"]["planned_on"] == ["2026-05", "2026-06-15"] for e in told)


def test_departments_differ(county, project):
    """Each department has its own day for the start; they stand side by side, one for each."""
    no = project["no"]
    for who, day, basis in (("fagai", "2026-03-01", "项目开工令"), ("ziran", "2026-03-12", "施工许可证")):
        county.qipan(who, "stagedate", "add", f"project={no}", "stage=开工", f"dated_on={day}", f"basis={basis}", ok=True)
    shown = county.qipan("leader", "stagedate", "list", f"project={no}", "stage=started", ok=True).stdout
    assert "项目开工令" in shown and "2026-03-12" in shown
    assert "已填报" in county.qipan("fagai", "stagedate", "add", f"project={no}", "stage=started", "dated_on=2026-03-02", "basis=x", ok=6).stderr


def test_days_that_cannot_be(county, project):
    for field, value in (("planned_start_on", "1989-12-31"), ("planned_complete_on", "2101"), ("started_on", "2026-02-30")):
        assert field in county.qipan("chengguan", "project", "edit", project["no"], f"{field}={value}", "-o", "json", ok=7).stderr
    county.qipan("chengguan", "project", "edit", project["no"], "agreement=框架协议", ok=True)
    assert project["no"] in county.qipan("leader", "project", "list", "--filter", "agreement=framework", ok=True).stdout
