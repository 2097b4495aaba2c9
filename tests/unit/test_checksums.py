"""Checksums, against those that the builders sum word by word."""

from __future__ import annotations

import pytest

from builders import CLIENT, ICMP, SERVER, icmp, internet_checksum, ip, tcp, udp
from statefulinspect.checksums import (
    header_is_right,
    is_zero_sum,
    payload_is_right,
    plain_is_right,
    transport_is_right,
)
from statefulinspect.decoding import decode
from statefulinspect.packet import Packet

V6 = {"source": "fd00:1::2", "destination": "fd00:2::2"}
WITH_PSEUDO_HEADER = {
    "TCP": tcp(data=b"data"),
    "UDP": udp(data=b"data"),
    "UDP of odd length": udp(data=b"odd"),
    "TCP in IPv6": tcp(data=b"odd", **V6),
    "UDP in IPv6": udp(data=b"data", **V6),
    "ICMPv6": icmp(128, data=b"odd", **V6),
    "IPv4 options": tcp(ip_options=b"\1\1\1\1"),
    "IPv6 extension header": tcp(extensions=(60, bytes([6, 0, *range(6)])), **V6),
}
any_of_them = pytest.mark.parametrize(
    "wire", WITH_PSEUDO_HEADER.values(), ids=list(WITH_PSEUDO_HEADER)
)


def flipped(wire, bit):
    octets = bytearray(wire)
    octets[bit // 8] ^= 0x80 >> bit % 8
    return bytes(octets)


@pytest.mark.parametrize(
    "size", [*range(1, 40), *range(380, 390), 767, 768, 769, 1480, 9000, 65535]
)
def test_sums_of_any_length(size):
    octets = bytes(number * 7 % 251 for number in range(size))
    checksum = internet_checksum(octets)
    assert is_zero_sum(octets, checksum)
    assert not is_zero_sum(octets, checksum ^ 1)


def test_an_odd_octet_is_the_high_half_of_a_word():
    assert is_zero_sum(b"\xff\x00\xff", 0x0000) is False
    assert is_zero_sum(b"\x12\x34\x56", 0xFFFF - 0x1234 - 0x5600)


@any_of_them
def test_a_right_transport_checksum(wire):
    assert transport_is_right(decode(wire))


@any_of_them
def test_every_flipped_bit_of_payload_and_addresses_is_noticed(wire):
    packet = decode(wire)
    addresses = range(12 * 8, 20 * 8) if packet.family == 4 else range(8 * 8, 40 * 8)
    for bit in [*addresses, *range(packet.l4 * 8, len(wire) * 8)]:
        assert not transport_is_right(decode(flipped(wire, bit))), bit


def test_the_protocol_is_part_of_the_sum():
    packet = decode(udp())
    packet.protocol = 136
    assert not transport_is_right(packet)


@any_of_them
def test_bytes_behind_the_packet_are_not_summed(wire):
    assert transport_is_right(decode(wire + b"\1\2\3"))


def test_the_length_of_the_ip_payload_counts_not_that_of_udp():
    datagram = udp(data=b"12345678", length=12)
    assert transport_is_right(decode(datagram))


@pytest.mark.parametrize("wire", [tcp(bad=True), udp(bad=True), udp(bad=True, **V6)])
def test_a_wrong_transport_checksum(wire):
    assert not transport_is_right(decode(wire))


@pytest.mark.parametrize("options", [b"", b"\1\1\1\1", b"\1" * 40])
def test_every_flipped_bit_of_an_ipv4_header_is_noticed(options):
    wire = tcp(ip_options=options)
    assert header_is_right(Packet(wire))
    for bit in range(8, (20 + len(options)) * 8):
        assert not header_is_right(Packet(flipped(wire, bit))), bit


def test_what_follows_the_header_is_not_summed():
    wire = udp(data=b"data")
    for bit in range(20 * 8, len(wire) * 8):
        assert header_is_right(Packet(flipped(wire, bit)))


@pytest.mark.parametrize("data", [b"", b"x", b"data", bytes(range(255))])
def test_icmp_has_no_pseudo_header(data):
    wire = icmp(8, data=data)
    assert payload_is_right(decode(wire))
    assert not payload_is_right(decode(icmp(8, data=data, bad=True)))
    for bit in range(20 * 8, 32 * 8 if len(data) > 3 else len(wire) * 8):
        assert not payload_is_right(decode(flipped(wire, bit))), bit


def test_octets_that_are_all_zero_lack_their_checksum():
    """The sum is +0, its complement 0xFFFF is no zero: Linux's csum_fold refuses it."""
    right = bytes([0, 0, 0xFF, 0xFF]) + bytes(4)
    assert payload_is_right(decode(ip(CLIENT, SERVER, ICMP, right)))
    assert not payload_is_right(decode(ip(CLIENT, SERVER, ICMP, bytes(8))))


PLAIN = {
    name: wire
    for name, wire in (*WITH_PSEUDO_HEADER.items(), ("ICMP", icmp(8, data=b"odd")))
    if name not in {"IPv4 options", "IPv6 extension header"}
}


@pytest.mark.parametrize("wire", PLAIN.values(), ids=list(PLAIN))
def test_a_plain_packet_is_right_as_a_whole(wire):
    packet = decode(wire)
    assert plain_is_right(wire + b"tail", packet.protocol, packet.l4, len(wire))
    summed = range(0 if packet.family == 4 else 8 * 8, len(wire) * 8)
    for bit in summed:
        broken = flipped(wire, bit)
        assert not plain_is_right(broken, packet.protocol, packet.l4, len(wire)), bit


@pytest.mark.parametrize("ends", [{}, V6], ids=["IPv4", "IPv6"])
def test_a_plain_datagram_without_a_checksum(ends):
    packet = decode(udp(data=b"data", checksum=0, **ends))
    assert plain_is_right(packet.wire, packet.protocol, packet.l4, packet.stop)
    assert not plain_is_right(packet.wire, 6, packet.l4, packet.stop), "only UDP may lack it"
