"""Aim packets at a ruleset: conversations of the hosts, ports and types that its text names.

Half of what is said is about those, half about hosts of the two networks and usual ports, so that
rules meet what they are for and what they are not for. The same text and seed give the same
packets on every system.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import NamedTuple

import builders
from underway import Sent

HOSTS = {(side, version): [
    f"10.0.{side}.{host}" if version == 4 else f"fd00:{side}::{host}" for host in range(2, 6)
] for side in (1, 2) for version in (4, 6)}  # fmt: skip
ROUTER = {(1, 4): "10.0.1.1", (2, 4): "10.0.2.1", (1, 6): "fd00:1::1", (2, 6): "fd00:2::1"}
GROUPS = {(1, 4): ["224.0.0.1", "10.0.1.255"], (2, 4): ["224.0.0.1", "10.0.2.255"],
          (1, 6): ["ff02::1"], (2, 6): ["ff02::1"]}  # fmt: skip
DEVICES = {1: "lan0", 2: "wan0"}
ADDRESS = re.compile(r"(?<![\w.:])(?:\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f:]*:[0-9a-f]*)(?:/\d+)?")
NUMBER = re.compile(r"(?<![\w.:/])(?:0x[0-9a-f]+|\d{1,5})(?![\w.:/])")
SERVICES = {
    "ssh": 22, "domain": 53, "http": 80, "https": 443, "smtp": 25, "ntp": 123, "mdns": 5353,
    "imaps": 993, "bootps": 67, "bootpc": 68, "snmp": 161, "submission": 587, "ftp": 21,
    "tftp": 69, "sip": 5060,
}  # fmt: skip
USUAL_PORTS = [22, 53, 80, 443, 443, 123, 25, 5000, 50000]
ASKED = {4: [8, 8, 8, 13, 17], 6: [128, 128, 128, 135, 136, 133, 134, 130, 143, 2]}
NEIGHBOURS = range(130, 144)
OPTIONS = [b"", b"", b"", bytes.fromhex("020405b4"), bytes.fromhex("02040218")]
ODD_FLAGS = ["none", "SYN,FIN", "FIN,PSH,URG", "SYN,RST", "FIN", "FIN,SYN,RST,PSH,ACK,URG", "RST"]
TOSES = [0] * 12 + [0x20, 0x28, 0x48, 0x88, 0xB8, 0x10]
PROTOCOLS = ["tcp"] * 9 + ["udp"] * 6 + ["ping"] * 4 + ["error"] * 2 + ["other"]
WAYS = ["forward"] * 5 + ["input"] * 4 + ["output"] * 2
Way = tuple[str, int]  # hook and side
Wires = Iterator[tuple[bytes, Way]]


class Aim:
    """What a ruleset's text speaks of."""

    def __init__(self, text: str, dice: random.Random) -> None:
        text = re.sub(r"^\s*#.*", "", text, flags=re.MULTILINE)
        self._dice = dice
        self.has_groups = "pkttype" not in text  # the harness' devices tell that of no packet
        found = [int(number, 0) for number in NUMBER.findall(text)]
        found += [port for name, port in SERVICES.items() if re.search(rf"\b{name}\b", text)]
        self._numbers = sorted({number for number in found if 0 < number < 65536}) or [1]
        self.marks = sorted({number for number in found if number < 256}) or [0]
        self._hosts: dict[int, list[str]] = {4: [], 6: []}
        for word in dict.fromkeys(ADDRESS.findall(text)):
            for each in _inside_and_beside(word):
                self._hosts[each.version].append(str(each))

    def host(self, side: int, version: int) -> str:
        aimed = self._hosts[version]
        known = aimed if aimed and self._dice.random() < 0.5 else HOSTS[side, version]
        return self._dice.choice(known)

    def near(self, side: int, version: int) -> str:
        """Choose a host that the router itself reaches by its device of that side."""
        network = ("10.0.%d." if version == 4 else "fd00:%d::") % side
        return next((host for host in (self.host(side, version) for _ in range(4))
                     if host.startswith(network)), HOSTS[side, version][0])  # fmt: skip

    def port(self) -> int:
        if self._dice.random() < 0.25:
            return self._dice.choice(USUAL_PORTS)
        return min(65535, self._dice.choice(self._numbers) + self._dice.choice([0] * 8 + [1]))


def _inside_and_beside(word: str) -> list[IPv4Address | IPv6Address]:
    """Give hosts at the ends of a network, and after it; none that no packet may come from."""
    try:
        network = ip_network(word, strict=False)
    except ValueError:
        return []
    first, last = network.network_address, network.broadcast_address
    if network.num_addresses > 4:
        first, last = first + 1, last - 1
    chosen = [first, last]
    if network.num_addresses > 1 and int(last) + 2 < 2**network.max_prefixlen:
        chosen.append(last + 2)
    return [each for each in dict.fromkeys(chosen) if _is_a_host(each)]


