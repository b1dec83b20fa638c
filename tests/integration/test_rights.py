# SPDX-License-Identifier: Apache-2.0
"""Who may see what, in replies and in the feed: restricted projects, roles given and taken, accounts disabled, while somebody
watches and while he is away."""
import time

import pytest
from conftest import SLOW
from peer import Gone, Refused, cursor_text, pb
from steps import add, edit, quiet, refusal, rights_change, secret_text, set_role, terms, texts, wait_for

FIELDS = {f.name: f.number for f in pb.Project.DESCRIPTOR.fields}


@pytest.fixture(scope="module")
def county(request):
    from conftest import County
    one = County("--bare", "--daemons", "2")
    try:
        yield one.up()
    finally:
        one.down()


@pytest.fixture
def peers(county):
    made = {}

    def get(context, n=1, fresh=False):
        if fresh or (context, n) not in made:
            made[context, n] = county.peer(context, n)
        return made[context, n]

    yield get
    for one in made.values():
        one.link.close()


# ---------------------------------------------------------------- restricted projects

def test_restricted_is_absent_for_others(peers):
    owner, other, leader, duban = (peers(c) for c in ("chengguan", "dongshan", "leader", "duban"))
    project = add(owner, restricted=True, summary=secret_text(1))
    assert project.restricted and owner.do("project_show", id=project.no).project.summary == secret_text(1)
    assert leader.do("project_show", id=project.id).project.id == project.id
    absent = {}
    for reader in (other, duban):
        for name, how in (("project_show", {"id": "{}"}), ("project_log", {"id": "{}"}),
                          ("project_edit", {"id": "{}", "set": pb.Project(summary="x")}),
                          ("project_advance", {"id": "{}", "stage": "talks"}),
                          ("due_list", {"object": "{}"}), ("due_set", {"set": pb.Due(project="{}", text="x", due_at=1)})):
            def ask(id):
                filled = {k: v.format(id) if isinstance(v, str) else v for k, v in how.items()}
                if name == "due_set":
                    filled["set"] = pb.Due(project=id, text="x", due_at=4_000_000_000_000_000)
                return refusal(lambda: reader.do(name, **filled))
            hidden, nothing = ask(project.id), ask("p00000000000000")
            assert hidden.code == nothing.code, name
            assert hidden.message.replace(project.id, "?") == nothing.message.replace("p00000000000000", "?"), name
            assert hidden.hint == nothing.hint and hidden.field == nothing.field, name
            absent[name] = hidden.code
        assert refusal(lambda: reader.watch(terms=terms(project))).code == "NOT_FOUND"
        assert project.id not in [row.id for row in reader.do("project_list", search=project.name).rows]
        assert reader.do("project_list", search=project.name).total == 0
    assert absent["project_show"] == "NOT_FOUND"
    assert owner.do("project_list", search=project.name).total == 1
    # the first report still blocks, and says no more than it always does
    twin = refusal(lambda: other.do("project_add", set=pb.Project(name=project.name, investor=project.investor, stage="lead")))
    assert (twin.code, twin.other_no, twin.other_office) == ("ALREADY_EXISTS", project.no, "chengguan")


def test_offices_count_what_one_sees(peers):
    def count(context):
        return {row.code: row.projects for row in peers(context).do("office_list").rows}["chengguan"]

    before = count("dongshan"), count("leader")
    add(peers("chengguan"), restricted=True)
    assert (count("dongshan"), count("leader")) == (before[0], before[1] + 1)


