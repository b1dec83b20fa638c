# SPDX-License-Identifier: Apache-2.0
"""What is measured: each group is one run of a few works, ours and theirs in turn. Returns {row: (ours, theirs)}."""
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import curve
import large
import peers
from beside import AFTER_S, Beside
from county import BUILD, SERVER_CORE, Idle, load, private_kb, status_kb

SUBSCRIBERS = 1000
IMPORT_ROWS = int(os.environ.get("BENCH_IMPORT", "100000"))
GROUPS = []


def group(**rows):
    def mark(function):
        function.rows = rows
        GROUPS.append(function)
        return function
    return mark


def per_second(result):
    return result["acked"] / result["seconds"] if result else None


def per_core(result, what):
    """A second of the server's CPU: counts also when the load or the disk is what limits."""
    return result[what] / result["server_s"] if result and result["server_s"] else None


def best(values):
    return max((v for v in values if v), default=None)


def peer_load(peer, mode, *args, apart=True):
    return load(mode, peer.speech, peer.address, peer.pids, *args, apart=apart)


def person(county, prefix=""):
    return [f"--{prefix}cert", f"{county.pki}/chengguan.pem", f"--{prefix}key", f"{county.pki}/chengguan.key"]


# ---------------------------------------------------------------- edits

EDIT = """\\set i random(1, {projects})
SELECT e FROM bench_id b, api.project_edit(1, 'zh', gen_random_uuid()::text, '\\x00'::bytea, NULL, b.id,
  jsonb_build_object('summary', md5(random()::text)), NULL, NULL, NULL) e WHERE b.i = :i;
"""
PLAIN = """\\set i random(1, {projects})
UPDATE bench_plain SET summary = md5(random()::text), version = version + 1 WHERE i = :i;
"""


def prepare(county):
    county.sql("""CREATE TABLE IF NOT EXISTS bench_id AS SELECT row_number() OVER () i, id FROM registry.project;
                  CREATE UNIQUE INDEX IF NOT EXISTS bench_id_i ON bench_id (i); ANALYZE bench_id;
                  CREATE TABLE IF NOT EXISTS bench_plain WITH (fillfactor = 70) AS SELECT i, id, ''::text summary, 1 AS version FROM bench_id;
                  CREATE UNIQUE INDEX IF NOT EXISTS bench_plain_i ON bench_plain (i)""")


