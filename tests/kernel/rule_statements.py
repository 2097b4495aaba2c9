"""Draw what rules do beside matching, as nft text: limit, mark, remember, map to verdicts."""

from __future__ import annotations

import random

from kernel.rule_matches import MARKS, OTHER, PORTS, Field, Scope, draw_pairs, draw_spans
from kernel.rule_objects import HOSTS, PORT, versions

# fmt: off
LIMITS = [
    "limit rate 1/day burst 3 packets", "limit rate over 1/hour burst 2 packets",
    "limit rate 2/day", "limit rate over 1/hour", "limit rate 10 bytes/day burst 300 bytes",
    "limit rate over 10 bytes/hour burst 500 bytes", 'limit name "l1"',
    "quota 500 bytes", "quota until 300 bytes", "quota over 200 bytes", 'quota name "q1"',
    "quota over 1 kbytes used 900 bytes",
]
MARKINGS = [
    "meta mark set 1", "meta mark set 0x5", "mark set 3", "meta mark set meta mark and 0x6",
    "meta mark set meta mark or 0x1", "meta mark set meta mark xor 0x3",
    "meta mark set meta mark << 1", "meta mark set meta mark >> 1",
    "meta mark set (meta mark & 0x3) | 0x4", "meta mark set ct mark",
    "meta mark set ct mark and 0x3 or 0x4", "meta mark set ct mark map { 1 : 2, 0 : 3 }",
    "meta mark set meta mark map { 0 : 1, 1-3 : 6 }", "meta mark set meta length",
    "ct mark set 1", "ct mark set 0x6", "ct mark set meta mark", "ct mark set meta mark and 0x3",
    "ct mark set ct mark or 0x1", "ct mark set ct mark xor 0x7", "ct mark set ct mark << 1",
    "ct mark set meta mark or 0x4 xor 1", 'ct mark set iifname map { "lan0" : 1, "wan0" : 2 }',
    "tcp option maxseg size set 1360", "reset tcp option sack-perm",
    "ct label set 5", "ct label set 1", "ct event set new",
    "meta priority set 1:10", "meta priority set none",
]
HEADERS = [  # of what tracking does not look at
    ("ip dscp set af21", 4), ("ip ttl set 3", 4), ("ip ecn set ect0", 4), ("ip id set 5", 4),
    ("ip6 hoplimit set 3", 6), ("ip6 dscp set cs1", 6), ("ip6 flowlabel set 5", 6),
]
COUNTS = ["ct count 2", "ct count over 1", "ct count over 3"]
# fmt: on


def draw_statement(scope: Scope) -> str:
    """Draw a statement that is no verdict; empty if it does not suit the rule."""
    dice = scope.dice
    kinds = [_limit] * 4 + [_marking] * 5 + [_named_counter, _mark_map, _log, _header]
    kinds += [_remember] * 5 + [_meter, _learn]
    kinds += [_count] * 8 if scope.counts_connections else [_connected] * 2
    return dice.choice(kinds)(scope)


def _count(scope: Scope) -> str:
    return scope.dice.choice(COUNTS)


def _limit(scope: Scope) -> str:
    return scope.dice.choice(LIMITS)


def _marking(scope: Scope) -> str:
    return scope.dice.choice(MARKINGS)


def _header(scope: Scope) -> str:
    text, version = scope.dice.choice(HEADERS)
    if not scope.allows(version, None):
        return ""
    scope.take(version, None)
    return text


def _connected(scope: Scope) -> str:
    """Use an object that is for connections."""
    dice = scope.dice
    version = dice.choice(versions(scope.family))
    kind = dice.choice(["calls", "asks"])
    return dice.choice(['ct timeout set "lives"', *[f'ct expectation set "{kind}{version}"'] * 3])


def _log(scope: Scope) -> str:
    return scope.dice.choice(['log prefix "seen "', "log group 5"])


def _named_counter(scope: Scope) -> str:
    names = ['counter name "n1"', 'counter name "n2"']
    if scope.allows(None, "tcp"):
        scope.take(None, "tcp")
        names += ['counter name tcp dport map { 80 : "n1", 22 : "n2" }']
        names += ["counter name tcp dport map @counting"]
    return scope.dice.choice(names)


def _mark_map(scope: Scope) -> str:
    """Set a mark by what a map says, if the map says something."""
    dice, what = scope.dice, scope.dice.choice(["meta mark", "ct mark"])
    if dice.random() < 0.5 and scope.allows(None, "tcp"):
        scope.take(None, "tcp")
        told = [f"{key} : {dice.choice(MARKS)}" for key in draw_spans(dice, PORT)]
        maps = [f"{{ {', '.join(told)} }}", "@marking", "@learnt"]
        return f"{what} set tcp dport map {dice.choice(maps)}"
    version = dice.choice(versions(scope.family))
    if not scope.allows(version, None):
        return ""
    scope.take(version, None)
    word = "ip" if version == 4 else "ip6"
    hosts = dice.sample(HOSTS[version], 4)
    told = [f"{host} : {dice.choice(MARKS)}" for host in hosts]
    maps = [f"{{ {', '.join(told)} }}", f"@placed{version}"]
    return f"{what} set {word} {dice.choice(['saddr', 'daddr'])} map {dice.choice(maps)}"


