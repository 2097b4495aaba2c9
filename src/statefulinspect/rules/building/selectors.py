"""How the left side of a comparison is read: which selector a payload, meta or ct expression is."""

from __future__ import annotations

from typing import Any, Callable, Final, Mapping, NoReturn  # noqa: UP035 - Python 3.9

from statefulinspect.rules.building.nodes import (
    Tree,
    fields,
    refuse,
    refuse_unsupported,
    whole,
    word,
)
from statefulinspect.rules.building.protocols import Protocols
from statefulinspect.rules.words.header_parts import (
    CHUNK_FIELDS,
    EXTENSION_FIELDS,
    IPV4_OPTION_FIELDS,
    KINDS_BY_WORD,
    OPTION_FIELDS,
    OPTION_KINDS,
    SACK_BLOCKS,
)
from statefulinspect.rules.words.headers import FIELDS, HeaderField
from statefulinspect.rules.words.selectors import (
    BASES,
    CT_DIRECTED,
    CT_ONLY_DIRECTED,
    CT_TYPES,
    DIRECTIONS,
    META_TYPES,
    SELECTORS,
    Selector,
    raw_option,
    raw_payload,
)

LONGEST_RAW: Final = 128  # bits; nft itself fails beyond
OPTION_ALIASES: Final = {
    "noop": "nop", "sack-permitted": "sack-perm", "sack0": "sack", "echo": "timestamp",
}  # fmt: skip
OPTION_NAMES: Final = {kind: name for name, kind in OPTION_KINDS.items()}
META_ALIASES: Final = {"ipsec": "secpath"}
UNSUPPORTED_META: Final = frozenset({"random", "secmark", "iifkind", "oifkind", "broute"})
BRIDGE_META: Final = frozenset({"ibrname", "obrname", "ibridgename", "obridgename", "ibriport"}) | {
    "ibrpvid", "ibrvproto", "obriport",
}  # fmt: skip
READABLE_META: Final = [
    key for key in META_TYPES if key not in UNSUPPORTED_META | BRIDGE_META | {"nftrace"}
]
UNSUPPORTED_CT: Final = frozenset({"id", "secmark"})
ADDRESSES: Final = frozenset({"saddr", "daddr"})
OF_ONE_WAY: Final = {*CT_ONLY_DIRECTED, *ADDRESSES}  # what a connection has for each direction only
LINK_LAYERS: Final = frozenset({"ether", "vlan", "arp", "tunnel", "vxlan", "geneve", "gretap"})
FieldTable = Mapping[tuple[str, str], HeaderField]


def selector_of(kind: str, part: object, protocols: Protocols) -> Selector:
    """Find the selector of an expression of this kind; refuse what the rule has excluded."""
    return READERS[kind](fields(part, kind), protocols)


def _refuse_field(
    table: FieldTable, what: str, protocol: str, field: str, part: object
) -> NoReturn:
    """Refuse a header or a field that there is not."""
    known = [name for header, name in table if header == protocol]
    if known:
        refuse(f"{what}{protocol} {field}: expected one of {', '.join(known)}", part)
    headers = ", ".join(dict.fromkeys(header for header, _ in table))
    refuse(f"{what}{protocol}: expected one of {headers}", part)


def _payload(node: Tree, protocols: Protocols) -> Selector:
    if "base" in node:
        return _raw(node)
    protocol, field = word(node, "protocol", "payload"), word(node, "field", "payload")
    if "tunnel" in node:
        refuse_unsupported(f"{node['tunnel']} {protocol}", "rules see the outer headers only", node)
    if protocol in LINK_LAYERS:
        refuse_unsupported(protocol, "rules see packets from the IP header on", node)
    if (protocol, field) not in FIELDS:
        _refuse_field(FIELDS, "", protocol, field, node)
    protocols.enter(protocol, field, node)
    return SELECTORS[f"{protocol} {field}"]


def _raw(node: Tree) -> Selector:
    base = word(node, "base", "payload")
    if base not in BASES:
        refuse(f"@{base}: expected one of {', '.join(sorted(BASES))}", node)
    offset = whole(node.get("offset"), "payload offset", 2048)
    return raw_payload(base, offset, _width(node, "payload"))


def _width(node: Tree, what: str) -> int:
    bits = whole(node.get("len"), f"{what} length", LONGEST_RAW)
    if not bits:
        refuse(f"{what} length 0: expected 1 to {LONGEST_RAW} bits", node)
    return bits


def _extension(node: Tree, protocols: Protocols) -> Selector:
    header = word(node, "name", "exthdr")
    protocols.enter_extension("ip6", f"exthdr {header}", node)
    if node.get("field") is None:
        if f"exthdr {header}" not in SELECTORS:
            _refuse_field(EXTENSION_FIELDS, "exthdr ", header, "", node)
        return SELECTORS[f"exthdr {header}"]
    field = word(node, "field", "exthdr")
    if (header, field) not in EXTENSION_FIELDS:
        _refuse_field(EXTENSION_FIELDS, "exthdr ", header, field, node)
    return SELECTORS[f"{header} {field}"]


