"""Connections that open the short way, or do not: nobody has to look at their first packets.

What SYNs open that are answered soon is made at once, for it is needed soon. In a flood, which
nobody answers, it is not made before somebody asks for it, nor is what a question opens; see
`folded`.
"""

from __future__ import annotations

from typing import Any, Final, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.config import Config
from statefulinspect.connection import Connection, Machine, Verdict, verdict_of
from statefulinspect.fates import Fate, count, why_untracked
from statefulinspect.flowkey import ICMP, ICMPV6, TCP, UDP, reverse
from statefulinspect.folded import WANTED, Exchange, FoldedVerdict, Unreplied
from statefulinspect.judge import Judge
from statefulinspect.linking import connect, part
from statefulinspect.machines.request_reply import REPLIED, UNREPLIED, RequestReply
from statefulinspect.machines.tcp import TcpMachine
from statefulinspect.machines.tcp_in_order import ask
from statefulinspect.machines.tcp_segment import scale_and_flags
from statefulinspect.machines.tcp_table import TcpEvent
from statefulinspect.rules.engine.foretelling import IS_REPLY, SEEN_REPLY, Way
from statefulinspect.screening import is_ordinary
from statefulinspect.terms import ACCEPT, DROP, OK
from statefulinspect.zones import NO_ZONE

PACKETS: Final = 8  # of an exchange: who says more most likely goes on
FEW: Final = 8  # SYNs in a row that nobody has answered: from then on they are a flood


class Detached:
    """Make connections that are tracked no more."""

    def __init__(self, machines: Sequence[Machine], *, is_accounted: bool) -> None:
        self._machines: Sequence[Any] = machines
        self._is_accounted = is_accounted
        self.detached, self.wanted = self, 0

    def make(self, folded: Unreplied | Exchange, reply_key: bytes) -> Connection:
        """Make the connection that a SYN or a question has opened."""
        protocol, at, accounted = folded.protocol, folded.created_at, self._is_accounted
        machine = self._machines[protocol]
        connection = connect(protocol, folded.key, reply_key, machine, at, NO_ZONE, accounted)
        original = connection.original_side
        original.packets, original.octets = folded.packets, folded.octets
        if isinstance(folded, Unreplied):
            ask(original, folded.end, folded.window, folded.scale, folded.flags)
        else:
            machine.resume(connection, folded.reply_packets, folded.reply_octets)
        connection.expires_at = folded.expires_at
        return connection

    def unfold(self, folded: Unreplied | Exchange, reply_key: bytes) -> Connection:
        """Make the connection; nothing tracks it."""
        connection = self.make(folded, reply_key)
        part(connection)
        return connection


