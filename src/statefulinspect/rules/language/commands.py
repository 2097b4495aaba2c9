"""How drafts become commands in nft's JSON: a block yields its object, then what it holds."""

from __future__ import annotations

from typing import Any, Final, Iterator  # noqa: UP035 - Python 3.9

from statefulinspect.rules.language.blocks import object_terms
from statefulinspect.rules.language.items import Draft, Property
from statefulinspect.rules.language.tree import Node, error_at, node_at

SETS: Final = ("set", "map")


def commands(items: list[Any]) -> list[Node]:
    """Write drafts as commands, in their order."""
    found: list[Node] = []
    for draft in items:
        found += _command(draft)
    return found


def _command(draft: Draft) -> Iterator[Node]:
    if draft.kind == "table" and draft.items is not None:
        yield from _table(draft)
        return
    rules = [item for item in draft.items or () if _is_rule(item)]
    yield _written(draft)
    for rule in rules:
        names = draft.fields
        yield _written(_within(rule, names["family"], names["table"], chain=names["name"]))


def _is_rule(item: Any) -> bool:
    return isinstance(item, Draft) and item.kind == "rule"


def _within(draft: Draft, family: Any, table: Any, **more: Any) -> Draft:
    draft.fields = {"family": family, "table": table, **more, **draft.fields}
    return draft


def _table(table: Draft) -> Iterator[Node]:
    """Yield the table, then its objects, sets, chains, and last the rules of its chains."""
    assert table.items is not None
    yield _written(table)
    family, name = table.fields["family"], table.fields["name"]
    inner = [_within(item, family, name) for item in table.items if isinstance(item, Draft)]
    chains = [draft for draft in inner if draft.kind == "chain"]
    sets = [draft for draft in inner if draft.kind in SETS]
    others = [draft for draft in inner if draft not in chains and draft not in sets]
    for draft in (*others, *sets, *chains):
        yield _written(draft)
    for chain in chains:
        for rule in filter(_is_rule, chain.items or ()):
            yield _written(_within(rule, family, name, chain=chain.fields["name"]))


def _written(draft: Draft) -> Node:
    content = dict(draft.fields)
    if draft.kind == "element" and "elem" in content:
        content["elem"] = _elements(content["elem"])
    for item in draft.items or ():
        content.update(_properties(draft.kind, item, content))
    if draft.kind == "ct expectation" and "timeout" in content:
        content["timeout"] = _milliseconds(content["timeout"])
    return node_at(draft.place, {draft.verb: {draft.kind: node_at(draft.place, content)}})


def _milliseconds(seconds: Any) -> Any:
    return type(seconds)(seconds * 1000, seconds.line, seconds.column)


def _properties(kind: str, item: Any, content: dict[str, Any]) -> dict[str, Any]:
    """Give the properties that one line of a block says."""
    if isinstance(item, Draft):
        return {}
    if isinstance(item, Node) and kind in (*SETS, "flowtable"):
        return {"stmt": [*content.get("stmt", ()), item]}
    if not isinstance(item, Property):
        return object_terms(kind, item)
    if not item.key:
        is_hook = isinstance(item.value, dict)
        return _hooked(item.value) if is_hook else object_terms(kind, item.value)
    if kind == "chain" and item.key == "policy" and "policy" in content:
        msg = f"policy {item.value}: the chain has policy {content['policy']} before"
        raise error_at(item.place, msg)
    if item.key == "flags":
        return {"flags": list(dict.fromkeys([*content.get("flags", ()), *item.value]))}
    return {item.key: _READERS[item.key](item.value) if item.key in _READERS else item.value}


def _hooked(content: dict[str, Any]) -> dict[str, Any]:
    if "dev" in content:
        return {**content, "dev": _devices(content["dev"])}
    return content


def _devices(value: Any) -> Any:
    """Give the device, or the list of several."""
    return value["set"] if isinstance(value, dict) and "set" in value else value


def _elements(value: Any) -> Any:
    return value["set"] if isinstance(value, dict) and "set" in value else [value]


_READERS: Final = {"elem": _elements, "dev": _devices}
