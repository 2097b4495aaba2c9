"""What `add`, `create`, `insert` and `replace` do, and what stands in a listing without a verb.

To add what is there already changes nothing, or adds to it; to create it is an error.
"""

from __future__ import annotations

from typing import Callable, Final, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.building.chains import chain_of
from statefulinspect.rules.building.declarations import (
    declared,
    elements_of,
    settle_pending,
    with_elements,
)
from statefulinspect.rules.building.drafts import ChainDraft, RuleDraft, Store, TableDraft
from statefulinspect.rules.building.nodes import (
    Tree,
    UnsupportedError,
    chain_name_in,
    name_in,
    needed,
    refuse,
    refuse_missing,
    refuse_unsupported,
    rules_within,
    several,
    shown,
    text,
    whole,
    word,
)
from statefulinspect.rules.building.objects import READERS as OBJECTS
from statefulinspect.rules.building.objects import UNSUPPORTED, object_of
from statefulinspect.rules.syntax.objects import NamedSet
from statefulinspect.rules.tables import FAMILIES

OTHER_FAMILIES: Final = frozenset({"arp", "bridge", "netdev"})
TABLE_FLAGS: Final = ("dormant",)
# Not kept: a table that is printed with these would be gone when the nft that loads it ends.
OWNER_FLAGS: Final = ("owner", "persist")


def _refuse_existing(verb: str, what: str, node: Tree) -> None:
    if verb == "create":
        refuse(f"create {what}: it exists already", node)


def _table(store: Store, node: Tree, verb: str) -> None:
    family, name = word(node, "family", "table", "ip"), name_in(node, "name", "table")
    if family in OTHER_FAMILIES:
        store.left_out.add((family, name))
        refuse_unsupported(f"family {family}", f"there are {', '.join(FAMILIES)}", node)
    if family not in FAMILIES:
        refuse(f"family {family}: expected one of {', '.join(FAMILIES)}", family, node)
    table = store.tables.get((family, name))
    if table is None:
        table = TableDraft(family, name, comment=text(node, "comment", "table"))
        store.tables[family, name] = table
    else:
        _refuse_existing(verb, f"table {name}", node)
    flags = several(node.get("flags"))
    table.flags = tuple(each for each in TABLE_FLAGS if each in flags)
    for each in flags:
        if each not in TABLE_FLAGS + OWNER_FLAGS:
            there_are = f"there are {', '.join(TABLE_FLAGS + OWNER_FLAGS)}"
            refuse_unsupported(f"table flag {shown(each)}", there_are, each, node)


def _chain(store: Store, node: Tree, verb: str) -> None:
    table, name = store.table(node), chain_name_in(node, "name", "chain")
    try:
        chain = chain_of(node)
    except UnsupportedError:
        table.left_out.add(("chain", name))
        raise
    before = table.chains.get(name)
    if before is None:
        if chain.policy is not None and not chain.hook:
            refuse(f"chain {name} has no hook: expected no policy", node)
        chain.handle = _handle(table, node)
        table.chains[name] = chain
        return
    _refuse_existing(verb, f"chain {name}", node)
    _redeclare(before, chain, node)


def _redeclare(before: ChainDraft, chain: ChainDraft, node: Tree) -> None:
    """Change the policy of a chain; its hook stays what it is."""
    hooked, wanted = ((each.type, each.hook, each.priority) for each in (before, chain))
    if (chain.hook and hooked != wanted) or (chain.policy is not None and not before.hook):
        refuse(f"chain {chain.name}: it exists already, with another hook or none", node)
    before.policy = before.policy if chain.policy is None else chain.policy


def _handle(table: TableDraft, node: Tree) -> int:
    told = node.get("handle")
    return table.next_handle() if told is None else whole(told, "handle")


