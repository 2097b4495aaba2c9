"""From fragments to verdicts: what is held, what the whole is, how the two IP versions differ."""

from __future__ import annotations

import pytest

from builders import CLIENT, CLIENT6, SERVER, SERVER6, icmp, ip, piece, tcp, udp
from statefulinspect import (
    Action,
    Cause,
    Config,
    CtState,
    Direction,
    EventKind,
    FragmentEvent,
    Limits,
    Reason,
    Rule,
    Ruleset,
    Timeouts,
    Tracker,
    decode,
)
from statefulinspect.keeper import SWEEP_AT_MOST

ENDS = {
    4: {"source": CLIENT, "destination": SERVER},
    6: {"source": CLIENT6, "destination": SERVER6},
}
HELD = (Action.HOLD, CtState.UNTRACKED, None, Reason.FRAGMENT_HELD, None, ())
BOTH = pytest.mark.parametrize("family", [4, 6])


def whole(family, size=56, **words):
    return udp(data=bytes(size), **ENDS[family], **words)


def tracker_of(**changes):
    return Tracker(config=Config.linux(**changes))


def parts(verdict):
    return (
        verdict.action,
        verdict.ct_state,
        verdict.direction,
        verdict.reason,
        verdict.connection,
        verdict.held,
    )


def reasons(tracker, *wires, at=0.0):
    found = [tracker.process(wire, at).reason.name for wire in wires]
    tracker.check()
    return found


@BOTH
def test_the_last_fragment_carries_the_verdict(family):
    tracker, packet = tracker_of(), whole(family)
    first, second, third = piece(packet, 24, 48), piece(packet, 0, 24), piece(packet, 48)
    assert parts(tracker.process(first, 0)) == HELD
    assert parts(tracker.process(second, 0)) == HELD
    verdict = tracker.process(third, 0)
    connection = tracker.find(packet)
    expected = (Action.ACCEPT, CtState.NEW, Direction.ORIGINAL, Reason.OK, connection)
    assert parts(verdict) == (*expected, (first, second))
    assert connection.count(Direction.ORIGINAL) == (1, len(packet))
    assert tracker.process(packet, 0).held == ()  # what the side hands out is as it was
    tracker.check()


def wholes_judged(tracker, *wires):
    """Process fragments; give the bytes of what was judged."""
    judged, classify = [], tracker._judge.classify

    def noting(packet, now):
        judged.append(packet.wire)
        return classify(packet, now)

    tracker._defragmenter.classify = noting
    reasons(tracker, *wires)
    return judged


@BOTH
@pytest.mark.parametrize("size", [1, 8, 1000])
def test_the_whole_is_what_was_sent(family, size):
    packet = whole(family, size)
    wires = [piece(packet, 8, id_=9), piece(packet, 0, 8, id_=9)]
    [judged] = wholes_judged(tracker_of(), *wires)
    if family == 4:  # the identification stays, and the checksum is made anew
        assert judged[:10] == packet[:4] + b"\0\x09" + packet[6:10]
        assert tracker_of().process(judged, 0).reason is Reason.OK
        assert judged[12:] == packet[12:]
    else:
        assert judged == packet


@BOTH
@pytest.mark.parametrize("late", range(4))
@pytest.mark.parametrize("first", range(4))
def test_ecn_of_the_whole(family, late, first):
    """RFC 3168 5.3: congestion met by one is the whole's; else the first fragment's holds."""
    packet = whole(family)
    wires = [piece(packet, 24, ecn=late), piece(packet, 0, 24, ecn=first)]
    judged = wholes_judged(tracker_of(), *wires)
    if (late == 0) != (first == 0):
        assert reasons(tracker_of(), *wires) == ["FRAGMENT_HELD", "FRAGMENTS_ECN"]
        assert not judged
    else:
        codepoint = 3 if 3 in (late, first) else first
        assert judged[0][1] == codepoint << (0 if family == 4 else 4)  # and nothing beside it


