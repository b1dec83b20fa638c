# SPDX-License-Identifier: Apache-2.0
"""What a county's lists must show, recomputed from the lines of `qipan watch --since 0 -o jsonl` alone.

Nothing here asks the registry or knows SQL: rules are those of sql/README.md, deadlines and clocks those of the default rule set,
written down again. `compare` holds lists and summaries of the command line against it."""
import collections
import datetime
import decimal
import json
import re
import zoneinfo

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
D = decimal.Decimal
LISTS = {  # kind: words of the list that shows all of it
    "project": ("project", "list"), "matter": ("matter", "list"), "case": ("case", "list"), "opinion": ("case", "opinions"), "arrival": ("arrival", "list"),
    "share": ("credit", "list"), "reward": ("reward", "list"), "plot": ("plot", "list"), "land": ("land", "list"), "activity": ("activity", "list"),
    "evidence": ("evidence", "list"), "meeting": ("meeting", "list"), "agenda": ("meeting", "agenda"), "round": ("inspection", "rounds"),
    "inspection": ("inspection", "list"), "return": ("return", "list"), "alert": ("alert", "list"), "protection": ("protection", "list"),
}
APART = {"version", "changed_at", "id", "registered_at"}  # said by the line itself
MATTER_CLOCK = {  # default days, yellow, red, light from which the superior is told
    "assignment": (10, 3, 7, "red"), "order": (5, 2, 4, "yellow"), "guarantee": (10, 3, 7, "red"), "request": (7, 3, 6, "red"),
    "help": (7, 3, 7, "red"), "decision": (15, 3, 7, "red"), "finding": (15, 3, 7, "red"), "interview": (3, 2, 3, "yellow"),
}
LIGHTS = ["none", "blue", "yellow", "red"]
OBJECTIONS = {"duplicate": 3, "recognition": 5, "exit": 10, "accountability": 5, "reward": 5}  # days
REFUSING = {"refuse", "retain", "no_action"}
SHARES = {  # ruling: indicator: introducer, host, in percent
    "transfer": {"projects": (100, 100), "fixed": (100, 100), "arrived": (100, 0), "output": (0, 100), "tax": (0, 100)},
    "joint": {"projects": (100, 100), "fixed": (100, 100), "arrived": (50, 50), "output": (50, 50), "tax": (50, 50)},
}
MARKS = {"progress": 40, "evidence": 20, "service": 20, "site": 20}
UNCOUNTED = {"infrastructure", "commercial", "realestate"}
JUDGED = {"signed", "started", "producing"}  # stages that count when approved


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def local_day(text):
    return str(instant(text).astimezone(ZONE).date())


