# SPDX-License-Identifier: Apache-2.0
"""What a daemon does with bytes that aren't as they should be: it says why, and nobody else notices."""
import os
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import time

import pytest
from peer import MOST, OPS, Gone, Link, Peer, Refused, pb, tls_context

TOP = pathlib.Path(__file__).resolve().parents[2]
CA = TOP / "deploy/ca/qipan-ca"


def frame(**field):
    body = pb.Frame(**field).SerializeToString()
    return struct.pack(">I", len(body)) + body


def framed(body):
    return struct.pack(">I", len(body)) + body


def field(number, payload):
    """One length-delimited field, with no care for what is inside."""
    def varint(n):
        out = b""
        while n >= 0x80:
            out += bytes([n & 0x7f | 0x80])
            n >>= 7
        return out + bytes([n])
    return varint(number << 3 | 2) + varint(len(payload)) + payload


HELLO = frame(hello=pb.Hello(version_min=1, version_max=1, client="test_wire"))


@pytest.fixture
def bystander(county):
    """Somebody else on the same daemon, with a watch; must not notice anything."""
    with county.peer("leader") as peer:
        watch = peer.watch()
        yield peer
        assert peer.do("whoami").account == "leader"
        assert watch.state in (None, "LIVE")


@pytest.fixture
def link(county, bystander):
    """A connection of a clerk that hasn't said hello."""
    one = Link(county.addresses[0], tls_context(**county.files("chengguan")))
    yield one
    one.close()


def greet(link):
    link.send_bytes(HELLO)
    assert link.receive().HasField("welcome")
    return link


def expect_goodbye(link, code):
    """A goodbye with that code, then the end."""
    said = link.receive()
    assert said.HasField("goodbye"), said
    assert said.goodbye.error.code == code
    assert said.goodbye.error.message
    with pytest.raises(Gone):
        link.receive()


# ---------------------------------------------------------------- not TLS, or not ours


def talk_plainly(address, data, patience=7):
    """All that comes back to bytes sent without TLS, until the daemon closes."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 5) as s:
        s.settimeout(patience)
        got = b""
        try:
            s.sendall(data)
            while more := s.recv(4096):
                got += more
        except ConnectionError:
            pass
        return got


PLAIN = {"a word": b"hello\r\n", "HTTP": b"GET / HTTP/1.1\r\nHost: qipan\r\n\r\n", "a frame": HELLO, "noise": os.urandom(2000),
         "an empty ClientHello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 600, "too long a record": b"\x16\x03\x01\xff\xff"}


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN)
def test_plaintext_is_closed(county, bystander, data):
    assert len(talk_plainly(county.addresses[0], data)) < 64  # at most an alert


def test_silence_before_the_handshake_is_closed(county, bystander):
    begun = time.monotonic()
    assert talk_plainly(county.addresses[0], b"", patience=8) == b""
    assert 4 < time.monotonic() - begun < 7


@pytest.mark.parametrize("alpn", [(), ("h2", "http/1.1"), ("qipan/2",)])
def test_alpn_is_a_must(county, bystander, alpn):
    with pytest.raises((ssl.SSLError, Gone), match="(?i)no.application.protocol"):
        Link(county.addresses[0], tls_context(**county.files("bureau"), alpn=alpn)).receive()


def test_tls_12_is_refused(county, bystander):
    context = tls_context(**county.files("bureau"))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="(?i)version"):
        Link(county.addresses[0], context)


# ---------------------------------------------------------------- certificates


def run(*args):
    subprocess.run([str(a) for a in args], check=True, capture_output=True, timeout=60)


@pytest.fixture
def issue(county, tmp_path):
    """Certificates of the county's own CA."""
    def make(name, *kind):
        run(CA, "request", tmp_path / f"{name}.key", tmp_path / "csr", name)
        run(CA, "issue", county.dir / "ca", tmp_path / "csr", *kind, "--out", tmp_path / f"{name}.pem")
        return {"ca": county.pki / "ca.pem", "cert": tmp_path / f"{name}.pem", "key": tmp_path / f"{name}.key"}
    return make


def self_signed(folder, san="URI:qipan:person:bureau"):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
        "-days", "2", "-addext", f"subjectAltName={san}", "-addext", "extendedKeyUsage=clientAuth",
        "-addext", "basicConstraints=critical,CA:FALSE",
        "-keyout", folder / "self.key", "-out", folder / "self.pem")
    return {"cert": folder / "self.pem", "key": folder / "self.key"}


