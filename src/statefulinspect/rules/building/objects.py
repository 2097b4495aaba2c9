"""How the objects of a table are read: counters, quotas, limits, and what `ct` sets by name."""

from __future__ import annotations

from typing import Callable, Final, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.flowkey import TCP, UDP
from statefulinspect.rules.building.nodes import (
    Tree,
    fields,
    name_in,
    needed,
    one_of,
    refuse,
    refuse_unsupported,
    text,
    whole,
    word,
)
from statefulinspect.rules.building.sets import duration_of
from statefulinspect.rules.building.stateful import limit_of, quota_of
from statefulinspect.rules.syntax.objects import (
    TIMEOUT_STATES,
    CtExpectation,
    CtHelper,
    CtTimeout,
    NamedCounter,
    NamedLimit,
    NamedObject,
    NamedQuota,
)
from statefulinspect.rules.words.symbols_notation import M32

PROTOCOLS: Final = {"tcp": TCP, "udp": UDP}
L3PROTOS: Final = ("ip", "ip6", "inet")
MOST_EXPECTED: Final = 255
UNSUPPORTED: Final[Mapping[str, str]] = {
    "secmark": "there are no security contexts",
    "synproxy": "there is no SYN proxy; limit new connections with limit or ct count",
    "flowtable": "there are no flow tables; every packet meets the rules",
    "tunnel": "there are no tunnels",
}


def object_of(kind: str, node: Tree, family: str) -> NamedObject:
    """Read an object of a table of this family."""
    if kind in UNSUPPORTED:
        refuse_unsupported(kind, UNSUPPORTED[kind], node)
    return READERS[kind](node, name_in(node, "name", kind), family)


def _counter(node: Tree, name: str, _: str) -> NamedObject:
    packets = whole(node.get("packets", 0), "counter packets")
    octets = whole(node.get("bytes", 0), "counter bytes")
    return NamedCounter(name, packets, octets, text(node, "comment", "counter"))


def _quota(node: Tree, name: str, _: str) -> NamedObject:
    return NamedQuota(name, quota_of(node), text(node, "comment", "quota"))


def _limit(node: Tree, name: str, _: str) -> NamedObject:
    return NamedLimit(name, limit_of(node), text(node, "comment", "limit"))


def _protocol(node: Tree, kind: str) -> int:
    return PROTOCOLS[one_of(needed(node, "protocol", kind), PROTOCOLS, f"{kind}: protocol")]


def _l3proto(node: Tree, kind: str, family: str) -> str:
    """Tell the family of the object; empty where it is that of its table."""
    given = node.get("l3proto")
    if given is None:
        return ""
    wanted = one_of(given, L3PROTOS, f"{kind}: l3proto")
    return "" if wanted == family else wanted


def _helper(node: Tree, name: str, family: str) -> NamedObject:
    l3proto = _l3proto(node, "ct helper", family)
    if l3proto and family != "inet":
        refuse(f"ct helper {name}: l3proto {l3proto} in a table of family {family}", node)
    helper, comment = word(node, "type", "ct helper"), text(node, "comment", "ct helper")
    return CtHelper(name, helper, _protocol(node, "ct helper"), l3proto, comment)


def _timeout(node: Tree, name: str, family: str) -> NamedObject:
    protocol = _protocol(node, "ct timeout")
    lives: dict[str, int] = {}
    for state, seconds in fields(node.get("policy"), "ct timeout policy").items():
        one_of(state, TIMEOUT_STATES[protocol], "ct timeout: state")
        lives[str(state)] = whole(seconds, f"ct timeout {state}", M32)
    l3proto = _l3proto(node, "ct timeout", family)
    return CtTimeout(name, protocol, l3proto, lives, text(node, "comment", "ct timeout"))


def _expectation(node: Tree, name: str, family: str) -> NamedObject:
    kind = "ct expectation"
    for key in ("dport", "timeout", "size"):
        needed(node, key, kind)
    l3proto = _l3proto(node, kind, family)
    if family == "inet" and not l3proto:
        refuse(f"{kind} {name}: expected l3proto ip or ip6 in a table of family inet", node)
    timeout = duration_of(node["timeout"], f"{kind} timeout") / 1000  # milliseconds, here alone
    return CtExpectation(
        name,
        _protocol(node, kind),
        whole(node["dport"], f"{kind}: dport", 0xFFFF),
        timeout,
        whole(node["size"], f"{kind}: size", MOST_EXPECTED),
        l3proto,
        text(node, "comment", kind),
    )


READERS: Final[Mapping[str, Callable[[Tree, str, str], NamedObject]]] = {
    "counter": _counter,
    "quota": _quota,
    "limit": _limit,
    "ct helper": _helper,
    "ct timeout": _timeout,
    "ct expectation": _expectation,
}
