"""The harness leaves nothing behind, not even when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HOLDER = """
import os, sys, time
from kernel.kernel import Kernel
with Kernel() as kernel:
    kernel.start("sleep", "600", stdout=sys.stderr)
    with kernel._namespace.entered():
        name = os.readlink("/proc/thread-self/ns/net")
    print(name, flush=True)  # told only when this process itself is outside again
    time.sleep(600)
"""


def namespace_of(process: Path) -> str:
    try:
        return os.readlink(process / "ns/net")
    except OSError:  # it has just ended
        return ""


def in_namespace(name: str) -> list[Path]:
    """List the processes in a network namespace."""
    return [each for each in Path("/proc").glob("[0-9]*") if namespace_of(each) == name]


def test_nothing_is_left_after_a_kill():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, env=environment
    )
    with holder:
        name = holder.stdout.readline().strip()
        assert name.startswith("net:[")
        assert len(in_namespace(name)) == 1  # the sleeping command; the harness itself is outside
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    time.sleep(0.2)
    assert in_namespace(name) == []
    devices = Path("/proc/net/dev").read_text()
    assert "lan0" not in devices
    assert "wan0" not in devices
