"""What a set holds: found by interval, the first that is there, in memory for what it holds."""

from __future__ import annotations

import gc

import pytest

from builders import tcp
from statefulinspect import Action, Config, Ruleset, Tracker

LINUX = Config.linux(verify_checksums=False)
ACCEPT, DROP = Action.ACCEPT, Action.DROP
PAIRS = "ip saddr . tcp dport"


def tracker_of(rule, sets=""):
    return Tracker(
        Ruleset.parse(f"""
        table inet t {{
          {sets}
          chain c {{
            type filter hook forward priority filter; policy drop
            {rule}
          }}
        }}
        """),
        LINUX,
    )


def fate(tracker, source="10.0.1.5", port=22, now=0.0, **context):
    return tracker.process(tcp(1000, port, "SYN", source=source), now, **context).action


# What overlaps: as packets through the running kernel fare, which takes these sets.


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ("10.0.1.5 . 22 : drop, 10.0.1.0/24 . 1-1000 : accept", [DROP, ACCEPT, ACCEPT, DROP]),
        ("10.0.1.0/24 . 22 : accept, 10.0.1.5 . 1-1000 : drop", [ACCEPT, ACCEPT, DROP, DROP]),
        ("10.0.1.5 . 1-1000 : drop, 10.0.1.0/24 . 22 : accept", [DROP, ACCEPT, DROP, DROP]),
        ("10.0.1.5 . 1-30 : drop, 10.0.1.0/24 . 20-40 : accept, 10.0.0.0/16 . 0-65535 : accept",
         [DROP, ACCEPT, ACCEPT, ACCEPT]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_named", [True, False])
def test_of_pairs_that_overlap_the_first_decides(elements, expected, is_named):
    named = "map m { type ipv4_addr . inet_service : verdict; flags interval; "
    named += f"elements = {{ {elements} }} }}"
    rule, sets = (f"{PAIRS} vmap @m", named) if is_named else (f"{PAIRS} vmap {{ {elements} }}", "")
    tracker = tracker_of(rule, sets)
    asked = [("10.0.1.5", 22), ("10.0.1.6", 22), ("10.0.1.5", 80), ("10.0.2.5", 22)]
    assert [fate(tracker, *each) for each in asked] == expected
    written = str(tracker.ruleset)
    assert str(Ruleset.parse(written)) == written


def test_of_names_that_overlap_the_first_decides():
    elements = '"lan0" . 22 : drop, "lan*" . 1-100 : accept, "l*" . 50-200 : drop'
    tracker = tracker_of(f"iifname . tcp dport vmap {{ {elements} }}")
    asked = [("lan0", 22), ("lan1", 22), ("lan0", 23), ("lan0", 150), ("wan0", 22)]
    found = [fate(tracker, "10.0.1.5", port, iif=iif) for iif, port in asked]
    assert found == [DROP, ACCEPT, ACCEPT, DROP, DROP]


# What has gone leaves its keys to the next.


@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        ("ipv4_addr . inet_service", "10.0.1.5 . 22 timeout 5s : accept, 10.0.1.0/24 . 1-99 : X"),
        ("ipv4_addr . inet_service", "10.0.1.5 . 1-22 timeout 5s : accept, 10.0.1.0/24 . 1-99 : X"),
        ("ipv4_addr . inet_service", "10.0.1.5 . 1-22 timeout 5s : accept, * : X"),
        ("ipv4_addr . inet_service", "10.0.1.5 . 22 timeout 5s : accept, * : X"),
        ("ipv4_addr", "10.0.1.4/30 timeout 5s : accept, * : X"),
        ("ipv4_addr", "10.0.1.5 timeout 5s : accept, * : X"),
    ],
)
def test_behind_an_element_that_is_gone_the_next_decides(kind, elements):
    body = f"type {kind} : verdict; flags interval, timeout; elements = {{ {elements} }}"
    rule = PAIRS if "." in kind else "ip saddr"
    for last, expected in (("drop", DROP), ("jump other", ACCEPT)):
        sets = f"chain other {{ accept\n }}\n map m {{ {body.replace('X', last)} }}"
        tracker = tracker_of(f"{rule} vmap @m\n drop", sets)
        assert fate(tracker) is ACCEPT
        assert fate(tracker, now=1000.0) is expected


def test_with_the_last_element_that_is_gone_nothing_decides():
    sets = "map m { type ipv4_addr . inet_service : verdict; flags interval, timeout; elements = "
    sets += "{ 10.0.1.5 . 1-22 timeout 5s : accept, 10.0.1.0/24 . 1-99 timeout 9s : accept } }"
    tracker = tracker_of(f"{PAIRS} vmap @m", sets)
    assert [fate(tracker, now=at * 1000.0) for at in range(2)] == [ACCEPT, DROP]
    assert "elements" not in str(tracker.ruleset)


# Memory.


def networks(count):
    return [f"{10 + (at >> 16)}.{at >> 8 & 255}.{at & 255}.0/24" for at in range(0, 2 * count, 2)]


SHAPES = {
    "a set": ("set s { type ipv4_addr; flags interval; elements = { X } }", "", "ip saddr @s drop"),
    "a map without a name": ("", " : drop", "ip saddr vmap { X }"),
    "a map to marks": ("", " : 7", "meta mark set ip saddr map { X }"),
    "pairs": ("", " . 22", f"{PAIRS} {{ X }} drop"),
}


def octets_of(shape, count):
    """Tell what a tracker keeps in memory beyond its ruleset."""
    sets, more, rule = shape
    elements = ", ".join(each + more for each in networks(count))
    text = "table inet t {{ {}\n chain c {{ type filter hook forward priority 0\n {}\n }}\n }}"
    ruleset = Ruleset.parse(text.format(sets, rule).replace("X", elements))
    gc.collect()  # else tuples are made of those that were freed before, and not counted
    tracemalloc = pytest.importorskip("tracemalloc", reason="PyPy does not count memory")
    tracemalloc.start()
    try:
        tracker = Tracker(ruleset, LINUX)
        fate(tracker)
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_memory_grows_with_the_number_of_elements(shape):
    few, many = octets_of(shape, 2500), octets_of(shape, 5000)
    assert many < 2.5 * few
