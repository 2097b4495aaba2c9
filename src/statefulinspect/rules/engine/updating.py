"""What rules put into sets and maps: elements that packets add, renew and delete."""

from __future__ import annotations

from typing import Any, Callable

from statefulinspect.rules.engine.elements import Item
from statefulinspect.rules.engine.livesets import LiveSet
from statefulinspect.rules.engine.memory import memories_of
from statefulinspect.rules.engine.reading import Sets, are_met, needs_of, reading_of
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.constants import Element, Joined, Value
from statefulinspect.rules.syntax.statements import UpdateSet

Change = Callable[[Walk], bool]


def updater(update: UpdateSet, sets: Sets) -> Change:
    """Make what a statement does to its set; it says whether the packet goes on."""
    found, needs = sets[update.name], [*needs_of(update.key), *needs_of(update.data)]
    read = reading_of(update.key, sets).read
    data = None if update.data is None else reading_of(update.data, sets).read
    types = update.key.types
    data_types = () if update.data is None else update.data.types
    renews = update.operation == "update"

    def change(walk: Walk) -> bool:
        if not are_met(needs, walk):
            return False
        key = read(walk)
        value = None if data is None else data(walk)
        if key is None or (data is not None and value is None):
            return False
        walk.touch(found)
        if update.operation == "delete":
            found.remove(key, walk.now)
            return True
        item = found.seek(key, walk)
        timeout = found.timeout if update.timeout is None else update.timeout
        deadline = None if timeout is None else walk.now + timeout
        if item is None:
            element = Element(
                written(key, types), written(value, data_types), timeout=update.timeout
            )
            item = _item(element, deadline, update, found)
            found.forget_ended(walk)
            if not found.add(key, item, walk.now):
                return False
        elif renews and item.expires_at is not None:
            _renew(found, key, item, deadline, walk)
        return all(memory.passes(walk) for memory in item.memories)

    return change


def _renew(found: LiveSet, key: Any, item: Item, deadline: float | None, walk: Walk) -> None:
    """Let an element that ages live on; told no time, it is gone at once, as in Linux."""
    if deadline is None:
        found.remove(key, walk.now)
    else:
        found.renew(key, item, deadline)


def _item(element: Element, deadline: float | None, update: UpdateSet, found: LiveSet) -> Item:
    memories = memories_of(update.statements or found.statements)
    return Item(element, element.data, deadline, memories)


def written(key: Any, types: Any) -> Any:
    """Write a key as constants of its types."""
    if key is None:
        return None
    if isinstance(key, tuple):
        return Joined(tuple(Value(part, kind) for part, kind in zip(key, types)))
    return Value(key, types[0])
