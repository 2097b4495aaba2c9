"""The language of nft: texts, and the commands in nft's JSON that they are.

What nft itself says of these texts was asked of nft 1.0.6, by `nft -c -f -` and `nft -j list`.
"""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest

from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.language.tree import Node, Number, Seconds, Word

pytest.importorskip("lark")

from statefulinspect.rules.language import reading as language
from statefulinspect.rules.language.reading import read_text


def payload(protocol, field):
    return {"payload": {"protocol": protocol, "field": field}}


def meta(key):
    return {"meta": {"key": key}}


def match(left, right, op="in"):
    return {"match": {"op": op, "left": left, "right": right}}


def statements(text):
    """The statements of one rule."""
    (command,) = read_text(f"add rule t c {text}")
    return command["add"]["rule"]["expr"]


def objects(text):
    """The objects that a text adds, as (kind, properties)."""
    return [next(iter(command["add"].items())) for command in read_text(text)]


SADDR, DPORT = payload("ip", "saddr"), payload("tcp", "dport")
FLAGS, MARK = payload("tcp", "flags"), meta("mark")
ACCEPT = {"accept": None}

STATEMENTS = {
    "accept": [ACCEPT],
    "drop": [{"drop": None}],
    "return": [{"return": None}],
    "jump d": [{"jump": {"target": "d"}}],
    "jump { accept; tcp dport 22\n }": [
        {"jump": {"rules": [{"expr": [ACCEPT]}, {"expr": [match(DPORT, 22)]}]}}
    ],
    "goto { }": [{"goto": {"rules": []}}],
    "goto d": [{"goto": {"target": "d"}}],
    # comparisons
    'iifname "accept"': [match(meta("iifname"), "accept")],
    "iifname tcp": [match(meta("iifname"), "tcp")],
    "tcp dport 22": [match(DPORT, 22)],
    "tcp dport == 22": [match(DPORT, 22, "==")],
    "tcp dport ne 22": [match(DPORT, 22, "!=")],
    "tcp dport < 0x10": [match(DPORT, 16, "<")],
    "tcp dport 010": [match(DPORT, 8)],
    "tcp dport 1-2": [match(DPORT, {"range": [1, 2]})],
    "tcp dport ssh - http": [match(DPORT, {"range": ["ssh", "http"]})],
    "tcp dport { 22, 23-25, }": [match(DPORT, {"set": [22, {"range": [23, 25]}]})],
    "tcp dport {\n22\n,\n , 23 # more\n}": [match(DPORT, {"set": [22, 23]})],
    "tcp dport{22,23}accept": [match(DPORT, {"set": [22, 23]}), ACCEPT],
    "ip saddr 10.0.0.0/8": [match(SADDR, {"prefix": {"addr": "10.0.0.0", "len": 8}})],
    "ip saddr 10.0.0.1 - 10.0.0.5": [match(SADDR, {"range": ["10.0.0.1", "10.0.0.5"]})],
    "ip saddr @s": [match(SADDR, "@s")],
    "ip saddr { 10.0.0.1 comment \"x\" }": [
        match(SADDR, {"set": [{"elem": {"val": "10.0.0.1", "comment": "x"}}]})
    ],
    "ip6 saddr fe80::/10": [
        match(payload("ip6", "saddr"), {"prefix": {"addr": "fe80::", "len": 10}})
    ],
    "ip6 saddr [::1]": [match(payload("ip6", "saddr"), "::1")],
    "ip6 saddr { [::1]-[::5], [fe80::]/64 }": [
        match(
            payload("ip6", "saddr"),
            {
                "set": [
                    {"range": ["::1", "::5"]},
                    {"prefix": {"addr": "fe80::", "len": 64}},
                ]
            },
        )
    ],
    "ip6 saddr { ::1, 2001:db8::1-2001:db8::ff, ::ffff:1.2.3.4 }": [
        match(
            payload("ip6", "saddr"),
            {"set": ["::1", {"range": ["2001:db8::1", "2001:db8::ff"]}, "::ffff:1.2.3.4"]},
        )
    ],
    "ether saddr aa:bb:cc:dd:ee:ff": [match(payload("ether", "saddr"), "aa:bb:cc:dd:ee:ff")],
    "ct state new,established": [match({"ct": {"key": "state"}}, ["new", "established"])],
    "ct state ! new": [match({"ct": {"key": "state"}}, "new", "!")],
    "ct state not new": [match({"ct": {"key": "state"}}, "new", "!")],
    "ct expiration 1m-2m": [match({"ct": {"key": "expiration"}}, {"range": [60, 120]})],
    # words that are keywords elsewhere
    "meta l4proto tcp tcp dport 22": [match(meta("l4proto"), "tcp"), match(DPORT, 22)],
    "ip protocol { tcp, icmp, esp }": [
        match(payload("ip", "protocol"), {"set": ["tcp", "icmp", "esp"]})
    ],
    "icmp type redirect accept": [match(payload("icmp", "type"), "redirect"), ACCEPT],
    "ct direction original": [match({"ct": {"key": "direction"}}, "original")],
    "ct status snat": [match({"ct": {"key": "status"}}, "snat")],
    "meta protocol 8021q": [match(meta("protocol"), "8021q")],
    "jump log": [{"jump": {"target": "log"}}],
    # masks
    "mark 1": [match(MARK, 1)],
    "meta mark and 0xff eq 1": [match({"&": [MARK, 255]}, 1, "==")],
    "tcp flags syn": [match(FLAGS, "syn")],
    "tcp flags & (syn|ack) == syn": [match({"&": [FLAGS, {"|": ["syn", "ack"]}]}, "syn", "==")],
    "tcp flags & syn | ack != 0": [match({"|": [{"&": [FLAGS, "syn"]}, "ack"]}, 0, "!=")],
    "tcp flags syn / syn,ack": [match({"&": [FLAGS, ["syn", "ack"]]}, "syn", "==")],
    "tcp flags 0x2 / 0x2,0x10": [match({"&": [FLAGS, [2, 16]]}, 2, "==")],
    "tcp flags != 0x1,0x2 / 0x3,0x4": [match({"&": [FLAGS, [3, 4]]}, [1, 2], "!=")],
    "ct state 0x2 / 0x2,0x8": [match({"&": [{"ct": {"key": "state"}}, [2, 8]]}, 2, "==")],
    "tcp flags syn / 5": [match(FLAGS, {"prefix": {"addr": "syn", "len": 5}})],
    "tcp flags != syn,ack / syn,ack": [
        match({"&": [FLAGS, ["syn", "ack"]]}, ["syn", "ack"], "!=")
    ],
    "tcp flags { syn, syn | ack }": [match(FLAGS, {"set": ["syn", {"|": ["syn", "ack"]}]})],
    # other things to look at
    "ct original ip saddr 10.0.0.1": [
        match({"ct": {"key": "ip saddr", "dir": "original"}}, "10.0.0.1")
    ],
    "ct reply bytes > 5": [match({"ct": {"key": "bytes", "dir": "reply"}}, 5, ">")],
    "@th,16,16 22": [match({"payload": {"base": "th", "offset": 16, "len": 16}}, 22)],
    "tcp option mss size lt 536": [
        match({"tcp option": {"name": "maxseg", "field": "size"}}, 536, "<")
    ],
    "tcp option sack-perm exists": [match({"tcp option": {"name": "sack-perm"}}, right=True)],
    "tcp option 42 missing": [match({"tcp option": {"base": 42}}, right=False)],
    "tcp option @42,8,16 5": [match({"tcp option": {"base": 42, "offset": 8, "len": 16}}, 5)],
    "ip option lsrr ptr 3": [match({"ip option": {"name": "lsrr", "field": "ptr"}}, 3)],
    "sctp chunk init exists": [match({"sctp chunk": {"name": "init"}}, right=True)],
    "sctp chunk data tsn 5": [match({"sctp chunk": {"name": "data", "field": "tsn"}}, 5)],
    "exthdr frag exists": [match({"exthdr": {"name": "frag"}}, right=True)],
    "frag more-fragments 1": [match({"exthdr": {"name": "frag", "field": "more-fragments"}}, 1)],
    "rt0 addr[1] ::1": [match({"exthdr": {"name": "rt0", "field": "addr[1]"}}, "::1")],
    "rt type 0": [match({"exthdr": {"name": "rt", "field": "type"}}, 0)],
    "rt mtu 1500": [match({"rt": {"key": "mtu"}}, 1500)],
    "rt ip nexthop 10.0.0.1": [match({"rt": {"key": "nexthop", "family": "ip"}}, "10.0.0.1")],
    "arp operation request": [match(payload("arp", "operation"), "request")],
    "arp saddr ether aa:bb:cc:dd:ee:ff": [
        match(payload("arp", "saddr ether"), "aa:bb:cc:dd:ee:ff")
    ],
    "arp saddr ip 10.0.0.1": [match(payload("arp", "saddr ip"), "10.0.0.1")],
    "vxlan vni 5": [match(payload("vxlan", "vni"), 5)],
    "vxlan tcp dport 5": [
        match({"payload": {"protocol": "tcp", "field": "dport", "tunnel": "vxlan"}}, 5)
    ],
    "fib saddr . iif oif missing": [
        match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, right=False)
    ],
    "socket cgroupv2 level 1 \"x\"": [match({"socket": {"key": "cgroupv2", "level": 1}}, "x")],
    "osf ttl skip name \"Linux\"": [match({"osf": {"key": "name", "ttl": "skip"}}, "Linux")],
    "ipsec exists": [match(meta("ipsec"), right=True)],
    "ipsec in spnum 1 ip saddr 10.0.0.1": [
        match({"ipsec": {"key": "saddr", "family": "ip", "dir": "in", "spnum": 1}}, "10.0.0.1")
    ],
    "numgen inc mod 2 0": [match({"numgen": {"mode": "inc", "mod": 2, "offset": 0}}, 0)],
    "symhash mod 2 0": [match({"symhash": {"mod": 2}}, 0)],
    "meta hour \"17:00\"-\"18:00\"": [match(meta("hour"), {"range": ["17:00", "18:00"]})],
    "iifname eth* oifname \"wg\\*\"": [
        match(meta("iifname"), "eth*"), match(meta("oifname"), "wg\\*")
    ],
    "ip saddr . tcp dport { 10.0.0.1 . 22 }": [
        match({"concat": [SADDR, DPORT]}, {"set": [{"concat": ["10.0.0.1", 22]}]})
    ],
    # maps
    "tcp dport vmap { 22 : accept, 23-25 : jump d, * : drop }": [
        {
            "vmap": {
                "key": DPORT,
                "data": {
                    "set": [
                        [22, ACCEPT],
                        [{"range": [23, 25]}, {"jump": {"target": "d"}}],
                        ["*", {"drop": None}],
                    ]
                },
            }
        }
    ],
    "ip saddr vmap @m": [{"vmap": {"key": SADDR, "data": "@m"}}],
    "mark set tcp dport map { 22 :1 }": [
        {"mangle": {"key": MARK, "value": {"map": {"key": DPORT, "data": {"set": [[22, 1]]}}}}}
    ],
    "counter name tcp dport map { 22 : \"k\" }": [
        {"counter": {"map": {"key": DPORT, "data": {"set": [[22, "k"]]}}}}
    ],
    # what changes something
    "meta mark set ct mark and 0xff or 1": [
        {
            "mangle": {
                "key": MARK,
                "value": {"|": [{"&": [{"ct": {"key": "mark"}}, 255]}, 1]},
            }
        }
    ],
    "meta mark set (mark | 1) << 2 ^ 3": [
        {"mangle": {"key": MARK, "value": {"^": [{"<<": [{"|": [MARK, 1]}, 2]}, 3]}}}
    ],
    "ct event set new,related": [
        {"mangle": {"key": {"ct": {"key": "event"}}, "value": ["new", "related"]}}
    ],
    "meta mark set jhash ip saddr mod 2 seed 5 offset 3": [
        {
            "mangle": {
                "key": MARK,
                "value": {"jhash": {"mod": 2, "seed": 5, "offset": 3, "expr": SADDR}},
            }
        }
    ],
    "ct helper set \"ftp\"": [{"ct helper": "ftp"}],
    "ct timeout set \"x\"": [{"ct timeout": "x"}],
    "ct expectation set \"x\"": [{"ct expectation": "x"}],
    "notrack": [{"notrack": None}],
    "reset tcp option sack-perm counter": [
        {"reset": {"tcp option": {"name": "sack-perm"}}}, {"counter": None}
    ],
    # what counts and limits
    "counter": [{"counter": None}],
    "counter packets 3 bytes 180": [{"counter": {"packets": 3, "bytes": 180}}],
    "counter packets 3": [{"counter": {"packets": 3, "bytes": 0}}],
    "counter bytes 3": [{"counter": {"packets": 0, "bytes": 3}}],
    "counter name \"x\"": [{"counter": "x"}],
    "limit rate 10/second": [{"limit": {"rate": 10, "per": "second", "burst": 5}}],
    "limit rate over 5 mbytes/minute burst 3 kbytes": [
        {
            "limit": {
                "rate": 5, "per": "minute", "rate_unit": "mbytes",
                "burst": 3, "burst_unit": "kbytes", "inv": True,
            }
        }
    ],
    "limit rate 5 bytes / hour": [
        {
            "limit": {
                "rate": 5, "per": "hour", "rate_unit": "bytes", "burst": 0, "burst_unit": "bytes"
            }
        }
    ],
    "limit name \"x\"": [{"limit": "x"}],
    "quota 5 mbytes": [{"quota": {"val": 5, "val_unit": "mbytes"}}],
    "quota over 3 kbytes used 1 bytes": [
        {"quota": {"val": 3, "val_unit": "kbytes", "inv": True, "used": 1, "used_unit": "bytes"}}
    ],
    "quota name \"x\"": [{"quota": "x"}],
    "ct count over 5": [{"ct count": {"val": 5, "inv": True}}],
    "ct count 5": [{"ct count": {"val": 5}}],
    "last": [{"last": None}],
    "last used never": [{"last": None}],
    "last used 3s": [{"last": {"used": 3}}],
    "add @s { ip saddr timeout 5s limit rate 3/second } drop": [
        {
            "set": {
                "op": "add",
                "elem": {"elem": {"val": SADDR, "timeout": 5}},
                "set": "@s",
                "stmt": [{"limit": {"rate": 3, "per": "second", "burst": 5}}],
            }
        },
        {"drop": None},
    ],
    "update @m { ip saddr : meta mark }": [
        {"map": {"op": "update", "elem": SADDR, "set": "@m", "data": MARK}}
    ],
    "delete @s { ip saddr }": [{"set": {"op": "delete", "elem": SADDR, "set": "@s"}}],
    "update @s { ip saddr comment \"x\" }": [
        {"set": {"op": "update", "elem": {"elem": {"val": SADDR, "comment": "x"}}, "set": "@s"}}
    ],
    "set add ip saddr @s": [{"set": {"op": "add", "elem": SADDR, "set": "@s"}}],
    "meter x size 8 { ip saddr counter }": [
        {"meter": {"key": SADDR, "stmt": {"counter": None}, "name": "x", "size": 8}}
    ],
    "meter x { ip saddr . tcp dport limit rate 3/second }": [
        {
            "meter": {
                "key": {"concat": [SADDR, DPORT]},
                "stmt": {"limit": {"rate": 3, "per": "second", "burst": 5}},
                "name": "x",
            }
        }
    ],
    # log and reject
    "log": [{"log": None}],
    "log prefix \"a # b\" level info flags tcp sequence,options flags skuid": [
        {
            "log": {
                "prefix": "a # b", "level": "info",
                "flags": ["tcp sequence", "tcp options", "skuid"],
            }
        }
    ],
    "log flags all group 3 snaplen 5 queue-threshold 3": [
        {"log": {"flags": "all", "group": 3, "snaplen": 5, "queue-threshold": 3}}
    ],
    "reject": [{"reject": None}],
    "reject with tcp reset": [{"reject": {"type": "tcp reset"}}],
    "reject with icmp type host-unreachable": [
        {"reject": {"type": "icmp", "expr": "host-unreachable"}}
    ],
    "reject with icmpx admin-prohibited": [
        {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
    ],
    # what the library knows by name only
    "snat to 10.0.0.1": [{"snat": {"addr": "10.0.0.1"}}],
    "dnat ip to 10.0.0.1:80 random,a": [
        {"dnat": {"family": "ip", "addr": "10.0.0.1", "port": 80, "flags": ["random", "a"]}}
    ],
    "dnat ip addr . port to tcp dport map @m": [
        {"dnat": {"family": "ip", "addr": {"map": {"key": DPORT, "data": "@m"}}}}
    ],
    "dnat tcp dport map @m": [{"dnat": {"addr": {"map": {"key": DPORT, "data": "@m"}}}}],
    "dnat ip saddr map @m": [{"dnat": {"addr": {"map": {"key": SADDR, "data": "@m"}}}}],
    "masquerade": [{"masquerade": None}],
    "masquerade to :1-5 random": [
        {"masquerade": {"port": {"range": [1, 5]}, "flags": ["random"]}}
    ],
    "redirect to :2222": [{"redirect": {"port": 2222}}],
    "tproxy ip6 to [::1]:80": [{"tproxy": {"family": "ip6", "addr": "::1", "port": 80}}],
    "dup to 10.0.0.1 device \"lo\"": [{"dup": {"addr": "10.0.0.1", "dev": "lo"}}],
    "fwd to \"lo\"": [{"fwd": {"dev": "lo"}}],
    "fwd ip to 10.0.0.1 device \"lo\"": [
        {"fwd": {"family": "ip", "addr": "10.0.0.1", "dev": "lo"}}
    ],
    "queue": [{"queue": None}],
    "queue num 1-3 bypass,fanout": [
        {"queue": {"num": {"range": [1, 3]}, "flags": ["bypass", "fanout"]}}
    ],
    "queue flags bypass to 1": [{"queue": {"num": 1, "flags": ["bypass"]}}],
    "synproxy": [{"synproxy": None}],
    "synproxy mss 1460 wscale 7 timestamp sack-perm": [
        {"synproxy": {"mss": 1460, "wscale": 7, "flags": ["timestamp", "sack-perm"]}}
    ],
    "flow add @f": [{"flow": {"op": "add", "flowtable": "@f"}}],
    "xt match x": [{"xt": {"type": "match", "name": "x"}}],
}  # fmt: skip


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements(text):
    assert statements(text) == STATEMENTS[text]


