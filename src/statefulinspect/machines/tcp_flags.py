"""The flags of a TCP header: their bits, and the sets of them that only scanners send."""

from __future__ import annotations

from typing import Final, NamedTuple

from statefulinspect.terms import OK, Reason

# RFC 9293 3.1, from the lowest bit up; ECN's (RFC 3168) stand above them, and are free.
FIN_FLAG, SYN_FLAG, RST_FLAG, PSH_FLAG, ACK_FLAG, URG_FLAG = 1, 2, 4, 8, 16, 32
ALL_FLAGS: Final = FIN_FLAG | SYN_FLAG | RST_FLAG | PSH_FLAG | ACK_FLAG | URG_FLAG
USUAL_FLAGS: Final = (ACK_FLAG, ACK_FLAG | PSH_FLAG)  # of all but the ends of a conversation


class FlagsRow(NamedTuple):
    """Name a set of flags: of those in `looked_at`, exactly those in `found` are set."""

    looked_at: int
    found: int
    reason: Reason


# fmt: off
FLAGS_ROWS: Final = (
    FlagsRow(SYN_FLAG | FIN_FLAG, SYN_FLAG | FIN_FLAG,            Reason.TCP_SYN_FIN),
    FlagsRow(SYN_FLAG | RST_FLAG, SYN_FLAG | RST_FLAG,            Reason.TCP_SYN_RST),
    FlagsRow(ALL_FLAGS,           0,                              Reason.TCP_NULL),
    FlagsRow(ALL_FLAGS,           FIN_FLAG | PSH_FLAG | URG_FLAG, Reason.TCP_XMAS),
    FlagsRow(FIN_FLAG | ACK_FLAG, FIN_FLAG,                       Reason.TCP_FIN_ALONE),
)
# fmt: on

# By all flags: what is wrong with such a segment, or OK.
SCANS: Final = tuple(
    next((row.reason for row in FLAGS_ROWS if flags & row.looked_at == row.found), OK)
    for flags in range(ALL_FLAGS + 1)
)
