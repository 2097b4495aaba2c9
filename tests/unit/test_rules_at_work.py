"""What rules do to packets over time: chains, hooks, counters, limits, sets, and ct objects."""

from __future__ import annotations

import attrs
import pytest

from builders import CLIENT, SERVER, icmp_error, ip, sctp, tcp, udp
from statefulinspect import Action, Config, CtState, Reason, RuleError, Ruleset, Tracker

LINUX = Config.linux(verify_checksums=False)
ACCEPT, DROP, REJECT = Action.ACCEPT, Action.DROP, Action.REJECT
DNS, ANSWER = udp(40000, 53), udp(53, 40000, source=SERVER, destination=CLIENT)


def tracker_of(text, config=LINUX):
    return Tracker(Ruleset.parse(text), config)


def forward(rules, policy="drop", more=""):
    """A table whose forward chain has these rules."""
    return f"""
    table inet t {{
      {more}
      chain c {{
        type filter hook forward priority filter; policy {policy}
        {rules}
      }}
    }}
    """


def fates(tracker, *packets, now=0.0, **context):
    return [tracker.process(packet, now, **context).action for packet in packets]


def counters(tracker):
    """The words of every counter, in the order of the text."""
    return [line.split("counter packets ")[1].split()[0]
            for line in str(tracker.ruleset).splitlines() if "counter packets" in line]  # fmt: skip


# Chains.


def test_jump_comes_back_and_goto_does_not():
    chains = """
      chain back { counter return
        accept
      }
      chain ends { counter
      }
    """
    tracker = tracker_of(forward("jump back\n counter goto ends\n counter accept", more=chains))
    assert tracker.trace(DNS, 0.0).verdict.action is DROP
    assert fates(tracker, DNS) == [DROP]
    assert sorted(counters(tracker)) == ["0", "1", "1", "1"]


def test_a_chain_without_a_name():
    rules = f"udp dport 53 jump {{ ip saddr {CLIENT} ip daddr {CLIENT} accept; counter return; }}\n"
    tracker = tracker_of(forward(f"{rules}counter accept"))
    lines = str(tracker.trace(DNS, 0.0)).splitlines()
    assert lines[1].endswith(" rule 1, line 6 udp dport 53 jump __chain1 (verdict jump __chain1)")
    assert lines[2].startswith("trace inet t __chain1 rule 1, line 6 ip saddr ")
    assert fates(tracker, DNS) == [ACCEPT]
    assert counters(tracker) == ["1", "1"]
    assert "jump {" in str(tracker.ruleset)


@pytest.mark.parametrize(
    ("rule", "fate", "counted"),
    [
        ("udp dport 53 continue counter drop", DROP, "1"),
        ("udp dport 53 continue udp dport 54 counter drop", ACCEPT, "0"),
        ("udp dport vmap { 53 : continue } counter drop", DROP, "1"),
        ("udp dport vmap { 54 : continue } counter drop", ACCEPT, "0"),
        ("udp dport vmap { 53 : accept } counter drop", ACCEPT, "0"),
    ],
)
def test_a_rule_goes_on_behind_continue(rule, fate, counted):
    tracker = tracker_of(forward(rule, policy="accept"))
    assert tracker.trace(DNS, 0.0).verdict.action is fate
    assert fates(tracker, DNS) == [fate]
    assert counters(tracker) == [counted]


@pytest.mark.parametrize(
    ("before", "counted"),
    [
        ("meta nfproto ipv4", "1"),  # settles it, where it stands
        ("meta nfproto { ipv6, ipv4 }", "1"),
        ("ct l3proto ipv4", "1"),
        ("ip saddr 10.0.0.1", "1"),
        ("ip ttl set 3", "1"),
        ("meta nfproto != ipv4", "0"),  # does not, so nft asks first of all
        ("ct l3proto != ipv4", "0"),
        ("meta nfproto 2-3", "0"),
        ("meta protocol ip", "0"),
        ("ct protocol udp", "0"),
    ],
)
def test_what_ip_options_need_is_asked_at_the_head_unless_it_is_settled(before, counted):
    """As nft 1.0.6 compiles it: the counter in front sees IPv6 packets, or does not."""
    tracker = tracker_of(forward(f"counter {before} ip option ra exists"))
    fates(tracker, udp(source="fd00:1::2", destination="fd00:2::2"))
    assert counters(tracker) == [counted]


def test_the_deciding_rule_knows_its_place():
    text = "table ip t {\n chain c {\n type filter hook forward priority 0\n drop\n }\n}\n"
    rule = tracker_of(text).process(DNS, 0.0).rule
    assert (str(rule), rule.place.chain, rule.place.number, rule.place.line) == ("drop", "c", 1, 4)
    assert str(rule.place) == "ip t c rule 1, line 4"


def test_the_policy_is_no_rule():
    verdict = tracker_of(forward("tcp dport 80 accept")).process(DNS, 0.0)
    assert (verdict.action, verdict.rule, verdict.connection) == (DROP, None, None)


def test_accept_ends_one_base_chain_and_drop_all():
    text = """
    table ip first { chain c { type filter hook forward priority -1; accept
    } }
    table ip second { chain c { type filter hook forward priority 1; counter drop
    } }
    """
    tracker = tracker_of(text)
    assert fates(tracker, DNS) == [DROP]
    assert tracker.process(DNS, 0.0).rule.place.table == "second"