ERRORS = {
    "add rule t c tcp dprot 22": (1, 18, "'dprot': expected one of dport, sport, sequence"),
    "add rule t c meta foo 1": (1, 19, "'foo': expected one of length, protocol"),
    "add rule t c ct foo 1": (1, 17, "'foo': expected one of state, direction"),
    "add rule t c udp option x 1": (1, 14, "'udp': expected one of tcp, ip"),
    "add rule t c tcp option x 1": (1, 25, "'x': expected one of eol, nop"),
    "add rule t c limit rate 10/fortnight": (1, 28, "'fortnight': expected one of second"),
    "add rule t c limit rate 10/second burst 5 bytes": (1, 43, "'bytes': expected one of packets"),
    "add rule t c frob 22": (1, 14, "'frob': expected a statement"),
    "add rule t c tcp dport 22 acept": (1, 27, "did you mean accept?"),
    "add rule t c upd dport 53": (1, 14, "did you mean udp or "),
    "add rule t c ct stat new": (1, 17, "'stat': expected one of state, status"),
    "tabel inet t { }": (1, 1, "'tabel': expected one of table, chain"),
    "tabel": (1, 1, "'tabel': expected one of table"),
    "t c reject with tcp-reset": (1, 17, "'tcp-reset': expected one of icmp, icmpv6, icmpx, tcp"),
    "t c reject with icmp-net-unreachable\n": (1, 17, "expected one of icmp, icmpv6, icmpx, tcp"),
    "t c reject with icmp": (1, 21, "the end of the line: expected one of a value, type"),
    "table t {\n chain c {\n }\n": (4, 1, "the end of the text: expected }"),
    "table t {\n chain c {\n  accept\n": (4, 1, "the end of the text: expected }"),
    "add element t s { 1,\n 2": (2, 3, "the end of the text: expected }"),
    "table inet t { }\ntabel ip x { }": (2, 1, "'tabel': expected one of table"),
    "table inte t { }": (1, 7, "'inte': expected one of inet, ip"),
    "add tabel inet t": (1, 5, "'tabel': expected one of table"),
    "flsh ruleset": (1, 1, "'flsh': expected one of flush"),
    "defin x = 5": (1, 1, "'defin': expected one of define, undefine"),
    "chian inet t c { }": (1, 1, "'chian': expected one of chain"),
    "t c acept": (1, 5, "'acept': expected a statement; did you mean accept?"),
    "table inet t {\n chain c {\n  policy acept;\n }\n}": (3, 10, "did you mean accept?"),
    "add rule t c tcp dport": (1, 23, "the end of the line: expected one of a value"),
    "add rule t c tcp dport { 22 23 }": (1, 29, "'23': expected one of"),
    "add rule t c log prefix": (1, 24, "expected one of a name, a quoted string"),
    'add rule t c log prefix "abc': (1, 25, "a quoted string has to end on its line"),
    'add rule t c log "abc"': (1, 18, "'\"abc\"': expected"),
    f"add rule t c tcp dport {'9' * 5000}": (1, 24, "expected a number of fewer digits"),
    "add rule t c ~": (1, 14, "'~': no word of nft begins so"),
    "add rule t c ip saddr 10.0.0.0/255.0.0.0": (1, 32, "expected a name"),
    "add rule t c meter x { ip saddr }": (1, 14, "meter x: expected a limit"),
    "insert t c accept": (1, 8, "'t': expected rule"),
    "table inet x {\n chian c {\n }\n}": (2, 2, "did you mean chain?"),
    "table inet x {\n chain c {\n  type filter hok input priority 0\n}}": (3, 15, "expected hook"),
    "table inet x {\n set s { type ipv4_addr }\n}": (2, 25, "the end of the line"),
    "table ip x { } table ip y { }": (1, 16, "'table': expected the end of the line"),
    "table inet x { ct foo y { }; }": (1, 19, "'foo': expected one of helper, timeout"),
    "add rule t c \\\n tcp dprot 22": (2, 6, "'dprot'"),
    "add rule t c tcp dport $x": (1, 24, "'$x': no variable is defined"),
    "define a = 1\nadd rule t c tcp dport $x": (2, 24, "'$x': expected one of $a"),
    "define a = 1\ndefine a = 2": (2, 8, "'a' is defined already: expected redefine"),
    "undefine a": (1, 10, "'a' is not defined here"),
    "add rule t c iifname accept": (1, 22, "'accept': expected a value; without quotes this"),
    "add rule t c iifname { lo, counter } drop": (1, 28, "'counter': expected a value; without"),
    "add rule t c accept comment drop": (1, 29, "'drop': expected text; without quotes this"),
    "define drop = 22": (1, 8, "'drop': expected a name; without quotes this word is nft's own"),
    "add rule t c jump { log goto { accept; }; }": (1, 25, "a chain without a name within another"),
    "add rule t c ip saddr [10.0.0.1]": (1, 24, "'10.0.0.1': expected "),
    'include "a"': (1, 9, "include 'a': expected no files"),
}


