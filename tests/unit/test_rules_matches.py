"""What each kind of match takes and what it leaves: one line a match, with a packet for it."""

from __future__ import annotations

import pytest

from builders import CLIENT, CLIENT6, SERVER, SERVER6, icmp, ip, tcp, udp
from statefulinspect import Action, Config, Ruleset, Tracker

V6 = {"source": CLIENT6, "destination": SERVER6}
FRAME = """
define web = {{ 80, 443 }}
table inet t {{
  set hosts {{ type ipv4_addr; flags interval; elements = {{ 10.0.1.0/24, 10.0.3.1-10.0.3.9 }} }}
  set pairs {{ type ipv4_addr . inet_service; elements = {{ {client} . 53, {client} . 80 }} }}
  set protocols {{ type inet_proto; elements = {{ udp }}
  }}
  map marks {{ type inet_service : mark; elements = {{ 53 : 0x7, 80 : 0x8 }} }}
  chain c {{
    type filter hook forward priority filter; policy drop
    {match} accept
  }}
}}
"""


def takes(match, wire, **context):
    """Say whether a rule with this match accepts a packet, and check that a trace says the same."""
    tracker = Tracker(
        Ruleset.parse(FRAME.format(match=match, client=CLIENT)),
        Config.linux(verify_checksums=False),
    )
    traced = tracker.trace(wire, 5.0, **context)
    verdict = tracker.process(wire, 5.0, **context)
    assert traced.verdict.action is verdict.action
    return verdict.action is Action.ACCEPT


DNS, WEB, SYN = (
    udp(40000, 53),
    tcp(40000, 80, "ACK"),
    tcp(40000, 80, "SYN", options=b"\2\4\5\xb4\1\3\3\7"),
)
PING, PING6 = icmp(8), icmp(128, **V6)
DNS6 = udp(40000, 53, **V6)
INVALID = tcp(40000, 80, "FIN,ACK")  # opens nothing: there is no connection to read

