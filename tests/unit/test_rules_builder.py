"""What nft's commands become: each line here was shown to nft 1.0.6, which takes or refuses it."""

from __future__ import annotations

import math

import pytest

from statefulinspect.rules.building.builder import build
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.language.reading import read_text
from statefulinspect.rules.syntax.constants import (
    Bits,
    Element,
    Prefix,
    SetLiteral,
    Span,
    Value,
    Wildcard,
)
from statefulinspect.rules.syntax.objects import kind_of
from statefulinspect.rules.syntax.statements import Assign, Match, UpdateSet, UseObject
from statefulinspect.rules.words.datatypes import TYPES
from statefulinspect.terms import Action

SETS = """
    set ports { type inet_service; flags dynamic,timeout; size 9; }
    set nets { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1 }; }
    set pairs { type ipv4_addr . inet_service; }
    set fixed { type inet_service; flags constant; elements = { 5 }; }
    set counted { type inet_service; counter; }
    set owners { type ipv4_addr; size 9; flags dynamic; }
    map marks { type inet_service : mark; flags timeout; }
    map pairing { type inet_service : ipv4_addr . inet_service; }
    map fates { type inet_service : verdict; elements = { 22 : jump other, 80 : accept }; }
    map tallies { type ipv4_addr : counter; elements = { 192.0.2.1 : "seen" }; }
    counter seen { packets 5 bytes 7; }
    quota much { over 5 mbytes used 1 kbytes; }
    limit few { rate over 5 kbytes/minute burst 1 mbytes; comment "few"; }
    ct helper files { type "ftp" protocol tcp; }
    ct timeout brief { protocol tcp; policy = { established : 100, close : 4 }; }
    ct expectation call { protocol udp; dport 99; timeout 2m; size 5; l3proto ip; }
"""


def table_of(line, *, family="inet", hook="input", sets=SETS):
    text = f"""table {family} t {{
    {sets}
    chain other {{ }}
    chain c {{
        type filter hook {hook} priority 0
        {line}
    }}
}}"""
    tables, _ = build(read_text(text))
    return tables[0]


def rule_of(line, **more):
    (rule,) = table_of(line, **more).chain("c").rules
    return rule


def right_of(line):
    match = rule_of(line).statements[0]
    assert isinstance(match, Match)
    return match.operator, match.right


def test_constants_are_read_by_the_type_on_the_left():
    flags, mark = TYPES["tcp_flag"], TYPES["mark"]
    expected = {
        "tcp dport ssh": ("==", Value(22, TYPES["inet_service"])),
        "tcp dport 20-22": ("==", Span(20, 22, TYPES["inet_service"])),
        "ip saddr 10.0.0.1/8": ("==", Prefix(10 << 24, 8, 32, TYPES["ipv4_addr"])),
        "ip saddr 192.0.2.1/32": ("==", Value(0xC0000201, TYPES["ipv4_addr"])),
        "iifname eth*": ("==", Wildcard("eth")),
        r'iifname "eth\*"': ("==", Value("eth*", TYPES["ifname"])),
        "tcp flags syn": ("in", Value(2, flags)),
        "tcp flags syn,ack": ("in", Bits((2, 16), flags)),
        "tcp flags 0x12,fin": ("in", Bits((2, 16, 1), flags)),
        "tcp flags syn | ack": ("in", Value(18, flags)),
        "tcp flags ! syn,ack": ("!", Bits((2, 16), flags)),
        "tcp flags == syn,ack": ("==", Value(18, flags)),
        "tcp flags != syn": ("!=", Value(2, flags)),
        "tcp flags < syn,ack": ("<", Value(18, flags)),
        "tcp flags { syn }": ("in", Value(2, flags)),
        "tcp flags & syn syn": ("==", Value(2, flags)),
        "tcp flags syn / syn,ack": ("==", Value(2, flags)),
        "meta mark 1 << 4 | 3": ("==", Value(19, mark)),
        "meta mark 0xff & 0xf ^ 1": ("==", Value(14, mark)),
        "meta mark 256 >> 4": ("==", Value(16, mark)),
        'meta hour "22:00"-"04:00"': ("!=", Span(14400, 79200, TYPES["hour"])),
        'meta hour != "22:00"-"04:00"': ("==", Span(14400, 79200, TYPES["hour"])),
        'meta day "Friday"-"Monday"': ("!=", Span(1, 5, TYPES["day"])),
        "ct expiration 500ms": ("==", Value(500, TYPES["time"])),
        "exthdr frag exists": ("==", Value(1, TYPES["boolean"])),
        "tcp option maxseg missing": ("==", Value(0, TYPES["boolean"])),
    }
    assert {line: right_of(line) for line in expected} == expected


# The rule, and how it prints if that differs.
ACCEPTED = [
    ("iifname lo accept", 'iifname "lo" accept'),
    ('iif "lo" drop', None),
    ("ip saddr . tcp dport { 192.0.2.1 . 22, 10.0.0.0/8 . 80-90 } accept", None),
    ("ip saddr . tcp dport { 192.0.2.1 . 22, 192.0.2.2 . 22 } accept", None),
    ("ip saddr @nets drop", None),
    ("tcp dport != @ports drop", None),
    ("ip saddr . tcp dport @pairs accept", None),
    ("meta l4proto { tcp, udp } th dport 53 accept", None),
    ("meta l4proto 6 tcp dport 4", "meta l4proto tcp tcp dport 4"),
    ("meta l4proto != udp udp dport 5", None),
    ("ip protocol tcp tcp dport 5", None),
    ("ip protocol 89 tcp dport 5", "ip protocol ospf tcp dport 5"),
    ("ip6 nexthdr tcp tcp dport 5", None),
    ("icmp type echo-request icmp id 5", None),
    ("icmp type != 3 icmp id 5", "icmp type != destination-unreachable icmp id 5"),
    ("tcp dport 22 tcp sport 53", None),
    ("@th,16,16 22", None),
    ("@nh,0,8 & 0xf0 == 0x40", "@nh,0,8 & 240 == 64"),
    ("ct state new,established accept", None),
    ("ct state & (new | established) == new", "ct state & (established | new) == new"),
    ("ct original ip saddr 192.0.2.1", None),
    ("ip saddr 10.0.0.1 ct original saddr 10.0.0.1",
     "ip saddr 10.0.0.1 ct original ip saddr 10.0.0.1"),
    ("tcp dport 22 ct original proto-dst 22", None),
    ("ct original bytes > 10", None),
    ("ct label 5,6", None),
    ("tcp option 5 exists", "tcp option sack exists"),
    ("tcp option 255 exists", None),
    ("tcp option @2,16,16 5", "tcp option maxseg size 5"),
    ("tcp option @255,8,8 5", None),
    ("tcp option @2,0,8 2", None),
    ("tcp option @255,0,8 != 1", None),
    ("tcp option maxseg size 1-500", None),
    ("ip option rr exists", None),
    ("ip option rr ptr 5", None),
    ("frag more-fragments 1", None),
    ("rt0 addr[1] ::1", None),
    ("meta ipsec exists", "meta secpath exists"),
    ("ct mark & 0xf | 5 == 7", "(ct mark & 0x0000000f) | 0x00000005 == 0x00000007"),
    ("ip protocol 1-17", None),
    ("ip protocol & 1 == 1", "ip protocol & 1 == icmp"),
    ("numgen inc mod 4 offset 1 { 1, 2 }", None),
    ("tcp dport vmap { 22 : accept, 1-9 : goto other, * : drop }", None),
    ("tcp dport vmap @fates", None),
    ("ct mark set tcp dport map { 22 : 1, 80-90 : 2 }",
     "ct mark set tcp dport map { 22 : 0x00000001, 80-90 : 0x00000002 }"),
    ("meta mark set tcp dport map @marks", None),
    ("meta mark set numgen inc mod 3", None),
    ("ct mark set meta mark & 0xff | 0x100", "ct mark set (meta mark & 0x000000ff) | 0x00000100"),
    ("ct zone set 5", None),
    ("ct event set new,related", "ct event set new,related"),
    ("ct label set 5", None),
    ("iiftype ether", "meta iiftype ether"),
    ("meta iifgroup 5", "iifgroup 5"),
    ("log flags skuid flags ip options", "log flags ip options flags skuid"),
    ("meta priority set none", None),
    ("meta nftrace set 1", None),
    ("ip dscp set cs1", None),
    ("ip ttl set 5", None),
    ('ct helper set "files"', None),
    ('ct timeout set "brief"', None),
    ('ct expectation set "call"', None),
    ('counter name "seen"', None),
    ("counter name ip saddr map @tallies", None),
    ('quota name "much"', None),
    ('limit name "few"', None),
    ("counter packets 5 bytes 6", None),
    ("limit rate 3/minute", None),
    ("limit rate 3/minute burst 5 packets", "limit rate 3/minute"),
    ("limit rate over 3 mbytes/second burst 5 kbytes",
     "limit rate over 3 mbytes/second burst 5 kbytes"),
    ("quota over 5 mbytes used 4 kbytes", None),
    ("ct count over 5", None),
    ("log", None),
    ('log prefix "x" level info flags tcp sequence,options',
     'log prefix "x" level info flags tcp sequence,options'),
    ("log level warn", "log"),
    ("log group 3 snaplen 4 queue-threshold 5", None),
    ("notrack", None),
    ("reject", None),
    ("reject with icmpx type port-unreachable", "reject"),
    ("reject with icmpx type no-route", "reject with icmpx no-route"),
    ("tcp dport 5 reject with tcp reset", None),
    ("counter reject with tcp reset",
     "meta l4proto tcp counter packets 0 bytes 0 reject with tcp reset"),
    ("ip saddr 10.0.0.1 reject with icmp host-unreachable", None),
    ("reject with icmpv6 type no-route", "meta nfproto ipv6 reject with icmpv6 no-route"),
    ("add @ports { tcp dport timeout 1m limit rate 3/second }", None),
    ("update @ports { tcp dport counter }",
     "update @ports { tcp dport counter packets 0 bytes 0 }"),
    ("delete @ports { tcp dport }", None),
    ("add @marks { tcp dport : 5 }", "add @marks { tcp dport : 0x00000005 }"),
    ("update @marks { tcp dport timeout 5s : meta mark }", None),
    ("set update tcp dport @ports", "update @ports { tcp dport }"),
    ("meter m { ip saddr limit rate 5/second }", "add @m { ip saddr limit rate 5/second }"),
    ("meter m size 50 { ip saddr timeout 5s counter }",
     "update @m { ip saddr timeout 5s counter packets 0 bytes 0 }"),
    ("reset tcp option maxseg", None),
    ("tcp option maxseg size set 1360", None),
    ("continue", None),
    ("jump other", None),
    ('accept comment "for them"', None),
    ('accept comment ""', "accept"),
    ('log prefix ""', "log"),
    ("@th,16,16 ssh", "@th,16,16 22"),
    ("@th,16,16 @ports", None),
    ("@th,16,16 set tcp sport", None),
    ("counter bytes 6 packets 5", "counter packets 5 bytes 6"),
    ("set delete tcp dport @ports", "delete @ports { tcp dport }"),
    ("add @marks { tcp dport : numgen inc mod 5 }", None),
    ("ct event set new or related", "ct event set new,related"),
    ("counter name tcp dport map { 22 : seen }", 'counter name tcp dport map { 22 : "seen" }'),
    ("add @owners { @nh,96,32 }", None),
    ("add @ports { 22 }", None),
    ("reject with icmpx 2", "reject with icmpx host-unreachable"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "printed"), ACCEPTED)
