# SPDX-License-Identifier: Apache-2.0
"""Random changes of projects and of rights while accounts of every role watch, and a judge over the journal: each frame must
hold exactly what the account might see at those revisions and may still see, and in the end a watcher's view is what the
tables and rights give. Used by test_rights_random.py, and by the fault case of many seeds."""
import collections
import random
import time

from conftest import SLOW
from peer import Gone, Refused, cursor_text, pb
from steps import connect, new_account, texts

OFFICES = ("chengguan", "dongshan", "jingkai")
CODES = [f"z.{n}" for n in range(8)]
ROLES = [(role, office) for role in ("viewer", "clerk", "approver", "importer") for office in (*OFFICES, "bureau")] + [
    ("bureau", None), ("leader", None), ("supervisor", None), ("auditor", None)]
LATE = 1.2 * SLOW  # seconds that a change of rights or of an audience may take to count everywhere
FIELD = {"project": {"office": "40", "stage": "50"}, "due": {"office": "4"}, "receipt": {"office": "6"}, "account": {"office": "4"}, "enterprise": {}}
Change = collections.namedtuple("Change", "rev idx kind object version fields image audience old batch project at last")


def prepare(county):
    for code in CODES:
        new_account(county, code, OFFICES[int(code[2:]) % 3])
    county.psql("SELECT registry.account_new('z.robot', '批量', 'bureau', 'importer', 'machine')")


class Watcher:
    """One reader with its own filter; keeps every frame with the time it came, and what it holds by them."""

    def __init__(self, run, code):
        self.run, self.code, self.rng = run, code, run.rng
        self.terms = self.rng.choice([[], [], [("kind", "project")], [("office", self.rng.choice(OFFICES))], [("stage", "lead")],
                                      [("kind", "due")], [("office", OFFICES[0]), ("stage", "talks")]])
        self.summary = self.rng.random() < 0.2
        self.whole = self.rng.random() < 0.7  # begins with a snapshot
        self.frames, self.held, self.log = [], {}, []
        self.peer = self.watch = self.place = None
        self.turned = False
        self.partly = set()  # told by a snapshot that isn't complete
        self.back_at = 0  # the step before which it stays away

    def begin(self):
        how = {"terms": [pb.Term(field=f, op="=", values=[v]) for f, v in self.terms], "echo": True, "summary": self.summary}
        try:
            self.peer = self.peer or self.run.county.peer(self.code, self.rng.choice((1, 2)))
            if self.place is None:
                how.update({"snapshot": "all"} if self.whole else {})
            elif self.turned or self.rng.random() < 0.2:
                how.update(after=self.place, snapshot="changed", objects=list(self.held.keys() | self.partly)[:2000])
            else:
                how.update(after=self.place)
            self.watch = self.peer.watch(**how)
            self.turned = False
        except Refused as e:
            self.turned |= e.code == "RIGHTS_CHANGED"
            assert e.code in ("RIGHTS_CHANGED", "PERMISSION_DENIED", "RETRY_ELSEWHERE"), e
        except (Gone, OSError) as e:
            assert getattr(e, "code", None) in ("UNAUTHENTICATED", None), e
            self.peer = None

    def leave(self):
        """Cut off, sometimes in the middle."""
        self.take(0.002)
        if self.peer:
            self.peer.link.close()
        self.peer = self.watch = None

    def take(self, timeout=0.002):
        if not self.watch:
            return
        try:
            while True:
                self.peer.turn(timeout)
        except TimeoutError:
            pass
        except (Gone, OSError):  # a disabled account's link
            self.peer = None
        now = time.time()
        watch = self.watch
        for feed in watch.feeds:
            self.frames.append((feed, now))
            for e in feed.events:
                if e.kind == "project":
                    if e.view == "leave":
                        self.held.pop(e.object, None)
                    else:
                        self.held[e.object] = e.version
            if feed.upto.HasField("object"):
                self.partly |= {e.object for e in feed.events}
            else:
                self.place = feed.upto
                self.partly.clear()
            if feed.HasField("error"):
                assert feed.error.code in ("RIGHTS_CHANGED", "PERMISSION_DENIED"), feed.error  # a page of a snapshot may say so first
                self.turned, self.watch = True, None
        watch.feeds.clear()
        if self.watch and self.place is None and not self.whole:
            self.place = watch.at
        if not self.peer:
            self.watch = None
        if not self.watch and self.place is None:
            self.held.clear()  # a snapshot that was cut begins anew


