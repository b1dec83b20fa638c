# SPDX-License-Identifier: Apache-2.0
"""Two offices commit overlapping sheets at the same time, over two daemons, while clerks edit the same projects by hand. A model that
knows what the sheets said, what the clerks asked and were told, and the feed, accounts for all of it: nothing lost, nothing twice, each
conflict told with who and when, none invented. QIPAN_ROWS: how many rows each sheet has."""
import collections
import csv
import io
import json
import os
import pathlib
import random
import threading

import pytest
from conftest import SEED, SLOW, County
from peer import Refused, pb
from steps import new_account, wait_for
from test_batch import export, give_back
from test_import import run, sheet

ROWS = int(os.environ.get("QIPAN_ROWS", "80"))
FIELDS = ("jobs", "site", "lead_person", "summary")
OWN = {"chengguan": "jobs", "bureau": "site"}  # what each sheet says of all its rows; of every fourth both say who leads it
CLERKS = {"zhao": "chengguan", "qian": "chengguan", "sun": "bureau", "li": "bureau"}  # and whose colleague each is

Done = collections.namedtuple("Done", "who project base field value version error")


@pytest.fixture
def here():
    one = County("--bare", "--daemons", "2")
    try:
        one.up()
        offices = dict(one.psql("SELECT code, office FROM registry.account"))
        for code, colleague in CLERKS.items():
            new_account(one, code, offices[colleague], roles=[("clerk", offices[colleague], None, None, None)])
        yield one
    finally:
        one.down()


