# SPDX-License-Identifier: Apache-2.0
"""The feed under faults and tricks: links that are reset, places that can't be resumed from, filters nobody would write. An exact answer
each, never silence. The long cases are in tests/faults."""
import time

import peer as peer_module
import pytest
from conftest import SLOW
from peer import Gone, Refused, cursor_of_event, pb
from steps import add, edit, refusal, reset

PROMPT = 5 * SLOW  # seconds for an answer; a daemon behind the client's place may wait two


def place_of(event):
    return event.rev, event.idx, event.object, event.version


def history(county):
    return [(int(rev), int(idx), object_, int(version)) for rev, idx, object_, version in county.psql(
        "SELECT t.rev, c.idx, c.object, c.version FROM registry.change c JOIN registry.txn t USING (grp)"
        " WHERE c.kind = 'project' ORDER BY 1, 2")]


def test_resume_storm(new_county, rng):
    """Case 31: 200 times a subscriber's link is reset in the middle, and it goes on at the other daemon from where it was: within a
    frame, between frames, or before it got anything. Nothing is missed, nothing comes twice."""
    county = new_county("--bare", "--daemons", "2")
    seen, cursor, resumes, sent = [], None, 0, 0
    with county.peer("bureau") as writer:
        projects = [add(writer) for _ in range(20)]
        reader, total = None, 20
        while resumes < 200 or sent < 600:
            for call in [edit(writer, rng.choice(projects), summary=f"{sent + i}") for i in range(3)]:
                writer.finish(call)
            sent += 3
            if reader is None:
                reader = county.peer("leader", n=1 + resumes % 2)
                watch = reader.watch(**({"after": cursor} if cursor else {"from_start": True}))
            for _ in range(rng.randrange(3)):
                try:
                    feed = watch.next(rng.choice((0.001, 0.05)))
                except TimeoutError:
                    break
                keep = rng.randrange(len(feed.events) + 1) if rng.random() < 0.3 else len(feed.events)
                seen += [place_of(e) for e in feed.events[:keep]]
                if keep < len(feed.events):  # it dies with the rest of the frame undone
                    cursor = cursor_of_event(feed.events[keep - 1]) if keep else cursor or feed.after
                    break
                cursor = feed.upto
            else:
                if rng.random() < 0.3:
                    continue
            reset(reader.link.tls)
            reader, resumes = None, resumes + 1
        total += sent
        with county.peer("leader") as last:
            watch = last.watch(after=cursor)
            seen += [place_of(e) for e in watch.events(total - len(seen), 30 * SLOW)]
    assert seen == history(county) and len(seen) == total


class Written:
    """A registry of forty revisions, of which the first ten are no longer offered to subscribers."""

    def __init__(self, county):
        self.county = county
        with county.peer("bureau") as writer:
            project = add(writer)
            for i in range(39):
                writer.finish(edit(writer, project, summary=str(i)))
        rows = county.psql("SELECT epoch, rev, tag FROM registry.txn ORDER BY rev")
        self.places = {int(rev): pb.Cursor(epoch=int(epoch), rev=int(rev), tag=int(tag) % (1 << 64)) for epoch, rev, tag in rows}
        self.last = max(self.places)
        self.min = 11
        county.psql("INSERT INTO registry.setting VALUES ('journal.min_rev', '11')")

    def forged(self, like=None, **changed):
        cursor = pb.Cursor()
        cursor.CopyFrom(self.places[like or self.last])
        for field, value in changed.items():
            setattr(cursor, field, value)
        return cursor


@pytest.fixture(scope="module")
def written():
    from conftest import County
    one = County("--bare", "--daemons", "2")
    try:
        yield Written(one.up())
    finally:
        one.down()


@pytest.mark.parametrize("name, after, first", [
    ("kept no longer, but nothing behind it is missing", lambda w: w.places[w.min - 1], 11),
    ("the first that is kept", lambda w: w.places[w.min], 12),
    ("in the middle", lambda w: w.places[25], 26),
    ("without an epoch, known by its tag", lambda w: w.forged(25, epoch=0), 26),
    ("the last", lambda w: w.places[w.last], None)])
def test_resume_from_a_place(written, name, after, first):
    """Case 32: from there on everything, exactly; from the last, what comes later."""
    with written.county.peer("leader", n=2) as reader, written.county.peer("bureau") as writer:
        watch = reader.watch(after=after(written))
        marker = add(writer)
        seen = watch.until(lambda e: e.object == marker.id, PROMPT)
        want = [row[0] for row in history(written.county) if row[0] >= (first or written.last + 1)]
        new = [row for row in want if row > written.last]
        assert [e.rev for e in seen] == [r for r in want if r <= written.last] * (first is not None) + new
        written.last, written.places[seen[-1].rev] = seen[-1].rev, cursor_of_event(seen[-1])


