"""The composition: one packet in, one verdict out.

Life of a packet: find its flow key, find the side that the key leads to, let the protocol's
machine step, let the rules look, hand out the verdict. `process` first tries the one case that
nearly all packets are, the next TCP segment in order of an established connection: it reads the
wire, makes no object and asks no rule. Then comes the short way (`shortcut`) of what is ordinary
otherwise, and for the rest the full way (`judge`). All three give the same answers.

Header prediction (Jacobson 1990): of an ACK without SYN, FIN, RST, URG and SACK, from a side that
`tcp_prediction.arm` has found settled, the four bounds come down to a few plain comparisons, and
what is learned to a few stores; see there what keeps that right. Acknowledgement and window are
looked at only when they are not what the side said last. A segment that would wrap numbers, closes
a window, or may be the last one again, is left alone, and nothing has been changed.
"""

from __future__ import annotations

from functools import partial
from itertools import zip_longest
from struct import error as struct_error
from typing import Any, Callable, Final, Iterable  # noqa: UP035 - Python 3.9

from statefulinspect.checks import ConfigError, refuse_other
from statefulinspect.checksums import plain_is_right
from statefulinspect.config import Config
from statefulinspect.connection import NO_NUMBER, Side, Verdict
from statefulinspect.decoding import DONT_FRAGMENT, PLAIN_IPV4, PLAIN_IPV6, decode
from statefulinspect.fates import count
from statefulinspect.flowkey import TCP
from statefulinspect.machines.tcp_segment import PLAIN_HEADERS, TIMESTAMPS_ONLY, usual_headers
from statefulinspect.machines.tcp_table import ESTABLISHED
from statefulinspect.machines.tcp_timers import TcpTimers
from statefulinspect.packet import PacketLike, to_bytes
from statefulinspect.rehearsal import Rehearsal
from statefulinspect.rules.engine.path import PATHS, refuse_hook
from statefulinspect.rules.engine.trace import Trace
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.ruleset import Ruleset
from statefulinspect.seqnum import M32
from statefulinspect.shortcut import NOT_PLAIN, Shortcut
from statefulinspect.terms import Direction
from statefulinspect.tracked import Tracked
from statefulinspect.zones import NO_ZONE, Zone

TOO_SHORT: Final = (NOT_PLAIN, b"", 0, 0, 0, 0, 0, 0)  # kind, key and numbers
OPTIONS: Final = 6 << 12  # from here on, the TCP header is longer than its fixed part
MISSING: Final[Any] = object()
FORWARD: Final = "forward"  # what `hook` is by default: `is` is fastest, others are in PATHS
NOBODY: Final = Side(b"", 0)  # whom a key leads to that is in no table


