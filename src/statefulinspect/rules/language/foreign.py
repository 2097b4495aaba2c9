"""How the statements become nft's JSON that this library knows by name only: NAT and the like."""

from __future__ import annotations

from typing import Any

from statefulinspect.rules.language.expressions import Parts
from statefulinspect.rules.language.statements import Statements, one_or_list
from statefulinspect.rules.language.tree import Node, node_at


def _given(**content: Any) -> dict[str, Any] | None:
    """Leave out what was not given; None if nothing was."""
    return {key: value for key, value in content.items() if value is not None} or None


class ForeignStatements(Statements):
    """Build what changes packets, hands them on or asks userspace."""

    def nat_mode(self, _: Parts) -> None:
        """Leave out `addr . port` and `prefix`."""

    def target(self, parts: Parts) -> dict[str, Any]:
        """Build `10.0.0.1:80`."""
        return {"addr": parts[0], "port": parts[1]}

    def target_port(self, parts: Parts) -> dict[str, Any]:
        """Build `:80`."""
        return {"port": parts[0]}

    def nat(self, parts: Parts) -> Node:
        """Build `dnat ip to 10.0.0.1:80 random`."""
        nat, family, _, target, flags = parts
        return node_at(nat, {str(nat): _given(family=family, **target, flags=flags)})

    def bare_nat(self, parts: Parts) -> Node:
        """Build `dnat 10.0.0.1:80`."""
        nat, address, port, flags = parts
        return node_at(nat, {str(nat): _given(addr=address, port=port, flags=flags)})

    def nat_by_field(self, parts: Parts) -> Node:
        """Build `dnat ip saddr map { ... }`, where `ip` is no family."""
        nat, protocol, field, word, data, port, flags = parts
        address = self.map([self.payload([protocol, field]), word, data])
        return self.bare_nat([nat, address, port, flags])

    def masquerade(self, parts: Parts) -> Node:
        """Build `masquerade to :80` and `redirect to :80`."""
        masquerade, target, flags = parts
        port = (target or {}).get("port", (target or {}).get("addr"))
        return node_at(masquerade, {str(masquerade): _given(port=port, flags=flags)})

    def tproxy(self, parts: Parts) -> Node:
        """Build `tproxy ip to 10.0.0.1:80`."""
        tproxy, family, target = parts
        return node_at(tproxy, {"tproxy": _given(family=family, **target)})

    def dup(self, parts: Parts) -> Node:
        """Build `dup to 10.0.0.1 device "eth0"`."""
        return node_at(parts[0], {"dup": _given(addr=parts[1], dev=parts[2])})

    def fwd(self, parts: Parts) -> Node:
        """Build `fwd to "eth0"` and `fwd ip to 10.0.0.1 device "eth0"`."""
        fwd, family, target, device = parts
        if device is None:
            return node_at(fwd, {"fwd": _given(dev=target)})
        return node_at(fwd, {"fwd": _given(family=family, addr=target, dev=device)})

    def queue(self, parts: Parts) -> Node:
        """Build `queue num 0-3 bypass`."""
        queue, flags, number, more = parts
        return node_at(queue, {"queue": _given(num=number, flags=more or flags)})

    def synproxy(self, parts: Parts) -> Node:
        """Build `synproxy mss 1460 wscale 7 timestamp`."""
        return node_at(parts[0], {"synproxy": synproxy_terms(parts[1:])})

    def flow(self, parts: Parts) -> Node:
        """Build `flow add @f`."""
        return node_at(parts[0], {"flow": {"op": "add", "flowtable": parts[2]}})

    def reset(self, parts: Parts) -> Node:
        """Build `reset tcp option sack-perm`."""
        return node_at(parts[0], {"reset": parts[1]})

    def xt(self, parts: Parts) -> Node:
        """Build `xt match "x"`."""
        return node_at(parts[0], {"xt": {"type": parts[1], "name": parts[2]}})


def synproxy_terms(parts: Parts) -> dict[str, Any] | None:
    """Build what `synproxy` is given: numbers behind their names, and flags."""
    words = list(parts)
    content: dict[str, Any] = {}
    flags = []
    while words:
        word = words.pop(0)
        if words and isinstance(words[0], int):
            content[str(word)] = words.pop(0)
        else:
            flags.append(word)
    if flags:
        content["flags"] = one_or_list(flags)
    return content or None
