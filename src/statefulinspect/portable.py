"""How objects with fields that are not set yet, or no more, are copied and pickled."""

from __future__ import annotations

from typing import Any

import attrs


class Portable:
    """Be copied and pickled with the fields that are set.

    Classes of attrs that derive from this say `getstate_setstate=False`.
    """

    __slots__ = ()

    def __getstate__(self) -> dict[str, Any]:
        """Give what is set."""
        names = [field.name for field in attrs.fields(type(self))]  # type: ignore[arg-type]  # attrs'
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the same."""
        for name, value in state.items():
            setattr(self, name, value)
