"""Captures made of packets, as files of pcap: for the tests of the command line."""

from __future__ import annotations

import struct

import builders
from builders import CLIENT, SERVER

MACS = bytes(12)
ARP = MACS + b"\x08\x06" + bytes(28)
BACK = {"source": SERVER, "destination": CLIENT}


def ethernet(packet: bytes) -> bytes:
    return MACS + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet


def pcap_of(*frames: tuple[float, bytes], link_type: int = 1, keep: int = 65535) -> bytes:
    octets = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, keep, link_type)
    for at, frame in frames:
        seconds, microseconds = divmod(round(at * 1_000_000), 1_000_000)
        kept = frame[:keep]
        octets += struct.pack("<IIII", seconds, microseconds, len(kept), len(frame)) + kept
    return octets


def handshake(at: float) -> list[tuple[float, bytes]]:
    packets = [
        builders.tcp(40000, 80, "SYN", seq=1),
        builders.tcp(80, 40000, "SYN,ACK", seq=500, ack=2, **BACK),
        builders.tcp(40000, 80, "PSH,ACK", seq=2, ack=501, data=bytes(90)),
        builders.tcp(80, 40000, "ACK", seq=501, ack=9999, **BACK),
    ]
    return [(at + number, ethernet(packet)) for number, packet in enumerate(packets)]
