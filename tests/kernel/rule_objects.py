"""Draw what a table declares by name, sets, maps, counters, quotas, limits; and look-ups.

Verdict maps go to `leaf` only, from which nothing comes back.
"""

from __future__ import annotations

import random

from kernel.rule_matches import (
    HOSTS4,
    HOSTS6,
    MARKS,
    PORTS,
    Field,
    Scope,
    draw_pairs,
    draw_spans,
)

ADDRESS_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
HOSTS = {4: HOSTS4, 6: HOSTS6}
PORT = Field("", PORTS, 16)
VERDICTS = ["accept", "accept", "drop", "jump leaf", "goto leaf", "return", "continue"]


def versions(family: str) -> list[int]:
    """Tell which IP versions a family of tables has."""
    return {"ip": [4], "ip6": [6]}.get(family, [4, 6])


def draw_objects(dice: random.Random, family: str) -> dict[str, str]:
    """Draw declarations, by kind and name: "set hosts4" is the name of one."""
    found = {
        "counter n1": "",
        "counter n2": "packets 3 bytes 50",
        "quota q1": dice.choice(["over 300 bytes", "400 bytes", "over 1 kbytes used 500 bytes"]),
        "limit l1": dice.choice(["rate 1/day burst 4 packets", "rate over 1/hour burst 3 packets"]),
        "set ports": f"type inet_service; {_elements(dice.sample(PORTS, 3))}",
        "set spans": f"type inet_service; flags interval; {_elements(draw_spans(dice, PORT))}",
        "set merged": "type inet_service; flags interval; auto-merge; "
        "elements = { 22-80, 53-443 };",
        "set marks": f"type mark; {_elements(dice.sample(MARKS, 3))}",
        "set names": 'type ifname; elements = { "lan0", "eth0" };',
        "set seen_ports": "type inet_service; flags dynamic; size 64;",
        "map marking": f"type inet_service : mark; {_mapped(dice, draw_spans(dice, PORT), MARKS)}",
        "map learnt": "type inet_service : mark; flags dynamic; size 64;",
        "map learnt_ports": "type mark : inet_service; flags dynamic; size 64;",
        "map counting": 'type inet_service : counter; elements = { 80 : "n1", 22 : "n2" };',
        "map judging": f"type inet_service : verdict; {_mapped(dice, _some(dice), VERDICTS)}",
        "ct timeout lives": "protocol tcp; policy = { close : 5 };",
    }
    if "interval" not in found["map marking"]:
        found["map marking"] = found["map marking"].replace("mark;", "mark; flags interval;", 1)
    for version in versions(family):
        found.update(_of_addresses(dice, version))
    return found


def _some(dice: random.Random) -> list[str]:
    return list(map(str, dice.sample(PORTS, 4)))


def _of_addresses(dice: random.Random, version: int) -> dict[str, str]:
    """Draw the declarations of one IP version."""
    kind, hosts = ADDRESS_TYPES[version], HOSTS[version]
    net = "10.0.1.0/24" if version == 4 else "fd00:1::/64"
    others = [each for each in hosts if each not in hosts[:4]]
    spans = [net, *dice.sample(others, 2)]
    pairs = draw_pairs(dice, version, PORTS, with_spans=True)
    single = draw_pairs(dice, version, PORTS)
    time = dice.choice([" timeout 1h;", " timeout 1d;"])
    word = "ip" if version == 4 else "ip6"
    terms = f"timeout 1h; size 9; l3proto {word};"
    return {
        f"ct expectation calls{version}": f"protocol tcp; dport 80; {terms}",
        f"ct expectation asks{version}": f"protocol udp; dport 53; {terms}",
        f"set hosts{version}": f"type {kind}; {_elements(dice.sample(hosts, 3))}",
        f"set nets{version}": f"type {kind}; flags interval; {_elements(spans)}",
        f"set pairs{version}": f"type {kind} . inet_service; {_elements(single)}",
        f"set boxes{version}": f"typeof {word} saddr . tcp dport; flags interval; "
        + _elements(pairs),
        f"set seen{version}": f"type {kind}; flags dynamic; size {dice.choice([3, 64])};",
        f"set timed{version}": f"type {kind}; flags dynamic,timeout; size 64;{time}",
        f"set timed_some{version}": f"type {kind}; flags dynamic,timeout; size 512;",
        f"set limited{version}": f"type {kind}; flags dynamic; size 64;",
        f"set met{version}": f"type {kind} . inet_service; flags dynamic; size 64;",
        f"map placed{version}": f"type {kind} : mark; flags interval; "
        + _mapped(dice, spans, MARKS),
        f"map ruling{version}": f"type {kind} : verdict; flags interval; "
        + _mapped(dice, spans, VERDICTS),
        f"map pairing{version}": f"type {kind} . inet_service : verdict; flags interval; "
        + _mapped(dice, pairs, VERDICTS),
    }


def _elements(elements: list) -> str:
    return f"elements = {{ {', '.join(map(str, elements))} }};"


def _mapped(dice: random.Random, keys: list[str], values: list) -> str:
    return _elements([f"{key} : {dice.choice(values)}" for key in keys])


def draw_lookup(scope: Scope) -> str:
    """Draw a match with a named set; empty if the rule is about something else already."""
    dice, version = scope.dice, scope.dice.choice(versions(scope.family))
    word, end = ("ip" if version == 4 else "ip6"), dice.choice(["saddr", "daddr"])
    l4 = dice.choice(["tcp", "udp"])
    text, l3, proto = dice.choice(
        [
            (f"{l4} dport {{}}@ports", None, l4),
            (f"{l4} sport {{}}@spans", None, l4),
            (f"{l4} dport {{}}@merged", None, l4),
            (f"{l4} dport {{}}@seen_ports", None, l4),
            ("meta mark {}@marks", None, None),
            ("ct mark {}@marks", None, None),
            ("iifname {}@names", None, None),
            ("oifname {}@names", None, None),
            *((f"{word} {end} {{}}@{name}{version}", version, None)
              for name in ("hosts", "nets", "seen", "timed", "timed_some", "limited")),
            *((f"{word} {end} . {l4} dport {{}}@{name}{version}", version, l4)
              for name in ("pairs", "boxes", "met")),
        ]
    )  # fmt: skip
    if not scope.allows(l3, proto):
        return ""
    scope.take(l3, proto)
    return text.format(dice.choice(["", "", "!= "]))
