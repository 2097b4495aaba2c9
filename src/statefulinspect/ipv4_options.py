"""Which IPv4 options let no router pass the packet on (RFC 791 3.1).

Linux looks at them after it has tracked the packet: malformed options, source routes, and CIPSO
labels end its way there. So such a packet is judged and may move its connection, but is dropped,
and opens none.
"""

from __future__ import annotations

from typing import Final

END_OF_OPTIONS, NO_OPERATION, RECORD_ROUTE, TIMESTAMP, ROUTER_ALERT = 0, 1, 7, 68, 148
LOOSE_ROUTE, STRICT_ROUTE, CIPSO = 131, 137, 134
NEVER_PASSED: Final = frozenset({LOOSE_ROUTE, STRICT_ROUTE, CIPSO})
ONCE: Final = frozenset({RECORD_ROUTE, TIMESTAMP})
WITH_ADDRESSES, PRESPECIFIED = 1, 3  # what a timestamp option holds


def options_pass(options: bytes) -> bool:
    """Say whether a router passes on a packet with these option bytes."""
    at, seen = 0, set()
    while at < len(options) and options[at] != END_OF_OPTIONS:
        kind = options[at]
        if kind == NO_OPERATION:
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options) or kind in NEVER_PASSED or kind in seen:
            return False
        if not _option_passes(kind, options[at : at + size]):
            return False
        seen.update({kind} & ONCE)
        at += size
    return True


def _option_passes(kind: int, option: bytes) -> bool:
    """Say whether the pointer of a route or timestamp option stands where it can."""
    if kind == RECORD_ROUTE:
        return len(option) >= 3 and option[2] >= 4 and _has_room(option, 4)
    if kind == ROUTER_ALERT:
        return len(option) >= 4  # RFC 2113 2.1
    return kind != TIMESTAMP or _timestamp_passes(option)


def _timestamp_passes(option: bytes) -> bool:
    if len(option) < 4 or option[2] < 5:
        return False
    overflow, flag = option[3] >> 4, option[3] & 15
    if option[2] > len(option):  # full: routers count those that found no room
        return flag == PRESPECIFIED or overflow < 15
    return _has_room(option, 8 if flag in (WITH_ADDRESSES, PRESPECIFIED) else 4)


def _has_room(option: bytes, octets: int) -> bool:
    """Say whether an option is full, or has room for one more of so many octets."""
    pointer = option[2]  # counts from 1
    return pointer > len(option) or pointer - 1 + octets <= len(option)
