"""The wheel against a dict from entry to deadline."""

from __future__ import annotations

from math import floor

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from statefulinspect.wheel import NOT_FILED, Wheel

pauses = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.75, 3.0, 64.0, 1e6])
lives = st.sampled_from([0.0, 0.25, 0.9, 1.0, 2.5, 3.0, 30.0, 3600.0])
picks = st.integers(0, 30)


class Entry:
    def __init__(self, expires_at):
        self.expires_at = expires_at
        self.filed_at = NOT_FILED


class WheelMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.wheel = Wheel()
        self.now = 0.0
        self.deadlines = {}
        self.gone = []

    def is_live(self):
        return bool(self.deadlines)

    def pick(self, number):
        return list(self.deadlines)[number % len(self.deadlines)]

    def move(self, entry, expires_at):
        """As a tracker does: only a deadline that moves before its slot is filed."""
        entry.expires_at = self.deadlines[entry] = expires_at
        if expires_at < entry.filed_at:
            self.wheel.file(entry)

    def take(self, entries):
        for entry in entries:
            assert self.deadlines.pop(entry) <= self.now, "early, or twice"
            assert entry.filed_at == NOT_FILED
            self.gone.append(entry)

    @rule(life=lives)
    def schedule(self, life):
        entry = Entry(self.now + life)
        self.deadlines[entry] = entry.expires_at
        self.wheel.file(entry)

    @precondition(is_live)
    @rule(number=picks, more=lives)
    def later(self, number, more):
        entry = self.pick(number)
        self.move(entry, max(entry.expires_at, self.now) + more)

    @precondition(is_live)
    @rule(number=picks, share=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    def sooner(self, number, share):
        entry = self.pick(number)
        self.move(entry, self.now + max(0.0, entry.expires_at - self.now) * share)

    @precondition(is_live)
    @rule(number=picks)
    def file_again(self, number):
        self.wheel.file(self.pick(number))

    @precondition(is_live)
    @rule(number=picks)
    def cancel(self, number):
        entry = self.pick(number)
        del self.deadlines[entry]
        self.wheel.cancel(entry)
        self.gone.append(entry)

    @precondition(is_live)
    @rule(number=picks)
    def replace(self, number):
        entry = self.pick(number)
        another = Entry(self.deadlines.pop(entry))
        self.deadlines[another] = another.expires_at
        self.wheel.replace(entry, another)
        self.gone.append(entry)

    @precondition(lambda self: self.gone)
    @rule()
    def replace_what_is_gone(self):
        another = Entry(self.now)
        self.wheel.replace(self.gone[-1], another)
        assert another.filed_at == NOT_FILED

    @precondition(lambda self: self.gone)
    @rule()
    def cancel_what_is_gone(self):
        self.wheel.cancel(self.gone[-1])

    @rule(pause=pauses)
    def advance(self, pause):
        self.now += pause
        while self.wheel.next_tick_at <= self.now:
            self.take(self.wheel.due(self.now, 3))
        for deadline in self.deadlines.values():
            assert floor(deadline) + 1 > self.now, "older than one tick"

    @rule(pause=pauses)
    def take_all(self, pause):
        self.now += pause
        self.take(self.wheel.take(self.now))
        assert all(deadline > self.now for deadline in self.deadlines.values())

    @rule(pause=pauses, at_most=st.integers(1, 3))
    def advance_a_little(self, pause, at_most):
        self.now += pause
        taken = self.wheel.due(self.now, at_most)
        assert len(taken) <= at_most
        self.take(taken)

    @rule()
    def earliest_is_exact(self):
        assert self.wheel.earliest() == min(self.deadlines.values(), default=None)

    @invariant()
    def the_same_is_left(self):
        self.wheel.check()
        assert self.wheel.count() == len(self.deadlines)

    @invariant()
    def what_has_passed_is_known(self):
        passed = list(self.wheel.passed(self.now))
        assert len(passed) == len(set(passed))
        assert set(passed) == {each for each, at in self.deadlines.items() if at <= self.now}

    @invariant()
    def no_tick_is_missed(self):
        filed = [entry.filed_at for entry in self.deadlines]
        assert NOT_FILED not in filed
        assert not filed or self.wheel.next_tick_at <= min(filed) + 1


TestWheelMachine = WheelMachine.TestCase
TestWheelMachine.settings = settings(stateful_step_count=60, deadline=None)
