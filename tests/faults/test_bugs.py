# SPDX-License-Identifier: Apache-2.0
"""The torture run judged: the test build (make FAIL=1) with one deliberate bug in all daemons; each must be noticed by the checker
within three runs of fifteen seconds, and the same build without a bug must pass."""
import re

import checker
import pytest
import torture
from counties import SEED, TOP

FAIL = TOP / "build/fail"
BUGS = re.findall(r'^DEFECT\("([\w-]+)"', (TOP / "daemon/failpoint.def").read_text(), re.M)
RUNS = 3
AT_A_FAILOVER = {"ack-unsure", "ack-lost", "reply-before-sync"}  # the others show under any fault


def tortured(new_county, folder, seed, failover):
    torture.build_actor(FAIL)
    how = {"seed": seed, "seconds": 10, "folder": folder, "writers": 12, "subscribers": 14}
    if failover:
        run = torture.Failover(new_county("--bare", "--daemons", "2", "--standby", "sync", build=FAIL), mode="sync", **how)
    else:
        run = torture.Torture(new_county("--bare", "--daemons", "2", build=FAIL), **how)
    run.go()
    return checker.check(folder)


@pytest.mark.parametrize("failover", [False, True])
def test_without_a_bug_it_passes(new_county, tmp_path, say, failover):
    verdict = tortured(new_county, tmp_path, SEED % (1 << 31), failover)
    say(acked=verdict.counts["acked"], unknown=verdict.counts["unknown"])
    assert verdict.good, verdict.report()


@pytest.mark.alone
@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_is_caught(new_county, tmp_path, monkeypatch, say, bug):
    monkeypatch.setenv("QIPAN_BUG", bug)
    for n in range(RUNS):
        seed = (SEED + n) % (1 << 31)
        verdict = tortured(new_county, tmp_path / str(n), seed, bug in AT_A_FAILOVER)
        if not verdict.good:
            say(caught_in_run=n + 1, seed=seed, by=", ".join(f"{kind} {times}" for kind, times in verdict.kinds().most_common(4)))
            return
    pytest.fail(f"{bug} was not noticed in {RUNS} runs, seeds {SEED}…: {verdict.report()}")
