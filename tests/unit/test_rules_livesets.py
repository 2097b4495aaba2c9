"""What a set holds: found by interval, the first that is there, in memory for what it holds."""

from __future__ import annotations

import gc

import pytest

from builders import tcp, udp
from statefulinspect import Action, Config, Ruleset, Tracker
from statefulinspect.decoding import decode
from statefulinspect.rules.engine.elements import GC_INTERVAL, Item, key_of
from statefulinspect.rules.engine.livesets import LiveSet
from statefulinspect.rules.engine.memory import memories_of
from statefulinspect.rules.engine.walk import walk_of
from statefulinspect.rules.syntax.constants import Anything, Element, Joined, Span, Value
from statefulinspect.rules.syntax.stateful import Count, Quota
from statefulinspect.rules.words.datatypes import TYPES

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


# A set by itself, without rules around it: find, age, add, remove, renew.

PORT = TYPES["inet_service"]


def port(number):
    return Value(number, PORT)


def ports(first, last):
    return Span(first, last, PORT)


def item(key, data=None, expires_at=None, memories=(), **element):
    return Item(Element(key, **element), data, expires_at, memories)


def numbers(live):
    return list(live.exact)


def there(live, *keys, now=0.0):
    return [key for key in keys if live.find(key, now) is not None]


@pytest.mark.parametrize(
    ("constant", "key"),
    [
        (port(0), 0),
        (port(22), 22),
        (Joined((port(22), port(80))), (22, 80)),
        (Joined((port(22), ports(1, 2))), None),
        (Joined((ports(1, 2), port(22))), None),
        (ports(1, 2), None),
        (Anything(), None),
    ],
)
def test_the_key_of_a_constant(constant, key):
    assert key_of(constant) == key


def test_an_exact_key_is_before_the_ranges_and_these_before_anything():
    live = LiveSet(
        [
            item(Anything(), "any"),
            item(ports(10, 20), "first"),
            item(ports(15, 30), "second"),
            item(port(12), "exact"),
            item(port(12), "exact, but later"),
        ]
    )
    found = [live.find(each, 0.0).data for each in (9, 10, 12, 15, 20, 21, 30, 31)]
    assert found == ["any", "first", "exact", "first", "first", "second", "second", "any"]
    assert [each.data for each in live] == ["exact", "first", "second", "any"]
    assert not live.ages
    assert not live.remembers


def test_concatenations_are_found_by_all_their_parts():
    live = LiveSet(
        [
            item(Joined((port(1), port(2))), "exact"),
            item(Joined((ports(1, 5), ports(3, 9))), "box"),
            item(Joined((port(2), ports(0, 9))), "behind"),
        ]
    )
    keys = [(1, 2), (1, 3), (5, 9), (6, 9), (5, 10), (2, 3), (2, 2)]
    found = [live.find(key, 0.0) for key in keys]
    expected = ["exact", "box", "box", None, None, "box", "behind"]
    assert [each and each.data for each in found] == expected


@pytest.mark.parametrize(
    ("element", "more", "ages"),
    [
        ({}, {}, False),
        ({"timeout": 5.0}, {}, True),
        ({"expires": 5.0}, {}, True),
        ({}, {"timeout": 5.0}, True),
        ({"timeout": 0.0}, {}, False),
    ],
)
def test_what_has_a_timeout_ages(element, more, ages):
    assert LiveSet([item(port(1)), item(port(2), **element)], **more).ages is ages


def test_what_is_counted_for_elements_is_remembered():
    counted = item(port(1), memories=memories_of([Count()]))
    assert LiveSet([item(port(2)), counted]).remembers
    assert LiveSet([], statements=(Count(),)).remembers


@pytest.mark.parametrize("begin", ["find", "add"])
def test_elements_of_the_text_begin_to_age_with_the_first_packet(begin):
    live = LiveSet(
        [
            item(port(1), timeout=5.0),
            item(port(2), timeout=5.0, expires=2.0),
            item(port(3)),
            item(port(4), expires_at=103.0),
            item(ports(5, 6), timeout=1.0),
        ],
        timeout=7.0,
    )
    assert [each.expires for each in live.written(50.0)] == [None, 2.0, None, 53.0, None]
    _ = live.find(9, 100.0) if begin == "find" else live.add(9, item(port(9)), 100.0)
    expected = {1: 105.0, 2: 102.0, 3: 107.0, 4: 103.0, 5: 101.0}
    for key, gone_at in expected.items():
        assert live.find(key, gone_at - 0.1) is not None
        assert live.find(key, gone_at) is None
    live.find(9, 200.0)
    written = {str(each.key): each.expires for each in live.written(100.5)}
    assert written["1"] == 4.5
    assert written["2"] == 1.5
    assert [str(each.key) for each in live.written(104.0) if each.expires] == ["1", "3"]


def test_the_next_of_a_key_decides_once_the_first_is_gone():
    live = LiveSet(
        [
            item(port(1), "exact", expires_at=1.0),
            item(ports(1, 2), "range", expires_at=2.0),
            item(ports(0, 3), "wider", expires_at=3.0),
            item(Anything(), "any", expires_at=4.0),
        ],
        timeout=9.0,
    )
    found = [live.find(1, now) for now in (0.5, 1.5, 2.5, 3.5, 4.5)]
    assert [each and each.data for each in found] == ["exact", "range", "wider", "any", None]


