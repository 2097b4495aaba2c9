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
LATER_FRAGMENT: Final = 0xFFF8  # the bits of a fragment's offset (RFC 8200 4.5)
MORE_FOLLOW: Final = 0x0001

PAD1, PADN, ROUTER_ALERT, CALIPSO, IOAM = 0, 1, 5, 7, 49
PADDING_AT_MOST: Final = 7  # octets in a row: more than alignment could ever want
OPTIONS_AT_MOST: Final = 8  # beside padding


def step_over(wire: bytes, header: int, at: int, stop: int) -> tuple[int, int] | None:
    """Tell which header follows an extension header, and where; None if that cannot be read.

    As in Linux, its end need not be there, but of a fragment header its field must be. Sizes are
    those of RFC 8200 4 and RFC 4302 2.2.
    """
    if header == FRAGMENT_HEADER:
        return (wire[at], at + 8) if at + 4 <= stop else None
    if at + 2 > stop:
        return None
    length = wire[at + 1]
    return wire[at], at + ((length + 2) * 4 if header == AUTHENTICATION else (length + 1) * 8)


def fragment_field(wire: bytes, at: int) -> int:
    """Read offset and more-fragments bit of the fragment header at an offset."""
    return int.from_bytes(wire[at + 2 : at + 4], "big")


def walk_extensions(wire: bytes, header: int, at: int, stop: int) -> tuple[int, int, int]:
    """Walk over IPv6 extension headers; tell protocol, its offset, and the fragment field.

    An extension header's number as protocol means that this header is cut short before its length.
    As in Linux the last one may reach beyond `stop`, a fragment header by 4 octets, and so may the
    offset. The walk ends at a fragment that is not the first. The fragment field holds offset and
    more-fragments bit; 0 means a whole packet.
    """
    fragment = seen = 0
    while header in EXTENSIONS and not fragment & LATER_FRAGMENT:
        following = step_over(wire, header, at, stop)
        if following is None:
            break
        if header == FRAGMENT_HEADER:
            fragment |= fragment_field(wire, at) & (LATER_FRAGMENT | MORE_FOLLOW) | seen
            seen = 1  # a fragment of a fragment is never whole
        header, at = following
    return header, at, fragment


def find_fragment_header(wire: bytes, stop: int) -> tuple[int, int]:
    """Tell where an IPv6 packet's first fragment header is, and which octet announces it; or 0, 0.

    It may be cut short, even to nothing; but what would begin beyond `stop` is none, as in Linux.
    """
    header, at, announced_at = wire[6], 40, 6
    while header != FRAGMENT_HEADER:
        following = step_over(wire, header, at, stop) if header in EXTENSIONS else None
        if following is None:
            return 0, 0
        announced_at = at
        header, at = following
    return (at, announced_at) if at <= stop else (0, 0)


def find_for_rules(wire: bytes, wanted: int, stop: int) -> int | None:
    """Find an IPv6 packet's first header of a kind as Linux does for rules.

    An extension header is none if it is cut short, and behind a later fragment there is none.
    """
    header, at = wire[6], 40
    while header in EXTENSIONS:
        following = _step_for_rules(wire, header, at, stop)
        if following is None:
            return None
        if header == wanted:
            return at
        if header == FRAGMENT_HEADER and fragment_field(wire, at) & LATER_FRAGMENT:
            return None
        header, at = following
    return at if header == wanted else None


def transport_for_rules(wire: bytes, stop: int) -> tuple[int | None, int | None]:
    """Find an IPv6 packet's protocol and transport header as Linux does for rules.

    Other than tracking, they take the authentication header for a protocol. Neither is known behind
    a header that is cut short, and a later fragment has no transport header.
    """
    header, at = wire[6], 40
    while header in EXTENSIONS:
        following = _step_for_rules(wire, header, at, stop)
        if following is None:
            return None, None
        if header == AUTHENTICATION:
            break
        if header == FRAGMENT_HEADER and fragment_field(wire, at) & LATER_FRAGMENT:
            protocol, _ = following
            return (None if protocol in EXTENSIONS else protocol), None
        header, at = following
    return header, at


def _step_for_rules(wire: bytes, header: int, at: int, stop: int) -> tuple[int, int] | None:
    """Step over an extension header, of which four octets must be there if it routes."""
    is_cut = header == ROUTING and at + 4 > stop
    return None if is_cut else step_over(wire, header, at, stop)


def hop_by_hop_stands(wire: bytes, stop: int) -> bool:
    """Say whether a router passes on a packet whose first header, at 40, is hop-by-hop."""
    following = step_over(wire, HOP_BY_HOP, 40, stop)
    if following is None or following[1] > stop:
        return False
    _, end = following
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
