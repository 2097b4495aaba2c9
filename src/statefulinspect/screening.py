"""Which packets are attacks by themselves, whatever the rules say and whoever they belong to.

The classics: LAND (CERT CA-1997-28), TCP flags that only scanners send, sources that no wire
carries (RFC 1122 3.2.1.3, RFC 6890), smurf (CERT CA-1998-01), the ping of death (CERT CA-1996-26),
and fragments that hide their transport header (RFC 1858, RFC 7112). Each has its switch in
`DosPolicy`.

The faster ways do without: they take only packets whose addresses are `is_ordinary`, and whose
flags, lengths and types no check refuses.
"""

from __future__ import annotations

from typing import Callable, Final, NamedTuple

from statefulinspect.decoding import FRAGMENT_OFFSET, GROUP
from statefulinspect.dos import DosPolicy
from statefulinspect.extensions import EXTENSIONS, walk_extensions
from statefulinspect.flowkey import (
    DCCP,
    ICMP,
    ICMPV6,
    IPV4_KEY_MAX,
    MAPPED_PREFIX,
    PORT_PROTOCOLS,
    SCTP,
    TCP,
    UDP,
    UDPLITE,
)
from statefulinspect.machines.tcp_flags import ALL_FLAGS, SCANS
from statefulinspect.packet import Packet
from statefulinspect.terms import OK, Effect, Reason

Broadcasts = frozenset[bytes]  # of the networks that were named, as they stand on the wire
Check = Callable[[Packet, Broadcasts], Reason]

DISCARD: Final = Effect.DISCARD
FRAGMENT: Final = Reason.FRAGMENT
IGMP: Final = 2
ECHO_REQUESTS: Final = {ICMP: 8, ICMPV6: 128}
GROUPS: Final = {4: range(224, 240), 6: range(GROUP, GROUP + 1)}  # by their addresses' first octet
NOWHERE: Final = bytes(4)
EVERYBODY: Final = b"\xff" * 4
LOOPBACK_IPV6: Final = bytes(15) + b"\1"
NOT_OF_HOSTS: Final = MAPPED_PREFIX[:10]  # and how ::1 begins
DHCP_SERVER: Final = 67

# What a first fragment must hold for its datagram to be judged: the fixed part of the header.
LEAST_HEADER: Final = {TCP: 20, UDP: 8, UDPLITE: 8, ICMP: 8, ICMPV6: 8, SCTP: 12, DCCP: 12}


class SourceRow(NamedTuple):
    """Name the IPv4 sources whose first octet is within bounds, both included."""

    first: int
    last: int
    reason: Reason


# fmt: off
SOURCE_ROWS: Final = (
    SourceRow(0,   0,   Reason.SOURCE_UNSPECIFIED),
    SourceRow(127, 127, Reason.SOURCE_LOOPBACK),
    SourceRow(224, 239, Reason.SOURCE_GROUP),
    SourceRow(240, 255, Reason.SOURCE_RESERVED),
)
# fmt: on

SOURCES: Final = tuple(
    next((row.reason for row in SOURCE_ROWS if row.first <= octet <= row.last), OK)
    for octet in range(256)
)


def check_land(packet: Packet, _: Broadcasts) -> Reason:
    """Discard what a host seems to send to itself; where there are ports, to the same port."""
    key, size = packet.key, 4 if packet.family == 4 else 16
    if key is None or key[:size] != key[size : 2 * size]:
        return OK
    has_ports = packet.protocol in PORT_PROTOCOLS
    return OK if has_ports and packet.source_port != packet.destination_port else Reason.LAND


def check_source(packet: Packet, broadcasts: Broadcasts) -> Reason:
    """Discard sources that no host on a wire has; IPv6 groups never come so far."""
    if packet.family == 6:
        return _check_ipv6_source(packet.source_octets)
    reason = SOURCES[packet.wire[12]]
    if reason is OK:
        is_broadcast = broadcasts and packet.source_octets in broadcasts
        return Reason.SOURCE_BROADCAST if is_broadcast else OK
    return OK if _has_no_address_yet(packet) else reason


def _check_ipv6_source(source: bytes) -> Reason:
    if source.startswith(MAPPED_PREFIX):
        return Reason.SOURCE_MAPPED
    return Reason.SOURCE_LOOPBACK if source == LOOPBACK_IPV6 else OK


def _has_no_address_yet(packet: Packet) -> bool:
    """Say whether a host may send this without an address (RFC 2131 4.1, RFC 3376 4.2.13)."""
    if packet.source_octets != NOWHERE:
        return False
    is_to_dhcp = packet.protocol == UDP and packet.destination_port == DHCP_SERVER
    return packet.protocol == IGMP or (is_to_dhcp and packet.destination_octets == EVERYBODY)


