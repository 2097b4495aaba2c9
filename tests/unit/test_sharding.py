"""Which packets are given to the same tracker, and by which number."""

from __future__ import annotations

import struct
from collections import Counter
from zlib import crc32

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    CLIENT,
    CLIENT6,
    SERVER,
    SERVER6,
    gre,
    icmp,
    icmp_error,
    ip,
    packed,
    piece,
    sctp,
    tcp,
    udp,
    udplite,
)
from statefulinspect import shard_key

V4 = {"source": CLIENT, "destination": SERVER}
V6 = {"source": CLIENT6, "destination": SERVER6}
ENDS = {4: V4, 6: V6}
ROUTERS = {
    4: {"source": "192.0.2.1", "destination": CLIENT},
    6: {"source": "2001:db8::1", "destination": CLIENT6},
}
ERRORS = [(4, type_) for type_ in (3, 4, 5, 11, 12)] + [(6, type_) for type_ in (1, 2, 3, 4, 100)]
OTHERS = [(4, type_) for type_ in (0, 8, 9, 13, 42)] + [
    (6, type_) for type_ in (128, 135, 137, 255)
]
HEADER = {4: 20, 6: 40}  # octets of the fixed IP header
ERROR = {4: 3, 6: 1}  # destination unreachable
PADDED = bytes([1, 4, 0, 0, 0, 0])  # a PadN that fills an extension header
CHAINS = {
    "hop-by-hop": (0, bytes([58, 0]) + PADDED),
    "destination options": (60, bytes([58, 0]) + PADDED),
    "routing": (43, bytes([58, 0, 0, 0, 0, 0, 0, 0])),
    "authentication": (51, bytes([58, 4]) + bytes(22)),
    "hop-by-hop and destination options": (0, bytes([60, 0]) + PADDED + bytes([58, 0]) + PADDED),
    "a fragment header of no fragment": (44, bytes([58, 0, 0, 0, 0, 0, 0, 1])),
}
BOTH = pytest.mark.parametrize("family", [4, 6])


def swapped(ends):
    return {"source": ends["destination"], "destination": ends["source"]}


def naive(source, destination):
    """Say again what the number is, from addresses."""
    return crc32(b"".join(sorted([packed(source), packed(destination)])))


def between(ends):
    return naive(**ends)


@pytest.mark.parametrize(
    ("source", "destination", "number"),
    [
        (CLIENT, SERVER, 0xF6FBA0AE),
        ("0.0.0.0", "255.255.255.255", 0xBB99FF8A),
        ("8.8.8.8", "8.8.8.8", 0x54AE387A),
        (CLIENT6, SERVER6, 0x71B3809E),
        ("::", "ff02::1", 0xCBFAED7D),
        ("2001:db8::8", "2001:db8::8", 0xC7B934F2),
    ],
)
def test_the_numbers_never_change(source, destination, number):
    """Users may have written them down, or share packets among processes of several releases."""
    packet = udp(source=source, destination=destination)
    assert shard_key(packet) == number == naive(source, destination)


@BOTH
@pytest.mark.parametrize("way", ["there", "back"])
def test_all_between_two_hosts_is_together(family, way):
    ends = ENDS[family] if way == "there" else swapped(ENDS[family])
    packets = [
        tcp(flags="SYN", **ends),
        tcp(80, 1000, "SYN,ACK", data=b"x", **ends),
        tcp(20, 1025, "SYN", **ends),
        udp(**ends),
        udp(9, 9, b"data", **ends),
        udplite(**ends),
        sctp("INIT/4", **ends),
        gre(7, **ends),
        gre(**ends),
        icmp(8, **ends),
        icmp(128, **ends),
        ip(protocol=89, payload=b"", **ends),
        ip(protocol=51, payload=bytes(24), **ends),
    ]
    assert {shard_key(packet) for packet in packets} == {between(ENDS[family])}


def test_headers_between_change_nothing():
    assert shard_key(udp(options=bytes(8))) == between(V4)
    assert shard_key(tcp(extensions=(0, bytes([6, 0]) + PADDED), **V6)) == between(V6)


@BOTH
def test_other_pairs_have_other_numbers(family):
    others = {4: "10.0.2.3", 6: "fd00:2::3"}
    client, server, other = *ENDS[family].values(), others[family]
    pairs = [(client, server), (client, other), (server, other), (client, client)]
    found = {shard_key(udp(source=one, destination=two)) for one, two in pairs}
    assert len(found) == len(pairs)


@BOTH
def test_clients_of_one_server_are_shared_fairly(family):
    """Neighbours in number: nobody gets a quarter more than his part."""
    start = {4: packed("10.0.0.0"), 6: packed("fd00:1::")}[family]
    clients = [start[:-2] + struct.pack("!H", number) for number in range(4096)]
    head, server = udp(**ENDS[family])[: {4: 12, 6: 8}[family]], packed(ENDS[family]["destination"])
    numbers = [shard_key(head + client + server) for client in clients]
    for count in range(2, 17):
        loads = Counter(number % count for number in numbers)
        assert max(loads.values()) < 1.25 * len(numbers) / count


@pytest.mark.parametrize(("family", "type_"), ERRORS)
def test_an_error_goes_by_what_it_quotes(family, type_):
    for ends in (ENDS[family], swapped(ENDS[family])):
        error = icmp_error(tcp(**ends), type_, **ROUTERS[family])
        assert shard_key(error) == between(ENDS[family])


