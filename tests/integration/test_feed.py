# SPDX-License-Identifier: Apache-2.0
"""What a watch is promised at its edges: every place a reader may name, credit, readers that stop, daemons that lag."""
import os
import re
import signal
import time

import pytest
from conftest import BUILD
from peer import OPS, Gone, cursor_of_event, cursor_text, pb
from steps import Frozen, add, edit, pid_of, refusal, resident_kb, wait_for

MOST = 16 << 20


@pytest.fixture
def bureau(county):
    return county.peer("bureau")


@pytest.fixture
def dongshan(county):
    return county.peer("dongshan")


def grant(watch, n):
    watch.peer.link.send(pb.Frame(credit=pb.Credit(call=watch.call, bytes=n)))


def versions(events, project):
    return [e.version for e in events if e.object == project.id]


def of(project):
    return [{"field": "project", "op": "=", "values": [project.id]}]


def edit_many(peer, project, n, size=20):
    """n edits, each a revision or part of one; unanswered at most 50."""
    flying = []
    for k in range(n):
        flying.append(edit(peer, project, summary=f"{k} " + "字" * size))
        if len(flying) == 50:
            peer.finish(flying.pop(0))
    for one in flying:
        peer.finish(one)


def silent(watch, seconds):
    """Nothing at all comes, bookmarks neither."""
    with pytest.raises(TimeoutError):
        watch.next(timeout=seconds)


def ended(watch, timeout=10):
    """The error that ends it."""
    until = time.monotonic() + timeout
    while True:
        feed = watch.next(until - time.monotonic())
        if feed.HasField("error"):
            watch.peer.watches.pop(watch.call)
            return feed


# ---------------------------------------------------------------- where a watch begins

def test_every_place_has_its_answer(new_county):
    county = new_county("--bare")
    writer, reader = county.peer("dongshan"), county.peer("bureau")
    project = add(writer)
    for n in range(20):
        writer.finish(edit(writer, project, summary=f"第{n}次"))
    places = {int(rev): pb.Cursor(epoch=int(epoch), rev=int(rev), tag=int(tag) & (1 << 64) - 1) for rev, epoch, tag in
              county.psql("SELECT rev, epoch, tag FROM registry.txn ORDER BY rev")}
    newest = max(places)
    oldest = newest - 10
    county.psql(f"INSERT INTO registry.setting VALUES ('journal.min_rev', '{oldest}')")

    def from_(*, epoch=places[newest].epoch, rev, tag=None, idx=None):
        cursor = pb.Cursor(epoch=epoch, rev=rev, tag=places[rev].tag if tag is None else tag)
        if idx is not None:
            cursor.idx = idx
        return cursor

    def revs(cursor, n):
        watch = reader.watch(after=cursor, echo=True)
        events = watch.until(lambda e: e.rev == newest) if n else []
        while watch.state != "LIVE":
            assert not watch.next().events
        watch.cancel()
        assert cursor_text(watch.seen) == cursor_text(places[newest])
        return [e.rev for e in events]

    # 0 begins with the first that is kept, like from_start
    assert revs(pb.Cursor(rev=0), 1) == list(range(oldest, newest + 1))
    assert cursor_text(reader.watch(from_start=True).at) == cursor_text(places[oldest - 1])
    # before the first that is kept
    too_old = refusal(lambda: reader.watch(after=places[oldest - 2]))
    assert (too_old.code, too_old.rev) == ("COMPACTED", oldest)
    # the first, its neighbour, and the newest
    assert revs(places[oldest - 1], 1) == list(range(oldest, newest + 1))
    assert revs(places[oldest], 1) == list(range(oldest + 1, newest + 1))
    assert revs(places[newest], 0) == []
    # its last change named, the revision is done; one it doesn't have can't be
    assert revs(from_(rev=newest - 1, idx=0), 1) == [newest]
    for idx in (1, 2 ** 31 - 1):
        error = refusal(lambda i=idx: reader.watch(after=from_(rev=newest, idx=i)))
        assert (error.code, error.field) == ("INVALID_ARGUMENT", "after"), idx
    # the future
    for rev in (newest + 1, newest + 10 ** 5, 2 ** 63 - 1):
        future = refusal(lambda r=rev: reader.watch(after=from_(rev=r, tag=7)))
        assert (future.code, future.rev) == ("FUTURE_REVISION", newest), rev
    # another history
    assert refusal(lambda: reader.watch(after=from_(rev=newest, tag=places[newest].tag ^ 1))).code == "DIVERGED"
    assert refusal(lambda: reader.watch(after=from_(rev=newest, epoch=places[newest].epoch + 1))).code == "DIVERGED"
    # what can't be
    for wrong in (pb.Cursor(epoch=1, rev=-1, tag=1), pb.Cursor(epoch=-1, rev=newest, tag=1), from_(rev=newest, idx=-1),
                  pb.Cursor(epoch=1, rev=newest, tag=places[newest].tag, object="x" * 65)):
        error = refusal(lambda c=wrong: reader.watch(after=c))
        assert (error.code, error.field) == ("INVALID_ARGUMENT", "after"), wrong
    many = [places[newest]] * 17
    error = refusal(lambda: reader.watch(after=places[newest], known=many))
    assert (error.code, error.field) == ("INVALID_ARGUMENT", "known")


