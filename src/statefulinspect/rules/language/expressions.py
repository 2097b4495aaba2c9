"""How selectors, constants and sets become nft's JSON: one method for each rule of the grammar."""

from __future__ import annotations

from typing import Any, Final, Iterable  # noqa: UP035 - Python 3.9

from statefulinspect.rules.errors import near_first
from statefulinspect.rules.language import words
from statefulinspect.rules.language.tree import Node, Word, error_at, node_at, place_of

BINDING: Final = {"<<": 4, ">>": 4, "&": 3, "^": 2, "|": 1}

Parts = list[Any]


def among(word: Any, known: Iterable[str]) -> Any:
    """Give the word if it is among the known; RuleError, which lists them, if it is not."""
    if word not in known:
        msg = f"{str(word)!r}: expected one of {', '.join(near_first(str(word), known))}"
        raise error_at(word, msg)
    return word


def same(sign: Any) -> str:
    """Give the sign that an operator's word stands for."""
    return words.SAME.get(sign, str(sign))


def fold(parts: Parts) -> Any:
    """Build binary operations of operands and operators in their order, as tightly as nft binds."""
    operands: Parts = [parts[0]]
    operators: list[str] = []
    for sign, operand in zip(parts[1::2], parts[2::2]):
        while operators and BINDING[operators[-1]] >= BINDING[same(sign)]:
            _join(operands, operators.pop())
        operators.append(same(sign))
        operands.append(operand)
    while operators:
        _join(operands, operators.pop())
    return operands[0]


def _join(operands: Parts, sign: str) -> None:
    right = operands.pop()
    operands[-1] = node_at(operands[-1], {sign: [operands[-1], right]})


