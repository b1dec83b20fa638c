# SPDX-License-Identifier: Apache-2.0
"""Counties for the integration tests: `county` is shared by the whole session, `new_county` makes private ones for tests
that kill, revoke or fill things up. QIPAN_BUILD names the folder with the programs, QIPAN_SEED repeats a run."""
import atexit
import functools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "torture")]
from peer import Peer  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
DEV = TOP / "deploy/dev"
BUILD = pathlib.Path(os.environ.get("QIPAN_BUILD", TOP / "build"))
SEED = int(os.environ.setdefault("QIPAN_SEED", str(random.SystemRandom().randrange(1 << 32))))  # one for all workers
SLOW = 3 if BUILD.name == "san" else 1  # limits of time under the sanitisers
SANITIZER = re.compile(r"(AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:)")


def pytest_sessionstart(session):
    """Said once, and with -q too: not by the workers of a run with -n."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        reporter.write_line(f"programs {BUILD}, QIPAN_SEED={SEED}")


@functools.cache
def prepared(bare):
    """A county that is stopped, made once: the others copy its registry and certificates, which cost most. Of the demo it has the
    projects alone, so that lists of all else hold what a test puts there."""
    one = County("--daemons", "0", "--bare" if bare else "--projects")
    one._script("up", *one.flags, timeout=120)
    one.pg("stop")
    atexit.register(one.down)
    return one.dir


class Done(subprocess.CompletedProcess):
    """What a command printed. `json` of one object, `lines` of JSON Lines, `error` from stderr of -o json*."""

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def lines(self):
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def error(self):
        found = [line for line in self.stderr.splitlines() if line.startswith('{"error"')]
        assert found, f"no error object on stderr: {self.stderr}"
        return json.loads(found[-1])["error"]


class County:
    def __init__(self, *flags, build=BUILD, within=()):
        """within: a command that runs its arguments somewhere else, in a network namespace for instance."""
        self.build, self.within, self.around = build, within, {}  # around: more environment for the scripts
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="qipan-county-"))
        self.flags = flags
        self.children, self.peers = [], []
        self.env = {}

    # ---- life

    def up(self):
        flags = [flag for flag in self.flags if flag != "--bare"]
        self._script("up", *flags, "--like", prepared("--bare" in self.flags), timeout=120)
        out = subprocess.run(["env", "-i", "PATH=/usr/bin:/bin", "bash", "-c", f". {self.dir}/env && env -0"],
                             capture_output=True, text=True, timeout=30, check=True).stdout
        self.env = dict(pair.split("=", 1) for pair in out.split("\0") if "=" in pair)
        self.addresses = self.env["QIPAN_ADDRESSES"].split(",")
        self.pki = pathlib.Path(self.env["QIPAN_PKI"])
        self.contexts = re.findall(r"^\[context ([^]]+)\]", pathlib.Path(self.env["QIPAN_CONFIG"]).read_text(), re.M)
        return self

    def down(self):
        """Stops everything, and looks into what the programs left behind."""
        for peer in self.peers:
            peer.link.close()
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.communicate()
        self._script("down", timeout=60)
        complaints = [f"{log.name}: {line.strip()}" for log in self.dir.glob("qipand-*.log")
                      for line in log.read_text(errors="replace").splitlines() if SANITIZER.search(line)]
        if not complaints:
            shutil.rmtree(self.dir, ignore_errors=True)
        assert not complaints, f"logs in {self.dir}: " + "; ".join(complaints[:5])

    def _script(self, name, *args, timeout=60):
        done = subprocess.run([*self.within, str(DEV / name), str(self.dir), *map(str, args)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=timeout, env={**os.environ, "QIPAN_BUILD": str(self.build), **self.around})
        assert done.returncode == 0, f"deploy/dev/{name} {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    # ---- parts

    def kill(self, n=1, sig="KILL"):
        self._script("kill", n, sig)

    def start(self, n=1):
        self._script("start", n)

    def pg(self, action):
        self._script("pg", action, timeout=120)

    def revoke(self, context):
        self._script("revoke", context)

    def clock(self, offset):
        self._script("clock", offset)

    def log(self, n=1):
        return (self.dir / f"qipand-{n}.log").read_text(errors="replace")

    # ---- use

    def _command(self, context, args):
        return [str(self.build / "bin/qipan"), "--context", context, *map(str, args)]

    def _environment(self, **more):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("QIPAN_", "PG", "LC_"))}
        return {**clean, "LANG": "C.UTF-8", **self.env, **more}

    def qipan(self, context, *args, timeout=60, env=None, ok=None, **how):
        """Runs the client. ok=True demands exit 0; a number demands that one."""
        how.setdefault("stdin", None if "input" in how else subprocess.DEVNULL)
        done = subprocess.run(self._command(context, args), capture_output=True, encoding="utf-8", errors="replace",
                              timeout=timeout, env=self._environment(**(env or {})),
                              **{k: v for k, v in how.items() if v is not None})
        done = Done(done.args, done.returncode, done.stdout, done.stderr)
        want = 0 if ok is True else ok
        assert want is None or done.returncode == want, \
            f"qipan {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        assert not SANITIZER.search(done.stderr), done.stderr
        return done

    def popen(self, context, *args, within=(), **how):
        """A client that runs beside the test, a watch for instance; stopped with the county at the latest."""
        child = subprocess.Popen([*within, *self._command(context, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, encoding="utf-8", env=self._environment(), **how)
        self.children.append(child)
        return child

    def stop(self, child, sig=signal.SIGTERM, timeout=20):
        child.send_signal(sig)
        out, err = child.communicate(timeout=timeout)
        return Done(child.args, child.returncode, out, err)

    def psql(self, sql, *args):
        """Rows as lists of text, as the owner of the database."""
        done = subprocess.run(["psql", "-XqAt", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", *args], input=sql, text=True,
                              capture_output=True, timeout=60, env={**os.environ, **self.env})
        assert done.returncode == 0, done.stderr
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def files(self, context):
        return {"ca": self.pki / "ca.pem", "cert": self.pki / f"{context}.pem", "key": self.pki / f"{context}.key"}

    def peer(self, context, n=1, **how):
        """The independent client, signed in at daemon n."""
        peer = Peer(self.addresses[n - 1], **self.files(context), **how)
        self.peers.append(peer)
        return peer


@pytest.fixture(scope="session")
def county():
    one = County("--daemons", "2")
    try:
        yield one.up()
    finally:
        one.down()


@pytest.fixture
def new_county():
    made = []

    def make(*flags, **how):
        made.append(County(*flags, **how))
        return made[-1].up()

    yield make
    for one in made:
        one.down()


@pytest.fixture
def rng(request):
    """Random numbers that QIPAN_SEED repeats."""
    return random.Random(f"{SEED} {request.node.nodeid}")
