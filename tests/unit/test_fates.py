"""What becomes of a packet without a record: as with one, whatever rules look at."""

from __future__ import annotations

import pytest

from builders import icmp, tcp, udp
from fullway import FullWay
from statefulinspect import Ruleset, Tracker
from statefulinspect.fates import count, sort_of, terms_of
from statefulinspect.linking import connect

BACK = {"source": "10.0.2.2", "destination": "10.0.1.2"}
OPENING = [
    tcp(1000, 80, "SYN", 1),
    tcp(80, 1000, "SYN,ACK", 5, 2, **BACK),
    tcp(1000, 80, "ACK", 2, 6),
]


class Tally:
    """What counts packets."""

    def __init__(self):
        self.packets = self.octets = 0


def test_a_counter_counts_packets_and_octets():
    tallies = [Tally(), Tally()]
    count(tallies, 40)
    count(tallies[:1], 1500)
    assert [(each.packets, each.octets) for each in tallies] == [(2, 1540), (1, 40)]


WAY = ("forward", "a", "b", 0)


@pytest.mark.parametrize(
    ("way", "tallies", "terms"),
    [
        (None, None, None),
        (WAY, None, (WAY, ())),
        (None, ["a counter"], (None, ["a counter"])),
        (WAY, ["a counter"], (WAY, ["a counter"])),
        (None, [], (None, ())),
    ],
)
def test_the_terms_on_which_a_verdict_is_kept(way, tallies, terms):
    assert terms_of(way, tallies) == terms


@pytest.mark.parametrize("has_master", [False, True])
@pytest.mark.parametrize("has_labels", [False, True])
@pytest.mark.parametrize("seen_reply", [False, True])
@pytest.mark.parametrize("is_reply", [False, True])
def test_a_sort_names_all_that_leads_to_ct_state(is_reply, seen_reply, has_labels, has_master):
    connection = connect(17, b"k" * 12, b"r" * 12, None, 0.0)
    connection.seen_reply, connection.labels = seen_reply, int(has_labels)
    connection.master = connection if has_master else None
    side = connection.reply_side if is_reply else connection.original_side
    stage = is_reply | seen_reply << 1 | has_master << 2
    assert sort_of(side, WAY) == (17, 12, stage, WAY)


def rules_of(rules, early=""):
    text = f"""
table inet t {{
  map paced {{
    type inet_service : verdict; elements = {{ 53 limit rate 1/hour burst 2 packets : goto more }};
  }}
  set limited {{
    type inet_service; elements = {{ 53 limit rate 1/hour burst 4 packets }};
  }}
  map ageing {{
    type inet_service : verdict; flags timeout; elements = {{ 53 timeout 2s : drop }};
  }}
  set counted {{ type ipv4_addr; flags dynamic; }}
  set met {{ type ipv4_addr; flags dynamic; }}
  set aged {{ type ipv4_addr; timeout 1h; elements = {{ 10.0.2.2 }}; }}
  chain more {{ ct original ip daddr != 1.1.1.1 accept }}
  chain early {{ type filter hook prerouting priority raw; policy accept; {early} }}
  chain c {{ type filter hook forward priority filter; policy drop; {rules} }}
}}"""
    return Ruleset.parse(text)


def fates_of(packets, rules, early="", **context):
    """What becomes of packets, which both ways tell; and the rules, with what they have counted."""
    trackers = [Tracker(rules_of(rules, early)), FullWay(rules_of(rules, early))]
    told = [
        [tracker.process(packet, 1.0 + n, **context).action.value for tracker in trackers]
        for n, packet in enumerate(packets)
    ]
    assert all(one == other for one, other in told)
    assert str(trackers[0].ruleset) == str(trackers[1].ruleset)
    return [one for one, _ in told]


@pytest.mark.parametrize("flags", ["FIN,ACK", "RST,ACK", "PSH,ACK,ECE", "ACK,CWR"])
def test_a_kept_verdict_is_not_for_flags_that_rules_tell_apart(flags):
    data = [tcp(1000, 80, "PSH,ACK", at, 6, data=b"x") for at in (2, 3, 4)]
    rules = "tcp flags & (fin | rst | ecn | cwr) != 0 drop; accept"
    packets = [*OPENING, *data, tcp(1000, 80, flags, 5, 6, data=b"x"), tcp(1000, 80, "ACK", 6, 6)]
    assert fates_of(packets, rules) == ["accept"] * 6 + ["drop", "accept"]


def test_flags_that_segments_amid_a_conversation_differ_in_are_asked_for_each():
    data = [tcp(1000, 80, flags, at, 6, data=b"x") for at, flags in enumerate(
        ["ACK", "PSH,ACK", "ACK", "PSH,ACK", "ACK", "PSH,ACK"], 2)]  # fmt: skip
    told = fates_of([*OPENING, *data], "tcp flags & psh == psh counter drop; counter accept")
    assert told == ["accept"] * 3 + ["accept", "drop"] * 3


