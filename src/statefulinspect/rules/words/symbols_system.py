"""Which words nftables has for what the kernel knows beside the packet: interfaces, connections.

As in `symbols`, the first of several words for one number is the one that nft prints.
"""

from __future__ import annotations

from typing import Final, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.rules.words.symbols import Symbols
from statefulinspect.terms import (
    ESTABLISHED_BIT,
    INVALID_BIT,
    NEW_BIT,
    RELATED_BIT,
    UNTRACKED_BIT,
)

CT_STATE: Final[Symbols] = {
    "invalid": INVALID_BIT,
    "new": NEW_BIT,
    "established": ESTABLISHED_BIT,
    "related": RELATED_BIT,
    "untracked": UNTRACKED_BIT,
}

CT_DIR: Final[Symbols] = {"original": 0, "reply": 1}

CT_STATUS: Final[Symbols] = {
    "expected": 0x001,
    "seen-reply": 0x002,
    "assured": 0x004,
    "confirmed": 0x008,
    "snat": 0x010,
    "dnat": 0x020,
    "dying": 0x200,
}

CT_EVENT: Final[Symbols] = {
    "new": 0x001,
    "related": 0x002,
    "destroy": 0x004,
    "reply": 0x008,
    "assured": 0x010,
    "protoinfo": 0x020,
    "helper": 0x040,
    "mark": 0x080,
    "seqadj": 0x100,
    "secmark": 0x200,
    "label": 0x400,
}

IFACE_TYPE: Final[Symbols] = {
    "ether": 0x0001,
    "ppp": 0x0200,
    "ipip": 0x0300,
    "ipip6": 0x0301,
    "loopback": 0x0304,
    "sit": 0x0308,
    "ipgre": 0x030A,
}

PKT_TYPE: Final[Symbols] = {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3}

FIB_ADDRTYPE: Final[Symbols] = {
    "unspec": 0,
    "unicast": 1,
    "local": 2,
    "broadcast": 3,
    "anycast": 4,
    "multicast": 5,
    "blackhole": 6,
    "unreachable": 7,
    "prohibit": 8,
}

BOOLEAN: Final[Symbols] = {"exists": 1, "missing": 0}

DAY: Final[Symbols] = {
    "Sunday": 0,
    "Monday": 1,
    "Tuesday": 2,
    "Wednesday": 3,
    "Thursday": 4,
    "Friday": 5,
    "Saturday": 6,
}

CLASSID: Final[Symbols] = {"none": 0, "root": 0xFFFFFFFF}

# What every system calls its number 0; further names are in files, which no rule here reads.
SUPERUSER: Final[Symbols] = {"root": 0}
REALM: Final[Symbols] = {"cosmos": 0}
DEVGROUP: Final[Symbols] = {"default": 0}

# What follows is no data type: words of statements.

LOG_LEVELS: Final[Symbols] = {
    "emerg": 0,
    "alert": 1,
    "crit": 2,
    "err": 3,
    "warn": 4,
    "notice": 5,
    "info": 6,
    "debug": 7,
    "audit": 8,
}

# `log flags tcp sequence,options`: those that have none stand alone.
LOG_FLAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "tcp": ("sequence", "options"),
    "ip": ("options",),
    "skuid": (),
    "ether": (),
    "all": (),
}

# Seconds; `limit rate 3/minute`.
LIMIT_UNITS: Final[Symbols] = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "week": 604800,
}

# Octets; `limit rate 3 kbytes/minute` and `quota 5 mbytes`.
OCTET_UNITS: Final[Symbols] = {"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}
