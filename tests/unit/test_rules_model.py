"""What a rule may say, and how it refuses the rest."""

from __future__ import annotations

import inspect
from ipaddress import ip_network

import pytest

from statefulinspect import Action, CtState, Rule, RuleError, Ruleset
from statefulinspect.rules import keywords

CT_STATES = "new, established, related, invalid, untracked"
PROTOCOLS = "icmp, tcp, udp, dccp, gre, icmpv6, sctp, udplite"
ICMP_TYPES = (
    "echo-reply, destination-unreachable, source-quench, redirect, echo-request, time-exceeded, "
    "parameter-problem, timestamp-request, timestamp-reply, packet-too-big"
)
ACTIONS = "Action.ACCEPT, Action.DROP or Action.REJECT"
EMPTY = "an empty collection matches nothing: leave the field out, or the rule"
INTERFACE = "expected a whole name, 1 to 15 octets without * and quotes"
REFUSED = [
    ("ct_state", "fresh", f"ct state 'fresh': expected one of {CT_STATES}"),
    ("protocol", "tpc", f"protocol 'tpc': expected 0 to 255 or one of {PROTOCOLS}"),
    ("protocol", 256, f"protocol 256: expected 0 to 255 or one of {PROTOCOLS}"),
    ("protocol", -1, f"protocol -1: expected 0 to 255 or one of {PROTOCOLS}"),
    ("protocol", True, f"protocol True: expected 0 to 255 or one of {PROTOCOLS}"),
    ("destination_port", (90, 80), "port range 90-80: the start is above the end"),
    ("destination_port", 65536, "port 65536: expected 0 to 65535, or a tuple (first, last)"),
    ("source_port", -1, "port -1: expected 0 to 65535, or a tuple (first, last)"),
    ("source_port", "http", "port 'http': expected 0 to 65535, or a tuple (first, last)"),
    ("source_port", (1, 65536), "port (1, 65536): expected 0 to 65535, or a tuple (first, last)"),
    ("source_port", False, "port False: expected 0 to 65535, or a tuple (first, last)"),
    ("icmp_type", "ping", f"ICMP type 'ping': expected 0 to 255 or one of {ICMP_TYPES}"),
    ("icmp_type", 256, f"ICMP type 256: expected 0 to 255 or one of {ICMP_TYPES}"),
    ("mark", 1 << 32, "mark 4294967296: expected a 32-bit number"),
    ("mark", -1, "mark -1: expected a 32-bit number"),
    ("mark", "7", "mark '7': expected a 32-bit number"),
    *(
        ("iif", name, f"interface {name!r}: {INTERFACE}")
        for name in ("", 3, "lan*", 'a"; accept; #', "a\n", "a" * 16, "ü" * 8, "\ud800")
    ),
]
FIELDS = [name for name in inspect.signature(Rule).parameters if name not in ("action", "helper")]


@pytest.mark.parametrize(("field", "value", "message"), REFUSED)
def test_a_wrong_value_is_refused(field, value, message):
    for given in (value, [value], [*([1] if field == "mark" else []), value]):
        with pytest.raises(RuleError) as caught:
            Rule(Action.ACCEPT, **{field: given})
        assert str(caught.value) == message


@pytest.mark.parametrize("field", ["source", "destination"])
@pytest.mark.parametrize("value", ["10.0.0.0/33", "10.0.0.1/8", "inside", "fd00::/129", None])
def test_a_wrong_prefix_is_refused(field, value):
    with pytest.raises(RuleError) as caught:
        Rule(Action.ACCEPT, **{field: [value]})
    assert str(caught.value).startswith(f"prefix {value!r}: ")
    assert repr(value).strip("'") in str(caught.value)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("empty", [[], set(), frozenset()])
def test_an_empty_collection_is_refused(field, empty):
    with pytest.raises(RuleError) as caught:
        Rule(Action.ACCEPT, **{field: empty})
    assert str(caught.value) == EMPTY


