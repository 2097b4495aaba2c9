"""Nobody can tell the faster ways from the full way; `benchmarks/ways.py` tries for longer."""

from __future__ import annotations

from unittest import mock

import pytest

from statefulinspect.connection import verdict_of
from ways import Universe, compare


@pytest.mark.parametrize("seed", range(1, 21))
def test_all_ways_agree(seed):
    compare(seed)


def test_the_hot_path_is_taken_often_enough():
    universe = Universe(10)
    tracker = universe.trackers[0]
    tracker._roads = mock.Mock(wraps=tracker._roads)  # which only the hot path does not ask
    universe.run(1000)
    assert 50 < 1000 - tracker._roads.get.call_count < 500


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("shortcut.take_back", lambda _: None),
        ("machines.tcp.take_back", lambda _: None),
        ("keeper.take_back", lambda _: None),
        ("shortcut.plain_is_right", lambda *_: True),
        ("fates.Fates.passes", lambda *_: True),
        ("fates.stands_out", lambda *_: False),
        ("answers.stands_out", lambda *_: False),
        ("rules.engine.entry.Entry._can_foretell", lambda *_: True),
        ("rules.engine.foretelling.Foretelling.lets_pass", lambda *_: True),
        ("shortcut.Marks", mock.Mock(of=lambda _: None)),
        ("openings.is_ordinary", lambda _: True),
        ("openings.scale_and_flags", lambda _: (0, 0)),
        ("openings.verdict_of", lambda *told: verdict_of(*told[:4], None, told[5])),
    ],
)
def test_a_difference_is_noticed(name, wrong, capsys):
    def search():
        for seed in (5, 15, 18, 46):  # 15 tells events, 18 verifies checksums
            compare(seed)

    with mock.patch(f"statefulinspect.{name}", wrong), pytest.raises(AssertionError):
        search()
    assert capsys.readouterr().err.startswith("seed ")
