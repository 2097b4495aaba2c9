"""What becomes of elements for which connections are counted: as was seen of Linux 6.18.

There each set has a clock of its own; here whole seconds of `now` are when elements go.
"""

from __future__ import annotations

import re

import pytest

from builders import CLIENT, SERVER, tcp, udp
from statefulinspect import Action, Config, Ruleset, Tracker
from statefulinspect.rules.engine import census
from statefulinspect.rules.engine.census import CONNECTIONS_AT_ONCE
from statefulinspect.rules.engine.livesets import ELEMENTS_AT_ONCE

A, B, C = ("10.0.1.65", "10.0.1.66", "10.0.1.67")
ADD = "add @s { ip saddr ct count over 20 }"
SOURCES = [f"10.0.{at >> 8}.{at & 255}" for at in range(1024, 5120)]
HANDSHAKE = [
    tcp(9, 80, "SYN", 100),
    tcp(80, 9, "SYN,ACK", 500, 101, source=SERVER, destination=CLIENT),
    tcp(9, 80, "ACK", 101, 501),
]
CLOSING = [
    tcp(9, 80, "FIN,ACK", 101, 501),
    tcp(80, 9, "FIN,ACK", 501, 102, source=SERVER, destination=CLIENT),
    tcp(9, 80, "ACK", 102, 502),
]


def ask(source=A, port=1):
    return udp(port, 53, source=source)


class Idiom:
    """A tracker whose rule counts connections for elements of a set."""

    def __init__(
        self, rule=ADD, declared="flags dynamic;", *, kind="set", of="", before="", then=""
    ):
        self.tracker = Tracker(
            Ruleset.parse(f"""
            table inet t {{
              {kind} s {{ type ipv4_addr {of}; {declared} }}
              chain c {{
                type filter hook forward priority filter
                {before}
                {rule} counter {then}
                udp sport 9999 drop
              }}
            }}
            """),
            Config.linux(),
        )
        self.passed = 0

    def see(self, at, *packets):
        """Send packets; tell of each whether the rule let it pass."""
        return [self._see(packet, at) for packet in packets]

    def _see(self, packet, at):
        self.tracker.process(packet, at)
        chain = str(self.tracker.ruleset).split("chain c")[1]
        passed = int(re.findall(r"counter packets (\d+)", chain)[0])
        before, self.passed = self.passed, passed
        return passed > before

    def end(self, *packets):
        """Delete the connections of packets."""
        for packet in packets:
            self.tracker.delete(self.tracker.find(packet))

    def held(self, at=None):
        """Tell the elements that a listing shows."""
        if at is not None:
            self.tracker.expire(at)
        found = re.search(r"elements = \{([^}]*)\}", str(self.tracker.ruleset))
        return [] if found is None else [each.strip() for each in found[1].split(",")]

    def live(self):
        ((live,),) = [scope.sets.values() for scope in self.tracker._judge.filter._scopes]
        return live

    def inside(self):
        """Tell how many elements are kept in memory."""
        return len(self.live().exact)

    def remembered(self):
        """Tell all that is kept in memory, in its order."""
        live = self.live()
        items = [
            (key, item.looked_in, [each.save() for each in item.memories])
            for key, item in live.exact.items()
        ]
        return items, live.counts, live.ages


# When an element goes.


def test_an_element_goes_with_its_last_connection():
    idiom = Idiom()
    idiom.see(0.1, ask(A, 1), ask(A, 2))
    assert idiom.held(5.0) == [f"{A} ct count over 20"]
    idiom.end(ask(A, 1))
    assert idiom.held(6.0) == [f"{A} ct count over 20"]
    idiom.end(ask(A, 2))
    assert idiom.held(7.0) == []


def test_it_goes_when_its_connections_time_out():
    idiom = Idiom()
    idiom.see(0.1, ask())
    assert idiom.held(30.0) == [f"{A} ct count over 20"]
    assert idiom.held(30.2) == []


def test_it_is_there_to_the_end_of_the_second():
    idiom = Idiom()
    idiom.see(0.1, ask())
    idiom.end(ask())
    assert idiom.held(0.9) == [f"{A} ct count over 20"]
    assert idiom.held(1.0) == []


def test_what_else_is_counted_for_it_begins_anew():
    idiom = Idiom("add @s { ip saddr counter ct count over 20 }")
    idiom.see(0.1, ask(), ask())
    idiom.end(ask())
    idiom.see(0.9, ask())
    assert idiom.held() == [f"{A} counter packets 3 bytes 84 ct count over 20"]
    idiom.end(ask())
    idiom.see(1.0, ask())
    assert idiom.held() == [f"{A} counter packets 1 bytes 28 ct count over 20"]


