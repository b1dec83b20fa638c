# SPDX-License-Identifier: Apache-2.0
"""F: a machine with little memory."""
import contextlib
import os
import pathlib
import select
import subprocess
import time

import pytest
from cluster import as_runner
from counties import BUILD, SLOW
from peer import Peer
from steps import add, here, wait_for

CAGES = pathlib.Path("/sys/fs/cgroup/memory")
MIB = 1 << 20


@contextlib.contextmanager
def cage(limit):
    """A control group (version 1) with so many bytes; None where the machine has none to give."""
    one = CAGES / f"qipan-{os.getpid()}"
    try:
        one.mkdir()
        (one / "memory.limit_in_bytes").write_text(str(limit))
    except OSError:
        yield None
        return
    try:
        yield one
    finally:
        wait_for(lambda: not (one / "cgroup.procs").read_text())
        one.rmdir()


def start_caged(county, one):
    command = as_runner([str(here(county) / "bin/qipand"), "--config", str(here(county) / "qipand-1.ini")], {})
    if one:
        command = ["bash", "-c", f'echo $$ >{one}/cgroup.procs && exec "$@"', "-", *command]
    log = county.dir / "qipand-1.log"
    before = log.stat().st_size
    with log.open("ab") as to:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=to, stderr=to)
    (county.dir / "run/qipand-1.pid").write_text(str(child.pid))
    wait_for(lambda: b"ready" in log.read_bytes()[before:], 30)
    return child


def serve(watches):
    """Takes what has come for each, and answers its pings."""
    poll, by_fd = select.poll(), {peer.link.tls.fileno(): peer for peer, _ in watches}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    for fd, _ in poll.poll(0):
        try:
            while True:
                by_fd[fd].turn(0.001)
        except TimeoutError:
            pass


@pytest.mark.alone
def test_a_thousand_subscribers_in_96_mib(new_county, say):
    """Case 72: not killed, everybody served. Without control groups its size is measured instead."""
    if BUILD.name == "san":
        return  # the sanitiser's own memory is not ours
    county = new_county("--bare")
    county.kill(1, "TERM")
    with cage(96 * MIB) as one:
        child = start_caged(county, one)
        try:
            watches = []
            for i in range(1000):
                peer = Peer(county.addresses[0], **county.files("chengguan" if i % 2 else "dongshan"), timeout=30)
                peer.link.tls.settimeout(30)
                watches.append((peer, peer.watch()))
                if i % 100 == 99:
                    serve(watches)
            writer = county.peer("bureau")
            made, begun = [], time.monotonic()
            for i in range(100):
                made.append(add(writer))
                if i % 20 == 19:
                    serve(watches)
            took = time.monotonic() - begun
            serve(watches)
            for peer, watch in watches[::50]:
                seen = {event.object for event in watch.events(100, timeout=60 * SLOW)}
                assert {project.id for project in made} <= seen
            peak = int((one / "memory.max_usage_in_bytes").read_text()) if one else None
            status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
            resident = int(status.split("VmHWM:")[1].split()[0])
            assert child.poll() is None
            assert resident <= 96 * 1024
            say(caged=one is not None, peak_mib=peak and peak / MIB, resident_mib=resident / 1024, edits_per_s=100 / took)
        finally:
            for peer, _ in watches:
                peer.link.close()
            child.terminate()
            code = child.wait(30)
    assert code == 0
