# SPDX-License-Identifier: Apache-2.0
"""The scripts under deploy/: packages, CA, development county, demo. Each test makes and removes its own folders."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
DEV = TOP / "deploy/dev"
CA = TOP / "deploy/ca/qipan-ca"


def run(*args, ok=True, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=180, **kw)
    assert not ok or done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def env_of(county):
    """What `source DIR/env` sets."""
    out = run("bash", "-c", f'env -i PATH=/usr/bin:/bin bash -c ". {county}/env && env -0"').stdout
    return dict(pair.split("=", 1) for pair in out.split("\0") if "=" in pair)


def running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def answers(address):
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 1).close()
        return True
    except OSError:
        return False


# ---------------------------------------------------------------- packages


def test_packages_names_what_is_missing(tmp_path):
    """An ordinary user gets the line to run; nothing is installed."""
    fake = tmp_path / "dpkg-query"
    fake.write_text("#!/bin/sh\nfor p in \"$@\"; do case $p in -*|tmux) ;; *) echo \"installed $p\";; esac; done\n")
    tmp_path.chmod(0o755)
    fake.chmod(0o755)
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    shutil.copy(TOP / "deploy/packages", tmp_path / "packages")
    for parent in tmp_path.parents:  # pytest's folders are closed to others
        if parent.stat().st_uid == os.getuid() and parent != pathlib.Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = run(*drop, tmp_path / "packages", "--install", ok=False, env=env)
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends tmux" in done.stderr
    missing = run(tmp_path / "packages", "--missing", ok=False, env=env)
    assert (missing.returncode, missing.stdout) == (1, "tmux\n")


def test_packages_is_quick_when_all_is_there():
    start = time.monotonic()
    run(TOP / "deploy/packages", "--install")
    assert time.monotonic() - start < 2


# ---------------------------------------------------------------- CA


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ca")
    run(CA, "init", folder / "ca")
    run(CA, "request", folder / "key", folder / "csr", "somebody")
    return folder


def issue(ca, name, *kind, ok=True):
    return run(CA, "issue", ca / "ca", ca / "csr", *kind, "--out", ca / f"{name}.pem", ok=ok)


def verify(ca, name, purpose):
    done = run("openssl", "verify", "-x509_strict", "-CAfile", ca / "ca/ca.pem", "-CRLfile", ca / "ca/crl.pem",
               "-crl_check_all", "-purpose", purpose, "-untrusted", ca / f"{name}.pem", ca / f"{name}.pem", ok=False)
    return done.returncode == 0


def extensions(ca, name):
    return run("openssl", "x509", "-in", ca / f"{name}.pem", "-noout", "-ext",
               "extendedKeyUsage,subjectAltName,basicConstraints").stdout


def test_ca_issues_each_kind_for_its_purpose_only(ca):
    issue(ca, "person", "--person", "li.xiaomu")
    issue(ca, "machine", "--machine", "robot")
    issue(ca, "daemon", "--server", "localhost,127.0.0.1,::1")
    assert "URI:qipan:person:li.xiaomu" in extensions(ca, "person")
    assert "URI:qipan:machine:robot" in extensions(ca, "machine")
    said = extensions(ca, "daemon")
    assert "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1" in said and "CA:FALSE" in said
    for name, client, server in [("person", True, False), ("machine", True, False), ("daemon", False, True)]:
        assert (verify(ca, name, "sslclient"), verify(ca, name, "sslserver")) == (client, server)


@pytest.mark.parametrize("name", ["", "Li", "a/b", "a b", "a,URI:qipan:person:bureau", "../x", "李", "x" * 65, "-x"])
def test_ca_refuses_odd_ids(ca, name):
    done = issue(ca, "odd", "--person", name, ok=False)
    assert done.returncode == 2 and "is no id" in done.stderr


def test_ca_takes_no_extension_from_a_request(ca):
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
        "-addext", "subjectAltName=URI:qipan:person:bureau", "-addext", "basicConstraints=CA:TRUE",
        "-keyout", ca / "evil.key", "-out", ca / "evil.csr")
    run(CA, "issue", ca / "ca", ca / "evil.csr", "--person", "chengguan", "--out", ca / "evil.pem")
    said = extensions(ca, "evil")
    assert "qipan:person:chengguan" in said and "bureau" not in said and "CA:TRUE" not in said


@pytest.mark.parametrize("kind, subject", [(("--person", "li.xiaomu"), "li.xiaomu"), (("--machine", "robot"), "robot"),
                                           (("--server", f"{'long.' * 20}test,::1"), ("long." * 20)[:64]), (("--server",), "localhost")])
def test_ca_takes_no_subject_from_a_request(ca, kind, subject):
    run("openssl", "req", "-new", "-key", ca / "key", "-utf8", "-subj", "/C=CN/O=x\u202egro/CN=leader\x1b]0;x\x07", "-out", ca / "named.csr")
    run(CA, "issue", ca / "ca", ca / "named.csr", "--out", ca / "named.pem", *kind)
    assert run("openssl", "x509", "-in", ca / "named.pem", "-noout", "-subject").stdout == f"subject=CN = {subject}\n"
    assert f"/CN={subject}" in run(CA, "list", ca / "ca").stdout.splitlines()[-1].split(" ")[-1]


@pytest.mark.parametrize("key", [("rsa:2048",), ("ed25519",), ("ec", "-pkeyopt", "ec_paramgen_curve:P-384"),
                                 ("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1")])
def test_ca_refuses_other_keys_whatever_the_request_says(ca, key):
    run("openssl", "req", "-new", "-newkey", *key, "-nodes", "-subj", "/CN=NIST CURVE: P-256",
        "-keyout", ca / "other.key", "-out", ca / "other.csr")
    done = run(CA, "issue", ca / "ca", ca / "other.csr", "--person", "x", ok=False)
    assert done.returncode == 1 and "P-256" in done.stderr and done.stdout == ""


def test_ca_dates_out_certificates(ca):
    issue(ca, "old", "--person", "old", "--from", "20240101000000Z", "--until", "20240201000000Z")
    assert not verify(ca, "old", "sslclient")


def test_ca_revokes_one_and_only_one(ca):
    issue(ca, "leaves", "--person", "leaves")
    issue(ca, "stays", "--person", "stays")
    assert verify(ca, "leaves", "sslclient")
    run(CA, "revoke", ca / "ca", ca / "leaves.pem")
    assert not verify(ca, "leaves", "sslclient")
    assert verify(ca, "stays", "sslclient")
    assert (ca / "ca/crl.pem").read_text().count("BEGIN X509 CRL") == 2
    assert re.search(r"^revoked .*", run(CA, "list", ca / "ca").stdout, re.M)


def serial(ca, name):
    return run("openssl", "x509", "-in", ca / f"{name}.pem", "-noout", "-serial").stdout.strip().removeprefix("serial=")


def good_ones(ca, *names):
    return [name for name in names if verify(ca, name, "sslclient")]


def test_ca_revokes_what_came_of_one(ca):
    """Everything of that identity issued since, and nobody else's; --only: what was renewed with it, and with that."""
    for name, kind, who, asked in (("a1", "--person", "anna", None), ("b1", "--person", "bela", None), ("a2", "--person", "anna", "a1"),
                                   ("a3", "--person", "anna", None), ("m1", "--machine", "anna", None), ("a4", "--person", "anna", "a2"),
                                   ("a5", "--person", "anna", "a3")):
        issue(ca, name, kind, who, *(("--asked-with", serial(ca, asked)) if asked else ()))
    every = ("a1", "b1", "a2", "a3", "m1", "a4", "a5")
    assert good_ones(ca, *every) == list(every)
    run(CA, "revoke", ca / "ca", ca / "a1.pem", "--only")
    assert good_ones(ca, *every) == ["b1", "a3", "m1", "a5"]
    issue(ca, "a6", "--person", "anna")
    run(CA, "revoke", ca / "ca", ca / "a1.pem")  # again: what was issued after it was revoked stays
    assert good_ones(ca, *every, "a6") == ["b1", "a3", "m1", "a5", "a6"]
    run(CA, "revoke", ca / "ca", ca / "a3.pem")
    assert good_ones(ca, *every, "a6") == ["b1", "m1"]
    assert run(CA, "revoke", ca / "ca", ca / "b1.pem", "--onyl", ok=False).returncode == 2 and verify(ca, "b1", "sslclient")


