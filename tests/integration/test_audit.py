# SPDX-License-Identifier: Apache-2.0
"""Everybody who changes, is refused, or reads what is sensitive leaves a row; whoever tampers with journal or audit, as the
database's superuser, is found by `qipan-admin audit verify`, which says what was done."""
import base64
import datetime
import json
import os
import pathlib
import re
import subprocess
import time

import pytest
from peer import pb
from steps import add, refusal, upload

TOP = pathlib.Path(__file__).resolve().parents[2]
PAST = "SET session_replication_role = replica;"  # no trigger fires


def admin(county, *args, database="qipan", env=None):
    return subprocess.run([TOP / "deploy/admin/qipan-admin", *args], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env={**os.environ, **county.env, "PGDATABASE": database, **(env or {})})


def until(condition, timeout=20):
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)
    return found


def rows(county, more=""):
    return [tuple(r) for r in county.psql(f"SELECT coalesce(actor, ''), op, status FROM registry.audit {more} ORDER BY no")]


def chained(county):
    return county.psql("SELECT (SELECT count(*) FROM registry.txn) = (SELECT count(*) FROM registry.chain)")[0][0] == "t"


# ---------------------------------------------------------------- completeness


def test_everybody_leaves_a_row(new_county):
    """What clients did and were told, one by one, against what the auditor sees."""
    county = new_county("--bare")
    clerk, other, leader = county.peer("chengguan"), county.peer("dongshan"), county.peer("leader")
    project = add(clerk, contact_name="张某某", contact_phone="13800000000")
    want = []

    def told(who, op, status, call):
        if status == "OK":
            call()
        else:
            assert refusal(call).code == status
        want.append((who, op, status))

    told("dongshan", "project_edit", "PERMISSION_DENIED", lambda: other.do("project_edit", id=project.id, set={"summary": "x"}))
    clerk.do("project_edit", id=project.id, set={"summary": "一"})
    bureau = county.peer("bureau")
    told("bureau", "project_edit", "CONFLICT", lambda: bureau.do("project_edit", id=project.id, set={"summary": "二"}, base=1))
    told("bureau", "project_edit", "NOT_FOUND", lambda: bureau.do("project_edit", id="pnone", set={"summary": "x"}))
    told("chengguan", "project_add", "ALREADY_EXISTS", lambda: clerk.do("project_add", set={"name": project.name, "investor": project.investor}))
    told("chengguan", "project_edit", "INVALID_ARGUMENT", lambda: clerk.do("project_edit", id=project.id, set={"stage": "nowhere"}))
    told("chengguan", "project_edit", "OK", lambda: clerk.do("project_edit", id=project.id, set={"summary": "一"}))  # nothing changes
    told("chengguan", "project_show", "OK", lambda: clerk.do("project_show", id=project.id))
    leader.do("project_show", id=project.id)  # sees no contact: no row
    told("leader", "project_show", "NOT_FOUND", lambda: leader.do("project_show", id="2026-9999"))
    told("bureau", "project_list", "OK", lambda: bureau.do("project_list"))
    told("leader", "export", "OK", lambda: leader.do("project_list", export=True))
    told("leader", "project_list", "INVALID_ARGUMENT", lambda: leader.do("project_list", sort="nothing"))
    told("sysadmin", "project_list", "PERMISSION_DENIED", lambda: county.peer("sysadmin").do("project_list"))
    told("leader", "audit_list", "PERMISSION_DENIED", lambda: leader.do("audit_list"))
    told("chengguan", "receipt_sign", "FUTURE_REVISION", lambda: clerk.do("receipt_sign", of_rev=10**6))
    used = clerk.next_request()
    clerk.do("project_edit", request=used, id=project.id, set={"summary": "三"})
    told("chengguan", "project_edit", "KEY_REUSED", lambda: clerk.do("project_edit", request=used, id=project.id, set={"summary": "四"}))
    told("chengguan", "project_edit", "OK", lambda: clerk.do("project_edit", request=used, id=project.id, set={"summary": "三"}))  # its contact, shown again
    assert rows(county, "WHERE op <> 'sign_in'") == want
    assert {who for who, op, status in rows(county, "WHERE op = 'sign_in'") if status == "OK"} >= {"chengguan", "dongshan", "leader", "sysadmin"}
    assert not county.psql("SELECT no FROM registry.audit WHERE audit::text ~ '张某某|13800000000'")
    # the auditor sees all of it, and the entries of the journal between
    seen = county.qipan("auditor", "audit", "list", "-o", "jsonl", ok=True).lines
    assert [(x.get("actor", ""), x["op"], x["status"]) for x in seen if "no" in x and x["op"] != "sign_in"] == want
    assert [x["rev"] for x in seen if "rev" in x and x["actor"] == "chengguan"] == sorted(x["rev"] for x in seen if "rev" in x and x["actor"] == "chengguan")
    assert [x["done_at"] for x in seen] == sorted(x["done_at"] for x in seen)
    mine = county.qipan("auditor", "audit", "list", "--person", "dongshan", "--project", project.no, "-o", "jsonl", ok=True).lines
    assert [(x["op"], x["status"]) for x in mine] == [("project_edit", "PERMISSION_DENIED")]
    assert county.qipan("auditor", "audit", "list", "--until", "2020-01-01", "-o", "jsonl", ok=True).lines == []
    assert county.qipan("leader", "audit", "list").returncode == 8
    assert county.qipan("auditor", "audit", "list", "--since", "yesterday").returncode == 7


