"""Fields that few objects have anything in: kept in a dict that only those few have."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Rare(Generic[Value]):
    """Stand for such a field; the dict is the object's `rare`, or None as long as it is empty.

    A field that was never written is `otherwise`. So an object has less to make and to keep.
    """

    __slots__ = ("_name", "_otherwise")

    def __init__(self, otherwise: Value) -> None:
        self._otherwise = otherwise

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, _: type | None = None) -> Value:
        rare = owner.rare
        if rare is None:
            return self._otherwise
        value: Value = rare.get(self._name, self._otherwise)
        return value

    def __set__(self, owner: Any, value: Value) -> None:
        if owner.rare is None:
            if value == self._otherwise:
                return
            owner.rare = {}
        owner.rare[self._name] = value
