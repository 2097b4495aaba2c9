"""What is left out where it is not supported, and what a look over the rest must not say then."""

from __future__ import annotations

import pytest

from statefulinspect.rules.gaps import Gaps
from statefulinspect.rules.lint.lint import lint
from statefulinspect.rules.ruleset import Ruleset

INPUT = "type filter hook input priority 0;"
RAW = "type filter hook prerouting priority -300;"

# Of each: the table, what is left out at the place of HERE, and what is found without it.
LEFT_OUT = {
    "a chain that only address translation jumps to": (
        ["chain pre { type nat hook prerouting priority -100;", "HERE", "}"],
        ["chain a { counter; }"],
        "jump a",
        "unreachable",
    ),
    "a chain behind one that a rule jumps to": (
        [f"chain c {{ {INPUT}", "HERE", "}"],
        ["chain a { goto b; }", "chain b { accept; }"],
        "fib daddr type local jump a",
        "unreachable",
    ),
    "a chain that a map sends packets to": (
        [f"chain c {{ {INPUT}", "accept", "}", "HERE"],
        ["chain a { accept; }"],
        'map m { typeof osf name : verdict; elements = { "Linux" : jump a }; }',
        "unreachable",
    ),
    "a chain that a map may be told to send packets to": (
        ["map m { type ether_addr : verdict; }", f"chain c {{ {INPUT}", "HERE", "}"],
        ["chain a { accept; }"],
        "ether saddr vmap @m",
        "unreachable",
    ),
    "what stands behind a chain that may be left": (
        ["chain a {", "HERE", "drop", "}"],
        [f"chain c {{ {INPUT}", "jump a", "accept", "}"],
        "fib daddr type local return",
        "unreachable",
    ),
    "a mark that may be another": (
        [f"chain c {{ {INPUT}", "meta mark 5 accept", "HERE", "meta mark 5 drop", "}"],
        [],
        "ether saddr 00:00:5e:00:53:01 meta mark set 5",
        "shadowed",
    ),
    "a field that may be another": (
        [f"chain c {{ {INPUT}", "ip dscp 5 accept", "HERE", "ip dscp 5 drop", "}"],
        [],
        "ether saddr 00:00:5e:00:53:01 ip dscp set 5",
        "shadowed",
    ),
    "a state that may be another": (
        [f"chain c {{ {RAW}", "ct state invalid accept", "HERE", "ct state invalid drop", "}"],
        [],
        "fib daddr type local notrack",
        "shadowed",
    ),
    "what iptables may set": (
        [f"chain c {{ {INPUT}", "ip dscp 5 accept", "HERE", "ip dscp 5 drop", "}"],
        [],
        "counter xt target DSCP",
        "shadowed",
    ),
    "two rules with one between": (
        [f"chain c {{ {INPUT}", "log", "HERE", "log", "}"],
        [],
        "fib daddr type local counter",
        "duplicate",
    ),
    "a chain that may accept": (
        ["chain c { type filter hook forward priority 0; policy drop", "HERE"],
        ["ct state established accept", "}"],
        "fib daddr type unicast accept",
        "no-new",
    ),
    "a chain that may drop": (
        [f"chain c {{ {INPUT}", "HERE", "icmp type echo-request accept", "}"],
        [],
        "fib saddr . iif check missing drop",
        "pointless",
    ),
    "a helper that iptables sets": (
        [f"chain c {{ {INPUT} policy drop", "HERE", "ct state new accept"],
        ["ct state related tcp dport 1024-65535 accept", "}"],
        "tcp dport 21 xt target CT",
        "related",
    ),
    "from where a chain is jumped to": (
        [f"chain raw {{ {RAW}", "HERE", "}", "chain a { udp dport 53 notrack; }"],
        ["chain c { type filter hook prerouting priority 0;", "jump a", "}"],
        "fib daddr type local jump a",
        "late",
    ),
}


def found_in(*lines):
    text = "\n".join(["table inet t {", *lines, "}"])
    return lint(Ruleset.parse(text, unsupported="ignore").tables)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_is_not_taken_for_what_is_not_there(name):
    head, rest, left_out, kind = LEFT_OUT[name]
    at = head.index("HERE")
    before, behind = head[:at], [*head[at + 1 :], *rest]
    assert kind in [each.kind for each in found_in(*before, *behind)]
    assert kind not in [each.kind for each in found_in(*before, left_out, *behind)]


# What is left out, and is no reason to keep silent of what the other rules are.
CERTAIN = {
    "behind the end": (
        [f"chain c {{ {INPUT}", "fib saddr oif missing drop", "accept", "drop", "}"],
        "unreachable",
    ),
    "decided before": (
        [f"chain c {{ {INPUT}", "tcp dport 22 drop", 'xt target "LOG"', "tcp dport 22 accept", "}"],
        "shadowed",
    ),
    "a dead chain": (
        [f"chain c {{ {INPUT}", "fib daddr type local jump a", "}", "chain a { }", "chain b { }"],
        "unreachable",
    ),
}


@pytest.mark.parametrize("name", CERTAIN)
def test_what_is_certain_is_said_all_the_same(name):
    lines, kind = CERTAIN[name]
    assert [each.kind for each in found_in(*lines)] == [kind]


def test_what_is_left_out_may_be_of_any_shape():
    """Trees that are no text may hold themselves, and anything where a name should be."""
    own = {"xt": {"type": "target", "name": "MARK"}, "jump": 5, "mangle": {"key": 7}, "vmap": []}
    own["of"] = [own, {"goto": {"target": ["a"]}}, {"mangle": None}]
    gaps = Gaps.of([own, own], [("c", 0)])
    assert gaps.within("c")
    assert not gaps.within("d")
    assert {"meta mark", "ct", "@"} <= gaps.targets
    assert not gaps.is_open


def test_gaps_are_no_part_of_what_a_ruleset_is():
    texts = "fib saddr oif missing drop\n", ""
    with_gap, without = (
        Ruleset.parse(f"table inet t {{ chain c {{\n{text} accept; }}\n}}", unsupported="ignore")
        for text in texts
    )
    assert str(with_gap) == str(without)
    assert with_gap == without
