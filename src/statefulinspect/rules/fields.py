"""Which values a rule's fields take, and how they are written: words and numbers to one form.

Each reader takes one value or a collection of alternatives and gives a tuple, or None for a field
that was not given. What it cannot read raises `RuleError`, which says what it expects.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import AbstractSet, Any, Callable, Final, Iterable, Mapping, Sequence, TypeVar, Union  # noqa: UP035 - Python 3.9

from statefulinspect.flowkey import PROTOCOL_NAMES
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.words.symbols import ICMP_TYPE, ICMPV6_TYPE
from statefulinspect.rules.words.symbols_notation import M32, octets_in
from statefulinspect.terms import Action, CtState

T = TypeVar("T")
Several = Union[T, Sequence[T], AbstractSet[T]]  # one value, or alternatives
Network = Union[IPv4Network, IPv6Network]
Prefixes = Several[Union[str, Network, IPv4Address, IPv6Address]]
PortRange = tuple[int, int]

PROTOCOLS: Final = {name: number for number, name in PROTOCOL_NAMES.items()}
# By nftables' names: ICMP's number and ICMPv6's, where there is one.
ICMP_TYPES: Final[Mapping[object, tuple[Any, Any]]] = {
    name: (ICMP_TYPE.get(name), ICMPV6_TYPE.get(name))
    for name in (
        *("echo-reply", "destination-unreachable", "source-quench", "redirect", "echo-request"),
        *("time-exceeded", "parameter-problem", "timestamp-request", "timestamp-reply"),
        "packet-too-big",
    )
}

INTERFACE: Final = re.compile(r'[^*"\x00-\x1f\x7f]{1,15}')  # what nft can be told in quotes


def _each(value: object) -> Iterable[object]:
    """Go over a collection, a set in a fixed order; a single value is a collection of one."""
    if isinstance(value, AbstractSet):
        return sorted(value, key=str)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return value
    return (value,)


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
    found = next((state for state in CtState if value in (state, state.value)), None)
    if found is None:
        known = ", ".join(state.value for state in CtState)
        msg = f"ct state {value!r}: expected one of {known}"
        raise RuleError(msg)
    return found


def _prefix(value: object) -> Network:
    if not isinstance(value, (str, IPv4Network, IPv6Network, IPv4Address, IPv6Address)):
        msg = f"prefix {value!r}: expected CIDR notation or an object of ipaddress"
        raise RuleError(msg)
    if "%" in str(value):
        msg = f"prefix {value!r}: expected no zone; name the interface with iif or oif"
        raise RuleError(msg)
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        msg = f"prefix {value!r}: expected CIDR notation, as in '10.0.0.0/8'"
        raise RuleError(msg) from None
    try:
        return ip_network(value)
    except ValueError:
        msg = f"prefix {value!r}: has host bits set; expected '{network}'"
        raise RuleError(msg) from None


def _protocol(value: object) -> int:
    number = PROTOCOLS.get(value, value) if isinstance(value, str) else value
    if not _is_number(number, 255):
        msg = f"protocol {value!r}: expected 0 to 255 or one of {', '.join(PROTOCOLS)}"
        raise RuleError(msg)
    return number  # type: ignore[return-value]  # checked just above


def _port_range(value: object) -> PortRange:
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
    if not _is_number(value, M32):
        msg = f"mark {value!r}: expected a 32-bit number"
        raise RuleError(msg)
    return value  # type: ignore[return-value]  # checked just above


def _interface(value: object) -> str:
    if not isinstance(value, str) or not INTERFACE.fullmatch(value) or octets_in(value) > 15:
        msg = f"interface {value!r}: expected a whole name, 1 to 15 octets without * and quotes"
        raise RuleError(msg)
    return value


def action(value: object) -> Action:
    """Read what a rule or a policy decides: HOLD is not for them."""
    if value not in (Action.ACCEPT, Action.DROP, Action.REJECT):
        msg = f"action {value!r}: expected Action.ACCEPT, Action.DROP or Action.REJECT"
        raise RuleError(msg)
    return value


def helper(value: object) -> str | None:
    """Read the name of a helper; whether there is one, the tracker knows."""
    if value is not None and (not isinstance(value, str) or not value):
        msg = f"helper {value!r}: expected a name"
        raise RuleError(msg)
    return value


def ct_states(value: Several[CtState | str] | None) -> tuple[CtState, ...] | None:
    """Read ct states, by member or nftables' name."""
    return _all(_ct_state, value)


def interfaces(value: Several[str] | None) -> tuple[str, ...] | None:
    """Read interface names."""
    return _all(_interface, value)


def prefixes(value: Prefixes | None) -> tuple[Network, ...] | None:
    """Read prefixes in CIDR form, or ipaddress' networks."""
    return _all(_prefix, value)


def protocols(value: Several[int | str] | None) -> tuple[int, ...] | None:
    """Read protocols by number or name."""
    return _all(_protocol, value)


def port_ranges(value: Several[int | PortRange] | None) -> tuple[PortRange, ...] | None:
    """Read ports and (first, last) ranges."""
    is_range = isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], tuple)
    return _all(_port_range, [value] if is_range else value)


def icmp_types(value: Several[int | str] | None) -> tuple[int | str, ...] | None:
    """Read ICMP types by number or nftables' name."""
    return _all(_icmp_type, value)


def marks(value: Several[int] | None) -> tuple[int, ...] | None:
    """Read packet marks of 32 bits."""
    return _all(_mark, value)
