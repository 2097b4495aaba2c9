"""What becomes of each statement of a helper, of those before it, and of those behind."""

from __future__ import annotations

import pytest

from statefulinspect import Config, HelperPolicy, Limits, Reason
from statefulinspect.flowkey import FlowKey
from statefulinspect.helpers.gre_keys import GreKeys
from statefulinspect.helpers.model import Policy
from statefulinspect.helpers.statements import (
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
from statefulinspect.linking import connect
from statefulinspect.obedience import Obedience, Speaker
from statefulinspect.zones import NO_ZONE, Zone

TCP, UDP, GRE = 6, 17, 47
HERE, THERE = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
FLOW = THERE + HERE + bytes([0, 20, 4, 1])  # from port 20 to 1025


class Reader:
    """A helper as far as it is obeyed."""

    name = "reader"
    policies = {kind: Policy(9, 60.0) for kind in ("", "media")}  # noqa: RUF012 - read only


def announce(port, protocol=TCP, **more):
    return Announce(protocol, HERE, port, **{"source": THERE, **more})


class Scene:
    """Two control connections, and what has been carried out for them."""

    def __init__(self, *, protocol=TCP, is_assured=True, most=4096, zone=NO_ZONE, **policy):
        self.severed = []
        self.is_there = True
        config = Config(helper_policy=HelperPolicy(**policy), limits=Limits(max_expectations=most))
        self.keys = GreKeys()
        self.obedience = Obedience(config, self.keys, self._sever)
        self.expectations = self.obedience.expectations
        self.one, self.other = (
            connect(protocol, bytes(11) + bytes([last]), bytes(12), None, 0.0, zone)
            for last in (1, 2)
        )
        self.one.is_assured = self.other.is_assured = is_assured

    def _sever(self, zones, flow, now):
        self.severed.append((zones, flow, now))
        return self.is_there

    def say(self, *statements, who=None, now=1.0):
        return self.obedience.obey(Speaker(Reader(), who or self.one, now), statements)

    def say_refusing(self, *before):
        speaker = Speaker(Reader(), self.one, 1.0)
        return self.obedience.obey(speaker, Refuse(Reason.HELPER_PARTIAL, before))

    def ports(self):
        self.expectations.check()
        return [each.destination_port for each in self.expectations]


@pytest.mark.parametrize("protocol", [TCP, UDP, GRE])
@pytest.mark.parametrize(("port", "lowest"), [(1023, 1024), (1024, 1024), (0, 0), (65535, 65536)])
def test_the_lowest_port_is_of_those_that_have_ports(port, lowest, protocol):
    scene = Scene(lowest_port=lowest)
    assert scene.say(announce(port, protocol)) is Reason.OK
    assert scene.ports() == ([port] if port >= lowest or protocol == GRE else [])


@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize("is_assured", [False, True])
@pytest.mark.parametrize("needs_assured", [False, True])
def test_only_tcp_has_to_prove_itself_first(needs_assured, is_assured, protocol):
    scene = Scene(protocol=protocol, is_assured=is_assured, needs_assured=needs_assured)
    assert scene.say(announce(1025)) is Reason.OK
    may = is_assured or protocol == UDP or not needs_assured
    assert scene.ports() == [1025] * may


def test_what_is_announced_is_the_speakers():
    scene = Scene()
    scene.say(announce(1025, is_inactive=True), announce(1026, kind="media"), now=5.0)
    first, second = scene.expectations
    assert first.master is second.master is scene.one
    assert first.helper.name == "reader"
    assert (first.is_inactive, second.is_inactive) == (True, False)
    assert (first.kind, second.kind) == ("", "media")
    assert first.expires_at == 65.0


def test_what_cannot_be_entered_drops_the_packet_and_ends_what_is_said():
    scene = Scene(most=1)
    assert scene.say(announce(1025), announce(1026), Remember("read")) is Reason.EXPECTATIONS_FULL
    assert scene.ports() == [1025]
    assert scene.one.helper_memory is None
    assert scene.say(announce(1027, is_optional=True), Remember("read")) is Reason.OK
    assert scene.ports() == [1025]
    assert scene.one.helper_memory == "read"
    assert scene.say(announce(1025), who=scene.other) is Reason.EXPECTATION_CLASH


def test_each_is_announced_whatever_becomes_of_the_others():
    scene = Scene()
    scene.say(announce(1025), who=scene.other)
    each = (announce(1024), announce(1025), announce(1026))
    assert scene.say(AnnounceEach(each)) is Reason.EXPECTATION_CLASH
    assert scene.ports() == [1025, 1024, 1026]
    assert scene.say(AnnounceEach((announce(1027),))) is Reason.OK


def pair(first=1025, second=1026, told=9999, **more):
    return AnnouncePair(announce(first, **more), announce(second, **more), told)


def test_a_pair_is_entered_whole_or_not_at_all():
    scene = Scene()
    assert scene.say(pair()) is Reason.OK
    assert scene.ports() == [1025, 1026]
    assert scene.say(pair(1030, 1026), who=scene.other) is Reason.EXPECTATION_CLASH
    assert scene.ports() == [1025, 1026]
    assert scene.say(pair(1025, 1030), who=scene.other) is Reason.EXPECTATION_CLASH
    assert scene.ports() == [1025, 1026]


def test_of_a_pair_neither_is_entered_if_the_policy_forbids_one():
    for first, second in ((1023, 1024), (1024, 1023)):
        scene = Scene(lowest_port=1024)
        assert scene.say(pair(first, second)) is Reason.OK
        assert scene.ports() == []


def test_a_pair_that_another_has_announced_is_known():
    """To the port that was told: the others of the pair may differ."""
    scene = Scene()
    scene.say(announce(1025, kind="media"), who=scene.other)
    assert scene.say(pair(2000, 2001, told=1025, kind="media")) is Reason.OK
    assert scene.ports() == [1025]
    assert scene.say(pair(2000, 2001, told=1025)) is Reason.OK  # another kind
    assert scene.ports() == [1025, 2000, 2001]
    assert scene.say(pair(3000, 3001, told=1025, kind="media"), now=61.0) is Reason.OK
    assert scene.ports()[-2:] == [3000, 3001]  # it was known until now


def call(*ports, call_id=7, source_key=8):
    keys = (MapKey(HERE, THERE, call_id, source_key),)
    return AnnounceCall(tuple(announce(port, GRE, group="call") for port in ports), keys)


def test_a_call_is_announced_with_its_keys():
    scene = Scene()
    assert scene.say(call(1, 2)) is Reason.OK
    assert scene.ports() == [1, 2]
    assert len(scene.keys) == 1
    scene.say(UnmapKeys())
    assert len(scene.keys) == 0
    assert scene.ports() == [1, 2]


def test_a_call_whose_keys_cannot_be_is_taken_back():
    """One call of a connection lasts; the packet passes all the same."""
    scene = Scene()
    scene.say(call(1, 2))
    assert scene.say(call(3, 4, call_id=9), Remember("read")) is Reason.OK
    assert scene.ports() == [1, 2]
    assert scene.one.helper_memory == "read"


def test_a_call_that_cannot_be_entered_whole_is_taken_back_and_has_no_keys():
    scene = Scene()
    scene.say(announce(4, GRE), who=scene.other)
    assert scene.say(call(3, 4)) is Reason.OK
    assert scene.ports() == [4]
    assert len(scene.keys) == 0
    scene.say(announce(5, GRE), who=scene.other)
    assert scene.say(call(5, 6)) is Reason.OK
    assert scene.ports() == [4, 5]
    assert len(scene.keys) == 0


def test_a_call_that_the_policy_forbids_has_no_keys():
    scene = Scene(is_assured=False)
    assert scene.say(call(1, 2)) is Reason.OK
    assert (scene.ports(), len(scene.keys)) == ([], 0)


def test_kinds_are_withdrawn_and_activated():
    scene = Scene()
    media = announce(1026, kind="media", is_inactive=True)
    scene.say(announce(1025, is_inactive=True), media)
    scene.say(announce(1027, kind="media", is_inactive=True), who=scene.other)
    assert scene.say(Activate("media", 7.0), now=3.0) is Reason.OK
    told = [
        (each.destination_port, each.is_inactive, each.expires_at) for each in scene.expectations
    ]
    assert told == [(1025, True, 61.0), (1026, False, 10.0), (1027, True, 61.0)]
    assert scene.say(Withdraw(("media",))) is Reason.OK
    assert scene.ports() == [1025, 1027]


def test_the_control_connection_is_renewed_from_now_on():
    scene = Scene()
    assert scene.say(Renew(30.0), now=4.0) is Reason.OK
    assert (scene.one.expires_at, scene.other.expires_at) == (34.0, float("inf"))


@pytest.mark.parametrize("is_there", [True, False])
def test_who_is_severed_is_removed_or_no_longer_expected(is_there):
    scene = Scene(zone=Zone.of(5))
    scene.is_there = is_there
    scene.say(announce(1025, source_port=20), announce(1026, source_port=20), who=scene.other)
    assert scene.say(Sever(TCP, FLOW), now=2.0) is Reason.OK
    assert scene.severed == [(Zone.of(5), FlowKey(TCP, FLOW), 2.0)]
    assert scene.ports() == ([1025, 1026] if is_there else [1026])


def test_a_refusal_obeys_what_was_said_before():
    scene = Scene()
    assert scene.say_refusing(announce(1025)) is Reason.HELPER_PARTIAL
    assert scene.ports() == [1025]
    assert scene.say_refusing() is Reason.HELPER_PARTIAL
    scene.say(announce(1026), who=scene.other)
    assert scene.say_refusing(announce(1026), announce(1027)) is Reason.EXPECTATION_CLASH
    assert scene.ports() == [1025, 1026]


@pytest.mark.parametrize(
    ("outcome", "complaint"),
    [
        (None, "helper 'reader' said None: expected statements, or Refuse"),
        ([Renew(5.0), 7], "helper 'reader' said 7: expected a statement"),
        (Refuse(Reason.HELPER_PARTIAL, ("so",)), "helper 'reader' said 'so': expected a statement"),
    ],
)
def test_what_is_said_has_to_be_statements(outcome, complaint):
    scene = Scene()
    with pytest.raises(TypeError) as caught:
        scene.obedience.obey(Speaker(Reader(), scene.one, 1.0), outcome)
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"destination": "10.0.0.1"}, "destination='10.0.0.1': expected an address as 4 or 16 oct"),
        ({"destination": None}, "destination=None: expected an address"),
        ({"source": bytes(5)}, "source=b'"),
        ({"source_mask": 24}, "source_mask=24: expected an address"),
        ({"source": bytes(16)}, "expected 4 octets, as destination has"),
        ({"source_mask": bytes(16)}, "expected 4 octets, as destination has"),
        ({"protocol": "tcp"}, "protocol='tcp': expected a number from 0 to 255"),
        ({"protocol": 256}, "protocol=256: expected a number from 0 to 255"),
        ({"destination_port": 65_536}, "destination_port=65536: expected a number from 0 to 65535"),
        ({"destination_port": None}, "destination_port=None: expected a number"),
        ({"source_port": -1}, "source_port=-1: expected a number"),
    ],
)
def test_an_announcement_has_addresses_and_ports(changes, complaint):
    given = {"protocol": TCP, "destination": HERE, "destination_port": 80}
    with pytest.raises((TypeError, ValueError)) as caught:
        Announce(**{**given, **changes})
    assert complaint in str(caught.value)


def test_other_statements_have_what_they_name():
    with pytest.raises(TypeError, match="kinds='media': expected a tuple of kinds"):
        Withdraw("media")
    with pytest.raises(TypeError, match="reason='bad': expected a Reason"):
        Refuse("bad")


def test_what_is_announced_is_of_one_of_the_helpers_kinds():
    with pytest.raises(TypeError, match="expected one of its kinds, '', 'media'"):
        Scene().say(announce(1025, kind="video"))
