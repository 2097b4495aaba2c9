"""What a rule may say, and how it refuses the rest."""

from __future__ import annotations

from ipaddress import ip_network

import attrs
import pytest

from statefulinspect import Action, CtState, Rule, RuleError, Ruleset

CT_STATES = "new, established, related, invalid, untracked"
PROTOCOLS = "icmp, tcp, udp, dccp, gre, icmpv6, sctp, udplite"
ICMP_TYPES = (
    "echo-reply, destination-unreachable, source-quench, redirect, echo-request, time-exceeded, "
    "parameter-problem, timestamp-request, timestamp-reply, packet-too-big"
)
ACTIONS = "Action.ACCEPT, Action.DROP or Action.REJECT"
EMPTY = "an empty collection matches nothing: leave the field out, or the rule"
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
    ("iif", "", "interface '': expected a whole name, without a wildcard"),
    ("oif", 3, "interface 3: expected a whole name, without a wildcard"),
]
FIELDS = [field.name for field in attrs.fields(Rule)[1:] if field.name != "helper"]


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


def test_a_field_that_is_not_given_asks_nothing():
    rule = Rule(Action.DROP)
    assert {getattr(rule, field) for field in FIELDS} == {None}


@pytest.mark.parametrize(
    ("field", "given", "held"),
    [
        ("ct_state", "new", (CtState.NEW,)),
        ("ct_state", CtState.NEW, (CtState.NEW,)),
        ("ct_state", ["new", CtState.RELATED, "new"], (CtState.NEW, CtState.RELATED)),
        ("protocol", "tcp", (6,)),
        ("protocol", ["udp", 17, 0, 255], (17, 0, 255)),
        ("protocol", {"udplite"}, (136,)),
        ("source", "10.0.0.0/8", (ip_network("10.0.0.0/8"),)),
        ("source", ["10.0.0.1", "fd00::/8"], (ip_network("10.0.0.1/32"), ip_network("fd00::/8"))),
        ("destination", ip_network("::/0"), (ip_network("::/0"),)),
        ("source_port", 0, ((0, 0),)),
        ("destination_port", (0, 65535), ((0, 65535),)),
        ("destination_port", [22, (80, 80), 22], ((22, 22), (80, 80))),
        ("icmp_type", "echo-request", ("echo-request",)),
        ("icmp_type", [0, 255], (0, 255)),
        ("mark", 0xFFFF_FFFF, (0xFFFF_FFFF,)),
        ("iif", frozenset({"eth0"}), ("eth0",)),
    ],
)
def test_a_field_holds_its_alternatives(field, given, held):
    assert getattr(Rule(Action.ACCEPT, **{field: given}), field) == held


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "Rule(Action.DROP)"),
        ({"protocol": 6, "ct_state": "new"}, "Rule(Action.DROP, ct_state=new, protocol=tcp)"),
        ({"protocol": [89, "gre"]}, "Rule(Action.DROP, protocol={89, gre})"),
        ({"source": ["10.0.0.0/8", "::1"]}, "Rule(Action.DROP, source={10.0.0.0/8, ::1/128})"),
        ({"source_port": (1, 2)}, "Rule(Action.DROP, source_port=1-2)"),
        ({"icmp_type": ["redirect", 8]}, "Rule(Action.DROP, icmp_type={redirect, 8})"),
        ({"iif": "eth0", "mark": 0}, "Rule(Action.DROP, iif=eth0, mark=0)"),
    ],
)
def test_repr(fields, text):
    assert repr(Rule(Action.DROP, **fields)) == text


def test_rules_with_the_same_words_are_equal():
    one = Rule(Action.ACCEPT, protocol="tcp", destination_port=22)
    assert one == Rule(Action.ACCEPT, protocol=6, destination_port=[(22, 22)])
    assert one != Rule(Action.DROP, protocol="tcp", destination_port=22)


def test_rules_are_frozen():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Rule(Action.ACCEPT).action = Action.DROP


def test_a_rule_can_be_changed_into_another():
    rule = Rule(Action.ACCEPT, ct_state="new", protocol="tcp", source="::/0", source_port=1)
    assert attrs.evolve(rule, action=Action.DROP).source_port == ((1, 1),)


@pytest.mark.parametrize("wrong", [None, Action.DROP, ("drop",), {"action": Action.DROP}])
def test_a_ruleset_takes_rules_only(wrong):
    with pytest.raises(RuleError) as caught:
        Ruleset([Rule(Action.DROP), wrong], policy=Action.DROP)
    assert str(caught.value) == f"{wrong!r}: expected a Rule"


def test_a_ruleset_keeps_the_order():
    rules = [Rule(Action.DROP, mark=number) for number in (3, 1, 2)]
    assert Ruleset(iter(rules), policy=Action.ACCEPT).rules == tuple(rules)


def test_a_ruleset_must_name_its_policy():
    with pytest.raises(TypeError, match="policy"):
        Ruleset([])


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


@pytest.mark.parametrize(("inside", "message"), [([], EMPTY), (["x"], "prefix 'x': ")])
def test_outbound_refuses_what_is_no_inside(inside, message):
    with pytest.raises(RuleError, match=f"^{message}"):
        Ruleset.outbound(inside=inside)


@pytest.mark.parametrize("wrong", [None, 5, Rule(Action.DROP)])
def test_a_ruleset_takes_a_collection(wrong):
    with pytest.raises(RuleError, match="expected a collection of Rule"):
        Ruleset(wrong, policy=Action.DROP)


def test_outbound_wants_prefixes():
    with pytest.raises(RuleError, match="inside=None: expected prefixes"):
        Ruleset.outbound(inside=None)


def test_a_prefix_has_no_interface():
    with pytest.raises(RuleError, match="expected no zone; name the interface with iif or oif"):
        Rule(Action.DROP, source="fe80::1%eth0")
