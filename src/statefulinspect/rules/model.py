"""What a rule says: the fields that a packet has to match, and the action it then gets.

A `Rule` is data and knows nothing of packets; `matcher` compiles a `Ruleset` into a look-up.
Fields that are not given match everything. Words and numbers are nftables': protocols and ICMP
types by name or number, prefixes in CIDR form, ranges of ports as (first, last).
"""

from __future__ import annotations

from typing import Any, Iterable, Optional, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.flowkey import PROTOCOL_NAMES
from statefulinspect.rules import fields
from statefulinspect.rules.fields import Network, RuleError, Span
from statefulinspect.terms import (
    ESTABLISHED,
    INVALID,
    NEW,
    RELATED,
    UNTRACKED,
    Action,
    CtState,
)

Spans = Optional[tuple[Span, ...]]
IcmpTypes = Optional[tuple[Union[int, str], ...]]


@attrs.frozen(kw_only=True)
class Rule:
    """State which packets get an action; each field takes one value or a list of alternatives.

    `protocol`: number or name; `source`, `destination`: prefixes; `source_port`,
    `destination_port`: a port or (first, last), which only TCP, UDP, UDP-Lite and SCTP have;
    `icmp_type`: number or nftables' name; `iif`, `oif`, `mark`: as given to `process`. `helper`
    is no field to match: it names who reads the connections that the rule lets begin.
    Wrong values raise `RuleError` here, never while packets are judged.

    >>> Rule(Action.ACCEPT, ct_state="new", protocol="tcp", destination_port=[22, (8000, 8999)])
    Rule(Action.ACCEPT, ct_state=new, protocol=tcp, destination_port={22, 8000-8999})
    """

    action: Action = attrs.field(converter=fields.action, kw_only=False)
    ct_state: tuple[CtState, ...] | None = attrs.field(default=None, converter=fields.ct_states)
    iif: tuple[str, ...] | None = attrs.field(default=None, converter=fields.interfaces)
    oif: tuple[str, ...] | None = attrs.field(default=None, converter=fields.interfaces)
    source: tuple[Network, ...] | None = attrs.field(default=None, converter=fields.prefixes)
    destination: tuple[Network, ...] | None = attrs.field(default=None, converter=fields.prefixes)
    protocol: tuple[int, ...] | None = attrs.field(default=None, converter=fields.protocols)
    source_port: tuple[Span, ...] | None = attrs.field(default=None, converter=fields.port_ranges)
    destination_port: tuple[Span, ...] | None = attrs.field(
        default=None, converter=fields.port_ranges
    )
    icmp_type: tuple[int | str, ...] | None = attrs.field(default=None, converter=fields.icmp_types)
    mark: tuple[int, ...] | None = attrs.field(default=None, converter=fields.marks)
    helper: str | None = attrs.field(default=None, converter=fields.helper)

    def __repr__(self) -> str:
        """Show the action and the fields that were given."""
        given = [
            f"{field.name}={_show(field.name, getattr(self, field.name))}"
            for field in attrs.fields(Rule)[1:]
            if getattr(self, field.name) is not None
        ]
        return f"Rule({', '.join([str(self.action), *given])})"


def _show(name: str, values: Any) -> str:
    if isinstance(values, str):
        return values
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


def _rules(value: Any) -> tuple[Rule, ...]:
    if isinstance(value, Rule) or not isinstance(value, Iterable):
        msg = f"{value!r}: expected a collection of Rule"
        raise RuleError(msg)
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
    policy: Action = attrs.field(kw_only=True, converter=fields.action)

    @classmethod
    def default(cls) -> Ruleset:
        """Make the rules that a tracker has when none are given: only INVALID is dropped."""
        return cls([Rule(Action.DROP, ct_state=INVALID)], policy=Action.ACCEPT)

    @classmethod
    def outbound(cls, inside: object) -> Ruleset:
        """Make rules under which `inside` prefixes may open, and the outside may only answer.

        UNTRACKED is accepted: it is IPv6 neighbour discovery and its like, which never crosses a
        router and without which IPv6 does not work. Everything else is dropped.
        """
        if inside is None:
            msg = "inside=None: expected prefixes; every source would match"
            raise RuleError(msg)
        return cls(
            [
                Rule(Action.ACCEPT, ct_state=[ESTABLISHED, RELATED, UNTRACKED]),
                Rule(Action.ACCEPT, ct_state=NEW, source=inside),
            ],
            policy=Action.DROP,
        )
