# SPDX-License-Identifier: Apache-2.0
"""A county under torture: writers and subscribers on libqipan (actor.c) and on the independent client, aborted and stalled psql
transactions, imports, killed and stopped daemons, terminated backends, cut links; with failover(): a primary that dies.

    run = Torture(county, seed=7, seconds=60, folder=path)
    run.go()               # leaves what everybody was told and the registry's tables in the folder
    checker.check(folder)  # judges it

Beside it a naive reader polls "rev > last", to show what such a reader loses in the very same run."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import psycopg2
import psycopg2.extras

INTEGRATION = pathlib.Path(__file__).resolve().parents[1] / "integration"
sys.path.insert(0, str(INTEGRATION))
import peer as peer_module  # noqa: E402
import steps  # noqa: E402

OFFICES = ("bureau", "chengguan", "dongshan", "jingkai", "fagai")
PEERS = 3


def micros():
    return time.monotonic_ns() // 1000


def build_actor(build):
    """The writers' and subscribers' program, beside the build's others."""
    top = pathlib.Path(__file__).resolve().parents[2]
    flags = {"san": ["SAN=1"], "fail": ["FAIL=1"]}.get(build.name, [])
    subprocess.run(["make", "-s", "-C", str(top), *flags, f"{os.path.relpath(build, top)}/torture/actor"], check=True)


def keep(folder):
    """The histories of a run that failed, where nothing clears them away."""
    kept = pathlib.Path(tempfile.mkdtemp(prefix="qipan-torture-"))
    shutil.copytree(folder, kept, dirs_exist_ok=True)
    return kept


