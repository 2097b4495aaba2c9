"""What a whole ruleset is: short for a table, read from text or JSON, and printed to be read."""

from __future__ import annotations

import copy
import json
import pickle
from ipaddress import ip_network
from types import MappingProxyType

import pytest

from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.ruleset import Ruleset
from statefulinspect.terms import Action

FIREWALL = """flush ruleset
define wan = eth0
define nets = { 10.0.0.0/8, 192.168.0.0/16 }

table inet filter {
    set blocked {
        type ipv4_addr
        flags interval
        auto-merge
        comment "bad ones"
        elements = { 192.0.2.0/24, 198.51.100.7, 203.0.113.1-203.0.113.9 }
    }
    set knocking { type ipv4_addr; flags dynamic,timeout; timeout 1m; size 1000; }
    map services {
        typeof tcp dport : verdict
        elements = { 22 : jump ssh, 80 : accept, 443 comment "x" : accept }
    }
    map paths {
        type ifname . ipv4_addr . inet_service : verdict
        flags interval
        elements = { "eth0" . 10.0.0.0/8 . 80-90 : accept, "eth1*" . 10.1.1.1 . 22 : drop }
    }
    counter dropped { comment "d"; }
    ct helper ftp-std { type "ftp" protocol tcp; }
    ct timeout brief { protocol tcp; policy = { established : 100 }; }
    chain ssh {
        comment "who knocks"
        ct state new limit rate 3/minute burst 10 packets accept
        update @knocking { ip saddr limit rate over 5/minute } drop
        return
    }
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state vmap { established : accept, related : accept, invalid : drop }
        ip saddr @blocked counter name dropped drop
        iifname $wan tcp dport vmap @services
        ip saddr $nets accept
        iifname . ip saddr . tcp dport vmap @paths
        icmp type { echo-request, destination-unreachable } limit rate 10/second accept
        icmpv6 type { nd-neighbor-solicit, 134, echo-request } accept
        tcp flags & (fin|syn|rst|ack) == syn ct state new counter
        tcp flags syn / fin,syn drop
        meta l4proto { tcp, udp } th dport 53 accept
        ct mark and 0xf or 5 == 7 ct count over 20 reject with tcp reset
        ip protocol 1-17 ip dscp 8-10 meta day "Monday"-"Friday" continue
        log prefix "drop: " level info flags tcp options flags ip options
        meter flood { ip6 saddr timeout 5s limit rate 5/second } reset tcp option 2 accept
        reject with icmpx type admin-prohibited
    }
    chain raw {
        type filter hook prerouting priority raw - 5
        udp dport 53 notrack comment "no need"
        iifname "eth\\*" meta mark set numgen inc mod 4 offset 1 ct timeout set "brief"
        tcp dport 21 ct helper set "ftp-std" ct zone set iifname map { "eth0" : 1, "eth1" : 2 }
    }
}
table ip6 other {
    flags dormant
    comment "later"
    chain c { meta hour "22:00"-"04:00" tcp option maxseg size set 1360 reject; }
}
"""


def test_what_is_printed_reads_as_the_same():
    first = Ruleset.parse(FIREWALL)
    again = Ruleset.parse(str(first))
    assert again.tables == first.tables
    assert again == first
    assert str(again) == str(first)
    assert len(first.rules) == 23
    assert first.policy is Action.DROP


def test_what_counts_and_limits_stays_in_its_order():
    """Nft refuses an element whose statements stand in another order than its set's."""
    text = """table inet t {
\tset seen {
\t\ttype ipv4_addr
\t\tlimit rate 5/second counter packets 0 bytes 0
\t\telements = { 10.0.0.1 limit rate 5/second counter packets 1 bytes 2 }
\t}
}"""
    assert str(Ruleset.parse(text)) == text


@pytest.mark.parametrize("name", ["_x", ".x", "_", "..", ".-", ".2", "_2/a"])
def test_names_begin_with_what_nft_lets_them(name):
    text = f"""define {name} = 22
table inet {name} {{
    set {name} {{ type ipv4_addr; }}
    counter {name} {{ }}
    chain {name} {{ iifname {name} ip saddr @{name} tcp dport ${name} counter name {name}; }}
    chain c {{ jump {name}; }}
}}
"""
    ruleset = Ruleset.parse(text)
    assert Ruleset.parse(str(ruleset)) == ruleset
    objects = [
        {"table": {"family": "inet", "name": name}},
        {"chain": {"family": "inet", "table": name, "name": name}},
        {"set": {"family": "inet", "table": name, "name": name, "type": "ipv4_addr"}},
    ]
    listed = Ruleset.from_json({"nftables": objects})
    assert Ruleset.parse(str(listed)) == listed


