# SPDX-License-Identifier: Apache-2.0
"""Load W: writers and subscribers who live through a fault, and what must be true afterwards.

    with Load(county, rng) as load:
        ...the fault...
    figures = load.judge()

A writer asks again under the same request id until it knows the outcome. A subscriber resumes from the last place it dealt with.
`judge` compares what they were told with the registry: acknowledged edits are there once, refused ones aren't, each subscriber saw every
revision of its offices once and in order, and no call went unanswered."""
import collections
import itertools
import random
import threading
import time

import peer as peer_module
from counties import SLOW
from peer import Gone, Refused

OFFICES = ("bureau", "chengguan", "dongshan", "jingkai", "fagai")
LATER = {"UNAVAILABLE", "LOCKED", "BUSY", "DEADLINE_EXCEEDED", "STORAGE_FULL", "UNKNOWN", "RETRY_ELSEWHERE"}
ANSWER_SECONDS = 15 + 2  # every call ends in that time; two seconds for a machine under load

Acked = collections.namedtuple("Acked", "actor request object version rev text")
_runs = itertools.count(1)


class Client(threading.Thread):
    """One peer that comes back after every loss, to the next daemon."""

    def __init__(self, load, context, seed):
        super().__init__(daemon=True)
        self.load, self.context, self.rng = load, context, random.Random(seed)
        self.at = self.rng.randrange(len(load.addresses))
        self.peer, self.leaves = None, 0.0
        self.losses = 0
        self.failure = None

    def connected(self):
        if self.peer and time.monotonic() > self.leaves:
            self.lose()
        if not self.peer:
            self.leaves = time.monotonic() + self.rng.uniform(0.5, 1.5) * self.load.stay
            self.at = (self.at + 1) % len(self.load.addresses)
            self.peer = peer_module.Peer(self.load.addresses[self.at], **self.load.county.files(self.context))
        return self.peer

    def lose(self):
        self.losses += self.peer is not None
        if self.peer:
            self.peer.link.close()
        self.peer = None
        time.sleep(self.rng.uniform(0.02, 0.2))

    def run(self):
        try:
            self.work()
        except Exception as e:  # a thread's failure must fail the test
            self.failure = f"{self.context}: {e!r}"
        finally:
            if self.peer:
                self.peer.link.close()


class Writer(Client):
    def __init__(self, load, n, context, projects, seed):
        super().__init__(load, context, seed)
        self.name = f"w{load.run}.{n}"
        self.projects = projects
        self.versions = {}
        self.serial = 0
        self.codes = collections.Counter()
        self.slowest = 0.0
        self.unresolved = []
        self.ends = []  # when each acknowledged edit was known

    def work(self):
        while not self.load.stopping.is_set():
            self.load.pace(self.rng)
            kind = self.rng.choices(("read", "edit", "conflict"), (40, 50, 10))[0]
            project = self.rng.choice(self.projects)
            if kind == "read":
                self.read(project)
            else:
                self.edit(project, 1 if kind == "conflict" else self.versions.get(project))

    def ask(self, op, **how):
        """One try; its answer, or None when the same must be asked again."""
        begun = time.monotonic()
        try:
            begun = time.monotonic() if self.connected() else begun
            return self.peer.do(op, timeout=ANSWER_SECONDS * SLOW + 3, **how)
        except Refused as e:
            if e.code not in LATER:
                raise
            self.codes[e.code] += 1
            time.sleep(min(e.error.retry_after_ms or 50, 500) / 1000)
        except (Gone, OSError):
            self.lose()
        finally:
            self.slowest = max(self.slowest, time.monotonic() - begun)
        return None

    def read(self, project):
        try:
            reply = self.ask("project_show", id=project)
        except Refused as e:
            self.codes[e.code] += 1
            return
        if reply:
            self.versions[project] = reply.project.version

    def edit(self, project, base):
        self.serial += 1
        request, text = f"{self.name}-{self.serial}", f"{self.name} {self.serial}"
        until = None
        while until is None or time.monotonic() < until:
            if self.load.stopping.is_set():
                until = until or time.monotonic() + 40
            try:
                reply = self.ask("project_edit", request=request, base=base, id=project,
                                 set=peer_module.pb.Project(summary=text))
            except Refused as e:
                self.codes[e.code] += 1
                self.load.refused.append((self.context, request, e.code))
                self.versions.pop(project, None)
                return
            if reply:
                self.ends.append(time.monotonic())
                self.versions[project] = reply.project.version
                self.load.acked.append(Acked(self.context, request, project, reply.project.version, reply.rev, text))
                return
        self.unresolved.append(request)


