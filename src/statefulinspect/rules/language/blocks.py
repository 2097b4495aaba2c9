"""How the lines within the blocks of tables, chains, sets and objects become properties."""

from __future__ import annotations

from typing import Any

from statefulinspect.rules.language.expressions import Parts
from statefulinspect.rules.language.foreign import ForeignStatements, synproxy_terms
from statefulinspect.rules.language.items import Draft, Property
from statefulinspect.rules.language.tree import Node, Word, error_at, node_at
from statefulinspect.rules.words.symbols_system import OCTET_UNITS


class Blocks(ForeignStatements):
    """Build what stands within a block."""

    def block(self, parts: Parts) -> Parts:
        """Give what stands in a block, and its handle as a property."""
        return [
            Property("handle", part, part) if getattr(part, "type", "") == "HANDLE" else part
            for part in parts
            if part is not None
        ]

    table_block = chain_block = set_block = object_block = flowtable_block = block

    def words(self, parts: Parts) -> Parts:
        """Build `constant,interval`."""
        return parts

    def comment(self, parts: Parts) -> Property:
        """Build `comment "x"`."""
        return Property("comment", parts[1], parts[0])

    def flags(self, parts: Parts) -> Property:
        """Build `flags interval,timeout`."""
        return Property("flags", parts[1], parts[0])

    # ---- chains

    def hook(self, parts: Parts) -> Property:
        """Build `type filter hook input priority 0`."""
        _, kind, _, hook, devices, priority = parts
        content = {"type": kind, "hook": hook, "prio": priority}
        if devices is not None:
            content["dev"] = devices.value
        return Property("", content, parts[0])

    def devices(self, parts: Parts) -> Property:
        """Build `device eth0` and `devices = { eth0, eth1 }`."""
        return Property("dev", parts[-1], parts[0])

    def priority_name(self, parts: Parts) -> Any:
        """Build `filter - 10`: a name with its distance."""
        name, sign, distance = parts
        if sign is None:
            return name
        offset = distance if sign == "+" else -distance
        return node_at(name, {"name": name, "offset": offset})

    def policy(self, parts: Parts) -> Property:
        """Build `policy drop`."""
        return Property("policy", parts[1], parts[0])

    # ---- rules

    def rule_place(self, parts: Parts) -> dict[str, Any]:
        """Build `inet t c handle 4`."""
        family, table, chain, key, number = parts
        place = {"family": family or "ip", "table": table, "chain": chain}
        if key is not None:
            place["index" if key == "index" else "handle"] = number
        return place

    def rule_in(self, parts: Parts) -> Draft:
        """Build `rule inet t c tcp dport 22 accept`."""
        *_, place, rule = parts
        rule.fields = {**place, **rule.fields}
        draft: Draft = rule
        return draft

    def rule(self, parts: Parts) -> Draft:
        """Build a rule, of its statements."""
        *statements, comment, text, handle = parts
        content: dict[str, Any] = {"expr": statements}
        if comment is not None:
            content["comment"] = text
        if handle is not None:
            content["handle"] = handle
        return Draft("add", "rule", content, statements[0])

    def jump_into(self, parts: Parts) -> Node:
        """Build `jump { tcp dport 22 accept; }`, to a chain that has no name."""
        verb, *drafts = parts
        rules = [node_at(each.place, each.fields) for each in drafts if each is not None]
        for statement in (each["expr"][-1] for each in rules):
            if any("rules" in (statement.get(jump) or ()) for jump in ("jump", "goto")):
                msg = "a chain without a name within another: expected the name of a chain"
                raise error_at(statement, msg)
        return node_at(verb, {str(verb): {"rules": rules}})

    # ---- sets

    def type_names(self, parts: Parts) -> Any:
        """Build `ipv4_addr . inet_service`."""
        return parts[0] if len(parts) == 1 else parts

    def set_type(self, parts: Parts) -> Property:
        """Build `type ipv4_addr : verdict`."""
        data = parts[3]
        if isinstance(data, list):  # nft's JSON has the types of a map's data in one string
            data = Word(" . ".join(data), data[0].line, data[0].column)
        return _typed(parts, parts[1], data)

    def set_typeof(self, parts: Parts) -> Property:
        """Build `typeof ip saddr : meta mark`."""
        data = parts[3]
        if isinstance(data, dict):
            data = node_at(data, {"typeof": data})
        return _typed(parts, node_at(parts[1], {"typeof": parts[1]}), data)

    def set_value(self, parts: Parts) -> Property:
        """Build `timeout 5s`, `gc-interval 5s`, `size 128` and `policy memory`."""
        return Property(str(parts[0]), parts[1], parts[0])

    def auto_merge(self, parts: Parts) -> Property:
        """Build `auto-merge`."""
        return Property("auto-merge", value=True, place=parts[0])

    def set_elements(self, parts: Parts) -> Property:
        """Build `elements = { 22, 80 }`."""
        return Property("elem", parts[1], parts[0])

    def elements_in(self, parts: Parts) -> Draft:
        """Build `element inet t s { 22, 80 }`."""
        return Draft("add", "element", {**parts[1], "elem": parts[2]}, parts[0])

    # ---- other objects

    def properties(self, parts: Parts) -> Property:
        """Build `type "ftp" protocol tcp`, `mss 1460`, or what a secmark stands for."""
        if isinstance(parts[0], Word) and parts[0].is_quoted:
            return Property("context", parts[0], parts[0])
        return Property("", parts, parts[0])

    def states(self, parts: Parts) -> Property:
        """Build `policy = { established: 120 }` of a ct timeout."""
        return Property("policy", node_at(parts[0], dict(parts[1:])), parts[0])

    def state(self, parts: Parts) -> tuple[str, Any]:
        """Build `established: 120`."""
        return str(parts[0]), parts[1]

    def flow_hook(self, parts: Parts) -> Property:
        """Build `hook ingress priority 0` of a flowtable."""
        return Property("", {"hook": parts[1], "prio": parts[2]}, parts[0])


def _typed(parts: Parts, kind: Any, data: Any) -> Property:
    content = {"type": kind}
    if data is not None:
        content["map"] = data
    if parts[2] is not None:
        content["flags"] = [parts[2]]
    return Property("", content, parts[0])


def object_terms(kind: str, terms: Any) -> dict[str, Any]:
    """Give the properties that an object's own line says."""
    if kind == "quota" and isinstance(terms, dict) and "val" in terms:
        content = {"bytes": terms["val"] * OCTET_UNITS[terms["val_unit"]], "used": 0}
        if "used" in terms:
            content["used"] = terms["used"] * OCTET_UNITS[terms["used_unit"]]
        return {**content, "inv": True} if "inv" in terms else content
    if kind == "synproxy":
        return synproxy_terms(terms) or {}
    if not isinstance(terms, list):
        return dict(terms)
    return dict(zip(map(str, terms[::2]), terms[1::2]))
