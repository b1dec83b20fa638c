# SPDX-License-Identifier: Apache-2.0
"""C: what TLS scanners find, as far as they can be made to offer qipan/1. A relay adds it to hellos that lack it: enough for
probes that only look at the answer; those that go on (OpenSSL's own client) offer it themselves."""
import json
import os
import re
import socket
import struct
import subprocess
import threading

import pytest
from peer import Link, pb, tls_context

ALPN = struct.pack(">HHHB", 16, 10, 8, 7) + b"qipan/1"


def with_alpn(record):
    """A ClientHello in its record, with our protocol among its extensions; anything else unchanged."""
    try:
        if record[0] != 22 or record[5] != 1:
            return record
        at = 9 + 2 + 32
        at += 1 + record[at]                                      # session id
        at += 2 + struct.unpack_from(">H", record, at)[0]         # cipher suites
        at += 1 + record[at]                                      # compression
        hello, rest = record[9:at], record[at:]
        extensions = rest[2:2 + struct.unpack_from(">H", rest)[0]] if rest else b""
        i, kept = 0, b""
        while i < len(extensions):
            kind, n = struct.unpack_from(">HH", extensions, i)
            if kind == 16 and b"qipan/1" in extensions[i:i + 4 + n]:
                return record
            kept += extensions[i:i + 4 + n] if kind != 16 else b""
            i += 4 + n
        # a shared key must stay behind it, a pre-shared one would have to be the last
        body = hello + struct.pack(">H", len(kept) + len(ALPN)) + ALPN + kept
        message = b"\x01" + len(body).to_bytes(3, "big") + body
        return record[:3] + struct.pack(">H", len(message)) + message
    except (IndexError, struct.error):
        return record


class Relay:
    def __init__(self, target):
        self.target = (target.rsplit(":", 1)[0], int(target.rsplit(":", 1)[1]))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, socket.create_connection(self.target, 5) as server:
                client.settimeout(10)
                first = client.recv(16384)
                while len(first) >= 5 and len(first) < 5 + struct.unpack_from(">H", first, 3)[0]:
                    more = client.recv(16384)
                    if not more:
                        break
                    first += more
                server.sendall(with_alpn(first))
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join(10)
        except OSError:
            pass


def pump(source, to):
    try:
        while data := source.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def county(new_county):
    return new_county("--bare")


@pytest.fixture
def relay(county):
    one = Relay(county.addresses[0])
    yield one
    one.listener.close()


def s_client(county, *args, cert=True):
    files = county.files("bureau")
    own = ["-cert", files["cert"], "-key", files["key"]] if cert else []
    done = subprocess.run(["openssl", "s_client", "-connect", county.addresses[0], "-alpn", "qipan/1", "-CAfile", files["ca"], *map(str, own), *args],
                          input="", capture_output=True, text=True, timeout=20)
    return done.stdout + done.stderr


def test_only_what_is_meant_to_be_spoken(county, say):
    """Versions, groups, ciphers, tickets, early data, by OpenSSL's own client at its lowest level."""
    low = ("-cipher", "DEFAULT@SECLEVEL=0")
    for version in ("-tls1", "-tls1_1", "-tls1_2"):
        assert "alert protocol version" in s_client(county, version, *low), version
    spoken = [g for g in ("X25519", "P-256", "P-384", "P-521", "X448", "ffdhe2048", "ffdhe3072", "ffdhe8192", "brainpoolP256r1")
              if "Verify return code: 0" in s_client(county, "-groups", g) and "New, TLSv1.3" in s_client(county, "-groups", g)]
    assert spoken == ["X25519", "P-256", "P-384"]
    ciphers = [c for c in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_8_SHA256",
                           "TLS_AES_128_CCM_SHA256") if f"Cipher is {c}" in s_client(county, "-ciphersuites", c)]
    assert ciphers == ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
    said = s_client(county)
    assert "Early data was not sent" in said and "New Session Ticket" not in said and "Compression: NONE" in said
    assert "ALPN protocol: qipan/1" in said and "Peer signing digest: SHA256" in said
    link = Link(county.addresses[0], tls_context(**county.files("bureau")))
    link.send(pb.Frame(hello=pb.Hello(version_min=1, version_max=1)))
    assert link.receive().HasField("welcome") and not link.tls.session_reused and not link.tls.session.has_ticket
    link.close()
    say(groups=",".join(spoken), ciphers=len(ciphers))


def test_sslscan(county, relay, tmp_path, say):
    files = county.files("bureau")
    # without our protocol a scanner learns nothing at all
    bare = scan(county.addresses[0], tmp_path)
    assert not re.search(r'<protocol [^>]*enabled="1"', bare) and "<cipher " not in bare
    found = scan(relay.address, tmp_path, f"--certs={files['cert']}", f"--pk={files['key']}")
    on = re.findall(r'<protocol type="(\w+)" version="([\d.]+)" enabled="1"', found)
    groups = sorted(set(re.findall(r'<group sslversion="TLSv1.3" bits="\d+" name="([^"]+)"', found)))
    say(protocols=on, groups=",".join(groups), ciphers=found.count("<cipher "))
    assert on == [("tls", "1.3")]
    assert set(groups) <= {"x25519", "secp256r1 (NIST P-256)", "secp384r1 (NIST P-384)"}
    assert 'vulnerable="1"' not in found and not re.search(r'<compression supported="1"|<renegotiation supported="1"', found)
    assert not re.search(r'<cipher [^>]*strength="(weak|null|anonymous|medium)"', found)


def scan(address, folder, *args):
    out = folder / "scan.xml"
    subprocess.run(["sslscan", f"--xml={out}", *map(str, args), address], capture_output=True, timeout=120)
    return out.read_text(errors="replace")


def test_testssl(county, relay, tmp_path, say):
    """Nothing of severity medium or above, and what could not be probed is told. It wants to talk HTTP and a public name:
    those findings aren't about this port."""
    files = county.files("bureau")
    wrapper = tmp_path / "openssl"
    wrapper.write_text("#!/bin/bash\nif [ \"$1\" = s_client ]; then shift; exec /usr/bin/openssl s_client \"$@\" -alpn qipan/1 "
                       f"-cert {files['cert']} -key {files['key']}; fi\nexec /usr/bin/openssl \"$@\"\n")
    wrapper.chmod(0o755)
    out = tmp_path / "found.json"
    done = subprocess.run(["testssl", "--openssl", str(wrapper), "--warnings", "batch", "--color", "0", "--ip", "one", "--add-ca", str(files["ca"]),
                           "--jsonfile", str(out), "-p", "-s", "-f", "-P", "-U", "-S", relay.address], capture_output=True, text=True, timeout=500,
                          stdin=subprocess.DEVNULL, env={**os.environ, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
    assert out.exists(), done.stdout + done.stderr
    found = json.loads(out.read_text())
    bad = [(f["id"], f["severity"], f["finding"]) for f in found if f["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")]
    not_run = sorted({f["id"] for f in found if f["severity"] == "WARN"})
    versions = {f["id"]: f["finding"] for f in found if f["id"] in ("SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3")}
    say(findings=len(found), versions=versions, not_run=",".join(not_run) or "none", bad=bad)
    aside = ("cert_", "OCSP", "CT", "DNS_CAArecord", "engine_problem", "scanProblem")
    assert not [b for b in bad if not b[0].startswith(aside)]
    assert all("not offered" in text for version, text in versions.items() if version != "TLS1_3")
