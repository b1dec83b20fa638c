# SPDX-License-Identifier: Apache-2.0
"""The registry through the independent client of peer.py: what proto/README.md promises, and nothing of our own code in between."""
import hashlib
import os
import pathlib
import signal
import time

import pytest
from peer import OPS, Gone, Refused, cursor_of_event, cursor_text, pb

STAGE, NAME, SUMMARY, LAND = 50, 4, 16, 32  # field numbers of Project


@pytest.fixture
def invent(rng):
    """A project nobody registered yet."""
    def make(**more):
        mark = "".join(rng.choice("甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥") for _ in range(8))
        return {"name": f"{mark}试验项目", "investor": f"{mark}有限公司", "stage": "lead", **more}
    return make


@pytest.fixture
def dongshan(county):
    with county.peer("dongshan") as peer:
        yield peer


@pytest.fixture
def bureau(county):
    with county.peer("bureau", n=2) as peer:  # through the other daemon
        yield peer


def refused(call):
    with pytest.raises(Refused) as no:
        call()
    return no.value.error


# ---------------------------------------------------------------- who, add, edit


def test_signs_in(county, dongshan):
    me = dongshan.do("whoami")
    assert (me.account, me.office, me.role) == ("dongshan", "dongshan", "clerk@dongshan")
    assert me.identity == "qipan:person:dongshan"
    assert {"read", "write"} <= set(me.rights)
    assert abs(me.now_at / 1e6 - time.time()) < 60
    assert (dongshan.welcome.account, dongshan.welcome.office, dongshan.welcome.version) == ("dongshan", "dongshan", 1)
    assert (dongshan.welcome.ping_ms, dongshan.welcome.dead_ms, dongshan.welcome.frame_bytes) == (10000, 25000, 65536)
    assert county.peer("robot").do("whoami").identity == "qipan:machine:robot"


def test_adds_and_shows(dongshan, bureau, invent):
    wish = invent(amount_total=35_000_000_000, land_mu="86.5", tags=["链", "新"], contact_phone="0000-1234567",
                  planned_start_on="2027-03")
    done = dongshan.do("project_add", set=wish, reason="首报")
    assert done.project.version == 1 and done.rev > 0 and done.project.no and not done.replayed
    assert done.project.currency == "CNY" and done.project.office == "dongshan"
    for identity in (done.project.id, done.project.no):
        seen = bureau.do("project_show", id=identity).project
        assert seen.contact_phone == "0000-1234567"  # the bureau may see it
        for field, value in wish.items():
            assert getattr(seen, field) == value


@pytest.mark.parametrize("text", ['"', "\\", '"征地"', "a\\", "\t制表\n换行", "\\n不是换行", '{"a":["\\u4e00",1]}', "一"])
def test_every_character_arrives(text, dongshan, bureau, invent):
    done = dongshan.do("project_add", set=invent(summary=f"始{text}{text}终"))
    assert bureau.do("project_show", id=done.project.id).project.summary == f"始{text}{text}终"


def test_contact_is_not_for_everybody(county, dongshan, invent):
    done = dongshan.do("project_add", set=invent(contact_name="某人"))
    assert done.project.contact_name == "某人"
    assert not county.peer("jingkai").do("project_show", id=done.project.id).project.HasField("contact_name")


def test_adds_once(county, dongshan, invent):
    """The same id and bytes: the same answer, at another daemon and over another connection too."""
    wish, request = invent(), dongshan.next_request()
    first = dongshan.do("project_add", set=wish, request=request)
    again = dongshan.do("project_add", set=wish, request=request)
    elsewhere = county.peer("dongshan", n=2).do("project_add", set=wish, request=request)
    for other in (again, elsewhere):
        assert other.replayed and other.rev == first.rev
        assert (other.project.id, other.project.version) == (first.project.id, 1)
    error = refused(lambda: dongshan.do("project_add", set={**wish, "summary": "别的"}, request=request))
    assert (error.code, error.status) == ("KEY_REUSED", 9)
    error = refused(lambda: dongshan.do("project_edit", id=first.project.id, set={"summary": "别的"}, request=request))
    assert error.code == "KEY_REUSED"
    receipt = dongshan.do("receipt_show", id=request)
    assert (receipt.op, receipt.status, receipt.object, receipt.rev) == ("project_add", "OK", first.project.id, first.rev)


def test_first_report_wins(county, dongshan, invent):
    wish = invent()
    done = dongshan.do("project_add", set=wish)
    error = refused(lambda: county.peer("jingkai").do("project_add", set=wish))
    assert (error.code, error.other_office, error.other_no) == ("ALREADY_EXISTS", "dongshan", done.project.no)
    assert error.at > 0


