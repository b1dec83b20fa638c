# SPDX-License-Identifier: Apache-2.0
"""Faults that every commit is tried with: lost answers, races, locks, failures that PostgreSQL asks to repeat, a registry that
doesn't fit. The long ones are in tests/faults."""
import os
import threading
import time

import peer as peer_module
import pytest
from conftest import SLOW
from peer import Refused
from steps import add, connect, edit, refusal, reset, wait_for


def entries(county, request):
    return county.psql(f"SELECT actor, status, version FROM registry.entry WHERE request = '{request}' ORDER BY 1")


def test_answer_lost_and_asked_again(new_county):
    """Case 10: the link dies when the edit is done and nobody was told. The same id brings the same answer, over every daemon
    and after a restart; another body is refused, another account is another request."""
    county = new_county("--bare", "--daemons", "2")
    request = "lost-answer-1"
    with county.peer("bureau") as owner:
        project = add(owner)
        lost = county.peer("bureau")
        edit(lost, project, request=request, base=1, summary="一次")
        wait_for(lambda: entries(county, request))
        reset(lost.link.tls)

        answers = []
        for n in (1, 2, 1):
            with county.peer("bureau", n=n) as again:
                answers.append(again.finish(edit(again, project, request=request, base=1, summary="一次")))
        county.kill(1, "KILL")
        county.start(1)
        with county.peer("bureau", n=1) as again:
            answers.append(again.finish(edit(again, project, request=request, base=1, summary="一次")))
            assert refusal(lambda: again.finish(edit(again, project, request=request, base=1, summary="两次"))).code == "KEY_REUSED"
            assert refusal(lambda: again.do("project_advance", request=request, id=project.id, stage="intent")).code == "KEY_REUSED"
    with county.peer("chengguan") as other:
        own = add(other)
        done = other.finish(edit(other, own, request=request, summary="另一人"))
    assert {(a.project.version, a.rev, a.replayed, a.project.summary) for a in answers} == {(2, answers[0].rev, True, "一次")}
    assert not done.replayed and done.project.version == 2
    assert entries(county, request) == [["bureau", "OK", "2"], ["chengguan", "OK", "2"]]
    assert county.psql(f"SELECT count(*) FROM registry.change WHERE object = '{project.id}'") == [["2"]]