def test_live_watch_is_told_of_no_secret(peers):
    owner, other, leader = peers("chengguan"), peers("dongshan"), peers("leader")
    project = add(owner, summary="公开")
    watches = {who: peers(who).watch(terms=terms(project)) for who in ("dongshan", "leader")}
    owner.finish(edit(owner, project, restricted=True, summary=secret_text(1)))
    owner.finish(edit(owner, project, summary=secret_text(2)))
    owner.finish(edit(owner, project, restricted=False, summary="又公开"))
    owner.finish(edit(owner, project, summary="再改"))
    told = {who: w.until(lambda e: e.version == 5) for who, w in watches.items()}
    assert [(e.version, e.view) for e in told["leader"]] == [(2, "update"), (3, "update"), (4, "update"), (5, "update")]
    assert [(e.version, e.view) for e in told["dongshan"]] == [(2, "leave"), (4, "enter"), (5, "update")]
    seen = set().union(*map(texts, told["dongshan"]))
    assert not {secret_text(1), secret_text(2)} & seen
    assert not told["dongshan"][0].changes and not told["dongshan"][0].row
    assert not told["dongshan"][1].changes and told["dongshan"][1].row
    # the log says what the watch would have said
    log = other.do("project_log", id=project.id).rows
    assert [(e.version, e.view) for e in log] == [(1, "enter"), (2, "leave"), (4, "enter"), (5, "update")]
    assert not {secret_text(1), secret_text(2)} & set().union(*map(texts, log))
    assert [e.version for e in leader.do("project_log", id=project.id).rows] == [1, 2, 3, 4, 5]
    assert not any(e.audience or e.audience_old or e.audience_now for rows in (*told.values(), log) for e in rows)


@pytest.mark.parametrize("summary", (False, True))
def test_hidden_meanwhile_is_one_leave_for_who_was_away(peers, summary):
    owner, other = peers("chengguan"), peers("dongshan", 2)
    project = add(owner, summary="公开")
    watch = other.watch(terms=terms(project))
    place = watch.at
    watch.cancel()
    for n in range(4):
        owner.finish(edit(owner, project, summary=f"第{n}次"))
    owner.finish(edit(owner, project, restricted=True))
    owner.finish(edit(owner, project, summary=secret_text(1)))
    hidden = owner.do("project_show", id=project.id).project
    marker = add(owner)
    watch = other.watch(after=place, summary=summary)
    told = [e for e in watch.until(lambda e: e.object == marker.id) if e.object == project.id]
    assert [(e.version, e.view) for e in told] == [(hidden.version - 1, "leave")]
    assert not told[0].changes and not told[0].row
    watch.cancel()


def test_snapshots_hold_what_one_sees(peers):
    owner, other = peers("chengguan"), peers("dongshan")
    shown, hidden = add(owner), add(owner, restricted=True)

    def snapshot(peer, **how):
        watch, rows = peer.watch(snapshot="all", **how), {}
        while watch.state != "LIVE":
            for e in watch.next().events:
                rows[e.object] = e.view
        watch.cancel()
        return rows

    assert {shown.id, hidden.id} <= snapshot(peers("leader")).keys()
    rows = snapshot(other)
    assert shown.id in rows and hidden.id not in rows
    # changes behind a place: nothing at all of what one might see neither then nor now
    watch = other.watch()
    place = watch.at
    watch.cancel()
    owner.finish(edit(owner, hidden, summary=secret_text(3)))
    owner.finish(edit(owner, shown, restricted=True))
    watch, rows = other.watch(after=place, snapshot="changed"), {}
    while watch.state != "LIVE":
        for e in watch.next().events:
            rows[e.object] = e.view
            assert not e.row or e.object not in (shown.id, hidden.id)
    assert rows.get(shown.id) == "leave" and hidden.id not in rows


def test_a_moved_secret_leaves_with_its_office(peers):
    owner, bureau = peers("chengguan"), peers("bureau")
    project = add(owner, restricted=True)
    watch, there = owner.watch(terms=terms(project)), peers("dongshan").watch()
    bureau.finish(edit(bureau, project, office="dongshan"))
    bureau.finish(edit(bureau, project, summary=secret_text(4)))
    assert [(e.version, e.view) for e in watch.until(lambda e: True)] == [(2, "leave")]
    quiet(watch, 0.5)
    told = [e for e in there.until(lambda e: e.version == 3 and e.object == project.id) if e.object == project.id]
    assert [(e.version, e.view) for e in told] == [(2, "enter"), (3, "update")]
    assert refusal(lambda: owner.do("project_show", id=project.id)).code == "NOT_FOUND"