def test_wrong_values_are_named(dongshan, invent):
    for wish, field in [({"stage": "sigend"}, "stage"), ({"land_mu": "many"}, "land_mu"), ({"signed_on": "2026-02-30"}, "signed_on"),
                        ({"credit_code": "123"}, "credit_code"), ({"industry": "Z99"}, "industry"),
                        ({"amount_total": -1}, "amount_total")]:
        error = refused(lambda: dongshan.do("project_add", set=invent(**wish)))
        assert (error.code, error.field) == ("INVALID_ARGUMENT", field), wish
        assert error.message
    assert "signed" in refused(lambda: dongshan.do("project_add", set=invent(stage="sigend"))).allowed


def test_others_may_not_write(county, dongshan, invent):
    done = dongshan.do("project_add", set=invent())
    error = refused(lambda: county.peer("jingkai").do("project_edit", id=done.project.id, set={"summary": "x"}, base=1))
    assert error.code == "PERMISSION_DENIED"
    assert refused(lambda: dongshan.do("project_show", id="nothing")).code == "NOT_FOUND"


# ---------------------------------------------------------------- merge and conflict


def test_different_fields_merge_and_the_same_field_conflicts(dongshan, bureau, invent):
    made = dongshan.do("project_add", set=invent(summary="一期")).project
    mine = dongshan.do("project_edit", id=made.id, base=1, set={"summary": "一期二期"})
    theirs = bureau.do("project_edit", id=made.id, base=1, set={"land_mu": "120"})
    assert (mine.project.version, theirs.project.version) == (2, 3)
    assert (theirs.project.summary, theirs.project.land_mu) == ("一期二期", "120")

    error = refused(lambda: bureau.do("project_edit", id=made.id, base=1, set={"summary": "三期", "site": "东区"}))
    assert (error.code, error.status, error.field) == ("CONFLICT", 10, "summary")
    assert (error.base_value, error.theirs, error.yours, error.by) == ("一期", "一期二期", "三期", "dongshan")
    assert [f.field for f in error.fields] == ["summary"]
    assert (error.fields[0].theirs, error.fields[0].at) == (error.theirs, error.at)
    assert not bureau.do("project_show", id=made.id).project.HasField("site")  # nothing of it was done

    same = bureau.do("project_edit", id=made.id, base=1, set={"summary": "一期二期"})
    assert same.project.version == 3 and not same.HasField("rev")  # the same value is no clash, and no change

    log = dongshan.do("project_log", id=made.id).rows
    assert [(e.version, e.actor) for e in log] == [(1, "dongshan"), (2, "dongshan"), (3, "bureau")]


def test_nobody_conflicts_with_oneself(dongshan, invent):
    made = dongshan.do("project_add", set=invent(summary="甲")).project
    for text in ("乙", "丙", "丁"):
        dongshan.do("project_edit", id=made.id, base=1, set={"summary": text})
    assert dongshan.do("project_show", id=made.id).project.summary == "丁"


def test_force_needs_a_reason(dongshan, bureau, invent):
    made = dongshan.do("project_add", set=invent(summary="甲")).project
    dongshan.do("project_edit", id=made.id, base=1, set={"summary": "乙"})
    error = refused(lambda: bureau.do("project_edit", id=made.id, base=1, set={"summary": "丙"}, force=True))
    assert (error.code, error.field) == ("INVALID_ARGUMENT", "reason")
    done = bureau.do("project_edit", id=made.id, base=1, set={"summary": "丙"}, force=True, reason="核实过")
    assert done.project.summary == "丙"


def test_forbidden_transition_says_what_is_allowed(dongshan, invent):
    made = dongshan.do("project_add", set=invent()).project
    error = refused(lambda: dongshan.do("project_advance", id=made.id, stage="producing"))
    assert error.code == "FAILED_PRECONDITION" and error.allowed
    done = dongshan.do("project_advance", id=made.id, stage=error.allowed[0])
    assert done.project.stage == error.allowed[0]


def test_many_edits_of_one_connection_in_order(dongshan, invent):
    """A pipeline: all sent before the first answer is read, done in the order in which they came."""
    made = dongshan.do("project_add", set=invent()).project
    started = [dongshan.start("project_edit", id=made.id, set={"summary": f"第{n}次"}) for n in range(40)]
    versions = [dongshan.finish(s).project.version for s in started]
    assert versions == list(range(2, 42))
    assert dongshan.do("project_show", id=made.id).project.summary == "第39次"


