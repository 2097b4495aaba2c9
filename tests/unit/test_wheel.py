"""Entries come back once their second has passed, and not before."""

from __future__ import annotations

from math import inf

import pytest

from statefulinspect.wheel import EMPTY_AT_MOST, NOT_FILED, Wheel


class Entry:
    def __init__(self, expires_at):
        self.expires_at = expires_at
        self.filed_at = NOT_FILED


def wheel_of(*entries):
    wheel = Wheel()
    for entry in entries:
        wheel.file(entry)
    wheel.check()
    return wheel


def test_an_empty_wheel():
    wheel = wheel_of()
    assert wheel.next_tick_at == inf
    assert wheel.earliest() is None
    assert wheel.due(1e18, 64) == []
    assert wheel.count() == 0


@pytest.mark.parametrize(
    ("now", "is_due"), [(0.0, False), (5.4, False), (5.5, False), (5.999, False), (6.0, True)]
)
def test_due_when_the_second_of_the_deadline_has_passed(now, is_due):
    entry = Entry(5.5)
    wheel = wheel_of(entry)
    assert wheel.due(now, 1) == [entry] * is_due
    assert wheel.count() == 1 - is_due
    wheel.check()


def test_what_is_taken_out_is_not_filed_and_comes_once():
    entry = Entry(5.5)
    wheel = wheel_of(entry)
    assert wheel.due(9, 64) == [entry]
    assert entry.filed_at == NOT_FILED
    assert wheel.due(9, 64) == []
    assert wheel.next_tick_at == inf


def test_the_next_tick_is_that_of_the_earliest_second():
    wheel = wheel_of(Entry(9.9))
    assert wheel.next_tick_at == 10
    wheel.file(Entry(3.0))
    assert wheel.next_tick_at == 4
    wheel.due(4, 1)
    wheel.due(4, 1)
    assert wheel.next_tick_at == 10


def test_a_later_deadline_needs_no_word_to_the_wheel():
    entry = Entry(5.5)
    wheel = wheel_of(entry)
    entry.expires_at = 8.5
    assert wheel.due(7, 64) == []
    assert entry.filed_at == 8
    assert wheel.due(9, 64) == [entry]


def test_a_sooner_deadline_is_filed_at_once():
    entry = Entry(100.0)
    wheel = wheel_of(entry)
    entry.expires_at = 2.0
    wheel.file(entry)
    wheel.check()
    assert wheel.count() == 1
    assert wheel.due(3, 64) == [entry]


def test_the_work_is_bounded():
    entries = [Entry(at / 10) for at in range(10)]
    wheel = wheel_of(*entries)
    assert [len(wheel.due(50, 4)) for _ in range(4)] == [4, 4, 2, 0]


def test_filing_again_counts_as_work():
    entries = [Entry(0.0) for _ in range(4)]
    wheel = wheel_of(*entries)
    for entry in entries[1:]:
        entry.expires_at = 20.0
    assert wheel.due(5, 3) == []
    assert wheel.due(5, 3) == entries[:1]


def test_the_earliest_second_comes_first():
    early, late = Entry(1.0), Entry(2.0)
    wheel = wheel_of(late, early)
    assert wheel.due(9, 64) == [early, late]


def test_cancelled_entries_are_gone_and_stay_gone():
    entry, other = Entry(5.5), Entry(5.6)
    wheel = wheel_of(entry, other)
    wheel.cancel(entry)
    wheel.cancel(entry)
    wheel.check()
    assert entry.filed_at == NOT_FILED
    assert wheel.due(9, 64) == [other]


def test_a_cancelled_entry_can_be_filed_again():
    entry = Entry(5.5)
    wheel = wheel_of(entry)
    wheel.cancel(entry)
    wheel.file(entry)
    assert wheel.due(6, 64) == [entry]


def test_earliest_is_exact_after_deadlines_moved_later():
    first, second, third = Entry(101.0), Entry(102.75), Entry(102.5)
    wheel = wheel_of(first, second, third)
    first.expires_at = 107.0
    assert wheel.earliest() == 102.5
    third.expires_at = 102.9
    assert wheel.earliest() == 102.75
    wheel.cancel(second)
    wheel.cancel(third)
    assert wheel.earliest() == 107.0
    wheel.check()


def test_passed_sees_what_due_may_not_take_yet():
    over, running = Entry(5.25), Entry(5.75)
    wheel = wheel_of(over, running, Entry(6.0))
    assert wheel.due(5.5, 64) == []
    assert list(wheel.passed(5.5)) == [over]
    assert list(wheel.passed(5.25)) == [over]
    assert list(wheel.passed(5.2)) == []
    assert list(wheel.passed(5.75)) == [over, running]
    assert len(list(wheel.passed(5.999))) == 2
    assert len(list(wheel.passed(6.0))) == 3


