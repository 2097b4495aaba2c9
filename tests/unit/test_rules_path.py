"""Which chains a packet meets on its way, in which order, and what each of them sees of it."""

from __future__ import annotations

import re

import pytest

from builders import udp
from statefulinspect import Config, Ruleset, Tracker

SIX = {"source": "fd00::1", "destination": "fd00::2"}
HOOKS = ["prerouting", "input", "forward", "output", "postrouting"]
WAYS = {
    "forward": ["prerouting", "forward", "postrouting"],
    "input": ["prerouting", "input"],
    "output": ["output", "postrouting"],
}
SEES_IN = {"forward": WAYS["forward"], "input": WAYS["input"], "output": []}
SEES_OUT = {"forward": ["forward", "postrouting"], "input": [], "output": WAYS["output"]}
HOP_TAKEN = {"forward": ["forward", "postrouting"], "input": [], "output": []}
HOP_LEFT = {"forward": ["prerouting"], "input": WAYS["input"], "output": WAYS["output"]}


def tracker_of(*tables):
    return Tracker(Ruleset.parse("\n".join(tables)), Config.linux(verify_checksums=False))


def met(tracker):
    """The comments of the counters that have counted."""
    rules = [rule for table in tracker.ruleset.tables for rule in table]
    return [
        rule.comment for rule in rules if any(getattr(s, "packets", 0) for s in rule.statements)
    ]


def at_every_hook(condition, family="inet", flags=""):
    rules = {hook: f'{condition} counter comment "{hook}"\n' for hook in HOOKS}
    chains = "\n".join(
        f"chain {hook} {{ type filter hook {hook} priority 0; {rule} }}"
        for hook, rule in rules.items()
    )
    return f"table {family} t_{family} {{ {flags}\n{chains}\n}}"


@pytest.mark.parametrize("hook", WAYS)
@pytest.mark.parametrize(
    ("condition", "seen"),
    [
        ("", WAYS),
        ('iifname "lan"', SEES_IN),
        ('oifname "wan"', SEES_OUT),
        ('iifname "wan"', {}),
        ('oifname "lan"', {}),
        ("ip ttl 63", HOP_TAKEN),
        ("ip ttl 64", HOP_LEFT),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
def test_what_is_seen_at_each_hook(condition, seen, hook):
    tracker = tracker_of(at_every_hook(condition))
    tracker.process(udp(), 0.0, hook=hook, iif="lan", oif="wan")
    assert sorted(met(tracker), key=HOOKS.index) == sorted(seen.get(hook, []), key=HOOKS.index)


@pytest.mark.parametrize("hook", WAYS)
@pytest.mark.parametrize("packet", [udp(), udp(**SIX)], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(("family", "versions"), [("ip", "4"), ("ip6", "6"), ("inet", "46")])
def test_a_table_meets_its_family(family, versions, packet, hook):
    tracker = tracker_of(at_every_hook("", family))
    tracker.process(packet, 0.0, hook=hook)
    is_met = str(packet[0] >> 4) in versions
    assert sorted(met(tracker)) == (sorted(WAYS[hook]) if is_met else [])


def test_a_dormant_table_meets_nothing():
    tracker = tracker_of(at_every_hook("", flags="flags dormant"))
    tracker.process(udp(), 0.0)
    assert met(tracker) == []


def test_chains_stand_by_priority_and_the_latest_first_among_equals():
    chain = "chain c{n} {{ type filter hook forward priority {p}; {rule}\n}}"
    priorities = [5, -5, 5, 0, -5]
    for stop, order in ((None, [4, 1, 3, 2, 0]), (3, [4, 1]), (4, []), (0, [4, 1, 3, 2])):
        chains = "\n".join(
            chain.format(n=n, p=p, rule="drop" if n == stop else f'counter comment "{n}"')
            for n, p in enumerate(priorities)
        )
        tracker = tracker_of(f"table inet t {{ {chains} }}")
        told = str(tracker.trace(udp(), 0.0))
        seen = [int(number) for number in re.findall(r"trace inet t c(\d) rule", told)]
        assert seen == [*order, *([] if stop is None else [stop])]
        tracker.process(udp(), 0.0)
        assert sorted(met(tracker)) == sorted(map(str, order))


@pytest.mark.parametrize(
    ("hook", "priority", "is_before"),
    [
        ("prerouting", -201, True),
        ("prerouting", -200, False),
        ("output", -201, True),
        ("output", -200, False),
        ("forward", -400, False),
        ("input", -400, False),
        ("postrouting", -400, False),
    ],
)
def test_what_stands_before_tracking(hook, priority, is_before):
    """Only there a packet can be exempt from it."""
    rule = f"chain c {{ type filter hook {hook} priority {priority}; notrack\n }}"
    way = next(name for name, hooks in WAYS.items() if hook in hooks)
    verdict = tracker_of(f"table inet t {{ {rule} }}").process(udp(), 0.0, hook=way)
    assert verdict.ct_state.value == ("untracked" if is_before else "new")


def test_the_policy_of_the_first_chain_that_drops_decides_and_is_no_rule():
    text = """table inet t {
      chain a { type filter hook prerouting priority 0; policy accept; accept
      }
      chain b { type filter hook forward priority 0; policy drop; udp dport 54 accept
      }
      chain c { type filter hook postrouting priority 0; counter comment "behind"
      }
    }"""
    tracker = tracker_of(text)
    verdict = tracker.process(udp(), 0.0)
    assert (verdict.action.value, verdict.rule) == ("drop", None)
    assert met(tracker) == []
    assert tracker.process(udp(dport=54), 0.0).action.value == "accept"
    assert met(tracker) == ["behind"]
