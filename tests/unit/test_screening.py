"""Packets that are attacks by themselves, each beside its near misses."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import FLAGS, ICMP, ICMPV6, SCTP, TCP, UDP, icmp, ip, piece, tcp, udp
from statefulinspect import Action, Config, CtState, DosPolicy, Reason, Ruleset, Tracker
from statefulinspect.decoding import decode
from statefulinspect.machines.tcp_segment import EVENTS, HEEDED_FLAGS
from statefulinspect.screening import Screen, fragment_offset
from statefulinspect.terms import OK, Effect

A, B = "10.0.1.2", "10.0.2.2"
A6, B6 = "fd00:1::2", "fd00:2::2"
FRAGMENT6 = 44


def screened(packet, **policy):
    return Screen(DosPolicy(**policy)).check(decode(packet))


def fragment4(protocol, payload, offset=0, *, more=True, options=b""):
    field = offset // 8 | (0x2000 if more else 0)
    return ip(A, B, protocol, payload, fragment=field, options=options)


def fragment6(protocol, payload, offset=0, *, more=True, before=b""):
    """Build an IPv6 fragment; `before` is a destination options header."""
    header = bytes((protocol, 0)) + (offset | more).to_bytes(2, "big") + bytes(4)
    if before:
        return ip(A6, B6, 60, bytes((FRAGMENT6,)) + before[1:] + header + payload)
    return ip(A6, B6, FRAGMENT6, header + payload)


@pytest.mark.parametrize("wire", [b"", b"\x45", b"\x10" * 60, udp()[:25]])
def test_what_cannot_be_read_keeps_its_reason(wire):
    assert decode(wire).reason.effect is Effect.DISCARD
    assert screened(wire) is decode(wire).reason


@pytest.mark.parametrize(
    ("hosts", "ports", "reason"),
    [
        ((A, A), (80, 80), Reason.LAND),
        ((A6, A6), (80, 80), Reason.LAND),
        ((A, A), (80, 81), OK),
        ((A, B), (80, 80), OK),
        ((A6, "fd00:1::3"), (80, 80), OK),
    ],
)
@pytest.mark.parametrize("build", [udp, tcp])
def test_land(build, hosts, ports, reason):
    packet = build(*ports, source=hosts[0], destination=hosts[1])
    assert screened(packet) is reason
    assert screened(packet, land=False) is OK


def test_land_needs_the_ports_that_a_protocol_has():
    """A fragment is screened for LAND when its datagram is whole."""
    packet = udp(80, 80, b"12345678", source=A, destination=A, fragment=0x2000)
    assert screened(packet) is Reason.FRAGMENT
    assert screened(ip(A, A, UDP, b"\0\x50")) is Reason.HEADER_CUT_SHORT
    assert screened(ip(A, A, 89, b"")) is Reason.LAND


@pytest.mark.parametrize("where", ["iif", "oif"])
def test_loopback_interfaces_may_carry_self_talk(where):
    land = udp(80, 80, source="127.0.0.1", destination="127.0.0.1")
    smurf = icmp(8, source="127.0.0.1", destination="224.0.0.1")
    for name, policy in (("lo", DosPolicy()), ("lo0", DosPolicy(loopback=["lo0"]))):
        assert Screen(policy).check(decode(land, **{where: name})) is OK
        assert Screen(policy).check(decode(smurf, **{where: name})) is Reason.SMURF
    assert Screen(DosPolicy()).check(decode(land, **{where: "lo0"})) is Reason.LAND


def expected_of(flags):
    """Name the attack of a flag set, by the words of its definition."""
    if {"SYN", "FIN"} <= flags:
        return Reason.TCP_SYN_FIN
    if {"SYN", "RST"} <= flags:
        return Reason.TCP_SYN_RST
    if not flags:
        return Reason.TCP_NULL
    if flags == {"FIN", "PSH", "URG"}:
        return Reason.TCP_XMAS
    return Reason.TCP_FIN_ALONE if "FIN" in flags and "ACK" not in flags else OK


ALL_SETS = [set(some) for size in range(7) for some in combinations(list(FLAGS)[:6], size)]


@pytest.mark.parametrize("flags", ALL_SETS, ids=lambda flags: "+".join(sorted(flags)) or "none")
def test_every_set_of_flags(flags):
    packet = tcp(flags=",".join(flags), seq=1)
    with_ecn = tcp(flags=",".join(flags | {"ECE", "CWR"}), seq=1)
    assert screened(packet) is screened(with_ecn) is expected_of(flags)
    assert screened(packet, impossible_flags=False) is OK


@pytest.mark.parametrize("bits", range(64))
def test_no_set_of_flags_that_the_machine_takes_is_discarded(bits):
    names = [name for name, bit in FLAGS.items() if bit & bits]
    if bits & HEEDED_FLAGS in EVENTS:
        assert screened(tcp(flags=",".join(names))) is OK


def test_flags_that_are_not_there_are_not_read():
    assert screened(ip(A, B, TCP, b"\0\1\0\2" + bytes(9))) is OK
    assert screened(ip(A, B, TCP, b"\0\1\0\2" + bytes(10))) is Reason.TCP_NULL
    assert screened(ip(A, B, TCP, b"\0\1")) is Reason.HEADER_CUT_SHORT
    assert screened(ip(A, B, UDP, bytes(20))) is OK


BOUNDS = {
    Reason.SOURCE_UNSPECIFIED: [("0.0.0.0", "0.255.255.255")],
    Reason.SOURCE_LOOPBACK: [("127.0.0.0", "127.255.255.255")],
    Reason.SOURCE_GROUP: [("224.0.0.0", "239.255.255.255")],
    Reason.SOURCE_RESERVED: [("240.0.0.0", "255.255.255.255")],
    OK: [
        ("1.0.0.0", "126.255.255.255"),
        ("128.0.0.0", "223.255.255.255"),
        ("::", "::"),
        ("::2", "::fffe:ffff:ffff"),
        ("::1:0:0:0", "feff::"),
        ("1::ffff:10.0.0.1", "1::1"),
    ],
}
BOUNDS[Reason.SOURCE_LOOPBACK].append(("::1", "::1"))
BOUNDS[Reason.SOURCE_MAPPED] = [("::ffff:0:0", "::ffff:255.255.255.255")]
SOURCES = [(one, reason) for reason, pairs in BOUNDS.items() for pair in pairs for one in pair]


@pytest.mark.parametrize(("source", "reason"), SOURCES)
def test_sources_at_the_bounds(source, reason):
    packet = udp(source=source, destination=B6 if ":" in source else B)
    assert screened(packet) is reason
    assert screened(packet, spoofed_sources=False) is OK


def test_a_network_named_makes_its_broadcast_address_known():
    networks = ["10.0.1.0/24", "10.0.0.0/16"]
    for address in ("10.0.1.255", "10.0.255.255"):
        assert screened(udp(source=address)) is OK
        assert screened(udp(source=address), networks=networks) is Reason.SOURCE_BROADCAST
        assert screened(icmp(8, destination=address)) is OK
        assert screened(icmp(8, destination=address), networks=networks) is Reason.SMURF
        assert screened(udp(destination=address), networks=networks) is OK
    assert screened(udp(source="10.0.2.255"), networks=networks) is OK
    assert screened(icmp(8, destination="10.0.2.255"), networks=networks) is OK
    assert screened(icmp(8, destination="10.0.1.254"), networks=networks) is OK


@pytest.mark.parametrize(
    ("type_", "source", "destination", "reason"),
    [
        (8, A, "224.0.0.0", Reason.SMURF),
        (8, A, "239.255.255.255", Reason.SMURF),
        (8, A, "255.255.255.255", Reason.SMURF),
        (8, A, "223.255.255.255", OK),
        (8, A, "240.0.0.0", OK),
        (0, A, "224.0.0.1", OK),
        (128, A6, "ff02::1", Reason.SMURF),
        (128, A6, "feff::1", OK),
        (129, A6, "ff02::1", OK),
    ],
)
def test_smurf(type_, source, destination, reason):
    packet = icmp(type_, source=source, destination=destination)
    assert screened(packet) is reason
    assert screened(packet, smurf=False) is OK


def test_an_echo_request_cut_short_is_none():
    assert screened(ip(A, "224.0.0.1", ICMP, b"\x08\0")) is Reason.HEADER_CUT_SHORT
    assert screened(ip(A6, "ff02::1", ICMPV6, b"\x80\0")) is Reason.HEADER_CUT_SHORT


@pytest.mark.parametrize("more", [True, False])
@pytest.mark.parametrize(
    ("build", "offset", "octets", "reason"),
    [
        (fragment4, 65_512, 3, Reason.FRAGMENT),
        (fragment4, 65_512, 4, Reason.PING_OF_DEATH),
        (fragment4, 65_528, 0, Reason.PING_OF_DEATH),
        (fragment6, 65_528, 7, Reason.FRAGMENT),
        (fragment6, 65_528, 8, Reason.PING_OF_DEATH),
    ],
)
def test_where_a_datagram_ends_at_most(build, offset, octets, reason, more):
    """65,535 octets with the IPv4 header, and without the IPv6 header."""
    packet = build(89, bytes(octets), offset, more=more)
    assert screened(packet) is reason
    assert screened(packet, ping_of_death=False) is Reason.FRAGMENT


def test_headers_before_the_data_count():
    options = bytes.fromhex("0101010101010100")
    header = bytes((0, 0, 1, 4)) + bytes(4)
    for packet in (
        fragment4(89, bytes(3), 65_512, options=options),
        fragment6(89, bytes(7), 65_528, before=header),
    ):
        assert screened(packet) is Reason.PING_OF_DEATH
    assert screened(fragment4(89, bytes(3), 65_504, options=options)) is Reason.FRAGMENT
    assert screened(fragment6(89, bytes(7), 65_520, before=header)) is Reason.FRAGMENT


@pytest.mark.parametrize(
    ("protocol", "least"), [(TCP, 20), (UDP, 8), (SCTP, 12), (ICMP, 8), (ICMPV6, 8), (89, 0)]
)
@pytest.mark.parametrize("build", [fragment4, fragment6])
def test_a_first_fragment_holds_the_header(build, protocol, least):
    assert screened(build(protocol, bytes(least))) is Reason.FRAGMENT
    if least:
        tiny = build(protocol, bytes(least - 1))
        assert screened(tiny) is Reason.FRAGMENT_TINY
        assert screened(tiny, tiny_fragments=False) is Reason.FRAGMENT


@pytest.mark.parametrize(
    ("protocol", "offset", "reason"),
    [
        (TCP, 8, Reason.FRAGMENT_IN_HEADER),
        (TCP, 16, Reason.FRAGMENT_IN_HEADER),
        (TCP, 24, Reason.FRAGMENT),
        (SCTP, 8, Reason.FRAGMENT_IN_HEADER),
        (SCTP, 16, Reason.FRAGMENT),
        (UDP, 8, Reason.FRAGMENT),
        (89, 8, Reason.FRAGMENT),
    ],
)
@pytest.mark.parametrize("build", [fragment4, fragment6])
@pytest.mark.parametrize("more", [True, False])
def test_a_later_fragment_begins_behind_the_header(build, protocol, offset, reason, more):
    packet = build(protocol, bytes(8), offset, more=more)
    assert screened(packet) is reason
    assert screened(packet, tiny_fragments=False) is Reason.FRAGMENT


def test_a_first_fragment_holds_every_extension_header():
    """RFC 7112: in IPv6 only; IPv4 has no chain of headers, though some share their numbers."""
    assert screened(fragment6(60, b"")) is Reason.FRAGMENT_TINY
    assert screened(fragment6(60, bytes((89, 0)) + bytes(6))) is Reason.FRAGMENT
    assert screened(fragment6(60, bytes((TCP, 0)) + bytes(6))) is Reason.FRAGMENT_TINY
    assert screened(fragment4(60, b"")) is Reason.FRAGMENT
    assert screened(fragment6(60, bytes(8), 8)) is Reason.FRAGMENT


@given(st.integers(0, 8191).map(lambda units: units * 8), st.booleans())
def test_where_a_fragment_begins(offset, more):
    for build in (fragment4, fragment6):
        packet = decode(build(89, bytes(8), offset, more=more))
        assert fragment_offset(packet) == offset


ATTACKS = [
    tcp(80, 80, "SYN", source=B, destination=B),
    tcp(flags="SYN,FIN"),
    udp(source="127.0.0.1"),
    icmp(8, destination="224.0.0.1"),
    fragment4(ICMP, bytes(8), 65_528),
    fragment4(TCP, bytes(8)),
]


@pytest.mark.parametrize("packet", ATTACKS, ids=range(len(ATTACKS)))
def test_no_rule_lets_an_attack_in(packet):
    tracker = Tracker(Ruleset([], policy=Action.ACCEPT))
    verdict = tracker.process(packet, 0)
    assert (verdict.action, verdict.ct_state) == (Action.DROP, CtState.INVALID)
    assert verdict.reason.effect is Effect.DISCARD
    assert (verdict.connection, verdict.direction, verdict.rule) == (None, None, None)
    assert len(tracker) == 0


@pytest.mark.parametrize("packet", ATTACKS, ids=range(len(ATTACKS)))
def test_linux_leaves_an_attack_to_the_rules(packet):
    rules, config = Ruleset([], policy=Action.ACCEPT), Config.linux(fragments="track")
    assert Tracker(rules, config).process(packet, 0).action is Action.ACCEPT


@pytest.mark.parametrize("packet", ATTACKS[-2:], ids=["ping of death", "tiny"])
def test_an_attack_is_not_held(packet):
    assert Tracker(config=Config.linux()).process(packet, 0).action is Action.HOLD
    assert Tracker().process(packet, 0).action is Action.DROP


def test_a_datagram_put_together_is_looked_at_again():
    scan = tcp(flags="SYN,FIN", data=bytes(40))
    tracker = Tracker()
    assert tracker.process(piece(scan, 0, 24), 0).action is Action.HOLD
    verdict = tracker.process(piece(scan, 24), 0)
    assert (verdict.reason, len(verdict.held)) == (Reason.TCP_SYN_FIN, 1)


def test_a_wrong_header_checksum_comes_first():
    wrong = bytearray(ATTACKS[0])
    wrong[8] ^= 1
    config = Config(verify_checksums=True)
    assert Tracker(config=config).process(wrong, 0).reason is Reason.IP_HEADER_CHECKSUM


@pytest.mark.parametrize(("client", "server"), [("127.0.0.1", "127.0.0.2"), ("::1", "fd00::1")])
def test_what_was_let_in_from_loopback_lets_in_nothing_from_a_wire(client, server):
    """The faster ways do not look at addresses, nor at devices: they must not be taken here."""
    tracker, back = Tracker(), {"source": server, "destination": client}
    there = {"source": client, "destination": server}
    for packet in (
        tcp(flags="SYN", seq=0, **there),
        tcp(80, 1000, "SYN,ACK", 0, 1, **back),
        tcp(seq=1, ack=1, **there),
        tcp(seq=1, ack=1, data=b"a", **there),
        udp(**there, data=bytes(12)),
    ):
        assert tracker.process(packet, 0.0, iif="lo").reason is OK
    for packet in (
        tcp(seq=2, ack=1, data=b"forged", **there),
        tcp(flags="RST,ACK", seq=2, ack=1, **there),
        udp(**there, data=bytes(12)),
    ):
        assert tracker.process(packet, 0.0, iif="wan0").reason is Reason.SOURCE_LOOPBACK