def test_of_equal_priorities_the_later_chain_is_first():
    text = forward("counter accept") + forward("counter drop").replace("inet t", "inet u")
    tracker = tracker_of(text)
    assert fates(tracker, DNS) == [DROP]
    assert counters(tracker) == ["0", "1"]


def test_a_family_sees_its_own_packets():
    tracker = tracker_of("table ip6 t { chain c { type filter hook forward priority 0; drop\n } }")
    assert fates(tracker, DNS, udp(1, 53, source="fd00::1", destination="fd00::2")) == [
        ACCEPT,
        DROP,
    ]


def test_a_dormant_table_is_out_of_use():
    tracker = tracker_of(forward("drop").replace("{", "{ flags dormant", 1))
    assert fates(tracker, DNS) == [ACCEPT]


@pytest.mark.parametrize(
    ("hook", "met"),
    [
        ("forward", ["prerouting", "forward", "postrouting"]),
        ("input", ["prerouting", "input"]),
        ("output", ["output", "postrouting"]),
    ],
)
def test_a_path_leads_through_its_hooks(hook, met):
    hooks = ["prerouting", "input", "forward", "output", "postrouting"]
    chains = "\n".join(
        f"chain {each} {{ type filter hook {each} priority 0; counter\n }}" for each in hooks
    )
    tracker = tracker_of(f"table inet t {{\n{chains}\n}}")
    tracker.process(DNS, 0.0, hook=hook)
    assert [each for each, n in zip(hooks, counters(tracker)) if n == "1"] == met


def test_an_unknown_hook_is_refused():
    with pytest.raises(ValueError, match="hook='sideways': expected one of forward, input, output"):
        Tracker().process(DNS, 0.0, hook="sideways")


def test_a_ruleset_of_keywords_holds_at_every_hook():
    tracker = Tracker(Ruleset([], policy=DROP))
    assert [fates(tracker, DNS, hook=hook) for hook in ("forward", "input", "output")] == [
        [DROP]
    ] * 3


# Before tracking.

RAW = """
table inet raw {
  chain pre { type filter hook prerouting priority raw; %s
  }
  chain c { type filter hook forward priority 0; ct state %s accept
    drop
  }
}
"""


def test_a_raw_chain_sees_no_state():
    assert fates(tracker_of(RAW % ("ct state new drop", "new")), DNS) == [ACCEPT]
    assert fates(tracker_of(RAW % ("ct state invalid drop", "new")), DNS) == [DROP]
    assert fates(tracker_of(RAW % ("ct direction original drop", "new")), DNS) == [ACCEPT]


@pytest.mark.parametrize(
    "rules",
    [
        "notrack\n ct state untracked drop",
        "notrack\n ct state != untracked accept\n drop",
        "ct zone set 7\n ct state new drop",
    ],
)
def test_a_state_that_a_rule_has_changed_is_seen_by_the_rules_behind(rules):
    assert fates(tracker_of(RAW % (rules, "new,untracked")), DNS) == [DROP]


def test_notrack():
    tracker = tracker_of(RAW % ("udp dport 53 notrack", "untracked"))
    verdict = tracker.process(DNS, 0.0)
    assert (verdict.ct_state, verdict.reason) == (CtState.UNTRACKED, Reason.EXEMPT_BY_RULE)
    assert verdict.action is ACCEPT
    assert len(tracker) == 0
    assert fates(tracker, udp(1, 54)) == [DROP]


def test_a_packet_that_a_raw_chain_drops_is_not_tracked():
    tracker = tracker_of(RAW % ("udp sport 53 drop", "new,established"))
    assert fates(tracker, DNS, ANSWER, DNS) == [ACCEPT, DROP, ACCEPT]
    assert not next(iter(tracker)).seen_reply


def test_a_raw_chain_sets_the_zone():
    tracker = tracker_of(RAW % ('iifname "lan7" ct zone set 7', "new,established"))
    assert fates(tracker, DNS, iif="lan7") == [ACCEPT]
    assert [each.zone for each in tracker] == [7]
    assert tracker.process(ANSWER, 0.0).ct_state is CtState.NEW
    assert tracker.process(ANSWER, 0.0, iif="lan7").ct_state is CtState.ESTABLISHED


# What is remembered.


def test_counters_count_the_packets_of_the_hot_path_too():
    tracker = tracker_of(forward("ct state established,related counter accept\n counter accept"))
    tracker.process(tcp(1, 80, "SYN", seq=1), 0.0)
    tracker.process(tcp(80, 1, "SYN,ACK", seq=1, ack=2, source=SERVER, destination=CLIENT), 0.0)
    for _ in range(8):
        assert fates(tracker, tcp(1, 80, "ACK", seq=2, ack=2)) == [ACCEPT]
    assert counters(tracker) == ["9", "1"]


def test_a_counter_before_tracking_counts_each_packet_once():
    raw = "chain pre { type filter hook prerouting priority raw; counter; }"
    tracker = tracker_of(forward("counter accept", more=raw))
    tracker.process(tcp(1, 80, "SYN", seq=1), 0.0)
    tracker.process(tcp(80, 1, "SYN,ACK", seq=1, ack=2, source=SERVER, destination=CLIENT), 0.0)
    for _ in range(4):
        tracker.process(tcp(1, 80, "ACK", seq=2, ack=2), 0.0)
        tracker.process(tcp(1, 80, "PSH,ACK", seq=2, ack=2), 0.0)
    tracker.process(udp(1, 53), 0.0)
    assert counters(tracker) == ["11", "11"]


