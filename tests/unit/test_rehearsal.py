"""What `Tracker.trace` tells is what `process` then does, where two connections may share a key."""

import pytest

from builders import CLIENT, SERVER, icmp, icmp_error, piece, tcp, udp
from fullway import snapshot
from statefulinspect import (
    Action,
    Config,
    Direction,
    HelperPolicy,
    Limits,
    Reason,
    Ruleset,
    Tracker,
)

BACK = {"source": SERVER, "destination": CLIENT}
THERE_ONLY = {"zone": 5, "zone_direction": Direction.ORIGINAL}
BACK_ONLY = {"zone": 5, "zone_direction": Direction.REPLY}


RULES = """table ip t { chain c {
  type filter hook forward priority 0; policy drop
  udp dport 53 accept
} }"""
HELD = "verdict hold ct state untracked reason FRAGMENT_HELD"
LOOKING_ON = Ruleset.parse("table ip t { chain c { type filter hook forward priority 0; } }")


def told(verdict):
    return verdict.action, verdict.ct_state, verdict.direction, verdict.reason


def traced_and_done(tracker, packet, now, **context):
    """Trace a packet, process it, and give the verdict if both say the same."""
    foretold = told(tracker.trace(packet, now, **context).verdict)
    done = tracker.process(packet, now, **context)
    assert foretold == told(done)
    return done


def shake_and_part(tracker, now, **context):
    """Open a connection and close it: a SYN with a higher number opens it again."""
    tracker.process(tcp(2000, 80, "SYN", 1), now, **context)
    tracker.process(tcp(80, 2000, "SYN,ACK", 5, 2, **BACK), now)
    tracker.process(tcp(2000, 80, "ACK", 2, 6), now, **context)
    tracker.process(tcp(2000, 80, "FIN,ACK", 2, 6), now, **context)
    tracker.process(tcp(80, 2000, "FIN,ACK", 6, 3, **BACK), now)
    tracker.process(tcp(2000, 80, "ACK", 3, 7), now, **context)


def test_a_connection_that_is_opened_again_does_not_stand_in_its_own_way():
    tracker = Tracker()
    shake_and_part(tracker, 0.0, **THERE_ONLY)
    again = traced_and_done(tracker, tcp(2000, 80, "SYN", 1000), 1.0, **THERE_ONLY)
    assert (again.reason, again.connection.created_at) == (Reason.OK, 1.0)


def test_the_connection_behind_one_that_is_opened_again_is_found():
    tracker = Tracker()
    tracker.process(tcp(80, 2000, "SYN", 1, **BACK), 0.0)
    tracker.process(tcp(2000, 80, "SYN", 900), 1.0, **BACK_ONLY)
    tracker.process(tcp(80, 2000, "SYN,ACK", 5, 901, **BACK), 1.0, zone=5)
    tracker.process(tcp(2000, 80, "RST", 901), 1.0, **BACK_ONLY)
    assert len(tracker) == 2
    crossed = traced_and_done(tracker, tcp(2000, 80, "SYN", 5000), 2.0)
    assert crossed.connection.created_at == 0.0
    assert len(tracker) == 1


def test_an_invalid_segment_is_told_as_such_though_its_reply_direction_is_taken():
    tracker = Tracker(LOOKING_ON)
    tracker.process(tcp(2000, 80, "SYN", 1), 0.0)
    stray = traced_and_done(tracker, tcp(2000, 80, "ACK", 7, 7), 1.0, **THERE_ONLY)
    assert stray.reason is Reason.TCP_MIDSTREAM


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_per_source=1), Reason.SOURCE_FULL),
        (Limits(new_per_second_per_source=1), Reason.SOURCE_TOO_FAST),
        (Limits(max_connections=1), Reason.TABLE_FULL),
        (Limits(max_connections=2), Reason.OK),
    ],
)
def test_a_connection_for_which_there_is_no_room_is_told(limits, reason):
    tracker = Tracker(config=Config(limits=limits))
    for now in (0.0, 3.0, 3.1):
        tracker.process(udp(), now)
        tracker.process(udp(53, 1000, **BACK), now)
    tracker.process(udp(1001, source="10.0.1.9"), 4.5)
    assert traced_and_done(tracker, udp(1002, source="10.0.1.9"), 4.6).reason is reason


def test_of_two_reasons_the_source_is_told_and_who_expires_just_now_makes_room():
    tracker = Tracker(config=Config(limits=Limits(max_connections=1, max_per_source=1)))
    for now in (0.0, 3.0):
        for packet in (udp(), udp(53, 1000, **BACK)):
            connection = tracker.process(packet, now).connection
    assert (connection.is_assured, connection.expires_at) == (True, 3.0 + 40)
    for now, mine, anothers in (
        (42.9, Reason.SOURCE_FULL, Reason.TABLE_FULL),
        (43.0, Reason.SOURCE_FULL, Reason.OK),
    ):
        for source, reason in ((CLIENT, mine), ("10.0.1.9", anothers)):
            found = tracker.trace(udp(1001, source=source), now).verdict
            assert found.reason is reason


def test_a_taken_reply_direction_is_told():
    tracker = Tracker()
    tracker.process(udp(2000, 53), 0.0)
    taken = traced_and_done(tracker, udp(2000, 53), 1.0, **THERE_ONLY)
    assert taken.reason is Reason.REPLY_TAKEN


