"""IPv6 extension headers: what is walked over, and every way to be cut short."""

from __future__ import annotations

import pytest

from builders import CLIENT6, GRE, SERVER6, TCP, ip, tcp
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
NO_NEXT, ESP, HIP, MOBILITY, OSPF = 59, 50, 139, 135, 89
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


# What a cut takes away, and the answers if TCP follows, and if OSPF does, of which nothing is read.
CUTS = {
    "part of a hop-by-hop header, which routers read": ("HOP_BY_HOP_MALFORMED",) * 2,
    "part of what the walk reads of a header": ("EXTENSION_MALFORMED",) * 2,
    "the end of a header, and what the walk reads of the next": ("EXTENSION_MALFORMED",) * 2,
    "the end of the last header, which nobody reads": ("HEADER_CUT_SHORT", "OK"),
}


def what_is_gone(headers, cut):
    """Name what is gone of a chain of which `cut` octets are left: one of CUTS."""
    routers, walk, following, last = CUTS
    sizes = [1 + len(octets) for _, octets in headers]
    at = next(at for at in range(len(headers)) if cut < sum(sizes[: at + 1]))
    if at == 0 and headers[0] is HOP_BY_HOP:
        return routers
    if cut - sum(sizes[:at]) < (4 if headers[at][0] == 44 else 2):
        return walk
    return last if at == len(headers) - 1 else following


@pytest.mark.parametrize("behind", [b"", bytes(40)], ids=["all of it", "with bytes behind it"])
@any_chain
def test_every_cut_of_a_chain(headers, behind):
    for place, then in enumerate((TCP, OSPF)):
        first, walked = chain(headers, then)
        for cut in range(1, len(walked)):
            wire = ip(CLIENT6, SERVER6, then, b"", extensions=(first, walked[:cut]))
            packet = decode(wire + (walked[cut:] + behind if behind else b""))
            gone = what_is_gone(headers, cut)
            assert packet.reason.name == CUTS[gone][place], (cut, gone)
            assert packet.key == (wire[8:40] if packet.reason is Reason.OK else None)


@any_chain
def test_nothing_is_left_of_a_chain(headers):
    packet = decode(ip(CLIENT6, SERVER6, TCP, b"", extensions=(headers[0][0], b"")))
    expected = "HOP_BY_HOP" if headers[0] is HOP_BY_HOP else "EXTENSION"
    assert packet.reason.name == f"{expected}_MALFORMED"


@any_chain
def test_all_is_left_of_a_chain_and_ports_are_cut(headers):
    assert packet_of(headers, b"").reason is Reason.HEADER_CUT_SHORT
    assert packet_of(headers, bytes(3)).reason is Reason.HEADER_CUT_SHORT
    assert packet_of(headers, bytes(4)).reason is Reason.OK


@pytest.mark.parametrize(
    ("then", "reason", "own"),
    [
        (TCP, "HEADER_CUT_SHORT", None),
        (17, "HEADER_CUT_SHORT", None),
        (58, "HEADER_CUT_SHORT", None),
        (1, "WRONG_FAMILY", None),
        (NO_NEXT, "NO_NEXT_HEADER", None),
        (60, "EXTENSION_MALFORMED", None),
        (GRE, "OK", bytes(4)),
        (OSPF, "OK", b""),
    ],
)
def test_what_an_overlong_last_header_hides(then, reason, own):
    overlong = bytes([then, 1, *bytes(6)])
    wire = ip(CLIENT6, SERVER6, then, b"", extensions=(60, overlong))
    assert decode(wire).reason.name == reason
    packet = decode(wire + b"\x20\x01\x88\x0b\0\0\0\x07" * 2)
    assert packet.reason.name == reason
    assert (packet.l4, packet.payload_length) == (56, -8)
    assert packet.key == (None if own is None else wire[8:40] + own)


def without_length(wire):
    return wire[:4] + bytes(2) + wire[6:]


@pytest.mark.parametrize("behind", [b"", b"more"])
def test_before_hop_by_hop_options_a_length_of_zero_is_all_that_arrived(behind):
    wire = tcp(extensions=chain([HOP_BY_HOP]), **ENDS)
    packet = decode(without_length(wire) + behind)
    assert packet.reason is Reason.OK
    assert (packet.l4, packet.length) == (48, len(wire + behind))
    assert packet.key == decode(wire).key


@pytest.mark.parametrize("headers", [[DESTINATION], [ROUTING, HOP_BY_HOP]])
def test_elsewhere_a_length_of_zero_is_nothing(headers):
    packet = decode(without_length(tcp(extensions=chain(headers), **ENDS)))
    assert packet.reason is Reason.EXTENSION_MALFORMED
    assert (packet.length, packet.payload_length) == (40, 0)


@pytest.mark.parametrize("then", [TCP, OSPF, NO_NEXT, 1, 44])
def test_malformed_hop_by_hop_options_are_told_before_what_follows(then):
    malformed = 0, bytes([0, 0xFF]) + bytes(5)
    packet = packet_of([malformed], b"", then)
    assert packet.reason is Reason.HOP_BY_HOP_MALFORMED
    assert (packet.protocol, packet.l4, packet.key) == (0, 40, None)
    cut = decode(ip(CLIENT6, SERVER6, then, b"", extensions=chain([malformed], then))[:-1])
    assert cut.reason is Reason.IP_CUT_SHORT


def test_hop_by_hop_options_elsewhere_are_not_looked_at():
    malformed = 0, bytes([0, 0xFF]) + bytes(5)
    assert packet_of([DESTINATION, malformed], bytes(4)).reason is Reason.OK


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


@pytest.mark.parametrize("second", [ATOMIC, FIRST_FRAGMENT, LATER_FRAGMENT])
def test_a_fragment_within_an_atomic_one_is_a_fragment(second):
    assert packet_of([ATOMIC, second], bytes(20)).reason is Reason.FRAGMENT


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
    overlong = 60, bytes([255]) + bytes(2045)
    assert packet_of([overlong], b"").reason is Reason.HEADER_CUT_SHORT
    assert packet_of([overlong], b"", OSPF).reason is Reason.OK
