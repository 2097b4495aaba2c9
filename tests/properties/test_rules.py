"""The index of rules, and a trace through them, against a scan over their words, one by one."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from builders import icmp, ip, tcp, udp
from judging import RuleJudge
from statefulinspect import Action, CtState, Rule, RuleError, Ruleset
from statefulinspect.decoding import decode

HOSTS = {
    4: ["0.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.1.0", "255.255.255.255"],
    6: ["::", "::10.0.0.1", "fd00::1", "fd00::2", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
}
PREFIXES = [
    *("0.0.0.0/0", "10.0.0.0/24", "10.0.0.0/31", "10.0.0.2/31", "10.0.0.1", "128.0.0.0/1"),
    *("::/0", "::/96", "fd00::/16", "fd00::2/127", "fd00::1", "8000::/1"),
]
PORTS = [0, 1, 2, 3, 4, 65535]
SPANS = [*PORTS, (1, 2), (2, 3), (1, 4), (3, 65535), (0, 65535)]
NAMES = {"echo-request": {4: 8, 6: 128}, "redirect": {4: 5}, "packet-too-big": {6: 2}}
PROTOCOL_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}


def some(values):
    """One value or a list of alternatives, as a rule takes them."""
    one = st.sampled_from(values)
    return one | st.lists(one, min_size=1, max_size=3)


RULE_WORDS = {
    "ct_state": some(["new", "established", "related", CtState.INVALID]),
    "iif": some(["eth0", "eth1"]),
    "oif": some(["eth0", "eth1"]),
    "mark": some([0, 1, 2]),
    "source": some(PREFIXES),
    "destination": some(PREFIXES),
    "protocol": some(["tcp", 17, "icmp", "icmpv6", 89]),
    "source_port": some(SPANS),
    "destination_port": some(SPANS),
    "icmp_type": some([*NAMES, 2, 5, 8, 128]),
}
FIELD_NAMES = sorted(RULE_WORDS)
ACTIONS = [Action.ACCEPT, Action.DROP, Action.REJECT]


@st.composite
def rule_words(draw):
    """Few fields a rule, or hardly any rule would match."""
    names = draw(st.lists(st.sampled_from(FIELD_NAMES), max_size=3, unique=True))
    return {"action": draw(st.sampled_from(ACTIONS)), **{n: draw(RULE_WORDS[n]) for n in names}}


@st.composite
def packet_words(draw):
    family = draw(st.sampled_from([4, 6]))
    protocol = draw(st.sampled_from([6, 17, 1 if family == 4 else 58, 89]))
    has_ports, is_icmp = protocol in (6, 17), protocol in (1, 58)
    return {
        "family": family,
        "protocol": protocol,
        "source": draw(st.sampled_from(HOSTS[family])),
        "destination": draw(st.sampled_from(HOSTS[family])),
        "source_port": draw(st.sampled_from(PORTS)) if has_ports else None,
        "destination_port": draw(st.sampled_from(PORTS)) if has_ports else None,
        "icmp_type": draw(st.sampled_from([2, 5, 8, 128])) if is_icmp else None,
        "iif": draw(st.sampled_from(["", "eth0", "eth1"])),
        "oif": draw(st.sampled_from(["", "eth0", "eth1"])),
        "mark": draw(st.sampled_from([0, 1, 2])),
        "ct_state": draw(st.sampled_from(list(CtState))),
    }


def build(words):
    ends = {"source": words["source"], "destination": words["destination"]}
    if words["icmp_type"] is not None:
        return icmp(words["icmp_type"], **ends)
    if words["source_port"] is not None:
        make = {6: tcp, 17: udp}[words["protocol"]]
        return make(words["source_port"], words["destination_port"], **ends)
    return ip(**ends, protocol=words["protocol"], payload=b"payload")


def says_yes(name, asked, words):
    """Whether one alternative of one field is what the packet has."""
    value = words[name]
    if name in ("source", "destination"):
        return ip_address(value) in ip_network(asked)
    if name.endswith("_port"):
        first, last = asked if isinstance(asked, tuple) else (asked, asked)
        return value is not None and first <= value <= last
    if name == "icmp_type":
        number = NAMES[asked].get(words["family"]) if asked in NAMES else asked
        return value is not None and value == number
    if name == "protocol":
        return value == PROTOCOL_NUMBERS.get(asked, asked)
    return value == (CtState(asked) if name == "ct_state" else asked)


def matches(rule, words):
    return all(
        any(says_yes(name, each, words) for each in (asked if isinstance(asked, list) else [asked]))
        for name, asked in rule.items()
        if name != "action"
    )


def scan(rules, policy, words):
    """Give the action, and the number of the rule that decided."""
    for number, rule in enumerate(rules):
        if matches(rule, words):
            return rule["action"], number
    return policy, None


def rule_of(words):
    """Make the rule; None if it is refused because no packet can match."""
    try:
        return Rule(**words)
    except RuleError as error:
        if not str(error).startswith("no packet can match: "):
            raise
        return None


@given(rule_words(), st.lists(packet_words(), max_size=8))
def test_a_rule_that_is_refused_matches_nothing(rule, packets):
    assert rule_of(rule) or not any(matches(rule, words) for words in packets)


@given(
    st.lists(rule_words(), max_size=12),
    st.sampled_from(ACTIONS),
    st.lists(packet_words(), min_size=1, max_size=8),
)
def test_the_first_match_is_that_of_a_scan(drawn, policy, packets):
    rules = [words for words in drawn if rule_of(words)]
    ruleset = Ruleset([Rule(**words) for words in rules], policy=policy)
    judge = RuleJudge(ruleset)
    for words in packets:
        context = {name: words[name] for name in ("iif", "oif", "mark")}
        packet = decode(build(words), **context)
        action, rule = judge.judge(packet, words["ct_state"])
        assert judge.traced(packet, words["ct_state"]) == (action, rule)
        expected_action, number = scan(rules, policy, words)
        assert action is expected_action
        if number is None and policy is Action.REJECT:
            assert str(rule) == "reject"  # no chain of nft has this policy: a last rule does it
        else:
            assert rule is (None if number is None else ruleset.rules[number])
