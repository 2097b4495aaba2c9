"""What the short way reads of a packet is what the full way reads, on every edge of the headers."""

from __future__ import annotations

import struct

import pytest

from builders import icmp, icmp_error, spoiled, tcp, udp
from fullway import FullWay, snapshot
from statefulinspect import (
    Cause,
    Config,
    CtState,
    DosPolicy,
    HelperPolicy,
    Limits,
    Ruleset,
    Tracker,
)

ENDS = {
    4: ({"source": "10.0.0.1", "destination": "10.0.0.2"},
        {"source": "10.0.0.2", "destination": "10.0.0.1"}),
    6: ({"source": "fd00::1", "destination": "fd00::2"},
        {"source": "fd00::2", "destination": "fd00::1"}),
}  # fmt: skip
RULES = """table inet t { chain c {
  type filter hook %s priority filter; policy drop
  ct state established counter accept
  ct state new meta l4proto { tcp, udp, icmp, icmpv6 } counter accept
  ct state related counter accept
} }"""
RULES_OR_ACCEPT = """table inet t { chain c {
  type filter hook forward priority filter
  %s
} }"""
TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")


def told(verdict):
    made_at = verdict.connection and verdict.connection.created_at
    fate = verdict.action, verdict.ct_state, verdict.direction, verdict.reason
    return *fate, str(verdict.rule), made_at


def same(packets, *, hook="forward", config=None, early="", rules=None, **context):
    """Send packets both ways; give what the verdicts are, if all that is known is the same."""
    rules = Ruleset.parse(rules or early + RULES % hook)
    short, full = (kind(rules, config=config or Config()) for kind in (Tracker, FullWay))
    found = []
    for number, packet in enumerate(packets):
        now = 0.25 * number
        one, other = (each.process(packet, now, hook=hook, **context) for each in (short, full))
        assert told(one) == told(other), number
        found.append(one)
    lines = [[each.to_conntrack(now) for each in tracker] for tracker in (short, full)]
    assert lines[0] == lines[1]
    if not short.expectations and not any(
        each.master for each in short
    ):  # which differ by identity
        assert snapshot(short) == snapshot(full)
    assert str(short.ruleset) == str(full.ruleset)
    assert list(map(str, short.events())) == list(map(str, full.events()))
    short.check()
    return found


def with_length(packet, length):
    """Let the IP header say another length."""
    if packet[0] >> 4 == 4:
        return packet[:2] + struct.pack("!H", length) + packet[4:]
    return packet[:4] + struct.pack("!H", max(length - 40, 0)) + packet[6:]


def with_octet(packet, at, octet):
    return packet[:at] + bytes([octet]) + packet[at + 1 :]


def echo(**ends):
    return icmp(8 if "." in ends["source"] else 128, **ends)


def syn(**ends):
    return tcp(flags="SYN", **ends)


BOTH = pytest.mark.parametrize("family", [4, 6])
MAKERS = pytest.mark.parametrize("make", [udp, echo, syn])


@BOTH
@pytest.mark.parametrize("said", [0, 7, 8, 9, 11, 12, 13, 0xFFFF])
@pytest.mark.parametrize("size", [0, 4])
def test_the_length_that_a_datagram_says(family, said, size):
    there, back = ENDS[family]
    opened, answered = udp(7, 53, bytes(size), **there), udp(53, 7, bytes(size), **back)
    odd = udp(7, 53, bytes(size), length=said, **there)
    same([odd, opened, odd, answered, odd])


@BOTH
@MAKERS
def test_a_packet_that_is_shorter_or_longer_than_it_says(family, make):
    there, _ = ENDS[family]
    whole = make(**there)
    for cut in range(1, 13):
        same([whole[:-cut], whole, whole[:-cut]])
        same([with_length(whole, len(whole) - cut), whole])
        same([whole, with_length(whole, len(whole) - cut)])
        same([with_length(whole, len(whole) + cut), whole])
        same([whole + bytes(cut), whole, whole + bytes(cut)])


