# SPDX-License-Identifier: Apache-2.0
"""F: the nth allocation and the nth system call fail, once or from then on (tests/faults/shim). Nobody falls, nothing leaks (on the
sanitised build), nothing is acknowledged that isn't so, nothing is let in or left half done, and who asked is told in a sentence.

Every fifth n, and of long runs a hundred spread over all; QIPAN_NTH=1 takes each. In a sample of the fault cases a few that QIPAN_SEED chooses."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from cluster import as_runner, start_own
from counties import BUILD, SEED, SLOW, TOP, County
from peer import Gone, Refused, pb
from steps import add, edit, here, wait_for

STEP = int(os.environ.get("QIPAN_NTH", 5))
SAN = BUILD.name == "san"
SHIM = BUILD / "tests/shim.so"
CALLS = {"read": ["short", "EAGAIN", "ECONNRESET"], "write": ["short", "EAGAIN", "EPIPE", "ENOSPC"], "epoll_ctl": ["ENOMEM"], "open": ["EMFILE", "EACCES"],
         "rename": ["EIO"], "fsync": ["EIO"], "socket": ["EMFILE"], "getrandom": ["ENOSYS", "short"]}
LIBUV = -signal.SIGABRT  # libuv 1.44 ends the process itself where epoll_ctl fails: no state is lost, its supervisor starts it anew
CAUGHT = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:|cannot be preloaded")


@pytest.fixture(scope="session", autouse=True)
def shim():
    """Built, and lent where the daemons' user may read it: a checkout may be its owner's alone, and what can't be preloaded is passed over."""
    global SHIM
    subprocess.run(["make", "-s", "-C", str(TOP), *(["SAN=1"] if SAN else []), str(SHIM.relative_to(TOP))], check=True)
    with tempfile.TemporaryDirectory(prefix="qipan-shim-") as folder:
        os.chmod(folder, 0o755)
        SHIM = pathlib.Path(shutil.copy(SHIM, folder))
        yield


@pytest.fixture(scope="module")
def county():
    one = County("--bare")
    try:
        yield one.up()
    finally:
        one.down()


def environment(fault, say, wait=False):
    preload = [str(SHIM)]
    if SAN:
        preload.append(subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip())
    return {"LD_PRELOAD": ":".join(preload), "QIPAN_SHIM": fault, "QIPAN_SHIM_SAY": str(say), **({"QIPAN_SHIM_WAIT": "1"} if wait else {}),
            "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=1:exitcode=99:quarantine_size_mb=8", "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99"}


def faults(rng, sample):
    """Kinds of fault, each as a function of n; and how far n goes on at a time."""
    kinds = [("alloc", "alloc:{}"), ("alloc on", "alloc:{}:on")]
    kinds += [(f"{call} {how}", f"{call}:{{}}:{how}") for call, hows in CALLS.items() for how in hows]
    return [rng.choice(kinds)] if sample else kinds


