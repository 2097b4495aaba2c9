"""Whatever the packet, no rule raises: every selector, compared in several ways, at every hook.

A trace of the packet tells the same fate, and changes nothing.
"""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from properties.test_never_raises import EXTENSIONS, PACKETS, WELL_FORMED, chained, cut_at
from statefulinspect import Config, Rule, Ruleset, Tracker
from statefulinspect.rules.engine.readers import reader
from statefulinspect.rules.syntax.constants import Element, SetLiteral, Value
from statefulinspect.rules.syntax.expressions import Binary, Select
from statefulinspect.rules.syntax.stateful import Count, CountConnections, Limit, Quota
from statefulinspect.rules.syntax.statements import Decide, Match
from statefulinspect.rules.tables import HOOKS, Chain, Table
from statefulinspect.rules.words.selectors import SELECTORS, raw_option, raw_payload

NAMED = [each for each in SELECTORS.values() if each.text != "ct event"]
RAW = [
    raw_payload(base, at, bits) for base in ("nh", "th", "ll") for at, bits in ((0, 8), (93, 17))
]
LOOKED_AT = [*NAMED, *RAW, raw_option(8), raw_option(3, 16, 8)]
STATEFUL = [Count(), Limit(5, "second"), Quota(1000, is_over=True), CountConnections(2)]


def value_of(selector, number):
    is_name = isinstance(selector.type.read("lo"), str) if selector.type.name == "ifname" else False
    is_name = is_name or selector.type.name in ("iface_index", "string")
    return Value("lo" if is_name else number, selector.type)


@st.composite
def statements(draw):
    """One match of one selector, and sometimes something that counts."""
    selector = draw(st.sampled_from(LOOKED_AT))
    value, other = (value_of(selector, draw(st.sampled_from([0, 1, 5, 64]))) for _ in range(2))
    left = Select(selector)
    if isinstance(value.value, int) and draw(st.booleans()):
        left = Binary(draw(st.sampled_from("&|^")), left, value)
    right = draw(st.sampled_from([value, SetLiteral((Element(value), Element(other)))]))
    signs = (
        ["==", "!="]
        if isinstance(right, SetLiteral) or value.value == "lo"
        else ["==", "!=", "<", ">="]
    )
    counted = draw(st.lists(st.sampled_from(STATEFUL), max_size=1))
    return [Match(left, draw(st.sampled_from(signs)), right), *counted]


@st.composite
def rulesets(draw):
    chains = [
        Chain(
            name=f"{hook}{priority}",
            rules=tuple(
                Rule.of(
                    [
                        *draw(statements()),
                        Decide(draw(st.sampled_from(["accept", "drop", "continue"]))),
                    ]
                )
                for _ in range(draw(st.integers(0, 3)))
            ),
            type="filter",
            hook=hook,
            priority=priority,
        )
        for hook in HOOKS
        for priority in (-300, 0)
    ]
    return Ruleset.of_tables([Table(family="inet", name="t", chains=tuple(chains))])


CONTEXTS = st.fixed_dictionaries(
    {
        "hook": st.sampled_from(["forward", "input", "output"]),
        "iif": st.sampled_from(["", "lo", "eth0"]),
        "oif": st.sampled_from(["", "lo"]),
        "mark": st.sampled_from([0, 5]),
    }
)
ARRIVALS = st.lists(
    st.tuples(PACKETS | st.sampled_from(WELL_FORMED), CONTEXTS),
    max_size=20,
)


def test_every_selector_is_asked():
    assert all(callable(reader(each.text)) for each in LOOKED_AT)


@given(rulesets(), ARRIVALS, st.sampled_from(["reassemble", "track", "drop"]))
def test_any_packet_gets_a_verdict_from_any_rules(ruleset, packets, fragments):
    tracker = Tracker(ruleset, Config.linux(verify_checksums=False, fragments=fragments))
    for number, (packet, context) in enumerate(packets):
        before = str(tracker.ruleset), [str(each) for each in tracker]
        trace = tracker.trace(packet, number / 3, **context)
        str(trace)
        after = str(tracker.ruleset), [str(each) for each in tracker]
        assert before == after
        verdict = tracker.process(packet, number / 3, **context)
        tracker.check()
        if verdict.reason.name.startswith("FRAGMENT") or verdict.action.value == "hold":
            continue  # a trace takes fragments as they are
        assert trace.verdict.action is verdict.action
        assert (trace.verdict.ct_state, trace.verdict.reason) == (verdict.ct_state, verdict.reason)
        assert trace.verdict.rule == verdict.rule


@pytest.fixture(scope="module")
def curious():
    """Rules that look at everything."""
    rules = tuple(Rule.of([Match(Select(each), "==", value_of(each, 1))]) for each in LOOKED_AT)
    chain = Chain(name="c", rules=rules, type="filter", hook="forward", priority=0)
    return Ruleset.of_tables([Table(family="inet", name="t", chains=(chain,))])


def cuts():
    for packet in WELL_FORMED:
        yield from (packet[:octets] for octets in range(len(packet)))
    for numbers in product(EXTENSIONS, repeat=2):
        whole = chained(numbers)
        for octets in range(40, len(whole)):
            for claimed in (octets - 40, len(whole) - 40, 0):
                yield cut_at(whole, octets, claimed)


@pytest.mark.parametrize("fragments", ["reassemble", "track", "drop"])
def test_any_cut_packet_gets_a_verdict_from_rules_that_look_at_everything(curious, fragments):
    tracker = Tracker(curious, Config(fragments=fragments))
    for packet in cuts():
        assert tracker.process(packet, 0.0).reason is not None
