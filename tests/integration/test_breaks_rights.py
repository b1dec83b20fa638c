# SPDX-License-Identifier: Apache-2.0
"""What an attacker with a clerk's account, a careless officer and bad timing tried on the rights, and what gave way."""
import base64
import json
import os
import socket
import threading
import time

import pytest
from conftest import SLOW
from peer import OPS, Refused, pb
from steps import add, edit, refusal, secret_text, set_role, terms, texts


@pytest.fixture(scope="module")
def county():
    from conftest import County
    one = County("--bare", "--daemons", "2")
    try:
        yield one.up()
    finally:
        one.down()


def test_a_leave_says_not_why(county):
    """The reason of a change that hides a project is for those who may still see it."""
    owner, other, leader = (county.peer(c) for c in ("chengguan", "dongshan", "leader"))
    project = add(owner)
    watches = [peer.watch(terms=terms(project)) for peer in (other, leader)]
    owner.do("project_edit", id=project.id, set=pb.Project(restricted=True), reason=secret_text(1))
    told = [watch.until(lambda e: e.object == project.id)[0] for watch in watches]
    assert [(e.view, e.reason) for e in told] == [("leave", ""), ("update", secret_text(1))]


def test_a_large_revision_hides_what_waits(county):
    """More than 256 changes come without their events: what they hide must not go on from the daemon's ring."""
    owner, other, leader = (county.peer(c) for c in ("chengguan", "dongshan", "leader"))
    project = add(owner)
    slow = other.watch(terms=terms(project), credit=1)
    live = leader.watch()
    while slow.state != "LIVE":  # says so, and has no credit left
        slow.next()
    owner.finish(edit(owner, project, summary=secret_text(2)))
    county.psql(f"""BEGIN; UPDATE registry.project SET restricted = true WHERE id = '{project.id}';
        INSERT INTO registry.project (name, investor, office) SELECT '大批' || n, '大批公司' || n, 'chengguan' FROM generate_series(1, 300) n; COMMIT""")
    live.until(lambda e: e.object == project.id and e.version == 3)
    other.link.send(pb.Frame(credit=pb.Credit(call=slow.call, bytes=100000)))
    told = slow.until(lambda e: e.view == "leave")
    assert [(e.version, e.view) for e in told] == [(3, "leave")]
    assert secret_text(2) not in set().union(*map(texts, told))


def test_officers_at_two_daemons_do_not_wait_for_each_other(county):
    """Each change of rights waits for everybody's changes, but two of them must not wait for one another: a deadlock is
    found only after a second."""
    officers = [county.peer("sysadmin", n) for n in (1, 2)]
    took, faults = [], []

    def work(peer, target):
        for n in range(60):
            begun = time.monotonic()
            try:
                peer.do("account_edit", account=target, name=f"改名{n}")
            except Exception as e:  # noqa: BLE001 - any is a failure
                faults.append(e)
            took.append(time.monotonic() - begun)

    both = [threading.Thread(target=work, args=pair) for pair in zip(officers, ("fagai", "ziran"))]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert not faults and len(took) == 120
    assert max(took) < 0.9 * SLOW, sorted(took)[-5:]
    assert county.psql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [["0"]]


def test_two_grants_at_once_make_no_two_officers(county):
    """Two security officers, the same account, the same moment: one power, not both."""
    county.psql("SELECT registry.account_new('secadmin2', '褚二', 'shuju', 'secadmin')")
    county.psql("INSERT INTO registry.account (code, name, office) SELECT 'liang' || n, '两可', 'shuju' FROM generate_series(1, 8) n")
    for n in range(1, 9):
        def give(role):
            county.psql(f"""INSERT INTO registry.membership (account, role) SELECT id, '{role}' FROM registry.account WHERE code = 'liang{n}'""")

        outcome = []

        def attempt(role):
            try:
                give(role)
                outcome.append(role)
            except AssertionError:
                pass

        both = [threading.Thread(target=attempt, args=(role,)) for role in ("sysadmin", "auditor")]
        for one in both:
            one.start()
        for one in both:
            one.join(30)
        assert len(outcome) == 1
    assert county.psql("SELECT count(*) FROM registry.account WHERE code LIKE 'liang%' AND cardinality(roles) <> 1") == [["0"]]


