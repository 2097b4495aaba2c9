"""What the builder has of a table while commands are still to come: sets are read, rules are not.

Rules are read at the end, for a rule may name a set or a chain that stands below it. Handles that
the tree does not tell are counted as the kernel does, so that commands can name rules by them.
"""

from __future__ import annotations

from typing import NoReturn

import attrs

from statefulinspect.rules.building.nodes import Tree, refuse, refuse_missing, refuse_unsupported
from statefulinspect.rules.building.protocols import Protocols
from statefulinspect.rules.syntax.objects import NamedObject, NamedSet
from statefulinspect.terms import Action


@attrs.define(eq=False)
class RuleDraft:
    """Hold a rule as the tree has it; `handle` is what commands call it, `told` if it was told."""

    node: Tree
    handle: int
    told: int | None = None


@attrs.define(eq=False)
class ChainDraft:
    """Hold a chain; a base chain has a hook, and an anonymous one stands in a rule."""

    name: str
    node: Tree
    type: str = ""
    hook: str = ""
    priority: int = 0
    policy: Action | None = None
    comment: str = ""
    handle: int | None = None
    rules: list[RuleDraft] = attrs.field(factory=list)
    is_anonymous: bool = False


@attrs.define(eq=False)
class TableDraft:
    """Hold a table; `left_out` are its chains, sets and objects that are not supported.

    `missing` are the parts of the tree that are left out, `gaps` the places of rules among them;
    `pending` are elements that were added to sets one command after the other, not read yet.
    """

    family: str
    name: str
    flags: tuple[str, ...] = ()
    comment: str = ""
    chains: dict[str, ChainDraft] = attrs.field(factory=dict)
    sets: dict[str, NamedSet] = attrs.field(factory=dict)
    objects: dict[tuple[str, str], NamedObject] = attrs.field(factory=dict)
    left_out: set[tuple[str, str]] = attrs.field(factory=set)
    pending: dict[str, list[Tree]] = attrs.field(factory=dict)
    updated: set[str] = attrs.field(factory=set)
    missing: list[object] = attrs.field(factory=list)
    gaps: list[tuple[str, int]] = attrs.field(factory=list)
    handles: int = 0
    bodies: int = 0

    def next_handle(self) -> int:
        """Count the handles, of chains, sets and objects too."""
        self.handles += 1
        return self.handles

    def spare_name(self) -> str:
        """Find a name for a chain that has none, as the kernel does."""
        while True:
            self.bodies += 1
            name = f"__chain{self.bodies}"
            if name not in self.chains:
                return name


@attrs.define(eq=False)
class Scope:
    """Hold what is known where a rule or a set is read: its table and the protocols so far.

    `body` is the chain without a name that stands in the rule, once it is read; `depth` counts the
    expressions within each other that are being read.
    """

    table: TableDraft
    protocols: Protocols
    warnings: list[str] = attrs.field(factory=list)
    body: ChainDraft | None = None
    depth: int = 0

    def name_body(self, rules: list[Tree], node: Tree) -> str:
        """Note the chain that stands in the rule, and give it a name."""
        self.body = ChainDraft(self.table.spare_name(), node, is_anonymous=True)
        self.body.rules = [RuleDraft(each, handle=0) for each in rules]
        return self.body.name

    def find_set(self, reference: object) -> NamedSet:
        """Find the set or map that `@name` names."""
        if not isinstance(reference, str) or reference[:1] != "@":
            refuse("expected the name of a set, as in @name", reference)
        found = self.table.sets.get(reference[1:])
        if found is None:
            self._refuse_unknown("set", reference[1:], list(self.table.sets), reference)
        return found

    def need_object(self, kind: str, name: str, part: object) -> str:
        """Check that the table has an object of this kind and name, and give the name."""
        if (kind, name) not in self.table.objects:
            known = [each for sort, each in self.table.objects if sort == kind]
            self._refuse_unknown(kind, name, known, part)
        return name

    def _refuse_unknown(self, kind: str, name: str, known: list[str], part: object) -> NoReturn:
        if (kind, name) in self.table.left_out:
            refuse_unsupported(f"{kind} {name}", "it was left out before", part)
        table = f"table {self.table.family} {self.table.name}"
        there_are = f"; there are {', '.join(known)}" if known else ""
        refuse_missing(f"{kind} {name}: {table} has none of this name{there_are}", part)


@attrs.define(eq=False)
class Store:
    """Hold the tables by family and name; `left_out` are those of families not supported."""

    tables: dict[tuple[str, str], TableDraft] = attrs.field(factory=dict)
    left_out: set[tuple[str, str]] = attrs.field(factory=set)

    def has_left_out(self, kind: str, node: Tree) -> bool:
        """Tell whether something was left out, or stands in a table or chain that was."""
        place = _table_of(node)
        if place in self.left_out:
            return True
        table = self.tables.get(place)
        return table is not None and _left_out_as(kind, node) in table.left_out

    def forget_left_out(self, kind: str, node: Tree) -> None:
        """Delete what was left out: another of its name may be supported."""
        place = _table_of(node)
        if kind == "table":
            self.left_out.discard(place)
        elif kind not in ("rule", "element") and place in self.tables:
            self.tables[place].left_out.discard(_left_out_as(kind, node))

    def note_left_out(self, node: Tree) -> None:
        """Note a part of a table that is left out."""
        table = self.tables.get((str(node.get("family", "ip")), str(node.get("table"))))
        if table is not None:
            table.missing.append(node)

    def table(self, node: Tree, key: str = "table") -> TableDraft:
        """Find the table that something stands in, or that `key` names."""
        family, name = node.get("family", "ip"), node.get(key)
        found = self.tables.get((str(family), str(name)))
        if found is None:
            refuse_missing(f"table {family} {name}: there is none of this name", name, node)
        return found

    def chain(self, node: Tree, key: str = "name") -> tuple[TableDraft, ChainDraft]:
        """Find the chain that `key` names, or the handle if there is no name."""
        table = self.table(node)
        name, handle = node.get(key), node.get("handle")
        if name is None and handle is not None:
            name = next((each.name for each in table.chains.values() if each.handle == handle), "")
        found = table.chains.get(str(name))
        if found is None:
            refuse_missing(f"chain {name}: table {table.name} has none of this name", name, node)
        return table, found

    def named_set(self, node: Tree) -> tuple[TableDraft, NamedSet]:
        """Find the set or map that is named."""
        table = self.table(node)
        name = node.get("name")
        found = table.sets.get(str(name))
        if found is None:
            refuse_missing(f"set {name}: table {table.name} has none of this name", node)
        return table, found


def _table_of(node: Tree) -> tuple[str, str]:
    """Tell family and name of the table that something is, or stands in."""
    return str(node.get("family", "ip")), str(node.get("table", node.get("name")))


def _left_out_as(kind: str, node: Tree) -> tuple[str, str]:
    """Tell under which kind and name something, or where it stands, was left out."""
    kept_as = {"rule": "chain", "map": "set", "element": "set", "meter": "set"}.get(kind, kind)
    return kept_as, str(node.get("chain" if kind == "rule" else "name"))


def scope_of(table: TableDraft) -> Scope:
    """Begin to read a rule of a table."""
    return Scope(table, Protocols(table.family), [])


def typeof_scope(table: TableDraft) -> Scope:
    """Begin to read expressions that stand for their types only."""
    return Scope(table, Protocols(table.family, is_typeof=True))