class Log:
    """A file of JSON lines; each with its time."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.lock = threading.Lock()

    def put(self, **line):
        with self.lock:
            self.file.write(json.dumps({**line, "t": micros()}, ensure_ascii=False) + "\n")

    def close(self):
        self.file.close()


def event_line(e):
    def text(change, name):
        return getattr(change, name) if change.HasField(name) else None

    changes = {str(c.number): True if c.masked else [text(c, "old"), text(c, "new")] for c in e.changes}
    return {"rev": e.rev, "idx": e.idx, "last": e.last, "entry": e.entry, "kind": e.kind, "object": e.object, "version": e.version,
            "view": e.view, "request": e.request, "actor": e.actor, "at": e.at, "changes": changes}


class PeerSubscriber(threading.Thread):
    """The independent client: frames as they come, resuming from the last one it dealt with."""

    def __init__(self, run, n, context, terms):
        super().__init__(daemon=True)
        self.run_, self.context, self.terms = run, context, terms
        self.name = f"p{n}"
        self.log = Log(run.folder / f"{self.name}.jsonl")
        self.rng = random.Random(f"{run.seed} {n}")
        self.at, self.cursor, self.failure = n, None, None
        self.ready, self.end = threading.Event(), None

    def begin(self):
        self.at += 1
        peer = peer_module.Peer(self.run_.addresses[self.at % len(self.run_.addresses)], **self.run_.county.files(self.context))
        try:
            terms = [peer_module.pb.Term(field=f, op=op, values=v) for f, op, v in self.terms]
            watch = peer.watch(terms=terms, credit=1 << 24, **({"after": self.cursor} if self.cursor else {}))
        except BaseException:
            peer.link.close()
            raise
        self.log.put(k="resume" if self.cursor else "sub", c=peer_module.cursor_text(watch.at), client=self.name,
                     account=self.context, instance=peer.instance, terms=self.terms)
        if not self.cursor:
            self.log.put(k="mark", c=peer_module.cursor_text(watch.at))
            self.cursor = watch.at
        self.ready.set()
        return peer, watch

    def follow(self, peer, watch):
        churn = time.monotonic() + self.rng.uniform(2, 6)
        while not self.over():
            with contextlib.suppress(TimeoutError):
                feed = watch.next(timeout=0.3)
                self.log.put(k="frame", after=peer_module.cursor_text(feed.after), c=peer_module.cursor_text(feed.upto),
                             events=[event_line(e) for e in feed.events], wall=time.time_ns() // 1000)
                self.cursor = feed.upto
                if feed.HasField("error"):
                    raise peer_module.Gone("the watch ended", feed.error)
            if time.monotonic() > churn and not self.end:
                raise peer_module.Gone("comes anew")

    def over(self):
        return self.run_.gone or (self.end and not self.cursor.HasField("idx") and (self.cursor.epoch, self.cursor.rev) >= self.end)

    def run(self):
        while not self.over():
            peer = None
            try:
                peer, watch = self.begin()
                self.follow(peer, watch)
            except (peer_module.Gone, OSError) as e:
                if "a gap" in str(e):
                    self.failure = str(e)
                    return
                self.log.put(k="lost", why=str(e))
                time.sleep(self.rng.uniform(0.05, 0.3))
            except peer_module.Refused as e:
                self.log.put(k="ended", code=e.code)
                time.sleep(0.3)
            except Exception as e:  # a thread's failure must fail the run
                self.failure = repr(e)
                return
            finally:
                if peer:
                    peer.link.close()
        self.log.put(k="end", c=peer_module.cursor_text(self.cursor), done=not self.run_.gone)


class Worker(threading.Thread):
    """Does one thing again and again until the run rests."""

    def __init__(self, run, name, turn, pause):
        super().__init__(daemon=True)
        self.run_, self.turn, self.pause = run, turn, pause
        self.rng = random.Random(f"{run.seed} {name}")
        self.failure = None
        self.name = name

    def run(self):
        while not self.run_.resting.wait(self.rng.uniform(*self.pause)):
            try:
                self.turn(self.rng)
            except (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.errors.DatabaseError):
                time.sleep(0.1)
            except Exception as e:
                self.failure = f"{self.name}: {e!r}"
                return


class Torture:
    def __init__(self, county, seed, seconds, folder, writers=16, subscribers=20, pause_ms=12, failing=False):
        self.county, self.seed, self.seconds, self.folder = county, seed, seconds, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.writers, self.subscribers, self.pause_ms = writers, subscribers, pause_ms
        self.addresses = list(county.addresses)
        self.rng = random.Random(f"{seed} torture")
        self.resting, self.gone = threading.Event(), False
        self.lock = threading.Lock()  # of the daemons' lives
        self.counts, self.upsets = {}, []
        self.outside = Log(self.folder / "outside.jsonl")
        self.naive = []
        self.serial = 0
        self.failing = failing  # a broken build: no disturbance of the processes themselves
        self.failed_over = None
        self.n_peers = PEERS
        self.snapshots = True

    def count(self, what, n=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + n

    def connect(self):
        connection = steps.connect(self.county)
        connection.autocommit = True
        return connection

    # ---- what disturbs

    def outsider(self, rng):
        """A psql transaction: draws its number, and then commits, rolls back, stalls, or dies with its session."""
        with contextlib.closing(steps.connect(self.county)) as db, db.cursor() as c:
            self.serial += 1
            text, project = f"outside {threading.get_ident() % 10007} {self.serial}", rng.choice(self.projects)[0]
            result = rng.choices(("abort", "stall", "commit", "die"), (50, 15, 25, 10))[0]
            c.execute("SET lock_timeout = '500ms'")
            db.commit()
            self.outside.put(k="outside", text=text, object=project, result="begun")
            c.execute("UPDATE registry.project SET summary = %s WHERE id = %s", (text, project))
            c.execute("SET CONSTRAINTS ALL IMMEDIATE")
            time.sleep(rng.uniform(0.1, 0.8) if result == "stall" else rng.uniform(0, 0.01))
            if result == "die":
                with contextlib.closing(self.connect()) as other, other.cursor() as o:
                    o.execute("SELECT pg_terminate_backend(%s)", (db.get_backend_pid(),))
            elif result == "commit":
                db.commit()
            else:
                db.rollback()
            self.outside.put(k="outside", text=text, object=project, result="committed" if result == "commit" else "aborted")
            self.count("psql commits" if result == "commit" else "psql aborts")

    def skip(self, rng):
        """Numbers that nobody ever claims, as after a crash of PostgreSQL."""
        with contextlib.closing(self.connect()) as db, db.cursor() as c:
            c.execute("SELECT nextval('registry.rev_seq') FROM generate_series(1, %s)", (rng.randint(1, 32),))
            self.count("numbers skipped", c.rowcount)

    def kill_daemon(self, rng):
        n = rng.randint(1, len(self.addresses))
        with self.lock:
            self.county.kill(n)
            time.sleep(rng.uniform(0, 0.4))
            self.county.start(n)
        self.count("daemon kills")

    @contextlib.contextmanager
    def upset(self):
        """Daemons lose links to PostgreSQL meanwhile, and ask again what was under way there."""
        begin = micros()
        try:
            yield
        finally:
            self.upsets.append((begin, micros()))

    def stop_daemon(self, rng):
        n = rng.randint(1, len(self.addresses))
        with self.lock, self.upset():
            self.county.kill(n, "STOP")
            try:
                self.resting.wait(rng.uniform(0.6, 2.5))
            finally:
                self.county.kill(n, "CONT")
        self.count("daemon stops")

    def kill_backend(self, rng):
        with self.upset(), contextlib.closing(self.connect()) as db, db.cursor() as c:
            c.execute("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'qipand%'")
            pids = [row[0] for row in c.fetchall()]
            for pid in rng.sample(pids, min(len(pids), rng.randint(1, 3))):
                c.execute("SELECT pg_terminate_backend(%s)", (pid,))
                self.count("backends killed")

    def cut_links(self, rng):
        port = rng.choice(self.addresses).rsplit(":", 1)[1]
        done = subprocess.run(["ss", "-K", "-tnH", "state", "established", f"( sport = :{port} )"], capture_output=True, text=True, timeout=10)
        self.count("links cut", len(done.stdout.splitlines()))

    def import_sheet(self, rng):
        self.serial += 1
        sheet = self.folder / f"sheet-{self.serial}.csv"
        rows = [f"进口{self.serial}之{i},进口投资{self.serial}之{i},lead,sheet{self.seed},{self.serial}-{i}" for i in range(rng.choice((20, 300)))]
        sheet.write_text("name,investor,stage,source,external_id\n" + "\n".join(rows) + "\n", encoding="utf-8")
        done = self.county.qipan("robot", "import", sheet, "--commit", timeout=60)
        self.count("imports" if done.returncode == 0 else f"imports that ended with {done.returncode}")

    def disturb(self, rng):
        """Each once, in any order, so that a short run has seen all; then as it comes."""
        all_of = (self.kill_daemon, self.stop_daemon, self.kill_backend, self.cut_links, self.import_sheet, self.skip)
        if not hasattr(self, "to_do"):
            self.to_do = rng.sample(all_of, len(all_of))
        (self.to_do.pop() if self.to_do else rng.choices(all_of, (3, 2, 4, 3, 1, 2))[0])(rng)

    def read_naively(self, rng):
        with contextlib.closing(self.connect()) as db, db.cursor() as c:
            c.execute("SELECT max(rev) FROM registry.txn")
            last = c.fetchone()[0]
            self.naive_from = min(getattr(self, "naive_from", last), last)
            while not self.resting.is_set():
                c.execute("SELECT rev FROM registry.txn WHERE rev > %s AND kind = 'commit' ORDER BY rev", (last,))
                for rev, in c.fetchall():
                    last = rev
                    self.naive.append(rev)
                time.sleep(0.001)

    # ---- the run

    def make_projects(self, n=40):
        with contextlib.closing(self.connect()) as db, db.cursor() as c:
            c.execute("""INSERT INTO registry.project (name, investor, office, stage, restricted)
                         SELECT format('折磨%%s之%%s', %s, i), format('折磨投资%%s之%%s', %s, i), (%s::text[])[1 + i %% 5], 'lead', i %% 4 = 0
                         FROM generate_series(1, %s) i RETURNING id, office, restricted""", (self.seed, self.seed, list(OFFICES), n))
            self.projects = c.fetchall()
        (self.folder / "projects.txt").write_text("".join(f"{id_} {office} {restricted:d}\n" for id_, office, restricted in self.projects))

    def position(self):
        with contextlib.closing(self.connect()) as db, db.cursor() as c:
            c.execute("SELECT epoch, rev FROM registry.txn ORDER BY rev DESC LIMIT 1")
            return c.fetchone()

    def start_actor(self):
        actor = self.county.build / "torture/actor"
        self.actor = subprocess.Popen(
            [str(actor), ",".join(self.addresses), str(self.county.pki), str(self.folder / "projects.txt"), str(self.folder),
             str(self.writers), str(self.subscribers - self.n_peers), str(self.seed % (1 << 31)), str(self.pause_ms), str(int(self.snapshots))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.county.children.append(self.actor)

    def expect(self, word, seconds):
        """The actor's next word; it is ended when it says nothing in time."""
        timer = threading.Timer(seconds, self.actor.kill)
        timer.start()
        try:
            said = self.actor.stdout.readline().strip()
        finally:
            timer.cancel()
        assert said == word, f"the actor said {said!r} instead of {word!r} (exit {self.actor.poll()}, {seconds} s)"

    def tell(self, line):
        self.actor.stdin.write(line + "\n")
        self.actor.stdin.flush()

    def start_peers(self):
        everything, offices = [], [["office", "=", ["chengguan", "jingkai"]]]
        self.peers = [PeerSubscriber(self, n, context, terms) for n, (context, terms) in enumerate(
            [("leader", everything), ("duban", offices), ("ziran", [["tags", "=", ["新"]]])][:self.n_peers])]
        for one in self.peers:
            one.start()
        for one in self.peers:
            assert one.ready.wait(20), f"{one.name} did not begin: {one.failure}"

    def workers(self):
        found = [Worker(self, f"outsider {n}", self.outsider, (0.01, 0.08)) for n in range(3)]
        found.append(Worker(self, "naive", self.read_naively, (0, 0.01)))
        if not self.failing:
            found.append(Worker(self, "disturber", self.disturb, (0.2, 0.9)))
        return found

    def last_word(self):
        """Everybody is well again; one more change, which every daemon must come to."""
        for n in range(1, len(self.addresses) + 1):
            self.county.start(n)
        with contextlib.closing(self.connect()) as db, db.cursor() as c:
            c.execute("UPDATE registry.project SET summary = 'the last word' WHERE id = %s", (self.projects[0][0],))
        return self.position()

    def go(self):
        self.make_projects()
        self.start = self.position()
        self.start_peers()
        self.start_actor()
        try:
            self.expect("ready", 30)
            workers = self.workers()
            for one in workers:
                one.start()
            self.load()
            self.end_load(workers)
        finally:
            self.gone = True
            self.resting.set()
            if self.actor.poll() is None:
                self.actor.kill()
            self.actor.wait()
            for one in self.peers:
                one.join(5)
        self.record()

    def load(self):
        time.sleep(self.seconds)

    def end_load(self, workers):
        self.resting.set()
        for one in workers:
            one.join(60)
            assert not one.failure and not one.is_alive(), one.failure or f"{one.name} did not end"
        self.tell("rest")
        self.expect("rested", 60)
        self.end = self.last_word()
        for one in self.peers:
            one.end = self.end
        self.tell("end %d %d" % self.end)
        try:
            self.actor.wait(45)
        except subprocess.TimeoutExpired:
            self.actor.stdin.close()  # who hasn't arrived says so
            self.actor.stdin = None
            self.actor.wait(10)
        for one in self.peers:
            one.join(30 if self.actor.returncode == 0 else 1)

    # ---- what the registry holds in the end

    def record(self):
        for log in self.county.dir.glob("qipand-*.log"):
            shutil.copy(log, self.folder)
        for log in [self.outside, *[one.log for one in self.peers]]:
            log.close()
        with contextlib.closing(self.connect()) as db, open(self.folder / "registry.jsonl", "w", encoding="utf-8") as out:
            for kind, sql in (
                    ("epoch", "SELECT epoch, void_from, start_rev FROM registry.epoch ORDER BY epoch"),
                    ("txn", "SELECT rev, grp, epoch, to_hex(tag) AS tag, kind, changes FROM registry.txn ORDER BY rev"),
                    ("entry", "SELECT e.grp, e.ord, coalesce(a.code, '') AS account, e.actor, e.request, e.op, e.status, e.object, e.version,"
                              " registry.micros(e.at) AS at FROM registry.entry e LEFT JOIN registry.account a ON a.id = e.account"),
                    ("audit", "SELECT actor, detail ->> 'request' AS request, status FROM registry.audit WHERE detail ? 'request'"),
                    ("account", "SELECT code, grants FROM registry.account"),
                    ("change", "SELECT grp, idx, ord, kind, object, version, fields, image, audience, audience_old FROM registry.change ORDER BY grp, idx"),
                    ("project", "SELECT id, version, office, summary, array_to_string(tags, ',') AS tags, amount_total FROM registry.project")):
                with db.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as c:
                    c.execute(sql)
                    for row in c:
                        out.write(json.dumps({"k": kind, **row}, ensure_ascii=False, default=str) + "\n")
        meta = {"seed": self.seed, "seconds": self.seconds, "start": self.start, "end": self.end, "counts": self.counts,
                "naive": {"from": self.naive_from, "seen": self.naive}, "failures": [f"{p.name}: {p.failure}" for p in self.peers if p.failure],
                "failover": self.failed_over, "upsets": self.upsets}
        (self.folder / "meta.json").write_text(json.dumps(meta, ensure_ascii=False))