def test_a_daemon_that_is_behind_says_so(new_county):
    """One daemon's link to the journal hangs, another goes on: a reader who comes from there is neither answered from behind nor kept waiting."""
    county = new_county("--bare", "--daemons", "2")
    county.kill(2)
    county.start(2)  # so that its links are the youngest
    writer, reader = county.peer("dongshan"), county.peer("bureau", n=2)
    project = add(writer)
    reader.watch(terms=of(project))
    (backend,) = county.psql("SELECT pid FROM pg_stat_activity WHERE query LIKE '%journal_read%' AND state = 'idle' "
                             "ORDER BY backend_start DESC LIMIT 1")[0]
    os.kill(int(backend), signal.SIGSTOP)
    try:
        there = county.peer("bureau").watch(terms=of(project))
        writer.finish(edit(writer, project, summary="新的"))
        place = cursor_of_event(there.until(lambda e: e.version == 2)[-1])
        begun = time.monotonic()
        error = refusal(lambda: reader.watch(after=place))
        assert error.code == "RETRY_ELSEWHERE" and error.HasField("retry_after_ms")
        assert 1.5 < time.monotonic() - begun < 6
    finally:
        os.kill(int(backend), signal.SIGCONT)
    watch = reader.watch(after=place, terms=of(project))
    writer.finish(edit(writer, project, summary="再新的"))
    assert versions(watch.until(lambda e: e.version == 3), project) == [3]


# ---------------------------------------------------------------- many watches, many terms

def test_twins_and_numbers_in_use(county, bureau, dongshan):
    project = add(dongshan)
    twins = [bureau.watch(terms=of(project)) for _ in range(2)]
    op = OPS["watch"]
    payload = op.request(terms=of(project)).SerializeToString()
    bureau.link.send(pb.Frame(call=pb.Call(call=twins[0].call, op=op.number, payload=payload)))
    while twins[0].call not in bureau.replies:
        bureau.turn()
    assert bureau.replies.pop(twins[0].call).error.code == "PROTOCOL_ERROR"
    dongshan.finish(edit(dongshan, project, summary="双份"))
    for twin in twins:
        assert versions(twin.until(lambda e: e.version == 2), project) == [2]
    for _ in range(14):
        bureau.watch(terms=of(project))
    assert refusal(lambda: bureau.watch(terms=of(project))).code == "BUSY"


