# SPDX-License-Identifier: Apache-2.0
"""Ten seconds of everything at once; tests/torture/run does it for longer. The naive reader beside it must lose something."""
import checker


def test_nothing_lost_twice_or_out_of_order(torture_run):
    verdict = checker.check(torture_run.folder, checker.enough(torture_run.seconds))
    print(verdict.report())
    assert verdict.good, f"torture --seed {torture_run.seed}\n{verdict.report()}"


def test_the_naive_reader_loses(torture_run):
    counts = checker.check(torture_run.folder).counts
    assert counts["naive missed"] > 0, f"of {counts['naive due']} revisions none was missed by the naive reader: too little went on"
