"""What becomes of an ordinary packet, told without a record of it.

What words alone have led to holds for all packets of their sort, and is remembered. Otherwise the
rules are asked by way of trial (`foretelling`). A verdict that cannot differ for the next packets
of a side is kept there, and handed out again if they come the same way.
"""

from __future__ import annotations

from typing import Final, Iterable, Optional, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.connection import Side, Terms, Verdict, verdict_of
from statefulinspect.flowkey import ICMP_PROTOCOLS, PORT_PROTOCOLS, TCP
from statefulinspect.machines.tcp_flags import USUAL_FLAGS
from statefulinspect.packet import refuse_context
from statefulinspect.rules.engine.filtering import Filter
from statefulinspect.rules.engine.foretelling import (
    IS_ANNOUNCED,
    IS_REPLY,
    IS_STRAY,
    PAYLOAD_AT,
    SEEN_REPLY,
    Foretelling,
    Sort,
    Way,
    state_of,
)
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.stateful import Tally
from statefulinspect.terms import (
    INVALID,
    OK,
    ORIGINAL,
    REJECT,
    REPLY,
    UNTRACKED,
    Action,
    CtState,
    Direction,
    Reason,
)

# What a verdict tells, which counters count the packet, and whether its side's next ones fare so.
# Without a direction the packet is not tracked: rules refuse or exempt it before.
Fate = tuple[Action, CtState, Optional[Direction], Optional[Rule], Optional[list[Tally]], bool]
SORTS_AT_MOST: Final = 1 << 12  # sorts of packets whose fate is remembered: then it begins anew


def count(tallies: Iterable[Tally], octets: int) -> None:
    """Have counters count one packet more."""
    for tally in tallies:
        tally.packets += 1
        tally.octets += octets


def terms_of(way: Way, tally: Sequence[Tally] | None) -> Terms | None:
    """Write down on which terms a verdict is kept: for which way, and for which counters."""
    return None if way is None and tally is None else (way, tally or ())


def why_untracked(state: CtState) -> Reason:
    """Tell the reason of a packet that rules have kept from being tracked."""
    return Reason.EXEMPT_BY_RULE if state is UNTRACKED else OK


def stands_out(side: Side, wire: bytes, start: int) -> bool:
    """Say whether rules may tell a segment from others of its side by TCP flags."""
    return side.connection.protocol == TCP and wire[start + 13] not in USUAL_FLAGS


def sort_of(side: Side, way: Way) -> Sort:
    """Name the words of a side's next packet: protocol, IP version, what leads to ct state, way."""
    connection = side.connection
    stage = SEEN_REPLY | side.is_reply if connection.seen_reply else side.is_reply
    if connection.rare is not None and connection.master is not None:
        stage |= IS_ANNOUNCED
    return connection.protocol, len(side.key), stage, way


