"""The command line, the one room of the library with input and output: `statefulinspect replay`."""

from statefulinspect.cli.command import main

__all__ = ["main"]