def _remember(scope: Scope) -> str:
    """Add to a set, or take away from it."""
    dice, version = scope.dice, scope.dice.choice(versions(scope.family))
    word, end = ("ip" if version == 4 else "ip6"), dice.choice(["saddr", "daddr"])
    l4 = dice.choice(["tcp", "udp"])
    mask = "255.255.255.252" if version == 4 else "ffff:ffff:ffff:ffff::"
    verb, address = dice.choice(["add", "update"]), f"{word} {end}"
    text, l3, proto = dice.choice(
        [
            (f"{verb} @seen{version} {{ {address} }}", version, None),
            (f"{verb} @seen{version} {{ {address} }}", version, None),
            (f"{verb} @seen{version} {{ {address} and {mask} }}", version, None),
            (f"delete @seen{version} {{ {address} }}", version, None),
            (f"{verb} @timed{version} {{ {address} timeout 2h }}", version, None),
            (f"{verb} @timed{version} {{ {address} }}", version, None),
            (f"{verb} @timed_some{version} {{ {address} timeout 2h }}", version, None),
            (f"{verb} @timed_some{version} {{ {address} }}", version, None),
            (f"{verb} @limited{version} {{ {address} {_per_element(dice)} }}", version, None),
            (f"{verb} @limited{version} {{ {address} {_per_element(dice)} }}", version, None),
            (f"{verb} @met{version} {{ {address} . {l4} dport }}", version, l4),
            (
                f"{verb} @met{version} {{ {address} . {dice.choice(['22', 'https'])} }}",
                version,
                None,
            ),
            (f"{verb} @seen_ports {{ {l4} dport }}", None, l4),
        ]
    )
    if not scope.allows(l3, proto):
        return ""
    scope.take(l3, proto)
    return text


def _per_element(dice: random.Random) -> str:
    return dice.choice(
        ["counter", "limit rate 1/day burst 2 packets", "limit rate over 1/day burst 2 packets",
         "quota over 200 bytes"]
    )  # fmt: skip


def _learn(scope: Scope) -> str:
    """Add to a map."""
    if not scope.allows(None, "tcp"):
        return ""
    scope.take(None, "tcp")
    value = scope.dice.choice(["meta mark", "0x5", "ct mark"])
    if scope.dice.random() < 0.4:
        return f"{scope.dice.choice(['add', 'update'])} @learnt_ports {{ meta mark : tcp dport }}"
    return f"{scope.dice.choice(['add', 'update'])} @learnt {{ tcp dport : {value} }}"


def _meter(scope: Scope) -> str:
    """Keep something for each address, in a set of the statement's own."""
    dice, version = scope.dice, scope.dice.choice(versions(scope.family))
    if not scope.allows(version, None):
        return ""
    scope.take(version, None)
    word = "ip" if version == 4 else "ip6"
    return f"meter m{dice.randrange(1 << 20)} {{ {word} saddr {_per_element(dice)} }}"


def draw_verdict_map(scope: Scope, reaches: list[str]) -> str:
    """Draw a map to verdicts, anonymous or named, as the end of a rule."""
    dice = scope.dice
    verdicts = ["accept"] * 3 + ["drop"] * 2 + ["return", "continue"]
    verdicts += [f"{way} {chain}" for chain in reaches for way in ("jump", "goto")]
    version = dice.choice(versions(scope.family))
    word = "ip" if version == 4 else "ip6"
    spans = draw_pairs(dice, version, PORTS, with_spans=True)
    # fmt: off
    keyed: list[tuple[str, list, int | None, str | None]] = [
        ("tcp dport", draw_spans(dice, PORT), None, "tcp"),
        ("tcp dport", [*dice.sample(PORTS, 3), "*"], None, "tcp"),
        ("udp dport", draw_spans(dice, PORT), None, "udp"),
        ("ct state", ["new", "established", "invalid", "related", "untracked"], None, None),
        ("ct state", ["new", "established"], None, None),
        ("ct direction", ["original", "reply"], None, None),
        ("meta mark", draw_spans(dice, Field("", MARKS, 32)), None, None),
        ("ct mark", dice.sample(MARKS, 3), None, None),
        ("meta l4proto", ["tcp", "udp", "icmp"], None, OTHER),
        ("iifname", ['"lan0"', '"wan0"'], None, None),
        ("iifname . meta mark", ['"lan0" . 0', '"wan0" . 1', '"wan0" . 0'], None, None),
        (f"{word} saddr", dice.sample(HOSTS[version], 4), version, None),
        (f"{word} saddr . tcp dport", draw_pairs(dice, version, PORTS), version, "tcp"),
        (f"{word} daddr . th dport", spans, version, "th"),
        ("tcp flags & (syn|ack)", ["syn", "syn|ack", "ack"], None, "tcp"),
        ("icmp type", ["echo-request", "echo-reply"], None, "icmp"),
    ]
    # fmt: on
    text, keys, l3, l4 = dice.choice(keyed)
    if not scope.allows(l3, l4) or (l4 == OTHER and scope.l4 is not None):
        return "accept"
    scope.take(l3, l4)
    named = {"tcp dport": "judging", f"{word} saddr": f"ruling{version}"}
    named[f"{word} saddr . tcp dport"] = f"pairing{version}"
    if text in named and reaches and dice.random() < 0.5:
        return f"{text} vmap @{named[text]}"
    return f"{text} vmap {{ {', '.join(f'{key} : {dice.choice(verdicts)}' for key in keys)} }}"