def numbers(rng, sample, n_all):
    if sample:
        return sorted(rng.sample(range(1, n_all + 1), min(6, n_all)))
    step = 1 if STEP == 1 or n_all <= 2 * STEP else max(STEP, n_all // 100)
    return range(1 + SEED % step, n_all + 1, step)


class Findings(list):
    """A long run goes on behind what it finds, and tells all of it at its end."""

    @contextlib.contextmanager
    def under(self, fault):
        try:
            yield
        except (AssertionError, subprocess.TimeoutExpired) as e:
            print(f"\n{fault}: {e}", flush=True)  # at once with -s
            self.append(f"{fault}: {e}")


def counted(said):
    """Calls, as the shim said when its program ended; 0 when that was cut short."""
    found = re.findall(r"counted (\d+)", said)
    return int(found[-1]) if found else 0


# ---------------------------------------------------------------- the client


class Client:
    """A command under a fault; what it said about itself, and whether the fault came."""

    def __init__(self, county, folder):
        self.county, self.folder, self.turn = county, folder, 0

    def run(self, fault, context, *words):
        self.turn += 1
        say = self.folder / f"say-{self.turn}"
        env = {**self.county._environment(), **environment(fault, say)}
        done = subprocess.run(self.county._command(context, words), capture_output=True, encoding="utf-8", errors="replace", timeout=60 * SLOW,
                              env=env, stdin=subprocess.DEVNULL)
        said = say.read_text() if say.exists() else ""
        say.unlink(missing_ok=True)
        self.fired, self.counted = "failed" in said, counted(said)
        where = f"{fault} {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout[-600:]}{done.stderr[-3000:]}"
        assert done.returncode >= 0 and done.returncode not in (97, 98, 99) and not CAUGHT.search(done.stderr), where
        # stdout that can't be written is nobody's fault who reads it
        if done.returncode and not (fault.startswith(("write", "alloc")) and self.fired):
            assert re.search(r"\S", done.stderr), where
        self.where = where
        return done


def read_one(client, fault, state):
    done = client.run(fault, "chengguan", "project", "list", "-o", "jsonl")
    if done.returncode == 0:
        assert done.stdout == state["list"], client.where


def edit_one(client, fault, state):
    """Told done: it is. Told anything else: the same request tells what is so, and there is one change, not two."""
    request, summary = f"nth-{os.getpid()}-{client.turn}", f"第{client.turn}次"
    words = ("project", "edit", state["id"], "summary=" + summary, "--request", request, "-o", "json")
    done = client.run(fault, "chengguan", *words)
    if done.returncode == 0 and done.stdout:
        assert json.loads(done.stdout)["summary"] == summary, client.where
        assert client.county.psql(f"SELECT summary FROM registry.project WHERE id = '{state['id']}'") == [[summary]], client.where
    assert client.county.qipan("chengguan", *words, ok=True).json["summary"] == summary
    assert client.county.psql(f"SELECT count(*) FROM registry.entry WHERE request = '{request}'") == [["1"]]


def watch_one(client, fault, state):
    """What it has told is what its cursor file says: a second watch goes on exactly there."""
    cursor = client.folder / f"cursor-{client.turn}"
    words = ("watch", "--since", "0", "--cursor-file", cursor, "-n", "4", "-o", "jsonl", "--timeout", "5")
    done = client.run(fault, "leader", *words)
    first = [line for line in done.stdout.splitlines() if '"rev"' in line and '"type":"state"' not in line and '"bookmark"' not in line]
    rest = client.county.qipan("leader", *words[:-5], "-n", str(4 + len(first)), "-o", "jsonl", "--timeout", "2").stdout.splitlines() \
        if cursor.exists() or not first else []
    rest = [line for line in rest if '"type":"state"' not in line and '"bookmark"' not in line]
    if done.returncode == 0:
        assert first == state["events"][:4], client.where
    joined = [json.loads(line)["rev"] + ":" + str(json.loads(line)["idx"]) for line in first + rest if line.endswith("}")]
    whole = [json.loads(line)["rev"] + ":" + str(json.loads(line)["idx"]) for line in state["events"]]
    once = [one for i, one in enumerate(joined) if one != joined[i - 1] or i == 0]  # the last line may come once more
    assert len(joined) - len(once) <= 1 and once == whole[:len(once)], (client.where, joined, whole)


def import_one(client, fault, state):
    """All or nothing, and again means the same."""
    tag = f"导入{os.getpid()}之{client.turn}"
    sheet, report = client.folder / "in.csv", client.folder / "report.jsonl"
    sheet.write_text("name,investor,stage\n" + "".join(f"{tag}甲{i},{tag}公司{i},lead\n" for i in range(3)))
    report.write_text("the old one\n")
    words = ("import", sheet, "--commit", "--report", report, "-o", "json")
    done = client.run(fault, "chengguan", *words)
    n = client.county.psql(f"SELECT count(*) FROM registry.project WHERE name LIKE '{tag}%'")[0][0]
    assert n in ("0", "3"), client.where
    if done.returncode == 0:
        assert n == "3" and (not done.stdout or json.loads(done.stdout)["committed"]), client.where
        assert len(report.read_text().splitlines()) == 3, client.where
    else:
        assert report.read_text() == "the old one\n" or len(report.read_text().splitlines()) == 3, client.where
    assert [path.name for path in client.folder.glob("report.jsonl.*")] == [] or not done.returncode, client.where
    again = client.county.qipan("chengguan", "import", sheet, "--commit", "-o", "json", ok=True)
    assert client.county.psql(f"SELECT count(*) FROM registry.project WHERE name LIKE '{tag}%'") == [["3"]], (client.where, again.stdout)


def export_one(client, fault, state):
    """A whole file, or the old one."""
    to = client.folder / "out.csv"
    to.write_text("the old one\n")
    done = client.run(fault, "chengguan", "export", to, "--filter", "name~出口")
    assert to.read_bytes() == (state["export"] if done.returncode == 0 else b"the old one\n"), client.where


def whoami_one(client, fault, state):
    done = client.run(fault, "leader", "whoami", "-o", "json")
    if done.returncode == 0:
        assert re.sub(r'"now_at":"[^"]*"', "", done.stdout) == state["whoami"] or client.fired and fault.startswith("write"), client.where


SCENARIOS = {"sign-in": whoami_one, "read": read_one, "edit": edit_one, "watch": watch_one, "import": import_one, "export": export_one}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_client(county, tmp_path, scenario, rng, request, say):
    """Cases 67 and 68, the client."""
    peer = county.peer("chengguan")
    p = peer.do("project_add", set=pb.Project(name=f"出口{os.getpid()}{scenario}", investor=f"出口公司{scenario}", stage="lead", summary="甲")).project
    for i in range(4):
        peer.do("project_edit", id=p.id, set=pb.Project(summary=f"乙{i}"))
    client, sample = Client(county, tmp_path), request.config.getoption("--sample")
    out = tmp_path / "ref.csv"
    county.qipan("chengguan", "export", out, "--filter", "name~出口", ok=True)
    state = {"id": p.id, "list": county.qipan("chengguan", "project", "list", "-o", "jsonl", ok=True).stdout, "export": out.read_bytes(),
             "whoami": re.sub(r'"now_at":"[^"]*"', "", county.qipan("leader", "whoami", "-o", "json", ok=True).stdout),
             "events": [line for line in county.qipan("leader", "watch", "--since", "0", "--timeout", "2", "-o", "jsonl").stdout.splitlines()
                        if '"type":"state"' not in line and '"bookmark"' not in line]}
    runs, fired, findings = 0, 0, Findings()
    for name, fault in faults(rng, sample):
        SCENARIOS[scenario](client, fault.format(1 << 30), state)
        for n in numbers(rng, sample, client.counted + 1):
            with findings.under(fault.format(n)):
                SCENARIOS[scenario](client, fault.format(n), state)
            runs, fired = runs + 1, fired + client.fired
    say(runs=runs, fired=fired)
    assert not findings, "\n\n".join(findings)
    assert fired or sample


# ---------------------------------------------------------------- the daemon


class Daemon:
    """Daemon 1 as the test's own child, under a fault that counts from SIGUSR2 on."""

    def __init__(self, county):
        self.county, self.say, self.child, self.fired, self.counted, self.restarts = county, here(county) / "said", None, False, 0, 0
        self.say.touch()
        self.say.chmod(0o666)

    def start(self, fault, wait=True):
        self.fault, self.fired = fault, False
        self.say.write_text("")
        self.mark = len(self.county.log())
        self.child = start_own(self.county, **environment(fault, self.say, wait))

    def arm(self):
        self.child.send_signal(signal.SIGUSR2)
        time.sleep(0.02)

    def restart(self):
        """As its supervisor does; nothing befalls it again."""
        self.end()
        fired = self.fired
        self.start("alloc:1073741824")
        self.fired, self.restarts = fired, self.restarts + 1

    def alive(self):
        return self.child.poll() is None

    def end(self):
        """In order if it still runs; how it ended is looked into."""
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
        try:
            code = self.child.wait(20 * SLOW)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"does not end\n{self.told()}") from None
        said = self.say.read_text()
        self.fired, self.counted = self.fired or "failed" in said, counted(said)
        good = code >= 0 or (code == LIBUV and self.fault.startswith("epoll_ctl"))
        assert good and code not in (97, 98, 99) and not CAUGHT.search(self.told()), f"{self.fault}: ended with {code}\n{self.told()}"
        return code

    def abandon(self):
        if self.child and self.alive():
            self.child.kill()
            self.child.wait()

    def told(self):
        return self.county.log()[self.mark:][-4000:]


