"""Read and change the entries of the connection-tracking table (ctnetlink)."""

from __future__ import annotations

import errno
import socket
import struct
from typing import NamedTuple

from kernel.flow import Flow
from kernel.netlink import NetfilterSocket, attr, attrs, nest

CT_NEW, CT_GET, CT_DELETE = 1 << 8, 1 << 8 | 1, 1 << 8 | 2
EXP_GET, EXP_DELETE = 2 << 8 | 1, 2 << 8 | 2
CTA_EXPECT_MASTER, CTA_EXPECT_TUPLE, CTA_EXPECT_MASK, CTA_EXPECT_TIMEOUT = 1, 2, 3, 4
CTA_EXPECT_HELP_NAME, CTA_EXPECT_FLAGS, CTA_EXPECT_CLASS = 6, 8, 9
EXPECT_PERMANENT, EXPECT_INACTIVE = 1, 2
CTA_TUPLE_ORIG, CTA_STATUS, CTA_PROTOINFO, CTA_TIMEOUT = 1, 3, 4, 7
CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY = 9, 10
CTA_COUNTERS_PACKETS, CTA_COUNTERS_BYTES = 1, 2
CTA_ZONE = 18
CTA_TUPLE_IP, CTA_TUPLE_PROTO, CTA_TUPLE_ZONE = 1, 2, 3
CTA_TUPLE_REPLY = 2
CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST = 1, 2, 3, 4
CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT = 1, 2, 3
CTA_PROTO_ICMP, CTA_PROTO_ICMPV6 = (4, 5, 6), (7, 8, 9)  # id, type, code
CTA_PROTOINFO_TCP, CTA_PROTOINFO_SCTP, CTA_PROTOINFO_STATE = 1, 3, 1
IPS_SEEN_REPLY, IPS_ASSURED = 1 << 1, 1 << 2

TCP_STATES = (
    "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT",
    "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
)  # fmt: skip
SCTP_STATES = (
    "NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED",
    "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT",
)  # fmt: skip


class Entry(NamedTuple):
    """One entry of the table; `timeout` is the remaining seconds, rounded down.

    `counts` is (packets, bytes) of both directions; None where they are not kept.
    """

    state: str | None
    timeout: int
    seen_reply: bool
    assured: bool
    orig: Flow
    counts: tuple[tuple[int, int], tuple[int, int]] | None = None
    zones: tuple[int, int] = (0, 0)


class Expected(NamedTuple):
    """One expectation; of the source only the bits in the masks count."""

    flow: Flow
    source_mask: str
    port_mask: int
    timeout: int
    helper: str
    kind: int
    is_permanent: bool
    is_inactive: bool
    master: Flow


class Table:
    """The conntrack table of the namespace this object is created in."""

    def __init__(self) -> None:
        self._netlink = NetfilterSocket()

    def close(self) -> None:
        """Close the netlink socket."""
        self._netlink.close()

    def get(self, flow: Flow) -> Entry | None:
        """The entry that `flow` belongs to, in either direction."""
        # EINVAL: an ICMP type that no entry can have, such as neighbour discovery.
        absent = (errno.ENOENT,) if flow.icmp is None else (errno.ENOENT, errno.EINVAL)
        found = self._netlink.get(CT_GET, _tuple(flow), flow.family, absent)
        return None if found is None else _entry(found)

    def entries(self) -> list[Entry]:
        """All entries."""
        return [_entry(found) for found in self._netlink.dump(CT_GET)]

    def expectations(self) -> list[Expected]:
        """All expectations."""
        return [_expected(found) for found in self._netlink.dump(EXP_GET)]

    def set_timeout(self, flow: Flow, seconds: int) -> None:
        """Set the remaining time of an entry."""
        body = _tuple(flow) + attr(CTA_TIMEOUT, struct.pack(">I", seconds))
        self._netlink.command(CT_NEW, body, flow.family)

    def delete(self, flow: Flow) -> None:
        """Delete one entry."""
        self._netlink.command(CT_DELETE, _tuple(flow), flow.family)

    def flush(self) -> None:
        """Delete all entries and expectations."""
        self._netlink.command(CT_DELETE, b"")
        self._netlink.command(EXP_DELETE, b"")


def _tuple(flow: Flow) -> bytes:
    """Encode a flow as CTA_TUPLE_ORIG."""
    v4 = flow.family == socket.AF_INET
    src, dst = (CTA_IP_V4_SRC, CTA_IP_V4_DST) if v4 else (CTA_IP_V6_SRC, CTA_IP_V6_DST)
    addresses = nest(
        CTA_TUPLE_IP,
        attr(src, socket.inet_pton(flow.family, flow.src)),
        attr(dst, socket.inet_pton(flow.family, flow.dst)),
    )
    return nest(CTA_TUPLE_ORIG, addresses, nest(CTA_TUPLE_PROTO, _proto(flow)))