def test_ca_renews_nothing_of_who_was_revoked(ca):
    issue(ca, "thief", "--person", "thief")
    issue(ca, "next", "--person", "thief", "--asked-with", serial(ca, "thief"))
    for who, asked in (("other", serial(ca, "thief")), ("thief", "unknown"), ("thief", "../" + serial(ca, "thief"))):
        assert "asked for with" in issue(ca, "odd", "--person", who, "--asked-with", asked, ok=False).stderr
    run(CA, "revoke", ca / "ca", ca / "thief.pem")
    for asked in ("thief", "next"):
        done = issue(ca, "odd", "--person", "thief", "--asked-with", serial(ca, asked), ok=False)
        assert done.returncode == 1 and "was revoked" in done.stderr


def test_ca_goes_on_without_the_root_key(ca, tmp_path):
    shutil.copytree(ca / "ca", tmp_path / "ca")
    (tmp_path / "ca/root/key.pem").unlink()  # taken offline
    for config in (tmp_path / "ca").glob("*/openssl.cnf"):
        config.write_text(config.read_text().replace(str(ca / "ca"), str(tmp_path / "ca")))
    run(CA, "crl", tmp_path / "ca")
    assert (tmp_path / "ca/crl.pem").read_text().count("BEGIN X509 CRL") == 2


