# SPDX-License-Identifier: Apache-2.0
"""Cases as offices and leaders live with them: an admission, a merge, a transfer that two want to decide, an exit that is
objected to, and what is proposed of an office that is late."""
import concurrent.futures

import pytest
from conftest import County
from steps import wait_for


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


def project(town, who, name, *words):
    return q(town, who, "project", "add", f"name={name}", *words)["no"]


def open_case(town, who, sort, *words):
    return q(town, who, "case", "add", f"class={sort}", *words)["id"]


def heard(town, id, *offices):
    town.qipan("bureau", "case", "ask", id, *offices, ok=True)
    for office in offices:
        town.qipan(office, "case", "opine", id, "同意", ok=True)


def consulted(town, id, *offices):
    """Through consultation to review."""
    town.qipan("bureau", "case", "step", id, ok=True)
    heard(town, id, *offices)
    return q(town, "bureau", "case", "step", id)["state"]


def shows(town, no, **fields):
    row = q(town, "leader", "project", "show", no)
    return {k: row.get(k) for k in fields} == fields


def later(town, days):
    town.days = getattr(town, "days", 0) + days
    town.clock(f"+{town.days}d")


def test_an_admission_on_departments_opinions(town):
    rich = project(town, "chengguan", "准入甲项目", "investor=甲公司", "amount_total=5亿元", "land_mu=100", "amount_tax=2000万", "stage=intent")
    poor = project(town, "dongshan", "准入乙项目", "investor=乙公司", "amount_total=1亿元", "land_mu=100", "amount_tax=200万", "stage=intent")
    q(town, "bureau", "plot", "add", "name=A-12", "class=land", "park=jingkai", "area_mu=120")
    id = open_case(town, "chengguan", "准入评审", f"project={rich}", "plot=A-12", "energy_kgce=300", "environment=报告表")
    open_case(town, "dongshan", "admission", f"project={poor}", "plot=A-12", "energy_kgce=900", "environment=报告书")
    facts = {f["fact"]: f for f in q(town, "leader", "case", "facts", id)}
    assert (facts["invest_per_mu"]["value"], facts["invest_per_mu"]["met"], facts["energy"]["limit"]) == ("500.00", "✓", "≤ 500")
    page = town.qipan("leader", "case", "show", id, ok=True).stdout
    assert "亩均投资(万元)            500.00  ≥ 200     ✓\n" in page and '"fact"' not in page  # the same table
    # the two that want the plot, the better one first, with the working
    ranked = q(town, "leader", "case", "rank", "--plot", "A-12")
    assert [(c["place"], c["no"]) for c in ranked] == [(1, rich), (2, poor)] and "500.00/500.00×40 = 40.00" in ranked[0]["working"]
    assert "计算过程" in town.qipan("leader", "case", "rank", "--plot", "A-12", ok=True).stdout
    # no step is skipped, nothing decided without opinions
    assert "征求意见" in town.qipan("bureau", "case", "step", id, "--step", "会商研判", ok=7).stderr
    town.qipan("bureau", "case", "step", id, ok=True)
    assert "至少 2 个单位" in town.qipan("bureau", "case", "step", id, ok=7).stderr
    town.qipan("bureau", "case", "ask", id, "发展和改革", ok=7)
    town.qipan("bureau", "case", "ask", id, "fagai", "ziran", ok=True)
    assert "县发展和改革局、县自然资源局" in town.qipan("bureau", "case", "show", id, ok=True).stdout
    assert [o["of"] for o in q(town, "ziran", "case", "opinions", "office=ziran", "state=待出具")] == [id]
    town.qipan("ziran", "case", "opine", id, "同意", ok=True)
    assert "理由" in town.qipan("fagai", "case", "opine", id, "不同意", ok=7).stderr
    assert "尚未出具" in town.qipan("bureau", "case", "step", id, ok=7).stderr
    town.qipan("fagai", "case", "opine", id, "conditions", "--reason", "须同步落实能耗指标", ok=True)
    assert town.qipan("chengguan", "case", "opine", id, "agree", ok=5)
    assert q(town, "bureau", "case", "step", id)["state"] == "review"
    assert town.qipan("chengguan", "case", "decide", id, "准入", "--reason", "x", ok=8)
    assert "理由" in town.qipan("leader", "case", "decide", id, "准入", ok=7).stderr
    done = q(town, "leader", "case", "decide", id, "有条件准入", "--reason", "落实能耗指标后供地")
    assert (done["state"], done["decider"], done["ruling"]) == ("in_force", "leader", "admit_conditions")
    assert shows(town, rich, stage="talks")
    course = town.qipan("chengguan", "case", "course", id, ok=True).stdout
    assert "会商研判" in course and "已生效" in course
    log = town.qipan("chengguan", "case", "log", id, ok=True).stdout
    assert "有条件准入" in log and "落实能耗指标后供地" in log


