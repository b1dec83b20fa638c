# SPDX-License-Identifier: Apache-2.0
"""Twenty clerks of five offices register the same ten leads at the same moment, at two daemons: each lead is one office's, and the
others are told whose, since when and under which number; nothing else."""
import concurrent.futures
import threading

import pytest
from conftest import County
from peer import Refused, pb
from steps import new_account

OFFICES = ["chengguan", "dongshan", "jingkai", "fagai", "ziran"]
LEADS, EACH = 10, 4


@pytest.fixture(scope="module")
def town():
    one = County("--daemons", "2", "--bare")
    try:
        yield one.up()
    finally:
        one.down()


def written(lead, clerk, spelling):
    """The lead as one of them writes it: his own spelling, and what only his office and the bureau may know."""
    name, investor = f"光伏组件{lead}期项目", f"晴空新能源{lead}有限公司"
    name = [name, f" {name[:4]} {name[4:]}", name.replace("组件", "(组件)"), "".join(chr(ord(c) + 0xfee0) if c.isascii() else c for c in name)][spelling]
    return pb.Project(name=name, investor=investor, summary=f"秘密{clerk}", contact_name=f"联系人{clerk}", contact_phone=f"139{clerk:08}",
                      lead_person=f"牵头人{clerk}", amount_total=100_000_000 + clerk, site=f"地点{clerk}")


def outcome(peer, started):
    try:
        return peer.finish(started).project
    except Refused as e:
        return e.error


def test_each_lead_has_one_owner_and_the_others_learn_who(town):
    clerks = [(f"{office}{n}", office) for office in OFFICES for n in range(EACH)]
    with concurrent.futures.ThreadPoolExecutor(4) as hands:
        list(hands.map(lambda c: new_account(town, *c, [("clerk", c[1], None, None, None)]), clerks))
    peers = [town.peer(code, 1 + n % 2) for n, (code, _) in enumerate(clerks)]
    gate = threading.Barrier(len(peers))

    def report(n):
        wishes = [written(lead, n, (lead + n) % 4) for lead in range(LEADS)]
        gate.wait(20)
        calls = [peers[n].start("project_add", set=wish) for wish in wishes]
        return [outcome(peers[n], call) for call in calls]

    with concurrent.futures.ThreadPoolExecutor(len(peers)) as all_at_once:
        said = list(all_at_once.map(report, range(len(peers))))
    for lead in range(LEADS):
        answers = [(n, said[n][lead]) for n in range(len(peers))]
        (winner, project), = [(n, a) for n, a in answers if isinstance(a, pb.Project)]
        assert project.office == clerks[winner][1]
        for n, error in answers:
            if n == winner:
                continue
            assert (error.code, error.other_office, error.other_no, error.at) == ("ALREADY_EXISTS", project.office, project.no, project.registered_at), error
            told = error.SerializeToString().decode(errors="replace")
            for secret in ("秘密", "联系人", "139000", "牵头人", "地点", project.id, "晴空新能源"):
                assert secret not in told.replace(written(lead, n, (lead + n) % 4).name, ""), (secret, error)
    assert town.psql("SELECT count(*), count(DISTINCT name) FROM registry.project")[0][0] == str(LEADS)
    assert len({a.no for answers in said for a in answers if isinstance(a, pb.Project)}) == LEADS
    told = town.qipan("leader", "watch", "--since", "0", "--filter", "kind=project", "-n", LEADS, "-o", "jsonl", ok=True).lines
    assert len({e["project"] for e in told if "view" in e}) == LEADS
