# SPDX-License-Identifier: Apache-2.0
"""First report, its protection, the clocks and what they light, monthly returns: as clerks, the bureau and leaders meet them."""
import json
import threading

import pytest
from conftest import County
from peer import Refused, pb
from steps import new_account, wait_for


@pytest.fixture(scope="module")
def one():
    county = County("--bare")
    try:
        yield county.up()
    finally:
        county.down()


def add(county, who, name, *words, ok=True):
    done = county.qipan(who, "project", "add", f"name={name}", *words, "-o", "json", ok=ok)
    return done if ok is not True else done.json["no"]


def rows(county, who, *words):
    return county.qipan(who, *words, "-o", "json", ok=True).json


def lights(county, no, who="leader"):
    return {row["rule"]: row["light"] for row in rows(county, who, "alert", "list", f"project={no}", "state=open")}


def ran(county):
    """The daemon itself ran the clocks of this day of the county."""
    wait_for(lambda: county.psql("SELECT done_at IS NOT NULL AND day = registry.today() FROM registry.clock") == [["t"]])


def test_twenty_clerks_ten_leads(one):
    clerks = [f"clerk{n}" for n in range(20)]
    for n, code in enumerate(clerks):
        office = ("chengguan", "dongshan")[n % 2]
        new_account(one, code, office, [("clerk", office, None, None, None)])
    peers = [one.peer(code) for code in clerks]
    gate, answers = threading.Barrier(20), [None] * 20

    def register(n):
        lead = pb.Project(name=f"抢报线索{'甲乙丙丁戊己庚辛壬癸'[n // 2]}", investor=f"抢报公司{n // 2}", summary="内情", contact_phone=f"1380000{n:04}", stage="lead")
        gate.wait()
        try:
            answers[n] = peers[n].do("project_add", set=lead)
        except Refused as e:
            answers[n] = e.error

    threads = [threading.Thread(target=register, args=(n,)) for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    refused = [a for a in answers if hasattr(a, "code")]
    first = {a.project.no: a.project for a in answers if not hasattr(a, "code")}
    assert len(first) == len(refused) == 10
    for error in refused:
        assert (error.code, error.other_office) == ("ALREADY_EXISTS", first[error.other_no].office) and error.at
        said = str(error)
        assert "内情" not in said and "1380000" not in said and first[error.other_no].id not in said


def test_alike_is_refused_and_near_is_noted(one):
    no = add(one, "chengguan", "高端装备制造产业园建设项目", "investor=相似实业", "industry=C38", "amount_total=1亿元", "site=城东一路")
    refused = add(one, "dongshan", "高端装备制造产业园建设项目新", "investor=相似实业", ok=6)
    assert refused.error["other_no"] == no and refused.error["other_office"] == "chengguan" and "85%" in refused.error["hint"]
    noted = one.qipan("dongshan", "project", "add", "name=电机厂", "investor=相似实业", "industry=C38", "amount_total=9000万", "site=城东 一路", "-o", "json", ok=True)
    notes = [json.loads(line)["warning"] for line in noted.stderr.splitlines()]
    assert [(n["code"], n["no"], n["office"]) for n in notes] == [("like_amount", no, "chengguan")]  # each other project once
    people = one.qipan("dongshan", "project", "edit", noted.json["no"], "amount_total=9500万", ok=True)
    assert f"登记的 {no} 投资方、行业相同且金额相近" in people.stderr and people.stdout
    # an import is held to the same
    sheet = one.dir / "alike.csv"
    sheet.write_text("name,investor\n高端装备制造产业园建设项目乙,相似实业\n全然不同,相似实业\n", encoding="utf-8")
    verdicts = one.qipan("dongshan", "import", sheet, "--keep-going", ok=7).stdout
    assert "名称相近" in verdicts and no in verdicts


def test_a_lead_is_protected_renewed_released(one):
    kept = add(one, "chengguan", "续期的线索", "investor=续期公司")
    left = add(one, "chengguan", "放下的线索", "investor=放下公司")
    until = one.qipan("leader", "project", "show", kept, "-o", "json", ok=True).json["protected_until"]
    assert until in one.qipan("leader", "project", "list", "续期", "--fields", "no,protected_until", ok=True).stdout
    assert "没有洽谈走访记录" in one.qipan("chengguan", "protection", "renew", kept, ok=7).stderr
    one.clock("+82d")
    ran(one)
    assert {kept, left} <= {row["no"] for row in rows(one, "leader", "protection", "list", "state=expiring")}
    today = one.psql("SELECT registry.today()")[0][0]
    one.qipan("chengguan", "activity", "add", f"project={kept}", "class=talk", f"held_on={today}", ok=True)
    renewed = one.qipan("chengguan", "protection", "renew", kept, "-o", "json", ok=True).json
    assert renewed["state"] == "held" and renewed["until_on"] > until and renewed["renewals"] == 1
    assert one.qipan("dongshan", "protection", "renew", left, ok=8).stderr
    watch = one.popen("leader", "watch", "--since", "now", "--filter", "kind=protection", "-n", "1", "-o", "jsonl", "--timeout", "30")
    wait_for(lambda: one.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'qipand%'") != [["0"]])
    one.clock("+92d")
    ran(one)
    given_up = rows(one, "leader", "protection", "list", f"project={left}")[0]
    assert given_up["state"] == "released" and "已释放" in one.qipan("leader", "protection", "show", given_up["id"], ok=True).stdout
    events = [json.loads(line) for line in watch.communicate(timeout=40)[0].splitlines()]
    assert any(e.get("type") == "protection.released" and e["actor"] == "registry" for e in events), events
    taken = one.qipan("dongshan", "project", "add", "name=放下的线索", "investor=放下公司", ok=True)
    assert left in taken.stderr and "流转" in taken.stderr


def test_clocks_light_and_clear(one):
    no = add(one, "chengguan", "无人问津的线索", "investor=问津公司")
    one.clock("+101d")
    ran(one)
    assert lights(one, no) == {"respond": "red", "judge": "yellow", "feedback": "blue"}
    table = one.qipan("chengguan", "alert", "list", f"project={no}", "light=红灯", ok=True).stdout
    assert "线索未响应" in table and "红灯" in table
    red = rows(one, "chengguan", "alert", "list", f"project={no}", "light=red")[0]
    assert "线索未响应" in one.qipan("leader", "alert", "show", red["id"], ok=True).stdout
    today = one.psql("SELECT registry.today()")[0][0]
    one.qipan("chengguan", "activity", "add", f"project={no}", "class=call", f"held_on={today}", "result=愿来考察", ok=True)
    assert one.qipan("chengguan", "clock", "run", ok=8).stderr
    run = one.qipan("bureau", "clock", "run", "-o", "json", ok=True).json
    assert run["cleared"] == 2 and run["done_at"] and {r["rule"] for r in run["rules"]} > {"respond", "stale_talks", "behind"}
    assert lights(one, no) == {"judge": "yellow"}
    log = one.qipan("leader", "watch", "--since", "0", "--filter", f"project={no} kind=alert", "-n", "5", "-o", "jsonl", ok=True).lines
    assert [e["type"] for e in log if "view" in e] == ["alert.added"] * 3 + ["alert.cleared"] * 2


def test_returns_and_dispatch(one):
    due = rows(one, "leader", "return", "due", "东山镇")
    assert {r["state"] for r in due} <= {"missing", "open"} and any(r["days"] for r in due)
    month = next(r["period"] for r in due if r["state"] == "missing")
    filed = one.qipan("dongshan", "return", "file", month, "--note", "补报", "-o", "json", ok=True).json
    assert (filed["state"], filed["office"]) == ("late", "dongshan") and filed["days_late"] > 0
    assert "已由" in one.qipan("dongshan", "return", "file", month, ok=7).stderr
    assert [r["state"] for r in rows(one, "leader", "return", "due", "dongshan") if r["period"] == month] == ["late"]
    board = {r["office"]: r for r in rows(one, "leader", "dispatch")}
    assert board["chengguan"]["returns"] > 0 and board["chengguan"]["red"] > 0
    alone = rows(one, "leader", "dispatch", "chengguan")
    assert alone == [board["chengguan"]]
    assert "城关镇" in one.qipan("leader", "dispatch", ok=True).stdout