def test_what_nft_takes_is_taken_and_printed(line, printed):
    assert str(rule_of(line)) == (printed or line)


# The rule, and how its error begins, behind line and column.
REFUSED = [
    ("ip saddr fe80::1", "ipv4_addr 'fe80::1': expected an IPv4 address (host names are"),
    ("ip saddr example", "ipv4_addr 'example': expected an IPv4 address (host names are"),
    ("ip saddr 10.0.0.1/33", "prefix length 33: expected 0 to 32"),
    ("tcp dport 70000", "inet_service 70000: expected 0 to 65535 or a name like tcpmux,"),
    ("tcp dport 80-79", "range 80-79: the start is above the end"),
    ("ct state foo", "ct_state 'foo': expected 0 to 4294967295 or one of invalid, ne"),
    ("ip dscp 64", "dscp 64: expected 0 to 63 or one of cs0, cs1, cs2, cs3, cs4, c"),
    ("meta l4proto 256", "inet_proto 256: expected 0 to 255 or a name like ip, icmp, igm"),
    ('iifname "*"', "ifname '*': expected 1 to 15 octets, not only a *"),
    ('iifname "a"-"b"', "a range of type ifname: expected one name, or a set of them"),
    ("meta mark 1 | 0x100000000", "mark 4294967296: expected 0 to 4294967295"),
    ("ip ttl 200 | 1 << 9", "512: expected 0 to 255"),
    ("tcp dport 1,2", "a list with commas: inet_service is no bit mask; expected a se"),
    ("tcp dport < 1-5", "< has no meaning for ranges: expected == or !="),
    ("tcp dport < { 1, 2 }", "< has no meaning for sets: expected == or !="),
    ("tcp dport < @ports", "< has no meaning for sets: expected == or !="),
    ("ip saddr > 10.0.0.0/8", "> has no meaning for prefixes: expected == or !="),
    ('iifname > "b*"', "> has no meaning for wildcards: expected == or !="),
    ("tcp dport ! 5", "! is for bits of a mask: expected !="),
    ("tcp dport @nosuch", "set nosuch: table inet t has none of this name; there are port"),
    ("ip saddr @ports", "datatype mismatch: set @ports has inet_service, expected ipv4_"),
    ("ip saddr . tcp dport @ports",
     "datatype mismatch: set @ports has inet_service, expected ipv4_"),
    ("ip saddr . tcp dport 10.0.0.1 . 5",
     "a concatenation is compared with sets only: expected { ... } o"),
    ("ip saddr . tcp dport { 10.0.0.1 }",
     "a constant of 1 parts: expected 2, ipv4_addr . inet_service"),
    ("ip saddr . tcp dport { 10.0.0.1 . 5 . 6 }",
     "a constant of 3 parts: expected 2, ipv4_addr . inet_service"),
    ("tcp dport { 1 : 2 }", "an element that leads to something: expected none, for the set"),
    ("tcp dport vmap { 1 : accept, 1 : drop }", "element 1: two elements of a map have this key"),
    ("tcp dport vmap { 1-5 : accept, 3-8 : drop }", "conflicting intervals: 3-8 and 1-5"),
    ("tcp dport vmap @marks", "map @marks: expected one that leads to verdict"),
    ("tcp dport vmap @ports", "map @ports: expected one that leads to verdict"),
    ("meta mark set tcp dport map @fates", "map @fates: expected one that leads to values"),
    ("ip saddr . tcp dport { 10.0.0.1 . 5-8, 10.0.0.1 . 6 }",
     "conflicting intervals: 10.0.0.1 . 6 overlaps 10.0.0.1 . 5-8"),
    ("ip saddr { 10.0.0.1 timeout 5s, 10.0.0.2 }",
     "a set without a name has no timeouts: expected a named one"),
    ("tcp dport 22 udp dport 53", "conflicting protocols specified: tcp vs. udp"),
    ("meta l4proto tcp udp dport 53", "conflicting protocols specified: tcp vs. udp"),
    ("meta l4proto { tcp, udp } tcp dport 53", "conflicting protocols specified: udp vs. tcp"),
    ("meta l4proto 89 tcp dport 53", "conflicting protocols specified: another protocol vs. tcp"),
    ("ip protocol tcp udp dport 53", "conflicting protocols specified: tcp vs. udp"),
    ("ip saddr 10.0.0.1 ip6 saddr ::1", "conflicting protocols specified: ip vs. ip6"),
    ("meta nfproto ipv4 ip6 saddr ::1", "conflicting protocols specified: ip vs. ip6"),
    ("icmp type 8 ip6 saddr ::1", "conflicting protocols specified: ip vs. ip6"),
    ("icmp type 3 icmp id 5", "icmp id: the rule has type 3, needed is 0, 8"),
    ("ip saddr 10.0.0.1 frag id 5", "exthdr frag: conflicts with ip before"),
    ("ip saddr 10.0.0.1 ct original ip6 saddr ::1", "conflicting protocols specified: ip vs. ip6"),
    ("ct original proto-dst 22", "ct proto-dst: the protocol is not known here; match meta l4pro"),
    ("ct original saddr 10.0.0.1", 'ct saddr: the IP version is not known here; use "ip saddr" or'),
    ("ct saddr 10.0.0.1", "ct saddr: expected a direction, as in ct original saddr"),
    ("tcp dport 5 ct proto-dst 22",
     "ct proto-dst: expected a direction, as in ct original proto-ds"),
    ("ct event new", "ct event: expected what a rule can look at, as tcp dport or me"),
    ("meta nftrace 1", "meta nftrace: expected what a rule can look at, as tcp dport o"),
    ("meta ibrname br0", "meta ibrname: expected in tables of the family bridge only"),
    ("ct mark | ct mark == 5", "the right side of | is no constant"),
    ("numgen inc mod 0 1", "numgen mod 0: expected at least 1"),
    ("meta mark set tcp dport", "datatype mismatch: what meta mark is set to has inet_service,"),
    ("meta mark set 1-5", "range: expected a constant of type mark"),
    ("meta iifname set lo", "iifname set: expected one of meta mark, nftrace, pkttype, prio"),
    ("ct state set new", "ct state set: expected one of ct event, label, mark, zone"),
    ("tcp option maxseg set 5", "tcp option maxseg set: expected one of its fields"),
    ("reset tcp option maxseg size",
     "reset tcp option maxseg size: expected an option without a fie"),
    ('ct helper set "nosuch"', "ct helper nosuch: table inet t has none of this name; there ar"),
    ('counter name "nosuch"', "counter nosuch: table inet t has none of this name; there are"),
    ("counter name ip saddr map @nets", "map @nets: expected one that leads to counter"),
    ("limit rate 0/second", "limit rate 0: expected at least 1"),
    ("limit rate 3/minute burst 0 packets", "limit burst 0: expected at least 1"),
    ("log level foo", "log level 'foo': expected one of emerg, alert, crit, err, warn"),
    ('log prefix "x" group 5 level info',
     "log: group and level exclude each other, as do group and flags"),
    ('log level audit prefix "x"', "log level audit: expected nothing else"),
    ("udp dport 5 reject with tcp reset", "reject with tcp reset: the rule is about udp"),
    ("ip6 saddr ::1 reject with icmp type 3", "conflicting protocols specified: ip6 vs ip"),
    ("accept drop", "a statement behind accept has no effect"),
    ("reject counter", "a statement behind reject has no effect"),
    ("jump nosuch", "jump to nosuch: table t has no such chain"),
    ("jump c", "jump to c: expected a chain without a hook"),
    ("tcp dport vmap { 1 : jump nosuch }", "jump to nosuch: table t has no such chain"),
    ("add @ports { ip saddr }", "datatype mismatch: add @ports has ipv4_addr, expected inet_ser"),
    ("add @ports { @th,16,8 }", "datatype mismatch: add @ports has integer, expected inet_ser"),
    ("add @ports { numgen inc mod 5 }", "datatype mismatch: add @ports has integer, expected"),
    ("add @owners { meta mark }", "datatype mismatch: add @owners has mark, expected ipv4_addr"),
    ("add @ports { 22-80 }", "22-80: expected a single value of type inet_service"),
    ("add @pairs { ip saddr . 22 . 23 }", "22: expected what a rule can look at"),
    ("add @pairing { tcp dport : numgen inc mod 5 }",
     "datatype mismatch: the data of @pairing has integer, expected ipv4_addr . inet_service"),
    ("add @fixed { tcp dport }", "add @fixed: the set has flags constant"),
    ("add @nets { ip saddr }", "add @nets: the set has flags interval"),
    ("add @counted { tcp dport limit rate 5/second }",
     "add @counted: the set has other statements of its own"),
    ("add @counted { tcp dport timeout 5s }", "add @counted: the set has no flags timeout"),
    ("add @marks { tcp dport }", "add @marks: expected data, for it is a map"),
    ("add @ports { tcp dport : 5 }", "add @ports: expected a key only, for it is no map"),
    ("add @fates { tcp dport : accept }", "add @fates: packets add no verdicts"),
    ("add @fates { tcp dport : 5 }", "add @fates: packets add no verdicts"),
    ("add @marks { tcp dport : 1 . 2 }", "the data of @marks: 2 parts, expected 1, mark"),
    ("add @marks { tcp dport : ip saddr }",
     "datatype mismatch: the data of @marks has ipv4_addr, expected"),
    ("meter m { ip saddr timeout 5s ct count over 5 }", "set m has timeouts: ct count wants one w"),
    ("meter ports { tcp dport counter }", "meter ports: the table has another set 'ports'"),
    ("tcp option maxseg size 70000", "integer 70000: expected 0 to 65535"),
    (f'log prefix "{"x" * 128}"', "log prefix of 128 octets: expected 127"),
    (f'log prefix "{"ü" * 64}"', "log prefix of 128 octets: expected 127"),
    (f'iifname "{"ü" * 8}"', "ifname 'üüüüüüüü': expected 1 to 15 octets, not only a *"),
    ("tcp dport ssh2", "inet_service 'ssh2': expected 0 to 65535 or a name like ssh"),
    ("ct state nwe", "ct_state 'nwe': expected 0 to 4294967295 or one of new, "),
    ("ip saddr 1.2.3.x", "1.2.3.x: expected one constant of type ipv4_addr"),
    ("ip saddr 10.0/8", "10.0/8: expected one constant of type ipv4_addr"),
    ("reject with icmp no-rout", "icmp_code 'no-rout': expected 0 to 255 or one of"),
    ("tcp dport < { 22 }", "< has no meaning for sets: expected == or !="),
    ("tcp sequence << 32 == 5", "<< 32: expected less than 32, the bits there are"),
    ("tcp sequence >> 40 == 5", ">> 40: expected less than 32, the bits there are"),
    ("ct helper . tcp dport { ftp . 21 }", "ct helper in a concatenation: expected parts of a"),
    ("tcp dport vmap { 22 counter : accept }", "a map without a name has no statements on its"),
    ("ct label set 5,6", "a list with commas: expected one value, or several with |"),
    ('counter name tcp dport map { 22 : "nosuch" }', "counter nosuch: table inet t has none of"),
    ("quota 9223372036854775808 bytes", "quota 9223372036854775808 bytes: expected 0 to 92233"),
    ("quota 5 mbytes used 6 mbytes", "quota used 6291456 bytes: expected 0 to 5242880, the"),
    ("reject with icmpx 4", "reject with icmpx 4: expected one of port-unreachable, admin-"),
    ('add @ports { tcp dport comment "x" }', "a comment on what packets add: expected it on the"),
    ("add @ports { tcp dport ct count 5 }", "set ports has timeouts: ct count wants one witho"),
    ("policy accept; policy drop; tcp dport 5", "policy drop: the chain has policy accept"),
    ("flags interval; tcp dport 5", "chain flag 'interval': expected one of offload"),
    ("tcp option @2,0,8 exists", "integer 'exists': expected 0 to 255"),
    ("tcp flags syn / syn", "the end of the line: expected "),
    ("log flags skuid,ether", "',': expected "),
    (f'accept comment "{"x" * 129}"', "rule: comment of 129 octets: expected 128"),
    (f'accept comment "{"ü" * 65}"', "rule: comment of 130 octets: expected 128"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), REFUSED)
