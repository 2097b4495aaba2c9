"""Real programs' traffic: nothing healthy is INVALID, and the outside can only answer."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import dpkt
import pytest

from statefulinspect import Action, Config, CtState, Reason, Ruleset, TcpPolicy, Tracker
from statefulinspect.decoding import decode

CAPTURES = Path(__file__).parent / "captures"
ETHERNET = ["office", "http", "dns", "ping", "ftp-active", "ftp-passive", "ssh"]
INSIDE = ["10.0.1.0/24", "fd00:1::/64"]
PROFILES = {
    "default": Config(),
    "linux": Config.linux(),
    "linux, not loose": Config.linux(tcp=TcpPolicy(loose=False)),
}


def packets(name: str) -> list[tuple[float, bytes]]:
    """Read the IP packets of an Ethernet capture."""
    with (CAPTURES / f"{name}.pcap").open("rb") as file:
        frames = [(at, dpkt.ethernet.Ethernet(frame)) for at, frame in dpkt.pcap.Reader(file)]
    return [(at, bytes(frame)[14:]) for at, frame in frames if frame.type in (0x800, 0x86DD)]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", ETHERNET)
def test_no_packet_of_a_healthy_conversation_is_invalid(name, profile):
    tracker = Tracker(config=PROFILES[profile])
    for at, packet in packets(name):
        verdict = tracker.process(packet, at)
        assert verdict.ct_state is not CtState.INVALID, (decode(packet), verdict.reason)
    tracker.check()


@pytest.mark.parametrize("name", ETHERNET)
def test_inside_may_open_and_outside_only_answer(name):
    """What comes in was asked for: each packet from outside is judged here by hand as well."""
    tracker = Tracker(Ruleset.outbound(inside=INSIDE))
    asked: set[object] = set()
    let_in = 0
    for at, wire in packets(name):
        packet = decode(wire)
        verdict = tracker.process(wire, at)
        from_inside = any(packet.source in ip_network(prefix) for prefix in INSIDE)
        if from_inside and verdict.action is not Action.ACCEPT:
            assert packet.destination_port == 20  # answers an FTP server that was not let in
        elif from_inside:
            asked.add(packet.flow)
        elif verdict.ct_state is CtState.ESTABLISHED:
            assert verdict.action is Action.ACCEPT
            assert packet.flow.reverse() in asked
            let_in += 1
        elif verdict.ct_state is CtState.RELATED:
            assert verdict.action is Action.ACCEPT
            assert verdict.reason is Reason.ERROR_ABOUT_CONNECTION
        elif verdict.ct_state is CtState.UNTRACKED:
            assert verdict.reason is Reason.EXEMPT_ICMPV6
        else:
            assert verdict.action is Action.DROP
    assert let_in > 10


def test_only_an_active_ftp_server_opens_from_outside():
    """Without a helper its data connections are dropped, and so are their answers' answers."""
    tracker = Tracker(Ruleset.outbound(inside=INSIDE))
    dropped = set()
    for at, wire in packets("ftp-active"):
        packet = decode(wire)
        if tracker.process(wire, at).action is Action.DROP:
            from_inside = any(packet.source in ip_network(prefix) for prefix in INSIDE)
            dropped.add(packet.destination_port if from_inside else packet.source_port)
    assert dropped == {20}


def test_the_office_ends_with_the_connections_that_were_open():
    tracker = Tracker()
    for at, packet in packets("office"):
        tracker.process(packet, at)
    lines = [connection.to_conntrack(at) for connection in tracker]
    assert len(lines) == len(tracker) > 50
    assert sum(" TIME_WAIT " in line for line in lines) > 20
    assert not any(" SYN_SENT " in line for line in lines)
    tracker.expire(at + 3600)
    assert len(tracker) == 0
