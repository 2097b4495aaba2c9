"""Where an IPv6 packet's transport header is: the walk over extension headers (RFC 8200 4).

Linux walks over the authentication header too in IPv6, though not in IPv4; every other header ends
the walk and is taken for the transport protocol.
"""

from __future__ import annotations

from typing import Final

HOP_BY_HOP: Final = 0
ROUTING: Final = 43
FRAGMENT: Final = 44
AUTHENTICATION: Final = 51
NO_NEXT: Final = 59
DESTINATION_OPTIONS: Final = 60
EXTENSIONS: Final = frozenset({HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS})


def walk_extensions(wire: bytes, header: int, at: int, stop: int) -> tuple[int, int, int]:
    """Walk over IPv6 extension headers; tell protocol, its offset, and the fragment field.

    The offset is beyond `stop` if a header is cut short. The walk ends at a fragment that is not
    the first. The fragment field holds offset and more-fragments bit; 0 means a whole packet.
    """
    fragment = 0
    while header in EXTENSIONS:
        if at + 8 > stop:
            return header, stop + 1, fragment
        size = extension_size(header, wire[at + 1])
        if header == FRAGMENT:
            fragment = int.from_bytes(wire[at + 2 : at + 4], "big") & 0xFFF9
            if fragment & 0xFFF8:
                return wire[at], at + 8, fragment
        header, at = wire[at], at + size
    return header, at, fragment


def extension_size(header: int, length: int) -> int:
    """Tell the octets of an extension header from its length field (RFC 8200 4, RFC 4302 2.2)."""
    if header == FRAGMENT:
        return 8
    return (length + 2) * 4 if header == AUTHENTICATION else (length + 1) * 8
