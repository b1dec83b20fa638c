# SPDX-License-Identifier: Apache-2.0
"""Every operation of proto/ops.def, for every role and every state of a row: what the rights say (the model below, written
from sql/README.md and asking nobody) against what is observed through the protocol, in SQL as the daemon's role, and in the
feed. An operation that is new there and has no line here fails. The table goes to build/rights-table.md."""
import collections
import itertools
import json
import os
import re
import time

import pytest
from conftest import BUILD, SLOW, County
from peer import OPS, Gone, Refused, pb
from steps import connect, new_account, set_role, texts, upload

# ---------------------------------------------------------------- the model

OWN, ALL = "own", "*"
RIGHTS = {
    "viewer": {"read": ALL, "restricted": OWN},
    "clerk": {"read": ALL, "restricted": OWN, "write": OWN, "import": OWN, "contact": OWN},
    "approver": {"read": ALL, "restricted": OWN, "contact": OWN, "approve": OWN},
    "importer": {"read": ALL, "restricted": OWN, "write": OWN, "import": OWN, "contact": OWN},
    "bureau": dict.fromkeys(("read", "restricted", "write", "import", "contact", "approve", "assign", "decide", "county"), ALL),
    "leader": {"read": ALL, "restricted": ALL, "assign": ALL, "decide": ALL},
    "supervisor": {"read": ALL, "assign": ALL},
    "sysadmin": {"accounts": ALL}, "secadmin": {"grants": ALL}, "auditor": {"audit": ALL},
}
BUREAU = "bureau"  # the office whose roles reach everywhere


class Subject:
    """held: roles in force today and tomorrow, midnight may pass. Rights are (word, office) pairs, office * = everywhere."""

    def __init__(self, code, office, *held, given=None, enabled=True):
        self.code, self.office, self.enabled = code, office, enabled
        self.given = given or [(role, place, None, None, None) for role, place in held]
        self.offices = {office, *(place for _, place in held if place)}  # where he belongs
        self.rights = set()
        for role, place in held if enabled else ():
            for word, scope in RIGHTS[role].items():
                self.rights.add((word, ALL if scope == ALL or place in (None, BUREAU) else place))

    def may(self, word, office=None):
        places = {place for right, place in self.rights if right == word}
        return bool(places) and (office is None or ALL in places or office in places)

    @property
    def officer(self):
        return any(self.may(word) for word in ("accounts", "grants", "audit"))

    def sees(self, row):
        return row is not None and (self.may("restricted", row.office) if row.restricted else self.may("read"))


SUBJECTS = [
    *(Subject(f"t.{role}", "chengguan", (role, "chengguan")) for role in ("viewer", "clerk", "approver", "importer")),
    *(Subject(f"t.b.{role}", BUREAU, (role, BUREAU)) for role in ("viewer", "clerk", "approver", "importer")),
    Subject("t.bureau", BUREAU, ("bureau", None)), Subject("t.leader", "leader", ("leader", None)),
    Subject("t.supervisor", "duban", ("supervisor", None)), Subject("t.sysadmin", "shuju", ("sysadmin", None)),
    Subject("t.secadmin", "shuju", ("secadmin", None)), Subject("t.auditor", "shuju", ("auditor", None)),
    Subject("t.none", "chengguan"),
    Subject("t.disabled", "chengguan", ("clerk", "chengguan"), enabled=False),
    Subject("t.deputy", "fagai", ("clerk", "chengguan"), given=[("clerk", "chengguan", 0, 1, "chengguan")]),
    Subject("t.early", "fagai", given=[("clerk", "chengguan", 2, 3, "chengguan")]),
    Subject("t.late", "fagai", given=[("clerk", "chengguan", -3, -1, "chengguan")]),
    Subject("t.two", "dongshan", ("viewer", "chengguan"), ("clerk", "dongshan")),
]
Row = collections.namedtuple("Row", "name office restricted id no rev due contact secret records")
DENIED, MISSING, DONE = "PERMISSION_DENIED", "NOT_FOUND", "OK"


def reading(s, row):
    return DENIED if not s.may("read") else DONE if s.sees(row) else MISSING


def writing(s, row):
    if not s.may("write"):
        return DENIED
    return MISSING if not s.sees(row) else DONE if s.may("write", row.office) else DENIED


def signing(s, row):  # what one may not see isn't in the revision
    return {MISSING: "INVALID_ARGUMENT"}.get(reading(s, row), reading(s, row))


def watching(s, row=None, whole=False):
    return DENIED if not s.rights else DONE if whole or s.sees(row) else MISSING


def twin(s, row):  # the first report blocks, hidden or not
    return DENIED if not s.may("write", s.office) else "ALREADY_EXISTS" if row else DONE


def importing(s, office):
    return DONE if office and s.may("import", office) else MISSING


def right(word, office=None):
    return lambda s, *_: DONE if s.may(word, office) else DENIED


def officers(word, absent=False, me=False):
    return lambda s, *_: DENIED if not s.may(word) or me else MISSING if absent else DONE


VOUCHERS = itertools.count(1)  # two of one number, day and amount would be asked about
# Kinds of records that an office's clerk writes about any project he sees, as his own office's:
# kind: (message of a new one about a project with this text, message of a change of it)
RECORDS = {
    "activity": (lambda project, text: pb.Activity(project=project, held_on="2026-01-05", result=text, **{"class": "talk"}),
                 lambda text: pb.Activity(place=text)),
    "land": (lambda project, text: pb.Land(project=project, area_mu="10", note=text), lambda text: pb.Land(place=text)),
    "arrival": (lambda project, text: pb.Arrival(project=project, amount_arrived=500, arrived_on="2026-01-05", origin="own", voucher=f"{next(VOUCHERS)}", note=text, **{"class": "fixed"}),
                lambda text: pb.Arrival(payer=text)),
}


def new_milestone(project, text):
    return pb.Milestone(project=project, planned_on="2026-05", note=text, **{"class": "start"})


def new_stagedate(project, text=None, stage="signed"):
    return pb.Stagedate(project=project, stage=stage, dated_on="2026-01-05", basis=text)


def of_another(s, row):  # what only who began it goes on with
    return DENIED if not s.may("write") else DENIED if s.sees(row) else MISSING


def unless_done(expectation, code):  # asked for in a way that is refused with this code where it might have been done
    return lambda s, row: code if expectation(s, row) == DONE else expectation(s, row)


