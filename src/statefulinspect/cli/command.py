"""How a run of the command ends: its exit status, and the one line on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from statefulinspect.checks import ConfigError
from statefulinspect.cli import streams
from statefulinspect.cli.arguments import Options, parse
from statefulinspect.cli.capture import read_frames
from statefulinspect.cli.check import check
from statefulinspect.cli.frame import CaptureError
from statefulinspect.cli.interruption import Interruption
from statefulinspect.cli.options import PROGRAM
from statefulinspect.cli.options_check import CheckOptions
from statefulinspect.cli.options_replay import PIPED, ReplayOptions
from statefulinspect.cli.passing import Passage
from statefulinspect.cli.rulesfile import UnreadableError, read_rules
from statefulinspect.cli.source import STANDARD_INPUT, opened
from statefulinspect.cli.trial import trial
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.ruleset import Ruleset

FAILED: Final = 2
INTERRUPTED: Final = 128 + 2  # what shells report of a program that SIGINT ended
BROKEN_PIPE: Final = 128 + 13  # and SIGPIPE
WITHOUT_RICH: Final = "the command line needs rich: pip install 'statefulinspect[cli]'"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and tell its exit status."""
    try:
        streams.prepare()
        return _ended(parse(argv))
    except KeyboardInterrupt:
        return INTERRUPTED


def _ended(options: Options) -> int:
    """Run to the end, or to what ends it: then complain, in one line."""
    status, complaint = FAILED, ""
    try:
        streams.require_standard_output()
        status = _run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        return BROKEN_PIPE
    except OSError as error:  # of writing; reading has its own
        complaint = f"standard output: {error.strerror}"
    except (ValueError, CaptureError, UnreadableError, ModuleNotFoundError) as error:
        complaint = _complaint(error, options)
        if not complaint:
            raise
    if complaint:
        _complain(complaint)
    return FAILED if complaint else status


def _complain(line: str) -> None:
    sys.stderr.write(f"{PROGRAM}: {line}\n")


def _run(options: Options) -> int:
    if isinstance(options, CheckOptions):
        return check(options)
    if isinstance(options, ReplayOptions):
        return _replay(options)
    return trial(options)


def _complaint(error: Exception, options: Options) -> str:
    """Say in one line why a command failed; empty if that is for a traceback to say."""
    if isinstance(error, UnreadableError):
        return str(error)
    if isinstance(error, RuleError):
        return f"{_source_of_rules(options)}: {error}"
    if isinstance(error, ConfigError):
        return f"--helper: {error}"
    if isinstance(error, CaptureError) and not isinstance(options, CheckOptions):
        name = "standard input" if options.file == STANDARD_INPUT else options.file
        return f"{name}: {error}"
    missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    return WITHOUT_RICH if missing.partition(".")[0] == "rich" else ""


def _source_of_rules(options: Options) -> str:
    """Name what is wrong in rules that were read well, but cannot work."""
    rules = "" if isinstance(options, CheckOptions) else options.rules
    return rules or "--inside"


def _replay(options: ReplayOptions) -> int:
    # Imported here so that without rich there is a line instead of a traceback.
    from statefulinspect.cli.jsonlines import JsonReport  # noqa: PLC0415
    from statefulinspect.cli.progress import is_wanted, with_progress  # noqa: PLC0415
    from statefulinspect.cli.replay import Replay  # noqa: PLC0415
    from statefulinspect.cli.text import TextReport  # noqa: PLC0415

    passage = Passage.of(_rules(options), options.setup, options.way, events=options.shows_events)
    report = JsonReport() if options.is_json else TextReport(names_rules=bool(options.rules))
    replay = Replay(passage, report, not options.is_quiet, options.traced)
    interruption = Interruption()
    with opened(options.file) as source:
        frames = read_frames(source, PIPED)
        if is_wanted(source, shows_packets=replay.shows_packets):
            frames = with_progress(frames, source)
        with closing(interruption.ending(frames)) as frames:  # takes the bar away in any case
            replay.run(frames)
    for line in replay.untraced():
        _complain(line)
    return INTERRUPTED if interruption.is_asked else 0


def _rules(options: ReplayOptions) -> Ruleset:
    if options.rules:
        return read_rules(options.rules, options.reading, options.way.hook)
    return Ruleset.outbound(options.inside) if options.inside else Ruleset.default()
