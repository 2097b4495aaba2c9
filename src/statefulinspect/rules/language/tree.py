"""What a ruleset read from text is made of: nft's JSON, whose parts know where they stand.

A `Node` is an object of nft's JSON, a `Word` a string, a `Number` an integer, `Seconds` a duration
that is not whole. They compare like the dict, str, int and float they are, so that a tree read
from text equals the one that `nft -j` writes. Lines and columns count from 1; `name` is that of
the included file where the part stands, and empty for the text itself.
"""

from __future__ import annotations

from typing import Any, Final, Mapping, Optional  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.errors import RuleError

TextPlace = tuple[Optional[int], Optional[int], str]
DEEPEST: Final = 200  # lists and objects within each other: 95 operations on a constant
LEAVES: Final = (str, int, float, type(None))


class Node(dict[str, Any]):
    """Hold one object of nft's JSON.

    >>> Node({"accept": None}, 3, 12).line
    3
    """

    name = ""

    def __init__(
        self, content: Mapping[str, Any], line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(content)
        self.line = line
        self.column = column


class Word(str):
    """Hold a string of nft's JSON; `is_quoted` tells that it stood in double quotes.

    >>> Word("ssh", 3, 12) == "ssh"
    True
    """

    line: int | None
    column: int | None
    name = ""
    type = ""  # as which terminal of the grammar it was read
    is_quoted = False

    def __new__(cls, text: str, line: int | None = None, column: int | None = None) -> Word:
        """Make a string that knows its place."""
        word = super().__new__(cls, text)
        word.line = line
        word.column = column
        return word


def like(word: Word, text: str) -> Word:
    """Make a string that stands where another does, and is quoted as it is."""
    made = Word(text, word.line, word.column)
    made.name, made.is_quoted = word.name, word.is_quoted
    return made


class Number(int):
    """Hold an integer of nft's JSON.

    >>> Number(22, 3, 12) == 22
    True
    """

    line: int | None
    column: int | None
    name = ""
    type = ""

    def __new__(cls, value: int, line: int | None = None, column: int | None = None) -> Number:
        """Make an integer that knows its place."""
        number = super().__new__(cls, value)
        number.line = line
        number.column = column
        return number


class Seconds(float):
    """Hold a duration that is no whole number of seconds, like 500ms.

    >>> Seconds(0.5, 3, 12) == 0.5
    True
    """

    line: int | None
    column: int | None
    name = ""
    type = ""

    def __new__(cls, value: float, line: int | None = None, column: int | None = None) -> Seconds:
        """Make a duration that knows its place."""
        seconds = super().__new__(cls, value)
        seconds.line = line
        seconds.column = column
        return seconds


def place_of(part: object) -> TextPlace:
    """Tell line, column and file of a part of the tree; of a list, those of its first part."""
    while isinstance(part, (list, tuple)) and part:
        part = part[0]
    return getattr(part, "line", None), getattr(part, "column", None), getattr(part, "name", "")


def node_at(part: object, content: dict[str, Any]) -> Node:
    """Make a node that stands where another part of the tree does; so do the dicts in it."""
    place = place_of(part)
    for key, value in content.items():
        if type(value) is dict:
            content[key] = _node(value, place)
    return _node(content, place)


def _node(content: dict[str, Any], place: TextPlace) -> Node:
    line, column, name = place
    node = Node(content, line, column)
    if name:
        node.name = name
    return node


def error_at(part: object, message: str) -> RuleError:
    """Make the error that a part of the tree is wrong."""
    return RuleError(message, *place_of(part))


def parts_of(part: Any) -> Any:
    """Give what a part of the tree is made of; nothing if it is a leaf."""
    if isinstance(part, (list, tuple)):
        return part
    if isinstance(part, Mapping):
        return part.values()
    if attrs.has(type(part)):
        return [getattr(part, field.name) for field in attrs.fields(type(part))]
    return ()


def refuse_too_deep(tree: object) -> None:
    """Raise RuleError for more lists and objects within each other than DEEPEST.

    So those who read the tree may call themselves, on every interpreter: the stack of a caller who
    has not used up half of it has room. Nobody writes as many, though nft takes more.
    """
    level = [tree]
    for _ in range(DEEPEST):
        found = (each for part in level for each in parts_of(part) if not isinstance(each, LEAVES))
        level = list({id(each): each for each in found}.values())  # what is shared counts once
        if not level:
            return
    msg = f"expected at most {DEEPEST} things within each other"
    raise error_at(level, msg)
