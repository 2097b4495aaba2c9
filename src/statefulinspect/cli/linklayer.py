"""Where the IP packet begins in a frame, or what the frame carries instead.

Each link type puts its own header before the packet (tcpdump.org/linktypes.html). Most name what
follows by an EtherType, behind which VLAN tags (IEEE 802.1Q, stacked by 802.1ad) may stand; numbers
up to 1500 are a length instead, and an LLC header follows (IEEE 802.3, 802.2). VLAN tags and
interfaces are passed over: one tracker sees all.
"""

from __future__ import annotations

from typing import Callable, Final, NamedTuple

from statefulinspect.cli.frame import CaptureError

LENGTH_MAX: Final = 1500  # an EtherType above it is a type, else a length (IEEE 802.3 3.2.6)
VLAN_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100})
IP_TYPES: Final = frozenset({0x0800, 0x86DD})
ETHER_TYPES: Final = {
    0x0806: "ARP",
    0x8035: "RARP",
    0x8847: "MPLS",
    0x8863: "PPPoE discovery",
    0x8864: "PPPoE session",
    0x888E: "EAPOL",
    0x88CC: "LLDP",
    0x88E5: "MACsec",
    0x88F7: "PTP",
}
SNAP: Final = bytes.fromhex("aaaa03000000")  # LLC and SNAP of an EtherType (RFC 1042)
SPANNING_TREE: Final = bytes.fromhex("424203")
# AF_INET and AF_INET6 of the systems that write loopback captures: BSD, FreeBSD, macOS, Linux.
IP_FAMILIES: Final = frozenset({2, 10, 24, 28, 30})


class Payload(NamedTuple):
    """Tell where a frame's payload begins, and what it is if it is not IP."""

    at: int
    other: str = ""


def find_payload(link_type: int, octets: bytes) -> Payload:
    """Find what a frame carries."""
    if link_type not in LINK_TYPES:
        return Payload(0, f"link type {link_type}")
    smallest, find = LINK_TYPES[link_type]
    if len(octets) < smallest:
        return Payload(len(octets), "frame cut within its link header")
    return find(octets)


def require_known(link_types: set[int]) -> None:
    """Refuse a capture of these link types if none of its frames can be read."""
    if link_types and link_types.isdisjoint(LINK_TYPES):
        known = "Ethernet, Linux cooked, raw IP and BSD loopback"
        msg = f"link type {min(link_types)} is not supported, only {known}"
        raise CaptureError(msg)


def _ethernet(octets: bytes) -> Payload:
    return _behind_ether_type(_u16(octets, 12), octets, 14)


def _linux_cooked(octets: bytes) -> Payload:
    return _behind_ether_type(_u16(octets, 14), octets, 16)


def _linux_cooked_2(octets: bytes) -> Payload:
    return _behind_ether_type(_u16(octets, 0), octets, 20)


def _raw(_: bytes) -> Payload:
    return Payload(0)


def _loopback(octets: bytes) -> Payload:
    """Read the address family: in the byte order of the machine that captured, so either."""
    family = min(int.from_bytes(octets[:4], "little"), int.from_bytes(octets[:4], "big"))
    return Payload(4) if family in IP_FAMILIES else Payload(4, f"address family {family}")


def _behind_ether_type(ether_type: int, octets: bytes, at: int) -> Payload:
    """Follow VLAN tags and SNAP headers to the payload at or behind `at`."""
    while ether_type in VLAN_TAGS:
        if len(octets) < at + 4:
            return Payload(at, "frame cut within a VLAN tag")
        ether_type, at = _u16(octets, at + 2), at + 4
    if ether_type in IP_TYPES:
        return Payload(at)
    if ether_type <= LENGTH_MAX:
        return _behind_length(octets, at)
    return Payload(at, ETHER_TYPES.get(ether_type, f"EtherType 0x{ether_type:04x}"))


def _behind_length(octets: bytes, at: int) -> Payload:
    """Read the LLC header; with SNAP, an EtherType follows after all."""
    if octets.startswith(SNAP, at):
        return _behind_ether_type(_u16(octets, at + 6), octets, at + 8)
    return Payload(at, "spanning tree" if octets.startswith(SPANNING_TREE, at) else "LLC")


def _u16(octets: bytes, at: int) -> int:
    return int.from_bytes(octets[at : at + 2], "big")


# The smallest frame of each link type, and what reads it.
LINK_TYPES: Final[dict[int, tuple[int, Callable[[bytes], Payload]]]] = {
    0: (4, _loopback),
    1: (14, _ethernet),
    12: (0, _raw),
    14: (0, _raw),
    101: (0, _raw),
    108: (4, _loopback),
    113: (16, _linux_cooked),
    228: (0, _raw),
    229: (0, _raw),
    276: (20, _linux_cooked_2),
}