@pytest.mark.parametrize("name", [".", "-x", "/x", "2x", "x*", "*x"])
def test_names_that_nft_cannot_read_are_refused(name):
    with pytest.raises(RuleError):
        Ruleset.parse(f"table inet {name} {{ }}")
    with pytest.raises(RuleError):
        Ruleset.from_json({"nftables": [{"table": {"family": "inet", "name": name}}]})


TOO_MANY = "meta mark set meta mark" + " | 0x1" * 1000
TOO_DEEP = "expected at most 200 things within each other"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("meta mark" + " | 0x1" * 65 + " == 1", "line 1, column 21: |: expected at most 64 operat"),
        (TOO_MANY, f"line 1, column 35: {TOO_DEEP}"),
        (f"define x = 1; {TOO_MANY}", f"line 1, column 49: {TOO_DEEP}"),
        ("meta mark 5" + " | 0x1" * 1000, f"line 1, column 31: {TOO_DEEP}"),
    ],
    ids=["operations", "statement", "behind a definition", "constant"],
)
def test_what_is_nested_too_deeply_is_refused(rule, message):
    with pytest.raises(RuleError) as caught:
        Ruleset.parse(f"table t {{ chain c {{ {rule}; }}; }}")
    assert str(caught.value).startswith(message)


def test_what_variables_nest_too_deeply_is_refused():
    nested = "".join(f"define x{number} = $x{number - 1} | 1\n" for number in range(1, 601))
    text = f"define x0 = 1\n{nested}table t {{ chain c {{ meta mark $x%s; }}; }}"
    assert Ruleset.parse(text % 40)
    with pytest.raises(RuleError, match=TOO_DEEP):
        Ruleset.parse(text % 600)


def rule_with(expression):
    match = {"match": {"op": "==", "left": expression, "right": 5}}
    return {"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [match]}}


@pytest.mark.parametrize("kind", [dict, MappingProxyType])
def test_json_that_is_nested_too_deeply_is_refused(kind):
    expression = kind({"meta": {"key": "mark"}})
    for _ in range(1000):
        expression = kind({"|": [expression, 1]})
    with pytest.raises(RuleError, match=TOO_DEEP):
        Ruleset.from_json({"nftables": [rule_with(expression)]})


def test_what_is_within_itself_is_refused():
    expression: dict = {"|": []}
    expression["|"] += [expression, expression]
    for given in ({"metainfo": expression}, rule_with(expression)):
        with pytest.raises(RuleError, match=TOO_DEEP):
            Ruleset.from_json({"nftables": [given]})


def test_what_is_no_command_is_shown_in_short():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(RuleError, match="a list of 1: expected a command"):
        Ruleset.from_json({"nftables": [nested]})


def test_rules_keep_their_lines():
    ruleset = Ruleset.parse(FIREWALL)
    lines = FIREWALL.split("\n")
    for rule in ruleset.rules:
        if rule.action is Action.ACCEPT and rule.place.chain == "input":
            assert lines[rule.place.line - 1].strip().endswith("accept")


def test_included_files_are_asked_for():
    texts = {"services.nft": "add rule t c tcp dport 22 accept\n"}
    ruleset = Ruleset.parse(
        'add table t\nadd chain t c\ninclude "services.nft"\n', resolve=texts.__getitem__
    )
    assert [str(rule) for rule in ruleset.rules] == ["tcp dport 22 accept"]


def test_what_is_not_supported_is_an_error_or_left_out():
    text = "table t {\nchain c { masquerade; }\n}"
    with pytest.raises(RuleError, match=r"line 2, column 11: masquerade is not supported"):
        Ruleset.parse(text)
    ruleset = Ruleset.parse(text, unsupported="ignore")
    assert ruleset.rules == ()
    assert ruleset.warnings == (
        "line 2: masquerade is not supported: the library translates no addresses",
    )


# ---- nft's JSON

LISTED = {
    "nftables": [
        {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"table": {"family": "ip", "name": "t", "handle": 1}},
        {"map": {"family": "ip", "table": "t", "name": "m", "type": "ipv4_addr", "map": "mark"}},
        {"chain": {"family": "ip", "table": "t", "name": "c", "handle": 1, "type": "filter",
                   "hook": "input", "prio": 0, "policy": "drop"}},
        {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 4, "expr": [
            {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["new", "related"]}},
            "add @m { ip saddr : 0x00000005 }",
            {"accept": None}]}},
    ]
}  # fmt: skip


