"""The composition: one packet in, one verdict out.

Life of a packet: find its flow key, find the side that the key leads to, let the protocol's
machine step, let the rules look, hand out the verdict. `process` first tries the one case that
nearly all packets are, the next TCP segment in order of an established connection: it reads the
wire, makes no object and asks no rule. Everything else goes through `_classify`, which gives the
same answers for that case too.
"""

from __future__ import annotations

from math import isinf
from struct import error as struct_error
from typing import Final, Iterator  # noqa: UP035 - Python 3.9

from statefulinspect.checksums import header_is_right
from statefulinspect.config import Config
from statefulinspect.connection import Connection, Side, Verdict, join, part
from statefulinspect.conntable import ConnTable
from statefulinspect.flowkey import TCP, reverse
from statefulinspect.machines import make_machines
from statefulinspect.machines.icmp import quoted_flow
from statefulinspect.machines.tcp import TcpMachine
from statefulinspect.machines.tcp_segment import PLAIN_HEADER, TIMESTAMPS_ONLY
from statefulinspect.machines.tcp_window import follow
from statefulinspect.packet import (
    NOT_WHOLE,
    PLAIN_IPV4_TCP,
    PLAIN_IPV6_TCP,
    Packet,
    PacketLike,
    decode,
    to_bytes,
)
from statefulinspect.rules.matcher import Matcher
from statefulinspect.rules.model import Ruleset
from statefulinspect.terms import (
    ACCEPT,
    DROP,
    INVALID,
    NEW,
    OK,
    ORIGINAL,
    RELATED,
    UNTRACKED,
    Effect,
    Reason,
)
from statefulinspect.wheel import Wheel

SWEEP_AT_MOST: Final = 64  # entries that one `process` call looks at for expiry: bounded work
ZONES: Final = range(1 << 16)


