"""Feed the same packets to the library and to the kernel, and say where they differ.

Compared after every packet: ct state and direction; and of the connection its state name, whether
it is replied and assured, packets and octets of both directions, and the seconds left (within one,
for the kernel's clock runs meanwhile).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import builders
from kernel.conntrack import Expected, Table
from kernel.flow import PROTO_GRE, SourceKey, flow_of, lookup_flow, no_source_key
from kernel.kernel import Kernel
from kernel.settings import describe, sysctls
from kernel.talks import Packet
from statefulinspect import Action, Config, Direction, Ruleset, Tracker, decode

STEP = 0.001  # seconds between packets, about what the kernel takes for one
PORTS, GRE_KEYS = "sport={} dport={}", "srckey={:#x} dstkey={:#x}"
TOLERANCE = 1.2  # seconds: the kernel rounds down, and its clock runs


EVERYTHING_PASSES = Ruleset([], policy=Action.ACCEPT)


class Answer(NamedTuple):
    """What either side says about one packet, then knows of its connection, and expects."""

    words: str
    seconds: float | None = None
    reason: str = ""
    expects: Sequence[tuple[str, float]] = ()  # sorted; each with its seconds left

    def agrees(self, other: Answer, tolerance: float) -> bool:
        if self.words != other.words:
            return False
        if [words for words, _ in self.expects] != [words for words, _ in other.expects]:
            return False
        pairs = [(self.seconds, other.seconds)]
        pairs += [(a, b) for (_, a), (_, b) in zip(self.expects, other.expects)]
        return all(a is None or b is None or abs(a - b) <= tolerance for a, b in pairs)

    def __str__(self) -> str:
        told = self.words if self.seconds is None else f"{self.words} {self.seconds:.3f}s"
        return "\n    ".join([told, *(f"{words} {left:.3f}s" for words, left in self.expects)])


def library_answer(tracker: Tracker, wire: bytes, now: float) -> Answer:
    verdict = tracker.process(wire, now)
    if verdict.reason.effect.name in ("DISCARD", "HOLD"):
        return Answer("discarded", reason=verdict.reason.name)
    direction = verdict.direction.value if verdict.direction else "-"
    passed = "passes" if verdict.action is Action.ACCEPT else "dropped"
    words = f"{verdict.ct_state.value} {direction} {passed}"
    connection = verdict.connection if decode(wire).fragment_at else tracker.find(wire)
    if connection is None:
        return Answer(f"{words} gone", reason=verdict.reason.name)
    counts = [tuple(connection.count(way)) for way in Direction]
    words += f" {connection.state_name or '-'} replied={connection.seen_reply}"
    words += f" assured={connection.is_assured} {counts}"
    return Answer(words, connection.expires_at - now, verdict.reason.name)


def is_of_the_link(wire: bytes) -> bool:
    """Say whether a packet comes from a link-local address: no router sends it on."""
    return wire[0] >> 4 == 6 and wire[8:9] == b"\xfe" and wire[9] & 0xC0 == 0x80


def kernel_answer(kernel: Kernel, wire: bytes, source_key: SourceKey = no_source_key) -> Answer:
    answer = kernel.send(wire, source_key=source_key)
    if answer is None:
        return Answer("discarded")
    passed = "passes" if answer.passed or is_of_the_link(wire) else "dropped"
    words, entry = f"{answer.ct_state} {answer.direction or '-'} {passed}", answer.entry
    is_error = flow_of(wire) != lookup_flow(wire)
    if entry is None or (is_error and answer.ct_state == "invalid"):  # of a misdirected error
        return Answer(f"{words} gone")
    words += f" {entry.state or '-'} replied={entry.seen_reply}"
    words += f" assured={entry.assured} {list(entry.counts or ())}"
    return Answer(words, entry.timeout)


def library_expects(tracker: Tracker, now: float) -> list[tuple[str, float]]:
    """List what the library expects, with the seconds left."""
    return sorted(
        (each.to_conntrack(now).partition(" ")[2], each.expires_at - now)
        for each in tracker.expectations
    )


def kernel_expects(kernel: Kernel | Table) -> list[tuple[str, float]]:
    """List what the kernel expects, in the same words."""
    return sorted((_expected_words(each), each.timeout) for each in kernel.expectations())


def _expected_words(each: Expected) -> str:
    flow, master = each.flow, each.master
    sport, dport = flow.ports or (0, 0)
    any_bits = "255.255.255.255" if flow.family == socket.AF_INET else ":".join(["ffff"] * 8)
    flags = {"PERMANENT": each.is_permanent, "INACTIVE": each.is_inactive}
    told = ",".join(name for name, is_set in flags.items() if is_set)
    master_ports = master.ports or (0, 0)
    told_keys = GRE_KEYS if flow.proto == PROTO_GRE else PORTS
    words = [
        f"proto={flow.proto} src={flow.src} dst={flow.dst} {told_keys.format(sport, dport)}",
        f"mask-src={each.source_mask} mask-dst={any_bits}",
        told_keys.format(each.port_mask, 65535),
        f"master-src={master.src} master-dst={master.dst}",
        f"sport={master_ports[0]} dport={master_ports[1]}",
        *([told] if told else []),
        f"class={each.kind} helper={each.helper}",
    ]
    return " ".join(words)


@dataclass
class Exchange:
    """Both sides beside each other, from empty tables; pauses are virtual, or really slept."""

    kernel: Kernel
    config: Config
    rules: Ruleset = EVERYTHING_PASSES
    is_real_time: bool = False
    tolerance: float = TOLERANCE
    sent: list[Packet] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reason = ""
        self.tracker = Tracker(self.rules, self.config)
        self._started_at = time.monotonic()
        self._virtual = 0.0

    def send(
        self, packet: Packet, *, has_waited: bool = False, at: float | None = None
    ) -> Difference | None:
        """Give a packet to both, after its pause; tell how they differ, if they do.

        `at` is the library's `now`, if it is not the time that has passed in the exchange.
        """
        self.sent.append(packet)
        if packet.pause and not has_waited:
            self._wait(packet.pause)
        now = self.now() if at is None else at
        ours = library_answer(self.tracker, packet.wire, now)
        self.reason = ours.reason
        theirs = kernel_answer(self.kernel, packet.wire, self._source_key)
        if self.config.helpers:
            ours = ours._replace(expects=library_expects(self.tracker, now))
            theirs = theirs._replace(expects=kernel_expects(self.kernel))
        if ours.agrees(theirs, self.tolerance):
            return None
        return Difference(self.config, list(self.sent), ours, theirs, self.is_real_time)

    def _source_key(self, source: str, destination: str, call_id: int) -> int:
        """Look an entry up by the source key that the library knows: both must have it."""
        wire = builders.gre(call_id, source=source, destination=destination)
        key = self.tracker._judge.lookup.keys.complete(decode(wire))
        return int.from_bytes(key[-4:-2], "big")

    def now(self) -> float:
        if self.is_real_time:
            return time.monotonic() - self._started_at
        return self._virtual + len(self.sent) * STEP

    def _wait(self, seconds: int) -> None:
        if self.is_real_time:
            time.sleep(seconds)
        else:
            self._virtual += seconds
            self.kernel.advance(seconds)


@dataclass
class Difference:
    """A conversation at whose end the two answers differ."""

    config: Config
    packets: list[Packet]
    library: Answer
    kernel: Answer
    is_real_time: bool = False
    complaints: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"kernel settings: {describe(self.config) or 'defaults'}"]
        for packet in self.packets:
            lines += [f"(wait {packet.pause} s)"] if packet.pause else []
            lines.append(packet.text)
        lines += [f"  {self.packets[-1].wire.hex()}"]
        lines += [f"library: {self.library}", f"kernel:  {self.kernel}"]
        return "\n".join([*lines, *(f"kernel's log: {line}" for line in self.complaints)])


def configure(kernel: Kernel, config: Config) -> None:
    """Set the kernel's sysctls as a configuration says, and empty its table."""
    kernel.flush()
    for name, value in sysctls(config).items():
        kernel.sysctl(name, value)


def replay(
    kernel: Kernel, config: Config, packets: Sequence[Packet], *, is_real_time: bool = False
) -> Difference | None:
    """Play packets to empty tables, up to the first difference."""
    kernel.flush()
    exchange = Exchange(kernel, config, is_real_time=is_real_time)
    return next(filter(None, map(exchange.send, packets)), None)


def shrink(kernel: Kernel, found: Difference) -> Difference:
    """Leave out packets as long as a difference remains: first by halves, at last one by one."""
    size = len(found.packets) // 2
    while size:
        before, at = len(found.packets), len(found.packets) - 1 - size
        while at >= 0:
            fewer = found.packets[:at] + found.packets[at + size :]
            found = replay(kernel, found.config, fewer, is_real_time=found.is_real_time) or found
            at = min(at, len(found.packets) - 1) - size
        size = size // 2 if size > 1 or len(found.packets) == before else 1
    return explained(kernel, found)


def explained(kernel: Kernel, found: Difference) -> Difference:
    """Play a difference once more, and add what the kernel logs about it."""
    with kernel.complaining() as complaints:
        again = replay(kernel, found.config, found.packets, is_real_time=found.is_real_time)
        found = again or found
        found.complaints = complaints()
    return found
