# SPDX-License-Identifier: Apache-2.0
"""The daemon as its operator and the registry know it: boot, reload, drain, locks, crashes, gaps, slow readers."""
import itertools
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import peer as peer_module
import pytest
from conftest import BUILD, SLOW
from steps import Frozen, add, connect, edit, here, pid_of, processes_of, resident_kb, wait_for

QIPAND = str(BUILD / "bin/qipand")
_names = itertools.count(1)


def as_user(args, **how):
    """As the user the county's daemons run as: root would be refused for another reason than the one looked for."""
    if os.getuid() == 0:
        args = ["runuser", "-u", "postgres", "--", *args]
    return subprocess.run(args, capture_output=True, text=True, timeout=30, **how)


# ---------------------------------------------------------------- boot, reload, end


def settings_of(county, **changed):
    text = (county.dir / "qipand-1.ini").read_text()
    for key, value in changed.items():
        text = re.sub(rf"(?m)^{key} *=.*$", "", text) + f"\n{key} = {value}\n"
    path = here(county) / f"test-{next(_names)}.ini"
    path.write_text(text)
    path.chmod(0o644)
    return str(path)


@pytest.fixture
def program(county):
    """The program where the unprivileged user can reach it."""
    return str(here(county) / "bin/qipand")


def test_help_lists_every_option(program):
    shown = subprocess.run([QIPAND, "--help"], capture_output=True, text=True, timeout=10)
    names = re.findall(r"^OPTION\((\w+)", (pathlib.Path(__file__).parents[2] / "daemon/options.def").read_text(), re.M)
    assert shown.returncode == 0 and len(names) > 10
    assert all(re.search(rf"^  {name} ", shown.stdout, re.M) for name in names)