@pytest.mark.parametrize("ends", [{}, {"source": "fd00::1", "destination": "fd00::2"}])
def test_what_rules_set_for_themselves_is_gone_with_the_packet(ends):
    rules = (
        "meta mark 3 drop; meta mark set 3; meta priority 1:2 drop; meta priority set 1:2; accept"
    )
    packets = [tcp(port, 80, "SYN", 1, **ends) for port in (1000, 1001, 1002)]
    assert fates_of(packets, rules) == ["accept"] * 3


@pytest.mark.parametrize(
    "rule",
    ["ct mark 0", "ct label != 5", "ct original packets 1", "ct bytes 28", "ct zone 0",
     "ct avgpkt 28", "ct l3proto ipv4", "ct protocol udp", "ct expiration 0s",
     "ct direction original", "ct original ip daddr 10.0.2.2", "ct reply ip saddr 10.0.2.2"],
)  # fmt: skip
def test_what_a_connection_tells_that_is_not_made_yet(rule):
    assert fates_of([udp(port) for port in (1000, 1001)], f"{rule} accept") == ["accept"] * 2
    fates_of([tcp(1000, 80, "RST", 1)], f"{rule} accept; counter")  # which belongs to none
    fates_of([udp(1000), udp(1000), udp(53, 1000, **BACK)] * 2, f"{rule} counter accept; accept")


@pytest.mark.parametrize("rule", ["ct status assured", "ct status seen-reply", 'ct helper "ftp"'])
def test_what_a_connection_does_not_tell_that_is_not_made_yet(rule):
    assert fates_of([udp(port) for port in (1000, 1001)], f"{rule} accept") == ["drop"] * 2


def test_the_packet_counts_itself():
    packets = [udp(), udp(53, 1000, **BACK), *[udp()] * 4]
    told = fates_of(packets, "ct state established ct original packets > 2 drop; accept")
    assert told == ["accept", "accept", "accept", "drop", "drop", "drop"]


@pytest.mark.parametrize(
    ("early", "told"),
    [
        ("udp sport 1000 counter drop", "drop accept accept"),
        (
            "udp dport 53 limit rate over 1/hour burst 2 packets counter reject",
            "accept accept reject",
        ),
        ("udp sport 1001 counter notrack", "accept drop accept"),
        ("meta l4proto udp notrack; udp sport 1001 drop", "drop drop drop"),
        ("meta l4proto udp drop", "drop drop drop"),
        ("iifname lan notrack", "accept accept accept"),
        ("tcp flags rst notrack", "accept accept accept"),
    ],
)
def test_what_rules_before_tracking_say_needs_no_record(early, told):
    packets = [udp(1000), udp(1001), udp(1002)]
    rules = "ct state untracked udp sport 1003 accept; ct state new accept; counter"
    assert fates_of(packets, rules, early) == told.split()
    fates_of([*OPENING, tcp(1001, 80, "RST", 5), udp(1003), udp(53, 1000, **BACK)], rules, early)
    fates_of([udp(1000), udp(53, 1000, **BACK), udp(1000)], rules, early, iif="lan")
    tracker = Tracker(rules_of(rules, early))
    tracker._classify = None  # the full way
    assert [tracker.process(packet, 0.5).action.value for packet in packets] == told.split()


def test_maps_whose_elements_remember_are_asked_once_a_packet():
    """Also where a rule behind them has to see a record."""
    told = fates_of([udp(1000), udp(1001), udp(1002)], "udp dport vmap @paced")
    assert told == ["accept", "accept", "drop"]


@pytest.mark.parametrize(
    "early",
    [
        "",
        "ip saddr 10.0.0.0/8 limit rate 1/hour burst 9 packets",
        "limit rate 1/hour burst 3 packets counter drop",
    ],
)
@pytest.mark.parametrize(
    "once",
    [
        "limit rate 1/hour burst 4 packets counter",
        "quota over 150 bytes counter drop",
        "numgen inc mod 3 1 counter",
        "udp dport @limited counter",
    ],
)
def test_what_a_trial_has_changed_is_put_back_if_it_is_broken_off(once, early):
    packets = [udp(1000), udp(53, 1000, **BACK), *map(udp, range(1000, 1006))]
    fates_of(packets, f"{once}; ct original ip daddr != 1.1.1.1 counter accept; counter", early)
    fates_of(packets, f"{once}; ct state new accept; reject", early)


def test_what_rules_read_as_ports_of_messages_is_asked_for_each():
    first, other = icmp(8, id_=1, data=b"x"), icmp(8, id_=1, data=b"y")
    rules = f"th dport {int.from_bytes(first[22:24], 'big')} accept"
    assert fates_of([first] * 3 + [other], rules) == ["accept"] * 3 + ["drop"]