def test_an_edit_in_flight_when_its_right_goes(county):
    """Every acknowledged edit has a lower revision than the withdrawal; none comes after it."""
    owner, clerk = county.peer("chengguan"), county.peer("dongshan")
    set_role(county, "dongshan", "clerk", "chengguan")
    project = add(owner)
    done, stop = [], threading.Event()

    def work():
        n = 0
        while not stop.is_set():
            n += 1
            try:
                done.append(clerk.finish(edit(clerk, project, jobs=n)).rev)
            except Exception as e:  # noqa: BLE001
                done.append(getattr(e, "code", str(e)))

    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(0.3)
    county.psql("UPDATE registry.membership SET ended_at = now() WHERE ended_at IS NULL AND role = 'clerk' AND office = 'chengguan' "
                "AND account = (SELECT id FROM registry.account WHERE code = 'dongshan')")
    time.sleep(0.3)
    stop.set()
    worker.join(20)
    withdrawn = int(county.psql("SELECT max(t.rev) FROM registry.txn t JOIN registry.change c USING (grp) JOIN registry.account a ON a.object = c.object "
                                "WHERE a.code = 'dongshan'")[0][0])
    good = [x for x in done if isinstance(x, int)]
    assert good and max(good) < withdrawn
    assert set(done[len(good):]) == {"PERMISSION_DENIED"}


def test_cursors_and_pages_of_others(county):
    """Places made up or taken over from somebody who sees more bring nothing more."""
    owner, other = county.peer("chengguan"), county.peer("dongshan")
    shown, hidden = add(owner), add(owner, restricted=True, summary=secret_text(3), amount_total=77_700_000_000)
    after = owner.do("project_list", limit=1, sort="-changed_at").next
    rows, page = [], after
    while page:
        reply = other.do("project_list", after=page, sort="-changed_at", limit=100)
        rows, page = rows + [row.id for row in reply.rows], reply.next
    assert hidden.id not in rows
    for how in ({"sort": "-amount_total"}, {"sort": "amount_total"}, {"search": hidden.name},
                {"terms": [{"field": "amount_total", "op": "=", "values": ["777000000"]}]},
                {"terms": [{"field": "id", "op": "=", "values": [hidden.id]}]},
                {"terms": [{"field": "restricted", "op": "=", "values": ["true"]}]}):
        reply = other.do("project_list", limit=500, **how)
        assert hidden.id not in [row.id for row in reply.rows]
        if "sort" not in how:
            assert reply.total == 0, how
    due = owner.do("due_set", set=pb.Due(project=hidden.id, text=secret_text(4), due_at=4_000_000_000_000_000)).due
    assert refusal(lambda: other.do("due_list", after=due.id)).code == refusal(lambda: other.do("due_list", after="d00000000000000")).code
    watch = owner.watch(terms=terms(hidden), from_start=True, echo=True)
    theirs = watch.until(lambda e: e.object == hidden.id)[0]
    watch.cancel()
    for how in ({"after": pb.Cursor(epoch=theirs.epoch, rev=theirs.rev - 1)}, {"from_start": True},
                {"after": pb.Cursor(epoch=theirs.epoch, rev=theirs.rev - 1), "snapshot": "changed", "objects": [hidden.id]},
                {"snapshot": "all"}):
        marker = add(owner)
        watch = other.watch(**how)
        told = watch.until(lambda e: e.object == marker.id)
        assert not {secret_text(3), secret_text(4), due.id} & (set().union(*map(texts, told)) | {e.object for e in told}), how
        assert {e.view for e in told if e.object == hidden.id} <= {"leave"}
        assert not any(e.version or e.actor or e.at for e in told if e.object == hidden.id), how
        watch.cancel()
    assert shown.id in [row.id for row in other.do("project_list", search=shown.name).rows]


INJECTIONS = ("'; DROP TABLE registry.project; --", "' OR '1'='1", "$$; SELECT 1; $$", "%I %L %s %1$s", "registry.project", "p.office; --",
              "\\'; --", "{1}", '{"a":1}', "2020-01-01'::date", "../../etc/passwd", "*", "", "1e400", "9" * 40, "null")


