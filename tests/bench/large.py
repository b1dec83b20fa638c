# SPDX-License-Identifier: Apache-2.0
"""A large county: how long people wait for one operation and for the first page of every list, how long the clocks of the night take
and what an edit waits meanwhile, and by which plans the heaviest reads get at their rows."""
import json
import os
import re
import statistics
import sys
import threading
import time
from pathlib import Path

from county import BUILD, TOP

sys.path.insert(0, str(TOP / "tests/integration"))
PROJECTS = int(os.environ.get("BENCH_PROJECTS", "100000"))
EXPORTED = int(os.environ.get("BENCH_EXPORT", "100000"))
TIMES = int(os.environ.get("BENCH_TIMES", "200"))  # of each operation
OPERATION_MS, LIST_MS, CLOCK_S = 20, 50, 10
DETAILS = BUILD / "bench-county.json"
PLANS = BUILD / "bench-county-plans.txt"


def projects(county, n):
    """So many projects and nothing else."""
    county.sql(f"\\set projects {n}\n\\set whole false\n" + (TOP / "tests/bench/large.sql").read_text())
    settle(county)


def settle(county):
    """Until the walker is through: chains are not what is measured."""
    while county.sql("SELECT (SELECT max(rev) FROM registry.txn) > coalesce((SELECT max(rev) FROM registry.chain), 0)").strip() == "t":
        time.sleep(1)


def fill(county):
    begun = time.monotonic()
    county.sql(f"\\set projects {PROJECTS}\n\\set whole true\n" + (TOP / "tests/bench/large.sql").read_text())
    county.ids.write_text(county.sql("SELECT id FROM registry.project WHERE stage <> 'exited' ORDER BY md5(id) LIMIT 20000"))
    entries = county.sql("SELECT count(*) FROM registry.entry").strip()
    print(f"# a county of {PROJECTS} projects, {entries} journal entries, made in {time.monotonic() - begun:.0f} s", flush=True)
    settle(county)


def quantile(times, q):
    return sorted(times)[min(len(times) - 1, int(len(times) * q))]


def timed(what, times=TIMES):
    """Milliseconds of each call; the first ones, whose plans are made, are left out."""
    found = []
    for n in range(times + 5):
        begun = time.perf_counter()
        what(n)
        found.append((time.perf_counter() - begun) * 1000)
    return found[5:]


class Office:
    """The bureau at the independent client; p is where its operations get their projects."""

    def __init__(self, county, run):
        import peer
        self.pb, pki = peer.pb, county.pki
        self.sign_in = lambda: peer.Peer(county.address(), f"{pki}/ca.pem", f"{pki}/bureau.pem", f"{pki}/bureau.key")
        self.link = self.sign_in()
        self.ops, self.run, self.ids = peer.OPS, run, county.ids.read_text().split()[run * 4000:(run + 1) * 4000]
        self.made = []

    def do(self, op, timeout=60, **fields):
        return self.link.do(op, timeout, **fields)

    def p(self, n):
        return self.ids[n % len(self.ids)]

    def matter(self, n):
        made = self.do("matter_set", set={"project": self.p(n), "office": "chengguan", "class": "assignment", "subject": f"测速事项{n}"}).matter
        self.made.append(made.id)

    def arrival(self, n):
        self.do("arrival_set", set={"project": self.p(n), "amount_arrived": 123_456_00 + n, "arrived_on": "2025-05-06", "class": "fixed", "origin": "own",
                                    "voucher": f"{self.run}-{n}"})

    def operations(self):
        """Name → what one of it does. An operation the registry hasn't got is left out."""
        pb, new = self.pb, f"{self.run}-{os.getpid()}"
        all_of = {
            "project_edit": lambda n: self.do("project_edit", id=self.p(n), set=pb.Project(jobs=n)),
            "project_add": lambda n: self.do("project_add", set=pb.Project(name=f"新报{new}-{n}项目", investor=f"新来{new}-{n}", industry="C38", amount_total=10**10)),
            "project_add, of an investor who has others": lambda n: self.do("project_add", set=pb.Project(
                name=f"另报{new}-{n}", investor=f"测速投资{n}公司", industry="C26", amount_total=10**12)),
            "project_show": lambda n: self.do("project_show", id=self.p(n)),
            "project_page": lambda n: self.do("project_page", id=self.p(n)),
            "project_log": lambda n: self.do("project_log", id=self.p(n)),
            "activity_set": lambda n: self.do("activity_set", set={"project": self.p(n), "class": "talk", "held_on": "2025-05-06"}),
            "matter_set": self.matter,
            "matter_withdraw": lambda n: self.do("matter_withdraw", id=self.made[n], reason="不再需要"),
            "arrival_set": self.arrival,
            "milestone_set": lambda n: self.do("milestone_set", set={"project": self.p(n), "class": "start", "planned_on": "2027-05"}),
            "due_set": lambda n: self.do("due_set", set={"project": self.p(n), "text": "报材料", "due_at": 4_000_000_000_000_000}),
            "case_set": lambda n: self.do("case_set", set={"project": self.p(n + 500), "class": "admission"}),
            "land_set": lambda n: self.do("land_set", set={"project": self.p(n), "area_mu": "12"}),
        }
        return {name: what for name, what in all_of.items() if name.partition(",")[0] in self.ops}

    def lists(self):
        """Every operation that answers with rows and needs nothing; and the long ones by what people ask for."""
        own = {"account_list", "role_list", "cert_list", "audit_list"}  # of the officers
        plain = {name: (name, {}) for name, op in self.ops.items() if (name.endswith("_list") or name in ("dispatch", "matter_mine", "park_state", "station_yield",
                 "project_idle", "case_pool", "case_proposals", "return_due")) and name not in own and op.lane == "READ" and "rows" in op.reply.DESCRIPTOR.fields_by_name
                 and not {"rev", "object"} & set(op.request.DESCRIPTOR.fields_by_name)}
        term = lambda field, *values, op="=": {"field": field, "op": op, "values": list(values)}  # noqa: E731
        asked = {"project_list, by office and stage": ("project_list", {"terms": [term("office", "chengguan"), term("stage", "talks")]}),
                 "project_list, by amount": ("project_list", {"sort": "-amount_total"}),
                 "project_list, a part of a name": ("project_list", {"search": "轴承项目7"}),
                 "matter_list, one office's": ("matter_list", {"terms": [term("office", "chengguan"), term("state", "issued")]}),
                 "activity_list, one project's": ("activity_list", {"terms": [term("project", self.p(1))]}),
                 "project_counts, by office": ("project_counts", {"by": "office"}), "project_counts, by stage": ("project_counts", {"by": "stage"})}
        return {name: (op, fields) for name, (op, fields) in {**plain, **asked}.items() if op in self.ops}