@pytest.mark.parametrize(("family", "type_"), OTHERS)
def test_any_other_message_goes_by_its_own_addresses(family, type_):
    message = icmp(type_, data=tcp(**ENDS[family]), **ROUTERS[family])
    assert shard_key(message) == between(ROUTERS[family])


@pytest.mark.parametrize("chain", CHAINS)
def test_an_error_behind_extension_headers(chain):
    error = icmp_error(udp(**V6), 1, extensions=CHAINS[chain], **ROUTERS[6])
    assert shard_key(error) == between(V6)


def test_an_error_behind_options():
    assert shard_key(icmp_error(udp(), options=bytes(40), **ROUTERS[4])) == between(V4)


@BOTH
def test_a_quote_needs_its_ip_header_only(family):
    quoted = udp(**ENDS[family])
    for cut in range(len(quoted)):
        error = icmp_error(quoted, ERROR[family], cut=cut, **ROUTERS[family])
        expected = ROUTERS[family] if cut < HEADER[family] else ENDS[family]
        assert shard_key(error) == between(expected)


@BOTH
def test_what_is_behind_the_packet_is_no_quote(family):
    error = icmp_error(b"", ERROR[family], **ROUTERS[family]) + udp(**ENDS[family])
    assert shard_key(error) == between(ROUTERS[family])


@pytest.mark.parametrize(("family", "protocol"), [(4, 58), (6, 1)])
def test_messages_of_the_other_version_quote_nothing(family, protocol):
    message = bytes([3, 1, 0, 0]) + bytes(4) + udp(**ENDS[family])
    assert shard_key(ip(protocol=protocol, payload=message, **ROUTERS[family])) == between(
        ROUTERS[family]
    )


@BOTH
def test_fragments_are_where_their_datagram_is(family):
    whole = udp(data=bytes(100), **ENDS[family])
    pieces = [piece(whole, 0, 32), piece(whole, 32, 64), piece(whole, 64)]
    assert {shard_key(each) for each in pieces} == {shard_key(whole)}


@BOTH
def test_fragments_of_an_error_are_together(family):
    """Only the first one quotes anything, so none goes by that."""
    whole = icmp_error(udp(data=bytes(100), **ENDS[family]), ERROR[family], **ROUTERS[family])
    pieces = [piece(whole, 0, 64), piece(whole, 64)]
    assert {shard_key(each) for each in pieces} == {between(ROUTERS[family])}


@BOTH
def test_what_ends_before_its_addresses_do_is_nowhere(family):
    packet = udp(**ENDS[family])
    for length in range(len(packet)):
        expected = 0 if length < HEADER[family] else between(ENDS[family])
        assert shard_key(packet[:length]) == expected


@BOTH
def test_an_error_cut_short(family):
    """Its quote is read as far as it is there."""
    error = icmp_error(udp(**ENDS[family]), ERROR[family], **ROUTERS[family])
    for length in range(HEADER[family], len(error)):
        assert shard_key(error[:length]) == between(ROUTERS[family])


@pytest.mark.parametrize(
    "first", [version << 4 | 5 for version in range(16) if version not in (4, 6)]
)
def test_what_is_not_ip_is_nowhere(first):
    assert shard_key(bytes([first]) + bytes(79)) == 0


def test_nothing_is_nowhere():
    assert shard_key(b"") == 0


def ethernet(wire):
    kind = dpkt.ethernet.ETH_TYPE_IP if wire[0] >> 4 == 4 else dpkt.ethernet.ETH_TYPE_IP6
    return dpkt.ethernet.Ethernet(bytes(12) + struct.pack("!H", kind) + wire)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, ethernet])
@BOTH
def test_forms_of_a_packet(family, kind):
    assert shard_key(kind(udp(**ENDS[family]))) == between(ENDS[family])
    error = icmp_error(udp(**ENDS[family]), ERROR[family], **ROUTERS[family])
    assert shard_key(kind(error)) == between(ENDS[family])


def test_packets_of_dpkt():
    assert shard_key(dpkt.ip.IP(udp())) == between(V4)
    assert shard_key(dpkt.ip6.IP6(udp(**V6))) == between(V6)


def test_a_frame_of_something_else_is_nowhere():
    assert shard_key(dpkt.ethernet.Ethernet(bytes(12) + b"\x88\xb5" + b"payload")) == 0


@pytest.mark.parametrize("wrong", [None, "text", 5, [69], dpkt.tcp.TCP()])
def test_any_other_type_is_refused(wrong):
    with pytest.raises(TypeError, match=f"^{type(wrong).__name__}: expected bytes, dpkt.ip.IP"):
        shard_key(wrong)


WELL_FORMED = [
    udp(),
    udp(**V6),
    icmp_error(udp(), **ROUTERS[4]),
    icmp_error(udp(**V6), 1, **ROUTERS[6]),
    *(icmp_error(udp(**V6), 1, extensions=chain, **ROUTERS[6]) for chain in CHAINS.values()),
]


@st.composite
def spoiled(draw):
    packet = bytearray(draw(st.sampled_from(WELL_FORMED)))
    for at, value in draw(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 255)), max_size=4)):
        packet[at % len(packet)] = value
    return bytes(packet[: draw(st.integers(0, len(packet)))])


@given(st.binary(max_size=100) | spoiled())
def test_whatever_the_bytes_there_is_a_number(packet):
    assert 0 <= shard_key(packet) < 1 << 32
