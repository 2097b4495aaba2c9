"""The library against the running kernel, packet by packet.

Needs Linux 6.18, root, nft, ip and /dev/net/tun; elsewhere this is skipped and says why. Where `CI`
is set a missing kernel is a failure. STATEFULINSPECT_KERNEL_PACKETS says how many packets.
"""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import pytest

from kernel.differ import compare

PACKETS = int(os.environ.get("STATEFULINSPECT_KERNEL_PACKETS", "20000"))


def missing() -> str:
    """Say what the kernel reference lacks here; empty if nothing."""
    if not platform.release().startswith("6.18."):
        return f"the reference is Linux 6.18, and this is {platform.release()}"
    if os.geteuid() != 0:
        return "only root may make a network namespace"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    return " and ".join(
        f"{tool} is not installed" for tool in ("nft", "ip") if not shutil.which(tool)
    )


@pytest.fixture(autouse=True)
def reference():
    reason = missing()
    if reason and os.environ.get("CI"):
        pytest.fail(f"no kernel to compare with: {reason}")
    if reason:
        pytest.skip(f"no kernel to compare with: {reason}")


@pytest.mark.parametrize("seed", [1, 2])
def test_tcp_is_answered_as_the_kernel_answers(seed):
    total, differences = compare(seed, PACKETS // 2)
    assert not differences, f"after {total} packets\n{differences[0]}"
