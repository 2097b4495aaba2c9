"""Honest conversations amid hostile traffic; `benchmarks/soak.py` runs it for longer."""

from __future__ import annotations

import pytest

from soak import Soak


@pytest.mark.parametrize("seed", [1, 2])
def test_the_honest_do_not_notice(seed):
    soak = Soak(seed)
    soak.run(10_000)
    assert soak.finished > 150
    assert soak.honest_packets > 2_000
    assert 50 < soak.most_connections < 1_000
    assert soak.most_expectations > 0
    soak.tracker.expire(soak.now + 1e6)
    assert len(soak.tracker) == len(soak.tracker.expectations) == 0


def forgetful(soak):
    for _ in range(500):
        soak.honest()
        soak.tracker.flush()


def test_a_dishonest_answer_is_noticed():
    with pytest.raises(AssertionError, match="Ends"):
        forgetful(Soak(1))


def test_a_table_that_keeps_too_much_is_noticed():
    soak = Soak(1)
    soak.run(2_000)
    soak.openings.clear()
    with pytest.raises(AssertionError, match="too many"):
        soak.check()
