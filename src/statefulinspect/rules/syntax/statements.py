"""What a rule does: the matches that a packet has to pass, and the statements it then meets.

They stand in the order of the rule's text, for a counter before a match counts other packets than
one behind it. Each prints as its nft text.
"""

from __future__ import annotations

from typing import Final, Iterator, Mapping, Optional, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.flowkey import TCP
from statefulinspect.rules.syntax.constants import (
    AnySet,
    Constant,
    Right,
    SetLiteral,
    Value,
    duration,
    quoted,
)
from statefulinspect.rules.syntax.expressions import Binary, Expression, Select, selectors_in
from statefulinspect.rules.syntax.stateful import Stateful
from statefulinspect.rules.words.selectors import ONLY_IPV4, ONLY_IPV6, Needs, Selector

Number = Optional[int]
REJECT_NEEDS: Final[Mapping[str, Needs]] = {
    "tcp reset": (("meta l4proto", frozenset({TCP})),),
    "icmp": ONLY_IPV4,
    "icmpv6": ONLY_IPV6,
}


@attrs.frozen
class Match:
    """Let a packet pass if the comparison holds.

    The operator is ==, !=, <, <=, >, >=, or for bit masks `in`, any of these bits, and `!`, none
    of them. With a set on the right == asks whether it holds what is on the left.
    """

    left: Expression
    operator: str
    right: Right

    def __str__(self) -> str:
        """Write it as nft does, without an operator where it goes without saying."""
        is_mask = isinstance(self.right, Value) and self.right.type.is_bitmask
        is_plain = self.operator == "==" and not (is_mask or isinstance(self.left, Binary))
        operator = "" if is_plain or self.operator == "in" else f" {self.operator}"
        return f"{self.left}{operator} {self.right}"


def settled_by(match: Match) -> tuple[str, list[int]]:
    """Tell what a comparison settles, and the numbers that it leaves: nft goes by the last."""
    left, right = match.left, match.right
    if match.operator not in ("==", "in") or not isinstance(left, Select):
        return "", []
    keys = [each.key for each in right.elements] if isinstance(right, SetLiteral) else [right]
    values = [each.value for each in keys if isinstance(each, Value)]
    return left.selector.text, [each for each in values if isinstance(each, int)]


@attrs.frozen
class Decide:
    """End the rule: accept, drop, continue, return, jump or goto; the last two name a chain."""

    kind: str
    chain: str = ""

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"{self.kind} {self.chain}" if self.chain else self.kind


@attrs.frozen
class Reject:
    """Drop the packet and tell its sender so: `kind` is tcp reset, icmp, icmpv6 or icmpx."""

    kind: str = ""
    code: Value | None = None

    @property
    def needs(self) -> Needs:
        """Tell what nft asks of packets by itself before it refuses them."""
        return REJECT_NEEDS.get(self.kind, ())

    def __str__(self) -> str:
        """Write it as nft does."""
        if not self.kind:
            return "reject"
        return f"reject with {self.kind}" + ("" if self.code is None else f" {self.code}")


@attrs.frozen
class DecideBy:
    """End the rule as a verdict map says, if it says anything of the packet."""

    key: Expression
    data: AnySet

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"{self.key} vmap {self.data}"


@attrs.frozen
class UseObject:
    """Use a named counter, quota, limit, ct helper, ct timeout or ct expectation of the table.

    `name` is the object's, or a map that tells it.
    """

    kind: str
    name: str | Mapped

    def __str__(self) -> str:
        """Write it as nft does."""
        verb = f"{self.kind} set" if self.kind.startswith("ct ") else f"{self.kind} name"
        return f"{verb} {self.name if isinstance(self.name, Mapped) else quoted(self.name)}"


@attrs.frozen
class Mapped:
    """Tell an object's name by a map."""

    key: Expression
    data: AnySet

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"{self.key} map {self.data}"


def _listed(flags: tuple[str, ...]) -> Iterator[str]:
    """Write the flags of a log in nft's order; those of TCP stand behind one word."""
    of_tcp = [flag.partition(" ")[2] for flag in flags if flag.startswith("tcp ")]
    if of_tcp:
        yield f"flags tcp {','.join(of_tcp)}"
    others = ("ip options", "skuid", "ether", "all")
    yield from (f"flags {flag}" for flag in others if flag in flags)


@attrs.frozen
class Log:
    """Log the packet; the library writes no log, a trace shows the statement."""

    prefix: str = ""
    level: str = ""
    group: Number = None
    snaplen: Number = None
    queue_threshold: Number = None
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Write it as nft does."""
        words = ["log"]
        words += [f"prefix {quoted(self.prefix)}"] if self.prefix else []
        words += [f"group {self.group}"] if self.group is not None else []
        words += [f"snaplen {self.snaplen}"] if self.snaplen is not None else []
        threshold = self.queue_threshold
        words += [f"queue-threshold {threshold}"] if threshold is not None else []
        words += [f"level {self.level}"] if self.level else []
        return " ".join([*words, *_listed(self.flags)])


@attrs.frozen
class Exempt:
    """Let the packet not be tracked: notrack."""

    def __str__(self) -> str:
        """Write it as nft does."""
        return "notrack"


@attrs.frozen
class Assign:
    """Set something of the packet or its connection: `meta mark set 1`, `ct zone set 5`.

    A TCP option that is set to be missing is `reset tcp option`.
    """

    target: Selector
    value: Expression | Constant

    def __str__(self) -> str:
        """Write it as nft does."""
        if self.target.type.name == "boolean" and self.target.text.startswith("tcp option"):
            return f"reset {self.target}"
        value = str(self.value)
        if self.target.text == "ct event":  # nft reads commas here only, and writes them
            value = value.replace(" | ", ",")
        return f"{self.target} set {value}"


@attrs.frozen
class UpdateSet:
    """Add, update or delete an element of a set or map: `add @seen { ip saddr timeout 1m }`.

    `statements` hang on each element: the packet passes if they let it.
    """

    operation: str
    name: str
    key: Expression
    data: Expression | None = None
    timeout: float | None = None
    statements: tuple[Statement, ...] = ()

    def __str__(self) -> str:
        """Write it as nft does."""
        words = [str(self.key)]
        words += [f"timeout {duration(self.timeout)}"] if self.timeout is not None else []
        words += [str(each) for each in self.statements]
        data = "" if self.data is None else f" : {self.data}"
        return f"{self.operation} @{self.name} {{ {' '.join(words)}{data} }}"


Statement = Union[
    Match, Decide, Reject, DecideBy, Stateful, UseObject, Log, Exempt, Assign, UpdateSet
]  # fmt: skip


def looked_at(statement: object) -> list[Selector]:
    """List everything that a statement looks at."""
    if isinstance(statement, Match):
        return selectors_in(statement.left)
    if isinstance(statement, Decide):
        return []
    if isinstance(statement, UseObject) and isinstance(statement.name, Mapped):
        return selectors_in(statement.name.key)
    parts = [getattr(statement, name, None) for name in ("key", "value", "data")]
    return [each for part in parts if part is not None for each in selectors_in(part)]