@pytest.mark.parametrize("text", ERRORS)
def test_errors_name_place_word_and_what_is_expected(text):
    line, column, message = ERRORS[text]
    with pytest.raises(RuleError) as caught:
        read_text(text)
    error = caught.value
    assert (error.line, error.column) == (line, column)
    assert message in error.message
    assert str(error) == f"line {line}, column {column}: {error.message}"


def test_a_text_that_breaks_off_and_one_of_json():
    with pytest.raises(RuleError, match=r"^line 1, column 10: the end of the text: expected "):
        read_text("table t {")
    with pytest.raises(RuleError, match=r"^line 2, column 1: '\{': expected nft's text; JSON is"):
        read_text('\n{"nftables": []}')


def test_a_block_gives_table_objects_sets_chains_and_then_rules():
    text = """#!/usr/sbin/nft -f
    table inet t { # handle 7
        flags dormant
        comment "x"
        chain c { # handle 1
            type filter hook input priority filter - 10; policy drop;
            comment "y"
            tcp dport 22 accept comment "ssh" # handle 4
            jump d
        }
        set s { type ipv4_addr; }
        counter k { packets 3 bytes 4 }
        chain d { drop; }
    }"""
    assert objects(text) == [
        ("table", {"family": "inet", "name": "t", "handle": 7, "flags": ["dormant"],
                   "comment": "x"}),
        ("counter", {"family": "inet", "table": "t", "name": "k", "packets": 3, "bytes": 4}),
        ("set", {"family": "inet", "table": "t", "name": "s", "type": "ipv4_addr"}),
        ("chain", {"family": "inet", "table": "t", "name": "c", "handle": 1, "type": "filter",
                   "hook": "input", "prio": {"name": "filter", "offset": -10}, "policy": "drop",
                   "comment": "y"}),
        ("chain", {"family": "inet", "table": "t", "name": "d"}),
        ("rule", {"family": "inet", "table": "t", "chain": "c", "expr": [match(DPORT, 22), ACCEPT],
                  "comment": "ssh", "handle": 4}),
        ("rule", {"family": "inet", "table": "t", "chain": "c",
                  "expr": [{"jump": {"target": "d"}}]}),
        ("rule", {"family": "inet", "table": "t", "chain": "d", "expr": [{"drop": None}]}),
    ]  # fmt: skip