@pytest.mark.parametrize(
    ("family", "spoiler", "reason", "spoils"),
    [
        (4, (16, 32, {}), "FRAGMENT_OVERLAP", True),
        (6, (16, 32, {}), "FRAGMENT_OVERLAP", True),
        (4, (8, 16, {}), "FRAGMENT_REPEATED", False),
        (6, (8, 16, {}), "FRAGMENT_REPEATED", False),
        (4, (8, 16, {"more": False}), "FRAGMENT_END", True),
        (6, (8, 16, {"more": False}), "FRAGMENT_END", False),
        (4, (32, 32, {"data": b""}), "FRAGMENT_EMPTY", True),
        (6, (32, 32, {"data": b""}), "FRAGMENT_EMPTY", False),
        (4, (32, 32, {"data": bytes(7), "more": True}), "FRAGMENT_EMPTY", True),
        (6, (32, 32, {"data": bytes(7), "more": True}), "FRAGMENT", True),
        (6, (65_528, 65_528, {"data": bytes(8), "more": False}), "FRAGMENTS_TOO_LONG", False),
    ],
)
def test_what_spoils_a_datagram(family, spoiler, reason, spoils):
    tracker, packet = tracker_of(events=True), whole(family)
    start, stop, words = spoiler
    first = piece(packet, 0, 24)
    reasons(tracker, first)
    verdict = tracker.process(piece(packet, start, stop, **words), 0)
    tracker.check()
    is_alone = reason == "FRAGMENT"
    assert (verdict.reason.name, verdict.ct_state) == (reason, CtState.INVALID)
    assert verdict.action is Action.DROP
    assert verdict.held == ((first,) if spoils and not is_alone else ())
    assert [event.causes for event in tracker.events()] == [(Cause.MISFIT,)] * is_alone
    assert reasons(tracker, piece(packet, 24)) == ["FRAGMENT_HELD" if spoils else "OK"]


@pytest.mark.parametrize(("size", "expected"), [(515, "OK"), (516, "FRAGMENTS_TOO_LONG")])
def test_ipv4_is_too_long_as_a_whole(size, expected):
    tracker, packet = tracker_of(), ip(CLIENT, SERVER, 89, bytes(65_515))
    first = piece(packet, 0, 65_000)
    reasons(tracker, first)
    verdict = tracker.process(piece(packet, 65_000, data=bytes(size), more=False), 0)
    assert (verdict.reason.name, verdict.held) == (expected, (first,))


def test_ipv6_is_too_long_with_its_headers():
    before = 60, bytes([44, 0, 1, 4, 0, 0, 0, 0])
    packet = ip(CLIENT6, SERVER6, 89, bytes(65_528))
    for size, expected in [(65_527, "OK"), (65_528, "FRAGMENTS_TOO_LONG")]:
        wires = [
            piece(packet, 0, 65_000, before=before),
            piece(packet, 65_000, size, more=False, before=before),
        ]
        assert reasons(tracker_of(), *wires)[1] == expected


def test_an_ipv6_fragment_may_end_at_65535():
    for size, expected in [(7, "FRAGMENT_HELD"), (8, "FRAGMENTS_TOO_LONG")]:
        wire = piece(whole(6), 65_528, data=bytes(size), more=False)
        assert reasons(tracker_of(), wire) == [expected]


@pytest.mark.parametrize(
    ("protocol", "size", "is_held"),
    [
        (6, 16, False),
        (6, 24, True),
        (17, 8, True),
        (58, 8, True),
        (89, 8, True),
        (59, 8, True),  # no next header: none is missing
        (60, 8, True),  # cut within an extension header
        (44, 8, True),
    ],
)
def test_a_first_ipv6_fragment_has_to_hold_the_transport_header(protocol, size, is_held):
    packet = ip(CLIENT6, SERVER6, protocol, bytes([60, 0, 0, 8, 0, 0, 0, 1] * 4))
    verdict = tracker_of().process(piece(packet, 0, size), 0)
    assert (verdict.action is Action.HOLD) == is_held


@pytest.mark.parametrize("size", range(9))
def test_a_cut_fragment_header(size):
    for field, then in [(0, 89), (1, 89), (8, 89), (1, 59)]:
        header = bytes([then, 0, 0, field, 0, 0, 0, 1])[:size]
        packet = ip(CLIENT6, SERVER6, 89, header, extensions=(44, b""))
        reason = tracker_of().process(packet, 0).reason.name
        if size == 0:
            assert reason == "EXTENSION_MALFORMED"  # an IPv6 packet of nothing
        elif size == 8:
            assert reason == {0: "OK", 1: "OK", 8: "FRAGMENT_EMPTY"}[field] or then == 59
        else:
            is_read = size >= 4 and field < 8 and then == 89
            assert reason == ("OK" if is_read else "FRAGMENT_HEADER")


