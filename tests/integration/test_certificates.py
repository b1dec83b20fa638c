# SPDX-License-Identifier: Apache-2.0
"""Who gets in by which certificate, and what happens to those inside when lists and files change."""
import contextlib
import os
import re
import socket
import struct
import subprocess
import time

import pytest
from certificates import CA, Maker, client_hello, connect_raw, ended, gone, pings, reloaded, replace, run, summary, try_in
from conftest import SLOW
from peer import OPS, Gone, Link, Peer, pb, tls_context
from steps import wait_for

# ---------------------------------------------------------------- certificates of any make


@pytest.fixture
def maker(county, tmp_path):
    return Maker(county, tmp_path)


@pytest.fixture
def self_signed(tmp_path, county):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-days", "2",
        "-addext", "subjectAltName=URI:qipan:person:bureau", "-addext", "extendedKeyUsage=clientAuth",
        "-keyout", tmp_path / "self.key", "-out", tmp_path / "self.pem")
    return {"ca": county.pki / "ca.pem", "cert": tmp_path / "self.pem", "key": tmp_path / "self.key"}


MANY = "URI:qipan:person:bureau," + ",".join(f"DNS:h{i}.test" for i in range(200))


def expect_refusal(county, files, word, alert="alert"):
    before, bytes_before = summary(county)
    size = len(county.log())
    assert re.search(f"(?i){alert}", try_in(county, files))
    wait_for(lambda: "turned away (" in county.log()[size:])
    lines = [line for line in county.log()[size:].splitlines() if "turned away (" in line]
    assert len(lines) == 1 and f"({word})" in lines[0] and lines[0].isprintable() and lines[0].isascii()
    turned, decoded = summary(county)
    assert turned == before + 1 and decoded == 0


MATRIX = {
    "no extended key usage": ({"extendedKeyUsage": None}, "cert_not_for_clients"),
    "one usage too many": ({"extendedKeyUsage": "clientAuth,emailProtection"}, "cert_not_for_clients"),
    "any usage": ({"extendedKeyUsage": "anyExtendedKeyUsage"}, "cert_not_for_clients"),
    "a server's": ({"extendedKeyUsage": "serverAuth"}, "cert_not_for_clients"),
    "both": ({"extendedKeyUsage": "clientAuth,serverAuth"}, "cert_not_for_clients"),
    "an authority's": ({"basicConstraints": "critical,CA:TRUE", "keyUsage": "critical,digitalSignature,keyCertSign"},
                       "cert_not_for_clients"),
    "two URIs": ({"subjectAltName": "URI:qipan:person:bureau,URI:qipan:person:leader"}, "cert_no_identity"),
    "the same URI twice": ({"subjectAltName": "URI:qipan:person:bureau,URI:qipan:person:bureau"}, "cert_no_identity"),
    "the name in CN only": ({"cn": "qipan:person:bureau", "subjectAltName": None}, "cert_no_identity"),
    "the name as DNS": ({"subjectAltName": "DNS:qipan.person.bureau"}, "cert_no_identity"),
    "200 names": ({"subjectAltName": MANY}, "cert_no_identity"),
    "unknown critical extension": ({"1__3__6__1__4__1__99999__1": "critical,ASN1:UTF8String:x"}, "cert_bad"),
    "RSA of 1024 bits": ({"key": ("rsa:1024",)}, "cert_bad"),
    "P-384": ({"key": ("ec", "-pkeyopt", "ec_paramgen_curve:P-384")}, "cert_other_key"),
    "SHA-1": ({"digest": "sha1"}, "cert_bad"),
    "already ended": ({"dates": ("-days", "-1")}, "cert_expired"),
}


@pytest.mark.parametrize("what", MATRIX)
def test_a_certificate_of_that_make_is_refused_in_the_handshake(county, maker, what):
    how, word = MATRIX[what]
    expect_refusal(county, maker.make(**how), word)


RAW = {"a NUL inside": b"qipan:person:bureau\0.evil", "a NUL at the end": b"qipan:person:bureau\0", "a blank": b"qipan:person:bureau ",
       "a newline": b"qipan:person:bureau\n2026-01-01 error forged: line", "an escape": b"\x1b[2Jqipan:person:bureau",
       "UTF-8": "qipan:person:招商局".encode(), "right to left": "qipan:person:\u202ebureau".encode(), "nothing": b""}