@pytest.mark.parametrize("rule", [ADD, "update @s { ip saddr ct count 20 }", "add @s { ip saddr }"])
def test_it_goes_however_it_is_added(rule):
    idiom = Idiom(rule, "flags dynamic; ct count over 20;")
    idiom.see(0.1, ask())
    assert len(idiom.held(1.0)) == 1
    idiom.end(ask())
    assert idiom.held(2.0) == []


def test_elements_of_maps_go_too():
    idiom = Idiom("add @s { ip saddr ct count over 20 : 7 }", kind="map", of=": mark")
    idiom.see(0.1, ask())
    assert idiom.held() == [f"{A} ct count over 20 : 0x00000007"]
    idiom.end(ask())
    assert idiom.held(1.0) == []


def test_a_closed_connection_keeps_no_element():
    idiom = Idiom("ct state new " + ADD)
    idiom.see(0.1, *HANDSHAKE)
    assert idiom.held(1.0) == [f"{CLIENT} ct count over 20"]
    idiom.see(1.1, *CLOSING)
    assert idiom.held(2.0) == []
    assert len(idiom.tracker) == 1


def test_a_connection_that_was_not_counted_keeps_no_element():
    idiom = Idiom("ct state established ip saddr 10.0.1.0/24 " + ADD)
    idiom.see(0.1, *HANDSHAKE, tcp(9, 80, "ACK", 101, 501))  # assured now
    idiom.see(1.0, tcp(9, 80, "ACK", 101, 501))
    assert idiom.held() == [f"{CLIENT} ct count over 20"]
    assert idiom.held(2.0) == []


def test_what_is_dropped_keeps_no_element():
    idiom = Idiom()
    idiom.see(0.1, ask(A, 9999))
    assert idiom.held() == [f"{A} ct count over 20"]
    assert idiom.held(1.0) == []


def test_a_packet_keeps_the_element_of_its_connection_though_it_ends_it():
    idiom = Idiom("add @s { ip saddr counter ct count over 20 }")
    idiom.see(0.1, HANDSHAKE[0])
    idiom.see(1.0, tcp(9, 80, "RST", 101))
    assert idiom.held() == [f"{CLIENT} counter packets 2 bytes 80 ct count over 20"]
    assert idiom.held(2.0) == []


@pytest.mark.parametrize(
    "counts",
    ["ct count over 5 ct count over 3", "quota over 1 mbytes ct count over 3"],
)
def test_one_count_that_nothing_is_counted_by_is_enough(counts):
    idiom = Idiom(f"add @s {{ ip saddr {counts} }}")
    idiom.see(0.1, ask())
    assert len(idiom.held()) == 1
    assert idiom.held(1.0) == []


def test_with_both_counting_it_stays():
    idiom = Idiom("add @s { ip saddr ct count over 2 ct count over 1 }")
    assert idiom.see(0.1, *(ask(A, port) for port in range(1, 6))) == [False] * 3 + [True] * 2
    assert len(idiom.held(5.0)) == 1


# Elements of the text.

DECLARED = f"elements = {{ {A} ct count over 20, {B} ct count over 20, {C}, * ct count over 20 }};"


def test_declared_elements_have_a_second_from_the_first_packet_on():
    idiom = Idiom("ip saddr @s", "flags dynamic; " + DECLARED)
    assert len(idiom.held(100.0)) == 4
    idiom.see(100.1, ask(A))
    assert len(idiom.held(100.9)) == 4
    assert idiom.held(101.0) == [f"{A} ct count over 20", C, "* ct count over 20"]
    idiom.end(ask(A))
    assert idiom.held(102.0) == [C, "* ct count over 20"]


def test_sets_that_packets_do_not_fill_keep_theirs():
    idiom = Idiom("ip saddr @s", DECLARED)
    idiom.see(0.1, ask(A))
    assert len(idiom.held(1000.0)) == 4


def test_what_has_no_counts_stays_where_others_go():
    idiom = Idiom(ADD, f"flags dynamic; elements = {{ {C} }};")
    idiom.see(0.1, ask(A), ask(C))
    idiom.see(100.0, ask(B))
    assert idiom.held() == [C, f"{B} ct count over 20"]


# What packets see of it.


