"""Where each field of a header stands, and of which type it is: nft's payload expressions.

A row is protocol, field, offset and size in bits, and type. `nh`, `th`, `ih` and `ll` are the bases
of raw payloads (`@th,16,16`). RFC 791, 8200, 9293, 768, 3828, 9260, 4340, 792, 4443, 4302, 4303,
3173, 2236, 2784.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class HeaderField(NamedTuple):
    """Say where a field stands: bits from the header's start, how many, and nft's type."""

    protocol: str
    name: str
    offset: int
    bits: int
    type_name: str


# fmt: off
ROWS: Final = (
    #           protocol   field        offset bits type
    HeaderField("ip",      "version",       0,   4, "integer"),
    HeaderField("ip",      "hdrlength",     4,   4, "integer"),
    HeaderField("ip",      "dscp",          8,   6, "dscp"),
    HeaderField("ip",      "ecn",          14,   2, "ecn"),
    HeaderField("ip",      "length",       16,  16, "integer"),
    HeaderField("ip",      "id",           32,  16, "integer"),
    HeaderField("ip",      "frag-off",     48,  16, "integer"),
    HeaderField("ip",      "ttl",          64,   8, "integer"),
    HeaderField("ip",      "protocol",     72,   8, "inet_proto"),
    HeaderField("ip",      "checksum",     80,  16, "integer"),
    HeaderField("ip",      "saddr",        96,  32, "ipv4_addr"),
    HeaderField("ip",      "daddr",       128,  32, "ipv4_addr"),
    HeaderField("ip6",     "version",       0,   4, "integer"),
    HeaderField("ip6",     "dscp",          4,   6, "dscp"),
    HeaderField("ip6",     "ecn",          10,   2, "ecn"),
    HeaderField("ip6",     "flowlabel",    12,  20, "integer"),
    HeaderField("ip6",     "length",       32,  16, "integer"),
    HeaderField("ip6",     "nexthdr",      48,   8, "inet_proto"),
    HeaderField("ip6",     "hoplimit",     56,   8, "integer"),
    HeaderField("ip6",     "saddr",        64, 128, "ipv6_addr"),
    HeaderField("ip6",     "daddr",       192, 128, "ipv6_addr"),
    HeaderField("tcp",     "sport",         0,  16, "inet_service"),
    HeaderField("tcp",     "dport",        16,  16, "inet_service"),
    HeaderField("tcp",     "sequence",     32,  32, "integer"),
    HeaderField("tcp",     "ackseq",       64,  32, "integer"),
    HeaderField("tcp",     "doff",         96,   4, "integer"),
    HeaderField("tcp",     "reserved",    100,   4, "integer"),
    HeaderField("tcp",     "flags",       104,   8, "tcp_flag"),
    HeaderField("tcp",     "window",      112,  16, "integer"),
    HeaderField("tcp",     "checksum",    128,  16, "integer"),
    HeaderField("tcp",     "urgptr",      144,  16, "integer"),
    HeaderField("udp",     "sport",         0,  16, "inet_service"),
    HeaderField("udp",     "dport",        16,  16, "inet_service"),
    HeaderField("udp",     "length",       32,  16, "integer"),
    HeaderField("udp",     "checksum",     48,  16, "integer"),
    HeaderField("udplite", "sport",         0,  16, "inet_service"),
    HeaderField("udplite", "dport",        16,  16, "inet_service"),
    HeaderField("udplite", "csumcov",      32,  16, "integer"),
    HeaderField("udplite", "checksum",     48,  16, "integer"),
    HeaderField("sctp",    "sport",         0,  16, "inet_service"),
    HeaderField("sctp",    "dport",        16,  16, "inet_service"),
    HeaderField("sctp",    "vtag",         32,  32, "integer"),
    HeaderField("sctp",    "checksum",     64,  32, "integer"),
    HeaderField("dccp",    "sport",         0,  16, "inet_service"),
    HeaderField("dccp",    "dport",        16,  16, "inet_service"),
    HeaderField("dccp",    "type",         67,   4, "dccp_pkttype"),
    HeaderField("th",      "sport",         0,  16, "inet_service"),
    HeaderField("th",      "dport",        16,  16, "inet_service"),
    HeaderField("icmp",    "type",          0,   8, "icmp_type"),
    HeaderField("icmp",    "code",          8,   8, "icmp_code"),
    HeaderField("icmp",    "checksum",     16,  16, "integer"),
    HeaderField("icmp",    "id",           32,  16, "integer"),
    HeaderField("icmp",    "sequence",     48,  16, "integer"),
    HeaderField("icmp",    "gateway",      32,  32, "integer"),
    HeaderField("icmp",    "mtu",          48,  16, "integer"),
    HeaderField("icmpv6",  "type",          0,   8, "icmpv6_type"),
    HeaderField("icmpv6",  "code",          8,   8, "icmpv6_code"),
    HeaderField("icmpv6",  "checksum",     16,  16, "integer"),
    HeaderField("icmpv6",  "parameter-problem", 32, 32, "integer"),
    HeaderField("icmpv6",  "mtu",          32,  32, "integer"),
    HeaderField("icmpv6",  "id",           32,  16, "integer"),
    HeaderField("icmpv6",  "sequence",     48,  16, "integer"),
    HeaderField("icmpv6",  "max-delay",    32,  16, "integer"),
    HeaderField("icmpv6",  "taddr",        64, 128, "ipv6_addr"),
    HeaderField("icmpv6",  "daddr",       192, 128, "ipv6_addr"),
    HeaderField("igmp",    "type",          0,   8, "igmp_type"),
    HeaderField("igmp",    "mrt",           8,   8, "integer"),
    HeaderField("igmp",    "checksum",     16,  16, "integer"),
    HeaderField("igmp",    "group",        32,  32, "ipv4_addr"),
    HeaderField("ah",      "nexthdr",       0,   8, "inet_proto"),
    HeaderField("ah",      "hdrlength",     8,   8, "integer"),
    HeaderField("ah",      "reserved",     16,  16, "integer"),
    HeaderField("ah",      "spi",          32,  32, "integer"),
    HeaderField("ah",      "sequence",     64,  32, "integer"),
    HeaderField("esp",     "spi",           0,  32, "integer"),
    HeaderField("esp",     "sequence",     32,  32, "integer"),
    HeaderField("comp",    "nexthdr",       0,   8, "inet_proto"),
    HeaderField("comp",    "flags",         8,   8, "integer"),
    HeaderField("comp",    "cpi",          16,  16, "integer"),
    HeaderField("gre",     "flags",         0,   5, "integer"),
    HeaderField("gre",     "version",      13,   3, "integer"),
    HeaderField("gre",     "protocol",     16,  16, "ether_type"),
)
# fmt: on

FIELDS: Final = {(row.protocol, row.name): row for row in ROWS}
# What else a field wants: the types of message that have it.
MESSAGES_WITH: Final = {
    ("icmp", "id"): frozenset({0, 8}),
    ("icmp", "sequence"): frozenset({0, 8}),
    ("icmp", "gateway"): frozenset({5}),
    ("icmp", "mtu"): frozenset({3}),
    ("icmpv6", "id"): frozenset({128, 129}),
    ("icmpv6", "sequence"): frozenset({128, 129}),
    ("icmpv6", "parameter-problem"): frozenset({4}),
    ("icmpv6", "mtu"): frozenset({2}),
    ("icmpv6", "max-delay"): frozenset({130}),
    ("icmpv6", "taddr"): frozenset({130, 131, 132, 135, 136, 137}),
    ("icmpv6", "daddr"): frozenset({137}),
}