def _option(node: Tree, _: Protocols) -> Selector:
    if "base" in node:
        return _raw_option(node)
    name = word(node, "name", "tcp option")
    name = OPTION_ALIASES.get(name, name)
    if name.isdigit():
        return _raw_option({"base": int(name[:4])})
    if name in SACK_BLOCKS and node.get("field") not in ("left", "right"):
        name = "sack"
    return _part(OPTION_FIELDS, "tcp option", name, node)


def _raw_option(node: Tree) -> Selector:
    """Read an option by number: in nft's JSON the first octet is the option itself.

    Where text asks for that octet, it is the number; nft 1.0 reads no name of it.
    """
    kind = whole(node["base"], "tcp option", 255)
    offset = whole(node.get("offset", 0), "tcp option offset", 2048)
    bits = _width({"len": 8, **node}, "tcp option")
    for name, field in OPTION_FIELDS:
        row = OPTION_FIELDS[name, field]
        if KINDS_BY_WORD[name] == kind and (row.offset, row.bits) == (offset, bits) and offset:
            return SELECTORS[f"tcp option {name} {field}"]
    if (offset, bits) == (0, 8) and node.get("field") != "kind":
        known = OPTION_NAMES.get(kind)
        return SELECTORS[f"tcp option {known}"] if known else raw_option(kind)
    return raw_option(kind, offset, bits)


def _chunk(node: Tree, _: Protocols) -> Selector:
    return _part(CHUNK_FIELDS, "sctp chunk", word(node, "name", "sctp chunk"), node)


def _ipv4_option(node: Tree, protocols: Protocols) -> Selector:
    option = word(node, "name", "ip option")
    protocols.enter_extension("ip", f"ip option {option}", node)
    return _part(IPV4_OPTION_FIELDS, "ip option", option, node)


def _part(fields: Mapping[tuple[str, str], Any], what: str, name: str, node: Tree) -> Selector:
    """Find an option or a chunk, or the field of it that is asked for."""
    field = word(node, "field", what, "")
    found = SELECTORS.get(f"{what} {name} {field}" if field else f"{what} {name}")
    if found is None:
        _refuse_field(fields, f"{what} ", name, field, node)
    return found


def _meta(node: Tree, protocols: Protocols) -> Selector:
    key = word(node, "key", "meta")
    key = META_ALIASES.get(key, key)
    if key in UNSUPPORTED_META:
        refuse_unsupported(f"meta {key}", f"there are {', '.join(READABLE_META)}", node)
    if key == "nfproto" and protocols.family != "inet":
        refuse(f"meta nfproto: all packets of family {protocols.family} have the same", node)
    if key in BRIDGE_META:
        refuse(f"meta {key}: expected in tables of the family bridge only", node)
    if key not in META_TYPES:
        refuse(f"meta {key}: expected one of {', '.join(READABLE_META)}", node)
    return SELECTORS[f"meta {key}"]


def _ct(node: Tree, protocols: Protocols) -> Selector:
    key, direction = word(node, "key", "ct"), node.get("dir")
    if node.get("family"):
        key = f"{word(node, 'family', 'ct')} {key}"
    if key in UNSUPPORTED_CT:
        refuse_unsupported(f"ct {key}", f"there are {', '.join(CT_TYPES)}", node)
    if key not in CT_TYPES and key not in OF_ONE_WAY:
        refuse(f"ct {key}: expected one of {', '.join({**CT_TYPES, **CT_ONLY_DIRECTED})}", node)
    if direction is None:
        if key in OF_ONE_WAY:
            refuse(f"ct {key}: expected a direction, as in ct original {key}", node)
        return SELECTORS[f"ct {key}"]
    if direction not in DIRECTIONS or key not in {*CT_DIRECTED, *OF_ONE_WAY}:
        refuse(f"ct {direction} {key}: expected ct {key} without a direction", node)
    return SELECTORS[f"ct {direction} {_connection_key(key, protocols, node)}"]


def _connection_key(key: str, protocols: Protocols, node: Tree) -> str:
    """Tell addresses by IP version; refuse ports before the protocol is known."""
    if " " in key:
        protocols.refuse_other_network(key.partition(" ")[0], node)
    if key in ADDRESSES:
        if not protocols.network:
            hint = f'use "ip {key}" or "ip6 {key}"'
            refuse(f"ct {key}: the IP version is not known here; {hint}", node)
        return f"{protocols.network} {key}"
    if key.startswith("proto-") and not (protocols.transport or protocols.is_typeof):
        refuse(f"ct {key}: the protocol is not known here; match meta l4proto before", node)
    return key


READERS: Final[Mapping[str, Callable[[Any, Protocols], Selector]]] = {
    "payload": _payload,
    "exthdr": _extension,
    "tcp option": _option,
    "ip option": _ipv4_option,
    "sctp chunk": _chunk,
    "meta": _meta,
    "ct": _ct,
}