@pytest.mark.parametrize("options", ["01040000 0000", "8004ffff ffff", "c2040001 0000"])
def test_hop_by_hop_options_behind_a_fragment_header_are_for_no_router(options):
    behind = bytes([17, 0]) + bytes.fromhex(options) + whole(6)[40:]
    wire = ip(CLIENT6, SERVER6, 0, behind, extensions=(44, bytes([0, 0, 0, 0, 0, 0, 0, 9])))
    assert reasons(tracker_of(), wire) == ["OK"]


@pytest.mark.parametrize(("size", "reason"), [(8, "EXTENSION_MALFORMED"), (16, "FRAGMENT_HEADER")])
def test_a_fragment_header_that_would_begin_beyond_the_end_is_none(size, reason):
    options = bytes([44, 1, 1, 12]) + bytes(12)
    wire = ip(CLIENT6, SERVER6, 60, options[:size])
    assert reasons(tracker_of(), wire) == [reason]


def test_an_ipv6_packet_that_says_no_length_is_not_put_together():
    hop_by_hop = 0, bytes([44, 0, 1, 4, 0, 0, 0, 0])
    wire = piece(whole(6), 24, before=hop_by_hop)
    assert tracker_of().process(wire[:4] + bytes(2) + wire[6:], 0).reason is Reason.FRAGMENT


def test_an_atomic_fragment_is_one_of_its_datagram():
    tracker, packet = tracker_of(), whole(6)
    assert reasons(tracker, piece(packet)) == ["OK"]
    assert reasons(tracker, piece(packet, 0, 24, id_=2), piece(packet, id_=2)) == [
        "FRAGMENT_HELD",
        "FRAGMENT_OVERLAP",
    ]


def test_what_is_within_an_atomic_fragment_is_not_put_together():
    for field, expected in [(0, "OK"), (1, "OK"), (8, "FRAGMENT")]:
        packet = ip(CLIENT6, SERVER6, 89, bytes([89, 0, 0, field, 0, 0, 0, 1, *b"ospf"]))
        assert reasons(tracker_of(), piece(packet, inner=44)) == [expected]


def test_behind_the_fragment_header_headers_may_follow():
    options = bytes([17, 0, 1, 4, 0, 0, 0, 0])
    packet = whole(6)
    packet = packet[:40] + options + packet[40:]
    tracker = tracker_of()
    wires = [piece(packet, 0, 16, inner=60), piece(packet, 16, inner=17)]
    assert reasons(tracker, *wires) == ["FRAGMENT_HELD", "OK"]


@pytest.mark.parametrize(
    ("protocol", "reason"),
    [(89, "OK"), (59, "NO_NEXT_HEADER"), (60, "EXTENSION_MALFORMED"), (17, "UDP_LENGTH")],
)
def test_a_first_ipv6_fragment_of_no_multiple_of_8_is_judged_as_it_is(protocol, reason):
    packet = ip(CLIENT6, SERVER6, protocol, bytes([60, 0, 0, 9, 0, 0, 0, 0, 60, 9]))
    assert reasons(tracker_of(verify_checksums=False), piece(packet, 0, 9)) == [reason]


DIFFERENT = [
    {"id_": 2},
    {"source": "10.0.1.9"},
    {"destination": "10.0.2.9"},
    {"protocol": 136},
    {"zone": 5},
]


@BOTH
@pytest.mark.parametrize("change", DIFFERENT, ids=lambda change: next(iter(change)))
def test_keys(family, change):
    """Each of these makes it another datagram; the protocol in IPv4 only."""
    zone = change.get("zone", 0)
    tracker, packet = tracker_of(verify_checksums=False), whole(family)
    other = bytearray(packet)
    if "protocol" in change:
        other[9 if family == 4 else 6] = 136
    if "source" in change:
        other[15 if family == 4 else 23] = 9
    if "destination" in change:
        other[19 if family == 4 else 39] = 9
    tracker.process(piece(packet, 0, 24), 0)
    verdict = tracker.process(piece(bytes(other), 24, id_=change.get("id_", 1)), 0, zone=zone)
    assert (verdict.action is Action.HOLD) == (family == 4 or "protocol" not in change)


