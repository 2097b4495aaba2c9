"""The public door: its names are these, each typed and documented."""

from __future__ import annotations

import inspect
from enum import Enum

import pytest

import statefulinspect

NAMES = [
    "Action",
    "Cause",
    "Config",
    "ConfigError",
    "Connection",
    "CtState",
    "Direction",
    "DosPolicy",
    "Event",
    "EventKind",
    "Expectation",
    "FragmentEvent",
    "HelperPolicy",
    "Limits",
    "Packet",
    "Reason",
    "Rule",
    "RuleError",
    "Ruleset",
    "TcpPolicy",
    "Timeouts",
    "Tracker",
    "Verdict",
    "decode",
    "shard_key",
]


def members(name: str):
    """The public functions and properties that a class defines, or has from another of ours."""
    found = getattr(statefulinspect, name)
    ours = [each for each in getattr(found, "__mro__", ()) if "statefulinspect" in each.__module__]
    for attribute, value in {k: v for each in ours[::-1] for k, v in vars(each).items()}.items():
        if attribute.startswith("_"):
            continue
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(function):
            yield f"{name}.{attribute}", function


MEMBERS = [pytest.param(value, id=label) for name in NAMES for label, value in members(name)]


def test_the_names():
    assert statefulinspect.__all__ == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_documented(name):
    documentation = inspect.getdoc(getattr(statefulinspect, name))
    assert documentation
    assert documentation.rstrip()[0].isupper()
    assert ">>>" in documentation, "an example, which runs"


@pytest.mark.parametrize("function", MEMBERS)
def test_every_member_is_documented_and_typed(function):
    assert inspect.getdoc(function)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in list(signature.parameters.values())[1:]:
        assert parameter.annotation is not inspect.Parameter.empty


def test_there_are_members_to_look_at():
    assert len(MEMBERS) > 20


@pytest.mark.parametrize("name", ["Action", "CtState", "Direction", "Reason"])
def test_the_words_are_enums(name):
    assert issubclass(getattr(statefulinspect, name), Enum)


@pytest.mark.parametrize("name", ["ConfigError", "RuleError"])
def test_errors_are_value_errors(name):
    assert issubclass(getattr(statefulinspect, name), ValueError)


def test_the_package_is_typed():
    assert (__import__("pathlib").Path(statefulinspect.__file__).parent / "py.typed").exists()