def test_a_verdict_holds_for_the_way_it_was_made_for():
    tracker = tracker_of(forward('iifname "lan0" accept'))
    tracker.process(tcp(1, 80, "SYN", seq=1), 0.0, iif="lan0")
    answer = tcp(80, 1, "SYN,ACK", seq=1, ack=2, source=SERVER, destination=CLIENT)
    assert fates(tracker, answer, iif="wan0") == [DROP]
    assert fates(tracker, answer, iif="lan0") == [ACCEPT]
    for _ in range(3):
        assert fates(tracker, tcp(1, 80, "ACK", seq=2, ack=2), iif="lan0") == [ACCEPT]
        assert fates(tracker, tcp(1, 80, "ACK", seq=2, ack=2), iif="wan0") == [DROP]


def test_a_limit_fills_up_again():
    tracker = tracker_of(forward("limit rate 2/second burst 2 packets accept"))
    assert fates(tracker, DNS, DNS, DNS) == [ACCEPT, ACCEPT, DROP]
    assert fates(tracker, DNS, DNS, now=0.5) == [ACCEPT, DROP]
    assert fates(tracker, DNS, DNS, DNS, now=99.0) == [ACCEPT, ACCEPT, DROP]


def test_a_limit_of_octets():
    tracker = tracker_of(forward("limit rate 28 bytes/second burst 28 bytes accept"))
    assert fates(tracker, DNS, DNS, DNS) == [ACCEPT, ACCEPT, DROP]
    assert fates(tracker, DNS, DNS, now=1.0) == [ACCEPT, DROP]


def test_a_quota_runs_out():
    tracker = tracker_of(forward("quota 56 bytes accept"))
    assert fates(tracker, DNS, DNS, DNS) == [ACCEPT, ACCEPT, DROP]
    assert "quota 56 bytes used 56 bytes" in str(tracker.ruleset)


def test_a_constant_is_part_of_what_is_added():
    sets = "set knocked { type ipv4_addr . inet_service; flags dynamic; }"
    knock = "udp dport 7 add @knocked { ip saddr . 53 } drop"
    tracker = tracker_of(forward(f"{knock}\n ip saddr . udp dport @knocked accept", more=sets))
    assert fates(tracker, DNS, udp(1, 7), DNS) == [DROP, DROP, ACCEPT]


def test_what_is_set_is_seen_behind():
    rules = "meta priority set 1:10\n meta priority 1:10 accept"
    assert fates(tracker_of(forward(rules)), DNS) == [ACCEPT]


@pytest.mark.parametrize(
    ("match", "seen"),
    [
        ("sctp chunk init exists", [True, False, False]),
        ("sctp chunk init missing", [False, True, True]),
        ("sctp chunk init a-rwnd 65536", [True, False, False]),
        ("@ih,0,16 0x4745", [False, True, False]),
        ("tcp option sack1 left 5", [False, True, False]),
    ],
)
def test_parts_of_packets_are_found(match, seen):
    sacks = b"\x01\x01\x05\x12" + bytes.fromhex("00000001000000020000000500000006")
    packets = [
        sctp("INIT/4"),
        tcp(1, 80, "ACK", data=b"GET", options=sacks),
        DNS,
    ]
    tracker = tracker_of(forward(f"{match} counter accept"))
    assert [fate == ACCEPT for fate in fates(tracker, *packets)] == seen


@pytest.mark.parametrize("octets", [2, 3])
def test_nothing_is_read_behind_a_fragment_header_that_is_cut_short(octets):
    options = bytes([44, 0, 1, 4]) + bytes(4)
    cut = ip("2001:db8::1", "2001:db8::2", 0, options + bytes([60, *bytes(octets - 1)]))
    jumbogram = cut[:4] + bytes(2) + cut[6:]  # a whole packet by its length, of which it has none
    tracker = tracker_of(forward("exthdr dst missing accept"))
    assert tracker.process(jumbogram, 0.0).reason is Reason.EXTENSION_MALFORMED
    assert tracker.process(jumbogram, 0.0).action is ACCEPT


def test_named_objects_are_shared():
    objects = "counter hits { }\n quota q { 56 bytes }\n limit l { rate 1/day burst 3 packets }"
    rules = 'counter name "hits" quota name "q" limit name "l" accept\n counter name "hits"'
    tracker = tracker_of(forward(rules, more=objects))
    assert fates(tracker, DNS, DNS, DNS) == [ACCEPT, ACCEPT, DROP]
    text = str(tracker.ruleset)
    assert "packets 4 bytes 112" in text
    assert "used 56 bytes" in text


def test_a_map_tells_the_counter():
    objects = "counter web { }\n counter dns { }"
    rules = 'counter name th dport map { 53 : "dns", 80 : "web" } accept'
    tracker = tracker_of(forward(rules, more=objects))
    assert fates(tracker, DNS, tcp(1, 80, "SYN"), udp(1, 54)) == [ACCEPT, ACCEPT, DROP]
    assert str(tracker.ruleset).count("packets 1 bytes") == 2


# Sets.