def test_what_nft_refuses_is_refused(line, message):
    with pytest.raises(RuleError) as caught:
        table_of(line)
    assert caught.value.message.startswith(message)
    assert caught.value.line is not None
    assert caught.value.column is not None


@pytest.mark.parametrize(
    ("line", "hook"),
    [
        ("reject", "postrouting"),
        ("meta sdifname lo", "prerouting"),
        ("meta secpath exists", "output"),
        ("meta pkttype set host", "input"),
        ("tcp option maxseg size set rt mtu", "input"),
    ],
)
def test_some_statements_are_for_some_hooks(line, hook):
    with pytest.raises(RuleError, match=f"at hook {hook}: expected at "):
        table_of(line, hook=hook)
    allowed = {"meta pkttype set host": "prerouting", "reject": "output"}
    assert rule_of(line, hook=allowed.get(line, "forward"))


def test_a_family_knows_its_ip_version():
    for family, line in (
        ("ip", "ip6 saddr ::1"),
        ("ip6", "ip saddr 10.0.0.1"),
        ("ip", "meta nfproto ipv4"),
        ("ip", "reject with icmpx type no-route"),
        ("ip6", "reject with icmp type 3"),
    ):
        with pytest.raises(RuleError):
            table_of(line, family=family, sets="")
    assert str(rule_of("ct original saddr ::1", family="ip6", sets="")) == (
        "ct original ip6 saddr ::1"
    )
    assert str(rule_of("reject with icmp type 1", family="ip", sets="")) == (
        "reject with icmp host-unreachable"
    )


