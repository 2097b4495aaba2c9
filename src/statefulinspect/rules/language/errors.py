"""How a text that the parser cannot read is reported: the word, and what can stand there."""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Final, Iterable, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.rules.errors import RuleError, near, near_first
from statefulinspect.rules.language.tree import Word
from statefulinspect.rules.language.words import CLASSES, FAMILY_WORDS

END: Final = "the end of the line"
ENDS: Final[Mapping[str, str]] = {"_NL": END, "$END": "the end of the text"}
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
VERBS: Final = ("add", "create", "insert", "replace", "delete", "destroy", "flush")
REJECTS: Final = ("icmp", "icmpv6", "icmpx", "tcp")
OPENERS: Final = ("table", "chain", "set", "map", "rule", "element", "flowtable")
COMMANDS: Final = (
    *("table", "chain", "rule", "set", "map", "element", "counter", "quota", "limit", "flowtable"),
    *(*VERBS, "rename", "reset", "list", "ruleset", "define", "redefine", "undefine", "include"),
)


def unexpected(error: Any, terminals: Iterable[Any], can_take: Any) -> RuleError:
    """Report a word that cannot stand where it does: lark's error in the words of nft."""
    word = error.token
    before = _misspelt_before(error.state.value_stack, word)
    if before is not None:
        misspelt, meant = before
        msg = f"{str(misspelt)!r}: expected one of {', '.join(near_first(str(misspelt), meant))}"
        return RuleError(msg, misspelt.line, misspelt.column)
    names = {name for name in error.expected if can_take(name, error.state)} - UNSAID
    spelled = {each.name: each.pattern.value for each in terminals if each.pattern is not None}
    text = ENDS.get(word.type) or repr(shown(word))
    known = [each for name in sorted(names) for each in CLASSES.get(name, [spelled.get(name, "")])]
    close = near(str(word), known)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    said = "}" if word.type == "$END" and "RBRACE" in names else _listed(_said(names, spelled))
    return RuleError(f"{text}: expected {said}{hint}", word.line, word.column)


def _misspelt_before(values: list[Any], word: Any) -> tuple[Word, tuple[str, ...]] | None:
    """Find the word before that is to blame, with what can stand in its place.

    A misspelt command or family reads like a name, and only a later word cannot stand there.
    """
    if values and isinstance(values[-1], dict) and "chain" in values[-1]:  # the place of a rule
        place = values[-1]
        values = [*values[:-1], place["table"], place["chain"]]
    names = list(takewhile(_is_name, reversed(values)))
    if not names or not isinstance(names[-1], Word):
        return None
    first, rest = names[-1], values[: -len(names)]
    opener = rest[-1] if rest else None
    if opener == "with":
        return None if first in REJECTS else (first, REJECTS)
    if (opener is None or not isinstance(opener, Word) or opener in VERBS) and word.type != "{":
        return (first, COMMANDS) if near(first, COMMANDS) else None
    is_family = len(names) == 1 and opener in OPENERS and word.type in ("NAME", "NUMBER")
    return (first, FAMILY_WORDS) if is_family and near(first, FAMILY_WORDS) else None


def _is_name(value: Any) -> bool:
    return isinstance(value, Word) and value.type in ("NAME", "FAMILY")


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
