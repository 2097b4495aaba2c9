"""The short way of a packet gives what the full way gives, whatever the packets and the rules."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import icmp, icmp_error, spoiled, tcp, udp
from fullway import FullWay, snapshot
from statefulinspect import (
    Action,
    Config,
    CtState,
    Direction,
    DosPolicy,
    Limits,
    Rule,
    Ruleset,
    TcpPolicy,
    Timeouts,
    Tracker,
    openings,
)

ENDS = [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1")]
ENDS6 = [("fd00::1", "fd00::2"), ("fd00::2", "fd00::1")]
HOSTS = ["10.0.0.1", "127.0.0.1", "224.0.0.1", "0.0.0.0", "255.255.255.255", "240.0.0.1",
         "10.0.0.255"]  # fmt: skip
HOSTS6 = ["fd00::1", "::1", "::ffff:10.0.0.1", "ff02::1", "ff00::1"]
PORTS = [80, 1000, 1000, 80, 21, 53]
FLAGS = ["SYN", "SYN,ACK", "ACK", "ACK", "PSH,ACK", "FIN,ACK", "RST", "RST,ACK", "FIN", "SYN,FIN",
         "SYN,ECE,CWR", "SYN,URG", "ACK,URG"]  # fmt: skip
OPTIONS = [
    b"",
    b"",
    bytes.fromhex("020405b40103030704020101"),
    bytes.fromhex("0101080a0000000100000002"),
]
TYPES = [(8, 0), (0, 0), (13, 0), (14, 0), (8, 1), (3, 1), (128, 0), (129, 0), (9, 0)]

TABLE = """
table inet filter {{
  set seen {{ type ipv4_addr; flags dynamic; }}
  chain more {{
    ct direction reply drop; th dport 1000 return; ip6 saddr fd00::2 reject; ct state new accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy {policy};
    {rules}
  }}
}}
"""
RULES = [
    "ct state established,related accept\n ct state new meta l4proto { tcp, udp } accept",
    "ct state invalid counter drop\n ct state new counter accept\n counter",
    "ct state established accept\n tcp dport 80 accept\n udp dport { 53, 80 } counter accept",
    "ct direction reply counter drop\n ct direction original accept",
    "ct state new accept\n tcp flags fin reject with tcp reset\n ct direction reply reject",
    "icmp type echo-request accept\n icmpv6 type echo-reply accept\n udp dport 53 accept",
    "iifname lan accept\n ct state established accept",
    "ct mark 1 drop\n meta mark 7 ct mark set 1\n accept",
    "ct state new limit rate 2/second burst 2 packets accept\n ct state established accept",
    "meta nfproto ipv6 drop\n ct state new accept\n ct state established accept",
    "ct state new accept\n ct state { established, related } counter accept",
    "tcp flags & (fin|syn|rst|ack) != syn ct state new drop\n tcp flags fin,rst counter drop",
    "tcp flags & (ecn | cwr) == ecn counter reject\n tcp flags { ack, psh | ack } counter accept",
    "ct state vmap { established : accept, invalid : drop }\n tcp dport vmap { 80 : goto more }",
    "ip ttl 64 counter\n ct original packets > 2 counter drop\n meta mark set ct mark accept",
    """limit rate 2/second burst 2 packets counter
    quota over 500 bytes ct original ip daddr 10.0.0.2 accept
    accept""",
    "numgen inc mod 3 0 counter\n ct mark 1 drop\n ip ttl set 9\n ip ttl 9 ct mark set 1 accept",
    "meta mark 3 drop\n meta mark set 3\n meta length > 60 accept\n ct direction reply accept",
    """ip saddr 10.0.0.1 accept
    ip daddr != 10.0.0.1 tcp sport 1000 counter accept
    ip6 saddr fd00::1 udp dport 53-80 accept
    ip6 daddr { fd00::1, fd00::3-fd00::9 } tcp dport 80 drop
    ct state established accept""",
    """ip saddr 10.0.0.0/30 tcp dport 80 goto more
    udp sport { 53, 80 } jump more
    ct state established accept""",
]


def everywhere(text):
    """The same rules at every hook, which programs share."""
    made = Ruleset.parse(TABLE.format(policy="drop", rules=text))
    [chain] = [chain for chain in made.tables[0].chains if chain.hook]
    return Ruleset([Rule.of(rule.statements) for rule in chain.rules], policy=Action.DROP)


RULESETS = [
    (Ruleset.default, ()),
    *(
        (everywhere, (f"{text} counter accept",))
        for text in ("meta iifgroup 0", "meta oifgroup 0", "ip ttl 64", "meta mark 7", "iif lan")
    ),
    *(
        (Ruleset.parse, (TABLE.format(policy=p, rules=r),))
        for r in RULES
        for p in ("drop", "accept")
    ),
]
CONTEXTS = [
    {"iif": "lan", "oif": "wan"},
    {"iif": "lan", "oif": "wan"},
    {"iif": "lo"},
    {"mark": 7},
    {"hook": "input"},
    {"hook": "output"},
    {"zone": 5},
    {"zone": 5, "zone_direction": Direction.ORIGINAL},
    {"zone": 5, "zone_direction": Direction.REPLY},
]
CONFIGS = [
    Config(),
    Config(helpers={}, dos=DosPolicy.linux()),
    Config(limits=Limits(max_connections=3)),
    Config(limits=Limits(max_half_open=1)),
    Config(limits=Limits(max_per_source=2)),
    Config(limits=Limits(new_per_second_per_source=1, max_per_source=4, max_connections=6)),
    Config(tcp=TcpPolicy(loose=True), accounting=True),
    Config(timeouts=Timeouts(tcp_syn_sent=500, tcp_max_retrans=1, udp=1, udp_stream=2)),
    Config(dos=DosPolicy(networks=["10.0.0.0/24"])),
]


BACK = {"source": "10.0.2.2", "destination": "10.0.1.2"}
V6 = {"source": "fd00:1::2", "destination": "fd00:2::2"}


@st.composite
def packets(draw):
    """A packet of a small universe, in which every address and port is met again."""
    usual, odd = draw(st.sampled_from([(ENDS, HOSTS), (ENDS6, HOSTS6)]))
    is_odd = draw(st.integers(0, 5)) == 5
    pairs = st.tuples(*[st.sampled_from(odd)] * 2) if is_odd else st.sampled_from(usual)
    ends = dict(zip(("source", "destination"), draw(pairs)))
    sport, dport = draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS))
    kind = draw(st.sampled_from(["tcp", "tcp", "tcp", "udp", "udp", "icmp", "error"]))
    data = bytes(draw(st.sampled_from([0, 1, 12, 40])))
    if kind == "tcp":
        numbers = st.sampled_from([0, 1, 1, 2, 100, 70_000])
        packet = tcp(
            sport, dport, draw(st.sampled_from(FLAGS)), draw(numbers), draw(numbers), data=data,
            window=draw(st.sampled_from([65535, 0, 100])), options=draw(st.sampled_from(OPTIONS)),
            **ends,
        )  # fmt: skip
    elif kind == "udp":
        packet = udp(
            sport, dport, data, length=draw(st.sampled_from([None, None, None, 7, 99])), **ends
        )
    elif kind == "icmp":
        packet = icmp(
            *draw(st.sampled_from(TYPES)), draw(st.sampled_from([7, 8])), data=data, **ends
        )
    else:
        quoted = tcp(dport, sport, "SYN", source=ends["destination"], destination=ends["source"])
        packet = icmp_error(quoted, **ends)
    change = draw(st.sampled_from(["", "", "", "", "", "cut", "tail", "bad"]))
    return {"cut": packet[:-1], "tail": packet + b"tail", "bad": spoiled(packet, -1)}.get(
        change, packet
    )


STEPS = st.lists(
    st.tuples(
        packets(),
        st.booleans(),  # whether the answer to it follows
        st.sampled_from([0.0, 0.01, 0.01, 1.0, 3.0, 31.0, 500.0]),
        st.sampled_from([{}] * 8 + CONTEXTS),
        st.booleans(),  # whether somebody looks at connections, which unfolds what is unreplied
    ),
    min_size=5,
    max_size=40,
)


def told(verdict):
    rule = None if verdict.rule is None else (verdict.rule.place, str(verdict.rule))
    return verdict.action, verdict.ct_state, verdict.direction, verdict.reason, rule


def ends(verdict):
    connection = verdict.connection
    return None if connection is None else (str(connection.original), str(connection.reply))


def answer_to(packet):
    """The packet that goes back: addresses and ports swapped, a SYN answered by a SYN/ACK."""
    first, size = (12, 4) if packet[0] >> 4 == 4 else (8, 16)
    start = first + 2 * size
    back = bytearray(packet)
    back[first : first + size], back[first + size : start] = (
        packet[first + size : start],
        packet[first : first + size],
    )
    protocol = packet[9] if size == 4 else packet[6]
    if protocol in (1, 58):
        back[start] = {8: 0, 128: 129}.get(packet[start], packet[start])
    else:
        back[start : start + 4] = packet[start + 2 : start + 4] + packet[start : start + 2]
    if protocol == 6 and packet[start + 13] == 2:
        ack = (int.from_bytes(packet[start + 4 : start + 8], "big") + 1) & 0xFFFF_FFFF
        back[start + 8 : start + 12], back[start + 13] = ack.to_bytes(4, "big"), 0x12
    return bytes(back)


@settings(max_examples=settings().max_examples * 4)
@given(
    steps=STEPS,
    ruleset=st.sampled_from(RULESETS),
    config=st.sampled_from(CONFIGS),
    few=st.sampled_from([0, 0, 1, openings.FEW]),
)
def test_both_ways_agree(steps, ruleset, config, few):
    with mock.patch.object(openings, "FEW", few):
        compare_ways(steps, ruleset, config)


def compare_ways(steps, ruleset, config):
    make, arguments = ruleset
    trackers = [kind(make(*arguments), config) for kind in (Tracker, FullWay)]
    now, verdicts = 0.0, []
    for packet, is_answered, pause, context, is_looked_at in steps:
        now += pause
        for each in (
            [packet, answer_to(packet), packet] if is_answered and len(packet) > 60 else [packet]
        ):
            verdicts.append([tracker.process(each, now, **context) for tracker in trackers])
            assert told(verdicts[-1][0]) == told(verdicts[-1][1])
            if is_looked_at:
                assert snapshot(trackers[0]) == snapshot(trackers[1])
        trackers[0].check()
    for short, full in verdicts:
        assert ends(short) == ends(full)
    assert snapshot(trackers[0]) == snapshot(trackers[1])
    for tracker in trackers:
        tracker.check()
    assert str(trackers[0].ruleset) == str(trackers[1].ruleset)


def test_the_short_way_is_taken():
    """Ordinary packets never come to the full way, or this file would compare it with itself."""
    tracker = Tracker()
    came = count_full(tracker)
    for port in (2000, 2001):
        came.clear()  # the first of a sort has to go the full way
        for packet in (
            tcp(port, 80, "SYN", 1),
            tcp(80, port, "SYN,ACK", 5, 2, **BACK),
            tcp(port, 80, "ACK", 2, 6),
            tcp(port, 80, "FIN,ACK", 2, 6),
            udp(port, 53, bytes(20)),
            udp(53, port, bytes(20), **BACK),
            icmp(8, id_=port, data=bytes(20)),
            icmp(0, id_=port, data=bytes(20), **BACK),
        ):
            tracker.process(packet, 1.0)
    assert not came


def count_full(tracker):
    """List what comes to the full way from now on."""
    came, full = [], tracker._classify
    tracker._classify = lambda *given: came.append(given) or full(*given)
    return came


@pytest.mark.parametrize("port", [22, 23])
@pytest.mark.parametrize("make", [tcp, udp])
@pytest.mark.parametrize("version", [4, 6])
def test_rules_of_addresses_and_ports_need_no_packet(make, port, version):
    rules = """ct state established accept
        ip saddr 10.0.1.0/24 ip daddr != 10.0.2.9 tcp dport { 22, 80 } tcp sport >= 1024 accept
        ip6 daddr fd00:2::2 meta l4proto tcp tcp dport 22 jump more
        udp dport 22 goto more"""
    text = TABLE.format(policy="drop", rules=rules)
    ends = {} if version == 4 else {"source": "fd00:1::2", "destination": "fd00:2::2"}
    trackers = [kind(Ruleset.parse(text)) for kind in (Tracker, FullWay)]
    came, last = count_full(trackers[0]), ["SYN"] if make is tcp else [bytes(20)]
    for sport in (2000, 2001, 2001):
        packet = make(sport, port, *last, **ends)
        verdict, expected = [tracker.process(packet, 1.0) for tracker in trackers]
        assert told(verdict) == told(expected)
        assert verdict.action is (Action.DROP if port == 23 else Action.ACCEPT)
        assert (verdict.connection is None) == (port == 23)
    assert not came
    assert len(trackers[0]) == (0 if port == 23 else 2)


def test_counters_need_no_packet():
    rules = """ct state established counter accept
        ct direction original counter
        ip saddr 10.0.1.2 tcp dport 80 counter name seen counter accept"""
    text = TABLE.format(policy="drop", rules=rules).replace(
        "  chain f", "  counter seen {}\n  chain f"
    )
    trackers = [kind(Ruleset.parse(text)) for kind in (Tracker, FullWay)]
    came = count_full(trackers[0])
    for packet in (
        tcp(2000, 80, "SYN", 1),
        tcp(80, 2000, "SYN,ACK", 5, 2, **BACK),
        tcp(2000, 80, "ACK", 2, 6),
        tcp(2000, 80, "ACK", 2, 6, data=bytes(100)),
        tcp(80, 2000, "FIN,ACK", 6, 102, **BACK),
        tcp(2001, 81, "SYN", 1),
        udp(2001, 81, bytes(20)),
    ):
        for tracker in trackers:
            tracker.process(packet, 1.0)
    assert str(trackers[0].ruleset) == str(trackers[1].ruleset)
    assert "packets 4 bytes" in str(trackers[0].ruleset)
    assert not came


ONLY_LOOK = [
    "counter tcp dport 22 accept",
    "meta mark 0 accept",
    "ct state vmap { established : accept, new : accept }",
    "tcp dport 22 tcp flags syn accept",
    "tcp dport 22 ip ttl 64 accept",
    "tcp dport 22 tcp option maxseg exists drop\n log meta mark set 3 accept",
    "reject",
    "ct mark 0 accept",
    "tcp dport 22 limit rate 1/second burst 1 packets accept",
    "ip ttl set 3 accept",
    "numgen inc mod 2 0 accept",
    "quota 9000 bytes accept",
]
DO_MORE = [
    "ct original ip daddr != 1.1.1.1 accept",
    "ct mark set 3 accept",
    "add @seen { ip saddr }",
    "ct count over 2 reject",
    "tcp dport 22 limit rate 1/second ct original ip daddr != 1.1.1.1 accept",
]


@pytest.mark.parametrize(
    ("rule", "records"), [(each, 0) for each in ONLY_LOOK] + [(each, 3) for each in DO_MORE]
)
def test_rules_that_only_look_need_no_record_of_an_opening(rule, records):
    tracker = Tracker(Ruleset.parse(TABLE.format(policy="drop", rules=rule)))
    came = count_full(tracker)
    for port in (2000, 2001, 2002):
        tracker.process(tcp(port, 22, "SYN"), 1.0)
    assert len(came) == records


def test_what_was_announced_goes_the_full_way():
    """Or it would be NEW, as every other opening that the rules decide by words alone."""
    tracker = Tracker()
    tracker.process(tcp(2000, 80, "SYN", 1), 1.0)  # from now on openings go the short way
    for packet in (
        tcp(2001, 21, "SYN", 1),
        tcp(21, 2001, "SYN,ACK", 5, 2, **BACK),
        tcp(2001, 21, "ACK", 2, 6),
        tcp(21, 2001, "PSH,ACK", 6, 2, data=b"220 ready\r\n", **BACK),
        tcp(2001, 21, "PSH,ACK", 2, 17, data=b"USER a\r\n"),
        tcp(2001, 21, "PSH,ACK", 10, 17, data=b"PORT 10,0,1,2,8,0\r\n"),
    ):
        tracker.process(packet, 1.0)
    data = tracker.process(tcp(20, 2048, "SYN", 1, **BACK), 1.0)
    assert data.ct_state is CtState.RELATED


@pytest.mark.parametrize("make", [tcp, udp])
def test_a_full_table_is_swept_once_for_a_packet(make):
    """Or the 64 more that the full way sweeps would let in what the first 64 did not."""
    config = Config(limits=Limits(max_connections=200))
    trackers = [Tracker(config=config), FullWay(config=config)]
    for number in range(200):
        port, now = 2000 + number, 1.0
        for packet in (
            tcp(port, 80, "SYN", 1),
            tcp(80, port, "SYN,ACK", 5, 2, **BACK),
            tcp(port, 80, "ACK", 2, 6),
            tcp(port, 80, "FIN,ACK", 2, 6),
            tcp(80, port, "FIN,ACK", 6, 3, **BACK),
            tcp(port, 80, "ACK", 3, 7),
        ):
            for tracker in trackers:
                tracker.process(packet, now)
    for tracker in trackers:
        for port in range(2010, 2200):  # these live longer, but are filed where they were
            tracker.process(tcp(port, 80, "ACK", 3, 7), 20.0)
    last = ["SYN"] if make is tcp else [bytes(20)]
    for port in (7000, 7001, 7002):
        answers = [told(tracker.process(make(port, 80, *last), 122.5)) for tracker in trackers]
        assert answers[0] == answers[1]
        assert len(trackers[0]) == len(trackers[1])


@pytest.mark.parametrize("limits", [Limits(max_per_source=1), Limits(max_connections=199)])
@pytest.mark.parametrize("is_looked_at", [False, True])
def test_who_is_unfolded_expires_in_its_turn(limits, is_looked_at):
    """Of more than a sweep takes out, or what is left would depend on who has looked."""
    trackers = [kind(config=Config(limits=limits)) for kind in (Tracker, FullWay)]
    for tracker in trackers:
        verdicts = [
            tracker.process(tcp(2000, 80, "SYN", 1, source=f"10.1.0.{host}"), 0.0)
            for host in range(1, 200)
        ]
        tracker.process(tcp(2000, 80, "SYN", 1, source="10.1.0.20"), 1.0)
        if is_looked_at:
            assert all(verdict.connection for verdict in verdicts[50:150:7])
    for host, now in ((20, 500.0), (21, 500.5), (150, 500.5), (20, 501.0)):
        packet = tcp(2001, 80, "SYN", 1, source=f"10.1.0.{host}")
        answers = [told(tracker.process(packet, now)) for tracker in trackers]
        assert answers[0] == answers[1]
        assert [each.expire(now, 7) for each in trackers[:1]] == [trackers[1].expire(now, 7)]
        held = [[str(c.original) for c in tracker._table] for tracker in trackers]
        assert held[0] == held[1]


def test_the_hot_path_sees_a_newer_connection_of_a_zone_of_one_direction():
    packets = [
        (tcp(80, 2000, "SYN", 1, **BACK), {}),
        (tcp(2000, 80, "SYN,ACK", 5, 2), {}),
        (tcp(80, 2000, "ACK", 2, 6, **BACK), {}),
        (tcp(80, 2000, "PSH,ACK", 2, 6, data=b"x", **BACK), {}),
        (tcp(2000, 80, "ACK", 6, 3), {}),
        (tcp(2000, 80, "SYN", 100), {"zone": 5, "zone_direction": Direction.REPLY}),
        (tcp(2000, 80, "PSH,ACK", 6, 3, data=b"y"), {}),
    ]
    trackers = [Tracker(), FullWay()]
    for number, (packet, context) in enumerate(packets):
        answers = [told(tracker.process(packet, number, **context)) for tracker in trackers]
        assert answers[0] == answers[1]
    for tracker in trackers:
        for connection in list(tracker):
            if connection.zone:
                tracker.delete(connection)
    for connection in list(trackers[1]):  # of another tracker
        with pytest.raises(ValueError, match="not tracked here"):
            trackers[0].delete(connection)
    assert not trackers[0]._judge.table.split_sides
    data = tcp(2000, 80, "PSH,ACK", 6, 3, data=b"y")
    assert trackers[0].process(data, 9).ct_state is CtState.ESTABLISHED


def test_the_hot_path_leaves_broadcast_addresses_of_named_networks():
    there = {"source": "10.0.0.255", "destination": "10.0.0.1"}
    back = {"source": "10.0.0.1", "destination": "10.0.0.255"}
    packets = [
        (tcp(80, 2000, "SYN", 1, **there), "lo"),
        (tcp(2000, 80, "SYN,ACK", 5, 2, **back), "lo"),
        (tcp(80, 2000, "ACK", 2, 6, **there), "lo"),
        (tcp(80, 2000, "PSH,ACK", 2, 6, data=b"x", **there), "lo"),
        (tcp(80, 2000, "PSH,ACK", 3, 6, data=b"x", **there), "eth0"),
    ]
    tracker = Tracker(config=Config(dos=DosPolicy(networks=["10.0.0.0/24"])))
    reasons = [tracker.process(packet, 1.0, iif=iif).reason.name for packet, iif in packets]
    assert reasons == ["OK", "OK", "OK", "OK", "SOURCE_BROADCAST"]


def test_what_is_shorter_than_a_tcp_header_goes_the_short_way_too():
    tracker = Tracker()
    for wire in (udp(1, 53), udp(1, 53, **V6), icmp(8, id_=1)):  # the rules are asked once
        tracker.process(wire, 0.0)
    tracker._classify = None
    answered = [udp(2, 53), udp(53, 2, **BACK), udp(2, 53, **V6), icmp(8, id_=1)]
    states = [tracker.process(wire, 1.0).ct_state.value for wire in answered]
    assert states == ["new", "established", "new", "new"]
    with pytest.raises(TypeError):
        tracker.process(udp(2, 53)[:27], 1.0)  # cut short


@pytest.mark.parametrize("octets", [0, 11, 12, 40])
@pytest.mark.parametrize("fragment", [0x2000, 0x0005, 0x2005])
def test_a_fragment_that_looks_like_a_whole_datagram_is_none(octets, fragment):
    trackers = [Tracker(), FullWay()]
    for tracker in trackers:
        for port in (1, 2):  # from the second on the rules need not be asked
            tracker.process(udp(port, 53), 0.0)
    wire = udp(3, 53, bytes(octets), fragment=fragment)
    one, other = (tracker.process(wire, 1.0) for tracker in trackers)
    assert one.reason is other.reason
    assert one.reason.name.startswith("FRAGMENT")
    assert len(trackers[0]) == 2


def test_a_zone_of_one_direction_shuts_the_short_way():
    """What comes back in zone 0 belongs to a connection that zone 0 alone does not show."""
    tracker = Tracker()
    tracker.process(udp(2000, 53, bytes(20)), 1.0)  # from now on openings go the short way
    asked = tracker.process(
        udp(2001, 53, bytes(20)), 1.0, zone=5, zone_direction=Direction.ORIGINAL
    )
    answered = tracker.process(udp(53, 2001, bytes(20), **BACK), 1.0)
    assert answered.connection is asked.connection
    assert answered.ct_state is CtState.ESTABLISHED
