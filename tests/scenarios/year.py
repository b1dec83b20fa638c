# SPDX-License-Identifier: Apache-2.0
"""A year of a county: offices register, talk, sign, build; matters go round, cases are decided, meetings and an inspection round are
held. Everything by the command line, on the development clock. Then model.py, which has seen nothing but the lines of one
`qipan watch`, says what every list must show.

`/usr/bin/python3 tests/scenarios/year.py [--projects 200] [--offices 12] [--days 7] [--seed N]` plays it and prints the figures.

What lives is a generator: it does what is due and yields the days until it goes on. Each has random numbers of its own, so that a seed
repeats the year whoever of them comes first."""
import argparse
import collections
import concurrent.futures
import datetime
import json
import pathlib
import random
import re
import subprocess
import sys
import threading
import time
import zoneinfo

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
import model  # noqa: E402
from conftest import SLOW, TOP, County  # noqa: E402

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
PLACES = ["chengguan", "jingkai", "dongshan", "beihe", "nanling", "fagai", "ziran", "gongxin", "shuju"]  # that have projects
COUNTY = ["bureau", "duban", "leader"]
TRADES = ["C13", "C14", "C26", "C29", "C33", "C35", "C36", "C38", "C39", "I65", "A01", "G59"]
REGIONS = ["江苏省", "浙江省", "福建省", "广东省", "上海市"]
METHODS = ["business", "chain", "station", "fair", "fund", "agency"]
MATTERS = ["assignment", "order", "guarantee", "request", "help", "decision", "finding", "interview"]


class Year:
    def __init__(self, county, projects, offices, days, seed):
        self.county, self.projects, self.days, self.seed = county, projects, days, seed
        self.offices = PLACES[:offices - len(COUNTY)]
        self.lives, self.born, self.numbers = [], collections.deque(), collections.Counter()
        self.calls, self.lock = 0, threading.Lock()
        self.start = None
        self.files = county.dir / "files"
        self.files.mkdir()

    # ---- the command line

    def do(self, who, *words):
        """Runs a command that must succeed; what it answers."""
        with self.lock:
            self.calls += 1
        return self.county.qipan(who, *words, "-o", "json", ok=True).json

    def no(self, who, code, *words):
        """Runs a command that must be refused so."""
        with self.lock:
            self.calls += 1
        return self.county.qipan(who, *words, "-o", "json", ok=code).error

    def rows(self, *words, who="leader"):
        return self.county.qipan(who, *words, "-o", "jsonl", ok=True).lines

    def until(self, what, seconds=30):
        """Waits for what the registry does by itself."""
        end = time.monotonic() + seconds * SLOW
        while not (said := what()):
            assert time.monotonic() < end, "the registry did not do it in time"
            time.sleep(0.1)
        return said

    def file(self, who, project, *words):
        with self.lock:
            self.numbers["file"] += 1
            path = self.files / f"佐证{self.numbers['file']}.txt"
        path.write_text(f"第 {path.stem} 号佐证材料\n")
        return self.do(who, "evidence", "add", project, path, *words)["id"]

    # ---- days

    def begin(self):
        """The first day is today's; the clock goes on from there."""
        self.turn_to(0)
        self.start = self.today

    def turn_to(self, day):
        said = self.county._script("clock", f"+{day}d").strip()
        moment = datetime.datetime.fromisoformat(re.sub(r"([+-]\d\d)$", r"\1:00", said.splitlines()[-1]))
        self.day, self.today = day, moment.astimezone(ZONE).date()

    def on(self, days=0):
        return str(self.today + datetime.timedelta(days))

    def add(self, life, name, *how, after=0):
        """Begins after some days. The random numbers are its own."""
        rng = random.Random(f"{self.seed} {name}")
        self.born.append([self.day + after, name, life(self, rng, name, *how)])

    def play(self, last=364):
        with concurrent.futures.ThreadPoolExecutor(3) as hands:
            for day in range(0, last + 1, self.days):
                self.turn_to(day)
                self.lives += self.born
                self.born.clear()
                due = [life for life in self.lives if life[0] <= day]
                list(hands.map(self.go_on, due))
                self.lives = [life for life in self.lives if life[0] is not None]

    def go_on(self, life):
        try:
            life[0] = self.day + next(life[2])
        except StopIteration:
            life[0] = None
        except Exception as e:
            raise AssertionError(f"day {self.day}, {life[1]}: {e}") from e


# ---- projects

