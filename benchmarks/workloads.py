"""The traffic that is measured: seeded, the same in every run, built without checksums.

Every host of a workload is one end of a `Flow`, which writes its packets one after the other as
the two ends would. Packets are raw IP; nothing in them is INVALID.
"""

from __future__ import annotations

import random
import struct
from typing import Callable, Iterator  # noqa: UP035 - Python 3.9

Workload = Callable[[], list[bytes]]

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
SYN, ACK, SYN_ACK, FIN_ACK = 0x02, 0x10, 0x12, 0x11
TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")
WINDOW, FULL = 0xFFFF, 1448  # octets
M32 = 0xFFFF_FFFF

SEGMENTS = 20_000  # of one download
INTERLEAVED, TURNS = 10_000, 10  # connections, and segments of each
MANY = 100_000
MIXED = 100_000
AT_ONCE = {TCP: 200, UDP: 40, ICMP: 10}  # flows of the mix that take turns
SHARES = {TCP: 80, UDP: 15, ICMP: 5}  # percent of its packets
IPV6_SHARE = 0.2
TAIL = 1.2  # of the Pareto distribution of flow lengths: most are short, few very long
SHORTEST = {TCP: 6, UDP: 1, ICMP: 1}  # turns of a flow
LONGEST = 2_000


class Flow:
    """Write the packets between two ends; `ports` are their four octets, for ICMP none."""

    def __init__(self, number: int, *, is_ipv6: bool = False, server_port: int = 80) -> None:
        client = 0x0A00_0000 | number >> 14
        self.client, self.server = client.to_bytes(4, "big"), bytes((192, 0, 2, number % 200 + 1))
        if is_ipv6:
            self.client, self.server = (
                b"\x20\x01\x0d\xb8" + bytes(8) + each for each in (self.client, self.server)
            )
        self.port, self.server_port = 1024 + number % (1 << 14), server_port
        self.is_ipv6, self.options = is_ipv6, b""

    def packet(self, protocol: int, payload: bytes, *, is_reply: bool) -> bytes:
        """Write an IP packet."""
        ends = self.server + self.client if is_reply else self.client + self.server
        if self.is_ipv6:
            return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload
        head = struct.pack("!BBHIBBH", 0x45, 0, 20 + len(payload), 0x4000, 64, protocol, 0)
        return head + ends + payload

    def _ports(self, is_reply: bool) -> bytes:  # noqa: FBT001 - of this class only
        ports = (self.server_port, self.port) if is_reply else (self.port, self.server_port)
        return struct.pack("!HH", *ports)

    def tcp(self, flags: int, seq: int, ack: int, size: int = 0, *, is_reply: bool) -> bytes:
        """Write a TCP segment with so many octets of data."""
        offset = 5 + len(self.options) // 4
        rest = struct.pack("!IIBBHI", seq & M32, ack & M32, offset << 4, flags, WINDOW, 0)
        return self.packet(
            TCP, self._ports(is_reply) + rest + self.options + bytes(size), is_reply=is_reply
        )

    def udp(self, size: int, *, is_reply: bool) -> bytes:
        """Write a UDP datagram with so many octets of data."""
        rest = struct.pack("!HH", 8 + size, 0) + bytes(size)
        return self.packet(UDP, self._ports(is_reply) + rest, is_reply=is_reply)

    def ping(self, seq: int, *, is_reply: bool) -> bytes:
        """Write an echo request or reply."""
        types = (128, 129) if self.is_ipv6 else (8, 0)
        rest = struct.pack("!BBHHH", types[is_reply], 0, 0, self.port, seq & 0xFFFF) + bytes(48)
        return self.packet(ICMPV6 if self.is_ipv6 else ICMP, rest, is_reply=is_reply)

    def opening(self, seq: int = 0, ack: int = 5000) -> list[bytes]:
        """Shake hands."""
        return [
            self.tcp(SYN, seq, 0, is_reply=False),
            self.tcp(SYN_ACK, ack, seq + 1, is_reply=True),
            self.tcp(ACK, seq + 1, ack + 1, is_reply=False),
        ]

    def closing(self, seq: int, ack: int) -> list[bytes]:
        """Part, the client first."""
        return [
            self.tcp(FIN_ACK, seq, ack, is_reply=False),
            self.tcp(FIN_ACK, ack, seq + 1, is_reply=True),
            self.tcp(ACK, seq + 1, ack + 1, is_reply=False),
        ]


def download(flow: Flow, segments: int) -> Iterator[bytes]:
    """Load something: full segments down, an acknowledgement up for every second."""
    yield from flow.opening()
    seq = 5001
    for number in range(segments):
        yield flow.tcp(ACK, seq, 1, FULL, is_reply=True)
        seq += FULL
        if number % 2:
            yield flow.tcp(ACK, 1, seq, is_reply=False)