def test_many_refusals_at_once_each_have_one(new_county):
    """Through the set-based form of an edit, too."""
    county = new_county("--bare")
    clerk, other = county.peer("chengguan"), county.peer("dongshan")
    projects = [add(clerk) for _ in range(5)]
    used = clerk.next_request()
    clerk.do("project_edit", request=used, id=projects[0].id, set={"summary": "先"})
    calls = [clerk.start("project_edit", request=used if i == 30 else None, id=projects[i % 5].id, set={"summary": f"第{i}次"}) for i in range(60)]
    denied = [other.start("project_edit", id=projects[i % 5].id, set={"summary": "x"}) for i in range(40)]
    codes = [refusal(lambda c=c: clerk.finish(c)).code if i == 30 else clerk.finish(c) and None for i, c in enumerate(calls)]
    assert codes[30] == "KEY_REUSED"
    for call in denied:
        assert refusal(lambda c=call: other.finish(c)).code == "PERMISSION_DENIED"
    assert rows(county, "WHERE op = 'project_edit' AND status <> 'OK'").count(("dongshan", "project_edit", "PERMISSION_DENIED")) == 40
    assert rows(county, "WHERE status = 'KEY_REUSED'") == [("chengguan", "project_edit", "KEY_REUSED")]


def test_what_the_daemon_refuses_itself_is_counted(new_county):
    county = new_county("--bare")
    clerk = county.peer("chengguan")
    for _ in range(3):
        assert refusal(lambda: clerk.wait(clerk.send_call(777, b""))).code == "UNIMPLEMENTED"
    assert refusal(lambda: clerk.wait(clerk.send_call(11, b"\x0a\x02\xc3\x28"))).code == "INVALID_TEXT"
    county.kill(1, "TERM")  # hands over what the minute has brought
    seen = county.psql("SELECT actor, status, detail ->> 'count' FROM registry.audit WHERE op = 'doorstep' ORDER BY status")
    assert seen == [["chengguan", "INVALID_TEXT", "1"], ["chengguan", "UNIMPLEMENTED", "3"]]


def test_what_cannot_be_audited_does_not_happen(new_county):
    county = new_county("--bare")
    clerk, other = county.peer("chengguan"), county.peer("dongshan")
    project = add(clerk, contact_phone="13800000000")
    county.psql("ALTER TABLE registry.audit ADD CONSTRAINT broken CHECK (no < 0) NOT VALID")
    assert refusal(lambda: clerk.do("project_show", id=project.id)).code == "INTERNAL"
    assert refusal(lambda: other.do("project_show", id="2026-9999")).code == "INTERNAL"
    assert refusal(lambda: other.do("project_list", export=True)).code == "INTERNAL"
    assert refusal(lambda: other.do("project_edit", id=project.id, set={"summary": "x"})).code == "INTERNAL"
    assert clerk.do("project_edit", id=project.id, set={"summary": "x"}).rev
    assert county.psql("SELECT count(*) FROM registry.entry WHERE grp IS NULL") == [["0"]]
    county.psql("ALTER TABLE registry.audit DROP CONSTRAINT broken")
    assert clerk.do("project_show", id=project.id).project.contact_phone == "13800000000"


# ---------------------------------------------------------------- chains