def test_what_reject_needs_of_packets_stands_before_all_else():
    for line, before in (
        ("counter reject with tcp reset", "meta l4proto tcp counter"),
        ("counter reject with icmp type 1", "meta nfproto ipv4 counter"),
        ("counter reject with icmpv6 type 1", "meta nfproto ipv6 counter"),
    ):
        assert str(rule_of(line)).startswith(before)


def test_what_the_rule_has_settled_is_not_asked_for_again():
    for line in (
        "counter ct l3proto ipv4 reject with icmp host-unreachable",
        "meta l4proto { udp, tcp } reject with tcp reset",
        "tcp dport 22 ip saddr 10.0.0.1 reject with icmp host-unreachable",
        "ip option rr exists reject with icmp host-unreachable",
    ):
        assert str(rule_of(line)).replace(" packets 0 bytes 0", "") == line
    line = "meta l4proto icmp icmp type echo-request reject with icmp host-unreachable"
    assert str(rule_of(line)) == f"meta nfproto ipv4 {line}"


@pytest.mark.parametrize(
    ("head", "elements", "at"),
    [
        ("set s { type inet_service; flags interval", ["1-10", "20", "5"], 3),
        ("set s { type inet_service", ["1", "2-3", "5"], 2),
        ("set s { type mark", ["1", "2", "5 timeout 5s"], 3),
        ("map m { type mark : verdict", ["1 : drop", "2 : accept", "1 : accept"], 3),
        ("map m { type inet_service : mark; flags interval", ["9 : 1", "1-5 : 1", "5-6 : 2"], 3),
        ("set s { type ipv4_addr . mark; flags interval", ["10.0.0.0/8 . 1-9", "10.0.0.1 . 5"], 2),
    ],
)
def test_what_is_wrong_with_an_element_is_told_where_it_stands(head, elements, at):
    text = "table t {\n" + f"{head}; elements = {{\n" + ",\n".join(elements) + " }\n }\n}"
    with pytest.raises(RuleError) as caught:
        commands(text)
    assert caught.value.line == 2 + at


def test_overlaps_are_merged_in_sets_without_a_name():
    found = rule_of("tcp dport { 22, 1-5, 3-8, 22, 7 }").statements[0].right
    port = TYPES["inet_service"]
    assert found == SetLiteral((Element(Value(22, port)), Element(Span(1, 8, port))))
    found = rule_of('iifname { "eth*", "eth0", "lo" }').statements[0].right
    assert [str(each) for each in found.elements] == ['"eth*"', '"lo"']


def test_a_rule_knows_where_it_stands():
    table = table_of("accept")
    rule = table.chain("c").rules[0]
    assert (rule.place.chain, rule.place.number, rule.place.line) == ("c", 1, 23)


def test_objects_of_a_table():
    objects = {(kind_of(each), each.name): each for each in table_of("accept").objects}
    assert objects["counter", "seen"].packets == 5
    assert objects["quota", "much"].quota.octets == 5 << 20
    assert str(objects["limit", "few"].limit) == "limit rate over 5 kbytes/minute burst 1 mbytes"
    assert objects["ct helper", "files"].protocol == 6
    assert objects["ct timeout", "brief"].policy == {"established": 100, "close": 4}
    call = objects["ct expectation", "call"]
    assert (call.port, call.timeout, call.size, call.family) == (99, 120.0, 5, "ip")


def test_a_meter_is_a_set_of_the_table():
    table = table_of("meter m size 50 { ip saddr . tcp dport timeout 5s counter }")
    found = table.find_set("m")
    assert found.key == "typeof ip saddr . tcp dport"
    assert found.flags == {"dynamic", "timeout"}
    assert found.size == 50
    update = table.chain("c").rules[0].statements[0]
    assert isinstance(update, UpdateSet)
    assert update.operation == "update"


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("ip saddr and 255.255.255.0", "typeof ip saddr"),
        ("tcp dport & 0xff00", "typeof tcp dport"),
        ("ct mark and 0xff . ip saddr & 255.0.0.0", "typeof ct mark . ip saddr"),
        ("ct mark << 2", "typeof ct mark"),
        ("exthdr hbh", "type boolean"),
        ("tcp option maxseg . ip saddr", "type boolean . ipv4_addr"),
        ("exthdr hbh . meta length", "typeof exthdr hbh . meta length"),
    ],
)
def test_the_set_of_a_meter_is_of_a_type_that_nft_can_read(key, kind):
    table = table_of(f"meter m {{ {key} counter }}")
    assert table.find_set("m").key == kind
    assert str(build(read_text(str(table)))[0][0]) == str(table)


def test_a_meter_without_timeout_has_elements_that_stay():
    table = table_of("meter m { ip saddr counter }")
    assert table.find_set("m").flags == {"dynamic"}


def test_a_meter_may_be_a_set_that_the_table_has_with_elements():
    named = "set m { typeof ip saddr; size 65535; flags dynamic; elements = { 192.0.2.1 }; }"
    table = table_of("meter m { ip saddr counter }", sets=named)
    assert len(table.find_set("m").elements) == 1


def test_what_packets_add_to_is_dynamic():
    assert "dynamic" in table_of("add @pairs { ip saddr . tcp dport }").find_set("pairs").flags
    assert "dynamic" not in table_of("accept").find_set("pairs").flags


def test_options_of_tcp_can_be_taken_out():
    found = rule_of("reset tcp option 2").statements[0]
    assert isinstance(found, Assign)
    assert str(found) == "reset tcp option maxseg"


def test_maps_name_objects():
    found = rule_of('counter name ip saddr map { 10.0.0.1 : "seen" }').statements[0]
    assert isinstance(found, UseObject)
    assert str(found) == 'counter name ip saddr map { 10.0.0.1 : "seen" }'


# ---- declarations


def declared(body, kind="set"):
    tables, _ = build(read_text(f"table inet t {{\n{kind} s {{ {body}; }}\n}}"))
    return tables[0].find_set("s")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("type ipv4_addr", "set"),
        ("type ipv4_addr . inet_service", "set"),
        ("typeof ip saddr . tcp dport", "set"),
        ("typeof ct original proto-dst", "set"),
        ("typeof ip saddr : meta mark", "map"),
        ("typeof ip saddr : verdict", "map"),
        ("type ipv4_addr : mark . inet_service", "map"),
        ("type ipv4_addr : counter", "map"),
    ],
)
def test_types_print_as_they_were_written(body, kind):
    assert str(declared(body, kind)).split("\n")[1].strip() == body


def test_a_set_holds_all_that_is_said_of_it():
    found = declared(
        "type ipv4_addr; flags timeout; timeout 5m; gc-interval 1m; size 10; policy memory;"
        ' counter; comment "x"; elements = { 192.0.2.1 counter timeout 10s expires 5s comment "y" }'
    )
    assert (found.timeout, found.gc_interval, found.size) == (300.0, 60.0, 10)
    assert (found.policy, found.comment, len(found.statements)) == ("memory", "x", 1)
    (element,) = found.elements
    assert (element.timeout, element.expires, element.comment) == (10.0, 5.0, "y")
    assert len(element.statements) == 1


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("type integer", "set", "type integer has no size"),
        ("type nosuch", "set", "type nosuch: expected one of"),
        ("typeof ip saddr & 255.0.0.0", "set", "typeof ip saddr & 255.0.0.0: expected it witho"),
        ("typeof meta mark . ct mark << 2", "set", "typeof meta mark . ct mark << 2: expected"),
        ("flags interval", "set", "a set without type"),
        ("type ipv4_addr; flags foo", "set", "set flag 'foo'"),
        ("type ipv4_addr; auto-merge", "set", "set s: auto-merge is for"),
        ("type ipv4_addr; flags dynamic,interval", "set", "set s: flags dynamic and interval"),
        ("type ipv4_addr; gc-interval 5s", "set", "set s: gc-interval is for"),
        ("type ipv4_addr; elements = { 10.0.0.0/8 }", "set", "element 10.0.0.0/8: set s has no fl"),
        ('type ifname; elements = { "eth*" }', "set", 'element "eth*": set s has no flags inter'),
        ("type mark . mark; elements = { 1 . 1-2 }", "set", "element 0x00000001 . 0x00000001-0x"),
        ("type mark; elements = { 1 timeout 5s }", "set", "element 0x00000001: set s has no flags"),
        ("type mark; timeout 5s; ct count 5", "set", "set s has timeouts: ct count wants one"),
        ("type mark; flags timeout; elements = { 1 ct count 5 }", "set", "set s has timeouts: ct"),
        ("type mark; size 1; elements = { 1, 2 }", "set", "set s: 2 elements, its size is 1"),
        ("type mark; flags interval; elements = { 1-5, 3-8 }", "set", "conflicting intervals"),
        ("type mark : mark; elements = { 1 : 1, 1 : 2 }", "map", "element 0x00000001: two elem"),
        ("type mark : mark; elements = { 1 : 1-2 }", "map", "a map to ranges is not supported"),
        ("type mark : mark; elements = { 1 }", "map", "1: expected key and data"),
    ],
)
def test_declarations_that_cannot_be(body, kind, message):
    with pytest.raises(RuleError) as caught:
        declared(body, kind)
    assert caught.value.message.startswith(message)