# Kinds that belong to no project: a new one, a change of one; the right it takes, in one's own office or (county) anywhere
FREE = {
    "enterprise": (lambda n: pb.Enterprise(name=f"表外企业{n}"), lambda n: pb.Enterprise(industry=f"C{13 + n % 29}"), "write"),
    "recognition": (lambda n: pb.Recognition(enterprise="表中企业", source="表", year=1990 + n % 100, **{"class": "gazelle"}),
                    lambda n: pb.Recognition(note=f"表{n}"), "write"),
    "station": (lambda n: pb.Station(name=f"表{n}", region="31", staff="某", from_on="2026"), lambda n: pb.Station(note=f"表{n}"), "write"),
    "valuechain": (lambda n: pb.Valuechain(name=f"表{n}"), lambda n: pb.Valuechain(note=f"表{n}"), "county"),
    "node": (lambda n: pb.Node(chain="表中链", name=f"表{n}", part="upstream"), lambda n: pb.Node(note=f"表{n}"), "county"),
    "alias": (lambda n: pb.Alias(word=f"表{n}", code="chengguan", **{"class": "office"}), lambda n: pb.Alias(word=f"表改{n}"), "county"),
    "profile": (lambda n: pb.Profile(name=f"表{n}", map="[columns]"), lambda n: pb.Profile(map=f"# {n}"), "import"),
}


def free_cells(at, seq):
    for kind, (new, change, word) in FREE.items():
        id = at.free[kind]
        may = lambda s, *_, word=word: right(word, None if word == "county" else s.office)(s)  # noqa: E731
        none = lambda s, *_, word=word: MISSING if s.may(word) else DENIED  # noqa: E731
        if kind != "recognition":  # one for each firm, class and year
            yield "enterprise_add" if kind == "enterprise" else f"{kind}_set", "new", lambda new=new: {"set": new(next(seq))}, may, None
        yield f"{kind}_set", "chengguan's", lambda id=id, change=change: {"id": id, "set": change(next(seq))}, right(word, "chengguan"), None
        yield f"{kind}_set", "absent", lambda change=change: {"id": "x0", "set": change(0)}, none, None
        yield f"{kind}_list", "-", dict, right("read"), None
        if kind != "valuechain":
            yield f"{kind}_show", "-", lambda id=id: {"id": id}, right("read"), None
    yield "chain_map", "-", lambda: {"id": at.free["valuechain"]}, right("read"), None
    yield "chain_map", "absent", lambda: {"id": "没有"}, lambda s, *_: MISSING if s.may("read") else DENIED, None
    yield "recognition_set", "of no firm", lambda: {"set": pb.Recognition(enterprise="没有", source="表", year=2000, **{"class": "gazelle"})}, (
        lambda s, *_: "INVALID_ARGUMENT" if s.may("write", s.office) else DENIED), None
    yield "recognition_withdraw", "withdrawn", lambda: {"id": at.withdrawn}, (
        lambda s, *_: "FAILED_PRECONDITION" if s.may("write", "chengguan") else DENIED), None
    for name in ("project_idle", "station_yield"):
        yield name, "-", dict, right("read"), None
    yield "profile_find", "absent", lambda: {"name": "没有"}, lambda s, *_: MISSING if s.may("import") else DENIED, None
    yield "project_pipeline", "-", dict, right("read"), None
    yield "project_counts", "-", lambda: {"by": "tag"}, right("read"), None
def approving(s, row):
    if not (s.may("approve") or s.may("decide")):
        return DENIED
    return MISSING if not s.sees(row) else DONE if s.may("approve", row.office) or s.may("decide", row.office) else DENIED


def recording(s, row):
    return DENIED if not s.may("write", s.office) else DONE if s.sees(row) else MISSING


# A matter of the row's office for the bureau. It is the bureau's work: none of its people reviews it.
WORKS = ("matter_sign", "matter_start", "matter_report", "matter_extend")
REVIEWS = ("matter_set", "matter_close", "matter_return", "matter_grant", "matter_refuse")


def matter_about(project, text, *helpers):
    return pb.Matter(project=project, office=BUREAU, subject=text, helpers=helpers, **{"class": "guarantee"})


def helper_of(row):  # of the row's matter "helped"; who helps must see its project
    return row.office if row.restricted else {"chengguan": "dongshan"}.get(row.office, "chengguan")


def signing_for(s, row):  # the lead office for the matter, a helping one for its part
    if (seen := reading(s, row)) != DONE:
        return seen
    works = any(o in s.offices and s.may("write", o) for o in (BUREAU, helper_of(row)))
    return "FAILED_PRECONDITION" if works else DENIED  # it was withdrawn


def showing_of_a_matter(s, row):
    if not s.may("write"):
        return DENIED
    helps = helper_of(row) in s.offices and s.may("write", helper_of(row))
    return MISSING if not s.sees(row) else DONE if helps or s.may("write", row.office) else DENIED


def matter_op(op, done=DONE):
    def expected(s, row):
        if (seen := reading(s, row)) != DONE:
            return seen
        performs = BUREAU in s.offices
        issues = row.office in s.offices and (s.may("write", row.office) or s.may("assign"))
        if op == "matter_withdraw":
            may = issues
        elif op in WORKS:
            may = performs and s.may("write", BUREAU)
        else:
            may = not performs and (issues or s.may("assign"))
        return done if may or op == "matter_split" and performs and s.may("write", BUREAU) else DENIED
    return expected


def matter_new(s, row):
    return DENIED if not (s.may("write") or s.may("assign")) else DONE if s.sees(row) else MISSING
def county(s, _):
    return MISSING if s.may("county") else DENIED


def convening(s, office):
    return DONE if s.may("assign") or s.may("write", office) else DENIED


def on_the_agenda(s, row):  # of the owner office's meeting, about the row
    if not (s.may("write") or s.may("assign")):
        return DENIED
    return convening(s, row.office) if s.sees(row) else MISSING