class Subscriber(Client):
    def __init__(self, load, context, offices, seed):
        super().__init__(load, context, seed)
        self.offices = offices
        self.begin = self.cursor = None
        self.seen = []
        self.resumes = 0
        self.lag = 0.0
        self.ready, self.until_rev = threading.Event(), None

    def work(self):
        watch = None
        while not self.done():
            try:
                if not self.peer or time.monotonic() > self.leaves:
                    watch = self.begin_watch()
                feed = watch.next(timeout=0.5)
                self.cursor = feed.upto
                for e in feed.events:
                    if e.kind == "project":  # a clock that jumps raises alerts
                        self.seen.append((e.rev, e.idx, e.object, e.version, e.changes[0].new if e.changes else None))
                    self.lag = max(self.lag, time.time() - e.at / 1e6) if watch.state == "LIVE" else self.lag
            except TimeoutError:
                continue
            except (Gone, OSError) as e:
                if "a gap" in str(e):
                    raise
                self.lose()
            except Refused as e:
                if e.code not in LATER:
                    raise
                self.lose()

    def begin_watch(self):
        after = {"after": self.cursor} if self.cursor else {}
        terms = [peer_module.pb.Term(field="office", op="=", values=list(self.offices))]
        peer, begun = self.connected(), time.monotonic()
        try:
            watch = peer.watch(terms=terms, **after)
        except TimeoutError:
            raise AssertionError(f"a watch got no answer in {time.monotonic() - begun:.1f} s") from None
        self.resumes += bool(after)
        if not after:
            self.begin = self.cursor = watch.at
            self.ready.set()
        return watch

    def done(self):
        return self.load.gone or (self.until_rev is not None and self.cursor.rev >= self.until_rev)


