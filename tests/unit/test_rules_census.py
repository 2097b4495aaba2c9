"""How many connections `ct count` finds: each conversation was had with Linux 6.18, too.

Lists that let pass over 0, 1, 2 ... stand behind each other, so their counters tell the number.
"""

from __future__ import annotations

import pytest

from builders import CLIENT, SERVER, icmp_error, ip, tcp, udp
from statefulinspect import Action, Config, Direction, Ruleset, Tracker
from statefulinspect.conntable import ConnTable
from statefulinspect.rules.engine.census import CONNECTIONS_AT_ONCE

ACCEPT, DROP = Action.ACCEPT, Action.DROP
TICK = 0.004
BACK = {"source": SERVER, "destination": CLIENT}
OF_ORIGINAL, OF_REPLY = ({"zone_direction": each} for each in Direction)
LISTS = range(12)
SYN, REFUSAL = tcp(9, 80, "SYN", 100), tcp(80, 9, "RST,ACK", 0, 101, **BACK)
HANDSHAKE = [SYN, tcp(80, 9, "SYN,ACK", 500, 101, **BACK), tcp(9, 80, "ACK", 101, 501)]
DATA = tcp(9, 80, "PSH,ACK", 101, 501, data=b"data")
CLOSING = [
    tcp(9, 80, "FIN,ACK", 101, 501),
    tcp(80, 9, "FIN,ACK", 501, 102, **BACK),
    tcp(9, 80, "ACK", 102, 502),
]


def ask(port):
    return udp(port, 53)


def answer(port, **more):
    return udp(53, port, **BACK, **more)


def broken(port):
    """An INVALID packet."""
    return udp(port, 53, bad=True)


class Census:
    """A tracker that counts; `see` tells of each packet how many were counted then."""

    def __init__(self, behind="accept", *, hook="forward priority filter", limit=None, lists=LISTS):
        rules = "\n".join(f"ct count over {most} counter" for most in lists)
        over = "" if limit is None else f"ct count over {limit} drop"
        text = f"""
        table inet t {{
          chain c {{ type filter hook {hook}; policy accept
            meta mark 1 accept
            {over}
            {rules}
            {behind}
          }}
        }}
        """
        self.tracker = Tracker(Ruleset.parse(text), Config.linux())
        self.passed = 0

    def see(self, tick, *packets, **context):
        return [self._see(packet, tick * TICK + 0.001, context) for packet in packets]

    def _see(self, packet, now, context):
        self.tracker.process(packet, now, **context)
        before, self.passed = self.passed, self._passed()
        return self.passed - before

    def _passed(self):
        words = str(self.tracker.ruleset).split("counter packets ")[1:]
        return sum(int(each.split()[0]) for each in words)

    def unseen(self, tick, *packets):
        """Send packets past the lists."""
        self.see(tick, *packets, mark=1)

    def end(self, *ports):
        """Delete the connections that were asked from these ports."""
        for port in ports:
            self.tracker.delete(self.tracker.find(ask(port)))


def asks(*ports):
    return [ask(port) for port in ports]


# What is counted.


def test_connections_are_counted_while_they_live():
    census = Census()
    assert census.see(0, *asks(1, 2, 2, 3)) == [1, 2, 2, 3]
    assert census.see(10_000, *asks(4, 5)) == [1, 2]  # the others have timed out


def test_those_above_the_limit_are_dropped():
    tracker = Census(limit=2).tracker
    fates = [tracker.process(each, 0.0).action for each in asks(1, 2, 3)]
    fates += [tracker.process(each, 60.0).action for each in asks(1, 2, 3)]
    assert fates == [ACCEPT, ACCEPT, DROP] * 2


def test_what_belongs_to_no_connection_counts_each_time_until_the_next_tick():
    census = Census()
    assert census.see(0, broken(1), broken(1), broken(2)) == [1, 2, 3]
    assert census.see(1, broken(2)) == [1]


def test_what_was_dropped_counts_each_time_until_the_next_tick():
    census = Census("drop")
    assert census.see(0, *asks(1, 1, 2)) == [1, 2, 3]
    assert census.see(1, *asks(1)) == [1]


def test_what_was_dropped_is_kept_by_its_answer():
    census = Census("udp sport 1 drop")
    assert census.see(0, ask(1), answer(1)) == [1, 2]
    assert census.see(1, ask(2)) == [3]


def test_a_new_connection_is_counted_once_though_it_answers_what_was_dropped():
    census = Census("udp sport 1 drop")
    assert census.see(0, ask(1)) == [1]
    assert census.see(1, answer(1)) == [1]


def test_a_packet_that_comes_by_twice_is_counted_twice():
    rules = "chain few { ct count over 2 drop; }\n chain c { type filter hook forward priority 0; "
    tracker = Tracker(Ruleset.parse(f"table t {{ {rules} jump few; jump few; }} }}"))
    assert [tracker.process(each, 0.0).action for each in asks(1, 1, 2)] == [ACCEPT, ACCEPT, DROP]


def test_an_assured_connection_is_not_counted_anew():
    census = Census()
    census.unseen(0, *HANDSHAKE)
    assert census.see(1, DATA, ask(1), DATA) == [0, 1, 1]


