# SPDX-License-Identifier: Apache-2.0
"""Talks, visits and trips, as an office writes them down and another reads them."""


def test_a_trip_and_what_comes_of_it(county):
    no = county.qipan("chengguan", "project", "add", "name=外出招商项目", "investor=外出公司", "-o", "json", ok=True).json["no"]
    made = county.qipan("chengguan", "activity", "add", f"project={no}", "class=外出招商", "held_on=2026-1-5", "region=上海市", "result=愿来考察",
                        "next_step=接待考察", "next_on=2026-02-01", "-o", "json", ok=True).json
    assert (made["class"], made["held_on"], made["region"], made["office"], made["version"]) == ("trip", "2026-01-05", "31", "chengguan", "1")
    # two people, the same version: both stand; the same field: a conflict
    county.qipan("chengguan", "activity", "edit", made["id"], "people=王镇长", "--base", "1", ok=True)
    county.qipan("bureau", "activity", "edit", made["id"], "counterpart=李总", "--base", "1", ok=True)
    clash = county.qipan("bureau", "activity", "edit", made["id"], "people=张镇长", "--base", "1", "-o", "json", ok=6).error
    assert (clash["field"], clash["theirs"], clash["by"]) == ("people", "王镇长", "chengguan")
    # a reader finds it, by words of people too
    table = county.qipan("leader", "activity", "list", f"project={no}", "class=外出招商", "next_on<2026-03", ok=True).stdout
    assert "外出招商" in table and "李总" in table and "接待考察" in table
    assert county.qipan("leader", "activity", "list", f"project={no}", "class=洽谈", "-o", "json", ok=True).json == []
    # whoever watches the project was told
    watch = county.qipan("leader", "watch", "--since", "0", "--filter", f"project={no} kind=activity", "-n", "3", "-o", "jsonl", ok=True).lines
    seen = [line for line in watch if "view" in line]
    assert [e["type"] for e in seen] == ["activity.added", "activity.changed", "activity.changed"]
    assert seen[0]["changes"]["next_on"] == [None, "2026-02-01"] and seen[0]["row"]["project"] == made["project"]
    shown = county.qipan("leader", "watch", "--since", "0", "--filter", f"project={no} kind=activity", "-n", "1", ok=True).stdout
    assert "洽谈走访" in shown and "下一步时限" in shown


def test_what_is_wrong_is_said(county):
    no = county.qipan("chengguan", "project", "add", "name=洽谈有误项目", "investor=有误公司", "-o", "json", ok=True).json["no"]
    for words, exit_code, said in [(["class=跳舞", "held_on=2026-01-05"], 7, "活动类别"), (["class=talk", "held_on=2099-01-05"], 7, "不能晚于今天"),
                                   (["clas=talk"], 7, "class"), (["class=talk", "held_on=2026-01-05", "next_step=再谈"], 7, "时限")]:
        assert said in county.qipan("chengguan", "activity", "add", f"project={no}", *words, ok=exit_code).stderr
    assert county.qipan("leader", "activity", "add", f"project={no}", "class=talk", "held_on=2026-01-05", ok=8).stderr
    assert county.qipan("chengguan", "activity", "show", "av000000000000000", ok=5).stderr
    form = county.qipan("chengguan", "activity", "edit", ok=2).stderr
    assert "qipan activity edit ID" in form
