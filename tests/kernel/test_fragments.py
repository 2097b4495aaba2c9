"""Fragments, answered by the library and by the running kernel.

Compared after every fragment: whether anything went on at all; ct state and direction; whether it
passed; the connection's counters; and the octets of the whole datagram, as far as the log has them.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from builders import CLIENT, CLIENT6, SERVER, SERVER6, piece, udp
from kernel.conntrack import Entry
from kernel.flow import lookup_flow
from kernel.fragment_talk import FragmentTalk
from kernel.kernel import Kernel, _answer, device_of
from kernel.nflog import COPY_BYTES
from statefulinspect import (
    Action,
    Config,
    Direction,
    EventKind,
    Limits,
    Reason,
    Ruleset,
    Timeouts,
    Tracker,
    Verdict,
)

ROOMY = 1 << 30
TIMEOUTS = ("net.ipv4.ipfrag_time", "nf_conntrack_frag6_timeout")
THRESHOLDS = ("net.ipv4.ipfrag_high_thresh", "nf_conntrack_frag6_high_thresh")
SILENT = {"IP_HEADER_CHECKSUM"} | {
    reason.name for reason in Reason if reason.name.startswith(("FRAGMENT_", "FRAGMENTS_"))
}
ELSEWHERE = {"FRAGMENTS_FULL", "FRAGMENT_UNWANTED", "FRAGMENT_TINY", "FRAGMENT_IN_HEADER"}
DRAWN = (SILENT | {"OUTRUN", "MISFIT"}) - ELSEWHERE
SOON = 20_000  # fragments, sent well before the first connection times out
AT_ONCE = [1, 1, 1, 2, 500]  # datagrams: of so many, some are outrun by others of their source
EVERYTHING_PASSES = Ruleset([], policy=Action.ACCEPT)
ENDS = {4: (CLIENT, SERVER), 6: (CLIENT6, SERVER6)}


@dataclass
class Pair:
    """The library and the kernel beside each other, in real time."""

    kernel: Kernel
    tracker: Tracker
    judged: list = field(default_factory=list)
    reasons: Counter = field(default_factory=Counter)
    causes: Counter = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        classify = self.tracker._defragmenter.classify

        def noting(packet, now):
            self.judged.append(packet)
            return classify(packet, now)

        self.tracker._defragmenter.classify = noting
        self.kernel.sysctl("nf_conntrack_acct", 1)

    def send(self, wire: bytes) -> tuple[tuple, tuple]:
        """Give a fragment to both; return both answers.

        Whether it passed is not compared where IPv6 extension headers are left in the datagram:
        behind conntrack Linux does not always manage to cut such a one up again.
        """
        self.judged.clear()
        verdict = self.tracker.process(wire, time.monotonic() - self.began)
        self.reasons[verdict.reason.name] += 1
        ours, theirs = self._ours(verdict, wire), self._theirs(wire)
        if self.judged and self.judged[-1].family == 6 and self.judged[-1].l4 > 40:
            ours, theirs = (each[:2] + each[3:] for each in (ours, theirs))
        return ours, theirs

    def _ours(self, verdict: Verdict, wire: bytes) -> tuple:
        if verdict.reason.name in SILENT:
            return ("silent",)
        way = verdict.direction and verdict.direction.value
        counts = verdict.connection and tuple(tuple(verdict.connection.count(d)) for d in Direction)
        packet = self.judged[-1].wire if self.judged else wire
        passes = verdict.action is Action.ACCEPT
        return verdict.ct_state.value, way, passes, counts, comparable(packet)

    def _theirs(self, wire: bytes) -> tuple:
        logged = self.kernel._inject(wire, device_of(wire))
        passes = bool(self.kernel._drain())
        if logged is None:
            return ("silent",)
        flow = lookup_flow(logged.packet)
        entry: Entry | None = None if flow is None else self.kernel._table.get(flow)
        answer = _answer(logged.prefix, entry)
        counts = entry.counts if entry is not None and answer.direction is not None else None
        return answer.ct_state, answer.direction, passes, counts, comparable(logged.packet)


def comparable(wire: bytes) -> bytes:
    """Cut a packet as the log does; of IPv4 without "don't fragment" and checksum."""
    if wire[0] >> 4 == 4:
        wire = wire[:6] + bytes(2) + wire[8:10] + bytes(2) + wire[12:]
    return wire[:COPY_BYTES]


def pair_for(kernel: Kernel, **changes) -> Pair:
    return Pair(kernel, Tracker(EVERYTHING_PASSES, Config.linux(accounting=True, **changes)))


def test_fragments_are_answered_as_the_kernel_answers(pytestconfig):
    fragments, seed = pytestconfig.getoption("packets"), pytestconfig.getoption("seed")
    dice, number = random.Random(seed), 0
    with Kernel() as kernel:
        for name in THRESHOLDS:
            kernel.sysctl(name, ROOMY)
        pair = pair_for(kernel, limits=Limits(max_fragment_octets=ROOMY), events=True)
        for enough in (min(fragments, SOON), fragments):
            while pair.reasons.total() < enough:
                talks = [FragmentTalk(dice, number + at) for at in range(dice.choice(AT_ONCE))]
                number += len(talks)
                compare(pair, dice, talks)
            pair.tracker.check()
            if enough <= SOON:
                assert library_entries(pair.tracker) == kernel_entries(kernel)
    counted = pair.reasons + pair.causes
    print(f"{pair.reasons.total()} fragments: {dict(counted.most_common())}")  # noqa: T201 - for -s
    assert set(counted) >= DRAWN


def compare(pair: Pair, dice: random.Random, talks: list[FragmentTalk]) -> None:
    """Send the fragments of some datagrams, mixed if there are many."""
    drawn = [(talk, wire) for talk in talks for wire in talk.fragments()]
    if len(talks) > 1:
        dice.shuffle(drawn)
    told: dict[int, list[str]] = {}
    for talk, wire in drawn:
        ours, theirs = pair.send(wire)
        lines = told.setdefault(talk.number, [])
        lines.append(f"{wire[:80].hex()} {ours[0]} {theirs[0]}")
        assert ours == theirs, "\n".join(lines)
    pair.causes.update(
        cause.name
        for event in pair.tracker.events()
        if event.kind is EventKind.LAPSE
        for cause in event.causes
    )


def library_entries(tracker: Tracker) -> list:
    return sorted(
        (c.protocol, str(c.original.source), tuple(tuple(c.count(way)) for way in Direction))
        for c in tracker
    )


def kernel_entries(kernel: Kernel) -> list:
    return sorted((e.orig.proto, e.orig.src, e.counts) for e in kernel.entries())


def datagram(family: int, number: int, size: int = 56) -> bytes:
    source, destination = ENDS[family]
    return udp(number, 53, bytes(size), source=source, destination=destination)


@pytest.mark.parametrize("family", [4, 6])
def test_time_runs_from_the_first_fragment(family):
    """After 1.4 s the first of three is gone after one second, whatever came in between."""
    with Kernel() as kernel:
        for name in TIMEOUTS:
            kernel.sysctl(name, 1)
        pair = pair_for(kernel, timeouts=Timeouts.linux(ipfrag=1, frag6=1))
        wholes = [datagram(family, number) for number in range(1, 61)]
        for pause, places in [(0, (0, 24)), (0.6, (24, 48)), (0.8, (48, 64)), (0, (0, 24))]:
            time.sleep(pause)
            for number, whole in enumerate(wholes):
                early = number % 2 and pause == 0.6  # every other datagram is whole in time
                stop = 64 if early else places[1]
                ours, theirs = pair.send(piece(whole, places[0], stop, id_=number))
                assert ours == theirs
                assert ours[0] == ("new" if early else "silent")
        assert library_entries(pair.tracker) == kernel_entries(kernel)


@pytest.mark.parametrize("family", [4, 6])
def test_when_memory_is_full_nothing_is_pushed_out_and_nothing_taken_in(family):
    """Linux counts what a packet occupies; here it is about the same."""
    with Kernel() as kernel:
        pair = pair_for(kernel)
        wholes = [datagram(family, number, 2000) for number in range(1, 2001)]
        for number, whole in enumerate(wholes):
            ours, theirs = pair.send(piece(whole, 0, 1480, id_=number))
            assert ours == theirs == ("silent",)
        assert pair.reasons["FRAGMENTS_FULL"] in range(250, 450)
        assert pair.send(piece(wholes[0], 1480, id_=0)) == (("silent",), ("silent",))
        assert pair.send(wholes[0])[0][0] == "new"
