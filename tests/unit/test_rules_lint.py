"""What a look over a ruleset finds, and what it leaves alone."""

from __future__ import annotations

import pytest

from statefulinspect.rules.lint.lint import INFO, lint
from statefulinspect.rules.ruleset import Ruleset

FORWARD = "type filter hook forward priority 0; policy accept;"
SETS = """
set fixed { type ipv4_addr; flags constant, interval; elements = { 10.0.0.0/8, 192.168.0.0/16 } }
set open { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
set seen { type ipv4_addr; flags dynamic; }
map ports { type inet_service : verdict; elements = { 22 : jump named } }
ct helper ftp { type "ftp" protocol tcp; }
"""

MANY_PAIRS = ", ".join(f"{number} . 22 : drop" for number in range(100, 200))


def findings_of(text):
    return lint(Ruleset.parse(text).tables)


def of_chain(rules, *, head=FORWARD, family="inet", more=""):
    """Lint the rules of one chain, a line each; give (number of the rule, kind)."""
    body = "\n".join(rules)
    text = f"table {family} t {{\n{SETS}\nchain named {{ counter; }}\n"
    text += f"chain other {{ return; }}\nchain last {{ counter drop; }}\n{more}\n"
    text += f"chain c {{ {head}\nct mark 9 jump named\nct mark 9 jump other\nct mark 9 jump last\n"
    text += f"tcp dport vmap @ports\n{body}\n}}\n}}\n"
    return [
        (each.place.number - 4, each.kind)
        for each in findings_of(text)
        if each.place.chain == "c" and each.place.number > 4
    ]


# Each earlier rule, and a later one that never matches because of it.
SHADOWED = {
    "a wider prefix": ("ip saddr 10.0.0.0/8 drop", "ip saddr 10.1.0.0/16 tcp dport 22 accept"),
    "a range": ("tcp dport 1-1023 drop", "tcp dport { 22, 80-90 } accept"),
    "a set": ("tcp dport { 22, 80, 443 } drop", "tcp dport { 443, 22 } counter accept"),
    "a map": ("tcp dport { 22, 80 } drop", "tcp dport vmap { 22 : accept, 80 : jump named }"),
    "a map of pairs": (
        "tcp sport . tcp dport vmap { 1-9 . 22 : drop, 10-19 . 22 : accept }",
        "tcp sport 15 tcp dport 22 log",
    ),
    "by a map": ("ct state vmap { established : accept, invalid : drop }", "ct state invalid log"),
    "a protocol": ("meta l4proto tcp accept", "tcp dport 22 drop"),
    "a protocol by number": ("ip protocol tcp accept", "ip saddr 10.0.0.1 tcp dport 22 drop"),
    "ports of any protocol": ("meta l4proto { tcp, udp } th dport 53 accept", "udp dport 53 drop"),
    "an IP version": ("meta nfproto ipv4 accept", "icmp type echo-request drop"),
    "any of several states": ("ct state established,related accept", "ct state related drop"),
    "all states but one": ("ct state != new accept", "ct state invalid drop"),
    "none of some states": ("ct state ! new accept", "ct state established tcp dport 22 drop"),
    "states through a mask": ("ct state & (new | invalid) == 0 accept", "ct state related drop"),
    "all but one port": ("tcp dport != 22 drop", "tcp dport 80 accept"),
    "below": ("tcp dport < 1024 drop", "tcp dport 80 accept"),
    "flags": ("tcp flags & (syn | ack) == syn drop", "tcp flags == syn accept"),
    "a name": ('iifname "eth*" accept', 'iifname "eth0" drop'),
    "another name": ('iifname != "eth0" accept', 'iifname "wg0" drop'),
    "a constant set": ("ip saddr @fixed drop", "ip saddr 10.0.0.1 accept"),
    "the same set": ("ip saddr @open drop", "ip saddr @open tcp dport 22 accept"),
    "the same riddle": ("ct status assured accept", "ct status assured tcp dport 22 drop"),
    "several at once": (
        "ip saddr . tcp dport { 10.0.0.0/8 . 22, 10.0.0.1 . 80 } drop",
        "ip saddr 10.1.1.1 tcp dport 22 accept",
    ),
    "one that logs": ('tcp dport 22 log prefix "x" counter drop', "tcp dport 22 ip ttl 9 accept"),
    "one that goes away": ("tcp dport 22 goto named", "tcp dport 22 ip ttl 9 accept"),
    "one that returns": ("tcp dport 22 return", "tcp dport 22 ip ttl 9 accept"),
    "a chain that decides of all": ("tcp dport 22 jump last", "tcp dport 22 ip ttl 9 accept"),
    "one that refuses": ("tcp dport 22 reject with tcp reset", "tcp dport 22 ip ttl 9 accept"),
    "one that sets a mark": ("tcp dport 22 meta mark set 5 drop", "tcp dport 22 ip ttl 9 accept"),
    "one that sets the connection's": (
        "tcp dport 22 ct mark set meta mark drop",
        "tcp dport 22 ip ttl 9 accept",
    ),
    "one with a helper": ('tcp dport 21 ct helper set "ftp" accept', "tcp dport 21 ip ttl 9 drop"),
}