@pytest.fixture(scope="module")
def tampered():
    """A county with a history, closings in two months and two anchors, its daemon stopped: (county, tamper). tamper(sql) takes a
    copy, changes it as superuser, and returns what verify says of it."""
    from conftest import County
    county = County("--bare").up()
    try:
        clerk, other = county.peer("chengguan"), county.peer("dongshan")
        projects = [add(clerk, contact_phone="13800000000", amount_total=350_000_000_00, land_mu="12.50", tags=["链", "新"]) for _ in range(3)]
        clerk.do("due_set", set=pb.Due(project=projects[0].id, text="催办", due_at=4_000_000_000_000_000))
        clerk.do("receipt_sign", of_rev=2, object=projects[0].id)
        clerk.do("enterprise_add", set=pb.Enterprise(name="远山", industry="C38"))
        clerk.do("project_advance", id=projects[1].id, stage="intent")
        clerk.do("activity_set", set=pb.Activity(project=projects[1].id, **{"class": "talk"}, held_on="2026-01-05", place="园区"))
        upload(clerk, "佐证".encode(), project=projects[1].id)
        security, day = county.peer("secadmin"), datetime.date.fromisoformat(county.psql("SELECT registry.today()")[0][0])
        for who, days in (("fagai", (None, 30)), ("ziran", (100, 110))):
            since, until_on = (d and str(day + datetime.timedelta(days=d)) for d in days)
            role = security.do("role_grant", account=who, role="clerk", office="chengguan", from_on=since, until_on=until_on).role
        security.do("role_end", id=role.id)
        county.psql("INSERT INTO registry.membership (account, role, office, from_on, until_on) SELECT id, 'viewer', 'dongshan', registry.today() + 100,"
                    " registry.today() + 110 FROM registry.account WHERE code = 'ziran'")

        def story():
            for p in projects:
                clerk.do("project_edit", id=p.id, set={"summary": f"{time.monotonic()}"})
                refusal(lambda p=p: other.do("project_edit", id=p.id, set={"summary": "x"}))
                clerk.do("project_show", id=p.id)
            until(lambda: chained(county))
            county.psql("SELECT registry.audit_close()")

        story()
        story()
        anchors = county.dir / "here/anchors"
        until(lambda: anchors.exists() and len(anchors.read_text().splitlines()) == 1)
        county.clock("+40d")
        until(lambda: county.psql("SELECT registry.clock_due()") == [["f"]])  # the day's alerts come before what follows
        story()
        story()
        os.utime(anchors, (0, 0))
        county.kill(1)
        county.start(1)
        until(lambda: len(anchors.read_text().splitlines()) == 2)
        until(lambda: county.psql("SELECT n FROM registry.anchor") == [["2"]])
        county.kill(1)
        time.sleep(0.2)
        n = 0

        def tamper(sql="", anchored=False, file=anchors, later="0"):
            """file: or what makes it, given the copy's name. later: when it is verified, by the county's clock."""
            nonlocal n
            n += 1
            county.psql(f"CREATE DATABASE t{n} TEMPLATE qipan")
            if sql:
                county.psql(PAST + sql, "-d", f"t{n}")
            how = ("--anchors", file(f"t{n}") if callable(file) else file, "--key", county.pki / "audit.pem") if anchored else ()
            at = county.psql(f"SELECT registry.rfc3339(registry.now() + interval '{later}')")[0][0]
            done = admin(county, "audit", "verify", *how, database=f"t{n}", env={"QIPAN_VERIFY_AT": at})
            county.psql(f"DROP DATABASE t{n}")
            found = [re.match(r"! (.*?): ([a-z -]+) \(", x).groups() for x in done.stdout.splitlines() if x.startswith("! ")]
            assert done.returncode == (1 if found else 0), done.stdout + done.stderr
            return found

        yield county, tamper
    finally:
        county.down()


REV = "(SELECT max(rev) - 4 FROM registry.txn)"
GRP = f"(SELECT grp FROM registry.txn WHERE rev = {REV})"
FIRST = "id = (SELECT min(id) FROM registry.project)"
CLOSING = "(SELECT min(id) FROM registry.audit_closing WHERE rows > 2)"
ROW = f"(SELECT min(no) FROM registry.audit WHERE closing = {CLOSING})"
AUDIT_SUM = "UPDATE registry.audit SET digest = registry.sm3(registry.audit_text(audit)) WHERE no = " + ROW
# a whole chain made anew, as good as anybody could
RECREATE = """UPDATE registry.txn SET digest = registry.content_digest(grp) WHERE kind = 'commit';
    TRUNCATE registry.chain; SELECT registry.chain_revisions(100000);
    UPDATE registry.audit SET digest = registry.sm3(registry.audit_text(audit)), closing = NULL;
    TRUNCATE registry.audit_closing; SELECT registry.audit_close();"""

