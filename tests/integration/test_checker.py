# SPDX-License-Identifier: Apache-2.0
"""Ten seconds of everything at once (tests/torture/run does it for longer), and the checker judged by it: the recorded run passes,
and each way of spoiling it is noticed and named."""
import copy
import pickle

import checker
import pytest
import torture
from checker import SUMMARY, Run
from conftest import SEED, SLOW, County

ENOUGH = ("s0", "s1", "s2", "s3", "s4", "s5", "s7", "s9", "p0", "p1", "p2")  # one of each sort; all would take longer, no more


@pytest.fixture(scope="module")
def torture_run(tmp_path_factory):
    one = County("--daemons", "3", "--bare")
    torture.build_actor(one.build)
    try:
        run = torture.Torture(one.up(), seed=SEED % (1 << 31), seconds=10 * SLOW, folder=tmp_path_factory.mktemp("torture"))
        run.go()
    finally:
        one.down()
    return run


def test_nothing_lost_twice_or_out_of_order(torture_run):
    verdict = checker.check(torture_run.folder, checker.enough(torture_run.seconds))
    print(verdict.report())
    assert verdict.good, f"torture --seed {torture_run.seed}, histories: {torture.keep(torture_run.folder)}\n{verdict.report()}"


def test_the_naive_reader_loses(torture_run):
    """Beside all that it must lose something."""
    counts = checker.check(torture_run.folder).counts
    assert counts["naive missed"] > 0, f"of {counts['naive due']} revisions none was missed by the naive reader: too little went on"


@pytest.fixture(scope="module")
def recorded(torture_run):
    run = Run(torture_run.folder)
    run.subscribers = {name: run.subscribers[name] for name in ENOUGH}
    return pickle.dumps(run)


def of_kind(run, kind):
    return [row for row in run.registry if row["k"] == kind]


