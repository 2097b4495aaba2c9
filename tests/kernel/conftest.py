"""Say what the kernel reference needs: Linux 6.18, root, nft, ip and /dev/net/tun.

Elsewhere its tests are skipped and say why; where `CI` is set, a missing reference is a failure.
Without Linux its modules cannot even be imported.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

import pytest

collect_ignore_glob = [] if sys.platform == "linux" else ["*"]


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
