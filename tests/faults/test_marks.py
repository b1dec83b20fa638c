# SPDX-License-Identifier: Apache-2.0
"""The test build (make FAIL=1): killed at each mark; deliberate bugs that the others must notice."""
import re
import time

import pytest
from counties import BUILD, SLOW, TOP
from peer import Gone
from steps import add, connect, edit, wait_for

FAIL = TOP / ("build/fail/san" if BUILD.name == "san" else "build/fail")
NAMES = re.findall(r'^(MARK|DEFECT)\("([\w-]+)"', (TOP / "daemon/failpoint.def").read_text(), re.M)
ON_AN_EDIT = [name for kind, name in NAMES if kind == "MARK" and name.startswith(("request", "group", "unrung", "journal"))]


@pytest.fixture
def armed(new_county, monkeypatch):
    """A county of the test build whose daemon 2 was started with such an environment."""
    def make(**environment):
        county = new_county("--bare", "--daemons", "2", build=FAIL)
        county.kill(2, "TERM")
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        county.start(2)
        for key in environment:
            monkeypatch.delenv(key)
        return county
    return make


@pytest.mark.parametrize("mark", ON_AN_EDIT)
def test_killed_at_a_mark(armed, mark):
    """The daemon dies under an edit; another one is asked under the same request id: once, whatever was acknowledged."""
    county = armed(QIPAN_FAILPOINT=f"{mark}:panic:2")
    with county.peer("bureau") as other, county.peer("jingkai") as reader, county.peer("bureau", n=2) as dying:
        watch, own = reader.watch(), dying.watch()
        project, outcomes = add(other), []
        for i in range(3):
            try:
                outcomes.append((i, dying.finish(edit(dying, project, request=f"mark-{i}", summary=f"{i}")).project.version))
                own.until(lambda e: e.version == outcomes[-1][1])  # each is read from the journal by itself
            except Gone:
                break
        wait_for(lambda: f"at mark {mark}, hit 2" in county.log(2))
        for i in range(3):
            again = other.finish(edit(other, project, request=f"mark-{i}", summary=f"{i}"))
            assert all(version == again.project.version for n, version in outcomes if n == i)
        versions = [e.version for e in watch.events(4)]
        assert versions == [1, 2, 3, 4] and other.do("project_show", id=project.id).project.version == 4


def test_an_unknown_mark_is_refused(armed):
    with pytest.raises(AssertionError, match="ended at once"):
        armed(QIPAN_FAILPOINT="nowhere:panic")


def test_a_changed_request_id_is_noticed(armed):
    """The bug that proves the tests of exactly-once: the retry of an edit that was lost in doubt is another request."""
    county = armed(QIPAN_BUG="retry-new-id")
    county.psql("""
        CREATE FUNCTION registry.slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER UPDATE ON registry.project FOR EACH ROW WHEN (NEW.summary = 'slow')
            EXECUTE FUNCTION registry.slow();""")
    with county.peer("bureau", n=2) as peer:
        call = edit(peer, add(peer), request="once", summary="slow")
        wait_for(lambda: county.psql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        county.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        peer.finish(call)
    assert not county.psql("SELECT account FROM registry.entry WHERE request = 'once'")


def test_a_stopped_daemon_holds_nobody_up(armed):
    """It stands still between the calls of a group and its sync: it holds a revision, and no time limit of PostgreSQL counts
    there. The other daemon's feed goes on; when it wakes, its change is done once."""
    county = armed(QIPAN_FAILPOINT="group-unsynced:sleep=10000:2")
    with county.peer("bureau", n=2) as stopped, county.peer("bureau") as other, county.peer("jingkai") as reader:
        one, two, watch = add(stopped), add(other), reader.watch()
        call = edit(stopped, one, request="stopped", summary="held")
        wait_for(lambda: "at mark group-unsynced, hit 2" in county.log(2))
        wait_for(lambda: county.psql("SELECT pid FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'ClientRead'"))  # it has its number
        begun = time.monotonic()
        later = other.finish(edit(other, two, summary="behind it"))
        assert watch.events(1)[0].rev == later.rev and time.monotonic() - begun < 5 * SLOW
        wait_for(lambda: re.search(r"held by process \d+, 'qipand (edit|solo) \d': ended", county.log(1)))
        done = stopped.finish(call)
        event = watch.events(1)[0]
        assert (event.rev, event.version) == (done.rev, 2) and done.rev > later.rev


def test_a_number_passed_over_is_noticed(armed):
    """The bug that proves the tests of the feed: patience over, the number is skipped; its writer commits later."""
    county = armed(QIPAN_BUG="gap-skip")
    with county.peer("bureau") as sound, county.peer("jingkai", n=1) as reader, county.peer("jingkai", n=2) as deceived:
        one, two = add(sound), add(sound)
        seen, missed = reader.watch(), deceived.watch()
        with connect(county) as session, session.cursor() as cursor:
            cursor.execute("UPDATE registry.project SET summary = 'late', version = version + 1 WHERE id = %s", (one.id,))
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            sound.finish(edit(sound, two, summary="behind the gap"))
            wait_for(lambda: missed.events(1, 0.2))
            session.commit()
        assert [e.object for e in seen.events(2)] == [one.id, two.id]
        assert not missed.events(1, 2)
