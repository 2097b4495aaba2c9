"""What rules see of one packet on its way, and what they have done to it so far.

A walk goes through the base chains of a path in their order. It knows the packet, its connection
once it is tracked, and the interfaces that the hook knows. `varies` tells that the next packet of
the same flow may fare otherwise; if it stays false, the conclusion holds for all of them, and only
the counters in `tally` go on.
"""

from __future__ import annotations

from typing import Any, Callable, Protocol, Sequence  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.connection import Connection, Side
from statefulinspect.decoding import FRAGMENT_OFFSET
from statefulinspect.extensions import EXTENSIONS, transport_for_rules
from statefulinspect.flowkey import ICMP_PROTOCOLS, TCP
from statefulinspect.packet import Packet
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.stateful import Tally
from statefulinspect.terms import INVALID_BIT, Reason
from statefulinspect.zones import Zone


class Restorable(Protocol):
    """Say what a walk asks of what rules remember: that it can be put back as it was."""

    def save(self) -> object:
        """Give what is remembered, for `restore`."""
        ...

    def restore(self, saved: object) -> None:
        """Remember what was saved, and nothing since."""
        ...


class Saver(Protocol):
    """Say what saves what a walk changes, if that shall be put back (`undo`)."""

    def touch(self, memory: Restorable) -> None:
        """Save something that is about to be changed."""
        ...


class Listener(Protocol):
    """Say what listens to a walk that is traced."""

    def run(self, base: Any, walk: Walk) -> Any:
        """Take the packet through a base chain; tell what decides there, and note it."""
        ...

    def rule(self, entry: Any, walk: Walk) -> Any:
        """Let a rule's steps be taken; tell how it ended, and note it."""
        ...


FindSides = Callable[[Zone, int, bytes, float], Sequence[Side]]


@attrs.define(eq=False)
class Walk:
    """Hold what rules see of a packet; `mark` and `zone` are the packet's, and rules change them.

    `protocol` and `l4`, where its header begins, are None where rules cannot know them.
    `ct_bits` is the packet's `ct state` as nftables' bits. `is_tracked` tells that conntrack has
    seen the packet, `is_fresh` that its connection is not in the table yet, `is_counted` that it
    counts this packet already, `is_ending` that the packet ends it; `has_zone` that a rule has set
    the zone, `is_sent_on` that a hop was taken off; `refused` is why a statement dropped it.
    `by_words` tells that rules have looked at nothing of the packet but words (`index`) so far,
    and that none has done anything; `is_foretold` that the walk is a trial (`foretelling`), on
    which counters do not count yet; `pkttype` is what rules have set it to.
    """

    packet: Packet
    now: float
    iif: str
    oif: str
    mark: int
    zone: Zone
    wire: bytes
    protocol: int | None
    l4: int | None
    find: FindSides
    is_ending: bool = False
    ct_bits: int = INVALID_BIT  # also what a packet is that is not tracked yet
    side: Side | None = None
    connection: Connection | None = None
    is_tracked: bool = False
    is_fresh: bool = False
    is_counted: bool = False
    is_exempt: bool = False
    has_zone: bool = False
    is_sent_on: bool = False
    varies: bool = False
    by_words: bool = True
    is_foretold: bool = False
    rule: Rule | None = None
    tally: list[Tally] | None = None
    refused: Reason | None = None
    priority: int = 0
    pkttype: int | None = None
    saver: Saver | None = None
    listener: Listener | None = None

    @property
    def direction(self) -> int | None:
        """Give the packet's `ct direction`; None if it has no connection."""
        return None if self.side is None else self.side.is_reply

    @property
    def message_type(self) -> int | None:
        """Give the type of an ICMP message; None for other protocols."""
        return self._message_octet(0)

    @property
    def message_code(self) -> int | None:
        """Give the code of an ICMP message; None for other protocols."""
        return self._message_octet(1)

    @property
    def tcp_flags(self) -> int | None:
        """Give the flags of a TCP segment; None for other protocols."""
        return self._octet(13) if self.protocol == TCP else None

    def _message_octet(self, at: int) -> int | None:
        return self._octet(at) if self.protocol in ICMP_PROTOCOLS else None

    def _octet(self, at: int) -> int | None:
        """Read an octet of the transport header."""
        start = self.l4
        return None if start is None or start + at >= self.packet.stop else self.wire[start + at]

    def touch(self, memory: Restorable) -> None:
        """Note that something is about to be changed, if anybody wants to know."""
        self.varies = True
        if self.saver is not None:
            self.saver.touch(memory)


def find_none(_: Zone, __: int, ___: bytes, ____: float) -> tuple[()]:
    """Find no connection: for rules that are asked without a table."""
    return ()


def walk_of(packet: Packet, now: float, find: FindSides = find_none) -> Walk:
    """Begin the walk of a packet; `find` lists the sides that a flow key leads to."""
    walk = Walk(
        packet,
        now,
        packet.iif,
        packet.oif,
        packet.mark,
        packet.zone,
        packet.wire,
        packet.protocol,
        packet.l4,
        find,
    )
    if packet.family == 6 and packet.wire[6] in EXTENSIONS:
        walk.protocol, walk.l4 = transport_for_rules(packet.wire, packet.stop)
    elif packet.fragment_at and int.from_bytes(packet.wire[6:8], "big") & FRAGMENT_OFFSET:
        walk.l4 = None
    return walk