@pytest.mark.parametrize("name, after, code", [
    ("older than what is kept", lambda w: w.places[w.min - 2], "COMPACTED"),
    ("the very first", lambda w: w.places[1], "COMPACTED"),
    ("one beyond the last", lambda w: w.forged(rev=w.last + 1), "FUTURE_REVISION"),
    ("the largest number", lambda w: w.forged(rev=2**63 - 1), "FUTURE_REVISION"),
    ("another epoch", lambda w: w.forged(epoch=7), "DIVERGED"),
    ("a forged tag", lambda w: w.forged(tag=12345), "DIVERGED"),
    ("a negative revision", lambda w: w.forged(rev=-1), "INVALID_ARGUMENT"),
    ("a negative change", lambda w: w.forged(idx=-5), "INVALID_ARGUMENT")])
def test_no_resume_from_a_place(written, name, after, code):
    """Case 32: what can't be resumed from is refused by name, with what the client needs to go on."""
    for n in (1, 2):
        with written.county.peer("leader", n=n) as reader:
            begun = time.monotonic()
            error = refusal(lambda: reader.watch(after=after(written)))
            assert error.code == code and time.monotonic() - begun < PROMPT
            if code == "COMPACTED":
                assert error.rev == written.min
            if code == "FUTURE_REVISION":
                assert error.rev >= written.last
            assert reader.do("whoami").account == "leader"


def test_the_beginning_is_what_is_kept(written):
    """Case 32: from_start begins at the first revision that is kept, and says nothing of COMPACTED."""
    with written.county.peer("leader") as reader:
        seen = reader.watch(from_start=True).events(5, PROMPT)
        assert [e.rev for e in seen][:5] == [11, 12, 13, 14, 15]


def test_a_change_number_beyond_the_revision(written):
    """Case 32: the registry never gave such a place."""
    with written.county.peer("leader") as reader:
        error = refusal(lambda: reader.watch(after=written.forged(25, idx=500)))
        assert (error.code, error.field) == ("INVALID_ARGUMENT", "after")


# ---------------------------------------------------------------- filters


def term(field, op, *values):
    return pb.Term(field=field, op=op, values=list(values))


def watched(peer, terms, until):
    """The objects that concern a watch after `until`: what entered and didn't leave."""
    watch, held = peer.watch(from_start=True, echo=True, terms=terms), {}
    while watch.seen.rev < until:
        for e in watch.next(PROMPT).events:
            if e.view == "leave":
                held.pop(e.object, None)
            else:
                held[e.object] = e.version
    watch.cancel()
    return set(held)


def listed(peer, terms):
    found, after = set(), None
    while True:
        page = peer.do("project_list", terms=terms, limit=200, **({"after": after} if after else {}))
        found |= {p.id for p in page.rows}
        if not page.HasField("next"):
            return found
        after = page.next


def test_filters_mean_what_lists_mean(new_county, rng):
    """Case 42: open, empty and reversed ranges, classes, several values, nothing: a watch from the beginning arrives where the list is."""
    county = new_county("--bare")
    offices, stages, tags = ["chengguan", "dongshan", "bureau"], ["lead", "intent", "talks"], ["大", "新", "链"]
    with county.peer("bureau") as peer:
        for i in range(60):
            project = add(peer, office=rng.choice(offices), tags=rng.sample(tags, rng.randrange(3)),
                          amount_total=rng.randrange(10) * 100_000_000, industry=rng.choice(["C38", "C39", "A01"]))
            if rng.random() < 0.5:
                peer.finish(edit(peer, project, amount_total=rng.randrange(10) * 100_000_000, tags=rng.sample(tags, 1)))
        last = int(county.psql("SELECT max(rev) FROM registry.txn")[0][0])
        amount = lambda: f"{rng.randrange(12) * 1000000}.00"  # noqa: E731
        cases = [
            [term("amount_total", ">=", "3000000.00")], [term("amount_total", "<", "0.00")],
            [term("amount_total", ">=", "5000000.00"), term("amount_total", "<=", "2000000.00")],
            [term("amount_total", "=", "")], [term("tags", "!=", "")], [term("office", "=", *offices)],
            [term("industry", "=", "C")], [term("industry", "!=", "C38")], [term("park", "=", "")],
            [term("stage", "=", "lead"), term("stage", "!=", "lead")]]
        for _ in range(30):
            cases.append([rng.choice([lambda: term("amount_total", rng.choice([">=", "<=", ">", "<", "=", "!="]), amount()),
                                      lambda: term("tags", rng.choice(["=", "!="]), *rng.sample(tags, rng.randrange(1, 3))),
                                      lambda: term("office", rng.choice(["=", "!="]), rng.choice(offices)),
                                      lambda: term("stage", "=", *rng.sample(stages, 2))])() for _ in range(rng.randrange(1, 4))])
        sizes = []
        for terms in cases:
            want = listed(peer, terms)
            assert watched(peer, terms, last) == want, terms
            sizes.append(len(want))
    assert 0 in sizes and max(sizes) > 20


