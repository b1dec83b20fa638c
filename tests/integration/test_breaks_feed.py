# SPDX-License-Identifier: Apache-2.0
"""What broke the feed once: each of these was seen to fail before it was mended."""
import os
import signal
import threading
import time

from peer import cursor_of_event
from steps import add, connect, edit, refusal, wait_for


def test_a_change_on_its_way_when_the_epoch_ends(new_county):
    """An older state was restored, and a psql session holds a number when a daemon that knows the lost end opens the next epoch: the change
    is delivered, by its own number."""
    county = new_county("--bare", "--daemons", "2")
    writer = county.peer("dongshan")
    late, other = add(writer), add(writer)
    watches = [county.peer("leader", n=n).watch() for n in (1, 2)]
    holder = connect(county)
    cursor = holder.cursor()
    cursor.execute("UPDATE registry.project SET summary = '在途' WHERE id = %s", (late.id,))
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    opening = threading.Thread(target=county.psql, args=("SELECT registry.epoch_open(1, 1000, 7)",))
    opening.start()
    waits = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%epoch_open%' AND wait_event_type = 'Lock'"
    wait_for(lambda: county.psql(waits) or all("epoch 2, watermark" in county.log(n) for n in (1, 2)))
    holder.commit()
    holder.close()
    opening.join()
    edit_until_done(county, other)
    for watch in watches:
        seen = watch.until(lambda e: e.object == other.id, timeout=20)
        assert [(e.object, e.version, e.epoch) for e in seen] == [(late.id, 2, 1), (other.id, 2, 2)]
    ((missing,),) = county.psql("SELECT count(*) FROM registry.epoch e, generate_series(1, e.void_from - 1) g"
                                " WHERE e.epoch = 2 AND NOT EXISTS (SELECT FROM registry.txn t WHERE t.rev = g)")
    assert missing == "0"


def edit_until_done(county, project):
    """The same request until a link of the new epoch takes it."""
    peer = county.peer("dongshan")
    request = peer.next_request()
    for _ in range(20):
        try:
            return peer.finish(edit(peer, project, request=request, summary="新纪元"))
        except Exception as e:  # noqa: BLE001
            assert getattr(e, "code", None) in ("UNAVAILABLE", "UNKNOWN", "LOCKED"), e
            time.sleep(0.3)
    raise AssertionError("was never done")


def test_a_repair_by_a_daemon_that_is_behind(new_county):
    """A daemon that hasn't come as far as the reader doesn't begin a repair before the reader's place: what lies between would come twice."""
    county = new_county("--bare", "--daemons", "2")
    county.kill(2)
    county.start(2)  # so that its links are the youngest
    writer, reader = county.peer("dongshan"), county.peer("bureau", n=2)
    project = add(writer)
    reader.watch(terms=[{"field": "project", "op": "=", "values": [project.id]}])
    (backend,) = county.psql("SELECT pid FROM pg_stat_activity WHERE query LIKE '%journal_read%' AND state = 'idle' "
                             "ORDER BY backend_start DESC LIMIT 1")[0]
    there = county.peer("bureau").watch()
    os.kill(int(backend), signal.SIGSTOP)
    try:
        writer.finish(edit(writer, project, summary="新的"))
        place = cursor_of_event(there.until(lambda e: e.version == 2)[-1])
        assert refusal(lambda: reader.watch(after=place, snapshot="changed")).code == "RETRY_ELSEWHERE"
    finally:
        os.kill(int(backend), signal.SIGCONT)
    watch = reader.watch(after=place, snapshot="changed")
    assert watch.at.rev >= place.rev
    writer.finish(edit(writer, project, summary="再新的"))
    assert [e.version for e in watch.until(lambda e: e.version == 3)] == [3]