def test_packets_fill_a_set_and_time_empties_it():
    sets = "set seen { type ipv4_addr; flags dynamic,timeout; timeout 10s; }"
    tracker = tracker_of(forward("ip saddr @seen drop\n add @seen { ip saddr } accept", more=sets))
    assert fates(tracker, DNS, DNS) == [ACCEPT, DROP]
    assert "10.0.1.2 expires 10s" in str(tracker.ruleset)
    assert fates(tracker, DNS, now=9.0) == [DROP]
    assert fates(tracker, DNS, now=10.0) == [ACCEPT]


def test_update_renews_and_add_does_not():
    sets = "set seen { type ipv4_addr; flags dynamic,timeout; timeout 10s; }"
    for operation, expected in (("add", ACCEPT), ("update", DROP)):
        renewing = f"ip saddr @seen {operation} @seen {{ ip saddr }} drop"
        rules = f"{renewing}\n add @seen {{ ip saddr }} accept"
        tracker = tracker_of(forward(rules, more=sets))
        fates(tracker, DNS)
        assert fates(tracker, DNS, now=9.0) == [DROP]
        assert fates(tracker, DNS, now=12.0) == [expected]


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ("add @s { meta mark timeout 1h }\n update @s { meta mark timeout 2h }", "expires 2h"),
        ("add @s { meta mark timeout 1h }\n add @s { meta mark timeout 2h }", "expires 1h"),
        ("add @s { meta mark timeout 1h }\n update @s { meta mark }", ""),
        ("add @s { meta mark }\n update @s { meta mark timeout 2h }", "0x00000000 }"),
    ],
)
def test_an_element_ages_as_it_did_from_the_beginning(rules, left):
    sets = "set s { type mark; flags dynamic,timeout; }"
    tracker = tracker_of(forward(f"{rules} counter", more=sets))
    fates(tracker, DNS)
    assert counters(tracker) == ["1"]
    assert left in str(tracker.ruleset)
    assert ("elements" in str(tracker.ruleset)) == bool(left)


def test_each_element_has_its_limit():
    sets = "set busy { type ipv4_addr; flags dynamic; }"
    rules = "add @busy { ip saddr limit rate over 1/day burst 1 packets } drop\n accept"
    tracker = tracker_of(forward(rules, more=sets))
    other = udp(1, 53, source="10.0.1.9")
    assert fates(tracker, DNS, DNS, other, other) == [ACCEPT, DROP, ACCEPT, DROP]


def test_a_full_set_takes_no_more():
    sets = "set seen { type inet_service; size 2; flags dynamic; }"
    tracker = tracker_of(forward("add @seen { udp sport } accept", more=sets))
    assert fates(tracker, *(udp(port, 53) for port in (1, 2, 3, 2))) == [
        ACCEPT,
        ACCEPT,
        DROP,
        ACCEPT,
    ]


def test_elements_of_the_text_age_from_the_first_packet_on():
    sets = "set s { type ipv4_addr; flags timeout; elements = { 10.0.1.2 timeout 5s } }"
    tracker = tracker_of(forward("ip saddr @s accept", more=sets))
    assert fates(tracker, DNS, now=1000.0) == [ACCEPT]
    assert fates(tracker, DNS, now=1004.9) == [ACCEPT]
    assert fates(tracker, DNS, now=1005.0) == [DROP]


def test_a_map_filled_by_packets():
    sets = "map m { type ipv4_addr : mark; flags dynamic; }"
    filling = "udp dport 53 update @m { ip saddr : 0x5 } accept"
    rules = f"{filling}\n meta mark set ip saddr map @m meta mark 5 accept"
    tracker = tracker_of(forward(rules, more=sets))
    assert fates(tracker, udp(1, 54), DNS, udp(1, 54)) == [DROP, ACCEPT, ACCEPT]


@pytest.mark.parametrize(
    ("data", "added"),
    [
        ("10.0.0.1 . 80", "10.0.0.1 . 80"),
        ("ip saddr . 80", "10.0.1.2 . 80"),
        ("ip saddr . udp dport", "10.0.1.2 . 53"),
    ],
)
def test_constants_are_part_of_what_a_map_is_filled_with(data, added):
    named = "map m { type inet_service : ipv4_addr . inet_service; flags dynamic; }"
    tracker = tracker_of(forward(f"add @m {{ udp sport : {data} }} accept", more=named))
    assert fates(tracker, DNS) == [ACCEPT]
    assert f"elements = {{ 40000 : {added} }}" in str(tracker.ruleset)


def test_what_a_map_is_filled_with_may_be_looked_up():
    """In nft's JSON only: its language has no word for it."""
    sport, dport = ({"payload": {"protocol": "udp", "field": each}} for each in ("sport", "dport"))
    pairs = {"set": [[53, {"concat": ["10.0.0.1", 80]}], [54, {"concat": ["10.0.0.2", 80]}]]}
    named = {"type": "inet_service", "map": ["ipv4_addr", "inet_service"], "flags": "dynamic"}
    found = {"map": {"key": dport, "data": pairs}}
    rule = {"expr": [{"map": {"op": "add", "elem": sport, "data": found, "map": "@m"}}]}
    place = {"family": "ip", "table": "t"}
    hook = {"type": "filter", "hook": "forward", "prio": 0}
    content = [
        {"table": {"family": "ip", "name": "t"}},
        {"map": {**place, "name": "m", **named}},
        {"chain": {**place, "name": "c", **hook}},
        {"rule": {**place, "chain": "c", **rule}},
    ]
    tracker = Tracker(Ruleset.from_json({"nftables": content}), LINUX)
    fates(tracker, DNS)
    assert "elements = { 40000 : 10.0.0.1 . 80 }" in str(tracker.ruleset)