def test_below_the_limits_only_as_an_exception(town):
    no = project(town, "chengguan", "低效用地项目", "investor=低效公司", "amount_total=1亿元", "land_mu=100", "amount_tax=3000万", "stage=intent")
    id = open_case(town, "chengguan", "admission", f"project={no}", "energy_kgce=300", "environment=报告表")
    assert consulted(town, id, "fagai", "ziran") == "review"
    refused = town.qipan("leader", "case", "decide", id, "准入", "--reason", "看好", ok=7).stderr
    assert "默认规则 2026" in refused and "亩均投资(万元) 100.00(≥ 200)" in refused and "亩均税收" not in refused and "--exception" in refused
    done = q(town, "leader", "case", "decide", id, "准入", "--reason", "看好", "--exception", "县政府常务会议第 9 期纪要")
    assert (done["state"], done["ruling"], done["exception"]) == ("in_force", "admit", "县政府常务会议第 9 期纪要")
    assert "例外理由" in town.qipan("chengguan", "case", "show", id, ok=True).stdout


def test_two_reports_of_one_project_become_one(town, tmp_path):
    first = project(town, "chengguan", "高端装备零部件智能制造基地项目", "investor=远山装备有限公司", "amount_total=3亿元", "industry=C35")
    second = project(town, "dongshan", "智能装备配套生产线项目", "investor=远山装备有限公司", "amount_total=2.8亿元", "industry=C35")
    talk = q(town, "dongshan", "activity", "add", f"project={second}", "class=talk", "held_on=2026-01-05")["id"]
    order = q(town, "duban", "matter", "add", f"project={second}", "class=order", "office=dongshan", "subject=催办", "days=9")["id"]
    (tmp_path / "意向书.txt").write_text("意向")
    file = q(town, "dongshan", "evidence", "add", second, tmp_path / "意向书.txt")
    file = (file[0] if isinstance(file, list) else file)["id"]
    pair = next(p for p in q(town, "bureau", "case", "pool") if {p["no"], p["other_no"]} == {first, second})
    assert float(pair["gap"]) <= 0.2 and "金额相近" in pair["reasons"] and pair["level"] == "疑似" and not pair.get("case")
    id = open_case(town, "duban", "duplicate", f"project={first}", f"other_project={second}")
    again = q(town, "chengguan", "case", "add", "class=duplicate", f"project={second}", f"other_project={first}", ok=6)
    assert (again["code"], id in again["message"], "钱必到" in again["message"]) == ("ALREADY_EXISTS", True, True)
    assert consulted(town, id, "fagai") == "review"
    decided = q(town, "leader", "case", "decide", id, "合并", "--reason", "同一投资方同一项目")
    assert decided["state"] == "decided" and decided["force_at"]
    # a party objects in time, and it is looked at again
    assert "当事单位" in town.qipan("ziran", "case", "object", id, "--reason", "无关", ok=8).stderr
    assert q(town, "dongshan", "case", "object", id, "--reason", "我镇先谈")["state"] == "objection"
    town.qipan("leader", "case", "decide", id, "merge", "--reason", "复核:城关镇登记在先", ok=True)
    assert shows(town, second, merged_into=None, stage="lead")
    later(town, 4)
    wait_for(lambda: shows(town, second, merged_into=first, stage="exited"))
    survivor = q(town, "leader", "project", "show", first)["id"]
    for sort, child in (("activity", talk), ("matter", order), ("evidence", file)):
        moved = q(town, "leader", sort, "show", child)
        assert (moved["project"], moved["no"]) == (survivor, first), sort
    assert first in town.qipan("dongshan", "project", "edit", second, "jobs=5", ok=7).stderr
    last = town.qipan("leader", "case", "log", id, "-o", "jsonl", ok=True).lines[-1]
    assert (last["type"], last["actor"]) == ("case.in_force", "registry")


