"""What to do with a packet of which the capture kept only the beginning.

Tracking reads headers only, so a packet that the snap length cut gets zeros for the octets that
are gone, provided that all headers are there: a made-up port or TCP option would give a wrong
answer. Without them it stays as it is and is judged as cut short. The same holds where checksums
are verified, for no checksum of half a packet is right.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.decoding import decode
from statefulinspect.extensions import walk_extensions
from statefulinspect.flowkey import ICMP_PROTOCOLS, TCP
from statefulinspect.machines.icmp import MessageKind, kind_of, quote_at
from statefulinspect.packet import Packet
from statefulinspect.terms import Reason

SHORTEST: Final = 20  # octets of an IPv4 header
PORTS_AND_MORE: Final = 8  # UDP, an ICMP query, and what every ICMP error quotes at least


def octets_missing(wire: bytes, missing: float) -> int:
    """Tell how many octets of the IP packet the capture left out: at most `missing`."""
    return int(min(max(0, _claimed_length(wire) - len(wire)), missing))


def filled_up(wire: bytes, gone: int) -> bytes:
    """Put zeros for the `gone` octets, if only payload is gone; else give the packet as it is."""
    packet = decode(wire + bytes(gone))
    is_enough = _headers_end(packet) <= len(wire)
    # Zeros in place of hop-by-hop options are too much padding, which nobody sent.
    return packet.wire if is_enough and packet.reason is not Reason.HOP_BY_HOP_MALFORMED else wire


def _claimed_length(wire: bytes) -> int:
    """Read the length from the IP header: 0 if it is none, the shortest there is if it is gone."""
    if len(wire) < 6:
        return SHORTEST
    version = wire[0] >> 4
    if version == 4:
        return int.from_bytes(wire[2:4], "big")
    return 40 + int.from_bytes(wire[4:6], "big") if version == 6 else 0


def _headers_end(packet: Packet) -> int:
    """Tell where the last octet is that tracking may look at."""
    if not packet.family:
        return len(packet.wire)
    return min(packet.stop, packet.l4 + _transport_header(packet))


def _transport_header(packet: Packet) -> int:
    if packet.protocol == TCP:
        data_offset = packet.wire[packet.l4 + 12 : packet.l4 + 13] or b"\0"
        return max(20, (data_offset[0] >> 4) * 4)
    is_message = packet.protocol in ICMP_PROTOCOLS and packet.key is not None
    if is_message and kind_of(packet) is MessageKind.ERROR:
        return quote_at(packet) - packet.l4 + _quoted_header(packet) + PORTS_AND_MORE
    return PORTS_AND_MORE


def _quoted_header(packet: Packet) -> int:
    """Tell the length of the IP header that an ICMP error quotes."""
    quote = packet.wire[quote_at(packet) : packet.stop]
    if packet.family == 4:
        return (quote[0] & 15) * 4 if quote else 0
    return walk_extensions(quote, quote[6], 40, len(quote))[1] if len(quote) >= 40 else 40
