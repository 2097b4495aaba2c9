"""How far a long replay is, shown to whoever waits for it at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from statefulinspect.cli.frame import Frame
from statefulinspect.cli.source import CaptureSource

LONG: Final = 5_000_000  # octets; less is over before a bar could be read
STEP: Final = 1000  # frames between two updates


def is_wanted(source: CaptureSource, *, shows_packets: bool) -> bool:
    """Say whether a bar helps and disturbs nothing: packet lines on the same terminal would."""
    is_watched = sys.stderr.isatty() and not (shows_packets and sys.stdout.isatty())
    return is_watched and source.size > LONG


def with_progress(frames: Iterable[Frame], source: CaptureSource) -> Generator[Frame, None, None]:
    """Hand the frames on, with a bar on standard error that is gone at the end."""
    columns = (TextColumn("replaying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    # Redirection would send packet lines for a file through the bar's console.
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        task = progress.add_task("", total=source.size)
        for count, frame in enumerate(frames):
            if count % STEP == 0:
                progress.update(task, completed=source.position)
            yield frame
