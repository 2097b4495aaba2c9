"""What `delete`, `destroy`, `flush` and `rename` do.

To delete what is not there is an error, to destroy it is none. What is still in use is noticed at
the end, when rules are read.
"""

from __future__ import annotations

from typing import Callable, Final, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.building.declarations import settle_pending, without_elements
from statefulinspect.rules.building.drafts import Store, TableDraft
from statefulinspect.rules.building.nodes import (
    MissingError,
    Tree,
    name_in,
    needed,
    refuse,
    refuse_missing,
    several,
    word,
)
from statefulinspect.rules.building.objects import READERS as OBJECTS
from statefulinspect.rules.building.objects import UNSUPPORTED
from statefulinspect.rules.syntax.objects import NamedSet


def _table(store: Store, node: Tree) -> None:
    table = store.table(node, "name")
    del store.tables[table.family, table.name]


def _chain(store: Store, node: Tree) -> None:
    table, chain = store.chain(node)
    del table.chains[chain.name]


def _rule(store: Store, node: Tree) -> None:
    _, chain = store.chain(node, "chain")
    handle = needed(node, "handle", "rule to delete")
    for number, rule in enumerate(chain.rules):
        if rule.handle == handle:
            del chain.rules[number]
            return
    refuse_missing(f"handle {handle}: chain {chain.name} has no rule of it", node)


def _settled_set(store: Store, node: Tree) -> tuple[TableDraft, NamedSet]:
    """Find a set, with all elements that were added to it."""
    table, named = store.named_set(node)
    settle_pending(table)
    return table, table.sets[named.name]


def _set(store: Store, node: Tree) -> None:
    table, named = _settled_set(store, node)
    del table.sets[named.name]


def _element(store: Store, node: Tree) -> None:
    table, named = _settled_set(store, node)
    parts = several(needed(node, "elem", "element"))
    table.sets[named.name] = without_elements(named, parts, node)


def _object_remover(kind: str) -> Callable[[Store, Tree], None]:
    def remove(store: Store, node: Tree) -> None:
        table, name = store.table(node), word(node, "name", kind)
        if (kind, name) not in table.objects:
            refuse_missing(f"{kind} {name}: table {table.name} has none of this name", node)
        del table.objects[kind, name]

    return remove


def _flush_ruleset(store: Store, node: Tree) -> None:
    family = node.get("family")
    for own_family, name in list(store.tables):
        if family in (None, own_family):
            del store.tables[own_family, name]


def _flush_table(store: Store, node: Tree) -> None:
    for chain in store.table(node, "name").chains.values():
        chain.rules.clear()


def _flush_chain(store: Store, node: Tree) -> None:
    store.chain(node)[1].rules.clear()


def _flush_set(store: Store, node: Tree) -> None:
    table, named = _settled_set(store, node)
    table.sets[named.name] = attrs.evolve(named, elements=())


def rename(store: Store, node: Tree) -> None:
    """Give a chain another name."""
    table, chain = store.chain(node)
    name = name_in(node, "newname", "rename chain")
    if name in table.chains:
        refuse(f"rename chain {chain.name}: there is a chain {name} already", node)
    renamed = {name if each is chain else key: each for key, each in table.chains.items()}
    chain.name = name
    table.chains = renamed


def destroy(kind: str, store: Store, node: Tree) -> None:
    """Delete something if it is there."""
    try:
        REMOVERS[kind](store, node)
    except MissingError:
        return


REMOVERS: Final[Mapping[str, Callable[[Store, Tree], None]]] = {
    "table": _table,
    "chain": _chain,
    "rule": _rule,
    "set": _set,
    "map": _set,
    "element": _element,
    **{kind: _object_remover(kind) for kind in (*OBJECTS, *UNSUPPORTED)},
}
FLUSHERS: Final[Mapping[str, Callable[[Store, Tree], None]]] = {
    "ruleset": _flush_ruleset,
    "table": _flush_table,
    "chain": _flush_chain,
    "set": _flush_set,
    "map": _flush_set,
    "meter": _flush_set,
}
