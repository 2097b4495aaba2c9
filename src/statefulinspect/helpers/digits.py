"""Which decimal digits stand at the beginning of a text, and which number they are.

Linux counts them in a field of 16 or 32 bits, however many there are: what is above drops out.
"""

from __future__ import annotations

from typing import Final

DIGITS: Final = b"0123456789"


def leading_digits(octets: bytes) -> bytes:
    """Give the digits that a text begins with."""
    return octets[: len(octets) - len(octets.lstrip(DIGITS))]


def counted(digits: bytes, bits: int) -> int:
    """Read a decimal number of any length modulo a power of two; 0 if there are no digits.

    >>> counted(b"65537", 16)
    1
    """
    value = 0
    for digit in digits:
        value = (value * 10 + digit - 48) % (1 << bits)
    return value
