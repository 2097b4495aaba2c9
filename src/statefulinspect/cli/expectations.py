"""What a test expects of the packets of a capture, and how that is written.

A line names packets by their numbers (`3`, `3-10`, `3,5-7`), then what is expected, in any order:
an action, a ct state, a direction, the name of a reason; last, behind `by`, the text of the rule
that decides, or `policy`. What a line leaves out is not compared. `not-ip` stands for records
without an IP packet, and # begins a comment, but within quotation marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from statefulinspect.cli.places import COUNTS, comparable, text_of
from statefulinspect.cli.report import decided_by
from statefulinspect.connection import Verdict
from statefulinspect.terms import OK, Action, CtState, Direction, Reason

NOT_IP: Final = "not-ip"
NUMBER: Final = r"\d{1,18}(\s*-\s*\d{1,18})?"  # longer ones Python may not read at all
NUMBERS: Final = re.compile(rf"{NUMBER}(\s*,\s*{NUMBER})*(?!\S)", re.ASCII)
BY: Final = re.compile(r"(?<!\S)by(?!\S)")
COMMENT: Final = re.compile(r'((?:[^"#]|"[^"]*"|(?<=\S)#)*)(?:#.*)?')
WORDS: Final = {
    **{each.value: "action" for each in Action},
    NOT_IP: "action",
    **{each.value: "ct_state" for each in CtState},
    **{each.value: "direction" for each in Direction},
    **{each.name: "reason" for each in Reason},
}
KINDS: Final = "an action, a ct state, a direction, a reason or by RULE"
HIGHEST: Final = 1_000_000  # packets in one range; a slip of the finger must not fill the memory
HEADER: Final = "# What becomes of each packet: NUMBERS ACTION CT-STATE [REASON] [by RULE]\n"


class ExpectationError(Exception):
    """Report a line that is no expectation."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


@attrs.frozen
class Answer:
    """Hold what becomes of a packet, or is expected to; what is empty is not compared."""

    action: str = ""
    ct_state: str = ""
    direction: str = ""
    reason: str = ""
    by: str = ""

    @classmethod
    def of(cls, verdict: Verdict) -> Answer:
        """Write a verdict in words."""
        direction = verdict.direction.value if verdict.direction else ""
        by = text_of(verdict.rule) if verdict.rule is not None else decided_by(verdict)
        reason = verdict.reason.name
        return cls(verdict.action.value, verdict.ct_state.value, direction, reason, by)

    def meets(self, expected: Answer) -> bool:
        """Tell whether all that is expected is so."""
        pairs = zip(attrs.astuple(expected._comparable()), attrs.astuple(self._comparable()))
        return all(wanted in ("", found) for wanted, found in pairs)

    def _comparable(self) -> Answer:
        return attrs.evolve(self, by=comparable(self.by))

    def __str__(self) -> str:
        """Write it as in a line of expectations; OK goes without saying."""
        reason = "" if self.reason == OK.name else self.reason
        by = f"by {self.by}" if self.by else ""
        return " ".join(filter(None, (self.action, self.ct_state, self.direction, reason, by)))


@attrs.frozen
class Expected:
    """Hold what a line expects."""

    line: int
    answer: Answer


def read_expectations(text: str) -> dict[int, Expected]:
    """Read expectations by the packets' numbers; ExpectationError where they cannot be read."""
    found: dict[int, Expected] = {}
    for line, words in enumerate(text.splitlines(), start=1):
        content = _without_comment(words)
        if not content:
            continue
        numbers, rest = _split(line, content)
        wanted = list(_numbers(line, numbers))
        expectation = Expected(line, _answer(line, rest))
        for number in wanted:
            if number in found:
                msg = f"packet {number} stands on line {found[number].line} already"
                raise ExpectationError(line, msg)
            found[number] = expectation
    return found


def write_expectations(answers: Iterable[tuple[int, Answer]], before: str) -> str:
    """Write answers, a line for each run of equal ones; keeps the comment on top of `before`."""
    runs: list[tuple[int, int, str]] = []
    for number, answer in answers:
        words = str(attrs.evolve(answer, direction=""))
        if runs and runs[-1][1:] == (number - 1, words):
            runs[-1] = (runs[-1][0], number, words)
        else:
            runs.append((number, number, words))
    lines = [f"{_range(first, last):<9} {words}\n" for first, last, words in runs]
    return _top(before) + "".join(lines)


def _without_comment(line: str) -> str:
    match = COMMENT.match(line)
    return (match[1] if match else line).strip()


def _split(line: int, content: str) -> tuple[str, str]:
    """Take the numbers of packets from the front."""
    match = NUMBERS.match(content)
    if match is None:
        word = content.split(maxsplit=1)[0]
        raise ExpectationError(line, f"{word!r}: expected numbers of packets, as 3, 3-10 or 3,5-7")
    return match[0], content[match.end() :]


def _answer(line: int, text: str) -> Answer:
    """Read what stands behind the numbers."""
    head, *rule = BY.split(text, maxsplit=1)
    found = {"by": COUNTS.sub("counter", rule[0].strip())} if rule else {}
    for word in head.split():
        kind = WORDS.get(word)
        if kind is None:
            raise ExpectationError(line, f"{word!r}: expected {KINDS}")
        if kind in found:
            name = kind.replace("_", " ")
            raise ExpectationError(line, f"{word!r}: there is another {name}, {found[kind]!r}")
        found[kind] = word
    if not any(found.values()):
        raise ExpectationError(line, f"nothing is expected: there should be {KINDS}")
    return Answer(**found)


def _numbers(line: int, text: str) -> Iterator[int]:
    """Go over the numbers of packets; they count from 1."""
    for part in text.split(","):
        first, dash, last = part.partition("-")
        start, stop = int(first), int(last if dash else first)
        if not 1 <= start <= stop:
            raise ExpectationError(line, f"{part!r}: packets count from 1, and ranges upwards")
        if stop > start + HIGHEST:
            raise ExpectationError(line, f"{part!r}: expected at most {HIGHEST:,} packets at once")
        yield from range(start, stop + 1)


def _top(before: str) -> str:
    """Give the comment on top of a file, or that of a new one."""
    top: list[str] = []
    for line in before.splitlines(keepends=True):
        if line.strip() and not line.startswith("#"):
            break
        top.append(line)
    return "".join(top) or HEADER


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