# ---------------------------------------------------------------- lists


def test_pages_join(bureau):
    everything = {r.id for r in pages(bureau, limit=500)}
    assert len(everything) > 10
    small = [r.id for r in pages(bureau, limit=7, sort="name")]
    assert len(small) == len(set(small)) and set(small) >= everything


def pages(peer, **how):
    rows, page = [], peer.do("project_list", **how)
    assert page.total >= len(page.rows)
    while True:
        assert len(page.rows) <= how["limit"]
        rows += page.rows
        if not page.HasField("next"):
            return rows
        page = peer.do("project_list", after=page.next, **how)
        assert not page.HasField("total")


def test_searches_two_characters(dongshan, bureau, invent):
    wish = invent()
    made = dongshan.do("project_add", set=wish).project
    assert made.id in {r.id for r in pages(bureau, limit=500, search=wish["name"][2:4])}
    assert made.id in {r.id for r in pages(bureau, limit=500, search=wish["investor"][1:7])}


# ---------------------------------------------------------------- watch


def test_watch_tells_what_changed(county, dongshan, bureau, invent):
    watch = bureau.watch()
    made = dongshan.do("project_add", set=invent(summary="甲"), reason="首报")
    edit = dongshan.do("project_edit", id=made.project.id, base=1, set={"summary": "乙"}, reason="更正")
    heard = watch.until(lambda e: e.object == made.project.id and e.version == 2)
    events = new, changed = [e for e in heard if e.object == made.project.id]
    assert (new.type, new.kind, new.view, new.version, new.rev) == ("project.changed", "project", "enter", 1, made.rev)
    assert {v.number: v.value for v in new.row}[NAME] == made.project.name
    assert (changed.view, changed.version, changed.rev) == ("update", 2, edit.rev)
    assert [(c.number, c.old, c.new) for c in changed.changes] == [(SUMMARY, "甲", "乙")]
    assert (changed.actor, changed.office, changed.reason) == ("dongshan", "dongshan", "更正")
    assert changed.request == f"{dongshan.instance}-{dongshan.requests}"
    assert changed.last and changed.at > new.at > 0 and changed.epoch > 0 and not changed.row
    log = bureau.do("project_log", id=made.project.id).rows
    for logged, watched in zip(log, events, strict=True):  # the very lines, but for how they concern a watch
        for field in ("rev", "tag", "entry", "idx", "last", "object", "version", "actor", "reason", "request", "at", "epoch"):
            assert getattr(logged, field) == getattr(watched, field), field
        assert [(c.number, c.old, c.new) for c in logged.changes] == [(c.number, c.old, c.new) for c in watched.changes]


def test_echo_only_when_asked_for(county, dongshan, invent):
    quiet, loud = dongshan.watch(), dongshan.watch(echo=True)
    twin = county.peer("dongshan", n=2)  # the same account, another instance
    mine = dongshan.do("project_add", set=invent()).project.id
    theirs = twin.do("project_add", set=invent()).project.id
    heard = {e.object for e in loud.until(lambda e: e.object == theirs)}
    assert {mine, theirs} <= heard
    heard = {e.object for e in quiet.until(lambda e: e.object == theirs)}
    assert theirs in heard and mine not in heard


def test_terms_enter_and_leave(dongshan, bureau, invent):
    made = dongshan.do("project_add", set=invent(amount_total=500_00)).project
    watch = bureau.watch(terms=[{"field": "project", "op": "=", "values": [made.id]},
                                {"field": "amount_total", "op": ">=", "values": ["1000.00"]}])
    for amount in (600_00, 2000_00, 3000_00, 700_00, 800_00):
        dongshan.do("project_edit", id=made.id, set={"amount_total": amount})
    events = watch.until(lambda e: e.view == "leave")
    assert [(e.view, e.version) for e in events] == [("enter", 3), ("update", 4), ("leave", 5)]
    assert {v.number: v.value for v in events[0].row}[20] == "2000.00"
    assert not events[2].changes and not events[2].row


def test_contact_is_masked_in_the_feed(county, dongshan, bureau, invent):
    made = dongshan.do("project_add", set=invent()).project
    watch = county.peer("jingkai").watch(terms=[{"field": "project", "op": "=", "values": [made.id]}])
    dongshan.do("project_edit", id=made.id, set={"contact_phone": "0000-7654321"})
    event = watch.until(lambda e: e.version == 2)[-1]
    assert [(c.number, c.masked, c.old, c.new) for c in event.changes] == [(45, True, "", "")]
    assert b"7654321" not in event.SerializeToString()


