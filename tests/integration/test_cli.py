# SPDX-License-Identifier: Apache-2.0
"""The command line against a real county: what interface.md promises to people and scripts."""
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
from steps import Frozen, connect, here, processes_of, wait_for

KEYS = ["type", "rev", "epoch", "cursor", "entry", "idx", "project", "view", "version", "actor", "office", "reason",
        "request", "batch", "at", "changes"]
CURSOR = re.compile(r"^\d+-\d+-\d*-[0-9a-f]{16}$")
_names = itertools.count(1)


def name(what):
    """A project nobody has registered yet."""
    return f"{what}{os.getpid()}之{next(_names)}"


def add(county, context="chengguan", **fields):
    fields.setdefault("name", name("测试项目"))
    fields.setdefault("investor", fields["name"] + "有限公司")
    return county.qipan(context, "project", "add", *(f"{k}={v}" for k, v in fields.items()), "-o", "json", ok=True).json


def edit(county, context, project, *words, **how):
    return county.qipan(context, "project", "edit", project["id"], *words, "-o", "json", **how)


def events(lines):
    return [line for line in lines if line["type"] not in ("bookmark", "state", "diverged")]


def held(lines, objects=None):
    """What somebody holds who does as the lines say: version and jobs of each project. Continues `objects`."""
    objects = {} if objects is None else objects
    for line in lines:
        if line["type"] == "diverged" and line["fork"] is None:
            objects.clear()
        if line["type"] != "project.changed":
            continue
        if line["view"] == "leave":
            objects.pop(line["project"], None)
        else:
            jobs = objects.get(line["project"], (0, None))[1]
            jobs = line["row"].get("jobs", jobs) if "row" in line else jobs
            objects[line["project"]] = (line["version"], line["changes"].get("jobs", [None, jobs])[1])
    return objects


def table(county, *words):
    """The same by the registry's own list."""
    rows = county.qipan("leader", "project", "list", "-o", "jsonl", *words, ok=True).lines
    return {row["id"]: (row["version"], row.get("jobs")) for row in rows}


def read_until(child, wanted, seconds=20):
    """Lines of a running watch until one satisfies `wanted`."""
    lines, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        lines.append(json.loads(child.stdout.readline()))
        if wanted(lines[-1]):
            return lines
    raise AssertionError(f"not seen in {seconds} s: {lines[-3:]}")


def watching(county, context, *words):
    """A watch that stands: its first line says where it began."""
    child = county.popen(context, "watch", "-o", "jsonl", *words)
    read_until(child, lambda line: line["type"] == "bookmark")
    return child


# ---------------------------------------------------------------- one project, from beginning to end


def test_whoami(county):
    me = county.qipan("chengguan", "whoami", "-o", "json", ok=True).json
    assert me["account"] == "chengguan" and me["office"] == "chengguan" and "write" in me["rights"]


def test_life_of_a_project(county):
    p = add(county, amount_total="3.5亿元", tags="大,链", industry="C38", land_mu="120.5亩", planned_start_on="2026年5月")
    assert p["amount_total"] == "350000000.00" and p["tags"] == ["大", "链"] and p["version"] == "1"
    assert p["land_mu"] == "120.5" and p["planned_start_on"] == "2026-05" and p["stage"] == "lead"
    assert p["office"] == "chengguan" and re.fullmatch(r"\d{4}-\d+", p["no"]) and int(p["rev"]) > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", p["registered_at"])

    q = edit(county, "chengguan", p, "amount_total=1200万", "tags=", ok=True).json
    assert q["amount_total"] == "12000000.00" and "tags" not in q and q["version"] == "2"
    q = county.qipan("chengguan", "project", "advance", p["no"], "意向", "--reason", "已接触", "-o", "json", ok=True).json
    assert q["stage"] == "intent" and q["version"] == "3" and q["request"]
    shown = county.qipan("leader", "project", "show", p["no"], "-o", "json", ok=True).json
    shown.pop("protected_until")  # which show alone works out
    assert {k: v for k, v in q.items() if k not in ("rev", "request")} == shown

    log = county.qipan("leader", "project", "log", p["no"], "-o", "jsonl", ok=True).lines
    assert [e["version"] for e in log] == ["1", "2", "3"]
    assert all(list(e)[:16] == KEYS for e in log)
    assert log[0]["view"] == "enter" and log[0]["row"]["name"] == p["name"]
    assert log[1]["changes"] == {"tags": [["大", "链"], None], "amount_total": ["350000000.00", "12000000.00"]}
    assert log[2]["changes"] == {"stage": ["lead", "intent"]} and log[2]["reason"] == "已接触"


def test_log_is_what_a_watch_prints(county):
    child = watching(county, "dongshan")
    p = add(county)
    edit(county, "chengguan", p, "summary=说明", ok=True)
    county.qipan("chengguan", "project", "advance", p["id"], "intent", ok=True)
    mine = [e for e in events(read_until(child, lambda e: e.get("project") == p["id"] and e["version"] == "3"))
            if e["project"] == p["id"]]
    county.stop(child)
    assert mine == county.qipan("dongshan", "project", "log", p["id"], "-o", "jsonl", ok=True).lines
    assert all(CURSOR.match(e["cursor"]) for e in mine)
    assert all(("row" in e) == (e["view"] == "enter") for e in mine)


def test_contact_is_masked_for_others(county):
    p = add(county)
    edit(county, "chengguan", p, "contact_name=联系人甲", "contact_phone=13800000000", ok=True)
    last = county.qipan("dongshan", "project", "log", p["id"], "-o", "jsonl", ok=True).lines[-1]
    assert last["changes"] == {"contact_name": {"masked": True}, "contact_phone": {"masked": True}}
    assert "contact_name" not in county.qipan("dongshan", "project", "show", p["id"], "-o", "json", ok=True).json
    assert county.qipan("chengguan", "project", "show", p["id"], "-o", "json", ok=True).json["contact_name"] == "联系人甲"


