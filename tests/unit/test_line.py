"""Members in order of entry, any of whom may leave."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from statefulinspect.line import Line, Link


def test_an_empty_line():
    line = Line()
    assert (len(line), list(line), line.oldest) == (0, [], None)
    line.check()


def test_leaving_twice_or_without_having_entered_changes_nothing():
    line, member = Line(), Link()
    line.leave(member)
    line.enter(member)
    line.leave(member)
    line.leave(member)
    assert len(line) == 0
    line.check()


class LineMachine(RuleBasedStateMachine):
    """A line beside a list."""

    def __init__(self):
        super().__init__()
        self.line, self.members = Line(), []

    @rule()
    def enter(self):
        self.members.append(Link())
        self.line.enter(self.members[-1])

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def leave(self, data):
        member = self.members.pop(data.draw(st.integers(0, len(self.members) - 1)))
        self.line.leave(member)
        assert member.older is member.newer is None

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def replace(self, data):
        at = data.draw(st.integers(0, len(self.members) - 1))
        member, self.members[at] = self.members[at], Link()
        self.line.replace(member, self.members[at])
        assert member.older is member.newer is None

    @invariant()
    def the_same_in_the_same_order(self):
        self.line.check()
        assert list(self.line) == self.members
        assert self.line.oldest is (self.members[0] if self.members else None)


TestLineMachine = LineMachine.TestCase