def plain(value):
    """A number as people write it, an instant as it is, whatever else as text: "85.50" and "85.5" are the same."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, str) and value.endswith("Z"):
        return str(instant(re.sub(r"\.(\d+)Z", lambda m: f".{m[1]:0<6}Z", value)))
    try:
        return format(D(str(value)).normalize(), "f")
    except decimal.InvalidOperation:
        return str(value)


class Thing(dict):
    """An object as its lines tell it; `seen` are the lines."""

    def __init__(self):
        super().__init__()
        self.seen, self.version = [], 0


class Model:
    def __init__(self, lines):
        self.kinds = collections.defaultdict(lambda: collections.defaultdict(Thing))
        self.order = []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                break  # the last line, half written
            if "view" in event:
                self.take(event)

    def take(self, e):
        kind = {"deadline": "due"}.get(e["type"].partition(".")[0], e["type"].partition(".")[0])
        if kind not in e:
            return
        thing = self.kinds[kind][e[kind]]
        assert int(e["version"]) == thing.version + 1, f"{e['type']} {e[kind]}: version {e['version']} after {thing.version}"
        thing.version = int(e["version"])
        thing.seen.append(e)
        self.order.append((kind, e[kind], e))
        for field, (old, new) in e["changes"].items():
            assert thing.get(field) == old or isinstance(old, (list, dict)), f"{e['type']} {e[kind]}: {field} was {thing.get(field)}, not {old}"
            if new is None:
                thing.pop(field, None)
            else:
                thing[field] = new

    def of(self, kind):
        return self.kinds[kind]

    def day_of(self, thing, field, value):
        """The county's day on which a field came to that value last."""
        return next((local_day(e["at"]) for e in reversed(thing.seen) if e["changes"].get(field, [None, None])[1] == value), None)

    # ---- rules, once more

    def workdays(self, days_off, first, n):
        day = datetime.date.fromisoformat(first)
        while n:
            day += datetime.timedelta(1)
            n -= not days_off.get(str(day), day.isoweekday() > 5)
        return str(day)

    def light(self, m, today):
        """How overdue a matter is that somebody works on."""
        if m["state"] == "withdrawn":
            return "none"
        if m["state"] in ("reported", "closed"):
            today = self.day_of(m, "reported_at", m.get("reported_at"))
        late = (datetime.date.fromisoformat(today) - datetime.date.fromisoformat(m["due_on"])).days
        _, yellow, red, _ = MATTER_CLOCK[m["class"]]
        return LIGHTS[(late >= 1) + (late >= yellow) + (late >= red)]

    def arrived(self):
        sums = collections.defaultdict(D)
        for a in self.of("arrival").values():
            if a["state"] == "approved":
                sums[a["project"]] += D(a["amount_arrived"])
        return sums

    def mark(self, inspection):
        given = dict(m.split("=") for m in inspection["marks"])
        return sum(D(given[c]) * w for c, w in MARKS.items()) / 100

    def shares(self):
        """Credit by project, role and indicator, from the cases that came into force, in their order."""
        given = {}
        for kind, id, e in self.order:
            if kind != "case" or e["changes"].get("state", [None, None])[1] != "in_force":
                continue
            c = self.of("case")[id]
            if c["ruling"] == "transfer":
                project, first, host = c["project"], self.office_before(c["project"], e), c["other_office"]
            elif c["ruling"] == "joint":
                project, gone = self.survivor(c)
                first, host = (self.office_before(p, e) for p in (project, gone))
            else:
                continue
            for indicator, (a, b) in SHARES[c["ruling"]].items():
                given.setdefault((project, "introducer", indicator), (first, a))
                given[project, "host", indicator] = (host, b)
        return given

    def office_before(self, project, event):
        office = None
        for e in self.of("project")[project].seen:
            if int(e["rev"]) >= int(event["rev"]):
                break
            office = e["changes"].get("office", [None, office])[1]
        return office

    def survivor(self, c):
        """The earlier stays; the other is gone."""
        first, second = sorted((c["project"], c["other_project"]), key=lambda p: instant(self.of("project")[p].seen[0]["at"]))
        return first, second

    def at_filing(self, event):
        """Stages of an office's projects and its open assignments just before a line of the feed, or when its month ended."""
        stages, offices, assigned, month = {}, {}, {}, event["changes"]["period"][1]
        for kind, id, e in self.order:
            if e is event or local_day(e["at"])[:7] > month:
                break
            if kind == "project":
                stages[id] = e["changes"].get("stage", [None, stages.get(id)])[1]
                offices[id] = e["changes"].get("office", [None, offices.get(id)])[1]
            elif kind == "matter" and self.of("matter")[id]["class"] == "assignment":
                old = assigned.get(id, (None, None))
                assigned[id] = tuple(e["changes"].get(f, [None, o])[1] for f, o in zip(("office", "state"), old))
        office = event["changes"]["office"][1]
        count = collections.Counter(stages[p] for p in stages if offices[p] == office)
        return {"leads": count["lead"], "intents": count["intent"], "talks": count["talks"], "signed": count["signed"],
                "assigned": sum(1 for o, s in assigned.values() if o == office and s not in ("closed", "withdrawn"))}


