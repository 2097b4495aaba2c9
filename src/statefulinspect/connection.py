"""One connection, its two sides, and the verdict that each hands out.

Life of a connection: a packet whose key is in no table makes a `Connection` with two `Side`s; the
protocol's machine opens it; the rules look; if they accept, both keys enter the table and the wheel
gets its deadline (but see `folded`). Each later packet finds its `Side`, the machine steps, and
the side's ready verdict is handed out. In the end both keys leave the table, and the links of the
three are cut, so that no cycle is left. Both directions are one class: two slow the hot path.
"""

from __future__ import annotations

from enum import IntEnum
from math import inf
from typing import Any, Final, Optional, Protocol, Sequence  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.flowkey import PROTOCOL_NAMES, FlowKey
from statefulinspect.line import Link
from statefulinspect.listing import Count, Listing, seconds_left
from statefulinspect.packet import Packet
from statefulinspect.portable import Portable
from statefulinspect.rare import Rare
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.stateful import Tally
from statefulinspect.terms import (
    ESTABLISHED,
    NEW,
    OK,
    ORIGINAL,
    RELATED,
    REPLY,
    Action,
    CtState,
    Direction,
    Reason,
)
from statefulinspect.zones import NO_ZONE, Zone

NO_NUMBER: Final = -1  # no sequence number and no window equals it
ALL_EVENTS: Final = 0xFFFF  # what `ct event` says unless a rule sets it
Terms = tuple[Optional[tuple[str, str, str, int]], Sequence[Tally]]  # of a kept verdict


class Machine(Protocol):
    """Say what the state machine of a protocol must offer.

    Both deciding methods answer with a `Reason`, whose effect tells the tracker what to do, and set
    `expires_at`. Even a refused packet may leave a trace, as in Linux: a window, a shorter life.
    """

    names_states: bool

    def validate(self, packet: Packet) -> Reason:
        """Check what can be checked without a connection; OK, or why the packet is refused."""

    def open(self, side: Side, packet: Packet, now: float) -> Reason:
        """Begin the connection with its first packet, or say why it cannot begin so."""

    def step(self, side: Side, packet: Packet, now: float) -> Reason:
        """Take the connection one packet further, sent by `side`."""

    def reset(self, connection: Connection, now: float) -> None:
        """Take note that a rule has answered a packet with a reset."""

    def arm(self, connection: Connection) -> None:
        """Hand a connection that was taken back to the hot path, if it is settled."""


@attrs.define(eq=False, weakref_slot=False)
class _Draft:
    """Hold what a verdict tells, until it is frozen."""

    action: Action
    ct_state: CtState
    direction: Direction | None = None
    reason: Reason = OK
    connection: Connection | None = None
    rule: Rule | None = None
    held: tuple[bytes, ...] = ()


@attrs.frozen(eq=False, weakref_slot=False)
class Verdict(_Draft):
    """Answer for one packet; frozen, and handed out again while nothing changes.

    `connection` is None for packets that belong to none: INVALID, UNTRACKED, and new ones that are
    not let in; `direction` is None for the first two. `rule` is None when the default policy
    decided. `held` are fragments that were held until now, as bytes in the order of their arrival,
    and share this packet's fate: its action is theirs.

    >>> Verdict(Action.DROP, CtState.INVALID, reason=Reason.NOT_IP).reason.value
    'is neither IPv4 nor IPv6'
    """


def verdict_of(  # noqa: PLR0913, PLR0917 - what it tells
    action: Action, ct_state: CtState, direction: Direction | None, reason: Reason,
    connection: Connection | None, rule: Rule | None, kind: type[Verdict] = Verdict,
) -> Verdict:  # fmt: skip
    """Make a verdict; in a third of the time that its class takes, for freezing comes last."""
    draft: Any = object.__new__(_Draft)
    draft.action, draft.ct_state, draft.direction = action, ct_state, direction
    draft.reason, draft.connection, draft.rule = reason, connection, rule
    draft.held, draft.__class__ = (), kind
    return draft  # type: ignore[no-any-return]  # by now it is a verdict


@attrs.define(eq=False, weakref_slot=False, getstate_setstate=False)
class Side(Portable):
    """Hold one direction's half of a connection: its key, its verdict, its counters, its window.

    The window is the TCP tracker's: `end` is the highest sequence number sent plus one, `max_end`
    the highest that the peer allows, `max_window` the largest window ever offered (0 until this
    side is seen), `highest_ack` the highest acknowledgement sent, `scale` the shift of its
    windows. `next_seq` and `seen_window` are the hot path's (`tcp_prediction`). What begins with
    `end` is set by the TCP tracker only; sides of other protocols do without.

    `verdict` is kept, on `terms` if there are some: for packets of which hook, interfaces and mark
    it is (None: of any), and which counters of the rules that led to it count each of them.
    """

    key: bytes
    is_reply: int
    connection: Connection = attrs.field(init=False)
    other: Side = attrs.field(init=False)
    verdict: Verdict | None = None
    packets: int = 0
    octets: int = 0
    next_seq: int = NO_NUMBER
    terms: Terms | None = None
    end: int = attrs.field(init=False)
    max_end: int = attrs.field(init=False)
    max_window: int = attrs.field(init=False)
    highest_ack: int = attrs.field(init=False)
    scale: int = attrs.field(init=False)
    flags: int = attrs.field(init=False)
    seen_window: int = attrs.field(init=False)

    @property
    def direction(self) -> Direction:
        """Tell which way packets of this side go."""
        return REPLY if self.is_reply else ORIGINAL

    @property
    def ct_state(self) -> CtState:
        """Tell what the next packet of this side is, before any machine has looked at it."""
        if self.is_reply or self.connection.seen_reply:
            return ESTABLISHED
        return NEW if self.connection.master is None else RELATED


