"""How the standard streams can be had: each may be closed, and not every letter can be written."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import BinaryIO, NoReturn


def prepare() -> None:
    """Have what cannot be encoded escaped, and complaints written nowhere if nobody hears them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end


def require_standard_output() -> None:
    """Raise OSError if standard output is closed."""
    if sys.stdout is None:
        _refuse()


def standard_input() -> BinaryIO:
    """Give standard input; OSError if it is closed."""
    if sys.stdin is None:
        _refuse()
    return sys.stdin.buffer


def _refuse() -> NoReturn:
    raise OSError(errno.EBADF, "it is closed")
