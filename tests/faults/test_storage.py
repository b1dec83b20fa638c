# SPDX-License-Identifier: Apache-2.0
"""A: disks that fill up. Small filesystems of the tests' own, mounted under the temporary directory and unmounted at the end. Who fills them
is of an office that the load does not watch."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import pytest
from cluster import begin_start
from counties import SLOW
from interruptions import Feed, sheet
from load import Load
from peer import Gone, Refused
from steps import add, edit, here, pid_of, refusal, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@contextlib.contextmanager
def small_disk(megabytes):
    """An empty filesystem that the user of PostgreSQL owns."""
    folder = tempfile.mkdtemp(prefix="qipan-disk-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "qipan-test", folder], check=True)
    try:
        shutil.chown(folder, "postgres", "postgres")
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        os.rmdir(folder)


@contextlib.contextmanager
def full(folder, left_kb=0):
    """Not a byte is left, or so many, but what the file system keeps for nobody."""
    path = os.path.join(folder, "ballast")
    with open(path, "wb") as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"\0" * (1 << 16))
            ballast.flush()
    os.truncate(path, max(os.path.getsize(path) - (left_kb << 10), 0))
    try:
        yield
    finally:
        os.unlink(path)


def move_data(county, folder):
    """The registry's tables onto the small disk; its log stays where it was."""
    county.kill(1, "TERM")
    county.psql(f"CREATE TABLESPACE small LOCATION '{folder}'", "-d", "postgres")
    county.psql("ALTER DATABASE qipan SET TABLESPACE small", "-d", "postgres")
    county.start(1)


def move_log(county, folder):
    """PostgreSQL's own log onto the small disk."""
    county.kill(1, "TERM")
    county.pg("stop")
    wal = here(county) / "pg/pg_wal"
    subprocess.run(["mv", str(wal), f"{folder}/wal"], check=True)  # keeps the owner
    wal.symlink_to(f"{folder}/wal")
    with (here(county) / "pg/postgresql.auto.conf").open("a") as settings:
        settings.write("max_wal_size = 32MB\nmin_wal_size = 32MB\nwal_recycle = off\n")
    county.pg("start")
    county.start(1)


def test_data_full(new_county, rng, say):
    """Case 12: no room for rows: changes are refused with STORAGE_FULL, reads go on; what was acknowledged is there; it recovers by
    itself within five seconds when there is room again."""
    county = new_county("--bare")
    with small_disk(200) as folder:
        move_data(county, folder)
        long = "字" * 3900
        with Load(county, rng, clients=8, projects=40, subscribers=4, rate=100) as load:
            time.sleep(2)
            with full(folder), county.peer("ziran") as peer:
                codes, end = [], time.monotonic() + 60 * SLOW
                while codes.count("STORAGE_FULL") < 3 and time.monotonic() < end:
                    try:
                        add(peer, summary=long)
                        codes.append("OK")
                    except Refused as e:
                        codes.append(e.code)
                assert codes.count("STORAGE_FULL") >= 3, f"{len(codes)} changes, none found the disk full: {codes[-5:]}"
                assert peer.do("project_list", limit=5).rows and peer.do("whoami").account == "ziran"
                full_error = refusal(lambda: [add(peer, summary=long) for _ in range(50)])
                assert (full_error.code, full_error.retry_after_ms > 0) == ("STORAGE_FULL", True)
                time.sleep(1)
            begun = time.monotonic()
            with county.peer("ziran") as peer:
                wait_for(lambda: written(peer, long), 5 * SLOW)
            recovered = time.monotonic() - begun
            time.sleep(2)
        figures = load.judge()
    say(recovered=recovered, refused_full=codes.count("STORAGE_FULL"), **figures)
    assert recovered < 5 * SLOW


def where_full(county):
    """The functions of an import in which PostgreSQL found no room."""
    lines = (here(county) / "pg.log").read_text(errors="replace").split(" ERROR: ")
    return {name for text in lines if "No space left" in text for name in re.findall(r"(import_\w+)\(", text)}


