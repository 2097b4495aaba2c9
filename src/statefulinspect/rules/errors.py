"""What is raised for a rule that cannot be, and where in the ruleset it stands."""

from __future__ import annotations


class RuleError(ValueError):
    """Report a rule that cannot be: what was given, and what is expected.

    `line` and `column` count from 1 and are None where the rule was no text; `name` is that of
    an included file, or empty.

    >>> str(RuleError("'dprot': expected one of sport, dport", 3, 12))
    "line 3, column 12: 'dprot': expected one of sport, dport"
    """

    def __init__(
        self, message: str, line: int | None = None, column: int | None = None, name: str = ""
    ) -> None:
        self.message = message
        self.line = line
        self.column = column
        self.name = name
        place = "" if line is None else f"line {line}, column {column}: "
        super().__init__(f"{name}: {place}{message}" if name else place + message)
