# SPDX-License-Identifier: Apache-2.0
"""A peer with a good certificate and bad intentions: what it sends is refused by name, stored nowhere, and costs the others nothing."""
import base64
import collections
import os
import re
import struct
import subprocess
import threading
import time

import pytest
from conftest import SLOW
from peer import MOST, OPS, Gone, Link, Refused, pb, tls_context
from steps import here, pid_of, refusal, resident_kb, wait_for
from test_wire import HELLO, field, frame, framed

# Rows of each table; but the audit's, and those the walker adds behind it by itself.
COUNTED = "SELECT string_agg(c.oid::regclass || '=' || (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', c.oid::regclass)," \
          " false, true, '')))[1], ' ' ORDER BY 1) FROM pg_class c WHERE c.relnamespace = 'registry'::regnamespace AND c.relkind = 'r' " \
          "AND c.relname NOT LIKE 'audit%' AND c.relname NOT IN ('chain', 'anchor')"


def string_fields(desc, path=()):
    """Paths of (number, name) to every string of a message; messages inside are at most three deep."""
    for f in desc.fields:
        here = path + ((f.number, f.name),)
        if f.type == f.TYPE_STRING:
            yield here
        elif f.type == f.TYPE_MESSAGE:
            yield from string_fields(f.message_type, here)


def message_with(path, text):
    body = text
    for number, _ in reversed(path):
        body = field(number, body)
    return body


TEXTS = [(op.name, path) for op in OPS.values() for path in string_fields(op.request.DESCRIPTOR)]


def send(peer, op, payload):
    number = OPS[op]
    request = peer.next_request() if number.changes else None
    return peer.wait(peer.send_call(number.number, payload, request))


# ---------------------------------------------------------------- text


def test_every_text_is_checked(county):
    """In each string of each request, by name; nothing is stored, the connection stays, PostgreSQL is not even asked."""
    assert len(TEXTS) > 100
    peer = county.peer("bureau", lang="en")
    before, seen = county.psql(COUNTED), len(county.log())
    for i, (op, path) in enumerate(TEXTS):
        for bad in (b"\xc0\x80", b"ab\0c", "\u202e".encode(), b"\xed\xa0\x80") if i % 7 == 0 else (b"\xff",):
            error = refusal(lambda: send(peer, op, message_with(path, bad)))
            assert (error.code, error.field) == ("INVALID_TEXT", ".".join(name for _, name in path)[:63]), op
    assert peer.do("whoami").account == "bureau"
    assert county.psql(COUNTED) == before
    assert "22021" not in county.log()[seen:]


INJECTIONS = ["'; DROP TABLE registry.project; --", "' OR '1'='1", "\\'; SELECT pg_sleep(9); --", "$1", "%s", "$$; SELECT 1; $$", "1); DELETE FROM registry.txn; --",
              "name; SET ROLE postgres", "x' UNION SELECT rolpassword FROM pg_authid --", "{\"a\":1}", "{}", "NULL", "%", "_", "\\", "\"", "registry.secret", "no desc",
              "a'::regclass", "E'\\x41'", "(SELECT 1)", "pg_catalog.version()", "-1", "1e999", "99999999999999999999", "2026-13-45", "\t\n"]


def test_no_text_is_ever_sql(county, rng):
    """Each goes into each text: refused as a value, or kept to the letter. Never an error of PostgreSQL, never a table less."""
    peer = county.peer("bureau", lang="en")
    tables = county.psql("SELECT count(*) FROM pg_class WHERE relnamespace IN ('registry'::regnamespace, 'api'::regnamespace)")
    seen, codes = len(county.log()), collections.Counter()
    for op, path in TEXTS:
        if op == "watch":
            continue
        for text in rng.sample(INJECTIONS, 6):
            try:
                send(peer, op, message_with(path, text.encode()))
                codes["OK"] += 1
            except Refused as e:
                codes[e.code] += 1
                assert e.code not in ("INTERNAL", "UNAVAILABLE", "UNKNOWN", "DEADLINE_EXCEEDED"), (op, path, text, e.error)
                assert not re.search(r"syntax error|registry\.|SQLSTATE|pg_", e.error.message.replace(text, "")), e.error.message
    assert county.psql("SELECT count(*) FROM pg_class WHERE relnamespace IN ('registry'::regnamespace, 'api'::regnamespace)") == tables
    assert codes["INVALID_ARGUMENT"] > 50 and codes["OK"] > 10, codes
    assert not re.search(r"\b(42\d\d\d|22P02|22021|XX000)\b", county.log()[seen:])