def test_a_set_admits_what_is_there_and_what_is_counted_lets_pass():
    quota = memories_of([Quota(50)])
    live = LiveSet([item(port(1)), item(port(2), memories=quota)])
    walk = walk_of(decode(udp()), 0.0)
    assert live.admits(1, walk) is live.exact[1]
    assert live.admits(3, walk) is None
    assert live.admits(2, walk) is live.exact[2]
    assert live.admits(2, walk) is None  # 56 octets by now


def test_a_full_set_takes_nothing_more_but_what_it_has():
    live = LiveSet([item(port(1))], size=2)
    assert live.add(2, item(port(2)), 0.0)
    assert not live.add(3, item(port(3)), 0.0)
    assert numbers(live) == [1, 2]
    assert there(live, 1, 2, 3) == [1, 2]


def test_a_set_of_no_size_takes_some():
    assert LiveSet([]).add(2, item(port(2)), 0.0)
    assert not LiveSet([], size=0).add(2, item(port(2)), 0.0)


def test_what_is_added_again_is_the_last():
    live = LiveSet([item(port(1)), item(port(2))], size=9)
    assert live.add(1, item(port(1), "new"), 0.0)
    assert numbers(live) == [2, 1]
    assert live.find(1, 0.0).data == "new"


@pytest.mark.parametrize("expires_at", [None, 5.0])
def test_a_set_ages_from_the_first_element_that_does(expires_at):
    live = LiveSet([])
    live.add(1, item(port(1), expires_at=expires_at), 0.0)
    assert live.ages is (expires_at is not None)
    live.add(2, item(port(2)), 0.0)
    assert live.ages is (expires_at is not None)
    assert there(live, 1, 2, now=5.0) == ([1, 2] if expires_at is None else [2])


def test_what_has_expired_gives_way():
    live = LiveSet([], size=2)
    for number in (1, 2):
        assert live.add(number, item(port(number), expires_at=5.0), 0.0)
    assert not live.add(3, item(port(3)), 4.9)
    assert live.add(3, item(port(3)), 5.0)
    assert numbers(live) == [3]


def test_a_place_is_free_a_second_after_its_element_was_removed():
    live = LiveSet([item(port(number)) for number in (1, 2, 3)], size=3)
    live.remove(9, 10.0)  # is not there
    live.remove(1, 10.0)
    assert there(live, 1, 2, 3) == [2, 3]
    assert not live.add(4, item(port(4)), 10.0 + GC_INTERVAL / 2)
    live.remove(2, 10.0 + GC_INTERVAL / 2)
    assert not live.add(4, item(port(4)), 10.0 + GC_INTERVAL)
    assert live.add(4, item(port(4)), 10.0 + GC_INTERVAL * 1.5)
    assert live.add(5, item(port(5)), 10.0 + GC_INTERVAL * 1.5)
    assert not live.add(6, item(port(6)), 10.0 + GC_INTERVAL * 1.5)


def test_what_was_removed_at_once_takes_no_place_that_is_left():
    live = LiveSet([item(port(1))], size=2)
    live.remove(1, 10.0)
    assert live.add(2, item(port(2)), 10.0)
    assert not live.add(3, item(port(3)), 10.0)


def test_nothing_expires_before_places_are_free_again():
    """As in Linux, which cleans up for both at once."""
    live = LiveSet([item(port(1)), item(port(2), expires_at=10.2)], size=2, timeout=60.0)
    live.remove(1, 10.0)
    assert not live.add(3, item(port(3)), 10.5)
    assert live.add(3, item(port(3)), 11.0)


def test_a_later_removal_never_frees_sooner():
    live = LiveSet([item(port(number)) for number in (1, 2)], size=2)
    live.remove(1, 10.0)
    live.remove(2, 5.0)  # a clock that goes back
    assert not live.add(3, item(port(3)), 10.9)
    assert live.add(3, item(port(3)), 11.0)


def test_who_is_renewed_comes_last():
    live = LiveSet([item(port(number), expires_at=5.0) for number in (1, 2, 3)], timeout=5.0)
    live.renew(1, live.exact[1], 9.0)
    assert numbers(live) == [2, 3, 1]
    assert there(live, 1, 2, 3, now=8.0) == [1]
    ranged = LiveSet([item(ports(1, 2), expires_at=5.0)], timeout=5.0)
    ranged.renew(1, ranged.find(1, 0.0), 9.0)
    assert there(ranged, 1, now=8.0) == [1]
    assert numbers(ranged) == []


def test_what_was_saved_is_taken_back_whole():
    first = [item(port(1), timeout=5.0), item(ports(3, 4), timeout=5.0), item(Anything(), "any")]
    live = LiveSet(first, size=3)
    saved = live.save()
    live.find(1, 100.0)
    live.remove(1, 100.0)
    live.add(2, item(port(2), expires_at=101.0), 100.0)
    live.restore(saved)
    assert numbers(live) == [1]
    assert [each.expires_at for each in live] == [None, None, None]
    assert live.find(1, 200.0) is live.exact[1]
    assert live.exact[1].expires_at == 205.0
    assert live.add(5, item(port(5)), 200.0)
    assert live.add(6, item(port(6)), 200.0)


def test_what_is_counted_is_written_with_the_elements():
    memories = memories_of([Count()])
    live = LiveSet([item(port(1), memories=memories)])
    memories[0].passes(walk_of(decode(udp()), 0.0))
    (element,) = live.written(0.0)
    assert element.statements == (Count(1, 28),)
