"""What an ICMP or ICMPv6 message is: a query, an error about a connection, or neither.

Queries and their replies form pairs and are tracked (`request_reply`). Errors quote the packet
that they are about: they are RELATED to its connection and change nothing. ICMPv6's neighbour
discovery and listener reports belong to no conversation and are never tracked. All other types
are INVALID. RFC 792, RFC 950, RFC 4443, RFC 4861, RFC 2710, RFC 3810, RFC 4286, RFC 4620.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Callable, Final

from statefulinspect.checksums import payload_is_right, transport_is_right
from statefulinspect.connection import Side
from statefulinspect.decoding import FRAGMENT_OFFSET, IPV4_HEADER, IPV6_HEADER, flow_key
from statefulinspect.extensions import EXTENSIONS, LATER_FRAGMENT, NO_NEXT, walk_extensions
from statefulinspect.flowkey import (
    ICMP,
    ICMP_PAIRS,
    ICMPV6,
    ICMPV6_PAIRS,
    FlowKey,
    is_link_local,
    reverse,
)
from statefulinspect.machines.request_reply import RequestReply, Validator
from statefulinspect.packet import Packet
from statefulinspect.terms import OK, Reason


class QueryReply(RequestReply):
    """Track ICMP queries: only a query may begin, and no stream ever follows."""

    def __init__(self, timeout: float, validate: Validator) -> None:
        """Take the seconds that every packet gives, and the checks."""
        super().__init__((timeout,) * 3, inf, validate)

    def open(self, side: Side, packet: Packet, now: float) -> Reason:
        """Begin with a query; a reply that finds none is refused."""
        if kind_of(packet) is not MessageKind.OPENING:
            return Reason.ICMP_UNSOLICITED
        return super().open(side, packet, now)


class MessageKind(Enum):
    """Tell what the tracker does with a type."""

    OPENING = "a query: may open a connection"
    ANSWER = "a reply: must find its query"
    ERROR = "an error: must quote a tracked packet"
    EXEMPT = "never tracked"
    UNKNOWN = "belongs to no conversation"


ICMP_ERRORS: Final = frozenset({3, 4, 5, 11, 12})
# Listener queries, reports and dones, router and neighbour discovery, MLDv2 reports, and
# multicast router advertisement and solicitation.
EXEMPT_ICMPV6: Final = frozenset({130, 131, 132, 133, 134, 135, 136, 143, 151, 152})
ICMPV6_ERRORS: Final = frozenset(range(128))  # RFC 4443 2.1: the high bit tells errors apart

# A redirect is an error if it quotes: in its first option, behind the better hop and the
# destination (RFC 4861 4.5 and 4.6.3).
REDIRECT: Final = b"\x89\0"  # type and code
BEFORE_OPTIONS: Final = 40  # octets
REDIRECTED_HEADER: Final = 4  # the option that quotes

OWN_HEADER: Final = 8  # of an error, and of that option, before the packet it quotes


def _kinds(
    pairs: tuple[tuple[int, int], ...], errors: frozenset[int], exempt: frozenset[int]
) -> tuple[MessageKind, ...]:
    """List the kind of each of the 256 types."""
    kinds = dict.fromkeys(range(256), MessageKind.UNKNOWN)
    kinds.update(dict.fromkeys(errors, MessageKind.ERROR))
    kinds.update(dict.fromkeys(exempt, MessageKind.EXEMPT))
    for query, answer in pairs:
        kinds[query], kinds[answer] = MessageKind.OPENING, MessageKind.ANSWER
    return tuple(kinds.values())


KINDS: Final = {
    ICMP: _kinds(ICMP_PAIRS, ICMP_ERRORS, frozenset()),
    ICMPV6: _kinds(ICMPV6_PAIRS, ICMPV6_ERRORS, EXEMPT_ICMPV6),
}
REFUSALS: Final = {
    MessageKind.EXEMPT: Reason.EXEMPT_ICMPV6,
    MessageKind.UNKNOWN: Reason.ICMP_TYPE,
    MessageKind.ERROR: Reason.ERROR_ABOUT_CONNECTION,
}


def check_type(packet: Packet) -> Reason:
    """Tell what the type alone decides; OK for queries and replies."""
    return REFUSALS.get(kind_of(packet), OK)


def check_checksum_and_type(packet: Packet) -> Reason:
    """Check the checksum before the type: a corrupt neighbour discovery packet is INVALID."""
    is_right = payload_is_right if packet.protocol == ICMP else transport_is_right
    return check_type(packet) if is_right(packet) else Reason.CHECKSUM


def kind_of(packet: Packet) -> MessageKind:
    """Tell what kind of message a packet is."""
    kind = KINDS[packet.protocol][packet.wire[packet.l4]]
    return MessageKind.ERROR if kind is MessageKind.UNKNOWN and _redirects(packet) else kind


def _redirects(packet: Packet) -> bool:
    """Say whether a message is a redirect by a router on the link that quotes a packet."""
    message = packet.wire[packet.l4 : packet.stop]
    if packet.protocol != ICMPV6 or message[:2] != REDIRECT or len(message) < BEFORE_OPTIONS + 2:
        return False
    is_of_the_link = packet.wire[7] == 255 and is_link_local(packet.source_octets)
    kind, length = message[BEFORE_OPTIONS : BEFORE_OPTIONS + 2]
    return is_of_the_link and kind == REDIRECTED_HEADER and length > 0


def quote_at(packet: Packet) -> int:
    """Tell where in the packet an error quotes another."""
    is_redirect = packet.protocol == ICMPV6 and packet.wire[packet.l4] == REDIRECT[0]
    return packet.l4 + (BEFORE_OPTIONS if is_redirect else 0) + OWN_HEADER


def key_alone(quote: Packet) -> bytes | None:
    """Give a packet's key as it was read."""
    return quote.key


def quoted_flow(
    packet: Packet, complete: Callable[[Packet], bytes | None] = key_alone
) -> FlowKey | None:
    """Name the direction against the packet that an error quotes; None if it cannot be read.

    `complete` gives the quoted packet's key, which may hold more than the packet shows. Only what
    names the flow is read: version, lengths and checksums of a quoted packet may be wrong, and four
    bytes behind its IP header are enough for ports.
    """
    quote = Packet(packet.wire[quote_at(packet) : packet.stop])
    quote.stop = len(quote.wire)
    found = _find_ipv4(quote) if packet.family == 4 else _find_ipv6(quote)
    if not found:
        return None
    quote.key, reason = flow_key(quote)
    key = complete(quote)
    against = reverse(quote.protocol, key) if key is not None and reason is OK else None
    return None if against is None else FlowKey(quote.protocol, against)


def _find_ipv4(quote: Packet) -> bool:
    """Find the transport header of a quoted IPv4 packet; a later fragment has none."""
    if len(quote.wire) < 20:
        return False
    first, _, fragment, quote.protocol = IPV4_HEADER(quote.wire)
    quote.family, quote.l4 = 4, (first & 15) * 4
    return not fragment & FRAGMENT_OFFSET and quote.l4 <= quote.stop


def _find_ipv6(quote: Packet) -> bool:
    """Find the transport header of a quoted IPv6 packet; a later fragment has none."""
    if len(quote.wire) < 40:
        return False
    _, _, next_header = IPV6_HEADER(quote.wire)
    quote.family = 6
    quote.protocol, quote.l4, fragment = walk_extensions(quote.wire, next_header, 40, quote.stop)
    is_later = bool(fragment & LATER_FRAGMENT)
    is_found = quote.protocol not in EXTENSIONS and quote.protocol != NO_NEXT
    return is_found and not is_later
