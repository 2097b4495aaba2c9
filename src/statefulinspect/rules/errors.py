"""What is raised for a rule that cannot be, and where in the ruleset it stands."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Iterable  # noqa: UP035 - Python 3.9

SHORT = 3  # letters of words of which a single wrong one is much


def near(word: str, known: Iterable[str]) -> list[str]:
    """List the known words that a misspelt one may stand for, the likeliest first.

    >>> near("upd", ["tcp", "udp", "sctp"])
    ['udp']
    """
    words = list(dict.fromkeys(each for each in known if each))
    swapped = [each for each in words if sorted(each) == sorted(word)]
    swapped.sort(key=lambda each: each[0] != word[0])
    cutoff = 0.66 if len(word) <= SHORT else 0.75
    return swapped or get_close_matches(word, words, n=2, cutoff=cutoff)


def near_first(word: str, known: Iterable[str]) -> list[str]:
    """List the known words, those first that a misspelt one may stand for; a set's by alphabet.

    >>> near_first("dprot", ["sport", "dport"])
    ['dport', 'sport']
    """
    words = sorted(known) if isinstance(known, frozenset) else list(known)
    return list(dict.fromkeys([*near(word, words), *words]))


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