# fmt: off
MATCHES = [
    # match                                              taken       left
    ("udp dport 53",                                     [DNS, DNS6], [WEB, PING]),
    ("udp dport domain",                                 [DNS],      [WEB]),
    ("udp dport != 53",                                  [],         [DNS, WEB]),
    ("udp dport 50-60",                                  [DNS],      [WEB]),
    ("udp dport { 1, 50-60 }",                           [DNS],      [WEB]),
    ("udp dport != { 1, 50-60 }",                        [],         [DNS, WEB]),
    ("udp dport > 52 udp dport < 54",                    [DNS],      [udp(1, 52), udp(1, 54)]),
    ("th sport > 29999 th sport < 50000",                [DNS, WEB], [udp(29999, 53)]),
    ("udp dport >= 53 udp dport <= 53",                  [DNS],      [WEB]),
    ("tcp dport $web",                                   [WEB, SYN], [DNS]),
    ("th dport { 53, 80 }",                              [DNS, WEB], [PING]),
    ("meta l4proto { tcp, udp } th dport 53",            [DNS],      [WEB, PING]),
    ("meta l4proto icmp",                                [PING],     [PING6, DNS]),
    ("meta l4proto != icmp",                             [DNS, PING6], [PING]),
    ("meta nfproto ipv6",                                [DNS6, PING6], [DNS]),
    ("meta protocol ip",                                 [DNS],      [DNS6]),
    ("meta length 28",                                   [DNS, PING], [WEB, DNS6]),
    ("meta length > 39",                                 [WEB, SYN, DNS6], [DNS]),
    ("ip saddr 10.0.1.0/24",                             [DNS, WEB], [DNS6]),
    ("ip saddr != 10.0.1.0/24",                          [],         [DNS, DNS6]),
    ("ip saddr & 0.0.0.255 == 0.0.0.2",                  [DNS],      [DNS6]),
    ("meta l4proto @protocols",                          [DNS],      [WEB, PING]),
    ("ip saddr . ct mark != { 10.0.1.2 . 1 }",           [DNS],      [INVALID]),
    ("ip saddr @hosts",                                  [DNS],      [DNS6]),
    ("ip daddr @hosts",                                  [],         [DNS, DNS6]),
    ("ip daddr != @hosts",                               [DNS],      [DNS6]),
    ("ip saddr . udp dport @pairs",                      [DNS],      [WEB, DNS6]),
    ("ip saddr . th dport @pairs",                       [DNS, WEB], [PING]),
    ("ip saddr . tcp dport { 10.0.1.0/24 . 80-90 }",     [WEB],      [DNS]),
    ("ip6 saddr fd00:1::/64",                            [DNS6],     [DNS]),
    ("ip protocol udp",                                  [DNS],      [DNS6, WEB]),
    ("ip6 nexthdr udp",                                  [DNS6],     [DNS, PING6]),
    ("ip ttl 63",                                        [DNS],      [DNS6]),
    ("ip ttl > 63",                                      [],         [DNS, DNS6]),
    ("ip6 hoplimit 63",                                  [DNS6],     [DNS]),
    ("ip length 28",                                     [DNS],      [WEB]),
    ("ip version 4",                                     [DNS],      [DNS6]),
    ("ip hdrlength 5",                                   [DNS],      [DNS6]),
    ("icmp type echo-request",                           [PING],     [PING6, DNS]),
    ("icmp type != echo-request",                        [],         [PING, DNS]),
    ("icmp code 0",                                      [PING],     [PING6]),
    ("icmpv6 type echo-request",                         [PING6],    [PING]),
    ("tcp flags syn",                                    [SYN],      [WEB, DNS]),
    ("tcp flags != syn",                                 [WEB],      [SYN, DNS]),
    ("tcp flags syn,ack",                                [SYN, WEB], [DNS]),
    ("tcp flags & (syn | ack) == syn",                   [SYN],      [WEB]),
    ("tcp flags syn / syn,ack",                          [SYN],      [WEB]),
    ("tcp flags ! syn",                                  [WEB],      [SYN]),
    ("tcp flags { syn, ack }",                           [SYN, WEB], [DNS]),
    ("tcp doff > 5",                                     [SYN],      [WEB]),
    ("tcp option maxseg exists",                         [SYN],      [WEB, DNS]),
    ("tcp option maxseg missing",                        [WEB],      [SYN]),
    ("tcp option maxseg size 1460",                      [SYN],      [WEB]),
    ("tcp option window count > 6",                      [SYN],      [WEB]),
    ("@th,16,16 53",                                     [DNS],      [WEB]),
    ("@nh,72,8 17",                                      [DNS],      [WEB]),
    ("exthdr frag missing",                              [DNS6],     [DNS]),
    ("ct state new",                                     [DNS],      []),
    ("ct state { new, established }",                    [DNS],      []),
    ("ct state != new",                                  [],         [DNS]),
    ("ct direction original",                            [DNS],      []),
    ("ct direction reply",                               [],         [DNS]),
    ("ct original ip saddr 10.0.1.2",                    [DNS],      [DNS6]),
    ("ct reply ip saddr 10.0.2.2",                       [DNS],      [DNS6]),
    ("ct mark 0",                                        [DNS],      [INVALID]),
    ("ct mark & 0xff == 0",                              [DNS],      [INVALID]),
    ("ct status ! assured",                              [DNS],      []),
    ("ct original packets 1",                            [DNS],      []),
    ("ct original bytes 28",                             [DNS],      [WEB]),
    ("ct l3proto ipv4",                                  [DNS],      [DNS6]),
    ("ct protocol udp",                                  [DNS],      [WEB]),
    ("meta l4proto udp ct original proto-dst 53",        [DNS],      [WEB]),
    ("ct zone 0",                                        [DNS],      []),
    ('ct helper "ftp"',                                  [],         [DNS]),
    ("meta mark set 7 meta mark 7",                      [DNS],      []),
    ("meta mark set 6 meta mark set meta mark | 1 meta mark 7", [DNS], []),
    ("meta mark set udp dport map @marks meta mark 7",   [DNS],      [WEB, udp(1, 54)]),
    ("meta mark set udp dport map { 53 : 7, 54 : 8 } meta mark 7", [DNS], [udp(1, 54)]),
    ("ct mark set 5 ct mark 5",                          [DNS],      []),
    ("ct label set 3 ct label 3",                        [DNS],      []),
    ("limit rate 1/day burst 1 packets",                 [DNS],      []),
    ("limit rate over 1/day burst 1 packets",            [],         [DNS]),
    ("quota 28 bytes",                                   [DNS],      [WEB]),
    ("quota over 28 bytes",                              [WEB],      [DNS]),
    ("ct count 1",                                       [DNS],      []),
    ("ct count over 1",                                  [],         [DNS]),
    ("udp dport vmap { 53 : accept, 54 : drop }",        [DNS],      [udp(1, 54), WEB]),
    ("meta day Thursday",                                [DNS],      []),
    ('meta hour "00:00"-"00:01"',                        [DNS],      []),
]
# fmt: on


def test_rows():
    assert len({match for match, _, _ in MATCHES}) == len(MATCHES)


@pytest.mark.parametrize(
    ("match", "taken", "left"), MATCHES, ids=[match for match, _, _ in MATCHES]
)
def test_matches(match, taken, left):
    assert [takes(match, wire) for wire in taken] == [True] * len(taken)
    assert [takes(match, wire) for wire in left] == [False] * len(left)


@pytest.mark.parametrize(
    ("match", "taken", "left"),
    [
        ('iifname "lan0"', {"iif": "lan0"}, {"iif": "wan0"}),
        ('iifname "lan*"', {"iif": "lan7"}, {"iif": "wan0"}),
        ('iifname != "lan*"', {"iif": "wan0"}, {"iif": "lan0"}),
        ('iifname { "lan0", "lan1" }', {"iif": "lan1"}, {"iif": "lan"}),
        ("oif lo", {"oif": "lo"}, {"oif": "lan0"}),
        ('oifname "wan0"', {"oif": "wan0"}, {"oif": "wan0", "hook": "input"}),
        ("meta mark 7", {"mark": 7}, {"mark": 8}),
        ("meta mark & 0x3 == 0x3", {"mark": 7}, {"mark": 8}),
        ("meta mark 5-9", {"mark": 7}, {"mark": 10}),
        ("meta mark << 4 == 0x70", {"mark": 0x1000_0007}, {"mark": 8}),
    ],
)
def test_what_the_caller_says(match, taken, left):
    if left.get("hook"):
        head = "type filter hook input priority 0; policy drop"
        match = f"{match} accept\n }}\n chain i {{ {head}; {match}"
    assert takes(match, DNS, **taken)
    assert not takes(match, DNS, **left)


def test_addresses_without_ports_have_none():
    bare = ip(CLIENT, SERVER, 89, b"")
    assert not takes("th dport 0-65535", bare)
    assert takes("meta l4proto 89", bare)
