"""The bits of `Side.flags`: what TCP's tracker knows of a sender, with the values of ctnetlink."""

from __future__ import annotations

from typing import Final

SCALE_OFFERED: Final = 0x01
SACK_PERMITTED: Final = 0x02
CLOSED_FIRST: Final = 0x04
LIBERAL: Final = 0x08
UNACKNOWLEDGED: Final = 0x10
HIGHEST_ACK_KNOWN: Final = 0x20