def meeting_cells(at, seq):
    for office, id in at.meetings.items():
        where = f"a meeting of {office}"
        may = lambda s, _, office=office: convening(s, office)  # noqa: E731
        yield "meeting_set", where, lambda id=id: {"id": id, "set": pb.Meeting(place=f"室{next(seq)}")}, may, None
        yield "meeting_draw", where, lambda id=id: {"id": id}, may, None
        yield "meeting_show", where, lambda id=id: {"id": id}, right("read"), None
        yield "meeting_hold", where, lambda id=id: {"id": id, "on": "2099-01-01"}, unless_done(may, "INVALID_ARGUMENT"), None
        for name in ("meeting_close", "meeting_next"):
            yield name, where, lambda id=id: {"id": id}, unless_done(may, "FAILED_PRECONDITION"), None
    yield "meeting_set", "new", lambda: {"set": pb.Meeting(held_on="2026-01-01", **{"class": "regular"})}, lambda s, _: convening(s, s.office), None
    yield "round_set", "new", lambda: {"set": pb.Round(name="表", begin_on="2026-01-01", until_on="2026-02-01", **{"class": "mutual"})}, right("assign"), None
    yield "inspection_draw", "a bad seed", lambda: {"id": at.rounds[0], "seed": "a b"}, unless_done(right("assign"), "INVALID_ARGUMENT"), None
    yield "round_close", "not drawn", lambda: {"id": at.rounds[0]}, unless_done(right("assign"), "FAILED_PRECONDITION"), None
    yield "round_results", "-", lambda: {"id": at.rounds[1]}, right("read"), None
    yield "inspection_show", "of chengguan", lambda: {"id": at.inspection}, right("read"), None
    yield "inspection_set", "of chengguan by duban", lambda: {"id": at.inspection, "set": pb.Inspection(finding=f"表{next(seq)}")}, right("write", "duban"), None
    yield "inspection_score", "of chengguan by duban", lambda: {"id": at.inspection, "marks": ["luck=1"]}, unless_done(right("write", "duban"), "INVALID_ARGUMENT"), None
    yield "inspection_close", "not scored", lambda: {"id": at.inspection}, unless_done(right("assign"), "FAILED_PRECONDITION"), None
    for name, more in {"office_rename": {"name": "新"}, "office_move": {"grp": "park"}, "office_merge": {"into": "fagai"}, "office_split": {"into": "fagai"}}.items():
        yield name, "an unknown office", lambda more=more: {"office": "nowhere", **more}, unless_done(right("county"), "INVALID_ARGUMENT"), None
    yield "office_cancel", "absent", lambda: {"id": ABSENT["p"]}, unless_done(right("county"), MISSING), None
    yield "account_handover", "to nobody", lambda: {"giver": "谁", "taker": "nobody"}, unless_done(right("approve"), "INVALID_ARGUMENT"), None
    yield "arrival_backdate", "absent", lambda: {"set": pb.Arrival(project=ABSENT["p"])}, unless_done(right("county"), MISSING), None
    for name in ("meeting_list", "agenda_list", "round_list", "inspection_list", "reform_list", "handover_list", "people_list"):
        yield name, "-", dict, right("read"), None


def handling(s, row):  # a case of the row's office: that office, or who gives tasks
    if s.sees(row):
        return DONE if s.may("assign") or s.may("write", row.office) else DENIED
    return MISSING if s.may("assign") or s.may("write") else DENIED


def opening(s, row):
    if not (s.may("write", s.office) or s.may("assign")):
        return DENIED
    return handling(s, row)


def seeing(word):  # who may do this may do it to whatever he sees
    return lambda s, row: DENIED if not s.may(word) else DONE if s.sees(row) else MISSING


def speaking(s, row):  # in the name of the row's office: of its people only
    if not s.may("write"):
        return DENIED
    return MISSING if not s.sees(row) else DONE if row.office in s.offices and s.may("write", row.office) else DENIED


def case_cells(row, name):
    """What the operations of cases say where they might be done is said with them: most are asked for in a way that is refused then."""
    case, opinion = (row.records["case"], row.records["opinion"]) if row else (ABSENT["p"], ABSENT["p"])
    pid = row.id if row else ABSENT["p"]
    yield "case_set", f"{name}, new", lambda: {"set": pb.Case(project=pid, **{"class": "admission"})}, unless_done(opening, "ALREADY_EXISTS"), row
    yield "case_set", name, lambda: {"id": case, "set": pb.Case(**{"class": "exit"})}, unless_done(handling, "INVALID_ARGUMENT"), row
    yield "case_step", name, lambda: {"id": case, "step": "review"}, unless_done(handling, "FAILED_PRECONDITION"), row
    yield "case_withdraw", name, lambda: {"id": case}, unless_done(handling, "INVALID_ARGUMENT"), row  # no reason
    yield "case_refresh", name, lambda: {"id": case}, handling, row
    yield "case_ask", name, lambda: {"id": case}, unless_done(seeing("assign"), "INVALID_ARGUMENT"), row  # nobody
    yield "case_decide", name, lambda: {"id": case, "ruling": "admit", "reason": "表"}, unless_done(seeing("decide"), "FAILED_PRECONDITION"), row
    yield "case_object", name, lambda: {"id": case, "reason": "表"}, unless_done(speaking, "FAILED_PRECONDITION"), row
    yield "opinion_give", name, lambda: {"id": opinion}, unless_done(speaking, "INVALID_ARGUMENT"), row  # no stance
    for op, id in (("case_show", case), ("case_facts", case), ("case_course", case), ("record_log", case), ("opinion_show", opinion)):
        yield op, name, lambda id=id: {"id": id}, reading, row
    for op in ("case_list", "opinion_list", "reward_list", "share_list"):
        yield op, f"{name}, by project", lambda: {"terms": [pb.Term(field="project", op="=", values=[pid])]}, right("read"), row
    if not row:
        for op in ("reward_show", "share_show"):
            yield op, name, lambda: {"id": ABSENT["p"]}, reading, row
        for op in ("case_pool", "case_proposals"):
            yield op, "-", dict, right("assign"), None
        yield "case_rank", "-", lambda: {"plot": "表"}, unless_done(right("read"), "NOT_FOUND"), None


ABSENT = {"p": "p00000000000000", "d": "d00000000000000", "i": "i00000000000000"}


