# SPDX-License-Identifier: Apache-2.0
"""Parks and plots: the county lays them out, a project gets a plot where its trade belongs, idle land is on a list."""
import json


def test_a_plot_for_a_project(county):
    bureau = lambda *words, ok=True: county.qipan("bureau", *words, ok=ok)  # noqa: E731
    of = lambda run: json.loads(run.stdout)  # noqa: E731
    bureau("park", "add", "no=xinqu", "name=新材料园", "office=jingkai", "class=工业园区", "trades=C38、C39", "area_mu=3200", "amount_per_mu=30万元")
    bureau("park", "add", "no=nongqu", "name=粮油园", "office=dongshan", "class=farming", "trades=C13")
    assert county.qipan("jingkai", "park", "add", "no=own", "name=自设园", "class=industry", ok=8).stderr.count("招商局")
    plot = of(bureau("plot", "add", "park=xinqu", "name=A-12", "class=地块", "area_mu=85.5", "office=jingkai", "-o", "json"))
    no = of(county.qipan("dongshan", "project", "add", "name=大米加工项目", "investor=粮油公司", "industry=C13", "-o", "json", ok=True))["no"]
    refused = bureau("plot", "assign", plot["id"], no, ok=7).stderr
    assert "新材料园" in refused and "粮油园" in refused, refused
    assert "粮油园" in county.qipan("dongshan", "park", "fit", no, ok=True).stdout.splitlines()[1]
    fit = county.qipan("dongshan", "park", "fit", no, ok=True).stdout
    assert "行业相符" in fit and "是" in fit and "C13" not in fit and "true" not in fit, fit
    bureau("plot", "assign", plot["id"], no, "--reserve", "--force", "--reason", "县政府专题会议同意")
    state = {row["park"]: row for row in of(county.qipan("leader", "park", "state", "-o", "json", ok=True))}
    assert state["xinqu"]["reserved_mu"] == "85.5" and "free_mu" not in state["xinqu"]
    bureau("plot", "free", plot["id"])
    bureau("plot", "idle", plot["id"], "--on", "2024-03", "--reason", "企业停产")
    assert "新材料园" in county.qipan("leader", "park", "list", "class=工业园区", ok=True).stdout
    assert of(county.qipan("leader", "park", "show", "xinqu", "-o", "json", ok=True))["trades"] == ["C38", "C39"]
    listed = county.qipan("leader", "plot", "list", "state=闲置", ok=True).stdout
    assert "A-12" in listed and "企业停产" in listed


def test_land_that_is_blocked(county):
    no = json.loads(county.qipan("chengguan", "project", "add", "name=征地项目", "investor=征地公司", "-o", "json", ok=True).stdout)["no"]
    land = json.loads(county.qipan("chengguan", "land", "add", f"project={no}", "area_mu=40", "households=12", "due_on=2026-12-31", "-o", "json", ok=True).stdout)
    assert county.qipan("chengguan", "land", "edit", land["id"], "state=受阻", ok=7).stderr.count("受阻原因")
    county.qipan("chengguan", "land", "edit", land["id"], "state=受阻", "blocker=补偿标准未谈妥", ok=True)
    assert "补偿标准未谈妥" in county.qipan("duban", "land", "list", "state=blocked", ok=True).stdout
    assert "受阻" in county.qipan("duban", "land", "show", land["id"], ok=True).stdout
    county.qipan("chengguan", "land", "edit", land["id"], "state=cleared", "blocker=", "done_on=2026-11-01", ok=True)
