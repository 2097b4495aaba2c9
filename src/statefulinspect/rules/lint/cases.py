"""What a rule does with which packets: its cases, and how sure they are.

A rule has a case for each box of packets and each decision; a verdict map has one for each element.
A case is sure if every packet of its box meets the decision: not if a limit or a set that grows
stands before it, or if a rule of the table changes what it looks at.
"""

from __future__ import annotations

from typing import Final, Iterator, Optional, Sequence, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.lint.boxes import PORT_HEADERS, Box, base_box
from statefulinspect.rules.lint.matches import MANY, UNKNOWN, Known, known_of
from statefulinspect.rules.lint.ranges import single
from statefulinspect.rules.lint.reach import behind, elements_of
from statefulinspect.rules.rule import Form, Rule
from statefulinspect.rules.syntax.constants import Anything, Element, Joined, SetLiteral, meet
from statefulinspect.rules.syntax.expressions import (
    Binary,
    Concat,
    Lookup,
    Select,
    selectors_in,
    sets_in,
)
from statefulinspect.rules.syntax.stateful import Count, Last
from statefulinspect.rules.syntax.statements import (
    Assign,
    Decide,
    DecideBy,
    Exempt,
    Log,
    Mapped,
    Match,
    Reject,
    Statement,
    UpdateSet,
    UseObject,
)
from statefulinspect.rules.tables import Chain, Table

Decision = Optional[Union[Decide, Reject]]
ENDS: Final = frozenset({"accept", "drop", "return", "goto"})
ALWAYS_THERE: Final = frozenset({"meta mark", "meta length", "meta nfproto"})
PASSING_OBJECTS: Final = frozenset({"counter", "ct helper", "ct timeout"})


@attrs.frozen
class Case:
    """Hold what becomes of the packets in a box; None if the rule decides nothing of them."""

    box: Box
    decision: Decision
    is_sure: bool

    @property
    def is_end(self) -> bool:
        """Tell whether no packet of the box goes on to the next rule."""
        if isinstance(self.decision, Decide):
            return self.is_sure and self.decision.kind in ENDS
        return self.is_sure and self.decision is not None


@attrs.frozen(eq=False)
class View:
    """Hold a chain with what is found out once about it and the chains that it sends packets to.

    `base` is the box of all packets it sees, `targets` what rules set on the way, `growing` the
    names of the sets that packets or time change; `is_zoned` tells that packets may be given zones,
    which makes them new before they are tracked.
    """

    table: Table
    base: Box
    targets: tuple[str, ...]
    growing: frozenset[str]
    is_zoned: bool = False

    @classmethod
    def of(cls, chain: Chain, table: Table, *, is_zoned: bool = False) -> View:
        """Look through the rules that a packet may meet in a chain."""
        rules = [rule for each in behind(chain, table) for rule in each.rules]
        statements = [each for rule in rules for form in rule.forms for each in form]
        growing = {each.name for each in table.sets if each.flags & {"dynamic", "timeout"}}
        growing |= {each.name for each in statements if isinstance(each, UpdateSet)}
        targets = dict.fromkeys([*filter(None, map(_target, statements)), *table.gaps.targets])
        base = base_box(table.family)
        return cls(table, base, tuple(targets), frozenset(growing), is_zoned)

    def may_change(self, match: Match) -> bool:
        """Tell whether a match may answer otherwise further down, for the same packet."""
        selectors = {each.text for each in selectors_in(match.left)}
        names = {*sets_in(match.left), *sets_in(match.right)}
        return (
            not selectors  # numgen
            or bool(names & self.growing)
            or any(_touches(target, text) for target in self.targets for text in selectors)
        )

    def known(self, match: Match) -> Known:
        """Turn a match into boxes, if it gives the same answer all along the chain."""
        return UNKNOWN if self.may_change(match) else known_of(match, self.table.find_set)


def cases_of(rule: Rule, view: View) -> list[Case]:
    """List the cases of a rule: every packet that it could decide is in one of them."""
    return [case for form in rule.forms for case in _form_cases(form, view)]


