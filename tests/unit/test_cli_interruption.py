"""^C between frames, within one, twice, and where nobody listens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from capturing import handshake, pcap_of
from statefulinspect.cli.frame import Frame
from statefulinspect.cli.interruption import Interruption

FRAMES = [Frame(number, 1, b"", 0, 0) for number in range(5)]


@pytest.fixture(autouse=True)
def listening():
    """Let ^C be heard, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press():
    os.kill(os.getpid(), signal.SIGINT)


def frames(pressed_at=None):
    for frame in FRAMES:
        if frame.at_ns == pressed_at:
            press()
        yield frame


def test_without_it_all_frames_are_handed_on():
    interruption = Interruption()
    assert list(interruption.ending(frames())) == FRAMES
    assert not interruption.is_asked


def test_it_ends_waiting_for_a_frame():
    interruption = Interruption()
    assert list(interruption.ending(frames(pressed_at=3))) == FRAMES[:3]
    assert interruption.is_asked


def test_it_lets_the_work_on_a_frame_be_done():
    interruption, source, done = Interruption(), frames(), []
    for frame in interruption.ending(source):
        if frame is FRAMES[2]:
            press()
        done.append(frame)
    assert (done, interruption.is_asked) == (FRAMES[:3], True)
    assert list(source) == []  # closed


def test_the_second_one_ends_that_work_too():
    for _ in Interruption().ending(frames()):
        press()
        with pytest.raises(KeyboardInterrupt):
            press()


def test_afterwards_it_is_as_before():
    list(Interruption().ending(frames(pressed_at=0)))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_it_is_ignored_it_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert list(Interruption().ending(frames(pressed_at=3))) == FRAMES


def test_a_live_capture():
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "statefulinspect.cli", "replay", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(pcap_of(*handshake(0)))
    process.stdin.flush()
    for _ in range(4):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, complaint = process.communicate()
    assert (process.returncode, complaint) == (130, b"")
    assert out.startswith(b"connections left at 3.000000\ntcp ")
    assert out.endswith(b"duration     3.000000 s\n")