def bulk() -> list[bytes]:
    """W1: one download."""
    return list(download(Flow(0), SEGMENTS))


def bulk_timestamps() -> list[bytes]:
    """W1 with the timestamps option in every segment."""
    flow = Flow(0)
    flow.options = TIMESTAMPS
    return list(download(flow, SEGMENTS))


def bulk_datagrams() -> list[bytes]:
    """W1 over UDP, as QUIC: full datagrams down, a short one up for every second."""
    flow = Flow(0, server_port=443)
    packets = [flow.udp(FULL, is_reply=False)]
    for number in range(SEGMENTS):
        packets.append(flow.udp(FULL, is_reply=True))
        if number % 2:
            packets.append(flow.udp(40, is_reply=False))
    return packets


def interleaved() -> list[bytes]:
    """W2: many connections in turn."""
    flows = [Flow(number) for number in range(INTERLEAVED)]
    packets = [packet for flow in flows for packet in flow.opening()]
    for turn in range(TURNS):
        packets += [flow.tcp(ACK, 5001 + 100 * turn, 1, 100, is_reply=True) for flow in flows]
    return packets


def dns() -> list[bytes]:
    """W3: every question from a new port, answered at once."""
    flows = (Flow(number, server_port=53) for number in range(SEGMENTS // 2))
    return [
        packet
        for flow in flows
        for packet in (flow.udp(30, is_reply=False), flow.udp(100, is_reply=True))
    ]


def syn_flood() -> list[bytes]:
    """W4: openers that nobody answers."""
    return [Flow(number).tcp(SYN, number, 0, is_reply=False) for number in range(SEGMENTS)]


def random_flows() -> list[bytes]:
    """W6: many connections, each heard of at random."""
    dice = random.Random(6)
    flows = [Flow(number) for number in range(MANY)]
    packets = [packet for flow in flows for packet in flow.opening()]
    heard = [0] * MANY
    for _ in range(MANY * 2):
        which = dice.randrange(MANY)
        packets.append(flows[which].tcp(ACK, 5001 + 100 * heard[which], 1, 100, is_reply=True))
        heard[which] += 1
    return packets


def _turns(dice: random.Random, protocol: int) -> int:
    return min(LONGEST, int(SHORTEST[protocol] * dice.paretovariate(TAIL)))


def _tcp_talk(flow: Flow, dice: random.Random) -> Iterator[bytes]:
    flow.options = TIMESTAMPS
    segments = _turns(dice, TCP)
    yield from download(flow, segments)
    yield from flow.closing(1, 5001 + FULL * segments)


def _udp_talk(flow: Flow, dice: random.Random) -> Iterator[bytes]:
    flow.server_port = dice.choice((53, 123, 443))
    for _ in range(_turns(dice, UDP)):
        yield flow.udp(dice.randrange(20, 100), is_reply=False)
        yield flow.udp(dice.randrange(40, 1200), is_reply=True)


def _ping_talk(flow: Flow, dice: random.Random) -> Iterator[bytes]:
    for seq in range(_turns(dice, ICMP)):
        yield flow.ping(seq, is_reply=False)
        yield flow.ping(seq, is_reply=True)


TALKS = {TCP: _tcp_talk, UDP: _udp_talk, ICMP: _ping_talk}


def internet_mix() -> list[bytes]:
    """W5: flows of all lengths, protocols and both IP versions take turns."""
    dice, begun = random.Random(5), 0

    def talk(protocol: int) -> Iterator[bytes]:
        nonlocal begun
        begun += 1
        return TALKS[protocol](Flow(begun, is_ipv6=dice.random() < IPV6_SHARE), dice)

    talks = {protocol: [talk(protocol) for _ in range(AT_ONCE[protocol])] for protocol in TALKS}
    protocols = dice.choices(list(SHARES), weights=list(SHARES.values()), k=MIXED)
    packets: list[bytes] = []
    for protocol in protocols:
        which = dice.randrange(AT_ONCE[protocol])
        packet = next(talks[protocol][which], None)
        if packet is None:
            talks[protocol][which] = talk(protocol)
            packet = next(talks[protocol][which])
        packets.append(packet)
    return packets


WORKLOADS: dict[str, Workload] = {
    "W1 bulk": bulk,
    "W1 timestamps": bulk_timestamps,
    "W1 datagrams": bulk_datagrams,
    "W2 interleaved": interleaved,
    "W3 dns": dns,
    "W4 syn flood": syn_flood,
    "W5 internet mix": internet_mix,
    "W6 random flows": random_flows,
}