def injected(message, texts=INJECTIONS, path=""):
    """The request filled so that one text field after the other holds each of them."""
    for field in message.DESCRIPTOR.fields:
        if field.type == field.TYPE_STRING:
            for text in texts:
                one = type(message)()
                one.CopyFrom(message)
                if field.label == field.LABEL_REPEATED:
                    getattr(one, field.name).append(text)
                else:
                    setattr(one, field.name, text)
                yield f"{path}{field.name}", text, one
        elif field.type == field.TYPE_MESSAGE:
            repeated = field.label == field.LABEL_REPEATED
            inner = getattr(message, field.name)
            for where, text, part in injected(inner.add() if repeated else inner, texts, f"{path}{field.name}."):
                one = type(message)()
                one.CopyFrom(message)
                one.ClearField(field.name)
                if repeated:
                    getattr(one, field.name).append(part)
                else:
                    getattr(one, field.name).CopyFrom(part)
                yield where, text, one


def test_text_is_never_sql(county):
    """Every text field of every operation, names of fields and orders among them: refused or kept to the letter."""
    add(county.peer("bureau"))
    tables = county.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'registry'::regnamespace")
    wrong, tried = [], 0
    for name, op in OPS.items():
        who = {"account_add": "sysadmin", "account_edit": "sysadmin", "account_list": "sysadmin", "role_grant": "secadmin", "role_end": "secadmin",
               "role_list": "auditor", "audit_list": "auditor"}.get(name, "bureau")
        peer = county.peer(who)
        requests = list(injected(op.request()))
        tried += len(requests)
        for batch in (requests[n:n + 16] for n in range(0, len(requests), 16)):
            calls = [peer.send_call(op.number, request.SerializeToString(), peer.next_request() if op.changes else None)
                     for _, _, request in batch]
            for call, (where, text, _) in zip(calls, batch):
                try:
                    peer.wait(call)
                    if name == "watch":
                        peer.link.send(pb.Frame(cancel=pb.Cancel(call=call)))
                except Refused as e:
                    if e.code in ("INTERNAL", "UNAVAILABLE", "UNKNOWN"):
                        wrong.append((name, where, text, e.code))
    assert not wrong, wrong[:20]
    assert tried > 1000
    bureau = county.peer("bureau")
    assert county.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'registry'::regnamespace") == tables
    for text in INJECTIONS[:10]:
        project = add(bureau, summary=text, investor=text + "公司")
        assert (project.summary, project.investor) == (text.strip(), text + "公司")
    # a place in a list that somebody made up
    for key in ("x", "1); --", None, "'", {"a": 1}):
        for sort in ("amount_total", "changed_at", "jobs", "tags", "stage", "registered_at", "name", "land_mu", "restricted"):
            made_up = base64.b64encode(json.dumps({"s": sort, "k": key, "n": "2"}).encode()).decode()
            try:
                bureau.do("project_list", sort=sort, after=made_up)
            except Refused as e:
                assert e.code == "INVALID_ARGUMENT", (sort, key, e)


OFFICERS = {"account_add": "sysadmin", "account_edit": "sysadmin", "account_list": "sysadmin", "role_grant": "secadmin", "role_end": "secadmin",
            "role_list": "auditor", "audit_list": "auditor", "cert_map": "sysadmin", "cert_approve": "secadmin", "cert_unmap": "sysadmin", "cert_list": "auditor"}


def test_a_long_text_is_answered_and_leaves_little(county):
    """As long as a frame takes, in every text field of every operation: an answer in time, and a few hundred bytes for ever."""
    before, slow, text = last_row(county), [], "x" * 64_000
    project = add(county.peer("bureau"))
    for name, op in OPS.items():
        peer = county.peer(OFFICERS.get(name, "bureau"))
        peer.link.tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        known = {f: project.id for f in ("id", "object", "project") if f in op.request.DESCRIPTOR.fields_by_name} if name.startswith(("project", "due")) else {}
        for start in (op.request(), op.request(**known), *([op.request(export=True)] if name == "project_list" else [])):
            for where, _, request in injected(start, [text]):
                begun = time.monotonic()
                call = peer.send_call(op.number, request.SerializeToString(), peer.next_request() if op.changes else None)
                try:
                    peer.wait(call, 10 * SLOW)
                    if name == "watch":
                        peer.link.send(pb.Frame(cancel=pb.Cancel(call=call)))
                except Refused as e:
                    assert e.code not in ("INTERNAL", "UNAVAILABLE", "UNKNOWN"), (name, where, e.code)
                slow.append((time.monotonic() - begun, name, where))
    assert len(slow) > 100 and max(slow)[0] < 1.5 * SLOW, sorted(slow)[-5:]
    large = county.psql(f"SELECT op, length(a::text) FROM registry.audit a WHERE no > {before} AND length(a::text) > 1600 UNION ALL"
                        " SELECT op, length(e::text) FROM registry.entry e WHERE op <> 'project_add' AND length(e::text) > 1600")
    assert not large