def test_what_goes_into_a_map_has_needs_too():
    sets = "map m { type mark : inet_service; flags dynamic; }"
    tracker = tracker_of(forward("add @m { meta mark : tcp dport } accept", more=sets))
    assert fates(tracker, DNS, tcp(1, 80, "SYN")) == [DROP, ACCEPT]
    assert "0x00000000 : 80" in str(tracker.ruleset)


# Connections.


def test_a_mark_stays_with_the_connection():
    rules = "ct state new ct mark set 0x7 accept\n ct mark 0x7 accept"
    tracker = tracker_of(forward(rules))
    assert fates(tracker, DNS, ANSWER) == [ACCEPT, ACCEPT]
    assert next(iter(tracker)).mark == 7


def test_a_rule_gives_a_helper():
    text = forward(
        'tcp dport 2121 ct helper set "ftp-here" accept\n accept',
        more='ct helper ftp-here { type "ftp" protocol tcp; }',
    )
    tracker = tracker_of(text)
    fates(tracker, tcp(1, 2121, "SYN"), tcp(2, 21, "SYN"))
    assert [each.helper for each in tracker] == ["ftp", None]


def test_ct_helper_is_of_what_the_helper_announced():
    rules = """tcp dport 21 ct helper set "ftp-here"
      ct helper "ftp" counter accept
      ct helper != "ftp" counter
      accept"""
    tracker = tracker_of(forward(rules, more='ct helper ftp-here { type "ftp" protocol tcp; }'))
    user, port = b"USER a\r\n", b"PORT 10,0,1,2,4,1\r\n"
    back = {"source": SERVER, "destination": CLIENT}
    fates(
        tracker,
        tcp(1000, 21, "SYN", 100),
        tcp(21, 1000, "SYN,ACK", 500, 101, **back),
        tcp(1000, 21, "PSH,ACK", 101, 501, data=user),
        tcp(1000, 21, "PSH,ACK", 101 + len(user), 501, data=port),
        tcp(20, 1025, "SYN", 9, **back),
        tcp(1025, 20, "SYN,ACK", 900, 10),
    )
    assert counters(tracker) == ["2", "0"]


@pytest.mark.parametrize(("setting", "met"), [
    ("ip dscp set af21", 2), ("ip6 hoplimit set 5", 1), ("udp dport set 99", 2),
    ("@th,64,8 set 7", 1), ("tcp option maxseg size set 1360", 1),
    ("reset tcp option sack-perm", 1),
])  # fmt: skip
def test_a_rule_ends_where_what_it_sets_is_not_there(setting, met):
    tracker = tracker_of(forward(f"{setting} counter", "accept"))
    fates(tracker, DNS, tcp(1, 80, "SYN"), udp(1, 53, source="fd00::1", destination="fd00::2"))
    assert counters(tracker) == [str(met)]


@pytest.mark.parametrize(("setting", "options", "found"), [
    ("tcp option maxseg size set 1360", "020405b4", "02040550"),
    ("tcp option maxseg size set 1500", "020405b4", "020405b4"),  # is never raised
    ("tcp option maxseg size set 1360", "010203b4", ""),  # no room for it
    ("tcp option maxseg size set 1360", "020805b4", ""),  # ends behind the header
    ("tcp option maxseg size set 1360", "01010101", "01010101"),
    ("tcp option maxseg size set rt mtu", "020405b4", "020405b4"),
    ("tcp option timestamp tsval set 16", "0101080a0000000900000008", "0101080a0000001000000008"),
    ("tcp option @2,16,16 set 0x0101", "020405b4", "02040101"),
    ("reset tcp option window", "0303020103030201", "0101010103030201"),  # only the first
    ("reset tcp option window", "03000101", "01000101"),
    ("reset tcp option window", "03ff0101", ""),
    ("reset tcp option eol", "00000000", "01000000"),
])  # fmt: skip
def test_a_tcp_option_is_changed_for_the_rules_behind(setting, options, found):
    probe = f"@th,160,{len(options) * 4} {int(found, 16)} counter" if found else ""
    tracker = tracker_of(forward(f"{setting} counter\n{probe}", "accept"))
    fates(tracker, tcp(1, 80, "SYN", options=bytes.fromhex(options)))
    assert counters(tracker) == (["1", "1"] if found else ["0"])


def test_an_unknown_helper_is_refused():
    text = forward('ct helper set "x"', more='ct helper x { type "gopher" protocol tcp; }')
    with pytest.raises(RuleError, match=r"^helper 'gopher': expected one of ftp, "):
        tracker_of(text)


def test_a_rule_gives_other_timeouts():
    policy = "ct timeout short { protocol udp; policy = { unreplied : 3, replied : 5 } }"
    tracker = tracker_of(forward('udp dport 53 ct timeout set "short"\n accept', more=policy))
    fates(tracker, DNS, udp(1, 54))
    assert [each.expires_at for each in tracker] == [3.0, 30.0]
    fates(tracker, ANSWER, now=1.0)
    assert next(iter(tracker)).expires_at == 4.0
    fates(tracker, DNS, now=3.5)
    assert next(iter(tracker)).expires_at == 8.5


