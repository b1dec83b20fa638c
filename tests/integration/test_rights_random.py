# SPDX-License-Identifier: Apache-2.0
"""One random run of rights and changes; tests/faults has many. QIPAN_SEED repeats it."""
import rights_random
from conftest import SEED, County


def test_everybody_is_told_what_he_may(capsys):
    county = County("--bare", "--daemons", "2")
    try:
        rights_random.prepare(county.up())
        wrong, figures = rights_random.Run(county, SEED % 10000).go(150)
    finally:
        county.down()
    with capsys.disabled():
        print(f"\nrights at random, seed {SEED % 10000}: {figures}, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong[:20])
