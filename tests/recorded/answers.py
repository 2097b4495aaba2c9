"""What a recording holds: packets, settings and the answers to them; README.md describes the files.

Everything here works anywhere. Recording (`record.py`) and comparing (`test_recorded.py`) share it,
so that the kernel and the library get the same packets under the same settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import attrs
import dpkt

from statefulinspect import Action, Config, Direction, Rule, Ruleset, TcpPolicy, Timeouts, Tracker

RECORDED = Path(__file__).parent
IP_TYPES = (b"\x08\x00", b"\x86\xdd")  # in an Ethernet header
RAW_IP = 101  # the link type; dpkt knows it by another number
TTL = 64

# The recording router judges packets to and from these and does not send them on, so the kernel
# never confirms their new connection: the library's equal is a rule that refuses to open it.
DROPPED_SOURCES = ["0.0.0.0", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255", "::", "fe80::/10"]
DROPPED_DESTINATIONS = ["0.0.0.0", "127.0.0.0/8", "224.0.0.0/4", "fe80::/10", "ff00::/8"]
# These it takes for itself, which confirms a connection as well as sending on does.
OWN = ["224.0.0.1", "255.255.255.255", "ff02::1", "ff02::2", "fd00:1::1", "fd00:2::1"]
ROUTER = Ruleset(
    [
        Rule(Action.ACCEPT, ct_state="new", destination=OWN),
        Rule(Action.ACCEPT, ct_state="new", source="0.0.0.0", destination="0.0.0.0"),
        Rule(Action.DROP, ct_state="new", source=DROPPED_SOURCES),
        Rule(Action.DROP, ct_state="new", destination=DROPPED_DESTINATIONS),
        *Ruleset.default().rules,
    ],
    policy=Action.ACCEPT,
)

# (0, 1) would be enough for an exact clock; the kernel's runs while it works.
SECONDS_ABOVE = (-0.2, 1.2)
LINE = re.compile(r"(?P<before>[^;]+;(?: [A-Z]\w*)?) (?P<seconds>\d+)(?P<after>\D.*)")


class Answer(NamedTuple):
    """What is said about one packet and then known of its connection.

    `words` has {} in place of the seconds left; `seconds` is None if there is no connection.
    """

    words: str
    seconds: float | None = None

    @classmethod
    def read(cls, line: str) -> Answer:
        """Read what `str` writes."""
        found = LINE.fullmatch(line)
        if found is None:
            return cls(line)
        return cls(f"{found['before']} {{}}{found['after']}", int(found["seconds"]))

    def __str__(self) -> str:
        return self.words if self.seconds is None else self.words.format(f"{self.seconds:.9g}")

    def agrees(self, recorded: Answer) -> bool:
        """Say whether this answer, with its exact seconds, is what was recorded in whole ones."""
        if self.seconds is None or recorded.seconds is None:
            return self == recorded
        least, most = SECONDS_ABOVE
        above = self.seconds - recorded.seconds
        return self.words == recorded.words and least <= above <= most


class Known(NamedTuple):
    """What is known of a connection; counts are (packets, octets), original and reply."""

    state: str | None
    seconds: float
    seen_reply: bool
    is_assured: bool
    counts: tuple[tuple[int, int], ...]


def compose(ct_state: str, direction: str | None, known: Known | None) -> Answer:
    """Write an answer in the words of the scenarios, and the counts behind them."""
    judged = f"{ct_state} {direction}" if direction else ct_state
    if known is None:
        return Answer(f"{judged}; gone")
    words = [known.state] if known.state else []
    words += ["{}"]
    words += ["assured"] if known.is_assured else []
    words += [] if known.seen_reply else ["unreplied"]
    counts = " ".join(f"{packets}/{octets}" for packets, octets in known.counts)
    return Answer(f"{judged}; {' '.join(words)}; {counts}", known.seconds)


def library_answer(tracker: Tracker, wire: bytes, now: float) -> Answer:
    """Let the library answer one packet."""
    verdict = tracker.process(wire, now)
    if verdict.reason.effect.name == "DISCARD":
        return Answer("discarded")
    connection = tracker.find(wire)
    known = connection and Known(
        connection.state_name,
        connection.expires_at - now,
        connection.seen_reply,
        connection.is_assured,
        tuple(connection.count(direction) for direction in Direction),
    )
    return compose(verdict.ct_state.value, verdict.direction and verdict.direction.value, known)


def read_packets(path: Path) -> list[tuple[float, bytes]]:
    """Read the IP packets of a capture, with the seconds since the first frame."""
    with path.open("rb") as file:
        reader = dpkt.pcap.Reader(file)
        is_raw = reader.datalink() == RAW_IP
        frames = reader.readpkts()
    if is_raw:
        return frames
    began = frames[0][0]
    return [(at - began, frame[14:]) for at, frame in frames if frame[12:14] in IP_TYPES]


def with_hops_left(wire: bytes) -> bytes:
    """Raise a TTL or hop limit that would end at the router; the IPv4 header sum stays right."""
    if wire[0] >> 4 == 6:
        return wire[:7] + bytes([TTL]) + wire[8:] if wire[7] <= 1 else wire
    if wire[8] > 1:
        return wire
    # One word changes, so the sum changes by as much (RFC 1624).
    total = (int.from_bytes(wire[10:12], "big") ^ 0xFFFF) + (TTL - wire[8] << 8)
    checksum = (total & 0xFFFF) + (total >> 16) ^ 0xFFFF
    return wire[:8] + bytes([TTL, wire[9]]) + checksum.to_bytes(2, "big") + wire[12:]


def make_config(sysctls: dict[str, int]) -> Config:
    """Make Linux's configuration with some sysctls changed."""
    left = dict(sysctls)
    policy = {
        field.name: type(field.default)(left.pop(f"nf_conntrack_tcp_{field.name}"))
        for field in attrs.fields(TcpPolicy)
        if f"nf_conntrack_tcp_{field.name}" in left
    }
    timeouts = {
        field.name: left.pop(_timeout_sysctl(field.name))
        for field in attrs.fields(Timeouts)
        if _timeout_sysctl(field.name) in left
    }
    switches = {
        name: bool(left.pop(sysctl))
        for name, sysctl in (
            ("verify_checksums", "nf_conntrack_checksum"),
            ("accounting", "nf_conntrack_acct"),
        )
        if sysctl in left
    }
    assert not left, f"sysctls without a meaning here: {left}"
    return Config.linux(
        tcp=TcpPolicy.linux(**policy), timeouts=Timeouts.linux(**timeouts), **switches
    )


