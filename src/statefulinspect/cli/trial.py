"""How rules are tested: packet after packet is judged and compared with what is expected of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs

from statefulinspect.cli.capture import read_frames
from statefulinspect.cli.describe import describe
from statefulinspect.cli.expectations import (
    NOT_IP,
    Answer,
    ExpectationError,
    Expected,
    read_expectations,
    write_expectations,
)
from statefulinspect.cli.frame import Frame
from statefulinspect.cli.judged import Difference, Judged, Result
from statefulinspect.cli.options_test import PIPED, TrialOptions
from statefulinspect.cli.passing import Passage, Passenger
from statefulinspect.cli.rulesfile import UnreadableError, read_rules, read_text
from statefulinspect.cli.source import opened
from statefulinspect.cli.totals import Totals
from statefulinspect.cli.trial_report import print_json, print_text, print_update
from statefulinspect.decoding import decode
from statefulinspect.rules.ruleset import Ruleset

DIFFERS: Final = 1


def trial(options: TrialOptions) -> int:
    """Test the rules, or write down what they do; give the exit status."""
    rules = read_rules(options.rules, options.reading, options.way.hook)
    expected = {} if options.is_update else _read(options.expect)
    with opened(options.file) as source:
        frames = list(read_frames(source, PIPED))
    judged = [_judge(*each) for each in _passing(frames, _passage(rules, options))]
    if options.is_update:
        _update(options.expect, judged)
        print_update(len(judged), options.expect, is_json=options.is_json)
        return 0
    result = _compare(judged, expected, is_all=options.is_all)
    if result.first is not None and result.first.judged is not None:
        result = attrs.evolve(result, trace=_trace(rules, options, frames, result.first.number))
    (print_json if options.is_json else print_text)(result, options.expect)
    return DIFFERS if result.differing else 0


TrialStep = tuple[int, float, Passage, Passenger]


def _passage(rules: Ruleset, options: TrialOptions) -> Passage:
    return Passage.of(rules, options.setup, options.way)


def _passing(frames: Iterable[Frame], passage: Passage) -> Iterable[TrialStep]:
    """Go over the frames, with their numbers and their times since the first."""
    totals = Totals()
    for frame in frames:
        seconds = totals.begin_record(frame.at_ns)
        yield totals.records, seconds, passage, passage.find(frame)


def _judge(number: int, seconds: float, passage: Passage, passenger: Passenger) -> Judged:
    if passenger.other:
        return Judged(number, seconds, passenger.other, Answer(NOT_IP))
    verdict = passage.judge(passenger)
    place = None if verdict.rule is None else verdict.rule.place
    summary = describe(decode(passenger.wire))
    return Judged(number, seconds, summary, Answer.of(verdict), place)


def _compare(judged: list[Judged], expected: dict[int, Expected], *, is_all: bool) -> Result:
    """Compare all records with what is expected of them."""
    differences: list[Difference] = []
    for each in judged:
        wanted = expected.get(each.number)
        is_met = not is_all if wanted is None else each.answer.meets(wanted.answer)
        if not is_met:
            differences.append(Difference(each.number, wanted, each))
    beyond = sorted(number for number in expected if number > len(judged))
    differences += [Difference(number, expected[number], None) for number in beyond]
    first = differences[0] if differences else None
    compared = len(judged) + len(beyond) if is_all else len(expected)
    return Result(len(judged), compared, len(differences), first)


def _trace(rules: Ruleset, options: TrialOptions, frames: list[Frame], number: int) -> str:
    """Run everything again up to a packet, and tell how that one goes through the rules."""
    steps = _passing(frames[:number], _passage(rules, options))
    for at, seconds, passage, passenger in steps:
        if at == number and not passenger.other:
            return str(passage.trace(passenger))
        _judge(at, seconds, passage, passenger)
    return ""


def _read(name: str) -> dict[int, Expected]:
    try:
        return read_expectations(read_text(name))
    except ExpectationError as error:
        msg = f"{name}:{error.line}: {error}"
        raise UnreadableError(msg) from error


def _update(name: str, judged: list[Judged]) -> None:
    """Write the expectations anew; what stands on top of the file as a comment stays."""
    before = read_text(name) if Path(name).exists() else ""
    text = write_expectations(((each.number, each.answer) for each in judged), before)
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"{name}: {error.strerror}"
        raise UnreadableError(msg) from error
