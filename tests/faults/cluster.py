# SPDX-License-Identifier: Apache-2.0
"""The processes of a county's PostgreSQL, by their ids."""
import contextlib
import os
import pathlib
import signal
import subprocess

from steps import here, wait_for


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


def begin_start(county, cluster="pg", wait=False, **environment):
    """Starts PostgreSQL, by default without waiting for it."""
    data = here(county) / cluster
    subprocess.run(as_runner(["/usr/lib/postgresql/15/bin/pg_ctl", "-s", "-w" if wait else "-W", "-D", str(data), "-l", f"{data}.log",
                              "start"], environment),
                   cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)


def as_runner(command, environment):
    """As the user of the county's programs, for root is refused; the environment begins only there."""
    drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] if os.getuid() == 0 else []
    return [*drop, "env", *(f"{key}={value}" for key, value in environment.items()), *command]


def start_own(county, **environment):
    """Daemon 1 as this process's own child, so that its exit code is seen."""
    with (county.dir / "qipand-1.log").open("ab") as log:
        before = log.tell()
        child = subprocess.Popen(as_runner([str(here(county) / "bin/qipand"), "--config", str(here(county) / "qipand-1.ini")],
                                           environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    (county.dir / "run/qipand-1.pid").write_text(str(child.pid))
    wait_for(lambda: b"ready" in (county.dir / "qipand-1.log").read_bytes()[before:], 30)
    return child


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
