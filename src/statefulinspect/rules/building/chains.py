"""How chains are declared, and which jumps and statements their hooks allow.

Chains that packets reach are checked as the kernel checks them: along every way from a base chain.
"""

from __future__ import annotations

from typing import Callable, Final, Iterator, Mapping, NoReturn  # noqa: UP035 - Python 3.9

from statefulinspect.rules.building.drafts import ChainDraft
from statefulinspect.rules.building.nodes import (
    Tree,
    chain_name_in,
    fields,
    needed,
    one_of,
    refuse,
    refuse_unsupported,
    several,
    shown,
    text,
    word,
)
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.constants import Element, SetLiteral, SetRef
from statefulinspect.rules.syntax.expressions import Select
from statefulinspect.rules.syntax.statements import (
    Assign,
    Decide,
    DecideBy,
    Match,
    Reject,
    Statement,
)
from statefulinspect.rules.tables import HOOKS, PRIORITIES, Chain, Table
from statefulinspect.terms import ACCEPT, DROP

POLICIES: Final = {"accept": ACCEPT, "drop": DROP}
TYPES: Final = ("filter", "route", "nat")
OTHER_HOOKS: Final = frozenset({"ingress", "egress"})
ONLY_AT: Final = {"dstnat": "prerouting", "srcnat": "postrouting"}
DEEPEST: Final = 16  # chains on one way, the base chain among them
REJECT_HOOKS: Final = frozenset({"prerouting", "input", "forward", "output"})
DEVICE_HOOKS: Final = frozenset({"input", "forward"})  # of `meta sdif`
ARRIVING: Final = frozenset({"prerouting", "input", "forward"})  # of `meta secpath`


def chain_of(node: Tree) -> ChainDraft:
    """Read the declaration of a chain."""
    name, comment = chain_name_in(node, "name", "chain"), text(node, "comment", "chain")
    for each in several(node.get("flags")):
        one_of(each, ("offload",), "chain flag")
    policy = node.get("policy")
    decided = None if policy is None else POLICIES[one_of(policy, POLICIES, "chain policy")]
    if node.get("hook") is None and node.get("type") is None:
        return ChainDraft(name, node, policy=decided, comment=comment)
    kind = one_of(needed(node, "type", "chain"), TYPES, "chain type")
    hook = word(node, "hook", "chain")
    if kind == "nat":
        refuse_unsupported("type nat", "the library translates no addresses; type filter", node)
    if hook in OTHER_HOOKS:
        refuse_unsupported(f"hook {hook}", f"there are {', '.join(HOOKS)}", node)
    hook = one_of(hook, HOOKS, "chain hook")
    if kind == "route" and hook != "output":
        refuse(f"type route hook {hook}: expected hook output", node)
    priority = _priority(needed(node, "prio", "chain"), hook)
    return ChainDraft(name, node, kind, hook, priority, decided, comment)


def _priority(part: object, hook: str) -> int:
    """Read a priority: a number, or a name with its distance."""
    offset: object = 0
    if isinstance(part, Mapping):
        node = fields(part, "priority")
        part, offset = node.get("name"), node.get("offset", 0)
    elif isinstance(part, str) and len(part.split()) == 3:
        part, sign, distance = part.split()
        offset = int(f"{sign}{distance}") if distance[:9].isdigit() and sign in "+-" else None
    if isinstance(part, str):
        one_of(part, PRIORITIES, "chain priority")
        if ONLY_AT.get(part, hook) != hook:
            refuse(f"priority {part} at hook {hook}: expected hook {ONLY_AT[part]}", part)
        part = PRIORITIES[part]
    if not isinstance(part, int) or not isinstance(offset, int) or isinstance(part, bool):
        refuse(f"priority {shown(part)}: expected a number, or a name as in filter + 10", part)
    if not -(1 << 31) <= part + offset < 1 << 31:
        refuse(f"priority {part + offset}: expected a 32-bit number", part)
    return part + offset