def rows_since(county, no):
    """Rows of the audit behind that one: actor, op, status, object, detail."""
    found = county.psql(f"SELECT actor, op, status, coalesce(object, ''), detail FROM registry.audit WHERE no > {no} AND op NOT IN ('sign_in', 'doorstep') ORDER BY no")
    return [tuple(row[:4]) + (json.loads(row[4]) if row[4] else {},) for row in found]


def last_row(county):
    return int(county.psql("SELECT coalesce(max(no), 0) FROM registry.audit")[0][0])


def preview(peer, row, source=None):
    """What an import of one row would do."""
    batch = peer.do("import_open", file_sha256=os.urandom(32), rows=1, source=source).id
    peer.do("import_put", id=batch, chunk=0, rows=[{"row": 1, **row}])
    peer.do("import_judge", id=batch)
    verdict = peer.do("import_verdicts", id=batch).rows[0]
    return verdict.verdict, verdict.code, verdict.field, verdict.text, verdict.message, list(verdict.changed)


def test_a_preview_tells_no_contact(county):
    """Whoever may not see a contact hears the same whatever he says of it: right, wrong, said before, none."""
    owner, other = county.peer("chengguan"), county.peer("dongshan")
    project = add(owner, contact_name="欧阳测试", contact_phone="13987654321")
    bare = add(owner)
    batch = owner.do("import_open", file_sha256=os.urandom(32), rows=1, source="S1").id
    owner.do("import_put", id=batch, chunk=0, rows=[{"row": 1, "set": pb.Project(id=project.id, contact_name="欧阳测试", contact_phone="13987654321")}])
    owner.do("import_commit", id=batch)
    before = last_row(county)
    told = [preview(other, row, source) for source in ("S1", None) for one in (project, bare) for row in (
        {"set": pb.Project(id=one.id, contact_name="欧阳测试")}, {"set": pb.Project(id=one.id, contact_name="王五")},
        {"set": pb.Project(id=one.id, contact_phone="13987654321")}, {"set": pb.Project(id=one.id), "clear": ["contact_phone"]},
        {"set": pb.Project(id=one.id), "clear": ["contact_name", "contact_phone"]})]
    assert {one[:2] for one in told} == {("rejected", "PERMISSION_DENIED")} and len(set(map(str, told))) == 1
    assert [(row[:3], row[4]) for row in rows_since(county, before)] == [
        (("dongshan", "import_judge", "OK"), {"restricted": 0, "contacts_of_others": 1})] * len(told)
    # the rest of the row is judged as ever
    assert preview(other, {"set": pb.Project(id=project.id, name=project.name)})[0] == "unchanged"
    assert preview(owner, {"set": pb.Project(id=project.id, contact_name="欧阳测试")})[0] == "unchanged"
    assert preview(owner, {"set": pb.Project(id=project.id), "clear": ["contact_phone"]})[0] == "update"
    secret, before = add(owner, restricted=True), last_row(county)
    preview(owner, {"set": pb.Project(id=secret.id, summary="x")})
    assert [(row[:3], row[4]["restricted"]) for row in rows_since(county, before)] == [(("chengguan", op, "OK"), 1) for op in ("import_judge", "import_verdicts")]


def once_hidden(county):
    """A project of dongshan that it could not see while its first values were written and changed."""
    bureau = county.peer("bureau")
    project = add(county.peer("chengguan"), restricted=True, summary=secret_text(20), tags=["密", "甲"])
    bureau.do("project_edit", id=project.id, set=pb.Project(summary="公开文字", tags=["甲", "乙"]))
    bureau.do("project_edit", id=project.id, set=pb.Project(restricted=False))
    bureau.do("project_edit", id=project.id, set=pb.Project(office="dongshan"))
    return project