@pytest.mark.parametrize("rules", SHADOWED.values(), ids=SHADOWED)
def test_shadowed(rules):
    assert of_chain(rules) == [(2, "shadowed")]


# Pairs of which the later may match all the same.
NOT_SHADOWED = {
    "a limit": ("tcp dport 22 limit rate 5/second drop", "tcp dport 22 accept"),
    "a quota": ("tcp dport 22 quota 5 mbytes drop", "tcp dport 22 accept"),
    "a count of connections": ("tcp dport 22 ct count over 5 drop", "tcp dport 22 accept"),
    "no decision": ("tcp dport 22 counter", "tcp dport 22 accept"),
    "a chain that may return": ("tcp dport 22 jump named", "tcp dport 22 accept"),
    "a chain that returns": ("tcp dport 22 jump other", "tcp dport 22 accept"),
    "a longer prefix": ("ip saddr 10.1.0.0/16 drop", "ip saddr 10.0.0.0/8 accept"),
    "another protocol": ("tcp dport 53 drop", "udp dport 53 accept"),
    "another IP version": ("ip saddr 10.0.0.0/8 drop", "ip6 saddr fd00::/8 accept"),
    "one state of two": ("ct state new drop", "ct state new,related accept"),
    "a set that may change": ("ip saddr @open drop", "ip saddr 10.0.0.1 accept"),
    "a set that grows": ("ip saddr @seen drop", "add @seen { ip saddr }", "ip saddr @seen accept"),
    "a mark that changes": (
        "meta mark 1 drop",
        "tcp dport 9 meta mark set 1",
        "meta mark 1 accept",
    ),
    "a field that changes": ("ip dscp cs1 drop", "ip ttl 1 ip dscp set cs1", "ip dscp cs1 accept"),
    "a reset for TCP only": ("ip ttl 9 reject with tcp reset", "ip ttl 9 udp dport 5 accept"),
    "ICMP for IPv4 only": ("meta mark 1 reject with icmp port-unreachable", "meta mark 1 accept"),
    "a map that goes on": ("tcp dport vmap { 22 : continue }", "tcp dport 22 accept"),
    "a named map": ("udp dport vmap @ports", "udp dport 22 accept"),
    "an element before another": (
        "ip saddr . tcp dport vmap { 10.0.0.1 . 22 : continue, 10.0.0.0/8 . 1-99 : drop }",
        "ip saddr 10.0.0.1 tcp dport 22 accept",
    ),
    "an element behind many": (
        f"tcp sport . tcp dport vmap {{ {MANY_PAIRS}, 9 . 1-99 : drop }}",
        "tcp sport 9 tcp dport 22 accept",
    ),
    "a mark that may not be found": (
        "tcp dport 22 meta mark set ip saddr map { 10.0.0.1 : 5 } drop",
        "tcp dport 22 accept",
    ),
    "a count that may not be found": (
        "tcp dport 22 meta mark set numgen inc mod 3 map { 0 : 1, 1 : 2 } drop",
        "tcp dport 22 accept",
    ),
    "below, not at": ("tcp dport < 22 drop", "tcp dport 22 accept"),
    "above, not at": ("tcp dport > 22 drop", "tcp dport 22 accept"),
    "one of two ports": ("tcp sport 22 drop", "tcp dport 22 accept"),
    "an interface the other way": ('iifname "eth0" drop', 'oifname "eth0" accept'),
}


