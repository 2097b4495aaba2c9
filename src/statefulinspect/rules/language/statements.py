"""How a rule's statements become nft's JSON: one method for each rule of the grammar."""

from __future__ import annotations

from typing import Any, Final

from statefulinspect.rules.language.expressions import Expressions, Parts, among, same
from statefulinspect.rules.language.tree import Node, Word, error_at, node_at, place_of
from statefulinspect.rules.syntax.stateful import DEFAULT_BURST
from statefulinspect.rules.words.symbols_system import LIMIT_UNITS, LOG_FLAGS, OCTET_UNITS

CT_OBJECTS: Final = ("helper", "timeout", "expectation")
REJECT_WITH: Final = ("icmp", "icmpv6", "icmpx", "tcp")
# What is there or is not there: its comparison is with true or false.
PRESENCE: Final = ("exthdr", "tcp option", "ip option", "sctp chunk", "fib")
PRESENT_META: Final = ("secpath", "ipsec")


def one_or_list(parts: Parts) -> Any:
    """Give the only part, or the list of all."""
    return parts[0] if len(parts) == 1 else parts


class Statements(Expressions):
    """Build what a rule does."""

    def verdict(self, parts: Parts) -> Node:
        """Build `accept`."""
        return node_at(parts[0], {str(parts[0]): None})

    def jump(self, parts: Parts) -> Node:
        """Build `jump chain` and `goto chain`."""
        return node_at(parts[0], {str(parts[0]): {"target": parts[1]}})

    def match(self, parts: Parts) -> Node:
        """Build a comparison; without an operator it is `in`."""
        left, sign, right = parts
        bits = _bits_and_mask(right)
        if bits is not None:
            return self.masked_match([left, sign, *bits])
        operator = "in" if sign is None else same(sign)
        if right in ("exists", "missing") and not right.is_quoted and _is_presence(left):
            right = right == "exists"
        return node_at(left, {"match": {"op": operator, "left": left, "right": right}})

    def masked_match(self, parts: Parts) -> Node:
        """Build `tcp flags syn / syn,ack`."""
        left, sign, value, *mask = parts
        operator = "==" if sign is None else same(sign)
        masked = node_at(left, {"&": [left, mask]})
        return node_at(left, {"match": {"op": operator, "left": masked, "right": value}})

    def vmap(self, parts: Parts) -> Node:
        """Build `tcp dport vmap { 22 : accept }`."""
        return node_at(parts, {"vmap": {"key": parts[0], "data": parts[1]}})

    def mangle(self, parts: Parts) -> Node:
        """Build `meta mark set 1`; `ct helper set "ftp"` is a statement of its own."""
        key, value = parts
        if isinstance(value, list) and key.get("ct") != {"key": "event"}:
            msg = "a list with commas: expected one value, or several with | between them"
            raise error_at(value, msg)
        name = key["ct"]["key"] if "ct" in key else ""
        if name in CT_OBJECTS:
            return node_at(key, {f"ct {name}": value})
        return node_at(key, {"mangle": {"key": key, "value": value}})

    def named(self, parts: Parts) -> Node:
        """Build `counter name "x"`."""
        return node_at(parts[0], {str(parts[0]): parts[2]})

    def counter(self, parts: Parts) -> Node:
        """Build `counter` and `counter packets 3 bytes 180`."""
        return node_at(parts[0], {"counter": parts[1]})

    def counts(self, parts: Parts) -> dict[str, Any]:
        """Build `packets 3 bytes 180`."""
        found = {"packets": 0, "bytes": 0}
        for key, number in zip(parts[::2], parts[1::2]):
            if key is not None:
                found[str(key)] = number
        return found

    def limit(self, parts: Parts) -> Node:
        """Build `limit rate 10/second`."""
        return node_at(parts[0], {"limit": parts[1]})

    def rate(self, parts: Parts) -> dict[str, Any]:
        """Build `rate over 10 mbytes/second burst 5 kbytes`."""
        over, amount, *unit, burst, burst_unit = parts
        found, per = _rate_unit(unit)
        content = {"rate": amount, "per": per}
        if found is not None:
            among(found, OCTET_UNITS)
            content["rate_unit"] = found
        content["burst"] = _burst(found, burst, burst_unit)
        if found is not None:
            content["burst_unit"] = burst_unit or "bytes"
        return content if over is None else {**content, "inv": True}

    def quota_statement(self, parts: Parts) -> Node:
        """Build `quota over 25 mbytes`."""
        return node_at(parts[0], {"quota": parts[1]})

    def quota(self, parts: Parts) -> dict[str, Any]:
        """Build `over 25 mbytes used 3 kbytes`."""
        over, amount, unit, used, used_unit = parts
        content = {"val": amount, "val_unit": among(unit, OCTET_UNITS)}
        if over == "over":
            content["inv"] = True
        if used is not None:
            content.update({"used": used, "used_unit": among(used_unit, OCTET_UNITS)})
        return content

    def ct_count(self, parts: Parts) -> Node:
        """Build `ct count over 10`."""
        content = {"val": parts[2]} if parts[1] is None else {"val": parts[2], "inv": True}
        return node_at(parts[0], {"ct count": content})

    def last(self, parts: Parts) -> Node:
        """Build `last used 5s`."""
        used = None if parts[1] in (None, "never") else {"used": parts[1]}
        return node_at(parts[0], {"last": used})

    def notrack(self, parts: Parts) -> Node:
        """Build `notrack`."""
        return node_at(parts[0], {"notrack": None})

    def reject(self, parts: Parts) -> Node:
        """Build `reject with icmp type host-unreachable`."""
        reject, kind, code = parts
        if kind is None:
            return node_at(reject, {"reject": None})
        among(kind, REJECT_WITH)
        if kind == "tcp":
            among(code, ("reset",))
            return node_at(reject, {"reject": {"type": "tcp reset"}})
        return node_at(reject, {"reject": {"type": kind, "expr": code}})

    def log(self, parts: Parts) -> Node:
        """Build `log prefix "x" flags all`."""
        log, *options = parts
        content: dict[str, Any] = {}
        for option in options:
            if "flags" in option and "flags" in content:
                content["flags"] = [*content["flags"], *option["flags"]]
            else:
                content.update(option)
        if "flags" in content:
            content["flags"] = one_or_list(content["flags"])
        return node_at(log, {"log": content or None})

    def log_option(self, parts: Parts) -> dict[str, Any]:
        """Build `prefix "x"`, in whose text variables may stand."""
        key, value = parts
        if key == "prefix" and isinstance(value, Word) and "$" in value:
            if value.type == "VARIABLE":
                raise error_at(value, f"{str(value)!r}: expected a string in quotes")
            value.type = "TEMPLATE"
        return {str(key): value}

    def log_flags(self, parts: Parts) -> dict[str, Any]:
        """Build `flags tcp sequence,options`."""
        _, flag, first, *more = parts
        among(flag, LOG_FLAGS)
        if first is None:
            return {"flags": [flag]}
        names = [among(each, LOG_FLAGS[flag]) for each in (first, *more)]
        return {"flags": [Word(f"{flag} {each}", *place_of(each)[:2]) for each in names]}

    def update(self, parts: Parts) -> Node:
        """Build `add @seen { ip saddr timeout 5s limit rate 3/second }`."""
        verb, name, key, *options, data = parts
        element, stateful = _element(key, options)
        content = {"op": verb, "elem": element, "set": name}
        if data is not None:
            content["data"] = data
        if stateful:
            content["stmt"] = stateful
        return node_at(verb, {"set" if data is None else "map": content})

    def old_update(self, parts: Parts) -> Node:
        """Build `set add ip saddr @seen`, an older way to write it."""
        _, verb, key, *options, name = parts
        return self.update([verb, name, key, *options, None])

    def meter(self, parts: Parts) -> Node:
        """Build `meter seen size 128 { ip saddr limit rate 3/second }`."""
        meter, name, _, size, key, *options = parts
        element, stateful = _element(key, options)
        if not stateful:
            msg = f"meter {name}: expected a limit, quota, counter or ct count behind its key"
            raise error_at(meter, msg)
        content = {"key": element, "stmt": stateful[0], "name": name}
        if size is not None:
            content["size"] = size
        return node_at(meter, {"meter": content})


