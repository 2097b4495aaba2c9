"""Which words of nft's language stand for something else than themselves, as data.

A word is a keyword only where the grammar can use it as one; elsewhere it is a name: in
`meta l4proto tcp tcp dport 22` the first tcp is a value and the second begins a match.
"""

from __future__ import annotations

from typing import Final, Iterable, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.rules.words.header_parts import (
    CHUNK_FIELDS,
    EXTENSION_ROWS,
    IPV4_OPTION_ROWS,
    OPTION_ROWS,
)
from statefulinspect.rules.words.headers import ROWS, HeaderField

FAMILY_WORDS: Final = ("ip", "ip6", "inet", "arp", "bridge", "netdev")

# fmt: off
# Headers that nft knows and this library does not read.
OTHER_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "ether":  ("saddr", "daddr", "type"),
    "vlan":   ("id", "cfi", "dei", "pcp", "type"),
    "geneve": ("vni", "type"),
    "vxlan":  ("vni", "flags"),
    "gretap": (),
    "rt4":    ("last-entry", "flags", "tag", "sid"),
    "icmpv6": ("packet-too-big",),
}
ARP_FIELDS: Final = ("htype", "ptype", "hlen", "plen", "operation")
# fmt: on
META_BARE: Final = (
    "mark",
    "iif",
    "iifname",
    "iiftype",
    "oif",
    "oifname",
    "oiftype",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "ibriport",
    "obriport",
    "ibrname",
    "obrname",
    "pkttype",
    "cpu",
    "iifgroup",
    "oifgroup",
    "cgroup",
    "time",
    "day",
    "hour",
)  # fmt: skip
META_FIELDS: Final = (
    *("length", "protocol", "priority", "random", "nfproto", "l4proto", "secpath", "ipsec"),
    *("secmark", "sdif", "sdifname", "iifkind", "oifkind", "ibrpvid", "ibrvproto", "broute"),
    *("ibridgename", "obridgename"),
    *META_BARE,
)
CT_FIELDS: Final = (
    *("state", "direction", "status", "mark", "expiration", "helper", "label", "count", "id"),
    *("l3proto", "protocol", "bytes", "packets", "avgpkt", "zone", "secmark", "event", "timeout"),
    *("expectation", "proto-src", "proto-dst", "saddr", "daddr"),
)
CT_FIELDS_DIRECTED: Final = (
    *("l3proto", "protocol", "bytes", "packets", "avgpkt", "zone", "proto-src", "proto-dst"),
    *("saddr", "daddr"),
)
ADDRESSES: Final = ("saddr", "daddr")
ROUTING_FIELDS: Final = ("classid", "nexthop", "mtu", "ipsec")
SOCKET_FIELDS: Final = ("transparent", "mark", "wildcard", "cgroupv2")
OSF_FIELDS: Final = ("name", "version")
FIB_RESULTS: Final = ("oif", "oifname", "type", "check")  # the last is of nft 1.1
FIB_FLAGS: Final = ("saddr", "daddr", "mark", "iif", "oif")
NUMGEN_MODES: Final = ("inc", "random")
IPSEC_FIELDS: Final = ("reqid", "spi", "saddr", "daddr")
# Other words that nft takes for a TCP option.
OPTION_SPELLINGS: Final = {"mss": "maxseg", "sack-permitted": "sack-perm"}


def _fields() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = dict(OTHER_FIELDS)
    for row in (*ROWS, *EXTENSION_ROWS):
        found[row.protocol] = (*found.get(row.protocol, ()), row.name.partition("[")[0])
    return found


def _by_header(rows: Iterable[HeaderField]) -> dict[str, tuple[str, ...]]:
    """List the fields of each header, option or chunk."""
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        found[row.protocol] = (*found.get(row.protocol, ()), row.name)
    return found


FIELDS: Final[Mapping[str, tuple[str, ...]]] = _fields()
EXTENSIONS: Final = frozenset(row.protocol for row in EXTENSION_ROWS) | {"rt4"}
TUNNELS: Final = ("vxlan", "geneve", "gre", "gretap")
TCP_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    **_by_header(OPTION_ROWS),
    **{f"sack{block}": ("kind", "length", "left", "right") for block in range(4)},
}
CHUNKS: Final[Mapping[str, tuple[str, ...]]] = _by_header(CHUNK_FIELDS.values())
IP_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = _by_header(IPV4_OPTION_ROWS)

# Which words each class of keywords has, in the order in which a word is looked up in them.
CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "FAMILY": FAMILY_WORDS,
    "VERDICT": ("accept", "drop", "continue", "return"),
    "DIRECTION": ("original", "reply"),
    "TUNNEL": TUNNELS,
    "PROTOCOL": tuple(name for name in FIELDS if name not in TUNNELS and name != "rt"),
    "META_KEY": META_BARE,
    "BITS": ("and", "or", "xor", "lshift", "rshift"),
    "COMPARE": ("eq", "ne", "lt", "gt", "le", "ge"),
    "NOT": ("not",),
    "EXISTS": ("exists", "missing"),
    "ADDRESS_FIELD": ADDRESSES,
    "ARP_PART": ("ip", "ether"),
    "NAT": ("snat", "dnat"),
    "LOG_KEY": ("prefix", "group", "snaplen", "queue-threshold", "level"),
    "OBJECT": ("counter", "quota", "limit", "secmark", "synproxy"),
    "LOOK": ("list", "get", "monitor", "describe", "export", "import"),
}
SIGNS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("&", "|", "^", "<<", ">>"), "BITS"),
    "!": "NOT",
    **dict.fromkeys(("==", "!=", "<", ">", "<=", ">="), "COMPARE"),
}
SAME: Final[Mapping[str, str]] = {
    "and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>",
    "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=", "not": "!",
}  # fmt: skip
