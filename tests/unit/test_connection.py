"""What a connection shows of itself, above all the line that `conntrack -L` prints."""

from __future__ import annotations

from decimal import Decimal
from ipaddress import ip_address
from math import inf

import pytest

from builders import CLIENT, SERVER, UDP
from conversation import Conversation
from statefulinspect import CtState, Direction
from statefulinspect.connection import NO_NUMBER, Verdict
from statefulinspect.flowkey import FlowKey, reverse
from statefulinspect.linking import connect, part
from statefulinspect.machines import side_flags
from statefulinspect.machines.request_reply import RequestReply
from statefulinspect.terms import Action

HANDSHAKE = """
    0.0  >  SYN seq=1000               =>  new
    0.1  <  SYN,ACK seq=5000 ack=1001  =>  established
    1.0  >  ACK seq=1001 ack=5001      =>  established
"""
LINES = {
    "tcp": (
        HANDSHAKE,
        "tcp      6 431999 ESTABLISHED src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=80 "
        "packets=2 bytes=80 src=10.0.2.2 dst=10.0.1.2 sport=80 dport=1000 packets=1 bytes=40 "
        "[ASSURED] mark=0 use=1",
    ),
    "tcp, data not acknowledged": (
        HANDSHAKE + "1.0  >  ACK seq=1001 ack=5001 len=10  =>  established",
        "tcp      6 299 ESTABLISHED src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=80 "
        "packets=3 bytes=130 src=10.0.2.2 dst=10.0.1.2 sport=80 dport=1000 packets=1 bytes=40 "
        "[ASSURED] mark=0 use=1",
    ),
    "tcp, unanswered": (
        "1.0  >  SYN seq=1000  =>  new",
        "tcp      6 119 SYN_SENT src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=80 packets=1 bytes=40 "
        "[UNREPLIED] src=10.0.2.2 dst=10.0.1.2 sport=80 dport=1000 packets=0 bytes=0 mark=0 use=1",
    ),
    "udp": (
        """
    0.0  >  udp        =>  new
    1.0  <  udp len=9  =>  established
    """,
        "udp      17 29 src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=53 packets=1 bytes=28 "
        "src=10.0.2.2 dst=10.0.1.2 sport=53 dport=1000 packets=1 bytes=37 mark=0 use=1",
    ),
    "udp, a stream": (
        """
    -2.0  >  udp  =>  new
    0.9  <  udp  =>  established
    1.0  >  udp  =>  established
    """,
        "udp      17 119 src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=53 packets=2 bytes=56 "
        "src=10.0.2.2 dst=10.0.1.2 sport=53 dport=1000 packets=1 bytes=28 [ASSURED] mark=0 use=1",
    ),
    "icmp": (
        "1.0  >  icmp type=8  =>  new",
        "icmp     1 29 src=10.0.1.2 dst=10.0.2.2 type=8 code=0 id=7 packets=1 bytes=28 "
        "[UNREPLIED] src=10.0.2.2 dst=10.0.1.2 type=0 code=0 id=7 packets=0 bytes=0 mark=0 use=1",
    ),
    "icmpv6": (
        """
    family: 6
    1.0  >  icmp type=128  =>  new
    1.0  <  icmp type=129  =>  established
    """,
        "icmpv6   58 29 src=fd00:1::2 dst=fd00:2::2 type=128 code=0 id=7 packets=1 bytes=48 "
        "src=fd00:2::2 dst=fd00:1::2 type=129 code=0 id=7 packets=1 bytes=48 mark=0 use=1",
    ),
    "udp in IPv6": (
        """
    family: 6
    1.0  >  udp  =>  new
    """,
        "udp      17 29 src=fd00:1::2 dst=fd00:2::2 sport=1000 dport=53 packets=1 bytes=48 "
        "[UNREPLIED] src=fd00:2::2 dst=fd00:1::2 sport=53 dport=1000 packets=0 bytes=0 "
        "mark=0 use=1",
    ),
    "generic": (
        "1.0  >  proto number=89 hex=ff  =>  new",
        "unknown  89 599 src=10.0.1.2 dst=10.0.2.2 packets=1 bytes=21 "
        "[UNREPLIED] src=10.0.2.2 dst=10.0.1.2 packets=0 bytes=0 mark=0 use=1",
    ),
    "gre": (
        "1.0  >  proto number=47  =>  new",
        "gre      47 29 src=10.0.1.2 dst=10.0.2.2 srckey=0x0 dstkey=0x0 packets=1 bytes=20 "
        "[UNREPLIED] src=10.0.2.2 dst=10.0.1.2 srckey=0x0 dstkey=0x0 packets=0 bytes=0 "
        "mark=0 use=1",
    ),
    "gre of a call": (
        "1.0  >  gre call=42  =>  new",
        "gre      47 29 src=10.0.1.2 dst=10.0.2.2 srckey=0x0 dstkey=0x2a packets=1 bytes=28 "
        "[UNREPLIED] src=10.0.2.2 dst=10.0.1.2 srckey=0x2a dstkey=0x0 packets=0 bytes=0 "
        "mark=0 use=1",
    ),
    "dccp": (
        "1.0  >  proto number=33  =>  new",
        "dccp     33 599 src=10.0.1.2 dst=10.0.2.2 sport=0 dport=0 packets=1 bytes=20 "
        "[UNREPLIED] src=10.0.2.2 dst=10.0.1.2 sport=0 dport=0 packets=0 bytes=0 mark=0 use=1",
    ),
    "sctp": (
        "1.0  >  sctp chunks=INIT/4  =>  new",
        "sctp     132 9 CLOSED src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=80 packets=1 bytes=52 "
        "[UNREPLIED] src=10.0.2.2 dst=10.0.1.2 sport=80 dport=1000 packets=0 bytes=0 mark=0 use=1",
    ),
    "zone": (
        """
    config: linux accounting=no
    1.0  >  udp zone=5  =>  new
    """,
        "udp      17 29 src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=53 "
        "[UNREPLIED] src=10.0.2.2 dst=10.0.1.2 sport=53 dport=1000 mark=0 zone=5 use=1",
    ),
}


