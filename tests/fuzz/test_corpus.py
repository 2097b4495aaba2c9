"""The kept inputs of the fuzzer, played once more: nothing raises, and answers are repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.keep import kinds, worth_keeping
from fuzz.seeds import seeds
from fuzz.target import PAUSES, TEMPERS, join, run, split
from statefulinspect import CtState, Reason

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
SMALL = 256 * 1024  # octets of the whole corpus


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_an_input_gives_the_same_answers_twice(path):
    assert run(path.read_bytes()) == run(path.read_bytes())


def test_the_seeds_are_kept():
    kept = {path.name: path.read_bytes() for path in CORPUS}
    assert seeds().items() <= kept.items()
    assert sum(map(len, kept.values())) < SMALL


def test_the_corpus_reaches_far():
    """It meets every ct state, most reasons, and entries of every protocol with a machine."""
    answers = [answer for path in CORPUS for answer in run(path.read_bytes())]
    assert {answer[1] for answer in answers} == set(CtState)
    assert len({answer[3] for answer in answers}) > len(Reason) * 3 // 4
    lines = {answer[4].split(" ")[0] for answer in answers}
    assert lines >= {"tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "udplite"}


@given(
    st.integers(0, len(TEMPERS) - 1),
    st.lists(st.tuples(st.sampled_from(PAUSES), st.binary(max_size=300))),
)
def test_bytes_are_read_as_they_were_written(temper, steps):
    octets = join(temper, steps)
    assert split(octets) == steps
    assert octets[0] == temper


@given(st.binary(max_size=60))
def test_every_string_of_bytes_means_something(data):
    assert len(run(data)) == len(split(data))


def test_what_shows_nothing_new_is_not_kept():
    all_seeds = list(seeds().values())
    assert worth_keeping([], all_seeds * 2) == worth_keeping([], all_seeds)
    assert worth_keeping(all_seeds, all_seeds) == []
    assert kinds(b"".join(worth_keeping([], [b"", b"\0"]))) == set()