@pytest.mark.parametrize(
    ("destination", "is_local"),
    [(SERVER6, False), ("fe80::1", True), ("febf::1", True), ("fec0::1", False), ("ff02::1", True)],
)
def test_the_interface_tells_apart_what_is_local_to_it(destination, is_local):
    packet = udp(data=bytes(56), source=CLIENT6, destination=destination)
    tracker = tracker_of()
    tracker.process(piece(packet, 0, 24), 0, iif="one")
    verdict = tracker.process(piece(packet, 24), 0, iif="two")
    assert (verdict.action is Action.HOLD) == is_local


def test_a_wrong_header_checksum_is_discarded_unless_nobody_looks():
    wire = bytearray(piece(whole(4), 0, 24))
    wire[10] ^= 1
    assert reasons(tracker_of(), bytes(wire)) == ["IP_HEADER_CHECKSUM"]
    assert reasons(tracker_of(verify_checksums=False), bytes(wire)) == ["FRAGMENT_HELD"]


def test_options_of_the_first_fragment_are_the_wholes():
    source_route = bytes([131, 3, 4, 0])
    for options, reason in [((source_route, b""), "IPV4_OPTIONS"), ((b"", source_route), "OK")]:
        wires = [
            piece(whole(4), 0, 24, options=options[0]),
            piece(whole(4), 24, options=options[1]),
        ]
        assert reasons(tracker_of(), *wires) == ["FRAGMENT_HELD", reason]


@BOTH
def test_memory_is_full(family):
    tracker = tracker_of(limits=Limits(max_fragment_octets=3000))
    wires = [piece(whole(family), 0, 24, id_=number) for number in range(4)]
    assert reasons(tracker, *wires) == ["FRAGMENT_HELD"] * 3 + ["FRAGMENTS_FULL"]
    assert reasons(tracker, piece(whole(family), 24, id_=0)) == ["FRAGMENTS_FULL"]
    assert tracker.process(whole(family), 0).ct_state is CtState.NEW


@BOTH
def test_time(family):
    config = {"timeouts": Timeouts.linux(ipfrag=5, frag6=7), "events": True}
    wait = {4: 5, 6: 7}[family]
    for late, expected in [(wait - 0.1, "OK"), (wait, "FRAGMENT_HELD")]:
        tracker = tracker_of(**config)
        first = piece(whole(family), 0, 24)
        reasons(tracker, first, at=1)
        assert tracker.next_expiry_at == 1 + wait
        assert reasons(tracker, piece(whole(family), 24), at=1 + late) == [expected]
        lapses = [event for event in tracker.events() if event.kind is EventKind.LAPSE]
        assert lapses == [FragmentEvent(1 + wait, (Cause.EXPIRED,), (first,))] * (late == wait)


@BOTH
def test_expire_and_flush_and_sweep(family):
    tracker = tracker_of(events=True)
    reasons(tracker, piece(whole(family), 0, 24))
    assert tracker.expire(100) == 0
    assert tracker.next_expiry_at is None
    reasons(tracker, piece(whole(family), 0, 24), at=100)
    tracker.flush()
    assert tracker.next_expiry_at is None
    reasons(tracker, piece(whole(family), 0, 24), icmp(8), at=100)
    reasons(tracker, icmp(8), at=200)  # the connection's second is over, and so is theirs
    causes = [each.causes[0] for each in tracker.events() if isinstance(each, FragmentEvent)]
    assert causes == [Cause.EXPIRED, Cause.DELETED, Cause.EXPIRED]
    assert tracker._defragmenter.tables[family].cost == 0


@BOTH
def test_a_fragment_sweeps_what_has_timed_out(family):
    tracker = tracker_of(events=True)
    reasons(tracker, *(piece(whole(family), 0, 24, id_=number) for number in range(100)))
    reasons(tracker, piece(whole(family), 0, 24, id_=100), at=100)
    assert len(tracker.events()) == SWEEP_AT_MOST
    reasons(tracker, piece(whole(family), 24, id_=100), at=100)
    assert len(tracker._defragmenter.tables[family]) == 0


def test_nobody_has_to_listen():
    tracker = tracker_of()
    reasons(tracker, piece(whole(4), 0, 24))
    assert tracker.expire(100) == 0
    assert tracker.events() == []


@BOTH
def test_a_line_for_people(family):
    tracker = tracker_of(events=True)
    wires = [piece(whole(family), 0, 24), piece(whole(family), 24, 48)]
    reasons(tracker, *wires)
    tracker.flush()
    source, destination = ENDS[family].values()
    expected = f"  [LAPSE] src={source} dst={destination} fragments=2 bytes={sum(map(len, wires))}"
    assert [str(event) for event in tracker.events()] == [expected]