# ---------------------------------------------------------------- roles, while somebody watches

def test_right_given_and_taken_while_watching(county, peers):
    owner, fagai = peers("chengguan"), peers("fagai")
    secret, public = add(owner, restricted=True, summary=secret_text(5)), add(owner)
    watch = fagai.watch()
    set_role(county, "fagai", "viewer", "chengguan")
    code, events = rights_change(watch)
    assert code == "RIGHTS_CHANGED" and not [e for e in events if e.object == secret.id]
    # what has come into sight is told from the place where it ended, then the tail
    watch = fagai.watch(after=watch.seen, snapshot="changed")
    rows = watch.until(lambda e: e.object == secret.id)
    assert [e.view for e in rows if e.object == secret.id] == ["enter"] and secret_text(5) in set().union(*map(texts, rows))
    while watch.state != "LIVE":
        watch.next()
    owner.finish(edit(owner, secret, summary=secret_text(6)))
    assert secret_text(6) in set().union(*map(texts, watch.until(lambda e: e.object == secret.id)))
    # and taken away: nothing that wasn't delivered yet comes
    set_role(county, "fagai", "viewer", on=False)
    code, _ = rights_change(watch)
    assert code == "RIGHTS_CHANGED"
    owner.finish(edit(owner, secret, summary=secret_text(7)))
    owner.finish(edit(owner, public, summary="公开的"))
    watch = fagai.watch(after=watch.seen, snapshot="changed")
    rows = watch.until(lambda e: e.object == public.id)
    assert [e.view for e in rows if e.object == secret.id] in ([], ["leave"])
    while watch.state != "LIVE":
        rows += watch.next().events
    assert [(e.view, len(e.row)) for e in rows if e.object == secret.id] == [("leave", 0)]
    assert secret_text(7) not in set().union(*map(texts, rows))


def test_right_taken_while_away(county, peers):
    owner, ziran = peers("chengguan"), peers("ziran", 2)
    set_role(county, "ziran", "viewer", "chengguan")
    time.sleep(0.5)
    secret = add(owner, restricted=True, summary=secret_text(8))
    wait_for(lambda: not isinstance(_try(lambda: ziran.do("project_show", id=secret.id)), Exception))
    watch = ziran.watch()
    place = watch.at
    watch.cancel()
    owner.finish(edit(owner, secret, summary=secret_text(9)))
    set_role(county, "ziran", "viewer", on=False)
    owner.finish(edit(owner, secret, summary=secret_text(10)))
    for n in (1, 2):
        again = peers("ziran", n, fresh=True)
        assert refusal(lambda: again.watch(after=place)).code == "RIGHTS_CHANGED"
        watch, rows = again.watch(after=place, snapshot="changed"), []
        while watch.state != "LIVE":
            rows += watch.next().events
        assert [(e.view, len(e.row)) for e in rows if e.object == secret.id] == [("leave", 0)]
        watch.cancel()


def _try(what):
    try:
        return what()
    except Refused as e:
        return e


def test_the_client_repairs_what_rights_changed(county, peers):
    """The command line: a line for each project that came into sight or went, and nothing twice."""
    owner = peers("chengguan")
    secret = add(owner, restricted=True)
    child = county.popen("jingkai", "-o", "jsonl", "watch")
    time.sleep(1.5 * SLOW)
    set_role(county, "jingkai", "viewer", "chengguan")
    time.sleep(1.5 * SLOW)
    owner.finish(edit(owner, secret, summary=secret_text(11)))
    time.sleep(1 * SLOW)
    set_role(county, "jingkai", "viewer", on=False)
    time.sleep(1.5 * SLOW)
    owner.finish(edit(owner, secret, summary=secret_text(12)))
    time.sleep(1 * SLOW)
    done = county.stop(child)
    lines = [line for line in done.lines if line.get("project") == secret.id]
    assert [line["view"] for line in lines] == ["enter", "update", "leave"], done.stdout + done.stderr
    assert secret_text(12) not in done.stdout
    assert [line["state"] for line in done.lines if line["type"] == "state"].count("RIGHTS") == 2


