"""What rules set, target by target: what is written, what stays, and when a rule ends there."""

from __future__ import annotations

import pytest

from builders import icmp, sctp, tcp, udp
from statefulinspect.decoding import decode
from statefulinspect.linking import connect
from statefulinspect.rules.engine.readers import place_of, reader
from statefulinspect.rules.engine.setting import PATH_MTU, setter
from statefulinspect.rules.engine.walk import walk_of
from statefulinspect.rules.words.headers import FIELDS
from statefulinspect.rules.words.selectors import SELECTORS, Selector
from statefulinspect.terms import INVALID, NEW, UNTRACKED
from statefulinspect.zones import Zone

SIX = {"source": "fd00::1", "destination": "fd00::2"}
CARRIERS = {
    "ip": udp(data=b"data"),
    "ip6": udp(data=b"data", **SIX),
    "tcp": tcp(data=b"data"),
    "udp": udp(data=b"data"),
    "icmp": icmp(8, data=b"data"),
    "icmpv6": icmp(128, data=bytes(40), **SIX),
    "sctp": sctp("DATA"),
}
FIELD_TEXTS = [f"{protocol} {name}" for protocol, name in FIELDS if protocol in CARRIERS]
RAW = ["@nh,0,8", "@nh,13,3", "@nh,15,18", "@nh,96,64", "@th,7,1", "@th,4,8", "@th,1,63"]


def walk_with(packet):
    return walk_of(decode(packet), 1.0)


def targeted(text):
    return SELECTORS.get(text) or Selector(text, SELECTORS["meta mark"].type, 32)


def put(walk, text, value):
    assign, _ = setter(targeted(text))
    return assign(walk, value)


def bits_of(wire, start, bits):
    """Read bits as nothing but one long number."""
    return int.from_bytes(wire, "big") >> len(wire) * 8 - start - bits & ((1 << bits) - 1)


def with_bits(wire, start, bits, value):
    """Write bits into one long number."""
    shift = len(wire) * 8 - start - bits
    number = int.from_bytes(wire, "big") & ~(((1 << bits) - 1) << shift)
    return (number | (value & ((1 << bits) - 1)) << shift).to_bytes(len(wire), "big")


def start_of(walk, text):
    place = place_of(text)
    return (0 if text.startswith(("ip ", "ip6 ", "@nh")) else walk.l4) * 8 + place.offset


@pytest.mark.parametrize("text", FIELD_TEXTS + RAW)
def test_a_field_is_written_where_it_is_read_and_nothing_else(text):
    packet, bits = CARRIERS.get(text.split()[0], CARRIERS["tcp"]), place_of(text).bits
    full = (1 << bits) - 1
    for value in (0, full, 1, 1 << bits - 1, full // 3, full - full // 3):
        walk = walk_with(packet)
        start = start_of(walk, text)
        assert reader(text)(walk) == bits_of(packet, start, bits)
        assert put(walk, text, value)
        assert walk.wire == with_bits(packet, start, bits, value)
        assert reader(text)(walk) == value


@pytest.mark.parametrize("text", ["udp checksum", "@th,48,16", "@th,63,1"])
def test_what_is_beyond_the_end_is_neither_read_nor_written(text):
    packet = udp()  # 28 octets, of which the last two are the checksum
    assert put(walk_with(packet), text, 1)
    walk = walk_with(packet)
    walk.packet.stop = 27
    before = walk.wire
    assert not put(walk, text, 1)
    assert reader(text)(walk) is None
    assert walk.wire == before


def test_what_is_not_there_ends_the_rule():
    walk = walk_with(tcp())
    walk.l4 = None
    assert not put(walk, "tcp dport", 1)
    assert reader("tcp dport")(walk) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [("meta mark", "mark"), ("meta priority", "priority"), ("meta pkttype", "pkttype")],
)
def test_what_is_set_of_a_packet(text, name):
    walk = walk_with(udp())
    assert put(walk, text, 5)
    assert getattr(walk, name) == 5
    assert not setter(targeted(text))[1]


def test_marks_have_32_bits():
    walk = walk_with(udp())
    walk.connection = connect(17, bytes(12), bytes(12), None, 0.0)
    for text in ("meta mark", "ct mark"):
        assert put(walk, text, 0x1_2345_6789)
    assert walk.mark == walk.connection.mark == 0x2345_6789


