"""How a rule of keywords is written in nft's statements.

`Rule(Action.ACCEPT, protocol="tcp", destination_port=22)` is `tcp dport 22 accept`. What nft cannot
say in one rule, prefixes of both IP versions say, becomes several forms of it, one each.
"""

from __future__ import annotations

from typing import Any, Callable, Final, Iterator, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.flowkey import ICMP, ICMPV6, PORT_PROTOCOLS, PROTOCOL_NAMES
from statefulinspect.rules import fields
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.syntax.constants import (
    Bits,
    Constant,
    Element,
    Prefix,
    Right,
    SetLiteral,
    Span,
    Value,
)
from statefulinspect.rules.syntax.expressions import Select
from statefulinspect.rules.syntax.statements import Decide, Match, Reject, Statement, UseObject
from statefulinspect.rules.words.datatypes import TYPES
from statefulinspect.rules.words.selectors import SELECTORS
from statefulinspect.terms import REJECT, Action, CtState

ICMP_OF: Final = {4: (ICMP, "icmp", 0), 6: (ICMPV6, "icmpv6", 1)}

ReadKeywords = Mapping[str, Any]


class _NoPacketError(Exception):
    """Tell why no packet of an IP version can be what the keywords ask for."""


def forms_of(action: Action, keywords: Mapping[str, Any]) -> tuple[tuple[Statement, ...], ...]:
    """Write a rule of keywords, as `fields` reads them; RuleError if no packet can match."""
    given = {name: value for name, value in keywords.items() if value is not None}
    decided = fields.action(action)
    last: Statement = Reject() if decided is REJECT else Decide(decided.value)
    helper = [UseObject("ct helper", given["helper"])] if "helper" in given else []
    families = (4, 6) if {"source", "destination", "icmp_type"} & given.keys() else (0,)
    found = [_matches(given, family) for family in families]
    forms = [each for each in found if not isinstance(each, str)]
    if not forms:
        msg = f"no packet can match: {', '.join(dict.fromkeys(map(str, found)))}"
        raise RuleError(msg)
    return tuple((*form, *helper, last) for form in forms)


def _matches(given: ReadKeywords, family: int) -> list[Match] | str:
    """Write what is asked of packets of one IP version, 0 for both; or why there are none."""
    found = [_WRITERS[name](given[name]) for name in _WRITERS if name in given]
    try:
        for name, field in (("source", "saddr"), ("destination", "daddr")):
            if name in given:
                found.append(_addresses(name, given[name], family, field))
        found += _transport(given, family)
    except _NoPacketError as error:
        return str(error)
    return found


def _among(text: str, constants: list[Constant]) -> Match:
    """Compare with one constant, or with a set of several."""
    right: Right = constants[0]
    if len(constants) > 1:
        right = SetLiteral(tuple(map(Element, constants)))
    return Match(Select(SELECTORS[text]), "==", right)


def _ct_states(states: tuple[CtState, ...]) -> Match:
    bits = tuple(state.bit for state in states)
    kind = TYPES["ct_state"]
    right = Value(bits[0], kind) if len(bits) == 1 else Bits(bits, kind)
    return Match(Select(SELECTORS["ct state"]), "in", right)


def _values(text: str) -> Callable[[tuple[Any, ...]], Match]:
    kind = SELECTORS[text].type
    return lambda values: _among(text, [Value(value, kind) for value in values])


_WRITERS: Final[Mapping[str, Callable[[Any], Match]]] = {
    "ct_state": _ct_states,
    "iif": _values("meta iifname"),
    "oif": _values("meta oifname"),
    "mark": _values("meta mark"),
}


def _addresses(name: str, prefixes: tuple[fields.Network, ...], family: int, field: str) -> Match:
    kind, bits = (TYPES["ipv4_addr"], 32) if family == 4 else (TYPES["ipv6_addr"], 128)
    constants: list[Constant] = [
        Value(int(each.network_address), kind)
        if each.prefixlen == bits
        else Prefix(int(each.network_address), each.prefixlen, bits, kind)
        for each in prefixes
        if each.version == family
    ]
    if not constants:
        msg = f"no {name} is IPv{family}"
        raise _NoPacketError(msg)
    return _among(f"{'ip' if family == 4 else 'ip6'} {field}", constants)


def _transport(given: ReadKeywords, family: int) -> Iterator[Match]:
    """Write what is asked of protocol, ports and ICMP types."""
    protocols = given.get("protocol")
    ports = [
        (given[name], field)
        for name, field in (("source_port", "sport"), ("destination_port", "dport"))
        if name in given
    ]
    if ports:
        wanted = [each for each in protocols or sorted(PORT_PROTOCOLS) if each in PORT_PROTOCOLS]
        if not wanted or "icmp_type" in given:
            msg = "only TCP, UDP, UDP-Lite and SCTP have ports"
            raise _NoPacketError(msg)
        header = PROTOCOL_NAMES[wanted[0]] if len(wanted) == 1 else "th"
        if header == "th":
            yield _values("meta l4proto")(tuple(wanted))
        for spans, field in ports:
            yield _among(f"{header} {field}", list(map(_port, spans)))
    elif "icmp_type" in given:
        yield _icmp_types(given["icmp_type"], protocols, family)
    elif protocols is not None:
        yield _values("meta l4proto")(protocols)


def _port(span: tuple[int, int]) -> Constant:
    kind, (first, last) = TYPES["inet_service"], span
    return Value(first, kind) if first == last else Span(first, last, kind)


def _icmp_types(
    wanted: tuple[int | str, ...], protocols: tuple[int, ...] | None, family: int
) -> Match:
    number, header, column = ICMP_OF[family]
    if protocols is not None and number not in protocols:
        msg = f"no protocol is {header}"
        raise _NoPacketError(msg)
    types = [fields.ICMP_TYPES.get(each, (each, each))[column] for each in wanted]
    numbers = dict.fromkeys(each for each in types if each is not None)
    if not numbers:
        msg = f"{header} has no such type"
        raise _NoPacketError(msg)
    return _values(f"{header} type")(tuple(numbers))