def test_drop():
    tracker = Tracker(config=Config(fragments="drop"))
    for family in (4, 6):
        verdict = tracker.process(piece(whole(family), 0, 24), 0)
        assert parts(verdict)[:4] == (Action.DROP, CtState.INVALID, None, Reason.FRAGMENT_UNWANTED)
    assert reasons(tracker, piece(whole(6))) == ["OK"]  # atomic: nothing is missing


def test_track():
    everything = Ruleset([], policy=Action.ACCEPT)
    tracker = Tracker(everything, Config(fragments="track"))
    for family in (4, 6):
        verdict = tracker.process(piece(whole(family), 0, 24), 0)
        assert parts(verdict)[:4] == (Action.ACCEPT, CtState.INVALID, None, Reason.FRAGMENT)
    assert reasons(tracker, piece(whole(6))) == ["OK"]


def test_rules_look_at_the_whole():
    tracker = Tracker(Ruleset([Rule(Action.REJECT, destination_port=53)], policy=Action.ACCEPT))
    first = piece(whole(4), 24)
    reasons(tracker, first)
    verdict = tracker.process(piece(whole(4), 0, 24), 0)
    assert (verdict.action, verdict.held, verdict.connection) == (Action.REJECT, (first,), None)


@BOTH
def test_the_whole_takes_the_way_of_its_latest_fragment(family):
    chain = "chain c { type filter hook input priority 0; policy drop;\n }"
    tracker = Tracker(Ruleset.parse(f"table inet t {{ {chain} }}"))
    for hook, action in (("input", Action.DROP), ("forward", Action.ACCEPT)):
        tracker.process(piece(whole(family), 24), 0, hook="output")
        assert tracker.process(piece(whole(family), 0, 24), 0, hook=hook).action is action


@BOTH
def test_the_whole_identification_tells_datagrams_apart(family):
    """The least and the greatest octet of it."""
    for other in (2, 1 + (1 << (8 if family == 4 else 24))):
        wires = [piece(whole(family), 24, id_=1), piece(whole(family), 0, 24, id_=other)]
        assert reasons(tracker_of(), *wires) == ["FRAGMENT_HELD"] * 2
        assert reasons(tracker_of(), wires[0], piece(whole(family), 0, 24, id_=1))[1] == "OK"


@pytest.mark.parametrize("others", [63, 64, 65, 200])
def test_only_ipv4_counts_what_comes_in_between(others):
    """A datagram of another's identification, sent soon after, is not mixed up with it."""
    for family in (4, 6):
        tracker = tracker_of()
        reasons(tracker, piece(whole(family), 24, id_=1))
        between = [piece(whole(family), 0, 24, id_=number + 2) for number in range(others)]
        reasons(tracker, *between)
        is_begun_anew = family == 4 and others > 63
        found = reasons(tracker, piece(whole(family), 0, 24, id_=1))
        assert found == ["FRAGMENT_HELD" if is_begun_anew else "OK"]


def test_a_segment_in_pieces_moves_its_connection():
    tracker = tracker_of()
    back = {"source": SERVER, "destination": CLIENT}
    reasons(tracker, tcp(flags="SYN", seq=0), tcp(80, 1000, "SYN,ACK", 9, 1, **back))
    ack = tcp(flags="ACK", seq=1, ack=10, data=bytes(40))
    assert reasons(tracker, piece(ack, 0, 8), piece(ack, 8)) == ["FRAGMENT_HELD", "OK"]
    assert tracker.find(ack).state_name == "ESTABLISHED"


@pytest.mark.parametrize("now", [float("inf"), float("-inf"), float("nan")])
def test_a_time_that_never_comes(now):
    with pytest.raises(ValueError, match="finite"):
        tracker_of().process(piece(whole(4), 0, 24), now)


def test_decode_says_where_the_fragment_header_is():
    assert decode(piece(whole(4), 0, 24)).fragment_at == 6
    assert decode(piece(whole(6), 0, 24)).fragment_at == 40
    before = 60, bytes([44, 0, 1, 4, 0, 0, 0, 0])
    assert decode(piece(whole(6), before=before)).fragment_at == 48
    assert decode(whole(4)).fragment_at == decode(whole(6)).fragment_at == 0