def cells(at):
    """(operation, state of the row, request as it goes, what is expected of each subject). at: ids of the county."""
    rows = [*at.rows, None]
    seq = iter(range(10 ** 6))

    def outside():  # a name like no other
        n = next(seq)
        return f"{n}表外{n}"

    for row in rows:
        name, pid, due = (row.name, row.id, row.due) if row else ("absent", ABSENT["p"], ABSENT["d"])
        rev = row.rev if row else at.rows[0].rev
        project = lambda **f: lambda: {"set": pb.Project(**f)}  # noqa: E731
        yield "project_show", name, lambda pid=pid: {"id": pid}, reading, row
        yield "project_log", name, lambda pid=pid: {"id": pid}, reading, row
        yield "project_page", name, lambda pid=pid: {"id": pid}, reading, row
        yield "enterprise_brought", name, lambda pid=pid: {"id": pid}, reading, row
        link, gone = (row.records["link"], row.records["link gone"]) if row else (ABSENT["p"], ABSENT["p"])
        yield "link_show", name, lambda link=link: {"id": link}, reading, row
        yield "link_list", f"{name}, by project", lambda pid=pid: {"terms": [pb.Term(field="project", op="=", values=[pid])]}, right("read"), row
        yield "link_set", f"{name}, new", lambda pid=pid: {"set": pb.Link(project=pid, origin="没有", **{"class": "parent"})}, (
            unless_done(writing, "INVALID_ARGUMENT")), row
        yield "link_set", name, lambda link=link: {"id": link, "set": pb.Link(note=f"表{next(seq)}")}, writing, row
        yield "link_withdraw", name, lambda gone=gone: {"id": gone}, unless_done(writing, "FAILED_PRECONDITION"), row
        yield "project_edit", name, lambda pid=pid: {"id": pid, "set": pb.Project(jobs=next(seq))}, writing, row
        yield "project_advance", name, lambda pid=pid: {"id": pid, "stage": "talks"}, writing, row
        yield "due_set", f"{name}, new", lambda pid=pid: {"set": pb.Due(project=pid, text="表", due_at=4 * 10 ** 15)}, writing, row
        yield "due_set", name, lambda due=due: {"id": due, "set": pb.Due(text=f"表{next(seq)}")}, writing, row
        yield "due_clear", name, lambda due=due: {"id": due}, writing, row
        yield "due_list", name, lambda pid=pid: {"object": pid}, reading, row
        for kind, (new, change) in RECORDS.items():
            record = row.records[kind] if row else ABSENT["p"]
            yield f"{kind}_show", name, lambda record=record: {"id": record}, reading, row
            yield f"{kind}_set", f"{name}, new", lambda pid=pid, new=new: {"set": new(pid, "表")}, recording, row
            yield f"{kind}_set", name, lambda record=record, change=change: {"id": record, "set": change(f"表{next(seq)}")}, writing, row
            yield f"{kind}_list", f"{name}, by project", lambda pid=pid: {"terms": [pb.Term(field="project", op="=", values=[pid])]}, right("read"), row
            yield "record_log", f"{name}, {kind}", lambda record=record: {"id": record}, reading, row
        yield from case_cells(row, name)
        file, half = (row.records["evidence"], row.records["upload"]) if row else (ABSENT["p"], ABSENT["p"])
        yield "evidence_open", name, lambda pid=pid: {"set": pb.Evidence(project=pid, name="表.txt", media="txt", size=1, sha256="0" * 64)}, writing, row
        yield "evidence_put", name, lambda half=half: {"id": half, "chunk": 0, "data": b"x"}, of_another, row
        yield "evidence_close", name, lambda half=half: {"id": half}, of_another, row
        yield "evidence_show", name, lambda file=file: {"id": file}, reading, row
        yield "evidence_get", name, lambda file=file: {"id": file}, reading, row
        yield "evidence_withdraw", name, lambda file=file: {"id": file}, unless_done(writing, "INVALID_ARGUMENT"), row  # no reason
        yield "evidence_list", f"{name}, by project", lambda pid=pid: {"terms": [pb.Term(field="project", op="=", values=[pid])]}, right("read"), row
        matter, gone = (row.records["matter"], row.records["gone"]) if row else (ABSENT["p"],) * 2
        yield "matter_show", name, lambda matter=matter: {"id": matter}, reading, row
        yield "record_log", f"{name}, matter", lambda matter=matter: {"id": matter}, reading, row
        yield "matter_set", f"{name}, new", lambda pid=pid: {"set": matter_about(pid, "表")}, matter_new, row
        yield "matter_set", name, lambda matter=matter: {"id": matter, "set": pb.Matter(demand=f"表{next(seq)}")}, matter_op("matter_set"), row
        for op in (*WORKS, *REVIEWS[1:], "matter_withdraw", "matter_split"):  # of one that was withdrawn: who may is told so
            yield op, f"{name}, withdrawn", lambda gone=gone: {"id": gone}, matter_op(op, "FAILED_PRECONDITION"), row
        if row:
            yield "matter_sign", f"{name}, withdrawn, with a helper", lambda id=row.records["helped gone"]: {"id": id}, signing_for, row
            yield "evidence_open", f"{name}, of a matter with a helper", lambda id=row.records["helped"]: {
                "set": pb.Evidence(of=id, name="协.txt", media="txt", size=1, sha256="2" * 64)}, showing_of_a_matter, row
        item = row.records["agenda"] if row else ABSENT["p"]
        yield "project_backdate", name, lambda pid=pid: {"id": pid, "stage": "lead", "on": "1800"}, lambda s, row: (
            DENIED if not s.may("county") else "INVALID_ARGUMENT" if s.sees(row) else MISSING), row
        yield "agenda_set", name, lambda item=item: {"id": item, "set": pb.Agenda(subject=f"表{next(seq)}")}, on_the_agenda, row
        yield "meeting_decide", name, lambda item=item: {"id": item, "decision": "表"}, unless_done(on_the_agenda, "FAILED_PRECONDITION"), row  # not held
        yield "agenda_list", f"{name}, by project", lambda pid=pid: {"terms": [pb.Term(field="project", op="=", values=[pid])]}, right("read"), row
        yield "inspection_set", f"{name}, of no round", lambda pid=pid: {"set": pb.Inspection(round=ABSENT["p"], project=pid)}, unless_done(writing, MISSING), row
        for kind in ("protection", "alert"):
            record = row.records[kind] if row else ABSENT["p"]
            yield f"{kind}_show", name, lambda record=record: {"id": record}, reading, row
            yield f"{kind}_list", f"{name}, by project", lambda pid=pid: {"terms": [pb.Term(field="project", op="=", values=[pid])]}, right("read"), row
        yield "protection_renew", name, lambda pid=pid: {"project": pid}, unless_done(writing, "FAILED_PRECONDITION"), row  # nothing to renew it for
        step, arrival, milestone = (row.records[kind] if row else ABSENT["p"] for kind in ("step", "money", "milestone"))
        yield "stage_list", name, lambda pid=pid: {"project": pid}, reading, row
        yield "stage_approve", name, lambda step=step: {"id": step}, unless_done(approving, "FAILED_PRECONDITION"), row  # no evidence
        yield "stage_reject", name, lambda step=step: {"id": step}, unless_done(approving, "INVALID_ARGUMENT"), row  # no reason
        yield "stage_correct", name, lambda pid=pid: {"id": pid}, unless_done(writing, "INVALID_ARGUMENT"), row
        yield "arrival_approve", name, lambda arrival=arrival: {"id": arrival}, unless_done(approving, "FAILED_PRECONDITION"), row
        yield "arrival_reject", name, lambda arrival=arrival: {"id": arrival}, unless_done(approving, "INVALID_ARGUMENT"), row
        yield "arrival_withdraw", name, lambda arrival=arrival: {"id": arrival}, unless_done(writing, "INVALID_ARGUMENT"), row
        day = row.records["stagedate"] if row else ABSENT["p"]
        yield "stagedate_show", name, lambda day=day: {"id": day}, reading, row
        yield "stagedate_set", f"{name}, new", lambda pid=pid: {"set": new_stagedate(pid, stage="landed")}, unless_done(recording, "INVALID_ARGUMENT"), row  # no basis
        yield "stagedate_set", name, lambda day=day: {"id": day, "set": pb.Stagedate(basis=f"表{next(seq)}")}, writing, row
        yield "stagedate_list", f"{name}, by project", lambda pid=pid: {"terms": [pb.Term(field="project", op="=", values=[pid])]}, right("read"), row
        yield "milestone_show", name, lambda milestone=milestone: {"id": milestone}, reading, row
        yield "milestone_set", f"{name}, new", lambda pid=pid: {"set": new_milestone(pid, "表")}, writing, row
        yield "milestone_set", name, lambda milestone=milestone: {"id": milestone, "set": pb.Milestone(person=f"表{next(seq)}")}, writing, row
        yield "milestone_list", f"{name}, by project", lambda pid=pid: {"terms": [pb.Term(field="project", op="=", values=[pid])]}, right("read"), row
        yield "receipt_sign", name, lambda pid=pid, rev=rev: {"of_rev": rev, "object": pid}, signing, row
        yield "receipt_list", name, lambda pid=pid, rev=rev: {"of_rev": rev, "object": pid}, signing, row
        yield "watch", name, lambda pid=pid: {"terms": [pb.Term(field="project", op="=", values=[pid])]}, watching, row
        yield "project_list", f"{name}, by search", lambda name=name: {"search": f"表中{name}"}, right("read"), row
        yield "project_add", f"{name}, its twin", lambda name=name, row=row: {
            "set": pb.Project(name=f"表中{name}" if row else outside(), investor="表中公司", stage="lead")}, twin, row
    yield "batch_list", "-", dict, right("import"), None
    for office, import_id in (*at.imports.items(), (None, ABSENT["i"])):
        where = f"an import of {office}" if office else "absent"
        expected = lambda s, _, office=office: importing(s, office)  # noqa: E731
        if office:
            yield "import_open", where, lambda office=office: {"file_sha256": os.urandom(32), "office": office, "rows": 1}, right("import", office), None
            yield "project_add", f"for {office}", lambda office=office: {
                "set": pb.Project(name=outside(), investor="表外", stage="lead", office=office)}, right("write", office), None
        yield "import_put", where, lambda i=import_id: {"id": i, "chunk": 0, "rows": [pb.ImportRow(row=1, set=pb.Project(name="x"))]}, expected, None
        for name in ("import_judge", "import_verdicts", "import_commit", "batch_show"):
            yield name, where, lambda i=import_id: {"id": i}, expected, None
        yield "batch_revert", where, lambda i=import_id: {"id": i}, unless_done(expected, "INVALID_ARGUMENT"), None  # no reason
    yield from meeting_cells(at, seq)
    for office in at.imports:
        yield "return_file", f"of {office}, too early", lambda office=office: {"office": office, "period": "2099-12"}, unless_done(right("write", office), "FAILED_PRECONDITION"), None
        yield "return_set", f"of {office}", lambda office=office: {"id": at.returns[office], "set": pb.Return(note=f"表{next(seq)}")}, right("write", office), None
    yield "return_set", "absent", lambda: {"id": ABSENT["p"], "set": pb.Return(note="表")}, lambda s, _: MISSING if s.may("write") else DENIED, None
    for office, record in (*at.returns.items(), ("absent", ABSENT["p"])):
        yield "return_show", office, lambda record=record: {"id": record}, (lambda s, _, office=office: DENIED if not s.may("read") else MISSING if office == "absent" else DONE), None
    for name in ("return_list", "return_due", "dispatch", "clock_show", "protection_list", "alert_list"):
        yield name, "-", dict, right("read"), None
    yield "clock_run", "-", dict, right("county"), None
    yield "whoami", "-", dict, lambda s, *_: DONE if s.enabled else "UNAUTHENTICATED", None
    for name in ("office_list", "glossary", "names"):
        yield name, "-", dict, lambda s, *_: DONE if s.rights else DENIED, None
    yield "live_set", "-", lambda: {"live_on": "2001-01-01"}, right("county"), None
    yield "receipt_show", "absent", lambda: {"id": "nobody-1"}, lambda *_: MISSING, None
    yield "receipt_sign", "a revision", lambda: {"of_rev": at.rows[0].rev}, right("read"), None
    yield "receipt_list", "a revision", lambda: {"of_rev": at.rows[0].rev}, right("read"), None
    for name in ("project_list", "due_list"):
        yield name, "-", dict, right("read"), None
    for name in ("matter_list", "matter_mine", "calendar_list"):
        yield name, "-", dict, right("read"), None
    yield "calendar_set", "-", lambda: {"day": "2030-01-01", "kind": "off"}, right("county"), None
    yield from free_cells(at, seq)
    yield "stage_list", "what waits", dict, right("read"), None
    yield "enterprise_add", "-", lambda: {"set": pb.Enterprise(name=f"表外企业{next(seq)}")}, lambda s, *_: right("write", s.office)(s), None
    yield "watch", "-", dict, lambda s, *_: watching(s, whole=True), None
    for name in ("account_list", "role_list"):
        yield name, "-", dict, lambda s, *_: DONE if s.officer else DENIED, None
    yield "audit_list", "-", dict, right("audit"), None
    yield "cert_list", "-", dict, lambda s, *_: DONE if s.officer else DENIED, None
    yield "cert_request", "one's own", lambda s: {"csr": b"csr"}, lambda s, *_: DONE if s.enabled else DENIED, None
    yield "cert_fetch", "absent", lambda: {"id": "q00000000000000"}, lambda *_: MISSING, None
    yield "cert_map", "another's", lambda: {"identity": "qipan:person:t.scratch", "account": "t.scratch"}, officers("accounts"), None
    yield "cert_map", "absent", lambda: {"identity": "qipan:person:t.nobody", "account": "t.nobody"}, officers("accounts", absent=True), None
    yield "cert_map", "one's own", lambda s: {"identity": f"qipan:person:{s.code}", "account": s.code}, officers("accounts", me=True), None
    yield "cert_approve", "another's", lambda: {"identity": "qipan:person:t.scratch", "account": "t.scratch"}, officers("grants"), None
    yield "cert_approve", "absent", lambda: {"identity": "qipan:person:t.nobody", "account": "t.scratch"}, officers("grants", absent=True), None
    yield "cert_unmap", "absent", lambda: {"identity": "qipan:person:t.nobody"}, lambda s, *_: MISSING if s.may("accounts") or s.may("grants") else DENIED, None
    yield "cert_unmap", "one's own", lambda s: {"identity": f"qipan:person:{s.code}"}, lambda *_: DENIED, None
    yield "park_set", "new", lambda: {"set": pb.Park(no=f"t{next(seq)}", name=f"表{next(seq)}", office="bureau", **{"class": "industry"})}, right("county"), None
    yield "plot_set", "new", lambda: {"set": pb.Plot(park="jingkai", name=f"表{next(seq)}", area_mu="1", **{"class": "land"})}, right("county"), None
    for name in ("park", "plot"):
        yield f"{name}_show", "absent", lambda: {"id": "pl000000000000000"}, lambda s, *_: MISSING if s.may("read") else DENIED, None
        yield f"{name}_list", "-", dict, right("read"), None
    yield "park_state", "-", dict, right("read"), None
    for row in (*at.rows, None):
        yield "park_fit", row.name if row else "absent", lambda row=row: {"project": row.id if row else ABSENT["p"]}, reading, row
    for name in ("plot_assign", "plot_free", "plot_idle"):
        yield name, "absent", lambda name=name: {"id": "pl000000000000000", **({"reason": "表"} if name == "plot_idle" else {})}, county, None
    yield "account_add", "-", lambda: {"code": f"t.new{next(seq)}", "name": "新", "office": "fagai"}, officers("accounts"), None
    yield "account_edit", "another's", lambda: {"account": "t.scratch", "name": f"改{next(seq)}"}, officers("accounts"), None
    yield "account_edit", "absent", lambda: {"account": "t.nobody", "name": "改"}, officers("accounts", absent=True), None
    yield "account_edit", "one's own", lambda s: {"account": s.code, "name": "改"}, officers("accounts", me=True), None
    yield "role_grant", "another's", lambda: {"account": "t.scratch", "role": "viewer", "office": "fagai"}, officers("grants"), None
    yield "role_grant", "absent", lambda: {"account": "t.nobody", "role": "viewer", "office": "fagai"}, officers("grants", absent=True), None
    yield "role_grant", "one's own", lambda s: {"account": s.code, "role": "viewer", "office": "fagai"}, officers("grants", me=True), None
    yield "role_end", "another's", lambda: {"id": next(at.memberships)}, officers("grants"), None
    yield "role_end", "absent", lambda: {"id": "m00000000000000"}, officers("grants", absent=True), None