@MAKERS
def test_headers_that_are_not_plain(make):
    there, _ = ENDS[4]
    whole = make(**there)
    for at, octets in ((0, (0x44, 0x46, 0x55, 0x65)), (6, (0x20, 0x40, 0x60, 0x80, 0x1F)),
                       (7, (1, 255)), (9, (0, 1, 2, 6, 17, 58, 255))):  # fmt: skip
        for octet in octets:
            same([with_octet(whole, at, octet), whole, with_octet(whole, at, octet)])


@BOTH
def test_each_type_of_message(family):
    there, back = ENDS[family]
    echo, reply = (8, 0) if family == 4 else (128, 129)
    asked = [icmp(echo, id_=0x0102, seq=0x0304, **there), icmp(reply, id_=0x0102, **back)]
    found = same([*asked, asked[1], icmp(reply, id_=0x0103, **back), asked[0]])
    assert [each.ct_state.value for each in found] == [
        "new", "established", "established", "invalid", "established"
    ]  # fmt: skip
    for type_ in (*range(20), *range(127, 140), 255):
        for code in (0, 1):
            same([icmp(type_, code, id_=0x0102, **there), *asked])
            same([*asked, icmp(type_, code, id_=0x0102, **back)])


NAMED = Config(dos=DosPolicy(networks=["10.0.0.0/30"]))
PROFILES = {
    "own": Config(), "linux": Config.linux(), "events": Config.linux(events=True), "named": NAMED
}  # fmt: skip
EACH_PROFILE = pytest.mark.parametrize("config", PROFILES.values(), ids=PROFILES)


def spoiled_somewhere(packet):
    """The packet with a wrong octet: in its header, its address, its payload, its last word."""
    places = (10, 15, 30, len(packet) - 2) if packet[0] >> 4 == 4 else (20, 50, len(packet) - 2)
    return [spoiled(packet, at) for at in places]


@BOTH
@EACH_PROFILE
@pytest.mark.parametrize("hook", ["forward", "input", "output"])
def test_a_conversation_at_each_hook(family, hook, config):
    there, back = ENDS[family]
    segments = [
        tcp(7, 80, "SYN", 1, **there),
        tcp(80, 7, "SYN,ACK", 5, 2, **back),
        tcp(7, 80, "ACK", 2, 6, **there),
        tcp(7, 80, "PSH,ACK", 2, 6, data=b"question", **there),
        tcp(80, 7, "PSH,ACK", 6, 10, data=b"answer", **back),
        tcp(7, 80, "ACK", 10, 99, **there),  # of what was never sent
        tcp(7, 80, "FIN,ACK", 10, 12, **there),
        tcp(80, 7, "FIN,ACK", 12, 11, **back),
        tcp(7, 80, "ACK", 11, 13, **there),
    ]
    found = same(segments, hook=hook, config=config)
    reasons = [each.reason.name for each in found]
    assert reasons == ["OK"] * 5 + ["ACK_ABOVE_SENT"] + ["OK"] * 3
    errors = [icmp_error(segments[0], **back)] if family == 4 else []
    same([*segments, *errors], hook=hook, config=config)
    odd = [each for segment in segments for each in (*spoiled_somewhere(segment), segment)]
    same(odd, hook=hook, config=config)


@BOTH
@EACH_PROFILE
@pytest.mark.parametrize("data", [b"", b"odd", b"even"])
def test_questions_and_answers_with_a_wrong_octet(family, config, data):
    there, back = ENDS[family]
    asked, answered = (8, 0) if family == 4 else (128, 129)
    packets = [
        *(udp(7, 53, data, **there), udp(53, 7, data, **back)),
        *(udp(8, 53, data, checksum=0, **there), udp(53, 8, data, checksum=0, **back)),
        *(icmp(asked, data=data, **there), icmp(answered, data=data, **back)),
    ]
    odd = [each for packet in packets for each in (*spoiled_somewhere(packet), packet)]
    found = same(odd, config=config)
    refused = {each.reason.name for each in found} - {"OK"}
    assert ("CHECKSUM" in refused) == config.verify_checksums