class Load:
    def __init__(self, county, rng, clients=16, projects=200, subscribers=20, rate=200, stay=1e6):
        """stay: seconds after which a client goes to the next daemon of its own accord."""
        self.county, self.rng, self.rate, self.clients, self.stay = county, rng, rate, clients, stay
        self.addresses = county.addresses
        self.run = f"{next(_runs)}.{rng.randrange(1 << 32):08x}"
        self.stopping, self.gone = threading.Event(), False
        self.acked, self.refused = [], []
        mine = self._projects(projects)
        contexts = [*OFFICES, *["bureau"] * clients][:clients]
        self.writers = [Writer(self, n, context, [p for p, office in mine if context in ("bureau", office)], rng.random())
                        for n, context in enumerate(contexts)]
        readers = ("leader", "duban", "dongshan", "ziran")
        self.subscribers = [Subscriber(self, readers[n % 4], rng.sample(OFFICES, 2), rng.random()) for n in range(subscribers)]

    def _projects(self, n):
        """Registered past the daemons: the fault may be there already."""
        rows = self.county.psql(f"""
            INSERT INTO registry.project (name, investor, office, stage)
            SELECT '负载{self.run}之' || i, '负载投资{self.run}之' || i, ('{{{",".join(OFFICES)}}}'::text[])[1 + i % 5], 'lead'
            FROM generate_series(1, {n}) i RETURNING id, office""")
        return [tuple(row) for row in rows]

    def pace(self, rng):
        time.sleep(rng.uniform(0.5, 1.5) * self.clients * 0.6 / self.rate)  # six of ten operations are edits

    def __enter__(self):
        for one in self.subscribers:
            one.start()
        for one in self.subscribers:
            assert one.ready.wait(20 * SLOW), one.failure or "a watch did not begin"
        for one in self.writers:
            one.start()
        time.sleep(1)
        return self

    def __exit__(self, failed, *_):
        """Writers learn what became of their last edits; subscribers read to the end."""
        self.stopping.set()
        for one in self.writers:
            one.join(70)
        try:
            last = int(self.county.psql("SELECT max(rev) FROM registry.txn")[0][0])
            until = time.monotonic() + 20 * SLOW
            for one in self.subscribers:
                one.until_rev = last
            for one in self.subscribers:
                one.join(max(0.1, until - time.monotonic()))
        finally:
            self.gone = True
            for one in self.subscribers:
                one.join(12)

    # ---- afterwards

    def judge(self, acked=100, slowest=ANSWER_SECONDS):
        for one in [*self.writers, *self.subscribers]:
            assert not one.failure, one.failure
            assert not one.is_alive(), f"{one.context} did not end"
        unresolved = [r for w in self.writers for r in w.unresolved]
        assert not unresolved, f"outcome never known: {unresolved[:5]}"
        longest = max(w.slowest for w in self.writers)
        assert longest <= slowest * SLOW, f"a call took {longest:.1f} s"
        assert len(self.acked) >= acked, f"only {len(self.acked)} edits were acknowledged: no test of anything"
        self._judge_edits()
        self._judge_feeds()
        codes = sum((w.codes for w in self.writers), collections.Counter())
        return {"acked": len(self.acked), "refused": len(self.refused), "slowest": longest,
                "lost_links": sum(w.losses for w in self.writers), "resumes": sum(s.resumes for s in self.subscribers),
                "events": sum(len(s.seen) for s in self.subscribers), "lag": max((s.lag for s in self.subscribers), default=0),
                **codes}

    def _judge_edits(self):
        rows = self.county.psql(f"""
            SELECT e.actor, e.request, e.status, e.object, e.version, t.rev, c.fields -> '16' ->> 1
            FROM registry.entry e LEFT JOIN registry.txn t USING (grp) LEFT JOIN registry.change c USING (grp, ord)
            WHERE e.request LIKE 'w{self.run}.%'""")
        there = collections.defaultdict(list)
        for actor, request, status, *what in rows:
            there[actor, request].append((status, *what))
        for a in self.acked:
            assert there[a.actor, a.request] == [("OK", a.object, str(a.version), str(a.rev), a.text)], \
                f"{a} but the registry has {there[a.actor, a.request]}"
        for actor, request, code in self.refused:
            assert all(row[0] == code for row in there[actor, request]), f"{request} was refused, but: {there[actor, request]}"
        known = {(a.actor, a.request) for a in self.acked}
        unknown = [key for key, found in there.items() if any(row[0] == "OK" for row in found) and key not in known]
        assert not unknown, f"done, but its client was never told: {unknown[:5]}"
        twice = self.county.psql("SELECT object, version FROM registry.change GROUP BY 1, 2 HAVING count(*) > 1")
        assert not twice, f"versions given twice: {twice[:5]}"
        projects = sorted({a.object for a in self.acked})
        wrong = self.county.psql("SELECT id FROM registry.project p WHERE id = ANY ('{%s}') AND version <> (SELECT count(*)"
                                 " FROM registry.change c WHERE c.object = p.id)" % ",".join(projects))
        assert not wrong, f"versions of {wrong[:5]} are not those of the journal"

    def _judge_feeds(self):
        rows = self.county.psql("""
            SELECT t.rev, c.idx, c.object, c.version, c.fields -> '16' ->> 1, p.office
            FROM registry.change c JOIN registry.txn t USING (grp) JOIN registry.project p ON p.id = c.object
            WHERE c.kind = 'project' ORDER BY 1, 2""" if self.subscribers else "SELECT 1 WHERE false")
        journal = [(int(rev), int(idx), object_, int(version), text, office) for rev, idx, object_, version, text, office in rows]
        for one in self.subscribers:
            assert one.cursor.rev >= one.until_rev, f"{one.context} came to {one.cursor.rev} of {one.until_rev}"
            want = [row[:5] for row in journal if one.begin.rev < row[0] <= one.cursor.rev and row[5] in one.offices]
            got = [(*row[:4], row[4] or "") for row in one.seen]
            assert got == want, difference(got, want)


def difference(got, want):
    missing, extra = [x for x in want if x not in set(got)], [x for x in got if x not in set(want)]
    return f"{len(got)} events for {len(want)}: missing {missing[:3]}, extra {extra[:3]}, or out of order or doubled"