def test_who_asks_for_what_has_gone_does_not_find_it():
    idiom = Idiom("ip saddr @s", "flags dynamic;", before=f"udp dport 53 udp sport 1 {ADD}")
    assert idiom.see(0.1, ask(A, 1), ask(A, 2)) == [False, False]
    idiom = Idiom("ip saddr @s", "flags dynamic;", before=f"udp sport 1 {ADD.replace('20', '0')}")
    assert idiom.see(0.1, ask(A, 1), ask(A, 2)) == [True, True]
    idiom.end(ask(A, 1), ask(A, 2))
    assert idiom.see(1.0, ask(A, 2)) == [False]


def test_nor_does_who_asks_for_the_contrary():
    idiom = Idiom("ip saddr != @s", before=f"udp sport 1 {ADD.replace('20', '0')}")
    assert idiom.see(0.1, ask(A, 1), ask(A, 2)) == [False, False]
    idiom.end(ask(A, 1), ask(A, 2))
    assert idiom.see(1.0, ask(A, 2)) == [True]


def test_a_known_connection_does_not_count_with_those_that_ended_after_it():
    idiom = Idiom("update @s { ip saddr ct count over 1 }")
    assert idiom.see(0.1, ask(A, 1), ask(A, 2), ask(A, 3)) == [False, True, True]
    idiom.end(ask(A, 2), ask(A, 3))
    assert idiom.see(0.9, ask(A, 1)) == [True]
    assert idiom.see(1.0, ask(A, 1)) == [False]


@pytest.mark.parametrize(
    ("living", "counted"),
    [([0], 2), ([64], 2), ([65], 171), ([100], 136), ([200], 36), ([0, 100, 200], 137)],
)
def test_all_that_ended_is_forgotten_up_to_a_connection_behind_65(living, counted, monkeypatch):
    """Of 300, as in Linux without bounds; the packet that comes then forgets 65 more."""
    monkeypatch.setattr(census, "CONNECTIONS_AT_ONCE", 1024)
    for over, passes in ((counted - 1, True), (counted, False)):
        idiom = Idiom(f"add @s {{ ip saddr ct count over {over} }}")
        packets = [ask(A, port) for port in range(1000, 1300)]
        for packet in packets:
            idiom.tracker.process(packet, 0.1)
        idiom.end(*(each for at, each in enumerate(packets) if at not in living))
        idiom.see(1.0, ask(B))
        assert idiom.see(1.0, ask(A, 60_000)) == [passes]


@pytest.mark.parametrize("before", ["", "ip saddr @s", "ip saddr != @s"])
def test_a_trace_changes_nothing_and_tells_what_becomes_of_the_packet(before):
    rule = "add @s { ip saddr counter ct count over 0 }"
    declared = f"flags dynamic; elements = {{ {C} counter ct count over 5 }};"
    idiom = Idiom(rule, declared, before=before, then="drop")
    for at in (0.1, 0.9, 1.0, 2.1):
        idiom.tracker.expire(at)
        inside = idiom.remembered()
        traced = [idiom.tracker.trace(ask(source, 9), at).verdict.action for source in (A, C)]
        assert idiom.remembered() == inside
        assert [idiom.tracker.process(ask(each, 9), at).action for each in (A, C)] == traced


def test_a_trace_of_the_first_that_is_added_changes_nothing():
    idiom = Idiom()
    inside = idiom.remembered()
    idiom.tracker.trace(ask(), 0.1)
    assert idiom.remembered() == inside


def test_a_trace_of_who_only_asks_changes_nothing():
    idiom = Idiom("ip saddr @s", before=f"udp sport 1 {ADD}")
    idiom.see(0.1, ask(A, 1), ask(B, 1))
    idiom.end(ask(A, 1))
    inside = idiom.remembered()
    idiom.tracker.trace(ask(A, 2), 1.0)
    idiom.tracker.trace(ask(B, 2), 1.0)
    assert idiom.remembered() == inside


def test_a_trace_forgets_no_connection():
    idiom = Idiom("ip saddr @s", before=f"udp sport 1-2 {ADD}")
    idiom.see(0.1, ask(A, 1), ask(A, 2))
    idiom.end(ask(A, 1))
    inside = idiom.remembered()
    idiom.tracker.trace(ask(A, 3), 1.0)
    assert idiom.remembered() == inside


@pytest.mark.parametrize(
    "packets", [[*HANDSHAKE, *CLOSING], [HANDSHAKE[0], tcp(9, 80, "RST", 101)]], ids=["FIN", "RST"]
)
def test_for_a_packet_that_ends_its_connection_the_element_is_there_in_a_trace_too(packets):
    *before, last = packets
    tracker = Idiom("ct state new " + ADD, before="meta mark 1 ip saddr != @s drop").tracker
    for packet in before:
        tracker.process(packet, 0.1)
    assert tracker.trace(last, 1.0, mark=1).verdict.action is Action.ACCEPT
    assert tracker.process(last, 1.0, mark=1).action is Action.ACCEPT
    tracker.expire(2.0)
    assert "elements" not in str(tracker.ruleset)


