# SPDX-License-Identifier: Apache-2.0
"""A private county for the benchmarks, and the load against it or a peer."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("QIPAN_BUILD", TOP / "build"))
SERVER_CORE, LOAD_CORE = "0", "1"
TEXT_OF_EVENT = 40  # with this much text in the edited field an event is 250 bytes

PROJECTS = """
SELECT format('SELECT count(*) FROM api.sign_in(%L, NULL) a, generate_series(%s, %s) i,
    api.project_add(a.account, ''zh'', ''bench-'' || i, sha256(i::text::bytea),
    jsonb_build_object(''name'', ''测速 '' || i, ''investor'', ''测速投资'' || i, ''stage'', ''lead''), NULL)',
    'qipan:person:bureau', c * 500 + 1, (c + 1) * 500) FROM generate_series(0, {last}) c \\gexec
"""


class County:
    speech = "qipan"

    def __init__(self, daemons=1, projects=10_000):
        self.daemons, self.projects = daemons, projects

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="qipan-bench-")
        subprocess.run([TOP / "deploy/dev/up", self.dir, "--bare", "--daemons", str(self.daemons)], check=True, stdout=subprocess.DEVNULL)
        text = subprocess.run(["bash", "-c", f". {self.dir}/env; env -0"], check=True, capture_output=True).stdout
        self.env = dict(line.split("=", 1) for line in text.decode().split("\0") if "=" in line)
        self.pki = self.env["QIPAN_PKI"]
        self.sql(PROJECTS.format(last=self.projects // 500 - 1))
        self.sql("VACUUM ANALYZE")
        self.ids = Path(self.dir, "projects")
        self.ids.write_text(self.sql("SELECT id FROM registry.project ORDER BY id"))
        return self

    def __exit__(self, *_):
        subprocess.run([TOP / "deploy/dev/down", self.dir], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *args):
        return subprocess.run([str(a) for a in args], env=self.env, check=True, capture_output=True, text=True).stdout

    def sql(self, text):
        return subprocess.run(["psql", "-qXAt", "-v", "ON_ERROR_STOP=1"], input=text, env=self.env, check=True, capture_output=True, text=True).stdout

    def notices(self, text):
        """What the server says beside the rows."""
        return subprocess.run(["psql", "-qXAt"], input=text, env=self.env, check=True, capture_output=True, text=True).stderr

    def address(self, n=1):
        return self.env["QIPAN_ADDRESSES"].split(",")[n - 1]

    def pid(self, n=1):
        return int(Path(self.env["QIPAN_RUN"], f"qipand-{n}.pid").read_text())

    @property
    def pids(self):
        return [self.pid(n + 1) for n in range(self.daemons)]

    def each_daemon(self, script, *more):
        for n in range(self.daemons):
            subprocess.run([TOP / "deploy/dev" / script, self.dir, str(n + 1), *more], check=True, stdout=subprocess.DEVNULL)

    def restart(self):
        self.each_daemon("kill", "TERM")
        self.each_daemon("start")

    def calm(self):
        """Waits until the disk flushes a page within 5 ms fifty times in a row, for a minute at most: some disks take back later what they were given."""
        with tempfile.TemporaryFile(dir=self.dir) as page:
            good, until = 0, time.monotonic() + 60
            while good < 50 and time.monotonic() < until:
                begun = time.perf_counter()
                os.pwrite(page.fileno(), b"x" * 8192, 0)
                os.fdatasync(page.fileno())
                good = good + 1 if time.perf_counter() - begun < 0.005 else 0
                time.sleep(0.05)

    def at_work(self, wal_mb):
        """PostgreSQL set as deploy/postgresql.conf asks, on a server with memory, with so many segments of WAL at hand as one has that has been
        at work for a while."""
        with open(Path(self.dir, "here/pg/postgresql.conf"), "a", encoding="utf-8") as settings:
            settings.write((TOP / "deploy/postgresql.conf").read_text() + "shared_buffers = 1GB\n")
        for what in ("stop", "start"):
            subprocess.run([TOP / "deploy/dev/pg", self.dir, what], check=True, stdout=subprocess.DEVNULL)
        self.sql(f"SELECT count(*) FROM (SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal() FROM generate_series(1, {wal_mb // 16})) x; CHECKPOINT; CHECKPOINT;")
        os.sync()
        self.restart()

    @contextlib.contextmanager
    def without_daemons(self):
        self.each_daemon("kill", "TERM")
        try:
            yield
        finally:
            self.each_daemon("start")

    def pg_pids(self):
        """The postmaster and its children."""
        post = int(Path(self.dir, "here/pg/postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{post}/task/{post}/children").read_text().split()
        return [post, *map(int, children)]

    def pin(self, apart=True):
        """Daemons to the server's core, PostgreSQL to the load's; or all to both."""
        both = f"{SERVER_CORE},{LOAD_CORE}"
        for pids, core in ((self.pids, SERVER_CORE), (self.pg_pids(), LOAD_CORE)):
            for pid in pids:
                subprocess.run(["taskset", "-acp", core if apart else both, str(pid)], check=False, capture_output=True)

    def load(self, mode, *args, apart=True, daemon=1, **options):
        self.pin(apart)
        people = ["--cert", f"{self.pki}/chengguan.pem", "--key", f"{self.pki}/chengguan.key", "--pub-cert", f"{self.pki}/bureau.pem",
                  "--pub-key", f"{self.pki}/bureau.key", "--projects", self.ids, "--size", TEXT_OF_EVENT, "--credit", 262144]
        return load(mode, "qipan", self.address(daemon), [self.pid(daemon)], *people, *args, apart=apart, **options)


def command(mode, speech, address, pids, *args, apart=True):
    cores = LOAD_CORE if apart else f"{SERVER_CORE},{LOAD_CORE}"
    servers = [x for pid in pids for x in ("--server", pid)]
    return [str(a) for a in ["taskset", "-c", cores, BUILD / "bench/load", mode, speech, "--address", address, *servers, *args]]


def load(mode, speech, address, pids, *args, apart=True):
    """What the load prints, or {} when it failed: a row with one run less."""
    done = subprocess.run(command(mode, speech, address, pids, *args, apart=apart), capture_output=True, text=True, timeout=180)
    if done.returncode:
        print(f"# {mode} {speech}: {done.stderr.strip()[:300]} {done.stdout[:160]}", flush=True)
    return json.loads(done.stdout or "{}") if not done.returncode else {}


def private_kb(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty"))


def status_kb(pid, name):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(name)).split()[1])


class Idle:
    """Subscribers that do nothing, as long as it is open."""

    def __init__(self, speech, address, n, *args):
        self.command = command("idle", speech, address, [], "--subs", n, *args)

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the subscribers didn't come in")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
