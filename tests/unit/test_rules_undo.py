"""What a walk has changed is put back, the latest change first, unless it is forgotten."""

from __future__ import annotations

from statefulinspect.rules.engine.undo import Undo


class Number:
    """Something that remembers a number."""

    def __init__(self):
        self.value = 0

    def save(self):
        return self.value

    def restore(self, saved):
        self.value = saved


def changed(undo):
    """Two numbers, the first of which was changed twice."""
    one, other = Number(), Number()
    for number, value in ((one, 1), (other, 2), (one, 3)):
        undo.touch(number)
        number.value = value
    return [one, other]


def test_everything_is_put_back_once():
    undo = Undo()
    numbers = changed(undo)
    undo.undo()
    assert [each.value for each in numbers] == [0, 0]
    numbers[0].value = 7
    undo.undo()
    assert numbers[0].value == 7


def test_what_is_forgotten_stays():
    undo = Undo()
    numbers = changed(undo)
    undo.forget()
    undo.undo()
    assert [each.value for each in numbers] == [3, 2]
