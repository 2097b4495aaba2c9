"""What a ruleset has counted and learnt, as the kernel and as the library tell it.

Elements are written alike for both: the key, what it leads to, and what was counted for it; not
when they expire, for the clocks differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from statefulinspect import Tracker

Key = tuple  # of family, table and name; or of family, table, chain and the rule's number from 0
UNITS = {"bytes": 1, "kbytes": 1024, "mbytes": 1 << 20}
QUOTA = r"(?:quota |^\s)(?:over |until )?\d+ [km]?bytes(?: used (\d+) ([km]?bytes))?"
LEARNING = re.compile(r"seen|timed|limited|met|learnt|m\d")  # names of sets that rules add to


class Counted(NamedTuple):
    """What was counted, by rule or by name, and the elements of sets that rules add to."""

    counters: dict[Key, tuple[int, ...]]  # packets and octets; of one counter after the other
    quotas: dict[Key, int]  # octets used
    elements: dict[Key, frozenset[str]]


def read_listing(listing: str) -> Counted:
    """Read what `nft -j` lists, one list after the other."""
    counted = Counted({}, {}, {})
    numbers: dict[Key, int] = {}
    for item in _items(listing):
        ((kind, body),) = item.items()
        key = (body.get("family"), body.get("table"), body.get("name"))
        if body.get("table") == "harness":
            continue
        if kind == "rule":
            chain = (*key[:2], body["chain"])
            numbers[chain] = numbers.get(chain, -1) + 1
            _read_rule(counted, (*chain, numbers[chain]), body["expr"])
        elif kind == "counter":
            counted.counters[key] = (body["packets"], body["bytes"])
        elif kind == "quota":
            counted.quotas[key] = _used(body)
        elif kind in ("set", "map", "meter") and LEARNING.match(body["name"]):
            counted.elements[key] = frozenset(map(_element, body.get("elem", ())))
    return counted


def _items(listing: str) -> Iterator[dict[str, dict]]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(listing):
        found, at = decoder.raw_decode(listing, at)
        yield from found["nftables"]
        at += len(listing[at:]) - len(listing[at:].lstrip())


def _read_rule(counted: Counted, key: Key, statements: list) -> None:
    for statement in statements:
        told = statement if isinstance(statement, dict) else {}
        counter, quota = told.get("counter"), told.get("quota")
        if isinstance(counter, dict) and "packets" in counter:  # else it is a named one
            told_before = counted.counters.get(key, ())
            counted.counters[key] = (*told_before, counter["packets"], counter["bytes"])
        if isinstance(quota, dict) and "val" in quota:
            counted.quotas[key] = counted.quotas.get(key, 0) + _used(quota)


def _used(quota: dict[str, Any]) -> int:
    """Tell the octets used of a quota; no more are told than it has."""
    return quota.get("used", 0) * UNITS[quota.get("used_unit", "bytes")]


def _element(told: Any) -> str:
    """Write an element of the kernel's."""
    if isinstance(told, list):
        return f"{_element(told[0])} : {_element(told[1])}"
    if not isinstance(told, dict):
        return str(told)
    if "concat" in told:
        return " . ".join(map(_element, told["concat"]))
    body = told["elem"]
    words = [_element(body["val"])]
    if "counter" in body:
        words.append("counter packets {packets} bytes {bytes}".format(**body["counter"]))
    if "quota" in body:
        words.append(f"quota used {_used(body['quota'])}")
    return " ".join([*words, *(["limit"] if "limit" in body else [])])


def library_counters(tracker: Tracker) -> Counted:
    """Read what the library's ruleset has counted: its text has the numbers of now."""
    counted = Counted({}, {}, {})
    for table in tracker.ruleset.tables:
        for chain in table.chains:
            for number, rule in enumerate(chain.rules):
                key = (table.family, table.name, chain.name, number)
                _read_text(counted, key, str(rule))
        for each in table.objects:
            _read_text(counted, (table.family, table.name, each.name), str(each))
        for each in table.sets:
            if LEARNING.match(each.name):
                found = frozenset(_normal(str(element)) for element in each.elements)
                counted.elements[table.family, table.name, each.name] = found
    return counted


def _read_text(counted: Counted, key: Key, text: str) -> None:
    """Read the numbers in the text of a rule or an object; not those of what it adds to a set."""
    text = re.sub(r"(?:@|meter )\w+ (?:size \d+ )?\{[^}]*\}", "", text)
    for found in re.finditer(r"packets (\d+)\s+bytes (\d+)", text):
        counted.counters[key] = (*counted.counters.get(key, ()), int(found[1]), int(found[2]))
    for quota in re.finditer(QUOTA, text, re.MULTILINE):
        used = int(quota[1] or 0) * UNITS[quota[2] or "bytes"]
        counted.quotas[key] = counted.quotas.get(key, 0) + used


def _normal(text: str) -> str:
    """Write an element of the library's as the kernel's are."""
    text = re.sub(r" (?:timeout|expires) \w+", "", text)
    text = re.sub(r" ct count (?:over )?\d+", "", text)
    text = re.sub(r" limit rate .* packets", " limit", text)
    text = re.sub(QUOTA, _used_up, text)
    return re.sub(r"0x[0-9a-f]+", lambda found: str(int(found[0], 16)), text)


def _used_up(found: re.Match[str]) -> str:
    return f"quota used {int(found[1] or 0) * UNITS[found[2] or 'bytes']}"
