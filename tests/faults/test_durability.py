# SPDX-License-Identifier: Apache-2.0
"""A: what was acknowledged stays, once, whoever dies in between."""
import collections
import contextlib
import json
import os
import re
import signal
import time

import peer as peer_module
import pytest
from cluster import backends, command_line, frozen, send
from counties import SLOW, TOP
from load import ANSWER_SECONDS, LATER, Load
from peer import Refused
from proxy import CommitCutter, pg_proxy
from steps import add, edit, pid_of

FAIL_BUILD = TOP / "build/fail/san" if SLOW > 1 else TOP / "build/fail"


def test_daemon_killed(new_county, rng, say):
    """Case 1: kill -9 of one of two daemons, twenty times under load; serving again a moment after its start."""
    county = new_county("--bare", "--daemons", "2")
    back = []
    with Load(county, rng) as load:
        for _ in range(20):
            n = rng.choice((1, 2))
            county.kill(n, "KILL")
            time.sleep(rng.uniform(0, 0.3))
            begun = time.monotonic()
            county.start(n)
            with county.peer("bureau", n=n) as peer:
                peer.do("whoami")
            back.append(time.monotonic() - begun)
            time.sleep(rng.uniform(0.1, 0.6))
    say(back_median=sorted(back)[10], back_worst=max(back), **load.judge(acked=400))
    assert sorted(back)[10] < 2 * SLOW


def test_backend_killed(new_county, rng, say):
    """Case 3: kill -9 of a server process that carries edits, twenty times; PostgreSQL restarts all others by itself."""
    county = new_county("--bare", "--daemons", "2")
    with Load(county, rng) as load:
        for _ in range(20):
            with contextlib.suppress(AssertionError):  # the owner's own session was ended with the others
                send(rng.sample(found, 1) if (found := backends(county, "application_name ~ 'edit|solo'")) else [], signal.SIGKILL)
            time.sleep(rng.uniform(0.3, 1.2))
    say(**load.judge(acked=200))


def test_postgresql_killed(new_county, rng, say):
    """Case 4: all of PostgreSQL by kill -9, ten times, back after up to three seconds."""
    county = new_county("--bare", "--daemons", "2")
    with Load(county, rng) as load:
        for _ in range(10):
            county.pg("kill")
            time.sleep(rng.uniform(0, 3))
            county.pg("start")
            time.sleep(rng.uniform(0.5, 2))
    say(**load.judge(acked=200))


def test_commit_lost_on_the_way(new_county, rng, say):
    """Case 6: the link to PostgreSQL ends exactly at a group's COMMIT, before it or between it and its answer, fifty times."""
    county = new_county("--bare", "--daemons", "2")
    cutter = CommitCutter(rng, most=50)
    with pg_proxy(county, cutter):
        with Load(county, rng) as load:
            cutter.chance = 0.3
            until = time.monotonic() + 40 * SLOW
            while cutter.dropped + cutter.swallowed < 50 and time.monotonic() < until:
                time.sleep(0.1)
            time.sleep(1)
        figures = load.judge(acked=100)
    say(commits_dropped=cutter.dropped, answers_dropped=cutter.swallowed, **figures)
    assert cutter.dropped + cutter.swallowed == 50 and min(cutter.dropped, cutter.swallowed) > 10


def test_synchronous_standby_frozen(new_county, rng, say):
    """Case 7: nothing is acknowledged that the standby doesn't hold; the daemon stays quick, every outcome becomes known."""
    county = new_county("--bare", "--standby", "sync")
    answers, pings = [], []
    with county.peer("bureau") as writer, county.peer("chengguan") as other:
        projects = [add(writer) for _ in range(20)]
        with frozen(county, "pg2"):
            begun = time.monotonic()
            calls = [(f"frozen-{os.getpid()}-{i}", edit(writer, p, request=f"frozen-{os.getpid()}-{i}", base=1, summary=f"t{i}"))
                     for i, p in enumerate(projects)]
            while time.monotonic() - begun < 8:
                pings.append(round_trip(other))
                time.sleep(0.05)
            with pytest.raises(TimeoutError):
                writer.turn(0.01)
            acked_while_frozen = len(writer.replies)
        for request, call in calls:
            answers.append(outcome(writer, call))
        took = time.monotonic() - begun
        codes = collections.Counter(code for code, _ in answers)
        for i, (request, _) in enumerate(calls):
            final = until_known(writer, projects[i], request, base=1, summary=f"t{i}")
            assert final.project.version == 2 and final.project.summary == f"t{i}"
    pings.sort()
    say(longest=took, pings=len(pings), ping_p99=pings[int(len(pings) * 0.99)], **codes)
    assert acked_while_frozen == 0 and took <= ANSWER_SECONDS * SLOW and set(codes) <= {"OK", "UNKNOWN", "UNAVAILABLE"}
    assert pings[int(len(pings) * 0.99)] < 1 * SLOW


def round_trip(peer):
    """Seconds from a ping to its pong: how long the daemon's loop takes to come round."""
    begun = time.monotonic()
    peer.link.send(peer_module.pb.Frame(ping=peer_module.pb.Ping(token=1)))
    while not peer.link.receive(20).HasField("pong"):
        pass
    return time.monotonic() - begun