def expect_alert(address, context, alert):
    """TLS 1.3: the client's side of the handshake is done before the daemon refuses, so it shows on the first read."""
    with pytest.raises((ssl.SSLError, Gone), match=f"(?i){alert}"):
        link = Link(address, context)
        link.send_bytes(HELLO)
        link.receive()


def test_no_certificate(county, bystander):
    expect_alert(county.addresses[0], tls_context(county.pki / "ca.pem"), "certificate.required")


def test_self_signed_certificate(county, bystander, tmp_path):
    context = tls_context(county.pki / "ca.pem", **self_signed(tmp_path))
    expect_alert(county.addresses[0], context, "unknown.ca|certificate")


def test_certificate_of_another_ca(county, bystander, tmp_path):
    run(CA, "init", tmp_path / "ca")
    run(CA, "request", tmp_path / "key", tmp_path / "csr", "bureau")
    run(CA, "issue", tmp_path / "ca", tmp_path / "csr", "--person", "bureau", "--out", tmp_path / "pem")
    context = tls_context(county.pki / "ca.pem", tmp_path / "pem", tmp_path / "key")
    expect_alert(county.addresses[0], context, "unknown.ca|certificate")


def test_expired_certificate(county, bystander, issue):
    files = issue("old", "--person", "bureau", "--from", "20240101000000Z", "--until", "20240201000000Z")
    expect_alert(county.addresses[0], tls_context(**files), "expired")


def test_certificate_for_servers(county, bystander, issue):
    expect_alert(county.addresses[0], tls_context(**issue("server", "--server", "localhost")), "certificate")


def test_unmapped_certificate_is_refused_before_anything_is_decoded(county, bystander, issue):
    """What it sends is no frame at all, and yet the answer is about who it is."""
    for data in (HELLO, b"\0\0\0\0", framed(b"\xff\xff\xff"), b"\xff\xff\xff\xff"):
        link = Link(county.addresses[0], tls_context(**issue("nobody", "--person", "nobody")))
        link.send_bytes(data)
        expect_goodbye(link, "UNAUTHENTICATED")
        link.close()


def test_machines_and_persons_are_different(county, bystander, issue):
    with pytest.raises(Gone) as refused:
        Peer(county.addresses[0], **issue("bureau", "--machine", "bureau"))
    assert refused.value.code == "UNAUTHENTICATED"


def test_revoked_certificate(new_county):
    county = new_county("--bare")
    before = county.peer("dongshan")
    county.revoke("dongshan")
    until = time.monotonic() + 10
    while time.monotonic() < until:  # the daemon reads the new list when it gets round to it
        try:
            county.peer("dongshan").close()
            time.sleep(0.05)
        except Gone as e:
            assert re.search("(?i)revoked", str(e)), e
            break
    else:
        pytest.fail("still let in")
    expect_alert(county.addresses[0], tls_context(**county.files("dongshan")), "revoked")
    assert county.peer("chengguan").do("whoami").account == "chengguan"
    done = county.qipan("dongshan", "whoami", "-o", "json")
    assert done.returncode == 4
    before.link.close()


# ---------------------------------------------------------------- frames


