# SPDX-License-Identifier: Apache-2.0
"""A small year of a county, played by the command line alone; an independent model recomputes every number from the feed."""
import sys

from conftest import SEED, TOP

sys.path.insert(0, str(TOP / "tests/scenarios"))
import year  # noqa: E402


def test_a_year_adds_up():
    differ, figures = year.play(projects=24, offices=8, days=14, seed=SEED)
    assert not differ, "\n".join(differ[:40])
    assert len(figures) > 20, figures
