"""What variables stand for, and how included files come in: the pass behind the parser.

A variable holds from its definition on, within the block of its definition and the blocks in it.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Final, Iterator, Mapping, Union  # noqa: UP035 - Python 3.9

from statefulinspect.rules.errors import RuleError, near_first
from statefulinspect.rules.language.items import Define, Draft, Include, Property, Undefine
from statefulinspect.rules.language.tree import (
    Node,
    Number,
    Seconds,
    Word,
    error_at,
    like,
    parts_of,
)

IN_TEXT: Final = re.compile(r"\$[A-Za-z0-9_]*")
Parse = Callable[[str, str], list[Any]]  # text and what it may hold, to items
DEEPEST: Final = 15  # included files within each other, as in nft
# The name of a file, to its text, or to the texts of all that the name means by their own names.
Resolve = Callable[[str], Union[str, Mapping[str, str]]]


class VariableScope:
    """Hold the variables of a block, and those around it."""

    def __init__(self, outer: VariableScope | None = None) -> None:
        self._values: dict[str, Any] = {}
        self._outer = outer

    def define(self, item: Define, value: Any) -> None:
        """Let a name stand for a value; RuleError if it already stands for one."""
        if item.name in self._values and not item.is_redefined:
            msg = f"{str(item.name)!r} is defined already: expected redefine"
            raise error_at(item.name, msg)
        self._values[item.name] = value

    def undefine(self, item: Undefine) -> None:
        """Forget a name; RuleError if it was not defined in this block."""
        if item.name not in self._values:
            msg = f"{str(item.name)!r} is not defined here"
            raise error_at(item.name, msg)
        del self._values[item.name]

    def value(self, variable: Word) -> Any:
        """Give what a variable stands for."""
        for scope in self._scopes():
            if variable[1:] in scope._values:  # noqa: SLF001 - of its own class
                return scope._values[variable[1:]]  # noqa: SLF001
        names = [f"${name}" for scope in self._scopes() for name in scope._values]  # noqa: SLF001
        names = near_first(variable, names)
        known = f"expected one of {', '.join(names)}" if names else "no variable is defined"
        msg = f"{str(variable)!r}: {known}"
        raise error_at(variable, msg)

    def _scopes(self) -> Iterator[VariableScope]:
        scope: VariableScope | None = self
        while scope is not None:
            yield scope
            scope = scope._outer  # noqa: SLF001


class Filler:
    """Fill in variables and included files."""

    def __init__(self, parse: Parse, resolve: Resolve | None) -> None:
        self._parse = parse
        self._resolve = resolve
        self._open_files: list[str] = []

    def fill(self, items: list[Any], scope: VariableScope, within: str = "start") -> list[Any]:
        """Give the items with every variable and included file filled in."""
        filled: list[Any] = []
        for item in items:
            if isinstance(item, Define):
                scope.define(item, substitute(item.value, scope))
            elif isinstance(item, Undefine):
                scope.undefine(item)
            elif isinstance(item, Include):
                filled += self._include(item.file, scope, within)
            else:
                filled.append(self._filled(item, scope))
        return filled

    def _filled(self, item: Any, scope: VariableScope) -> Any:
        if isinstance(item, Draft):
            item.fields = substitute(item.fields, scope)
            if item.items is not None:
                within = f"{item.kind}_items"
                item.items = self.fill(item.items, VariableScope(scope), within)
        elif isinstance(item, Property):
            item.value = substitute(item.value, scope)
        else:
            item = substitute(item, scope)
        return item

    def _include(self, file: Word, scope: VariableScope, within: str) -> list[Any]:
        """Read an included file; its definitions are those of the block that includes it."""
        if file in self._open_files:
            chain = " -> ".join([*self._open_files, file])
            msg = f"include {str(file)!r}: it includes itself: {chain}"
            raise error_at(file, msg)
        if len(self._open_files) == DEEPEST:
            msg = f"include {str(file)!r}: expected at most {DEEPEST} files within each other"
            raise error_at(file, msg)
        texts = self._texts(file)
        filled: list[Any] = []
        self._open_files.append(str(file))
        for name, text in texts.items():
            filled += self.fill(self._read(text, name, within), scope, within)
        self._open_files.pop()
        return filled

    def _texts(self, file: Word) -> Mapping[str, str]:
        """Ask for the texts of a file, or of several, by their names."""
        if self._resolve is None:
            msg = (
                f"include {str(file)!r}: expected no files, for there is nothing to read them with"
            )
            raise error_at(file, msg)
        try:
            found: object = self._resolve(str(file))
        except (OSError, LookupError) as error:
            msg = f"include {str(file)!r}: {error}"
            raise error_at(file, msg) from None
        if not isinstance(found, (str, Mapping)):
            msg = f"resolve gave {type(found).__name__}: expected a text, or texts by their names"
            raise TypeError(msg)
        return {str(file): found} if isinstance(found, str) else found

    def _read(self, text: str, name: str, within: str) -> list[Any]:
        try:
            items = self._parse(text, within)
        except RuleError as error:
            raise RuleError(error.message, error.line, error.column, name) from None
        for item in items:
            name_file(item, name)
        return items


def name_file(part: Any, name: str) -> None:
    """Write on every part of an item which file it stands in."""
    if isinstance(part, (Node, Word, Number, Seconds)):
        part.name = name
    for each in parts_of(part):
        name_file(each, name)


def substitute(part: Any, scope: VariableScope) -> Any:
    """Give a part of the tree with what its variables stand for."""
    if isinstance(part, Word):
        return _word(part, scope)
    if isinstance(part, Node):
        for key, value in part.items():
            if isinstance(value, (Word, list, dict)):
                part[key] = substitute(value, scope)
        if "set" in part and isinstance(part["set"], list):
            part["set"] = _flat(part["set"])
        return part
    if isinstance(part, dict):
        return {key: substitute(value, scope) for key, value in part.items()}
    if isinstance(part, list):
        return [substitute(each, scope) for each in part]
    return part


def _word(word: Word, scope: VariableScope) -> Any:
    """Give what a word stands for: itself, unless it is a variable or has some within."""
    if word.type == "TEMPLATE":
        return _filled_in(word, scope)
    return scope.value(word) if word.type == "VARIABLE" else word


def _filled_in(template: Word, scope: VariableScope) -> Word:
    """Fill in the variables of a text; they must stand for words and numbers."""

    def text_of(found: re.Match[str]) -> str:
        value = scope.value(like(template, found[0]))
        if not isinstance(value, (str, int)):
            msg = f"{found[0]!r}: expected a variable that stands for text, as it is in a text"
            raise error_at(template, msg)
        return str(value)

    return like(template, IN_TEXT.sub(text_of, template))


def _flat(elements: list[Any]) -> list[Any]:
    """Let the elements of a set that stands among elements stand there themselves."""
    flat: list[Any] = []
    for element in elements:
        if isinstance(element, Node) and isinstance(element.get("set"), list):
            flat += element["set"]
        else:
            flat.append(element)
    return flat