def test_json_is_read_as_text_or_as_an_object():
    for given in (LISTED, json.dumps(LISTED), json.dumps(LISTED).encode()):
        ruleset = Ruleset.from_json(given)
        (rule,) = ruleset.rules
        assert str(rule) == "ct state new,related add @m { ip saddr : 0x00000005 } accept"
        assert rule.handle == 4
        assert Ruleset.parse(str(ruleset)) == ruleset
    assert Ruleset.from_json(LISTED["nftables"][1:]) == ruleset


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", "line 1, column 2: "),
        ("[" * 100_000, "expected JSON: "),
        (b"\xff", "expected JSON: "),
        ("9" * 5000, "expected "),
        ("5", "expected an object with the key nftables"),
        ({"nftables": 5}, "expected an object with the key nftables"),
        ([5], "5: expected a command, an object"),
        ([{"rule": {"expr": ["foo @x"]}}], "'foo @x': expected one statement"),
        ([{"rule": {"expr": [TOO_MANY]}}], "'meta mark set"),
        ([{"rule": {"expr": ["accept; drop"]}}], "'accept; drop': expected one statement"),
        ([{"rule": {"expr": ["log accept"]}}], "'log accept': expected one statement"),
    ],
)
def test_json_that_is_none_is_refused(given, message):
    with pytest.raises(RuleError) as caught:
        Ruleset.from_json(given)
    assert str(caught.value).startswith(message)


def test_a_chain_without_a_name_is_text_in_json():
    place = {"family": "inet", "table": "t", "chain": "c"}
    rule = {**place, "expr": [{"counter": None}, "jump {\n\t\t\taccept\n\t\t}"]}
    objects = [
        {"table": {"family": "inet", "name": "t"}},
        {"chain": {"family": "inet", "table": "t", "name": "c"}},
        {"rule": rule},
    ]
    ruleset = Ruleset.from_json({"nftables": objects})
    assert [str(each.place) for each in ruleset.rules] == [
        "inet t c rule 1",
        "inet t __chain1 rule 1",
    ]
    assert Ruleset.parse(str(ruleset)) == ruleset


# ---- rules in order


def test_rules_are_short_for_a_table():
    rules = [Rule(Action.ACCEPT, ct_state="established"), Rule(Action.ACCEPT, iif="lo")]
    ruleset = Ruleset(iter(rules), policy=Action.DROP)
    assert [id(rule) for rule in ruleset.rules] == [id(rule) for rule in rules]
    (table,) = ruleset.tables
    assert (table.family, table.name) == ("inet", "filter")
    for chain in table.chains:
        assert (chain.type, chain.priority, chain.policy) == ("filter", 0, Action.DROP)
        assert chain.rules == tuple(rules)
    assert {chain.hook for chain in table.chains} == {"input", "forward", "output"}


def test_a_ruleset_that_rejects_has_a_rule_for_it():
    ruleset = Ruleset([Rule(Action.ACCEPT, protocol="tcp")], policy=Action.REJECT)
    assert ruleset.policy is Action.REJECT
    assert len(ruleset.rules) == 1
    for chain in ruleset.tables[0].chains:
        assert [str(rule) for rule in chain.rules] == ["meta l4proto tcp accept", "reject"]
        assert chain.policy is Action.DROP


def test_a_helper_may_be_told_by_a_map():
    text = """table inet t {
    ct helper files { type "ftp" protocol tcp; }
    chain c { ct helper set tcp dport map { 21 : "files" }; }
}"""
    told = Ruleset.parse(text).rules
    assert Ruleset(told, policy=Action.ACCEPT).tables[0].objects == ()


def test_helpers_become_objects():
    names = ("ftp", "tftp", "ftp", None)
    rules = [Rule(Action.ACCEPT, mark=mark, helper=name) for mark, name in enumerate(names)]
    ruleset = Ruleset(rules, policy=Action.DROP)
    objects = ruleset.tables[0].objects
    assert [(each.name, each.helper) for each in objects] == [("ftp", "ftp"), ("tftp", "tftp")]
    assert 'type "tftp" protocol udp' in str(ruleset)
    again = Ruleset.parse(str(ruleset))
    assert [str(each) for each in again.tables[0].objects] == [str(each) for each in objects]


