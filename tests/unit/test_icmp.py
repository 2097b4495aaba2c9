"""Each of the 256 types of ICMP and ICMPv6, checksums, and what an error quotes."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from builders import (
    CLIENT,
    CLIENT6,
    SERVER,
    SERVER6,
    gre,
    icmp,
    icmp_error,
    ip,
    redirect,
    tcp,
    udp,
)
from statefulinspect import Config, CtState, Reason, Tracker, shard_key
from statefulinspect.decoding import decode
from statefulinspect.machines.icmp import check_checksum_and_type, check_type, kind_of, quoted_flow

V6 = {"source": CLIENT6, "destination": SERVER6}
BACK6 = {"source": SERVER6, "destination": CLIENT6}
ICMP_KINDS = {
    "OPENING": [8, 13, 15, 17],
    "ANSWER": [0, 14, 16, 18],
    "ERROR": [3, 4, 5, 11, 12],
}
ICMPV6_KINDS = {
    "OPENING": [128, 139],
    "ANSWER": [129, 140],
    "ERROR": range(128),
    "EXEMPT": [130, 131, 132, 133, 134, 135, 136, 143, 151, 152],
}
REFUSED = {
    "EXEMPT": "EXEMPT_ICMPV6",
    "ERROR": "ERROR_ABOUT_CONNECTION",
    "UNKNOWN": "ICMP_TYPE",
}


def types():
    for names, kinds in (({}, ICMP_KINDS), (V6, ICMPV6_KINDS)):
        kind_of_type = {number: kind for kind, numbers in kinds.items() for number in numbers}
        for number in range(256):
            kind = kind_of_type.get(number, "UNKNOWN")
            yield pytest.param(names, number, kind, id=f"{'v6' if names else 'v4'} {number} {kind}")


@pytest.mark.parametrize(("names", "number", "kind"), list(types()))
def test_each_type(names, number, kind):
    packet = decode(icmp(number, **names))
    assert kind_of(packet).name == kind
    assert check_type(packet).name == REFUSED.get(kind, "OK")
    assert check_checksum_and_type(packet).name == REFUSED.get(kind, "OK")


@pytest.mark.parametrize(
    "packet",
    [icmp(8, bad=True), icmp(1, bad=True), icmp(128, bad=True, **V6), icmp(135, bad=True, **V6)],
    ids=["query", "unknown type", "query in IPv6", "neighbour solicitation"],
)
def test_the_checksum_comes_before_the_type(packet):
    assert check_checksum_and_type(decode(packet)) is Reason.CHECKSUM
    assert check_type(decode(packet)) is not Reason.CHECKSUM


def test_icmpv6_is_summed_with_its_addresses():
    wire = icmp(128, **V6)
    moved = wire[:39] + b"\x03" + wire[40:]
    assert check_checksum_and_type(decode(moved)) is Reason.CHECKSUM


@pytest.mark.parametrize(("verify", "reason"), [(True, "CHECKSUM"), (False, "OK")])
@pytest.mark.parametrize("packet", [icmp(8, bad=True), icmp(128, bad=True, **V6)])
def test_the_configuration_chooses_the_check(packet, verify, reason):
    tracker = Tracker(config=Config(verify_checksums=verify))
    assert tracker.process(packet, 0.0).reason.name == reason


QUERIES = [({}, each) for each in (8, 13, 15, 17)] + [(V6, each) for each in (128, 139)]
ANSWERS = [({}, each) for each in (0, 14, 16, 18)] + [(V6, each) for each in (129, 140)]


@pytest.mark.parametrize(("names", "type_"), QUERIES)
def test_only_a_query_opens(names, type_):
    verdict = Tracker().process(icmp(type_, **names), 0.0)
    assert verdict.reason is Reason.OK
    assert verdict.connection.seconds_left(0.0) == 30


@pytest.mark.parametrize(("names", "type_"), ANSWERS)
def test_a_reply_that_nobody_asked_for(names, type_):
    verdict = Tracker().process(icmp(type_, **names), 0.0)
    assert verdict.reason is Reason.ICMP_UNSOLICITED


def test_a_redirect_is_about_the_packet_that_it_quotes():
    """RFC 4861 4.5; Linux takes it for an error if a router on the link sends it."""
    tracker = Tracker(config=Config.linux())
    asked = tracker.process(udp(**V6), 0.0)
    verdict = tracker.process(redirect(udp(**V6)), 0.1)
    assert (verdict.ct_state, verdict.reason) == (CtState.RELATED, Reason.ERROR_ABOUT_CONNECTION)
    assert verdict.connection is asked.connection
    of_others = tracker.process(redirect(udp(**V6), destination="fd00:1::9"), 0.2)
    assert of_others.reason is Reason.QUOTE_MISDIRECTED
    assert shard_key(redirect(udp(**V6))) == shard_key(udp(**V6))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"code": 1}, "ICMP_TYPE"),
        ({"hops": 254}, "ICMP_TYPE"),
        ({"source": "fec0::1"}, "ICMP_TYPE"),
        ({"source": "fd00:1::1"}, "ICMP_TYPE"),
        ({"source": "febf::1"}, "ERROR_ABOUT_CONNECTION"),
        ({"option": 2}, "ICMP_TYPE"),
        ({"length": 0}, "ICMP_TYPE"),
        ({"length": 255}, "ERROR_ABOUT_CONNECTION"),
        ({"cut": 44}, "ERROR_ABOUT_CONNECTION"),
        ({"cut": 43}, "QUOTE_MALFORMED"),
        ({"cut": 0}, "QUOTE_MALFORMED"),
        ({"bad": True}, "CHECKSUM"),
    ],
)
def test_a_redirect_is_one_only_if(words, reason):
    tracker = Tracker(config=Config.linux())
    tracker.process(udp(**V6), 0.0)
    assert tracker.process(redirect(udp(**V6), **words), 0.1).reason.name == reason


@pytest.mark.parametrize("stop", range(40, 96))
def test_a_redirect_that_ends_early_never_raises(stop):
    wire = redirect(udp(**V6))[:stop]
    wire = wire[:4] + (stop - 40).to_bytes(2, "big") + wire[6:]
    assert Tracker().process(wire, 0.0).connection is None


def quote(quoted, **names):
    return quoted_flow(decode(icmp_error(quoted, **names)))


@pytest.mark.parametrize("quoted", [udp(), tcp(), icmp(8), gre(7), ip(CLIENT, SERVER, 89, b"")])
def test_a_quote_names_the_direction_against_it(quoted):
    assert quote(quoted) == decode(quoted).flow.reverse()


@pytest.mark.parametrize("quoted", [udp(**V6), icmp(128, **V6), ip(CLIENT6, SERVER6, 89, b"")])
def test_a_quote_in_ipv6(quoted):
    assert quote(quoted, type_=1, **BACK6) == decode(quoted).flow.reverse()


@pytest.mark.parametrize(
    ("quoted", "names", "needed"),
    [
        (udp(data=b"question"), {}, 24),
        (tcp(ip_options=b"\1" * 8), {}, 32),
        (icmp(8), {}, 28),
        (ip(CLIENT, SERVER, 89, b"ospf"), {}, 20),
        (udp(data=b"question", **V6), BACK6, 44),
        (tcp(extensions=(60, bytes([6, 1]) + bytes(14)), **V6), BACK6, 60),
        (icmp(128, **V6), BACK6, 48),
        (ip(CLIENT6, SERVER6, 89, b"ospf"), BACK6, 40),
    ],
    ids=["udp", "options", "icmp", "ospf", "udp6", "extension6", "icmp6", "ospf6"],
)
def test_a_quote_is_enough_if_it_holds_the_key(quoted, names, needed):
    for cut in range(len(quoted) + 1):
        flow = quote(quoted, cut=cut, **names)
        assert (flow is not None) == (cut >= needed), cut
        assert flow is None or flow.destination == ip_address(names.get("destination", CLIENT))


def test_lengths_and_checksums_of_a_quote_do_not_matter():
    quoted = udp(data=b"question", bad=True)
    spoiled = quoted[:2] + b"\xff\xff" + quoted[4:10] + b"\0\0" + quoted[12:]
    assert quote(spoiled) == decode(udp()).flow.reverse()


@pytest.mark.parametrize("version", range(16))
def test_the_version_of_a_quote_does_not_matter(version):
    for quoted, names in ((udp(), {}), (udp(**V6), BACK6)):
        spoiled = bytes([version << 4 | quoted[0] & 15]) + quoted[1:]
        assert quote(spoiled, **names) == decode(quoted).flow.reverse()


@pytest.mark.parametrize("words", range(5))
def test_ports_lie_where_a_quoted_header_says_that_it_ends(words):
    """Linux does not mind a length below 20, and reads the ports inside the header."""
    quoted = bytes([0x40 | words]) + udp()[1:]
    ports = quoted[4 * words : 4 * words + 4]
    assert quote(quoted).wire[8:] == ports[2:] + ports[:2]


@pytest.mark.parametrize(("fragment", "is_read"), [(0x2000, True), (0x2001, False), (1, False)])
def test_a_quoted_fragment_is_read_if_it_is_the_first(fragment, is_read):
    assert (quote(udp(fragment=fragment)) is not None) is is_read


@pytest.mark.parametrize(("offset", "is_read"), [(0, True), (1, True), (8, False), (9, False)])
def test_a_quoted_ipv6_fragment_is_read_if_it_is_the_first(offset, is_read):
    quoted = udp(extensions=(44, bytes([17, 0, 0, offset]) + bytes(4)), **V6)
    assert (quote(quoted, **BACK6) is not None) is is_read


UNREADABLE = {
    "nothing": (b"", {}),
    "a header longer than the quote": (b"\x4f" + udp()[1:], {}),
    "enhanced GRE without PPP": (gre(7, protocol=0x0800), {}),
    "IPv6 in ICMP": (udp(**V6), {}),
    "IPv4 in ICMPv6": (udp(data=bytes(40)), BACK6),
    "an error": (icmp_error(udp()), {}),
    "an unknown type": (icmp(1), {}),
    "a neighbour solicitation": (icmp(135, **V6), BACK6),
    "ICMPv6 in IPv4": (ip(CLIENT, SERVER, 58, bytes([128, *bytes(7)])), {}),
    "ICMP in IPv6": (ip(CLIENT6, SERVER6, 1, bytes([8, *bytes(7)])), BACK6),
    "no next header": (ip(CLIENT6, SERVER6, 59, b""), BACK6),
}


@pytest.mark.parametrize(("quoted", "names"), UNREADABLE.values(), ids=UNREADABLE)
def test_quotes_that_name_no_flow(quoted, names):
    assert quote(quoted, **names) is None


def test_bytes_behind_an_error_do_not_complete_its_quote():
    error = icmp_error(udp(), cut=23)
    assert quoted_flow(decode(error + udp()[23:])) is None
