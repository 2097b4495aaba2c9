"""PPTP dialogues to disagree about: sessions and calls, most of them in order, and their packets.

A second control connection between the same hosts, sometimes the other way round, chooses its call
ids from the same few, so that calls meet.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import builders
from kernel.dialogue import Dialogue
from kernel.talks import Ends, Packet, say
from statefulinspect import Tracker

SIZES = {1: 156, 2: 156, 3: 16, 4: 16, 5: 16, 6: 20, 7: 168, 8: 32, 9: 220, 10: 24, 11: 28, 12: 16,
         13: 148, 14: 40, 15: 24}  # fmt: skip
COOKIE = 0x1A2B3C4D
IDS = [1, 2, 2, 3, 3, 0, 0x8001]
RESULTS = [1] * 16 + [0, 2, 5, 255]
TWIN = 4000  # between the ports of two control connections; no two dialogues beside each other
Line = tuple[int, bytes]


def message(kind: int, fields: bytes = b"") -> bytes:
    """Write a control message (RFC 2637 2): the header, these fields, and zeros."""
    size = SIZES.get(kind, 16)
    head = struct.pack("!HHIHH", size, 1, COOKIE, kind, 0)
    return (head + fields).ljust(size, b"\0")[:size]


def started(result: int = 1) -> bytes:
    return message(2, struct.pack("!HB", 0x100, result))


def asked(kind: int, call_id: int) -> bytes:
    """Write an Outgoing-Call-Request (7) or Incoming-Call-Request (9)."""
    return message(kind, struct.pack("!HH", call_id, 1))


def granted(kind: int, call_id: int, peer_id: int, result: int = 1, error: int = 0) -> bytes:
    """Write an Outgoing-Call-Reply (8) or Incoming-Call-Reply (10)."""
    return message(kind, struct.pack("!HHBB", call_id, peer_id, result, error))


def about(kind: int, call_id: int) -> bytes:
    """Write a message whose first field is a call id."""
    return message(kind, struct.pack("!HB", call_id, 1))


class PptpDialogue(Dialogue):
    """Open a session, set up calls either way, and let GRE packets of all ids pass."""

    helper, port = "pptp", 1723

    def __init__(self, dice: random.Random, ends: Ends, *, is_twin: bool = False) -> None:
        if ":" in ends.client and dice.random() < 0.95:  # nobody reads PPTP over IPv6
            host = 2 + ends.number % 200
            ends = ends._replace(client=f"10.0.1.{host}", server=f"10.0.2.{host}")
        super().__init__(dice, ends)
        self.twin: PptpDialogue | None = None
        if not is_twin and dice.random() < 0.4:
            client, server = dice.choice([ends[:2], ends[:2], ends[1::-1]])
            self.twin = PptpDialogue(dice, Ends(client, server, ends.number + TWIN), is_twin=True)

    def next(self, tracker: Tracker) -> Packet:
        if self.twin is not None and self.dice.random() < 0.4:
            return self.twin.next(tracker)
        return super().next(tracker)

    def script(self) -> Iterator[Line]:
        while True:
            for line in self._session():
                dice = self.dice
                if dice.random() < 0.03:
                    continue
                if dice.random() < 0.08:
                    yield self._any_line()
                yield line[0], self._spoiled(line[1])

    def _session(self) -> Iterator[Line]:
        """Go over the lines of one session and its calls, in order."""
        dice = self.dice
        yield 0, message(1)
        yield 1, started(dice.choice(RESULTS))
        for _ in range(dice.choice([1, 2, 4, 6])):
            yield from self._call()
        if dice.random() < 0.3:
            yield 0, about(3, 0)
            yield 1, message(4, bytes([dice.choice(RESULTS)]))

    def _call(self) -> Iterator[Line]:
        """Go over the lines of one call: set up, maybe again, and maybe ended."""
        dice = self.dice
        client, server = dice.choice(IDS), dice.choice(IDS)
        if dice.random() < 0.6:
            yield 0, asked(7, client)
            yield 1, granted(8, server, client, dice.choice(RESULTS), dice.choice([0, 0, 0, 1]))
        else:
            yield 1, asked(9, server)
            yield 0, granted(10, client, server, dice.choice(RESULTS), dice.choice([0, 0, 0, 1]))
            yield 1, about(11, client)
        if dice.random() < 0.2:
            yield dice.choice([(1, granted(8, dice.choice(IDS), client)), (1, about(11, client))])
        if dice.random() < 0.3:
            yield 0, about(12, client)
        if dice.random() < 0.5:
            yield 1, about(13, server)

    def _any_line(self) -> Line:
        """Draw a message out of order, from either side, about any call."""
        dice = self.dice
        kind = dice.choice([*SIZES, *SIZES, 0, 16, 0x108])
        ids = [dice.choice(IDS), dice.choice(IDS)]
        result = dice.choice(RESULTS)
        fields = struct.pack("!HHBB", *ids, result, 0)
        if kind in (2, 4):
            fields = struct.pack("!HB", 0x100, result) if kind == 2 else bytes([result])
        return dice.randrange(2), message(kind, fields)

    def _spoiled(self, line: bytes) -> bytes:
        """Change an octet, drop the last, or say something before or after; seldom."""
        dice = self.dice
        if dice.random() < 0.04:
            at = dice.randrange(min(len(line), 18))
            line = line[:at] + bytes([dice.choice([0, 1, 2, 8, 255])]) + line[at + 1 :]
        if dice.random() < 0.05:
            line = dice.choice([line[:-1], line + b"\0", message(5) + line, line + about(13, 1)])
        return dice.randbytes(len(line)) if dice.random() < 0.01 else line

    def attempt(self, tracker: Tracker) -> Packet | None:
        """Send a packet of an announced call, or of any, or an error about one."""
        dice = self.dice
        announced = super().attempt(tracker) if dice.random() < 0.5 else None
        if announced is not None:
            return announced
        way = self.ends.way(dice.randrange(2))
        packet = self._gre(dice.choice(IDS), way)
        return packet if dice.random() < 0.85 else self._error(packet, way)

    def other(self, one: object, way: dict[str, str]) -> Packet | None:
        """Send the announced packet; the call id is that of its receiver, or seldom the other."""
        source_port, destination_port = one.source_port, one.destination_port  # type: ignore[attr-defined]
        is_there = way["destination"] == builders.address(one.destination)  # type: ignore[attr-defined]
        call_id = destination_port if is_there else source_port
        return self._gre(call_id if self.dice.random() < 0.95 else self.dice.choice(IDS), way)

    def _gre(self, call_id: int, way: dict[str, str]) -> Packet:
        """Make enhanced GRE with that call id, seldom of another version, protocol or length."""
        dice = self.dice
        version, protocol, size = 1, 0x880B, 12
        if dice.random() < 0.06:
            version, protocol = dice.choice([(0, 0x0800), (0, 0x880B), (9, 0x880B), (1, 0x0800)])
            size = dice.choice([12, 8, 7, 4])
        octets = struct.pack("!BBHHHI", 0x20, version, protocol, 4, call_id, 0)[:size]
        wire = builders.ip(*way.values(), builders.GRE, octets)
        return say("proto", wire, 0, number=47, hex=octets.hex(), **way)

    def _error(self, packet: Packet, way: dict[str, str]) -> Packet:
        """Make an ICMP error about a packet."""
        kind, cut = (1, 3)[":" not in way["source"]], self.dice.choice([None, None, -5])
        ends = {"source": way["destination"], "destination": way["source"]}
        wire = builders.icmp_error(packet.wire, type_=kind, cut=cut, **ends)
        return packet._replace(wire=wire, text=f"error about {packet.text} cut={cut}")
