# SPDX-License-Identifier: Apache-2.0
"""What scenarios of several files do: registering and editing by the independent client, looking at processes and stopping them,
ending a link as a fault would."""
import contextlib
import hashlib
import itertools
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

import peer as peer_module
import psycopg2
from conftest import SLOW, TOP

_names = itertools.count(1)


def connect(county):
    """A psql-like session of the database's owner, for holding locks and transactions open."""
    e = county.env
    return psycopg2.connect(host=e["PGHOST"], port=e["PGPORT"], dbname=e["PGDATABASE"], user=e["PGUSER"])


def here(county):
    """The county's short folder, which the daemons' user can reach; it goes with the county."""
    return (county.dir / "here").resolve()


def add(peer, **fields):
    name = f"守护项目{os.getpid()}之{next(_names)}"
    project = peer_module.pb.Project(**{"name": name, "investor": name + "公司", "stage": "lead", **fields})
    return peer.do("project_add", set=project).project


def edit(peer, project, base=None, request=None, deadline_ms=None, **fields):
    return peer.start("project_edit", base=base, request=request, deadline_ms=deadline_ms, id=project.id,
                      set=peer_module.pb.Project(**fields))


def upload(peer, data, **fields):
    """A file by the independent client, whole."""
    about = peer_module.pb.Evidence(**{"name": "佐证.txt", "media": "txt", "size": len(data),
                                       "sha256": hashlib.sha256(data).hexdigest(), **fields})
    id = peer.do("evidence_open", set=about).evidence.id
    for chunk, at in enumerate(range(0, len(data), 49152)):
        peer.do("evidence_put", id=id, chunk=chunk, data=data[at:at + 49152])
    return peer.do("evidence_close", id=id).evidence


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)


def pid_of(county, n=1):
    return int((pathlib.Path(county.env["QIPAN_RUN"]) / f"qipand-{n}.pid").read_text())


class Frozen:
    """Processes that stand still inside the block, and go on after it whatever happens."""

    def __init__(self, pids):
        self.pids = pids

    def __enter__(self):
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):  # it came to its end by itself
                os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_):
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):  # killed meanwhile
                os.kill(pid, signal.SIGCONT)


def processes_of(folder, title=""):
    """PostgreSQL processes of a cluster: the postmaster and its children whose title contains that word."""
    master = int((folder / "postmaster.pid").read_text().split()[0])
    children = subprocess.run(["ps", "--ppid", str(master), "-o", "pid=,args="], capture_output=True, text=True).stdout
    found = [int(line.split()[0]) for line in children.splitlines() if title in line]
    return found if title else [master, *found]


def resident_kb(county, n=1):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid_of(county, n)}/status").read_text())[1])


def reset(sock):
    """Ends a connection with RST: what waits in its buffers is lost."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def refusal(what):
    """The error that what() is refused with."""
    try:
        what()
    except peer_module.Refused as e:
        return e.error
    raise AssertionError("was not refused")


def terms(project):
    return [{"field": "project", "op": "=", "values": [project.id]}]


def quiet(watch, seconds=1.0):
    """Whatever comes in that time brings no event."""
    end = time.monotonic() + seconds * SLOW
    while (left := end - time.monotonic()) > 0:
        try:
            assert not watch.next(left).events
        except TimeoutError:
            return


def secret_text(n):
    return f"密谈内容{n}"


def texts(event):
    return {c.new for c in event.changes} | {c.old for c in event.changes} | {v.value for v in event.row}


def set_role(county, code, role, office=None, on=True):
    """As the security officer would, by the database's owner."""
    place = f"'{office}'" if office else "NULL"
    if on:
        county.psql(f"INSERT INTO registry.membership (account, role, office) "
                    f"SELECT id, '{role}', {place} FROM registry.account WHERE code = '{code}'")
    else:
        county.psql(f"UPDATE registry.membership SET ended_at = now() WHERE ended_at IS NULL AND role = '{role}' "
                    f"AND account = (SELECT id FROM registry.account WHERE code = '{code}')")


def rights_change(watch, timeout=10):
    """The error that ends it, and the events that came before."""
    events, end = [], time.monotonic() + timeout * SLOW
    while True:
        feed = watch.next(end - time.monotonic())
        if feed.HasField("error"):
            watch.peer.watches.pop(watch.call)
            return feed.error.code, events
        events += feed.events


def new_account(county, code, office, roles=(), certificate=True):
    """An account and what signs it in. roles: (role, office or None, from_on, until_on, deputy_of), dates in days from today."""
    county.psql(f"INSERT INTO registry.account (code, name, office) VALUES ('{code}', '账号{code}', '{office}')")
    for role, place, since, until, deputy_of in roles:
        county.psql(f"""INSERT INTO registry.membership (account, role, office, from_on, until_on, deputy_of)
            SELECT id, '{role}', {f"'{place}'" if place else 'NULL'}, registry.today() + {'NULL' if since is None else since}::int,
                registry.today() + {'NULL' if until is None else until}::int, (SELECT id FROM registry.account WHERE code = '{deputy_of}')
            FROM registry.account WHERE code = '{code}'""")
    if certificate:
        county.psql(f"INSERT INTO registry.certificate (identity, account) SELECT 'qipan:person:{code}', id FROM registry.account WHERE code = '{code}'")
        certificate_of(county, code)


def certificate_of(county, code):
    ca, out = TOP / "deploy/ca/qipan-ca", county.pki / code
    for args in (["request", f"{out}.key", f"{out}.csr", code],
                 ["issue", county.dir / "ca", f"{out}.csr", "--person", code, "--out", f"{out}.pem"]):
        subprocess.run([ca, *map(str, args)], check=True, capture_output=True, timeout=30)
