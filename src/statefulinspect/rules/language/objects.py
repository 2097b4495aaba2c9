"""How tables, chains, sets and other objects become commands: one method for each grammar rule."""

from __future__ import annotations

from typing import Any

from statefulinspect.rules.language.blocks import Blocks
from statefulinspect.rules.language.expressions import Parts, among
from statefulinspect.rules.language.items import Define, Draft, Include, Undefine
from statefulinspect.rules.language.statements import CT_OBJECTS
from statefulinspect.rules.language.tree import error_at
from statefulinspect.rules.words.reserved import NO_NAMES, NO_VALUES


class Builder(Blocks):
    """Build the commands of a text, in its order."""

    def start(self, parts: Parts) -> Parts:
        """Give what the text holds, one command or definition after the other."""
        return parts

    table_items = chain_items = start

    # ---- names and plain words

    def plain_text(self, parts: Parts) -> Any:
        """Take a word for text."""
        return _free(parts[0], NO_NAMES, "text")

    def plain_value(self, parts: Parts) -> Any:
        """Take a word for a value."""
        return _free(parts[0], NO_VALUES, "a value")

    # ---- variables

    def define(self, parts: Parts) -> Define:
        """Build `define x = 22`."""
        name = _free(parts[1], NO_NAMES, "a name")
        return Define(name, parts[2], is_redefined=parts[0] == "redefine")

    def undefine(self, parts: Parts) -> Undefine:
        """Build `undefine x`."""
        return Undefine(parts[1])

    def include(self, parts: Parts) -> Include:
        """Build `include "file"`."""
        return Include(parts[1])

    # ---- commands

    def new(self, parts: Parts) -> Draft:
        """Build `add`, `create`, `insert` and `replace`."""
        verb, draft = parts
        assert isinstance(draft, Draft)
        if verb is not None:
            draft.verb, draft.place = str(verb), verb
        return draft

    def erase(self, parts: Parts) -> Draft:
        """Build `delete` and `destroy`."""
        return self.new(parts)

    def erased_object(self, parts: Parts) -> Draft:
        """Build what `delete table inet t` deletes."""
        return Draft("delete", str(parts[0]), parts[1], parts[0])

    def erased_ct(self, parts: Parts) -> Draft:
        """Build what `delete ct helper t x` deletes."""
        return Draft("delete", _ct_kind(parts[1]), parts[2], parts[0])

    def erased_rule(self, parts: Parts) -> Draft:
        """Build what `delete rule t c handle 4` deletes."""
        return Draft("delete", "rule", parts[1], parts[0])

    def flush_ruleset(self, parts: Parts) -> Draft:
        """Build `flush ruleset`."""
        family = parts[2]
        return Draft("flush", "ruleset", {} if family is None else {"family": family}, parts[0])

    def flush(self, parts: Parts) -> Draft:
        """Build `flush chain t c`."""
        return Draft("flush", str(parts[1]), parts[2], parts[0])

    def rename(self, parts: Parts) -> Draft:
        """Build `rename chain t c new`."""
        return Draft("rename", "chain", {**parts[2], "newname": parts[3]}, parts[0])

    def look(self, parts: Parts) -> Draft:
        """Build `list ruleset` and whatever else only tells something."""
        kind = str(parts[1]) if len(parts) > 1 else "ruleset"
        content = {"words": parts[2:]} if parts[2:] else {}
        return Draft(str(parts[0]), kind, content, parts[0])

    def spec1(self, parts: Parts) -> dict[str, Any]:
        """Build the name of a table."""
        return {"family": parts[0] or "ip", "name": parts[1]}

    def spec2(self, parts: Parts) -> dict[str, Any]:
        """Build the name of something in a table."""
        return {"family": parts[0] or "ip", "table": parts[1], "name": parts[2]}

    def handle1(self, parts: Parts) -> dict[str, Any]:
        """Build the handle of a table."""
        return {"family": parts[0] or "ip", "handle": parts[-1]}

    def handle2(self, parts: Parts) -> dict[str, Any]:
        """Build the handle of something in a table."""
        return {"family": parts[0] or "ip", "table": parts[1], "handle": parts[-1]}

    # ---- what a table holds

    def table(self, parts: Parts) -> Draft:
        """Build `table inet t { ... }` and `add chain inet t c { ... }`."""
        kind, fields, items = parts
        if items is not None and not isinstance(items, list):
            items = [items]
        return Draft("add", str(kind), fields, kind, items)

    chain_in = set_in = object_in = flowtable_in = table

    def chain(self, parts: Parts) -> Draft:
        """Build `chain c { ... }`."""
        return Draft("add", str(parts[0]), {"name": parts[1]}, parts[0], parts[2])

    set = object = flowtable = chain

    def ct_object_in(self, parts: Parts) -> Draft:
        """Build `add ct helper t x { ... }`."""
        return Draft("add", _ct_kind(parts[1]), parts[2], parts[0], parts[3])

    def ct_object(self, parts: Parts) -> Draft:
        """Build `ct helper x { ... }`."""
        return Draft("add", _ct_kind(parts[1]), {"name": parts[2]}, parts[0], parts[3])


def _free(word: Any, kept: frozenset[str], expected: str) -> Any:
    """Give a word; RuleError if nft keeps it for itself, for what should stand there is missing."""
    if word in kept:
        msg = f"{str(word)!r}: expected {expected}; without quotes this word is nft's own"
        raise error_at(word, msg)
    return word


def _ct_kind(word: Any) -> str:
    return f"ct {among(word, CT_OBJECTS)}"
