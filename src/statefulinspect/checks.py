"""What a setting may be: the validators of the configuration's fields.

Each refuses a wrong value with a `ConfigError` that says what was given and what is expected.
"""

from __future__ import annotations

from typing import Any, Callable, Final, Iterator, Mapping  # noqa: UP035 - Python 3.9

import attrs

AttributeValidator = Callable[[object, "attrs.Attribute[Any]", object], None]

LONGEST: Final = 0xFFFF_FFFF  # seconds: what ctnetlink can carry, and exact beside any clock
SHOWN: Final = 80  # characters of a wrong value; of a longer one, its class tells more


class ConfigError(ValueError):
    """Report a configuration that cannot be: what was given, and what is expected.

    >>> from statefulinspect import Timeouts
    >>> Timeouts(udp=-1)
    Traceback (most recent call last):
    ...
    statefulinspect.checks.ConfigError: udp=-1: expected a number of seconds from 0 to 4294967295
    """


def seconds(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse what is not a duration."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and 0 <= value <= LONGEST):  # type: ignore[operator]  # a number here
        msg = f"{field.name}={value!r}: expected a number of seconds from 0 to {LONGEST}"
        raise ConfigError(msg)


def switch(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse what is not a bool, so that a timeout never lands on a switch."""
    if not isinstance(value, bool):
        msg = f"{field.name}={value!r}: expected True or False"
        raise ConfigError(msg)


def whole_number(lowest: int, highest: int) -> AttributeValidator:
    """Make a validator for whole numbers from `lowest` to `highest`."""

    def validate(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if not (type(value) is int and lowest <= value <= highest):
            msg = f"{field.name}={value!r}: expected a whole number from {lowest} to {highest}"
            raise ConfigError(msg)

    return validate


def count_or_none(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse what is neither a number of things, from 1 on, nor None."""
    if value is not None and not (type(value) is int and value >= 1):
        msg = f"{field.name}={value!r}: expected a whole number from 1 on, or None"
        raise ConfigError(msg)


def rate_or_none(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse what is neither a number of times a second nor None."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    is_within = is_number and 1e-6 <= value <= 1e6  # type: ignore[operator]  # a number here
    if value is not None and not is_within:
        msg = f"{field.name}={value!r}: expected a number from 0.000001 to 1000000, or None"
        raise ConfigError(msg)


def one_of(*choices: str) -> AttributeValidator:
    """Make a validator for a few words."""

    def validate(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value not in choices:
            msg = f"{field.name}={value!r}: expected {' or '.join(map(repr, choices))}"
            raise ConfigError(msg)

    return validate


def port_number(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse what is no port, nor the number above all of them."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65_536:
        msg = f"{field.name}={value!r}: expected a port, or 65536, which none reaches"
        raise ConfigError(msg)


class FrozenMapping(Mapping[int, object]):
    """Hold a copy of a mapping, which nobody can change; it can be copied and pickled.

    >>> FrozenMapping({21: "ftp"})
    {21: 'ftp'}
    """

    __slots__ = ("_held",)

    def __init__(self, given: Mapping[int, object]) -> None:
        self._held = dict(given)

    def __getitem__(self, key: int) -> object:
        """Give what stands there."""
        return self._held[key]

    def __iter__(self) -> Iterator[int]:
        """Go over the keys, in the order in which they were given."""
        return iter(self._held)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._held)

    def __repr__(self) -> str:
        """Show it as the dict that it was."""
        return repr(self._held)


def frozen(value: Mapping[int, object]) -> Mapping[int, object]:
    """Copy a mapping, which may change later; leave anything else to the validator."""
    given: object = value
    return FrozenMapping(value) if isinstance(given, Mapping) else value


def helper_ports(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse what does not map ports to helpers; names are checked where helpers are made."""
    is_mapping = isinstance(value, Mapping)
    ports = list(value) if is_mapping else []  # type: ignore[call-overload]  # a mapping here
    if not is_mapping or not all(type(p) is int and 0 <= p <= 65_535 for p in ports):
        msg = f"{field.name}={value!r}: expected a mapping from ports to helpers"
        raise ConfigError(msg)


def instance(kind: type) -> AttributeValidator:
    """Make a validator that names the expected class."""

    def validate(_: object, field: attrs.Attribute[Any], value: object) -> None:
        refuse_other(field.name, value, kind, ConfigError)

    return validate


def refuse_other(name: str, value: object, kind: type, error: type[ValueError]) -> None:
    """Raise for an argument of another class, which a caller without type checker may pass."""
    if not isinstance(value, kind):
        whole = repr(value)
        shown = whole if len(whole) <= SHOWN else f"{type(value).__name__}(...)"
        msg = f"{name}={shown}: expected {kind.__name__}(...)"
        raise error(msg)