def test_a_rule_expects_a_connection():
    named = "ct expectation back { protocol tcp; dport 9876; timeout 60s; size 2; l3proto ip; }"
    rules = 'ct state new udp dport 53 ct expectation set "back" accept\n ct state related accept'
    tracker = tracker_of(forward(rules, more=named))
    fates(tracker, DNS)
    assert [str(each.destination_port) for each in tracker.expectations] == ["9876"]
    syn = tcp(5, 9876, "SYN", source=SERVER, destination=CLIENT)
    verdict = tracker.process(syn, 1.0)
    assert (verdict.ct_state, verdict.action) == (CtState.RELATED, ACCEPT)


def test_events_that_a_rule_has_chosen():
    rules = "udp dport 53 ct event set new accept\n accept"
    config = Config.linux(verify_checksums=False, events=True)
    tracker = tracker_of(forward(rules), config)
    fates(tracker, DNS, ANSWER, udp(1, 54))
    assert [each.kind.value for each in tracker.events()] == ["new", "new"]


def test_states_that_a_timeout_does_not_name_have_nfts_own():
    policies = """
      ct timeout short { protocol udp; policy = { unreplied : 3 } }
      ct timeout brief { protocol tcp; policy = { close : 5 } }
    """
    rules = 'udp dport 53 ct timeout set "short"\n tcp dport 80 ct timeout set "brief"'
    tracker = Tracker(Ruleset.parse(forward(rules, "accept", policies)))  # of Config()
    back = {"source": SERVER, "destination": CLIENT}
    fates(
        tracker, tcp(1, 80, "SYN", 0), tcp(80, 1, "SYN,ACK", 0, 1, **back), tcp(1, 80, "ACK", 1, 1)
    )
    fates(tracker, DNS, ANSWER)
    fates(tracker, ANSWER, now=2.5)
    assert [each.expires_at for each in tracker] == [432_000.0, 122.5]


def test_a_simultaneous_open_has_its_own_timeout():
    policy = "ct timeout both { protocol tcp; policy = { syn_sent : 13, syn_sent2 : 44 } }"
    tracker = tracker_of(forward('ct timeout set "both"', "accept", policy))
    syn, crossing = tcp(1, 80, "SYN", 0), tcp(80, 1, "SYN", 0, source=SERVER, destination=CLIENT)
    left = []
    for each in (syn, crossing, syn):
        tracker.process(each, 0.0)
        left.append(next(iter(tracker)).expires_at)
    assert left == [13.0, 13.0, 44.0]


EXPECTING = """
    ct expectation back { protocol tcp; dport 9876; timeout 60s; size 2; l3proto ip; }
    ct expectation back6 { protocol tcp; dport 9876; timeout 60s; size 2; l3proto ip6; }
    ct helper tftp-here { type "tftp" protocol udp; }
"""


def test_a_rule_that_expects_ends_in_later_packets():
    tracker = tracker_of(forward('ct expectation set "back" counter', "accept", EXPECTING))
    assert fates(tracker, DNS, DNS, ANSWER, icmp_error(DNS)) == [ACCEPT] * 4
    assert (counters(tracker), len(tracker.expectations)) == (["1"], 1)


def test_an_expectation_of_another_ip_version_has_cut_or_filled_addresses():
    rules = 'ct expectation set "back6" counter\n ct expectation set "back" counter'
    tracker = tracker_of(forward(rules, "accept", EXPECTING))
    fates(tracker, DNS, udp(1, 53, source="fd00:1::2", destination="fd00:2::2"))
    assert counters(tracker) == ["2", "2"]
    ends = [str(each).split()[1:3] for each in tracker.expectations]
    assert ends == [
        ["src=a00:202::", "dst=a00:102::"],
        ["src=10.0.2.2", "dst=10.0.1.2"],
        ["src=fd00:2::2", "dst=fd00:1::2"],
        ["src=253.0.0.2", "dst=253.0.0.1"],
    ]


def test_a_connection_that_expects_gets_no_helper():
    rules = 'ct expectation set "back" ct helper set "tftp-here" counter'
    tracker = tracker_of(forward(rules, "accept", EXPECTING))
    fates(tracker, DNS)
    assert (counters(tracker), next(iter(tracker)).helper) == (["1"], None)


@pytest.mark.parametrize(("rule", "told"), [
    ("ct direction reply", ["new"]), ("ct state related", ["new"]), ("ct mark 1", ["new", "update"])
])  # fmt: skip
def test_a_rule_chooses_the_events_from_any_packet_on(rule, told):
    config = Config.linux(verify_checksums=False, events=True)
    tracker = tracker_of(forward(f"{rule} ct event set new,destroy\n accept"), config)
    fates(tracker, DNS, icmp_error(DNS), ANSWER)
    assert [each.kind.value for each in tracker.events()] == told


def test_reject_is_for_the_packets_that_can_be_rejected_so():
    tracker = tracker_of(forward("reject with tcp reset\n reject with icmpv6 no-route", "accept"))
    assert fates(tracker, DNS, tcp(1, 80, "SYN")) == [ACCEPT, REJECT]
    assert fates(tracker, udp(1, 53, source="fd00::1", destination="fd00::2")) == [REJECT]


