"""How 32-bit serial numbers compare: the arithmetic of TCP sequence space (RFC 9293, 3.4).

Numbers wrap at 2**32, so *before* and *after* mean the shorter way round the circle: a is before
b when the signed 32-bit difference a - b is negative. Two numbers exactly half a circle apart
are each before and after the other; the kernel's comparison has the same property.
"""

from __future__ import annotations

from typing import Final

M32: Final = 0xFFFF_FFFF
HALF: Final = 0x8000_0000


def before(a: int, b: int) -> bool:
    """Say whether `a` precedes `b`; both are taken modulo 2**32."""
    return (a - b) & M32 >= HALF


def after(a: int, b: int) -> bool:
    """Say whether `a` follows `b`: `before` with the arguments swapped."""
    return (b - a) & M32 >= HALF