@BOTH
@pytest.mark.parametrize(
    "options",
    [
        b"",
        TIMESTAMPS,
        TIMESTAMPS[2:] + b"\1\1",
        bytes.fromhex("0101050a0000000600000007"),
        TIMESTAMPS + bytes.fromhex("0101050a0000000600000007"),
        bytes.fromhex("03030700"),
        bytes(12),
    ],
)
def test_segments_with_options(family, options):
    there, back = ENDS[family]
    opening = bytes.fromhex("020405b40402080a000000010000000001030307")
    same(
        [
            tcp(7, 80, "SYN", 1, options=opening, **there),
            tcp(80, 7, "SYN,ACK", 5, 2, options=opening, **back),
            *[tcp(7, 80, "ACK", 2, 6, options=options, **there)] * 2,
            tcp(80, 7, "PSH,ACK", 6, 2, options=options, data=b"answer", **back),
            tcp(7, 80, "ACK", 2, 12, options=options, **there),
            tcp(80, 7, "ACK", 6, 2, options=options, **back),
            tcp(7, 80, "FIN,ACK", 2, 12, options=options, **there),
        ]
    )


CONFIGS = {
    "checksums": Config(verify_checksums=True),
    "adaptive lives": Config(limits=Limits(max_connections=2, adaptive_start=1, adaptive_end=4)),
    "networks": NAMED,
    "helpers": Config(helpers={53: "tftp", 80: "ftp"}, helper_policy=HelperPolicy(lowest_port=0)),
}


@BOTH
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_what_has_to_be_looked_at_is(family, config):
    there, back = ENDS[family]
    same(
        [
            *(udp(7, 54, **there), udp(7, 54, bad=True, **there), udp(54, 7, **back)),
            udp(8, 53, b"\0\1file\0octet\0", **there),
            *(udp(99, 8, **back), udp(8, 99, **there), udp(9, 54, **there)),
            *(tcp(7, 80, "SYN", 1, **there), tcp(8, 80, "SYN", 1, bad=True, **there)),
            *(tcp(80, 7, "SYN,ACK", 5, 2, **back), tcp(7, 80, "ACK", 2, 6, **there)),
            *(udp(10, 54, **there), udp(54, 10, **back), udp(7, 54, **there)),
        ],
        config=config,
    )


def test_the_broadcast_address_of_a_network_that_was_named():
    """It is looked at whichever way its packets go; those of its neighbours are not."""
    everybody = "10.0.0.3"
    there, back = ENDS[4]
    to, since = {**there, "destination": everybody}, {**back, "source": everybody}
    found = same(
        [
            *(make(**ends) for make in (udp, syn, echo) for ends in (to, since, there, back)),
            *(icmp(0, **since), udp(53, 1000, **since), udp(**to)),
        ],
        config=NAMED,
    )
    told = [each.reason.name for each in found]
    assert told == [
        *("OK", "SOURCE_BROADCAST", "OK", "OK"),
        *("OK", "SOURCE_BROADCAST", "OK", "OK"),
        *("SMURF", "SOURCE_BROADCAST", "OK", "OK"),
        *("SOURCE_BROADCAST", "SOURCE_BROADCAST", "OK"),
    ]


@BOTH
@EACH_PROFILE
def test_what_is_ordinary_does_not_go_the_full_way(family, config, monkeypatch):
    """Else nothing above would notice that the short way leaves everything to the full one."""
    there, back = ENDS[family]
    echo_type, reply_type = (8, 0) if family == 4 else (128, 129)
    ordinary = [
        *(udp(7, 53, **there), udp(53, 7, **back), udp(7, 53, b"long enough", **there)),
        *(icmp(echo_type, **there), icmp(reply_type, **back)),
        *(icmp(echo_type, data=bytes(56), **there), icmp(reply_type, data=bytes(56), **back)),
        tcp(7, 80, "SYN", 1, options=TIMESTAMPS, **there),
        tcp(80, 7, "SYN,ACK", 5, 2, options=TIMESTAMPS, **back),
        tcp(7, 80, "ACK", 2, 6, options=TIMESTAMPS, **there),
        tcp(80, 7, "PSH,ACK", 6, 2, options=TIMESTAMPS, data=b"answer", **back),
        tcp(7, 80, "FIN,ACK", 2, 12, **there),
    ]
    if family == 4:
        not_to_be_fragmented = {"fragment": 0x4000}
        ordinary += [udp(7, 53, **there, **not_to_be_fragmented)]
        ordinary += [tcp(9, 80, "SYN", 1, **there, **not_to_be_fragmented)]
    ordinary += [tcp(port, 80, "SYN", 1, **there) for port in range(100, 120)]  # a flood
    tracker, taken = Tracker(config=config), []
    tracker.process(icmp(echo_type, id_=99, **there), 0.0)  # of messages the first is looked at
    monkeypatch.setattr(tracker, "_classify", lambda packet, _: taken.append(packet))
    for number, packet in enumerate(ordinary):
        tracker.process(packet, 0.25 * number)
    assert taken == []


