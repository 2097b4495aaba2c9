"""Fuzz `Tracker.process` with coverage as the guide, until something is wrong.

    pip install --only-binary atheris -e '.[fuzz]'
    python tests/fuzz/fuzz_process.py -max_total_time=60 found tests/fuzz/corpus

The arguments are libFuzzer's. What reaches new code is written to the first folder, which is made;
the others are only read. Bytes that fail are written to crash-...; give that file alone to repeat
it. `keep.py` takes what is worth keeping into the corpus.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent))
with atheris.instrument_imports(include=["statefulinspect"]):
    from fuzz.target import run

LONGEST = 8192  # octets of an input: some dozens of packets


def one_input(data: bytes) -> None:
    """Run one input; what it answers matters to the replay only."""
    run(data)


def main(words: list[str]) -> None:
    """Run until the time is over, or an exception comes."""
    places = [word for word in words[1:] if not word.startswith("-")]
    if places and not Path(places[0]).exists():
        Path(places[0]).mkdir(parents=True)
    atheris.Setup([words[0], f"-max_len={LONGEST}", *words[1:]], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