def test_keys_of_several_parts_may_touch():
    found = declared(
        "type mark . mark; flags interval; elements = { 1-5 . 1-2, 2-6 . 3-4, 1 . 9, 7-8 . 1-2 }"
    )
    assert len(found.elements) == 4


def test_auto_merge_merges():
    found = declared("type mark; flags interval; auto-merge; elements = { 1-5, 3-8, 9/32, 4 }")
    assert [str(each) for each in found.elements] == ["0x00000001-0x00000008", "0x00000009"]


@pytest.mark.parametrize(
    "lines",
    [
        "ct timeout x { protocol tcp; policy = { foo : 5 }; }",
        'ct helper x { type "ftp" protocol sctp; }',
        "ct expectation x { protocol tcp; dport 5; timeout 5s; size 3; }",
        "ct expectation x { protocol tcp; dport 5; timeout 5s; }",
        "ct expectation x { protocol tcp; dport 5; timeout 5s; size 300; l3proto ip; }",
    ],
)
def test_objects_that_cannot_be(lines):
    with pytest.raises(RuleError):
        build(read_text(f"table inet t {{\n{lines}\n}}"))
    with pytest.raises(RuleError, match="l3proto ip6 in a table of family ip"):
        build(read_text('table t {\nct helper x { type "ftp" protocol tcp; l3proto ip6; }\n}'))


# ---- chains


def base(spec, family="inet"):
    tables, _ = build(read_text(f"table {family} t {{\nchain c {{ {spec}; }}\n}}"))
    return tables[0].chain("c")


@pytest.mark.parametrize(
    ("spec", "priority"),
    [
        ("type filter hook input priority 0", 0),
        ("type filter hook input priority -150", -150),
        ("type filter hook input priority filter - 10", -10),
        ("type filter hook prerouting priority dstnat + 5", -95),
        ("type filter hook postrouting priority srcnat", 100),
        ("type route hook output priority mangle", -150),
        ("type filter hook forward priority security", 50),
    ],
)
def test_priorities(spec, priority):
    assert base(spec).priority == priority
    assert base(f"{spec}; policy drop").policy is Action.DROP


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("type filter hook input priority dstnat", "priority dstnat at hook input: expected hook"),
        ("type filter hook prerouting priority srcnat", "priority srcnat at hook prerouting"),
        ("type filter hook input priority foo", "chain priority 'foo': expected one of raw"),
        ("type filter hook input priority 2147483648", "priority 2147483648: expected a 32-bit"),
        ("type route hook input priority 0", "type route hook input: expected hook output"),
        ("type nosuch hook input priority 0", "chain type 'nosuch': expected one of filter"),
        ("type filter hook nosuch priority 0", "chain hook 'nosuch': expected one of prerouting"),
        ("type nat hook output priority 0", "type nat is not supported: the library translates"),
        ("type filter hook ingress priority 0", "hook ingress is not supported: there are prero"),
        ("policy drop", "chain c has no hook: expected no policy"),
    ],
)
def test_chains_that_cannot_be(spec, message):
    with pytest.raises(RuleError) as caught:
        base(spec)
    assert caught.value.message.startswith(message)


def ladder(count, verb="jump"):
    chains = "\n".join(f"chain c{n} {{ {verb} c{n + 1}; }}" for n in range(1, count))
    return f"""table inet t {{
    chain b {{ type filter hook input priority 0; {verb} c1; }}
    {chains}
    chain c{count} {{ accept; }}
}}"""


@pytest.mark.parametrize("verb", ["jump", "goto"])
def test_chains_are_sixteen_deep_at_most(verb):
    build(read_text(ladder(15, verb)))
    with pytest.raises(RuleError, match="jump to c16: more than 16 chains deep"):
        build(read_text(ladder(16, verb)))


def test_jumps_make_no_loop():
    loop = "chain c { jump d; }\nchain d { tcp dport vmap @m; }\n"
    loop += "map m { type inet_service : verdict; elements = { 1 : goto c }; }\n"
    build(read_text(f"table t {{\n{loop}}}"))  # nobody gets there
    start = "chain b { type filter hook input priority 0; jump c; }\n"
    with pytest.raises(RuleError, match="jump to c: a loop, b > c > d > c"):
        build(read_text(f"table t {{\n{start}{loop}}}"))


def test_a_chain_may_be_reached_on_several_ways():
    text = """table t {
    chain b { type filter hook input priority 0; jump c; goto c; tcp dport vmap { 1 : jump d }; }
    chain c { jump d; jump d; }
    chain d { tcp dport 5 return; }
}"""
    build(read_text(text))


WITHOUT_NAME = """table inet t {
\tchain c {
\t\ttcp dport 22 jump {
\t\t\tip saddr 10.0.1.2 accept comment "us"
\t\t\tdrop
\t\t} comment "ssh"
\t\ttcp dport 23 goto {
\t\t}
\t\taccept
\t}

\tchain __chain1 {
\t}
}"""


def test_a_chain_without_a_name_stands_where_it_is_jumped_to():
    (table,) = commands(WITHOUT_NAME)
    assert str(table) == WITHOUT_NAME
    assert [chain.name for chain in table.chains] == ["c", "__chain2", "__chain3", "__chain1"]
    assert [rule.place.line for rule in table.chain("__chain2").rules] == [4, 5]


def test_the_rules_of_a_chain_without_a_name_have_handles_before_its_own():
    assert rules("add table t\nadd chain t c\nadd rule t c jump { log; accept; }\n"
                 "add rule t c drop\ndelete rule t c handle 5") == ["drop"]  # fmt: skip


def test_what_a_chain_without_a_name_has_not_is_left_out_alone():
    text = """table t {
    chain c {
        tcp dport 5 jump { masquerade; accept; }
        fib saddr type local jump { log; }
    }
}"""
    (table,), warnings = build(read_text(text), "ignore")
    assert [each.split(" is")[0] for each in warnings] == ["line 3: masquerade", "line 4: fib"]
    assert [str(rule) for rule in table] == ["tcp dport 5 jump __chain1", "accept"]


def test_elements_jump_to_chains_that_there_are():
    text = "table t {\nmap m { type mark : verdict; elements = { 1 : jump no }; }\n}"
    with pytest.raises(RuleError, match="jump to no: table t has no such chain"):
        build(read_text(text))


# ---- commands


def commands(text):
    tables, _ = build(read_text(text))
    return tables


def rules(text):
    tables = commands(text)
    return [str(rule) for table in tables for rule in table]