class Tracker:
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
        self._config = Config() if config is None else config
        self._matcher = Matcher(Ruleset.default() if rules is None else rules)
        self._machines = make_machines(self._config)
        self._table = ConnTable()
        self._wheel: Wheel[Connection] = Wheel()
        self._now = float("-inf")
        self._tcp_sides = self._table.sides(0, TCP)
        tcp_machine = self._machines[TCP]
        assert isinstance(tcp_machine, TcpMachine)
        self._tcp_lifetimes = tcp_machine.lifetimes

    def process(  # noqa: C901, PLR0912, PLR0913 - the hot path: a call more costs it a tenth
        self,
        packet: PacketLike,
        now: float,
        *,
        iif: str = "",
        oif: str = "",
        mark: int = 0,
        zone: int = 0,
    ) -> Verdict:
        """Judge one packet that arrived at `now`, and let its connection advance.

        `packet` is a raw IPv4 or IPv6 packet as bytes-like object, or dpkt's IP, IP6 or Ethernet;
        whatever its bytes are, it gets a verdict. `now` is in seconds, of any epoch; an earlier
        `now` than the last counts as the last. `iif`, `oif` and `mark` are for the rules to look
        at, `zone` (0 to 65535) is a table of its own. TypeError and ValueError for arguments that
        are none of this.
        """
        if type(packet) is not bytes:
            packet = to_bytes(packet)
        if now > self._now:
            if now >= self._wheel.next_tick_at:
                self._sweep(now)
            self._now = now
        else:
            now = self._now
        try:
            if packet[0] == 0x45:
                length, part_of, protocol, key, seq, ack, offset_flags, window = PLAIN_IPV4_TCP(
                    packet
                )
                start = 20
            else:
                length, protocol, key, seq, ack, offset_flags, window = PLAIN_IPV6_TCP(packet)
                length, start, part_of = length + 40, 40, packet[0] & 0xF0 ^ 0x60
        except (IndexError, struct_error):  # too short for TCP
            return self._classify(decode(packet, iif, oif, mark, zone), now)
        if protocol == TCP and not zone and not part_of & NOT_WHOLE:
            side = self._tcp_sides.get(key)
            header = PLAIN_HEADER[offset_flags]
            if (
                side is not None
                and seq == side.next_seq
                and start + header <= length <= len(packet)
                and (header == 20 or packet[start + 20 : start + 24] == TIMESTAMPS_ONLY)
                and now < (connection := side.connection).expires_at
            ):
                end = seq + length - start - header  # beyond 32 bits it is unusual
                lifetime = follow(side, ack, end, window, self._tcp_lifetimes)
                if lifetime >= 0:
                    side.packets += 1
                    side.octets += length
                    connection.expires_at = expires_at = now + lifetime
                    if expires_at < connection.filed_at:
                        self._wheel.file(connection)
                    return side.verdict  # type: ignore[return-value]  # armed sides have one
        return self._classify(decode(packet, iif, oif, mark, zone), now)

    def find(self, packet: PacketLike, *, zone: int = 0) -> Connection | None:
        """Find the connection that a packet belongs to, or an ICMP error speaks of.

        Changes nothing; what is past its deadline at the last `now` is not found.
        """
        decoded = decode(to_bytes(packet), zone=zone)
        if decoded.reason is not OK or decoded.key is None:
            return None
        side = self._live_side(zone, decoded.protocol, decoded.key)
        if side is None and self._validate(decoded) is Reason.ERROR_ABOUT_CONNECTION:
            side = self._quoted_side(decoded)[0]
        return None if side is None else side.connection

    def expire(self, now: float) -> int:
        """Remove every connection whose deadline is not after `now`; tell how many."""
        if now > self._now:
            self._refuse_endless(now)
            self._now = now
        before = len(self._table)
        while self._wheel.next_tick_at <= self._now:
            self._sweep(self._now)
        for connection in list(self._wheel.passed(self._now)):
            self._remove(connection)
        return before - len(self._table)

    @property
    def next_expiry_at(self) -> float | None:
        """Tell the earliest deadline, when `expire` has work to do; None if there is none."""
        return self._wheel.earliest()

    def __len__(self) -> int:
        """Count the connections that are not past their deadline at the last `now`."""
        return len(self._table) - sum(1 for _ in self._wheel.passed(self._now))

    def __iter__(self) -> Iterator[Connection]:
        """Go over the live connections, in an order that depends on the calls only."""
        return iter([each for each in self._table if each.expires_at > self._now])

    def delete(self, connection: Connection) -> None:
        """Remove a connection; ValueError if this tracker does not hold it."""
        side = self._table.find(connection.zone, connection.protocol, connection.original_side.key)
        if side is None or side.connection is not connection:
            msg = f"{connection!r} is not tracked here"
            raise ValueError(msg)
        self._remove(connection)

    def flush(self) -> None:
        """Remove every connection."""
        for connection in list(self._table):
            self._remove(connection)

    def check(self) -> None:
        """Assert every invariant of the tracker's structures; for tests."""
        self._table.check()
        self._wheel.check()
        for connection in self._table:
            assert connection.filed_at <= connection.expires_at, "filed after its deadline"
            assert connection.is_assured <= connection.seen_reply, "assured without a reply"
            for side in (connection.original_side, connection.reply_side):
                assert side.next_seq in (-1, side.end), "the hot path expects a wrong number"
        assert self._wheel.count() == len(self._table), "the wheel holds others than the table"

    def _classify(self, packet: Packet, now: float) -> Verdict:
        """Judge a packet of any kind: the full way, which `process` only abbreviates."""
        self._refuse_endless(now)
        if packet.zone not in ZONES:
            msg = f"zone={packet.zone!r}: expected a whole number from 0 to 65535"
            raise ValueError(msg)
        reason = self._validate(packet)
        if reason is Reason.ERROR_ABOUT_CONNECTION:
            return self._relate(packet)
        if reason is not OK or packet.key is None:
            return self._answer_without_connection(packet, reason)
        side = self._table.find(packet.zone, packet.protocol, packet.key)
        if side is not None and side.connection.expires_at <= now:
            self._remove(side.connection)
            side = None
        return self._admit(packet, now) if side is None else self._advance(side, packet, now)

    def _validate(self, packet: Packet) -> Reason:
        """Check everything that can be checked without a connection."""
        if self._config.verify_checksums and packet.family == 4 and not header_is_right(packet):
            return Reason.IP_HEADER_CHECKSUM
        if packet.reason is not OK:
            return packet.reason
        return self._machines[packet.protocol].validate(packet)

    def _admit(self, packet: Packet, now: float) -> Verdict:
        """Open a connection with its first packet, if the machine and the rules let it."""
        connection = self._connection_for(packet, now)
        side = connection.original_side
        reason = connection.machine.open(side, packet, now)
        if reason.effect is Effect.REFUSE:
            part(connection)
            return self._answer_without_connection(packet, reason)
        action, rule = self._matcher.judge(packet, NEW)
        if action is not ACCEPT:
            part(connection)
            return Verdict(action, NEW, ORIGINAL, OK, None, rule)
        self._table.enter(connection)
        return self._settle(side, packet, reason)

    def _connection_for(self, packet: Packet, now: float) -> Connection:
        """Make the connection that a packet would open."""
        key = packet.key or b""
        original, reply = Side(key, 0), Side(reverse(packet.protocol, key) or b"", 1)
        connection = Connection(
            packet.protocol,
            original,
            reply,
            self._machines[packet.protocol],
            created_at=now,
            zone=packet.zone,
            is_accounted=self._config.accounting,
        )
        join(connection)
        return connection

    def _advance(self, side: Side, packet: Packet, now: float) -> Verdict:
        """Take a known connection one packet further."""
        connection = side.connection
        reason = connection.machine.step(side, packet, now)
        if reason.effect is Effect.REOPEN:
            self._remove(connection)
            return self._admit(packet, now)
        if reason.effect is Effect.REFUSE:
            self._renew(connection)
            return self._answer_without_connection(packet, reason)
        return self._settle(side, packet, reason)

    def _settle(self, side: Side, packet: Packet, reason: Reason) -> Verdict:
        """Count an accepted packet, answer it, and let the answer change what is next."""
        connection = side.connection
        verdict = self._answer(side, packet, reason)
        if reason.effect is not Effect.IGNORE:
            side.packets += 1
            side.octets += packet.length
        if reason.effect is Effect.END:
            self._remove(connection)
            return verdict
        if side.is_reply and not connection.seen_reply:
            connection.seen_reply = True
            side.other.verdict = None  # its next packet is ESTABLISHED
        self._renew(connection)
        return verdict

    def _renew(self, connection: Connection) -> None:
        """Bring the wheel and the hot path up to date with what a machine wrote."""
        if connection.expires_at < connection.filed_at:
            self._wheel.file(connection)
        connection.machine.arm(connection)

    def _answer(self, side: Side, packet: Packet, reason: Reason) -> Verdict:
        """Hand out the side's verdict; make it first if there is none that still holds."""
        if side.verdict is not None and reason is OK:
            return side.verdict
        ct_state = side.ct_state
        action, rule = self._matcher.judge(packet, ct_state)
        verdict = Verdict(action, ct_state, side.direction, reason, side.connection, rule)
        if reason is OK and not self._matcher.asks_packet:
            side.verdict = verdict
        return verdict

    def _answer_without_connection(self, packet: Packet, reason: Reason) -> Verdict:
        """Answer a packet that belongs to no connection."""
        if reason.effect is Effect.DISCARD:
            return Verdict(DROP, INVALID, None, reason)
        ct_state = UNTRACKED if reason.effect is Effect.EXEMPT else INVALID
        action, rule = self._matcher.judge(packet, ct_state)
        return Verdict(action, ct_state, None, reason, None, rule)

    def _relate(self, packet: Packet) -> Verdict:
        """Answer an ICMP error by the packet that it quotes."""
        side, reason = self._quoted_side(packet)
        if side is None:
            return self._answer_without_connection(packet, reason)
        action, rule = self._matcher.judge(packet, RELATED)
        return Verdict(action, RELATED, side.direction, reason, side.connection, rule)

    def _quoted_side(self, packet: Packet) -> tuple[Side | None, Reason]:
        """Find the side that would answer the packet quoted in an ICMP error."""
        flow = quoted_flow(packet)
        if flow is None:
            return None, Reason.QUOTE_MALFORMED
        side = self._live_side(packet.zone, *flow)
        if side is None:
            return None, Reason.QUOTE_UNKNOWN
        if flow.destination != packet.destination:
            return None, Reason.QUOTE_MISDIRECTED
        return side, Reason.ERROR_ABOUT_CONNECTION

    def _live_side(self, zone: int, protocol: int, key: bytes) -> Side | None:
        """Find a side whose connection is not past its deadline; changes nothing."""
        side = self._table.find(zone, protocol, key)
        return side if side is not None and side.connection.expires_at > self._now else None

    def _remove(self, connection: Connection) -> None:
        self._wheel.cancel(connection)
        self._table.remove(connection)

    def _sweep(self, now: float) -> None:
        """Remove some of what has expired; look-ups treat the rest as gone already."""
        self._refuse_endless(now)
        for connection in self._wheel.due(now, SWEEP_AT_MOST):
            self._table.remove(connection)

    @staticmethod
    def _refuse_endless(now: float) -> None:
        if isinf(now):  # a NaN as the very first `now` ends here too: as minus infinity
            msg = f"now={now}: expected a finite number of seconds"
            raise ValueError(msg)