TAMPERINGS = [
    (f"UPDATE registry.change SET fields = '{{\"16\":[null,\"x\"]}}' WHERE grp = {GRP}", "revision", "changed"),
    (f"UPDATE registry.change SET audience = '{{2}}' WHERE grp = {GRP}", "revision", "changed"),
    (f"UPDATE registry.entry SET actor = 'dongshan' WHERE grp = {GRP}", "revision", "changed"),
    (f"UPDATE registry.txn SET at = at - interval '1 day' WHERE rev = {REV}", "revision", "changed"),
    (f"UPDATE registry.txn SET digest = NULL WHERE rev = {REV}", "revision", "changed"),
    (f"UPDATE registry.chain SET link = '\\x00' WHERE rev = {REV}", "revision", "changed"),
    (f"UPDATE registry.epoch SET timeline = 7", "revision", "changed"),
    (f"DELETE FROM registry.change WHERE grp = {GRP}", "revision", "deleted"),
    (f"DELETE FROM registry.txn WHERE rev = {REV}", "revision", "deleted"),
    (f"DELETE FROM registry.chain WHERE rev = {REV}; DELETE FROM registry.txn WHERE rev = {REV}", "revisions", "deleted"),
    (f"INSERT INTO registry.change SELECT (jsonb_populate_record(c, '{{\"idx\":1}}')).* FROM registry.change c WHERE grp = {GRP}", "revision", "inserted"),
    ("INSERT INTO registry.entry (account, request, grp, ord, actor, op, status, at) VALUES (2, 'new', 99999, 0, 'x', 'x', 'OK', now())", "entry", "inserted"),
    (f"DELETE FROM registry.chain WHERE rev = {REV}", "revision", "inserted"),
    (f"UPDATE registry.txn SET rev = -rev WHERE rev IN ({REV}, {REV} - 1);"
     "UPDATE registry.txn SET rev = (SELECT -sum(rev) FROM registry.txn WHERE rev < 0) + rev WHERE rev < 0", "revision", "reordered"),
    (f"UPDATE registry.change c SET grp = -(SELECT sum(t.grp) - c.grp FROM registry.txn t WHERE t.rev IN ({REV}, {REV} - 1))"
     f" WHERE grp IN (SELECT grp FROM registry.txn WHERE rev IN ({REV}, {REV} - 1));"
     "UPDATE registry.entry c SET grp = -(SELECT sum(t.grp) - c.grp FROM registry.txn t WHERE t.grp IN (SELECT -grp FROM registry.change WHERE grp < 0))"
     " WHERE grp IN (SELECT -grp FROM registry.change WHERE grp < 0);"
     "UPDATE registry.change SET grp = -grp WHERE grp < 0; UPDATE registry.entry SET grp = -grp WHERE grp < 0", "revision", "reordered"),
    (f"DELETE FROM registry.txn WHERE rev > {REV}", "revision", "cut"),
    (f"DELETE FROM registry.chain WHERE rev > {REV}; DELETE FROM registry.txn WHERE rev > {REV}", "closing", "cut"),
    (f"UPDATE registry.audit SET status = 'CONFLICT' WHERE no = {ROW}", "audit row", "changed"),
    (f"UPDATE registry.audit SET peer = '192.0.2.1' WHERE no = {ROW}; {AUDIT_SUM}", "closing", "changed"),
    (f"UPDATE registry.audit SET closing = NULL WHERE no = {ROW}", "audit row", "changed"),
    (f"DELETE FROM registry.audit WHERE no = {ROW}", "audit row", "deleted"),
    (f"INSERT INTO registry.audit (no, at, op, status, digest, closing) VALUES (9999, now(), 'x', 'OK', '', {CLOSING});"
     "UPDATE registry.audit SET digest = registry.sm3(registry.audit_text(audit)) WHERE no = 9999", "audit row", "inserted"),
    (f"UPDATE registry.audit SET no = -no WHERE no IN ({ROW}, {ROW} + 1);"
     "UPDATE registry.audit SET no = (SELECT -sum(no) FROM registry.audit WHERE no < 0) + no WHERE no < 0", "audit row", "reordered"),
    (f"DELETE FROM registry.audit_closing WHERE id = {CLOSING}", "closing", "deleted"),
    (f"UPDATE registry.audit_closing SET at = at - interval '1 day' WHERE id = {CLOSING}", "closing", "changed"),
    (f"UPDATE registry.audit_closing SET nos = '{{[1,9000000000000000000)}}', rows = 2000000000 WHERE id = {CLOSING}", "closing", "changed"),
    (f"UPDATE registry.audit_closing SET nos = '{{(,)}}' WHERE id = {CLOSING}", "closing", "changed"),
    ("DELETE FROM registry.audit_closing WHERE id = (SELECT max(id) FROM registry.audit_closing WHERE rows > 0)", "audit row", "cut"),
    ("UPDATE registry.entry SET status = 'OK' WHERE grp IS NULL AND request = (SELECT min(request) FROM registry.entry WHERE grp IS NULL)", "receipt", "changed"),
    ("DELETE FROM registry.entry WHERE grp IS NULL AND request = (SELECT min(request) FROM registry.entry WHERE grp IS NULL)", "receipt", "deleted"),
    ("INSERT INTO registry.entry (account, request, actor, op, status, at) VALUES (2, 'new', 'x', 'x', 'OK', registry.now())", "receipt", "inserted"),
    # refusals that never were
    ("INSERT INTO registry.entry (account, request, actor, op, status, at) SELECT 2, 'new', 'x', 'x', 'OK', min(at) - interval '1 second'"
     " FROM registry.audit_closing", "receipt", "inserted"),
    ("INSERT INTO registry.audit (no, at, op, status, digest) VALUES (9999, registry.now(), 'x', 'OK', '');"
     "UPDATE registry.audit SET digest = registry.sm3(registry.audit_text(audit)) WHERE no = 9999", "audit row", "inserted"),
    ("SET session_replication_role = origin; INSERT INTO registry.audit (at, op, status) VALUES (registry.now() - interval '1 day', 'x', 'OK')",
     "audit row", "inserted"),
    ("SET session_replication_role = origin; INSERT INTO registry.audit (at, op, status) VALUES (registry.now() - interval '1 day', 'x', 'OK');"
     "SELECT registry.audit_close()", "audit row", "inserted"),
    # powers
    ("UPDATE registry.account SET rights = rights || '{write@*,contact@*}', grants = '{1,2,3}' WHERE code = 'duban'", "account duban", "changed"),
    ("UPDATE registry.account SET grants = '{1,2,3}' WHERE code = 'duban'", "account duban", "changed"),
    ("UPDATE registry.account SET roles = '{bureau}' WHERE code = 'duban'", "account duban", "changed"),
    ("UPDATE registry.account SET office = 'dongshan' WHERE code = 'chengguan'", "account chengguan", "changed"),
    ("UPDATE registry.account SET enabled = false WHERE code = 'auditor'", "account auditor", "changed"),
    ("UPDATE registry.account SET version = version + 1, identities = '{}' WHERE code = 'auditor'", "account auditor", "changed"),
    ("INSERT INTO registry.certificate (identity, account) SELECT 'qipan:person:ghost', id FROM registry.account WHERE code = 'bureau'", "account bureau", "changed"),
    ("UPDATE registry.certificate SET account = (SELECT id FROM registry.account WHERE code = 'bureau') WHERE account ="
     " (SELECT id FROM registry.account WHERE code = 'chengguan')", "account", "changed"),
    ("INSERT INTO registry.membership (id, account, role, granted_by, granted_at) SELECT 'mx', id, 'bureau', 'db:x', now()"
     " FROM registry.account WHERE code = 'leader'", "account leader", "changed"),
    ("INSERT INTO registry.membership (id, account, role, from_on, granted_by, granted_at) SELECT 'mx', id, 'bureau', '2100-01-01', 'secadmin', now()"
     " FROM registry.account WHERE code = 'leader'", "account leader", "changed"),
    ("UPDATE registry.membership SET ended_at = now() WHERE account = (SELECT id FROM registry.account WHERE code = 'leader')", "account leader", "changed"),
    ("INSERT INTO registry.role_right VALUES ('supervisor', 'restricted', 'all')", "account duban", "changed"),
    ("INSERT INTO registry.account (code, name, office, object) SELECT 'ghost', 'x', office, 'aghost' FROM registry.account LIMIT 1", "account ghost", "inserted"),
    ("DELETE FROM registry.account WHERE code = 'leader'", "account leader", "deleted"),
    ("UPDATE registry.membership SET until_on = '2099-01-01' WHERE until_on IS NOT NULL AND granted_by = 'secadmin' AND ended_at IS NULL", "account fagai", "changed"),
    ("UPDATE registry.membership SET ended_at = NULL WHERE ended_at IS NOT NULL", "account ziran", "changed"),
    ("UPDATE registry.membership SET role = 'clerk' WHERE role = 'viewer' AND from_on IS NOT NULL", "account ziran", "changed"),
    ("INSERT INTO registry.membership (id, account, role, from_on, granted_by, granted_at) SELECT 'mx', id, 'bureau', '2100-01-01', 'db:postgres', now()"
     " FROM registry.account WHERE code = 'duban'", "account duban", "changed"),
    ("INSERT INTO registry.membership (id, account, role, from_on, granted_by, granted_at) SELECT 'mx', id, 'bureau', '2100-01-01', 'db:migration', now()"
     " FROM registry.account WHERE code = 'duban'", "account duban", "changed"),
    ("DELETE FROM registry.membership WHERE ended_at IS NOT NULL", "role", "deleted"),
    # what the journal tells of, in its tables
    (f"UPDATE registry.project SET amount_total = amount_total * 10 WHERE {FIRST}", "project", "changed"),
    (f"SET session_replication_role = origin; SET qipan.entry = '0'; UPDATE registry.project SET summary = 'x', version = version + 1 WHERE {FIRST}", "project", "changed"),
    (f"UPDATE registry.project SET amount_tax = 100 WHERE {FIRST}; DELETE FROM registry.field WHERE name = 'amount_tax'", "project", "changed"),
    (f"UPDATE registry.project SET tags = tags[1:1] WHERE {FIRST}", "project", "changed"),
    (f"UPDATE registry.project SET land_mu = 12.51 WHERE {FIRST}", "project", "changed"),
    (f"UPDATE registry.project SET audience = '{{2}}' WHERE {FIRST}", "project", "changed"),
    (f"UPDATE registry.project SET version = version - 1 WHERE {FIRST}", "project", "changed"),
    (f"UPDATE registry.project SET contact_phone_mark = 0 WHERE {FIRST}", "project", "changed"),
    (f"DELETE FROM registry.project WHERE {FIRST}", "project", "deleted"),
    (f"INSERT INTO registry.project SELECT (jsonb_populate_record(p, '{{\"id\":\"pghost\",\"no\":\"2026-9999\"}}')).* FROM registry.project p WHERE {FIRST}",
     "project 2026-9999", "inserted"),
    ("UPDATE registry.due SET due_at = due_at + interval '1 year'", "deadline", "changed"),
    ("UPDATE registry.receipt SET account = 'dongshan'", "signature", "changed"),
    ("DELETE FROM registry.receipt", "signature", "deleted"),
    ("UPDATE registry.activity SET place = 'x'", "activity", "changed"),
    ("UPDATE registry.evidence SET sha256 = repeat('0', 64)", "evidence", "changed"),
    ("UPDATE registry.enterprise SET industry = 'C39'", "enterprise", "changed"),
    ("ALTER TABLE registry.entry RENAME TO altered; CREATE VIEW registry.entry AS SELECT * FROM registry.altered", "table entry", "changed"),
    ("DELETE FROM registry.audit a USING registry.audit_closing c WHERE c.id = a.closing AND c.at < now() + interval '10 days'", "month", "dropped month"),
    # said to be dropped, but before its time
    ("DELETE FROM registry.audit a USING registry.audit_closing c WHERE c.id = a.closing AND c.at < now() + interval '10 days';"
     "SELECT registry.audit_close(jsonb_build_object('month', to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM')))", "month", "dropped month"),
]