def test_disabled_account_is_gone_in_two_seconds(county, peers):
    mine, others = [county.peer("duban", n) for n in (1, 2)], [county.peer("leader", n) for n in (1, 2)]
    watches = [peer.watch() for peer in (*mine, *others)]
    county.psql("UPDATE registry.account SET enabled = false WHERE code = 'duban'")
    begun = time.monotonic()
    for peer in mine:
        with pytest.raises(Gone) as gone:
            while True:
                peer.turn(2 * SLOW)
        assert gone.value.error.code == "UNAUTHENTICATED"
    assert time.monotonic() - begun < 2 * SLOW
    with pytest.raises(Gone) as gone:
        county.peer("duban")
    assert gone.value.error.code == "UNAUTHENTICATED"
    marker = add(peers("chengguan"))
    for watch in watches[2:]:
        assert watch.until(lambda e: e.object == marker.id)
    county.psql("UPDATE registry.account SET enabled = true WHERE code = 'duban'")
    assert county.peer("duban").do("whoami").account == "duban"
    # the same for a certificate that is taken away
    peer = county.peer("duban")
    county.psql("UPDATE registry.certificate SET enabled = false WHERE identity = 'qipan:person:duban'")
    with pytest.raises(Gone) as gone:
        while True:
            peer.turn(2 * SLOW)
    assert gone.value.error.code == "UNAUTHENTICATED"
    county.psql("UPDATE registry.certificate SET enabled = true WHERE identity = 'qipan:person:duban'")


def test_rights_withdrawn_wholly(county, peers):
    """Whoever may read nothing any more is told so, not served."""
    duban = county.peer("duban")
    watch = duban.watch()
    set_role(county, "duban", "supervisor", on=False)
    code, _ = rights_change(watch)
    assert code == "RIGHTS_CHANGED"
    assert refusal(lambda: duban.watch(after=watch.seen, snapshot="changed")).code == "PERMISSION_DENIED"
    assert refusal(lambda: duban.do("project_list")).code == "PERMISSION_DENIED"
    set_role(county, "duban", "supervisor")
    assert duban.do("project_list", limit=1) is not None


# ---------------------------------------------------------------- officers