def test_root_is_refused(county):
    if os.getuid() != 0:
        assert subprocess.run([QIPAND], capture_output=True, timeout=10).returncode == 2
        return
    done = subprocess.run([QIPAND, "--config", str(county.dir / "qipand-1.ini")], capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and "root" in done.stderr


@pytest.mark.parametrize("changed, word", [
    ({"log_level": "loud"}, "log_level"), ({"colour": "red"}, "colour"), ({"edit_links": "0"}, "edit_links"),
    ({"ca": "/nowhere.pem"}, "/nowhere.pem"), ({"listen": "localhost"}, "listen")])
def test_bad_settings_are_named(county, program, changed, word):
    path = settings_of(county, **changed)
    done = as_user([program, "--config", path])
    assert done.returncode == 1 and word in done.stderr and done.stderr.count("\n") == 1


def test_a_key_that_others_can_read_is_refused(county, program):
    ini = (county.dir / "qipand-1.ini").read_text()
    key = re.search(r"(?m)^key *= *(.+)$", ini)[1]
    copy = here(county) / "open.key"
    copy.write_bytes(pathlib.Path(key).read_bytes())
    copy.chmod(0o644)
    done = as_user([program, "--config", settings_of(county, key=copy), "--check-config"])
    assert done.returncode == 1 and "others" in done.stderr


def test_a_registry_that_does_not_fit_is_refused_in_one_line(new_county):
    county = new_county("--bare")
    for sql, word in (("ALTER TYPE api.office RENAME ATTRIBUTE kind TO sort", "office"),
                      ("UPDATE registry.version SET schema_version = 99, compatible_from = 99", "99")):
        county.kill(1, "TERM")
        county.psql(sql)
        before = len(county.log())
        with pytest.raises(AssertionError):
            county.start(1)
        refusals = [line for line in county.log()[before:].splitlines() if "cannot run with this registry" in line]
        assert len(refusals) == 1 and word in refusals[0]


def test_reload_takes_the_good_and_keeps_the_old(new_county):
    county = new_county("--bare")
    ini = here(county) / "qipand-1.ini"
    good = ini.read_text()
    pid = pid_of(county)
    with county.peer("chengguan") as peer:
        for text, word in ((good.replace("ca = ", "ca = /nowhere"), "old certificates stay"),
                           (good + "\nnonsense = 1\n", "old settings stay"),
                           (re.sub(r"(?m)^log_level.*$", "", good) + "\nlog_level = debug\n", "reloaded")):
            ini.write_text(text)
            os.kill(pid, signal.SIGHUP)
            wait_for(lambda: word in county.log())
            assert peer.do("whoami").account == "chengguan"
            county.qipan("dongshan", "whoami", ok=True)


def test_sigterm_answers_what_is_open_and_says_goodbye(new_county):
    county = new_county("--bare")
    with county.peer("chengguan") as peer:
        project = add(peer)
        calls = [edit(peer, project, summary=str(i)) for i in range(20)]
        peer.do("whoami")
        county.kill(1, "TERM")
        for call in calls:
            assert peer.finish(call).project.id == project.id
        with pytest.raises(peer_module.Gone):
            peer.turn(5)
    assert "goodbye said" in county.log()


# ---------------------------------------------------------------- edits


def test_many_writers_lose_nothing(county, rng):
    """Four offices' links, pipelined edits of few projects: every acknowledged version is there once, with its value."""
    with county.peer("bureau") as bureau:
        projects = [add(bureau) for _ in range(8)]
    acked, failures = [], []

    def work(n, seed):
        try:
            with county.peer("bureau", n=1 + n % 2) as peer:
                for round_ in range(10):
                    picks = [projects[(seed + i * 7) % len(projects)] for i in range(12)]
                    texts = [f"{n}-{round_}-{i}" for i in range(12)]
                    calls = [edit(peer, p, summary=t) for p, t in zip(picks, texts)]
                    for p, t, call in zip(picks, texts, calls):
                        done = peer.finish(call)
                        acked.append((p.id, done.project.version, t, done.rev))
        except Exception as e:  # a thread's failure must fail the test
            failures.append(e)

    threads = [threading.Thread(target=work, args=(n, rng.randrange(1000))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures and len(acked) == 480
    rows = county.psql("SELECT object, version, fields -> '16' ->> 1, rev FROM registry.change JOIN registry.txn USING (grp)"
                       " WHERE version > 1 AND object IN (%s)" % ",".join(f"'{p.id}'" for p in projects))
    assert sorted((o, int(v), t, int(r)) for o, v, t, r in rows) == sorted(acked)


def test_two_clients_race_for_one_field(county):
    with county.peer("bureau") as a, county.peer("bureau", n=2) as b:
        project = add(a)
        version, wins = project.version, {a: 0, b: 0}
        for i in range(100):
            calls = [(p, edit(p, project, base=version, summary=f"{i}{n}")) for n, p in enumerate((a, b))]
            for p, call in calls:
                wins[p] += peer_module.OPS["project_edit"].reply.FromString(p.wait(call[1])).project.version > 0
            version = a.do("project_show", id=project.id).project.version
        # the same account never conflicts with itself: both are applied, one after the other
        assert version == 201 and wins == {a: 100, b: 100}


def test_two_offices_race_for_one_field(county):
    """Exactly one wins each version; the other is told what stands there now."""
    with county.peer("chengguan") as a, county.peer("bureau", n=2) as b:
        project = add(a)
        version, lost = project.version, 0
        for i in range(100):
            calls = [(p, edit(p, project, base=version, summary=f"{i}{who}")) for who, p in (("甲", a), ("乙", b))]
            outcomes = []
            for p, call in calls:
                try:
                    outcomes.append(p.finish(call).project)
                except peer_module.Refused as e:
                    assert e.error.code == "CONFLICT"
                    outcomes.append(e.error)
            won = [o for o in outcomes if isinstance(o, peer_module.pb.Project)]
            assert len(won) == 1
            conflict = next(o for o in outcomes if o is not won[0])
            assert conflict.theirs == won[0].summary and conflict.field == "summary"
            lost += 1
            version = won[0].version
        assert lost == 100 and version == 101


def test_a_held_row_locks_only_itself(county):
    with county.peer("bureau") as peer:
        held, free = add(peer), add(peer)
        with connect(county) as session, session.cursor() as cursor:
            cursor.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", (held.id,))
            blocked = edit(peer, held, summary="x")
            begun = time.monotonic()
            for i in range(20):
                assert peer.finish(edit(peer, free, summary=str(i))).project.summary == str(i)
            assert time.monotonic() - begun < 3
            with pytest.raises(peer_module.Refused) as refused:
                peer.finish(blocked, 10)
            assert refused.value.error.code == "LOCKED" and refused.value.error.retry_after_ms > 0
            session.rollback()
        assert peer.finish(edit(peer, held, summary="y")).project.summary == "y"


def test_serialisation_failures_are_retried(new_county):
    """40001 out of the blue, raised once for each of the first attempts: nobody notices, nothing happens twice."""
    county = new_county("--bare")
    county.psql("""
        CREATE SEQUENCE registry.trouble; GRANT USAGE ON registry.trouble TO PUBLIC;
        CREATE FUNCTION registry.trouble() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('registry.trouble') % 3 = 1 THEN
                RAISE EXCEPTION 'trouble' USING ERRCODE = 'serialization_failure';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER trouble BEFORE UPDATE ON registry.project FOR EACH ROW EXECUTE FUNCTION registry.trouble();""")
    with county.peer("chengguan") as peer:
        project = add(peer)
        calls = [edit(peer, project, summary=str(i)) for i in range(30)]
        assert sorted(peer.finish(c).project.version for c in calls) == list(range(2, 32))


def test_backends_killed_under_edits(new_county, rng):
    county = new_county("--bare")
    with county.peer("chengguan") as peer:
        project = add(peer)
        done = {}
        for i in range(60):
            calls = [(f"{i}-{k}", edit(peer, project, summary=f"{i}-{k}")) for k in range(5)]
            if i % 4 == 0:
                county.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'qipand%'"
                            f" AND pid % 3 = {rng.randrange(3)}")
            for text, call in calls:
                done[peer.finish(call).project.version] = text
        rows = county.psql(f"SELECT version, fields -> '16' ->> 1 FROM registry.change WHERE object = '{project.id}' AND version > 1")
        assert {int(v): t for v, t in rows} == done and len(done) == 300


# ---------------------------------------------------------------- feed


def test_whoever_writes_past_the_daemon_is_heard(county):
    with county.peer("bureau") as peer:
        project = add(peer)
        watch = peer.watch(terms=[peer_module.pb.Term(field="project", op="=", values=[project.id])])
        county.psql(f"UPDATE registry.project SET summary = 'past the api', version = version + 1 WHERE id = '{project.id}'")
        event = watch.events(1)[0]
        assert event.actor == f"db:{county.env['PGUSER']}" and event.changes[0].new == "past the api"


def test_a_number_that_never_commits_holds_nobody_up(county):
    """A transaction draws its revision and dies: a tombstone takes its place, what comes later is delivered."""
    with county.peer("bureau") as peer:
        project = add(peer)
        watch = peer.watch(echo=True)
        session = connect(county)
        cursor = session.cursor()
        cursor.execute("UPDATE registry.project SET summary = 'never', version = version + 1 WHERE id = %s", (project.id,))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        other = add(peer)
        late = peer.finish(edit(peer, other, summary="behind the gap"))
        time.sleep(0.1)  # long enough for the fence to be waiting for exactly this writer
        session.rollback()
        session.close()
        events = watch.events(2)
        assert [e.rev for e in events] == sorted(e.rev for e in events)
        assert events[-1].rev == late.rev and "never" not in str(events)
        kinds = county.psql(f"SELECT kind FROM registry.txn WHERE rev < {late.rev} ORDER BY rev DESC LIMIT 3")
        assert ["tombstone"] in kinds


def test_a_reader_that_stops_costs_little_and_misses_nothing(new_county):
    county = new_county("--bare")
    with county.peer("chengguan") as slow, county.peer("bureau") as writer:
        watch = slow.watch()
        project = add(writer)
        before = resident_kb(county)
        n = 3000
        for i in range(0, n, 50):
            for call in [edit(writer, project, summary=f"{i + k} " + "长" * 300) for k in range(50)]:
                writer.finish(call)
        assert resident_kb(county) - before < 40_000 * (4 if BUILD.name == "san" else 1)
        events = watch.events(n + 1, timeout=60)
        assert [e.version for e in events] == list(range(1, n + 2))


def test_a_large_revision_is_read_in_pages(county):
    """1 000 changes in one transaction: all there, in order, a stop in the middle goes on in the middle."""
    with county.peer("bureau") as peer:
        watch = peer.watch()
        start = watch.at
        county.psql("INSERT INTO registry.project (name, investor, office, stage) SELECT '一批' || i, '投资' || i, 'chengguan',"
                    " 'lead' FROM generate_series(1, 1000) i")
        events = watch.events(1000, timeout=30)
        assert [e.idx for e in events] == list(range(1000)) and len({e.rev for e in events}) == 1
        assert [e.last for e in events] == [False] * 999 + [True]
        again = peer.watch(after=peer_module.cursor_of_event(events[499])).events(500, timeout=30)
        assert [e.object for e in again] == [e.object for e in events[500:]]
        assert start.rev < events[0].rev


def test_three_thousand_changes_reach_every_daemon_alike(new_county):
    county = new_county("--bare", "--daemons", "3")
    with county.peer("bureau") as writer:
        project = add(writer)
        watches = [county.peer("jingkai", n=n).watch(from_start=True) for n in (1, 2, 3)]
        for i in range(0, 3000, 60):
            for call in [edit(writer, project, summary=f"{i + k}") for k in range(60)]:
                writer.finish(call)
        seen = [[(e.rev, e.idx, e.object, e.version) for e in w.events(3001, timeout=30)] for w in watches]
        assert len(seen[0]) == 3001 and seen[0] == seen[1] == seen[2]


def test_idle_daemon_is_small(new_county):
    if BUILD.name == "san":
        return  # the sanitiser's own memory is not ours
    county = new_county("--bare")
    assert resident_kb(county) <= 20 * 1024


# ---------------------------------------------------------------- found by breaking it


def bulk_sql(n, chars):
    return (f"UPDATE registry.project SET summary = left(repeat(md5(random()::text), 400), {chars}), version = version + 1"
            f" WHERE id IN (SELECT id FROM registry.project ORDER BY id LIMIT {n})")


def test_catching_up_with_long_texts(new_county):
    """Pages bigger than what a connection may hold: the reader gets all of it and is not taken for a slow one."""
    county = new_county("--bare")
    county.psql("INSERT INTO registry.project (name, investor, office, stage) SELECT '长文' || i, '投资' || i, 'chengguan', 'lead'"
                " FROM generate_series(1, 400) i")
    for n, chars in ((240, 3900), (200, 300), (200, 300), (400, 1500)):
        county.psql(bulk_sql(n, chars))
    county.kill(1, "TERM")
    county.start(1)
    with county.peer("jingkai") as reader:
        events = reader.watch(from_start=True).events(400 + 240 + 400 + 400, timeout=60)
        assert len(events) == 1440 and all(a.rev <= b.rev for a, b in zip(events, events[1:]))
        with county.peer("chengguan") as writer:
            project = add(writer)
        live = reader.watch(after=peer_module.cursor_of_event(events[-1])).events(1)
        assert live[0].object == project.id


def test_a_large_conflict_is_answered(county):
    """Values of four-byte characters as long as they may be, in base, theirs and yours."""
    with county.peer("chengguan") as a, county.peer("bureau") as b:
        project = add(a, summary="𠀀" * 3900)
        b.finish(edit(b, project, base=1, summary="𠀁" * 3900))
        with pytest.raises(peer_module.Refused) as refused:
            a.finish(edit(a, project, base=1, summary="𠀂" * 3900))
        assert refused.value.error.code == "CONFLICT" and refused.value.error.by == "bureau"
        for i in range(6):
            a.finish(edit(a, project, summary=f"{i}" + "𠀃" * 3900))
        versions, after = [], 0
        while True:
            page = a.do("project_log", id=project.id, after_rev=after)
            versions += [e.version for e in page.rows]
            if not page.more:
                break
            after = page.rows[-1].rev
        assert versions == list(range(1, 9))


def test_a_reply_names_its_own_revision(county):
    """In one group: a replay, an edit, and one that changes nothing."""
    with county.peer("bureau") as peer:
        one, two = add(peer), add(peer)
        first = peer.finish(edit(peer, one, request=f"own-rev-{os.getpid()}", summary="a"))
        calls = [edit(peer, one, request=f"own-rev-{os.getpid()}", summary="a"), edit(peer, two, summary="b"),
                 edit(peer, one, summary="a")]
        again, other, nothing = [peer.finish(c) for c in calls]
        assert again.rev == first.rev and again.replayed and other.rev > first.rev
        assert not nothing.HasField("rev") and nothing.project.version == first.project.version


def test_a_locked_row_does_not_stand_in_the_way_of_others(county):
    with county.peer("bureau") as peer:
        held, brief = add(peer), add(peer)
        long_session, short_session = connect(county), connect(county)
        long_session.cursor().execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", (held.id,))
        begun = time.monotonic()
        blocked = [edit(peer, held, summary=str(i)) for i in range(6)]
        short_session.cursor().execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", (brief.id,))
        other = edit(peer, brief, summary="x")
        time.sleep(0.3)
        short_session.rollback()
        assert peer.finish(other).project.summary == "x" and time.monotonic() - begun < 2.5
        for call in blocked:
            with pytest.raises(peer_module.Refused) as refused:
                peer.finish(call)
            assert refused.value.error.code == "LOCKED"
        assert time.monotonic() - begun < 6
        for session in (long_session, short_session):
            session.rollback()
            session.close()


def test_edits_of_one_object_keep_their_order(county, rng):
    """However groups and links fall: what was sent later has the later version."""
    with county.peer("bureau") as peer:
        others, one = [add(peer) for _ in range(49)], add(peer)
        for i in range(40):
            calls = [edit(peer, o, summary=str(i)) for o in others]
            first = edit(peer, one, summary=f"first {i}")
            time.sleep(rng.random() / 500)
            second = edit(peer, one, summary=f"second {i}")
            versions = [peer.finish(c).project.version for c in (first, second)]
            assert versions[1] == versions[0] + 1
            for call in calls:
                peer.finish(call)


def test_a_watch_is_answered_by_its_deadline(new_county):
    county = new_county("--bare")
    with county.peer("chengguan") as peer:
        county.pg("stop")
        begun = time.monotonic()
        with pytest.raises(peer_module.Refused) as refused:
            peer.finish(peer.start("watch", deadline_ms=2000))
        assert refused.value.error.code == "UNAVAILABLE" and 1.5 < time.monotonic() - begun < 6
        county.pg("start")


def test_a_frozen_backend_does_not_stop_the_feed(new_county):
    county = new_county("--bare")
    with county.peer("chengguan") as peer:
        watch = peer.watch(echo=True)
        pid = int(county.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'qipand feed 1'")[0][0])
        os.kill(pid, signal.SIGSTOP)
        try:
            project = add(peer)
            events = watch.events(1, timeout=20)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert events and events[0].object == project.id


def test_a_burst_of_small_frames_is_served(county):
    """Far more than one turn takes, none of which needs the registry."""
    with county.peer("bureau") as peer:
        n = 20000
        frame = peer_module.pb.Frame(ping=peer_module.pb.Ping(token=7)).SerializeToString()
        sender = threading.Thread(target=peer.link.send_bytes, args=((len(frame).to_bytes(4, "big") + frame) * n,))
        sender.start()
        pongs = sum(peer.link.receive().HasField("pong") for _ in range(n))
        sender.join()
        assert pongs == n and peer.do("whoami").account == "bureau"


def test_summary_survives_a_stop_in_the_middle(county):
    """A place inside an import is never offered to a watch that wants its summary only."""
    with county.peer("jingkai") as reader, county.peer("bureau") as writer:
        begin = reader.watch().at
        opened = writer.do("import_open", file_sha256=os.urandom(32), profile_sha256=b"x" * 32, file_name="s.csv", rows=600,
                           office="chengguan", source=f"summary{os.getpid()}")
        rows = [peer_module.pb.ImportRow(row=i + 2, set=peer_module.pb.Project(
            name=f"汇总{os.getpid()}之{i}", investor=f"汇总投资{i}", external_id=str(i), stage="lead")) for i in range(600)]
        for chunk in range(6):
            writer.do("import_put", id=opened.id, chunk=chunk, rows=rows[chunk * 100:chunk * 100 + 100])
        done = writer.do("import_commit", id=opened.id)
        watch = reader.watch(after=begin, summary=True)
        seen, places = [], []
        while not seen:
            feed = watch.next()
            places.append(feed.upto)
            seen += [e for e in feed.events if e.type == "import.summary"]
        assert seen[0].batch == opened.id and seen[0].rev == done.rev
        assert not any(p.HasField("idx") and p.rev == done.rev and not p.idx == 599 for p in places)


def test_what_was_asked_before_the_end_is_answered(county):
    """The client shuts its direction down after asking; every reply still arrives, then a goodbye."""
    with county.peer("bureau") as peer:
        for _ in range(20):
            peer.start("project_list", limit=3)
        time.sleep(0.05)
        socket.socket.shutdown(peer.link.tls, socket.SHUT_WR)
        replies = 0
        while True:
            try:
                frame = peer.link.receive(10)
            except peer_module.Gone:
                break
            replies += frame.HasField("reply")
            if frame.HasField("goodbye"):
                break
        assert replies == 20


@pytest.mark.parametrize("field, value, code", [
    ("office", "chenguan", "INVALID_ARGUMENT"), ("industry", "C99", "INVALID_ARGUMENT"), ("stage", "sined", "INVALID_ARGUMENT"),
    ("project", "2099-1111", "NOT_FOUND"), ("kind", "matters", "INVALID_ARGUMENT")])
def test_a_watch_for_what_does_not_exist_is_refused(county, field, value, code):
    with county.peer("bureau") as peer:
        with pytest.raises(peer_module.Refused) as refused:
            peer.watch(terms=[peer_module.pb.Term(field=field, op="=", values=[value])])
        assert refused.value.error.code == code and refused.value.error.field == field


def test_list_and_watch_mean_the_same_by_nothing(county):
    """park="" and park!="": whoever the list shows is whom the watch brings."""
    with county.peer("bureau") as peer:
        tag = f"空{os.getpid()}"
        for i in range(3):
            add(peer, tags=[tag], park="jingkai" if i else "")
        for op, n in (("=", 1), ("!=", 2)):
            terms = [peer_module.pb.Term(field="park", op=op, values=[""]),
                     peer_module.pb.Term(field="tags", op="=", values=[tag])]
            listed = {p.id for p in peer.do("project_list", terms=terms).rows}
            watched = {e.object for e in peer.watch(from_start=True, echo=True, terms=terms).events(n, timeout=30)}
            assert len(listed) == n and watched == listed


def test_invisible_characters_make_no_second_project(county):
    with county.peer("chengguan") as peer:
        one = add(peer)
        for sign in "\u200b\u00ad\u2060":
            with pytest.raises(peer_module.Refused) as refused:
                add(peer, name=one.name[:2] + sign + one.name[2:], investor=one.investor)
            assert refused.value.error.code == "ALREADY_EXISTS" and refused.value.error.other_no == one.no


# ---------------------------------------------------------------- outcomes nobody knows


def backends(county, where="application_name LIKE 'qipand edit%'"):
    return [int(pid) for (pid,) in county.psql(f"SELECT pid FROM pg_stat_activity WHERE {where}")]


def outcome(peer, started, timeout=20):
    """What a request ended in: its reply, or the code of its refusal."""
    try:
        return peer.finish(started, timeout)
    except peer_module.Refused as refused:
        return refused.code


def test_nothing_is_acknowledged_without_its_standby(new_county):
    """The standby stands still, then somebody cancels the wait: the change is here, but it may be lost with this primary.
    Neither the first answer nor an answer given again is OK before the standby has it."""
    county = new_county("--bare", "--standby", "sync")
    waiting = "wait_event = 'SyncRep' AND application_name LIKE 'qipand%'"
    with county.peer("chengguan") as peer, county.peer("chengguan") as reader:
        project = add(peer)
        with Frozen(processes_of(here(county) / "pg2", "walreceiver")):
            begun = time.monotonic()
            call = edit(peer, project, request=f"standby-{os.getpid()}", summary="unsure")
            wait_for(lambda: backends(county, waiting))
            county.psql(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {waiting}")
            wait_for(lambda: reader.do("project_show", id=project.id).project.version == 2)
            assert outcome(peer, call) == "UNKNOWN" and 10 < time.monotonic() - begun < 16
            again = edit(peer, project, request=f"standby-{os.getpid()}", summary="unsure")
            with pytest.raises(TimeoutError):
                peer.finish(again, 2)
            assert reader.do("project_show", id=project.id, timeout=2).project.summary == "unsure"
            with county.peer("leader") as late:  # his sign-in has a row in the audit, which waits for no standby
                assert late.do("project_show", id=project.id, timeout=2).project.summary == "unsure"
        answered = peer.finish(again)
        assert answered.replayed and answered.project.version == 2


def test_a_lost_batch_is_never_called_refused(new_county):
    """The backend of an edit stands still in its commit and the link is cut; the row is locked when the edit is tried again.
    Whether the first attempt stands is not known then: UNKNOWN, not LOCKED."""
    county = new_county("--bare")
    county.psql("""
        CREATE FUNCTION registry.slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER UPDATE ON registry.project FOR EACH ROW WHEN (NEW.summary = 'slow')
            EXECUTE FUNCTION registry.slow();""")
    with county.peer("chengguan") as peer:
        project = add(peer)
        call = edit(peer, project, summary="slow")
        wait_for(lambda: backends(county, "wait_event = 'PgSleep'"))
        with connect(county) as session, session.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            cursor.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", (project.id,))
            assert outcome(peer, call) == "UNKNOWN"
            session.rollback()
        assert peer.do("project_edit", id=project.id, set=peer_module.pb.Project(summary="free")).project.version == 2


# ---------------------------------------------------------------- groups as one call

TWIN = """
    CREATE SEQUENCE IF NOT EXISTS registry.folded;
    DROP FUNCTION IF EXISTS api.project_edits;
    CREATE FUNCTION api.project_edits(p_account int[], p_lang text[], p_request text[], p_digest bytea[], p_base bigint[],
        id text[], set jsonb[], reason text[], force boolean[]) RETURNS SETOF api.project_reply
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = registry, api, pg_temp SET qipan.entry = '' AS $$
    BEGIN
        PERFORM nextval('registry.folded');
        FOR i IN 1 .. cardinality(id) LOOP
            RETURN NEXT api.project_edit(p_account[i], p_lang[i], p_request[i], p_digest[i], p_base[i], id[i], set[i], NULL,
                reason[i], force[i]);
        END LOOP;
    END $$;
    GRANT EXECUTE ON FUNCTION api.project_edits TO qipan_daemon;"""


def test_a_group_goes_as_one_call(new_county):
    """Edits, refusals and answers given again, with values and without, in one call of the twin: each gets its own answer.
    One that raises an error fails alone."""
    county = new_county("--bare")
    county.psql(TWIN + """
        CREATE FUNCTION registry.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trap'; END $$;
        CREATE TRIGGER trap BEFORE UPDATE ON registry.project FOR EACH ROW WHEN (NEW.summary = 'trap')
            EXECUTE FUNCTION registry.trap();""")
    county.kill(1, "TERM")
    county.start(1)
    with county.peer("chengguan") as peer:
        projects = [add(peer) for _ in range(60)]
        nowhere = peer_module.pb.Project(id="nowhere")
        for trap in (False, True):
            calls = [edit(peer, p, base=1 if i % 2 else None, request=f"fold-{trap}-{i}", summary=f"{trap}{i}" if i % 3 else None,
                          jobs=100 + i + 50 * trap) for i, p in enumerate(projects)]
            lost, cleared = edit(peer, nowhere, summary="x"), peer.start("project_edit", id=projects[0].id, clear=["jobs"])
            bad = edit(peer, projects[3], summary="trap") if trap else None
            replies = [peer.finish(call) for call in calls]
            assert [(r.project.id, r.project.jobs) for r in replies] == [(p.id, 100 + i + 50 * trap) for i, p in enumerate(projects)]
            assert all(r.project.summary == f"{trap}{i}" for i, r in enumerate(replies) if i % 3)
            assert outcome(peer, lost) == "NOT_FOUND" and not peer.finish(cleared).project.HasField("jobs")
            assert not trap or outcome(peer, bad) == "INTERNAL"
            again = [peer.finish(edit(peer, p, base=1 if i % 2 else None, request=f"fold-{trap}-{i}",
                                      summary=f"{trap}{i}" if i % 3 else None, jobs=100 + i + 50 * trap))
                     for i, p in enumerate(projects)]
            assert [(a.replayed, a.rev, a.project.version) for a in again] == [(True, r.rev, r.project.version) for r in replies]
    assert int(county.psql("SELECT last_value FROM registry.folded")[0][0]) > 1


def test_an_unfit_twin_is_refused(new_county):
    county = new_county("--bare")
    empty = re.sub(r"AS \$\$.*?END \$\$", "AS $$ BEGIN RETURN; END $$", TWIN, flags=re.S)
    for good, unfit in (("p_lang text[]", "p_lang text"), ("force boolean[]", "forced boolean[]"),
                        ("SETOF api.project_reply", "SETOF api.enterprise_reply")):
        county.kill(1, "TERM")
        county.psql(empty.replace(good, unfit))
        before = len(county.log())
        with pytest.raises(AssertionError):
            county.start(1)
        assert re.search(r"cannot run with this registry: .*project_edits", county.log()[before:])


# ---------------------------------------------------------------- links


def links_up(county):
    return len(backends(county, "application_name LIKE 'qipand%'"))


def test_a_frozen_registry_is_found_and_outlived(new_county):
    """Not a word from PostgreSQL for a while: pings are answered, the change that was in flight is in doubt, later calls are
    told within their time; then everything goes on, the watch without a gap."""
    county = new_county("--bare")
    with county.peer("chengguan") as peer, county.peer("jingkai") as reader:
        project, watch = add(peer), reader.watch(from_start=True)
        before = links_up(county)
        with Frozen(processes_of(here(county) / "pg")):
            begun = time.monotonic()
            call = edit(peer, project, request=f"frozen-{os.getpid()}", summary="frozen")
            wait_for(lambda: "silent for as long" in county.log() or "not answered in time" in county.log(), 10 * SLOW)
            reader.link.send(peer_module.pb.Frame(ping=peer_module.pb.Ping(token=1)))
            assert reader.link.receive(2) is not None
            assert outcome(peer, call) == "UNKNOWN" and time.monotonic() - begun < 16
        wait_for(lambda: links_up(county) >= before, 6 * SLOW)
        again = peer.finish(edit(peer, project, request=f"frozen-{os.getpid()}", summary="frozen"))
        assert again.project.version == 2 and [e.version for e in watch.events(2)] == [1, 2]


def test_no_slots_left(new_county):
    """The registry takes no more links: those that stand go on, new ones knock at most twice a second, the reason is told."""
    county = new_county("--bare")
    refused = "too many connections for role"
    with county.peer("chengguan") as peer:
        project, before = add(peer), links_up(county)
        county.psql("ALTER ROLE qipan_daemon CONNECTION LIMIT 1")
        county.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ 'qipand (solo|bulk|edit 2|read 2|fence)'")
        wait_for(lambda: refused in county.log())
        knocks, lines = (here(county) / "pg.log").read_text().count(refused), len(county.log().splitlines())
        for i in range(20):
            assert peer.finish(edit(peer, project, summary=f"{i}")).project.version == i + 2
            time.sleep(0.15)
        assert (here(county) / "pg.log").read_text().count(refused) - knocks <= 8
        assert len(county.log().splitlines()) - lines <= 6
        county.psql("ALTER ROLE qipan_daemon CONNECTION LIMIT -1")
        wait_for(lambda: links_up(county) == before, 3 * SLOW)


def test_a_standby_takes_over_and_the_old_one_is_refused(new_county):
    county = new_county("--bare", "--standby", "async")
    with county.peer("chengguan") as peer:
        project = add(peer)
        wait_for(lambda: county.psql("SELECT 1 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"))
        county.pg("kill")
        county.pg("promote")
        begun = time.monotonic()
        assert peer.finish(edit(peer, project, summary="second")).project.version == 2
        assert time.monotonic() - begun < 3 * SLOW
        county.pg("start")  # the old one, alone and writable
        os.kill(processes_of(here(county) / "pg2")[0], signal.SIGINT)
        wait_for(lambda: "SPLIT_BRAIN" in county.log())
        assert outcome(peer, peer.start("project_edit", id=project.id, deadline_ms=2000,
                                        set=peer_module.pb.Project(summary="lost"))) == "UNAVAILABLE"
        assert county.psql(f"SELECT version FROM registry.project WHERE id = '{project.id}'") == [["1"]]
