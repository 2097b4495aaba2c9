"""Which words `statefulinspect test` understands."""

from __future__ import annotations

import argparse
from typing import Final

import attrs

from statefulinspect.cli.options import (
    RulesReading,
    Setup,
    Way,
    add_reading,
    add_setup,
    add_way,
    reading_of,
    setup_of,
    way_of,
)

NAME: Final = "test"
PIPED: Final = f"{NAME} RULES - --expect FILE"  # how it reads standard input
HELP: Final = "test nft rules with a capture and expectations"
DESCRIPTION: Final = """\
Play a capture to the connection tracker with nft rules, and compare what becomes of its packets
with a file of expectations. Says OK, or shows the first packet that fares otherwise, which rule
decided, and its way through all rules.
"""
EPILOG: Final = """\
A line of the expectations names packets by their numbers in the capture, and what is expected of
them: an action (accept, drop, reject, hold), a ct state (new, established, related, invalid,
untracked), a direction (original, reply), a reason (as SEQ_ABOVE_WINDOW), and behind `by` the text
of the rule that decides, or `policy`. Every word may be left out, and # begins a comment:

  1-4       accept untracked
  5,9       accept new by tcp dport { 80, 443 } accept   # the web
  120       drop invalid ACK_ABOVE_SENT
  121       drop by policy

`not-ip` stands for what is no IP packet. Packets that no line names are not compared, unless --all
is given.

examples:
  statefulinspect test office.nft office.pcap --expect office.expect
  statefulinspect test office.nft office.pcap --expect office.expect --update
  statefulinspect test --linux --hook input host.nft host.pcap --expect host.expect --all

exit status: 0; 1 if a packet fares otherwise than expected; 2 if a file cannot be read, or the
arguments are wrong
"""


@attrs.frozen
class TrialOptions:
    """Hold what the user asked for."""

    rules: str
    file: str
    expect: str
    reading: RulesReading
    way: Way
    setup: Setup
    is_all: bool
    is_update: bool
    is_json: bool


def options_of(found: argparse.Namespace) -> TrialOptions:
    """Collect what the user asked for."""
    return TrialOptions(
        rules=found.rules,
        file=found.file,
        expect=found.expect,
        reading=reading_of(found),
        way=way_of(found),
        setup=setup_of(found),
        is_all=found.all,
        is_update=found.update,
        is_json=found.json,
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("rules", metavar="RULES", help="the rules")
    parser.add_argument("file", metavar="CAPTURE", help="the capture; - reads standard input")
    parser.add_argument("--expect", metavar="FILE", required=True, help="the expectations")
    add_reading(parser)
    add_way(parser)
    add_setup(parser)
    parser.add_argument(
        "--all", action="store_true", help="fail also if a packet is not expected at all"
    )
    parser.add_argument(
        "--update", action="store_true", help="write the expectations, from what happens now"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