@pytest.mark.parametrize("name, terms", [
    ("10 000 values", lambda: [term("tags", "=", *map(str, range(10000)))]),
    ("4 000 terms", lambda: [term("tags", "=", "x")] * 4000),
    ("1 000 terms", lambda: [term("tags", "=", "x")] * 1000),
    ("no values", lambda: [term("tags", "=")]),
    ("no operator", lambda: [pb.Term(field="tags", values=["x"])]),
    ("unknown operator", lambda: [term("tags", "≈", "x")]),
    ("no field", lambda: [term("", "=", "x")]),
    ("a range of codes", lambda: [term("stage", ">=", "lead")]),
    ("a field nobody may watch", lambda: [term("contact_phone", "=", "1")]),
    ("an amount that is none", lambda: [term("amount_total", ">=", "many")]),
    ("contains", lambda: [term("name", "~", "x")])])
def test_filters_that_are_refused(county, name, terms):
    """Case 42: refused by name, at once, and the connection serves on."""
    with county.peer("leader") as peer:
        begun = time.monotonic()
        error = refusal(lambda: peer.watch(terms=terms()))
        assert error.code in ("INVALID_ARGUMENT", "TOO_LARGE") and time.monotonic() - begun < PROMPT
        assert peer.do("whoami").account == "leader"


def test_the_same_watch_twice(county):
    """Case 42: two watches for the same both get all of it; a number in use is refused; there is a limit, and it is said."""
    with county.peer("leader") as reader, county.peer("bureau") as writer:
        one, two = reader.watch(), reader.watch()
        project = add(writer)
        assert one.events(1)[0].object == two.events(1)[0].object == project.id
        for _ in range(14):
            reader.watch()
        error = refusal(reader.watch)
        assert error.code in ("BUSY", "TOO_LARGE", "INVALID_ARGUMENT"), error
        one.cancel()
        assert reader.watch().at.rev >= project.version
    with county.peer("leader") as reader:
        reader.watch()
        reader.calls -= 1
        begun = time.monotonic()
        with pytest.raises((Refused, Gone)) as refused:
            reader.watch()
        assert refused.value.code == "PROTOCOL_ERROR" and time.monotonic() - begun < PROMPT


# ---------------------------------------------------------------- credit, receipts


@pytest.mark.parametrize("credit", [2**32, (16 << 20) + 1, 2**64 - 1])
def test_too_much_credit(county, credit):
    """Case 32: more than a watch may hold is refused; at its beginning, and later as the end of the watch."""
    with county.peer("leader") as peer:
        error = refusal(lambda: peer.watch(credit=credit))
        assert error.code == "INVALID_ARGUMENT" and error.field == "credit"
        watch = peer.watch(credit=1000)
        peer.link.send(pb.Frame(credit=pb.Credit(call=watch.call, bytes=credit)))
        assert ended(watch).code == "INVALID_ARGUMENT"
        assert peer.do("whoami").account == "leader"


def ended(watch, timeout=PROMPT):
    """The error of the feed frame that ends a watch."""
    until = time.monotonic() + timeout
    while True:
        feed = watch.next(max(0.01, until - time.monotonic()))
        if feed.HasField("error"):
            return feed.error


def test_no_credit(county):
    """Case 32: a watch without credit says nothing, however much happens; with credit it goes on without a gap. Others don't wait."""
    with county.peer("leader") as reader, county.peer("bureau") as writer:
        paused, other = reader.watch(credit=0), reader.watch()
        project = add(writer)
        for i in range(200):
            writer.finish(edit(writer, project, summary=f"{i} " + "长" * 1000))
        assert len(other.until(lambda e: e.version == 201, PROMPT)) >= 201
        assert not paused.feeds
        granted, seen = 0, []
        while len(seen) < 201:
            reader.link.send(pb.Frame(credit=pb.Credit(call=paused.call, bytes=70000)))  # the last frame may overdraw
            granted += 70000
            before = len(seen)
            seen += paused.events(1, PROMPT)
            assert len(seen) > before
        assert [e.version for e in seen] == list(range(1, 202)) and granted >= 200 * 3000 - 70000


@pytest.mark.parametrize("ahead, code", [(1, "FUTURE_REVISION"), (1000, "FUTURE_REVISION"), (2**62, "FUTURE_REVISION"),
                                         (None, "NOT_FOUND")])
def test_receipt_of_what_is_not_there(county, ahead, code):
    """Case 32: nobody can take note of the future, nor of nothing."""
    with county.peer("leader") as peer:
        last = int(county.psql("SELECT last_value FROM registry.rev_seq")[0][0])
        error = refusal(lambda: peer.do("receipt_sign", of_rev=last + ahead if ahead else 0))
        assert error.code == code and error.field == "of_rev"