class Failover(Torture):
    """The primary dies under load and its standby, frozen for a moment before and thus without the end, is promoted. async: what
    was acknowledged in that moment is lost. sync: nothing is, though whoever waited for the standby was told to wait no more."""

    def __init__(self, *args, mode, **how):
        super().__init__(*args, **how)
        self.mode = mode
        self.n_peers = 0  # what a fork spoils is libqipan's to repair

    def workers(self):
        return [one for one in super().workers() if one.name != "disturber"]

    def load(self):
        time.sleep(self.seconds / 4)
        with self.frozen_standby():
            self.moment(1, "pg_terminate_backend")
        time.sleep(self.seconds / 4)
        with self.frozen_standby():
            self.moment(1.5, "pg_cancel_backend")
            self.failed_over = {"mode": self.mode, "killed": micros()}
            self.county.pg("kill")
        self.county.pg("promote")
        self.county.env["PGPORT"] = "5433"
        self.failed_over["promoted"] = micros()
        self.count("failovers")
        time.sleep(self.seconds / 2)

    def moment(self, seconds, end_by):
        """Whoever waits for the standby is ended: its link, or its wait."""
        end = time.monotonic() + seconds
        with contextlib.closing(self.connect()) as db, db.cursor() as c:
            while time.monotonic() < end:
                time.sleep(0.2)
                c.execute(f"SELECT {end_by}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE 'qipand%'")
                self.count("waits for the standby ended", c.rowcount)

    @contextlib.contextmanager
    def frozen_standby(self):
        """Its link is ended, too: what is written from now on is not even in the buffers between them."""
        pids = self.freeze_standby()
        try:
            with contextlib.closing(self.connect()) as db, db.cursor() as c:
                c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
            yield
        finally:
            for pid in reversed(pids):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def freeze_standby(self):
        postmaster = int((steps.here(self.county) / "pg2/postmaster.pid").read_text().split("\n", 1)[0])
        pids = [postmaster]
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                text = stat.read_text()
                if int(text.rpartition(")")[2].split()[1]) == postmaster:
                    pids.append(int(text.split(" ", 1)[0]))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return pids