def pgbench(county, script, clients, *options):
    """(transactions per second, median in ms). No daemon runs beside it: one would fence the numbers of its slow writers,
    which pgbench doesn't take up again."""
    prepare(county)
    folder = Path(tempfile.mkdtemp(prefix="pgbench-", dir=county.dir))
    (folder / "script").write_text(script.format(projects=county.projects))
    with county.without_daemons():
        done = subprocess.run(["/usr/lib/postgresql/15/bin/pgbench", "-n", "-M", "prepared", "-T", "3", "-c", str(clients), "-j", "2" if clients > 1 else "1",
                               "-f", folder / "script", "-l", "--max-tries", "3", *options], env=county.env, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        print(f"# pgbench with {clients}: {done.stderr[-300:]}", flush=True)
        return None, None
    tps = float(next(line for line in done.stdout.splitlines() if line.startswith("tps")).split()[2])
    times = [int(line.split()[2]) for log in folder.glob("pgbench_log.*") for line in log.read_text().splitlines()]
    return tps, statistics.median(times) / 1000


@group(etcd=("durable edits, full function, over TLS", "etcd's durable puts (gRPC, TLS)", "/s", ">= 1.0, 2 sought", "high"),
       pgbench=("the same", "pgbench, the same function, a transaction each, best of 1 8 32 64", "/s", ">= 1.5", "high"),
       plain=("price of rights, merge, request id and journal, with all of them grouped", "pgbench, one plain UPDATE, a transaction each, best", "/s", "none", "high"))
def edits(county, _run):
    """durable edits a second, both cores, best client count"""
    ours = best(per_second(county.load("put", "--pubs", n, "--inflight", w, "--seconds", 3, apart=False)) for n, w in ((4, 16), (8, 32), (16, 64)))
    with peers.Etcd(county.pki, cores=None) as etcd:
        puts = best(per_second(peer_load(etcd, "put", "--pubs", n, "--inflight", w, "--seconds", 3, apart=False)) for n, w in ((4, 16), (16, 16), (32, 32)))
    one_each = best(pgbench(county, EDIT, n)[0] for n in (1, 8, 32, 64))
    plain = best(pgbench(county, PLAIN, n)[0] for n in (8, 32))
    return {"etcd": (ours, puts), "pgbench": (ours, one_each), "plain": (ours, plain)}


@group(libpq=("one lonely client's edit, p50", "the same function by libpq on a unix socket", "ms", ">= 0.77 (1.3 times as long)", "low"))
def lonely(county, _run):
    """one client, one edit at a time"""
    ours = county.load("put", "--pubs", 1, "--inflight", 1, "--seconds", 3, apart=False)
    return {"libpq": (ours["ack"]["p50"] / 1000 if ours else None, pgbench(county, EDIT, 1)[1])}


# ---------------------------------------------------------------- fan-out

def fan_peers(county, window):
    bare = {"build": BUILD, "size": 250}
    yield "limit", peers.Bare(county.pki, coalesce=True, **bare), ()
    if window <= 16: # a thousand small packets in each of a thousand queues: loopback drops them
        yield "uncoalesced", peers.Bare(county.pki, coalesce=False, **bare), ()
    yield "nats", peers.Nats(county.pki), ()
    yield "redis", peers.Redis(county.pki), ()
    yield "mqtt0", peers.Mosquitto(county.pki), ()
    yield "mqtt1", peers.Mosquitto(county.pki), ("--qos", 1)


def fan_rows():
    goals = {64: {"nats": ">= 1.5", "limit": ">= 0.5"}, 16: {"nats": ">= 1.5", "limit": ">= 0.6"},
             1: {"nats": ">= 1", "redis": ">= 1", "mqtt0": ">= 1", "mqtt1": ">= 1", "limit": ">= 0.85"}}
    names = {"limit": "bare OpenSSL broadcaster, coalescing", "uncoalesced": "bare OpenSSL broadcaster, a write each", "nats": "NATS",
             "redis": "Redis", "mqtt0": "Mosquitto, QoS 0", "mqtt1": "Mosquitto, QoS 1"}
    return {f"{peer}_{window}": (f"deliveries a second of server core, {SUBSCRIBERS} subscribers, {window} in flight", name, "/s",
                                 goals[window].get(peer, "none"), "high")
            for window in (64, 16, 1) for peer, name in names.items()}


@group(**fan_rows())
def fanout(county, _run):
    """deliveries of 250 bytes per second of server core, 1 000 TLS subscribers, 64, 16 and 1 in flight"""
    found = {}
    for window in (64, 16, 1):
        args = ("--subs", SUBSCRIBERS, "--inflight", window, "--seconds", 3)
        ours = per_core(county.load("fan", *args, "--pubs", max(1, window // 16)), "deliveries")
        for key, peer, more in fan_peers(county, window):
            with peer:
                found[f"{key}_{window}"] = (ours, per_core(peer_load(peer, "fan", *args, *more), "deliveries"))
    return found


@group(etcd=("edit sent -> event at the last of 1 000, 20/s, p50", "etcd, put -> watch, p50", "ms", ">= 2", "low"),
       limit=("the same", "bare broadcaster + one edit by libpq", "ms", ">= 0.77 (1.3 times as long)", "low"),
       own_p50=("own commit known -> event, 2 000 edits/s, each for 10 of 1 000, p50", "goal", "ms", ">= 1", "low"),
       own_p99=("the same, p99", "goal", "ms", ">= 1", "low"),
       other_p50=("the same on another daemon, p50", "no goal, 5 ms for scale", "ms", "none", "low"),
       other_p99=("the same on another daemon, p99", "goal", "ms", ">= 1", "low"))
def latency(county, _run):
    """from an edit to its event: the last of 1 000, and 2 000 edits a second that concern ten each"""
    args = ("--subs", SUBSCRIBERS, "--rate", 20, "--seconds", 5)
    ours = county.load("rate", *args)
    with peers.Etcd(county.pki, cores=SERVER_CORE) as etcd:
        theirs = peer_load(etcd, "rate", *args)
    with peers.Bare(county.pki, build=BUILD, size=250, coalesce=True) as bare:
        limit = peer_load(bare, "rate", *args)
    commit = pgbench(county, EDIT, 1)[1]
    found = {}
    if ours:
        last = ours["last"]["p50"] / 1000
        found["etcd"] = (last, theirs["last"]["p50"] / 1000 if theirs else None)
        found["limit"] = (last, limit["last"]["p50"] / 1000 + commit if limit else None)
    matching = ("--subs", SUBSCRIBERS, "--topics", 100, "--rate", 2000, "--seconds", 5, "--pubs", 4)
    for name, daemon in (("own", 1), ("other", 2)):
        r = county.load("rate", *matching, "--pub-address", county.address(1), daemon=daemon)
        for quantile, goal in (("p50", 1 if name == "own" else 5), ("p99", 5 if name == "own" else 20)):
            if r and "after_ack" in r:
                found[f"{name}_{quantile}"] = (max(r["after_ack"][quantile], 1) / 1000, goal)
    return found


@group(p99=("others' p99 with a stopped and a 1 kB/s reader among 1 000, 200 edits/s", "without them", "ms", ">= 0.91 (+10 %)", "low"),
       cost=("what the two cost the daemon, together", "goal, 256 KiB each", "KiB", ">= 1", "low"),
       writers=("edits acknowledged meanwhile", "without them", "", ">= 0.95", "high"))
def slow(county, _run):
    """a stopped and a 1 kB/s reader among 1 000"""
    args = ("--subs", SUBSCRIBERS, "--rate", 200, "--seconds", 6)
    without = county.load("rate", *args)
    among = county.load("rate", *args, "--stopped", 1, "--trickle", 1)
    if not without or not among:
        return {}
    peaks = [] # beside few others, so that theirs doesn't drown it
    for slow_ones in ((), ("--stopped", 1, "--trickle", 1)):
        county.restart()
        county.load("rate", "--subs", 10, "--rate", 1000, "--seconds", 5, *slow_ones)
        peaks.append(status_kb(county.pid(), "VmHWM"))
    return {"p99": (among["each"]["p99"] / 1000, without["each"]["p99"] / 1000), "cost": (max(peaks[1] - peaks[0], 16), 512),
            "writers": (among["acked"], without["acked"])}


# ---------------------------------------------------------------- connections

@group(bare=("memory per idle subscriber, client certificates", "bare OpenSSL, + 4 kB", "kB", ">= 1", "low"),
       mosquitto=("the same", "Mosquitto asked for client certificates", "kB", ">= 0.91 (1.1 times as much)", "low"))
def memory(county, _run):
    """private memory of 1 000 idle subscribers, by the link"""
    first, last = map(int, county.run(BUILD / "bench/bare", "memory", county.pki, "chengguan", SUBSCRIBERS).split())
    with peers.Mosquitto(county.pki, people=True) as mosquitto:
        theirs = per_link("mqtt", mosquitto.address, mosquitto.pids[0], *person(county))
    county.restart() # a heap that was full before holds more for nothing
    ours = per_link("qipan", county.address(), county.pid(), *person(county))
    return {"bare": (ours, (last - first) / SUBSCRIBERS + 4), "mosquitto": (ours, theirs)}


def per_link(speech, address, pid, *args):
    with Idle(speech, address, 50, *args): # what the first ones pay for all
        time.sleep(0.5)
        before = private_kb(pid)
        with Idle(speech, address, SUBSCRIBERS, *args):
            time.sleep(1)
            return (private_kb(pid) - before) / SUBSCRIBERS


@group(haproxy=("full mutual handshakes a second of server core; ours with sign-in and welcome", "HAProxy, client certificates and list", "/s", ">= 1.1", "high"),
       memory=("the same", "OpenSSL in memory, same chain and lists", "/s", ">= 0.7", "high"))
def handshakes(county, _run):
    """full mutual TLS 1.3 handshakes per second of server core"""
    args = ("--parallel", 32, "--seconds", 3, *person(county))
    ours = per_core(county.load("shake", *args), "handshakes")
    with peers.Haproxy(county.pki) as haproxy:
        theirs = per_core(peer_load(haproxy, "shake", *args), "handshakes")
    limit = json.loads(county.run(BUILD / "bench/bare", "handshakes", county.pki, "chengguan", 3))
    return {"haproxy": (ours, theirs), "memory": (ours, per_core(limit, "handshakes"))}


# ---------------------------------------------------------------- as ever: the daemon alone, a hundred watchers, an import

@group(idle=("idle daemon, resident memory", "goal", "MB", ">= 1", "low"),
       acked_p50=("edit acknowledged -> event at 100 watchers, 100/s, p50", "goal", "ms", ">= 1", "low"),
       acked_p99=("the same, p99", "goal", "ms", ">= 1", "low"),
       sent_p50=("edit sent -> event at 100 watchers, p50", "goal", "ms", ">= 1", "low"),
       sent_p99=("the same, p99", "goal", "ms", ">= 1", "low"))
def watchers(county, _run):
    """an idle daemon; 100 watchers by libqipan at 100 edits a second"""
    found = {"idle": (status_kb(county.pid(), "VmRSS") / 1024, 20)}
    fan = json.loads(county.run(BUILD / "bench/fanout", county.address(), county.pki, "100", "100", "10"))
    for key in ("acked", "sent"):
        for quantile, goal in (("p50", 5), ("p99", 50)):
            found[f"{key}_{quantile}"] = (fan[key][quantile] / 1000, goal)
    return found


def sheet(path, run, word):
    """Simple rows: key, name, investor, stage, amount, industry, month."""
    rng = random.Random(run)
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["external_id", "name", "investor", "stage", "amount_total", "industry", "planned_start_on"])
        for i in range(IMPORT_ROWS):
            out.writerow([f"{run}-{i}", f"测速{word}{run}号批次第{i}个项目", f"测速{word}{run}-{rng.randrange(IMPORT_ROWS)}公司", "lead",
                          f"{rng.randrange(100, 90000)}万元", rng.choice(["C38", "C39", "C13", "A01"]),
                          f"2026-{rng.randrange(1, 13):02d}"])
    return path


def seconds(what):
    begun = time.monotonic()
    what()
    return time.monotonic() - begun


UPLOADS = 6  # sheets one after the other: a second or two of one would tell little
PARTS = {"uploads": "while sheets go up", "judge": "while it is judged", "commit": "while it is judged again and written", "after": f"in the {AFTER_S} s behind"}


def upload(county, path):
    """A sheet that changes while it is read goes up and is not judged. Its mark is what changes."""
    client = subprocess.Popen([BUILD / "bin/qipan", "--context", "robot", "--lang", "en", "import", path], env=county.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while client.poll() is None:
        time.sleep(0.02)
        os.utime(path)
    told = client.stdout.read().decode()
    assert client.returncode and "changed while it was read" in told, told


def by_hand(county, script, **variables):
    given = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
    county.run("psql", "-qX", "-v", "ON_ERROR_STOP=1", *given, "-f", Path(__file__).with_name(f"{script}.sql"))


@group(hand=(f"import of {IMPORT_ROWS} new projects: judged, journalled, all indexes, over TLS",
             "psql: COPY and one validating INSERT ... SELECT, journalled by row triggers", "rows/s", ">= 1, 1.35 sought", "high"),
       lean=("the same", "psql, two tables of its own: no rights, tags, stages, receipts, counts", "rows/s", "", "high"),
       preview=("its preview", "the commit", "s", ">= 1", "low"),
       beside=("edits of other rows during the import, p99", "idle", "ms", ">= 0.5 (2 times as long)", "low"),
       notified=("and until those who watch others, or take summaries, hear of them", "idle", "ms", ">= 0.5 (2 times as long)", "low"),
       **{part: (f"the edits {words}, p99", "idle", "ms", ">= 0.5 (2 times as long)", "low") for part, words in PARTS.items()})
def imports(county, run):
    """an import of new rows, beside the same by hand; its preview; edits and notifications beside it"""
    if run == 0:
        county.at_work(wal_mb=IMPORT_ROWS // 100)
    county.load("put", "--pubs", 4, "--inflight", 8, "--seconds", 1, apart=False)  # a link's first edit makes its plans, 15 ms, whenever it comes
    county.calm()
    path = sheet(Path(county.dir) / f"bench-{run}.csv", run, "导入")
    others = [sheet(Path(county.dir) / f"others-{k}.csv", (run + 1) * 100 + k, "上传") for k in range(UPLOADS)]
    by = lambda *more: county.run("qipan", "--context", "robot", "-o", "json", "import", path, *more)  # noqa: E731
    with Beside(county, county.ids.read_text().split()[run]) as b:
        b.part("idle", lambda: time.sleep(15))
        b.part("uploads", lambda: [upload(county, path) for path in others])
        preview = b.part("upload", by)
        ours = b.part("commit", lambda: by("--commit"))
        b.part("after", lambda: time.sleep(AFTER_S))
    b.split("upload", "judge", "upload", "judge")
    b.tell()
    other = sheet(Path(county.dir) / f"hand-{run}.csv", run, "手工")
    with county.without_daemons():
        theirs = seconds(lambda: by_hand(county, "hand", file=other))
        if not run:
            by_hand(county, "lean", make=1)
        lean = seconds(lambda: by_hand(county, "lean", file=other))
    for schema in ("registry", "lean"):
        made = county.sql(f"SELECT count(*) FROM {schema}.project WHERE source = 'hand'").strip()
        assert int(made) == IMPORT_ROWS * (run + 1), f"by hand {made} rows were made in {schema}"
    p99 = lambda times: large.quantile(times, 0.99)  # noqa: E731
    idle, whole = p99(b.edits("idle")), ("upload", "judge", "commit", "after")
    return {"hand": (IMPORT_ROWS / ours, IMPORT_ROWS / theirs), "lean": (IMPORT_ROWS / ours, IMPORT_ROWS / lean), "preview": (preview, ours), "beside": (p99(b.edits(*whole)), idle),
            "notified": (p99(b.notified(*whole)), p99(b.notified("idle"))), **{part: (p99(b.edits(part)), idle) for part in PARTS}}


# ---------------------------------------------------------------- workbooks

BOOK_ROWS, BOOK_COLUMNS = 40_000, 20
DATA = Path(os.environ.get("QIPAN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared/data"))
OPENPYXL = """import sys, time, openpyxl
book = openpyxl.load_workbook(sys.argv[1], read_only=True, data_only=True)
for row in book.worksheets[int(sys.argv[2]) - 1].iter_rows(values_only=True): pass
print(time.process_time())
"""


def read_both(path, sheet):
    """Seconds of the processor, ours and openpyxl's, and our memory at its peak in MB."""
    ours = json.loads(subprocess.run([BUILD / "tests/show_grid", "--count", path, sheet], check=True, capture_output=True).stdout)
    theirs = subprocess.run([sys.executable, "-c", OPENPYXL, path, sheet], check=True, capture_output=True, text=True).stdout
    return (ours["seconds"], float(theirs)), ours["peak_kb"] / 1024


@group(book=(f"a workbook of {BOOK_ROWS} x {BOOK_COLUMNS} places, three of four filled, read", "openpyxl, read_only", "s", ">= 5", "low"),
       memory=("the same, peak memory of the program", "goal", "MB", ">= 1", "low"),
       real=("a real workbook of 586 000 cells", "openpyxl, read_only", "s", ">= 5", "low"))
def reading(county, run):
    """workbooks read, in seconds of the processor: one of libxlsxwriter, and a real one where the test data are"""
    path, real = Path(county.dir) / "bench.xlsx", DATA / "koica-projects-1991-2008.xlsx"
    subprocess.run([BUILD / "tests/write_xlsx", path, str(run + 1), str(BOOK_ROWS), str(BOOK_COLUMNS)], check=True)
    found, peak = {}, 0
    found["book"], peak = read_both(path, "1")
    if real.exists():
        found["real"], more = read_both(real, "2")
        peak = max(peak, more)
    return found | {"memory": (peak, 30)}


# ---------------------------------------------------------------- a large county

@group(operation=(f"{large.PROJECTS} projects, ten journal entries each: the slowest operation's p99", "goal", "ms", ">= 1", "low"),
       median=("the same, p99 of the operation in the middle", "goal", "ms", ">= 1", "low"),
       first=("the slowest first page of a list, p99", "goal", "ms", ">= 1", "low"),
       clock=("the clocks of the night over all projects", "goal", "s", ">= 1", "low"),
       beside=("an edit beside them, p99", "goal", "ms", ">= 1", "low"))
def county(county, run):
    """operations, lists, clocks and plans at 100 000 projects (BENCH_PROJECTS); each in build/bench-county.json"""
    if run == 0:
        large.fill(county)
    goals = {"operation": large.OPERATION_MS, "median": large.OPERATION_MS, "first": large.LIST_MS, "clock": large.CLOCK_S, "beside": large.OPERATION_MS}
    return {name: (ours, goals[name]) for name, ours in large.measure(county, run).items()}


# ---------------------------------------------------------------- export

def timed_output(county, *command):
    """Seconds until all is in a file, and the most memory the command held, in MiB."""
    begun = time.monotonic()
    with tempfile.TemporaryFile(dir=county.dir) as out:
        child = subprocess.Popen([str(c) for c in command], stdout=out, env=county.env)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
    return time.monotonic() - begun, usage.ru_maxrss / 1024


@group(copy=(f"export of {large.EXPORTED} projects as CSV, labels and audit apart", "COPY of the same view by psql", "rows/s", ">= 0.5", "high"),
       memory=("memory of the client meanwhile", "goal, however many rows", "MiB", ">= 1", "low"))
def export(county, run):
    """qipan export against COPY TO of the reader's view, at 100 000 projects (BENCH_EXPORT)"""
    if run == 0:
        large.projects(county, large.EXPORTED)
    ours, peak = timed_output(county, BUILD / "bin/qipan", "--context", "bureau", "export")
    theirs, _ = timed_output(county, "psql", "-qXc", "COPY (SELECT * FROM registry.project_report) TO STDOUT CSV")
    return {"copy": (large.EXPORTED / ours, large.EXPORTED / theirs), "memory": (peak, 24)}


@group(csv_client=(f"{curve.ROWS} rows exported to CSV: the client's memory at its peak", "goal", "MiB", ">= 1", "low"),
       jsonl_client=("the same to JSON Lines", "goal", "MiB", ">= 1", "low"),
       xlsx_client=("the same to a workbook", "goal", "MiB", ">= 1", "low"),
       reading_client=("that workbook read", "goal", "MiB", ">= 1", "low"),
       import_client=(f"an import's preview, {min(curve.ROWS, curve.IMPORTED)} rows", "goal", "MiB", ">= 1", "low"),
       daemon=("the daemon's at its peak, in all of these", "goal", "MiB", ">= 1", "low"),
       grows=("an export's peak in the second half of its time, of that before", "goal", "times", ">= 1", "low"))
def memory_of_rows(county, run):
    """memory of client and daemon over the time of long exports, an import and a workbook read (BENCH_MEMORY rows): prints the curves"""
    if run == 0:
        large.projects(county, curve.ROWS)
    return curve.measure(county, curve.ROWS)


LARGE = (county, export, memory_of_rows)  # make their projects themselves
