# SPDX-License-Identifier: Apache-2.0
"""Deadlines fire once each, whoever fires them and whatever falls meanwhile; receipts are signed once."""
import collections
import time

import peer as peer_module
from steps import add, refusal

pb = peer_module.pb
FIRED = "deadline.fired"


def now_us(county):
    return int(county.psql("SELECT (extract(epoch FROM registry.now()) * 1000000)::bigint")[0][0])


def due(peer, project, at, text="报告进展"):
    return peer.do("due_set", set=pb.Due(project=project.id, text=text, due_at=at)).due


def fired(events):
    return collections.Counter(e.object for e in events if e.type == FIRED)


def gather(watch, found, wanted, timeout=30):
    """Events into `found` until each of `wanted` has fired; bookmarks behind it may hold no second one."""
    end = time.monotonic() + timeout
    while not wanted <= fired(found).keys():
        found += watch.next(max(end - time.monotonic(), 0.01)).events


def test_each_deadline_fires_once(new_county, rng):
    """Three daemons, fifty deadlines within seconds of a day in a month, one daemon killed while they come."""
    county = new_county("--daemons", "3")
    clerk = county.peer("chengguan")
    mine, other = add(clerk), add(clerk)
    start = now_us(county) + 30 * 86400 * 1000000
    times = [start + rng.randrange(6_000_000) for _ in range(50)]
    of_mine = {due(clerk, mine, at).id for at in times[:25]}
    wanted = of_mine | {due(clerk, other, at).id for at in times[25:]}
    watches = [county.peer("leader", n).watch() for n in (1, 2, 3)]
    narrow = county.peer("leader", 3).watch(terms=[pb.Term(field="project", op="=", values=[mine.no])])
    found = [[], [], [], []]
    county.clock("+30d")
    while not fired(found[0]):
        found[0] += watches[0].next(20).events
    county.kill(1)
    watches[0] = county.peer("leader", 2).watch(after=watches[0].seen)
    for watch, events in zip(watches, found):
        gather(watch, events, wanted)
    gather(narrow, found[3], of_mine)
    # behind all of them: nothing comes twice
    last = due(county.peer("chengguan", 3), mine, start - 86400 * 1000000, "昨天")
    for watch, events in zip([*watches, narrow], found):
        gather(watch, events, {last.id})
    for events in found[:3]:
        assert fired(events) == {x: 1 for x in wanted | {last.id}}
    order = [[(e.rev, e.idx, e.object) for e in events if e.type == FIRED] for events in found[:3]]
    assert order[0] == order[1] == order[2] and order[0] == sorted(order[0])
    assert fired(found[3]) == {x: 1 for x in of_mine | {last.id}}
    entry = next(e for e in found[1] if e.type == FIRED)
    assert (entry.actor, entry.kind, entry.request) == ("registry", "due", f"due-{entry.object}-2")
    assert {(c.number, c.old, c.new) for c in entry.changes} == {(7, "open", "fired")}
    assert county.psql("SELECT count(*) FROM registry.change WHERE fields #>> '{7,1}' = 'fired'") == [["51"]]
    county.start(1)


def test_late_deadlines_fire_after_a_restart(new_county):
    county = new_county()
    clerk = county.peer("chengguan")
    project = add(clerk)
    wanted = {due(clerk, project, now_us(county) + 86400 * 1000000 * i).id for i in range(1, 4)}
    watch = clerk.watch()
    county.kill(1)
    county.clock("+2 days 1 hour")
    county.start(1)
    watch, found = county.peer("chengguan").watch(after=watch.seen), []
    while len(fired(found)) < 2:
        found += watch.next(20).events
    left = wanted - fired(found).keys()
    shown = county.qipan("chengguan", "due", "list", project.no, "-o", "jsonl", ok=True).lines
    assert {line["id"] for line in shown} == left
    # put off: what has fired opens again
    one = next(iter(fired(found)))
    again = county.qipan("chengguan", "due", "set", one, "due_at=2099-01-01", "-o", "json", ok=True).json
    assert (again["state"], again["due_at"]) == ("open", "2098-12-31T16:00:00Z")
    change = watch.until(lambda e: e.object == one)[-1]
    assert (change.type, {c.number for c in change.changes}) == ("deadline.changed", {6, 7})


def test_a_deadline_is_edited_by_two(county):
    clerk, bureau = county.peer("chengguan"), county.peer("bureau")
    d = due(clerk, add(clerk), now_us(county) + 10**12)
    bureau.do("due_set", id=d.id, set=pb.Due(text="报告开工"), base=1)
    merged = clerk.do("due_set", id=d.id, set=pb.Due(due_at=d.due_at + 10**9), base=1).due
    assert (merged.text, merged.due_at, merged.version) == ("报告开工", d.due_at + 10**9, 3)
    error = refusal(lambda: clerk.do("due_clear", id=d.id, base=1))
    assert (error.code, error.field, error.theirs, error.by) == ("CONFLICT", "text", "报告开工", "bureau")
    gone = county.qipan("chengguan", "due", "clear", d.id, "--base", 1, "-o", "json")
    assert gone.returncode == 6 and gone.error["code"] == "CONFLICT"
    county.qipan("chengguan", "due", "clear", d.id, "--base", 3, ok=True)
    error = refusal(lambda: bureau.do("due_set", id=d.id, set=pb.Due(text="再报"), base=3))
    assert (error.code, error.field, error.theirs) == ("CONFLICT", "state", "cleared")


def test_a_revision_is_signed_once_by_each(county):
    """At once by one account over two daemons, and by another; everybody sees who is missing."""
    clerk = county.peer("chengguan")
    project = add(clerk)
    rev = clerk.do("project_edit", id=project.id, set=pb.Project(summary="请各单位签收")).rev
    watch = county.peer("bureau", 2).watch(terms=[pb.Term(field="project", op="=", values=[project.no])])
    leaders = [county.peer("leader", n) for n in (1, 2)]
    answers = [p.finish(s) for p, s in [(p, p.start("receipt_sign", of_rev=rev, object=project.no)) for p in leaders]]
    assert answers[0].receipt == answers[1].receipt and sum(a.HasField("rev") for a in answers) == 1
    mine = clerk.do("receipt_sign", of_rev=rev, object=project.id)
    events = watch.until(lambda e: e.object == mine.receipt.id)
    assert [(e.type, e.object) for e in events if e.kind == "receipt"] == [
        ("receipt.signed", answers[0].receipt.id), ("receipt.signed", mine.receipt.id)]
    listed = county.qipan("bureau", "receipt", "list", rev, project.no, "-o", "jsonl", ok=True).lines
    assert {line["account"] for line in listed if "signed_at" in line} == {"leader", "chengguan"}
    assert any("signed_at" not in line for line in listed)
    signed = county.qipan("bureau", "receipt", "sign", rev, "-o", "json", ok=True).json
    assert signed["of_rev"] == str(rev) and "project" not in signed
    assert county.qipan("bureau", "receipt", "sign", rev + 10**9).returncode == 1
    assert refusal(lambda: clerk.do("receipt_sign", of_rev=rev + 10**9)).code == "FUTURE_REVISION"