class Run:
    def __init__(self, county, seed):
        self.county, self.seed, self.rng = county, seed, random.Random(seed)
        self.db = connect(county)
        self.db.autocommit = True
        self.bureau = county.peer("bureau", self.rng.choice((1, 2)))
        self.projects, self.secrets = [], 0
        self.grants = {code: [] for code in CODES}  # [(from when, tokens)]
        self.first_rev = self.sql("SELECT coalesce(max(rev), 0) FROM registry.txn")[0][0]

    def sql(self, text, *args):
        with self.db.cursor() as c:
            c.execute(text, args)
            return c.fetchall() if c.description else []

    # ---- changes

    def new(self):
        self.secrets += 1
        restricted = self.rng.random() < 0.3
        project = self.bureau.do("project_add", set=pb.Project(
            name=f"随机{self.seed}之{self.secrets}", investor=f"随机{self.secrets}", stage="lead", office=self.rng.choice(OFFICES),
            restricted=restricted, summary=f"内容{self.secrets}", contact_name=f"密联系人{self.secrets}")).project
        self.projects.append(project.id)

    def edit(self, **fields):
        self.secrets += 1
        self.bureau.do("project_edit", id=self.rng.choice(self.projects), set=pb.Project(**{"summary": f"内容{self.secrets}", **fields}))

    def advance(self):
        try:
            self.bureau.do("project_advance", id=self.rng.choice(self.projects), stage=self.rng.choice(("intent", "talks")))
        except Refused as e:
            assert e.code == "FAILED_PRECONDITION"

    def due(self):
        self.bureau.do("due_set", set=pb.Due(project=self.rng.choice(self.projects), text=f"期限{self.secrets}", due_at=4 * 10 ** 15))

    def sign(self):
        """One who may see it signs the last change of a project."""
        project = self.rng.choice(self.projects)
        rev = self.sql("SELECT max(t.rev) FROM registry.txn t JOIN registry.change c USING (grp) WHERE c.object = %s", project)[0][0]
        self.bureau.do("receipt_sign", of_rev=rev, object=project)

    def imported(self):
        """A sheet of some projects, one of which becomes another's secret."""
        picked = self.rng.sample(self.projects, min(3, len(self.projects)))
        rows = [pb.ImportRow(row=n, set=pb.Project(id=p, name=self.names[p], jobs=self.rng.randrange(1000), restricted=self.rng.random() < 0.4))
                for n, p in enumerate(picked, 1)]
        rows.append(pb.ImportRow(row=9, set=pb.Project(name=f"随机{self.seed}批{self.secrets}", investor=f"批{self.secrets}", office=self.rng.choice(OFFICES))))
        self.secrets += 1
        batch = self.bureau.do("import_open", file_sha256=self.rng.randbytes(32), rows=len(rows)).id
        self.bureau.do("import_put", id=batch, chunk=0, rows=rows)
        self.bureau.do("import_judge", id=batch)
        self.bureau.do("import_commit", id=batch, keep_going=True)

    @property
    def names(self):
        return dict(self.sql("SELECT id, name FROM registry.project"))

    def rights(self):
        code = self.rng.choice(CODES)
        held = self.sql("SELECT m.id FROM registry.membership m JOIN registry.account a ON a.id = m.account WHERE a.code = %s AND m.ended_at IS NULL", code)
        chance = self.rng.random()
        if chance < 0.1:
            self.sql("UPDATE registry.account SET enabled = NOT enabled WHERE code = %s", code)
        elif held and chance < 0.55:
            self.sql("UPDATE registry.membership SET ended_at = now() WHERE id = %s", self.rng.choice(held)[0])
        else:
            role, office = self.rng.choice(ROLES)
            try:
                self.sql("INSERT INTO registry.membership (account, role, office) SELECT id, %s, %s FROM registry.account WHERE code = %s", role, office, code)
            except Exception as e:  # noqa: BLE001 - one who holds another power
                assert getattr(e, "pgcode", None) == "23514", e
        self.note(code)

    def note(self, code):
        tokens = set(self.sql("SELECT grants FROM registry.account WHERE code = %s", code)[0][0])
        if not self.grants[code] or self.grants[code][-1][1] != tokens:
            self.grants[code].append((time.time(), tokens))

    def large(self):
        """More than 256 changes in one revision, one of which hides a project; a right given in the midst of it."""
        self.sql("BEGIN; UPDATE registry.project SET restricted = true WHERE id = %s; "
                 "INSERT INTO registry.project (name, investor, office) SELECT %s || n, '大批', 'dongshan' FROM generate_series(1, 270) n; COMMIT",
                 self.rng.choice(self.projects), f"随机{self.seed}大批")

    # ---- the run

    def go(self, steps):
        for code in CODES:
            self.sql("UPDATE registry.account SET enabled = true WHERE code = %s AND NOT enabled", code)
            self.sql("UPDATE registry.membership SET ended_at = now() WHERE ended_at IS NULL AND account = (SELECT id FROM registry.account WHERE code = %s)", code)
            role, office = self.rng.choice(ROLES[:-1])
            self.sql("INSERT INTO registry.membership (account, role, office) SELECT id, %s, %s FROM registry.account WHERE code = %s", role, office, code)
            self.note(code)
        self.started = time.time()
        for _ in range(6):
            self.new()
        watchers = [Watcher(self, code) for code in CODES for _ in range(2)]
        acts = [self.new] + [self.edit] * 5 + [lambda: self.edit(restricted=True)] * 3 + [lambda: self.edit(restricted=False)] * 3 + [
            lambda: self.edit(office=self.rng.choice(OFFICES))] * 3 + [self.advance, self.due, self.sign, self.imported] + [self.rights] * 4
        for step in range(steps):
            self.rng.choice(acts)()
            if step == steps // 2 and self.seed % 5 == 0:
                self.large()
            for w in self.rng.sample(watchers, 4):
                if not w.watch:
                    if step >= w.back_at:
                        w.begin()
                elif self.rng.random() < 0.1:
                    w.leave()
                    w.back_at = step + self.rng.choice((0, 10, 60))
            for w in watchers:
                w.take()
        self.settle(watchers)
        return self.judge(watchers)

    def settle(self, watchers):
        """Until everybody is in step, or may nothing any more."""
        last = self.sql("SELECT max(rev) FROM registry.txn")[0][0]
        until = time.time() + 20 * SLOW
        while time.time() < until:
            late = 0
            for w in watchers:
                if not w.watch:
                    w.begin()
                w.take(0.01)
                nothing = not self.grants[w.code][-1][1]
                late += not nothing and not (w.watch and w.place and w.place.rev >= last and not w.turned)
            if not late:
                return
            time.sleep(0.05)
        raise AssertionError(f"seed {self.seed}: {late} watchers didn't come into step")

    # ---- the judge

    def journal(self):
        rows = self.sql("""
            SELECT t.rev, c.idx, c.kind, c.object, c.version, c.fields, c.image, c.audience, coalesce(c.audience_old, c.audience), e.batch,
                registry.project_of(c.kind, c.object, c.image), extract(epoch FROM t.at)::float8, c.idx = t.changes - 1
            FROM registry.txn t JOIN registry.change c USING (grp) JOIN registry.entry e ON e.grp = c.grp AND e.ord = c.ord
            WHERE t.rev > %s ORDER BY t.rev, c.idx""", self.first_rev)
        return [Change(*row[:7], set(row[7]), set(row[8]), *row[9:]) for row in rows]

    @staticmethod
    def verdict(terms, c):
        """What the filter says of a change, without regard to rights."""
        def value(name, before):
            if name == "kind":
                return c.kind
            number = FIELD[c.kind].get(name)
            if before and number in c.fields and c.fields[number] is not True:
                return c.fields[number][0]
            return c.image.get(number)

        after = all(value(f, False) == v for f, v in terms)
        before = c.version > 1 and all(value(f, True) == v for f, v in terms)
        return ("update" if after else "leave") if before else ("enter" if after else None)

    def expect(self, terms, c, tokens):
        """View and whether content, as it is told if nothing hides it later."""
        form = self.verdict(terms, c)
        if form is None:
            return None
        after, before = bool(c.audience & tokens), c.version > 1 and bool(c.old & tokens)
        if form == "leave" or (form == "update" and not after):
            return ("leave", False) if before else None
        if not after:
            return None
        return ("enter", True) if c.version > 1 and not before else (form, True)

    def hidden_between(self, c, tokens, since, until):
        """(at some time, at all times) of these the project's audience is beyond the tokens."""
        spans, current = [], c.audience
        for later in self.audiences.get(c.project, ()):
            if (later.rev, later.idx) > (c.rev, c.idx):
                spans.append((current, later.at))
                current = later.audience
        spans.append((current, float("inf")))
        in_force, start = [], c.at
        for audience, end in spans:
            if end >= since and start <= until:
                in_force.append(bool(audience & tokens))
            start = end
        return not all(in_force), not any(in_force)

    def candidates(self, code, now):
        """Grants that may have counted when a frame came."""
        versions = self.grants[code]
        return [tokens for k, (since, tokens) in enumerate(versions)
                if since <= now + 0.5 and (k + 1 == len(versions) or versions[k + 1][0] >= now - LATE)]

    def frame_fault(self, w, feed, now, tokens):
        """What is wrong with a frame, if those are the grants; None = nothing."""
        def place(cursor):
            return cursor.rev, (cursor.idx if cursor.HasField("idx") else 10 ** 9)

        got = {(e.rev, e.idx): e for e in feed.events if e.type != "import.summary"}
        lo, hi = place(feed.after), place(feed.upto)
        for c in self.changes:
            if not lo < (c.rev, c.idx) <= hi:
                continue
            e, want = got.pop((c.rev, c.idx), None), self.expect(w.terms, c, tokens)
            have = (e.view, bool(e.changes or e.row)) if e else None
            if w.summary and c.batch and e is None:
                continue
            some, ever = self.hidden_between(c, tokens, now - LATE, now) if want and want[1] else (False, False)
            if have is None and want and want[1] and some:
                continue
            if have and want and want[1] and ever:
                return f"{c.rev}/{c.idx} {c.kind} v{c.version}: told {have} though hidden since"
            if have != want:
                return f"{c.rev}/{c.idx} {c.kind} {c.object} v{c.version} {c.old}→{c.audience}: told {have}, expected {want}"
        if got:
            return f"not in the journal, or outside the frame: {list(got)}"
        return None

    def snapshot_fault(self, w, feed, now, tokens):
        for e in feed.events:
            if e.view == "leave":
                if e.row or e.changes:
                    return f"a leave with content: {e.object}"
                continue
            c = self.by_version.get((e.object, e.version))
            if c is None:  # from before this run
                continue
            if (c.kind == "project" and not c.audience & tokens) or self.hidden_between(c, tokens, now - LATE, now)[1]:
                return f"snapshot shows {c.kind} {e.object} v{e.version} of {c.audience}"
        return None

    def judge(self, watchers):
        self.changes = self.journal()
        self.by_version = {(c.object, c.version): c for c in self.changes}
        self.audiences = collections.defaultdict(list)
        for c in self.changes:
            if c.kind == "project":
                self.audiences[c.object].append(c)
        wrong, frames, events = [], 0, 0
        for w in watchers:
            for feed, now in w.frames:
                frames += 1
                events += len(feed.events)
                judge = self.snapshot_fault if feed.upto.HasField("object") else self.frame_fault
                faults = [judge(w, feed, now, tokens) for tokens in self.candidates(w.code, now)] or ["no rights at all"]
                if all(faults) and feed.events:
                    wrong.append(f"{w.code} {w.terms} summary={w.summary}: {cursor_text(feed.after)}..{cursor_text(feed.upto)}: {faults}")
                elif all(faults) and not feed.HasField("error"):
                    wrong.append(f"{w.code} {w.terms}: missing in {cursor_text(feed.after)}..{cursor_text(feed.upto)}: {faults}")
                if any("密联系人" in text for e in feed.events for text in texts(e)) and not feed.upto.HasField("object"):
                    wrong.append(f"{w.code}: a contact in the feed")
            tokens = self.grants[w.code][-1][1]
            if w.whole and not w.summary and tokens:
                conditions = " AND ".join(["true", *(f"{f} = '{v}'" for f, v in w.terms if f != "kind")])
                want = {} if ("kind", "due") in w.terms else dict(self.sql(
                    f"SELECT id, version FROM registry.project WHERE audience && %s AND {conditions}", list(tokens)))
                if want != w.held:
                    odd = {k: (w.held.get(k), want.get(k)) for k in want.keys() | w.held.keys() if want.get(k) != w.held.get(k)}
                    wrong.append(f"{w.code} {w.terms}: in the end holds {dict(list(odd.items())[:5])} (held, registry)")
            elif tokens:
                seen = {row[0] for row in self.sql("SELECT id FROM registry.project WHERE audience && %s", list(tokens))}
                if w.held.keys() - seen and not w.summary:
                    wrong.append(f"{w.code} {w.terms}: holds what it may not see: {list(w.held.keys() - seen)[:5]}")
        self.db.close()
        turns = sum(len(v) - 1 for v in self.grants.values())
        return wrong, f"{len(self.changes)} changes, {turns} of grants, {len(watchers)} watchers, {frames} frames, {events} events"