def test_search_by_any_part(county):
    word = name("石墨烯散热膜")
    p = add(county, name=word)
    for part in (word[1:3], word, p["no"]):
        rows = county.qipan("leader", "project", "list", part, "-o", "jsonl", ok=True).lines
        assert p["id"] in [row["id"] for row in rows]
    assert county.qipan("leader", "project", "list", word + "无", "-o", "json", ok=True).json == []


def test_output_modes(county):
    p = add(county, amount_total="1.2亿元", tags="大,链")
    filter_ = f"name={p['name']}"

    def listed(*words):
        return county.qipan("leader", "project", "list", "--filter", filter_, *words, ok=True).stdout

    assert listed("-o", "name") == p["id"] + "\n"
    assert json.loads(listed("-o", "json"))[0]["id"] == p["id"]
    assert listed("-o", "csv", "--fields", "no,name,tags") == f'no,name,tags\n{p["no"]},{p["name"]},"大,链"\n'  # CRLF in the file
    assert listed("-o", "tsv", "--fields", "no,amount_total") == f'no\tamount_total\n{p["no"]}\t120000000.00\n'
    assert json.loads(listed("-ojsonl", "--fields=no")) == {"no": p["no"]}
    table = listed()
    assert "1.2亿元" in table and "线索" in table and "城关镇" in table and "项目名称" in table
    assert "\033" not in table
    assert "amount_total" not in listed("-o", "wide") and "标签" in listed("-o", "wide")


def test_values_cannot_run_anything(county):
    p = add(county, name=name("=cmd|calc"))
    out = county.qipan("leader", "project", "list", p["name"], "-o", "csv", "--fields", "name", ok=True).stdout
    assert out.splitlines()[1] == "'" + p["name"]
    for text in ("a\033[31mb", "a\u202eb", "a\u009bb"):
        done = edit(county, "chengguan", p, "summary=" + text, ok=7)
        assert done.error["field"] == "summary"


def test_languages(county):
    done = county.qipan("leader", "project", "show", "nothing", ok=5)
    assert "没有找到" in done.stderr
    done = county.qipan("leader", "--lang", "en", "project", "show", "nothing", ok=5)
    assert done.stderr.isascii() and "NOT_FOUND" in done.stderr
    assert "registry" in county.qipan("leader", "help", env={"QIPAN_LANG": "en"}, ok=True).stdout
    assert "登记库" in county.qipan("leader", "help", env={"LANG": "en_US.UTF-8", "LC_ALL": "C"}, ok=True).stdout


# ---------------------------------------------------------------- words nobody knows

UNKNOWN = [
    (["projct", "list"], 2, "projct", "project"),
    (["project", "lst"], 2, "lst", "list"),
    (["project", "list", "--fliter", "x"], 2, "--fliter", "--filter"),
    (["project", "list", "-o", "jsn"], 2, "jsn", "json"),
    (["help", "wach"], 2, "wach", "watch"),
    (["project", "list", "--filter", "stge=talks"], 7, "stge", "stage"),
    (["project", "list", "--filter", "stage=tlks"], 7, "tlks", "talks"),
    (["project", "list", "--filter", "amount_total=>1亿"], 7, "=>", ">="),
    (["project", "list", "--sort", "amount_totl"], 7, "amount_totl", "amount_total"),
    (["project", "list", "--fields", "no,nme"], 7, "nme", "name"),
    (["project", "add", "nmae=x"], 7, "nmae", "name"),
    (["project", "add", "name=x", "stage=singed"], 7, "singed", "signed"),
    (["project", "advance", "2026-0001", "singed"], 7, "singed", "signed"),
    (["watch", "--filter", "ofice=chengguan"], 7, "ofice", "office"),
]