@pytest.mark.parametrize(
    ("text", "name", "before", "after"),
    [
        ("ct mark", "mark", 1, 6),
        ("ct label", "labels", 1, 7),  # added to those there are
        ("ct event", "event_mask", 1, 6),
    ],
)
def test_what_is_set_of_a_connection(text, name, before, after):
    walk = walk_with(udp())
    assert put(walk, text, 6)  # it has none: the rule goes on
    walk.connection = connect(17, bytes(12), bytes(12), None, 0.0)
    setattr(walk.connection, name, before)
    assert put(walk, text, 6)
    assert getattr(walk.connection, name) == after
    assert setter(targeted(text))[1]


def test_a_trace_that_rules_ask_for_is_none():
    walk = walk_with(udp())
    assert put(walk, "meta nftrace", 1)
    assert not setter(targeted("meta nftrace"))[1]


@pytest.mark.parametrize(
    ("text", "zone"),
    [("ct zone", (7, 7)), ("ct original zone", (7, 6)), ("ct reply zone", (5, 7))],
)
def test_a_zone_is_set_once_and_before_tracking(text, zone):
    walk = walk_with(udp())
    walk.zone, walk.is_exempt, walk.ct_bits = Zone(5, 6), True, UNTRACKED.bit
    assert put(walk, text, 7)
    assert walk.zone == Zone(*zone)
    assert (walk.has_zone, walk.is_exempt, walk.ct_bits) == (True, False, NEW.bit)
    assert put(walk, text, 8)
    assert walk.zone == Zone(*zone)
    assert setter(targeted(text))[1]


@pytest.mark.parametrize("text", ["ct zone", "ct original zone", "ct reply zone"])
def test_the_zone_of_what_is_tracked_stays(text):
    walk = walk_with(udp())
    walk.is_tracked = True
    assert put(walk, text, 7)
    assert (walk.zone, walk.has_zone, walk.ct_bits) == (Zone(), False, INVALID.bit)


MSS, WINDOW, SACK_OK = bytes.fromhex("020405b4"), bytes.fromhex("030307"), bytes.fromhex("0402")
OPTIONS = MSS + WINDOW + b"\1" + SACK_OK + b"\1\1"


def options_after(text, value, options=OPTIONS, cut=0):
    """Set a TCP option; whether the rule goes on, and the options behind."""
    walk = walk_with(tcp(options=options))
    walk.packet.stop -= cut
    before = walk.wire
    goes_on = put(walk, text, value)
    assert walk.wire[:40] == before[:40]
    return goes_on, walk.wire[40:]


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("ip dscp", True),
        ("tcp dport", True),
        ("tcp option maxseg size", True),
        ("tcp option maxseg", True),
        ("exthdr hbh", False),
    ],
)
def test_what_later_rules_may_see_is_told(text, changes):
    assert setter(targeted(text))[1] is changes


@pytest.mark.parametrize(("size", "left"), [(1459, 1459), (1460, 1460), (1461, 1460), (0, 0)])
def test_the_segment_size_is_lowered_only(size, left):
    goes_on, options = options_after("tcp option maxseg size", size)
    assert goes_on
    assert options == MSS[:2] + left.to_bytes(2, "big") + OPTIONS[4:]


def test_the_size_for_an_unknown_path_is_none():
    assert options_after("tcp option maxseg size", PATH_MTU) == (True, OPTIONS)


def test_what_is_no_segment_size_may_rise():
    goes_on, options = options_after("tcp option window count", 14)
    assert goes_on
    assert options == OPTIONS[:6] + bytes([14]) + OPTIONS[7:]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("tcp option maxseg", 0, 4), ("tcp option window", 4, 7), ("tcp option sack-perm", 8, 10)],
)
def test_an_option_without_a_field_is_filled_with_nops(text, first, last):
    goes_on, options = options_after(text, None)
    assert goes_on
    assert options == OPTIONS[:first] + b"\1" * (last - first) + OPTIONS[last:]


@pytest.mark.parametrize("text", ["tcp option timestamp", "tcp option timestamp tsval"])
def test_who_has_not_the_option_passes(text):
    assert options_after(text, 1) == (True, OPTIONS)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (b"\1" * 8 + bytes.fromhex("020305b4"), "tcp option maxseg size"),  # says to be shorter
        (b"\1\1" + bytes.fromhex("0206"), "tcp option maxseg"),  # and longer than there is room
        (b"\1\1" + bytes.fromhex("0208"), "tcp option maxseg size"),
    ],
)
def test_an_option_without_room_ends_the_rule(options, text):
    assert options_after(text, 1, options) == (False, options)


def test_without_a_whole_header_the_rule_ends():
    assert options_after("tcp option maxseg size", 1, cut=1) == (False, OPTIONS)
    walk = walk_with(udp())
    assert not put(walk, "tcp option maxseg size", 1)