def is_ordinary(key: bytes) -> bool:
    """Say whether no check looks closer at the addresses of a key, whichever is the source.

    Whatever the device is that the packet came by, and unless they are broadcast addresses of
    networks that were named.
    """
    if len(key) <= IPV4_KEY_MAX:
        first, other = key[0], key[4]
        is_of_hosts = SOURCES[first] is SOURCES[other] is OK
        return is_of_hosts and (first != other or key[:4] != key[4:8])
    is_to_one = key[0] != GROUP and key[16] != GROUP
    is_of_hosts = NOT_OF_HOSTS not in (key[:10], key[16:26])
    return is_to_one and is_of_hosts and key[:16] != key[16:32]


def check_flags(packet: Packet, _: Broadcasts) -> Reason:
    """Discard flag sets that only scanners send; other impossible ones are INVALID anyway."""
    has_flags = packet.key is not None and packet.payload_length > 13
    return SCANS[packet.wire[packet.l4 + 13] & ALL_FLAGS] if has_flags else OK


def check_smurf(packet: Packet, broadcasts: Broadcasts) -> Reason:
    """Discard echo requests to many, whose answers would all go to the forged source."""
    if packet.icmp_type != ECHO_REQUESTS[packet.protocol]:
        return OK
    destination = packet.destination_octets
    is_group = destination[0] in GROUPS[packet.family]
    is_to_many = is_group or destination == EVERYBODY or destination in broadcasts
    return Reason.SMURF if is_to_many else OK


def check_length(packet: Packet, _: Broadcasts) -> Reason:
    """Discard a fragment that ends where no datagram can: the ping of death."""
    uncounted = 48 if packet.family == 6 else 0  # the IPv6 header, and the fragment header
    end = packet.stop - uncounted + fragment_offset(packet)
    return Reason.PING_OF_DEATH if end > 65_535 else OK


def check_header(packet: Packet, _: Broadcasts) -> Reason:
    """Discard fragments by which a transport header would be in two (RFC 1858 3, 4; RFC 7112 5)."""
    needed = LEAST_HEADER.get(packet.protocol, 0)
    offset = fragment_offset(packet)
    if offset:
        return Reason.FRAGMENT_IN_HEADER if offset < needed else OK
    is_chain_cut = packet.family == 6 and packet.protocol in EXTENSIONS
    return Reason.FRAGMENT_TINY if is_chain_cut or packet.payload_length < needed else OK


def fragment_offset(packet: Packet) -> int:
    """Tell where a fragment begins in its datagram, in octets, 0 to 65,528."""
    if packet.family == 4:
        return (int.from_bytes(packet.wire[6:8], "big") & FRAGMENT_OFFSET) * 8
    _, _, field = walk_extensions(packet.wire, packet.wire[6], 40, packet.stop)
    return field & ~7


class CheckRow(NamedTuple):
    """Name the switch of a check, and for which protocols it is made.

    `spares_loopback` leaves alone what never leaves its host.
    """

    switch: str
    check: Check
    protocols: frozenset[int] = frozenset(range(256))
    spares_loopback: bool = False


CHECKS: Final = (
    CheckRow("land", check_land, spares_loopback=True),
    CheckRow("spoofed_sources", check_source, spares_loopback=True),
    CheckRow("impossible_flags", check_flags, frozenset({TCP})),
    CheckRow("smurf", check_smurf, frozenset(ECHO_REQUESTS)),
)
FRAGMENT_CHECKS: Final = (
    CheckRow("ping_of_death", check_length),
    CheckRow("tiny_fragments", check_header),
)


def _by_protocol(rows: list[CheckRow]) -> tuple[tuple[Check, ...], ...]:
    """List the checks of each protocol number."""
    return tuple(tuple(row.check for row in rows if n in row.protocols) for n in range(256))


class Screen:
    """Look at packets for the attacks that a policy discards."""

    def __init__(self, policy: DosPolicy) -> None:
        rows = [row for row in CHECKS if getattr(policy, row.switch)]
        of_fragments = [row for row in FRAGMENT_CHECKS if getattr(policy, row.switch)]
        self._checks = _by_protocol(rows)
        self._local_checks = _by_protocol([row for row in rows if not row.spares_loopback])
        self._fragment_checks = tuple(row.check for row in of_fragments)
        self._loopback = policy.loopback
        self._broadcasts = frozenset(each.broadcast_address.packed for each in policy.networks)

    def spares(self, key: bytes) -> bool:
        """Say whether no check looks closer at the addresses of a key, whichever is the source."""
        named = self._broadcasts
        return is_ordinary(key) and (not named or named.isdisjoint((key[:4], key[4:8])))

    def check(self, packet: Packet) -> Reason:
        """Say which attack a packet is, or else what its own reason is; changes nothing.

        A fragment may be screened before it is put together; then its datagram is screened again.
        """
        if packet.reason.effect is DISCARD:
            return packet.reason
        is_local = packet.iif in self._loopback or packet.oif in self._loopback
        checks = (self._local_checks if is_local else self._checks)[packet.protocol]
        if packet.reason is FRAGMENT:
            checks += self._fragment_checks
        for check in checks:
            reason = check(packet, self._broadcasts)
            if reason is not OK:
                return reason
        return packet.reason
