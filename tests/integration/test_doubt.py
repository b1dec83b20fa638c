# SPDX-License-Identifier: Apache-2.0
"""What became of a change? "Later" means that this asking did nothing and never will; whoever had asked before, and knows nothing of
that, stays in doubt, whatever the next asking is told."""
import subprocess

from conftest import SLOW
from steps import add, connect, edit, refusal, reset, wait_for
from test_breaks_writes import waiting


def kept(county, request):
    return county.psql(f"SELECT status FROM registry.entry WHERE request = '{request}'")


def hold(cursor, project):
    cursor.execute("SELECT FROM registry.project WHERE id = %s FOR UPDATE", (project.id,))


def at_work(county, n=1):
    """That many edits wait for the row that is held."""
    wait_for(lambda: waiting(county, "project_edit") == n, 3)


def done_all_the_same(county, session, peer, project, request, **fields):
    """The row is let go, and whoever was told nothing, or something else, finds it done."""
    session.rollback()
    wait_for(lambda: kept(county, request) == [["OK"]], 3)
    assert peer.finish(edit(peer, project, request=request, **fields)).replayed


def test_what_had_not_begun_is_never_done(county):
    """Its turn didn't come before its deadline: it is not done later either, and the same id is good for a new try."""
    with county.peer("bureau") as peer, connect(county) as session, session.cursor() as cursor:
        project = add(peer)
        hold(cursor, project)
        first = edit(peer, project, summary="在办")
        at_work(county)
        request = peer.next_request()
        late = edit(peer, project, request=request, deadline_ms=200, summary="排队")
        assert refusal(lambda: peer.finish(late)).code == "DEADLINE_EXCEEDED"
        session.rollback()
        assert peer.finish(first).project.version == 2
        assert peer.do("project_show", id=project.id).project.summary == "在办" and kept(county, request) == []
        assert not peer.finish(edit(peer, project, request=request, summary="排队")).replayed


def test_what_had_begun_is_unknown(county):
    with county.peer("bureau") as peer, connect(county) as session, session.cursor() as cursor:
        project = add(peer)
        hold(cursor, project)
        request = peer.next_request()
        late = edit(peer, project, request=request, deadline_ms=500, summary="在办")
        assert refusal(lambda: peer.finish(late)).code == "UNKNOWN"
        done_all_the_same(county, session, peer, project, request, summary="在办")


def test_later_speaks_of_one_asking(county):
    """The first asking, whose link was lost, waits at one daemon; the second didn't begin at another, which says so. Then the first is
    done: who asks must keep the doubt."""
    with county.peer("bureau", n=2) as other, connect(county) as session, session.cursor() as cursor:
        project = add(other)
        hold(cursor, project)
        lost = county.peer("bureau", n=1)
        request = lost.next_request()
        edit(lost, project, request=request, summary="两处")
        at_work(county)
        reset(lost.link.tls)
        edit(other, project, site="别处")
        at_work(county, 2)
        again = edit(other, project, request=request, deadline_ms=200, summary="两处")
        assert refusal(lambda: other.finish(again)).code == "DEADLINE_EXCEEDED"
        done_all_the_same(county, session, other, project, request, summary="两处")


def cut(county):
    port = county.addresses[0].rsplit(":", 1)[1]
    subprocess.run(["ss", "-K", "-tnH", "state", "established", f"( sport = :{port} )"], stdout=subprocess.DEVNULL, timeout=10, check=True)


def test_the_client_keeps_its_doubt(new_county):
    """Its link is cut while the change is under way, for longer than it waits. Asked again, the change waits behind itself, and doesn't begin
    before the deadline: the daemon says so, the client says UNKNOWN, and the change is done."""
    county = new_county("--bare")
    with county.peer("bureau") as peer:
        project = add(peer)
    county.psql("""CREATE FUNCTION registry.slowly() RETURNS trigger LANGUAGE plpgsql AS $$
                   BEGIN
                       PERFORM pg_sleep(12);
                       RETURN NEW;
                   END $$;
                   CREATE TRIGGER slowly AFTER UPDATE ON registry.project FOR EACH ROW EXECUTE FUNCTION registry.slowly()""")
    asked = ("--request", "slow-1", "project", "edit", project.id, "summary=慢")
    child = county.popen("bureau", *asked)
    wait_for(lambda: county.psql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), 5)
    cut(county)
    assert child.wait(20 * SLOW) == 10
    assert kept(county, "slow-1") == []
    wait_for(lambda: kept(county, "slow-1") == [["OK"]])
    assert county.qipan("bureau", "-o", "json", *asked, ok=0).json["version"] == "2"


def test_a_reply_that_does_not_fit_is_no_refusal(new_county):
    """A change was made whose reply is larger than a frame (only in a registry whose limits are not ours)."""
    county = new_county("--bare")
    county.psql("UPDATE registry.field SET max = 20000 WHERE kind = 'project' AND name IN ('summary', 'site')")
    with county.peer("bureau") as peer:
        project = add(peer, site="长" * 15000)
        request = peer.next_request()
        assert refusal(lambda: peer.finish(edit(peer, project, request=request, summary="长" * 15000))).code == "UNKNOWN"
        assert kept(county, request) == [["OK"]]
        receipt = peer.do("receipt_show", id=request)
        assert (receipt.status, receipt.version) == ("OK", 2)
        assert refusal(lambda: peer.do("project_show", id=project.id)).code == "TOO_LARGE"
