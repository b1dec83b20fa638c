# SPDX-License-Identifier: Apache-2.0
"""C: strangers at the door, lists that change, few descriptors: what that costs those who are inside or want to be."""
import os
import pathlib
import ssl
import threading
import time

import pytest
from certificates import client_hello, connect_raw, gone, pings, reloaded, replace, run, sighup
from counties import BUILD, SLOW
from peer import Gone, Peer
from steps import add, edit, pid_of, resident_kb, wait_for

ROOM = 1000 if BUILD.name == "san" else 1  # the sanitiser keeps what was freed


def test_one_of_fifty_is_revoked(new_county, rng):
    """It hears CERT_REVOKED and is gone within two seconds, cannot come back anywhere; the others notice nothing."""
    county = new_county("--bare", "--daemons", "2")
    contexts = [c for c in county.contexts if c != "dongshan"]
    others = [county.peer(contexts[i % len(contexts)]) for i in range(49)]
    victim, second = county.peer("dongshan"), county.peer("dongshan", n=2)
    watch = victim.watch()
    project = add(others[contexts.index("bureau")])
    watch.events(1)
    stop, failures, slowest = threading.Event(), [], [0.0]

    def keep_busy(peer):
        try:
            while not stop.is_set():
                slowest[0] = max(slowest[0], pings(peer, 1))
                time.sleep(0.2)
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=keep_busy, args=(peer,)) for peer in others]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    county.revoke("dongshan")
    assert gone(victim, 4) == "CERT_REVOKED" and gone(second, 4) == "CERT_REVOKED"
    took = time.monotonic() - begun
    for n in (1, 2):
        with pytest.raises((Gone, ssl.SSLError), match="(?i)revoked"):
            county.peer("dongshan", n=n)
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures and took < 2 * SLOW + 1.5 and slowest[0] < 1.5 * SLOW  # 1.5 s: what writing the list takes
    wait_for(lambda: "1 expelled" in county.log(1) and "1 expelled" in county.log(2))
    assert others[contexts.index("bureau")].finish(edit(others[contexts.index("bureau")], project, summary="x")).project.version == 2


def test_a_storm_of_reloads_is_a_few(new_county):
    county = new_county("--bare")
    with county.peer("chengguan") as inside:
        pings(inside)
        size, fds = len(county.log()), len(os.listdir(f"/proc/{pid_of(county)}/fd"))
        for _ in range(100):
            sighup(county)
            time.sleep(0.01)
        wait_for(lambda: "certificates of" in county.log()[size:])
        time.sleep(0.5)
        assert 1 <= county.log()[size:].count("config: reloaded") <= 10
        before = resident_kb(county)
        for _ in range(20):
            reloaded(county)
        assert len(os.listdir(f"/proc/{pid_of(county)}/fd")) == fds and resident_kb(county) - before < 2048 * ROOM
        assert pings(inside) < 1 * SLOW


@pytest.mark.parametrize("begins", ["silent", "five bytes", "a whole hello"])
def test_a_stalled_crowd_keeps_nobody_out(new_county, begins):
    """A thousand connections from one address that go no further: a client from that very address gets in within a second,
    again and again, and what the crowd costs is bounded."""
    county = new_county("--bare")
    hello = client_hello(county)
    data = {"silent": b"", "five bytes": hello[:5], "a whole hello": hello}[begins]
    with county.peer("leader") as inside:
        pings(inside)
        before = resident_kb(county)
        crowd, longest, most = [], 0, 0
        try:
            for i in range(1000):
                crowd.append(connect_raw(county, data))
                if i % 100 == 99:
                    begun = time.monotonic()
                    county.peer("chengguan").do("whoami")
                    longest = max(longest, time.monotonic() - begun)
                    most = max(most, resident_kb(county) - before)
            assert longest < 1 * SLOW and pings(inside) < 0.5 * SLOW
            assert most < 16 * 1024 * ROOM
            assert "evicted" in county.log() and county.log().count("(evicted)") <= 20
        finally:
            for s in crowd:
                s.close()


def test_out_of_descriptors(new_county):
    """Few descriptors, many arrivals: sessions go on, a reserve stays, no busy loop, and it is over when they go."""
    county = new_county("--bare")
    pid = pid_of(county)
    with county.peer("chengguan") as inside:
        project = add(inside)
        as_daemon = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        run(*as_daemon, "prlimit", f"--pid={pid}", "--nofile=64:64")
        members = [m for m in (connect_member(county) for _ in range(40)) if m]
        crowd = [connect_raw(county) for _ in range(200)]
        time.sleep(0.5)
        assert len(os.listdir(f"/proc/{pid}/fd")) <= 52
        ticks = cpu_ticks(pid)
        time.sleep(2)
        assert cpu_ticks(pid) - ticks < 0.2 * 2 * os.sysconf("SC_CLK_TCK") * SLOW
        assert inside.finish(edit(inside, project, summary="x")).project.version == 2
        assert "certificates of" in reloaded(county)
        assert "(descriptors)" in county.log() and 5 <= len(members) < 40
        for s in crowd:
            s.close()
        for m in members:
            m.close()
        begun = time.monotonic()
        while not (late := connect_member(county)):
            assert time.monotonic() - begun < 1 * SLOW
        late.close()


