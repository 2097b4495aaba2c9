"""Rulesets that nobody would write: whatever rules can look at and do, in any order.

Drawn for the small universe of `crooked`: its hosts, ports, interfaces and mark.
"""

from __future__ import annotations

import random

from statefulinspect import Ruleset
from statefulinspect.rules.errors import RuleError

STATES = ("established", "related", "new", "invalid", "established,related", "untracked",
          "!= new", "{ new, established }")  # fmt: skip
FLAGS = ("syn", "!= syn", "& (fin | syn | rst | ack) != syn", "{ ack, psh | ack }", "fin,rst",
         "& psh == 0", "& (fin | rst) == 0", "& (ecn | cwr) != 0", "!= { ack, psh | ack }",
         "& (fin | ecn | urg) == 0")  # fmt: skip
WORDS = (
    *(f"ct state {each}" for each in STATES), *(f"tcp flags {each}" for each in FLAGS),
    "meta l4proto { tcp, udp }", "meta l4proto != tcp", "ip protocol icmp", "meta nfproto ipv6",
    'iifname "lan0"', 'oifname "wan*"', "ct direction reply", "icmp type echo-request",
    "icmpv6 type { echo-request, echo-reply }",
)  # fmt: skip
LOOKS = (
    "tcp dport 80", "tcp dport { 21, 53 }", "udp dport 53", "th sport 1000-1005", "th dport 53",
    "ip saddr 10.0.1.2", "ip daddr 10.0.2.0/24", "ip6 saddr fd00:1::2", "ip saddr & 1 == 1",
    "ip saddr . tcp dport { 10.0.1.2 . 80, 10.0.1.3 . 21 }", "tcp sport > 1006", "meta mark 7",
    "meta mark & 3 == 3", "ct mark 1", "ct mark != 0", "ct original packets > 3", "ct zone 0",
    "ct bytes > 1000", "ct status assured", "ct expiration > 100s", 'ct helper "ftp"', "ip ttl 64",
    "ip6 hoplimit < 65", "meta length > 100", "ip dscp cs0", "tcp option maxseg exists",
    "tcp option timestamp exists", "tcp window < 2000", "meta pkttype host", "ip saddr @hosts",
    "tcp dport != @ports", "ip saddr @seen", "ip daddr @aged", "ip saddr @met", "meta hour < 12",
    "ip saddr . tcp dport @pairs", "numgen inc mod 2 0", "udp length > 40", "@th,0,16 1000",
    "meta time > 0", "ct original proto-dst 80", "ip saddr @limited", "tcp dport @quoted",
    "ip saddr != @aged", "ip daddr @counted", "ct count over 2", "ip checksum != 0",
    "@nh,64,8 63", "@th,104,8 & 2 == 2", "meta priority 0", "ct avgpkt > 60", "ct label 3",
    "ct status seen-reply", "ct reply bytes > 500", "ct expiration < 50s", "tcp option sack exists",
    "tcp flags . tcp dport { ack . 80, psh | ack . 21 }", "ip saddr . meta mark { 10.0.1.2 . 7 }",
    'iifname . ip saddr { "lan0" . 10.0.1.2 }', "meta l4proto . th dport { tcp . 80, udp . 53 }",
)  # fmt: skip
DOES = (
    'counter name "total"', "log", "meta mark set 3", "ct mark set 1", "meta mark set ct mark",
    "ct mark set meta mark", "ip ttl set 63", "meta priority set 1:2", "add @seen { ip saddr }",
    "delete @seen { ip daddr }", "limit rate 20/second burst 5 packets", "quota 9000 bytes",
    "add @aged { ip daddr timeout 3s }", "update @met { ip saddr limit rate 20/second }",
    "add @pairs { ip saddr . tcp dport }", "ct label set 3", "notrack", "ct zone set 1",
    "meta mark set ip saddr map { 10.0.1.2 : 5, 10.0.1.3 : 6 }", 'quota name "most"',
    'limit name "pace"', "limit rate over 2/second", "add @counted { ip saddr ct count over 2 }",
    "ct count 4", "update @aged { ip daddr timeout 9s }", "delete @aged { ip daddr }",
    "meta mark set numgen inc mod 3 map { 0 : 1, 1 : 2, 2 : 7 }", "tcp flags set ack",
    "tcp option maxseg size set 500", "tcp dport set 80", "ip daddr set 10.0.2.2",
    'ct timeout set "short"', "ct event set new", "ct original zone set 1", "counter counter",
)  # fmt: skip
ENDS = (
    "accept", "accept", "accept", "drop", "reject", "reject with tcp reset", "jump more",
    "goto more", "return", "", "", "tcp dport vmap @fates", "meta mark vmap { 7 : accept }",
    "ct state vmap { established : accept, related : accept, invalid : drop }",
    "tcp dport vmap { 80 : accept, 21 : jump more }", "ct state vmap { new : jump more }",
    "tcp flags vmap { ack : continue, fin | ack : drop }",
    "ct mark vmap { 0 : continue, 1 : drop }",
    "ip saddr vmap { 10.0.1.2 : accept, 10.0.2.0/24 : continue }",
    "meta l4proto vmap { tcp : accept, udp : goto more }",
    'iifname vmap { "lan0" : accept, "wan*" : jump more }', "ip saddr vmap @paced",
    "ip daddr vmap @late", "numgen inc mod 2 vmap { 0 : accept, 1 : drop }", "counter reject",
    "ct status vmap { assured : accept }", "icmp type vmap { echo-request : accept }",
)  # fmt: skip
PLACES = {  # of base chains: hook and priority, and how often there is one
    "prerouting priority raw": 0.2, "prerouting priority mangle": 0.3,
    "forward priority filter": 1.0, "forward priority 10": 0.2, "input priority filter": 0.1,
    "output priority raw": 0.1, "output priority 10": 0.1,
}  # fmt: skip
HEAD = """
table inet filter {
  counter total { }
  quota most { over 5000 bytes }
  limit pace { rate 5/second burst 3 packets }
  ct timeout short { protocol tcp; policy = { established: 8, syn_sent: 3 }; }
  set hosts { type ipv4_addr; flags interval; elements = { 10.0.1.0/30 }; }
  set ports { type inet_service; elements = { 80, 1003 }; }
  set seen { type ipv4_addr; flags dynamic; size 4; }
  set aged { type ipv4_addr; flags dynamic, timeout; timeout 5s; elements = { 10.0.2.2 }; }
  set met { type ipv4_addr; flags dynamic; }
  set pairs { type ipv4_addr . inet_service; size 9; flags dynamic; }
  set counted { type ipv4_addr; flags dynamic; size 3; }
  set limited { type ipv4_addr; elements = { 10.0.1.2 limit rate 3/second, 10.0.2.2 counter }; }
  set quoted { type inet_service; elements = { 80 quota over 4000 bytes, 53 counter }; }
  map paced { type ipv4_addr : verdict; elements = { 10.0.1.2 limit rate 2/second : accept }; }
  map late { type ipv4_addr : verdict; timeout 9s; elements = { 10.0.2.2 counter : accept }; }
  map fates { type inet_service : verdict; elements = { 53 : accept, 80 : continue }; }
"""


