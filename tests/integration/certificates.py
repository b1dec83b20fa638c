# SPDX-License-Identifier: Apache-2.0
"""Certificates of any make, the daemon's files and its log, and clients that stop half-way: for tests about who gets in."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest
from peer import Gone, Link, tls_context
from steps import pid_of, wait_for

CA = pathlib.Path(__file__).resolve().parents[2] / "deploy/ca/qipan-ca"
SOURCES = (f"127.{os.getpid() % 200}.0.{i}" for i in range(1, 255))  # each sort has few lines in the log for each address


def run(*args, **how):
    return subprocess.run([str(a) for a in args], check=True, capture_output=True, text=True, timeout=60, **how).stdout


class Maker:
    """Signs what no proper authority would, with the keys of the county's own."""

    GOOD = {"basicConstraints": "critical,CA:FALSE", "keyUsage": "critical,digitalSignature", "extendedKeyUsage": "clientAuth",
            "subjectAltName": "URI:qipan:person:bureau"}

    def __init__(self, county, folder):
        self.ca, self.folder, self.pki, self.n = county.dir / "ca", folder, county.pki, 0

    def make(self, cn="bureau", key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), digest="sha256", dates=("-days", "2"),
             issuer=None, **extensions):
        """Files for a client. An extension None is left out."""
        self.n += 1
        stem = self.folder / f"odd{self.n}"
        chosen = {k.replace("__", "."): v for k, v in {**self.GOOD, **extensions}.items() if v is not None}
        config = stem.with_suffix(".cnf")
        config.write_text("[x]\n" + "".join(f"{k}={v}\n" for k, v in chosen.items()))
        run("openssl", "req", "-new", "-newkey", *key, "-nodes", "-subj", f"/CN={cn}", "-config", "/dev/null",
            "-keyout", stem.with_suffix(".key"), "-out", stem.with_suffix(".csr"))
        issuer = issuer or (self.ca / "issuing/cert.pem", self.ca / "issuing/key.pem")
        run("openssl", "x509", "-req", "-in", stem.with_suffix(".csr"), "-CA", issuer[0], "-CAkey", issuer[1], f"-{digest}",
            "-set_serial", f"0x7{self.n:06x}", "-extfile", config, "-extensions", "x", *dates, "-out", stem.with_suffix(".crt"))
        stem.with_suffix(".pem").write_text(stem.with_suffix(".crt").read_text() + issuer[0].read_text())
        return {"ca": self.pki / "ca.pem", "cert": stem.with_suffix(".pem"), "key": stem.with_suffix(".key")}

    def uri_bytes(self, raw):
        """An alternative name whose URI is these very bytes."""
        name = b"\x86" + bytes([len(raw)]) + raw
        return "DER:" + (b"\x30" + bytes([len(name)]) + name).hex(":")

    def sub_authority(self, above=None, constraints="critical,CA:TRUE"):
        files = self.make(cn=f"sub{self.n}", issuer=above, basicConstraints=constraints, keyUsage="critical,keyCertSign,cRLSign",
                          extendedKeyUsage=None, subjectAltName=None)
        return files["cert"], files["key"]


def summary(county):
    """Turned away since the start, and bytes decoded of those who weren't known."""
    before = county.log().count(" of theirs decoded")
    os.kill(pid_of(county), signal.SIGUSR1)
    wait_for(lambda: county.log().count(" of theirs decoded") > before)
    found = re.findall(r"(\d+) turned away, (\d+) bytes of theirs decoded", county.log())
    return tuple(map(int, found[-1]))


def try_in(county, files):
    """The daemon's answer to a client that speaks at once: the text of what ended it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # a client that doesn't mind what it shows
    context.load_verify_locations(files["ca"])
    context.set_alpn_protocols(["qipan/1"])
    if "cert" in files:
        context.load_cert_chain(files["cert"], files["key"])
    with pytest.raises((ssl.SSLError, Gone)) as ended:
        link = Link(county.addresses[0], context, source=next(SOURCES))
        link.send_bytes(b"\0\0\0\2\x0a\0" * 100)  # empty hellos
        link.receive()
    return str(ended.value)


def sighup(county, n=1):
    os.kill(pid_of(county, n), signal.SIGHUP)


def reloaded(county, word="certificates of", n=1):
    """Sends SIGHUP, waits for that word in what is logged then; returns the new lines."""
    size = len(county.log(n))
    sighup(county, n)
    wait_for(lambda: word in county.log(n)[size:])
    return county.log(n)[size:]


def replace(county, name, text):
    """A file of the daemon's, as the administrator would do it."""
    path = county.pki / name
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    shutil.copymode(path, fresh)
    if os.getuid() == 0:
        shutil.chown(fresh, path.stat().st_uid)
    fresh.rename(path)


def pings(peer, n=20):
    """So many round trips; the longest, in seconds."""
    longest = 0
    for _ in range(n):
        begun = time.monotonic()
        peer.do("whoami")
        longest = max(longest, time.monotonic() - begun)
    return longest


def gone(peer, seconds):
    """The code of the goodbye that a session gets in time."""
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            peer.turn(until - time.monotonic())
    except Gone as e:
        return e.code
    except TimeoutError:
        return "still there"
    return "still there"


def connect_raw(county, data=b"", source=None):
    host, port = county.addresses[0].rsplit(":", 1)
    s = socket.create_connection((host, int(port)), 10, source and (source, 0))
    if data:
        s.sendall(data)
    return s


def client_hello(county):
    """What a TLS client of ours says first."""
    context = tls_context(county.pki / "ca.pem")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def ended(s, patience=8):
    """What came back until the daemon closed."""
    s.settimeout(patience)
    got = b""
    with contextlib.suppress(ConnectionError):
        while more := s.recv(4096):
            got += more
    s.close()
    return got