# A full set.


def test_a_full_set_has_room_when_its_elements_have_gone():
    idiom = Idiom("add @s { ip saddr ct count over 0 }", "flags dynamic; size 2;")
    assert idiom.see(0.1, ask(A), ask(B), ask(C)) == [True, True, False]
    idiom.end(ask(A), ask(B))
    assert idiom.see(0.9, ask(C, 2)) == [False]
    assert idiom.see(1.0, ask(C, 3)) == [True]
    assert idiom.held() == [f"{C} ct count over 0"]


def test_a_full_set_of_the_living_takes_nobody():
    idiom = Idiom("add @s { ip saddr ct count over 0 }", "flags dynamic; size 2;")
    idiom.see(0.1, ask(A), ask(B))
    assert idiom.see(1.0, ask(C)) == [False]
    assert len(idiom.held(1.0)) == 2


def test_the_limit_holds_after_a_flood_of_sources():
    """Sources by the thousand fill the set; then somebody opens too many connections."""
    idiom = Idiom(ADD, "flags dynamic; size 3000;", then="drop")
    process = idiom.tracker.process
    for source in SOURCES:
        assert process(ask(source), 0.1).action is Action.ACCEPT
    assert idiom.inside() == 3000
    fates = [process(ask(A, port), 60.0).action for port in range(1, 41)]
    assert fates == [Action.ACCEPT] * 20 + [Action.DROP] * 20


# Work is bounded.


def test_an_addition_looks_at_a_few():
    idiom = Idiom()
    for source in SOURCES[:500]:
        idiom.tracker.process(ask(source), 0.1)
    idiom.tracker.process(ask(C), 60.0)
    assert idiom.inside() == 500 - ELEMENTS_AT_ONCE + 1
    assert idiom.held() == [f"{C} ct count over 20"]
    for port in range(2, 9):
        idiom.tracker.process(ask(C, port), 60.0)  # adds nothing
    assert idiom.inside() == 500 - ELEMENTS_AT_ONCE + 1
    for source in SOURCES[500:507]:
        idiom.tracker.process(ask(source), 60.0)
    assert idiom.inside() == 8


def test_each_has_its_turn_once_in_a_second():
    idiom = Idiom()
    looked = looks_of(idiom.tracker)
    for source in SOURCES[:100]:
        idiom.tracker.process(ask(source), 0.1)
    assert looked == []
    expected = [SOURCES[:64], SOURCES[64:100], []]
    for number, sources in enumerate(expected):
        looked.clear()
        idiom.tracker.process(ask(SOURCES[200 + number]), 1.0)
        assert looked == sources
    looked.clear()
    idiom.tracker.process(ask(SOURCES[5], 7), 2.0)
    assert looked == [SOURCES[5]]
    assert idiom.held()[-1] == f"{SOURCES[5]} ct count over 20"


def test_long_lists_are_looked_through_one_after_the_other():
    idiom = Idiom(ADD.replace("20", "9999"))
    looked = looks_of(idiom.tracker)
    for source in (A, B, C):
        for port in range(1, CONNECTIONS_AT_ONCE // 2 + 2):
            idiom.tracker.process(ask(source, port), 0.1)
    looked.clear()
    idiom.tracker.process(ask(SOURCES[0]), 1.0)
    assert looked == [A, B]


def test_of_a_very_long_list_of_the_ended_a_part_is_forgotten_each_second():
    idiom = Idiom(ADD.replace("20", "9999"))
    for port in range(1, CONNECTIONS_AT_ONCE + 102):
        idiom.tracker.process(ask(A, port), 0.1)
    idiom.tracker.flush()
    insides = []
    for number, second in enumerate((1.0, 1.5, 2.0)):
        idiom.tracker.process(ask(SOURCES[number]), second)
        insides.append(idiom.inside())
    assert insides == [2, 3, 3]


def looks_of(tracker):
    """Note whose connections are looked at: `find` is asked for their keys."""
    looked = []
    find = tracker._judge._find

    def noted(zone, protocol, key, now):
        source = ".".join(map(str, key[:4]))
        if not looked or looked[-1] != source:
            looked.append(source)
        return find(zone, protocol, key, now)

    tracker._judge._find = noted
    return looked