def _rule(store: Store, node: Tree, verb: str) -> None:
    table, chain = store.chain(node, "chain")
    place = _position(chain, node, verb)
    _count_within(table, needed(node, "expr", "rule"))
    told = node.get("handle") if place is None else None
    handle = table.next_handle() if told is None else whole(told, "handle")
    rule = RuleDraft(node, handle, told)
    if verb == "replace":
        assert place is not None
        chain.rules[place] = attrs.evolve(rule, handle=chain.rules[place].handle)
    elif verb == "insert":
        chain.rules.insert(place or 0, rule)
    else:
        chain.rules.insert(len(chain.rules) if place is None else place + 1, rule)


def _count_within(table: TableDraft, parts: object) -> None:
    """Count the handles of a chain that stands in a rule, and of its rules: they come first."""
    for rules in filter(None, map(rules_within, several(parts))):
        for _ in range(1 + len(rules)):
            table.next_handle()


def _position(chain: ChainDraft, node: Tree, verb: str) -> int | None:
    """Find the rule that a new one is to stand beside, by index or handle.

    A handle that no rule has is the new rule's own if a listing tells it: `nft -a list ruleset`
    behind each rule, `nft -j` in it.
    """
    if node.get("index") is not None:
        index = whole(node["index"], "index")
        if index >= len(chain.rules):
            refuse(f"index {index}: chain {chain.name} has {len(chain.rules)} rules", node)
        return index
    handle = node.get("handle")
    if handle is None and verb != "replace":
        return None
    if verb != "listed":
        for number, rule in enumerate(chain.rules):
            if rule.handle == handle:
                return number
    is_told_of_another = getattr(handle, "type", "") == "NUMBER"  # as in `rule t c handle 5 drop`
    if verb in ("insert", "replace") or is_told_of_another:
        refuse_missing(f"handle {handle}: chain {chain.name} has no rule of it", node)
    return None


def _set(store: Store, node: Tree, verb: str) -> None:
    table, name = store.table(node), name_in(node, "name", "set")
    try:
        named = declared(node, table)
    except UnsupportedError:
        table.left_out.add(("set", name))
        raise
    settle_pending(table)
    before = table.sets.get(name)
    if before is None:
        table.next_handle()
        table.sets[name] = named
        return
    _refuse_existing(verb, f"set {name}", node)
    if _nature(before) != _nature(named):
        refuse(f"set {name}: it exists already, of another type or with other flags", node)
    table.sets[name] = with_elements(before, several(node.get("elem")), node)


def _nature(named: NamedSet) -> NamedSet:
    """Leave out of a set what another declaration of it need not repeat."""
    return NamedSet(
        name=named.name,
        key="",
        types=named.types,
        sizes=named.sizes,
        data_types=named.data_types,
        data=named.data if not named.data_types else "data",
        flags=named.flags,
    )


def _element(store: Store, node: Tree, verb: str) -> None:
    table, named = store.named_set(node)
    parts = several(needed(node, "elem", "element"))
    if verb != "create":
        table.pending.setdefault(named.name, []).append(node)
        return
    settle_pending(table)
    named = table.sets[named.name]
    there = {each.key for each in named.elements}
    for each in elements_of(named, parts, node):
        if each.key in there:
            _refuse_existing(verb, f"element {each.key}", node)
    table.sets[named.name] = with_elements(named, parts, node)


def object_adder(kind: str) -> Callable[[Store, Tree, str], None]:
    """Make what adds objects of a kind."""

    def add(store: Store, node: Tree, verb: str) -> None:
        table, name = store.table(node), name_in(node, "name", kind)
        if (kind, name) in table.objects:
            _refuse_existing(verb, f"{kind} {name}", node)
            return
        try:
            table.objects[kind, name] = object_of(kind, node, table.family)
        except UnsupportedError:
            table.left_out.add((kind, name))
            raise
        table.next_handle()

    return add


ADDERS: Final[Mapping[str, Callable[[Store, Tree, str], None]]] = {
    "table": _table,
    "chain": _chain,
    "rule": _rule,
    "set": _set,
    "map": _set,
    "element": _element,
    **{kind: object_adder(kind) for kind in (*OBJECTS, *UNSUPPORTED)},
}