def outcome(peer, call):
    try:
        return "OK", peer.finish(call, ANSWER_SECONDS * SLOW)
    except Refused as e:
        return e.code, e.error


def until_known(peer, project, request, seconds=20, **how):
    until = time.monotonic() + seconds
    while True:
        code, what = outcome(peer, edit(peer, project, request=request, **how))
        if code == "OK":
            return what
        assert code in LATER and time.monotonic() < until, f"{request}: {code}"
        time.sleep(0.2)


# ---------------------------------------------------------------- imports


def sheet(path, n):
    rows = (f"断点项目{i},断点投资{i % 97}号,{i + 1},在谈" for i in range(n))
    path.write_text("项目名称,投资方,总投资(万元),阶段\n" + "\n".join(rows) + "\n")
    return path


def counts(report):
    summary = json.loads(report)
    return {key: summary[key] for key in ("rows", "new", "updated", "unchanged", "rejected", "skipped")}


@pytest.mark.parametrize("victim", ["daemon", "importer"])
def test_import_killed(new_county, rng, say, tmp_path, victim):
    """Case 14: an import of 10 000 rows dies half-way and is run again: each row once, the report of an uninterrupted one."""
    county, n = new_county("--bare"), 10000
    args = ("-o", "json", "import", str(sheet(tmp_path / "sheet.csv", n)), "--commit")
    child = county.popen("robot", *args)
    step_until(county, child, rng.randrange(4000, 6000))
    child.send_signal(signal.SIGCONT)
    time.sleep(rng.uniform(0, 0.01))  # with chunks on their way
    os.kill(child.pid if victim == "importer" else pid_of(county), signal.SIGKILL)
    caught = settled(county)
    assert 4000 <= caught < n and county.psql("SELECT count(*) FROM registry.project") == [["0"]], f"not half-way: {caught} of {n}"
    if victim == "daemon":
        county.start(1)
    first = child.communicate(timeout=120 * SLOW)[0]
    reports = [first] if child.returncode == 0 else []
    reports += [county.qipan("robot", *args, timeout=240, ok=True).stdout for _ in range(2)]
    rows = county.psql("SELECT count(*), count(DISTINCT name) FROM registry.project")[0]
    other = new_county("--bare")
    whole, again = (counts(other.qipan("robot", *args, timeout=240, ok=True).stdout) for _ in range(2))
    say(victim=victim, staged=caught, first_exit=child.returncode, rows=rows[0])
    assert rows == [str(n), str(n)]
    assert [counts(report) for report in reports] == [whole, again, again][:len(reports)]


def step_until(county, importer, rows):
    """Lets it go on a few milliseconds at a time until so many rows have come; then it stands still."""
    until = time.monotonic() + 60 * SLOW
    while True:
        importer.send_signal(signal.SIGSTOP)
        assert importer.poll() is None and time.monotonic() < until, f"never half-way: {importer.poll()}"
        if settled(county) >= rows:
            return
        importer.send_signal(signal.SIGCONT)
        time.sleep(0.005)


def settled(county):
    """Rows of the chunks that have come, when no more come."""
    found = []
    while len(found) < 2 or found[-1] != found[-2]:
        found.append(int(county.psql("SELECT coalesce(sum(n), 0) FROM registry.import_chunk")[0][0]))
        time.sleep(0.02)
    return found[-1]


# ---------------------------------------------------------------- marks

MARKS = re.findall(r'^MARK\("([^"]+)"', (TOP / "daemon/failpoint.def").read_text(), re.M)


def provoke(county, mark):
    """What the load doesn't do by itself."""
    if mark.startswith("fence"):
        county.psql("SELECT nextval('registry.rev_seq')")  # a number that nobody will ever bring
    elif mark == "reload":
        county.kill(1, "HUP")


STANDS = ("group-unsynced", "group-sent", "journal-read", "fence-unsent")  # where standing still could hold others up


@pytest.mark.parametrize("mark, act", [(mark, "panic") for mark in MARKS] + [(mark, "sleep=1500") for mark in STANDS])
def test_daemon_falls_at_a_mark(new_county, rng, say, mark, act):
    """Case 2: one of two daemons dies, or stands still, exactly there; five times under load."""
    county = new_county("--bare", "--daemons", "2", build=FAIL_BUILD)
    rounds = 5 if act == "panic" else 2
    hits = 0
    with Load(county, rng, clients=8, subscribers=8, projects=60, stay=0.4) as load:
        for _ in range(rounds):
            county.kill(1, "KILL")
            county.around = {"QIPAN_FAILPOINT": f"{mark}:{act}:{rng.randrange(1, 6)}"}
            with contextlib.suppress(AssertionError):  # it may fall before it is ready
                county.start(1)
            pid, begun = pid_of(county), time.monotonic()
            while act == "panic" and command_line(pid) and time.monotonic() - begun < 15 * SLOW:
                with contextlib.suppress(AssertionError):
                    provoke(county, mark)
                time.sleep(0.05)
            if act != "panic":
                provoke(county, mark)
                time.sleep(2.5)
            hits += act != "panic" or not command_line(pid)
            county.around = {}
            county.start(1)
            time.sleep(0.3)
    figures = load.judge(acked=50)
    say(hits=hits, **figures)
    assert hits == rounds