def tell(name, times):
    said = {"name": name, "p50": round(quantile(times, .5), 2), "p99": round(quantile(times, .99), 2), "runs": len(times)}
    print("# {name}: p50 {p50} ms, p99 {p99} ms".format(**said), flush=True)
    return said


def night(county, office):
    """Seconds of the clocks' run over all projects; milliseconds of edits beside it."""
    stop, edits, other = threading.Event(), [], office.sign_in()

    def edit():
        while not stop.is_set():
            begun = time.perf_counter()
            other.do("project_edit", id=office.p(len(edits)), set=office.pb.Project(jobs=len(edits) % 1000))
            edits.append((time.perf_counter() - begun) * 1000)
            time.sleep(0.02)

    beside = threading.Thread(target=edit)
    beside.start()
    begun = time.monotonic()
    try:
        office.do("clock_run", timeout=300, limit=2000)  # the first step; the daemon goes on
        while county.sql("SELECT count(*) FROM registry.clock WHERE done_at IS NULL").strip() != "0":
            time.sleep(0.05)
    finally:
        seconds = time.monotonic() - begun
        stop.set()
        beside.join()
    return seconds, edits


def plan(county, op, fields):
    """What PostgreSQL did for a read, with all that its functions asked, by auto_explain."""
    types = {"terms": "jsonb", "limit": "int"}
    values = {"p_account": "(SELECT id FROM registry.account WHERE code = 'bureau')", "p_lang": "'zh'",
              **{k: f"$v${json.dumps(v, ensure_ascii=False) if not isinstance(v, str) else v}$v$::{types.get(k, 'text')}" for k, v in fields.items()}}
    args = county.sql(f"SELECT string_agg(a, ',') FROM pg_proc p, unnest(p.proargnames) a WHERE p.proname = '{op}' AND p.pronamespace = 'api'::regnamespace").strip()
    call = ", ".join(f'"{a}" => {values.get(a, "NULL")}' for a in args.split(",") if a)
    script = f"""LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on; SET auto_explain.log_nested_statements = on;
        SET auto_explain.log_timing = off; SET auto_explain.log_level = 'notice';
        SELECT 1 FROM api.{op}({call}) \\g /dev/null
        SELECT 1 FROM api.{op}({call}) \\g /dev/null"""
    return county.notices(script)


def longest(text, op, most):
    """The statements inside a read that took longest: milliseconds, query, plan."""
    parts = re.findall(r"duration: ([0-9.]+) ms  plan:\nQuery Text: (.*?)\n(\S[^\n]*\(cost=.*?)(?=\nNOTICE|\nCONTEXT|\Z)", text, re.S)
    inside = [(float(ms), " ".join(query.split()), body) for ms, query, body in parts if not body.startswith(f"Function Scan on {op} ")]
    return sorted(inside, reverse=True)[:most]


def measure(county, run):
    """{row: milliseconds or seconds}, and the details on disk."""
    office = Office(county, run)
    operations = [tell(name, timed(what)) for name, what in office.operations().items()]
    lists = [tell(name, timed(lambda _n, op=op, fields=fields: office.do(op, **fields), 40)) for name, (op, fields) in office.lists().items()]
    seconds, edits = night(county, office)
    beside = tell("project_edit, while the clocks run", edits)
    DETAILS.write_text(json.dumps({"operations": operations, "lists": lists, "clock_s": seconds, "beside": beside}, ensure_ascii=False, indent=1) + "\n")
    if run == 0:
        heavy = sorted(lists, key=lambda x: -x["p50"])[:10]
        show_plans(county, office, [x["name"] for x in heavy])
    return {"operation": max(x["p99"] for x in operations), "first": max(x["p99"] for x in lists), "median": statistics.median(x["p99"] for x in operations),
            "clock": seconds, "beside": beside["p99"]}


def show_plans(county, office, names):
    out = []
    for name in names:
        op, fields = office.lists()[name]
        for ms, query, body in longest(plan(county, op, fields), op, 1):
            print("\n".join(f"# {line[:160]}" for line in [f"== {name}: {ms:.1f} ms: {query}", *body.splitlines()[:9]]), flush=True)
            out.append(f"== {name}: {ms:.1f} ms\n{query}\n{body}\n")
    PLANS.write_text("\n".join(out))
    print(f"# whole plans: {PLANS}", flush=True)
