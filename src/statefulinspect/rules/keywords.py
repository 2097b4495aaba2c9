"""How a rule of keywords is written in nft's statements.

`Rule(Action.ACCEPT, protocol="tcp", destination_port=22)` is `tcp dport 22 accept`. What nft cannot
say in one rule, prefixes of both IP versions say, becomes several forms of it, one each.
"""

from __future__ import annotations

from typing import Any, Callable, Final, Iterator, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.flowkey import ICMP, ICMPV6, PORT_PROTOCOLS, PROTOCOL_NAMES
from statefulinspect.rules import fields
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

READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "ct_state": fields.ct_states,
    "iif": fields.interfaces,
    "oif": fields.interfaces,
    "source": fields.prefixes,
    "destination": fields.prefixes,
    "protocol": fields.protocols,
    "source_port": fields.port_ranges,
    "destination_port": fields.port_ranges,
    "icmp_type": fields.icmp_types,
    "mark": fields.marks,
    "helper": fields.helper,
}
ICMP_OF: Final = {4: (ICMP, "icmp", 0), 6: (ICMPV6, "icmpv6", 1)}

ReadKeywords = Mapping[str, Any]


class _NoPacketError(Exception):
    """Tell that no packet of an IP version can be what the keywords ask for."""


def forms_of(
    action: Action | None, keywords: Mapping[str, Any]
) -> tuple[tuple[Statement, ...], ...]:
    """Write a rule of keywords; no form at all if no packet can be what they ask for."""
    given = _read(keywords)
    decided = fields.action(action)
    last: Statement = Reject() if decided is REJECT else Decide(decided.value)
    helper = [UseObject("ct helper", given["helper"])] if given.get("helper") else []
    families = (4, 6) if {"source", "destination", "icmp_type"} & given.keys() else (0,)
    matches = (_matches(given, family) for family in families)
    return tuple((*form, *helper, last) for form in matches if form is not None)


def _read(keywords: Mapping[str, Any]) -> ReadKeywords:
    """Read what the keywords are given; TypeError for a keyword that is none."""
    unknown = keywords.keys() - READERS.keys()
    if unknown:
        msg = f"Rule() has no field {', '.join(sorted(unknown))}; there are {', '.join(READERS)}"
        raise TypeError(msg)
    read = {name: READERS[name](value) for name, value in keywords.items()}
    return {name: value for name, value in read.items() if value is not None}


def _matches(given: ReadKeywords, family: int) -> list[Match] | None:
    """Write what is asked of packets of one IP version, 0 for both; None if there are none."""
    found: list[Match] = []
    try:
        found += [_WRITERS[name](given[name]) for name in _WRITERS if name in given]
        for name, field in (("source", "saddr"), ("destination", "daddr")):
            if name in given:
                found.append(_addresses(given[name], family, field))
        found += _transport(given, family)
    except _NoPacketError:
        return None
    return found


def _among(text: str, constants: list[Constant]) -> Match:
    """Compare with one constant, or with a set of several."""
    if not constants:
        raise _NoPacketError
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


def _addresses(prefixes: tuple[fields.Network, ...], family: int, field: str) -> Match:
    kind, bits = (TYPES["ipv4_addr"], 32) if family == 4 else (TYPES["ipv6_addr"], 128)
    constants: list[Constant] = [
        Value(int(each.network_address), kind)
        if each.prefixlen == bits
        else Prefix(int(each.network_address), each.prefixlen, bits, kind)
        for each in prefixes
        if each.version == family
    ]
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
        header = PROTOCOL_NAMES[wanted[0]] if len(wanted) == 1 else "th"
        if header == "th":
            yield _values("meta l4proto")(tuple(wanted))
        for spans, field in ports:
            yield _among(f"{header} {field}", list(map(_port, spans)))
    elif protocols is not None and "icmp_type" not in given:
        yield _values("meta l4proto")(protocols)
    if "icmp_type" in given:
        yield _icmp_types(given["icmp_type"], protocols, family)
        if ports:
            raise _NoPacketError


def _port(span: tuple[int, int]) -> Constant:
    kind, (first, last) = TYPES["inet_service"], span
    return Value(first, kind) if first == last else Span(first, last, kind)


def _icmp_types(
    wanted: tuple[int | str, ...], protocols: tuple[int, ...] | None, family: int
) -> Match:
    number, header, column = ICMP_OF[family]
    if protocols is not None and number not in protocols:
        raise _NoPacketError
    types = [fields.ICMP_TYPES.get(each, (each, each))[column] for each in wanted]
    numbers = dict.fromkeys(each for each in types if each is not None)
    return _values(f"{header} type")(tuple(numbers))