def _timeout_sysctl(name: str) -> str:
    protocol, _, state = name.partition("_")
    return f"nf_conntrack_{protocol}_timeout" + (f"_{state}" if state else "")


@dataclass
class Recording:
    """One recorded file; `answers` are by packet number, counted from 1, IP packets only."""

    name: str
    kernel: str
    sysctls: dict[str, int]
    packets_in: str
    left_out: int
    answers: dict[int, Answer]

    @classmethod
    def read(cls, path: Path) -> Recording:
        head, _, lines = path.read_text(encoding="utf-8").partition("\n\n")
        said = dict(line.split(": ", 1) for line in head.splitlines()[1:])
        numbered = (line.split(None, 1) for line in lines.splitlines())
        return cls(
            name=path.stem,
            kernel=said["kernel"],
            sysctls={
                name: int(value)
                for name, value in (word.split("=") for word in said["sysctls"].split())
            },
            packets_in=said["packets"],
            left_out=int(said["left out"].split()[0]),
            answers={int(number): Answer.read(answer) for number, answer in numbered},
        )

    def __str__(self) -> str:
        head = [
            f"# What Linux answered to {len(self.answers)} packets; README.md says how to read it.",
            f"kernel: {self.kernel}",
            f"sysctls: {' '.join(f'{name}={value}' for name, value in self.sysctls.items())}",
            f"packets: {self.packets_in}",
            f"left out: {self.left_out} fragments",
        ]
        lines = [f"{number:4}  {answer}" for number, answer in self.answers.items()]
        return "\n".join([*head, "", *lines]) + "\n"

    def write(self) -> None:
        (RECORDED / f"{self.name}.txt").write_text(str(self), encoding="utf-8")

    def packets(self) -> list[tuple[int, float, bytes]]:
        """Give number, seconds and bytes of each packet that was answered, as it was sent."""
        numbered = enumerate(read_packets(RECORDED / self.packets_in), start=1)
        return [
            (number, at, with_hops_left(wire))
            for number, (at, wire) in numbered
            if number in self.answers
        ]

    def tracker(self) -> Tracker:
        """Make the tracker that is to answer as the kernel did."""
        return Tracker(ROUTER, make_config(self.sysctls))
