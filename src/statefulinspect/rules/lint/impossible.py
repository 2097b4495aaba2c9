"""Which rules contradict themselves, or ask for what there is not where they stand.

New packets go in the original direction and have no answer yet; invalid and untracked ones belong
to no connection. Before packets are tracked, all are invalid to `ct state`, but for those that a
rule has exempted. At prerouting and input nobody knows the outgoing interface, at output there is
no incoming one.
"""

from __future__ import annotations

from typing import Callable, Final, Iterator, NamedTuple  # noqa: UP035 - Python 3.9

from statefulinspect.rules.lint.boxes import Box, axis_of, number_of
from statefulinspect.rules.lint.cases import View, narrowed
from statefulinspect.rules.lint.finding import Finding
from statefulinspect.rules.lint.matches import known_of
from statefulinspect.rules.lint.ranges import Ranges, common, covers, single
from statefulinspect.rules.lint.reach import HookPoint
from statefulinspect.rules.rule import Form, Rule
from statefulinspect.rules.syntax.constants import Bits, Value
from statefulinspect.rules.syntax.expressions import Select, selectors_in
from statefulinspect.rules.syntax.statements import Match
from statefulinspect.rules.tables import Chain
from statefulinspect.rules.words.symbols_system import CT_STATUS
from statefulinspect.terms import INVALID_BIT, NEW_BIT, UNTRACKED_BIT

REPLY_ONLY: Final = single([1])  # of `ct direction`
ANSWERED: Final = CT_STATUS["expected"] | CT_STATUS["seen-reply"] | CT_STATUS["assured"]
NOT_THERE: Final = single([INVALID_BIT, UNTRACKED_BIT])
NO_NAME: Final = single([number_of("")])


class Absent(NamedTuple):
    """Say at which hooks an interface is not known: one row, one reason."""

    selectors: tuple[str, ...]
    hooks: tuple[str, ...]
    because: str


# fmt: off
ABSENT: Final = (
    Absent(("meta oif", "meta oifname"), ("prerouting", "input"), "there is no outgoing interface"),
    Absent(("meta iif", "meta iifname"), ("output",),             "there is no incoming interface"),
)
# fmt: on


def impossible_findings(
    chain: Chain, view: View, arrivals: frozenset[HookPoint]
) -> Iterator[Finding]:
    """Find the rules of a chain that no packet can match, and conditions that all packets meet."""
    for rule in chain.rules:
        reasons = [_why(form, view, arrivals) for form in rule.forms]
        if reasons and all(reasons):
            yield Finding(rule.place, "impossible", f"never matches: {reasons[0]}")
            continue
        yield from _always(rule, view, arrivals)


def _why(form: Form, view: View, arrivals: frozenset[HookPoint]) -> str:
    """Say why no packet matches; empty if one may."""
    matches = [each for each in form if isinstance(each, Match) and not view.may_change(each)]
    boxes = [view.base]
    for number, match in enumerate(matches):
        left = narrowed(boxes, view.known(match))[0]
        if not left:
            return _clash(match, matches[:number], view)
        boxes = left
    asked = [each for each in form if isinstance(each, Match)]
    nowhere = (_nowhere(match, view, arrivals) for match in asked)
    return _without_connection(matches, boxes) or next(filter(None, nowhere), "")


def _clash(match: Match, before: list[Match], view: View) -> str:
    """Name the match before that leaves nothing."""
    own = narrowed([view.base], view.known(match))[0]
    if not own:
        if match.operator == "in" and _mask(match.right) == 0:
            return f"{match} asks for any one of no flags; {match.left} == 0 asks that none is set"
        return f"no packet of a table of this family has {match}"
    for other in before:
        if not narrowed(own, view.known(other))[0]:
            return f"{match} contradicts {other}"
    return f"{match} contradicts what stands before it"


