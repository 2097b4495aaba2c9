"""Lines of rules, judged by the library and by nft: is it taken, and how is it printed?

Every selector in every form and every statement make 140,000 lines; `pytest
tests/kernel/test_rule_words.py --lines 5000` asks of more than by default, `--seed 7` of others.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import NamedTuple

import pytest

from kernel.rule_lines import framed, selector_lines, statement_lines
from kernel.rule_nft import Nft
from kernel.rule_quirks import FEWER, MORE, OTHERWISE, excused
from statefulinspect import Ruleset
from statefulinspect.rules.building.nodes import UnsupportedError
from statefulinspect.rules.errors import RuleError

MISSPELT = {
    "tcp dprot 22": "dprot",
    "ct stat new": "stat",
    "tcp dport ssh2": "ssh2",
    "acept": "acept",
}


@pytest.fixture(scope="module")
def nft():
    with Nft() as made:
        yield made


class Judged(NamedTuple):
    """A line in its ruleset, with what library and nft make of it."""

    line: str
    text: str
    mine: str
    theirs: str


@pytest.fixture(scope="module")
def lines(pytestconfig, nft):
    """Draw half of the lines from the statements, half from the selectors."""
    generator = random.Random(pytestconfig.getoption("seed"))
    count = pytestconfig.getoption("lines") // 2
    found = []
    for source in (statement_lines(), selector_lines()):
        every = sorted(set(source))
        for family, hook, line in generator.sample(every, min(count, len(every))):
            text = framed(line, family, hook)
            found.append(Judged(line, text, judged(text), nft.judges(text)))
    return found


def judged(text):
    """Say what the library makes of a ruleset: taken, refused or unsupported."""
    try:
        Ruleset.parse(text)
    except UnsupportedError:
        return "unsupported"
    except RuleError:
        return "refused"
    return "taken"


def test_lines_are_taken_and_refused_as_by_nft(lines):
    tally = Counter((each.mine, each.theirs) for each in lines)
    differing = [
        each
        for each in lines
        if {each.mine, each.theirs} == {"taken", "refused"}
        and not excused(each.line, MORE if each.mine == "taken" else FEWER)
    ]
    told = [f"nft: {each.theirs}, library: {each.mine}\n{each.text}" for each in differing]
    assert not told, "\n".join(told)
    assert tally["taken", "taken"] > len(lines) // 4
    assert tally["refused", "refused"] > len(lines) // 4


def test_what_is_not_supported_is_left_out_with_a_warning(lines):
    found = [each for each in lines if (each.mine, each.theirs) == ("unsupported", "taken")]
    assert found
    assert all(Ruleset.parse(each.text, unsupported="ignore").warnings for each in found)


def test_nft_takes_what_is_printed_for_the_same(nft, lines):
    taken = [
        each.text
        for each in lines
        if each.mine == each.theirs == "taken" and not excused(each.line, OTHERWISE)
    ]
    named = [text.replace(" t {", f" t{number} {{", 1) for number, text in enumerate(taken)]
    printed = [str(Ruleset.parse(text)) for text in named]
    listed = zip(nft.lists(named), nft.lists(printed), strict=True)
    told = [f"{one}\n{two}" for one, two in listed if meant(one) != meant(two)]
    assert not told, "\n".join(told)


def meant(listing):
    """Take what says nothing out of a listing: braces around one element, empty comments."""
    listing = re.sub(r"\{ ((?:(?! : )[^,{}])*) \}", r"\1", listing)
    listing = re.sub(r"\{ ([^{}]*,[^{}]*) \}", _sorted, listing)
    return re.sub(r' (comment|prefix) ""', "", listing)


def _sorted(found):
    return ", ".join(sorted(found[1].split(", ")))


@pytest.mark.parametrize("line", MISSPELT)
def test_a_misspelt_word_is_named_where_it_stands(nft, line):
    text = framed(line)
    assert nft.judges(text) == "refused"
    with pytest.raises(RuleError) as caught:
        Ruleset.parse(text)
    error, word = caught.value, MISSPELT[line]
    assert text.split("\n")[error.line - 1][error.column - 1 :].startswith(word)
    assert repr(word) in error.message
    assert "expected" in error.message
