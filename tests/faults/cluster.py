# SPDX-License-Identifier: Apache-2.0
"""The processes of a county's PostgreSQL, by their ids."""
import contextlib
import os
import pathlib
import signal

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
