# SPDX-License-Identifier: Apache-2.0
"""Enterprises, chains, stations, tags by rule and a project's page, as clerk, promotion office and leader use them."""
import pytest
from conftest import County


@pytest.fixture(scope="module")
def town():
    one = County("--bare")
    try:
        one.up()
        clerk = lambda *words: one.qipan("chengguan", *words, "-o", "json", ok=True).json  # noqa: E731
        one.firm = clerk("enterprise", "add", "name=晨光新能源有限公司", "credit_code=91350100M000100Y43", "region=福建省")
        one.light = clerk("project", "add", "name=光伏组件", "investor=晨光新能源有限公司", "credit_code=91350100M000100Y43", "industry=C38", "amount_total=6亿元",
                          "region=福建省", "method=station", "contact_phone=13900001111")
        one.road = clerk("project", "add", "name=园区道路", "class=infrastructure", "region=福建省", "amount_total=1亿元")
        yield one
    finally:
        one.down()


def test_a_firm_is_recognised_and_its_projects_are_tagged(town):
    made = town.qipan("chengguan", "recognition", "add", "enterprise=晨光新能源有限公司", "class=独角兽", "year=2025", "source=全球独角兽榜", "-o", "json", ok=True).json
    assert (made["class"], made["firm"], made["enterprise"]) == ("unicorn", "晨光新能源有限公司", town.firm["id"])
    listed = town.qipan("leader", "enterprise", "list", "classes=独角兽", ok=True).stdout
    assert "晨光新能源有限公司" in listed and "独角兽" in listed and "招商" not in listed
    assert town.qipan("leader", "enterprise", "list", "晨光", "-o", "json", ok=True).json[0]["classes"] == ["unicorn"]
    shown = town.qipan("leader", "project", "show", town.light["no"], "-o", "json", ok=True).json
    assert shown["auto_tags"] == ["大", "新", "二产"]
    # a tag by rule is a tag: in lists, counts and watches
    assert [p["name"] for p in town.qipan("leader", "project", "list", "--filter", "tag=新", "-o", "json", ok=True).json] == ["光伏组件"]
    watch = town.qipan("leader", "watch", "--since", "0", "--filter", "tags=新", "-n", "1", "-o", "jsonl", ok=True).lines
    assert [(e["view"], e["project"]) for e in watch if "view" in e] == [("enter", town.light["id"])]
    rows = {r["code"]: r for r in town.qipan("leader", "project", "counts", "tag", "-o", "json", ok=True).json}
    assert (rows["大"]["projects"], rows["大"]["amount_total"]) == (1, "600000000.00") and rows["不计入"]["not_counted"] == 1
    town.qipan("chengguan", "recognition", "withdraw", made["id"], "--reason", "榜单有误", ok=True)
    refused = town.qipan("bureau", "recognition", "withdraw", made["id"]).stderr
    assert "已由 李小目 于" in refused
    assert town.qipan("leader", "project", "show", town.light["no"], "-o", "json", ok=True).json["auto_tags"] == ["大", "二产"]


def test_two_offices_edit_one_firm(town):
    shown = town.qipan("bureau", "enterprise", "show", town.firm["id"], "-o", "json", ok=True).json
    town.qipan("chengguan", "enterprise", "edit", town.firm["id"], "industry=C38", "--base", shown["version"], ok=True)
    town.qipan("bureau", "enterprise", "edit", town.firm["id"], "region=浙江省", "--base", shown["version"], ok=True)
    clash = town.qipan("bureau", "enterprise", "edit", town.firm["id"], "industry=C39", "--base", shown["version"], "-o", "json", ok=6).error
    assert (clash["field"], clash["theirs"], clash["by"]) == ("industry", "C38", "chengguan")
    assert town.qipan("dongshan", "enterprise", "edit", town.firm["id"], "industry=C39", ok=8).stderr


def test_what_a_firm_brought(town):
    second = town.qipan("dongshan", "project", "add", "name=电池片", "investor=某电池公司", "amount_total=2亿元", "-o", "json", ok=True).json
    town.qipan("chengguan", "link", "add", f"project={town.light['no']}", "origin=晨光新能源有限公司", "class=引荐", ok=True)
    town.qipan("dongshan", "link", "add", f"project={second['no']}", f"origin={town.light['no']}", "class=配套", ok=True)
    brought = town.qipan("leader", "enterprise", "brought", "晨光新能源有限公司", "-o", "json", ok=True).json
    assert (brought["projects"][0]["no"], brought["projects"][1]["step"], brought["amount_total"]) == (town.light["no"], 2, "800000000.00")
    assert town.qipan("chengguan", "link", "add", f"project={second['no']}", "origin=晨光新能源有限公司", "class=引荐", ok=8).stderr
    said = town.qipan("chengguan", "link", "add", f"project={town.light['no']}", "origin=没有的公司", "class=引荐", ok=7).stderr
    assert "没有找到企业或项目" in said and "全称" in said


