# SPDX-License-Identifier: Apache-2.0
"""The servers that Qipan is measured beside: each a private process in a temporary folder, with the county's own certificates,
stopped by its process id."""
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Peer:
    """One server. `cores`: list for taskset, or None for all. `people`: ask clients for their certificates."""

    speech = program = None

    def __init__(self, pki, cores="0", people=False, **options):
        self.pki, self.cores, self.people, self.options = pki, cores, people, options
        self.dir = Path(tempfile.mkdtemp(prefix="bench-peer-"))
        self.port = free_port()
        self.process = None

    def __enter__(self):
        with open(self.dir / "log", "w") as log:
            pin = ["taskset", "-c", self.cores] if self.cores else []
            self.process = subprocess.Popen(pin + self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.dir)
        end = time.monotonic() + 15
        while not listening(self.port):
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise RuntimeError(f"{self.program} doesn't start: " + (self.dir / "log").read_text()[-500:])
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pids(self):
        return [self.process.pid]

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text)
        return str(path)

    def pem(self):
        """Certificate and key in one file, for those who want it so."""
        return self.write("both.pem", "".join(Path(self.pki, f).read_text() for f in ("qipand.pem", "qipand.key")))


class Mosquitto(Peer):
    speech, program = "mqtt", "mosquitto"

    def command(self):
        return ["/usr/sbin/mosquitto", "-c", self.write("conf", f"""
user {"root" if os.geteuid() == 0 else ""}
listener {self.port} 127.0.0.1
allow_anonymous true
cafile {self.pki}/ca.pem
certfile {self.pki}/qipand.pem
keyfile {self.pki}/qipand.key
tls_version tlsv1.3
require_certificate {"true" if self.people else "false"}
{f"crlfile {self.pki}/crl.pem" if self.people else ""}
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
persistence false
""")]


class Nats(Peer):
    speech, program = "nats", "nats-server"

    def command(self):
        return ["/usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(self.port), "--tls",
                "--tlscert", f"{self.pki}/qipand.pem", "--tlskey", f"{self.pki}/qipand.key"]


class Redis(Peer):
    speech, program = "resp", "redis"

    def command(self):
        return ["/usr/bin/redis-server", "--port", "0", "--tls-port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                "--tls-cert-file", f"{self.pki}/qipand.pem", "--tls-key-file", f"{self.pki}/qipand.key",
                "--tls-ca-cert-file", f"{self.pki}/ca.pem", "--tls-auth-clients", "no", "--maxclients", "5000",
                "--client-output-buffer-limit", "pubsub 0 0 0"]


class Etcd(Peer):
    speech, program = "etcd", "etcd"

    def command(self):
        peer = f"http://127.0.0.1:{free_port()}"
        return ["/usr/bin/etcd", "--data-dir", str(self.dir / "data"), "--cert-file", f"{self.pki}/qipand.pem",
                "--key-file", f"{self.pki}/qipand.key", "--listen-client-urls", f"https://{self.address}",
                "--advertise-client-urls", f"https://{self.address}", "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}", "--log-level", "error",
                "--quota-backend-bytes", "8000000000", "--snapshot-count", "100000"]


class Haproxy(Peer):
    """Hangs up after the handshake: no backend, no request."""

    speech, program = "none", "haproxy"

    def command(self):
        return ["/usr/sbin/haproxy", "-db", "-f", self.write("conf", f"""
global
    maxconn 4096
    nbthread 1
    tune.ssl.default-dh-param 2048
    tune.ssl.cachesize 0
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    mode tcp
frontend bench
    bind 127.0.0.1:{self.port} ssl crt {self.pem()} ca-file {self.pki}/ca.pem crl-file {self.pki}/crl.pem verify required ssl-min-ver TLSv1.3 no-tls-tickets
    tcp-request content reject
""")]


class Bare(Peer):
    """The thinnest broadcaster; see bare.c. options: program, size, coalesce."""

    speech, program = "bare", "the bare broadcaster"

    def command(self):
        raise NotImplementedError

    def __enter__(self):
        o = self.options
        self.process = subprocess.Popen(["taskset", "-c", self.cores, o["build"] / "bench/bare", "broadcast", self.pki, str(o["size"]),
                                         "1" if o["coalesce"] else "0"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        return self
