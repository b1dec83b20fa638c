# SPDX-License-Identifier: Apache-2.0
"""Imports that are interrupted: the daemon, the client or PostgreSQL is killed while the rows go up, are judged, written, committed, or
the report is fetched; the same command is run again until it succeeds, and then everything must be as if nothing had happened.
What is killed: a daemon's or client's server process is left alone, and goes on to its end; what it writes is not lost."""
import contextlib
import itertools
import json
import os
import signal
import threading
import time

from conftest import SLOW
from steps import Frozen, connect, here, pid_of, processes_of, wait_for

VICTIMS = ("daemon", "client", "postgres")
PHASES = ("upload", "judging", "writing", "commit", "report")
GLANCE_S = 0.003  # a commit of a thousand rows takes twenty milliseconds

# Where an import stands, as its server process shows: what it runs, and what it has locked.
PHASE_SQL = """
SELECT CASE WHEN a.query LIKE '%%api.seal(%%' THEN 'commit'
            WHEN EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.relation = 'registry.change'::regclass AND l.mode = 'RowExclusiveLock') THEN 'writing'
            ELSE 'judging' END
FROM pg_stat_activity a WHERE a.state = 'active' AND a.application_name LIKE 'qipand%%' AND (a.query LIKE '%%api.import_commit(%%' OR a.pid = ANY (%s) AND a.query LIKE '%%api.seal(%%')
ORDER BY a.query_start LIMIT 1"""
SERVER_SQL = "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name LIKE 'qipand%%' AND query LIKE '%%api.import_commit(%%'"
BATCH_SQL = """
SELECT i.status, (SELECT count(*) FROM registry.import_chunk c WHERE c.import = i.staged) FROM registry.import i WHERE i.file_name = %s
ORDER BY i.opened_at DESC, i.id LIMIT 1"""


def sheet(path, prefix, rows):
    lines = [f"{prefix}{i},{prefix}投资{i % 97}号,{i + 1},在谈" for i in range(rows)]
    path.write_text("项目名称,投资方,总投资(万元),阶段\n" + "\n".join(lines) + "\n")
    return path


class Eye:
    """Follows one import. phase(): which of PHASES it is in, None before the first; chunks: of it that are up."""

    def __init__(self, county, file):
        self.db = connect(county)
        self.db.autocommit = True
        self.file, self.servers, self.chunks = file, [], 0

    def ask(self, sql, *values):
        with self.db.cursor() as c:
            c.execute(sql, values)
            return c.fetchone()

    def phase(self):
        self.servers = (self.ask(SERVER_SQL) or [None])[0] or self.servers
        runs = self.ask(PHASE_SQL, self.servers)
        if runs:
            return runs[0]
        status, self.chunks = self.ask(BATCH_SQL, self.file) or (None, 0)
        return "report" if status == "done" else "upload" if self.chunks else None

    def close(self):
        self.db.close()


class Feed:
    """Reads a watch from its start on: every change of a project, as (project, version)."""

    def __init__(self, county):
        self.watch = county.popen("dongshan", "-o", "jsonl", "watch", "--timeout", "3000")
        assert json.loads(self.watch.stdout.readline())["type"] in ("bookmark", "state")
        self.seen, self.twice = set(), []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.watch.stdout:
            event = json.loads(line)
            if event["type"] == "project.changed":
                one = event["project"], event["version"]
                if one in self.seen:
                    self.twice.append(one)
                self.seen.add(one)

    def judge(self, n):
        wait_for(lambda: len(self.seen) >= n or self.watch.poll() is not None, 60 * SLOW)
        assert not self.twice, f"changes came twice: {self.twice[:3]}"
        assert len(self.seen) == n, f"{len(self.seen)} changes were seen, not {n}"


def measure(county, command, file):
    """An import that nothing happens to: how long each phase takes, how many chunks it has, what it prints."""
    child, eye, since, chunks = county.popen("robot", *command), Eye(county, file), {}, 0
    while child.poll() is None:
        phase = eye.phase()
        since.setdefault(phase, time.monotonic())
        chunks = max(chunks, eye.chunks)
        time.sleep(GLANCE_S)
    end = time.monotonic()
    eye.close()
    out, err = child.communicate()
    assert child.returncode == 0, err
    starts = [*(since[phase] for phase in PHASES if phase in since), end]
    lasts = dict(zip([phase for phase in PHASES if phase in since], (b - a for a, b in itertools.pairwise(starts)), strict=True))
    return {phase: lasts.get(phase, 0.0) for phase in PHASES}, chunks, json.loads(out)


def await_phase(eye, child, phase, chunks, delay_s):
    """Until the import is somewhere in that phase; where it is then."""
    while child.poll() is None and eye.phase() not in PHASES[PHASES.index(phase):]:
        time.sleep(GLANCE_S)
    if phase == "upload":
        while child.poll() is None and eye.phase() == "upload" and eye.chunks < chunks:
            time.sleep(GLANCE_S)
    elif phase != "commit":
        end = time.monotonic() + delay_s
        while time.monotonic() < end and child.poll() is None and eye.phase() == phase:
            time.sleep(GLANCE_S)
    return eye.phase() if child.poll() is None else "over"


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
        with Frozen(processes_of(here(county) / "pg")):
            county.pg("kill")
        county.pg("start")


