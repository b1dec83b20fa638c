# SPDX-License-Identifier: Apache-2.0
"""Files as evidence, by the client: up and down, broken off, of the wrong kind, not for everybody."""
import contextlib
import hashlib
import os
import signal
import stat
from pathlib import Path

import pytest
from conftest import County
from steps import upload, wait_for


@pytest.fixture(scope="module")
def county():
    one = County("--bare")
    try:
        yield one.up()
    finally:
        one.down()


@pytest.fixture
def project(county, request):
    return county.qipan("chengguan", "project", "add", f"name={request.node.name}", "-o", "json", ok=True).json


def pdf(path, size):
    """A file that begins like a PDF, of that size, no two alike."""
    path.write_bytes(b"%PDF-1.7\n" + os.urandom(size - 9))
    return path


def listed(county, project, context="bureau"):
    return county.qipan(context, "evidence", "list", f"project={project['no']}", "-o", "jsonl", ok=True).lines


def test_up_and_down(county, project, tmp_path):
    """A clerk adds a contract and a photograph, the leader takes the contract; it is the same, and only his."""
    contract, photo = pdf(tmp_path / "投资合同.pdf", 200_000), tmp_path / "奠基.JPG"
    photo.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    done = county.qipan("chengguan", "evidence", "add", project["no"], contract, photo, "stage=签约", "note=正本", "-o", "jsonl", ok=True)
    first, second = done.lines
    assert (first["name"], first["media"], first["state"], first["stage"], first["note"]) == ("投资合同.pdf", "pdf", "ready", "signed", "正本")
    assert second["media"] == "jpeg" and second["of"] == project["id"]
    assert [e["id"] for e in listed(county, project, "leader")] == [first["id"], second["id"]]
    out = tmp_path / "副本.pdf"
    county.qipan("leader", "evidence", "get", first["id"], out, ok=True)
    assert out.read_bytes() == contract.read_bytes() and stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "文件已存在" in county.qipan("leader", "evidence", "get", first["id"], out, ok=7).stderr
    assert out.read_bytes() == contract.read_bytes()
    text = tmp_path / "纪要.txt"
    text.write_text("签约仪式纪要\n")
    third = county.qipan("chengguan", "evidence", "add", project["no"], text, "-o", "json", ok=True).json
    assert third["sha256"] == hashlib.sha256(text.read_bytes()).hexdigest()
    assert county.qipan("leader", "evidence", "get", third["id"], "-", ok=True).stdout == text.read_text()
    shown = county.qipan("leader", "evidence", "get", second["id"], "-o", "json", ok=True, cwd=tmp_path).json
    assert shown["file"] == f"{second['id']}.jpeg" and (tmp_path / shown["file"]).read_bytes() == photo.read_bytes()


def test_again(county, project, tmp_path):
    """The same file for the same thing is there once, whoever brings it; the same request is one upload."""
    file = pdf(tmp_path / "回单.pdf", 60_000)
    first = county.qipan("chengguan", "evidence", "add", project["no"], file, "--request", "once-1", "-o", "json", ok=True).json
    again = county.qipan("chengguan", "evidence", "add", project["no"], file, "--request", "once-1", "-o", "json", ok=True).json
    other = county.qipan("bureau", "evidence", "add", project["no"], file, "-o", "json", ok=True).json
    assert first["id"] == again["id"] == other["id"] and len(listed(county, project)) == 1


def test_broken_off(county, project, tmp_path):
    """Killed in the middle of 20 MB; the same command goes on where it was."""
    file = pdf(tmp_path / "图纸.pdf", 20 * 1024 * 1024)
    child = county.popen("chengguan", "evidence", "add", project["no"], file)
    wait_for(lambda: int(county.psql("SELECT count(*) FROM registry.upload")[0][0]) > 20)
    county.stop(child, signal.SIGKILL)
    half, = listed(county, project)
    assert half["state"] == "uploading"
    assert county.qipan("chengguan", "evidence", "get", half["id"], tmp_path / "half", ok=7).stderr and not (tmp_path / "half").exists()
    kept = int(county.psql("SELECT count(*) FROM registry.upload")[0][0])
    whole = county.qipan("chengguan", "evidence", "add", project["no"], file, "-o", "json", ok=True).json
    assert whole["id"] == half["id"] and whole["state"] == "ready" and 20 < kept < 428
    county.qipan("chengguan", "evidence", "get", whole["id"], tmp_path / "whole", ok=True)
    assert (tmp_path / "whole").read_bytes() == file.read_bytes()