@attrs.define(eq=False, getstate_setstate=False)
class Connection(Link):
    """Hold one tracked connection, as first packet and answers made it.

    Yours to read: `original`, `reply`, `count`, `state_name`, `seen_reply`, `is_assured`, `helper`,
    `master`, `expires_at` (on your clock); yours to write: `mark` (32 bits) and `labels` (128). The
    rest is the tracker's; `last_*`, of TCP's last segment that counted, the hot path writes late.

    >>> from statefulinspect import Tracker
    >>> Tracker().process(bytes.fromhex("4500001400000000405900000a0000010a000002"), 0.0).connection
    Connection(89 src=10.0.0.1 dst=10.0.0.2)
    """

    protocol: int
    original_side: Side
    reply_side: Side
    machine: Machine
    created_at: float
    zones: Zone = NO_ZONE
    is_accounted: bool = False
    is_assured: bool = False
    seen_reply: bool = False
    expires_at: float = inf
    filed_at: float = inf
    mark: int = 0
    rare: dict[str, Any] | None = None
    state: IntEnum = attrs.field(init=False)
    last_event: IntEnum | None = attrs.field(init=False)
    last_is_reply: int = attrs.field(init=False)
    last_seq: int = attrs.field(init=False)
    last_ack: int = attrs.field(init=False)
    last_end: int = attrs.field(init=False)
    last_window: int = attrs.field(init=False)
    repeats: int = attrs.field(init=False)

    labels = Rare(0)
    event_mask = Rare(ALL_EVENTS)  # of `ct event`
    master = Rare[Optional["Connection"]](None)
    helper = Rare[Optional[str]](None)
    helper_memory = Rare[object](None)
    is_screened = Rare[bool](otherwise=False)  # some check looks at its addresses (`screening`)
    memory = Rare[object](None)  # of machines but TCP's
    last_scale = Rare(0)
    last_flags = Rare(0)
    restarts = Rare(0)  # how often both ends began anew

    @property
    def is_ordinary(self) -> bool:
        """Say whether nobody but machine and rules looks at its packets; so if `rare` is None."""
        return self.helper is None and not self.is_screened

    @property
    def original(self) -> FlowKey:
        """Name the direction of the first packet: addresses, ports or ICMP id, protocol."""
        return FlowKey(self.protocol, self.original_side.key)

    @property
    def reply(self) -> FlowKey:
        """Name the direction against the first packet."""
        return FlowKey(self.protocol, self.reply_side.key)

    @property
    def zone(self) -> int:
        """Give the number of the zone, whichever direction it holds for; see `zones`."""
        return self.zones.number

    @property
    def state_name(self) -> str:
        """Give the kernel's name for the state; empty where the kernel names none (UDP, ICMP)."""
        return self.state._name_ if self.machine.names_states else ""  # `name` is slow in 3.11

    def count(self, direction: Direction) -> Count:
        """Count packets and octets of one direction; KeyError for what is none."""
        side = {ORIGINAL: self.original_side, REPLY: self.reply_side}[direction]
        return Count(side.packets, side.octets)

    def seconds_left(self, now: float) -> int:
        """Tell the whole seconds left at `now`, as the kernel counts them; 0 at least."""
        return seconds_left(self.expires_at, now)

    def listing(self, now: float) -> Listing:
        """Tell what the connection is at `now`."""
        counts, one, other = None, self.original_side, self.reply_side
        if self.is_accounted:
            counts = Count(one.packets, one.octets), Count(other.packets, other.octets)
        return Listing(
            self.original, self.reply, self.state_name, self.seconds_left(now), self.seen_reply,
            self.is_assured, counts, self.mark, self.zones, self.helper,
        )  # fmt: skip

    def to_conntrack(self, now: float) -> str:
        """Write the line that `conntrack -L` (1.4.7) prints for this connection at `now`."""
        return self.listing(now).entry_line()

    def __repr__(self) -> str:
        """Show protocol, ends and state."""
        name = PROTOCOL_NAMES.get(self.protocol, str(self.protocol))
        return f"Connection({' '.join(filter(None, (name, str(self.original), self.state_name)))})"
