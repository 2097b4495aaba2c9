"""How commands become tables: each is carried out in its order, as nft hands them to the kernel.

What comes in is nft's JSON, from text or from `nft -j list ruleset`; what is listed there without
a verb is added. What the library does not support is refused, or left out with a warning.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Final, Iterable, Iterator, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.building.additions import ADDERS
from statefulinspect.rules.building.chains import check_chains
from statefulinspect.rules.building.declarations import settle_pending
from statefulinspect.rules.building.drafts import ChainDraft, RuleDraft, Store, TableDraft, scope_of
from statefulinspect.rules.building.nodes import (
    Tree,
    UnsupportedError,
    at_place,
    fields,
    one_of,
    only,
    refuse,
    text,
)
from statefulinspect.rules.building.removals import FLUSHERS, REMOVERS, destroy, rename
from statefulinspect.rules.building.statements import statements_of
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.gaps import Gaps
from statefulinspect.rules.language.tree import place_of
from statefulinspect.rules.rule import Place, Rule
from statefulinspect.rules.tables import Chain, Table
from statefulinspect.terms import ACCEPT

POLICIES: Final = ("error", "ignore")
ADDING: Final = frozenset({"add", "create", "insert", "replace"})
LOOKING: Final = frozenset({"list", "get", "reset", "monitor", "describe", "export", "import"})
DELETING: Final = frozenset({"delete", "destroy"})
CHANGING: Final = DELETING | {"flush", "rename"}
VERBS: Final = ADDING | LOOKING | CHANGING


def build(
    commands: Iterable[Mapping[str, Any]], unsupported: str = "error"
) -> tuple[tuple[Table, ...], tuple[str, ...]]:
    """Carry out commands on an empty ruleset; give its tables, and warnings.

    With `unsupported="ignore"`, a rule, chain, set or object that the library does not support is
    left out, and a warning says so.
    """
    if unsupported not in POLICIES:
        refuse(f"unsupported={unsupported!r}: expected one of {', '.join(POLICIES)}")
    building = _Building(ignores=unsupported == "ignore")
    for command in commands:
        building.run(command)
    return building.finish()


def _carry_out(store: Store, verb: str, kind: str, node: Tree) -> None:
    """Do what a command says."""
    if verb in LOOKING or _is_left_out(store, verb, kind, node):
        return
    if verb == "flush":
        FLUSHERS[one_of(kind, FLUSHERS, "flush")](store, node)
    elif verb == "rename":
        one_of(kind, ("chain",), "rename")
        rename(store, node)
    elif verb == "destroy":
        destroy(one_of(kind, REMOVERS, "destroy"), store, node)
    elif verb == "delete":
        REMOVERS[one_of(kind, REMOVERS, "delete")](store, node)
    elif verb in ("insert", "replace"):
        ADDERS[one_of(kind, ("rule",), verb)](store, node, verb)
    else:
        ADDERS[one_of(kind, ADDERS, "add")](store, node, verb)


def _is_left_out(store: Store, verb: str, kind: str, node: Tree) -> bool:
    """Tell whether a command is about something that was left out; note what it says."""
    if not store.has_left_out(kind, node):
        return False
    if verb in DELETING:
        store.forget_left_out(kind, node)
    store.note_left_out(node)
    return True


class _Building:
    """Hold the tables while commands are carried out, and the warnings so far."""

    def __init__(self, *, ignores: bool) -> None:
        self._ignores = ignores
        self._store = Store()
        self._warnings: dict[str, tuple[str, int]] = {}  # with file and line of each
        self._bodies: list[ChainDraft] = []

    def run(self, command: object) -> None:
        """Carry out one command; what has no verb is listed, and is added."""
        verb, inner = only(command, "a command, as {'add': {'table': ...}}")
        if verb == "metainfo":
            return
        if verb not in VERBS:
            verb, inner = "listed", command
        kind, content = only(inner, f"what to {verb}")
        node = fields(content, kind)
        if not self._attempt(lambda: _carry_out(self._store, verb, kind, node), content, command):
            self._store.note_left_out(node)

    def _attempt(self, action: Callable[[], object], *parts: object) -> bool:
        """Do something; if it is not supported, and that is ignored, warn instead, and say so."""
        try:
            action()
        except UnsupportedError as error:
            placed = at_place(error, *parts)
            if not self._ignores:
                raise placed from None
            self._warn(placed.message, placed.line, placed.name)
        except RuleError as error:
            raise at_place(error, *parts) from None
        else:
            return True
        return False

    def _warn(self, message: str, line: int | None, file: str) -> None:
        warning = message if line is None else f"line {line}: {message}"
        warning = f"{file}: {warning}" if file else warning
        self._warnings.setdefault(warning, (file, line or 0))

    def finish(self) -> tuple[tuple[Table, ...], tuple[str, ...]]:
        """Read the rules, and check where they jump to."""
        tables = tuple(self._table(draft) for draft in self._store.tables.values())
        for table in tables:
            check_chains(table)
        return tables, tuple(sorted(self._warnings, key=self._warnings.__getitem__))

    def _table(self, draft: TableDraft) -> Table:
        self._attempt(partial(settle_pending, draft))
        chains = tuple(self._chains(draft.chains.values(), draft))
        sets = tuple(
            attrs.evolve(each, flags=each.flags | {"dynamic"})
            if each.name in draft.updated
            else each
            for each in draft.sets.values()
        )
        return Table(
            family=draft.family,
            name=draft.name,
            chains=chains,
            sets=sets,
            objects=tuple(draft.objects.values()),
            flags=draft.flags,
            comment=draft.comment,
            gaps=Gaps.of(draft.missing, draft.gaps),
        )

    def _chains(self, drafts: Iterable[ChainDraft], table: TableDraft) -> Iterator[Chain]:
        """Read chains, and behind each those without a name that stand in its rules."""
        for draft in drafts:
            self._bodies = []
            yield self._chain(draft, table)
            yield from self._chains(self._bodies, table)

    def _chain(self, draft: ChainDraft, table: TableDraft) -> Chain:
        rules: list[Rule] = []
        for number, rule in enumerate(draft.rules):
            line, _, file = place_of(rule.node)
            place = Place(table.family, table.name, draft.name, number + 1, line, file)
            if not self._attempt(partial(self._add_rule, rules, rule, place, table), rule.node):
                table.missing.append(rule.node)
                table.gaps.append((draft.name, len(rules)))
        return Chain(
            name=draft.name,
            rules=tuple(rules),
            type=draft.type,
            hook=draft.hook,
            priority=draft.priority,
            policy=ACCEPT if draft.policy is None else draft.policy,
            comment=draft.comment,
            is_anonymous=draft.is_anonymous,
        )

    def _add_rule(
        self, rules: list[Rule], draft: RuleDraft, place: Place, table: TableDraft
    ) -> None:
        """Read a rule and add it to those of its chain."""
        scope = scope_of(table)
        node = draft.node
        try:
            statements = statements_of(node["expr"], scope, node)
            comment = text(node, "comment", "rule")
        except RuleError as error:
            if error.line is not None or place.line is not None:
                raise
            where = f"{place}: {error.message}"
            raise type(error)(where) from None
        if not statements:
            refuse(f"{place}: a rule without statements", node)
        for warning in scope.warnings:
            self._warn(warning, place.line, place.file)
        self._bodies += [scope.body] if scope.body else []
        rules.append(Rule.of(statements, comment=comment, handle=draft.told, place=place))