def register(y, rng, name, office, *more, stage="lead"):
    total = rng.randint(20, 900) * 100
    return y.do(office, "project", "add", f"name={name}", f"investor={name}投资有限公司", f"stage={stage}", f"industry={rng.choice(TRADES)}",
                f"region={rng.choice(REGIONS)}", f"method={rng.choice(METHODS)}", f"amount_total={total}万", f"amount_fixed={total * 8 // 10}万",
                f"land_mu={rng.randint(10, 200)}", f"lead_person={office}牵头人", *more)["id"]


def talk(y, rng, project, office):
    y.do(office, "activity", "add", f"project={project}", f"class={rng.choice(['talk', 'visit', 'trip', 'call'])}", f"held_on={y.on()}",
         f"result=第{y.day}天商谈", "next_step=再谈", f"next_on={y.on(14)}")


def reach(y, rng, project, office, stage, judged):
    """To a stage that may have to be approved: on a file, by the bureau; now and then first without it, or with a refusal."""
    y.do(office, "project", "advance", project, stage)
    if not judged:
        return
    if rng.random() < 0.2:
        assert "evidence" in json.dumps(y.no("bureau", 7, "stage", "approve", project, "--stage", stage))
    y.file(office, project, f"stage={stage}")
    if rng.random() < 0.1:
        y.do("bureau", "stage", "reject", project, "--stage", stage, "--reason", "材料不清")
    if rng.random() < 0.9:
        y.do("bureau", "stage", "approve", project, "--stage", stage)


def arrive(y, rng, project, office):
    """Money, with its voucher; most is approved, some waits, some is refused or taken back."""
    made = y.do(office, "arrival", "add", f"project={project}", f"amount_arrived={rng.randint(100, 2000)}.{rng.randint(10, 99)}万", f"arrived_on={y.on()}",
                f"class={rng.choice(['fixed', 'equipment', 'land', 'capital'])}", f"origin={rng.choice(['province_outside', 'city_outside', 'own'])}",
                f"voucher={rng.randint(1, 10**7):07}")["id"]
    fate = rng.random()
    if fate < 0.1:
        return made
    y.file(office, project, f"of={made}")
    if fate < 0.8:
        y.do("bureau", "arrival", "approve", made)
    elif fate < 0.9:
        y.do("bureau", "arrival", "reject", made, "--reason", "凭证与金额不符")
    else:
        y.do("bureau", "arrival", "approve", made)
        y.do("bureau", "arrival", "withdraw", made, "--reason", "重复入账")
    return made


ROAD = [("intent", 15, 30, False), ("talks", 15, 30, False), ("signed", 20, 40, True), ("landed", 10, 30, False), ("started", 15, 40, True),
        ("completed", 40, 90, False), ("producing", 10, 30, True), ("full", 20, 40, False)]


def project(y, rng, name, office):
    """From an idea or a lead as far as it comes."""
    last = rng.choice([1, 2, 3, 3, 4, 5, 6, 7, 8, 8, 8])
    if rng.random() < 0.3:
        p = y.do("bureau", "project", "add", f"name={name}", "stage=concept", f"office={office}", f"industry={rng.choice(TRADES)}",
                 f"amount_total={rng.randint(20, 900) * 100}万")["id"]
        yield rng.randint(10, 40)
        if y.do(office, "project", "edit", p, f"investor={name}投资有限公司")["stage"] == "concept":
            y.do(office, "project", "advance", p, "lead")
    else:
        p = register(y, rng, name, office, f"class={rng.choice(['industrial', 'industrial', 'agricultural', 'service', 'commercial', 'infrastructure'])}")
    for stage, least, most, judged in ROAD[:last]:
        yield rng.randint(least, most)
        if rng.random() < 0.5:
            talk(y, rng, p, office)
        if stage == "signed" and rng.random() < 0.3:
            yield from admission(y, rng, p, office)
        reach(y, rng, p, office, stage, judged)
        if stage in ("landed", "started", "completed", "producing"):
            arrive(y, rng, p, office)
        if stage == "landed":
            y.add(plot, f"{name}用地", p)
            y.add(land, f"{name}征地", p, office)
        if stage == "started" and rng.random() < 0.3:
            y.do(office, "project", "edit", p, f"amount_total={rng.randint(900, 1200) * 100}万", "--reason", "追加投资")
        if rng.random() < 0.4:
            kind = rng.choice(MATTERS)
            y.add(matter, f"{name}事项{stage}", kind, p, office, after=rng.randint(1, 10))
    if last < 8 and rng.random() < 0.2:
        yield rng.randint(10, 30)
        y.do(office, "project", "advance", p, "suspended", "--reason", "投资方内部调整")
        if rng.random() < 0.5:
            yield rng.randint(20, 40)
            y.do(office, "project", "advance", p, ROAD[last - 1][0])