def race(county, project, fields, rounds):
    """Two offices at two daemons, each round on the same version: per round who won and what the other was told."""
    gate = threading.Barrier(2, timeout=30 * SLOW)
    results = [[], []]
    failures = []

    def run(n, context, field):
        try:
            with county.peer(context, n=n + 1) as peer:
                for i in range(rounds):
                    gate.wait()
                    base = peer.do("project_show", id=project.id).project.version
                    gate.wait()  # both have read before either writes
                    try:
                        results[n].append(peer.finish(edit(peer, project, base=base, **{field: f"{context} {i}"})).project)
                    except Refused as e:
                        results[n].append(e.error)
        except Exception as e:  # a thread's failure must fail the test
            failures.append(e)
            gate.abort()

    threads = [threading.Thread(target=run, args=(n, context, field))
               for n, (context, field) in enumerate(zip(("chengguan", "bureau"), fields))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    return list(zip(*results))


def test_race_for_one_field(county):
    """Case 11, 1 000 rounds: exactly one wins each version; the other is told who, and what stands there."""
    with county.peer("chengguan") as owner:
        project = add(owner)
    rounds = race(county, project, ("summary", "summary"), 1000)
    for outcomes in rounds:
        won = [o for o in outcomes if isinstance(o, peer_module.pb.Project)]
        lost = [o for o in outcomes if isinstance(o, peer_module.pb.Error)]
        assert len(won) == len(lost) == 1 and lost[0].code == "CONFLICT"
        assert lost[0].theirs == won[0].summary and lost[0].field == "summary" and lost[0].by in ("chengguan", "bureau")
    assert county.psql(f"SELECT version FROM registry.project WHERE id = '{project.id}'") == [["1001"]]


def test_race_for_two_fields(county):
    """Case 11: different fields never clash; all 600 edits stand."""
    with county.peer("chengguan") as owner:
        project = add(owner)
    rounds = race(county, project, ("summary", "site"), 300)
    assert all(isinstance(o, peer_module.pb.Project) for outcomes in rounds for o in outcomes)
    assert sorted(o.version for outcomes in rounds for o in outcomes) == list(range(2, 602))


def test_row_lock_held_for_long(county):
    """Case 20: somebody's psql holds a row for six seconds. Whoever wants it is told LOCKED in three, nobody else notices."""
    with county.peer("bureau") as peer, county.peer("bureau") as patient:
        held, free = add(peer), add(peer)
        with connect(county) as session, session.cursor() as cursor:
            cursor.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", (held.id,))
            took, refused, begun = [], [], time.monotonic()
            while time.monotonic() - begun < 6:
                blocked = edit(patient, held, summary="x")
                asked = time.monotonic()
                while blocked[1] not in patient.replies and time.monotonic() - asked < 5 * SLOW:
                    at = time.monotonic()
                    assert peer.finish(edit(peer, free, summary=f"{at}")).project.summary == f"{at}"
                    took.append(time.monotonic() - at)
                    try:
                        patient.turn(0.005)
                    except TimeoutError:
                        pass
                refused.append((refusal(lambda: patient.finish(blocked)), time.monotonic() - asked))
            session.rollback()
        assert peer.finish(edit(peer, held, summary="y")).project.summary == "y"
    assert all(e.code == "LOCKED" and e.retry_after_ms > 0 for e, _ in refused)
    assert max(t for _, t in refused) < 4.5 * SLOW and sorted(took)[int(len(took) * 0.99)] < 1 * SLOW


@pytest.mark.parametrize("sqlstate", ["serialization_failure", "deadlock_detected"])
@pytest.mark.parametrize("moment", ["update", "commit"])
def test_failures_to_be_repeated(new_county, sqlstate, moment):
    """Case 21: each third transaction fails with 40001 or 40P01, in an edit or in its group's commit. Nobody notices, nothing happens
    twice."""
    county = new_county("--bare")
    kind, table = ("", "registry.project") if moment == "update" else ("CONSTRAINT", "registry.txn")
    event = "BEFORE UPDATE" if moment == "update" else "AFTER INSERT"
    late = "" if moment == "update" else "DEFERRABLE INITIALLY DEFERRED"
    county.psql(f"""
        CREATE SEQUENCE registry.trouble; GRANT USAGE ON registry.trouble TO PUBLIC;
        CREATE FUNCTION registry.trouble() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('registry.trouble') % 3 = 1 THEN
                RAISE EXCEPTION 'trouble' USING ERRCODE = '{sqlstate}';
            END IF;
            RETURN NEW;
        END $$;
        CREATE {kind} TRIGGER trouble {event} ON {table} {late} FOR EACH ROW EXECUTE FUNCTION registry.trouble();""")
    with county.peer("chengguan") as peer:
        project = add(peer)
        calls = [edit(peer, project, summary=str(i)) for i in range(30)]
        assert sorted(peer.finish(c, 30).project.version for c in calls) == list(range(2, 32))
    assert county.psql("SELECT count(*) FROM registry.change WHERE kind = 'project'") == [["31"]]


def test_deadlock_with_a_session(county):
    """Case 21: a session of the owner holds one of two rows that a group edits, and wants the other."""
    with county.peer("bureau") as peer, connect(county) as session, session.cursor() as cursor:
        for i in range(5):
            a, b = add(peer), add(peer)
            cursor.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", (max(a.id, b.id),))
            calls = [edit(peer, p, summary=f"{i}") for p in (a, b)]
            time.sleep(0.01 * i)
            cursor.execute("UPDATE registry.project SET site = 'x', version = version + 1 WHERE id = %s", (min(a.id, b.id),))
            session.commit()
            assert all(peer.finish(c).project.summary == f"{i}" for c in calls)


@pytest.mark.parametrize("sql, word", [
    ("ALTER TABLE registry.project DROP COLUMN summary CASCADE", "summary"),
    ("ALTER TYPE api.project DROP ATTRIBUTE summary CASCADE", "summary"),
    ("DROP FUNCTION api.project_edit", "project_edit"),
    ("UPDATE registry.version SET schema_version = schema_version + 1, compatible_from = schema_version + 1", "newer daemon")])
def test_registry_that_does_not_fit(new_county, sql, word):
    """Case 29: something is missing, or newer. The daemon refuses to start, in one clear line, and doesn't stay."""
    county = new_county("--bare")
    county.kill(1, "TERM")
    county.psql(sql)
    before = len(county.log())
    with pytest.raises(AssertionError, match="ended at once"):
        county.start(1)
    refusals = [line for line in county.log()[before:].splitlines() if "cannot run with this registry" in line]
    assert len(refusals) == 1 and word in refusals[0]
    assert not os.path.exists(f"/proc/{(county.dir / 'run/qipand-1.pid').read_text().strip()}")