# ---------------------------------------------------------------- the county it is tried in

class At:
    def __init__(self, county):
        self.county, self.rows, self.imports, self.meetings, self.returns = county, [], {}, {}, {}
        owners = {office: county.peer(office) for office in ("chengguan", "dongshan")}
        bureau = county.peer("bureau")
        self.free = {"enterprise": owners["chengguan"].do("enterprise_add", set=pb.Enterprise(name="表中企业")).enterprise.id}
        for kind, (new, _, word) in list(FREE.items())[1:]:
            made = pb.Valuechain(name="表中链") if kind == "valuechain" else new(0)
            self.free[kind] = getattr((owners["chengguan"] if word != "county" else county.peer("bureau")).do(f"{kind}_set", set=made), kind).id
        self.withdrawn = owners["chengguan"].do("recognition_set", set=FREE["recognition"][0](50)).recognition.id
        owners["chengguan"].do("recognition_withdraw", id=self.withdrawn)
        month = county.psql("SELECT to_char(registry.today() - interval '1 month', 'YYYY-MM')")[0][0]
        for office, peer in owners.items():
            self.meetings[office] = peer.do("meeting_set", set=pb.Meeting(held_on="2026-01-05", **{"class": "regular"})).meeting.id
            for restricted in (False, True):
                name = f"{office} {'restricted' if restricted else 'open'}"
                contact, secret = f"139{len(self.rows)}8765432", f"表中机密{len(self.rows)}号"
                made = peer.do("project_add", set=pb.Project(name=f"表中{name}", investor="表中公司", stage="lead", restricted=restricted,
                                                             contact_phone=contact, summary=secret))
                due = peer.do("due_set", set=pb.Due(project=made.project.id, text=secret, due_at=4 * 10 ** 15)).due
                records = {kind: getattr(peer.do(f"{kind}_set", set=new(made.project.id, secret)), kind).id for kind, (new, _) in RECORDS.items()}
                records["agenda"] = peer.do("agenda_set", set=pb.Agenda(meeting=self.meetings[office], project=made.project.id, subject=secret)).agenda.id
                records["evidence"] = upload(peer, secret.encode(), project=made.project.id, note=secret).id
                records["upload"] = peer.do("evidence_open", set=pb.Evidence(project=made.project.id, name="半.txt", media="txt", size=1,
                                                                             sha256="1" * 64, note=secret)).evidence.id
                for which in ("matter", "gone"):
                    records[which] = peer.do("matter_set", set=matter_about(made.project.id, secret)).matter.id
                helper = helper_of(Row(None, office, restricted, *[None] * 7))
                for which in ("helped", "helped gone"):
                    records[which] = peer.do("matter_set", set=matter_about(made.project.id, secret, helper)).matter.id
                for which in ("gone", "helped gone"):
                    peer.do("matter_withdraw", id=records[which], reason="表")
                records["case"] = peer.do("case_set", set=pb.Case(project=made.project.id, subject=secret, **{"class": "admission"})).case.id
                bureau.do("case_ask", id=records["case"], offices=[office])
                records["opinion"] = bureau.do("opinion_list", terms=[pb.Term(field="of", op="=", values=[records["case"]])]).rows[0].id
                for called, relation in (("link", "introduced"), ("link gone", "supplier")):
                    link = pb.Link(project=made.project.id, origin="表中企业", note=secret, **{"class": relation})
                    records[called] = peer.do("link_set", set=link).link.id
                peer.do("link_withdraw", id=records["link gone"])
                for kind, columns, values in (("protection", "state, since_on, until_on, actor", "'held', '2026-01-01', '2099-01-01', 'registry'"),
                                              ("alert", "state, since_on, lit_on, rule, light", "'open', '2026-01-01', '2026-01-01', 'judge', 'red'")):
                    records[kind] = county.psql(f"INSERT INTO registry.{kind} (project, no, office, {columns}) SELECT id, no, office, {values} "
                                                f"FROM registry.project WHERE id = '{made.project.id}' RETURNING id")[0][0]
                records["money"] = peer.do("arrival_set", set=RECORDS["arrival"][0](made.project.id, secret)).arrival.id  # which nobody else writes
                records["milestone"] = peer.do("milestone_set", set=new_milestone(made.project.id, secret)).milestone.id
                records["stagedate"] = peer.do("stagedate_set", set=new_stagedate(made.project.id, secret)).stagedate.id
                signed = peer.do("project_add", set=pb.Project(name=f"表签{name}", stage="signed", restricted=restricted)).project.id
                records["step"] = peer.do("stage_list", project=signed).rows[0].id
                self.rows.append(Row(name, office, restricted, made.project.id, made.project.no, made.rev, due.id, contact, secret, records))
            batch = peer.do("import_open", file_sha256=os.urandom(32), rows=1).id
            peer.do("import_put", id=batch, chunk=0, rows=[pb.ImportRow(row=1, set=pb.Project(name=f"表中导入{office}", investor="导入"))])
            self.imports[office] = batch
            self.returns[office] = getattr(peer.do("return_file", period=month), "return").id
        duban = county.peer("duban")
        self.rounds = [duban.do("round_set", set=pb.Round(name=f"表{n}", begin_on="2026-01-01", until_on="2026-02-01", offices=offices,
                                                          **{"class": "supervision"})).round.id for n, offices in enumerate(([], ["chengguan"]))]
        duban.do("inspection_draw", id=self.rounds[1])
        self.inspection = duban.do("inspection_list").rows[0].id
        new_account(county, "t.scratch", "fagai", certificate=False)
        county.psql("INSERT INTO registry.membership (account, role, office) SELECT a.id, 'viewer', 'fagai' FROM registry.account a, generate_series(1, 60) "
                    "WHERE a.code = 't.scratch'")
        self.memberships = iter([row[0] for row in county.psql("SELECT m.id FROM registry.membership m JOIN registry.account a ON a.id = m.account WHERE a.code = 't.scratch'")])
        for s in SUBJECTS:
            new_account(county, s.code, s.office, s.given)
            if not s.enabled:
                county.psql(f"UPDATE registry.account SET enabled = false WHERE code = '{s.code}'")
        self.ids = {code: int(id) for code, id in county.psql("SELECT code, id FROM registry.account")}