def plot(y, rng, name, p):
    """A plot is reserved, then taken; some stand idle."""
    made = y.do("bureau", "plot", "add", f"park={rng.choice(['jingkai', 'wuliu', 'dongnong'])}", f"name={name[-12:]}", "class=地块",
                f"area_mu={rng.randint(5, 300)}.{rng.choice([0, 25, 5])}", "office=jingkai")["id"]
    fate = rng.random()
    if fate < 0.8:
        y.do("bureau", "plot", "assign", made, p, *(["--reserve"] if fate < 0.5 else []), "--force", "--reason", "专题会议同意")
        yield rng.randint(20, 60)
        if fate < 0.3:
            y.do("bureau", "plot", "assign", made, p, "--force", "--reason", "正式供地")
        elif fate < 0.4:
            y.do("bureau", "plot", "free", made)
    elif fate < 0.9:
        y.do("bureau", "plot", "idle", made, "--on", y.on()[:7], "--reason", "企业停产")


def land(y, rng, name, p, office):
    made = y.do(office, "land", "add", f"project={p}", f"area_mu={rng.randint(5, 100)}", f"households={rng.randint(1, 60)}", f"due_on={y.on(60)}")["id"]
    yield rng.randint(15, 40)
    y.do(office, "land", "edit", made, "state=blocked", "blocker=补偿标准未谈妥")
    yield rng.randint(15, 40)
    if rng.random() < 0.7:
        y.do(office, "land", "edit", made, "state=cleared", "blocker=", f"done_on={y.on()}")


# ---- matters

def matter(y, rng, name, kind, p=None, near=None):
    """Issued to an office; what becomes of it in one of eight ways."""
    issuer = rng.choice(["bureau", "duban"])
    if kind in ("guarantee", "request", "help") and near in y.offices:
        issuer = near
    office = rng.choice([o for o in y.offices if o != issuer])
    words = [f"project={p}"] if p else []
    if rng.random() < 0.5:
        words.append(f"days={rng.randint(2, 25)}")
    if rng.random() < 0.3:
        words.append("superior=leader")
    m = y.do(issuer, "matter", "add", f"class={kind}", f"office={office}", f"subject={name}", *words)["id"]
    yield rng.randint(1, 10)
    fate = rng.choice(["closed", "closed", "closed", "returned", "late", "unsigned", "extended", "withdrawn", "split", "reported"])
    if fate == "unsigned":
        return
    if fate == "withdrawn":
        y.do(issuer, "matter", "withdraw", m, "--reason", "情况变化")
        return
    if fate == "extended" and y.do("leader", "matter", "show", m)["due_on"] > y.on():
        y.do(office, "matter", "extend", m, y.on(60), "--reason", "等评估结果")
        y.do(issuer, "matter", *(["grant", m] if rng.random() < 0.6 else ["refuse", m, "--reason", "按期办结"]))
    y.do(office, "matter", "sign", m)
    if fate == "late":
        yield rng.randint(20, 90)
    if fate == "split":
        others = rng.sample([o for o in y.offices if o not in (office, issuer)], 2)
        y.do(issuer, "matter", "split", m, *others)
        yield rng.randint(5, 20)
        for part in y.rows("matter", "list", f"whole={m}"):
            y.do(part["office"], "matter", "sign", part["id"])
            y.do(part["office"], "matter", "report", part["id"], "部分办结")
            y.do(part["issuer"], "matter", "close", part["id"])
    if rng.random() < 0.5:
        y.do(office, "matter", "start", m)
        yield rng.randint(1, 10)
    y.no(office, 8, "matter", "close", m) if fate == "returned" else None
    y.do(office, "matter", "report", m, f"第{y.day}天办结")
    if fate == "returned":
        y.do(issuer, "matter", "return", m, "--reason", "材料不全")
        yield rng.randint(2, 20)
        y.do(office, "matter", "report", m, "已补正")
    if fate != "reported":
        y.do(issuer, "matter", "close", m, *(["--satisfaction", rng.randint(1, 5)] if kind == "request" else []))


# ---- cases

def opinions(y, case, *offices):
    y.do("bureau", "case", "ask", case, *offices)
    for office in offices:
        y.do(office, "case", "opine", case, "agree")


