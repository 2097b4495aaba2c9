"""How the statements that do something are read: reject, log, set, and changes to sets."""

from __future__ import annotations

from typing import Final

from statefulinspect.rules.building.drafts import Scope
from statefulinspect.rules.building.expressions import (
    Data,
    data_set,
    expression_of,
    is_expression,
    refuse_mismatch,
)
from statefulinspect.rules.building.nodes import (
    Tree,
    fields,
    needed,
    one_of,
    only,
    refuse,
    several,
    text,
    whole,
)
from statefulinspect.rules.building.protocols import NETWORK_OF
from statefulinspect.rules.building.selectors import selector_of
from statefulinspect.rules.building.sets import Shape
from statefulinspect.rules.building.values import number_of
from statefulinspect.rules.syntax.constants import Constant, SetLiteral, Value
from statefulinspect.rules.syntax.expressions import Expression, Numgen, Select, unmasked
from statefulinspect.rules.syntax.statements import (
    Assign,
    Log,
    Mapped,
    Match,
    Reject,
    UseObject,
)
from statefulinspect.rules.words.datatypes import TYPES
from statefulinspect.rules.words.selectors import SELECTORS, Selector
from statefulinspect.rules.words.symbols_notation import M32, octets_in
from statefulinspect.rules.words.symbols_system import LOG_FLAGS, LOG_LEVELS

CODES: Final = {"icmp": "icmp_code", "icmpv6": "icmpv6_code", "icmpx": "icmpx_code"}
REJECTS: Final = ("tcp reset", *CODES)
FLAGS_OF_LOG: Final = tuple(
    f"{of} {flag}".rstrip() for of, flags in LOG_FLAGS.items() for flag in flags or ("",)
)
LONGEST_PREFIX: Final = 127
TARGETS: Final = ("payload", "tcp option", "meta", "ct")
SET_META: Final = frozenset({"mark", "priority", "nftrace", "pkttype"})
SET_OPTION_BITS: Final = (16, 32)
SET_CT: Final = frozenset({"mark", "zone", "event", "label"})


def reject_of(inner: object, scope: Scope) -> Reject:
    """Read reject; what it asks of packets, `needed_by` tells."""
    node = fields(inner, "reject")
    if node.get("type") is None:
        return Reject()
    kind = one_of(node["type"], REJECTS, "reject with")
    protocols = scope.protocols
    if kind == "tcp reset":
        if protocols.transport not in ("", "tcp"):
            refuse(f"reject with tcp reset: the rule is about {protocols.transport}", node)
        return Reject(kind)
    network = NETWORK_OF.get(kind, "")
    if kind == "icmpx" and protocols.family != "inet":
        wanted = "icmp" if protocols.family == "ip" else "icmpv6"
        refuse(
            f"reject with icmpx in a table of family {protocols.family}: expected {wanted}", node
        )
    if network and protocols.network not in ("", network):
        refuse(f"conflicting protocols specified: {protocols.network} vs {network}", node)
    code = TYPES[CODES[kind]]
    value = number_of(node.get("expr", "port-unreachable"), code, 8)
    if kind == "icmpx" and value not in code.symbols.values():
        refuse(f"reject with icmpx {value}: expected one of {', '.join(code.symbols)}", node)
    if kind == "icmpx" and value == code.symbols["port-unreachable"] and not protocols.network:
        return Reject()
    return Reject(kind, Value(value, code))


def needed_by(reject: Reject, scope: Scope) -> list[Match]:
    """Write what reject asks of packets; nft puts it before all else in the rule."""
    protocols = scope.protocols
    told = {"meta l4proto": protocols.transport, "meta nfproto": protocols.network}
    needs = [(SELECTORS[text], min(allowed)) for text, allowed in reject.needs if not told[text]]
    return [Match(Select(each), "==", Value(value, each.type)) for each, value in needs]


