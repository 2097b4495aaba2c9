"""The public door: its names are these, each typed and documented."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

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
    "FlowKey",
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
    "Trace",
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


RIGHT = """
from __future__ import annotations

import statefulinspect as si


def told(tracker: si.Tracker, packet: bytes, now: float) -> list[str]:
    verdict: si.Verdict = tracker.process(packet, now, iif="lan0", hook="input")
    words = [verdict.action.value, verdict.ct_state.value, verdict.reason.value]
    connection: si.Connection | None = verdict.connection
    if connection is not None:
        words += [connection.state_name, str(connection.original.source), connection.helper or ""]
        connection.mark, connection.labels = connection.original.source_port or 0, 1
    words += [cause.value for event in tracker.events() for cause in event.causes]
    words += [str(each.rule.place) for each in tracker.process_many([packet], now) if each.rule]
    return [*words, str(tracker.trace(packet, now)), repr(tracker.find(packet))]


dos = si.DosPolicy(networks=["10.0.0.0/8"], loopback={"lo"})
config = si.Config.linux(timeouts=si.Timeouts(udp=20), helpers={69: "tftp"}, dos=dos)
rule = si.Rule(si.Action.ACCEPT, ct_state=["new"], destination_port=[53, (8000, 8010)])
tracker = si.Tracker(si.Ruleset([rule], policy=si.Action.DROP), config)
"""
WRONG = """
from statefulinspect import Config, DosPolicy, Rule, Tracker

DosPolicy(networks=8)
DosPolicy(loopback=None)
Config(helpers=21)
Rule("accept")
Tracker(Config())
Tracker().process("packet", 0.0)
"""


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
@pytest.mark.parametrize(("code", "errors"), [(RIGHT, 0), (WRONG, 6)], ids=["right", "wrong"])
def test_what_mypy_says_of_a_users_code(tmp_path, code, errors):
    """In a process of its own, for mypy changes the limit of recursion."""
    project = Path(__file__).parent.parent
    file = tmp_path / "user.py"
    file.write_text(code, encoding="utf-8")
    options = ["--config-file", project / "pyproject.toml", "--follow-imports=silent"]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--cache-dir", tmp_path, "--no-pretty", file],
        capture_output=True,
        check=False,
        env={**os.environ, "MYPYPATH": str(project / "src")},
        text=True,
    )
    found = [line for line in run.stdout.splitlines() if ": error: " in line]
    said = run.stdout + run.stderr
    assert (len(found), run.returncode) == (errors, bool(errors)), said
    assert all("[arg-type]" in line for line in found), said
