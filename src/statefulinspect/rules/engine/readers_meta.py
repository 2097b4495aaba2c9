"""How `meta` is read: what is known of a packet beside its bytes, and little of the machine.

The library knows no socket, no bridge and no route: a packet is as one that is forwarded between
devices without a link layer. So `meta skuid` and `meta ibrname` match nothing, groups of interfaces
are 0, and the processor is the first. Times are UTC.
"""

from __future__ import annotations

from typing import Callable, Final, Optional

from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.words import symbols_system
from statefulinspect.rules.words.datatypes import Scalar
from statefulinspect.rules.words.selectors import NF_FAMILIES
from statefulinspect.rules.words.symbols import ETHER_TYPE
from statefulinspect.rules.words.symbols_time import DAY, SECOND
from statefulinspect.screening import EVERYBODY, GROUPS

Reader = Callable[[Walk], Optional[Scalar]]

ETHER_TYPES: Final = {4: ETHER_TYPE["ip"], 6: ETHER_TYPE["ip6"]}
NO_LINK_LAYER: Final = 0xFFFE  # ARPHRD_NONE
FIRST_DAY: Final = symbols_system.DAY["Thursday"]  # 1970-01-01


def nanoseconds(seconds: float) -> int:
    """Turn seconds into nanoseconds, however many; what is less than one is left out."""
    whole = int(seconds // 1)
    return whole * SECOND + int(seconds % 1 * SECOND)


def _pkttype(walk: Walk) -> int:
    if walk.pkttype is not None:
        return walk.pkttype
    destination = walk.packet.destination_octets
    if destination == EVERYBODY:
        return symbols_system.PKT_TYPE["broadcast"]
    is_group = destination[0] in GROUPS[walk.packet.family]
    return symbols_system.PKT_TYPE["multicast" if is_group else "host"]


def _interface_type(name: str) -> int | None:
    if not name:
        return None
    return symbols_system.IFACE_TYPE["loopback"] if name == "lo" else NO_LINK_LAYER


def _nothing(_: Walk) -> None:
    return None


def _zero(_: Walk) -> int:
    return 0


META_READERS: Final[dict[str, Reader]] = {
    "meta length": lambda walk: walk.packet.length,
    "meta nfproto": lambda walk: NF_FAMILIES[walk.packet.family],
    "meta protocol": lambda walk: ETHER_TYPES[walk.packet.family],
    "meta l4proto": lambda walk: walk.protocol,
    "meta mark": lambda walk: walk.mark,
    "meta iif": lambda walk: walk.iif,
    "meta oif": lambda walk: walk.oif,
    "meta iifname": lambda walk: walk.iif,
    "meta oifname": lambda walk: walk.oif,
    "meta iiftype": lambda walk: _interface_type(walk.iif),
    "meta oiftype": lambda walk: _interface_type(walk.oif),
    "meta pkttype": _pkttype,
    "meta priority": lambda walk: walk.priority,
    "meta time": lambda walk: nanoseconds(walk.now),
    "meta hour": lambda walk: int(walk.now % DAY),
    "meta day": lambda walk: (int(walk.now // DAY) + FIRST_DAY) % 7,
    **dict.fromkeys(
        ("meta skuid", "meta skgid", "meta cgroup", "meta ibrname", "meta obrname"), _nothing
    ),
    **dict.fromkeys(("meta ibrpvid", "meta ibrvproto", "meta sdif", "meta sdifname"), _nothing),
    "meta iifgroup": lambda walk: 0 if walk.iif else None,
    "meta oifgroup": lambda walk: 0 if walk.oif else None,
    **dict.fromkeys(("meta cpu", "meta nftrace", "meta rtclassid"), _zero),
    "meta secpath": _zero,
}
META_SETTLED: Final = frozenset(META_READERS) - {
    "meta length",
    "meta priority",
    "meta time",
    "meta hour",
    "meta day",
}
