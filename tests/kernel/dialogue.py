"""Helped connections to disagree about: a control connection, and what it announces.

A dialogue says lines, most of them right, over TCP or UDP; now and then it tries what was
announced, or something near it. What the lines are is the subclass's business.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import builders
from kernel.talks import Ends, Packet, say
from statefulinspect import Tracker

TCP, UDP = 6, 17
HANDSHAKE = [(0, "SYN"), (1, "SYN,ACK"), (0, "ACK")]


class Dialogue:
    """Hold the numbers of the control connection; `port` is the server's."""

    protocol = TCP
    port = 0

    def __init__(self, dice: random.Random, ends: Ends) -> None:
        self.dice, self.ends = dice, ends
        self.seq = [dice.choice([1000, 0xFFFF_FFF0, 1 << 31]) for _ in range(2)]
        self.opening = list(HANDSHAKE) if self.protocol == TCP else []
        self.lines = self.script()

    def script(self) -> Iterator[tuple[int, bytes]]:
        """Go over lines as (is_reply, payload), without end."""
        raise NotImplementedError

    def next(self, tracker: Tracker) -> Packet:
        """Make the next packet: the handshake, then lines, attempts and mishaps."""
        dice = self.dice
        if self.opening and dice.random() < 0.98:
            is_reply, flags = self.opening.pop(0)
            return self.tcp(is_reply, b"", flags)
        attempt = self.attempt(tracker) if dice.random() < 0.3 else None
        if attempt is not None:
            return attempt
        if dice.random() < 0.02 and self.protocol == TCP:
            return self.tcp(dice.randrange(2), b"", dice.choice(["FIN,ACK", "RST", "ACK", "SYN"]))
        is_reply, payload = next(self.lines)
        return self.say(is_reply, payload)

    def say(self, is_reply: int, payload: bytes) -> Packet:
        """Say a line; over TCP sometimes cut, sent again, or with a number out of window."""
        dice = self.dice
        if dice.random() < 0.03 and payload:
            payload = payload[: dice.randrange(len(payload))]
        if self.protocol == UDP:
            ports = (self.port, self.ends.number) if is_reply else (self.ends.number, self.port)
            wire = builders.udp(*ports, payload, **self.ends.way(is_reply))
            return say("udp", wire, is_reply, data=payload)
        if dice.random() < 0.03:
            return self.tcp(is_reply, payload, shift=dice.choice([-1, 1, 10, 200_000, -200_000]))
        if dice.random() < 0.04:
            before = self.seq[is_reply]
            packet = self.tcp(is_reply, payload)
            self.seq[is_reply] = before  # it comes again, perhaps with other words
            return packet
        return self.tcp(is_reply, payload)

    def tcp(self, is_reply: int, payload: bytes, flags: str = "PSH,ACK", shift: int = 0) -> Packet:
        """Make a segment of the control connection."""
        seq, ack = (self.seq[is_reply] + shift) % (1 << 32), self.seq[1 - is_reply]
        ports = (self.port, self.ends.number) if is_reply else (self.ends.number, self.port)
        ack = ack if "ACK" in flags else 0
        wire = builders.tcp(*ports, flags, seq, ack, data=payload, **self.ends.way(is_reply))
        if not shift:
            octets = len(payload) + ("SYN" in flags) + ("FIN" in flags)
            self.seq[is_reply] = (self.seq[is_reply] + octets) % (1 << 32)
        return say(flags, wire, is_reply, seq=seq, ack=ack, data=payload)

    def attempt(self, tracker: Tracker) -> Packet | None:
        """Open a connection that was announced, or one near it; None if nothing was."""
        dice, expected = self.dice, list(tracker.expectations)
        if not expected:
            return None
        one = dice.choice(expected)
        source = builders.address(one.source if one.source is not None else self._any_end())
        destination = builders.address(one.destination)
        sport = dice.choice([one.source_port or 1025, 1026]) if dice.random() < 0.2 else (
            one.source_port if one.source_port is not None else dice.choice([20, 1025, 4000])
        )  # fmt: skip
        dport = one.destination_port if dice.random() < 0.9 else dice.choice([1, 1025, 2121])
        way = {"source": source, "destination": destination}
        if dice.random() < 0.2:
            way = {"source": destination, "destination": source}
            sport, dport = dport, sport
        if one.protocol == UDP:
            return say("udp", builders.udp(sport, dport, b"data", **way), 0, **way)
        if one.protocol != TCP:
            return self.other(one, way)
        flags = dice.choice(["SYN"] * 6 + ["ACK", "SYN,ACK", "FIN,ACK", "RST"])
        ack = 0 if flags == "SYN" else 501
        wire = builders.tcp(sport, dport, flags, 500, ack, **way)
        return say(flags, wire, 0, sport=sport, dport=dport, **way)

    def other(self, _: object, __: dict[str, str]) -> Packet | None:
        """Open what is announced over neither TCP nor UDP."""
        return None

    def _any_end(self) -> bytes:
        return builders.packed(self.dice.choice(self.ends[:2]))