def test_import_full(new_county, say, tmp_path):
    """An import finds no room: while its rows go up, are judged or written, with ever more of it until it goes through. It is told so at
    once, with what to do; nothing is written, the same daemon goes on serving; the last run finds the rows that were up."""
    county, rows, refused = new_county("--bare"), 4000, []
    with small_disk(500) as folder:
        move_data(county, folder)
        daemon, feed, path = pid_of(county), Feed(county), sheet(tmp_path / "满.csv", "满盘项目", rows)
        for left_kb in (0, *(16 << i for i in range(13))):
            with full(folder, left_kb):
                for how in ((), ("--commit",)):
                    begun = time.monotonic()
                    done = county.qipan("robot", "-o", "json", "import", path, *how)
                    if done.returncode == 0:
                        continue
                    assert (done.returncode, done.error["code"]) == (3, "STORAGE_FULL") and done.error["hint"], done.stderr
                    refused.append((left_kb, *how, round(time.monotonic() - begun, 1)))
                    assert county.psql("SELECT count(*) FROM registry.project WHERE starts_with(name, '满盘项目')") == [["0"]]
                    assert county.qipan("ziran", "-o", "jsonl", "project", "list", ok=True).stdout == "" and pid_of(county) == daemon
            if how and done.returncode == 0:
                break
        kept = county.psql("SELECT count(*) FROM registry.import_chunk")
        summary = county.qipan("robot", "-o", "json", "import", path, "--commit", "--report", tmp_path / "r.jsonl", ok=True).json
        feed.judge(rows)
        numbers = county.psql("SELECT min(no), max(no), count(*) FROM registry.project WHERE starts_with(name, '满盘项目')")
    say(refused=refused, where=sorted(where_full(county)), kept=kept, summary={k: summary[k] for k in ("new", "unchanged")}, numbers=numbers)
    assert all(seconds < 10 * SLOW for *_, seconds in refused)
    assert {"import_put", "import_draft", "import_apply"} <= where_full(county)


def test_import_log_full(new_county, say, tmp_path):
    """PostgreSQL's own log finds no room while an import is written: PostgreSQL stops itself. Whoever waits for the import goes on waiting,
    and with room again it is done once, by the same command or by the next."""
    county, rows = new_county("--bare"), 8000
    with small_disk(96) as folder:
        move_log(county, folder)
        feed, path = Feed(county), sheet(tmp_path / "日志满.csv", "日志满项目", rows)
        with full(folder):
            child = county.popen("robot", "-o", "json", "import", path, "--commit")
            wait_for(lambda: "PANIC" in (here(county) / "pg.log").read_text(errors="replace"), 30 * SLOW)
            time.sleep(1)
            assert child.poll() is None
        with contextlib.suppress(subprocess.CalledProcessError):
            begin_start(county, wait=True)
        begun = time.monotonic()
        out, err = child.communicate(timeout=120 * SLOW)
        assert child.returncode in (0, 3, 10), err
        after = time.monotonic() - begun
        summary = county.qipan("robot", "-o", "json", "import", path, "--commit", ok=True).json
        assert sorted((summary["new"], summary["unchanged"])) == [0, rows] and (child.returncode != 0 or json.loads(out)["new"] == rows)
        feed.judge(rows)
    say(exit=child.returncode, after=after, again={k: summary[k] for k in ("new", "unchanged")})


def written(peer, text):
    try:
        return add(peer, summary=text)
    except Refused as e:
        assert e.code in ("STORAGE_FULL", "UNAVAILABLE", "UNKNOWN", "BUSY"), e
        return None


@pytest.mark.soak
def test_log_full(new_county, rng, say):
    """Case 13: no room for PostgreSQL's own log: it stops itself. Whoever asks is told UNAVAILABLE or UNKNOWN; with room again every
    acknowledged edit is there."""
    county = new_county("--bare")
    with small_disk(64) as folder:
        move_log(county, folder)
        with Load(county, rng, clients=8, projects=40, subscribers=4, rate=100) as load:
            time.sleep(2)
            with full(folder), county.peer("ziran") as peer:
                codes, end = set(), time.monotonic() + 60 * SLOW
                while not codes & {"UNAVAILABLE", "UNKNOWN"} and time.monotonic() < end:
                    with contextlib.suppress(Gone):
                        try:
                            project = add(peer, summary="字" * 3900)
                            peer.finish(edit(peer, project, summary="句" * 3900))
                        except Refused as e:
                            codes.add(e.code)
                assert codes and codes <= {"UNAVAILABLE", "UNKNOWN", "STORAGE_FULL", "BUSY"}, codes
                time.sleep(1)
            begun = time.monotonic()
            with contextlib.suppress(subprocess.CalledProcessError):
                begin_start(county, wait=True)
            with county.peer("ziran") as peer:
                wait_for(lambda: written(peer, "又有地方了"), 30 * SLOW)
            recovered = time.monotonic() - begun
            time.sleep(2)
        figures = load.judge(acked=50)
    say(recovered=recovered, told=",".join(sorted(codes)), **figures)
