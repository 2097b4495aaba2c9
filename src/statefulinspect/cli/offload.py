"""How long a TCP packet is that leaves its length to the network card: as long as its frame.

A sender may leave it to its network card to cut data into segments (TSO). What is captured there
is larger than anything on the wire, and some systems leave the length in its IP header 0, for the
card writes it into each segment. tcpdump and wireshark take the length of the frame then.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.checksums import summed
from statefulinspect.flowkey import TCP

LENGTH_MAX: Final = 65_535  # larger ones (BIG TCP) fit no header
PADDED_TO: Final = 46  # octets: Ethernet fills up what is shorter, which hides how long it was


def with_length(wire: bytes, original_length: int) -> bytes:
    """Write the length that was left out into the header; give any other packet as it is.

    `original_length` is how long the packet was before the capture cut it.
    """
    length = max(original_length, len(wire))
    if len(wire) < 20 or length <= PADDED_TO:
        return wire
    version, payload_length = wire[0] >> 4, length - 40
    if version == 4 and wire[9] == TCP and not any(wire[2:4]) and length <= LENGTH_MAX:
        return _with_ipv4_length(wire, length)
    # TCP comes first, so that there is no jumbo option, which would be the length.
    if version == 6 and wire[6] == TCP and not any(wire[4:6]) and payload_length <= LENGTH_MAX:
        return wire[:4] + payload_length.to_bytes(2, "big") + wire[6:]
    return wire


def _with_ipv4_length(wire: bytes, length: int) -> bytes:
    """Write the length, and the checksum that the card would have written."""
    behind = max(20, (wire[0] & 15) * 4)
    header = wire[:2] + length.to_bytes(2, "big") + wire[4:behind]
    return summed(header) + wire[behind:]
