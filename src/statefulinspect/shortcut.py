"""The short way of a packet: of plain form, and decided by what is known of its flow alone.

Most packets that the hot path leaves are ordinary too: they open a connection, answer, go on, or
end it, and the rules need no record to look at (`fates`). Such a packet is read from the wire
without one being made; machine, table, wheel and verdict are those of the full way. What is less
than ordinary is left to that: then `None` is given, and nothing has been changed. A property test
holds the short way to what the full way does.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Final, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.checksums import plain_is_right
from statefulinspect.config import Config
from statefulinspect.connection import Side, Verdict
from statefulinspect.decoding import DONT_FRAGMENT, PLAIN_IPV4, PLAIN_IPV6, decode
from statefulinspect.fates import count
from statefulinspect.flowkey import ICMP, ICMPV6, TCP, UDP
from statefulinspect.folded import Exchange
from statefulinspect.journal import Marks
from statefulinspect.judge import Judge
from statefulinspect.machines.icmp import KINDS, MessageKind
from statefulinspect.machines.request_reply import RequestReply
from statefulinspect.machines.tcp import TcpMachine
from statefulinspect.machines.tcp_flags import FIN_FLAG, SYN_FLAG
from statefulinspect.machines.tcp_in_order import answer, follow
from statefulinspect.machines.tcp_prediction import take_back
from statefulinspect.machines.tcp_segment import SHAPES, TIMESTAMPS_ONLY, Segment
from statefulinspect.machines.tcp_table import ACK, FIN, SYN, SYN_ACK
from statefulinspect.openings import Openings
from statefulinspect.rules.engine.foretelling import Way
from statefulinspect.rules.engine.walk import walk_of
from statefulinspect.seqnum import M32
from statefulinspect.terms import OK, Reason

# Of a plain packet: its bytes, key, length, where 20 octets of transport header end, the numbers
# behind the ports, way, now.
Numbers = tuple[int, int, int, int]
Road = Callable[[bytes, bytes, int, int, Numbers, Way, float], "Verdict | None"]

NOT_PLAIN: Final = -1  # the protocol of a fragment, and of what is too short for TCP
FILLER: Final = bytes(60)  # as long as the headers of IPv6 and TCP
KEY_SIZES: Final = {ICMP: 12, ICMPV6: 36}  # of the IP version that carries these messages
ANSWER, OPENING = MessageKind.ANSWER, MessageKind.OPENING


class Shortcut:
    """Take ordinary packets of TCP, UDP and ICMP through; `roads` lead there, by protocol.

    There are none where lives are shortened, and none may be taken while some connection's zone
    holds for one direction only. If rules look before tracking does, it must be known beforehand
    what they say.
    """

    def __init__(self, judge: Judge, config: Config) -> None:
        self._judge, self._answers, self._table = judge, judge.answers, judge.table
        self._fates = judge.answers.fates
        messages = {each: partial(self._message, each) for each in KEY_SIZES}
        roads: dict[int, Road] = {TCP: self._tcp, UDP: self._udp, **messages}
        if config.verify_checksums:
            roads = {each: partial(self._verified, each, road) for each, road in roads.items()}
        sides: Any = {each: judge.table.sides(0, each) for each in (UDP, *KEY_SIZES)}
        self._sides: dict[int, dict[bytes, Side | Exchange]] = sides
        self._tcp_sides = judge.table.sides(0, TCP)
        self._openings = Openings(judge, config)
        self._tells, self._has_raw = judge.journal is not None, judge.filter.has_raw
        self._windows: dict[int, int] = {}  # one object for each of 65,536 at most
        is_closed = config.limits.adaptive_start is not None
        self.roads: Mapping[int, Road] = {} if is_closed else {NOT_PLAIN: self._short, **roads}

    def _verified(
        self, protocol: int, road: Road, packet: bytes, key: bytes, length: int, at: int,
        numbers: Numbers, way: Way, now: float,
    ) -> Verdict | None:  # fmt: skip
        """Take a packet through whose checksums are right."""
        if not plain_is_right(packet, protocol, at - 20, length):
            return None
        return road(packet, key, length, at, numbers, way, now)

    def _tcp(  # noqa: C901, PLR0912 - a call costs a twentieth
        self, packet: bytes, key: bytes, length: int, at: int, numbers: Numbers,
        way: Way, now: float,
    ) -> Verdict | None:  # fmt: skip
        """Take a TCP segment through."""
        seq, ack, bits, window = numbers
        shape = SHAPES[bits]
        if shape is None:
            return None
        event, flags, size = shape
        data = at - 20 + size
        if not at <= data <= length <= len(packet):
            return None
        window = self._windows.setdefault(window, window)
        options = packet[at:data]
        end = seq + length - data
        side = self._tcp_sides.get(key)
        if not isinstance(side, Side):  # unknown, or only its SYN is
            side = self._table.unreplied_side(key, side)
        if side is None:
            if event is not SYN:
                return self._openings.stray(packet, key, length, way, event, now)
            end = end + 1 & M32
            return self._openings.by_syn(packet, key, length, way, end, window, options, now)
        connection = side.connection
        machine: TcpMachine = connection.machine  # type: ignore[assignment]  # by protocol
        if not self._may_go_on(side, packet, length, way, now):
            return None
        marks = Marks.of(connection) if self._tells else None
        if connection.is_assured:
            take_back(connection)
        if event is ACK or event is FIN:
            end += flags & FIN_FLAG
            is_plain = data == at or (data == at + 12 and options.startswith(TIMESTAMPS_ONLY))
            is_taken = is_plain and follow(side, event, seq, ack, end, window, machine.timers, now)
        else:
            end += flags & SYN_FLAG and 1
            is_taken = event is SYN_ACK and answer(
                side, ack, end & M32, window, options, now + machine.timers.answering
            )
            if is_taken:
                self._openings.unanswered = 0
        reason = OK
        if not is_taken:
            segment = Segment(event, flags, seq, ack, end & M32, window, options, ack)
            reason = machine.advance(side, segment, now)
        return self._go_on(side, packet, length, reason, marks, way, now)

    def _short(
        self, packet: bytes, _: bytes, __: int, ___: int, ____: Numbers, way: Way, now: float
    ) -> Verdict | None:
        """Take a packet through that is too short for TCP, filled up so that it can be read."""
        first, length, fragment, kind, key, *numbers = PLAIN_IPV4(packet + FILLER)
        at = 40
        if first >> 4 == 6:
            size, kind, key, *numbers = PLAIN_IPV6(packet + FILLER)
            length, at = size + 40, 60
        elif first != 0x45 or (fragment and fragment != DONT_FRAGMENT):
            return None
        road = self.roads.get(kind)
        return None if road is None else road(packet, key, length, at, tuple(numbers), way, now)

    def _udp(
        self, packet: bytes, key: bytes, length: int, at: int, numbers: Numbers,
        way: Way, now: float,
    ) -> Verdict | None:  # fmt: skip
        """Take a UDP datagram through."""
        if not 8 <= numbers[0] >> 16 <= length - at + 20 or length > len(packet):
            return None
        side = self._sides[UDP].get(key)
        if side is None:
            return self._openings.of_pair(UDP, packet, key, length, way, now)
        return self._pair(side, packet, key, length, way, now)

    def _message(
        self, protocol: int, packet: bytes, key: bytes, length: int, at: int, _: Numbers,
        way: Way, now: float,
    ) -> Verdict | None:  # fmt: skip
        """Take an ICMP message through; behind the addresses its key has identifier, type, code."""
        kind = KINDS[protocol][key[-4]]
        if (kind is not OPENING and kind is not ANSWER) or len(key) != KEY_SIZES[protocol]:
            return None
        if not at - 12 <= length <= len(packet):
            return None
        key = key[:-4] + packet[at - 16 : at - 14] + key[-4:-2]
        side = self._sides[protocol].get(key)
        if side is not None:
            return self._pair(side, packet, key, length, way, now)
        if kind is not OPENING:
            return None
        return self._openings.of_pair(protocol, packet, key, length, way, now)

    def _pair(
        self, side: Side | Exchange, packet: bytes, key: bytes, length: int, way: Way, now: float
    ) -> Verdict | None:
        """Take a packet of a request or its answers through."""
        if isinstance(side, Exchange):
            verdict = self._openings.exchange(side, key, length, way, now)
            if verdict is not None:
                return verdict
            side = self._table.unfolded_side(key, side)
        connection = side.connection
        machine: RequestReply = connection.machine  # type: ignore[assignment]  # as above
        verdict, terms = side.verdict, side.terms
        if (  # `_may_go_on`, `ready` and `settle` written out: nobody to ask, and nobody to tell
            verdict is not None
            and (terms is None or terms[0] == way)
            and now < connection.expires_at
            and not self._tells
            and (connection.rare is None or connection.is_ordinary)
        ):
            machine.advance(side, now)
            side.packets += 1
            side.octets += length
            if terms is not None:
                count(terms[1], length)
            if connection.is_assured and connection.older is not None:  # it has become a stream
                self._judge.renew(connection)
            return verdict
        if not self._may_go_on(side, packet, length, way, now):
            return None
        marks = Marks.of(connection) if self._tells else None
        reason = machine.advance(side, now)
        return self._go_on(side, packet, length, reason, marks, way, now)

    def _may_go_on(self, side: Side, packet: bytes, length: int, way: Way, now: float) -> bool:
        """Say whether a known connection has an ordinary packet, which rules before it let pass."""
        connection = side.connection
        if now >= connection.expires_at:
            return False
        if connection.rare is not None and not connection.is_ordinary:
            return False
        return not self._has_raw or self._fates.passes(side, packet, length, way, now)

    def _go_on(
        self, side: Side, packet: bytes, length: int, reason: Reason, marks: Marks | None,
        way: Way, now: float,
    ) -> Verdict:  # fmt: skip
        """Answer a packet that its connection has taken; let the rules look if they have to."""
        ready = self._fates.ready
        verdict = ready(side, packet, length, way, now) if reason is OK else None
        if verdict is not None:
            self._judge.settle(side, length, OK, now)
            if marks is not None:
                self._judge.tell(side.connection, marks, verdict, now)
            return verdict
        hook, iif, oif, mark = way or ("forward", "", "", 0)
        decoded = decode(packet, iif, oif, mark)
        decoded.hook = hook
        walk = walk_of(decoded, now, self._table.candidates)
        if self._has_raw:
            self._answers.before_tracking(walk)  # lets it pass, and counts it
        return self._judge.conclude(side, walk, reason, marks)