def test_what_stands_last_in_a_block_may_go_without_its_end():
    """Only here is the language wider than nft's, which wants a newline or semicolon."""
    assert [kind for kind, _ in objects("table t { chain c { accept } }")] == [
        "table",
        "chain",
        "rule",
    ]


SETS = {
    "type ipv4_addr . inet_service; flags interval,timeout": {
        "type": ["ipv4_addr", "inet_service"], "flags": ["interval", "timeout"],
    },
    "typeof ip saddr . tcp dport": {"type": {"typeof": {"concat": [SADDR, DPORT]}}},
    "timeout 1d2h3m4s500ms; gc-interval 90s; size 8; policy memory; auto-merge": {
        "timeout": 93784.5, "gc-interval": 90, "size": 8, "policy": "memory", "auto-merge": True,
    },
    "counter; limit rate 3/second": {
        "stmt": [{"counter": None}, {"limit": {"rate": 3, "per": "second", "burst": 5}}]
    },
    "limit rate 3/second counter": {  # as nft lists several
        "stmt": [{"limit": {"rate": 3, "per": "second", "burst": 5}}, {"counter": None}]
    },
    "elements = { }": {"elem": []},
    "elements = { 10.0.0.1 timeout 5m expires 9s comment \"x\" counter packets 3 bytes 4,\n 22 }": {
        "elem": [
            {"elem": {"val": "10.0.0.1", "timeout": 300, "expires": 9, "comment": "x",
                      "counter": {"packets": 3, "bytes": 4}}},
            22,
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("text", SETS)
def test_sets(text):
    ((kind, content),) = objects(f"add set inet t s {{ {text}; }}")
    assert (kind, content) == ("set", {"family": "inet", "table": "t", "name": "s", **SETS[text]})


MAPS = {
    "type ipv4_addr : verdict": {"type": "ipv4_addr", "map": "verdict"},
    "type ipv4_addr : interval ipv4_addr . inet_service": {
        "type": "ipv4_addr", "map": "ipv4_addr . inet_service", "flags": ["interval"],
    },
    "typeof ip saddr : meta mark": {"type": {"typeof": SADDR}, "map": {"typeof": MARK}},
    "typeof ip saddr : verdict": {"type": {"typeof": SADDR}, "map": "verdict"},
    "elements = { 22 comment \"x\" : accept, 23 : goto d }": {
        "elem": [
            [{"elem": {"val": 22, "comment": "x"}}, ACCEPT],
            [23, {"goto": {"target": "d"}}],
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("text", MAPS)
def test_maps(text):
    ((kind, content),) = objects(f"add map t m {{ {text}; }}")
    assert (kind, content) == ("map", {"family": "ip", "table": "t", "name": "m", **MAPS[text]})


OBJECTS = {
    "counter t x": ("counter", {}),
    "counter t x packets 3 bytes 4": ("counter", {"packets": 3, "bytes": 4}),
    "quota t x { over 25 mbytes used 1 kbytes; comment \"y\"; }": (
        "quota", {"bytes": 26214400, "used": 1024, "inv": True, "comment": "y"},
    ),
    "quota t x 5 bytes": ("quota", {"bytes": 5, "used": 0}),
    "limit t x { rate over 400/minute burst 5 packets }": (
        "limit", {"rate": 400, "per": "minute", "burst": 5, "inv": True},
    ),
    "ct helper t x { type \"ftp\" protocol tcp; l3proto ip; }": (
        "ct helper", {"type": "ftp", "protocol": "tcp", "l3proto": "ip"},
    ),
    "ct timeout t x { protocol tcp; policy = { established: 120, close: 20, }; }": (
        "ct timeout", {"protocol": "tcp", "policy": {"established": 120, "close": 20}},
    ),
    "ct expectation t x { protocol udp; dport 9876; timeout 2m; size 8; }": (
        "ct expectation", {"protocol": "udp", "dport": 9876, "timeout": 120_000, "size": 8},
    ),
    "synproxy t x { mss 1460; wscale 7; timestamp sack-perm; }": (
        "synproxy", {"mss": 1460, "wscale": 7, "flags": ["timestamp", "sack-perm"]},
    ),
    "secmark t x { \"system_u:y\"; }": ("secmark", {"context": "system_u:y"}),
    "flowtable t x { hook ingress priority -5; devices = { lo, eth0 }; flags offload; counter; }": (
        "flowtable",
        {"hook": "ingress", "prio": -5, "dev": ["lo", "eth0"], "flags": ["offload"],
         "stmt": [{"counter": None}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", OBJECTS)
def test_objects(text):
    kind, content = OBJECTS[text]
    assert objects(f"add {text}") == [
        (kind, {"family": "ip", "table": "t", "name": "x", **content})
    ]


@pytest.mark.parametrize(
    "line", ['rate 6/hour comment "g"', 'comment "g" rate 6/hour', 'rate 6/hour; comment "g"']
)
def test_a_comment_stands_beside_what_an_object_is(line):
    ((_, found),) = objects(f"add limit t l {{ {line}; }}")
    assert (found["rate"], found["comment"]) == (6, "g")


def test_objects_within_a_table():
    text = """table t {
        ct helper h { type "ftp" protocol tcp; }
        flowtable f { hook ingress priority filter; devices = { lo }; }
    }"""
    assert objects(text)[1:] == [
        ("ct helper", {"family": "ip", "table": "t", "name": "h", "type": "ftp",
                       "protocol": "tcp"}),
        ("flowtable", {"family": "ip", "table": "t", "name": "f", "hook": "ingress",
                       "prio": "filter", "dev": ["lo"]}),
    ]  # fmt: skip


COMMANDS = {
    "table inet t": {"add": {"table": {"family": "inet", "name": "t"}}},
    "create chain t c": {"create": {"chain": {"family": "ip", "table": "t", "name": "c"}}},
    "add chain netdev t c { type filter hook ingress device lo priority 0; }": {
        "add": {"chain": {"family": "netdev", "table": "t", "name": "c", "type": "filter",
                          "hook": "ingress", "prio": 0, "dev": "lo"}}
    },
    "add chain netdev t c { devices = { lo }; }": {
        "add": {"chain": {"family": "netdev", "table": "t", "name": "c", "dev": ["lo"]}}
    },
    "add chain t c { type nat hook output priority mangle + 5; policy accept; }": {
        "add": {"chain": {"family": "ip", "table": "t", "name": "c", "type": "nat",
                          "hook": "output", "prio": {"name": "mangle", "offset": 5},
                          "policy": "accept"}}
    },
    "ip6 t c drop": {"add": {"rule": {"family": "ip6", "table": "t", "chain": "c",
                                      "expr": [{"drop": None}]}}},
    "t c drop": {"add": {"rule": {"family": "ip", "table": "t", "chain": "c",
                                  "expr": [{"drop": None}]}}},
    "insert rule t c index 3 drop comment x": {
        "insert": {"rule": {"family": "ip", "table": "t", "chain": "c", "index": 3,
                            "expr": [{"drop": None}], "comment": "x"}}
    },
    "replace rule t c handle 3 drop": {
        "replace": {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 3,
                             "expr": [{"drop": None}]}}
    },
    "delete rule t c handle 3": {
        "delete": {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 3}}
    },
    "delete table inet t": {"delete": {"table": {"family": "inet", "name": "t"}}},
    "destroy table t": {"destroy": {"table": {"family": "ip", "name": "t"}}},
    "delete table ip handle 3": {"delete": {"table": {"family": "ip", "handle": 3}}},
    "delete set t handle 3": {"delete": {"set": {"family": "ip", "table": "t", "handle": 3}}},
    "delete ct helper t x": {
        "delete": {"ct helper": {"family": "ip", "table": "t", "name": "x"}}
    },
    "add element t s { 22, 80-90 }": {
        "add": {"element": {"family": "ip", "table": "t", "name": "s",
                            "elem": [22, {"range": [80, 90]}]}}
    },
    "delete element t s { 22 }": {
        "delete": {"element": {"family": "ip", "table": "t", "name": "s", "elem": [22]}}
    },
    "flush ruleset": {"flush": {"ruleset": {}}},
    "flush ruleset inet": {"flush": {"ruleset": {"family": "inet"}}},
    "flush table t": {"flush": {"table": {"family": "ip", "name": "t"}}},
    "flush set t s": {"flush": {"set": {"family": "ip", "table": "t", "name": "s"}}},
    "rename chain t c d": {
        "rename": {"chain": {"family": "ip", "table": "t", "name": "c", "newname": "d"}}
    },
    "list ruleset": {"list": {"ruleset": {}}},
    "list table inet t": {"list": {"table": {"words": ["inet", "t"]}}},
    "reset counters": {"reset": {"counters": {}}},
    "monitor": {"monitor": {"ruleset": {}}},
    "get element t s { 22 }": {"get": {"element": {"words": ["t", "s", {"set": [22]}]}}},
}  # fmt: skip


@pytest.mark.parametrize("text", COMMANDS)
def test_commands(text):
    assert read_text(text) == [COMMANDS[text]]


def test_several_commands_stand_on_a_line_or_go_over_several():
    assert len(read_text("add table t; add chain t c;;\n\n# nothing\nt c \\\n accept")) == 3


def test_a_chain_added_with_rules_gives_them_behind_it():
    assert [kind for kind, _ in objects("add chain t c { accept; }")] == ["chain", "rule"]


# ---- variables and included files


def ports_of(text, **files):
    """What the rules of a text compare with."""
    commands = read_text(text, files.__getitem__)
    rules = [each["add"]["rule"] for each in commands if "rule" in each["add"]]
    return [rule["expr"][0]["match"]["right"] for rule in rules]


def test_variables_stand_where_values_stand():
    text = """
    define port = 22
    define ports = { $port, 80 }
    define dev = { lo }
    define prio = -5
    table inet t {
        set s { type inet_service; elements = $ports; }
        chain c {
            type filter hook ingress devices = $dev priority $prio
            tcp dport $port accept
            tcp dport { $ports, 443 } accept
            tcp dport $port - 80 accept
        }
    }
    redefine port = 23
    inet t c tcp dport $port
    """
    found = objects(text)
    assert found[1][1]["elem"] == [22, 80]
    assert (found[2][1]["dev"], found[2][1]["prio"]) == (["lo"], -5)
    assert ports_of(text) == [22, {"set": [22, 80, 443]}, {"range": [22, 80]}, 23]


def test_a_variable_holds_within_its_block():
    text = "table t {\n chain a {\n  define p = 22\n }\n chain b {\n  tcp dport $p\n }\n}"
    with pytest.raises(RuleError, match=r"line 6, column 13: '\$p': no variable is defined"):
        read_text(text)
    inner = "define p = 1\ntable t {\n define p = 2\n chain a {\n  tcp dport $p\n }\n}\n"
    assert ports_of(inner + "t a tcp dport $p") == [2, 1]
    assert ports_of("define p = 1\nundefine p\ndefine p = 2\nt a tcp dport $p") == [2]


def test_variables_stand_within_the_prefixes_of_logs():
    text = 'define a = "in"\ndefine n = 5\ndefine net = 10.0.0.1\nt a log prefix "x $a-$n$net: "'
    ((_, rule),) = objects(text)
    assert rule["expr"] == [{"log": {"prefix": "x in-510.0.0.1: "}}]
    assert objects('t a accept comment "cost $5"')


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ('"a $b"', r"line 2, column 16: '\$b': expected one of \$a"),
        ('"cost $5"', r"line 2, column 16: '\$5': expected one of \$a"),
        ('"a$"', r"line 2, column 16: '\$': expected one of \$a"),
        ('"$a"', r"line 2, column 16: '\$a': expected a variable that stands for text"),
        ("$a", r"line 2, column 16: '\$a': expected a string in quotes"),
    ],
)
def test_what_is_no_text_stands_in_no_prefix(prefix, message):
    with pytest.raises(RuleError, match=message):
        objects(f"define a = {{ 1, 2 }}\nt a log prefix {prefix}")


def test_a_variable_may_stand_for_no_elements():
    assert objects("define none = {}\nadd element t s $none")[0][1]["elem"] == []


def test_variables_stand_in_what_hangs_on_a_set():
    text = "define n = 5\nadd set t s { type ipv4_addr; ct count over $n; }"
    assert objects(text)[0][1]["stmt"] == [{"ct count": {"val": 5, "inv": True}}]


def test_files_are_included_where_they_stand():
    text = 'include "a"\ntable t {\n include "b"\n chain c {\n  include "c"\n }\n}'
    files = {
        "a": "define p = 22\n",
        "b": "chain d {\n tcp dport $p\n}\n",
        "c": "tcp dport { $p, 80 }\n",
    }
    assert ports_of(text, **files) == [22, {"set": [22, 80]}]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "\n tabel x"}, "a: line 2, column 2: 'tabel': expected one of table"),
        ({"a": "define x = $y"}, "a: line 1, column 12: '$y': no variable is defined"),
        ({"a": 'include "b"', "b": 'include "a"'},
         "b: line 1, column 9: include 'a': it includes itself: a -> b -> a"),
        ({}, "line 1, column 9: include 'a': 'a'"),
    ],
)  # fmt: skip
def test_errors_name_the_included_file(files, message):
    with pytest.raises(RuleError) as caught:
        read_text('include "a"', files.__getitem__)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("found", [None, b"table t"])
def test_what_resolve_gives_has_to_be_text(found):
    with pytest.raises(TypeError, match=f"^resolve gave {type(found).__name__}: expected a text"):
        read_text('include "x"', lambda _: found)


@pytest.mark.parametrize("given", [None, b"table t", Path("/etc/nftables.conf")])
def test_only_a_text_is_read(given):
    with pytest.raises(TypeError, match=f"^{type(given).__name__}: expected nft's text, a str$"):
        read_text(given)


def test_files_are_not_included_without_an_end():
    files = {str(number): f'include "{number + 1}"' for number in range(500)}
    with pytest.raises(RuleError, match="15: line 1, column 9: include '16': expected at most 15"):
        read_text('include "1"', files.__getitem__)
    assert read_text('include "1"', {**files, "15": "table t"}.__getitem__)


def test_what_is_included_knows_its_file():
    (command,) = read_text('include "a"', {"a": "t c ip saddr { 10.0.0.1, 1.5s }"}.get)
    rule = command["add"]["rule"]
    for part in (rule["expr"][0], rule, command["add"]):
        assert (part.name, part.line, part.column) == ("a", 1, 5)


# ---- places


def walk(part):
    yield part
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from walk(each)


@pytest.mark.parametrize("text", STATEMENTS)
def test_every_part_knows_its_place(text):
    for part in walk(statements(text)):
        if isinstance(part, dict):
            assert isinstance(part, Node)
            assert part.line is not None


def test_words_and_numbers_know_their_place():
    (found,) = statements('\\\n tcp dport 22 log prefix "x"')[:1]
    right = found["match"]["right"]
    assert (type(right), right.line, right.column) == (Number, 2, 12)
    log = statements('log prefix "x"')[0]["log"]
    assert (type(log["prefix"]), log["prefix"].is_quoted) == (Word, True)


def test_durations_are_seconds():
    content = objects("add set t s { timeout 1m; gc-interval 1500ms; size 60; }")[0][1]
    assert (type(content["timeout"]), content["timeout"]) == (Number, 60)
    assert (type(content["gc-interval"]), content["gc-interval"].line) == (Seconds, 1)


def test_numbers_in_durations_have_eight_digits_like_in_nft():
    content = objects("add set t s { timeout 12345678s; }")[0][1]
    assert content["timeout"] == 12_345_678
    for given in ("123456789s", "000000001s", "1s100000000ms"):
        with pytest.raises(RuleError, match="at most 8 digits") as caught:
            objects(f"add set t s {{ timeout {given}; }}")
        assert (caught.value.line, caught.value.column) == (1, 23)


def test_the_parser_is_built_once():
    assert language._parser() is language._parser()


def test_lark_is_named_where_it_is_missing(monkeypatch):
    real = builtins.__import__

    def without_lark(name, *rest):
        if name == "lark":
            raise ImportError(name)
        return real(name, *rest)

    language._parser.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without_lark)
    with pytest.raises(ImportError, match=r"pip install 'statefulinspect\[rules\]'"):
        read_text("table t")
