"""What honest hosts say to each other, and which answers their packets deserve.

A conversation is a generator of steps. Outside, every server listens on port 80, names on 53 and
files on 21.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Iterator, NamedTuple  # noqa: UP035 - Python 3.9

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from builders import icmp, piece, tcp, udp
from statefulinspect import Action, CtState, Direction, Reason

NEW, ESTABLISHED, RELATED = CtState.NEW, CtState.ESTABLISHED, CtState.RELATED
REPLY = Direction.REPLY
GREETING = b"220 Ready\r\n"
USER = b"USER anonymous\r\n"
WELCOME = b"230 OK\r\n"


class Step(NamedTuple):
    """Hold an honest packet, and the answer that it deserves."""

    packet: bytes
    ct_state: CtState
    direction: Direction | None = Direction.ORIGINAL
    action: Action = Action.ACCEPT
    reason: Reason = Reason.OK


class Ends(NamedTuple):
    """Name the two ends of an honest conversation."""

    client: str
    client_port: int
    server: str
    server_port: int

    def sent(self, flags: str, seq: int, ack: int, data: bytes = b"") -> bytes:
        """Build a segment of the client."""
        hosts = {"source": self.client, "destination": self.server}
        return tcp(self.client_port, self.server_port, flags, seq, ack, data=data, **hosts)

    def answered(self, flags: str, seq: int, ack: int, data: bytes = b"") -> bytes:
        """Build a segment of the server."""
        hosts = {"source": self.server, "destination": self.client}
        return tcp(self.server_port, self.client_port, flags, seq, ack, data=data, **hosts)


def name_lookup(ends: Ends, dice: random.Random) -> Iterator[Step]:
    """Ask and be answered."""
    there = {"source": ends.client, "destination": ends.server}
    back = {"source": ends.server, "destination": ends.client}
    for number in range(dice.randrange(1, 4)):
        yield Step(udp(ends.client_port, 53, b"name?", **there), ESTABLISHED if number else NEW)
        yield Step(udp(53, ends.client_port, b"name!", **back), ESTABLISHED, REPLY)


def ping(ends: Ends, dice: random.Random) -> Iterator[Step]:
    """Ask whether somebody is there."""
    number = dice.randrange(65_536)
    there = icmp(8, id_=number, source=ends.client, destination=ends.server)
    back = icmp(0, id_=number, source=ends.server, destination=ends.client)
    yield Step(there, NEW)
    yield Step(back, ESTABLISHED, REPLY)


def long_message(ends: Ends, dice: random.Random) -> Iterator[Step]:
    """Send a datagram that no link takes whole, its fragments in any order."""
    data = bytes(dice.randrange(3000, 9000))
    whole = udp(ends.client_port, 9000, data, source=ends.client, destination=ends.server)
    size = len(whole) - 20
    cuts = [*range(0, size, 1480), size]
    pieces = [
        piece(whole, start, stop, id_=ends.client_port) for start, stop in zip(cuts, cuts[1:])
    ]
    dice.shuffle(pieces)
    for each in pieces[:-1]:
        yield Step(each, CtState.UNTRACKED, None, Action.HOLD, Reason.FRAGMENT_HELD)
    yield Step(pieces[-1], NEW)


def opening(ends: Ends, seq: int, ack: int, first: CtState = NEW) -> Iterator[Step]:
    """Shake hands."""
    yield Step(ends.sent("SYN", seq, 0), first)
    yield Step(ends.answered("SYN,ACK", ack, seq + 1), ESTABLISHED, REPLY)
    yield Step(ends.sent("ACK", seq + 1, ack + 1), ESTABLISHED)


def closing(ends: Ends, seq: int, ack: int) -> Iterator[Step]:
    """Part, the client first."""
    yield Step(ends.sent("FIN,ACK", seq, ack), ESTABLISHED)
    yield Step(ends.answered("FIN,ACK", ack, seq + 1), ESTABLISHED, REPLY)
    yield Step(ends.sent("ACK", seq + 1, ack + 1), ESTABLISHED)


def page(ends: Ends, dice: random.Random, first: CtState = NEW) -> Iterator[Step]:
    """Load something over TCP; of an active FTP transfer the server is the client here."""
    seq, ack = dice.randrange(1 << 31), dice.randrange(1 << 31)
    yield from opening(ends, seq, ack, first)
    seq, ack = seq + 1, ack + 1
    for _ in range(dice.randrange(1, 6)):
        data = bytes(dice.randrange(1, 1000))
        yield Step(ends.sent("PSH,ACK", seq, ack, b"more"), ESTABLISHED)
        seq += 4
        yield Step(ends.answered("PSH,ACK", ack, seq, data), ESTABLISHED, REPLY)
        ack += len(data)
        yield Step(ends.sent("ACK", seq, ack), ESTABLISHED)
    yield from closing(ends, seq, ack)


def transfer(ends: Ends, dice: random.Random) -> Iterator[Step]:
    """Fetch a file by active FTP: the server opens the data connection."""
    ends = ends._replace(server_port=21)
    seq, ack = dice.randrange(1 << 31), dice.randrange(1 << 31)
    yield from opening(ends, seq, ack)
    seq, ack = seq + 1, ack + 1
    yield Step(ends.answered("PSH,ACK", ack, seq, GREETING), ESTABLISHED, REPLY)
    ack += len(GREETING)
    yield Step(ends.sent("PSH,ACK", seq, ack, USER), ESTABLISHED)
    seq += len(USER)
    yield Step(ends.answered("PSH,ACK", ack, seq, WELCOME), ESTABLISHED, REPLY)
    ack += len(WELCOME)
    port = ends.client_port + 1
    host = ends.client.replace(".", ",")
    command = f"PORT {host},{port >> 8},{port & 255}\r\n".encode()
    yield Step(ends.sent("PSH,ACK", seq, ack, command), ESTABLISHED)
    seq += len(command)
    yield Step(ends.answered("PSH,ACK", ack, seq, b"200 OK\r\n"), ESTABLISHED, REPLY)
    yield from page(Ends(ends.server, 20, ends.client, port), dice, RELATED)
    yield from closing(ends, seq, ack + 8)


CONVERSATIONS = (name_lookup, ping, long_message, page, transfer)