@BOTH
@EACH_PROFILE
def test_the_next_segment_in_order_is_taken_at_once(family, config, monkeypatch):
    there, back = ENDS[family]
    tracker, taken = Tracker(config=config), []
    for number, packet in enumerate([
        tcp(7, 80, "SYN", 1, **there),
        tcp(80, 7, "SYN,ACK", 5, 2, **back),
        tcp(7, 80, "ACK", 2, 6, **there),
        tcp(80, 7, "PSH,ACK", 6, 2, data=b"answer", **back),
    ]):  # fmt: skip
        tracker.process(packet, 0.25 * number)
    monkeypatch.setattr(tracker, "_roads", {})
    monkeypatch.setattr(tracker, "_classify", lambda packet, _: taken.append(packet))
    right = tcp(80, 7, "PSH,ACK", 12, 2, options=TIMESTAMPS, data=b"odd", **back)
    tracker.process(spoiled(right, len(right) - 2), 2.0)
    assert len(taken) == config.verify_checksums
    if config.verify_checksums:
        assert tracker.process(right, 2.0).ct_state is CtState.ESTABLISHED
    assert len(taken) == config.verify_checksums


EARLY = """table inet early {
  chain p { type filter hook prerouting priority raw; %s }
  chain o { type filter hook output priority raw; %s }
  chain behind {
    type filter hook postrouting priority 0
    ct direction original counter; ct direction reply counter; ct state new counter
  }
}
"""
EARLY_RULES = {
    "none": "",
    "a counter": "counter",
    "counters by what the key tells": "tcp dport 80 counter accept; udp sport 53 counter; counter",
    "some refused": "udp sport 53 counter drop; tcp sport 80 counter",
    "some not tracked": "udp dport 53 counter notrack; counter",
    "some looked at closer": "tcp flags & fin == fin counter; ip ttl 64 counter; ip dscp 8 drop",
    "some marked": "udp sport 53 meta mark set 5; tcp dport 80 meta mark set 6 counter",
    "in another zone": "udp dport 53 ct zone set 7; udp sport 53 ct zone set 7; counter",
    "by way": 'iifname "lan0" counter; oifname "wan0" counter drop',
    "by state": "ct state new counter drop; ct state established drop; ct state invalid counter",
    "counters by state": "ct state new counter; ct state established counter",
    "by direction": "ct direction original counter; ct direction reply counter drop",
}


@BOTH
@pytest.mark.parametrize("rules", EARLY_RULES.values(), ids=EARLY_RULES)
@pytest.mark.parametrize("hook", ["forward", "output"])
def test_rules_before_tracking(family, rules, hook):
    there, back = ENDS[family]
    early = EARLY % (rules, rules)
    packets = [
        *(udp(7, 53, **there), udp(53, 7, **back), udp(7, 53, **there), udp(53, 7, **back)),
        *(tcp(7, 80, "SYN", 1, **there), tcp(80, 7, "SYN,ACK", 5, 2, **back)),
        *(tcp(7, 80, "ACK", 2, 6, **there), tcp(80, 7, "PSH,ACK", 6, 2, data=b"data", **back)),
        *(tcp(80, 7, "PSH,ACK", 10, 2, data=b"data", **back), tcp(7, 80, "ACK", 2, 99, **there)),
        *(tcp(7, 80, "FIN,ACK", 2, 14, **there), tcp(7, 80, "RST", 3, **there)),
        *(tcp(7, 80, "SYN", 70_000, **there), echo(**there), udp(8, 54, **there)),
    ]
    same(packets, hook=hook, early=early, iif="lan0", oif="wan0")
    same(packets, hook=hook, early=early)