def test_a_transfer_both_agree_to_and_two_who_would_rule(town):
    no = project(town, "chengguan", "流转入园项目", "investor=流转公司")
    id = open_case(town, "chengguan", "流转", f"project={no}", "other_office=jingkai", "subject=用地在开发区")
    assert "尚未表态" in town.qipan("chengguan", "case", "step", id, ok=7).stderr
    town.qipan("jingkai", "case", "opine", id, "agree", ok=True)
    town.qipan("chengguan", "case", "step", id, ok=True)
    assert "至少 1 个单位" in town.qipan("bureau", "case", "step", id, ok=7).stderr
    heard(town, id, "ziran")
    town.qipan("bureau", "case", "step", id, ok=True)
    with concurrent.futures.ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda who: town.qipan(who[0], "case", "decide", id, who[1], "--reason", "裁定"),
                             [("bureau", "transfer"), ("leader", "refuse")]))
    assert sorted(d.returncode for d in done) == [0, 7], [d.stderr for d in done]
    winner, ruling = ("bureau", "transfer") if done[0].returncode == 0 else ("leader", "refuse")
    lost = next(d for d in done if d.returncode).stderr
    assert f"已由 {winner} 于" in lost
    kept = q(town, "leader", "case", "show", id)
    assert (kept["decider"], kept["ruling"]) == (winner, ruling)
    if ruling == "refuse":
        id = open_case(town, "bureau", "transfer", f"project={no}", "other_office=jingkai")
        for office in ("chengguan", "jingkai"):
            town.qipan(office, "case", "opine", id, "agree", ok=True)
        town.qipan("bureau", "case", "step", id, ok=True)
        heard(town, id, "ziran")
        town.qipan("bureau", "case", "step", id, ok=True)
        assert "自己提起" in town.qipan("bureau", "case", "decide", id, "transfer", "--reason", "x", ok=8).stderr
        town.qipan("leader", "case", "decide", id, "transfer", "--reason", "双方同意", ok=True)
    assert shows(town, no, office="jingkai")
    shares = {(s["indicator"], s["office"]): s["percent"] for s in q(town, "leader", "credit", "list", f"project={no}")}
    assert (shares["arrived", "chengguan"], shares["fixed", "chengguan"], shares["fixed", "jingkai"]) == (100, 100, 100)


def test_an_exit_with_its_warnings_and_an_objection(town):
    no = project(town, "dongshan", "久拖不决项目", "investor=久拖公司")
    assert "招商局" in town.qipan("dongshan", "case", "add", "class=exit", f"project={no}", ok=8).stderr
    id = open_case(town, "duban", "exit", f"project={no}", "subject=半年无进展")
    assert "30 天" in town.qipan("duban", "case", "step", id, ok=7).stderr
    later(town, 30)
    assert q(town, "duban", "case", "step", id)["state"] == "noticed"
    later(town, 15)
    town.qipan("bureau", "case", "ask", id, "fagai", ok=True)
    town.qipan("fagai", "case", "opine", id, "agree", ok=True)
    town.qipan("bureau", "case", "step", id, ok=True)
    town.qipan("bureau", "case", "decide", id, "退出", "--reason", "经预警告知仍无进展", ok=True)
    town.qipan("dongshan", "case", "object", id, "--reason", "企业已承诺", ok=True)
    assert q(town, "leader", "case", "decide", id, "退出", "--reason", "复核维持")["state"] == "in_force"  # the only party has had its say
    assert shows(town, no, stage="exited")
    assert no not in [p["no"] for p in q(town, "leader", "project", "list", "--filter", "stage!=exited office=dongshan")]
    assert [(o["class"], o["office"], o.get("late")) for o in q(town, "leader", "case", "opinions", f"of={id}", "class=异议")] == [("objection", "dongshan", None)]


def test_an_office_that_is_late_is_proposed_and_somebody_decides(town):
    for i in range(3):
        no = project(town, "dongshan", f"逾期项目{i}")
        town.qipan("bureau", "due", "set", no, "at=+1d", "text=报材料", ok=True)
    later(town, 2)
    wait_for(lambda: any(p["trigger"] == "overdue" and p["office"] == "dongshan" for p in q(town, "duban", "case", "proposals", "--class", "责任追究")))
    proposal = next(p for p in q(town, "duban", "case", "proposals", "--class", "accountability") if p["trigger"] == "overdue" and p["office"] == "dongshan")
    assert (proposal["least"], proposal["step"], proposal.get("case")) == (3, "reminder", None)
    assert q(town, "leader", "case", "list", "class=责任追究") == []  # nothing is opened by itself
    id = open_case(town, "duban", "accountability", "other_office=dongshan", "subject=多项逾期")
    assert "通报" in town.qipan("duban", "case", "step", id, "--step", "约谈", ok=7).stderr
    for _ in range(2):
        later(town, 7)
        town.qipan("duban", "case", "step", id, ok=True)
    town.qipan("duban", "case", "step", id, ok=True)
    assert "分值或金额" in town.qipan("leader", "case", "decide", id, "处罚", "--reason", "屡次逾期", ok=7).stderr
    town.qipan("leader", "case", "decide", id, "处罚", "--reason", "屡次逾期", "--points", "3", ok=True)
    later(town, 6)
    wait_for(lambda: q(town, "leader", "reward", "list", "office=dongshan"))
    entry = q(town, "leader", "reward", "list", "office=dongshan")[0]
    assert (entry["class"], entry["points"], entry["of"]) == ("penalty", 3, id)
