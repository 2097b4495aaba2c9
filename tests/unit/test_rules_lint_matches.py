"""What a match asks for as boxes, where nft's text would be long or cannot say it."""

from __future__ import annotations

import pytest

from statefulinspect.rules.lint.boxes import Box, box_of, number_of
from statefulinspect.rules.lint.finding import where
from statefulinspect.rules.lint.matches import known_of
from statefulinspect.rules.lint.ranges import common, covers, joined
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.constants import (
    Anything,
    Element,
    Joined,
    Prefix,
    SetLiteral,
    SetRef,
    Span,
    Value,
)
from statefulinspect.rules.syntax.expressions import (
    Binary,
    Concat,
    Lookup,
    Numgen,
    Select,
    selectors_in,
    sets_in,
)
from statefulinspect.rules.syntax.statements import Decide, Match
from statefulinspect.rules.words.selectors import SELECTORS

PORT, MARK, TTL = SELECTORS["tcp dport"], SELECTORS["meta mark"], SELECTORS["ip ttl"]
NAME = SELECTORS["meta iifname"]


def boxes(match):
    return known_of(match, lambda _: None).boxes


def port(number):
    return Value(number, PORT.type)


RIDDLES = {
    "a shift": Match(Binary("<<", Select(TTL), Value(2, TTL.type)), "==", Value(8, TTL.type)),
    "a mask that is a range": Match(
        Binary("&", Select(TTL), Prefix(0, 4, 8, TTL.type)), "==", Value(8, TTL.type)
    ),
    "a wide mask": Match(Binary("&", Select(PORT), port(1)), "==", port(1)),
    "a map": Match(Lookup(Select(PORT), SetRef("m"), (MARK.type,), (32,)), "==", port(1)),
    "a mask within several parts": Match(
        Concat((Binary("&", Select(PORT), port(1)), Select(TTL))),
        "==",
        Joined((port(1), Value(8, TTL.type))),
    ),
    "a name that no interface has": Match(Select(NAME), "==", Value("é" * 9, NAME.type)),
    "parts that are too few": Match(Concat((Select(PORT), Select(TTL))), "==", port(1)),
    "several parts to differ from": Match(
        Concat((Select(PORT), Select(TTL))), "!=", Joined((port(1), Value(8, TTL.type)))
    ),
    "an order of a range": Match(Select(PORT), "<", Span(1, 5, PORT.type)),
    "elements that count": Match(
        Select(PORT), "==", SetLiteral((Element(port(1), statements=(object(),)),))
    ),
}


@pytest.mark.parametrize("match", RIDDLES.values(), ids=RIDDLES)
def test_riddles(match):
    (box,) = boxes(match)
    assert box.riddles == {match}
    needs = {text for each in selectors_in(match.left) for text, _ in each.needs}
    assert set(box.ranges) == needs


def test_all_keys():
    (box,) = boxes(Match(Select(PORT), "==", SetLiteral((Element(Anything()),))))
    assert box.ranges["th dport"] == ((0, 65535),)


def test_what_is_looked_at_through_maps_and_masks():
    lookup = Lookup(Select(PORT), SetRef("m"), (MARK.type,), (32,))
    inner = Binary("|", Concat((lookup, Numgen(2, 0, (MARK.type,)))), Value(1, MARK.type))
    assert [each.text for each in selectors_in(inner)] == ["tcp dport"]
    assert sets_in(inner) == ["m"]
    assert sets_in(Lookup(Select(PORT), SetLiteral(()), (), ())) == []


def test_boxes():
    ports = box_of(PORT, ((1, 9),))
    assert ports.ranges == {"meta l4proto": ((6, 6),), "th dport": ((1, 9),)}
    assert box_of(PORT, ()) is None
    assert Box().holds(ports)
    assert not ports.holds(Box())
    assert ports.within(box_of(SELECTORS["udp dport"], ((1, 9),))) is None


def test_names_that_begin_alike_are_neighbours():
    assert number_of("eth0") < number_of("eth0.5") < number_of("eth1") < number_of("wg0")


def test_ranges():
    assert joined([(3, 4), (1, 2), (9, 9)]) == ((1, 4), (9, 9))
    assert common(((1, 4), (9, 20)), ((4, 10), (15, 15), (30, 40))) == ((4, 4), (9, 10), (15, 15))
    assert covers(((1, 4), (9, 20)), ((2, 3), (9, 9)))
    assert not covers(((1, 4), (9, 20)), ((2, 5),))
    assert covers(((1, 4),), ())


def test_a_rule_without_a_place():
    assert where(Rule.of([Decide("drop")])) == "an earlier rule"
