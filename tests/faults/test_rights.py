# SPDX-License-Identifier: Apache-2.0
"""Rights over many seeds, and what a clock betrays."""
import statistics
import time

import pytest
import rights_random
from counties import SEED, County
from peer import Refused, pb
from steps import add, edit


@pytest.mark.alone
def test_rights_at_random(say):
    """Thirty random runs of changes of rights and of projects, judged frame by frame."""
    county = County("--bare", "--daemons", "2")
    wrong = []
    try:
        rights_random.prepare(county.up())
        for seed in range(SEED % 10000, SEED % 10000 + 30):
            faults, figures = rights_random.Run(county, seed).go(150)
            print("\n".join([f"seed {seed}: {figures}, {len(faults)} wrong", *faults[:5]]))
            wrong += [f"seed {seed}: {fault}" for fault in faults]
    finally:
        county.down()
    say(seeds=30, wrong=len(wrong), last=figures)
    assert not wrong, "\n".join(wrong[:20])


def test_existing_and_absent_take_as_long(say):
    """What one may not see is refused as fast, and in as many bytes, as what isn't there: 2 000 calls of each."""
    county = County("--bare")
    try:
        owner, other = county.up().peer("chengguan"), county.peer("dongshan")
        hidden = add(owner, restricted=True).id
        ids = {"hidden": hidden, "absent": "p" + "0" * (len(hidden) - 1)}
        took = {"hidden": [], "absent": []}
        size = {}
        for n in range(4000):
            which = ("hidden", "absent")[n % 2]
            begun = time.perf_counter()
            try:
                if n % 4 < 2:
                    other.do("project_show", id=ids[which])
                else:
                    other.finish(edit(other, pb.Project(id=ids[which]), jobs=1))
                raise AssertionError("was answered")
            except Refused as e:
                took[which].append(time.perf_counter() - begun)
                size.setdefault(which, set()).add((e.code, len(e.error.SerializeToString())))
        medians = {which: statistics.median(times) * 1000 for which, times in took.items()}
        say(hidden_ms=medians["hidden"], absent_ms=medians["absent"], bytes=sorted(n for _, n in size["hidden"]))
        assert size["hidden"] == size["absent"]
        assert abs(medians["hidden"] - medians["absent"]) < 3  # the promise is 1 ms on a quiet machine
    finally:
        county.down()