def test_nor_is_what_does_not_fit_it():
    census = Census()
    census.unseen(0, *HANDSHAKE)
    assert census.see(1, tcp(9, 80, "ACK", 101, 4_000_000_000)) == [0]


def test_closed_connections_do_not_count():
    census = Census()
    assert census.see(0, *HANDSHAKE) == [1, 1, 1]
    assert census.see(1, *CLOSING) == [1, 1, 1]
    assert census.see(2, ask(1)) == [1]


def test_what_has_no_flow_key_in_linux_is_not_let_past():
    tracker = Census(limit=9).tracker
    gre = ip(CLIENT, SERVER, 47, bytes.fromhex("00010800") + bytes(8))
    assert tracker.process(gre, 0.0).action is DROP


# When what has ended is forgotten.


def test_a_new_connection_forgets_what_has_ended_once_in_a_tick():
    census = Census()
    assert census.see(0, *asks(1, 2, 3)) == [1, 2, 3]
    census.end(1)
    assert census.see(0, ask(4)) == [4]
    assert census.see(1, ask(5)) == [4]


def test_a_known_connection_forgets_at_any_time_what_came_before_its_own():
    census = Census()
    assert census.see(0, *asks(1, 2, 3, 4)) == [1, 2, 3, 4]
    census.end(1, 3)
    assert census.see(0, *asks(2, 2)) == [3, 3]
    assert census.see(0, *asks(4)) == [2]


def test_a_known_connection_leaves_the_tick_to_the_next_if_it_finds_its_own():
    census = Census()
    census.see(0, *asks(1, 2, 3))
    assert census.see(1, ask(1)) == [3]
    census.end(2)
    assert census.see(1, *asks(4, 5)) == [3, 4]


def test_a_known_connection_that_is_not_found_takes_the_tick():
    census = Census()
    census.see(0, *asks(2, 3))
    census.unseen(0, ask(1))
    assert census.see(1, *asks(1, 1)) == [3, 3]
    census.end(2)
    assert census.see(1, ask(4)) == [4]
    assert census.see(2, ask(5)) == [4]


def test_an_assured_connection_forgets_once_in_a_tick_too():
    census = Census()
    census.unseen(0, *HANDSHAKE)
    census.see(0, *asks(1, 2, 3))
    assert census.see(1, DATA) == [3]
    census.end(2)
    assert census.see(1, DATA, ask(4)) == [3, 4]
    assert census.see(2, DATA) == [3]


def test_an_assured_connection_looks_beyond_its_own():
    census = Census()
    assert census.see(0, *HANDSHAKE, ask(1), ask(2)) == [1, 1, 1, 2, 3]
    census.end(2)
    assert census.see(1, DATA) == [2]


def test_a_connection_that_a_packet_ends_is_counted_last():
    census = Census()
    assert census.see(0, ask(1), SYN, ask(3)) == [1, 2, 3]
    census.end(3)
    assert census.see(1, tcp(9, 80, "RST", 101), ask(4)) == [2, 3]
    assert census.see(2, ask(5)) == [3]  # 1, 4 and 5


def test_a_closed_connection_still_finds_its_own():
    census = Census()
    census.unseen(0, DATA)
    assert census.see(0, HANDSHAKE[1], ask(1)) == [1, 2]
    census.end(1)
    assert census.see(1, tcp(80, 9, "RST", 501, **BACK)) == [2]
    assert census.see(1, ask(2)) == [1]


@pytest.mark.parametrize(("ended", "left"), [(64, 0), (65, 0), (66, 1), (70, 5), (131, 66)])
def test_a_packet_forgets_65_and_no_more(ended, left):
    census = Census(lists=range(150))
    census.see(0, *asks(*range(1, ended + 1)))
    census.tracker.flush()
    assert census.see(1, *asks(1001, 1002)) == [left + 1, left + 2]
    assert census.see(2, ask(1003)) == [max(0, left - 65) + 3]


@pytest.mark.parametrize(("ended", "counted"), [(64, [1, 1]), (65, [2, 2]), (67, [4, 2])])
def test_a_connection_behind_too_many_that_ended_is_counted_twice(ended, counted):
    census = Census(lists=range(80))
    census.see(0, *asks(*range(1001, ended + 1001)), SYN)
    census.end(*range(1001, ended + 1001))
    assert census.see(1, SYN, SYN) == counted


def test_what_is_past_its_deadline_has_ended_though_it_is_not_removed_yet():
    census = Census(lists=range(130))
    census.see(0, *asks(*range(1, 121)))
    assert census.see(10_000, ask(1001)) == [56]
    assert census.see(10_000, broken(120), broken(120)) == [57, 58]


def test_a_trace_counts_nothing():
    census = Census()
    census.see(0, ask(1))
    census.tracker.trace(ask(2), 0.0)
    assert census.see(0, ask(3)) == [2]


# What a connection is known by.


def test_what_is_invalid_is_known_by_its_own_direction():
    census = Census()
    assert census.see(0, ask(1)) == [1]
    assert census.see(1, broken(1), answer(1, bad=True), answer(1, bad=True)) == [1, 2, 2]


