"""Which options several commands share: the rules, the packets' way, how the tracker is set up."""

from __future__ import annotations

import argparse
from typing import Final, NoReturn

import attrs

from statefulinspect.rules.engine.path import PATHS

PROGRAM: Final = "statefulinspect"


class OneLineParser(argparse.ArgumentParser):
    """Parse arguments, and complain in one line, as about everything else."""

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        self.exit(2, f"{PROGRAM}: {message}; see {self.prog} --help\n")


@attrs.frozen
class RulesReading:
    """Hold how rules are read: where included files are sought, and what is left out of them."""

    includes: tuple[str, ...] = ()
    unsupported: str = "error"


@attrs.frozen
class Way:
    """Hold what the caller knows of all packets: their hook, and their interfaces."""

    hook: str = "forward"
    iif: str = ""
    oif: str = ""


@attrs.frozen
class Setup:
    """Hold how the tracker is set up."""

    is_linux: bool = False
    helpers: tuple[tuple[int, str], ...] = ()
    is_forgiving: bool = False  # helpers of rules that there are not read nothing


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add how rules are read."""
    parser.add_argument(
        "--include",
        "-I",
        metavar="DIR",
        action="append",
        default=[],
        help="seek included files here too, behind the directory of the rules; may be repeated",
    )
    parser.add_argument(
        "--unsupported",
        choices=("error", "ignore"),
        default="error",
        help="what to do about rules that nft knows and this program does not (default: error)",
    )


def reading_of(found: argparse.Namespace) -> RulesReading:
    """Collect how rules are read."""
    return RulesReading(tuple(found.include), found.unsupported)


def add_way(parser: argparse.ArgumentParser) -> None:
    """Add which way the packets go."""
    parser.add_argument(
        "--hook",
        choices=tuple(PATHS),
        default="forward",
        help="whether packets pass through, come in or go out (default: forward)",
    )
    parser.add_argument("--iif", metavar="NAME", default="", help="their incoming interface")
    parser.add_argument("--oif", metavar="NAME", default="", help="their outgoing interface")


def way_of(found: argparse.Namespace) -> Way:
    """Collect which way the packets go."""
    return Way(found.hook, found.iif, found.oif)


def add_setup(parser: argparse.ArgumentParser) -> None:
    """Add how the tracker is set up."""
    parser.add_argument(
        "--helper",
        metavar="PORT=NAME",
        action="append",
        default=[],
        type=_helper,
        help="have a helper read connections to this port, as in 69=tftp; may be repeated",
    )
    parser.add_argument(
        "--linux",
        action="store_true",
        help="be as Linux boots: its timeouts, loose pickup, checksums verified",
    )


def setup_of(found: argparse.Namespace) -> Setup:
    """Collect how the tracker is set up."""
    return Setup(found.linux, tuple(found.helper), found.unsupported == "ignore")


def _helper(word: str) -> tuple[int, str]:
    """Read which helper reads connections to which port."""
    port, equals, name = word.partition("=")
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535
    if not (equals and name and is_port):
        msg = f"{word!r}: expected PORT=NAME, as in 69=tftp"
        raise argparse.ArgumentTypeError(msg)
    return int(port), name