class Openings:
    """Open connections whose fate is foregone; None is left to the full way.

    `unanswered` counts the SYNs since one was answered, `wanted` the next connections that are not
    folded.
    """

    def __init__(self, judge: Judge, config: Config) -> None:
        self._judge, self._fates = judge, judge.answers.fates
        self._expectations = judge.expectations
        self._table, self._wheel, self._capacity = judge.table, judge.wheel, judge.capacity
        self._journal, self.unanswered, self.wanted = judge.journal, 0, 0
        self._machines: Any = judge.machines
        self._tcp: TcpMachine = judge.machines[TCP]  # type: ignore[assignment]  # by protocol
        self._life = self._tcp.timers.opening
        screen = judge.validation.screen
        self._is_ordinary = screen.spares if config.dos.networks else is_ordinary
        self.detached = Detached(judge.machines, is_accounted=config.accounting)
        self._helped = {
            each: judge.assistant.helped_ports(each) for each in (TCP, UDP, ICMP, ICMPV6)
        }

    def by_syn(  # noqa: PLR0913, PLR0917 - the numbers of a segment
        self, packet: bytes, key: bytes, octets: int, way: Way, end: int, window: int,
        options: bytes, now: float,
    ) -> Verdict | None:  # fmt: skip
        """Open a TCP connection."""
        fate = self._admit(TCP, packet, key, octets, way, now)
        if not isinstance(fate, tuple):
            return fate
        _, state, direction, rule, _, _ = fate
        scale, flags = scale_and_flags(options) if options else (0, 0)
        expires_at = now + self._life
        self.unanswered += 1
        if self.unanswered <= FEW or self._journal is not None:  # events tell of connections
            connection = self._judge.connection_for(TCP, key, NO_ZONE, now)
            side = connection.original_side
            ask(side, end, window, scale, flags)
            connection.expires_at = expires_at
            side.packets, side.octets = 1, octets
            self._enter(connection, now)
            return verdict_of(ACCEPT, state, direction, OK, connection, rule)
        opened: Any = Unreplied(key, self, now, expires_at, octets, end, window or 1, scale, flags)
        self._table.enter_unreplied(opened)
        self._capacity.enter(opened, now)
        self._wheel.file(opened)
        return verdict_of(ACCEPT, state, direction, OK, opened, rule, FoldedVerdict)

    def unfold(self, folded: Unreplied | Exchange, reply_key: bytes) -> Connection:
        """Make the connection, and put it in the place of what was kept of it."""
        connection = self.detached.make(folded, reply_key)
        self._wheel.replace(folded, connection)
        self._capacity.replace(folded, connection)
        self._table.replace(folded, connection)
        return connection

    def of_pair(  # noqa: PLR0913, PLR0917 - the packet
        self, protocol: int, packet: bytes, key: bytes, octets: int, way: Way, now: float
    ) -> Verdict | None:
        """Open a connection of requests and their answers."""
        fate = self._admit(protocol, packet, key, octets, way, now)
        if not isinstance(fate, tuple):
            return fate
        _, state, direction, rule, _, _ = fate
        machine: RequestReply = self._machines[protocol]
        if self.wanted or self._journal is not None:
            self.wanted = max(0, self.wanted - 1)
            connection = self._judge.connection_for(protocol, key, NO_ZONE, now)
            side = connection.original_side
            machine.begin(side, now)
            side.packets, side.octets = 1, octets
            self._enter(connection, now)
            return verdict_of(ACCEPT, state, direction, OK, connection, rule)
        reply_key: Any = reverse(protocol, key)  # what asks has an answer
        expires_at = now + machine.timeouts[UNREPLIED]
        asked: Any = Exchange(key, self, now, expires_at, octets, protocol, reply_key)
        self._table.enter_exchange(asked)
        self._capacity.enter(asked, now)
        self._wheel.file(asked)
        return verdict_of(ACCEPT, state, direction, OK, asked, rule, FoldedVerdict)

    def exchange(
        self, exchange: Exchange, key: bytes, octets: int, way: Way, now: float
    ) -> Verdict | None:
        """Take one of the few packets of an exchange, if its fate is known and no stream begins."""
        protocol, is_reply = exchange.protocol, key != exchange.key
        machine: RequestReply = self._machines[protocol]
        stage = IS_REPLY if is_reply else 0
        if exchange.reply_packets:
            stage |= SEEN_REPLY
            if now > exchange.created_at + machine.settles_after:
                return None
        if now >= exchange.expires_at or exchange.packets + exchange.reply_packets >= PACKETS:
            return None
        fate = self._fates.known((protocol, len(key), stage, way))
        if fate is None:  # most likely not the next ones' either
            self.wanted = WANTED
            return None
        action, ct_state, direction, rule, tally, _ = fate
        if direction is None:  # kept from tracking, which is for who opens
            return None
        if is_reply:
            exchange.reply_packets += 1
            exchange.reply_octets += octets
        else:
            exchange.packets += 1
            exchange.octets += octets
        state = REPLIED if exchange.reply_packets else UNREPLIED
        exchange.expires_at = now + machine.timeouts[state]
        if tally is not None:
            count(tally, octets)
        held: Any = exchange
        return verdict_of(action, ct_state, direction, OK, held, rule, FoldedVerdict)

    def stray(  # noqa: PLR0913, PLR0917 - the packet
        self, packet: bytes, key: bytes, octets: int, way: Way, event: TcpEvent, now: float
    ) -> Verdict | None:
        """Answer a TCP segment that belongs to no connection, and cannot open one."""
        reason = self._tcp.refusal(event)
        if reason is OK or self._expectations.count or not self._is_ordinary(key):
            return None
        return self._fates.of_stray(TCP, key, packet, octets, way, reason, now)

    def _enter(self, connection: Connection, now: float) -> None:
        self._table.enter(connection)
        self._capacity.enter(connection, now)
        self._wheel.file(connection)
        if self._journal is not None:
            self._journal.opened(connection, now)

    def _admit(  # noqa: PLR0913, PLR0917 - the packet
        self, protocol: int, packet: bytes, key: bytes, octets: int, way: Way, now: float
    ) -> Fate | Verdict | None:
        """Tell the fate of an opening that rules and room admit, or the verdict if they do not.

        None if somebody has to look at it.
        """
        helped = self._helped[protocol]
        if self._expectations.count or (helped and key[-2:] in helped):
            return None
        if not self._is_ordinary(key):
            return None
        fate = self._fates.of((protocol, len(key), 0, way), packet, octets, None, now)
        if fate is None:
            return None
        action, state, direction, rule, tally, _ = fate
        if tally is not None:
            count(tally, octets)
        if action is not ACCEPT or direction is None:
            return verdict_of(action, state, direction, why_untracked(state), None, rule)
        reason = self._capacity.make_room(0, key, now)
        if reason is not OK:
            return verdict_of(DROP, state, direction, reason, None, rule)
        return fate