def test_a_conflict_tells_nothing_of_hidden_times(county):
    project, owner = once_hidden(county), county.peer("dongshan")
    leader_sees = county.peer("bureau")
    clash = refusal(lambda: owner.do("project_edit", base=1, id=project.id, set=pb.Project(summary="我的")))
    assert (clash.code, clash.field, clash.base_value, clash.theirs, clash.by) == ("CONFLICT", "summary", "", "公开文字", "bureau")
    assert [(f.field, f.base_value, f.theirs, f.yours) for f in clash.fields] == [("summary", "", "公开文字", "我的")]
    # a merge of lists would tell the base, word by word
    clash = refusal(lambda: owner.do("project_edit", base=1, id=project.id, set=pb.Project(tags=["密", "甲"])))
    assert (clash.code, clash.field, clash.base_value) == ("CONFLICT", "tags", "")
    # what was changed while he might see it is told as ever
    version = owner.do("project_show", id=project.id).project.version
    leader_sees.do("project_edit", id=project.id, set=pb.Project(summary="再改", tags=["甲", "丙"]))
    clash = refusal(lambda: owner.do("project_edit", base=version, id=project.id, set=pb.Project(summary="我的")))
    assert (clash.base_value, clash.theirs) == ("公开文字", "再改")
    merged = owner.do("project_edit", base=version, id=project.id, set=pb.Project(tags=["甲", "乙", "丁"])).project
    assert sorted(merged.tags) == ["丁", "丙", "甲"]


def test_a_deadline_conflict_tells_nothing_of_hidden_times(county):
    owner, bureau = county.peer("dongshan"), county.peer("bureau")
    project = add(county.peer("chengguan"), restricted=True)
    due = bureau.do("due_set", set=pb.Due(project=project.id, text=secret_text(21), due_at=4_000_000_000_000_000)).due
    bureau.do("due_set", id=due.id, set=pb.Due(text="公开"))
    bureau.do("project_edit", id=project.id, set=pb.Project(restricted=False))
    bureau.do("project_edit", id=project.id, set=pb.Project(office="dongshan"))
    clash = refusal(lambda: owner.do("due_set", base=1, id=due.id, set=pb.Due(text="我的")))
    assert (clash.code, clash.field, clash.base_value, clash.theirs) == ("CONFLICT", "text", "", "公开")


def again(peer, name, base=None, **fields):
    """The same request as often as one likes: () -> reply or error."""
    op, request = OPS[name], peer.next_request()
    payload = op.request(**fields).SerializeToString()

    def ask():
        try:
            return op.reply.FromString(peer.wait(peer.send_call(op.number, payload, request, base)))
        except Refused as e:
            return e.error
    return ask


def test_a_conflict_told_again_obeys_todays_rights(county):
    owner, bureau = county.peer("dongshan"), county.peer("bureau")
    project = add(owner, summary="原")
    bureau.do("project_edit", id=project.id, set=pb.Project(summary=secret_text(22)))
    ask = again(owner, "project_edit", base=1, id=project.id, set=pb.Project(summary="东山的"))
    first = ask()
    assert (first.code, first.theirs) == ("CONFLICT", secret_text(22)) and ask() == first
    bureau.do("project_edit", id=project.id, set=pb.Project(office="chengguan", restricted=True))
    before, hidden = last_row(county), ask()
    assert hidden.code == "CONFLICT" and not hidden.fields
    assert not (hidden.base_value or hidden.theirs or hidden.by or hidden.HasField("at"))
    assert [row[:4] for row in rows_since(county, before)] == [("dongshan", "project_edit", "CONFLICT", project.id)]
    bureau.do("project_edit", id=project.id, set=pb.Project(restricted=False))
    once = ask()
    assert once.by == "bureau" and not (once.base_value or once.theirs)
    assert [(f.field, f.base_value, f.theirs) for f in once.fields] == [("summary", "", "")]


def test_an_edit_told_again_shows_no_hidden_version(county):
    set_role(county, "fagai", "clerk", "chengguan")
    clerk, bureau = county.peer("fagai"), county.peer("bureau")
    project = add(county.peer("chengguan"), restricted=True)
    ask = again(clerk, "project_edit", id=project.id, set=pb.Project(summary=secret_text(23)))
    assert ask().project.summary == ask().project.summary == secret_text(23)
    due = again(clerk, "due_set", set=pb.Due(project=project.id, text=secret_text(24), due_at=4_000_000_000_000_000))
    assert due().due.text == due().due.text == secret_text(24)
    set_role(county, "fagai", "clerk", on=False)
    set_role(county, "fagai", "clerk", "fagai")
    assert not ask().HasField("project") and not due().HasField("due")
    bureau.do("project_edit", id=project.id, set=pb.Project(restricted=False))
    assert clerk.do("project_show", id=project.id).project.summary == secret_text(23)  # is public now, as it was not then
    assert ask().replayed and not ask().HasField("project") and not due().HasField("due")


