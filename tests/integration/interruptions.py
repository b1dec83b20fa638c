# SPDX-License-Identifier: Apache-2.0
"""Imports that are interrupted at random: the daemon, the client or PostgreSQL is killed somewhere on the way, the same command
is run again until it succeeds, and then everything must be as if nothing had happened."""
import contextlib
import json
import os
import signal
import time

from conftest import SLOW
from steps import pid_of

VICTIMS = ("daemon", "client", "postgres")


def sheet(path, prefix, rows):
    lines = [f"{prefix}{i},{prefix}投资{i % 97}号,{i + 1},在谈" for i in range(rows)]
    path.write_text("项目名称,投资方,总投资(万元),阶段\n" + "\n".join(lines) + "\n")
    return path


def strike(county, child, victim):
    """Kills it, and brings back what must be there for the next run."""
    if victim == "client":
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
    elif victim == "daemon":
        os.kill(pid_of(county), signal.SIGKILL)
        time.sleep(0.2)
        county.start(1)
    else:
        county.pg("kill")
        county.pg("start")


def run_through(county, rng, tmp_path, say, points, rows):
    """The whole story: `points` imports, each struck once. What was seen in the feed comes as (object, version) pairs."""
    begun = time.monotonic()
    county.qipan("robot", "-o", "json", "import", sheet(tmp_path / "first.csv", "初次", rows), "--commit", timeout=400, ok=True)
    whole_s = time.monotonic() - begun
    watch = county.popen("dongshan", "-o", "jsonl", "watch", "--timeout", "3000")
    assert json.loads(watch.stdout.readline())["type"] in ("bookmark", "state")
    struck = {}
    for point in range(points):
        victim, after_s = VICTIMS[point % len(VICTIMS)], rng.uniform(0.05, whole_s * 1.05)
        prefix = f"第{point}次"
        args = ("-o", "json", "import", sheet(tmp_path / f"{point}.csv", prefix, rows), "--commit")
        child = county.popen("robot", *args)
        time.sleep(after_s)
        was_running = child.poll() is None
        strike(county, child, victim)
        with contextlib.suppress(Exception):
            child.communicate(timeout=120 * SLOW)
        until = time.monotonic() + 120 * SLOW
        while county.qipan("robot", *args, timeout=400).returncode != 0:
            assert time.monotonic() < until, f"{prefix}: never done"
            time.sleep(0.5)
        struck[prefix] = victim, round(after_s, 2), was_running
        check(county, prefix, f"{point}.csv", rows)
    say(rows=rows, whole_s=round(whole_s, 1), struck=struck)
    county.qipan("bureau", "project", "add", "name=打断的结尾", "investor=结尾", ok=True)
    seen = []
    for line in watch.stdout:
        event = json.loads(line)
        if event["type"] == "project.changed":
            seen.append((event["project"], event["version"]))
            if any(c.get("new") == "打断的结尾" for c in event.get("changes", {}).values() if isinstance(c, dict)) or "打断的结尾" in line:
                break
    assert len(seen) == len(set(seen)), "a change came twice"
    assert len(seen) == points * rows + 1, f"{len(seen)} changes were seen, not {points * rows + 1}"


def check(county, prefix, file, rows):
    """State and report of an import that nothing happened to."""
    found = county.psql("SELECT p.name, p.investor, p.amount_total, p.stage, p.version FROM registry.project p "
                        f"WHERE starts_with(p.name, '{prefix}') AND p.audience <> '{{0}}'")
    wanted = [[f"{prefix}{i}", f"{prefix}投资{i % 97}号", str((i + 1) * 1000000), "talks", "1"] for i in range(rows)]
    assert sorted(found) == sorted(wanted), f"{prefix}: {len(found)} rows of {rows}, or others"
    batches = [b for b in county.qipan("robot", "-o", "jsonl", "batch", "list", ok=True).lines if b.get("file_name") == file]
    written = [b for b in batches if b.get("wrote_rev")]
    assert len(written) == 1 and (written[0]["rows"], written[0]["added"]) == (rows, rows), batches
    journal = county.psql(f"SELECT count(*), count(DISTINCT object) FROM registry.change c WHERE c.kind = 'project' AND c.version = 1 "
                          f"AND starts_with(c.fields #>> '{{4,1}}', '{prefix}')")
    assert journal == [[str(rows), str(rows)]]