def tolerant(what):
    """Its answer, or the error it was refused with; a connection that ends is an answer, too."""
    try:
        return what()
    except Refused as e:
        assert e.error.code and e.error.message
        return e.code
    except (Gone, OSError, TimeoutError) as e:
        return e


def daemon_signs_in(daemon, state):
    found = tolerant(lambda: daemon.county.peer("leader", timeout=8).do("whoami", timeout=8))
    if not isinstance(found, (str, Exception)):
        assert (found.account, found.office) == ("leader", "leader")
    stranger = tolerant(lambda: daemon.county.peer("chengguan", timeout=8).do("account_list", timeout=8))
    assert isinstance(stranger, (str, Exception)), "let in where nobody may"


def daemon_reads(daemon, state):
    found = tolerant(lambda: daemon.county.peer("leader", timeout=8).do("project_list", limit=50, timeout=8))
    if not isinstance(found, (str, Exception)):
        assert len(found.rows) >= len(state["ids"]) - 1 or len(found.rows) == 50


def daemon_edits(daemon, state):
    """What is answered is so; what isn't can be asked for."""
    peer, request = tolerant(lambda: daemon.county.peer("chengguan", timeout=8)), f"daemon-{time.monotonic_ns()}"
    if isinstance(peer, Exception):
        return
    how = dict(request=request, id=state["ids"][0], set=pb.Project(summary=request))
    found = tolerant(lambda: peer.do("project_edit", timeout=18, **how))
    state["asked"].append((request, found if isinstance(found, (str, Exception)) else found.project.version))