@pytest.mark.parametrize("rules", NOT_SHADOWED.values(), ids=NOT_SHADOWED)
def test_not_shadowed(rules):
    assert of_chain(rules) == []


def test_the_earlier_rule_is_named_by_its_line():
    chain = f"chain c {{ {FORWARD}\n tcp dport 1-99 counter drop\n tcp dport 22 accept\n}}"
    found = findings_of(f"table inet t {{\n{chain}\n}}")
    assert [(each.place.line, each.message) for each in found] == [
        (4, "never matches: line 3 decides of all its packets (tcp dport 1-99 drop)")
    ]


def test_what_makes_too_many_boxes_is_not_looked_at():
    ports = ", ".join(f"10.0.0.{n} . {n}" for n in range(1, 10))
    rule = f"ip saddr . tcp dport {{ {ports} }} ip daddr . tcp sport {{ {ports} }}"
    assert of_chain((f"{rule} drop", f"{rule} ip ttl 9 accept")) == []


def test_two_rules_may_shadow_one_together():
    rules = ("tcp dport 22 drop", "tcp dport 23 drop", "tcp dport vmap { 22 : drop, 23 : accept }")
    assert of_chain(rules) == [(3, "shadowed")]


DUPLICATES = {
    "a decision": ("tcp dport 22 counter drop", "ip ttl 1 accept", "tcp dport 22 drop"),
    "a jump twice in a row": (
        "ip ttl 1 counter",
        "tcp dport 22 jump named",
        "tcp dport 22 jump named",
    ),
}


@pytest.mark.parametrize("rules", DUPLICATES.values(), ids=DUPLICATES)
def test_duplicates(rules):
    assert of_chain(rules) == [(3, "duplicate")]


def test_counters_at_both_ends_of_a_chain_are_no_duplicates():
    assert of_chain(("counter", "tcp dport 22 accept", "counter")) == []
    assert of_chain(("limit rate 1/second log", "limit rate 1/second log")) == []


UNREACHABLE = {
    "a drop": ("counter drop", "tcp dport 22 accept", "tcp dport 23 accept"),
    "a goto": ("goto named", "tcp dport 22 accept"),
    "a jump to a chain that decides of all": ("jump last", "tcp dport 22 accept"),
}


@pytest.mark.parametrize("rules", UNREACHABLE.values(), ids=UNREACHABLE)
def test_what_is_behind_the_end_is_told_once(rules):
    assert of_chain(rules) == [(2, "unreachable")]


def test_how_much_is_behind_the_end():
    text = "table inet t { chain c { %s\ndrop\n%s} }"
    words = [
        findings_of(text % (FORWARD, "tcp dport 22 accept\n" * count))[0].message
        for count in (1, 2, 3)
    ]
    head = "never reached: line 2 lets no packet go on (drop)"
    assert words == [head, f"{head}, like the one behind it", f"{head}, like the 2 behind it"]