@pytest.mark.parametrize("text", INJECTIONS)
def test_hostile_values_are_kept_to_the_letter(county, text):
    if not text.strip():
        return
    peer = county.peer("chengguan")
    name = f"注入{os.getpid()}之{INJECTIONS.index(text)} {text}"
    p = peer.do("project_add", set=pb.Project(name=name, investor=name + "公司", summary=text)).project
    assert peer.do("project_show", id=p.id).project.name == name
    assert peer.do("project_show", id=p.id).project.summary == text.strip()
    rows = peer.do("project_list", terms=[{"field": "name", "op": "~", "values": [name]}]).rows
    assert [row.id for row in rows] == [p.id]


@pytest.mark.parametrize("field_name", ["name'; --", "1", "name) OR (true", "registry.account.code", "", "pg_sleep(9)", "ctid", "xmin", "name\u3000"])
def test_sort_and_filter_take_known_fields_only(county, field_name):
    peer = county.peer("bureau", lang="en")
    for how in ({"terms": [{"field": field_name, "op": "=", "values": ["x"]}]}, {"sort": field_name}, {"sort": "-" + field_name},
                {"terms": [{"field": "stage", "op": field_name, "values": ["lead"]}]}):
        if how.get("sort") in ("", "-"):
            continue
        assert refusal(lambda: peer.do("project_list", **how)).code == "INVALID_ARGUMENT", how


def places():
    for text in ("'; DROP TABLE x; --", '{"s":"no","v":"1","i":"x"}', '{"v":{"a":1},"i":[1]}', "[]", "null", "x" * 5000, '{"i":"\' OR true --","s":"name; --"}'):
        yield text
        yield base64.b64encode(text.encode()).decode()


def test_a_made_up_next_page_is_refused(county):
    """`after` is ours, but comes back through the peer."""
    peer = county.peer("bureau", lang="en")
    for name in ("project_list", "enterprise_list", "due_list", "receipt_list"):
        for after in places():
            how = {"of_rev": 1} if name == "receipt_list" else {}
            try:
                peer.do(name, after=after, **how)
            except Refused as e:
                assert e.code in ("INVALID_ARGUMENT", "NOT_FOUND"), (name, after, e.error)
    first = peer.do("project_list", limit=1)
    other = peer.do("project_list", limit=1, sort="name")
    for how in ({"sort": "name", "after": first.next}, {"after": other.next}):  # a place in another order
        try:
            peer.do("project_list", limit=1, **how)
        except Refused as e:
            assert e.code == "INVALID_ARGUMENT"


# ---------------------------------------------------------------- frames and bombs


class Witness(threading.Thread):
    """Somebody who reads all the time, on a connection and an account of his own; how long each answer took."""

    def __init__(self, county, context="leader", pause=0.002):
        super().__init__(daemon=True)
        self.peer, self.times, self.over, self.pause = county.peer(context), [], False, pause

    def run(self):
        while not self.over:
            begun = time.monotonic()
            self.peer.do("whoami")
            self.times.append(time.monotonic() - begun)
            time.sleep(self.pause)

    def part(self, seconds):
        """p99 of the next seconds, in milliseconds."""
        at = len(self.times)
        time.sleep(seconds)
        return sorted(self.times[at:])[int(0.99 * len(self.times[at:]))] * 1000

    def end(self):
        self.over = True
        self.join(20)
        assert self.times
        assert not self.is_alive()


@pytest.fixture
def witness(county):
    one = Witness(county)
    one.start()
    yield one
    one.end()


def opened(county, context="chengguan"):
    link = Link(county.addresses[0], tls_context(**county.files(context)))
    link.send_bytes(HELLO)
    assert link.receive().HasField("welcome")
    return link


def call(op, payload, number=1):
    return frame(call=pb.Call(call=number, op=OPS[op].number, payload=payload, request=f"bomb-{os.getpid()}-{number}-{time.monotonic_ns()}"))


def nested(depth):
    body = b""
    for _ in range(depth):
        body = field(1, body)
        if len(body) > MOST - 100:
            break
    return body


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


