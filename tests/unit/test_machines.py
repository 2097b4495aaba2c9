"""Which machine a protocol number gets."""

from __future__ import annotations

import pytest

from builders import CLIENT, SERVER, ip
from statefulinspect import Config, Timeouts, Tracker
from statefulinspect.machines import make_machines
from statefulinspect.machines.icmp import QueryReply
from statefulinspect.machines.sctp import SctpMachine
from statefulinspect.machines.tcp import TcpMachine

NAMED = [1, 6, 17, 47, 58, 132, 136]


def test_every_number_has_a_machine():
    machines = make_machines(Config())
    assert len(machines) == 256
    assert [number for number in range(256) if machines[number] is not machines[0]] == NAMED
    assert isinstance(machines[6], TcpMachine)
    assert isinstance(machines[1], QueryReply)
    assert isinstance(machines[58], QueryReply)
    assert isinstance(machines[132], SctpMachine)


@pytest.mark.parametrize("number", [0, 33, 51, 89, 255])
def test_protocols_by_number_live_for_the_generic_timeout(number):
    tracker = Tracker(config=Config(timeouts=Timeouts(generic=77)))
    verdict = tracker.process(ip(CLIENT, SERVER, number, bytes(8)), 0.0)
    assert verdict.connection.expires_at == 77


def test_tcp_and_sctp_name_their_states():
    named = [number for number, each in enumerate(make_machines(Config())) if each.names_states]
    assert named == [6, 132]
