"""Real programs' traffic: nothing healthy is INVALID, and the outside can only answer."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import dpkt
import pytest

from builders import packed
from statefulinspect import Action, Config, CtState, Reason, Ruleset, TcpPolicy, Tracker
from statefulinspect.decoding import decode

CAPTURES = Path(__file__).parent / "captures"
ETHERNET = ["office", "http", "dns", "ping", "ftp-active", "ftp-passive", "ssh"]
SERVERS = {4: packed("10.0.2.2"), 6: packed("fd00:2::2")}
INSIDE = ["10.0.1.0/24", "fd00:1::/64"]
TFTP = {69: "tftp"}
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
@pytest.mark.parametrize("name", [*ETHERNET, "tftp"])
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
    announced: set[int] = set()
    let_in = 0
    for at, wire in packets(name):
        packet = decode(wire)
        verdict = tracker.process(wire, at)
        from_inside = any(packet.source in ip_network(prefix) for prefix in INSIDE)
        if from_inside:
            assert verdict.action is Action.ACCEPT
            asked.add(packet.flow)
            announced |= ports_told(wire)
        elif verdict.ct_state is CtState.RELATED and verdict.connection.master is not None:
            assert (packet.source_port, packet.destination_port in announced) == (20, True)
            asked.add(packet.flow.reverse())
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


def ports_told(wire: bytes) -> set[int]:
    """Find the ports of PORT and EPRT commands, wherever they stand in a packet."""
    extended = {int(port) for port in re.findall(rb"EPRT \|[12]\|[^|]+\|(\d+)\|\r\n", wire)}
    plain = re.findall(rb"PORT \d+,\d+,\d+,\d+,(\d+),(\d+)\r\n", wire)
    return extended | {int(high) * 256 + int(low) for high, low in plain}


@pytest.mark.parametrize("profile", [Config(), Config.linux(helpers={21: "ftp"})])
@pytest.mark.parametrize("name", ["ftp-active", "ftp-passive", "office"])
def test_every_transfer_of_ftp_is_related(name, profile):
    """Each data connection is another's, whoever opens it, until its first answer."""
    tracker = Tracker(config=profile)
    transfers = set()
    for at, wire in packets(name):
        verdict, packet = tracker.process(wire, at), decode(wire)
        connection = verdict.connection
        opens = packet.protocol == 6 and wire[packet.l4 + 13] & 0x12 == 2
        if opens and 21 not in (packet.source_port, packet.destination_port):
            is_data = packet.source_port == 20 or packet.destination_port > 1024
            assert (verdict.ct_state is CtState.RELATED) == is_data
            transfers |= {connection} if is_data else set()
    assert len(transfers) >= (2 if name == "office" else 10)
    assert {each.master.original.destination_port for each in transfers} == {21}
    tracker.check()


@pytest.mark.parametrize("profile", [Config(helpers=TFTP), Config.linux(helpers=TFTP)])
def test_every_transfer_of_tftp_is_related(profile):
    """The server answers from a port of its choice, until the client's first answer to that."""
    tracker = Tracker(config=profile)
    answered, transfers = set(), set()
    for at, wire in packets("tftp"):
        verdict, packet = tracker.process(wire, at), decode(wire)
        if packet.protocol != 17:
            continue
        connection = verdict.connection
        if packet.destination_port == 69:
            assert verdict.ct_state is CtState.NEW
        else:
            is_first = connection not in answered and packet.source_octets == SERVERS[packet.family]
            assert (verdict.ct_state is CtState.RELATED) == is_first
            transfers.add(connection)
        if verdict.ct_state is CtState.ESTABLISHED:
            answered.add(connection)
    assert len(transfers) == 3  # the last one only says that there is no such file
    assert {each.master.original.destination_port for each in transfers} == {69}


def test_without_a_helper_an_active_ftp_server_is_not_let_in():
    """Its data connections are dropped, and so are their answers' answers."""
    tracker = Tracker(Ruleset.outbound(inside=INSIDE), Config(helpers={}))
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