def test_terms_at_their_limits(county, bureau, dongshan):
    project = add(dongshan, amount_total=15000)
    term = {"field": "stage", "op": "=", "values": ["lead"]}
    assert refusal(lambda: bureau.watch(terms=[term] * 17)).code == "TOO_LARGE"
    assert refusal(lambda: bureau.watch(terms=[term] * 2000)).code == "TOO_LARGE"
    assert refusal(lambda: bureau.watch(terms=[{**term, "values": ["lead"] * 10000}])).code == "TOO_LARGE"
    for bad in ({"field": "office", "op": "=", "values": []}, {"field": "stage", "op": "=", "values": ["lead"] * 201},
                {"field": "stage", "op": "~", "values": ["lead"]}, {"field": "name", "op": "=", "values": ["x"]}):
        error = refusal(lambda t=bad: bureau.watch(terms=[t]))
        assert (error.code, error.field) == ("INVALID_ARGUMENT", bad["field"]), bad["field"]
        assert list(error.allowed)
    # a reversed range holds for nothing, one that is just closed for its ends
    amounts = {"reversed": ("150.01", "149.99"), "closed": ("150.00", "150.00"), "open": ("0", None)}
    watches = {name: bureau.watch(terms=of(project) + [
        {"field": "amount_total", "op": op, "values": [end]} for op, end in zip((">=", "<="), ends) if end])
        for name, ends in amounts.items()}
    dongshan.finish(edit(dongshan, project, summary="范围"))
    for name in ("closed", "open"):
        assert versions(watches[name].until(lambda e: e.version == 2), project) == [2]
    assert not [f for f in watches["reversed"].feeds if f.events]


def test_views_follow_an_object_through_the_index(county, dongshan):
    """Filed under one value, a watch still hears of an object that comes from or goes to another."""
    bureau = county.peer("bureau")
    project = add(dongshan, tags=["链"])

    def by(field, *values):
        return bureau.watch(terms=of(project) + [{"field": field, "op": "=", "values": list(values)}] if field == "stage" else
                            [{"field": field, "op": "=", "values": list(values)}])

    tag, other, none = by("tags", "链"), by("tags", "新", "智"), by("park", "")
    edits = [{"summary": "一"}, {"tags": ["新", "大"]}, {"tags": ["大"]}, {"tags": ["大", "链"]}]
    for fields in edits:
        dongshan.finish(edit(dongshan, project, **fields))

    def views(watch):
        events = watch.until(lambda e: e.object == project.id and e.version == (4 if watch is other else 5))
        return [(e.version, e.view) for e in events if e.object == project.id]

    assert views(tag) == [(2, "update"), (3, "leave"), (5, "enter")]
    assert views(other) == [(3, "enter"), (4, "leave")]
    assert views(none) == [(n, "update") for n in (2, 3, 4, 5)]


# ---------------------------------------------------------------- credit

def test_a_paused_watch_gets_nothing(county, bureau, dongshan):
    project = add(dongshan)
    paused, other = bureau.watch(terms=of(project), credit=0), bureau.watch(terms=of(project))
    for n in range(5):
        dongshan.finish(edit(dongshan, project, summary=f"{n}"))
    assert versions(other.until(lambda e: e.version == 6), project) == [2, 3, 4, 5, 6]
    silent(paused, 6)
    grant(paused, 1 << 16)
    assert versions(paused.until(lambda e: e.version == 6), project) == [2, 3, 4, 5, 6]


def test_credit_is_spent_and_granted(county, bureau, dongshan, rng):
    """What is sent is what was granted, but for the end of the last frame; and all of it comes in the end."""
    project = add(dongshan)
    watch = bureau.watch(terms=of(project), credit=1000)
    edit_many(dongshan, project, 60, size=200)
    granted, taken, events, most = 1000, 0, [], 0
    until = time.monotonic() + 60
    while len(versions(events, project)) < 60:
        try:
            feed = watch.next(timeout=0.3)
        except TimeoutError:
            assert taken >= granted and time.monotonic() < until
            n = rng.randrange(1, 5000)
            granted += n
            grant(watch, n)
            continue
        assert taken < granted, "sent without credit"
        taken += len(feed.SerializeToString()) + 3
        most = max(most, len(feed.SerializeToString()))
        events += feed.events
    assert versions(events, project) == list(range(2, 62))
    assert taken < granted + most + 10