def again(county, command):
    """The same command until it succeeds: what it printed."""
    until = time.monotonic() + 120 * SLOW
    while (done := county.qipan("robot", *command, timeout=400)).returncode != 0:
        assert time.monotonic() < until, f"never done: {done.stderr}"
        time.sleep(0.5)
    return done.json


def bare(row):
    """A line of a report, without what names one import's objects."""
    return {key: value for key, value in row.items() if key not in ("project", "no", "object")}


def told(printed):
    return {key: value for key, value in printed.items() if key not in ("id", "file", "profile", "rev", "request", "replayed")}


def run_through(county, rng, tmp_path, say, plan, rows):
    """The whole story: an import for each (victim, phase) of the plan, struck once there. Every other one has a request id of its own and
    must tell exactly what one tells that nothing happened to; the others, a clerk's, that all rows are there."""
    first = sheet(tmp_path / "first.csv", "初次", rows)
    lasts, chunks, whole = measure(county, ("-o", "json", "import", first, "--commit", "--report", tmp_path / "whole.jsonl"), "first.csv")
    report = [bare(json.loads(line)) for line in (tmp_path / "whole.jsonl").read_text().splitlines()]
    assert len(report) == rows
    feed, table = Feed(county), []
    for point, (victim, phase) in enumerate(plan):
        begun, prefix, file = time.monotonic(), f"第{point}次", f"{point}.csv"
        named = ("--request", f"point-{point}", "--report", tmp_path / f"{point}.jsonl") if point % 2 == 0 or phase == "report" else ()
        command = ("-o", "json", "import", sheet(tmp_path / file, prefix, rows), "--commit", *named)
        last_grp = county.psql("SELECT coalesce(max(grp), 0) FROM registry.change")[0][0]
        child, eye = county.popen("robot", *command), Eye(county, file)
        where = await_phase(eye, child, phase, rng.randrange(1, max(chunks, 2)), rng.uniform(0, 0.8) * lasts[phase])
        eye.close()
        struck_s = time.monotonic() - begun
        strike(county, child, victim)
        kept = county.psql(f"SELECT c.chunk, c.n, c.xmin FROM registry.import_chunk c JOIN registry.import i ON i.staged = c.import WHERE i.file_name = '{file}' ORDER BY 1")
        out, err = child.communicate(timeout=300 * SLOW)
        # 1: written and said, but the report's last page took too long
        assert victim == "client" or where == "over" or child.returncode in (0, 3, 10, *[1] * (where == "report")), err
        lived = child.returncode == 0
        assert not lived or told(json.loads(out)) == told(whole), (out, whole)
        result = again(county, command)
        if named:
            assert told(result) == told(whole) and (result["replayed"] or not lived)
            assert [bare(json.loads(line)) for line in (tmp_path / f"{point}.jsonl").read_text().splitlines()] == report
        else:
            assert (result["rows"], sorted((result["new"], result["unchanged"]))) == (rows, [0, rows]), result
        check(county, prefix, file, rows, last_grp, kept)
        feed.judge((point + 1) * rows)
        table.append((point, victim, f"{phase}/{where}", round(struck_s, 1), sum(int(n) for _, n, _ in kept), "by itself" if lived else "run again",
                      round(time.monotonic() - begun, 1)))
    say(rows=rows, phases={phase: round(s, 2) for phase, s in lasts.items()}, chunks=chunks,
        points="(point, victim, meant/where, struck at s, rows kept, finished, s)" + "".join(f"\n  {row}" for row in table))
    return table


def check(county, prefix, file, rows, last_grp, kept):
    """State and batch of an import that nothing happened to; the chunks that were there are those that were read."""
    found = county.psql("SELECT p.name, p.investor, p.amount_total, p.stage, p.version FROM registry.project p "
                        f"WHERE starts_with(p.name, '{prefix}') AND p.audience <> '{{0}}'")
    wanted = [[f"{prefix}{i}", f"{prefix}投资{i % 97}号", str((i + 1) * 1000000), "talks", "1"] for i in range(rows)]
    assert sorted(found) == sorted(wanted), f"{prefix}: {len(found)} rows of {rows}, or others"
    batches = [b for b in county.qipan("robot", "-o", "jsonl", "batch", "list", ok=True).lines if b.get("file_name") == file]
    written = [b for b in batches if b.get("wrote_rev")]
    assert len(written) == 1 and (written[0]["rows"], written[0]["added"]) == (rows, rows), batches
    journal = county.psql(f"SELECT count(*), count(DISTINCT object) FROM registry.change c WHERE c.grp > {last_grp} AND c.kind = 'project' AND c.version = 1 "
                          f"AND starts_with(c.fields #>> '{{4,1}}', '{prefix}')")
    assert journal == [[str(rows), str(rows)]]
    now = county.psql(f"SELECT c.chunk, c.n, c.xmin FROM registry.import_chunk c JOIN registry.import i ON i.staged = c.import WHERE i.id = '{written[0]['id']}' ORDER BY 1")
    assert [row for row in kept if row not in now] == [] and sum(int(n) for _, n, _ in now) == rows
