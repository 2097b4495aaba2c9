"""Whether an SCTP checksum is right: CRC32c (RFC 9260 appendix A; Castagnoli 1993).

Python's own CRCs have another polynomial, so this is written out, a byte a step by a table.
"""

from __future__ import annotations

from typing import Final

REFLECTED_POLYNOMIAL: Final = 0x82F6_3B78


def _entry(octet: int) -> int:
    for _ in range(8):
        octet = octet >> 1 ^ (REFLECTED_POLYNOMIAL if octet & 1 else 0)
    return octet


TABLE: Final = tuple(map(_entry, range(256)))


def crc32c(octets: bytes) -> int:
    """Sum bytes up.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    total = 0xFFFF_FFFF
    for octet in octets:
        total = total >> 8 ^ TABLE[(total ^ octet) & 0xFF]
    return total ^ 0xFFFF_FFFF


def sctp_is_right(packet: bytes) -> bool:
    """Verify an SCTP packet of at least 12 bytes, whose bytes 8 to 12 hold the sum."""
    summed = crc32c(packet[:8] + bytes(4) + packet[12:])
    return summed == int.from_bytes(packet[8:12], "little")