class Expressions:
    """Build what a rule looks at and what it compares with."""

    def payload(self, parts: Parts) -> Node:
        """Build `tcp dport`, `frag id`, `vxlan ip saddr`."""
        if len(parts) == 3 and isinstance(parts[2], Word):
            inner = self.payload(parts[1:])
            inner["payload"]["tunnel"] = parts[0]
            return inner
        protocol, field = parts[0], among(parts[1], words.FIELDS[parts[0]])
        if len(parts) == 3:
            field = _spelled(f"{field}[{parts[2]}]", parts[1])
        if protocol in words.EXTENSIONS:
            return node_at(protocol, {"exthdr": {"name": protocol, "field": field}})
        return node_at(protocol, {"payload": {"protocol": protocol, "field": field}})

    def arp(self, parts: Parts) -> Node:
        """Build `arp operation` and `arp saddr ip`."""
        if len(parts) == 3:
            field = _spelled(f"{parts[1]} {parts[2]}", parts[1])
        else:
            field = among(parts[1], (*words.ARP_FIELDS, "saddr ip", "daddr ether"))
        return node_at(parts[0], {"payload": {"protocol": parts[0], "field": field}})

    def header_option(self, parts: Parts) -> Node:
        """Build `tcp option maxseg size` and `ip option lsrr`."""
        protocol, name, field = parts
        options = {"tcp": words.TCP_OPTIONS, "ip": words.IP_OPTIONS}
        known = options[among(protocol, options)]
        if isinstance(name, int):
            return node_at(protocol, {f"{protocol} option": _given(base=name, field=field)})
        name = _spelled(words.OPTION_SPELLINGS.get(str(name), str(name)), name)
        content = {"name": among(name, known)}
        if field is not None:
            content["field"] = among(field, known[name])
        return node_at(protocol, {f"{protocol} option": content})

    def raw_option(self, parts: Parts) -> Node:
        """Build `tcp option @34,8,16`; the first octet is marked, which in JSON means presence."""
        protocol, kind, offset, length = parts
        content = {"base": kind, "offset": offset, "len": length}
        if (offset, length) == (0, 8):
            content["field"] = "kind"
        return node_at(protocol, {f"{protocol} option": content})

    def chunk(self, parts: Parts) -> Node:
        """Build `sctp chunk init tsn`."""
        protocol, name, field = parts
        among(protocol, ("sctp",))
        content = {"name": among(name, words.CHUNKS)}
        if field is not None:
            content["field"] = among(field, words.CHUNKS[name])
        return node_at(protocol, {"sctp chunk": content})

    def exthdr(self, parts: Parts) -> Node:
        """Build `exthdr frag`, whether there is such an extension header."""
        return node_at(parts[0], {"exthdr": {"name": among(parts[0], words.EXTENSIONS)}})

    def raw(self, parts: Parts) -> Node:
        """Build `@th,16,16`."""
        base = _spelled(str(parts[0])[1:], parts[0])
        return node_at(base, {"payload": {"base": base, "offset": parts[1], "len": parts[2]}})

    def meta(self, parts: Parts) -> Node:
        """Build `meta mark`, or `mark` alone."""
        key = among(parts[-1], words.META_FIELDS)
        return node_at(parts[0], {"meta": {"key": key}})

    def ct(self, parts: Parts) -> Node:
        """Build `ct state`."""
        return node_at(parts[0], {"ct": {"key": among(parts[1], words.CT_FIELDS)}})

    def ct_directed(self, parts: Parts) -> Node:
        """Build `ct original ip saddr`."""
        ct, direction, family, key = parts
        among(key, words.CT_FIELDS_DIRECTED if family is None else words.ADDRESSES)
        if family is not None:
            key = _spelled(f"{family} {key}", family)
        return node_at(ct, {"ct": {"key": key, "dir": direction}})

    def rt(self, parts: Parts) -> Node:
        """Build `rt nexthop`, what the routing said, or `rt type`, of the IPv6 header."""
        rt, family, key = parts
        if family is None and key in words.FIELDS[rt]:
            return node_at(rt, {"exthdr": {"name": rt, "field": key}})
        among(key, words.ROUTING_FIELDS)
        content = {"key": key} if family is None else {"key": key, "family": family}
        return node_at(rt, {"rt": content})

    def fib(self, parts: Parts) -> Node:
        """Build `fib saddr . iif oif`."""
        fib, *flags, result = parts
        for flag in flags:
            among(flag, words.FIB_FLAGS)
        content = {"result": among(result, words.FIB_RESULTS), "flags": flags}
        return node_at(fib, {"fib": content})

    def socket(self, parts: Parts) -> Node:
        """Build `socket transparent`."""
        key, level = among(parts[1], words.SOCKET_FIELDS), parts[2]
        return node_at(parts[0], {"socket": _given(key=key, level=level)})

    def osf(self, parts: Parts) -> Node:
        """Build `osf name`."""
        content = _given(key=among(parts[2], words.OSF_FIELDS), ttl=parts[1])
        return node_at(parts[0], {"osf": content})

    def ipsec(self, parts: Parts) -> Node:
        """Build `ipsec in ip saddr`."""
        ipsec, direction, number, family, key = parts
        among(direction, ("in", "out"))
        among(key, words.IPSEC_FIELDS)
        content = _given(key=key, family=family, dir=direction, spnum=number)
        return node_at(ipsec, {"ipsec": content})

    def numgen(self, parts: Parts) -> Node:
        """Build `numgen inc mod 2`."""
        numgen, mode, modulus, offset = parts
        among(mode, words.NUMGEN_MODES)
        content = {"mode": mode, "mod": modulus, "offset": offset or 0}
        return node_at(numgen, {"numgen": content})

    def jhash(self, parts: Parts) -> Node:
        """Build `jhash ip saddr mod 2 seed 5`."""
        jhash, key, modulus, seed, offset = parts
        return node_at(jhash, {"jhash": _given(mod=modulus, seed=seed, offset=offset, expr=key)})

    def symhash(self, parts: Parts) -> Node:
        """Build `symhash mod 2`."""
        return node_at(parts[0], {"symhash": _given(mod=parts[1], offset=parts[2])})

    def binary(self, parts: Parts) -> Any:
        """Build `mark and 0xff`."""
        return fold(parts)

    def concat(self, parts: Parts) -> Node:
        """Build `ip saddr . tcp dport`."""
        return node_at(parts, {"concat": parts})

    def range(self, parts: Parts) -> Node:
        """Build `1-1024`."""
        return node_at(parts, {"range": parts})

    def prefix(self, parts: Parts) -> Node:
        """Build `10.0.0.0/8`."""
        return node_at(parts, {"prefix": {"addr": parts[0], "len": parts[1]}})

    def list(self, parts: Parts) -> Parts:
        """Build `new,established`."""
        return parts

    def negative(self, parts: Parts) -> int:
        """Build a negative number."""
        number: int = type(parts[1])(-parts[1], *place_of(parts[0])[:2])
        return number

    def map(self, parts: Parts) -> Node:
        """Build `tcp dport map { 80 : 1 }`."""
        return node_at(parts, {"map": {"key": parts[0], "data": parts[2]}})

    def empty_set(self, _: Parts) -> Node:
        """Build `{ }`."""
        return Node({"set": []})

    def set_literal(self, parts: Parts) -> Node:
        """Build `{ 22, 80 }`."""
        return node_at(parts, {"set": parts})

    def element(self, parts: Parts) -> Any:
        """Build an element; with what it leads to, if it is of a map."""
        key, *options, data = parts
        if options:
            content = {"val": key}
            for option in options:
                content.update(option)
            key = node_at(key, {"elem": content})
        return key if data is None else [key, data]

    def option(self, parts: Parts) -> dict[str, Any]:
        """Build `timeout 5s`, `expires 5s` or `comment "x"` of an element."""
        return {str(parts[0]): parts[1]}

    def stateful_option(self, parts: Parts) -> dict[str, Any]:
        """Build what counts or limits an element."""
        return dict(parts[0])


def _spelled(text: str, place: Word) -> Word:
    word = Word(text, place.line, place.column)
    word.type = "NAME"
    return word


def _given(**content: Any) -> dict[str, Any]:
    """Leave out what was not given."""
    return {key: value for key, value in content.items() if value is not None}