def test_errors_count_for_what_they_quote():
    census = Census()
    assert census.see(0, ask(1), icmp_error(ask(1)), icmp_error(ask(2))) == [1, 1, 2]


def test_zones_are_told_apart():
    census = Census()
    counted = [census.see(0, ask(1), zone=number)[0] for number in (0, 1, 2, 1)]
    assert counted == [1, 2, 3, 3]


def test_what_tracking_finds_invalid_is_in_no_zone():
    census = Census()
    assert census.see(0, ask(1), broken(1), zone=1) == [1, 2]


def test_the_zone_of_the_reply_does_not_matter():
    census = Census(hook="prerouting priority raw")
    assert census.see(0, ask(1)) == [1]
    assert census.see(1, ask(1), zone=2, **OF_REPLY) == [1]


def test_what_is_in_another_zone_of_the_original_direction_is_never_found():
    census = Census(hook="prerouting priority raw")
    assert census.see(0, ask(1)) == [1]
    assert census.see(1, answer(1), answer(1), zone=1, **OF_ORIGINAL) == [2, 3]
    assert census.see(1, answer(1), ask(2)) == [3, 4]


def test_a_connection_is_taken_for_another_that_its_key_leads_to():
    census = Census(hook="prerouting priority raw")
    census.see(0, ask(1), answer(1, bad=True), zone=1, **OF_REPLY)
    unknown = answer(1, bad=True)
    assert census.see(1, unknown, unknown, zone=2, **OF_REPLY) == [2, 2]
    assert census.see(2, ask(2)) == [3]


def test_a_key_leads_to_another_connection_while_the_packet_ends_the_newer():
    census = Census()
    census.unseen(0, SYN)
    invalid = HANDSHAKE[1]
    assert census.see(1, invalid, zone=6, **OF_REPLY) == [1]
    adopted, reset = (tcp(80, 9, flags, 500, **BACK) for flags in ("PSH,ACK", "RST"))
    assert census.see(2, adopted, reset, zone=6, **OF_REPLY) == [1, 1]
    assert census.see(3, broken(2)) == [2]


def test_a_trace_counts_as_the_packet_would_that_ends_its_connection():
    tracker = Census(limit=1).tracker
    assert [tracker.process(each, 0.0).action for each in (SYN, ask(1))] == [ACCEPT, DROP]
    reset = tcp(9, 80, "RST", 101)
    assert tracker.trace(reset, TICK).verdict.action is ACCEPT
    assert tracker.process(reset, TICK).action is ACCEPT


# What Linux does not do: take any time, and bound its work.


def counting(most):
    """A tracker with one list, and what that remembers."""
    rule = f"type filter hook forward priority 0; ct count over {most} drop"
    tracker = Tracker(Ruleset.parse(f"table inet t {{ chain c {{ {rule}\n }} }}"))
    (entry,) = tracker._judge.filter._programs["inet", "t", "c"].entries
    (memory,) = [deed.memory for _, deed in entry.deeds if deed.memory is not None]
    return tracker, memory


def listed(memory):
    names, _ = memory.save()
    return len(names)


@pytest.mark.parametrize("now", [1.7e308, -1.7e308])
def test_there_is_a_tick_for_every_time(now):
    tracker, _ = counting(9)
    assert tracker.process(ask(1), now).action is ACCEPT


def test_ticks_before_0_are_as_long_as_others():
    census = Census()
    census.see(-2, ask(1))
    census.end(1)
    assert census.see(-1, ask(2)) == [1]
    census.end(2)
    assert census.see(0, ask(3)) == [1]


def test_what_was_dropped_is_forgotten_behind_very_many_that_live():
    living = CONNECTIONS_AT_ONCE * 3
    tracker, memory = counting(living)
    for packet in asks(*range(1, 2001)):
        tracker.process(packet, 0.0)
    assert living < listed(memory) < living + CONNECTIONS_AT_ONCE


def test_of_very_many_it_is_taken_for_granted_that_a_connection_is_among_them():
    tracker, memory = counting(2000)
    known = asks(*range(1, CONNECTIONS_AT_ONCE * 3))
    for packet in (*known, *known[-5:]):
        tracker.process(packet, 0.0)
    assert listed(memory) == len(known)


@pytest.mark.parametrize("last", [ask(CONNECTIONS_AT_ONCE * 2), ask(9999)], ids=["known", "new"])
def test_a_packet_looks_at_so_many_and_no_more(last, monkeypatch):
    looked_at, candidates = [], ConnTable.candidates
    monkeypatch.setattr(
        ConnTable, "candidates", lambda *asked: looked_at.append(asked) or candidates(*asked)
    )
    tracker, _ = counting(2000)
    for packet in asks(*range(1, CONNECTIONS_AT_ONCE * 2 + 1)):
        tracker.process(packet, 0.0)
    looked_at.clear()
    tracker.process(last, 1.0)
    assert CONNECTIONS_AT_ONCE <= len(looked_at) <= CONNECTIONS_AT_ONCE + 1  # and its own