def daemon_watches(daemon, state):
    """Gap-free as far as it goes; the peer's own proof is in Watch.take."""
    peer = tolerant(lambda: daemon.county.peer("leader", timeout=8))
    if isinstance(peer, Exception):
        return
    watch = tolerant(lambda: peer.watch(from_start=True))
    if isinstance(watch, (str, Exception)):
        return
    seen = tolerant(lambda: watch.events(len(state["ids"]), timeout=3))
    if not isinstance(seen, (str, Exception)):
        place = tolerant(lambda: pb.Cursor.FromString(watch.seen.SerializeToString()))
        again = tolerant(lambda: daemon.county.peer("leader", timeout=8).watch(after=place))
        tolerant(lambda: again.events(1, timeout=0.5)) if not isinstance(again, (str, Exception)) else None


def daemon_imports(daemon, state):
    tag = f"守护导入{os.getpid()}之{time.monotonic_ns()}"
    sheet = state["folder"] / "daemon.csv"
    sheet.write_text("name,investor,stage\n" + "".join(f"{tag}甲{i},{tag}公司{i},lead\n" for i in range(3)))
    client, end = daemon.county.popen("chengguan", "import", sheet, "--commit", "-o", "json"), time.monotonic() + 240 * SLOW
    while client.poll() is None:  # it asks for minutes what became of its import
        assert time.monotonic() < end, "an import without an end"
        if not daemon.alive():
            daemon.restart()
        time.sleep(0.05)
    state["imports"].append((tag, daemon.county.stop(client).returncode))


def daemon_reloads(daemon, state):
    before = len(daemon.told())
    daemon.child.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    daemon_signs_in(daemon, state)
    return before


DAEMON = {"sign-in": daemon_signs_in, "read": daemon_reads, "edit": daemon_edits, "watch and resume": daemon_watches, "import": daemon_imports,
          "reload": daemon_reloads}
DAEMON_CALLS = {**CALLS, "accept": ["EMFILE", "ECONNABORTED"]}


def settle(daemon, state):
    """With a daemon that nothing befalls: everything that was told is so, and nothing is half."""
    county = daemon.county
    with county.peer("chengguan") as peer:
        for request, told in state["asked"]:
            kept = county.psql(f"SELECT status, version FROM registry.entry WHERE request = '{request}'")
            assert len(kept) <= 1
            if isinstance(told, int):
                assert kept and int(kept[0][1]) == told, (request, told, kept)
            if isinstance(told, str) and told not in ("UNKNOWN",):
                assert not kept or kept[0][0] != "OK", (request, told, kept)
        assert peer.do("whoami").account == "chengguan"
    for tag, code in state["imports"]:
        n = county.psql(f"SELECT count(*) FROM registry.project WHERE name LIKE '{tag}%'")[0][0]
        assert n in ("0", "3") and (n == "3" or code != 0), (tag, code, n)
    state["asked"].clear()
    state["imports"].clear()


def serves_again(daemon):
    end, found = time.monotonic() + 30 * SLOW, None
    while isinstance(found := tolerant(lambda: daemon.county.peer("leader", timeout=5).do("whoami", timeout=5)), (str, Exception)):
        if not daemon.alive() and ("cannot go on" in daemon.told() or daemon.fault.startswith("epoll_ctl")):
            return  # in order: whoever asked comes back to the next one
        assert time.monotonic() < end and daemon.alive(), f"{daemon.fault}: {found}\n{daemon.told()}"
        time.sleep(0.1)