@pytest.mark.parametrize("what", RAW)
def test_an_identity_of_such_bytes_is_refused_in_the_handshake(county, maker, what):
    expect_refusal(county, maker.make(subjectAltName=maker.uri_bytes(RAW[what])), "cert_no_identity")


@pytest.mark.parametrize("identity", ["qipan:person:Bureau", "QIPAN:person:bureau", "qipan:person:bureau.", "qipan:person:bureau%00",
                                      "qipan:person:bureau'--", "qipan:person:../bureau", "qipan:person:%", "qipan:person:bureau#x",
                                      "qipan:person:*", "qipan:person:_ureau", "person:bureau", "bureau"])
def test_an_identity_is_matched_exactly(county, maker, identity):
    """A good certificate for somebody who isn't there: the goodbye says so, nothing is decoded, one line tells."""
    size = len(county.log())
    link = Link(county.addresses[0], tls_context(**maker.make(subjectAltName=maker.uri_bytes(identity.encode()))))
    link.send_bytes(b"\0\0\0\2\x0a\0" * 100)
    said = link.receive()
    assert said.goodbye.error.code == "UNAUTHENTICATED"
    link.close()
    lines = [line for line in county.log()[size:].splitlines() if "not signed in" in line]
    assert len(lines) == 1 and identity in lines[0] and summary(county)[1] == 0


def test_no_certificate_and_strangers(county, maker, self_signed, tmp_path):
    expect_refusal(county, {"ca": county.pki / "ca.pem"}, "cert_none", "certificate required")
    expect_refusal(county, self_signed, "cert_unknown_ca")
    run(CA, "init", tmp_path / "other")
    other = (tmp_path / "other/issuing/cert.pem", tmp_path / "other/issuing/key.pem")
    expect_refusal(county, maker.make(issuer=other), "cert_unknown_ca")


def test_a_chain_that_is_too_long(county, maker):
    one = maker.sub_authority()
    expect_refusal(county, maker.make(issuer=one), "cert_bad")  # the issuing CA may have none below it
    two = maker.sub_authority(one)
    expect_refusal(county, maker.make(issuer=two), "cert_bad")


def test_not_yet_valid(county, tmp_path):
    run(CA, "request", tmp_path / "key", tmp_path / "csr", "early")
    run(CA, "issue", county.dir / "ca", tmp_path / "csr", "--person", "bureau", "--from", "20390101000000Z",
        "--until", "20400101000000Z", "--out", tmp_path / "pem")
    expect_refusal(county, {"ca": county.pki / "ca.pem", "cert": tmp_path / "pem", "key": tmp_path / "key"}, "cert_not_yet_valid")


def test_a_disabled_account_gets_the_same_answer_as_none(new_county):
    """And each of them has a row in the audit, with who else was turned away; a daemon that stops hands over what it has."""
    county = new_county("--bare")
    county.psql("UPDATE registry.account SET enabled = false WHERE code = 'dongshan'")
    answers = set()
    for context in ("dongshan", "fagai"):
        if context == "fagai":
            county.psql("UPDATE registry.certificate SET enabled = false WHERE identity = 'qipan:person:fagai'")
        with pytest.raises(Gone) as refused:
            county.peer(context)
        answers.add((refused.value.code, refused.value.error.message, refused.value.error.field))
    assert len(answers) == 1
    for _ in range(20):
        ended(connect_raw(county, b"GET / HTTP/1.1\r\n\r\n"))
    assert summary(county) == (22, 0)
    county.kill(1, "TERM")
    rows = county.psql("SELECT actor, status, peer, detail ->> 'reason', detail ->> 'count' FROM registry.audit WHERE op = 'doorstep' ORDER BY 4")
    assert rows == [["", "UNAUTHENTICATED", "127.0.0.1", "no_account", "2"], ["", "UNAUTHENTICATED", "127.0.0.1", "not_tls", "20"]]


# ---------------------------------------------------------------- lists and files that change


def framed(**field):
    body = pb.Frame(**field).SerializeToString()
    return struct.pack(">I", len(body)) + body