START = "add table t\nadd chain t c\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("add rule t c accept\ninsert rule t c log", ["log", "accept"]),
        ("add rule t c log\nadd rule t c accept\ninsert rule t c return",
         ["return", "log", "accept"]),
        ("add rule t c log\nadd rule t c accept\nadd rule t c index 0 return",
         ["log", "return", "accept"]),
        ("add rule t c log\nadd rule t c counter\nadd rule t c accept\n"
         "add rule t c index 1 return",
         ["log", "counter packets 0 bytes 0", "return", "accept"]),
        ("add set t s { type mark; }\nadd counter t n\nadd rule t c log\nadd rule t c accept\n"
         "delete rule t c handle 4", ["accept"]),
        ("add rule t c log\nreplace rule t c handle 2 return\n"
         "replace rule t c handle 2 accept", ["accept"]),
        ("add rule t c log\nadd rule t c accept\ninsert rule t c index 1 return",
         ["log", "return", "accept"]),
        ("add rule t c log\nadd rule t c accept\nadd rule t c handle 2 return",
         ["log", "return", "accept"]),
        ("add rule t c log\nadd rule t c accept\ndelete rule t c handle 2", ["accept"]),
        ("add rule t c log\nadd rule t c accept\nreplace rule t c handle 2 return",
         ["return", "accept"]),
        ("add rule t c log\nflush chain t c", []),
        ("add rule t c log\nflush table t", []),
        ("add rule t c log\nflush ruleset", []),
        ("add rule t c log\nflush ruleset inet", ["log"]),
        ("add rule t c log\ndelete chain t c", []),
        ("add rule t c log\ndelete table t", []),
        ("add rule t c log\nrename chain t c d\nadd rule t d accept", ["log", "accept"]),
        ("add chain t x\nadd rule t c log\nadd rule t x accept\nrename chain t c d\n"
         "add rule t d return", ["log", "return", "accept"]),
        ("add rule t c log\nlist ruleset", ["log"]),
        ("add chain t c\nadd table t\nadd rule t c log", ["log"]),
        ("destroy chain t d\nadd rule t c log", ["log"]),
        ("destroy rule t c handle 77\nadd rule t c log", ["log"]),
    ],
)  # fmt: skip
def test_commands_are_carried_out_in_their_order(text, left):
    assert rules(START + text) == left


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("add rule x c accept", "table ip x: there is none of this name"),
        ("add rule t x accept", "chain x: table t has none of this name"),
        ("add chain x c", "table ip x: there is none"),
        ("create table t", "create table t: it exists already"),
        ("create chain t c", "create chain c: it exists already"),
        ("delete table x", "table ip x: there is none"),
        (
            "add set t s { type inet_service; }\ndestroy element t s { 10.0.0.1 }",
            "inet_service '10.0.0.1': expected",
        ),
        ("destroy rule t c", "rule to delete"),
        ("delete chain t x", "chain x: table t has none"),
        ("add rule t c log\ndelete rule t c handle 9", "handle 9: chain c has no rule of it"),
        ("delete set t x", "set x: table t has none"),
        ("delete counter t x", "counter x: table t has none"),
        ("add rule t c index 0 accept", "index 0: chain c has 0 rules"),
        (
            "add rule t c log\ninsert rule t c handle 9 accept",
            "handle 9: chain c has no rule of it",
        ),
        ("replace rule t c handle 9 accept", "handle 9: chain c has no rule of it"),
        ("add rule t c handle 9 accept", "handle 9: chain c has no rule of it"),
        ("rule t c position 1 accept", "handle 1: chain c has no rule of it"),
        ("rename chain t c c", "rename chain c: there is a chain c already"),
        ("add chain t d\nadd rule t c jump d\ndelete chain t d", "jump to d: table t has no such"),
        ("add chain t c { type filter hook input priority 0; }", "chain c: it exists already, wi"),
        ("add chain t c { policy drop; }", "chain c: it exists already, with another hook or none"),
        ("add table t { flags foo; }", "table flag 'foo' is not supported: there are dormant, ow"),
        ("add table arp x", "family arp is not supported: there are ip, ip6, inet"),
    ],
)
def test_commands_that_cannot_be_carried_out(text, message):
    with pytest.raises(RuleError) as caught:
        commands(START + text)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("name", ["drop", "ip", "dynamic", "counter", "inet", "all"])
def test_words_of_nfts_own_are_no_names(name):
    for text in (f"chain {name} {{ }}", f"set {name} {{ type mark; }}", f"counter {name} {{ }}"):
        with pytest.raises(
            RuleError, match=rf"line 1, column \d+: .*: name '{name}': expected a w"
        ):
            commands(f"table t {{ {text}; }}")
    with pytest.raises(RuleError, match=f"table: name '{name}': expected a word not nft's own"):
        build([{"table": {"name": name}}])


@pytest.mark.parametrize("name", ["filter", "input", "raw", "last", "name", "Drop", "drop2", "to"])
def test_words_that_nft_takes_for_names_are_names(name):
    assert commands(f"table {name} {{ chain {name} {{ }}; }}")[0].chain(name) is not None


def test_a_table_is_dormant_until_it_is_declared_without():
    (table,) = commands("table t { flags dormant; }")
    assert table.is_dormant
    (table,) = commands("table t { flags dormant; }\ntable t { }")
    assert not table.is_dormant


@pytest.mark.parametrize("flags", ["owner", "owner,persist", "dormant; flags owner"])
def test_who_owns_a_table_is_nothing_to_packets(flags):
    (table,) = commands(f"table inet f {{ # progname firewalld\nflags {flags}; chain c {{ }}; }}")
    assert table.chain("c") is not None
    assert table.flags == (("dormant",) if "dormant" in flags else ())


def test_a_table_that_nft_owned_can_be_loaded_again():
    (table,), _ = build([{"table": {"family": "inet", "name": "f", "flags": "owner"}}])
    assert "owner" not in str(table)


def test_a_table_outlives_a_flag_that_is_ignored():
    text = "table t {\nflags foo,dormant\nchain c { accept; }\n}"
    (table,), warnings = build(read_text(text), "ignore")
    assert (len(list(table)), table.is_dormant) == (1, True)
    assert warnings[0].startswith("line 2: table flag 'foo' is not supported: ")


def test_a_policy_can_change():
    again = "add chain t d { type filter hook input priority 0; policy accept; }\n"
    text = f"{START}{again}add chain t d {{ policy drop; }}\nadd chain t d"
    assert commands(text)[0].chain("d").policy is Action.DROP


def test_a_chain_declared_again_with_its_hook_takes_the_other_policy():
    hook = "type filter hook input priority 0;"
    text = f"table t {{ chain c {{ {hook} policy accept; }}\n chain c {{ {hook} policy drop; }}\n}}"
    assert commands(text)[0].chain("c").policy is Action.DROP


def test_a_renamed_chain_prints_its_new_name():
    (table,) = commands(f"{START}rename chain t c d")
    assert "chain d {" in str(table)


def test_a_table_keeps_its_comment():
    (table,) = commands('table t { comment "ours"; }')
    assert 'comment "ours"' in str(table)


@pytest.mark.parametrize(
    ("declared", "again"),
    [
        ("set s { type mark; }", "set s { type mark; flags interval; }"),
        ("map s { type mark : mark; }", "map s { type mark : inet_service; }"),
        ("map s { type mark : verdict; }", "map s { type mark : counter; }"),
        ("map s { type mark : verdict; }", "map s { type mark : mark; }"),
    ],
)
def test_a_set_cannot_be_declared_again_as_something_else(declared, again):
    with pytest.raises(RuleError, match="set s: it exists already, of another type or with other"):
        commands(f"table t {{\n{declared}\n{again}\n}}")


SET = "add table t\nadd set t s { type mark; }\nadd element t s { 1, 2 }\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", [1, 2]),
        ("add element t s { 2, 3 }", [1, 2, 3]),
        ("delete element t s { 1 }", [2]),
        ("flush set t s", []),
        ("delete set t s\nadd set t s { type mark; }", []),
        ("add set t s { type mark; elements = { 5 }; }", [1, 2, 5]),
        ("create element t s { 3 }", [1, 2, 3]),
    ],
)
def test_elements_come_and_go(text, left):
    (table,) = commands(SET + text)
    assert [each.key.value for each in table.find_set("s").elements] == left


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("add element t x { 1 }", "set x: table t has none of this name"),
        ("add element t s { foo }", "mark 'foo': expected 0 to 4294967295"),
        ("add element t s { 1 : 2 }", "an element that leads to something"),
        ("create element t s { 1 }", "create element 0x00000001: it exists already"),
        ("create set t s { type mark; }", "create set s: it exists already"),
        ("add set t s { type ipv4_addr; }", "set s: it exists already, of another type"),
        ("add map t s { type mark : mark; }", "set s: it exists already, of another type"),
        ("delete element t s { 9 }", "element 0x00000009: set s does not have it"),
    ],
)
def test_elements_that_cannot_come_or_go(text, message):
    with pytest.raises(RuleError) as caught:
        commands(SET + text)
    assert caught.value.message.startswith(message)
    assert caught.value.line == 4


def test_elements_of_maps_are_deleted_by_their_keys():
    text = "add table t\nadd map t m { type mark : mark; elements = { 1 : 2, 3 : 4 }; }\n"
    (table,) = commands(f"{text}delete element t m {{ 1 : 2 }}")
    assert [each.key.value for each in table.find_set("m").elements] == [3]