def test_credit_that_cannot_be(county, bureau, dongshan):
    project = add(dongshan)
    for n in (MOST + 1, 1 << 32, (1 << 64) - 1):
        error = refusal(lambda c=n: bureau.watch(terms=of(project), credit=c))
        assert (error.code, error.field) == ("INVALID_ARGUMENT", "credit")
    for n in (MOST + 1, 1 << 32, (1 << 64) - 1, MOST):  # the last one only together with what it has
        watch = bureau.watch(terms=of(project), credit=MOST)
        while watch.state != "LIVE":
            watch.next()
        grant(watch, n)
        feed = ended(watch) if n != MOST else None
        if feed is None:  # LIVE took a few bytes: fill up exactly, then one more
            grant(watch, 1 << 20)
            feed = ended(watch)
        assert (feed.error.code, feed.error.field) == ("INVALID_ARGUMENT", "credit")
    # the number is free again, and whom it doesn't concern isn't disturbed
    grant(watch, 100)
    op = OPS["watch"]
    bureau.link.send(pb.Frame(call=pb.Call(call=watch.call, op=op.number, payload=op.request(terms=of(project)).SerializeToString())))
    bureau.wait(watch.call)
    bureau.link.send(pb.Frame(credit=pb.Credit(call=4242, bytes=1)))
    assert bureau.do("whoami").account == "bureau"
    nobody = county.peer("bureau")
    nobody.link.send(pb.Frame(credit=pb.Credit(bytes=1)))
    with pytest.raises(Gone) as gone:
        nobody.do("whoami")
    assert gone.value.code == "PROTOCOL_ERROR"


# ---------------------------------------------------------------- readers that stop

def test_one_who_stops_delays_nobody(new_county):
    """He costs a place and his connection's buffers; the others and the writers don't notice; later he gets all of it."""
    county = new_county("--bare")
    writer, quick = county.peer("dongshan"), county.peer("bureau")
    project = add(writer)
    stopped = [county.peer("bureau") for _ in range(20)]
    theirs = [peer.watch(terms=of(project), credit=MOST) for peer in stopped]
    watch = quick.watch(terms=of(project), credit=MOST)
    before = resident_kb(county)
    edit_many(writer, project, 1500, size=1000)
    events = watch.until(lambda e: e.version == 1501, timeout=60)
    assert versions(events, project) == list(range(2, 1502))
    # 1 500 × some 6 KB: without a bound each would owe 9 MB. The ring and the page cache are everybody's.
    quarantine = 512 * 1024 if BUILD.name == "san" else 0  # freed memory that the sanitizer keeps
    assert resident_kb(county) - before < 20 * 300 + 48 * 1024 + quarantine
    for one in theirs[:3]:
        events = one.until(lambda e: e.version == 1501, timeout=60)
        assert versions(events, project) == list(range(2, 1502))


def test_a_page_forgotten_on_its_way_is_asked_for_again(new_county):
    """What hides a project makes pages worthless that are being read: whoever waits for one gets another."""
    county = new_county("--bare")
    writer = county.peer("dongshan")
    project = add(writer)
    start = writer.watch().at
    edit_many(writer, project, 60)
    county.kill()
    county.start()  # what was is in the journal alone now
    writer, quick, slow = county.peer("dongshan"), county.peer("bureau"), county.peer("bureau")
    live, behind = quick.watch(terms=of(project)), slow.watch(after=start, terms=of(project), credit=1)
    behind.next()

    def hide(yes, version):
        writer.finish(edit(writer, project, restricted=yes))
        live.until(lambda e: e.version == version)

    with Frozen([int(pid) for (pid,) in county.psql("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'qipand read%'")]):
        hide(True, 62)
        grant(behind, MOST)
        slow.link.send(pb.Frame(ping=pb.Ping()))
        slow.turn()
        hide(False, 63)
    assert max(versions(behind.until(lambda e: e.version == 63, timeout=20), project)) == 63