def test_a_deadline_before_time_zero():
    entry = Entry(-0.5)
    wheel = wheel_of(entry)
    assert entry.filed_at == -1
    assert wheel.due(0, 1) == [entry]


def test_seconds_that_a_float_can_no_longer_count():
    entry = Entry(1e17)
    wheel = wheel_of(entry)
    assert wheel.due(1e17 - 16, 64) == []
    assert wheel.due(1e17, 64) == [entry]


def test_check_notices_a_deadline_moved_sooner_behind_its_back():
    entry = Entry(5.5)
    wheel = wheel_of(entry)
    entry.expires_at = 4.0
    with pytest.raises(AssertionError, match="filed after its deadline"):
        wheel.check()


def test_check_notices_an_entry_in_the_wrong_bucket():
    entry = Entry(5.5)
    wheel = wheel_of(entry)
    entry.filed_at = 4
    with pytest.raises(AssertionError, match="in the wrong one"):
        wheel.check()


def test_removed_entries_leave_nothing_behind():
    """Only a few empty seconds are kept, however many entries came and went."""
    wheel = Wheel()
    for second in range(10_000):
        entry = Entry(second)
        wheel.file(entry)
        wheel.cancel(entry)
        if second % 1000 == 0:
            wheel.check()
    assert len(wheel._buckets) <= EMPTY_AT_MOST
    assert len(wheel._empty) <= EMPTY_AT_MOST


def test_a_second_that_filled_again_is_not_dropped():
    wheel = Wheel()
    kept = Entry(5)
    wheel.file(kept)
    wheel.cancel(kept)
    wheel.file(kept)
    for second in range(100, 100 + 2 * EMPTY_AT_MOST):
        entry = Entry(second)
        wheel.file(entry)
        wheel.cancel(entry)
    wheel.check()
    assert wheel.due(6, 10) == [kept]


def test_take_drops_many_seconds_though_one_has_an_entry_in_anothers_place():
    wheel, entries = Wheel(), [Entry(second + 0.5) for second in range(EMPTY_AT_MOST + 5)]
    for entry in entries:
        wheel.file(entry)
    for entry in entries[:-1]:
        wheel.cancel(entry)
    another = Entry(entries[-1].expires_at)
    wheel.replace(entries[-1], another)
    for entry in entries[:-1]:
        wheel.file(entry)
    assert wheel.take(1e6) == [*entries[:-1], another]
    wheel.check()
    assert wheel.count() == 0


def test_take_gives_what_has_passed_in_the_order_of_filing_and_leaves_the_rest():
    early, late, moved, other = Entry(5.5), Entry(5.9), Entry(5.6), Entry(7.0)
    wheel = wheel_of(other, early, late, moved)
    moved.expires_at = 9.0
    assert wheel.take(5.7) == [early]
    assert wheel.take(7.0) == [late, other]
    assert [each.filed_at for each in (early, late, other)] == [NOT_FILED] * 3
    wheel.check()
    assert wheel.take(9.0) == [moved]
    assert wheel.count() == 0
    wheel.check()


@pytest.mark.parametrize(
    "end",
    [
        lambda wheel: wheel.due(99.0, 64),
        lambda wheel: wheel.take(99.0),
        lambda wheel: [wheel.cancel(each) for each in list(wheel.passed(99.0))],
    ],
    ids=["due", "take", "cancel"],
)
def test_who_stood_in_anothers_place_leaves_it_and_can_be_filed_again(end):
    """Whatever becomes of it then, and of who stood there before."""
    before, after, other = Entry(5.5), Entry(5.5), Entry(5.7)
    wheel = wheel_of(before, other)
    wheel.replace(before, after)
    wheel.check()
    assert (before.filed_at, after.filed_at) == (NOT_FILED, 5)
    assert list(wheel.passed(99.0)) == [after, other]
    end(wheel)
    wheel.check()
    assert not wheel._places
    for entry in (after, before):
        entry.expires_at, entry.filed_at = 7.5, NOT_FILED
        wheel.file(entry)
    wheel.check()
    assert wheel.due(9.0, 64)[::-1] == [after, before]


def test_no_more_seconds_are_kept_empty_than_may_be():
    entries = [Entry(float(second)) for second in range(EMPTY_AT_MOST + 3)]
    wheel = wheel_of(*entries, Entry(1e6))
    for number, entry in enumerate(entries, start=1):
        wheel.cancel(entry)
        wheel.check()
        assert len(wheel._buckets) == len(entries) + 1 - max(0, number - EMPTY_AT_MOST)