def test_from_the_beginning_and_up_to_now(county, bureau):
    """All revisions there are, each once, in order, without a gap."""
    watch = bureau.watch(from_start=True)
    events = []
    while watch.state != "LIVE":
        events += watch.next().events
    places = [(e.rev, e.idx) for e in events]
    assert places == sorted(set(places)) and len(places) > 20
    (newest,) = county.psql("SELECT max(rev) FROM registry.txn")[0]
    assert watch.seen.rev >= int(newest) - 1


def test_resumes_inside_a_frame(county, bureau, dongshan, invent):
    """Stop after any event: the next watch begins with the very next one."""
    start = bureau.watch().at
    for _ in range(12):
        dongshan.do("project_add", set=invent())
    whole = [cursor_text(cursor_of_event(e)) for e in bureau.watch(after=start).events(12)]
    assert len(whole) >= 12
    for stop in (0, 5, len(whole) - 2):
        tried = bureau.watch(after=start).events(stop + 1)[:stop + 1]
        rest = bureau.watch(after=cursor_of_event(tried[-1])).events(len(whole) - stop - 1)
        assert [cursor_text(cursor_of_event(e)) for e in rest][:len(whole) - stop - 1] == whole[stop + 1:]


def test_places_that_are_not_there(bureau):
    at = bureau.watch().at
    future = pb.Cursor(epoch=at.epoch, rev=at.rev + 100000, tag=1)
    assert refused(lambda: bureau.watch(after=future)).code in ("FUTURE_REVISION", "DIVERGED")
    wrong = pb.Cursor(epoch=at.epoch, rev=at.rev, tag=at.tag ^ 1)
    assert refused(lambda: bureau.watch(after=wrong)).code == "DIVERGED"
    assert refused(lambda: bureau.watch(after=pb.Cursor(epoch=at.epoch + 5, rev=at.rev, tag=at.tag))).code == "DIVERGED"


def test_resumes_exactly_after_kill(new_county, rng):
    """Watch, lose the daemon, 500 changes, kill -9, start: the rest comes, exactly, once, in order."""
    county = new_county("--bare", "--daemons", "2")
    writer, reader = county.peer("dongshan"), county.peer("bureau", n=2)
    made = writer.do("project_add", set={"name": "续看试验", "investor": "续看公司", "stage": "lead"}).project
    watch = reader.watch()
    for n in range(20):
        writer.do("project_edit", id=made.id, set={"summary": f"前{n}"})
    before = watch.until(lambda e: e.version == 21)
    stop = rng.randrange(len(before))
    seen, after = cursor_of_event(before[stop]), before[stop + 1:]

    county.kill(2)
    with pytest.raises(Gone):
        while True:
            watch.next(timeout=5)
    for n in range(500):
        writer.do("project_edit", id=made.id, set={"summary": f"后{n}"})
    county.kill(1)
    county.start(1)
    county.start(2)

    again = county.peer("bureau").watch(after=seen)
    events = again.events(len(after) + 500, timeout=30)
    told = [c.new for e in events for c in e.changes]
    assert told == [c.new for e in after for c in e.changes] + [f"后{n}" for n in range(500)]
    assert [e.version for e in events] == list(range(events[0].version, events[0].version + len(events)))
    with pytest.raises(TimeoutError):
        while True:
            assert not again.next(timeout=1).events


def test_unanswered_changes_are_sent_again(new_county):
    """The daemon dies while changes are in flight: the same bytes under the same id, and each is done once."""
    county = new_county("--bare", "--daemons", "2")
    writer = county.peer("dongshan")
    made = writer.do("project_add", set={"name": "重发试验", "investor": "重发公司", "stage": "lead"}).project
    calls = {f"{writer.instance}-e{n}": OPS["project_edit"].request(id=made.id, set={"summary": f"第{n}次"}).SerializeToString()
             for n in range(300)}
    sent = {writer.send_call(OPS["project_edit"].number, payload, request): request for request, payload in calls.items()}
    answered = set()
    with pytest.raises((Gone, OSError)):
        for call, request in sent.items():
            writer.wait(call)
            answered.add(request)
            if len(answered) == 50:
                os.kill(int((pathlib.Path(county.env["QIPAN_RUN"]) / "qipand-1.pid").read_text()), signal.SIGKILL)
    assert 50 <= len(answered) < 300
    other = county.peer("dongshan", n=2)
    for request, payload in calls.items():
        reply = OPS["project_edit"].reply.FromString(other.wait(other.send_call(OPS["project_edit"].number, payload, request)))
        assert reply.replayed or request not in answered
    rows = county.psql(f"SELECT count(*), count(DISTINCT e.request) FROM registry.change c JOIN registry.entry e USING (grp, ord) "
                       f"WHERE c.object = '{made.id}' AND e.request LIKE '{writer.instance}-e%'")
    assert rows == [["300", "300"]]


