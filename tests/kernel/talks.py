"""Conversations to disagree about, of every protocol but TCP and SCTP, which have their own files.

A talk makes one packet after the other; `tracker` is what the library knows by then, for talks
that aim at what it expects. Packets meet, for the numbers are drawn from few.
"""

from __future__ import annotations

import random
from typing import NamedTuple, Protocol

import builders
from statefulinspect import Tracker

PAUSES = [1, 2, 3, 4, 9, 10, 11, 29, 30, 31, 44, 59, 60, 61, 119, 120, 179, 180, 209, 210, 299,
          300, 301, 599, 600, 86_400, 431_999, 432_000]  # fmt: skip
UDP_PSEUDO = 17  # what Linux sums UDP-Lite's pseudo header with
NUMBERS = [0, 2, 4, 33, 41, 50, 51, 59, 60, 89, 97, 112, 135, 139, 140, 143, 254, 255]
QUERIES4, OTHERS4 = [0, 8, 13, 14, 15, 16, 17, 18], [1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 19, 30, 255]
QUERIES6 = [128, 129, 139, 140]
OTHERS6 = [0, 1, 2, 3, 4, 100, 127, 130, 131, 132, 133, 134, 135, 136, 137, 138, 141, 142, 143,
           144, 150, 151, 152, 153, 255]  # fmt: skip


class Packet(NamedTuple):
    """One packet, the whole seconds before it, and what it was made of, for people to read."""

    wire: bytes
    text: str
    pause: int = 0


class Ends(NamedTuple):
    """The two addresses of a talk, and a number that no other talk near it has."""

    client: str
    server: str
    number: int

    def way(self, is_reply: int) -> dict[str, str]:
        source, destination = (self.server, self.client) if is_reply else self[:2]
        return {"source": source, "destination": destination}


class Talk(Protocol):
    def next(self, tracker: Tracker) -> Packet: ...


def draw_ends(dice: random.Random, number: int) -> Ends:
    """Draw the ends of the talk of that number: either family, seldom a host and itself."""
    host = 2 + number % 200
    client, server = dice.choice(
        [(f"10.0.1.{host}", f"10.0.2.{host}"), (f"fd00:1::{host:x}", f"fd00:2::{host:x}")]
    )
    return Ends(client, client if dice.random() < 0.04 else server, number)


def say(maker: str, wire: bytes, is_reply: int, **words) -> Packet:
    """Describe a packet as the scenarios do."""
    told = " ".join(f"{name}={value}" for name, value in words.items())
    return Packet(wire, f"{'<' if is_reply else '>'} {maker} {told}")


class UdpTalk:
    """Datagrams there and back, some of them broken."""

    def __init__(self, dice: random.Random, ends: Ends) -> None:
        self.dice, self.ends = dice, ends
        same = ends.client == ends.server and dice.random() < 0.5
        self.ports = (ends.number, ends.number if same else 53)

    def next(self, _: Tracker) -> Packet:
        dice, is_reply = self.dice, int(self.dice.random() < 0.4)
        sport, dport = self.ports[::-1] if is_reply else self.ports
        words = {
            "data": bytes(dice.randrange(5)),
            "length": dice.choice([None] * 30 + [0, 7, 8, 9, 100]),
            "checksum": dice.choice([None] * 20 + [0]),
            "bad": dice.random() < 0.03,
        }
        wire = builders.udp(sport, dport, **self.ends.way(is_reply), **words)
        return say("udp", wire, is_reply, **words)


class UdpLiteTalk(UdpTalk):
    """UDP-Lite with every coverage, summed as the kernel does or, seldom, as the RFC does."""

    def next(self, _: Tracker) -> Packet:
        dice, is_reply = self.dice, int(self.dice.random() < 0.4)
        sport, dport = self.ports[::-1] if is_reply else self.ports
        words = {
            "data": bytes(dice.randrange(5)),
            "coverage": dice.choice([0] * 8 + [8, 9, 10, 11, 12, 1, 7, 13, 100]),
            "checksum": dice.choice([None] * 15 + [0]),
            "pseudo": dice.choice([UDP_PSEUDO] * 12 + [136]),
            "bad": dice.random() < 0.03,
        }
        wire = builders.udplite(sport, dport, **self.ends.way(is_reply), **words)
        return say("udplite", wire, is_reply, **words)