BAD_FILES = {
    "an empty list": ("crl.pem", lambda text: ""),
    "a list that is cut short": ("crl.pem", lambda text: text[:len(text) * 3 // 4]),
    "one list of two": ("crl.pem", lambda text: text.split("-----END X509 CRL-----")[0] + "-----END X509 CRL-----\n"),
    "no CA": ("ca.pem", lambda text: ""),
    "a CA missing": ("ca.pem", lambda text: text.split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"),
    "another's key": ("qipand.key", lambda text: run("openssl", "genpkey", "-algorithm", "ec", "-pkeyopt",
                                                     "ec_paramgen_curve:P-256")),
    "no key": ("qipand.key", lambda text: ""),
    "no certificate": ("qipand.pem", lambda text: "nothing\n"),
}


def test_bad_files_change_nothing(new_county, tmp_path):
    """Each time an alarm, the old settings, everybody stays; then good ones are taken over."""
    county = new_county("--bare")
    with county.peer("chengguan") as inside:
        watch = inside.watch()
        for what, (name, spoil) in BAD_FILES.items():
            good = (county.pki / name).read_text()
            replace(county, name, spoil(good))
            assert "ALARM: not reloaded" in reloaded(county, "ALARM"), what
            with Peer(county.addresses[0], **{**county.files("dongshan"), "ca": county.dir / "ca/ca.pem"}) as newcomer:
                assert newcomer.do("whoami").account == "dongshan"
            assert re.search("(?i)certificate.required", try_in(county, {"ca": county.dir / "ca/ca.pem"})), what
            replace(county, name, good)
        for kind, word in ((("--person", "x"), "purpose"), (("--server", "localhost", "--until", "20240201000000Z", "--from",
                                                              "20240101000000Z"), "expired")):
            run(CA, "request", tmp_path / "k", tmp_path / "csr", "qipand")
            run(CA, "issue", county.dir / "ca", tmp_path / "csr", *kind, "--out", tmp_path / "pem")
            good = [(county.pki / n).read_text() for n in ("qipand.pem", "qipand.key")]
            replace(county, "qipand.pem", (tmp_path / "pem").read_text())
            replace(county, "qipand.key", (tmp_path / "k").read_text())
            assert word in reloaded(county, "ALARM")
            for n, text in zip(("qipand.pem", "qipand.key"), good):
                replace(county, n, text)
        run(CA, "init", tmp_path / "other")
        good = (county.pki / "crl.pem").read_text()
        replace(county, "crl.pem", good + (tmp_path / "other/issuing.crl").read_text())
        assert "no CA that is known" in reloaded(county, "ALARM")
        replace(county, "crl.pem", good)
        (county.pki / "qipand.key").chmod(0)
        assert "ALARM" in reloaded(county, "ALARM")
        (county.pki / "qipand.key").chmod(0o600)
        assert "0 expelled" in reloaded(county)
        assert pings(inside, 3) < 2 * SLOW and watch.state in (None, "LIVE")


def test_the_day_of_grace(new_county):
    county = new_county("--bare")
    issuing = county.dir / "ca/issuing"

    def list_until(hours):
        end = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + hours * 3600))
        run("openssl", "ca", "-gencrl", "-config", issuing / "openssl.cnf", "-crl_lastupdate", "20260101000000Z",
            "-crl_nextupdate", end, "-out", county.dir / "late.crl")
        replace(county, "crl.pem", (county.dir / "ca/root.crl").read_text() + (county.dir / "late.crl").read_text())

    with county.peer("chengguan") as inside:
        list_until(-23)
        lines = reloaded(county)
        assert "0 expelled" in lines
        wait_for(lambda: "ALARM: a revocation list has expired" in county.log())
        assert county.peer("dongshan").do("whoami").account == "dongshan"
        list_until(-25)
        assert "day of grace is over" in reloaded(county, "ALARM: not")
        list_until(100)
        size = len(county.log())
        assert "0 expelled" in reloaded(county)
        wait_for(lambda: "a revocation list ends in 4 days" in county.log()[size:])
        assert inside.do("whoami").account == "chengguan"


def unsent(name):
    """Bytes that the kernel holds for a connection's peer."""
    listed = subprocess.run(["ss", "-tnH", "state", "established", f"( dport = :{name.strip()} )"], capture_output=True, text=True).stdout
    return int(listed.split()[1]) if listed else 0


def test_whoever_is_revoked_and_does_not_read_is_gone_all_the_same(new_county):
    """More waits for it than the kernel takes, so the goodbye can't be said."""
    county = new_county()
    context = tls_context(**county.files("dongshan"))
    host, port = county.addresses[0].rsplit(":", 1)
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((host, int(port)))
        with context.wrap_socket(raw, server_hostname=host) as tls:
            name = f" {tls.getsockname()[1]} "
            tls.sendall(framed(hello=pb.Hello(version_min=1, version_max=1)))
            tls.recv(100)
            held = [0, 1, 2]
            for call in range(1, 250):
                time.sleep(0.05)  # so few at once that the daemon's own buffer stays below its ceiling
                held.append(unsent(name))
                if len(set(held[-3:])) == 1:  # the kernel takes no more
                    break
                tls.sendall(framed(call=pb.Call(call=call, op=OPS["project_list"].number, payload=pb.ProjectListRequest(limit=500).SerializeToString())))
            county.revoke("dongshan")
            begun = time.monotonic()
            wait_for(lambda: any(name in line and "closed:" in line for line in county.log().splitlines()), 8 * SLOW)
            assert time.monotonic() - begun < 2 * SLOW
            closed = [line for line in county.log().splitlines() if name in line and "closed:" in line]
            assert "goodbye" in closed[0]  # said or not: the kernel may have taken it


def test_a_live_session_ends_with_its_certificate(new_county, tmp_path):
    county = new_county("--bare")
    until = time.time() + 4
    stamp = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(t)) for t in (until - 3600, until)]
    run(CA, "request", tmp_path / "key", tmp_path / "csr", "brief")
    run(CA, "issue", county.dir / "ca", tmp_path / "csr", "--person", "bureau", "--from", stamp[0], "--until", stamp[1],
        "--out", tmp_path / "pem")
    peer = Peer(county.addresses[0], ca=county.pki / "ca.pem", cert=tmp_path / "pem", key=tmp_path / "key", lang="en")
    peer.do("whoami")
    with pytest.raises(Gone) as ended:
        while time.time() < until + 10:
            with contextlib.suppress(TimeoutError):
                peer.turn(0.5)
    assert ended.value.code == "UNAUTHENTICATED" and "expired" in ended.value.error.message
    assert until - 1 < time.time() < until + 3