def test_an_object_that_there_is_stays_as_it_is():
    text = "table t { counter n { packets 1 bytes 2; }\n}\n"
    (table,) = commands(f"{text}add counter t n")
    (counter,) = table.objects
    assert (kind_of(counter), counter.packets) == ("counter", 1)
    with pytest.raises(RuleError, match="create counter n: it exists already"):
        commands(f"{text}create counter t n")
    assert not commands(f"{text}delete counter t n")[0].objects


# ---- what is not supported

UNSUPPORTED = [
    ("fib saddr type local", "fib"),
    ("socket transparent 1", "socket"),
    ('osf name "Linux"', "osf"),
    ("rt classid 5", "rt"),
    ("ipsec in reqid 5", "ipsec"),
    ("jhash ip saddr mod 2 0", "jhash"),
    ("symhash mod 2 0", "symhash"),
    ("numgen random mod 2 0", "numgen random"),
    ("meta random 5", "meta random"),
    ("meta secmark 5", "meta secmark"),
    ("ct id 5", "ct id"),
    ("ether type ip", "ether"),
    ("vlan id 5", "vlan"),
    ("masquerade", "masquerade"),
    ("dnat to 10.0.0.1", "dnat"),
    ("queue num 5", "queue"),
    ("counter xt match recent drop", "xt match recent"),
    ("dup to 10.0.0.1", "dup"),
    ("tproxy to :5", "tproxy"),
    ("synproxy mss 5", "synproxy"),
]


@pytest.mark.parametrize(("line", "name"), UNSUPPORTED)
def test_what_is_not_supported_is_named(line, name):
    with pytest.raises(RuleError) as caught:
        table_of(line)
    assert caught.value.message.startswith(f"{name} is not supported: ")


def test_what_iptables_left_says_more_in_text():
    node = rule({"xt": {"type": "match", "name": "conntrack"}})
    listed = {"table": {"name": "t"}}, {"chain": {"table": "t", "name": "c"}}, node
    with pytest.raises(RuleError, match=r"xt match conntrack is not supported: .* without -j"):
        build(listed)


def test_what_is_not_supported_can_be_left_out():
    text = """table inet t {
    synproxy s { mss 5 wscale 6; }
    set e { typeof ether type; }
    chain c {
        type filter hook input priority 0
        fib saddr type local drop
        ether type @e drop
        accept
    }
    chain n {
        type nat hook output priority 0
        masquerade
    }
}
table arp a { chain c { accept; }
}
"""
    tables, warnings = build(read_text(text), "ignore")
    assert [str(rule) for table in tables for rule in table] == ["accept"]
    assert [warning.split(" is not")[0] for warning in warnings] == [
        "line 2: synproxy",
        "line 3: ether",
        "line 6: fib",
        "line 7: ether",
        "line 10: type nat",
        "line 15: family arp",
    ]


@pytest.mark.parametrize(
    ("declared", "rule", "what"),
    [
        ("set e { typeof ether type; }", "tcp dport @e accept", "set e"),
        ("synproxy e { mss 5 wscale 6; }", 'synproxy name "e"', "synproxy"),
    ],
)
def test_what_was_left_out_cannot_be_used(declared, rule, what):
    text = f"table inet t {{\n{declared}\nchain c {{ {rule}; }}\n}}"
    tables, warnings = build(read_text(text), "ignore")
    assert not list(tables[0])
    assert warnings[1].startswith(f"line 3: {what} is not supported: ")


@pytest.mark.parametrize(
    "commands",
    [
        ["flowtable t f { hook ingress priority 0; }", "delete flowtable t f"],
        ["synproxy t s { mss 5; wscale 6; }", "delete synproxy t s"],
        ["set t e { typeof ether type; }", "add element t e { arp }", "flush set t e"],
        [
            "map t e { typeof osf name : verdict; }",
            "delete element t e { Linux }",
            "delete map t e",
        ],
        ["chain t n { type nat hook output priority 0; }", "flush chain t n", "rename chain t n m"],
    ],
)
def test_what_is_done_to_what_was_left_out_is_left_out(commands):
    text = "\n".join(["add table t", *commands])
    tables, warnings = build(read_text(text), "ignore")
    assert (tables[0].chains, tables[0].sets, tables[0].objects) == ((), (), ())
    assert [warning.split(":")[0] for warning in warnings] == ["line 2"]


@pytest.mark.parametrize(
    "commands",
    [
        ["table arp t", "delete table arp t", "table arp t"],
        ["table t", "chain t n { type nat hook output priority 0; }", "delete chain t n",
         "chain t n { type filter hook output priority 0; }", "rule t n accept"],
        ["table t", "set t e { typeof ether type; }", "delete set t e",
         "set t e { type mark; }", "element t e { 1 }"],
    ],
)  # fmt: skip
def test_what_was_left_out_and_deleted_can_be_added_anew(commands):
    tables, warnings = build(read_text("\n".join(commands)), "ignore")
    text = "".join(map(str, tables))
    assert len(warnings) == 2 - len(tables)
    assert ("accept" in text) or ("elements" in text) or not tables


def test_what_does_not_decide_is_warned_of():
    text = "table t {\nchain c { tcp option maxseg size set rt mtu; reset tcp option 2; }\n}"
    tables, warnings = build(read_text(text))
    assert len(list(tables[0])) == 2
    assert warnings == ("line 2: tcp option maxseg size set rt mtu is not carried out",)


def test_the_choice_is_error_or_ignore():
    with pytest.raises(RuleError, match="unsupported='warn': expected one of error, ignore"):
        build([], "warn")


# ---- trees that no text gives

RULE = {"family": "ip", "table": "t", "chain": "c"}
ROOM = [
    {"table": {"name": "t"}},
    {"chain": {"table": "t", "name": "c"}},
    {"set": {"table": "t", "name": "s", "type": "mark"}},
    {"map": {"table": "t", "name": "m", "type": "mark", "map": "mark"}},
]
DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
MARK = {"meta": {"key": "mark"}}
FLAGS = {"payload": {"protocol": "tcp", "field": "flags"}}
IIFNAME = {"meta": {"key": "iifname"}}
TO_MAP = {"map": {"key": MARK, "data": "@m"}}
HOOKED = {"type": "filter", "hook": "input"}
ORIGINAL = {"key": "saddr", "family": "ip", "dir": "original"}
LITERAL = {"key": MARK, "data": {"set": [[1, 2]]}}


def rule(*statements):
    return {"rule": {**RULE, "expr": list(statements)}}


