"""How rules are read from files, with the files that they include.

An included file is sought beside the file that was named, then in the directories of --include; a
name with * stands for all files that fit, in their order, and may stand for none. A directory
stands for none.
"""

from __future__ import annotations

import re
import sys
from glob import glob, has_magic
from pathlib import Path
from typing import Callable, Final

import attrs

from statefulinspect.cli.options import RulesReading
from statefulinspect.cli.silence import unknown_helpers
from statefulinspect.cli.source import STANDARD_INPUT
from statefulinspect.cli.streams import standard_input
from statefulinspect.rules.building.nodes import UnsupportedError
from statefulinspect.rules.engine.path import PATHS
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.ruleset import Ruleset

WARNED: Final = re.compile(r"(?:(?:(.+?): )?line (\d+): )?(.*)", re.DOTALL)
LEFT_OUT: Final = " (--unsupported ignore leaves such things out)"
WITHOUT_LARK: Final = "reading rules needs lark: pip install 'statefulinspect[rules]'"


class UnreadableError(Exception):
    """Report a file that cannot be read, or what is missing to read it: one line."""


@attrs.define
class RulesFile:
    """Hold a file of rules; `texts` are the files that it includes, by their paths."""

    name: str
    text: str
    reading: RulesReading
    texts: dict[str, str] = attrs.Factory(dict)

    @classmethod
    def opened(cls, name: str, reading: RulesReading) -> RulesFile:
        """Read the file; UnreadableError if it cannot be."""
        if name != STANDARD_INPUT:
            return cls(name, read_text(name), reading)
        shown = "standard input"
        return cls(shown, _text(shown, lambda: standard_input().read()), reading)

    def parse(self) -> Ruleset:
        """Make the ruleset; RuleError says where it is wrong."""
        try:
            if self.text.lstrip().startswith("{"):
                return Ruleset.from_json(self.text, unsupported=self.reading.unsupported)
            return Ruleset.parse(
                self.text, resolve=self.include, unsupported=self.reading.unsupported
            )
        except ImportError as error:
            if (error.name or "lark").partition(".")[0] != "lark":
                raise
            raise UnreadableError(WITHOUT_LARK) from error

    def include(self, name: str) -> dict[str, str]:
        """Give the texts of included files; LookupError if there is none that can be read."""
        found = self._find(name)
        if found is None:
            msg = "there is no such file"
            raise LookupError(msg)
        try:
            texts = {path: read_text(path) for path in found}
        except UnreadableError as error:
            raise LookupError(str(error)) from error
        self.texts.update(texts)
        return texts

    def _find(self, name: str) -> list[str] | None:
        """List the files of a name, from the first directory that has it; None if none has."""
        own = Path(self.name).parent
        for directory in (own, *map(Path, self.reading.includes)):
            pattern = str(directory / name)
            found = sorted(glob(pattern)) if has_magic(name) else [pattern]
            files = [each for each in found if Path(each).is_file()]
            if files or Path(pattern).is_dir():  # of a directory, nft 1.0.6 reads nothing
                return files
        return [] if has_magic(name) else None

    def line(self, error: RuleError) -> str:
        """Give the line of the text where an error is; empty if that is not known."""
        text = self.texts.get(error.name, "") if error.name else self.text
        lines = text.splitlines()
        at = error.line or 0
        return lines[at - 1] if 0 < at <= len(lines) else ""


def read_rules(name: str, reading: RulesReading, hook: str) -> Ruleset:
    """Read a ruleset for packets of a hook, with warnings to standard error.

    UnreadableError if it cannot be read.
    """
    file = RulesFile.opened(name, reading)
    try:
        ruleset = file.parse()
    except RuleError as error:
        msg = f"{position(file.name, error)}: {complaint(error)}"
        raise UnreadableError(msg) from error
    for each in ruleset.warnings:
        where, words = placed(file.name, each)
        sys.stderr.write(f"{where}: warning: {words}\n")
    for each in unknown_helpers(ruleset) if reading.unsupported == "ignore" else ():
        words = f"helper {each!r} is not supported: it reads nothing"
        sys.stderr.write(f"{file.name}: warning: {words}\n")
    others = _other_hooks(ruleset, hook)
    if others:
        words = f"no chain at hook {hook}, but some at {' and '.join(others)}: see --hook"
        sys.stderr.write(f"{file.name}: warning: {words}\n")
    return ruleset


def _other_hooks(ruleset: Ruleset, hook: str) -> list[str]:
    """List the hooks of chains that packets might be meant for, if none has theirs.

    The rules of a host say nothing about what it forwards, and so would accept all of it.
    """
    tables = [table for table in ruleset.tables if not table.is_dormant]
    found = {chain.hook for table in tables for chain in table.chains}
    return [] if hook in found else [each for each in PATHS if each in found]


def position(name: str, error: RuleError) -> str:
    """Write where an error is, as compilers do: FILE:LINE:COLUMN."""
    places = [each for each in (error.line, error.column) if each is not None]
    return ":".join(map(str, [error.name or name, *places]))


def complaint(error: RuleError) -> str:
    """Write what is wrong, and what helps if the program just does not know it."""
    is_known_to_nft = isinstance(error, UnsupportedError)
    return f"{error.message}{LEFT_OUT if is_known_to_nft else ''}"


def placed(name: str, warning: str) -> tuple[str, str]:
    """Write where a ruleset's warning is, as compilers do, and its words."""
    file, line, words = split_warning(name, warning)
    return (file if line is None else f"{file}:{line}"), words


def split_warning(name: str, warning: str) -> tuple[str, int | None, str]:
    """Take file and line from the front of a ruleset's warning; the file is `name` by default."""
    match = WARNED.fullmatch(warning)
    assert match is not None
    return match[1] or name, int(match[2]) if match[2] else None, match[3]


def read_text(name: str) -> str:
    """Read a file of text; UnreadableError if it cannot be."""
    return _text(name, Path(name).read_bytes)


def _text(name: str, read: Callable[[], bytes]) -> str:
    try:
        return read().decode()
    except OSError as error:
        msg = f"{name}: {error.strerror}"
        raise UnreadableError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{name}: is no text in UTF-8"
        raise UnreadableError(msg) from error
