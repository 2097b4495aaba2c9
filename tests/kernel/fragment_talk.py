"""Draw fragments to disagree about: whole datagrams cut up, shuffled, repeated and spoiled."""

from __future__ import annotations

import random

import builders
from builders import piece

IPV4_OPTIONS = [
    bytes.fromhex("01010100"),
    bytes.fromhex("94040000"),
    bytes.fromhex("0707040000000000"),
]
BEFORE = [
    (44, b""),
    (44, b""),
    (0, bytes([44, 0, 1, 4, 0, 0, 0, 0])),
    (60, bytes([44, 0, 1, 4, 0, 0, 0, 0])),
    (43, bytes([44, 0, 0, 0, 0, 0, 0, 0])),
    (51, bytes([44, 1, *bytes(10)])),
    (0, bytes([60, 0, 1, 4, 0, 0, 0, 0, 44, 1, 1, 12, *bytes(12)])),
]
OPTIONS_ALONE = bytes([0, 1, 4, 0, 0, 0, 0])  # a header of them, without the first octet
SIZES = [0, 1, 7, 8, 9, 16, 24, 40, 41, 56, 100, 160, 400]
LONGEST_PIECE = 65_400  # octets, which leaves room for any headers
LARGE = [1400, 8000, 65_480, 65_488, 65_495]


class FragmentTalk:
    """Draw the fragments of one datagram, of a number that no other near it has."""

    def __init__(self, dice: random.Random, number: int) -> None:
        self.dice, self.id = dice, number % 65_536
        host = 2 + number % 7
        v4 = (f"10.0.1.{host}", f"10.0.2.{host}")
        v6 = (f"fd00:1::{host:x}", f"fd00:2::{host:x}")
        ends = dice.choice([v4, v6])
        source, destination = ends if dice.random() < 0.8 else ends[::-1]
        self.way = {"source": source, "destination": destination}
        self.number, self.family = number, 6 if ":" in source else 4
        self.whole = self._whole()
        self.payload = len(self.whole) - (20 if self.family == 4 else 40)
        self.ecn = dice.choice([0, 0, 1, 2, 3])
        self.options = dice.choice([b"", b"", b"", *IPV4_OPTIONS])
        self.before = dice.choice(BEFORE)
        self.inner: int | None = None

    def _whole(self) -> bytes:
        dice, port = self.dice, 1000 + self.number % 60_000
        data = dice.randbytes(dice.choice(LARGE if dice.random() < 0.02 else SIZES))
        kind = dice.randrange(7)
        bad = dice.random() < 0.05
        if kind < 3:
            return builders.udp(port, 53, data, bad=bad, **self.way)
        if kind == 3:
            flags = dice.choice(["SYN", "SYN", "ACK", "FIN,ACK", "SYN,ACK"])
            return builders.tcp(port, 80, flags, 5, 7, data=data, bad=bad, **self.way)
        if kind == 4:
            echo = 8 if self.family == 4 else 128
            return builders.icmp(echo, id_=port, data=data, bad=bad, **self.way)
        number = dice.choice([89, 47, 136, 132, 50, 59, 1, 58, 135])
        return builders.ip(protocol=number, payload=data, **self.way)

    def cut(self, start: int, stop: int, **words) -> bytes:
        words = {"ecn": self.ecn, "options": self.options, "before": self.before, **words}
        stop = min(stop, start + LONGEST_PIECE)
        return piece(self.whole, start, stop, id_=self.id, inner=self.inner, **words)

    def fragments(self) -> list[bytes]:
        """Draw a whole exchange."""
        dice = self.dice
        if self.family == 6 and dice.random() < 0.1:
            self._wrap()
        size = self.payload
        edges = sorted({8 * dice.randrange(size // 8 + 1) for _ in range(dice.randrange(6))} | {0})
        ecn = dice.choice([(self.ecn,), (self.ecn,), (self.ecn,), (1, 2), (2, 3), (0, 1, 2, 3)])
        drawn = [
            self.cut(start, stop, ecn=dice.choice(ecn))
            for start, stop in zip(edges, [*edges[1:], size])
        ]
        if dice.random() < 0.6:
            dice.shuffle(drawn)
        while dice.random() < 0.45:
            drawn.insert(dice.randrange(len(drawn) + 1), self._odd(drawn))
        if dice.random() < 0.2:
            drawn += drawn[: dice.randrange(1, 4)]
        return drawn

    def _wrap(self) -> None:
        """Put something between the fragment header and the transport header."""
        dice, protocol = self.dice, self.whole[6]
        options = bytes([protocol]) + OPTIONS_ALONE
        field = dice.choice([0, 0, 1, 8])
        self.inner, between = dice.choice(
            [
                (60, options),
                (60, bytes([60]) + OPTIONS_ALONE + options),
                (60, bytes([protocol, 30, *bytes(6)])),
                (44, bytes([protocol, 0, 0, field, 0, 0, 0, 9])),
                (44, dice.randbytes(dice.randrange(8))),
            ]
        )
        self.whole = self.whole[:40] + between + self.whole[40:]
        self.payload = len(self.whole) - 40

    def _odd(self, drawn: list[bytes]) -> bytes:
        """Draw a fragment that should not be there."""
        dice, size = self.dice, self.payload
        start = 8 * dice.randrange(size // 8 + 2)
        stop = dice.choice([start + 8, start + 16, size, start + dice.randrange(40), size + 8])
        ways = [
            lambda: dice.choice(drawn),
            lambda: self.cut(start, stop, data=dice.randbytes(max(0, stop - start))),
            lambda: self.cut(start, stop, more=dice.random() < 0.5),
            lambda: self.cut(start, start, data=b"", more=dice.random() < 0.5),
            lambda: self.cut(start, stop, ecn=dice.randrange(4)),
            lambda: self.cut(65_528, 65_528, data=bytes(dice.choice([1, 7, 8, 64]))),
            lambda: self.cut(0, size, more=False),
            lambda: self.cut(start, start + 12, more=True),
            lambda: self.cut(0, dice.randrange(25), more=True),
            lambda: self._with_spoiled_header(dice.choice(drawn)),
        ]
        return dice.choice(ways)()

    def _with_spoiled_header(self, wire: bytes) -> bytes:
        """Make another IPv4 protocol or a wrong checksum of it, or cut an IPv6 header short."""
        spoiled = bytearray(wire)
        if self.family == 4:
            spoiled[9] ^= 1
            spoiled[11] ^= self.dice.choice([1, 2])
            return bytes(spoiled)
        length = min(len(self.before[1]) + self.dice.randrange(1, 9), len(wire) - 40)
        spoiled[4:6] = length.to_bytes(2, "big")
        return bytes(spoiled[: 40 + length])
