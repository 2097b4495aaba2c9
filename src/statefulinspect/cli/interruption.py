"""How ^C ends a replay: between two frames, with what is left and the totals still to be printed.

That is how one ends a live capture. Within a frame it would leave a connection half changed. A
second ^C ends everything, also the printing.
"""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from types import FrameType

from statefulinspect.cli.frame import Frame


class Interruption:
    """Tell whether ^C has been pressed, and end frames then."""

    def __init__(self) -> None:
        self.is_asked = False
        self._is_reading = False

    def ending(self, frames: Generator[Frame, None, None]) -> Generator[Frame, None, None]:
        """Hand the frames on until they end, or ^C is pressed."""
        with closing(frames), self._listening():
            while not self.is_asked:
                frame = self._next(frames)
                if frame is None:
                    return
                yield frame

    def _next(self, frames: Generator[Frame, None, None]) -> Frame | None:
        """Wait for a frame; None at the end, or on ^C."""
        try:
            self._is_reading = True
            return next(frames, None)
        except KeyboardInterrupt:
            self.is_asked = True
            return None
        finally:
            self._is_reading = False

    @contextmanager
    def _listening(self) -> Iterator[None]:
        before = signal.getsignal(signal.SIGINT)
        if before is not signal.default_int_handler:  # as of a shell's background jobs
            yield
            return
        signal.signal(signal.SIGINT, self._take_note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _take_note(self, _: int, __: FrameType | None) -> None:
        if self._is_reading or self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