class Spoiler:
    """Finds the places of a run that are worth spoiling."""

    def __init__(self, run, rng):
        self.run, self.rng = run, rng
        self.journal = checker.Registry(run.registry, run.meta["start"][1])

    def acked(self, holds=lambda line: True):
        """A line of an acknowledged edit that was not asked again."""
        found = [line for history in self.run.writers.values() for line in history
                 if line["op"] == "edit" and line["result"] == "OK" and line.get("rev") and holds(line)]
        return self.rng.choice(found)

    def call(self, op, result="OK", holds=lambda line: True):
        return self.rng.choice([line for history in self.run.writers.values() for line in history
                                if line["op"] == op and line["result"] == result and holds(line)])

    def change_of(self, line):
        """The journal's row of an acknowledged edit."""
        grp = self.journal.txns[line["rev"]]["grp"]
        entry = next(e for e in self.journal.entries[line["account"], line["request"]])
        return next(c for c in of_kind(self.run, "change") if c["grp"] == grp and c["ord"] == entry["ord"])

    def history(self, holds=lambda first: True, names="s"):
        """A subscriber's history that has plenty of events; if there is one not begun with a snapshot: those may be
        told of what their daemon hasn't come to, so that a spoilt line of theirs can mean something else."""
        found = [h for name, h in self.run.subscribers.items() if name[0] in names and holds(h[0])
                 and sum(line["k"] in ("event", "frame") for line in h) > 50]
        plain = [h for h in found if not h[0].get("snapshot")]
        return self.rng.choice(plain or found)

    def event_at(self, history, holds=lambda line: True):
        """Index of an event in the middle."""
        found = [i for i, line in enumerate(history) if line["k"] == "event" and "+" not in line["c"] and holds(line)]
        return self.rng.choice(found[len(found) // 4:-len(found) // 4] or found)

    def frame_at(self, history, holds):
        return self.rng.choice([i for i, line in enumerate(history) if line["k"] == "frame" and i > 3 and holds(line)])


# Each function spoils the run in one way; its name says how, its table entry what the checker must call it.
def lost_acknowledgement(s):
    line = s.acked()
    s.run.registry.remove(s.change_of(line))


def lost_request(s):
    line = s.acked()
    s.run.registry.remove(next(e for e in of_kind(s.run, "entry") if e["request"] == line["request"]))


def applied_twice(s):
    line = s.acked()
    end = s.run.meta["end"][1] + 1
    s.run.registry += [{"k": "txn", "rev": end, "grp": -1, "epoch": 1, "tag": "1", "kind": "commit", "changes": 1},
                       {**s.change_of(line), "grp": -1, "idx": 0, "version": 10000}]
    s.run.registry.append({**s.journal.entries[line["account"], line["request"]][0], "grp": -1})


def stale_read(s):
    acked = {}
    for history in s.run.writers.values():
        for line in history:
            if line["op"] == "edit" and line["result"] == "OK":
                acked.setdefault(line["object"], []).append(line["end"])
    s.call("show", holds=lambda line: line["version"] > 5 and sorted(acked[line["object"]])[3] < line["start"])["version"] = 1


def read_of_the_future(s):
    s.call("show")["version"] += 10000


def wrong_version_told(s):
    s.acked()["version"] += 1


def wrong_revision_told(s):
    s.acked()["rev"] += 1


def other_content_written(s):
    s.change_of(s.acked())["fields"][SUMMARY][1] = "something else"


def refused_without_a_row(s):
    line = s.call("edit", "REFUSED", lambda line: line["code"] == "CONFLICT")
    s.run.registry[:] = [a for a in s.run.registry if a["k"] != "audit" or a["request"] != line["request"]]


def many_rows_of_one_refusal(s):
    kept = next(e for e in of_kind(s.run, "entry") if e["grp"] is None)
    s.run.registry += 20 * [next(a for a in of_kind(s.run, "audit") if (a["actor"], a["request"]) == (kept["actor"], kept["request"]))]


def done_though_refused(s):
    s.acked().update(result="REFUSED", code="FAILED_PRECONDITION")


def never_resolved(s):
    s.acked().update(result="UNKNOWN", code="UNKNOWN")


def told_undone(s, unsure, at, upsets=None):
    """An edit that was done is told as replayed to an asking that had one before it, which was told "later"."""
    line = s.acked(lambda line: line["try"] == 1)
    history = next(h for h in s.run.writers.values() if line in h)
    history.insert(history.index(line), {**line, "result": "LATER", "code": "DEADLINE_EXCEEDED", "unsure": False})
    line.update(replayed=True, unsure=unsure, wall=s.journal.entries[line["account"], line["request"]][0]["at"] + at)
    s.run.meta["upsets"] = s.run.meta["upsets"] if upsets is None else upsets


def done_though_called_undone(s):
    told_undone(s, unsure=False, at=-1, upsets=[])


def done_before_its_doubt(s):
    told_undone(s, unsure=True, at=1)


def replayed_at_the_first_asking(s):
    s.acked(lambda line: line["try"] == 1 and not line["unsure"])["replayed"] = True
    s.run.meta["upsets"] = []


def nobody_asked(s):
    line = s.acked()
    for history in s.run.writers.values():
        history[:] = [other for other in history if other["request"] != line["request"]]


def revision_out_of_real_time(s):
    line = s.acked(lambda line: line["try"] == 1 and line["rev"] < s.run.meta["end"][1] - 200)
    line["first"] = line["start"] = line["end"] = line["end"] + 60_000_000


def overwrote_unseen(s):
    def over_another(line):
        changes = s.journal.of_object[line["object"]]
        v = line["version"]
        return v > 3 and v <= len(changes) and SUMMARY in changes[v - 2].fields and changes[v - 2].actor != line["account"]

    line = s.acked(over_another)
    line["base"] = line["version"] - 2


def false_conflict(s):
    s.call("edit", "REFUSED", lambda line: line["code"] == "CONFLICT" and line.get("base"))["base"] = 10000


def replayed_otherwise(s):
    s.call("replay")["version"] += 1


def request_id_reused(s):
    s.call("reuse", "REFUSED").update(result="OK", version=1, replayed=False)


def hole_in_the_journal(s):
    s.run.registry.remove(s.rng.choice([t for t in of_kind(s.run, "txn") if t["kind"] == "tombstone"]))


def versions_out_of_order(s):
    object_ = s.acked(lambda line: 3 < line["version"] < len(s.journal.of_object[line["object"]]))["object"]
    rows = sorted((c for c in of_kind(s.run, "change") if c["object"] == object_), key=lambda c: c["version"])
    rows[2]["version"], rows[3]["version"] = rows[3]["version"], rows[2]["version"]


def lost_update(s):
    s.change_of(s.acked(lambda line: line["version"] > 3))["fields"][SUMMARY][0] = "never was"


def table_differs(s):
    id_ = s.acked()["object"]
    next(p for p in of_kind(s.run, "project") if p["id"] == id_)["summary"] = "by another way"


def aborted_in_the_journal(s):
    text = next(line["text"] for line in s.run.outside if line["result"] == "aborted")
    s.change_of(s.acked())["fields"][SUMMARY][1] = text


def committed_by_psql_lost(s):
    line = s.rng.choice([line for line in s.run.outside if line["result"] == "committed"])
    line["text"] = "never there"


def aborted_delivered(s):
    text = next(line["text"] for line in s.run.outside if line["result"] == "aborted")
    h = s.history()
    i = s.event_at(h)
    h.insert(i, copy.deepcopy(h[i]))
    h[i]["e"].update(idx=7777, changes={SUMMARY: [None, text]})


def event_out_of_nothing(s):
    h = s.history()
    i = s.event_at(h)
    h.insert(i, copy.deepcopy(h[i]))
    h[i]["e"]["idx"] = 7777


def event_dropped(s):
    h = s.history()
    del h[s.event_at(h)]


def event_dropped_of_a_frame(s):
    h = s.history(names="p")
    del h[s.frame_at(h, lambda line: len(line["events"]) > 0)]["events"][-1]


def event_doubled(s):
    h = s.history()
    i = s.event_at(h)
    h.insert(i, copy.deepcopy(h[i]))


def old_event_again(s):
    h = s.history()
    i = s.event_at(h)
    h.insert(i, copy.deepcopy(next(line for line in h if line["k"] == "event")))


def events_swapped(s):
    h = s.history()
    i = s.event_at(h, lambda line: h[h.index(line) + 1]["k"] == "event" and h[h.index(line) + 1]["e"]["rev"] > line["e"]["rev"])
    h[i], h[i + 1] = h[i + 1], h[i]


def event_leaked(s):
    """To a filtered watch, one that doesn't concern it, where it belongs by its number."""
    h = s.history(lambda first: first["terms"] and first["terms"][0][0] == "office")
    everything = s.history(lambda first: not first["terms"])
    mine = {(line["e"]["rev"], line["e"]["idx"]) for line in h if line["k"] == "event"}
    i = s.event_at(h)
    at = h[i]["e"]["rev"]
    alien = next(line for line in everything if line["k"] == "event" and line["e"]["rev"] > h[i - 1].get("rev", 0)
                 and line["e"]["rev"] >= at and (line["e"]["rev"], line["e"]["idx"]) not in mine and line["e"]["kind"] == "project"
                 and line["e"]["actor"] != h[0]["account"])  # its own would be an echo
    while i < len(h) and not (h[i]["k"] == "event" and (h[i]["e"]["rev"], h[i]["e"]["idx"]) > (alien["e"]["rev"], alien["e"]["idx"])):
        i += 1
    h.insert(i, copy.deepcopy(alien))


def told_without_right(s):
    h = s.history()
    e = h[s.event_at(h)]["e"]
    row = next(c for c in of_kind(s.run, "change") if (c["grp"], c["idx"]) == (s.journal.txns[e["rev"]]["grp"], e["idx"]))
    row["audience"] = [4]


def own_echo(s):
    h = s.run.subscribers["s0"]
    own = [c for c in s.journal.changes if c.request.startswith(h[0]["instance"] + "-") and c.rev > 50 and c.idx == 0 and c.last]
    c = own[len(own) // 2]
    i = next(i for i, line in enumerate(h) if line.get("c") and checker.parse_cursor(line["c"]).rev > c.rev)
    line = copy.deepcopy(next(line for line in h if line["k"] == "event"))
    line["e"].update(rev=c.rev, idx=c.idx, last=c.last, object=c.object, version=c.version, request=c.request)
    line.update(c="1-%d--%s" % (c.rev, s.journal.txns[c.rev]["tag"].rjust(16, "0")), t=h[i]["t"])
    h.insert(i, line)


def event_altered(s):
    h = s.history()
    h[s.event_at(h, lambda line: SUMMARY in line["e"]["changes"])]["e"]["changes"][SUMMARY][1] = "altered"


def view_altered(s):
    h = s.history()
    h[s.event_at(h, lambda line: line["e"]["view"] == "update")]["e"]["view"] = "leave"


def bookmark_early(s):
    h = s.history()
    i = s.event_at(h)
    h.insert(i, {"k": "mark", "c": h[i + 20]["c"] if "c" in h[i + 20] else h[i + 21]["c"], "t": h[i]["t"]})


def transaction_split(s):
    h = s.history()
    i = s.event_at(h, lambda line: not line["e"]["last"])
    epoch, rev, _, tag = h[i]["c"].split("-")
    h[i]["c"] = f"{epoch}-{rev}--{tag}"


def interval_gap(s):
    h = s.history(names="p")
    i = s.frame_at(h, lambda line: line["after"] != line["c"])
    h[i]["after"] = h[i]["c"]


def resumed_elsewhere(s):
    h = s.history(lambda first: True, "p")
    i = next(i for i, line in enumerate(h) if line["k"] == "resume")
    h[i]["c"] = h[i + 2].get("c") or h[i + 3]["c"]


def tag_of_another_history(s):
    h = s.history()
    i = s.event_at(h)
    h[i]["c"] = h[i]["c"][:-16] + "0123456789abcdef"


def end_missed(s):
    h = s.history()
    last = max(i for i, line in enumerate(h) if line["k"] in ("event", "mark"))
    del h[last:-1]
    while h[-2]["k"] not in ("event", "mark") or h[-2].get("rev") == s.run.meta["end"][1]:
        del h[-2]


def silent_on_a_standing_link(s):
    h = s.history()
    for line in h[s.event_at(h):]:
        line["t"] += 60_000_000


def fork_out_of_nothing(s):
    """At the end: a subscriber begun again is judged anew."""
    h = s.history()
    i = max(i for i, line in enumerate(h) if line["k"] == "event") + 1
    h.insert(i, {"k": "diverged", "c": h[i - 1].get("c"), "fork": h[i - 1].get("c"), "t": h[i - 1]["t"]})


def watch_ended(s):
    h = s.history()
    h.insert(s.event_at(h), {"k": "ended", "code": "INTERNAL", "t": h[-1]["t"]})


SPOILT = {
    lost_acknowledgement: "lost", lost_request: "lost", applied_twice: "double", stale_read: "stale read",
    read_of_the_future: "phantom read", wrong_version_told: "wrong answer", wrong_revision_told: "wrong answer",
    other_content_written: "wrong write", done_though_refused: "refused but there", refused_without_a_row: "unaudited", many_rows_of_one_refusal: "audit",
    never_resolved: "unresolved", done_though_called_undone: "called undone", done_before_its_doubt: "called undone",
    replayed_at_the_first_asking: "called undone",
    nobody_asked: "ghost", revision_out_of_real_time: "real time", overwrote_unseen: "overwritten", false_conflict: "false conflict",
    replayed_otherwise: "replay", request_id_reused: "key reused", hole_in_the_journal: "journal", versions_out_of_order: "version",
    lost_update: "lost update", table_differs: "table", aborted_in_the_journal: "aborted", committed_by_psql_lost: "lost",
    aborted_delivered: "aborted", event_out_of_nothing: "phantom", event_dropped: "missing or early bookmark", event_dropped_of_a_frame: "early bookmark",
    event_doubled: "duplicate", old_event_again: "duplicate", events_swapped: "disorder", event_leaked: "leak or duplicate",
    told_without_right: "leak", own_echo: "echo", event_altered: "content", view_altered: "content",
    bookmark_early: "early bookmark", transaction_split: "split", interval_gap: "interval", resumed_elsewhere: "resume", tag_of_another_history: "tag", end_missed: "unfinished",
    silent_on_a_standing_link: "silence", fork_out_of_nothing: "diverged", watch_ended: "ended",
}


def test_the_recorded_run_is_good(recorded):
    verdict = checker.judge(pickle.loads(recorded))
    assert verdict.good, verdict.report()


@pytest.mark.parametrize("doubt", [{"unsure": True}, {"unsure": False, "upsets": [(0, 1 << 60)]}], ids=["client", "daemon"])
def test_done_by_itself_is_no_lie(recorded, rng, doubt):
    """Told "later", asked again, and done then; but a link was lost, so that client or daemon asked once more and heard of it as replayed."""
    run = pickle.loads(recorded)
    told_undone(Spoiler(run, rng), at=-1, **doubt)
    verdict = checker.judge(run)
    assert verdict.good, verdict.report()


def test_a_run_of_too_little_is_no_pass(recorded):
    verdict = checker.judge(pickle.loads(recorded), {"acked": 10 ** 6})
    assert verdict.kinds() == {"too little": 1}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda f: f.__name__)
def test_it_notices(recorded, rng, spoil):
    run = pickle.loads(recorded)
    spoil(Spoiler(run, rng))
    verdict = checker.judge(run)
    assert set(SPOILT[spoil].split(" or ")) & verdict.kinds().keys(), f"{spoil.__name__} should be called {SPOILT[spoil]!r}:\n{verdict.report()}"
