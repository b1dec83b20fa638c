# SPDX-License-Identifier: Apache-2.0
"""Judges a recorded run (tests/torture): did everybody get what Qipan promises?

A folder holds   meta.json       where the run began and ended, what was done to it
                 registry.jsonl  epochs, txn, entry, change, project in the end
                 w*.jsonl        writers: each call with its start, its end and what came of it
                 s*, p*.jsonl    subscribers: every frame, bookmark, loss, resumption, in the order in which it came
                 outside.jsonl   psql transactions, also those that rolled back

Every object is a register whose versions the registry gives out, so judging is sorting, not searching.

    checker.py FOLDER   prints the report; exit 1 if anything is wrong"""
import bisect
import collections
import json
import pathlib
import sys

SUMMARY, TAGS, AMOUNT, OFFICE = "16", "17", "20", "40"
FIELD_OF_TERM = {"office": OFFICE, "tags": TAGS, "amount_total": AMOUNT, "stage": "50"}
OUTSIDE = "db:"
SILENCE = 12_000_000  # microseconds; while others write, a bookmark comes every 5 s at least
UPSET_AFTER = 1_000_000  # for what a daemon asks again when a link of its own was lost
SHOWN = 30  # violations of the report

FAILOVER = {"acked": 200, "resumed": 5, "lost links": 5, "psql aborts": 5, "failovers": 1}