def connect_member(county, context="dongshan"):
    try:
        return county.peer(context)
    except (Gone, OSError):
        return None


def test_one_account_takes_not_all_the_room(new_county):
    """Somebody with a good certificate opens sessions without end: his account is full then, and the next one gets in."""
    county = new_county("--bare")
    county.kill(1, "TERM")
    with (county.dir / "qipand-1.ini").open("a") as ini:
        ini.write("max_connections = 40\nmax_connections_each = 10\n")
    county.start(1)
    greedy = [county.peer("chengguan") for _ in range(10)]
    for _ in range(40):
        with pytest.raises(Gone) as told:
            county.peer("chengguan")
        assert told.value.code == "BUSY"
    assert county.peer("bureau").do("whoami").account == "bureau" and pings(greedy[0]) < SLOW
    greedy.pop().close()
    wait_for(lambda: connect_member(county, "chengguan"))
    county.kill(1, "TERM")  # hands over what was counted
    assert county.psql("SELECT actor, status FROM registry.audit WHERE op = 'doorstep' AND status = 'BUSY'") == [["chengguan", "BUSY"]]


def cpu_ticks(pid):
    return sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))


def test_a_crowd_of_many_addresses(new_county, say):
    """Five addresses fill the whole hall with hellos that go no further: what each costs is bounded, a sixth gets in."""
    county = new_county("--bare")
    hello = client_hello(county)
    with county.peer("leader") as inside:
        pings(inside)
        before = resident_kb(county)
        crowd = [connect_raw(county, hello, source=f"127.0.0.{2 + i % 5}") for i in range(500)]
        try:
            wait_for(lambda: county.log().count("(evicted)") >= 20)
            each = (resident_kb(county) - before) / 256
            begun = time.monotonic()
            county.peer("chengguan").do("whoami")
            took = time.monotonic() - begun
        finally:
            for s in crowd:
                s.close()
        say(kib_each=each, let_in=took, others=pings(inside))
        assert took < 1 * SLOW and each < 48 * ROOM


def test_a_reload_with_nothing_left(new_county, say, tmp_path):
    """SIGHUP when no file can be opened, and when a list is larger than the memory there is: the old settings stay, still
    with certificates, an alarm tells; later it works."""
    county = new_county("--bare")
    pid = pid_of(county)
    limit = ["runuser", "-u", "postgres", "--", "prlimit"] if os.getuid() == 0 else ["prlimit"]
    with county.peer("chengguan") as inside:
        fds = max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1
        run(*limit, f"--pid={pid}", f"--nofile={fds}:")
        assert "old settings stay" in reloaded(county, "ALARM")
        assert pings(inside, 3) < SLOW
        run(*limit, f"--pid={pid}", "--nofile=1024:")
        assert "0 expelled" in reloaded(county)
        if BUILD.name != "san":  # the sanitiser reserves all the memory there is
            good = (county.pki / "crl.pem").read_text()
            replace(county, "crl.pem", large_list(county, 60000))
            size = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            run(*limit, f"--pid={pid}", f"--as={size + (1 << 20)}:")
            assert "old certificates stay" in reloaded(county, "ALARM")
            assert county.peer("dongshan").do("whoami").account == "dongshan"
            with pytest.raises((Gone, ssl.SSLError)):
                Peer(county.addresses[0], ca=county.pki / "ca.pem", cert=None, key=None)
            run(*limit, f"--pid={pid}", "--as=unlimited:")
            replace(county, "crl.pem", good)
        assert "0 expelled" in reloaded(county) and pings(inside, 3) < SLOW
        say(descriptors=fds)


def large_list(county, n):
    """Of the issuing CA, with so many serial numbers that were never given out."""
    issuing = county.dir / "ca/issuing"
    index = county.dir / "large.txt"
    index.write_text("".join(f"R\t370101000000Z\t250101000000Z\t{i + (1 << 100):026X}\tunknown\t/CN={i}\n" for i in range(n)))
    config = (issuing / "openssl.cnf").read_text().replace(f"{issuing}/index.txt", str(index))
    (county.dir / "large.cnf").write_text(config)
    run("openssl", "ca", "-gencrl", "-config", county.dir / "large.cnf", "-crldays", "30", "-out", county.dir / "large.crl")
    return (county.dir / "ca/root.crl").read_text() + (county.dir / "large.crl").read_text()