class Comparison:
    def __init__(self, m, y):
        self.m, self.y, self.differ, self.figures = m, y, [], {}
        self.lists = {}
        self.calendar = None
        self.today = str(y.today)

    def same(self, what, ours, theirs):
        if plain(ours) != plain(theirs):
            self.differ.append(f"{what}: by the model {ours}, by the registry {theirs}")

    def counts(self, name, ours, theirs):
        """Two tallies, key by key; zero is nothing."""
        for key in sorted(set(ours) | set(theirs), key=str):
            self.same(f"{name} {key}", ours.get(key, 0), theirs.get(key, 0))
        self.figures[name] = f"{len(ours)} figures, sum {sum(ours.values())}"

    def rows(self, kind):
        if kind not in self.lists:
            self.lists[kind] = {r["id"]: r for r in self.y.rows(*LISTS[kind])}
        return self.lists[kind]

    # ---- every row of every list is what the feed told

    def every_row(self, kind):
        ours, theirs = self.m.of(kind), self.rows(kind)
        self.same(f"{kind}: ids", sorted(ours), sorted(theirs))
        for id in sorted(set(ours) & set(theirs)):
            for field in sorted((set(ours[id]) | set(theirs[id])) - APART):
                self.same(f"{kind} {id} {field}", ours[id].get(field), theirs[id].get(field))
            self.same(f"{kind} {id} version", ours[id].version, theirs[id]["version"])
        self.figures[f"rows of {kind}"] = len(ours)

    # ---- figures

    def projects(self):
        ours = self.m.of("project")
        live = lambda p: p["stage"] not in ("exited",)  # noqa: E731
        by_stage = collections.Counter(p["stage"] for p in ours.values())
        by_both = collections.Counter((p["office"], p["stage"]) for p in ours.values())
        amounts = collections.defaultdict(D)
        for p in ours.values():
            amounts[p["stage"]] += D(p.get("amount_total", "0"))
        theirs = self.rows("project")
        self.counts("projects by office and stage", by_both, collections.Counter((p["office"], p["stage"]) for p in theirs.values()))
        said = {r["code"]: r for r in self.y.rows("project", "counts", "stage")}
        results = [p for p in ours.values() if p.get("class") not in UNCOUNTED and "merged_into" not in p]  # each once: what was merged is in the other
        counted = collections.Counter(p["stage"] for p in results)
        money = collections.defaultdict(D)
        for p in results:
            money[p["stage"]] += D(p.get("amount_total", "0"))
        self.counts("counted projects by stage", counted, {s: r["projects"] for s, r in said.items() if r["projects"]})
        self.counts("amounts by stage", money, {s: D(r["amount_total"]) for s, r in said.items() if r.get("amount_total")})
        offices = {o["code"]: o for o in self.y.rows("office", "list")}
        self.counts("live projects by office", collections.Counter(p["office"] for p in ours.values() if live(p)),
                    {o: r["projects"] for o, r in offices.items() if r.get("projects")})
        self.figures["all projects"] = f"{len(ours)}, {sum(amounts.values()) / 10**8:.2f} 亿元, by stage {dict(sorted(by_stage.items()))}"

    def stages(self):
        """A judged stage counts from the day of its approval."""
        steps = collections.defaultdict(list)
        for s in self.m.of("step").values():
            steps[s["project"]].append(s)
            if s["state"] == "approved":
                self.same(f"step of {s['no']} {s['stage']} counted_on", self.m.day_of(s, "state", "approved"), s["counted_on"])
        counted = collections.Counter()
        for project, p in self.m.of("project").items():
            reached = [(e["changes"]["stage"][1], local_day(e["at"])) for e in p.seen if "stage" in e["changes"]]
            said = [s for s in self.y.rows("stage", "list", project)]
            self.same(f"stages of {p['no']}", [s for s, _ in reached], [s["stage"] for s in said])
            self.same(f"days of {p['no']}", [d for _, d in reached], [s["reached_on"] for s in said])
            self.same(f"approved of {p['no']}", sorted(s["stage"] for s in steps[project] if s["state"] == "approved"),
                      sorted(s["stage"] for s in said if s["state"] == "approved"))
            counted.update(s["stage"] for s in said if s.get("counted_on"))
            for s in said:
                if s["stage"] in JUDGED and s["state"] == "recorded" and s["stage"] != reached[0][0]:
                    before = [x["stage"] for x in said[:said.index(s)]]
                    self.same(f"{p['no']} {s['stage']} judged", True, s["stage"] in before)
        self.counts("stages that count", collections.Counter(s["stage"] for s in self.m.of("step").values() if s["state"] == "approved"), counted)

    def money(self):
        theirs = collections.defaultdict(D)
        for a in self.y.rows("arrival", "list", "state=approved"):
            theirs[a["project"]] += D(a["amount_arrived"])
        self.counts("money arrived, by project", self.m.arrived(), theirs)
        for a in self.m.of("arrival").values():
            if a["state"] == "approved":
                self.same(f"arrival of {a['no']} counted_on", self.m.day_of(a, "state", "approved"), a["counted_on"])

    def matters(self):
        days_off = {d["day"]: d["kind"] == "off" for year in {self.y.start.year, self.y.start.year + 1, self.y.start.year + 2}
                    for d in self.y.rows("calendar", "list", str(year)) if d["kind"] in ("off", "work")}
        ours, theirs = self.m.of("matter"), self.rows("matter")
        for id, m in ours.items():
            issued = m.seen[0]
            if "days" in issued["changes"] and not m.get("extensions"):
                self.same(f"matter {id} due", self.m.workdays(days_off, local_day(issued["at"]), int(m["days"])), m["due_on"])
            if "signed_at" in m:
                minutes = (instant(m["signed_at"]) - instant(m["issued_at"])).total_seconds() // 60
                self.same(f"matter {id} minutes to sign", int(minutes), theirs[id].get("sign_minutes"))
            light = self.m.light(m, self.today)
            self.same(f"matter {id} light ({m['class']}, {m['state']}, due {m['due_on']})", light, theirs[id]["light"])
            told = MATTER_CLOCK[m["class"]][3]
            if m["state"] in ("issued", "signed", "working"):
                want = m.get("superior") if LIGHTS.index(light) >= LIGHTS.index(told) else None
                self.same(f"matter {id} escalated to", want, theirs[id].get("escalated_to"))
        for field in ["state", "class", "office", "light"]:
            tally = collections.Counter(m[field] for m in ours.values())
            self.counts(f"matters by {field}", tally, {v: len(self.y.rows("matter", "list", f"{field}={v}")) for v in tally})
        overdue = sorted(id for id, m in ours.items() if m["state"] in ("issued", "signed", "working") and m["due_on"] < self.today)
        self.same("overdue matters", overdue, sorted(r["id"] for r in self.y.rows("matter", "list", "state=issued,signed,working", f"due_on<{self.today}")))
        self.figures["overdue matters"] = len(overdue)
        signs = [int(m["sign_minutes"]) for m in ours.values() if "sign_minutes" in m]
        self.figures["minutes to sign"] = f"{len(signs)} matters, {sum(signs) // max(1, len(signs))} on average"

    def cases(self):
        ours = self.m.of("case")
        for field in ["class", "state", "ruling"]:
            tally = collections.Counter(c[field] for c in ours.values() if field in c)
            self.counts(f"cases by {field}", tally, {v: len(self.y.rows("case", "list", f"{field}={v}")) for v in tally})
        for id, c in ours.items():
            if c["state"] not in ("in_force", "rejected"):
                continue
            self.same(f"case {id} ends", "rejected" if c["ruling"] in REFUSING else "in_force", c["state"])
            wait = OBJECTIONS.get(c["class"], 0)
            due = datetime.date.fromisoformat(local_day(c["decided_at"])) + datetime.timedelta(wait + 1 if wait else 0)
            self.same(f"case {id} not in force before its time", True, local_day(c["in_force_at"]) >= str(due))
            if c["ruling"] in ("merge", "joint", "reject_later", "exit") and c["state"] == "in_force":
                stays, gone = self.m.survivor(c) if "other_project" in c else (None, c["project"])
                self.same(f"case {id}: {gone} is gone", "exited", self.rows("project")[gone]["stage"])
                into = self.m.of("project")[stays]["no"] if c["ruling"] in ("merge", "joint") else None
                self.same(f"case {id}: {gone} points to", into, self.rows("project")[gone].get("merged_into"))
                if into:
                    self.same(f"case {id}: nothing is left with {gone}", [], [r["id"] for kind in ("activity", "matter", "arrival", "evidence")
                                                                             for r in self.rows(kind).values() if r.get("project") == gone])
        gone = [p for p in self.m.of("project").values() if p["stage"] == "exited"]
        self.figures["exited"] = f"{len(gone)}, of them merged {sum(1 for p in gone if 'merged_into' in p)}"
        self.counts("credit in percent", {k: v[1] for k, v in self.m.shares().items()},
                    {(s["project"], s["class"], s["indicator"]): s["percent"] for s in self.rows("share").values()})
        for key, (office, _) in self.m.shares().items():
            self.same(f"credit of {key}", [office], [s["office"] for s in self.rows("share").values() if (s["project"], s["class"], s["indicator"]) == key])
        self.same("rewards of cases in force", sorted(id for id, c in ours.items() if c["state"] == "in_force" and c["class"] in ("reward", "accountability")),
                  sorted(r["of"] for r in self.rows("reward").values()))

    def plots(self):
        free = collections.defaultdict(D)
        for p in self.m.of("plot").values():
            free[p["park"], p["state"]] += D(p.get("area_mu", "0"))
        said = {(r["park"], state): D(r[f"{state}_mu"]) for r in self.y.rows("park", "state") for state in ("free", "reserved", "taken", "idle") if f"{state}_mu" in r}
        self.counts("areas of plots by park and state", {k: v for k, v in free.items() if v}, said)

    def inspections(self):
        for round in self.m.of("round"):
            sums = collections.defaultdict(list)
            for i in self.m.of("inspection").values():
                if i["round"] == round and "marks" in i:
                    sums[i["office"]].append(self.m.mark(i))
                    self.same(f"score of {i['office']}", self.m.mark(i), i["score"])
                    self.same(f"{i['inspector']} scores another", True, i["inspector"] != i["office"])
            for r in self.y.rows("inspection", "results", round):
                self.same(f"scored of {r['office']}", len(sums[r["office"]]), r.get("scored", 0))
                if sums[r["office"]]:
                    self.same(f"sum of {r['office']}", sum(sums[r["office"]]), r["score_sum"])
            self.figures["scores of inspections"] = sum(map(len, sums.values()))

    def returns(self):
        for r in self.m.of("return").values():
            for field, count in self.m.at_filing(r.seen[0]).items():
                self.same(f"return {r['period']} of {r['office']} {field}", count, r.get(field, 0))
            self.same(f"return {r['period']} of {r['office']} state", "late" if r["filed_on"] > r["due_on"] else "filed", r["state"])
        self.figures["returns"] = dict(collections.Counter(r["state"] for r in self.m.of("return").values()))

    def lights(self):
        """The dispatch board against the alerts the feed told of."""
        tally = collections.Counter((a["office"], a["light"]) for a in self.m.of("alert").values() if a["state"] == "open")
        board = {(r["office"], light): r.get(light, 0) for r in self.y.rows("dispatch") for light in ("red", "yellow", "blue") if r.get(light)}
        self.counts("lights by office", tally, board)


def compare(m, y):
    """What differs, as lines; and the figures that were compared."""
    c = Comparison(m, y)
    for kind in LISTS:
        c.every_row(kind)
    for part in [c.projects, c.stages, c.money, c.matters, c.cases, c.plots, c.inspections, c.returns, c.lights]:
        part()
    return c.differ, c.figures
