"""NetBIOS name queries, in the library and in the running kernel.

Linux reads only what its own machine asks. So the queries are sent here by a socket of that
machine, which has an address in each of several networks, and the answers come in by a TUN device.
Time is real, for expectations cannot be made older; it is short.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address, ip_network

from builders import address
from kernel.conntrack import Table
from kernel.dialogues_misc import NetbiosNsDialogue
from kernel.differ import EVERYTHING_PASSES, kernel_expects, library_expects
from kernel.flow import lookup_flow
from kernel.netns import Namespace, open_tun
from kernel.talks import Ends
from statefulinspect import Config, Direction, Tracker
from statefulinspect.helpers import NetbiosNsHelper

INTERFACES = ("10.0.1.1/24", "10.0.1.5/24", "10.0.4.1/30", "10.16.3.4/12", "10.0.8.70/26")
NETWORKS = ["10.0.1.0/24", "10.0.4.0/30", "10.16.0.0/12", "10.0.8.64/26"]
ASKERS = {ip_address(each.split("/")[0]) for each in INTERFACES}
OTHERS = [
    ("10.0.4.1", "10.0.4.3"),
    ("10.16.3.4", "10.31.255.255"),
    ("10.0.8.70", "10.0.8.127"),
    ("10.0.8.70", "10.0.8.63"),
    ("10.0.4.1", "10.0.4.7"),
]
SYSCTLS = {
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.conf.all.accept_local": 1,
    "net.netfilter.nf_conntrack_acct": 1,
}
RULES = """
table inet netbios {
  ct helper reader { type "netbios-ns" protocol udp; }
  chain sent {
    type filter hook output priority -150;
    meta l4proto icmp drop
    udp dport 137 ct helper set "reader"
  }
  chain received {
    type filter hook prerouting priority -150;
    udp dport 137 ct helper set "reader"
  }
}
"""
PACKETS = 4000
SLACK = 1.3  # seconds: the kernel tells whole ones


class Machine:
    """A computer with a tracker, in a namespace of its own."""

    def __init__(self, held: ExitStack) -> None:
        namespace = Namespace()
        held.callback(namespace.close)
        with namespace.entered():
            self._tun = open_tun("lan0")
            held.callback(os.close, self._tun)
        for device in ("lo", "lan0"):
            namespace.run("ip", "link", "set", device, "up")
        for each in INTERFACES:
            namespace.run("ip", "address", "add", each, "brd", "+", "dev", "lan0")
        namespace.run("ip", "route", "add", "default", "dev", "lan0")
        namespace.run("nft", "-f", "-", stdin=RULES)
        for name, value in SYSCTLS.items():
            namespace.write_sysctl(name, value)
        with namespace.entered():
            self.table = Table()
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        held.callback(self.table.close)
        held.callback(self._socket.close)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

    def pass_on(self, packet: bytes) -> None:
        """Send what is the machine's own, receive what is not."""
        source, destination = (address(packet[at : at + 4]) for at in (12, 16))
        if ip_address(source) in ASKERS:
            self._socket.sendto(packet, (destination, 0))
        else:
            os.write(self._tun, packet)


def draw_dialogue(dice: random.Random) -> NetbiosNsDialogue:
    dialogue = NetbiosNsDialogue(dice, Ends("", "", dice.randrange(1024, 60_000)))
    if dice.random() < 0.4:
        dialogue.ends = Ends(*dice.choice(OTHERS), dice.choice([137, 5000]))
    return dialogue


def told_by_library(tracker: Tracker, packet: bytes, now: float) -> tuple:
    connection = tracker.find(packet)
    assert connection is not None
    counts = [tuple(connection.count(way)) for way in Direction]
    expected = [words for words, _ in library_expects(tracker, now)]
    return connection.seen_reply, connection.is_assured, counts, expected


def told_by_kernel(table: Table, packet: bytes) -> tuple:
    entry = table.get(lookup_flow(packet))
    assert entry is not None
    expected = [words for words, _ in kernel_expects(table)]
    return entry.seen_reply, entry.assured, list(map(tuple, entry.counts)), expected


def turns(dice: random.Random, tracker: Tracker) -> Iterator[bytes]:
    dialogue = draw_dialogue(dice)
    for _ in range(dice.randrange(3, 20)):
        yield dialogue.next(tracker).wire


def test_answers_to_a_whole_network_are_expected_as_the_kernel_expects_them(pytestconfig):
    dice, packets, announced = random.Random(pytestconfig.getoption("seed")), 0, 0
    config = Config.linux(accounting=True, helpers={137: NetbiosNsHelper(NETWORKS)})
    with ExitStack() as held:
        machine = Machine(held)
        while packets < PACKETS:
            machine.table.flush()
            tracker, began = Tracker(EVERYTHING_PASSES, config), time.monotonic()
            for packet in turns(dice, tracker):
                now = time.monotonic() - began
                tracker.process(packet, now)
                machine.pass_on(packet)
                packets += 1
                ours = told_by_library(tracker, packet, now)
                assert ours == told_by_kernel(machine.table, packet), packet.hex()
                left = tracker.find(packet).expires_at - now
                assert abs(left - machine.table.get(lookup_flow(packet)).timeout) < SLACK
                announced += len(tracker.expectations)
    assert announced > PACKETS / 10


def test_the_networks_are_those_of_the_interfaces():
    from_interfaces = {ip_network(each, strict=False) for each in INTERFACES}
    assert {ip_network(each) for each in NETWORKS} == from_interfaces
