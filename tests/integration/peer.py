# SPDX-License-Identifier: Apache-2.0
"""A client of its own, written from proto/README.md alone: Python's ssl and google.protobuf, no code of ours.

    peer = Peer("127.0.0.1:7465", ca="ca.pem", cert="bureau.pem", key="bureau.key")
    project = peer.do("project_add", set={"name": "…", "investor": "…"}).project
    watch = peer.watch(); feed = watch.next()

As a program:  peer.py ADDRESS CA CERT KEY   says who you are and prints the feed from its beginning.
"""
import collections
import importlib
import os
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PROTO = TOP / "proto"
MOST = 64 * 1024
CREDIT = 256 * 1024  # of a watch that names none


def _messages():
    """qipan_pb2, generated once per change of the .proto file, next to the build."""
    source = PROTO / "qipan.proto"
    build = pathlib.Path(os.environ.get("QIPAN_BUILD", TOP / "build")) / "py"
    if not (build / "qipan_pb2.py").exists() or (build / "qipan_pb2.py").stat().st_mtime < source.stat().st_mtime:
        build.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=build) as fresh:
            subprocess.run(["protoc", f"--python_out={fresh}", f"-I{PROTO}", str(source)], check=True)
            os.replace(f"{fresh}/qipan_pb2.py", build / "qipan_pb2.py")
    sys.path.insert(0, str(build))
    return importlib.import_module("qipan_pb2")


pb = _messages()


class Op(collections.namedtuple("Op", "number name request reply lane")):
    @property
    def changes(self):
        """It needs a request id."""
        return self.lane not in ("READ", "FEED")


OPS = {m[2]: Op(int(m[1]), m[2], getattr(pb, m[3]), getattr(pb, m[4]), m[5]) for m in re.finditer(
    r"^OP\((\d+), (\w+), (\w+), (\w+), (\w+),", (PROTO / "ops.def").read_text(), re.M)}


class Refused(Exception):
    """A reply with an error."""

    def __init__(self, error):
        super().__init__(f"{error.code} {error.field}: {error.message}")
        self.error = error
        self.code = error.code


class Gone(Exception):
    """The connection is over; .error is what the goodbye said, if there was one."""

    def __init__(self, why, error=None):
        super().__init__(f"{why}: {error.code}" if error else why)
        self.error = error
        self.code = error.code if error else None


def tls_context(ca, cert=None, key=None, alpn=("qipan/1",)):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(ca)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if cert:
        context.load_cert_chain(cert, key)
    return context


def cursor_text(c):
    """epoch-rev-idx-tag, inside a snapshot +object"""
    text = f"{c.epoch}-{c.rev}-{c.idx if c.HasField('idx') else ''}-{c.tag:016x}"
    return f"{text}+{c.object}" if c.HasField("object") else text


def cursor_of_event(event):
    cursor = pb.Cursor(epoch=event.epoch, rev=event.rev, tag=event.tag)
    if not event.last:
        cursor.idx = event.idx
    return cursor


class Link:
    """TLS and frames; knows nothing of calls."""

    def __init__(self, address, context, timeout=10, source=None):
        """source: the address to come from."""
        host, port = address.rsplit(":", 1)
        raw = socket.create_connection((host.strip("[]"), int(port)), timeout, source and (source, 0))
        try:
            self.tls = context.wrap_socket(raw, server_hostname=host.strip("[]"))
        except BaseException:
            raw.close()
            raise
        self.buffer = b""

    def send_bytes(self, data):
        self.tls.sendall(data)

    def send(self, frame):
        body = frame.SerializeToString()
        self.send_bytes(struct.pack(">I", len(body)) + body)

    def _read(self, n, until):
        while len(self.buffer) < n:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("no frame in time")
            self.tls.settimeout(left)
            try:
                more = self.tls.recv(65536)
            except TimeoutError:
                raise TimeoutError("no frame in time") from None
            except (ssl.SSLError, OSError) as e:
                raise Gone(str(e)) from e
            if not more:
                raise Gone("closed by the daemon")
            self.buffer += more
        piece, self.buffer = self.buffer[:n], self.buffer[n:]
        return piece

    def receive(self, timeout=10):
        """The next frame. On TimeoutError nothing is lost."""
        until = time.monotonic() + timeout
        head = self._read(4, until)
        (n,) = struct.unpack(">I", head)
        if not 0 < n <= MOST:
            raise Gone(f"a frame of {n} bytes")
        try:
            body = self._read(n, until)
        except TimeoutError:
            self.buffer = head + self.buffer
            raise
        frame = pb.Frame.FromString(body)
        if len(frame.ListFields()) != 1:
            raise Gone("a frame without exactly one field")
        return frame

    def close(self):
        self.tls.close()


