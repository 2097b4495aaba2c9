"""Where an IPv6 packet's transport header is: the walk over extension headers (RFC 8200 4).

Linux walks over the authentication header too in IPv6, though not in IPv4; every other header ends
the walk and is taken for the transport protocol. Hop-by-hop options are for every router, so Linux
looks at them before anything else, and discards the packet if they are malformed, or if it does
not know one whose type says so (RFC 8200 4.2).
"""

from __future__ import annotations

from typing import Final

HOP_BY_HOP: Final = 0
ROUTING: Final = 43
FRAGMENT_HEADER: Final = 44
AUTHENTICATION: Final = 51
NO_NEXT: Final = 59
DESTINATION_OPTIONS: Final = 60
EXTENSIONS: Final = frozenset(
    {HOP_BY_HOP, ROUTING, FRAGMENT_HEADER, AUTHENTICATION, DESTINATION_OPTIONS}
)

PAD1, PADN, ROUTER_ALERT, CALIPSO, IOAM = 0, 1, 5, 7, 49
PADDING_AT_MOST: Final = 7  # octets in a row: more than alignment could ever want
OPTIONS_AT_MOST: Final = 8  # beside padding


def walk_extensions(wire: bytes, header: int, at: int, stop: int) -> tuple[int, int, int]:
    """Walk over IPv6 extension headers; tell protocol, its offset, and the fragment field.

    An extension header's number as protocol means that this header is cut short before its length.
    As in Linux the last one may reach beyond `stop`, a fragment header by 4 octets, and so may the
    offset. The walk ends at a fragment that is not the first. The fragment field holds offset and
    more-fragments bit; 0 means a whole packet.
    """
    fragment = seen = 0
    while header in EXTENSIONS:
        if at + (4 if header == FRAGMENT_HEADER else 2) > stop:
            return header, at, fragment
        size = extension_size(header, wire[at + 1])
        if header == FRAGMENT_HEADER:
            fragment |= int.from_bytes(wire[at + 2 : at + 4], "big") & 0xFFF9 | seen
            if fragment & 0xFFF8:
                return wire[at], at + 8, fragment
            seen = 1  # a fragment of a fragment is never whole
        header, at = wire[at], at + size
    return header, at, fragment


def find_fragment_header(wire: bytes, stop: int) -> tuple[int, int]:
    """Tell where an IPv6 packet's first fragment header is, and which octet announces it; or 0, 0.

    It may be cut short, or lie beyond `stop`.
    """
    header, at, announced_at = wire[6], 40, 6
    while header != FRAGMENT_HEADER:
        if header not in EXTENSIONS or at + 2 > stop:
            return 0, 0
        header, at, announced_at = wire[at], at + extension_size(header, wire[at + 1]), at
    return at, announced_at


def extension_size(header: int, length: int) -> int:
    """Tell the octets of an extension header from its length field (RFC 8200 4, RFC 4302 2.2)."""
    if header == FRAGMENT_HEADER:
        return 8
    return (length + 2) * 4 if header == AUTHENTICATION else (length + 1) * 8


def hop_by_hop_stands(wire: bytes, stop: int) -> bool:
    """Say whether a router passes on a packet whose first header, at 40, is hop-by-hop."""
    end = 40 + extension_size(HOP_BY_HOP, wire[41]) if stop >= 48 else stop + 1
    if end > stop:
        return False
    at, padding, options = 42, 0, 0
    while at < end:
        kind = wire[at]
        size = 1 if kind == PAD1 else wire[at + 1] + 2 if at + 1 < end else end
        if at + size > end:
            return False
        if kind in (PAD1, PADN):
            padding += size
        else:
            padding = 0
            options += 1
        body = wire[at + 2 : at + size]
        if (
            padding > PADDING_AT_MOST
            or options > OPTIONS_AT_MOST
            or not _option_stands(at, kind, body)
        ):
            return False
        at += size
    return True


def _option_stands(at: int, kind: int, body: bytes) -> bool:
    """Say whether one option lets its packet pass; an unknown one says so by its first two bits."""
    if kind in (PAD1, PADN):
        return not any(body)
    if kind == ROUTER_ALERT:
        return len(body) == 2  # RFC 2711 2.1
    if kind == IOAM:
        return at % 4 == 0  # RFC 9486 3
    return kind != CALIPSO and kind >> 6 == 0  # a jumbogram's length would not fit its header