def test_rules_about_another_protocol_do_not_have_to_see_a_packet():
    tracker = Tracker(rules_of("tcp window < 100 ct original ip daddr 1.1.1.1 drop; accept"))
    tracker._classify = None  # the full way
    for port in (1000, 1001):
        assert tracker.process(udp(port), 0.5).action.value == "accept"


def test_sets_whose_elements_are_given_limits_are_asked_once_a_packet():
    rules = "update @met { ip saddr limit rate 1/hour burst 4 packets }; ip saddr @met accept"
    fates_of([udp(port) for port in range(1000, 1008)], rules)


def test_what_another_packet_has_changed_stays():
    """Also if rules before tracking have been asked about this one, and words told all."""
    packets = [udp(1000), udp(53, 1000, **BACK), udp(1001), udp(53, 1001, **BACK), udp(1002)]
    rules = "ct state established accept; limit rate 1/hour burst 2 packets accept"
    assert fates_of(packets, rules, "meta l4proto icmp drop") == ["accept"] * 4 + ["drop"]


def test_a_map_of_words_is_looked_up_as_rules_are():
    tracker = Tracker(rules_of("ct state vmap { established : accept, new : accept }"))
    tracker.process(udp(1000), 0.5)
    tracker._judge.answers.fates._foretelling = None  # not asked again, for words have led there
    assert tracker.process(udp(1001), 0.5).action.value == "accept"


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("udp dport vmap @ageing; accept", "drop drop accept"),
        ("udp sport . udp dport vmap { 1000 . 53 : accept, 1002 . 53 : continue }",
         "accept drop drop"),
        ("udp sport vmap { 1000 : continue, 1001-1009 : accept }; reject", "reject accept accept"),
        ("udp dport . udp sport vmap { 53 . 1000-1001 : continue, 50-60 . 999-1005 : accept }",
         "drop drop accept"),
        ("udp sport vmap { 1000-1001 : accept, 1002 : drop }; reject", "accept accept drop"),
        ("udp sport vmap { 1001 : goto more, * : accept }; reject", "accept accept accept"),
        ("counter udp dport 53 udp sport vmap { 1001 : drop }; accept", "accept drop accept"),
        ("ip ttl vmap { 63 : drop, 64 : continue }; accept", "drop drop drop"),
        ("ip saddr . meta mark vmap { 10.0.1.2 . 0 : accept }", "accept accept accept"),
    ],
)  # fmt: skip
def test_maps_say_what_becomes_of_a_packet(rules, told):
    assert fates_of([udp(1000), udp(1001), udp(1002)], rules) == told.split()


def test_what_counts_in_front_of_a_map_counts_all():
    tracker = Tracker(
        rules_of("udp dport 53 counter ct state vmap { new : accept, invalid : drop }")
    )
    for port in (1000, 1001):
        tracker.process(udp(port), 0.5)
    assert "udp dport 53 counter packets 2 bytes 56 ct state vmap" in str(tracker.ruleset)


def test_connections_of_an_element_are_counted_once_a_packet():
    rules = "ip saddr @counted counter; add @counted { ip saddr ct count over 2 } reject; accept"
    packets = [udp(port) for port in (1000, 1001, 1000, 1002, 1003, 1000)]
    told = fates_of(packets, rules)
    assert {"accept", "reject"} <= set(told)
    fates_of(
        packets, "ip saddr @counted counter drop; add @counted { ip saddr ct count over 2 }; accept"
    )


def test_a_reject_behind_rules_before_tracking_is_left_to_the_full_way():
    packets = [*OPENING, tcp(1000, 80, "PSH,ACK", 2, 6, data=b"x")]
    rules = "ct state new accept; ip ttl 63 reject with tcp reset"
    assert fates_of(packets, rules, "ip ttl 64 counter")[1] == "reject"


def test_hops_are_taken_off_each_packet_once():
    rules = "ip ttl 63 counter accept; ip ttl 64 drop"
    assert fates_of([tcp(port, 80, "SYN", 1) for port in (1, 2, 3)], rules) == ["accept"] * 3


def test_sets_do_not_begin_to_age_when_a_packet_turns_out_to_be_invalid():
    """Before its connection has advanced, rules behind tracking cannot be asked about a packet."""
    packets = [tcp(1000, 80, "PSH,ACK", seq, 6, data=b"x") for seq in (9_000_000, 2)]
    rules = "ct state established tcp flags & psh == psh ip daddr @aged counter drop; accept"
    assert fates_of([*OPENING, *packets], rules, "ip ttl 64 counter") == ["accept"] * 4 + ["drop"]