# ---------------------------------------------------------------- at the door


def test_what_is_no_client_is_closed_at_once(county):
    hello = client_hello(county)
    huge = b"\x16\x03\x01\x40\x00\x01\x00\xff\xfc" + b"\0" * 16380
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + hello, b"\0\0\0\2\x0a\0",
                 b"\0" + os.urandom(100000), b"\x16\x03\x01\x00\x04\x01\x01\xff\xfc", huge, hello + hello + hello,
                 hello + b"\x16\x03\x03\x00\x01\x01"):
        begun = time.monotonic()
        s = connect_raw(county)
        with contextlib.suppress(ConnectionError):
            s.sendall(data)
        assert len(ended(s)) < 4096 and time.monotonic() - begun < 2 * SLOW
    assert summary(county)[1] == 0


def test_whoever_drips_is_closed_in_time(county):
    begun = time.monotonic()
    s = connect_raw(county)
    with contextlib.suppress(ConnectionError):
        for byte in client_hello(county):
            s.sendall(bytes([byte]))
            time.sleep(0.1)
            if time.monotonic() - begun > 10:
                break
    assert 4 < time.monotonic() - begun < 7


# ---------------------------------------------------------------- whose they are, and renewing one's own

ADMIN = CA.parents[1] / "admin/qipan-admin"


def admin(county, *args, ok=True, **env):
    done = subprocess.run([str(a) for a in (ADMIN, *args)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **county.env, "QIPAN_ETC": str(county.dir), **env})
    assert not ok or done.returncode == 0, done.stdout + done.stderr
    return done


