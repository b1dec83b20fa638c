# SPDX-License-Identifier: Apache-2.0
"""The speech the project comes from, phrase by phrase: what tests/scenarios/speech.md says people type does what it says."""
import sys

import pytest
from conftest import SLOW, TOP, County

sys.path.insert(0, str(TOP / "tests/scenarios"))
import speech  # noqa: E402

PENDING = {}  # rows whose commands aren't there yet, and why; one that passes must go from here


@pytest.fixture(scope="module")
def spoken():
    rows = speech.parse(speech.DOCUMENT.read_text())
    county = County()
    try:
        speech.run(rows, county.up().dir, 300 * SLOW)
    finally:
        county.down()
    return rows


def test_every_phrase_has_its_row():
    rows = speech.parse(speech.DOCUMENT.read_text())
    assert list(rows) == speech.ROWS
    assert not [row for row, commands in rows.items() if not commands]


@pytest.mark.parametrize("row", [pytest.param(row, marks=pytest.mark.xfail(reason=PENDING[row], strict=True)) if row in PENDING else row
                                 for row in speech.ROWS])
def test_row(spoken, row):
    assert not (said := speech.wrong(spoken[row])), said


def test_a_difference_is_seen():
    assert speech.matches(["有 … 个", "…", "完"], ["有  3 个", "一", "二", "完"])
    assert not speech.matches(["有 … 个"], ["有 3 户"]) and not speech.matches([], ["多一行"]) and not speech.matches(["[8]"], ["[7]"])
    assert not speech.matches(["…", "完"], ["完了"])
