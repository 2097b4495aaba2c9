"""What a test has found: each judged record, and where it is not as expected."""

from __future__ import annotations

import attrs

from statefulinspect.cli.expectations import Answer, Expected
from statefulinspect.rules.rule import Place


@attrs.frozen
class Judged:
    """Hold what became of one record; `place` is that of the rule that decided."""

    number: int
    seconds: float
    summary: str
    answer: Answer
    place: Place | None = None


@attrs.frozen
class Difference:
    """Hold a packet that fares otherwise than expected.

    `expected` is None for one that nobody expects, `judged` for one that there is not.
    """

    number: int
    expected: Expected | None
    judged: Judged | None


@attrs.frozen
class Result:
    """Hold what a test found: how many records there are, were compared, and differ."""

    records: int
    compared: int
    differing: int
    first: Difference | None = None
    trace: str = ""