def test_an_error_is_related():
    tracker = tracker_of(forward("ct state related counter accept\n udp dport 53 accept"))
    assert fates(tracker, DNS, icmp_error(DNS), icmp_error(udp(1, 2))) == [ACCEPT, ACCEPT, DROP]


@pytest.mark.parametrize(
    ("is_wrong", "verifies", "state"),
    [(False, True, "CLOSE"), (True, True, "SYN_RECV"), (True, False, "CLOSE")],
)
def test_a_reset_closes_unless_the_checksum_is_wrong(is_wrong, verifies, state):
    """As in Linux, which looks at what this machine itself sends only then."""
    rules = forward("tcp flags == syn|ack reject with tcp reset", "accept")
    config = Config.linux(verify_checksums=verifies)
    tracker = tracker_of(rules.replace("hook forward", "hook output"), config)
    back = {"source": SERVER, "destination": CLIENT}
    fates(tracker, tcp(flags="SYN", seq=1))
    assert fates(tracker, tcp(80, 1000, "SYN,ACK", 5, 2, bad=is_wrong, **back), hook="output") == [
        REJECT
    ]
    assert next(iter(tracker)).state_name == state


def test_a_reject_without_a_reset_closes_nothing():
    tracker = tracker_of(forward("tcp flags == syn|ack reject", "accept"))
    answer = tcp(80, 1000, "SYN,ACK", 5, 2, source=SERVER, destination=CLIENT)
    assert fates(tracker, tcp(flags="SYN", seq=1), answer) == [ACCEPT, REJECT]
    assert next(iter(tracker)).state_name == "SYN_RECV"


def test_a_reset_is_not_answered_by_one_that_closes():
    tracker = tracker_of(forward("tcp flags rst reject with tcp reset", "accept"))
    back = {"source": SERVER, "destination": CLIENT}
    opening = tcp(flags="SYN", seq=1), tcp(80, 1000, "SYN,ACK", 5, 2, **back)
    fates(tracker, *opening, tcp(flags="ACK", seq=2, ack=6))
    assert fates(tracker, tcp(80, 1000, "RST", 106, **back)) == [REJECT]  # may be forged
    assert next(iter(tracker)).state_name == "ESTABLISHED"


def test_a_reset_leaves_what_is_closed_its_deadline():
    """As Linux does: the second segment finds CLOSE, and is one too many without an answer."""
    config = Config.linux(
        verify_checksums=False,
        timeouts=attrs.evolve(LINUX.timeouts, tcp_close=1000, tcp_max_retrans=45),
        tcp=attrs.evolve(LINUX.tcp, max_retrans=0),
    )
    tracker = tracker_of(forward("tcp flags == ack reject with tcp reset", "accept"), config)
    answer = tcp(80, 1000, "SYN,ACK", 5, 2, source=SERVER, destination=CLIENT)
    segments = [tcp(flags="SYN", seq=1), answer, *[tcp(flags="ACK", seq=2, ack=6)] * 2]
    left = []
    for segment in segments:
        tracker.process(segment, 0.0)
        left.append(next(iter(tracker)).seconds_left(0.0))
    assert left[2:] == [1000, 45]


# Traces.

BUSY = forward(
    "counter limit rate 1/day burst 2 packets quota 100 bytes add @seen { ip saddr }"
    " ct mark set 9 accept",
    more="set seen { type ipv4_addr; flags dynamic; }",
)


def test_a_trace_changes_nothing():
    tracker = tracker_of(BUSY)
    before = str(tracker.ruleset)
    for _ in range(3):
        assert tracker.trace(DNS, 0.0).verdict.action is ACCEPT
    assert str(tracker.ruleset) == before
    assert (len(tracker), tracker.expectations, tracker.events()) == (0, [], [])
    fates(tracker, DNS)
    connection = next(iter(tracker))
    connection.mark = 3
    tracker.trace(ANSWER, 5.0)
    assert (connection.mark, connection.seen_reply, connection.expires_at) == (3, False, 30.0)
    tracker.check()


def test_a_trace_tells_every_rule():
    tracker = tracker_of(forward("tcp dport 22 accept\n udp dport { 53, 54 } jump deeper",
                                 more="chain deeper { ip saddr 10.0.9.9 drop\n }"))  # fmt: skip
    assert str(tracker.trace(DNS, 0.0, iif="lan0")).splitlines() == [
        "trace inet t c packet: hook forward ct state new",
        "trace inet t c rule 1, line 7 tcp dport 22 accept"
        " (no match at tcp dport 22: the packet has none)",
        "trace inet t c rule 2, line 8 udp dport { 53, 54 } jump deeper (verdict jump deeper)",
        "trace inet t deeper rule 1, line 3 ip saddr 10.0.9.9 drop"
        " (no match at ip saddr 10.0.9.9: is 10.0.1.2)",
        "trace inet t c policy drop",
        "verdict drop ct state new reason OK",
    ]


# What packets of one flow may differ in.


def odd_ports(protocol, octets):
    return ip(CLIENT, SERVER, protocol, bytes(2) + octets + bytes(8))


def test_ports_of_a_protocol_without_ports_are_read_in_each_packet():
    tracker = tracker_of(forward("th dport 80 drop\n accept"))
    packets = [odd_ports(50, b"\x00\x01"), odd_ports(50, b"\x00\x50"), odd_ports(50, b"\x00\x01")]
    assert fates(tracker, *packets) == [ACCEPT, DROP, ACCEPT]