@pytest.mark.parametrize("words,code,word,near", UNKNOWN, ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_unknown_words_name_the_nearest(county, words, code, word, near):
    done = county.qipan("bureau", *words, ok=code)
    assert word in done.stderr and near in done.stderr and done.stdout == ""
    if "-o" not in words:
        error = county.qipan("bureau", *words, "-o", "json", ok=code).error
        assert near in (error["hint"] or "") + error["message"] and error["code"] in ("USAGE", "INVALID_ARGUMENT")


@pytest.mark.parametrize("word,field", [
    ("amount_total=一些", "amount_total"), ("amount_total=1.234元", "amount_total"), ("signed_on=2026-13-01", "signed_on"),
    ("jobs=3.5", "jobs"), ("credit_code=12341700686863395B", "credit_code"), ("industry=Z99", "industry"),
    ("office=nowhere", "office"), ("land_mu=-3", "land_mu"), ("version=3", "version"), ("no=1", "no")])
def test_bad_values_name_field_and_reason(county, word, field):
    done = county.qipan("bureau", "project", "add", "name=" + name("坏值"), word, "-o", "json", ok=7)
    assert done.error["field"] == field and done.error["message"] and done.stdout == ""


def test_forbidden_transition_says_what_is_allowed(county):
    p = add(county)
    done = county.qipan("chengguan", "project", "advance", p["id"], "full", "-o", "json", ok=7)
    assert done.error["code"] == "FAILED_PRECONDITION" and "intent" in done.error["allowed"]
    assert "signed" not in done.error["allowed"]


def test_usage_errors(county):
    for words in (["project"], ["project", "show"], ["project", "edit", "x"], ["project", "edit", "x", "name"],
                  ["watch", "-n", "none"], ["project", "edit", "x", "name=y", "--force"], ["--context"],
                  ["project", "list", "-o", "xls"], ["export", "-o", "table"], ["board"], ["project", "edit", "x", "name=y", "--base", "v1"],
                  ["project", "list", "-n", "1", "-n", "2"], ["whoami", "-o", "json", "-o", "csv"]):
        done = county.qipan("bureau", *words)
        assert done.returncode == 2 and done.stdout == "", words
    assert county.qipan("nobody", "whoami", ok=2).stderr.count("bureau") == 1
    twice = county.qipan("chengguan", "project", "add", "name=甲", "项目名称=乙", "-o", "json", ok=7)
    assert twice.error["field"] == "name" and twice.stdout == ""


def test_several_filters_must_all_hold(county):
    p, q = add(county, amount_total="2亿元"), add(county, amount_total="3亿元")
    words = ("project", "list", "-o", "jsonl", "--filter", f"name={p['name']},{q['name']}", "--filter", "amount_total>=3亿")
    assert [line["id"] for line in county.qipan("bureau", *words, ok=True).lines] == [q["id"]]


def test_output_that_cannot_be_written(county, tmp_path):
    for closing, words in ((">&-", ["whoami", "-o", "json"]), (">/dev/full", ["project", "list", "-o", "json"]),
                           (">&-", ["watch", "-o", "jsonl", "--timeout", "10"])):
        command = subprocess.list2cmdline(county._command("leader", words))
        done = subprocess.run(f"{command} {closing}", shell=True, capture_output=True, text=True, env=county._environment())
        assert done.returncode == 1 and done.stderr.startswith("{"), (words, done)
    for words, field in ((["--exec", "exit 3"], "exec"), (["--cursor-file", tmp_path / "no/such"], "cursor-file")):
        done = county.qipan("leader", "watch", "-o", "jsonl", "--since", "0", "--timeout", "20", *words, ok=1)
        assert done.error["field"] == field


def test_a_cursor_file_may_be_a_symlink(county, tmp_path):
    link, kept = tmp_path / "link", tmp_path / "kept"
    kept.touch()
    kept.write_text(events(county.qipan("leader", "watch", "-o", "jsonl", "--since", "0", "-n", "1", ok=True).lines)[0]["cursor"])
    link.symlink_to(kept)
    before = kept.read_text()
    add(county)
    county.qipan("leader", "watch", "--cursor-file", link, "--timeout", "2")
    assert link.is_symlink() and kept.read_text() != before
    assert "/dev/null" in county.qipan("leader", "watch", "--cursor-file", "/dev/null", ok=7).stderr


def test_every_family_has_help(county):
    overview = county.qipan("bureau", "help", ok=True).stdout
    for family in ("project watch board import export enterprise office rules receipt due whoami version help").split():
        assert family in overview
        text = county.qipan("bureau", "help", family, ok=True).stdout
        assert f"qipan {family}" in text and "示例" in text
        assert county.qipan("bureau", family, "--help", ok=True).stdout == text


# ---------------------------------------------------------------- several people at one project


def test_help_of_a_family_is_about_its_own_fields(county):
    for family, own in (("matter", "due_on<=2026-06-30"), ("arrival", "amount_arrived>=1000万"), ("meeting", "meeting agenda 的字段:")):
        text = county.qipan("bureau", "help", family, ok=True).stdout
        assert own in text and "stage=talks" not in text, family
    assert "stage=talks,signed" in county.qipan("bureau", "help", "project", ok=True).stdout


@pytest.mark.parametrize("who, words, lang, shown, code", [
    ("secadmin", ["account", "list", "chengguan"], "zh", "经办(城关镇)", "clerk@chengguan"),
    ("secadmin", ["account", "list", "chengguan"], "en", "clerk(城关镇)", "clerk@chengguan"),
    ("secadmin", ["account", "roles", "leader"], "zh", " 领导 ", '"leader"'),
    ("secadmin", ["cert", "list", "robot"], "zh", "有效", "in_force"),
    ("leader", ["office", "list"], "zh", "县直部门 ", '"department"'),
    ("leader", ["office", "list"], "en", "township ", '"township"'),
    ("fagai", ["whoami"], "zh", "查看、填报、导入", '"write"'),
    ("fagai", ["rules", "show", "stage"], "zh", "谋划、意向、在谈", '"concept"'),
    ("auditor", ["audit", "list", "--person", "jingkai"], "zh", " 棋山经济开发区 ", '"jingkai"')])
def test_tables_have_words_and_programs_codes(county, who, words, lang, shown, code):
    assert shown in county.qipan(who, *words, "--lang", lang, ok=True).stdout
    assert code in county.qipan(who, *words, "-o", "json", ok=True).stdout


def test_people_and_firms_are_shown_by_name(county):
    chain = county.qipan("bureau", "chain", "add", "name=有名链", "office=fagai", "-o", "json", ok=True).json["id"]
    firm = county.qipan("bureau", "enterprise", "add", "name=有名在链公司", "-o", "json", ok=True).json["id"]
    node = county.qipan("bureau", "node", "add", "chain=有名链", "name=有名节点", "part=上游", "present=有名在链公司", "-o", "json", ok=True).json
    assert (node["chain"], node["present"]) == (chain, [firm])
    table = county.qipan("leader", "node", "list", "name=有名节点", ok=True).stdout
    assert "有名链" in table and "有名在链公司" in table and chain not in table and firm not in table
    matter = county.qipan("bureau", "matter", "add", "class=督办", "office=chengguan", "subject=有名事项", "days=5", "superior=leader", ok=True).stdout
    assert "周先行" in matter and "郑观局" in matter
    id = county.qipan("bureau", "matter", "list", "subject~有名事项", "-o", "name", ok=True).stdout.strip()
    assert county.qipan("bureau", "matter", "show", id, "-o", "json", ok=True).json["superior"] == "leader"
    assert "县招商局 周先行  新登记" in county.qipan("leader", "matter", "log", id, ok=True).stdout
    assert '"actor":"bureau"' in county.qipan("leader", "matter", "log", id, "-o", "jsonl", ok=True).stdout


def test_different_fields_merge(county):
    p = add(county, amount_total="1亿元")
    a = edit(county, "chengguan", p, "amount_total=2亿元", "--base", "1", ok=True).json
    b = edit(county, "bureau", p, "summary=另一处修改", "--base", "1", ok=True).json
    assert a["version"] == "2" and b["version"] == "3" and b["amount_total"] == "200000000.00"
    log = county.qipan("leader", "project", "log", p["id"], "-o", "jsonl", ok=True).lines
    assert [(e["actor"], list(e["changes"])) for e in log[1:]] == [("chengguan", ["amount_total"]), ("bureau", ["summary"])]


def test_the_same_field_is_a_conflict(county):
    p = add(county, amount_total="1亿元")
    edit(county, "bureau", p, "amount_total=2亿元", "region=310000", "--base", "1")
    edit(county, "bureau", p, "amount_total=2亿元", "--base", "1", ok=True)
    done = edit(county, "chengguan", p, "amount_total=3亿元", "--base", "1", ok=6)
    error = done.error
    assert (error["code"], error["field"], error["by"]) == ("CONFLICT", "amount_total", "bureau")
    assert (error["base"], error["theirs"], error["yours"]) == ("100000000.00", "200000000.00", "300000000.00")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", error["at"]) and error["hint"]
    assert error["fields"][0] == {k: error[k] for k in ("field", "base", "theirs", "yours", "by", "at")}
    people = county.qipan("chengguan", "project", "edit", p["id"], "amount_total=3亿元", "--base", "1", ok=6)
    assert all(word in people.stderr for word in ("总投资", "1亿元", "2亿元", "3亿元", "周先行", "CONFLICT"))
    assert edit(county, "chengguan", p, "amount_total=2亿元", "--base", "1").returncode == 0  # wants what stands there
    forced = edit(county, "chengguan", p, "amount_total=3亿元", "--base", "1", "--force", "--reason", "已核实", ok=True).json
    assert forced["amount_total"] == "300000000.00"


def test_nobody_conflicts_with_oneself(county):
    p = add(county)
    for text in ("一", "二", "三"):
        edit(county, "chengguan", p, f"summary={text}", "--base", "1", ok=True)
    for text in ("四", "五"):
        edit(county, "chengguan", p, f"summary={text}", ok=True)


def test_one_request_happens_once(county):
    p = add(county)
    request = f"test-{os.getpid()}-{time.monotonic_ns()}"
    words = ("summary=一次", "--request", request)
    first, second = (edit(county, "chengguan", p, *words, ok=True).json for _ in range(2))
    assert first == second and first["version"] == "2" and first["request"] == request
    assert edit(county, "chengguan", p, "summary=另一次", "--request", request, ok=6).error["code"] == "KEY_REUSED"
    receipt = county.qipan("chengguan", "receipt", "show", request, "-o", "json", ok=True).json
    assert receipt["status"] == "OK" and receipt["rev"] == first["rev"] and receipt["object"] == p["id"]
    assert county.qipan("dongshan", "receipt", "show", request).returncode == 5
    assert len(county.qipan("leader", "project", "log", p["id"], "-o", "jsonl", ok=True).lines) == 2


def test_the_first_report_wins(county):
    p = add(county)
    done = county.qipan("dongshan", "project", "add", f"name={p['name']}", f"investor={p['investor']}", "-o", "json", ok=6)
    assert done.error["code"] == "ALREADY_EXISTS" and done.error["other_no"] == p["no"]
    assert done.error["other_office"] == "chengguan"


def test_rights(county):
    p = add(county)
    assert edit(county, "dongshan", p, "summary=x", ok=8).error["code"] == "PERMISSION_DENIED"
    assert edit(county, "leader", p, "summary=x").returncode == 8
    edit(county, "bureau", p, "summary=x", ok=True)


# ---------------------------------------------------------------- receipts and deadlines


def test_signed_for(county):
    p, q = add(county), add(county)
    child = watching(county, "bureau", "--filter", f"project={p['id']}")
    first = county.qipan("leader", "receipt", "sign", p["rev"], p["no"], "-o", "json", ok=True).json
    assert (first["of_rev"], first["project"], first["account"]) == (p["rev"], p["id"], "leader") and int(first["rev"]) > 0
    again = county.qipan("leader", "receipt", "sign", p["rev"], p["id"], "-o", "json", ok=True).json
    assert again["id"] == first["id"] and "rev" not in again  # once is enough
    seen = read_until(child, lambda line: line["type"] == "receipt.signed")[-1]
    county.stop(child)
    assert (seen["receipt"], seen["project"], seen["actor"], seen["rev"]) == (first["id"], p["id"], "leader", first["rev"])
    rows = county.qipan("bureau", "receipt", "list", p["rev"], p["no"], "-o", "jsonl", ok=True).lines
    assert {row["account"] for row in rows if "signed_at" in row} == {"leader"} and len(rows) > 5
    assert "县领导" in county.qipan("bureau", "receipt", "list", p["rev"], p["no"], ok=True).stdout
    done = county.qipan("leader", "receipt", "sign", str(10**12), "-o", "json", ok=1)
    assert done.error["code"] == "FUTURE_REVISION"
    county.qipan("leader", "receipt", "sign", p["rev"], q["no"], ok=7)  # is not in that revision
    county.qipan("leader", "receipt", "sign", "yesterday", ok=2)
    county.qipan("leader", "receipt", "list", ok=2)


def test_a_deadline_from_beginning_to_end(new_county):
    county = new_county("--bare")
    p = add(county)
    child = watching(county, "leader", "--filter", f"project={p['id']}")
    people = county.popen("leader", "watch", "-n", "5", "--since", "0", "--filter", f"project={p['id']}")  # the registration first
    due = county.qipan("chengguan", "due", "set", p["no"], "at=+3d", "text=报送材料", "-o", "json", ok=True).json
    assert (due["project"], due["office"], due["state"], due["version"]) == (p["id"], "chengguan", "open", "1")
    moved = county.qipan("chengguan", "due", "set", due["id"], "at=2026-12-01 09:30", "--base", "1", "-o", "json", ok=True).json
    assert moved["due_at"] == "2026-12-01T01:30:00Z" and moved["version"] == "2"
    other = county.qipan("bureau", "due", "set", due["id"], "text=报送开工材料", "--base", "1", "-o", "json", ok=True).json
    assert other["version"] == "3" and other["due_at"] == moved["due_at"]  # another field: merged
    clash = county.qipan("bureau", "due", "set", due["id"], "at=2026-12-05", "--base", "1", "-o", "json", ok=6).error
    assert (clash["code"], clash["field"], clash["by"]) == ("CONFLICT", "due_at", "chengguan")
    listed = county.qipan("leader", "due", "list", p["no"], ok=True).stdout
    assert "报送开工材料" in listed and "城关镇" in listed and "未到期" in listed and p["no"] in listed
    county.clock("+365d")
    fired = read_until(child, lambda line: line["type"] == "deadline.fired")
    assert [line["type"] for line in events(fired)] == ["deadline.set", "deadline.changed", "deadline.changed", "deadline.fired"]
    assert {line["due"] for line in events(fired)} == {due["id"]}
    assert {line["project"] for line in events(fired)} == {p["id"]}
    assert events(fired)[-1]["actor"] == "registry" and events(fired)[-1]["changes"] == {"state": ["open", "fired"]}
    out, err = people.communicate(timeout=20)
    assert all(word in out for word in ("设定期限", "期限变更", "期限已到", "报送材料", "报送材料 → 报送开工材料", "未到期 → 已到期")), out + err
    assert county.qipan("leader", "due", "list", p["no"], "-o", "json", ok=True).json == []
    assert county.qipan("leader", "due", "list", p["no"], "--state", "fired", "-o", "jsonl", ok=True).lines[0]["id"] == due["id"]
    county.qipan("chengguan", "due", "clear", due["id"], "--reason", "已报送", ok=True)
    read_until(child, lambda line: line["type"] == "deadline.cleared")
    county.stop(child)


def test_deadlines_that_cannot_be(county):
    p = add(county)
    for words, code in ((["set"], 2), (["set", p["no"]], 2), (["set", p["no"], "text=x"], 7), (["set", p["no"], "at=+3y", "text=x"], 7),
                        (["set", p["no"], "at=bald", "text=x"], 7), (["set", "nothing", "text=x"], 5), (["clear", "nothing"], 5),
                        (["set", p["no"], "at=+1d", "text=x", f"project={p['id']}"], 7), (["set", p["no"], "at=+1d", "at=+2d", "text=x"], 7),
                        (["clear", "x", "--force"], 2), (["set", p["no"], "txt=x"], 7)):
        done = county.qipan("chengguan", "due", *words)
        assert (done.returncode, done.stdout) == (code, ""), (words, done)
    assert county.qipan("dongshan", "due", "set", p["no"], "at=+1d", "text=x").returncode == 8
    (bureau,) = [row["name"] for row in county.qipan("leader", "office", "list", "-o", "jsonl", ok=True).lines if row["code"] == "bureau"]
    named = county.qipan("chengguan", "due", "set", p["no"], "at=+1w", "text=由局里办", f"office={bureau}", "-o", "json", ok=True).json
    assert named["office"] == "bureau"
    request = f"due-{os.getpid()}-{time.monotonic_ns()}"
    words = ("due", "set", p["no"], "at=2027-01-01", "text=一次", "--request", request, "-o", "json")
    first, second = (county.qipan("chengguan", *words, ok=True).json for _ in range(2))
    assert first == second


# ---------------------------------------------------------------- watch


def test_stop_and_resume_over_a_killed_daemon(new_county, tmp_path):
    """500 changes while nobody watches, the daemon killed in between: exactly those, in order, once."""
    county = new_county("--bare")
    p = add(county)
    cursor = tmp_path / "cursor"
    first = county.popen("dongshan", "watch", "-o", "jsonl", "--cursor-file", str(cursor))
    read_until(first, lambda line: line["type"] == "bookmark")
    edit(county, "chengguan", p, "jobs=1", ok=True)
    read_until(first, lambda line: line.get("version") == "2")
    assert county.stop(first).returncode == 143
    place = cursor.read_text()
    assert CURSOR.match(place.splitlines()[0])

    for half in (range(0, 250), range(250, 500)):
        peer = county.peer("chengguan")
        for i in half:
            peer.do("project_edit", id=p["id"], set={"jobs": 1000 + i}, base=None)
        peer.link.close()
        county.kill(1, "KILL")
        county.start(1)

    done = county.qipan("dongshan", "watch", "-o", "jsonl", "--cursor-file", cursor, "-n", "500", "--timeout", "60", ok=True)
    seen = events(done.lines)
    assert [e["changes"]["jobs"][1] for e in seen] == list(range(1000, 1500))
    assert [int(e["version"]) for e in seen] == list(range(3, 503))
    assert all(list(e) == KEYS for e in seen)
    again = county.qipan("dongshan", "watch", "-o", "jsonl", "--cursor-file", cursor, "--timeout", "2", ok=124)
    assert events(again.lines) == []


def test_any_line_is_a_place_to_start(county):
    child = watching(county, "dongshan")
    p = add(county)
    for i in range(6):
        edit(county, "chengguan", p, f"jobs={i + 1}", ok=True)
    lines = read_until(child, lambda e: e.get("project") == p["id"] and e["version"] == "7")
    county.stop(child)
    for at, line in enumerate(lines):
        if "cursor" not in line:
            continue
        rest = events(lines[at + 1:])
        if rest:
            done = county.qipan("dongshan", "watch", "-o", "jsonl", "--since", line["cursor"], "-n", len(rest), "--timeout", 20,
                                ok=True)
            assert events(done.lines) == rest


def test_a_watch_moves_to_the_other_daemon(new_county):
    county = new_county("--bare", "--daemons", "2")
    p = add(county)
    child = county.popen("dongshan", "watch", "-o", "jsonl")
    read_until(child, lambda line: line["type"] == "bookmark")
    for i in range(1, 31):
        if i in (10, 20):
            victim = 1 if i == 10 else 2
            county.kill(victim)
            county.start(victim)
        edit(county, "chengguan", p, f"jobs={i}", ok=True)
    seen = events(read_until(child, lambda e: e.get("version") == "31", seconds=60))
    assert [e["changes"]["jobs"][1] for e in seen] == list(range(1, 31))
    county.stop(child)


def test_filter_enter_and_leave(county):
    child = watching(county, "dongshan", "--filter", "stage=意向 office=chengguan")
    p = add(county)
    for stage in ("intent", "talks"):
        county.qipan("chengguan", "project", "advance", p["id"], stage, ok=True)
    seen = [e for e in events(read_until(child, lambda e: e.get("view") == "leave" and e["project"] == p["id"]))
            if e["project"] == p["id"]]
    county.stop(child)
    assert [(e["view"], e["version"]) for e in seen] == [("enter", "2"), ("leave", "3")]
    assert seen[0]["row"]["stage"] == "intent" and seen[0]["row"]["name"] == p["name"]
    assert seen[1]["changes"] == {} and "row" not in seen[1]


def test_from_the_beginning(new_county):
    county = new_county("--bare")
    ids = [add(county)["id"] for _ in range(3)]
    seen = events(county.qipan("leader", "watch", "-o", "jsonl", "--since", "0", "-n", "3", "--filter", "office=chengguan",
                               "--timeout", "20", ok=True).lines)
    assert [e["project"] for e in seen] == ids


def test_exec_moves_the_cursor_only_after_success(new_county, tmp_path):
    county = new_county("--bare")
    p = add(county)
    cursor, out = tmp_path / "cursor", tmp_path / "out"
    county.qipan("leader", "watch", "--cursor-file", cursor, "--timeout", "0.5", ok=124)
    for i in range(5):
        edit(county, "chengguan", p, f"jobs={i + 1}", ok=True)
    command = f"cat >> {out}; test $(wc -l < {out}) -ne 3"
    done = county.qipan("leader", "watch", "--cursor-file", cursor, "--exec", command, "--timeout", "20", ok=1)
    assert "1" in done.stderr
    assert [json.loads(line)["changes"]["jobs"][1] for line in out.read_text().splitlines()] == [1, 2, 3]
    county.qipan("leader", "watch", "--cursor-file", cursor, "--exec", command, "-n", "3", "--timeout", "20", ok=True)
    assert [json.loads(line)["changes"]["jobs"][1] for line in out.read_text().splitlines()] == [1, 2, 3, 3, 4, 5]


def test_bad_cursors(county, tmp_path):
    torn = tmp_path / "torn"
    torn.write_text("1-2")
    assert county.qipan("leader", "watch", "--cursor-file", torn, ok=7).stderr
    assert county.qipan("leader", "watch", "--since", "yesterday", ok=7).stderr
    last = events(county.qipan("leader", "watch", "-o", "jsonl", "--since", "0", "-n", "1", ok=True).lines)[0]["cursor"]
    epoch, rev, idx, _ = last.split("-")
    # a revision nobody has is one that was lost: all there is comes anew
    wrong = county.qipan("leader", "watch", "-o", "json", "--since", f"{epoch}-{rev}-{idx}-{'f' * 16}", "--timeout", 3, ok=124)
    assert wrong.lines[0] == {"type": "diverged", "fork": None}
    assert held(wrong.lines).keys() == table(county).keys() and wrong.lines[-1]["type"] == "state"
    wrong = county.qipan("leader", "watch", "-o", "json", "--since", f"{epoch}-{2**62}--{'f' * 16}", "--timeout", 10, ok=1)
    assert wrong.error["code"] == "FUTURE_REVISION"


def test_snapshot_then_changes(county):
    p = add(county, jobs="1")
    child = county.popen("leader", "watch", "-o", "jsonl", "--snapshot", "--filter", "office=chengguan")
    lines = read_until(child, lambda line: line.get("state") == "LIVE")
    assert [line["state"] for line in lines if line["type"] == "state"] == ["SNAPSHOT", "LIVE"]
    told = [line for line in events(lines) if line["type"] == "project.changed"]  # deadlines of the office come, too
    assert held(told) == table(county, "--filter", "office=chengguan") and len(held(told)) == len(told)
    assert all(line["view"] == "enter" and line["changes"] == {} and line["row"]["name"] for line in told)
    q = add(county, jobs="5")
    edit(county, "chengguan", p, "jobs=2", ok=True)
    more = read_until(child, lambda line: line.get("version") == "2" and line["project"] == p["id"])
    county.stop(child)
    assert held(events(lines) + more) == table(county, "--filter", "office=chengguan")
    assert [e["project"] for e in events(more)] == [q["id"], p["id"]]
    assert county.qipan("leader", "watch", "--snapshot", "--since", "0").returncode == 2


def test_stopped_inside_a_snapshot(new_county, tmp_path):
    """Stopped after each line and started again: every object once, then the changes made meanwhile, each once."""
    county = new_county("--bare")
    made = [add(county, jobs="1") for _ in range(7)]
    cursor, lines = tmp_path / "cursor", []
    for i in range(3):
        lines += county.qipan("leader", "watch", "-o", "jsonl", "--snapshot", "--cursor-file", cursor, "-n", "2", ok=True).lines
        assert cursor.read_text().split("+")[1].split("\n")[0] == events(lines)[-1]["project"]
        edit(county, "chengguan", {"id": max(p["id"] for p in made)}, f"jobs={i + 2}", ok=True)
        edit(county, "chengguan", {"id": min(p["id"] for p in made)}, f"jobs={i + 2}", ok=True)
    assert sorted(e["project"] for e in events(lines)) == sorted(p["id"] for p in made)[:6]
    lines += county.qipan("leader", "watch", "-o", "jsonl", "--cursor-file", cursor, "--timeout", "3", ok=124).lines
    assert held(lines) == table(county)
    last = [e["version"] for e in events(lines) if e["project"] == max(p["id"] for p in made)]
    assert last == ["4"]  # the snapshot told it, so the tail doesn't
    assert [e["version"] for e in events(lines) if e["project"] == min(p["id"] for p in made)] == ["1", "2", "3", "4"]


def test_old_cursor_files_are_good(county, tmp_path):
    """One line, as versions before kept it; and one whose memory somebody spoiled."""
    cursor = tmp_path / "cursor"
    p = add(county)
    place = county.qipan("leader", "project", "log", p["id"], "-o", "jsonl", ok=True).lines[-1]["cursor"]
    cursor.write_text(place + "\n")
    edit(county, "chengguan", p, "jobs=3", ok=True)
    words = ("watch", "-o", "jsonl", "--cursor-file", cursor, "--filter", f"project={p['id']}")
    assert [e["version"] for e in events(county.qipan("leader", *words, "-n", "1", ok=True).lines)] == ["2"]
    assert cursor.read_text().splitlines()[-1] == f"{place} {p['id']}"  # told of behind that place
    cursor.write_text(place + "\nnonsense\n")
    assert county.qipan("leader", *words, ok=7).error["field"] == "memory"


# ---------------------------------------------------------------- the registry falls back


def replicated(county):
    wait_for(lambda: county.psql("SELECT 1 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"))


def test_a_failover_that_lost_something(new_county, tmp_path):
    """An asynchronous standby takes over without the last changes. Who was told of them says so and tells again what they
    concern, and no more, running or stopped; in the end everybody holds what the registry holds. The others notice nothing."""
    county = new_county("--bare", "--standby", "async", "--daemons", "2")
    p, q, r = (add(county, jobs="1") for _ in range(3))
    words = ("watch", "-o", "jsonl", "--snapshot", "--cursor-file")
    stopped = county.popen("leader", *words, str(tmp_path / "stopped"))
    running = county.popen("dongshan", *words, str(tmp_path / "running"))
    other = county.popen("leader", "watch", "-o", "jsonl", "--filter", f"project={q['id']}")
    lines = {child: read_until(child, lambda line: line.get("state") == "LIVE") for child in (stopped, running, other)}
    edit(county, "chengguan", r, "jobs=2", ok=True)
    for child in (stopped, running):
        lines[child] += read_until(child, lambda line: line.get("project") == r["id"])
    replicated(county)
    with Frozen(processes_of(here(county) / "pg", "walsender")):
        edit(county, "chengguan", p, "jobs=99", ok=True)
        lost = add(county, jobs="99")
        for child in (stopped, running):
            lines[child] += read_until(child, lambda line: line.get("project") == lost["id"])
        assert county.stop(stopped).returncode == 143
        county.pg("kill")
    county.pg("promote")
    after = add(county, jobs="3")
    edit(county, "chengguan", q, "jobs=4", ok=True)
    again = county.popen("leader", *words, str(tmp_path / "stopped"))
    for child, before in ((running, running), (again, stopped)):
        objects, registry = held(lines[before]), table(county)
        assert objects[p["id"]] == ("2", 99) and lost["id"] in objects and registry[p["id"]] == ("1", 1)
        more = read_until(child, lambda line: held([line], objects) == registry, seconds=40)
        (diverged,) = [line for line in more if line["type"] == "diverged"]
        assert CURSOR.match(diverged["fork"])
        assert {e["project"] for e in events(more)} <= {p["id"], lost["id"], after["id"], q["id"]}  # r stands
    seen = read_until(other, lambda line: line.get("project") == q["id"], seconds=40)
    assert [line["version"] for line in events(seen)] == ["2"] and "diverged" not in [line["type"] for line in seen]
    wait_for(lambda: (tmp_path / "stopped").read_text().startswith("2-"))  # complete: its place is in the new epoch
    for child in (running, again, other):
        county.stop(child)


def test_a_failover_that_lost_nothing(new_county, tmp_path):
    """With a synchronous standby: all that was answered stays, watchers see every change once and nothing of the failover."""
    county = new_county("--bare", "--standby", "sync", "--daemons", "2")
    p = add(county)
    child = watching(county, "leader", "--cursor-file", str(tmp_path / "cursor"))
    for i in range(1, 6):
        edit(county, "chengguan", p, f"jobs={i}", ok=True)
    county.pg("kill")
    county.pg("promote")
    for i in range(6, 11):
        edit(county, "chengguan", p, f"jobs={i}", ok=True)
    lines = read_until(child, lambda line: line.get("version") == "11", seconds=40)
    county.stop(child)
    assert [line["changes"]["jobs"][1] for line in events(lines)] == list(range(1, 11))
    assert "diverged" not in [line["type"] for line in lines]


@pytest.mark.parametrize("sig,code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(county, sig, code):
    child = watching(county, "leader")
    assert county.stop(child, sig).returncode == code


def test_a_reader_that_goes_away_is_no_error(county):
    command = subprocess.list2cmdline(county._command("leader", ["project", "list", "-o", "jsonl"]))
    done = subprocess.run(f"{command} | head -n 1", shell=True, capture_output=True, text=True, env=county._environment())
    assert done.stderr == "" and done.stdout.count("\n") == 1


def test_table_watch_speaks_to_people(county):
    p = add(county)
    child = county.popen("dongshan", "watch", "-n", "2", "--filter", f"project={p['id']}")
    time.sleep(1)
    edit(county, "chengguan", p, "amount_total=3.5亿元", ok=True)
    county.qipan("chengguan", "project", "advance", p["id"], "intent", ok=True)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 0, err
    assert "总投资 3.5亿元" in out and "线索 → 意向" in out and p["name"] in out and "城关镇" in out
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:", out)


# ---------------------------------------------------------------- nobody there, or nobody I know


def settings_with(county, path, **changed):
    """The county's settings with other values for some keys of one context."""
    text = "[context x]\n"
    values = {"address": ",".join(county.addresses), **{k: str(v) for k, v in county.files("leader").items()}, **changed}
    path.write_text(text + "".join(f"{k} = {v}\n" for k, v in values.items()))
    return {"QIPAN_CONFIG": str(path)}


def test_no_daemon(county, tmp_path):
    env = settings_with(county, tmp_path / "q.ini", address="127.0.0.1:9,127.0.0.1:10")
    begun = time.monotonic()
    done = county.qipan("x", "whoami", "-o", "json", env=env, ok=3)
    assert done.error["code"] == "UNAVAILABLE" and done.error["hint"] and time.monotonic() - begun < 15
    # an address that answers is found among those that don't
    env = settings_with(county, tmp_path / "q.ini", address="127.0.0.1:9," + county.addresses[0])
    county.qipan("x", "whoami", env=env, ok=True)


def test_not_authenticated(county, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", "own.key", "-out", "own.pem", "-subj", "/CN=me", "-addext", "extendedKeyUsage=clientAuth",
                    "-addext", "subjectAltName=URI:qipan:person:leader"], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "own.key").chmod(0o600)
    env = settings_with(county, tmp_path / "q.ini", cert=tmp_path / "own.pem", key=tmp_path / "own.key")
    begun = time.monotonic()
    done = county.qipan("x", "whoami", "-o", "json", env=env, ok=4)
    assert done.error["code"] == "UNAUTHENTICATED" and time.monotonic() - begun < 5
    # a daemon that is not ours
    env = settings_with(county, tmp_path / "q.ini", ca=tmp_path / "own.pem")
    county.qipan("x", "whoami", env=env, ok=4)


def test_settings_that_cannot_be_used(county, tmp_path):
    none = county.qipan("x", "whoami", env={"QIPAN_CONFIG": str(tmp_path / "none.ini")}, ok=2)
    assert "none.ini" in none.stderr
    (tmp_path / "bad.ini").write_text("[context x]\nadress = y\n")
    bad = county.qipan("x", "whoami", env={"QIPAN_CONFIG": str(tmp_path / "bad.ini")}, ok=2)
    assert "adress" in bad.stderr and "2" in bad.stderr
    wrong = county.qipan("x", "whoami", "-o", "json", env=settings_with(county, tmp_path / "q.ini", address="host:port"), ok=2)
    assert "host:port" in wrong.error["message"]
    loose = tmp_path / "loose.key"
    loose.write_bytes(pathlib.Path(county.files("leader")["key"]).read_bytes())
    loose.chmod(0o644)
    assert "loose.key" in county.qipan("x", "whoami", env=settings_with(county, tmp_path / "q.ini", key=loose)).stderr


def test_postgres_is_away_for_a_while(new_county):
    county = new_county("--bare")
    p = add(county)
    child = watching(county, "leader")
    county.pg("stop")
    begun = time.monotonic()
    done = edit(county, "chengguan", p, "jobs=7", "--base", "1", "--request", "away-1")
    assert done.returncode in (3, 10, 124) and time.monotonic() - begun < 15
    county.pg("start")
    for _ in range(20):
        done = edit(county, "chengguan", p, "jobs=7", "--base", "1", "--request", "away-1")
        if done.returncode == 0:
            break
        time.sleep(0.5)
    assert done.returncode == 0 and done.json["version"] == "2"
    seen = events(read_until(child, lambda e: e.get("version") == "2", seconds=30))
    assert [e["changes"] for e in seen] == [{"jobs": [None, 7]}]
    county.stop(child)


def test_later_is_asked_again(county):
    """Somebody holds the row for longer than the daemon waits (3 s, then LOCKED), but not beyond the deadline: the change is
    asked for again and done once."""
    p = add(county)
    with connect(county) as session, session.cursor() as cursor:
        cursor.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", (p["id"],))
        child = county.popen("chengguan", "project", "edit", p["id"], "jobs=7", "--base", "1", "-o", "json")
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(5)
        session.rollback()
    out, err = child.communicate(timeout=20)
    assert child.returncode == 0 and json.loads(out)["version"] == "2", err
    assert len(county.qipan("leader", "project", "log", p["id"], "-o", "jsonl", ok=True).lines) == 2


# ---------------------------------------------------------------- the board


def test_board_on_a_terminal(county, tmp_path):
    p = add(county, name=name("看板"))
    tmux = ["tmux", "-L", f"qipan-{os.getpid()}", "-f", "/dev/null"]
    script = tmp_path / "board.sh"
    script.write_text("exec " + subprocess.list2cmdline(county._command("leader", ["board"])) + f"; echo $? > {tmp_path}/code\n")
    script.write_text(script.read_text().replace("exec ", ""))
    subprocess.run([*tmux, "new-session", "-d", "-x", "120", "-y", "30", f"sh {script}"], check=True, env=county._environment())

    def screen_has(*words):
        for _ in range(100):
            text = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, encoding="utf-8").stdout
            if all(word in text for word in words):
                return text
            time.sleep(0.1)
        raise AssertionError(f"{words} not on the screen:\n{text}")

    try:
        screen_has("棋盘", p["name"], "线索", "leader")
        county.qipan("chengguan", "project", "advance", p["id"], "intent", ok=True)
        text = screen_has(p["name"], "意向")
        assert p["name"] in text.splitlines()[3]  # newest change first
        subprocess.run([*tmux, "send-keys", "q"], check=True)
        for _ in range(50):
            if (tmp_path / "code").exists():
                break
            time.sleep(0.1)
        assert (tmp_path / "code").read_text().strip() == "0"
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True)