class GreTalk:
    """GRE of all versions, cut anywhere."""

    def __init__(self, dice: random.Random, ends: Ends) -> None:
        self.dice, self.ends = dice, ends

    def next(self, _: Tracker) -> Packet:
        dice, is_reply = self.dice, int(self.dice.random() < 0.5)
        version, flags = dice.choice([0, 0, 0, 1, 1, 1, 2, 7]), dice.choice([0, 0x20, 0x30, 0xB0])
        kind = dice.choice([0x880B] * 6 + [0x0800, 0])
        head = (
            bytes([flags, version])
            + kind.to_bytes(2, "big")
            + bytes([0, 0, 0, dice.choice([1, 2])])
        )
        octets = (head + bytes(4))[: dice.choice([12] * 8 + list(range(9)))]
        wire = builders.ip(*self.ends.way(is_reply).values(), builders.GRE, octets)
        return say("proto", wire, is_reply, number=47, hex=octets.hex())


class NumberTalk(GreTalk):
    """Protocols that are known by their number only."""

    def next(self, _: Tracker) -> Packet:
        dice, is_reply = self.dice, int(self.dice.random() < 0.5)
        number, octets = dice.choice(NUMBERS), bytes(dice.randrange(9))
        wire = builders.ip(*self.ends.way(is_reply).values(), number, octets)
        return say("proto", wire, is_reply, number=number, hex=octets.hex())


class IcmpTalk(GreTalk):
    """Queries, answers, and messages of no conversation; errors about others are `ErrorTalk`'s."""

    def next(self, _: Tracker) -> Packet:
        dice, is_reply = self.dice, int(self.dice.random() < 0.5)
        queries, others = (QUERIES6, OTHERS6) if ":" in self.ends.client else (QUERIES4, OTHERS4)
        words = {
            "type_": dice.choice(queries if dice.random() < 0.8 else others),
            "code": dice.choice([0, 0, 0, 0, 3]),
            "id_": dice.choice([7, 7, 8]),
            "bad": dice.random() < 0.03,
        }
        wire = builders.icmp(**words, **self.ends.way(is_reply))
        wire = wire if dice.random() < 0.97 else cut_payload(wire, dice.randrange(8))
        return say("icmp", wire, is_reply, **words)


def cut_payload(wire: bytes, octets: int) -> bytes:
    """Make a packet that has so many octets of payload, its header's length and sum being right."""
    version = wire[0] >> 4
    source, destination, protocol = (
        (wire[12:16], wire[16:20], wire[9]) if version == 4 else (wire[8:24], wire[24:40], wire[6])
    )
    payload = wire[20 if version == 4 else 40 :][:octets]
    return builders.ip(source, destination, protocol, payload)


class ExtensionTalk(GreTalk):
    """IPv6 extension headers of all kinds and lengths, before protocols that need bytes or none."""

    def next(self, _: Tracker) -> Packet:
        dice, is_reply = self.dice, int(self.dice.random() < 0.5)
        ends = [f"fd00:{net}::{0x1000 + self.ends.number % 0xE000:x}" for net in (1, 2)]
        source, destination = ends[::-1] if is_reply else ends
        if dice.random() < 0.02:  # groups send nothing, and have no scope 0
            source, destination = dice.choice([("ff10::9", destination), (source, "ff10::9")])
        protocol = dice.choice([89, 47, 58, 132, 59, 6, 44])
        query = builders.icmp(128 + is_reply, source=source, destination=destination)[40:]
        octets = {58: query}.get(protocol, bytes(dice.randrange(9)))
        first, walked = protocol, b""
        for _ in range(dice.choice([1, 1, 2, 3])):
            kind = dice.choice([0, 0, 43, 51, 60, 60])
            walked = self._header(kind, first) + walked
            first = kind
        wire = builders.ip(source, destination, protocol, octets, extensions=(first, walked))
        if dice.random() < 0.1:
            wire = cut_payload(wire, dice.randrange(len(wire) - 40))
        return say("proto", wire, is_reply, number=protocol, ext=f"{first}/{walked.hex()}")

    def _header(self, kind: int, following: int) -> bytes:
        """Make a header; its length field is seldom wrong, its options often strange."""
        dice = self.dice
        if kind == 51:
            words = dice.choice([1, 1, 2])
            body = bytes(words * 4 + 6)
        else:
            words = dice.choice([0, 0, 1, 2])
            body = b"".join(self._option() for _ in range(12))[: words * 8 + 6]
            body = bytes(len(body)) if kind == 43 or dice.random() < 0.3 else body
        said = dice.choice([words] * 20 + [words + 1, 0, 200])
        return bytes([following, said]) + body

    def _option(self) -> bytes:
        dice = self.dice
        kind = dice.choice([0, 0, 1, 1, 1, 5, 7, 49, 0xC2, 0x1E, 0x1E, 0x3F, 0x5E, 0x9E, 0xDE])
        body = bytes(dice.choice([0, 1, 2, 2, 2, 4, 5, 6]))
        return b"\0" if kind == 0 else bytes([kind, len(body)]) + body