def test_lapsed(new_county):
    """He stands still until his place isn't kept any more: he is told, and which is the first that is."""
    county = new_county("--bare")
    writer, reader = county.peer("dongshan"), county.peer("bureau")
    project = add(writer)
    still, other = reader.watch(terms=of(project), credit=300), reader.watch(terms=of(project))
    for n in range(30):
        writer.finish(edit(writer, project, summary=f"第{n}次"))
    assert versions(other.until(lambda e: e.version == 31), project) == list(range(2, 32))
    (newest,) = county.psql("SELECT max(rev) FROM registry.txn")[0]
    county.psql(f"INSERT INTO registry.setting VALUES ('journal.min_rev', '{newest}')")
    feed = ended(still, timeout=30)
    assert (feed.state, feed.error.code, feed.error.rev) == ("LAPSED", "COMPACTED", int(newest))
    again = refusal(lambda: reader.watch(after=still.seen))
    assert (again.code, again.rev) == ("COMPACTED", int(newest))
    writer.finish(edit(writer, project, summary="后来"))
    assert versions(other.until(lambda e: e.version == 32), project) == [32]


# ---------------------------------------------------------------- objects as they are, then the tail

class Mirror:
    """What a reader holds who does as proto/README.md says: the snapshot, then the tail, but for what isn't newer."""

    def __init__(self, watch):
        self.watch, self.rows = watch, {}

    def take(self, feed, inside):
        for e in feed.events:
            if inside and e.view == "leave":
                self.rows.pop(e.object, None)
            elif inside:
                assert not e.changes and e.object not in self.rows
                self.rows[e.object] = (e.version, e.rev, {v.number: v.value for v in e.row})
            elif e.object not in self.rows or e.version > self.rows[e.object][0]:
                fields = dict(self.rows.get(e.object, (0, 0, {}))[2])
                fields.update({v.number: v.value for v in e.row})
                for c in e.changes:
                    fields.pop(c.number, None)
                    if c.HasField("new"):
                        fields[c.number] = c.new
                self.rows[e.object] = (e.version, e.rev, fields)

    def follow(self, until, timeout=60):
        """Takes frames until until() holds; True for each of the snapshot."""
        end = time.monotonic() + timeout
        while not until():
            feed = self.watch.next(end - time.monotonic())
            self.take(feed, feed.upto.HasField("object"))


SUMMARY = pb.Project.DESCRIPTOR.fields_by_name["summary"].number


def table(county):
    return {row[0]: (int(row[1]), row[2]) for row in county.psql("SELECT id, version, coalesce(summary, '') FROM registry.project")}


def held(mirror):
    return {k: (v, f.get(SUMMARY, "")) for k, (v, _, f) in mirror.rows.items() if k in mirror.projects}


def test_snapshot_then_tail_while_edits_run(new_county, rng):
    """Readers come while a hundred objects change; cut short inside the snapshot they go on there. In the end all hold the table."""
    county = new_county("--bare", "--daemons", "2")
    writer = county.peer("dongshan")
    projects = [add(writer, summary="初始" * 200) for _ in range(150)]
    mirrors, flying = [], []
    for n in range(600):
        flying.append(edit(writer, rng.choice(projects), summary=f"第{n}次" + "字" * rng.randrange(300)))
        if len(flying) == 20:
            writer.finish(flying.pop(0))
        if n % 100 == 50:
            peer = county.peer("bureau", n=1 + len(mirrors) % 2)
            watch = peer.watch(snapshot="all", credit=rng.choice((1, 60000, 1 << 20)))
            assert watch.at.HasField("object") and watch.at.object == ""
            mirrors.append(Mirror(watch))
    for one in flying:
        writer.finish(one)
    wanted = table(county)
    for mirror in mirrors:
        mirror.projects = wanted
        watch = mirror.watch
        feed = watch.next()
        mirror.take(feed, True)
        assert feed.state == "SNAPSHOT" and feed.upto.object == max(e.object for e in feed.events)
        if rng.random() < 0.5:  # the connection is lost here: another daemon goes on inside
            again = county.peer("bureau", n=1 + rng.randrange(2)).watch(snapshot="all", after=watch.seen)
            assert cursor_text(again.at) == cursor_text(watch.seen) and again.at.object == watch.seen.object
            mirror.watch = again
        grant(mirror.watch, 8 << 20)
        mirror.follow(lambda: held(mirror) == wanted)
    writer.finish(edit(writer, projects[0], summary="最后"))
    for mirror in mirrors:
        mirror.follow(lambda: mirror.rows[projects[0].id][2].get(SUMMARY) == "最后")