@pytest.fixture(scope="module")
def at():
    one = County("--bare")
    try:
        yield At(one.up())
    finally:
        one.down()


# ---------------------------------------------------------------- the two ways in

class Protocol:
    def __init__(self, at):
        self.county, self.peers = at.county, {}

    def ask(self, s, name, fields):
        """Code, sentence and hint, and all that was said."""
        try:
            peer = self.peers[s] = self.peers.get(s) or self.county.peer(s.code)
            if name == "watch":
                watch = peer.watch(**fields)
                watch.cancel()
                return DONE, "", ""
            return DONE, "", str(peer.do(name, **fields))
        except Refused as e:
            return e.code, e.error.message + "|" + e.error.hint + "|" + e.error.field, str(e.error)
        except Gone as e:
            return e.code, "", ""

    def expected(self, s, said):
        return said if s.enabled else "UNAUTHENTICATED"


class Sql:
    """api.* as the daemon's role calls them; each call is taken back."""

    def __init__(self, at):
        self.at, self.db = at, connect(at.county)
        with self.db.cursor() as c:
            c.execute("SELECT p.proname, array_agg(p.proargnames[t.n] || ' ' || format_type(t.type, NULL) ORDER BY t.n) FROM pg_proc p, "
                      "unnest(p.proargtypes::oid[]) WITH ORDINALITY t(type, n) WHERE p.pronamespace = 'api'::regnamespace GROUP BY p.oid, 1")
            self.functions = {name: [a.split(" ", 1) for a in args] for name, args in c.fetchall()}
        self.db.rollback()

    def value(self, v):
        if hasattr(v, "ListFields"):
            return {f.name: self.value(x) for f, x in v.ListFields()}
        if isinstance(v, (str, bytes, int, bool)):
            return v
        return [self.value(x) for x in v]

    def ask(self, s, name, fields):
        name = {"watch": "journal_seek"}.get(name, name)
        given = {"p_account": self.at.ids[s.code], "p_lang": "zh", "p_request": os.urandom(8).hex(), "p_digest": b"\0",
                 "p_identity": f"qipan:person:{s.code}",
                 **{k: self.value(v) for k, v in fields.items()}}
        args = [(arg, type, given[arg]) for arg, type in self.functions[name] if arg in given]
        args += [(arg, type, None) for arg, type in self.functions[name] if arg not in given]
        with self.db.cursor() as c:
            c.execute("SET LOCAL ROLE qipan_daemon")
            c.execute("SELECT (r).error.code, (r).error.message || '|' || coalesce((r).error.hint, '') || '|' || coalesce((r).error.field, ''), "
                      "to_jsonb(r)::text FROM (SELECT api.%s(%s) AS r OFFSET 0) x" % (
                          name, ", ".join(f'"{arg}" => %s::{type}' for arg, type, _ in args)),
                      [json.dumps(v) if type == "jsonb" and v is not None else v for _, type, v in args])
            code, words, all_said = c.fetchone()
        self.db.rollback()
        return code or DONE, words or "", all_said

    def expected(self, s, said):
        return said


