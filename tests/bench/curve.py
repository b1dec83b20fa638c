# SPDX-License-Identifier: Apache-2.0
"""Memory while many rows go by: resident MiB of the client and of the daemon, and how far the work has come, over its whole time."""
import csv
import itertools
import os
import subprocess
import time
from pathlib import Path

from county import BUILD, status_kb

ROWS = int(os.environ.get("BENCH_MEMORY", "100000"))
IMPORTED = 200_000  # the most an import takes
CLIENT_MB, DAEMON_MB = 30, 60
POINTS = 10


def resident_mb(pid):
    try:
        return status_kb(pid, "VmRSS") / 1024
    except (OSError, StopIteration):  # it is over
        return None


def sampled(command, env, daemon, done):
    """[(seconds, rows, client MiB, daemon MiB)] until the command ends, and its peak in MiB. done: how many rows, asked twice a second."""
    begun, found, rows, asked = time.monotonic(), [], 0, 0.0
    with subprocess.Popen([str(c) for c in command], env=env, stdout=subprocess.DEVNULL) as child:
        while child.poll() is None:
            now = time.monotonic() - begun
            client, server = resident_mb(child.pid), resident_mb(daemon) if daemon else 0
            if now - asked > 0.5:
                rows, asked = done(), now
            if client and server is not None:
                found.append((now, rows, client, server))
            time.sleep(0.02)
    assert child.returncode == 0, f"{command}: exit {child.returncode}"
    return found


def tell(name, found, rows):
    """The curve as a table, a line for each tenth of the time: the most that was seen in it."""
    print(f"# {name}, {rows} rows\n# seconds | rows so far | client MiB | daemon MiB", flush=True)
    end = found[-1][0] + 1e-9
    for tenth, part in itertools.groupby(found, lambda f: int(f[0] / end * POINTS)):
        part = list(part)
        print(f"# {part[-1][0]:7.1f} | {part[-1][1]:9} | {max(f[2] for f in part):6.1f} | {max(f[3] for f in part):6.1f}", flush=True)
    late = [f for f in found if f[0] > end / 2]
    early = [f for f in found if end / 10 < f[0] <= end / 2] or found
    return {"client": max(f[2] for f in found), "daemon": max(f[3] for f in found), "grows": max(f[2] for f in late or found) / max(f[2] for f in early)}


def exported(county, ending):
    """An export to a file; the audit knows how many rows were told."""
    path = Path(county.dir) / f"memory.{ending}"
    before = county.sql("SELECT coalesce(max(no), 0) FROM registry.audit").strip()
    found = sampled([BUILD / "bin/qipan", "--context", "bureau", "export", path], county.env, county.pid(),
                    lambda: int(county.sql(f"SELECT coalesce(sum((detail ->> 'rows')::int), 0) FROM registry.audit WHERE op = 'export' AND no > {before}")))
    return found, path


def read(county, path):
    """A workbook read through, as an import's first step does."""
    return sampled([BUILD / "tests/show_grid", "--count", path, "1"], county.env, None, lambda: 0)


def new_rows(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["external_id", "name", "investor", "stage", "amount_total", "industry"])
        out.writerows([f"m-{i}", f"测量批次第{i}个项目", f"测量{i % 20000}公司", "lead", f"{100 + i % 90000}万元", ("C38", "C13", "A01")[i % 3]] for i in range(rows))
    return path


def imported(county, rows):
    """A preview: the whole way but the writing. Rows staged so far."""
    path = new_rows(Path(county.dir) / "memory-in.csv", rows)
    return sampled([BUILD / "bin/qipan", "--context", "robot", "-o", "json", "import", path], county.env, county.pid(),
                   lambda: int(county.sql("SELECT coalesce(sum(n), 0) FROM registry.import_chunk")))


def measure(county, rows):
    """{row: (ours, goal)}"""
    result = {}
    for ending in ("csv", "jsonl", "xlsx"):
        found, path = exported(county, ending)
        result[ending] = tell(f"export to {ending}", found, rows)
    result["reading"] = tell("that workbook read", read(county, path), rows)
    most = min(rows, IMPORTED)
    result["import"] = tell("import, preview", imported(county, most), most)
    made = {f"{name}_client": (seen["client"], CLIENT_MB) for name, seen in result.items()}
    return made | {"daemon": (max(seen["daemon"] for seen in result.values()), DAEMON_MB),
                   "grows": (max(result[name]["grows"] for name in ("csv", "jsonl", "xlsx")), 1.1)}

