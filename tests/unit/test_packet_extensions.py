"""IPv6 extension headers: what is walked over, and every way to be cut short."""

from __future__ import annotations

import pytest

from builders import CLIENT6, SERVER6, TCP, ip, tcp
from statefulinspect import Reason
from statefulinspect.decoding import decode

# A header is its number and its octets behind the next-header field.
HOP_BY_HOP = 0, bytes([0]) + bytes(6)
ROUTING = 43, bytes([2]) + bytes(22)
DESTINATION = 60, bytes([1]) + bytes(14)
AUTHENTICATION = 51, bytes([4]) + bytes(22)  # counts words less two, not octets (RFC 4302 2.2)
SMALLEST_AUTHENTICATION = 51, bytes([0]) + bytes(6)
ATOMIC = 44, bytes(7)
RESERVED_BITS = 44, bytes([0, 0, 6]) + bytes(4)
FIRST_FRAGMENT = 44, bytes([0, 0, 1]) + bytes(4)
LATER_FRAGMENT = 44, bytes([0, 0, 8]) + bytes(4)
FAR_FRAGMENT = 44, bytes([0, 1, 0]) + bytes(4)
MIDDLE_FRAGMENT = 44, bytes([0, 0, 9]) + bytes(4)
NO_NEXT, ESP, HIP, MOBILITY = 59, 50, 139, 135
ENDS = {"source": CLIENT6, "destination": SERVER6}

CHAINS = {
    "hop-by-hop": [HOP_BY_HOP],
    "routing": [ROUTING],
    "destination": [DESTINATION],
    "authentication": [AUTHENTICATION],
    "the smallest authentication": [SMALLEST_AUTHENTICATION],
    "atomic fragment": [ATOMIC],
    "reserved bits": [RESERVED_BITS],
    "two of a kind": [DESTINATION, DESTINATION],
    "hop-by-hop not at the front": [ROUTING, HOP_BY_HOP],
    "all of them": [HOP_BY_HOP, DESTINATION, ROUTING, ATOMIC, AUTHENTICATION, DESTINATION],
}
any_chain = pytest.mark.parametrize("headers", CHAINS.values(), ids=CHAINS)


def chain(headers, then=TCP):
    """Link headers up to a protocol: the number of the first, and the octets of all."""
    numbers = [number for number, _ in headers] + [then]
    octets = [bytes([after]) + rest for (_, rest), after in zip(headers, numbers[1:])]
    return numbers[0], b"".join(octets)


def packet_of(headers, payload, then=TCP):
    return decode(ip(CLIENT6, SERVER6, then, payload, extensions=chain(headers, then)))


@any_chain
def test_the_walk_ends_at_the_transport_header(headers):
    packet = decode(tcp(extensions=chain(headers), **ENDS))
    assert packet.reason is Reason.OK
    assert packet.l4 == 40 + len(chain(headers)[1])
    assert (packet.protocol, packet.source_port, packet.payload_length) == (TCP, 1000, 20)
    assert packet.key == decode(tcp(**ENDS)).key


@any_chain
def test_every_cut_of_a_chain_is_noticed(headers):
    first, walked = chain(headers)
    for cut in range(len(walked)):
        packet = decode(ip(CLIENT6, SERVER6, TCP, b"", extensions=(first, walked[:cut])))
        assert packet.reason is Reason.EXTENSION_MALFORMED, cut
        assert packet.key is None
    assert packet_of(headers, b"").reason is Reason.HEADER_CUT_SHORT
    assert packet_of(headers, bytes(3)).reason is Reason.HEADER_CUT_SHORT
    assert packet_of(headers, bytes(4)).reason is Reason.OK


@any_chain
def test_bytes_behind_the_packet_do_not_complete_a_chain(headers):
    first, walked = chain(headers)
    wire = ip(CLIENT6, SERVER6, TCP, b"", extensions=(first, walked[:-1]))
    assert decode(wire + walked[-1:] + bytes(40)).reason is Reason.EXTENSION_MALFORMED


@pytest.mark.parametrize(
    "fragment", [FIRST_FRAGMENT, LATER_FRAGMENT, FAR_FRAGMENT, MIDDLE_FRAGMENT]
)
@pytest.mark.parametrize("before", [[], [HOP_BY_HOP, ROUTING]])
def test_fragments(before, fragment):
    packet = packet_of([*before, fragment], bytes(20))
    assert packet.reason is Reason.FRAGMENT
    assert packet.key is None
    assert packet.l4 == 40 + len(chain([*before, fragment])[1])


def test_the_first_fragment_is_walked_on():
    packet = packet_of([FIRST_FRAGMENT, DESTINATION], bytes(20))
    assert packet.reason is Reason.FRAGMENT
    assert (packet.protocol, packet.l4) == (TCP, 40 + 8 + 16)


@pytest.mark.parametrize("fragment", [LATER_FRAGMENT, FAR_FRAGMENT, MIDDLE_FRAGMENT])
def test_behind_a_later_fragment_nothing_is_walked(fragment):
    packet = decode(ip(CLIENT6, SERVER6, TCP, b"mid", extensions=chain([fragment, DESTINATION])))
    assert packet.reason is Reason.FRAGMENT
    assert (packet.protocol, packet.l4) == (60, 48)


def test_a_later_fragment_may_be_empty():
    assert packet_of([LATER_FRAGMENT], b"").reason is Reason.FRAGMENT


def test_a_fragment_after_an_atomic_one_is_a_fragment():
    assert packet_of([ATOMIC, LATER_FRAGMENT], bytes(20)).reason is Reason.FRAGMENT


@pytest.mark.parametrize("headers", [[], [HOP_BY_HOP], [ATOMIC, DESTINATION]])
@pytest.mark.parametrize("payload", [b"", bytes(20)])
def test_no_next_header(headers, payload):
    packet = packet_of(headers, payload, then=NO_NEXT)
    assert packet.reason is Reason.NO_NEXT_HEADER
    assert packet.key is None


@pytest.mark.parametrize("headers", [[], [HOP_BY_HOP], [ATOMIC]])
def test_icmp_in_ipv6(headers):
    assert packet_of(headers, bytes(8), then=1).reason is Reason.WRONG_FAMILY


@pytest.mark.parametrize("protocol", [ESP, HIP, MOBILITY])
def test_other_extension_headers_are_protocols(protocol):
    packet = packet_of([HOP_BY_HOP], b"", then=protocol)
    assert packet.reason is Reason.OK
    assert (packet.protocol, len(packet.key)) == (protocol, 32)


def test_the_longest_header():
    longest = 60, bytes([255]) + bytes(2046)
    assert packet_of([longest], bytes(20)).l4 == 40 + 2048
    assert packet_of([(60, bytes([255]) + bytes(2045))], b"").reason is Reason.EXTENSION_MALFORMED
