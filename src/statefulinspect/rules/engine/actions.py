"""What each statement of a rule does to a packet on its walk: made once, done for each packet.

A step goes on with None, or ends the rule: with `NEXT` if the packet does not match, else with what
the rule decides.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Callable, Final, Mapping, NamedTuple, Optional  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.engine.census import ConnectionsMemory
from statefulinspect.rules.engine.comparing import test_of
from statefulinspect.rules.engine.memory import Memory, memory_of
from statefulinspect.rules.engine.reading import (
    Read,
    are_met,
    can_be_tried,
    live_set,
    may_change,
    needs_of,
    reading_of,
)
from statefulinspect.rules.engine.scope import LiveScope
from statefulinspect.rules.engine.setting import setter
from statefulinspect.rules.engine.updating import updater
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.constants import SetRef
from statefulinspect.rules.syntax.expressions import Select
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
from statefulinspect.terms import ACCEPT, DROP, HOLD, REJECT, UNTRACKED_BIT, Action


@attrs.frozen
class Decision:
    """Tell how a rule ends: with a packet's fate, `action`, or by going to a chain or back."""

    kind: str
    action: Action | None = None
    chain: str = ""


ACCEPTED: Final = Decision("accept", ACCEPT)
DROPPED: Final = Decision("drop", DROP)
REJECTED: Final = Decision("reject", REJECT)
NEXT: Final = Decision("continue")
RETURN: Final = Decision("return")
UNSURE: Final = Decision("unsure", HOLD)  # the packet has to be seen: there is none yet
DECISIONS: Final = {each.kind: each for each in (ACCEPTED, DROPPED, NEXT, RETURN)}

Outcome = Optional[Decision]
Step = Callable[[Walk], Outcome]


class Deed(NamedTuple):
    """Hold a statement's step, and whether packets of one flow may fare differently there.

    `can_be_tried` tells that whatever it does stays within the walk, as a counter notes there what
    it counts, or can be put back at little cost. `memory` is what the statement remembers, `read`
    how a match reads what it looks at.
    """

    step: Step
    varies: bool = False
    can_be_tried: bool = False
    memory: Memory | None = None
    read: Read | None = None


def decision_of(verdict: Decide) -> Decision:
    """Give the decision of a verdict statement."""
    return DECISIONS.get(verdict.kind) or Decision(verdict.kind, None, verdict.chain)


def _match(match: Match, scope: LiveScope) -> Deed:
    read, varies = reading_of(match.left, scope.sets)
    needs = list(needs_of(match.left))
    passes, may_differ = _comparison(match, scope)
    is_triable = all(can_be_tried(each, scope.sets) for each in (match.left, match.right))

    def step(walk: Walk) -> Outcome:
        for need in needs:  # `are_met`, written out: every match comes here
            if need.read(walk) not in need.allowed:
                return NEXT
        value = read(walk)
        return None if value is not None and passes(walk, value) else NEXT

    def tell(walk: Walk) -> Any:
        return read(walk) if are_met(needs, walk) else None

    return Deed(step, varies or may_differ, is_triable, read=tell)


def _comparison(match: Match, scope: LiveScope) -> tuple[Callable[[Walk, Any], bool], bool]:
    """Make the comparison of a value, and tell whether the next packet may fare otherwise by it."""
    if not isinstance(match.right, SetRef):
        test = test_of(match.operator, match.right)
        return lambda _, value: test(value), False
    found = scope.sets[match.right.name]
    if match.operator == "!=":
        return lambda walk, value: found.seek(value, walk) is None, may_change(found)
    return lambda walk, value: found.admits(value, walk) is not None, may_change(found)


def _outcome_of(verdict: Decide) -> Outcome:
    """Give what a verdict within a rule leads to: behind continue the rule goes on."""
    decision = decision_of(verdict)
    return None if decision is NEXT else decision


@lru_cache(maxsize=1024)
def _to_decide(outcome: Outcome) -> Deed:
    return Deed(lambda _: outcome, can_be_tried=True)


def _decide(verdict: Decide, _: LiveScope) -> Deed:
    return _to_decide(_outcome_of(verdict))