def test_ca_keys_are_private(ca):
    for key in ca.rglob("*key*"):
        if key.is_file():
            assert key.stat().st_mode & 0o077 == 0, key


# ---------------------------------------------------------------- development county


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    folder = tmp_path_factory.mktemp("county") / "c"
    run(DEV / "up", folder, "--daemons", "2")
    yield folder
    run(DEV / "down", folder)


def whoami(env, context):
    return run("qipan", "--context", context, "whoami", "-o", "json", env={**os.environ, **env}, ok=False)


CONTEXTS = "bureau chengguan dongshan jingkai fagai ziran leader duban sysadmin secadmin auditor robot".split()


def test_up_writes_what_the_interface_names(county):
    env = env_of(county)
    names = "QIPAN_CONFIG QIPAN_ADDRESSES QIPAN_PKI QIPAN_RUN PGHOST PGPORT PGDATABASE PGUSER".split()
    assert all(env.get(name) for name in names)
    assert len(env["QIPAN_ADDRESSES"].split(",")) == 2
    assert all(answers(address) for address in env["QIPAN_ADDRESSES"].split(","))
    pki = pathlib.Path(env["QIPAN_PKI"])
    assert (pki / "ca.pem").exists() and (pki / "crl.pem").exists()
    for context in CONTEXTS:
        assert (pki / f"{context}.pem").read_text().count("BEGIN CERTIFICATE") == 2
        assert (pki / f"{context}.key").stat().st_mode & 0o077 == 0
    assert len(env["PGHOST"]) < 80
    assert run("which", "qipan", env=env).stdout.strip().endswith("bin/qipan")
    for n in (1, 2):
        assert running(int((pathlib.Path(env["QIPAN_RUN"]) / f"qipand-{n}.pid").read_text()))


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_context_signs_in_as_itself(county, context):
    done = whoami(env_of(county), context)
    assert done.returncode == 0, done.stderr
    assert f'"{context}"' in done.stdout