def comes(y, case):
    """Objections have their days; then time puts it in force."""
    y.until(lambda: y.do("leader", "case", "show", case)["state"] in ("in_force", "rejected"))


def admission(y, rng, p, office):
    """Opens the next stage, unless that is behind signing."""
    case = y.do(office, "case", "add", "class=admission", f"project={p}", f"energy_kgce={rng.randint(50, 700)}", "environment=form")["id"]
    y.no("bureau", 7, "case", "decide", case, "admit", "--reason", "跳过程序")
    y.do("bureau", "case", "step", case)
    yield rng.randint(3, 10)
    opinions(y, case, *rng.sample([o for o in y.offices if o != office], 2))
    y.do("bureau", "case", "step", case)
    y.do(office, "case", "refresh", case)
    limited = any(f.get("limit") and f["met"] != "✓" for f in y.do("leader", "case", "facts", case))
    decide = ["case", "decide", case, rng.choice(["admit", "admit_conditions", "refuse"]), "--reason", "评审意见一致"]
    if limited and "admit" in decide:
        y.no("leader", 7, *decide)
        decide += ["--exception", "县政府常务会议同意"]
    y.do("leader", *decide)


def admitted(y, rng, name, office):
    p = register(y, rng, name, office)
    yield rng.randint(5, 20)
    reach(y, rng, p, office, "intent", False)
    yield from admission(y, rng, p, office)


def duplicate(y, rng, name, one, other, ruling):
    """Two offices have the same firm's project under two names."""
    a = register(y, rng, f"{name}甲", one)
    b = register(y, rng, f"{name}乙号基地", other)
    talk(y, rng, b, other)
    yield rng.randint(10, 30)
    case = y.do(other, "case", "add", "class=duplicate", f"project={b}", f"other_project={a}")["id"]
    y.do("bureau", "case", "step", case)
    opinions(y, case, rng.choice([o for o in y.offices if o not in (one, other)]))
    y.do("bureau", "case", "step", case)
    yield rng.randint(1, 10)
    y.do("bureau", "case", "decide", case, ruling, "--reason", "研判为同一投资方")
    yield 10
    comes(y, case)


def transfer(y, rng, name, one, other):
    p = register(y, rng, name, one, stage="talks")
    yield rng.randint(20, 40)
    case = y.do(one, "case", "add", "class=transfer", f"project={p}", f"other_office={other}", "subject=用地在园区")["id"]
    y.do(other, "case", "opine", case, "agree")
    y.do(one, "case", "step", case)
    opinions(y, case, rng.choice([o for o in y.offices if o not in (one, other)]))
    y.do("bureau", "case", "step", case)
    yield rng.randint(3, 10)
    y.do("leader", "case", "decide", case, "transfer", "--reason", "双方同意")
    y.no(one, 8, "project", "edit", p, "jobs=1")
    yield 20
    reach(y, rng, p, other, "signed", True)


def leaving(y, rng, name, office, ruling):
    """Nobody heard of it: warned, noticed, decided."""
    p = register(y, rng, name, office, stage="talks")
    yield rng.randint(60, 90)
    case = y.do("duban", "case", "add", "class=exit", f"project={p}", "subject=长期无进展")["id"]
    y.no("bureau", 7, "case", "step", case)
    yield 32
    y.do("bureau", "case", "step", case)
    yield 17
    opinions(y, case, rng.choice([o for o in y.offices if o != office]))
    y.do("bureau", "case", "step", case)
    y.do("leader", "case", "decide", case, ruling, "--reason", "公示无异议")
    yield 15
    comes(y, case)


def accountability(y, rng, name, office):
    case = y.do("duban", "case", "add", "class=accountability", f"other_office={office}", f"subject={name}")["id"]
    for _ in range(2):
        yield 8
        y.do("duban", "case", "step", case)
    y.do("duban", "case", "step", case)
    ruling = rng.choice(["criticise", "penalise", "no_action"])
    y.do("leader", "case", "decide", case, ruling, "--reason", "依程序", *(["--points", "3"] if ruling == "penalise" else []))
    yield 8
    comes(y, case)


def reward(y, rng, name, office):
    case = y.do("duban", "case", "add", "class=reward", f"other_office={office}", f"subject={name}", "person=牵头人")["id"]
    y.do("duban", "case", "step", case)
    opinions(y, case, rng.choice([o for o in y.offices if o != office]))
    y.do("bureau", "case", "step", case)
    yield rng.randint(1, 5)
    y.do("bureau", "case", "decide", case, "reward", "--reason", "首季开门红", "--points", "5", "--amount-reward", "2万")
    yield 8
    comes(y, case)