def test_the_chain_map(town):
    town.qipan("bureau", "chain", "add", "name=光伏产业链", "office=fagai", "lead_person=李县长", ok=True)
    town.qipan("bureau", "node", "add", "chain=光伏产业链", "name=硅料", "part=上游", "rank=1", "missing=某硅业,某硅材", ok=True)
    town.qipan("bureau", "node", "add", "chain=光伏产业链", "name=组件", "part=中游", "rank=2", "present=晨光新能源有限公司", ok=True)
    assert "招商局" in town.qipan("chengguan", "chain", "add", "name=自己的链", ok=8).stderr
    town.qipan("chengguan", "project", "edit", town.light["no"], "node=组件", "node_role=补链", ok=True)
    shown = town.qipan("leader", "chain", "show", "光伏产业链", ok=True).stdout
    for word in ("李县长", "某硅业", "晨光新能源有限公司", f"{town.light['no']} 光伏组件 补链", "上游", "缺失企业"):
        assert word in shown
    assert [p["no"] for p in town.qipan("leader", "project", "list", "--filter", "tag=链", "-o", "json", ok=True).json] == [town.light["no"]]
    assert "组件" in town.qipan("leader", "project", "show", town.light["no"], ok=True).stdout
    assert town.qipan("chengguan", "project", "edit", town.light["no"], "node=没有", ok=7).stderr
    id = town.qipan("bureau", "chain", "list", "-o", "json", ok=True).json[0]["id"]
    assert town.qipan("bureau", "chain", "edit", id, "note=2026 年", "-o", "json", ok=True).json["version"] == "2"
    assert town.qipan("bureau", "chain", "edit", "光伏产业链", "note=2026 年版", "-o", "json", ok=True).json["version"] == "3"  # or by its name


def test_a_packaged_project_becomes_a_lead(town):
    made = town.qipan("bureau", "project", "add", "name=储能谋划", "stage=谋划", "product=储能电池", "industry=C38", "-o", "json", ok=True).json
    town.qipan("bureau", "project", "edit", made["no"], "investor=来者公司", ok=True)
    log = town.qipan("bureau", "project", "log", made["no"], "--field", "阶段", "-o", "jsonl", ok=True).lines
    assert [e["changes"] for e in log] == [{"stage": [None, "concept"]}, {"stage": ["concept", "lead"]}]


def test_stations_and_what_they_yield(town):
    town.qipan("chengguan", "station", "add", "name=福州驻点", "region=福建省", "staff=张某,李某", "from_on=2026-01-01", "until_on=2099-12-31", ok=True)
    assert "不能早于" in town.qipan("chengguan", "station", "add", "name=x", "region=福建省", "staff=某", "from_on=2026-05", "until_on=2026-04", ok=7).stderr
    rows = {r.get("code"): r for r in town.qipan("leader", "station", "yield", "-o", "json", ok=True).json}
    assert (rows["35"]["stations"], rows["35"]["projects"], rows["35"]["not_counted"], rows["35"]["conversion"]) == (1, 1, 1, "0.0")
    table = town.qipan("leader", "station", "yield", ok=True).stdout
    assert "福建省" in table and "转化率" in table and "6亿元" in table


def test_one_page_with_everything(town):
    no = town.light["no"]
    town.qipan("chengguan", "project", "edit", no, "amount_total=7亿元", "--reason", "追加", ok=True)
    town.qipan("chengguan", "activity", "add", f"project={no}", "class=洽谈", "held_on=2026-01-05", "result=谈妥用地", ok=True)
    town.qipan("chengguan", "due", "set", no, "at=2099-12-01", "text=报送开工材料", ok=True)
    page = town.qipan("chengguan", "project", "show", no, "--full", "-o", "json", ok=True).json
    assert (page["contact_phone"], page["facts"]["sector"]) == ("13900001111", "secondary")
    assert {"stage", "activity", "due"} <= set(page["sections"]) and page["sections"]["activity"]["rows"][0]["result"] == "谈妥用地"
    assert int(page["facts"]["idle_days"]) > 0 and "planned_sign_on" in page["facts"]["missing"].split(",") and 0 < int(page["facts"]["score"]) < 100
    text = town.qipan("leader", "project", "show", no, "--full", ok=True).stdout
    for word in ("光伏组件", "谈妥用地", "报送开工材料", "完整度", "阶段经过", "洽谈走访(1 条)", "第二产业"):
        assert word in text, word
    assert "13900001111" not in text
    log = town.qipan("leader", "project", "log", no, "--field", "总投资", ok=True).stdout
    assert "6亿元 → 7亿元" in log and "追加" in log and "光伏组件" in log and "node" not in log
    assert town.qipan("leader", "project", "log", no, "--field", "没有", ok=7).stderr


def test_projects_without_activity(town):
    made = town.qipan("chengguan", "project", "add", "name=久未洽谈", "stage=talks", "-o", "json", ok=True).json
    town.qipan("chengguan", "activity", "add", f"project={made['no']}", "class=洽谈", "held_on=2026-01-05", ok=True)
    row = town.qipan("leader", "project", "idle", "-o", "json", ok=True).json[0]
    assert (row["no"], row["stage"], row["talked_on"], row["limit_days"]) in [(made["no"], "talks", "2026-01-05", 30), (town.light["no"], "lead", "2026-01-05", 30)]
    assert "未动天数" in town.qipan("leader", "project", "idle", "--days", "30", "office=chengguan", ok=True).stdout
    assert town.qipan("leader", "project", "idle", "--days", "3000", "-o", "json", ok=True).json == []
    assert town.qipan("leader", "project", "idle", "--days", "0", ok=7).stderr


def test_conversion_by_method(town):
    for i, stage in enumerate(["signed", "talks", "exited"]):
        town.qipan("chengguan", "project", "add", f"name=节会{i}", "method=fair", f"stage={stage}", "amount_total=1亿元", ok=True)
    row = next(r for r in town.qipan("leader", "project", "counts", "method", "-o", "json", ok=True).json if r.get("code") == "fair")
    assert (row["projects"], row["signed"], row["conversion"]) == (3, 1, "33.3")
    assert "节会招商" in town.qipan("leader", "project", "counts", "method", "stage=signed,talks", ok=True).stdout
    assert town.qipan("leader", "project", "counts", "phone", ok=7).stderr