def test_demo_register_reads_like_one(county):
    sql = ("SELECT count(*), count(DISTINCT stage), count(DISTINCT office), count(DISTINCT industry), min(no) LIKE '2025-%' "
           "FROM registry.project")
    out = run("psql", "-XAtc", sql, env=env_of(county)).stdout.strip().split("|")
    assert int(out[0]) >= 60 and int(out[1]) == 12 and int(out[2]) >= 8 and int(out[3]) >= 20 and out[4] == "t"
    sql = ("SELECT count(*) FROM registry.project p WHERE version <> (SELECT count(*) FROM registry.change c "
           "WHERE c.object = p.id)")
    assert run("psql", "-XAtc", sql, env=env_of(county)).stdout == "0\n"  # the journal knows every step


def test_every_list_of_the_demo_shows_something(county):
    kinds = [kind for kind, in (line.split() for line in run("psql", "-XAtc", "SELECT code FROM registry.kind WHERE list_order IS NOT NULL", env=env_of(county)).stdout.splitlines())]
    assert len(kinds) > 20
    once = {"reform", "handover", "alias", "profile"}  # what happens to offices and people, and sheets: nothing of it in the demo
    # what time alone brings: lights, protections that end, a reward that comes into force
    later = {"alert", "protection", "reward"}
    for kind in sorted(set(kinds) - once):
        end = time.monotonic() + (30 if kind in later else 0)
        while run("psql", "-XAtc", f'SELECT count(*) FROM registry."{kind}"', env=env_of(county)).stdout == "0\n":
            assert time.monotonic() < end, kind
            time.sleep(0.2)


def test_kill_and_start_keep_the_port(county):
    env = env_of(county)
    first = env["QIPAN_ADDRESSES"].split(",")[0]
    for signal in ([], ["TERM"]):
        pid = int((pathlib.Path(env["QIPAN_RUN"]) / "qipand-1.pid").read_text())
        run(DEV / "kill", county, 1, *signal)
        assert not running(pid) and not answers(first)
        run(DEV / "kill", county, 1)
        run(DEV / "start", county, 1)
        run(DEV / "start", county, 1)
        assert answers(first) and whoami(env, "bureau").returncode == 0


def test_a_zombie_counts_as_gone():
    """However long whoever is above it takes to notice."""
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    run("bash", "-c", f". {DEV}/lib.sh && wait_gone 1 {child.pid} true")
    child.wait()


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_postgresql_goes_and_comes_back(county, way):
    env = env_of(county)
    run(DEV / "pg", county, way)
    assert run("psql", "-XAtc", "SELECT 1", env=env, ok=False).returncode == 2
    run(DEV / "kill", county, 2)
    run(DEV / "start", county, 2)  # a daemon starts without its database
    run(DEV / "pg", county, "start")
    assert run("psql", "-XAtc", "SELECT 1", env=env).stdout == "1\n"
    end = time.monotonic() + 20
    while whoami(env, "bureau").returncode != 0:
        assert time.monotonic() < end
        time.sleep(0.2)


def test_clock_moves_and_comes_back(county):
    assert run(DEV / "clock", county, "+30d").stdout > run(DEV / "clock", county, "0").stdout


def test_up_refuses_a_folder_in_use(county, tmp_path):
    assert "holds a county already" in run(DEV / "up", county, ok=False).stderr
    (tmp_path / "letter").write_text("mine")
    done = run(DEV / "up", tmp_path, ok=False)
    assert done.returncode == 1 and "isn't empty" in done.stderr
    assert (tmp_path / "letter").read_text() == "mine"


def test_a_county_like_another(tmp_path):
    """What one does stays its own: entries and certificates alike. One that runs isn't copied."""
    one, two, three = tmp_path / "one", tmp_path / "two", tmp_path / "three"
    run(DEV / "up", one, "--bare", "--daemons", "0")
    try:
        assert "no county that is stopped" in run(DEV / "up", two, "--like", one, ok=False).stderr
        run(DEV / "down", two)
        run(DEV / "pg", one, "stop")
        run(DEV / "up", two, "--like", one)
        run(DEV / "up", three, "--like", one, "--standby", "async")
        run("qipan", "project", "add", "name=x", "investor=x", env={**os.environ, **env_of(two)})
        run(DEV / "revoke", two, "chengguan")
        assert whoami(env_of(two), "chengguan").returncode == 4 and whoami(env_of(three), "chengguan").returncode == 0
        counts = [run("psql", "-XAtc", "SELECT count(*) FROM registry.project", env=env_of(c)).stdout for c in (two, three)]
        assert counts == ["1\n", "0\n"]
        assert "revoked" not in run(CA, "list", one / "ca").stdout
    finally:
        for county in (one, two, three):
            run(DEV / "down", county)