@pytest.mark.parametrize(
    "command",
    [
        5,
        {},
        {"add": 5},
        {"add": {"table": 5}},
        {"add": {"table": {}}},
        {"add": {"table": {"name": "a b"}}},
        {"add": {"table": {"name": "x", "family": "x"}}},
        {"add": {"table": {"name": "x", "family": 5}}},
        {"add": {"table": {"name": "x", "flags": [{}]}}},
        {"add": {"nothing": {"name": "t"}}},
        {"nothing": {"table": {"name": "t"}}},
        {"rename": {"table": {"name": "t"}}},
        {"insert": {"table": {"name": "t"}}},
        {"delete": {"chain": {"table": "t", "handle": 99}}},
        {"chain": {"table": "t", "name": "x", "type": "filter"}},
        {"chain": {"table": "t", "name": "x", "type": "filter", "hook": {}, "prio": 0}},
        {"chain": {"table": "t", "name": "x", "type": "filter", "hook": "input", "prio": "x + y"}},
        {"chain": {"table": "t", "name": "x", "type": "filter", "hook": "input", "prio": []}},
        {"chain": {"table": "t", "name": "x", "comment": 'a"b'}},
        {"chain": {"table": "t", "name": "x", "comment": "\ud800"}},
        {"set": {"table": "t", "name": "x", "type": 5}},
        {"set": {"table": "t", "name": "x", "type": "mark", "auto-merge": "x"}},
        {"set": {"table": "t", "name": "x", "type": "mark", "timeout": -1}},
        {"set": {"table": "t", "name": "x", "type": "mark", "timeout": "soon"}},
        {"set": {"table": "t", "name": "x", "type": "mark", "timeout": math.nan}},
        {"set": {"table": "t", "name": "x", "type": "mark", "stmt": [{"log": None}]}},
        {"element": {"table": "t", "name": "s", "elem": {"elem": {"val": 1, "stmt": {"log": 0}}}}},
        {"map": {"table": "t", "name": "x", "type": "mark", "map": "secmark"}},
        {"map": {"table": "t", "name": "x", "type": "mark", "map": "interval mark"}},
        {"map": {"table": "t", "name": "x", "type": "mark", "map": "counter", "elem": [[1, 5]]}},
        {"rule": RULE},
        rule(),
        rule(5),
        rule({"xt": None}),
        rule({"nothing": None}),
        rule({"jump": None}),
        rule({"jump": {"rules": [5]}}),
        rule({"jump": {"rules": [{}]}}),
        rule({"reset": {"meta": {"key": "mark"}}}),
        rule({"reset": {"tcp option": {"name": "maxseg", "field": "size"}}}),
        rule({"vmap": {"key": DPORT, "data": {"set": [[1, {"queue": None}]]}}}),
        rule({"vmap": {"key": DPORT, "data": {"set": [[1, {"log": None}]]}}}),
        rule({"vmap": {"key": DPORT, "data": {"range": [1, 2]}}}),
        rule({"counter": {"packets": -1}}),
        rule({"counter": {"map": {"key": MARK, "data": {"set": []}}}}),
        rule({"ct helper": {"set": []}}),
        rule({"limit": {"rate": 5, "per": "year"}}),
        rule({"quota": {"val": 5, "val_unit": "gbytes"}}),
        rule({"set": {"op": "add", "elem": MARK, "set": "s"}}),
        rule({"set": {"op": "add", "elem": 5, "set": "@s", "stmt": [{"accept": None}]}}),
        rule({"set": {"op": "add", "elem": MARK, "set": "@m"}}),
        rule({"meter": {"name": "x", "key": TO_MAP, "stmt": {"counter": None}}}),
        rule({"mangle": {"key": {"rt": {"key": "mtu"}}, "value": 5}}),
        rule({"mangle": {"key": MARK, "value": {"map": {"key": {"map": LITERAL}, "data": "@m"}}}}),
    ],
)  # fmt: skip
def test_a_tree_that_is_not_as_it_should_be_is_refused(command):
    with pytest.raises(RuleError):
        build([*ROOM, command])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (DPORT, None),
        (DPORT, {}),
        (DPORT, 1.5),
        (DPORT, []),
        ({"meta": {"key": "pkttype"}}, []),
        (FLAGS, []),
        (IIFNAME, {"prefix": {"addr": "lo", "len": 8}}),
        (TO_MAP, 5),
        (DPORT, "@"),
        (DPORT, {"range": 5}),
        (DPORT, {"range": [1]}),
        (DPORT, {"range": [1, {}]}),
        (DPORT, {"prefix": 5}),
        (DPORT, {"prefix": {"addr": 5}}),
        (DPORT, {"|": 5}),
        (DPORT, {"|": [1, "x" * 99]}),
        (DPORT, {"accept": None}),
        (DPORT, {"set": {}}),
        (DPORT, DPORT),
        ({"concat": [DPORT, MARK]}, {"set": [{"concat": 5}]}),
        ({"concat": [DPORT]}, 70000),
        ({"concat": []}, 5),
        ({"&": 5}, 5),
        ({"&": [{"concat": [DPORT, MARK]}, 5]}, 5),
        ({"&": [{"meta": {"key": "iifname"}}, "lo"]}, 5),
        ({"payload": {}}, 5),
        ({"payload": {"protocol": "tcp", "field": "x"}}, 5),
        ({"payload": {"protocol": "x", "field": "x"}}, 5),
        ({"payload": {"protocol": "ip", "field": "saddr", "tunnel": "vxlan"}}, 5),
        ({"payload": {"base": "xx", "offset": 0, "len": 8}}, 5),
        ({"payload": {"base": "th", "offset": 0, "len": 0}}, 5),
        ({"exthdr": {"name": "x"}}, 5),
        ({"exthdr": {"name": "frag", "field": "x"}}, 5),
        ({"exthdr": {"name": "frag"}}, 5),
        ({"tcp option": {"name": "x"}}, 5),
        ({"tcp option": {"name": "maxseg", "field": "x"}}, 5),
        ({"tcp option": {"name": "999"}}, 5),
        ({"ip option": {"name": "x"}}, 5),
        ({"meta": {"key": "x"}}, 5),
        ({"ct": {"key": "x"}}, 5),
        ({"ct": {"key": "state", "dir": "original"}}, 5),
        ({"ct": {"key": "saddr", "family": "ip", "dir": "x"}}, 5),
        ({"nothing": {}}, 5),
        ({"map": {"key": DPORT, "data": {"set": [[1, 2]]}}}, 5),
        (5, 5),
    ],
)  # fmt: skip
def test_a_comparison_that_is_not_as_it_should_be_is_refused(left, right):
    match = {"op": "==", "left": left, "right": right}
    with pytest.raises(RuleError, match="ip t c rule 1: "):
        build([*ROOM, rule({"match": match})])


@pytest.mark.parametrize(("name", "field"), [("x", None), ("frag", "x")])
def test_an_extension_header_is_one_of_nfts(name, field):
    left = {"exthdr": {"name": name, "field": field}}
    match = {"match": {"op": "==", "left": left, "right": 1}}
    room = [{"table": {"name": "t", "family": "ip6"}}]
    room += [{"chain": {"table": "t", "family": "ip6", "name": "c"}}]
    with pytest.raises(RuleError, match=r"exthdr (x|frag x): expected one of "):
        build([*room, {"rule": {**RULE, "family": "ip6", "expr": [match]}}])


def test_a_listed_text_may_be_of_anything():
    """So nft -j lists `typeof ct helper` and `typeof osf name`, of which one is not supported."""
    listed = [*ROOM, {"set": {"table": "t", "name": "x", "type": "string", "elem": ["Linux"]}}]
    assert build(listed, "ignore")[1] == (
        "type string is not supported: of what, nft lists only without -j",
    )
    with pytest.raises(RuleError, match="type string has no size: expected typeof and an expr"):
        commands("table t { set s { type string; }\n}")


@pytest.mark.parametrize("name", ["@net-all", "~log0", "%new", "reject", "drop", "1st", "a:b"])
def test_chains_of_iptables_may_have_names_that_nft_cannot_write(name):
    """Shorewall's do, and `nft -j list ruleset` has them; nft reads its text no more than we do."""
    chain = {"chain": {"table": "t", "name": name}}
    (table,), _ = build([*ROOM, chain, rule({"jump": {"target": name}})])
    assert [str(each) for each in table.chain("c").rules] == [f"jump {name}"]
    for text in (f"table t {{ chain {name} {{ accept; }}\n}}", f"add chain t {name}"):
        with pytest.raises(RuleError):
            commands(text)


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "a\nb", "a{", "a;", "x" * 256, None, 5])
def test_chains_have_names(name):
    with pytest.raises(RuleError):
        build([*ROOM, {"chain": {"table": "t", "name": name}}])


def test_durations_may_be_text():
    tables, _ = build(
        [*ROOM, {"set": {"table": "t", "name": "x", "type": "mark", "timeout": "1m30s"}}]
    )
    assert tables[0].find_set("x").timeout == 90.0


def test_names_of_types_only_may_exclude_each_other():
    assert declared("typeof ct original ip saddr . ct original ip6 saddr").sizes == (32, 128)


def test_an_operator_is_one_of_nfts():
    for operator in ("=", 5, None):
        match = {"op": operator, "left": MARK, "right": 5}
        with pytest.raises(RuleError, match="expected one of ==, !="):
            build([*ROOM, rule({"match": match})])


def test_what_nfts_json_spells_otherwise():
    tables, _ = build(
        [
            *ROOM,
            {"set": {"table": "t", "name": "n", "type": "integer", "elem": [5]}},
            {"map": {"table": "t", "name": "o", "type": "ifname", "map": "integer"}},
            {"chain": {"table": "t", "name": "b", **HOOKED, "prio": "filter + 10"}},
            {"rule": {**RULE, "handle": 7, "expr": [
                {"match": {"op": "in", "left": {"tcp option": {"name": "255"}}, "right": True}},
                {"match": {"left": {"ct": ORIGINAL}, "right": "10.0.0.1"}},
                {"last": {"used": 5}},
                {"last": {"used": "never"}},
                {"reject": {"type": "icmp"}},
            ]}},
        ]
    )  # fmt: skip
    (table,) = tables
    assert table.find_set("n").key == "typeof meta length"
    assert (table.find_set("o").key, table.find_set("o").data) == ("typeof iifname", "meta length")
    assert table.chain("b").priority == 10
    (rule,) = table.chain("c").rules
    assert rule.handle == 7
    assert str(rule) == (
        "tcp option 255 exists ct original ip saddr 10.0.0.1 last used never last used never"
        " reject with icmp port-unreachable"
    )