def test_a_clean_chain_is_clean(tampered):
    county, tamper = tampered
    assert tamper() == [] and tamper(anchored=True) == []
    # rows that are not closed yet are no finding
    assert tamper("SET session_replication_role = origin; SELECT registry.audit_put(NULL, 'x', 'OK', NULL, NULL, NULL)", anchored=True) == []


@pytest.mark.parametrize("sql, place, done", TAMPERINGS)
def test_tampering_is_named(tampered, sql, place, done):
    found = tampered[1](sql)
    assert found and found[0][0].startswith(place) and found[0][1] == done, found


def test_a_chain_made_anew_is_known_by_its_anchors(tampered):
    county, tamper = tampered
    again = f"UPDATE registry.entry SET actor = 'dongshan' WHERE grp = {GRP};" + RECREATE
    assert tamper(again) == [], "by itself it is as good as the first"
    assert tamper(again, anchored=True)[0][1] == "re-created"
    first = again.replace(GRP, "(SELECT grp FROM registry.txn WHERE rev = 2)")
    assert tamper(first) == [] and tamper(first, anchored=True)[0] == ("revisions from 1", "re-created")
    cut = (f"DELETE FROM registry.chain WHERE rev > {REV}; DELETE FROM registry.txn WHERE rev > {REV}; DELETE FROM registry.audit;"
           "DELETE FROM registry.entry e WHERE NOT EXISTS (SELECT FROM registry.txn t WHERE t.grp = e.grp);"
           "DELETE FROM registry.change e WHERE NOT EXISTS (SELECT FROM registry.txn t WHERE t.grp = e.grp); DELETE FROM registry.audit_closing")
    kinds = {(name.split()[0], done) for name, done in tamper(cut)} - {("alert", "changed")}  # lit by a clock run
    assert kinds == {("project", "changed"), ("account", "changed")}, "what it was about is still there"
    assert tamper(cut, anchored=True)[0][1] == "cut"


