"""Where each field of a header stands, and of which type it is: nft's payload expressions.

A row is protocol, field, offset and size in bits, and type. `nh`, `th` and `ll` are the bases of
raw payloads (`@th,16,16`). RFC 791, 8200, 9293, 768, 3828, 9260, 4340, 792, 4443, 4302, 4303,
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

# IPv6 extension headers: `exthdr` expressions. The offset counts from the extension header.
EXTENSION_ROWS: Final = (
    HeaderField("hbh",  "nexthdr",         0,   8, "inet_proto"),
    HeaderField("hbh",  "hdrlength",       8,   8, "integer"),
    HeaderField("rt",   "nexthdr",         0,   8, "inet_proto"),
    HeaderField("rt",   "hdrlength",       8,   8, "integer"),
    HeaderField("rt",   "type",           16,   8, "integer"),
    HeaderField("rt",   "seg-left",       24,   8, "integer"),
    HeaderField("rt0",  "addr[1]",        64, 128, "ipv6_addr"),
    HeaderField("rt2",  "addr",           64, 128, "ipv6_addr"),
    HeaderField("srh",  "last-entry",     32,   8, "integer"),
    HeaderField("srh",  "flags",          40,   8, "integer"),
    HeaderField("srh",  "tag",            48,  16, "integer"),
    HeaderField("srh",  "sid[1]",         64, 128, "ipv6_addr"),
    HeaderField("frag", "nexthdr",         0,   8, "inet_proto"),
    HeaderField("frag", "reserved",        8,   8, "integer"),
    HeaderField("frag", "frag-off",       16,  13, "integer"),
    HeaderField("frag", "reserved2",      29,   2, "integer"),
    HeaderField("frag", "more-fragments", 31,   1, "integer"),
    HeaderField("frag", "id",             32,  32, "integer"),
    HeaderField("dst",  "nexthdr",         0,   8, "inet_proto"),
    HeaderField("dst",  "hdrlength",       8,   8, "integer"),
    HeaderField("mh",   "nexthdr",         0,   8, "inet_proto"),
    HeaderField("mh",   "hdrlength",       8,   8, "integer"),
    HeaderField("mh",   "type",           16,   8, "mh_type"),
    HeaderField("mh",   "reserved",       24,   8, "integer"),
    HeaderField("mh",   "checksum",       32,  16, "integer"),
)

# TCP options: `tcp option`. The offset counts from the option's kind octet.
OPTION_ROWS: Final = (
    HeaderField("eol",         "kind",    0,  8, "integer"),
    HeaderField("nop",         "kind",    0,  8, "integer"),
    HeaderField("maxseg",      "kind",    0,  8, "integer"),
    HeaderField("maxseg",      "length",  8,  8, "integer"),
    HeaderField("maxseg",      "size",   16, 16, "integer"),
    HeaderField("window",      "kind",    0,  8, "integer"),
    HeaderField("window",      "length",  8,  8, "integer"),
    HeaderField("window",      "count",  16,  8, "integer"),
    HeaderField("sack-perm",   "kind",    0,  8, "integer"),
    HeaderField("sack-perm",   "length",  8,  8, "integer"),
    HeaderField("sack",        "kind",    0,  8, "integer"),
    HeaderField("sack",        "length",  8,  8, "integer"),
    HeaderField("sack",        "left",   16, 32, "integer"),
    HeaderField("sack",        "right",  48, 32, "integer"),
    HeaderField("sack1",       "left",   80, 32, "integer"),
    HeaderField("sack1",       "right", 112, 32, "integer"),
    HeaderField("sack2",       "left",  144, 32, "integer"),
    HeaderField("sack2",       "right", 176, 32, "integer"),
    HeaderField("sack3",       "left",  208, 32, "integer"),
    HeaderField("sack3",       "right", 240, 32, "integer"),
    HeaderField("timestamp",   "kind",    0,  8, "integer"),
    HeaderField("timestamp",   "length",  8,  8, "integer"),
    HeaderField("timestamp",   "tsval",  16, 32, "integer"),
    HeaderField("timestamp",   "tsecr",  48, 32, "integer"),
    HeaderField("fastopen",    "kind",    0,  8, "integer"),
    HeaderField("fastopen",    "length",  8,  8, "integer"),
    HeaderField("mptcp",       "kind",    0,  8, "integer"),
    HeaderField("mptcp",       "length",  8,  8, "integer"),
    HeaderField("mptcp",       "subtype", 16, 4, "integer"),
    HeaderField("md5sig",      "kind",    0,  8, "integer"),
    HeaderField("md5sig",      "length",  8,  8, "integer"),
)

# Chunks of SCTP: `sctp chunk`. The offset counts from the chunk's type octet; each has these three.
CHUNK_HEADER: Final = (("type", 0, 8), ("flags", 8, 8), ("length", 16, 16))
CHUNK_ROWS: Final = (
    HeaderField("data",        "tsn",          32, 32, "integer"),
    HeaderField("data",        "stream",       64, 16, "integer"),
    HeaderField("data",        "ssn",          80, 16, "integer"),
    HeaderField("data",        "ppid",         96, 32, "integer"),
    *(
        HeaderField(chunk, name, offset, bits, "integer")
        for chunk in ("init", "init-ack")
        for name, offset, bits in (
            ("init-tag", 32, 32), ("a-rwnd", 64, 32), ("num-outbound-streams", 96, 16),
            ("num-inbound-streams", 112, 16), ("initial-tsn", 128, 32),
        )
    ),
    HeaderField("sack",        "cum-tsn-ack",  32, 32, "integer"),
    HeaderField("sack",        "a-rwnd",       64, 32, "integer"),
    HeaderField("sack",        "num-gap-ack-blocks", 96, 16, "integer"),
    HeaderField("sack",        "num-dup-tsns", 112, 16, "integer"),
    HeaderField("shutdown",    "cum-tsn-ack",  32, 32, "integer"),
    HeaderField("ecne",        "lowest-tsn",   32, 32, "integer"),
    HeaderField("cwr",         "lowest-tsn",   32, 32, "integer"),
    HeaderField("asconf-ack",  "seqno",        32, 32, "integer"),
    HeaderField("forward-tsn", "new-cum-tsn",  32, 32, "integer"),
    HeaderField("asconf",      "seqno",        32, 32, "integer"),
)

# IPv4 options: `ip option`. The offset counts from the option's type octet.
IPV4_OPTION_ROWS: Final = (
    *(
        HeaderField(option, name, offset, 8, "integer")
        for option in ("lsrr", "rr", "ssrr")
        for name, offset in (("type", 0), ("length", 8), ("ptr", 16))
    ),
    HeaderField("ra",   "type",   0,  8, "integer"),
    HeaderField("ra",   "length", 8,  8, "integer"),
    HeaderField("lsrr", "addr",  24, 32, "integer"),
    HeaderField("rr",   "addr",  24, 32, "integer"),
    HeaderField("ssrr", "addr",  24, 32, "integer"),
    HeaderField("ra",   "value", 16, 16, "integer"),
)
# fmt: on

FIELDS: Final = {(row.protocol, row.name): row for row in ROWS}
EXTENSION_FIELDS: Final = {(row.protocol, row.name): row for row in EXTENSION_ROWS}
OPTION_FIELDS: Final = {(row.protocol, row.name): row for row in OPTION_ROWS}
IPV4_OPTION_FIELDS: Final = {(row.protocol, row.name): row for row in IPV4_OPTION_ROWS}

PROTOCOL_NUMBERS: Final = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "ah": 51,
    "icmpv6": 58, "comp": 108, "sctp": 132, "udplite": 136,
}  # fmt: skip
EXTENSION_NUMBERS: Final = {
    "hbh": 0, "rt": 43, "rt0": 43, "rt2": 43, "srh": 43, "frag": 44, "dst": 60, "mh": 135,
}  # fmt: skip
OPTION_KINDS: Final = {
    "eol": 0, "nop": 1, "maxseg": 2, "window": 3, "sack-perm": 4, "sack": 5, "timestamp": 8,
    "md5sig": 19, "mptcp": 30, "fastopen": 34,
}  # fmt: skip
SACK_BLOCKS: Final = ("sack1", "sack2", "sack3")  # those behind the first, in the option sack
KINDS_BY_WORD: Final = {**OPTION_KINDS, **dict.fromkeys(SACK_BLOCKS, OPTION_KINDS["sack"])}
CHUNK_TYPES: Final = {
    "data": 0, "init": 1, "init-ack": 2, "sack": 3, "heartbeat": 4, "heartbeat-ack": 5,
    "abort": 6, "shutdown": 7, "shutdown-ack": 8, "error": 9, "cookie-echo": 10, "cookie-ack": 11,
    "ecne": 12, "cwr": 13, "shutdown-complete": 14, "asconf-ack": 128, "forward-tsn": 192,
    "asconf": 193,
}  # fmt: skip
CHUNK_FIELDS: Final = {
    **{
        (chunk, name): HeaderField(chunk, name, offset, bits, "integer")
        for chunk in CHUNK_TYPES
        for name, offset, bits in CHUNK_HEADER
    },
    **{(row.protocol, row.name): row for row in CHUNK_ROWS},
}
IPV4_OPTION_TYPES: Final = {"rr": 7, "lsrr": 131, "ssrr": 137, "ra": 148}

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