@pytest.mark.parametrize("wrong", [None, Action.DROP, ("drop",), {"action": Action.DROP}])
def test_a_ruleset_takes_rules_only(wrong):
    with pytest.raises(RuleError) as caught:
        Ruleset([Rule(Action.DROP), wrong], policy=Action.DROP)
    assert str(caught.value) == f"{wrong!r}: expected a Rule"


@pytest.mark.parametrize("wrong", [None, 5, Rule(Action.DROP)])
def test_a_ruleset_takes_a_collection(wrong):
    with pytest.raises(RuleError, match="expected a collection of Rule"):
        Ruleset(wrong, policy=Action.DROP)


def test_a_ruleset_must_name_its_policy():
    with pytest.raises(TypeError, match="policy"):
        Ruleset([])
    with pytest.raises(RuleError, match=r"action 'drop': expected Action\.ACCEPT"):
        Ruleset([], policy="drop")


def test_a_ruleset_keeps_the_order():
    rules = [Rule(Action.DROP, mark=number) for number in (3, 1, 2)]
    assert Ruleset(iter(rules), policy=Action.ACCEPT).rules == tuple(rules)


def test_a_ruleset_is_frozen():
    ruleset = Ruleset.default()
    with pytest.raises(AttributeError):
        ruleset.policy = Action.DROP


def test_of_no_tables_nothing_is_decided():
    assert Ruleset.of_tables(()).policy is Action.ACCEPT
    assert str(Ruleset.of_tables(())) == ""


def test_a_ruleset_shows_its_tables():
    assert repr(Ruleset.default()) == "<Ruleset inet filter: 1 rules>"


def test_the_default_drops_invalid_only():
    expected = Ruleset([Rule(Action.DROP, ct_state="invalid")], policy=Action.ACCEPT)
    assert Ruleset.default() == expected


@pytest.mark.parametrize(
    "inside",
    ["10.0.0.0/8", ip_network("10.0.0.0/8"), ["10.0.0.0/8"], ("10.0.0.0/8",)],
)
def test_outbound_takes_one_prefix_or_several(inside):
    assert Ruleset.outbound(inside=inside) == Ruleset(
        [
            Rule(Action.ACCEPT, ct_state=["established", "related", "untracked"]),
            Rule(Action.ACCEPT, ct_state="new", source="10.0.0.0/8"),
        ],
        policy=Action.DROP,
    )


def test_inside_may_be_of_both_ip_versions():
    ruleset = Ruleset.outbound(["10.0.0.0/8", "fd00::/8"])
    assert str(ruleset.rules[1]).split("\n") == [
        "ct state new ip saddr 10.0.0.0/8 accept",
        "ct state new ip6 saddr fd00::/8 accept",
    ]
    assert len(Ruleset.parse(str(ruleset)).tables[0].chain("input").rules) == 3


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ([], "an empty collection matches nothing"),
        (["x"], "prefix 'x': "),
        (None, "inside=None: expected prefixes; every source would match"),
    ],
)
def test_outbound_refuses_what_is_no_inside(inside, message):
    with pytest.raises(RuleError, match=f"^{message}"):
        Ruleset.outbound(inside=inside)


def test_a_rule_that_stands_in_another_ruleset_stays_where_it_is():
    allow = Rule(Action.ACCEPT, protocol="udp")
    ruleset = Ruleset([allow], policy=Action.DROP)
    assert ruleset.rules[0] is allow
    other = Ruleset([Rule(Action.DROP, protocol="tcp"), allow], policy=Action.DROP)
    assert (allow.place.number, other.rules[1].place.number) == (1, 2)
    assert other.rules[1] == allow


@pytest.mark.parametrize("copied", [lambda each: pickle.loads(pickle.dumps(each)), copy.deepcopy])
def test_copied_and_pickled_rules_say_the_same(copied):
    ruleset = Ruleset.parse(FIREWALL)
    again = copied(ruleset)
    assert (again, again.rules, str(again)) == (ruleset, ruleset.rules, str(ruleset))
    rule = Rule(Action.DROP, protocol="udp", destination_port=53, iif="eth0")
    assert {copied(rule)} == {rule}
    assert len(pickle.dumps(rule)) < 2000  # without the names of all ports
