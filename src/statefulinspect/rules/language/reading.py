"""How nft's language is read: what `nft list ruleset` prints, and what people write.

The parser is lark's, of the grammar in `nftables.lark`. Out come commands in the form of nft's
JSON, libnftables-json(5), whose constants are still the words of the text: what they mean, and
whether this library knows it, is for the reader of that JSON to say.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.language.commands import commands
from statefulinspect.rules.language.errors import unexpected
from statefulinspect.rules.language.objects import Builder
from statefulinspect.rules.language.tree import Node, refuse_too_deep
from statefulinspect.rules.language.variables import Filler, Resolve, VariableScope

STARTS = ["start", "table_items", "chain_items"]


def read_text(text: str, resolve: Resolve | None = None) -> list[Node]:
    """Read a ruleset; `resolve` gives the text of an included file by its name, or several texts.

    >>> read_text("table inet t")
    [{'add': {'table': {'family': 'inet', 'name': 't'}}}]

    Raises RuleError, with line and column, for what is not in nft's language.
    """
    items = _parse(text, "start")
    if "$" in text or any(word in text for word in ("define", "include")):
        items = Filler(_parse, resolve).fill(items, VariableScope())
        refuse_too_deep(items)
    return commands(items)


@lru_cache(maxsize=1)
def _parser() -> Any:
    """Build the parser, once in a process."""
    try:
        from lark import Lark  # noqa: PLC0415 - lark is an extra: whoever reads no text needs none
    except ImportError:
        msg = "reading rules needs lark: pip install 'statefulinspect[rules]'"
        raise ImportError(msg) from None
    from statefulinspect.rules.language.lexer import NftLexer  # noqa: PLC0415 - it imports lark

    return Lark.open_from_package(
        __name__.rpartition(".")[0],
        "nftables.lark",
        parser="lalr",
        lexer=NftLexer,
        start=STARTS,
        transformer=Builder(),
        maybe_placeholders=True,
    )


def _parse(text: object, start: str) -> list[Any]:
    """Read a text into drafts and definitions; TypeError if it is none."""
    if not isinstance(text, str):
        msg = f"{type(text).__name__}: expected nft's text, a str"
        raise TypeError(msg)
    parser = _parser()
    from lark.exceptions import UnexpectedToken  # noqa: PLC0415 - lark is an extra

    from statefulinspect.rules.language.lexer import can_take  # noqa: PLC0415 - it imports lark

    try:
        items: list[Any] = parser.parse(text, start=start)
    except UnexpectedToken as error:
        if text.lstrip().startswith("{"):
            msg = "'{': expected nft's text; JSON is for Ruleset.from_json to read"
            raise RuleError(msg, error.token.line, error.token.column) from None
        raise unexpected(error, parser.terminals, can_take) from None
    refuse_too_deep(items)
    return items
