"""How a connection is written, as the conntrack tool 1.4.7 writes it."""

from __future__ import annotations

import pytest

from builders import udp
from statefulinspect import Config, Direction, Tracker

HERE = "src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=53"
BACK = "src=10.0.2.2 dst=10.0.1.2 sport=53 dport=1000"


def listing(**given):
    tracker = Tracker(config=Config.linux())
    return tracker.process(udp(), 0.0, **given).connection.listing(1.0)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, f"{HERE} [UNREPLIED] {BACK} mark=0 use=1"),
        ({"zone": 5}, f"{HERE} [UNREPLIED] {BACK} mark=0 zone=5 use=1"),
        (
            {"zone": 6, "zone_direction": Direction.ORIGINAL},
            f"{HERE} zone-orig=6 [UNREPLIED] {BACK} mark=0 use=1",
        ),
        (
            {"zone": 7, "zone_direction": Direction.REPLY},
            f"{HERE} [UNREPLIED] {BACK} zone-reply=7 mark=0 use=1",
        ),
    ],
)
def test_zones_of_an_entry(given, line):
    assert listing(**given).entry_line() == f"udp      17 29 {line}"


def test_an_event_names_mark_and_zone_only_if_there_are_any():
    plain = listing()
    assert plain.event_line("NEW", with_counts=True).endswith(BACK)
    marked = listing(zone=5)._replace(mark=7, helper="ftp")
    assert marked.event_line("NEW", with_counts=True).endswith(f"{BACK} mark=7 zone=5 helper=ftp")


@pytest.mark.parametrize("kind", ["NEW", "UPDATE", "DESTROY"])
def test_the_kind_is_set_flush_right(kind):
    line = listing().event_line(kind, with_counts=False)
    assert line.startswith(f"[{kind}]".rjust(9) + " udp      17 29 ")
