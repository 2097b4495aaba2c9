"""Where fields stand in what headers are made of: IPv6 extensions, options of TCP and IPv4, chunks.

A row is part, field, offset from where the part begins and size in bits, and type. RFC 8200, 8754,
6275, 9293, 2018, 7323, 8684, 7413, 791, 2113, 9260, 3758, 5061.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.extensions import DESTINATION_OPTIONS, FRAGMENT_HEADER, HOP_BY_HOP, ROUTING
from statefulinspect.rules.words.headers import HeaderField

# fmt: off
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

EXTENSION_FIELDS: Final = {(row.protocol, row.name): row for row in EXTENSION_ROWS}
OPTION_FIELDS: Final = {(row.protocol, row.name): row for row in OPTION_ROWS}
IPV4_OPTION_FIELDS: Final = {(row.protocol, row.name): row for row in IPV4_OPTION_ROWS}

EXTENSION_NUMBERS: Final = {
    "hbh": HOP_BY_HOP,
    **dict.fromkeys(("rt", "rt0", "rt2", "srh"), ROUTING),
    "frag": FRAGMENT_HEADER,
    "dst": DESTINATION_OPTIONS,
    "mh": 135,
}
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