@pytest.mark.parametrize("action", ["accept", None, Action.HOLD])
def test_a_wrong_action_is_refused(action):
    message = f"action {action!r}: expected {ACTIONS}"
    for make in (Rule, lambda policy: Ruleset([], policy=policy)):
        with pytest.raises(RuleError) as caught:
            make(action)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "drop"),
        ({"ct_state": "new"}, "ct state new drop"),
        ({"ct_state": ["new", CtState.RELATED, "new"]}, "ct state new,related drop"),
        ({"protocol": 6, "ct_state": "new"}, "ct state new meta l4proto tcp drop"),
        ({"protocol": ["udp", 17, 0]}, "meta l4proto { udp, ip } drop"),
        ({"protocol": {"udplite"}}, "meta l4proto udplite drop"),
        ({"source": "10.0.0.0/8"}, "ip saddr 10.0.0.0/8 drop"),
        ({"source": ["10.0.0.1", "fd00::/8"]}, "ip saddr 10.0.0.1 drop\nip6 saddr fd00::/8 drop"),
        ({"destination": ip_network("::/0")}, "ip6 daddr ::/0 drop"),
        ({"source": "10.0.0.0/8", "destination": ["::1", "1.1.1.1", "2.2.2.2"]},
         "ip saddr 10.0.0.0/8 ip daddr { 1.1.1.1, 2.2.2.2 } drop"),
        ({"source_port": 0},
         "meta l4proto { tcp, udp, sctp, udplite } th sport 0 drop"),
        ({"protocol": "tcp", "destination_port": (1, 2)}, "tcp dport 1-2 drop"),
        ({"protocol": "tcp", "source_port": 1, "destination_port": [22, (80, 80), 22]},
         "tcp sport 1 tcp dport { 22, 80 } drop"),
        ({"protocol": ["tcp", "udp", "icmp"], "source_port": 1},
         "meta l4proto { tcp, udp } th sport 1 drop"),
        ({"icmp_type": ["redirect", 8]},
         "icmp type { redirect, echo-request } drop\nicmpv6 type 8 drop"),
        ({"icmp_type": "echo-request", "protocol": "icmpv6"}, "icmpv6 type echo-request drop"),
        ({"iif": frozenset({"eth0"}), "mark": 0}, 'iifname "eth0" meta mark 0x00000000 drop'),
        ({"helper": "ftp"}, 'ct helper set "ftp" drop'),
    ],
)  # fmt: skip
def test_a_rule_prints_as_nft_text(fields, text):
    rule = Rule(Action.DROP, **fields)
    assert str(rule) == text
    assert repr(rule) == f"Rule({text!r})"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"source": "10.0.0.0/8", "destination": "::1"},
         "no destination is IPv4, no source is IPv6"),
        ({"source": ["::1", "::2"], "icmp_type": "source-quench"},
         "no source is IPv4, icmpv6 has no such type"),
        ({"protocol": "icmp", "source_port": 1}, "only TCP, UDP, UDP-Lite and SCTP have ports"),
        ({"protocol": ["gre", 89], "destination_port": (1, 2)},
         "only TCP, UDP, UDP-Lite and SCTP have ports"),
        ({"icmp_type": "echo-request", "source_port": 1},
         "only TCP, UDP, UDP-Lite and SCTP have ports"),
        ({"icmp_type": 8, "protocol": "udp"}, "no protocol is icmp, no protocol is icmpv6"),
        ({"icmp_type": "packet-too-big", "protocol": "icmp"},
         "icmp has no such type, no protocol is icmpv6"),
        ({"icmp_type": "redirect", "source": "::1"}, "no source is IPv4, icmpv6 has no such type"),
    ],
)  # fmt: skip
def test_fields_that_no_packet_has_together_are_refused(fields, reason):
    with pytest.raises(RuleError) as caught:
        Rule(Action.DROP, **fields)
    assert str(caught.value) == f"no packet can match: {reason}"


@pytest.mark.parametrize("several", [[80, 81], (80, 80), {81, 80}, frozenset({80}), range(80, 82),
                                     {80: "http"}.keys()])  # fmt: skip
def test_alternatives_come_in_any_sequence_or_set(several):
    rule = Rule(Action.DROP, mark=several, destination_port=several)
    assert rule == Rule(Action.DROP, mark=sorted(several), destination_port=sorted(several))


def test_bytes_are_no_sequence_of_numbers():
    with pytest.raises(RuleError, match=r"^mark b'P': expected a 32-bit number$"):
        Rule(Action.DROP, mark=b"P")


def test_an_unknown_field_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'port'"):
        Rule(Action.DROP, port=5)


def test_the_signature_names_every_field():
    action, *fields = inspect.signature(Rule).parameters.values()
    assert (action.name, action.default) == ("action", action.empty)
    assert len(fields) == 11
    assert all(each.kind is each.KEYWORD_ONLY for each in fields)
    assert not any("Any" in each.annotation for each in (action, *fields))


def test_rules_with_the_same_words_are_equal():
    one = Rule(Action.ACCEPT, protocol="tcp", destination_port=22)
    assert one == Rule(Action.ACCEPT, protocol=6, destination_port=[(22, 22)])
    assert one != Rule(Action.DROP, protocol="tcp", destination_port=22)
    assert one != str(one)
    assert len({one, Rule(Action.ACCEPT, protocol=6, destination_port=22)}) == 1


def test_a_ruleset_must_name_its_policy():
    with pytest.raises(TypeError, match="policy"):
        Ruleset([])


def test_outbound_wants_prefixes():
    with pytest.raises(RuleError, match="inside=None: expected prefixes"):
        Ruleset.outbound(inside=None)


def test_a_prefix_has_no_interface():
    with pytest.raises(RuleError, match="expected no zone; name the interface with iif or oif"):
        Rule(Action.DROP, source="fe80::1%eth0")


def test_a_mistake_of_ours_is_not_taken_for_a_rule_that_matches_nothing(monkeypatch):
    monkeypatch.setattr(keywords, "SELECTORS", {})
    with pytest.raises(KeyError):
        Rule(Action.DROP, destination_port=22)
