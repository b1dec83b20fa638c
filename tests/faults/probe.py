# SPDX-License-Identifier: Apache-2.0
"""How long the daemon's loop takes to come round, as a client of its own finds out."""
import threading
import time

import peer as peer_module


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


class Prober(threading.Thread):
    """A client of its own that pings the daemon all the time: how long its loop takes to come round."""

    def __init__(self, county, every=0.05):
        super().__init__(daemon=True)
        self.peer, self.every = county.peer("ziran"), every
        self.took, self.over, self.failure = [], threading.Event(), None

    def __enter__(self):
        self.start()
        return self

    def run(self):
        try:
            while not self.over.wait(self.every):
                begun = time.monotonic()
                self.peer.link.send(peer_module.pb.Frame(ping=peer_module.pb.Ping(token=1)))
                while not self.peer.link.receive(20).HasField("pong"):
                    pass
                self.took.append(time.monotonic() - begun)
        except Exception as e:
            self.failure = e

    def __exit__(self, *_):
        self.over.set()
        self.join(25)

    @property
    def p99(self):
        assert not self.failure and self.took, self.failure
        return percentile(self.took, 0.99)
