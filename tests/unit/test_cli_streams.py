"""Standard streams that are closed: one line says so, if there is anywhere to say it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
CAPTURE, RULES = TESTS / "captures" / "null.pcap", TESTS / "rulesets" / "office.nft"
CLOSED = {
    "output of replay": (f"replay {CAPTURE} >&-", "standard output: it is closed"),
    "output of check": (f"check {RULES} >&-", "standard output: it is closed"),
    "a capture": ("replay - <&-", "standard input: it is closed"),
    "rules": ("check - <&-", "standard input: it is closed"),
    "rules of a replay": (f"replay --rules - {CAPTURE} <&-", "standard input: it is closed"),
    "rules that cannot be read": ("check - 0>/dev/null", "standard input: Bad file descriptor"),
}


def shell(words: str) -> subprocess.CompletedProcess[str]:
    command = f"{sys.executable} -m statefulinspect.cli {words}"
    return subprocess.run(["sh", "-c", command], capture_output=True, check=False, text=True)


@pytest.mark.parametrize(("words", "complaint"), CLOSED.values(), ids=CLOSED)
def test_a_closed_stream_is_one_line(words, complaint):
    run = shell(words)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"statefulinspect: {complaint}\n"


def test_nobody_needs_standard_error():
    assert shell(f"replay -q {CAPTURE} 2>&-").stdout.startswith("connections left")
    assert shell("replay no/such.pcap 2>&-").returncode == 2