BOMBS = {
    "deep nesting": framed(nested(16000)), "deep nesting inside a call": call("project_add", nested(15000)),
    "empty sub-messages": call("import_put", field(3, b"") * 32000), "empty texts": call("project_edit", field(3, b"") * 32000),
    "unknown fields": call("project_list", field(99, b"") * 20000), "unknown varints": call("project_list", b"\xf8\x06\x01" * 20000),
    "packed numbers": call("import_verdicts", field(3, b"\x01" * 60000)), "2 GiB inside": call("project_add", b"\x0a" + varint(2**31) + b"x"),
    "2 GiB text": call("project_show", b"\x0a" + varint(2**31 - 1)), "2^64 length": call("project_show", b"\x0a" + b"\xff" * 9 + b"\x01"),
    "over-long varint": call("project_list", b"\x10" + b"\x80" * 11 + b"\x01"), "a group": call("project_list", b"\x0b" * 1000),
    "2 GiB frame": struct.pack(">I", 2**31), "4 GiB frame": struct.pack(">I", 2**32 - 1), "limit + 1": struct.pack(">I", MOST + 1) + b"\x08" * 1000,
    "nothing": struct.pack(">I", 0), "length, then silence": struct.pack(">I", MOST) + b"\x12", "one byte": framed(b"\x08"),
    "full frame of junk": framed(os.urandom(MOST)), "a call of zeros": framed(b"\0" * MOST),
}


@pytest.mark.parametrize("what", BOMBS)
def test_decoder_bombs_cost_nothing(county, witness, what):
    """Sent again and again for two seconds: a code each, no memory, and nobody else waits."""
    quiet = witness.part(1)
    opened(county).close()
    before, end, sent, said, links = resident_kb(county), time.monotonic() + 2, 0, collections.Counter(), []
    while time.monotonic() < end:
        link = opened(county)
        links.append(link)
        try:
            for _ in range(20):
                link.send_bytes(BOMBS[what])
                sent += 1
                if "silence" in what:
                    break
                got = link.receive()
                error = got.reply.error if got.HasField("reply") else got.goodbye.error
                said[error.code] += 1
                if got.HasField("goodbye"):
                    break
        except (Gone, OSError, TimeoutError):
            pass
        while len(links) > 8:
            links.pop(0).close()
    grown = resident_kb(county) - before
    for link in links:
        link.close()
    assert sent > 5 and set(said) <= {"MALFORMED", "TOO_LARGE", "INVALID_ARGUMENT", "PROTOCOL_ERROR", "INVALID_TEXT"}, said
    assert "silence" in what or said, said
    assert grown < (1024 + 8 * 90) * SLOW, f"{grown} KiB more after {sent} bombs"  # eight connections are open
    assert witness.part(1) < max(quiet * 5, 100 * SLOW)
    assert os.path.exists(f"/proc/{pid_of(county)}")


def test_reading_stops_at_the_window(county, witness):
    """Ten thousand requests, none of whose answers is taken: the daemon holds 64 of them, and no more of their bytes."""
    link = opened(county)
    before = resident_kb(county)
    one = frame(call=pb.Call(call=5, op=OPS["project_list"].number, payload=pb.ProjectListRequest(limit=500).SerializeToString()))
    link.tls.settimeout(3)
    sent = 0
    try:
        for _ in range(10000):
            link.send_bytes(one)
            sent += 1
    except (TimeoutError, OSError):
        pass
    during = witness.part(1)
    print(f"p99 {during:.0f} ms")
    assert during < 250 * SLOW
    assert resident_kb(county) - before < 4096 * SLOW
    link.close()
    wait_for(lambda: witness.part(0.2) < 100 * SLOW)


def flood(county, context, rate, seconds, ret):
    """`rate` calls a second for that long, whatever is answered; counts the answers by code."""
    peer, begun, sent = county.peer(context), time.monotonic(), 0
    ret["codes"] = codes = collections.Counter()
    payload, op = pb.ProjectListRequest(limit=20).SerializeToString(), OPS["project_list"].number
    waits = []
    while (now := time.monotonic() - begun) < seconds:
        while sent < now * rate:
            peer.send_call(op, payload)
            sent += 1
        try:
            peer.turn(0.001)
        except TimeoutError:
            pass
        for reply in peer.replies.values():
            codes[reply.error.code if reply.HasField("error") else "OK"] += 1
            if reply.HasField("error"):
                waits.append(reply.error.retry_after_ms)
        peer.replies.clear()
    ret.update(sent=sent, waits=waits)


