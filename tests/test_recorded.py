"""The kernel's recorded answers: the comparison of tests/kernel for every system, without root."""

from __future__ import annotations

from collections import Counter

import pytest

from recorded.answers import RECORDED, Answer, Recording, library_answer, make_config
from statefulinspect import Tracker, decode
from statefulinspect.cli.describe import describe

NAMES = sorted(path.stem for path in RECORDED.glob("*.txt"))
GENERATED = [name for name in NAMES if name.startswith("generated-")]
PROTOCOLS = {"TCP": 6, "UDP": 17, "ICMP": 1, "ICMPv6": 58, "SCTP": 132, "GRE": 47, "UDP-Lite": 136}


@pytest.fixture(scope="module")
def recordings():
    return {name: Recording.read(RECORDED / f"{name}.txt") for name in NAMES}


def first_difference(recording: Recording, tracker: Tracker) -> str:
    """Play all packets; describe the first whose answer is not the recorded one."""
    for number, at, wire in recording.packets():
        ours, theirs = library_answer(tracker, wire, at), recording.answers[number]
        if not ours.agrees(theirs):
            packet = f"packet {number} at {at:.6f}: {describe(decode(wire))}"
            lines = [packet, f"  {wire.hex()}", f"library: {ours}", f"kernel:  {theirs}"]
            return "\n".join(lines)
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_packets_are_answered_as_the_kernel_answered(name, recordings):
    recording = recordings[name]
    tracker = recording.tracker()
    difference = first_difference(recording, tracker)
    assert not difference, f"{name}, {recording.sysctls}\n{difference}"
    tracker.check()


@pytest.mark.parametrize("name", [name for name in GENERATED if name != "generated-defaults"])
def test_settings_make_a_difference(name, recordings):
    assert first_difference(recordings[name], recordings["generated-defaults"].tracker())


def test_what_the_router_does_not_send_on_makes_a_difference(recordings):
    assert any(
        first_difference(recordings[name], Tracker(config=make_config(recordings[name].sysctls)))
        for name in GENERATED
    )


def test_enough_is_recorded(recordings):
    counts = {name: len(recording.answers) for name, recording in recordings.items()}
    generated = sum(counts[name] for name in GENERATED)
    assert generated >= 4000
    assert sum(counts.values()) - generated >= 2500


def test_every_protocol_is_recorded(recordings):
    protocols = Counter(
        decode(wire).protocol
        for recording in recordings.values()
        for _, _, wire in recording.packets()
    )
    assert {name for name, number in PROTOCOLS.items() if not protocols[number]} == set()


def test_no_packet_is_left_unanswered(recordings):
    for recording in recordings.values():
        last = max(recording.answers)
        assert last - len(recording.answers) == recording.left_out


@pytest.mark.parametrize(
    ("line", "agrees"),
    [
        ("established reply; ESTABLISHED 299 assured; 2/80 1/40", True),
        ("established reply; ESTABLISHED 298 assured; 2/80 1/40", False),
        ("established reply; ESTABLISHED 301 assured; 2/80 1/40", False),
        ("established reply; ESTABLISHED 300; 2/80 1/40", False),
        ("established reply; FIN_WAIT 300 assured; 2/80 1/40", False),
        ("established original; ESTABLISHED 300 assured; 2/80 1/40", False),
        ("established reply; ESTABLISHED 300 assured; 2/80 1/41", False),
        ("established reply; gone", False),
        ("discarded", False),
    ],
)
def test_a_recorded_line_is_compared_as_a_whole(line, agrees):
    ours = Answer("established reply; ESTABLISHED {} assured; 2/80 1/40", 300.0)
    assert ours.agrees(Answer.read(line)) is agrees
    assert str(Answer.read(line)) == line