def test_only_what_changed(new_county):
    """A reader who is too late is brought up to date by the objects changed since, and by those he names."""
    county = new_county("--bare")
    writer, reader = county.peer("dongshan"), county.peer("bureau")
    projects = [add(writer) for _ in range(10)]
    place = reader.watch().at
    writer.finish(edit(writer, projects[3], summary="变了"))
    writer.finish(edit(writer, projects[5], summary="变了"))
    county.psql(f"INSERT INTO registry.setting VALUES ('journal.min_rev', '{place.rev + 2}')")
    assert refusal(lambda: reader.watch(after=place)).code == "COMPACTED"
    watch = reader.watch(after=place, snapshot="changed", objects=[projects[7].id, "p0000000000000000"])
    seen = {}
    while watch.state in (None, "SNAPSHOT"):
        feed = watch.next()
        seen.update({e.object: e.view for e in feed.events})
    assert seen == {projects[3].id: "enter", projects[5].id: "enter", projects[7].id: "enter", "p0000000000000000": "leave"}
    writer.finish(edit(writer, projects[7], summary="也变了"))
    assert versions(watch.until(lambda e: e.object == projects[7].id), projects[7]) == [2]
    for wrong, field in (({"snapshot": "some"}, "snapshot"), ({"snapshot": "changed"}, "after"),
                         ({"snapshot": "all", "from_start": True}, "snapshot"), ({"objects": ["p1"]}, "objects"),
                         ({"snapshot": "changed", "after": place, "objects": ["p"] * 2049}, "objects")):
        error = refusal(lambda w=wrong: reader.watch(**w))
        assert (error.code, error.field) == ("INVALID_ARGUMENT", field), wrong


# ---------------------------------------------------------------- another history

def test_whom_a_failover_concerns(new_county):
    """The standby that takes over lacks the last change. Who was told of it is sent back to the fork; who wasn't goes on, on either daemon."""
    county = new_county("--bare", "--standby", "async", "--daemons", "2")
    writer = county.peer("dongshan")
    told, quiet = add(writer), add(writer)
    both = county.peer("bureau").watch(terms=of(told))
    others = [county.peer("leader", n=n).watch(terms=of(quiet), credit=200) for n in (1, 2)]  # for one event, no bookmark
    for project in (told, quiet):
        writer.finish(edit(writer, project, summary="共有"))
    shared = [w.until(lambda e: e.version == 2)[-1] for w in (both, *others)][-1]
    wait_for(lambda: county.psql("SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()") == [["1"]])
    (sender,) = county.psql("SELECT pid FROM pg_stat_replication")[0]
    os.kill(int(sender), signal.SIGSTOP)
    writer.finish(edit(writer, told, summary="将失"))
    lost = both.until(lambda e: e.version == 3)[-1]
    county.pg("kill")
    county.pg("promote")
    feed = ended(both, timeout=30)
    assert feed.error.code == "DIVERGED"
    assert cursor_text(feed.error.fork) == cursor_text(cursor_of_event(shared)) and lost.rev > shared.rev
    again = county.peer("bureau", n=2)
    error = refusal(lambda: again.watch(after=cursor_of_event(lost), known=[cursor_of_event(shared)]))
    assert (error.code, cursor_text(error.fork)) == ("DIVERGED", cursor_text(cursor_of_event(shared)))
    repaired = again.watch(after=error.fork, snapshot="changed", objects=[told.id])
    assert [(e.object, e.version, e.view) for e in repaired.next().events] == [(told.id, 2, "enter")]
    after = county.peer("dongshan")
    after.finish(edit(after, quiet, summary="新史"))
    for watch in others:
        grant(watch, 100000)
        event = watch.until(lambda e: e.version == 3, timeout=20)[-1]
        assert event.epoch == shared.epoch + 1 and event.rev > lost.rev
