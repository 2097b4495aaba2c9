"""On what something was measured, for the heading of a table."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def interpreter() -> str:
    """Name the Python that runs this, with its version."""
    name = platform.python_implementation()
    if name == "PyPy":
        own = ".".join(map(str, sys.pypy_version_info[:3]))  # type: ignore[attr-defined]  # PyPy's
        return f"PyPy {own} (Python {platform.python_version()})"
    return f"{name} {platform.python_version()}"


def processor() -> str:
    """Name the CPU as Linux does, elsewhere its kind."""
    told = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    models = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    return models[0] if models else platform.machine()


def describe() -> str:
    """Name all that figures depend on."""
    return f"{interpreter()}, {platform.system()}, {os.cpu_count()} x {processor()}"
