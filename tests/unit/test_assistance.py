"""Helpers at work: who reads which connection, and what becomes of what they say."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from builders import CLIENT, SERVER, gre, icmp_error, packed, tcp, udp
from statefulinspect import (
    Action,
    Config,
    ConfigError,
    CtState,
    Direction,
    HelperPolicy,
    Limits,
    Reason,
    Rule,
    RuleError,
    Ruleset,
    Timeouts,
    Tracker,
)
from statefulinspect.helpers.ftp import FtpHelper
from statefulinspect.helpers.model import Policy
from statefulinspect.helpers.statements import (
    NOTHING,
    Activate,
    Announce,
    AnnounceCall,
    AnnounceEach,
    AnnouncePair,
    MapKey,
    Refuse,
    Remember,
    Renew,
    Sever,
    UnmapKeys,
    Withdraw,
)

BACK = {"source": SERVER, "destination": CLIENT}
HERE, THERE = packed(CLIENT), packed(SERVER)


class Scripted:
    """A helper that says what the test wants, and remembers what it was shown."""

    name = "scripted"
    protocols = frozenset({6, 17})
    families = frozenset({4})
    policies = {"": Policy(8, 300.0), "late": Policy(8, 60.0)}  # noqa: RUF012 - read only

    def __init__(self) -> None:
        self.outcome = NOTHING
        self.seen = []

    def begin(self):
        return self.seen

    def read(self, message):
        message.memory.append((message.side.is_reply, message.payload, message.seq))
        assert message.connection is message.side.connection
        assert {message.sender, message.receiver} == {HERE, THERE}
        return self.outcome


@pytest.fixture
def helper():
    return Scripted()


def announce(port=4000, **changes):
    return Announce(17, HERE, port, **{"source": THERE, **changes})


def tracker_of(helper, port=53, rules=None, **changes):
    given = {"helper_policy": HelperPolicy.linux(), **changes}
    return Tracker(rules, Config(helpers={port: helper}, **given))


def expected_packet(port=4000, sport=7):
    return udp(sport, port, **BACK)


def test_a_datagram_is_read_from_the_first_on(helper):
    tracker = tracker_of(helper)
    tracker.process(udp(1000, 53, b"one"), 0.0)
    tracker.process(udp(53, 1000, b"two", **BACK), 0.1)
    assert helper.seen == [(0, b"one", 0), (1, b"two", 0)]


def test_tcp_is_read_once_a_reply_was_seen(helper):
    tracker = tracker_of(helper, 21)
    tracker.process(tcp(1000, 21, "SYN", 9), 0.0)
    assert helper.seen == []
    tracker.process(tcp(21, 1000, "SYN,ACK", 99, 10, **BACK), 0.1)
    tracker.process(tcp(1000, 21, "PSH,ACK", 10, 100, data=b"hi", options=b"\1\1\1\1"), 0.2)
    assert helper.seen == [(1, b"", 99), (0, b"hi", 10)]


def test_all_of_a_sequence_number_is_shown(helper):
    tracker = tracker_of(helper, 21)
    tracker.process(tcp(1000, 21, "SYN", 9), 0.0)
    tracker.process(tcp(21, 1000, "SYN,ACK", 0x12345678, 10, **BACK), 0.1)
    assert helper.seen == [(1, b"", 0x12345678)]


def test_what_stands_behind_a_packet_is_not_read(helper):
    tracker = tracker_of(helper)
    tracker.process(udp(1000, 53, b"one") + b"padding", 0.0)
    assert helper.seen == [(0, b"one", 0)]


def test_what_does_not_begin_properly_passes_unread():
    tracker = Tracker(config=Config(helpers={21: "ftp"}))
    tracker.process(tcp(1000, 21, "SYN", 9), 0.0)
    tracker.process(tcp(21, 1000, "SYN,ACK", 99, 10, **BACK), 0.1)
    tracker.process(tcp(1000, 21, "ACK", 10, 100), 0.2)
    verdict = tracker.process(tcp(21, 1000, "PSH,ACK", 100, 10, data=b"hello\r\n", **BACK), 0.3)
    assert (verdict.action, verdict.reason) == (Action.ACCEPT, Reason.OK)
    assert verdict.connection.helper is None


def test_the_hot_path_does_not_pass_a_helper_by(helper):
    tracker = tracker_of(helper, 21)
    tracker.process(tcp(1000, 21, "SYN", 9), 0.0)
    tracker.process(tcp(21, 1000, "SYN,ACK", 99, 10, **BACK), 0.1)
    for number in range(5):
        tracker.process(tcp(1000, 21, "PSH,ACK", 10 + number, 100, data=b"x"), 1.0)
    assert len(helper.seen) == 6


def test_what_rules_drop_is_not_read(helper):
    rules = Ruleset([Rule(Action.DROP, source=SERVER)], policy=Action.ACCEPT)
    tracker = tracker_of(helper, rules=rules)
    tracker.process(udp(1000, 53, b"one"), 0.0)
    tracker.process(udp(53, 1000, b"two", **BACK), 0.1)
    assert len(helper.seen) == 1


def test_other_ports_and_families_have_no_helper(helper):
    tracker = tracker_of(helper)
    for packet in (
        udp(1000, 54),
        udp(53, 1000),
        udp(1000, 53, source="fd00::1", destination="fd00::2"),
    ):
        assert tracker.process(packet, 0.0).connection.helper is None
    assert tracker.process(udp(1000, 53), 0.0).connection.helper == "scripted"
    assert " helper=scripted " in tracker.find(udp(1000, 53)).to_conntrack(0.0)


def test_what_was_announced_is_related_until_its_first_reply(helper):
    tracker = tracker_of(helper)
    helper.outcome = (announce(),)
    master = tracker.process(udp(1000, 53), 0.0).connection
    master.mark = 7
    (expected,) = tracker.expectations
    assert expected.master is master
    for at in (1.0, 2.0):
        verdict = tracker.process(expected_packet(), at)
        assert (verdict.ct_state, verdict.direction) == (CtState.RELATED, Direction.ORIGINAL)
    assert (verdict.connection.master, verdict.connection.mark) == (master, 7)
    assert verdict.connection.helper is None
    assert tracker.expectations == []
    reply = tracker.process(udp(4000, 7), 3.0)
    assert reply.ct_state is CtState.ESTABLISHED
    assert tracker.process(expected_packet(), 4.0).ct_state is CtState.ESTABLISHED


def test_an_expectation_is_used_up_even_by_what_the_rules_drop(helper):
    rules = Ruleset([Rule(Action.DROP, source=SERVER)], policy=Action.ACCEPT)
    tracker = tracker_of(helper, rules=rules)
    helper.outcome = (announce(),)
    tracker.process(udp(1000, 53), 0.0)
    assert tracker.process(expected_packet(), 1.0).ct_state is CtState.RELATED
    assert tracker.process(expected_packet(), 2.0).ct_state is CtState.NEW


def test_an_expectation_is_used_up_even_by_a_malformed_packet(helper):
    tracker = tracker_of(helper)
    helper.outcome = (announce(),)
    tracker.process(udp(1000, 53), 0.0)
    malformed = udp(7, 4000, **BACK, length=99)
    assert tracker.process(malformed, 1.0).ct_state is CtState.INVALID
    assert tracker.expectations == []
    assert tracker.process(expected_packet(), 2.0).ct_state is CtState.NEW


def test_what_is_not_tracked_uses_up_no_expectation(helper):
    chain = "type filter hook prerouting priority raw; udp sport 7 notrack;"
    rules = Ruleset.parse(f"table inet t {{ chain c {{ {chain} }} }}")
    tracker = tracker_of(helper, rules=rules)
    helper.outcome = (announce(),)
    tracker.process(udp(1000, 53), 0.0)
    assert tracker.process(expected_packet(), 1.0).ct_state is CtState.UNTRACKED
    assert tracker.process(expected_packet(sport=8), 2.0).ct_state is CtState.RELATED


def test_a_malformed_packet_at_the_key_of_a_connection_uses_up_nothing(helper):
    tracker = tracker_of(helper)
    tracker.process(expected_packet(), 0.0)
    helper.outcome = (announce(),)
    tracker.process(udp(1000, 53), 0.0)
    tracker.process(udp(7, 4000, **BACK, length=99), 1.0)
    assert len(tracker.expectations) == 1


def test_the_expected_connection_may_have_a_helper_of_its_own(helper):
    tracker = tracker_of(helper)
    helper.outcome = (announce(helper="scripted"),)
    tracker.process(udp(1000, 53), 0.0)
    assert tracker.process(expected_packet(), 1.0).connection.helper == "scripted"


@pytest.mark.parametrize(("announced", "reader"), [("scripted", "scripted"), (None, "tftp")])
def test_an_announced_helper_goes_before_the_ports(helper, announced, reader):
    tracker = Tracker(config=Config.linux(helpers={53: helper, 4000: "tftp"}))
    helper.outcome = (announce(helper=announced),)
    tracker.process(udp(1000, 53), 0.0)
    helper.outcome = NOTHING
    assert tracker.process(expected_packet(), 1.0).connection.helper == reader


def test_an_announced_helper_goes_before_that_of_a_rule(helper):
    named = Rule(Action.ACCEPT, destination_port=[4000, 4001], helper="tftp")
    tracker = tracker_of(helper, rules=Ruleset([named], policy=Action.ACCEPT))
    helper.outcome = (announce(4000, helper="scripted"), announce(4001))
    tracker.process(udp(1000, 53), 0.0)
    helper.outcome = NOTHING
    readers = [
        tracker.process(expected_packet(port), 1.0).connection.helper for port in (4000, 4001)
    ]
    assert readers == ["scripted", "tftp"]


def test_a_rules_helper_goes_before_the_ports(helper):
    rules = Ruleset([Rule(Action.ACCEPT, helper="tftp")], policy=Action.DROP)
    assert tracker_of(helper, rules=rules).process(udp(1000, 53), 0.0).connection.helper == "tftp"


def test_a_refusal_drops_the_packet_behind_tracking(helper):
    tracker = tracker_of(helper)
    tracker.process(udp(1000, 53), 0.0)
    helper.outcome = Refuse(Reason.HELPER_MALFORMED)
    verdict = tracker.process(udp(1000, 53), 1.0)
    assert (verdict.action, verdict.ct_state) == (Action.DROP, CtState.NEW)
    assert verdict.reason is Reason.HELPER_MALFORMED
    assert verdict.connection.count(Direction.ORIGINAL).packets == 2


def test_a_refused_opening_leaves_nothing(helper):
    tracker = tracker_of(helper)
    helper.outcome = (announce(), announce(4000, kind="late"))
    clash = tracker_of(helper)
    clash.process(udp(1, 53), 0.0)
    verdict = clash.process(udp(2, 53), 0.0)
    assert (verdict.action, verdict.reason) == (Action.DROP, Reason.EXPECTATION_CLASH)
    assert verdict.connection is None
    helper.outcome = Refuse(Reason.HELPER_PARTIAL)
    assert tracker.process(udp(1000, 53), 0.0).connection is None
    assert len(tracker) == 0
    assert tracker.expectations == []
    clash.check()


def test_an_opening_that_rules_drop_is_not_read(helper):
    rules = Ruleset([Rule(Action.DROP, destination=SERVER)], policy=Action.ACCEPT)
    tracker = tracker_of(helper, rules=rules)
    assert tracker.process(udp(1000, 53, b"one"), 0.0).action is Action.DROP
    assert helper.seen == []


def test_an_opening_for_which_there_is_no_room_announces_nothing(helper):
    tracker = tracker_of(helper, limits=Limits(max_per_source=1))
    helper.outcome = [announce()]
    tracker.process(udp(999, 80), 0.0)
    assert tracker.process(udp(1000, 53), 0.1).reason is Reason.SOURCE_FULL
    assert not tracker.expectations
    assert tracker.process(expected_packet(), 0.2).ct_state is CtState.NEW


def test_expectations_end_with_their_master(helper):
    tracker = tracker_of(helper)
    helper.outcome = (announce(),)
    tracker.process(udp(1000, 53), 0.0)
    tracker.delete(tracker.find(udp(1000, 53)))
    assert tracker.expectations == []
    tracker.process(udp(1000, 53), 0.0)
    tracker.expire(30.0)
    assert tracker.process(expected_packet(), 30.0).ct_state is CtState.NEW


def test_expectations_expire(helper):
    tracker = tracker_of(helper, timeouts=Timeouts(udp=10_000))
    helper.outcome = (announce(),)
    tracker.process(udp(1000, 53), 0.0)
    tracker.expire(300.0)
    assert tracker.expectations == []
    assert tracker.process(expected_packet(), 300.0).ct_state is CtState.NEW


def test_withdraw_activate_and_renew(helper):
    tracker = tracker_of(helper)
    helper.outcome = (announce(4000), announce(4002, kind="late", is_inactive=True), Renew(500.0))
    master = tracker.process(udp(1000, 53), 0.0).connection
    assert master.expires_at == 500.0
    assert tracker.process(expected_packet(4002), 1.0).ct_state is CtState.NEW
    tracker.flush()
    tracker.process(udp(1000, 53), 2.0)
    helper.outcome = (Withdraw(("",)), Activate("late", 90.0))
    tracker.process(udp(1000, 53), 3.0)
    (left,) = tracker.expectations
    assert (left.destination_port, left.is_inactive, left.expires_at) == (4002, False, 93.0)
    tracker.check()


def taken_port(tracker, helper, port):
    """Let another control connection announce a port first."""
    helper.outcome = (announce(port),)
    tracker.process(udp(999, 53), 0.0)


def ports_expected(tracker, of=1000):
    return [
        each.destination_port
        for each in tracker.expectations
        if each.master.original.source_port == of
    ]


def test_what_cannot_be_announced_ends_the_rest_and_what_was_said_before_holds(helper):
    tracker = tracker_of(helper)
    tracker.process(udp(1000, 53), 0.0)
    taken_port(tracker, helper, 4001)
    helper.outcome = (announce(4000), announce(4001), announce(4002))
    verdict = tracker.process(udp(1000, 53), 1.0)
    assert (verdict.action, verdict.reason) == (Action.DROP, Reason.EXPECTATION_CLASH)
    assert ports_expected(tracker) == [4000]


def test_each_of_several_whatever_becomes_of_the_others(helper):
    tracker = tracker_of(helper)
    tracker.process(udp(1000, 53), 0.0)
    taken_port(tracker, helper, 4001)
    helper.outcome = (AnnounceEach((announce(4000), announce(4001), announce(4002))),)
    assert tracker.process(udp(1000, 53), 1.0).reason is Reason.EXPECTATION_CLASH
    assert ports_expected(tracker) == [4000, 4002]


def test_an_optional_one_hinders_nothing(helper):
    tracker = tracker_of(helper)
    tracker.process(udp(1000, 53), 0.0)
    taken_port(tracker, helper, 4001)
    helper.outcome = (announce(4001, is_optional=True), announce(4002))
    assert tracker.process(udp(1000, 53), 1.0).action is Action.ACCEPT
    assert ports_expected(tracker) == [4002]


@pytest.mark.parametrize("taken", [4000, 4001])
def test_a_pair_is_whole_or_not_there(helper, taken):
    tracker = tracker_of(helper)
    tracker.process(udp(1000, 53), 0.0)
    taken_port(tracker, helper, taken)
    helper.outcome = (AnnouncePair(announce(4000), announce(4001), 4999),)
    assert tracker.process(udp(1000, 53), 1.0).reason is Reason.EXPECTATION_CLASH
    assert ports_expected(tracker) == []
    helper.outcome = (AnnouncePair(announce(4002), announce(4003), 4002),)
    assert tracker.process(udp(1000, 53), 1.0).action is Action.ACCEPT
    assert ports_expected(tracker) == [4002, 4003]


def test_of_a_pair_what_was_known_is_not_taken_back(helper):
    tracker = tracker_of(helper)
    helper.outcome = (announce(4000),)
    tracker.process(udp(1000, 53), 0.0)
    taken_port(tracker, helper, 4001)
    first = announce(4000, kind="late", may_be_known=True)
    helper.outcome = (AnnouncePair(first, announce(4001), 4000),)
    assert tracker.process(udp(1000, 53), 1.0).reason is Reason.EXPECTATION_CLASH
    assert ports_expected(tracker) == [4000]


def test_what_is_remembered_is_shown_with_the_next_packet(helper):
    tracker = tracker_of(helper)
    other = []
    helper.outcome = (Remember(other),)
    tracker.process(udp(1000, 53, b"one"), 0.0)
    tracker.process(udp(1000, 53, b"two"), 0.1)
    assert [payload for _, payload, _ in helper.seen] == [b"one"]
    assert [payload for _, payload, _ in other] == [b"two"]


CALL = AnnounceCall(
    (
        Announce(47, HERE, 7, source=THERE, source_port=8, group="call"),
        Announce(47, THERE, 8, source=HERE, source_port=7, group="call"),
    ),
    (MapKey(THERE, HERE, 7, 8), MapKey(HERE, THERE, 8, 7)),
)
CALL_KEY = THERE + HERE + bytes([0, 8, 0, 7])


class Ending(Scripted):
    """A helper that ends the call with its connection."""

    def end(self, connection):
        assert connection.original.destination_port == 53
        return (Sever(47, CALL_KEY), UnmapKeys())


def call_packet(is_back=0):
    way = {"source": CLIENT, "destination": SERVER} if is_back else BACK
    return gre(8 if is_back else 7, **way)


def called(helper):
    """A tracker with one call, of which one packet was seen."""
    tracker = tracker_of(helper)
    helper.outcome = (CALL,)
    tracker.process(udp(1000, 53), 0.0)
    helper.outcome = NOTHING
    assert tracker.process(call_packet(), 1.0).ct_state is CtState.RELATED
    return tracker


def test_both_directions_of_a_call_are_one_connection(helper):
    tracker = called(helper)
    assert tracker.expectations == []
    assert tracker.process(call_packet(1), 2.0).direction is Direction.REPLY
    assert tracker.find(call_packet(1)) is tracker.find(call_packet())
    error = icmp_error(call_packet(), source="192.0.2.1", destination=SERVER)
    assert tracker.process(error, 2.0).ct_state is CtState.RELATED
    tracker.check()


def test_the_keys_of_a_call_go_with_its_connection(helper):
    tracker = called(helper)
    tracker.delete(tracker.find(call_packet()))
    assert str(tracker.process(call_packet(), 3.0).connection.original).endswith(
        "srckey=0x0 dstkey=0x7"
    )
    tracker.check()


def test_the_keys_of_a_call_that_the_rules_drop_go_too(helper):
    tracker = tracker_of(
        helper, rules=Ruleset([Rule(Action.DROP, protocol=47)], policy=Action.ACCEPT)
    )
    helper.outcome = (CALL,)
    tracker.process(udp(1000, 53), 0.0)
    assert tracker.process(call_packet(), 1.0).ct_state is CtState.RELATED
    assert tracker.process(call_packet(), 1.0).ct_state is CtState.NEW
    tracker.check()


def test_a_call_is_announced_whole_or_not_at_all_and_hinders_nobody(helper):
    tracker = tracker_of(helper)
    tracker.process(udp(1000, 53), 0.0)
    helper.outcome = (CALL.either[1],)
    tracker.process(udp(999, 53), 0.0)
    helper.outcome = (CALL,)
    assert tracker.process(udp(1000, 53), 1.0).action is Action.ACCEPT
    assert ports_expected(tracker) == []
    assert tracker.process(call_packet(), 2.0).ct_state is CtState.NEW


def test_one_call_at_a_time_has_its_keys(helper):
    tracker = tracker_of(helper)
    helper.outcome = (CALL,)
    tracker.process(udp(1000, 53), 0.0)
    other = AnnounceCall(
        (Announce(47, HERE, 70, source=THERE, source_port=8),), (MapKey(THERE, HERE, 70, 8),)
    )
    helper.outcome = (other,)
    tracker.process(udp(1000, 53), 1.0)
    assert ports_expected(tracker) == [7, 8]
    tracker.check()


def test_a_call_is_severed_with_its_control_connection():
    helper = Ending()
    tracker = called(helper)
    tracker.delete(tracker.find(udp(1000, 53)))
    assert len(tracker) == 0
    tracker.check()


def test_what_is_not_there_yet_is_not_expected_any_more(helper):
    tracker = tracker_of(helper)
    helper.outcome = (CALL, Sever(47, CALL_KEY))
    tracker.process(udp(1000, 53), 0.0)
    assert ports_expected(tracker) == [8]


def test_what_a_helper_reads_cannot_be_severed(helper):
    tracker = tracker_of(helper)
    tracker.process(udp(999, 53), 0.0)
    for port in (999, 1000):
        key = HERE + THERE + port.to_bytes(2, "big") + bytes([0, 53])
        helper.outcome = (Sever(17, key),)
        tracker.process(udp(1000, 53), 1.0)
    assert len(tracker) == 2
    tracker.check()


def test_no_call_that_the_policy_forbids(helper):
    tracker = tracker_of(helper, helper_policy=HelperPolicy(lowest_port=1024))
    low = AnnouncePair(announce(1024), announce(1023), 1024)
    helper.outcome = (low,)
    assert tracker.process(udp(1000, 53), 0.0).action is Action.ACCEPT
    assert tracker.expectations == []


class TestThePolicyOfConfig:
    """Safer than Linux: see docs/security.md."""

    def test_no_low_port(self, helper):
        tracker = tracker_of(helper, helper_policy=HelperPolicy())
        helper.outcome = (announce(1023), announce(1024))
        assert tracker.process(udp(1000, 53), 0.0).action is Action.ACCEPT
        assert [each.destination_port for each in tracker.expectations] == [1024]

    def test_tcp_announces_once_it_is_proven(self, helper):
        helper.outcome = (announce(),)
        for policy, expects in ((HelperPolicy(), 0), (HelperPolicy(needs_assured=False), 1)):
            tracker = tracker_of(helper, 21, helper_policy=policy)
            tracker.process(tcp(1000, 21, "SYN", 9), 0.0)
            tracker.process(tcp(21, 1000, "SYN,ACK", 99, 10, **BACK), 0.1)
            assert len(tracker.expectations) == expects
            tracker.process(tcp(1000, 21, "PSH,ACK", 10, 100, data=b"hi"), 0.2)
            assert len(tracker.expectations) == 1

    def test_a_segment_out_of_window_announces_nothing(self, helper):
        for policy, seen in ((HelperPolicy(), 0), (HelperPolicy(needs_in_window=False), 1)):
            tracker = tracker_of(helper, 21, helper_policy=policy)
            tracker.process(tcp(1000, 21, "SYN", 9), 0.0)
            tracker.process(tcp(21, 1000, "SYN,ACK", 99, 10, window=100, **BACK), 0.1)
            tracker.process(tcp(1000, 21, "ACK", 10, 100), 0.2)
            helper.seen.clear()
            late = tracker.process(tcp(1000, 21, "PSH,ACK", 111, 100, data=b"hi"), 0.3)
            assert late.reason is Reason.SEQ_JUST_ABOVE_WINDOW
            assert len(helper.seen) == seen


def test_names_and_objects_that_are_no_helpers():
    with pytest.raises(ConfigError, match="helper 'gopher': expected one of ftp, "):
        Tracker(config=Config(helpers={70: "gopher"}))
    with pytest.raises(ConfigError, match=r"FtpHelper'>: expected an object of this class$"):
        Tracker(config=Config(helpers={70: FtpHelper}))
    with pytest.raises(ConfigError, match="has protocols, families, begin, read, too"):
        Tracker(config=Config(helpers={70: SimpleNamespace(name="gopher", policies={})}))


def test_a_helper_that_is_given_takes_the_place_of_the_built_in():
    given = FtpHelper(loose=True)
    tracker = Tracker(config=Config(helpers={21: "ftp", 2121: given}))
    assert tracker._judge.assistant.helper("ftp") is given
    assert set(tracker._judge.assistant._by_port.values()) == {given}


def test_two_helpers_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two are called 'scripted', and nobody could tell"):
        Tracker(config=Config(helpers={21: Scripted(), 22: Scripted()}))
    one = Scripted()
    Tracker(config=Config(helpers={21: one, 22: one}))


@pytest.mark.parametrize(
    "value", [["ftp"], {"21": "ftp"}, {True: "ftp"}, {70_000: "ftp"}, {-1: "ftp"}, None]
)
def test_helpers_are_mapped_from_ports(value):
    with pytest.raises(ConfigError, match="expected a mapping from ports to helpers"):
        Config(helpers=value)


@pytest.mark.parametrize("value", [-1, 65_537, "1024", True, 1.5])
def test_the_lowest_port_is_a_port(value):
    with pytest.raises(ConfigError, match="expected a port, or 65536, which none reaches"):
        HelperPolicy(lowest_port=value)


def test_a_mapping_given_may_change_later():
    given = {21: "ftp"}
    config = Config(helpers=given)
    given[22] = "gopher"
    assert config.helpers == {21: "ftp"}
    assert hash(config) == hash(Config(helpers={}))


def test_a_rule_names_who_reads_what_it_lets_begin():
    rules = Ruleset([Rule(Action.ACCEPT, destination_port=99, helper="ftp")], policy=Action.ACCEPT)
    tracker = Tracker(rules, Config(helpers={}))
    opened = tracker.process(tcp(1000, 99, "SYN"), 0.0).connection
    assert opened.helper == "ftp"
    assert tracker.process(tcp(1000, 98, "SYN"), 0.0).connection.helper is None
    assert tracker.process(udp(1000, 99), 0.0).connection.helper is None
    assert 'ct helper set "ftp"' in str(rules.rules[0])


def test_a_rule_may_not_name_a_helper_that_is_none():
    rules = Ruleset([Rule(Action.ACCEPT, helper="gopher")], policy=Action.ACCEPT)
    with pytest.raises(RuleError, match=r"^helper 'gopher': expected one of ftp, "):
        Tracker(rules)
    for wrong in ("", 7):
        with pytest.raises(RuleError, match="expected a name"):
            Rule(Action.ACCEPT, helper=wrong)