class Watch:
    """Feeds of one watch; checks that their intervals join. `seen` is where the next one must begin."""

    def __init__(self, peer, call, at, grants=True):
        """grants: gives back half of the default credit whenever it is used; False leaves credit to the caller."""
        self.peer, self.call, self.at, self.seen = peer, call, at, at
        self.grants, self.used = grants, 0
        self.feeds = collections.deque()
        self.state = self.error = None
        self.states = []  # all that it was in

    def take(self, feed):
        if cursor_text(feed.after) != cursor_text(self.seen):
            raise Gone(f"a gap: {cursor_text(self.seen)} .. {cursor_text(feed.after)}")
        self.seen = feed.upto
        self.states += [feed.state] if feed.state else []
        self.state = feed.state or self.state
        self.error = feed.error if feed.HasField("error") else None
        self.feeds.append(feed)
        self.used += pb.Frame(feed=feed).ByteSize()
        if self.grants and self.used > CREDIT // 2 and not feed.HasField("error"):
            self.peer.link.send(pb.Frame(credit=pb.Credit(call=self.call, bytes=self.used)))
            self.used = 0

    def next(self, timeout=10):
        """The next feed, bookmarks too."""
        until = time.monotonic() + timeout
        while not self.feeds:
            self.peer.turn(until - time.monotonic())
        return self.feeds.popleft()

    def _events(self, timeout):
        feed = self.next(timeout)
        if feed.HasField("error"):
            raise Refused(feed.error)
        return feed.events

    def events(self, n, timeout=10):
        """At least n more events (or as many as come in time)."""
        found, until = [], time.monotonic() + timeout
        while len(found) < n and time.monotonic() < until:
            try:
                found += self._events(until - time.monotonic())
            except TimeoutError:
                break
        return found

    def until(self, wanted, timeout=10):
        """Events up to the first for which wanted(event) holds."""
        found, until = [], time.monotonic() + timeout
        while not any(map(wanted, found)):
            found += self._events(until - time.monotonic())
        return found

    def cancel(self):
        self.peer.link.send(pb.Frame(cancel=pb.Cancel(call=self.call)))
        self.peer.watches.pop(self.call, None)


class Peer:
    """One signed-in connection. Single-threaded: frames are taken while somebody waits for one."""

    instances = 0

    def __init__(self, address, ca, cert, key, lang="zh", instance=None, timeout=10):
        self.link = Link(address, tls_context(ca, cert, key), timeout)
        Peer.instances += 1
        self.instance = instance or f"peer{os.getpid()}.{Peer.instances}.{os.urandom(3).hex()}"
        self.calls = self.requests = 0
        self.replies, self.watches = {}, {}
        self.link.send(pb.Frame(hello=pb.Hello(version_min=1, version_max=1, client="peer.py 1", lang=lang,
                                               instance=self.instance)))
        frame = self.link.receive(timeout)
        if frame.HasField("goodbye"):
            raise Gone("not let in", frame.goodbye.error)
        assert frame.HasField("welcome"), frame
        self.welcome = frame.welcome

    def turn(self, timeout=10):
        """Takes one frame."""
        frame = self.link.receive(max(timeout, 0))
        if frame.HasField("reply"):
            self.replies[frame.reply.call] = frame.reply
        elif frame.HasField("feed"):
            if frame.feed.call in self.watches:
                self.watches[frame.feed.call].take(frame.feed)
        elif frame.HasField("ping"):
            self.link.send(pb.Frame(pong=frame.ping))
        elif frame.HasField("goodbye"):
            raise Gone("goodbye", frame.goodbye.error if frame.goodbye.HasField("error") else None)
        elif not frame.HasField("pong"):
            raise Gone(f"not for a client: {frame}")

    def next_request(self):
        self.requests += 1
        return f"{self.instance}-{self.requests}"

    def send_call(self, op, payload, request=None, base=None, deadline_ms=None):
        self.calls += 1
        call = pb.Call(call=self.calls, op=op, payload=payload)
        if request is not None:
            call.request = request
        if base is not None:
            call.base_version = base
        if deadline_ms is not None:
            call.deadline_ms = deadline_ms
        self.link.send(pb.Frame(call=call))
        return self.calls

    def wait(self, call, timeout=20):
        until = time.monotonic() + timeout
        while call not in self.replies:
            self.turn(until - time.monotonic())
        reply = self.replies.pop(call)
        if reply.HasField("error"):
            raise Refused(reply.error)
        return reply.payload

    def start(self, name, /, request=None, base=None, deadline_ms=None, **fields):
        """Sends a call by the operation's name; the answer comes by finish()."""
        op = OPS[name]
        if request is None and op.changes:
            request = self.next_request()
        payload = op.request(**fields).SerializeToString()
        return op, self.send_call(op.number, payload, request, base, deadline_ms)

    def finish(self, started, timeout=20):
        op, call = started
        return op.reply.FromString(self.wait(call, timeout))

    def do(self, name, /, timeout=20, **how):
        return self.finish(self.start(name, **how), timeout)

    def watch(self, **fields):
        op, call = self.start("watch", **fields)
        at = op.reply.FromString(self.wait(call)).at
        self.watches[call] = Watch(self, call, at, "credit" not in fields)
        return self.watches[call]

    def close(self):
        """Orderly: says goodbye."""
        try:
            self.link.send(pb.Frame(goodbye=pb.Goodbye()))
        except OSError:
            pass
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main(address, ca, cert, key):
    with Peer(address, ca, cert, key) as peer:
        me = peer.do("whoami")
        print(f"{me.person} ({me.account}), {me.office_name}, {peer.welcome.daemon}")
        watch = peer.watch(from_start=True)
        while watch.state != "LIVE":
            for event in watch.next().events:
                changes = " ".join(f"{c.number}: {c.old}→{c.new}" for c in event.changes)
                print(cursor_text(cursor_of_event(event)), event.view, event.actor, event.object, changes)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