def draw_rule(dice: random.Random, *, jumps: bool, is_plain: bool = False) -> str:
    """Draw a rule that parses; a plain one looks at words alone, and counts and decides."""
    looks = WORDS if is_plain else (*WORDS, *WORDS, *LOOKS)
    does = ["counter"] if is_plain else ["counter", "counter", *DOES]
    ends = ["accept", "drop"] if is_plain else ENDS
    while True:
        words = dice.sample(looks, dice.choice((0, 1, 1, 1, 1, 2)))
        words += [dice.choice(does)] * (dice.random() < 0.3)
        words += [dice.choice(looks)] * (dice.random() < 0.1)
        rule = " ".join(filter(None, [*words, dice.choice(ends)]))
        if not rule or ("more" in rule and not jumps):
            continue
        try:
            Ruleset.parse(_table([("forward priority filter", [rule])], []))
        except RuleError:
            continue
        return rule


def _table(bases: list[tuple[str, list[str]]], more: list[str]) -> str:
    chains = [("more", "", more)]
    for number, (place, rules) in enumerate(bases):
        kind = f"type filter hook {place}; policy accept;"
        chains.append((f"base{number}", kind, rules))
    written = (f"  chain {name} {{ {kind}\n    " + "\n    ".join(rules) + "\n  }\n"
               for name, kind, rules in chains)  # fmt: skip
    return HEAD + "".join(written) + "}\n"


def draw_ruleset(dice: random.Random) -> str:
    """Draw a ruleset: some base chains, one that is jumped to, and the sets they use."""
    bases: list[tuple[str, list[str]]] = []
    plain_share = dice.choice((0.1, 0.3, 1.0))  # where all are, verdicts are kept
    for place, share in PLACES.items():
        if dice.random() < share:
            is_plain = dice.random() < plain_share
            rules = [
                draw_rule(dice, jumps=True, is_plain=is_plain)
                for _ in range(dice.choice((1, 2, 3, 5)))
            ]
            bases.append((place, rules))
    for _, rules in bases:
        if dice.random() < 0.7:
            rules.insert(dice.randrange(len(rules) + 1), "ct state established,related accept")
    return _table(bases, [draw_rule(dice, jumps=False) for _ in range(dice.choice((0, 1, 3)))])
