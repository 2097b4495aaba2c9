"""The command line, the one room of the library with input and output: replay, test and check."""

from statefulinspect.cli.command import main

__all__ = ["main"]