def test_download_killed(county, project, tmp_path):
    """Killed in the middle of a download: no file of that name that only looks like one; the same command then gets it."""
    file = pdf(tmp_path / "图纸.pdf", 20 * 1024 * 1024)
    whole = county.qipan("chengguan", "evidence", "add", project["no"], file, "-o", "json", ok=True).json
    out = tmp_path / "到" / "图纸.pdf"
    out.parent.mkdir()
    child = county.popen("chengguan", "evidence", "get", whole["id"], out)
    opened = Path(f"/proc/{child.pid}/fd")

    def has_begun():
        """It has no name yet, or on some file systems another."""
        with contextlib.suppress(FileNotFoundError):
            return any(f.stat().st_size > 0 for f in opened.iterdir() if str(f.readlink()).startswith(str(out.parent)))

    wait_for(has_begun)
    county.stop(child, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL and not out.exists()
    county.qipan("chengguan", "evidence", "get", whole["id"], out, ok=True)
    assert out.read_bytes() == file.read_bytes()


def test_what_it_is(county, project, tmp_path):
    """A file that isn't what its name says, is empty, too large, or no file."""
    cases = {"假.pdf": b"hello", "假.docx": b"PK\x03\x04zip", "假.txt": b"\x00\x01", "空.pdf": b"", "大.pdf": b"%PDF-" + bytes(20 * 1024 * 1024), "无类型": b"abc"}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        county.qipan("chengguan", "evidence", "add", project["no"], tmp_path / name, ok=7)
    os.mkfifo(tmp_path / "管.pdf")
    county.qipan("chengguan", "evidence", "add", project["no"], tmp_path / "管.pdf", ok=7)
    error = county.qipan("chengguan", "evidence", "add", project["no"], tmp_path / "假.pdf", "-o", "json", ok=7).error
    assert error["field"] == "media" and "“pdf”" in county.qipan("chengguan", "evidence", "add", project["no"], tmp_path / "假.pdf").stderr
    county.qipan("chengguan", "evidence", "add", project["no"], tmp_path / "假.docx", "media=zip", ok=True)
    text = tmp_path / "会议纪要.txt"
    text.write_bytes("签约仪式".encode("gb18030"))
    county.qipan("chengguan", "evidence", "add", project["no"], text, ok=True)
    assert [e["media"] for e in listed(county, project) if e["state"] == "ready"] == ["zip", "txt"]


def test_not_for_everybody(county, project, tmp_path):
    """Of a negotiation that is restricted: owner, bureau and leader; the auditor sees who took it."""
    county.qipan("chengguan", "project", "edit", project["no"], "restricted=true", ok=True)
    file = county.qipan("chengguan", "evidence", "add", project["no"], pdf(tmp_path / "意向书.pdf", 1000), "-o", "json", ok=True).json
    for verb in ("get", "show", "withdraw"):
        county.qipan("dongshan", "evidence", verb, file["id"], *(["--reason", "x"] if verb == "withdraw" else []), ok=5)
    assert listed(county, project, "dongshan") == []
    county.qipan("leader", "evidence", "get", file["id"], tmp_path / "a.pdf", ok=True)
    rows = county.qipan("auditor", "audit", "list", "--person", "leader", "-o", "jsonl", ok=True).lines
    assert [r["object"] for r in rows if r["op"] == "evidence_get" and r["status"] == "OK"].count(file["id"]) == 1
    county.qipan("dongshan", "evidence", "add", project["no"], tmp_path / "a.pdf", ok=5)
    county.qipan("leader", "evidence", "add", project["no"], tmp_path / "a.pdf", ok=8)


def test_altered(county, project, tmp_path):
    """Bytes that were altered in the database are noticed, and nothing is left behind."""
    file = county.qipan("chengguan", "evidence", "add", project["no"], pdf(tmp_path / "验资.pdf", 100_000), "-o", "json", ok=True).json
    county.psql(f"SET session_replication_role = replica; UPDATE registry.blob SET data = overlay(data PLACING '\\x00'::bytea FROM 50) "
                f"WHERE sha256 = '{file['sha256']}' AND chunk = 1")
    assert county.qipan("chengguan", "evidence", "get", file["id"], tmp_path / "out.pdf").returncode == 1
    assert not (tmp_path / "out.pdf").exists()


def test_withdrawn(county, project, tmp_path):
    """Nothing is deleted: a wrong file is withdrawn, with a reason everybody sees, and can still be read."""
    file = county.qipan("chengguan", "evidence", "add", project["no"], pdf(tmp_path / "旧.pdf", 1000), "-o", "json", ok=True).json
    county.qipan("dongshan", "evidence", "withdraw", file["id"], "--reason", "x", ok=8)
    county.qipan("chengguan", "evidence", "withdraw", file["id"], ok=7)
    county.qipan("chengguan", "evidence", "withdraw", file["id"], "--reason", "传错文件", ok=True)
    shown, = listed(county, project, "dongshan")
    assert (shown["state"], shown["withdrawal"]) == ("withdrawn", "传错文件")
    county.qipan("dongshan", "evidence", "get", file["id"], tmp_path / "旧副本.pdf", ok=True)
    error = county.qipan("chengguan", "evidence", "withdraw", file["id"], "--reason", "y", ok=7).stderr
    assert "已撤回" in error and "李小目" in error


def test_with_an_advance(county, project, tmp_path):
    """Files that come with the stage they show."""
    county.qipan("chengguan", "project", "advance", project["no"], "talks", ok=True)
    files = [pdf(tmp_path / f"{i}.pdf", 1000) for i in range(2)]
    county.qipan("chengguan", "project", "advance", project["no"], "签约", "--on", "2026-01-05", *(w for f in files for w in ("--evidence", f)), ok=True)
    assert [(e["name"], e["stage"]) for e in listed(county, project)] == [("0.pdf", "signed"), ("1.pdf", "signed")]


def test_told(county, project, tmp_path):
    """Who watches the project is told when a file is there."""
    watch = county.popen("fagai", "watch", "-o", "jsonl", "--filter", f"project={project['no']}", "--since", "0", "-n", "3", "--timeout", "20")
    upload(county.peer("chengguan"), b"abc", project=project["id"])
    out, _ = watch.communicate(timeout=30)
    types = [w for w in ("project.changed", "evidence.added", "evidence.ready") if f'"{w}"' in out]
    assert types == ["project.changed", "evidence.added", "evidence.ready"]
