"""The forms in which a packet may be handed over."""

from __future__ import annotations

import struct

import dpkt
import pytest

from builders import CLIENT6, SERVER6, TCP, icmp, ip, tcp, udp
from statefulinspect import Reason
from statefulinspect.decoding import decode
from statefulinspect.packet import to_bytes
from statefulinspect.terms import OK

V6 = {"source": CLIENT6, "destination": SERVER6}
ESP = 50


def ethernet(wire):
    version = dpkt.ethernet.ETH_TYPE_IP if wire[0] >> 4 == 4 else dpkt.ethernet.ETH_TYPE_IP6
    return dpkt.ethernet.Ethernet(bytes(12) + struct.pack("!H", version) + wire)


HOP_BY_HOP = 0, bytes([TCP, 0]) + bytes(6)
IPV4 = [udp(data=b"question"), tcp(flags="SYN", options=b"\2\4\5\xb4"), icmp(8), udp(checksum=0)]
IPV6 = [udp(**V6), tcp(**V6), icmp(128, **V6), tcp(extensions=HOP_BY_HOP, **V6)]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, ethernet])
@pytest.mark.parametrize("wire", IPV4 + IPV6)
def test_forms_of_a_packet(wire, kind):
    octets = to_bytes(kind(wire))
    assert octets == wire
    assert type(octets) is bytes


@pytest.mark.parametrize("wire", IPV4)
def test_a_packet_of_dpkt(wire):
    assert to_bytes(dpkt.ip.IP(wire)) == wire


@pytest.mark.parametrize("wire", IPV6)
def test_an_ipv6_packet_of_dpkt(wire):
    assert to_bytes(dpkt.ip6.IP6(wire)) == wire


def test_what_dpkt_cannot_write_is_not_ip():
    """dpkt reads an ESP header in IPv6, and fails to write it."""
    wire = ip(CLIENT6, SERVER6, ESP, bytes(20))
    assert decode(wire).reason is OK
    assert to_bytes(dpkt.ip6.IP6(wire)) == b""


def test_what_dpkt_writes_is_judged_not_what_it_read():
    """dpkt writes a long routing header shorter than it has read it."""
    wire = tcp(extensions=(43, bytes([TCP, 1, *[0] * 14])), **V6)
    assert decode(wire).reason is OK
    assert decode(to_bytes(dpkt.ip6.IP6(wire))).reason is Reason.IP_CUT_SHORT


def test_an_ethernet_frame_gives_its_payload_ip_or_not():
    frame = dpkt.ethernet.Ethernet(bytes(12) + b"\x88\xb5" + b"payload")
    assert to_bytes(frame) == b"payload"
    assert decode(to_bytes(frame)).reason is Reason.NOT_IP


@pytest.mark.parametrize("wrong", [None, "text", 5, [69], dpkt.tcp.TCP(), decode(udp())])
def test_any_other_type_is_refused(wrong):
    with pytest.raises(TypeError, match=f"^{type(wrong).__name__}: expected bytes, dpkt.ip.IP"):
        to_bytes(wrong)
