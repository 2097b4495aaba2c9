"""Read the conntrack tuple of an IPv4 or IPv6 packet."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import NamedTuple

PROTO_ICMP, PROTO_TCP, PROTO_UDP, PROTO_ICMPV6 = 1, 6, 17, 58
PROTO_GRE, PROTO_SCTP, PROTO_UDPLITE = 47, 132, 136
PORT_PROTOCOLS = frozenset({PROTO_TCP, PROTO_UDP, PROTO_SCTP, PROTO_UDPLITE})
ICMP_ERRORS = {PROTO_ICMP: frozenset({3, 4, 5, 11, 12}), PROTO_ICMPV6: frozenset(range(128))}

_IPV4_HEADER, _IPV6_HEADER, _ICMP_HEADER = 20, 40, 8
_REDIRECT, _QUOTED_BY_REDIRECT = b"\x89", 48
_IPV6_SKIPPED = frozenset({0, 43, 60})  # hop-by-hop, routing, destination options
_IPV6_FRAGMENT, _IPV6_AH = 44, 51


class Flow(NamedTuple):
    """One direction of a conversation, as conntrack names it.

    `ports` is (source, destination) for TCP, UDP, SCTP and UDP-Lite, and
    (0, call ID) for GRE; `icmp` is (type, code, id) for ICMP and ICMPv6; other
    protocols have neither.
    """

    src: str
    dst: str
    proto: int
    ports: tuple[int, int] | None = None
    icmp: tuple[int, int, int] | None = None

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return socket.AF_INET6 if ":" in self.src else socket.AF_INET


class _Layers(NamedTuple):
    """The addresses, protocol and upper-layer bytes of an unfragmented packet."""

    src: str
    dst: str
    proto: int
    upper: bytes


SourceKey = Callable[[str, str, int], int]


def no_source_key(_: str, __: str, ___: int) -> int:
    """Know no calls: then the source key is 0."""
    return 0


def flow_of(packet: bytes) -> Flow | None:
    """The tuple of a packet, or None when it has none (cut short, later fragment)."""
    layers = _layers(packet)
    return None if layers is None else _flow(layers)


def lookup_flow(packet: bytes, source_key: SourceKey = no_source_key) -> Flow | None:
    """The tuple to find a packet's entry by: for an ICMP error, that of its quote.

    `source_key` knows what enhanced GRE does not carry.
    """
    layers = _layers(packet)
    if layers is None:
        return None
    is_redirect = layers.proto == PROTO_ICMPV6 and layers.upper[:1] == _REDIRECT
    if is_redirect or (layers.upper and layers.upper[0] in ICMP_ERRORS.get(layers.proto, ())):
        quote = layers.upper[_QUOTED_BY_REDIRECT if is_redirect else _ICMP_HEADER :]
        quoted = _layers(quote, packet[0] >> 4)  # its own version is not looked at
        return None if quoted is None else _flow(quoted, source_key)
    return _flow(layers, source_key)


def _layers(packet: bytes, version: int | None = None) -> _Layers | None:
    if version is None:
        version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= _IPV4_HEADER:
        return _ipv4(packet)
    if version == 6 and len(packet) >= _IPV6_HEADER:
        return _ipv6(packet)
    return None


def _ipv4(packet: bytes) -> _Layers | None:
    if int.from_bytes(packet[6:8], "big") & 0x1FFF:
        return None
    src = socket.inet_ntop(socket.AF_INET, packet[12:16])
    dst = socket.inet_ntop(socket.AF_INET, packet[16:20])
    return _Layers(src, dst, packet[9], packet[(packet[0] & 0xF) * 4 :])


def _ipv6(packet: bytes) -> _Layers | None:
    src = socket.inet_ntop(socket.AF_INET6, packet[8:24])
    dst = socket.inet_ntop(socket.AF_INET6, packet[24:40])
    proto, rest = packet[6], packet[_IPV6_HEADER:]
    while len(rest) >= 2:
        if proto in _IPV6_SKIPPED:
            size = (rest[1] + 1) * 8
        elif proto == _IPV6_AH:
            size = (rest[1] + 2) * 4
        elif proto == _IPV6_FRAGMENT and int.from_bytes(rest[2:4], "big") < 8:
            size = 8
        elif proto == _IPV6_FRAGMENT:
            return None
        else:
            break
        proto, rest = rest[0], rest[size:]
    return _Layers(src, dst, proto, rest)


def _flow(layers: _Layers, source_key: SourceKey = no_source_key) -> Flow | None:
    src, dst, proto, upper = layers
    if proto in PORT_PROTOCOLS:
        if len(upper) < 4:
            return None
        ports = (int.from_bytes(upper[0:2], "big"), int.from_bytes(upper[2:4], "big"))
        return Flow(src, dst, proto, ports=ports)
    if proto == PROTO_GRE:
        call_id = _call_id(upper)
        keys = (0, 0) if call_id is None else (source_key(src, dst, call_id), call_id)
        return Flow(src, dst, proto, ports=keys)
    if proto in ICMP_ERRORS:
        if len(upper) < 8:
            return None
        return Flow(src, dst, proto, icmp=(upper[0], upper[1], int.from_bytes(upper[4:6], "big")))
    return Flow(src, dst, proto)


def _call_id(upper: bytes) -> int | None:
    """The call ID of enhanced GRE (RFC 2637: version 1), else None."""
    return int.from_bytes(upper[6:8], "big") if len(upper) >= 8 and upper[1] & 7 == 1 else None
