"""Every conversation under scenarios/, played against the library."""

from __future__ import annotations

from pathlib import Path

import pytest

from conversation import Conversation, scenarios

FILES = sorted(Path(__file__).parent.joinpath("scenarios").glob("*.txt"))
ALL = [
    pytest.param(text, id=f"{file.stem}: {title}")
    for file in FILES
    for title, text in scenarios(file.read_text()).items()
]


@pytest.mark.parametrize("text", ALL)
def test_conversation(text):
    Conversation(text).play()


def test_there_are_conversations():
    assert len(ALL) > 100