BAD_FRAMES = {
    "zero length": (b"\0\0\0\0", "MALFORMED"),
    "one too long": (struct.pack(">I", MOST + 1), "TOO_LARGE"),
    "four gigabytes": (b"\xff\xff\xff\xff", "TOO_LARGE"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: qipan\r\n\r\n", "TOO_LARGE"),
    "TLS in TLS": (b"\x16\x03\x01\x02\x00\x01\x00", "TOO_LARGE"),
    "garbage": (framed(b"\xff\xfe\xfd garbage \x00\x01"), "MALFORMED"),
    "a group": (framed(b"\x0b\x0c"), "MALFORMED"),
    "cut inside": (framed(b"\x0a\x7f\x08\x01"), "MALFORMED"),
    "hello as a number": (framed(b"\x08\x01"), "MALFORMED"),
    "many unknown fields": (framed(field(99, b"") * 65), "MALFORMED"),
    "many elements": (framed(field(1, b"\x08\x01" * 24576)), "MALFORMED"),
    "only unknown fields": (framed(field(99, b"x")), "PROTOCOL_ERROR"),
    "two fields": (frame(ping=pb.Ping(token=1), cancel=pb.Cancel(call=1)), "PROTOCOL_ERROR"),
    "bad UTF-8": (framed(field(1, field(3, b"\xc0\x80"))), "INVALID_TEXT"),
    "a NUL": (framed(field(1, field(3, b"a\0b"))), "INVALID_TEXT"),
    "welcome": (frame(welcome=pb.Welcome(version=1)), "PROTOCOL_ERROR"),
    "reply": (frame(reply=pb.Reply(call=1)), "PROTOCOL_ERROR"),
    "feed": (frame(feed=pb.Feed(call=1)), "PROTOCOL_ERROR"),
}


@pytest.mark.parametrize("greeted", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("what", BAD_FRAMES)
def test_bad_frame_ends_the_connection_with_a_reason(link, what, greeted):
    data, code = BAD_FRAMES[what]
    if greeted:
        greet(link)
    link.send_bytes(data)
    expect_goodbye(link, code)


@pytest.mark.parametrize("what", ["call", "cancel", "ping", "pong"])
def test_nothing_before_hello(link, what):
    data = {"call": frame(call=pb.Call(call=1, op=1)), "cancel": frame(cancel=pb.Cancel(call=1)),
            "ping": frame(ping=pb.Ping(token=1)), "pong": frame(pong=pb.Ping(token=1))}[what]
    link.send_bytes(data + HELLO)
    expect_goodbye(link, "PROTOCOL_ERROR")


@pytest.mark.parametrize("low, high", [(2, 3), (0, 0), (2, 1), (None, None), (0, 4294967295), (1, 2)])
def test_version(link, low, high):
    hello = pb.Hello()
    if low is not None:
        hello.version_min, hello.version_max = low, high
    link.send_bytes(frame(hello=hello))
    if low is not None and low <= 1 <= high:
        assert link.receive().welcome.version == 1
    else:
        expect_goodbye(link, "PROTOCOL_ERROR")


def test_second_hello(link):
    greet(link).send_bytes(HELLO)
    expect_goodbye(link, "PROTOCOL_ERROR")


def test_call_number_zero(link):
    greet(link).send_bytes(frame(call=pb.Call(call=0, op=1)))
    expect_goodbye(link, "PROTOCOL_ERROR")


def test_bad_text_in_the_envelope(link):
    greet(link).send_bytes(framed(field(3, b"\x08\x01\x10\x01" + field(4, b"\xff"))))
    expect_goodbye(link, "INVALID_TEXT")


def test_no_hello_is_closed(link):
    begun = time.monotonic()
    link.send_bytes(b"\0\0\0\x10half a")
    with pytest.raises(Gone):
        while True:
            link.receive(timeout=8)
    assert 3 < time.monotonic() - begun < 7


def test_cut_connections_leave_nothing_behind(county, bystander):
    """Half a header, half a body, in the middle of the answer; FIN and RST."""
    pid = (pathlib.Path(county.env["QIPAN_RUN"]) / "qipand-1.pid").read_text()
    for turn in range(60):
        link = Link(county.addresses[0], tls_context(**county.files("chengguan")))
        link.send_bytes(HELLO[:turn % 5] if turn % 3 == 0 else HELLO + frame(call=pb.Call(call=1, op=1))[:turn % 9])
        if turn % 2:
            link.tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.close()
    assert (pathlib.Path(county.env["QIPAN_RUN"]) / "qipand-1.pid").read_text() == pid
    assert os.path.exists(f"/proc/{pid.strip()}")


def test_a_frame_in_single_bytes(link):
    for byte in HELLO:
        link.send_bytes(bytes([byte]))
    assert link.receive().HasField("welcome")


def test_many_frames_at_once(link):
    """More than the window: the daemon reads on when it has answered."""
    greet(link).send_bytes(b"".join(frame(call=pb.Call(call=n, op=OPS["whoami"].number)) for n in range(1, 301)))
    assert {link.receive().reply.call for _ in range(300)} == set(range(1, 301))


def test_ping_and_goodbye(link):
    greet(link).send_bytes(frame(ping=pb.Ping(token=2**64 - 1)))
    assert link.receive().pong.token == 2**64 - 1
    link.send_bytes(frame(cancel=pb.Cancel(call=77)) + frame(pong=pb.Ping(token=5)) + frame(goodbye=pb.Goodbye()))
    with pytest.raises(Gone):
        assert not link.receive().goodbye.HasField("error")
        link.receive()


def test_random_streams(county, bystander, rng):
    """Frames with flipped bytes: whatever comes back, the others stay."""
    whole = HELLO + frame(call=pb.Call(call=1, op=OPS["project_list"].number, payload=b"\x12\x03abc"))
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        link = Link(county.addresses[0], tls_context(**county.files("chengguan")))
        link.send_bytes(bytes(data))
        try:
            for _ in range(2):
                link.receive(timeout=0.05)
        except (Gone, TimeoutError):
            pass
        link.close()
    assert bystander.do("project_list", limit=1).rows


# ---------------------------------------------------------------- payloads: an error, and the connection stays


@pytest.fixture
def clerk(county, bystander):
    with county.peer("chengguan", lang="en") as peer:
        yield peer
        assert peer.do("whoami").account == "chengguan"  # it stayed


def refused(peer, op, payload, request=None):
    number = OPS[op].number if isinstance(op, str) else op
    with pytest.raises(Refused) as no:
        peer.wait(peer.send_call(number, payload, request))
    return no.value.error


@pytest.mark.parametrize("op", [0, 9, 9999, 4294967295])
def test_unknown_operation(clerk, op):
    error = refused(clerk, op, b"")
    assert (error.code, error.field, error.status) == ("UNIMPLEMENTED", "op", 12)


BAD_TEXT = {
    "not UTF-8": b"\xff\xfe", "overlong": b"\xc0\x80", "surrogate": b"\xed\xa0\x80", "cut": "光伏".encode()[:4],
    "NUL": b"a\0b", "escape": b"\x1b[31m", "C1": "\u0085".encode(), "right-to-left": "\u202e".encode(),
    "line separator": "\u2028".encode(), "BOM": "\ufeff".encode(), "noncharacter": "\uffff".encode(),
    "a tower": ("e" + "\u0301" * 33).encode(), "a million marks, as far as they fit": ("e" + "\u0301" * 20000).encode(),
    "GB18030": "光伏".encode("gb18030"), "private plane": "\U000f0000".encode(), "tag": "\U000e0041".encode(),
}


@pytest.mark.parametrize("what", BAD_TEXT)
def test_bad_text_names_the_field(clerk, what):
    payload = field(1, field(4, b"good") + field(10, BAD_TEXT[what]))
    error = refused(clerk, "project_add", payload, clerk.next_request())
    assert (error.code, error.field) == ("INVALID_TEXT", "set.investor")
    assert error.message


def test_bad_text_in_a_list_and_in_a_watch(clerk):
    assert refused(clerk, "project_list", field(1, field(3, b"\xff"))).field == "terms.values"
    assert refused(clerk, "watch", field(3, field(1, b"\xff"))).field == "terms.field"
    error = refused(clerk, "import_put", field(3, field(4, field(3, b"\xff"))), clerk.next_request())
    assert (error.code, error.field) == ("INVALID_TEXT", "rows.bad.text")


@pytest.mark.parametrize("payload", [b"\xff", b"\x0b\x0c", b"\x0a\x05ab", b"\x08\x01", field(99, b"") * 65,
                                     field(1, b"") * 24577])
def test_payload_that_is_no_message(clerk, payload):
    error = refused(clerk, "project_add", payload, clerk.next_request())
    assert error.code == "MALFORMED"


def test_payload_that_grows_too_large(clerk):
    """16 KiB of empty rows would be more than half a megabyte of memory."""
    error = refused(clerk, "import_put", field(3, b"") * 8000, clerk.next_request())
    assert error.code == "TOO_LARGE"


@pytest.mark.parametrize("request_id", [None, "", "a b", "x" * 65, "编号", "a/b"])
def test_request_id(clerk, request_id):
    error = refused(clerk, "project_add", pb.ProjectAddRequest(set=pb.Project(name="x")).SerializeToString(), request_id)
    assert (error.code, error.field) == ("INVALID_ARGUMENT", "request")


def test_unknown_fields_are_ignored(clerk):
    payload = pb.ProjectListRequest(limit=1).SerializeToString() + field(90, b"from the future") * 60
    rows = OPS["project_list"].reply.FromString(clerk.wait(clerk.send_call(OPS["project_list"].number, payload))).rows
    assert len(rows) == 1


def test_watches_have_numbers_of_their_own(clerk):
    watch = clerk.watch()
    clerk.link.send(pb.Frame(call=pb.Call(call=watch.call, op=OPS["watch"].number)))
    with pytest.raises(Refused) as taken:
        clerk.wait(watch.call)
    assert taken.value.code == "PROTOCOL_ERROR"
    more = [clerk.watch() for _ in range(15)]
    with pytest.raises(Refused) as full:
        clerk.watch()
    assert full.value.code == "BUSY"
    more[0].cancel()
    clerk.do("whoami")
    clerk.watch()


def test_watch_terms(clerk):
    with pytest.raises(Refused) as no:
        clerk.watch(terms=[{"field": "name", "op": "=", "values": ["x"]}])
    assert no.value.code == "INVALID_ARGUMENT"
    assert "stage" in no.value.error.allowed
    for term in ({"field": "stage", "op": ">=", "values": ["lead"]}, {"field": "amount_total", "op": ">=", "values": ["1亿"]},
                 {"field": "stage", "op": "=", "values": []}, {"field": "stage", "op": "like", "values": ["x"]}):
        with pytest.raises(Refused) as no:
            clerk.watch(terms=[term])
        assert no.value.code == "INVALID_ARGUMENT"


# ---------------------------------------------------------------- proto/README.md tells the truth


PAGE = (TOP / "proto/README.md").read_text()


def vector(name):
    lines = (TOP / f"tests/unit/vectors/{name}.hex").read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


def test_page_has_every_error_and_operation():
    errors = re.findall(r'^ERR\((\w+), (\d+), \d+, (\w+), "([^"]*)", "([^"]*)"\)', (TOP / "proto/errors.def").read_text(), re.M)
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \| ([A-Z]+) \| (.*?) \| (.*?) \|$", PAGE, re.M)
    assert rows == errors and len(errors) > 20
    ops = re.findall(r"^OP\((\d+), (\w+), (\w+), (\w+), (\w+), (\w+),", (TOP / "proto/ops.def").read_text(), re.M)
    assert re.findall(r"^\| (\d+) \| `(\w+)` \| `(\w+)` \| `(\w+)` \| (\w+) \| (\w+) \|$", PAGE, re.M) == ops


def test_page_has_the_very_bytes():
    blocks = re.findall(r"```\n(00 .*?)```", PAGE, re.S)
    for name, block in zip(("hello", "welcome", "call"), blocks, strict=True):
        lines = [re.match(r"\s*((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:\s\s|$)", line)[1] for line in block.splitlines()]
        assert bytes.fromhex(" ".join(lines)) == vector(name)
        assert framed(pb.Frame.FromString(vector(name)[4:]).SerializeToString()) == vector(name)


def test_page_has_the_limits():
    """Whoever changes a number of limits.h is led here, and to section 8."""
    text = (TOP / "proto/limits.h").read_text()
    limits = {m[1]: eval(m[2]) for m in re.finditer(r"^#define (\w+)\s+(\(?\d[\d *<]*\)?)(?=\s)", text, re.M)}
    said = [("LIMIT_FRAME", 65536, "| body of a frame | 65 536 bytes |"),
            ("LIMIT_ARENA", 512 * 1024, "| 512 KiB, depth 8, "), ("LIMIT_DEPTH", 8, "nested deeper than 8"),
            ("LIMIT_ELEMENTS", 24576, "24 576 elements, 64 unknown"), ("LIMIT_UNKNOWN", 64, "more than 64 unknown"),
            ("LIMIT_IN_FLIGHT", 64, "| 64 · 16 |"), ("LIMIT_WATCHES", 16, "| 64 · 16 |"),
            ("LIMIT_REQUEST_ID", 64, "| 64 characters |"), ("LIMIT_PAGE_ROWS", 500, "| rows of a page | 500 |"),
            ("LIMIT_KNOWN", 16, "(`known`, up to 16,"), ("LIMIT_OBJECTS", 2048, "| 16 · 2 048 |"),
            ("CREDIT_DEFAULT", 256 * 1024, "Absent: 262 144"), ("LIMIT_CREDIT", 16 << 20, "more than 16 MiB"),
            ("LIMIT_CHUNK", 48 * 1024, "| 48 KiB · 4 |"), ("LIMIT_CHUNK_WINDOW", 4, "| 48 KiB · 4 |"),
            ("LIMIT_DEADLINE_MS", 15000, "| 15 s · 300 s |"), ("LIMIT_BULK_MS", 300000, "| 15 s · 300 s |"),
            ("HANDSHAKE_MS", 5000, "| 5 s |"), ("PING_MS", 10000, "| 10 s · 25 s |"), ("DEAD_MS", 25000, "| 10 s · 25 s |"),
            ("GOODBYE_MS", 2000, "| patience after goodbye | 2 s |")]
    for name, value, words in said:
        assert (name, limits[name]) == (name, value)
        assert words in PAGE, words
    assert {name for name, _, _ in said} == set(limits) - {"QIPAN_PROTOCOL_VERSION"}