def anchored_anew(county, folder, copy, after):
    """The county's anchors and one more, signed as the daemon would, of a copy as it is; its time is that much after now."""
    lines = (county.dir / "here/anchors").read_text().splitlines()
    at = county.psql(f"SELECT registry.rfc3339(registry.now() + interval '{after}')")[0][0]
    rev, link, closing, closing_link, prev = county.psql(
        f"SELECT c.rev, encode(c.link, 'hex'), x.id, encode(x.link, 'hex'), encode(registry.sm3($t${lines[-1]}$t$), 'hex')"
        " FROM registry.chain c, registry.audit_closing x ORDER BY c.rev DESC, x.id DESC LIMIT 1", "-d", copy)[0]
    body = json.dumps(json.loads(lines[-1]) | {"n": len(lines) + 1, "rev": int(rev), "link": link, "closing": int(closing), "at": at,
                                               "closing_link": closing_link, "prev": prev}, separators=(",", ":"))
    body = re.sub(r',"sig":.*', "}", body)
    (folder / "body").write_text(body)
    sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", county.pki / "audit.key", "-rawin", "-in", folder / "body"],
                         capture_output=True, check=True, timeout=20).stdout
    file = folder / "anchors"
    file.write_text("\n".join([*lines, f'{body[:-1]},"sig":"{base64.b64encode(sig).decode()}"}}', ""]))
    return file