def _form_cases(form: Form, view: View) -> Iterator[Case]:
    boxes, is_sure = [view.base], True
    for statement in form:
        if isinstance(statement, Match):
            boxes, is_exact = narrowed(boxes, view.known(statement))
            is_sure = is_sure and is_exact
        elif isinstance(statement, DecideBy):
            yield from _map_cases(statement, view, [(box, is_sure) for box in boxes])
            if statement is form[-1] or not _may_continue(statement, view.table):
                return
            is_sure = False
        else:
            is_sure = is_sure and _lets_all_pass(statement)
    last = form[-1] if form and isinstance(form[-1], (Decide, Reject)) else None
    if isinstance(last, Reject):
        needed = Box({text: single(allowed) for text, allowed in last.needs})
        boxes, _ = narrowed(boxes, Known((needed,)))
    for box in boxes:
        yield Case(box, last, is_sure)


def narrowed(boxes: list[Box], known: Known) -> tuple[list[Box], bool]:
    """Give the boxes of what passes a further match, and whether they are exact."""
    if len(boxes) * len(known.boxes) > MANY:
        return boxes, False
    found = [box.within(other) for box in boxes for other in known.boxes]
    return [each for each in found if each is not None], known.is_exact


def _map_cases(statement: DecideBy, view: View, boxes: list[tuple[Box, bool]]) -> Iterator[Case]:
    """Make a case of each element of a verdict map; a named one may get others at any time."""
    is_literal = isinstance(statement.data, SetLiteral)
    if not is_literal:
        yield from (Case(box, None, is_sure=False) for box, _ in boxes)
    elements = elements_of(statement, view.table)
    for number, element in enumerate(elements):
        known = view.known(Match(statement.key, "==", element.key)) if is_literal else UNKNOWN
        is_own = not isinstance(element.key, Anything) or len(elements) == 1
        is_own = is_own and _is_first(number, elements)
        is_fixed = is_literal and known.is_exact and is_own and not element.statements
        decision = element.data if isinstance(element.data, Decide) else None
        for box, is_sure in boxes:
            for found in narrowed([box], known)[0]:
                yield Case(found, decision, is_sure and is_fixed)


def _may_continue(statement: DecideBy, table: Table) -> bool:
    """Tell whether packets may go on to what stands behind a verdict map; a named one may grow."""
    if not isinstance(statement.data, SetLiteral):
        return True
    return any(each.data == Decide("continue") for each in elements_of(statement, table))


def _is_first(number: int, elements: Sequence[Element]) -> bool:
    """Tell whether no element before one has a key of it; behind many that is not asked."""
    key = elements[number].key
    if not isinstance(key, Joined):
        return True
    if number > MANY:
        return False
    before = [each.key for each in elements[:number] if isinstance(each.key, Joined)]
    return not any(meet(each, key) for each in before)


def _lets_all_pass(statement: Statement) -> bool:
    """Tell whether the rule surely goes on behind a statement that is no match."""
    if isinstance(statement, UseObject):
        return statement.kind in PASSING_OBJECTS and not isinstance(statement.name, Mapped)
    if isinstance(statement, Assign):
        value = statement.value
        if not statement.target.text.startswith(("meta ", "ct ")):
            return False  # a packet may not have that header
        if isinstance(value, Select):
            return value.selector.text in ALWAYS_THERE
        return not isinstance(value, (Binary, Concat, Lookup))  # those may find nothing
    return isinstance(statement, (Count, Last, Log, Exempt, Decide, Reject))


def _target(statement: Statement) -> str:
    """Name what a statement sets: a selector, or ct for all that is known of the connection."""
    if isinstance(statement, Assign):
        return statement.target.text
    if isinstance(statement, UseObject) and statement.kind == "ct helper":
        return statement.kind
    return "ct" if isinstance(statement, Exempt) else ""


def _touches(target: str, text: str) -> bool:
    """Tell whether setting something may change what a selector reads."""
    own, other = target.partition(" ")[0], text.partition(" ")[0]
    if own == "meta":
        return text == target
    if own == "ct":
        return other == "ct" and (target in ("ct", text) or _last(target) == _last(text))
    return (
        own == other
        or "@" in (own[0], other[0])
        or {own, other} <= PORT_HEADERS | {"th"}
        or text.endswith("checksum")
    )


def _last(text: str) -> str:
    return text.rpartition(" ")[2]