def _is_a_host(given: IPv4Address | IPv6Address) -> bool:
    text = str(given)
    if given.version == 6:
        is_odd = given.is_multicast or given.is_loopback or given.is_unspecified
        return not is_odd and not given.is_link_local and text not in ROUTER.values() and (
            given.ipv4_mapped is None and int(given) >> 64 != 0
        ) and not (text.startswith("fd00:") and text.endswith("::"))  # fmt: skip
    first = given.packed[0]
    is_near = text.startswith(("10.0.1.", "10.0.2."))
    is_edge = is_near and given.packed[3] in (0, 1, 255)
    return first not in (0, 127) and first < 224 and not is_edge


class Ends(NamedTuple):
    """The two ends of a conversation, its way, and the side where it began."""

    client: str
    server: str
    hook: str
    side: int

    @property
    def version(self) -> int:
        return 6 if ":" in self.client else 4

    def hosts(self, is_reply: int) -> dict[str, str]:
        return {"source": self[is_reply], "destination": self[1 - is_reply]}

    def way(self, is_reply: int) -> Way:
        """Tell by which hook and side the opener's packets go, or the answers to them."""
        if not is_reply:
            return self.hook, self.side
        return {
            "forward": ("forward", 3 - self.side),
            "input": ("output", self.side),
            "output": ("input", self.side),
        }[self.hook]

    @property
    def is_answered(self) -> bool:
        """Whether the answer finds its way: the router itself knows its two networks only."""
        near = (f"10.0.{self.side}.", f"fd00:{self.side}::")
        return self.hook != "input" or (
            self.client.startswith(near) and self.server in ROUTER.values()
        )


def aimed_traffic(text: str, seed: int, count: int) -> list[Sent]:
    """Draw so many packets for a ruleset: six conversations at a time, each in order."""
    dice = random.Random(seed)
    aim = Aim(text, dice)
    sent: list[Sent] = []
    open_: list[Wires] = []
    while len(sent) < count:
        if len(open_) < 6:
            open_.append(_conversation(dice, aim, _draw_ends(dice, aim), sent))
        talk = dice.choice(open_)
        found = next(talk, None)
        if found is None:
            open_.remove(talk)
            continue
        wire, way = found
        sent.append(_on_its_way(dice, aim, _dressed(dice, wire), way))
    return sent


def _draw_ends(dice: random.Random, aim: Aim) -> Ends:
    version, side, hook = dice.choice([4, 4, 4, 6, 6]), dice.choice([1, 2]), dice.choice(WAYS)
    if hook == "output":
        return Ends(ROUTER[side, version], aim.near(side, version), hook, side)
    client = aim.host(side, version)
    while True:
        server = aim.host(3 - side, version) if hook == "forward" else ROUTER[side, version]
        if server != client:
            return Ends(client, server, hook, side)


def _conversation(dice: random.Random, aim: Aim, ends: Ends, sent: list[Sent]) -> Wires:
    talks = {"tcp": _tcp, "udp": _udp, "ping": _ping, "error": _errors, "other": _other}
    return talks[dice.choice(PROTOCOLS)](dice, aim, ends, sent)


def _tcp(dice: random.Random, aim: Aim, ends: Ends, _: list[Sent]) -> Wires:
    sport, dport = dice.choice([40000, 40001, aim.port()]), aim.port()
    script = [(0, "SYN", 100, 0, 0), (1, "SYN,ACK", 500, 101, 0), (0, "ACK", 101, 501, 0),
              (0, "PSH,ACK", 101, 501, 30), (1, "PSH,ACK", 501, 131, 70),
              (0, "FIN,ACK", 131, 571, 0), (1, "RST", 571, 0, 0)]  # fmt: skip
    script = script[: dice.choice([1, 1, 2, 4, 5, 6, 7])][dice.choice([0] * 9 + [1]) :]
    for is_reply, flags, seq, ack, length in script:
        if is_reply and not ends.is_answered:
            continue
        said = dice.choice([flags] * 12 + [dice.choice(ODD_FLAGS)])
        ports = (dport, sport) if is_reply else (sport, dport)
        more = {"data": bytes(length), "options": dice.choice(OPTIONS) if "SYN" in flags else b""}
        more["window"] = dice.choice([65535, 5000, 500])
        wire = builders.tcp(*ports, said, seq, ack, **more, **ends.hosts(is_reply))
        yield wire, ends.way(is_reply)