def test_anchors_are_held_together(tampered, tmp_path):
    county, tamper = tampered
    lines = (county.dir / "here/anchors").read_text().splitlines()
    file = tmp_path / "anchors"

    def given(*some):
        file.write_text("".join(x + "\n" for x in some))
        return [done for _, done in tamper(anchored=True, file=file)]

    assert given(*lines) == []
    assert given(lines[0]) == ["rewound anchor"], "the registry has seen a later one"
    assert given(lines[0], lines[1].replace('"n":2', '"n":3')) == ["changed"] or "rewound anchor" in given(lines[0], lines[1].replace('"n":2', '"n":3'))
    assert "changed" in given(lines[0].replace('"epoch":', '"epoch":1'), lines[1]), "the second was signed after another first"
    assert given(lines[0], re.sub(r'"closing":\d+', '"closing":0', lines[1]))[-1] == "changed", "not signed"


def test_no_anchor_is_made_from_another_one(tampered, tmp_path):
    """Without the key: a true signature, and beside it what is to be believed."""
    county, tamper = tampered
    last = (county.dir / "here/anchors").read_text().splitlines()[-1]
    body, sig = last.rsplit(',"sig":"', 1)
    file = tmp_path / "anchors"

    def forged(copy):
        made = json.loads(anchored_anew(county, tmp_path, copy, "0").read_text().splitlines()[-1]) | {"n": 1, "prev": ""}
        fields = json.dumps({k: made[k] for k in ("n", "prev", "rev", "link", "closing", "closing_link")}, separators=(",", ":"))[1:-1]
        file.write_text(f'{body},"sig":"",{fields},"sig":"{sig}\n')
        return file

    cut = f"DELETE FROM registry.txn WHERE rev > {REV}; DELETE FROM registry.anchor;" + RECREATE
    assert tamper(cut, anchored=True, file=forged)[-1] == ("anchor file", "forged")
    for line in (last[:-1] + ',"rev":1}', last.replace("{", '{"rev":1,', 1), last.replace(",", ", ", 1), last + " ", body + ',"sig":"' + sig + '\n\\.\n' + last, "", "[]"):
        file.write_text(line + "\n" + last + "\n")
        assert ("anchor file", "forged") in tamper(anchored=True, file=file), line


def test_a_month_may_go_when_its_time_is_over(tampered, tmp_path):
    county, tamper = tampered
    month = county.psql("SELECT to_char(min(at) AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') FROM registry.audit_closing")[0][0]
    done = admin(county, "audit", "drop-month", month)
    assert done.returncode != 0 and "is kept until" in done.stderr
    later = ("UPDATE registry.setting SET value = '230 days' WHERE key = 'clock_offset'; SET session_replication_role = origin;"
             f"SELECT registry.audit_drop_month('{month}');" + PAST)
    assert tamper(later, later="191 days") == [] and tamper(later, anchored=True, later="191 days") == []
    more = later + "DELETE FROM registry.audit WHERE no = (SELECT max(no) FROM registry.audit WHERE closing IS NOT NULL)"
    assert [done for _, done in tamper(more, later="191 days")] == ["deleted"]
    # the registry's clock was set, and put back; it is not asked
    back = later + "UPDATE registry.setting SET value = '40 days' WHERE key = 'clock_offset';"
    for sql in (later, back):
        assert ("month " + month, "dropped month") in tamper(sql) and ("month " + month, "dropped month") in tamper(sql, anchored=True)
    # an anchor knows when it was
    def seen(after):
        return lambda copy: anchored_anew(county, tmp_path, copy, after)

    assert tamper(later, anchored=True, file=seen("190 days"), later="191 days") == []
    assert ("month " + month, "dropped month") in tamper(later, anchored=True, file=seen("1 day"), later="191 days")
    # a part of it, or what had been altered before
    kept = f"CREATE TEMP TABLE kept AS SELECT * FROM registry.audit WHERE no = {ROW};" + later + "INSERT INTO registry.audit SELECT * FROM kept"
    assert ("month " + month, "dropped month") in tamper(kept, later="191 days")
    changed = f"UPDATE registry.audit SET status = 'OK', peer = 'x' WHERE no = {ROW}; {AUDIT_SUM};" + later
    assert tamper(changed, later="191 days") == [("month " + month, "dropped month")]
    assert tamper(f"DELETE FROM registry.audit WHERE no = {ROW};" + later, later="191 days") == [("month " + month, "dropped month")]
    # closings of another time
    ahead = "UPDATE registry.setting SET value = '{}' WHERE key = 'clock_offset'; SELECT registry.audit_close();"
    assert [done for _, done in tamper(ahead.format("41 days"))] == ["changed"]
    assert [done for _, done in tamper(ahead.format("39 days"))] == ["changed"]