def test_three_officers_three_powers(county, peers):
    system, security, auditor = peers("sysadmin"), peers("secadmin"), peers("auditor")
    made = system.do("account_add", code="xin.ren", name="新人", office="chengguan").account
    assert (made.code, list(made.roles), made.enabled) == ("xin.ren", [], True)
    granted = security.do("role_grant", account="xin.ren", role="clerk", office="chengguan").role
    assert granted.granted_by == "secadmin"
    shown = {a.code: list(a.roles) for a in auditor.do("account_list").rows}
    assert shown["xin.ren"] == ["clerk@chengguan"]
    # nobody does another's work
    for who in (security, auditor, peers("bureau"), peers("leader")):
        assert refusal(lambda: who.do("account_add", code="x.y", name="某", office="chengguan")).code == "PERMISSION_DENIED"
        assert refusal(lambda: who.do("account_edit", account="xin.ren", enabled=False)).code == "PERMISSION_DENIED"
    for who in (system, auditor, peers("bureau"), peers("leader")):
        assert refusal(lambda: who.do("role_grant", account="xin.ren", role="viewer", office="dongshan")).code == "PERMISSION_DENIED"
        assert refusal(lambda: who.do("role_end", id=granted.id)).code == "PERMISSION_DENIED"
    for who in (peers("bureau"), peers("chengguan"), peers("leader")):
        assert refusal(lambda: who.do("account_list")).code == "PERMISSION_DENIED"
    # nobody gives himself anything, nobody holds two powers, officers read no business data
    assert refusal(lambda: security.do("role_grant", account="secadmin", role="leader")).code == "PERMISSION_DENIED"
    assert refusal(lambda: system.do("account_edit", account="sysadmin", name="我")).code == "PERMISSION_DENIED"
    for account, role, office in (("sysadmin", "auditor", None), ("auditor", "viewer", "chengguan"), ("xin.ren", "sysadmin", None)):
        both = refusal(lambda: security.do("role_grant", account=account, role=role, office=office))
        assert (both.code, both.field) == ("FAILED_PRECONDITION", "role"), (account, role)
    project = add(peers("chengguan"))
    for who in (system, security, auditor):
        for name, how in (("project_list", {}), ("project_show", {"id": project.id}), ("project_log", {"id": project.id}),
                          ("enterprise_list", {}), ("due_list", {}), ("receipt_list", {"of_rev": 1})):
            assert refusal(lambda: who.do(name, **how)).code == "PERMISSION_DENIED", name
        watch = who.watch()
        peers("chengguan").finish(edit(peers("chengguan"), project, summary=f"不给{who.welcome.account}看"))
        quiet(watch, 0.5)
        watch.cancel()
    # and see each other's doings
    watch = auditor.watch(terms=[{"field": "kind", "op": "=", "values": ["account"]}])
    security.do("role_end", id=granted.id, reason="调离")
    event = watch.until(lambda e: e.kind == "account")[-1]
    assert (event.type, event.actor, event.reason) == ("account.changed", "secadmin", "调离")
    assert refusal(lambda: peers("secadmin").do("role_end", id=granted.id)).code == "FAILED_PRECONDITION"
    assert granted.id not in [row.id for row in auditor.do("role_list", account="xin.ren").rows]


def test_same_request_same_account(county, peers):
    system = peers("sysadmin")
    first = system.do("account_add", request="acc-1", code="zai.lai", name="再来", office="fagai")
    again = system.do("account_add", request="acc-1", code="zai.lai", name="再来", office="fagai")
    assert again.replayed and again.rev == first.rev and again.account.code == "zai.lai"
    assert refusal(lambda: system.do("account_add", request="acc-1", code="zai.lai", name="不同", office="fagai")).code == "KEY_REUSED"
    assert refusal(lambda: system.do("account_add", code="zai.lai", name="再来", office="fagai")).code == "ALREADY_EXISTS"


def test_deputy_for_a_time(new_county):
    county = new_county("--bare")
    security, deputy, owner = county.peer("secadmin"), county.peer("fagai"), county.peer("chengguan")
    project = add(owner)
    day = [row[0] for row in county.psql("SELECT (registry.today() + n)::text FROM generate_series(0, 3) n")]
    refused = refusal(lambda: security.do("role_grant", account="fagai", role="clerk", office="chengguan", deputy_of="chengguan"))
    assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "until_on")
    refused = refusal(lambda: security.do("role_grant", account="fagai", role="clerk", office="chengguan", deputy_of="dongshan",
                                          until_on=day[2]))
    assert (refused.code, refused.field) == ("FAILED_PRECONDITION", "deputy_of")
    given = security.do("role_grant", account="fagai", role="clerk", office="chengguan", deputy_of="chengguan",
                        from_on=day[1], until_on=day[2])
    assert not given.HasField("rev")
    write = lambda text: deputy.finish(edit(deputy, project, summary=text))  # noqa: E731
    assert refusal(lambda: write("太早")).code == "PERMISSION_DENIED"
    county.clock("+1d")
    wait_for(lambda: not isinstance(_try(lambda: write("代理")), Refused))
    county.clock("+3d")
    wait_for(lambda: isinstance(_try(lambda: write(f"太晚{time.monotonic()}")), Refused))
    roles = {a.code: list(a.roles) for a in security.do("account_list").rows}
    assert roles["fagai"] == ["clerk@fagai"]


