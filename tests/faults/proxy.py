# SPDX-License-Identifier: Apache-2.0
"""A link that can fail: stands between daemon and PostgreSQL, or between client and daemon.

    proxy = Proxy(("127.0.0.1", 7465)); Peer(proxy.address, …)          proxy.delay, proxy.rate, proxy.hold(), proxy.cut()
    with pg_proxy(county) as proxy: …                                   the daemons reach PostgreSQL through it

A `tap(pair, up, data)` sees all bytes, gives back what passes on, and may raise Cut. Two threads for each connection."""
import contextlib
import re
import socket
import struct
import threading
import time

from steps import here, reset


class Cut(Exception):
    """The connection ends here; `passes` still goes on."""

    def __init__(self, passes=b""):
        super().__init__()
        self.passes = passes


class Pair:
    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.state = {}  # a tap's memory
        self.over = threading.Event()
        for up in (True, False):
            threading.Thread(target=self._flow, args=(up,), daemon=True).start()

    def _pass(self, target, data):
        rate = self.proxy.rate
        step = max(1, rate // 10) if rate else max(1, len(data))
        for i in range(0, len(data), step):
            if rate:
                time.sleep(step / rate)
            target.sendall(data[i:i + step])

    def _flow(self, up):
        source, target = (self.client, self.server) if up else (self.server, self.client)
        try:
            while data := source.recv(65536 if not self.proxy.rate else 1024):
                if self.proxy.delay:
                    time.sleep(self.proxy.delay)
                self.proxy.open.wait()
                if self.proxy.tap:
                    data = self.proxy.tap(self, up, data)
                self._pass(target, data)
            target.shutdown(socket.SHUT_WR)
        except Cut as cut:
            with contextlib.suppress(OSError):
                target.sendall(cut.passes)
            self.end()
        except OSError:
            self.end()
        if up is False:
            self.over.wait(1)
            self.end()

    def end(self):
        """Both ends see it at once; over TCP as a reset."""
        with self.proxy.lock:
            if self.over.is_set():
                return
            self.over.set()
            self.proxy.pairs.discard(self)
        for one in (self.client, self.server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR if one.family == socket.AF_UNIX else socket.SHUT_RD)  # wakes its thread
            reset(one)


class Proxy:
    def __init__(self, target, listen=("127.0.0.1", 0), receive_buffer=None):
        """target and listen: (host, port), or the path of a unix socket."""
        self.target, self.receive_buffer = target, receive_buffer
        self.delay = self.rate = 0
        self.tap = None
        self.open = threading.Event()
        self.open.set()
        self.lock = threading.Lock()
        self.pairs = set()
        self.accepted = 0
        self.listener = self._socket(listen)
        self.listener.bind(listen)
        self.listener.listen(128)
        self.address = "%s:%d" % self.listener.getsockname() if isinstance(listen, tuple) else listen
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @staticmethod
    def _socket(where):
        return socket.socket(socket.AF_INET if isinstance(where, tuple) else socket.AF_UNIX)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = self._socket(self.target)
            if self.receive_buffer:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
            try:
                server.connect(self.target)
            except OSError:
                client.close()
                server.close()
                continue
            self.accepted += 1
            pair = Pair(self, client, server)
            with self.lock:
                if not pair.over.is_set():
                    self.pairs.add(pair)

    def cut(self):
        """Ends what is connected now; how many."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            pair.end()
        return len(pairs)

    @contextlib.contextmanager
    def hold(self):
        """Nothing passes, nothing is lost: a link whose packets are dropped."""
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()

    def close(self):
        self.open.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
        self.thread.join(5)


@contextlib.contextmanager
def pg_proxy(county, tap=None):
    """Restarts the daemons so that they reach PostgreSQL through a proxy. A tap that reads messages must see their first."""
    folder = here(county) / "proxy"
    folder.mkdir()
    folder.chmod(0o755)
    proxy = Proxy(str(here(county) / "s/.s.PGSQL.5432"), str(folder / ".s.PGSQL.5432"))
    (folder / ".s.PGSQL.5432").chmod(0o777)
    proxy.tap = tap
    for n in range(1, len(county.addresses) + 1):
        ini = county.dir / f"qipand-{n}.ini"
        ini.write_text(re.sub(r"(?m)^(database = host=)\S+", rf"\g<1>{folder}", ini.read_text()))
        county.kill(n, "TERM")
        county.start(n)
    try:
        yield proxy
    finally:
        proxy.close()


class CommitCutter:
    """A tap for PostgreSQL's protocol: ends a link at the Sync of a sealed group, which is its COMMIT. With `after` the
    commit is forwarded and only its answer is lost."""

    def __init__(self, rng, most):
        self.rng, self.most, self.chance = rng, most, 0
        self.dropped = self.swallowed = 0

    def __call__(self, pair, up, data):
        state = pair.state
        if not up:
            if state.get("swallow"):
                raise Cut()
            return data
        passed, rest = b"", state.pop("rest", b"") + data
        while True:
            head = 1 if state.get("started") else 0
            if len(rest) < head + 4:
                break
            size = head + struct.unpack(">I", rest[head:head + 4])[0]
            if len(rest) < size:
                break
            message, rest = rest[:size], rest[size:]
            if head and self._is_commit(state, message) and self._chosen():
                if self.rng.random() < 0.5:
                    self.dropped += 1
                    raise Cut(passed)
                self.swallowed += 1
                state["swallow"] = True
            state["started"] = True
            passed += message
        state["rest"] = rest
        return passed

    def _chosen(self):
        return self.dropped + self.swallowed < self.most and self.rng.random() < self.chance

    @staticmethod
    def _is_commit(state, message):
        kind, body = message[:1], message[5:]
        if kind == b"P" and b"api.seal" in body:
            state["seal"] = body.split(b"\0", 1)[0]
        elif kind == b"B" and body.split(b"\0", 2)[1] == state.get("seal"):
            state["sealed"] = True
        return kind == b"S" and state.pop("sealed", False)
