"""What stands between the parser and nft's JSON: commands whose variables are not filled in yet."""

from __future__ import annotations

from typing import Any

import attrs

from statefulinspect.rules.language.tree import Word


@attrs.define(eq=False)
class Draft:
    """Hold one command: its verb, the kind and the properties of its object.

    `items` is what stands in the object's block, in the order of the text; None without a block.
    `place` is the word at whose place in the text it stands.
    """

    verb: str
    kind: str
    fields: dict[str, Any]
    place: Any
    items: list[Any] | None = None


@attrs.define(eq=False)
class Define:
    """Hold `define` or `redefine`."""

    name: Word
    value: Any
    is_redefined: bool


@attrs.define(eq=False)
class Undefine:
    """Hold `undefine`."""

    name: Word


@attrs.define(eq=False)
class Include:
    """Hold `include`."""

    file: Word


@attrs.define(eq=False)
class Property:
    """Hold one line of a block that is no object of its own: `policy drop`, `flags interval`."""

    key: str
    value: Any
    place: Any
