# SPDX-License-Identifier: Apache-2.0
"""The recipes of deploy/examples, as they stand there."""
import fcntl
import json
import os
import pathlib
import re
import subprocess
import time

import openpyxl
import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "deploy/examples"


def nightly(county, folder, code=0, **more):
    env = {**county._environment(**more), "QIPAN_CONTEXT": "robot", "SETTLE_S": "0", "PATH": f"{county.build}/bin:{os.environ['PATH']}"}
    done = subprocess.run([EXAMPLES / "nightly-import", folder], capture_output=True, text=True, env={**env, **more}, timeout=120)
    assert done.returncode == code, done
    return done.stdout


def sheet(path, *rows):
    book = openpyxl.Workbook()
    for row in (["项目名称", "投资方", "总投资(万元)"], *rows):
        book.active.append(row)
    book.save(path)


def names(folder):
    return sorted(p.name.split("-", 2)[-1] for p in folder.iterdir())


def count(county, name):
    return len(county.qipan("bureau", "project", "list", "--filter", f"name~{name}", "-o", "name", ok=True).stdout.split())


def test_sheets_of_a_folder(county, tmp_path):
    sheet(tmp_path / "好.xlsx", ["夜间项目甲", "夜间公司甲", 100], ["夜间项目乙", "夜间公司乙", 200])
    sheet(tmp_path / "坏.xlsx", ["夜间项目丙", "夜间公司丙", 300], ["夜间项目丁", "夜间公司丁", "约3亿"])
    (tmp_path / "外.csv").write_text("名字,谁\n夜间项目戊,夜间公司戊\n", encoding="utf-8")
    (tmp_path / "外.map").write_text("[columns]\nname = 名字\ninvestor = 谁\n", encoding="utf-8")
    (tmp_path / "无关.txt").write_text("x")
    out = nightly(county, tmp_path, code=9)
    assert "好.xlsx: exit 0" in out and "坏.xlsx: exit 7" in out and "外.csv: exit 0" in out
    assert names(tmp_path / "done") == ["外.csv", "好.xlsx"]
    assert names(tmp_path / "refused") == ["坏.xlsx", "坏.xlsx.txt", "坏.xlsx.wrong.xlsx"]
    assert count(county, "夜间项目") == 3, "a refused sheet writes nothing"
    wrong, = (p for p in (tmp_path / "refused").iterdir() if p.name.endswith("wrong.xlsx"))
    cells = [[c for c in row] for row in openpyxl.load_workbook(wrong).active.iter_rows(values_only=True)]
    assert cells[0][-1] == "错误" and cells[1][-1] is None and "约3亿" in cells[2][-1]
    # corrected in the copy, and put back
    book = openpyxl.load_workbook(wrong)
    book.active["C3"] = 30000
    book.save(tmp_path / "改好.xlsx")
    nightly(county, tmp_path)
    assert count(county, "夜间项目") == 5
    assert nightly(county, tmp_path) == "", "nothing is left"


def test_it_waits_for_files_for_others_and_for_the_registry(county, tmp_path):
    sheet(tmp_path / "晚.xlsx", ["夜间项目晚", "夜间公司晚", 1])
    assert "still being written" in nightly(county, tmp_path, SETTLE_S="600")
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        nightly(county, tmp_path, code=75)
    away = tmp_path / "away.ini"
    away.write_text(re.sub(r"(?m)^(address\s*=).*", r"\1 127.0.0.1:1", pathlib.Path(county.env["QIPAN_CONFIG"]).read_text()))
    nightly(county, tmp_path, code=3, QIPAN_CONFIG=str(away))
    assert "exit 8" in nightly(county, tmp_path, code=8, QIPAN_CONTEXT="leader"), "the account may not: no fault of the sheet"
    assert (tmp_path / "晚.xlsx").exists() and not any((tmp_path / "refused").iterdir()) and count(county, "夜间项目晚") == 0
    nightly(county, tmp_path)
    assert count(county, "夜间项目晚") == 1
    assert subprocess.run([EXAMPLES / "nightly-import"], capture_output=True, timeout=20).returncode == 2


@pytest.mark.parametrize("unit", sorted(EXAMPLES.glob("*.service")) + sorted(EXAMPLES.glob("*.timer")), ids=lambda p: p.name)
def test_units_are_units(unit):
    text = unit.read_text()
    assert text.startswith("# SPDX") and "[Unit]" in text and ("[Service]" in text or "[Timer]" in text)


def test_an_import_is_told_once(county, tmp_path):
    log = tmp_path / "log"
    watch = county.popen("bureau", "watch", "--summary", "-o", "jsonl", "--cursor-file", tmp_path / "told", "-n", "1", "--timeout", "60", "--exec", f"cat >> {log}")
    deadline = time.monotonic() + 30
    while not (tmp_path / "told").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    sheet(tmp_path / "告.xlsx", ["夜间项目告", "夜间公司告", 1])
    nightly(county, tmp_path)
    assert watch.wait(60) == 0
    line, = [json.loads(x) for x in log.read_text().splitlines()]
    assert line["type"] == "import.summary"