def verdicts_in(statement: Statement, table: Table) -> Iterator[Decide]:
    """Go over the verdicts that a statement can lead to."""
    if isinstance(statement, Decide):
        yield statement
    elif isinstance(statement, DecideBy):
        for each in _elements(statement.data, table):
            assert isinstance(each.data, Decide)
            yield each.data


def _elements(data: SetLiteral | SetRef, table: Table) -> tuple[Element, ...]:
    if isinstance(data, SetLiteral):
        return data.elements
    named = table.find_set(data.name)
    return named.elements if named else ()


def check_chains(table: Table) -> None:
    """Refuse jumps to where none can go, and statements that their hooks do not have."""
    for rule in table:
        for target in _targets(rule, table):
            _check_target(target, rule, table)
    for element in (each for named in table.sets for each in named.elements):
        if isinstance(element.data, Decide) and element.data.chain:
            _check_target(element.data.chain, None, table)
    for chain in filter(_is_base, table.chains):
        _walk(chain, (), chain.hook, table, set())


def _is_base(chain: Chain) -> bool:
    return chain.is_base


def _targets(rule: Rule, table: Table) -> list[str]:
    found = (each for statement in rule.statements for each in verdicts_in(statement, table))
    return [each.chain for each in found if each.chain]


def _refuse_rule(message: str, rule: Rule | None) -> NoReturn:
    """Refuse what a rule says, or an element of a named set if there is no rule."""
    place = rule.place if rule else None
    if place is not None and place.line is not None:
        raise RuleError(message, place.line, 1, place.file)
    where = f"{place}: " if place else ""
    raise RuleError(where + message)


def _check_target(name: str, rule: Rule | None, table: Table) -> None:
    target = table.chain(name)
    if target is None:
        _refuse_rule(f"jump to {name}: table {table.name} has no such chain", rule)
    if target.is_base:
        _refuse_rule(f"jump to {name}: expected a chain without a hook", rule)


def _walk(
    chain: Chain, chains: tuple[str, ...], hook: str, table: Table, seen: set[tuple[str, int]]
) -> None:
    """Follow the jumps of a chain; `chains` led here, `seen` are those met before, as deep."""
    chains = (*chains, chain.name)
    if (chain.name, len(chains)) in seen:
        return
    seen.add((chain.name, len(chains)))
    for rule in chain.rules:
        for statement in rule.statements:
            _check_hook(statement, hook, rule)
        for name in _targets(rule, table):
            if name in chains:
                _refuse_rule(f"jump to {name}: a loop, {' > '.join((*chains, name))}", rule)
            if len(chains) == DEEPEST:
                _refuse_rule(f"jump to {name}: more than {DEEPEST} chains deep", rule)
            target = table.chain(name)
            assert target is not None
            _walk(target, chains, hook, table, seen)


def _check_hook(statement: Statement, hook: str, rule: Rule) -> None:
    for applies, hooks in LIMITED:
        if applies(statement) and hook not in hooks:
            expected = ", ".join(each for each in HOOKS if each in hooks)
            _refuse_rule(f"{statement} at hook {hook}: expected at {expected}", rule)


def _reads(*texts: str) -> Callable[[Statement], bool]:
    def applies(statement: Statement) -> bool:
        return (
            isinstance(statement, Match)
            and isinstance(statement.left, Select)
            and statement.left.selector.text in texts
        )

    return applies


def _sets_pkttype(statement: Statement) -> bool:
    return isinstance(statement, Assign) and statement.target.text == "meta pkttype"


def _reads_route(statement: Statement) -> bool:
    """Tell whether the statement is `set rt mtu`, which wants a route."""
    return isinstance(statement, Assign) and str(statement.value) == "rt mtu"


LIMITED: Final[tuple[tuple[Callable[[Statement], bool], frozenset[str]], ...]] = (
    (lambda statement: isinstance(statement, Reject), REJECT_HOOKS),
    (_reads("meta sdif", "meta sdifname"), DEVICE_HOOKS),
    (_reads("meta secpath"), ARRIVING),
    (_reads_route, frozenset({"forward", "output", "postrouting"})),
    (_sets_pkttype, frozenset({"prerouting"})),
)
