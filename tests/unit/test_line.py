"""Members in order of entry, any of whom may leave."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from statefulinspect.line import Line, Link


def test_an_empty_line():
    line = Line()
    assert (len(line), list(line), line.oldest) == (0, [], None)
    line.check()


def test_who_has_left_may_enter_again():
    line, member = Line(), Link()
    for _ in range(2):
        line.enter(member)
        assert line.oldest is member
        line.leave(member)
        assert (len(line), member.older, member.newer) == (0, None, None)
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
