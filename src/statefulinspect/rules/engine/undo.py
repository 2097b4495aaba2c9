"""How what a walk has changed is put back: of a trial that is broken off, and of a trace."""

from __future__ import annotations

from statefulinspect.rules.engine.walk import Restorable


class Undo:
    """Save what a walk is about to change, and put it back."""

    def __init__(self) -> None:
        self._saved: list[tuple[Restorable, object]] = []

    def touch(self, memory: Restorable) -> None:
        """Save something that is about to be changed."""
        self._saved.append((memory, memory.save()))

    def undo(self) -> None:
        """Put everything back, the latest change first."""
        while self._saved:
            memory, saved = self._saved.pop()
            memory.restore(saved)

    def forget(self) -> None:
        """Let what was changed be as it is."""
        self._saved.clear()