# ---------------------------------------------------------------- PostgreSQL goes away


def test_unavailable_within_the_deadline_and_back_by_itself(new_county):
    county = new_county("--bare")
    writer, watcher = county.peer("dongshan"), county.peer("bureau")
    made = writer.do("project_add", set={"name": "断库试验", "investor": "断库公司", "stage": "lead"}).project
    watch = watcher.watch()
    county.pg("stop")
    begun = time.monotonic()
    error = refused(lambda: writer.do("project_show", id=made.id, deadline_ms=2000))
    assert (error.code, error.status) == ("UNAVAILABLE", 14) and time.monotonic() - begun < 3
    request = writer.next_request()
    error = refused(lambda: writer.do("project_edit", id=made.id, set={"summary": "后"}, request=request, deadline_ms=1000))
    assert error.code in ("UNAVAILABLE", "UNKNOWN")
    with pytest.raises(Gone) as no:
        county.peer("jingkai", timeout=8)
    assert no.value.code == "UNAVAILABLE"  # not the fault of the certificate
    county.pg("start")
    until = time.monotonic() + 15
    while True:
        try:
            done = writer.do("project_edit", id=made.id, set={"summary": "后"}, request=request)
            break
        except Refused as e:
            assert e.code == "UNAVAILABLE" and time.monotonic() < until
            time.sleep(0.1)
    assert done.project.version == 2
    versions = [e.version for e in watch.until(lambda e: e.version == 2, timeout=15)]
    assert versions in ([2], [1, 2])  # "now" may lie a little before what was just answered


def test_daemon_starts_before_postgresql(new_county):
    county = new_county("--bare")
    county.pg("stop")
    county.kill(1)
    county.start(1)
    with pytest.raises(Gone) as no:
        county.peer("bureau", timeout=8)
    assert no.value.code == "UNAVAILABLE"
    county.pg("start")
    until = time.monotonic() + 15
    while True:
        try:
            assert county.peer("bureau", timeout=8).do("whoami").account == "bureau"
            return
        except (Gone, Refused) as e:
            assert e.code == "UNAVAILABLE" and time.monotonic() < until, e
            time.sleep(0.1)


# ---------------------------------------------------------------- import, over the wire


def test_imports_in_chunks(county, bureau, rng):
    robot = county.peer("robot")
    rows = [dict(row=n + 2, set={"name": f"导入项目{rng.random():.9f}-{n}", "investor": f"导入公司{rng.random():.9f}",
                                 "external_id": f"x{n}", "stage": "lead"}) for n in range(50)]
    rows[7]["bad"] = [dict(field="amount_total", column="总投资", text="很多", message="不是金额")]
    rows[9] = dict(row=11, skip="合计")
    mark = hashlib.sha256(repr(rows).encode()).digest()
    batch = robot.do("import_open", file_sha256=mark, file_name="试验.csv", source=f"test-{mark.hex()[:8]}", profile="p",
                     profile_sha256=mark, rows=50, office="dongshan")
    assert batch.next_chunk == 0
    for chunk in range(5):
        robot.do("import_put", id=batch.id, chunk=chunk, rows=rows[chunk * 10:chunk * 10 + 10])
    judged = robot.do("import_judge", id=batch.id)
    assert (judged.added, judged.rejected, judged.skipped, judged.rows) == (48, 1, 1, 50)
    (bad,) = robot.do("import_verdicts", id=batch.id, verdicts=["rejected"]).rows
    assert (bad.row, bad.column, bad.text) == (9, "总投资", "很多")

    watch = bureau.watch()
    error = refused(lambda: robot.do("import_commit", id=batch.id))  # one bad row stops all
    assert error.code in ("FAILED_PRECONDITION", "INVALID_ARGUMENT")
    done = robot.do("import_commit", id=batch.id, keep_going=True)
    assert (done.added, done.rejected) == (48, 1) and done.rev > 0
    events = [e for e in watch.until(lambda e: e.batch and e.last) if e.batch]
    assert len(events) == 48 and {e.rev for e in events} == {done.rev} and {e.batch for e in events} == {batch.id}
    assert [e.last for e in events].count(True) == 1 and events[-1].last
