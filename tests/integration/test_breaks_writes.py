# SPDX-License-Identifier: Apache-2.0
"""What has broken the write side once: the same request id twice at the same time, a change between an edit's reading and its
judging, a change of rights while an import runs."""
import time

import pytest
from conftest import SLOW
from peer import Refused
from steps import add, connect, edit, refusal, wait_for


def waiting(county, operation, lane="solo"):
    """How many of these wait for a lock."""
    return int(county.psql(f"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'qipand {lane}%' AND wait_event_type = 'Lock'"
                           f" AND query LIKE '%{operation}%'")[0][0])


def twice(peer, name, **fields):
    request = peer.next_request()
    calls = [peer.start(name, request=request, **fields) for _ in range(3)]
    return [peer.finish(call) for call in calls]


def test_same_id_in_one_group(county):
    """Somebody asks again before the first answer: all answers name the revision, whichever of them did it."""
    with county.peer("bureau") as peer:
        project = add(peer)
        due = {"project": project.id, "text": "答复", "due_at": 4_000_000_000_000_000}
        calls = [("project_edit", {"id": project.id, "set": {"summary": "一"}}),
                 ("project_advance", {"id": project.id, "stage": "intent"}),
                 ("due_set", {"set": due}), ("receipt_sign", {"of_rev": 1}),
                 ("project_add", {"set": {"name": "两遍", "investor": "两遍公司", "stage": "lead"}}),
                 ("enterprise_add", {"set": {"name": "两遍有限公司"}})]
        for name, fields in calls:
            answers = twice(peer, name, **fields)
            assert sorted(a.replayed for a in answers) == [False, True, True], name
            assert len({a.rev for a in answers}) == 1 and answers[0].rev > 0, (name, answers)

        many = [(i, peer.start("project_edit", request=f"{peer.instance}-many{i % 20}", id=project.id, set={"site": f"{i % 20}"}))
                for i in range(60)]  # enough for the set-based form
        answers = [(i % 20, peer.finish(call)) for i, call in many]
    for i in range(20):
        assert len({(a.rev, a.project.version, a.project.site) for k, a in answers if k == i}) == 1
    assert all(a.rev for _, a in answers)


@pytest.mark.parametrize("name, kind, key", [("project_add", "investor", "同号公司"), ("enterprise_add", "firm", "同号")])
def test_same_id_with_another_body_at_once(county, name, kind, key):
    """Two bodies under one id reach the registry together: one is done, the other is told that the id is taken."""
    bodies = [{"name": "同号", **({"investor": "同号公司", "stage": "lead", "summary": word} if kind == "investor" else {"region": word})}
              for word in ("11", "13")]
    with county.peer("bureau", n=1) as a, county.peer("bureau", n=2) as b, connect(county) as session, \
            session.cursor() as cursor:
        cursor.execute("INSERT INTO registry.dedup_key VALUES (%s, %s)", (kind, key))
        calls = []
        for peer, body in zip((a, b), bodies):
            calls.append((peer, peer.start(name, request=f"{a.instance}-at-once", set=body)))
            wait_for(lambda: waiting(county, name) == len(calls), 3)
        session.rollback()
        outcomes = []
        for peer, call in calls:
            try:
                outcomes.append((peer.finish(call).replayed, ""))
            except Refused as e:
                outcomes.append((None, e.code))
    assert sorted(outcomes, key=str) == [(False, ""), (None, "KEY_REUSED")]


def test_conflict_names_what_was_committed_in_between(county):
    """While an edit is read, somebody else's edit of the same field commits: the conflict says whose, and what stands there."""
    with county.peer("bureau") as peer, connect(county) as session, session.cursor() as cursor:
        project = add(peer)
        peer.finish(edit(peer, project, site="别处"))
        cursor.execute("LOCK TABLE registry.field IN ACCESS EXCLUSIVE MODE")
        call = edit(peer, project, base=1, summary="我的")
        wait_for(lambda: waiting(county, "project_edit"), 3)
        county.psql(f"UPDATE registry.project SET summary = '他们的' WHERE id = '{project.id}'")
        session.rollback()
        error = refusal(lambda: peer.finish(call))
    assert (error.code, error.field, error.base_value, error.theirs, error.yours) == ("CONFLICT", "summary", "", "他们的", "我的")
    assert [(f.field, f.theirs, f.yours) for f in error.fields] == [("summary", "他们的", "我的")]


@pytest.mark.parametrize("who, rows", (("dongshan", "1"), ("robot", "0")))
def test_change_of_rights_during_an_import(new_county, tmp_path, who, rows):
    """A change of rights waits for no import, and edits for neither; an import that loses its right leaves nothing."""
    county = new_county("--bare")
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("项目名称,投资方\n乙项目,乙公司\n")
    with county.peer("bureau") as peer, county.peer("sysadmin") as officer, connect(county) as session, session.cursor() as cursor:
        project = add(peer)
        cursor.execute("INSERT INTO registry.dedup_key VALUES ('investor', '乙公司')")  # the import's commit waits here
        sheet_in = county.popen("robot", "import", sheet, "--commit")
        wait_for(lambda: waiting(county, "import_commit", "bulk"))
        begun = time.monotonic()
        officer.do("account_edit", account=who, enabled=False)
        assert time.monotonic() - begun < 2 * SLOW
        assert [peer.finish(edit(peer, project, summary=f"{i}")).project.version for i in range(20)] == list(range(2, 22))
        session.rollback()
        assert sheet_in.wait(20 * SLOW) == 0 or who == "robot"
    wait_for(lambda: county.psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%import_commit%' AND state = 'active'"
                                 " AND pid <> pg_backend_pid()") == [["0"]])
    assert county.psql("SELECT count(*) FROM registry.project WHERE name = '乙项目'") == [[rows]]
