"""How the result of a test is written: for people, and for programs."""

from __future__ import annotations

import json
import sys
from typing import Any

import attrs

from statefulinspect.cli.judged import Difference, Judged, Result
from statefulinspect.cli.places import place_of


def print_text(result: Result, expect: str) -> None:
    """Print OK, or the first packet that differs and its way through the rules."""
    lines = _lines(result, expect)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def print_json(result: Result, expect: str) -> None:
    """Print one JSON object, always with the same keys."""
    first = result.first
    fields = {
        "type": "test",
        "expectations": expect,
        "records": result.records,
        "compared": result.compared,
        "differing": result.differing,
        "first": None if first is None else _difference(first, result.trace),
    }
    sys.stdout.write(json.dumps(fields) + "\n")


def print_update(records: int, expect: str, *, is_json: bool) -> None:
    """Print that expectations were written; for people, on standard error."""
    if is_json:
        fields = {"type": "update", "expectations": expect, "records": records}
        sys.stdout.write(json.dumps(fields) + "\n")
    else:
        sys.stderr.write(f"{expect}: {records} packets written\n")


def _lines(result: Result, expect: str) -> list[str]:
    left_out = result.records - result.compared
    if result.first is None:
        more = f", {left_out} not compared" if left_out else ""
        return [f"OK: {result.compared} packets as expected{more}"]
    trace = [f"    {line}" for line in result.trace.splitlines()]
    differing = f"{result.differing} of {result.compared} packets differ"
    return [
        *_about(result.first, result.records, expect),
        *(["  trace", *trace] if trace else []),
        differing if result.differing <= result.compared else f"{result.differing} differ",
    ]


def _about(first: Difference, records: int, expect: str) -> list[str]:
    expected = first.expected
    words = f"{expected.answer} ({expect}:{expected.line})" if expected else "nothing"
    if first.judged is None:
        return [
            f"packet {first.number}: the capture ends with packet {records}",
            f"  expected  {words}",
        ]
    judged = first.judged
    return [
        f"packet {first.number} at {judged.seconds:.6f}: {judged.summary}",
        f"  expected  {words}",
        f"  got       {_got(judged)}",
    ]


def _got(judged: Judged) -> str:
    """Write what became of a packet, with the place of the rule before its text."""
    answer = judged.answer
    if judged.place is None:
        return str(answer)
    return f"{attrs.evolve(answer, by=str(judged.place))}: {answer.by}"


def _difference(first: Difference, trace: str) -> dict[str, Any]:
    expected, judged = first.expected, first.judged
    return {
        "number": first.number,
        "time": judged.seconds if judged else None,
        "summary": judged.summary if judged else None,
        "expected": str(expected.answer) if expected else None,
        "line": expected.line if expected else None,
        "got": attrs.asdict(judged.answer) if judged else None,
        "place": place_of(judged.place) if judged else None,
        "trace": trace.splitlines(),
    }
