"""TCP conversations to disagree about: mostly nearly right, some garbage, some right.

A talk looks at what the library knows of its connection, so that numbers fall on a bound, one
inside or one outside it, on what was acknowledged last, or where they wrap.
"""

from __future__ import annotations

import random

from builders import tcp
from kernel.talks import Ends, Packet
from statefulinspect import Connection, Tracker

M32 = 0xFFFF_FFFF
EVENTS = (
    ["ACK"] * 14 + ["PSH,ACK", "SYN", "SYN,ACK", "FIN,ACK"] * 3 + ["RST", "RST,ACK"] * 2
    + ["ACK,URG", "FIN", "SYN,FIN", "none", "SYN,URG", "FIN,ACK,URG", "SYN,ECE,CWR", "RST,FIN"]
)  # fmt: skip
OPTIONS = [b""] * 8 + [
    bytes.fromhex(text)
    for text in (
        "01030307", "0303000a", "03030f01", "04020101", "0402080a00000001000000000103030a",
        "0101080a0000000100000000", "030400", "0300", "0502", "020405b40402010303020000",
    )
]  # fmt: skip
OFFSETS = [0] * 10 + [
    1, -1, 2, 10, -10, 100, 65535, 65536, 66000, -66000, -66001, 66001, -65535, -65536,
    131070, 131072, 1 << 31, (1 << 31) - 1, 1 << 30,
]  # fmt: skip
STARTS = [0, 1000, M32, M32 - 5, M32 - 70_000, 1 << 31, (1 << 31) - 3]
HANDSHAKE = [(0, "SYN"), (1, "SYN,ACK"), (0, "ACK")]


class TcpTalk:
    """Make the packets of one conversation, each from what the tracker knows by then."""

    def __init__(self, dice: random.Random, ends: Ends) -> None:
        self.dice = dice
        self.ends, self.port = ends[:2], ends.number
        self.starts = [dice.choice([*STARTS, dice.randrange(M32)]) for _ in range(2)]
        self.script = HANDSHAKE[: dice.choice([0, 1, 2, 3, 3, 3, 3])]
        self.syn_options = dice.choice(OPTIONS)

    def next(self, tracker: Tracker) -> Packet:
        """Make the next packet."""
        if self.script:
            is_reply, flags = self.script.pop(0)
            seq, ack = self._end(tracker, is_reply), self._end(tracker, 1 - is_reply)
            return self._packet(is_reply, flags, seq, ack, options=self.syn_options)
        is_reply, flags = self.dice.randrange(2), self.dice.choice(EVENTS)
        length = self.dice.choice([0, 0, 0, 1, 10, 1000])
        ack = self._ack(tracker, is_reply)
        seq = self._seq(tracker, is_reply) - (length if self.dice.random() < 0.1 else 0)
        return self._packet(is_reply, flags, seq, ack, length, self._options(ack))

    def connection(self, tracker: Tracker) -> Connection | None:
        """Find the talk's connection, whichever end opened it."""
        return tracker.find(tcp(self.port, 80, source=self.ends[0], destination=self.ends[1]))

    def _sides(self, tracker: Tracker, is_reply: int):
        """Give sender and receiver; None before there is a connection."""
        connection = self.connection(tracker)
        if connection is None:
            return None, None
        sides = [connection.original_side, connection.reply_side]
        if connection.original.source_port != self.port:
            sides.reverse()
        return sides[is_reply], sides[1 - is_reply]

    def _end(self, tracker: Tracker, is_reply: int) -> int:
        side, _ = self._sides(tracker, is_reply)
        return side.end if side is not None and side.max_window else self.starts[is_reply]

    def _seq(self, tracker: Tracker, is_reply: int) -> int:
        """Draw a sequence number: the next, or one on a bound, and a little beside it."""
        sender, receiver = self._sides(tracker, is_reply)
        near = [self._end(tracker, is_reply)] * 12
        if sender is not None:
            connection = sender.connection
            near += [sender.max_end] * 2 + [sender.end - receiver.max_window, receiver.highest_ack]
            near += [connection.last_ack, connection.last_end, 0]
        return self.dice.choice(near) + self.dice.choice(OFFSETS)

    def _ack(self, tracker: Tracker, is_reply: int) -> int:
        sender, receiver = self._sides(tracker, is_reply)
        near = [self._end(tracker, 1 - is_reply)] * 12
        if sender is not None:
            last_end = sender.connection.last_end
            near += [last_end, last_end, 0, receiver.end - max(sender.max_window, 66_000)]
        return self.dice.choice(near) + self.dice.choice(OFFSETS)

    def _options(self, ack: int) -> bytes:
        """Draw options; one in eight times SACK blocks around the acknowledgement."""
        if self.dice.random() > 0.12:
            return self.dice.choice(OPTIONS)
        edges = [ack + self.dice.choice([-20, 0, 1, 5, 1000, -66_000]) for _ in range(2)]
        edges *= self.dice.choice([1, 2, 3])
        octets = b"".join((edge & M32).to_bytes(4, "big") for edge in edges)
        return bytes([1, 1, 5, 2 + len(octets)]) + octets

    def _packet(
        self, is_reply: int, flags: str, seq: int, ack: int, length: int = 0, options: bytes = b""
    ) -> Packet:
        source, destination = self.ends[::-1] if is_reply else self.ends
        sport, dport = (80, self.port) if is_reply else (self.port, 80)
        seq, ack = seq & M32, ack & M32 if "ACK" in flags or self.dice.random() < 0.3 else 0
        window = self.dice.choice([65535, 65535, 0, 1, 100, 5000, 512])
        bad = self.dice.random() < 0.01
        wire = tcp(
            sport, dport, flags, seq, ack, source=source, destination=destination,
            window=window, options=options, data=bytes(length), bad=bad,
        )  # fmt: skip
        arrow = "<" if is_reply else ">"
        text = f"{arrow} {flags} seq={seq} ack={ack} len={length} win={window} opts={options.hex()}"
        return Packet(wire, text + (" bad=yes" if bad else ""))
