"""How a rule is read: its statements, in their order, each by its name in nft's JSON."""

from __future__ import annotations

from typing import Any, Callable, Final, Mapping, NoReturn  # noqa: UP035 - Python 3.9

from statefulinspect.rules.building.actions import (
    assign_of,
    log_of,
    needed_by,
    reject_of,
    use_of,
)
from statefulinspect.rules.building.drafts import Scope
from statefulinspect.rules.building.expressions import data_set, expression_of
from statefulinspect.rules.building.matches import match_of
from statefulinspect.rules.building.nodes import (
    fields,
    needed,
    only,
    refuse,
    refuse_unsupported,
    rules_within,
    several,
)
from statefulinspect.rules.building.selectors import selector_of
from statefulinspect.rules.building.sets import JUMPS, VERDICTS, Shape, verdict_of
from statefulinspect.rules.building.stateful import READERS as STATEFUL
from statefulinspect.rules.building.stateful import stateful_of
from statefulinspect.rules.building.updates import meter_of, update_of
from statefulinspect.rules.language.tree import place_of
from statefulinspect.rules.syntax.constants import Value
from statefulinspect.rules.syntax.objects import OBJECT_KINDS
from statefulinspect.rules.syntax.statements import (
    Assign,
    Decide,
    DecideBy,
    Exempt,
    Reject,
    Statement,
)

NO_NAT: Final = "the library translates no addresses"
UNSUPPORTED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("snat", "dnat", "masquerade", "redirect"), NO_NAT),
    "queue": "there is no userspace to decide; accept, drop or reject",
    "dup": "a packet has one way only",
    "fwd": "a packet has one way only",
    "tproxy": "there are no sockets; accept, and mark with meta mark set",
    "flow": "there are no flow tables; every packet meets the rules",
    "synproxy": "there is no SYN proxy; limit new connections with limit or ct count",
    "secmark": "there are no security contexts",
}
XT: Final = "it belongs to iptables; translate the rule to nft"
XT_LISTED: Final = f"{XT}, or list it without -j, where nft writes more of them as its own"


def statements_of(parts: object, scope: Scope, node: object) -> tuple[Statement, ...]:
    """Read the statements of a rule."""
    found: list[Statement] = []
    before: list[Statement] = []
    for part in several(parts):
        if found and _is_end(found[-1]):
            refuse(f"a statement behind {found[-1]} has no effect", part, node)
        found.append(_statement(part, scope))
        if isinstance(found[-1], Reject):
            before += needed_by(found[-1], scope)
    return (*before, *found)


def _is_end(statement: Statement) -> bool:
    """Tell whether no packet goes on behind a statement; behind continue the rule goes on."""
    if isinstance(statement, Decide):
        return statement.kind != "continue"
    return isinstance(statement, Reject)


def _statement(part: object, scope: Scope) -> Statement:
    kind, inner = only(part, "a statement")
    if kind in UNSUPPORTED:
        refuse_unsupported(kind, UNSUPPORTED[kind], part)
    if kind == "xt":
        _refuse_xt(part, inner)
    if kind in STATEFUL and not _is_use(inner):
        return stateful_of(kind, inner)
    if kind in OBJECT_KINDS:
        return use_of(kind, inner, scope)
    if kind not in READERS:
        refuse(f"{kind}: expected a statement", part)
    return READERS[kind](part if kind in VERDICTS + JUMPS else inner, scope)


def _refuse_xt(part: object, inner: object) -> NoReturn:
    """Refuse what iptables-nft left in a ruleset, by its name."""
    node = inner if isinstance(inner, Mapping) else {}
    words = ["xt", *(str(node[key]) for key in ("type", "name") if key in node)]
    refuse_unsupported(" ".join(words), XT if place_of(part)[0] else XT_LISTED, part)


def _is_use(inner: object) -> bool:
    """Tell whether an object is meant, by name or by a map, and no statement of its own."""
    return isinstance(inner, str) or (isinstance(inner, Mapping) and "map" in inner)


def _decide(part: Any, _: Scope) -> Statement:
    return verdict_of(part)


def _jump(part: Any, scope: Scope) -> Statement:
    """Read a jump or goto: to a chain by its name, or to one that stands there without."""
    rules = rules_within(part)
    if rules is None:
        return verdict_of(part)
    for each in rules:
        needed(fields(each, "rule"), "expr", "rule")
    kind, inner = only(part, "jump or goto")
    return Decide(kind, scope.name_body(rules, inner))


def _decide_by(inner: object, scope: Scope) -> Statement:
    node = fields(inner, "vmap")
    key = expression_of(needed(node, "key", "vmap"), scope)
    shape = Shape(key.types, key.sizes, leads_to="verdict")
    return DecideBy(key, data_set(needed(node, "data", "vmap"), shape, scope, "verdict"))


def _exempt(_: object, __: Scope) -> Statement:
    return Exempt()


def _strip(inner: object, scope: Scope) -> Statement:
    """Read `reset tcp option`."""
    kind, option = only(inner, "a TCP option")
    if kind != "tcp option":
        refuse(f"reset {kind}: expected reset tcp option", inner)
    selector = selector_of(kind, option, scope.protocols)
    if selector.type.name != "boolean":
        refuse(f"reset {selector}: expected an option without a field", inner)
    return Assign(selector, Value(0, selector.type))


READERS: Final[Mapping[str, Callable[[Any, Scope], Statement]]] = {
    **dict.fromkeys(VERDICTS, _decide),
    **dict.fromkeys(JUMPS, _jump),
    "match": match_of,
    "vmap": _decide_by,
    "reject": reject_of,
    "log": log_of,
    "notrack": _exempt,
    "mangle": assign_of,
    "set": update_of,
    "map": update_of,
    "meter": meter_of,
    "reset": _strip,
}