def test_fragments_are_told_as_they_fare_and_the_whole_goes_through_the_rules():
    tracker = Tracker(Ruleset.parse(RULES))
    whole = udp(2000, 53, bytes(100))
    first, middle, last = piece(whole, 0, 48), piece(whole, 48, 64), piece(whole, 64)
    for number in range(2):  # nothing is left of the trace
        assert str(tracker.trace(middle, 0.0)) == HELD, number
    assert traced_and_done(tracker, middle, 0.0).action is Action.HOLD
    assert traced_and_done(tracker, last, 0.0).action is Action.HOLD
    assert traced_and_done(tracker, piece(whole, 40, 56), 0.0).reason is Reason.FRAGMENT_OVERLAP
    for part in (middle, last):
        tracker.process(part, 1.0)
    trace = tracker.trace(first, 1.0)
    assert "udp dport 53 accept (verdict accept)" in str(trace)
    assert trace.verdict.held == (middle, last) == traced_and_done(tracker, first, 1.0).held
    tracker.process(last, 2.0)
    assert traced_and_done(tracker, middle, 40.0).action is Action.HOLD  # the other has lapsed
    assert traced_and_done(tracker, first, 40.0).action is Action.HOLD
    tracker.check()


BEFORE = """table ip t {
  set seen { type ipv4_addr; flags dynamic; }
  chain raw { type filter hook prerouting priority raw; policy accept; %s
  }
  chain c { type filter hook forward priority 0; policy drop
    counter ct state established accept
    ct state related limit rate 5/second counter accept
    ct state new add @seen { ip saddr } quota 10 mbytes ct count over 9 drop
    ct state new,untracked ct mark set 7 accept
  }
}"""
RAW = ["", "udp dport 53 drop", "udp dport 53 notrack", "ct zone set 7", "udp dport 53 reject"]
KNOWN, STRANGE = udp(1000, 53), udp(7777, 53)
ANSWERED = tcp(1000, 80, "SYN", 1)
PACKETS = {
    "of a known connection": KNOWN,
    "its answer": udp(53, 1000, **BACK),
    "of a new connection": STRANGE,
    "a SYN that is repeated": ANSWERED,
    "the answer to a SYN": tcp(80, 1000, "SYN,ACK", 5, 2, **BACK),
    "a segment out of the window": tcp(80, 1000, "ACK", 5, 99, **BACK),
    "a reset": tcp(1000, 80, "RST", 2),
    "a segment of nothing": tcp(3000, 80, "ACK", 7, 7),
    "an error about a known connection": icmp_error(KNOWN),
    "an error about a SYN": icmp_error(ANSWERED),
    "an error about nothing": icmp_error(STRANGE),
    "an error that goes to another": icmp_error(KNOWN, destination="10.0.9.9"),
    "an echo reply that nobody asked for": icmp(0),
    "a type of no conversation": icmp(99),
    "an attack": udp(53, 53, source=CLIENT, destination=CLIENT),
    "cut within its header": udp()[:3] + bytes([24]) + udp()[4:24],
    "no packet": b"",
    "a fragment": piece(udp(1000, 53, bytes(100)), 0, 48),
    "what is expected": udp(2000, 3000, **BACK),
    "IPv6": udp(source="fd00::1", destination="fd00::2"),
}


def scene(raw):
    config = Config(helpers={69: "tftp"}, helper_policy=HelperPolicy(lowest_port=0))
    tracker = Tracker(Ruleset.parse(BEFORE % raw), config)
    for packet in (KNOWN, ANSWERED, udp(3000, 69, b"\0\1file\0octet\0")):
        tracker.process(packet, 0.0)
    return tracker


@pytest.mark.parametrize("raw", RAW, ids=[raw or "nothing before" for raw in RAW])
@pytest.mark.parametrize("packet", PACKETS.values(), ids=PACKETS)
def test_what_a_trace_tells_happens_then_and_nothing_before(packet, raw):
    tracker = scene(raw)
    before = snapshot(tracker), str(tracker.ruleset), len(tracker.expectations)
    for _ in range(2):
        tracker.trace(packet, 1.0)
        assert (snapshot(tracker), str(tracker.ruleset), len(tracker.expectations)) == before
    done = traced_and_done(tracker, packet, 1.0)
    assert (done.connection is None) or done.connection.created_at in (0.0, 1.0)
    tracker.check()


def test_all_kinds_of_fates_are_among_them():
    """Else the test above would compare less than it says."""
    found = {
        told(scene(raw).trace(packet, 1.0).verdict) for raw in RAW for packet in PACKETS.values()
    }
    assert {each[0] for each in found} == set(Action)
    assert len({each[1] for each in found}) == 5
    assert {each[2] for each in found} == {None, *Direction}
    assert len({each[3] for each in found}) >= 12


def test_a_trace_shows_itself_in_short():
    assert repr(Tracker(LOOKING_ON).trace(tcp(), 0.0)) == "<Trace: accept, 2 steps>"


def test_rules_see_how_many_connections_shorten_lives():
    limits = Limits(max_connections=2, adaptive_start=1, adaptive_end=4)
    rules = """table ip t { chain c { type filter hook forward priority 0
      ct expiration 1s-25s drop } }"""
    tracker = Tracker(Ruleset.parse(rules), Config(limits=limits))
    tracker.process(udp(1000), 0.0)
    tracker.process(udp(1001), 0.0)
    assert traced_and_done(tracker, udp(1000), 1.0).action is Action.DROP