class Fates:
    """Tell what becomes of packets of plain form; None if the rules have to see a record."""

    def __init__(self, rules: Filter) -> None:
        self._asks_any_ports = rules.asks_any_ports
        self._asks_messages = rules.asks_messages
        self._asks_flags = rules.asks_flags
        self._foregone: dict[Sort, Fate] = {}
        self._foretelling = Foretelling(rules.paths)

    def remember(self, sort: Sort, fate: Fate) -> None:
        """Remember what becomes of packets whose words are these."""
        protocol, _, _, _ = sort
        if self._asks_messages and protocol in ICMP_PROTOCOLS:
            return
        if len(self._foregone) >= SORTS_AT_MOST:
            self._foregone.clear()
        self._foregone[sort] = fate

    def name_of(self, sort: Sort, wire: bytes, start: int) -> Sort:
        """Name what rules can tell by words: a sort, and TCP flags if they look at those."""
        protocol, size, stage, way = sort
        if not self._asks_flags or protocol != TCP:
            return sort
        return protocol, size, stage | wire[start + 13] << 8, way

    def known(self, sort: Sort) -> Fate | None:
        """Tell what becomes of packets of a sort, whatever their TCP flags, if it is remembered."""
        return self._foregone.get(sort)

    def of(
        self, sort: Sort, packet: bytes, length: int, side: Side | None, now: float
    ) -> Fate | None:
        """Tell what becomes of a packet of such words; `side` is its side, if it has one."""
        name = self.name_of(sort, packet, PAYLOAD_AT[sort[1]]) if self._asks_flags else sort
        return self._foregone.get(name) or self._foretell(sort, name, packet, length, side, now)

    def of_stray(  # noqa: PLR0913, PLR0917 - the packet, and what is wrong with it
        self, protocol: int, key: bytes, packet: bytes, length: int, way: Way, reason: Reason,
        now: float,
    ) -> Verdict | None:  # fmt: skip
        """Answer a packet that is of no connection, if it can be told what the rules conclude."""
        fate = self.of((protocol, len(key), IS_STRAY, way), packet, length, None, now)
        if fate is None:
            return None
        action, state, direction, rule, tally, _ = fate
        if tally is not None:
            count(tally, length)
        reason = why_untracked(state) if direction is None else reason
        return verdict_of(action, state, None, reason, None, rule)

    def _foretell(  # noqa: PLR0913, PLR0917 - the packet
        self, sort: Sort, name: Sort, packet: bytes, length: int, side: Side | None, now: float
    ) -> Fate | None:
        """Ask the rules by way of trial; remember under a name what words have led to."""
        protocol, _, stage, way = sort
        if way is not None:
            _, *context = way
            refuse_context(*context)
        foretold = self._foretelling.ask(sort, packet, length, side, now)
        if foretold is None:
            return None
        action, walk = foretold
        state: CtState = state_of(stage)
        direction: Direction | None = REPLY if stage & IS_REPLY else ORIGINAL
        if walk.is_exempt or not walk.is_tracked:
            state, direction = UNTRACKED if walk.is_tracked else INVALID, None
        holds = not walk.varies and (protocol in PORT_PROTOCOLS or not self._asks_any_ports)
        fate = action, state, direction, walk.rule, walk.tally, holds
        if walk.by_words:
            self.remember(name, fate)
        return fate

    def passes(self, side: Side, packet: bytes, length: int, way: Way, now: float) -> bool:
        """Say whether rules before tracking let a side's next packet pass, if that can be told."""
        if self._kept(side, packet, way) is not None:
            return True
        sort = sort_of(side, way)
        fate = self._foregone.get(self.name_of(sort, packet, PAYLOAD_AT[len(side.key)]))
        if fate is not None:
            return fate[2] is not None
        return self._foretelling.lets_pass(sort, packet, length, now)

    def _kept(self, side: Side, packet: bytes, way: Way) -> Verdict | None:
        """Give the verdict that is kept on a side, if it holds for a packet of plain form."""
        terms = side.terms
        if terms is not None and terms[0] != way:
            return None
        if self._asks_flags and stands_out(side, packet, PAYLOAD_AT[len(side.key)]):
            return None
        return side.verdict

    def ready(self, side: Side, packet: bytes, length: int, way: Way, now: float) -> Verdict | None:
        """Hand out the verdict of a packet that fits its connection, if no record is needed.

        None is needed if the side's verdict holds, or if it can be told what the rules conclude. A
        reject, which may end the connection, is not for here.
        """
        verdict = side.verdict
        if verdict is not None and (side.terms is not None or self._asks_flags):
            verdict = self._kept(side, packet, way)
        if verdict is not None:
            if verdict.action is REJECT:
                return None
            if side.terms is not None:
                count(side.terms[1], length)
            return verdict
        sort = sort_of(side, way)
        fate = self.of(sort, packet, length, side, now)
        if fate is None:
            return None
        action, state, direction, rule, tally, holds = fate
        verdict = verdict_of(action, state, direction, OK, side.connection, rule)
        protocol, _, _, _ = sort
        if holds and (side.packets or protocol == TCP):  # an answer's first is often its last
            side.verdict, side.terms = verdict, terms_of(way, tally)
        if tally is not None:
            count(tally, length)
        return verdict
