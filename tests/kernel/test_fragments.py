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
    Limits,
    Reason,
    Ruleset,
    Timeouts,
    Tracker,
    Verdict,
)

ROOMY = 1 << 30
THRESHOLDS = ("net.ipv4.ipfrag_high_thresh", "nf_conntrack_frag6_high_thresh")
SILENT = {"FRAGMENT_HELD", "IP_HEADER_CHECKSUM"} | {
    reason.name for reason in Reason if reason.name.startswith("FRAGMENT") and reason.name != "FRAGMENT"
}
DREW = SILENT - {"FRAGMENTS_FULL", "FRAGMENT_UNWANTED"}
EVERYTHING_PASSES = Ruleset([], policy=Action.ACCEPT)
ENDS = {4: (CLIENT, SERVER), 6: (CLIENT6, SERVER6)}


@dataclass
class Pair:
    """The library and the kernel beside each other, in real time."""

    kernel: Kernel
    tracker: Tracker
    judged: list = field(default_factory=list)
    reasons: Counter = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        classify = self.tracker._defragmenter._classify

        def noting(packet, now):
            self.judged.append(packet)
            return classify(packet, now)

        self.tracker._defragmenter._classify = noting
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
    dice = random.Random(seed)
    told: dict[int, list[str]] = {}
    with Kernel() as kernel:
        for name in THRESHOLDS:
            kernel.sysctl(name, ROOMY)
        pair = pair_for(kernel, limits=Limits(max_fragment_octets=ROOMY))
        number = 0
        while pair.reasons.total() < fragments:
            talks = [FragmentTalk(dice, number + at) for at in range(dice.choice([1, 1, 2, 90]))]
            number += len(talks)
            queues = [(talk, wire) for talk in talks for wire in talk.fragments()]
            if len(talks) > 1:
                dice.shuffle(queues)
            for talk, wire in queues:
                ours, theirs = pair.send(wire)
                lines = told.setdefault(talk.number, [])
                lines.append(f"{wire[:80].hex()} {len(wire)} {pair.tracker and ours[0]} {theirs[0]}")
                assert ours == theirs, "\n".join(lines)
            told = {talk.number: told[talk.number] for talk in talks}
        pair.tracker.check()
        entries = sorted((e.orig.proto, e.orig.src, e.counts) for e in kernel.entries())
        ours = sorted(
            (c.protocol, str(c.original.source), tuple(tuple(c.count(d)) for d in Direction))
            for c in pair.tracker
        )
        assert ours == entries
    print(f"{pair.reasons.total()} fragments, by reason: {dict(pair.reasons.most_common())}")  # noqa: T201
    assert set(pair.reasons) >= DREW