def test_an_authentication_header_lends_nobody_its_verdict():
    datagram = udp(40000, 53, source="fd00:1::2", destination="fd00:2::2")
    header = bytes([17, 1, 0, 0]) + bytes(8)
    length = (len(datagram) - 40 + len(header)).to_bytes(2, "big")
    guarded = datagram[:4] + length + b"\x33" + datagram[7:40] + header + datagram[40:]
    tracker = tracker_of(forward("udp dport 53 drop\n accept"))
    assert fates(tracker, guarded, datagram, guarded) == [ACCEPT, DROP, ACCEPT]


@pytest.mark.parametrize(
    ("rules", "fate"),
    [
        ("udp dport set 99\n udp dport 99 drop\n accept", DROP),
        ("udp dport set 99\n udp dport 53 drop\n accept", ACCEPT),
        ("ip saddr set 1.2.3.4\n ip saddr 1.2.3.4 drop\n accept", DROP),
        ("ip protocol set 89\n ip protocol 89 drop\n accept", DROP),
        ("ip protocol set 89\n ip protocol udp drop\n accept", ACCEPT),
    ],
)
def test_a_changed_header_is_seen_by_the_rules_behind(rules, fate):
    assert fates(tracker_of(forward(rules)), DNS) == [fate]


AGEING = "set s { type ipv4_addr; flags timeout; elements = { 10.0.1.2 timeout 1h } }"


def test_to_look_at_the_ruleset_lets_nothing_age():
    tracker = tracker_of(forward("ip saddr @s accept", more=AGEING).replace("10.0.1.2", CLIENT))
    assert "timeout 1h" in str(tracker.ruleset)
    assert fates(tracker, DNS, now=1e6) == [ACCEPT]


def test_a_trace_lets_nothing_age():
    tracker = tracker_of(forward("ip saddr @s accept", more=AGEING).replace("10.0.1.2", CLIENT))
    tracker.trace(DNS, 0.0)
    assert fates(tracker, DNS, now=4000.0) == [ACCEPT]
    assert fates(tracker, DNS, now=7500.0) == [ACCEPT]
    assert fates(tracker, DNS, now=7700.0) == [DROP]


def test_a_trace_leaves_the_place_of_what_it_would_delete():
    sets = "set s { type inet_service; flags dynamic; size 2; elements = { 7 } }"
    rules = "udp dport 7 delete @s { udp dport } accept\n add @s { udp dport } accept"
    tracker = tracker_of(forward(rules, more=sets))
    tracker.trace(udp(1, 7), 0.0)
    assert fates(tracker, udp(1, 8)) == [ACCEPT]


def test_a_trace_takes_nothing_from_an_association():
    tracker = Tracker(config=LINUX)
    tracker.process(sctp("INIT/4"), 0.0)
    tracker.trace(sctp("INIT/999"), 0.1)
    answer = sctp("INIT_ACK/5", 4, 80, 1000, source=SERVER, destination=CLIENT)
    assert tracker.process(answer, 0.2).reason is Reason.OK


def test_what_has_expired_gives_way_in_a_full_set():
    sets = "set s { type inet_service; flags dynamic,timeout; size 70; timeout 10s; }"
    tracker = tracker_of(forward("update @s { udp dport } accept", more=sets))
    kept = [udp(1, port) for port in range(1, 65)]
    fates(tracker, *kept, *[udp(1, port) for port in range(100, 106)])
    fates(tracker, *kept, now=9.0)
    assert fates(tracker, udp(1, 999), now=12.0) == [ACCEPT]


@pytest.mark.parametrize("quota", ["DE 20 kbytes", "used 20 kbytes"])
def test_a_quota_that_is_none_is_refused(quota):
    with pytest.raises(RuleError):
        Ruleset.parse(f"table ip t {{ quota q {{ {quota} }} }}")


def test_a_shift_beyond_the_field_is_refused():
    with pytest.raises(RuleError, match="less than 32"):
        tracker_of(forward("meta mark set meta mark << 40"))


def test_numgen_counts_packets_that_the_rest_of_its_rule_refuses():
    tracker = tracker_of(forward("numgen inc mod 2 == 0 udp dport 53 accept"))
    assert fates(tracker, udp(40000, 54), DNS, DNS) == [DROP, DROP, ACCEPT]


@pytest.mark.parametrize(
    ("elements", "before", "counted"),
    [
        ("counter; elements = { 40000 }", "", 3),
        ("flags dynamic;", "udp dport 55 add @s { udp sport counter }", 4),
    ],
)
def test_an_element_counts_packets_that_the_rest_of_its_rule_refuses(elements, before, counted):
    named = f"set s {{ type inet_service; {elements} }}"
    tracker = tracker_of(forward(f"{before}\n udp sport @s udp dport 53 accept", more=named))
    assert fates(tracker, udp(40000, 55), udp(40000, 54), DNS) == [DROP, DROP, ACCEPT]
    assert f"elements = {{ 40000 counter packets {counted} " in str(tracker.ruleset)


def test_setting_nftrace_does_nothing():
    tracker = tracker_of(forward("meta nftrace set 1 udp dport 53 accept"))
    assert fates(tracker, DNS, udp(40000, 54)) == [ACCEPT, DROP]
