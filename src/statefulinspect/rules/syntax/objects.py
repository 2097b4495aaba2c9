"""What a table holds beside chains: sets and maps, and the objects that rules use by name.

Each prints as its nft text, to stand within a table's block.
"""

from __future__ import annotations

from typing import Final, Iterable, Mapping, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.flowkey import PROTOCOL_NAMES, TCP, UDP
from statefulinspect.rules.syntax.constants import Element, duration, quoted
from statefulinspect.rules.syntax.stateful import Limit, Quota
from statefulinspect.rules.syntax.statements import Statement
from statefulinspect.rules.words.datatypes import DataType

# The states that a ct timeout may name, the first one first, and by which name `Timeouts` has them:
# there is none for a simultaneous open.
TIMEOUT_STATES: Final[Mapping[int, Mapping[str, str]]] = {
    TCP: {
        **{state: f"tcp_{state}" for state in (
            "syn_sent", "syn_recv", "established", "fin_wait", "close_wait", "last_ack",
            "time_wait", "close")},
        "retrans": "tcp_max_retrans",
        "unack": "tcp_unacknowledged",
        "syn_sent2": "",
    },
    UDP: {"unreplied": "udp", "replied": "udp_stream"},
}  # fmt: skip
OBJECT_KINDS: Final = ("counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation")


def block(head: str, lines: Iterable[str]) -> str:
    """Write a head and, indented, what it holds."""
    return "\n".join([f"{head} {{", *(indented(line) for line in lines), "}"])


def indented(text: str) -> str:
    """Indent every line of a text."""
    return "\n".join(f"\t{line}" if line else line for line in text.split("\n"))


@attrs.frozen(kw_only=True)
class NamedSet:
    """Hold a set, or a map if it has `data`: the words behind the colon of its type.

    `key` are the words of its type: `type ipv4_addr . inet_service` or `typeof ip saddr`. `types`
    and `sizes` are those of the key's parts, `data_types` those of the data unless they are
    verdicts or objects. `flags` are of constant, interval, timeout and dynamic; times in seconds.
    """

    name: str
    key: str
    types: tuple[DataType, ...]
    sizes: tuple[int, ...]
    data: str = ""
    data_types: tuple[DataType, ...] = ()
    data_sizes: tuple[int, ...] = ()
    flags: frozenset[str] = frozenset()
    timeout: float | None = None
    gc_interval: float | None = None
    size: int | None = None
    policy: str = ""
    is_merged: bool = False
    elements: tuple[Element, ...] = ()
    statements: tuple[Statement, ...] = ()
    comment: str = ""

    @property
    def is_map(self) -> bool:
        """Tell whether its elements lead to something."""
        return bool(self.data)

    @property
    def takes_timeouts(self) -> bool:
        """Tell whether its elements can have timeouts."""
        return self.timeout is not None or "timeout" in self.flags

    def __str__(self) -> str:
        """Write it as nft does."""
        lines = [f"{self.key} : {self.data}" if self.data else self.key]
        lines += [f"size {self.size}"] if self.size is not None else []
        lines += [f"policy {self.policy}"] if self.policy else []
        lines += [f"flags {','.join(sorted(self.flags))}"] if self.flags else []
        lines += [" ".join(map(str, self.statements))] if self.statements else []
        lines += [f"timeout {duration(self.timeout)}"] if self.timeout is not None else []
        lines += [f"gc-interval {duration(self.gc_interval)}"] if self.gc_interval else []
        lines += ["auto-merge"] if self.is_merged else []
        lines += [f"comment {quoted(self.comment)}"] if self.comment else []
        if self.elements:
            lines.append(f"elements = {{ {', '.join(map(str, self.elements))} }}")
        return block(f"{'map' if self.data else 'set'} {self.name}", lines)


@attrs.frozen
class NamedCounter:
    """Hold a counter that several rules share."""

    name: str
    packets: int = 0
    octets: int = 0
    comment: str = ""

    def __str__(self) -> str:
        """Write it as nft does."""
        lines = [f"comment {quoted(self.comment)}"] if self.comment else []
        lines.append(f"packets {self.packets} bytes {self.octets}")
        return block(f"counter {self.name}", lines)


@attrs.frozen
class NamedQuota:
    """Hold a quota that several rules share."""

    name: str
    quota: Quota
    comment: str = ""

    def __str__(self) -> str:
        """Write it as nft does."""
        lines = [f"comment {quoted(self.comment)}"] if self.comment else []
        return block(f"quota {self.name}", [*lines, self.quota.terms])


@attrs.frozen
class NamedLimit:
    """Hold a limit that several rules share."""

    name: str
    limit: Limit
    comment: str = ""

    def __str__(self) -> str:
        """Write it as nft does."""
        lines = [f"comment {quoted(self.comment)}"] if self.comment else []
        return block(f"limit {self.name}", [*lines, self.limit.terms])


@attrs.frozen
class CtHelper:
    """Hold which helper reads connections; protocol None is any that the helper reads."""

    name: str
    helper: str
    protocol: int | None = None
    family: str = ""
    comment: str = ""

    def __str__(self) -> str:
        """Write it as nft does, which wants a protocol."""
        is_udp = self.helper in ("tftp", "amanda", "netbios-ns", "snmp")
        protocol = PROTOCOL_NAMES[self.protocol] if self.protocol else ("udp" if is_udp else "tcp")
        lines = [f"comment {quoted(self.comment)}"] if self.comment else []
        lines.append(f"type {quoted(self.helper)} protocol {protocol}")
        lines += [f"l3proto {self.family}"] if self.family else []
        return block(f"ct helper {self.name}", lines)


@attrs.frozen
class CtTimeout:
    """Hold how long connections live in their states, in seconds; `policy` by nft's state names."""

    name: str
    protocol: int
    family: str = ""
    policy: Mapping[str, int] = attrs.field(factory=dict)
    comment: str = ""

    def __str__(self) -> str:
        """Write it as nft does."""
        lines = [f"comment {quoted(self.comment)}"] if self.comment else []
        lines.append(f"protocol {PROTOCOL_NAMES[self.protocol]}")
        lines += [f"l3proto {self.family}"] if self.family else []
        lives = [f"{state} : {seconds}" for state, seconds in self.policy.items()]
        lines += [f"policy = {{ {', '.join(lives)} }}"] if lives else []
        return block(f"ct timeout {self.name}", lines)


@attrs.frozen
class CtExpectation:
    """Hold which connection a packet announces: from its receiver back to its sender.

    At most `size` are expected of one connection; `timeout` is in seconds.
    """

    name: str
    protocol: int
    port: int
    timeout: float
    size: int
    family: str = ""
    comment: str = ""

    def __str__(self) -> str:
        """Write it as nft does."""
        lines = [f"comment {quoted(self.comment)}"] if self.comment else []
        lines.append(f"protocol {PROTOCOL_NAMES[self.protocol]}")
        lines.append(f"dport {self.port}")
        lines += [f"timeout {duration(self.timeout)}", f"size {self.size}"]
        lines += [f"l3proto {self.family}"] if self.family else []
        return block(f"ct expectation {self.name}", lines)


NamedObject = Union[NamedCounter, NamedQuota, NamedLimit, CtHelper, CtTimeout, CtExpectation]


def kind_of(named: NamedObject) -> str:
    """Tell nft's word for the kind of an object."""
    return {
        NamedCounter: "counter",
        NamedQuota: "quota",
        NamedLimit: "limit",
        CtHelper: "ct helper",
        CtTimeout: "ct timeout",
        CtExpectation: "ct expectation",
    }[type(named)]