def _proto(flow: Flow) -> bytes:
    """Encode the inside of CTA_TUPLE_PROTO."""
    number = attr(CTA_PROTO_NUM, struct.pack("B", flow.proto))
    if flow.icmp is not None:
        kind, code, ident = flow.icmp
        keys = CTA_PROTO_ICMP if flow.family == socket.AF_INET else CTA_PROTO_ICMPV6
        number += attr(keys[0], struct.pack(">H", ident))
        return number + attr(keys[1], bytes([kind])) + attr(keys[2], bytes([code]))
    if flow.ports is not None:
        number += attr(CTA_PROTO_SRC_PORT, struct.pack(">H", flow.ports[0]))
        number += attr(CTA_PROTO_DST_PORT, struct.pack(">H", flow.ports[1]))
    return number


def _entry(attributes: bytes) -> Entry:
    """Decode an IPCTNL_MSG_CT_NEW message."""
    found = attrs(attributes)
    status = int.from_bytes(found.get(CTA_STATUS, b""), "big")
    return Entry(
        state=_state(attrs(found.get(CTA_PROTOINFO, b""))),
        timeout=int.from_bytes(found.get(CTA_TIMEOUT, b""), "big"),
        seen_reply=bool(status & IPS_SEEN_REPLY),
        assured=bool(status & IPS_ASSURED),
        orig=_decode_tuple(attrs(found[CTA_TUPLE_ORIG])),
        counts=_counts(found),
        zones=_zones(found),
    )


def _expected(attributes: bytes) -> Expected:
    """Decode an IPCTNL_MSG_EXP_NEW message."""
    found = attrs(attributes)
    number = {kind: int.from_bytes(value, "big") for kind, value in found.items()}
    mask = _decode_tuple(attrs(found[CTA_EXPECT_MASK]))
    flags = number.get(CTA_EXPECT_FLAGS, 0)
    return Expected(
        flow=_decode_tuple(attrs(found[CTA_EXPECT_TUPLE])),
        source_mask=mask.src,
        port_mask=mask.ports[0] if mask.ports else 0,
        timeout=number[CTA_EXPECT_TIMEOUT],
        helper=found[CTA_EXPECT_HELP_NAME].rstrip(b"\0").decode(),
        kind=number.get(CTA_EXPECT_CLASS, 0),
        is_permanent=bool(flags & EXPECT_PERMANENT),
        is_inactive=bool(flags & EXPECT_INACTIVE),
        master=_decode_tuple(attrs(found[CTA_EXPECT_MASTER])),
    )


def _zones(found: dict[int, bytes]) -> tuple[int, int]:
    """The zones of the original and the reply direction."""
    if CTA_ZONE in found:
        both = int.from_bytes(found[CTA_ZONE], "big")
        return both, both
    return _zone(found[CTA_TUPLE_ORIG]), _zone(found[CTA_TUPLE_REPLY])


def _zone(parts: bytes) -> int:
    return int.from_bytes(attrs(parts).get(CTA_TUPLE_ZONE, b""), "big")


def _counts(found: dict[int, bytes]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Decode the counters of both directions."""
    if CTA_COUNTERS_ORIG not in found:
        return None
    return _count(attrs(found[CTA_COUNTERS_ORIG])), _count(attrs(found[CTA_COUNTERS_REPLY]))


def _count(numbers: dict[int, bytes]) -> tuple[int, int]:
    packets, octets = numbers[CTA_COUNTERS_PACKETS], numbers[CTA_COUNTERS_BYTES]
    return int.from_bytes(packets, "big"), int.from_bytes(octets, "big")


def _state(protoinfo: dict[int, bytes]) -> str | None:
    """The TCP or SCTP state name, None for other protocols."""
    for kind, names in ((CTA_PROTOINFO_TCP, TCP_STATES), (CTA_PROTOINFO_SCTP, SCTP_STATES)):
        if kind in protoinfo:
            return names[attrs(protoinfo[kind])[CTA_PROTOINFO_STATE][0]]
    return None


def _decode_tuple(parts: dict[int, bytes]) -> Flow:
    """Decode the inside of a CTA_TUPLE_*."""
    addresses, proto = attrs(parts[CTA_TUPLE_IP]), attrs(parts[CTA_TUPLE_PROTO])
    v4 = CTA_IP_V4_SRC in addresses
    family = socket.AF_INET if v4 else socket.AF_INET6
    src = socket.inet_ntop(family, addresses[CTA_IP_V4_SRC if v4 else CTA_IP_V6_SRC])
    dst = socket.inet_ntop(family, addresses[CTA_IP_V4_DST if v4 else CTA_IP_V6_DST])
    number = proto[CTA_PROTO_NUM][0]
    numbers = {kind: int.from_bytes(value, "big") for kind, value in proto.items()}
    for ident, kind, code in (CTA_PROTO_ICMP, CTA_PROTO_ICMPV6):
        if ident in numbers:
            return Flow(src, dst, number, icmp=(numbers[kind], numbers[code], numbers[ident]))
    if CTA_PROTO_SRC_PORT in numbers:
        ports = (numbers[CTA_PROTO_SRC_PORT], numbers[CTA_PROTO_DST_PORT])
        return Flow(src, dst, number, ports=ports)
    return Flow(src, dst, number)