def log_of(inner: object, _: Scope) -> Log:
    """Read log, with what it combines."""
    node = fields(inner, "log")
    prefix = text(node, "prefix", "log")
    octets = octets_in(prefix)
    if octets > LONGEST_PREFIX:
        refuse(f"log prefix of {octets} octets: expected {LONGEST_PREFIX}", node)
    level = one_of(node["level"], LOG_LEVELS, "log level") if node.get("level") else ""
    flags = tuple(one_of(each, FLAGS_OF_LOG, "log flag") for each in several(node.get("flags")))
    group = _number(node, "group", 0xFFFF)
    snaplen, threshold = _number(node, "snaplen", M32), _number(node, "queue-threshold", 0xFFFF)
    if group is not None and (level or flags):
        refuse("log: group and level exclude each other, as do group and flags", node)
    if level == "audit" and (prefix or flags):
        refuse("log level audit: expected nothing else", node)
    return Log(prefix, "" if level == "warn" else level, group, snaplen, threshold, flags)


def _number(node: Tree, key: str, highest: int) -> int | None:
    return None if node.get(key) is None else whole(node[key], f"log {key}", highest)


def assign_of(inner: object, scope: Scope) -> Assign:
    """Read `set`: a target and what it is set to."""
    node = fields(inner, "set")
    kind, key = only(needed(node, "key", "set"), "what can be set")
    if kind not in TARGETS:
        refuse(f"{kind} set: expected one of {', '.join(TARGETS)}", node)
    target = selector_of(kind, key, scope.protocols)
    _check_target(kind, target, node)
    part = needed(node, "value", "set")
    if _is_path_mtu(part):
        scope.warnings.append(f"{target} set rt mtu is not carried out")
        return Assign(target, Value("rt mtu", TYPES["integer"]))
    return Assign(target, _assigned(part, target, scope, node))


def _check_target(kind: str, target: Selector, node: Tree) -> None:
    """Refuse what the kernel does not let rules set."""
    name = target.text.split()[-1]
    if kind == "meta" and name not in SET_META:
        refuse(f"{target} set: expected one of meta {', '.join(sorted(SET_META))}", node)
    if kind == "ct" and name not in SET_CT:
        refuse(f"{target} set: expected one of ct {', '.join(sorted(SET_CT))}", node)
    if kind == "tcp option" and target.type.name == "boolean":
        refuse(f"{target} set: expected one of its fields", node)
    if kind == "tcp option" and target.bits not in SET_OPTION_BITS:
        refuse(f"{target} set: Linux sets two or four octets, this has {target.bits} bits", node)


def _is_path_mtu(part: object) -> bool:
    return isinstance(part, dict) and part.get("rt") == {"key": "mtu"}


def _assigned(part: object, target: Selector, scope: Scope, node: Tree) -> Expression | Constant:
    if not is_expression(part):
        return Value(number_of(part, target.type, target.bits), target.type)
    value = expression_of(part, scope, Data((target.type,), (target.bits,)))
    core = unmasked(value)
    if not (isinstance(core, Numgen) or _is_counted(core)):
        refuse_mismatch(value.types, (target.type,), f"what {target} is set to", node)
    return value


def _is_counted(core: Expression) -> bool:
    """Say whether this is a number that the kernel keeps, which nft lets marks be set to."""
    if not isinstance(core, Select):
        return False
    selector = core.selector
    return selector.type is TYPES["integer"] and selector.text.startswith(("meta ", "ct "))


def use_of(kind: str, part: object, scope: Scope) -> UseObject:
    """Read the use of an object of the table, by name or by a map."""
    if isinstance(part, str):
        return UseObject(kind, scope.need_object(kind, str(part), part))
    name, inner = only(part, f"the name of a {kind}, or a map to it")
    if name != "map":
        refuse(f"{name}: expected the name of a {kind}, or a map to it", part)
    node = fields(inner, "map")
    key = expression_of(needed(node, "key", "map"), scope)
    shape = Shape(key.types, key.sizes, leads_to=kind)
    data = data_set(needed(node, "data", "map"), shape, scope, kind)
    for each in data.elements if isinstance(data, SetLiteral) else ():
        scope.need_object(kind, str(each.data), node)
    return UseObject(kind, Mapped(key, data))
