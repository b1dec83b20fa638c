# SPDX-License-Identifier: Apache-2.0
"""The fault cases: real daemons, a real PostgreSQL, real faults. Counties and the independent client are those of the
integration tests. `--sample N` runs N cases that QIPAN_SEED chooses; `say` puts a case's figures into the summary."""
import importlib.util
import pathlib
import random
import sys
import time

import pytest

INTEGRATION = pathlib.Path(__file__).resolve().parents[1] / "integration"
sys.path[:0] = [str(INTEGRATION), str(INTEGRATION.parent / "torture")]
_spec = importlib.util.spec_from_file_location("counties", INTEGRATION / "conftest.py")
sys.modules["counties"] = counties = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(counties)
from counties import BUILD, SEED, SLOW, TOP, County, new_county, pytest_sessionstart, rng  # noqa: E402,F401

_said = []


def pytest_addoption(parser):
    parser.addoption("--sample", type=int, default=0, help="run only so many cases, chosen by QIPAN_SEED")


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: one of the longest cases; make soak runs them")
    config.addinivalue_line("markers", "alone: too long for a sample")


def pytest_collection_modifyitems(config, items):
    n = config.getoption("--sample")
    if n:
        short = [item for item in items if not (item.get_closest_marker("soak") or item.get_closest_marker("alone"))]
        chosen = random.Random(SEED).sample(short, min(n, len(short)))
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = [item for item in items if item in chosen]


def pytest_terminal_summary(terminalreporter):
    for line in _said:
        terminalreporter.write_line(line)


@pytest.fixture
def say(request):
    begun = time.monotonic()

    def put(**figures):
        text = " ".join(f"{key}={round(value, 3) if isinstance(value, float) else value}" for key, value in figures.items())
        _said.append(f"{request.node.name}: {time.monotonic() - begun:.1f} s, {text}, QIPAN_SEED={SEED}")

    return put