def test_what_is_told_again_has_its_row(county):
    owner, other = county.peer("chengguan"), county.peer("dongshan")
    project = add(owner, restricted=True, contact_name="李甲")
    asks = [again(owner, "project_edit", id=project.id, set=pb.Project(summary="s1")),
            again(owner, "due_set", set=pb.Due(project=project.id, text="密期", due_at=4_000_000_000_000_000)),
            again(owner, "receipt_sign", of_rev=int(county.psql(f"SELECT t.rev FROM registry.txn t JOIN registry.change c USING (grp) WHERE c.object = '{project.id}'")[0][0]),
                  object=project.id)]
    for ask in asks:
        ask()
    before = last_row(county)
    assert all(ask().replayed for ask in asks)
    assert [(row[:4], row[4]["replayed"]) for row in rows_since(county, before)] == [
        (("chengguan", op, "OK", project.id), True) for op in ("project_edit", "due_set", "receipt_sign")]
    refused = again(other, "project_edit", id=add(owner).id, set=pb.Project(summary="x"))
    before = last_row(county)
    assert {refused().code for _ in range(3)} == {"PERMISSION_DENIED"}
    assert [row[:3] for row in rows_since(county, before)] == [("dongshan", "project_edit", "PERMISSION_DENIED")] * 3


def test_old_secrets_read_have_their_row(county):
    """Who signed for a restricted project; what a project was while it was restricted; a watch that did not begin."""
    owner, leader, other = (county.peer(c) for c in ("chengguan", "leader", "dongshan"))
    project = add(owner, restricted=True)
    rev = int(county.psql(f"SELECT t.rev FROM registry.txn t JOIN registry.change c USING (grp) WHERE c.object = '{project.id}'")[0][0])
    before = last_row(county)
    leader.do("receipt_list", of_rev=rev, object=project.id)
    leader.do("receipt_list", of_rev=rev)
    assert [row[:4] for row in rows_since(county, before)] == [("leader", "receipt_list", "OK", project.id)]
    owner.do("project_edit", id=project.id, set=pb.Project(restricted=False))
    opened = owner.do("project_edit", id=project.id, set=pb.Project(summary="公开")).rev
    before = last_row(county)
    leader.do("project_log", id=project.id)
    leader.do("project_log", id=project.id, after_rev=opened - 1)
    other.do("project_log", id=project.id)
    assert [row[:4] for row in rows_since(county, before)] == [("leader", "project_log", "OK", project.id)]
    before = last_row(county)
    assert refusal(lambda: leader.watch(after=pb.Cursor(epoch=1, rev=99_999_999))).code == "FUTURE_REVISION"
    assert [row[:3] for row in rows_since(county, before)] == [("leader", "watch", "FUTURE_REVISION")]


def test_a_leave_says_only_what_left(county):
    """Nothing of who hid a project, when, by which request; a leave by a watch's own terms tells it as ever."""
    owner, other, leader = (county.peer(c) for c in ("chengguan", "dongshan", "leader"))
    project = add(owner, tags=["甲"])
    hidden = other.watch(terms=terms(project))
    chosen = leader.watch(terms=terms(project) + [{"field": "tags", "op": "=", "values": ["甲"]}])
    owner.do("project_edit", id=project.id, set=pb.Project(restricted=True), clear=["tags"], reason=secret_text(30))
    gone = hidden.until(lambda e: True)[0]
    assert (gone.view, gone.object, gone.version, gone.kind) == ("leave", project.id, 2, "project")
    silent = ("actor", "office", "reason", "request", "batch", "at")
    assert not [name for name in silent if gone.HasField(name)]
    passed = chosen.until(lambda e: True)[0]
    assert (passed.view, passed.actor) == ("leave", "chengguan") and passed.at and passed.request
    owner.do("project_edit", id=project.id, set=pb.Project(restricted=False))
    gone = other.do("project_log", id=project.id).rows[1]
    assert (gone.view, gone.version) == ("leave", 2) and not [name for name in silent if gone.HasField(name)]