@BOTH
def test_a_packet_that_comes_another_way_meets_other_rules_before_tracking(family):
    """What is known of the way by which others of its side came is not known of its own."""
    there, back = ENDS[family]
    packets = [
        *(udp(7, 53, **there), udp(53, 7, **back), udp(7, 53, **there), udp(53, 7, **back)),
        *(tcp(7, 80, "SYN", 1, **there), tcp(80, 7, "SYN,ACK", 5, 2, **back)),
        *(tcp(7, 80, "ACK", 2, 6, **there), tcp(80, 7, "PSH,ACK", 6, 2, data=b"data", **back)),
    ]
    rules = 'iifname "lan0" counter drop; iifname "lan1" counter'
    text = EARLY % (rules, rules) + RULES % "forward"
    trackers = [kind(Ruleset.parse(text)) for kind in (Tracker, FullWay)]
    actions = []
    for packet in packets:
        for iif in ("wan0", "lan0", "lan1"):
            one, other = (each.process(packet, 0.0, iif=iif) for each in trackers)
            assert told(one) == told(other)
            actions.append(one.action.value)
    assert actions == ["accept", "drop", "accept"] * len(packets)
    assert snapshot(trackers[0]) == snapshot(trackers[1])
    assert str(trackers[0].ruleset) == str(trackers[1].ruleset)


def test_rules_before_tracking_that_only_count_need_no_record(monkeypatch):
    there, back = ENDS[4]
    rules = Ruleset.parse(EARLY % ("counter", "counter") + RULES % "forward")
    tracker, taken = Tracker(rules), []
    monkeypatch.setattr(tracker, "_classify", lambda packet, _: taken.append(packet))
    for packet in (udp(7, 53, **there), udp(53, 7, **back), syn(**there), udp(7, 53, **there)):
        tracker.process(packet, 0.0)
    assert taken == []
    assert "counter packets 4 " in str(tracker.ruleset)


@BOTH
def test_a_verdict_names_the_rule_that_decided_of_its_own_packet(family):
    """Not that of the packet of its sort that was asked about before."""
    there, _ = ENDS[family]
    rules = "tcp dport 80 counter accept\n udp dport 53 counter drop"
    openings = [tcp(7, 80, "SYN", **there), tcp(7, 81, "SYN", **there)]
    openings += [udp(7, 53, **there), udp(7, 54, **there)]
    found = same(openings, rules=RULES_OR_ACCEPT % rules)
    assert [each.rule and str(each.rule).split()[0] for each in found] == ["tcp", None, "udp", None]


REMEMBERING = {
    "a limit": "limit rate 1/second burst 2 packets counter accept; counter drop",
    "a quota": "quota over 200 bytes counter drop",
    "connections": "ct count over 2 counter drop",
    "a number": "numgen inc mod 3 == 1 counter drop",
}


@BOTH
@pytest.mark.parametrize("rules", REMEMBERING.values(), ids=REMEMBERING)
def test_rules_that_remember_see_each_packet(family, rules):
    there, back = ENDS[family]
    packets = [
        packet
        for port in range(1, 7)
        for packet in (
            *(udp(port, 53, bytes(30), **there), udp(53, port, **back)),
            *(tcp(port, 80, "SYN", **there), tcp(port, 81, "RST", **there)),
        )
    ]
    for given in ({"rules": RULES_OR_ACCEPT % rules}, {"early": EARLY % (rules, rules)}):
        found = same(packets, **given)
        assert len({each.action for each in found if each.reason.name == "OK"}) == 2


STRAY_RULES = {
    "none": "",
    "a counter": "ct state invalid counter",
    "one port": "ct state invalid tcp dport 80 counter accept; ct state invalid counter drop",
    "a reject": "ct state invalid counter reject",
    "flags": "ct state invalid tcp flags rst counter accept",
    "what there is not": "ct state new,untracked counter; ct direction original counter",
}


