"""How rules are checked: what is printed about each file, and whether all is well."""

from __future__ import annotations

import json
import sys
from typing import Any, Final, NamedTuple, Protocol

from statefulinspect.cli.options_check import CheckOptions
from statefulinspect.cli.places import place_of
from statefulinspect.cli.rulesfile import RulesFile, complaint, placed, position, split_warning
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.lint.lint import WARNING, Finding, lint
from statefulinspect.rules.rule import Place
from statefulinspect.rules.ruleset import Ruleset

WRONG: Final = 1


class FileCounts(NamedTuple):
    """Count what a file holds."""

    rules: int
    chains: int


class CheckReport(Protocol):
    """Say what every form of report can print."""

    def error(self, file: RulesFile, error: RuleError) -> None:
        """Print why a file is no ruleset."""
        ...

    def unsupported(self, name: str, warning: str) -> None:
        """Print what of the ruleset was left out."""
        ...

    def finding(self, name: str, finding: Finding) -> None:
        """Print one finding."""
        ...

    def summary(self, name: str, tally: FileCounts, findings: list[Finding]) -> None:
        """Print what a file holds."""
        ...


def check(options: CheckOptions) -> int:
    """Check all files; give the exit status."""
    report: CheckReport = JsonCheck() if options.is_json else TextCheck()
    is_well = True
    for name in options.files:
        file = RulesFile.opened(name, options.reading)
        try:
            findings = _check_one(file, report)
        except RuleError as error:
            report.error(file, error)
            is_well = False
        else:
            is_warned = any(each.level == WARNING for each in findings)
            is_well = is_well and not (options.is_strict and is_warned)
    return 0 if is_well else WRONG


def _check_one(file: RulesFile, report: CheckReport) -> list[Finding]:
    ruleset = file.parse()
    findings = [*lint(ruleset.tables)]
    for warning in ruleset.warnings:
        report.unsupported(file.name, warning)
    for finding in findings:
        report.finding(file.name, finding)
    report.summary(file.name, _tally(ruleset), findings)
    return findings


def _tally(ruleset: Ruleset) -> FileCounts:
    chains = [chain for table in ruleset.tables for chain in table.chains]
    return FileCounts(sum(len(chain.rules) for chain in chains), len(chains))


class TextCheck:
    """Print as compilers do."""

    def error(self, file: RulesFile, error: RuleError) -> None:
        """Print the error, the line that it is in, and a mark below its column."""
        self._line(f"{position(file.name, error)}: error: {complaint(error)}")
        line = file.line(error)
        if line:
            self._line(f"    {line}")
            before = line[: max(0, (error.column or 1) - 1)]
            self._line("    " + "".join("\t" if each == "\t" else " " for each in before) + "^")

    def unsupported(self, name: str, warning: str) -> None:
        """Print a warning behind its line, if it has one."""
        where, words = placed(name, warning)
        self._line(f"{where}: warning: {words} [unsupported]")

    def finding(self, name: str, finding: Finding) -> None:
        """Print one finding behind its line; behind its rule where there are no lines."""
        place = finding.place
        about = f"{place}: " if place is not None and place.line is None else ""
        words = f"{about}{finding.message} [{finding.kind}]"
        self._line(f"{_where(name, place)}: {finding.level}: {words}")

    def summary(self, name: str, tally: FileCounts, findings: list[Finding]) -> None:
        """Print what a file holds."""
        held = f"{_count(tally.rules, 'rule')} in {_count(tally.chains, 'chain')}"
        found = _count(len(findings), "finding") if findings else "no findings"
        self._line(f"{name}: {held}, {found}")

    @staticmethod
    def _line(text: str) -> None:
        sys.stdout.write(text + "\n")


class JsonCheck:
    """Print one JSON object a line; `type` is error, finding, or file at the end of each file."""

    def error(self, file: RulesFile, error: RuleError) -> None:
        """Print why a file is no ruleset."""
        self._line(
            {
                "type": "error",
                "file": error.name or file.name,
                "line": error.line,
                "column": error.column,
                "message": error.message,
            }
        )

    def unsupported(self, name: str, warning: str) -> None:
        """Print what of the ruleset was left out."""
        file, line, words = split_warning(name, warning)
        kind = {"level": "warning", "kind": "unsupported"}
        fields = {"type": "finding", "file": file, "line": line, **kind, "message": words}
        self._line({**fields, "place": None})

    def finding(self, name: str, finding: Finding) -> None:
        """Print one finding."""
        place = finding.place
        self._line(
            {
                "type": "finding",
                "file": (place.file if place else "") or name,
                "line": place.line if place else None,
                "level": finding.level,
                "kind": finding.kind,
                "message": finding.message,
                "place": place_of(place),
            }
        )

    def summary(self, name: str, tally: FileCounts, findings: list[Finding]) -> None:
        """Print what a file holds."""
        self._line(
            {
                "type": "file",
                "file": name,
                "rules": tally.rules,
                "chains": tally.chains,
                "findings": len(findings),
            }
        )

    @staticmethod
    def _line(fields: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(fields) + "\n")


def _where(name: str, place: Place | None) -> str:
    """Write where a rule is, as compilers do; only the file where there are no lines."""
    if place is None or place.line is None:
        return name
    return f"{place.file or name}:{place.line}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
