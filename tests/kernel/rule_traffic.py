"""Draw traffic for rules to look at: conversations of few hosts and ports, interleaved.

Unlike the talks, which aim at what the tracker knows, these say what they would say in any case:
packets that rules drop are just missing, and the same packets can be sent to fewer rules. Hosts
speak to hosts of the other side, through the router, or to the router, which answers them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

import builders
from kernel.router import Device
from kernel.rule_kernel import Hook
from kernel.rule_matches import CLIENT_PORTS, HOSTS4, HOSTS6, ROUTER4, ROUTER6, SERVER_PORTS
from underway import Sent

DEVICES: dict[str, Device] = {"1": "lan0", "2": "wan0"}  # by an address's sixth character
ROUTERS = {*ROUTER4, *ROUTER6}
TTLS = [64] * 8 + [2, 4, 5, 6, 32, 63, 254, 255]
TOSES = [0] * 8 + [0x20, 0x28, 0x40, 0xB8, 1, 2, 3, 0x23]
OPTIONS4 = [bytes.fromhex(text) for text in ("01010101", "94040000", "0707040000000000")]
GRE_HEADS = ["00000800", "00000800", "80000800", "20000800", "10000800", "b0000800", "40000800",
             "08000800", "07000800", "00080800",
             "00010800", "3001880b", "3081880b", "00000000"]  # fmt: skip
OPTIONS = [
    bytes.fromhex(text)
    for text in (
        "", "020405b4", "020405b401030307", "020402180402", "0303000a", "01030302",
        "020405b40402080a000000010000000001030307", "0101080a0000000200000001",
        "020403e801010402", "0204057803030e", "020305b401010101", "0200010103030701",
    )
]  # fmt: skip
SACKS = [bytes.fromhex(text) for text in (
    "0101050a00000065000001f5", "01010512000003e8000003e90000006500000066",
)]  # fmt: skip
ODD_FLAGS = ["none", "SYN,FIN", "RST", "SYN", "FIN,ACK,URG", "SYN,ECE,CWR"]
HEADERS = {
    "hbh": (0, bytes.fromhex("0000010400000000")),
    "long hbh": (0, bytes.fromhex("00011e06000000000000010400000000")),
    "dst": (60, bytes.fromhex("0000010400000000")),
    "rt": (43, bytes.fromhex("0000020000000000")),
}
Wires = Iterator[bytes]


class Ends(NamedTuple):
    client: str
    server: str

    def way(self, is_reply: int) -> dict[str, str]:
        return {"source": self[is_reply], "destination": self[1 - is_reply]}


def draw_traffic(dice: random.Random, count: int) -> list[Sent]:
    """Draw so many packets: some conversations at a time, each in order, with odd ones between."""
    sent: list[Sent] = []
    open_: list[Wires] = []
    while len(sent) < count:
        if len(open_) < 6:
            open_.append(_conversation(dice, _draw_ends(dice), sent))
        talk = dice.choice(open_)
        wire = next(talk, None)
        if wire is None:
            open_.remove(talk)
            continue
        sent.append(_addressed(dice, _dressed(dice, wire)))
        if dice.random() < 0.04:
            sent.append(dice.choice(sent))
    return sent[:count]


def _draw_ends(dice: random.Random) -> Ends:
    hosts, router = (HOSTS4, ROUTER4) if dice.random() < 0.6 else (HOSTS6, ROUTER6)
    side = dice.randrange(2)
    client, server = dice.choice(hosts[side * 4 :][:4]), dice.choice(hosts[4 - side * 4 :][:4])
    kind = dice.random()
    if kind < 0.2:
        return Ends(client, router[side])
    return Ends(router[1 - side], server) if kind < 0.3 else Ends(client, server)


def _conversation(dice: random.Random, ends: Ends, sent: list[Sent]) -> Wires:
    kinds = [_tcp] * 8 + [_udp] * 4 + [_ping] * 3 + [_sctp, _other, _lite]
    kinds += [_errors] * 3 if sent else []
    return dice.choice(kinds)(dice, ends, sent)


def _tcp(dice: random.Random, ends: Ends, _: list[Sent]) -> Wires:
    """Open a connection, exchange a little, and close it; often only a part of that."""
    sport, dport = dice.choice(CLIENT_PORTS), dice.choice(SERVER_PORTS)
    syn = {"options": dice.choice(OPTIONS), "window": dice.choice([65535, 5000, 512])}
    script = [(0, "SYN", 100, 0, 0), (1, "SYN,ACK", 500, 101, 0), (0, "ACK", 101, 501, 0)]
    script += [(0, "PSH,ACK", 101, 501, 4), (1, "ACK", 501, 105, 0), (1, "PSH,ACK", 501, 105, 8)]
    endings = [
        [(0, "FIN,ACK", 105, 509, 0), (1, "FIN,ACK", 509, 106, 0), (0, "ACK", 106, 510, 0)],
        [(0, "RST,ACK", 105, 509, 0)], [(1, "RST", 509, 0, 0)], [], [],
    ]  # fmt: skip
    script = script[: dice.choice([1, 2, 3, 6, 6, 6, 6])] + dice.choice(endings)
    script = script[dice.choice([0] * 9 + [1, 3]) :]
    for is_reply, flags, seq, ack, length in script:
        words = dict(syn) if "SYN" in flags else {"window": dice.choice([65535, 5000, 1, 0])}
        if flags == "ACK" and dice.random() < 0.3:
            words["options"] = dice.choice(SACKS + OPTIONS)
        said = dice.choice([flags] * 15 + [dice.choice(ODD_FLAGS)])
        at = dice.choice([seq] * 20 + [dice.choice([0, 1000, 4_000_000_000])])
        ports = (dport, sport) if is_reply else (sport, dport)
        yield builders.tcp(*ports, said, at, ack, data=bytes(length), **words,
                           **ends.way(is_reply), bad=dice.random() < 0.02)  # fmt: skip


def _udp(dice: random.Random, ends: Ends, _: list[Sent]) -> Wires:
    sport, dport = dice.choice(CLIENT_PORTS), dice.choice(SERVER_PORTS)
    if dice.random() < 0.2:
        sport = dport
    for _number in range(dice.randrange(1, 5)):
        is_reply = int(dice.random() < 0.45)
        ports = (dport, sport) if is_reply else (sport, dport)
        words = {"checksum": dice.choice([None] * 9 + [0]), "bad": dice.random() < 0.02}
        yield builders.udp(*ports, bytes(dice.choice([0, 1, 4, 10, 72])), **words,
                           **ends.way(is_reply))  # fmt: skip


def _lite(dice: random.Random, ends: Ends, _: list[Sent]) -> Wires:
    sport, dport = dice.choice(CLIENT_PORTS), dice.choice(SERVER_PORTS)
    yield builders.udplite(sport, dport, bytes(4), pseudo=17, **ends.way(0))
    yield builders.udplite(dport, sport, bytes(4), pseudo=17, **ends.way(1))


def _ping(dice: random.Random, ends: Ends, _: list[Sent]) -> Wires:
    """Ask and answer; a few messages that are neither."""
    is_v6, number = ":" in ends.client, dice.choice([7, 7, 8])
    ask, answer = (128, 129) if is_v6 else dice.choice([(8, 0), (8, 0), (8, 0), (13, 14)])
    for sequence in range(1, dice.randrange(2, 4)):
        data = bytes(dice.choice([0, 1, 56]))
        for is_reply, usual in ((0, ask), (1, answer)):
            kind = dice.choice([usual] * 15 + [answer, 150])
            code = dice.choice([0] * 12 + [1, 3])
            yield builders.icmp(kind, code, number, sequence, data, **ends.way(is_reply))


def _errors(dice: random.Random, ends: Ends, sent: list[Sent]) -> Wires:
    """Send an error about something sent before, from its destination or from elsewhere."""
    for quoted in dice.sample(sent[-30:], min(2, len(sent))):
        version, at, size = (4, 12, 4) if quoted.wire[0] >> 4 == 4 else (6, 8, 16)
        source, destination = (
            builders.address(quoted.wire[at + size * end :][:size]) for end in (0, 1)
        )
        if (":" in ends.server) == (version == 6) and dice.random() < 0.3:
            destination = ends.server
        kind = dice.choice([3, 3, 11] if version == 4 else [1, 1, 3])
        if source == destination or {source, destination} <= ROUTERS:
            continue
        yield builders.icmp_error(quoted.wire, kind, dice.choice([0, 1, 3]), source=destination,
                                  destination=source, cut=dice.choice([None, 48, 68]))  # fmt: skip


def _sctp(dice: random.Random, ends: Ends, _: list[Sent]) -> Wires:
    sport, dport = dice.choice(CLIENT_PORTS), dice.choice(SERVER_PORTS)
    script = [(0, "INIT/4", 0), (1, "INIT_ACK/5", 4), (0, "COOKIE_ECHO", 5), (1, "COOKIE_ACK", 4),
              (0, dice.choice(["DATA+SACK", "DATA#7", "DATA#20", "DATA#4+SACK"]), 5),
              (1, dice.choice(["SACK", "SACK#6", "SACK#0"]), 4)]  # fmt: skip
    for is_reply, chunks, tag in script[: dice.randrange(1, 7)]:
        ports = (dport, sport) if is_reply else (sport, dport)
        yield builders.sctp(chunks, tag, *ports, **ends.way(is_reply))


def _other(dice: random.Random, ends: Ends, _: list[Sent]) -> Wires:
    """Send protocols that are known by number only; of some the rules know a header."""
    number = dice.choice([89, 50, 51, 47, 47, 253, 4, 41])
    octets = bytes([0, 0, 0, dice.choice([5, 7]), 0, 0, 0, dice.choice([5, 7])])
    if number == 47:
        octets = bytes.fromhex(dice.choice(GRE_HEADS)) + bytes([0, 1, 14, 0] * 4)
    octets = b"\x3b\x01\0\0\0\0\0\x05\0\0\0\x01" if number == 51 else octets
    for is_reply in (0, 1, 0)[: dice.randrange(1, 4)]:
        yield builders.ip(*ends.way(is_reply).values(), number, octets)


def _dressed(dice: random.Random, wire: bytes) -> bytes:
    """Vary the IP header; what follows stays as it is."""
    if wire[0] >> 4 == 6:
        return _dressed6(dice, wire)
    head = bytearray(wire[:20])
    if dice.random() < 0.05:
        # Linux sends no reset to TCP with a record of its route.
        head += dice.choice(OPTIONS4[:2] if wire[9] == builders.TCP else OPTIONS4)
        head[0] = 0x40 | len(head) // 4
        head[2:4] = (len(head) + len(wire) - 20).to_bytes(2, "big")
    head[1], head[8] = dice.choice(TOSES), dice.choice(TTLS)
    head[4:6] = dice.choice([1, 1, 2, 3, 300]).to_bytes(2, "big")
    head[6] = dice.choice([0, 0x40])
    head[10:12] = bytes(2)
    head[10:12] = builders.internet_checksum(bytes(head)).to_bytes(2, "big")
    return bytes(head) + wire[20:]


def _dressed6(dice: random.Random, wire: bytes) -> bytes:
    label = dice.choice([0, 0, 0, 1, 5, 70_000])
    first = 6 << 28 | dice.choice(TOSES) << 20 | label
    head = first.to_bytes(4, "big") + wire[4:7] + bytes([dice.choice(TTLS)]) + wire[8:40]
    if dice.random() < 0.12:
        return _with_headers(dice, head + wire[40:])
    return head + wire[40:]


def _with_headers(dice: random.Random, wire: bytes) -> bytes:
    """Put extension headers before what an IPv6 packet carries, in their proper order."""
    names = dice.choice([["hbh"], ["dst"], ["hbh", "dst"], ["long hbh"], ["hbh", "rt"], ["rt"]])
    following, walked = wire[6], b""
    for name in reversed(names):
        number, octets = HEADERS[name]
        walked = bytes([following]) + octets[1:] + walked
        following = number
    length = (len(walked) + len(wire) - 40).to_bytes(2, "big")
    return wire[:4] + length + bytes([following]) + wire[7:40] + walked + wire[40:]


def _addressed(dice: random.Random, wire: bytes) -> Sent:
    """Tell which way a packet goes: its source says by which device it comes."""
    at, size = (12, 4) if wire[0] >> 4 == 4 else (8, 16)
    source, destination = (builders.address(wire[at + size * end :][:size]) for end in (0, 1))
    text = f"{source} > {destination} protocol {wire[6] if ':' in source else wire[9]}"
    if source in ROUTERS:
        mark = dice.choice([0, 0, 0, 1, 3])
        return Sent(wire, text, "output", DEVICES[destination[5]], mark)
    hook: Hook = "input" if destination in ROUTERS else "forward"
    return Sent(wire, text, hook, DEVICES[source[5]])