def test_deputy_has_no_more_than_whom_he_stands_for(new_county):
    county = new_county("--bare")
    security, deputy, owner = county.peer("secadmin"), county.peer("fagai"), county.peer("chengguan")
    project = add(owner)
    security.do("role_grant", account="fagai", role="clerk", office="chengguan", deputy_of="chengguan", until_on="2099-12-31")
    deputy.finish(edit(deputy, project, summary="代理"))
    county.peer("sysadmin").do("account_edit", account="chengguan", enabled=False)
    assert refusal(lambda: deputy.finish(edit(deputy, project, summary="无人可代"))).code == "PERMISSION_DENIED"


def test_officers_work_at_the_command_line(county):
    assert county.qipan("sysadmin", "account", "add", "zhao.shi", "name=赵试", "office=东山镇", "-o", "json", ok=True).json["code"] == "zhao.shi"
    given = county.qipan("secadmin", "-o", "json", "account", "grant", "zhao.shi", "clerk", "--office", "dongshan", ok=True).json
    assert (given["account"], given["role"], given["office"]) == ("zhao.shi", "clerk", "dongshan")
    assert "经办(东山镇)" in county.qipan("auditor", "account", "list", "赵试", ok=True).stdout
    assert [row["id"] for row in county.qipan("auditor", "-o", "jsonl", "account", "roles", "zhao.shi", ok=True).lines] == [given["id"]]
    refused = county.qipan("secadmin", "-o", "json", "account", "grant", "secadmin", "clerk", "--office", "dongshan", ok=8)
    assert (refused.error["code"], refused.error["field"]) == ("PERMISSION_DENIED", "account")
    county.qipan("secadmin", "account", "end", given["id"], "--reason", "试完", ok=True)
    county.qipan("secadmin", "account", "end", given["id"], ok=7)
    assert county.qipan("auditor", "-o", "jsonl", "account", "roles", "zhao.shi", ok=True).lines == []
    assert len(county.qipan("auditor", "-o", "jsonl", "account", "roles", "zhao.shi", "--ended", ok=True).lines) == 1
    disabled = county.qipan("sysadmin", "-o", "json", "account", "edit", "zhao.shi", "enabled=false", ok=True).json
    assert disabled.get("enabled") is not True
    county.qipan("chengguan", "account", "list", ok=8)
    county.qipan("sysadmin", "account", "edit", "mei.you", "enabled=false", ok=5)


def test_reads_of_secrets_have_their_row(county, peers):
    owner, leader, duban = peers("chengguan"), peers("leader"), peers("duban")
    project = add(owner, restricted=True)
    due = owner.do("due_set", set=pb.Due(project=project.id, text="签约前核实", due_at=4_000_000_000_000_000)).due
    before = int(county.psql("SELECT coalesce(max(no), 0) FROM registry.audit")[0][0])

    def rows():
        return county.psql(f"SELECT actor, op, coalesce(object, ''), of_office FROM registry.audit WHERE no > {before} AND op <> 'sign_in' ORDER BY no")

    leader.do("project_show", id=project.id)
    leader.do("project_log", id=project.id)
    assert [row.id for row in leader.do("due_list", object=project.id).rows] == [due.id]
    leader.watch().cancel()
    duban.watch().cancel()  # sees nothing restricted
    duban.do("project_list", limit=1)
    assert [row[:3] for row in rows()] == [["leader", "project_show", project.id], ["leader", "project_log", project.id],
                                           ["leader", "due_list", project.id], ["leader", "watch", ""]]


def test_hidden_and_shown_in_one_breath(county, peers):
    """Several changes of sight in one revision: whoever might see it before and may now has it at the end."""
    owner, other = peers("chengguan"), peers("dongshan")
    project = add(owner)
    watch = other.watch(terms=terms(project))
    county.psql(f"BEGIN; UPDATE registry.project SET restricted = true WHERE id = '{project.id}'; "
                f"UPDATE registry.project SET restricted = NULL, summary = '又公开' WHERE id = '{project.id}'; COMMIT")
    told = watch.until(lambda e: e.version == 3)
    assert [(e.version, e.view) for e in told] == [(2, "leave"), (3, "enter")]