def test_one_account_cannot_take_everything(new_county, monkeypatch):
    """A thousand calls a second from one account, on two connections: held to its rate, told when to come again; others have theirs."""
    monkeypatch.setenv("QIPAN_ACCOUNT_RATE", "100")
    county = new_county()
    witness = Witness(county, pause=0.02)
    witness.start()
    seconds, found = 6, [{}, {}]
    threads = [threading.Thread(target=flood, args=(county, "chengguan", 500, seconds, ret)) for ret in found]
    for thread in threads:
        thread.start()
    time.sleep(2.5)
    other = county.peer("dongshan")
    for _ in range(20):
        other.do("whoami")
    during = witness.part(2)
    for thread in threads:
        thread.join()
    witness.end()
    codes = found[0]["codes"] + found[1]["codes"]
    assert set(codes) == {"OK", "BUSY"}
    assert codes["BUSY"] > 500 and 100 * 2 < codes["OK"] <= 100 * (seconds + 4), codes
    assert all(100 <= wait <= 2000 for one in found for wait in one["waits"])
    assert during < 150 * SLOW, during
    time.sleep(1)
    assert county.peer("chengguan").do("whoami").account == "chengguan"
    # the library waits as long as it is told, and its caller notices nothing
    done = county.qipan("chengguan", "project", "list", ok=True)
    assert "BUSY" not in done.stderr


# ---------------------------------------------------------------- states


def test_what_only_a_daemon_says(county):
    """Welcome, reply, feed: from a client each ends the connection, and changes nothing."""
    for one in ({"welcome": pb.Welcome(version=1)}, {"reply": pb.Reply(call=1)}, {"feed": pb.Feed(call=1)}):
        link = opened(county)
        link.send_bytes(frame(**one))
        assert link.receive().goodbye.error.code == "PROTOCOL_ERROR"
        link.close()


def test_two_things_in_one_frame(county):
    link = opened(county)
    link.send_bytes(framed(pb.Frame(ping=pb.Ping(token=1), call=pb.Call(call=1, op=1)).SerializeToString()))
    assert link.receive().goodbye.error.code == "PROTOCOL_ERROR"
    link.close()


def test_reused_and_wild_call_numbers(county):
    """Cancelling what was never asked, credit for no watch, the same number twice: nobody is hurt, least of all others."""
    link = opened(county)
    whoami = OPS["whoami"].number
    link.send_bytes(frame(cancel=pb.Cancel(call=2**32 - 1)) + frame(credit=pb.Credit(call=99, bytes=2**31 - 1)) +
                    frame(call=pb.Call(call=7, op=whoami)) + frame(call=pb.Call(call=7, op=whoami)) + frame(call=pb.Call(call=2**32 - 1, op=whoami)))
    assert sorted(link.receive().reply.call for _ in range(3)) == [7, 7, 2**32 - 1]
    link.close()


