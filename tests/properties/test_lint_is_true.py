"""What a look over rules says that no packet does, no packet does; also if it sees not all rules.

Rules are drawn, and some are left out as unsupported where the lint looks. All are there when
packets come: whatever was said of the others holds of each of them.
"""

from __future__ import annotations

import random
import re

import pytest

from kernel.rule_differ import CONFIG, STEP
from kernel.rule_drawing import draw_ruleset
from kernel.rule_traffic import draw_traffic
from statefulinspect import Ruleset, Tracker
from statefulinspect.rules.engine.trace import RuleStep
from statefulinspect.rules.lint.lint import lint

PACKETS = 100
NEVER_TRIED = re.compile("never reached|hangs on no hook")
NEVER = ("shadowed", "impossible", "unreachable")


def seen_in_part(text, dice):
    """Leave out rules, and sometimes a whole chain, in the manner of what is not supported."""
    lines = text.split("\n")
    share, is_in_chain = dice.choice([0, 0.05, 0.3]), False
    for number, line in enumerate(lines):
        if line.strip().startswith("type filter"):
            is_in_chain = True
            if dice.random() < 0.1:
                lines[number] = "type nat hook prerouting priority -100"
        elif line == "  }":
            is_in_chain = False
        elif is_in_chain and dice.random() < share:
            lines[number] = f"xt match foo {line}"
    return Ruleset.parse("\n".join(lines), unsupported="ignore")


@pytest.mark.parametrize("seed", range(25))
def test_what_is_said_never_to_be_never_is(seed):
    dice = random.Random(seed)
    text = str(draw_ruleset(dice))
    found = lint(seen_in_part(text, dice).tables)
    said = {each.place.line: each for each in found if each.kind in NEVER and each.place}
    always = {each.place.line: each for each in found if each.kind == "always"}
    tracker = Tracker(Ruleset.parse(text), CONFIG)
    for number, packet in enumerate(draw_traffic(dice, PACKETS)):
        wire, now = packet.wire, number * STEP
        context = {"iif": packet.iif, "oif": packet.oif, "mark": packet.mark, "hook": packet.hook}
        for step in tracker.trace(wire, now, **context).steps:
            if isinstance(step, RuleStep) and step.place.line in said:
                told = said[step.place.line]
                assert step.failed is not None, told
                assert not NEVER_TRIED.search(told.message), told
            if isinstance(step, RuleStep) and step.place.line in always:
                assert not always[step.place.line].message.startswith(f"{step.failed} holds")
        tracker.process(wire, now, **context)