def _udp(dice: random.Random, aim: Aim, ends: Ends, _: list[Sent]) -> Wires:
    dport = aim.port()
    sport = dice.choice([40000, 40001, dport, aim.port()])
    if ends.hook == "input" and aim.has_groups and dice.random() < 0.15:
        ends = ends._replace(server=dice.choice(GROUPS[ends.side, ends.version]))
    for is_reply in dice.choice([(0,), (0, 0), (0, 1, 0), (0, 1, 0, 1)]):
        if not is_reply or ends.is_answered:
            ports = (dport, sport) if is_reply else (sport, dport)
            data = bytes(dice.choice([0, 12, 64, 300]))
            yield builders.udp(*ports, data, **ends.hosts(is_reply)), ends.way(is_reply)


def _ping(dice: random.Random, aim: Aim, ends: Ends, _: list[Sent]) -> Wires:
    kind = dice.choice(ASKED[ends.version])
    answer = {8: 0, 13: 14, 17: 18, 128: 129}.get(kind)
    if kind in NEIGHBOURS and ends.hook == "input" and dice.random() < 0.6:
        groups = ["ff02::1"] if aim.has_groups else []
        ends = ends._replace(client="fe80::2", server=dice.choice([ends.server, *groups]))
    for sequence in range(1, dice.randrange(2, 4)):
        yield builders.icmp(kind, 0, 7, sequence, bytes(16), **ends.hosts(0)), ends.way(0)
        if answer is not None and ends.is_answered and dice.random() < 0.7:
            yield builders.icmp(answer, 0, 7, sequence, bytes(16), **ends.hosts(1)), ends.way(1)


def _errors(dice: random.Random, _: Aim, __: Ends, sent: list[Sent]) -> Wires:
    """Have the receivers of what was sent before complain about it."""
    told = [each for each in sent[-40:] if each.hook != "input"]
    for quoted in dice.sample(told, min(2, len(told))):
        version, at, size = (4, 12, 4) if quoted.wire[0] >> 4 == 4 else (6, 8, 16)
        to, by = (builders.address(quoted.wire[at + size * end :][:size]) for end in (0, 1))
        kind, code = dice.choice([(3, 1), (3, 3), (3, 4), (11, 0)] if version == 4 else
                                 [(1, 1), (1, 4), (2, 0), (3, 0)])  # fmt: skip
        hook = "forward" if quoted.hook == "forward" else "input"
        side = 1 if quoted.oif == "lan0" else 2
        yield builders.icmp_error(quoted.wire, kind, code, source=by, destination=to), (hook, side)


def _other(dice: random.Random, aim: Aim, ends: Ends, _: list[Sent]) -> Wires:
    number = dice.choice([47, 50, 51, 89, 2, 132])
    octets = {51: b"\x3b\x01\0\0\0\0\0\x05\0\0\0\x01", 47: bytes.fromhex("00000800")}
    if number == 132:
        yield builders.sctp("INIT/4", 0, 40000, aim.port(), **ends.hosts(0)), ends.way(0)
    else:
        payload = octets.get(number, bytes(12))
        yield builders.ip(*ends.hosts(0).values(), number, payload), ends.way(0)


def _dressed(dice: random.Random, wire: bytes) -> bytes:
    """Vary traffic class and TTL; what must have hop limit 255 has it."""
    tos, ttl = dice.choice(TOSES), dice.choice([64] * 8 + [2, 4, 32, 255])
    if wire[0] >> 4 == 6:
        is_near = wire[6] == builders.ICMPV6 and wire[40] in NEIGHBOURS
        first = (6 << 28 | tos << 20).to_bytes(4, "big")
        return first + wire[4:7] + bytes([255 if is_near else ttl]) + wire[8:]
    head = bytearray(wire[:20])
    head[1], head[8], head[10:12] = tos, ttl, bytes(2)
    head[10:12] = builders.internet_checksum(bytes(head)).to_bytes(2, "big")
    return bytes(head) + wire[20:]


def _on_its_way(dice: random.Random, aim: Aim, wire: bytes, way: Way) -> Sent:
    hook, side = way
    at, size = (12, 4) if wire[0] >> 4 == 4 else (8, 16)
    source, destination = (builders.address(wire[at + size * end :][:size]) for end in (0, 1))
    text = f"{source} > {destination} protocol {wire[9] if size == 4 else wire[6]}"
    mark = dice.choice([0, 0, dice.choice(aim.marks)]) if hook == "output" else 0
    return Sent(wire, text, hook, DEVICES[side], mark)
