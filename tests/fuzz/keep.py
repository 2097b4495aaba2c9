"""Keep what the fuzzer found, if it has an answer that nothing kept has; the shortest first.

python tests/fuzz/keep.py found tests/fuzz/corpus
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from fuzz.target import run

FLAGS = re.compile(r"^[a-z]+|[A-Z][A-Z_0-9]+|\[[A-Z]+\]")


def kinds(data: bytes) -> set[tuple[object, ...]]:
    """Tell the kinds of the answers: without addresses, numbers and times."""
    return {(*answer[:-1], *FLAGS.findall(str(answer[-1]))) for answer in run(data)}


def worth_keeping(kept: list[bytes], found: list[bytes]) -> list[bytes]:
    """Choose the found inputs that show something new."""
    known = set().union(*map(kinds, kept)) if kept else set()
    chosen = []
    for data in sorted(found, key=lambda each: (len(each), each)):
        shown = kinds(data)
        if not shown <= known:
            known |= shown
            chosen.append(data)
    return chosen


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    kept, found = ([path.read_bytes() for path in each.iterdir()] for each in (target, source))
    for data in worth_keeping(kept, found):
        (target / f"found-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
