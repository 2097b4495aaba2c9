"""How a run of the command ends: its exit status, and the one line on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Final

import attrs

from statefulinspect.checks import ConfigError
from statefulinspect.cli.arguments import PROGRAM, Options, parse
from statefulinspect.cli.capture import read_frames
from statefulinspect.cli.frame import CaptureError
from statefulinspect.cli.source import STANDARD_INPUT, opened
from statefulinspect.config import Config
from statefulinspect.rules.fields import RuleError
from statefulinspect.rules.model import Ruleset
from statefulinspect.tracker import Tracker

FAILED: Final = 2
INTERRUPTED: Final = 128 + 2  # what shells report of a program that SIGINT ended
BROKEN_PIPE: Final = 128 + 13  # and SIGPIPE
WITHOUT_RICH: Final = "the command line needs rich: pip install 'statefulinspect[cli]'"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and tell its exit status."""
    options = parse(argv)
    try:
        complaint = _complaint(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return BROKEN_PIPE
    except OSError as error:  # of writing; reading has its own
        complaint = f"standard output: {error.strerror}"
    if complaint:
        sys.stderr.write(f"{PROGRAM}: {complaint}\n")
    return FAILED if complaint else 0


def _complaint(options: Options) -> str:
    """Replay, and say in one line why it failed; empty if it did not."""
    try:
        _replay(options)
    except RuleError as error:
        return f"--inside: {error}"
    except ConfigError as error:
        return f"--helper: {error}"
    except CaptureError as error:
        name = "standard input" if options.file == STANDARD_INPUT else options.file
        return f"{name}: {error}"
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "rich":
            raise
        return WITHOUT_RICH
    return ""


def _config(options: Options) -> Config:
    config = Config.linux() if options.is_linux else Config()
    helpers = {**config.helpers, **dict(options.helpers)}
    return attrs.evolve(config, events=options.shows_events, helpers=helpers)


def _replay(options: Options) -> None:
    # Imported here so that without rich there is a line instead of a traceback.
    from statefulinspect.cli.jsonlines import JsonReport  # noqa: PLC0415
    from statefulinspect.cli.progress import is_wanted, with_progress  # noqa: PLC0415
    from statefulinspect.cli.replay import Replay  # noqa: PLC0415
    from statefulinspect.cli.text import TextReport  # noqa: PLC0415

    rules = Ruleset.outbound(options.inside) if options.inside else Ruleset.default()
    config = _config(options)
    report = JsonReport() if options.is_json else TextReport()
    replay = Replay(
        Tracker(rules, config),
        report,
        shows_packets=not options.is_quiet,
        fills_up_cut=not config.verify_checksums,
    )
    with opened(options.file) as source:
        frames = read_frames(source)
        if is_wanted(source, shows_packets=replay.shows_packets):
            frames = with_progress(frames, source)
        with closing(frames):  # takes the bar away, also when the run is interrupted
            replay.run(frames)