def _bits_and_mask(right: Any) -> Parts | None:
    """Take `0x2 / 0x2,0x10`, which `nft -n` prints, apart; None if it is nothing of the kind.

    To nft a single number behind the stroke is the length of a prefix.
    """
    parts = right if isinstance(right, list) else []
    for at, each in enumerate(parts[:-1]):
        if isinstance(each, Node) and "prefix" in each:
            prefix = each["prefix"]
            value = one_or_list([*parts[:at], prefix["addr"]])
            return [value, prefix["len"], *parts[at + 1 :]]
    return None


def _is_presence(left: Any) -> bool:
    key, inner = next(iter(left.items()))
    if key in PRESENCE:
        return "offset" not in inner  # of an option's octets
    return key == "meta" and inner["key"] in PRESENT_META


def _rate_unit(unit: Parts) -> tuple[Word | None, Word]:
    """Read `/second`, `mbytes/second` and `mbytes / second`; (`mbytes`, `second`)."""
    words = [each for each in unit if each is not None and each != "/"]
    if len(words) == 1 and "/" in words[0]:
        amount, _, per = words[0].partition("/")
        words = [Word(each, words[0].line, words[0].column) for each in (amount, per)]
    among(words[-1], LIMIT_UNITS)
    return (words[0] if len(words) == 2 else None), words[-1]


def _burst(unit: Word | None, burst: Any, burst_unit: Any) -> Any:
    """Give the burst; nft lets 5 packets through at once, or no bytes more than the rate."""
    if burst is None:
        return DEFAULT_BURST if unit is None else 0
    among(burst_unit, ("packets",) if unit is None else OCTET_UNITS)
    return burst


def _element(key: Any, options: Parts) -> tuple[Any, Parts]:
    """Part what hangs on an element into its properties and its statements."""
    content = {"val": key}
    stateful = []
    for option in options:
        if option.keys() <= {"timeout", "expires", "comment"}:
            content.update(option)
        else:
            stateful.append(node_at(key, option))
    return (node_at(key, {"elem": content}) if len(content) > 1 else key), stateful
