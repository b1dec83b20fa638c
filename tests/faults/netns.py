# SPDX-License-Identifier: Apache-2.0
"""A network of one's own, in which packets can be dropped: a namespace with only a loopback."""
import ctypes
import os
import re
import subprocess
import time

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


class Namespace:
    """`with Namespace() as ns:` makes it; `with ns:` inside it, sockets of this thread are made there. `command` runs a program there."""

    def __init__(self):
        self.name = f"qipan-{os.getpid()}-{time.monotonic_ns()}"
        self.command = ["ip", "netns", "exec", self.name]
        self.depth = 0

    def _run(self, *command, text=None):
        return subprocess.run(command, input=text, text=True, check=True, capture_output=True, timeout=20).stdout

    def __enter__(self):
        self.depth += 1
        if self.depth == 1:
            self._run("ip", "netns", "add", self.name)
            self._run(*self.command, "ip", "link", "set", "lo", "up")
        else:
            self.outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            _enter(f"/run/netns/{self.name}")
        return self

    def __exit__(self, *_):
        self.depth -= 1
        if self.depth == 0:
            self._run("ip", "netns", "del", self.name)
        else:
            _libc.setns(self.outside, CLONE_NEWNET)
            os.close(self.outside)

    def port_of(self, pid):
        """The local port of a process's connection."""
        for line in self._run(*self.command, "ss", "-Htnp").splitlines():
            if f"pid={pid}," in line:
                return int(re.search(r"\d+\.\d+\.\d+\.\d+:(\d+)", line)[1])
        raise AssertionError(f"process {pid} has no connection")

    def drop(self, port):
        """Nothing from or to that port arrives any more, without a word to either end."""
        for rule in ("add table inet fault", "add chain inet fault in { type filter hook input priority 0; }",
                     f"add rule inet fault in tcp sport {port} drop", f"add rule inet fault in tcp dport {port} drop"):
            self._run(*self.command, "nft", rule)
