# SPDX-License-Identifier: Apache-2.0
"""Case 15: imports of 30 000 rows, of which the daemon, the client or PostgreSQL is killed at 20 random points."""
import os

import pytest
from interruptions import run_through


@pytest.mark.alone
def test_struck_at_twenty_points(new_county, rng, say, tmp_path):
    run_through(new_county("--bare"), rng, tmp_path, say, points=int(os.environ.get("QIPAN_POINTS", "20")),
                rows=int(os.environ.get("QIPAN_ROWS", "30000")))
