"""Which commands the command line understands; their options are in files of their own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Union

from statefulinspect.cli import options_check, options_replay, options_test
from statefulinspect.cli.options import PROGRAM, OneLineParser
from statefulinspect.cli.options_check import CheckOptions
from statefulinspect.cli.options_replay import ReplayOptions
from statefulinspect.cli.options_test import TrialOptions

DESCRIPTION: Final = "Track connections as Linux does, in plain Python."
COMMANDS: Final = (options_replay, options_check, options_test)

Options = Union[ReplayOptions, CheckOptions, TrialOptions]


def parse(words: Sequence[str] | None) -> Options:
    """Read the arguments; leaves the program for --help, --version and wrong ones."""
    found = _parser().parse_args(words)
    options: Options = found.options_of(found)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog=PROGRAM, description=DESCRIPTION)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_version(parser)
    for each in COMMANDS:
        command = commands.add_parser(
            each.NAME,
            help=each.HELP,
            description=each.DESCRIPTION,
            epilog=each.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        each.add_options(command)
        command.set_defaults(options_of=each.options_of)
        _add_version(command)
    return parser


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {_version()}")


def _version() -> str:
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "(not installed)"
