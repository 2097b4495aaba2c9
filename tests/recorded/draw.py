"""Draw packets of all protocols, for each of several settings, with the generators of tests/kernel.

The drawn packets aim at what the library knows by then, so a changed library draws others; those
that are stored stay until they are drawn anew.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import dpkt

import builders
from kernel.compare import Mix
from kernel.sctp_talk import SctpTalk
from kernel.talks import (
    Ends,
    ExtensionTalk,
    GreTalk,
    IcmpTalk,
    NumberTalk,
    Packet,
    UdpLiteTalk,
    UdpTalk,
    say,
)
from kernel.tcp_talk import TcpTalk
from recorded.answers import RAW_IP, ROUTER, make_config
from statefulinspect import Tracker

ALWAYS = {"nf_conntrack_acct": 1}  # packets and octets are part of every answer
GENERATED: dict[str, dict[str, int]] = {
    "generated-defaults": {},
    "generated-not-loose": {"nf_conntrack_tcp_loose": 0},
    "generated-liberal": {"nf_conntrack_tcp_be_liberal": 1},
    "generated-ignore-invalid-rst": {"nf_conntrack_tcp_ignore_invalid_rst": 1},
    "generated-max-retrans-0": {"nf_conntrack_tcp_max_retrans": 0},
    "generated-max-retrans-1": {
        "nf_conntrack_tcp_max_retrans": 1,
        "nf_conntrack_tcp_timeout_max_retrans": 40,  # its default is that of unacknowledged data
    },
    "generated-no-checksums": {"nf_conntrack_checksum": 0},
    "generated-timeouts": {
        "nf_conntrack_tcp_timeout_syn_sent": 22,
        "nf_conntrack_tcp_timeout_syn_recv": 33,
        "nf_conntrack_tcp_timeout_established": 1000,
        "nf_conntrack_tcp_timeout_fin_wait": 44,
        "nf_conntrack_tcp_timeout_close_wait": 55,
        "nf_conntrack_tcp_timeout_last_ack": 66,
        "nf_conntrack_tcp_timeout_time_wait": 77,
        "nf_conntrack_tcp_timeout_close": 5,
        "nf_conntrack_tcp_timeout_max_retrans": 88,
        "nf_conntrack_tcp_timeout_unacknowledged": 99,
        "nf_conntrack_udp_timeout": 12,
        "nf_conntrack_udp_timeout_stream": 50,
        "nf_conntrack_icmp_timeout": 7,
        "nf_conntrack_icmpv6_timeout": 9,
        "nf_conntrack_gre_timeout": 15,
        "nf_conntrack_gre_timeout_stream": 70,
        "nf_conntrack_sctp_timeout_cookie_wait": 6,
        "nf_conntrack_sctp_timeout_cookie_echoed": 8,
        "nf_conntrack_sctp_timeout_established": 40,
        "nf_conntrack_generic_timeout": 100,
    },
}
PACKETS = 512  # in each generated file
STEP = 0.004  # seconds between packets, more than the kernel takes for one
BURST, MIXES = 32, 10
# No sum of them comes near a timeout or UDP's two seconds, not even a burst later.
SHORT, LONG = [0.8, 1.7, 2.6], [4, 9, 29, 59, 119, 179, 209, 299, 599, 86_400, 431_999]
LONG_FRACTION = 0.55
STRANGE = [
    *(("10.0.1.2", group) for group in ("224.0.0.1", "224.0.0.251", "239.255.255.250")),
    *(("10.0.1.2", every) for every in ("255.255.255.255", "10.0.1.255", "10.0.1.1")),
    *(("10.0.1.2", nobody) for nobody in ("127.0.0.1", "0.0.0.0", "169.254.3.4")),
    *((source, "10.0.2.2") for source in ("0.0.0.0", "127.0.0.1", "169.254.3.4", "224.0.0.5")),
    ("0.0.0.0", "255.255.255.255"),
    *(("fd00:1::2", group) for group in ("ff02::1", "ff02::2", "ff02::fb", "ff05::2", "ff0e::5")),
    *((source, "fd00:2::2") for source in ("::", "fe80::5", "2001:db8::1", "ff02::fb")),
    *(("fd00:1::2", reserved) for reserved in ("ff00::1", "ff10::1", "ff0f::1")),
    *(("fe80::5", near) for near in ("fe80::6", "ff02::1", "ff02::fb", "fd00:1::1")),
]


class StrangeTalk:
    """Packets to groups, to all, to the router, or from where nobody is."""

    def __init__(self, dice: random.Random, ends: Ends) -> None:
        self.dice, self.number = dice, ends.number
        self.source, self.destination = dice.choice(STRANGE)

    def next(self, _: Tracker) -> Packet:
        ends = {"source": self.source, "destination": self.destination}
        query = 128 if ":" in self.source else 8
        maker, wire = self.dice.choice(
            [
                ("udp", builders.udp(self.number, 5353, **ends)),
                ("icmp", builders.icmp(query, id_=self.number, **ends)),
                ("SYN", builders.tcp(self.number, 80, "SYN", 1000, **ends)),
            ]
        )
        return say(maker, wire, 0, **ends)


KINDS = [TcpTalk] * 8 + [SctpTalk] * 2 + [UdpTalk] * 2
KINDS += [UdpLiteTalk, GreTalk, NumberTalk, IcmpTalk, ExtensionTalk, StrangeTalk]


@dataclass
class Stage:
    """What a mix of talks wants to know: the tracker that it may look at, and what it sent."""

    tracker: Tracker
    sent: list[Packet] = field(default_factory=list)
    is_real_time: bool = True  # pauses are drawn here, for all mixes at once


def draw(name: str) -> list[tuple[float, bytes]]:
    """Draw the packets of a generated file, aimed at what the library knows by then."""
    dice, tracker = random.Random(name), Tracker(ROUTER, make_config({**ALWAYS, **GENERATED[name]}))
    packets: list[tuple[float, bytes]] = []
    mixes: list[Mix] = []
    at, number = 0.0, 1000
    while len(packets) < PACKETS:
        mixes = [mix for mix in mixes if dice.random() < 0.75]
        while len(mixes) < MIXES:
            mixes.append(Mix(dice, Stage(tracker), KINDS, number := number + 1))
        for _ in range(BURST):
            mix = dice.choice(mixes)
            packet = mix.next()
            mix.exchange.sent.append(packet)
            tracker.process(packet.wire, at)
            packets.append((at, packet.wire))
            at = round(at + STEP, 3)
        is_long = dice.random() < 0.4
        pause = dice.choice(LONG) + LONG_FRACTION if is_long else dice.choice(SHORT)
        at = round(at + pause, 3)
    return packets


def write_packets(path: Path, packets: list[tuple[float, bytes]]) -> None:
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, snaplen=65535, linktype=RAW_IP)
        for at, wire in packets:
            writer.writepkt(wire, at)
