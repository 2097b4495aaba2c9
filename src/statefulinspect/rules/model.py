"""What a rule says: the fields that a packet has to match, and the action it then gets.

A `Rule` is data and knows nothing of packets; `matcher` compiles a `Ruleset` into a look-up.
Fields that are not given match everything. Words and numbers are nftables': protocols and ICMP
types by name or number, prefixes in CIDR form, ranges of ports as (first, last).
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Callable, Final, Iterable, Mapping, TypeVar, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.flowkey import PROTOCOL_NAMES
from statefulinspect.terms import (
    ESTABLISHED,
    INVALID,
    NEW,
    RELATED,
    UNTRACKED,
    Action,
    CtState,
)

Network = Union[IPv4Network, IPv6Network]
Span = tuple[int, int]
T = TypeVar("T")

PROTOCOLS: Final = {name: number for number, name in PROTOCOL_NAMES.items()}
# nftables' names; the first number is ICMP's, the second ICMPv6's.
ICMP_TYPES: Final[Mapping[object, tuple[Any, Any]]] = {
    "echo-reply": (0, 129),
    "destination-unreachable": (3, 1),
    "source-quench": (4, None),
    "redirect": (5, None),
    "echo-request": (8, 128),
    "time-exceeded": (11, 3),
    "parameter-problem": (12, 4),
    "timestamp-request": (13, None),
    "timestamp-reply": (14, None),
    "packet-too-big": (None, 2),
}


class RuleError(ValueError):
    """Report a rule that cannot be: what was given, and what is expected.

    >>> Rule(Action.ACCEPT, destination_port=(90, 80))
    Traceback (most recent call last):
    ...
    statefulinspect.rules.model.RuleError: port range 90-80: the start is above the end
    """


def _each(value: object) -> Iterable[object]:
    """Go over a collection, a set in a fixed order; a single value is a collection of one."""
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return value if isinstance(value, (list, tuple)) else (value,)


def _all(convert: Callable[[object], T], value: object) -> tuple[T, ...] | None:
    """Convert one value or several to a tuple; None, a field not given, stays None."""
    if value is None:
        return None
    converted = tuple(dict.fromkeys(convert(each) for each in _each(value)))
    if not converted:
        msg = "an empty collection matches nothing: leave the field out, or the rule"
        raise RuleError(msg)
    return converted


def _ct_state(value: object) -> CtState:
    try:
        return CtState(value)
    except ValueError:
        known = ", ".join(state.value for state in CtState)
        msg = f"ct state {value!r}: expected one of {known}"
        raise RuleError(msg) from None


def _prefix(value: object) -> Network:
    try:
        return ip_network(value)  # type: ignore[arg-type]  # what it refuses is reported below
    except (ValueError, TypeError) as error:
        msg = f"prefix {value!r}: {error}"
        raise RuleError(msg) from None


def _protocol(value: object) -> int:
    number = PROTOCOLS.get(value, value) if isinstance(value, str) else value
    if not _is_number(number, 255):
        msg = f"protocol {value!r}: expected 0 to 255 or one of {', '.join(PROTOCOLS)}"
        raise RuleError(msg)
    return number  # type: ignore[return-value]  # checked just above


def _port_range(value: object) -> Span:
    first: Any
    last: Any
    first, last = value if isinstance(value, tuple) and len(value) == 2 else (value, value)
    if not (_is_number(first, 65535) and _is_number(last, 65535)):
        msg = f"port {value!r}: expected 0 to 65535, or a tuple (first, last)"
        raise RuleError(msg)
    if first > last:
        msg = f"port range {first}-{last}: the start is above the end"
        raise RuleError(msg)
    return first, last


def _icmp_type(value: object) -> int | str:
    if value not in ICMP_TYPES if isinstance(value, str) else not _is_number(value, 255):
        msg = f"ICMP type {value!r}: expected 0 to 255 or one of {', '.join(map(str, ICMP_TYPES))}"
        raise RuleError(msg)
    return value  # type: ignore[return-value]  # checked just above


def _is_number(value: object, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest


def _mark(value: object) -> int:
    if not _is_number(value, 0xFFFF_FFFF):
        msg = f"mark {value!r}: expected a 32-bit number"
        raise RuleError(msg)
    return value  # type: ignore[return-value]  # checked just above


def _interface(value: object) -> str:
    if not isinstance(value, str) or not value:
        msg = f"interface {value!r}: expected a name"
        raise RuleError(msg)
    return value


def _action(value: object) -> Action:
    if value not in (Action.ACCEPT, Action.DROP, Action.REJECT):
        msg = f"action {value!r}: expected Action.ACCEPT, Action.DROP or Action.REJECT"
        raise RuleError(msg)
    return value


# The type checker follows a converter only if it is a function with a name.
def _ct_states(value: Any) -> tuple[CtState, ...] | None:
    return _all(_ct_state, value)


def _interfaces(value: Any) -> tuple[str, ...] | None:
    return _all(_interface, value)


def _prefixes(value: Any) -> tuple[Network, ...] | None:
    return _all(_prefix, value)


def _protocols(value: Any) -> tuple[int, ...] | None:
    return _all(_protocol, value)


def _port_ranges(value: Any) -> tuple[Span, ...] | None:
    is_range = isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], tuple)
    return _all(_port_range, [value] if is_range else value)


def _icmp_types(value: Any) -> tuple[int | str, ...] | None:
    return _all(_icmp_type, value)


def _marks(value: Any) -> tuple[int, ...] | None:
    return _all(_mark, value)


@attrs.frozen(kw_only=True)
class Rule:
    """State which packets get an action; each field takes one value or a list of alternatives.

    `protocol`: number or name; `source`, `destination`: prefixes; `source_port`,
    `destination_port`: a port or (first, last), which only TCP, UDP, UDP-Lite and SCTP have;
    `icmp_type`: number or nftables' name; `iif`, `oif`, `mark`: as given to `process`.
    Wrong values raise `RuleError` here, never while packets are judged.

    >>> Rule(Action.ACCEPT, ct_state="new", protocol="tcp", destination_port=[22, (8000, 8999)])
    Rule(Action.ACCEPT, ct_state=new, protocol=tcp, destination_port={22, 8000-8999})
    """

    action: Action = attrs.field(converter=_action, kw_only=False)
    ct_state: tuple[CtState, ...] | None = attrs.field(default=None, converter=_ct_states)
    iif: tuple[str, ...] | None = attrs.field(default=None, converter=_interfaces)
    oif: tuple[str, ...] | None = attrs.field(default=None, converter=_interfaces)
    source: tuple[Network, ...] | None = attrs.field(default=None, converter=_prefixes)
    destination: tuple[Network, ...] | None = attrs.field(default=None, converter=_prefixes)
    protocol: tuple[int, ...] | None = attrs.field(default=None, converter=_protocols)
    source_port: tuple[Span, ...] | None = attrs.field(default=None, converter=_port_ranges)
    destination_port: tuple[Span, ...] | None = attrs.field(default=None, converter=_port_ranges)
    icmp_type: tuple[int | str, ...] | None = attrs.field(default=None, converter=_icmp_types)
    mark: tuple[int, ...] | None = attrs.field(default=None, converter=_marks)

    def __repr__(self) -> str:
        """Show the action and the fields that were given."""
        fields = [
            f"{field.name}={_show(field.name, getattr(self, field.name))}"
            for field in attrs.fields(Rule)[1:]
            if getattr(self, field.name) is not None
        ]
        return f"Rule({', '.join([str(self.action), *fields])})"


def _show(name: str, values: tuple[Any, ...]) -> str:
    shown = [_show_value(name, value) for value in values]
    return shown[0] if len(shown) == 1 else f"{{{', '.join(shown)}}}"


def _show_value(name: str, value: Any) -> str:
    if isinstance(value, CtState):
        return value.value
    if name == "protocol":
        return PROTOCOL_NAMES.get(value, str(value))
    if isinstance(value, tuple):
        return str(value[0]) if value[0] == value[1] else f"{value[0]}-{value[1]}"
    return str(value)


def _rules(value: Iterable[object]) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for rule in value:
        if not isinstance(rule, Rule):
            msg = f"{rule!r}: expected a Rule"
            raise RuleError(msg)
        rules.append(rule)
    return tuple(rules)


@attrs.frozen
class Ruleset:
    """Hold rules in order; the first match decides, and `policy` where none matches.

    >>> Ruleset([Rule(Action.DROP, ct_state="invalid")], policy=Action.ACCEPT).policy.value
    'accept'
    """

    rules: tuple[Rule, ...] = attrs.field(converter=_rules)
    policy: Action = attrs.field(kw_only=True, converter=_action)

    @classmethod
    def default(cls) -> Ruleset:
        """Make the rules that a tracker has when none are given: only INVALID is dropped."""
        return cls([Rule(Action.DROP, ct_state=INVALID)], policy=Action.ACCEPT)

    @classmethod
    def outbound(cls, inside: Iterable[object]) -> Ruleset:
        """Make rules under which `inside` prefixes may open, and the outside may only answer.

        UNTRACKED is accepted: it is IPv6 neighbour discovery and its like, which never crosses a
        router and without which IPv6 does not work. Everything else is dropped.
        """
        prefixes = [inside] if isinstance(inside, (str, IPv4Network, IPv6Network)) else list(inside)
        return cls(
            [
                Rule(Action.ACCEPT, ct_state=[ESTABLISHED, RELATED, UNTRACKED]),
                Rule(Action.ACCEPT, ct_state=NEW, source=prefixes),
            ],
            policy=Action.DROP,
        )
