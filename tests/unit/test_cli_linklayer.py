"""Each link type, with IP inside and with something else, whole and cut."""

from __future__ import annotations

import pytest

import builders
from statefulinspect.cli.frame import CaptureError
from statefulinspect.cli.linklayer import LINK_TYPES, find_payload, require_known

PACKET, PACKET6 = builders.udp(), builders.udp(source="fd00:1::2", destination="fd00:2::2")
MACS = bytes(12)
IPV4, IPV6, ARP, LLDP = b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x88\xcc"
VLAN, QINQ, OLD_QINQ = b"\x81\x00\x00\x05", b"\x88\xa8\x00\x06", b"\x91\x00\x00\x07"
SNAP, SPANNING_TREE = bytes.fromhex("aaaa03000000"), bytes.fromhex("424203")
ETHERNET, COOKED, COOKED2, LOOP, NULL = 1, 113, 276, 108, 0
RAW = (12, 14, 101, 228, 229)


def cooked(ether_type: bytes) -> bytes:
    return bytes(14) + ether_type


def cooked2(ether_type: bytes) -> bytes:
    return ether_type + bytes(18)


HEADERS = {
    "Ethernet": (ETHERNET, MACS + IPV4),
    "Ethernet, IPv6": (ETHERNET, MACS + IPV6),
    "VLAN": (ETHERNET, MACS + VLAN + IPV4),
    "QinQ": (ETHERNET, MACS + QINQ + VLAN + IPV6),
    "three tags": (ETHERNET, MACS + OLD_QINQ + VLAN + VLAN + IPV4),
    "802.3 with SNAP": (ETHERNET, MACS + b"\x00\x40" + SNAP + IPV4),
    "VLAN with SNAP": (ETHERNET, MACS + VLAN + b"\x00\x40" + SNAP + IPV6),
    "cooked": (COOKED, cooked(IPV4)),
    "cooked, IPv6": (COOKED, cooked(IPV6)),
    "cooked, VLAN": (COOKED, cooked(VLAN[:2]) + VLAN[2:] + IPV4),
    "cooked 2": (COOKED2, cooked2(IPV4)),
    "cooked 2, IPv6": (COOKED2, cooked2(IPV6)),
    "cooked 2, VLAN": (COOKED2, cooked2(VLAN[:2]) + VLAN[2:] + IPV6),
    **{f"raw {link_type}": (link_type, b"") for link_type in RAW},
    **{
        f"loopback {link_type}, family {family}, {order}": (
            link_type,
            family.to_bytes(4, order),
        )
        for link_type in (NULL, LOOP)
        for family in (2, 10, 24, 28, 30)
        for order in ("little", "big")
    },
}


@pytest.mark.parametrize(("link_type", "header"), HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("packet", [PACKET, PACKET6, b""])
def test_ip_is_found_behind_the_link_header(link_type, header, packet):
    at, other = find_payload(link_type, header + packet)
    assert ((header + packet)[at:], other) == (packet, "")


OTHERS = {
    "ARP": (ETHERNET, MACS + ARP),
    "LLDP": (ETHERNET, MACS + VLAN + LLDP),
    "PPPoE session": (ETHERNET, MACS + b"\x88\x64"),
    "EtherType 0x1234": (ETHERNET, MACS + b"\x12\x34"),
    "EtherType 0x05dd": (ETHERNET, MACS + b"\x05\xdd"),
    "spanning tree": (ETHERNET, MACS + b"\x00\x26" + SPANNING_TREE),
    "LLC": (ETHERNET, MACS + b"\x05\xdc" + b"\xe0\xe0\x03"),
    "RARP": (COOKED, cooked(b"\x80\x35")),
    "EAPOL": (COOKED2, cooked2(b"\x88\x8e")),
    "address family 7": (NULL, b"\x07\x00\x00\x00"),
    "address family 16777217": (LOOP, b"\x01\x00\x00\x01"),
}


@pytest.mark.parametrize(("name", "link_type", "frame"), [(n, *f) for n, f in OTHERS.items()])
def test_what_is_not_ip_is_named(name, link_type, frame):
    assert find_payload(link_type, frame).other == name


@pytest.mark.parametrize(("link_type", "header"), HEADERS.values(), ids=HEADERS)
def test_a_frame_cut_within_its_link_header_is_not_ip(link_type, header):
    for end in range(len(header)):
        assert find_payload(link_type, header[:end]).other, end


def test_a_cut_vlan_tag_is_named():
    assert find_payload(ETHERNET, MACS + VLAN).other == "frame cut within a VLAN tag"
    assert find_payload(ETHERNET, MACS).other == "frame cut within its link header"


def test_a_cut_snap_header_is_no_ip():
    assert find_payload(ETHERNET, MACS + b"\x00\x40" + SNAP).other == "LLC"


def test_frames_of_an_unknown_link_type_are_named_by_it():
    assert find_payload(220, bytes(100)) == (0, "link type 220")


def test_a_capture_of_which_nothing_can_be_read_is_refused():
    require_known({220, ETHERNET})
    require_known(set())
    with pytest.raises(CaptureError, match="link type 105 is not supported, only Ethernet, Linux"):
        require_known({220, 105})


def test_the_link_types_are_those_that_the_documentation_names():
    assert set(LINK_TYPES) == {NULL, ETHERNET, *RAW, LOOP, COOKED, COOKED2}