class Tracker(Tracked):
    """Track connections and judge packets; no I/O, no clock, no threads, no randomness.

    The same calls give the same answers. `rules` default to `Ruleset.default()`, which drops
    INVALID and accepts all else; `config` to `Config()`.

    >>> tracker = Tracker()
    >>> request = bytes.fromhex("4500001c0000400040110000 0a000001 0a000002 04000035 00080000")
    >>> answer = bytes.fromhex("4500001c0000400040110000 0a000002 0a000001 00350400 00080000")
    >>> tracker.process(request, 0.0).ct_state, tracker.process(answer, 0.1).ct_state
    (<CtState.NEW: 'new'>, <CtState.ESTABLISHED: 'established'>)
    """

    def __init__(self, rules: Ruleset | None = None, config: Config | None = None) -> None:
        rules = Ruleset.default() if rules is None else rules
        config = Config() if config is None else config
        refuse_other("rules", rules, Ruleset, RuleError)
        refuse_other("config", config, Config, ConfigError)
        super().__init__(rules, config)
        tcp_sides: Any = self._table.sides(0, TCP)
        self._tcp_sides: dict[bytes, Side] = tcp_sides  # of an `Unreplied` no segment comes next
        self._split_sides = self._table.split_sides
        self._looks_closer = config.verify_checksums or self._split_sides  # true once it is filled
        timers = TcpTimers(config)
        self._life, self._life_of_data = timers.unhindered[ESTABLISHED], timers.waiting[ESTABLISHED]
        self._asks_way = self._judge.filter.asks_way
        self._headers = usual_headers() if self._judge.filter.asks_flags else PLAIN_HEADERS
        self._roads = Shortcut(self._judge, config).roads

    def process(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - a call costs a tenth
        self,
        packet: PacketLike,
        now: float,
        iif: str = "",
        oif: str = "",
        mark: int = 0,
        zone: int = 0,
        zone_direction: Direction | None = None,
        hook: str = FORWARD,
    ) -> Verdict:
        """Judge one packet that arrived at `now`, and let its connection advance.

        `packet` is a raw IPv4 or IPv6 packet as bytes-like object, or dpkt's IP, IP6 or Ethernet;
        whatever its bytes are, it gets a verdict. `now` is in seconds, of any epoch, best a
        float; an earlier `now` than the last counts as the last. `iif`, `oif` and `mark` are for
        the rules to look at, as is `hook`: which way the packet takes (forward, input, output), and
        so which chains it meets. `zone` (0 to 65535) is a table of its own, for both directions or,
        by `zone_direction`, for one (the other is then in zone 0). TypeError for what is of
        another type, ValueError for an unknown zone, direction, hook or mark, and for a time that
        is not finite.
        """
        if type(packet) is not bytes:
            packet = to_bytes(packet)
        if type(now) is not float or not self._now <= now < self._wheel.next_tick_at:
            now = self._turn(now)
        try:
            first, length, fragment, kind, key, seq, ack, bits, window = PLAIN_IPV4(packet)
            if first == 0x45:
                octets = length - self._headers[bits]
                at = 40
                if fragment and fragment != DONT_FRAGMENT:
                    kind = NOT_PLAIN
            else:
                size, kind, key, seq, ack, bits, window = PLAIN_IPV6(packet)
                length = size + 40
                octets = length - 20 - self._headers[bits]
                at = 60
                kind |= (first & 0xF0 ^ 0x60) << 8  # no protocol's number but in version 6
        except struct_error:  # too short for TCP
            kind, key, length, at, seq, ack, bits, window = TOO_SHORT
        if kind == TCP and zone == 0 and zone_direction is None:
            side = self._tcp_sides.get(key, NOBODY)
            end = seq + octets
            if seq == side.next_seq and end <= side.max_end and length <= len(packet):
                connection, terms = side.connection, side.terms
                if (
                    now < connection.expires_at
                    and (bits < OPTIONS or packet[at : at + 4] == TIMESTAMPS_ONLY)
                    and (terms is None or terms[0] is None or terms[0] == (hook, iif, oif, mark))
                    and (hook is FORWARD or hook in PATHS)
                    and (not self._looks_closer or self._is_plain_and_right(packet, at, length))
                ):
                    if ack == side.highest_ack and window == side.seen_window:
                        fits = octets > 0  # else it might be a repetition
                    else:
                        highest, scaled = side.highest_ack, window << side.scale
                        receiver, reach = side.other, ack + scaled
                        fits = (
                            (ack > highest or octets > 0 or side.seen_window != NO_NUMBER)
                            and highest <= ack <= receiver.end
                            and reach < M32
                            and window > 0
                            and octets >= 0
                        )
                        if fits:
                            side.highest_ack, side.seen_window = ack, window
                            if scaled > side.max_window:  # noqa: PLR1730 - max() is a call
                                side.max_window = scaled
                            if reach > receiver.max_end:  # noqa: PLR1730 - as above
                                receiver.max_end = reach
                    if fits:
                        self._now = now
                        expires_at = now + self._life_of_data
                        if octets:
                            side.end = side.next_seq = end
                        elif ack == receiver.end and seq == receiver.highest_ack:
                            expires_at = now + self._life
                        connection.expires_at = expires_at
                        connection.last_is_reply, connection.last_seq = side.is_reply, seq
                        side.packets += 1
                        side.octets += length
                        if terms is not None:
                            count(terms[1], length)
                        if expires_at < connection.filed_at:
                            self._wheel.file(connection)
                        return side.verdict  # type: ignore[return-value]  # armed sides have one
        given = NO_ZONE
        if zone != 0 or zone_direction is not None or self._split_sides:
            given = Zone.of(zone, zone_direction)
        elif (road := self._roads.get(kind)) is not None and hook in PATHS:
            self._now = now
            way = (hook, iif, oif, mark) if self._asks_way else None
            verdict = road(packet, key, length, at, (seq, ack, bits, window), way, now)
            if verdict is not None:
                return verdict
        decoded = decode(packet, iif, oif, mark, given)
        decoded.hook = hook if hook in PATHS else refuse_hook(hook)
        self._now = now
        if decoded.fragment_at:
            return self._defragmenter.process(decoded, now)
        return self._classify(decoded, now)

    def process_many(
        self, packets: Iterable[PacketLike], now: float | Iterable[float], **context: Any
    ) -> list[Verdict]:
        """Judge packets one after the other, all at `now` or each at its own of as many times.

        `context` is what `process` takes besides, for all of them. A packet for which `process`
        would raise ends the batch there. ValueError, too, if there are not as many times as
        packets; those that have both are judged first.

        >>> [verdict.reason.name for verdict in Tracker().process_many([b"", b"E"], [0.0, 0.1])]
        ['NOT_IP', 'IP_HEADER_MALFORMED']
        """
        process: Callable[..., Verdict] = self.process
        if context:
            process = partial(process, **context)
        if not isinstance(now, Iterable):
            return [process(packet, now) for packet in packets]
        verdicts: list[Verdict] = []
        for packet, at in zip_longest(packets, now, fillvalue=MISSING):
            if packet is MISSING or at is MISSING:
                msg = f"{len(verdicts)} packets were judged: expected a time for each packet"
                raise ValueError(msg)
            verdicts.append(process(packet, at))
        return verdicts

    def _turn(self, now: float) -> float:
        """Tell what time it is, given what the caller says; remove some of what has expired."""
        now = self._later(now)
        if now >= self._wheel.next_tick_at:
            self._judge.sweep(now)
            self._defragmenter.sweep(now)
        return now

    def _is_plain_and_right(self, packet: bytes, at: int, length: int) -> bool:
        """Say whether checksums of a segment are right, and no zone is of one direction only."""
        return not self._split_sides and plain_is_right(packet, TCP, at - 20, length)

    def trace(  # noqa: PLR0913 - what `process` takes
        self,
        packet: PacketLike,
        now: float,
        *,
        iif: str = "",
        oif: str = "",
        mark: int = 0,
        zone: int = 0,
        zone_direction: Direction | None = None,
        hook: str = "forward",
    ) -> Trace:
        """Tell every rule that `process` would try for a packet, and how each would go.

        Takes what `process` takes, and changes nothing: counters, sets, limits and connections stay
        as they are. Helpers do not read, and rules announce nothing (`ct expectation set`). A
        fragment is held as it would be; the one that completes its datagram goes through the rules
        as the whole.
        """
        given = Zone.of(zone, zone_direction)
        decoded = decode(packet, iif, oif, mark, given)
        decoded.hook = hook if hook in PATHS else refuse_hook(hook)
        return Rehearsal(self._judge).trace(decoded, self._later(now), self._defragmenter.rehearsed)

    @property
    def ruleset(self) -> Ruleset:
        """Give the rules as they are now: with what counters, quotas and sets hold."""
        judge = self._judge
        return Ruleset.of_tables(judge.filter.tables(self._now, judge.table.candidates))
