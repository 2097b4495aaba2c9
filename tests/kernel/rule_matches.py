"""Draw what rules match, as nft text, from a universe so small that packets do meet it.

A field is compared with values in every way that its kind allows; what has no values to compare
with, or ways of its own, is listed as text. The scope of a rule knows which protocols it has
spoken of, for nft refuses rules about two at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

HOSTS4 = [f"10.0.{net}.{host}" for net in (1, 2) for host in range(2, 6)]
HOSTS6 = [f"fd00:{net}::{host}" for net in (1, 2) for host in range(2, 6)]
ROUTER4, ROUTER6 = ["10.0.1.1", "10.0.2.1"], ["fd00:1::1", "fd00:2::1"]
CLIENT_PORTS, SERVER_PORTS = [1000, 1001, 1002, 1003], [22, 53, 80, 443]
PORTS = [*CLIENT_PORTS, *SERVER_PORTS]
MARKS = list(range(8))


@dataclass
class Scope:
    """What a rule has spoken of so far; `other` is what allows no protocol to be named any more."""

    dice: random.Random
    family: str
    counts_connections: bool = False  # which must be left some time between packets
    l3: int | None = None
    l4: str | None = None

    def __post_init__(self) -> None:
        self.l3 = {"ip": 4, "ip6": 6}.get(self.family)

    def allows(self, l3: int | None, l4: str | None) -> bool:
        """Tell whether the rule may speak of these protocols; None is any."""
        l3 = {"icmp": 4, "icmpv6": 6}.get(l4 or "", l3)
        is_alike = l3 is None or self.l3 in (None, l3)
        return is_alike and (l4 is None or self.l4 in (None, l4))

    def take(self, l3: int | None, l4: str | None) -> None:
        """Note that the rule speaks of these protocols."""
        l3 = {"icmp": 4, "icmpv6": 6}.get(l4 or "", l3)
        l4 = OTHER if l4 in ("icmp", "icmpv6") else l4  # a second match may need another type
        self.l3, self.l4 = l3 or self.l3, l4 or self.l4


OTHER = "other"


class Field(NamedTuple):
    """Something to compare: its values, as whole numbers below 1 << bits, or as names (bits 0)."""

    text: str
    values: list
    bits: int = 0
    l3: int | None = None
    l4: str | None = None
    is_masked: bool = True  # whether a mask may be put on it


DSCPS, LENGTHS = [0, 8, 10, 16, 46], [20, 28, 29, 40, 44, 48, 52, 60, 68, 100, 140]
TTLS = [2, 4, 5, 6, 32, 63, 64, 254, 255]
# fmt: off
FIELDS = [
    *[Field(f"tcp {way}", PORTS, 16, None, "tcp") for way in ("sport", "dport") for _ in range(4)],
    *[Field(f"udp {way}", PORTS, 16, None, "udp") for way in ("sport", "dport") for _ in range(2)],
    *[Field(f"th {way}", PORTS, 16, None, "th") for way in ("sport", "dport") for _ in range(2)],
    Field("sctp sport", PORTS, 16, None, "sctp"), Field("sctp dport", PORTS, 16, None, "sctp"),
    Field("sctp vtag", [0, 4, 5], 32, None, "sctp"),
    Field("sctp chunk init init-tag", [0, 4], 32), Field("sctp chunk init a-rwnd", [1, 65536], 32),
    Field("sctp chunk init-ack num-outbound-streams", [0, 1], 16),
    Field("sctp chunk sack flags", [0, 1], 8), Field("sctp chunk data length", [4, 12], 16),
    Field("sctp chunk data tsn", [0, 5], 32), Field("sctp chunk sack a-rwnd", [0, 1], 32),
    Field("sctp chunk cookie-echo type", [0, 10], 8), Field("@ih,0,8", [0, 1, 14], 8),
    Field("@ih,8,16", [0, 1, 500], 16), Field("@ih,16,8", [0, 1, 14], 8),
    Field("udplite dport", PORTS, 16, None, "udplite"),
    Field("udp length", [8, 9, 12, 18], 16, None, "udp"),
    Field("udp checksum", [0, 7], 16, None, "udp"),
    Field("tcp sequence", [0, 100, 101, 1000, 4000000000], 32, None, "tcp"),
    Field("tcp ackseq", [0, 101, 501, 1000], 32, None, "tcp"),
    Field("tcp window", [0, 1, 512, 5000, 65535], 16, None, "tcp"),
    Field("tcp doff", [5, 6, 7, 8, 10], 4, None, "tcp", is_masked=False),
    Field("tcp urgptr", [0, 1], 16, None, "tcp"),
    Field("tcp option maxseg size", [536, 1000, 1400, 1460], 16, None, "tcp"),
    Field("tcp option window count", [0, 2, 7, 10, 14], 8, None, "tcp"),
    Field("tcp option timestamp tsval", [0, 1, 2, 1000], 32, None, "tcp"),
    Field("tcp option timestamp tsecr", [0, 1, 2], 32, None, "tcp"),
    Field("tcp option sack left", [101, 501, 1000], 32, None, "tcp"),
    Field("tcp option sack right", [101, 501, 1000], 32, None, "tcp"),
    Field("tcp option sack1 left", [101, 102, 501, 1000], 32, None, "tcp"),
    Field("tcp option sack1 right", [101, 102, 501, 1000], 32, None, "tcp"),
    Field("tcp option window length", [3, 4], 8, None, "tcp"),
    Field("icmp code", [0, 1, 3], 8, None, "icmp", is_masked=False),
    Field("icmp id", [7, 8], 16, None, "icmp"), Field("icmp sequence", [1, 2, 3], 16, None, "icmp"),
    Field("icmpv6 code", [0, 1, 3], 8, None, "icmpv6", is_masked=False),
    Field("icmpv6 id", [7, 8], 16, None, "icmpv6"),
    Field("icmpv6 sequence", [1, 2, 3], 16, None, "icmpv6"),
    Field("ip ttl", TTLS, 8, 4), Field("ip length", LENGTHS, 16, 4),
    Field("ip id", [1, 2, 3, 300], 16, 4), Field("ip frag-off", [0, 0x4000, 1], 16, 4),
    Field("ip version", [4, 5], 4, 4, is_masked=False),
    Field("ip hdrlength", [5, 6, 7], 4, 4, is_masked=False),
    Field("ip dscp", DSCPS, 6, 4, is_masked=False), Field("ip6 dscp", DSCPS, 6, 6, is_masked=False),
    Field("ip ecn", [0, 1, 2, 3], 2, 4, is_masked=False),
    Field("ip6 ecn", [0, 1, 2, 3], 2, 6, is_masked=False),
    Field("ip6 hoplimit", TTLS, 8, 6), Field("ip6 length", [8, 9, 20, 24, 32, 48], 16, 6),
    Field("ip6 flowlabel", [0, 1, 5, 70000], 20, 6, is_masked=False),
    Field("ip6 version", [6, 5], 4, 6, is_masked=False),
    *[Field(f"{kind} hdrlength", [0, 1, 2], 8, 6) for kind in ("hbh", "dst", "rt")],
    Field("rt type", [0, 2], 8, 6), Field("rt seg-left", [0, 1], 8, 6),
    *[Field("meta length", LENGTHS, 32)] * 2,
    *[Field("meta mark", MARKS, 32)] * 4, *[Field("ct mark", MARKS, 32)] * 4,
    Field("ct packets", [1, 2, 3, 5, 8], 64, is_masked=False),
    Field("ct original packets", [1, 2, 3, 5], 64, is_masked=False),
    Field("ct reply packets", [0, 1, 2, 3], 64, is_masked=False),
    Field("ct bytes", [40, 80, 140, 300], 64, is_masked=False),
    Field("ct original bytes", [40, 80, 140, 300], 64, is_masked=False),
    Field("ct reply bytes", [0, 40, 80, 140], 64, is_masked=False),
    Field("ct avgpkt", [28, 40, 50, 60], 64, is_masked=False),
    Field("ct zone", [0, 5, 6], 16, is_masked=False),
    Field("@th,16,16", PORTS, 16), Field("@th,0,8", [3, 8, 0, 128], 8),
    Field("@nh,64,8", TTLS, 8), Field("@nh,72,8", [1, 6, 17], 8),
    Field("@nh,48,8", [0, 6, 17, 58], 8),
    *[Field("meta l4proto", ["tcp", "udp", "icmp", "icmpv6", "sctp", "89"], 0, None, OTHER)] * 4,
    *[Field("ip protocol", ["tcp", "udp", "icmp", "sctp", "89"], 0, 4, OTHER)] * 3,
    *[Field("ip6 nexthdr", ["tcp", "udp", "icmpv6", "0", "60", "43"], 0, 6, OTHER)] * 3,
    Field("hbh nexthdr", ["tcp", "udp", "60"], 0, 6), Field("dst nexthdr", ["tcp", "udp"], 0, 6),
    *[Field("iifname", ['"lan0"', '"wan0"', '"eth0"'])] * 3,
    *[Field("oifname", ['"lan0"', '"wan0"', '"eth0"'])] * 3,
    Field("iif", ['"lan0"', '"wan0"', '"lo"']), Field("oif", ['"lan0"', '"wan0"', '"lo"']),
    *[Field("ct direction", ["original", "reply"])] * 2,
    *[Field("icmp type", ["echo-request", "echo-reply", "destination-unreachable", "time-exceeded",
                          "timestamp-request"], 0, None, "icmp")] * 3,
    *[Field("icmpv6 type", ["echo-request", "echo-reply", "destination-unreachable",
                            "time-exceeded", "nd-neighbor-solicit"], 0, None, "icmpv6")] * 3,
    Field("ct original protocol", ["tcp", "udp", "icmp", "icmpv6", "sctp"], 0, None, OTHER),
    Field("ct reply protocol", ["tcp", "udp", "icmp", "icmpv6"], 0, None, OTHER),
]
PLAIN = [
    "ct state new", "ct state established", "ct state established,related", "ct state != new",
    "ct state { new, established }", "ct state != { new, invalid }", "ct state invalid",
    "ct state untracked", "ct state related", "ct state ! new", "ct state == new",
    "ct state & (new|established) != 0", "ct state and new == new", "ct state 0x8",
    "ct state ! new,established", "ct state invalid,untracked", "ct state { untracked, related }",
    "ct status assured", "ct status != assured", "ct status ! assured", "ct status == confirmed",
    "ct status & assured == 0", "ct status & (seen-reply|confirmed) == seen-reply|confirmed",
    "ct status seen-reply,assured", "ct status expected", "ct status { confirmed, seen-reply }",
    "ct status & (confirmed|seen-reply) == confirmed",
    "ct label 5", "ct label != 5", "ct label 1",
    # Of a new packet Linux tells a time that hangs on how long the machine has been up.
    "ct state established ct expiration > 45s", "ct state established ct expiration 15s-45s",
    'ct helper "ftp"', 'ct helper != "ftp"',
    'iifname "lan*"', 'oifname "wan*"', 'iifname != "lan*"', 'oifname != "w*"',
    'iifname { "lan0", "eth*" }', 'oifname != { "wan*", "eth0" }', 'iifname "eth*"',
    "sctp chunk init exists", "sctp chunk init missing", "sctp chunk data exists",
    "sctp chunk sack missing", "sctp chunk abort exists", "sctp chunk cookie-ack exists",
    "iifgroup 0", "meta l4proto 6-17", "meta l4proto . th dport { tcp . 80, udp . 53, tcp . 22 }",
    'iifname . meta mark { "lan0" . 0, "wan0" . 1 }', "ct state . meta mark { new . 0, new . 1 }",
    'iifname . oifname { "lan0" . "wan0" }', "ct direction . ct mark { original . 0, reply . 1 }",
]
L3_OF_INET = [
    ("meta nfproto ipv4", 4), ("meta nfproto ipv6", 6), ("meta nfproto != ipv4", 0),
    ("meta nfproto { ipv4, ipv6 }", 0), ("meta protocol ip", 4), ("meta protocol { ip, ip6 }", 0),
    ("ct l3proto ipv4", 4), ("ct original l3proto ipv6", 6),
]
OF_PROTOCOL = [  # text, l3, l4
    *((f"tcp flags {text}", None, "tcp") for text in (
        "syn", "== syn", "!= syn", "& (syn|ack) == syn", "& (fin|syn|rst|ack) == syn|ack",
        "& (fin|syn|rst|ack) != syn", "syn,ack", "{ syn, ack, syn|ack }",
        "!= { syn, syn|ack }", "syn / syn,ack", "syn,ack / fin,syn,rst,ack", "! syn", "! syn,rst",
        "!= syn / fin,syn,rst,ack", "& syn == 0", "& syn != 0", "0x2", "> 2", "0x2-0x10",
        "& (syn|ack) == { syn, ack }", "& (fin|rst) != 0", "fin", "rst", "ack",
    )),
    *((f"tcp option {text}", None, "tcp") for text in (
        "maxseg exists", "maxseg missing", "window exists", "sack-perm exists", "sack exists",
        "timestamp missing", "nop exists", "eol exists", "3 exists", "19 missing", "sack missing",
        "@3,16,8 7",
    )),
    ("ah spi 5", None, "ah"), ("esp spi 7", None, "esp"), ("esp spi != 7", None, "esp"),
    *((f"exthdr {text}", 6, None) for text in (
        "hbh exists", "hbh missing", "rt missing", "rt exists", "dst exists", "frag missing",
    )),
    *((f"ip option {text}", 4, None) for text in (
        "ra exists", "rr exists", "rr missing", "ra value 0", "lsrr exists",
    )),
    ("icmp type . icmp code { echo-request . 0, destination-unreachable . 1 }", None, "icmp"),
    ("icmp type 8-13", None, "icmp"), ("icmpv6 type 1-4", None, "icmpv6"),
    ("icmpv6 type . icmpv6 code { echo-request . 0, destination-unreachable . 1 }", None, "icmpv6"),
    ("icmp type echo-request icmp id 7", None, "icmp"), ("icmp mtu 0", None, "icmp"),
    ("icmpv6 type echo-request icmpv6 id 7", None, "icmpv6"), ("icmpv6 mtu 0", None, "icmpv6"),
]
# fmt: on
ADDRESSES = [
    ("ip saddr", 4),
    ("ip daddr", 4),
    ("ip6 saddr", 6),
    ("ip6 daddr", 6),
    ("ct original ip saddr", 4),
    ("ct original ip daddr", 4),
    ("ct reply ip saddr", 4),
    ("ct original ip6 saddr", 6),
    ("ct reply ip6 daddr", 6),
]  # fmt: skip


def draw_match(scope: Scope) -> str:
    """Draw one match that fits what the rule has spoken of; often a plain one."""
    kinds: list[Callable[[Scope], str]] = [_field] * 10 + [_plain] * 5 + [_address] * 6
    kinds += [_of_protocol] * 3 + [_ports_of_connection, _concatenation, _concatenation]
    kinds += [_l3_of_inet] if scope.family == "inet" else []
    while True:
        found = scope.dice.choice(kinds)(scope)
        if found:
            return found


def _plain(scope: Scope) -> str:
    return scope.dice.choice(PLAIN)


def _l3_of_inet(scope: Scope) -> str:
    text, l3 = scope.dice.choice(L3_OF_INET)
    if scope.l3 is not None or scope.l4 is not None:
        return ""
    scope.l3 = l3
    return text


def _of_protocol(scope: Scope) -> str:
    text, l3, l4 = scope.dice.choice(OF_PROTOCOL)
    if not scope.allows(l3, l4):
        return ""
    scope.take(l3, l4)
    return text


def _ports_of_connection(scope: Scope) -> str:
    """Ports of the connection, which nft wants a protocol for."""
    dice = scope.dice
    l4 = dice.choice(["tcp", "udp"])
    if not scope.allows(None, l4):
        return ""
    which = f"ct {dice.choice(['original', 'reply'])} proto-{dice.choice(['src', 'dst'])}"
    scope.take(None, l4)
    return f"meta l4proto {l4} " + draw_relation(dice, Field(which, PORTS, 16, is_masked=False))


def _field(scope: Scope) -> str:
    field = scope.dice.choice(FIELDS)
    is_free = field.l4 != OTHER or scope.l4 is None
    if not is_free or not scope.allows(field.l3, field.l4):
        return ""
    scope.take(field.l3, field.l4)
    return draw_relation(scope.dice, field)


def _address(scope: Scope) -> str:
    """Compare an address: hosts, networks, ranges, sets and masks."""
    text, version = scope.dice.choice(ADDRESSES)
    if not scope.allows(version, None):
        return ""
    scope.take(version, None)
    return f"{text} {draw_addresses(scope.dice, version, is_payload=not text.startswith('ct'))}"


def draw_addresses(dice: random.Random, version: int, *, is_payload: bool = True) -> str:
    """Draw what an address is compared with."""
    hosts, net = (HOSTS4 + ROUTER4, "10.0.{}.0/24") if version == 4 else (HOSTS6, "fd00:{}::/64")
    side, negated = dice.choice([1, 2]), dice.choice(["", "", "!= "])
    few = ", ".join(dice.sample(hosts, dice.randrange(2, 5)))
    ways = [
        dice.choice(hosts),
        f"{negated}{dice.choice(hosts)}",
        f"{negated}{net.format(side)}",
        f"{negated}{{ {few} }}",
        f"{negated}{{ {net.format(side)}, {_span(dice, version, 3 - side)} }}",
        f"{negated}{_span(dice, version, side)}",
    ]
    if is_payload:
        masks = {4: ["0.0.0.1", "0.0.0.3"], 6: ["::1", "::3"]}[version]
        order = dice.choice(["<", ">", "<=", ">="])
        ways.append(f"& {masks[1]} {dice.choice(['==', '!='])} {masks[0]}")
        ways.append(f"{order} {dice.choice(hosts)}")
    return dice.choice(ways)


def _span(dice: random.Random, version: int, side: int) -> str:
    low, high = sorted(dice.sample(range(2, 7), 2))
    form = "10.0.{}.{}" if version == 4 else "fd00:{}::{}"
    return f"{form.format(side, low)}-{form.format(side, high)}"


def _concatenation(scope: Scope) -> str:
    """Compare two fields at once."""
    dice = scope.dice
    version, (text, ports, l4) = dice.choice([4, 6]), dice.choice(SECONDS)
    if not scope.allows(version, l4) or (l4 == OTHER and scope.l4 is not None):
        return ""
    scope.take(version, l4)
    family = {4: "ip", 6: "ip6"}[version]
    elements = draw_pairs(dice, version, ports, with_spans=l4 != OTHER and dice.random() < 0.4)
    negated = dice.choice(["", "", "!= "])
    which = dice.choice(["saddr", "daddr"])
    return f"{family} {which} . {text} {negated}{{ {', '.join(elements)} }}"


SECONDS: list[tuple[str, list, str | None]] = [
    ("tcp dport", PORTS, "tcp"), ("tcp sport", PORTS, "tcp"), ("udp dport", PORTS, "udp"),
    ("th dport", PORTS, "th"), ("meta l4proto", ["tcp", "udp"], OTHER), ("meta mark", MARKS, None),
]  # fmt: skip


def draw_pairs(
    dice: random.Random, version: int, values: list, *, with_spans: bool = False
) -> list[str]:
    """Draw elements of an address and something else; those of ranges may overlap."""
    lines = [HOSTS4 if version == 4 else HOSTS6, values]
    if with_spans:
        return overlapping(dice, [lines[0], sorted(values)])
    hosts = dice.sample(lines[0], dice.randrange(2, 6))
    return [f"{host} . {dice.choice(values)}" for host in hosts]


def overlapping(dice: random.Random, lines: list[list], *, is_taken: bool = True) -> list[str]:
    """Draw concatenations of ranges, each between two of a line's values.

    Linux takes no element that begins or ends within one before it, unless they are the same.
    """
    boxes: list[list[list[int]]] = []
    for _ in range(dice.randrange(2, 8)):
        box = [_ends(dice, len(line)) for line in lines]
        if not (is_taken and any(_is_in(corner, each) for corner in zip(*box) for each in boxes)):
            boxes.append(box)
    return [
        " . ".join(_range(line[low], line[high]) for line, (low, high) in zip(lines, box))
        for box in boxes
    ]


def _ends(dice: random.Random, count: int) -> list[int]:
    low = dice.randrange(count)
    return [low, min(low + dice.choice([0, 0, 1, 2, 4, count]), count - 1)]


def _is_in(corner: tuple[int, ...], box: list[list[int]]) -> bool:
    return all(low <= at <= high for at, (low, high) in zip(corner, box))


def _range(low: object, high: object) -> str:
    return f"{low}" if low == high else f"{low}-{high}"


def draw_relation(dice: random.Random, field: Field) -> str:
    """Compare a field with its values in any way that its kind allows."""
    value, negated = dice.choice(field.values), dice.choice(["", "", "!= "])
    few = dice.sample(field.values, min(len(field.values), dice.randrange(2, 5)))
    ways = [str(value), str(value), f"== {value}", f"!= {value}"]
    ways += [f"{negated}{{ {', '.join(map(str, few))} }}"] * 2
    if field.bits:
        ways += _orders(dice, field) + [f"{negated}{{ {', '.join(draw_spans(dice, field))} }}"] * 2
    if field.bits and field.is_masked:
        mask = dice.choice([1, 2, 3, 6, 0x50])
        ways.append(f"& {mask} {dice.choice(['==', '!='])} {mask & value}")
        ways.append(f"and {mask} == {mask}")
    return f"{field.text} {dice.choice(ways)}"


def _orders(dice: random.Random, field: Field) -> list[str]:
    """Compare by size; nft refuses what is always so or never."""
    inside = [each for each in field.values if 0 < each < (1 << field.bits) - 1]
    low, high = sorted(dice.sample(sorted(set(field.values)), 2))
    order = dice.choice(["<", ">", "<=", ">="])
    spans = [f"{low}-{high}", f"!= {low}-{high}"]
    return [f"{order} {dice.choice(inside)}", f"{order} {dice.choice(inside)}", *spans]


def draw_spans(dice: random.Random, field: Field) -> list[str]:
    """Draw elements of which some are ranges, and none overlap."""
    ordered = sorted(set(field.values))
    cuts = sorted(dice.sample(range(len(ordered)), min(len(ordered), dice.randrange(2, 6))))
    elements = []
    while cuts:
        low = ordered[cuts.pop(0)]
        high = ordered[cuts.pop(0)] if cuts and dice.random() < 0.5 else low
        elements.append(f"{low}" if low == high else f"{low}-{high}")
    return elements
