"""Traffic of a small universe, whose conversations go wrong as often as they like.

Few hosts, few ports, and numbers that lie just before or behind every bound: so that all meets all.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from itertools import count
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Sequence  # noqa: UP035 - Python 3.9

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from builders import icmp, icmp_error, ip, spoiled, tcp, udp
from honest import CONVERSATIONS, Ends
from hostile import fragment, header, noise
from rulesets.aimed import aimed_traffic
from statefulinspect import Direction

M32 = 1 << 32
TALKS = 6  # at once
AIMED = 200  # packets for what the rules speak of
HOSTS = {4: ["10.0.1.2", "10.0.1.3", "10.0.2.2"], 6: ["fd00:1::2", "fd00:1::3", "fd00:2::2"]}
ODD_HOSTS = ["127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.2.255", "0.0.0.0"]
PORTS, SERVICES = range(1000, 1012), (80, 21, 53)
STARTS = (0, 1000, (1 << 30) - 9, (1 << 31) - 2000, M32 - 1, M32 - 70_000)
WINDOWS = (65_535, 65_535, 65_535, 8192, 8192, 1000, 1, 0)
SYN_OPTIONS = [bytes.fromhex(each) for each in (
    "", "020405b4", "020405b40402080a00000001000000000103030e", "0204 05b4 0103 0302 0402 0101",
)]  # fmt: skip
TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")
SACK = bytes.fromhex("0101050a")
SIZES = (0, 1, 100, 1448, 1448, 9000)
OFFSETS = (0, 0, 1, -1, 100, -1448, 70_000, -70_000, 1 << 31)
LAGS = (1, 1448, 1448, 66_000, 66_001)
ODD_FLAGS = ("ACK", "SYN", "SYN,ACK", "RST", "RST,ACK", "FIN,ACK", "FIN", "SYN,FIN", "ACK,URG",
             "PSH,ACK,ECE", "none")  # fmt: skip
CONTEXTS: list[dict[str, Any]] = [
    {}, {"iif": "lan0", "oif": "wan0"}, {"iif": "wan0", "oif": "lan0"}, {"mark": 7},
    {"hook": "input", "iif": "lan0"}, {"hook": "output", "oif": "wan0"}, {"hook": "nowhere"},
    {"zone": 1}, {"zone": 1, "zone_direction": Direction.REPLY},
    {"zone": 1, "zone_direction": Direction.ORIGINAL},
]  # fmt: skip


class Talk:
    """Write the segments of a TCP conversation: mostly the next in order, of either side."""

    def __init__(self, dice: random.Random, hosts: Sequence[str]) -> None:
        self.dice = dice
        self.hosts, self.ports = dice.sample(hosts, 2), (dice.choice(PORTS), dice.choice(SERVICES))
        self.next = [dice.choice(STARTS), dice.choice(STARTS)]
        self.windows = [dice.choice(WINDOWS[:6]), dice.choice(WINDOWS[:6])]
        self.replies = dice.choice((0.5, 0.5, 0.95))  # their share
        self.left = dice.randrange(10, 150)  # steps
        self.said: deque[bytes] = deque(maxlen=4)
        self.opening = deque([(0, "SYN"), (1, "SYN,ACK"), (0, "ACK")][dice.choice((0, 0, 0, 2)) :])
        self.options = dice.choice((b"", TIMESTAMPS))

    def segment(self, way: int, flags: str, size: int = 0, seq: int = 0, ack: int = 0) -> bytes:
        """Write a segment, its numbers so far from those in order."""
        dice, back = self.dice, 1 - way
        options = dice.choice(SYN_OPTIONS) if "SYN" in flags else self.options
        heard = self.next[back] + ack if "ACK" in flags else 0
        if dice.random() < 0.05:
            heard -= dice.choice(LAGS)
        if dice.random() < 0.03:
            self.windows[way] = dice.choice(WINDOWS)
        if dice.random() < 0.03:
            edges = heard + dice.choice(OFFSETS), heard + dice.choice(OFFSETS)
            options = SACK + b"".join((each % M32).to_bytes(4, "big") for each in edges)
        packet = tcp(
            self.ports[way], self.ports[back], flags, (self.next[way] + seq) % M32, heard % M32,
            source=self.hosts[way], destination=self.hosts[back], window=self.windows[way],
            options=options, data=bytes(size),
        )  # fmt: skip
        self.said.append(packet)
        return packet

    def step(self) -> bytes:
        """Say something."""
        dice, kind = self.dice, self.dice.random()
        self.left -= 1
        if self.said and kind < 0.04:
            return dice.choice(self.said)  # again
        way = int(dice.random() < self.replies)
        if kind < 0.06:
            odd = dice.choice(OFFSETS), dice.choice(OFFSETS)
            return self.segment(way, dice.choice(ODD_FLAGS), dice.choice(SIZES), *odd)
        if self.opening:
            way, flags = self.opening.popleft()
            packet = self.segment(way, flags)
            self.next[way] += "SYN" in flags
            return packet
        flags = "FIN,ACK" if self.left < 9 and kind < 0.5 else dice.choice(("ACK", "PSH,ACK"))
        size = 0 if kind > 0.6 else min(dice.choice(SIZES), self.windows[1 - way])
        packet = self.segment(way, flags, size)
        self.next[way] += size + ("FIN" in flags)
        return packet


class Come(NamedTuple):
    """Hold a packet, and how it comes: the other words of `process`."""

    packet: bytes
    context: dict[str, Any]


class Traffic:
    """Draw packets, some of them for what a ruleset's text speaks of."""

    def __init__(self, dice: random.Random, text: str) -> None:
        self.dice = dice
        self.aimed = deque(aimed_traffic(text, dice.randrange(1 << 30), AIMED))
        self.hosts = HOSTS[dice.choice((4, 4, 6))]
        self.contexts = dice.choice((CONTEXTS[:1], CONTEXTS[:1], CONTEXTS))
        self.talks = [Talk(dice, self.hosts) for _ in range(TALKS)]
        self.honest = self._talk_honestly()
        self.drawn: deque[bytes] = deque([udp()], maxlen=30)
        self.answers: deque[bytes] = deque()
        self.questions = 0
        self.flooded, self.talk = 0, self.talks[0]  # which was heard last

    def draw(self) -> Come:
        """Make a packet, and say how it comes."""
        dice, kind = self.dice, self.dice.random()
        if kind < 0.2 and self.aimed:
            found = self.aimed.popleft()
            ways = {"iif": found.iif, "oif": found.oif, "mark": found.mark, "hook": found.hook}
            return Come(found.wire, ways)
        if self.answers and dice.random() < 0.4:
            packet = self.answers.popleft()
        elif kind < 0.25:
            packet = self._asked()
        else:
            packet = self._talked() if kind < 0.7 else self._other(kind)
        self.drawn.append(packet)
        return Come(packet, dice.choice(self.contexts) if dice.random() < 0.1 else {})

    def forget(self) -> None:
        """Have the conversation that was heard last end soon: nobody tracks it."""
        self.talk.left -= 20

    def _talked(self) -> bytes:
        which = self.dice.randrange(TALKS)
        if self.talks[which].left <= 0:
            self.talks[which] = Talk(self.dice, self.hosts)
        self.talk = self.talks[which]
        packet = self.talk.step()
        if self.dice.random() < 0.04:
            wrong = spoiled(packet, 10), spoiled(packet, len(packet) - 2)  # where checksums tell
            cut = packet[:-1], packet[:39], packet[:1]
            return self.dice.choice((*wrong, *cut, packet + b"tail"))
        return packet

    def _asked(self) -> bytes:
        """Ask from a new port; the answer comes soon, and seldom more."""
        source, destination = self.dice.sample(self.hosts, 2)
        self.questions += 1
        port = 4000 + self.questions
        answer = udp(53, port, bytes(20), source=destination, destination=source)
        question = udp(port, 53, source=source, destination=destination)
        self.answers += [answer, *self.dice.choice(([], [], [question], [answer]))]
        return question

    def _talk_honestly(self) -> Iterator[bytes]:
        for number in count():
            ends = Ends(self.hosts[0], 3000 + 2 * number, self.hosts[2], 80)
            talk = self.dice.choice(CONVERSATIONS)(ends, self.dice)
            yield from (step.packet for step in talk)

    def _other(self, kind: float) -> bytes:
        """Make a packet of an honest conversation, of a short one, or of none."""
        dice = self.dice
        source, destination = dice.sample(self.hosts, 2)
        ends = {"source": source, "destination": destination}
        if kind < 0.74:
            return next(self.honest)
        if kind < 0.78:
            return udp(*dice.sample((1000, 53, 53), 2), bytes(dice.choice((0, 20))), **ends)
        if kind < 0.82:
            types = (8, 0, 13, 14, 5) if ":" not in source else (128, 129, 135, 1)
            return icmp(dice.choice(types), id_=dice.randrange(2), **ends)
        if kind < 0.87:
            self.flooded += 1
            return tcp(2000 + self.flooded, 80, "SYN", self.flooded, **ends)
        if kind < 0.92:
            return icmp_error(dice.choice(self.drawn), 1 if ":" in source else 3, **ends)
        if kind < 0.95:
            return ip(dice.choice(ODD_HOSTS), "10.0.1.2", 17, self.drawn[-1][20:60])
        return dice.choice((header, fragment, noise))(dice)