@pytest.mark.parametrize("scenario", DAEMON)
def test_daemon(tmp_path, scenario, rng, request, say):
    """Cases 67 and 68, the daemon: one that runs through a scenario, and serves afterwards as if nothing had been, or ended by itself."""
    county, sample = County("--bare"), request.config.getoption("--sample")
    try:
        county.up()
        county.kill(1, "TERM")
        daemon, runs, fired, ended, findings = Daemon(county), 0, 0, 0, Findings()
        state = {"ids": [], "asked": [], "imports": [], "folder": tmp_path}
        daemon.start("alloc:1073741824")
        with county.peer("chengguan") as peer:
            state["ids"] = [add(peer).id for _ in range(5)]
        daemon.end()
        kinds = [("alloc", "alloc:{}"), ("alloc on", "alloc:{}:on")]
        kinds += [(call, f"{call}:{{}}:{how}") for call, hows in DAEMON_CALLS.items() for how in hows]
        for name, fault in ([rng.choice(kinds)] if sample else kinds):
            n, most = 1 if sample else 1 + SEED % STEP, 1
            daemon.start(fault.format(1 << 30))
            daemon.arm()
            DAEMON[scenario](daemon, state)
            daemon.end()
            most = daemon.counted
            for n in numbers(rng, sample, most):
                with findings.under(fault.format(n)):
                    daemon.start(fault.format(n))
                    daemon.arm()
                    DAEMON[scenario](daemon, state)
                    ended += not daemon.alive()
                    if daemon.alive() and not fault.endswith(":on"):  # one failure is survived, and others are served
                        serves_again(daemon)
                    daemon.end()
                daemon.abandon()
                for peer in county.peers:
                    peer.link.close()
                county.peers.clear()
                runs, fired = runs + 1, fired + daemon.fired
        daemon.start("alloc:1073741824")
        settle(daemon, state)
        daemon.end()
        say(runs=runs, fired=fired, ended=ended + daemon.restarts)
        assert not findings, "\n\n".join(findings)
        assert fired or sample
    finally:
        daemon.abandon()
        county.down()


def start_once(county, fault, say_file):
    """Started under a fault, asked, ended. Whether it served, and what was counted."""
    log, served = county.dir / "qipand-1.log", False
    say_file.write_text("")
    say_file.chmod(0o666)
    with log.open("ab") as out:
        mark = out.tell()
        child = subprocess.Popen(as_runner([str(here(county) / "bin/qipand"), "--config", str(here(county) / "qipand-1.ini")],
                                           environment(fault, say_file)), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        end = time.monotonic() + 15 * SLOW
        while child.poll() is None and time.monotonic() < end and not served:
            served = b"ready" in log.read_bytes()[mark:]
            time.sleep(0.02)
        if child.poll() is None and served:
            tolerant(lambda: county.peer("leader", timeout=8).do("whoami", timeout=8))
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        code = child.wait(20 * SLOW)
    finally:
        child.kill()
        child.wait()
        for peer in county.peers:
            peer.link.close()
        county.peers.clear()
    text = log.read_bytes()[mark:].decode(errors="replace")
    where = f"{fault}: ended with {code}\n{text[-3000:]}"
    assert code in ((0, 1, LIBUV) if fault.startswith("epoll_ctl") else (0, 1)) and not CAUGHT.search(text), where
    assert code in (0, LIBUV) or text.strip(), f"{where} without a word"
    return served, counted(say_file.read_text())


def test_daemon_starts(rng, request, say):
    """Cases 67 and 68, from the first instruction: it serves, or says why not and ends; it never serves half."""
    county, sample = County("--bare"), request.config.getoption("--sample")
    try:
        county.up()
        county.kill(1, "TERM")
        kinds = [("alloc", "alloc:{}"), ("alloc on", "alloc:{}:on")]
        kinds += [(call, f"{call}:{{}}:{how}") for call, hows in DAEMON_CALLS.items() for how in hows]
        runs, n_served, findings, say_file = 0, 0, Findings(), here(county) / "said"
        for name, fault in ([rng.choice(kinds)] if sample else kinds):
            _, most = start_once(county, fault.format(1 << 30), say_file)
            for n in [3, 17] if sample else numbers(rng, sample, most):
                with findings.under(fault.format(n)):
                    n_served += start_once(county, fault.format(n), say_file)[0]
                runs += 1
        say(runs=runs, served=n_served)
        assert not findings, "\n\n".join(findings)
        assert n_served or sample
    finally:
        county.down()