def played(text):
    (connection,) = Conversation("config: linux\n" + text).play()
    return connection


@pytest.mark.parametrize(("text", "line"), LINES.values(), ids=LINES)
def test_the_line_of_conntrack(text, line):
    assert played(text).to_conntrack(2.0) == line


def test_the_line_names_mark_zone_and_helper():
    connection = played(LINES["zone"][0])
    connection.mark, connection.helper = 7, "ftp"
    assert connection.to_conntrack(2.0).endswith(" mark=7 zone=5 helper=ftp use=1")


def test_a_connection_that_is_over_keeps_its_line():
    tracker = Conversation(LINES["udp"][0]).play()
    (connection,) = tracker
    line = connection.to_conntrack(2.0)
    tracker.flush()
    assert connection.to_conntrack(2.0) == line


def pair(**changes):
    """A connection without a tracker."""
    wire = ip_address(CLIENT).packed + ip_address(SERVER).packed + b"\x03\xe8\x00\x35"
    machine = RequestReply((30, 30, 120), inf)
    connection = connect(UDP, wire, reverse(UDP, wire), machine, 0.0)
    for name, value in changes.items():
        setattr(connection, name, value)
    return connection


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (0.0, 30),
        (0.0001, 30),
        (0.0004, 30),
        (0.001, 29),
        (1.0, 29),
        (29.5, 0),
        (30.0, 0),
        (99.0, 0),
    ],
)
def test_seconds_left(now, seconds):
    assert pair(expires_at=30.0).seconds_left(now) == seconds


def test_times_may_be_decimals():
    connection = pair(expires_at=30.0)
    assert connection.seconds_left(Decimal("0.5")) == 29


def test_seconds_left_do_not_suffer_from_binary_fractions():
    assert pair(expires_at=2.3 + 30).seconds_left(2.3) == 30


def test_flags_have_the_values_that_ctnetlink_exports():
    exported = {
        "SCALE_OFFERED": 0x01,
        "SACK_PERMITTED": 0x02,
        "CLOSED_FIRST": 0x04,
        "LIBERAL": 0x08,
        "UNACKNOWLEDGED": 0x10,
        "HIGHEST_ACK_KNOWN": 0x20,
    }
    assert {name: getattr(side_flags, name) for name in exported} == exported


def test_a_connection_begins_with_nothing_seen():
    fresh = pair()
    assert (fresh.zone, fresh.mark, fresh.helper, fresh.master) == (0, 0, None, None)
    assert {fresh.seen_reply, fresh.is_assured, fresh.is_accounted} == {False}
    assert fresh.count(Direction.ORIGINAL) == fresh.count(Direction.REPLY) == (0, 0)


def test_both_directions_are_named():
    connection = pair()
    assert connection.original == FlowKey(UDP, connection.original_side.key)
    assert connection.reply == connection.original.reverse()


def test_counts_of_both_directions():
    connection = pair()
    connection.original_side.packets, connection.original_side.octets = 2, 80
    connection.reply_side.packets, connection.reply_side.octets = 1, 40
    assert connection.count(Direction.ORIGINAL) == (2, 80)
    assert connection.count(Direction.REPLY)._asdict() == {"packets": 1, "octets": 40}


def test_directions_of_sides():
    connection = pair()
    assert connection.original_side.direction is Direction.ORIGINAL
    assert connection.reply_side.direction is Direction.REPLY


@pytest.mark.parametrize(
    ("seen_reply", "master", "original"),
    [
        (False, None, CtState.NEW),
        (False, pair(), CtState.RELATED),
        (True, None, CtState.ESTABLISHED),
        (True, pair(), CtState.ESTABLISHED),
    ],
)
def test_what_the_next_packet_is(seen_reply, master, original):
    connection = pair(seen_reply=seen_reply, master=master)
    assert connection.original_side.ct_state is original
    assert connection.reply_side.ct_state is CtState.ESTABLISHED


def test_joined_sides_know_each_other():
    connection = pair()
    original, reply = connection.original_side, connection.reply_side
    assert (original.other, reply.other) == (reply, original)
    assert original.connection is reply.connection is connection


def test_parted_sides_hold_nothing():
    connection = pair()
    for side in (connection.original_side, connection.reply_side):
        side.verdict, side.next_seq = Verdict(Action.ACCEPT, CtState.NEW), 5
    part(connection)
    for side in (connection.original_side, connection.reply_side):
        assert (side.verdict, side.next_seq) == (None, NO_NUMBER)
        assert not hasattr(side, "connection")
        assert not hasattr(side, "other")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tcp", "Connection(tcp src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=80 ESTABLISHED)"),
        ("udp", "Connection(udp src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=53)"),
        ("generic", "Connection(89 src=10.0.1.2 dst=10.0.2.2)"),
    ],
)
def test_repr(name, text):
    assert repr(played(LINES[name][0])) == text
