"""What a TCP segment says: sequence numbers, flags, and the options that the tracker heeds.

Two options matter (RFC 7323 2, RFC 2018): window scale and SACK-permitted on a SYN, which set
what later windows mean, and SACK blocks later on, which acknowledge beyond the acknowledgement.
Options are walked by length; whatever cannot be walked ends the walk, and is not an error.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, Iterator  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.machines.side_flags import SACK_PERMITTED, SCALE_OFFERED
from statefulinspect.machines.tcp_flags import (
    ACK_FLAG,
    FIN_FLAG,
    RST_FLAG,
    SYN_FLAG,
    URG_FLAG,
    USUAL_FLAGS,
)
from statefulinspect.machines.tcp_table import ACK, FIN, RST, SYN, SYN_ACK, TcpEvent
from statefulinspect.packet import Packet
from statefulinspect.seqnum import M32, after
from statefulinspect.terms import OK, Reason

FIXED_PART: Final = struct.Struct("!IIHH").unpack_from  # RFC 9293 3.1, from the sequence number
HEEDED_FLAGS: Final = URG_FLAG | ACK_FLAG | RST_FLAG | SYN_FLAG | FIN_FLAG  # PSH and ECN are free

EVENTS: Final = {
    SYN_FLAG: SYN,
    SYN_FLAG | URG_FLAG: SYN,
    SYN_FLAG | ACK_FLAG: SYN_ACK,
    RST_FLAG: RST,
    RST_FLAG | ACK_FLAG: RST,
    FIN_FLAG | ACK_FLAG: FIN,
    FIN_FLAG | ACK_FLAG | URG_FLAG: FIN,
    ACK_FLAG: ACK,
    ACK_FLAG | URG_FLAG: ACK,
}

END_OF_OPTIONS, NO_OPERATION, WINDOW_SCALE, SACK_OK, SACK = 0, 1, 3, 4, 5
MAX_SCALE: Final = 14  # RFC 7323 2.3: more than 14 counts as 14
TIMESTAMPS_ONLY: Final = b"\1\1\x08\x0a"  # RFC 7323 appendix A: how stacks lay the option out

# Length of a plain IPv4 header and the TCP header, by the 16 bits of data offset and flags, for an
# ACK without other events whose options, if any, may be timestamps alone; by any other 16 bits more
# than every packet has.
PLAIN_HEADERS: Final = tuple(
    {5: 40, 8: 52}.get(bits >> 12, 1 << 17) if bits & HEEDED_FLAGS == ACK_FLAG else 1 << 17
    for bits in range(1 << 16)
)


@lru_cache(maxsize=1)
def usual_headers() -> tuple[int, ...]:
    """Give the same for an ACK that has no other flag either but PSH."""
    return tuple(
        length if bits & 0xFF in USUAL_FLAGS else 1 << 17
        for bits, length in enumerate(PLAIN_HEADERS)
    )


# Event, heeded flags and length of the TCP header by the same 16 bits; None if no segment may have
# such flags. Whether the length can be is left to who asks.
_SHAPES = {
    offset << 12 | flags: (event, flags, offset << 2)
    for offset in range(16)
    for flags, event in EVENTS.items()
}
SHAPES: Final = tuple(_SHAPES.get(bits & (0xF000 | HEEDED_FLAGS)) for bits in range(1 << 16))


@attrs.define(eq=False)
class Segment:
    """Hold one segment's numbers; `end` is the sequence number behind its last octet.

    `sack` is the highest sequence number acknowledged, by SACK blocks or otherwise. The window
    check replaces numbers that mean nothing (the acknowledgement of a segment without ACK).
    """

    event: TcpEvent
    flags: int
    seq: int
    ack: int
    end: int
    window: int
    options: bytes
    sack: int


def check_header(packet: Packet) -> Reason:
    """Check lengths and flags; the checksum is the caller's."""
    if packet.payload_length < 20:
        return Reason.HEADER_CUT_SHORT
    _, _, offset_and_flags, _ = FIXED_PART(packet.wire, packet.l4 + 4)
    header_length = (offset_and_flags >> 12) * 4
    if not 20 <= header_length <= packet.payload_length:
        return Reason.TCP_DATA_OFFSET
    return OK if offset_and_flags & HEEDED_FLAGS in EVENTS else Reason.TCP_FLAGS


def read_segment(packet: Packet) -> Segment:
    """Read the segment of a packet that `check_header` found right."""
    seq, ack, offset_and_flags, window = FIXED_PART(packet.wire, packet.l4 + 4)
    header_length = (offset_and_flags >> 12) * 4
    flags = offset_and_flags & HEEDED_FLAGS
    octets = packet.payload_length - header_length + bool(flags & SYN_FLAG) + (flags & FIN_FLAG)
    options = packet.wire[packet.l4 + 20 : packet.l4 + header_length]
    end = (seq + octets) & M32
    return Segment(EVENTS[flags], flags, seq, ack, end, window, options, ack)


def walk_options(options: bytes) -> Iterator[tuple[int, bytes]]:
    """Go over the options as (kind, body) until their end or the first that cannot be walked."""
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == END_OF_OPTIONS:
            return
        if kind == NO_OPERATION:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):
            return
        yield kind, options[at + 2 : at + length]
        at += length


def scale_and_flags(options: bytes) -> tuple[int, int]:
    """Tell the window scale that a SYN offers, and the side flags that its options set."""
    scale = flags = at = 0
    size = len(options)
    while at < size:  # `walk_options`, written out: every connection comes here twice
        kind = options[at]
        if kind == NO_OPERATION:
            at += 1
            continue
        length = options[at + 1] if at + 1 < size else 0
        if kind == END_OF_OPTIONS or length < 2 or at + length > size:
            break
        if kind == SACK_OK and length == 2:
            flags |= SACK_PERMITTED
        elif kind == WINDOW_SCALE and length == 3:
            scale = min(options[at + 2], MAX_SCALE)
            flags |= SCALE_OFFERED
        at += length
    return scale, flags


def highest_sack(options: bytes, ack: int) -> int:
    """Tell the highest sequence number acknowledged by the first SACK option, or `ack`."""
    if len(options) == 12 and options.startswith(TIMESTAMPS_ONLY):
        return ack  # what nearly every segment of today carries, without the walk
    for kind, body in walk_options(options):
        if kind == SACK and len(body) >= 8 and len(body) % 8 == 0:
            for at in range(4, len(body), 8):
                edge = int.from_bytes(body[at : at + 4], "big")
                ack = edge if after(edge, ack) else ack
            return ack
    return ack