def test_a_false_drop_hides_nothing(tampered):
    """Some rows gone, one altered, and a closing that says a month was dropped half a year from now."""
    county, tamper = tampered
    month = county.psql("SELECT to_char(min(at) AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') FROM registry.audit_closing")[0][0]
    first = "SELECT {} FROM registry.audit a JOIN registry.audit_closing c ON c.id = a.closing WHERE to_char(c.at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') = '" + month + "'"
    gone = county.psql(first.format("max(no)"))[0][0]
    for what in (f"'month', '{month}', 'rows', 1", f"'month', '{month}', 'rows', 1, 'first', 1, 'last', (SELECT max(id) FROM registry.audit_closing)"):
        found = tamper(f"DELETE FROM registry.audit WHERE no = {gone}; UPDATE registry.audit SET status = 'CONFLICT' WHERE no = {ROW}; {AUDIT_SUM};"
                       "UPDATE registry.setting SET value = '260 days' WHERE key = 'clock_offset';"
                       f"SELECT registry.audit_close(jsonb_build_object({what}))")
        assert {("month " + month, "dropped month"), ("audit row " + gone, "deleted")} < set(found), found
        assert [done for name, done in found if name.startswith("closing")].count("changed") >= 2, "the altered one's, and the drop's own time"


# ---------------------------------------------------------------- the walker


def test_another_daemon_takes_over_the_walk(new_county):
    county = new_county("--bare", "--daemons", "2")
    add(county.peer("chengguan", 1))
    until(lambda: chained(county), 5)
    county.kill(1)
    clerk = county.peer("chengguan", 2)
    for _ in range(20):
        add(clerk)
    until(lambda: chained(county), 5)
    add(clerk)
    start = time.monotonic()
    until(lambda: chained(county), 5)
    assert time.monotonic() - start < 3
    assert admin(county, "audit", "verify").returncode == 0


def test_daemons_notice_a_changed_chain_and_a_rewound_file(new_county):
    county = new_county("--bare")
    add(county.peer("chengguan"))
    until(lambda: chained(county))
    anchors = county.dir / "here/anchors"
    until(lambda: anchors.exists() and anchors.read_text())
    until(lambda: county.psql("SELECT n FROM registry.anchor") == [["1"]])
    county.psql(PAST + "UPDATE registry.entry SET actor = 'dongshan' WHERE actor = 'chengguan'")
    anchors.write_text("")
    os.utime(anchors, (0, 0))
    county.kill(1)
    county.start(1)
    until(lambda: "AUDIT_CHAIN: revision" in county.log())
    until(lambda: "AUDIT_ANCHOR" in county.log())
    assert "was rewound" in county.log()


def test_a_standstill_is_told(new_county):
    """Somebody holds the walkers' lock: every daemon says so, and verify does."""
    county = new_county("--bare", "--daemons", "2")
    clerk = county.peer("chengguan")
    add(clerk)
    until(lambda: chained(county))
    holder = subprocess.Popen(["psql", "-XqAtc", "SELECT pg_advisory_lock(hashtext('registry.audit_walk')); SELECT pg_sleep(100)"],
                              stdout=subprocess.DEVNULL, env={**os.environ, **county.env})
    try:
        until(lambda: county.psql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = hashtext('registry.audit_walk')::bit(32)::bigint::oid"))
        add(clerk)
        county.psql(PAST + "UPDATE registry.txn SET at = at - interval '3 minutes' WHERE rev = (SELECT max(rev) FROM registry.txn)")
        for n in (1, 2):
            county.kill(n)
            county.start(n)
        for n in (1, 2):
            until(lambda: "ALARM: AUDIT_CHAIN: the chains stand still" in county.log(n))
        add(county.peer("chengguan", 2))
        done = admin(county, "audit", "verify")
        assert done.returncode == 1 and re.search(r"^! revisions from \d+: not chained \(the chain ends 2 revisions / 1\d\d seconds before", done.stdout, re.M), done.stdout
    finally:
        holder.kill()
        holder.wait()


def test_a_key_that_others_can_read_is_refused(new_county):
    county = new_county("--bare")
    county.kill(1)
    (county.pki / "audit.key").chmod(0o644)
    done = subprocess.run([TOP / "deploy/dev/start", county.dir, "1"], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "QIPAN_BUILD": str(county.build)})
    assert done.returncode != 0 and "audit.key: the key can be read by others" in county.log()
