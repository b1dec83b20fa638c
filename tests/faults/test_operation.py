# SPDX-License-Identifier: Apache-2.0
"""F and B: signals, upgrades, clocks that jump."""
import contextlib
import os
import signal
import time

import peer as peer_module
import pytest
from cluster import begin_start, start_own
from counties import SLOW
from load import Load
from peer import Gone, pb
from probe import Prober
from proxy import Proxy
from steps import add, connect, edit, here, wait_for


@pytest.fixture
def daemon(new_county):
    """A county whose daemon is the test's own child, so that its exit code is seen."""
    made = []

    def make(*flags):
        county = new_county("--bare", *flags)
        county.kill(1, "TERM")
        made.append(start_own(county))
        return county, made[-1]

    yield make
    for child in made:
        if child.poll() is None:
            child.kill()
        child.wait()


def test_stopped_under_load(daemon, rng, say):
    """Case 78: SIGTERM five times under load. Each time the daemon ends in order, in five seconds; clients come back to the next one."""
    county, child = daemon()
    took = []
    with Load(county, rng) as load:
        for _ in range(5):
            begun = time.monotonic()
            child.send_signal(signal.SIGTERM)
            assert child.wait(20) == 0
            took.append(time.monotonic() - begun)
            child = start_own(county)
            time.sleep(1)
    figures = load.judge(acked=200)
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0
    say(longest_drain=max(took), **figures)
    assert max(took) <= 6 * SLOW


def test_stopped_twice(daemon, say):
    """Case 78: something keeps it from ending (a row is locked, a client reads nothing); the second SIGTERM ends it in a second."""
    county, child = daemon()
    with county.peer("bureau") as peer:
        project = add(peer)
        with connect(county) as session, session.cursor() as cursor:
            cursor.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", (project.id,))
            edit(peer, project, summary="x")
            time.sleep(0.3)
            begun = time.monotonic()
            child.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert child.poll() is None, "nothing kept it"
            child.send_signal(signal.SIGTERM)
            code = child.wait(10)
            took = time.monotonic() - begun - 0.3
            session.rollback()
    say(took=took, code=code)
    assert took <= 1 + 1 * SLOW and code == 0


def test_storms_of_signals(daemon, rng, say):
    """Case 78: hundreds of SIGHUP, SIGUSR1 and SIGPIPE under load are nobody's concern."""
    county, child = daemon()
    sent = 0
    with Load(county, rng) as load:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            child.send_signal(rng.choice((signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE)))
            sent += 1
            time.sleep(0.005)
    figures = load.judge(acked=200)
    assert child.poll() is None and not any(one.losses for one in load.subscribers + load.writers)
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0
    say(sent=sent, **figures)


def test_clients_that_vanish_while_being_answered(daemon, rng, say):
    """Case 78: a hundred links are reset while the daemon writes to them: no SIGPIPE, no descriptor left behind."""
    county, child = daemon()
    proxy = Proxy(("127.0.0.1", int(county.addresses[0].rsplit(":", 1)[1])))
    try:
        with county.peer("bureau") as writer:
            projects = [add(writer) for _ in range(20)]
            before = len(os.listdir(f"/proc/{child.pid}/fd"))
            for _ in range(100):
                peer = peer_module.Peer(proxy.address, **county.files("leader"))
                peer.watch(from_start=True)
                for _ in range(5):
                    peer.start("project_list", limit=100)
                proxy.cut()
                writer.finish(edit(writer, rng.choice(projects), summary=f"{rng.random()}"))
                peer.link.close()
            wait_for(lambda: len(os.listdir(f"/proc/{child.pid}/fd")) <= before + 1, 10)
    finally:
        proxy.close()
    say(descriptors=before)
    assert child.poll() is None


def test_older_client(daemon, say):
    """Case 78: a client that offers version 1 and later ones it doesn't know yet is served; one that offers only later ones is told."""
    county, _ = daemon()
    link = peer_module.Link(county.addresses[0], peer_module.tls_context(**county.files("leader")))
    link.send(pb.Frame(hello=pb.Hello(version_min=1, version_max=9, client="future", instance="future-1")))
    assert link.receive().welcome.version == 1
    link.close()
    link = peer_module.Link(county.addresses[0], peer_module.tls_context(**county.files("leader")))
    link.send(pb.Frame(hello=pb.Hello(version_min=2, version_max=9, client="future", instance="future-1")))
    said = link.receive()
    link.close()
    say(answer=said.goodbye.error.code)
    assert said.HasField("goodbye") and said.goodbye.error.code


# ---------------------------------------------------------------- clocks


FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class Clock:
    """The wall clock of programs started with `environment`; their monotonic one goes on."""

    def __init__(self, county):
        self.file = here(county) / "clock"
        self.set("+0")
        self.file.chmod(0o644)
        self.environment = {"LD_PRELOAD": FAKETIME, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                            "FAKETIME_TIMESTAMP_FILE": str(self.file)}

    def set(self, offset):
        self.file.write_text(offset + "\n")


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(SLOW > 1, reason="the sanitisers and libfaketime both want to be loaded first")
@pytest.mark.parametrize("whose", ["daemon", "postgresql"])
def test_clock_jumps(daemon, rng, say, whose):
    """Case 28: the wall clock jumps an hour back, a day and 400 days ahead. Order is that of revisions, timers don't storm, and a
    certificate that isn't valid at that time lets nobody in."""
    county, child = daemon()
    clock = Clock(county)
    if whose == "daemon":
        child.send_signal(signal.SIGTERM)
        child.wait(20)
        child = start_own(county, **clock.environment)
    else:
        county.pg("stop")
        begin_start(county, wait=True, **clock.environment)
    used = []
    with Load(county, rng, clients=8, subscribers=8, rate=100) as load, Prober(county) as prober:
        for offset in ("-1h", "+1d", "+400d", "+0"):
            clock.set(offset)
            before, begun = cpu_seconds(child.pid), time.monotonic()
            time.sleep(3)
            used.append((cpu_seconds(child.pid) - before) / (time.monotonic() - begun))
            if whose == "daemon" and offset in ("-1h", "+400d"):  # not valid yet, and no longer
                with pytest.raises((Gone, OSError)):
                    county.peer("leader")
    figures = load.judge(acked=100)
    child.send_signal(signal.SIGTERM)
    code = child.wait(20)
    years = county.psql("SELECT count(DISTINCT date_trunc('year', at)) FROM registry.txn")[0][0] if whose == "postgresql" else "-"
    say(cpu_share=max(used), loop_p99=prober.p99, code=code, years=years, **figures)
    assert max(used) < 0.5 and code == 0 and prober.p99 < 1 and years in ("2", "3", "-")