def leaks(at, s, said):
    """Contacts and secrets in an answer that aren't this subject's to know."""
    return [row.name for row in at.rows if (row.contact in said and not (s.sees(row) and s.may("contact", row.office)))
            or (row.secret in said and not s.sees(row))]


def write_table(table, summary):
    by_line = collections.defaultdict(dict)
    for (op, state, subject), code in table.items():
        by_line[op, state][subject] = {DONE: "✓", DENIED: "–", MISSING: "∅"}.get(code, code)
    names = [s.code for s in SUBJECTS]
    lines = ["# Who may do what", "", summary, "", "✓ done · – refused · ∅ not there (neither for him)", "",
             "| operation | row | " + " | ".join(n.removeprefix("t.") for n in names) + " |", "|---" * (len(names) + 2) + "|"]
    lines += [f"| {op} | {state} | " + " | ".join(said.get(n, "") for n in names) + " |" for (op, state), said in by_line.items()]
    BUILD.joinpath("rights-table.md").write_text("\n".join(lines) + "\n")


def test_the_table(at, capsys):
    ways = {"SQL": Sql(at), "protocol": Protocol(at)}  # the first leaves nothing behind
    wrong, table, tried, absent, hidden = [], {}, 0, {}, []
    begun = time.monotonic()
    asked = set()
    for op, state, request, expectation, row in cells(at):
        asked.add(op)
        for s in SUBJECTS:
            want = expectation(s, row)
            table[op, state, s.code] = want
            for way, how in ways.items():
                fields = request(s) if state == "one's own" else request()
                code, words, said = how.ask(s, op, fields)
                tried += 1
                if code != how.expected(s, want):
                    wrong.append(f"{way}: {op}, {state}, {s.code}: {code}, expected {how.expected(s, want)}: {words}")
                if found := leaks(at, s, said):
                    wrong.append(f"{way}: {op}, {state}, {s.code} was told of {found}")
                for id in (row.id, row.due, *row.records.values()) if row else ABSENT.values():
                    words = words.replace(id, "?")
                kind = way, op, state.partition(",")[2], s.code
                answer = code, re.sub(r"\d+", "#", words)
                if state.startswith("absent") and op not in ("project_add", "project_list"):
                    absent[kind] = answer
                elif row and not s.sees(row):
                    hidden.append((kind, answer))
    alike = [absent[kind] == answer for kind, answer in hidden if kind in absent]
    wrong += [f"{kind}: hidden {answer}, absent {absent[kind]}" for kind, answer in hidden if absent.get(kind, answer) != answer]
    summary = (f"{len(asked)} operations, {len(SUBJECTS)} subjects, {len(table)} cells, {tried} answers compared in {time.monotonic() - begun:.0f} s, "
               f"{len(alike)} of what is hidden alike with what is absent, {len(wrong)} wrong")
    write_table(table, summary)
    with capsys.disabled():
        print(f"\nrights table: {summary}")
    assert not wrong, "\n".join([summary, *wrong[:40]])
    assert asked == set(OPS), f"no expectation for {set(OPS) - asked}"
    assert len(alike) > 500