def _without_connection(matches: list[Match], boxes: list[Box]) -> str:
    """Say what the packets' ct state contradicts."""
    if all(covers(NOT_THERE, box.ranges["ct state"]) for box in boxes):
        about = next((each for each in matches if _asks_connection(each)), None)
        return f"invalid and untracked packets have no {about.left}" if about else ""
    if not all(box.ranges["ct state"] == single([NEW_BIT]) for box in boxes):
        return ""
    if all(box.ranges.get("ct direction") == REPLY_ONLY for box in boxes):
        return "new packets go in the original direction: what answers them is established"
    status = next((each for each in matches if _asks_answered(each)), None)
    return f"{status}, but no answer to new packets was seen yet" if status else ""


def _asks_connection(match: Match) -> bool:
    texts = [each.text for each in selectors_in(match.left)]
    return any(each.startswith("ct ") and each != "ct state" for each in texts)


def _asks_answered(match: Match) -> bool:
    """Tell whether a match wants a status that no new connection has."""
    if not isinstance(match.left, Select) or match.left.selector.text != "ct status":
        return False
    mask = _mask(match.right)
    return match.operator == "in" and mask is not None and 0 < mask == mask & ANSWERED


def _mask(right: object) -> int | None:
    """Tell which bits a match asks for any of; None if it is no such match."""
    mask = (
        right.mask if isinstance(right, Bits) else right.value if isinstance(right, Value) else None
    )
    return mask if isinstance(mask, int) else None


def _nowhere(match: Match, view: View, arrivals: frozenset[HookPoint]) -> str:
    """Say why a match asks in vain where it stands; empty if it does not."""
    if not isinstance(match.left, Select):
        return ""
    if _all(arrivals, lambda each: each.is_early) and not view.is_zoned:
        words = f"packets are not tracked yet at priority {min(a.priority for a in arrivals)}"
        ranges = _ranges(match, view)
        if ranges is not None and match.left.selector.text == "ct state":
            return "" if common(ranges, NOT_THERE) else f"{words}, and all are invalid or untracked"
        if _asks_connection(match) and "zone" not in match.left.selector.text:
            return f"{words}, so there is no {match.left}"
    because, ranges = _absent(match, view, arrivals)
    return because if ranges is not None and not common(ranges, NO_NAME) else ""


def _always(rule: Rule, view: View, arrivals: frozenset[HookPoint]) -> Iterator[Finding]:
    """Find conditions that hold of every packet where the rule stands, and so say nothing."""
    matches = [each for form in rule.forms for each in form if isinstance(each, Match)]
    for match in matches:
        if not isinstance(match.left, Select):
            continue
        because, ranges = _absent(match, view, arrivals)
        if ranges is not None and common(ranges, NO_NAME):
            yield Finding(rule.place, "always", f"{match} holds of every packet: {because}")
        is_state = match.left.selector.text == "ct state"
        if is_state and _all(arrivals, lambda each: each.is_early) and not view.is_zoned:
            ranges = _ranges(match, view)
            if ranges is not None and covers(ranges, single([INVALID_BIT])):
                words = "holds of every packet that is not exempt: none is tracked yet"
                yield Finding(rule.place, "always", f"{match} {words}")


def _absent(match: Match, view: View, arrivals: frozenset[HookPoint]) -> tuple[str, Ranges | None]:
    """Say why there is no such interface, and which the match wants; None if there is one."""
    assert isinstance(match.left, Select)
    for row in ABSENT:
        is_asked = match.left.selector.text in row.selectors
        if is_asked and _all(arrivals, lambda each, row=row: each.hook in row.hooks):  # type: ignore[misc]
            hooks = " and ".join(sorted({each.hook for each in arrivals}))
            return f"{row.because} at {hooks}", _ranges(match, view)
    return "", None


def _ranges(match: Match, view: View) -> Ranges | None:
    """Give what a match wants of its only selector, whatever other rules set."""
    assert isinstance(match.left, Select)
    boxes = known_of(match, view.table.find_set).boxes
    return boxes[0].ranges.get(axis_of(match.left.selector)) if len(boxes) == 1 else None


def _all(arrivals: frozenset[HookPoint], is_so: Callable[[HookPoint], bool]) -> bool:
    return bool(arrivals) and all(map(is_so, arrivals))
