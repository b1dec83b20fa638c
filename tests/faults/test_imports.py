# SPDX-License-Identifier: Apache-2.0
"""Case 15: imports of 30 000 rows, of which the daemon, the client or PostgreSQL is killed at 20 points: each of them in each phase of an
import, the others at random."""
import itertools
import os

import pytest
from interruptions import PHASES, VICTIMS, run_through


@pytest.mark.alone
def test_struck_at_twenty_points(new_county, rng, say, tmp_path):
    points, every = int(os.environ.get("QIPAN_POINTS", "20")), list(itertools.product(VICTIMS, PHASES))
    plan = rng.sample(every, min(points, len(every))) + rng.choices(every, k=max(points - len(every), 0))
    struck = run_through(new_county("--bare"), rng, tmp_path, say, plan, rows=int(os.environ.get("QIPAN_ROWS", "30000")))
    missed = [row for row in struck if row[2].endswith("over")]
    assert len(missed) <= points // 5, f"too late to strike anything: {missed}"