IMPOSSIBLE = {
    "two ports": "tcp dport 22 tcp dport 80",
    "ICMP of the other version": "ip saddr 10.0.0.1 icmpv6 type echo-request",
    "three conditions on a state": "ct state new,established ct state ! new ct state ! established",
    "two states": "ct state new ct state established",
    "new and assured": "ct state new ct status assured",
    "new and answered": "ct state new ct status seen-reply,assured",
    "new and in reply": "ct state new ct direction reply",
    "invalid with a mark": "ct state invalid ct mark 5",
    "untracked in a direction": "ct state untracked,invalid ct direction original",
}


@pytest.mark.parametrize("rule", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible(rule):
    assert of_chain((f"{rule} drop",)) == [(1, "impossible")]


def test_any_of_no_flags_is_explained():
    """To write it so for packets without flags is a usual mistake."""
    found = findings_of(f"table t {{ chain c {{ {FORWARD}\ntcp flags 0x0 drop\n}}\n}}")
    words = "tcp flags 0x0 asks for any one of no flags; tcp flags == 0 asks that none is set"
    assert [each.message for each in found] == [f"never matches: {words}"]


POSSIBLE = (
    "ct state new ct status confirmed",
    "ct state new,established ct status assured",
    "ct state established ct direction reply",
    "ct state related ct direction reply",
    "ct state invalid tcp dport 22",
    "ip saddr 10.0.0.1 icmp type echo-request",
    "meta mark 1 meta mark set 2 meta mark 2",
    "tcp dport 22 tcp sport 1024-65535",
)


@pytest.mark.parametrize("rule", POSSIBLE)
def test_possible(rule):
    assert of_chain((f"{rule} drop",)) == []


def test_the_family_of_the_table_counts():
    assert of_chain(("ip saddr 10.0.0.1 drop", "ip ttl 5 drop"), family="ip") == []
    found = findings_of(f"table ip6 t {{ chain c {{ {FORWARD}\nicmp type 8 drop\n}} }}")
    assert [each.kind for each in found] == ["impossible"]


RAW = "type filter hook prerouting priority raw; policy accept;"
INPUT = "type filter hook input priority 0; policy accept;"
OUTPUT = "type filter hook output priority 0; policy accept;"
PLACES = {
    "new before tracking": (RAW, "ct state new drop", "impossible"),
    "a mark before tracking": (RAW, "ct mark 1 drop", "impossible"),
    "invalid before tracking": (RAW, "ct state invalid drop", "always"),
    "not established before tracking": (RAW, "ct state != established drop", "always"),
    "out at input": (INPUT, 'oifname "eth0" drop', "impossible"),
    "not out at input": (INPUT, 'oifname != "eth0" drop', "always"),
    "out at prerouting": (RAW, 'oif "lo" drop', "impossible"),
    "in at output": (OUTPUT, 'iifname "eth0" drop', "impossible"),
    "notrack at input": (INPUT, "tcp dport 22 notrack", "late"),
}


@pytest.mark.parametrize(("head", "rule", "kind"), PLACES.values(), ids=PLACES)
def test_what_the_hook_has_to_say(head, rule, kind):
    text = f"table inet t {{ chain c {{ {head}\n{rule}\n}} }}"
    assert [each.kind for each in findings_of(text)] == [kind]
    behind = f"table inet t {{ chain b {{ {head}\njump c\n}}\nchain c {{\n{rule}\n}} }}"
    assert [each.kind for each in findings_of(behind)] == [kind]


RIGHT = {
    "in at input": (INPUT, 'iifname "eth0" drop'),
    "out at output": (OUTPUT, 'oifname "eth0" drop'),
    "both at forward": (FORWARD, 'iifname "eth0" oifname "eth1" drop'),
    "notrack in raw": (RAW, "udp dport 53 notrack"),
    "untracked in raw": (RAW, "ct state untracked accept\ntcp dport 1 drop"),
    "tracked at prerouting": (RAW.replace("raw", "mangle"), "ct state invalid drop"),
}


@pytest.mark.parametrize(("head", "rule"), RIGHT.values(), ids=RIGHT)
def test_what_is_right_at_a_hook(head, rule):
    assert findings_of(f"table inet t {{ chain c {{ {head}\n{rule}\n}} }}") == []


def test_a_chain_of_two_hooks_may_ask_for_either_interface():
    chains = f"chain i {{ {INPUT}\njump c\n}}\nchain o {{ {OUTPUT}\njump c\n}}"
    assert findings_of(f"table inet t {{ {chains}\nchain c {{\niifname lo drop\n}} }}") == []


def test_chains_that_nobody_comes_to():
    text = f"""table inet t {{
        chain c {{ {FORWARD}
            tcp dport vmap {{ 22 : jump used }}
        }}
        chain used {{ goto behind; }}
        chain behind {{ drop; }}
        chain lonely {{ jump lost; }}
        chain lost {{ drop; }}
    }}"""
    assert [(each.place.chain, each.kind) for each in findings_of(text)] == [
        ("lonely", "unreachable"),
        ("lost", "unreachable"),
    ]


def test_a_map_that_may_grow_may_lead_to_any_chain():
    sets = "map m { type inet_service : verdict; }"
    chains = f"chain c {{ {FORWARD}\ntcp dport vmap @m\n}}\nchain d {{ drop; }}"
    text = f"table inet t {{ {sets}\n{chains} }}"
    assert findings_of(text) == []


def test_dormant_tables():
    text = f"table inet t {{ flags dormant; chain c {{ {FORWARD}\ntcp dport 22 drop\n}} }}"
    assert [(each.kind, "dormant" in each.message) for each in findings_of(text)] == [
        ("unreachable", True)
    ]


def test_a_chain_that_changes_nothing():
    text = "table inet t {{ chain c {{ {}\ntcp dport 22 accept\n{}\n}} }}"
    found = findings_of(text.format(FORWARD, ""))
    assert [(each.kind, each.level) for each in found] == [("pointless", INFO)]
    for more in ("tcp dport 23 counter accept", "tcp dport 23 drop", 'tcp dport 23 log prefix "x"'):
        assert findings_of(text.format(FORWARD, more)) == []


RELATED = """
table inet t {
    ct helper ftp { type "ftp" protocol tcp; }
    chain c { type filter hook forward priority 0; policy drop;
        RULES
    }
}
"""


@pytest.mark.parametrize(
    ("rules", "kinds"),
    [
        ("ct state related accept\nct state new accept", []),
        ("ct state established,related meta l4proto tcp accept\nct state new accept", []),
        ("ct state related meta l4proto tcp accept\nct state new accept", ["related"]),
        ("ct state related tcp dport 1024-65535 accept\nct state new accept", ["related"]),
        ('ct state related meta l4proto tcp accept\ntcp dport 21 ct helper set "ftp" accept', []),
    ],
)
def test_related_without_anybody_to_announce_it(rules, kinds):
    found = findings_of(RELATED.replace("RULES", rules))
    assert [each.kind for each in found] == kinds
    assert {each.level for each in found} <= {INFO}


CLOSED = "type filter hook {} priority {}; policy drop;"


def closed(hook, *rules, priority=0):
    body = "\n".join(rules)
    return f"chain {hook}{abs(priority)} {{ {CLOSED.format(hook, priority)}\n{body}\n}}\n"


KEEP = "ct state established,related accept"
NEVER_BEGINS = {
    "nothing new": closed("forward", KEEP),
    "new ones are dropped first": closed(
        "forward", KEEP, "ct state new drop", "tcp dport 22 accept"
    ),
    "another chain drops them": closed("forward", KEEP)
    + "chain f { type filter hook forward priority 5; policy accept; ct state new drop; }",
    "a jump that accepts nothing new": closed("forward", KEEP, "jump more")
    + "chain more { ct state established accept; }",
    "behind a map that goes on with none": closed(
        "forward", KEEP, "tcp dport vmap { 22 : drop } accept"
    ),
    "two tables of one IP version each": closed("forward", KEEP)
    + "}\ntable ip6 u { "
    + closed("forward", KEEP),
    "a jump that drops all that is new": closed("forward", KEEP, "jump more", "accept")
    + "chain more { ct state new drop; }",
    "neither in nor out": closed("input", KEEP) + closed("output", KEEP),
}
BEGINS = {
    "a port": closed("forward", KEEP, "tcp dport 22 accept"),
    "a port in a chain": closed("forward", KEEP, "jump more")
    + "chain more { tcp dport 22 accept; }",
    "a port in a map": closed("forward", KEEP, "tcp dport vmap { 22 : accept }"),
    "behind a map that goes on": closed("forward", KEEP, "tcp dport vmap { 22 : continue } accept"),
    "behind a map that may say so": "map m { type inet_service : verdict; }\n"
    + closed("forward", KEEP, "tcp dport vmap @m accept"),
    "a map that may grow": "map m { type inet_service : verdict; elements = { 22 : accept } }\n"
    + closed("forward", KEEP, "tcp dport vmap @m"),
    "a policy": f"chain c {{ {FORWARD}\n{KEEP}\nct state invalid drop\n}}",
    "out but not in": closed("input", KEEP),
    "in but not out": closed("input", KEEP, "tcp dport 22 accept") + closed("output", KEEP),
    "nothing at all": closed("forward", "ct state invalid drop"),
    "back to the policy": f"chain c {{ {FORWARD}\n{KEEP}\nct state new return\ndrop\n}}",
}


@pytest.mark.parametrize("chains", NEVER_BEGINS.values(), ids=NEVER_BEGINS)
def test_no_connection_ever_begins(chains):
    assert "no-new" in [each.kind for each in findings_of(f"table ip t {{ {chains} }}")]


@pytest.mark.parametrize("chains", BEGINS.values(), ids=BEGINS)
def test_connections_may_begin(chains):
    assert "no-new" not in [each.kind for each in findings_of(f"table inet t {{ {chains} }}")]


def test_thousands_of_rules_take_no_time():
    lines = "\n".join(
        f"ip saddr 10.{n >> 8}.{n & 255}.1 tcp dport {n % 60000 + 1} accept" for n in range(3000)
    )
    found = findings_of(f"table ip t {{ chain c {{ {CLOSED.format('forward', 0)}\n{lines}\n}} }}")
    assert found == []


def test_an_expectation_is_not_for_every_packet():
    """Only the first packet of a connection expects anything, and only up to `size` of them."""
    head = "ct expectation e { protocol tcp; dport 5; timeout 1m; size 2; l3proto ip; }"
    rules = "tcp dport 22 ct expectation set e accept\ntcp dport 22 drop"
    assert not findings_of(f"table ip t {{ {head}\nchain c {{ {FORWARD}\n{rules}\n}}\n}}")


@pytest.mark.parametrize("zone", ["iif lo ct zone set 5", "ct original zone set 5"])
def test_what_has_a_zone_is_new_before_it_is_tracked(zone):
    rules = ("ct state new counter", "ct state invalid counter", "ct mark 5 counter")
    assert [each for each, _ in of_chain(rules, head=RAW)] == [1, 2, 3]
    assert not of_chain((zone, *rules), head=RAW)
    more = f"chain first {{ type filter hook output priority -301; {zone}\n }}"
    assert not of_chain(rules, head=RAW, more=more)


@pytest.mark.parametrize(
    "rule", ["ip6 hoplimit set 3", "tcp option maxseg size set 1360", "reset tcp option sack-perm"]
)
def test_what_is_set_in_a_header_is_set_where_there_is_one(rule):
    assert not of_chain((f"{rule} accept", "udp dport 53 drop"))
    assert of_chain(("meta mark set 5 ct mark set 5 accept", "udp dport 53 drop"))