class Story:
    """What happens: everybody's part runs in a thread of its own, and notes what was asked and what was answered."""

    def __init__(self, county, tmp_path):
        self.county, self.tmp = county, tmp_path
        self.bureau = county.psql("SELECT office FROM registry.account WHERE code = 'bureau'")[0][0]
        run(county, "chengguan", sheet(tmp_path / "起.csv", ROWS, "共管项目"), "--commit")
        self.rows = export(county, "bureau", tmp_path / "出.csv", "共管项目")
        self.done, self.told, self.events, self.over = [], {}, [], threading.Event()
        self.warm = threading.Barrier(len(CLERKS) + len(OWN))
        self.watch = county.popen("dongshan", "-o", "jsonl", "watch", "--timeout", "600")
        assert json.loads(self.watch.stdout.readline())["type"] in ("bookmark", "state")
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for e in map(json.loads, self.watch.stdout):
            if e["type"] == "project.changed":
                changes = {f: [x if x is None else str(x) for x in e["changes"][f]] for f in FIELDS if f in e["changes"]}
                self.events.append(e | {"changes": changes})

    def wanted(self, who):
        """What its sheet changes, by the project's number; new rows by name."""
        wanted = {row["no"]: {OWN[who]: str(i + 1) if who == "chengguan" else f"地点{i}"} for i, row in enumerate(self.rows)}
        for row in self.rows[::4]:
            wanted[row["no"]]["lead_person"] = f"{who}的人"
        return wanted | {f"两家都报{i}": {OWN[who]: f"{i + 1}" if who == "chengguan" else f"新址{i}"} for i in range(ROWS // 10)}

    def office(self, who, daemon):
        wanted = self.wanted(who)
        lines = [row | wanted[row["no"]] for row in self.rows]
        lines += [dict.fromkeys(self.rows[0], "") | {"name": key, "investor": "共同投资", **what} for key, what in wanted.items() if key not in self.numbers()]
        settings = self.tmp / f"{who}.ini"
        text = pathlib.Path(self.county.env["QIPAN_CONFIG"]).read_text()
        settings.write_text(text.replace(",".join(self.county.addresses), self.county.addresses[daemon - 1]))
        path, report = give_back(self.tmp / f"{who}.csv", lines), self.tmp / f"{who}.jsonl"
        self.warm.wait()
        summary = run(self.county, who, path, "--commit", "--keep-going", "--report", report, code=None, timeout=400, env={"QIPAN_CONFIG": str(settings)})
        verdicts = sorted(map(json.loads, report.read_text().splitlines()), key=lambda v: v["row"])
        keys = [line["no"] or line["name"] for line in lines]
        self.told[who] = summary, dict(zip(keys, verdicts, strict=True))

    def numbers(self):
        return {row["no"] for row in self.rows}

    def clerk(self, who, daemon):
        rng, known = random.Random(f"{SEED} {who}"), {row["id"]: int(row["version"]) for row in self.rows}
        with self.county.peer(who, n=daemon) as peer:
            for turn in range(40 * ROWS):
                if turn == ROWS // 10:
                    self.warm.wait()
                if turn > ROWS // 10 and self.over.is_set():
                    return
                project, field = rng.choice(self.rows[:8] if turn % 3 == 0 else self.rows)["id"], rng.choice(FIELDS)
                if turn % 2 == 0:  # somebody who looks first
                    known[project] = peer.do("project_show", id=project).project.version
                value = 1000000 * (1 + list(CLERKS).index(who)) + turn if field == "jobs" else f"{who}第{turn}笔"
                asked = Done(who, project, known[project], field, str(value), None, None)
                try:
                    version = peer.do("project_edit", base=known[project], id=project, set=pb.Project(**{field: value})).project.version
                    known[project] = version
                    self.done.append(asked._replace(version=version))
                except Refused as e:
                    self.done.append(asked._replace(error=e.error))

    def play(self):
        offices = [threading.Thread(target=self.office, args=[who, n]) for n, who in enumerate(OWN, 1)]
        clerks = [threading.Thread(target=self.clerk, args=[who, n % 2 + 1]) for n, who in enumerate(CLERKS)]
        for t in offices + clerks:
            t.start()
        for t in offices:
            t.join()
        self.over.set()
        for t in clerks:
            t.join()
        last = self.county.qipan("bureau", "-o", "json", "project", "add", "name=到此为止", "investor=终", ok=True).json
        wait_for(lambda: any(e["project"] == last["id"] for e in self.events[-5:]), 60 * SLOW)
        self.events = [e for e in self.events if e["project"] != last["id"]]


class Model:
    """Each project's values and authors at each version, out of the feed alone."""

    def __init__(self, rows, events):
        self.first = {row["id"]: int(row["version"]) for row in rows}
        self.state = {row["id"]: [{f: row[f] or None for f in FIELDS}] for row in rows}
        self.events = collections.defaultdict(list)
        for e in events:
            self.take(e)

    def take(self, e):
        project, changes = e["project"], e["changes"]
        if project not in self.state:
            assert e["version"] == "1"
            self.first[project], self.state[project] = 0, [dict.fromkeys(FIELDS)]
        now = self.state[project][-1]
        assert int(e["version"]) == self.first[project] + len(self.state[project]), f"a version is missing or came twice: {e}"
        assert all(now[f] == old for f, (old, _) in changes.items()), (now, e)
        self.state[project].append(now | {f: new for f, (_, new) in changes.items()})
        self.events[project].append(e)

    def at(self, project, version):
        return self.state[project][version - self.first[project]]

    def version_before(self, project, rev):
        return self.first[project] + sum(int(e["rev"]) < int(rev) for e in self.events[project])

    def setter(self, project, field, version):
        """The change that made a field what it is at that version."""
        return next(e for e in reversed(self.events[project][:version - self.first[project]]) if field in e["changes"])

    def clashes(self, project, base, version, wanted):
        was, now = self.at(project, base), self.at(project, version)
        return [{"field": f, "base": was[f], "theirs": now[f], "yours": v, "by": (e := self.setter(project, f, version))["actor"], "at": e["at"]}
                for f, v in wanted.items() if now[f] not in (was[f], v)]


def by_hand(model, done):
    """Whatever a clerk was told OK is one change, made where nothing of it clashed; a conflict is one of what was there. -> how many of each."""
    made = {(p, int(e["version"])): e for p, events in model.events.items() for e in events if not e["batch"]}
    counts = collections.Counter()
    for d in done:
        if d.version is not None and d.version != d.base:
            e = made.pop((d.project, d.version), None)
            assert e and e["actor"] == d.who and e["changes"] == {d.field: [model.at(d.project, d.version - 1)[d.field], d.value]}, (d, e)
            assert not model.clashes(d.project, d.base, d.version - 1, {d.field: d.value}), d
            counts["edited"] += 1
        elif d.error.code == "CONFLICT":
            assert len(d.error.fields) == 1 and d.error.by in (*OWN, *CLERKS)
            c = d.error.fields[0]
            told = {"field": c.field, "base": c.base_value if c.HasField("base_value") else None, "theirs": c.theirs, "yours": c.yours, "by": c.by}
            seen = [{k: v for k, v in clash.items() if k != "at"} for version in range(d.base, model.first[d.project] + len(model.state[d.project]))
                    for clash in model.clashes(d.project, d.base, version, {d.field: d.value})]
            assert told in seen and c.at == d.error.at > 0, (d, seen)
            counts["conflicts"] += 1
        else:
            assert (d.error.code, d.error.by in OWN) == ("LOCKED", True), d
            counts["locked"] += 1
    assert not made, f"changes that nobody was told of: {list(made.items())[:3]}"
    return counts


def by_sheet(model, story, who, first):
    """Each row's verdict is the one that follows from what stood when its batch was written; what was taken is one change. first: the other
    office's batch came later. -> how many of each."""
    summary, verdicts = story.told[who]
    assert summary.returncode in (0, 9), summary.stderr
    counts, rev = collections.Counter(), summary.json["rev"]
    ids = {row["no"]: row["id"] for row in story.rows}
    for key, wanted in story.wanted(who).items():
        v = verdicts[key]
        project = ids.get(key) or v.get("project")
        wrote = [e for e in model.events.get(project, []) if e["batch"] == summary.json["id"]]
        counts[v["verdict"]] += 1
        if key not in ids and not first and who == "chengguan":
            assert (v["verdict"], v["rule"], v["other_office"]) == ("duplicate", "same_name", story.bureau) and not wrote, v
            continue
        if key not in ids and first:
            assert v["verdict"] == "new" and len(wrote) == 1 and wrote[0]["version"] == "1", v
            continue
        base, now = (model.first[project] if key in ids else 1), model.version_before(project, rev)
        clashes = model.clashes(project, base, now, wanted)
        changes = [{"field": f, "old": model.at(project, now)[f], "new": x} for f, x in wanted.items() if model.at(project, now)[f] != x]
        if clashes:
            assert v["verdict"] == "conflict" and by_field(v["clashes"]) == by_field(clashes) and not wrote, (v, clashes)
        else:
            told = [{"old": None} | c for c in v.get("changes", [])]
            assert v["verdict"] == ("update" if changes else "unchanged") and by_field(told) == by_field(changes), (v, changes)
            assert [e["changes"] for e in wrote] == ([{c["field"]: [c["old"], c["new"]] for c in changes}] if changes else []), (v, wrote)
    words = {"new": "new", "update": "updated", "unchanged": "unchanged", "duplicate": "duplicates", "conflict": "conflicts"}
    assert {word: counts[verdict] for verdict, word in words.items()} == {word: summary.json[word] for word in words.values()}
    assert sum(counts.values()) == len(verdicts) == summary.json["rows"]
    return counts


def by_field(items):
    return sorted(items, key=lambda i: i["field"])


def test_two_offices_and_clerks_at_once(here, tmp_path, capsys):
    story = Story(here, tmp_path)
    story.play()
    model = Model(story.rows, story.events)
    hands = by_hand(model, story.done)
    revs = {who: int(summary.json["rev"]) for who, (summary, _) in story.told.items()}
    sheets = {who: by_sheet(model, story, who, revs[who] == min(revs.values())) for who in OWN}
    batches = {summary.json["id"] for summary, _ in story.told.values()}
    written = sum(e["batch"] in batches for events in model.events.values() for e in events)
    assert written == sum(c["new"] + c["update"] for c in sheets.values())
    final = {p["id"]: p for p in csv.DictReader(io.StringIO(here.qipan("bureau", "-o", "csv", "export", ok=True, timeout=200).stdout.lstrip("\ufeff")))}
    for project, states in model.state.items():
        assert {f: final[project][f] or None for f in FIELDS} == states[-1], project
        assert int(final[project]["version"]) == model.first[project] + len(states) - 1
    with capsys.disabled():
        print(f"\nrows {ROWS} each, by hand {dict(hands)}, by sheet { {who: dict(c) for who, c in sheets.items()} }, revisions {revs}")
    assert hands["edited"] > ROWS // 8 and hands["conflicts"] and all(c["update"] and c["conflict"] for c in sheets.values())
