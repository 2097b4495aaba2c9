"""What a rule can look at: every left side that nftables has, with its type and what it needs.

A selector is known by its nft text: `tcp dport`, `meta mark`, `ct original ip saddr`. What it needs
is what nft adds to a rule by itself: `tcp dport` is looked at in TCP packets only. How a selector
is read from a packet, `readers` knows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from statefulinspect.rules.words.datatypes import TYPES, DataType
from statefulinspect.rules.words.header_parts import (
    CHUNK_FIELDS,
    CHUNK_TYPES,
    EXTENSION_FIELDS,
    EXTENSION_NUMBERS,
    IPV4_OPTION_FIELDS,
    IPV4_OPTION_TYPES,
    OPTION_FIELDS,
    OPTION_KINDS,
)
from statefulinspect.rules.words.headers import FIELDS, MESSAGES_WITH
from statefulinspect.rules.words.symbols import NF_PROTO
from statefulinspect.rules.words.symbols_protocols import INET_PROTO

IPV4_FAMILY: Final = NF_PROTO["ipv4"]
IPV6_FAMILY: Final = NF_PROTO["ipv6"]
NF_FAMILIES: Final = {4: IPV4_FAMILY, 6: IPV6_FAMILY}  # by IP version
FAMILY_OF: Final = {"ip": IPV4_FAMILY, "ip6": IPV6_FAMILY}
FAMILY_OF_PROTOCOL: Final = {
    "icmp": IPV4_FAMILY,
    "igmp": IPV4_FAMILY,
    "icmpv6": IPV6_FAMILY,
    **FAMILY_OF,
}
PROTOCOL_NUMBERS: Final = {  # of the headers that tell in which protocol they are
    header: INET_PROTO[header]
    for header in (
        *("icmp", "igmp", "tcp", "udp", "dccp", "gre", "esp", "ah", "icmpv6", "comp", "sctp"),
        "udplite",
    )
}
BASES: Final = frozenset({"nh", "th", "ih", "ll"})
RAW_PORTS: Final = frozenset({("th", 0, 16), ("th", 16, 16)})

META_TYPES: Final = {
    "length": ("integer", 32),
    "nfproto": ("nf_proto", 8),
    "l4proto": ("inet_proto", 8),
    "protocol": ("ether_type", 16),
    "priority": ("classid", 32),
    "mark": ("mark", 32),
    "iif": ("iface_index", 32),
    "oif": ("iface_index", 32),
    "iifname": ("ifname", 128),
    "oifname": ("ifname", 128),
    "iiftype": ("iface_type", 16),
    "oiftype": ("iface_type", 16),
    "iifgroup": ("devgroup", 32),
    "oifgroup": ("devgroup", 32),
    "skuid": ("uid", 32),
    "skgid": ("gid", 32),
    "cgroup": ("cgroup", 32),
    "nftrace": ("integer", 1),
    "rtclassid": ("realm", 32),
    "pkttype": ("pkt_type", 8),
    "cpu": ("integer", 32),
    "secpath": ("boolean", 8),
    "ibrname": ("ifname", 128),
    "obrname": ("ifname", 128),
    "ibrpvid": ("integer", 16),
    "ibrvproto": ("ether_type", 16),
    "sdif": ("iface_index", 32),
    "sdifname": ("ifname", 128),
    "time": ("instant", 64),
    "day": ("day", 8),
    "hour": ("hour", 32),
}
INTERFACES: Final = frozenset({"iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup"})
CT_TYPES: Final = {
    "state": ("ct_state", 32),
    "direction": ("ct_dir", 8),
    "status": ("ct_status", 32),
    "mark": ("mark", 32),
    "expiration": ("time", 32),
    "helper": ("ifname", 128),
    "label": ("ct_label", 128),
    "zone": ("integer", 16),
    "bytes": ("integer", 64),
    "packets": ("integer", 64),
    "avgpkt": ("integer", 64),
    "l3proto": ("nf_proto", 8),
    "protocol": ("inet_proto", 8),
    "event": ("ct_event", 32),
}
CT_DIRECTED: Final = ("bytes", "packets", "avgpkt", "zone", "l3proto", "protocol")
CT_ONLY_DIRECTED: Final = {
    "ip saddr": ("ipv4_addr", 32),
    "ip daddr": ("ipv4_addr", 32),
    "ip6 saddr": ("ipv6_addr", 128),
    "ip6 daddr": ("ipv6_addr", 128),
    "proto-src": ("inet_service", 16),
    "proto-dst": ("inet_service", 16),
}
DIRECTIONS: Final = ("original", "reply")

Needs = tuple[tuple[str, frozenset[int]], ...]


class Selector(NamedTuple):
    """Name what is looked at: its nft text, type, size in bits, and what has to hold before."""

    text: str
    type: DataType
    bits: int
    needs: Needs = ()

    def __str__(self) -> str:
        """Write the selector as nft does, which leaves out meta before interfaces."""
        key = self.text[5:]
        return key if key in INTERFACES and self.text.startswith("meta ") else self.text


def _needs_of(protocol: str, field: str) -> Needs:
    needs: Needs = ()
    if protocol in FAMILY_OF_PROTOCOL:
        needs += (("meta nfproto", frozenset({FAMILY_OF_PROTOCOL[protocol]})),)
    if protocol in PROTOCOL_NUMBERS:
        needs += (("meta l4proto", frozenset({PROTOCOL_NUMBERS[protocol]})),)
    if (protocol, field) in MESSAGES_WITH:
        needs += ((f"{protocol} type", MESSAGES_WITH[protocol, field]),)
    return needs


ONLY_IPV4: Final[Needs] = (("meta nfproto", frozenset({IPV4_FAMILY})),)
ONLY_IPV6: Final[Needs] = (("meta nfproto", frozenset({IPV6_FAMILY})),)


def _all() -> dict[str, Selector]:
    """List every selector that has a name, by its text."""
    found: list[Selector] = []
    for (protocol, name), row in FIELDS.items():
        needs = _needs_of(protocol, name)
        found.append(Selector(f"{protocol} {name}", TYPES[row.type_name], row.bits, needs))
    for (header, name), row in EXTENSION_FIELDS.items():
        found.append(Selector(f"{header} {name}", TYPES[row.type_name], row.bits, ONLY_IPV6))
    for (option, name), row in OPTION_FIELDS.items():
        found.append(Selector(f"tcp option {option} {name}", TYPES[row.type_name], row.bits))
    for (option, name), row in IPV4_OPTION_FIELDS.items():
        found.append(
            Selector(f"ip option {option} {name}", TYPES[row.type_name], row.bits, ONLY_IPV4)
        )
    for (chunk, name), row in CHUNK_FIELDS.items():
        found.append(Selector(f"sctp chunk {chunk} {name}", TYPES[row.type_name], row.bits))
    exists = TYPES["boolean"]
    found += [Selector(f"exthdr {header}", exists, 8, ONLY_IPV6) for header in EXTENSION_NUMBERS]
    found += [Selector(f"tcp option {option}", exists, 8) for option in OPTION_KINDS]
    found += [Selector(f"ip option {option}", exists, 8, ONLY_IPV4) for option in IPV4_OPTION_TYPES]
    found += [Selector(f"sctp chunk {chunk}", exists, 8) for chunk in CHUNK_TYPES]
    found += [
        Selector(f"meta {key}", TYPES[name], bits) for key, (name, bits) in META_TYPES.items()
    ]
    found += [Selector(f"ct {key}", TYPES[name], bits) for key, (name, bits) in CT_TYPES.items()]
    for direction in DIRECTIONS:
        keys = {key: CT_TYPES[key] for key in CT_DIRECTED}
        for key, (name, bits) in {**keys, **CT_ONLY_DIRECTED}.items():
            found.append(Selector(f"ct {direction} {key}", TYPES[name], bits))
    return {each.text: each for each in found}


SELECTORS: Final = _all()


@lru_cache(maxsize=4096)
def raw_payload(base: str, offset: int, bits: int) -> Selector:
    """Make the selector of a raw payload, as in `@th,16,16`; the base is nh, th, ih or ll."""
    kind = "inet_service" if (base, offset, bits) in RAW_PORTS else "integer"
    return Selector(f"@{base},{offset},{bits}", TYPES[kind], bits)


@lru_cache(maxsize=4096)
def raw_option(kind: int, offset: int | None = None, bits: int = 8) -> Selector:
    """Make the selector of a TCP option by number, or of some bits of it: `tcp option @5,8,8`."""
    if offset is None:
        return Selector(f"tcp option {kind}", TYPES["boolean"], 8)
    return Selector(f"tcp option @{kind},{offset},{bits}", TYPES["integer"], bits)