def recognition(y, rng, name, office):
    """Money counts by a case: on evidence, decided by a named person."""
    p = register(y, rng, name, office, stage="talks")
    yield 20
    reach(y, rng, p, office, "signed", False)
    money = y.do(office, "arrival", "add", f"project={p}", "amount_arrived=1234.56万", f"arrived_on={y.on()}", "class=fixed", "origin=own", "voucher=1")["id"]
    y.file(office, p, f"of={money}")
    case = y.do(office, "case", "add", "class=recognition", f"project={p}", f"of={money}")["id"]
    y.file(office, p, f"of={case}")
    y.do(office, "case", "step", case)
    y.do("bureau", "case", "step", case)
    y.do("leader", "case", "decide", case, "recognise", "--reason", "凭证齐全")
    yield 10
    comes(y, case)


# ---- meetings, inspections, returns

def meetings(y, rng, name):
    """Each opens with what the one before left."""
    meeting = y.do("bureau", "meeting", "add", "class=regular", f"held_on={y.on()}", "chair=张县长", f"name={name}")["id"]
    for turn in range(9):
        y.do("bureau", "meeting", "draw", meeting)
        item = y.do("bureau", "meeting", "item", f"meeting={meeting}", f"subject=第{turn + 1}次会议安排", f"office={rng.choice(y.offices)}")["id"]
        y.do("bureau", "meeting", "hold", meeting)
        y.do("bureau", "meeting", "decide", item, f"落实第{turn + 1}次会议安排", "--office", rng.choice(y.offices), "--due-on", y.on(rng.randint(10, 50)))
        y.do("bureau", "meeting", "close", meeting)
        yield 35
        meeting = y.do("bureau", "meeting", "next", meeting, "--on", y.on())["id"]


def inspections(y, rng, name):
    projects = y.rows("project", "list", "--filter", "stage=signed,landed,started,completed")
    offices = sorted(y.offices)[:7]
    made = y.do("duban", "inspection", "round", f"name={name}", "class=mutual", f"begin_on={y.on()}", f"until_on={y.on(30)}", f"offices={','.join(offices)}")["id"]
    for office in offices:
        for p in [p for p in projects if p["office"] == office][:2]:
            y.do(office, "inspection", "nominate", f"round={made}", f"project={p['id']}")
    y.do("duban", "inspection", "draw", made, "--seed", f"{y.seed}")
    yield 15
    for i in y.rows("inspection", "list", f"round={made}"):
        if rng.random() < 0.9:
            y.do(i["inspector"], "inspection", "score", i["id"], *(f"{c}={rng.randint(50, 100)}" for c in ["progress", "evidence", "service", "site"]),
                 *(["--finding", "台账不全"] if rng.random() < 0.5 else []))
    for i in y.rows("inspection", "list", f"round={made}", "state=scored"):
        if i.get("finding") and rng.random() < 0.5:
            y.do("duban", "inspection", "close", i["id"], "--due-on", y.on(20))


def returns(y, rng, name, office):
    """The five lists, each month; some late, some never."""
    for _ in range(10):
        month = y.on()[:7]
        yield max(0, 22 - int(y.on()[8:]))
        fate = rng.random()
        if fate < 0.8:
            if y.on()[:7] == month and int(y.on()[8:]) < 20:
                yield 10
            y.do(office, "return", "file", month)
        yield 30


def people(y, rng, name):
    """Late in the year somebody leaves and an office is renamed."""
    yield 300
    giver = y.offices[0]
    y.do("bureau", "account", "handover", giver, "bureau", "--reason", "工作调动")
    y.do("bureau", "office", "rename", y.offices[1], "棋山高新技术产业开发区", "--on", y.on(), "--note", "县编办文件")


# ---- the whole