@BOTH
@EACH_PROFILE
@pytest.mark.parametrize("rules", STRAY_RULES.values(), ids=STRAY_RULES)
def test_segments_of_no_connection(family, config, rules):
    there, back = ENDS[family]
    early = f"table inet s {{ chain c {{ type filter hook forward priority -1; {rules}\n}} }}\n"
    strays = [
        tcp(port, 80, flags, 1, 2, **there)
        for port, flags in enumerate(["ACK", "RST", "RST,ACK", "SYN,ACK", "FIN,ACK"], 7)
    ]
    found = same([*strays, syn(**there), *strays, tcp(80, 1000, "RST", **back)], config=config,
                 early=early)  # fmt: skip
    reasons = [each.reason.name for each in found[:5]]
    picked_up = "OK" if config.tcp.loose else "TCP_MIDSTREAM"
    assert reasons == [picked_up] + ["TCP_NOT_AN_OPENING"] * 4


def test_segments_of_no_connection_from_nowhere():
    """Attacks are told by their addresses first."""
    here = "10.0.0.1"
    strays = [
        tcp(80, 80, "RST", source=source, destination=here)
        for source in ("127.0.0.1", "10.0.0.3", here, "10.0.0.2")
    ]
    found = same(strays, config=NAMED)
    assert [each.reason.name for each in found] == [
        "SOURCE_LOOPBACK", "SOURCE_BROADCAST", "LAND", "TCP_NOT_AN_OPENING"
    ]  # fmt: skip


@BOTH
def test_a_segment_that_opens_nothing_uses_up_what_was_expected(family):
    there, back = ENDS[family]
    port = b"PORT 10,0,0,1,4,1\r\n" if family == 4 else b"EPRT |2|fd00::1|1025|\r\n"
    announced = [
        tcp(7, 21, "SYN", 1, **there),
        tcp(21, 7, "SYN,ACK", 5, 2, **back),
        tcp(7, 21, "ACK", 2, 6, **there),
        tcp(7, 21, "PSH,ACK", 2, 6, data=b"SYST\r\n", **there),
        tcp(7, 21, "PSH,ACK", 8, 6, data=port, **there),
    ]
    stray, opening = (tcp(20, 1025, flags, 1, **back) for flags in ("RST", "SYN"))
    config = Config(helper_policy=HelperPolicy.linux())
    *_, at_once = same([*announced, opening], config=config)
    *_, refused, later = same([*announced, stray, opening], config=config)
    states = [each.ct_state.value for each in (at_once, refused, later)]
    assert states == ["related", "invalid", "new"]


def test_segments_of_no_connection_need_no_record(monkeypatch):
    there, _ = ENDS[4]
    tracker, taken = Tracker(), []
    monkeypatch.setattr(tracker, "_classify", lambda packet, _: taken.append(packet))
    for flags in ("ACK", "RST", "SYN,ACK", "FIN,ACK"):
        verdict = tracker.process(tcp(flags=flags, **there), 0.0)
        assert (verdict.ct_state, verdict.connection) == (CtState.INVALID, None)
    assert taken == []


@pytest.mark.parametrize("kind", [Tracker, FullWay])
def test_a_kept_verdict_ends_with_its_connection(kind):
    tracker = kind()
    for now in (0.5, 0.6, 0.7):
        tracker.process(udp(), now)
    verdict = tracker.process(udp(), 30.8)  # past its deadline, and not swept yet
    assert (verdict.ct_state, verdict.connection.created_at) == (CtState.NEW, 30.8)


@pytest.mark.parametrize("kind", [Tracker, FullWay])
def test_a_stream_that_begins_on_a_kept_verdict_is_told(kind):
    tracker = kind(config=Config(events=True))
    back = udp(53, 1000, source="10.0.2.2", destination="10.0.1.2")
    for now in (0.1, 0.2, 0.3, 0.4, 0.5):
        tracker.process(udp(), now)
        tracker.process(back, now)
    assert tracker.process(udp(), 3.0).connection.is_assured
    told_causes = [cause for event in tracker.events() for cause in event.causes]
    assert told_causes == [Cause.OPENED, Cause.REPLIED, Cause.ASSURED]