def enough(seconds):
    """What a run must have exercised, or it proves nothing."""
    return {"acked": 20 * seconds, "unknown": max(1, seconds // 20), "refused CONFLICT": seconds, "refused KEY_REUSED": 1,
            "replayed": seconds // 5, "resumed": seconds // 2, "lost links": seconds // 2, "daemon kills": max(1, seconds // 20),
            "backends killed": max(1, seconds // 20), "psql aborts": 2 * seconds, "tombstones": 2 * seconds, "naive missed": 1}


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]

TOLD_AGAIN = 16  # times one refusal may be told: the tries of a daemon and of its client


class Run:
    """A recorded run in memory; tests change it before it is judged."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.meta = json.loads((folder / "meta.json").read_text())
        self.registry = lines(folder / "registry.jsonl")
        self.outside = lines(folder / "outside.jsonl")
        self.writers = {p.stem: lines(p) for p in sorted(folder.glob("w*.jsonl"))}
        self.subscribers = {p.stem: lines(p) for p in sorted([*folder.glob("s*.jsonl"), *folder.glob("p*.jsonl")])}


class Verdict:
    def __init__(self):
        self.violations, self.counts = [], collections.Counter()

    def wrong(self, kind, text):
        self.violations.append((kind, text))

    @property
    def good(self):
        return not self.violations

    def kinds(self):
        return collections.Counter(kind for kind, _ in self.violations)

    def report(self):
        out = [f"  {kind}: {text}" for kind, text in self.violations[:SHOWN]]
        if len(self.violations) > SHOWN:
            out.append(f"  … {dict(self.kinds())}")
        out.append("exercised: " + ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items())))
        kinds = self.kinds()
        out.append(f"{kinds['missing'] + kinds['early bookmark'] + kinds['lost']} missing, {kinds['content'] + kinds['state']} disagreement, "
                   f"{kinds['aborted']} aborted delivered, {kinds['duplicate'] + kinds['double']} double, {len(self.violations)} violations")
        return "\n".join(out)


# ---- the registry

Change = collections.namedtuple("Change", "rev idx ord last kind object version fields image audience before account request actor")
Cursor = collections.namedtuple("Cursor", "epoch rev idx tag object")


def parse_cursor(text):
    place, _, object_ = text.partition("+")
    epoch, rev, idx, tag = place.split("-")
    return Cursor(int(epoch), int(rev), int(idx) if idx else None, tag, object_ or None)


def key_of(cursor):
    return (cursor.rev, 1 << 30 if cursor.idx is None else cursor.idx)


class Registry:
    def __init__(self, rows, start):
        by = collections.defaultdict(list)
        for row in rows:
            by[row["k"]].append(row)
        self.txns = {t["rev"]: t for t in by["txn"]}
        self.txn_rows, self.epochs, self.entry_rows = by["txn"], by["epoch"], by["entry"]
        self.projects = {p["id"]: p for p in by["project"]}
        self.audit = collections.Counter((a["actor"], a["request"], a["status"]) for a in by["audit"])
        self.grants = {a["code"]: set(a["grants"]) for a in by["account"]}
        self.start = start
        self.by_grp = collections.defaultdict(list)
        for c in by["change"]:
            self.by_grp[c["grp"]].append(c)
        self.entries = collections.defaultdict(list)
        ords = {}
        for e in by["entry"]:
            self.entries[e["account"], e["request"]].append(e)
            ords[e["grp"], e["ord"]] = e
        self.rev_of = {t["grp"]: t["rev"] for t in by["txn"] if t["kind"] == "commit"}
        self.changes = self._changes(ords)
        self.at = {(c.rev, c.idx): c for c in self.changes}
        self.of_object = collections.defaultdict(list)
        for c in self.changes:
            self.of_object[c.object].append(c)

    def _changes(self, ords):
        found = []
        for rev in sorted(self.txns):
            t = self.txns[rev]
            if t["kind"] != "commit":
                continue
            rows = sorted(self.by_grp.get(t["grp"], []), key=lambda c: c["idx"])
            for c in rows:
                e = ords.get((c["grp"], c["ord"]), {"account": "?", "request": "?", "actor": "?"})
                found.append(Change(rev, c["idx"], c["ord"], c["idx"] == t["changes"] - 1, c["kind"], c["object"], c["version"], c["fields"],
                                    c["image"], set(c["audience"]), set(c["audience_old"] or c["audience"]), e["account"], e["request"],
                                    e["actor"]))
        return found

    def forked(self, rev, epoch=0):
        """A place that a later epoch doesn't share: something up to there is lost."""
        return any(e["void_from"] <= rev < e["start_rev"] and epoch < e["epoch"] for e in self.epochs[1:])

    def lost(self, rev):
        """Its commit, if there was one, is not in this history; later ones may be."""
        return self.forked(rev) and (rev not in self.txns or self.txns[rev]["kind"] == "tombstone")

    def check(self, v):
        self._dense(v)
        self._versions(v)
        self._tables(v)

    def _dense(self, v):
        if len(self.txn_rows) != len(self.txns):
            v.wrong("journal", "a revision twice")
        for i, e in enumerate(self.epochs):
            end = max((r for r, t in self.txns.items() if t["epoch"] == e["epoch"]), default=e["start_rev"] - 1) + 1
            missing = [r for r in range(e["start_rev"], end) if r not in self.txns]
            if missing:
                v.wrong("journal", f"epoch {e['epoch']}: numbers {missing[:5]} are neither commit nor tombstone")
        for rev, t in self.txns.items():
            rows = sorted(c["idx"] for c in self.by_grp.get(t["grp"], [])) if t["kind"] == "commit" else []
            if rows != list(range(t["changes"])):
                v.wrong("journal", f"revision {rev} says {t['changes']} changes, and has {rows[:9]}")
        recent = [t for t in self.txns.values() if t["rev"] > self.start]
        v.counts["tombstones"] = sum(t["kind"] == "tombstone" for t in recent)
        v.counts["commits"] = sum(t["kind"] == "commit" for t in recent)

    def _versions(self, v):
        """Versions go 1, 2, 3 … in the order of revisions, and each change begins where the one before it ended."""
        for object_, changes in self.of_object.items():
            fields = {}
            for n, c in enumerate(changes, 1):
                if c.version != n:
                    v.wrong("version", f"{object_}: change {n} in the order of revisions (revision {c.rev}) has version {c.version}")
                    break
                for f, pair in c.fields.items():
                    if pair is True:
                        continue
                    if f in fields and fields[f] != pair[0]:
                        v.wrong("lost update", f"{object_} version {c.version}: field {f} was {fields[f]!r}, the change says {pair[0]!r}")
                    fields[f] = pair[1]

    def _tables(self, v):
        for id_, p in self.projects.items():
            changes = self.of_object.get(id_, [])
            if not changes:
                continue
            value = next((c.fields[SUMMARY][1] for c in reversed(changes) if SUMMARY in c.fields), None)
            if changes[-1].version != p["version"] or (value or "") != (p["summary"] or ""):
                v.wrong("table", f"{id_} is {p['version']} {p['summary']!r}, its journal ends with {changes[-1].version} {value!r}")


# ---- writers

def value_at(changes, field, version):
    return next((c.fields[field][1] for c in reversed(changes[:version]) if field in c.fields), None)


def merged(changes, base, sent):
    """Lists merge by what was added and taken away since one of the values they had from the base on (one's own later
    saves count as seen)."""
    def items(version):
        return set((value_at(changes, TAGS, version) or "").split(",")) - {""}

    sent, theirs, now = set(sent.split(",")), items(len(changes) - 1), items(len(changes))
    return any(now == (theirs | (sent - seen)) - (seen - sent) for seen in map(items, range(base, len(changes))))


class Writers:
    def __init__(self, run, registry, v):
        self.run, self.registry, self.v = run, registry, v
        self.calls = [{**line, "who": who} for who, history in run.writers.items() for line in history if line["k"] == "call"]
        self.final = {}  # (account, request) -> the line that settles an edit
        self.asked = collections.defaultdict(list)
        for line in self.calls:
            if line["op"] == "edit":
                self.asked[line["account"], line["request"]].append(line)

    def check(self):
        for line in self.calls:
            self._count(line)
        for key, tries in self.asked.items():
            self._settled(key, tries)
        for line in self.calls:
            if line["op"] in ("replay", "reuse") and line["result"] != "LATER":
                self._asked_again(line)
        for key, line in self.final.items():
            (self._acknowledged if line["result"] == "OK" else self._refused)(key, line)
        self._audited()
        self._nothing_else()
        self._real_time()
        self._outside()

    def _count(self, line):
        if line["result"] == "REFUSED":
            self.v.counts[f"refused {line['code']}"] += 1
        elif line["result"] != "OK":
            self.v.counts["unknown" if line["result"] == "UNKNOWN" else "try later"] += 1
        elif line["op"] == "show":
            self.v.counts["reads"] += 1

    def _settled(self, key, tries):
        last = tries[-1]
        if all(t["result"] == "LATER" for t in tries[:-1]) and last["result"] == "OK" and last["replayed"] and self._by_another(key, last):
            self.v.wrong("called undone", f"{last['who']}: {key[1]} was said not to be done, and was done: {self._told(key, tries)}")
        if last["result"] in ("OK", "REFUSED"):
            self.final[key] = last
        else:
            self.v.wrong("unresolved", f"{last['who']}: {key[1]} is {last['result']} in the end: {self._told(key, tries)}")

    def _by_another(self, key, line):
        """Was it done by an asking before this one? That it was replayed doesn't say so: the library asks again by itself when its link was
        lost, a daemon when its own was. But then it was done after this asking began."""
        before = any(e["at"] < line["wall"] for e in self.registry.entries.get(key, []))
        upset = self.run.meta.get("failover") or any(begin <= line["end"] and line["start"] <= end + UPSET_AFTER
                                                     for begin, end in self.run.meta["upsets"])
        return before or not (line["unsure"] or upset)

    def _told(self, key, tries):
        """What each asking was told, in milliseconds from the first, and what is kept of the request."""
        told = [f"{(t['start'] - t['first']) // 1000}..{(t['end'] - t['first']) // 1000} {t.get('code', t['result'])}{' after doubt' * t['unsure']}"
                f" ({t['daemon']})" for t in tries]
        kept = [f"kept {e['status']} {(e['at'] - tries[0]['wall']) // 1000}" for e in self.registry.entries.get(key, [])]
        return "; ".join(told + kept)

    def _asked_again(self, line):
        key = line["account"], line["request"]
        first = self.final.get(key, {"result": "UNKNOWN"})
        if line["op"] == "reuse":
            if self._may_be_gone(first):
                return
            if line["result"] == "OK" or (line["result"] == "REFUSED" and line["code"] != "KEY_REUSED"):
                self.v.wrong("key reused", f"{key[1]} with another body: {line['result']} {line.get('code', '')}")
        elif line["result"] == "REFUSED" and not self._may_be_gone(first):
            self.v.wrong("replay", f"{key[1]} was OK and is {line['code']} when asked again")
        elif line["result"] == "OK" and not self._may_be_gone(first):
            self.v.counts["replayed"] += bool(line["replayed"])
            if first["result"] == "OK" and (line["version"], line.get("rev")) != (first["version"], first.get("rev")):
                self.v.wrong("replay", f"{key[1]}: version {first['version']} rev {first.get('rev')}, then {line['version']} {line.get('rev')}")

    def _may_be_gone(self, line):
        """Acknowledged before an asynchronous standby took over, which lacks it."""
        failover = self.run.meta.get("failover")
        return bool(failover and failover["mode"] == "async" and line and line["end"] <= failover["promoted"]
                    and line.get("rev") is not None and (line["rev"] not in self.registry.txns or self.registry.lost(line["rev"])))

    def _acknowledged(self, key, line):
        v, registry = self.v, self.registry
        v.counts["acked"] += 1
        name = f"{line['who']}: {key[1]} on {line['object']}"
        if self._may_be_gone(line):
            v.counts["acked, lost in the failover"] += 1
            return
        rows = [e for e in registry.entries.get(key, []) if e["status"] == "OK"]
        if len(rows) != 1:
            v.wrong("lost" if not rows else "double", f"{name} was acknowledged, the registry has it {len(rows)} times")
            return
        if line.get("rev") is None:
            return  # nothing to change
        changes = [c for c in registry.of_object[line["object"]] if (c.account, c.request) == key]
        if len(changes) != 1:
            v.wrong("lost" if not changes else "double", f"{name} was acknowledged, and changed {len(changes)} times")
            return
        if (changes[0].version, changes[0].rev) != (line["version"], line["rev"]):
            v.wrong("wrong answer", f"{name}: told version {line['version']} rev {line['rev']}, is {changes[0].version} {changes[0].rev}")
        self._content(name, line, changes[0])
        self._compare_and_set(name, line, changes[0])

    def _content(self, name, line, change):
        """After the change each field that was sent has the value that was sent."""
        changes = self.registry.of_object[line["object"]]
        for f, value in line["set"].items():
            now = value_at(changes, f, change.version)
            if f == TAGS and line.get("base"):
                good = merged(changes[:change.version], line["base"], value)
            else:
                good = now == value
            if not good:
                self.v.wrong("wrong write", f"{name}: sent {f} = {value!r}, version {change.version} has {now!r}")

    def _compare_and_set(self, name, line, change):
        """Nobody else's value was overwritten unseen; lists merge, and one's own later save doesn't clash."""
        if not line.get("base"):
            return
        since = self.registry.of_object[line["object"]][line["base"]:change.version - 1]
        for f in line["set"].keys() & change.fields.keys() - {TAGS}:
            last = next((c for c in reversed(since) if f in c.fields), None)
            if last and last.actor != change.actor:
                self.v.wrong("overwritten", f"{name}: made on version {line['base']}, overwrote field {f} of version {last.version}"
                                            f" by {last.actor} as version {change.version}")
        self.v.counts["merged"] += bool(since)

    def _refused(self, key, line):
        rows = self.registry.entries.get(key, [])
        if any(e["status"] == "OK" for e in rows):
            self.v.wrong("refused but there", f"{line['who']}: {key[1]} was refused with {line['code']}, the registry has it")
        if line["code"] == "CONFLICT" and line.get("base"):
            others = [c for c in self.registry.of_object[line["object"]][line["base"]:]
                      if c.actor != line["account"] and any(f in c.fields for f in line["set"])]
            if not others and not self.run.meta.get("failover"):
                self.v.wrong("false conflict", f"{line['who']}: {key[1]} on version {line['base']}: nobody else changed those fields")

    def _audited(self):
        """Whoever was refused has a row, and so has each entry that changed nothing: once, but for refusals that were told again."""
        failover = self.run.meta.get("failover")
        if failover and failover["mode"] == "async":
            return
        for line in self.calls:
            if line["result"] == "REFUSED" and line.get("request") and not self.registry.audit[line["account"], line["request"], line["code"]]:
                self.v.wrong("unaudited", f"{line['who']}: {line['request']} was refused with {line['code']}, the audit doesn't know")
        for e in self.registry.entry_rows:
            rows = self.registry.audit[e["actor"], e["request"], e["status"]]
            if e["grp"] is None and not 1 <= rows <= (1 if e["status"] == "OK" else TOLD_AGAIN):
                self.v.wrong("audit", f"{e['request']} of {e['actor']}, {e['status']}: {rows} rows")
        self.v.counts["audit rows"] += sum(self.registry.audit.values())

    def _nothing_else(self):
        """What the registry did under a writer's name, the writer asked for and knows of."""
        accounts = {line["account"] for line in self.calls}
        for c in self.registry.changes:
            if c.rev > self.registry.start and c.account in accounts and c.object in self.run_objects():
                line = self.final.get((c.account, c.request))
                if line is None and (c.account, c.request) not in self.asked:
                    self.v.wrong("ghost", f"revision {c.rev}: {c.request} of {c.account} on {c.object}, which nobody asked for")
                elif line is not None and (line["result"] != "OK" or line["object"] != c.object):
                    self.v.wrong("ghost", f"revision {c.rev}: {c.request} changed {c.object}; its writer knows {line['result']} on {line['object']}")

    def run_objects(self):
        if not hasattr(self, "_objects"):
            self._objects = {line["object"] for line in self.calls}
        return self._objects

    def _real_time(self):
        """What ended before something else began comes before it; a read sees all that was acknowledged before it."""
        edits = [line for line in self.final.values() if line["result"] == "OK" and line.get("rev") is not None and not self._may_be_gone(line)]
        acked = collections.defaultdict(list)
        top = 0
        ends = sorted(edits, key=lambda line: line["end"])
        i = 0
        for line in sorted(edits, key=lambda line: line["first"]):
            while i < len(ends) and ends[i]["end"] < line["first"]:
                top = max(top, ends[i]["rev"])
                i += 1
            if line["rev"] <= top:
                self.v.wrong("real time", f"{line['request']} began after revision {top} was acknowledged, and is {line['rev']}")
        for line in ends:
            have = acked[line["object"]]
            have.append((line["end"], max(line["version"], have[-1][1] if have else 0)))
        for line in self.calls:
            if line["op"] != "show" or line["result"] != "OK":
                continue
            have = acked[line["object"]]
            at = bisect.bisect_left(have, (line["start"], 0)) - 1
            least = have[at][1] if at >= 0 else 0
            most = len(self.registry.of_object[line["object"]])
            if line["version"] < least:
                self.v.wrong("stale read", f"{line['who']} read version {line['version']} of {line['object']} after {least} was acknowledged")
            elif line["version"] > most and not self.run.meta.get("failover"):
                self.v.wrong("phantom read", f"{line['who']} read version {line['version']} of {line['object']}, which ends at {most}")

    def _outside(self):
        ended = {line["text"]: line for line in self.run.outside if line["result"] != "begun"}
        values = collections.Counter(pair[1] for c in self.registry.changes for f, pair in c.fields.items()
                                     if f == SUMMARY and pair is not True)
        for text, line in ended.items():
            there = values[text]
            if line["result"] == "aborted" and there:
                self.v.wrong("aborted", f"psql rolled back {text!r}, the journal has it")
            if line["result"] == "committed" and there != 1 and not self.run.meta.get("failover"):
                self.v.wrong("lost" if not there else "double", f"psql committed {text!r}, the journal has it {there} times")


# ---- subscribers

def holds(term, object_, values):
    field, op, wanted = term
    if field == "project":
        return object_ in wanted
    value = values.get(FIELD_OF_TERM[field])
    if field == "amount_total":
        return value not in (None, "") and any(float(value) >= float(w) for w in wanted)
    if field == "tags":
        return any(w in (value or "").split(",") for w in wanted)
    return value in wanted


def view_of(terms, grants, c):
    """enter, update, leave, or None: does it concern a watch, and may its account see it?"""
    before = {**c.image, **{f: pair[0] for f, pair in c.fields.items() if pair is not True}}
    right = c.kind == "project" or not terms
    was = right and c.version > 1 and bool(c.before & grants) and all(holds(t, c.object, before) for t in terms)
    now = right and bool(c.audience & grants) and all(holds(t, c.object, c.image) for t in terms)
    return {(False, True): "enter", (True, True): "update", (True, False): "leave"}.get((was, now))


class Subscriber:
    def __init__(self, name, history, registry, meta, aborted, v):
        self.name, self.history, self.registry, self.meta, self.aborted, self.v = name, history, registry, meta, aborted, v
        self.begin = self.cursor = None  # texts
        self.place = None                # (rev, idx) up to where it knows
        self.delivered = set()
        self.state = {}                  # object -> version
        self.next = 0                    # in expected
        self.told = {}                   # object -> version that a snapshot or a repair told
        self.snapshot = self.repairing = self.beyond = self.diverged = False
        self.ahead = False               # knows a place behind the fork, though nothing that happened there: DIVERGED or not

    def wrong(self, kind, text):
        self.v.wrong(kind, f"{self.name}: {text}")

    def check(self):
        first = next((line for line in self.history if line["k"] == "sub"), None)
        if not first:
            self.wrong("unfinished", "never began")
            return
        self.account, self.terms, self.instances = first["account"], first["terms"], {line.get("instance") for line in self.history}
        self.expected, self.views = [], {}
        for c in self.registry.changes:
            view = self.view(c)
            if view and not self.own(c):
                self.expected.append((c.rev, c.idx))
                self.views[c.rev, c.idx] = view
        self.snapshot = bool(first.get("snapshot"))
        before = None
        for line in self.history:
            getattr(self, "on_" + line["k"])(line)
            if before and before["k"] != "lost" and line["k"] != "end" and line["t"] - before["t"] > SILENCE:
                self.wrong("silence", f"no word for {(line['t'] - before['t']) / 1e6:.1f} s on a link that stood, after {before.get('c')}")
            before = line
        self._end()

    def view(self, c):
        return view_of(self.terms, self.registry.grants[self.account], c)

    def own(self, c):
        return c.account == self.account and any(i and c.request.startswith(i + "-") for i in self.instances)

    # ---- lines

    def on_sub(self, line):
        """Begins, or begins anew with nothing kept."""
        self.v.counts["watches begun"] += 1
        self.begin = self.place = self.cursor = None
        self.next, self.delivered, self.state, self.told = 0, set(), {}, {}
        self.beyond = self.diverged = self.repairing = self.ahead = False

    def on_state(self, line):
        self.v.counts[f"{line['state']} told"] += 1
        if line["state"] != "SNAPSHOT":
            self._repaired()
        if line.get("c") and not self.repairing:
            self._upto(line["c"])

    def on_lost(self, line):
        self.v.counts["lost links"] += 1

    def on_ended(self, line):
        self.v.counts[f"watches ended by {line.get('code')}"] += 1
        if line.get("code") not in ("UNAVAILABLE", "RETRY_ELSEWHERE", "BUSY", "DEADLINE_EXCEEDED"):
            self.wrong("ended", f"the watch ended with {line.get('code')}")

    def on_resume(self, line):
        self.v.counts["resumed"] += 1
        if line["c"] != self.cursor:
            self.wrong("resume", f"resumed at {line['c']}, had dealt with {self.cursor}")

    def on_frame(self, line):
        if self.cursor is not None and line["after"] != self.cursor:
            self.wrong("interval", f"a frame begins at {line['after']}, the one before ended at {self.cursor}")
        for e in line["events"]:
            self._event(e, line)
        self._upto(line["c"])

    def on_event(self, line):
        cursor = parse_cursor(line["c"])
        if cursor.object is not None or self.repairing:
            self._told(line["e"])
            if not self.repairing:
                self._upto(line["c"])
            return
        if (cursor.rev, cursor.idx) != (line["e"]["rev"], None if line["e"]["last"] else line["e"]["idx"]):
            self.wrong("split", f"the event of revision {line['e']['rev']} idx {line['e']['idx']} stands at {line['c']}")
        self._event(line["e"], line)
        self._upto(line["c"])

    def on_mark(self, line):
        if not self.repairing or line["c"] != self.cursor:
            self._repaired()
            self._upto(line["c"])

    def _repaired(self):
        if self.repairing:
            self.repairing = False
            self.place = None

    def on_diverged(self, line):
        """What it was told behind the fork is void; what comes until the next bookmark puts it right."""
        self.v.counts["diverged"] += 1
        self.diverged = self.repairing = True
        self.delivered = set()
        self.cursor = line.get("c") or self.cursor
        if line.get("fork") is None:
            self.state = {}

    def _told(self, e):
        """The present state of an object, by a snapshot or a repair."""
        object_, version = e["object"], e["version"]
        self.v.counts["told by snapshots"] += 1
        self.ahead |= bool(self.meta.get("failover")) and self.place is not None and e["rev"] > self.place[0]
        if e["view"] == "leave":
            self.state.pop(object_, None)
            self.told[object_] = version
            return
        changes = self.registry.of_object.get(object_, [])
        if not 0 < version <= len(changes) or self.view(changes[version - 1]) not in ("enter", "update"):
            self.wrong("snapshot", f"{object_} version {version} doesn't exist or doesn't concern it")
        self.state[object_] = self.told[object_] = version

    def on_end(self, line):
        if not line["done"]:
            self.wrong("unfinished", f"was at {line['c']} when the run ended at revision {self.meta['end'][1]}")

    # ---- what they mean

    def _event(self, e, line):
        key = (e["rev"], e["idx"])
        self.v.counts["delivered"] += 1
        c = self.registry.at.get(key)
        if c is None or self._void(e):
            self._phantom(e)
            return
        if key in self.delivered:
            self.wrong("duplicate", f"revision {key[0]} idx {key[1]} came twice")
            return
        self.delivered.add(key)
        if self.place is not None and key <= self.place:
            self.wrong("disorder", f"revision {key[0]} idx {key[1]} came behind {self.place[0]}")
            return
        if key not in self.views:
            self.wrong("echo" if self.own(c) else "leak", f"revision {key[0]} idx {key[1]} ({c.object}) doesn't concern it")
            return
        if c.version <= self.told.get(c.object, 0):
            self.wrong("duplicate", f"revision {key[0]} idx {key[1]}: a snapshot had told {c.object} version {self.told[c.object]}")
        self._missing(key, "missing")
        self.next += 1
        self.place = key
        self._compare(e, c)
        self._lag(e, line)
        if e["view"] == "leave":
            self.state.pop(c.object, None)
        else:
            self.state[c.object] = c.version

    def _void(self, e):
        """An event of the history that a failover ended."""
        return self.registry.lost(e["rev"]) or self.registry.at[e["rev"], e["idx"]].request != e["request"]

    def _phantom(self, e):
        if self.registry.lost(e["rev"]):
            self._void_told()
            return
        texts = [pair[1] for f, pair in e["changes"].items() if f == SUMMARY and pair is not True]
        kind = "aborted" if any(t in self.aborted for t in texts) else "phantom"
        self.wrong(kind, f"revision {e['rev']} idx {e['idx']} ({e['object']}, {texts}) isn't in the journal")

    def _void_told(self):
        """By a daemon that hadn't heard of the failover yet; a DIVERGED must follow, be it the second."""
        self.beyond, self.diverged = True, False

    def _missing(self, key, kind):
        """Everything expected before the key has come."""
        while self.next < len(self.expected) and self.expected[self.next] < key:
            rev, idx = self.expected[self.next]
            c = self.registry.at[rev, idx]
            self.next += 1
            if c.version <= self.told.get(c.object, 0):
                continue
            self.wrong(kind, f"revision {rev} idx {idx} ({c.object} version {c.version} by {c.actor}) never came; next told {key[0]}")

    def _compare(self, e, c):
        want = (c.object, c.version, c.kind, c.request, c.actor, c.last, self.views[c.rev, c.idx])
        got = (e["object"], e["version"], e["kind"], e["request"], e["actor"], e["last"], e["view"])
        if got != want:
            self.wrong("content", f"revision {c.rev} idx {c.idx}: {got} instead of {want}")
        elif e["view"] != "leave" and e["changes"] != c.fields:
            self.wrong("content", f"revision {c.rev} idx {c.idx}: {e['changes']} instead of {c.fields}")

    def _lag(self, e, line):
        if line.get("wall") and e.get("at"):
            self.v.counts["slowest event, ms"] = max(self.v.counts["slowest event, ms"], (line["wall"] - e["at"]) // 1000)

    def _upto(self, text):
        cursor = parse_cursor(text)
        key = key_of(cursor)
        txn = self.registry.txns.get(cursor.rev)
        forked = self.registry.forked(cursor.rev, cursor.epoch)
        self.ahead |= forked
        if txn and txn["tag"].rjust(16, "0") != cursor.tag and not forked:
            self.wrong("tag", f"{text}: revision {cursor.rev} has the tag {txn['tag']}")
        if self.place is None:  # where the watch began
            self.begin = self.begin or key
            self.place = key
            while self.next < len(self.expected) and self.expected[self.next] <= key:
                self.next += 1
        elif cursor.object is not None:
            pass
        elif forked:
            pass
        elif key < self.place and self.ahead and self.registry.forked(self.place[0]) and not any(k > key for k in self.delivered):
            self.place = key  # nothing had happened for it behind the fork
        elif key < self.place and not (key[0] == self.place[0] and cursor.idx is None):
            self.wrong("disorder", f"told to be at {text}, was at {self.place}")
        else:
            self._missing((key[0], key[1] + 1), "early bookmark")
            self.place = max(self.place, key)
        self.cursor = text

    def _end(self):
        if self.beyond != self.diverged and not (self.diverged and self.ahead):
            self.wrong("diverged", "was told of revisions that the failover lost, and nobody said so" if self.beyond else
                       "DIVERGED, though it knew nothing that was lost")
        if self.place is None or self.place[0] < self.meta["end"][1]:
            self.wrong("unfinished", f"ended at {self.cursor}, the run at revision {self.meta['end'][1]}")
            return
        for object_, changes in self.registry.of_object.items():
            last = changes[-1]
            if ((last.rev, last.idx) <= self.begin and not self.snapshot) or any(self.own(c) for c in changes):
                continue
            concerns = self.view(last) in ("enter", "update")
            if concerns and self.state.get(object_) != last.version:
                self.wrong("state", f"{object_} is version {last.version}, the subscriber holds {self.state.get(object_)}")
            elif not concerns and object_ in self.state:
                self.wrong("state", f"{object_} doesn't concern it any more, and it holds version {self.state[object_]}")


# ---- all of it

def naive_reader(run, registry, v):
    """What a reader of "rev > last" lost in this very run."""
    seen, begin = set(run.meta["naive"]["seen"]), run.meta["naive"]["from"]
    end = max(seen, default=begin)
    due = [r for r, t in registry.txns.items() if begin < r <= end and t["kind"] == "commit"]
    v.counts["naive missed"] = sum(r not in seen for r in due)
    v.counts["naive due"] = len(due)


def judge(run, demanded=None):
    v = Verdict()
    registry = Registry(run.registry, run.meta["start"][1])
    registry.check(v)
    Writers(run, registry, v).check()
    aborted = {line["text"] for line in run.outside if line["result"] == "aborted"}
    for name, history in run.subscribers.items():
        Subscriber(name, history, registry, run.meta, aborted, v).check()
    for failure in run.meta["failures"]:
        v.wrong("interval", failure)
    naive_reader(run, registry, v)
    v.counts.update(run.meta["counts"])
    v.counts["subscribers"], v.counts["writers"] = len(run.subscribers), len(run.writers)
    for what, least in (demanded or {}).items():
        if v.counts[what] < least:
            v.wrong("too little", f"{v.counts[what]} {what}, at least {least} are needed to prove anything")
    return v


def check(folder, demanded=None):
    return judge(Run(folder), demanded)


if __name__ == "__main__":
    verdict = check(sys.argv[1])
    print(verdict.report())
    sys.exit(not verdict.good)
