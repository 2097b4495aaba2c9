"""Which hop-by-hop options a router passes on, and where the walk over extension headers ends."""

from __future__ import annotations

import pytest

from statefulinspect.extensions import (
    LATER_FRAGMENT,
    NO_NEXT,
    find_for_rules,
    find_fragment_header,
    hop_by_hop_stands,
    step_over,
    transport_for_rules,
    walk_extensions,
)

TCP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY = 6, 43, 44, 51, 60, 135


def unknown(size, kind=0x1E):
    """An option of `size` octets that a router may skip; its body is not zero."""
    return bytes([kind, size - 2]) + b"\xff" * (size - 2)


def padn(size):
    return bytes([1, size - 2]) + bytes(size - 2)


def packet(options):
    """A packet up to the end of its hop-by-hop header."""
    assert len(options) % 8 == 6
    return bytes(40) + bytes([TCP, (len(options) + 2) // 8 - 1]) + options


STANDING = {
    "six Pad1": bytes(6),
    "a PadN of six octets": padn(6),
    "seven Pad1": unknown(7) + bytes(7),
    "a PadN of seven octets": unknown(7) + padn(7),
    "a run of Pad1 and PadN of seven octets": unknown(7) + bytes(1) + padn(4) + padn(2),
    "runs of seven octets with an option between": bytes(7) + unknown(8) + padn(7),
    "runs of seven octets at both ends of a router alert": bytes(7) + b"\5\2\0\0" + bytes(3),
    "eight options": unknown(2) * 7 + unknown(8),
    "eight options, and padding between and behind them": (bytes(1) + unknown(2)) * 8 + padn(6),
    "an option without body": unknown(2) + padn(4),
    "an option that ends where the header does": unknown(6),
    "a router alert": b"\5\2\0\1" + padn(2),
    "IOAM at 44": padn(2) + b"\x31\2\xff\xff",
    "IOAM at 48": unknown(6) + b"\x31\2\xff\xff" + padn(4),
    "the longest header": unknown(257) * 7 + unknown(247),
}


@pytest.mark.parametrize("options", STANDING.values(), ids=STANDING)
def test_passed_on(options):
    wire = packet(options)
    assert hop_by_hop_stands(wire, len(wire))
    assert hop_by_hop_stands(wire + b"\xff" * 8, len(wire) + 8)


FALLING = {
    "eight Pad1": unknown(6) + bytes(8),
    "a PadN of eight octets": unknown(6) + padn(8),
    "Pad1, and PadN to eight octets": unknown(6) + bytes(1) + padn(7),
    "PadN, and Pad1 to eight octets": unknown(6) + padn(7) + bytes(1),
    "eight octets of padding before an option": bytes(8) + unknown(6),
    "a PadN with a body that ends in one": b"\1\4\0\0\0\1",
    "a PadN with a body that begins with one": b"\1\4\1\0\0\0",
    "a PadN that reaches over the end by one": b"\1\5\0\0\0\0",
    "an option that reaches over the end by one": b"\x1e\5\0\0\0\0",
    "a later option that reaches over the end by one": unknown(2) + b"\x1e\3\0\0",
    "an option without length": unknown(5) + b"\x1e",
    "a PadN without length": unknown(5) + b"\1",
    "a router alert without body": b"\5\0" + padn(4),
    "a router alert of one octet": b"\5\1\0" + padn(3),
    "a router alert of three octets": b"\5\3\0\0\0" + bytes(1),
    "a router alert of four octets": b"\5\4\0\0\0\0",
    "IOAM at 42": b"\x31\2\0\0" + padn(2),
    "IOAM at 43": bytes(1) + b"\x31\2\0\0" + bytes(1),
    "IOAM at 45": padn(3) + b"\x31\1\0",
    "CALIPSO": b"\7\4" + bytes(4),
    "a jumbogram's length": b"\xc2\4\0\1\0\0",
    "nine options": unknown(2) * 8 + unknown(6),
    "nine options, and padding between them": (bytes(1) + unknown(2)) * 8 + unknown(6),
    "what does not stand behind what does": unknown(10) + b"\x40\2\0\0",
}


@pytest.mark.parametrize("options", FALLING.values(), ids=FALLING)
def test_discarded(options):
    wire = packet(options)
    assert not hop_by_hop_stands(wire, len(wire))
    assert not hop_by_hop_stands(wire + bytes(8), len(wire) + 8)


@pytest.mark.parametrize("kind", range(256))
def test_an_option_tells_by_its_first_two_bits_whether_a_router_may_skip_it(kind):
    wire = packet(padn(2) + bytes([kind, 2, 0, 0]))
    assert hop_by_hop_stands(wire, len(wire)) is (kind >> 6 == 0 and kind != 7)


@pytest.mark.parametrize("options", [unknown(6), unknown(14), unknown(250) + unknown(4)])
def test_all_of_the_header_belongs_to_the_packet(options):
    wire = packet(options)
    for stop in range(40, len(wire)):
        assert not hop_by_hop_stands(wire, stop), stop
        assert not hop_by_hop_stands(wire[:stop], stop), stop


@pytest.mark.parametrize(
    ("header", "length", "size"),
    [
        (ROUTING, 0, 8),
        (ROUTING, 255, 2048),
        (DESTINATION, 1, 16),
        (AUTHENTICATION, 0, 8),
        (AUTHENTICATION, 4, 24),
        (AUTHENTICATION, 255, 1028),
        (FRAGMENT, 0, 8),
        (FRAGMENT, 255, 8),  # reserved there
    ],
)
def test_sizes(header, length, size):
    assert step_over(bytes([TCP, length, 0, 0]), header, 0, 4) == (TCP, size)


def test_the_walk_begins_where_it_is_told_to():
    wire = b"\xff" * 5 + bytes([TCP, 0, *bytes(6)])
    assert walk_extensions(wire, DESTINATION, 5, len(wire)) == (TCP, 13, 0)


def test_a_walk_over_nothing():
    assert walk_extensions(b"", TCP, 40, 40) == (TCP, 40, 0)


@pytest.mark.parametrize(("header", "needed"), [(ROUTING, 2), (AUTHENTICATION, 2), (FRAGMENT, 4)])
def test_what_the_walk_reads_of_a_header_has_to_be_there(header, needed):
    wire = bytes([TCP, *bytes(15)])
    for stop in range(16):
        expected = (TCP, 8, 0) if stop >= needed else (header, 0, 0)
        assert walk_extensions(wire, header, 0, stop) == expected, stop


FIRST, LATER, LAST = 1, 9, 8
ATOMIC, RESERVED = 0, 6


@pytest.mark.parametrize(
    ("fields", "protocol", "at", "fragment"),
    [
        ([ATOMIC], TCP, 8, 0),
        ([RESERVED], TCP, 8, 0),
        ([FIRST], TCP, 8, 1),
        ([LATER], TCP, 8, 9),
        ([LAST], TCP, 8, 8),
        ([0xFFFF], TCP, 8, 0xFFF9),
        ([ATOMIC, ATOMIC], TCP, 16, 1),
        ([FIRST, ATOMIC], TCP, 16, 1),
        ([ATOMIC, LAST], TCP, 16, 9),
        ([LAST, ATOMIC], FRAGMENT, 8, 8),
    ],
)
def test_the_fragment_field(fields, protocol, at, fragment):
    numbers = [FRAGMENT] * (len(fields) - 1) + [TCP]
    headers = [
        bytes([number, 0]) + field.to_bytes(2, "big") + b"\xff" * 4
        for number, field in zip(numbers, fields)
    ]
    wire = b"".join(headers)
    assert walk_extensions(wire, FRAGMENT, 0, len(wire)) == (protocol, at, fragment)


def test_a_cut_behind_a_first_fragment_keeps_its_field():
    wire = bytes([DESTINATION, 0, 0, FIRST, *bytes(4)])
    assert walk_extensions(wire, FRAGMENT, 0, 8) == (DESTINATION, 8, 1)


NEEDED = {ROUTING: 4, FRAGMENT: 4, AUTHENTICATION: 2, DESTINATION: 2}  # octets, for rules


def chain(*numbers, field=FIRST):
    """A packet of these headers, of eight octets each, and a fragment field in all of them."""
    headers = [bytes([each, 0]) + field.to_bytes(2, "big") + bytes(4) for each in numbers[1:]]
    return bytes(6) + bytes(numbers[:1]) + bytes(33) + b"".join(headers)


def test_a_fragment_header_is_found_with_the_octet_that_announces_it():
    wire = chain(FRAGMENT, TCP)
    assert find_fragment_header(wire, 40) == (40, 6)
    wire = chain(DESTINATION, FRAGMENT, TCP)
    assert find_fragment_header(wire, 47) == (0, 0)  # would begin beyond the end
    assert find_fragment_header(wire, 48) == (48, 40)
    assert find_fragment_header(chain(DESTINATION, TCP), 48) == (0, 0)


@pytest.mark.parametrize(("number", "needed"), NEEDED.items())
def test_for_rules_a_header_cut_short_is_none_and_has_none_behind_it(number, needed):
    wire = chain(number, MOBILITY)
    for stop in range(40, 48):
        is_there = stop >= 40 + needed
        assert find_for_rules(wire, number, stop) == (40 if is_there else None), stop
        assert find_for_rules(wire, MOBILITY, stop) == (48 if is_there else None), stop
        seen = (AUTHENTICATION, 40) if number == AUTHENTICATION else (MOBILITY, 48)
        assert transport_for_rules(wire, stop) == (seen if is_there else (None, None)), stop


@pytest.mark.parametrize(("number", "needed"), NEEDED.items())
def test_for_rules_nothing_is_read_beyond_the_end(number, needed):
    stop = 40 + needed - 1
    wire = chain(number, MOBILITY)[:stop]
    assert find_for_rules(wire, MOBILITY, stop) is None
    assert transport_for_rules(wire, stop) == (None, None)


def test_for_rules_nothing_of_another_header_has_to_be_there():
    assert find_for_rules(chain(DESTINATION, MOBILITY), MOBILITY, 42) == 48
    assert find_for_rules(chain(MOBILITY), MOBILITY, 40) == 40
    assert find_for_rules(chain(TCP), MOBILITY, 40) is None


def test_for_rules_a_later_fragment_has_no_header_behind_it():
    wire = chain(FRAGMENT, DESTINATION, TCP, field=LATER)
    assert find_for_rules(wire, FRAGMENT, len(wire)) == 40
    assert find_for_rules(wire, DESTINATION, len(wire)) is None


@pytest.mark.parametrize(
    ("wire", "found"),
    [
        (chain(TCP), (TCP, 40)),
        (chain(DESTINATION, TCP), (TCP, 48)),
        (chain(DESTINATION, ROUTING, TCP), (TCP, 56)),
        (chain(NO_NEXT), (NO_NEXT, 40)),
        (chain(AUTHENTICATION, TCP), (AUTHENTICATION, 40)),
        (chain(DESTINATION, AUTHENTICATION, TCP), (AUTHENTICATION, 48)),
        (chain(FRAGMENT, TCP, field=ATOMIC), (TCP, 48)),
        (chain(FRAGMENT, TCP, field=FIRST), (TCP, 48)),
        (chain(FRAGMENT, DESTINATION, TCP, field=FIRST), (TCP, 56)),
        (chain(FRAGMENT, TCP, field=LATER), (TCP, None)),
        (chain(FRAGMENT, TCP, field=LAST), (TCP, None)),
        (chain(FRAGMENT, TCP, field=LATER_FRAGMENT), (TCP, None)),
        (chain(DESTINATION, FRAGMENT, TCP, field=LAST), (TCP, None)),
        (chain(FRAGMENT, DESTINATION, TCP, field=LAST), (None, None)),
        (chain(FRAGMENT, AUTHENTICATION, TCP, field=LAST), (None, None)),
    ],
)
def test_what_rules_take_for_protocol_and_transport_header(wire, found):
    assert transport_for_rules(wire, len(wire)) == found