def test_commands_need_a_county(tmp_path):
    for command in (["kill", tmp_path, 1], ["start", tmp_path, 1], ["pg", tmp_path, "stop"], ["clock", tmp_path, "0"]):
        done = run(DEV / command[0], *command[1:], ok=False)
        assert done.returncode == 1 and "no county" in done.stderr
    run(DEV / "down", tmp_path)
    run(DEV / "down", tmp_path / "absent")


def test_a_county_that_fails_leaves_nothing_behind(tmp_path):
    """A daemon that ends at once: the reason is shown, PostgreSQL and the short folder are gone, `up` works again."""
    bad = tmp_path / "build/bin"
    bad.mkdir(parents=True)
    for name in ("qipand", "qipan"):
        (bad / name).write_text("#!/bin/sh\necho no board today >&2\nexit 3\n")
        (bad / name).chmod(0o755)
    done = run(DEV / "up", tmp_path / "c", ok=False, env={**os.environ, "QIPAN_BUILD": str(tmp_path / "build")})
    assert done.returncode == 1 and "no board today" in done.stderr
    assert sorted(p.suffix for p in (tmp_path / "c").iterdir()) == [".log", ".log"]
    assert str(tmp_path / "c") not in run("ps", "-eo", "args").stdout
    run(DEV / "up", tmp_path / "c", "--bare")
    assert run("psql", "-XAtc", "SELECT count(*) FROM registry.project", env=env_of(tmp_path / "c")).stdout == "0\n"
    here = (tmp_path / "c/here").resolve()
    run(DEV / "down", tmp_path / "c")
    run(DEV / "down", tmp_path / "c")
    assert not here.exists() and str(here) not in run("ps", "-eo", "args").stdout


def test_standby_is_promoted(tmp_path):
    run(DEV / "up", tmp_path / "c", "--standby", "sync", "--bare")
    try:
        env = env_of(tmp_path / "c")
        state = run("psql", "-XAtc", "SELECT sync_state FROM pg_stat_replication", env=env).stdout
        assert state == "sync\n"
        run(DEV / "pg", tmp_path / "c", "kill")
        run(DEV / "pg", tmp_path / "c", "promote")
        end = time.monotonic() + 20
        while whoami(env, "bureau").returncode != 0:
            assert time.monotonic() < end
            time.sleep(0.2)
    finally:
        run(DEV / "down", tmp_path / "c")


# ---------------------------------------------------------------- demo


def test_demo_without_a_terminal_twice(tmp_path):
    """In a copy of the tree (with what is built), so that a demo somebody is running stays untouched."""
    copy = tmp_path / "qipan"
    shutil.copytree(TOP, copy, symlinks=True, copy_function=shutil.copy2,
                    ignore=shutil.ignore_patterns(".git", "var", "san", "analysis", "fuzz", "__pycache__"))
    env = {**os.environ, "LANG": "C.UTF-8"}
    env.pop("QIPAN_BUILD", None)
    (copy / "var/demo").mkdir(parents=True)
    (copy / "var/demo/qipand-9.ini").write_text("left over")
    for _ in range(2):
        done = run("make", "demo", cwd=copy, env=env)
        assert re.search(r"从登记库写入到园区屏幕：中位数 \d+\.\d 毫秒", done.stdout), done.stdout
        assert "退出码 6" in done.stdout and "演示完毕" in done.stdout
    assert processes_of(copy) == []


def processes_of(folder):
    """Command lines of all processes that were started in, from or for the folder."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if any(str(folder).encode() in (process / name).read_bytes() for name in ("cmdline", "environ")):
                found.append((process / "cmdline").read_text())
        except OSError:
            pass
    return found
