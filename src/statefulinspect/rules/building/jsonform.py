"""How nft's JSON form is read: libnftables-json(5), as `nft -j list ruleset` prints it."""

from __future__ import annotations

import json
from typing import Any, Mapping, Union  # noqa: UP035 - Python 3.9

from statefulinspect.rules.building.nodes import shown
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.language.reading import read_text
from statefulinspect.rules.language.tree import refuse_too_deep

Json = Union[str, bytes, Mapping[str, Any], list[Any]]


def read_json(text_or_object: Json) -> list[dict[str, Any]]:
    """Read JSON, as text or taken apart already, into commands for the builder.

    >>> read_json('{"nftables": [{"table": {"family": "inet", "name": "t"}}]}')
    [{'table': {'family': 'inet', 'name': 't'}}]
    """
    given = _loaded(text_or_object) if isinstance(text_or_object, (str, bytes)) else text_or_object
    if isinstance(given, Mapping):
        given = given.get("nftables")
    if not isinstance(given, list):
        msg = "expected an object with the key nftables, and a list below it"
        raise RuleError(msg)
    for each in given:
        if not isinstance(each, Mapping):
            msg = f"{shown(each)}: expected a command, an object"
            raise RuleError(msg)
        refuse_too_deep(each)
    return [_with_statements(dict(each)) for each in given]


def _with_statements(command: dict[str, Any]) -> dict[str, Any]:
    """Read the statements that nft 1.0 writes as text: additions to maps, chains without a name."""
    rule = command.get("rule")
    parts = rule.get("expr") if isinstance(rule, Mapping) else None
    if not isinstance(parts, list) or not any(isinstance(each, str) for each in parts):
        return command
    found = [_read(each) if isinstance(each, str) else each for each in parts]
    return {"rule": {**command["rule"], "expr": found}}


def _read(statement: str) -> Any:
    """Read one statement of a rule; its place in that little text is no place in the JSON."""
    try:
        command = read_text(f"add rule t c {statement}")[0]
        (part,) = command["add"]["rule"]["expr"]
        return json.loads(json.dumps(part))  # without places
    except (RuleError, ValueError, LookupError) as error:
        msg = f"{statement!r}: expected one statement: {error}"
        raise RuleError(msg) from None


def _loaded(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"expected JSON: {error.msg}"
        raise RuleError(msg, error.lineno, error.colno) from None
    except (ValueError, RecursionError) as error:
        msg = f"expected JSON: {error}"
        raise RuleError(msg) from None