def test_two_officers_let_somebody_in(new_county, tmp_path):
    """Asked for, it lets nobody in; approved, it does, at once and everywhere; ended, his sessions end within two seconds."""
    county = new_county("--bare", "--daemons", "2")
    run(CA, "request", tmp_path / "key", tmp_path / "csr", "new")
    run(CA, "issue", county.dir / "ca", tmp_path / "csr", "--person", "new.face", "--out", tmp_path / "pem")
    files = {"ca": county.pki / "ca.pem", "cert": tmp_path / "pem", "key": tmp_path / "key"}

    def expect_nobody():
        with pytest.raises(Gone) as refused:
            Peer(county.addresses[0], **files)
        assert refused.value.code == "UNAUTHENTICATED"

    expect_nobody()
    assert county.qipan("sysadmin", "cert", "map", "qipan:person:new.face", "dongshan", "-o", "json", ok=True).json["state"] == "asked"
    expect_nobody()
    county.qipan("sysadmin", "cert", "approve", "qipan:person:new.face", "dongshan", ok=8)
    county.qipan("dongshan", "cert", "map", "qipan:person:mine", "dongshan", ok=8)
    county.qipan("sysadmin", "cert", "map", "qipan:person:mine", "sysadmin", ok=8)
    shown = county.qipan("secadmin", "cert", "list", "new.face", "-o", "json", ok=True).json
    assert [(row["account"], row["state"], row["asked_by"]) for row in shown] == [("dongshan", "asked", "sysadmin")]
    done = county.qipan("secadmin", "cert", "approve", "qipan:person:new.face", "dongshan", "-o", "json", ok=True).json
    assert done["state"] == "in_force" and done["approved_by"] == "secadmin" and done["rev"]
    inside = [Peer(address, **files) for address in county.addresses]
    other = county.peer("dongshan")
    assert inside[0].do("whoami").account == "dongshan"
    begun = time.monotonic()
    county.qipan("secadmin", "cert", "unmap", "qipan:person:new.face", ok=True)
    for peer in inside:
        assert gone(peer, 4) == "UNAUTHENTICATED"
    assert time.monotonic() - begun < 2.5 * SLOW
    expect_nobody()
    assert other.do("whoami").account == "dongshan"  # the same person's other certificate


def test_a_certificate_is_renewed_over_the_connection(new_county):
    county = new_county("--bare")
    cert, key = county.pki / "chengguan.pem", county.pki / "chengguan.key"
    before = cert.read_text(), key.read_text()
    done = county.qipan("chengguan", "cert", "renew", "--wait", "0", ok=124)
    assert "run it again" in done.stderr or "稍后" in done.stderr
    assert (cert.read_text(), key.read_text()) == before and (county.pki / "chengguan.key.new").stat().st_mode & 0o777 == 0o600
    assert "chengguan: issued" in admin(county, "cert", "sign-pending", county.dir / "ca").stdout
    county.qipan("chengguan", "cert", "renew", "--wait", "5", ok=True)
    assert cert.read_text() != before[0] and key.read_text() != before[1] and key.stat().st_mode & 0o777 == 0o600
    assert not list(county.pki.glob("chengguan.*.new")) and not list(county.pki.glob("*.asked"))
    assert county.qipan("chengguan", "whoami", "-o", "json", ok=True).json["account"] == "chengguan"
    county.qipan("chengguan", "cert", "renew", "--if-due", ok=True)
    assert key.read_text() != before[1] and county.psql("SELECT count(*) FROM registry.certificate_request") == [["1"]]

    # cut off between its two files
    county.qipan("chengguan", "cert", "renew", "--wait", "0", ok=124)
    admin(county, "cert", "sign-pending", county.dir / "ca")
    old = key.read_text()
    county.qipan("chengguan", "cert", "renew", ok=True)
    fresh = key.read_text()
    (county.pki / "chengguan.key.new").write_text(fresh)
    (county.pki / "chengguan.key.new").chmod(0o600)
    key.write_text(old)
    county.qipan("chengguan", "whoami", ok=4)
    county.qipan("chengguan", "cert", "renew", "--if-due", ok=True)
    assert key.read_text() == fresh and county.qipan("chengguan", "whoami", ok=True)


def test_a_refused_request_leaves_the_old_files(new_county):
    county = new_county("--bare")
    before = (county.pki / "fagai.pem").read_text()
    county.qipan("fagai", "cert", "renew", "--wait", "0", ok=124)
    county.psql("UPDATE registry.certificate_request SET csr = '\\x3000'")
    assert "refused" in admin(county, "cert", "sign-pending", county.dir / "ca").stdout
    county.qipan("fagai", "cert", "renew", ok=7)
    assert (county.pki / "fagai.pem").read_text() == before and not list(county.pki.glob("fagai.*.new"))


def test_an_answer_that_is_not_ours_is_not_taken(new_county):
    """A chain of another authority, of another identity or for another key changes nothing."""
    county = new_county("--bare")
    before = (county.pki / "fagai.pem").read_text()
    for chain in ((county.pki / "ziran.pem").read_text(), before, "nothing"):
        county.qipan("fagai", "cert", "renew", "--wait", "0", ok=124)
        county.psql("SELECT registry.certificate_answer(id, $c$" + chain + "$c$, NULL) FROM registry.certificate_request WHERE state = 'asked'")
        county.qipan("fagai", "cert", "renew", ok=7)
        assert (county.pki / "fagai.pem").read_text() == before
        county.qipan("fagai", "whoami", ok=True)
        assert not list(county.pki.glob("fagai*.asked")) and not list(county.pki.glob("fagai*.new"))


