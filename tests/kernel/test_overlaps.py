"""Concatenations that overlap: which sets of them are taken, and which element decides.

Sets and maps are drawn without regard to what Linux takes; about half of them are refused.
"""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from builders import SERVER, tcp
from kernel.rule_differ import CONFIG, library_fate
from kernel.rule_kernel import RefusedError, RuleKernel
from kernel.rule_matches import HOSTS4, PORTS, overlapping
from statefulinspect import RuleError, Ruleset, Tracker

PACKETS = 40  # to each ruleset
REFUSAL = "conflicting intervals|two elements of a map have this key"
NAMES = ['"lan0"', '"wan0"', '"lan*"', '"la*"', '"l*"', '"lan1"']
LINES = {
    "ip saddr": ("ipv4_addr", HOSTS4[:4]),
    "tcp sport": ("inet_service", sorted(PORTS)),
    "tcp dport": ("inet_service", [0, *sorted(PORTS), 65535]),
    "iifname": ("ifname", [""]),
}


@pytest.fixture(scope="module")
def kernel():
    with RuleKernel() as made:
        yield made


def draw_elements(dice, fields):
    """Draw elements of some fields; of interfaces there are no ranges, but wildcards."""
    lines = [LINES[field][1] for field in fields]
    elements = [each.split(" . ") for each in overlapping(dice, lines, is_taken=False)]
    return [" . ".join(part or dice.choice(NAMES) for part in each) for each in elements]


def draw_table(dice):
    fields = dice.sample(list(LINES), dice.choice([2, 2, 3]))
    elements, key = draw_elements(dice, fields), " . ".join(fields)
    is_map, is_named = dice.random() < 0.7, dice.random() < 0.5
    if is_map:
        elements = [f"{each} : {dice.choice(['accept', 'drop'])}" for each in elements]
    held = f"{{ {', '.join(elements)} }}"
    rule = f"{key} vmap {{}}\n drop" if is_map else f"{key} {{}} drop"
    kind, leads_to = ("map", " : verdict") if is_map else ("set", "")
    types = " . ".join(LINES[field][0] for field in fields)
    named = f"{kind} s {{ type {types}{leads_to}; flags interval; elements = {held} }}"
    rule = rule.format("@s" if is_named else held)
    base = "type filter hook forward priority 0"
    return (
        f"table inet t {{\n {named if is_named else ''}\n chain c {{\n {base}\n {rule}\n }}\n}}\n"
    )


def complaint(make, text):
    """Say why a text is refused; empty if it is not."""
    try:
        make(text)
    except (RefusedError, RuleError) as error:
        return str(error)
    return ""


def test_overlapping_elements_are_taken_and_decide_as_in_the_kernel(kernel, pytestconfig):
    dice = random.Random(pytestconfig.getoption("seed"))
    seen = Counter()
    for _ in range(pytestconfig.getoption("rulesets")):
        text = draw_table(dice)
        ours, theirs = complaint(Ruleset.parse, text), complaint(kernel.load, text)
        assert ("File exists" in theirs) == bool(theirs), theirs
        assert bool(re.search(REFUSAL, ours)) == bool(ours) == bool(theirs), f"{text}\n{ours}"
        seen[not theirs] += 1
        if not theirs:
            seen += fates(kernel, Tracker(Ruleset.parse(text), CONFIG), dice, text)
    assert all(seen[what] for what in (True, False, "accept", "drop"))


def fates(kernel, tracker, dice, text):
    """Send packets through both, and count what becomes of them; nft takes what was written."""
    seen = Counter()
    for number in range(PACKETS):
        ports, device = dice.choices(PORTS, k=2), dice.choice(["lan0", "wan0"])
        packet = tcp(*ports, "SYN", source=dice.choice(HOSTS4[:4]), destination=SERVER)
        ours = library_fate(tracker.process(packet, float(number), iif=device))
        theirs = kernel.arrive(packet, device).fate
        assert ours == theirs, f"{text}\n{packet.hex()} {device}"
        seen[theirs] += 1
    kernel.load(str(tracker.ruleset))
    return seen