# ---------------------------------------------------------------- the feed

def told(s, before, after, version):
    """view and whether it brings content, for a change of a project that was `before` (None: wasn't there)."""
    saw, sees = before is not None and s.sees(before), s.sees(after)
    if sees:
        return ("enter" if version == 1 or not saw else "update"), True
    return ("leave", False) if saw else None


def test_the_feed(at, capsys):
    """Each change of who may see a project, told live to every subject."""
    watches = {s: at.county.peer(s.code).watch(echo=True) for s in SUBJECTS if s.rights}
    bureau = at.county.peer("bureau")
    guide = at.county.peer("leader").watch()
    Seen = collections.namedtuple("Seen", "office restricted")
    states = [Seen("chengguan", False), Seen("chengguan", True), Seen("dongshan", True), Seen("dongshan", False), Seen("chengguan", True)]
    expected = {s: {} for s in watches}
    secret = {}
    for first in states[:3]:
        project, before = None, None
        for version, state in enumerate([first, first, *states, *states[::-1]], 1):
            secret[version] = f"流中内容{first}{version}"
            fields = pb.Project(office=state.office, restricted=state.restricted, summary=secret[version], contact_name=f"密联系人{version}")
            if project is None:
                fields.MergeFrom(pb.Project(name=f"流中{first}", investor=f"流{first}", stage="lead"))
                project = bureau.do("project_add", set=fields).project
            else:
                bureau.do("project_edit", id=project.id, set=fields)
            for s in watches:
                if what := told(s, before, state, version):
                    expected[s][project.id, version] = (*what, secret[version])
            guide.until(lambda e: e.object == project.id and e.version == version)  # told to all before the next
            before = state
        due = bureau.do("due_set", set=pb.Due(project=project.id, text=secret[version], due_at=4 * 10 ** 15)).due
        bureau.do("receipt_sign", of_rev=bureau.do("project_edit", id=project.id, set=pb.Project(jobs=1)).rev, object=project.id)
        for s in watches:
            if s.sees(before):
                expected[s][due.id, 1] = "enter", True, secret[version]
                expected[s][project.id, version + 1] = "update", True, None
    set_role(at.county, "t.scratch", "viewer", "dongshan")
    end = bureau.do("project_add", set=pb.Project(name="流中终", investor="流", stage="lead")).project.id
    wrong = []
    for s, watch in watches.items():
        events = []
        until = time.monotonic() + 15 * SLOW
        done = (lambda e: e.kind == "account") if s.officer else (lambda e: e.object == end)
        while not any(map(done, events)) and time.monotonic() < until:
            events += watch.next(until - time.monotonic()).events
        got = {(e.object, e.version): e for e in events if e.kind in ("project", "due") and e.object != end}
        for key in got.keys() | expected[s].keys():
            e, want = got.get(key), expected[s].get(key)
            have = (e.view, bool(e.changes or e.row)) if e else None
            if have != (want and want[:2]):
                wrong.append(f"{s.code}: {key}: {have}, expected {want}")
        all_said = set().union(*map(texts, events))
        if any("密联系人" in text for text in all_said):
            wrong.append(f"{s.code} was told a contact")
        if s.officer != any(e.kind == "account" for e in events):
            wrong.append(f"{s.code}: accounts")
        if sum(e.kind == "receipt" for e in events) != sum(v[1] is True and k[1] == version + 1 for k, v in expected[s].items()):
            wrong.append(f"{s.code}: receipts")
    n = sum(map(len, expected.values()))
    with capsys.disabled():
        print(f"\nrights in the feed: {len(watches)} subjects, {n} events expected, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong[:40])
    assert n > 300
