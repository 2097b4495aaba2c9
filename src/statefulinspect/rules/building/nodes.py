"""How the builder takes nft's JSON apart, and refuses what is not as it should be.

Whatever the tree holds, only `RuleError` is raised: it tells what was given, what is expected, and
where that stands if the tree was read from text. What nftables has but this library has not is an
`UnsupportedError`, which `unsupported="ignore"` turns into a warning.
"""

from __future__ import annotations

import re
from typing import Any, Final, Mapping, NoReturn  # noqa: UP035 - Python 3.9

from statefulinspect.rules.errors import RuleError, near_first
from statefulinspect.rules.language.tree import place_of
from statefulinspect.rules.words.reserved import NO_NAMES
from statefulinspect.rules.words.symbols_notation import octets_in

Tree = Mapping[str, Any]
M64: Final = (1 << 64) - 1
LONGEST_SHOWN: Final = 60
LONGEST_TEXT: Final = 128
LISTED: Final = re.compile(r'[^\s"{};]{1,255}')  # names by iptables, which nft reads in JSON only
NAME: Final = re.compile(r"(?!\.\Z)[A-Za-z_.][A-Za-z0-9_./-]{0,254}")


class UnsupportedError(RuleError):
    """Report what nftables has and this library has not."""


class MissingError(RuleError):
    """Report that what a command speaks of is not there."""


def _place(parts: tuple[object, ...]) -> tuple[int | None, int | None, str]:
    """Tell the place of the first part that has one."""
    for part in parts:
        line, column, name = place_of(part)
        if line is not None:
            return line, column, name
    return None, None, ""


def refuse(message: str, *parts: object) -> NoReturn:
    """Raise `RuleError` for the first of the parts that knows where it stands."""
    raise RuleError(message, *_place(parts))


def refuse_missing(message: str, *parts: object) -> NoReturn:
    """Raise `MissingError`: something is not there."""
    raise MissingError(message, *_place(parts))


def refuse_unsupported(what: str, instead: str, *parts: object) -> NoReturn:
    """Raise `UnsupportedError`, which tells what there is instead."""
    message = f"{what} is not supported: {instead}"
    raise UnsupportedError(message, *_place(parts))


def at_place(error: RuleError, *parts: object) -> RuleError:
    """Give the error a place if it has none."""
    if error.line is not None:
        return error
    return type(error)(error.message, *_place(parts))


def shown(part: object) -> str:
    """Write a part of the tree for an error, in short."""
    if isinstance(part, Mapping):
        return f"{{{', '.join(map(str, part))}}}"
    if isinstance(part, (list, tuple)):
        return f"a list of {len(part)}"
    text = repr(str(part)) if isinstance(part, str) else str(part)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def only(part: object, expected: str) -> tuple[str, Any]:
    """Take an object of one key apart."""
    if not isinstance(part, Mapping) or len(part) != 1:
        refuse(f"{shown(part)}: expected {expected}", part)
    key, value = next(iter(part.items()))
    return str(key), value


def fields(part: object, what: str) -> Tree:
    """Take an object; None is one without fields."""
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        refuse(f"{what} {shown(part)}: expected an object", part)
    return part


def needed(node: Tree, key: str, what: str) -> Any:
    """Take a field that must be there."""
    if node.get(key) is None:
        refuse(f"{what} without {key}", node)
    return node[key]


def word(node: Tree, key: str, what: str, default: str | None = None) -> str:
    """Take a field that is text; it must be there unless there is a default."""
    value = node.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or not value:
        refuse(f"{what}: {key} {shown(value)}: expected text", value, node)
    return value


def name_in(node: Tree, key: str, what: str) -> str:
    """Take a name that nft can write."""
    value = word(node, key, what)
    if not NAME.fullmatch(value):
        refuse(f"{what}: {key} {shown(value)}: expected letters, digits and _ . / -", value, node)
    if value in NO_NAMES:
        refuse(f"{what}: {key} {shown(value)}: expected a word not nft's own", value, node)
    return value


def chain_name_in(node: Tree, key: str, what: str) -> str:
    """Take the name of a chain; nft's JSON may have such as its text cannot."""
    value = word(node, key, what)
    is_json = place_of(value)[0] is None
    return value if is_json and LISTED.fullmatch(value) else name_in(node, key, what)


def text(node: Tree, key: str, what: str) -> str:
    """Take text for people, a comment or a prefix; empty if there is none."""
    value = "" if node.get(key) == "" else word(node, key, what, "")
    octets = octets_in(value)
    if octets > LONGEST_TEXT:
        refuse(f"{what}: {key} of {octets} octets: expected {LONGEST_TEXT}", value, node)
    if '"' in value or "\n" in value:
        refuse(f"{what}: {key} {shown(value)}: expected text without quotation marks", value, node)
    return value


def whole(part: object, what: str, highest: int = M64) -> int:
    """Take a whole number from 0 to `highest`."""
    if not isinstance(part, int) or isinstance(part, bool) or not 0 <= part <= highest:
        refuse(f"{what} {shown(part)}: expected 0 to {highest}", part)
    return int(part)


def flag(node: Tree, key: str, what: str) -> bool:
    """Take a field that is true or false; false if it is not there."""
    value = node.get(key, False)
    if not isinstance(value, (bool, int)):
        refuse(f"{what}: {key} {shown(value)}: expected true or false", value, node)
    return bool(value)


def several(part: object) -> list[Any]:
    """Take one thing or a list of them; None is none."""
    if part is None:
        return []
    return list(part) if isinstance(part, (list, tuple)) else [part]


def rules_within(statement: object) -> list[Any] | None:
    """Take the rules of the chain that stands in a jump or goto; None if it is called by name."""
    if not isinstance(statement, Mapping):
        return None
    inner = statement.get("jump", statement.get("goto"))
    return several(inner["rules"]) if isinstance(inner, Mapping) and "rules" in inner else None


def one_of(part: object, known: Mapping[str, Any] | tuple[str, ...], what: str) -> str:
    """Take one of the words that are known."""
    if not isinstance(part, str) or part not in known:
        words = near_first(part, known) if isinstance(part, str) else list(known)
        refuse(f"{what} {shown(part)}: expected one of {', '.join(words)}", part)
    return str(part)