def test_people_are_told_before_their_certificate_ends(county, tmp_path):
    run(CA, "request", tmp_path / "key", tmp_path / "csr", "soon")
    run(CA, "issue", county.dir / "ca", tmp_path / "csr", "--person", "leader", "--days", "12", "--out", tmp_path / "pem")
    config = tmp_path / "client.ini"
    config.write_text(re.sub(r"(?s)(\[context leader\].*?cert = )\S+(\nkey = )\S+", rf"\1{tmp_path}/pem\2{tmp_path}/key",
                             open(county.env["QIPAN_CONFIG"]).read()))
    told = county.qipan("leader", "whoami", env={"QIPAN_CONFIG": str(config)}, ok=True)
    assert told.stderr.count("\n") == 1 and re.search(r"\b1[12]\b", told.stderr)
    assert county.qipan("leader", "whoami", "-o", "json", env={"QIPAN_CONFIG": str(config)}, ok=True).stderr == ""
    assert county.qipan("leader", "whoami", ok=True).stderr == ""
    checked = admin(county, "cert", "check", tmp_path / "pem", county.pki / "ca.pem", ok=False)
    assert checked.returncode == 1 and checked.stdout.count("\n") == 1 and "ends in 1" in checked.stdout
    assert admin(county, "cert", "check").returncode == 0


def test_the_operator_revokes_and_daemons_read_it(new_county):
    county = new_county("--bare")
    ini = county.dir / "qipand-1.ini"
    ini.write_text(ini.read_text() + f"pid_file = {county.env['QIPAN_RUN']}/qipand-1.pid\n")
    victim = county.peer("dongshan")
    admin(county, "cert", "revoke", county.dir / "ca", county.pki / "dongshan.pem")
    assert gone(victim, 4) == "CERT_REVOKED"
    assert "revoked" in admin(county, "cert", "issued", county.dir / "ca").stdout


@pytest.mark.parametrize("way", ["dev", "operator"])
def test_a_revoked_thief_does_not_come_back(new_county, tmp_path, way):
    """He renewed while he could, and has one more request waiting: both end with the certificate he had stolen."""
    county = new_county("--bare")

    def ask(peer, name):
        run(CA, "request", tmp_path / f"{name}.key", tmp_path / "csr", "x")
        run("openssl", "req", "-in", tmp_path / "csr", "-outform", "DER", "-out", tmp_path / "der")
        return peer.do("cert_request", csr=(tmp_path / "der").read_bytes()).id

    def get_in(name):
        return Peer(county.addresses[0], ca=county.pki / "ca.pem", cert=tmp_path / f"{name}.pem", key=tmp_path / f"{name}.key")

    def signed():
        return admin(county, "cert", "sign-pending", county.dir / "ca").stdout

    thief = county.peer("fagai")
    asked = ask(thief, "new")
    assert "fagai: issued" in signed()
    (tmp_path / "new.pem").write_text(thief.do("cert_fetch", id=asked).chain)
    renewed, neighbour = get_in("new"), county.peer("dongshan")
    last = ask(renewed, "last")
    if way == "dev":
        county.revoke("fagai")
    else:
        ini = county.dir / "qipand-1.ini"
        ini.write_text(ini.read_text() + f"pid_file = {county.env['QIPAN_RUN']}/qipand-1.pid\n")
        admin(county, "cert", "revoke", county.dir / "ca", county.pki / "fagai.pem")
    assert gone(thief, 4) == "CERT_REVOKED" and gone(renewed, 4) == "CERT_REVOKED"
    with pytest.raises(Exception, match="(?i)revoked"):
        get_in("new")
    assert county.psql("SELECT state, chain IS NULL FROM registry.certificate_request WHERE id = '" + last + "'") == [["refused", "t"]]
    assert signed() == "" and neighbour.do("whoami").account == "dongshan"
    # whatever the registry is made to say
    county.psql("UPDATE registry.certificate_request SET state = 'asked', note = NULL, answered_at = NULL WHERE id = '" + last + "'")
    assert "fagai: refused" in signed() and "was revoked" not in county.psql("SELECT note FROM registry.certificate_request")[0][0]
