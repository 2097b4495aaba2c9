"""How a text that the parser cannot read is reported: the word, and what can stand there."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final, Iterable, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.language.words import CLASSES

END: Final = "the end of the line"
# What the parser calls it, and how it is said; the grammar's other terminals are nft's own words.
NAMED: Final[Mapping[str, str]] = {
    "NAME": "a name",
    "QUOTED": "a quoted string",
    "NUMBER": "a number",
    "DURATION": "a duration",
    "ADDRESS": "an address",
    "VARIABLE": "a $variable",
    "SET_NAME": "a set's @name",
    "PREFIX": "a prefix length",
    "BITS": "& | ^ << >>",
    "COMPARE": "== != < > <= >=",
    "NOT": "!",
}
CONSTANTS: Final = frozenset({"NAME", "QUOTED", "NUMBER", "DURATION", "ADDRESS", "VARIABLE"})
UNSAID: Final = frozenset({"HANDLE", "EXISTS", "SEMICOLON", "RAW", "$END", "LPAR"})
STATEMENT: Final = frozenset({"REJECT", "NOTRACK"})  # where these can stand, any statement can
LONGEST: Final = 40


def unexpected(error: Any, terminals: Iterable[Any], can_take: Any) -> RuleError:
    """Report a word that cannot stand where it does: lark's error in the words of nft."""
    word = error.token
    names = {name for name in error.expected if can_take(name, error.state)} - UNSAID
    spelled = {each.name: each.pattern.value for each in terminals if each.pattern is not None}
    text = END if word.type == "_NL" else repr(shown(word))
    known = [each for name in names for each in CLASSES.get(name, [spelled.get(name, "")])]
    close = get_close_matches(str(word), known, n=1, cutoff=0.75)
    hint = f"; did you mean {close[0]}?" if close else ""
    said = _listed(_said(names, spelled))
    return RuleError(f"{text}: expected {said}{hint}", word.line, word.column)


def shown(word: Any) -> str:
    """Give the word as it stood in the text."""
    return f'"{word}"' if word.type == "QUOTED" else str(word)


def _said(names: set[str], spelled: Mapping[str, str]) -> list[str]:
    """Say what can stand there: kinds of words, then words themselves, then the end."""
    found: list[str] = []
    if names >= STATEMENT:
        found.append("a statement")
        names &= NAMED.keys() | {"COMMENT", "_NL"}
    if names >= CONSTANTS:
        found.append("a value")
        names -= CONSTANTS
    found += [said for name, said in NAMED.items() if name in names]
    for name in sorted(names - NAMED.keys() - {"_NL"}):
        found += CLASSES.get(name, [spelled.get(name, name.lower())])
    if "_NL" in names:
        found.append(END)
    return list(dict.fromkeys(found))


def _listed(words: list[str]) -> str:
    """List the words; a long list is cut."""
    if len(words) == 1:
        return words[0]
    return f"one of {', '.join(words[:LONGEST])}{', ...' if len(words) > LONGEST else ''}"