# ---------------------------------------------------------------- the database, the files, the machine


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def test_the_daemons_role_makes_nothing(county):
    """With the daemon's own access one may call api functions; not create, read, borrow or change anything."""
    schemas = [row[0] for row in county.psql("SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_t%'")]
    assert {"api", "registry", "public", "pg_catalog"} <= set(schemas)
    tries = [f"CREATE {what}" for schema in schemas for what in (
        f"TABLE {schema}.evil (a int)", f"VIEW {schema}.evil AS SELECT 1", f"TYPE {schema}.evil AS (a int)", f"SEQUENCE {schema}.evil",
        f"FUNCTION {schema}.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'", f"OPERATOR {schema}.= (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = text)")]
    tries += ["CREATE SCHEMA evil", "CREATE TEMP TABLE project (a int)", "CREATE ROLE evil", "CREATE DATABASE evil", "CREATE EXTENSION plpython3u",
              "SET ROLE qipan_owner", "SET SESSION AUTHORIZATION postgres", "ALTER ROLE qipan_daemon SUPERUSER", "GRANT qipan_owner TO qipan_daemon",
              "COPY (SELECT 1) TO PROGRAM 'true'", "COPY (SELECT 1) TO '/tmp/evil'", "SELECT pg_read_file('PG_VERSION')", "SELECT lo_import('/etc/passwd')",
              "SELECT * FROM registry.project", "TRUNCATE registry.txn", "DELETE FROM registry.txn", "SELECT nextval('registry.rev_seq')",
              "SELECT registry.now()", "ALTER FUNCTION api.whoami SET search_path = public", "ALTER SYSTEM SET fsync = off", "LOAD 'evil'",
              "SET session_replication_role = replica", "DROP FUNCTION registry.say", "COMMENT ON SCHEMA api IS 'x'",
              "ALTER TABLE registry.txn DISABLE TRIGGER ALL", "CREATE TRIGGER t BEFORE INSERT ON registry.txn FOR EACH ROW EXECUTE FUNCTION registry.evil()"]
    script = "\n".join(
        f"DO $try$ BEGIN EXECUTE {quoted(one)}; RAISE EXCEPTION 'went through' USING ERRCODE = 'QP000'; "
        f"EXCEPTION WHEN SQLSTATE 'QP000' THEN RAISE WARNING 'WENT: %', {quoted(one)}; WHEN OTHERS THEN NULL; END $try$;" for one in tries)
    run = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"], input=script, text=True, capture_output=True, env={**os.environ, **county.env, "PGUSER": "qipan_daemon"})
    done = re.findall("WENT: (.*)", run.stderr)
    assert run.returncode == 0, run.stderr
    assert done == []
    loose = county.psql("SELECT p.oid::regprocedure FROM pg_proc p WHERE p.prosecdef AND p.pronamespace IN ('api'::regnamespace, 'registry'::regnamespace)"
                        " AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c ~ '^search_path=registry, api, pg_temp$')")
    assert loose == []


def test_what_a_daemon_leaves_is_for_itself(new_county):
    """Started under umask 000: files, memory and cores."""
    county = new_county("--bare")
    folder = here(county)
    county.kill(1, "TERM")
    ini = county.dir / "qipand-1.ini"
    ini.write_text(ini.read_text() + f"log_file = {folder}/its.log\npid_file = {folder}/its.pid\n")
    before = set(folder.rglob("*"))
    county.within = ("bash", "-c", 'umask 000; exec "$@"', "-")
    county.around["QIPAN_START_SECONDS"] = "4"
    with pytest.raises(AssertionError):  # the script looks for `ready` in the log it knows
        county.start(1)
    wait_for(lambda: "ready" in (folder / "its.log").read_text())
    pid = int((folder / "its.pid").read_text())
    own = [path for path in set(folder.rglob("*")) - before if path.name.startswith("its.")]
    assert len(own) == 2
    for path in own:
        assert path.stat().st_mode & 0o077 == 0, path
    with open(f"/proc/{pid}/limits") as limits:
        assert re.search(r"Max core file size\s+0\s+0", limits.read())
    if SLOW == 1:  # the leak checker looks into its own process
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0  # not dumpable
    os.kill(pid, 15)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
    assert not (folder / "its.pid").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_for_others_is_refused_by_both_ends(county, tmp_path, mode):
    key = tmp_path / "some.key"
    key.write_bytes((county.pki / "chengguan.key").read_bytes())
    key.chmod(mode)
    ini = tmp_path / "qipan.ini"
    ini.write_text(f"[context a]\naddress = {county.addresses[0]}\nca = {county.pki}/ca.pem\ncert = {county.pki}/chengguan.pem\nkey = {key}\n")
    done = county.qipan("a", "whoami", env={"QIPAN_CONFIG": str(ini)})
    assert done.returncode == 4 and "some.key" in done.stderr
    key.chmod(0o600)
    county.qipan("a", "whoami", env={"QIPAN_CONFIG": str(ini)}, ok=True)


def test_a_cursor_file_is_for_its_owner(county, tmp_path):
    county.within, before = ("bash", "-c", 'umask 000; exec "$@"', "-"), county.within
    try:
        child = county.popen("leader", "watch", "--since", "0", "-n", "1", "--cursor-file", tmp_path / "seen", within=county.within)
        child.communicate(timeout=30)
    finally:
        county.within = before
    assert (tmp_path / "seen").stat().st_mode & 0o777 == 0o600
