# SPDX-License-Identifier: Apache-2.0
"""How long a clerk's edits take, and how long until others hear of them, while something large goes on: by what it is at."""
import contextlib
import subprocess
import threading
import time

import large

HZ = 20
AFTER_S = 5  # a daemon tells the feed of it
WATCH = """SELECT extract(epoch FROM clock_timestamp()), coalesce(max((regexp_match(query, 'api.import_(judge|commit)'))[1]), '')
FROM pg_stat_activity WHERE application_name LIKE 'qipand bulk%' AND state = 'active' \\watch 0.05
"""


def sign_in(county, who):
    import peer
    return peer.Peer(county.address(), f"{county.pki}/ca.pem", f"{county.pki}/{who}.pem", f"{county.pki}/{who}.key")


class Thread(threading.Thread):
    def __init__(self):
        super().__init__()
        self.done = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


class Clerk(Thread):
    """Edits a project of his own, HZ times a second: `edits` are (begun, ended, revision)."""

    def __init__(self, county, id):
        super().__init__()
        import peer
        self.pb, self.id, self.edits, self.link = peer.pb, id, [], sign_in(county, "bureau")

    def run(self):
        while not self.done.wait(1 / HZ):
            begun = time.time()
            reply = self.link.do("project_edit", 60, id=self.id, set=self.pb.Project(jobs=len(self.edits)))
            self.edits.append((begun, time.time(), reply.rev))


class Reader(Thread):
    """Another office that watches: `heard` has the time of each revision."""

    def __init__(self, county, **watch):
        super().__init__()
        self.heard, self.watch = {}, sign_in(county, "chengguan").watch(**watch)

    def run(self):
        while not self.done.is_set():
            with contextlib.suppress(TimeoutError):
                feed = self.watch.next(0.5)
                self.heard.update({e.rev: time.time() for e in feed.events})


class Steps(Thread):
    """What the daemon's link for large things was at, and when: (time, judge or commit or nothing)."""

    def __init__(self, county):
        super().__init__()
        self.psql = subprocess.Popen(["psql", "-qXAt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=county.env, text=True)
        self.psql.stdin.write(WATCH)
        self.psql.stdin.flush()
        self.seen = []

    def run(self):
        for line in self.psql.stdout:
            if "|" in line:
                at, step = line.strip().split("|")
                self.seen.append((float(at), step))

    def __exit__(self, *_):
        self.psql.terminate()
        self.psql.wait()
        self.join()

    def of(self, begun, ended, step):
        """When it began and ended in between."""
        at = [t for t, s in self.seen if begun <= t <= ended and s == step] or [ended]
        return at[0], at[-1]


class Beside:
    """A clerk and two who hear of him (one watches his project, one takes imports as a summary), while parts of something go on."""

    def __init__(self, county, id):
        term = {"field": "project", "op": "=", "values": [id]}
        self.clerk, self.steps = Clerk(county, id), Steps(county)
        self.readers = Reader(county, terms=[term]), Reader(county, summary=True)
        self.parts = {}

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        for thread in (*self.readers, self.steps, self.clerk):
            self.stack.enter_context(thread)
        return self

    def __exit__(self, *_):
        time.sleep(1)  # the last ones are on their way
        self.stack.close()

    def part(self, name, what):
        """Seconds it took."""
        begun = time.time()
        what()
        self.parts[name] = begun, time.time()
        return self.parts[name][1] - begun

    def split(self, name, step, first, second):
        """A part of which the daemon's link saw the second half only."""
        begun, ended = self.parts.pop(name)
        middle, _ = self.steps.of(begun, ended, step)
        self.parts |= {first: (begun, middle), second: (middle, ended)}

    def edits(self, *parts):
        """Milliseconds, of the parts named."""
        return [(ended - begun) * 1000 for begun, ended, _ in self._of(parts)]

    def notified(self, *parts):
        """Milliseconds from the edit's sending to its arrival, for each reader."""
        found = [(reader.heard.get(rev), begun) for begun, _, rev in self._of(parts) for reader in self.readers]
        assert all(at for at, _ in found), "an edit was told to nobody"
        return [(at - begun) * 1000 for at, begun in found]

    def _of(self, parts):
        spans = [self.parts[p] for p in parts]
        return [e for e in self.clerk.edits if any(b <= e[0] < end for b, end in spans)]

    def tell(self):
        for part in sorted(self.parts, key=self.parts.get):
            for what, times in (("edits", self.edits(part)), ("notified", self.notified(part))):
                if times:
                    print(f"# beside {part}: {what} {len(times)}, p50 {large.quantile(times, .5):.1f}, p90 {large.quantile(times, .9):.1f}, "
                          f"p99 {large.quantile(times, .99):.1f}, longest {max(times):.1f} ms", flush=True)