def clerks(county, offices):
    """Offices of the demo county that nobody there has a certificate of, get a clerk: by the two officers."""
    from steps import certificate_of
    settings = pathlib.Path(county.env["QIPAN_CONFIG"])
    begin = re.search(r"\[context chengguan\]\n(.*?)(?=\n\n|\Z)", settings.read_text(), re.S)[1]
    for office in offices:
        if office in county.contexts:
            continue
        certificate_of(county, office)
        do = lambda who, *words: county.qipan(who, *words, ok=True)  # noqa: E731
        do("sysadmin", "account", "add", office, f"name={office}经办人", f"office={office}")
        do("secadmin", "account", "grant", office, "clerk", "--office", office)
        do("sysadmin", "cert", "map", f"qipan:person:{office}", office)
        do("secadmin", "cert", "approve", f"qipan:person:{office}", office)
        with settings.open("a") as f:
            f.write(f"\n[context {office}]\n" + begin.replace("chengguan.pem", f"{office}.pem").replace("chengguan.key", f"{office}.key") + "\n")
        county.contexts.append(office)


def cast(y):
    """Who plays: most projects go their way, some are there for a case."""
    rng = random.Random(f"{y.seed} cast")
    special = 0
    pairs = max(1, y.projects // 100)
    for n in range(pairs):
        for ruling in ["merge", "keep_both", "joint", "reject_later"]:
            y.add(duplicate, f"重报{ruling}{n}", *rng.sample(y.offices, 2), ruling, after=rng.randint(5, 150))
            special += 2
        y.add(transfer, f"流转{n}", *rng.sample(y.offices, 2), after=rng.randint(5, 200))
        y.add(leaving, f"久谈未果{n}", rng.choice(y.offices), "exit", after=rng.randint(5, 100))
        y.add(leaving, f"久谈未果又谈{n}", rng.choice(y.offices), "retain", after=rng.randint(5, 100))
        y.add(recognition, f"认定{n}", rng.choice(y.offices), after=rng.randint(5, 200))
        y.add(admitted, f"准入{n}", rng.choice(y.offices), after=rng.randint(5, 200))
        special += 5
        y.add(accountability, f"多次逾期{n}", rng.choice(y.offices), after=rng.randint(100, 250))
        y.add(reward, f"首季开门红{n}", rng.choice(y.offices), after=rng.randint(60, 250))
    for n in range(max(0, y.projects - special)):
        y.add(project, f"{rng.choice(['新能源', '食品', '机械', '电子', '物流', '化工'])}{rng.choice(['产业园', '基地', '工厂', '中心'])}{n}号", rng.choice(y.offices),
              after=rng.randint(0, 150))
    for kind in MATTERS:
        y.add(matter, f"全县{kind}", kind, None, rng.choice(y.offices), after=rng.randint(5, 250))
    y.add(meetings, "项目调度例会", after=20)
    y.add(inspections, "互查互看", after=210)
    for office in y.offices:
        y.add(returns, f"月报{office}", office)
    y.add(people, "人员变动")


def play(projects, offices, days, seed, say=print):
    """Plays a year on a county of its own; what the model and the lists disagree on, and the figures they agree on."""
    county = County("--bare")
    try:
        began = time.monotonic()
        county.up()
        y = Year(county, projects, offices, days, seed)
        clerks(county, y.offices)
        feed = county.dir / "feed.jsonl"
        with feed.open("w") as out:
            watch = subprocess.Popen(county._command("leader", ["watch", "--since", "0", "-o", "jsonl", "--echo"]), stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.PIPE, env=county._environment())
        county.children.append(watch)
        y.begin()
        cast(y)
        y.play()
        played = time.monotonic() - began
        differ, figures = y.until(lambda: settled(y, feed), 60)
        say(f"a year: {projects} projects, {offices} offices, seed {seed}: {y.calls} commands in {played:.0f} s, "
            f"{sum(1 for _ in feed.open())} lines of the feed, compared in {time.monotonic() - began - played:.0f} s")
        return differ, figures
    finally:
        county.down()


def settled(y, feed):
    """Model and lists, once the registry has done what time asks of it: when they differ twice alike."""
    last = getattr(y, "differed", None)
    differ, figures = model.compare(model.Model(feed.read_text().splitlines()), y)
    y.differed = differ
    return (differ, figures) if not differ or differ == last else time.sleep(3)


def main():
    p = argparse.ArgumentParser(description="plays a year of a county and recomputes every number")
    p.add_argument("--projects", type=int, default=200)
    p.add_argument("--offices", type=int, default=12)
    p.add_argument("--days", type=int, default=7, help="of a step of the clock")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    a = p.parse_args()
    differ, figures = play(a.projects, a.offices, a.days, a.seed)
    for name, value in figures.items():
        print(f"  {name}: {value}")
    for line in differ:
        print(f"DIFFERS {line}")
    print(f"{len(figures)} kinds of figures, {'all agree' if not differ else f'{len(differ)} differences'}")
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
