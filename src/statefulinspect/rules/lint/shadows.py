"""Which rules can never match, because an earlier one of their chain has decided of the packets."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from statefulinspect.rules.lint.boxes import Box
from statefulinspect.rules.lint.cases import Case, View, cases_of
from statefulinspect.rules.lint.finding import Finding, where
from statefulinspect.rules.lint.ranges import Ranges
from statefulinspect.rules.rule import Form, Rule
from statefulinspect.rules.syntax.stateful import Count, CountConnections, Last, Limit, Quota
from statefulinspect.rules.syntax.statements import Assign, Decide, UpdateSet
from statefulinspect.rules.tables import Chain

Shape = tuple[tuple[str, ...], tuple[str, ...]]  # the axes of a box, and those with one number
VARYING = (Limit, Quota, CountConnections, UpdateSet, Assign)


@attrs.frozen(eq=False)
class Decided:
    """Know the boxes of packets that no longer come, and by which rules; found without a search.

    Boxes of one shape lie together, by their numbers on the axes where they have a single one.
    """

    base: Box
    _shapes: dict[Shape, dict[tuple[Ranges, ...], list[tuple[Box, Rule]]]] = attrs.Factory(dict)

    def add(self, box: Box, rule: Rule) -> None:
        """Note that the packets of a box go no further than a rule."""
        asked = {
            axis: ranges
            for axis, ranges in box.ranges.items()
            if self.base.ranges.get(axis) != ranges
        }
        points = tuple(sorted(axis for axis, ranges in asked.items() if _is_point(ranges)))
        shelf = self._shapes.setdefault((tuple(sorted(asked)), points), {})
        found = shelf.setdefault(tuple(asked[axis] for axis in points), [])
        found.append((Box(asked, box.riddles), rule))

    def by(self, box: Box) -> Rule | None:
        """Give the rule that lets none of a box's packets go on; None if there is none."""
        for (axes, points), shelf in self._shapes.items():
            if all(axis in box.ranges for axis in axes):
                for other, rule in shelf.get(tuple(box.ranges[axis] for axis in points), ()):
                    if other.holds(box):
                        return rule
        return None


def shadow_findings(chain: Chain, view: View, ending: frozenset[str]) -> Iterator[Finding]:
    """Find the rules of a chain that can never match; of those behind its end, only the first."""
    decided = Decided(view.base)
    for at, rule in enumerate(chain.rules):
        ended_by = decided.by(view.base)
        if ended_by is not None:
            yield Finding(rule.place, "unreachable", _behind_end(ended_by, len(chain.rules) - at))
            return
        cases = cases_of(rule, view)
        yield from _shadowed(rule, cases, decided)
        is_next = at > 0 and (chain.name, at) not in view.table.gaps.places
        if is_next and _repeats(rule, chain.rules[at - 1]):
            words = f"says the same as {where(chain.rules[at - 1])}, right before it"
            yield Finding(rule.place, "duplicate", words)
        for case in cases:
            if ends(case, ending):
                decided.add(case.box, rule)


def ends(case: Case, ending: frozenset[str]) -> bool:
    """Tell whether no packet of a case goes on, given the chains that decide all their packets."""
    decision = case.decision
    if isinstance(decision, Decide) and decision.kind == "jump":
        return case.is_sure and decision.chain in ending
    return case.is_end


def ending_chains(chains: tuple[Chain, ...], views: dict[str, View]) -> frozenset[str]:
    """Name the chains from which no packet returns: they decide of every one."""
    found: frozenset[str] = frozenset()
    while True:
        more = {each.name for each in chains if _decides_all(each, views[each.name], found)}
        if more == found:
            return found
        found = frozenset(more)


def _decides_all(chain: Chain, view: View, ending: frozenset[str]) -> bool:
    """Tell whether a chain comes to a rule that decides of all, and cannot be left before it."""
    gaps = view.table.gaps.places
    for at, rule in enumerate(chain.rules):
        if (chain.name, at) in gaps:
            return False
        cases = cases_of(rule, view)
        if any(_may_leave(case, ending) for case in cases):
            return False
        if any(ends(case, ending) and case.box.holds(view.base) for case in cases):
            return True
    return False


def _may_leave(case: Case, ending: frozenset[str]) -> bool:
    """Tell whether a case may take a packet back to the chain that it came from."""
    decision = case.decision
    if not isinstance(decision, Decide):
        return False
    return decision.kind == "return" or (decision.kind == "goto" and decision.chain not in ending)


def _shadowed(rule: Rule, cases: list[Case], decided: Decided) -> Iterator[Finding]:
    """Report a rule if earlier ones have decided of all that it could match."""
    found = [decided.by(case.box) for case in cases]
    rules = [each for each in dict.fromkeys(map(_Same, found)) if each.rule is not None]
    if not cases or any(each is None for each in found):
        return
    earlier = [each.rule for each in rules if each.rule is not None]
    if len(earlier) == 1 and _plain(rule) == _plain(earlier[0]):
        yield Finding(rule.place, "duplicate", f"says the same as {where(earlier[0])}")
        return
    names = " and ".join(where(each) for each in earlier)
    verb = "decides" if len(earlier) == 1 else "decide"
    words = f"never matches: {names} {verb} of all its packets ({_short(earlier[0])})"
    yield Finding(rule.place, "shadowed", words)


@attrs.frozen
class _Same:
    """Compare rules by identity: equal ones stand at different places."""

    rule: Rule | None = attrs.field(eq=id)


def _behind_end(rule: Rule, count: int) -> str:
    more = f", like the {count - 1} behind it" if count > 2 else ", like the one behind it"
    words = f"never reached: {where(rule)} lets no packet go on ({_short(rule)})"
    return words + (more if count > 1 else "")


def _short(rule: Rule) -> str:
    """Write a rule without its counters, and not at length."""
    text = " ".join(map(str, _plain(rule)[0])) if rule.forms else ""
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(rule: Rule) -> tuple[Form, ...]:
    """Give the statements but for those that only count."""
    return tuple(
        tuple(each for each in form if not isinstance(each, (Count, Last))) for form in rule.forms
    )


def _repeats(rule: Rule, before: Rule) -> bool:
    """Tell whether a rule that decides nothing, or jumps, stands twice in a row."""
    is_same = _plain(rule) == _plain(before) and any(rule.forms)
    varies = any(isinstance(each, VARYING) for form in rule.forms for each in form)
    return is_same and not varies and rule.action is None and bool(_plain(rule)[0])


def _is_point(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]
