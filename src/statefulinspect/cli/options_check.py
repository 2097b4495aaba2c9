"""Which words `statefulinspect check` understands."""

from __future__ import annotations

import argparse
from typing import Final

import attrs

from statefulinspect.cli.options import RulesReading, add_reading, reading_of

NAME: Final = "check"
HELP: Final = "look for mistakes in nft rules"
DESCRIPTION: Final = """\
Read nft rules, as text or as `nft -j list ruleset` prints them, and say what in them is wrong or
hardly meant so: rules that never match because an earlier one takes all their packets, rules and
chains that no packet comes to, rules that contradict themselves, a firewall behind which no
connection can ever begin. No root is needed, and no kernel.
"""
EPILOG: Final = """\
What is said never to match is proven by the sets of packets that the rules ask for; sets that are
not constant count as what they may become, and so do rules that --unsupported ignore leaves out.
Advice is called info, and is no finding to --strict.

examples:
  statefulinspect check /etc/nftables.conf
  statefulinspect check --strict office.nft
  nft -j list ruleset | statefulinspect check -
  statefulinspect check --json office.nft | jq -r 'select(.kind == "shadowed") | .line'

exit status: 0; 1 if the rules are wrong, or with --strict if there is a warning; 2 if a file cannot
be read, or the arguments are wrong
"""


@attrs.frozen
class CheckOptions:
    """Hold what the user asked for."""

    files: tuple[str, ...]
    reading: RulesReading
    is_strict: bool
    is_json: bool


def options_of(found: argparse.Namespace) -> CheckOptions:
    """Collect what the user asked for."""
    return CheckOptions(tuple(found.files), reading_of(found), found.strict, found.json)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="the rules; - reads standard input"
    )
    add_reading(parser)
    parser.add_argument("--strict", action="store_true", help="fail if there is a warning")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object a line, for programs"
    )
