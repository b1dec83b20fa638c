# SPDX-License-Identifier: Apache-2.0
"""The processes of a county's PostgreSQL, by their ids."""
import contextlib
import os
import pathlib
import signal
import subprocess

from steps import here


def postmaster(county, cluster="pg"):
    return int((here(county) / cluster / "postmaster.pid").read_text().split("\n", 1)[0])


def children(pid):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = stat.read_text()
            if int(text.rpartition(")")[2].split()[1]) == pid:
                found.append(int(text.split(" ", 1)[0]))
    return found


def send(pids, sig):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)


@contextlib.contextmanager
def frozen(county, cluster="pg"):
    """All processes of the cluster stand still; the postmaster first, so that no child is missed."""
    head = postmaster(county, cluster)
    os.kill(head, signal.SIGSTOP)
    pids = [head, *children(head)]
    send(pids[1:], signal.SIGSTOP)
    try:
        yield
    finally:
        send(reversed(pids), signal.SIGCONT)


def backends(county, where="true"):
    """Process ids of the daemons' backends, chosen by a condition on pg_stat_activity."""
    return [int(pid) for pid, in county.psql("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'qipand%'"
                                             f" AND ({where})")]


def begin_start(county, cluster="pg"):
    """Starts PostgreSQL without waiting for it."""
    bin_, data = "/usr/lib/postgresql/15/bin/pg_ctl", here(county) / cluster
    as_runner([bin_, "-s", "-W", "-D", str(data), "-l", f"{data}.log", "start"])


def as_runner(command):
    """As the user of the county's programs; PostgreSQL refuses root."""
    drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] if os.getuid() == 0 else []
    subprocess.run([*drop, *command], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