def _reject(_: Reject, __: LiveScope) -> Deed:
    return Deed(lambda _: REJECTED, can_be_tried=True)


def _decide_by(statement: DecideBy, scope: LiveScope) -> Deed:
    read, varies = reading_of(statement.key, scope.sets)
    found = live_set(statement.data, scope.sets)
    needs = list(needs_of(statement.key))
    for item in found:
        item.data = _outcome_of(item.element.data)

    def step(walk: Walk) -> Outcome:
        if not are_met(needs, walk):
            return NEXT
        value = read(walk)
        item = None if value is None else found.admits(value, walk)
        return NEXT if item is None else item.data

    is_triable = not found.may_count and can_be_tried(statement.key, scope.sets)
    return Deed(step, varies or may_change(found), is_triable)


def _stateful(statement: Any, _: LiveScope) -> Deed:
    memory = memory_of(statement)
    return _passing(memory, varies=not isinstance(statement, (Count, Last)))


def _passing(memory: Memory, *, varies: bool) -> Deed:
    passes = memory.passes
    return Deed(_using(passes), varies, not isinstance(memory, ConnectionsMemory), memory)


def _use(statement: UseObject, scope: LiveScope) -> Deed:
    if not isinstance(statement.name, Mapped):
        used = scope.objects[statement.kind, statement.name]
        if statement.kind in ("counter", "quota", "limit"):
            return _passing(used, varies=statement.kind != "counter")
        return Deed(_using(used), varies=statement.kind != "ct helper")
    read = reading_of(statement.name.key, scope.sets).read
    found, needs = live_set(statement.name.data, scope.sets), list(needs_of(statement.name.key))
    kind = statement.kind

    def step(walk: Walk) -> Outcome:
        if not are_met(needs, walk):
            return NEXT
        value = read(walk)
        item = None if value is None else found.admits(value, walk)
        if item is None:
            return NEXT
        named = scope.objects[kind, str(item.element.data)]
        return _using(getattr(named, "passes", named))(walk)

    return Deed(step, varies=True)


def _using(use: Callable[[Walk], bool]) -> Step:
    """Make the step of an object's use, which may refuse the packet for good."""

    def step(walk: Walk) -> Outcome:
        passes = use(walk)
        if walk.refused is not None:
            return DROPPED
        return None if passes else NEXT

    return step


def _log(_: Log, __: LiveScope) -> Deed:
    return Deed(lambda _: None, can_be_tried=True)


def _exempt(_: Exempt, __: LiveScope) -> Deed:
    def step(walk: Walk) -> Outcome:
        if not walk.is_tracked and not walk.has_zone:
            walk.is_exempt, walk.ct_bits = True, UNTRACKED_BIT
        return None

    return Deed(step, can_be_tried=True)


def _assign(assign: Assign, scope: LiveScope) -> Deed:
    read, varies = reading_of(assign.value, scope.sets)
    needs = [*needs_of(Select(assign.target)), *needs_of(assign.value)]
    assign_to, differs = setter(assign.target)

    def step(walk: Walk) -> Outcome:
        if not are_met(needs, walk):
            return NEXT
        value = read(walk)
        return None if value is not None and assign_to(walk, value) else NEXT

    is_triable = not assign.target.text.startswith("ct ") and can_be_tried(assign.value, scope.sets)
    return Deed(step, varies or differs, is_triable)


def _update(update: UpdateSet, scope: LiveScope) -> Deed:
    change = updater(update, scope.sets)
    return Deed(lambda walk: None if change(walk) else NEXT, varies=True)


MAKERS: Final[Mapping[type, Callable[[Any, LiveScope], Deed]]] = {
    Match: _match,
    Decide: _decide,
    Reject: _reject,
    DecideBy: _decide_by,
    UseObject: _use,
    Log: _log,
    Exempt: _exempt,
    Assign: _assign,
    UpdateSet: _update,
}


def action_of(statement: Statement, scope: LiveScope) -> Deed:
    """Make the step of a statement."""
    return MAKERS.get(type(statement), _stateful)(statement, scope)