IPV4_OPTIONS = [
    bytes.fromhex(text)
    for text in (
        "01010101", "94040000", "99040000", "0707040000000000", "07000000", "07090400",
        "8307040000000000", "4408050000000000", "44080900000000f0", "4408090f00000000",
    )
]  # fmt: skip


def with_ipv4_options(packet: Packet, options: bytes) -> Packet:
    """Put options into an IPv4 header that has none."""
    wire = packet.wire
    head = bytearray(wire[:20] + options)
    head[0] = 0x40 | len(head) // 4
    head[2:4] = (int.from_bytes(wire[2:4], "big") + len(options)).to_bytes(2, "big")
    text = f"{packet.text} options={options.hex()}"
    return packet._replace(wire=_summed(head) + wire[20:], text=text)


def with_dscp(wire: bytes, dscp: int) -> bytes:
    """Set the DSCP of a packet whose IP header is whole."""
    if wire[0] >> 4 == 6:
        return bytes([0x60 | dscp >> 2, (dscp & 3) << 6 | wire[1] & 0x3F]) + wire[2:]
    size = (wire[0] & 15) * 4
    head = bytearray(wire[:size])
    head[1] = dscp << 2
    return _summed(head) + wire[size:]


def _summed(head: bytearray) -> bytes:
    """Set the checksum of an IPv4 header."""
    head[10:12] = bytes(2)
    head[10:12] = builders.internet_checksum(bytes(head)).to_bytes(2, "big")
    return bytes(head)


class ErrorTalk:
    """ICMP errors that quote what other talks have sent, cut anywhere; a router may send them."""

    def __init__(self, dice: random.Random, ends: Ends, history: list[Packet]) -> None:
        self.dice, self.ends, self.history = dice, ends, history

    def next(self, _: Tracker) -> Packet:
        dice = self.dice
        number = dice.randrange(max(0, len(self.history) - 12), len(self.history))
        if "redirect" in self.history[number].text:
            number = 0  # nobody who is asked to send a redirect on complains of it
        quoted = self.history[number].wire
        version = quoted[0] >> 4
        at, size, header = (12, 4, 20) if version == 4 else (8, 16, 40)
        ends = [builders.address(quoted[at + size * n :][:size]) for n in (0, 1)]
        router = "10.0.1.251" if version == 4 else "fd00:1::fb"
        source, destination = dice.choice([ends[::-1]] * 6 + [[router, ends[0]]] * 3 + [ends] * 2)
        if version == 6 and dice.random() < 0.1:
            return self._redirect(number, destination)
        spoiled = dice.randrange(256) if dice.random() < 0.04 else quoted[0]
        quoted = bytes([spoiled]) + quoted[1:]
        kinds = [3, 4, 5, 11, 12] if version == 4 else [1, 2, 3, 4, 0, 100, 127]
        words = {
            "type_": dice.choice(kinds),
            "code": dice.randrange(4),
            "cut": dice.choice([None] * 8 + [header + n for n in (-1, 0, 3, 4, 7, 8, 19)]),
            "bad": dice.random() < 0.03,
        }
        wire = builders.icmp_error(quoted, source=source, destination=destination, **words)
        return say(
            f"error from={source} to={destination}",
            wire,
            0,
            quoting=number + 1,
            first=f"{spoiled:#x}",
            **words,
        )

    def _redirect(self, number: int, destination: str) -> Packet:
        """Let a router on the link, or who pretends to be one, tell of a better hop."""
        dice, quoted = self.dice, self.history[number].wire
        words = {
            "source": dice.choice(["fe80::1"] * 6 + ["febf::1", "fec0::1", "fd00:2::1"]),
            "code": dice.choice([0] * 9 + [1]),
            "hops": dice.choice([255] * 9 + [254]),
            "option": dice.choice([4] * 9 + [2]),
            "length": dice.choice([0, 1, 12, 255]),
            "cut": dice.choice([None] * 6 + [0, 39, 43, 44]),
            "bad": dice.random() < 0.03,
        }
        wire = builders.redirect(quoted, destination=destination, **words)
        return say(f"redirect to={destination}", wire, 0, quoting=number + 1, **words)
