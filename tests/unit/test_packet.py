"""What `decode` reads, and what it says of packets that cannot be read."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from builders import (
    CLIENT,
    CLIENT6,
    GRE,
    ICMP,
    ICMPV6,
    SERVER,
    SERVER6,
    TCP,
    gre,
    icmp,
    ip,
    tcp,
    udp,
)
from statefulinspect import Reason
from statefulinspect.decoding import decode
from statefulinspect.zones import NO_ZONE, Zone

V6 = {"source": CLIENT6, "destination": SERVER6}
OSPF = 89


def with_bytes(wire, at, octets):
    return wire[:at] + octets + wire[at + len(octets) :]


@pytest.mark.parametrize(
    ("wire", "names", "family"), [(tcp(), {}, 4), (tcp(**V6), V6, 6)], ids=["IPv4", "IPv6"]
)
def test_a_tcp_packet(wire, names, family):
    packet = decode(wire)
    assert packet.reason is Reason.OK
    assert (packet.family, packet.protocol) == (family, TCP)
    assert packet.source == packet.flow.source == ip_address(names.get("source", CLIENT))
    assert packet.destination == ip_address(names.get("destination", SERVER))
    assert (packet.source_port, packet.destination_port) == (1000, 80)
    assert (packet.icmp_type, packet.icmp_code) == (None, None)
    assert (packet.length, packet.payload_length) == (len(wire), 20)


@pytest.mark.parametrize("protocol", [6, 17, 132, 136])
def test_protocols_with_ports(protocol):
    packet = decode(ip(CLIENT, SERVER, protocol, b"\x03\xe8\x00\x50"))
    assert (packet.source_port, packet.destination_port) == (1000, 80)


@pytest.mark.parametrize("protocol", [0, 33, OSPF, 255])
def test_protocols_known_by_number(protocol):
    packet = decode(ip(CLIENT, SERVER, protocol, b""))
    assert packet.reason is Reason.OK
    assert packet.key == ip_address(CLIENT).packed + ip_address(SERVER).packed
    assert (packet.source_port, packet.icmp_type) == (None, None)


NO_CALL, CALL_7 = bytes(4), b"\0\0\0\x07"
both_families = pytest.mark.parametrize("names", [{}, V6], ids=["IPv4", "IPv6"])


@both_families
def test_enhanced_gre_is_named_by_its_call(names):
    packet = decode(gre(7, hex_="c0ffee", **names))
    assert packet.reason is Reason.OK
    assert packet.key == packet.source_octets + packet.destination_octets + CALL_7
    assert packet.source_port is None


@pytest.mark.parametrize("size", range(10))
def test_gre_cut_short_is_known_by_number(size):
    header = gre(7, hex_="c0ff")[20 : 20 + size]
    packet = decode(ip(CLIENT, SERVER, GRE, header))
    assert packet.reason is Reason.OK
    assert packet.key[8:] == (CALL_7 if size >= 8 else NO_CALL)


def test_bytes_behind_the_packet_do_not_complete_gre():
    wire = ip(CLIENT, SERVER, GRE, gre(7)[20:27])
    assert decode(wire + b"\x07").key[8:] == NO_CALL


@both_families
@pytest.mark.parametrize("flags", range(256))
def test_the_version_of_gre_is_three_bits(flags, names):
    wire = gre(7, **names)
    packet = decode(with_bytes(wire, len(wire) - 7, bytes([flags])))
    assert packet.reason is Reason.OK
    assert packet.key[-4:] == (CALL_7 if flags % 8 == 1 else NO_CALL)


@pytest.mark.parametrize("protocol", [0, 0x0800, 0x880A, 0x8B88, 0xFFFF])
def test_enhanced_gre_carries_ppp(protocol):
    assert decode(gre(7, protocol=protocol)).reason is Reason.GRE_PROTOCOL
    assert decode(gre(protocol=protocol, hex_="c0ffee")).reason is Reason.OK


@pytest.mark.parametrize(("names", "type_"), [({}, 8), (V6, 128)], ids=["IPv4", "IPv6"])
def test_icmp(names, type_):
    packet = decode(icmp(type_, 3, id_=7, seq=9, **names))
    assert (packet.icmp_type, packet.icmp_code, packet.flow.icmp_id) == (type_, 3, 7)
    assert packet.source_port is None
    assert packet.key == decode(icmp(type_, 3, id_=7, seq=10, **names)).key


def test_what_nobody_said():
    packet = decode(b"")
    assert (packet.iif, packet.oif, packet.mark, packet.zone) == ("", "", 0, NO_ZONE)
    assert (packet.family, packet.protocol, packet.l4, packet.length) == (0, -1, 0, 0)


def test_what_the_caller_says_of_a_packet():
    zone = Zone.of(5)
    packet = decode(udp(), "eth0", "eth1", 7, zone)
    assert (packet.iif, packet.oif, packet.mark, packet.zone) == ("eth0", "eth1", 7, zone)


def test_numbers_are_read_from_the_transport_header():
    assert decode(tcp(window=513)).u16(14) == 513
    assert decode(tcp(window=513, ip_options=b"\1\1\1\1")).u16(14) == 513
    assert decode(tcp(window=513, **V6)).u16(14) == 513


@pytest.mark.parametrize("words", range(11))
def test_ipv4_options_move_the_transport_header(words):
    packet = decode(tcp(ip_options=b"\1\1\1\1" * words))
    assert packet.reason is Reason.OK
    assert packet.l4 == 20 + 4 * words
    assert (packet.source_port, packet.payload_length) == (1000, 20)


@pytest.mark.parametrize("data", [b"", b"\x83\x07\x04"])
@pytest.mark.parametrize(
    ("options", "barred"),
    [(b"", "OK"), (b"\1" * 4, "OK"), (b"\x83\x07\x04" + bytes(5), "IPV4_OPTIONS")],
    ids=["none", "no operation", "source route"],
)
def test_ipv4_options_may_bar_a_packet_that_is_read_all_the_same(options, barred, data):
    packet = decode(tcp(ip_options=options, data=data))
    assert (packet.reason, packet.barred) == (Reason.OK, Reason[barred])
    assert packet.key == decode(tcp()).key


def test_every_cut_of_ipv4_is_noticed():
    wire = tcp(ip_options=b"\1\1\1\1")
    for cut in range(len(wire)):
        packet = decode(wire[:cut])
        expected = "IP_CUT_SHORT" if cut >= 20 else "IP_HEADER_MALFORMED" if cut else "NOT_IP"
        assert packet.reason.name == expected, cut
        assert packet.key is None
        assert cut < 24 or packet.payload_length == cut - 24


def test_every_cut_of_ipv6_is_noticed():
    wire = tcp(**V6)
    for cut in range(len(wire)):
        packet = decode(wire[:cut])
        expected = "IP_CUT_SHORT" if cut >= 40 else "IP_HEADER_MALFORMED" if cut else "NOT_IP"
        assert packet.reason.name == expected, cut
        assert packet.key is None
        assert cut < 40 or packet.payload_length == cut - 40


@pytest.mark.parametrize("version", [0, 1, 3, 5, 7, 15])
def test_other_versions_are_not_ip(version):
    packet = decode(bytes([version << 4 | 5]) + udp()[1:])
    assert packet.reason is Reason.NOT_IP
    assert packet.source is packet.destination is packet.flow is packet.source_port is None
    assert packet.source_octets == packet.destination_octets == b""


@pytest.mark.parametrize(
    ("header_words", "length", "reason"),
    [
        (4, 40, "IP_HEADER_MALFORMED"),
        (0, 40, "IP_HEADER_MALFORMED"),
        (5, 0, "IP_HEADER_MALFORMED"),
        (5, 19, "IP_HEADER_MALFORMED"),
        (6, 23, "IP_HEADER_MALFORMED"),
        (5, 20, "HEADER_CUT_SHORT"),
        (5, 23, "HEADER_CUT_SHORT"),
        (5, 24, "OK"),
        (9, 40, "OK"),
        (10, 40, "HEADER_CUT_SHORT"),
        (11, 40, "IP_HEADER_MALFORMED"),
        (5, 41, "IP_CUT_SHORT"),
        (15, 65535, "IP_CUT_SHORT"),
    ],
)
def test_lengths_of_ipv4(header_words, length, reason):
    wire = bytes([0x40 | header_words, 0]) + length.to_bytes(2, "big") + tcp()[4:]
    packet = decode(wire)
    assert packet.reason.name == reason
    assert packet.reason is not Reason.OK or packet.length == length


@pytest.mark.parametrize(
    ("length", "reason"),
    [(0, "HEADER_CUT_SHORT"), (3, "HEADER_CUT_SHORT"), (4, "OK"), (20, "OK"), (21, "IP_CUT_SHORT")],
)
def test_lengths_of_ipv6(length, reason):
    packet = decode(with_bytes(tcp(**V6), 4, length.to_bytes(2, "big")))
    assert packet.reason.name == reason
    assert packet.reason is not Reason.OK or packet.length == 40 + length


@pytest.mark.parametrize("wire", [tcp(), tcp(**V6)], ids=["IPv4", "IPv6"])
def test_bytes_behind_the_packet_do_not_belong_to_it(wire):
    packet = decode(wire + b"padding")
    assert packet.reason is Reason.OK
    assert (packet.length, packet.payload_length) == (len(wire), 20)


@pytest.mark.parametrize(("names", "echo", "icmp_number"), [({}, 8, ICMP), (V6, 128, ICMPV6)])
@pytest.mark.parametrize("size", range(9))
def test_a_transport_header_cut_short_names_no_flow(names, echo, icmp_number, size):
    ends = names.get("source", CLIENT), names.get("destination", SERVER)
    for protocol, needed in ((TCP, 4), (17, 4), (132, 4), (136, 4), (icmp_number, 8), (OSPF, 0)):
        packet = decode(ip(*ends, protocol, bytes([echo, *range(7)])[:size]))
        assert packet.reason.name == ("OK" if size >= needed else "HEADER_CUT_SHORT")
        assert (packet.key is None) == (size < needed)
        assert size >= needed or packet.icmp_type is packet.source_port is None


@pytest.mark.parametrize(
    ("fragment", "reason"),
    [
        (0x0000, "OK"),
        (0x4000, "OK"),
        (0x8000, "OK"),
        (0x2000, "FRAGMENT"),
        (0x0001, "FRAGMENT"),
        (0x1000, "FRAGMENT"),
        (0x3FFF, "FRAGMENT"),
    ],
)
def test_fragments_of_ipv4(fragment, reason):
    packet = decode(tcp(fragment=fragment))
    assert packet.reason.name == reason
    assert (packet.key is None) == (reason == "FRAGMENT")


@pytest.mark.parametrize(
    "wire", [ip(CLIENT6, SERVER6, ICMP, bytes(8)), ip(CLIENT, SERVER, ICMPV6, bytes(8))]
)
def test_icmp_of_the_other_family(wire):
    assert decode(wire).reason is Reason.WRONG_FAMILY
    assert decode(wire).key is None


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (tcp(), "Packet(10.0.1.2:1000 > 10.0.2.2:80, protocol 6)"),
        (tcp(**V6), "Packet([fd00:1::2]:1000 > [fd00:2::2]:80, protocol 6)"),
        (icmp(128, **V6), "Packet(fd00:1::2 > fd00:2::2, protocol 58)"),
        (b"\x00\x01", "Packet(2 bytes, not IP)"),
    ],
)
def test_repr(wire, text):
    assert repr(decode(wire)) == text


@pytest.mark.parametrize(
    ("source", "destination", "reason"),
    [
        ("ff02::1", SERVER6, Reason.GROUP_ADDRESS),
        ("ff1e::1", SERVER6, Reason.GROUP_ADDRESS),
        (CLIENT6, "ff00::1", Reason.GROUP_ADDRESS),
        (CLIENT6, "ff10::1", Reason.GROUP_ADDRESS),
        (CLIENT6, "ff01::1", Reason.OK),
        (CLIENT6, "ff0f::1", Reason.OK),
        ("fe00::1", "fd00::1", Reason.OK),
    ],
)
def test_groups_send_nothing_and_have_a_scope(source, destination, reason):
    assert decode(udp(source=source, destination=destination)).reason is reason
